// Small SVG charts: coloured by CSS, sharp on every screen, readable with the arrow keys and as a table.
import { html, useEffect, useRef, useSignal } from '../lib/ui.js';
import { dayMonth, DAYS, money, num, OUTCOMES, pct, time } from '../lib/format.js';
import { Card, Icon } from './basic.js';

const HEIGHT = 210;
/** Room for the words below a chart, and above it. */
const BELOW = 24;
const ABOVE = 12;

/** The next round number, for the top of a scale. */
function roundUp(max) {
  if (max <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(max));
  return [1, 2, 2.5, 4, 5, 10].map((step) => step * power).find((step) => step >= max) ?? max;
}

/** The same for counts, which have no halves. */
const roundUpCount = (max) => 2 * roundUp(Math.max(1, Math.ceil(max / 2)));

/** How wide an element is, as it changes. @returns {[any, import('@preact/signals').Signal<number>]} */
function useWidth() {
  const ref = useRef(null);
  const width = useSignal(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      width.value = Math.floor(entry.contentRect.width);
    });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

/** Which of `count` things is read, moved by the arrow keys; -1 for none. */
function useReader(count) {
  const at = useSignal(-1);
  const leave = () => {
    at.value = -1;
  };
  const onKeyDown = (event) => {
    const to = {
      ArrowRight: Math.min(count - 1, at.value + 1),
      ArrowLeft: Math.max(0, at.value < 0 ? count - 1 : at.value - 1),
      Home: 0,
      End: count - 1,
      Escape: -1,
    }[event.key];
    if (to === undefined || (event.key === 'Escape' && at.value < 0)) return;
    at.value = to;
    event.preventDefault();
  };
  return { at, svg: { tabindex: '0', role: 'img', onKeyDown, onPointerLeave: leave, onBlur: leave } };
}

/** Three lines across, each with its number. */
const Grid = ({ left, width, max, y, word }) =>
  [0, 0.5, 1].map(
    (part) =>
      html`<g key=${part}>
        <line class="gridline" x1=${left} x2=${width} y1=${y(max * part)} y2=${y(max * part)} />
        <text x=${left - 8} y=${y(max * part) + 4} text-anchor="end">${word(max * part)}</text>
      </g>`,
  );

/**
 * A card whose chart can be shown as a table.
 * @param {{title: string, sub?: any, table?: {head: any[], rows: any[][]}, children: any, class?: string, foot?: any}} props
 */
export function ChartCard({ title, sub, table, children, class: c, foot }) {
  const isTable = useSignal(false);
  const toggle = html`<button
    class="btn ghost icon small"
    aria-pressed=${String(isTable.value)}
    aria-label=${`Show ${title} as a table`}
    title="Show as table"
    onClick=${() => (isTable.value = !isTable.value)}
  >
    <${Icon} n=${isTable.value ? 'activity' : 'table'} c="s" />
  </button>`;
  return html`<${Card} title=${title} sub=${sub} class=${c} actions=${table && toggle}>
    ${isTable.value ? html`<${Table} title=${title} ...${table} />` : children}${foot}
  <//>`;
}

const Table = ({ title, head, rows }) =>
  html`<div class="scroll-x" tabindex="0" role="region" aria-label=${title}>
    <table class="table">
      <thead>
        <tr>
          ${head.map((words, i) => html`<th key=${i} class=${i > 0 && 'r'}>${words}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (cells, i) =>
            html`<tr key=${i}>
              ${cells.map((words, j) => html`<td key=${j} class=${j > 0 && 'r'}>${words}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;

const sum = (parts, kinds) => kinds.reduce((total, [kind]) => total + (parts[kind] || 0), 0);
const filledParts = (parts, kinds) => kinds.filter(([kind]) => parts[kind]);

/**
 * Columns stacked by outcome, or by other `kinds` of calls. With `most`, charts side by side have one scale.
 * @param {{data: Array<{label: string, long: string, parts: Record<string, number>}>, label: string, kinds?: Array<[string, string]>, most?: number}} props
 */
export function StackedBars({ data, label, kinds = OUTCOMES, most = 0 }) {
  const [ref, width] = useWidth();
  const { at, svg } = useReader(data.length);
  const read = data[at.value];
  const left = 38;
  const room = Math.max(0, width.value - left);
  const tall = HEIGHT - BELOW - ABOVE;
  const max = roundUpCount(Math.max(most, ...data.map(({ parts }) => sum(parts, kinds))));
  const step = room / data.length;
  const y = (value) => ABOVE + tall - (value / max) * tall;
  // So many columns share one label that the labels do not touch.
  const every = Math.ceil(data.length / Math.max(1, Math.floor(room / 62)));
  const column = (day, i) =>
    html`<${Column}
      key=${i}
      parts=${day.parts}
      kinds=${kinds}
      x=${left + step * i}
      step=${step}
      y=${y}
      label=${(data.length - 1 - i) % every === 0 ? day.label : ''}
      isRead=${at.value === i}
      onRead=${() => (at.value = i)}
    />`;
  const tipLeft = Math.min(Math.max(0, left + step * (at.value + 0.5) - 80), width.value - 170);
  return html`<div class="chart" ref=${ref} style=${`min-height:${HEIGHT}px`}>
    ${
      width.value > 0 &&
      html`<svg
          height=${HEIGHT}
          aria-label=${`${label}. Use the left and right arrow keys to read each column.`}
          ...${svg}
        >
          <${Grid} left=${left} width=${width.value} max=${max} y=${y} word=${num} />
          ${data.map(column)}
        </svg>
        ${read && html`<${PartsTip} day=${read} kinds=${kinds} style=${`left:${tipLeft}px`} />`}`
    }
    <span class="vh" aria-live="polite">${read ? inWords(read, kinds) : ''}</span>
  </div>`;
}

function Column({ parts, kinds, x, step, y, label, isRead, onRead }) {
  const width = Math.min(34, step * 0.64);
  const bars = filledParts(parts, kinds);
  let below = 0;
  const bar = ([group], i) => {
    const top = y(below + parts[group]);
    const height = y(below) - top - (i ? 1 : 0);
    below += parts[group];
    return html`<rect
      key=${group}
      class=${'k-' + group}
      x=${x + (step - width) / 2}
      y=${top}
      width=${width}
      height=${Math.max(0, height)}
      rx=${i === bars.length - 1 ? 3 : 1}
    />`;
  };
  return html`<g>
    ${isRead && html`<rect class="hover" x=${x} y=${ABOVE} width=${step} height=${HEIGHT - BELOW - ABOVE} rx="6" />`}
    ${bars.map(bar)} ${label && html`<text x=${x + step / 2} y=${HEIGHT - 5} text-anchor="middle">${label}</text>`}
    <rect class="hit" x=${x} y="0" width=${step} height=${HEIGHT} onPointerEnter=${onRead} />
  </g>`;
}

const PartsTip = ({ day, kinds, style }) =>
  html`<div class="tip" style=${style}>
    <b>${day.long}</b>
    ${!sum(day.parts, kinds) && html`<div class="muted">No calls</div>`}
    <dl>
      ${filledParts(day.parts, kinds).map(
        ([group, label]) =>
          html`<dt key=${group}><i class=${'dot k-' + group}></i>${label}</dt>
            <dd>${num(day.parts[group])}</dd>`,
      )}
    </dl>
  </div>`;

const inWords = ({ long, parts }, kinds) => {
  const words = filledParts(parts, kinds).map(([group, label]) => `${num(parts[group])} ${label.toLowerCase()}`);
  return `${long}: ${words.join(', ') || 'no calls'}`;
};

/**
 * Money spent up to now, where it leads, and the budget as a line.
 * @param {{points: Array<{t: number, v: number, long: string}>, ahead: Array<{t: number, v: number}>, budget: number|null, zone: string, label: string}} props
 */
export function Burn({ points, ahead, budget, zone, label }) {
  const [ref, width] = useWidth();
  const { at, svg } = useReader(points.length);
  const read = points[at.value];
  const last = points.at(-1);
  const left = 48;
  const tall = HEIGHT - BELOW - ABOVE;
  const from = points[0].t;
  const to = Math.max(from + 1, (ahead.at(-1) ?? last).t);
  const max = roundUp(Math.max((budget ?? 0) * 1.08, ...points.map(({ v }) => v), ...ahead.map(({ v }) => v)));
  const x = (t) => left + ((t - from) / (to - from)) * Math.max(0, width.value - left - 8);
  const y = (v) => ABOVE + tall - (v / max) * tall;
  const line = (dots) => dots.map(({ t, v }, i) => `${i ? 'L' : 'M'}${x(t).toFixed(1)},${y(v).toFixed(1)}`).join('');
  const knob = read ?? last;
  const onPointerMove = (event) => {
    const px = event.clientX - ref.current.getBoundingClientRect().left;
    const away = points.map(({ t }) => Math.abs(x(t) - px));
    at.value = away.indexOf(Math.min(...away));
  };
  // Within two days the hours tell more.
  const word = to - from < 2 * 86400e3 ? (t) => `${dayMonth(t, zone)}, ${time(t, zone)}` : (t) => dayMonth(t, zone);
  const ticks = [from, from + (to - from) / 2, to].map(
    (t, i) =>
      html`<text key=${i} x=${x(t)} y=${HEIGHT - 5} text-anchor=${['start', 'middle', 'end'][i]}>${word(t)}</text>`,
  );
  return html`<div class="chart" ref=${ref} style=${`min-height:${HEIGHT}px`}>
    ${
      width.value > 0 &&
      html`<svg height=${HEIGHT} aria-label=${label} ...${svg} onPointerMove=${onPointerMove}>
          <${Grid} left=${left} width=${width.value} max=${max} y=${y} word=${money} />
          ${ticks}
          <path class="area" d=${`${line(points)}L${x(last.t)},${y(0)}L${x(from)},${y(0)}Z`} />
          <path class="line" d=${line(points)} />
          ${ahead.length > 0 && html`<path class="proj" d=${line([last, ...ahead])} />`}
          ${
            budget != null &&
            html`<line class="limit" x1=${left} x2=${width.value} y1=${y(budget)} y2=${y(budget)} />
              <text class="limit-t" x=${left + 4} y=${y(budget) - 6}>Budget ${money(budget)}</text>`
          }
          <circle class="knob" r="4" cx=${x(knob.t)} cy=${y(knob.v)} />
        </svg>
        ${
          read &&
          html`<div
            class="tip"
            style=${`left:${Math.min(Math.max(0, x(read.t) - 75), width.value - 160)}px; top:${Math.max(0, y(read.v) - 74)}px`}
          >
            <b>${read.long}</b>
            <dl>
              <dt>Spent</dt>
              <dd>${money(read.v)}</dd>
            </dl>
          </div>`
        }`
    }
    <span class="vh" aria-live="polite">${read ? `${read.long}: ${money(read.v)} spent` : ''}</span>
  </div>`;
}

/** The least and the greatest share of a grid, on twentieths. */
function scaleOf(rows) {
  const shares = rows
    .flat()
    .filter((cell) => cell?.calls)
    .map(({ share }) => share);
  if (!shares.length) return [0, 1];
  return [Math.floor(Math.min(...shares) * 20) / 20, Math.ceil(Math.max(...shares) * 20) / 20];
}

/**
 * Weekday by hour. A real table: every cell has its words, the colour only comes on top.
 * @param {{hours: number[], rows: Array<Array<{share: number, calls: number}|null>|null>, label: string}} props
 * one row for each day from Monday on, null for days to leave out
 */
export function Heatmap({ hours, rows, label }) {
  const [low, high] = scaleOf(rows.filter(Boolean));
  const level = (cell) => Math.max(1, Math.min(5, 1 + Math.floor(((cell.share - low) / (high - low || 1)) * 5)));
  const cell = (value, day, hour) => {
    if (!value?.calls) return html`<td key=${hour} class="h0" title="No calls"><span class="vh">no calls</span></td>`;
    const words = `${DAYS[day]} ${hour}:00 · ${pct(value.share)} answered of ${num(value.calls)} calls`;
    return html`<td key=${hour} class=${'h' + level(value)} title=${words}>
      <span class="vh">${pct(value.share)}</span>
    </td>`;
  };
  // Where the hours are many, every third one is written.
  const head = (hour) => (hours.length <= 12 || hour % 3 === 0 ? hour : html`<span class="vh">${hour}</span>`);
  return html`<div class="heat-frame" style=${`max-width:${40 + hours.length * 72}px`}>
    <table class="heat" aria-label=${label}>
      <thead>
        <tr>
          <th><span class="vh">Day</span></th>
          ${hours.map((hour) => html`<th key=${hour} scope="col">${head(hour)}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row, day) =>
            row &&
            html`<tr key=${day}>
              <th scope="row">${DAYS[day]}</th>
              ${row.map((value, i) => cell(value, day, hours[i]))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

export function HeatKey({ rows }) {
  const [low, high] = scaleOf(rows.filter(Boolean));
  return html`<div class="heat-key" aria-hidden="true">
    <span>${pct(low)}</span>${[1, 2, 3, 4, 5].map((level) => html`<i key=${level} class=${'h' + level}></i>`)}<span
      >${pct(high)} answered</span
    >
  </div>`;
}

/** A row of tiny columns. @param {{data: number[], label: string, w?: number, h?: number}} props */
export function Spark({ data, label, w = 96, h = 26 }) {
  const max = Math.max(1, ...data);
  const step = w / data.length;
  const bar = (value, i) => {
    const tall = Math.max(2, (value / max) * h);
    return html`<rect
      key=${i}
      class=${!value && 'z'}
      x=${i * step}
      width=${Math.max(1, step - 1.2)}
      y=${h - tall}
      height=${tall}
      rx="1"
    />`;
  };
  return html`<svg class="spark" width=${w} height=${h} role="img" aria-label=${label}>${data.map(bar)}</svg>`;
}
