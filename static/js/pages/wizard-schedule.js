// The fourth step: when, how often, and for how much.
import { html } from '../lib/ui.js';
import { dayRange, DAYS, time, WEEK, zoneName } from '../lib/format.js';
import { isUnusualHours, UNITS } from '../lib/draft.js';
import { overview } from '../lib/store.js';
import { Field, Icon, Note } from '../components/basic.js';

const zones = () => Intl.supportedValuesOf('timeZone');
const POLICIES = [
  ['campaign', 'On the clock of the time zone above'],
  ['lead', 'On the clock of each person: the time zone of the lead, else of the number'],
];

export function ScheduleStep({ draft }) {
  const isInbound = draft.form.value.campaign_type === 'inbound';
  return html`<div class="stack">
    ${
      isInbound &&
      html`<${Note} icon="phone">
        <strong>Calls are taken at any hour</strong> while the campaign is active. Of this step only the number of lines
        counts: so many people may be on the line at the same time.
      <//>`
    }
    <${Days} draft=${draft} /><${Hours} draft=${draft} /><${Week} form=${draft.form.value} />
    <${UnusualHours} form=${draft.form.value} />
    <${Clock} draft=${draft} /><${Limits} draft=${draft} /><${Retries} draft=${draft} />
    <${Dates} draft=${draft} />
  </div>`;
}

export function Days({ draft }) {
  const { working_days: chosen } = draft.form.value;
  const problem = draft.problems.value.working_days;
  const toggle = (name, isOn) =>
    draft.set({ working_days: WEEK.filter((other) => (other === name ? isOn : chosen.includes(other))) });
  return html`<fieldset class="field" aria-describedby=${problem ? 'days-problem' : undefined}>
    <legend class="label">Calling days</legend>
    <div class="toggle-days">
      ${WEEK.map(
        (name, i) =>
          html`<label key=${name}
            ><input
              type="checkbox"
              checked=${chosen.includes(name)}
              aria-invalid=${problem ? 'true' : undefined}
              onChange=${(event) => toggle(name, event.currentTarget.checked)}
            /><span>${DAYS[i]}</span></label
          >`,
      )}
    </div>
    ${problem && html`<p class="err" id="days-problem"><${Icon} n="circle-alert" c="s" />${problem}</p>`}
  </fieldset>`;
}

function Hours({ draft }) {
  const { time_zone: zone } = draft.form.value;
  const problems = draft.problems.value;
  const hour = (name) => (attributes) =>
    html`<input class="input num" type="time" ...${draft.bind(name)} ...${attributes} />`;
  const input = (attributes) =>
    html`<input
      class="input"
      list="zones"
      autocomplete="off"
      spellcheck="false"
      ...${draft.bind('time_zone')}
      ...${attributes}
    />`;
  return html`<div class="cols">
    <${Field} label="From" error=${problems.calling_hours_start}>${hour('calling_hours_start')}<//>
    <${Field} label="Until" error=${problems.calling_hours_end}>${hour('calling_hours_end')}<//>
    <${Field} label="Time zone" error=${problems.time_zone} hint=${nowThere(zone)}>${input}<//>
    <datalist id="zones">
      ${zones().map((name) => html`<option key=${name} value=${name}>${zoneName(name)}</option>`)}
    </datalist>
  </div>`;
}

function nowThere(zone) {
  try {
    const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short', timeZone: zone }).format(new Date());
    return `There it is ${weekday} ${time(Date.now(), zone)} now`;
  } catch {
    return 'Type a city, such as Berlin';
  }
}

const minutes = (text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));

/** Calls at night should be meant. */
export const UnusualHours = ({ form, action }) =>
  isUnusualHours(form) &&
  html`<${Note} kind="warn" icon="clock" action=${action}>
    <strong>People are called before 8:00 or after 21:00.</strong> Few want that, and many laws forbid it. Make sure
    that you may call from ${form.calling_hours_start} until ${form.calling_hours_end}.
  <//>`;

/** The week as a picture. Hours that end before they begin go on after midnight, into the next day. */
function Week({ form }) {
  const { working_days: days, calling_hours_start: start, calling_hours_end: end } = form;
  if (!start || !end) return null;
  const [from, to] = [minutes(start), minutes(end)];
  const isOvernight = to < from;
  const parts = (i) => {
    const isOn = days.includes(WEEK[i]);
    const isAfter = isOvernight && days.includes(WEEK[(i + 6) % 7]);
    return [isOn && [from, isOvernight ? 1440 : to], isAfter && [0, to]].filter(Boolean);
  };
  const bar = ([a, b]) => html`<i key=${a} style=${`left:${(a / 1440) * 100}%; width:${((b - a) / 1440) * 100}%`}></i>`;
  return html`<div class="week" role="img" aria-label=${`Calls on ${dayRange(days)} from ${start} to ${end}`}>
    ${DAYS.map(
      (label, i) =>
        html`<div key=${label}>
          <span>${label}</span>
          <div class="track">${parts(i).map(bar)}</div>
        </div>`,
    )}
    <div class="hours">
      <span></span>
      <div><b>0</b><b>6</b><b>12</b><b>18</b><b>24</b></div>
    </div>
  </div>`;
}

function Clock({ draft }) {
  const { lead_time_zone_policy: policy } = draft.form.value;
  const select = (attributes) =>
    html`<select
      class="input"
      onChange=${(event) => draft.set({ lead_time_zone_policy: event.currentTarget.value })}
      ...${attributes}
    >
      ${POLICIES.map(
        ([word, label]) => html`<option key=${word} value=${word} selected=${policy === word}>${label}</option>`,
      )}
    </select>`;
  return html`<${Field} label="These hours are meant" error=${draft.problems.value.lead_time_zone_policy}
    >${select}<//
  >`;
}

/**
 * A field for a number, with what comes behind it. One with decimals is a text, because browsers do not agree on the comma.
 */
export function NumberField({ draft, name, label, hint, isDecimal, after, field = name, optional }) {
  const kind = isDecimal
    ? { type: 'text', inputmode: 'decimal', autocomplete: 'off' }
    : { type: 'number', inputmode: 'numeric', min: '1', step: '1' };
  const control = (attributes) => {
    const input = html`<input class="input num" ...${kind} ...${draft.bind(name)} ...${attributes} />`;
    return after ? html`<div class="row nowrap">${input}${after}</div>` : input;
  };
  return html`<${Field} label=${label} hint=${hint} optional=${optional} error=${draft.problems.value[field]}
    >${control}<//
  >`;
}

function Limits({ draft }) {
  const lines = overview.value?.lines;
  return html`<div class="cols">
      <${NumberField} draft=${draft} name="calls_per_day" label="Calls per day" hint="Across all lines" />
      <${NumberField}
        draft=${draft}
        name="max_concurrent_calls"
        label="Lines at the same time"
        hint=${lines ? `This server has ${lines}` : undefined}
      />
    </div>
    <div class="cols">
      <${NumberField}
        draft=${draft}
        name="cost_per_call"
        label="Cost per call"
        isDecimal
        hint="Counted for each call that is picked up"
      />
      <${NumberField}
        draft=${draft}
        name="budget"
        label="Budget"
        optional
        isDecimal
        hint="Calling stops when it is used up"
      />
    </div>`;
}

export function Retries({ draft }) {
  const { retry_unit: unit } = draft.form.value;
  const select = html`<select
    class="input"
    aria-label="Unit of the wait"
    onChange=${(event) => draft.set({ retry_unit: event.currentTarget.value })}
  >
    ${Object.keys(UNITS).map(
      (name) => html`<option key=${name} value=${name} selected=${unit === name}>${name}</option>`,
    )}
  </select>`;
  return html`<div class="cols">
    <${NumberField}
      draft=${draft}
      name="max_attempts_per_lead"
      label="Attempts per person"
      hint="Again after no answer, busy or voicemail"
    />
    <${NumberField}
      draft=${draft}
      name="retry_wait"
      field="retry_delay_minutes"
      label="Wait before the next attempt"
      isDecimal
      after=${select}
    />
  </div>`;
}

function Dates({ draft }) {
  const problems = draft.problems.value;
  const date = (name) => (attributes) =>
    html`<input class="input num" type="date" ...${draft.bind(name)} ...${attributes} />`;
  return html`<div class="cols">
    <${Field} label="First day" optional error=${problems.start_date} hint="Nobody is called before"
      >${date('start_date')}<//
    >
    <${Field} label="Last day" optional error=${problems.end_date} hint="The campaign ends with it"
      >${date('end_date')}<//
    >
  </div>`;
}
