//! What a model is told beside what the person says, and the bounds of a conversation. Pure.

use crate::domain::Instant;
use chrono::TimeDelta;

/// Nobody has said anything for so long.
const SILENCE: TimeDelta = TimeDelta::seconds(7);
/// So many times somebody is asked whether they are still there.
const ASKED_MAX: u32 = 2;
/// How long the last words may take, from when they are asked for until the call ends.
pub(super) const GOODBYE_MAX: TimeDelta = TimeDelta::seconds(5);
/// How long a tool may take.
pub(super) const REPLY_MAX: TimeDelta = TimeDelta::seconds(15);
/// Answers of the model in one call.
pub(super) const TURNS_MAX: u32 = 200;
/// Tools in one call.
pub(super) const TOOLS_MAX: usize = 40;

/// Somebody has answered, and is greeted.
pub(super) const PICKED_UP: &str = "[the call was answered]";
/// Nobody says anything.
pub(super) const SILENT: &str =
    "[the person has said nothing for a while: ask in one short sentence whether they are still there]";
/// See [`super::Heard::TimeIsNearlyUp`].
pub(super) const TIME_IS_NEARLY_UP: &str =
    "[the call ends in 15 seconds: say goodbye in one short sentence and end it]";
/// The answer to a tool that nobody answered.
pub(super) const NO_REPLY: &str = "There was no answer in time. Nothing was done.";
/// The answer to a tool too many.
pub(super) const NO_MORE_TOOLS: &str = "No more tools can be used on this call.";
/// The answer to a tool that ends the conversation beside another one.
pub(super) const PARTING: &str = "The conversation is ending already.";
/// The answer to a tool that would have ended the conversation.
pub(super) const WENT_ON: &str = "Not done: the person went on talking. Answer them first.";

/// What to say first.
pub(super) fn open_with(opening: &str) -> String {
    format!("{PICKED_UP} Say exactly this as your first words: {opening}")
}

/// What to say last.
pub(super) fn part_with(goodbye: &str) -> String {
    format!("[nobody is there any more] Say exactly this as your last words: {goodbye}")
}

/// A key.
pub(super) fn pressed(key: char) -> String {
    format!("[caller pressed {key}]")
}

/// What was heard of words that were cut off.
pub(super) fn cut_off(heard: &str) -> String {
    match heard {
        "" => "[interrupted before a word was heard]".into(),
        heard => format!("{heard}— [interrupted; the rest was not heard]"),
    }
}

/// A length as it is told.
pub(super) fn milliseconds(took: TimeDelta) -> u32 {
    u32::try_from(took.num_milliseconds().max(0)).unwrap_or(u32::MAX)
}

/// How long nobody has said anything.
#[derive(Default)]
pub(super) struct Patience {
    since: Option<Instant>,
    asked: u32,
}

/// What to do about silence.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Ask whether somebody is there.
    Ask,
    /// Nobody is.
    Part,
}

impl Patience {
    /// Whether nothing is going on.
    pub(super) fn look(&mut self, is_idle: bool, now: Instant) {
        self.since = if is_idle { self.since.or(Some(now)) } else { None };
    }

    /// Somebody has said something.
    pub(super) fn is_over(&mut self) {
        *self = Patience::default();
    }

    /// When it ends.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + SILENCE)
    }

    /// What to do, if it has ended.
    pub(super) fn lost(&mut self, now: Instant) -> Option<Lost> {
        self.due().filter(|due| *due <= now)?;
        self.since = None;
        self.asked += 1;
        Some(if self.asked > ASKED_MAX { Lost::Part } else { Lost::Ask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_nothing_is_asked_twice_and_then_left() {
        let (mut patience, start) = (Patience::default(), Instant::UNIX_EPOCH);
        let mut told = Vec::new();
        for second in 0..40 {
            let now = start + TimeDelta::seconds(second);
            if let Some(lost) = patience.lost(now) {
                told.push((second, lost));
            }
            // Whoever is asked hears the question for two seconds.
            patience.look(!matches!(second, 7 | 8 | 16 | 17), now);
        }
        assert_eq!(told[..3], [(7, Lost::Ask), (16, Lost::Ask), (25, Lost::Part)]);
        patience.is_over();
        assert_eq!(patience.due(), None);
    }
}
