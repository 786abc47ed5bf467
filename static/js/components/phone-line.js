// The phone line: the ways to carriers, whether they work, and adding, changing, trying out and removing them.
import { html, useEffect, useSignal } from '../lib/ui.js';
import { ask, get, post, useResource } from '../lib/api.js';
import { num, plural, sentence } from '../lib/format.js';
import { confirm, fail, toast } from '../lib/notify.js';
import { loadOverview } from '../lib/store.js';
import {
  ActionButton,
  BusyIcon,
  Card,
  Empty,
  Field,
  FormDialog,
  Icon,
  input,
  Loading,
  Menu,
  Note,
  Problem,
} from './basic.js';

/** No event tells that a trunk is lost or found. */
const LOOK_MS = 5000;

/** What the usual carriers want, and what stays to be filled in. */
const PRESETS = [
  ['twilio', 'Twilio', { host: 'NAME.pstn.twilio.com', number_prefix: '+', transport: 'udp', register: false }],
  ['telnyx', 'Telnyx', { host: 'sip.telnyx.com', number_prefix: '+', transport: 'udp', register: false }],
  ['asterisk', 'Asterisk', { host: 'pbx.local', number_prefix: '+', transport: 'udp', register: false }],
  ['freeswitch', 'FreeSWITCH', { host: 'pbx.local', number_prefix: '+', transport: 'udp', register: false }],
];
const PRESET_WORDS = {
  twilio:
    'The address of your trunk is under Elastic SIP Trunking, Termination; user name and password are those of its credential list. The number that people see must be verified. Secure trunking stays off.',
  telnyx:
    'User name and password are those of a credential connection. Leave both empty if Telnyx knows this server by its address.',
  asterisk:
    'User name and password are those of an endpoint with auth_type=userpass. It needs allow=ulaw,alaw, dtmf_mode=rfc4733, direct_media=no and rtp_symmetric=yes.',
  freeswitch: 'User name and password are those of a user in its directory. Allow the codecs PCMU and PCMA.',
};

/** @param {{onChange: () => void}} props heard when who places the calls may be somebody else */
export function PhoneLine({ onChange }) {
  const [resource, reload] = useResource('trunks', (options) => get('/trunks', options), { keep: true });
  const { data: trunks, error } = resource.value;
  const form = useSignal(null);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || form.value || reload(), LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  if (error) return html`<${Problem} error=${error} retry=${reload} />`;
  if (!trunks) return html`<${Loading} rows=${1} h=${120} />`;
  const changed = () => {
    form.value = null;
    reload();
    onChange();
    loadOverview();
  };
  const add = html`<button type="button" class="btn primary" onClick=${() => (form.value = {})}>
    <${Icon} n="plus" />Add a carrier
  </button>`;
  const stored = trunks.filter(({ id }) => id);
  return html`<${Card}
    title="Phone line"
    sub="The first carrier that works and has a free line takes the call; the next ones stand by"
    actions=${trunks.length > 0 && add}
  >
    ${
      trunks.length
        ? html`<ul class="stack-s plain">
            ${trunks.map((trunk) => html`<${Trunk} key=${trunk.id ?? trunk.name} ...${{ trunk, count: stored.length, isLast: trunks.length === 1, form, changed }} />`)}
          </ul>`
        : html`<${Empty} icon="flask-conical" title="No phone rings" actions=${add}>
            The simulator plays all calls, so everything can be tried. Add a carrier to call real people.
          <//>`
    }
    ${form.value && html`<${TrunkForm} trunk=${form.value.trunk} onClose=${() => (form.value = null)} onSaved=${changed} />`}
  <//>`;
}

function Trunk({ trunk, count, isLast, form, changed }) {
  const {
    id,
    name,
    host,
    status,
    problem,
    warning,
    channels,
    channels_in_use: inUse,
    position,
    register,
    has_password,
  } = trunk;
  const isUp = status === 'up';
  const steps = useSignal(null);
  const attempt = (run) => async () => {
    try {
      await run();
    } catch (error) {
      fail(error, changed);
    }
  };
  const tryOut = attempt(async () => {
    steps.value = [];
    try {
      steps.value = (await post(`/trunks/${id}/test`)).steps;
    } catch (error) {
      steps.value = null;
      throw error;
    }
  });
  const move = (to) =>
    attempt(async () => {
      await ask('PATCH', `/trunks/${id}`, { position: to });
      changed();
    });
  const remove = attempt(async () => {
    const isSure = await confirm({
      title: `Remove ${name}?`,
      ok: 'Remove carrier',
      danger: true,
      body: isLast
        ? 'It is the last one: afterwards the simulator plays all calls and no phone rings. Every active campaign is paused until you set it to active again. Calls in progress go on.'
        : 'The next call goes over another carrier. Calls in progress go on.',
    });
    if (!isSure) return;
    await ask('DELETE', `/trunks/${id}${isLast ? '?confirm=true' : ''}`);
    toast(`${name} is removed.`);
    changed();
  });
  const items = [
    { label: 'Edit…', icon: 'pencil', onClick: () => (form.value = { trunk }) },
    { label: 'Test connection', icon: 'activity', onClick: tryOut },
    position > 1 && { label: 'Ask earlier', icon: 'arrow-left', onClick: move(position - 1) },
    position < count && { label: 'Ask later', icon: 'arrow-right', onClick: move(position + 1) },
    '-',
    { label: 'Remove…', icon: 'trash-2', danger: true, onClick: remove },
  ];
  const facts = [
    `${num(inUse)} of ${plural(channels, 'line')} in use`,
    isUp && register && 'registered',
    has_password && 'with a password',
    !id && 'from the settings file, changed there',
  ];
  return html`<li class="trunk">
    <div class="row">
      <div class="grow">
        <div class="row wrap">
          <b class="strong wrap-any">${name}</b>
          <span class=${'pill ' + (isUp ? 'calling' : 'attention')}>${isUp ? 'Takes calls' : 'Takes no calls'}</span>
        </div>
        <div class="small muted wrap-any">${[host, ...facts].filter(Boolean).join(' · ')}</div>
        ${problem && html`<p class="small wrap-any">${problem}</p>`}
        ${warning && html`<p class="small wrap-any">${sentence(warning)}</p>`}
      </div>
      ${id && html`<${Menu} label=${`More for ${name}`} items=${items} />`}
    </div>
    ${steps.value && html`<${Steps} steps=${steps.value} />`}
  </li>`;
}

/** The steps of trying a carrier out, in words. */
const STEPS = [
  ['name', 'Find its address'],
  ['transport', 'Reach it'],
  ['options', 'It answers'],
  ['register', 'It lets us in'],
];
const WENT = { ok: 'Works', failed: 'Fails', skipped: 'Not tried' };
const WENT_ICON = { ok: 'circle-check', failed: 'circle-alert', skipped: 'chevron-right' };

/** How each step went; those that are not there yet are under way. */
function Steps({ steps }) {
  return html`<div class="stack-s" role="status">
    <ol class="trial plain" aria-label="Test of the connection">
      ${STEPS.map(([name, words]) => {
        const step = steps.find((one) => one.name === name);
        return html`<li key=${name} class="trial-step">
          ${step ? html`<${Icon} n=${WENT_ICON[step.status]} c="s" />` : html`<${BusyIcon} busy />`}
          <div class="grow">
            <b class="strong">${words}</b>
            <span class="muted small">
              ${` ${step ? WENT[step.status] : 'Looking'}${step && step.status !== 'skipped' ? `, ${num(step.milliseconds)} ms` : ''}`}</span
            >
            ${step && html`<div class="small wrap-any">${step.message}</div>`}
          </div>
        </li>`;
      })}
    </ol>
    <p class="small muted">No call is placed.</p>
  </div>`;
}

/** @param {{trunk?: object, onClose: () => void, onSaved: () => void}} props without `trunk` a new one is made */
function TrunkForm({ trunk, onClose, onSaved }) {
  const field = (name, fallback = '') => useSignal(String(trunk?.[name] ?? fallback));
  const [name, host, username, caller] = [field('name'), field('host'), field('username'), field('caller_id')];
  const [proxy, prefix, transport] = [field('proxy'), field('number_prefix', '+'), field('transport', 'udp')];
  const [channels, pace, often] = [field('channels', 10), field('calls_per_second', 1), field('options_seconds', 30)];
  const password = useSignal('');
  const register = useSignal(trunk?.register ?? false);
  const preset = useSignal('');
  const problems = useSignal({});
  const steps = useSignal(null);
  const choose = (key, fields) => {
    preset.value = key;
    host.value = fields.host;
    prefix.value = fields.number_prefix;
    transport.value = fields.transport;
    register.value = fields.register;
    name.value ||= key;
  };
  const body = () => ({
    name: name.value.trim(),
    host: host.value.trim(),
    username: username.value.trim() || null,
    caller_id: caller.value.replace(/[\s()-]/g, '') || null,
    proxy: proxy.value.trim() || null,
    number_prefix: prefix.value.trim(),
    transport: transport.value,
    register: register.value,
    channels: Number(channels.value),
    calls_per_second: Number(pace.value),
    options_seconds: Number(often.value),
    ...(password.value && { password: password.value }),
  });
  const save = async () => {
    problems.value = {};
    if (trunk) {
      // Read again for its tag, so that nobody else's change is overwritten unseen.
      const { etag, data } = await ask('GET', `/trunks/${trunk.id}`);
      if (data.updated_at !== trunk.updated_at)
        throw new Error('Someone changed this in the meantime. Close and look again.');
      await ask('PATCH', `/trunks/${trunk.id}`, body(), { ifMatch: etag });
      toast(`${body().name} is changed. It counts from the next call on.`);
      return onSaved();
    }
    try {
      await post('/trunks', body());
    } catch (error) {
      if (error.code !== 'confirm_real_calls') throw error;
      const isSure = await confirm({
        title: 'Let phones ring?',
        ok: 'Call real people',
        danger: true,
        body: 'Until now the simulator played all calls. With this carrier phones ring and people answer, and calls cost money. Every active campaign is paused until you set it to active again.',
      });
      if (!isSure) return undefined;
      await post('/trunks', { ...body(), confirm: true });
    }
    toast(`${body().name} is added.`);
    return onSaved();
  };
  const tryOut = async () => {
    problems.value = {};
    steps.value = [];
    try {
      steps.value = (await post('/trunks/test', { ...body(), ...(trunk && { id: trunk.id }) })).steps;
    } catch (error) {
      steps.value = null;
      if (!Object.keys(error.fields ?? {}).length) throw error;
      problems.value = error.fields;
    }
  };
  const wrong = problems.value;
  const number = (signal, more) => input(signal, { type: 'number', inputmode: 'decimal', ...more });
  return html`<${FormDialog}
    title=${trunk ? `Edit ${trunk.name}` : 'Add a carrier'}
    ok=${trunk ? 'Save' : 'Add carrier'}
    wide
    onClose=${onClose}
    onSubmit=${save}
    onProblem=${(fields) => (problems.value = fields)}
  >
    ${
      !trunk &&
      html`<div class="row wrap" role="group" aria-label="Fill in for">
        ${PRESETS.map(
          ([key, label, fields]) =>
            html`<button
              key=${key}
              type="button"
              class="btn small"
              aria-pressed=${preset.value === key}
              onClick=${() => choose(key, fields)}
            >
              ${label}
            </button>`,
        )}
      </div>`
    }
    ${preset.value && html`<${Note} icon="circle-help">${PRESET_WORDS[preset.value]}<//>`}
    <${Field} label="Name" hint="What you call it: one word." error=${wrong.name}>
      ${input(name, { maxlength: 100, autofocus: true, placeholder: 'main' })}
    <//>
    <${Field}
      label="Address of the carrier"
      hint="A name or an address, and a port if it is not the usual one, 5060, or 5061 with TLS."
      error=${wrong.host}
    >
      ${input(host, { maxlength: 200, placeholder: 'sip.example.com', autocomplete: 'off', spellcheck: false })}
    <//>
    <${Field}
      label="User name"
      optional
      hint="Empty if the carrier knows this server by its address."
      error=${wrong.username}
    >
      ${input(username, { maxlength: 200, autocomplete: 'off', spellcheck: false })}
    <//>
    <${Field}
      label="Password"
      optional
      hint=${trunk?.has_password ? 'There is one. Leave this empty and it stays.' : 'Kept sealed and never shown again.'}
      error=${wrong.password}
    >
      ${input(password, { type: 'password', maxlength: 500, autocomplete: 'new-password' })}
    <//>
    <label class="check"
      ><input
        type="checkbox"
        checked=${register.value}
        onChange=${(event) => (register.value = event.currentTarget.checked)}
      />
      <span>The carrier wants this server to register</span></label
    >
    <${Field}
      label="Number that people see"
      optional
      hint="When the campaign names none. The carrier must know it as yours."
      error=${wrong.caller_id}
    >
      ${input(caller, { type: 'tel', maxlength: 30, placeholder: '+1 202 555 0101' })}
    <//>
    <${Field} label="Lines at the same time" error=${wrong.channels}>
      ${number(channels, { min: 1, max: 2000, step: 1 })}
    <//>
    <${Field} label="New calls a second" hint="Many carriers allow one." error=${wrong.calls_per_second}>
      ${number(pace, { min: 0.01, max: 100, step: 'any' })}
    <//>
    <details class="bordered">
      <summary>More</summary>
      <div class="stack padded">
        <${Field} label="How messages travel" error=${wrong.transport}>
          ${(wired) =>
            html`<select class="input" onChange=${(event) => (transport.value = event.currentTarget.value)} ...${wired}>
              ${['udp', 'tcp', 'tls'].map((word) => html`<option key=${word} value=${word} selected=${transport.value === word}>${word.toUpperCase()}</option>`)}
            </select>`}
        <//>
        <${Field} label="Send messages by way of" optional hint="An outbound proxy." error=${wrong.proxy}>
          ${input(proxy, { maxlength: 200, autocomplete: 'off', spellcheck: false })}
        <//>
        <${Field} label="In front of each number" optional hint="Usually +, empty, or 00." error=${wrong.number_prefix}>
          ${input(prefix, { maxlength: 10 })}
        <//>
        <${Field} label="Look whether it is there every so many seconds" error=${wrong.options_seconds}>
          ${number(often, { min: 5, max: 3600, step: 1 })}
        <//>
      </div>
    </details>
    <div class="row wrap">
      <${ActionButton} icon="activity" run=${tryOut}>Test connection<//>
      <span class="muted small">No call is placed.</span>
    </div>
    ${steps.value && html`<${Steps} steps=${steps.value} />`}
  <//>`;
}
