import { html } from '../lib/ui.js';
import { dur, ago, stamp, money } from '../lib/format.js';
import { Outcome } from './basic.js';
export const CallTable = ({ items, onOpen, campaign = true }) =>
  html`<div class="scroll-x">
    <table class="table calls">
      <thead>
        <tr>
          <th>Lead</th>
          ${campaign && html`<th>Campaign</th>`}
          <th>Outcome</th>
          <th class="r opt3">Length</th>
          <th class="r opt">Try</th>
          <th class="r opt">Cost</th>
          <th class="r">When</th>
        </tr>
      </thead>
      <tbody>
        ${items.map(
          (c) =>
            html`<tr key=${c.id} class="link" onClick=${() => onOpen(c.id)}>
              <td>
                <button
                  class="linkbtn"
                  onClick=${(e) => {
                    e.stopPropagation();
                    onOpen(c.id);
                  }}
                >
                  ${c.lead_name || c.phone}
                </button>
                <div class="faint small num nowrap">${c.phone}</div>
              </td>
              ${campaign && html`<td class="muted opt2"><span class="clip">${c.campaign_name}</span></td>`}
              <td><${Outcome} o=${c.outcome} /></td>
              <td class="r opt3">${dur(c.seconds)}</td>
              <td class="r opt muted">${c.attempt}</td>
              <td class="r opt muted">${money(c.cost)}</td>
              <td class="r muted nowrap" title=${stamp(c.placed_at)}>${ago(c.placed_at)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
