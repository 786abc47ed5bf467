// The API reference, drawn from the OpenAPI document that the server keeps. Try it is the only request outside lib/api.js:
// it shows answers as they come, errors included.
import { html, useSignal } from '../lib/ui.js';
import { get, useResource } from '../lib/api.js';
import { route, setQuery } from '../lib/router.js';
import { num, plural } from '../lib/format.js';
import { ActionButton, CopyButton, Empty, Icon, Loading, marked, Problem, Search } from '../components/basic.js';
import { example, Properties, resolve, typeOf } from '../components/schema.js';

export const title = 'API reference';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
/** Of a long answer so much is shown. */
const ANSWER_MAX = 20_000;

/** Every operation of the document, and every event as one, with where its text is searched. */
function operationsOf(document) {
  const of = (items, isEvent) =>
    Object.entries(items ?? {}).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]).map((method) => ({
        path,
        method,
        isEvent,
        operation: item[method],
        parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])].map((one) =>
          resolve(document, one),
        ),
        text: [path, method, item[method].summary, item[method].description].join(' ').toLowerCase(),
      })),
    );
  return [...of(document.paths, false), ...of(document.webhooks, true)];
}

export default function Reference() {
  const [resource, reload] = useResource('openapi', (options) => get('/openapi.json', options));
  const { data, error } = resource.value;
  return html`<div class="page">
    <header class="page-head">
      <div class="grow">
        <h1>API reference</h1>
        <p>
          Everything on these pages can be done over HTTP. Make a token under <a href="#/tokens">API tokens</a> and send
          it with every request.
        </p>
      </div>
      <a class="btn" href="api/openapi.json" download="openapi.json"><${Icon} n="download" />openapi.json</a>
    </header>
    ${
      error
        ? html`<${Problem} error=${error} retry=${reload} />`
        : data
          ? html`<${Contents} document=${data} />`
          : html`<${Loading} rows=${6} h=${46} />`
    }
  </div>`;
}

function Contents({ document }) {
  const { q = '' } = route.value.query;
  const wanted = q.toLowerCase().split(/\s+/);
  const all = operationsOf(document);
  const found = all.filter(({ text }) => wanted.every((word) => text.includes(word)));
  const groups = [
    ...(document.tags ?? []).map(({ name, description }) => ({
      name,
      description,
      operations: found.filter(({ isEvent, operation }) => !isEvent && operation.tags?.[0] === name),
    })),
    {
      name: 'Events that are sent to webhooks',
      description: 'The server sends these to your address, signed. Answer with any 2xx.',
      operations: found.filter(({ isEvent }) => isEvent),
    },
  ].filter(({ operations }) => operations.length);
  const clear = html`<button type="button" class="btn" onClick=${() => setQuery({ q: '' })}>Clear search</button>`;
  return html`<div class="row wrap filters">
      <${Search}
        class="narrow"
        value=${q}
        placeholder="Find an operation"
        label="Find an operation"
        onSearch=${(text) => setQuery({ q: text })}
      />
      <span class="muted small num" role="status">${plural(found.length, 'operation')}</span>
    </div>
    ${!groups.length && html`<div class="card"><${Empty} icon="search" title="Nothing found" actions=${clear}>Try another word.<//></div>`}
    ${groups.map(
      ({ name, description, operations }) =>
        html`<section key=${name} class="stack-s" aria-label=${name}>
          <h2>${name}</h2>
          ${description && html`<p class="muted">${description}</p>`}
          ${operations.map((one) => html`<${Operation} key=${one.method + one.path} document=${document} ...${one} />`)}
        </section>`,
    )}`;
}

/** One operation; what is inside is drawn once it is opened, because there are many. */
function Operation({ document, ...one }) {
  const isOpen = useSignal(false);
  const { path, method, operation, isEvent } = one;
  return html`<details class="op" onToggle=${(event) => (isOpen.value = event.currentTarget.open)}>
    <summary>
      <span class=${'verb ' + (isEvent ? 'event' : method)}>${isEvent ? 'EVENT' : method.toUpperCase()}</span>
      <code class="wrap-any">${path}</code><span class="muted">${operation.summary}</span>
    </summary>
    ${isOpen.value && html`<${Details} document=${document} ...${one} />`}
  </details>`;
}

function Details({ document, path, method, operation, parameters, isEvent }) {
  const body = resolve(document, operation.requestBody);
  const [type, media] = mediaOf(body);
  const args = useSignal({});
  const setArg = (name, value) => (args.value = { ...args.value, [name]: value });
  return html`<div class="op-body">
    <div class="stack">
      ${operation.description?.split('\n\n').map((words, i) => html`<p key=${i}>${marked(words)}</p>`)}
      ${
        parameters.length > 0 &&
        html`<section aria-label="Parameters">
          <h3>${isEvent ? 'Headers' : 'Parameters'}</h3>
          <dl class="props">
            ${parameters.map(
              (one) =>
                html`<${Parameter}
                  key=${one.in + one.name}
                  document=${document}
                  parameter=${one}
                  value=${args.value[one.name] ?? ''}
                  onInput=${method === 'get' && one.in !== 'header' ? (value) => setArg(one.name, value) : null}
                />`,
            )}
          </dl>
        </section>`
      }
      ${
        media &&
        html`<section aria-label="Body">
          <h3>Body <span class="faint small">${type}</span></h3>
          <${Properties} document=${document} schema=${media.schema} />
        </section>`
      }
      <section aria-label="Answers">
        <h3>Answers</h3>
        ${Object.entries(operation.responses ?? {}).map(
          ([code, answer]) =>
            html`<${Answer} key=${code} code=${code} answer=${resolve(document, answer)} document=${document} />`,
        )}
      </section>
    </div>
    <div class="stack">
      ${
        isEvent
          ? html`<${Code} title="Example" text=${JSON.stringify(exampleOf(document, media), null, 2)} />`
          : html`<${Code} title="Example" text=${curl(document, path, method, type, media)} />`
      }
      ${method === 'get' && !isEvent && path !== '/api/events' && html`<${TryIt} path=${path} parameters=${parameters} args=${args.value} />`}
    </div>
  </div>`;
}

const Code = ({ title: heading, text }) =>
  html`<section>
    <div class="row">
      <h3 class="grow">${heading}</h3>
      <${CopyButton} text=${text} />
    </div>
    <pre class="codebox" tabindex="0" aria-label=${heading}>${text}</pre>
  </section>`;

/** The kind of body that is shown: JSON where there is a choice. */
function mediaOf({ content = {} }) {
  const types = Object.keys(content);
  const type = types.includes('application/json') ? 'application/json' : types[0];
  return [type, content[type]];
}

const exampleOf = (document, media) =>
  media?.example ??
  resolve(document, Object.values(media?.examples ?? {})[0])?.value ??
  example(document, media?.schema);

const folder = () => location.origin + location.pathname.replace(/\/[^/]*$/, '');

function curl(document, path, method, type, media) {
  const lines = [
    `curl ${method === 'get' ? '' : `-X ${method.toUpperCase()} `}'${folder()}${path}'`,
    '-H "Authorization: Bearer $TOKEN"',
  ];
  if (type === 'application/json') {
    // A quote inside a quoted word of a shell.
    const body = JSON.stringify(exampleOf(document, media)).replaceAll("'", "'\\''");
    lines.push(`-H 'Content-Type: application/json'`, `-d '${body}'`);
  } else if (type === 'multipart/form-data') {
    lines.push('-F file=@leads.csv');
  } else if (type) {
    lines.push(`-H 'Content-Type: ${type}'`, '--data-binary @leads.csv');
  }
  return lines.join(' \\\n  ');
}

function Parameter({ document, parameter, value, onInput }) {
  const { name, required, description, schema } = parameter;
  const { enum: words, default: usual } = resolve(document, schema);
  const place = { path: 'in the path', query: 'in the query', header: 'header' }[parameter.in] ?? parameter.in;
  return html`<div>
    <dt>
      <code>${name}</code>${required && html`<span class="req">required</span>`}
      <span class="faint small">${place}, ${typeOf(document, schema)}</span>
    </dt>
    <dd class="small muted">
      ${marked(description)}
      ${
        onInput &&
        (words
          ? html`<select
              class="input"
              aria-label=${name}
              value=${value}
              onChange=${(e) => onInput(e.currentTarget.value)}
            >
              <option value=""></option>
              ${words.map((word) => html`<option key=${word} value=${word}>${word}</option>`)}
            </select>`
          : html`<input
              class="input"
              aria-label=${name}
              placeholder=${usual ?? ''}
              value=${value}
              onInput=${(event) => onInput(event.currentTarget.value)}
            />`)
      }
    </dd>
  </div>`;
}

function Answer({ code, answer, document }) {
  const [, media] = mediaOf(answer);
  const isGood = code[0] === '2';
  return html`<details class="answer">
    <summary>
      <span class=${'pill plain ' + (isGood ? 'calling' : code[0] === '3' ? 'paused' : 'attention')}>${code}</span>
      <span>${marked(answer.description)}</span>
      ${media?.schema && html`<span class="faint small">${typeOf(document, media.schema)}</span>`}
    </summary>
    ${
      media &&
      html`${isGood && html`<${Properties} document=${document} schema=${media.schema} />`}
        <pre class="codebox" tabindex="0" aria-label=${`Example of ${code}`}>${shown(exampleOf(document, media))}</pre>`
    }
  </details>`;
}

const shown = (value) => (typeof value === 'string' ? value : JSON.stringify(value, null, 2));

/** Asks for real, as whoever is signed in. */
function TryIt({ path, parameters, args }) {
  const answer = useSignal(null);
  const run = async () => {
    const query = new URLSearchParams();
    let target = path.replace(/^\//, '');
    for (const { name, in: place, required } of parameters) {
      const value = args[name] ?? '';
      if (place === 'path') {
        if (!value && required) return (answer.value = { problem: `Fill in ${name} first.` });
        target = target.replace(`{${name}}`, encodeURIComponent(value));
      } else if (place === 'query' && value) query.set(name, value);
    }
    const start = performance.now();
    try {
      const reply = await fetch(target + (query.size ? `?${query}` : ''), { credentials: 'same-origin' });
      const text = await reply.text();
      answer.value = { status: reply.status, ms: Math.round(performance.now() - start), text: pretty(text) };
    } catch {
      answer.value = { problem: 'The server cannot be reached.' };
    }
  };
  const { problem, status, ms, text } = answer.value ?? {};
  return html`<section aria-label="Try it">
    <${ActionButton} class="btn small" icon="play" run=${run}>Try it<//>
    <p class="small muted num" role="status">${problem ?? (status && `${status} in ${num(ms)} ms`)}</p>
    ${text && html`<pre class="codebox" tabindex="0" aria-label="Answer">${text}</pre>`}
  </section>`;
}

function pretty(text) {
  let whole = text;
  try {
    whole = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // A table, or nothing.
  }
  return whole.length > ANSWER_MAX ? `${whole.slice(0, ANSWER_MAX)}\n…` : whole;
}
