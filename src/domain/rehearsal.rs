//! A rehearsal: a campaign played to its end on a copy of its data, before anybody is called. What may be asked of one, and
//! what comes of it. How it is played is not known here.

use super::Instant;
use super::campaign::{self, Settings};
use super::fields::{self, Fields, Parsed};
use super::gate::{HoldReason, shown_instant};
use super::invalid::{Invalid, Problem};
use super::money::Money;
use super::outcome::Outcome;
use super::rates::Rates;
use super::schedule::{self, DateOnly};
use crate::words;
use chrono::{NaiveDate, TimeDelta};
use serde::{Serialize, Serializer};
use serde_json::Value;

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
        /// All agents talk.
        Agents = "agents",
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
            HoldReason::AgentBusy => Limit::Agents,
            HoldReason::RetryLater | HoldReason::CallBack => Limit::Retries,
            HoldReason::CalledTooOften => Limit::CallsPerNumber,
            HoldReason::InProgress => Limit::LastCalls,
            HoldReason::Draft
            | HoldReason::Paused
            | HoldReason::CarrierDown
            | HoldReason::CarrierRefused
            | HoldReason::AgentMissing
            | HoldReason::AgentFailed
            | HoldReason::Completed
            | HoldReason::Inbound
            | HoldReason::ClockJumped
            | HoldReason::NoLeads
            | HoldReason::Finished
            | HoldReason::AttemptsUsedUp
            | HoldReason::NumberInCall
            | HoldReason::DoNotCall
            | HoldReason::MissingVariable
            | HoldReason::ScriptTooLong
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
    /// When nobody is left to call but those who are held until somebody changes something.
    #[serde(skip)]
    pub called_out_at: Option<Instant>,
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

/// A rehearsal that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsal {
    /// Never reused.
    pub id: i64,
    /// Its campaign.
    pub campaign_id: i64,
    /// When it was asked for.
    pub made_at: Instant,
    /// Who did.
    pub made_by: String,
    /// What is assumed and changed, as it was asked for.
    pub settings: Value,
    /// How far it has come.
    pub status: Status,
    /// What share of the leads is finished.
    pub progress: f64,
    /// What came of it.
    pub result: Option<Value>,
    /// Why nothing did.
    pub error: Option<String>,
}

/// What may be asked of a rehearsal; everything that is left out is as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// When it begins.
    pub start_at: Option<Instant>,
    /// What chance follows from.
    pub seed: Option<u64>,
    /// How likely it is that somebody picks up.
    pub answer_rates: Option<AnswerRates>,
    /// How long calls last that are picked up.
    pub talk_seconds: Option<f64>,
    /// Calls alive at one time.
    pub lines: Option<usize>,
    /// Dials per second.
    pub calls_per_second: Option<f64>,
    /// Fields of the campaign that are changed.
    pub changes: Option<Value>,
    /// How many leads are added that are not there yet.
    pub leads_assumed: Option<usize>,
}

/// How likely it is that somebody picks up.
#[derive(Clone, Debug, PartialEq)]
pub enum AnswerRates {
    /// At every hour.
    Always(f64),
    /// In these hours of the day; in the others as learned.
    Hours(Vec<(usize, f64)>),
}

/// More digits than this a JSON reader in a browser does not keep.
const SEED_MAX: i64 = 9_007_199_254_740_991;
/// Lines of a trunk, at most.
const LINES_MAX: i64 = 10_000;
/// Leads that may be assumed, at most.
const ASSUMED_MAX: i64 = 500_000;

impl Wish {
    /// Reads the JSON body for a campaign with these settings. All problems come at once, also those of the changes.
    pub fn read(body: Value, settings: &Settings) -> Result<Wish, Invalid> {
        let mut f = Fields::of(body)?;
        let zone = settings.time_zone;
        let start_at = f.optional("start_at", None, None, |value| {
            let text = fields::string(value)?;
            schedule::parse_instant(text, zone, DateOnly::StartOfDay).map(Some)
        });
        let seed = f.optional("seed", None, None, |value| {
            fields::integer(0, SEED_MAX)(value).map(|seed| Some(seed.unsigned_abs()))
        });
        let answer_rates = f.optional("answer_rates", None, None, |value| AnswerRates::read(value).map(Some));
        let talk_seconds =
            f.optional("talk_seconds", None, None, |value| number(1.0, 14_400.0)(value).map(Some));
        let (lines, calls_per_second) = f.optional("trunk", (None, None), (None, None), trunk);
        let leads_assumed = f.optional("leads_assumed", None, None, |value| {
            fields::integer(1, ASSUMED_MAX)(value).map(|count| usize::try_from(count).ok())
        });
        let changes = f.optional("changes", None, None, |value| match value {
            Value::Object(_) => Ok(Some(value.clone())),
            other => {
                Err(format!("must be an object with fields of the campaign, not {}", fields::kind(other)))
            }
        });
        if let Some(changes) = &changes {
            if let Err(Invalid(problems)) = changed(changes, settings) {
                for problem in problems {
                    f.problem::<()>(&format!("changes.{}", problem.field), problem.message);
                }
            }
            if changes.get("status").is_some_and(|status| !status.is_null()) {
                f.problem::<()>(
                    "changes.status",
                    "a rehearsal is always played as if the campaign were active; leave it out",
                );
            }
        }
        f.finish(Some(Wish {
            start_at,
            seed,
            answer_rates,
            talk_seconds,
            lines,
            calls_per_second,
            changes,
            leads_assumed,
        }))
    }

    /// The settings with what is changed.
    pub fn settings(&self, settings: &Settings) -> Result<Settings, Invalid> {
        self.changes.as_ref().map_or_else(|| Ok(settings.clone()), |changes| changed(changes, settings))
    }

    /// The lines that it is played with, where the carrier has these.
    pub fn trunk(&self, present: Trunk) -> Trunk {
        Trunk {
            lines: self.lines.unwrap_or(present.lines),
            calls_per_second: self.calls_per_second.or(present.calls_per_second),
        }
    }

    /// What is assumed of calls, in the place of what was learned.
    pub fn assume(&self, rates: &mut Rates) {
        match &self.answer_rates {
            Some(AnswerRates::Always(chance)) => rates.assume_chance(*chance),
            Some(AnswerRates::Hours(hours)) => {
                hours.iter().for_each(|(hour, chance)| rates.assume_chance_at(*hour, *chance));
            }
            None => {}
        }
        if let Some(seconds) = self.talk_seconds {
            rates.assume_talk(TimeDelta::milliseconds((seconds * 1_000.0) as i64));
        }
    }
}

fn changed(changes: &Value, settings: &Settings) -> Result<Settings, Invalid> {
    campaign::Request::read(changes.clone(), Some(settings)).map(|request| request.settings)
}

impl AnswerRates {
    fn read(value: &Value) -> Parsed<AnswerRates> {
        let chance = number(0.0, 1.0);
        let Value::Object(hours) = value else { return chance(value).map(AnswerRates::Always) };
        let read = |(hour, value): (&String, &Value)| {
            let number =
                hour.parse::<usize>().ok().filter(|number| *number < 24 && number.to_string() == *hour);
            let number =
                number.ok_or_else(|| format!("`{}` is no hour; use 0 to 23", fields::excerpt(hour)))?;
            Ok((number, chance(value).map_err(|message| format!("hour {number}: {message}"))?))
        };
        hours.iter().map(read).collect::<Parsed<_>>().map(AnswerRates::Hours)
    }
}

fn number(min: f64, max: f64) -> impl Fn(&Value) -> Parsed<f64> {
    move |value| {
        let number =
            value.as_f64().ok_or_else(|| format!("must be a number, not {}", fields::kind(value)))?;
        match (min..=max).contains(&number) {
            true => Ok(number),
            false => Err(format!("must be between {min} and {max}; it is {number}")),
        }
    }
}

fn trunk(value: &Value) -> Parsed<(Option<usize>, Option<f64>)> {
    let mut f = Fields::of(value.clone()).map_err(|Invalid(problems)| told(&problems))?;
    let lines = f.optional("lines", None, None, |value| {
        fields::integer(1, LINES_MAX)(value).map(|lines| usize::try_from(lines).ok())
    });
    let pace = f.optional("calls_per_second", None, None, |value| number(0.01, 1_000.0)(value).map(Some));
    f.finish(Some((lines, pace))).map_err(|Invalid(problems)| told(&problems))
}

fn told(problems: &[Problem]) -> String {
    let told = problems.iter().map(|problem| format!("`{}` {}", problem.field, problem.message));
    told.collect::<Vec<_>>().join("; ")
}
