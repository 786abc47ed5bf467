// A text to listen to, spoken by the voice of the calls. Shown only where there is a voice and the text may be spoken.
import { html, useEffect, useRef, useSignal } from '../lib/ui.js';
import { canWrite, get, postForSound, useResource } from '../lib/api.js';
import { ActionButton, Note } from './basic.js';

/** The longest text that is spoken at a time. */
const TEXT_MAX = 1000;

/**
 * A text, or how to get it, in the voice of a campaign.
 * @param {{text: string|null|(() => Promise<string|null>), voice: any}} props
 */
export function Listen({ text, voice }) {
  const [voices] = useResource('voices', (options) => get('/voices', options));
  const sound = useSignal('');
  const problem = useSignal('');
  const running = useRef(/** @type {AbortController|null} */ (null));
  const asked = {
    voice: voice.ai_voice_id || null,
    language: voice.ai_voice_language || null,
    gender: voice.ai_voice_gender || null,
  };
  const forget = () => {
    running.current?.abort();
    if (sound.peek()) URL.revokeObjectURL(sound.peek());
    sound.value = problem.value = '';
  };
  // What another text or voice sounded like is of no use any more.
  const what = JSON.stringify([typeof text === 'string' ? text : null, asked]);
  useEffect(() => forget, [what]);
  if (!canWrite.value || !voices.value.data?.available) return null;
  const listen = async () => {
    forget();
    const here = (running.current = new AbortController());
    try {
      const words = typeof text === 'function' ? await text() : text;
      if (here.signal.aborted) return;
      if (!words) {
        problem.value = 'There is nothing to say: a value is missing.';
        return;
      }
      const file = await postForSound('/voice-preview', { text: beginning(words), ...asked }, { signal: here.signal });
      if (!here.signal.aborted) sound.value = URL.createObjectURL(file);
    } catch (error) {
      if (error.name !== 'AbortError') problem.value = error.message;
    }
  };
  return html`<div class="stack-s">
    <div><${ActionButton} class="btn small" icon="volume-2" run=${listen}>Listen<//></div>
    ${
      sound.value &&
      html`<audio class="sound" controls autoplay src=${sound.value} aria-label="The script, spoken"></audio>`
    }
    ${problem.value && html`<${Note} kind="danger" icon="triangle-alert">${problem.value}<//>`}
  </div>`;
}

/** As much of a text as is spoken at a time, in whole words. */
function beginning(text) {
  const letters = [...text];
  if (letters.length <= TEXT_MAX) return text;
  const start = letters.slice(0, TEXT_MAX).join('');
  return start.replace(/\s+\S*$/, '') || start;
}
