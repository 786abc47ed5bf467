//! The two codecs that every telephone line has, ITU-T G.711: µ-law (PCMU) and A-law (PCMA), a byte per sample.

/// Which of the two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// µ-law, North America and Japan.
    Pcmu,
    /// A-law, elsewhere.
    Pcma,
}

impl Codec {
    /// A sample as a byte.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Codec::Pcmu => to_mu_law(sample),
            Codec::Pcma => to_a_law(sample),
        }
    }

    /// The sample of a byte.
    pub fn decode(self, byte: u8) -> i16 {
        match self {
            Codec::Pcmu => MU_LAW[usize::from(byte)],
            Codec::Pcma => A_LAW[usize::from(byte)],
        }
    }

    /// The byte of silence.
    pub fn silence(self) -> u8 {
        match self {
            Codec::Pcmu => 0xff,
            Codec::Pcma => 0xd5,
        }
    }

    /// The payload type that RFC 3551 gives it.
    pub fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        }
    }

    /// Its name in a session description.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
        }
    }
}

/// The samples of all bytes.
macro_rules! samples {
    ($decode:ident) => {{
        let mut samples = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            samples[byte] = $decode(byte as u8);
            byte += 1;
        }
        samples
    }};
}

static MU_LAW: [i16; 256] = samples!(from_mu_law);
static A_LAW: [i16; 256] = samples!(from_a_law);

/// In 14 bits, as the recommendation counts: a bias of 33 makes the segments powers of two.
fn to_mu_law(sample: i16) -> u8 {
    let linear = i32::from(sample) >> 2;
    let mask = if linear < 0 { 0x7f } else { 0xff };
    let biased = linear.abs().min(8_158) + 33;
    let segment = (31 - biased.leading_zeros()).saturating_sub(5);
    let coded = (segment << 4) as i32 | (biased >> (segment + 1)) & 0x0f;
    coded as u8 ^ mask
}

const fn from_mu_law(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((((byte & 0x0f) as i32) << 3) + 0x84) << ((byte & 0x70) >> 4);
    (if byte & 0x80 != 0 { 0x84 - magnitude } else { magnitude - 0x84 }) as i16
}

/// In 13 bits; every other bit is inverted on the line.
fn to_a_law(sample: i16) -> u8 {
    let linear = i32::from(sample) >> 3;
    let (mask, magnitude) = if linear >= 0 { (0xd5, linear) } else { (0x55, -linear - 1) };
    let segment = if magnitude > 0x1f { 27 - magnitude.leading_zeros() } else { 0 };
    let shift = segment.max(1);
    let coded = (segment << 4) as i32 | (magnitude >> shift) & 0x0f;
    coded as u8 ^ mask
}

const fn from_a_law(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let segment = (byte & 0x70) >> 4;
    let mut magnitude = ((byte & 0x0f) as i32) << 4;
    magnitude += if segment == 0 { 8 } else { 0x108 };
    if segment > 1 {
        magnitude <<= segment - 1;
    }
    (if byte & 0x80 != 0 { magnitude } else { -magnitude }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn hash(bytes: impl IntoIterator<Item = u8>) -> String {
        let bytes: Vec<u8> = bytes.into_iter().collect();
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Of the tables that Python's `audioop` makes, which follows the recommendation's reference code.
    #[test]
    fn all_samples_and_all_bytes_are_as_in_the_reference() {
        for (codec, encoded, decoded) in [
            (
                Codec::Pcmu,
                "81d633c9e6972a18c74a58720b96cb8ca0bdd096d4060b646dd708c3b846019a",
                "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827",
            ),
            (
                Codec::Pcma,
                "38488f6fd710f4686360edc4d38639f96c491595ef93f8eb8d62d5e07ca6ce7b",
                "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174",
            ),
        ] {
            assert_eq!(hash((i16::MIN..=i16::MAX).map(|sample| codec.encode(sample))), encoded, "{codec:?}");
            let samples = (0..=u8::MAX).flat_map(|byte| codec.decode(byte).to_le_bytes());
            assert_eq!(hash(samples), decoded, "{codec:?}");
        }
    }

    #[test]
    fn a_byte_that_is_decoded_and_encoded_again_sounds_the_same() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for byte in 0..=u8::MAX {
                let sample = codec.decode(byte);
                assert_eq!(codec.decode(codec.encode(sample)), sample, "{codec:?} {byte}");
            }
            assert!(codec.decode(codec.silence()).abs() <= 8, "{codec:?}");
        }
    }
}
