// Who talks on the calls of a campaign: the script word for word, or an AI agent; what it says of itself first; and whether
// this server has one.
import { html } from '../lib/ui.js';
import { get, useResource } from '../lib/api.js';
import { overview } from '../lib/store.js';
import { Field, Note } from './basic.js';

/**
 * Who holds conversations on this server: `{usual, conversations, model, problem}`, or undefined while that is not known.
 * @returns {{usual: 'ai'|'scripted', conversations: number, model: string|null, problem: string|null}|undefined}
 */
export function useAgent() {
  const [voices] = useResource('voices', (options) => get('/voices', options));
  return voices.value.data?.agent;
}

/** Whether an agent talks in a campaign; undefined while it is not known what is usual. */
export function isAgent({ agent, script_prompt: prompt }, server) {
  if (agent) return agent === 'ai';
  if (prompt) return false;
  return server && server.usual === 'ai';
}

const TALKS = { true: 'An AI agent', false: 'The script, word for word' };

/** Who talks, in words. */
export function whoTalks(campaign, server) {
  const talks = TALKS[isAgent(campaign, server)];
  if (campaign.agent) return talks;
  return talks ? `${talks}, as this server is set up` : 'As this server is set up';
}

const NOBODY = 'No agent is set up on this server, so nobody is called while one is to talk.';

/** What to know about an agent that talks on real calls, or on those of the simulator; nothing where all is well. */
export function AgentRemark({ server, action }) {
  if (!server) return null;
  if (!server.conversations) {
    return html`<${Note} kind="warn" icon="triangle-alert" action=${action}>
      <strong>${NOBODY}</strong> Whoever runs it can set one up, in the part [agent] of its settings.
    <//>`;
  }
  if (!overview.value || overview.value.carrier.real_calls) return null;
  return html`<${Note} icon="flask-conical" action=${action}>
    On calls the simulator plays conversations in the place of the agent: recorded ones, unless its settings say that a
    model plays them.
  <//>`;
}

/** The choice of who talks, and what an agent says of itself first. */
export function AgentFields({ draft }) {
  const server = useAgent();
  const form = draft.form.value;
  const usual = { ai: ': an AI agent', scripted: ': the script' }[server?.usual] ?? '';
  const options = [
    ['', `As this server is set up${usual}`, 'An agent talks where one is set up, unless a recording is played.'],
    ['scripted', TALKS.false, 'It is spoken, and keys are listened for.'],
    ['ai', TALKS.true, 'It says the script first, then holds a conversation as it is instructed below.'],
  ];
  const [, , hint] = options.find(([word]) => word === (form.agent ?? ''));
  const talks = isAgent(form, server);
  const select = (attributes) =>
    html`<select
      class="input"
      onChange=${(event) => draft.set({ agent: event.currentTarget.value || null })}
      ...${attributes}
    >
      ${options.map(
        ([word, label]) =>
          html`<option key=${word} value=${word} selected=${(form.agent ?? '') === word}>${label}</option>`,
      )}
    </select>`;
  return html`<div class="stack-s">
    <div class="cols two">
      <${Field} label="Who talks" hint=${hint} error=${draft.problems.value.agent}>${select}<//>
      ${talks && html`<${Disclosure} draft=${draft} />`}
    </div>
    ${
      talks &&
      form.agent_disclosure === '' &&
      html`<${Note} kind="warn" icon="triangle-alert">
        In many places people must be told at once that a machine is talking. An agent that is asked says so in any
        case.
      <//>`
    }
    ${talks && html`<${AgentRemark} server=${server} />`}
  </div>`;
}

/** What an agent says of itself before the script. */
function Disclosure({ draft }) {
  const { agent_disclosure: words } = draft.form.value;
  const choose = (event) => {
    const meant = { usual: null, none: '', own: words || 'This is an automated assistant.' };
    draft.set({ agent_disclosure: meant[event.currentTarget.value] });
  };
  const chosen = words == null ? 'usual' : words === '' ? 'none' : 'own';
  const select = (attributes) =>
    html`<select class="input" onChange=${choose} ...${attributes}>
      <option value="usual" selected=${chosen === 'usual'}>That it is an automated assistant</option>
      <option value="own" selected=${chosen === 'own'}>My own words</option>
      <option value="none" selected=${chosen === 'none'}>Nothing</option>
    </select>`;
  const own = (attributes) =>
    html`<input class="input" maxlength="500" ...${draft.bind('agent_disclosure')} ...${attributes} />`;
  return html`<${Field}
      label="Before the script it says of itself"
      hint=${chosen === 'usual' ? 'The usual sentence, in the language of the voice.' : ''}
      >${select}<//
    >
    ${
      chosen === 'own' &&
      html`<${Field}
        label="In your words, about the agent"
        error=${draft.problems.value.agent_disclosure}
        hint="Say that a machine is talking."
        >${own}<//
      >`
    }`;
}

/** What an agent says of itself, in words. */
export const disclosureWords = ({ agent_disclosure: words }) =>
  words == null ? 'The usual sentence: that it is an automated assistant' : words.trim() ? `“${words}”` : 'Nothing';
