//! A second look at a conversation that is over: how it came out, and whether the person wants no more calls.

use super::Judging;
use super::chat::{Chat, Message};
use crate::domain::agent::{Brief, Judgement, Line};
use chrono::TimeDelta;
use std::sync::Arc;

/// The call is over; what follows from it waits for this.
const LIMIT: TimeDelta = TimeDelta::seconds(8);
/// Of a long conversation the end says how it came out.
const LINES_MAX: usize = 200;

/// Asks the model how a conversation came out.
pub(super) fn judge(chat: Chat, brief: Arc<Brief>, lines: Vec<Line>) -> Judging {
    Box::pin(async move {
        let lines = &lines[lines.len().saturating_sub(LINES_MAX)..];
        let (instruction, transcript) = brief.judging(lines);
        let messages = [Message::System(instruction), Message::User(transcript)];
        let document = chat.decide(&messages, "verdict", Judgement::schema(), LIMIT).await?;
        Judgement::read(&document.to_string(), lines)
    })
}
