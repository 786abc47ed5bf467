// The Calls tab of a campaign: every dial there was.
import { html } from '../lib/ui.js';
import { downloadUrl, withQuery } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { route, setQuery } from '../lib/router.js';
import { Empty, Icon, Loading, Problem, Search } from '../components/basic.js';
import { CallTable } from '../components/call-table.js';
import { OutcomeSelect } from '../components/call-filter.js';
import { Pager, usePager, useSoon } from '../components/pager.js';

const filterBy = (changes) => setQuery({ ...changes, at: '' });

/** The sheet of a call is drawn by the page of the campaign. */
export function CampaignCalls({ campaign }) {
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
                    onOpen=${(id) => setQuery({ call: String(id) })}
                  /><${Pager} pager=${pager} />`
              : isFiltered
                ? html`<${Empty} icon="search" title="No call matches" actions=${clear}>Try another filter.<//>`
                : html`<${Empty} icon="phone" title="No calls yet">The calls of this campaign are kept here.<//>`
      }
    </div>
  </div>`;
}
