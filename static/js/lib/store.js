// Shared live state. Pages read these; only live.js events write them.
import { signal } from './ui.js';
import { on } from './live.js';
export const stats = signal(null); // { in_progress, lines_max, today, answered, spend_today, currency }
on('stats', (s) => {
  stats.value = s;
});
