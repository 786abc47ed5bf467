// What the whole page shows beside its contents: the carrier, the calls in progress, whether dialing is stopped.
import { signal } from './ui.js';
import { get } from './api.js';
import { on } from './live.js';

/** `GET /overview` without its campaigns, or null while it is not known. */
export const overview = signal(null);

/** Numbers of the whole server come with no event of their own, so they are read again this often while calls run. */
const GAP_MS = 4000;
let timer = 0;

/** Keeps the summary of an overview that a page has read. */
export function keepOverview({ campaigns, ...summary }) {
  overview.value = summary;
}

export async function loadOverview() {
  clearTimeout(timer);
  timer = 0;
  try {
    keepOverview(await get('/overview?limit=1'));
  } catch {
    // The page says so where it matters; the summary stays as it was.
  }
}

function soon() {
  timer ||= setTimeout(loadOverview, GAP_MS);
}

on('call', soon);
on('stats', soon);
on('campaign', soon);
on('resync', loadOverview);
