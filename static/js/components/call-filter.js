// The choice of an outcome: the groups as headings, the exact outcomes below them.
import { html } from '../lib/ui.js';
import { EXACT, GROUPS, OUTCOMES } from '../lib/format.js';

/** @param {{value: string, onChange: (outcome: string) => void, none?: string}} props */
export const OutcomeSelect = ({ value, onChange, none = 'All outcomes' }) =>
  html`<select
    class="input auto"
    aria-label="Outcome"
    value=${value}
    onChange=${(e) => onChange(e.currentTarget.value)}
  >
    <option value="">${none}</option>
    ${OUTCOMES.map(([group, label]) => {
      const options = GROUPS[group].map((word) => html`<option key=${word} value=${word}>${EXACT[word]}</option>`);
      return options.length > 1 ? html`<optgroup key=${group} label=${label}>${options}</optgroup>` : options;
    })}
  </select>`;
