//! What was said on a call and what was pressed, in seconds since the answer. Kept from what the call itself knows: what
//! it told the carrier to say, and what the carrier reported.

use super::Instant;
use super::agent::{self, Judgement, Tool, ToolCall};
use super::call::{Effect, LegCommand, LegEvent};
use crate::words;
use serde_json::{Value, json};

words! {
    /// Who it was.
    pub enum Speaker {
        /// Us.
        Agent = "agent",
        /// Whoever picked up.
        Person = "person",
    }
}

words! {
    /// What it was.
    pub enum Kind {
        /// Words.
        Speech = "speech",
        /// A key; the text is the key.
        Key = "key",
        /// A wish that was understood.
        Request = "request",
    }
}

/// One thing that was said or pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    at: Instant,
    until: Option<Instant>,
    is_cut_off: bool,
    kind: Kind,
    speaker: Speaker,
    text: String,
}

/// A peer that presses keys for ever, or a long script that is repeated for ever, must not fill the memory.
const LINES_MAX: usize = 500;
const BYTES_MAX: usize = 100_000;

/// A wish that was understood, in the words of the transcript.
const OPT_OUT: &str = "asked not to be called again";

/// Everything so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Transcript {
    lines: Vec<Line>,
    bytes: usize,
    /// Where what is being said stands.
    being_said: Option<usize>,
}

impl Transcript {
    /// Takes in what was reported.
    pub(super) fn hear(&mut self, event: &LegEvent, at: Instant) {
        match event {
            LegEvent::SpeechBegan => {
                if let Some(line) = self.being_said.and_then(|place| self.lines.get_mut(place)) {
                    line.at = at;
                }
            }
            LegEvent::SpeechEnded => self.fall_silent(at, false),
            LegEvent::Digit(key) => {
                self.add(Kind::Key, Speaker::Person, key.to_string(), at);
            }
            LegEvent::Said(line) => self.listen(line),
            LegEvent::OptOutAsked | LegEvent::Asked(ToolCall { tool: Tool::OptOut, .. }) => {
                self.add(Kind::Request, Speaker::Person, OPT_OUT.to_owned(), at);
            }
            LegEvent::Judged(Judgement { no_more_calls: Some(words), .. }) => {
                self.add(Kind::Request, Speaker::Person, format!("{OPT_OUT}: \"{words}\""), at);
            }
            LegEvent::Ended(..) => self.fall_silent(at, true),
            LegEvent::Asked(_)
            | LegEvent::Turn(_)
            | LegEvent::AgentUsed(_)
            | LegEvent::AgentFailed(_)
            | LegEvent::Judged(_)
            | LegEvent::Ringing
            | LegEvent::Answered
            | LegEvent::MachineDetected
            | LegEvent::Transferred
            | LegEvent::TransferRefused(_)
            | LegEvent::RecordingBegan
            | LegEvent::Recorded(_)
            | LegEvent::NotRecorded(_)
            | LegEvent::KeysUnheard(_) => {}
        }
    }

    /// Takes in what was decided.
    pub(super) fn follow(&mut self, effects: &[Effect], at: Instant) {
        for effect in effects {
            match effect {
                Effect::Command(LegCommand::Speak { text, .. }) => {
                    self.fall_silent(at, true);
                    if !text.trim().is_empty() {
                        self.being_said = Some(self.lines.len());
                        self.add(Kind::Speech, Speaker::Agent, text.clone(), at);
                    }
                }
                Effect::Command(LegCommand::HangUp | LegCommand::Converse(_)) => self.fall_silent(at, true),
                Effect::Command(
                    LegCommand::Record
                    | LegCommand::Transfer { .. }
                    | LegCommand::Reply { .. }
                    | LegCommand::SendDigits(_)
                    | LegCommand::Finish,
                )
                | Effect::CallBack { .. }
                | Effect::Progress(_)
                | Effect::Ended(_) => {}
            }
        }
    }

    /// Somebody has said something in a conversation. Its lines come when they are over, and may come out of order.
    fn listen(&mut self, said: &agent::Line) {
        let speaker = if said.by_agent { Speaker::Agent } else { Speaker::Person };
        if self.add(Kind::Speech, speaker, said.text.clone(), said.began_at)
            && let Some(line) = self.lines.last_mut()
        {
            line.until = Some(said.ended_at.max(said.began_at));
            line.is_cut_off = said.is_cut_off;
        }
    }

    fn fall_silent(&mut self, at: Instant, is_cut_off: bool) {
        if let Some(line) = self.being_said.take().and_then(|place| self.lines.get_mut(place)) {
            line.until = Some(at.max(line.at));
            line.is_cut_off = is_cut_off;
        }
    }

    /// Whether there was room for it.
    fn add(&mut self, kind: Kind, speaker: Speaker, text: String, at: Instant) -> bool {
        self.bytes += text.len();
        let has_room = self.lines.len() < LINES_MAX && self.bytes <= BYTES_MAX;
        if has_room {
            self.lines.push(Line { at, until: None, is_cut_off: false, kind, speaker, text });
        }
        has_room
    }

    /// As it is stored and shown: `[{"seconds","until","speaker","kind","text","cut_off"}]`.
    pub(super) fn shown(&self, answered_at: Option<Instant>) -> Value {
        let seconds = |at: Instant| {
            let since = answered_at.map_or(0, |answered_at| (at - answered_at).num_milliseconds());
            since.max(0) as f64 / 1_000.0
        };
        let line = |line: &Line| {
            json!({
                "seconds": seconds(line.at),
                "until": line.until.map(seconds),
                "speaker": line.speaker,
                "kind": line.kind,
                "text": line.text,
                "cut_off": line.is_cut_off,
            })
        };
        let mut lines: Vec<&Line> = self.lines.iter().collect();
        lines.sort_by_key(|line| line.at);
        lines.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::outcome::Cause;
    use chrono::TimeDelta;

    fn speak(text: &str) -> [Effect; 1] {
        [Effect::Command(LegCommand::Speak { text: text.into(), speech_ms: 1_000 })]
    }

    fn at(ms: i64) -> Instant {
        Instant::UNIX_EPOCH + TimeDelta::milliseconds(ms)
    }

    #[test]
    fn what_was_said_has_its_times_and_whether_it_was_heard_out() {
        let mut transcript = Transcript::default();
        transcript.follow(&speak("This call is recorded."), at(1_000));
        transcript.hear(&LegEvent::SpeechBegan, at(1_250));
        transcript.hear(&LegEvent::SpeechEnded, at(3_000));
        transcript.hear(&LegEvent::SpeechEnded, at(3_400));
        transcript.follow(&speak("Hello."), at(3_400));
        transcript.hear(&LegEvent::Digit('9'), at(4_000));
        transcript.follow(&[Effect::Command(LegCommand::HangUp)], at(4_000));
        transcript.hear(&LegEvent::Ended(Cause::LocalHangup, None), at(4_100));
        assert_eq!(
            transcript.shown(Some(at(1_000))),
            json!([
                {"seconds": 0.25, "until": 2.0, "speaker": "agent", "kind": "speech", "text": "This call is recorded.", "cut_off": false},
                {"seconds": 2.4, "until": 3.0, "speaker": "agent", "kind": "speech", "text": "Hello.", "cut_off": true},
                {"seconds": 3.0, "until": null, "speaker": "person", "kind": "key", "text": "9", "cut_off": false},
            ])
        );
    }

    #[test]
    fn nobody_can_make_it_grow_without_end() {
        let mut transcript = Transcript::default();
        for _ in 0..10_000 {
            transcript.hear(&LegEvent::Digit('5'), at(0));
            transcript.follow(&speak(&"x".repeat(20_000)), at(0));
            transcript.hear(&LegEvent::SpeechEnded, at(1));
        }
        assert!(transcript.lines.len() <= LINES_MAX);
        assert!(transcript.shown(None).to_string().len() < 2 * BYTES_MAX);
    }
}
