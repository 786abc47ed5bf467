//! A connection over which both sides send JSON documents when they like, RFC 6455.

use super::wire::{Server, Stream};
use crate::clock::Clock;
use crate::domain::Instant;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::sync::Arc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The largest document that is read: half a minute of sound.
const BYTES_MAX: usize = 2 * 1024 * 1024;
/// What waits to be sent; the other side does not keep up.
const WAITING_MAX: usize = 1024 * 1024;
const BUFFER: usize = 16 * 1024;
/// How long the other side may take to take something in.
const SEND_MAX: TimeDelta = TimeDelta::seconds(5);

/// One connection. It ends when this is dropped.
pub(super) struct Socket {
    stream: WebSocketStream<Stream>,
    name: &'static str,
    clock: Arc<dyn Clock>,
}

impl Socket {
    /// Connects; the error is a sentence.
    pub(super) async fn open(
        server: &Server,
        path: &str,
        headers: &[(&'static str, &str)],
        until: Instant,
        clock: Arc<dyn Clock>,
    ) -> Result<Socket, String> {
        let key = STANDARD.encode(rand::random::<[u8; 16]>());
        let mut all = vec![
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", key.as_str()),
        ];
        all.extend_from_slice(headers);
        let (stream, accept) = server.upgrade(path, &all, until).await?;
        if accept.as_deref() != Some(derive_accept_key(key.as_bytes()).as_str()) {
            return Err(format!("{} speaks no WebSocket", server.name()));
        }
        let mut config = WebSocketConfig::default();
        config.max_message_size = Some(BYTES_MAX);
        config.max_frame_size = Some(BYTES_MAX);
        config.read_buffer_size = BUFFER;
        config.write_buffer_size = 0;
        config.max_write_buffer_size = WAITING_MAX;
        let stream = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await;
        Ok(Socket { stream, name: server.name(), clock })
    }

    /// Sends a document.
    pub(super) async fn send(&mut self, document: &Value) -> Result<(), String> {
        let until = self.clock.steady() + SEND_MAX;
        tokio::select! {
            sent = self.stream.send(Message::text(document.to_string())) => sent.map_err(|error| self.broken(&error)),
            () = self.clock.sleep_until(until) => Err(format!("{} takes nothing in", self.name)),
        }
    }

    /// The next text. If this is not waited for, nothing is lost. The other side's goodbye is an error.
    pub(super) async fn next(&mut self) -> Result<String, String> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => {
                    let reason =
                        frame.map(|frame| frame.reason.as_str().trim().to_owned()).unwrap_or_default();
                    let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
                    return Err(format!("{} hung up{reason}", self.name));
                }
                // Pings are answered by the library; bytes mean nothing here.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Err(self.broken(&error)),
                None => return Err(format!("{} hung up", self.name)),
            }
        }
    }

    fn broken(&self, error: &Error) -> String {
        format!("{} broke off: {error}", self.name)
    }
}
