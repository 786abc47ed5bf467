//! A conversation by a chain of servers: ears, transcription, model, voice.
//!
//! ```text
//!   sound ──► ears ──turn──► transcription ──text──► model ──sentences──► voice ──► playout
//!               │                                      │ tools ▲
//!               └── begins to speak: all that follows  ▼       │ answers
//!                   is let go of, and what was not   telephone ┘
//!                   heard is forgotten
//! ```

use super::chat::{Call, Chat, Piece};
use super::ears::{EAR_RATE, Ears, QUIET_MS, Turn};
use super::memory::Memory;
use super::notes::{self, milliseconds};
use super::playout::Playout;
use super::sentences::Sentences;
use super::settings::{Opening, Settings};
use super::stages::{self, Hearing, Moment, Thinking, Utterance, Voicing};
use super::telephone::{Over, Telephone};
use super::transcription::Transcription;
use super::{Agent, Conversation, Heard, Judging, Said, judge, tools};
use crate::clock::Clock;
use crate::domain::Instant;
use crate::domain::agent::{Brief, Latency, Line};
use crate::domain::phrases::Phrases;
use crate::media::g711::Codec;
use crate::speech::{Sound, Speaker, SpeechError, Synthesizer};
use chrono::TimeDelta;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A stage that fails this soon is tried again, once in a turn; later nobody would wait for it.
const AGAIN_WITHIN: TimeDelta = TimeDelta::seconds(2);
/// Whoever has waited for an answer for so long is asked for a moment.
const MOMENT_AFTER: TimeDelta = TimeDelta::milliseconds(2_500);
/// Sound that is made ahead of what is heard.
const AHEAD_MS: u64 = 15_000;
/// Answers of the model in a row, with nothing but answers of tools between them.
const ROUNDS_MAX: u32 = 6;
/// Utterances that wait to be understood; what is said beyond them is heard with the last of them.
const WAITING_MAX: usize = 4;
/// Sound that is sent to be understood at once, in samples: a minute.
const HEARD_AT_ONCE_MAX: usize = 60 * EAR_RATE as usize;

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
        let (conversation, heard, said) = Conversation::begin();
        let telephone = Telephone::new(said, self.parts.chat.model());
        tokio::spawn(Talk::new(self.parts.clone(), brief, telephone).run(heard));
        conversation
    }

    fn judge(&self, brief: Arc<Brief>, lines: Vec<Line>) -> Judging {
        judge::judge(self.parts.chat.clone(), brief, lines)
    }

    fn seats(&self) -> usize {
        self.parts.seats
    }
}

/// What a turn took so far.
struct Stages {
    ended_at: Instant,
    transcription: Option<TimeDelta>,
    model: Option<TimeDelta>,
}

struct Talk {
    parts: Arc<Parts>,
    brief: Arc<Brief>,
    telephone: Telephone,
    tools: Vec<Value>,
    memory: Memory,
    ears: Ears,
    /// When the person who is speaking began.
    began_at: Option<Instant>,
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
    /// Sentences so far.
    count: u64,
    /// Somebody made a sound while the model was at work.
    owes_answer: bool,
    /// The model is to say something.
    wants_answer: bool,
    rounds: u32,
    turns: u32,
    /// A stage was tried again in this turn.
    is_second_try: bool,
    /// What is said when an answer is late, once in a turn.
    moment: Moment,
    words_for_a_moment: &'static str,
    was_asked_for_a_moment: bool,
    /// Since when the person waits for a sound.
    waits_since: Option<Instant>,
    stages: Option<Stages>,
    quiet: notes::Patience,
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
    fn new(parts: Arc<Parts>, brief: Arc<Brief>, telephone: Telephone) -> Talk {
        let words_for_a_moment = Phrases::of(&brief.voice.language).moment;
        Talk {
            thinking_since: parts.clock.steady(),
            tools: tools::definitions(&brief.tools),
            memory: Memory::new(brief.instructions.clone(), words_for_a_moment),
            words_for_a_moment,
            parts,
            brief,
            telephone,
            ears: Ears::default(),
            began_at: None,
            hearing: None,
            to_hear: VecDeque::new(),
            thinking: None,
            text: String::new(),
            calls: Vec::new(),
            sentences: Sentences::default(),
            to_voice: VecDeque::new(),
            voicing: None,
            playout: Playout::default(),
            count: 0,
            owes_answer: false,
            wants_answer: false,
            rounds: 0,
            turns: 0,
            is_second_try: false,
            moment: Moment::Unmade,
            was_asked_for_a_moment: false,
            waits_since: None,
            stages: None,
            quiet: notes::Patience::default(),
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
                let _ = self.telephone.say(Said::Failed(problem)).await;
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
                text = stages::understood(&mut self.hearing) => Happened::Understood(text),
                piece = stages::thought(&mut self.thinking) => Happened::Thought(piece),
                sound = stages::voiced(&mut self.voicing, &*clock) => Happened::Voiced(sound),
                sound = stages::made(&mut self.moment) => Happened::Made(sound),
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

    /// The first words.
    fn open(&mut self) {
        self.stages = Some(Stages { ended_at: self.now(), transcription: None, model: None });
        match self.parts.opening {
            Opening::Voice => {
                self.memory.opens_with(self.brief.opening.clone());
                self.to_voice.push_back((self.brief.opening.clone(), true));
            }
            Opening::Model => self.note(notes::open_with(&self.brief.opening)),
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
            && !self.telephone.is_asked()
            && !self.telephone.is_parting()
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
            self.telephone.part().await?;
        }
        let may_think = self.is_speechless()
            && !self.telephone.is_asked()
            && !self.telephone.is_parting()
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
        [self.telephone.due(), self.moment_due(), self.quiet.due()].into_iter().flatten().min()
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
        self.play(self.words_for_a_moment.to_owned(), &sound).await
    }

    /// Gives a sentence to be heard.
    async fn play(&mut self, text: String, sound: &[i16]) -> Result<(), Over> {
        self.count += 1;
        self.playout.give((self.count, text), sound.len());
        self.memory.says(self.now());
        self.telephone.say(Said::Play(sound.to_vec())).await
    }

    async fn on_time(&mut self) -> Result<(), Over> {
        let now = self.now();
        for number in self.telephone.on_time(now).await? {
            self.replied(number, notes::NO_REPLY.into());
        }
        if self.moment_due().is_some_and(|due| due <= now) {
            self.ask_for_a_moment().await?;
        }
        match self.quiet.lost(now) {
            None => {}
            Some(notes::Lost::Ask) => self.note(notes::SILENT.into()),
            Some(notes::Lost::Part) => self.say_goodbye(),
        }
        Ok(())
    }

    /// Ends the call by itself, with the words for it.
    fn say_goodbye(&mut self) {
        self.to_voice.push_back((self.brief.goodbye.clone(), true));
        self.telephone.part_later(self.now());
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
                over.iter().for_each(|fragment| self.memory.was_heard(fragment));
            }
            Heard::Hushed(samples) => self.hushed(samples).await?,
            Heard::Reply(number, answer) => self.replied(number, answer),
            Heard::TimeIsNearlyUp => self.note(notes::TIME_IS_NEARLY_UP.into()),
            Heard::HungUp => return Err(self.last_words().await?),
        }
        Ok(())
    }

    /// The call is over: what was heard of what was being said, and what the person has said that is not yet text.
    async fn last_words(&mut self) -> Result<Over, Over> {
        self.playout.hush();
        self.hushed(0).await?;
        if let Some(sound) = self.ears.unfinished() {
            let ended_at = self.now();
            let began_at = self.began_at.take().unwrap_or(ended_at);
            self.to_hear.push_back(Utterance { sound: sound.into(), began_at, ended_at });
        }
        loop {
            if self.hearing.is_none() {
                let Some(utterance) = self.to_hear.pop_front() else { return Ok(Over::Gone) };
                self.understand(utterance);
            }
            let text = tokio::select! {
                text = stages::understood(&mut self.hearing) => text,
                gone = self.telephone.gone() => return Err(gone),
            };
            let Some(Hearing { utterance: Utterance { began_at, ended_at, .. }, .. }) = self.hearing.take()
            else {
                continue;
            };
            match text {
                Ok(text) if text.is_empty() => {}
                Ok(text) => {
                    let line = Line { by_agent: false, text, began_at, ended_at, is_cut_off: false };
                    self.telephone.say(Said::Line(line)).await?;
                }
                Err(why) => tracing::warn!(%why, "the last words of a call are not known"),
            }
        }
    }

    /// The model is told something, and is to answer it.
    fn note(&mut self, note: String) {
        self.memory.note(note);
        self.wants_answer = true;
    }

    /// The person said or did something that the model is to answer.
    fn told(&mut self, note: String) {
        self.note(note);
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
        if let Some(number) = self.telephone.goes_on() {
            self.replied(number, notes::WENT_ON.into());
        }
        self.memory.add_unsaid(unsaid);
        if self.playout.hush() {
            return self.telephone.hush(self.now()).await;
        }
        self.end_answer(self.memory.has_unsaid()).await
    }

    /// It is silent now; so many samples had been heard.
    async fn hushed(&mut self, samples: u64) -> Result<(), Over> {
        self.telephone.hushed(self.now());
        self.memory.was_cut_off(&self.playout.hushed(samples));
        self.end_answer(true).await
    }

    /// What the agent said is over.
    async fn end_answer(&mut self, is_cut_off: bool) -> Result<(), Over> {
        match self.memory.end_answer(is_cut_off, self.now()) {
            Some(line) => self.telephone.say(Said::Line(line)).await,
            None => Ok(()),
        }
    }

    /// Somebody has finished.
    fn hear(&mut self, sound: Vec<i16>) {
        let ended_at = self.now() - TimeDelta::milliseconds(QUIET_MS.into());
        let began_at = self.began_at.take().unwrap_or(ended_at);
        self.begin_turn();
        let is_full = self.to_hear.len() >= WAITING_MAX;
        match self.to_hear.back_mut().filter(|_| is_full) {
            None => self.to_hear.push_back(Utterance { sound: sound.into(), began_at, ended_at }),
            Some(last) if last.sound.len() + sound.len() <= HEARD_AT_ONCE_MAX => {
                last.sound = [&last.sound, &sound[..]].concat().into();
                last.ended_at = ended_at;
            }
            Some(_) => {
                tracing::warn!("the transcription is too slow, and something that was said is not understood")
            }
        }
    }

    fn understand(&mut self, utterance: Utterance) {
        let (transcription, language) = (self.parts.transcription.clone(), self.brief.voice.language.clone());
        let sound = utterance.sound.clone();
        let text = Box::pin(async move { transcription.text(&sound, &language).await });
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
                self.to_voice.extend(self.memory.take_unsaid().into_iter().map(|text| (text, false)));
                self.wants_answer |= std::mem::take(&mut self.owes_answer);
                if !self.wants_answer {
                    self.waits_since = None;
                }
                Ok(())
            }
            Ok(text) => {
                let Utterance { began_at, ended_at, .. } = utterance;
                self.memory.take_unsaid();
                self.owes_answer = false;
                self.stages = Some(Stages { ended_at, transcription: Some(took), model: None });
                self.told(text.clone());
                let line = Line { by_agent: false, text, began_at, ended_at, is_cut_off: false };
                self.telephone.say(Said::Line(line)).await
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
        let (chat, memory, tools) = (self.parts.chat.clone(), self.memory.told(), self.tools.clone());
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
            Some(Ok(Piece::OptsOut)) => self.telephone.opt_out(&self.brief).await.map(drop),
            Some(Ok(Piece::Call(call))) => {
                self.calls.push(call);
                Ok(())
            }
            Some(Ok(Piece::Used(input, output))) => self.telephone.used((input, output)).await,
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
            self.memory.will_say();
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
        self.memory.add_answer(text, calls.clone());
        for call in calls {
            if let Some((number, answer)) = self.telephone.ask(call, &self.brief, self.now()).await? {
                self.replied(number, answer.into());
            }
        }
        Ok(())
    }

    /// What became of a tool.
    fn replied(&mut self, number: u64, answer: String) {
        if let Some(id) = self.telephone.answered(number) {
            self.memory.add_reply(id, answer);
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
            let saying = self.parts.voice.say(self.words_for_a_moment, &self.brief.voice);
            self.moment = Moment::Making(saying);
        }
        let Some(Stages { ended_at, transcription, model }) = self.stages.take() else { return Ok(()) };
        let latency = Latency {
            first_sound_ms: milliseconds(now - ended_at),
            transcription_ms: transcription.map(milliseconds),
            model_ms: model.map(milliseconds),
            voice_ms: Some(milliseconds(took)),
            barge_in_ms: None,
        };
        self.telephone.turn(latency).await
    }
}
