// The pieces every page is made of: icons, cards, numbers, states, progress, fields, menus and dialogs.
import { html, cx, useRef, useEffect, useId, useSignal } from '../lib/ui.js';
import {
  capital,
  num,
  pct,
  ago,
  openAt,
  soon,
  zoneName,
  OUTCOMES,
  outcomeLabel,
  EXACT,
  STATUS,
  ANSWERED,
  groupOf,
} from '../lib/format.js';

/** A symbol of icons.svg. */
export const Icon = ({ n, c }) =>
  html`<svg class=${cx('ico', c)} aria-hidden="true"><use href=${'icons.svg#' + n} /></svg>`;

/** An icon that turns while something is being done. */
export const BusyIcon = ({ n, busy }) => html`<${Icon} n=${busy ? 'loader-circle' : n} c=${busy ? 's spin' : 's'} />`;

/** A button that cannot be pressed twice: it turns while `run` is being done. `icon` is optional. */
export function ActionButton({ run, icon, children, class: c = 'btn', disabled, label }) {
  const busy = useSignal(false);
  const press = async () => {
    if (busy.value) return;
    busy.value = true;
    try {
      await run();
    } finally {
      busy.value = false;
    }
  };
  return html`<button
    type="button"
    class=${c}
    disabled=${disabled}
    aria-busy=${busy.value || undefined}
    aria-label=${label}
    onClick=${press}
  >
    ${(icon || busy.value) && html`<${BusyIcon} n=${icon} busy=${busy.value} />`}${children}
  </button>`;
}

/** A text of the server with its `code` as code; everything else is text. */
export const marked = (text = '') =>
  text.split('`').map((part, i) => (i % 2 ? html`<code key=${i}>${part}</code>` : part));

/** A titled part of a page. `flush` leaves out the padding, for tables. */
export function Card({ title, sub, actions, children, class: c, flush, id }) {
  const titleId = useId();
  return html`<section class=${cx('card', c)} aria-labelledby=${title ? titleId : undefined} id=${id}>
    ${
      title &&
      html`<header>
        <div class="grow">
          <h2 id=${titleId}>${title}</h2>
          ${sub && html`<p>${sub}</p>`}
        </div>
        ${actions}
      </header>`
    }
    <div class=${cx('card-body', flush && 'flush')}>${children}</div>
  </section>`;
}

/** One number with its name. */
export const Stat = ({ label, value, unit, detail, icon, class: c, children }) =>
  html`<div class=${cx('card stat', c)}>
    <dl>
      <dt>${icon && html`<${Icon} n=${icon} c="s" />`}${label}</dt>
      <dd class="v">${value}${unit && html` <small>${unit}</small>`}</dd>
      ${detail && html`<dd class="d">${detail}</dd>`}${children}
    </dl>
  </div>`;

// States

/** The pill of a state: those of a campaign (`stats.standing.state`), or any word with its own label. */
export const Status = ({ s, label }) =>
  html`<span class=${cx('pill', s, s === 'calling' && 'pulse')}>${label || STATUS[s] || s}</span>`;

/** Why a campaign stands as it does, in the server's words; the page only words the instants and counts the lines. */
function reasonOf(campaign) {
  const { stats, time_zone, max_concurrent_calls } = campaign;
  const { state, message, until, by, since } = stats.standing;
  // That it is calling, the pill says already.
  if (state === 'calling') return `${num(stats.in_progress_calls)} of ${num(max_concurrent_calls)} lines in use`;
  const parts = message === `${STATUS[state]}.` ? [] : [message];
  // A list does not know the hours.
  const opensAt = until && campaign.working_days && openAt(until, campaign);
  if (until && state === 'waiting') {
    parts.push(`Next calls ${soon(opensAt || until, time_zone)}, ${zoneName(time_zone)}.`);
  }
  if (since && ['paused', 'completed'].includes(state)) {
    parts.push(by && by !== 'server' ? `By ${by}, ${ago(since)}.` : `${capital(ago(since))}.`);
  }
  return parts.join(' ');
}

/** Pill and reason of a campaign with its `stats`. */
export const Standing = ({ campaign }) =>
  html`<${Status} s=${campaign.stats.standing.state} /><span>${reasonOf(campaign)}</span>`;

/** What became of a call; `exact` says which of the outcomes it was instead of its group. */
export function Outcome({ o, exact }) {
  if (!o) return html`<span class="outcome"><i class="dot"></i>In progress</span>`;
  const group = groupOf(o) || o;
  return html`<span class="outcome"
    ><i class=${'dot k-' + group}></i>${(exact && EXACT[o]) || outcomeLabel[group] || o}</span
  >`;
}

// Counts by group of outcomes

const outcomeTotal = (groups) => OUTCOMES.reduce((sum, [group]) => sum + (groups[group] || 0), 0);
/** Calls in which a person spoke. */
export const answered = (groups) => ANSWERED.reduce((sum, group) => sum + (groups[group] || 0), 0);
/** Their share of the calls that the carrier could place; null when there are none. */
export function answerRate(groups) {
  const placed = outcomeTotal(groups) - (groups.failed || 0);
  return placed ? answered(groups) / placed : null;
}

const inWords = (groups) =>
  OUTCOMES.filter(([group]) => groups[group])
    .map(([group, label]) => `${num(groups[group])} ${label.toLowerCase()}`)
    .join(', ');

/**
 * Finished leads of all, in the colours of the outcomes of the calls that there were. Those who were finished without a
 * call, such as people on the do-not-call list, have none.
 */
export function Progress({ done, total, outcomes, label = 'Progress', small }) {
  const share = total ? done / total : 0;
  const sum = outcomes ? outcomeTotal(outcomes) : 0;
  const words = `${num(done)} of ${num(total)} leads finished` + (sum ? `. Calls: ${inWords(outcomes)}` : '');
  const called = total ? Math.min(done, sum) / total : 0;
  const part = (kind, fraction) => html`<i key=${kind} class=${kind} style=${`flex: 0 0 ${fraction * 100}%`}></i>`;
  return html`<div
    class=${cx('bar', small && 's')}
    role="progressbar"
    aria-label=${label}
    aria-valuemin="0"
    aria-valuemax="100"
    aria-valuenow=${Math.round(share * 100)}
    aria-valuetext=${words}
  >
    ${
      sum > 0 &&
      OUTCOMES.filter(([group]) => outcomes[group]).map(([group]) =>
        part('k-' + group, (called * outcomes[group]) / sum),
      )
    }
    ${share > called && part('fill calm', share - called)}
  </div>`;
}

/** How much of a limit is used up. `calm` does not warn. */
export function Meter({ value, max, label, calm }) {
  const share = max ? value / max : 0;
  const alarm = !calm && (share >= 1 ? 'over' : share > 0.85 && 'warn');
  return html`<div
    class="bar s"
    role="meter"
    aria-label=${label}
    aria-valuemin="0"
    aria-valuemax=${max}
    aria-valuenow=${Math.min(max, Math.round(value * 100) / 100)}
    aria-valuetext=${pct(share)}
  >
    <i class=${cx('fill', alarm)} style=${`flex: 0 0 ${Math.min(100, share * 100)}%`}></i>
  </div>`;
}

/** What the colours mean; with `title`, of what the numbers are. */
export const Legend = ({ outcomes, keys, title }) =>
  html`<ul class="legend">
    ${title && html`<li key="title" class="muted">${title}</li>`}
    ${OUTCOMES.filter(([group]) => !keys || keys.includes(group)).map(
      ([group, label]) =>
        html`<li key=${group}>
          <i class=${'dot k-' + group}></i>${label}${outcomes && html` <b>${num(outcomes[group] || 0)}</b>`}
        </li>`,
    )}
  </ul>`;

// Forms

/**
 * A control with its label, hint and error, wired by id: `children` is given the attributes of the control.
 * @param {{label: any, hint?: any, error?: string, optional?: boolean, class?: string, children: (attributes: object) => any}} props
 */
export function Field({ label, hint, error, children, class: c, optional }) {
  const id = useId();
  const described = [hint && id + 'h', error && id + 'e'].filter(Boolean).join(' ');
  return html`<div class=${cx('field', c)}>
    <label for=${id}>${label}${optional && html` <span class="faint">(optional)</span>`}</label>
    ${children({ id, 'aria-describedby': described || undefined, 'aria-invalid': error ? 'true' : undefined })}
    ${hint && html`<p class="hint" id=${id + 'h'}>${hint}</p>`}
    ${error && html`<p class="err" id=${id + 'e'}><${Icon} n="circle-alert" c="s" /><span>${marked(error)}</span></p>`}
  </div>`;
}

/** The control of a field, whose text is a signal: `<${Field} label="Name">${input(name, {maxlength: 200})}<//>`. */
export const input =
  (text, { as = 'input', class: c, ...more } = {}) =>
  (wired) =>
    html`<${as}
      class=${cx('input', c)}
      value=${text.value}
      onInput=${(event) => (text.value = event.currentTarget.value)}
      ...${more}
      ...${wired}
    />`;

/** Puts the focus on the first control in `root` that is marked as wrong, once it is drawn. */
export const focusInvalid = (root) =>
  setTimeout(() => (root || document).querySelector('[aria-invalid="true"]')?.focus());

/** A search field; "/" puts the focus into it. `onSearch` hears of the text when the typing pauses. */
export function Search({ value = '', onSearch, placeholder, label, class: c }) {
  const timer = useRef(0);
  const onInput = (event) => {
    const text = event.currentTarget.value;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onSearch(text.trim()), 250);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  return html`<div class=${cx('search', c)}>
    <${Icon} n="search" c="s" /><input
      class="input"
      type="search"
      data-search
      placeholder=${placeholder}
      aria-label=${label}
      value=${value}
      onInput=${onInput}
    />${!value && html`<kbd aria-hidden="true">/</kbd>`}
  </div>`;
}

// What is shown instead of contents

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
    ${retry && html`<button class="btn small" onClick=${retry}>Try again</button>`}
  </div>`;

/** A remark: `kind` is empty, `warn` or `danger`. */
export const Note = ({ kind, icon = 'circle-alert', children, action }) =>
  html`<div class=${cx('note', kind)}>
    <${Icon} n=${icon} />
    <div class="grow">${children}</div>
    ${action}
  </div>`;

// What opens above the page

/**
 * A menu on a native popover: arrow keys move, a choice closes it.
 * @param {{label: string, small?: boolean, items: Array<'-'|false|null|{label: string, icon: string, onClick?: () => void, href?: string, download?: boolean, danger?: boolean}>}} props
 */
export function Menu({ label, items, small }) {
  const id = useId().replace(/\W/g, '');
  const button = useRef(null);
  const menu = useRef(null);
  // The entries of a closed menu would only weigh on a long list.
  const isOpen = useSignal(false);
  const prepare = (event) => {
    isOpen.value = event.newState === 'open';
  };
  const place = (event) => {
    if (event.newState !== 'open') return;
    const at = button.current.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height, style } = menu.current;
    const fitsBelow = at.bottom + height + 8 <= innerHeight;
    style.left = Math.max(8, Math.min(at.right - width, innerWidth - width - 8)) + 'px';
    style.top = Math.max(8, fitsBelow ? at.bottom + 4 : at.top - height - 4) + 'px';
    menu.current.querySelector('button, a')?.focus();
  };
  const onKeyDown = (event) => {
    const entries = [...menu.current.querySelectorAll('button, a')];
    const at = entries.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: entries.length - 1 }[event.key];
    if (to !== undefined) {
      entries[(to + entries.length) % entries.length].focus();
      event.preventDefault();
    }
    if (event.key === 'Tab') menu.current.hidePopover();
    // Before the entry that has the focus is gone with the menu.
    if (event.key === 'Escape') button.current.focus();
  };
  const choose = (item) => {
    menu.current.hidePopover();
    button.current.focus();
    item.onClick?.();
  };
  return html`<button
      ref=${button}
      type="button"
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
      ref=${menu}
      role="menu"
      aria-label=${label}
      onBeforeToggle=${prepare}
      onToggle=${place}
      onKeyDown=${onKeyDown}
    >
      ${isOpen.value && items.filter(Boolean).map((item, i) => html`<${MenuItem} key=${i} item=${item} choose=${choose} />`)}
    </div>`;
}

function MenuItem({ item, choose }) {
  if (item === '-') return html`<hr role="separator" />`;
  const inside = html`<${Icon} n=${item.icon} />${item.label}`;
  if (item.href) {
    return html`<a role="menuitem" href=${item.href} download=${item.download} onClick=${() => choose(item)}
      >${inside}</a
    >`;
  }
  return html`<button type="button" role="menuitem" class=${item.danger && 'danger'} onClick=${() => choose(item)}>
    ${inside}
  </button>`;
}

/** What a `<dialog>` needs to be modal: Escape and a click beside it close it, focus returns by itself. */
function useModal(onClose) {
  const ref = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    ref.current.showModal();
    // A dialog that is taken away does not give the focus back by itself.
    return () => before?.isConnected && before.focus({ preventScroll: true });
  }, []);
  return {
    ref,
    onCancel: (event) => {
      event.preventDefault();
      onClose();
    },
    onMouseDown: (event) => event.target === ref.current && onClose(),
  };
}

/** A panel at the side, or from below. */
export function Sheet({ title, sub, onClose, children, actions, bottom }) {
  const id = useId();
  const modal = useModal(onClose);
  return html`<dialog class=${cx('sheet', bottom && 'bottom')} aria-labelledby=${id} ...${modal}>
    <div>
      <header>
        <div class="grow">
          <h2 id=${id} tabindex="-1" autofocus>${title}</h2>
          ${sub && html`<div class="muted small">${sub}</div>`}
        </div>
        ${actions}<button type="button" class="btn ghost icon" aria-label="Close" onClick=${onClose}>
          <${Icon} n="x" />
        </button>
      </header>
      <div class="sheet-body">${children}</div>
    </div>
  </dialog>`;
}

/**
 * One of a few choices, each with a word of explanation. `chosen` holds the value of the one that is.
 * @param {{legend: string, name: string, options: Array<[string, string, string]>, chosen: import('@preact/signals').Signal<string>}} props
 */
export function Picks({ legend, name, options, chosen, onChoose = (value) => (chosen.value = value) }) {
  const pick = ([value, label, words]) =>
    html`<label key=${value} class="pick"
      ><input type="radio" name=${name} checked=${chosen.value === value} onChange=${() => onChoose(value)} /><span
        ><span><b class="strong">${label}</b><small>${words}</small></span></span
      ></label
    >`;
  return html`<fieldset class="field">
    <legend class="label">${legend}</legend>
    <div class="picks one">${options.map(pick)}</div>
  </fieldset>`;
}

/**
 * A form in a modal dialog. What `onSubmit` throws is shown above the buttons; problems with fields are handed to
 * `onProblem`, when there is one, so that they can be shown at their fields.
 * @param {{title: string, ok: string, onClose: () => void, onSubmit: () => Promise<any>, onProblem?: (fields: object) => void, danger?: boolean, wide?: boolean, children: any}} props
 */
export function FormDialog({ title, ok, onClose, onSubmit, onProblem, danger, wide, children }) {
  const id = useId();
  const modal = useModal(onClose);
  const busy = useSignal(false);
  const problem = useSignal('');
  const submit = async (event) => {
    event.preventDefault();
    if (busy.value) return;
    busy.value = true;
    problem.value = '';
    try {
      await onSubmit();
    } catch (error) {
      const isOfFields = onProblem && Object.keys(error.fields ?? {}).length > 0;
      if (isOfFields) onProblem(error.fields);
      else problem.value = error.message;
      focusInvalid(modal.ref.current);
    }
    busy.value = false;
  };
  return html`<dialog class=${cx('modal', wide && 'wide')} aria-labelledby=${id} ...${modal}>
    <form method="dialog" onSubmit=${submit} novalidate>
      <h2 id=${id}>${title}</h2>
      <div class="body stack">${children}</div>
      ${problem.value && html`<p class="err" role="alert"><${Icon} n="circle-alert" c="s" /><span>${marked(problem.value)}</span></p>`}
      <footer>
        <button type="button" class="btn" onClick=${onClose}>Cancel</button>
        <button class=${'btn ' + (danger ? 'danger solid' : 'primary')} aria-busy=${busy.value || undefined}>
          ${busy.value && html`<${BusyIcon} busy />`}${ok}
        </button>
      </footer>
    </form>
  </dialog>`;
}

/** Copies a text and says so. */
export function CopyButton({ text, label = 'Copy' }) {
  const said = useSignal(label);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.value = 'Copied';
    } catch {
      // Browsers copy only on https and on this machine.
      said.value = 'Select it and copy by hand';
    }
    setTimeout(() => (said.value = label), 1800);
  };
  return html`<button type="button" class="btn small" onClick=${copy}>
    <${Icon} n="copy" c="s" /><span aria-live="polite">${said.value}</span>
  </button>`;
}
