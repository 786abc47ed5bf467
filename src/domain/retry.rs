//! Again when? What an ended call leaves its lead with.

use super::Instant;
use super::lead::LeadStatus;
use super::outcome::Outcome;
use chrono::TimeDelta;

/// What becomes of the lead after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// The lead's next status.
    pub status: LeadStatus,
    /// When it may be dialed again; none when it is finished.
    pub next_call_at: Option<Instant>,
    /// The person has asked for that call.
    pub is_call_back: bool,
}

impl After {
    /// Nothing more follows.
    pub fn finished(status: LeadStatus) -> After {
        After { status, next_call_at: None, is_call_back: false }
    }
}

/// What another call depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// Attempts that there may be.
    pub attempts_max: i64,
    /// When the last one ended.
    pub ended_at: Instant,
    /// How long after it the next one may come.
    pub delay: TimeDelta,
}

/// How long somebody is left alone, at least, who asks on a call to be called at another time.
const CALL_BACK_WAIT: TimeDelta = TimeDelta::hours(2);

/// When somebody is called who asked at this time to be called at another, where calls are so far apart.
pub fn call_back_at(asked_at: Instant, delay: TimeDelta) -> Instant {
    asked_at + delay.max(CALL_BACK_WAIT)
}

/// Whether a call that ended so reached nobody, so that another try makes sense. Where an answered call broke
/// off it is not known who was reached; when in doubt, nobody is called again. Who refuses a call has been reached.
fn worth_another_try(outcome: Outcome, was_answered: bool) -> bool {
    match outcome {
        Outcome::Voicemail | Outcome::NoAnswer | Outcome::Busy => true,
        Outcome::CarrierError | Outcome::Interrupted | Outcome::Canceled => !was_answered,
        Outcome::Success
        | Outcome::Declined
        | Outcome::Callback
        | Outcome::OptedOut
        | Outcome::MessageLeft
        | Outcome::HungUp
        | Outcome::NoInput
        | Outcome::Transferred
        | Outcome::Rejected
        | Outcome::CarrierRefused
        | Outcome::InvalidNumber => false,
    }
}

/// Decides the lead's future: a person who was reached is not called again unless they ask for it, a number that does
/// not exist, or that somebody refuses to be called at, has failed, and one that nobody picked up is tried again after
/// the delay, as long as attempts are left.
pub fn after(outcome: Outcome, was_answered: bool, attempts: i64, again: Again) -> After {
    if outcome == Outcome::OptedOut {
        return After::finished(LeadStatus::DoNotCall);
    }
    if matches!(outcome, Outcome::InvalidNumber | Outcome::Rejected | Outcome::CarrierRefused) {
        return After::finished(LeadStatus::Failed);
    }
    let at = |delay: TimeDelta| Some(again.ended_at + delay);
    let is_call_back = outcome == Outcome::Callback;
    let scheduled = |next_call_at| After { status: LeadStatus::Scheduled, next_call_at, is_call_back };
    let is_left = attempts < again.attempts_max;
    match (worth_another_try(outcome, was_answered), is_left) {
        (false, true) if is_call_back => scheduled(Some(call_back_at(again.ended_at, again.delay))),
        (false, _) => After::finished(LeadStatus::Completed),
        (true, true) => scheduled(at(again.delay)),
        (true, false) => After::finished(LeadStatus::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fields::Words;

    const ENDED_AT: Instant = Instant::UNIX_EPOCH;
    const DELAY: TimeDelta = TimeDelta::minutes(10);

    fn again(attempts_max: i64) -> Again {
        Again { attempts_max, ended_at: ENDED_AT, delay: DELAY }
    }

    fn after_one_of(attempts_max: i64, outcome: Outcome) -> After {
        after(outcome, false, 1, again(attempts_max))
    }

    #[test]
    fn only_calls_that_reached_nobody_are_tried_again() {
        let again: Vec<&str> = Outcome::all()
            .iter()
            .filter(|outcome| after_one_of(3, **outcome).next_call_at == Some(ENDED_AT + DELAY))
            .map(|outcome| outcome.word())
            .collect();
        let expected = ["voicemail", "no_answer", "busy", "carrier_error", "interrupted", "canceled"];
        assert_eq!(again, expected);
    }

    #[test]
    fn a_call_that_broke_off_after_the_answer_is_not_repeated() {
        for outcome in [Outcome::CarrierError, Outcome::Interrupted, Outcome::Canceled] {
            let left = after(outcome, true, 1, again(3));
            assert_eq!(left, After::finished(LeadStatus::Completed), "{outcome}");
        }
        assert_eq!(after(Outcome::Voicemail, true, 1, again(3)).status, LeadStatus::Scheduled);
    }

    #[test]
    fn whoever_asks_for_another_time_is_left_alone_for_two_hours_or_the_longer_delay() {
        let hours = |delay| {
            let after = after(Outcome::Callback, true, 1, Again { delay, ..again(2) });
            assert!(after.is_call_back && after.status == LeadStatus::Scheduled);
            (after.next_call_at.unwrap() - ENDED_AT).num_hours()
        };
        assert_eq!((hours(DELAY), hours(TimeDelta::days(1))), (2, 24));
        assert_eq!(after_one_of(1, Outcome::Callback), After::finished(LeadStatus::Completed));
    }

    #[test]
    fn the_last_attempt_ends_the_lead() {
        for outcome in Outcome::all() {
            assert_eq!(after_one_of(1, *outcome).next_call_at, None, "{outcome}");
        }
        assert_eq!(after_one_of(1, Outcome::Busy).status, LeadStatus::Failed);
        assert_eq!(after_one_of(1, Outcome::HungUp).status, LeadStatus::Completed);
        assert_eq!(after_one_of(3, Outcome::OptedOut).status, LeadStatus::DoNotCall);
        assert_eq!(after_one_of(3, Outcome::InvalidNumber).status, LeadStatus::Failed);
        assert_eq!(after_one_of(3, Outcome::Rejected).status, LeadStatus::Failed);
        assert_eq!(after_one_of(3, Outcome::CarrierRefused).status, LeadStatus::Failed);
    }
}
