//! Can the wall clock be trusted? A clock that was set back, or that jumped against the time that really
//! passed, must not make the dialer call at the wrong hour or over a day's limit.

use super::Instant;
use chrono::TimeDelta;
use std::time::Duration;

/// A wall clock may drift or be corrected by this much before dialing holds.
const DISAGREEMENT_MAX: TimeDelta = TimeDelta::seconds(5);
/// A clock that is this much behind the last thing written was set back while the server was off.
const BEHIND_MAX: TimeDelta = TimeDelta::seconds(60);
/// How long a clock must run evenly after a jump forward before it is trusted again.
const SETTLING: Duration = Duration::from_secs(60);

/// Compares the wall clock with the monotonic one from look to look.
#[derive(Clone, Debug)]
pub struct ClockGuard {
    /// The latest wall time that was trusted.
    last_seen: Instant,
    last_look: Option<(Instant, Duration)>,
    distrusted_until: Option<Duration>,
}

/// What a look at the clocks says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Go on.
    Trusted,
    /// Do not dial before the wall shows this time, as far as that can be said.
    Distrusted {
        /// The wall time.
        until: Instant,
    },
}

impl ClockGuard {
    /// Starts from the latest instant that the store has seen.
    pub fn new(last_seen: Instant) -> ClockGuard {
        ClockGuard { last_seen, last_look: None, distrusted_until: None }
    }

    /// Looks at both clocks: the wall time and the time since the process started.
    pub fn look(&mut self, wall: Instant, monotonic: Duration) -> Trust {
        let was_trusted = self.distrusted_until.is_none();
        if let Some((wall_before, monotonic_before)) = self.last_look.replace((wall, monotonic)) {
            let passed =
                TimeDelta::from_std(monotonic.saturating_sub(monotonic_before)).unwrap_or(TimeDelta::MAX);
            if ((wall - wall_before) - passed).abs() > DISAGREEMENT_MAX {
                self.distrusted_until = Some(monotonic + SETTLING);
            }
        }
        // Small corrections backwards are normal; a clock far behind what was written already is wrong.
        let behind = self.last_seen - wall;
        if behind > BEHIND_MAX || (!was_trusted && behind > TimeDelta::zero()) {
            self.distrusted_until = Some(monotonic.max(self.distrusted_until.unwrap_or_default()));
            return Trust::Distrusted { until: self.last_seen };
        }
        match self.distrusted_until {
            Some(until) if monotonic < until => {
                let wait = TimeDelta::from_std(until - monotonic).unwrap_or(TimeDelta::zero());
                Trust::Distrusted { until: wall + wait }
            }
            Some(_) | None => {
                self.distrusted_until = None;
                self.last_seen = self.last_seen.max(wall);
                Trust::Trusted
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::UNIX_EPOCH;

    fn at(seconds: i64) -> Instant {
        START + TimeDelta::seconds(seconds)
    }

    fn after(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_even_clock_is_trusted_however_long_nobody_looked() {
        let mut guard = ClockGuard::new(START);
        assert_eq!(guard.look(at(0), after(0)), Trust::Trusted);
        assert_eq!(guard.look(at(86_400), after(86_403)), Trust::Trusted);
    }

    #[test]
    fn a_clock_set_back_holds_dialing_until_it_has_caught_up() {
        let mut guard = ClockGuard::new(START);
        guard.look(at(7_200), after(0));
        assert_eq!(guard.look(at(3_601), after(1)), Trust::Distrusted { until: at(7_200) });
        assert_eq!(guard.look(at(7_199), after(3_599)), Trust::Distrusted { until: at(7_200) });
        assert_eq!(guard.look(at(7_200), after(3_600)), Trust::Trusted);
    }

    #[test]
    fn a_clock_behind_what_was_written_before_the_start_is_not_trusted() {
        let mut guard = ClockGuard::new(at(1_000));
        assert_eq!(guard.look(at(900), after(0)), Trust::Distrusted { until: at(1_000) });
        assert_eq!(guard.look(at(1_000), after(100)), Trust::Trusted);
        assert_eq!(ClockGuard::new(at(1_000)).look(at(950), after(0)), Trust::Trusted);
    }

    #[test]
    fn after_a_jump_forward_the_clock_must_run_evenly_for_a_minute() {
        let mut guard = ClockGuard::new(START);
        guard.look(at(0), after(0));
        assert_eq!(guard.look(at(3_601), after(1)), Trust::Distrusted { until: at(3_661) });
        assert_eq!(guard.look(at(3_630), after(30)), Trust::Distrusted { until: at(3_661) });
        assert_eq!(guard.look(at(3_661), after(61)), Trust::Trusted);
    }

    #[test]
    fn a_correction_of_a_few_seconds_is_no_jump() {
        let mut guard = ClockGuard::new(START);
        guard.look(at(0), after(0));
        assert_eq!(guard.look(at(14), after(10)), Trust::Trusted);
        assert_eq!(guard.look(at(20), after(20)), Trust::Trusted);
    }
}
