//! WAV files, as speech programs write them: any rate and width in, one channel of 16-bit samples out. A length that
//! was not known when the file began (0 or all ones) means the rest of the file.

use super::g711::Codec;
use thiserror::Error;

/// Sound that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wav {
    /// Samples per second.
    pub rate: u32,
    /// The mean of all channels.
    pub samples: Vec<i16>,
}

/// Why there is no sound in it; a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WavError {
    /// No RIFF WAVE file.
    #[error("it is no WAV file: it does not begin with RIFF and WAVE")]
    NoWav,
    /// No format, or one that makes no sense.
    #[error("the WAV file says nothing that makes sense about its format")]
    BadFormat,
    /// A codec that we do not know.
    #[error(
        "the WAV file is compressed in a way that is not supported (format {format}, {bits} bits): use PCM"
    )]
    Unsupported {
        /// `wFormatTag`.
        format: u16,
        /// Bits per sample.
        bits: u16,
    },
    /// Nothing in it.
    #[error("the WAV file has no sound in it")]
    Empty,
}

/// The header of a file.
#[derive(Clone, Copy)]
struct Format {
    tag: u16,
    channels: u16,
    rate: u32,
    bits: u16,
}

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
/// The real format stands further behind.
const EXTENSIBLE: u16 = 0xfffe;

const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;
const CHANNELS_MAX: u16 = 16;

/// Reads a file.
pub fn read(file: &[u8]) -> Result<Wav, WavError> {
    let is_wav = file.len() >= 12 && file.starts_with(b"RIFF") && &file[8..12] == b"WAVE";
    let mut rest = if is_wav { &file[12..] } else { return Err(WavError::NoWav) };
    let mut format = None;
    while let Some((head, body)) = rest.split_first_chunk::<8>() {
        let [n0, n1, n2, n3, l0, l1, l2, l3] = *head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let chunk = &body[..length.min(body.len())];
        match &[n0, n1, n2, n3] {
            b"fmt " => format = Some(Format::read(chunk).ok_or(WavError::BadFormat)?),
            b"data" => {
                let sound = if length == 0 { body } else { chunk };
                return format.ok_or(WavError::BadFormat)?.samples(sound);
            }
            _ => {}
        }
        // Chunks begin at even places.
        rest = body.get(length.saturating_add(length % 2)..).unwrap_or_default();
    }
    Err(if format.is_some() { WavError::Empty } else { WavError::BadFormat })
}

impl Format {
    fn read(chunk: &[u8]) -> Option<Format> {
        let word = |at: usize| Some(u16::from_le_bytes(*chunk.get(at..)?.first_chunk()?));
        let rate = u32::from_le_bytes(*chunk.get(4..)?.first_chunk()?);
        let tag = match word(0)? {
            EXTENSIBLE => word(24)?,
            tag => tag,
        };
        let format = Format { tag, channels: word(2)?, rate, bits: word(14)? };
        ((1..=CHANNELS_MAX).contains(&format.channels) && RATES.contains(&rate)).then_some(format)
    }

    fn samples(self, sound: &[u8]) -> Result<Wav, WavError> {
        let Format { tag, channels, rate, bits } = self;
        let sample: fn(&[u8]) -> f64 = match (tag, bits) {
            (PCM, 8) => |bytes| (f64::from(bytes[0]) - 128.0) * 256.0,
            (PCM, 16) => |bytes| f64::from(i16::from_le_bytes([bytes[0], bytes[1]])),
            (PCM, 24) => |bytes| f64::from(i32::from_le_bytes([0, bytes[0], bytes[1], bytes[2]])) / 65_536.0,
            (PCM, 32) => |bytes| f64::from(i32::from_le_bytes(four(bytes))) / 65_536.0,
            (FLOAT, 32) => |bytes| f64::from(f32::from_le_bytes(four(bytes))) * 32_768.0,
            (A_LAW, 8) => |bytes| f64::from(Codec::Pcma.decode(bytes[0])),
            (MU_LAW, 8) => |bytes| f64::from(Codec::Pcmu.decode(bytes[0])),
            (format, bits) => return Err(WavError::Unsupported { format, bits }),
        };
        let width = usize::from(bits / 8);
        let frames = sound.chunks_exact(width * usize::from(channels));
        let mean = |frame: &[u8]| frame.chunks_exact(width).map(sample).sum::<f64>() / f64::from(channels);
        // A number that is none becomes silence; what is too loud the loudest there is.
        let samples: Vec<i16> = frames.map(|frame| mean(frame).round() as i16).collect();
        if samples.is_empty() { Err(WavError::Empty) } else { Ok(Wav { rate, samples }) }
    }
}

fn four(bytes: &[u8]) -> [u8; 4] {
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

/// How long [`header`] is.
pub const HEADER: usize = 44;

/// What stands before so many bytes of 16-bit samples.
pub fn header(rate: u32, channels: u16, bytes: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let width = channels * 2;
    let parts: [&[u8]; 13] = [
        b"RIFF",
        &(36_u32.saturating_add(bytes)).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16_u32.to_le_bytes(),
        &PCM.to_le_bytes(),
        &channels.to_le_bytes(),
        &rate.to_le_bytes(),
        &(rate * u32::from(width)).to_le_bytes(),
        &width.to_le_bytes(),
        &16_u16.to_le_bytes(),
        b"data",
        &bytes.to_le_bytes(),
    ];
    header.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, byte)| *to = *byte);
    header
}

/// One channel of 16-bit samples as a file.
pub fn write(rate: u32, samples: &[i16]) -> Vec<u8> {
    let mut file = header(rate, 1, samples.len() as u32 * 2).to_vec();
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(tag: u16, channels: u16, rate: u32, bits: u16, sound: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVE".to_vec();
        file.extend(b"LIST\x03\0\0\0abc\0");
        file.extend(b"fmt \x10\0\0\0");
        file.extend([tag, channels].map(u16::to_le_bytes).as_flattened());
        file.extend([rate, 0].map(u32::to_le_bytes).as_flattened());
        file.extend([0, bits].map(u16::to_le_bytes).as_flattened());
        file.extend(b"data");
        file.extend((sound.len() as u32).to_le_bytes());
        file.extend(sound);
        file
    }

    fn samples(file: &[u8]) -> Vec<i16> {
        read(file).unwrap().samples
    }

    #[test]
    fn what_was_written_is_read() {
        let sound = [0, 1, -1, i16::MAX, i16::MIN];
        let written = write(8_000, &sound);
        assert_eq!(written.len(), 54);
        assert_eq!(read(&written), Ok(Wav { rate: 8_000, samples: sound.to_vec() }));
    }

    #[test]
    fn every_width_is_read() {
        assert_eq!(samples(&file(1, 1, 8_000, 8, &[128, 0, 255])), [0, -32_768, 32_512]);
        assert_eq!(
            samples(&file(1, 1, 22_050, 24, &[0xff, 0xff, 0x7f, 0, 0, 0x80, 0, 1, 0])),
            [32_767, -32_768, 1]
        );
        assert_eq!(samples(&file(1, 1, 48_000, 32, &i32::MIN.to_le_bytes())), [-32_768]);
        let floats: Vec<u8> =
            [0.0_f32, 0.5, -1.0, 7.0, f32::NAN].iter().flat_map(|f| f.to_le_bytes()).collect();
        assert_eq!(samples(&file(3, 1, 24_000, 32, &floats)), [0, 16_384, -32_768, 32_767, 0]);
        assert_eq!(samples(&file(7, 1, 8_000, 8, &[0xff, 0x00])), [0, -32_124]);
        assert_eq!(samples(&file(6, 1, 8_000, 8, &[0xd5])), [8]);
    }

    #[test]
    fn channels_become_one_and_half_a_frame_at_the_end_is_dropped() {
        let stereo: Vec<u8> = [100_i16, 300, -50, 50, 7].iter().flat_map(|s| s.to_le_bytes()).collect();
        assert_eq!(samples(&file(1, 2, 16_000, 16, &stereo)), [200, 0]);
    }

    #[test]
    fn a_length_that_was_not_known_means_the_rest() {
        for length in [0_u32, u32::MAX, 1_000_000] {
            let mut streamed = write(24_000, &[1, 2, 3]);
            streamed[40..44].copy_from_slice(&length.to_le_bytes());
            streamed[4..8].copy_from_slice(&length.to_le_bytes());
            assert_eq!(read(&streamed), Ok(Wav { rate: 24_000, samples: vec![1, 2, 3] }), "{length}");
        }
    }

    #[test]
    fn the_long_form_of_a_header_is_understood() {
        let mut long = b"RIFF\0\0\0\0WAVEfmt \x28\0\0\0".to_vec();
        long.extend([EXTENSIBLE, 1].map(u16::to_le_bytes).as_flattened());
        long.extend([16_000_u32, 32_000].map(u32::to_le_bytes).as_flattened());
        long.extend([2_u16, 16, 22, 16, 0, 0, PCM].map(u16::to_le_bytes).as_flattened());
        long.extend([0; 14]);
        long.extend(b"data\x02\0\0\0\x05\0");
        assert_eq!(read(&long), Ok(Wav { rate: 16_000, samples: vec![5] }));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert_eq!(read(b"ID3\x04 an mp3 file"), Err(WavError::NoWav));
        assert_eq!(read(b"RIFF\0\0\0\0WAVE"), Err(WavError::BadFormat));
        assert_eq!(read(&file(1, 0, 8_000, 16, &[0; 4])), Err(WavError::BadFormat));
        assert_eq!(read(&file(1, 1, 0, 16, &[0; 4])), Err(WavError::BadFormat));
        assert_eq!(
            read(&file(0x55, 1, 8_000, 0, &[0; 4])),
            Err(WavError::Unsupported { format: 0x55, bits: 0 })
        );
        assert_eq!(read(&file(1, 1, 8_000, 16, &[])), Err(WavError::Empty));
        assert_eq!(read(&file(1, 1, 8_000, 16, &[])[..50]), Err(WavError::Empty));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..120), at in 12_usize..60) {
            let _ = read(&bytes);
            let mut begun = file(1, 1, 8_000, 16, &[1, 2, 3, 4]);
            begun.truncate(at);
            begun.append(&mut bytes);
            let _ = read(&begun);
        }
    }
}
