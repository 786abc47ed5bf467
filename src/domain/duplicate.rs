//! A campaign once more: what its copy is called, and which of its leads come along.

use super::lead::{Lead, LeadStatus};
use super::outcome::Outcome;
use crate::words;

words! {
    /// Which leads come along.
    pub enum Along {
        /// Nobody.
        None = "none",
        /// Everybody who may be called.
        All = "all",
        /// Those whom the last call did not reach, and those who were not called yet.
        NotReached = "not_reached",
    }
}

impl Along {
    /// Whether a lead comes along. Never one who wants no calls, or was erased.
    pub fn takes(self, lead: &Lead) -> bool {
        let may_be_called = lead.erased_at.is_none() && lead.status != LeadStatus::DoNotCall;
        match self {
            Along::None => false,
            Along::All => may_be_called,
            Along::NotReached => {
                let is_wanted = match lead.status {
                    LeadStatus::Pending
                    | LeadStatus::Scheduled
                    | LeadStatus::Completed
                    | LeadStatus::Failed => true,
                    LeadStatus::InProgress | LeadStatus::Canceled | LeadStatus::DoNotCall => false,
                };
                may_be_called
                    && is_wanted
                    && lead.outcome.is_none_or(|outcome| was_missed(outcome, lead.status))
            }
        }
    }
}

/// Whether a call that ended so left the person in the dark, who may still be there. One that broke off leaves a lead
/// completed only if somebody had picked up; who refused it has seen it.
fn was_missed(outcome: Outcome, status: LeadStatus) -> bool {
    match outcome {
        Outcome::Voicemail | Outcome::NoAnswer | Outcome::Busy | Outcome::CarrierRefused => true,
        Outcome::CarrierError | Outcome::Interrupted | Outcome::Canceled => status != LeadStatus::Completed,
        Outcome::Success
        | Outcome::Declined
        | Outcome::Callback
        | Outcome::OptedOut
        | Outcome::MessageLeft
        | Outcome::HungUp
        | Outcome::NoInput
        | Outcome::Transferred
        | Outcome::Rejected
        | Outcome::InvalidNumber => false,
    }
}

/// What a copy is called when nobody says.
pub fn copy_name(name: &str) -> String {
    const LENGTH_MAX: usize = 200;
    const MARK: &str = " (copy)";
    let kept: String = name.chars().take(LENGTH_MAX - MARK.len()).collect();
    format!("{}{MARK}", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Instant;
    use crate::domain::lead::NewLead;
    use serde_json::json;

    fn lead(status: LeadStatus, outcome: Option<Outcome>) -> Lead {
        Lead {
            id: 1,
            campaign_id: 1,
            about: NewLead::read(json!({"phone": "+12025550143"}), None).unwrap(),
            status,
            outcome,
            attempts: 1,
            next_call_at: None,
            wait_reason: None,
            held: None,
            import_id: None,
            erased_at: None,
            created_at: Instant::UNIX_EPOCH,
            updated_at: Instant::UNIX_EPOCH,
        }
    }

    #[test]
    fn whoever_said_no_or_was_erased_never_comes_along() {
        let refused = lead(LeadStatus::DoNotCall, None);
        let erased = Lead { erased_at: Some(Instant::UNIX_EPOCH), ..lead(LeadStatus::Canceled, None) };
        for along in [Along::None, Along::All, Along::NotReached] {
            assert!(!along.takes(&refused) && !along.takes(&erased), "{along}");
        }
    }

    #[test]
    fn those_who_were_not_reached_come_along_and_no_others() {
        for (status, outcome, comes) in [
            (LeadStatus::Pending, None, true),
            (LeadStatus::Failed, Some(Outcome::NoAnswer), true),
            (LeadStatus::Scheduled, Some(Outcome::Voicemail), true),
            (LeadStatus::Completed, Some(Outcome::Success), false),
            (LeadStatus::Completed, Some(Outcome::MessageLeft), false),
            (LeadStatus::Failed, Some(Outcome::InvalidNumber), false),
            (LeadStatus::Failed, Some(Outcome::Rejected), false),
            (LeadStatus::Failed, Some(Outcome::CarrierRefused), true),
            (LeadStatus::Completed, Some(Outcome::Interrupted), false),
            (LeadStatus::Completed, Some(Outcome::CarrierError), false),
            (LeadStatus::Completed, Some(Outcome::Canceled), false),
            (LeadStatus::Failed, Some(Outcome::Interrupted), true),
            (LeadStatus::Scheduled, Some(Outcome::CarrierError), true),
            (LeadStatus::Failed, Some(Outcome::Canceled), true),
            (LeadStatus::Canceled, None, false),
            (LeadStatus::InProgress, None, false),
        ] {
            let lead = lead(status, outcome);
            assert_eq!(Along::NotReached.takes(&lead), comes, "{status} {outcome:?}");
            assert!(Along::All.takes(&lead) && !Along::None.takes(&lead));
        }
    }

    #[test]
    fn a_copy_is_called_so_within_the_length_of_a_name() {
        assert_eq!(copy_name("Survey"), "Survey (copy)");
        assert_eq!(copy_name(&"ä".repeat(200)).chars().count(), 200);
    }
}
