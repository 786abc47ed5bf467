// The sheet of one call: what became of it and why, what was said, what happened when, why it was allowed, and what follows.
import { html } from '../lib/ui.js';
import { canWrite, create, get, useResource } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { clock, dayRange, dur, money, num, plural, soon, stamp, zoneMark, zoneName } from '../lib/format.js';
import { confirm, fail, toast } from '../lib/notify.js';
import { ActionButton, Icon, Loading, Note, Outcome, Problem, Sheet } from './basic.js';
import { CallVerdict, CallWork, detailOf, Promised, TOOLS } from './agent-report.js';
import { holdWords } from './holds.js';
import { endCall } from './live-call.js';
import { personOf } from './call-table.js';
import { Conversation } from './player.js';

/** What an outcome means, in a sentence. */
const WHY = {
  success: 'A person was reached and the goal of the script was met.',
  transferred: 'The person was put through to one of your people.',
  callback: 'The person asked to be called again later.',
  declined: 'The person heard the script and said no.',
  opted_out: 'The person asked not to be called again. The number is on the do-not-call list now.',
  hung_up: 'The person hung up before the script was heard to the end.',
  no_input: 'The person heard the script, but did not answer the question.',
  voicemail: 'An answering machine picked up. No message was left.',
  message_left: 'An answering machine picked up and the message was left on it.',
  no_answer: 'The phone rang and nobody picked up.',
  busy: 'The line was busy.',
  rejected: 'The call was refused while it rang.',
  invalid_number: 'There is no such number.',
  carrier_error: 'The carrier could not place or hold the call.',
  carrier_refused: 'The carrier takes no calls from us; the number was not tried.',
  interrupted: 'The server lost sight of the call, so it is not known how it ended.',
  canceled: 'The call was ended by us.',
};

/** The same where an agent talked in the place of the script. */
const WHY_OF_AGENT = {
  success: 'A person was reached, and the goal of the conversation was met.',
  declined: 'The person said no.',
  hung_up: 'The person hung up before the conversation had come to anything.',
  no_input: 'The conversation came to no decision.',
};

/** What became of a call, in a sentence. */
export function why({ outcome, conversation }) {
  if (outcome === 'carrier_error' && conversation?.failure) return 'The agent could not go on, so the call was ended.';
  return (conversation && WHY_OF_AGENT[outcome]) || WHY[outcome];
}

/** The words of the timeline; what is not here is shown as it is. */
const EVENTS = {
  placed: 'Call placed',
  ringing: 'The phone rings',
  answered: 'Picked up',
  'machine detected': 'An answering machine, not a person',
  'heard to the end': 'Heard to the end',
  'came in': 'They called',
  recording: 'The recording begins',
  'asked not to be called again': 'Asked not to be called again',
  'the agent failed': 'The agent failed',
  'judged by its words': 'How it came out was judged by the words',
  ...Object.fromEntries(
    Object.entries(TOOLS).map(([name, words]) => [`the agent asked for ${name}`, `Agent: ${words}`]),
  ),
  'ended: no_answer': 'Nobody picked up',
  'ended: busy': 'Line busy',
  'ended: rejected': 'Refused',
  'ended: invalid_number': 'No such number',
  'ended: carrier_error': 'The carrier failed',
  'ended: carrier_refused': 'The carrier refused us',
  'ended: remote_hangup': 'They hung up',
  'ended: local_hangup': 'We hung up',
};
const inWords = (event) => EVENTS[event] ?? event[0].toUpperCase() + event.slice(1);

/** A call with its lead, which may be gone. */
async function load(id, options) {
  const call = await get(`/calls/${id}`, options);
  const lead = await get(`/leads/${call.lead_id}`, options).catch((error) => {
    if (error.status === 404) return null;
    throw error;
  });
  return { call, lead };
}

/** @param {{id: string|number, campaign?: object, onClose: () => void}} props */
export function CallSheet({ id, campaign, onClose }) {
  const zone = campaign?.time_zone;
  const [resource, reload] = useResource(String(id), (options) => load(id, options));
  const { data, error } = resource.value;
  useLive({
    call: (patch) => String(patch.id) === String(id) && reload(),
    lead: (patch) => patch.id === resource.peek().data?.call.lead_id && reload(),
    resync: reload,
  });
  const call = data?.call;
  const attempt = call && `attempt ${num(call.attempt)}${call.max_attempts ? ` of ${num(call.max_attempts)}` : ''}`;
  const sub = call && [call.lead_name && call.phone, attempt, stamp(call.placed_at, zone)].filter(Boolean).join(' · ');
  return html`<${Sheet} title=${call ? personOf(call) : 'Call'} sub=${sub} onClose=${onClose}>
    ${
      error
        ? html`<${Problem} error=${error} retry=${reload} />`
        : !call
          ? html`<${Loading} rows=${3} h=${70} />`
          : html`<${Contents} ...${data} zone=${zone} reload=${reload} />`
    }
  <//>`;
}

function Contents({ call, lead, zone, reload }) {
  const isAlive = call.state !== 'ended';
  return html`<div class="row wrap" style="gap:18px">
      <b class="strong"><${Outcome} o=${call.outcome} exact /></b>
      ${call.seconds != null && html`<span class="muted num">${dur(call.seconds)}</span>`}
      <span class="muted num">cost ${money(call.cost)}</span>
      <span class="grow"></span>
      ${
        canWrite.value &&
        isAlive &&
        html`<${ActionButton} class="btn small danger" icon="phone-off" run=${() => endCall(call)}>End call…<//>`
      }
      ${
        canWrite.value &&
        call.phone &&
        lead?.status !== 'do_not_call' &&
        html`<${ActionButton} class="btn small danger" icon="ban" run=${() => forbid(call)}>Do not call again…<//>`
      }
    </div>
    ${
      !isAlive &&
      html`<${Note} icon=${call.successful ? 'circle-check' : 'phone-missed'} kind=${call.successful ? 'ok' : ''}>
        ${why(call)}${detailOf(call) && html` <span class="wrap-any">${detailOf(call)}</span>`}
        <br />${whatFollows(call, lead, zone)}
      <//>`
    }
    <${Promised} at=${call.call_back_at} zone=${zone} /><${CallVerdict} call=${call} />
    <${Conversation} call=${call} onChange=${reload} /><${CallWork} call=${call} />
    <${Timeline} call=${call} zone=${zone} />
    <section aria-label="About">
      <h3 class="sheet-h">About this call</h3>
      <dl class="kv small">
        <dt>Campaign</dt>
        <dd>
          <a href=${`#/campaigns/${call.campaign_id}`}>${call.campaign_name ?? call.campaign_id}</a>
        </dd>
        <dt>Lead</dt>
        <dd>
          ${
            lead
              ? html`<a href=${`#/campaigns/${call.campaign_id}/leads?lead=${lead.id}`}>${personOf(call)}</a>`
              : 'Deleted since'
          }
        </dd>
        <dt>Carried by</dt>
        <dd>${call.carrier === 'simulator' ? 'Simulator. No real phone was called.' : call.carrier}</dd>
        <dt>Number of the call</dt>
        <dd class="num">${call.id}</dd>
      </dl>
    </section>
    <${Evidence} evidence=${call.evidence} />`;
}

/** Whether this lead is called again, and when. */
function whatFollows(call, lead, zone) {
  if (!lead) return 'Nothing follows: the lead was deleted.';
  const later = lead.attempts > call.attempt ? 'It was called again since. ' : '';
  const left = call.max_attempts ? call.max_attempts - lead.attempts : 0;
  switch (lead.status) {
    case 'in_progress':
      return `${later}The lead is being called at this moment.`;
    case 'pending':
    case 'scheduled': {
      const when = lead.next_call_at
        ? `not before ${soon(lead.next_call_at, zone)}${zoneMark(zone)}`
        : 'when nothing holds it any more';
      const attempts = left > 0 ? `, up to ${plural(left, 'more time')}` : '';
      const hold = lead.hold && lead.hold.reason !== 'retry_later' ? ` Now: ${holdWords(lead.hold)}` : '';
      return `${later}The lead is called again, ${when}${attempts}.${hold}`;
    }
    case 'completed':
      return `${later}The lead is finished and is not called again.`;
    case 'failed':
      return call.outcome === 'invalid_number'
        ? 'It is not called again, because there is nothing to reach.'
        : `${later}It is not called again: all its attempts are used up.`;
    case 'canceled':
      return `${later}It is not called again: somebody took it out of the queue.`;
    case 'do_not_call':
      return `${later}It is never called again.`;
    default:
      return later;
  }
}

async function forbid(call) {
  const isSure = await confirm({
    title: `Never call ${personOf(call)} again?`,
    ok: 'Put on the do-not-call list',
    danger: true,
    body: `${call.phone} leaves the queue of every campaign, and a call to it ends. You find it under Do not call.`,
  });
  if (!isSure) return;
  try {
    await create('/do-not-call', { phone: call.phone, reason: `Asked for after call ${call.id}` });
    toast(`${call.phone} is on the do-not-call list.`);
  } catch (error) {
    fail(error);
  }
}

export const Timeline = ({ call, zone }) =>
  html`<section aria-label="Timeline">
    <h3 class="sheet-h">Timeline</h3>
    ${
      call.timeline.length
        ? html`<dl class="kv small">
            ${call.timeline.map(
              ({ at, event }, i) =>
                html`<dt key=${'t' + i} class="num">${clock(at, zone)}</dt>
                  <dd key=${'e' + i}>${inWords(event)}</dd>`,
            )}
          </dl>`
        : html`<p class="muted small">${call.state === 'ended' ? 'It is not kept any more.' : 'Being placed.'}</p>`
    }
  </section>`;

/** What was in force when the call was placed. */
function Evidence({ evidence }) {
  const facts = evidence?.calling_hours ? factsOf(evidence) : [];
  if (!facts.length) return null;
  return html`<details class="bordered">
    <summary>Why this call was allowed</summary>
    <dl class="kv small foot">
      ${facts.map(
        ([name, words]) =>
          html`<dt key=${name}>${name}</dt>
            <dd key=${name + 'd'}>${words}</dd>`,
      )}
    </dl>
  </details>`;
}

const ZONE_FROM = { campaign: 'the campaign', lead: 'the lead' };

function factsOf(evidence) {
  const { time_zones: zones = [], local_times: times = [], calling_hours: hours, working_days: days } = evidence;
  const there = zones.map((zone, i) => `${times[i]?.slice(11, 16) ?? ''} in ${zoneName(zone)}`).join(', ');
  return [
    there && ['It was', `${there} (zone of ${ZONE_FROM[evidence.time_zone_from] ?? 'the number'})`],
    ['Calling hours', `${hours.map((hour) => hour.slice(0, 5)).join('–')}, ${dayRange(days ?? [])}`],
    evidence.call_back && ['Arranged', 'A call-back at this time was arranged'],
    evidence.calls_per_day != null && ['Calls a day', `at most ${num(evidence.calls_per_day)}`],
    evidence.max_attempts != null && ['Attempts', `at most ${num(evidence.max_attempts)} for each lead`],
    evidence.budget != null && [
      'Budget',
      `${money(evidence.spent)} spent and ${money(evidence.reserved)} set aside of ${money(evidence.budget)}`,
    ],
    evidence.country && ['Country', evidence.country],
    evidence.calls_per_number_per_day != null && [
      'Same number',
      `at most ${plural(evidence.calls_per_number_per_day, 'call')} in 24 hours`,
    ],
  ].filter(Boolean);
}
