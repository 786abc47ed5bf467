//! Any bytes as sound: those of a call, a packet after the other with its length before it (RFC 4571), or a file that
//! somebody uploads. No press tells two keys, a recording has every frame of ours in its place and waits for no more than
//! half a second, and a file that was read is the same when it is written and read again.

use std::collections::HashMap;
use voice_campaigns::media::amd::{Detector, Limits};
use voice_campaigns::media::beep::Waiter;
use voice_campaigns::media::g711::Codec;
use voice_campaigns::media::resample::{Stream, resample};
use voice_campaigns::media::tape::{PEAKS_MAX, Peaks, Tape};
use voice_campaigns::media::{FRAME, RATE, dtmf, prompt, rtp, wav};

/// Samples of both sides that a recording waits for.
const WAITING_MAX: usize = 2 * RATE as usize / 2;

/// Holds all of it against whatever came.
pub(crate) fn hold(bytes: &[u8]) {
    match bytes {
        [b'R', b'I', ..] | [b'I', b'D', ..] | [0xff, ..] => file(bytes),
        _ => call(bytes),
    }
}

/// All that listens to the other side of a call.
struct Ears {
    keys: dtmf::Receiver,
    /// When each speaker last pressed a key.
    pressed: HashMap<u32, u32>,
    who: Detector,
    when: Waiter,
    verdicts: usize,
    cues: usize,
    heard: Vec<i16>,
}

fn call(mut bytes: &[u8]) {
    let mut ears = Ears {
        keys: dtmf::Receiver::default(),
        pressed: HashMap::new(),
        who: Detector::new(Limits::default()),
        when: Waiter::default(),
        verdicts: 0,
        cues: 0,
        heard: Vec::new(),
    };
    let (mut tape, mut recorded, mut frames) = (Tape::default(), Vec::new(), 0);
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (packet, rest) = rest.split_at(length);
        bytes = rest;
        if let Some((header, payload)) = rtp::read(packet) {
            assert!(payload.len() + rtp::HEADER <= packet.len() && header.payload_type < 128);
            let again = [&header.bytes()[..], payload].concat();
            assert_eq!(rtp::read(&again), Some((header, payload)));
            match header.payload_type {
                0 => ears.hear(&mut tape, Codec::Pcmu, header, payload),
                8 => ears.hear(&mut tape, Codec::Pcma, header, payload),
                101 => ears.press(header, payload),
                _ => {}
            }
        }
        frames += 1;
        recorded.extend(tape.turn(&[frames; FRAME]).unwrap_or_default());
    }
    let rest = tape.rest();
    assert!(rest.len() <= WAITING_MAX);
    recorded.extend(rest);
    assert_eq!(recorded.len(), 2 * FRAME * frames as usize);
    let ours = recorded.iter().step_by(2).enumerate();
    assert!(ours.into_iter().all(|(at, sample)| *sample as usize == at / FRAME + 1));
    let mut peaks = Peaks::default();
    peaks.add(&recorded);
    assert!(peaks.summary().len() <= 2 * PEAKS_MAX);
    ears.listen();
}

impl Ears {
    fn hear(&mut self, tape: &mut Tape, codec: Codec, header: rtp::Header, payload: &[u8]) {
        let sound: Vec<i16> = payload.iter().map(|byte| codec.decode(*byte)).collect();
        assert!(sound.iter().all(|sample| codec.decode(codec.encode(*sample)) == *sample));
        tape.take(header.source, header.timestamp, sound.iter().copied());
        self.heard.extend(sound);
    }

    fn press(&mut self, header: rtp::Header, payload: &[u8]) {
        let Some(key) = self.keys.take(header, payload) else { return };
        assert!(dtmf::is_key(key));
        assert_eq!(self.keys.take(header, payload), None, "it is told once");
        let last = self.pressed.insert(header.source, header.timestamp);
        // Of many speakers the first are forgotten.
        if self.pressed.len() <= 4
            && let Some(last) = last
        {
            assert!(last.wrapping_sub(header.timestamp) > 5 * RATE, "no press is told again");
        }
    }

    /// All that came, once more as an agent and whoever finds out who picked up hear it.
    fn listen(&mut self) {
        let whole = resample(&self.heard, RATE, 24_000);
        let (mut stream, mut pieces) = (Stream::new(RATE, 24_000), Vec::new());
        for frame in self.heard.chunks(FRAME) {
            pieces.extend(stream.push(frame));
            self.verdicts += usize::from(self.who.take(frame).is_some());
            self.cues += usize::from(self.when.take(frame).is_some());
        }
        pieces.extend(stream.rest());
        assert!(pieces == whole, "in pieces it sounds as in one");
        let seconds = self.heard.len().div_ceil(FRAME) / 50;
        assert!(self.verdicts <= 1 && (self.verdicts == 1 || seconds < 5));
        assert!(self.cues <= 1 && (self.cues == 1 || seconds < 30));
    }
}

/// A file that is uploaded to be played.
fn file(bytes: &[u8]) {
    let Ok(sound) = prompt::read(bytes) else { return };
    assert!((1..=(RATE * prompt::SECONDS_MAX) as usize).contains(&sound.len()));
    let written = prompt::as_wav(&sound);
    let again = prompt::read(&written).expect("what was written");
    let samples = |sound: &[u8]| sound.iter().map(|byte| Codec::Pcmu.decode(*byte)).collect::<Vec<_>>();
    assert!(samples(&again) == samples(&sound));
    assert_eq!(wav::read(&written).map(|wav| (wav.rate, wav.samples.len())), Ok((RATE, sound.len())));
}
