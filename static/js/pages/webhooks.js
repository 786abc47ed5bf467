import { html, useSignal } from '../lib/ui.js';
import { get, post, useResource } from '../lib/api.js';
import { num, ago, stamp } from '../lib/format.js';
import { Icon, Card, Menu, Sheet, Loading, CopyButton } from '../components/basic.js';
import { toast, fail } from '../lib/notify.js';
export const title = 'Webhooks';
const Code = ({ d }) =>
  html`<span class=${'pill plain ' + (d.status >= 200 && d.status < 300 ? 'calling' : 'attention')}
    >${d.status || 'No answer'}</span
  >`;
export default function Webhooks() {
  const [hooks] = useResource('h', (o) => get('/webhooks', o)),
    [log, reload] = useResource('d', (o) => get('/deliveries', o)),
    open = useSignal(null),
    busy = useSignal('');
  const test = async (w) => {
    busy.value = w.id;
    try {
      const d = await post(`/webhooks/${w.id}/test`);
      toast(`Test delivered: ${d.status} in ${d.ms} ms.`, {
        action: 'Show',
        onAction: () => {
          open.value = d;
        },
      });
      reload();
    } catch (e) {
      fail(e);
    }
    busy.value = '';
  };
  const d = open.value,
    body =
      d &&
      JSON.stringify(
        {
          event: d.event,
          id: d.id,
          at: new Date(d.at).toISOString(),
          data: d.event === 'test.ping' ? {} : { call: { id: 'call12', outcome: 'goal', seconds: 82 } },
        },
        null,
        2,
      );
  return html`<div class="page">
    <header class="page-head">
      <div class="grow">
        <h1>Webhooks</h1>
        <p>The server sends a signed message to your address when something happens.</p>
      </div>
      <button class="btn primary"><${Icon} n="plus" />Add webhook</button>
    </header>
    <div class="stack-s">
      ${(hooks.value.data || []).map(
        (w) =>
          html`<article key=${w.id} class="card hook">
            <div class="grow">
              <div class="row wrap">
                <b class="mono truncate">${w.url}</b>${!w.enabled && html`<span class="pill draft">Off</span>`}
              </div>
              <div class="small muted" style="margin-top:4px">
                ${w.events.join(', ')} · ${num(w.ok)} delivered${w.failed ? `, ${num(w.failed)} failed` : ''} in 7 days
              </div>
            </div>
            <button class="btn small" disabled=${busy.value === w.id} onClick=${() => test(w)}>
              <${Icon}
                n=${busy.value === w.id ? 'loader-circle' : 'send'}
                c=${busy.value === w.id ? 's spin' : 's'}
              />Send test</button
            ><${Menu}
              small
              label=${`More actions for ${w.url}`}
              items=${[{ label: 'Edit', icon: 'pencil', onClick() {} }, { label: 'Show signing secret', icon: 'eye', onClick() {} }, { label: w.enabled ? 'Turn off' : 'Turn on', icon: 'plug', onClick() {} }, '-', { label: 'Delete…', icon: 'trash-2', danger: true, onClick() {} }]}
            />
          </article>`,
      )}
    </div>
    <${Card}
      title="Deliveries"
      flush
      actions=${html`<button class="btn ghost icon small" aria-label="Refresh deliveries" onClick=${reload}><${Icon} n="refresh-cw" c="s" /></button>`}
      >${
        !log.value.data
          ? html`<div style="padding:12px 18px"><${Loading} rows=${5} h=${32} /></div>`
          : html`<div class="scroll-x">
              <table class="table">
                <thead>
                  <tr>
                    <th>Event</th>
                    <th>Result</th>
                    <th class="r opt">Time</th>
                    <th class="r opt">Try</th>
                    <th class="r">When</th>
                  </tr>
                </thead>
                <tbody>
                  ${log.value.data.map(
                    (x) =>
                      html`<tr
                        key=${x.id}
                        class="link"
                        onClick=${() => {
                          open.value = x;
                        }}
                      >
                        <td>
                          <button
                            class="linkbtn mono"
                            onClick=${(e) => {
                              e.stopPropagation();
                              open.value = x;
                            }}
                          >
                            ${x.event}
                          </button>
                        </td>
                        <td>
                          <div class="row wrap">
                            <${Code}
                              d=${x}
                            />${x.error ? html`<span class="small muted">${x.error}</span>` : x.next ? html`<span class="small muted">next try ${ago(x.next)}</span>` : ''}
                          </div>
                        </td>
                        <td class="r muted nowrap opt">${x.ms} ms</td>
                        <td class="r muted opt">${x.attempt}</td>
                        <td class="r muted nowrap" title=${stamp(x.at)}>${ago(x.at)}</td>
                      </tr>`,
                  )}
                </tbody>
              </table>
            </div>`
      }<//
    >
    ${
      d &&
      html`<${Sheet}
        title=${d.event}
        sub=${stamp(d.at)}
        onClose=${() => {
          open.value = null;
        }}
        ><div class="row wrap">
          <${Code} d=${d} /><span class="muted num">${d.ms} ms</span><span class="grow"></span
          ><button class="btn small" onClick=${() => toast('Sent again.')}>
            <${Icon} n="rotate-ccw" c="s" />Send again
          </button>
        </div>
        <section>
          <div class="row">
            <h3 class="grow">Request</h3>
            <${CopyButton} text=${body} />
          </div>
          <pre class="codebox" tabindex="0">${body}</pre>
        </section>
        <section>
          <h3>Response</h3>
          <pre class="codebox" tabindex="0">
${d.error || (d.status === 500 ? 'Internal Server Error' : '{"ok":true}')}</pre>
        </section><//
      >`
    }
  </div>`;
}
