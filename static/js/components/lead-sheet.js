// The sheet of one lead: who it is, why it is or is not called, its calls, and what can be done with it.
import { html, useSignal } from '../lib/ui.js';
import { ask, canWrite, create, del, getPage, post, useResource, withQuery } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { setQuery } from '../lib/router.js';
import { ago, LEAD_STATUS, nextCall, num, soon, stamp, zoneName } from '../lib/format.js';
import { confirm, fail, toast } from '../lib/notify.js';
import {
  ActionButton,
  Field,
  focusInvalid,
  input,
  FormDialog,
  Icon,
  Loading,
  Menu,
  Note,
  Outcome,
  Problem,
  Sheet,
} from './basic.js';
import { holdWords } from './holds.js';
import { KINDS } from './other-call-sheet.js';

/** First and last name, or null. */
export const nameOf = ({ first_name: first, last_name: last }) => [first, last].filter(Boolean).join(' ') || null;

/** Fields of a lead that are texts, with their words. */
const FIELDS = [
  ['phone', 'Phone number'],
  ['first_name', 'First name'],
  ['last_name', 'Last name'],
  ['company_name', 'Company'],
  ['email', 'Email'],
  ['time_zone', 'Time zone', 'Such as Europe/Berlin'],
  ['language', 'Language', 'Such as en or de-AT'],
  ['best_time_to_call', 'Best time to call', 'On their clock, such as 17:30'],
  ['notes', 'Notes'],
];

/** Calls that are shown with a lead. */
const CALLS_SHOWN = 10;

/** A lead with its last calls of every kind, the newest first. */
async function load(id, campaign, options) {
  const ofLead = async (path) => (await getPage(withQuery(path, { lead_id: id, limit: CALLS_SHOWN }), options)).items;
  const [{ data: lead, etag }, dialed, incoming, tests] = await Promise.all([
    ask('GET', `/leads/${id}`, undefined, options),
    ofLead('/calls'),
    ofLead('/inbound-calls'),
    ofLead(`/voice-campaigns/${campaign.id}/test-calls`),
  ]);
  const calls = [
    ...dialed.map((call) => ({ ...call, at: call.placed_at, key: String(call.id) })),
    ...[...incoming, ...tests].map((call) => ({ ...call, at: call.asked_at, key: `${call.kind}-${call.id}` })),
  ];
  calls.sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  return { lead, etag, calls: calls.slice(0, CALLS_SHOWN) };
}

/** @param {{id: string, campaign: object, onClose: () => void, onChange: () => void}} props */
export function LeadSheet({ id, campaign, onClose, onChange }) {
  const [resource, reload] = useResource(id, (options) => load(id, campaign, options));
  // What lies above the sheet: edit, schedule, or the text of a preview.
  const open = useSignal(null);
  const { data, error } = resource.value;
  useLive({ lead: (patch) => String(patch.id) === id && !patch.deleted && reload(), resync: reload });
  const lead = data?.lead;
  const changed = () => {
    open.value = null;
    reload();
    onChange();
  };
  const close = () => (open.value = null);
  const title = lead ? (nameOf(lead) ?? lead.phone ?? 'Erased person') : 'Lead';
  return html`<${Sheet}
    title=${title}
    sub=${lead && [nameOf(lead) && lead.phone, lead.company_name].filter(Boolean).join(' · ')}
    onClose=${onClose}
  >
    ${
      error
        ? html`<${Problem} error=${error} retry=${reload} />`
        : !lead
          ? html`<${Loading} rows=${3} h=${70} />`
          : html`<${State} lead=${lead} campaign=${campaign} />
              ${
                canWrite.value &&
                lead.phone &&
                html`<${Actions}
                  lead=${lead}
                  campaign=${campaign}
                  open=${open}
                  onChange=${changed}
                  onGone=${() => (onClose(), onChange())}
                />`
              }
              <${Calls} calls=${data.calls} zone=${campaign.time_zone} />
              <${About} lead=${lead} zone=${campaign.time_zone} />`
    }
    ${open.value?.kind === 'edit' && html`<${LeadForm} lead=${lead} etag=${data.etag} onClose=${close} onSaved=${changed} />`}
    ${open.value?.kind === 'schedule' && html`<${CallBack} lead=${lead} onClose=${close} onSaved=${changed} />`}
    ${open.value?.kind === 'preview' && html`<${Preview} ...${open.value} onClose=${close} />`}
  <//>`;
}

function State({ lead, campaign }) {
  const { status, outcome, attempts, hold, next_call_at: next } = lead;
  const zone = campaign.time_zone;
  const until = hold?.until && ` Until ${soon(hold.until, zone)}, ${zoneName(zone)}.`;
  return html`<div class="stack-s">
    <div class="row wrap" style="gap:14px">
      <b class="strong">${LEAD_STATUS[status]}</b>
      ${outcome && html`<${Outcome} o=${outcome} exact />`}
      <span class="muted small">${num(attempts)} of ${num(campaign.max_attempts_per_lead)} attempts</span>
    </div>
    ${hold && html`<${Note} icon="clock"> <span class="wrap-any">${holdWords(hold)}</span>${until} <//>`}
    ${!hold && next && html`<p class="muted">Next call ${nextCall(next, campaign)}, ${zoneName(zone)}.</p>`}
  </div>`;
}

function Actions({ lead, campaign, open, onChange, onGone }) {
  const { id, phone, status } = lead;
  const isWaiting = status === 'pending' || status === 'scheduled';
  const attempt =
    (run, words, then = onChange) =>
    async () => {
      try {
        if ((await run()) === false) return;
        if (words) toast(words);
        then();
      } catch (error) {
        fail(error, onChange);
      }
    };
  const who = nameOf(lead) ?? phone;
  const preview = async () => {
    const { previews } = await post(`/voice-campaigns/${campaign.id}/preview`, { lead_id: id });
    open.value = { kind: 'preview', preview: previews[0], who };
  };
  const forbid = async () => {
    const isSure = await confirm({
      title: `Never call ${who} again?`,
      ok: 'Put on the do-not-call list',
      danger: true,
      body: `${phone} leaves the queue of every campaign, and a call to it ends. You find it under Do not call.`,
    });
    if (!isSure) return false;
    await create('/do-not-call', { phone, reason: `Put there from the lead ${id}` });
  };
  const remove = async () => {
    const isSure = await confirm({
      title: `Delete ${who}?`,
      ok: 'Delete lead',
      danger: true,
      body: 'The lead leaves this campaign. Its calls stay in the history. This cannot be undone.',
    });
    if (!isSure) return false;
    await del(`/leads/${id}`);
  };
  const retry = () => create(`/leads/${id}/schedule`, { at: new Date(Date.now() + 60_000).toISOString() });
  const items = [
    isWaiting && {
      label: 'Skip',
      icon: 'x',
      onClick: attempt(() => create(`/leads/${id}/cancel`, null), 'Skipped. You can try it again.'),
    },
    status !== 'do_not_call' && {
      label: 'Do not call again…',
      icon: 'ban',
      danger: true,
      onClick: attempt(forbid, `${phone} is on the do-not-call list.`),
    },
    '-',
    { label: 'Delete…', icon: 'trash-2', danger: true, onClick: attempt(remove, 'The lead is deleted.', onGone) },
  ];
  const canRetry = ['completed', 'failed', 'canceled'].includes(status);
  return html`<div class="row wrap">
    <button type="button" class="btn small" onClick=${() => (open.value = { kind: 'edit' })}>
      <${Icon} n="pencil" c="s" />Edit
    </button>
    <${ActionButton} class="btn small" icon="file-text" run=${attempt(preview, '', () => {})}>Preview script<//>
    ${
      status !== 'do_not_call' &&
      html`<button type="button" class="btn small" onClick=${() => (open.value = { kind: 'schedule' })}>
        <${Icon} n="calendar-clock" c="s" />Call back at…
      </button>`
    }
    ${
      canRetry &&
      html`<${ActionButton} class="btn small" icon="rotate-ccw" run=${attempt(retry, 'Back in the queue.')}
        >Try again<//
      >`
    }
    <span class="grow"></span><${Menu} small label=${`More actions for ${who}`} items=${items} />
  </div>`;
}

const Calls = ({ calls, zone }) =>
  html`<section aria-label="Calls">
    <h3 class="sheet-h">Calls</h3>
    ${
      calls.length
        ? html`<ul class="rows">
            ${calls.map(
              (call) =>
                html`<li key=${call.key} class="row">
                  <button type="button" class="linkbtn" onClick=${() => setQuery({ lead: '', call: call.key })}>
                    <${Outcome} o=${call.outcome} exact />
                  </button>
                  ${call.kind && html`<span class="muted small">${KINDS[call.kind]}, counts in no result</span>`}
                  <span class="grow"></span
                  ><span class="muted small" title=${stamp(call.at, zone)}>${ago(call.at)}</span>
                </li>`,
            )}
          </ul>`
        : html`<p class="muted small">Not called yet.</p>`
    }
  </section>`;

function About({ lead, zone }) {
  const facts = [
    ...FIELDS.filter(([name]) => lead[name]).map(([name, label]) => [label, lead[name]]),
    ...Object.entries(lead.variables).map(([name, value]) => [name, String(value)]),
    lead.tags.length > 0 && ['Tags', lead.tags.join(', ')],
    ['Priority', `${lead.priority} of 5`],
    ['Added', `${stamp(lead.created_at, zone)}${lead.import_id ? `, import ${lead.import_id}` : ''}`],
  ].filter(Boolean);
  return html`<section aria-label="About">
    <h3 class="sheet-h">About</h3>
    <dl class="kv small">
      ${facts.map(
        ([label, value], i) =>
          html`<dt key=${i} class="wrap-any">${label}</dt>
            <dd key=${i + 'd'} class="pre">${value}</dd>`,
      )}
    </dl>
  </section>`;
}

/** `name: value` lines for the variables, because their names are the campaign's own. */
const linesOf = (variables) =>
  Object.entries(variables)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');

/** Lines as variables; a value that did not change keeps its type. */
function variablesOf(text, before) {
  const pairs = text
    .split('\n')
    .filter((line) => line.trim())
    .map((line) => {
      const at = line.indexOf(':');
      if (at < 1)
        throw Object.assign(new Error('Write each value as name: value.'), {
          fields: { variables: 'Write each value as name: value, one a line.' },
        });
      const [name, value] = [line.slice(0, at).trim(), line.slice(at + 1).trim()];
      return [name, String(before[name]) === value ? before[name] : value];
    });
  return Object.fromEntries(pairs);
}

/** The fields of a lead in a dialog; without `lead` a new one is added to `campaign`. */
function LeadForm({ lead, etag, campaign, onClose, onSaved }) {
  const values = useSignal(Object.fromEntries(FIELDS.map(([name]) => [name, lead?.[name] ?? ''])));
  const variables = useSignal(linesOf(lead?.variables ?? {}));
  const tags = useSignal((lead?.tags ?? []).join(', '));
  const priority = useSignal(String(lead?.priority ?? 3));
  const problems = useSignal({});
  const save = async () => {
    const texts = Object.entries(values.value).map(([name, value]) => [name, value.trim() || null]);
    const body = {
      ...Object.fromEntries(texts.filter(([, value]) => lead || value !== null)),
      variables: variablesOf(variables.value, lead?.variables ?? {}),
      tags: tags.value
        .split(',')
        .map((tag) => tag.trim())
        .filter(Boolean),
      priority: Number(priority.value),
    };
    if (lead) await ask('PUT', `/leads/${lead.id}`, body, { ifMatch: etag });
    else await create(`/voice-campaigns/${campaign.id}/leads`, body);
    toast(lead ? 'The lead is changed.' : 'The lead is added.');
    onSaved();
  };
  const text = (name, label, hint) =>
    html`<${Field} key=${name} label=${label} hint=${hint} optional=${name !== 'phone'} error=${problems.value[name]}>
      ${(wired) =>
        html`<input
          class="input"
          type=${name === 'phone' ? 'tel' : 'text'}
          value=${values.value[name]}
          onInput=${(event) => (values.value = { ...values.value, [name]: event.currentTarget.value })}
          ...${wired}
        />`}
    <//>`;
  return html`<${FormDialog}
    title=${lead ? 'Edit lead' : 'Add a lead'}
    ok=${lead ? 'Save' : 'Add lead'}
    wide
    onClose=${onClose}
    onSubmit=${save}
    onProblem=${(fields) => (problems.value = fields)}
  >
    <div class="cols two">${FIELDS.map(([name, label, hint]) => text(name, label, hint))}</div>
    <${Field} label="Values for the script" optional hint="One a line: name: value" error=${problems.value.variables}>
      ${input(variables, { as: 'textarea', rows: 3, placeholder: 'plan: Basic' })}
    <//>
    <div class="cols two">
      <${Field} label="Tags" optional hint="With commas between them" error=${problems.value.tags}>${input(tags)}<//>
      <${Field} label="Priority" hint="5 is called first" error=${problems.value.priority}>
        ${input(priority, { type: 'number', min: 1, max: 5 })}
      <//>
    </div>
  <//>`;
}

/** @param {{campaign: object, onClose: () => void, onAdded: () => void}} props */
export const NewLead = ({ campaign, onClose, onAdded }) =>
  html`<${LeadForm} campaign=${campaign} onClose=${onClose} onSaved=${() => (onClose(), onAdded())} />`;

function CallBack({ lead, onClose, onSaved }) {
  // A control for local times wants them without a zone.
  const local = (at) => new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  const at = useSignal(local(Date.now() + 3_600_000));
  const problem = useSignal('');
  const save = async () => {
    const instant = new Date(at.value);
    if (Number.isNaN(instant.getTime())) {
      problem.value = 'Choose a day and a time.';
      focusInvalid();
      throw new Error('There is no time yet.');
    }
    await create(`/leads/${lead.id}/schedule`, { at: instant.toISOString() });
    toast(`A call is arranged for ${stamp(instant)}.`);
    onSaved();
  };
  return html`<${FormDialog}
    title=${`Call ${nameOf(lead) ?? lead.phone} back`}
    ok="Arrange the call"
    onClose=${onClose}
    onSubmit=${save}
    onProblem=${(fields) => (problem.value = fields.at || '')}
  >
    <p>They are called then, or as soon after as the calling hours and limits of the campaign allow.</p>
    <${Field} label="When" hint="On the clock of this computer." error=${problem.value}>
      ${input(at, { type: 'datetime-local' })}
    <//>
  <//>`;
}

function Preview({ preview: { script, fallback, seconds, missing }, who, onClose }) {
  return html`<${Sheet}
    title=${`What ${who} hears`}
    sub=${seconds != null && `About ${num(seconds)} seconds`}
    onClose=${onClose}
  >
    ${
      missing.length > 0 &&
      html`<${Note} kind="warn">Not called, because nothing fills ${missing.map((name) => `{${name}}`).join(', ')}.<//>`
    }
    ${script && html`<div class="preview"><p class="script pre">${script}</p></div>`}
    ${
      fallback &&
      html`<section>
        <h3 class="sheet-h">On an answering machine</h3>
        <div class="preview"><p class="script pre">${fallback}</p></div>
      </section>`
    }
  <//>`;
}
