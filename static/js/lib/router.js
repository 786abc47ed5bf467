// Hash router: works behind any reverse-proxy path and needs no server fallback.
import { signal } from './ui.js';
const parse = () => {
  const [path, q = ''] = location.hash.slice(1).split('?');
  return { path: path || '/campaigns', query: Object.fromEntries(new URLSearchParams(q)) };
};
export const route = signal(parse());
addEventListener('hashchange', () => {
  route.value = parse();
});
export const go = (to) => {
  location.hash = to;
};
export function setQuery(patch) {
  const q = { ...route.value.query, ...patch };
  for (const k in q) if (!q[k]) delete q[k];
  const s = new URLSearchParams(q).toString();
  history.replaceState(null, '', '#' + route.value.path + (s ? '?' + s : ''));
  route.value = parse();
}
export function match(pattern, path) {
  const a = pattern.split('/'),
    b = path.split('/'),
    out = {};
  if (b.length > a.length) return null;
  for (let i = 0; i < a.length; i++) {
    const opt = a[i].endsWith('?'),
      key = a[i].replace(/^:|\?$/g, '');
    if (a[i][0] === ':') {
      if (b[i] === undefined || b[i] === '') {
        if (!opt) return null;
      } else out[key] = decodeURIComponent(b[i]);
    } else if (a[i] !== b[i]) return null;
  }
  return out;
}
