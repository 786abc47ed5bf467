//! How a campaign stands, for people: calling, waiting for its time, stopped by somebody, or in need of somebody. Made of
//! what the [gate](super::gate) says, in words that need no knowledge of this program.

use super::Instant;
use super::campaign::{Campaign, Status};
use super::fields::Words;
use super::gate::{Dialing, DialingState, HoldReason, shown_instant};
use crate::words;
use serde::Serialize;

words! {
    /// How a campaign stands. Those that need somebody come first.
    pub enum State {
        /// It will not go on before somebody does something.
        Attention = "attention",
        /// Calls are alive, or the next one is being placed.
        Calling = "calling",
        /// It goes on by itself.
        Waiting = "waiting",
        /// Somebody paused it, or stopped everything.
        Paused = "paused",
        /// It was never started.
        Draft = "draft",
        /// It is over.
        Completed = "completed",
    }
}

/// How a campaign stands, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The state.
    pub state: State,
    /// Why, where the state does not say it.
    pub code: Option<&'static str>,
    /// A sentence for a person.
    pub message: &'static str,
    /// When it goes on by itself.
    #[serde(serialize_with = "shown_instant")]
    pub until: Option<Instant>,
    /// Who brought it there: a token's name, or `server`.
    pub by: Option<String>,
    /// Since when it stands so, where somebody brought it there.
    #[serde(serialize_with = "shown_instant")]
    pub since: Option<Instant>,
}

/// Who stopped all dialing of the server, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// A token's name, or the command line.
    pub by: String,
    /// When.
    pub since: Instant,
}

impl Standing {
    /// How a campaign stands that does this.
    pub fn of(campaign: &Campaign, dialing: &Dialing, stopped: Option<&Stopped>) -> Standing {
        let changed = |state, code, message| Standing {
            state,
            code,
            message,
            until: None,
            by: campaign.status_changed_by.clone(),
            since: campaign.status_changed_at,
        };
        let reason = campaign.status_reason.as_deref();
        match campaign.status {
            Status::Draft => changed(State::Draft, None, "A draft. Nobody is called before it is started."),
            Status::Completed if reason == Some("leads_finished") => {
                changed(State::Completed, Some("leads_finished"), "Everybody has been called.")
            }
            Status::Completed if reason == Some("end_date") => {
                changed(State::Completed, Some("end_date"), "The end date has passed.")
            }
            Status::Completed => changed(State::Completed, None, "Completed."),
            Status::Paused if reason == Some(HoldReason::CarrierDown.word()) => changed(
                State::Attention,
                Some(HoldReason::CarrierDown.word()),
                "Paused, because calls failed too often. Check the phone line, then resume.",
            ),
            Status::Paused if reason == Some(HoldReason::CarrierRefused.word()) => changed(
                State::Attention,
                Some(HoldReason::CarrierRefused.word()),
                "Paused, because the carrier refuses our calls. Put that right, then resume.",
            ),
            Status::Paused if reason == Some(HoldReason::AgentFailed.word()) => changed(
                State::Attention,
                Some(HoldReason::AgentFailed.word()),
                "Paused, because the agent failed on two calls in a row. Try it, then resume.",
            ),
            Status::Paused => changed(State::Paused, None, "Paused."),
            Status::Active => Standing::of_active(campaign, dialing, stopped),
        }
    }

    fn of_active(campaign: &Campaign, dialing: &Dialing, stopped: Option<&Stopped>) -> Standing {
        let reason = match (dialing.state, dialing.reason) {
            (DialingState::Calling, _) | (DialingState::Waiting | DialingState::Stopped, None) => {
                return Standing::plain(State::Calling, None, "Calling now.", None);
            }
            (DialingState::Waiting | DialingState::Stopped, Some(reason)) => reason,
        };
        let (state, message) = active(reason, campaign.totals.total_leads > 0);
        let standing = Standing::plain(state, Some(reason), message, dialing.until);
        match stopped.filter(|_| reason == HoldReason::DialingStopped) {
            Some(Stopped { by, since }) => Standing { by: Some(by.clone()), since: Some(*since), ..standing },
            None => standing,
        }
    }

    fn plain(
        state: State,
        code: Option<HoldReason>,
        message: &'static str,
        until: Option<Instant>,
    ) -> Standing {
        Standing { state, code: code.map(Words::word), message, until, by: None, since: None }
    }
}

/// What a reason not to call means for a campaign that was started, and how to say it.
fn active(reason: HoldReason, has_leads: bool) -> (State, &'static str) {
    match reason {
        HoldReason::OutsideCallingHours => (State::Waiting, "Outside calling hours."),
        HoldReason::NotStarted => (State::Waiting, "The start date is still to come."),
        HoldReason::DailyLimit => (State::Waiting, "Today's calls are used up."),
        HoldReason::RetryLater => (State::Waiting, "Everybody due was tried. The next attempt comes later."),
        HoldReason::CallBack => (State::Waiting, "The next call is arranged for later."),
        HoldReason::AllLinesBusy => (State::Waiting, "All lines are busy."),
        HoldReason::AgentBusy => (State::Waiting, "The agent is in as many conversations as it can hold."),
        HoldReason::AgentMissing => (
            State::Attention,
            "An agent is to talk, and none is set up. Set one up, or have the script said.",
        ),
        HoldReason::SpendingLimit => {
            (State::Waiting, "All campaigns together have spent what they may in a day.")
        }
        HoldReason::CalledTooOften => {
            (State::Waiting, "Those who are left were called as often as they may be in a day.")
        }
        HoldReason::NumberInCall | HoldReason::InProgress => {
            (State::Waiting, "Those who are left are on the phone just now.")
        }
        HoldReason::Inbound => (State::Waiting, "This campaign takes calls; it calls nobody."),
        HoldReason::DialingStopped => (State::Paused, "All calling on this server is stopped."),
        HoldReason::WokeUp => {
            (State::Attention, "The server was away. Look at whom it would call, then let it go on.")
        }
        HoldReason::NoLeads if has_leads => {
            (State::Attention, "Everybody has been called. Add people to call, or complete the campaign.")
        }
        HoldReason::NoLeads => (State::Attention, "There is nobody to call yet. Add people."),
        HoldReason::Budget => (State::Attention, "The budget is used up. Raise it to go on."),
        HoldReason::ScheduleEnded => {
            (State::Attention, "There are no calling days left. Change the dates to go on.")
        }
        HoldReason::ClockJumped => {
            (State::Attention, "The server's clock jumped. Nobody is called until it can be trusted.")
        }
        HoldReason::MissingVariable => (
            State::Attention,
            "Nobody left can be called: the script needs something that is not known about them.",
        ),
        HoldReason::ScriptTooLong => (
            State::Attention,
            "Nobody left can be called: with what is known about them the script is too long.",
        ),
        HoldReason::TimeZoneUnknown => {
            (State::Attention, "Nobody left can be called: their time zones are not known.")
        }
        HoldReason::CountryNotAllowed => {
            (State::Attention, "Nobody left can be called: their countries are not allowed.")
        }
        HoldReason::NumberRefused => {
            (State::Attention, "Nobody left can be called: their numbers are of a kind that is never called.")
        }
        HoldReason::AttemptsUsedUp | HoldReason::DoNotCall | HoldReason::Finished => {
            (State::Attention, "Nobody left may be called.")
        }
        // Of the status, which says so itself.
        HoldReason::CarrierDown => (State::Attention, "Calls failed too often."),
        HoldReason::CarrierRefused => (State::Attention, "The carrier refuses our calls."),
        HoldReason::AgentFailed => (State::Attention, "The agent failed on two calls in a row."),
        HoldReason::Draft => (State::Draft, "A draft."),
        HoldReason::Paused => (State::Paused, "Paused."),
        HoldReason::Completed => (State::Completed, "Completed."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::campaign::{Request, Totals};
    use serde_json::json;

    fn campaign(status: Status, reason: Option<&str>) -> Campaign {
        let settings = json!({
            "name": "Survey", "status": "draft", "calls_per_day": 1, "calling_hours_start": "09:00",
            "calling_hours_end": "17:00", "system_prompt": "Be kind", "script_template": "Hello"
        });
        Campaign {
            id: 1,
            status,
            status_reason: reason.map(str::to_owned),
            status_changed_at: Some(Instant::UNIX_EPOCH),
            status_changed_by: Some("Ada".into()),
            settings: Request::read(settings, None).unwrap().settings,
            totals: Totals::default(),
            version: 1,
            has_stale_holds: false,
            created_at: Instant::UNIX_EPOCH,
            updated_at: Instant::UNIX_EPOCH,
            deleted_at: None,
        }
    }

    fn waiting(reason: HoldReason, until: Option<Instant>) -> Dialing {
        Dialing { state: DialingState::Waiting, reason: Some(reason), until, message: None }
    }

    #[test]
    fn a_status_that_somebody_set_says_who_and_since_when() {
        let dialing = waiting(HoldReason::Paused, None);
        for (status, reason, state, code) in [
            (Status::Draft, None, State::Draft, None),
            (Status::Paused, None, State::Paused, None),
            (Status::Paused, Some("carrier_down"), State::Attention, Some("carrier_down")),
            (Status::Paused, Some("carrier_refused"), State::Attention, Some("carrier_refused")),
            (Status::Paused, Some("agent_failed"), State::Attention, Some("agent_failed")),
            (Status::Completed, Some("leads_finished"), State::Completed, Some("leads_finished")),
            (Status::Completed, Some("end_date"), State::Completed, Some("end_date")),
            (Status::Completed, None, State::Completed, None),
        ] {
            let standing = Standing::of(&campaign(status, reason), &dialing, None);
            assert_eq!((standing.state, standing.code), (state, code), "{status}");
            assert_eq!(
                (standing.by.as_deref(), standing.since),
                (Some("Ada"), Some(Instant::UNIX_EPOCH)),
                "{status}"
            );
        }
    }

    #[test]
    fn a_started_campaign_waits_until_its_time_or_asks_for_somebody() {
        let active = campaign(Status::Active, None);
        let until = Some(Instant::UNIX_EPOCH);
        let standing = Standing::of(&active, &waiting(HoldReason::OutsideCallingHours, until), None);
        assert_eq!(
            standing,
            Standing {
                state: State::Waiting,
                code: Some("outside_calling_hours"),
                message: "Outside calling hours.",
                until,
                by: None,
                since: None,
            }
        );
        for reason in [HoldReason::Budget, HoldReason::NoLeads, HoldReason::ClockJumped] {
            let standing = Standing::of(&active, &waiting(reason, None), None);
            assert_eq!((standing.state, standing.code), (State::Attention, Some(reason.word())));
        }
        let stopped = Stopped { by: "Leo".into(), since: Instant::UNIX_EPOCH };
        let standing = Standing::of(&active, &waiting(HoldReason::DialingStopped, None), Some(&stopped));
        assert_eq!((standing.state, standing.by.as_deref()), (State::Paused, Some("Leo")));
        assert_eq!(standing.since, until);
    }

    #[test]
    fn every_sentence_is_one_that_anybody_understands() {
        for reason in HoldReason::all() {
            for has_leads in [true, false] {
                let (_, sentence) = super::active(*reason, has_leads);
                assert!(sentence.ends_with('.') && sentence.len() < 100, "{sentence}");
                assert!(!sentence.contains('_'), "{sentence} names a setting");
            }
        }
    }
}
