//! Counting what happens often, without a lock and without the database: whoever counts adds to a few atomic numbers,
//! whoever looks adds them up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in seconds.
pub const BOUNDS: [f64; 13] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Durations {
    /// One more than there are bounds: the last is for what took longer.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// What was counted up to a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// All of them together, in seconds.
    pub sum: f64,
    /// How many there were.
    pub count: u64,
    /// How many there were up to each bound and over the one before; the last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
}

impl Durations {
    /// Counts one.
    pub fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn counted(&self) -> Counted {
        let bounds = BOUNDS.into_iter().chain([f64::MAX]);
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let sum = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
        Counted { sum, count: buckets.iter().map(|(_, count)| count).sum(), buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_once_in_the_first_bucket_it_fits_in() {
        let durations = Durations::default();
        for took in [500, 501, 1_000, 10_000_000, 10_000_001] {
            durations.add(Duration::from_micros(took));
        }
        let counted = durations.counted();
        assert_eq!((counted.count, counted.buckets[0].1, counted.buckets[1].1), (5, 1, 2));
        assert_eq!((counted.buckets[12], counted.buckets[13]), ((10.0, 1), (f64::MAX, 1)));
        assert!((counted.sum - 20.002_002).abs() < 1e-9, "{}", counted.sum);
    }
}
