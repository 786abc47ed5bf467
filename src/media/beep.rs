//! When may a message begin? After the beep of a machine, or once it has been quiet for long enough.

use super::RATE;
use super::{FRAME_MS, SILENCE, level};
use std::f64::consts::TAU;

/// Quiet for so long means that the machine listens.
const QUIET_MS: u32 = 1_500;
/// A tone that lasts so long is a beep.
const BEEP_MS: u32 = 200;
/// Whatever is still heard after this is no greeting.
const WAIT_MS: u32 = 30_000;
/// Where beeps are.
const BEEP_HERTZ: std::ops::Range<f64> = 400.0..2_000.0;
/// How much the frames of one beep may differ.
const DRIFT_HERTZ: f64 = 30.0;
/// How much of the power of a frame may be something else than the tone.
const REST_MAX: f64 = 0.03;

/// Why a message may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cue {
    /// There was a beep, and it is over.
    Beep,
    /// It is quiet.
    Quiet,
    /// It has lasted too long.
    Late,
}

/// Listens until a message may begin.
#[derive(Clone, Debug, Default)]
pub struct Waiter {
    heard: u32,
    quiet: u32,
    /// The frequency of the tone that is being heard, and since when.
    tone: Option<(f64, u32)>,
    is_over: bool,
}

impl Waiter {
    /// Takes in the next frame; the cue, once.
    pub fn take(&mut self, frame: &[i16]) -> Option<Cue> {
        if self.is_over {
            return None;
        }
        self.heard += FRAME_MS;
        self.quiet = if level(frame) < SILENCE { self.quiet + FRAME_MS } else { 0 };
        let before = self.tone;
        self.tone = tone(frame).map(|hertz| match before {
            Some((known, lasted)) if (known - hertz).abs() <= DRIFT_HERTZ => (known, lasted + FRAME_MS),
            Some(_) | None => (hertz, FRAME_MS),
        });
        let lasted = |tone: Option<(f64, u32)>| tone.map_or(0, |(_, lasted)| lasted);
        let was_beep = lasted(before) >= BEEP_MS && lasted(self.tone) <= FRAME_MS;
        let cue = match () {
            () if was_beep => Some(Cue::Beep),
            () if self.quiet >= QUIET_MS => Some(Cue::Quiet),
            () if self.heard >= WAIT_MS => Some(Cue::Late),
            () => None,
        };
        self.is_over = cue.is_some();
        cue
    }
}

/// The frequency of a frame that is a single tone. Of a sine, the sum of two neighbours is always the same multiple of
/// the sample between them; the multiple that fits best tells the frequency, and what is left over whether it is one.
fn tone(frame: &[i16]) -> Option<f64> {
    if level(frame) < SILENCE {
        return None;
    }
    let triples = || frame.windows(3).map(|w| (f64::from(w[1]), f64::from(w[0]) + f64::from(w[2])));
    let power: f64 = triples().map(|(middle, _)| middle * middle).sum();
    let multiple = triples().map(|(middle, sides)| middle * sides).sum::<f64>() / power;
    let rest: f64 = triples().map(|(middle, sides)| (sides - multiple * middle).powi(2)).sum();
    let hertz = (multiple / 2.0).clamp(-1.0, 1.0).acos() * f64::from(RATE) / TAU;
    (rest <= REST_MAX * power && BEEP_HERTZ.contains(&hertz)).then_some(hertz)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::g711::Codec;
    use crate::media::signal::{noise, tone as sine};
    use crate::media::{FRAME, RATE};

    /// The cue, and after how many milliseconds.
    fn cue(sound: &[i16]) -> Option<(Cue, u32)> {
        let mut waiter = Waiter::default();
        let over_the_line = |frame: &[i16]| -> Vec<i16> {
            frame.iter().map(|sample| Codec::Pcmu.decode(Codec::Pcmu.encode(*sample))).collect()
        };
        let found = sound.chunks_exact(FRAME).enumerate().find_map(|(index, frame)| {
            let cue = waiter.take(&over_the_line(frame))?;
            Some((cue, (index as u32 + 1) * FRAME_MS))
        });
        assert!(found.is_none() || waiter.take(&[0; FRAME]).is_none(), "one cue");
        found
    }

    fn silence(ms: usize) -> Vec<i16> {
        vec![0; ms * RATE as usize / 1_000]
    }

    /// Like a voice: a low tone with all its multiples, going up and down.
    fn voice(ms: usize) -> Vec<i16> {
        let mut phase = 0.0_f64;
        let sample = |n: usize| {
            let hertz = 140.0 + 40.0 * (n as f64 / 3_000.0).sin();
            phase += TAU * hertz / f64::from(RATE);
            let sum: f64 = (1..8).map(|k| (phase * f64::from(k)).sin() / f64::from(k)).sum();
            (6_000.0 * sum) as i16
        };
        (0..ms * RATE as usize / 1_000).map(sample).collect()
    }

    #[test]
    fn a_message_begins_when_the_beep_is_over() {
        for hertz in [440.0, 850.0, 1_000.0, 1_400.0, 1_950.0] {
            let beep = sine(RATE, hertz, 4_000.0, 300 * 8);
            let sound = [voice(2_000), silence(400), beep, silence(3_000)].concat();
            let (cue, at) = cue(&sound).unwrap();
            assert_eq!(cue, Cue::Beep, "{hertz}");
            assert!((2_700..=2_740).contains(&at), "{hertz}: {at}");
        }
    }

    #[test]
    fn without_a_beep_it_begins_when_it_has_been_quiet() {
        assert_eq!(
            cue(&[voice(1_000), silence(1_000), voice(1_000), silence(4_000)].concat()),
            Some((Cue::Quiet, 4_500))
        );
        assert_eq!(cue(&silence(4_000)), Some((Cue::Quiet, 1_500)));
    }

    #[test]
    fn neither_voices_nor_noise_nor_short_or_other_tones_are_a_beep() {
        assert_eq!(cue(&voice(10_000)), None);
        assert_eq!(cue(&noise(8_000, 10 * RATE as usize)), None);
        let chirp = sine(RATE, 1_000.0, 4_000.0, 140 * 8);
        assert_eq!(cue(&[chirp, voice(2_000)].concat()), None);
        for hertz in [200.0, 3_000.0] {
            assert_eq!(cue(&[sine(RATE, hertz, 4_000.0, 8_000), voice(500)].concat()), None, "{hertz}");
        }
        let warble: Vec<i16> = (0..50)
            .flat_map(|n| sine(RATE, if n % 2 == 0 { 800.0 } else { 1_000.0 }, 4_000.0, 100 * 8))
            .collect();
        assert_eq!(cue(&warble), None);
    }

    #[test]
    fn a_greeting_without_an_end_is_not_waited_for() {
        assert_eq!(cue(&voice(31_000)), Some((Cue::Late, 30_000)));
    }
}
