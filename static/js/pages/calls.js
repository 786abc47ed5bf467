// Every call there was: found by person, outcome, campaign and day, and exported with the same filter.
import { html } from '../lib/ui.js';
import { downloadUrl, get, useResource, withQuery } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { closeSheet, openSheet, route, setQuery } from '../lib/router.js';
import { Empty, Icon, Loading, Problem, Search } from '../components/basic.js';
import { CallTable } from '../components/call-table.js';
import { CallSheet } from '../components/call-sheet.js';
import { OutcomeSelect } from '../components/call-filter.js';
import { Pager, usePager, useSoon } from '../components/pager.js';

export const title = 'Call history';

/** Campaigns that can be chosen; of more, the newest. */
const CAMPAIGNS_MAX = 200;
const DAY_MS = 86_400_000;

const open = (id) => openSheet({ call: String(id) });

/** What the address asks for, as parameters of the API; days are those of the browser's clock. */
function filterOf({ q, outcome, campaign, from, to }) {
  const midnight = (text) => new Date(`${text}T00:00:00`).getTime();
  const instant = (at) => (Number.isNaN(at) ? '' : new Date(at).toISOString());
  return {
    search: q,
    outcome,
    campaign_id: campaign,
    from: from && instant(midnight(from)),
    to: to && instant(midnight(to) + DAY_MS - 1),
  };
}

export default function Calls() {
  const { query } = route.value;
  const filter = filterOf(query);
  const pager = usePager(withQuery('/calls', filter), { limit: 50 });
  const reloadSoon = useSoon(pager.reload);
  useLive({
    call: (patch) => {
      const isKnown = pager.items?.some(({ id }) => id === patch.id);
      if (isKnown) pager.change((call) => (call.id === patch.id ? { ...call, ...patch } : call));
      // New ones belong on top, and only there.
      else if (pager.isFirst) reloadSoon();
    },
    resync: pager.reload,
  });
  const isFiltered = Object.values(filter).some(Boolean);
  return html`<div class="page">
    <header class="page-head">
      <div class="grow"><h1>Call history</h1></div>
      <a class="btn" href=${downloadUrl('/calls/export', { ...filter, format: 'csv' })} download>
        <${Icon} n="download" />Export CSV
      </a>
    </header>
    <${Filters} query=${query} />
    <div class="card">
      ${
        pager.error
          ? html`<div class="padded"><${Problem} error=${pager.error} retry=${pager.reload} /></div>`
          : !pager.items
            ? html`<div class="padded"><${Loading} rows=${6} h=${40} /></div>`
            : pager.items.length
              ? html`<${CallTable} items=${pager.items} onOpen=${open} /><${Pager} pager=${pager} />`
              : html`<${Nothing} isFiltered=${isFiltered} />`
      }
    </div>
    ${query.call && html`<${CallSheet} id=${query.call} onClose=${() => closeSheet('call')} />`}
  </div>`;
}

/** A filter begins at the newest call again. */
const filterBy = (changes) => setQuery({ ...changes, at: '' });

function Filters({ query: { q = '', outcome = '', campaign = '', from = '', to = '' } }) {
  const day = (label, name, value) =>
    html`<label class="row small muted nowrap"
      >${label}<input
        class="input auto"
        type="date"
        value=${value}
        onChange=${(event) => filterBy({ [name]: event.currentTarget.value })}
    /></label>`;
  return html`<div class="row wrap filters">
    <${Search}
      class="narrow"
      value=${q}
      placeholder="Name or number"
      label="Search calls"
      onSearch=${(text) => filterBy({ q: text })}
    />
    <${OutcomeSelect} value=${outcome} onChange=${(word) => filterBy({ outcome: word })} />
    <${CampaignSelect} value=${campaign} onChange=${(id) => filterBy({ campaign: id })} />
    <div class="row wrap">${day('From', 'from', from)}${day('to', 'to', to)}</div>
  </div>`;
}

/** Which campaign; one that is not among the newest is still named while it is chosen. */
function CampaignSelect({ value, onChange }) {
  const [resource] = useResource('names', (options) => get(`/voice-campaigns?limit=${CAMPAIGNS_MAX}`, options));
  const campaigns = resource.value.data ?? [];
  const isUnknown = value && !campaigns.some(({ id }) => String(id) === value);
  return html`<select
    class="input auto"
    aria-label="Campaign"
    value=${value}
    onChange=${(event) => onChange(event.currentTarget.value)}
  >
    <option value="">All campaigns</option>
    ${isUnknown && html`<option value=${value}>Campaign ${value}</option>`}
    ${campaigns.map(({ id, name }) => html`<option key=${id} value=${id} selected=${String(id) === value}>${name}</option>`)}
  </select>`;
}

function Nothing({ isFiltered }) {
  const clear = () => filterBy({ q: '', outcome: '', campaign: '', from: '', to: '' });
  return isFiltered
    ? html`<${Empty}
        icon="search"
        title="No call matches"
        actions=${html`<button type="button" class="btn" onClick=${clear}>Clear filters</button>`}
        >Try another name, or look at all calls.<//
      >`
    : html`<${Empty} icon="phone" title="No calls yet">Every call is kept here once a campaign has started.<//>`;
}
