//! A realtime model over WebSocket, in both dialects: it refuses what OpenAI's refuses, hears turns by itself, and sends
//! its sound faster than it is heard.

use super::models::{Answer, Inner, LETTER_MS, Manner, Stage, until_let_go};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};
use voice_campaigns::media::g711::Codec;
use voice_campaigns::media::level;

/// Louder than this is speech.
const LOUD: i64 = 500;
/// So much silence ends a turn.
const QUIET_MS: usize = 500;
/// Sound in one delta.
const DELTA_MS: usize = 200;

/// Serves one conversation.
pub(crate) async fn serve(inner: Arc<Inner>, mut stream: TcpStream, head: String) -> std::io::Result<()> {
    inner.note(Stage::Realtime, json!({"head": head}));
    let lower = head.to_lowercase();
    let manner = inner.manner(Stage::Realtime);
    if !lower.contains("\r\nauthorization: bearer sk-test") {
        return stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await;
    }
    match manner {
        Manner::Refuses(status) => {
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
            return stream.write_all(answer.as_bytes()).await;
        }
        Manner::Hangs => return until_let_go(&mut stream).await,
        Manner::Late(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        Manner::Well | Manner::Drips | Manner::Nonsense | Manner::BreaksOff | Manner::BreaksOffLast => {}
    }
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
    });
    let accept = derive_accept_key(key.unwrap_or_default().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    let is_beta = lower.contains("\r\nopenai-beta: realtime=v1");
    let mut session = Session {
        inner,
        socket,
        is_beta,
        is_set: false,
        format: Format::Law(Codec::Pcmu),
        heard: Vec::new(),
        is_speaking: false,
        quiet_ms: 0,
        told: String::new(),
        open: Vec::new(),
        is_active: false,
        items: HashMap::new(),
        to_send: VecDeque::new(),
        count: 0,
    };
    // Whoever hangs up is no concern of the server.
    let _ = session.run().await;
    Ok(())
}

#[derive(Clone, Copy)]
enum Format {
    Law(Codec),
    Pcm,
}

impl Format {
    /// Samples in these bytes, thinned to those of a line.
    fn samples(self, bytes: &[u8]) -> Vec<i16> {
        match self {
            Format::Law(codec) => bytes.iter().map(|byte| codec.decode(*byte)).collect(),
            Format::Pcm => {
                bytes.chunks_exact(6).map(|three| i16::from_le_bytes([three[0], three[1]])).collect()
            }
        }
    }

    /// A tone of this length.
    fn tone(self, ms: usize) -> Vec<u8> {
        let sample =
            |n: usize, rate: f64| (6_000.0 * (n as f64 * 440.0 * std::f64::consts::TAU / rate).sin()) as i16;
        match self {
            Format::Law(codec) => (0..ms * 8).map(|n| codec.encode(sample(n, 8_000.0))).collect(),
            Format::Pcm => (0..ms * 24).flat_map(|n| sample(n, 24_000.0).to_le_bytes()).collect(),
        }
    }
}

struct Session {
    inner: Arc<Inner>,
    socket: WebSocketStream<TcpStream>,
    is_beta: bool,
    is_set: bool,
    format: Format,
    /// Less than 20 milliseconds.
    heard: Vec<i16>,
    is_speaking: bool,
    quiet_ms: usize,
    /// What it was told last.
    told: String,
    /// Tools that are not answered.
    open: Vec<String>,
    is_active: bool,
    /// Milliseconds of sound in each item of ours.
    items: HashMap<String, usize>,
    /// What is still to be sent of an answer.
    to_send: VecDeque<Value>,
    count: usize,
}

impl Session {
    async fn run(&mut self) -> Result<(), Error> {
        self.send(json!({"type": "session.created", "session": {"object": "realtime.session"}})).await?;
        loop {
            let text = tokio::select! {
                biased;
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Err(error),
                    None => return Ok(()),
                },
                () = std::future::ready(()), if !self.to_send.is_empty() => {
                    self.send_next().await?;
                    continue;
                }
            };
            let event: Value = serde_json::from_str(&text).unwrap_or_default();
            if event["type"] != "input_audio_buffer.append" {
                self.inner.note(Stage::Realtime, event.clone());
            }
            self.take(&event).await?;
        }
    }

    async fn send(&mut self, event: Value) -> Result<(), Error> {
        let mut event = event;
        self.count += 1;
        event["event_id"] = format!("event_{}", self.count).into();
        match (self.inner.manner(Stage::Realtime), event["type"].as_str().unwrap_or_default()) {
            (Manner::Well | Manner::Drips | Manner::Late(_), _) => {}
            (Manner::Refuses(429), "response.done") => {
                let error = json!({"type": "rate_limit_exceeded", "code": "rate_limit_exceeded",
                                   "message": "Rate limit reached for sk-test"});
                event["response"]["status"] = "failed".into();
                event["response"]["status_details"] = json!({"type": "failed", "error": error});
            }
            (Manner::Refuses(429), _) => {}
            (Manner::Refuses(_), _) => {
                let error =
                    json!({"type": "server_error", "code": null, "message": "The server had an error"});
                event = json!({"type": "error", "event_id": event["event_id"], "error": error});
            }
            (Manner::Hangs, _) => {
                while let Some(Ok(_)) = self.socket.next().await {}
                return Err(Error::ConnectionClosed);
            }
            (Manner::Nonsense, _) => return self.socket.send(Message::text("<html>nonsense</html>")).await,
            (Manner::BreaksOff | Manner::BreaksOffLast, _) => {
                self.socket.get_mut().shutdown().await?;
                return Err(Error::ConnectionClosed);
            }
        }
        self.socket.send(Message::text(event.to_string())).await
    }

    async fn send_next(&mut self) -> Result<(), Error> {
        let Some(event) = self.to_send.pop_front() else { return Ok(()) };
        if event["type"] == "response.done" {
            self.is_active = false;
        }
        let is_sound = event["delta"].is_string() && event["type"].as_str().unwrap().contains("audio.delta");
        if self.inner.manner(Stage::Realtime) != Manner::Drips || !is_sound {
            return self.send(event).await;
        }
        // A few samples of sound now and then.
        let mut event = event;
        event["delta"] = event["delta"].as_str().unwrap()[..8].into();
        self.send(event.clone()).await?;
        self.to_send.push_front(event);
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(())
    }

    async fn refuse(&mut self, code: &str, message: &str) -> Result<(), Error> {
        self.inner.note(Stage::Realtime, json!({"refused": code, "message": message}));
        let error = json!({"type": "invalid_request_error", "code": code, "message": message, "param": null});
        self.send(json!({"type": "error", "error": error})).await
    }

    async fn take(&mut self, event: &Value) -> Result<(), Error> {
        match event["type"].as_str().unwrap_or_default() {
            "session.update" => match self.set(&event["session"]) {
                Ok(()) => self.send(json!({"type": "session.updated", "session": event["session"]})).await,
                Err(problem) => self.refuse("invalid_value", &problem).await,
            },
            "input_audio_buffer.append" => {
                let Ok(bytes) = STANDARD.decode(event["audio"].as_str().unwrap_or_default()) else {
                    return self.refuse("invalid_value", "audio is no base64").await;
                };
                self.heard.extend(self.format.samples(&bytes));
                while self.heard.len() >= 160 {
                    let frame: Vec<i16> = self.heard.drain(..160).collect();
                    self.listen(&frame).await?;
                }
                Ok(())
            }
            "input_audio_buffer.commit" => self.commit().await,
            "conversation.item.create" => self.create(&event["item"]).await,
            "conversation.item.truncate" => self.truncate(event).await,
            "response.create" if self.is_active => {
                self.refuse("conversation_already_has_active_response", "there is an active response").await
            }
            "response.create" => self.respond().await,
            "response.cancel" if !self.is_active => {
                self.refuse("response_cancel_not_active", "Cancellation failed: no active response found")
                    .await
            }
            "response.cancel" => self.cancel().await,
            kind => {
                let message = format!("unknown event {kind}");
                self.refuse("invalid_value", &message).await
            }
        }
    }

    /// Each dialect refuses the fields of the other one.
    fn set(&mut self, session: &Value) -> Result<(), String> {
        let (kind, voice, turns) = match self.is_beta {
            true => {
                let fields = [
                    "modalities",
                    "instructions",
                    "voice",
                    "input_audio_format",
                    "output_audio_format",
                    "input_audio_transcription",
                    "turn_detection",
                    "tools",
                    "tool_choice",
                ];
                known(session, &fields)?;
                if session["input_audio_format"] != session["output_audio_format"] {
                    return Err("one format is meant".into());
                }
                (
                    session["input_audio_format"].clone(),
                    session["voice"].clone(),
                    session["turn_detection"].clone(),
                )
            }
            false => {
                let fields = ["type", "output_modalities", "instructions", "tools", "tool_choice", "audio"];
                known(session, &fields)?;
                if session["type"] != "realtime" || session["output_modalities"] != json!(["audio"]) {
                    return Err("session.type and output_modalities are wrong".into());
                }
                let (input, output) = (&session["audio"]["input"], &session["audio"]["output"]);
                known(input, &["format", "transcription", "turn_detection"])?;
                known(output, &["format", "voice"])?;
                if input["format"]["type"] == "audio/pcm" && input["format"]["rate"] != 24_000 {
                    return Err("pcm has 24000 samples a second".into());
                }
                (input["format"]["type"].clone(), output["voice"].clone(), input["turn_detection"].clone())
            }
        };
        self.format = match (self.is_beta, kind.as_str().unwrap_or_default()) {
            (false, "audio/pcmu") | (true, "g711_ulaw") => Format::Law(Codec::Pcmu),
            (false, "audio/pcma") | (true, "g711_alaw") => Format::Law(Codec::Pcma),
            (false, "audio/pcm") | (true, "pcm16") => Format::Pcm,
            (_, format) => return Err(format!("unknown format {format}")),
        };
        if !voice.is_string() || turns["type"] != "server_vad" {
            return Err("no voice, or no turn detection".into());
        }
        for tool in session["tools"].as_array().into_iter().flatten() {
            known(tool, &["type", "name", "description", "parameters"])?;
        }
        self.is_set = true;
        Ok(())
    }

    /// Hears turns, going by how loud it is.
    async fn listen(&mut self, frame: &[i16]) -> Result<(), Error> {
        let is_loud = level(frame) > LOUD;
        self.quiet_ms = if is_loud { 0 } else { self.quiet_ms + 20 };
        if is_loud && !self.is_speaking {
            self.is_speaking = true;
            self.send(
                json!({"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "user"}),
            )
            .await?;
            if self.is_active {
                self.cancel().await?;
            }
        } else if self.is_speaking && self.quiet_ms >= QUIET_MS {
            self.is_speaking = false;
            let text = self.inner.next_heard();
            let item = format!("user_{}", self.count);
            for event in [
                json!({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 0, "item_id": item}),
                json!({"type": "input_audio_buffer.committed", "item_id": item}),
                json!({"type": "conversation.item.input_audio_transcription.completed", "item_id": item,
                       "content_index": 0, "transcript": text}),
            ] {
                self.send(event).await?;
            }
            self.told = text;
            if !self.inner.answers_when_asked.load(Ordering::SeqCst) {
                self.respond().await?;
            }
        }
        Ok(())
    }

    /// What was heard so far is all; whoever says so gets no answer to it.
    async fn commit(&mut self) -> Result<(), Error> {
        if !self.is_speaking {
            return self.refuse("input_audio_buffer_commit_empty", "the buffer is empty").await;
        }
        self.is_speaking = false;
        let (item, text) = (format!("user_{}", self.count), self.inner.next_heard());
        self.send(json!({"type": "input_audio_buffer.committed", "item_id": item})).await?;
        self.send(json!({"type": "conversation.item.input_audio_transcription.completed", "item_id": item,
                   "content_index": 0, "transcript": text}))
            .await
    }

    async fn create(&mut self, item: &Value) -> Result<(), Error> {
        let content = &item["content"][0];
        match (item["type"].as_str(), item["role"].as_str(), content["type"].as_str()) {
            (Some("message"), Some("user"), Some("input_text")) => {
                self.told = content["text"].as_str().unwrap_or_default().to_owned();
            }
            (Some("message"), Some("assistant"), Some("output_text")) if !self.is_beta => {}
            (Some("message"), Some("assistant"), Some("text")) if self.is_beta => {}
            (Some("function_call_output"), ..) => {
                let id = item["call_id"].as_str().unwrap_or_default();
                let Some(at) = self.open.iter().position(|open| open == id) else {
                    let message = format!("no tool call {id}");
                    return self.refuse("invalid_tool_call_id", &message).await;
                };
                self.open.remove(at);
                self.told = item["output"].as_str().unwrap_or_default().to_owned();
            }
            other => {
                let message = format!("unknown item {other:?}");
                return self.refuse("invalid_value", &message).await;
            }
        }
        let kind = if self.is_beta { "conversation.item.created" } else { "conversation.item.added" };
        self.send(json!({"type": kind, "item": item})).await
    }

    async fn truncate(&mut self, event: &Value) -> Result<(), Error> {
        let item = event["item_id"].as_str().unwrap_or_default();
        let ms = event["audio_end_ms"].as_u64().unwrap_or(u64::MAX) as usize;
        match self.items.get(item) {
            None => self.refuse("item_truncate_invalid_item_id", "no such item").await,
            Some(of) if ms > *of => {
                let message = format!("Audio content of {of}ms is already shorter than {ms}ms");
                self.refuse("invalid_value", &message).await
            }
            Some(_) => {
                self.items.insert(item.to_owned(), ms);
                self.send(json!({"type": "conversation.item.truncated", "item_id": item, "audio_end_ms": ms,
                                 "content_index": 0}))
                    .await
            }
        }
    }

    /// Stops an answer: what was sent stays sent.
    async fn cancel(&mut self) -> Result<(), Error> {
        self.to_send.clear();
        self.is_active = false;
        self.send(json!({"type": "response.done", "response": {"status": "cancelled", "output": []}})).await
    }

    /// Makes an answer ready to be sent.
    async fn respond(&mut self) -> Result<(), Error> {
        let Answer { text, tools } = (self.inner.mind)(&self.told);
        self.is_active = true;
        let response = format!("resp_{}", self.count);
        let prefix = if self.is_beta { "response.audio" } else { "response.output_audio" };
        let mut events =
            vec![json!({"type": "response.created", "response": {"id": response, "status": "in_progress"}})];
        if !text.is_empty() {
            let item = format!("item_{}", self.count);
            let ms = text.chars().count() * LETTER_MS;
            self.items.insert(item.clone(), ms);
            events
                .push(json!({"type": "response.output_item.added", "item": {"id": item, "type": "message"}}));
            let mut at = 0;
            let words: Vec<&str> = text.split_inclusive(' ').collect();
            for word in words {
                events.push(
                    json!({"type": format!("{prefix}_transcript.delta"), "item_id": item, "delta": word}),
                );
            }
            while at < ms {
                let piece = DELTA_MS.min(ms - at);
                at += piece;
                let delta = STANDARD.encode(self.format.tone(piece));
                events.push(
                    json!({"type": format!("{prefix}.delta"), "response_id": response, "item_id": item,
                                   "content_index": 0, "delta": delta}),
                );
            }
            events.push(json!({"type": format!("{prefix}.done"), "item_id": item}));
            events.push(
                json!({"type": format!("{prefix}_transcript.done"), "item_id": item, "transcript": text}),
            );
        }
        let mut output = Vec::new();
        for (index, (name, arguments)) in tools.iter().enumerate() {
            let call_id = format!("call_{}_{index}", self.count);
            self.open.push(call_id.clone());
            let item =
                json!({"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments});
            let mut done = json!({"type": "response.function_call_arguments.done", "call_id": call_id, "arguments": arguments});
            if !self.is_beta {
                done["name"] = (*name).into();
            }
            events.extend([done, json!({"type": "response.output_item.done", "item": item})]);
            output.push(item);
        }
        let usage = json!({"input_tokens": 50, "output_tokens": 20, "total_tokens": 70});
        events.push(json!({"type": "response.done", "response": {"id": response, "status": "completed",
                                                                 "output": output, "usage": usage}}));
        self.to_send.extend(events);
        Ok(())
    }
}

/// Fields that are not known are refused.
fn known(object: &Value, fields: &[&str]) -> Result<(), String> {
    let names = object.as_object().ok_or("an object is wanted")?.keys();
    match names.into_iter().find(|name| !fields.contains(&name.as_str())) {
        Some(name) => Err(format!("Unknown parameter: '{name}'.")),
        None => Ok(()),
    }
}
