//! What a model that hears and speaks says, in items: their words, and how much of their sound was heard. Pure.

use super::playout::{Heard as Fragment, Playout, split};
use crate::domain::Instant;
use crate::domain::agent::Line;
use std::collections::VecDeque;

/// Items that are remembered.
pub(super) const ITEMS_MAX: usize = 64;
/// Letters of one item.
pub(super) const TEXT_MAX: usize = 8 * 1024;

/// Something that the model says.
struct Item {
    id: String,
    text: String,
    began_at: Instant,
}

/// An item that was heard, to its end or as far as it came.
pub(super) struct Spoken {
    /// How much of it was heard.
    pub(super) fragment: Fragment<String>,
    /// The words of that; none if none were.
    pub(super) line: Option<Line>,
}

/// The items of one conversation that were not heard to their end.
#[derive(Default)]
pub(super) struct Items {
    items: VecDeque<Item>,
    playout: Playout<String>,
    heard: u64,
    /// The item whose sound is coming.
    growing: Option<String>,
}

impl Items {
    /// An item that somebody else says in the model's place.
    pub(super) fn add_whole(&mut self, id: &str, text: &str, samples: usize, now: Instant) {
        self.items.push_back(Item { id: id.to_owned(), text: text.to_owned(), began_at: now });
        self.playout.give(id.to_owned(), samples);
    }

    /// More words of an item.
    pub(super) fn add_words(&mut self, id: &str, text: &str, now: Instant) {
        let item = self.item(id, now);
        if item.text.len() + text.len() <= TEXT_MAX {
            item.text.push_str(text);
        }
    }

    /// All the words of an item.
    pub(super) fn set_words(&mut self, id: &str, text: &str, now: Instant) {
        self.item(id, now).text = text.trim().chars().take(TEXT_MAX).collect();
    }

    /// More sound of an item, from which more may follow.
    pub(super) fn add_sound(&mut self, id: &str, samples: usize, now: Instant) {
        self.item(id, now);
        self.playout.give(id.to_owned(), samples);
        self.growing = Some(id.to_owned());
    }

    fn item(&mut self, id: &str, now: Instant) -> &mut Item {
        let at = self.items.iter().position(|item| item.id == id).unwrap_or_else(|| {
            if self.items.len() == ITEMS_MAX {
                self.items.pop_front();
            }
            self.items.push_back(Item { id: id.to_owned(), text: String::new(), began_at: now });
            self.items.len() - 1
        });
        &mut self.items[at]
    }

    /// No more sound comes of any of them.
    pub(super) fn are_whole(&mut self) {
        self.growing = None;
    }

    /// So many samples were heard in all; gives back what was heard to its end.
    pub(super) fn heard(&mut self, samples: u64, now: Instant) -> Vec<Spoken> {
        self.heard = samples;
        self.heard_out(now)
    }

    /// What was heard to its end by now.
    pub(super) fn heard_out(&mut self, now: Instant) -> Vec<Spoken> {
        let over = self.playout.heard(self.heard, self.growing.as_ref());
        self.spoken(over, now)
    }

    /// Nothing more of them is wanted; false when there is nothing to take back.
    pub(super) fn hush(&mut self) -> bool {
        self.growing = None;
        self.playout.hush()
    }

    /// They were taken back when so many samples had been heard; gives back what was cut off.
    pub(super) fn hushed(&mut self, samples: u64, now: Instant) -> Vec<Spoken> {
        self.heard = samples;
        let cut = self.playout.hushed(samples);
        self.spoken(cut, now)
    }

    /// It cannot go on: what was heard of what was being said.
    pub(super) fn break_off(&mut self, now: Instant) -> Vec<Spoken> {
        self.playout.hush();
        self.hushed(self.heard, now)
    }

    fn spoken(&mut self, fragments: Vec<Fragment<String>>, now: Instant) -> Vec<Spoken> {
        let spoken = |fragment: Fragment<String>| Spoken { line: self.line(&fragment, now), fragment };
        fragments.into_iter().map(spoken).collect()
    }

    fn line(&mut self, fragment: &Fragment<String>, now: Instant) -> Option<Line> {
        let at = self.items.iter().position(|item| item.id == fragment.what)?;
        let Item { text, began_at, .. } = self.items.remove(at)?;
        let (text, _) = split(&text, fragment.samples, fragment.of);
        let line = Line { by_agent: true, text, began_at, ended_at: now, is_cut_off: !fragment.is_whole() };
        Some(line).filter(|line| !line.text.is_empty())
    }

    /// Nothing is waiting to be heard.
    pub(super) fn are_silent(&self) -> bool {
        self.playout.is_silent()
    }

    /// Milliseconds that wait to be heard.
    pub(super) fn waiting_ms(&self) -> u64 {
        self.playout.waiting_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn what_was_heard_of_an_item_is_told_once_and_with_its_words() {
        let (mut items, start) = (Items::default(), Instant::UNIX_EPOCH);
        let end = start + TimeDelta::seconds(1);
        items.add_words("a", "Good ", start);
        items.add_sound("a", 800, start);
        items.add_words("a", "morning.", start);
        assert!(items.heard(800, end).is_empty(), "it may still grow");
        items.are_whole();
        let spoken = items.heard_out(end);
        let line = Line {
            by_agent: true,
            text: "Good morning.".into(),
            began_at: start,
            ended_at: end,
            is_cut_off: false,
        };
        assert_eq!((spoken.len(), spoken[0].line.as_ref()), (1, Some(&line)));
        items.set_words("b", " How are you? ", end);
        items.add_sound("b", 800, end);
        assert!(items.hush() && !items.are_silent());
        let spoken = items.hushed(1_200, end);
        let cut = spoken[0].line.as_ref().map(|line| (line.text.as_str(), line.is_cut_off));
        assert_eq!((spoken[0].fragment.milliseconds(), cut), (50, Some(("How", true))));
        assert!(items.are_silent() && items.break_off(end).is_empty());
    }
}
