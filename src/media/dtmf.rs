//! Keys as packets, RFC 4733: one press is many packets with one timestamp, of which some are lost, late or there
//! twice.

use super::rtp::Header;
use super::{FRAME, RATE};
use std::collections::VecDeque;

const KEYS: &[u8; 16] = b"0123456789*#ABCD";
/// How long we press a key.
const PRESS: u16 = (RATE / 10) as u16;
/// How often the end is told, because any of it may be lost.
const ENDS: u8 = 3;
/// Frames between two keys.
const PAUSE: u8 = 3;
/// The longest that a press can be told; a longer one goes on under another timestamp.
const SEGMENT: u32 = 0xffff;
const END: u8 = 0x80;
/// In decibels below the loudest.
const VOLUME: u8 = 10;

/// Whether a telephone has this key.
pub fn is_key(key: char) -> bool {
    u8::try_from(key).is_ok_and(|key| KEYS.contains(&key))
}

/// Speakers whose last press is remembered: a late packet of one before does not tell its press again.
const SPEAKERS: usize = 4;

/// A packet of a press that was so much before the last one is late; one from further back is of somebody who began to
/// count anew.
const LATE_MAX: u32 = 5 * RATE;

/// Turns packets into keys: one per press, however many packets tell of it.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    /// The last press of each speaker, the newest speaker last.
    last: VecDeque<Press>,
}

/// A press that was told.
#[derive(Clone, Copy, Debug)]
struct Press {
    /// Who counts the time.
    source: u32,
    timestamp: u32,
    event: u8,
}

impl Receiver {
    /// Takes in a packet of the agreed payload type; the key, if it is the first to tell of its press.
    pub fn take(&mut self, header: Header, payload: &[u8]) -> Option<char> {
        let [event, _, _, _] = *payload.first_chunk::<4>()?;
        let key = char::from(*KEYS.get(usize::from(event))?);
        let Header { source, timestamp, .. } = header;
        let known = self.last.iter_mut().find(|press| press.source == source);
        let Some(last) = known else {
            if self.last.len() == SPEAKERS {
                self.last.pop_front();
            }
            self.last.push_back(Press { source, timestamp, event });
            return Some(key);
        };
        if last.timestamp.wrapping_sub(timestamp) <= LATE_MAX {
            return None;
        }
        let goes_on = timestamp.wrapping_sub(last.timestamp) == SEGMENT && event == last.event;
        (last.timestamp, last.event) = (timestamp, event);
        (!goes_on).then_some(key)
    }
}

/// Turns keys into packets, one per frame.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    waiting: VecDeque<u8>,
    pressed: Option<Pressed>,
    pause: u8,
}

/// A key that is held down.
#[derive(Clone, Copy, Debug)]
struct Pressed {
    event: u8,
    since: u32,
    duration: u16,
    ends_told: u8,
}

/// What goes out instead of a frame of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first of its key.
    pub marker: bool,
    /// When the key was pressed.
    pub timestamp: u32,
    /// What the packet carries.
    pub payload: [u8; 4],
}

impl Sender {
    /// Presses these keys one after the other, after those that wait. What is no key is left out.
    pub fn press(&mut self, keys: &str) {
        let events = keys.to_ascii_uppercase().into_bytes();
        let event = |key: u8| KEYS.iter().position(|known| *known == key).map(|event| event as u8);
        self.waiting.extend(events.into_iter().filter_map(event));
    }

    /// What goes out in the frame at this timestamp; none for sound.
    pub fn next(&mut self, timestamp: u32) -> Option<Part> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        let mut pressed = match self.pressed.take() {
            Some(pressed) => pressed,
            None => Pressed { event: self.waiting.pop_front()?, since: timestamp, duration: 0, ends_told: 0 },
        };
        let marker = pressed.duration == 0;
        pressed.duration = PRESS.min(pressed.duration + FRAME as u16);
        let is_end = pressed.duration == PRESS;
        pressed.ends_told += u8::from(is_end);
        let [high, low] = pressed.duration.to_be_bytes();
        let flags = VOLUME | if is_end { END } else { 0 };
        let part = Part { marker, timestamp: pressed.since, payload: [pressed.event, flags, high, low] };
        match pressed.ends_told {
            ENDS => self.pause = PAUSE,
            _ => self.pressed = Some(pressed),
        }
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packets(keys: &str) -> Vec<(Header, [u8; 4])> {
        let mut sender = Sender::default();
        sender.press(keys);
        let start = u32::MAX - 2_000; // the timestamps go round
        let frames = (0..keys.len() as u32 * 12).map(|frame| start.wrapping_add(frame * FRAME as u32));
        let mut sequence = 65_530_u16;
        let mut sent = Vec::new();
        for at in frames {
            sequence = sequence.wrapping_add(1);
            let Some(Part { marker, timestamp, payload }) = sender.next(at) else { continue };
            sent.push((Header { payload_type: 101, marker, sequence, timestamp, source: 1 }, payload));
        }
        sent
    }

    fn heard(packets: impl IntoIterator<Item = (Header, [u8; 4])>) -> String {
        let mut receiver = Receiver::default();
        packets.into_iter().filter_map(|(header, payload)| receiver.take(header, &payload)).collect()
    }

    #[test]
    fn a_key_is_held_for_a_tenth_of_a_second_and_its_end_told_three_times() {
        let sent = packets("5");
        let told: Vec<(bool, [u8; 4])> = sent.iter().map(|(h, payload)| (h.marker, *payload)).collect();
        assert_eq!(
            told,
            [
                (true, [5, 10, 0, 160]),
                (false, [5, 10, 1, 64]),
                (false, [5, 10, 1, 224]),
                (false, [5, 10, 2, 128]),
                (false, [5, 0x8a, 3, 32]),
                (false, [5, 0x8a, 3, 32]),
                (false, [5, 0x8a, 3, 32]),
            ]
        );
        assert!(sent.iter().all(|(header, _)| header.timestamp == sent[0].0.timestamp));
    }

    #[test]
    fn every_key_is_heard_once_and_the_same_key_twice_is_two() {
        assert_eq!(heard(packets("1990*#aD")), "1990*#AD");
        assert_eq!(heard(packets("1x9")), "19");
    }

    #[test]
    fn a_press_longer_than_a_packet_can_tell_is_still_one() {
        let part = |timestamp| {
            (
                Header { payload_type: 101, marker: false, sequence: 0, timestamp, source: 1 },
                [9, 10, 0xff, 0xff],
            )
        };
        assert_eq!(heard([part(10), part(10 + SEGMENT), part(10 + 2 * SEGMENT), part(900_000)]), "99");
    }

    #[test]
    fn another_speaker_counts_anew_and_a_late_packet_of_the_one_before_tells_nothing() {
        let part = |source, timestamp, key| {
            (Header { payload_type: 101, marker: true, sequence: 0, timestamp, source }, [key, 10, 0, 160])
        };
        assert_eq!(heard([part(1, 900, 1), part(2, 5, 1), part(1, 900, 1), part(2, 5, 1)]), "11");
        assert_eq!(
            heard((0..5).chain([4, 0]).map(|source| part(source, 7, 2))),
            "222222",
            "four are remembered"
        );
    }

    #[test]
    fn keys_are_heard_on_after_a_speaker_began_to_count_anew() {
        let part = |timestamp, key| {
            (Header { payload_type: 101, marker: true, sequence: 0, timestamp, source: 1 }, [key, 10, 0, 160])
        };
        assert_eq!(
            heard([part(2_000_000, 1), part(1_000, 9), part(1_000, 9), part(17_000, 9), part(1_000, 9)]),
            "199"
        );
        assert_eq!(heard([part(LATE_MAX, 1), part(0, 9)]), "1", "what is late is not told");
        assert_eq!(heard([part(LATE_MAX, 1), part(u32::MAX, 9)]), "19");
    }

    #[test]
    fn what_is_no_key_is_not_heard() {
        let header = packets("1")[0].0;
        let mut receiver = Receiver::default();
        assert_eq!(receiver.take(header, &[1, 10, 0]), None);
        assert_eq!(receiver.take(header, &[16, 10, 0, 160]), None);
        assert_eq!(receiver.take(header, &[1, 10, 0, 160]), Some('1'));
    }

    proptest! {
        /// At least one packet of each press comes, in the order of the presses; those of one press in any order and
        /// number, and some of them late.
        #[test]
        fn losses_duplicates_and_late_packets_change_nothing(
            keys in "[0-9*#]{1,8}",
            kept in prop::collection::vec((any::<u8>(), 0_usize..3, any::<bool>()), 200),
        ) {
            let sent = packets(&keys);
            let mut arriving = Vec::new();
            let mut late = Vec::new();
            let mut kept = kept.into_iter().cycle();
            let mut presses: Vec<Vec<(Header, [u8; 4])>> = Vec::new();
            for packet in sent {
                match presses.last_mut() {
                    Some(press) if press[0].0.timestamp == packet.0.timestamp => press.push(packet),
                    _ => presses.push(vec![packet]),
                }
            }
            for mut press in presses {
                press.sort_by_key(|_| kept.next().map(|(order, _, _)| order));
                arriving.push(press[0]);
                arriving.append(&mut late);
                for packet in press {
                    let (_, copies, is_late) = kept.next().unwrap_or_default();
                    let queue = if is_late { &mut late } else { &mut arriving };
                    queue.extend(std::iter::repeat_n(packet, copies));
                }
            }
            prop_assert_eq!(heard(arriving), keys);
        }
    }
}
