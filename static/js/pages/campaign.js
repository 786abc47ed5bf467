import { html, useEffect, useSignal, useMemo, useRef } from '../lib/ui.js';
import { get, useResource } from '../lib/api.js';
import { on } from '../lib/live.js';
import { route, setQuery, go } from '../lib/router.js';
import { num, pct, money, day, dayRange, OUTCOMES, ANSWERED, outcomeLabel, DAYS } from '../lib/format.js';
import {
  Icon,
  Card,
  Stat,
  Status,
  Progress,
  Legend,
  Meter,
  answerRate,
  Empty,
  Loading,
  Problem,
  Outcome,
} from '../components/basic.js';
import { ChartCard, StackedBars, Burn, Heatmap, HeatKey } from '../components/charts.js';
import { MainAction, MoreActions } from '../components/campaign-actions.js';
import { CallTable } from '../components/call-table.js';
import { CallSheet } from '../components/call-sheet.js';
import { LiveCall } from '../components/live-call.js';
import { VirtualList } from '../components/virtual-list.js';
import { Sample } from '../components/player.js';
import { fill } from '../components/script.js';
export const title = 'Campaign';
const TABS = [
  ['', 'Overview'],
  ['calls', 'Calls'],
  ['leads', 'Leads'],
  ['script', 'Script and schedule'],
];

export default function Campaign({ params: { id, tab = '' } }) {
  const [res, reload] = useResource(id, (o) => get('/campaigns/' + id, o)),
    c = res.value.data,
    call = route.value.query.call;
  const patch = (x) => {
    if (x.id === id && res.value.data) res.value = { ...res.value, data: { ...res.value.data, ...x } };
  };
  useEffect(() => {
    const a = on('campaign', patch),
      b = on('resync', reload);
    return () => {
      a();
      b();
    };
  }, [id]);
  if (res.value.error)
    return html`<div class="page">
      <h1 class="vh">Campaign</h1>
      <${Problem} error=${res.value.error} retry=${reload} /><a href="#/campaigns">All campaigns</a>
    </div>`;
  if (!c)
    return html`<div class="page">
      <h1 class="vh">Campaign</h1>
      <${Loading} rows=${4} h=${90} />
    </div>`;
  const done = (x, what) => (what === 'delete' ? go('/campaigns') : patch(x));
  return html`<div class="page">
    <header>
      <a class="crumb" href="#/campaigns"><${Icon} n="chevron-left" c="s" />Campaigns</a>
      <div class="page-head wide">
        <div class="grow">
          <h1>${c.name}</h1>
          <div class="row wrap" style="margin-top:8px">
            <${Status} s=${c.status} /><span class="muted"
              >${c.status === 'calling' ? `${c.lines.active} of ${c.lines.max} lines in use` : c.reason}</span
            >
          </div>
        </div>
        <div class="row"><${MainAction} c=${c} done=${done} /><${MoreActions} c=${c} done=${done} /></div>
      </div>
    </header>
    <nav class="tabs" aria-label="Campaign">
      ${TABS.map(([k, l]) => html`<a key=${k} href=${`#/campaigns/${id}${k && '/' + k}`} aria-current=${tab === k ? 'page' : undefined}>${l}</a>`)}
    </nav>
    ${tab === 'calls' ? html`<${Calls} id=${id} />` : tab === 'leads' ? html`<${Leads} c=${c} />` : tab === 'script' ? html`<${Script} c=${c} />` : html`<${Overview} c=${c} />`}
    ${call && html`<${CallSheet} id=${call} onClose=${() => setQuery({ call: '' })} />`}
  </div>`;
}
function Overview({ c }) {
  const [ch] = useResource(c.id, (o) => get(`/campaigns/${c.id}/charts`, o)),
    [rc] = useResource(c.id, (o) => get(`/calls?campaign=${c.id}&limit=5`, o)),
    live = useSignal([]),
    d = ch.value.data;
  useEffect(() => {
    get('/calls/live')
      .then((x) => {
        live.value = x;
      })
      .catch(() => {});
    return on('call', (e) => {
      live.value = e.live;
    });
  }, []);
  const rate = answerRate(c.outcomes),
    reached = ANSWERED.reduce((a, k) => a + (c.outcomes[k] || 0), 0);
  if (!c.leads.total)
    return html`<div class="card">
      <${Empty}
        icon="users"
        title="This campaign has no leads yet"
        actions=${html`<a class="btn primary" href=${`#/campaigns/${c.id}/leads`}><${Icon} n="upload" />Import a CSV file</a>`}
        >Add the people to call. Results and charts appear here after the first calls.<//
      >
    </div>`;
  const out = d?.burn && crossing(d.burn, c.spend.budget),
    mine = live.value.filter((l) => l.campaign_id === c.id);
  return html`<div class="grid">
    <div class="card c12 hero">
      <div class="hero-n">
        <div class="v num">${num(c.leads.done)}<small> of ${num(c.leads.total)} leads finished</small></div>
        <div class="muted">
          ${c.status === 'completed' ? 'Every lead has a result.' : c.status !== 'calling' ? 'No finish date while it is not calling.' : out ? html`<span class="warn-t"><${Icon} n="triangle-alert" c="s" />The budget runs out around ${day(out)}, before every lead is called.</span>` : c.finishes ? `At this pace it finishes around ${day(c.finishes)}.` : ''}
        </div>
      </div>
      <${Progress} done=${c.leads.done} total=${c.leads.total} outcomes=${c.outcomes} /><${Legend}
        outcomes=${c.outcomes}
      />
    </div>
    <div class="c3 half">
      <${Stat} label="Answered" value=${pct(rate)} detail=${`${num(reached)} people spoke with the agent`} />
    </div>
    <div class="c3 half">
      <${Stat}
        label="Goal reached"
        value=${pct(reached ? c.outcomes.goal / reached : null)}
        detail="of those who answered"
      />
    </div>
    <div class="c3 half">
      <${Stat} label="Calls today" value=${num(c.calls_today)} detail=${`limit ${num(c.calls_per_day)} a day`} />
    </div>
    <div class="c3 half">
      <${Stat}
        label="Cost per goal"
        value=${c.outcomes.goal ? money(c.spend.used / c.outcomes.goal, c.currency) : '–'}
        detail=${`${money(c.spend.used, c.currency)} spent so far`}
      />
    </div>
    ${
      !d
        ? html`<div class="c12"><${Loading} rows=${2} h=${240} /></div>`
        : html` <${ChartCard}
              class=${c.status === 'calling' ? 'c8' : 'c12'}
              title="Outcomes per day"
              table=${{ head: ['Day', ...OUTCOMES.map(([, l]) => l)], rows: d.days.map((x) => [x.long, ...OUTCOMES.map(([k]) => num(x.parts[k] || 0))]) }}
              foot=${html`<div style="margin-top:12px"><${Legend} /></div>`}
              ><${StackedBars} data=${d.days} label="Outcomes per day for the last 14 days"
            /><//>
            ${c.status === 'calling' && html`<${Card} class="c4" title="On the line now" actions=${html`<a class="btn ghost small" href="#/live">Open live view</a>`} flush>${mine.length ? html`<div class="lines">${mine.map((l) => html`<${LiveCall} key=${l.line} l=${l} compact />`)}</div>` : html`<div style="padding:10px 18px 18px" class="muted">Dialling the next lead…</div>`}<//>`}
            <${ChartCard}
              class="c7"
              title="When people answer"
              sub=${`Share of calls answered, ${c.schedule.tz} time`}
              table=${{ head: ['Day', ...d.heat.hours.map((h) => h + ':00')], rows: d.heat.rows.map((r, i) => [DAYS[i], ...r.map((x) => pct(x.rate))]) }}
              foot=${html`<div class="row wrap" style="margin-top:12px; justify-content:space-between"><${HeatKey} rows=${d.heat.rows} /><span class="small muted">Best: ${best(d.heat)}</span></div>`}
              ><${Heatmap} ...${d.heat} label="Answer rate by weekday and hour"
            /><//>
            ${d.burn && html`<${ChartCard} class="c5" title="Budget" sub=${`${money(c.spend.used, c.currency)} of ${money(c.spend.budget, c.currency)} used`} table=${{ head: ['Day', 'Spent'], rows: d.burn.points.map((p) => [p.long, money(p.v, c.currency)]) }}><${Burn} ...${d.burn} budget=${c.spend.budget} currency=${c.currency} height=${208} label=${`Money spent over time. ${money(c.spend.used, c.currency)} of ${money(c.spend.budget, c.currency)} used.`} /><//>`}`
    }
    <${Card}
      class="c12"
      title="Latest calls"
      flush
      actions=${html`<a class="btn ghost small" href=${`#/campaigns/${c.id}/calls`}>All calls<${Icon} n="arrow-right" c="s" /></a>`}
      >${rc.value.data && html`<${CallTable} items=${rc.value.data.items} campaign=${false} onOpen=${(id) => setQuery({ call: id })} />`}<//
    >
  </div>`;
}
const crossing = (b, budget) => {
  const a = b.points.at(-1),
    z = b.proj.at(-1);
  return z && z.v > budget && a.v < budget ? a.t + ((budget - a.v) / (z.v - a.v)) * (z.t - a.t) : null;
};
const best = (h) => {
  let b = { rate: 0 };
  h.rows.forEach((r, i) =>
    r.forEach((x, j) => {
      if (x.rate > b.rate) b = { ...x, t: `${DAYS[i]} ${h.hours[j]}:00, ${pct(x.rate)}` };
    }),
  );
  return b.t;
};
function Calls({ id }) {
  const { outcome = '', after = 0 } = route.value.query,
    [res, reload] = useResource(JSON.stringify([id, outcome, after]), (o) =>
      get(`/calls?${new URLSearchParams({ campaign: id, outcome, after, limit: 25 })}`, o),
    ),
    d = res.value.data;
  return html`<div class="stack">
    <div class="seg" role="group" aria-label="Filter by outcome">
      <button aria-pressed=${String(!outcome)} onClick=${() => setQuery({ outcome: '', after: '' })}>All</button
      >${OUTCOMES.map(([k, l]) => html`<button key=${k} aria-pressed=${String(outcome === k)} onClick=${() => setQuery({ outcome: k, after: '' })}>${l}</button>`)}
    </div>
    <div class="card">
      ${
        res.value.error
          ? html`<${Problem} error=${res.value.error} retry=${reload} />`
          : !d
            ? html`<div style="padding:18px"><${Loading} rows=${6} h=${40} /></div>`
            : !d.items.length
              ? html`<${Empty} icon="phone" title="No calls yet">Calls appear here as they happen.<//>`
              : html`<${CallTable} items=${d.items} campaign=${false} onOpen=${(x) => setQuery({ call: x })} />
                  <nav class="pager" aria-label="Pages">
                    <span class="muted small num"
                      >${num(+after + 1)}–${num(+after + d.items.length)} of ${num(d.total)}</span
                    ><span class="grow"></span
                    ><button
                      class="btn small"
                      disabled=${!+after}
                      onClick=${() => setQuery({ after: Math.max(0, after - 25) || '' })}
                    >
                      Newer</button
                    ><button class="btn small" disabled=${!d.next} onClick=${() => setQuery({ after: d.next })}>
                      Older
                    </button>
                  </nav>`
      }
    </div>
  </div>`;
}
function Leads({ c }) {
  return html`<div class="stack">
    <div class="row wrap">
      <div class="search narrow">
        <${Icon} n="search" c="s" /><input
          class="input"
          type="search"
          data-search
          placeholder="Name or number"
          aria-label="Search leads"
        />
      </div>
      <button class="btn push"><${Icon} n="upload" />Import CSV</button>
    </div>
    <div class="card">
      <${VirtualList}
        label="Leads"
        class="leads"
        head=${[['No.', 'opt'], ['Name'], ['Phone'], ['Result'], ['Tries', 'opt']]}
        load=${(off, lim, o) => get(`/campaigns/${c.id}/leads?offset=${off}&limit=${lim}`, o)}
        row=${(l) => html`<span class="faint num opt" role="cell">${num(l.n)}</span><span class="truncate" role="cell">${l.name}</span><span class="num muted truncate" role="cell">${l.phone}</span><span role="cell">${l.status === 'queued' ? html`<span class="faint">Not called yet</span>` : html`<${Outcome} o=${l.status} />`}</span><span class="num muted opt" role="cell">${l.attempts || '–'}</span>`}
      />
    </div>
  </div>`;
}
const SAMPLE = { first_name: 'Ana', doctor: 'Doctor Weiss', date: 'Thursday', time: '10:30' };
function Script({ c }) {
  return html`<div class="grid">
    <${Card} class="c7" title="Script"
      ><p class="script">${fill(c.script, SAMPLE)}</p>
      <h3 style="margin:18px 0 6px">Instructions to the agent</h3>
      <p class="muted">${c.system_prompt}</p><//
    >
    <${Card} class="c5" title="Voice and schedule"
      ><div class="row" style="margin-bottom:16px">
        <${Sample} src=${`api/v1/voices/${c.voice.id}/sample`} label=${c.voice.name} />
        <div>
          <b class="strong">${c.voice.name}</b>
          <div class="muted small">${c.voice.lang} · ${c.voice.tone}</div>
        </div>
      </div>
      <dl class="kv">
        <dt>Days</dt>
        <dd>${dayRange(c.schedule.days)}</dd>
        <dt>Hours</dt>
        <dd class="num">${c.schedule.from}–${c.schedule.to}, ${c.schedule.tz}</dd>
        <dt>Calls per day</dt>
        <dd class="num">${num(c.calls_per_day)}</dd>
        <dt>Retries</dt>
        <dd>${c.retries.max} times, ${c.retries.wait_min / 60} hours apart</dd>
        <dt>Lines</dt>
        <dd>${c.lines.max} at the same time</dd>
        <dt>Budget</dt>
        <dd class="num">${money(c.spend.budget, c.currency)}</dd>
      </dl><//
    >
  </div>`;
}
