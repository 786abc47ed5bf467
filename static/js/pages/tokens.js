import { html, useSignal } from '../lib/ui.js';
import { Icon, Card, Field, Sheet, CopyButton } from '../components/basic.js';
import { toast, confirm } from '../lib/notify.js';
import { ago } from '../lib/format.js';
export const title = 'API tokens';
export default function Tokens() {
  const list = useSignal([
      { id: 1, name: 'First sign-in link', scope: 'Everything', start: 'vc_9f2c', used: Date.now() - 4e4 },
      { id: 2, name: 'CRM sync', scope: 'Read only', start: 'vc_1a77', used: Date.now() - 86e6 * 3 },
    ]),
    open = useSignal(false),
    made = useSignal(''),
    name = useSignal(''),
    err = useSignal('');
  const create = (e) => {
    e.preventDefault();
    if (!name.value.trim()) {
      err.value = 'Say what this token is for.';
      return;
    }
    made.value =
      'vc_' + [...crypto.getRandomValues(new Uint8Array(24))].map((b) => b.toString(16).padStart(2, '0')).join('');
    list.value = [
      ...list.value,
      { id: Date.now(), name: name.value, scope: 'Read only', start: made.value.slice(0, 7), used: null },
    ];
  };
  const revoke = async (t) => {
    if (
      await confirm({
        title: `Revoke “${t.name}”?`,
        ok: 'Revoke token',
        danger: true,
        body: 'Programs that use it stop working at once.',
      })
    ) {
      list.value = list.value.filter((x) => x !== t);
      toast('Token revoked.');
    }
  };
  return html`<div class="page">
    <header class="page-head">
      <div class="grow">
        <h1>API tokens</h1>
        <p>For scripts, CRMs and other programs. People can use them to sign in here, too.</p>
      </div>
      <button
        class="btn primary"
        onClick=${() => {
          made.value = name.value = err.value = '';
          open.value = true;
        }}
      >
        <${Icon} n="plus" />New token
      </button>
    </header>
    <div class="card scroll-x">
      <table class="table">
        <thead>
          <tr>
            <th>Name</th>
            <th>May do</th>
            <th>Starts with</th>
            <th class="r">Last used</th>
            <th><span class="vh">Actions</span></th>
          </tr>
        </thead>
        <tbody>
          ${list.value.map(
            (t) =>
              html`<tr key=${t.id}>
                <td><b class="strong">${t.name}</b></td>
                <td class="muted nowrap">${t.scope}</td>
                <td class="mono nowrap">${t.start}…</td>
                <td class="r muted nowrap">${t.used ? ago(t.used) : 'Never'}</td>
                <td class="r">
                  <button class="btn small danger" onClick=${() => revoke(t)}>
                    Revoke<span class="vh"> ${t.name}</span>
                  </button>
                </td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${
      open.value &&
      html`<${Sheet}
        title="New API token"
        onClose=${() => {
          open.value = false;
        }}
        >${
          made.value
            ? html`<div class="stack">
                <div class="note ok">
                  <${Icon} n="circle-check" />
                  <div><strong>Copy the token now.</strong> It is shown once and cannot be read again.</div>
                </div>
                <pre class="codebox" tabindex="0">${made.value}</pre>
                <div class="row">
                  <${CopyButton} text=${made.value} label="Copy token" /><span class="grow"></span
                  ><button
                    class="btn primary"
                    onClick=${() => {
                      open.value = false;
                    }}
                  >
                    Done
                  </button>
                </div>
              </div>`
            : html`<form class="stack" onSubmit=${create} novalidate>
                <${Field} label="What is it for?" error=${err.value}
                  >${(a) =>
                    html`<input
                      class="input"
                      placeholder="CRM sync"
                      value=${name.value}
                      onInput=${(e) => {
                        name.value = e.target.value;
                        err.value = '';
                      }}
                      ...${a}
                    />`}<//
                >
                <fieldset class="field">
                  <legend class="label" style="margin-bottom:8px">May do</legend>
                  <div class="stack-s">
                    ${[
                      ['Read only', 'See campaigns, calls and recordings'],
                      ['Run campaigns', 'Also create, start, pause and import'],
                      ['Everything', 'Also settings, webhooks and tokens'],
                    ].map(
                      ([l, s], i) =>
                        html`<label key=${l} class="check"
                          ><input type="radio" name="scope" defaultChecked=${i === 0} /><span
                            ><b class="strong">${l}</b><br /><span class="muted small">${s}</span></span
                          ></label
                        >`,
                    )}
                  </div>
                </fieldset>
                <div><button class="btn primary">Create token</button></div>
              </form>`
        }<//
      >`
    }
  </div>`;
}
