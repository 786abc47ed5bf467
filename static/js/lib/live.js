// One EventSource per tab. Closed while the tab is hidden (HTTP/1.1 allows six connections per host).
import { signal, batch } from './ui.js';
export const link = signal('connecting'); // connecting | live | lost
const subs = new Map();
let es,
  wanted = false,
  queue = [],
  timer = 0;
/** on('campaign', fn) -> off(). Also 'resync': events may have been missed, load again. */
export function on(type, fn) {
  if (!subs.has(type)) subs.set(type, new Set());
  subs.get(type).add(fn);
  return () => subs.get(type).delete(fn);
}
function flush() {
  timer = 0;
  const q = queue;
  queue = [];
  batch(() => q.forEach(([t, d]) => subs.get(t)?.forEach((f) => f(d))));
}
function push(t, d) {
  queue.push([t, d]);
  timer ||= setTimeout(flush, 80);
} // at most ~12 renders a second
function open() {
  es?.close();
  es = new EventSource('api/v1/events');
  es.onopen = () => {
    if (link.value === 'lost') push('resync', null);
    link.value = 'live';
  };
  es.onerror = () => {
    link.value = 'lost';
    if (es.readyState === 2) setTimeout(() => wanted && open(), 4000);
  };
  for (const t of ['campaign', 'call', 'stats']) es.addEventListener(t, (e) => push(t, JSON.parse(e.data)));
}
export function connect() {
  wanted = true;
  open();
}
export function disconnect() {
  wanted = false;
  es?.close();
}
document.addEventListener('visibilitychange', () => {
  if (!wanted) return;
  if (document.hidden) {
    es?.close();
    link.value = 'lost';
  } else open();
});
