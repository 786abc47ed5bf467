//! Conversations over text: what a model is told of one, as the agent or as whoever it calls, and what it says.

use super::chat::{Call, Chat, Message, Piece};
use super::judge;
use super::tools;
use crate::domain::Instant;
use crate::domain::agent::{Brief, Judgement, Line};
use crate::domain::try_out::{Entry, HANGS_UP, Persona, Speaker};
use serde_json::Value;
use std::sync::Arc;

/// The longest text that a simulated caller says at a time, in characters.
const SAID_MAX: usize = 1_000;

/// What a model has said.
#[derive(Default)]
pub struct Spoken {
    /// Its words.
    pub text: String,
    /// The tools that it wants to use.
    pub calls: Vec<Call>,
    /// Tokens read and written.
    pub used: (u64, u64),
}

/// What somebody said whom a model plays.
pub struct Uttered {
    /// The words; empty where there were none.
    pub text: String,
    /// They hang up after that.
    pub hangs_up: bool,
    /// Tokens read and written.
    pub used: (u64, u64),
}

/// What the agent says next. The error is a sentence.
pub async fn agent(chat: &Chat, brief: &Brief, entries: &[Entry]) -> Result<Spoken, String> {
    let tools = tools::definitions(&brief.tools);
    said(chat, &told_agent(brief, entries), &tools).await
}

/// What a simulated caller says next, in a language. The error is a sentence.
pub async fn caller(
    chat: &Chat,
    persona: Persona,
    language: &str,
    entries: &[Entry],
) -> Result<Uttered, String> {
    let Spoken { text, used, .. } = said(chat, &told_caller(persona, language, entries), &[]).await?;
    let words: String = text.replace(HANGS_UP, "").trim().chars().take(SAID_MAX).collect();
    Ok(Uttered { hangs_up: text.contains(HANGS_UP) || words.is_empty(), text: words, used })
}

/// How a conversation came out that is over. The error is a sentence.
pub async fn judge(
    chat: &Chat,
    brief: Arc<Brief>,
    entries: &[Entry],
    now: Instant,
) -> Result<Judgement, String> {
    let line = |entry: &Entry| Line {
        by_agent: entry.speaker == Speaker::Agent,
        text: entry.text.clone(),
        began_at: now,
        ended_at: now,
        is_cut_off: false,
    };
    let lines = entries.iter().filter(|entry| entry.speaker != Speaker::Tool).map(line).collect();
    judge::judge(chat.clone(), brief, lines).await
}

async fn said(chat: &Chat, messages: &[Message], tools: &[Value]) -> Result<Spoken, String> {
    let mut reply = chat.reply(messages, tools).await?;
    let mut spoken = Spoken::default();
    while let Some(piece) = reply.next().await {
        match piece? {
            Piece::Text(text) => spoken.text.push_str(&text),
            // It comes whole as well.
            Piece::OptsOut => {}
            Piece::Call(call) => spoken.calls.push(call),
            Piece::Used(input, output) => spoken.used = (spoken.used.0 + input, spoken.used.1 + output),
        }
    }
    spoken.text = spoken.text.trim().to_owned();
    Ok(spoken)
}

/// The conversation as the agent has seen it.
fn told_agent(brief: &Brief, entries: &[Entry]) -> Vec<Message> {
    let mut messages = vec![Message::System(brief.instructions.clone())];
    for (nth, entry) in entries.iter().enumerate() {
        match entry.speaker {
            Speaker::Agent => {
                messages.push(Message::Assistant { text: entry.text.clone(), calls: Vec::new() });
            }
            Speaker::Person => messages.push(Message::User(entry.text.clone())),
            Speaker::Tool => {
                let id = format!("call_{nth}");
                let call = Call {
                    id: id.clone(),
                    name: entry.tool.clone().unwrap_or_default(),
                    arguments: entry.arguments.clone().unwrap_or_default(),
                };
                messages.push(Message::Assistant { text: String::new(), calls: vec![call] });
                messages.push(Message::Tool { id, answer: entry.answer.clone().unwrap_or_default() });
            }
        }
    }
    messages
}

/// The same as the caller has heard it.
fn told_caller(persona: Persona, language: &str, entries: &[Entry]) -> Vec<Message> {
    let mut messages = vec![Message::System(persona.instructions(language))];
    messages.extend(entries.iter().filter_map(|entry| match entry.speaker {
        Speaker::Agent => Some(Message::User(entry.text.clone())),
        Speaker::Person => Some(Message::Assistant { text: entry.text.clone(), calls: Vec::new() }),
        Speaker::Tool => None,
    }));
    messages
}
