//! Sound that becomes text: `POST …/audio/transcriptions`, as OpenAI, whisper.cpp, Speaches, LocalAI, vLLM and others
//! understand it.

use super::ears::EAR_RATE;
use super::settings::Settings;
use super::wire::{Place, Server};
use crate::clock::Clock;
use crate::media::wav;
use chrono::TimeDelta;
use serde_json::Value;
use std::sync::Arc;

const BYTES_MAX: usize = 64 * 1024;
/// Nobody says more in one turn.
const TEXT_MAX: usize = 4_000;

/// A model that turns sound into text. Clones are the same.
#[derive(Clone)]
pub(super) struct Transcription {
    server: Server,
    model: String,
    limit: TimeDelta,
    clock: Arc<dyn Clock>,
}

impl Transcription {
    /// The model of the settings; the error is a sentence.
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Transcription, String> {
        let part = &settings.transcription;
        let place = Place {
            section: "transcription",
            name: "the transcription",
            url: &part.url,
            api_key: &part.api_key,
            api_key_file: &part.api_key_file,
        };
        let server = Server::new(place, settings, clock.clone())?;
        let limit = TimeDelta::seconds(part.timeout_seconds.into());
        Ok(Transcription { server, model: part.model.clone(), limit, clock })
    }

    /// As its server names it.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// Its host.
    pub(super) fn host(&self) -> String {
        self.server.host()
    }

    /// What is said in this sound of [`EAR_RATE`]; empty where nothing is. The language is one of BCP 47.
    pub(super) async fn text(&self, sound: &[i16], language: &str) -> Result<String, String> {
        let boundary = format!("voice-campaigns-{:016x}", rand::random::<u64>());
        let body = self.form(&boundary, sound, language);
        let kind = format!("multipart/form-data; boundary={boundary}");
        let until = self.clock.steady() + self.limit;
        let answer = self.server.post("/audio/transcriptions", &kind, body, until, BYTES_MAX).await?;
        said(&answer.whole().await?)
    }

    fn form(&self, boundary: &str, sound: &[i16], language: &str) -> Vec<u8> {
        // Most know languages, not countries.
        let language = language.split(['-', '_']).next().unwrap_or_default();
        let mut form = Vec::new();
        for (name, value) in
            [("model", self.model.as_str()), ("language", language), ("response_format", "json")]
        {
            if !value.is_empty() {
                let field = format!(
                    "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
                );
                form.extend_from_slice(field.as_bytes());
            }
        }
        let file = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"turn.wav\"\r\nContent-Type: audio/wav\r\n\r\n"
        );
        form.extend_from_slice(file.as_bytes());
        form.extend_from_slice(&wav::write(EAR_RATE, sound));
        form.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        form
    }
}

/// The words of an answer. What is in brackets is a sound that somebody described, not a word; what stands behind one that is
/// never closed was said.
fn said(answer: &[u8]) -> Result<String, String> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let text = answer["text"].as_str().ok_or("the transcription answered what nobody understands")?;
    let (mut plain, mut opened) = (String::new(), Vec::new());
    for c in text.chars() {
        match c {
            '[' | '(' => opened.push(plain.len()),
            ']' | ')' => plain.truncate(opened.pop().unwrap_or(plain.len())),
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let has_words = plain.contains(char::is_alphanumeric);
    Ok(if has_words { plain.chars().take(TEXT_MAX).collect() } else { String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_taken_and_described_sounds_are_not() {
        for (answer, words) in [
            (r#"{"text":" Yes,  please.\n"}"#, "Yes, please."),
            (r#"{"text":"[BLANK_AUDIO]"}"#, ""),
            (r#"{"text":"(coughs) No [noise] thanks."}"#, "No thanks."),
            (r#"{"text":"No (well [noise] yes) thanks)."}"#, "No thanks."),
            (r#"{"text":"Hello. (Please never call me again."}"#, "Hello. Please never call me again."),
            (r#"{"text":" ... "}"#, ""),
            (r#"{"text":""}"#, ""),
        ] {
            assert_eq!(said(answer.as_bytes()).unwrap(), words, "{answer}");
        }
        for nonsense in ["", "<html>", "{}", r#"{"text":7}"#] {
            assert!(said(nonsense.as_bytes()).is_err(), "{nonsense}");
        }
    }
}
