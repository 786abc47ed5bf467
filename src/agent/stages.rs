//! The stages of a chain at work on a turn, each with what it is at: nothing is lost where one is not waited for.

use super::chat::{Piece, Reply};
use crate::clock::Clock;
use crate::domain::Instant;
use crate::speech::{Saying, Sound, SpeechError};
use chrono::TimeDelta;
use std::pin::Pin;
use std::sync::Arc;

/// How long a sentence may take to become sound.
const VOICE_MAX: TimeDelta = TimeDelta::seconds(8);

/// Something that comes, or why it does not.
pub(super) type Coming<T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send>>;

/// What somebody said.
#[derive(Clone)]
pub(super) struct Utterance {
    /// At the rate of the ears.
    pub(super) sound: Arc<[i16]>,
    /// When they began.
    pub(super) began_at: Instant,
    /// When they had finished.
    pub(super) ended_at: Instant,
}

/// The same, becoming text.
pub(super) struct Hearing {
    /// What becomes text.
    pub(super) utterance: Utterance,
    /// The text.
    pub(super) text: Coming<String>,
    /// Since when.
    pub(super) asked_at: Instant,
}

/// The model at work.
pub(super) enum Thinking {
    /// It has not begun to answer.
    Asked(Coming<Reply>),
    /// It has.
    Answers(Box<Reply>),
}

/// A sentence that becomes sound.
pub(super) struct Voicing {
    /// The sentence.
    pub(super) text: String,
    /// It was said before, or may be said again.
    pub(super) is_known: bool,
    /// The sound.
    pub(super) saying: Saying,
    /// Since when.
    pub(super) asked_at: Instant,
}

/// A few words for whoever waits, made ahead: the voice may be what is late.
pub(super) enum Moment {
    /// Nobody has asked for them yet.
    Unmade,
    /// They become sound.
    Making(Saying),
    /// They are ready.
    Made(Sound),
    /// They cannot be made.
    Missing,
}

/// The text of what was said, once there is one.
pub(super) async fn understood(hearing: &mut Option<Hearing>) -> Result<String, String> {
    match hearing {
        Some(hearing) => (&mut hearing.text).await,
        None => std::future::pending().await,
    }
}

/// The next part of the model's answer, once there is one; none at its end.
pub(super) async fn thought(thinking: &mut Option<Thinking>) -> Option<Result<Piece, String>> {
    let Some(thinking) = thinking else { return std::future::pending().await };
    loop {
        match thinking {
            Thinking::Asked(asked) => match asked.await {
                Ok(reply) => *thinking = Thinking::Answers(Box::new(reply)),
                Err(problem) => return Some(Err(problem)),
            },
            Thinking::Answers(reply) => return reply.next().await,
        }
    }
}

/// The sound of a sentence, once there is one.
pub(super) async fn voiced(voicing: &mut Option<Voicing>, clock: &dyn Clock) -> Result<Sound, String> {
    let Some(voicing) = voicing else { return std::future::pending().await };
    tokio::select! {
        sound = &mut voicing.saying => sound.map_err(|problem| problem.to_string()),
        () = clock.sleep_until(voicing.asked_at + VOICE_MAX) => Err("the voice took too long".into()),
    }
}

/// The words for whoever waits, once they are made.
pub(super) async fn made(moment: &mut Moment) -> Result<Sound, SpeechError> {
    match moment {
        Moment::Making(saying) => saying.await,
        Moment::Unmade | Moment::Made(_) | Moment::Missing => std::future::pending().await,
    }
}
