// API tokens: who may use this server and for what. A new token is shown once.
import { html, useSignal } from '../lib/ui.js';
import { del, get, isAdmin, post, useResource } from '../lib/api.js';
import { ago, isoDay, stamp } from '../lib/format.js';
import { confirm, fail, toast } from '../lib/notify.js';
import {
  ActionButton,
  CopyButton,
  Field,
  FormDialog,
  Icon,
  input,
  Loading,
  Note,
  Picks,
  Problem,
  Sheet,
} from '../components/basic.js';

export const title = 'API tokens';

/** What each scope may do, in words. */
const SCOPES = [
  ['read', 'Read only', 'See campaigns, leads and calls'],
  ['write', 'Run campaigns', 'Also create, import, start and pause'],
  ['admin', 'Everything', 'Also tokens, settings and webhooks of all campaigns'],
];
const scopeLabel = Object.fromEntries(SCOPES.map(([word, label]) => [word, label]));

export default function Tokens() {
  if (isAdmin.value) return html`<${All} />`;
  return html`<div class="page">
    <${Head} />
    <${Note}>Only a token that may do everything can see and make tokens.<//>
  </div>`;
}

const Head = ({ children }) =>
  html`<header class="page-head">
    <div class="grow">
      <h1>API tokens</h1>
      <p>For scripts, CRMs and other programs. People sign in here with them, too.</p>
    </div>
    ${children}
  </header>`;

function All() {
  const [resource, reload] = useResource('tokens', (options) => get('/tokens', options));
  const isAsking = useSignal(false);
  const made = useSignal(null);
  const { data: tokens, error } = resource.value;
  const onMade = (token) => {
    isAsking.value = false;
    made.value = token;
    reload();
  };
  return html`<div class="page">
    <${Head}>
      <button type="button" class="btn primary" onClick=${() => (isAsking.value = true)}>
        <${Icon} n="plus" />New token
      </button>
    <//>
    ${
      error
        ? html`<${Problem} error=${error} retry=${reload} />`
        : !tokens
          ? html`<${Loading} rows=${3} h=${48} />`
          : html`<${List} tokens=${tokens} onChange=${reload} />`
    }
    ${isAsking.value && html`<${NewToken} onClose=${() => (isAsking.value = false)} onMade=${onMade} />`}
    ${made.value && html`<${Made} token=${made.value} onClose=${() => (made.value = null)} />`}
  </div>`;
}

const List = ({ tokens, onChange }) =>
  html`<div class="card scroll-x">
    <table class="table" aria-label="API tokens">
      <thead>
        <tr>
          <th>Name</th>
          <th>May do</th>
          <th class="r opt">Made</th>
          <th class="r">Last used</th>
          <th class="r opt">Last day</th>
          <th><span class="vh">Actions</span></th>
        </tr>
      </thead>
      <tbody>
        ${tokens.map(
          (token) =>
            html`<tr key=${token.id}>
              <td class="wrap-any"><b class="strong">${token.name}</b></td>
              <td class="muted nowrap">${scopeLabel[token.scope]}</td>
              <td class="r muted nowrap opt" title=${stamp(token.created_at)}>${ago(token.created_at)}</td>
              <td class="r muted nowrap" title=${token.last_used_at && stamp(token.last_used_at)}>
                ${token.last_used_at ? ago(token.last_used_at) : 'Never'}
              </td>
              <td class="r muted nowrap opt">${expiry(token)}</td>
              <td class="r">
                <${ActionButton}
                  class="btn small danger"
                  label=${`Revoke ${token.name}…`}
                  run=${() => revoke(token, onChange)}
                >
                  Revoke…
                <//>
              </td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;

/** Until when a token counts: its last day, for those who gave it one. */
function expiry({ expires_at: end }) {
  if (!end) return 'Stays';
  if (new Date(end) <= new Date()) return html`<b class="strong">Expired</b> ${ago(end)}`;
  return html`<span title=${stamp(end)}>${isoDay(new Date(end) - 1, 'UTC')}</span>`;
}

async function revoke({ id, name }, onChange) {
  const isSure = await confirm({
    title: `Revoke “${name}”?`,
    ok: 'Revoke token',
    danger: true,
    body: 'Programs that use it, and people who signed in with it, are locked out at once. This cannot be undone.',
  });
  if (!isSure) return;
  try {
    await del(`/tokens/${id}`);
    toast('The token is revoked.');
    onChange();
  } catch (error) {
    fail(error);
  }
}

function NewToken({ onClose, onMade }) {
  const name = useSignal('');
  const scope = useSignal('read');
  const lastDay = useSignal('');
  const problems = useSignal({});
  // Not sent again by itself when the answer is lost: the server keeps no token that it could show twice.
  const make = async () =>
    onMade(await post('/tokens', { name: name.value.trim(), scope: scope.value, expires_at: lastDay.value || null }));
  return html`<${FormDialog}
    title="New API token"
    ok="Create token"
    onClose=${onClose}
    onSubmit=${make}
    onProblem=${(fields) => (problems.value = fields)}
  >
    <${Field} label="What is it for?" error=${problems.value.name}>
      ${input(name, { autofocus: true, maxlength: 200, placeholder: 'CRM sync' })}
    <//>
    <${Picks} legend="May do" name="scope" options=${SCOPES} chosen=${scope} />
    <${Field}
      label="Last day"
      optional
      hint="It counts until the end of this day (UTC)."
      error=${problems.value.expires_at}
    >
      ${input(lastDay, { type: 'date', min: isoDay(Date.now(), 'UTC') })}
    <//>
  <//>`;
}

const Made = ({ token, onClose }) =>
  html`<${Sheet} title="New API token" sub=${`${token.name}, ${scopeLabel[token.scope]}`} onClose=${onClose}>
    <${Note} kind="ok" icon="circle-check">
      <strong>Copy the token now.</strong> It is shown this one time and cannot be read again.
    <//>
    <pre class="codebox wrap" tabindex="0" aria-label="The token">${token.token}</pre>
    <div class="row">
      <${CopyButton} text=${token.token} label="Copy token" /><span class="grow"></span
      ><button type="button" class="btn primary" onClick=${onClose}>Done</button>
    </div>
  <//>`;
