//! How fast? Shares a scarce line among campaigns, and spaces dials to the carrier's calls per second.

use super::Instant;
use chrono::TimeDelta;
use std::collections::HashMap;

/// Shares capacity among campaigns in proportion to their weights, by stride scheduling (Waldspurger and
/// Weihl, 1995): each grant moves a campaign ahead by 1/weight, and whoever is furthest behind is next. So
/// high, medium and low get 4 : 2 : 1 and nobody starves, whatever the capacity.
#[derive(Clone, Debug, Default)]
pub struct Shares {
    passes: HashMap<i64, u64>,
    now: u64,
}

/// Divisible by every weight.
const STRIDE: u64 = 1 << 20;

impl Shares {
    /// Who of the campaigns that want a call now is next.
    pub fn next(&self, wanting: impl Iterator<Item = i64>) -> Option<i64> {
        wanting.map(|id| (self.pass(id), id)).min().map(|(_, id)| id)
    }

    /// Takes note that this campaign got a call.
    pub fn granted(&mut self, id: i64, weight: u64) {
        self.now = self.pass(id);
        self.passes.insert(id, self.now + STRIDE / weight.max(1));
    }

    /// A campaign that did not want anything for a while starts level with the others, not ahead of them.
    fn pass(&self, id: i64) -> u64 {
        self.passes.get(&id).copied().unwrap_or(self.now).max(self.now)
    }

    /// Forgets campaigns that no longer dial.
    pub fn keep(&mut self, is_dialing: impl Fn(i64) -> bool) {
        self.passes.retain(|id, _| is_dialing(*id));
    }
}

/// Spaces dials at least `1 / calls_per_second` apart.
#[derive(Clone, Debug)]
pub struct Spacing {
    gap: TimeDelta,
    next_at: Instant,
}

impl Spacing {
    /// A limit of so many calls per second; none for no limit.
    pub fn new(calls_per_second: Option<f64>) -> Spacing {
        Spacing { gap: gap(calls_per_second), next_at: Instant::MIN_UTC }
    }

    /// Another limit from the next dial on.
    pub fn change(&mut self, calls_per_second: Option<f64>) {
        self.gap = gap(calls_per_second);
    }

    /// How many dials may start now.
    pub fn allowed(&self, now: Instant, wanted: usize) -> usize {
        match self.gap.is_zero() {
            true => wanted,
            false => wanted.min(usize::from(now >= self.next_at)),
        }
    }

    /// Takes note that a dial starts now.
    pub fn dialed(&mut self, now: Instant) {
        if !self.gap.is_zero() {
            self.next_at = now + self.gap;
        }
    }

    /// When the next dial may start, if that is later than now.
    pub fn next_at(&self, now: Instant) -> Option<Instant> {
        (self.next_at > now).then_some(self.next_at)
    }
}

fn gap(calls_per_second: Option<f64>) -> TimeDelta {
    let micros = calls_per_second.map_or(0, |rate| (1_000_000.0 / rate.max(0.001)) as i64);
    TimeDelta::microseconds(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(rounds: usize, campaigns: &[(i64, u64)]) -> HashMap<i64, usize> {
        let mut shares = Shares::default();
        let mut counts = HashMap::new();
        for _ in 0..rounds {
            let id = shares.next(campaigns.iter().map(|(id, _)| *id)).unwrap();
            shares.granted(id, campaigns.iter().find(|(other, _)| *other == id).unwrap().1);
            *counts.entry(id).or_default() += 1;
        }
        counts
    }

    #[test]
    fn high_medium_and_low_share_one_line_four_to_two_to_one() {
        let counts = granted(700, &[(1, 4), (2, 2), (3, 1)]);
        assert_eq!((counts[&1], counts[&2], counts[&3]), (400, 200, 100));
    }

    #[test]
    fn a_low_campaign_beside_many_high_ones_still_gets_its_turn() {
        let mut campaigns: Vec<(i64, u64)> = (1..=20).map(|id| (id, 4)).collect();
        campaigns.push((99, 1));
        assert_eq!(granted(81 * 5, &campaigns)[&99], 5);
    }

    #[test]
    fn a_campaign_that_waited_does_not_get_a_burst_when_it_returns() {
        let mut shares = Shares::default();
        for _ in 0..100 {
            shares.granted(1, 1);
        }
        let mut grants = [0, 0];
        for _ in 0..6 {
            let id = shares.next([1, 2].into_iter()).unwrap();
            shares.granted(id, 1);
            grants[id as usize - 1] += 1;
        }
        assert_eq!(grants, [3, 3]);
    }

    #[test]
    fn dials_are_spaced_to_the_calls_per_second() {
        let start = Instant::UNIX_EPOCH;
        let mut spacing = Spacing::new(Some(4.0));
        assert_eq!(spacing.allowed(start, 10), 1);
        spacing.dialed(start);
        assert_eq!(spacing.allowed(start, 10), 0);
        assert_eq!(spacing.next_at(start), Some(start + TimeDelta::milliseconds(250)));
        assert_eq!(spacing.allowed(start + TimeDelta::milliseconds(250), 10), 1);
        assert_eq!(Spacing::new(None).allowed(start, 10), 10);
        spacing.dialed(start);
        spacing.change(Some(1.0));
        assert_eq!(spacing.next_at(start), Some(start + TimeDelta::milliseconds(250)));
        spacing.dialed(start);
        assert_eq!(spacing.next_at(start), Some(start + TimeDelta::seconds(1)));
    }
}
