// The last step: everything once more, what it may cost, and what to think of before people are called.
import { html } from '../lib/ui.js';
import { get, post, useResource } from '../lib/api.js';
import { RULES } from '../lib/draft.js';
import { pushQuery } from '../lib/router.js';
import { overview } from '../lib/store.js';
import {
  capital,
  day,
  dayRange,
  decimal,
  money,
  num,
  openLeads,
  plural,
  WEEK,
  weekTime,
  zoneName,
} from '../lib/format.js';
import { Icon, Loading, Note, Problem } from '../components/basic.js';
import { Forecast, Outlook, useForecast } from '../components/forecast.js';
import { WarningText } from './campaign-script.js';
import { UnusualHours } from './wizard-schedule.js';

export function ReviewStep({ draft }) {
  const { id } = draft.campaign.value;
  const [stats, reload] = useResource(String(id), (options) => get(`/voice-campaigns/${id}/stats`, options));
  const { data, error } = stats.value;
  if (error) return html`<${Problem} error=${error} retry=${reload} />`;
  if (!data) return html`<${Loading} rows=${3} />`;
  const form = draft.form.value;
  const people = openLeads(data.leads);
  if (form.campaign_type === 'inbound') {
    return html`<div class="stack">
      <${Note} icon="phone">
        <strong>Nobody is called.</strong> Whoever calls ${form.inbound_number || 'the number'} while the campaign is
        active hears the script, at any hour.
      <//>
      <${Summary} form=${form} people=${people} /><${Consent} />
    </div>`;
  }
  return html`<div class="stack">
    ${people ? html`<${Estimate} form=${form} people=${people} /><${Ahead} campaign=${{ ...draft.campaign.value, stats: data }} />` : html`<${Nobody} />`}
    ${people > 0 && html`<${Warnings} id=${id} />`}<${Summary} form=${form} people=${people} />
    ${people > 0 && html`<${NotYet} form=${form} />`}<${UnusualHours} form=${form} action=${editHours} /><${Consent} />
  </div>`;
}

/** Whether these are hours of the campaign. A window over midnight belongs to the day on which it begins. */
function isWithinHours({ working_days: days, calling_hours_start: from, calling_hours_end: until, time_zone: zone }) {
  const [today, now] = weekTime(Date.now(), zone);
  const yesterday = WEEK.at(WEEK.indexOf(today) - 1);
  if (from < until) return days.includes(today) && from <= now && now < until;
  return (days.includes(today) && from <= now) || (days.includes(yesterday) && now < until);
}

const editHours = html`<button type="button" class="btn small" onClick=${() => pushQuery({ step: 'schedule' })}>
  Edit hours
</button>`;

/** Who starts a campaign in the evening should not wonder why nobody is called. */
function NotYet({ form }) {
  const isKnown = form.lead_time_zone_policy !== 'lead' && !Object.keys(RULES.schedule(form)).length;
  if (!isKnown || isWithinHours(form)) return null;
  return html`<${Note} icon="clock" action=${editHours}>
    <strong>Nobody is called at once.</strong> It is ${weekTime(Date.now(), form.time_zone).join(' ')} there, outside
    the hours.
  <//>`;
}

/** What the server would warn of, now that it knows the leads: also that nobody could be called. */
function Warnings({ id }) {
  const [checked] = useResource(String(id), (options) =>
    post(`/voice-campaigns/${id}/preview`, { worst_cases: true }, options),
  );
  const edit = html`<button type="button" class="btn small" onClick=${() => pushQuery({ step: 'script' })}>
    Edit script
  </button>`;
  return html`<div class="stack-s" aria-live="polite">
    ${(checked.value.data?.warnings ?? []).map(
      (warning) =>
        html`<${Note} key=${warning.field + warning.message} kind="warn" icon="triangle-alert" action=${edit}
          ><${WarningText} ...${warning}
        /><//>`,
    )}
  </div>`;
}

/** Every call that is picked up costs; somebody whose machine answers may be called again. */
function Estimate({ form, people }) {
  const cost = people * decimal(form.cost_per_call);
  const most = cost * Number(form.max_attempts_per_lead);
  const days = Math.ceil(people / Math.max(1, Number(form.calls_per_day)));
  const budget = form.budget.trim() === '' ? null : decimal(form.budget);
  return html`<div class="est">
      <div><b class="num">${num(people)}</b><span>${people === 1 ? 'person' : 'people'}</span></div>
      <div><b class="num">${plural(days, 'day')}</b><span>of calling at least</span></div>
      ${
        decimal(form.cost_per_call) > 0
          ? html`<div>
              <b class="num">${money(round(cost))}</b
              ><span>when each is picked up once, ${money(round(most))} at most</span>
            </div>`
          : html`<div><b>–</b><span>no cost per call set</span></div>`
      }
    </div>
    ${
      budget !== null &&
      cost > budget &&
      html`<${Note} kind="warn" icon="wallet">
        The estimate is above the budget of ${money(budget)}. Calling stops when the budget is used up.
      <//>`
    }`;
}

/** Where it leads, as rehearsals in the background say: what an estimate cannot know, such as the hours and the retries. */
function Ahead({ campaign }) {
  const { data: forecast, error, reload } = useForecast(campaign);
  return html`<section class="stack-s" aria-label="Forecast">
    <p class="strong"><${Outlook} campaign=${campaign} forecast=${forecast} /></p>
    <${Forecast} campaign=${campaign} forecast=${forecast} error=${error} reload=${reload} />
  </section>`;
}

/** A day of a control, which has no clock. */
const dayWithYear = (date) => `${day(date, 'UTC')}, ${date.slice(0, 4)}`;

const round = (amount) => Math.round(amount * 10000) / 10000;

const Nobody = () =>
  html`<${Note}
    kind="warn"
    icon="users"
    action=${html`<button class="btn small" onClick=${() => pushQuery({ step: 'leads' })}>Add people</button>`}
  >
    <strong>There is nobody to call yet.</strong> You can save a draft now and add people later.
  <//>`;

function Summary({ form, people }) {
  const line = (step, label, value) =>
    html`<li class="rev" key=${label}>
      <span class="k">${label}</span>
      <div class="v">${value}</div>
      <button type="button" class="btn ghost small" onClick=${() => pushQuery({ step })}>
        Edit<span class="vh"> ${label}</span>
      </button>
    </li>`;
  const clock =
    form.lead_time_zone_policy === 'lead' ? 'on the clock of each person' : `${zoneName(form.time_zone)} time`;
  const hours = `${form.calling_hours_start}–${form.calling_hours_end}`;
  const budget = form.budget.trim() === '' ? 'no budget limit' : `budget ${money(decimal(form.budget))}`;
  const tries = plural(Number(form.max_attempts_per_lead), 'attempt');
  return html`<ul class="revs">
    ${line('basics', 'Name', form.name)}
    ${form.campaign_type === 'inbound' && line('basics', 'Takes calls to', form.inbound_number || 'No number yet')}
    ${line('script', 'Script', html`<span class="clamp">${form.script_template}</span>`)}
    ${line('script', 'Voicemail', html`<span class="clamp">${form.fallback_script || 'Nothing is left'}</span>`)}
    ${line('leads', 'People', people ? `${num(people)} to call` : 'None')}
    ${line('schedule', 'Schedule', capital(`${dayRange(form.working_days)}, ${hours}, ${clock}`))}
    ${form.start_date && line('schedule', 'First day', dayWithYear(form.start_date))}
    ${form.end_date && line('schedule', 'Last day', dayWithYear(form.end_date))}
    ${line(
      'schedule',
      'Limits',
      `${num(Number(form.calls_per_day))} calls a day on ${plural(Number(form.max_concurrent_calls), 'line')}, ` +
        `${tries} per person, ${budget}`,
    )}
  </ul>`;
}

function Consent() {
  const isReal = overview.value?.carrier.real_calls;
  return html`<div class="note">
    <${Icon} n="shield-check" />
    <div>
      ${
        isReal
          ? html`<strong>Calls are real.</strong> Make sure that you may call these people, and that the script says who
              is calling and that the call is automated.`
          : html`<strong>This server simulates calls:</strong> no real phone is called. Before real calls, make sure
              that you may call these people, and that the script says who is calling and that the call is automated.`
      }
    </div>
  </div>`;
}
