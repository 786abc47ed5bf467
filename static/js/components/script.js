// Script templates: {variable} with an optional fallback {variable|there}.
import { html } from '../lib/ui.js';
export const VAR = /\{\s*([a-z][a-z0-9_]*)\s*(?:\|([^}]*))?\}/gi;
export const vars = (t) => [...new Set([...t.matchAll(VAR)].map((m) => m[1].toLowerCase()))];
export function fill(t, row) {
  // -> vnodes; values are text, never HTML
  const out = [];
  let i = 0;
  for (const m of t.matchAll(VAR)) {
    out.push(t.slice(i, m.index));
    const v = row[m[1].toLowerCase()] || m[2];
    out.push(v ? html`<mark key=${m.index}>${v}</mark>` : html`<mark key=${m.index} class="bad">{${m[1]}}</mark>`);
    i = m.index + m[0].length;
  }
  out.push(t.slice(i));
  return out;
}
/** Spoken length in seconds at about 150 words a minute. */
export const spoken = (t) => Math.round((t.trim().split(/\s+/).filter(Boolean).length / 150) * 60);
