//! What a model that answers in text is told of a conversation: what was said, and of its own words those that were heard.
//! Pure.

use super::chat::{Call, Message};
use super::notes;
use super::playout::{Heard as Fragment, split};
use crate::domain::Instant;
use crate::domain::agent::Line;

/// What a model is told of a conversation: what is older is forgotten.
const BYTES_MAX: usize = 64 * 1024;

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

/// The memory of one conversation.
pub(super) struct Memory {
    messages: Vec<Message>,
    /// What the model has not been told yet.
    notes: Vec<String>,
    answer: Option<Answer>,
    /// What was cut off, while it is not known whether anybody said anything.
    to_resume: Vec<String>,
    /// What is said without asking the model.
    aside: &'static str,
}

impl Memory {
    /// Nothing but the instruction. The aside is said without asking the model, and not remembered.
    pub(super) fn new(instruction: String, aside: &'static str) -> Memory {
        Memory {
            messages: vec![Message::System(instruction)],
            notes: Vec::new(),
            answer: None,
            to_resume: Vec::new(),
            aside,
        }
    }

    /// The first words, which are said in the model's place.
    pub(super) fn opens_with(&mut self, opening: String) {
        self.messages.push(Message::User(notes::PICKED_UP.into()));
        self.answer = Some(Answer::default());
        self.add_answer(opening, Vec::new());
    }

    /// Something that the model is told when it is asked next.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// What the model is told when it is asked now.
    pub(super) fn told(&mut self) -> Vec<Message> {
        if !self.notes.is_empty() {
            self.messages.push(Message::User(std::mem::take(&mut self.notes).join("\n")));
        }
        let forgotten = forget(&mut self.messages);
        if let Some(answer) = &mut self.answer {
            answer.at = answer.at.iter().filter_map(|at| at.checked_sub(forgotten)).collect();
        }
        self.messages.clone()
    }

    /// All that the model has answered.
    pub(super) fn add_answer(&mut self, text: String, calls: Vec<Call>) {
        self.messages.push(Message::Assistant { text, calls });
        if let Some(answer) = &mut self.answer {
            answer.at.push(self.messages.len() - 1);
        }
    }

    /// What became of a tool.
    pub(super) fn add_reply(&mut self, id: String, answer: String) {
        self.messages.push(Message::Tool { id, answer });
    }

    /// Something is going to be said.
    pub(super) fn will_say(&mut self) {
        self.answer.get_or_insert_default();
    }

    /// Something is being said.
    pub(super) fn says(&mut self, now: Instant) {
        self.answer.get_or_insert_default().began_at.get_or_insert(now);
    }

    /// The person has heard this.
    pub(super) fn was_heard(&mut self, fragment: &Fragment<(u64, String)>) {
        let Some(answer) = &mut self.answer else { return };
        let (heard, _) = split(&fragment.what.1, fragment.samples, fragment.of);
        if !heard.is_empty() {
            let blank = if answer.heard.is_empty() { "" } else { " " };
            answer.heard.push_str(blank);
            answer.heard.push_str(&heard);
        }
    }

    /// What follows what is being said will not be said.
    pub(super) fn add_unsaid(&mut self, unsaid: Vec<String>) {
        if let Some(answer) = &mut self.answer {
            answer.unsaid.extend(unsaid);
        }
    }

    /// Something will not be said.
    pub(super) fn has_unsaid(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| !answer.unsaid.is_empty())
    }

    /// What was being said was cut off like this.
    pub(super) fn was_cut_off(&mut self, fragments: &[Fragment<(u64, String)>]) {
        fragments.iter().for_each(|fragment| self.was_heard(fragment));
        if let Some(answer) = &mut self.answer {
            let cut = fragments.iter().filter(|fragment| !fragment.is_whole());
            let rest = cut.map(|fragment| split(&fragment.what.1, fragment.samples, fragment.of).1);
            answer.unsaid.splice(0..0, rest);
        }
    }

    /// What the agent said is over: the model remembers what was heard of it. That is given back, if it was anything.
    pub(super) fn end_answer(&mut self, is_cut_off: bool, now: Instant) -> Option<Line> {
        let Answer { heard, began_at, at, unsaid } = self.answer.take()?;
        let mut remembered = match (is_cut_off, at.is_empty()) {
            (true, _) => Some(notes::cut_off(&heard)),
            (false, true) => Some(heard.clone()).filter(|heard| !heard.is_empty()),
            // All of it stands there already.
            (false, false) => None,
        };
        // It was not the model that said so.
        remembered = remembered.filter(|remembered| remembered.as_str() != self.aside);
        if remembered.is_some() {
            for at in at {
                if let Some(Message::Assistant { text, .. }) = self.messages.get_mut(at) {
                    *text = remembered.take().unwrap_or_default();
                }
            }
        }
        if let Some(text) = remembered {
            self.messages.push(Message::Assistant { text, calls: Vec::new() });
        }
        if is_cut_off {
            self.to_resume = unsaid;
        }
        let line = Line { by_agent: true, text: heard, began_at: began_at?, ended_at: now, is_cut_off };
        Some(line).filter(|line| !line.text.is_empty())
    }

    /// What was cut off last, which is known now to be said after all, or never.
    pub(super) fn take_unsaid(&mut self) -> Vec<String> {
        std::mem::take(&mut self.to_resume)
    }
}

/// Forgets what is oldest, but for the instruction, until the rest is small enough; how many messages that were. What is
/// left begins with a person's words.
fn forget(messages: &mut Vec<Message>) -> usize {
    let mut bytes: usize = messages.iter().map(Message::bytes).sum();
    let mut count = 0;
    let is_turn = |message: &Message| matches!(message, Message::User(_));
    while bytes > BYTES_MAX && messages.len() - count > 2 {
        bytes -= messages[1 + count].bytes();
        count += 1;
        while messages.get(1 + count).is_some_and(|message| !is_turn(message)) && messages.len() - count > 2 {
            bytes -= messages[1 + count].bytes();
            count += 1;
        }
    }
    messages.drain(1..=count);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_oldest_is_forgotten_and_the_instruction_kept() {
        let user = |letters: usize| Message::User("u".repeat(letters));
        let assistant = || Message::Assistant { text: "a".repeat(10_000), calls: Vec::new() };
        let tool = || Message::Tool { id: "1".into(), answer: "t".repeat(10_000) };
        let mut memory = vec![Message::System("s".into())];
        for _ in 0..4 {
            memory.extend([user(10_000), assistant(), tool()]);
        }
        assert_eq!(forget(&mut memory), 6);
        assert_eq!(memory[0], Message::System("s".into()));
        assert_eq!((&memory[1], memory.len()), (&user(10_000), 7));
        assert_eq!(forget(&mut memory), 0);
        let mut large = vec![Message::System("s".into()), user(90_000)];
        assert_eq!((forget(&mut large), large.len()), (0, 2));
    }
}
