//! The port to whoever holds a conversation, and its drivers: a realtime model that hears and speaks by itself, or a chain
//! of transcription, model and voice. Knows a brief, sound and words, not campaigns, calls or the telephone.
//!
//! Both kinds have the same `telephone`, know by their `playout` what was heard of their words, and are told the same
//! beside what the person says (`notes`). A chain has its `stages` at work and the `memory` of its model; a realtime model
//! has its `connection`, in one `dialect` or the other, and the `items` that it says.

mod cascade;
pub mod chat;
mod check;
mod connection;
mod dialect;
mod ears;
mod items;
mod judge;
mod memory;
mod notes;
mod playout;
mod realtime;
mod sentences;
mod settings;
mod socket;
mod stages;
mod telephone;
pub mod text;
mod tools;
mod transcription;
mod wire;

pub use check::{Tried, check};
pub use settings::{Dialect, Kind, Opening, Part, Realtime, Settings, Sound};

use crate::clock::Clock;
use crate::domain::agent::{Brief, Latency, Line, Tool, Usage, Verdict};
use crate::media::g711::Codec;
use crate::speech::Speaker;
use cascade::Cascade;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What the telephone tells a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Sound of the person: a frame of 20 ms, 8,000 samples a second, linear.
    Sound(Vec<i16>),
    /// They pressed a key.
    Key(char),
    /// So many samples of what was asked to be played have been heard by now, all in all.
    Played(u64),
    /// It is silent, as [`Said::Hush`] asked; so many samples had been heard by then, all in all. Comes once for each.
    Hushed(u64),
    /// What became of the tool that was asked for under this number, in a sentence for the model.
    Reply(u64, String),
    /// The call ends soon: there is time for a goodbye.
    TimeIsNearlyUp,
}

/// What a conversation tells the telephone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Play this after what is waiting; 8,000 samples a second.
    Play(Vec<i16>),
    /// Fall silent: what is waiting is not played. The answer is [`Heard::Hushed`].
    Hush,
    /// Something was said, by either side.
    Line(Line),
    /// The agent wants to use a tool; the answer comes as [`Heard::Reply`] with this number. What would end the
    /// conversation is asked for when the words before it have been heard, or after 5 seconds.
    Asks(u64, Tool),
    /// How long a turn took.
    Turn(Latency),
    /// What was used so far.
    Used(Usage),
    /// The agent cannot go on; a sentence for the operator. The last thing it says.
    Failed(String),
}

/// A conversation on its way. Letting go of it ends it.
pub struct Conversation {
    /// Where it is told what is heard. Bounded: frames that do not fit are left out.
    pub heard: mpsc::Sender<Heard>,
    /// What it says.
    pub said: mpsc::Receiver<Said>,
}

impl Conversation {
    /// One that begins, and the ends of whoever holds it: what is heard, and where it says something.
    fn begin() -> (Conversation, mpsc::Receiver<Heard>, mpsc::Sender<Said>) {
        let (to_heard, heard) = mpsc::channel(HEARD_MAX);
        let (to_said, said) = mpsc::channel(SAID_MAX);
        (Conversation { heard: to_heard, said }, heard, to_said)
    }
}

/// What is heard that may wait for a conversation: five seconds of it.
const HEARD_MAX: usize = 256;
/// What it says that may wait for the telephone.
const SAID_MAX: usize = 64;

/// What a transcript came to; the error is a sentence for the operator.
pub type Judging = Pin<Box<dyn Future<Output = Result<Verdict, String>> + Send>>;

/// Whoever holds conversations.
pub trait Agent: Send + Sync + 'static {
    /// Its kind and model, for the log and for what is kept of a call.
    fn name(&self) -> &str;
    /// Begins a conversation with somebody who has just picked up, on a line with this codec. Never fails: that is
    /// [`Said::Failed`]. Must not block.
    fn converse(&self, brief: Arc<Brief>, line: Codec) -> Conversation;
    /// Judges a conversation that ended without a verdict, within a few seconds.
    fn judge(&self, brief: Arc<Brief>, lines: Vec<Line>) -> Judging;
    /// How many conversations may be on their way at one time.
    fn seats(&self) -> usize;
}

/// The agent of the settings, with the voice that there is; none where none is configured. The error says what to do.
pub fn open(
    settings: &Settings,
    voice: Result<Speaker, String>,
    clock: Arc<dyn Clock>,
) -> Result<Option<Arc<dyn Agent>>, String> {
    Ok(match settings.kind {
        None => None,
        Some(Kind::Cascade) => Some(Arc::new(Cascade::new(settings, voice?, clock)?)),
        Some(Kind::Realtime) => {
            let voice = voice.map(|speaker| speaker.synthesizer);
            Some(Arc::new(realtime::Realtime::new(settings, voice, clock)?))
        }
    })
}
