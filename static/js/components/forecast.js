// Where a campaign leads, from rehearsals in the background: when it finishes and what that costs, and how certain that is.
import { cx, html, useEffect, useRef } from '../lib/ui.js';
import { get, useResource } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { ago, isoDay, money, num, plural, zoneName } from '../lib/format.js';
import { betweenInstants, dateWords, observed, range, rangeOfInstants, reasonWords } from '../lib/rehearsal.js';
import { Icon, Loading, Problem } from './basic.js';
import { useSoon } from './pager.js';

/** While it is being rehearsed it is asked for again: soon at first, then less often. */
const FIRST_MS = 1000;
const LONGEST_MS = 15_000;
/** While calls are made it is asked for again no more often than this; the server rehearses when enough has happened. */
const RELOAD_MS = 30_000;

/** The forecast of a campaign as it changes: `{data, error, reload}`. */
export function useForecast({ id, updated_at: version }) {
  const path = `/voice-campaigns/${id}/forecast`;
  const [resource, reload] = useResource(`${id} ${version}`, (options) => get(path, options), { keep: true });
  const { data, error } = resource.value;
  const wait = useRef(FIRST_MS);
  useEffect(() => {
    if (data?.status !== 'computing') {
      wait.current = FIRST_MS;
      return undefined;
    }
    const timer = setTimeout(() => !document.hidden && reload(), wait.current);
    wait.current = Math.min(LONGEST_MS, wait.current * 1.5);
    return () => clearTimeout(timer);
  }, [data]);
  const reloadSoon = useSoon(reload, RELOAD_MS);
  useLive({
    stats: ({ campaign_id: changedId }) => changedId === id && reloadSoon(),
    leads: ({ campaign_id: changedId }) => changedId === id && reloadSoon(),
    resync: reload,
  });
  return { data, error, reload };
}

const isChanged = ({ status, computed_at: at }, { updated_at: changedAt }) =>
  status === 'computing' && Date.parse(changedAt) > Date.parse(at);
/** Whether what was played is no fact any more: it was changed since, or nobody is called before something is put right. */
export const isOutdated = (forecast, campaign) =>
  !forecast.computed_at || isChanged(forecast, campaign) || campaign.stats?.standing.state === 'attention';
const isBroke = ({ stats }) => stats?.standing.code === 'budget';

/** When it finishes, in a few words; nothing while that is not known. */
function finishSentence({ finishes_at: end, finishes_percent: percent, runs }, zone) {
  if (!end) return '';
  if (!end.middle) {
    return percent
      ? `it does not come to its end in most rehearsals (it does in ${percent}%)`
      : `it comes to its end in none of ${num(runs)} rehearsals`;
  }
  if (end.high) return `it finishes ${betweenInstants(end.low, end.high, zone)}`;
  const day = isoDay(end.low, zone);
  return `it finishes from ${dateWords(day)} on, and in ${100 - percent}% of rehearsals never`;
}

/** The forecast as one line beside the progress. @param {{forecast: any, campaign: any}} props */
export function Outlook({ forecast, campaign }) {
  if (campaign.status === 'completed') return 'This campaign is over.';
  if (!forecast) return null;
  if (forecast.status === 'nothing_to_do') return 'Nobody is left to call.';
  const warning = (words) => html`<span class="warn-t"><${Icon} n="triangle-alert" c="s" />${words}</span>`;
  if (isBroke(campaign)) return warning('The budget is used up.');
  if (isOutdated(forecast, campaign)) return null;
  const sentence = finishSentence(forecast, campaign.time_zone);
  if (!sentence) return null;
  const { budget_runs_out_on: brokeOn } = forecast;
  if (brokeOn) return warning(`The budget runs out around ${dateWords(brokeOn)}, before its end.`);
  const words = campaign.status === 'active' ? sentence : `started now, ${sentence}`;
  return `${words[0].toUpperCase()}${words.slice(1)}.`;
}

/** The forecast in figures. @param {{forecast: any, error?: Error, reload: () => void, campaign: any}} props */
export function Forecast({ forecast, error, reload, campaign }) {
  if (error) return html`<${Problem} error=${error} retry=${reload} />`;
  if (!forecast) return html`<${Loading} rows=${1} h=${96} />`;
  const { status, computed_at: at } = forecast;
  if (status === 'nothing_to_do') return null;
  if (status === 'unavailable') {
    return html`<p class="muted">
      There is no forecast: there are more people than can be rehearsed in the background.
    </p>`;
  }
  if (status === 'failed') {
    return html`<p class="muted">
      There is no forecast: rehearsing it failed (${forecast.error}). It is tried again when the campaign changes.
    </p>`;
  }
  if (!at) return html`<p class="muted forecast-wait">The first forecast is being rehearsed; it comes in a moment.</p>`;
  if (isBroke(campaign)) return null;
  if (isOutdated(forecast, campaign)) {
    const words = isChanged(forecast, campaign)
      ? 'The campaign was changed. Its forecast is being rehearsed anew and comes in a moment.'
      : 'There is no forecast while nobody is called.';
    return html`<p class="muted forecast-wait">${words}</p>`;
  }
  return html`<${Figures} forecast=${forecast} campaign=${campaign} /><${Grounds} forecast=${forecast} />`;
}

function Figures({ forecast, campaign }) {
  const { time_zone: zone, stats, status } = campaign;
  const { finishes_at: end, cost, calls, people_reached: reached } = forecast;
  // What has been spent is what the rest of the page says, not what it was when the forecast was played.
  const spent = stats.total_cost;
  const figure = (label, value, more) =>
    html`<div key=${label}>
      <dt>${label}</dt>
      <dd>${value}</dd>
      ${more && html`<dd class="more">${more}</dd>`}
    </div>`;
  const middle = (of, words) => of.low !== of.high && `${words(of.middle)} in the middle`;
  const finish = end.high
    ? rangeOfInstants(end.low, end.high, zone)
    : end.low
      ? `From ${dateWords(isoDay(end.low, zone))}`
      : 'Some still to be called';
  const usual = end.middle && rangeOfInstants(end.middle, end.middle, zone);
  return html`<dl class=${cx('report wide', status === 'paused' && 'dim')}>
    ${figure(`Finishes (${zoneName(zone)})`, finish, plan(forecast) || (usual && usual !== finish && `${usual} in the middle`))}
    ${figure(spent ? 'Still to be spent' : 'Cost', range(cost, money), spent ? `${money(spent)} spent so far` : middle(cost, money))}
    ${figure('Calls to come', range(calls), middle(calls, num))}
    ${figure('People reached by them', range(reached), middle(reached, num))}
  </dl>`;
}

/** Beside the day that the team has planned. */
function plan({ expected_completion_date: date, days_late: late }) {
  if (!date) return '';
  const planned = `your plan (${dateWords(date)})`;
  if (late == null) return `Planned for ${dateWords(date)}`;
  if (!late) return `On the day of ${planned}`;
  return `${plural(Math.abs(late), 'day')} ${late > 0 ? 'after' : 'before'} ${planned}`;
}

function Grounds({ forecast }) {
  const { runs, status, computed_at: at, observations, unfinished, finishes_percent: percent } = forecast;
  return html`<p class="small muted">
    Eight of ten of ${num(runs)} rehearsals lie in these ranges, as of ${ago(at)}.
    ${status === 'computing' && ' It is being rehearsed anew.'} ${observed(observations)}.
    ${
      unfinished &&
      ` In ${100 - percent}% of them it does not come to its end: ${reasonWords(unfinished.reason, unfinished.message).replace(/^./, (c) => c.toLowerCase())}.`
    }
  </p>`;
}
