//! What will be said on a call, becoming sound while it rings.

use crate::domain::voice::Voice;
use crate::speech::{Sound, SpeechError, Synthesizer};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// The texts of a call, and the sound of those that are ready.
pub(super) struct Words {
    synthesizer: Arc<dyn Synthesizer>,
    voice: Voice,
    being_made: JoinSet<(String, Result<Sound, SpeechError>)>,
    /// None while it is being made.
    made: HashMap<String, Option<Sound>>,
}

impl Words {
    /// Begins with these texts.
    pub(super) fn new(synthesizer: Arc<dyn Synthesizer>, voice: Voice, texts: Vec<String>) -> Words {
        let mut words = Words { synthesizer, voice, being_made: JoinSet::new(), made: HashMap::new() };
        for text in texts {
            words.want(&text);
        }
        words
    }

    /// The sound of a text, if it is ready; else it is made.
    pub(super) fn want(&mut self, text: &str) -> Option<Sound> {
        if let Some(sound) = self.made.get(text) {
            return sound.clone();
        }
        self.made.insert(text.to_owned(), None);
        let saying = self.synthesizer.say(text, &self.voice);
        let text = text.to_owned();
        self.being_made.spawn(async move { (text, saying.await) });
        None
    }

    /// Whether a text is ready or being made.
    pub(super) fn has(&self, text: &str) -> bool {
        self.made.contains_key(text)
    }

    /// Ends when another text is ready, or with why one is not: it is tried again when it is wanted. Never ends when none is being made.
    pub(super) async fn next(&mut self) -> Result<(), SpeechError> {
        match self.being_made.join_next().await {
            Some(Ok((text, sound))) => match sound {
                Ok(sound) => {
                    self.made.insert(text, Some(sound));
                    Ok(())
                }
                Err(problem) => {
                    self.made.remove(&text);
                    Err(problem)
                }
            },
            Some(Err(panic)) => Err(SpeechError(panic.to_string())),
            None => std::future::pending().await,
        }
    }
}
