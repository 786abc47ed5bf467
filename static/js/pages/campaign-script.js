// The Script and schedule tab of a campaign: what is said, when, and within which limits. Editing opens the steps in
// which it was made.
import { html, useSignal } from '../lib/ui.js';
import { canWrite, get, post, useResource } from '../lib/api.js';
import {
  capital,
  dayRange,
  dur,
  hourMinute,
  money,
  num,
  plural,
  sentence,
  span,
  stamp,
  zoneName,
} from '../lib/format.js';
import { Card, Icon, marked, Note } from '../components/basic.js';
import { AgentRemark, disclosureWords, isAgent, useAgent, whoTalks } from '../components/agent.js';
import { Listen } from '../components/listen.js';
import { addedTo, keysOf } from '../components/keys.js';
import { Added, filled, normalName, plain, SAMPLE, spokenSeconds } from '../components/script.js';

export function CampaignScript({ campaign }) {
  return html`<div class="grid">
    ${
      campaign.status === 'active' &&
      html`<div class="c12">
        <${Note} icon="pencil">Changes apply from the next call on. Calls in progress go on as they began.<//>
      </div>`
    }
    <${Said} campaign=${campaign} />
    <div class="c5 stack"><${Schedule} campaign=${campaign} /><${Limits} campaign=${campaign} /></div>
  </div>`;
}

const edit = (campaign, step) =>
  canWrite.value &&
  html`<a class="btn small" href=${`#/campaigns/${campaign.id}/edit?step=${step}`}
    ><${Icon} n="pencil" c="s" />Edit<span class="vh"> ${step}</span></a
  >`;

/** The values a script is shown with: those of the first lead, else of somebody who does not exist. */
function useExample(campaign) {
  const [leads] = useResource(String(campaign.id), (options) =>
    get(`/voice-campaigns/${campaign.id}/leads?limit=1`, options),
  );
  const lead = leads.value.data?.[0];
  return lead ? { lead, values: valuesOf(lead) } : { lead: null, values: SAMPLE };
}

export const valuesOf = (lead) => {
  const name = [lead.first_name, lead.last_name].filter(Boolean).join(' ');
  const fields = ['first_name', 'last_name', 'email', 'company_name', 'phone'].map((key) => [key, lead[key]]);
  const variables = Object.entries(lead.variables ?? {}).map(([key, value]) => [normalName(key), String(value)]);
  return Object.fromEntries([...variables, ...fields, ['name', name], ['customer_name', name]].filter(([, v]) => v));
};

function Said({ campaign }) {
  const { lead, values } = useExample(campaign);
  const say = async () => {
    const whose = lead ? { lead_id: lead.id } : { values: SAMPLE };
    const { previews } = await post(`/voice-campaigns/${campaign.id}/preview`, whose);
    return previews[0].script;
  };
  const whose = lead ? { lead_id: lead.id } : { values: SAMPLE };
  const [heard] = useResource(`heard ${campaign.id} ${campaign.updated_at} ${lead?.id}`, (options) =>
    post(`/voice-campaigns/${campaign.id}/preview`, whose, options),
  );
  const [spoken] = heard.value.data?.previews ?? [];
  const added = addedTo(spoken?.script, plain(campaign.script_template, values));
  const who = lead ? values.name || lead.phone : SAMPLE.name;
  return html`<${Card}
    class="c7"
    title="Script"
    sub=${`As ${who} would hear it, about ${spoken?.seconds ?? spokenSeconds(campaign.script_template)} seconds`}
    actions=${edit(campaign, 'script')}
  >
    <div class="stack">
      <p class="script">${filled(campaign.script_template, values)} <${Added} text=${added} /></p>
      <${Listen} key=${campaign.updated_at} text=${say} voice=${campaign} />
      ${
        campaign.fallback_script &&
        html`<div>
          <h3>Left on voicemail, or said as a goodbye to whoever presses nothing</h3>
          <p class="script">${filled(campaign.fallback_script, values)}</p>
        </div>`
      }
      <${Talks} campaign=${campaign} />
      <div>
        <h3>Keys</h3>
        <dl class="kv">
          ${keysOf(campaign).map(([key, words]) => row(key, words))}
          ${campaign.transfer_number && row('Put through to', campaign.transfer_number)}
          ${campaign.machine_detection != null && row('Answering machines', campaign.machine_detection ? 'Recognised' : 'Not looked for')}
        </dl>
      </div>
      <div>
        <h3>Instructions to the agent</h3>
        <p class="muted pre">${campaign.system_prompt}</p>
      </div>
      <${Check} campaign=${campaign} />
    </div>
  <//>`;
}

/** Who talks, and how to try it. */
function Talks({ campaign }) {
  const server = useAgent();
  const talks = isAgent(campaign, server);
  return html`<div class="stack-s">
    <h3>Who talks</h3>
    <dl class="kv">
      ${row('Calls', whoTalks(campaign, server))} ${talks && row('Says of itself', disclosureWords(campaign))}
    </dl>
    ${talks && html`<${AgentRemark} server=${server} />`}
    <div>
      <a class="btn small" href=${`#/campaigns/${campaign.id}/agent`}
        ><${Icon} n="flask-conical" c="s" />Try the agent</a
      >
    </div>
  </div>`;
}

/** The worst that a lead could hear, on request. */
function Check({ campaign }) {
  const state = useSignal({ busy: false, answer: null, problem: '' });
  const look = async () => {
    state.value = { ...state.value, busy: true };
    try {
      const answer = await post(`/voice-campaigns/${campaign.id}/preview`, { worst_cases: true });
      state.value = { busy: false, answer, problem: '' };
    } catch (error) {
      state.value = { busy: false, answer: null, problem: error.message };
    }
  };
  const { answer, problem, busy } = state.value;
  return html`<div class="stack-s">
    <div>
      <button class="btn small" aria-busy=${busy || undefined} onClick=${look}>
        <${Icon} n=${busy ? 'loader-circle' : 'shield-check'} c=${busy ? 's spin' : 's'} />Check with all leads
      </button>
    </div>
    ${problem && html`<${Note} kind="danger" icon="triangle-alert">${problem}<//>`}
    ${answer && html`<${Checked} answer=${answer} />`}
  </div>`;
}

const CASES = {
  longest_values: 'With the longest values',
  empty_values: 'With no values at all',
  odd_characters: 'With odd characters',
};

function Checked({ answer }) {
  return html`<div class="stack-s" role="status">
    ${answer.warnings.map(
      ({ code, message, field }) =>
        html`<${Note} key=${field + message} kind="warn" icon="triangle-alert"
          ><${WarningText} ...${{ field, message }}
        /><//>`,
    )}
    ${!answer.warnings.length && html`<p class="muted">Nothing to warn of in ${plural(answer.leads_looked_at, 'lead')}.</p>`}
    ${answer.previews.map(
      ({ case: kind, script, seconds, missing, too_long }) =>
        html`<div key=${kind}>
          <h3>${CASES[kind] ?? kind}${seconds != null && html` <span class="faint small">${seconds} s</span>`}</h3>
          <p class="script small">
            ${
              script ??
              (too_long
                ? 'Not called: with these values it is too long to be said.'
                : `Not called: nothing to say for ${missing.map((name) => `{${name}}`).join(', ')}.`)
            }
          </p>
        </div>`,
    )}
  </div>`;
}

const FIELD_WORDS = {
  script_template: 'The script',
  fallback_script: 'The message for voicemail',
  opt_out_sentence: 'The sentence about opting out',
};
/** Warnings whose words continue the name of the field; the others are sentences, about the field. */
const CONTINUED = ['no_identification', 'no_opt_out', 'very_long_script'];

/** What may be wrong with a script. */
export function WarningText({ code, field, message }) {
  const name = FIELD_WORDS[field] ?? field;
  return html`${name}${CONTINUED.includes(code) ? ' ' : ': '}${marked(sentence(message))}`;
}

const row = (label, value) =>
  html`<dt key=${label}>${label}</dt>
    <dd class="num">${value}</dd>`;

function Schedule({ campaign }) {
  const hours = `${hourMinute(campaign.calling_hours_start)}–${hourMinute(campaign.calling_hours_end)}`;
  const isLeads = campaign.lead_time_zone_policy === 'lead';
  return html`<${Card} title="Schedule" actions=${edit(campaign, 'schedule')}>
    <dl class="kv">
      ${campaign.campaign_type === 'inbound' && row('Takes calls to', campaign.inbound_number ?? 'No number yet')}
      ${row('Days', capital(dayRange(campaign.working_days)))}
      ${row('Hours', `${hours}, ${isLeads ? 'on the clock of each person' : zoneName(campaign.time_zone)}`)}
      ${campaign.start_date && row('Not before', stamp(campaign.start_date, campaign.time_zone))}
      ${campaign.end_date && row('Not after', stamp(campaign.end_date, campaign.time_zone))}
      ${campaign.recurrence_rule && row('Only on', campaign.recurrence_rule)}
      ${row('Attempts', `up to ${num(campaign.max_attempts_per_lead)}, ${span(campaign.retry_delay_minutes)} apart`)}
    </dl>
  <//>`;
}

function Limits({ campaign }) {
  return html`<${Card} title="Limits and voice" actions=${edit(campaign, 'schedule')}>
    <dl class="kv">
      ${row('Calls per day', num(campaign.calls_per_day))}
      ${row('Lines', `${num(campaign.max_concurrent_calls)} at the same time`)}
      ${row('Budget', campaign.budget == null ? 'No limit' : money(campaign.budget))}
      ${row('Cost per call', money(campaign.cost_per_call))} ${row('Longest call', dur(campaign.call_duration_limit))}
      ${row('Language', campaign.ai_voice_language)} ${campaign.ai_voice_id && row('Voice', campaign.ai_voice_id)}
      ${campaign.ai_voice_gender && row('Gender', campaign.ai_voice_gender)}
    </dl>
  <//>`;
}
