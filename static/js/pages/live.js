import { html, useEffect, useSignal } from '../lib/ui.js';
import { get } from '../lib/api.js';
import { on } from '../lib/live.js';
import { confirm, toast } from '../lib/notify.js';
import { Empty, Icon } from '../components/basic.js';
import { LiveCall } from '../components/live-call.js';
import { stats } from '../lib/store.js';
export const title = 'Live calls';
export default function Live() {
  const live = useSignal(null);
  useEffect(() => {
    get('/calls/live')
      .then((x) => {
        live.value = x;
      })
      .catch(() => {});
    return on('call', (e) => {
      live.value = e.live;
    });
  }, []);
  const hang = async (l) => {
    if (
      await confirm({
        title: `End the call with ${l.lead}?`,
        ok: 'End call',
        danger: true,
        body: 'The agent stops speaking at once and the line is hung up.',
      })
    )
      toast('The call was ended.');
  };
  const s = stats.value,
    xs = live.value;
  return html`<div class="page">
    <header class="page-head">
      <div class="grow">
        <h1>Live calls</h1>
        <p>${s ? `${s.in_progress} of ${s.lines_max} lines in use` : ' '}</p>
      </div>
      <div class="lines-gauge" aria-hidden="true">
        ${Array.from({ length: s?.lines_max || 5 }, (_, i) => html`<i key=${i} class=${i < (s?.in_progress || 0) ? 'on' : ''}></i>`)}
      </div>
    </header>
    ${
      !xs
        ? ''
        : xs.length
          ? html`<div class="live-grid">
              ${xs.map((l) => html`<${LiveCall} key=${l.line} l=${l} onHang=${() => hang(l)} />`)}
              <div class="live idle"><${Icon} n="phone" c="l" /><span>2 lines free</span></div>
            </div>`
          : html`<div class="card">
              <${Empty} icon="radio" title="No calls right now">Calls show up here while they happen.<//>
            </div>`
    }
  </div>`;
}
