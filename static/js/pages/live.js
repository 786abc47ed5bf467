// The calls of this moment, as they ring, talk and end; and when there are none, why.
import { html, useEffect, useRef } from '../lib/ui.js';
import { get, useResource } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { closeSheet, openSheet, route } from '../lib/router.js';
import { num, plural } from '../lib/format.js';
import { overview } from '../lib/store.js';
import { Empty, Icon, Loading, Meter, Problem, Standing } from '../components/basic.js';
import { LiveCall } from '../components/live-call.js';
import { CallSheet } from '../components/call-sheet.js';
import { useSoon } from '../components/pager.js';

export const title = 'Live calls';

/** More cards than this nobody can follow; the others are counted. */
const SHOWN_MAX = 60;
/** How long a card says how its call ended. */
const LINGER_MS = 4000;
/** Up to so many lines are drawn one by one. */
const LINES_DRAWN = 24;

/** Calls that are alive, oldest first, so that no card moves when another one begins. */
async function load(options) {
  const calls = await get(`/calls?state=alive&limit=${SHOWN_MAX}`, options);
  return calls.sort((a, b) => a.id - b.id);
}

export default function Live() {
  const [resource, reload] = useResource('alive', load);
  const timers = useRef(new Set());
  useEffect(() => () => timers.current.forEach(clearTimeout), []);
  const reloadSoon = useSoon(reload);
  const change = (changed) => {
    const { data } = resource.peek();
    if (data) resource.value = { ...resource.peek(), data: changed(data) };
  };
  const removeLater = (id) => {
    const timer = setTimeout(() => {
      timers.current.delete(timer);
      change((calls) => calls.filter((call) => call.id !== id));
      // Others may have been alive that had no card.
      if (resource.peek().data?.length >= SHOWN_MAX - 1) reloadSoon();
    }, LINGER_MS);
    timers.current.add(timer);
  };
  useLive({
    call: (patch) => {
      const known = resource.peek().data?.find((call) => call.id === patch.id);
      if (known) {
        change((calls) => calls.map((call) => (call === known ? { ...call, ...patch } : call)));
        if (patch.state === 'ended') removeLater(patch.id);
      } else if (patch.placed_at && patch.state !== 'ended' && resource.peek().data?.length < SHOWN_MAX) {
        change((calls) => [...calls, patch]);
      }
    },
    resync: reload,
  });
  const { data: calls, error } = resource.value;
  const alive = calls?.filter((call) => call.state !== 'ended').length ?? 0;
  const inUse = Math.max(alive, overview.value?.in_progress_calls ?? 0);
  const lines = overview.value?.lines ?? 0;
  const { call } = route.value.query;
  return html`<div class="page">
    <header class="page-head">
      <div class="grow">
        <h1>Live calls</h1>
        <p class="num">${lines > 0 && `${num(inUse)} of ${plural(lines, 'line')} in use`}</p>
      </div>
      ${lines > 0 && html`<${Gauge} inUse=${inUse} lines=${lines} />`}
    </header>
    ${
      error
        ? html`<${Problem} error=${error} retry=${reload} />`
        : !calls
          ? html`<${Loading} rows=${3} h=${110} />`
          : calls.length
            ? html`<div class="live-grid">
                ${calls.map((one) => html`<${LiveCall} key=${one.id} call=${one} onOpen=${open} />`)}
                ${
                  lines > inUse &&
                  html`<div class="live idle"><${Icon} n="phone" c="l" />${plural(lines - inUse, 'free line')}</div>`
                }
              </div>`
            : html`<${Nobody} />`
    }
    ${inUse > SHOWN_MAX && html`<p class="muted">The oldest ${num(SHOWN_MAX)} of ${num(inUse)} calls are shown.</p>`}
    ${call && html`<${CallSheet} id=${call} onClose=${() => closeSheet('call')} />`}
  </div>`;
}

const open = (id) => openSheet({ call: String(id) });

const Gauge = ({ inUse, lines }) =>
  lines <= LINES_DRAWN
    ? html`<div class="lines-gauge" aria-hidden="true">
        ${Array.from({ length: lines }, (_, i) => html`<i key=${i} class=${i < inUse ? 'on' : ''}></i>`)}
      </div>`
    : html`<div class="gauge-long"><${Meter} value=${inUse} max=${lines} label="Lines in use" calm /></div>`;

/** Why nobody is called, campaign by campaign, and when it goes on. */
function Nobody() {
  const [resource, reload] = useResource('why', (options) => get('/overview?limit=50', options));
  const reloadSoon = useSoon(reload);
  useLive({ stats: reloadSoon, campaign: reloadSoon, resync: reload });
  const { data } = resource.value;
  const isStopped = data?.dialing.stopped;
  const started = data?.campaigns.filter(({ status }) => status !== 'draft' && status !== 'completed') ?? [];
  return html`<div class="card">
    <${Empty} icon="radio" title="No calls right now">
      ${
        isStopped
          ? 'All calling is stopped. Nobody is called before it is started again.'
          : started.length
            ? 'Calls show up here while they happen. This is how the campaigns stand:'
            : data
              ? html`No campaign is started. Start one under <a href="#/campaigns">Campaigns</a>, and its calls show up
                  here.`
              : 'Calls show up here while they happen.'
      }
    <//>
    ${
      started.length > 0 &&
      html`<ul class="why-list">
        ${started.map(
          (campaign) =>
            html`<li key=${campaign.id}>
              <a class="strong" href=${`#/campaigns/${campaign.id}`}>${campaign.name}</a>
              <div class="row wrap muted small"><${Standing} campaign=${campaign} /></div>
            </li>`,
        )}
      </ul>`
    }
  </div>`;
}
