// Thin wrapper over fetch. The session is an HttpOnly cookie, so no token is ever readable by scripts.
import { signal, useSignal, useEffect } from './ui.js';
export const session = signal(undefined); // undefined: unknown, null: signed out, object: signed in
export class ApiError extends Error {
  constructor(status, body) {
    super(body?.message || `The server answered ${status}.`);
    this.status = status;
    this.fields = body?.fields || {};
  }
}
/** @returns {Promise<any>} */
export async function api(method, path, body = null, opts = {}) {
  let r;
  const form = body instanceof FormData;
  try {
    r = await fetch('api/v1' + path, {
      method,
      credentials: 'same-origin',
      headers: {
        accept: 'application/json',
        'x-requested-with': 'ui',
        ...(body && !form ? { 'content-type': 'application/json' } : {}),
      },
      body: body ? (form ? body : JSON.stringify(body)) : undefined,
      ...opts,
    });
  } catch (e) {
    if (e.name === 'AbortError') throw e;
    throw new ApiError(0, { message: 'The server cannot be reached. Is it still running?' });
  }
  if (r.status === 204) return null;
  const data = await r.json().catch(() => null);
  if (r.status === 401) session.value = null;
  if (!r.ok) throw new ApiError(r.status, data);
  return data;
}
export const get = (p, o = {}) => api('GET', p, null, o),
  post = (p, b = {}) => api('POST', p, b);
/** Loads `fn()` when `key` changes. Returns a signal {data, error, loading} and a reload().
 * @returns {[import('@preact/signals').Signal<any>, () => Promise<void>]} */
export function useResource(key, fn) {
  const s = useSignal(/** @type {any} */ ({ loading: true }));
  const load = async (signal = undefined) => {
    s.value = { ...s.value, loading: true };
    try {
      s.value = { data: await fn({ signal }), loading: false };
    } catch (e) {
      if (e.name !== 'AbortError') s.value = { ...s.value, error: e, loading: false };
    }
  };
  useEffect(() => {
    const c = new AbortController();
    s.value = { loading: true };
    load(c.signal);
    return () => c.abort();
  }, [key]);
  return [s, () => load()];
}
