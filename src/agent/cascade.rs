//! A conversation by a chain of servers: ears, transcription, model, voice.
//!
//! ```text
//!   sound ──► ears ──turn──► transcription ──text──► model ──sentences──► voice ──► playout
//!               │                                      │ tools ▲
//!               └── begins to speak: all that follows  ▼       │ answers
//!                   is let go of, and what was not   telephone ┘
//!                   heard is forgotten
//! ```

use super::chat::{Call, Chat, Message, Piece, Reply};
use super::ears::{Ears, QUIET_MS, Turn};
use super::judge;
use super::notes::{self, milliseconds};
use super::playout::{Heard as Fragment, Playout, split};
use super::sentences::Sentences;
use super::settings::{Opening, Settings};
use super::tools;
use super::transcription::Transcription;
use super::{Agent, Conversation, HEARD_MAX, Heard, Judging, SAID_MAX, Said};
use crate::clock::Clock;
use crate::domain::Instant;
use crate::domain::agent::{Brief, Latency, Line, Tool, Usage};
use crate::domain::phrases::Phrases;
use crate::media::g711::Codec;
use crate::speech::{Saying, Sound, Speaker, SpeechError, Synthesizer};
use chrono::TimeDelta;
use serde_json::Value;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How long a sentence may take to become sound.
const VOICE_MAX: TimeDelta = TimeDelta::seconds(8);
/// A stage that fails this soon is tried again, once in a turn; later nobody would wait for it.
const AGAIN_WITHIN: TimeDelta = TimeDelta::seconds(2);
/// Whoever has waited for an answer for so long is asked for a moment.
const MOMENT_AFTER: TimeDelta = TimeDelta::milliseconds(2_500);
/// Sound that is made ahead of what is heard.
const AHEAD_MS: u64 = 15_000;
/// Answers of the model in a row, with nothing but answers of tools between them.
const ROUNDS_MAX: u32 = 6;
/// Utterances that wait to be understood.
const WAITING_MAX: usize = 4;

/// The chain.
pub(super) struct Cascade {
    parts: Arc<Parts>,
}

struct Parts {
    name: String,
    seats: usize,
    opening: Opening,
    transcription: Transcription,
    chat: Chat,
    /// Remembers what it has said: the opening is ready before anybody picks up.
    voice: Arc<dyn Synthesizer>,
    /// Does not, for what is said once.
    fresh: Arc<dyn Synthesizer>,
    clock: Arc<dyn Clock>,
}

impl Cascade {
    /// The chain of the settings; the error is a sentence.
    pub(super) fn new(
        settings: &Settings,
        speaker: Speaker,
        clock: Arc<dyn Clock>,
    ) -> Result<Cascade, String> {
        let chat = Chat::new(settings, clock.clone())?;
        let parts = Parts {
            name: format!("cascade {}", chat.model()),
            seats: settings.max_concurrent as usize,
            opening: settings.opening.unwrap_or(Opening::Voice),
            transcription: Transcription::new(settings, clock.clone())?,
            chat,
            voice: speaker.synthesizer,
            fresh: speaker.fresh,
            clock,
        };
        Ok(Cascade { parts: Arc::new(parts) })
    }
}

impl Agent for Cascade {
    fn name(&self) -> &str {
        &self.parts.name
    }

    fn converse(&self, brief: Arc<Brief>, _: Codec) -> Conversation {
        let (to_heard, heard) = mpsc::channel(HEARD_MAX);
        let (to_said, said) = mpsc::channel(SAID_MAX);
        let talk = Talk::new(self.parts.clone(), brief, to_said);
        tokio::spawn(talk.run(heard));
        Conversation { heard: to_heard, said }
    }

    fn judge(&self, brief: Arc<Brief>, lines: Vec<Line>) -> Judging {
        judge::judge(self.parts.chat.clone(), brief, lines)
    }

    fn seats(&self) -> usize {
        self.parts.seats
    }
}

/// Why a conversation is over.
enum Over {
    /// Nobody listens any more.
    Gone,
    /// It cannot go on.
    Failed(String),
}

type Understanding = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// What somebody said.
#[derive(Clone)]
struct Utterance {
    sound: Arc<[i16]>,
    began_at: Instant,
    ended_at: Instant,
}

/// The same, becoming text.
struct Hearing {
    utterance: Utterance,
    text: Understanding,
    asked_at: Instant,
}

/// The model at work.
enum Thinking {
    Asked(Pin<Box<dyn Future<Output = Result<Reply, String>> + Send>>),
    Answers(Box<Reply>),
}

impl Thinking {
    /// The next part of the answer; none at its end. If this is not waited for, nothing is lost.
    async fn next(&mut self) -> Option<Result<Piece, String>> {
        loop {
            match self {
                Thinking::Asked(asked) => match asked.await {
                    Ok(reply) => *self = Thinking::Answers(Box::new(reply)),
                    Err(problem) => return Some(Err(problem)),
                },
                Thinking::Answers(reply) => return reply.next().await,
            }
        }
    }
}

/// A sentence that becomes sound.
struct Voicing {
    text: String,
    /// It was said before, or may be said again.
    is_known: bool,
    saying: Saying,
    asked_at: Instant,
}

/// What the agent says in one go.
#[derive(Default)]
struct Answer {
    /// What was heard of it.
    heard: String,
    began_at: Option<Instant>,
    /// Where it stands in the memory.
    at: Vec<usize>,
    /// What would have come.
    unsaid: Vec<String>,
}

/// What a turn took so far.
struct Stages {
    ended_at: Instant,
    transcription: Option<TimeDelta>,
    model: Option<TimeDelta>,
}

/// A tool that is asked for when the words before it have been heard.
struct Parting {
    number: u64,
    tool: Tool,
    until: Instant,
}

struct Talk {
    parts: Arc<Parts>,
    brief: Arc<Brief>,
    said: mpsc::Sender<Said>,
    tools: Vec<Value>,
    memory: Vec<Message>,
    ears: Ears,
    /// When the person who is speaking began.
    began_at: Option<Instant>,
    /// When we were asked to be silent, and how long that took.
    hushes_since: Option<Instant>,
    barge_in: Option<TimeDelta>,
    hearing: Option<Hearing>,
    /// What else they said meanwhile.
    to_hear: VecDeque<Utterance>,
    thinking: Option<Thinking>,
    thinking_since: Instant,
    /// What the model has said of its answer, and which tools it wants.
    text: String,
    calls: Vec<Call>,
    sentences: Sentences,
    to_voice: VecDeque<(String, bool)>,
    voicing: Option<Voicing>,
    playout: Playout<(u64, String)>,
    /// Counts sentences, and tools.
    count: u64,
    answer: Option<Answer>,
    /// What was cut off, while it is not known whether anybody said anything.
    to_resume: Vec<String>,
    /// Somebody made a sound while the model was at work.
    owes_answer: bool,
    /// Tools that were asked for and not answered, with the model's names for them.
    open: Vec<(u64, Option<String>)>,
    open_until: Instant,
    parting: Option<Parting>,
    /// What the model has not been told yet.
    notes: Vec<String>,
    /// The model is to say something.
    wants_answer: bool,
    rounds: u32,
    turns: u32,
    tools_used: usize,
    /// A stage was tried again in this turn.
    is_second_try: bool,
    /// What is said when an answer is late, once in a turn.
    moment: Moment,
    was_asked_for_a_moment: bool,
    /// Since when the person waits for a sound.
    waits_since: Option<Instant>,
    stages: Option<Stages>,
    quiet: notes::Patience,
    usage: Usage,
}

/// A few words for whoever waits, made ahead: the voice may be what is late.
enum Moment {
    Unmade,
    Making(Saying),
    Made(Sound),
    /// It cannot be made.
    Missing,
}

enum Happened {
    Heard(Heard),
    Made(Result<Sound, SpeechError>),
    Understood(Result<String, String>),
    Thought(Option<Result<Piece, String>>),
    Voiced(Result<Sound, String>),
    Due,
}

impl Talk {
    fn new(parts: Arc<Parts>, brief: Arc<Brief>, said: mpsc::Sender<Said>) -> Talk {
        let now = parts.clock.steady();
        let usage = Usage { model: parts.chat.model().to_owned(), ..Usage::default() };
        Talk {
            tools: tools::definitions(&brief.tools),
            memory: vec![Message::System(brief.instructions.clone())],
            parts,
            brief,
            said,
            ears: Ears::default(),
            began_at: None,
            hushes_since: None,
            barge_in: None,
            hearing: None,
            to_hear: VecDeque::new(),
            thinking: None,
            thinking_since: now,
            text: String::new(),
            calls: Vec::new(),
            sentences: Sentences::default(),
            to_voice: VecDeque::new(),
            voicing: None,
            playout: Playout::default(),
            count: 0,
            answer: None,
            to_resume: Vec::new(),
            owes_answer: false,
            open: Vec::new(),
            open_until: now,
            parting: None,
            notes: Vec::new(),
            wants_answer: false,
            rounds: 0,
            turns: 0,
            tools_used: 0,
            is_second_try: false,
            moment: Moment::Unmade,
            was_asked_for_a_moment: false,
            waits_since: None,
            stages: None,
            quiet: notes::Patience::default(),
            usage,
        }
    }

    async fn run(mut self, mut heard: mpsc::Receiver<Heard>) {
        let Err(over) = self.lead(&mut heard).await else { return };
        match over {
            Over::Gone => {}
            Over::Failed(problem) => {
                // Nobody hears more than this of what was being said.
                self.playout.hush();
                let _ = self.hushed(0).await;
                // Nobody listens any more when the call is ending.
                let _ = self.said.send(Said::Failed(problem)).await;
            }
        }
    }

    async fn lead(&mut self, heard: &mut mpsc::Receiver<Heard>) -> Result<(), Over> {
        self.open();
        loop {
            self.settle().await?;
            let until = self.due();
            let clock = self.parts.clock.clone();
            let happened = tokio::select! {
                told = heard.recv() => Happened::Heard(told.ok_or(Over::Gone)?),
                text = understood(&mut self.hearing) => Happened::Understood(text),
                piece = thought(&mut self.thinking) => Happened::Thought(piece),
                sound = voiced(&mut self.voicing, &*clock) => Happened::Voiced(sound),
                sound = made(&mut self.moment) => Happened::Made(sound),
                () = clock.sleep_until(until.unwrap_or(Instant::MAX_UTC)), if until.is_some() => Happened::Due,
            };
            match happened {
                Happened::Heard(heard) => self.heard(heard).await?,
                Happened::Understood(text) => self.understood(text).await?,
                Happened::Thought(piece) => self.thought(piece).await?,
                Happened::Voiced(sound) => self.voiced(sound).await?,
                // If the voice fails, that is told when something is to be said.
                Happened::Made(sound) => self.moment = sound.map_or(Moment::Missing, Moment::Made),
                Happened::Due => self.on_time().await?,
            }
        }
    }

    fn now(&self) -> Instant {
        self.parts.clock.steady()
    }

    fn say(&self, said: Said) -> impl Future<Output = Result<(), Over>> + Send + use<> {
        let to = self.said.clone();
        async move { to.send(said).await.map_err(|_| Over::Gone) }
    }

    /// The first words.
    fn open(&mut self) {
        let now = self.now();
        let stages = Stages { ended_at: now, transcription: None, model: None };
        self.stages = Some(stages);
        match self.parts.opening {
            Opening::Voice => {
                self.memory.push(Message::User(notes::PICKED_UP.into()));
                self.memory.push(Message::Assistant { text: self.brief.opening.clone(), calls: Vec::new() });
                let at = vec![self.memory.len() - 1];
                self.answer = Some(Answer { at, ..Answer::default() });
                self.to_voice.push_back((self.brief.opening.clone(), true));
            }
            Opening::Model => {
                self.notes.push(notes::open_with(&self.brief.opening));
                self.wants_answer = true;
            }
        }
    }

    /// Nothing is on its way to the person.
    fn is_speechless(&self) -> bool {
        self.thinking.is_none() && self.voicing.is_none() && self.to_voice.is_empty()
    }

    /// Nobody says or does anything.
    fn is_idle(&self) -> bool {
        self.is_speechless()
            && self.playout.is_silent()
            && self.hearing.is_none()
            && !self.ears.hears_speech()
            && self.open.is_empty()
            && self.parting.is_none()
    }

    /// Begins what can be begun.
    async fn settle(&mut self) -> Result<(), Over> {
        if self.hearing.is_none()
            && let Some(utterance) = self.to_hear.pop_front()
        {
            self.understand(utterance);
        }
        if self.voicing.is_none()
            && self.playout.waiting_ms() < AHEAD_MS
            && let Some((text, is_known)) = self.to_voice.pop_front()
        {
            self.voice(text, is_known);
        }
        if self.is_speechless() && self.playout.is_silent() {
            self.end_answer(false).await?;
            self.part().await?;
        }
        let may_think = self.is_speechless()
            && self.open.is_empty()
            && self.parting.is_none()
            && self.hearing.is_none()
            && !self.ears.hears_speech();
        if self.wants_answer && may_think {
            self.think();
        }
        let (is_idle, now) = (self.is_idle(), self.now());
        self.quiet.look(is_idle, now);
        Ok(())
    }

    /// When something is due though nothing happens.
    fn due(&self) -> Option<Instant> {
        let parting = self.parting.as_ref().map(|parting| parting.until);
        let open = (!self.open.is_empty()).then_some(self.open_until);
        [parting, open, self.moment_due(), self.quiet.due()].into_iter().flatten().min()
    }

    /// When whoever waits is asked for a moment.
    fn moment_due(&self) -> Option<Instant> {
        let may_say = matches!(self.moment, Moment::Made(_)) && !self.was_asked_for_a_moment;
        self.waits_since.filter(|_| may_say && self.playout.is_silent()).map(|since| since + MOMENT_AFTER)
    }

    /// Asks whoever waits for a moment.
    async fn ask_for_a_moment(&mut self) -> Result<(), Over> {
        let Moment::Made(sound) = &self.moment else { return Ok(()) };
        if self.was_asked_for_a_moment || !self.playout.is_silent() {
            return Ok(());
        }
        self.was_asked_for_a_moment = true;
        let sound = sound.clone();
        self.play(self.words_for_a_moment().to_owned(), &sound).await
    }

    fn words_for_a_moment(&self) -> &'static str {
        Phrases::of(&self.brief.voice.language).moment
    }

    /// Gives a sentence to be heard.
    async fn play(&mut self, text: String, sound: &[i16]) -> Result<(), Over> {
        let now = self.now();
        self.count += 1;
        self.playout.give((self.count, text), sound.len());
        self.answer.get_or_insert_default().began_at.get_or_insert(now);
        self.say(Said::Play(sound.to_vec())).await
    }

    async fn on_time(&mut self) -> Result<(), Over> {
        let now = self.now();
        if self.parting.as_ref().is_some_and(|parting| parting.until <= now) {
            self.part().await?;
        }
        if !self.open.is_empty() && self.open_until <= now {
            for (number, _) in self.open.clone() {
                self.replied(number, notes::NO_REPLY.into());
            }
        }
        if self.moment_due().is_some_and(|due| due <= now) {
            self.ask_for_a_moment().await?;
        }
        match self.quiet.lost(now) {
            None => {}
            Some(notes::Lost::Ask) => {
                self.notes.push(notes::SILENT.into());
                self.wants_answer = true;
            }
            Some(notes::Lost::Part) => self.say_goodbye(),
        }
        Ok(())
    }

    /// Ends the call by itself, with the words for it.
    fn say_goodbye(&mut self) {
        self.to_voice.push_back((self.brief.goodbye.clone(), true));
        self.count += 1;
        let until = self.now() + notes::GOODBYE_MAX;
        self.parting = Some(Parting { number: self.count, tool: Tool::EndCall, until });
    }

    async fn heard(&mut self, heard: Heard) -> Result<(), Over> {
        match heard {
            Heard::Sound(sound) => {
                for turn in self.ears.take(&sound) {
                    match turn {
                        Turn::Began => self.interrupted().await?,
                        Turn::Ended(sound) => self.hear(sound),
                    }
                }
            }
            Heard::Key(key) => {
                self.interrupted().await?;
                self.began_at = None;
                self.told(notes::pressed(key));
            }
            Heard::Played(samples) => {
                let over = self.playout.heard(samples, None);
                over.iter().for_each(|fragment| self.was_heard(fragment));
            }
            Heard::Hushed(samples) => self.hushed(samples).await?,
            Heard::Reply(number, answer) => self.replied(number, answer),
            Heard::TimeIsNearlyUp => {
                self.notes.push(notes::TIME_IS_NEARLY_UP.into());
                self.wants_answer = true;
            }
        }
        Ok(())
    }

    /// The person said or did something that the model is to answer.
    fn told(&mut self, note: String) {
        self.notes.push(note);
        self.wants_answer = true;
        self.rounds = 0;
        self.begin_turn();
        self.quiet.is_over();
    }

    /// The person waits for an answer.
    fn begin_turn(&mut self) {
        if self.waits_since.is_none() {
            (self.is_second_try, self.was_asked_for_a_moment) = (false, false);
        }
        self.waits_since.get_or_insert(self.now());
    }

    /// Somebody begins to speak: what was being said is no longer wanted.
    async fn interrupted(&mut self) -> Result<(), Over> {
        self.began_at = Some(self.now());
        self.waits_since = None;
        self.owes_answer |= self.thinking.take().is_some();
        self.text.clear();
        self.calls.clear();
        let mut unsaid: Vec<String> = self.voicing.take().map(|voicing| voicing.text).into_iter().collect();
        unsaid.extend(self.to_voice.drain(..).map(|(text, _)| text));
        unsaid.extend(self.sentences.rest());
        if let Some(parting) = self.parting.take() {
            self.replied(parting.number, notes::WENT_ON.into());
        }
        if let Some(answer) = &mut self.answer {
            answer.unsaid.extend(unsaid);
        }
        if self.playout.hush() {
            self.hushes_since = Some(self.now());
            return self.say(Said::Hush).await;
        }
        let is_cut_off = self.answer.as_ref().is_some_and(|answer| !answer.unsaid.is_empty());
        self.end_answer(is_cut_off).await
    }

    /// It is silent now; so many samples had been heard.
    async fn hushed(&mut self, samples: u64) -> Result<(), Over> {
        self.barge_in = self.hushes_since.take().map(|since| self.now() - since);
        let mut unsaid = Vec::new();
        for fragment in self.playout.hushed(samples) {
            if !fragment.is_whole() {
                unsaid.push(split(&fragment.what.1, fragment.samples, fragment.of).1);
            }
            self.was_heard(&fragment);
        }
        if let Some(answer) = &mut self.answer {
            answer.unsaid.splice(0..0, unsaid);
        }
        self.end_answer(true).await
    }

    /// The person has heard this.
    fn was_heard(&mut self, fragment: &Fragment<(u64, String)>) {
        let Some(answer) = &mut self.answer else { return };
        let (heard, _) = split(&fragment.what.1, fragment.samples, fragment.of);
        if !heard.is_empty() {
            let blank = if answer.heard.is_empty() { "" } else { " " };
            answer.heard.push_str(blank);
            answer.heard.push_str(&heard);
        }
    }

    /// What the agent said is over: the model remembers what was heard of it.
    async fn end_answer(&mut self, is_cut_off: bool) -> Result<(), Over> {
        let Some(answer) = self.answer.take() else { return Ok(()) };
        let Answer { heard, began_at, at, unsaid } = answer;
        let mut remembered = match (is_cut_off, at.is_empty()) {
            (true, _) => Some(notes::cut_off(&heard)),
            (false, true) => Some(heard.clone()).filter(|heard| !heard.is_empty()),
            // All of it stands there already.
            (false, false) => None,
        };
        // It was not the model that said so.
        remembered = remembered.filter(|remembered| remembered.as_str() != self.words_for_a_moment());
        if remembered.is_some() {
            for at in at {
                if let Some(Message::Assistant { text, .. }) = self.memory.get_mut(at) {
                    *text = remembered.take().unwrap_or_default();
                }
            }
        }
        if let Some(text) = remembered {
            self.memory.push(Message::Assistant { text, calls: Vec::new() });
        }
        if is_cut_off {
            self.to_resume = unsaid;
        }
        let (Some(began_at), false) = (began_at, heard.is_empty()) else { return Ok(()) };
        let line = Line { by_agent: true, text: heard, began_at, ended_at: self.now(), is_cut_off };
        self.say(Said::Line(line)).await
    }

    /// Somebody has finished.
    fn hear(&mut self, sound: Vec<i16>) {
        let ended_at = self.now() - TimeDelta::milliseconds(QUIET_MS.into());
        let began_at = self.began_at.take().unwrap_or(ended_at);
        self.begin_turn();
        if self.to_hear.len() < WAITING_MAX {
            self.to_hear.push_back(Utterance { sound: sound.into(), began_at, ended_at });
        }
    }

    fn understand(&mut self, utterance: Utterance) {
        let (transcription, language) = (self.parts.transcription.clone(), self.brief.voice.language.clone());
        let sound = utterance.sound.clone();
        let text: Understanding = Box::pin(async move { transcription.text(&sound, &language).await });
        self.hearing = Some(Hearing { utterance, text, asked_at: self.now() });
    }

    async fn understood(&mut self, text: Result<String, String>) -> Result<(), Over> {
        let Some(Hearing { utterance, asked_at, .. }) = self.hearing.take() else { return Ok(()) };
        let took = self.now() - asked_at;
        match text {
            Err(problem) => {
                self.try_again(took, problem).await?;
                self.understand(utterance);
                Ok(())
            }
            Ok(text) if text.is_empty() => {
                // A cough, or a door: what it cut off is said after all.
                let unsaid = std::mem::take(&mut self.to_resume);
                self.to_voice.extend(unsaid.into_iter().map(|text| (text, false)));
                self.wants_answer |= std::mem::take(&mut self.owes_answer);
                if !self.wants_answer {
                    self.waits_since = None;
                }
                Ok(())
            }
            Ok(text) => {
                let Utterance { began_at, ended_at, .. } = utterance;
                self.to_resume.clear();
                self.owes_answer = false;
                self.stages = Some(Stages { ended_at, transcription: Some(took), model: None });
                self.told(text.clone());
                self.say(Said::Line(Line { by_agent: false, text, began_at, ended_at, is_cut_off: false }))
                    .await
            }
        }
    }

    /// A stage failed after so long: it may be tried again, once in a turn, while somebody would wait for it.
    async fn try_again(&mut self, took: TimeDelta, problem: String) -> Result<(), Over> {
        if took > AGAIN_WITHIN || std::mem::replace(&mut self.is_second_try, true) {
            return Err(Over::Failed(problem));
        }
        tracing::warn!(why = problem, "a server of the agent failed, and is asked again");
        self.ask_for_a_moment().await
    }

    /// Asks the model.
    fn think(&mut self) {
        self.wants_answer = false;
        self.turns += 1;
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX {
            return;
        }
        if self.turns > notes::TURNS_MAX {
            return self.say_goodbye();
        }
        if !self.notes.is_empty() {
            self.memory.push(Message::User(std::mem::take(&mut self.notes).join("\n")));
        }
        let forgotten = notes::forget(&mut self.memory);
        if let Some(answer) = &mut self.answer {
            answer.at = answer.at.iter().filter_map(|at| at.checked_sub(forgotten)).collect();
        }
        let (chat, memory, tools) = (self.parts.chat.clone(), self.memory.clone(), self.tools.clone());
        self.thinking = Some(Thinking::Asked(Box::pin(async move { chat.reply(&memory, &tools).await })));
        self.thinking_since = self.now();
        self.waits_since.get_or_insert(self.thinking_since);
    }

    async fn thought(&mut self, piece: Option<Result<Piece, String>>) -> Result<(), Over> {
        let took = self.now() - self.thinking_since;
        match piece {
            Some(Ok(Piece::Text(text))) => {
                if let Some(stages) = &mut self.stages {
                    stages.model.get_or_insert(took);
                }
                self.text.push_str(&text);
                let sentences = self.sentences.push(&text);
                self.add_sentences(sentences);
                Ok(())
            }
            Some(Ok(Piece::Call(call))) => {
                self.calls.push(call);
                Ok(())
            }
            Some(Ok(Piece::Used(input, output))) => {
                self.usage.input_tokens += input;
                self.usage.output_tokens += output;
                self.say(Said::Used(self.usage.clone())).await
            }
            Some(Err(problem)) => {
                self.thinking = None;
                if !self.text.is_empty() {
                    return Err(Over::Failed(problem));
                }
                self.try_again(took, problem).await?;
                self.rounds -= 1;
                self.wants_answer = true;
                Ok(())
            }
            None => self.thought_all().await,
        }
    }

    fn add_sentences(&mut self, sentences: impl IntoIterator<Item = String>) {
        for sentence in sentences {
            self.answer.get_or_insert_default();
            self.to_voice.push_back((sentence, false));
        }
    }

    /// The model has said all that it had to say.
    async fn thought_all(&mut self) -> Result<(), Over> {
        self.thinking = None;
        let rest = self.sentences.rest();
        self.add_sentences(rest);
        let (text, calls) = (std::mem::take(&mut self.text), std::mem::take(&mut self.calls));
        if text.trim().is_empty() && calls.is_empty() {
            self.waits_since = None;
            return Ok(());
        }
        self.memory.push(Message::Assistant { text, calls: calls.clone() });
        if let Some(answer) = &mut self.answer {
            answer.at.push(self.memory.len() - 1);
        }
        self.open_until = self.now() + notes::REPLY_MAX;
        for call in calls {
            self.ask(call).await?;
        }
        Ok(())
    }

    /// Asks for a tool, or for one that ends the conversation once the words before it have been heard.
    async fn ask(&mut self, call: Call) -> Result<(), Over> {
        self.count += 1;
        let number = self.count;
        self.open.push((number, Some(call.id.clone())));
        self.tools_used += 1;
        if self.tools_used > notes::TOOLS_MAX {
            self.replied(number, notes::NO_MORE_TOOLS.into());
            return Ok(());
        }
        let tool = Tool::read(&call.name, &call.arguments, &self.brief);
        if !tools::is_last(&tool) {
            return self.say(Said::Asks(number, tool)).await;
        }
        match self.parting {
            Some(_) => self.replied(number, notes::PARTING.into()),
            None => {
                let until = self.now() + notes::GOODBYE_MAX;
                self.parting = Some(Parting { number, tool, until });
            }
        }
        Ok(())
    }

    /// The words before it have been heard, or took too long.
    async fn part(&mut self) -> Result<(), Over> {
        match self.parting.take() {
            Some(Parting { number, tool, .. }) => self.say(Said::Asks(number, tool)).await,
            None => Ok(()),
        }
    }

    /// What became of a tool.
    fn replied(&mut self, number: u64, answer: String) {
        let Some(at) = self.open.iter().position(|(open, _)| *open == number) else { return };
        if let (_, Some(id)) = self.open.remove(at) {
            self.memory.push(Message::Tool { id, answer });
            self.wants_answer = true;
        }
    }

    fn voice(&mut self, text: String, is_known: bool) {
        let voice = if is_known { &self.parts.voice } else { &self.parts.fresh };
        let saying = voice.say(&text, &self.brief.voice);
        self.voicing = Some(Voicing { text, is_known, saying, asked_at: self.now() });
    }

    async fn voiced(&mut self, sound: Result<Sound, String>) -> Result<(), Over> {
        let Some(Voicing { text, is_known, asked_at, .. }) = self.voicing.take() else { return Ok(()) };
        let now = self.now();
        let took = now - asked_at;
        let sound = match sound {
            Ok(sound) => sound,
            Err(problem) => {
                self.try_again(took, problem).await?;
                self.voice(text, is_known);
                return Ok(());
            }
        };
        self.waits_since = None;
        self.play(text, &sound).await?;
        if matches!(self.moment, Moment::Unmade) {
            let saying = self.parts.voice.say(self.words_for_a_moment(), &self.brief.voice);
            self.moment = Moment::Making(saying);
        }
        let Some(Stages { ended_at, transcription, model }) = self.stages.take() else { return Ok(()) };
        let barge_in_ms = self.barge_in.take().map(milliseconds);
        self.say(Said::Turn(Latency {
            first_sound_ms: milliseconds(now - ended_at),
            transcription_ms: transcription.map(milliseconds),
            model_ms: model.map(milliseconds),
            voice_ms: Some(milliseconds(took)),
            barge_in_ms,
        }))
        .await
    }
}

async fn understood(hearing: &mut Option<Hearing>) -> Result<String, String> {
    match hearing {
        Some(hearing) => (&mut hearing.text).await,
        None => std::future::pending().await,
    }
}

async fn thought(thinking: &mut Option<Thinking>) -> Option<Result<Piece, String>> {
    match thinking {
        Some(thinking) => thinking.next().await,
        None => std::future::pending().await,
    }
}

async fn made(moment: &mut Moment) -> Result<Sound, SpeechError> {
    match moment {
        Moment::Making(saying) => saying.await,
        Moment::Unmade | Moment::Made(_) | Moment::Missing => std::future::pending().await,
    }
}

async fn voiced(voicing: &mut Option<Voicing>, clock: &dyn Clock) -> Result<Sound, String> {
    let Some(voicing) = voicing else { return std::future::pending().await };
    tokio::select! {
        sound = &mut voicing.saying => sound.map_err(|problem| problem.to_string()),
        () = clock.sleep_until(voicing.asked_at + VOICE_MAX) => Err("the voice took too long".into()),
    }
}
