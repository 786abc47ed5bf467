//! Sounds that people upload to be played on calls: WAV or MP3 in, a telephone line's µ-law out.

use super::g711::Codec;
use super::wav::{Wav, WavError};
use super::{RATE, mp3, resample, wav};

/// No prompt is longer.
pub const SECONDS_MAX: u32 = 300;

/// The sound in a file, a byte per sample. The error is a sentence. Takes a while for a long one.
pub fn read(file: &[u8]) -> Result<Vec<u8>, String> {
    let Wav { rate, samples } = match wav::read(file) {
        Err(WavError::NoWav) => {
            mp3::read(file, SECONDS_MAX + 1).ok_or("is neither a WAV nor an MP3 file with sound in it")?
        }
        read => read.map_err(|problem| problem.to_string())?,
    };
    if samples.len() > rate as usize * SECONDS_MAX as usize {
        return Err(format!("must last at most {SECONDS_MAX} seconds"));
    }
    let line = resample::resample(&samples, rate, RATE);
    Ok(line.into_iter().map(|sample| Codec::Pcmu.encode(sample)).collect())
}

/// The same sound as a WAV file.
pub fn as_wav(sound: &[u8]) -> Vec<u8> {
    let samples: Vec<i16> = sound.iter().map(|byte| Codec::Pcmu.decode(*byte)).collect();
    wav::write(RATE, &samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::signal::tone;

    #[test]
    fn a_file_of_any_rate_becomes_the_sound_of_a_line() {
        let sound = read(&wav::write(44_100, &tone(44_100, 440.0, 9_000.0, 44_100))).unwrap();
        assert_eq!(sound.len(), 8_000);
        let again = wav::read(&as_wav(&sound)).unwrap();
        assert_eq!((again.rate, again.samples.len()), (RATE, 8_000));
        assert!(again.samples.iter().any(|sample| *sample > 8_000));
    }

    #[test]
    fn what_is_no_sound_or_too_long_says_so() {
        for nonsense in [&b""[..], b"hello", b"ID3\x04\0\0\0\0\0\0", &[0xff; 5_000]] {
            assert_eq!(read(nonsense).unwrap_err(), "is neither a WAV nor an MP3 file with sound in it");
        }
        let long = wav::write(8_000, &vec![0; 8_000 * 301]);
        assert_eq!(read(&long).unwrap_err(), "must last at most 300 seconds");
        assert_eq!(read(b"RIFF\0\0\0\0WAVE").unwrap_err(), WavError::BadFormat.to_string());
    }
}
