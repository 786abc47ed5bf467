//! Hears when somebody begins to speak and when they have finished, and keeps what they said. Pure: sound goes in,
//! turns come out.

use crate::media::RATE;
use crate::media::resample::Stream;
use std::collections::VecDeque;

/// Samples per second of what is listened to, and of what is kept: transcription knows it everywhere.
pub(super) const EAR_RATE: u32 = 16_000;
/// Samples that the detector looks at: 16 milliseconds.
const WINDOW: usize = 256;
const WINDOW_MS: u32 = WINDOW as u32 * 1_000 / EAR_RATE;
/// From here on a window sounds like speech.
const SPEECH: f32 = 0.5;
/// Somebody speaks when so many of the last [`LAST`] windows sound like it: a click or a cough does not.
const BEGINS: u32 = 3;
const LAST: u32 = 4;
/// They have finished after so many milliseconds without.
pub(super) const QUIET_MS: u32 = 600;
/// What was heard before it was known that somebody speaks belongs to it.
const BEFORE_MS: u32 = 300;
/// Nobody speaks for longer without a pause; whoever does is answered then.
const UTTERANCE_MS: u32 = 30_000;

/// What is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Somebody begins to speak.
    Began,
    /// They have finished; what they said, at [`EAR_RATE`].
    Ended(Vec<i16>),
}

/// Turns, going by windows that sound like speech or not.
#[derive(Default)]
struct Turns {
    /// The last windows, a bit each.
    last: u32,
    speaks: bool,
    quiet_ms: u32,
    spoken_ms: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    Began,
    Ended,
}

impl Turns {
    fn take(&mut self, is_speech: bool) -> Option<Change> {
        self.last = (self.last << 1 | u32::from(is_speech)) & ((1 << LAST) - 1);
        if !self.speaks {
            self.speaks = self.last.count_ones() >= BEGINS;
            (self.quiet_ms, self.spoken_ms) = (0, 0);
            return self.speaks.then_some(Change::Began);
        }
        self.spoken_ms += WINDOW_MS;
        self.quiet_ms = if is_speech { 0 } else { self.quiet_ms + WINDOW_MS };
        if self.quiet_ms < QUIET_MS && self.spoken_ms < UTTERANCE_MS {
            return None;
        }
        (self.speaks, self.last) = (false, 0);
        Some(Change::Ended)
    }
}

/// A pair of ears for one conversation.
pub(super) struct Ears {
    detector: Box<earshot::Detector>,
    upsampler: Stream,
    /// Less than a window.
    waiting: Vec<i16>,
    /// While somebody speaks all that they said, else what was heard last.
    kept: VecDeque<i16>,
    turns: Turns,
}

impl Default for Ears {
    fn default() -> Ears {
        Ears {
            detector: earshot::Detector::default_boxed(),
            upsampler: Stream::new(RATE, EAR_RATE),
            waiting: Vec::new(),
            kept: VecDeque::new(),
            turns: Turns::default(),
        }
    }
}

impl Ears {
    /// Listens to some sound of the line.
    pub(super) fn take(&mut self, sound: &[i16]) -> Vec<Turn> {
        self.waiting.extend(self.upsampler.push(sound));
        let whole = self.waiting.len() - self.waiting.len() % WINDOW;
        let windows: Vec<i16> = self.waiting.drain(..whole).collect();
        windows.chunks_exact(WINDOW).filter_map(|window| self.listen(window)).collect()
    }

    /// Somebody is speaking.
    pub(super) fn hears_speech(&self) -> bool {
        self.turns.speaks
    }

    /// What somebody has said so far who has not finished, and will not be heard to; none where nobody speaks.
    pub(super) fn unfinished(&mut self) -> Option<Vec<i16>> {
        let speaks = std::mem::take(&mut self.turns).speaks;
        speaks.then(|| std::mem::take(&mut self.kept).into())
    }

    fn listen(&mut self, window: &[i16]) -> Option<Turn> {
        self.kept.extend(window);
        let is_speech = self.detector.predict_i16(window) >= SPEECH;
        let change = self.turns.take(is_speech);
        if !self.turns.speaks && change.is_none() {
            let excess = self.kept.len().saturating_sub((BEFORE_MS * EAR_RATE / 1_000) as usize);
            self.kept.drain(..excess);
        }
        change.map(|change| match change {
            Change::Began => Turn::Began,
            Change::Ended => Turn::Ended(std::mem::take(&mut self.kept).into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens in which window, of windows that sound like speech or not.
    fn changes(windows: impl IntoIterator<Item = bool>) -> Vec<(usize, Change)> {
        let mut turns = Turns::default();
        let at = |(at, is_speech)| turns.take(is_speech).map(|change| (at, change));
        windows.into_iter().enumerate().filter_map(at).collect()
    }

    fn windows(parts: &[(bool, usize)]) -> Vec<bool> {
        parts.iter().flat_map(|(is_speech, count)| vec![*is_speech; *count]).collect()
    }

    #[test]
    fn speech_begins_with_three_windows_of_four_and_ends_with_a_pause() {
        let told = changes(windows(&[(false, 10), (true, 2), (false, 1), (true, 50), (false, 40)]));
        let quiet = QUIET_MS.div_ceil(WINDOW_MS) as usize;
        assert_eq!(told, [(13, Change::Began), (62 + quiet, Change::Ended)]);
    }

    #[test]
    fn a_click_is_no_speech_and_a_short_pause_no_end() {
        assert_eq!(changes(windows(&[(true, 2), (false, 3), (true, 2), (false, 50)])), []);
        let told = changes(windows(&[(true, 10), (false, 30), (true, 10), (false, 30)]));
        assert_eq!(told, [(2, Change::Began)]);
    }

    #[test]
    fn who_does_not_stop_is_answered_after_half_a_minute() {
        let told = changes(vec![true; 4_000]);
        let limit = UTTERANCE_MS.div_ceil(WINDOW_MS) as usize;
        assert_eq!(told[1], (2 + limit, Change::Ended));
        assert!(told.len() > 2 && told[2].1 == Change::Began, "they go on");
    }

    /// Vowels that are said one after the other: a voice of 120 hertz through the formants of an open mouth.
    fn vowels(ms: u32) -> Vec<i16> {
        let rate = f64::from(RATE);
        let sample = |n: u32| {
            let (n, at) = (f64::from(n), f64::from(n) / rate);
            let pitch = 120.0 + 12.0 * (at * 2.2).sin();
            let open = 650.0 + 180.0 * (at * 9.0).sin();
            let loud = (0.55 + 0.45 * (at * 24.0).sin()).max(0.05);
            let partial = |k: i32| {
                let hertz = f64::from(k) * pitch;
                let near = |formant: f64, width: f64| (-((hertz - formant) / width).powi(2)).exp();
                let level =
                    near(open, 150.0) + 0.6 * near(1_250.0, 180.0) + 0.3 * near(2_500.0, 250.0) + 0.05;
                level * (std::f64::consts::TAU * n * f64::from(k) * 120.0 / rate).sin()
            };
            (loud * 4_000.0 * (1..28).map(partial).sum::<f64>()) as i16
        };
        (0..ms * RATE / 1_000).map(sample).collect()
    }

    #[test]
    fn a_voice_is_heard_with_what_came_just_before_and_noise_is_not() {
        let mut ears = Ears::default();
        let quiet = vec![0; RATE as usize];
        assert_eq!(ears.take(&quiet), []);
        let began: Vec<usize> = vowels(1_500)
            .chunks(160)
            .enumerate()
            .filter(|(_, frame)| ears.take(frame) == [Turn::Began])
            .map(|(at, _)| at)
            .collect();
        assert!(began.len() == 1 && began[0] < 12, "{began:?}");
        assert!(ears.hears_speech());
        let told = ears.take(&quiet);
        let [Turn::Ended(said)] = &told[..] else { panic!("{}", told.len()) };
        let ms = said.len() as u32 * 1_000 / EAR_RATE;
        assert!((1_900..2_600).contains(&ms), "{ms}");
        let mut others = Ears::default();
        assert_eq!(others.take(&crate::media::signal::tone(RATE, 1_000.0, 6_000.0, 16_000)), []);
        assert_eq!(others.take(&crate::media::signal::noise(300, 16_000)), []);
    }
}
