//! A conversation with one model that hears and speaks, over one connection for each call.
//!
//! ```text
//!   sound ──► the server, which hears turns by itself ──► sound, faster than it is heard ──► playout
//!                 │ speech begins                                                              │
//!                 └──► what was not heard is taken back; the model is told how much was ◄──────┘
//! ```

use super::chat::Chat;
use super::dialect::{self, Event, PCM_RATE, SILENCE_MS, Session};
use super::notes::milliseconds;
use super::playout::{Heard as Fragment, Playout, split};
use super::settings::{Dialect, Opening, Settings, Sound};
use super::socket::Socket;
use super::wire::{Place, Server};
use super::{Agent, Conversation, HEARD_MAX, Heard, Judging, SAID_MAX, Said, check, judge, notes, tools};
use crate::clock::Clock;
use crate::domain::Instant;
use crate::domain::agent::{Brief, Latency, Line, Tool, Usage};
use crate::media::g711::Codec;
use crate::media::resample::Stream;
use crate::media::{FRAME, RATE};
use crate::speech::{self, Synthesizer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Frames that are sent at a time: 40 milliseconds.
const BATCH: usize = 2 * FRAME;
/// Nobody listens to more than this at one go; what comes beyond is left out.
const AHEAD_MS: u64 = 120_000;
/// Items that are remembered.
const ITEMS_MAX: usize = 64;
/// Letters of one item.
const TEXT_MAX: usize = 8 * 1024;
/// A server that tells so often what nobody understands, or that something is wrong, speaks another protocol.
const PROBLEMS_MAX: u32 = 5;
/// The item of the opening that the voice of the settings says.
const OPENING: &str = "opening";

/// The model.
pub(super) struct Realtime {
    parts: Arc<Parts>,
}

struct Parts {
    name: String,
    seats: usize,
    server: Server,
    model: String,
    transcription: String,
    voice: String,
    dialect: Dialect,
    sound: Sound,
    limit: TimeDelta,
    /// Judges.
    chat: Chat,
    /// Says the opening, where that is wanted.
    opener: Option<Arc<dyn Synthesizer>>,
    clock: Arc<dyn Clock>,
}

impl Realtime {
    /// The model of the settings; the error is a sentence. The voice is only needed where it says the opening.
    pub(super) fn new(
        settings: &Settings,
        voice: Result<Arc<dyn Synthesizer>, String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Realtime, String> {
        let part = &settings.realtime;
        let place = Place {
            section: "realtime",
            name: "the realtime model",
            url: &part.url,
            api_key: &part.api_key,
            api_key_file: &part.api_key_file,
        };
        let opener = match settings.opening {
            Some(Opening::Voice) => Some(voice?),
            Some(Opening::Model) | None => None,
        };
        let parts = Parts {
            name: format!("realtime {}", part.model),
            seats: settings.max_concurrent as usize,
            server: Server::new(place, settings, clock.clone())?,
            model: part.model.clone(),
            transcription: settings.transcription.model.clone(),
            voice: part.voice.clone(),
            dialect: part.dialect,
            sound: part.sound,
            limit: TimeDelta::seconds(part.timeout_seconds.into()),
            chat: Chat::new(settings, clock.clone())?,
            opener,
            clock,
        };
        Ok(Realtime { parts: Arc::new(parts) })
    }
}

impl Realtime {
    /// The host of its server.
    pub(super) fn host(&self) -> String {
        self.parts.server.host()
    }

    /// Connects, has a session set, and hears one answer: how long that took, and what was said.
    pub(super) async fn check(&self, brief: &Brief, line: Codec) -> Result<String, String> {
        let (parts, clock) = (&self.parts, &self.parts.clock);
        let began = clock.steady();
        let mut socket = parts.connect(brief, line).await?;
        let connected = clock.steady();
        socket.send(&dialect::user_item("Hello, who are you?")).await?;
        socket.send(&json!({"type": "response.create"})).await?;
        let until = connected + parts.limit * 2;
        let (mut first, mut words) = (None, String::new());
        loop {
            let text = tokio::select! {
                text = socket.next() => text?,
                () = clock.sleep_until(until) => return Err("the realtime model took too long to answer".into()),
            };
            match Event::read(&text) {
                Some(Event::Sound(..)) => {
                    first.get_or_insert(clock.steady());
                }
                Some(Event::AllWords(_, text)) => words = text,
                Some(Event::Error(word, message)) => return Err(parts.refused(&word, &message)),
                Some(Event::Done { failure: Some(failure), .. }) => return Err(parts.refused("", &failure)),
                Some(Event::Done { .. }) => break,
                Some(_) | None => {}
            }
        }
        let first = first.ok_or("the realtime model answered without a sound")?;
        let (ready, first) = (check::milliseconds(connected - began), check::milliseconds(first - connected));
        Ok(format!(
            "{ready} ms until its session is set, {first} ms to its first sound: {}",
            check::shown(&words)
        ))
    }
}

impl Agent for Realtime {
    fn name(&self) -> &str {
        &self.parts.name
    }

    fn converse(&self, brief: Arc<Brief>, line: Codec) -> Conversation {
        let (to_heard, heard) = mpsc::channel(HEARD_MAX);
        let (to_said, said) = mpsc::channel(SAID_MAX);
        tokio::spawn(hold(self.parts.clone(), brief, line, heard, to_said));
        Conversation { heard: to_heard, said }
    }

    fn judge(&self, brief: Arc<Brief>, lines: Vec<Line>) -> Judging {
        judge::judge(self.parts.chat.clone(), brief, lines)
    }

    fn seats(&self) -> usize {
        self.parts.seats
    }
}

impl Parts {
    /// Connects, and has the session set.
    async fn connect(&self, brief: &Brief, line: Codec) -> Result<Socket, String> {
        let until = self.clock.steady() + self.limit;
        let path = format!("/realtime?model={}", percent_encoded(&self.model));
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
                Some(Event::Ready) => return Ok(socket),
                Some(Event::Error(word, message)) => return Err(self.refused(&word, &message)),
                None if strange == PROBLEMS_MAX => return Err(NONSENSE.into()),
                None => strange += 1,
                Some(_) => {}
            }
        }
    }

    /// The opening by the voice of the settings; without it the model says the first words.
    async fn opening(&self, brief: &Brief) -> Option<speech::Sound> {
        let opener = self.opener.as_ref()?;
        let said = tokio::select! {
            said = opener.say(&brief.opening, &brief.voice) => said.map_err(|problem| problem.to_string()),
            () = self.clock.sleep_until(self.clock.steady() + self.limit) => Err("the voice took too long".into()),
        };
        said.inspect_err(|why| tracing::warn!(%why, "the model says the opening")).ok()
    }

    fn refused(&self, word: &str, message: &str) -> String {
        let told = if message.is_empty() { word } else { message };
        format!("the realtime model refused: {}", self.server.masked(told))
    }
}

const NONSENSE: &str = "the realtime model tells what nobody understands";

fn percent_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Why a conversation is over.
enum Over {
    /// Nobody listens any more.
    Gone,
    /// It cannot go on.
    Failed(String),
}

impl From<String> for Over {
    fn from(problem: String) -> Over {
        Over::Failed(problem)
    }
}

async fn hold(
    parts: Arc<Parts>,
    brief: Arc<Brief>,
    line: Codec,
    mut heard: mpsc::Receiver<Heard>,
    said: mpsc::Sender<Said>,
) {
    let led = async {
        let answered_at = parts.clock.steady();
        let opening = async {
            let Some(sound) = parts.opening(&brief).await else { return Ok(None) };
            // Heard at once, while the connection is made.
            said.send(Said::Play(sound.to_vec())).await.map_err(|_| Over::Gone)?;
            Ok::<_, Over>(Some((sound.len(), parts.clock.steady())))
        };
        let connected = async { parts.connect(&brief, line).await.map_err(Over::Failed) };
        let (opening, socket) = tokio::select! {
            both = async { tokio::try_join!(opening, connected) } => both?,
            // The person is gone before it is connected.
            () = said.closed() => return Err(Over::Gone),
        };
        let mut talk = Talk::new(parts.clone(), brief, line, socket, said.clone());
        let held = async {
            talk.open(opening, answered_at).await?;
            talk.lead(&mut heard).await
        };
        let over = held.await;
        if matches!(over, Err(Over::Failed(_))) {
            talk.last_words().await?;
        }
        over
    };
    match led.await {
        Ok(()) | Err(Over::Gone) => {}
        Err(Over::Failed(problem)) => {
            // Nobody listens any more when the call is ending.
            let _ = said.send(Said::Failed(problem)).await;
        }
    }
}

/// Something that the model says.
struct Item {
    id: String,
    text: String,
    began_at: Instant,
}

/// A tool that is asked for when the words before it have been heard.
struct Parting {
    number: u64,
    tool: Tool,
    until: Instant,
}

/// An answer that is waited for.
#[derive(Clone, Copy)]
struct Awaited {
    since: Instant,
    /// We asked for it; else the server answers by itself.
    is_asked: bool,
}

/// An answer on its way.
struct Response {
    /// Of its first sound, or of its beginning.
    since: Instant,
    /// Of its sound so far.
    samples: usize,
    /// It was interrupted: what still comes of it is not wanted.
    is_cut_off: bool,
}

struct Talk {
    parts: Arc<Parts>,
    brief: Arc<Brief>,
    said: mpsc::Sender<Said>,
    socket: Socket,
    codec: Codec,
    up: Stream,
    down: Stream,
    /// Sound that is not sent yet.
    batch: Vec<i16>,
    playout: Playout<String>,
    heard: u64,
    items: VecDeque<Item>,
    /// The item whose sound is coming.
    growing: Option<String>,
    response: Option<Response>,
    wants_response: bool,
    /// The first sound of an answer is waited for.
    awaited: Option<Awaited>,
    /// When the person who is speaking began.
    speaks_since: Option<Instant>,
    /// When we were asked to be silent, and how long that took.
    hushes_since: Option<Instant>,
    barge_in: Option<TimeDelta>,
    /// When what will be written down began and ended.
    spoke: Option<(Instant, Instant)>,
    /// From when the turn counts.
    turn_since: Option<Instant>,
    count: u64,
    responses: u32,
    tools_used: usize,
    open: Vec<(u64, String)>,
    open_until: Instant,
    asked: VecDeque<String>,
    parting: Option<Parting>,
    quiet: notes::Patience,
    problems: u32,
    usage: Usage,
}

enum Happened {
    Heard(Heard),
    Told(String),
    Due,
}

impl Talk {
    fn new(
        parts: Arc<Parts>,
        brief: Arc<Brief>,
        codec: Codec,
        socket: Socket,
        said: mpsc::Sender<Said>,
    ) -> Talk {
        let now = parts.clock.steady();
        let usage = Usage { model: parts.model.clone(), ..Usage::default() };
        Talk {
            parts,
            brief,
            said,
            socket,
            codec,
            up: Stream::new(RATE, PCM_RATE),
            down: Stream::new(PCM_RATE, RATE),
            batch: Vec::new(),
            playout: Playout::default(),
            heard: 0,
            items: VecDeque::new(),
            growing: None,
            response: None,
            wants_response: false,
            awaited: None,
            speaks_since: None,
            hushes_since: None,
            barge_in: None,
            spoke: None,
            turn_since: None,
            count: 0,
            responses: 0,
            tools_used: 0,
            open: Vec::new(),
            open_until: now,
            asked: VecDeque::new(),
            parting: None,
            quiet: notes::Patience::default(),
            problems: 0,
            usage,
        }
    }

    fn now(&self) -> Instant {
        self.parts.clock.steady()
    }

    fn say(&self, said: Said) -> impl Future<Output = Result<(), Over>> + Send + use<> {
        let to = self.said.clone();
        async move { to.send(said).await.map_err(|_| Over::Gone) }
    }

    /// The first words: those that are being heard already, or the model's.
    async fn open(&mut self, opening: Option<(usize, Instant)>, answered_at: Instant) -> Result<(), Over> {
        let Some((samples, began_at)) = opening else {
            self.socket.send(&dialect::user_item(&notes::open_with(&self.brief.opening))).await?;
            self.turn_since = Some(answered_at);
            self.wants_response = true;
            return Ok(());
        };
        self.playout.give(OPENING.into(), samples);
        self.items.push_back(Item { id: OPENING.into(), text: self.brief.opening.clone(), began_at });
        let first_sound_ms = milliseconds(began_at - answered_at);
        self.say(Said::Turn(Latency { first_sound_ms, voice_ms: Some(first_sound_ms), ..Latency::default() }))
            .await
    }

    async fn lead(&mut self, heard: &mut mpsc::Receiver<Heard>) -> Result<(), Over> {
        loop {
            self.settle().await?;
            let until = self.due();
            let clock = self.parts.clock.clone();
            let happened = tokio::select! {
                told = heard.recv() => Happened::Heard(told.ok_or(Over::Gone)?),
                text = self.socket.next() => Happened::Told(text?),
                () = clock.sleep_until(until.unwrap_or(Instant::MAX_UTC)), if until.is_some() => Happened::Due,
            };
            match happened {
                Happened::Heard(heard) => self.hear(heard).await?,
                Happened::Told(text) => self.told(&text).await?,
                Happened::Due => self.on_time().await?,
            }
        }
    }

    /// Nothing is on its way to the person.
    fn is_speechless(&self) -> bool {
        self.response.is_none() && self.awaited.is_none() && self.playout.is_silent()
    }

    /// Begins what can be begun.
    async fn settle(&mut self) -> Result<(), Over> {
        let may_answer = self.response.is_none() && self.open.is_empty() && self.speaks_since.is_none();
        if self.wants_response && may_answer {
            self.wants_response = false;
            let is_enough = self.responses >= notes::TURNS_MAX;
            if is_enough && self.parting.is_none() {
                self.say_goodbye().await?;
            }
            if !is_enough || std::mem::take(&mut self.wants_response) {
                self.awaited = Some(Awaited { since: self.now(), is_asked: true });
                self.socket.send(&json!({"type": "response.create"})).await?;
            }
        }
        // No answer is asked for while a tool has none, and the one that ends the conversation has none before it does.
        let has_more_to_say = self.wants_response && self.open.is_empty();
        if self.is_speechless() && !has_more_to_say {
            self.part().await?;
        }
        let is_idle = self.is_speechless()
            && !self.wants_response
            && self.speaks_since.is_none()
            && self.open.is_empty()
            && self.parting.is_none();
        let now = self.now();
        self.quiet.look(is_idle, now);
        Ok(())
    }

    /// A server that answers by itself, and has not even begun to, is asked for it then.
    fn ask_due(&self) -> Option<Instant> {
        let awaited = self.awaited.filter(|awaited| !awaited.is_asked && self.response.is_none())?;
        Some(awaited.since + self.parts.limit / 2)
    }

    /// By when an answer must have gone on: its first sound comes in time, and what follows no slower than it is heard.
    fn answer_due(&self) -> Option<Instant> {
        let limit = self.parts.limit;
        let first = self.awaited.map(|awaited| awaited.since + limit);
        let rest =
            self.response.as_ref().map(|response| response.since + heard_for(response.samples) + limit);
        first.into_iter().chain(rest).min()
    }

    fn due(&self) -> Option<Instant> {
        let parting = self.parting.as_ref().map(|parting| parting.until);
        let open = (!self.open.is_empty()).then_some(self.open_until);
        [parting, open, self.ask_due(), self.answer_due(), self.quiet.due()].into_iter().flatten().min()
    }

    async fn on_time(&mut self) -> Result<(), Over> {
        let now = self.now();
        if self.ask_due().is_some_and(|due| due <= now) {
            self.awaited = None;
            self.wants_response = true;
        }
        if self.answer_due().is_some_and(|due| due <= now) {
            return Err(Over::Failed("the realtime model took too long".into()));
        }
        if self.parting.as_ref().is_some_and(|parting| parting.until <= now) {
            self.part().await?;
        }
        if !self.open.is_empty() && self.open_until <= now {
            for (number, _) in self.open.clone() {
                self.replied(number, notes::NO_REPLY).await?;
            }
        }
        match self.quiet.lost(now) {
            None => Ok(()),
            Some(notes::Lost::Ask) => self.tell(notes::SILENT).await,
            Some(notes::Lost::Part) => self.say_goodbye().await,
        }
    }

    /// Tells the model something, and wants an answer.
    async fn tell(&mut self, text: &str) -> Result<(), Over> {
        self.socket.send(&dialect::user_item(text)).await?;
        self.wants_response = true;
        Ok(())
    }

    /// Ends the call by itself, with the words for it.
    async fn say_goodbye(&mut self) -> Result<(), Over> {
        self.tell(&notes::part_with(&self.brief.goodbye)).await?;
        self.count += 1;
        let until = self.now() + notes::GOODBYE_MAX;
        self.parting = Some(Parting { number: self.count, tool: Tool::EndCall, until });
        Ok(())
    }

    async fn hear(&mut self, heard: Heard) -> Result<(), Over> {
        match heard {
            Heard::Sound(sound) => self.send_sound(&sound).await,
            Heard::Key(key) => {
                self.quiet.is_over();
                self.interrupted().await?;
                self.tell(&notes::pressed(key)).await
            }
            Heard::Played(samples) => {
                self.heard = samples;
                self.heard_out().await
            }
            Heard::Hushed(samples) => {
                self.heard = samples;
                self.barge_in = self.hushes_since.take().map(|since| self.now() - since);
                for fragment in self.playout.hushed(samples) {
                    self.item_heard(fragment).await?;
                }
                Ok(())
            }
            Heard::Reply(number, answer) => self.replied(number, &answer).await,
            Heard::TimeIsNearlyUp => self.tell(notes::TIME_IS_NEARLY_UP).await,
        }
    }

    async fn send_sound(&mut self, sound: &[i16]) -> Result<(), Over> {
        self.batch.extend_from_slice(sound);
        if self.batch.len() < BATCH {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let bytes: Vec<u8> = match self.parts.sound {
            Sound::G711 => batch.iter().map(|sample| self.codec.encode(*sample)).collect(),
            Sound::Pcm => self.up.push(&batch).into_iter().flat_map(i16::to_le_bytes).collect(),
        };
        Ok(self.socket.send(&dialect::append(&STANDARD.encode(bytes))).await?)
    }

    /// Tells of what was heard to its end.
    async fn heard_out(&mut self) -> Result<(), Over> {
        for fragment in self.playout.heard(self.heard, self.growing.as_ref()) {
            self.item_heard(fragment).await?;
        }
        Ok(())
    }

    /// An item was heard, to its end or as far as it came: the model remembers so much of it.
    async fn item_heard(&mut self, fragment: Fragment<String>) -> Result<(), Over> {
        let line = self.line(&fragment);
        if fragment.what == OPENING {
            let text = line.as_ref().map(|line| line.text.as_str()).unwrap_or_default();
            let remembered = if fragment.is_whole() { text.to_owned() } else { notes::cut_off(text) };
            self.socket.send(&dialect::assistant_item(self.parts.dialect, &remembered)).await?;
        } else if !fragment.is_whole() {
            self.socket.send(&dialect::truncate(&fragment.what, fragment.milliseconds())).await?;
        }
        match line {
            Some(line) => self.say(Said::Line(line)).await,
            None => Ok(()),
        }
    }

    /// The words of an item that were heard; none if none were.
    fn line(&mut self, fragment: &Fragment<String>) -> Option<Line> {
        let at = self.items.iter().position(|item| item.id == fragment.what)?;
        let item = self.items.remove(at)?;
        let (text, _) = split(&item.text, fragment.samples, fragment.of);
        let is_cut_off = !fragment.is_whole();
        let line = Line { by_agent: true, text, began_at: item.began_at, ended_at: self.now(), is_cut_off };
        Some(line).filter(|line| !line.text.is_empty())
    }

    /// It cannot go on: what was heard of what was being said.
    async fn last_words(&mut self) -> Result<(), Over> {
        self.playout.hush();
        for fragment in self.playout.hushed(self.heard) {
            if let Some(line) = self.line(&fragment) {
                self.say(Said::Line(line)).await?;
            }
        }
        Ok(())
    }

    /// The person speaks, or does something: what was being said is no longer wanted.
    async fn interrupted(&mut self) -> Result<(), Over> {
        self.awaited = None;
        let is_answering = self.response.as_ref().is_some_and(|response| !response.is_cut_off);
        if let Some(response) = &mut self.response {
            response.is_cut_off = true;
        }
        self.growing = None;
        if self.playout.hush() {
            self.hushes_since = Some(self.now());
            self.say(Said::Hush).await?;
        }
        // A server that stops by itself has nothing left to stop.
        if is_answering {
            self.socket.send(&json!({"type": "response.cancel"})).await?;
        }
        match self.parting.take() {
            Some(parting) => self.replied(parting.number, notes::WENT_ON).await,
            None => Ok(()),
        }
    }

    async fn told(&mut self, text: &str) -> Result<(), Over> {
        let Some(event) = Event::read(text) else { return self.strange() };
        let now = self.now();
        match event {
            Event::Ready | Event::Other => Ok(()),
            Event::SpeechStarted => {
                self.speaks_since = Some(now);
                self.quiet.is_over();
                self.interrupted().await
            }
            Event::SpeechStopped => {
                let ended_at = now - TimeDelta::milliseconds(SILENCE_MS.into());
                let began_at = self.speaks_since.take().unwrap_or(ended_at).min(ended_at);
                self.spoke = Some((began_at, ended_at));
                self.turn_since = Some(ended_at);
                // The server answers by itself.
                self.awaited = Some(Awaited { since: now, is_asked: false });
                Ok(())
            }
            Event::Said(text) => {
                let text: String = text.trim().chars().take(TEXT_MAX).collect();
                let (began_at, ended_at) = self.spoke.take().unwrap_or((now, now));
                if text.is_empty() {
                    return Ok(());
                }
                self.say(Said::Line(Line { by_agent: false, text, began_at, ended_at, is_cut_off: false }))
                    .await
            }
            Event::Began => {
                self.response = Some(Response { since: now, samples: 0, is_cut_off: false });
                self.responses += 1;
                self.wants_response |= self.responses == notes::TURNS_MAX;
                Ok(())
            }
            Event::Sound(item, sound) => self.sounds(item, &sound).await,
            Event::Words(item, text) => {
                self.item(item, now).iter_mut().for_each(|item| {
                    if item.text.len() + text.len() <= TEXT_MAX {
                        item.text.push_str(&text);
                    }
                });
                Ok(())
            }
            Event::AllWords(item, text) => {
                let text: String = text.trim().chars().take(TEXT_MAX).collect();
                self.item(item, now).into_iter().for_each(|item| item.text = text.clone());
                Ok(())
            }
            Event::Call(id, name, arguments) => self.ask(id, &name, &arguments).await,
            Event::Done { calls, used, failure } => {
                self.done(used).await?;
                if let Some(failure) = failure {
                    return Err(Over::Failed(self.parts.refused("", &failure)));
                }
                for (id, name, arguments) in calls {
                    self.ask(id, &name, &arguments).await?;
                }
                self.heard_out().await
            }
            Event::Error(word, _) if dialect::is_harmless(&word) => Ok(()),
            Event::Error(word, message) => {
                self.problems += 1;
                let why = self.parts.refused(&word, &message);
                tracing::warn!(%why, "the agent's server is not content");
                let is_fatal =
                    word.contains("quota") || word.contains("expired") || word.contains("rate_limit");
                if is_fatal || self.problems > PROBLEMS_MAX { Err(Over::Failed(why)) } else { Ok(()) }
            }
        }
    }

    fn strange(&mut self) -> Result<(), Over> {
        self.problems += 1;
        if self.problems > PROBLEMS_MAX { Err(Over::Failed(NONSENSE.into())) } else { Ok(()) }
    }

    /// An item whose sound or words come.
    fn item(&mut self, id: String, now: Instant) -> Option<&mut Item> {
        if self.response.as_ref().is_some_and(|response| response.is_cut_off) {
            return None;
        }
        if !self.items.iter().any(|item| item.id == id) {
            if self.items.len() == ITEMS_MAX {
                self.items.pop_front();
            }
            self.items.push_back(Item { id: id.clone(), text: String::new(), began_at: now });
        }
        self.items.iter_mut().find(|item| item.id == id)
    }

    async fn sounds(&mut self, id: String, sound: &str) -> Result<(), Over> {
        let Ok(bytes) = STANDARD.decode(sound) else { return self.strange() };
        let now = self.now();
        // Some servers answer without saying first that they do.
        let response = self.response.get_or_insert(Response { since: now, samples: 0, is_cut_off: false });
        if response.is_cut_off || self.playout.waiting_ms() > AHEAD_MS {
            return Ok(());
        }
        let samples = match self.parts.sound {
            Sound::G711 => bytes.iter().map(|byte| self.codec.decode(*byte)).collect(),
            Sound::Pcm => {
                let (pairs, _) = bytes.as_chunks::<2>();
                let wide: Vec<i16> = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
                self.down.push(&wide)
            }
        };
        if samples.is_empty() {
            return Ok(());
        }
        if response.samples == 0 {
            response.since = now;
        }
        response.samples += samples.len();
        self.awaited = None;
        self.item(id.clone(), now);
        self.playout.give(id.clone(), samples.len());
        self.growing = Some(id);
        self.say(Said::Play(samples)).await?;
        match self.turn_since.take() {
            None => Ok(()),
            Some(since) => {
                let first_sound_ms = milliseconds(now - since);
                let barge_in_ms = self.barge_in.take().map(milliseconds);
                self.say(Said::Turn(Latency { first_sound_ms, barge_in_ms, ..Latency::default() })).await
            }
        }
    }

    async fn done(&mut self, (input, output): (u64, u64)) -> Result<(), Over> {
        self.response = None;
        self.growing = None;
        // An answer without a sound, as one of nothing but tools.
        if self.speaks_since.is_none() {
            self.awaited = None;
        }
        self.down = Stream::new(PCM_RATE, RATE);
        self.usage.input_tokens += input;
        self.usage.output_tokens += output;
        self.say(Said::Used(self.usage.clone())).await
    }

    /// Asks for a tool, once however often it is told of.
    async fn ask(&mut self, id: String, name: &str, arguments: &str) -> Result<(), Over> {
        if self.asked.contains(&id) {
            return Ok(());
        }
        if self.asked.len() == ITEMS_MAX {
            self.asked.pop_front();
        }
        self.asked.push_back(id.clone());
        self.count += 1;
        let number = self.count;
        self.open.push((number, id));
        self.open_until = self.now() + notes::REPLY_MAX;
        self.tools_used += 1;
        if self.tools_used > notes::TOOLS_MAX {
            return self.replied(number, notes::NO_MORE_TOOLS).await;
        }
        let tool = Tool::read(name, arguments, &self.brief);
        if !tools::is_last(&tool) {
            return self.say(Said::Asks(number, tool)).await;
        }
        if self.parting.is_some() {
            return self.replied(number, notes::PARTING).await;
        }
        let until = self.now() + notes::GOODBYE_MAX;
        self.parting = Some(Parting { number, tool, until });
        Ok(())
    }

    async fn part(&mut self) -> Result<(), Over> {
        match self.parting.take() {
            Some(Parting { number, tool, .. }) => self.say(Said::Asks(number, tool)).await,
            None => Ok(()),
        }
    }

    async fn replied(&mut self, number: u64, answer: &str) -> Result<(), Over> {
        let Some(at) = self.open.iter().position(|(open, _)| *open == number) else { return Ok(()) };
        let (_, id) = self.open.remove(at);
        self.wants_response = true;
        Ok(self.socket.send(&dialect::tool_item(&id, answer)).await?)
    }
}

/// How long it takes to hear so many samples.
fn heard_for(samples: usize) -> TimeDelta {
    TimeDelta::milliseconds(samples as i64 * 1_000 / i64::from(RATE))
}
