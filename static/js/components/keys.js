// What a person can press on a call, what they are told of it, and sounds that are played instead of a voice.
import { html, useSignal } from '../lib/ui.js';
import { ask, canWrite, del, get, useResource } from '../lib/api.js';
import { ActionButton, Field, Icon, Note } from './basic.js';

const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0', '*', '#'];
/** What a key does, in words. */
const ACTIONS = {
  yes: 'Yes',
  no: 'No',
  call_back: 'Call me another time',
  opt_out: 'Do not call me again',
  transfer: 'Put me through to a person',
  repeat: 'Say it again',
};
/** Criteria for which no verdict is asked. */
const FIXED = ['call_completed', 'message_left'];

/** What the keys of a campaign do when it does not say it. */
const usual = (criteria) => (FIXED.includes(criteria) ? { 9: 'opt_out' } : { 1: 'yes', 2: 'no', 9: 'opt_out' });

/** The keys of a campaign in the order of a telephone: `[key, words]`. */
export function keysOf({ keys, success_criteria }) {
  const map = keys ?? usual(success_criteria);
  return KEYS.filter((key) => map[key]).map((key) => [key, ACTIONS[map[key]]]);
}

/** What was added to a script: how to opt out. */
export const addedTo = (spoken, script) => {
  const start = script.trimEnd();
  return spoken?.startsWith(start) ? spoken.slice(start.length).replace(/^[.\s]+/, '') : '';
};

/** Which key does what, and where people are put through to. */
export function Keys({ draft }) {
  const form = draft.form.value;
  const problems = draft.problems.value;
  const isOwn = form.keys != null;
  const map = form.keys ?? usual(form.success_criteria);
  const used = KEYS.filter((key) => map[key]);
  const set = (keys) => draft.set({ keys });
  const add = () => {
    const free = KEYS.find((key) => !map[key]);
    if (free) set({ ...map, [free]: 'repeat' });
  };
  const without = (key) => Object.fromEntries(Object.entries(map).filter(([known]) => known !== key));
  const move = (from, to) => set({ ...without(from), [to]: map[from] });
  const number = (attributes) =>
    html`<input
      class="input"
      type="tel"
      placeholder="+12025550123"
      ...${draft.bind('transfer_number')}
      ...${attributes}
    />`;
  return html`<fieldset class="field">
    <legend class="label">Keys</legend>
    <p class="hint">
      What a person can press while the agent speaks, and for some seconds after it. One key always takes them off your
      list.
    </p>
    <div class="stack-s">
      ${
        isOwn
          ? used.map(
              (key) =>
                html`<div class="row" key=${key}>
                  <select
                    class="input key"
                    aria-label="Key"
                    onChange=${(event) => move(key, event.currentTarget.value)}
                  >
                    ${KEYS.filter((other) => other === key || !map[other]).map(
                      (other) => html`<option key=${other} value=${other} selected=${other === key}>${other}</option>`,
                    )}
                  </select>
                  <select
                    class="input grow"
                    aria-label=${`What key ${key} does`}
                    onChange=${(event) => set({ ...map, [key]: event.currentTarget.value })}
                  >
                    ${Object.entries(ACTIONS).map(
                      ([word, label]) =>
                        html`<option key=${word} value=${word} selected=${map[key] === word}>${label}</option>`,
                    )}
                  </select>
                  <button type="button" class="btn ghost small" onClick=${() => set(without(key))}>
                    <${Icon} n="x" c="s" /><span class="vh">Remove key ${key}</span>
                  </button>
                </div>`,
            )
          : html`<p>
              ${keysOf(form)
                .map(([key, words]) => `${key}: ${words}`)
                .join(' · ')}
            </p>`
      }
      <div class="row wrap">
        ${
          isOwn
            ? html`<button type="button" class="btn small" onClick=${add} disabled=${used.length === KEYS.length}>
                  <${Icon} n="plus" c="s" />Add a key
                </button>
                <button type="button" class="btn ghost small" onClick=${() => set(null)}>Use the usual keys</button>`
            : html`<button type="button" class="btn small" onClick=${() => set(map)}>
                <${Icon} n="pencil" c="s" />Choose keys
              </button>`
        }
      </div>
    </div>
    ${problems.keys && html`<p class="err"><${Icon} n="circle-alert" c="s" />${problems.keys}</p>`}
    ${
      (Object.values(map).includes('transfer') || problems.transfer_number) &&
      html`<${Field}
        label="Number of the person who takes these calls"
        error=${problems.transfer_number}
        hint="With its country code. The carrier connects the two; the agent leaves the call."
        >${number}<//
      >`
    }
  </fieldset>`;
}

/** What is said of opting out after the script. */
export function OptOut({ draft }) {
  const { opt_out_sentence: sentence } = draft.form.value;
  const choose = (event) => {
    const words = { usual: null, none: '', own: sentence || 'If you do not want to be called again, press 9.' };
    draft.set({ opt_out_sentence: words[event.currentTarget.value] });
  };
  const chosen = sentence == null ? 'usual' : sentence === '' ? 'none' : 'own';
  const select = (attributes) =>
    html`<select class="input" onChange=${choose} ...${attributes}>
      <option value="usual" selected=${chosen === 'usual'}>The usual sentence, in the language of the voice</option>
      <option value="own" selected=${chosen === 'own'}>My own words</option>
      <option value="none" selected=${chosen === 'none'}>Nothing</option>
    </select>`;
  const own = (attributes) =>
    html`<input class="input" maxlength="500" ...${draft.bind('opt_out_sentence')} ...${attributes} />`;
  return html`<div class="cols two">
    <${Field} label="After the script, about opting out" hint="Left out when the script itself says which key to press."
      >${select}<//
    >
    ${
      chosen === 'own' &&
      html`<${Field} label="Your sentence" error=${draft.problems.value.opt_out_sentence} hint="Say which key to press."
        >${own}<//
      >`
    }
  </div>`;
}

/** Whether machines are told from people. */
export function Machines({ draft }) {
  const { machine_detection: value } = draft.form.value;
  const options = [
    ['', 'As the server is set up', null],
    ['yes', 'Yes: listen first, and leave the message for voicemail', true],
    ['no', 'No: speak at once', false],
  ];
  const choose = (event) =>
    draft.set({ machine_detection: options.find(([word]) => word === event.currentTarget.value)[2] });
  const select = (attributes) =>
    html`<select class="input" onChange=${choose} ...${attributes}>
      ${options.map(
        ([word, label, meant]) => html`<option key=${word} value=${word} selected=${value === meant}>${label}</option>`,
      )}
    </select>`;
  return html`<${Field}
    label="Recognise answering machines"
    error=${draft.problems.value.machine_detection}
    hint="Listening takes one or two seconds, in which the person hears nothing."
    >${select}<//
  >`;
}

const KINDS = { script_prompt: 'Script', fallback_prompt: 'Message for voicemail' };

/** Sounds that were uploaded, and what they are played for. */
export function Prompts({ draft }) {
  const { id } = draft.campaign.value;
  const form = draft.form.value;
  const [prompts, reload] = useResource(`prompts ${id}`, (options) => get(`/voice-campaigns/${id}/prompts`, options));
  const problem = useSignal('');
  const list = prompts.value.data ?? [];
  const upload = async (file) => {
    if (!file) return;
    problem.value = '';
    const name = file.name.replace(/\.[^.]*$/, '').slice(0, 200) || 'Prompt';
    const path = `/voice-campaigns/${id}/prompts?name=${encodeURIComponent(name)}`;
    try {
      await ask('POST', path, file);
    } catch (error) {
      problem.value = error.message;
    }
    reload();
  };
  const remove = async (prompt) => {
    problem.value = '';
    try {
      await del(`/voice-campaigns/${id}/prompts/${prompt.id}`);
    } catch (error) {
      problem.value = error.message;
    }
    reload();
  };
  const choice = (field) => (attributes) =>
    html`<select
      class="input"
      onChange=${(event) => draft.set({ [field]: Number(event.currentTarget.value) || null })}
      ...${attributes}
    >
      <option value="" selected=${form[field] == null}>The voice</option>
      ${list.map(
        (prompt) =>
          html`<option key=${prompt.id} value=${prompt.id} selected=${form[field] === prompt.id}>
            ${prompt.name}
          </option>`,
      )}
    </select>`;
  return html`<fieldset class="field">
    <legend class="label">Recorded prompts <span class="faint">(optional)</span></legend>
    <p class="hint">
      A recording of somebody, WAV or MP3, is played instead of the voice. Write above in words what it says.
    </p>
    <div class="stack-s">
      ${list.map(
        (prompt) =>
          html`<div class="row wrap" key=${prompt.id}>
            <span class="grow">${prompt.name} <span class="faint small num">${prompt.seconds} s</span></span>
            <audio
              class="sound"
              controls
              preload="none"
              src=${`api/voice-campaigns/${id}/prompts/${prompt.id}`}
              aria-label=${`The prompt ${prompt.name}`}
            ></audio>
            ${
              canWrite.value &&
              html`<${ActionButton} class="btn ghost small" icon="trash-2" run=${() => remove(prompt)}
                ><span class="vh">Delete the prompt ${prompt.name}</span><//
              >`
            }
          </div>`,
      )}
      <label class="btn small upload"
        ><${Icon} n="upload" c="s" />Upload a recording<input
          type="file"
          accept=".wav,.mp3,audio/wav,audio/mpeg"
          class="vh"
          onChange=${(event) => upload(event.currentTarget.files[0])}
      /></label>
      ${problem.value && html`<${Note} kind="danger" icon="triangle-alert">${problem.value}<//>`}
    </div>
    ${
      list.length > 0 &&
      html`<div class="cols two">
        ${Object.entries(KINDS).map(
          ([field, label]) =>
            html`<${Field} key=${field} label=${`${label} is spoken by`} error=${draft.problems.value[field]}
              >${choice(field)}<//
            >`,
        )}
      </div>`
    }
  </fieldset>`;
}
