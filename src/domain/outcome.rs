//! How a call ended and what that means: was it picked up, was it a success.

use crate::words;

words! {
    /// How a call ended, or what it concluded.
    pub enum Outcome {
        /// The success criteria were met.
        Success = "success",
        /// The person said no to the offer.
        Declined = "declined",
        /// The person wants to be called at another time.
        Callback = "callback",
        /// The person wants never to be called again.
        OptedOut = "opted_out",
        /// A machine answered and nothing was left on it.
        Voicemail = "voicemail",
        /// A machine answered and the message was left on it.
        MessageLeft = "message_left",
        /// The person hung up before the end.
        HungUp = "hung_up",
        /// A person answered and the call came to no conclusion: no key, no word, or the time was up.
        NoInput = "no_input",
        /// The person was put through to somebody.
        Transferred = "transferred",
        /// It rang until the ring timeout.
        NoAnswer = "no_answer",
        /// The line was busy.
        Busy = "busy",
        /// The person, their phone, or somebody who guards it refused the call.
        Rejected = "rejected",
        /// There is no such number.
        InvalidNumber = "invalid_number",
        /// The carrier could not place or keep the call.
        CarrierError = "carrier_error",
        /// The carrier takes no calls from us; the number was not tried.
        CarrierRefused = "carrier_refused",
        /// The server stopped while the call was alive; nobody saw its end.
        Interrupted = "interrupted",
        /// We took the call back, for example because its campaign was deleted.
        Canceled = "canceled",
    }
}

words! {
    /// Why a leg ended, in the carrier's terms.
    pub enum Cause {
        /// Rang out.
        NoAnswer = "no_answer",
        /// Busy.
        Busy = "busy",
        /// Refused by the callee, or on their behalf.
        Rejected = "rejected",
        /// No such number.
        InvalidNumber = "invalid_number",
        /// The carrier failed.
        CarrierError = "carrier_error",
        /// The carrier takes no calls from us, whatever the number.
        CarrierRefused = "carrier_refused",
        /// The other side hung up an answered call.
        RemoteHangup = "remote_hangup",
        /// We hung up.
        LocalHangup = "local_hangup",
    }
}

/// Which of the three counters an ended call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Somebody or something picked up; the call costs money.
    Completed,
    /// Nobody picked up.
    Unanswered,
    /// The carrier could not place it, or nobody saw its end.
    Error,
}

impl Outcome {
    /// The counter for a call that ended so. What the carrier told of an answer decides where the outcome
    /// alone does not.
    pub fn category(self, was_answered: bool) -> Category {
        match self {
            Outcome::Success
            | Outcome::Declined
            | Outcome::Callback
            | Outcome::OptedOut
            | Outcome::Voicemail
            | Outcome::MessageLeft
            | Outcome::HungUp
            | Outcome::NoInput
            | Outcome::Transferred => Category::Completed,
            Outcome::NoAnswer | Outcome::Busy | Outcome::Rejected | Outcome::InvalidNumber => {
                Category::Unanswered
            }
            Outcome::CarrierError | Outcome::CarrierRefused | Outcome::Interrupted if was_answered => {
                Category::Completed
            }
            Outcome::CarrierError | Outcome::CarrierRefused | Outcome::Interrupted => Category::Error,
            Outcome::Canceled if was_answered => Category::Completed,
            Outcome::Canceled => Category::Unanswered,
        }
    }

    /// Whether a person was reached, and not a machine. Of a call that broke off nobody knows who was on it.
    pub fn is_of_a_person(self) -> bool {
        match self {
            Outcome::Success
            | Outcome::Declined
            | Outcome::Callback
            | Outcome::OptedOut
            | Outcome::HungUp
            | Outcome::NoInput
            | Outcome::Transferred => true,
            Outcome::Voicemail
            | Outcome::MessageLeft
            | Outcome::NoAnswer
            | Outcome::Busy
            | Outcome::Rejected
            | Outcome::InvalidNumber
            | Outcome::CarrierError
            | Outcome::CarrierRefused
            | Outcome::Interrupted
            | Outcome::Canceled => false,
        }
    }
}

/// What a campaign counts as a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criteria {
    /// A person heard the script to its end.
    CallCompleted,
    /// The message was delivered, to a person or to a machine.
    MessageLeft,
    /// The agent's verdict on the conversation; of the scripted agent, the key pressed for yes.
    Verdict,
}

impl Criteria {
    /// Reads `success_criteria`: every text that is none of the fixed words asks for the agent's verdict.
    pub fn of(text: &str) -> Criteria {
        match text.trim() {
            super::campaign::DEFAULT_CRITERIA => Criteria::CallCompleted,
            "message_left" => Criteria::MessageLeft,
            _ => Criteria::Verdict,
        }
    }

    /// Whether a call that ended so is a success.
    pub fn met_by(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Success => true,
            Outcome::MessageLeft => self == Criteria::MessageLeft,
            Outcome::Declined
            | Outcome::Callback
            | Outcome::OptedOut
            | Outcome::Voicemail
            | Outcome::HungUp
            | Outcome::NoInput
            | Outcome::Transferred
            | Outcome::NoAnswer
            | Outcome::Busy
            | Outcome::Rejected
            | Outcome::InvalidNumber
            | Outcome::CarrierError
            | Outcome::CarrierRefused
            | Outcome::Interrupted
            | Outcome::Canceled => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fields::Words;

    #[test]
    fn voicemail_is_never_a_success_unless_leaving_a_message_is_what_was_asked() {
        assert!(!Criteria::CallCompleted.met_by(Outcome::MessageLeft));
        assert!(Criteria::MessageLeft.met_by(Outcome::MessageLeft));
        for criteria in ["call_completed", "message_left", "sale_made"].map(Criteria::of) {
            assert!(!criteria.met_by(Outcome::Voicemail));
        }
    }

    #[test]
    fn a_call_counts_as_completed_only_when_somebody_or_something_picked_up() {
        for outcome in Outcome::all() {
            let unanswered = outcome.category(false) != Category::Completed;
            let may_lack_an_answer = *outcome as usize >= Outcome::NoAnswer as usize;
            assert_eq!(unanswered, may_lack_an_answer, "{outcome}");
        }
        assert_eq!(Outcome::Interrupted.category(true), Category::Completed);
    }
}
