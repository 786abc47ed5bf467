import { html } from '../lib/ui.js';
import { get, useResource } from '../lib/api.js';
import { route, setQuery } from '../lib/router.js';
import { num, OUTCOMES } from '../lib/format.js';
import { Icon, Empty, Loading, Problem } from '../components/basic.js';
import { CallTable } from '../components/call-table.js';
import { CallSheet } from '../components/call-sheet.js';
import { toast } from '../lib/notify.js';
export const title = 'Call history';
export default function Calls() {
  const { outcome = '', q = '', after = 0, call } = route.value.query,
    key = JSON.stringify([outcome, q, after]);
  const [res, reload] = useResource(key, (o) =>
      get(`/calls?${new URLSearchParams({ outcome, q, after, limit: 25 })}`, o),
    ),
    d = res.value.data;
  return html`<div class="page">
    <header class="page-head">
      <div class="grow"><h1>Call history</h1></div>
      <button class="btn" onClick=${() => toast('Export ready: calls.csv')}><${Icon} n="download" />Export CSV</button>
    </header>
    <div class="row wrap">
      <div class="search narrow">
        <${Icon} n="search" c="s" /><input
          class="input"
          type="search"
          data-search
          placeholder="Name or number"
          aria-label="Search calls"
          value=${q}
          onInput=${(e) => setQuery({ q: e.target.value, after: '' })}
        />
      </div>
      <select
        class="input"
        style="width:auto"
        aria-label="Outcome"
        value=${outcome}
        onChange=${(e) => setQuery({ outcome: e.target.value, after: '' })}
      >
        <option value="">All outcomes</option>
        ${OUTCOMES.map(([k, l]) => html`<option key=${k} value=${k}>${l}</option>`)}
      </select>
    </div>
    <div class="card">
      ${
        res.value.error
          ? html`<${Problem} error=${res.value.error} retry=${reload} />`
          : !d
            ? html`<div style="padding:18px"><${Loading} rows=${6} h=${40} /></div>`
            : !d.items.length
              ? html`<${Empty}
                  icon="phone"
                  title="No calls here"
                  actions=${html`<button class="btn" onClick=${() => setQuery({ outcome: '', q: '', after: '' })}>Clear filters</button>`}
                  >Nothing matches this search.<//
                >`
              : html`<${CallTable} items=${d.items} onOpen=${(id) => setQuery({ call: id })} />
                  <nav class="pager" aria-label="Pages">
                    <span class="muted small num"
                      >${num(+after + 1)}–${num(+after + d.items.length)} of ${num(d.total)}</span
                    ><span class="grow"></span
                    ><button
                      class="btn small"
                      disabled=${!+after}
                      onClick=${() => setQuery({ after: Math.max(0, after - 25) || '' })}
                    >
                      <${Icon} n="chevron-left" c="s" />Newer</button
                    ><button class="btn small" disabled=${!d.next} onClick=${() => setQuery({ after: d.next })}>
                      Older<${Icon} n="chevron-right" c="s" />
                    </button>
                  </nav>`
      }
    </div>
    ${call && html`<${CallSheet} id=${call} onClose=${() => setQuery({ call: '' })} />`}
  </div>`;
}
