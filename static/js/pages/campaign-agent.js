// The Agent tab of a campaign: its agent is tried over text, by hand or with simulated callers, before anybody is called.
import { html, useEffect, useRef, useSignal } from '../lib/ui.js';
import { canWrite, get, getPage, post, useResource, withQuery } from '../lib/api.js';
import { closeSheet, openSheet, route, setQuery } from '../lib/router.js';
import { ago, sentence, stamp } from '../lib/format.js';
import { ActionButton, Card, Empty, Field, Icon, Loading, Note, Problem, Search } from '../components/basic.js';
import { AgentRemark, isAgent, useAgent } from '../components/agent.js';
import { Conclusion } from '../components/agent-report.js';
import { nameOf } from '../components/lead-sheet.js';
import { Pager, usePager } from '../components/pager.js';
import { variables } from '../components/script.js';
import { PERSONAS, talker, TrySheet, useLooks } from '../components/try-sheet.js';
import { valuesOf } from './campaign-script.js';

/** How often it is looked how simulated callers get on. */
const LOOK_MS = 2000;
/** Leads to choose from at a time. */
const LEADS_SHOWN = 20;

export function CampaignAgent({ campaign }) {
  const server = useAgent();
  const path = `/voice-campaigns/${campaign.id}/conversations`;
  const pager = usePager(path, { limit: 10 });
  const about = useSignal({ lead: null, values: {} });
  const { try: tried } = route.value.query;
  // Those that talked last stay while somebody turns pages.
  const last = useRef(/** @type {number|undefined} */ (undefined));
  if (pager.isFirst && pager.items) last.current = pager.items.find((one) => one.batch_id)?.batch_id;
  const { tries, isRunning } = useReports(path, last.current, pager.reload);
  const begun = () => {
    setQuery({ at: '' });
    pager.reload();
  };
  const canTry = canWrite.value && server?.model;
  return html`<div class="grid">
    <${Remarks} campaign=${campaign} server=${server} />
    ${
      canTry &&
      html`<${ByHand} campaign=${campaign} path=${path} about=${about} onStart=${begun} /><${Callers}
          path=${path}
          about=${about}
          isRunning=${isRunning}
          onStart=${begun}
        />`
    }
    ${tries.length > 0 && html`<${Reports} tries=${tries} isRunning=${isRunning} />`}
    <${Earlier} pager=${pager} zone=${campaign.time_zone} />
    ${
      tried &&
      html`<${TrySheet}
        key=${tried}
        id=${tried}
        campaign=${campaign}
        onClose=${() => closeSheet('try')}
        onChange=${pager.reload}
      />`
    }
  </div>`;
}

/** What stands between the agent and a try, or between a try and the calls. */
function Remarks({ campaign, server }) {
  if (!server) return null;
  const change =
    canWrite.value &&
    html`<a class="btn small" href=${`#/campaigns/${campaign.id}/edit?step=script`}>Choose who talks</a>`;
  const talks = isAgent(campaign, server);
  return html`<div class="c12 stack-s remarks">
    ${
      !server.model &&
      html`<${Note} kind="warn" icon="triangle-alert">
        <strong>No agent can be tried on this server.</strong> Whoever runs it has to set up a model:${' '}
        <span class="wrap-any">${sentence(server.problem)}</span>
      <//>`
    }
    ${
      talks
        ? html`<${AgentRemark} server=${server} action=${server.conversations ? null : change} />`
        : html`<${Note} action=${change}>
            <strong>The calls of this campaign say the script, word for word.</strong> What is tried here is how an
            agent would do.
          <//>`
    }
  </div>`;
}

/** What the agent is told of somebody, as the API wants it. */
const wanted = ({ lead, values }) => {
  const filled = Object.entries(values).filter(([, value]) => value.trim());
  return {
    ...(lead && { lead_id: lead.id }),
    ...(filled.length > 0 && { variables: Object.fromEntries(filled) }),
  };
};

function ByHand({ campaign, path, about, onStart }) {
  const problem = useSignal('');
  const start = async () => {
    problem.value = '';
    try {
      const { id } = await post(path, wanted(about.value));
      onStart();
      openSheet({ try: String(id) });
    } catch (error) {
      problem.value = error.message;
    }
  };
  return html`<${Card}
    class="c7"
    title="Talk with it"
    sub="You type what the person says. Nobody is called, and nothing counts."
  >
    <div class="stack">
      <${Somebody} campaign=${campaign} about=${about} />
      <${Trouble} text=${problem.value} />
      <div><${ActionButton} class="btn primary" icon="play" run=${start}>Start a conversation<//></div>
    </div>
  <//>`;
}

/** Whose values the agent is told: those of a lead, others, or none. */
function Somebody({ campaign, about }) {
  const search = useSignal('');
  const asked = withQuery(`/voice-campaigns/${campaign.id}/leads`, { limit: LEADS_SHOWN, search: search.value });
  const [found] = useResource(asked, (options) => getPage(asked, options), { keep: true });
  const { items = [], next } = found.value.data ?? {};
  const { lead, values } = about.value;
  const leads = lead && !items.some(({ id }) => id === lead.id) ? [lead, ...items] : items;
  const isMany = next || search.value;
  const choose = (event) => {
    const chosen = leads.find(({ id }) => String(id) === event.currentTarget.value) ?? null;
    about.value = { ...about.value, lead: chosen };
  };
  const select = (attributes) =>
    html`<select class="input" onChange=${choose} ...${attributes}>
      <option value="" selected=${!lead}>Nobody: the names of the values are said</option>
      ${leads.map(
        (one) =>
          html`<option key=${one.id} value=${one.id} selected=${one.id === lead?.id}>
            ${[nameOf(one), one.phone].filter(Boolean).join(', ')}
          </option>`,
      )}
    </select>`;
  const known = lead ? valuesOf(lead) : {};
  const names = variables(campaign.script_template).map(({ name }) => name);
  const count = names.filter((name) => values[name]?.trim()).length;
  const value = (name) => (attributes) =>
    html`<input
      class="input"
      maxlength="500"
      placeholder=${known[name] ?? ''}
      value=${values[name] ?? ''}
      onInput=${(event) => {
        about.value = { ...about.value, values: { ...about.value.values, [name]: event.currentTarget.value } };
      }}
      ...${attributes}
    />`;
  return html`<div class="stack-s">
    ${
      isMany &&
      html`<${Search}
        value=${search.value}
        onSearch=${(text) => (search.value = text)}
        placeholder="Name, number or email"
        label="Find a lead"
      />`
    }
    <${Field} label="The person is" hint=${isMany ? 'The first of those that are found.' : ''}>${select}<//>
    ${
      names.length > 0 &&
      html`<details class="bordered">
        <summary>Other values${count > 0 && ` (${count})`}</summary>
        <div class="foot cols two">
          ${names.map((name) => html`<${Field} key=${name} label=${html`<code>${`{${name}}`}</code>`}>${value(name)}<//>`)}
        </div>
      </details>`
    }
  </div>`;
}

/** People whom the model plays. */
function Callers({ path, about, isRunning, onStart }) {
  const chosen = useSignal(Object.keys(PERSONAS));
  const problem = useSignal('');
  const toggle = (persona) => {
    const { value: now } = chosen;
    chosen.value = now.includes(persona) ? now.filter((other) => other !== persona) : [...now, persona];
  };
  const start = async () => {
    problem.value = '';
    // In the order in which they are listed.
    const personas = Object.keys(PERSONAS).filter((persona) => chosen.value.includes(persona));
    try {
      await post(`${path}/batch`, { personas, ...wanted(about.value) });
      onStart();
    } catch (error) {
      problem.value = error.message;
    }
  };
  const check = ([persona, [name, words]]) =>
    html`<label class="check" key=${persona}
      ><input type="checkbox" checked=${chosen.value.includes(persona)} onChange=${() => toggle(persona)} /><span
        >${name}<span class="muted small"> ${words}</span></span
      ></label
    >`;
  return html`<${Card} class="c5" title="Simulated callers" sub="People who make it hard, played by the model">
    <div class="stack">
      <fieldset class="field">
        <legend class="label">Who talks with it</legend>
        <div class="stack-s">${Object.entries(PERSONAS).map(check)}</div>
      </fieldset>
      <${Trouble} text=${problem.value} />
      <div class="row wrap">
        <${ActionButton} class="btn" icon="users" run=${start} disabled=${isRunning || !chosen.value.length}>
          Let them talk
        <//>
        <span class="muted small">Each is a whole conversation, which the model may charge for.</span>
      </div>
    </div>
  <//>`;
}

const Trouble = ({ text }) =>
  text &&
  html`<div role="alert">
    <${Note} kind="danger" icon="triangle-alert"><span class="wrap-any">${sentence(text)}</span><//>
  </div>`;

/** How the agent did with each of the simulated callers that talked with it last, looked at again while they do. */
function useReports(path, batch, onEnd) {
  const list = withQuery(path, { batch_id: batch, limit: 20 });
  const [resource, reload] = useResource(list, async (options) => (batch ? get(list, options) : []));
  const tries = [...(resource.value.data ?? [])].reverse();
  const isRunning = tries.some(({ state }) => state === 'running');
  useLooks(isRunning, reload, LOOK_MS);
  const wasRunning = useRef(false);
  useEffect(() => {
    if (wasRunning.current && !isRunning) onEnd();
    wasRunning.current = isRunning;
  }, [isRunning]);
  return { tries, isRunning };
}

function Reports({ tries, isRunning }) {
  const count = (is) => tries.filter(is).length;
  const words = isRunning
    ? `Talking: ${count(({ state }) => state !== 'running')} of ${tries.length} over`
    : `${count(({ report }) => report?.passed)} of ${tries.length} as it should be`;
  return html`<${Card}
    class="c12"
    title="How it did with them"
    sub=${html`<span role="status">${words}</span>, ${ago(tries[0].created_at)}. Judged by rules, not by the model.`}
  >
    <ul class="reports">
      ${tries.map((tried) => html`<${ReportRow} key=${tried.id} tried=${tried} />`)}
    </ul>
  <//>`;
}

function ReportRow({ tried: { id, persona, state, detail, report } }) {
  const [name, , expected] = PERSONAS[persona] ?? [persona];
  const [icon, kind, words] =
    state === 'running'
      ? ['loader-circle', 'spin', ['Talking…']]
      : state === 'failed'
        ? ['triangle-alert', 'danger-t', [`The conversation failed. ${sentence(detail ?? '')}`]]
        : report?.passed
          ? ['circle-check', 'ok-t', ['As it should be.']]
          : ['triangle-alert', 'danger-t', (report?.findings ?? []).map(sentence)];
  return html`<li>
    <${Icon} n=${icon} c=${kind} />
    <div class="grow">
      <button type="button" class="linkbtn" onClick=${() => openSheet({ try: String(id) })}>${name}</button>
      <div class="wrap-any">${words.join(' ')}</div>
      <div class="muted small">${expected}</div>
    </div>
  </li>`;
}

const STATES = { open: 'Goes on', running: 'Talking…', ended: 'Over', failed: 'Failed' };

/** How a try came out, in a few words. */
const Came = ({ tried: { state, verdict } }) =>
  state === 'failed' || !verdict ? STATES[state] : html`<${Conclusion} word=${verdict.conclusion} />`;

/** Everybody's tries, the newest first. */
function Earlier({ pager, zone }) {
  const { items, error, reload } = pager;
  const list = () =>
    items.length
      ? html`<div class="scroll-x">
            <table class="table" aria-label="Tries">
              <thead>
                <tr>
                  <th>With</th>
                  <th>How it came out</th>
                  <th class="opt">As it should be</th>
                  <th class="r">When</th>
                </tr>
              </thead>
              <tbody>
                ${items.map((tried) => html`<${Row} key=${tried.id} tried=${tried} zone=${zone} />`)}
              </tbody>
            </table>
          </div>
          <${Pager} pager=${pager} />`
      : html`<${Empty} icon="flask-conical" title="Nobody has tried the agent yet">
          Conversations that try it are kept here. They are in no result of the campaign.
        <//>`;
  return html`<${Card} class="c12" title="Tries so far" sub="None of them counts in the results of the campaign" flush>
    ${
      error
        ? html`<div class="padded"><${Problem} error=${error} retry=${reload} /></div>`
        : items
          ? list()
          : html`<div class="padded"><${Loading} rows=${3} h=${40} /></div>`
    }
  <//>`;
}

function Row({ tried, zone }) {
  const open = (event) => {
    event.stopPropagation();
    openSheet({ try: String(tried.id) });
  };
  return html`<tr class="link" onClick=${open}>
    <td><button type="button" class="linkbtn" onClick=${open}>${talker(tried)}</button></td>
    <td><${Came} tried=${tried} /></td>
    <td class="opt muted">${tried.report ? (tried.report.passed ? 'Yes' : 'No') : '–'}</td>
    <td class="r muted nowrap" title=${stamp(tried.created_at, zone)}>${ago(tried.created_at)}</td>
  </tr>`;
}
