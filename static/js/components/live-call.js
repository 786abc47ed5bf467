// One call that is alive: to whom, how long it rings or talks, and how to end it.
import { html, signal, useEffect } from '../lib/ui.js';
import { canWrite, create } from '../lib/api.js';
import { dur } from '../lib/format.js';
import { link, onBeat } from '../lib/live.js';
import { confirm, fail, toast } from '../lib/notify.js';
import { ActionButton, Outcome } from './basic.js';
import { personOf } from './call-table.js';

const now = signal(Date.now());

function useNow() {
  useEffect(() => {
    // Nobody knows how long a call goes on that nothing is heard of.
    const tick = () => {
      if (link.peek() !== 'lost') now.value = Date.now();
    };
    tick();
    return onBeat(tick);
  }, []);
  return now.value;
}

/** How long ago something was, counting on. */
export const Clock = ({ since }) =>
  html`<span class="num muted small">${dur((useNow() - new Date(since).getTime()) / 1000)}</span>`;

const STATES = { placed: 'Dialing', ringing: 'Ringing', answered: 'Talking', ended: 'Ended' };

/** Asks first, then ends a call that is alive. */
export async function endCall(call) {
  const isSure = await confirm({
    title: `End the call with ${personOf(call)}?`,
    ok: 'End call',
    danger: true,
    body: 'The line is hung up at once, whatever is being said.',
  });
  if (!isSure) return;
  try {
    await create(`/calls/${call.id}/hangup`, null);
    toast('The call is being ended.');
  } catch (error) {
    fail(error);
  }
}

/** @param {{call: object, onOpen: (id: number) => void}} props */
export function LiveCall({ call, onOpen }) {
  const { state, answered_at: answeredAt, placed_at: placedAt } = call;
  const isEnded = state === 'ended';
  return html`<article class=${'live ' + (state === 'placed' ? 'ringing' : state)} aria-label=${personOf(call)}>
    <div class="row">
      <span class="live-dot" aria-hidden="true"></span>
      <button type="button" class="linkbtn strong truncate" onClick=${() => onOpen(call.id)}>${personOf(call)}</button>
      <span class="grow"></span>
      <span class="small muted">${STATES[state]}</span>
      ${!isEnded && html`<${Clock} since=${answeredAt ?? placedAt} />`}
    </div>
    <div class="small muted truncate">
      ${call.lead_name && html`<span class="num">${call.phone}</span> · `}${call.campaign_name}
    </div>
    <div class="row live-foot">
      <span class="small muted grow"
        >${isEnded ? html`<${Outcome} o=${call.outcome} exact />` : `Attempt ${call.attempt} of ${call.max_attempts}`}</span
      >
      ${
        canWrite.value &&
        !isEnded &&
        html`<${ActionButton}
          class="btn small danger"
          icon="phone-off"
          label=${`End call with ${personOf(call)}…`}
          run=${() => endCall(call)}
          >End call…<//
        >`
      }
    </div>
  </article>`;
}
