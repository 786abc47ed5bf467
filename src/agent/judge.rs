//! A second look at a conversation that ended without a verdict.

use super::Judging;
use super::chat::{Chat, Message};
use crate::domain::agent::{Brief, Line, Verdict};
use chrono::TimeDelta;
use std::sync::Arc;

/// The call is over; what follows from it waits for this.
const LIMIT: TimeDelta = TimeDelta::seconds(8);
/// Of a long conversation the end says how it came out.
const LINES_MAX: usize = 200;

/// Asks the model how a conversation came out.
pub(super) fn judge(chat: Chat, brief: Arc<Brief>, lines: Vec<Line>) -> Judging {
    Box::pin(async move {
        let (instruction, transcript) = brief.judging(&lines[lines.len().saturating_sub(LINES_MAX)..]);
        let messages = [Message::System(instruction), Message::User(transcript)];
        let document = chat.decide(&messages, "verdict", Verdict::schema(), LIMIT).await?;
        Verdict::read(&document.to_string())
    })
}
