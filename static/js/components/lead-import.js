// Importing people from a file: the server reads it and reports what would become of each row, columns can be mapped,
// and only then does anybody come in. For the Leads tab and for a new campaign.
import { html, useEffect, useRef, useSignal } from '../lib/ui.js';
import { create, del, downloadUrl, get, post, withQuery } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { confirm, fail, toast } from '../lib/notify.js';
import { bytes, capital, num, plural } from '../lib/format.js';
import { ActionButton, Field, Icon, input, marked, Note } from './basic.js';
import { BUILT_IN, normalName, variables } from './script.js';

/** What a column can become beside a script variable, and its words. */
const TARGETS = [
  ['phone', 'Phone number'],
  ['full_name', 'Full name'],
  ['first_name', 'First name'],
  ['last_name', 'Last name'],
  ['email', 'Email'],
  ['company_name', 'Company'],
  ['time_zone', 'Time zone'],
  ['language', 'Language'],
  ['priority', 'Priority'],
  ['best_time_to_call', 'Best time to call'],
  ['notes', 'Notes'],
  ['tags', 'Tags'],
];
const DUPLICATES = [
  ['skip', 'Leave them as they are'],
  ['update', 'Update them from the file'],
];
/** Rows that are shown of those that do not come in, and of each reason. */
const ROWS_SHOWN = 12;
const ROWS_OF_EACH = 4;
/** How often an import is asked how far it is when no event says so. */
const POLL_MS = 3000;

/**
 * @param {{campaign: {id: number, script_template: string, fallback_script?: string|null}, onImported?: (report: object) => void, ready?: import('@preact/signals').Signal<null|(() => Promise<any>)>}} props
 * `ready` is given what imports the checked file, so that somebody else's button can do it, and null when there is none.
 */
export function LeadImport({ campaign, onImported, ready }) {
  const path = `/voice-campaigns/${campaign.id}`;
  const file = useSignal(/** @type {File|null} */ (null));
  const options = useSignal({ default_country: '', on_duplicate: 'skip', mapping: {} });
  const check = useSignal({ report: null, problem: '', fields: {}, busy: false });
  const running = useSignal(null);
  const done = useSignal(null);
  const turn = useRef(0);

  const send = (params, ask) => {
    const { mapping, ...rest } = options.value;
    const form = new FormData();
    form.append('file', file.value);
    const filled = Object.keys(mapping).length ? JSON.stringify(mapping) : '';
    return ask(withQuery(`${path}/leads`, { ...rest, mapping: filled, ...params }), form);
  };
  const look = async () => {
    const mine = ++turn.current;
    check.value = { ...check.value, busy: true };
    try {
      const report = await send({ dry_run: true }, post);
      if (mine === turn.current) check.value = { report, problem: '', fields: {}, busy: false };
    } catch (error) {
      if (mine !== turn.current) return;
      check.value = { ...check.value, problem: error.message, fields: error.fields ?? {}, busy: false };
    }
  };
  const choose = (chosen) => {
    if (!chosen) return;
    file.value = chosen;
    options.value = { ...options.value, mapping: {} };
    check.value = { report: null, problem: '', fields: {}, busy: true };
    look();
  };
  const set = (changes) => {
    options.value = { ...options.value, ...changes };
    look();
  };
  const forget = () => {
    turn.current++;
    file.value = null;
    done.value = null;
    check.value = { report: null, problem: '', fields: {}, busy: false };
  };
  const bring = async () => {
    try {
      running.value = await send({ async: true }, create);
      file.value = null;
    } catch (error) {
      fail(error);
      throw error;
    }
  };

  const follow = async (id) => {
    const report = await get(`${path}/imports/${id}`).catch(() => null);
    if (!report || running.value?.id !== id) return;
    if (report.state === 'running') {
      running.value = report;
      return;
    }
    running.value = null;
    done.value = report;
    onImported?.(report);
  };
  useLive({
    import: ({ id, state, ...counts }) => {
      if (id !== running.value?.id) return;
      if (state === 'running') running.value = { ...running.value, ...counts };
      else follow(id);
    },
  });
  const runningId = running.value?.id;
  useEffect(() => {
    if (!runningId) return undefined;
    const timer = setInterval(() => follow(runningId), POLL_MS);
    return () => clearInterval(timer);
  }, [runningId]);
  // Somebody may come back while an import goes on.
  useEffect(() => {
    get(`${path}/imports?limit=1`)
      .then(([newest]) => {
        if (newest?.state === 'running') running.value ??= newest;
      })
      .catch(() => null);
  }, []);

  const { report, problem, fields, busy } = check.value;
  const size = file.value && bytes(file.value.size);
  const isGood = file.value && report && !problem && !busy && report.imported + report.updated > 0;
  useEffect(() => {
    if (ready) ready.value = isGood ? bring : null;
  }, [isGood]);
  useEffect(() => () => ready && (ready.value = null), []);

  if (running.value) return html`<${Running} progress=${running.value} />`;
  if (done.value)
    return html`<${Done} campaign=${campaign} report=${done.value} again=${forget} onUndone=${onImported} />`;
  if (!file.value) return html`<${Drop} onFile=${choose} />`;
  return html`<div class="stack" aria-busy=${busy || undefined}>
    <div class="row wrap">
      <${Icon} n=${busy ? 'loader-circle' : 'file-spreadsheet'} c=${busy && 'spin'} />
      <b class="strong truncate">${file.value.name}</b>
      <span class="muted num" role="status"
        >${busy ? `Reading ${size}…` : report ? plural(report.rows_total, 'row') : size}</span
      >
      <span class="grow"></span>
      <button type="button" class="btn small" onClick=${forget}>Choose another file</button>
    </div>
    ${report && html`<${Mapping} campaign=${campaign} report=${report} options=${options.value} set=${set} />`}
    ${report && html`<${Choices} report=${report} options=${options.value} fields=${fields} set=${set} />`}
    ${problem && html`<${Refused} problem=${problem} fields=${fields} isFirst=${!report} set=${set} />`}
    ${report && !problem && html`<${Report} report=${report} />`}
    ${
      isGood &&
      !ready &&
      html`<div class="row wrap">
        <${ActionButton} class="btn primary" icon="upload" run=${() => bring().catch(() => null)}
          >Import ${plural(report.imported + report.updated, 'person', 'people')}<//
        >
        <span class="muted small">Nobody is called by importing.</span>
      </div>`
    }
  </div>`;
}

/** Where a file is dropped or chosen. */
function Drop({ onFile }) {
  const isOver = useSignal(false);
  const over = (event) => {
    event.preventDefault();
    isOver.value = true;
  };
  const drop = (event) => {
    event.preventDefault();
    isOver.value = false;
    onFile(event.dataTransfer.files[0]);
  };
  return html`<label
    class=${'drop' + (isOver.value ? ' over' : '')}
    onDragOver=${over}
    onDragLeave=${() => (isOver.value = false)}
    onDrop=${drop}
  >
    <input
      type="file"
      accept=".csv,.tsv,.txt,.xlsx,text/csv"
      class="vh"
      onChange=${(event) => onFile(event.currentTarget.files[0])}
    />
    <${Icon} n="file-spreadsheet" c="l" />
    <b class="strong">Drop a CSV or Excel file here, or choose one</b>
    <span class="muted small">
      One person a row, with a phone number. Other columns can be used in the script. First you see a report; nobody is
      called.
    </span>
  </label>`;
}

/** What each column becomes. */
function Mapping({ campaign, report, options, set }) {
  const scripts = `${campaign.script_template} ${campaign.fallback_script ?? ''}`;
  const asked = variables(scripts)
    .map(({ name }) => name)
    .filter((name) => !BUILT_IN.includes(name));
  const choose = (column, target) => {
    const mapping = { ...options.mapping, [column.column]: target };
    // Two columns cannot be the same thing.
    for (const other of report.columns) {
      const isSame = other.column !== column.column && (mapping[other.column] ?? other.becomes) === target;
      if (isSame && target !== 'ignore') mapping[other.column] = 'ignore';
    }
    set({ mapping });
  };
  return html`<div class="scroll-x bordered" tabindex="0" role="region" aria-label="Columns of the file">
    <table class="table map">
      <thead>
        <tr>
          <th>Column in your file</th>
          <th class="opt">Example</th>
          <th>Use as</th>
        </tr>
      </thead>
      <tbody>
        ${report.columns.map(
          (column) =>
            html`<${MappingRow}
              key=${column.column}
              column=${column}
              target=${options.mapping[column.column] ?? column.becomes}
              asked=${asked}
              choose=${choose}
            />`,
        )}
      </tbody>
    </table>
  </div>`;
}

function MappingRow({ column, target, asked, choose }) {
  const own = [column.becomes, target].filter((word) => word.startsWith('variable:')).map((word) => word.slice(9));
  const names = [...new Map([...own, column.column, ...asked].map((name) => [normalName(name), name])).entries()];
  const example = column.sample || 'empty';
  // The server keeps the spelling of the column; scripts do not care about it.
  const variable = ([normal, name]) => {
    const word = `variable:${name}`;
    const isTarget = target.startsWith('variable:') && normalName(target.slice(9)) === normal;
    return html`<option key=${normal} value=${isTarget ? target : word} selected=${isTarget}>${`{${normal}}`}</option>`;
  };
  return html`<tr>
    <td>
      <b class="strong">${column.column}</b>
      <div class="only-s muted small"><span class="clip">${example}</span></div>
      ${column.note && html`<div class="muted small">${column.note}</div>`}
    </td>
    <td class="muted small opt"><span class="clip">${example}</span></td>
    <td>
      <select
        class="input"
        aria-label=${`Use column ${column.column} as`}
        onChange=${(event) => choose(column, event.currentTarget.value)}
      >
        <option value="ignore" selected=${target === 'ignore'}>Do not import</option>
        ${TARGETS.map(
          ([word, label]) => html`<option key=${word} value=${word} selected=${target === word}>${label}</option>`,
        )}
        <optgroup label="In the script">${names.map(variable)}</optgroup>
      </select>
    </td>
  </tr>`;
}

const INTERNATIONAL = 'All with their country code';

/** The country of numbers without one, and what becomes of people who are in the campaign already. */
function Choices({ report, options, fields, set }) {
  const why = report.reasons.map((reason) => reason.why ?? {});
  const many = (cause) => why.reduce((sum, counts) => sum + (counts[cause] || 0), 0);
  const [homeless, unclear] = [many('needs_country'), many('two_readings')];
  const missing = homeless > 0 && `Without it ${plural(homeless, 'number')} of the file cannot be called.`;
  const hint = unclear
    ? `${plural(unclear, 'number')} can be two people’s: choose “${INTERNATIONAL}” if they do.`
    : 'For numbers written without +.';
  const country = (attributes) =>
    html`<select
      class="input"
      onChange=${(event) => set({ default_country: event.currentTarget.value })}
      ...${attributes}
    >
      <option value="" selected=${!options.default_country}>
        ${report.default_country ? `As set for this server` : 'None'}
      </option>
      <option value="international" selected=${options.default_country === 'international'}>
        ${INTERNATIONAL}
      </option>
      ${countries().map(
        ([code, name]) =>
          html`<option key=${code} value=${code} selected=${options.default_country === code}>${name}</option>`,
      )}
    </select>`;
  const duplicates = (attributes) =>
    html`<select class="input" onChange=${(event) => set({ on_duplicate: event.currentTarget.value })} ...${attributes}>
      ${DUPLICATES.map(
        ([word, label]) =>
          html`<option key=${word} value=${word} selected=${options.on_duplicate === word}>${label}</option>`,
      )}
    </select>`;
  return html`<div class="cols two">
    <${Field}
      label="Country of the numbers"
      hint=${hint}
      error=${fields.default_country || missing}
      >${country}<//
    >
    <${Field} label="People who are in the campaign already">${duplicates}<//>
  </div>`;
}

let known = null;
/** Countries by name, as the browser knows them. */
function countries() {
  if (known) return known;
  const names = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' });
  const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  // Groups of countries and codes that are none.
  const none = ['EU', 'EZ', 'UN', 'XA', 'XB', 'ZZ', 'QO'];
  known = letters
    .flatMap((first) => letters.map((second) => first + second))
    .filter((code) => !none.includes(code) && new Intl.Locale(`und-${code}`).region === code)
    .map((code) => [code, names.of(code)])
    .filter(([, name]) => name)
    .sort(([, a], [, b]) => a.localeCompare(b));
  return known;
}

/** A file that cannot be read as it is. Where no column seems to hold numbers, somebody can say which one does. */
function Refused({ problem, fields, isFirst, set }) {
  const title = useSignal('');
  const say = (event) => {
    event.preventDefault();
    if (title.value.trim()) set({ mapping: { [title.value.trim()]: 'phone' } });
  };
  // What comes after that says how to ask the API.
  const words = fields.header ? `${fields.header.split('. Name one')[0]}.` : problem;
  return html`<${Note} kind="danger" icon="triangle-alert">
    <span role="alert">${marked(words)}</span>
    ${
      isFirst &&
      fields.header &&
      html`<form class="row wrap" onSubmit=${say}>
        <${Field} label="Heading of the column with the phone numbers">${input(title)}<//>
        <button class="btn">Check again</button>
      </form>`
    }
  <//>`;
}

const countOf = (report, ...reasons) =>
  report.reasons.filter(({ reason }) => reasons.includes(reason)).reduce((sum, { count }) => sum + count, 0);

/** What became of the rows, or would. */
function Report({ report }) {
  const isDry = report.dry_run;
  const tiles = [
    ['ok', report.imported, isDry ? 'ready to come in' : 'came in'],
    ['', report.updated, isDry ? 'will be updated' : 'updated'],
    ['', countOf(report, 'duplicate_in_file', 'already_in_campaign', 'in_progress'), 'duplicates, left out'],
    ['bad', countOf(report, 'not_a_number'), 'not a phone number'],
    ['', countOf(report, 'on_do_not_call_list'), 'on the do-not-call list'],
    ['bad', countOf(report, 'bad_value', 'bad_row'), 'with another problem'],
  ].filter(([, count, label], i) => count > 0 || i === 0 || i === 2 || i === 3 || label.startsWith('on the'));
  return html`<section aria-label="Report" class="stack">
    <dl class="report">
      ${tiles.map(
        ([kind, count, label]) =>
          html`<div key=${label} class=${count > 0 && kind}>
            <dd class="num">${num(count)}</dd>
            <dt>${label}</dt>
          </div>`,
      )}
    </dl>
    ${report.warnings.map(
      ({ warning, variable, message, count }) =>
        html`<${Note} key=${warning + variable} kind="warn" icon="triangle-alert"
          ><b class="strong">${plural(count, 'row')}:</b> ${marked(message)}<//
        >`,
    )}
    ${report.skipped + report.rejected > 0 && html`<${Skipped} report=${report} />`}
  </section>`;
}

function Skipped({ report }) {
  const count = report.skipped + report.rejected;
  const rows = report.reasons
    .flatMap(({ first_rows }) => first_rows.slice(0, ROWS_OF_EACH))
    .sort((a, b) => a.row - b.row)
    .slice(0, ROWS_SHOWN);
  const save = () => saveText(report.skipped_csv, 'skipped-rows.csv');
  const words = html`<${Icon} n="download" c="s" />Download all ${num(count)} rows`;
  const url = downloadUrl(`/voice-campaigns/${report.campaign_id}/imports/${report.id}/skipped`);
  return html`<details class="bordered" open=${report.dry_run}>
    <summary>Rows that ${report.dry_run ? 'will be' : 'were'} left out</summary>
    <div class="scroll-x" tabindex="0" role="region" aria-label="Rows that are left out">
      <table class="table small">
        <thead>
          <tr>
            <th>Row</th>
            <th>Column</th>
            <th>Value</th>
            <th>Reason</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            ({ row, field, value, message }) =>
              html`<tr key=${row}>
                <td class="num">${num(row)}</td>
                <td>${field}</td>
                <td class="mono">${value || '(empty)'}</td>
                <td>${marked(capital(message))}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    <div class="row wrap foot">
      <span class="muted small grow">Showing ${num(rows.length)} of ${num(count)}</span>
      ${
        report.dry_run
          ? html`<button type="button" class="btn small" onClick=${save}>${words}</button>`
          : html`<a class="btn small" href=${url} download>${words}</a>`
      }
    </div>
  </details>`;
}

/** Hands a text to the browser as a file. */
function saveText(text, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function Running({ progress }) {
  const { rows_total: total, rows_done: rows } = progress;
  const share = total ? rows / total : 0;
  return html`<div class="stack-s bordered padded">
    <div class="row">
      <${Icon} n="loader-circle" c="spin" />
      <b class="strong grow" role="status">Importing…</b>
      <span class="muted num">${total ? `${num(rows)} of ${num(total)} rows` : plural(rows || 0, 'row')}</span>
    </div>
    <div
      class="bar"
      role="progressbar"
      aria-label="Import"
      aria-valuemin="0"
      aria-valuemax="100"
      aria-valuenow=${Math.round(share * 100)}
    >
      <i class="fill" style=${`flex: 0 0 ${share * 100}%`}></i>
    </div>
    <p class="muted small">You can leave this page; the import goes on.</p>
  </div>`;
}

/** The end of an import, with the way back. */
function Done({ campaign, report, again, onUndone }) {
  const isUndone = useSignal(false);
  const people = plural(report.imported, 'person', 'people');
  const undo = async () => {
    const isSure = await confirm({
      title: 'Undo this import?',
      ok: 'Undo import',
      danger: true,
      body: `${people} that this import brought leave the campaign again.`,
    });
    if (!isSure) return;
    try {
      const undone = await del(`/voice-campaigns/${campaign.id}/imports/${report.id}`);
      isUndone.value = true;
      toast('The import was undone.');
      onUndone?.(undone);
    } catch (error) {
      fail(error);
    }
  };
  const words = report.error
    ? `The import ended early: ${report.error}`
    : isUndone.value
      ? 'The import was undone.'
      : `${people} came in${report.updated ? `, ${num(report.updated)} were updated` : ''}.`;
  return html`<div class="stack">
    <div class="row wrap">
      <${Icon} n=${report.error ? 'triangle-alert' : 'circle-check'} />
      <b class="strong grow" role="status">${words}</b>
      ${
        report.imported > 0 &&
        !isUndone.value &&
        html`<${ActionButton} class="btn small" icon="rotate-ccw" run=${undo}>Undo<//>`
      }
      <button type="button" class="btn small" onClick=${again}>Import another file</button>
    </div>
    ${!isUndone.value && html`<${Report} report=${report} />`}
  </div>`;
}
