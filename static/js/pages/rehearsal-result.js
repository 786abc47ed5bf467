// What came of a rehearsal: when it finishes, its calls as charts, what held it up, who is never called, what was assumed.
import { html } from '../lib/ui.js';
import { canWrite } from '../lib/api.js';
import { dayMonth, dur, grouped, money, num, OUTCOMES, pct, plural, sentence, zoneName } from '../lib/format.js';
import { Card, Legend, Note, Progress } from '../components/basic.js';
import { ChartCard, StackedBars } from '../components/charts.js';
import { WarningText } from './campaign-script.js';
import {
  at,
  dateWords,
  finishWords,
  leftOver,
  LIMITS,
  limitsOf,
  observed,
  people,
  reasonStep,
  reasonWords,
} from '../lib/rehearsal.js';

/** Calls as a rehearsal counts them. */
const KINDS = [
  ['success', 'Picked up'],
  ['no_answer', 'Not picked up'],
];
/** More columns than this nobody reads; then weeks, and then months, are drawn as one. */
const COLUMNS_MAX = 62;
const LEFT_OUT_OF_ALARM = ['hours', 'last_calls'];

const link = (campaign, step, words) =>
  canWrite.value &&
  step &&
  html`<a class="btn small" href=${`#/campaigns/${campaign.id}/edit?step=${step}`}>${words}</a>`;

/** All of it. @param {{result: any, campaign: any}} props */
export function Result({ result, campaign }) {
  return html`<${Notes} result=${result} campaign=${campaign} />
    <${Figures} result=${result} zone=${campaign.time_zone} />
    ${
      result.calls > 0 &&
      html`<${PerDay} result=${result} /> <${PerHour} result=${result} zone=${campaign.time_zone} /><${Outcomes}
          outcomes=${result.outcomes}
        />`
    }
    <div class="cols two">
      <${HeldUp} result=${result} /><${NeverCalled} never=${result.never_called} campaign=${campaign} />
    </div>
    <${Assumed} result=${result} />`;
}

/** What somebody must know of it first. */
function Notes({ result, campaign }) {
  const { unfinished, budget_runs_out_on: brokeOn, warnings } = result;
  const isBroke = unfinished?.reason === 'budget' && brokeOn;
  const why = isBroke
    ? `The budget is used up on ${dateWords(brokeOn)}`
    : unfinished && reasonWords(unfinished.reason, unfinished.message);
  if (!unfinished && !brokeOn && !warnings.length) return null;
  return html`<div class="stack-s">
    ${
      unfinished &&
      html`<${Note}
        kind="warn"
        icon="triangle-alert"
        action=${link(campaign, reasonStep(unfinished.reason), isBroke ? 'Raise the budget' : 'Put it right')}
      >
        <strong>${leftOver(unfinished.leads)} at the end.</strong> ${why}.
      <//>`
    }
    ${
      brokeOn &&
      !isBroke &&
      html`<${Note} kind="warn" icon="wallet" action=${link(campaign, 'schedule', 'Raise the budget')}>
        <strong>The budget runs out on ${dateWords(brokeOn)}.</strong> Calls stop then.
      <//>`
    }
    ${warnings.map(
      (warning) =>
        html`<${Note}
          key=${warning.code + warning.field}
          kind="warn"
          icon="triangle-alert"
          action=${link(campaign, warning.field && 'script', 'Edit script')}
          >${warning.field ? html`<${WarningText} ...${warning} />` : sentence(warning.message)}<//
        >`,
    )}
  </div>`;
}

function Figures({ result, zone }) {
  const figure = (label, value, more) =>
    html`<div key=${label}>
      <dt>${label}</dt>
      <dd>${value}</dd>
      ${more && html`<dd class="more">${more}</dd>`}
    </div>`;
  const { calls, people_reached: reached, cost, last_call_at: last, finishes_at: end } = result;
  const lastCall = last && (!end || at(last, zone) !== at(end, zone)) && `Last call ${at(last, zone)}`;
  return html`<dl class="report wide">
    ${figure('Finishes', finishWords(result, zone), lastCall)}
    ${figure('Calls', num(calls), `on ${plural(result.per_day.length, 'day')}`)}
    ${figure('People reached', num(reached), calls > 0 && `${num(Math.round((reached / calls) * 100))} of 100 calls`)}
    ${figure('Cost', money(cost), calls > 0 && `${money(Math.round((cost / calls) * 1e4) / 1e4)} per call`)}
  </dl>`;
}

const partsOf = ({ calls, answered }) => ({ success: answered, no_answer: calls - answered });

/** Days, or the weeks or months they are of, as few as can be drawn. */
function condensed(days) {
  const monday = (date) => {
    const at = new Date(date);
    at.setUTCDate(at.getUTCDate() - ((at.getUTCDay() + 6) % 7));
    return at.toISOString().slice(0, 10);
  };
  const ways = [(date) => date, monday, (date) => date.slice(0, 8) + '01'];
  for (const [i, startOf] of ways.entries()) {
    const sums = new Map();
    for (const { date, calls, answered } of days) {
      const sum = sums.get(startOf(date)) ?? { calls: 0, answered: 0 };
      sums.set(startOf(date), { calls: sum.calls + calls, answered: sum.answered + answered });
    }
    if (sums.size <= COLUMNS_MAX || i === ways.length - 1) return [['day', 'week', 'month'][i], [...sums]];
  }
}

const KindLegend = () =>
  html`<ul class="legend">
    ${KINDS.map(([kind, label]) => html`<li key=${kind}><i class=${'dot k-' + kind}></i>${label}</li>`)}
  </ul>`;

const tableOf = (head, columns) => ({
  head: [head, ...KINDS.map(([, label]) => label)],
  rows: columns.map(({ long, parts }) => [long, ...KINDS.map(([kind]) => num(parts[kind]))]),
});

/** The most calls of a column, for charts that share a scale. */
export const mostOf = ({ per_day: days }) => Math.max(0, ...condensed(days)[1].map(([, { calls }]) => calls));

/** Calls per day. @param {{result: any, title?: string, most?: number}} props */
export function PerDay({ result, title, most }) {
  const [step, sums] = condensed(result.per_day);
  const columns = sums.map(([start, sum]) => ({
    label: dayMonth(start, 'UTC'),
    long: `${step === 'day' ? '' : 'From '}${dateWords(start)}`,
    parts: partsOf(sum),
  }));
  const words = title ?? `Calls per ${step}`;
  return html`<${ChartCard}
    title=${words}
    sub=${title && `Calls per ${step}`}
    table=${tableOf('From', columns)}
    foot=${html`<div class="chart-foot"><${KindLegend} /></div>`}
  >
    <${StackedBars} data=${columns} label=${words} kinds=${KINDS} most=${most} />
  <//>`;
}

function PerHour({ result, zone }) {
  const used = result.per_hour.filter(({ calls }) => calls > 0).map(({ hour }) => hour);
  const [first, last] = [Math.min(...used), Math.max(...used)];
  const columns = result.per_hour.slice(first, last + 1).map(({ hour, ...counts }) => ({
    label: `${hour}:00`,
    long: `${hour}:00–${hour + 1}:00`,
    parts: partsOf(counts),
  }));
  const title = 'Calls by hour of the day';
  return html`<${ChartCard}
    title=${title}
    sub=${`${zoneName(zone)} time`}
    table=${tableOf('Hour', columns)}
    foot=${html`<div class="chart-foot"><${KindLegend} /></div>`}
  >
    <${StackedBars} data=${columns} label=${title} kinds=${KINDS} />
  <//>`;
}

function Outcomes({ outcomes }) {
  const groups = grouped(outcomes);
  const all = OUTCOMES.reduce((sum, [group]) => sum + groups[group], 0);
  return html`<${Card} title="How the calls end">
    <div class="stack-s hero-like">
      <${Progress} done=${all} total=${all} outcomes=${groups} label="Calls by outcome" /><${Legend}
        outcomes=${groups}
      />
    </div>
  <//>`;
}

/** What stood in the way, and for how long. */
function HeldUp({ result }) {
  const limits = limitsOf(result);
  return html`<${Card} title="What holds it up" sub="Share of the time until the last call">
    ${
      limits.length
        ? html`<ul class="shares">
            ${limits.map(
              ([limit, share]) =>
                html`<li key=${limit}>
                  <span class="grow">${LIMITS[limit] ?? limit}</span
                  ><b class="num">${share < 0.01 ? 'under 1%' : pct(share)}</b>
                  <div class="bar s" aria-hidden="true">
                    <i
                      class=${LEFT_OUT_OF_ALARM.includes(limit) ? 'fill calm' : 'fill'}
                      style=${`flex: 0 0 ${share * 100}%`}
                    ></i>
                  </div>
                </li>`,
            )}
          </ul>`
        : html`<p class="muted">Nothing.</p>`
    }
  <//>`;
}

function NeverCalled({ never, campaign }) {
  const { count, reasons, examples } = never;
  const line = ([reason, leads]) => {
    const step = reasonStep(reason);
    return html`<li key=${reason}>
      <span class="grow"
        >${reasonWords(reason)}${
          canWrite.value &&
          step &&
          html` <a class="nowrap" href=${`#/campaigns/${campaign.id}/edit?step=${step}`}
            >Put it right<span class="vh">: ${reasonWords(reason)}</span></a
          >`
        }</span
      ><b class="num">${num(leads)}</b>
    </li>`;
  };
  return html`<${Card} title="Never called" sub=${count > 0 && people(count)}>
    ${
      count > 0
        ? html`<ul class="shares">
              ${Object.entries(reasons).map(line)}
            </ul>
            ${
              examples.length > 0 &&
              html`<p class="small muted examples">
                Such
                as${examples.slice(0, 8).map((id, i) => html`${i ? ', ' : ' '}<${Lead} key=${id} id=${id} campaign=${campaign} />`)}
              </p>`
            }`
        : html`<p class="muted">Everybody is called at least once.</p>`
    }
  <//>`;
}

const Lead = ({ id, campaign }) =>
  html`<a class="nowrap" href=${`#/campaigns/${campaign.id}/leads?lead=${id}`}>lead ${id}</a>`;

function Assumed({ result }) {
  const { answer_rates: rates, talk_seconds: talk, observations, trunk, leads, seed } = result.assumed;
  const used = result.per_hour.filter(({ calls }) => calls > 0).map(({ hour }) => hour);
  const hours = used.map((hour) => `${hour}:00 ${pct(rates[hour])}`);
  const isEven = new Set(rates.map((rate) => pct(rate))).size === 1;
  const row = (label, words) =>
    html`<dt key=${label}>${label}</dt>
      <dd class="num">${words}</dd>`;
  const pace = trunk.calls_per_second == null ? '' : `, ${plural(trunk.calls_per_second, 'new call')} a second`;
  return html`<details class="bordered">
    <summary>What was assumed</summary>
    <div class="padded stack-s">
      <dl class="kv">
        ${row('Picked up', isEven || !hours.length ? `${pct(rates[0])} of calls` : hours.join(' · '))}
        ${row('Learned', `${observed(observations)}.`)} ${row('Calls that are picked up last', dur(talk))}
        ${row('Carrier', `${plural(trunk.lines, 'line')}${pace}`)} ${row('People', num(leads))}
        ${row('Seed', `${seed}: the same seed on the same data gives the same calls`)}
      </dl>
    </div>
  </details>`;
}
