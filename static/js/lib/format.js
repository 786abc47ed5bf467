// All human formatting in one place. Intl only, no date library.
// Intl objects are slow to build (about 50 µs each), so each one is made once.
const cache = new Map(),
  make = (C, o, loc) => {
    const k = C.name + JSON.stringify(o) + loc;
    let f = cache.get(k);
    if (!f) cache.set(k, (f = new C(loc, o)));
    return f;
  };
const nf = new Intl.NumberFormat(),
  pf = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 0 });
export const num = (n) => (n == null ? '–' : nf.format(n));
export const pct = (x) => (x == null || Number.isNaN(x) ? '–' : pf.format(x));
export const money = (n, c = 'USD', digits = 2) =>
  make(Intl.NumberFormat, {
    style: 'currency',
    currency: c,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(n);
export const dur = (s) => {
  s = Math.max(0, Math.round(s));
  const m = Math.floor(s / 60);
  return m >= 60 ? `${Math.floor(m / 60)} h ${m % 60} min` : `${m}:${String(s % 60).padStart(2, '0')}`;
};
export const plural = (n, one, many = one + 's') => `${num(n)} ${n === 1 ? one : many}`;
const rtf = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });
export function ago(t, now = Date.now()) {
  const s = (new Date(t) - now) / 1000,
    a = Math.abs(s);
  if (a < 45) return 'just now';
  if (a < 3600) return rtf.format(Math.round(s / 60), 'minute');
  if (a < 86400) return rtf.format(Math.round(s / 3600), 'hour');
  return rtf.format(Math.round(s / 86400), 'day');
}
export const time = (t) => make(Intl.DateTimeFormat, { hour: '2-digit', minute: '2-digit' }).format(new Date(t));
export const clock = (t) => make(Intl.DateTimeFormat, { timeStyle: 'medium' }).format(new Date(t));
export const day = (t) =>
  make(Intl.DateTimeFormat, { weekday: 'short', day: 'numeric', month: 'short' }).format(new Date(t));
export const dayMonth = (t) => make(Intl.DateTimeFormat, { day: 'numeric', month: 'short' }).format(t);
export const stamp = (t) => `${day(t)}, ${time(t)}`;
// The words users see for machine states and outcomes.
export const OUTCOMES = [
  ['goal', 'Goal reached'],
  ['callback', 'Call back'],
  ['declined', 'Declined'],
  ['voicemail', 'Voicemail'],
  ['no_answer', 'No answer'],
  ['failed', 'Failed'],
];
export const outcomeLabel = Object.fromEntries(OUTCOMES);
export const ANSWERED = ['goal', 'callback', 'declined'];
export const STATUS = {
  calling: 'Calling',
  waiting: 'Waiting',
  paused: 'Paused',
  attention: 'Needs attention',
  draft: 'Draft',
  completed: 'Completed',
};
export const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
export function dayRange(ds) {
  // [0,1,2,3,4] -> "Mon–Fri"
  const out = [];
  let i = 0;
  ds = [...ds].sort();
  while (i < ds.length) {
    let j = i;
    while (ds[j + 1] === ds[j] + 1) j++;
    out.push(i === j ? DAYS[ds[i]] : j === i + 1 ? `${DAYS[ds[i]]}, ${DAYS[ds[j]]}` : `${DAYS[ds[i]]}–${DAYS[ds[j]]}`);
    i = j + 1;
  }
  return out.join(', ') || 'No days';
}
