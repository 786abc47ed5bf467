// One delivery of an event: what was sent, every try and what came back, and sending it again. All that a receiver
// answers is text of somebody else.
import { html } from '../lib/ui.js';
import { canWrite, create, get, useResource } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { ahead, num, plural, stamp } from '../lib/format.js';
import { fail, toast } from '../lib/notify.js';
import { ActionButton, CopyButton, Loading, Problem, Sheet } from './basic.js';

const STATES = {
  pending: ['waiting', 'Waiting'],
  delivered: ['calling', 'Delivered'],
  dead: ['attention', 'Given up'],
  canceled: ['draft', 'Not sent'],
};

/** How a delivery stands: the code of the last answer, or that there was none. */
export function Result({ delivery: { state, last_try: last } }) {
  const [kind, label] = STATES[state];
  const code = last && (last.status_code ?? 'no answer');
  return html`<span class=${'pill ' + kind}>${code ? `${label} · ${code}` : label}</span>`;
}

/** What the list and the sheet say about what comes next, or went wrong. */
export function detailOf({ state, next_try_at: next, last_try: last }) {
  const trouble = last?.message ?? (last?.error && `${last.error}`);
  const words = [trouble, state === 'pending' && next && `Next try ${ahead(next)}`].filter(Boolean);
  return words.join('. ');
}

/** @param {{id: string, onClose: () => void, hooks: object[]}} props */
export function DeliverySheet({ id, onClose, hooks }) {
  const [resource, reload] = useResource(id, (options) => get(`/webhook-deliveries/${id}`, options));
  const { data: delivery, error } = resource.value;
  const hook = hooks.find((one) => one.id === delivery?.endpoint_id);
  useLive({ delivery: (patch) => String(patch.id) === id && reload(), resync: reload });
  return html`<${Sheet}
    title=${delivery?.type ?? 'Delivery'}
    sub=${delivery && html`${stamp(delivery.created_at)}${hook && html`<br /><span class="mono wrap-any">${hook.url}</span>`}`}
    onClose=${onClose}
  >
    ${
      error
        ? html`<${Problem} error=${error} retry=${reload} />`
        : delivery
          ? html`<${Contents} delivery=${delivery} onChange=${reload} />`
          : html`<${Loading} rows=${3} h=${80} />`
    }
  <//>`;
}

function Contents({ delivery, onChange }) {
  const { id, log, payload, webhook_id: messageId } = delivery;
  const again = async () => {
    try {
      await create(`/webhook-deliveries/${id}/redeliver`, null);
      toast('It is sent again.');
      onChange();
    } catch (error) {
      fail(error);
    }
  };
  const body = JSON.stringify(payload, null, 2);
  const headers = log[0]
    ? Object.entries(log[0].headers)
        .map(([name, value]) => `${name}: ${value}`)
        .join('\n')
    : '';
  return html`<div class="row wrap">
      <${Result} delivery=${delivery} />
      <span class="muted small">${detailOf(delivery)}</span>
      <span class="grow"></span>
      ${canWrite.value && html`<${ActionButton} class="btn small" icon="rotate-ccw" run=${again}>Send again<//>`}
    </div>
    <section aria-label="Tries">
      <h3 class="sheet-h">${log.length ? plural(log.length, 'try', 'tries') : 'Not tried yet'}</h3>
      <ol class="tries">
        ${log.map((one, i) => html`<${Try} key=${i} one=${one} />`)}
      </ol>
    </section>
    <section aria-label="What was sent">
      <div class="row">
        <h3 class="grow">Body</h3>
        <${CopyButton} text=${body} />
      </div>
      <pre class="codebox" tabindex="0" aria-label="Body">${body}</pre>
    </section>
    ${
      headers &&
      html`<section aria-label="Headers">
        <h3>Headers of the ${log.length > 1 ? 'first try' : 'try'}</h3>
        <pre class="codebox" tabindex="0" aria-label="Headers">${headers}</pre>
        <p class="faint small">Signatures are hidden. Message <code class="wrap-any">${messageId}</code></p>
      </section>`
    }`;
}

const Try = ({ one: { at, milliseconds, status_code: code, message, answer } }) =>
  html`<li>
    <div class="row wrap small">
      <b class="strong num">${code ?? 'No answer'}</b>
      <span class="muted num">${num(milliseconds)} ms</span>
      <span class="grow"></span>
      <span class="muted">${stamp(at)}</span>
    </div>
    ${message && html`<p class="small muted">${message}</p>`}
    ${answer && html`<pre class="codebox" tabindex="0" aria-label="Answer">${answer}</pre>`}
  </li>`;
