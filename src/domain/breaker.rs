//! The circuit breaker: a carrier that fails too often, or takes no calls from us, pauses the campaign, instead of
//! burning its leads.

use super::Instant;
use super::outcome::Outcome;
use chrono::TimeDelta;
use std::collections::VecDeque;

/// How many dials are looked at, at least.
const DIALS: usize = 20;
/// And how many are kept, for campaigns with more lines.
const DIALS_KEPT: usize = 1_000;
/// How long a dial is looked at.
const WINDOW: TimeDelta = TimeDelta::minutes(2);

/// So many failures in a row are enough, however long they took: a silent carrier fails slowly. The same of refusals:
/// no ten people in a row refuse a call, but a network that takes us for a nuisance does; and of numbers that do not exist:
/// there are none for a carrier that is given them in another form than it wants.
const IN_A_ROW: usize = 10;
/// So many calls in a row that the carrier did not take from us: one may be for a number that it does not connect, such
/// as in a country that it was not told of.
const REFUSED_IN_A_ROW: usize = 3;

/// So many calls in a row on which the agent failed: nobody is called to hear an excuse.
const AGENT_FAILED_IN_A_ROW: usize = 2;

/// Why a campaign must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trip {
    /// The carrier fails too often.
    Failing,
    /// All calls are refused on behalf of those who are called.
    Rejected,
    /// The carrier knows none of the numbers.
    Unknown,
    /// The carrier takes no calls from us.
    Refused,
    /// The agent fails.
    Agent,
}

/// The last dials of one campaign.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    ended: VecDeque<(Instant, bool)>,
    failures_in_a_row: usize,
    rejected_in_a_row: usize,
    unknown_in_a_row: usize,
    refused_in_a_row: usize,
    agent_failed_in_a_row: usize,
}

impl Breaker {
    /// Takes note of an ended call. Trips when at least half of the last 20 dials, all within two minutes, were
    /// failures of the carrier, or the last ten all were, or all were refused or to numbers that it does not know; and when
    /// the carrier did not take the last three from us; or when the agent failed on the last two calls on which it talked, which `agent_failed` tells
    /// of those. Then it starts anew.
    ///
    /// What fails or is refused ends before what rings. So of many calls placed at once those end first, and prove nothing
    /// until they are as many as still ring, which is what `ringing` counts when it is asked.
    pub fn trips(
        &mut self,
        outcome: Outcome,
        agent_failed: Option<bool>,
        at: Instant,
        ringing: impl FnOnce() -> usize,
    ) -> Option<Trip> {
        let count = |count: usize, is_one_more: bool| if is_one_more { count + 1 } else { 0 };
        // Of a failing agent the carrier knows nothing.
        let failed = outcome == Outcome::CarrierError && agent_failed != Some(true);
        if let Some(agent_failed) = agent_failed {
            self.agent_failed_in_a_row = count(self.agent_failed_in_a_row, agent_failed);
        }
        self.failures_in_a_row = count(self.failures_in_a_row, failed);
        self.rejected_in_a_row = count(self.rejected_in_a_row, outcome == Outcome::Rejected);
        self.unknown_in_a_row = count(self.unknown_in_a_row, outcome == Outcome::InvalidNumber);
        self.refused_in_a_row = count(self.refused_in_a_row, outcome == Outcome::CarrierRefused);
        self.ended.push_back((at, failed));
        while self.ended.len() > DIALS_KEPT
            || self.ended.front().is_some_and(|(first, _)| at - *first > WINDOW)
        {
            self.ended.pop_front();
        }
        let longest = self.failures_in_a_row.max(self.rejected_in_a_row).max(self.unknown_in_a_row);
        let is_likely = longest >= IN_A_ROW || (failed && self.fails_often(DIALS));
        let ringing = if is_likely { ringing() } else { 0 };
        let in_a_row = IN_A_ROW.max(ringing);
        let is_failing =
            self.failures_in_a_row >= in_a_row || (failed && self.fails_often(DIALS.max(ringing)));
        let trip = match () {
            () if self.refused_in_a_row == REFUSED_IN_A_ROW => Some(Trip::Refused),
            () if is_failing => Some(Trip::Failing),
            () if self.agent_failed_in_a_row == AGENT_FAILED_IN_A_ROW => Some(Trip::Agent),
            () if self.rejected_in_a_row >= in_a_row => Some(Trip::Rejected),
            () if self.unknown_in_a_row >= in_a_row => Some(Trip::Unknown),
            () => None,
        };
        if trip.is_some() {
            *self = Breaker::default();
        }
        trip
    }

    /// Whether at least half of so many last dials failed.
    fn fails_often(&self, dials: usize) -> bool {
        let failures = self.ended.iter().rev().take(dials).filter(|(_, failed)| *failed).count();
        self.ended.len() >= dials && failures * 2 >= dials
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tripped_after(outcomes: impl Iterator<Item = Outcome>, gap: TimeDelta) -> Option<(usize, Trip)> {
        let mut breaker = Breaker::default();
        outcomes.enumerate().find_map(|(index, outcome)| {
            let trip = breaker.trips(outcome, None, Instant::UNIX_EPOCH + gap * index as i32, || 0);
            trip.map(|trip| (index + 1, trip))
        })
    }

    fn alternating() -> impl Iterator<Item = Outcome> {
        [Outcome::Busy, Outcome::CarrierError].into_iter().cycle().take(200)
    }

    #[test]
    fn half_of_the_last_twenty_dials_failing_trips_it() {
        assert_eq!(tripped_after(alternating(), TimeDelta::seconds(1)), Some((20, Trip::Failing)));
    }

    #[test]
    fn failures_spread_over_a_longer_time_do_not_trip_it() {
        assert_eq!(tripped_after(alternating(), TimeDelta::seconds(10)), None);
    }

    #[test]
    fn ten_failures_in_a_row_trip_it_however_slowly_they_come() {
        let silent = std::iter::repeat_n(Outcome::CarrierError, 30);
        assert_eq!(tripped_after(silent, TimeDelta::minutes(5)), Some((10, Trip::Failing)));
    }

    #[test]
    fn a_carrier_that_takes_three_calls_in_a_row_not_from_us_trips_it() {
        let refused = [Outcome::Success, Outcome::Busy].into_iter().chain([Outcome::CarrierRefused; 3]);
        assert_eq!(tripped_after(refused, TimeDelta::seconds(1)), Some((5, Trip::Refused)));
        let some =
            [Outcome::CarrierRefused, Outcome::CarrierRefused, Outcome::Busy].into_iter().cycle().take(300);
        assert_eq!(tripped_after(some, TimeDelta::seconds(1)), None);
    }

    #[test]
    fn only_when_all_are_refused_or_unknown_do_these_trip_it() {
        for (outcome, trip) in [(Outcome::Rejected, Trip::Rejected), (Outcome::InvalidNumber, Trip::Unknown)]
        {
            let always = std::iter::repeat_n(outcome, 30);
            assert_eq!(tripped_after(always, TimeDelta::seconds(1)), Some((10, trip)));
            let nearly = [outcome; 9].into_iter().chain([Outcome::NoAnswer]).cycle().take(300);
            assert_eq!(tripped_after(nearly, TimeDelta::seconds(1)), None);
        }
    }

    #[test]
    fn of_many_calls_placed_at_once_those_that_end_first_prove_nothing() {
        let tripped = |outcome: Outcome, placed: usize| {
            let mut breaker = Breaker::default();
            let at = Instant::UNIX_EPOCH;
            (1..=placed).find(|ended| breaker.trips(outcome, None, at, || placed - ended).is_some())
        };
        for outcome in [Outcome::Rejected, Outcome::InvalidNumber, Outcome::CarrierError] {
            assert_eq!(tripped(outcome, 15), Some(10), "{outcome:?}");
            assert_eq!(tripped(outcome, 500), Some(250), "{outcome:?}");
        }
    }

    #[test]
    fn an_agent_that_fails_on_two_calls_in_a_row_trips_it_and_the_carrier_is_not_blamed() {
        let tripped = |calls: &[(Outcome, Option<bool>)]| {
            let mut breaker = Breaker::default();
            calls.iter().position(|(outcome, failed)| {
                breaker.trips(*outcome, *failed, Instant::UNIX_EPOCH, || 0) == Some(Trip::Agent)
            })
        };
        let (failed, fine) = ((Outcome::CarrierError, Some(true)), (Outcome::Success, Some(false)));
        assert_eq!(tripped(&[failed, (Outcome::NoAnswer, None), failed]), Some(2));
        assert_eq!(tripped(&[failed, fine, failed, fine]), None);
        let mut breaker = Breaker::default();
        for _ in 0..40 {
            for (outcome, agent_failed) in [failed, fine] {
                assert_eq!(breaker.trips(outcome, agent_failed, Instant::UNIX_EPOCH, || 0), None);
            }
        }
    }

    #[test]
    fn people_who_do_not_answer_never_trip_it() {
        let outcomes =
            [Outcome::NoAnswer, Outcome::Busy, Outcome::CarrierError].into_iter().cycle().take(300);
        assert_eq!(tripped_after(outcomes, TimeDelta::seconds(1)), None);
    }
}
