// 100,000 rows: fixed row height, pages fetched as they come into view, about 30 rows in the DOM.
import { html, useEffect, useRef, useSignal } from '../lib/ui.js';
export function VirtualList({ load, row, head, label, class: c, h = 44, page = 100 }) {
  const box = useRef(null),
    top = useSignal(0),
    total = useSignal(null),
    pages = useRef(new Map()),
    ver = useSignal(0),
    timer = useRef(0);
  const want = (p) => {
    if (pages.current.has(p)) return;
    pages.current.set(p, null);
    load(p * page, page)
      .then((d) => {
        pages.current.set(p, d.items);
        total.value = d.total;
        ver.value++;
      })
      .catch(() => pages.current.delete(p));
  };
  useEffect(() => {
    want(0);
  }, []);
  const view = 520,
    n = total.value ?? 0,
    first = Math.max(0, Math.floor(top.value / h) - 8),
    last = Math.min(n, Math.ceil((top.value + view) / h) + 8);
  ver.value;
  const scroll = (e) => {
    top.value = e.target.scrollTop;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      const a = Math.floor(top.value / h / page),
        b = Math.floor((top.value + view) / h / page);
      for (let p = a; p <= b; p++) want(p);
    }, 60);
  };
  const rows = [];
  for (let i = first; i < last; i++) {
    const item = pages.current.get(Math.floor(i / page))?.[i % page];
    rows.push(
      html`<div key=${i} class="vt-row" role="row" aria-rowindex=${i + 2} style=${`top:${i * h}px`}>
        ${item ? row(item) : html`<span class="skel" role="cell" style="grid-column:1/-1; height:14px; min-height:0"></span>`}
      </div>`,
    );
  }
  return html`<div class=${c} role="table" aria-label=${label} aria-rowcount=${n + 1}>
    <div role="rowgroup">
      <div class="vt-head" role="row" aria-rowindex="1">
        ${head.map(([x, k]) => html`<span key=${x} class=${k} role="columnheader">${x}</span>`)}
      </div>
    </div>
    <div class="vt" role="rowgroup" tabindex="0" aria-label=${`${label}, scrollable`} ref=${box} onScroll=${scroll}>
      <div role="presentation" style=${`height:${n * h}px`}></div>
      ${rows}
    </div>
  </div>`;
}
