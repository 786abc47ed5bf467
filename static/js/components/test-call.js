// One call by hand, to hear what a lead would hear: whom to call, how it goes, and what came of it.
import { html, useEffect, useSignal } from '../lib/ui.js';
import { create, get, useResource } from '../lib/api.js';
import { dur, sentence } from '../lib/format.js';
import { fail } from '../lib/notify.js';
import { ActionButton, Field, Note, Outcome, Sheet } from './basic.js';
import { CallVerdict, CallWork, detailOf } from './agent-report.js';
import { Conversation } from './player.js';

/** How often a call that is alive is looked at. */
const LOOK_MS = 1000;

const STATES = { placed: 'Dialing', ringing: 'Ringing', answered: 'Talking', ended: 'Ended' };

/** Why no test call can be made at this moment; empty where one can. */
async function hindrance(options) {
  const [dialing, carrier, voices] = await Promise.all(
    ['/dialing', '/carrier', '/voices'].map((path) => get(path, options)),
  );
  if (dialing.stopped) return 'All calling of this server is stopped. Start it again on the page Campaigns.';
  if (!carrier.real_calls) return '';
  const down = carrier.trunks.filter(({ status }) => status !== 'up');
  if (down.length === carrier.trunks.length) {
    return `No carrier takes calls. ${down.map(({ name, problem }) => `${name}: ${sentence(problem)}`).join(' ')}`;
  }
  return voices.available ? '' : `Nobody can speak. ${voices.problem}`;
}

/** @param {{campaign: object, onClose: () => void}} props */
export function TestCallSheet({ campaign, onClose }) {
  const path = `/voice-campaigns/${campaign.id}/test-calls`;
  const call = useSignal(null);
  const phone = useSignal('');
  const problem = useSignal('');
  const [hindered, lookAgain] = useResource('test call', hindrance);
  const why = hindered.value.data;
  const { id, state } = call.value ?? {};
  useEffect(() => {
    if (!id || state === 'ended') return undefined;
    const asked = new AbortController();
    const timer = setInterval(async () => {
      try {
        call.value = await get(`${path}/${id}`, { signal: asked.signal });
      } catch (error) {
        if (error.name !== 'AbortError') fail(error);
      }
    }, LOOK_MS);
    return () => {
      clearInterval(timer);
      asked.abort();
    };
  }, [id, state]);
  const place = async () => {
    problem.value = '';
    try {
      call.value = await create(path, { phone: phone.value.trim() });
    } catch (error) {
      problem.value = error.fields?.phone || error.message;
    }
  };
  const look = async () => {
    call.value = await get(`${path}/${id}`);
  };
  const hangUp = async () => {
    try {
      await create(`${path}/${id}/hangup`, null);
    } catch (error) {
      fail(error);
    }
  };
  const control = (attributes) =>
    html`<input
      class="input num"
      type="tel"
      autocomplete="tel"
      placeholder="+1 202 555 0101"
      value=${phone.value}
      onInput=${(event) => (phone.value = event.currentTarget.value)}
      ...${attributes}
    />`;
  const isAlive = id && state !== 'ended';
  return html`<${Sheet} title="Make a test call" sub=${campaign.name} onClose=${onClose}>
    <div class="stack">
      <p class="muted">
        Calls one number, once, whatever the status and the hours of the campaign. It is in none of the results. Where
        the script has a value of a lead, its name is said.
      </p>
      <form
        class="stack"
        novalidate
        onSubmit=${(event) => {
          event.preventDefault();
          if (!isAlive && !why) place();
        }}
      >
        <${Field} label="Number to call" hint="With its country code." error=${problem.value}>${control}<//>
        <div class="row">
          <${ActionButton}
            class="btn primary"
            icon="phone"
            run=${place}
            disabled=${isAlive || Boolean(why) || !phone.value.trim()}
          >
            ${id ? 'Call again' : 'Call'}
          <//>
          ${isAlive && html`<${ActionButton} class="btn danger" icon="phone-off" run=${hangUp}>Hang up<//>`}
        </div>
      </form>
      <div role="status">
        ${
          why &&
          html`<${Note}
            kind="warn"
            icon="triangle-alert"
            action=${html`<${ActionButton} class="btn small" run=${lookAgain}>Look again<//>`}
          >
            <strong>No test call can be made now.</strong> <span class="wrap-any">${why}</span>
          <//>`
        }
        ${id && html`<${Result} call=${call.value} />`}
      </div>
      ${
        state === 'ended' &&
        html`<${CallVerdict} call=${call.value} /><${Conversation} call=${call.value} onChange=${look} /><${CallWork}
            call=${call.value}
          />`
      }
    </div>
  <//>`;
}

const Result = ({ call }) =>
  html`<div class="stack-s">
    <div class="row wrap">
      <b class="strong"
        >${call.state === 'ended' ? html`<${Outcome} o=${call.outcome} exact />` : STATES[call.state]}</b
      >
      ${call.seconds > 0 && html`<span class="muted num">${dur(call.seconds)}</span>`}
    </div>
    ${detailOf(call) && html`<p class="muted wrap-any">${detailOf(call)}</p>`}
    ${call.is_simulated && html`<${Note}>Nobody’s phone rings: the simulator carries this call.<//>`}
  </div>`;
