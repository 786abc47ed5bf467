// The Leads tab of a campaign: who is called.
import { html } from '../lib/ui.js';
import { usePages } from '../lib/api.js';
import { LEAD_STATUS } from '../lib/format.js';
import { Card, Loading, Problem } from '../components/basic.js';

export function CampaignLeads({ campaign }) {
  const { state, reload } = usePages(`/voice-campaigns/${campaign.id}/leads`);
  const { data, error } = state.value;
  if (error) return html`<${Problem} error=${error} retry=${reload} />`;
  if (!data) return html`<${Loading} />`;
  return html`<div class="stack">
    <${Card} title="Leads" flush>
      <ul>
        ${data.items.map((lead) => html`<li key=${lead.id}>${lead.phone}, ${LEAD_STATUS[lead.status]}</li>`)}
      </ul>
    <//>
  </div>`;
}
