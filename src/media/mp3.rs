//! MP3 files, as people record and send them: one channel of 16-bit samples out, as from [`super::wav`].

use super::wav::Wav;
use nanomp3::SliceReader;

/// Reads a file, of a longer one than this the beginning; none if there is no sound in it.
pub fn read(file: &[u8], seconds_max: u32) -> Option<Wav> {
    let mut reader = SliceReader::<i16>::new(file);
    let (rate, channels) = (reader.sample_rate(), usize::from(reader.channels()?.num()));
    let most = rate as usize * seconds_max as usize;
    let mut samples: Vec<i16> = Vec::new();
    while samples.len() < most
        && let Ok(Some(frame)) = reader.read_frame()
    {
        let mean = |parts: &[i16]| parts.iter().map(|part| i32::from(*part)).sum::<i32>() / channels as i32;
        samples.extend(frame.chunks_exact(channels).map(|parts| mean(parts) as i16));
    }
    (rate > 0 && !samples.is_empty()).then_some(Wav { rate, samples })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// So many frames of silence: MPEG-1 layer III, 128 kbit/s, 44,100 samples a second, one channel.
    fn silence(frames: usize) -> Vec<u8> {
        let mut frame = [0; 417];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0xc4]);
        frame.repeat(frames)
    }

    #[test]
    fn a_file_is_as_long_as_its_frames_and_read_no_further_than_wanted() {
        let sound = read(&silence(100), 10).unwrap();
        assert_eq!((sound.rate, sound.samples.len()), (44_100, 100 * 1_152));
        let begun = read(&silence(100), 1).unwrap();
        assert!((44_100..44_100 + 1_152).contains(&begun.samples.len()));
        let tagged = [&b"ID3\x04\0\0\0\0\0\x05hello"[..], &silence(10)].concat();
        assert_eq!(read(&tagged, 10).unwrap().samples.len(), 10 * 1_152);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..3_000), at in 0_usize..2_000) {
            let _ = read(&bytes, 5);
            let mut begun = silence(5);
            begun.truncate(at);
            begun.append(&mut bytes);
            begun.extend(silence(3));
            let _ = read(&begun, 5);
        }
    }
}
