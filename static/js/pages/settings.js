// What this server is set to and where each value comes from. Only the phone line is changed here; all else in its file or
// environment.
import { html, useEffect, useSignal } from '../lib/ui.js';
import { canWrite, get, isAdmin, useResource } from '../lib/api.js';
import { useLive } from '../lib/live.js';
import { bytes, money, num, plural, sentence, stamp } from '../lib/format.js';
import { overview } from '../lib/store.js';
import { ActionButton, Card, Icon, Loading, marked, Meter, Note, Problem, Search } from '../components/basic.js';
import { PhoneLine } from '../components/phone-line.js';
import { useSoon } from '../components/pager.js';
import { startDialing, stopDialing } from '../components/shell.js';

export const title = 'Settings';

export default function Settings() {
  return html`<div class="page settings">
    <header class="page-head">
      <div class="grow"><h1>Settings</h1></div>
    </header>
    <${Dialing} />
    <${Carrier} />
    ${isAdmin.value ? html`<${InForce} />` : html`<${Note}>Only a token that may do everything sees the settings.<//>`}
  </div>`;
}

/** Whether anybody is dialed, within which limits, and the emergency stop. */
function Dialing() {
  const [resource, reload] = useResource('dialing', (options) => get('/dialing', options));
  const { data, error } = resource.value;
  useLive({ call: useSoon(reload), resync: reload });
  if (error) return html`<${Problem} error=${error} retry=${reload} />`;
  if (!data) return html`<${Loading} rows=${1} h=${140} />`;
  const { limits } = data;
  // The banner knows first whether somebody has stopped or started it meanwhile.
  const isStopped = overview.value?.dialing.stopped ?? data.stopped;
  const toggle = async () => {
    await (isStopped ? startDialing() : stopDialing());
    await reload();
  };
  const action =
    canWrite.value &&
    (isStopped
      ? html`<${ActionButton} class="btn" icon="play" run=${toggle}>Let calling go on<//>`
      : html`<${ActionButton} class="btn danger" icon="phone-off" run=${toggle}>Stop all calling…<//>`);
  return html`<${Card} title="Calling" sub="Limits over all campaigns, whatever each of them says" actions=${action}>
    <dl class="kv">
      <dt>Now</dt>
      <dd>
        ${
          isStopped
            ? html`<span class="pill attention">Stopped</span>
                ${[data.by && `by ${data.by}`, data.reason].filter(Boolean).join(': ')}`
            : html`<span class="pill calling">Allowed</span> ${plural(data.live_calls, 'call')} in progress`
        }
      </dd>
      <dt>One number</dt>
      <dd>At most ${plural(limits.calls_per_number_per_day, 'call')} in any 24 hours</dd>
      <dt>Countries</dt>
      <dd>${countries(limits.allowed_countries)}</dd>
      <dt>Spending a day</dt>
      <dd>${spending(data)}</dd>
    </dl>
  <//>`;
}

function spending({ spent_today: spent, reserved_today: reserved, limits: { spend_per_day: most } }) {
  const parts = [
    `${money(spent)} spent today (UTC)`,
    reserved > 0 && `${money(reserved)} set aside for calls in progress`,
    most == null ? 'no limit' : `at most ${money(most)}`,
  ];
  return parts.filter(Boolean).join(', ');
}

const countries = (words) => (!words.length || words.includes('*') ? 'Every country' : words.join(', '));

/** Whether the carrier works, in words. */
const WORKS = { up: 'Yes', failing: 'The last calls all failed', down: 'No trunk takes calls' };
/** No event tells that a trunk is lost or found. */
const TRUNKS_MS = 5000;

function Carrier() {
  const [resource, reload] = useResource('carrier', (options) => get('/carrier', options));
  const { data, error } = resource.value;
  useLive({ call: useSoon(reload), resync: reload });
  const [voices] = useResource('voices', (options) => get('/voices', options));
  const hasTrunks = data?.trunks.length > 0;
  useEffect(() => {
    if (!hasTrunks) return undefined;
    const timer = setInterval(() => document.hidden || reload(), TRUNKS_MS);
    return () => clearInterval(timer);
  }, [hasTrunks]);
  if (error) return html`<${Problem} error=${error} retry=${reload} />`;
  if (!data) return html`<${Loading} rows=${1} h=${120} />`;
  return html`<${Card} title="Carrier" sub="Who places the calls">
      <dl class="kv">
        <dt>Driver</dt>
        <dd>
          <${Icon} n=${data.real_calls ? 'phone-call' : 'flask-conical'} c="s" />
          ${` ${data.driver === 'simulator' ? 'Simulator' : data.driver}. `}
          ${data.real_calls ? 'Phones ring and people answer.' : 'No real phone is called.'}
        </dd>
        <dt>Works</dt>
        <dd><span class=${'pill ' + (data.status === 'up' ? 'calling' : 'attention')}>${WORKS[data.status]}</span></dd>
        ${
          data.last_error &&
          html`<dt>Last failure</dt>
            <dd class="wrap-any">${data.last_error}</dd>`
        }
        <dt>Lines</dt>
        <dd>
          ${num(data.channels_in_use)} of ${num(data.channels)} in use
          <div class="meter-short">
            <${Meter} value=${data.channels_in_use} max=${data.channels} label="Lines in use" calm />
          </div>
        </dd>
        <dt>Pace</dt>
        <dd>
          ${data.calls_per_second ? `At most ${num(data.calls_per_second)} calls a second` : 'No limit of its own'}
        </dd>
        ${
          voices.value.data &&
          html`<dt>Voice</dt>
            <dd class="wrap-any">${voiceWords(voices.value.data)}</dd>`
        }
        ${
          voices.value.data &&
          html`<dt>AI agent</dt>
            <dd class="wrap-any">${agentWords(voices.value.data.agent, data.real_calls)}</dd>`
        }
        ${!isAdmin.value && data.trunks.map((trunk) => html`<${Trunk} key=${trunk.name} ...${trunk} />`)}
      </dl>
    <//>
    ${isAdmin.value && html`<${PhoneLine} onChange=${reload} />`}`;
}

const voiceWords = ({ name, kind, voice, problem }) =>
  problem
    ? `Nobody can speak: ${problem}`
    : [name, kind === 'service' ? 'a service' : 'on this machine', voice && `usually ${voice}`]
        .filter(Boolean)
        .join(', ');

function agentWords({ conversations, model, problem }, isReal) {
  const talks = !isReal
    ? 'On calls the simulator plays conversations.'
    : conversations
      ? `Holds ${plural(conversations, 'conversation')} at one time.`
      : 'None holds conversations on calls.';
  return `${talks} ${model ? `Tried over text with ${model}.` : `None can be tried: ${sentence(problem)}`}`;
}

/** A way to a carrier: whether it takes calls, and how many. */
function Trunk({ name, host, status, problem, warning, channels, channels_in_use, calls_per_second, registered }) {
  const isUp = status === 'up';
  const parts = [
    isUp && registered && 'Registered',
    `${num(channels_in_use)} of ${plural(channels, 'line')} in use`,
    `at most ${plural(calls_per_second, 'call')} a second`,
  ];
  return html`<dt>Trunk ${name}</dt>
    <dd class="wrap-any">
      <span class=${'pill ' + (isUp ? 'calling' : 'attention')}>${isUp ? 'Takes calls' : 'Takes no calls'}</span>
      ${` ${host}${problem ? `: ${problem}` : ''}`}
      <div class="small muted">${parts.filter(Boolean).join(', ')}</div>
      ${warning && html`<div class="small">${sentence(warning)}</div>`}
    </dd>`;
}

/** Headings of the settings by the part of the name before the first dot. */
const GROUPS = {
  '': 'Server',
  guard: 'Limits over all campaigns',
  quota: 'Requests',
  limits: 'Sizes',
  retention: 'How long things are kept',
  webhooks: 'Webhooks',
  agent: 'AI agent',
  simulator: 'Simulator',
  log: 'Log',
};
const SOURCES = { default: 'Default', file: 'Settings file', environment: 'Environment', flag: 'Command line' };

function InForce() {
  const [resource, reload] = useResource('settings', (options) => get('/settings', options));
  const text = useSignal('');
  const isAll = useSignal(false);
  const { data, error } = resource.value;
  if (error) return html`<${Problem} error=${error} retry=${reload} />`;
  if (!data) return html`<${Loading} rows=${4} h=${60} />`;
  const wanted = text.value.toLowerCase();
  const shown = data.settings.filter(
    (setting) =>
      (isAll.value || wanted || setting.source !== 'default') &&
      `${setting.key} ${setting.environment} ${setting.description}`.toLowerCase().includes(wanted),
  );
  const groupOf = ({ key }) => (key.includes('.') ? key.split('.')[0] : '');
  const groups = [...new Set(shown.map(groupOf))];
  return html`<${Card} title="About">
      <dl class="kv">
        <dt>Version</dt>
        <dd class="num">${data.version} (<a href="licences.txt" target="_blank">licences</a>)</dd>
        <dt>Running since</dt>
        <dd>${stamp(data.started_at)}</dd>
        <dt>Data folder</dt>
        <dd class="mono wrap-any">${data.data_dir}</dd>
        <dt>Database</dt>
        <dd>${bytes(data.database_bytes)}, schema ${num(data.schema_version)}</dd>
      </dl>
    <//>
    <${Card}
      title="Settings in force"
      sub="Set in voice-campaigns.toml, in the environment or on the command line; they are read when the server starts"
      flush
    >
      <div class="row wrap filters padded-top">
        <${Search}
          class="narrow"
          value=${text.value}
          onSearch=${(words) => (text.value = words)}
          placeholder="Find a setting"
          label="Find a setting"
        />
        <label class="check"
          ><input
            type="checkbox"
            checked=${isAll.value}
            onChange=${(event) => (isAll.value = event.currentTarget.checked)}
          />
          <span>Show those with their default, too</span></label
        >
      </div>
      ${!shown.length && html`<p class="muted padded">${wanted ? 'No setting matches.' : 'Every setting has its default.'}</p>`}
      ${groups.map(
        (group) =>
          html`<section key=${group} class="setting-group">
            <h3>${GROUPS[group] ?? group}</h3>
            <dl>
              ${shown.filter((setting) => groupOf(setting) === group).map((setting) => html`<${Setting} key=${setting.key} ...${{ setting }} />`)}
            </dl>
          </section>`,
      )}
    <//>`;
}

const valueText = (value) =>
  value == null
    ? 'none'
    : Array.isArray(value) && !value.length
      ? 'none'
      : Array.isArray(value)
        ? value.join(', ')
        : String(value);

const Setting = ({ setting: { key, environment, value, source, description } }) =>
  html`<div class="setting">
    <dt>
      <code class="strong wrap-any">${key}</code>
      <div class="muted small">${marked(description)}</div>
    </dt>
    <dd>
      <code class="wrap-any">${valueText(value)}</code>
      <div class="faint small wrap-any">
        ${SOURCES[source] ?? source}${source === 'environment' && ` ${environment}`}
      </div>
    </dd>
  </div>`;
