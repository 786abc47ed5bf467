// The second step: what is said, how it sounds to somebody, and what the server would warn of.
import { html, useEffect, useRef, useSignal } from '../lib/ui.js';
import { get, post, useResource } from '../lib/api.js';
import { Field, Icon, Note } from '../components/basic.js';
import { addedTo, Keys, Machines, OptOut, Prompts } from '../components/keys.js';
import { AgentFields } from '../components/agent.js';
import { Listen } from '../components/listen.js';
import { Added, BUILT_IN, filled, normalName, plain, SAMPLE, spokenSeconds, variables } from '../components/script.js';
import { valuesOf, WarningText } from './campaign-script.js';

/** So long after the last key the server is asked how it would sound. */
const PAUSE_MS = 500;
/** What counts as a success: the words of the API, and ours. */
const CRITERIA = [
  ['call_completed', 'The person hears the text to its end'],
  ['message_left', 'The message is delivered, to the person or to voicemail'],
];
const OWN = 'The person says yes (presses 1)';

export function ScriptStep({ draft }) {
  const script = useRef(null);
  const example = useExample(draft.campaign.value.id);
  const preview = usePreview(draft, example.lead);
  const form = draft.form.value;
  const problems = { ...preview.fields, ...draft.problems.value };
  const area = (name, rows, ref) => (attributes) =>
    html`<textarea class="input" rows=${rows} ref=${ref} ...${draft.bind(name)} ...${attributes}></textarea>`;
  return html`<div class="stack">
    <${AgentFields} draft=${draft} />
    <${Field}
      label="Script"
      error=${problems.script_template}
      hint="Words in {curly brackets} are filled in for each person. {first_name|there} says “there” when the name is missing."
      >${area('script_template', 6, script)}<//
    >
    <${Chips} draft=${draft} example=${example} area=${script} />
    <${Preview} form=${form} example=${example} preview=${preview} />
    <${Field}
      label="Message for voicemail"
      optional
      error=${problems.fallback_script}
      hint="Left on answering machines. Without it nothing is left, and the person is tried again."
      >${area('fallback_script', 3)}<//
    >
    <${Field}
      label="Instructions to the agent"
      error=${problems.system_prompt}
      hint="How it should behave: its task, its tone, and what it must never say."
      >${area('system_prompt', 4)}<//
    >
    <${Goal} draft=${draft} /><${Keys} draft=${draft} /><${OptOut} draft=${draft} /><${Voice} draft=${draft} />
    <${Prompts} draft=${draft} /><${Machines} draft=${draft} />
  </div>`;
}

/** Somebody to hear the script: the first lead, else somebody who does not exist. */
function useExample(id) {
  const [leads] = useResource(String(id), (options) => get(`/voice-campaigns/${id}/leads?limit=1`, options));
  const lead = leads.value.data?.[0] ?? null;
  const values = lead ? valuesOf(lead) : SAMPLE;
  return { lead, values, name: values.first_name || values.name || (lead ? lead.phone : 'somebody') };
}

/** What the server says of the scripts as they are typed: seconds, warnings, and problems by field. */
function usePreview(draft, lead) {
  const answer = useSignal({ script: null, seconds: null, warnings: [], fields: {} });
  const { script_template, fallback_script } = draft.form.value;
  useEffect(() => {
    const abort = new AbortController();
    const look = async () => {
      const body = { script_template, fallback_script: fallback_script.trim() ? fallback_script : null };
      const whose = lead ? { lead_id: lead.id } : { values: SAMPLE };
      try {
        const path = `/voice-campaigns/${draft.campaign.value.id}/preview`;
        const { previews, warnings } = await post(path, { ...body, ...whose }, { signal: abort.signal });
        const [{ script, seconds }] = previews;
        answer.value = { script, seconds, warnings, fields: {} };
      } catch (error) {
        if (error.name !== 'AbortError') answer.value = { ...answer.value, fields: error.fields ?? {} };
      }
    };
    const timer = setTimeout(look, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [script_template, fallback_script, lead?.id]);
  return answer.value;
}

/** Names to put in at the cursor: those of the script, of the leads, and the first name. */
function Chips({ draft, example, area }) {
  const { script_template, fallback_script } = draft.form.value;
  const used = variables(`${script_template} ${fallback_script}`).map(({ name }) => name);
  const known = Object.keys(example.lead?.variables ?? {}).map(normalName);
  const names = [...new Set(['first_name', 'last_name', ...used, ...known])];
  const insert = (name) => {
    const { selectionStart: start, selectionEnd: end } = area.current;
    const slot = BUILT_IN.includes(name) ? `{${name}|there}` : `{${name}}`;
    draft.set({ script_template: script_template.slice(0, start) + slot + script_template.slice(end) });
    requestAnimationFrame(() => {
      area.current.focus();
      area.current.setSelectionRange(start + slot.length, start + slot.length);
    });
  };
  return html`<div class="row wrap">
    <span class="small muted" id="insert-label">Insert</span>
    <div class="chips" role="group" aria-labelledby="insert-label">
      ${names.map(
        (name) =>
          html`<button key=${name} type="button" class="chip" onClick=${() => insert(name)}>${`{${name}}`}</button>`,
      )}
    </div>
  </div>`;
}

function Preview({ form, example, preview }) {
  const seconds = preview.seconds ?? spokenSeconds(form.script_template);
  const missing = variables(form.script_template).filter(
    ({ name, hasFallback }) => !hasFallback && !example.values[name],
  );
  return html`<div class="stack-s">
    <div class="preview">
      <div class="row">
        <${Icon} n="eye" c="s" /><b class="strong grow">Heard by ${example.name}</b>
        <span class="small muted num">about ${seconds} s</span>
      </div>
      <p class="script" aria-live="polite">
        ${filled(form.script_template, example.values)}${' '}
        <${Added} text=${addedTo(preview.script, plain(form.script_template, example.values))} />
      </p>
      ${preview.script && html`<${Listen} text=${preview.script} voice=${form} />`}
    </div>
    ${
      missing.length > 0 &&
      html`<p class="small muted">
        ${
          example.lead
            ? 'What is marked is not known of this person, so there would be no call.'
            : 'What is marked comes from the columns of your file, in the next step.'
        }
      </p>`
    }
    <div aria-live="polite" class="stack-s">
      ${preview.warnings.map(
        (warning) =>
          html`<${Note} key=${warning.field + warning.message} kind="warn" icon="triangle-alert"
            ><${WarningText} ...${warning}
          /><//>`,
      )}
    </div>
  </div>`;
}

function Goal({ draft }) {
  const { success_criteria: criteria } = draft.form.value;
  const isOwn = !CRITERIA.some(([word]) => word === criteria);
  const choose = (event) => draft.set({ success_criteria: event.currentTarget.value || OWN });
  const select = (attributes) =>
    html`<select class="input" onChange=${choose} ...${attributes}>
      ${CRITERIA.map(
        ([word, label]) => html`<option key=${word} value=${word} selected=${criteria === word}>${label}</option>`,
      )}
      <option value="" selected=${isOwn}>The person says yes: presses 1</option>
    </select>`;
  const own = (attributes) => html`<input class="input" ...${draft.bind('success_criteria')} ...${attributes} />`;
  return html`<div class="cols two">
    <${Field} label="A call is a success when" hint="Shown as “Goal reached”.">${select}<//>
    ${
      isOwn &&
      html`<${Field}
        label="In your words"
        error=${draft.problems.value.success_criteria}
        hint="What a yes means. Key 1 is yes, key 2 is no."
        >${own}<//
      >`
    }
  </div>`;
}

const GENDERS = [
  ['', 'Any'],
  ['female', 'Female'],
  ['male', 'Male'],
  ['neutral', 'Neutral'],
];
const LANGUAGES = ['en-US', 'en-GB', 'de-DE', 'es-ES', 'fr-FR', 'it-IT', 'nl-NL', 'pt-BR', 'pt-PT', 'hi-IN', 'ar-SA'];

function Voice({ draft }) {
  const form = draft.form.value;
  const problems = draft.problems.value;
  const language = (attributes) =>
    html`<input
      class="input"
      list="languages"
      autocomplete="off"
      spellcheck="false"
      ...${draft.bind('ai_voice_language')}
      ...${attributes}
    />`;
  const gender = (attributes) =>
    html`<select
      class="input"
      onChange=${(event) => draft.set({ ai_voice_gender: event.currentTarget.value })}
      ...${attributes}
    >
      ${GENDERS.map(
        ([word, label]) =>
          html`<option key=${word} value=${word} selected=${form.ai_voice_gender === word}>${label}</option>`,
      )}
    </select>`;
  const voice = (attributes) =>
    html`<input class="input" spellcheck="false" ...${draft.bind('ai_voice_id')} ...${attributes} />`;
  return html`<div class="cols">
    <${Field} label="Language" error=${problems.ai_voice_language} hint=${languageName(form.ai_voice_language)}
      >${language}<//
    >
    <datalist id="languages">
      ${LANGUAGES.map((code) => html`<option key=${code} value=${code}>${languageName(code)}</option>`)}
    </datalist>
    <${Field} label="Voice" error=${problems.ai_voice_gender}>${gender}<//>
    <${Field} label="Voice id" optional error=${problems.ai_voice_id}>${voice}<//>
  </div>`;
}

function languageName(code) {
  try {
    return new Intl.DisplayNames(['en'], { type: 'language' }).of(code);
  } catch {
    return 'A code such as en-US';
  }
}
