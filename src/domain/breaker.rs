//! The circuit breaker: a carrier that fails too often pauses the campaign, instead of burning its leads.

use super::Instant;
use super::outcome::Outcome;
use chrono::TimeDelta;
use std::collections::VecDeque;

/// How many dials are looked at.
const DIALS: usize = 20;
/// How long a dial is looked at.
const WINDOW: TimeDelta = TimeDelta::minutes(2);

/// So many failures in a row are enough, however long they took: a silent carrier fails slowly.
const IN_A_ROW: usize = 10;

/// The last dials of one campaign.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    ended: VecDeque<(Instant, bool)>,
    failures_in_a_row: usize,
}

impl Breaker {
    /// Takes note of an ended call; true when at least half of the last 20 dials, all within two minutes, were
    /// failures of the carrier, or the last ten all were. Then it starts anew.
    pub fn trips(&mut self, outcome: Outcome, at: Instant) -> bool {
        let failed = outcome == Outcome::CarrierError;
        self.failures_in_a_row = if failed { self.failures_in_a_row + 1 } else { 0 };
        self.ended.push_back((at, failed));
        while self.ended.len() > DIALS || self.ended.front().is_some_and(|(first, _)| at - *first > WINDOW) {
            self.ended.pop_front();
        }
        let failures = self.ended.iter().filter(|(_, failed)| *failed).count();
        let trips =
            (self.ended.len() == DIALS && failures * 2 >= DIALS) || self.failures_in_a_row == IN_A_ROW;
        if trips {
            *self = Breaker::default();
        }
        trips
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tripped_after(outcomes: impl Iterator<Item = Outcome>, gap: TimeDelta) -> Option<usize> {
        let mut breaker = Breaker::default();
        outcomes.enumerate().find_map(|(index, outcome)| {
            breaker.trips(outcome, Instant::UNIX_EPOCH + gap * index as i32).then_some(index + 1)
        })
    }

    fn alternating() -> impl Iterator<Item = Outcome> {
        [Outcome::Busy, Outcome::CarrierError].into_iter().cycle().take(200)
    }

    #[test]
    fn half_of_the_last_twenty_dials_failing_trips_it() {
        assert_eq!(tripped_after(alternating(), TimeDelta::seconds(1)), Some(20));
    }

    #[test]
    fn failures_spread_over_a_longer_time_do_not_trip_it() {
        assert_eq!(tripped_after(alternating(), TimeDelta::seconds(10)), None);
    }

    #[test]
    fn ten_failures_in_a_row_trip_it_however_slowly_they_come() {
        let silent = std::iter::repeat_n(Outcome::CarrierError, 30);
        assert_eq!(tripped_after(silent, TimeDelta::minutes(5)), Some(10));
    }

    #[test]
    fn people_who_do_not_answer_never_trip_it() {
        let outcomes =
            [Outcome::NoAnswer, Outcome::Busy, Outcome::CarrierError].into_iter().cycle().take(300);
        assert_eq!(tripped_after(outcomes, TimeDelta::seconds(1)), None);
    }
}
