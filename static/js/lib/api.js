// The only place that asks the server. The session is an HttpOnly cookie, so no script can ever read a token.
import { computed, signal, useEffect, useRef, useSignal } from './ui.js';
import { capital } from './format.js';

/** undefined: not known yet, null: signed out, otherwise `{name, scope, expires_at}`. */
export const session = signal(undefined);
/** Why somebody who was signed in is not any more, in the server's words; empty for whoever left. */
export const partedBecause = signal('');
/** Whether whoever is signed in may change anything. */
export const canWrite = computed(() => ['write', 'admin'].includes(session.value?.scope));
export const isAdmin = computed(() => session.value?.scope === 'admin');

/** An answer that is an error: `message` is the server's sentence, `fields` the problems by field. */
class ApiError extends Error {
  /** @param {number} status 0 when there was no answer @param {any} body */
  constructor(status, body) {
    super(body?.error || `The server answered ${status}.`);
    this.status = status;
    this.code = body?.code || '';
    this.details = body?.details || [];
    this.fields = Object.fromEntries(this.details.map(({ field, message }) => [field, capital(message)]));
  }
}

const OFFLINE = { error: 'The server cannot be reached. Is it still running?', code: 'offline' };

/**
 * Asks the server and waits for the whole answer.
 * @param {string} method
 * @param {string} path below `api`, such as `/voice-campaigns/1`
 * @param {any} [body] an object for JSON, a FormData or File as it is
 * @param {{signal?: AbortSignal, ifMatch?: string, key?: string, isFile?: boolean}} [options]
 * @returns {Promise<{data: any, status: number, etag: string|null, next: string|null, total: number|null}>}
 */
export async function ask(method, path, body, { signal, ifMatch, key, isFile } = {}) {
  const isRaw = body instanceof FormData || body instanceof Blob;
  const headers = { Accept: 'application/json', 'X-Requested-With': 'ui' };
  if (body != null && !isRaw) headers['Content-Type'] = 'application/json';
  if (ifMatch) headers['If-Match'] = ifMatch;
  if (key) headers['Idempotency-Key'] = key;
  let answer;
  try {
    answer = await fetch('api' + path, {
      method,
      headers,
      signal,
      credentials: 'same-origin',
      body: body == null ? undefined : isRaw ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, OFFLINE);
  }
  const read = () => (isFile && answer.ok ? answer.blob() : answer.json().catch(() => null));
  const data = answer.status === 204 ? null : await read();
  if (answer.status === 401) {
    if (session.peek()) partedBecause.value = data?.error || 'Your session is over.';
    session.value = null;
  }
  if (!answer.ok) throw new ApiError(answer.status, data);
  const header = (name) => answer.headers.get(name);
  const total = header('X-Total-Count');
  return {
    data,
    status: answer.status,
    etag: header('ETag'),
    next: nextOf(header('Link')),
    total: total == null ? null : Number(total),
  };
}

/** `</api/calls?cursor=7>; rel="next"` names the next page; here it is `/calls?cursor=7`. */
const nextOf = (link) => link?.match(/<\/api([^>]*)>\s*;\s*rel="next"/)?.[1] ?? null;

const dataOf = async (asked) => (await asked).data;
/** Reads something. @returns {Promise<any>} */
export const get = (path, options) => dataOf(ask('GET', path, undefined, options));
/** Asks for something that may be asked for twice; what makes something new is `create`. @returns {Promise<any>} */
export const post = (path, body = {}, options = {}) => dataOf(ask('POST', path, body, options));
/** The same for an answer that is sound. @returns {Promise<Blob>} */
export const postForSound = (path, body, options = {}) => post(path, body, { ...options, isFile: true });
export const put = (path, body, options) => dataOf(ask('PUT', path, body, options));
export const patch = (path, body, options) => dataOf(ask('PATCH', path, body, options));
export const del = (path, options) => dataOf(ask('DELETE', path, undefined, options));

/** Something random that no other request has. */
const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/**
 * A POST that makes something. It bears an Idempotency-Key, so it is sent again when its answer was lost, and still
 * nothing is made twice. @returns {Promise<any>}
 */
export async function create(path, body = {}, options = {}) {
  const keyed = { key: newKey(), ...options };
  try {
    return await post(path, body, keyed);
  } catch (error) {
    if (error.status !== 0) throw error;
    await new Promise((done) => setTimeout(done, 1000));
    return post(path, body, keyed);
  }
}

/** A list with keyset paging: `{items, next, total}`; `next` is the path of the next page or null. */
export async function getPage(path, options) {
  const { data, next, total } = await ask('GET', path, undefined, options);
  return { items: data, next, total };
}

/** `/calls` with the parameters that are not empty. @param {Record<string, any>} params */
export function withQuery(path, params) {
  const filled = Object.entries(params).filter(([, value]) => value != null && value !== '');
  const query = new URLSearchParams(filled.map(([name, value]) => [name, String(value)])).toString();
  return query ? `${path}?${query}` : path;
}

/** Where a browser downloads a file, for `<a href download>`. */
export const downloadUrl = (path, params = {}) => 'api' + withQuery(path, params);

/** Signs in with a token; the server answers with the cookie of the session. */
export async function signIn(token) {
  session.value = await post('/session', { token });
  partedBecause.value = '';
}

/** Asks who is signed in; a server that cannot be reached changes nothing once that was known. */
export async function readSession() {
  try {
    const found = await get('/session');
    if (session.peek() && !found) partedBecause.value = 'The token was revoked, or it has expired.';
    session.value = found;
  } catch {
    session.value ??= null;
  }
}

export async function signOut() {
  await del('/session').catch(() => null);
  session.value = null;
}

/**
 * Loads something when `key` changes: `[state, reload]`, where the state is a signal of `{data, error, loading}`.
 * A reload that fails keeps what was there. With `keep`, so does a change of the key until the new data is there.
 * @param {string} key
 * @param {(options: {signal: AbortSignal}) => Promise<any>} load
 * @param {{keep?: boolean}} [options]
 * @returns {[import('@preact/signals').Signal<any>, () => Promise<void>]}
 */
export function useResource(key, load, { keep = false } = {}) {
  const state = useSignal({ data: undefined, error: null, loading: true });
  const latest = useRef(load);
  latest.current = load;
  const running = useRef(/** @type {AbortController|null} */ (null));
  const reload = useRef(async () => {
    running.current?.abort();
    const here = (running.current = new AbortController());
    state.value = { ...state.peek(), loading: true };
    try {
      const data = await latest.current({ signal: here.signal });
      if (!here.signal.aborted) state.value = { data, error: null, loading: false };
    } catch (error) {
      if (here.signal.aborted) return;
      const { data } = state.peek();
      state.value = { data, error: data === undefined ? error : null, loading: false };
    }
  });
  useEffect(() => {
    if (!keep) state.value = { data: undefined, error: null, loading: true };
    reload.current();
    return () => running.current?.abort();
  }, [key]);
  return [state, reload.current];
}
