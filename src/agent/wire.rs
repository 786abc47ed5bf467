//! Requests to the servers of the agent: where they go, with which key, within which limits. The operator named the
//! servers, so they may be on any network; nothing that a person on the phone says leads to another one.

use super::settings::Settings;
use crate::clock::Clock;
use crate::domain::Instant;
use crate::domain::secret::Secret;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How much of what a server says about a failure is told on.
const COMPLAINT_MAX: usize = 200;
const COMPLAINT_BYTES_MAX: usize = 16 * 1024;

/// A connection that both sides use as they like.
pub(super) type Stream = reqwest::Upgraded;

/// A server, and how it is called in sentences.
#[derive(Clone)]
pub(super) struct Server {
    http: reqwest::Client,
    name: &'static str,
    url: String,
    key: Option<Secret>,
    clock: Arc<dyn Clock>,
}

/// What one part of the settings says about its server.
pub(super) struct Place<'s> {
    /// Its section.
    pub(super) section: &'static str,
    /// How it is called in sentences.
    pub(super) name: &'static str,
    /// Its own address.
    pub(super) url: &'s Option<String>,
    /// Its own key.
    pub(super) api_key: &'s Option<Secret>,
    /// The file with its own key.
    pub(super) api_key_file: &'s Option<std::path::PathBuf>,
}

impl Server {
    /// The server of a part: its own, else that of all parts. A key goes to the server alone that it was set with.
    pub(super) fn new(
        place: Place<'_>,
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Server, String> {
        // The one choice for the process; another that was made before is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            // What becomes a connection that both sides use as they like, begins as no other version can.
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_MAX)
            .referer(false)
            // Words come in small pieces, and each is waited for.
            .tcp_nodelay(true)
            .user_agent(concat!("voice-campaigns/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("agent.{}: {error}", place.section))?;
        let (url, own_key) = match place.url {
            Some(url) => (url, key(place.api_key, place.api_key_file)?),
            None => {
                let url = settings.url.as_ref();
                let url =
                    url.ok_or_else(|| format!("agent.{}.url or agent.url must be set", place.section))?;
                let own = key(place.api_key, place.api_key_file)?;
                (
                    url,
                    own.map_or_else(|| key(&settings.api_key, &settings.api_key_file), |own| Ok(Some(own)))?,
                )
            }
        };
        let url = url.trim_end_matches('/').to_owned();
        Ok(Server { http, name: place.name, url, key: own_key, clock })
    }

    /// How it is called in sentences.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Its host; the rest of its address may hold a key.
    pub(super) fn host(&self) -> String {
        let url = url::Url::parse(&self.url).ok();
        url.and_then(|url| Some(url.host_str()?.to_owned())).unwrap_or_default()
    }

    /// Asks for something; the answer has begun when this ends. All of it must be there by `until`, and at most so many
    /// bytes of it.
    pub(super) async fn post(
        &self,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
        until: Instant,
        bytes_max: usize,
    ) -> Result<Answer, String> {
        let mut post = self.http.post(format!("{}{path}", self.url));
        post = post.header("content-type", content_type).body(body);
        if let Some(key) = &self.key {
            post = post.bearer_auth(key.reveal());
        }
        let sent = tokio::select! {
            sent = post.send() => sent.map_err(|error| self.failed(&error))?,
            () = self.clock.sleep_until(until) => return Err(self.late()),
        };
        let status = sent.status();
        let mut answer = Answer { server: self.clone(), response: sent, until, left: bytes_max };
        if status.is_success() {
            return Ok(answer);
        }
        // What it says about a key may hold a part of it.
        if matches!(status.as_u16(), 401 | 403) {
            return Err(format!("{} answered {status}: check its key", self.name));
        }
        answer.left = COMPLAINT_BYTES_MAX;
        let said = answer.whole().await.unwrap_or_default();
        Err(format!("{} answered {status}{}", self.name, self.complaint(&said)))
    }

    /// Asks for a connection that both sides use as they like; with it comes the server's word that it understood which.
    pub(super) async fn upgrade(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        until: Instant,
    ) -> Result<(Stream, Option<String>), String> {
        let mut get = self.http.get(format!("{}{path}", self.url));
        for (name, value) in headers {
            get = get.header(*name, *value);
        }
        if let Some(key) = &self.key {
            get = get.bearer_auth(key.reveal());
        }
        let upgraded = async {
            let response = get.send().await.map_err(|error| self.failed(&error))?;
            let status = response.status();
            if status != reqwest::StatusCode::SWITCHING_PROTOCOLS {
                return Err(match status.as_u16() {
                    401 | 403 => format!("{} answered {status}: check its key", self.name),
                    _ => {
                        let mut answer =
                            Answer { server: self.clone(), response, until, left: COMPLAINT_BYTES_MAX };
                        let said = answer.piece().await.ok().flatten().unwrap_or_default();
                        format!("{} answered {status}{}", self.name, self.complaint(&said))
                    }
                });
            }
            let accept = response.headers().get("sec-websocket-accept");
            let accept = accept.and_then(|accept| accept.to_str().ok()).map(str::to_owned);
            let stream = response.upgrade().await.map_err(|error| self.failed(&error))?;
            Ok((stream, accept))
        };
        tokio::select! {
            upgraded = upgraded => upgraded,
            () = self.clock.sleep_until(until) => Err(self.late()),
        }
    }

    fn complaint(&self, said: &[u8]) -> String {
        let said: Value = serde_json::from_slice(said).unwrap_or_default();
        complaint(&said).map(|message| format!(": {}", self.masked(message))).unwrap_or_default()
    }

    /// A text of the server for a person to read: short, on one line, without a key.
    pub(super) fn masked(&self, text: &str) -> String {
        let mut text = text.replace(char::is_control, " ");
        if let Some(key) = &self.key {
            text = text.replace(key.reveal(), crate::domain::secret::MASK);
        }
        text.trim().chars().take(COMPLAINT_MAX).collect()
    }

    fn failed(&self, error: &reqwest::Error) -> String {
        // Without the address, which may hold a key.
        let what = if error.is_connect() { "cannot be reached" } else { "broke off" };
        let cause = std::iter::successors(std::error::Error::source(error), |error| error.source()).last();
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{} {what}{cause}", self.name)
    }

    fn late(&self) -> String {
        format!("{} took too long", self.name)
    }
}

/// What a document says about a failure.
pub(super) fn complaint(document: &Value) -> Option<&str> {
    let error = &document["error"];
    error["message"].as_str().or(error.as_str()).or(document["message"].as_str())
}

/// The key of a part of the settings.
fn key(text: &Option<Secret>, file: &Option<std::path::PathBuf>) -> Result<Option<Secret>, String> {
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Secret::new(text.trim().to_owned()))
    };
    match (text, file) {
        (Some(text), _) => Ok(Some(text.clone())),
        (None, Some(path)) => read(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// An answer on its way.
pub(super) struct Answer {
    server: Server,
    response: reqwest::Response,
    until: Instant,
    left: usize,
}

impl Answer {
    /// Whether all of it is one JSON document.
    pub(super) fn is_json(&self) -> bool {
        let kind = self.response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.trim_start().starts_with("application/json"))
    }

    /// The next piece; none at the end.
    pub(super) async fn piece(&mut self) -> Result<Option<Vec<u8>>, String> {
        let piece = tokio::select! {
            piece = self.response.chunk() => piece.map_err(|error| self.server.failed(&error))?,
            () = self.server.clock.sleep_until(self.until) => return Err(self.server.late()),
        };
        let Some(piece) = piece else { return Ok(None) };
        self.left = self
            .left
            .checked_sub(piece.len())
            .ok_or_else(|| format!("{} sends more than it should", self.server.name))?;
        Ok(Some(piece.to_vec()))
    }

    /// All of it.
    pub(super) async fn whole(mut self) -> Result<Vec<u8>, String> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// It must be there by then.
    pub(super) fn must_end_by(&mut self, until: Instant) {
        self.until = until;
    }
}
