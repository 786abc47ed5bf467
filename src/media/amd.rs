//! Did a person pick up, or a machine? A person says a word or two and waits; a machine talks on, or not at all.
//! Runs over the frames that come after the answer, with silence in the place of those that did not.
//!
//! ```text
//!   Waiting ──a word──► Greeting ──quiet──► a person
//!      │ says nothing       │ talks on, or many words
//!      └────► a machine ◄───┘                          too long without a verdict ──► unsure
//! ```

use super::{FRAME_MS, SILENCE, level};

/// What counts as a machine, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Silence after the answer: longer is a machine.
    pub initial_silence: u32,
    /// Speech of the greeting: longer is a machine.
    pub greeting: u32,
    /// Silence after the greeting: a person waits for us.
    pub after_greeting_silence: u32,
    /// All of it: longer remains unsure.
    pub total: u32,
    /// Speech shorter than this is no word.
    pub min_word: u32,
    /// Silence longer than this ends a word.
    pub between_words: u32,
    /// One word that is longer is a machine.
    pub max_word: u32,
    /// More words than this are a machine.
    pub words: u32,
}

impl Default for Limits {
    /// With room for "Hello, this is Mary".
    fn default() -> Limits {
        Limits {
            initial_silence: 2_500,
            greeting: 1_800,
            after_greeting_silence: 800,
            total: 5_000,
            min_word: 100,
            between_words: 50,
            max_word: 5_000,
            words: 3,
        }
    }
}

/// Who picked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A person.
    Human,
    /// A machine.
    Machine,
    /// It cannot be said; counts as a person.
    Unsure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    Greeting,
    Done,
}

/// Listens to what comes after the answer.
#[derive(Clone, Debug)]
pub struct Detector {
    limits: Limits,
    phase: Phase,
    heard: u32,
    quiet: u32,
    /// The word that is being said.
    word: u32,
    voiced: u32,
    words: u32,
}

impl Detector {
    /// Begins at the answer.
    pub fn new(limits: Limits) -> Detector {
        Detector { limits, phase: Phase::Waiting, heard: 0, quiet: 0, word: 0, voiced: 0, words: 0 }
    }

    /// Takes in the next frame; the verdict, once.
    pub fn take(&mut self, frame: &[i16]) -> Option<Verdict> {
        let verdict = match self.phase {
            Phase::Done => return None,
            Phase::Waiting | Phase::Greeting => self.advance(level(frame) < SILENCE),
        };
        if verdict.is_some() {
            self.phase = Phase::Done;
        }
        verdict
    }

    fn advance(&mut self, is_silent: bool) -> Option<Verdict> {
        self.heard += FRAME_MS;
        let verdict = if is_silent { self.silence() } else { self.voice() };
        verdict.or((self.heard >= self.limits.total).then_some(Verdict::Unsure))
    }

    fn silence(&mut self) -> Option<Verdict> {
        self.quiet += FRAME_MS;
        if self.quiet > self.limits.between_words {
            self.word = 0;
        }
        match self.phase {
            Phase::Waiting => (self.quiet >= self.limits.initial_silence).then_some(Verdict::Machine),
            Phase::Greeting => (self.quiet >= self.limits.after_greeting_silence).then_some(Verdict::Human),
            Phase::Done => None,
        }
    }

    fn voice(&mut self) -> Option<Verdict> {
        let Limits { greeting, min_word, max_word, words, .. } = self.limits;
        self.quiet = 0;
        let was_word = self.word >= min_word;
        self.word += FRAME_MS;
        self.voiced += FRAME_MS;
        if self.word >= min_word && !was_word {
            self.words += 1;
            self.phase = Phase::Greeting;
        }
        let talks_on = self.phase == Phase::Greeting
            && (self.voiced >= greeting || self.word >= max_word || self.words > words);
        talks_on.then_some(Verdict::Machine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::FRAME;

    /// The verdict, and after how many milliseconds, on so much voice and silence in turn; then it stays silent.
    fn verdict(limits: Limits, voice_and_silence: &[u32]) -> (Verdict, u32) {
        let mut detector = Detector::new(limits);
        let lengths = voice_and_silence.iter().copied().chain([60_000]);
        let mut heard = 0;
        for (index, length) in lengths.enumerate() {
            let is_voice = index % 2 == 0 && index < voice_and_silence.len();
            let frame = [if is_voice { 2_000 } else { 20 }; FRAME];
            for _ in 0..length / FRAME_MS {
                heard += FRAME_MS;
                if let Some(verdict) = detector.take(&frame) {
                    assert!((0..500).all(|_| detector.take(&[9_000; FRAME]).is_none()), "one verdict");
                    return (verdict, heard);
                }
            }
        }
        panic!("no verdict on {voice_and_silence:?}");
    }

    #[test]
    fn people_are_told_from_machines() {
        use Verdict::{Human, Machine};
        for (said, voice_and_silence, expected) in [
            ("Hello?", &[0, 400, 420][..], (Human, 1_620)),
            ("Yes", &[0, 1_000, 220], (Human, 2_020)),
            ("Hello, this is Mary", &[0, 300, 360, 200, 300, 100, 500], (Human, 2_560)),
            ("Miller, good morning", &[0, 200, 460, 100, 360, 60, 420], (Human, 2_400)),
            ("nothing", &[], (Machine, 2_500)),
            ("a long greeting", &[0, 500, 1_500, 200, 1_500], (Machine, 2_500)),
            ("many short words", &[0, 300, 200, 100, 200, 100, 200, 100, 200, 100, 200], (Machine, 1_300)),
            ("one breath", &[0, 100, 6_000], (Machine, 1_900)),
            ("clicks", &[60, 100, 60, 100, 60], (Machine, 2_880)),
        ] {
            assert_eq!(verdict(Limits::default(), voice_and_silence), expected, "{said}");
        }
    }

    #[test]
    fn a_trace_that_fits_neither_remains_unsure() {
        // Short sounds that are no words, over and over.
        let clicks: Vec<u32> = std::iter::repeat_n([60, 60], 100).flatten().collect();
        assert_eq!(verdict(Limits::default(), &clicks), (Verdict::Unsure, 5_000));
        let slow = [0, 1_800, 200, 700, 200, 700, 200, 700, 200, 700];
        assert_eq!(verdict(Limits::default(), &slow), (Verdict::Machine, 4_600));
        let slower = [0, 2_400, 200, 700, 200, 700, 200, 700];
        assert_eq!(verdict(Limits::default(), &slower), (Verdict::Unsure, 5_000));
    }

    #[test]
    fn the_limits_are_kept() {
        let strict = Limits { words: 2, ..Limits::default() };
        assert_eq!(verdict(strict, &[0, 300, 350, 200, 300, 100, 500]).0, Verdict::Machine);
        let patient = Limits { initial_silence: 4_000, ..Limits::default() };
        assert_eq!(verdict(patient, &[0, 3_000, 300]).0, Verdict::Human);
    }
}
