//! What was given to be played, and how much of it was heard: what a model remembers of its own words must be what the
//! other side knows. Pure.

use crate::media::RATE;
use std::collections::VecDeque;

/// A piece of sound on its way, and what is said in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece<T> {
    from: u64,
    to: u64,
    what: T,
}

/// A piece that was cut off or heard to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heard<T> {
    /// What is said in it.
    pub(super) what: T,
    /// Samples heard of it.
    pub(super) samples: u64,
    /// Samples that it has.
    pub(super) of: u64,
}

impl<T> Heard<T> {
    /// Milliseconds heard of it.
    pub(super) fn milliseconds(&self) -> u64 {
        self.samples * 1_000 / u64::from(RATE)
    }

    /// All of it was heard.
    pub(super) fn is_whole(&self) -> bool {
        self.samples >= self.of
    }
}

/// All that is on its way.
pub(super) struct Playout<T> {
    /// Samples given so far, those that were taken back not counted.
    given: u64,
    heard: u64,
    pieces: VecDeque<Piece<T>>,
    /// What is being taken back, while it is not known how much of it was heard.
    hushed: Option<(u64, VecDeque<Piece<T>>)>,
}

impl<T> Default for Playout<T> {
    fn default() -> Playout<T> {
        Playout { given: 0, heard: 0, pieces: VecDeque::new(), hushed: None }
    }
}

impl<T: Clone + PartialEq> Playout<T> {
    /// Something more is given; where it says the same as the last piece it is a part of it.
    pub(super) fn give(&mut self, what: T, samples: usize) {
        let from = self.given;
        self.given += samples as u64;
        match self.pieces.back_mut().filter(|last| last.what == what) {
            Some(last) => last.to = self.given,
            None => self.pieces.push_back(Piece { from, to: self.given, what }),
        }
    }

    /// So many samples were heard in all; gives back the pieces that were heard to their end. One that may still grow is
    /// kept.
    pub(super) fn heard(&mut self, samples: u64, grows: Option<&T>) -> Vec<Heard<T>> {
        // What is told before the taking back has happened says nothing about what was given after it.
        if self.hushed.is_some() {
            return Vec::new();
        }
        self.heard = samples.clamp(self.heard, self.given);
        let mut over = Vec::new();
        while self.pieces.front().is_some_and(|piece| piece.to <= self.heard && grows != Some(&piece.what))
            && let Some(piece) = self.pieces.pop_front()
        {
            let of = piece.to - piece.from;
            over.push(Heard { what: piece.what, samples: of, of });
        }
        over
    }

    /// Nothing is waiting to be heard.
    pub(super) fn is_silent(&self) -> bool {
        self.hushed.is_none() && self.heard >= self.given
    }

    /// Milliseconds that wait to be heard.
    pub(super) fn waiting_ms(&self) -> u64 {
        (self.given - self.heard.min(self.given)) * 1_000 / u64::from(RATE)
    }

    /// All that waits is taken back; false when there is nothing to take back, or it is being taken back already.
    pub(super) fn hush(&mut self) -> bool {
        if self.hushed.is_some() || self.is_silent() {
            return false;
        }
        self.hushed = Some((self.given, std::mem::take(&mut self.pieces)));
        true
    }

    /// It was taken back when so many samples had been heard; gives back what was cut off, with how much of it was heard.
    pub(super) fn hushed(&mut self, samples: u64) -> Vec<Heard<T>> {
        let Some((given, pieces)) = self.hushed.take() else { return Vec::new() };
        let samples = samples.clamp(self.heard, given);
        let unheard = given - samples;
        self.heard = samples;
        self.given -= unheard;
        for piece in &mut self.pieces {
            piece.from -= unheard;
            piece.to -= unheard;
        }
        let cut = |piece: Piece<T>| Heard {
            samples: samples.clamp(piece.from, piece.to) - piece.from,
            of: piece.to - piece.from,
            what: piece.what,
        };
        pieces.into_iter().map(cut).collect()
    }
}

/// The words of a text that fit a share of its sound, and those that do not.
pub(super) fn split(text: &str, samples: u64, of: u64) -> (String, String) {
    let letters = text.chars().count() as u64;
    let said = (letters * samples).checked_div(of).unwrap_or(letters) as usize;
    // A word that is heard in part counts as unheard.
    let at = text.char_indices().nth(said).map_or(text.len(), |(at, _)| at);
    let at = match text[at..].chars().next() {
        None => at,
        Some(next) if next.is_whitespace() => at,
        Some(_) => text[..at].rfind(char::is_whitespace).unwrap_or_default(),
    };
    (text[..at].trim().to_owned(), text[at..].trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_heard_to_its_end_is_told_once() {
        let mut playout = Playout::default();
        playout.give("a", 100);
        playout.give("b", 50);
        playout.give("b", 50);
        assert!(playout.heard(99, None).is_empty() && !playout.is_silent());
        let told = playout.heard(150, None);
        assert_eq!(told, [Heard { what: "a", samples: 100, of: 100 }]);
        assert!(playout.heard(200, Some(&"b")).is_empty(), "it may still grow");
        assert!(playout.is_silent());
        assert_eq!(playout.heard(200, None), [Heard { what: "b", samples: 100, of: 100 }]);
        assert!(playout.heard(9_000, None).is_empty());
    }

    #[test]
    fn what_is_taken_back_counts_as_far_as_it_was_heard() {
        let mut playout = Playout::default();
        playout.give("a", 8_000);
        playout.give("b", 8_000);
        playout.heard(1_600, None);
        assert!(playout.hush() && !playout.hush());
        // The next words are given before it is known when the first ended.
        playout.give("c", 800);
        assert!(playout.heard(2_400, None).is_empty() && !playout.is_silent());
        let cut = playout.hushed(2_400);
        assert_eq!(
            cut,
            [Heard { what: "a", samples: 2_400, of: 8_000 }, Heard { what: "b", samples: 0, of: 8_000 }]
        );
        assert_eq!((cut[0].milliseconds(), cut[0].is_whole()), (300, false));
        assert_eq!(playout.waiting_ms(), 100);
        assert_eq!(playout.heard(3_200, None), [Heard { what: "c", samples: 800, of: 800 }]);
        assert!(playout.is_silent() && !playout.hush());
    }

    #[test]
    fn a_text_is_split_between_words() {
        let text = "Good morning, this is Anna.";
        assert_eq!(split(text, 0, 100), (String::new(), text.into()));
        assert_eq!(split(text, 100, 100), (text.into(), String::new()));
        assert_eq!(split(text, 30, 100), ("Good".into(), "morning, this is Anna.".into()));
        assert_eq!(split("Grüße", 50, 100), (String::new(), "Grüße".into()));
        assert_eq!(split(text, 0, 0), (text.into(), String::new()));
    }
}
