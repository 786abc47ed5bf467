//! Sound as it travels on a telephone line, pure: frames, packets and descriptions go in and out as values. Knows
//! neither sockets nor time; a frame is 20 milliseconds of 8,000 samples a second.

pub mod amd;
pub mod beep;
pub mod dtmf;
pub mod g711;
pub mod mp3;
pub mod prompt;
pub mod resample;
pub mod rtp;
pub mod sdp;
pub mod tape;
pub mod wav;

/// Samples per second on the line.
pub const RATE: u32 = 8_000;
/// How long a frame is.
pub const FRAME_MS: u32 = 20;
/// Samples in a frame.
pub const FRAME: usize = (RATE / 1_000 * FRAME_MS) as usize;

/// How loud a frame is: the mean distance of its samples from silence.
pub fn level(frame: &[i16]) -> i64 {
    let sum: i64 = frame.iter().map(|sample| i64::from(*sample).abs()).sum();
    sum / frame.len().max(1) as i64
}

/// Below this [`level`] a frame counts as silence.
pub const SILENCE: i64 = 256;

#[cfg(test)]
pub(crate) mod signal {
    //! Signals for tests.

    /// So many samples of a sine of this frequency.
    pub(crate) fn tone(rate: u32, hertz: f64, amplitude: f64, samples: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        (0..samples).map(|n| (amplitude * (step * n as f64).sin()).round() as i16).collect()
    }

    /// So many samples of noise, the same each time.
    pub(crate) fn noise(amplitude: i16, samples: usize) -> Vec<i16> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (i64::from(amplitude) * ((state >> 40) as i64 - (1 << 23)) / (1 << 23)) as i16
        };
        (0..samples).map(|_| next()).collect()
    }
}
