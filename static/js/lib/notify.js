// Toasts and questions. `confirm` returns a promise, so that pages read from top to bottom.
import { html, signal, useEffect, useRef } from './ui.js';
import { Icon, marked } from '../components/basic.js';

const toasts = signal([]);
const SHOWN_MAX = 3;
let last = 0;

/**
 * Says what was done. Errors stay until they are dismissed.
 * @param {string} text
 * @param {{kind?: 'ok'|'error', action?: string, onAction?: () => void, ms?: number}} [options]
 */
export function toast(text, { kind = 'ok', action, onAction, ms = action ? 10000 : 6000 } = {}) {
  const id = ++last;
  const close = () => {
    toasts.value = toasts.value.filter((other) => other.id !== id);
  };
  toasts.value = [...toasts.value.slice(1 - SHOWN_MAX), { id, text, kind, action, onAction, close }];
  if (kind !== 'error') setTimeout(close, ms);
}

/**
 * Says why something failed. Where somebody else was faster, `reload` is offered.
 * @param {Error & {status?: number}} error
 * @param {() => void} [reload]
 */
export function fail(error, reload) {
  const isStale = error.status === 412;
  const text = isStale ? 'Someone changed this in the meantime.' : error.message || String(error);
  toast(text, isStale && reload ? { kind: 'error', action: 'Reload', onAction: reload } : { kind: 'error' });
}

export function Toasts() {
  const ref = useRef(null);
  useEffect(() => {
    const region = ref.current;
    if (!toasts.value.length || !region.showPopover) return;
    // Shown anew, it lies above a dialog that was opened meanwhile.
    if (region.matches(':popover-open')) region.hidePopover();
    region.showPopover();
  });
  return html`<div class="toasts" ref=${ref} popover="manual" role="region" aria-label="Notifications">
    <div aria-live="polite" class="stack-s">
      ${toasts.value.map((item) => html`<${Toast} key=${item.id} ...${item} />`)}
    </div>
  </div>`;
}

function Toast({ text, kind, action, onAction, close }) {
  const act = () => {
    close();
    onAction();
  };
  return html`<div class=${'toast ' + kind} role=${kind === 'error' ? 'alert' : 'status'}>
    <${Icon} n=${kind === 'error' ? 'circle-alert' : 'circle-check'} /><span>${marked(text)}</span>
    ${action && html`<button onClick=${act}>${action}</button>`}
    ${(!action || kind === 'error') && html`<button onClick=${close}>Dismiss</button>`}
  </div>`;
}

const asking = signal(null);

/**
 * Asks before something that cannot be undone, or that calls people.
 * @param {{title: string, body: any, ok: string, cancel?: string, danger?: boolean}} question
 * @returns {Promise<boolean>}
 */
export const confirm = (question) =>
  new Promise((answer) => {
    asking.value = { ...question, answer };
  });

export function Confirm() {
  const question = asking.value;
  const ref = useRef(null);
  useEffect(() => {
    if (question) ref.current.showModal();
  }, [question]);
  if (!question) return null;
  const { title, body, ok, cancel = 'Cancel', danger, answer } = question;
  const done = (isYes) => {
    ref.current.close();
    asking.value = null;
    answer(isYes);
  };
  const onCancel = (event) => {
    event.preventDefault();
    done(false);
  };
  // Enter must not destroy anything: then the focus is on Cancel.
  return html`<dialog
    class="modal"
    ref=${ref}
    aria-labelledby="confirm-title"
    aria-describedby="confirm-body"
    onCancel=${onCancel}
    onClick=${(event) => event.target === ref.current && done(false)}
  >
    <h2 id="confirm-title">${title}</h2>
    <div class="body" id="confirm-body">${body}</div>
    <footer>
      <button class="btn" autofocus=${danger} onClick=${() => done(false)}>${cancel}</button>
      <button class=${'btn ' + (danger ? 'danger solid' : 'primary')} autofocus=${!danger} onClick=${() => done(true)}>
        ${ok}
      </button>
    </footer>
  </dialog>`;
}
