//! What will be said on a call, becoming sound while it rings.

use crate::carrier::Recorded;
use crate::domain::voice::Voice;
use crate::media::g711::Codec;
use crate::speech::{Saying, Sound, SpeechError, Synthesizer};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// The texts of a call, and the sound of those that are ready.
pub(super) struct Words {
    synthesizer: Arc<dyn Synthesizer>,
    voice: Voice,
    recorded: Vec<Recorded>,
    being_made: JoinSet<(String, Result<Sound, SpeechError>)>,
    /// None while it is being made.
    made: HashMap<String, Option<Sound>>,
}

impl Words {
    /// Begins with these texts.
    pub(super) fn new(
        synthesizer: Arc<dyn Synthesizer>,
        voice: Voice,
        recorded: Vec<Recorded>,
        texts: Vec<String>,
    ) -> Words {
        let (being_made, made) = (JoinSet::new(), HashMap::new());
        let mut words = Words { synthesizer, voice, recorded, being_made, made };
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
        let saying = self.say(text);
        let text = text.to_owned();
        self.being_made.spawn(async move { (text, saying.await) });
        None
    }

    /// The sound of a text: what was recorded of it, and the rest in the voice.
    fn say(&self, text: &str) -> Saying {
        let found = self.recorded.iter().find_map(|recorded| Some((recorded, text.find(&recorded.text)?)));
        let Some((Recorded { text: known, sound }, at)) = found else {
            return self.synthesizer.say(text, &self.voice);
        };
        let spoken = |text: &str| {
            let has_words = text.contains(char::is_alphanumeric);
            has_words.then(|| self.synthesizer.say(text.trim(), &self.voice))
        };
        let (before, after) = (spoken(&text[..at]), spoken(&text[at + known.len()..]));
        let sound = sound.clone();
        Box::pin(async move {
            let mut whole: Vec<i16> = Vec::new();
            if let Some(before) = before {
                whole.extend_from_slice(&before.await?);
            }
            whole.extend(sound.iter().map(|byte| Codec::Pcmu.decode(*byte)));
            if let Some(after) = after {
                whole.extend_from_slice(&after.await?);
            }
            Ok(whole.into())
        })
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
