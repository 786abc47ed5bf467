//! Calls whose course is decided by somebody else, such as whoever rehearses a campaign with what its calls have taught.
//! Played so that the dialer comes to the same outcome at the same instant, whatever it says in between.

use crate::carrier::DialRequest;
use crate::domain::Instant;
use crate::domain::call::LegEvent;
use crate::domain::outcome::Cause;
use chrono::TimeDelta;

/// Decides what becomes of calls.
pub trait Fates: Send + Sync + 'static {
    /// What becomes of this one, dialed at this wall time.
    fn fate(&self, request: &DialRequest, at: Instant) -> Fate;
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// How long it takes from the dial until somebody picks up, or until it is over.
    pub rings: TimeDelta,
    /// How long it lasts then; none where nobody picks up.
    pub talks: Option<TimeDelta>,
    /// How it ends.
    pub end: End,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In the carrier's terms, with nothing more to say.
    Cause(Cause),
    /// A person has heard everything and says nothing.
    HeardOut,
    /// A person has pressed this key.
    Pressed(char),
    /// A person does not want to be called again.
    OptedOut,
    /// A person has pressed this key, and was put through.
    PutThrough(char),
    /// A machine has answered.
    Machine,
    /// A machine has answered, and has the message.
    MessageLeft,
}

impl End {
    /// What a leg reports, all at once, and why it is over.
    pub(super) fn told(self) -> (Vec<LegEvent>, Cause) {
        let events = match self {
            End::Cause(cause) => return (Vec::new(), cause),
            End::HeardOut => vec![LegEvent::SpeechEnded],
            End::Pressed(key) => vec![LegEvent::Digit(key)],
            End::OptedOut => vec![LegEvent::OptOutAsked],
            End::PutThrough(key) => {
                vec![LegEvent::Digit(key), LegEvent::SpeechEnded, LegEvent::Transferred]
            }
            End::Machine => vec![LegEvent::MachineDetected],
            End::MessageLeft => vec![LegEvent::MachineDetected, LegEvent::SpeechEnded],
        };
        (events, Cause::RemoteHangup)
    }
}
