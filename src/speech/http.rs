//! A service as the voice: `POST …/audio/speech`, as OpenAI, Kokoro, Speaches, LocalAI and others understand it.

use super::{BYTES_MAX, Saying, Settings, SpeechError, Synthesizer, decoded};
use crate::clock::Clock;
use crate::domain::secret::Secret;
use crate::domain::voice::Voice;
use chrono::TimeDelta;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// The voice that all these services have.
const USUAL: &str = "alloy";

/// A service.
#[derive(Clone)]
pub struct Service {
    http: reqwest::Client,
    url: String,
    key: Option<Secret>,
    model: String,
    usual: String,
    limit: TimeDelta,
    clock: Arc<dyn Clock>,
}

impl Service {
    /// The service of the settings. The operator named it, so it may be on any network.
    pub fn new(
        url: &str,
        settings: &Settings,
        limit: TimeDelta,
        clock: Arc<dyn Clock>,
    ) -> Result<Service, String> {
        // The one choice for the process; another that was made before is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_MAX)
            .referer(false)
            .user_agent(concat!("voice-campaigns/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("voice.url: {error}"))?;
        Ok(Service {
            http,
            url: format!("{}/audio/speech", url.trim_end_matches('/')),
            key: settings.api_key.clone(),
            model: settings.model.clone(),
            usual: settings.name.clone().unwrap_or_else(|| USUAL.into()),
            limit,
            clock,
        })
    }

    async fn ask(self, text: String, voice: Voice) -> Result<Vec<u8>, SpeechError> {
        // Without the address, which may hold a key.
        let failed = |error: reqwest::Error| SpeechError(error.without_url().to_string());
        let name = voice.id.unwrap_or(self.usual);
        let body = json!({"model": self.model, "input": text, "voice": name, "response_format": "wav"});
        let mut post =
            self.http.post(&self.url).header("content-type", "application/json").body(body.to_string());
        if let Some(key) = &self.key {
            post = post.bearer_auth(key.reveal());
        }
        let mut answer = post.send().await.map_err(failed)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(SpeechError(format!("the speech service answered {status}")));
        }
        let mut file = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            file.extend_from_slice(&piece);
            if file.len() > BYTES_MAX {
                return Err(SpeechError(format!("the speech service sends more than {BYTES_MAX} bytes")));
            }
        }
        Ok(file)
    }
}

impl Synthesizer for Service {
    fn say(&self, text: &str, voice: &Voice) -> Saying {
        let (service, text, voice) = (self.clone(), text.to_owned(), voice.clone());
        let (limit, clock) = (self.limit, self.clock.clone());
        Box::pin(async move {
            tokio::select! {
                file = service.ask(text, voice) => decoded(file?).await,
                () = clock.sleep_until(clock.steady() + limit) => {
                    let seconds = limit.num_seconds();
                    Err(SpeechError(format!("the speech service took longer than {seconds} seconds")))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::System;
    use crate::media::wav;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// A service that answers one request with this, and what it was asked.
    async fn answered(head: &str, body: &[u8]) -> (Result<Vec<i16>, String>, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let reply = [head.as_bytes(), b"\r\nconnection: close\r\n\r\n", body].concat();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"}") {
                let mut piece = [0; 4096];
                let count = stream.read(&mut piece).await.unwrap();
                asked.extend_from_slice(&piece[..count]);
            }
            let _ = stream.write_all(&reply).await;
            String::from_utf8(asked).unwrap()
        });
        let settings = Settings {
            api_key: serde_json::from_str("\"sk-1\"").unwrap(),
            name: Some("anna".into()),
            ..Settings::default()
        };
        let clock = Arc::new(System::new());
        let service = Service::new(&url, &settings, TimeDelta::milliseconds(500), clock).unwrap();
        let said = service.say("Guten Tag", &Voice::default()).await;
        let said = said.map(|sound| sound.to_vec()).map_err(|error| error.to_string());
        (said, server.await.unwrap())
    }

    #[tokio::test]
    async fn it_is_asked_for_a_file_and_its_length_need_not_be_known() {
        let mut file = wav::write(8_000, &[4, 5, 6]);
        file[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
        let (said, asked) = answered("HTTP/1.1 200 OK", &file).await;
        assert_eq!(said.unwrap(), [4, 5, 6]);
        assert!(asked.starts_with("POST /v1/audio/speech HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("authorization: Bearer sk-1\r\n"), "{asked}");
        let body = r#"{"model":"tts-1","input":"Guten Tag","voice":"anna","response_format":"wav"}"#;
        assert!(asked.ends_with(body), "{asked}");
    }

    #[tokio::test]
    async fn a_refusal_is_told_without_what_was_asked() {
        let (said, _) = answered("HTTP/1.1 401 Unauthorized", b"bad key sk-1").await;
        assert_eq!(said.unwrap_err(), "the voice failed: the speech service answered 401 Unauthorized");
    }
}
