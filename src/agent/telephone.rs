//! The telephone as a conversation of either kind sees it: what it is told, the tools it is asked for and has not answered,
//! and how long it takes to fall silent.

use super::chat::Call;
use super::{Said, notes, tools};
use crate::domain::Instant;
use crate::domain::agent::{Brief, Latency, Tool, Usage};
use chrono::TimeDelta;
use tokio::sync::mpsc;

/// Why a conversation is over.
pub(super) enum Over {
    /// Nobody listens any more.
    Gone,
    /// It cannot go on.
    Failed(String),
}

impl From<String> for Over {
    fn from(problem: String) -> Over {
        Over::Failed(problem)
    }
}

/// A tool that is asked for when the words before it have been heard.
struct Parting {
    number: u64,
    tool: Tool,
    until: Instant,
}

/// The telephone of one conversation.
pub(super) struct Telephone {
    said: mpsc::Sender<Said>,
    usage: Usage,
    /// When it was asked to be silent, and how long that took.
    hushes_since: Option<Instant>,
    barge_in: Option<TimeDelta>,
    /// Of the last tool.
    number: u64,
    tools_used: usize,
    /// Tools that were asked for and not answered, with the model's names for them.
    open: Vec<(u64, String)>,
    open_until: Instant,
    parting: Option<Parting>,
}

impl Telephone {
    /// One that was told nothing yet, by this model.
    pub(super) fn new(said: mpsc::Sender<Said>, model: &str) -> Telephone {
        Telephone {
            said,
            usage: Usage { model: model.to_owned(), ..Usage::default() },
            hushes_since: None,
            barge_in: None,
            number: 0,
            tools_used: 0,
            open: Vec::new(),
            open_until: Instant::UNIX_EPOCH,
            parting: None,
        }
    }

    /// Tells it something.
    pub(super) async fn say(&self, said: Said) -> Result<(), Over> {
        self.said.send(said).await.map_err(|_| Over::Gone)
    }

    /// Waits until nobody listens any more.
    pub(super) async fn gone(&self) -> Over {
        self.said.closed().await;
        Over::Gone
    }

    /// Tells what an answer has used.
    pub(super) async fn used(&mut self, (input, output): (u64, u64)) -> Result<(), Over> {
        self.usage.input_tokens += input;
        self.usage.output_tokens += output;
        self.say(Said::Used(self.usage.clone())).await
    }

    /// Asks it to fall silent.
    pub(super) async fn hush(&mut self, now: Instant) -> Result<(), Over> {
        self.hushes_since = Some(now);
        self.say(Said::Hush).await
    }

    /// It is silent.
    pub(super) fn hushed(&mut self, now: Instant) {
        self.barge_in = self.hushes_since.take().map(|since| now - since);
    }

    /// Tells how long a turn took, and how long it took to fall silent for it.
    pub(super) async fn turn(&mut self, latency: Latency) -> Result<(), Over> {
        let barge_in_ms = self.barge_in.take().map(notes::milliseconds);
        self.say(Said::Turn(Latency { barge_in_ms, ..latency })).await
    }

    /// A tool that the model wants: it is asked for, or kept for when the words before it have been heard. Gives back the
    /// answer of one that is not asked for, with its number.
    pub(super) async fn ask(
        &mut self,
        call: Call,
        brief: &Brief,
        now: Instant,
    ) -> Result<Option<(u64, &'static str)>, Over> {
        self.number += 1;
        let number = self.number;
        self.open.push((number, call.id));
        self.open_until = now + notes::REPLY_MAX;
        self.tools_used += 1;
        if self.tools_used > notes::TOOLS_MAX {
            return Ok(Some((number, notes::NO_MORE_TOOLS)));
        }
        let tool = Tool::read(&call.name, &call.arguments, brief);
        if !tools::is_last(&tool) {
            self.say(Said::Asks(number, tool)).await?;
        } else if self.parting.is_some() {
            return Ok(Some((number, notes::PARTING)));
        } else {
            self.parting = Some(Parting { number, tool, until: now + notes::GOODBYE_MAX });
        }
        Ok(None)
    }

    /// The call ends by itself, when the words for it have been heard.
    pub(super) fn part_later(&mut self, now: Instant) {
        self.number += 1;
        let until = now + notes::GOODBYE_MAX;
        self.parting = Some(Parting { number: self.number, tool: Tool::EndCall, until });
    }

    /// Asks for the tool that ends the conversation: the words before it have been heard, or took too long.
    pub(super) async fn part(&mut self) -> Result<(), Over> {
        match self.parting.take() {
            Some(Parting { number, tool, .. }) => self.say(Said::Asks(number, tool)).await,
            None => Ok(()),
        }
    }

    /// The person went on, so the conversation does not end: the number of the tool that would have ended it.
    pub(super) fn goes_on(&mut self) -> Option<u64> {
        self.parting.take().map(|parting| parting.number)
    }

    /// The model's name for a tool that is answered now; none if it has its answer.
    pub(super) fn answered(&mut self, number: u64) -> Option<String> {
        let at = self.open.iter().position(|(open, _)| *open == number)?;
        Some(self.open.remove(at).1)
    }

    /// A tool has no answer.
    pub(super) fn is_asked(&self) -> bool {
        !self.open.is_empty()
    }

    /// The conversation ends when the words before that have been heard.
    pub(super) fn is_parting(&self) -> bool {
        self.parting.is_some()
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        let parting = self.parting.as_ref().map(|parting| parting.until);
        let open = self.is_asked().then_some(self.open_until);
        parting.into_iter().chain(open).min()
    }

    /// Does what is due; gives back the tools that had no answer in time.
    pub(super) async fn on_time(&mut self, now: Instant) -> Result<Vec<u64>, Over> {
        if self.parting.as_ref().is_some_and(|parting| parting.until <= now) {
            self.part().await?;
        }
        let is_late = self.open_until <= now;
        Ok(self.open.iter().filter(|_| is_late).map(|(number, _)| *number).collect())
    }
}
