// What can be done to a campaign: start, pause, resume, raise the budget, duplicate, complete, delete. One place, so that
// the list and the page of a campaign do and say the same.
import { html, signal, useSignal } from '../lib/ui.js';
import { canWrite, create, del, downloadUrl, get, patch, put } from '../lib/api.js';
import { go } from '../lib/router.js';
import { confirm, fail, toast } from '../lib/notify.js';
import { overview } from '../lib/store.js';
import {
  amountProblem,
  day,
  dayRange,
  decimal,
  hourMinute,
  money,
  openLeads,
  plural,
  zoneName,
} from '../lib/format.js';
import { ActionButton, CopyButton, Field, FormDialog, Icon, input, Menu, Picks, Sheet } from './basic.js';
import { TestCallSheet } from './test-call.js';

const people = (count) => plural(count, 'person', 'people');

/** Does something with the API, says so, and has what is shown read again. */
async function act(work, said, onChange) {
  try {
    await work();
    if (said) toast(...said);
  } catch (error) {
    fail(error, onChange);
  }
  onChange?.();
}

const setStatus = (id, status) => patch(`/voice-campaigns/${id}/status`, { status });

/** Asks before people are called, with everything that limits it. @param {any} campaign @param {number} count of people */
export function askToStart(campaign, count) {
  const { name, campaign_type: type, time_zone: zone, lead_time_zone_policy: policy, budget } = campaign;
  if (type === 'inbound') {
    const body = `Whoever calls ${campaign.inbound_number ?? 'its number'} hears the script, at any hour. You can pause at any time.`;
    return confirm({ title: `Take calls for “${name}”?`, ok: 'Take calls', body });
  }
  const hours = `${hourMinute(campaign.calling_hours_start)}–${hourMinute(campaign.calling_hours_end)}`;
  const clock = policy === 'lead' ? 'on the clock of each person' : zoneName(zone);
  const date = (at) => day(at, zone);
  const limits = [
    `${dayRange(campaign.working_days)} ${hours} (${clock})`,
    campaign.start_date && `not before ${date(campaign.start_date)}`,
    campaign.end_date && `until ${date(Date.parse(campaign.end_date) - 1)}`,
    `at most ${plural(campaign.calls_per_day, 'call')} a day`,
    budget == null ? 'without a budget limit' : `with a budget of ${money(budget)}`,
  ];
  return confirm({
    title: `Start “${name}”?`,
    ok: 'Start calling',
    body: `Up to ${people(count)} will be called, ${limits.filter(Boolean).join(', ')}. You can pause at any time.`,
  });
}

const isHeld = () => overview.value?.dialing.stopped || overview.value?.dialing.woke_up;
const HELD = 'It goes on when calling is allowed again.';

/** Has a campaign call. Returns what to say of it: `words` where people are called now or when their hours come. */
async function call(id, words) {
  const { status, campaign_type: type } = await setStatus(id, 'active');
  if (status === 'active' && type === 'inbound') return 'Calls are taken from now on.';
  if (isHeld()) return HELD;
  const { standing } = await get(`/voice-campaigns/${id}/stats`);
  return ['attention', 'completed'].includes(standing.state) ? `Nobody is called. ${standing.message}` : words;
}

/** Starts a campaign. Returns what to say of it. */
export const startNow = ({ id }) => call(id, 'Calling has started.');

async function start({ id, stats }, onChange) {
  try {
    const campaign = await get(`/voice-campaigns/${id}`);
    if (!(await askToStart(campaign, openLeads(stats.leads)))) return;
    toast(await startNow(campaign));
  } catch (error) {
    fail(error, onChange);
  }
  onChange?.();
}

async function resume({ id }, onChange) {
  try {
    toast(await call(id, 'Calling goes on.'));
  } catch (error) {
    fail(error, onChange);
  }
  onChange?.();
}

/** Asks nothing, because it can be undone. */
function pause(campaign, onChange) {
  const undo = { action: 'Undo', onAction: () => resume(campaign, onChange) };
  return act(() => setStatus(campaign.id, 'paused'), ['Paused. Calls in progress may finish.', undo], onChange);
}

async function complete({ id, name, stats }, onChange) {
  const open = openLeads(stats.leads);
  const isSure = await confirm({
    title: `Complete “${name}”?`,
    ok: 'Complete campaign',
    danger: true,
    body: html`${open === 0 ? 'Nobody is left to call.' : `${people(open)} will not be called any more.`} Results stay.`,
  });
  if (isSure) await act(() => setStatus(id, 'completed'), ['Campaign completed.'], onChange);
}

async function remove({ id, name, stats }, onDeleted, onChange) {
  const isSure = await confirm({
    title: `Delete “${name}”?`,
    ok: 'Delete for good',
    danger: true,
    body: html`${people(stats.total_leads)} and ${plural(stats.attempts, 'call')} of this campaign are removed, and
    calls in progress are ended. Numbers on the do-not-call list stay there. This cannot be undone here.`,
  });
  if (!isSure) return;
  try {
    await del(`/voice-campaigns/${id}`);
    toast('Campaign deleted.');
    onDeleted();
  } catch (error) {
    fail(error, onChange);
  }
}

/** The one button of a campaign: what most probably comes next. `onChange` reads again what is shown. */
export function MainAction({ campaign, onChange, small }) {
  const size = small ? 'btn small' : 'btn';
  const name = html`<span class="vh">: ${campaign.name}</span>`;
  const link = (href, icon, words) =>
    html`<a class=${size} href=${href}>${icon && html`<${Icon} n=${icon} c="s" />`}${words}${name}</a>`;
  const button = (run, icon, words) =>
    html`<${ActionButton} class=${size} icon=${icon} run=${() => run(campaign, onChange)}>${words}${name}<//>`;
  const { id, status, stats } = campaign;
  const page = `#/campaigns/${id}`;
  if (status === 'completed' || !canWrite.value) return link(page, '', 'Results');
  if (status === 'paused') return button(resume, 'play', 'Resume');
  if (status === 'draft') {
    return stats.total_leads || campaign.campaign_type === 'inbound'
      ? button(start, 'play', 'Start')
      : link(`${page}/leads`, 'upload', 'Add leads');
  }
  switch (stats.standing.code) {
    case 'budget':
      return button(askForBudget, 'wallet', 'Raise budget');
    case 'no_leads':
      return link(`${page}/leads`, 'upload', 'Add leads');
    case 'schedule_ended':
      return link(`${page}/edit?step=schedule`, 'calendar-clock', 'Change dates');
    case 'agent_missing':
      return link(`${page}/edit?step=script`, 'pencil', 'Choose who talks');
    case 'missing_variable':
    case 'time_zone_unknown':
    case 'country_not_allowed':
    case 'number_refused':
      return link(`${page}/leads?hold=${stats.standing.code}`, 'users', 'See leads');
    default:
      return button(pause, 'pause', 'Pause');
  }
}

/** Everything else. `onDeleted` is called when the campaign is gone. */
export function MoreActions({ campaign, onChange, onDeleted = onChange, small }) {
  const { id, name, status } = campaign;
  const path = `/voice-campaigns/${id}`;
  const exported = (what) => ({ href: downloadUrl(`${path}/${what}/export`, { format: 'csv' }), download: true });
  const isActive = status === 'active';
  const items = [
    canWrite.value && { label: 'Edit', icon: 'pencil', href: `#/campaigns/${id}/edit` },
    canWrite.value && isActive && { label: 'Pause', icon: 'pause', onClick: () => pause(campaign, onChange) },
    canWrite.value &&
      status === 'completed' && { label: 'Start again…', icon: 'play', onClick: () => start(campaign, onChange) },
    canWrite.value && { label: 'Change budget…', icon: 'wallet', onClick: () => askForBudget(campaign, onChange) },
    canWrite.value && { label: 'Make a test call…', icon: 'phone', onClick: () => askForTestCall(campaign) },
    canWrite.value && { label: 'Try the agent', icon: 'flask-conical', href: `#/campaigns/${id}/agent` },
    canWrite.value && { label: 'Duplicate…', icon: 'copy', onClick: () => askForCopy(campaign) },
    { label: 'Export calls (CSV)', icon: 'download', ...exported('calls') },
    { label: 'Export leads (CSV)', icon: 'download', ...exported('leads') },
    canWrite.value && '-',
    canWrite.value &&
      ['active', 'paused'].includes(status) && {
        label: 'Complete…',
        icon: 'check-check',
        onClick: () => complete(campaign, onChange),
      },
    canWrite.value && {
      label: 'Delete…',
      icon: 'trash-2',
      danger: true,
      onClick: () => remove(campaign, onDeleted, onChange),
    },
  ];
  return html`<${Menu} small=${small} label=${`More actions for ${name}`} items=${items} />`;
}

/** The dialog that is open: `{kind, campaign, …}` or null. */
const dialog = signal(null);
const closeDialog = () => {
  dialog.value = null;
};

const askForBudget = (campaign, onChange) => {
  dialog.value = { kind: 'budget', campaign, onChange };
};
const askForCopy = (campaign) => {
  dialog.value = { kind: 'copy', campaign };
};

const askForTestCall = (campaign) => {
  dialog.value = { kind: 'test', campaign };
};

/** Where the dialogs of the actions appear; pages with actions show it once. */
export function ActionDialogs() {
  if (!dialog.value) return null;
  const { kind, ...props } = dialog.value;
  return html`<${DIALOGS[kind]} ...${props} />`;
}

const TestCall = ({ campaign }) => html`<${TestCallSheet} campaign=${campaign} onClose=${closeDialog} />`;

const DIALOGS = { budget: BudgetDialog, copy: CopyDialog, secrets: SecretsSheet, test: TestCall };

function BudgetDialog({ campaign, onChange }) {
  const { id, name, stats } = campaign;
  const amount = useSignal(stats.budget == null ? '' : String(stats.budget));
  const problem = useSignal('');
  const save = async () => {
    const wrong = amount.value.trim() && amountProblem(amount.value, 'or leave it empty');
    if (wrong) throw Object.assign(new Error(wrong), { fields: { budget: wrong } });
    const budget = amount.value.trim() === '' ? null : decimal(amount.value);
    await put(`/voice-campaigns/${id}`, { budget });
    toast(budget === null ? 'There is no budget limit now.' : `The budget is ${money(budget)} now.`);
    closeDialog();
    onChange?.();
  };
  return html`<${FormDialog}
    title=${`Budget of “${name}”`}
    ok="Save budget"
    onClose=${closeDialog}
    onSubmit=${save}
    onProblem=${(fields) => (problem.value = fields.budget || '')}
  >
    <p>
      ${money(stats.total_cost)} spent so far, ${money(stats.cost_per_call)} for each call that is answered. Calling
      stops when the budget is used up.
    </p>
    <${Field} label="New budget" hint="Leave it empty for no limit." error=${problem.value}>
      ${input(amount, { class: 'num', inputmode: 'decimal', autocomplete: 'off' })}
    <//>
  <//>`;
}

/** Which people go into the copy. */
const COPIES = [
  ['none', 'Nobody', 'Only the script, the schedule and the limits'],
  ['not_reached', 'Those who were not reached', 'Everybody whom no call has reached'],
  ['all', 'Everybody', 'The whole list again, from the beginning'],
];

function CopyDialog({ campaign }) {
  const name = useSignal(`${campaign.name} (copy)`);
  const leads = useSignal('none');
  const problem = useSignal('');
  const save = async () => {
    const body = { name: name.value.trim(), leads: leads.value };
    const copy = await create(`/voice-campaigns/${campaign.id}/duplicate`, body);
    toast('Duplicated. The copy is a draft: nobody is called before you start it.');
    // Receivers of events got new secrets, which are shown now or never.
    dialog.value = copy.webhooks.some((webhook) => webhook.secret) ? { kind: 'secrets', campaign: copy } : null;
    go(`/campaigns/${copy.id}`);
  };
  return html`<${FormDialog}
    title=${`Duplicate “${campaign.name}”`}
    ok="Duplicate"
    onClose=${closeDialog}
    onSubmit=${save}
    onProblem=${(fields) => (problem.value = fields.name || '')}
  >
    <${Field} label="Name of the copy" error=${problem.value}>${input(name, { maxlength: 200 })}<//>
    <${Picks} legend="Take over" name="copy-leads" options=${COPIES} chosen=${leads} />
  <//>`;
}

function SecretsSheet({ campaign }) {
  return html`<${Sheet}
    title="New signing secrets"
    sub="The copy tells the same receivers, each with a secret of its own. They are shown only now."
    onClose=${closeDialog}
  >
    <div class="stack">
      ${campaign.webhooks.map(
        ({ url, secret }) =>
          html`<div key=${url} class="stack-s">
            <b class="strong">${url}</b>
            <div class="row wrap"><code class="wrap-any">${secret}</code><${CopyButton} text=${secret} /></div>
          </div>`,
      )}
    </div>
  <//>`;
}
