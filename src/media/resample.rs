//! Sound at another rate: a polyphase filter with a Kaiser window, which keeps what the lower rate can carry and
//! removes what would come back as another tone.

use std::f64::consts::PI;

/// How many zero crossings of the filter are kept on each side: more are steeper.
const CROSSINGS: f64 = 40.0;
/// Of the Kaiser window; attenuates by 80 decibels.
const BETA: f64 = 7.86;
/// As many samples as the filter spans at the rates that there are.
const SILENCE: [i16; 1_024] = [0; 1_024];
/// Values of all phases together, more than any usual pair of rates takes. Of an odd one some phases are left out, and the
/// one before them serves: what that adds is below what a telephone line carries.
const WEIGHTS_MAX: usize = 400_000;
/// Where the filter is half down, as a share of half the lower rate.
const CUTOFF: f64 = 0.945;

/// The same sound with another number of samples per second.
pub fn resample(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    if from == to || from == 0 || to == 0 {
        return samples.to_vec();
    }
    let divisor = greatest_common_divisor(from, to);
    // Seen from `up` times the old rate, every `down`th value is a new sample.
    let (up, down) = (u64::from(to / divisor), u64::from(from / divisor));
    let phases = Phases::new(up, down);
    let count = (samples.len() as u64 * up).div_ceil(down);
    (0..count).map(|index| phases.value(samples, index * down)).collect()
}

/// Sound at another rate, as it comes: piece after piece gives what [`resample`] makes of the whole.
pub struct Stream {
    /// None where both rates are the same.
    phases: Option<Phases>,
    down: u64,
    /// What is still needed of what came.
    kept: Vec<i16>,
    /// How much came before that.
    gone: u64,
    /// New samples so far.
    made: u64,
}

impl Stream {
    /// From this rate to that one.
    pub fn new(from: u32, to: u32) -> Stream {
        let divisor = greatest_common_divisor(from, to).max(1);
        let (up, down) = (u64::from(to / divisor), u64::from(from / divisor));
        let phases = (up != down && up > 0 && down > 0).then(|| Phases::new(up, down));
        Stream { phases, down, kept: Vec::new(), gone: 0, made: 0 }
    }

    /// What can be told of the sound so far; the last few milliseconds wait for what comes after them.
    pub fn push(&mut self, samples: &[i16]) -> Vec<i16> {
        self.kept.extend_from_slice(samples);
        let reach = self.phases.as_ref().map_or(0, |phases| phases.reach) as u64;
        let known = (self.gone + self.kept.len() as u64).saturating_sub(reach);
        self.up_to(known)
    }

    /// What is left at the end.
    pub fn rest(&mut self) -> Vec<i16> {
        self.up_to(self.gone + self.kept.len() as u64)
    }

    /// New samples that lie before this place among the old ones.
    fn up_to(&mut self, place: u64) -> Vec<i16> {
        let Some(phases) = &self.phases else { return std::mem::take(&mut self.kept) };
        let count = (place * phases.up).div_ceil(self.down);
        let before = self.gone * phases.up;
        let value = |index: u64| phases.value(&self.kept, index * self.down - before);
        let made = (self.made..count.max(self.made)).map(value).collect();
        self.made = count.max(self.made);
        let next = (self.made * self.down / phases.up).saturating_sub(phases.reach as u64);
        let gone = next.saturating_sub(self.gone).min(self.kept.len() as u64);
        self.kept.drain(..gone as usize);
        self.gone += gone;
        made
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The filter, split into the parts that meet the old samples at each of the `up` places between two of them.
struct Phases {
    up: u64,
    /// Old samples on each side.
    reach: usize,
    /// Of every phase that there is.
    weights: Vec<Vec<f64>>,
}

impl Phases {
    fn new(up: u64, down: u64) -> Phases {
        // How much lower than the old rate what is kept ends, as a share of it.
        let share = CUTOFF * (up as f64 / down as f64).min(1.0);
        let reach = (CROSSINGS / share).ceil() as usize;
        let at_zero = bessel(BETA);
        let weight = |distance: f64| {
            let place = distance / (reach as f64 + 1.0);
            let window = bessel(BETA * (1.0 - place * place).max(0.0).sqrt()) / at_zero;
            let angle = PI * distance * share;
            let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
            share * sinc * window
        };
        let kept = up.min((WEIGHTS_MAX / (2 * reach + 1)).max(1) as u64);
        let phase = |phase: u64| {
            let offset = phase as f64 / kept as f64;
            (0..=2 * reach).map(|tap| weight(tap as f64 - reach as f64 - offset)).collect()
        };
        Phases { up, reach, weights: (0..kept).map(phase).collect() }
    }

    /// The value at this place, counted in `up`ths of an old sample.
    fn value(&self, samples: &[i16], at: u64) -> i16 {
        let (whole, between) = ((at / self.up) as usize, at % self.up);
        let phase = (between * self.weights.len() as u64 / self.up) as usize;
        let first = whole.saturating_sub(self.reach);
        let last = samples.len().min(whole + self.reach + 1);
        let heard = samples.get(first..last).unwrap_or_default();
        // Much of a conversation is silence.
        if SILENCE.get(..heard.len()) == Some(heard) {
            return 0;
        }
        let weights = &self.weights[phase][first + self.reach - whole..];
        let sum: f64 = heard.iter().zip(weights).map(|(sample, weight)| f64::from(*sample) * weight).sum();
        sum.round() as i16
    }
}

/// The modified Bessel function of the first kind and order zero.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..60 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
        if term < sum * 1e-12 {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::signal::tone;

    #[test]
    fn an_odd_rate_takes_no_more_memory_than_a_usual_one_and_sounds_the_same() {
        for (from, to) in [(191_999, 8_000), (8_000, 191_999), (44_101, 8_000), (4_001, 8_000)] {
            let divisor = greatest_common_divisor(from, to);
            let phases = Phases::new(u64::from(to / divisor), u64::from(from / divisor));
            let weights = phases.weights.iter().map(Vec::len).sum::<usize>();
            assert!(weights <= WEIGHTS_MAX, "{from} to {to}: {weights}");
            assert!(left(from, to, 1_000.0).abs() < 0.1, "{from} to {to}");
        }
        let usual = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000];
        for (from, to) in usual.iter().flat_map(|from| [(*from, 8_000), (8_000, *from)]) {
            let up = u64::from(to / greatest_common_divisor(from, to));
            let down = u64::from(from / greatest_common_divisor(from, to));
            assert_eq!(Phases::new(up, down).weights.len() as u64, up, "{from} to {to} is exact");
        }
    }

    /// What is left of a tone after the change of the rate, in decibels: all of the sound, whatever its frequency.
    fn left(from: u32, to: u32, hertz: f64) -> f64 {
        let sound = resample(&tone(from, hertz, 20_000.0, from as usize), from, to);
        let middle = &sound[sound.len() / 10..sound.len() * 9 / 10];
        let power = middle.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / middle.len() as f64;
        10.0 * (power / (20_000.0 * 20_000.0 / 2.0)).max(1e-12).log10()
    }

    #[test]
    fn what_a_telephone_carries_stays_and_what_it_does_not_goes() {
        for from in [11_025, 16_000, 22_050, 24_000, 44_100, 48_000] {
            for hertz in [100.0, 1_000.0, 3_000.0, 3_400.0] {
                assert!(
                    left(from, 8_000, hertz).abs() < 0.3,
                    "{hertz} Hz at {from}: {}",
                    left(from, 8_000, hertz)
                );
            }
            for hertz in [4_100.0, 5_000.0, f64::from(from) / 2.0 - 100.0] {
                assert!(
                    left(from, 8_000, hertz) < -70.0,
                    "{hertz} Hz at {from}: {}",
                    left(from, 8_000, hertz)
                );
            }
        }
    }

    #[test]
    fn a_stream_in_pieces_of_any_size_sounds_like_the_whole() {
        let sound = crate::media::signal::noise(9_000, 4_001);
        for (from, to) in [(8_000, 16_000), (8_000, 24_000), (24_000, 8_000), (22_050, 8_000), (8_000, 8_000)]
        {
            let whole = resample(&sound, from, to);
            for size in [7, 160, 4_001] {
                let mut stream = Stream::new(from, to);
                let mut made: Vec<i16> = sound.chunks(size).flat_map(|piece| stream.push(piece)).collect();
                let late = whole.len() - made.len();
                assert!(late as f64 / f64::from(to) < 0.006, "{from} to {to} lags by {late}");
                made.extend(stream.rest());
                assert!(made == whole, "{from} to {to} in pieces of {size}");
                assert!(stream.kept.len() < 400, "{}", stream.kept.len());
            }
        }
    }

    #[test]
    fn a_higher_rate_adds_nothing() {
        for to in [16_000, 24_000] {
            assert!(left(8_000, to, 1_000.0).abs() < 0.3);
            assert!(left(8_000, to, 3_400.0).abs() < 0.3);
        }
    }

    #[test]
    fn the_sound_keeps_its_length_its_place_and_its_level() {
        for from in [8_000, 11_025, 16_000, 22_050, 44_100] {
            let mut click = vec![0; from as usize];
            click[from as usize / 2] = 30_000;
            let sound = resample(&click, from, 8_000);
            assert_eq!(sound.len(), 8_000, "{from}");
            let loudest = (0..sound.len()).max_by_key(|at| sound[*at]).unwrap();
            assert!(loudest.abs_diff(4_000) <= 1, "{from}: {loudest}");
            let steady = resample(&vec![1_000; from as usize], from, 8_000);
            assert!(
                steady[100..7_900].iter().all(|s| (998..=1_002).contains(s)),
                "{from}: {:?}",
                &steady[100..110]
            );
        }
        assert!(resample(&[], 16_000, 8_000).is_empty());
        assert_eq!(resample(&[5, 6, 7], 8_000, 8_000), [5, 6, 7]);
    }
}
