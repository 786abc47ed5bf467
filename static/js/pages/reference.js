// API reference drawn from api/v1/openapi.json. About 60 lines instead of a megabyte, and it obeys the strict CSP.
import { html, useSignal } from '../lib/ui.js';
import { get, useResource } from '../lib/api.js';
import { Icon, CopyButton, Loading, Problem } from '../components/basic.js';
export const title = 'API reference';
const deref = (doc, x) =>
  (x?.$ref
    ? x.$ref
        .slice(2)
        .split('/')
        .reduce((o, k) => o?.[k], doc)
    : x) || {};
const typeOf = (doc, s) => {
  if (s?.$ref) return s.$ref.split('/').pop();
  if (!s) return '';
  if (s.type === 'array') return `${typeOf(doc, s.items)}[]`;
  return [].concat(s.type || 'object').join(' or ') + (s.format ? ` (${s.format})` : '');
};
function example(doc, s, d = 0) {
  s = deref(doc, s);
  if (s.example !== undefined) return s.example;
  if (s.enum) return s.enum[0];
  if (d > 5) return null;
  if (s.type === 'object' || s.properties)
    return Object.fromEntries(Object.entries(s.properties || {}).map(([k, v]) => [k, example(doc, v, d + 1)]));
  if (s.type === 'array') return [example(doc, s.items, d + 1)];
  return { string: 'text', integer: 1, number: 1.5, boolean: true }[s.type] ?? null;
}
const Props = ({ doc, schema }) => {
  const s = deref(doc, schema),
    p = deref(doc, s.type === 'array' ? s.items : s);
  return html`<dl class="props">
    ${Object.entries(p.properties || {}).map(([k, v]) => {
      const f = deref(doc, v);
      return html`<div key=${k}>
        <dt>
          <code>${k}</code>${p.required?.includes(k) && html`<span class="req">required</span>`}<span
            class="faint small"
            >${typeOf(doc, v)}</span
          >
        </dt>
        <dd class="small muted">
          ${f.description}${f.enum && html` One of ${f.enum.map((e) => html`<code key=${e}>${e}</code> `)}`}
        </dd>
      </div>`;
    })}
  </dl>`;
};
function Op({ doc, path, method, op }) {
  const id = `${method}-${path}`.replace(/\W+/g, '-'),
    body = op.requestBody?.content?.['application/json'],
    ok = Object.entries(op.responses || {}),
    base = location.origin + location.pathname.replace(/\/[^/]*$/, '') + (doc.servers?.[0]?.url || '/api/v1'),
    out = useSignal(null),
    args = useSignal({});
  const curl = `curl ${method === 'get' ? '' : `-X ${method.toUpperCase()} `}${base}${path} \\\n  -H "Authorization: Bearer $TOKEN"${body ? ` \\\n  -H "Content-Type: application/json" \\\n  -d '${JSON.stringify(example(doc, body.schema))}'` : ''}`;
  const run = async () => {
    let p = path;
    const q = new URLSearchParams();
    for (const x of op.parameters || []) {
      const v = args.value[x.name] ?? '';
      if (x.in === 'path') p = p.replace(`{${x.name}}`, encodeURIComponent(v));
      else if (x.in === 'query' && v) q.set(x.name, v);
    }
    const t = performance.now();
    const r = await fetch('api/v1' + p + (q.size ? '?' + q : ''));
    const txt = await r.text();
    let pretty = txt;
    try {
      pretty = JSON.stringify(JSON.parse(txt), null, 2);
    } catch {}
    out.value = { status: r.status, ms: Math.round(performance.now() - t), text: pretty.slice(0, 6000) };
  };
  return html`<details class="op" id=${id}>
    <summary>
      <span class=${'verb ' + method}>${method.toUpperCase()}</span><code>${path}</code
      ><span class="muted">${op.summary}</span>
    </summary>
    <div class="op-body">
      <div class="stack">
        ${op.description && html`<p>${op.description}</p>`}
        ${
          op.parameters?.length > 0 &&
          html`<section>
            <h3>Parameters</h3>
            <dl class="props">
              ${op.parameters.map(
                (x) =>
                  html`<div key=${x.name}>
                    <dt>
                      <code>${x.name}</code>${x.required && html`<span class="req">required</span>`}<span
                        class="faint small"
                        >${x.in}, ${typeOf(doc, x.schema)}</span
                      >
                    </dt>
                    <dd>
                      ${
                        method === 'get' &&
                        html`<input
                          class="input"
                          aria-label=${x.name}
                          placeholder=${x.schema?.default ?? ''}
                          value=${args.value[x.name] ?? ''}
                          onInput=${(e) => {
                            args.value = { ...args.value, [x.name]: e.target.value };
                          }}
                        />`
                      }
                    </dd>
                  </div>`,
              )}
            </dl>
          </section>`
        }
        ${
          body &&
          html`<section>
            <h3>Body</h3>
            <${Props} doc=${doc} schema=${body.schema} />
          </section>`
        }
        <section>
          <h3>Answers</h3>
          ${ok.map(([code, r]) => html`<div key=${code} class="row" style="margin-top:6px"><span class=${'pill plain ' + (code[0] === '2' ? 'calling' : 'attention')}>${code}</span><span>${r.description}</span><span class="faint small">${typeOf(doc, r.content?.['application/json']?.schema)}</span></div>`)}
        </section>
      </div>
      <div class="stack">
        <section>
          <div class="row">
            <h3 class="grow">Example</h3>
            <${CopyButton} text=${curl} />
          </div>
          <pre class="codebox" tabindex="0">${curl}</pre>
        </section>
        ${
          method === 'get' &&
          html`<section>
            <button class="btn small" onClick=${run}><${Icon} n="play" c="s" />Try it</button>${
              out.value &&
              html`<p class="small muted num" role="status" style="margin:10px 0 4px">
                  ${out.value.status} in ${out.value.ms} ms
                </p>
                <pre class="codebox" tabindex="0">${out.value.text}</pre>`
            }
          </section>`
        }
      </div>
    </div>
  </details>`;
}
export default function Reference() {
  const [res, reload] = useResource('doc', (o) => get('/openapi.json', o)),
    doc = res.value.data,
    q = useSignal('');
  const ops = doc
    ? Object.entries(doc.paths)
        .flatMap(([path, ms]) => Object.entries(ms).map(([method, op]) => ({ path, method, op })))
        .filter((x) => (x.path + x.op.summary).toLowerCase().includes(q.value.toLowerCase()))
    : [];
  return html`<div class="page">
    <header class="page-head">
      <div class="grow">
        <h1>API reference</h1>
        <p>Everything on these pages can be done over HTTP. Make a token under <a href="#/tokens">API tokens</a>.</p>
      </div>
      <a class="btn" href="api/v1/openapi.json" download><${Icon} n="download" />openapi.json</a>
    </header>
    ${
      res.value.error
        ? html`<${Problem} error=${res.value.error} retry=${reload} />`
        : !doc
          ? html`<${Loading} />`
          : html`<div class="search" style="max-width:340px">
                <${Icon} n="search" c="s" /><input
                  class="input"
                  type="search"
                  data-search
                  placeholder="Find an operation"
                  aria-label="Find an operation"
                  onInput=${(e) => {
                    q.value = e.target.value;
                  }}
                />
              </div>
              ${(doc.tags || []).map((t) => {
                const xs = ops.filter((x) => x.op.tags?.includes(t.name));
                return (
                  xs.length > 0 &&
                  html`<section key=${t.name} class="stack-s">
                    <h2>${t.name}</h2>
                    ${t.description && html`<p class="muted">${t.description}</p>`}${xs.map((x) => html`<${Op} key=${x.method + x.path} doc=${doc} ...${x} />`)}
                  </section>`
                );
              })}`
    }
  </div>`;
}
