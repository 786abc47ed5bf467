//! The port to whoever turns text into sound, and its drivers: a service that speaks the protocol of
//! `POST /v1/audio/speech`, or a program that writes a WAV file. Knows texts and voices, not calls.

mod cache;
mod command;
mod http;
mod settings;

pub use cache::Cache;
pub use command::Program;
pub use http::Service;
pub use settings::Settings;

use crate::clock::Clock;
use crate::domain::voice::Voice;
use crate::media::{RATE, resample, wav};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use thiserror::Error;

/// Samples as a telephone line carries them, [`RATE`] in a second.
pub type Sound = Arc<[i16]>;

/// A text that is becoming sound. Whoever lets go of it stops the work.
pub type Saying = Pin<Box<dyn Future<Output = Result<Sound, SpeechError>> + Send>>;

/// Turns text into sound.
pub trait Synthesizer: Send + Sync + 'static {
    /// The sound of a text.
    fn say(&self, text: &str, voice: &Voice) -> Saying;
}

/// Why there is no sound; a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the voice failed: {0}")]
pub struct SpeechError(pub String);

/// No text is spoken for longer.
const SECONDS_MAX: usize = 600;
/// The largest answer that is read: ten minutes of the best there is.
const BYTES_MAX: usize = SECONDS_MAX * 48_000 * 4;

/// The sound in a WAV file of any rate. Takes a while for a long one.
fn sound_of(file: &[u8]) -> Result<Sound, SpeechError> {
    let wav::Wav { rate, samples } = wav::read(file).map_err(|problem| SpeechError(problem.to_string()))?;
    if samples.len() / rate as usize > SECONDS_MAX {
        return Err(SpeechError(format!("it speaks for more than {SECONDS_MAX} seconds")));
    }
    Ok(resample::resample(&samples, rate, RATE).into())
}

/// [`sound_of`] beside what cannot wait.
async fn decoded(file: Vec<u8>) -> Result<Sound, SpeechError> {
    let decoding = tokio::task::spawn_blocking(move || sound_of(&file));
    decoding.await.map_err(|_| SpeechError("the sound could not be read".into()))?
}

/// Whoever speaks, and what it is.
#[derive(Clone)]
pub struct Speaker {
    /// What kind of driver.
    pub kind: Kind,
    /// The host of the service, or the program.
    pub name: String,
    /// The driver.
    pub synthesizer: Arc<dyn Synthesizer>,
    /// The same without a memory, for what is said once.
    pub fresh: Arc<dyn Synthesizer>,
}

/// Kinds of drivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Another server.
    Service,
    /// A program on this machine.
    Program,
}

/// The synthesizer of the settings: the service, else the program, else the first program known that is installed.
/// What was said is kept in `folder`. The error says what to do.
pub fn open(settings: &Settings, folder: &Path, clock: Arc<dyn Clock>) -> Result<Speaker, String> {
    let limit = chrono::TimeDelta::seconds(settings.timeout_seconds.into());
    let bytes_max = u64::from(settings.cache_megabytes) * 1024 * 1024;
    let (kind, name, words, source): (Kind, String, String, Arc<dyn Synthesizer>) =
        match (&settings.url, settings.command.as_slice()) {
            (Some(url), _) => {
                let service = Service::new(url, settings, limit, clock.clone())?;
                // Of the address only the host is shown; the rest of it may hold a key.
                let host = url::Url::parse(url).ok().and_then(|url| Some(url.host_str()?.to_owned()));
                let words = format!("{url} {}", settings.model);
                (Kind::Service, host.unwrap_or_default(), words, Arc::new(service))
            }
            (None, []) => {
                let program = Program::installed(settings, limit, clock.clone())
                    .ok_or("no voice: install flite or espeak-ng, or set voice.command or voice.url")?;
                (Kind::Program, program.name().to_owned(), program.words().join(" "), Arc::new(program))
            }
            (None, words) => {
                let program = Program::new(words, settings, limit, clock.clone())?;
                (Kind::Program, program.name().to_owned(), words.join(" "), Arc::new(program))
            }
        };
    let words = format!("{words} {}", settings.name.as_deref().unwrap_or_default());
    let synthesizer = Arc::new(Cache::open(source.clone(), &words, folder, bytes_max, clock));
    Ok(Speaker { kind, name, synthesizer, fresh: source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::signal::tone;

    #[test]
    fn any_rate_becomes_that_of_the_line() {
        let sound = sound_of(&wav::write(22_050, &tone(22_050, 440.0, 9_000.0, 22_050))).unwrap();
        assert_eq!(sound.len(), 8_000);
        assert!(
            sound_of(b"no sound").unwrap_err().to_string().starts_with("the voice failed: it is no WAV file")
        );
        let endless = wav::write(4_000, &vec![0; 4_000 * 602]);
        assert!(sound_of(&endless).unwrap_err().to_string().contains("600 seconds"));
    }
}
