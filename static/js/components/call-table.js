// Calls as rows, newest first; a row opens the sheet of its call.
import { html } from '../lib/ui.js';
import { ago, dur, money, num, stamp } from '../lib/format.js';
import { Outcome } from './basic.js';

/** Who a call was to, as far as the server still knows. */
export const personOf = ({ lead_name: name, phone }) => name || phone || 'Erased person';

/**
 * @param {{items: object[], onOpen: (id: number) => void, campaign?: boolean, zone?: string, label?: string}} props
 * `campaign` shows its name, `zone` is that of the one whose calls they are
 */
export const CallTable = ({ items, onOpen, campaign = true, zone, label = 'Calls' }) =>
  html`<div class="scroll-x">
    <table class="table calls" aria-label=${label}>
      <thead>
        <tr>
          <th>Lead</th>
          ${campaign && html`<th>Campaign</th>`}
          <th>Outcome</th>
          <th class="r opt3">Length</th>
          <th class="r opt">Attempt</th>
          <th class="r opt">Cost</th>
          <th class="r">When</th>
        </tr>
      </thead>
      <tbody>
        ${items.map((call) => html`<${CallRow} key=${call.id} ...${{ call, onOpen, campaign, zone }} />`)}
      </tbody>
    </table>
  </div>`;

function CallRow({ call, onOpen, campaign, zone }) {
  const open = (event) => {
    event.stopPropagation();
    onOpen(call.id);
  };
  return html`<tr class="link" onClick=${open}>
    <td>
      <button type="button" class="linkbtn" onClick=${open}>${personOf(call)}</button>
      ${call.lead_name && call.phone && html`<div class="faint small num nowrap">${call.phone}</div>`}
    </td>
    ${campaign && html`<td class="muted opt2"><span class="clip">${call.campaign_name}</span></td>`}
    <td><${Outcome} o=${call.outcome} exact /></td>
    <td class="r opt3 num">${call.seconds == null ? '–' : dur(call.seconds)}</td>
    <td class="r opt muted num">${num(call.attempt)}</td>
    <td class="r opt muted num">${money(call.cost)}</td>
    <td class="r muted nowrap" title=${stamp(call.placed_at, zone)}>${ago(call.placed_at)}</td>
  </tr>`;
}
