// Webhooks: who is told of events, whether it works, and the log of what was sent.
import { html, useSignal } from '../lib/ui.js';
import { ask, canWrite, create, del, get, isAdmin, post, useResource, withQuery } from '../lib/api.js';
import { on, useLive } from '../lib/live.js';
import { closeSheet, openSheet, route, setQuery } from '../lib/router.js';
import { ago, isoDay, num, plural, sentence, stamp } from '../lib/format.js';
import { confirm, fail, toast } from '../lib/notify.js';
import {
  ActionButton,
  Card,
  Empty,
  Field,
  FormDialog,
  Icon,
  input,
  Loading,
  Menu,
  Problem,
  Status,
} from '../components/basic.js';
import { DeliverySheet, detailOf, Result } from '../components/delivery-sheet.js';
import { EVENTS, SecretSheet, WebhookForm } from '../components/webhook-form.js';
import { Pager, usePager, useSoon } from '../components/pager.js';

export const title = 'Webhooks';

/** How long the answer to a test is waited for. */
const TEST_MS = 20_000;

/** Those of all campaigns are the administrator's, those of one campaign everybody's who runs campaigns. */
const mayChange = (hook) => (hook.campaign_id ? canWrite.value : isAdmin.value);

export default function Webhooks() {
  const [resource, reload] = useResource('hooks', (options) => get('/webhooks?scope=all', options));
  // What lies above the page: the form, a secret or a question, with the webhook it is about.
  const open = useSignal(null);
  const close = () => (open.value = null);
  const reloadSoon = useSoon(reload, 5000);
  useLive({ delivery: reloadSoon, resync: reload });
  const { data: hooks, error } = resource.value;
  const { delivery } = route.value.query;
  const onSaved = (hook) => {
    open.value = hook.secret ? { kind: 'secret', hook, isNew: true } : null;
    reload();
  };
  const { kind, hook, isNew } = open.value ?? {};
  return html`<div class="page">
    <header class="page-head">
      <div class="grow">
        <h1>Webhooks</h1>
        <p>The server sends a signed message to your address when something happens.</p>
      </div>
      ${
        isAdmin.value &&
        html`<button type="button" class="btn primary" onClick=${() => (open.value = { kind: 'form' })}>
          <${Icon} n="plus" />Add webhook
        </button>`
      }
    </header>
    ${
      error
        ? html`<${Problem} error=${error} retry=${reload} />`
        : !hooks
          ? html`<${Loading} rows=${2} h=${66} />`
          : hooks.length
            ? html`<div class="stack-s">
                ${hooks.map((one) => html`<${Hook} key=${one.id} hook=${one} open=${open} onChange=${reload} />`)}
              </div>`
            : html`<div class="card">
                <${Empty} icon="webhook" title="Nobody is told yet">
                  Add an address, and other systems hear of every call as it ends.
                <//>
              </div>`
    }
    <${Deliveries} hooks=${hooks ?? []} />
    ${kind === 'form' && html`<${WebhookForm} hook=${hook} onClose=${close} onSaved=${onSaved} />`}
    ${kind === 'secret' && html`<${SecretSheet} hook=${hook} isNew=${isNew} onClose=${close} />`}
    ${kind === 'since' && html`<${RedeliverFailed} hook=${hook} onClose=${close} />`}
    ${
      delivery && html`<${DeliverySheet} id=${delivery} hooks=${hooks ?? []} onClose=${() => closeSheet('delivery')} />`
    }
  </div>`;
}

function Hook({ hook, open, onChange }) {
  const { id, url, enabled, description, events, notice, campaign_id: campaignId, campaign_name: campaignName } = hook;
  const { delivered = 0, dead = 0, pending = 0 } = hook.last_7_days ?? {};
  const counts = [
    `${num(delivered)} delivered`,
    dead > 0 && `${num(dead)} given up`,
    pending > 0 && `${num(pending)} waiting`,
  ].filter(Boolean);
  const isTroubled = notice && hook.disabled_reason !== 'operator';
  return html`<article class="card hook" aria-label=${url}>
    <div class="grow">
      <div class="row wrap">
        <b class="mono wrap-any">${url}</b>
        ${!enabled && html`<${Status} s=${isTroubled ? 'attention' : 'draft'} label="Off" />`}
        ${enabled && notice && html`<${Status} s="attention" label="Failing" />`}
      </div>
      <div class="small muted hook-sub wrap-any">
        ${
          campaignId
            ? html`Only <a href=${`#/campaigns/${campaignId}`}>${campaignName ?? 'one campaign'}</a>`
            : 'All campaigns'
        }${['', events.length === EVENTS.length ? 'every event' : events.join(', '), `${counts.join(', ')} in 7 days`, description].filter((words) => words != null).join(' · ')}
      </div>
      ${notice && html`<p class="small hook-sub">${sentence(notice)}</p>`}
    </div>
    ${mayChange(hook) && html`<${HookActions} hook=${hook} open=${open} onChange=${onChange} />`}
  </article>`;
}

function HookActions({ hook, open, onChange }) {
  const { id, url, enabled } = hook;
  const attempt = (run) => async () => {
    try {
      await run();
      onChange();
    } catch (error) {
      fail(error, onChange);
    }
  };
  const change = (body, words) => async () => {
    const { etag } = await ask('GET', `/webhooks/${id}`);
    await ask('PUT', `/webhooks/${id}`, body, { ifMatch: etag });
    toast(words);
  };
  const rotate = async () => {
    const isSure = await confirm({
      title: 'Make a new signing secret?',
      ok: 'New secret',
      body: 'For 24 hours requests are signed with both, so that the receiver can change over in its own time.',
    });
    if (isSure) open.value = { kind: 'secret', hook: await create(`/webhooks/${id}/rotate-secret`, null) };
  };
  const remove = async () => {
    const isSure = await confirm({
      title: 'Delete this webhook?',
      ok: 'Delete webhook',
      danger: true,
      body: html`<span class="wrap-any">${url}</span> is told of nothing more. This cannot be undone.`,
    });
    if (!isSure) return;
    const { etag } = await ask('GET', `/webhooks/${id}`);
    await del(`/webhooks/${id}`, { ifMatch: etag });
    toast('The webhook is deleted.');
  };
  const items = [
    { label: 'Edit…', icon: 'pencil', onClick: () => (open.value = { kind: 'form', hook }) },
    { label: 'New signing secret…', icon: 'key-round', onClick: attempt(rotate) },
    enabled && {
      label: 'Send what failed again…',
      icon: 'rotate-ccw',
      onClick: () => (open.value = { kind: 'since', hook }),
    },
    enabled
      ? {
          label: 'Turn off',
          icon: 'plug',
          onClick: attempt(change({ enabled: false }, 'Turned off. What happens meanwhile is not kept for it.')),
        }
      : { label: 'Turn on', icon: 'plug', onClick: attempt(change({ enabled: true }, 'Turned on.')) },
    '-',
    { label: 'Delete…', icon: 'trash-2', danger: true, onClick: attempt(remove) },
  ];
  return html`${enabled && html`<${ActionButton} class="btn small" icon="send" run=${() => sendTest(id)}>Send test<//>`}
    <${Menu} small label=${`More actions for ${url}`} items=${items} />`;
}

/** Sends a test and says what came back; an event tells when that is known. */
async function sendTest(id) {
  let deliveryId = 0;
  const seen = new Map();
  let settle;
  const answered = new Promise((resolve) => (settle = resolve));
  const stop = on('delivery', (delivery) => {
    seen.set(delivery.id, delivery);
    if (delivery.id === deliveryId && delivery.last_try) settle(delivery);
  });
  const timer = setTimeout(() => settle(null), TEST_MS);
  try {
    const sent = await post(`/webhooks/${id}/test`, null);
    deliveryId = sent.delivery_ids[0];
    if (seen.get(deliveryId)?.last_try) settle(seen.get(deliveryId));
    const delivery = (await answered) ?? (await get(`/webhook-deliveries/${deliveryId}`));
    const { last_try: last, state } = delivery;
    const show = { action: 'Show', onAction: () => openSheet({ delivery: String(deliveryId) }) };
    if (state === 'delivered') toast(`Test delivered: ${last.status_code} in ${num(last.milliseconds)} ms.`, show);
    else if (!last) toast('The test was sent; there is no answer yet.', show);
    else
      toast(`Test not delivered: ${last.status_code ?? last.message} (${num(last.milliseconds)} ms).`, {
        ...show,
        kind: 'error',
      });
  } catch (error) {
    fail(error);
  } finally {
    clearTimeout(timer);
    stop();
  }
}

function RedeliverFailed({ hook, onClose }) {
  const since = useSignal(isoDay(Date.now() - 86_400_000));
  const problem = useSignal('');
  const send = async () => {
    const at = new Date(`${since.value}T00:00:00`);
    const { redelivered } = await create(`/webhooks/${hook.id}/redeliver-failed`, {
      since: Number.isNaN(at.getTime()) ? '' : at.toISOString(),
    });
    toast(redelivered ? `${plural(redelivered, 'delivery', 'deliveries')} sent again.` : 'Nothing failed since then.');
    onClose();
  };
  return html`<${FormDialog}
    title="Send what failed again?"
    ok="Send again"
    onClose=${onClose}
    onSubmit=${send}
    onProblem=${(fields) => (problem.value = fields.since || '')}
  >
    <p>Everything that was given up for <span class="mono wrap-any">${hook.url}</span> is sent again.</p>
    <${Field} label="Since" error=${problem.value}> ${input(since, { type: 'date' })} <//>
  <//>`;
}

const filterBy = (changes) => setQuery({ ...changes, at: '' });

function Deliveries({ hooks }) {
  const { hook = '', state = '', type = '' } = route.value.query;
  const path = withQuery('/webhook-deliveries', { endpoint_id: hook, state, type });
  const pager = usePager(path, { limit: 25 });
  const reloadSoon = useSoon(pager.reload, 2000);
  useLive({
    delivery: (patch) => {
      if (pager.items?.some(({ id }) => id === patch.id)) {
        pager.change((delivery) => (delivery.id === patch.id ? { ...delivery, ...patch } : delivery));
      } else if (pager.isFirst) reloadSoon();
    },
    resync: pager.reload,
  });
  const select = (label, name, value, options) =>
    html`<select
      class="input auto"
      aria-label=${label}
      value=${value}
      onChange=${(e) => filterBy({ [name]: e.currentTarget.value })}
    >
      <option value="">All ${label.toLowerCase()}</option>
      ${options.map(([word, words]) => html`<option key=${word} value=${word} selected=${String(word) === value}>${words}</option>`)}
    </select>`;
  return html`<${Card} title="Deliveries" flush>
    <div class="row wrap filters padded-top">
      ${select(
        'Webhooks',
        'hook',
        hook,
        hooks.map(({ id, url }) => [id, url.replace(/^https?:\/\//, '')]),
      )}
      ${select('Results', 'state', state, [
        ['delivered', 'Delivered'],
        ['pending', 'Waiting'],
        ['dead', 'Given up'],
        ['canceled', 'Not sent'],
      ])}
      ${select('Events', 'type', type, [...EVENTS.map(([word]) => [word, word]), ['webhook.test', 'webhook.test']])}
    </div>
    ${
      pager.error
        ? html`<div class="padded"><${Problem} error=${pager.error} retry=${pager.reload} /></div>`
        : !pager.items
          ? html`<div class="padded"><${Loading} rows=${5} h=${32} /></div>`
          : pager.items.length
            ? html`<${DeliveryTable} items=${pager.items} /><${Pager} pager=${pager} />`
            : html`<p class="muted padded">
                ${hook || state || type ? 'No delivery matches.' : 'Nothing was sent yet.'}
              </p>`
    }
  <//>`;
}

function DeliveryTable({ items }) {
  const open = ({ id }) => openSheet({ delivery: String(id) });
  return html`<div class="scroll-x">
    <table class="table" aria-label="Deliveries">
      <thead>
        <tr>
          <th>Event</th>
          <th>Result</th>
          <th class="r opt">Time</th>
          <th class="r opt">Tries</th>
          <th class="r">When</th>
        </tr>
      </thead>
      <tbody>
        ${items.map(
          (delivery) =>
            html`<tr key=${delivery.id} class="link" onClick=${() => open(delivery)}>
              <td>
                <button
                  type="button"
                  class="linkbtn mono wrap-any"
                  onClick=${(event) => (event.stopPropagation(), open(delivery))}
                >
                  ${delivery.type}
                </button>
              </td>
              <td>
                <${Result} delivery=${delivery} />
                <div class="small muted">${detailOf(delivery)}</div>
              </td>
              <td class="r muted nowrap num opt">
                ${delivery.last_try ? `${num(delivery.last_try.milliseconds)} ms` : '–'}
              </td>
              <td class="r muted num opt">${num(delivery.tries)}</td>
              <td class="r muted nowrap" title=${stamp(delivery.created_at)}>${ago(delivery.created_at)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}
