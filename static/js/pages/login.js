import { html, useSignal } from '../lib/ui.js';
import { post, session } from '../lib/api.js';
import { Icon, Field } from '../components/basic.js';
export function Login() {
  const token = useSignal(''),
    err = useSignal(''),
    busy = useSignal(false);
  const submit = async (e) => {
    e.preventDefault();
    if (!token.value.trim()) {
      err.value = 'Paste your token first.';
      return;
    }
    busy.value = true;
    try {
      session.value = await post('/session', { token: token.value.trim() });
    } catch (x) {
      err.value = x.message;
    }
    busy.value = false;
  };
  return html`<main class="login">
    <form class="card" onSubmit=${submit} novalidate>
      <img src="favicon.svg" alt="" width="40" height="40" />
      <div>
        <h1>Sign in</h1>
        <p class="muted">Paste the access token of this server.</p>
      </div>
      <${Field} label="Access token" error=${err.value}
        >${(a) =>
          html`<input
            class="input mono"
            type="password"
            autocomplete="current-password"
            spellcheck="false"
            placeholder="vc_…"
            value=${token.value}
            onInput=${(e) => {
              token.value = e.target.value;
              err.value = '';
            }}
            ...${a}
          />`}<//
      >
      <button class="btn primary" disabled=${busy.value}>
        ${busy.value && html`<${Icon} n="loader-circle" c="spin" />`}Sign in
      </button>
      <details class="small muted">
        <summary>Where is my token?</summary>
        <p>
          The server printed a sign-in link when it first started. Lost it? Run
          <code>voice-campaigns token new</code> on the server.
        </p>
      </details>
    </form>
  </main>`;
}
