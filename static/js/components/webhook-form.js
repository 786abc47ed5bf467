// Adding and changing a receiver of events, and its secret, which is shown once with how to verify a signature.
import { html, useSignal } from '../lib/ui.js';
import { ask, create } from '../lib/api.js';
import { toast } from '../lib/notify.js';
import { CopyButton, Field, FormDialog, input, Note, Sheet } from './basic.js';

/** What receivers can be told of, in words. */
export const EVENTS = [
  ['call.completed', 'A call ended', 'With its outcome, length, cost and person'],
  ['campaign.status_changed', 'A campaign changed', 'Started, paused, completed, and by whom'],
  ['campaign.budget_threshold_reached', 'Budget nearly used up', 'At the share you set, and at all of it'],
  ['campaign.error', 'Something needs a person', 'Such as a carrier that fails'],
];
const ALL = EVENTS.map(([word]) => word);

/** @param {{hook?: object, onClose: () => void, onSaved: (hook: object) => void}} props without `hook` a new one is made */
export function WebhookForm({ hook, onClose, onSaved }) {
  const url = useSignal(hook?.url ?? '');
  const description = useSignal(hook?.description ?? '');
  const events = useSignal(hook?.events ?? ALL);
  const secret = useSignal('');
  const problems = useSignal({});
  const save = async () => {
    const body = { url: url.value.trim(), events: events.value, description: description.value.trim() || null };
    if (hook) {
      // Read again for its tag, so that nobody else's change is overwritten unseen.
      const { etag, data } = await ask('GET', `/webhooks/${hook.id}`);
      if (data.updated_at !== hook.updated_at)
        throw new Error('Someone changed this in the meantime. Close and look again.');
      const { data: saved } = await ask('PUT', `/webhooks/${hook.id}`, body, { ifMatch: etag });
      toast('The webhook is changed.');
      return onSaved(saved);
    }
    return onSaved(await create('/webhooks', secret.value.trim() ? { ...body, secret: secret.value.trim() } : body));
  };
  const toggle = (word) => {
    const isOn = events.value.includes(word);
    events.value = isOn ? events.value.filter((other) => other !== word) : [...events.value, word];
  };
  const { url: wrongUrl, events: wrongEvents, description: wrongDescription, secret: wrongSecret } = problems.value;
  return html`<${FormDialog}
    title=${hook ? 'Edit webhook' : 'Add webhook'}
    ok=${hook ? 'Save' : 'Add webhook'}
    wide
    onClose=${onClose}
    onSubmit=${save}
    onProblem=${(fields) => (problems.value = fields)}
  >
    <${Field} label="Address" hint="Where events are sent by POST, signed." error=${wrongUrl}>
      ${input(url, { type: 'url', autofocus: true, placeholder: 'crm.example.com/calls, with its scheme in front', maxlength: 2000 })}
    <//>
    <fieldset class="field">
      <legend class="label">Tell it when</legend>
      <div class="stack-s">
        ${EVENTS.map(
          ([word, label, words]) =>
            html`<label key=${word} class="check"
              ><input type="checkbox" checked=${events.value.includes(word)} onChange=${() => toggle(word)} />
              <span
                ><b class="strong">${label}</b> <code class="faint">${word}</code><br /><span class="muted small"
                  >${words}</span
                ></span
              >
            </label>`,
        )}
      </div>
      ${wrongEvents && html`<p class="err" role="alert">${wrongEvents}</p>`}
    </fieldset>
    <${Field} label="Note" optional error=${wrongDescription}>
      ${input(description, { placeholder: 'Our CRM', maxlength: 500 })}
    <//>
    ${
      !hook &&
      html`<${Field} label="Signing secret" optional hint="Leave it empty and one is made." error=${wrongSecret}>
        ${input(secret, { autocomplete: 'off', placeholder: 'whsec_…' })}
      <//>`
    }
  <//>`;
}

const VERIFY = `from standardwebhooks import Webhook

event = Webhook(secret).verify(body, headers)
# the body as it came; raises when it is not from this server`;

/** @param {{hook: object, isNew?: boolean, onClose: () => void}} props `hook` bears its secret this one time */
export const SecretSheet = ({ hook, isNew, onClose }) =>
  html`<${Sheet}
    title=${isNew ? 'Webhook added' : 'New signing secret'}
    sub=${html`<span class="mono wrap-any">${hook.url}</span>`}
    onClose=${onClose}
  >
    <${Note} kind="ok" icon="circle-check">
      <strong>Copy the secret now.</strong> It is shown this one time.
      ${!isNew && ' For 24 hours requests are signed with the old one as well.'}
    <//>
    <section>
      <div class="row">
        <h3 class="grow">Secret</h3>
        <${CopyButton} text=${hook.secret} label="Copy secret" />
      </div>
      <pre class="codebox wrap" tabindex="0" aria-label="Secret">${hook.secret}</pre>
    </section>
    <section>
      <div class="row">
        <h3 class="grow">Verify each request, in Python</h3>
        <${CopyButton} text=${VERIFY} />
      </div>
      <pre class="codebox" tabindex="0" aria-label="How to verify">${VERIFY}</pre>
      <p class="muted small">
        Signed as Standard Webhooks says, so there is a library for your language: headers <code>webhook-id</code>,
        <code>webhook-timestamp</code> and <code>webhook-signature</code>.
      </p>
    </section>
    <div class="row">
      <span class="grow"></span><button type="button" class="btn primary" onClick=${onClose}>Done</button>
    </div>
  <//>`;
