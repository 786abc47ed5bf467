// Making a campaign in five short steps, and changing one in the same steps. From the second step on it is a draft on the
// server, so nothing is lost when the page is closed.
import { html, useEffect, useMemo, useRef, useSignal } from '../lib/ui.js';
import { ask, canWrite, useResource } from '../lib/api.js';
import { go, goInstead, guardLeaving, pushQuery, route } from '../lib/router.js';
import { confirm, fail, toast } from '../lib/notify.js';
import { editing } from '../lib/draft.js';
import { openLeads } from '../lib/format.js';
import { ActionButton, focusInvalid, Icon, Loading, Note, Problem } from '../components/basic.js';
import { askToStart, startNow } from '../components/campaign-actions.js';
import { NameStep, NewStep } from './wizard-basics.js';
import { ScriptStep } from './wizard-script.js';
import { LeadsStep } from './wizard-leads.js';
import { ScheduleStep } from './wizard-schedule.js';
import { ReviewStep } from './wizard-review.js';

export const title = 'New campaign';

const STEPS = [
  ['basics', 'Name', 'What is this campaign about?', NameStep],
  ['script', 'Script and voice', 'What should the agent say?', ScriptStep],
  ['leads', 'Leads', 'Who should be called?', LeadsStep],
  ['schedule', 'Schedule and limits', 'When, how often and for how much?', ScheduleStep],
  ['review', 'Review', 'Check and start', ReviewStep],
];

export default function Wizard({ params: { id } }) {
  if (!canWrite.value) {
    return html`<${Frame} heading="Campaign" back="#/campaigns">
      <${Note}>A token that may only read cannot make or change campaigns.<//>
    <//>`;
  }
  return id ? html`<${Edit} id=${id} />` : html`<${New} />`;
}

/** The first step of a campaign that does not exist yet. */
function New() {
  const create = useRef(async () => {});
  return html`<${Frame} heading="New campaign" back="#/campaigns">
    <${StepList} current="basics" isOpen=${(key) => key === 'basics'} />
    <form class="stack" onSubmit=${(event) => event.preventDefault()} novalidate>
      <div class="card wiz-card">
        <h2 tabindex="-1">${STEPS[0][2]}</h2>
        <${NewStep}
          create=${create}
          onCreated=${(campaign) => goInstead(`/campaigns/${campaign.id}/edit?step=script`)}
        />
      </div>
      <div class="row wiz-foot">
        <span class="grow faint small">The draft is kept from the next step on.</span>
        <${ActionButton} class="btn primary" run=${() => create.current()}>Continue<${Icon} n="arrow-right" c="s" /><//>
      </div>
    </form>
  <//>`;
}

function Edit({ id }) {
  const [resource, reload] = useResource(id, (options) => ask('GET', `/voice-campaigns/${id}`, undefined, options));
  const { data, error } = resource.value;
  if (error) {
    return html`<${Frame} heading="Campaign" back="#/campaigns"><${Problem} error=${error} retry=${reload} /><//>`;
  }
  if (!data) return html`<${Frame} heading="Campaign" back="#/campaigns"><${Loading} /><//>`;
  // A reload begins anew with what the server has.
  return html`<${Steps} key=${data.etag} campaign=${data.data} etag=${data.etag} reload=${reload} />`;
}

const Frame = ({ heading, back, children }) =>
  html`<div class="page wiz">
    <header class="page-head">
      <div class="grow">
        <a class="crumb" href=${back}
          ><${Icon} n="chevron-left" c="s" />${back === '#/campaigns' ? 'Campaigns' : 'Campaign'}</a
        >
        <h1>${heading}</h1>
      </div>
    </header>
    <div class="wiz-grid">${children}</div>
  </div>`;

/** Each step is one of the history, so that Back goes to the one before. */
const toStep = (step) => route.peek().query.step !== step && pushQuery({ step });

/** Asks before the page is left while something that was typed is not saved and cannot be. */
function useGuard(draft) {
  useEffect(() => {
    const isFree = () =>
      confirm({
        title: 'Leave without saving?',
        ok: 'Leave',
        cancel: 'Stay',
        danger: true,
        body: 'What you changed here is not saved.',
      });
    const onUnload = (event) => draft.state.peek() !== 'saved' && event.preventDefault();
    guardLeaving({ isLost: draft.isLost, isFree });
    addEventListener('beforeunload', onUnload);
    return () => {
      guardLeaving(null);
      removeEventListener('beforeunload', onUnload);
    };
  }, []);
}

function StepList({ current, isOpen, isDone = () => false, isWrong = () => false }) {
  const step = ([key, label], i) => {
    const [kind, mark, words] = isDone(key)
      ? ['ok', html`<${Icon} n="check" c="s" />`, ' (done)']
      : isWrong(key)
        ? ['todo', '!', ' (needs a look)']
        : ['', i + 1, ''];
    return html`<li key=${key}>
      <button
        type="button"
        aria-current=${key === current ? 'step' : undefined}
        disabled=${!isOpen(key)}
        onClick=${() => toStep(key)}
      >
        <span class=${'num-dot ' + kind}>${mark}</span><span>${label}<span class="vh">${words}</span></span>
      </button>
    </li>`;
  };
  return html`<nav aria-label="Steps">
    <ol class="steps">
      ${STEPS.map(step)}
    </ol>
  </nav>`;
}

function Steps({ campaign, etag, reload }) {
  const draft = useMemo(() => editing(campaign, etag), []);
  const ready = useSignal(null);
  const { step = 'basics' } = route.value.query;
  const at = Math.max(
    0,
    STEPS.findIndex(([key]) => key === step),
  );
  const [current, , question, Step] = STEPS[at];
  const heading = useRef(null);
  const isFirst = useRef(true);
  useEffect(() => {
    // The first time the focus is on the heading of the page, unless that was drawn anew meanwhile.
    if (!isFirst.current || document.activeElement === document.body) {
      heading.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    isFirst.current = false;
  }, [current]);
  useGuard(draft);
  // What was typed last is saved also when somebody leaves.
  useEffect(() => () => draft.isSavedAsTyped && draft.save(), []);
  const isFine = (key) => !Object.keys(draft.wrong(key)).length;
  const before = (key) => STEPS.findIndex(([other]) => other === key) < at;
  const isDraft = draft.isSavedAsTyped;
  const name = draft.campaign.value.name;
  useEffect(() => {
    document.title = `${isDraft ? 'New campaign' : 'Edit'}: ${name} – Voice campaigns`;
  }, [name]);
  return html`<${Frame}
    heading=${isDraft ? 'New campaign' : `Edit “${name}”`}
    back=${isDraft ? '#/campaigns' : `#/campaigns/${campaign.id}/script`}
  >
    <${StepList}
      current=${current}
      isOpen=${() => true}
      isDone=${(key) => before(key) && isFine(key)}
      isWrong=${(key) => before(key) && !isFine(key)}
    />
    <div class="stack">
      <div class="card wiz-card">
        <h2 ref=${heading} tabindex="-1">${question}</h2>
        ${draft.state.value === 'stale' && html`<${Stale} draft=${draft} reload=${reload} />`}
        <${Step} key=${current} draft=${draft} ready=${ready} />
      </div>
      <${Foot} draft=${draft} at=${at} ready=${ready} />
    </div>
  <//>`;
}

function Stale({ draft, reload }) {
  const overwrite = () => draft.overwrite().catch(fail);
  const ref = useRef(null);
  useEffect(() => ref.current.scrollIntoView({ block: 'nearest' }), []);
  const actions = html`<${ActionButton} class="btn small" run=${overwrite}>Save mine over it<//>
    <button class="btn small" onClick=${reload}>Reload</button>`;
  return html`<div ref=${ref} role="alert">
    <${Note} kind="warn" icon="triangle-alert" action=${actions}>
      <strong>Someone changed this campaign in the meantime.</strong> Save what you changed here over it, or reload to
      see it as it is now; a reload does not keep what you typed.
    <//>
  </div>`;
}

function SaveState({ draft }) {
  const words = {
    saved: draft.isSavedAsTyped ? 'Draft saved' : '',
    changed: draft.isSavedAsTyped ? 'Draft kept as you type' : 'Not saved yet',
    saving: 'Saving…',
    failed: `Not saved. ${draft.failure.value}`,
    stale: 'Not saved',
  }[draft.state.value];
  return html`<span class="grow small ${draft.state.value === 'failed' ? 'danger-t' : 'faint'}" role="status"
    >${words}</span
  >`;
}

function Foot({ draft, at, ready }) {
  const [key] = STEPS[at];
  const isLast = at === STEPS.length - 1;
  const next = async () => {
    if (!draft.check(key)) return focusInvalid();
    if (key === 'leads' && ready.value) {
      // A file that was looked at and not brought in would be forgotten.
      try {
        await ready.value();
      } catch {
        return undefined;
      }
    }
    if (draft.isSavedAsTyped && !(await draft.save())) return focusInvalid();
    return toStep(STEPS[at + 1][0]);
  };
  const back =
    at > 0 &&
    html`<button type="button" class="btn" onClick=${() => toStep(STEPS[at - 1][0])}>
      <${Icon} n="arrow-left" c="s" />Back
    </button>`;
  const forward =
    !isLast &&
    html`<${ActionButton} class=${draft.isSavedAsTyped ? 'btn primary' : 'btn'} run=${next}>
      ${key === 'leads' && ready.value ? 'Import and continue' : 'Continue'}<${Icon} n="arrow-right" c="s" />
    <//>`;
  return html`<div class="row wrap wiz-foot">
    ${back}<${SaveState} draft=${draft} />${forward}
    ${draft.isSavedAsTyped ? isLast && html`<${StartButtons} draft=${draft} />` : html`<${SaveButton} draft=${draft} />`}
  </div>`;
}

/** Goes to the first step with something wrong; says whether there is none. */
function checkAll(draft) {
  const wrong = STEPS.find(([key]) => !draft.check(key));
  if (!wrong) return true;
  toStep(wrong[0]);
  toast('Please look at the marked fields.', { kind: 'error' });
  focusInvalid();
  return false;
}

function SaveButton({ draft }) {
  const save = async () => {
    if (!checkAll(draft)) return;
    if (!(await draft.save())) return void focusInvalid();
    toast(draft.campaign.value.status === 'active' ? 'Saved. It applies from the next call on.' : 'Saved.');
    go(`/campaigns/${draft.campaign.value.id}/script`);
  };
  return html`<${ActionButton} class="btn primary" icon="check" run=${save}>Save changes<//>`;
}

function StartButtons({ draft }) {
  const { id } = draft.campaign.value;
  const isInbound = draft.form.value.campaign_type === 'inbound';
  const keep = async () => {
    if (!(await draft.save())) return void checkAll(draft);
    toast('Saved as a draft.');
    go(`/campaigns/${id}`);
  };
  const start = async () => {
    if (!checkAll(draft) || !(await draft.save())) return;
    try {
      if (!(await isSure(draft))) return;
      toast(await startNow(draft.campaign.value));
      go(`/campaigns/${id}`);
    } catch (error) {
      fail(error);
    }
  };
  return html`<${ActionButton} run=${keep}>Save as draft<//>
    <${ActionButton} class="btn primary" icon="play" run=${start}>${isInbound ? 'Take calls' : 'Start calling'}<//>`;
}

async function isSure(draft) {
  const campaign = draft.campaign.value;
  if (campaign.campaign_type === 'inbound') return askToStart(campaign, 0);
  const { data: stats } = await ask('GET', `/voice-campaigns/${campaign.id}/stats`);
  const people = openLeads(stats.leads);
  if (!people) {
    toast('There is nobody to call yet. Add people first.', { kind: 'error' });
    toStep('leads');
    return false;
  }
  return askToStart(campaign, people);
}
