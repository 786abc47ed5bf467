// The third step: who is called. It may be left for later.
import { html } from '../lib/ui.js';
import { get, useResource } from '../lib/api.js';
import { num, openLeads, plural } from '../lib/format.js';
import { Note } from '../components/basic.js';
import { LeadImport } from '../components/lead-import.js';

export function LeadsStep({ draft, ready }) {
  const campaign = draft.campaign.value;
  const [stats, reload] = useResource(String(campaign.id), (options) =>
    get(`/voice-campaigns/${campaign.id}/stats`, options),
  );
  const { data } = stats.value;
  const toCall = data && `, ${num(openLeads(data.leads))} to call.`;
  return html`<div class="stack">
    ${
      draft.form.value.campaign_type === 'inbound' &&
      html`<${Note} icon="phone">
        <strong>Nobody here is called.</strong> People whose number is known are greeted with what stands beside it. You
        can also continue without anybody.
      <//>`
    }
    ${
      data?.total_leads > 0 &&
      html`<${Note} icon="users">
        <strong>${plural(data.total_leads, 'person', 'people')} in this campaign</strong>${toCall}
      <//>`
    }
    <${LeadImport} campaign=${campaign} ready=${ready} onImported=${reload} />
    <p class="small muted">
      Only call people who may expect it. Numbers on the do-not-call list are left out by themselves. You can also
      continue and add people later.
    </p>
  </div>`;
}
