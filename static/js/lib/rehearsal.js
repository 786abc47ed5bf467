// What rehearsals are about, in words for people: settings that were changed, limits, reasons, and what differs.
import {
  capital,
  day,
  dayRange,
  dur,
  hourMinute,
  isoDay,
  money,
  num,
  pct,
  plural,
  soon,
  span,
  stamp,
  time,
} from './format.js';

/** Settings that people try out: the field of the API, its name, its value, and both in as few words as can be. */
const SETTINGS = [
  ['working_days', 'Days', (days) => capital(dayRange(days)), dayRange],
  ['calling_hours_start', 'Hours from', hourMinute, (at) => `from ${hourMinute(at)}`],
  ['calling_hours_end', 'Hours until', hourMinute, (at) => `until ${hourMinute(at)}`],
  ['calls_per_day', 'Calls per day', num, (n) => `${plural(n, 'call')} a day`],
  ['max_concurrent_calls', 'Lines at the same time', num, (n) => plural(n, 'line')],
  ['max_attempts_per_lead', 'Attempts per person', num, (n) => plural(n, 'attempt')],
  ['retry_delay_minutes', 'Wait before the next attempt', span, (minutes) => `next attempt after ${span(minutes)}`],
  [
    'budget',
    'Budget',
    (amount) => (amount == null ? 'No limit' : money(amount)),
    (amount) => (amount == null ? 'no budget limit' : `budget ${money(amount)}`),
  ],
];
/** The fields that people try out. */
export const TRIED = SETTINGS.map(([field]) => field);

const shown = (value) => (value == null ? 'None' : typeof value === 'object' ? JSON.stringify(value) : String(value));
/** Whoever asks by the API may try any field: it is shown by its own name. */
const settingOf = (field) => {
  const name = field.replaceAll('_', ' ');
  return SETTINGS.find(([known]) => known === field) ?? [field, capital(name), shown, () => `other ${name}`];
};

/** What changes of settings would do to a campaign: `{field, label, from, to}` of each that is not so already. */
export function differences(changes, campaign) {
  const rows = Object.entries(changes).map(([field, value]) => {
    const [, label, words] = settingOf(field);
    return { field, label, from: words(campaign[field]), to: words(value) };
  });
  return rows.filter(({ from, to }) => from !== to);
}

export const changesOf = ({ settings }) => settings.changes ?? {};

/** What was assumed instead of what is known. */
function assumptions({ start_at, answer_rates, talk_seconds, trunk, leads_assumed, seed }) {
  const rates = typeof answer_rates === 'number' ? `${pct(answer_rates)} pick up` : 'own answer rates';
  return [
    start_at && `from ${/[zZ+]/.test(start_at) ? stamp(start_at) : start_at.replace('T', ' ')}`,
    answer_rates != null && rates,
    talk_seconds != null && `calls of ${dur(talk_seconds)}`,
    trunk?.lines != null && `${plural(trunk.lines, 'line')} of the carrier`,
    trunk?.calls_per_second != null && `${plural(trunk.calls_per_second, 'call')} a second`,
    leads_assumed != null && `${plural(leads_assumed, 'more person', 'more people')}`,
    seed != null && `seed ${seed}`,
  ].filter(Boolean);
}

/** What a rehearsal was about: what is changed and assumed in it, or that nothing is. */
export function titleOf(rehearsal) {
  const changed = Object.entries(changesOf(rehearsal)).map(([field, value]) => settingOf(field)[3](value));
  const words = [...changed, ...assumptions(rehearsal.settings)];
  return words.length ? capital(words.join(', ')) : 'As it is';
}

/** What stood in the way. */
export const LIMITS = {
  hours: 'Outside the calling hours',
  dates: 'Before the first day, or after the last',
  calls_per_day: 'The calls of the day are used up',
  budget: 'The budget is used up',
  spend_per_day: 'All campaigns together have spent what they may in a day',
  lines: 'All lines are in use',
  pace: 'The carrier takes no more calls in a second',
  retries: 'Everybody left waits for the next attempt',
  calls_per_number: 'Everybody left was called as often as they may be in a day',
  last_calls: 'The last calls are still going on',
  others: 'Something else, such as another campaign that calls the same number',
};
/** The limits of a result with their shares of the time, most first. */
export const limitsOf = ({ bound_by: shares }) => Object.entries(shares).sort((a, b) => b[1] - a[1]);

/** Why people are not called, and the step of the campaign's settings in which that is put right, where there is one. */
const REASONS = {
  missing_variable: ['The script needs a value that they do not have', 'script'],
  time_zone_unknown: ['Nobody knows in which time zone they are', 'schedule'],
  do_not_call: ['Their number is on the do-not-call list'],
  attempts_used_up: ['They have had all attempts', 'schedule'],
  schedule_ended: ['The last day comes before their turn', 'schedule'],
  not_started: ['The first day is still to come', 'schedule'],
  outside_calling_hours: ['The calling hours never come round to them', 'schedule'],
  daily_limit: ['There are more calls than fit into ten years', 'schedule'],
  budget: ['The budget is used up before their turn', 'schedule'],
  country_not_allowed: ['Numbers of their country may not be called'],
  number_refused: ['Premium, satellite, emergency and service numbers are never called'],
  called_too_often: ['Their number was called as often as it may be in a day'],
  number_in_call: ['Another campaign calls the same number'],
  spending_limit: ['All campaigns together have spent what they may in a day'],
  retry_later: ['They wait for their next attempt'],
  call_back: ['A call is arranged for a later time'],
  carrier_down: ['The carrier fails too often'],
  carrier_refused: ['The carrier refuses the calls'],
  no_leads: ['Nobody calls them any more'],
};
/** Why, in words; the server's own where these know the reason not. */
export const reasonWords = (reason, message = reason.replaceAll('_', ' ')) => REASONS[reason]?.[0] ?? message;
/** Where that is put right: a step of the wizard, or nothing. */
export const reasonStep = (reason) => REASONS[reason]?.[1];

export const people = (count) => plural(count, 'person', 'people');

/** A day of the API, which has no clock. */
export const dateWords = (date) => day(date, 'UTC');
/** An instant on the clock of a campaign. */
export const at = (instant, zone) => `${day(instant, zone)}, ${time(instant, zone)}`;

const isSameDay = (a, b, zone) => isoDay(a, zone) === isoDay(b, zone);
/** From when to when something is, as exactly as makes sense. */
export function betweenInstants(low, high, zone) {
  if (!isSameDay(low, high, zone)) return `between ${day(low, zone)} and ${day(high, zone)}`;
  const [from, to] = [time(low, zone), time(high, zone)];
  const when = isSameDay(low, Date.now(), zone) ? 'today' : `on ${day(low, zone)}`;
  return from === to ? `${when} at ${from}` : `${when} between ${from} and ${to}`;
}
/** The same as a figure. */
export function rangeOfInstants(low, high, zone) {
  if (!isSameDay(low, high, zone)) return `${day(low, zone)} – ${day(high, zone)}`;
  const [from, to] = [soon(low, zone), time(high, zone)];
  return from.endsWith(to) ? from : `${from} – ${to}`;
}
/** Two ends of something that is counted. */
export const range = ({ low, high }, words = num) =>
  words(low) === words(high) ? words(low) : `${words(low)} – ${words(high)}`;

/** That some are still to be called when nothing more happens. */
export const leftOver = (leads) => `${people(leads)} still to be called`;
/** When a rehearsal came to its end. */
export const finishWords = ({ finishes_at: end, unfinished }, zone) =>
  end ? at(end, zone) : `${num(unfinished?.leads ?? 0)} left to call`;

const round = (amount) => Math.round(amount * 10000) / 10000;
/** `+12`, `−3`; nothing for no difference. */
const signed = (by, words) => (by ? `${by > 0 ? '+' : '−'}${words(Math.abs(by))}` : '');
const HOUR_MS = 3600e3;

/** How much earlier or later the second of two instants is; nothing where that cannot be said. */
function shift(a, b, zone) {
  if (!a || !b) return '';
  const ms = Date.parse(b) - Date.parse(a);
  const word = ms > 0 ? 'later' : 'earlier';
  const days = Math.abs(Date.parse(isoDay(b, zone)) - Date.parse(isoDay(a, zone))) / 86400e3;
  if (days > 0) return `${plural(Math.round(days), 'day')} ${word}`;
  const hours = Math.round(Math.abs(ms) / HOUR_MS);
  return hours ? `${plural(hours, 'hour')} ${word}` : '';
}

/** What two results have and how the second differs: `{label, values, difference}`. */
export function comparison(a, b, zone) {
  const row = (label, words, difference = '') => ({ label, values: [words(a), words(b)], difference });
  const counted = (label, of, words) => row(label, (one) => words(of(one)), signed(round(of(b) - of(a)), words));
  const slowest = (one) => {
    const [first] = limitsOf(one);
    return first ? `${LIMITS[first[0]] ?? first[0]} (${pct(first[1])} of the time)` : '–';
  };
  return [
    row('Finishes', (one) => finishWords(one, zone), shift(a.finishes_at, b.finishes_at, zone)),
    row(
      'Last call',
      ({ last_call_at: last }) => (last ? at(last, zone) : '–'),
      shift(a.last_call_at, b.last_call_at, zone),
    ),
    counted('Calls', ({ calls }) => calls, num),
    counted('People reached', ({ people_reached: reached }) => reached, num),
    counted('Cost', ({ cost }) => cost, money),
    row('Budget runs out', ({ budget_runs_out_on: date }) => (date ? dateWords(date) : 'No')),
    counted('Never called', ({ never_called: never }) => never.count, num),
    row('What holds it up most', slowest),
  ];
}

/** The same as what the second does: `finishes 2 days earlier and costs 3.20 more`; empty where both come to the same. */
export function verdict(a, b, zone) {
  const sooner = shift(a.finishes_at, b.finishes_at, zone);
  const last = !a.finishes_at && !b.finishes_at && shift(a.last_call_at, b.last_call_at, zone);
  const more = (by, words, [less, moreWord] = ['less', 'more']) =>
    by && [words(Math.abs(by)), by > 0 ? moreWord : less];
  const reached = more(b.people_reached - a.people_reached, num, ['fewer', 'more']);
  const cost = more(round(b.cost - a.cost), money);
  const parts = [
    a.finishes_at && !b.finishes_at && `does not finish (${leftOver(b.unfinished?.leads ?? 0)})`,
    !a.finishes_at && b.finishes_at && 'finishes',
    sooner && `finishes ${sooner}`,
    last && `makes its last call ${last}`,
    reached && `reaches ${reached.join(' ')} people`,
    cost && `costs ${cost.join(' ')}`,
  ].filter(Boolean);
  const end = parts.pop();
  return parts.length ? `${parts.join(', ')} and ${end}` : (end ?? '');
}

/** How many calls the answer rates rest on. */
export const observed = ({ own, siblings, sibling_campaigns: others }) =>
  own + siblings === 0
    ? 'Nobody was called yet, so half of all calls are thought to be picked up'
    : `From ${plural(own, 'call')} of this campaign` +
      (siblings ? ` and ${num(siblings)} of ${plural(others, 'other campaign')}` : '');
