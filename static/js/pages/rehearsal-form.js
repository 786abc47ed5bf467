// Asks for a rehearsal of a campaign: as it is, or also with other settings, and with what is assumed.
import { html, useMemo, useRef, useSignal } from '../lib/ui.js';
import { capital, plural, zoneName } from '../lib/format.js';
import { trying } from '../lib/draft.js';
import { differences } from '../lib/rehearsal.js';
import { BusyIcon, Card, Field, focusInvalid, Icon, input, Note } from '../components/basic.js';
import { Days, NumberField, Retries } from './wizard-schedule.js';

/** What may be assumed: the fields of the form, empty for what is known. */
const NOTHING = { start_at: '', answer_rate: '', talk_seconds: '', lines: '', leads_assumed: '', seed: '' };

/** The same as the API takes it. */
function assumedBy(form) {
  const number = (text) => (text.trim() === '' ? undefined : Number(text));
  const rate = number(form.answer_rate);
  return {
    start_at: form.start_at || undefined,
    answer_rates: rate === undefined ? undefined : rate / 100,
    talk_seconds: number(form.talk_seconds),
    trunk: form.lines.trim() === '' ? undefined : { lines: Number(form.lines) },
    leads_assumed: number(form.leads_assumed),
    seed: number(form.seed),
  };
}
/** Whose field of the form a problem of the API belongs to. */
const FIELD_OF = { answer_rates: 'answer_rate', trunk: 'lines' };

/**
 * @param {{campaign: any, rehearse: (assumed: object, changes: object) => Promise<void>}} props `rehearse` throws what the
 * server refuses
 */
export function RehearsalForm({ campaign, rehearse }) {
  const draft = useMemo(() => trying(campaign), []);
  const assumed = useSignal({ ...NOTHING, leads_assumed: campaign.stats.total_leads ? '' : '100' });
  const problems = useSignal({});
  const problem = useSignal('');
  const busy = useSignal(false);
  const form = useRef(null);
  const whatIf = useRef(null);
  const rest = useRef(null);
  const changed = differences(draft.changes(), campaign);
  const show = (details) => {
    details.current.open = true;
    focusInvalid(form.current);
  };
  const refuse = ({ fields = {}, message }) => {
    const ofSettings = Object.entries(fields).filter(([field]) => field.startsWith('changes.'));
    const others = Object.entries(fields).filter(([field]) => !field.startsWith('changes.'));
    draft.problems.value = Object.fromEntries(
      ofSettings.map(([field, words]) => [field.slice('changes.'.length), words]),
    );
    problems.value = Object.fromEntries(others.map(([field, words]) => [FIELD_OF[field] ?? field, plain(words)]));
    if (ofSettings.length) show(whatIf);
    if (others.length) show(rest);
    if (!ofSettings.length && !others.length) problem.value = message;
  };
  const run = async () => {
    problem.value = '';
    problems.value = {};
    if (!draft.check()) return show(whatIf);
    const changes = draft.changes();
    // A field that was typed back to what it was is none.
    const kept = changed.map(({ field }) => [field, changes[field]]);
    try {
      await rehearse(assumedBy(assumed.value), Object.fromEntries(kept));
    } catch (error) {
      refuse(error);
    }
  };
  const submit = async (event) => {
    event.preventDefault();
    if (busy.value) return;
    busy.value = true;
    await run();
    busy.value = false;
  };
  return html`<${Card}
    class="c12"
    title="Rehearse this campaign"
    sub="Plays it to its end on a copy, with its hours, limits and budget. Nobody is called, and nothing of it changes."
  >
    <form class="stack" ref=${form} onSubmit=${submit} novalidate>
      <details class="bordered" ref=${whatIf}>
        <summary>What if its settings were other ones?</summary>
        <div class="padded stack"><${Settings} draft=${draft} /></div>
      </details>
      <details class="bordered" ref=${rest} open=${!campaign.stats.total_leads}>
        <summary>Start, answer rate and other assumptions</summary>
        <div class="padded"><${Assumptions} assumed=${assumed} problems=${problems} campaign=${campaign} /></div>
      </details>
      ${problem.value && html`<${Note} kind="danger" icon="triangle-alert">${problem.value}<//>`}
      <div class="row wrap">
        <button class="btn primary" aria-busy=${busy.value || undefined}>
          <${BusyIcon} n="play" busy=${busy.value} />${changed.length ? 'Rehearse both and compare' : 'Rehearse'}
        </button>
        ${
          changed.length > 0 &&
          html`<button type="button" class="btn" onClick=${draft.reset}>
            <${Icon} n="rotate-ccw" c="s" />Put back
          </button>`
        }
        <span class="small muted" role="status">
          ${changed.length > 0 && `${plural(changed.length, 'setting')} tried: ${changed.map(tried).join(', ')}`}
        </span>
      </div>
    </form>
  <//>`;
}

const tried = ({ label, from, to }) => `${label.toLowerCase()} ${to} instead of ${from}`;
/** A problem of an object names its field in the words of the API. */
const plain = (words) => capital(words.replace(/^`\w+` /, ''));

function Settings({ draft }) {
  const problems = draft.problems.value;
  const hour = (name) => (attributes) =>
    html`<input class="input num" type="time" ...${draft.bind(name)} ...${attributes} />`;
  return html`<${Days} draft=${draft} />
    <div class="cols">
      <${Field} label="From" error=${problems.calling_hours_start}>${hour('calling_hours_start')}<//>
      <${Field} label="Until" error=${problems.calling_hours_end}>${hour('calling_hours_end')}<//>
      <${NumberField} draft=${draft} name="calls_per_day" label="Calls per day" />
      <${NumberField} draft=${draft} name="max_concurrent_calls" label="Lines at the same time" />
      <${NumberField} draft=${draft} name="budget" label="Budget" optional isDecimal />
    </div>
    <${Retries} draft=${draft} />`;
}

function Assumptions({ assumed, problems, campaign }) {
  const field = (name, label, hint, attributes) => {
    const text = {
      get value() {
        return assumed.value[name];
      },
      set value(typed) {
        assumed.value = { ...assumed.value, [name]: typed };
      },
    };
    return html`<${Field} key=${name} label=${label} hint=${hint} error=${problems.value[name]}
      >${input(text, { class: 'num', ...attributes })}<//
    >`;
  };
  const number = (more) => ({ type: 'number', inputmode: 'numeric', min: 1, step: 1, ...more });
  const clock = `On its clock, ${zoneName(campaign.time_zone)}; empty for now`;
  return html`<div class="cols two">
    ${field('start_at', 'It starts', clock, { type: 'datetime-local' })}
    ${field('answer_rate', 'Calls that are picked up, in percent', 'Empty for what calls so far say', number({ min: 0, max: 100, step: 'any' }))}
    ${field('talk_seconds', 'Seconds that they last', 'Empty for what calls so far say', number())}
    ${field('lines', 'Lines of the carrier', 'Empty for those it has', number())}
    ${field('leads_assumed', 'People who are added', 'Made up, for a list that is still to come', number())}
    ${field('seed', 'Seed', 'The same number gives the same chance', number({ min: 0 }))}
  </div>`;
}
