// What an agent made of a conversation: how it came out, what was found out, what its tools did, and how long it took. The
// words of models and of the people they talk with are shown as text, whatever they look like.
import { html } from '../lib/ui.js';
import { capital, dur, millis, num, plural, sentence, stamp } from '../lib/format.js';
import { Note } from './basic.js';

/** How a conversation can come out: the words, and the group of outcomes whose colour it has. */
const CONCLUSIONS = {
  success: ['Goal reached', 'success'],
  declined: ['Said no', 'declined'],
  callback: ['Wants to be called again', 'callback'],
  no_decision: ['No decision', 'spoke'],
  wrong_person: ['Somebody else picked up', 'spoke'],
};

/** A conclusion with its colour. */
export function Conclusion({ word }) {
  const [words, group] = CONCLUSIONS[word] ?? [word, 'spoke'];
  return html`<span class="outcome"><i class=${'dot k-' + group}></i>${words}</span>`;
}

/** How it came out, who says so, and what was found out. */
export function Verdict({ verdict, answers }) {
  if (!verdict) return html`<p class="muted">Nobody could say how it came out.</p>`;
  return html`<div class="stack-s">
    <p>
      <b class="strong"><${Conclusion} word=${verdict.conclusion} /></b>
      <span class="muted small">
        ${verdict.judged_afterwards ? ' judged from the words, when it was over' : ' as the agent itself says'}
      </span>
    </p>
    ${verdict.reason && html`<p class="wrap-any">${sentence(capital(verdict.reason))}</p>`}
    <${Answers} answers=${answers} />
  </div>`;
}

/** `preferred_day` as `Preferred day`. */
const asWords = (name) => capital(name.replaceAll('_', ' '));

function Answers({ answers }) {
  const found = Object.entries(answers ?? {});
  if (!found.length) return null;
  return html`<table class="table answers" aria-label="Answers">
    <thead>
      <tr>
        <th scope="col">Asked for</th>
        <th scope="col">Answer</th>
      </tr>
    </thead>
    <tbody>
      ${found.map(
        ([name, value]) =>
          html`<tr key=${name}>
            <th scope="row" class="wrap-any">${asWords(name)}</th>
            <td class="wrap-any">${value}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

/** What an agent wants with each of its tools. */
export const TOOLS = {
  report_outcome: 'Writes down how it came out',
  opt_out: 'Writes down: no more calls',
  schedule_callback: 'Arranges another call',
  transfer: 'Puts the person through',
  send_digits: 'Presses keys',
  end_call: 'Hangs up',
  misused: 'Tries what it may not do',
};

/** What a tool was asked for with, in a few words. */
function inShort(name, given) {
  if (name === 'report_outcome') return CONCLUSIONS[given.outcome]?.[0] ?? given.outcome;
  return given.at ?? given.digits;
}

/** What exactly became of a call; what its agent says of that stands with the verdict. */
export function detailOf({ detail, conversation }) {
  const told = [conversation?.verdict?.reason, conversation?.failure].filter(Boolean);
  return !detail || told.some((words) => detail.includes(words)) ? '' : sentence(detail);
}

/** What an agent said of a call, above what was said on it. */
export function CallVerdict({ call: { conversation } }) {
  if (!conversation) return null;
  const { verdict, answers, failure } = conversation;
  return html`<section aria-label="How it came out" class="stack-s">
    <h3 class="sheet-h">How it came out</h3>
    ${
      failure &&
      html`<${Note} kind="danger" icon="triangle-alert">
        <strong>The agent could not go on.</strong> <span class="wrap-any">${sentence(capital(failure))}</span>
      <//>`
    }
    <${Verdict} verdict=${verdict} answers=${answers} />
  </section>`;
}

/** When another call was promised on a call. */
export const Promised = ({ at, zone }) =>
  at && html`<${Note} icon="calendar-clock"><strong>Another call was promised</strong> for ${stamp(at, zone)}.<//>`;

/** What an agent did on a call and how long it took, below what was said. */
export function CallWork({ call: { conversation, transcript } }) {
  if (!conversation) return null;
  const { tools, turns } = conversation;
  const interrupted = (transcript ?? []).filter((line) => line.speaker === 'agent' && line.cut_off).length;
  return html`${tools.length > 0 && html`<${Tools} tools=${tools} />`}
    <details class="bordered">
      <summary>The agent at work</summary>
      <div class="foot stack-s">
        <dl class="kv small">
          <${Model} ...${conversation} />
          <dt>First word</dt>
          <dd>${turns.length ? `${millis(turns[0].first_sound_ms)} after the answer` : 'Not measured'}</dd>
          <dt>Interrupted</dt>
          <dd>${interrupted ? plural(interrupted, 'time') : 'Never'}</dd>
        </dl>
        ${turns.length > 0 && html`<${Turns} turns=${turns} />`}
      </div>
    </details>`;
}

/** Which model it was, what it was told, and what it used; rows of a list. */
export const Model = ({ model, prompt, input_tokens: read, output_tokens: written }) =>
  html`<dt>Model</dt>
    <dd>${model === 'recorded' ? 'None: a recorded conversation of the simulator' : model}</dd>
    <dt>Tokens</dt>
    <dd>${read || written ? `${num(read)} read, ${num(written)} written` : 'None were counted'}</dd>
    <dt>Instruction</dt>
    <dd><code title="Tells versions of the instruction apart">${prompt}</code></dd>`;

const Tools = ({ tools }) =>
  html`<section aria-label="Tools">
    <h3 class="sheet-h">What the agent did</h3>
    <ol class="tools">
      ${tools.map(
        ({ seconds, name, arguments: given, answer }, i) =>
          html`<li key=${i}>
            <span class="num muted">${dur(seconds)}</span>
            <div class="wrap-any">
              <b>${TOOLS[name] ?? name}</b>${inShort(name, given) && html`: ${inShort(name, given)}`}
              <div class="muted small">${answer ? `It was told: ${answer}` : 'The call ended of it.'}</div>
            </div>
          </li>`,
      )}
    </ol>
  </section>`;

/** How long each turn took. The first is from the answer, the others from the end of what the person said. */
const Turns = ({ turns }) =>
  html`<div class="scroll-x" tabindex="0" role="group" aria-label="How long each turn took">
    <table class="table small" aria-label="Turns">
      <thead>
        <tr>
          <th scope="col">Turn</th>
          <th scope="col" class="r">First sound</th>
          <th scope="col" class="r">Hearing</th>
          <th scope="col" class="r">Model</th>
          <th scope="col" class="r">Voice</th>
          <th scope="col" class="r">Silent</th>
        </tr>
      </thead>
      <tbody>
        ${turns.map(
          ({ first_sound_ms, transcription_ms, model_ms, voice_ms, barge_in_ms }, i) =>
            html`<tr key=${i}>
              <td>${num(i + 1)}</td>
              <td class="r nowrap">${millis(first_sound_ms)}</td>
              <td class="r nowrap">${millis(transcription_ms)}</td>
              <td class="r nowrap">${millis(model_ms)}</td>
              <td class="r nowrap">${millis(voice_ms)}</td>
              <td class="r nowrap">${millis(barge_in_ms)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
    <p class="muted small">
      Until our first sound, and where that time went: in the first turn from the answer on, then from where the person
      stops. Silent is how long we went on speaking when the person spoke over us before.
    </p>
  </div>`;
