//! What an AI agent is told before it talks, what it may do while it does, and what it must answer for. Pure: whatever a
//! model says is looked at here before anything follows from it. Knows no protocol.

use super::Instant;
use super::voice::Voice;
use crate::words;
use chrono::TimeDelta;
use std::collections::BTreeMap;

words! {
    /// Who talks on the calls of a campaign.
    pub enum AgentKind {
        /// The script is said and keys are listened for.
        Scripted = "scripted",
        /// A model holds a conversation.
        Ai = "ai",
    }
}

/// What the agent of one call is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// The whole instruction: the job, the rules, the criteria, and the lead's values as data.
    pub instructions: String,
    /// What is said first, rendered, with the disclosure.
    pub opening: String,
    /// What the agent says when it has to part by itself, in the language of the voice.
    pub goodbye: String,
    /// Who says it, in which language.
    pub voice: Voice,
    /// What it may do on this call.
    pub tools: Vec<ToolName>,
    /// How long the call may last from the answer on.
    pub duration_max: TimeDelta,
}

words! {
    /// What an agent may do beside talking.
    pub enum ToolName {
        /// Say how the conversation came out.
        ReportOutcome = "report_outcome",
        /// Write down that the person wants no more calls.
        OptOut = "opt_out",
        /// Arrange another call.
        ScheduleCallback = "schedule_callback",
        /// Put the person through to the campaign's own number.
        Transfer = "transfer",
        /// Press keys, for whoever is greeted by a menu.
        SendDigits = "send_digits",
        /// Say goodbye and hang up.
        EndCall = "end_call",
    }
}

/// A tool that the agent wants to use, with arguments that were looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum Tool {
    /// See [`ToolName::ReportOutcome`].
    ReportOutcome(Verdict),
    /// See [`ToolName::OptOut`].
    OptOut,
    /// See [`ToolName::ScheduleCallback`]; the time as it was understood, in the person's own zone.
    ScheduleCallback(chrono::NaiveDateTime),
    /// See [`ToolName::Transfer`].
    Transfer,
    /// See [`ToolName::SendDigits`].
    SendDigits(String),
    /// See [`ToolName::EndCall`].
    EndCall,
}

words! {
    /// How a conversation came out, in the agent's words.
    pub enum Conclusion {
        /// What the campaign wants was reached.
        Success = "success",
        /// The person said no.
        Declined = "declined",
        /// The person wants to be called at another time.
        Callback = "callback",
        /// It came to no decision.
        NoDecision = "no_decision",
        /// Somebody else picked up.
        WrongPerson = "wrong_person",
    }
}

/// The agent's verdict on a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it came out.
    pub conclusion: Conclusion,
    /// Why, in a sentence.
    pub reason: String,
    /// What was found out, by names that the agent chose.
    pub answers: BTreeMap<String, String>,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether the agent said it; else the person did.
    pub by_agent: bool,
    /// The words; of the agent those that were heard.
    pub text: String,
    /// When it began, in steady time.
    pub began_at: Instant,
    /// When it ended.
    pub ended_at: Instant,
    /// It was interrupted.
    pub is_cut_off: bool,
}

/// How long one turn took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// From the end of what the person said, or from the answer, until our first sound, in milliseconds.
    pub first_sound_ms: u32,
    /// Of that, turning sound into text; none where one model does it all.
    pub transcription_ms: Option<u32>,
    /// Of that, until the model's first words.
    pub model_ms: Option<u32>,
    /// Of that, until the first sound of the voice.
    pub voice_ms: Option<u32>,
}

/// What a conversation used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The model, as its server names it.
    pub model: String,
    /// Tokens in.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
}
