//! Putting somebody through: what the carrier answers and tells of it, in whatever order that comes.

use super::call::{Call, Talk};
use crate::domain::Instant;
use crate::domain::call::LegEvent;
use chrono::TimeDelta;

/// How long a carrier that has agreed to put somebody through may take to tell anything of it, as RFC 3515 has it.
const PROGRESS_WAIT: TimeDelta = TimeDelta::seconds(5);

/// How far it is with putting somebody through.
pub(super) enum Transfer {
    None,
    /// The carrier was asked.
    Asked,
    /// The carrier tries. One that tells nothing more until then has taken over.
    Accepted {
        quiet_until: Option<Instant>,
    },
}

impl Transfer {
    pub(super) fn is_accepted(&self) -> bool {
        matches!(self, Transfer::Accepted { .. })
    }

    pub(super) fn quiet_until(&self) -> Option<Instant> {
        match self {
            Transfer::Accepted { quiet_until } => *quiet_until,
            Transfer::None | Transfer::Asked => None,
        }
    }
}

impl Call {
    /// What the carrier answers when it is asked to put somebody through.
    pub(super) fn transfer_answered(&mut self, talk: &mut Talk, asked: Result<(), String>) {
        match (&talk.transfer, asked) {
            (Transfer::Asked, Ok(())) => {
                talk.transfer = Transfer::Accepted { quiet_until: Some(self.now() + PROGRESS_WAIT) };
            }
            (Transfer::Asked | Transfer::Accepted { .. }, Err(why)) => {
                talk.transfer = Transfer::None;
                self.report(LegEvent::TransferRefused(why));
            }
            // It was told already how it goes, or nobody wants it any more.
            (Transfer::Accepted { .. }, Ok(())) | (Transfer::None, _) => {}
        }
    }

    /// What the carrier tells of the call that it makes for a transfer.
    pub(super) fn transfer_goes_on(&mut self, talk: &mut Talk, code: u16) {
        match (&talk.transfer, code) {
            (Transfer::None, _) => {}
            (Transfer::Asked | Transfer::Accepted { .. }, ..200) => {
                talk.transfer = Transfer::Accepted { quiet_until: None };
            }
            (Transfer::Asked | Transfer::Accepted { .. }, 200..300) => {
                talk.transfer = Transfer::None;
                self.transferred_if(true);
            }
            (Transfer::Asked | Transfer::Accepted { .. }, 300..) => {
                talk.transfer = Transfer::None;
                let name = &self.place.trunk.settings.name;
                self.report(LegEvent::TransferRefused(format!(
                    "trunk {name}: nobody took the call ({code})"
                )));
            }
        }
    }

    pub(super) fn transferred_if(&self, is_accepted: bool) {
        if is_accepted {
            self.report(LegEvent::Transferred);
        }
    }
}
