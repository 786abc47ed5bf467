// All numbers, times and words for people in one place. Intl only, no date library.

// Intl objects are slow to build (about 50 µs each), so each one is made once.
const made = new Map();
function intl(Kind, options, locale) {
  const key = Kind.name + JSON.stringify(options) + locale;
  if (!made.has(key)) made.set(key, new Kind(locale, options));
  return made.get(key);
}
const formatted = (options, at) => intl(Intl.DateTimeFormat, options).format(new Date(at));

/** With a capital letter at the start. */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
/** With a full stop at the end, unless it has a sign there. */
export const sentence = (text) => (/[.!?…]["”’)]?$/.test(text.trim()) ? text : `${text}.`);

// Numbers

export const num = (n) => (n == null ? '–' : intl(Intl.NumberFormat, {}).format(n));
/** A share between 0 and 1. */
export const pct = (share) =>
  share == null || Number.isNaN(share)
    ? '–'
    : intl(Intl.NumberFormat, { style: 'percent', maximumFractionDigits: 0 }).format(share);
/** Money has no currency: a plain number with two decimals, up to four where there are more, none of a whole one. */
export const money = (amount) =>
  amount == null
    ? '–'
    : intl(Intl.NumberFormat, {
        minimumFractionDigits: Number.isInteger(Number(amount)) ? 0 : 2,
        maximumFractionDigits: 4,
      }).format(Number(amount));
/**
 * An amount as people write it, with a point or a comma for the decimals; NaN where it is none, or where the point or the
 * comma may be meant between thousands.
 */
export function decimal(text) {
  const bare = text.trim();
  const isThousands = /^[1-9]\d{0,2},\d{3}$/.test(bare) || /^[1-9]\d{0,2}\.\d\d0$/.test(bare);
  return /^(\d+([.,]\d*)?|[.,]\d+)$/.test(bare) && !isThousands ? Number(bare.replace(',', '.')) : NaN;
}
/** What is wrong with an amount, or nothing. */
export const amountProblem = (text, otherwise) =>
  decimal(text) >= 0
    ? ''
    : /\d[.,\s'’]\d/.test(text)
      ? 'Write it without a mark between thousands, such as 1500 or 0.12.'
      : `Enter an amount, ${otherwise}.`;
/** `1 call`, `2 calls`. */
export const plural = (n, one, many = one + 's') => `${num(n)} ${n === 1 ? one : many}`;
/** Seconds as `1:05` or `1 h 5 min`. */
export function dur(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const minutes = Math.floor(whole / 60);
  return minutes >= 60
    ? `${Math.floor(minutes / 60)} h ${minutes % 60} min`
    : `${minutes}:${String(whole % 60).padStart(2, '0')}`;
}
/** Milliseconds as `640 ms` or `1.2 s`. */
export const millis = (ms) => (ms == null ? '–' : ms < 1000 ? `${num(ms)} ms` : `${num(Math.round(ms / 100) / 10)} s`);
/** Minutes as `45 minutes`, `4 hours` or `2 days`. */
export function span(minutes) {
  if (minutes % 1440 === 0) return plural(minutes / 1440, 'day');
  return minutes % 60 === 0 ? plural(minutes / 60, 'hour') : plural(minutes, 'minute');
}
export const bytes = (n) => {
  const unit = ['byte', 'kilobyte', 'megabyte', 'gigabyte'][n < 1e3 ? 0 : n < 1e6 ? 1 : n < 1e9 ? 2 : 3];
  const value = n / { byte: 1, kilobyte: 1e3, megabyte: 1e6, gigabyte: 1e9 }[unit];
  return intl(Intl.NumberFormat, { style: 'unit', unit, maximumFractionDigits: n < 1e3 ? 0 : 1 }).format(value);
};

// Times, on the clock of the browser unless a zone is given

/** `2 min. ago`, `in 3 hr.` */
export function ago(at, now = Date.now()) {
  const seconds = (new Date(at).getTime() - now) / 1000;
  const size = Math.abs(seconds);
  const relative = intl(Intl.RelativeTimeFormat, { numeric: 'auto', style: 'short' }, 'en');
  if (size < 45) return 'just now';
  if (size < 3600) return relative.format(Math.round(seconds / 60), 'minute');
  if (size < 86400) return relative.format(Math.round(seconds / 3600), 'hour');
  return relative.format(Math.round(seconds / 86400), 'day');
}
/** When something is tried that may be due already: `in a moment`, `in 3 hr.` */
export const ahead = (at, now = Date.now()) => (new Date(at).getTime() - now < 45_000 ? 'in a moment' : ago(at, now));
const HOURS = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
/** `14:05` */
export const time = (at, timeZone) => formatted({ ...HOURS, timeZone }, at);
/** `14:05:09` */
export const clock = (at, timeZone) => formatted({ ...HOURS, second: '2-digit', timeZone }, at);
/** `Thu, Nov 26` */
export const day = (at, timeZone) => formatted({ weekday: 'short', day: 'numeric', month: 'short', timeZone }, at);
/** `Nov 26` */
export const dayMonth = (at, timeZone) => formatted({ day: 'numeric', month: 'short', timeZone }, at);
/** `Thu, Nov 26, 14:05`; with the name of the zone where its clock may differ from that of the browser. */
export const stamp = (at, timeZone) => `${day(at, timeZone)}, ${time(at, timeZone)}${zoneMark(timeZone)}`;
/** ` (America/New York)` behind a time, nothing where that is the zone of the browser. */
export const zoneMark = (timeZone) =>
  timeZone && timeZone !== intl(Intl.DateTimeFormat, {}).resolvedOptions().timeZone ? ` (${zoneName(timeZone)})` : '';
/** The day of an instant in a zone as `2026-11-26`. */
export const isoDay = (at, timeZone) =>
  intl(Intl.DateTimeFormat, { year: 'numeric', month: '2-digit', day: '2-digit', timeZone }, 'en-CA').format(
    new Date(at),
  );
/** Weekday and time of an instant in a zone, in the words of a campaign: `["Thursday", "14:05"]`. */
export const weekTime = (at, timeZone) => [
  intl(Intl.DateTimeFormat, { weekday: 'long', timeZone }, 'en').format(new Date(at)),
  intl(Intl.DateTimeFormat, { ...HOURS, timeZone }, 'en-GB').format(new Date(at)),
];
/** When something goes on, no longer than needed: `14:05` today, `Mon 10:00` within a week, else with the date. */
export function soon(at, timeZone, now = Date.now()) {
  if (isoDay(at, timeZone) === isoDay(now, timeZone)) return time(at, timeZone);
  if (new Date(at).getTime() - now > 6 * 86400e3) return `${day(at, timeZone)}, ${time(at, timeZone)}`;
  return `${formatted({ weekday: 'short', timeZone }, at)} ${time(at, timeZone)}`;
}
/** `America/New York` */
export const zoneName = (zone) => zone.replaceAll('_', ' ');

// Outcomes: seventeen on the wire, eight groups on the page

/** The groups and their words, in the order in which they are stacked. */
export const OUTCOMES = [
  ['success', 'Goal reached'],
  ['callback', 'Call back'],
  ['declined', 'Said no'],
  ['opted_out', 'Opted out'],
  ['spoke', 'Spoke, no result'],
  ['voicemail', 'Voicemail'],
  ['no_answer', 'No answer'],
  ['failed', 'Failed'],
];
export const outcomeLabel = Object.fromEntries(OUTCOMES);
/** The exact outcomes of each group. */
export const GROUPS = {
  success: ['success', 'transferred'],
  callback: ['callback'],
  declined: ['declined'],
  opted_out: ['opted_out'],
  spoke: ['hung_up', 'no_input'],
  voicemail: ['voicemail', 'message_left'],
  no_answer: ['no_answer', 'busy', 'rejected'],
  failed: ['invalid_number', 'carrier_error', 'carrier_refused', 'interrupted', 'canceled'],
};
const GROUP_OF = Object.fromEntries(Object.entries(GROUPS).flatMap(([group, words]) => words.map((w) => [w, group])));
/** The group of an outcome. */
export const groupOf = (outcome) => GROUP_OF[outcome];
/** Counts by outcome as counts by group. @param {Record<string, number>} outcomes */
export const grouped = (outcomes = {}) =>
  Object.fromEntries(OUTCOMES.map(([g]) => [g, GROUPS[g].reduce((sum, word) => sum + (outcomes[word] || 0), 0)]));
/** What exactly happened, for the call sheet and the details. */
export const EXACT = {
  success: 'Goal reached',
  transferred: 'Put through to a person',
  callback: 'Asked to be called back',
  declined: 'Said no',
  opted_out: 'Asked not to be called again',
  hung_up: 'Hung up early',
  no_input: 'Spoke, no answer to the question',
  voicemail: 'Voicemail, no message left',
  message_left: 'Message left on voicemail',
  no_answer: 'Nobody picked up',
  busy: 'Busy',
  rejected: 'Call refused',
  invalid_number: 'No such number',
  carrier_error: 'The carrier failed',
  carrier_refused: 'The carrier refused us',
  interrupted: 'Interrupted, nobody saw the end',
  canceled: 'Ended by us',
};
/** Groups in which a person spoke with the agent. */
export const ANSWERED = ['success', 'callback', 'declined', 'opted_out', 'spoke'];

// States

/** The words of `stats.standing.state`. */
export const STATUS = {
  calling: 'Calling',
  waiting: 'Waiting',
  paused: 'Paused',
  attention: 'Needs attention',
  draft: 'Draft',
  completed: 'Completed',
};
/** The words of a lead's `status`. */
export const LEAD_STATUS = {
  pending: 'Not called yet',
  in_progress: 'Being called',
  scheduled: 'Waiting to be called again',
  completed: 'Reached',
  failed: 'Not reached',
  canceled: 'Skipped',
  do_not_call: 'Do not call',
};
/** Leads that nothing is left to do for. @param {Record<string, number>} leads */
export const finishedLeads = (leads = {}) =>
  ['completed', 'failed', 'canceled', 'do_not_call'].reduce((sum, word) => sum + (leads[word] || 0), 0);
/** Leads that may still be called. @param {Record<string, number>} leads */
export const openLeads = (leads = {}) =>
  ['pending', 'in_progress', 'scheduled'].reduce((sum, word) => sum + (leads[word] || 0), 0);

export const WEEK = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
export const DAYS = WEEK.map((name) => name.slice(0, 3));
/** `["Monday", "Tuesday", "Wednesday", "Saturday"]` as `Mon–Wed, Sat`. */
export function dayRange(names) {
  const days = names.map((name) => WEEK.indexOf(name)).sort((a, b) => a - b);
  const runs = [];
  for (const day of days) {
    const run = runs.at(-1);
    if (run && run[1] === day - 1) run[1] = day;
    else runs.push([day, day]);
  }
  const shown = ([from, to]) => (from === to ? DAYS[from] : `${DAYS[from]}${to === from + 1 ? ', ' : '–'}${DAYS[to]}`);
  return runs.length === 1 && days.length === 7 ? 'every day' : runs.map(shown).join(', ') || 'no days';
}
/** `09:00:00` as `09:00`. */
export const hourMinute = (text) => text.slice(0, 5);

/**
 * When the hours of a campaign are open at or after an instant; null where that is not the campaign's to say: its hours
 * are meant on the clock of each person, or a rule says on which days it calls.
 */
export function openAt(at, campaign) {
  const { working_days: days, time_zone: zone, lead_time_zone_policy: policy, recurrence_rule: rule } = campaign;
  if (policy === 'lead' || rule) return null;
  const [from, until] = [hourMinute(campaign.calling_hours_start), hourMinute(campaign.calling_hours_end)];
  const [today, now] = weekTime(at, zone);
  const first = WEEK.indexOf(today);
  const isOn = (ahead) => days.includes(WEEK[(first + ahead + 7) % 7]);
  // Hours over midnight belong to the day on which they begin.
  const isOpen =
    from < until ? isOn(0) && from <= now && now < until : (isOn(0) && from <= now) || (isOn(-1) && now < until);
  if (isOpen) return at;
  const minutes = (text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
  for (let ahead = 0; ahead <= 7; ahead++) {
    const wait = ahead * 1440 + minutes(from) - minutes(now);
    if (wait > 0 && isOn(ahead)) return new Date(Math.floor(new Date(at).getTime() / 60e3) * 60e3 + wait * 60e3);
  }
  return null;
}
/** When somebody's next call comes: inside the hours where these can be told, else from then on. */
export function nextCall(at, campaign) {
  const opens = openAt(at, campaign);
  return opens ? soon(opens, campaign.time_zone) : `not before ${soon(at, campaign.time_zone)}`;
}
