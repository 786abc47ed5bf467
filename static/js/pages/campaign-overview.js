// The Overview tab of a campaign: progress, numbers, charts, and the calls of just now.
import { html, memo, useMemo } from '../lib/ui.js';
import { canWrite, get, useResource, withQuery } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { openSheet, route, setQuery } from '../lib/router.js';
import {
  day,
  dayMonth,
  DAYS,
  finishedLeads,
  grouped,
  isoDay,
  money,
  num,
  OUTCOMES,
  pct,
  plural,
  time,
  WEEK,
  zoneName,
} from '../lib/format.js';
import {
  answered,
  answerRate,
  Card,
  Empty,
  Icon,
  Legend,
  Loading,
  Problem,
  Progress,
  Stat,
} from '../components/basic.js';
import { Burn, ChartCard, Heatmap, HeatKey, StackedBars } from '../components/charts.js';
import { CallTable } from '../components/call-table.js';
import { Forecast, isOutdated, Outlook, useForecast } from '../components/forecast.js';
import { useSoon } from '../components/pager.js';
import { Clock } from '../components/live-call.js';

/** How the charts can be divided: the word of the API, ours, and how many days back they go. */
const INTERVALS = [
  ['hour', 'Today', 0],
  ['day', '14 days', 13],
  ['week', '12 weeks', 83],
  ['month', '12 months', 364],
];

/** Charts are drawn from the server's sums, which are read again no more often than this while calls end. */
const RELOAD_MS = 10000;
/** So many calls on the line, and so many that have ended, are shown. */
const ALIVE = 6;
const LATEST = 5;

export const CampaignOverview = ({ campaign }) =>
  campaign.stats.total_leads ? html`<${Results} campaign=${campaign} />` : html`<${NoLeads} campaign=${campaign} />`;

function Results({ campaign }) {
  const { id, stats } = campaign;
  const path = `/voice-campaigns/${id}`;
  const { by = 'day' } = route.value.query;
  const [analytics, reloadAnalytics] = useResource(
    `${id} ${by}`,
    (options) => get(withQuery(`${path}/analytics`, periodOf(by, campaign.time_zone)), options),
    { keep: true },
  );
  const [calls, reloadCalls] = useCalls(id);
  useReloadOnCalls(id, reloadAnalytics);
  const forecast = useForecast(campaign);
  const { data, error } = analytics.value;
  const isCalling = stats.standing.state === 'calling';
  return html`<div class="grid">
    <${Hero} campaign=${campaign} forecast=${forecast} />
    <${Numbers} campaign=${campaign} />
    ${
      error
        ? html`<div class="c12"><${Problem} error=${error} retry=${reloadAnalytics} /></div>`
        : !data
          ? html`<div class="c12"><${Loading} rows=${2} h=${240} /></div>`
          : html`<${PerPeriod} class=${isCalling ? 'c8' : 'c12'} data=${data} />
              ${isCalling && html`<${OnTheLine} calls=${calls.data?.alive ?? []} count=${stats.in_progress_calls} />`}
              <${WhenAnswered} data=${data} /><${Money} data=${data} campaign=${campaign} forecast=${forecast.data} />`
    }
    <${Latest}
      id=${id}
      zone=${campaign.time_zone}
      calls=${calls.data?.ended}
      error=${calls.error}
      retry=${reloadCalls}
    />
  </div>`;
}

/** What to ask for. Of days the server shows the last with calls when it is not told which. */
function periodOf(by, timeZone) {
  const [interval, , days] = INTERVALS.find(([word]) => word === by) ?? INTERVALS[1];
  if (interval === 'day') return { interval };
  const from = isoDay(Date.now() - days * 86400e3, timeZone);
  return { interval, from, to: isoDay(Date.now(), timeZone) };
}

/** Calls that are alive and the last that have ended, as many of each as are shown. */
async function loadCalls(path, options) {
  const of = (state, limit) => get(withQuery(`${path}/calls`, { state, limit }), options);
  const [alive, ended] = await Promise.all([of('alive', ALIVE), of('ended', LATEST)]);
  return { alive, ended };
}

/** The same after one of them changed, or null where that cannot be said without asking. */
function withChange({ alive, ended }, patch) {
  const known = [...alive, ...ended].find(({ id }) => id === patch.id);
  if (!known && !patch.placed_at) return null;
  const call = { ...known, ...patch };
  const add = (calls, limit) =>
    [call, ...calls.filter(({ id }) => id !== call.id)].sort((a, b) => b.id - a.id).slice(0, limit);
  if (call.state !== 'ended') return { alive: add(alive, ALIVE), ended };
  return { alive: alive.filter(({ id }) => id !== call.id), ended: add(ended, LATEST) };
}

/** The calls of just now. They are patched as they change, and read again only where that does not do. */
function useCalls(id) {
  const [resource, reload] = useResource(`${id}`, (options) => loadCalls(`/voice-campaigns/${id}`, options));
  const reloadSoon = useSoon(reload);
  useLive({
    call: (patch) => {
      const { data } = resource.peek();
      if (patch.campaign_id !== id || !data) return;
      const changed = withChange(data, patch);
      if (changed) resource.value = { ...resource.peek(), data: changed };
      else if (data.alive.length >= ALIVE) reloadSoon();
    },
    resync: reload,
  });
  return [resource.value, reload];
}

/** The sums follow the calls at a distance, so that a busy campaign does not have them added up for every call. */
function useReloadOnCalls(id, reload) {
  const reloadSoon = useSoon(reload, RELOAD_MS);
  useLive({ call: ({ campaign_id: changedId }) => changedId === id && reloadSoon(), resync: reload });
}

function NoLeads({ campaign }) {
  if (campaign.campaign_type === 'inbound') {
    const calls = html`<a class="btn primary" href=${`#/campaigns/${campaign.id}/calls?kind=inbound`}
      >Incoming calls</a
    >`;
    return html`<div class="card">
      <${Empty} icon="phone" title="This campaign takes calls" actions=${calls}>
        ${
          campaign.inbound_number
            ? `Whoever calls ${campaign.inbound_number} while it is active hears the script. `
            : 'It has no number yet, so nobody can call it. '
        }
        These calls are in no result.
      <//>
    </div>`;
  }
  const action = html`<a class="btn primary" href=${`#/campaigns/${campaign.id}/leads`}
    ><${Icon} n="upload" />Import a file</a
  >`;
  return html`<div class="card">
    <${Empty} icon="users" title="This campaign has no leads yet" actions=${canWrite.value && action}>
      Add the people to call. Results and charts appear here after the first calls.
    <//>
  </div>`;
}

function Hero({ campaign, forecast: { data: forecast, error, reload } }) {
  const { stats } = campaign;
  const done = finishedLeads(stats.leads);
  const groups = grouped(stats.outcomes);
  return html`<div class="card c12 hero">
    <div class="hero-n">
      <div class="v num">${num(done)}<small> of ${num(stats.total_leads)} leads finished</small></div>
      <div class="muted"><${Outlook} campaign=${campaign} forecast=${forecast} /></div>
    </div>
    <${Progress} done=${done} total=${stats.total_leads} outcomes=${groups} />
    <${Legend} outcomes=${groups} title="Calls" />
    ${
      campaign.status !== 'completed' &&
      html`<${Forecast} campaign=${campaign} forecast=${forecast} error=${error} reload=${reload} />`
    }
  </div>`;
}

function Numbers({ campaign }) {
  const { stats } = campaign;
  const groups = grouped(stats.outcomes);
  const spoke = answered(groups);
  const goals = stats.successful_calls;
  const stat = (props) => html`<div class="c3 half" key=${props.label}><${Stat} ...${props} /></div>`;
  return [
    stat({
      label: 'Answered',
      value: pct(answerRate(groups)),
      detail: `${plural(spoke, 'call')} with a person`,
    }),
    stat({
      label: 'Goal reached',
      value: pct(stats.completed_calls ? goals / stats.completed_calls : null),
      detail: `${num(goals)} of ${plural(stats.completed_calls, 'call')} picked up`,
    }),
    stat({
      label: 'Calls today',
      value: num(stats.calls_today),
      detail: `limit ${num(campaign.calls_per_day)} a day`,
    }),
    stat({
      label: 'Cost per goal',
      value: goals ? money(Math.round((stats.total_cost / goals) * 10000) / 10000) : '–',
      detail: `${money(stats.total_cost)} spent so far`,
    }),
  ];
}

const TITLES = {
  hour: 'Outcomes by hour',
  day: 'Outcomes per day',
  week: 'Outcomes per week',
  month: 'Outcomes per month',
};

const PerPeriod = memo(({ data, class: c }) => {
  const { interval, time_zone: zone } = data;
  const isHour = interval === 'hour';
  // Hours are instants; days come without a clock, and mean the zone of the campaign already.
  const columns = data.periods.map(({ start, outcomes }) => ({
    label: isHour ? time(start, zone) : dayMonth(start, 'UTC'),
    long: isHour ? time(start, zone) : `${interval === 'day' ? '' : 'From '}${day(start, 'UTC')}`,
    parts: grouped(outcomes),
  }));
  const table = {
    head: ['From', ...OUTCOMES.map(([, label]) => label)],
    rows: columns.map(({ long, parts }) => [long, ...OUTCOMES.map(([group]) => num(parts[group]))]),
  };
  const title = TITLES[interval];
  const choice = html`<div class="seg" role="group" aria-label="Time that the charts show">
    ${INTERVALS.map(
      ([word, label]) =>
        html`<button
          key=${word}
          aria-pressed=${String(word === interval)}
          onClick=${() => setQuery({ by: word === 'day' ? '' : word })}
        >
          ${label}
        </button>`,
    )}
  </div>`;
  return html`<${ChartCard}
    class=${c}
    title=${title}
    sub=${`${zoneName(zone)} time`}
    table=${table}
    foot=${html`<div class="row wrap chart-foot spread"><${Legend} />${choice}</div>`}
  >
    <${StackedBars} data=${columns} label=${title} />
  <//>`;
});

const WhenAnswered = memo(({ data }) => {
  const zone = zoneName(data.time_zone);
  const sub = `Share of calls that were picked up, ${zone} time`;
  if (!data.by_hour.length) {
    return html`<${Card} class="c7" title="When people answer" sub=${sub}><p class="muted">No calls yet.</p><//>`;
  }
  const hours = range(data.by_hour.map(({ hour }) => hour));
  const cellOf = (weekday, hour) => {
    const cell = data.by_hour.find((other) => other.weekday === weekday && other.hour === hour);
    return cell ? { calls: cell.calls, share: cell.answered / cell.calls } : null;
  };
  const rows = WEEK.map((weekday) => {
    const isFilled = data.by_hour.some((cell) => cell.weekday === weekday);
    return isFilled ? hours.map((hour) => cellOf(weekday, hour)) : null;
  });
  const table = {
    head: ['Day', ...hours.map((hour) => `${hour}:00`)],
    rows: rows.map((row, i) => row && [DAYS[i], ...row.map((cell) => (cell ? pct(cell.share) : '–'))]).filter(Boolean),
  };
  return html`<${ChartCard}
    class="c7"
    title="When people answer"
    sub=${sub}
    table=${table}
    foot=${html`<div class="row wrap chart-foot spread">
      <${HeatKey} rows=${rows} /><span class="small muted">${best(data.by_hour)}</span>
    </div>`}
  >
    <${Heatmap} hours=${hours} rows=${rows} label="Share of calls picked up, by weekday and hour" />
  <//>`;
});

const range = (numbers) => {
  const [first, last] = [Math.min(...numbers), Math.max(...numbers)];
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
};

/** The best hour among those with enough calls to say so. */
function best(cells) {
  const enough = cells.filter(({ calls, answered: count }) => calls >= 5 && count > 0);
  const [top] = enough.sort((a, b) => b.answered / b.calls - a.answered / a.calls);
  return top ? `Best: ${top.weekday.slice(0, 3)} ${top.hour}:00, ${pct(top.answered / top.calls)}` : '';
}

/** Where the money leads: to the end and the cost of the forecast, else of the pace so far, never above the budget. */
function moneyAhead({ projection }, forecast, campaign) {
  const { stats } = campaign;
  const { budget } = stats;
  if (!['calling', 'waiting'].includes(stats.standing.state)) return [];
  const capped = (at, spent) => [{ t: Date.parse(at), v: budget == null ? spent : Math.min(budget, spent) }];
  if (forecast?.cost && !isOutdated(forecast, campaign)) {
    const { finishes_at: end, cost } = forecast;
    return end?.middle ? capped(end.middle, Number(stats.total_cost) + Number(cost.middle)) : [];
  }
  if (!projection || !['failed', 'unavailable'].includes(forecast?.status)) return [];
  const { budget_runs_out_at: brokeAt, finishes_at: end, spent_at_finish: cost } = projection;
  return brokeAt && budget != null ? capped(brokeAt, budget) : capped(end, Number(cost));
}

const Chart = memo(Burn);

function Money({ data, campaign, forecast }) {
  const { time_zone: zone, stats } = campaign;
  const { points } = data.spend;
  const { budget, total_cost: spent } = stats;
  const sum = budget == null ? `${money(spent)} spent, no budget limit` : `${money(spent)} of ${money(budget)} used`;
  const sub = `${sum}, ${zoneName(zone)} time`;
  const dots = useMemo(() => {
    // Before the first call there is nothing to see.
    const first = points.findIndex((point) => Number(point.spent) > 0);
    if (first < 0) return [];
    const madeAt = Date.parse(campaign.created_at);
    return points.slice(Math.max(0, first - 1)).map((point) => ({
      t: Math.max(madeAt, Date.parse(point.at)),
      v: Number(point.spent),
      long: `${day(point.at, zone)}, ${time(point.at, zone)}`,
    }));
  }, [points, zone, campaign.created_at]);
  const isAhead = ['calling', 'waiting'].includes(stats.standing.state);
  const ahead = useMemo(
    () => moneyAhead(data.spend, forecast, campaign).filter(({ t }) => t > (dots.at(-1)?.t ?? 0)),
    [data, forecast, isAhead, budget, dots],
  );
  if (dots.length < 2) {
    return html`<${Card} class="c5" title="Budget" sub=${sub}><p class="muted">Nothing was spent yet.</p><//>`;
  }
  const table = { head: ['When', 'Spent'], rows: dots.map(({ long, v }) => [long, money(v)]) };
  return html`<${ChartCard} class="c5" title="Budget" sub=${sub} table=${table}>
    <${Chart}
      points=${dots}
      ahead=${ahead}
      budget=${budget}
      zone=${zone}
      label=${`Money spent over time, ${zoneName(zone)} time.`}
    />
  <//>`;
}

/** Who is on the phone, with a clock for each. */
const OnTheLine = memo(({ calls, count }) => {
  const line = (call) =>
    html`<article key=${call.id} class=${`live ${call.answered_at ? 'talking' : 'ringing'}`}>
      <div class="row">
        <span class="live-dot" aria-hidden="true"></span>
        <b class="strong truncate">${call.lead_name || call.phone}</b>
        <span class="grow"></span>
        <span class="small muted">${call.answered_at ? 'Talking' : 'Ringing'}</span>
        <${Clock} since=${call.answered_at ?? call.placed_at} />
      </div>
    </article>`;
  const link = html`<a class="btn ghost small" href="#/live">Open live view</a>`;
  return html`<${Card} class="c4" title="On the line now" actions=${link} flush>
    ${
      calls.length
        ? html`<div class="lines">${calls.map(line)}</div>
            ${count > calls.length && html`<p class="padded"><a href="#/live">and ${num(count - calls.length)} more</a></p>`}`
        : html`<p class="muted padded">Dialing the next lead…</p>`
    }
  <//>`;
});

const Latest = memo(({ id, zone, calls, error, retry }) => {
  const link = html`<a class="btn ghost small" href=${`#/campaigns/${id}/calls`}
    >All calls<${Icon} n="arrow-right" c="s"
  /></a>`;
  return html`<${Card} class="c12" title="Latest calls" flush actions=${link}>
    ${error && html`<${Problem} error=${error} retry=${retry} />`}
    ${
      calls &&
      (calls.length
        ? html`<${CallTable}
            items=${calls}
            campaign=${false}
            zone=${zone}
            onOpen=${(id) => openSheet({ call: String(id) })}
          />`
        : html`<p class="muted padded">No call has ended yet.</p>`)
    }
  <//>`;
});
