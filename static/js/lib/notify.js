// Toasts and confirm dialogs. confirm() returns a promise, so pages read top to bottom.
import { html, signal, useEffect, useRef } from './ui.js';
import { Icon } from '../components/basic.js';
const toasts = signal([]);
let seq = 0;
/** @param {string} text @param {{kind?: string, action?: string, onAction?: () => void, ms?: number}} [opts] */
export function toast(text, { kind = 'ok', action, onAction, ms = 6000 } = {}) {
  const t = { id: ++seq, text, kind, action, onAction };
  toasts.value = [...toasts.value.slice(-2), t];
  const close = () => {
    toasts.value = toasts.value.filter((x) => x.id !== t.id);
  };
  t.close = close;
  if (kind !== 'error') setTimeout(close, action ? ms + 4000 : ms);
}
export const fail = (e) => toast(e.message || String(e), { kind: 'error' });
export function Toasts() {
  const ref = useRef(null);
  useEffect(() => {
    const el = ref.current;
    if (toasts.value.length && el.showPopover) {
      try {
        el.hidePopover();
      } catch {}
      el.showPopover();
    }
  });
  return html`<div class="toasts" ref=${ref} popover="manual" role="region" aria-label="Notifications">
    <div aria-live="polite" class="stack-s">
      ${toasts.value.map(
        (t) =>
          html`<div key=${t.id} class=${'toast ' + t.kind} role=${t.kind === 'error' ? 'alert' : 'status'}>
            <${Icon} n=${t.kind === 'error' ? 'circle-alert' : 'circle-check'} /><span>${t.text}</span> ${
              t.action &&
              html`<button
                onClick=${() => {
                  t.onAction();
                  t.close();
                }}
              >
                ${t.action}
              </button>`
            }
            ${!t.action && html`<button onClick=${t.close} aria-label="Dismiss">Dismiss</button>`}
          </div>`,
      )}
    </div>
  </div>`;
}
const asking = signal(null);
export const confirm = (opts) =>
  new Promise((res) => {
    asking.value = { ...opts, res };
  });
export function Confirm() {
  const a = asking.value,
    ref = useRef(null);
  useEffect(() => {
    if (a) ref.current.showModal();
  }, [a]);
  if (!a) return null;
  const done = (v) => {
    ref.current.close();
    asking.value = null;
    a.res(v);
  };
  return html`<dialog
    class="modal"
    ref=${ref}
    aria-labelledby="cf-t"
    aria-describedby="cf-b"
    onCancel=${(e) => {
      e.preventDefault();
      done(false);
    }}
    onClick=${(e) => e.target === ref.current && done(false)}
  >
    <h2 id="cf-t">${a.title}</h2>
    <div class="body" id="cf-b">${a.body}</div>
    <footer>
      <button class="btn" autofocus=${a.danger} onClick=${() => done(false)}>${a.cancel || 'Cancel'}</button>
      <button
        class=${'btn ' + (a.danger ? 'danger solid' : 'primary')}
        autofocus=${!a.danger}
        onClick=${() => done(true)}
      >
        ${a.ok}
      </button>
    </footer>
  </dialog>`;
}
