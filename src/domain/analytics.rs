//! What calls amount to over days and hours, on the clocks of a campaign's time zone, and where that leads.
//!
//! Calls are counted by quarters of an hour of UTC. Every time zone is some quarters away from UTC, so that the hours and
//! days of each are whole quarters too, also where its clocks are put forward or back.

use super::Instant;
use super::fields::Words;
use super::invalid::Invalid;
use super::money::Money;
use super::outcome::Outcome;
use super::schedule::{self, Opening, Schedule, WEEK, format_instant};
use crate::words;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Timelike};
use chrono_tz::Tz;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeSet;

/// Milliseconds of a quarter of an hour.
const QUARTER_MS: i64 = 900_000;
/// Days that are shown when nobody says which.
const DAYS_SHOWN: u64 = 14;
/// Periods of one answer.
const PERIODS_MAX: usize = 1_000;
/// Points of the curve of money.
const POINTS_MAX: i64 = 60;
/// Days with calls, of which the pace is the mean.
pub const PACE_DAYS: usize = 7;
/// How far ahead a projection looks.
const AHEAD_MAX: TimeDelta = TimeDelta::days(3_660);

/// The quarter of an hour that an instant is in, counted from 1970.
pub fn quarter(at: Instant) -> i64 {
    at.timestamp_millis().div_euclid(QUARTER_MS)
}

/// When a quarter begins.
pub(super) fn begin_of(quarter: i64) -> Instant {
    DateTime::from_timestamp_millis(quarter.saturating_mul(QUARTER_MS)).unwrap_or(Instant::MAX_UTC)
}

/// Ended calls that were placed in one quarter of an hour and ended alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// When they were placed.
    pub quarter: i64,
    /// How they ended.
    pub outcome: Outcome,
    /// How many.
    pub calls: i64,
    /// Those that were picked up.
    pub completed: i64,
    /// Those that met the success criteria.
    pub successful: i64,
    /// What they cost.
    pub spent: Money,
    /// How long they lasted together.
    pub talk_ms: i64,
}

/// Ended calls of one quarter of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// When they were placed.
    pub quarter: i64,
    /// How many.
    pub calls: i64,
    /// Those that were picked up.
    pub completed: i64,
    /// What they cost.
    pub spent: Money,
}

words! {
    /// How long the periods are.
    pub enum Interval {
        /// Hours.
        Hour = "hour",
        /// Days.
        Day = "day",
        /// Weeks that begin on Monday.
        Week = "week",
        /// Months of the calendar.
        Month = "month",
    }
}

/// Which days are looked at, both ends included, and in which steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// On whose clocks.
    pub zone: Tz,
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
    /// Steps.
    pub interval: Interval,
}

impl Range {
    /// The days asked for. Unless somebody says otherwise these are the fourteen up to today, or up to the last day with
    /// calls where that was longer ago.
    pub fn new(
        zone: Tz,
        from: Option<NaiveDate>,
        to: Option<NaiveDate>,
        interval: Interval,
        today: NaiveDate,
        last_active: Option<NaiveDate>,
    ) -> Result<Range, Invalid> {
        let before = |date: NaiveDate| date.checked_sub_days(Days::new(DAYS_SHOWN - 1)).unwrap_or(date);
        let to = to.unwrap_or_else(|| match (from, last_active) {
            (None, Some(last)) if last < before(today) => last,
            (Some(from), _) if from > today => from,
            (None | Some(_), _) => today,
        });
        let range = Range { zone, from: from.unwrap_or_else(|| before(to)), to, interval };
        if range.from > range.to {
            return Err(Invalid::one("from", format!("must not be after `to`, which is {}", range.to)));
        }
        match range.length() {
            ..=PERIODS_MAX => Ok(range),
            length => Err(Invalid::one(
                "interval",
                format!(
                    "there would be {length} periods, more than {PERIODS_MAX}; ask for longer ones or fewer days"
                ),
            )),
        }
    }

    /// About how many periods there are.
    fn length(&self) -> usize {
        let days = (self.to - self.from).num_days() + 1;
        let periods = match self.interval {
            Interval::Hour => days * 24,
            Interval::Day => days,
            Interval::Week => days / 7,
            Interval::Month => days / 31,
        };
        usize::try_from(periods).unwrap_or(usize::MAX)
    }

    /// When the first day begins.
    pub fn begins_at(&self) -> Instant {
        schedule::day_start(self.from, self.zone)
    }

    /// When the last day is over.
    pub fn ends_at(&self) -> Instant {
        schedule::day_start(self.to.succ_opt().unwrap_or(self.to), self.zone)
    }

    /// The quarters of these days; the last one is not of them any more.
    pub fn quarters(&self) -> (i64, i64) {
        (quarter(self.begins_at()), quarter(self.ends_at()))
    }

    /// The period that an instant is in.
    fn start(&self, at: Instant) -> Start {
        let local = at.with_timezone(&self.zone);
        let date = local.date_naive();
        let first = match self.interval {
            Interval::Hour => {
                let into = TimeDelta::seconds((local.minute() * 60 + local.second()).into());
                return Start::Hour(at - into);
            }
            Interval::Day => date,
            Interval::Week => date - Days::new(date.weekday().num_days_from_monday().into()),
            Interval::Month => date.with_day(1).unwrap_or(date),
        };
        Start::Day(first.max(self.from))
    }

    /// All periods, empty ones too.
    fn starts(&self) -> Vec<Start> {
        match self.interval {
            Interval::Hour => {
                let (from, to) = self.quarters();
                let starts: BTreeSet<Start> =
                    (from..to).map(|quarter| self.start(begin_of(quarter))).collect();
                starts.into_iter().collect()
            }
            Interval::Day | Interval::Week | Interval::Month => {
                let mut starts = Vec::new();
                let mut next = Some(self.from);
                while let Some(date) = next.filter(|date| *date <= self.to) {
                    starts.push(Start::Day(date));
                    next = match self.interval {
                        Interval::Hour | Interval::Day => date.succ_opt(),
                        Interval::Week => {
                            let left = 7 - date.weekday().num_days_from_monday();
                            date.checked_add_days(Days::new(left.into()))
                        }
                        Interval::Month => {
                            date.with_day(1).and_then(|first| first.checked_add_months(Months::new(1)))
                        }
                    };
                }
                starts
            }
        }
    }
}

/// When a period begins: an hour at an instant, since clocks may show it twice; longer ones on a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Start {
    Hour(Instant),
    Day(NaiveDate),
}

impl Serialize for Start {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Start::Hour(at) => serializer.serialize_str(&format_instant(*at)),
            Start::Day(date) => serializer.collect_str(date),
        }
    }
}

/// What the calls of a campaign amount to.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Analytics {
    time_zone: &'static str,
    from: NaiveDate,
    to: NaiveDate,
    interval: Interval,
    periods: Vec<Period>,
    by_hour: Vec<HourOfWeek>,
    outcomes: AllOutcomes,
    spend: Spend,
}

/// What happened in one period.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Period {
    start: Start,
    calls: i64,
    completed: i64,
    successful: i64,
    spent: Money,
    talk_seconds: i64,
    outcomes: Outcomes,
    #[serde(skip)]
    talk_ms: i64,
}

/// What happened in one hour of the week.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct HourOfWeek {
    weekday: &'static str,
    hour: usize,
    calls: i64,
    answered: i64,
}

/// The money of a campaign.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
struct Spend {
    budget: Option<Money>,
    spent: Money,
    points: Vec<Point>,
    projection: Option<Projection>,
}

/// What was spent up to an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    at: Instant,
    spent: Money,
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("at", &format_instant(self.at))?;
        map.serialize_entry("spent", &self.spent)?;
        map.end()
    }
}

/// How many calls ended so; only those outcomes that there were.
#[derive(Clone, Debug, Default, PartialEq)]
struct Outcomes(Vec<(Outcome, i64)>);

impl Outcomes {
    fn add(&mut self, outcome: Outcome, calls: i64) {
        match self.0.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, count)) => *count += calls,
            None => self.0.push((outcome, calls)),
        }
    }

    fn of(&self, outcome: Outcome) -> i64 {
        self.0.iter().find(|(known, _)| *known == outcome).map_or(0, |(_, count)| *count)
    }
}

impl Serialize for Outcomes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counted = Outcome::all().iter().map(|outcome| (outcome, self.of(*outcome)));
        serializer.collect_map(counted.filter(|(_, calls)| *calls > 0))
    }
}

/// The same with every outcome that there can be.
#[derive(Clone, Debug, Default, PartialEq)]
struct AllOutcomes(Outcomes);

impl Serialize for AllOutcomes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Outcome::all().iter().map(|outcome| (outcome, self.0.of(*outcome))))
    }
}

/// What a campaign has spent, and may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    /// What it may.
    pub budget: Option<Money>,
    /// What it has, up to now.
    pub spent: Money,
    /// What it had when the days that are looked at began.
    pub spent_before: Money,
}

/// Adds up the calls of a range, which come in their order.
pub fn analyze(
    range: &Range,
    counted: &[Counted],
    purse: Purse,
    projection: Option<Projection>,
    now: Instant,
) -> Analytics {
    let period = |start: Start| Period {
        start,
        calls: 0,
        completed: 0,
        successful: 0,
        spent: Money::ZERO,
        talk_seconds: 0,
        outcomes: Outcomes::default(),
        talk_ms: 0,
    };
    let mut periods: Vec<Period> = range.starts().into_iter().map(period).collect();
    let mut week = [[(0, 0); 24]; 7];
    let mut outcomes = Outcomes::default();
    // The calls of a quarter are in the same period and hour.
    for same in counted.chunk_by(|a, b| a.quarter == b.quarter) {
        let at = begin_of(same[0].quarter);
        let local = at.with_timezone(&range.zone);
        let (day, hour) = (local.weekday().num_days_from_monday() as usize, local.hour() as usize);
        let start = range.start(at);
        let index = periods.partition_point(|period| period.start <= start).saturating_sub(1);
        let Some(period) = periods.get_mut(index) else { continue };
        for counted in same {
            period.calls += counted.calls;
            period.completed += counted.completed;
            period.successful += counted.successful;
            period.spent = period.spent + counted.spent;
            period.talk_ms += counted.talk_ms;
            period.outcomes.add(counted.outcome, counted.calls);
            outcomes.add(counted.outcome, counted.calls);
            week[day][hour].0 += counted.calls;
            week[day][hour].1 += counted.completed;
        }
    }
    for period in &mut periods {
        period.talk_seconds = (period.talk_ms + 500) / 1_000;
    }
    let cells = WEEK.iter().zip(week).flat_map(|((_, weekday), hours)| {
        let cell = move |(hour, (calls, answered))| HourOfWeek { weekday, hour, calls, answered };
        hours.into_iter().enumerate().map(cell)
    });
    Analytics {
        time_zone: range.zone.name(),
        from: range.from,
        to: range.to,
        interval: range.interval,
        periods,
        by_hour: cells.filter(|cell| cell.calls > 0).collect(),
        outcomes: AllOutcomes(outcomes),
        spend: Spend {
            budget: purse.budget,
            spent: purse.spent,
            points: points(range, counted, purse.spent_before, now),
            projection,
        },
    }
}

/// What was spent at the ends of equal parts of the range, as far as it is over.
fn points(range: &Range, counted: &[Counted], before: Money, now: Instant) -> Vec<Point> {
    let (from, to) = range.quarters();
    let to = to.min(quarter(now) + 1);
    if to <= from {
        return Vec::new();
    }
    let step = (to - from + POINTS_MAX - 1) / POINTS_MAX;
    let (mut points, mut spent, mut left) = (Vec::new(), before, counted);
    let mut end = from;
    while end < to {
        end = (end + step).min(to);
        let (these, later) = left.split_at(left.partition_point(|counted| counted.quarter < end));
        left = later;
        spent = these.iter().fold(spent, |sum, counted| sum + counted.spent);
        points.push(Point { at: begin_of(end).min(now), spent });
    }
    points
}

/// Where a campaign's pace leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projection {
    /// When nobody will be left to call.
    pub finishes_at: Instant,
    /// What will have been spent then, if the budget allows it.
    pub spent_at_finish: Money,
    /// When the budget will be used up, where that comes first.
    pub budget_runs_out_at: Option<Instant>,
}

impl Serialize for Projection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("finishes_at", &format_instant(self.finishes_at))?;
        map.serialize_entry("spent_at_finish", &self.spent_at_finish)?;
        map.serialize_entry("budget_runs_out_at", &self.budget_runs_out_at.map(format_instant))?;
        map.end()
    }
}

/// How far a campaign has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Leads that are not finished.
    pub open_leads: i64,
    /// Leads that are, by calling them.
    pub finished_leads: i64,
    /// Calls that have ended, all there ever were.
    pub calls: i64,
    /// What it may spend.
    pub budget: Option<Money>,
    /// What it has spent.
    pub spent: Money,
}

/// Where it leads to go on as on the last days with calls, `recent`: the leads that are left take as many calls each as
/// those before, at the cost and in as much open time as calls took then. None where nothing was finished yet, nobody is
/// left, or no opening comes.
pub fn project(
    schedule: &Schedule,
    zone: Tz,
    progress: Progress,
    recent: &[Slot],
    now: Instant,
) -> Option<Projection> {
    let calls: i64 = recent.iter().map(|slot| slot.calls).sum();
    if progress.open_leads <= 0 || progress.finished_leads <= 0 || calls <= 0 {
        return None;
    }
    let open_ms = open_time(schedule, zone, recent, now).num_milliseconds();
    let per_call = open_ms as f64 / calls as f64;
    let calls_left = progress.open_leads as f64 * progress.calls as f64 / progress.finished_leads as f64;
    let spent: i64 = recent.iter().map(|slot| slot.spent.ten_thousandths()).sum();
    let cost = spent as f64 / calls as f64;
    let after = |calls: f64| later(schedule, zone, now, TimeDelta::milliseconds((calls * per_call) as i64));
    let to_come = Money::from_ten_thousandths((calls_left * cost).round() as i64);
    let left = progress.budget.map(|budget| budget.minus_or_zero(progress.spent));
    let calls_paid = |left: Money| left.ten_thousandths() as f64 / cost;
    let runs_out = left.filter(|left| *left < to_come).and_then(|left| after(calls_paid(left)));
    Some(Projection {
        finishes_at: after(calls_left)?,
        spent_at_finish: progress.spent + to_come,
        budget_runs_out_at: runs_out,
    })
}

/// How long the hours were open on the days of these calls; of each day from its first call on, of today until now.
fn open_time(schedule: &Schedule, zone: Tz, recent: &[Slot], now: Instant) -> TimeDelta {
    let day = |slot: &Slot| schedule::local_date(begin_of(slot.quarter), zone);
    let mut sum = TimeDelta::zero();
    for same in recent.chunk_by(|a, b| day(a) == day(b)) {
        let (first, last) = (same[0].quarter, same[same.len() - 1].quarter);
        let mut at = begin_of(first);
        let end = schedule::next_local_midnight(at, zone).min(now.max(begin_of(first + 1)));
        let mut open = TimeDelta::zero();
        while at < end {
            match schedule.opening(at, zone) {
                Opening::Open { until } => {
                    open += until.min(end) - at;
                    at = until;
                }
                Opening::Closed { opens_at: Some(opens_at), .. } => at = opens_at,
                Opening::Closed { opens_at: None, .. } => break,
            }
        }
        // The hours may have been others then.
        sum += open.max(TimeDelta::milliseconds((last + 1 - first) * QUARTER_MS).min(end - begin_of(first)));
    }
    sum
}

/// The instant up to which it will have been open for so long.
fn later(schedule: &Schedule, zone: Tz, now: Instant, mut open: TimeDelta) -> Option<Instant> {
    let mut at = now;
    while at - now < AHEAD_MAX {
        match schedule.opening(at, zone) {
            Opening::Open { until } if until - at >= open => return Some(at + open),
            Opening::Open { until } => {
                open -= until - at;
                at = until;
            }
            Opening::Closed { opens_at, .. } => at = opens_at?,
        }
    }
    None
}

/// Dials by the hours of the clocks of `zone`; an hour that they show twice has those of both.
pub fn by_hour_of_day(zone: Tz, calls: impl IntoIterator<Item = (i64, i64)>) -> [i64; 24] {
    let mut hours = [0; 24];
    for (quarter, calls) in calls {
        hours[begin_of(quarter).with_timezone(&zone).hour() as usize] += calls;
    }
    hours
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::schedule::{CallingHours, WorkingDays};
    use serde_json::{Value, json};

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn calls(text: &str, outcome: Outcome, calls: i64) -> Counted {
        let is_answered = outcome == Outcome::Success;
        Counted {
            quarter: quarter(at(text)),
            outcome,
            calls,
            completed: if is_answered { calls } else { 0 },
            successful: if is_answered { calls } else { 0 },
            spent: Money::from_ten_thousandths(if is_answered { calls * 5_000 } else { 0 }),
            talk_ms: if is_answered { calls * 1_400 } else { 0 },
        }
    }

    fn range(zone: &str, from: &str, to: &str, interval: Interval) -> Range {
        Range { zone: zone.parse().unwrap(), from: date(from), to: date(to), interval }
    }

    fn shown(range: &Range, counted: &[Counted]) -> Value {
        let purse = Purse { budget: None, spent: Money::ZERO, spent_before: Money::ZERO };
        serde_json::to_value(analyze(range, counted, purse, None, at("2030-01-01T00:00:00Z"))).unwrap()
    }

    /// The periods with calls, as `start calls`.
    fn filled(shown: &Value) -> Vec<String> {
        let periods = shown["periods"].as_array().unwrap().iter();
        let filled = periods.filter(|period| period["calls"] != 0);
        filled.map(|period| format!("{} {}", period["start"].as_str().unwrap(), period["calls"])).collect()
    }

    #[test]
    fn a_day_is_one_of_the_campaigns_clocks_whatever_their_distance_from_utc() {
        let quarters = [
            calls("2026-11-19T18:14:00Z", Outcome::Success, 1),
            calls("2026-11-19T18:15:00Z", Outcome::Busy, 2),
            calls("2026-11-19T23:59:59Z", Outcome::Success, 4),
            calls("2026-11-20T00:00:00Z", Outcome::Success, 8),
        ];
        let days = |zone| filled(&shown(&range(zone, "2026-11-19", "2026-11-20", Interval::Day), &quarters));
        assert_eq!(days("UTC"), ["2026-11-19 7", "2026-11-20 8"]);
        // 5:45 ahead: the day begins at 18:15 UTC.
        assert_eq!(days("Asia/Kathmandu"), ["2026-11-19 1", "2026-11-20 14"]);
        assert_eq!(days("America/New_York"), ["2026-11-19 15"]);
    }

    #[test]
    fn a_day_on_which_the_clocks_change_has_23_or_25_hours_and_all_of_its_calls() {
        let berlin = |day: &str, interval| range("Europe/Berlin", day, day, interval);
        for (day, hours, doubled) in [("2026-03-29", 23, 0), ("2026-10-25", 25, 2), ("2026-10-26", 24, 0)] {
            let day_range = berlin(day, Interval::Hour);
            let (from, to) = day_range.quarters();
            assert_eq!(to - from, hours * 4, "{day}");
            let all: Vec<Counted> = (from..to)
                .map(|quarter| Counted { quarter, ..calls("2026-01-01T00:00:00Z", Outcome::Busy, 1) })
                .collect();
            let by_hour = shown(&day_range, &all);
            let periods = by_hour["periods"].as_array().unwrap();
            assert_eq!(periods.len() as i64, hours, "{day}");
            assert!(periods.iter().all(|period| period["calls"] == 4), "{day}");
            let by_day = shown(&berlin(day, Interval::Day), &all);
            assert_eq!(filled(&by_day), [format!("{day} {}", hours * 4)]);
            let twice = by_hour["by_hour"].as_array().unwrap().iter();
            let twice: Vec<i64> =
                twice.filter(|cell| cell["calls"] == 8).map(|cell| cell["hour"].as_i64().unwrap()).collect();
            assert_eq!(twice, if doubled > 0 { vec![doubled] } else { vec![] }, "{day}");
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first_within_the_range() {
        let quarters = [
            calls("2026-10-28T12:00:00Z", Outcome::Busy, 1),
            calls("2026-11-01T12:00:00Z", Outcome::Busy, 2),
            calls("2026-11-02T12:00:00Z", Outcome::Busy, 4),
            calls("2026-12-01T12:00:00Z", Outcome::Busy, 8),
        ];
        let steps = |interval| filled(&shown(&range("UTC", "2026-10-28", "2026-12-01", interval), &quarters));
        assert_eq!(steps(Interval::Week), ["2026-10-28 3", "2026-11-02 4", "2026-11-30 8"]);
        assert_eq!(steps(Interval::Month), ["2026-10-28 1", "2026-11-01 6", "2026-12-01 8"]);
    }

    #[test]
    fn everything_is_added_up_and_empty_periods_are_shown() {
        let quarters = [
            calls("2026-11-20T09:00:00Z", Outcome::Success, 3),
            calls("2026-11-20T09:20:00Z", Outcome::NoAnswer, 1),
        ];
        let range = range("UTC", "2026-11-19", "2026-11-20", Interval::Day);
        let shown = shown(&range, &quarters);
        let empty = json!({"start": "2026-11-19", "calls": 0, "completed": 0, "successful": 0, "spent": 0,
            "talk_seconds": 0, "outcomes": {}});
        let full = json!({"start": "2026-11-20", "calls": 4, "completed": 3, "successful": 3, "spent": 1.5,
            "talk_seconds": 4, "outcomes": {"success": 3, "no_answer": 1}});
        assert_eq!(shown["periods"], json!([empty, full]));
        let cell = json!({"weekday": "Friday", "hour": 9, "calls": 4, "answered": 3});
        assert_eq!(shown["by_hour"], json!([cell]));
        assert_eq!(shown["outcomes"].as_object().unwrap().len(), Outcome::all().len());
        assert_eq!((&shown["outcomes"]["success"], &shown["outcomes"]["busy"]), (&json!(3), &json!(0)));
    }

    #[test]
    fn the_curve_of_money_goes_up_to_now_in_at_most_sixty_points() {
        let range = range("UTC", "2026-11-01", "2026-11-30", Interval::Day);
        let quarters = [
            calls("2026-11-02T09:00:00Z", Outcome::Success, 2),
            calls("2026-11-09T09:00:00Z", Outcome::Success, 4),
        ];
        let before = Money::from_ten_thousandths(10_000);
        let now = at("2026-11-10T12:07:00Z");
        let points = points(&range, &quarters, before, now);
        assert!(points.len() <= 60 && points.len() > 50, "{}", points.len());
        assert_eq!(points.last(), Some(&Point { at: now, spent: Money::from_ten_thousandths(40_000) }));
        assert_eq!(points[0].spent, before);
        assert!(points.windows(2).all(|pair| pair[0].at < pair[1].at && pair[0].spent <= pair[1].spent));
    }

    #[test]
    fn without_a_word_the_last_fourteen_days_are_shown_or_those_before_the_last_call() {
        let (today, long_ago) = (date("2026-11-25"), date("2026-06-30"));
        let of = |from, to, last| Range::new(Tz::UTC, from, to, Interval::Day, today, last);
        let days = |range: Result<Range, Invalid>| range.map(|range| (range.from, range.to)).unwrap();
        assert_eq!(days(of(None, None, None)), (date("2026-11-12"), today));
        assert_eq!(days(of(None, None, Some(date("2026-11-13")))), (date("2026-11-12"), today));
        assert_eq!(days(of(None, None, Some(long_ago))), (date("2026-06-17"), long_ago));
        assert_eq!(days(of(Some(long_ago), None, None)), (long_ago, today));
        assert_eq!(days(of(None, Some(long_ago), None)), (date("2026-06-17"), long_ago));
        assert_eq!(of(Some(today), Some(long_ago), None).unwrap_err().0[0].field, "from");
        let many = Range::new(Tz::UTC, Some(long_ago), None, Interval::Hour, today, None);
        assert_eq!(many.unwrap_err().0[0].field, "interval");
    }

    fn office(hours: CallingHours) -> Schedule {
        Schedule {
            hours,
            working_days: WorkingDays::MONDAY_TO_FRIDAY,
            start_at: None,
            end_at: None,
            recurrence: None,
            anchor: NaiveDate::default(),
        }
    }

    #[test]
    fn a_projection_goes_on_at_the_pace_of_the_days_before_within_the_hours() {
        let schedule = office(CallingHours::OFFICE);
        // Thursday and Friday, eight hours each: 5 calls in an hour.
        let slot = |text: &str| Slot {
            quarter: quarter(at(text)),
            calls: 40,
            completed: 20,
            spent: Money::from_ten_thousandths(200_000),
        };
        let recent = [slot("2026-11-19T09:00:00Z"), slot("2026-11-20T09:00:00Z")];
        let progress = Progress {
            open_leads: 30,
            finished_leads: 40,
            calls: 80,
            budget: Some(Money::from_ten_thousandths(500_000)),
            spent: Money::from_ten_thousandths(400_000),
        };
        let now = at("2026-11-21T12:00:00Z");
        // 30 leads of 2 calls each take 12 hours: the Monday, and four hours of the Tuesday. 20 calls are paid.
        let expected = Projection {
            finishes_at: at("2026-11-24T13:00:00Z"),
            spent_at_finish: Money::from_ten_thousandths(700_000),
            budget_runs_out_at: Some(at("2026-11-23T13:00:00Z")),
        };
        assert_eq!(project(&schedule, Tz::UTC, progress, &recent, now), Some(expected));
        let rich = Progress { budget: None, ..progress };
        let unlimited = Projection { budget_runs_out_at: None, ..expected };
        assert_eq!(project(&schedule, Tz::UTC, rich, &recent, now), Some(unlimited));
    }

    #[test]
    fn a_projection_says_nothing_where_it_cannot_know() {
        let schedule = office(CallingHours::OFFICE);
        let now = at("2026-11-21T12:00:00Z");
        let slot = Slot { quarter: quarter(at("2026-11-20T09:00:00Z")), calls: 40, ..Slot::default() };
        let progress =
            Progress { open_leads: 30, finished_leads: 40, calls: 80, budget: None, spent: Money::ZERO };
        let say = |schedule: &Schedule, progress, recent: &[Slot]| {
            project(schedule, Tz::UTC, progress, recent, now)
        };
        assert!(say(&schedule, progress, &[slot]).is_some());
        assert_eq!(say(&schedule, progress, &[]), None);
        assert_eq!(say(&schedule, Progress { open_leads: 0, ..progress }, &[slot]), None);
        assert_eq!(say(&schedule, Progress { finished_leads: 0, ..progress }, &[slot]), None);
        let over = Schedule { end_at: Some(now), ..schedule };
        assert_eq!(say(&over, progress, &[slot]), None);
    }

    #[test]
    fn an_hour_that_the_clocks_show_twice_has_the_dials_of_both() {
        let quarters = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"];
        let hours =
            by_hour_of_day("Europe/Berlin".parse().unwrap(), quarters.map(|text| (quarter(at(text)), 1)));
        assert_eq!((hours[2], hours[3]), (2, 1));
    }
}
