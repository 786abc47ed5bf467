//! Where a campaign leads: what came of playing it many times, each time in another of the worlds that its calls leave possible.
//! How it is played is not known here.
//!
//! Of `n` runs sorted by what came of them, the future lies between the `i`th and the `j`th in `(j - i) / (n + 1)` of all cases.
//! With [9, 19 or 39](RUNS) runs some two of them are exactly eight of ten apart.

use super::Instant;
use super::campaign::{Campaign, CampaignType, Status};
use super::money::Money;
use super::rates::Observations;
use super::rehearsal::Played;
use super::schedule;
use crate::words;
use chrono::{DateTime, NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};

/// After so many runs there is something to say; more of them say it more exactly.
pub const RUNS: [usize; 3] = [9, 19, 39];
/// Ended calls after which it is played again, at least, and one in how many open leads that must be.
const CALLS_MIN: i64 = 25;
const CALLS_SHARE: i64 = 50;
/// A forecast of a campaign that dials is older than this only while it is played again.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// That of one that does not.
const FRESH_AT_REST: TimeDelta = TimeDelta::hours(12);

words! {
    /// Whether there is a forecast.
    pub enum State {
        /// It is of now.
        Ready = "ready",
        /// It is being played; what is shown meanwhile is older.
        Computing = "computing",
        /// There is nobody to call.
        NothingToDo = "nothing_to_do",
        /// Nothing can be said: there are more leads than can be played.
        Unavailable = "unavailable",
        /// Nothing can be said because of a fault of the server.
        Failed = "failed",
    }
}

/// One in ten is below `low`, as many are below `middle` as above, and one in ten is above `high`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Between<T> {
    /// The lower end.
    pub low: T,
    /// The middle.
    pub middle: T,
    /// The upper end.
    pub high: T,
}

impl<T: Ord + Clone> Between<T> {
    /// Of values in any order; none of none.
    pub fn of(mut values: Vec<T>) -> Option<Between<T>> {
        values.sort();
        let places = values.len() + 1;
        let at =
            |tenths: usize| values.get((places * tenths / 10).clamp(1, values.len().max(1)) - 1).cloned();
        Some(Between { low: at(1)?, middle: at(5)?, high: at(9)? })
    }
}

impl<T> Between<T> {
    /// The same of something else.
    pub fn map<U>(self, to: impl Fn(T) -> U) -> Between<U> {
        Between { low: to(self.low), middle: to(self.middle), high: to(self.high) }
    }
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lacking {
    /// There are more leads than can be played.
    TooLarge,
    /// Playing it failed, for this reason.
    Failed(String),
}

/// What a forecast was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basis {
    /// When.
    pub computed_at: Instant,
    /// The campaign's version.
    pub version: i64,
    /// Calls there had been.
    pub attempts: i64,
    /// Leads that were not finished.
    pub open_leads: i64,
    /// All leads.
    pub leads: i64,
}

impl Basis {
    /// What one would be made of now.
    pub fn of(campaign: &Campaign, open_leads: i64, now: Instant) -> Basis {
        let totals = &campaign.totals;
        Basis {
            computed_at: now,
            version: campaign.version,
            attempts: totals.attempts,
            open_leads,
            leads: totals.total_leads,
        }
    }

    /// Whether so much has happened since that it must be made again.
    pub fn is_stale(&self, now: &Basis, status: Status) -> bool {
        let calls = now.attempts - self.attempts;
        let fresh = if status == Status::Active { FRESH } else { FRESH_AT_REST };
        self.version != now.version
            || self.leads != now.leads
            || calls >= CALLS_MIN.max(self.open_leads / CALLS_SHARE)
            || now.computed_at - self.computed_at > fresh
            // The last calls are worth a look of their own.
            || (now.open_leads != self.open_leads && now.open_leads <= CALLS_MIN)
    }
}

/// Whether anything would come of playing a campaign.
pub fn has_future(campaign: &Campaign, open_leads: i64) -> bool {
    let is_over = campaign.status == Status::Completed;
    campaign.settings.campaign_type == CampaignType::Outbound && !is_over && open_leads > 0
}

/// What came of playing a campaign many times. Instants are in milliseconds and money is in ten-thousandths, as they are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// How often it was played.
    pub runs: usize,
    /// The calls that the worlds are drawn from.
    pub observations: Observations,
    /// When everybody has been called who is not held until somebody changes something; none where that never comes.
    pub finishes_at: Between<Option<i64>>,
    /// In how many of the runs, in percent, it finishes.
    pub finishes_percent: i64,
    /// Why it does not, most often.
    pub unfinished: Option<Unfinished>,
    /// What the calls to come cost.
    pub cost: Between<i64>,
    /// The calls to come.
    pub calls: Between<i64>,
    /// People who are reached by them.
    pub people_reached: Between<i64>,
    /// The day on which the budget pays for no more calls, where it does not in most runs.
    pub budget_runs_out_on: Option<NaiveDate>,
}

/// Why a campaign does not finish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// A stable word.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

impl Forecast {
    /// What these runs say; none of none.
    pub fn of(played: &[Played], observations: Observations) -> Option<Forecast> {
        let of = |value: fn(&Played) -> i64| Between::of(played.iter().map(value).collect());
        // What never comes is later than everything.
        let ends = played.iter().map(|run| run.called_out_at.map_or(i64::MAX, |at| at.timestamp_millis()));
        let finished = played.iter().filter(|run| run.called_out_at.is_some()).count();
        let runs_out =
            Between::of(played.iter().map(|run| run.budget_runs_out_on.unwrap_or(NaiveDate::MAX)).collect())?;
        Some(Forecast {
            runs: played.len(),
            observations,
            finishes_at: Between::of(ends.collect())?.map(|ms| Some(ms).filter(|ms| *ms != i64::MAX)),
            finishes_percent: (finished * 100 / played.len()) as i64,
            unfinished: most_often(played),
            cost: of(|run| run.cost.ten_thousandths())?,
            calls: of(|run| run.calls)?,
            people_reached: of(|run| run.people_reached)?,
            budget_runs_out_on: Some(runs_out.middle).filter(|day| *day != NaiveDate::MAX),
        })
    }

    /// When it finishes.
    pub fn finish(&self) -> Between<Option<Instant>> {
        self.finishes_at.map(|ms| ms.and_then(DateTime::from_timestamp_millis))
    }

    /// What the calls to come cost.
    pub fn cost(&self) -> Between<Money> {
        self.cost.map(Money::from_ten_thousandths)
    }

    /// How many days after the day that was planned it finishes, in the middle; fewer than none before it.
    pub fn days_late(&self, campaign: &Campaign) -> Option<i64> {
        let expected = campaign.settings.expected_completion_date?;
        let finish = self.finish().middle?;
        Some((schedule::local_date(finish, campaign.settings.time_zone) - expected).num_days())
    }
}

fn most_often(played: &[Played]) -> Option<Unfinished> {
    let reasons =
        || played.iter().filter(|run| run.called_out_at.is_none()).filter_map(|run| run.unfinished.as_ref());
    let count = |reason: &str| reasons().filter(|other| other.reason == reason).count();
    let most = reasons().max_by_key(|unfinished| count(unfinished.reason))?;
    Some(Unfinished { reason: most.reason.to_owned(), message: most.message.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_ends_lie_eight_of_ten_futures() {
        for (runs, low, middle, high) in [(9, 1, 5, 9), (19, 2, 10, 18), (39, 4, 20, 36)] {
            let values: Vec<i64> = (1..=runs).rev().collect();
            assert_eq!(Between::of(values), Some(Between { low, middle, high }));
            assert_eq!((high - low) * 10, (runs + 1) * 8);
        }
        assert_eq!(Between::of(vec![7]), Some(Between { low: 7, middle: 7, high: 7 }));
        assert_eq!(Between::<i64>::of(Vec::new()), None);
    }

    #[test]
    fn a_change_enough_calls_or_time_make_a_forecast_old() {
        let at = Instant::UNIX_EPOCH;
        let basis = Basis { computed_at: at, version: 3, attempts: 100, open_leads: 5_000, leads: 6_000 };
        let stale = |now: Basis| basis.is_stale(&now, Status::Active);
        assert!(!stale(basis));
        assert!(stale(Basis { version: 4, ..basis }));
        assert!(stale(Basis { leads: 6_001, ..basis }));
        assert!(!stale(Basis { attempts: 199, ..basis }) && stale(Basis { attempts: 200, ..basis }));
        let later = Basis { computed_at: at + TimeDelta::minutes(61), ..basis };
        assert!(stale(later) && !basis.is_stale(&later, Status::Paused));
    }
}
