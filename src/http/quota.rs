//! How many requests a token, or an address without one, may still send. A fixed window per key, opened by
//! its first request: exactly so many in so long, with numbers that can be told. Kept in memory, so a
//! restart opens new windows; across the edge of two windows twice the limit can pass.

use ratelimit_meter::algorithms::{Algorithm, NonConformance, RateLimitState};
use ratelimit_meter::{InconsistentCapacity, NegativeMultiDecision};
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A limit of so many requests in a window of time.
#[derive(Clone, Debug)]
pub(super) struct FixedWindow {
    limit: u32,
    window: Duration,
}

impl FixedWindow {
    /// `limit` requests in each `window`.
    pub(super) fn new(limit: NonZeroU32, window: Duration) -> FixedWindow {
        FixedWindow { limit: limit.get(), window }
    }
}

/// The window of one key.
#[derive(Debug, Default)]
pub(super) struct WindowState(Mutex<Window>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Window {
    opened_at: Option<Duration>,
    used: u32,
}

impl Window {
    fn is_open(self, length: Duration, at: Duration) -> bool {
        self.opened_at.is_some_and(|opened_at| at < opened_at + length)
    }
}

impl WindowState {
    fn window(&self) -> MutexGuard<'_, Window> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for WindowState {
    fn eq(&self, other: &WindowState) -> bool {
        std::ptr::eq(self, other) || *self.window() == *other.window()
    }
}

impl Eq for WindowState {}

impl RateLimitState<FixedWindow, Duration> for WindowState {
    /// When the window closes; from then on the state is as good as new.
    fn last_touched(&self, params: &FixedWindow) -> Option<Duration> {
        self.window().opened_at.map(|opened_at| opened_at + params.window)
    }
}

/// The window is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UsedUp {
    until: Duration,
}

impl fmt::Display for UsedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "used up until {:?}", self.until)
    }
}

impl NonConformance<Duration> for UsedUp {
    fn earliest_possible(&self) -> Duration {
        self.until
    }
}

impl Algorithm<Duration> for FixedWindow {
    type BucketState = WindowState;
    type NegativeDecision = UsedUp;

    fn construct(
        limit: NonZeroU32,
        _: NonZeroU32,
        window: Duration,
    ) -> Result<FixedWindow, InconsistentCapacity> {
        Ok(FixedWindow::new(limit, window))
    }

    fn test_n_and_update(
        &self,
        state: &WindowState,
        n: u32,
        at: Duration,
    ) -> Result<(), NegativeMultiDecision<UsedUp>> {
        if n > self.limit {
            return Err(NegativeMultiDecision::InsufficientCapacity(n));
        }
        let mut window = state.window();
        if !window.is_open(self.window, at) {
            *window = Window { opened_at: Some(at), used: 0 };
        }
        if window.used > self.limit - n {
            let until = window.opened_at.unwrap_or(at) + self.window;
            return Err(NegativeMultiDecision::BatchNonConforming(n, UsedUp { until }));
        }
        window.used += n;
        Ok(())
    }
}

/// What one key may still do, as its headers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether this request is within the limit.
    pub(super) is_admitted: bool,
    /// Requests per window.
    pub(super) limit: u32,
    /// Length of a window.
    pub(super) window: Duration,
    /// Requests left after this one.
    pub(super) remaining: u32,
    /// Until the window closes.
    pub(super) resets_in: Duration,
}

impl Standing {
    /// Whole seconds until there is quota again, never early and never none.
    pub(super) fn reset_seconds(&self) -> u64 {
        let whole = self.resets_in.as_secs();
        (whole + u64::from(self.resets_in.subsec_nanos() > 0)).max(1)
    }
}

/// The windows of all keys. Their number is bounded: closed ones are dropped, and where all are open a new
/// key is refused.
#[derive(Debug)]
pub(super) struct Quota<K> {
    algorithm: FixedWindow,
    keys_max: usize,
    windows: Mutex<Windows<K>>,
}

#[derive(Debug)]
struct Windows<K> {
    by_key: HashMap<K, WindowState>,
    swept_at: Duration,
}

/// Looking for closed windows costs a walk through all of them, so not more often than this.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl<K: Eq + Hash> Quota<K> {
    /// The same limit for each of at most `keys_max` keys.
    pub(super) fn new(algorithm: FixedWindow, keys_max: usize) -> Quota<K> {
        let windows = Windows { by_key: HashMap::new(), swept_at: Duration::ZERO };
        Quota { algorithm, keys_max, windows: Mutex::new(windows) }
    }

    /// Counts a request, unless the key's window is used up. Deciding, counting and reading what remains
    /// happen under one lock, so no two requests are told the same number.
    pub(super) fn take(&self, key: K, now: Duration) -> Standing {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if !windows.by_key.contains_key(&key) && !self.has_room(&mut windows, now) {
            return self.standing(false, self.algorithm.limit, self.algorithm.window);
        }
        let state = windows.by_key.entry(key).or_default();
        let is_admitted = self.algorithm.test_and_update(state, now).is_ok();
        let closes_at = state.last_touched(&self.algorithm).unwrap_or(now);
        self.standing(is_admitted, state.window().used, closes_at.saturating_sub(now))
    }

    fn standing(&self, is_admitted: bool, used: u32, resets_in: Duration) -> Standing {
        let FixedWindow { limit, window } = self.algorithm;
        Standing { is_admitted, limit, window, remaining: limit.saturating_sub(used), resets_in }
    }

    fn has_room(&self, windows: &mut Windows<K>, now: Duration) -> bool {
        if windows.by_key.len() >= self.keys_max && now >= windows.swept_at + SWEEP_EVERY {
            windows.swept_at = now;
            let length = self.algorithm.window;
            windows.by_key.retain(|_, state| state.window().is_open(length, now));
        }
        windows.by_key.len() < self.keys_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    const HOUR: Duration = Duration::from_secs(3600);

    fn quota(limit: u32, keys_max: usize) -> Quota<i64> {
        Quota::new(FixedWindow::new(NonZeroU32::new(limit).unwrap(), HOUR), keys_max)
    }

    #[test]
    fn sixty_four_threads_get_every_remaining_number_once_and_not_one_request_too_many() {
        let quota = Arc::new(quota(1000, 10));
        let refused = Arc::new(AtomicU32::new(0));
        let told = Arc::new(Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    for _ in 0..40 {
                        let standing = quota.take(7, HOUR);
                        match standing.is_admitted {
                            true => told.lock().unwrap().push(standing.remaining),
                            false => _ = refused.fetch_add(1, Ordering::Relaxed),
                        }
                    }
                });
            }
        });
        let mut told = told.lock().unwrap().clone();
        told.sort_unstable();
        assert_eq!(told, (0..1000).collect::<Vec<u32>>());
        assert_eq!(refused.load(Ordering::Relaxed), 1560);
    }

    #[test]
    fn the_window_opens_with_the_first_request_and_closes_to_the_nanosecond() {
        let quota = quota(2, 10);
        let start = Duration::from_millis(12_345);
        let seen = |at| {
            let standing = quota.take(1, at);
            (standing.is_admitted, standing.remaining, standing.reset_seconds())
        };
        assert_eq!(seen(start), (true, 1, 3600));
        assert_eq!(seen(start + Duration::from_millis(500)), (true, 0, 3600));
        assert_eq!(seen(start + Duration::from_secs(3599)), (false, 0, 1));
        assert_eq!(seen(start + HOUR - Duration::from_nanos(1)), (false, 0, 1));
        assert_eq!(seen(start + HOUR), (true, 1, 3600));
    }

    #[test]
    fn keys_do_not_share_a_window() {
        let quota = quota(1, 10);
        assert!(quota.take(1, HOUR).is_admitted);
        assert!(quota.take(2, HOUR).is_admitted);
        assert!(!quota.take(1, HOUR).is_admitted);
    }

    #[test]
    fn a_full_table_refuses_new_keys_until_old_windows_have_closed() {
        let quota = quota(5, 2);
        assert!(quota.take(1, HOUR).is_admitted);
        assert!(quota.take(2, HOUR).is_admitted);
        let refused = quota.take(3, HOUR);
        assert_eq!((refused.is_admitted, refused.remaining), (false, 0));
        assert!(quota.take(1, HOUR).is_admitted);
        assert!(quota.take(3, HOUR * 2).is_admitted);
    }
}
