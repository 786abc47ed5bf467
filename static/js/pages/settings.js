import { html, useSignal } from '../lib/ui.js';
import { Icon, Card, Field } from '../components/basic.js';
import { toast, confirm } from '../lib/notify.js';
export const title = 'Settings';
export default function Settings() {
  const mode = useSignal('sim'),
    test = useSignal(null),
    f = useSignal({
      host: 'sip.example.org',
      user: 'acme-trunk',
      pass: '',
      from: '+49 30 23125 100',
      answer: 42,
      speed: 1,
      concurrency: 5,
      country: 'DE',
    });
  const bind = (k) => ({
    value: f.value[k],
    onInput: (e) => {
      f.value = { ...f.value, [k]: e.target.value };
      test.value = null;
    },
  });
  const choose = async (m) => {
    if (
      m === 'sip' &&
      !(await confirm({
        title: 'Switch to real calls?',
        ok: 'Switch to SIP trunk',
        danger: true,
        body: 'From now on, running campaigns place real phone calls through your trunk and cost real money. Running campaigns are paused first, so nothing starts by surprise.',
      }))
    ) {
      mode.value = 'sip';
      mode.value = 'sim';
      return;
    }
    mode.value = m;
  };
  const run = async () => {
    test.value = 'busy';
    await new Promise((r) => setTimeout(r, 700));
    test.value = ['Address found', 'Registered as acme-trunk', 'Trunk accepts 5 lines'];
  };
  return html`<div class="page" style="max-width:860px">
    <header class="page-head">
      <div class="grow"><h1>Settings</h1></div>
    </header>
    <${Card} title="Carrier" sub="Where calls go out"
      ><div class="stack">
        <div class="picks" role="radiogroup" aria-label="Carrier">
          ${[
            ['sim', 'Simulator', 'Invents answers, voicemails and talks. Free, safe for demos.', 'flask-conical'],
            ['sip', 'SIP trunk', 'Real phone calls through your telephone provider.', 'phone-call'],
          ].map(
            ([k, l, s, ic]) =>
              html`<label key=${k} class="pick"
                ><input type="radio" name="carrier" checked=${mode.value === k} onChange=${() => choose(k)} /><span
                  ><${Icon} n=${ic} c="l" /><span><b class="strong">${l}</b><small>${s}</small></span></span
                ></label
              >`,
          )}
        </div>
        ${
          mode.value === 'sim'
            ? html`<div class="cols">
                <${Field} label="Share of people who answer" hint="The rest is voicemail, busy and no answer."
                  >${(a) => html`<div class="affix"><input class="input num" type="number" min="0" max="100" ...${bind('answer')} ...${a} /><span aria-hidden="true">%</span></div>`}<//
                ><${Field} label="Speed" hint="60 means: one hour of calling per minute."
                  >${(a) => html`<div class="affix"><input class="input num" type="number" min="1" ...${bind('speed')} ...${a} /><span aria-hidden="true">×</span></div>`}<//
                >
              </div>`
            : html`<div class="cols">
                  <${Field} label="Server">${(a) => html`<input class="input" ...${bind('host')} ...${a} />`}<//
                  ><${Field} label="User name"
                    >${(a) => html`<input class="input" autocomplete="off" ...${bind('user')} ...${a} />`}<//
                  ><${Field} label="Password" hint="Stored encrypted. Never shown again."
                    >${(a) => html`<input class="input" type="password" autocomplete="new-password" placeholder="Unchanged" ...${bind('pass')} ...${a} />`}<//
                  ><${Field} label="Caller number"
                    >${(a) => html`<input class="input num" type="tel" ...${bind('from')} ...${a} />`}<//
                  >
                </div>
                <div class="row wrap">
                  <button class="btn" onClick=${run} disabled=${test.value === 'busy'}>
                    <${Icon}
                      n=${test.value === 'busy' ? 'loader-circle' : 'plug'}
                      c=${test.value === 'busy' ? 'spin' : ''}
                    />Test connection</button
                  ><span class="muted small">No call is placed.</span>
                </div>
                ${
                  Array.isArray(test.value) &&
                  html`<ul class="stack-s checks" role="status">
                    ${test.value.map((t) => html`<li key=${t} class="row"><${Icon} n="circle-check" />${t}</li>`)}
                  </ul>`
                }`
        }
      </div><//
    >
    <${Card} title="Defaults for new campaigns"
      ><div class="cols">
        <${Field} label="Lines at the same time"
          >${(a) => html`<input class="input num" type="number" min="1" ...${bind('concurrency')} ...${a} />`}<//
        ><${Field} label="Country of numbers without +" hint="030 23125 becomes +49 30 23125."
          >${(a) =>
            html`<select class="input" ...${bind('country')} ...${a}>
              <option value="DE">Germany (+49)</option>
              <option value="GB">United Kingdom (+44)</option>
              <option value="US">United States (+1)</option>
            </select>`}<//
        >
      </div><//
    >
    <${Card} title="Recordings" sub="Kept on this machine only"
      ><div class="cols">
        <${Field} label="Delete recordings after" hint="1,204 files, 3.1 GB now."
          >${(a) => html`<div class="affix"><input class="input num" type="number" min="1" defaultValue="90" ...${a} /><span aria-hidden="true">days</span></div>`}<//
        >
      </div><//
    >
    <div class="row"><button class="btn primary" onClick=${() => toast('Settings saved.')}>Save changes</button></div>
  </div>`;
}
