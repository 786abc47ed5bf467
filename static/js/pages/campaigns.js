import { html, signal, useEffect, useComputed } from '../lib/ui.js';
import { get, useResource } from '../lib/api.js';
import { on } from '../lib/live.js';
import { route, setQuery, go } from '../lib/router.js';
import { num, pct, money, plural } from '../lib/format.js';
import { Icon, Status, Progress, Meter, answerRate, Empty, Loading, Problem, Stat } from '../components/basic.js';
import { Spark } from '../components/charts.js';
import { MainAction, MoreActions } from '../components/campaign-actions.js';
import { stats } from '../lib/store.js';
export const title = 'Campaigns';
const FILTERS = [
  ['', 'All', () => true],
  ['active', 'Active', (c) => ['calling', 'waiting'].includes(c.status)],
  ['stopped', 'Stopped', (c) => ['paused', 'attention'].includes(c.status)],
  ['draft', 'Drafts', (c) => c.status === 'draft'],
  ['completed', 'Completed', (c) => c.status === 'completed'],
];
const why = (c) => (c.status === 'calling' ? `${c.lines.active} of ${c.lines.max} lines in use` : c.reason);

export default function Campaigns() {
  const { filter = '', q = '' } = route.value.query;
  const [res, reload] = useResource('campaigns', (o) => get('/campaigns', o));
  const patch = (c) => {
    const d = res.value.data;
    if (d)
      res.value = { ...res.value, data: { ...d, items: d.items.map((x) => (x.id === c.id ? { ...x, ...c } : x)) } };
  };
  useEffect(() => {
    const a = on('campaign', patch),
      b = on('resync', reload);
    get('/stats')
      .then((s) => {
        stats.value ||= s;
      })
      .catch(() => {});
    return () => {
      a();
      b();
    };
  }, []);
  const done = (c, what) => (what === 'delete' ? reload() : patch(c));
  const all = res.value.data?.items || [],
    s = stats.value;
  const ORDER = ['attention', 'calling', 'waiting', 'paused', 'draft', 'completed'],
    rank = (c) => ORDER.indexOf(c.status);
  const shown = [...all]
    .sort((a, b) => rank(a) - rank(b))
    .filter(FILTERS.find((f) => f[0] === filter)?.[2] || (() => true))
    .filter((c) => c.name.toLowerCase().includes(q.toLowerCase()));
  return html`<div class="page">
    <header class="page-head">
      <div class="grow"><h1>Campaigns</h1></div>
      <a class="btn primary" href="#/campaigns/new"><${Icon} n="plus" />New campaign</a>
    </header>
    ${
      all.length > 0 &&
      html`<section class="summary" aria-label="Today">
          <${Stat}
            label="Calls in progress"
            value=${s ? s.in_progress : '–'}
            unit=${s && `of ${s.lines_max} lines`}
          /><${Stat} label="Calls today" value=${num(s?.today)} /><${Stat}
            label="Answered today"
            value=${pct(s?.answered)}
          /><${Stat} label="Spent today" value=${s ? money(s.spend_today, s.currency) : '–'} />
        </section>
        <div class="row wrap">
          <div class="seg" role="group" aria-label="Filter by status">
            ${FILTERS.map(([k, l, f]) => html`<button key=${k} aria-pressed=${String(filter === k)} onClick=${() => setQuery({ filter: k })}>${l}<small>${all.filter(f).length}</small></button>`)}
          </div>
          <span class="grow"></span>
          <div class="search">
            <${Icon} n="search" c="s" /><input
              class="input"
              type="search"
              data-search
              placeholder="Search by name"
              aria-label="Search campaigns"
              value=${q}
              onInput=${(e) => setQuery({ q: e.target.value })}
            />${!q && html`<kbd aria-hidden="true">/</kbd>`}
          </div>
        </div>`
    }
    ${
      res.value.error
        ? html`<${Problem} error=${res.value.error} retry=${reload} />`
        : !res.value.data
          ? html`<${Loading} rows=${5} h=${84} />`
          : !all.length
            ? html`<div class="card">
                <${Empty}
                  icon="megaphone"
                  title="Make your first campaign"
                  actions=${html`<a class="btn primary" href="#/campaigns/new"><${Icon} n="plus" />New campaign</a><button class="btn"><${Icon} n="sparkles" />Load a demo campaign</button>`}
                  >A campaign is a script, a list of people to call and the hours you may call them. The server is in
                  simulator mode, so you can try everything without calling anyone.<//
                >
              </div>`
            : !shown.length
              ? html`<div class="card">
                  <${Empty}
                    icon="search"
                    title="No campaign matches"
                    actions=${html`<button class="btn" onClick=${() => setQuery({ filter: '', q: '' })}>Clear search and filter</button>`}
                    >Try another word, or look at all campaigns.<//
                  >
                </div>`
              : html`<div class="card">
                  <div class="clist" role="table" aria-label="Campaigns" aria-rowcount=${shown.length + 1}>
                    <div class="crow chead" role="row">
                      <span role="columnheader">Campaign</span><span role="columnheader">Progress</span
                      ><span role="columnheader">Answered</span><span role="columnheader">Spent</span
                      ><span role="columnheader">Today by hour</span
                      ><span role="columnheader"><span class="vh">Actions</span></span>
                    </div>
                    ${shown.map((c) => {
                      const rate = answerRate(c.outcomes);
                      return html`<div class="crow" role="row" key=${c.id}>
                        <div role="cell" class="c-name">
                          <a class="stretch" href=${`#/campaigns/${c.id}`}>${c.name}</a>
                          <div class="c-why"><${Status} s=${c.status} /><span>${why(c)}</span></div>
                        </div>
                        <div role="cell" class="c-prog">
                          ${
                            c.leads.total
                              ? html`<div class="row small num">
                                    <span
                                      ><b class="strong">${num(c.leads.done)}</b
                                      ><span class="muted"> of ${num(c.leads.total)}</span></span
                                    ><span class="grow"></span
                                    ><span class="muted">${pct(c.leads.done / c.leads.total)}</span>
                                  </div>
                                  <${Progress}
                                    done=${c.leads.done}
                                    total=${c.leads.total}
                                    outcomes=${c.outcomes}
                                    label=${`Progress of ${c.name}`}
                                  />`
                              : html`<span class="faint small">No leads yet</span>`
                          }
                        </div>
                        <div role="cell" class="c-rate num"><span class="m-label">Answered</span>${pct(rate)}</div>
                        <div role="cell" class="c-spend">
                          <span class="m-label">Spent</span>
                          <div class="num">
                            <span>${money(c.spend.used, c.currency)}</span
                            ><span class="faint small"> of ${money(c.spend.budget, c.currency, 0)}</span>
                          </div>
                          <${Meter}
                            calm=${c.status === 'completed'}
                            value=${c.spend.used}
                            max=${c.spend.budget}
                            label=${`Budget used by ${c.name}`}
                          />
                        </div>
                        <div role="cell" class="c-spark">
                          ${c.spark.length ? html`<${Spark} data=${c.spark} label=${`${plural(c.calls_today, 'call')} today`} />` : html`<span class="faint">–</span>`}
                        </div>
                        <div role="cell" class="c-act">
                          <${MainAction} c=${c} done=${done} small /><${MoreActions} c=${c} done=${done} small />
                        </div>
                      </div>`;
                    })}
                  </div>
                </div>`
    }
  </div>`;
}
