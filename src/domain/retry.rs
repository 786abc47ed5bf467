//! Again when? What an ended call leaves its lead with.

use super::Instant;
use super::lead::LeadStatus;
use super::outcome::Outcome;

/// What becomes of the lead after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// The lead's next status.
    pub status: LeadStatus,
    /// When it may be dialed again; none when it is finished.
    pub next_call_at: Option<Instant>,
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

/// Decides the lead's future: a person who was reached is not called again, a number that does not exist, or that
/// somebody refuses to be called at, has failed, and one that nobody picked up is tried again at `again_at`, as long as there are attempts left.
pub fn after(
    outcome: Outcome,
    was_answered: bool,
    attempts: i64,
    attempts_max: i64,
    again_at: Instant,
) -> After {
    let finished = |status| After { status, next_call_at: None };
    if outcome == Outcome::OptedOut {
        return finished(LeadStatus::DoNotCall);
    }
    if matches!(outcome, Outcome::InvalidNumber | Outcome::Rejected | Outcome::CarrierRefused) {
        return finished(LeadStatus::Failed);
    }
    match (worth_another_try(outcome, was_answered), attempts < attempts_max) {
        (false, _) => finished(LeadStatus::Completed),
        (true, true) => After { status: LeadStatus::Scheduled, next_call_at: Some(again_at) },
        (true, false) => finished(LeadStatus::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fields::Words;

    const AGAIN_AT: Instant = Instant::UNIX_EPOCH;

    fn after_one_of(attempts_max: i64, outcome: Outcome) -> After {
        after(outcome, false, 1, attempts_max, AGAIN_AT)
    }

    #[test]
    fn only_calls_that_reached_nobody_are_tried_again() {
        let again: Vec<&str> = Outcome::all()
            .iter()
            .filter(|outcome| after_one_of(3, **outcome).next_call_at == Some(AGAIN_AT))
            .map(|outcome| outcome.word())
            .collect();
        let expected = ["voicemail", "no_answer", "busy", "carrier_error", "interrupted", "canceled"];
        assert_eq!(again, expected);
    }

    #[test]
    fn a_call_that_broke_off_after_the_answer_is_not_repeated() {
        for outcome in [Outcome::CarrierError, Outcome::Interrupted, Outcome::Canceled] {
            let left = after(outcome, true, 1, 3, AGAIN_AT);
            assert_eq!(left, After { status: LeadStatus::Completed, next_call_at: None }, "{outcome}");
        }
        assert_eq!(after(Outcome::Voicemail, true, 1, 3, AGAIN_AT).status, LeadStatus::Scheduled);
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
