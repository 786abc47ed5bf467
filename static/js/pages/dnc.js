// The do-not-call list: numbers that no campaign calls, how they got there, and how one leaves it.
import { html, useSignal } from '../lib/ui.js';
import { canWrite, create, del, downloadUrl, post, withQuery } from '../lib/api.js';
import { route, setQuery } from '../lib/router.js';
import { ago, num, plural, stamp } from '../lib/format.js';
import { fail, toast } from '../lib/notify.js';
import {
  Empty,
  Field,
  focusInvalid,
  FormDialog,
  Icon,
  input,
  Loading,
  marked,
  Problem,
  Search,
  Sheet,
} from '../components/basic.js';
import { Pager, usePager } from '../components/pager.js';

export const title = 'Do not call';

/** Where an entry came from. */
const SOURCES = {
  call: 'Asked during a call',
  operator: 'Command line',
  api: 'This page or the API',
  import: 'Imported',
};

const filterBy = (changes) => setQuery({ ...changes, at: '' });

export default function DoNotCall() {
  const { q = '', source = '' } = route.value.query;
  const pager = usePager(withQuery('/do-not-call', { search: q, source }), { limit: 50 });
  const removing = useSignal(null);
  const isImporting = useSignal(false);
  return html`<div class="page">
    <header class="page-head">
      <div class="grow">
        <h1>Do not call</h1>
        <p>Numbers that no campaign ever calls. Who asks for it during a call is added at once.</p>
      </div>
      <div class="row wrap">
        <a class="btn" href=${downloadUrl('/do-not-call/export')} download><${Icon} n="download" />Export CSV</a>
        ${
          canWrite.value &&
          html`<button type="button" class="btn" onClick=${() => (isImporting.value = true)}>
            <${Icon} n="upload" />Import CSV
          </button>`
        }
      </div>
    </header>
    ${canWrite.value && html`<${Add} onAdded=${pager.reload} />`}
    <div class="card">
      <div class="row wrap filters padded-top">
        <${Search}
          class="narrow"
          value=${q}
          placeholder="Find a number or a reason"
          label="Find a number or a reason"
          onSearch=${(text) => filterBy({ q: text })}
        />
        <select
          class="input auto"
          aria-label="Source"
          value=${source}
          onChange=${(event) => filterBy({ source: event.currentTarget.value })}
        >
          <option value="">All sources</option>
          ${Object.entries(SOURCES).map(([word, label]) => html`<option key=${word} value=${word}>${label}</option>`)}
        </select>
        <span class="grow"></span>
        ${pager.total != null && html`<span class="muted small num">${plural(pager.total, 'number')}</span>`}
      </div>
      <${List} pager=${pager} isFiltered=${q || source} onRemove=${(entry) => (removing.value = entry)} />
    </div>
    ${
      removing.value &&
      html`<${Remove} entry=${removing.value} onClose=${() => (removing.value = null)} onChanged=${pager.reload} />`
    }
    ${isImporting.value && html`<${Import} onClose=${() => (isImporting.value = false)} onImported=${pager.reload} />`}
  </div>`;
}

function List({ pager, isFiltered, onRemove }) {
  const { items, error, reload } = pager;
  if (error) return html`<div class="padded"><${Problem} error=${error} retry=${reload} /></div>`;
  if (!items) return html`<div class="padded"><${Loading} rows=${5} h=${36} /></div>`;
  if (!items.length) {
    return isFiltered
      ? html`<${Empty}
          icon="search"
          title="Not on the list"
          actions=${html`<button type="button" class="btn" onClick=${() => filterBy({ q: '', source: '' })}>
            Clear search and filter
          </button>`}
          >No number matches.<//
        >`
      : html`<${Empty} icon="ban" title="The list is empty">Add numbers here, or import an opt-out list.<//>`;
  }
  return html`<div class="scroll-x">
      <table class="table" aria-label="Numbers that are not called">
        <thead>
          <tr>
            <th>Number</th>
            <th>Why</th>
            <th class="opt">By</th>
            <th class="r opt">Added</th>
            <th><span class="vh">Actions</span></th>
          </tr>
        </thead>
        <tbody>
          ${items.map((entry) => html`<${Row} key=${entry.phone} entry=${entry} onRemove=${onRemove} />`)}
        </tbody>
      </table>
    </div>
    <${Pager} pager=${pager} what="numbers" />`;
}

function Row({ entry, onRemove }) {
  const { phone, reason, source, call_id: callId, added_by: by, created_at: at } = entry;
  return html`<tr>
    <td class="num nowrap strong">${phone}</td>
    <td class="why">
      <span class="wrap-any">${reason}</span>
      <div class="faint small">
        ${SOURCES[source]}${callId && html`, <a href=${`#/calls?call=${callId}`}>show the call</a>`}
      </div>
    </td>
    <td class="muted opt wrap-any">${by}</td>
    <td class="r muted nowrap opt" title=${at && stamp(at)}>${at && ago(at)}</td>
    <td class="r">
      ${
        canWrite.value &&
        html`<button type="button" class="btn ghost small" onClick=${() => onRemove(entry)}>
          Remove…<span class="vh"> ${phone}</span>
        </button>`
      }
    </td>
  </tr>`;
}

function Add({ onAdded }) {
  const phone = useSignal('');
  const reason = useSignal('');
  const fields = useSignal({});
  const isBusy = useSignal(false);
  const add = async (event) => {
    event.preventDefault();
    if (isBusy.value) return;
    const form = event.currentTarget;
    isBusy.value = true;
    try {
      const entry = await create('/do-not-call', { phone: phone.value, ...(reason.value && { reason: reason.value }) });
      phone.value = reason.value = '';
      fields.value = {};
      toast(`${entry.phone} is on the list. No campaign calls it.`);
      onAdded();
    } catch (error) {
      fields.value = error.fields ?? {};
      if (fields.value.phone || fields.value.reason) focusInvalid(form);
      else fail(error);
    }
    isBusy.value = false;
  };
  return html`<form class="card dnc-add" onSubmit=${add} novalidate>
    <${Field} label="Add a number" error=${fields.value.phone}>
      ${input(phone, { type: 'tel', placeholder: '+49 30 23125 118', autocomplete: 'off' })}
    <//>
    <${Field} label="Reason" optional error=${fields.value.reason}>
      ${input(reason, { placeholder: 'Asked by email', maxlength: 500 })}
    <//>
    <button class="btn" aria-busy=${isBusy.value || undefined}>Add number</button>
  </form>`;
}

/** Asks why a number may be called again, because the reason is kept. */
function Remove({ entry, onClose, onChanged }) {
  const reason = useSignal('');
  const problem = useSignal('');
  const { phone } = entry;
  const putBack = async () => {
    try {
      await create('/do-not-call', { phone, reason: entry.reason });
      toast(`${phone} is on the list again.`);
      onChanged();
    } catch (error) {
      fail(error);
    }
  };
  const remove = async () => {
    if (!reason.value.trim()) {
      problem.value = 'Say why; it is kept.';
      focusInvalid();
      throw new Error('The reason is missing.');
    }
    await del(withQuery(`/do-not-call/${encodeURIComponent(phone)}`, { reason: reason.value }));
    toast(`${phone} may be called again.`, { action: 'Undo', onAction: putBack });
    onClose();
    onChanged();
  };
  return html`<${FormDialog}
    title=${`Let ${phone} be called again?`}
    ok="Remove from the list"
    danger
    onClose=${onClose}
    onSubmit=${remove}
    onProblem=${(fields) => (problem.value = fields.reason || '')}
  >
    <p>Nobody is called by this alone: leads that were taken out of their queues stay out until you retry them.</p>
    <${Field} label="Why may it be called again?" hint="Kept with the history of the number." error=${problem.value}>
      ${input(reason, { autofocus: true, maxlength: 500, placeholder: 'Agreed again in writing' })}
    <//>
  <//>`;
}

/** A table of numbers: only one column `phone` is needed. */
function Import({ onClose, onImported }) {
  const file = useSignal(/** @type {File|null} */ (null));
  const country = useSignal('');
  const problem = useSignal('');
  const report = useSignal(null);
  const send = async () => {
    problem.value = '';
    if (!file.value) {
      problem.value = 'Choose a file first.';
      focusInvalid();
      throw new Error('There is no file yet.');
    }
    const path = withQuery('/do-not-call', { default_country: country.value.trim().toUpperCase() });
    // Sent as CSV whatever the system calls the type of the file.
    report.value = await post(path, new Blob([file.value], { type: 'text/csv' }));
    onImported();
  };
  if (report.value) return html`<${ImportReport} report=${report.value} onClose=${onClose} />`;
  return html`<${FormDialog} title="Import numbers" ok="Import" onClose=${onClose} onSubmit=${send}>
    <p>
      A CSV file with a column <code>phone</code>, and <code>reason</code> if you have one. Further columns of numbers,
      such as <code>mobile</code>, are read as well. Numbers that are on the list stay as they are.
    </p>
    <${Field} label="File" error=${problem.value}>
      ${(wired) =>
        html`<input
          class="input"
          type="file"
          accept=".csv,.txt,text/csv"
          onChange=${(event) => {
            file.value = event.currentTarget.files[0] ?? null;
            problem.value = '';
          }}
          ...${wired}
        />`}
    <//>
    <${Field} label="Country of numbers without +" optional hint="Two letters, such as US or DE.">
      ${input(country, { maxlength: 2, style: 'max-width:90px' })}
    <//>
  <//>`;
}

/** Which columns were read and which were not, each by its own heading. */
function columnWords({ columns, two_readings: double }) {
  const named = (isWanted) => columns.filter(({ becomes }) => isWanted(becomes)).map(({ column }) => column);
  const unread = named((becomes) => becomes === 'ignore');
  return [
    `Read: ${named((becomes) => becomes === 'phone').join(', ')}.`,
    unread.length > 0 && `Not read: ${unread.join(', ')}.`,
    double > 0 && `${plural(double, 'number')} can be read with and without the country code: both are listed.`,
  ]
    .filter(Boolean)
    .join(' ');
}

const ImportReport = ({ report, onClose }) =>
  html`<${Sheet} title="Numbers imported" onClose=${onClose}>
    <dl class="report">
      <div class="ok">
        <dd class="num">${num(report.added)}</dd>
        <dt>Added</dt>
      </div>
      <div>
        <dd class="num">${num(report.already_listed)}</dd>
        <dt>On the list before</dt>
      </div>
      <div class="bad">
        <dd class="num">${num(report.rejected_count)}</dd>
        <dt>Not a number</dt>
      </div>
    </dl>
    <p>${columnWords(report)}</p>
    ${
      report.rejected.length > 0 &&
      html`<div class="scroll-x">
        <table class="table" aria-label="Rows that were left out">
          <thead>
            <tr>
              <th>Row</th>
              <th>Value</th>
              <th>Problem</th>
            </tr>
          </thead>
          <tbody>
            ${report.rejected.map(
              ({ row, value, reason }) =>
                html`<tr key=${row}>
                  <td class="num">${row}</td>
                  <td class="mono wrap-any">${value}</td>
                  <td class="muted">${marked(reason)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>`
    }
    <div class="row"><button type="button" class="btn primary" onClick=${onClose}>Done</button></div>
  <//>`;
