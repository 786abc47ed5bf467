// Schemas of an OpenAPI 3.1 document in words: what a value is, what an object has, and an example.
import { html } from '../lib/ui.js';
import { marked } from './basic.js';

/** Deeper than this no example goes; schemas may contain themselves. */
const DEPTH_MAX = 6;

/** What a `$ref` such as `#/components/schemas/Call` points to; everything else as it is. @returns {any} */
export function resolve(document, part) {
  let found = part;
  for (let i = 0; found?.$ref && i < DEPTH_MAX; i++) {
    const steps = found.$ref.slice(2).split('/');
    found = steps.reduce((at, step) => at?.[step.replaceAll('~1', '/').replaceAll('~0', '~')], document);
  }
  return found ?? {};
}

/** The schemas of which one must hold, without the one that only allows nothing. */
const choices = (schema) => (schema.oneOf ?? schema.anyOf ?? []).filter(({ type }) => type !== 'null');

/** `Call[]`, `integer or null`, `string (date-time)`. @returns {string} */
export function typeOf(document, schema, depth = 0) {
  if (!schema || depth > DEPTH_MAX) return 'any';
  if (schema.$ref) return schema.$ref.split('/').pop();
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return several.map((one) => typeOf(document, one, depth + 1)).join(' or ');
  if (schema.allOf) return schema.allOf.map((one) => typeOf(document, one, depth + 1)).join(' and ');
  const types = [schema.type ?? (schema.properties ? 'object' : 'any')].flat();
  const words = types.map((type) => (type === 'array' ? `${typeOf(document, schema.items, depth + 1)}[]` : type));
  return words.join(' or ') + (schema.format ? ` (${schema.format})` : '');
}

/** All properties of an object, of whatever parts it is put together. */
function propertiesOf(document, schema, depth = 0) {
  const whole = resolve(document, schema);
  if (depth > DEPTH_MAX) return { properties: {}, required: [] };
  if ([whole.type].flat().includes('array')) return propertiesOf(document, whole.items, depth + 1);
  const parts = [...(whole.allOf ?? []), ...choices(whole)].map((part) => propertiesOf(document, part, depth + 1));
  return {
    properties: Object.assign({}, ...parts.map(({ properties }) => properties), whole.properties),
    required: [...parts.flatMap(({ required }) => required), ...(whole.required ?? [])],
  };
}

/** The first thing that says what a value looks like. @returns {any} */
export function example(document, schema, depth = 0) {
  const whole = resolve(document, schema);
  if (whole.example !== undefined) return whole.example;
  if (whole.examples?.length) return whole.examples[0];
  if (whole.const !== undefined) return whole.const;
  if (whole.enum) return whole.enum[0];
  if (depth > DEPTH_MAX) return null;
  const [type] = [whole.type].flat();
  if (type === 'array') return [example(document, whole.items, depth + 1)];
  const { properties } = propertiesOf(document, whole);
  if (type === 'object' || Object.keys(properties).length) {
    const entries = Object.entries(properties);
    return Object.fromEntries(entries.map(([name, one]) => [name, example(document, one, depth + 1)]));
  }
  if (choices(whole).length) return example(document, choices(whole)[0], depth + 1);
  return { string: 'text', integer: 1, number: 1.5, boolean: true }[type] ?? null;
}

/** What an object has, property by property; those of objects inside can be opened. */
export function Properties({ document, schema, depth = 0 }) {
  const { properties, required } = propertiesOf(document, schema);
  const entries = Object.entries(properties);
  if (!entries.length) return html`<p class="muted small">${typeOf(document, schema)}</p>`;
  return html`<dl class="props">
    ${entries.map(([name, part]) => {
      const whole = resolve(document, part);
      const words = whole.enum ?? resolve(document, whole.items).enum;
      const inner = depth < 3 && Object.keys(propertiesOf(document, part).properties).length > 0;
      return html`<div key=${name}>
        <dt>
          <code>${name}</code>${required.includes(name) && html`<span class="req">required</span>`}
          <span class="faint small">${typeOf(document, part)}${limitsOf(whole)}</span>
        </dt>
        <dd class="small muted">
          ${marked(part.description ?? whole.description)}
          ${words && html`<div>One of ${words.map((word, i) => html`${i > 0 && ', '}<code key=${word}>${String(word)}</code>`)}</div>`}
          ${
            inner &&
            html`<details>
              <summary>What it has</summary>
              <${Properties} document=${document} schema=${part} depth=${depth + 1} />
            </details>`
          }
        </dd>
      </div>`;
    })}
  </dl>`;
}

function limitsOf({ minimum, maximum, minLength, maxLength, default: usual }) {
  return [
    minimum != null && `, from ${minimum}`,
    maximum != null && `, up to ${maximum}`,
    minLength > 1 && `, at least ${minLength} characters`,
    maxLength != null && `, at most ${maxLength} characters`,
    usual != null && `, ${JSON.stringify(usual)} unless said`,
  ]
    .filter(Boolean)
    .join('');
}
