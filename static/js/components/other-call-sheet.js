// The sheet of a call that is no dial of a lead: one that was made by hand, or one that came in. It counts in no sum.
import { html, useEffect } from '../lib/ui.js';
import { canWrite, create, get, useResource } from '../lib/api.js';
import { dur, stamp } from '../lib/format.js';
import { fail } from '../lib/notify.js';
import { ActionButton, Loading, Note, Outcome, Problem, Sheet } from './basic.js';
import { CallVerdict, CallWork, detailOf, Promised } from './agent-report.js';
import { Timeline, why } from './call-sheet.js';
import { Conversation } from './player.js';

/** How often one that is alive is looked at. */
const LOOK_MS = 1000;

/** What both kinds are called. */
export const KINDS = { test: 'Test call', inbound: 'Incoming call' };

/** Whether an address names such a call, as `inbound-7`. */
export const isOther = (id) => /^(test|inbound)-\d+$/.test(id);

/** @param {{id: string, campaign: object, onClose: () => void}} props */
export function OtherCallSheet({ id, campaign, onClose }) {
  const [kind, number] = id.split('-');
  const path = kind === 'test' ? `/voice-campaigns/${campaign.id}/test-calls/${number}` : `/inbound-calls/${number}`;
  const [resource, reload] = useResource(path, (options) => get(path, options));
  const { data: call, error } = resource.value;
  const isAlive = call && call.state !== 'ended';
  useEffect(() => {
    if (!isAlive) return undefined;
    const timer = setInterval(reload, LOOK_MS);
    return () => clearInterval(timer);
  }, [isAlive]);
  return html`<${Sheet}
    title=${call ? call.phone || (kind === 'test' ? 'Erased person' : 'Number withheld') : KINDS[kind]}
    sub=${call && `${KINDS[kind]} · ${stamp(call.asked_at, campaign.time_zone)}`}
    onClose=${onClose}
  >
    ${
      error
        ? html`<${Problem} error=${error} retry=${reload} />`
        : !call
          ? html`<${Loading} rows=${3} h=${70} />`
          : html`<${Contents} call=${call} path=${path} reload=${reload} zone=${campaign.time_zone} />`
    }
  <//>`;
}

function Contents({ call, path, reload, zone }) {
  const isAlive = call.state !== 'ended';
  const hangUp = async () => {
    try {
      await create(`${path}/hangup`, null);
      reload();
    } catch (error) {
      fail(error);
    }
  };
  const leads = `#/campaigns/${call.campaign_id}/leads?lead=${call.lead_id}`;
  return html`<div class="row wrap" style="gap:18px">
      <b class="strong">${isAlive ? 'In progress' : html`<${Outcome} o=${call.outcome} exact />`}</b>
      ${call.seconds != null && html`<span class="muted num">${dur(call.seconds)}</span>`}
      <span class="grow"></span>
      ${
        canWrite.value &&
        isAlive &&
        html`<${ActionButton} class="btn small danger" icon="phone-off" run=${hangUp}>Hang up<//>`
      }
    </div>
    <${Note}>
      ${!isAlive && html`${why(call)} `}${detailOf(call) && html`<span class="wrap-any">${detailOf(call)} </span>`} It
      counts in none of the results of the campaign.
    <//>
    <${Promised} at=${call.call_back_at} zone=${zone} /><${CallVerdict} call=${call} />
    <${Conversation} call=${call} onChange=${reload} /><${CallWork} call=${call} />
    <${Timeline} call=${call} zone=${zone} />
    <section aria-label="About">
      <h3 class="sheet-h">About this call</h3>
      <dl class="kv small">
        <dt>Campaign</dt>
        <dd><a href=${`#/campaigns/${call.campaign_id}`}>Campaign ${call.campaign_id}</a></dd>
        <dt>${call.kind === 'test' ? 'Said the values of' : 'Known as'}</dt>
        <dd>${call.lead_id ? html`<a href=${leads}>Lead ${call.lead_id}</a>` : 'Nobody of the leads'}</dd>
        ${call.placed_by && html`<dt>Made by</dt>`}${call.placed_by && html`<dd>${call.placed_by}</dd>`}
        <dt>Carried by</dt>
        <dd>${call.is_simulated ? 'Simulator. No real phone rang.' : call.carrier}</dd>
      </dl>
    </section>`;
}
