//! Calling hours: is it open now, until when, and if not, when does it open?
//!
//! Works from the instant to the local wall clock, which always has exactly one answer; the other direction has
//! none in a daylight-saving gap and two in a fold. Must not read the clock (`at` comes in), nor know whose time
//! zone it is given, nor about limits, leads and budgets.
//!
//! **Open** means: the local time lies in a window `[start, end)`; the day that window *started* on is a
//! working day and one the recurrence names; and `start_at <= at < end_at`. A window that spans midnight belongs
//! to the day it started on, so its small hours are open after a working day and closed after a free one.

use std::fmt;
use std::ops::RangeInclusive;

use chrono::offset::LocalResult;
use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Offset, SecondsFormat, TimeDelta,
    TimeZone, Timelike, Utc, Weekday,
};
use chrono_tz::Tz;

use super::Instant;
pub use super::recurrence::Recurrence;

const DAY_S: u32 = 86_400;

/// When it stays open all this time, [`Opening::Open`] says no more than that.
const LOOK_AHEAD: TimeDelta = TimeDelta::days(8);

/// How far ahead an opening is looked for. Further than any campaign, and a whole cycle of the calendar:
/// February 29th on a given weekday returns after 28 or 40 years.
const SEARCH_YEARS: u32 = 41;

/// A wall-clock time of day to the second, 24-hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u32);

impl TimeOfDay {
    /// `23:59:59`; as the end of calling hours it means the end of the day.
    pub const LAST: TimeOfDay = TimeOfDay(DAY_S - 1);

    /// Reads `09:30` or `09:30:00`.
    pub fn parse(text: &str) -> Result<TimeOfDay, String> {
        let problem = || {
            format!("\"{text}\" is no time of day: write it like 09:30 or 09:30:00, from 00:00 to 23:59:59")
        };
        let mut seconds = 0;
        let mut fields = 0;
        for (field, limit) in text.trim().split(':').zip([24, 60, 60, 0]) {
            let number = two_digits(field).filter(|number| *number < limit).ok_or_else(problem)?;
            seconds = seconds * 60 + number;
            fields += 1;
        }
        match fields {
            2 => Ok(TimeOfDay(seconds * 60)),
            3 => Ok(TimeOfDay(seconds)),
            _ => Err(problem()),
        }
    }

    /// Seconds since midnight.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// Whether two times of day lie at most this far apart, over midnight too.
    pub fn is_near(self, other: TimeOfDay, distance: TimeDelta) -> bool {
        let apart = self.0.abs_diff(other.0);
        i64::from(apart.min(DAY_S - apart)) <= distance.num_seconds()
    }

    /// The times of day that are [near](Self::is_near), as one range of seconds, or two around midnight.
    pub fn around(self, distance: TimeDelta) -> Vec<(u32, u32)> {
        let distance = u32::try_from(distance.num_seconds()).unwrap_or(0).min(DAY_S / 2);
        let (from, to) = ((self.0 + DAY_S - distance) % DAY_S, (self.0 + distance) % DAY_S);
        if from <= to { vec![(from, to)] } else { vec![(from, DAY_S - 1), (0, to)] }
    }

    /// What the clocks of `zone` show.
    pub fn at(at: Instant, zone: Tz) -> TimeOfDay {
        TimeOfDay((at.naive_utc() + offset(at, zone)).num_seconds_from_midnight())
    }

    /// `None` past the end of the day.
    pub fn from_seconds(seconds: u32) -> Option<TimeOfDay> {
        (seconds < DAY_S).then_some(TimeOfDay(seconds))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.0 / 3600, self.0 / 60 % 60, self.0 % 60)
    }
}

fn two_digits(text: &str) -> Option<u32> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// The days of the week with their names, in their order.
pub(super) const WEEK: [(Weekday, &str); 7] = [
    (Weekday::Mon, "Monday"),
    (Weekday::Tue, "Tuesday"),
    (Weekday::Wed, "Wednesday"),
    (Weekday::Thu, "Thursday"),
    (Weekday::Fri, "Friday"),
    (Weekday::Sat, "Saturday"),
    (Weekday::Sun, "Sunday"),
];

/// A set of days of the week, at least one in every valid campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkingDays(u8);

impl WorkingDays {
    /// No day yet.
    pub const NONE: WorkingDays = WorkingDays(0);
    /// The default of a campaign.
    pub const MONDAY_TO_FRIDAY: WorkingDays = WorkingDays(0b001_1111);
    /// Every day of the week.
    pub const ALL: WorkingDays = WorkingDays(0b111_1111);

    /// Reads English day names, in any case and order.
    pub fn parse<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<WorkingDays, String> {
        let mut days = WorkingDays::NONE;
        for name in names {
            let known = WEEK.iter().find(|(_, known)| known.eq_ignore_ascii_case(name.trim()));
            let (day, _) =
                known.ok_or_else(|| format!("\"{name}\" is no day of the week: use Monday to Sunday"))?;
            days.insert(*day);
        }
        match days.is_empty() {
            true => Err("there must be at least one working day: name one, such as Monday".to_owned()),
            false => Ok(days),
        }
    }

    /// Adds a day.
    pub fn insert(&mut self, day: Weekday) {
        self.0 |= bit(day);
    }

    /// Whether the day is in the set.
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & bit(day) != 0
    }

    /// Whether no day is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The form we store: bit 0 is Monday.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The opposite of [`WorkingDays::bits`].
    pub fn from_bits(bits: u8) -> Option<WorkingDays> {
        (bits <= WorkingDays::ALL.0).then_some(WorkingDays(bits))
    }

    /// The days from Monday to Sunday.
    pub fn iter(self) -> impl Iterator<Item = Weekday> {
        WEEK.into_iter().map(|(day, _)| day).filter(move |day| self.contains(*day))
    }

    /// Their English names, from `Monday` to `Sunday`.
    pub fn names(self) -> Vec<&'static str> {
        WEEK.into_iter().filter(|(day, _)| self.contains(*day)).map(|(_, name)| name).collect()
    }
}

fn bit(day: Weekday) -> u8 {
    1 << day.num_days_from_monday()
}

/// The hours of a day in which calls may start: `[start, end)`.
///
/// An `end` before `start` is on the next day. An `end` of `23:59:59` is the end of the day, `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallingHours {
    /// The first second that is open.
    pub start: TimeOfDay,
    /// The first second that is closed again.
    pub end: TimeOfDay,
}

impl CallingHours {
    /// Nine to five.
    pub const OFFICE: CallingHours = CallingHours { start: TimeOfDay(9 * 3_600), end: TimeOfDay(17 * 3_600) };

    /// Refuses hours that start when they end: nobody could say whether that is never or always.
    pub fn new(start: TimeOfDay, end: TimeOfDay) -> Result<CallingHours, String> {
        match start == end {
            true => Err(format!(
                "calling hours start and end at {start}: give different times, or 00:00:00 to 23:59:59 for all day"
            )),
            false => Ok(CallingHours { start, end }),
        }
    }

    fn end_s(self) -> u32 {
        if self.end == TimeOfDay::LAST { DAY_S } else { self.end.0 }
    }

    fn spans_midnight(self) -> bool {
        self.start.0 > self.end_s()
    }

    /// Whether a time of day is inside, whatever the day.
    fn contains(self, second: u32) -> bool {
        match self.spans_midnight() {
            true => second >= self.start.0 || second < self.end_s(),
            false => (self.start.0..self.end_s()).contains(&second),
        }
    }

    /// The next time of day after this one at which anything may change; midnight is `DAY_S`.
    fn next_boundary(self, second: u32) -> u32 {
        [self.start.0, self.end_s()].into_iter().filter(|boundary| *boundary > second).min().unwrap_or(DAY_S)
    }
}

/// When a campaign may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The hours of a day.
    pub hours: CallingHours,
    /// The days on which those hours may start.
    pub working_days: WorkingDays,
    /// Closed before this.
    pub start_at: Option<Instant>,
    /// Closed from this on.
    pub end_at: Option<Instant>,
    /// Further limits the days.
    pub recurrence: Option<Recurrence>,
    /// The day that the recurrence counts from, on the campaign's clock: the days are the same for whoever is called, wherever
    /// they are.
    pub anchor: NaiveDate,
}

/// The answer for one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Calls may start.
    Open {
        /// The first instant at which it is closed; when it stays open longer than eight days, some later
        /// instant at which it still is.
        until: Instant,
    },
    /// Calls may not start.
    Closed {
        /// The first instant at which it is open again; `None` means never again.
        opens_at: Option<Instant>,
        /// Why it is closed now.
        reason: ClosedReason,
    },
}

/// Why it is closed. Where several hold, the first in this order is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedReason {
    /// `start_at` is still to come.
    BeforeStart,
    /// `end_at` has passed, or the recurrence names no more days.
    AfterEnd,
    /// The day is no working day.
    NotWorkingDay,
    /// The recurrence does not name the day.
    NotRecurrenceDay,
    /// The day is right, the time is not.
    OutsideHours,
}

impl Schedule {
    /// Whether calls may start at `at`, by the clocks of `zone`, and when that changes.
    pub fn opening(&self, at: Instant, zone: Tz) -> Opening {
        let days = CallingDays::new(self, zone);
        if let Some(start_at) = self.start_at.filter(|start_at| at < *start_at) {
            let opens_at = days.first_open(start_at).filter(|opens_at| self.before_end(*opens_at));
            return Opening::Closed { opens_at, reason: ClosedReason::BeforeStart };
        }
        if !self.before_end(at) {
            return Opening::Closed { opens_at: None, reason: ClosedReason::AfterEnd };
        }
        match days.why_closed(at) {
            None => {
                let until = days.first_closed(at);
                Opening::Open { until: self.end_at.map_or(until, |end_at| until.min(end_at)) }
            }
            Some(reason) => {
                let opens_at = days.first_open(at).filter(|opens_at| self.before_end(*opens_at));
                Opening::Closed { opens_at, reason }
            }
        }
    }

    fn before_end(&self, at: Instant) -> bool {
        self.end_at.is_none_or(|end_at| at < end_at)
    }
}

/// A schedule in one zone, without its start and end.
struct CallingDays<'s> {
    schedule: &'s Schedule,
    zone: Tz,
    recurrence: Option<(&'s Recurrence, NaiveDate)>,
}

impl<'s> CallingDays<'s> {
    fn new(schedule: &'s Schedule, zone: Tz) -> CallingDays<'s> {
        let recurrence = schedule.recurrence.as_ref().map(|rule| (rule, schedule.anchor));
        CallingDays { schedule, zone, recurrence }
    }

    fn local(&self, at: Instant) -> NaiveDateTime {
        at.naive_utc() + offset(at, self.zone)
    }

    fn is_open(&self, at: Instant) -> bool {
        let local = self.local(at);
        let day = self.window_day(local);
        let in_hours = self.schedule.hours.contains(local.num_seconds_from_midnight());
        in_hours && self.works_on(day) && self.recurs_on(day)
    }

    fn why_closed(&self, at: Instant) -> Option<ClosedReason> {
        if self.is_open(at) {
            return None;
        }
        let day = self.window_day(self.local(at));
        Some(if self.is_over(day) {
            ClosedReason::AfterEnd
        } else if !self.works_on(day) {
            ClosedReason::NotWorkingDay
        } else if !self.recurs_on(day) {
            ClosedReason::NotRecurrenceDay
        } else {
            ClosedReason::OutsideHours
        })
    }

    fn recurs_on(&self, day: NaiveDate) -> bool {
        self.recurrence.is_none_or(|(rule, anchor)| rule.allows(day, anchor))
    }

    /// Whether the recurrence names neither this day nor a later one.
    fn is_over(&self, day: NaiveDate) -> bool {
        self.recurrence.is_some_and(|(rule, anchor)| rule.next_day(day, anchor).is_none())
    }

    /// The day whose window this local time is in, or if it is in none, simply its day.
    fn window_day(&self, local: NaiveDateTime) -> NaiveDate {
        let hours = self.schedule.hours;
        match hours.spans_midnight() && local.num_seconds_from_midnight() < hours.end_s() {
            true => local.date().pred_opt().unwrap_or(NaiveDate::MIN),
            false => local.date(),
        }
    }

    fn works_on(&self, day: NaiveDate) -> bool {
        self.schedule.working_days.contains(day.weekday())
    }

    /// The first instant from `at` on, at which it is closed.
    fn first_closed(&self, at: Instant) -> Instant {
        let end = at + LOOK_AHEAD;
        let mut now = at;
        while now < end && self.is_open(now) {
            now = self.next_change(now);
        }
        now
    }

    /// The first instant from `at` on, at which it is open.
    fn first_open(&self, at: Instant) -> Option<Instant> {
        let last_day = local_date(at, self.zone).checked_add_months(Months::new(12 * SEARCH_YEARS))?;
        let mut now = at;
        while !self.is_open(now) {
            let day = self.day_to_skip_to(now, last_day)?;
            let begins = day.map(|day| first_instant(day.and_time(NaiveTime::MIN), self.zone));
            // A date that comes twice has begun already.
            now = begins.filter(|begins| *begins > now).unwrap_or_else(|| self.next_change(now));
        }
        Some(now)
    }

    /// From a closed instant, the next calling day if nothing can open before it starts. The outer `None` means
    /// that there is none before `last_day`.
    fn day_to_skip_to(&self, at: Instant, last_day: NaiveDate) -> Option<Option<NaiveDate>> {
        let today = local_date(at, self.zone);
        let next = self.next_calling_day(today, last_day);
        // Where clocks change soon, a date may come twice: walk there, whatever the next calling day is.
        if offset(at, self.zone) != offset(at + TimeDelta::days(2), self.zone) {
            return (next.is_some() || self.next_calling_day(today - Days::new(2), today).is_some())
                .then_some(None);
        }
        next.map(|day| (day > today).then_some(day))
    }

    fn next_calling_day(&self, from: NaiveDate, last: NaiveDate) -> Option<NaiveDate> {
        let mut day = from;
        while day <= last {
            if let Some((rule, anchor)) = self.recurrence {
                day = rule.next_day(day, anchor)?;
            }
            if self.works_on(day) {
                return Some(day).filter(|day| *day <= last);
            }
            day = day.succ_opt()?;
        }
        None
    }

    /// The next instant at which anything may change: the hours start or end, the day ends, or the clocks are
    /// put forward or back.
    fn next_change(&self, at: Instant) -> Instant {
        let second = self.local(at).num_seconds_from_midnight();
        let wait = i64::from(self.schedule.hours.next_boundary(second) - second);
        let whole = at - TimeDelta::nanoseconds(i64::from(at.timestamp_subsec_nanos()));
        let boundary = whole + TimeDelta::seconds(wait);
        clock_change(whole, boundary, self.zone).unwrap_or(boundary)
    }
}

/// The local calendar date, on which daily limits count.
pub fn local_date(at: Instant, zone: Tz) -> NaiveDate {
    (at.naive_utc() + offset(at, zone)).date()
}

/// The first instant of a local calendar date.
pub fn day_start(date: NaiveDate, zone: Tz) -> Instant {
    first_instant(date.and_time(NaiveTime::MIN), zone)
}

/// The first instant of the next local calendar date, also where midnight, or a whole day, does not exist.
pub fn next_local_midnight(at: Instant, zone: Tz) -> Instant {
    let next = local_date(at, zone).succ_opt().unwrap_or(NaiveDate::MAX).and_time(NaiveTime::MIN);
    let midnight = first_instant(next, zone);
    match zone.from_local_datetime(&next) {
        // Clocks put back over midnight: the date has begun once already and now begins again.
        LocalResult::Ambiguous(_, second) if midnight <= at => second.with_timezone(&Utc),
        LocalResult::Ambiguous(..) | LocalResult::Single(_) | LocalResult::None => midnight,
    }
}

/// What a date without a time of day means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOnly {
    /// The day's first instant, for a start.
    StartOfDay,
    /// The next day's first instant, for an end that includes the day.
    EndOfDay,
}

/// Reads until when something counts: a time that is still to come, or the last day on which it counts (UTC).
pub fn parse_end(text: &str, now: Instant) -> Result<Instant, String> {
    let end = parse_instant(text, Tz::UTC, DateOnly::EndOfDay)?;
    if end > now { Ok(end) } else { Err("must be in the future".into()) }
}

/// Reads `2024-02-19T10:00:00Z`, `2024-02-19T10:00:00+01:00`, `2024-02-19 10:00[:00]` (by the clocks of `zone`)
/// or `2024-02-19`. A time that the clocks skip is the first instant after the gap, one they show twice the
/// earlier.
pub fn parse_instant(text: &str, zone: Tz, date_only: DateOnly) -> Result<Instant, String> {
    let text = text.trim();
    let read = if text.len() == 10 { read_date(text, zone, date_only) } else { read_time(text, zone) };
    read.ok_or_else(|| {
        let date = text.get(..10).filter(|date| date.starts_with(|first: char| first.is_ascii_digit()));
        let date: Option<NaiveDate> = date.and_then(|date| date.parse().ok());
        if date.is_some_and(|date| !YEARS.contains(&date.year())) {
            return format!("\"{text}\" is out of range: the year must be {} to {}", YEARS.start(), YEARS.end());
        }
        format!("\"{text}\" is no date or time: write it like 2024-02-19T10:00:00Z, 2024-02-19 10:00 or 2024-02-19")
    })
}

/// Reads `2024-02-19`.
pub fn parse_date(text: &str) -> Result<NaiveDate, String> {
    let (first, last) = (YEARS.start(), YEARS.end());
    strict_date(text).ok_or_else(|| {
        format!("\"{text}\" is no date: write it like 2024-02-19, in a year from {first} to {last}")
    })
}

/// `2024-02-19T10:00:00Z`.
pub fn format_instant(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn read_date(text: &str, zone: Tz, date_only: DateOnly) -> Option<Instant> {
    let date = strict_date(text)?;
    let begins = match date_only {
        DateOnly::StartOfDay => date,
        DateOnly::EndOfDay => date.succ_opt()?,
    };
    Some(first_instant(begins.and_time(NaiveTime::MIN), zone))
}

fn read_time(text: &str, zone: Tz) -> Option<Instant> {
    let (date, rest) = (strict_date(text.get(..10)?)?, text.get(10..)?);
    let time = rest.strip_prefix(['T', 't', ' '])?;
    if time.contains(char::is_whitespace) && time.contains(['Z', 'z', '+', '-']) {
        return None;
    }
    if time.ends_with(['Z', 'z']) || time.contains(['+', '-']) {
        // ISO 8601 leaves out the seconds, and the colon of the offset, where RFC 3339 does not.
        let text = format!("{date}T{time}").replace(['Z', 'z'], "+0000");
        let read = DateTime::parse_from_rfc3339(&format!("{date}T{time}"))
            .or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%z"))
            .or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M%z"));
        return Instant::from_timestamp(read.ok()?.timestamp(), 0);
    }
    // A fraction of a second is allowed and dropped, here as above.
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let second = TimeOfDay::parse(time).ok().filter(|_| digits && !time.contains(' '))?.seconds();
    let time = NaiveTime::from_num_seconds_from_midnight_opt(second, 0)?;
    Some(first_instant(date.and_time(time), zone))
}

/// The years that dates may have.
const YEARS: RangeInclusive<i32> = 1900..=9000;

/// Four, two and two digits; the years a calendar of ours can hold.
fn strict_date(text: &str) -> Option<NaiveDate> {
    let shape =
        |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    let well_formed = text.len() == 10 && text.bytes().enumerate().all(shape);
    text.parse().ok().filter(|date: &NaiveDate| well_formed && YEARS.contains(&date.year()))
}

fn offset(at: Instant, zone: Tz) -> TimeDelta {
    TimeDelta::seconds(i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()))
}

/// The first instant whose local time is `local`, or where the clocks skip that, the first after the gap.
pub(super) fn first_instant(local: NaiveDateTime, zone: Tz) -> Instant {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.with_timezone(&Utc),
        LocalResult::None => {
            // No clock is further than a day from UTC, so the gap lies between these two.
            let before = local.and_utc() - TimeDelta::hours(27);
            let after = local.and_utc() + TimeDelta::hours(27);
            first_second(before, after, |at| at.naive_utc() + offset(at, zone) >= local)
        }
    }
}

/// The instant in `(from, to)` at which the clocks are put forward or back, if they are. There is at most one
/// in a day. A change right at `to` needs no mention: the caller looks at the clocks there anyway.
fn clock_change(from: Instant, to: Instant, zone: Tz) -> Option<Instant> {
    let before = offset(from, zone);
    let changed = |at: Instant| offset(at, zone) != before;
    changed(to - TimeDelta::seconds(1)).then(|| first_second(from, to, changed))
}

/// The first whole second in `(from, to]` for which `holds`, which it must not for `from` and must at `to`.
fn first_second(from: Instant, to: Instant, holds: impl Fn(Instant) -> bool) -> Instant {
    let mut low = 0;
    let mut high = (to - from).num_seconds();
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds(from + TimeDelta::seconds(middle)) { high = middle } else { low = middle }
    }
    from + TimeDelta::seconds(high)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono_tz::TZ_VARIANTS;
    use proptest::prelude::*;

    use super::*;

    fn hours(start: &str, end: &str) -> CallingHours {
        CallingHours::new(TimeOfDay::parse(start).unwrap(), TimeOfDay::parse(end).unwrap()).unwrap()
    }

    /// Days as `MTWTFSS`, `.` for a free one.
    fn week(days: &str) -> WorkingDays {
        let bits = days.bytes().enumerate().filter(|(_, day)| *day != b'.').map(|(at, _)| 1 << at).sum();
        WorkingDays::from_bits(bits).unwrap()
    }

    fn schedule(start: &str, end: &str, working_days: WorkingDays) -> Schedule {
        Schedule {
            hours: hours(start, end),
            working_days,
            start_at: None,
            end_at: None,
            recurrence: None,
            anchor: NaiveDate::from_ymd_opt(2024, 1, 1).unwrap(),
        }
    }

    fn recurring(start: &str, end: &str, rule: &str) -> Schedule {
        Schedule {
            recurrence: Some(Recurrence::parse(rule).unwrap()),
            ..schedule(start, end, WorkingDays::ALL)
        }
    }

    fn utc(text: &str) -> Instant {
        parse_instant(text, Tz::UTC, DateOnly::StartOfDay).unwrap_or_else(|problem| panic!("{problem}"))
    }

    fn zone(name: &str) -> Tz {
        name.parse().unwrap()
    }

    /// `open until …`, `closed until …` or `closed for good`, in UTC.
    fn answer(schedule: &Schedule, at: Instant, zone: Tz) -> String {
        match schedule.opening(at, zone) {
            Opening::Open { until } => format!("open until {}", format_instant(until)),
            Opening::Closed { opens_at: Some(opens_at), .. } => {
                format!("closed until {}", format_instant(opens_at))
            }
            Opening::Closed { opens_at: None, .. } => "closed for good".to_owned(),
        }
    }

    /// The rule itself, by another way than the code: chrono's own local time, hours as lists of stretches.
    fn open_by_the_rule(schedule: &Schedule, at: Instant, zone: Tz) -> bool {
        let local = at.with_timezone(&zone).naive_local();
        let (start, end) = (schedule.hours.start, schedule.hours.end);
        let end_s = if end.to_string() == "23:59:59" { DAY_S } else { end.seconds() };
        let second = local.time().num_seconds_from_midnight();
        let calling_day = |day: NaiveDate| {
            let anchor = schedule.anchor;
            schedule.working_days.contains(day.weekday())
                && schedule.recurrence.as_ref().is_none_or(|rule| rule.allows(day, anchor))
        };
        let today = if start.seconds() < end_s { start.seconds()..end_s } else { start.seconds()..DAY_S };
        let from_yesterday = if start.seconds() < end_s { 0..0 } else { 0..end_s };
        let inside = (today.contains(&second) && calling_day(local.date()))
            || (from_yesterday.contains(&second) && calling_day(local.date() - Days::new(1)));
        inside
            && schedule.start_at.is_none_or(|start| start <= at)
            && schedule.end_at.is_none_or(|end| at < end)
    }

    #[test]
    fn hours_open_and_close_as_the_table_says() {
        let weekdays = "MTWTF..";
        // 2024-02-19 is a Monday.
        for (start, end, days, at, expected) in [
            // Half open.
            ("09:00", "17:00", weekdays, "02-19 08:59:59", "closed until 02-19 09:00:00"),
            ("09:00", "17:00", weekdays, "02-19 09:00:00", "open until 02-19 17:00:00"),
            ("09:00", "17:00", weekdays, "02-19 16:59:59", "open until 02-19 17:00:00"),
            ("09:00", "17:00", weekdays, "02-19 17:00:00", "closed until 02-20 09:00:00"),
            ("09:00", "17:00", weekdays, "02-23 16:59:59", "open until 02-23 17:00:00"),
            ("09:00", "17:00", weekdays, "02-23 17:00:00", "closed until 02-26 09:00:00"),
            ("09:00", "17:00", weekdays, "02-24 12:00:00", "closed until 02-26 09:00:00"),
            ("09:00", "17:00", "M......", "02-19 17:00:00", "closed until 02-26 09:00:00"),
            ("09:00", "17:00", "......S", "02-19 12:00:00", "closed until 02-25 09:00:00"),
            ("09:00", "09:01", "MTWTFSS", "02-19 09:00:30", "open until 02-19 09:01:00"),
            ("09:00:30", "09:00:31", "MTWTFSS", "02-19 09:00:30", "open until 02-19 09:00:31"),
            ("09:00:30", "09:00:31", "MTWTFSS", "02-19 09:00:31", "closed until 02-20 09:00:30"),
            ("00:00", "12:00", weekdays, "02-19 00:00:00", "open until 02-19 12:00:00"),
            ("00:00", "12:00", weekdays, "02-18 23:59:59", "closed until 02-19 00:00:00"),
            ("00:00", "00:01", weekdays, "02-19 00:01:00", "closed until 02-20 00:00:00"),
            // 23:59:59 is the end of the day.
            ("09:00", "23:59:59", weekdays, "02-19 23:59:59", "open until 02-20 00:00:00"),
            ("09:00", "23:59:59", weekdays, "02-20 00:00:00", "closed until 02-20 09:00:00"),
            ("09:00", "23:59:59", weekdays, "02-23 23:59:59", "open until 02-24 00:00:00"),
            ("09:00", "23:59:58", weekdays, "02-19 23:59:58", "closed until 02-20 09:00:00"),
            ("00:00", "23:59:59", weekdays, "02-19 00:00:00", "open until 02-24 00:00:00"),
            ("00:00", "23:59:59", weekdays, "02-24 00:00:00", "closed until 02-26 00:00:00"),
            ("00:00", "23:59:59", "M.W.F..", "02-19 12:00:00", "open until 02-20 00:00:00"),
            ("23:59:58", "23:59:59", weekdays, "02-19 23:59:59", "open until 02-20 00:00:00"),
            ("23:59:59", "00:00", weekdays, "02-19 23:59:59", "open until 02-20 00:00:00"),
            ("23:59:59", "00:00:01", weekdays, "02-20 00:00:00", "open until 02-20 00:00:01"),
            // Over midnight: the small hours belong to the day before.
            ("22:00", "02:00", weekdays, "02-19 21:59:59", "closed until 02-19 22:00:00"),
            ("22:00", "02:00", weekdays, "02-19 22:00:00", "open until 02-20 02:00:00"),
            ("22:00", "02:00", weekdays, "02-20 00:00:00", "open until 02-20 02:00:00"),
            ("22:00", "02:00", weekdays, "02-20 01:59:59", "open until 02-20 02:00:00"),
            ("22:00", "02:00", weekdays, "02-20 02:00:00", "closed until 02-20 22:00:00"),
            ("22:00", "02:00", weekdays, "02-19 01:00:00", "closed until 02-19 22:00:00"),
            ("22:00", "02:00", weekdays, "02-23 23:00:00", "open until 02-24 02:00:00"),
            ("22:00", "02:00", weekdays, "02-24 01:00:00", "open until 02-24 02:00:00"),
            ("22:00", "02:00", weekdays, "02-24 02:00:00", "closed until 02-26 22:00:00"),
            ("22:00", "02:00", weekdays, "02-24 22:00:00", "closed until 02-26 22:00:00"),
            ("22:00", "02:00", weekdays, "02-25 01:00:00", "closed until 02-26 22:00:00"),
            ("22:00", "02:00", "M......", "02-20 01:00:00", "open until 02-20 02:00:00"),
            ("22:00", "02:00", "M......", "02-20 22:00:00", "closed until 02-26 22:00:00"),
            ("22:00", "00:00", weekdays, "02-19 23:59:59", "open until 02-20 00:00:00"),
            ("22:00", "00:00", weekdays, "02-20 00:00:00", "closed until 02-20 22:00:00"),
            ("00:00:01", "00:00", "MTWTFSS", "02-19 23:59:59", "open until 02-20 00:00:00"),
            ("00:00:01", "00:00", "MTWTFSS", "02-20 00:00:00", "closed until 02-20 00:00:01"),
            ("12:00", "11:59:59", "MTWTFSS", "02-20 11:59:58", "open until 02-20 11:59:59"),
            ("12:00", "11:59:59", "MTWTFSS", "02-20 11:59:59", "closed until 02-20 12:00:00"),
            ("12:00", "11:00", "M......", "02-20 10:59:59", "open until 02-20 11:00:00"),
            ("12:00", "11:00", "M......", "02-19 10:59:59", "closed until 02-19 12:00:00"),
        ] {
            let schedule = schedule(start, end, week(days));
            let full = |text: &str| format!("2024-{text}").replace(' ', "T") + "Z";
            let (state, instant) = expected.split_once(" until ").unwrap();
            let expected = format!("{state} until {}", full(instant));
            assert_eq!(answer(&schedule, utc(&full(at)), Tz::UTC), expected, "{start}-{end} {days} at {at}");
        }
    }

    #[test]
    fn hours_follow_the_clocks_when_they_change() {
        for (name, start, end, at, expected) in [
            // New York, forward 2024-03-10 02:00 to 03:00, back 2024-11-03 02:00 to 01:00.
            ("America/New_York", "01:30", "02:30", "2024-03-10T06:30:00Z", "open until 2024-03-10T07:00:00Z"),
            (
                "America/New_York",
                "02:15",
                "02:45",
                "2024-03-10T05:00:00Z",
                "closed until 2024-03-11T06:15:00Z",
            ),
            (
                "America/New_York",
                "02:30",
                "03:30",
                "2024-03-10T06:59:59Z",
                "closed until 2024-03-10T07:00:00Z",
            ),
            ("America/New_York", "02:30", "03:30", "2024-03-10T07:00:00Z", "open until 2024-03-10T07:30:00Z"),
            ("America/New_York", "22:00", "02:30", "2024-03-10T05:00:00Z", "open until 2024-03-10T07:00:00Z"),
            ("America/New_York", "01:30", "02:30", "2024-11-03T05:30:00Z", "open until 2024-11-03T06:00:00Z"),
            (
                "America/New_York",
                "01:30",
                "02:30",
                "2024-11-03T06:00:00Z",
                "closed until 2024-11-03T06:30:00Z",
            ),
            ("America/New_York", "01:30", "02:30", "2024-11-03T06:30:00Z", "open until 2024-11-03T07:30:00Z"),
            ("America/New_York", "01:00", "02:00", "2024-11-03T05:00:00Z", "open until 2024-11-03T07:00:00Z"),
            (
                "America/New_York",
                "00:30",
                "01:30",
                "2024-11-03T05:30:00Z",
                "closed until 2024-11-03T06:00:00Z",
            ),
            (
                "America/New_York",
                "09:00",
                "17:00",
                "2024-03-10T12:59:59Z",
                "closed until 2024-03-10T13:00:00Z",
            ),
            (
                "America/New_York",
                "09:00",
                "17:00",
                "2024-11-03T13:59:59Z",
                "closed until 2024-11-03T14:00:00Z",
            ),
            // Berlin, forward 2024-03-31 02:00 to 03:00, back 2024-10-27 03:00 to 02:00.
            ("Europe/Berlin", "01:00", "02:30", "2024-03-31T00:00:00Z", "open until 2024-03-31T01:00:00Z"),
            ("Europe/Berlin", "02:00", "02:30", "2024-10-27T00:00:00Z", "open until 2024-10-27T00:30:00Z"),
            ("Europe/Berlin", "02:00", "02:30", "2024-10-27T00:30:00Z", "closed until 2024-10-27T01:00:00Z"),
            ("Europe/Berlin", "00:00", "23:59:59", "2024-10-27T12:00:00Z", "open until 2024-11-04T23:00:00Z"),
            // Lord Howe Island changes by half an hour: back 2024-04-07 02:00 to 01:30, forward 2024-10-06 02:00.
            (
                "Australia/Lord_Howe",
                "01:30",
                "02:00",
                "2024-04-06T14:30:00Z",
                "open until 2024-04-06T15:30:00Z",
            ),
            (
                "Australia/Lord_Howe",
                "01:00",
                "01:45",
                "2024-04-06T14:45:00Z",
                "closed until 2024-04-06T15:00:00Z",
            ),
            (
                "Australia/Lord_Howe",
                "02:00",
                "02:30",
                "2024-10-05T14:00:00Z",
                "closed until 2024-10-06T15:00:00Z",
            ),
            // Apia left 2011-12-30 out.
            ("Pacific/Apia", "09:00", "17:00", "2011-12-30T03:00:00Z", "closed until 2011-12-30T19:00:00Z"),
            ("Pacific/Apia", "22:00", "02:00", "2011-12-30T09:59:59Z", "open until 2011-12-30T12:00:00Z"),
            // Casablanca: Ramadan time from 2024-03-10 03:00 back to 02:00 until 2024-04-14 02:00.
            (
                "Africa/Casablanca",
                "02:00",
                "02:30",
                "2024-03-10T01:00:00Z",
                "open until 2024-03-10T01:30:00Z",
            ),
            (
                "Africa/Casablanca",
                "02:00",
                "02:30",
                "2024-03-10T01:30:00Z",
                "closed until 2024-03-10T02:00:00Z",
            ),
            // Santiago skips midnight 2024-09-08 and has the hour before 2024-04-07 twice.
            (
                "America/Santiago",
                "00:00",
                "01:00",
                "2024-09-08T03:59:59Z",
                "closed until 2024-09-09T03:00:00Z",
            ),
            (
                "America/Santiago",
                "00:00",
                "02:00",
                "2024-09-08T03:59:59Z",
                "closed until 2024-09-08T04:00:00Z",
            ),
            (
                "America/Santiago",
                "23:00",
                "23:30",
                "2024-04-07T02:30:00Z",
                "closed until 2024-04-07T03:00:00Z",
            ),
            ("America/Santiago", "23:00", "00:30", "2024-04-07T02:30:00Z", "open until 2024-04-07T04:30:00Z"),
            // Asuncion skipped midnight 2023-10-01 and had the hour before 2024-03-24 twice.
            (
                "America/Asuncion",
                "00:30",
                "01:30",
                "2023-10-01T03:59:59Z",
                "closed until 2023-10-01T04:00:00Z",
            ),
            (
                "America/Asuncion",
                "23:30",
                "23:59:59",
                "2024-03-24T02:59:59Z",
                "open until 2024-03-24T03:00:00Z",
            ),
            (
                "America/Asuncion",
                "23:30",
                "23:59:59",
                "2024-03-24T03:00:00Z",
                "closed until 2024-03-24T03:30:00Z",
            ),
            // St. John's fell back at 00:01 to 23:01, so 2010-11-07 began twice.
            (
                "America/St_Johns",
                "23:30",
                "23:45",
                "2010-11-07T02:30:30Z",
                "closed until 2010-11-07T03:00:00Z",
            ),
        ] {
            let schedule = schedule(start, end, WorkingDays::ALL);
            assert_eq!(answer(&schedule, utc(at), zone(name)), expected, "{name} {start}-{end} at {at}");
            assert_eq!(
                expected.starts_with("open"),
                open_by_the_rule(&schedule, utc(at), zone(name)),
                "the oracle disagrees: {name} {start}-{end} at {at}"
            );
        }
    }

    #[test]
    fn a_working_day_that_begins_twice_opens_twice() {
        let sunday_ends = schedule("23:30", "23:45", week(".....S."));
        let st_johns = zone("America/St_Johns");
        assert_eq!(
            answer(&sunday_ends, utc("2010-11-07T02:30:30Z"), st_johns),
            "closed until 2010-11-07T03:00:00Z",
            "at 00:00:30 on Sunday, a free day, Saturday 23:30 is still to come again"
        );
    }

    #[test]
    fn start_and_end_limit_the_answer_to_the_instant() {
        let limited = Schedule {
            start_at: Some(utc("2024-02-20T10:00:00Z") + TimeDelta::milliseconds(500)),
            end_at: Some(utc("2024-02-22T11:00:00Z")),
            ..schedule("09:00", "17:00", WorkingDays::MONDAY_TO_FRIDAY)
        };
        let start = utc("2024-02-20T10:00:00Z") + TimeDelta::milliseconds(500);
        for (at, expected) in [
            (
                utc("2024-02-19T10:00:00Z"),
                Opening::Closed { opens_at: Some(start), reason: ClosedReason::BeforeStart },
            ),
            (start, Opening::Open { until: utc("2024-02-20T17:00:00Z") }),
            (
                utc("2024-02-21T17:00:00Z"),
                Opening::Closed {
                    opens_at: Some(utc("2024-02-22T09:00:00Z")),
                    reason: ClosedReason::OutsideHours,
                },
            ),
            (utc("2024-02-22T10:00:00Z"), Opening::Open { until: utc("2024-02-22T11:00:00Z") }),
            (utc("2024-02-22T11:00:00Z"), Opening::Closed { opens_at: None, reason: ClosedReason::AfterEnd }),
        ] {
            assert_eq!(limited.opening(at, Tz::UTC), expected, "{at}");
        }
        let ends_at_night = Schedule { end_at: Some(utc("2024-02-20T09:00:00Z")), ..limited };
        assert_eq!(
            ends_at_night.opening(utc("2024-02-19T18:00:00Z"), Tz::UTC),
            Opening::Closed { opens_at: None, reason: ClosedReason::BeforeStart }
        );
    }

    #[test]
    fn the_reason_is_the_first_that_holds() {
        use ClosedReason::*;
        let weekly = Schedule {
            working_days: WorkingDays::MONDAY_TO_FRIDAY,
            ..recurring("22:00", "02:00", "FREQ=WEEKLY;BYDAY=MO,SA;UNTIL=20240309")
        };
        for (at, expected) in [
            ("2024-02-19T12:00:00Z", OutsideHours),
            ("2024-02-20T12:00:00Z", NotRecurrenceDay),
            ("2024-02-20T02:00:00Z", NotRecurrenceDay),
            ("2024-02-24T12:00:00Z", NotWorkingDay),
            ("2024-02-25T01:00:00Z", NotWorkingDay),
            ("2024-02-25T12:00:00Z", NotWorkingDay),
            ("2024-02-26T01:00:00Z", NotWorkingDay),
            ("2024-03-10T12:00:00Z", AfterEnd),
            ("2034-03-10T12:00:00Z", AfterEnd),
        ] {
            match weekly.opening(utc(at), Tz::UTC) {
                Opening::Closed { reason, .. } => assert_eq!(reason, expected, "{at}"),
                Opening::Open { .. } => panic!("open at {at}"),
            }
        }
    }

    #[test]
    fn a_recurrence_limits_the_days_on_which_hours_start() {
        for (rule, at, expected) in [
            ("FREQ=WEEKLY;BYDAY=MO", "2024-02-19T23:00:00Z", "open until 2024-02-20T02:00:00Z"),
            ("FREQ=WEEKLY;BYDAY=MO", "2024-02-20T01:00:00Z", "open until 2024-02-20T02:00:00Z"),
            ("FREQ=WEEKLY;BYDAY=MO", "2024-02-20T02:00:00Z", "closed until 2024-02-26T22:00:00Z"),
            ("FREQ=MONTHLY;BYMONTHDAY=-1", "2024-02-20T02:00:00Z", "closed until 2024-02-29T22:00:00Z"),
            (
                "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU",
                "2024-02-20T02:00:00Z",
                "closed until 2032-02-29T22:00:00Z",
            ),
            ("FREQ=DAILY;COUNT=3", "2024-01-03T21:00:00Z", "closed until 2024-01-03T22:00:00Z"),
            ("FREQ=DAILY;COUNT=3", "2024-01-04T01:00:00Z", "open until 2024-01-04T02:00:00Z"),
            ("FREQ=DAILY;COUNT=3", "2024-01-04T02:00:00Z", "closed for good"),
            ("FREQ=DAILY", "2023-06-01T00:00:00Z", "closed until 2024-01-01T22:00:00Z"),
        ] {
            assert_eq!(
                answer(&recurring("22:00", "02:00", rule), utc(at), Tz::UTC),
                expected,
                "{rule} at {at}"
            );
        }
    }

    #[test]
    fn days_that_never_meet_are_told_as_never() {
        let saturdays = Schedule {
            working_days: WorkingDays::MONDAY_TO_FRIDAY,
            ..recurring("09:00", "17:00", "FREQ=WEEKLY;BYDAY=SA")
        };
        for name in ["UTC", "America/New_York"] {
            assert_eq!(answer(&saturdays, utc("2024-03-09T12:00:00Z"), zone(name)), "closed for good");
        }
    }

    /// Each change of clocks from 2024 to 2034, wherever it happens: a zone, the instant, once per kind.
    fn clock_changes() -> Vec<(Tz, Instant)> {
        let (first, last) = (utc("2024-01-01T00:00:00Z"), utc("2035-01-01T00:00:00Z"));
        let step = TimeDelta::days(7);
        let mut seen = BTreeSet::new();
        let mut changes = Vec::new();
        for zone in TZ_VARIANTS {
            let mut at = first;
            while at < last {
                if let Some(change) = (offset(at, zone) != offset(at + step, zone))
                    .then(|| first_second(at, at + step, |t| offset(t, zone) != offset(at, zone)))
                    && seen.insert((change, offset(at, zone), offset(change, zone)))
                {
                    changes.push((zone, change));
                }
                at += step;
            }
        }
        changes
    }

    /// Walks minute by minute over three hours before and after; every answer must be the true one, and the
    /// instants it names exactly those at which the truth changes.
    #[test]
    fn every_clock_change_of_ten_years_is_answered_exactly() {
        let changes = clock_changes();
        assert!(changes.len() > 500, "{}", changes.len());
        let kinds = [
            ("01:30", "02:30"),
            ("22:00", "02:00"),
            ("00:00", "23:59:59"),
            ("23:30", "00:30"),
            ("02:00", "03:00"),
        ];
        for (index, (zone, change)) in changes.into_iter().enumerate() {
            let (start, end) = kinds[index % kinds.len()];
            let mut days = WorkingDays::from_bits((index * 37 % 127) as u8).unwrap();
            days.insert(local_date(change, zone).weekday());
            let schedule = schedule(start, end, days);
            let minutes: Vec<Instant> =
                (-180..=180).map(|minute| change + TimeDelta::minutes(minute)).collect();
            let truth: Vec<bool> = minutes.iter().map(|at| open_by_the_rule(&schedule, *at, zone)).collect();
            for (index, at) in minutes.iter().enumerate() {
                let flip = (index..minutes.len()).find(|later| truth[*later] != truth[index]);
                let (open, told) = match schedule.opening(*at, zone) {
                    Opening::Open { until } => (true, until),
                    Opening::Closed { opens_at, .. } => (false, opens_at.expect("opens again")),
                };
                let exact = match flip {
                    Some(flip) => told == minutes[flip],
                    None => told > minutes[minutes.len() - 1],
                };
                assert!(
                    open == truth[index] && exact,
                    "{zone} {start}-{end} at {at}: open {open}, told {told}"
                );
            }
        }
    }

    #[test]
    fn the_next_local_midnight_is_the_first_instant_of_the_next_date() {
        for (name, at, expected) in [
            ("UTC", "2024-02-28T23:59:59Z", "2024-02-29T00:00:00Z"),
            ("UTC", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            ("America/New_York", "2024-03-10T12:00:00Z", "2024-03-11T04:00:00Z"),
            ("America/Santiago", "2024-09-08T03:59:59Z", "2024-09-08T04:00:00Z"),
            ("America/Santiago", "2024-04-07T02:30:00Z", "2024-04-07T04:00:00Z"),
            ("Pacific/Apia", "2011-12-30T00:00:00Z", "2011-12-30T10:00:00Z"),
            ("America/St_Johns", "2010-11-07T02:00:00Z", "2010-11-07T02:30:00Z"),
            ("America/St_Johns", "2010-11-07T02:31:00Z", "2010-11-07T03:30:00Z"),
            ("America/St_Johns", "2010-11-07T02:30:30Z", "2010-11-08T03:30:00Z"),
        ] {
            assert_eq!(format_instant(next_local_midnight(utc(at), zone(name))), expected, "{name} {at}");
        }
    }

    #[test]
    fn instants_are_read_as_clients_write_them() {
        let berlin = zone("Europe/Berlin");
        for (text, expected) in [
            ("2024-02-19T10:00:00Z", "2024-02-19T10:00:00Z"),
            ("2024-02-19t10:00:00z", "2024-02-19T10:00:00Z"),
            ("2024-02-19 10:00:00Z", "2024-02-19T10:00:00Z"),
            ("2024-02-19T10:00:00.123Z", "2024-02-19T10:00:00Z"),
            ("2024-02-19T10:00:00+01:00", "2024-02-19T09:00:00Z"),
            ("2024-02-19T10:00:00-05:30", "2024-02-19T15:30:00Z"),
            ("2024-02-19T10:00:00.5+0100", "2024-02-19T09:00:00Z"),
            ("2024-02-19T10:00:00+0100", "2024-02-19T09:00:00Z"),
            ("2024-02-19T10:00+01:00", "2024-02-19T09:00:00Z"),
            ("2024-02-19T10:00+0100", "2024-02-19T09:00:00Z"),
            ("2024-02-19T10:00Z", "2024-02-19T10:00:00Z"),
            ("2024-02-19T10:00:00", "2024-02-19T09:00:00Z"),
            ("2024-02-19T10:00:00.000", "2024-02-19T09:00:00Z"),
            ("2024-02-19T10:00", "2024-02-19T09:00:00Z"),
            (" 2024-02-19 10:00 ", "2024-02-19T09:00:00Z"),
            ("2024-07-19 10:00:30", "2024-07-19T08:00:30Z"),
            ("2024-03-31 02:30", "2024-03-31T01:00:00Z"),
            ("2024-10-27 02:30", "2024-10-27T00:30:00Z"),
            ("2024-02-19", "2024-02-18T23:00:00Z"),
        ] {
            let read = parse_instant(text, berlin, DateOnly::StartOfDay).map(format_instant);
            assert_eq!(read.as_deref(), Ok(expected), "{text}");
        }
        for (text, name, expected) in [
            ("2024-02-19", "Europe/Berlin", "2024-02-19T23:00:00Z"),
            ("2024-09-07", "America/Santiago", "2024-09-08T04:00:00Z"),
            ("2011-12-29", "Pacific/Apia", "2011-12-30T10:00:00Z"),
            ("2024-02-28", "UTC", "2024-02-29T00:00:00Z"),
        ] {
            let read = parse_instant(text, zone(name), DateOnly::EndOfDay).map(format_instant);
            assert_eq!(read.as_deref(), Ok(expected), "{text} in {name}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "now",
            "2024",
            "2024-02-30",
            "2024-2-3",
            "24-02-19",
            "19.02.2024",
            "2024-02-19X10:00",
            "2024-02-19T",
            "2024-02-19T10",
            "2024-02-19T24:00",
            "2024-02-19T10:00:60",
            "2024-02-19 10:00 PM",
            "2024-02-19T10:00:00.Z",
            "2024-02-19T10:00:00.",
            "2024-02-19T10:00:00+25:00",
            "2024-02-19T 9:00+0100",
            "2024-02-19T10:00:00 +0100",
            "2024-02-19T10+0100",
            "2024-02-19  10:00",
            "+024-02-19",
            "２０２４-02-19",
            "2024-02-19T10:00:00Z; DROP",
        ] {
            let read = parse_instant(text, Tz::UTC, DateOnly::StartOfDay);
            assert!(
                read.as_ref().is_err_and(|problem| problem.contains("write it like")),
                "{text}: {read:?}"
            );
        }
        for text in ["0000-01-01", "1899-12-31T10:00:00Z", "9001-01-01", "9999-12-31 10:00"] {
            let problem = parse_instant(text, Tz::UTC, DateOnly::StartOfDay).unwrap_err();
            assert!(problem.contains("must be 1900 to 9000"), "{problem}");
        }
    }

    #[test]
    fn times_of_day_are_read_strictly_and_written_in_full() {
        for (text, seconds) in [("00:00", 0), ("09:30", 34_200), ("09:30:15", 34_215), (" 23:59:59 ", 86_399)]
        {
            let time = TimeOfDay::parse(text).unwrap();
            assert_eq!(time.seconds(), seconds);
            assert_eq!(TimeOfDay::from_seconds(seconds), Some(time));
            assert_eq!(TimeOfDay::parse(&time.to_string()), Ok(time));
        }
        assert_eq!(TimeOfDay::parse("09:30").unwrap().to_string(), "09:30:00");
        assert_eq!(TimeOfDay::from_seconds(86_400), None);
        for text in [
            "",
            "9",
            "9:30",
            "09",
            "24:00",
            "09:60",
            "09:30:60",
            "09:30:00:00",
            "9am",
            "-1:00",
            "+1:00",
            "09-30",
        ] {
            assert!(TimeOfDay::parse(text).is_err(), "{text}");
        }
    }

    /// In Newfoundland clocks went back at a minute past midnight: of the second of November there was a minute before an hour of
    /// the first came once more.
    #[test]
    fn a_date_that_comes_twice_keeps_nobody_waiting_for_ever() {
        let schedule = Schedule {
            hours: CallingHours::new(TimeOfDay(53_987), TimeOfDay(14_508)).unwrap(),
            working_days: WorkingDays::from_bits(125).unwrap(),
            start_at: None,
            end_at: None,
            recurrence: Some(Recurrence::parse("FREQ=WEEKLY;BYDAY=MO,TH,SU").unwrap()),
            anchor: NaiveDate::from_ymd_opt(2005, 1, 1).unwrap(),
        };
        let opening = schedule.opening(utc("2008-10-31T20:59:22Z"), Tz::America__St_Johns);
        let opens_at = Some(utc("2008-11-02T18:29:47Z"));
        assert_eq!(opening, Opening::Closed { opens_at, reason: ClosedReason::NotRecurrenceDay });
    }

    #[test]
    fn hours_that_start_when_they_end_are_refused() {
        let time = TimeOfDay::parse("09:00").unwrap();
        assert!(CallingHours::new(time, time).unwrap_err().contains("09:00:00"));
    }

    #[test]
    fn working_days_are_read_in_any_case_and_order_and_told_from_monday_on() {
        let days = WorkingDays::parse(["friday", "MONDAY", " Monday "]).unwrap();
        assert_eq!(days.names(), ["Monday", "Friday"]);
        assert_eq!(days.iter().collect::<Vec<_>>(), [Weekday::Mon, Weekday::Fri]);
        assert_eq!(WorkingDays::from_bits(days.bits()), Some(days));
        assert_eq!(WorkingDays::from_bits(128), None);
        assert_eq!(WorkingDays::MONDAY_TO_FRIDAY.names().len(), 5);
        assert!(WorkingDays::parse(["Mon"]).unwrap_err().contains("\"Mon\""));
        assert!(WorkingDays::parse([]).unwrap_err().contains("at least one"));
    }

    fn schedules() -> impl Strategy<Value = Schedule> {
        let rule = prop::sample::select(vec![
            "FREQ=DAILY",
            "FREQ=DAILY;INTERVAL=3",
            "FREQ=WEEKLY;BYDAY=MO,TH,SU",
            "FREQ=WEEKLY;INTERVAL=2",
            "FREQ=MONTHLY;BYMONTHDAY=1,-1",
            "FREQ=MONTHLY;BYDAY=2TU",
            "FREQ=DAILY;COUNT=400",
            "FREQ=DAILY;UNTIL=20100101",
        ]);
        let first = utc("2005-01-01T00:00:00Z");
        let day = move |offset: u32| {
            first + TimeDelta::days(i64::from(offset)) + TimeDelta::seconds(i64::from(offset % 977))
        };
        (
            (0..DAY_S, 0..DAY_S, 1u8..=127),
            prop::option::weighted(0.3, rule),
            prop::option::weighted(0.3, 0u32..3000),
            prop::option::weighted(0.3, 3000u32..9000),
        )
            .prop_filter_map("equal hours", move |((start, end, bits), rule, start_at, end_at)| {
                Some(Schedule {
                    hours: CallingHours::new(TimeOfDay(start), TimeOfDay(end)).ok()?,
                    working_days: WorkingDays::from_bits(bits)?,
                    start_at: start_at.map(day),
                    end_at: end_at.map(day),
                    recurrence: rule.and_then(|rule| Recurrence::parse(rule).ok()),
                    anchor: first.date_naive(),
                })
            })
    }

    fn zones() -> impl Strategy<Value = Tz> {
        prop_oneof![
            prop::sample::select(&TZ_VARIANTS[..]),
            prop::sample::select(vec![
                Tz::America__St_Johns,
                Tz::America__Santiago,
                Tz::America__Asuncion,
                Tz::Australia__Lord_Howe,
                Tz::Africa__Casablanca,
                Tz::Pacific__Apia,
                Tz::Antarctica__Troll,
                Tz::Asia__Beirut,
            ]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn an_answer_holds_until_the_instant_it_names_and_not_longer(
            schedule in schedules(),
            zone in zones(),
            at in 1_104_537_600_000i64..1_893_456_000_000,
        ) {
            let at = Instant::from_timestamp_millis(at).unwrap();
            let second = TimeDelta::seconds(1);
            let open = |at: Instant| open_by_the_rule(&schedule, at, zone);
            let (is_open, until) = match schedule.opening(at, zone) {
                Opening::Open { until } => (true, Some(until)),
                Opening::Closed { opens_at, .. } => (false, opens_at),
            };
            prop_assert_eq!(is_open, open(at));
            let end = until.unwrap_or(at + TimeDelta::days(4000));
            prop_assert!(end > at);
            // All of it looked at in 400 places, and the last second before it changes.
            let step = (end - at) / 400;
            for place in 0..400 {
                prop_assert_eq!(open(at + step * place), is_open, "{}", at + step * place);
            }
            prop_assert!(end - second < at || open(end - second) == is_open);
            if let Some(until) = until {
                let long = is_open && until - at >= LOOK_AHEAD;
                prop_assert!(open(until) != is_open || long, "{until}", until = until);
            }
        }

        #[test]
        fn a_date_begins_at_its_midnight_and_not_before(zone in zones(), at in 1_104_537_600i64..1_893_456_000) {
            let at = Instant::from_timestamp(at, 0).unwrap();
            let midnight = next_local_midnight(at, zone);
            prop_assert!(midnight > at && midnight - at <= TimeDelta::hours(49));
            prop_assert!(local_date(midnight, zone) > local_date(at, zone));
            prop_assert!(local_date(midnight - TimeDelta::seconds(1), zone) <= local_date(at, zone));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|[-0-9T:Z. +]{0,30}", zone in zones()) {
            for date_only in [DateOnly::StartOfDay, DateOnly::EndOfDay] {
                if let Ok(at) = parse_instant(&text, zone, date_only) {
                    let again = parse_instant(&format_instant(at), zone, date_only).unwrap();
                    prop_assert_eq!(again.timestamp(), at.timestamp());
                }
            }
            let _ = TimeOfDay::parse(&text);
        }
    }
}
