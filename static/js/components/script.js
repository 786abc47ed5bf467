// Scripts: text with {variable} and {variable|what to say instead}. The server reads them; here they are only shown.
import { html } from '../lib/ui.js';

const SLOT = /\{\{|\}\}|\{\s*([\p{L}_][\p{L}\p{M}\p{N}_ .-]*?)\s*(?:\|([^{}]*))?\}/gu;

/** The form in which the server compares names: `First Name` and `first-name` are `first_name`. */
export const normalName = (name) => name.trim().toLowerCase().replace(/[-\s]/g, '_');

/** The names a script asks for, each once, with whether it can be said without. */
export function variables(script) {
  const found = new Map();
  for (const [, name, fallback] of script.matchAll(SLOT)) {
    if (!name) continue;
    const known = found.get(normalName(name)) ?? true;
    found.set(normalName(name), known && fallback !== undefined);
  }
  return [...found].map(([name, hasFallback]) => ({ name, hasFallback }));
}

/** Names that the fields of a lead fill; all others are variables of the lead. */
export const BUILT_IN = ['customer_name', 'name', 'first_name', 'last_name', 'email', 'company_name', 'phone'];

/** Somebody who does not exist, for scripts that no lead can be heard with yet. */
export const SAMPLE = {
  customer_name: 'Ana Novak',
  name: 'Ana Novak',
  first_name: 'Ana',
  last_name: 'Novak',
  email: 'ana@example.com',
  company_name: 'Novak Ltd',
  phone: '+1 202 555 0101',
};

/**
 * A script with its values marked; a value that is missing is marked as a problem. What values say is text, whatever it
 * looks like.
 * @param {string} script @param {Record<string, string>} values by normal name
 */
export function filled(script, values) {
  const parts = [];
  let at = 0;
  for (const match of script.matchAll(SLOT)) {
    const [all, name, fallback] = match;
    parts.push(script.slice(at, match.index));
    at = match.index + all.length;
    if (!name) {
      parts.push(all[0]);
      continue;
    }
    const value = values[normalName(name)] || fallback;
    parts.push(
      value === undefined
        ? html`<mark key=${match.index} class="bad">{${name}}</mark>`
        : html`<mark key=${match.index}>${value}</mark>`,
    );
  }
  return [...parts, script.slice(at)];
}

/** A script with its values, as plain text. */
export const plain = (script, values) =>
  script.replace(SLOT, (all, name, fallback) => (name ? values[normalName(name)] || (fallback ?? all) : all[0]));

/** What the server says after a script. */
export const Added = ({ text }) => text && html`<span class="muted" title="Said after the script">${text}</span>`;

/** About how many seconds a text takes to say, at 150 words a minute. */
export const spokenSeconds = (text) => Math.round((text.split(/\s+/).filter(Boolean).length / 150) * 60);
