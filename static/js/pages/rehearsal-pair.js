// Two rehearsals side by side: what differs, in a sentence, as a table and as charts of one scale.
import { html } from '../lib/ui.js';
import { Card } from '../components/basic.js';
import { changesOf, comparison, titleOf, verdict } from '../lib/rehearsal.js';
import { mostOf, PerDay } from './rehearsal-result.js';

/** What was assumed, beside the settings that were changed. */
const assumedOf = ({ settings: { changes, ...assumed } }) => JSON.stringify(assumed);

/** @param {{first: any, second: any, campaign: any}} props rehearsals that are done */
export function Pair({ first, second, campaign }) {
  const both = [first, second];
  const [a, b] = both.map(({ result }) => result);
  const titles = both.map(titleOf);
  // Two with the same title are told apart by their numbers.
  const names = titles[0] === titles[1] ? both.map(({ id }, i) => `${titles[i]} (no. ${id})`) : titles;
  const rows = comparison(a, b, campaign.time_zone);
  const most = Math.max(mostOf(a), mostOf(b));
  const madeFirst = Math.min(...both.map(({ made_at: at }) => Date.parse(at)));
  const differs = verdict(a, b, campaign.time_zone);
  const isAlike = assumedOf(first) === assumedOf(second);
  const isWhatIf = isAlike && !Object.keys(changesOf(first)).length && Object.keys(changesOf(second)).length > 0;
  const who = isWhatIf ? 'With these changes it' : 'The one on the right';
  const hasChanged = Date.parse(campaign.updated_at) > madeFirst;
  return html`<${Card} title="Both futures side by side" flush>
      <div class="padded-top stack-s">
        <p class="strong">${differs ? `${who} ${differs}.` : 'Both come to the same.'}</p>
        <p class="small muted">
          Each is one course that it may take; small differences can be chance.
          ${!isAlike && ' They do not assume the same, so the settings are not all that differs.'}
          ${hasChanged && ' The campaign has changed since the older of them was rehearsed.'}
        </p>
      </div>
      <div class="scroll-x" tabindex="0" role="region" aria-label="Both futures">
        <table class="table pair">
          <thead>
            <tr>
              <td><span class="vh">What</span></td>
              ${names.map((name, i) => html`<th key=${i} scope="col">${name}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${rows.map(
              ({ label, values, difference }) =>
                html`<tr key=${label}>
                  <th scope="row">${label}</th>
                  <td>${values[0]}</td>
                  <td class=${values[0] !== values[1] && 'strong'}>
                    ${values[1]} ${difference && html`<span class="small muted nowrap by">${difference}</span>`}
                  </td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    <//>
    <div class="cols two">
      ${both.map(({ result }, i) => html`<${PerDay} key=${i} result=${result} title=${names[i]} most=${most} />`)}
    </div>`;
}
