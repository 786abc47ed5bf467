// What would reach more people, as far as the calls so far say, with what that rests on. Nothing is changed by itself.
import { html } from '../lib/ui.js';
import { canWrite, get, useResource } from '../lib/api.js';
import { hourMinute, num, pct, plural, span, WEEK, zoneName } from '../lib/format.js';
import { ActionButton, Card, Loading, Problem } from '../components/basic.js';

/** Hours of the night, in which nobody calls, are left out unless they are used. */
const [EARLIEST, LATEST] = [8, 21];

/** @param {{campaign: any, tryOut: (changes: object) => Promise<void>}} props */
export function Suggestions({ campaign, tryOut }) {
  const { id, updated_at: version } = campaign;
  const [resource, reload] = useResource(
    `${id} ${version}`,
    (options) => get(`/voice-campaigns/${id}/suggestions`, options),
    { keep: true },
  );
  const { data, error } = resource.value;
  const inside = error
    ? html`<${Problem} error=${error} retry=${reload} />`
    : !data
      ? html`<${Loading} rows=${1} h=${60} />`
      : html`<${Found} data=${data} campaign=${campaign} tryOut=${tryOut} />`;
  return html`<${Card} title="Suggestions" sub="From the calls of the last 90 days. Nothing changes by itself.">
    <div class="stack">${inside}</div>
  <//>`;
}

function Found({ data, campaign, tryOut }) {
  const { suggestions, observations, hours, retry_delays: delays, time_zone: zone } = data;
  const seen = observations.own + observations.siblings;
  return html`${
    suggestions.length
      ? html`<ul class="stack suggestions">
          ${suggestions.map(
            (one, i) =>
              html`<li key=${i} class="stack-s">
                <h3>${words(one, campaign)}</h3>
                <p class="small muted">${grounds(one)}</p>
                ${
                  canWrite.value &&
                  html`<div>
                    <${ActionButton} class="btn small" icon="flask-conical" run=${() => tryOut(one.changes)}>
                      Try it in a rehearsal<span class="vh">: ${words(one, campaign)}</span>
                    <//>
                  </div>`
                }
              </li>`,
          )}
        </ul>`
      : html`<p class="muted">
          None. What is suggested was seen in 50 calls at least, and is better by a tenth with a certainty of 80%.
          ${seen ? ` So far there are ${plural(seen, 'call')} to learn from.` : ' Nobody was called yet.'}
        </p>`
  }
  ${seen > 0 && html`<${Hours} hours=${hours} zone=${zone} /><${Delays} delays=${delays} />`}`;
}

/** What is suggested, for people. */
function words({ code, changes, message }, campaign) {
  switch (code) {
    case 'add_hours':
      return changes.calling_hours_end
        ? `Call until ${hourMinute(changes.calling_hours_end)} instead of ${hourMinute(campaign.calling_hours_end)}`
        : `Call from ${hourMinute(changes.calling_hours_start)} instead of ${hourMinute(campaign.calling_hours_start)}`;
    case 'add_day': {
      const added = WEEK.filter((day) => changes.working_days.includes(day) && !campaign.working_days.includes(day));
      return `Call on ${added.map((day) => `${day}s`).join(' and ')} too`;
    }
    case 'change_retry_delay':
      return `Wait ${span(changes.retry_delay_minutes)} before calling again, not ${span(campaign.retry_delay_minutes)}`;
    default:
      return message;
  }
}

const times = (factor) => `${num(Math.round(factor * 100) / 100)} times`;
const between = ({ low, high }, say) => `${say(low)} to ${say(high)}`;

/** Why it is suggested. */
function grounds({ code, evidence }) {
  const { suggested, current, certain_percent: certain, calls, own_calls: own } = evidence;
  const isDelay = code === 'change_retry_delay';
  const say = isDelay ? times : pct;
  const then = isDelay
    ? `Such calls reach people ${say(suggested.middle)} as often as is usual at their hours (${between(suggested, say)}), now ${say(current.middle)}`
    : `Then ${say(suggested.middle)} of calls are picked up (${between(suggested, say)}), now ${say(current.middle)} (${between(current, say)})`;
  return `${then}. ${certain}% certain to be better, from ${plural(calls, 'call')}, ${num(own)} of them of this campaign.`;
}

function Hours({ hours, zone }) {
  const isShown = ({ hour, is_open: isOpen, own_calls: own, sibling_calls: others }) =>
    isOpen || own + others > 0 || (hour >= EARLIEST && hour < LATEST);
  return html`<details class="bordered">
    <summary>How often people pick up, by hour</summary>
    <p class="small muted padded-top">Hours in which it does not call are grey.</p>
    <div class="scroll-x" tabindex="0" role="region" aria-label="Calls that are picked up by hour">
      <table class="table tight">
        <thead>
          <tr>
            <th>${zoneName(zone)}</th>
            <th class="r">Picked up</th>
            <th class="r">Eight of ten</th>
            <th class="r">Calls</th>
          </tr>
        </thead>
        <tbody>
          ${hours.filter(isShown).map(
            ({ hour, is_open: isOpen, answer_rate: rate, own_calls: own, sibling_calls: others }) =>
              html`<tr key=${hour} class=${!isOpen && 'muted'}>
                <td>${hour}:00${!isOpen && html`<span class="vh"> (not called now)</span>`}</td>
                <td class="r">${pct(rate.middle)}</td>
                <td class="r nowrap">${pct(rate.low)} – ${pct(rate.high)}</td>
                <td class="r">${num(own + others)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}

const delayWords = ({ from_minutes: from, to_minutes: to }) =>
  to == null ? `${span(from)} or more` : from ? `${span(from)} to ${span(to)}` : `Less than ${span(to)}`;

function Delays({ delays }) {
  const seen = delays.filter(({ calls }) => calls > 0);
  if (!seen.length) return null;
  return html`<details class="bordered">
    <summary>What came of calling again, by the wait</summary>
    <div class="scroll-x" tabindex="0" role="region" aria-label="Calls again by the wait before them">
      <table class="table tight">
        <thead>
          <tr>
            <th>Wait</th>
            <th class="r">Calls</th>
            <th class="r">Reached</th>
            <th class="r">Beside the usual</th>
          </tr>
        </thead>
        <tbody>
          ${seen.map(
            (delay) =>
              html`<tr key=${delay.from_minutes}>
                <td>${delayWords(delay)}${delay.is_current ? ' (now)' : ''}</td>
                <td class="r">${num(delay.calls)}</td>
                <td class="r">${num(delay.reached)}</td>
                <td class="r nowrap">${times(delay.factor.middle)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}
