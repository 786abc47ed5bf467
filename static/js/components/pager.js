// Pages of a long list that is read by cursor. Which page is shown is in the address, so it can be shared and reloaded.
import { html, useEffect, useRef } from '../lib/ui.js';
import { getPage, useResource, withQuery } from '../lib/api.js';
import { route, setQuery } from '../lib/router.js';
import { num } from '../lib/format.js';
import { Icon } from './basic.js';

/** Events may come fast; a list is read again no more often than this. */
const RELOAD_MS = 3000;

/** A function that runs `run` soon, once for all that ask meanwhile. */
export function useSoon(run, ms = RELOAD_MS) {
  const latest = useRef(run);
  latest.current = run;
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  return () => {
    timer.current ||= setTimeout(() => {
      timer.current = 0;
      latest.current();
    }, ms);
  };
}

/**
 * One page of a list, and what its `<Pager>` needs. `change` maps the rows that are there.
 * @param {string} path with the parameters of the filter @param {{limit?: number, param?: string}} [options]
 */
export function usePager(path, { limit = 50, param = 'at' } = {}) {
  const cursor = route.value.query[param] || '';
  // The cursors of the pages before this one, as far as they were visited.
  const before = useRef({ path, cursors: /** @type {string[]} */ ([]) });
  if (before.current.path !== path) before.current = { path, cursors: [] };
  const [base, query = ''] = path.split('?');
  const wanted = withQuery(base, { ...Object.fromEntries(new URLSearchParams(query)), limit, cursor });
  const [state, reload] = useResource(wanted, async (options) => ({ ...(await getPage(wanted, options)), wanted }), {
    keep: true,
  });
  const { data, error } = state.value;
  const show = (at) => setQuery({ [param]: at });
  const change = (row) => {
    const { data } = state.peek();
    if (data) state.value = { ...state.peek(), data: { ...data, items: data.items.map(row).filter(Boolean) } };
  };
  return {
    items: data?.items,
    total: data?.total,
    error,
    reload,
    change,
    isFirst: !cursor,
    isTurning: data && data.wanted !== wanted,
    newer: cursor ? () => show(before.current.cursors.pop() ?? '') : null,
    older: data?.next
      ? () => {
          before.current.cursors.push(cursor);
          show(new URLSearchParams(data.next.split('?')[1]).get('cursor'));
        }
      : null,
  };
}

/** Steps through pages; nothing where there is one page only. `words` are those for back and on. */
export function Pager({ pager, words = ['Newer', 'Older'], what }) {
  const { items, total, newer, older, isTurning } = pager;
  if (!newer && !older) return null;
  return html`<nav class="pager" aria-label="Pages">
    <span class="muted small num" role="status"
      >${isTurning ? 'Loading…' : total == null ? '' : `${num(items.length)} of ${num(total)} ${what ?? ''}`}</span
    ><span class="grow"></span>
    <button type="button" class="btn small" disabled=${!newer} onClick=${newer}>
      <${Icon} n="chevron-left" c="s" />${words[0]}
    </button>
    <button type="button" class="btn small" disabled=${!older} onClick=${older}>
      ${words[1]}<${Icon} n="chevron-right" c="s" />
    </button>
  </nav>`;
}
