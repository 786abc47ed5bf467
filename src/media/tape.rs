//! Both sides of a call on one clock, as a recording has them: ours on the left, theirs on the right. Our frames are the
//! clock. Their packets say by their timestamps where they belong, so that neither jitter nor reordering is heard; a
//! clock of theirs that runs otherwise than ours is followed sample by sample.

use super::{FRAME, RATE};
use std::collections::VecDeque;
use std::io::{self, Read};

/// Frames that wait until nothing is expected for them any more.
const DEPTH: usize = 25;
/// A packet that seems to be further away than this counts from where it came.
const FAR: i64 = (DEPTH * FRAME) as i64;
/// A packet came within the frame before; that is when it was sent, give or take half a frame.
const HALF: i64 = FRAME as i64 / 2;
/// How many packets the mean distance is taken over.
const MEMORY: i64 = 64;

/// A recording in the making.
#[derive(Debug, Default)]
pub struct Tape {
    /// Where the first sample that waits belongs.
    front: i64,
    ours: VecDeque<i16>,
    theirs: VecDeque<i16>,
    anchor: Option<Anchor>,
}

/// What ties their timestamps to our clock.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    source: u32,
    /// The newest timestamp, and where it belongs.
    timestamp: u32,
    place: i64,
    /// How much later than this packets come, on average, times [`MEMORY`].
    lateness: i64,
    /// Where their sound ends.
    end: i64,
}

impl Tape {
    /// Takes in a packet of theirs that has just come.
    pub fn take(&mut self, source: u32, timestamp: u32, samples: impl ExactSizeIterator<Item = i16>) {
        let came = self.front + self.ours.len() as i64 - HALF;
        let mut anchor = self.anchor.filter(|anchor| anchor.source == source).unwrap_or(Anchor {
            source,
            timestamp,
            place: came,
            lateness: 0,
            end: came,
        });
        let since = i64::from(timestamp.wrapping_sub(anchor.timestamp).cast_signed());
        let mut place = anchor.place + since;
        let is_newest = since >= 0;
        if (came - place).abs() > FAR && is_newest {
            anchor.lateness = 0;
            place = came;
        }
        if is_newest {
            anchor.lateness += (came - place) - anchor.lateness / MEMORY;
            let nudge = (anchor.lateness / MEMORY / HALF).signum();
            anchor.lateness -= nudge * MEMORY;
            place += nudge;
            (anchor.timestamp, anchor.place) = (timestamp, place);
        }
        let length = samples.len() as i64;
        if length as usize <= 10 * FRAME {
            self.write(&mut anchor, place, samples);
        }
        anchor.end = anchor.end.max(place + length);
        self.anchor = Some(anchor);
    }

    fn write(&mut self, anchor: &mut Anchor, place: i64, samples: impl Iterator<Item = i16>) {
        let mut at = place - self.front;
        for (nth, sample) in samples.enumerate() {
            // A hole of one sample is our doing, and would click.
            let first = if nth == 0 && place == anchor.end + 1 { at - 1 } else { at };
            for at in first..=at {
                let Ok(at) = usize::try_from(at) else { continue };
                if at >= self.theirs.len() {
                    self.theirs.resize(at + 1, 0);
                }
                self.theirs[at] = sample;
            }
            at += 1;
        }
    }

    /// Takes in our next frame; hands out the oldest frame of both, left and right in turn, once enough of them wait.
    pub fn turn(&mut self, ours: &[i16; FRAME]) -> Option<Vec<i16>> {
        self.ours.extend(ours);
        (self.ours.len() > DEPTH * FRAME).then(|| self.give(FRAME))
    }

    /// What still waits; nothing comes after it.
    pub fn rest(&mut self) -> Vec<i16> {
        self.give(self.ours.len())
    }

    fn give(&mut self, count: usize) -> Vec<i16> {
        if self.theirs.len() < count {
            self.theirs.resize(count, 0);
        }
        self.front += count as i64;
        self.ours
            .drain(..count)
            .zip(self.theirs.drain(..count))
            .flat_map(|(ours, theirs)| [ours, theirs])
            .collect()
    }
}

/// How loud both sides are over the time of a recording, for whoever draws it.
#[derive(Clone, Debug, Default)]
pub struct Peaks {
    /// Of each stretch so far: us, them.
    stretches: Vec<[u8; 2]>,
    current: [u8; 2],
    count: usize,
}

/// Samples of each side in a stretch: a fifth of a second.
const STRETCH: usize = RATE as usize / 5;
/// Peaks of each side that are kept of a recording.
pub const PEAKS_MAX: usize = 120;

impl Peaks {
    /// Goes on with these samples, left and right in turn.
    pub fn add(&mut self, samples: &[i16]) {
        for pair in samples.chunks_exact(2) {
            for (peak, sample) in self.current.iter_mut().zip(pair) {
                *peak = (*peak).max((sample.unsigned_abs() >> 7).min(255) as u8);
            }
            self.count += 1;
            if self.count == STRETCH {
                self.stretches.push(std::mem::take(&mut self.current));
                self.count = 0;
            }
        }
    }

    /// A few for all of it: pairs of a byte for us and one for them.
    pub fn summary(&self) -> Vec<u8> {
        let mut all = self.stretches.clone();
        if self.count > 0 {
            all.push(self.current);
        }
        let count = all.len().min(PEAKS_MAX);
        let of = |nth: usize| {
            let loudest = |a: [u8; 2], b: &[u8; 2]| [a[0].max(b[0]), a[1].max(b[1])];
            all[nth * all.len() / count..(nth + 1) * all.len() / count].iter().fold([0; 2], loudest)
        };
        (0..count).flat_map(of).collect()
    }
}

/// The peaks of 16-bit samples, left and right in turn, as a file has them.
pub fn peaks_of(mut sound: impl Read) -> io::Result<Vec<u8>> {
    let (mut peaks, mut piece) = (Peaks::default(), [0; 1 << 16]);
    loop {
        let mut length = 0;
        while length < piece.len() {
            match sound.read(&mut piece[length..])? {
                0 => break,
                read => length += read,
            }
        }
        let samples: Vec<i16> =
            piece[..length].chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect();
        peaks.add(&samples);
        if length < piece.len() {
            return Ok(peaks.summary());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::signal::{noise, tone};
    use proptest::prelude::*;

    /// What a tape has on it after `frames` frames of ours, where packet `n` of theirs comes in frame `arrival(n)`.
    fn recorded(
        frames: usize,
        theirs: &[i16],
        arrival: impl Fn(usize) -> Option<usize>,
    ) -> (Vec<i16>, Vec<i16>) {
        let ours = noise(9_000, frames * FRAME);
        let (mut tape, mut samples) = (Tape::default(), Vec::new());
        for frame in 0..frames {
            for (packet, sound) in theirs.chunks(FRAME).enumerate() {
                if arrival(packet) == Some(frame) {
                    let timestamp = (packet * FRAME) as u32;
                    tape.take(7, timestamp.wrapping_sub(500), sound.iter().copied());
                }
            }
            let frame: &[i16; FRAME] = ours[frame * FRAME..].first_chunk().unwrap();
            samples.extend(tape.turn(frame).unwrap_or_default());
        }
        samples.extend(tape.rest());
        let side = |nth: usize| samples.iter().copied().skip(nth).step_by(2).collect::<Vec<i16>>();
        assert_eq!(side(0), ours, "our side is as it was sent");
        (side(0), side(1))
    }

    fn place(of: &[i16], within: &[i16]) -> Option<usize> {
        within.windows(of.len()).position(|window| window == of)
    }

    #[test]
    fn what_comes_is_put_where_it_came_within_half_a_frame() {
        let theirs = noise(3_000, 50 * FRAME);
        let (_, heard) = recorded(100, &theirs, |packet| Some(20 + packet));
        assert_eq!(place(&theirs, &heard), Some(20 * FRAME - HALF as usize));
        assert_eq!(heard.len(), 100 * FRAME);
    }

    #[test]
    fn neither_jitter_nor_reordering_is_heard_and_what_was_lost_is_silence() {
        let theirs = noise(3_000, 100 * FRAME);
        let arrival = |packet: usize| match packet {
            50 => None,
            60 => Some(20 + 64),
            packet => Some(20 + packet + [0, 3, 1, 7, 2][packet % 5]),
        };
        let (_, heard) = recorded(200, &theirs, arrival);
        let begin = place(&theirs[..FRAME], &heard).unwrap();
        // It follows the mean of the jitter by a sample here and there.
        let second_half = place(&theirs[70 * FRAME..71 * FRAME], &heard).unwrap() - 70 * FRAME;
        assert!(second_half.abs_diff(begin) <= 60, "{begin} {second_half}");
        let lost = place(&theirs[49 * FRAME..50 * FRAME - 1], &heard).unwrap() + FRAME;
        assert!(heard[lost + 1..lost + FRAME - 1].iter().all(|sample| *sample == 0));
        assert!(place(&theirs[60 * FRAME..61 * FRAME - 1], &heard).is_some(), "late, and in its place");
    }

    #[test]
    fn a_clock_that_runs_otherwise_is_followed_without_clicks() {
        // 1,000 packets of theirs while 1,005 frames of ours pass: five in a thousand, more than any device is off.
        let theirs = tone(RATE, 200.0, 8_000.0, 1_000 * FRAME);
        let (_, heard) = recorded(1_100, &theirs, |packet| Some(10 + packet + packet / 200));
        let end = heard.iter().rposition(|sample| *sample != 0).unwrap();
        assert!(end.abs_diff(1_014 * FRAME) < 2 * FRAME, "{}", end / FRAME);
        let steepest = heard[11 * FRAME..end - FRAME].windows(2).map(|pair| (pair[0] - pair[1]).abs()).max();
        assert!(steepest.unwrap() < 3_000, "{steepest:?}");
    }

    #[test]
    fn another_speaker_or_a_jump_counts_anew() {
        let mut tape = Tape::default();
        let frame = [0; FRAME];
        for _ in 0..40 {
            tape.turn(&frame);
        }
        for (source, timestamp) in [(1, 0), (1, 2_000_000_000), (2, 5), (2, 5)] {
            tape.take(source, timestamp, [9; FRAME].into_iter());
            tape.turn(&frame);
        }
        tape.take(3, 0, vec![1; 20 * FRAME].into_iter());
        let rest = tape.rest();
        assert_eq!(rest.len(), 2 * DEPTH * FRAME);
        let heard = rest.iter().filter(|sample| **sample == 9).count();
        assert!((3 * FRAME..=4 * FRAME).contains(&heard), "{heard}");
    }

    #[test]
    fn peaks_say_how_loud_each_side_was() {
        let mut peaks = Peaks::default();
        assert!(peaks.summary().is_empty());
        let quiet_and_loud: Vec<i16> = (0..3 * STRETCH).flat_map(|_| [100, i16::MIN]).collect();
        peaks.add(&quiet_and_loud);
        peaks.add(&[i16::MAX, 0]);
        assert_eq!(peaks.summary(), [0, 255, 0, 255, 0, 255, 255, 0]);
        let bytes: Vec<u8> = quiet_and_loud.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert_eq!(peaks_of(&bytes[..]).unwrap(), [0, 255, 0, 255, 0, 255]);
        let long: Vec<i16> = vec![128 * 7; 2 * STRETCH * 1_000];
        let mut peaks = Peaks::default();
        peaks.add(&long);
        assert_eq!(peaks.summary(), [7; 2 * PEAKS_MAX]);
    }

    proptest! {
        /// Whatever the packets say: every frame of ours comes out once and in order, and no more waits than may.
        #[test]
        fn it_never_grows_and_our_side_is_its_clock(
            packets in prop::collection::vec((0_u32..3, any::<u32>(), 0_u32..8, 0_usize..12 * FRAME, 0_usize..3), 0..200),
        ) {
            let (mut tape, mut given, mut frames, mut now) = (Tape::default(), Vec::new(), 0, 0_u32);
            for (source, timestamp, kind, length, turns) in packets {
                now = now.wrapping_add(FRAME as u32);
                let timestamp = if kind == 0 { timestamp } else { now.wrapping_sub(kind * 100) };
                tape.take(source, timestamp, vec![1; length].into_iter());
                for _ in 0..turns {
                    frames += 1;
                    given.extend(tape.turn(&[frames; FRAME]).unwrap_or_default());
                }
                prop_assert!(tape.ours.len() <= DEPTH * FRAME);
                prop_assert!(tape.theirs.len() <= 2 * DEPTH * FRAME + 11 * FRAME, "{}", tape.theirs.len());
            }
            given.extend(tape.rest());
            prop_assert_eq!(given.len(), 2 * FRAME * frames as usize);
            prop_assert!(given.iter().step_by(2).enumerate().all(|(at, sample)| *sample as usize == at / FRAME + 1));
        }

        /// Packets that come late by less than it waits, in any order, and some never.
        #[test]
        fn what_comes_out_is_in_the_order_in_which_it_was_said(
            late in prop::collection::vec(prop::option::weighted(0.9, 0_usize..8), 1..150),
        ) {
            let theirs: Vec<i16> = (0..late.len() * FRAME).map(|at| (at / FRAME) as i16 + 1).collect();
            let (_, heard) = recorded(late.len() + 60, &theirs, |packet| late[packet].map(|late| 20 + packet + late));
            let said: Vec<i16> = heard.into_iter().filter(|sample| *sample != 0).collect();
            prop_assert!(said.is_sorted());
            let came = |packet: &usize| late[*packet].is_some();
            prop_assert!((0..late.len()).filter(came).all(|packet| said.contains(&(packet as i16 + 1))));
        }
    }
}
