import { html, useEffect, useSignal } from '../lib/ui.js';
import { dur } from '../lib/format.js';
import { Icon } from './basic.js';
const Clock = ({ since }) => {
  const n = useSignal(Date.now());
  useEffect(() => {
    const i = setInterval(() => {
      n.value = Date.now();
    }, 1000);
    return () => clearInterval(i);
  }, []);
  return html`<span class="num muted small">${dur((n.value - since) / 1000)}</span>`;
};
export const LiveCall = ({ l, compact, onHang }) => {
  const last = l.said.at(-1);
  return html`<article class=${'live ' + l.state} aria-label=${`Line ${l.line}: ${l.lead}`}>
    <div class="row">
      <span class="live-dot" aria-hidden="true"></span><b class="strong truncate">${l.lead}</b
      ><span class="grow"></span>${l.state === 'ringing' ? html`<span class="small muted">Ringing</span>` : ''}<${Clock}
        since=${l.since}
      />
    </div>
    ${
      compact
        ? html`<p class="muted small clamp">
            ${last ? html`<span class="who">${last[0] === 'agent' ? 'Agent: ' : ''}</span>${last[1]}` : l.phone}
          </p>`
        : html`<div class="small faint num truncate">${l.phone} · ${l.campaign}</div>
            <div class="captions">
              ${l.said.length ? l.said.map(([w, t], i) => html`<p key=${t} class=${i === l.said.length - 1 ? 'last' : ''}><span class=${'who ' + w}>${w === 'agent' ? 'Agent' : l.lead.split(' ')[0]}</span> ${t}</p>`) : html`<p class="faint">Waiting for an answer…</p>`}
            </div>
            <div class="row" style="justify-content:flex-end">
              <button class="btn small danger" onClick=${onHang}>
                <${Icon} n="phone-off" c="s" />End call<span class="vh"> with ${l.lead}</span>
              </button>
            </div>`
    }
  </article>`;
};
