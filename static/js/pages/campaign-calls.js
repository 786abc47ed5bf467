// The Calls tab of a campaign: every dial there was.
import { html } from '../lib/ui.js';
import { usePages } from '../lib/api.js';
import { stamp } from '../lib/format.js';
import { Card, Loading, Outcome, Problem } from '../components/basic.js';

export function CampaignCalls({ campaign }) {
  const { state, reload } = usePages(`/voice-campaigns/${campaign.id}/calls`);
  const { data, error } = state.value;
  if (error) return html`<${Problem} error=${error} retry=${reload} />`;
  if (!data) return html`<${Loading} />`;
  return html`<${Card} title="Calls" flush>
    <ul>
      ${data.items.map(
        (call) =>
          html`<li key=${call.id}>${call.phone}, ${stamp(call.placed_at)} <${Outcome} o=${call.outcome} /></li>`,
      )}
    </ul>
  <//>`;
}
