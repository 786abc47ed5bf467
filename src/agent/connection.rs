//! The connection of one conversation to a model that hears and speaks: it is made, the session is set, and sound goes
//! either way in the form that the session says.

use super::dialect::{self, Event, PCM_RATE, Session};
use super::settings::{Dialect, Settings, Sound};
use super::socket::Socket;
use super::tools;
use super::wire::{Place, Server};
use crate::clock::Clock;
use crate::domain::agent::Brief;
use crate::media::g711::Codec;
use crate::media::resample::Stream;
use crate::media::{FRAME, RATE};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde_json::Value;
use std::sync::Arc;

/// Frames that are sent at a time: 40 milliseconds.
const BATCH: usize = 2 * FRAME;
/// A server that tells so often what nobody understands, or that something is wrong, speaks another protocol.
pub(super) const PROBLEMS_MAX: u32 = 5;
/// What is said of such a server.
pub(super) const NONSENSE: &str = "the realtime model tells what nobody understands";

/// The model: where it is, and how it is talked to.
pub(super) struct Model {
    server: Server,
    /// Its name there.
    pub(super) name: String,
    transcription: String,
    voice: String,
    /// The form of the protocol.
    pub(super) dialect: Dialect,
    sound: Sound,
    /// How long it may take.
    pub(super) limit: TimeDelta,
    clock: Arc<dyn Clock>,
}

impl Model {
    /// The model of the settings; the error is a sentence.
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Model, String> {
        let part = &settings.realtime;
        let place = Place {
            section: "realtime",
            name: "the realtime model",
            url: &part.url,
            api_key: &part.api_key,
            api_key_file: &part.api_key_file,
        };
        Ok(Model {
            server: Server::new(place, settings, clock.clone())?,
            name: part.model.clone(),
            transcription: settings.transcription.model.clone(),
            voice: part.voice.clone(),
            dialect: part.dialect,
            sound: part.sound,
            limit: TimeDelta::seconds(part.timeout_seconds.into()),
            clock,
        })
    }

    /// The host of its server.
    pub(super) fn host(&self) -> String {
        self.server.host()
    }

    /// Connects, and has the session set.
    pub(super) async fn connect(&self, brief: &Brief, line: Codec) -> Result<Connection, String> {
        let until = self.clock.steady() + self.limit;
        let path = format!("/realtime?model={}", percent_encoded(&self.name));
        let headers: &[(&'static str, &str)] = match self.dialect {
            Dialect::Ga => &[],
            Dialect::Beta => &[("openai-beta", "realtime=v1")],
        };
        let mut socket = Socket::open(&self.server, &path, headers, until, self.clock.clone()).await?;
        let session = Session {
            dialect: self.dialect,
            sound: self.sound,
            line,
            transcription: &self.transcription,
            voice: brief.voice.id.as_deref().unwrap_or(&self.voice),
            brief,
            tools: &tools::definitions(&brief.tools),
        };
        socket.send(&session.update()).await?;
        let mut strange = 0;
        loop {
            let text = tokio::select! {
                text = socket.next() => text?,
                () = self.clock.sleep_until(until) => {
                    return Err("the realtime model took too long to take its instructions".into());
                }
            };
            match Event::read(&text) {
                Some(Event::Ready) => return Ok(Connection::new(socket, self.sound, line)),
                Some(Event::Error(word, message)) => return Err(self.refused(&word, &message)),
                None if strange == PROBLEMS_MAX => return Err(NONSENSE.into()),
                None => strange += 1,
                Some(_) => {}
            }
        }
    }

    /// What is said of something that it refused, with a word for it and a sentence.
    pub(super) fn refused(&self, word: &str, message: &str) -> String {
        let told = if message.is_empty() { word } else { message };
        format!("the realtime model refused: {}", self.server.masked(told))
    }
}

fn percent_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// One connection. It ends when this is dropped.
pub(super) struct Connection {
    socket: Socket,
    sound: Sound,
    codec: Codec,
    up: Stream,
    down: Stream,
    /// Sound that is not sent yet.
    batch: Vec<i16>,
}

impl Connection {
    fn new(socket: Socket, sound: Sound, codec: Codec) -> Connection {
        let (up, down) = (Stream::new(RATE, PCM_RATE), Stream::new(PCM_RATE, RATE));
        Connection { socket, sound, codec, up, down, batch: Vec::new() }
    }

    /// The next that is told. If this is not waited for, nothing is lost.
    pub(super) async fn next(&mut self) -> Result<String, String> {
        self.socket.next().await
    }

    /// Sends a document.
    pub(super) async fn send(&mut self, document: &Value) -> Result<(), String> {
        self.socket.send(document).await
    }

    /// Sends sound of the person, a few frames at a time.
    pub(super) async fn send_sound(&mut self, sound: &[i16]) -> Result<(), String> {
        self.batch.extend_from_slice(sound);
        if self.batch.len() < BATCH {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let bytes: Vec<u8> = match self.sound {
            Sound::G711 => batch.iter().map(|sample| self.codec.encode(*sample)).collect(),
            Sound::Pcm => self.up.push(&batch).into_iter().flat_map(i16::to_le_bytes).collect(),
        };
        self.send(&dialect::append(&STANDARD.encode(bytes))).await
    }

    /// The bytes of sound of the model; none if it is no sound.
    pub(super) fn bytes(sound: &str) -> Option<Vec<u8>> {
        STANDARD.decode(sound).ok()
    }

    /// Samples for the line, of the next bytes of an answer.
    pub(super) fn samples(&mut self, bytes: &[u8]) -> Vec<i16> {
        match self.sound {
            Sound::G711 => bytes.iter().map(|byte| self.codec.decode(*byte)).collect(),
            Sound::Pcm => {
                let (pairs, _) = bytes.as_chunks::<2>();
                let wide: Vec<i16> = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
                self.down.push(&wide)
            }
        }
    }

    /// An answer is over; the sound of the next one does not follow from it.
    pub(super) fn answer_is_over(&mut self) {
        self.down = Stream::new(PCM_RATE, RATE);
    }
}
