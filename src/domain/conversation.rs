//! What is kept of a conversation that an agent held, and what it came to. Bounded, however long it lasts.

use super::Instant;
use super::agent::{Brief, Conclusion, Latency, Tool, Usage, Verdict};
use super::outcome::Outcome;
use serde_json::{Value, json};

/// Everything so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conversation {
    has_begun: bool,
    is_open: bool,
    prompt: String,
    verdict: Option<Verdict>,
    is_judged: bool,
    has_call_back: bool,
    tools: Vec<Used>,
    turns: Vec<Latency>,
    usage: Usage,
    failure: Option<String>,
}

/// A tool that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Used {
    number: u64,
    at: Instant,
    tool: Tool,
    answer: Option<String>,
}

/// An agent that asks for more has lost its way.
const TOOLS_MAX: usize = 40;
/// Of how many turns it is kept how long they took.
const TURNS_MAX: usize = 200;

impl Conversation {
    /// One that may be held under this brief.
    pub(super) fn of(brief: &Brief) -> Conversation {
        Conversation { prompt: brief.prompt.clone(), ..Conversation::default() }
    }

    /// The agent is told to talk.
    pub(super) fn begin(&mut self) {
        self.has_begun = true;
    }

    /// Whether it was.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The agent has said something: whether that was the first time.
    pub(super) fn open(&mut self) -> bool {
        !std::mem::replace(&mut self.is_open, true)
    }

    /// A tool was asked for: whether there may be as many.
    pub(super) fn asked(&mut self, number: u64, tool: &Tool, at: Instant) -> bool {
        let has_room = self.tools.len() < TOOLS_MAX + usize::from(*tool == Tool::OptOut);
        if has_room {
            self.tools.push(Used { number, at, tool: tool.clone(), answer: None });
        }
        has_room
    }

    /// What became of it.
    pub(super) fn answered(&mut self, number: u64, answer: &str) {
        if let Some(used) = self.tools.iter_mut().rfind(|used| used.number == number) {
            used.answer = Some(answer.to_owned());
        }
    }

    /// What became of the wish not to be called again, however often it was passed on.
    pub(super) fn opted_out(&mut self, answer: &str) {
        for used in self.tools.iter_mut().filter(|used| used.tool == Tool::OptOut) {
            used.answer = Some(answer.to_owned());
        }
    }

    /// The agent's own verdict; its last one counts.
    pub(super) fn reported(&mut self, verdict: Verdict) {
        self.verdict = Some(verdict);
    }

    /// The verdict of whoever read the words afterwards; the agent's own one is better.
    pub(super) fn judged(&mut self, verdict: Verdict) {
        if self.verdict.is_none() {
            (self.verdict, self.is_judged) = (Some(verdict), true);
        }
    }

    /// Whether another call was arranged.
    pub(super) fn arranged(&mut self, is_arranged: bool) {
        self.has_call_back |= is_arranged;
    }

    /// How long a turn took.
    pub(super) fn turn(&mut self, latency: Latency) {
        if self.turns.len() < TURNS_MAX {
            self.turns.push(latency);
        }
    }

    /// What was used so far.
    pub(super) fn used(&mut self, usage: Usage) {
        self.usage = usage;
    }

    /// It cannot go on.
    pub(super) fn failed(&mut self, why: String) {
        self.failure.get_or_insert(why);
    }

    /// Whether it could not go on.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// What the agent itself has said that the call came to.
    pub(super) fn reported_outcome(&self) -> Option<Outcome> {
        if self.is_judged { None } else { self.outcome() }
    }

    /// What the call came to, where somebody has said so; where it came to no decision the facts say it better.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let arranged = self.has_call_back.then_some(Outcome::Callback);
        match self.verdict.as_ref().map(|verdict| verdict.conclusion) {
            Some(Conclusion::Success) => Some(Outcome::Success),
            Some(Conclusion::Declined) => Some(Outcome::Declined),
            Some(Conclusion::Callback) => Some(Outcome::Callback),
            Some(Conclusion::WrongPerson) => Some(Outcome::NoInput),
            Some(Conclusion::NoDecision) | None => arranged,
        }
    }

    /// The verdict in a sentence.
    pub(super) fn sentence(&self) -> Option<String> {
        let verdict = self.verdict.as_ref()?;
        let reason = Some(verdict.reason.trim()).filter(|reason| !reason.is_empty());
        match (verdict.conclusion, reason) {
            (Conclusion::WrongPerson, Some(reason)) => Some(format!("Somebody else picked up: {reason}")),
            (Conclusion::WrongPerson, None) => Some("Somebody else picked up".to_owned()),
            (
                Conclusion::Success | Conclusion::Declined | Conclusion::Callback | Conclusion::NoDecision,
                reason,
            ) => reason.map(str::to_owned),
        }
    }

    /// As it is stored and shown.
    pub(super) fn shown(&self, answered_at: Option<Instant>) -> Value {
        let seconds = |at: Instant| {
            let since = answered_at.map_or(0, |answered_at| (at - answered_at).num_milliseconds());
            since.max(0) as f64 / 1_000.0
        };
        let verdict = self.verdict.as_ref().map(|verdict| {
            json!({
                "conclusion": verdict.conclusion,
                "reason": verdict.reason,
                "judged_afterwards": self.is_judged,
            })
        });
        let tool = |used: &Used| {
            json!({
                "seconds": seconds(used.at),
                "name": used.tool.name(),
                "arguments": used.tool.arguments(),
                "answer": used.answer,
            })
        };
        let turn = |turn: &Latency| {
            json!({
                "first_sound_ms": turn.first_sound_ms,
                "transcription_ms": turn.transcription_ms,
                "model_ms": turn.model_ms,
                "voice_ms": turn.voice_ms,
                "barge_in_ms": turn.barge_in_ms,
            })
        };
        json!({
            "model": self.usage.model,
            "prompt": self.prompt,
            "verdict": verdict,
            "answers": self.verdict.as_ref().map(|verdict| &verdict.answers),
            "tools": self.tools.iter().map(tool).collect::<Vec<_>>(),
            "turns": self.turns.iter().map(turn).collect::<Vec<_>>(),
            "input_tokens": self.usage.input_tokens,
            "output_tokens": self.usage.output_tokens,
            "failure": self.failure,
        })
    }
}
