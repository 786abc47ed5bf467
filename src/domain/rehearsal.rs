//! A rehearsal: a campaign played to its end on a copy of its data, before anybody is called. What may be asked of one, and
//! what comes of it. How it is played is not known here.

use super::Instant;
use super::fields;
use super::gate::{HoldReason, shown_instant};
use super::money::Money;
use super::outcome::Outcome;
use super::schedule;
use crate::words;
use chrono::NaiveDate;
use serde::{Serialize, Serializer};

words! {
    /// How far a rehearsal has come.
    pub enum Status {
        /// Waits for its turn.
        Queued = "queued",
        /// Is being played.
        Running = "running",
        /// Has a result.
        Done = "done",
        /// Has none, and says why.
        Failed = "failed",
        /// Somebody did not want it any more.
        Canceled = "canceled",
    }
}

words! {
    /// What stands in the way of calls.
    pub enum Limit {
        /// It is outside the calling hours, on the clocks that count.
        Hours = "hours",
        /// The start date is still to come, or the dates are over.
        Dates = "dates",
        /// The day's calls are used up.
        CallsPerDay = "calls_per_day",
        /// The rest of the budget does not pay for another call.
        Budget = "budget",
        /// All campaigns together have spent what they may in a day.
        SpendPerDay = "spend_per_day",
        /// As many calls are alive as there are lines.
        Lines = "lines",
        /// The carrier takes no more calls in a second.
        Pace = "pace",
        /// Those who are left wait for their next attempt.
        Retries = "retries",
        /// Those who are left were called as often as they may be in a day.
        CallsPerNumber = "calls_per_number",
        /// The last calls are still alive, and nobody waits.
        LastCalls = "last_calls",
        /// Anything else, such as somebody whom another campaign is calling.
        Others = "others",
    }
}

impl Limit {
    /// The limit behind a reason not to call.
    pub fn of(reason: HoldReason) -> Limit {
        match reason {
            HoldReason::OutsideCallingHours => Limit::Hours,
            HoldReason::NotStarted | HoldReason::ScheduleEnded => Limit::Dates,
            HoldReason::DailyLimit => Limit::CallsPerDay,
            HoldReason::Budget => Limit::Budget,
            HoldReason::SpendingLimit => Limit::SpendPerDay,
            HoldReason::AllLinesBusy => Limit::Lines,
            HoldReason::RetryLater | HoldReason::CallBack => Limit::Retries,
            HoldReason::CalledTooOften => Limit::CallsPerNumber,
            HoldReason::InProgress => Limit::LastCalls,
            HoldReason::Draft
            | HoldReason::Paused
            | HoldReason::CarrierDown
            | HoldReason::CarrierRefused
            | HoldReason::Completed
            | HoldReason::Inbound
            | HoldReason::ClockJumped
            | HoldReason::NoLeads
            | HoldReason::Finished
            | HoldReason::AttemptsUsedUp
            | HoldReason::NumberInCall
            | HoldReason::DoNotCall
            | HoldReason::MissingVariable
            | HoldReason::TimeZoneUnknown
            | HoldReason::DialingStopped
            | HoldReason::WokeUp
            | HoldReason::CountryNotAllowed
            | HoldReason::NumberRefused => Limit::Others,
        }
    }
}

/// How much the carrier takes that is rehearsed with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Trunk {
    /// Calls alive at one time.
    pub lines: usize,
    /// Dials per second; none for no limit.
    pub calls_per_second: Option<f64>,
}

/// What comes of a campaign that is played to its end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Played {
    /// When it begins.
    #[serde(serialize_with = "instant")]
    pub starts_at: Instant,
    /// When everybody has been called; none when that never comes.
    #[serde(serialize_with = "shown_instant")]
    pub finishes_at: Option<Instant>,
    /// Why it never comes.
    pub unfinished: Option<Unfinished>,
    /// When the last call ends.
    #[serde(serialize_with = "shown_instant")]
    pub last_call_at: Option<Instant>,
    /// Calls that are placed.
    pub calls: i64,
    /// Leads of whom a person is reached.
    pub people_reached: i64,
    /// How the calls end.
    #[serde(serialize_with = "by_word")]
    pub outcomes: Vec<(Outcome, i64)>,
    /// What the calls cost, without what was spent before.
    pub cost: Money,
    /// The day, on the campaign's clocks, on which the budget pays for no more calls.
    pub budget_runs_out_on: Option<NaiveDate>,
    /// The days with calls, on the campaign's clocks.
    pub per_day: Vec<Day>,
    /// The hours of the day, on the campaign's clocks.
    pub per_hour: Vec<Hour>,
    /// In what share of the time each limit stood in the way, most first; together 1.
    #[serde(serialize_with = "by_word")]
    pub bound_by: Vec<(Limit, f64)>,
    /// Those who are never called.
    pub never_called: NeverCalled,
}

/// Why a campaign is never finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// A reason of the gate, or that of the status.
    pub reason: &'static str,
    /// The same for a person.
    pub message: String,
    /// Leads that are still to be called.
    pub leads: i64,
}

/// A day with calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Day {
    /// Its date.
    pub date: NaiveDate,
    /// Calls that are placed on it.
    pub calls: i64,
    /// Those that are picked up.
    pub answered: i64,
    /// What they cost.
    pub cost: Money,
}

/// An hour of the day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hour {
    /// From 0 to 23.
    pub hour: u32,
    /// Calls that are placed in it.
    pub calls: i64,
    /// Those that are picked up.
    pub answered: i64,
}

/// Leads that are never called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NeverCalled {
    /// How many.
    pub count: i64,
    /// How many for which reason.
    #[serde(serialize_with = "by_word")]
    pub reasons: Vec<(HoldReason, i64)>,
    /// Some of them, by their ids.
    pub examples: Vec<i64>,
}

/// How many examples are named.
pub const EXAMPLES_MAX: usize = 20;

fn instant<S: Serializer>(at: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
    schedule::format_instant(*at).serialize(serializer)
}

fn by_word<W: fields::Words, T: Serialize, S: Serializer>(
    counts: &[(W, T)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().map(|(word, count)| (word.word(), count)))
}
