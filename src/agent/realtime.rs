//! A conversation with one model that hears and speaks, over one connection for each call.
//!
//! ```text
//!   sound ──► the server, which hears turns by itself ──► sound, faster than it is heard ──► playout
//!                 │ speech begins                                                              │
//!                 └──► what was not heard is taken back; the model is told how much was ◄──────┘
//! ```

use super::chat::{Call, Chat};
use super::connection::{Connection, Model, NONSENSE, PROBLEMS_MAX};
use super::dialect::{self, Event, SILENCE_MS};
use super::items::{ITEMS_MAX, Items, Spoken, TEXT_MAX};
use super::notes::milliseconds;
use super::settings::{Opening, Settings};
use super::telephone::{Over, Telephone};
use super::{Agent, Conversation, Heard, Judging, Said, judge, notes};
use crate::clock::Clock;
use crate::domain::Instant;
use crate::domain::agent::{Brief, Latency, Line};
use crate::media::RATE;
use crate::media::g711::Codec;
use crate::speech::{Sound, Synthesizer};
use chrono::TimeDelta;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Nobody listens to more than this at one go; what comes beyond is left out.
const AHEAD_MS: u64 = 120_000;
/// The item of the opening that the voice of the settings says.
const OPENING: &str = "opening";

/// The model.
pub(super) struct Realtime {
    parts: Arc<Parts>,
}

struct Parts {
    name: String,
    seats: usize,
    model: Model,
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
        let opener = match settings.opening {
            Some(Opening::Voice) => Some(voice?),
            Some(Opening::Model) | None => None,
        };
        let parts = Parts {
            name: format!("realtime {}", settings.realtime.model),
            seats: settings.max_concurrent as usize,
            model: Model::new(settings, clock.clone())?,
            chat: Chat::new(settings, clock.clone())?,
            opener,
            clock,
        };
        Ok(Realtime { parts: Arc::new(parts) })
    }

    /// The model itself.
    pub(super) fn model(&self) -> &Model {
        &self.parts.model
    }
}

impl Agent for Realtime {
    fn name(&self) -> &str {
        &self.parts.name
    }

    fn converse(&self, brief: Arc<Brief>, line: Codec) -> Conversation {
        let (conversation, heard, said) = Conversation::begin();
        tokio::spawn(hold(self.parts.clone(), brief, line, heard, said));
        conversation
    }

    fn judge(&self, brief: Arc<Brief>, lines: Vec<Line>) -> Judging {
        judge::judge(self.parts.chat.clone(), brief, lines)
    }

    fn seats(&self) -> usize {
        self.parts.seats
    }
}

impl Parts {
    /// The opening by the voice of the settings; without it the model says the first words.
    async fn opening(&self, brief: &Brief) -> Option<Sound> {
        let opener = self.opener.as_ref()?;
        let said = tokio::select! {
            said = opener.say(&brief.opening, &brief.voice) => said.map_err(|problem| problem.to_string()),
            () = self.clock.sleep_until(self.clock.steady() + self.model.limit) => Err("the voice took too long".into()),
        };
        said.inspect_err(|why| tracing::warn!(%why, "the model says the opening")).ok()
    }
}

async fn hold(
    parts: Arc<Parts>,
    brief: Arc<Brief>,
    line: Codec,
    mut heard: mpsc::Receiver<Heard>,
    said: mpsc::Sender<Said>,
) {
    let telephone = Telephone::new(said.clone(), &parts.model.name);
    match led(parts, brief, line, &mut heard, telephone).await {
        Ok(()) | Err(Over::Gone) => {}
        Err(Over::Failed(problem)) => {
            // Nobody listens any more when the call is ending.
            let _ = said.send(Said::Failed(problem)).await;
        }
    }
}

async fn led(
    parts: Arc<Parts>,
    brief: Arc<Brief>,
    line: Codec,
    heard: &mut mpsc::Receiver<Heard>,
    telephone: Telephone,
) -> Result<(), Over> {
    let answered_at = parts.clock.steady();
    let opening = async {
        let Some(sound) = parts.opening(&brief).await else { return Ok(None) };
        // Heard at once, while the connection is made.
        telephone.say(Said::Play(sound.to_vec())).await?;
        Ok(Some((sound.len(), parts.clock.steady())))
    };
    let connected = async { parts.model.connect(&brief, line).await.map_err(Over::Failed) };
    let (opening, connection) = tokio::select! {
        both = async { tokio::try_join!(opening, connected) } => both?,
        // The person is gone before it is connected.
        gone = telephone.gone() => return Err(gone),
    };
    let mut talk = Talk::new(parts.clone(), brief, connection, telephone);
    let held = async {
        talk.open(opening, answered_at).await?;
        talk.lead(heard).await
    };
    let over = held.await;
    if matches!(over, Err(Over::Failed(_))) {
        talk.last_words().await?;
    }
    over
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
    telephone: Telephone,
    connection: Connection,
    items: Items,
    response: Option<Response>,
    wants_response: bool,
    /// The first sound of an answer is waited for.
    awaited: Option<Awaited>,
    /// When the person who is speaking began.
    speaks_since: Option<Instant>,
    /// When what will be written down began and ended.
    spoke: Option<(Instant, Instant)>,
    /// From when the turn counts.
    turn_since: Option<Instant>,
    responses: u32,
    /// The names of the tools that it asked for.
    asked: VecDeque<String>,
    quiet: notes::Patience,
    problems: u32,
}

enum Happened {
    Heard(Heard),
    Told(String),
    Due,
}

impl Talk {
    fn new(parts: Arc<Parts>, brief: Arc<Brief>, connection: Connection, telephone: Telephone) -> Talk {
        Talk {
            parts,
            brief,
            telephone,
            connection,
            items: Items::default(),
            response: None,
            wants_response: false,
            awaited: None,
            speaks_since: None,
            spoke: None,
            turn_since: None,
            responses: 0,
            asked: VecDeque::new(),
            quiet: notes::Patience::default(),
            problems: 0,
        }
    }

    fn now(&self) -> Instant {
        self.parts.clock.steady()
    }

    /// The first words: those that are being heard already, or the model's.
    async fn open(&mut self, opening: Option<(usize, Instant)>, answered_at: Instant) -> Result<(), Over> {
        let Some((samples, began_at)) = opening else {
            self.connection.send(&dialect::user_item(&notes::open_with(&self.brief.opening))).await?;
            self.turn_since = Some(answered_at);
            self.wants_response = true;
            return Ok(());
        };
        self.items.add_whole(OPENING, &self.brief.opening, samples, began_at);
        let first_sound_ms = milliseconds(began_at - answered_at);
        let latency = Latency { first_sound_ms, voice_ms: Some(first_sound_ms), ..Latency::default() };
        self.telephone.turn(latency).await
    }

    async fn lead(&mut self, heard: &mut mpsc::Receiver<Heard>) -> Result<(), Over> {
        loop {
            self.settle().await?;
            let until = self.due();
            let clock = self.parts.clock.clone();
            let happened = tokio::select! {
                told = heard.recv() => Happened::Heard(told.ok_or(Over::Gone)?),
                text = self.connection.next() => Happened::Told(text?),
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
        self.response.is_none() && self.awaited.is_none() && self.items.are_silent()
    }

    /// Begins what can be begun.
    async fn settle(&mut self) -> Result<(), Over> {
        let may_answer = self.response.is_none() && !self.telephone.is_asked() && self.speaks_since.is_none();
        if self.wants_response && may_answer {
            self.wants_response = false;
            let is_enough = self.responses >= notes::TURNS_MAX;
            if is_enough && !self.telephone.is_parting() {
                self.say_goodbye().await?;
            }
            if !is_enough || std::mem::take(&mut self.wants_response) {
                self.awaited = Some(Awaited { since: self.now(), is_asked: true });
                self.connection.send(&json!({"type": "response.create"})).await?;
            }
        }
        // No answer is asked for while a tool has none, and the one that ends the conversation has none before it does.
        let has_more_to_say = self.wants_response && !self.telephone.is_asked();
        if self.is_speechless() && !has_more_to_say {
            self.telephone.part().await?;
        }
        let is_idle = self.is_speechless()
            && !self.wants_response
            && self.speaks_since.is_none()
            && !self.telephone.is_asked()
            && !self.telephone.is_parting();
        let now = self.now();
        self.quiet.look(is_idle, now);
        Ok(())
    }

    /// A server that answers by itself, and has not even begun to, is asked for it then.
    fn ask_due(&self) -> Option<Instant> {
        let awaited = self.awaited.filter(|awaited| !awaited.is_asked && self.response.is_none())?;
        Some(awaited.since + self.parts.model.limit / 2)
    }

    /// By when an answer must have gone on: its first sound comes in time, and what follows no slower than it is heard.
    fn answer_due(&self) -> Option<Instant> {
        let limit = self.parts.model.limit;
        let first = self.awaited.map(|awaited| awaited.since + limit);
        let rest =
            self.response.as_ref().map(|response| response.since + heard_for(response.samples) + limit);
        first.into_iter().chain(rest).min()
    }

    fn due(&self) -> Option<Instant> {
        let due = [self.telephone.due(), self.ask_due(), self.answer_due(), self.quiet.due()];
        due.into_iter().flatten().min()
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
        for number in self.telephone.on_time(now).await? {
            self.replied(number, notes::NO_REPLY).await?;
        }
        match self.quiet.lost(now) {
            None => Ok(()),
            Some(notes::Lost::Ask) => self.tell(notes::SILENT).await,
            Some(notes::Lost::Part) => self.say_goodbye().await,
        }
    }

    /// Tells the model something, and wants an answer.
    async fn tell(&mut self, text: &str) -> Result<(), Over> {
        self.connection.send(&dialect::user_item(text)).await?;
        self.wants_response = true;
        Ok(())
    }

    /// Ends the call by itself, with the words for it.
    async fn say_goodbye(&mut self) -> Result<(), Over> {
        self.tell(&notes::part_with(&self.brief.goodbye)).await?;
        self.telephone.part_later(self.now());
        Ok(())
    }

    async fn hear(&mut self, heard: Heard) -> Result<(), Over> {
        match heard {
            Heard::Sound(sound) => Ok(self.connection.send_sound(&sound).await?),
            Heard::Key(key) => {
                self.quiet.is_over();
                self.interrupted().await?;
                self.tell(&notes::pressed(key)).await
            }
            Heard::Played(samples) => {
                let spoken = self.items.heard(samples, self.now());
                self.spoke_items(spoken).await
            }
            Heard::Hushed(samples) => {
                self.telephone.hushed(self.now());
                let spoken = self.items.hushed(samples, self.now());
                self.spoke_items(spoken).await
            }
            Heard::Reply(number, answer) => self.replied(number, &answer).await,
            Heard::TimeIsNearlyUp => self.tell(notes::TIME_IS_NEARLY_UP).await,
        }
    }

    /// Items were heard, to their end or as far as they came: the model remembers so much of them.
    async fn spoke_items(&mut self, spoken: Vec<Spoken>) -> Result<(), Over> {
        for Spoken { fragment, line } in spoken {
            if fragment.what == OPENING {
                let text = line.as_ref().map(|line| line.text.as_str()).unwrap_or_default();
                let remembered = if fragment.is_whole() { text.to_owned() } else { notes::cut_off(text) };
                let item = dialect::assistant_item(self.parts.model.dialect, &remembered);
                self.connection.send(&item).await?;
            } else if !fragment.is_whole() {
                self.connection.send(&dialect::truncate(&fragment.what, fragment.milliseconds())).await?;
            }
            if let Some(line) = line {
                self.telephone.say(Said::Line(line)).await?;
            }
        }
        Ok(())
    }

    /// It cannot go on: what was heard of what was being said.
    async fn last_words(&mut self) -> Result<(), Over> {
        for line in self.items.break_off(self.now()).into_iter().filter_map(|spoken| spoken.line) {
            self.telephone.say(Said::Line(line)).await?;
        }
        Ok(())
    }

    /// The person speaks, or does something: what was being said is no longer wanted.
    async fn interrupted(&mut self) -> Result<(), Over> {
        self.awaited = None;
        let is_answering = self.response.is_some() && !self.is_cut_off();
        if let Some(response) = &mut self.response {
            response.is_cut_off = true;
        }
        if self.items.hush() {
            self.telephone.hush(self.now()).await?;
        }
        // A server that stops by itself has nothing left to stop.
        if is_answering {
            self.connection.send(&json!({"type": "response.cancel"})).await?;
        }
        match self.telephone.goes_on() {
            Some(number) => self.replied(number, notes::WENT_ON).await,
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
                let line = Line { by_agent: false, text, began_at, ended_at, is_cut_off: false };
                self.telephone.say(Said::Line(line)).await
            }
            Event::Began => {
                self.response = Some(Response { since: now, samples: 0, is_cut_off: false });
                self.responses += 1;
                self.wants_response |= self.responses == notes::TURNS_MAX;
                Ok(())
            }
            Event::Sound(item, sound) => self.sounds(&item, &sound).await,
            Event::Words(..) | Event::AllWords(..) if self.is_cut_off() => Ok(()),
            Event::Words(item, text) => {
                self.items.add_words(&item, &text, now);
                Ok(())
            }
            Event::AllWords(item, text) => {
                self.items.set_words(&item, &text, now);
                Ok(())
            }
            Event::Call(call) => self.ask(call).await,
            Event::Done { calls, used, failure } => {
                self.done(used).await?;
                if let Some(failure) = failure {
                    return Err(Over::Failed(self.parts.model.refused("", &failure)));
                }
                for call in calls {
                    self.ask(call).await?;
                }
                let spoken = self.items.heard_out(self.now());
                self.spoke_items(spoken).await
            }
            Event::Error(word, _) if dialect::is_harmless(&word) => Ok(()),
            Event::Error(word, message) => {
                self.problems += 1;
                let why = self.parts.model.refused(&word, &message);
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

    /// What still comes of the answer is not wanted.
    fn is_cut_off(&self) -> bool {
        self.response.as_ref().is_some_and(|response| response.is_cut_off)
    }

    async fn sounds(&mut self, id: &str, sound: &str) -> Result<(), Over> {
        let Some(bytes) = Connection::bytes(sound) else { return self.strange() };
        let now = self.now();
        // Some servers answer without saying first that they do.
        let response = self.response.get_or_insert(Response { since: now, samples: 0, is_cut_off: false });
        if response.is_cut_off || self.items.waiting_ms() > AHEAD_MS {
            return Ok(());
        }
        let samples = self.connection.samples(&bytes);
        if samples.is_empty() {
            return Ok(());
        }
        if response.samples == 0 {
            response.since = now;
        }
        response.samples += samples.len();
        self.awaited = None;
        self.items.add_sound(id, samples.len(), now);
        self.telephone.say(Said::Play(samples)).await?;
        match self.turn_since.take() {
            None => Ok(()),
            Some(since) => {
                let first_sound_ms = milliseconds(now - since);
                self.telephone.turn(Latency { first_sound_ms, ..Latency::default() }).await
            }
        }
    }

    async fn done(&mut self, used: (u64, u64)) -> Result<(), Over> {
        self.response = None;
        self.items.are_whole();
        // An answer without a sound, as one of nothing but tools.
        if self.speaks_since.is_none() {
            self.awaited = None;
        }
        self.connection.answer_is_over();
        self.telephone.used(used).await
    }

    /// Asks for a tool, once however often it is told of.
    async fn ask(&mut self, call: Call) -> Result<(), Over> {
        if self.asked.contains(&call.id) {
            return Ok(());
        }
        if self.asked.len() == ITEMS_MAX {
            self.asked.pop_front();
        }
        self.asked.push_back(call.id.clone());
        match self.telephone.ask(call, &self.brief, self.now()).await? {
            Some((number, answer)) => self.replied(number, answer).await,
            None => Ok(()),
        }
    }

    async fn replied(&mut self, number: u64, answer: &str) -> Result<(), Over> {
        let Some(id) = self.telephone.answered(number) else { return Ok(()) };
        self.wants_response = true;
        Ok(self.connection.send(&dialect::tool_item(&id, answer)).await?)
    }
}

/// How long it takes to hear so many samples.
fn heard_for(samples: usize) -> TimeDelta {
    TimeDelta::milliseconds(samples as i64 * 1_000 / i64::from(RATE))
}
