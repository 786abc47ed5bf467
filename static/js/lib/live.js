// What changes on the server, as it changes. One stream per tab, closed while the tab is hidden, because a browser
// has only six connections to a host over HTTP/1.1.
import { signal, batch, effect, useEffect, useRef } from './ui.js';

/** connecting, live or lost */
export const link = signal('connecting');
/** A server that is away longer than this is missed. */
const MISSED_MS = 3000;
/** Since when the server is missed, as milliseconds; null while it is not. */
export const missedSince = signal(/** @type {number|null} */ (null));
effect(() => {
  if (link.value !== 'lost') {
    missedSince.value = null;
    return undefined;
  }
  const since = Date.now();
  const timer = setTimeout(() => (missedSince.value = since), MISSED_MS);
  return () => clearTimeout(timer);
});

const EVENTS = ['campaign', 'stats', 'call', 'lead', 'leads', 'import', 'delivery', 'end'];
/** What comes at the same time is handed on together. */
const GAP_MS = 80;
/** While more keeps coming, all that changed is drawn at once on this beat, and the clocks with it. */
const BEAT_MS = 1000;
const RETRY_MS = 4000;

const listeners = new Map();
const clocks = new Set();
let source = null;
let isWanted = false;
let hasMissed = false;
let queue = [];
let timer = 0;
let toldAt = 0;

/**
 * Calls `listener` with the data of each event of a type; `resync` says that events were missed and everything must be
 * read again. Returns how to stop listening.
 */
export function on(type, listener) {
  if (!listeners.has(type)) listeners.set(type, new Set());
  listeners.get(type).add(listener);
  return () => listeners.get(type).delete(listener);
}

/** `on` for a component, with handlers that may change: `useLive({campaign: (patch) => …, resync: reload})`. */
export function useLive(handlers) {
  const latest = useRef(handlers);
  latest.current = handlers;
  useEffect(() => {
    const stops = Object.keys(handlers).map((type) => on(type, (data) => latest.current[type]?.(data)));
    return () => stops.forEach((stop) => stop());
  }, []);
}

/** Calls `tick` once a second, when everything else is drawn too. Returns how to stop it. */
export function onBeat(tick) {
  clocks.add(tick);
  if (!timer) wakeIn(untilBeat());
  return () => clocks.delete(tick);
}

const untilBeat = () => Math.ceil(BEAT_MS - (performance.now() % BEAT_MS));

function wakeIn(ms) {
  clearTimeout(timer);
  timer = setTimeout(beat, ms);
}

function beat() {
  timer = 0;
  const events = queue;
  queue = [];
  if (events.length) toldAt = performance.now();
  batch(() => {
    events.forEach(([type, data]) => listeners.get(type)?.forEach((listener) => listener(data)));
    clocks.forEach((tick) => tick());
  });
  if (clocks.size) wakeIn(untilBeat());
}

function push(type, data) {
  queue.push([type, data]);
  const isAfterSilence = queue.length === 1 && performance.now() - toldAt > BEAT_MS;
  if (isAfterSilence) wakeIn(GAP_MS);
  else if (!timer) wakeIn(untilBeat());
}

function open() {
  source?.close();
  const here = (source = new EventSource('api/events'));
  here.addEventListener('ready', () => {
    link.value = 'live';
    // The browser comes back by itself with the last id and is told what it missed; a new stream is not.
    if (hasMissed) push('resync', null);
    hasMissed = false;
  });
  here.addEventListener('resync', () => {
    link.value = 'live';
    hasMissed = false;
    push('resync', null);
  });
  for (const type of EVENTS) here.addEventListener(type, (event) => push(type, JSON.parse(event.data)));
  here.onerror = () => {
    if (here !== source) return;
    link.value = 'lost';
    if (here.readyState !== EventSource.CLOSED) return;
    hasMissed = true;
    push('closed', null);
    setTimeout(() => isWanted && here === source && open(), RETRY_MS);
  };
}

export function connect() {
  if (isWanted) return;
  isWanted = true;
  if (!document.hidden) open();
}

export function disconnect() {
  isWanted = false;
  source?.close();
  source = null;
}

document.addEventListener('visibilitychange', () => {
  if (!isWanted) return;
  if (!document.hidden) return open();
  source?.close();
  source = null;
  hasMissed = true;
  link.value = 'connecting';
});
