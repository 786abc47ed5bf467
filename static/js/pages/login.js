// Signing in with a token, for those who come without the link of the first start.
import { html, useSignal } from '../lib/ui.js';
import { partedBecause, signIn } from '../lib/api.js';
import { BusyIcon, Field, Note } from '../components/basic.js';

export function Login() {
  const token = useSignal('');
  const problem = useSignal('');
  const busy = useSignal(false);
  const submit = async (event) => {
    event.preventDefault();
    if (busy.value) return;
    if (!token.value.trim()) {
      problem.value = 'Paste your token first.';
      return;
    }
    busy.value = true;
    try {
      await signIn(token.value.trim());
    } catch (error) {
      // The command that it names is in “Where is my token?” below, too.
      problem.value = error.message.replaceAll('`', '');
    }
    busy.value = false;
  };
  const onInput = (event) => {
    token.value = event.currentTarget.value;
    problem.value = '';
  };
  const control = (attributes) =>
    html`<input
      class="input mono"
      type="password"
      autocomplete="current-password"
      spellcheck="false"
      placeholder="vc_…"
      value=${token.value}
      onInput=${onInput}
      ...${attributes}
    />`;
  return html`<main class="login">
    <form class="card" onSubmit=${submit} novalidate>
      <img src="favicon.svg" alt="" width="40" height="40" />
      <div>
        <h1>Sign in</h1>
        <p class="muted">Paste the access token of this server.</p>
      </div>
      ${
        partedBecause.value &&
        html`<div role="status">
          <${Note} kind="warn"><strong>You were signed out.</strong> ${partedBecause.value.replaceAll('`', '')}<//>
        </div>`
      }
      <${Field} label="Access token" error=${problem.value}>${control}<//>
      <button class="btn primary" aria-busy=${busy.value || undefined}>
        ${busy.value && html`<${BusyIcon} busy />`}Sign in
      </button>
      <details class="small muted">
        <summary>Where is my token?</summary>
        <p>
          The server printed a link to sign in with when it first started. Lost it? Run${' '}
          <code>voice-campaigns token create --name me --scope admin</code> on the server.
        </p>
      </details>
    </form>
  </main>`;
}
