//! The port to time: what time is it, and wait until then. The only place that reads the system's clocks.
//!
//! Two times: *wall* time is what calendars and laws speak of, and may be set back or forward; *steady* time
//! starts level with it and then only passes. Hours and dates are asked of the wall, timers of the steady clock.

use chrono::{DateTime, TimeDelta, Utc};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A wait that ends when the clock reaches an instant.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What time it is, by the wall and by what has passed.
pub trait Clock: Send + Sync + 'static {
    /// Wall time, UTC, in whole milliseconds.
    fn now(&self) -> DateTime<Utc>;
    /// Time since the clock was made; never goes back.
    fn monotonic(&self) -> Duration;
    /// Steady time: that of the wall when the clock was made, plus what has passed since.
    fn steady(&self) -> DateTime<Utc>;
    /// Ends once the steady time is `at` or later.
    fn sleep_until(&self, at: DateTime<Utc>) -> Sleep;
}

/// The machine's own clocks.
pub struct System {
    started: std::time::Instant,
    origin: DateTime<Utc>,
}

impl System {
    /// Starts counting.
    #[allow(clippy::disallowed_methods, clippy::new_without_default, reason = "the one reader of the clock")]
    pub fn new() -> System {
        System { started: std::time::Instant::now(), origin: Utc::now() }
    }
}

impl Clock for System {
    #[allow(clippy::disallowed_methods, reason = "the one reader of the clock")]
    fn now(&self) -> DateTime<Utc> {
        whole_milliseconds(Utc::now())
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn steady(&self) -> DateTime<Utc> {
        whole_milliseconds(self.origin + TimeDelta::from_std(self.monotonic()).unwrap_or_default())
    }

    fn sleep_until(&self, at: DateTime<Utc>) -> Sleep {
        let left = at - (self.origin + TimeDelta::from_std(self.monotonic()).unwrap_or_default());
        Box::pin(tokio::time::sleep(left.to_std().unwrap_or_default()))
    }
}

/// A clock that stands still until it is moved; for tests and rehearsals.
#[derive(Clone)]
pub struct Manual {
    origin: DateTime<Utc>,
    state: Arc<Mutex<(DateTime<Utc>, Duration)>>,
    moved: Arc<watch::Sender<()>>,
}

impl Manual {
    /// A clock that stands at `start`.
    pub fn new(start: DateTime<Utc>) -> Manual {
        Manual {
            origin: whole_milliseconds(start),
            state: Arc::new(Mutex::new((whole_milliseconds(start), Duration::ZERO))),
            moved: Arc::new(watch::Sender::new(())),
        }
    }

    /// Lets time pass up to the steady time `at`; does nothing if that is not later.
    pub fn advance_to(&self, at: DateTime<Utc>) {
        let passed = (at - self.steady()).to_std().unwrap_or_default();
        self.set(|(wall, monotonic)| {
            (wall + TimeDelta::from_std(passed).unwrap_or_default(), monotonic + passed)
        });
    }

    /// Lets so much time pass.
    pub fn advance(&self, by: TimeDelta) {
        self.advance_to(self.steady() + by);
    }

    /// Sets the wall clock, forward or back, without time passing.
    pub fn jump(&self, by: TimeDelta) {
        self.set(|(wall, monotonic)| (wall + by, monotonic));
    }

    fn set(&self, change: impl FnOnce((DateTime<Utc>, Duration)) -> (DateTime<Utc>, Duration)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = change(*state);
        drop(state);
        self.moved.send_replace(());
    }

    fn state(&self) -> (DateTime<Utc>, Duration) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for Manual {
    fn now(&self) -> DateTime<Utc> {
        self.state().0
    }

    fn monotonic(&self) -> Duration {
        self.state().1
    }

    fn steady(&self) -> DateTime<Utc> {
        self.origin + TimeDelta::from_std(self.state().1).unwrap_or_default()
    }

    fn sleep_until(&self, at: DateTime<Utc>) -> Sleep {
        let clock = self.clone();
        Box::pin(async move {
            let mut moved = clock.moved.subscribe();
            while clock.steady() < at {
                if moved.changed().await.is_err() {
                    return;
                }
            }
        })
    }
}

fn whole_milliseconds(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_on_a_manual_clock_wakes_when_its_time_has_come_and_not_before() {
        let clock = Manual::new(DateTime::UNIX_EPOCH);
        let sleeper = tokio::spawn(clock.sleep_until(clock.now() + TimeDelta::seconds(10)));
        tokio::task::yield_now().await;
        clock.advance(TimeDelta::seconds(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(TimeDelta::seconds(1));
        sleeper.await.unwrap();
    }

    #[test]
    fn a_jump_moves_the_wall_and_not_the_time_that_passed() {
        let clock = Manual::new(DateTime::UNIX_EPOCH);
        clock.advance(TimeDelta::seconds(5));
        clock.jump(TimeDelta::hours(-1));
        assert_eq!(clock.monotonic(), Duration::from_secs(5));
        assert_eq!(clock.now(), DateTime::UNIX_EPOCH + TimeDelta::seconds(5 - 3600));
        assert_eq!(clock.steady(), DateTime::UNIX_EPOCH + TimeDelta::seconds(5));
    }
}
