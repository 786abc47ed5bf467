// The first step of making a campaign: its name and the text to begin with.
import { html, useSignal } from '../lib/ui.js';
import { create as post } from '../lib/api.js';
import { fail } from '../lib/notify.js';
import { bareNumber, newCampaign } from '../lib/draft.js';
import { Field, focusInvalid, Icon, input, Picks } from '../components/basic.js';
import { STARTERS } from '../components/starters.js';

/** Who calls whom. */
const TYPES = [
  ['outbound', 'Call people', 'Everybody on a list, within the hours'],
  ['inbound', 'Take calls', 'Whoever calls a number of yours hears the script'],
];

/**
 * Name, caller and text of a campaign that does not exist yet.
 * @param {{create: {current: () => Promise<void>}, onCreated: (campaign: any) => void}} props `create` is given what makes it
 */
export function NewStep({ create, onCreated }) {
  const name = useSignal('');
  const caller = useSignal('');
  const starter = useSignal(STARTERS[0]);
  const type = useSignal('outbound');
  const number = useSignal('');
  const problems = useSignal({});
  const isInbound = type.value === 'inbound';
  create.current = async () => {
    problems.value = {
      ...(!name.value.trim() && { name: 'Give the campaign a name, so that you find it again.' }),
      ...(!caller.value.trim() && { caller: 'People must hear who is calling them.' }),
      ...(isInbound && !number.value.trim() && { inbound_number: NUMBER_MISSING }),
    };
    if (Object.keys(problems.value).length) return void focusInvalid();
    const { script, fallback, prompt, criteria } = starter.value;
    const who = caller.value.trim().replaceAll(/[{}]/g, '');
    try {
      const campaign = await post(
        '/voice-campaigns',
        newCampaign({
          name: name.value.trim(),
          script_template: script(who),
          fallback_script: fallback(who),
          system_prompt: prompt(who),
          success_criteria: criteria,
          ...(isInbound && { campaign_type: 'inbound', inbound_number: bareNumber(number.value) }),
        }),
      );
      onCreated(campaign);
    } catch (error) {
      problems.value = error.fields ?? {};
      // What is wrong with a field of this step stands at the field, in words without its name.
      const isHere = (field) => ['name', 'inbound_number'].includes(field);
      if (!Object.keys(problems.value).some(isHere)) fail(error);
      focusInvalid();
    }
  };
  const text = (field, key, more) => (attributes) =>
    html`<input
      class="input"
      value=${field.value}
      onInput=${(event) => {
        field.value = event.currentTarget.value;
        problems.value = { ...problems.value, [key]: undefined };
      }}
      ...${more}
      ...${attributes}
    />`;
  return html`<div class="stack">
    <${Field} label="Name" error=${problems.value.name} hint="Only you see this."
      >${text(name, 'name', { maxlength: 200, placeholder: 'Appointment reminders in December' })}<//
    >
    <${Field}
      label="Who is calling?"
      error=${problems.value.caller}
      hint="Your organization, as people know it. The agent says it in the first sentence."
      >${text(caller, 'caller', { maxlength: 120, placeholder: 'Lakeside Clinic', autocomplete: 'organization' })}<//
    >
    <fieldset class="field">
      <legend class="label">Begin with</legend>
      <div class="picks">
        ${STARTERS.map((option) => html`<${Pick} key=${option.key} option=${option} chosen=${starter} />`)}
      </div>
    </fieldset>
    <${Picks} legend="Who calls?" name="type" options=${TYPES} chosen=${type} />
    ${isInbound && html`<${NumberField} error=${problems.value.inbound_number} control=${input(number, NUMBER)} />`}
    <div class="preview">
      <div class="row">
        <${Icon} n="eye" c="s" /><b class="strong">This text, which you can change in the next step</b>
      </div>
      <p class="script" aria-live="polite">${starter.value.script(caller.value.trim() || '…')}</p>
    </div>
  </div>`;
}

const Pick = ({ option, chosen }) =>
  html`<label class="pick"
    ><input
      type="radio"
      name="starter"
      checked=${chosen.value === option}
      onChange=${() => (chosen.value = option)}
    /><span
      ><${Icon} n=${option.icon} c="l" /><span
        ><b class="strong">${option.label}</b><small>${option.words}</small></span
      ></span
    ></label
  >`;

const NUMBER = { class: 'num', type: 'tel', placeholder: '+1 202 555 0199' };
const NUMBER_MISSING = 'Enter the number that people call, such as +12025550199.';

const NumberField = ({ error, control }) =>
  html`<${Field}
    label="Number that people call"
    error=${error}
    hint="A number of yours that the carrier sends here. No other campaign can have it."
    >${control}<//
  >`;

/** The same step of a campaign that exists. */
export function NameStep({ draft }) {
  const problems = draft.problems.value;
  const name = (attributes) => html`<input class="input" maxlength="200" ...${draft.bind('name')} ...${attributes} />`;
  const description = (attributes) =>
    html`<textarea class="input" rows="3" ...${draft.bind('description')} ...${attributes}></textarea>`;
  return html`<div class="stack">
    <${Field} label="Name" error=${problems.name} hint="Only you see this.">${name}<//>
    <${Field} label="Description" optional error=${problems.description} hint="What it is for, for your colleagues."
      >${description}<//
    >
    <${Type} draft=${draft} />
  </div>`;
}

/** Who calls whom; a campaign that calls people has no number of its own. */
function Type({ draft }) {
  const { campaign_type: type } = draft.form.value;
  const choose = (word) =>
    draft.set(word === 'inbound' ? { campaign_type: word } : { campaign_type: word, inbound_number: '' });
  const number = (attributes) =>
    html`<input
      class="input num"
      type="tel"
      placeholder=${NUMBER.placeholder}
      ...${draft.bind('inbound_number')}
      ...${attributes}
    />`;
  return html`<${Picks} legend="Who calls?" name="type" options=${TYPES} chosen=${{ value: type }} onChoose=${choose} />
    ${type === 'inbound' && html`<${NumberField} error=${draft.problems.value.inbound_number} control=${number} />`}`;
}
