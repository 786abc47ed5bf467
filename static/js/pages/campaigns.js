// All campaigns at one look: how each stands, how far it is, and what can be done next.
import { html, useRef, useSignal } from '../lib/ui.js';
import { ask, canWrite, create, useResource, withQuery } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { route, setQuery, go } from '../lib/router.js';
import { finishedLeads, grouped, money, num, pct, plural, STATUS } from '../lib/format.js';
import { fail } from '../lib/notify.js';
import { keepOverview, overview } from '../lib/store.js';
import {
  ActionButton,
  answerRate,
  Empty,
  Icon,
  Loading,
  Menu,
  Meter,
  Problem,
  Progress,
  Search,
  Standing,
  Stat,
} from '../components/basic.js';
import { Spark } from '../components/charts.js';
import { ActionDialogs, MainAction, MoreActions } from '../components/campaign-actions.js';
import { startDialing, stopDialing } from '../components/shell.js';

export const title = 'Campaigns';

const PAGE = 50;
/** The order of the campaigns and of the filters. */
const STATES = ['attention', 'calling', 'waiting', 'paused', 'draft', 'completed'];
/** Changes of a campaign change its place and the counts, which are read again no more often than this. */
const RELOAD_MS = 3000;

async function load(state, search, options) {
  const { data, next } = await ask('GET', withQuery('/overview', { state, search, limit: PAGE }), undefined, options);
  keepOverview(data);
  return { ...data, next };
}

export default function Campaigns() {
  const { state = '', q = '' } = route.value.query;
  const [resource, reload] = useResource(`${state} ${q}`, (options) => load(state, q, options), { keep: true });
  const timer = useRef(0);
  const reloadSoon = () => {
    timer.current ||= setTimeout(() => {
      timer.current = 0;
      reload();
    }, RELOAD_MS);
  };
  const change = (id, changed) => {
    const { data } = resource.peek();
    const before = data?.campaigns.find((campaign) => campaign.id === id);
    const after = before && changed(before);
    if (after) {
      const campaigns = data.campaigns.map((campaign) => (campaign.id === id ? after : campaign));
      resource.value = { ...resource.peek(), data: { ...data, campaigns } };
    }
    if (after?.stats.standing?.state !== before?.stats.standing?.state || !after) reloadSoon();
  };
  useLive({
    campaign: ({ id, deleted, ...patch }) => change(id, (campaign) => (deleted ? null : { ...campaign, ...patch })),
    stats: ({ campaign_id: id, ...patch }) =>
      change(id, (campaign) => ({ ...campaign, stats: { ...campaign.stats, ...patch } })),
    resync: reload,
  });
  const more = async () => {
    const { data } = resource.peek();
    const page = await ask('GET', data.next).catch(fail);
    if (!page || resource.peek().data !== data) return;
    const campaigns = [...data.campaigns, ...page.data.campaigns];
    resource.value = { ...resource.peek(), data: { ...page.data, next: page.next, campaigns } };
  };
  const { data, error } = resource.value;
  const total = data ? STATES.reduce((sum, word) => sum + data.counts[word], 0) : 0;
  const isFirstRun = data && !total && !q;
  return html`<div class="page">
    <header class="page-head">
      <div class="grow"><h1>Campaigns</h1></div>
      ${canWrite.value && html`<${HeadActions} />`}
    </header>
    ${data && !isFirstRun && html`<${Today} /><${Filters} counts=${data.counts} total=${total} state=${state} q=${q} />`}
    ${
      error
        ? html`<${Problem} error=${error} retry=${reload} />`
        : !data
          ? html`<${Loading} rows=${5} h=${84} />`
          : isFirstRun
            ? html`<${FirstRun} />`
            : !data.campaigns.length
              ? html`<${NothingFound} />`
              : html`<${List} campaigns=${data.campaigns} onChange=${reload} />`
    }
    ${data?.next && html`<div class="row"><${ActionButton} run=${more}>Show more campaigns<//></div>`}
    <${ActionDialogs} />
  </div>`;
}

function HeadActions() {
  const isStopped = overview.value?.dialing.stopped;
  const toggle = isStopped
    ? { label: 'Let calling go on', icon: 'play', onClick: startDialing }
    : { label: 'Stop all calling…', icon: 'phone-off', danger: true, onClick: stopDialing };
  return html`<div class="row">
    <a class="btn primary" href="#/campaigns/new"><${Icon} n="plus" />New campaign</a>
    <${Menu} label="More actions for all campaigns" items=${[toggle]} />
  </div>`;
}

/** The numbers of the whole server, on each campaign's own day. */
function Today() {
  const { in_progress_calls, lines, calls_today, answered_today, spent_today } = overview.value ?? {};
  return html`<section class="summary" aria-label="Today">
    <${Stat} label="Calls in progress" value=${num(in_progress_calls)} unit=${`of ${plural(lines, 'line')}`} />
    <${Stat} label="Calls today" value=${num(calls_today)} />
    <${Stat} label="Picked up today" value=${pct(calls_today ? answered_today / calls_today : null)} />
    <${Stat} label="Spent today" value=${money(spent_today)} />
  </section>`;
}

function Filters({ counts, total, state, q }) {
  const option = (word, label, count) =>
    html`<button key=${word} aria-pressed=${String(state === word)} onClick=${() => setQuery({ state: word })}>
      ${label}<small>${num(count)}</small>
    </button>`;
  const shown = STATES.filter((word) => counts[word] || word === state);
  return html`<div class="row wrap">
    <div class="seg" role="group" aria-label="Filter by state">
      ${option('', 'All', total)}${shown.map((word) => option(word, STATUS[word], counts[word]))}
    </div>
    <span class="grow"></span>
    <${Search}
      value=${q}
      onSearch=${(text) => setQuery({ q: text })}
      placeholder="Search by name"
      label="Search campaigns"
    />
  </div>`;
}

function FirstRun() {
  const isSimulated = !overview.value?.carrier.real_calls;
  const loadDemo = async () => {
    try {
      const campaign = await create('/demo-campaign');
      go(`/campaigns/${campaign.id}`);
    } catch (error) {
      fail(error);
    }
  };
  const actions = html`<a class="btn primary" href="#/campaigns/new"><${Icon} n="plus" />New campaign</a> ${
      isSimulated && html`<${ActionButton} icon="sparkles" run=${loadDemo}>Load a demo campaign<//>`
    }`;
  return html`<div class="card">
    <${Empty} icon="megaphone" title="Make your first campaign" actions=${canWrite.value && actions}>
      A campaign is a script, a list of people to call and the hours you may call
      them.${isSimulated && ' This server simulates all calls, so you can try everything without calling anyone.'}
    <//>
  </div>`;
}

function NothingFound() {
  const clear = html`<button class="btn" onClick=${() => setQuery({ state: '', q: '' })}>
    Clear search and filter
  </button>`;
  return html`<div class="card">
    <${Empty} icon="search" title="No campaign matches" actions=${clear}>
      Try another word, or look at all campaigns.
    <//>
  </div>`;
}

function List({ campaigns, onChange }) {
  const head = (words) => html`<span role="columnheader">${words}</span>`;
  return html`<div class="card">
    <div class="clist" role="table" aria-label="Campaigns" aria-rowcount=${campaigns.length + 1}>
      <div class="crow chead" role="row">
        ${head('Campaign')}${head('Progress')}${head('Answered')}${head('Spent')}${head('Today by hour')}
        ${head(html`<span class="vh">Actions</span>`)}
      </div>
      ${campaigns.map((campaign) => html`<${Row} key=${campaign.id} campaign=${campaign} onChange=${onChange} />`)}
    </div>
  </div>`;
}

function Row({ campaign, onChange }) {
  const { id, name, status, stats, budget, today_by_hour: hours } = campaign;
  const groups = grouped(stats.outcomes);
  const done = finishedLeads(stats.leads);
  return html`<div class="crow" role="row">
    <div role="cell" class="c-name">
      <a class="stretch" href=${`#/campaigns/${id}`}>${name}</a>
      <div class="c-why"><${Standing} campaign=${campaign} /></div>
    </div>
    <div role="cell" class="c-prog">
      ${
        stats.total_leads
          ? html`<div class="row small num">
                <span><b class="strong">${num(done)}</b><span class="muted"> of ${num(stats.total_leads)}</span></span>
                <span class="grow"></span><span class="muted">${pct(done / stats.total_leads)}</span>
              </div>
              <${Progress} done=${done} total=${stats.total_leads} outcomes=${groups} label=${`Progress of ${name}`} />`
          : html`<span class="faint small">No leads yet</span>`
      }
    </div>
    <div role="cell" class="c-rate num"><span class="m-label">Answered</span>${pct(answerRate(groups))}</div>
    <div role="cell" class="c-spend">
      <span class="m-label">Spent</span>
      <div class="num">
        <span>${money(stats.total_cost)}</span>
        ${budget != null && html`<span class="faint small"> of ${money(budget)}</span>`}
      </div>
      ${
        budget != null &&
        html`<${Meter}
          calm=${status === 'completed'}
          value=${stats.total_cost}
          max=${budget}
          label=${`Budget used by ${name}`}
        />`
      }
    </div>
    <div role="cell" class="c-spark">
      ${
        hours.some(Boolean)
          ? html`<${Spark} data=${hours} label=${`${plural(stats.calls_today, 'call')} today, by hour`} />`
          : html`<span class="faint">–</span>`
      }
    </div>
    <div role="cell" class="c-act">
      <${MainAction} campaign=${campaign} onChange=${onChange} small />
      <${MoreActions} campaign=${campaign} onChange=${onChange} small />
    </div>
  </div>`;
}
