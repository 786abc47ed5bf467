// The Leads tab of a campaign: who is called, found by many a filter, a page at a time, however many there are.
import { html, useEffect, useSignal } from '../lib/ui.js';
import { canWrite, create, downloadUrl, withQuery } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { closeSheet, openSheet, route, setQuery } from '../lib/router.js';
import { LEAD_STATUS, nextCall, num, plural } from '../lib/format.js';
import { fail, toast } from '../lib/notify.js';
import { Empty, FormDialog, Icon, Loading, Menu, Outcome, Problem, Search, Sheet } from '../components/basic.js';
import { OutcomeSelect } from '../components/call-filter.js';
import { Pager, usePager, useSoon } from '../components/pager.js';
import { LeadSheet, NewLead, nameOf } from '../components/lead-sheet.js';
import { ImportsSheet } from '../components/imports-sheet.js';

export const PAGE = 100;

/** Why open leads are held, as far as people look for it; each is a word of the API's `hold`. */
const HOLDS = {
  missing_variable: 'A value is missing for the script',
  script_too_long: 'The script is too long with their values',
  time_zone_unknown: 'Time zone unknown',
  retry_later: 'Waits for the next attempt',
  call_back: 'A call-back is arranged',
  outside_calling_hours: 'Outside the calling hours',
  do_not_call: 'On the do-not-call list',
  attempts_used_up: 'Attempts used up',
  called_too_often: 'Called too often today',
  country_not_allowed: 'Country not allowed',
  number_refused: 'Number never dialed',
  number_in_call: 'Being called by another campaign',
};
/** Outcomes that can be tried again in bulk, each with its words. */
const RETRIES = [
  [['no_answer', 'busy', 'rejected'], 'Nobody picked up'],
  [['voicemail', 'message_left'], 'Voicemail'],
  [['hung_up', 'no_input'], 'Hung up early, or no answer to the question'],
  [['carrier_error', 'carrier_refused', 'interrupted', 'canceled'], 'Failed on our side'],
];

const filterBy = (changes) => setQuery({ ...changes, at: '' });
const NONE = { q: '', status: '', outcome: '', hold: '', tag: '', import: '' };

export function CampaignLeads({ campaign }) {
  const { q, status, outcome, hold, tag, import: importId, lead } = route.value.query;
  const path = `/voice-campaigns/${campaign.id}/leads`;
  const filter = { search: q, status, outcome, hold, tag, import_id: importId };
  const pager = usePager(withQuery(path, filter), { limit: PAGE });
  const reloadSoon = useSoon(pager.reload);
  // What lies above: new, import, imports or retry.
  const open = useSignal('');
  const close = () => (open.value = '');
  useLive({
    lead: (patch) => {
      if (!pager.items?.some(({ id }) => id === patch.id)) return;
      pager.change((one) => (one.id !== patch.id ? one : patch.deleted ? null : { ...one, ...patch }));
    },
    leads: ({ campaign_id: id }) => id === campaign.id && reloadSoon(),
    resync: pager.reload,
  });
  const isFiltered = Object.values(filter).some(Boolean);
  return html`<div class="stack">
    <${Toolbar} campaign=${campaign} filter=${filter} found=${isFiltered ? pager : null} open=${open} />
    <${Filters} query=${route.value.query} />
    <div class="card">
      ${
        pager.error
          ? html`<div class="padded"><${Problem} error=${pager.error} retry=${pager.reload} /></div>`
          : !pager.items
            ? html`<div class="padded"><${Loading} rows=${8} h=${36} /></div>`
            : pager.items.length
              ? html`<${LeadTable} items=${pager.items} campaign=${campaign} /><${Pager}
                    pager=${pager}
                    words=${['Back', 'Next']}
                  />`
              : html`<${Nobody} isFiltered=${isFiltered} open=${open} />`
      }
    </div>
    ${
      lead &&
      html`<${LeadSheet}
        key=${lead}
        id=${lead}
        campaign=${campaign}
        onClose=${() => closeSheet('lead')}
        onChange=${pager.reload}
      />`
    }
    ${open.value === 'new' && html`<${NewLead} campaign=${campaign} onClose=${close} onAdded=${pager.reload} />`}
    ${open.value === 'import' && html`<${ImportSheet} campaign=${campaign} onClose=${close} onImported=${pager.reload} />`}
    ${open.value === 'imports' && html`<${ImportsSheet} campaign=${campaign} onClose=${close} onChange=${pager.reload} />`}
    ${open.value === 'retry' && html`<${RetryDialog} campaign=${campaign} onClose=${close} onRetried=${pager.reload} />`}
  </div>`;
}

function Toolbar({ campaign, filter, found, open }) {
  const all = plural(campaign.stats.total_leads, 'lead');
  // How many a filter finds is known where they are on one page.
  const isWhole = found?.items && !found.newer && !found.older;
  const count = !found ? all : isWhole ? `${num(found.items.length)} of ${all}` : `Some of ${all}`;
  const path = `/voice-campaigns/${campaign.id}/leads/export`;
  const items = [
    { label: 'Imports', icon: 'file-spreadsheet', onClick: () => (open.value = 'imports') },
    canWrite.value && { label: 'Try again those who…', icon: 'rotate-ccw', onClick: () => (open.value = 'retry') },
    '-',
    {
      label: 'Export these as CSV',
      icon: 'download',
      download: true,
      href: downloadUrl(path, { ...filter, format: 'csv' }),
    },
    {
      label: 'Export these for Excel',
      icon: 'download',
      download: true,
      href: downloadUrl(path, { ...filter, format: 'xlsx' }),
    },
  ];
  return html`<div class="row wrap">
    <p class="muted grow" role="status">${count}</p>
    ${
      canWrite.value &&
      html`<button type="button" class="btn" onClick=${() => (open.value = 'new')}><${Icon} n="plus" />Add one</button>
        <button type="button" class="btn primary" onClick=${() => (open.value = 'import')}>
          <${Icon} n="upload" />Import
        </button>`
    }
    <${Menu} label="More for leads" items=${items} />
  </div>`;
}

function Filters({ query }) {
  const { q = '', status = '', outcome = '', hold = '', tag = '', import: importId = '' } = query;
  const select = (label, name, value, words) =>
    html`<select
      class="input auto"
      aria-label=${label}
      value=${value}
      onChange=${(event) => filterBy({ [name]: event.currentTarget.value })}
    >
      <option value="">${label}</option>
      ${Object.entries(words).map(([word, text]) => html`<option key=${word} value=${word}>${text}</option>`)}
    </select>`;
  return html`<div class="row wrap filters">
    <${Search}
      class="narrow"
      value=${q}
      placeholder="Name, number or email"
      label="Search leads"
      onSearch=${(text) => filterBy({ q: text })}
    />
    ${select('Any state', 'status', status, LEAD_STATUS)}
    <${OutcomeSelect} value=${outcome} onChange=${(word) => filterBy({ outcome: word })} none="Any outcome" />
    ${select('Held or not', 'hold', hold, HOLDS)}
    <input
      class="input auto tag-filter"
      aria-label="Tag"
      placeholder="Tag"
      value=${tag}
      onChange=${(event) => filterBy({ tag: event.currentTarget.value.trim() })}
    />
    ${
      importId &&
      html`<button type="button" class="btn small" onClick=${() => filterBy({ import: '' })}>
        Import ${importId}<${Icon} n="x" c="s" /><span class="vh"> Show all imports</span>
      </button>`
    }
  </div>`;
}

const LeadTable = ({ items, campaign }) =>
  html`<div class="scroll-x">
    <table class="table" aria-label="Leads">
      <thead>
        <tr>
          <th>Lead</th>
          <th>State</th>
          <th class="opt">Last outcome</th>
          <th class="r opt3">Attempts</th>
          <th class="r opt">Next call</th>
        </tr>
      </thead>
      <tbody>
        ${items.map((lead) => html`<${LeadRow} key=${lead.id} lead=${lead} campaign=${campaign} />`)}
      </tbody>
    </table>
  </div>`;

function LeadRow({ lead, campaign }) {
  const open = (event) => {
    event.stopPropagation();
    openSheet({ lead: String(lead.id) });
  };
  const { phone, status, outcome, attempts, hold, next_call_at: next } = lead;
  const name = nameOf(lead);
  // That its turn will come, or that it is being called, the state says already.
  const why = hold && [
    'missing_variable',
    'script_too_long',
    'time_zone_unknown',
    'do_not_call',
    'number_refused',
    'country_not_allowed',
  ];
  return html`<tr class="link" onClick=${open}>
    <td>
      <button type="button" class="linkbtn" onClick=${open}>${name ?? phone ?? 'Erased person'}</button>
      ${name && phone && html`<div class="faint small num nowrap">${phone}</div>`}
    </td>
    <td>
      ${LEAD_STATUS[status]}
      ${why?.includes(hold.reason) && html`<div class="small warn-t">${HOLDS[hold.reason]}</div>`}
    </td>
    <td class="opt">${outcome ? html`<${Outcome} o=${outcome} exact />` : html`<span class="faint">–</span>`}</td>
    <td class="r opt3 muted num">${num(attempts)}</td>
    <td class="r opt muted nowrap">${next && attempts > 0 ? nextCall(next, campaign) : '–'}</td>
  </tr>`;
}

function Nobody({ isFiltered, open }) {
  if (isFiltered) {
    const clear = html`<button type="button" class="btn" onClick=${() => filterBy(NONE)}>Clear filters</button>`;
    return html`<${Empty} icon="search" title="No lead matches" actions=${clear}>Try another filter.<//>`;
  }
  const add =
    canWrite.value &&
    html`<button type="button" class="btn primary" onClick=${() => (open.value = 'import')}>
      <${Icon} n="upload" />Import leads
    </button>`;
  return html`<${Empty} icon="users" title="Nobody to call yet" actions=${add}>
    Import a CSV or Excel file, or add people one by one.
  <//>`;
}

/** The import itself is large and seldom needed, so it is loaded when it is. */
function ImportSheet({ campaign, onClose, onImported }) {
  const module = useSignal(null);
  useEffect(() => {
    import('../components/lead-import.js').then((loaded) => (module.value = loaded), fail);
  }, []);
  const Import = module.value?.LeadImport;
  return html`<${Sheet} title="Import leads" sub=${campaign.name} onClose=${onClose}>
    ${Import ? html`<${Import} campaign=${campaign} onImported=${onImported} />` : html`<${Loading} rows=${2} />`}
  <//>`;
}

function RetryDialog({ campaign, onClose, onRetried }) {
  const chosen = useSignal([0]);
  const toggle = (i) => {
    chosen.value = chosen.value.includes(i) ? chosen.value.filter((other) => other !== i) : [...chosen.value, i];
  };
  const retry = async () => {
    const outcomes = chosen.value.flatMap((i) => RETRIES[i][0]);
    if (!outcomes.length) throw new Error('Choose at least one.');
    const { queued, attempts_used_up: used } = await create(`/voice-campaigns/${campaign.id}/leads/retry`, {
      outcomes,
    });
    toast(`${plural(queued, 'lead')} back in the queue.${used ? ` ${num(used)} had all their attempts.` : ''}`);
    onClose();
    onRetried();
  };
  return html`<${FormDialog} title="Try leads again" ok="Put back in the queue" onClose=${onClose} onSubmit=${retry}>
    <p>
      Finished leads whose last call ended so are called again, within the hours and limits of the campaign. Who said no
      is not called again.
    </p>
    <div class="stack-s">
      ${RETRIES.map(
        ([, label], i) =>
          html`<label key=${label} class="check"
            ><input type="checkbox" checked=${chosen.value.includes(i)} onChange=${() => toggle(i)} /><span
              >${label}</span
            ></label
          >`,
      )}
    </div>
  <//>`;
}
