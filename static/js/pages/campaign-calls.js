// The Calls tab of a campaign: every dial there was, and apart from them the test calls and those that came in.
import { html } from '../lib/ui.js';
import { downloadUrl, withQuery } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { openSheet, route, setQuery } from '../lib/router.js';
import { ago, dur, stamp } from '../lib/format.js';
import { Empty, Icon, Loading, Outcome, Problem, Search } from '../components/basic.js';
import { CallTable } from '../components/call-table.js';
import { OutcomeSelect } from '../components/call-filter.js';
import { Pager, usePager, useSoon } from '../components/pager.js';

const filterBy = (changes) => setQuery({ ...changes, at: '' });

/** Which calls, with the last part of the path of those that are no dial of a lead. */
const KINDS = [
  ['', 'Dialed'],
  ['test', 'Test calls'],
  ['inbound', 'Incoming'],
];

/** The sheet of a call is drawn by the page of the campaign. */
export function CampaignCalls({ campaign }) {
  const { kind = '' } = route.value.query;
  const segment = ([value, label]) =>
    html`<button
      key=${value}
      type="button"
      aria-pressed=${kind === value ? 'true' : 'false'}
      onClick=${() => setQuery({ kind: value, q: '', outcome: '', at: '' })}
    >
      ${label}
    </button>`;
  return html`<div class="stack">
    <div class="row"><div class="seg" role="group" aria-label="Kind of calls">${KINDS.map(segment)}</div></div>
    ${
      kind === 'test' || kind === 'inbound'
        ? html`<${OtherCalls} key=${kind} campaign=${campaign} kind=${kind} />`
        : html`<${DialedCalls} campaign=${campaign} />`
    }
  </div>`;
}

const EMPTY = {
  test: ['No test calls yet', 'Make one from the menu of the campaign, to hear what a lead would hear.'],
  inbound: ['Nobody has called yet', 'Calls to the number of an inbound campaign are kept here.'],
};

function OtherCalls({ campaign, kind }) {
  const pager = usePager(`/voice-campaigns/${campaign.id}/${kind}-calls`, { limit: 50 });
  const [title, words] = EMPTY[kind];
  return html`<div class="card">
    ${
      pager.error
        ? html`<div class="padded"><${Problem} error=${pager.error} retry=${pager.reload} /></div>`
        : !pager.items
          ? html`<div class="padded"><${Loading} rows=${6} h=${40} /></div>`
          : pager.items.length
            ? html`<${OtherTable} items=${pager.items} kind=${kind} zone=${campaign.time_zone} /><${Pager}
                  pager=${pager}
                />`
            : html`<${Empty} icon="phone" title=${title}>${words}<//>`
    }
  </div>`;
}

const OtherTable = ({ items, kind, zone }) =>
  html`<p class="muted small padded">These calls count in none of the results, limits and costs of the campaign.</p>
    <div class="scroll-x">
      <table class="table calls" aria-label=${kind === 'test' ? 'Test calls' : 'Incoming calls'}>
        <thead>
          <tr>
            <th>Number</th>
            <th>Outcome</th>
            <th class="r opt3">Length</th>
            ${kind === 'test' && html`<th class="opt">By</th>`}
            <th class="r">When</th>
          </tr>
        </thead>
        <tbody>
          ${items.map((call) => {
            const open = (event) => {
              event.stopPropagation();
              openSheet({ call: `${kind}-${call.id}` });
            };
            return html`<tr key=${call.id} class="link" onClick=${open}>
              <td>
                <button type="button" class="linkbtn num" onClick=${open}>${call.phone || 'Withheld'}</button>
              </td>
              <td>
                ${call.outcome ? html`<${Outcome} o=${call.outcome} exact />` : 'In progress'}
                ${call.detail && html`<div class="faint small">${call.detail}</div>`}
              </td>
              <td class="r opt3 num">${call.seconds == null ? '–' : dur(call.seconds)}</td>
              ${kind === 'test' && html`<td class="opt muted">${call.placed_by}</td>`}
              <td class="r muted nowrap" title=${stamp(call.asked_at, zone)}>${ago(call.asked_at)}</td>
            </tr>`;
          })}
        </tbody>
      </table>
    </div>`;

function DialedCalls({ campaign }) {
  const { q = '', outcome = '' } = route.value.query;
  const path = `/voice-campaigns/${campaign.id}/calls`;
  const filter = { search: q, outcome };
  const pager = usePager(withQuery(path, filter), { limit: 50 });
  const reloadSoon = useSoon(pager.reload);
  useLive({
    call: (patch) => {
      if (patch.campaign_id !== campaign.id) return;
      const isKnown = pager.items?.some(({ id }) => id === patch.id);
      if (isKnown) pager.change((call) => (call.id === patch.id ? { ...call, ...patch } : call));
      else if (pager.isFirst) reloadSoon();
    },
    resync: pager.reload,
  });
  const isFiltered = q || outcome;
  const clear = html`<button type="button" class="btn" onClick=${() => filterBy({ q: '', outcome: '' })}>
    Clear filters
  </button>`;
  return html`<div class="stack">
    <div class="row wrap filters">
      <${Search}
        class="narrow"
        value=${q}
        placeholder="Name or number"
        label="Search calls"
        onSearch=${(text) => filterBy({ q: text })}
      />
      <${OutcomeSelect} value=${outcome} onChange=${(word) => filterBy({ outcome: word })} />
      <span class="grow"></span>
      <a class="btn" href=${downloadUrl(`${path}/export`, { ...filter, format: 'csv' })} download>
        <${Icon} n="download" />Export CSV
      </a>
    </div>
    <div class="card">
      ${
        pager.error
          ? html`<div class="padded"><${Problem} error=${pager.error} retry=${pager.reload} /></div>`
          : !pager.items
            ? html`<div class="padded"><${Loading} rows=${6} h=${40} /></div>`
            : pager.items.length
              ? html`<${CallTable}
                    items=${pager.items}
                    campaign=${false}
                    zone=${campaign.time_zone}
                    onOpen=${(id) => openSheet({ call: String(id) })}
                  /><${Pager} pager=${pager} />`
              : isFiltered
                ? html`<${Empty} icon="search" title="No call matches" actions=${clear}>Try another filter.<//>`
                : html`<${Empty} icon="phone" title="No calls yet">The calls of this campaign are kept here.<//>`
      }
    </div>
  </div>`;
}
