import { html, cx, useRef, useEffect, useId } from '../lib/ui.js';
import { num, pct, OUTCOMES, outcomeLabel, STATUS, ANSWERED } from '../lib/format.js';
export const Icon = ({ n, c }) =>
  html`<svg class=${cx('ico', c)} aria-hidden="true"><use href=${'icons.svg#' + n} /></svg>`;
export const Card = ({ title, sub, actions, children, class: c, flush, id }) => {
  const i = useId();
  return html`<section class=${cx('card', c)} aria-labelledby=${title ? i : undefined} id=${id}>
    ${
      title &&
      html`<header>
        <div class="grow">
          <h2 id=${i}>${title}</h2>
          ${sub && html`<p>${sub}</p>`}
        </div>
        ${actions}
      </header>`
    }
    <div class=${cx('card-body', flush && 'flush')}>${children}</div>
  </section>`;
};
export const Stat = ({ label, value, unit, detail, icon, class: c, children }) =>
  html`<div class=${cx('card stat', c)}>
    <dl>
      <dt>${icon && html`<${Icon} n=${icon} c="s" />`}${label}</dt>
      <dd class="v">${value}${unit && html` <small>${unit}</small>`}</dd>
      ${detail && html`<dd class="d">${detail}</dd>`}${children}
    </dl>
  </div>`;
export const Status = ({ s }) =>
  html`<span class=${cx('pill', s, s === 'calling' && 'pulse')}>${STATUS[s] || s}</span>`;
export const Outcome = ({ o }) =>
  html`<span class="outcome"><i class=${'dot k-' + o}></i>${outcomeLabel[o] || 'In progress'}</span>`;
export const outcomeTotal = (o) => OUTCOMES.reduce((a, [k]) => a + (o[k] || 0), 0);
export const answerRate = (o) => {
  const t = outcomeTotal(o) - (o.failed || 0);
  return t ? ANSWERED.reduce((a, k) => a + (o[k] || 0), 0) / t : null;
};
export function Progress({ done, total, outcomes, label, small }) {
  const p = total ? done / total : 0,
    sum = outcomes ? outcomeTotal(outcomes) || 1 : 1;
  const text =
    `${num(done)} of ${num(total)} leads finished` +
    (outcomes
      ? ': ' +
        OUTCOMES.filter(([k]) => outcomes[k])
          .map(([k, l]) => `${num(outcomes[k])} ${l.toLowerCase()}`)
          .join(', ')
      : '');
  return html`<div
    class=${cx('bar', small && 's')}
    role="progressbar"
    aria-label=${label || 'Progress'}
    aria-valuemin="0"
    aria-valuemax="100"
    aria-valuenow=${Math.round(p * 100)}
    aria-valuetext=${text}
  >
    ${outcomes ? OUTCOMES.map(([k]) => (outcomes[k] ? html`<i class=${'k-' + k} style=${`flex: 0 0 ${(p * 100 * outcomes[k]) / sum}%`}></i>` : null)) : html`<i class="fill" style=${`flex: 0 0 ${p * 100}%`}></i>`}
  </div>`;
}
export const Meter = ({ value, max, label, calm }) => {
  const p = max ? value / max : 0;
  return html`<div
    class="bar s"
    role="meter"
    aria-label=${label}
    aria-valuemin="0"
    aria-valuemax=${max}
    aria-valuenow=${Math.round(value * 100) / 100}
    aria-valuetext=${pct(p)}
  >
    <i
      class=${cx('fill', !calm && (p >= 1 ? 'over' : p > 0.85 && 'warn'))}
      style=${`flex: 0 0 ${Math.min(100, p * 100)}%`}
    ></i>
  </div>`;
};
export const Legend = ({ outcomes, keys }) =>
  html`<ul class="legend">
    ${OUTCOMES.filter(([k]) => !keys || keys.includes(k)).map(([k, l]) => html`<li key=${k}><i class=${'dot k-' + k}></i>${l}${outcomes && html` <b>${num(outcomes[k] || 0)}</b>`}</li>`)}
  </ul>`;
/** Field: wires label, hint and error to the control by id. children: (props) => control */
export function Field({ label, hint, error, children, class: c, optional }) {
  const id = useId(),
    d = [hint && id + 'h', error && id + 'e'].filter(Boolean).join(' ');
  return html`<div class=${cx('field', c)}>
    <label for=${id}>${label}${optional && html` <span class="faint">(optional)</span>`}</label
    >${children({ id, 'aria-describedby': d || undefined, 'aria-invalid': error ? 'true' : undefined })}
    ${hint && html`<p class="hint" id=${id + 'h'}>${hint}</p>`}${error && html`<p class="err" id=${id + 'e'}><${Icon} n="circle-alert" c="s" />${error}</p>`}
  </div>`;
}
export const Empty = ({ icon, title, children, actions }) =>
  html`<div class="empty">
    <${Icon} n=${icon} />
    <h2>${title}</h2>
    <p>${children}</p>
    ${actions && html`<div class="row">${actions}</div>`}
  </div>`;
export const Loading = ({ rows = 4, h = 64 }) =>
  html`<div class="stack-s" role="status" aria-label="Loading">
    ${Array.from({ length: rows }, (_, i) => html`<div key=${i} class="skel" style=${`height:${h}px`}></div>`)}
  </div>`;
export const Problem = ({ error, retry }) =>
  html`<div class="note danger" role="alert">
    <${Icon} n="triangle-alert" />
    <div class="grow"><strong>This could not be loaded.</strong><br />${error.message}</div>
    <button class="btn small" onClick=${retry}>Try again</button>
  </div>`;
/** Menu: native popover, arrow keys, closes on choice. items: [{label, icon, onClick|href, danger} | '-'] */
export function Menu({ label, items, small }) {
  const id = useId().replace(/\W/g, ''),
    btn = useRef(null),
    pop = useRef(null);
  const open = (e) => {
    if (e.newState !== 'open') return;
    const r = btn.current.getBoundingClientRect(),
      m = pop.current;
    const w = m.offsetWidth,
      hgt = m.offsetHeight;
    m.style.left = Math.max(8, Math.min(r.right - w, innerWidth - w - 8)) + 'px';
    m.style.top = (r.bottom + hgt + 8 > innerHeight ? r.top - hgt - 4 : r.bottom + 4) + 'px';
    m.querySelector('button,a')?.focus();
  };
  const key = (e) => {
    const xs = [...pop.current.querySelectorAll('button,a')],
      i = xs.indexOf(document.activeElement);
    if (e.key === 'ArrowDown') {
      xs[(i + 1) % xs.length].focus();
      e.preventDefault();
    }
    if (e.key === 'ArrowUp') {
      xs[(i - 1 + xs.length) % xs.length].focus();
      e.preventDefault();
    }
    if (e.key === 'Tab') pop.current.hidePopover();
  };
  return html`<button
      ref=${btn}
      class=${cx('btn ghost icon', small && 'small')}
      popovertarget=${id}
      aria-label=${label}
      aria-haspopup="menu"
    >
      <${Icon} n="ellipsis" />
    </button>
    <div
      class="menu"
      popover="auto"
      id=${id}
      ref=${pop}
      role="menu"
      aria-label=${label}
      onToggle=${open}
      onKeyDown=${key}
    >
      ${items.filter(Boolean).map((it, i) =>
        it === '-'
          ? html`<hr key=${i} role="separator" />`
          : it.href
            ? html`<a key=${i} role="menuitem" href=${it.href} onClick=${() => pop.current.hidePopover()}
                ><${Icon} n=${it.icon} />${it.label}</a
              >`
            : html`<button
                key=${i}
                role="menuitem"
                class=${it.danger && 'danger'}
                onClick=${() => {
                  pop.current.hidePopover();
                  btn.current.focus();
                  it.onClick();
                }}
              >
                <${Icon} n=${it.icon} />${it.label}
              </button>`,
      )}
    </div>`;
}
/** Sheet: a modal side panel on <dialog>. Escape and backdrop click close it; focus returns by itself. */
export function Sheet({ title, sub, onClose, children, actions, bottom }) {
  const ref = useRef(null),
    id = useId();
  useEffect(() => {
    ref.current.showModal();
  }, []);
  return html`<dialog
    class=${cx('sheet', bottom && 'bottom')}
    ref=${ref}
    aria-labelledby=${id}
    onCancel=${(e) => {
      e.preventDefault();
      onClose();
    }}
    onClick=${(e) => e.target === ref.current && onClose()}
  >
    <div>
      <header>
        <div class="grow">
          <h2 id=${id} tabindex="-1" autofocus>${title}</h2>
          ${sub && html`<div class="muted small">${sub}</div>`}
        </div>
        ${actions}<button class="btn ghost icon" aria-label="Close" onClick=${onClose}><${Icon} n="x" /></button>
      </header>
      <div class="sheet-body">${children}</div>
    </div>
  </dialog>`;
}
export const CopyButton = ({ text, label = 'Copy' }) =>
  html`<button
    class="btn small"
    onClick=${async (e) => {
      const b = e.currentTarget;
      await navigator.clipboard.writeText(text);
      const s = b.querySelector('span');
      s.textContent = 'Copied';
      setTimeout(() => {
        s.textContent = label;
      }, 1600);
    }}
  >
    <${Icon} n="copy" c="s" /><span aria-live="polite">${label}</span>
  </button>`;
