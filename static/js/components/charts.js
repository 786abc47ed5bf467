// Small SVG charts: themed by CSS variables, crisp on any screen, readable by keyboard and as a table.
import { html, cx, useRef, useEffect, useSignal } from '../lib/ui.js';
import { num, pct, money, dayMonth, OUTCOMES, outcomeLabel, DAYS } from '../lib/format.js';
import { Card, Icon } from './basic.js';
const nice = (m) => {
  if (m <= 0) return 1;
  const e = 10 ** Math.floor(Math.log10(m));
  return [1, 2, 2.5, 4, 5, 10].map((k) => k * e).find((v) => v >= m);
};
/** @returns {[any, import('@preact/signals').Signal<number>]} */
function useWidth() {
  const ref = useRef(null),
    w = useSignal(0);
  useEffect(() => {
    const ro = new ResizeObserver(([e]) => {
      w.value = Math.floor(e.contentRect.width);
    });
    ro.observe(ref.current);
    return () => ro.disconnect();
  }, []);
  return [ref, w];
}
/** A card that can show its chart as a table. table: {head: [], rows: [[]]} */
export function ChartCard({ title, sub, table, children, class: c, foot }) {
  const asTable = useSignal(false);
  return html`<${Card}
    title=${title}
    sub=${sub}
    class=${c}
    actions=${
      table &&
      html`<button
        class="btn ghost icon small"
        aria-pressed=${asTable.value}
        aria-label=${`Show ${title} as a table`}
        title="Show as table"
        onClick=${() => {
          asTable.value = !asTable.value;
        }}
      >
        <${Icon} n=${asTable.value ? 'activity' : 'table'} c="s" />
      </button>`
    }
  >
    ${
      asTable.value
        ? html`<div class="scroll-x" tabindex="0" role="region" aria-label=${title}>
            <table class="table">
              <thead>
                <tr>
                  ${table.head.map((h, i) => html`<th key=${i} class=${i && 'r'}>${h}</th>`)}
                </tr>
              </thead>
              <tbody>
                ${table.rows.map(
                  (r, i) =>
                    html`<tr key=${i}>
                      ${r.map((x, j) => html`<td key=${j} class=${j && 'r'}>${x}</td>`)}
                    </tr>`,
                )}
              </tbody>
            </table>
          </div>`
        : children
    }${foot}<//
  >`;
}
/** Columns stacked by outcome. data: [{label, long, parts}] */
export function StackedBars({ data, height = 210, label }) {
  const [ref, w] = useWidth(),
    at = useSignal(-1),
    live = at.value >= 0 && data[at.value];
  const L = 34,
    B = 24,
    T = 8,
    W = Math.max(0, w.value - L),
    H = height - B - T;
  const max = nice(Math.max(1, ...data.map((d) => OUTCOMES.reduce((a, [k]) => a + (d.parts[k] || 0), 0)))),
    step = W / data.length,
    bw = Math.min(34, step * 0.64),
    y = (v) => T + H - (v / max) * H;
  const every = Math.ceil(data.length / Math.max(1, Math.floor(W / 62)));
  const key = (e) => {
    const n = data.length;
    if (e.key === 'ArrowRight') at.value = Math.min(n - 1, at.value + 1);
    else if (e.key === 'ArrowLeft') at.value = Math.max(0, at.value < 0 ? n - 1 : at.value - 1);
    else if (e.key === 'Escape') at.value = -1;
    else return;
    e.preventDefault();
  };
  const say = (d) =>
    `${d.long}: ` +
    (OUTCOMES.filter(([k]) => d.parts[k])
      .map(([k, l]) => `${num(d.parts[k])} ${l.toLowerCase()}`)
      .join(', ') || 'no calls');
  return html`<div class="chart" ref=${ref} style=${`min-height:${height}px`}>
    ${
      w.value > 0 &&
      html`<svg
          height=${height}
          role="img"
          tabindex="0"
          aria-label=${`${label}. Use the left and right arrow keys to read each column.`}
          onKeyDown=${key}
          onPointerLeave=${() => {
            at.value = -1;
          }}
          onBlur=${() => {
            at.value = -1;
          }}
        >
          ${[0, 0.5, 1].map((f) => html`<g key=${f}><line class="gridline" x1=${L} x2=${w.value} y1=${y(max * f)} y2=${y(max * f)} /><text x=${L - 8} y=${y(max * f) + 4} text-anchor="end">${num(max * f)}</text></g>`)}
          ${data.map((d, i) => {
            let acc = 0;
            const x = L + step * i + (step - bw) / 2;
            const segs = OUTCOMES.filter(([k]) => d.parts[k]);
            return html`<g key=${i}
              >${at.value === i && html`<rect class="hover" x=${L + step * i} y=${T} width=${step} height=${H} rx="6" />`}
              ${segs.map(([k], j) => {
                const v = d.parts[k],
                  y1 = y(acc + v),
                  hgt = y(acc) - y1;
                acc += v;
                return html`<rect
                  key=${k}
                  class=${'k-' + k}
                  x=${x}
                  y=${y1}
                  width=${bw}
                  height=${Math.max(0, hgt - (j ? 1 : 0))}
                  rx=${j === segs.length - 1 ? 3 : 1}
                />`;
              })}
              ${(data.length - 1 - i) % every === 0 && html`<text x=${L + step * (i + 0.5)} y=${height - 5} text-anchor="middle">${d.label}</text>`}
              <rect
                class="hit"
                x=${L + step * i}
                y="0"
                width=${step}
                height=${height}
                onPointerEnter=${() => {
                  at.value = i;
                }}
            /></g>`;
          })}
        </svg>
        ${
          live &&
          html`<div
            class="tip"
            style=${`left:${Math.min(Math.max(0, L + step * (at.value + 0.5) - 80), w.value - 170)}px; transform: translateY(-${Math.min(30, 12)}px)`}
          >
            <b>${live.long}</b>${!OUTCOMES.some(([k]) => live.parts[k]) && html`<div class="muted">No calls</div>`}
            <dl>
              ${OUTCOMES.filter(([k]) => live.parts[k]).map(
                ([k, l]) =>
                  html`<dt key=${k}><i class=${'dot k-' + k}></i>${l}</dt>
                    <dd>${num(live.parts[k])}</dd>`,
              )}
            </dl>
          </div>`
        }`
    } <span class="vh" aria-live="polite">${live ? say(live) : ''}</span>
  </div>`;
}
/** Cumulative spend with a dashed projection and the budget line. points: [{t, v, long}], proj: [{t, v}] */
export function Burn({ points, proj, budget, from, to, height = 210, label, currency }) {
  const [ref, w] = useWidth(),
    at = useSignal(-1),
    L = 44,
    B = 24,
    T = 14,
    W = Math.max(0, w.value - L - 8),
    H = height - B - T;
  const max = nice(Math.max(budget * 1.08, ...points.map((p) => p.v), ...proj.map((p) => p.v))),
    x = (t) => L + ((t - from) / (to - from)) * W,
    y = (v) => T + H - (v / max) * H;
  const path = (ps) => ps.map((p, i) => `${i ? 'L' : 'M'}${x(p.t).toFixed(1)},${y(p.v).toFixed(1)}`).join(''),
    last = points.at(-1),
    p = at.value >= 0 ? points[at.value] : null;
  const move = (e) => {
    const px = e.clientX - ref.current.getBoundingClientRect().left;
    let b = 0;
    points.forEach((q, i) => {
      if (Math.abs(x(q.t) - px) < Math.abs(x(points[b].t) - px)) b = i;
    });
    at.value = b;
  };
  const key = (e) => {
    const n = points.length;
    if (e.key === 'ArrowRight') at.value = Math.min(n - 1, at.value + 1);
    else if (e.key === 'ArrowLeft') at.value = Math.max(0, at.value < 0 ? n - 1 : at.value - 1);
    else return;
    e.preventDefault();
  };
  const fmt = dayMonth,
    ticks = [from, from + (to - from) / 2, to];
  return html`<div class="chart" ref=${ref} style=${`min-height:${height}px`}>
    ${
      w.value > 0 &&
      html`<svg
          height=${height}
          role="img"
          tabindex="0"
          aria-label=${label}
          onKeyDown=${key}
          onPointerMove=${move}
          onPointerLeave=${() => {
            at.value = -1;
          }}
          onBlur=${() => {
            at.value = -1;
          }}
        >
          ${[0, 0.5, 1].map((f) => html`<g key=${f}><line class="gridline" x1=${L} x2=${w.value} y1=${y(max * f)} y2=${y(max * f)} /><text x=${L - 8} y=${y(max * f) + 4} text-anchor="end">${money(max * f, currency, 0)}</text></g>`)}
          ${ticks.map((t, i) => html`<text key=${i} x=${x(t)} y=${height - 5} text-anchor=${['start', 'middle', 'end'][i]}>${fmt(t)}</text>`)}
          <path class="area" d=${`${path(points)}L${x(last.t)},${y(0)}L${x(points[0].t)},${y(0)}Z`} />
          <path class="line" d=${path(points)} />
          ${proj.length && html`<path class="proj" d=${path([last, ...proj])} />`}
          <line class="limit" x1=${L} x2=${w.value} y1=${y(budget)} y2=${y(budget)} />
          <text class="limit-t" x=${L + 4} y=${y(budget) - 6}>Budget ${money(budget, currency, 0)}</text>
          <circle class="knob" r="4" cx=${x((p || last).t)} cy=${y((p || last).v)} />
        </svg>
        ${
          p &&
          html`<div
            class="tip"
            style=${`left:${Math.min(Math.max(0, x(p.t) - 75), w.value - 160)}px; top:${Math.max(0, y(p.v) - 74)}px`}
          >
            <b>${p.long}</b>
            <dl>
              <dt>Spent</dt>
              <dd>${money(p.v, currency)}</dd>
            </dl>
          </div>`
        }`
    } <span class="vh" aria-live="polite">${p ? `${p.long}: ${money(p.v, currency)} spent` : ''}</span>
  </div>`;
}
const span = (rows) => {
  const r = rows
    .flat()
    .filter((c) => c?.n)
    .map((c) => c.rate);
  return r.length ? [Math.floor(Math.min(...r) * 20) / 20, Math.ceil(Math.max(...r) * 20) / 20] : [0, 1];
};
/** Weekday by hour grid. A real table: every cell has text, colour is only the second channel. */
export function Heatmap({ hours, rows, label }) {
  // rows: [[{rate, n}]] by weekday
  const [lo, hi] = span(rows),
    level = (c) => (!c || !c.n ? 0 : Math.max(1, Math.min(5, 1 + Math.floor(((c.rate - lo) / (hi - lo || 1)) * 5))));
  return html`<table class="heat" aria-label=${label}>
    <thead>
      <tr>
        <th><span class="vh">Day</span></th>
        ${hours.map((h) => html`<th key=${h} scope="col">${h}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (r, i) =>
          r &&
          html`<tr key=${i}>
            <th scope="row">${DAYS[i]}</th>
            ${r.map((c, j) => html`<td key=${j} class=${'h' + level(c)} title=${c?.n ? `${DAYS[i]} ${hours[j]}:00 · ${pct(c.rate)} answered of ${num(c.n)} calls` : 'No calls'}><span class="vh">${c?.n ? pct(c.rate) : 'no calls'}</span></td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}
export const HeatKey = ({ rows }) => {
  const [lo, hi] = span(rows);
  return html`<div class="heat-key" aria-hidden="true">
    <span>${pct(lo)}</span>${[1, 2, 3, 4, 5].map((i) => html`<i key=${i} class=${'h' + i}></i>`)}<span
      >${pct(hi)} answered</span
    >
  </div>`;
};
export const Spark = ({ data, label, w = 96, h = 26 }) => {
  const m = Math.max(1, ...data),
    bw = w / data.length;
  return html`<svg class="spark" width=${w} height=${h} role="img" aria-label=${label}>
    ${data.map((v, i) => html`<rect key=${i} class=${!v && 'z'} x=${i * bw} width=${Math.max(1, bw - 1.5)} y=${h - Math.max(2, (v / m) * h)} height=${Math.max(2, (v / m) * h)} rx="1" />`)}
  </svg>`;
};
export { outcomeLabel, cx };
