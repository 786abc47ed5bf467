// The settings of a campaign while somebody edits them: as texts for fields, checked, and sent to the server. A draft is
// saved as it is typed; a campaign that calls people only when somebody says so, because they would hear half a text.
import { signal } from './ui.js';
import { ask } from './api.js';
import { amountProblem, decimal, hourMinute, isoDay, WEEK } from './format.js';

/** So long after the last key a draft is saved. */
const PAUSE_MS = 700;
/** Minutes of the units in which waiting is said. */
export const UNITS = { minutes: 1, hours: 60, days: 1440 };

/** Fields whose text is a number, and whether it may be left out. */
const NUMBERS = {
  calls_per_day: false,
  max_concurrent_calls: false,
  max_attempts_per_lead: false,
  cost_per_call: false,
  budget: true,
};
/** Fields that are nothing when they are empty. */
const OPTIONAL = [
  'description',
  'fallback_script',
  'ai_voice_id',
  'ai_voice_gender',
  'transfer_number',
  'inbound_number',
  'start_date',
  'end_date',
];
/** Fields that are kept as the API has them. */
const AS_THEY_ARE = [
  'keys',
  'opt_out_sentence',
  'machine_detection',
  'script_prompt',
  'fallback_prompt',
  'agent',
  'agent_disclosure',
];
const PLAIN = [
  'name',
  'campaign_type',
  'inbound_number',
  'description',
  'script_template',
  'fallback_script',
  'system_prompt',
  'success_criteria',
  'ai_voice_id',
  'ai_voice_language',
  'ai_voice_gender',
  'transfer_number',
  'time_zone',
  'lead_time_zone_policy',
  'working_days',
  ...Object.keys(NUMBERS),
];

/** What fields show of a campaign. */
function formOf(campaign) {
  const minutes = campaign.retry_delay_minutes;
  const unit = ['days', 'hours'].find((name) => minutes % UNITS[name] === 0) ?? 'minutes';
  const date = (at) => (at ? isoDay(at, campaign.time_zone) : '');
  const plain = PLAIN.map((name) => [name, campaign[name] ?? '']);
  return {
    ...Object.fromEntries(plain.map(([name, value]) => [name, typeof value === 'number' ? String(value) : value])),
    ...Object.fromEntries(AS_THEY_ARE.map((name) => [name, campaign[name] ?? null])),
    calling_hours_start: hourMinute(campaign.calling_hours_start),
    calling_hours_end: hourMinute(campaign.calling_hours_end),
    start_date: date(campaign.start_date),
    // It ends with that day, so at the midnight after it.
    end_date: date(campaign.end_date && Date.parse(campaign.end_date) - 1),
    retry_wait: String(minutes / UNITS[unit]),
    retry_unit: unit,
  };
}

/** A number without what people write between its digits. */
export const bareNumber = (text) => text.replace(/[\s()./-]/g, '');

/** What the fields say, as the API wants it. */
function bodyOf(form) {
  const body = { ...form, retry_delay_minutes: Math.round(decimal(form.retry_wait) * UNITS[form.retry_unit]) };
  delete body.retry_wait;
  delete body.retry_unit;
  for (const name of Object.keys(NUMBERS)) body[name] = form[name].trim() === '' ? null : decimal(form[name]);
  for (const name of OPTIONAL) if (!form[name].trim()) body[name] = null;
  for (const name of ['transfer_number', 'inbound_number']) body[name] &&= bareNumber(body[name]);
  return body;
}

const isZone = (name) => {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: name }));
  } catch {
    return false;
  }
};
const isWhole = (text) => /^\d+$/.test(text.trim()) && Number(text) > 0;

/** Whether a campaign calls at hours at which most people do not want it, and laws often do not either. */
export const isUnusualHours = ({ campaign_type: type, calling_hours_start: from, calling_hours_end: until }) =>
  type !== 'inbound' && from && until && (from < '08:00' || until > '21:00' || until < from);

/**
 * What is wrong with each step, by field. What only the server knows it says itself. `before` is the form as it was, where
 * the campaign was started already: what was so then is no fault now.
 */
export const RULES = {
  basics: ({ name, campaign_type, inbound_number }) => ({
    ...(!name.trim() && { name: 'Give the campaign a name, so that you find it again.' }),
    ...(campaign_type === 'inbound' &&
      !inbound_number.trim() && { inbound_number: 'Enter the number that people call, such as +12025550199.' }),
  }),
  script: ({ script_template, system_prompt, success_criteria, keys, transfer_number }) => ({
    ...(keys && !Object.values(keys).includes('opt_out') && { keys: 'One key must mean “Do not call me again”.' }),
    ...(Object.values(keys ?? {}).includes('transfer') &&
      !transfer_number.trim() && {
        transfer_number: 'Enter the number, such as +12025550123.',
        keys: 'Say who takes the calls that are put through.',
      }),
    ...(script_template.trim().length < 20 && {
      script_template: 'Write at least one full sentence for the agent to say.',
    }),
    ...(!system_prompt.trim() && { system_prompt: 'Say how the agent should behave.' }),
    ...(!success_criteria.trim() && { success_criteria: 'Say what counts as a success.' }),
  }),
  leads: () => ({}),
  schedule: (form, before) => ({
    ...(!form.working_days.length && { working_days: 'Choose at least one day.' }),
    ...(!form.calling_hours_start && { calling_hours_start: 'Say when calling may begin.' }),
    ...(!form.calling_hours_end && { calling_hours_end: 'Say when calling must end.' }),
    ...(form.calling_hours_start === form.calling_hours_end && {
      calling_hours_end: 'The end must differ from the start.',
    }),
    ...(!isZone(form.time_zone) && { time_zone: 'Choose a time zone of the list, such as Europe/Berlin.' }),
    ...(!isWhole(form.calls_per_day) && { calls_per_day: 'Enter a whole number above zero.' }),
    ...(!isWhole(form.max_concurrent_calls) && { max_concurrent_calls: 'Enter a whole number above zero.' }),
    ...(!isWhole(form.max_attempts_per_lead) && { max_attempts_per_lead: 'Enter a whole number above zero.' }),
    ...(!(decimal(form.retry_wait) > 0) && { retry_delay_minutes: 'Enter a number above zero.' }),
    ...(amountProblem(form.cost_per_call, 'or 0') && { cost_per_call: amountProblem(form.cost_per_call, 'or 0') }),
    ...(form.budget.trim() !== '' &&
      amountProblem(form.budget, 'or leave it empty') && { budget: amountProblem(form.budget, 'or leave it empty') }),
    ...(form.end_date &&
      form.end_date !== before?.end_date &&
      isZone(form.time_zone) &&
      form.end_date < isoDay(Date.now(), form.time_zone) && { end_date: 'This day is over. Choose today or later.' }),
    ...(form.start_date &&
      form.end_date &&
      form.end_date < form.start_date && { end_date: 'The last day must not be before the first.' }),
  }),
  review: () => ({}),
};

/** Everything that is wrong with a form, by field. */
const problemsOf = (form, before) => Object.assign({}, ...Object.values(RULES).map((rule) => rule(form, before)));

/** Which fields of the API a field of the form belongs to. */
const apiField = (name) => (name === 'retry_wait' || name === 'retry_unit' ? 'retry_delay_minutes' : name);

/** What a control needs to show a field of a draft and change it. */
const bindTo = (draft) => (name) => ({
  value: draft.form.value[name],
  onInput: (event) => draft.set({ [name]: event.currentTarget.value }),
});

/**
 * The schedule and the limits of a campaign while somebody tries what would be: nothing is saved. `changes` are the fields
 * that are not as the campaign has them, as the API takes them.
 * @param {any} campaign as the server shows it
 */
export function trying(campaign) {
  const before = formOf(campaign);
  const draft = { form: signal(before), problems: signal({}) };
  draft.bind = bindTo(draft);
  draft.set = (changes) => {
    draft.form.value = { ...draft.form.value, ...changes };
    const changed = Object.keys(changes).map(apiField);
    draft.problems.value = Object.fromEntries(
      Object.entries(draft.problems.value).filter(([n]) => !changed.includes(n)),
    );
  };
  draft.reset = () => {
    draft.form.value = before;
    draft.problems.value = {};
  };
  draft.changes = () => {
    const was = bodyOf(before);
    const is = Object.entries(bodyOf(draft.form.value));
    return Object.fromEntries(is.filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(was[name])));
  };
  draft.check = () => {
    draft.problems.value = RULES.schedule(draft.form.value, before);
    return !Object.keys(draft.problems.value).length;
  };
  return draft;
}

/**
 * The settings of a campaign being edited.
 * `state`: saved, changed, saving, failed (see `failure`) or stale (somebody else changed it).
 * @param {any} campaign as the server shows it @param {string|null} etag
 */
export function editing(campaign, etag) {
  const isSavedAsTyped = campaign.status === 'draft';
  const before = isSavedAsTyped ? undefined : formOf(campaign);
  const draft = {
    campaign: signal(campaign),
    form: signal(formOf(campaign)),
    problems: signal({}),
    state: signal('saved'),
    failure: signal(''),
    isSavedAsTyped,
  };
  const dirty = new Set();
  let tag = etag;
  let timer = 0;
  let saving = Promise.resolve();

  draft.set = (changes) => {
    draft.form.value = { ...draft.form.value, ...changes };
    const names = Object.keys(changes).map(apiField);
    names.forEach((name) => dirty.add(name));
    const problems = { ...draft.problems.value };
    for (const name of names) delete problems[name];
    draft.problems.value = problems;
    if (draft.state.value !== 'stale') draft.state.value = 'changed';
    if (!isSavedAsTyped) return;
    clearTimeout(timer);
    timer = setTimeout(draft.save, PAUSE_MS);
  };

  /** Saves what was changed, one request after the other. Says whether everything is saved. */
  draft.save = () => {
    clearTimeout(timer);
    saving = saving.then(send);
    return saving;
  };

  /** Saves what was typed here over what somebody else saved; fields that were not touched here become theirs. */
  draft.overwrite = async () => {
    const { data, etag: newest } = await ask('GET', `/voice-campaigns/${campaign.id}`);
    tag = newest;
    draft.campaign.value = data;
    const typed = Object.entries(draft.form.value).filter(([name]) => dirty.has(apiField(name)));
    draft.form.value = { ...formOf(data), ...Object.fromEntries(typed) };
    draft.state.value = 'changed';
    return draft.save();
  };

  async function send() {
    if (draft.state.value === 'stale') return false;
    const wrong = problemsOf(draft.form.value, before);
    const names = [...dirty].filter((name) => !wrong[name]);
    if (!names.length) return dirty.size === 0;
    const whole = bodyOf(draft.form.value);
    const body = Object.fromEntries(names.map((name) => [name, whole[name]]));
    names.forEach((name) => dirty.delete(name));
    draft.state.value = 'saving';
    try {
      const answer = await ask('PUT', `/voice-campaigns/${campaign.id}`, body, { ifMatch: tag });
      tag = answer.etag;
      draft.campaign.value = answer.data;
      draft.state.value = dirty.size ? 'changed' : 'saved';
      return dirty.size === 0;
    } catch (error) {
      names.forEach((name) => dirty.add(name));
      return refused(error, names);
    }
  }

  /** Fields that the server refuses are told; the others are saved without them. */
  function refused(error, names) {
    const fields = error.fields ?? {};
    draft.problems.value = { ...draft.problems.value, ...fields };
    const bad = names.filter((name) => fields[name]);
    if (bad.length && bad.length < names.length) {
      bad.forEach((name) => dirty.delete(name));
      return send().then(() => {
        bad.forEach((name) => dirty.add(name));
        draft.state.value = 'failed';
        draft.failure.value = 'Some fields need a look.';
        return false;
      });
    }
    draft.state.value = error.status === 412 ? 'stale' : 'failed';
    draft.failure.value = bad.length ? 'Some fields need a look.' : error.message;
    return false;
  }

  draft.bind = bindTo(draft);

  /** What is wrong with a step, by field. */
  draft.wrong = (step) => RULES[step](draft.form.value, before);
  /** Whether something that was typed is lost when the page is left; what a draft has not saved yet it saves then. */
  draft.isLost = () => !['saved', ...(isSavedAsTyped ? ['changed', 'saving'] : [])].includes(draft.state.value);

  /** Marks what is wrong with a step; says whether nothing is. */
  draft.check = (step) => {
    const wrong = draft.wrong(step);
    draft.problems.value = { ...draft.problems.value, ...wrong };
    return !Object.keys(wrong).length;
  };
  return draft;
}

/** The body of a new draft. */
export const newCampaign = (texts) => ({
  status: 'draft',
  working_days: WEEK.slice(0, 5),
  calling_hours_start: '09:00',
  calling_hours_end: '18:00',
  time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  calls_per_day: 200,
  max_concurrent_calls: 2,
  max_attempts_per_lead: 3,
  retry_delay_minutes: 240,
  ...texts,
});
