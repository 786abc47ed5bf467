//! A telephone for conversations, without a line: a frame every 20 milliseconds either way, and all that was said.

use super::models::Models;
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;
use voice_campaigns::agent::{self, Agent, Conversation, Heard, Said, Settings};
use voice_campaigns::clock::Clock;
use voice_campaigns::domain::Instant;
use voice_campaigns::domain::agent::{Brief, Latency, Line, Tool, ToolName, Usage};
use voice_campaigns::domain::fields::Words;
use voice_campaigns::domain::voice::Voice;
use voice_campaigns::media::g711::Codec;
use voice_campaigns::media::{FRAME, RATE};
use voice_campaigns::speech::{self, Speaker};

/// What an agent is told in these tests.
pub(crate) fn brief() -> Arc<Brief> {
    Arc::new(Brief {
        instructions: "You call about an appointment.".into(),
        prompt: "0123456789abcdef".into(),
        opening: "Good morning, this is the practice of Doctor Brown. May I ask you something?".into(),
        goodbye: "Thank you. Goodbye.".into(),
        criteria: "They agree to come.".into(),
        voice: Voice { id: None, language: "en-US".into(), gender: None },
        tools: ToolName::all().to_vec(),
        duration_max: TimeDelta::seconds(300),
    })
}

/// The same about something else, with another opening.
pub(crate) fn brief_of(instructions: &str, opening: &str) -> Arc<Brief> {
    let (instructions, opening) = (instructions.to_owned(), opening.to_owned());
    Arc::new(Brief { instructions, opening, ..Brief::clone(&brief()) })
}

/// The settings of an agent whose servers these are.
pub(crate) fn settings(models: &Models, kind: &str, with: Value) -> Settings {
    let mut settings = serde_json::to_value(Settings::default()).unwrap();
    settings["kind"] = kind.into();
    settings["url"] = models.url().into();
    settings["api_key"] = "sk-test".into();
    merge(&mut settings, with);
    let settings: Settings = serde_json::from_value(settings).unwrap();
    settings.check().unwrap();
    settings
}

/// Settings with others in their place.
pub(crate) fn merge(into: &mut Value, with: Value) {
    match (into, with) {
        (Value::Object(into), Value::Object(with)) => {
            for (name, value) in with {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, with) => *into = with,
    }
}

/// An agent whose servers these are, and where its voice keeps what it said.
pub(crate) fn agent(
    models: &Models,
    kind: &str,
    with: Value,
    clock: &Arc<dyn Clock>,
) -> (TempDir, Arc<dyn Agent>) {
    let folder = tempfile::tempdir().unwrap();
    let speaker = Ok(speaker(models, folder.path(), clock));
    let agent = agent::open(&settings(models, kind, with), speaker, clock.clone()).unwrap().unwrap();
    (folder, agent)
}

/// The voice of these servers, which keeps what it said in a folder.
pub(crate) fn speaker(models: &Models, folder: &Path, clock: &Arc<dyn Clock>) -> Speaker {
    let voice = json!({
        "url": models.url(), "api_key": "sk-test", "model": "tts-1", "timeout_seconds": 20, "cache_megabytes": 10,
    });
    let voice: speech::Settings = serde_json::from_value(voice).unwrap();
    speech::open(&voice, folder, clock.clone()).unwrap()
}

/// Somebody who speaks for so long, up to two seconds.
pub(crate) fn vowels(ms: u32) -> Vec<i16> {
    static VOWELS: LazyLock<Vec<i16>> = LazyLock::new(|| spoken(2_000));
    VOWELS[..(ms * RATE / 1_000) as usize].to_vec()
}

/// Vowels that are said one after the other: a voice of 120 hertz through the formants of an open mouth.
fn spoken(ms: u32) -> Vec<i16> {
    let rate = f64::from(RATE);
    let sample = |n: u32| {
        let at = f64::from(n) / rate;
        let open = 650.0 + 180.0 * (at * 9.0).sin();
        let loud = (0.55 + 0.45 * (at * 24.0).sin()).max(0.05);
        let partial = |k: u32| {
            let hertz = f64::from(k) * 120.0;
            let near = |formant: f64, width: f64| (-((hertz - formant) / width).powi(2)).exp();
            let level = near(open, 150.0) + 0.6 * near(1_250.0, 180.0) + 0.3 * near(2_500.0, 250.0) + 0.05;
            level * (std::f64::consts::TAU * at * hertz).sin()
        };
        (loud * 4_000.0 * (1..28).map(partial).sum::<f64>()) as i16
    };
    (0..ms * RATE / 1_000).map(sample).collect()
}

/// Whoever has the conversation on their ear.
pub(crate) struct Phone {
    conversation: Conversation,
    clock: Arc<dyn Clock>,
    next_at: Instant,
    playing: VecDeque<i16>,
    played: u64,
    /// When it was to fall silent, how many samples had been heard by then.
    pub(crate) hushed: Vec<u64>,
    /// All that the agent has told, with the time.
    pub(crate) told: Vec<(Instant, Said)>,
    /// For each frame whether there was sound in it.
    pub(crate) frames: Vec<bool>,
    /// What is answered to tools.
    pub(crate) reply: fn(&Tool) -> Option<&'static str>,
    pub(crate) is_over: bool,
}

/// Longer than anything here takes, in frames.
const FRAMES_MAX: usize = 60 * 50;

impl Phone {
    /// Somebody has picked up, on a line with this codec, whom the agent was told this about.
    pub(crate) fn answer_on(
        agent: &Arc<dyn Agent>,
        clock: &Arc<dyn Clock>,
        brief: Arc<Brief>,
        codec: Codec,
    ) -> Phone {
        Phone {
            conversation: agent.converse(brief, codec),
            next_at: clock.steady(),
            clock: clock.clone(),
            playing: VecDeque::new(),
            played: 0,
            hushed: Vec::new(),
            told: Vec::new(),
            frames: Vec::new(),
            reply: |tool| match tool {
                // The call ends of it, and nobody answers.
                Tool::EndCall | Tool::OptOut => None,
                Tool::ReportOutcome(_)
                | Tool::ScheduleCallback(_)
                | Tool::Transfer
                | Tool::SendDigits(_)
                | Tool::Misused(_) => Some("Done."),
            },
            is_over: false,
        }
    }

    /// 20 milliseconds.
    pub(crate) async fn frame(&mut self, sound: &[i16]) {
        let mut frame = sound.to_vec();
        frame.resize(FRAME, 0);
        self.tell(Heard::Sound(frame));
        loop {
            tokio::select! {
                biased;
                () = self.clock.sleep_until(self.next_at) => break,
                said = self.conversation.said.recv(), if !self.is_over => match said {
                    Some(said) => self.take(said),
                    None => self.is_over = true,
                },
            }
        }
        // On a busy machine this telephone is slow; it does not hurry to make up for more than a few frames.
        let late = self.clock.steady() - TimeDelta::milliseconds(60);
        self.next_at = self.next_at.max(late) + TimeDelta::milliseconds(20);
        let now = self.playing.len().min(FRAME);
        self.playing.drain(..now);
        self.frames.push(now > 0);
        if now > 0 {
            self.played += now as u64;
            self.tell(Heard::Played(self.played));
        }
    }

    fn take(&mut self, said: Said) {
        match &said {
            Said::Play(sound) => self.playing.extend(sound),
            Said::Hush => {
                self.playing.clear();
                self.hushed.push(self.played);
                self.tell(Heard::Hushed(self.played));
            }
            Said::Asks(number, tool) => {
                if let Some(reply) = (self.reply)(tool) {
                    self.tell(Heard::Reply(*number, reply.into()));
                }
            }
            Said::Line(_) | Said::Turn(_) | Said::Used(_) | Said::Failed(_) => {}
        }
        self.told.push((self.clock.steady(), said));
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.steady()
    }

    pub(crate) fn tell(&self, heard: Heard) {
        // A conversation that is over hears nothing.
        let _ = self.conversation.heard.try_send(heard);
    }

    /// Listens until something is true.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl Fn(&Phone) -> bool) {
        for _ in 0..FRAMES_MAX {
            if is_so(self) {
                return;
            }
            self.frame(&[]).await;
        }
        panic!("{what}: it did not come to that: {:?}", self.summary());
    }

    /// Listens for so long.
    pub(crate) async fn listen(&mut self, ms: u32) {
        for _ in 0..ms / 20 {
            self.frame(&[]).await;
        }
    }

    /// Says something for so long, and waits until it is clear that it is over.
    pub(crate) async fn speak(&mut self, ms: u32) {
        for frame in vowels(ms).chunks(FRAME) {
            self.frame(frame).await;
        }
        self.listen(800).await;
    }

    /// Listens until all that is said has been heard and nothing more comes for a second.
    pub(crate) async fn hear_out(&mut self) {
        let mut sound_at = self.clock.steady();
        for _ in 0..FRAMES_MAX {
            self.frame(&[]).await;
            let now = self.clock.steady();
            if self.frames.last() == Some(&true) {
                sound_at = now;
            }
            if now > sound_at + TimeDelta::seconds(1) && self.frames.contains(&true) {
                return;
            }
        }
        panic!("it does not begin or does not stop: {:?}", self.summary());
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        let line = |said: &Said| if let Said::Line(line) = said { Some(line.clone()) } else { None };
        self.told.iter().filter_map(|(_, said)| line(said)).collect()
    }

    /// Who said what.
    pub(crate) fn words(&self) -> Vec<String> {
        let by = |line: &Line| if line.by_agent { "agent" } else { "person" };
        let end = |line: &Line| if line.is_cut_off { "—" } else { "" };
        self.lines().iter().map(|line| format!("{}: {}{}", by(line), line.text, end(line))).collect()
    }

    pub(crate) fn tools(&self) -> Vec<Tool> {
        let tool = |said: &Said| if let Said::Asks(_, tool) = said { Some(tool.clone()) } else { None };
        self.told.iter().filter_map(|(_, said)| tool(said)).collect()
    }

    pub(crate) fn turns(&self) -> Vec<Latency> {
        let turn = |said: &Said| if let Said::Turn(turn) = said { Some(*turn) } else { None };
        self.told.iter().filter_map(|(_, said)| turn(said)).collect()
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.told
            .iter()
            .find_map(|(_, said)| if let Said::Failed(why) = said { Some(why.clone()) } else { None })
    }

    /// All the sound that it was given.
    pub(crate) fn sound(&self) -> Vec<i16> {
        let sound = |said: &Said| if let Said::Play(sound) = said { sound.clone() } else { Vec::new() };
        self.told.iter().flat_map(|(_, said)| sound(said)).collect()
    }

    /// What was used in the end.
    pub(crate) fn used(&self) -> Option<Usage> {
        let used = |said: &Said| if let Said::Used(usage) = said { Some(usage.clone()) } else { None };
        self.told.iter().rev().find_map(|(_, said)| used(said))
    }

    /// Samples heard so far.
    pub(crate) fn played(&self) -> u64 {
        self.played
    }

    pub(crate) fn is_hearing(&self) -> bool {
        !self.playing.is_empty()
    }

    /// When this was first told.
    pub(crate) fn told_at(&self, what: impl Fn(&Said) -> bool) -> Option<Instant> {
        self.told.iter().find(|(_, said)| what(said)).map(|(at, _)| *at)
    }

    fn summary(&self) -> Vec<String> {
        let short = |said: &Said| match said {
            Said::Play(sound) => format!("Play({})", sound.len()),
            Said::Hush | Said::Line(_) | Said::Asks(..) | Said::Turn(_) | Said::Used(_) | Said::Failed(_) => {
                format!("{said:?}")
            }
        };
        self.told.iter().map(|(at, said)| format!("{} {}", at.format("%M:%S%.3f"), short(said))).collect()
    }
}
