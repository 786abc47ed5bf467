//! API tokens: making one, and what is kept of it. Knows neither the store nor HTTP.
//!
//! A token is `vc_`, 43 random characters (256 bits) and a checksum of 6 characters, as GitHub's are: a scanner
//! finds a leaked one without false alarms. Only its SHA-256 is kept; with 256 random bits behind it, a slow hash
//! would add nothing.

use rand::TryRng;
use rand::rngs::{SysError, SysRng};
use sha2::{Digest, Sha256};

const PREFIX: &str = "vc_";
const RANDOM_LENGTH: usize = 43; // 62^43 > 2^256
const CHECKSUM_LENGTH: usize = 6; // 62^6 > 2^32
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Makes a new token from the system's random numbers, and the hash to keep.
pub fn generate() -> Result<(String, [u8; 32]), SysError> {
    let mut token = format!("{PREFIX}{}", random()?);
    token += &checksum(&token);
    let hash = hash(&token);
    Ok((token, hash))
}

/// Makes the cookie of a new session, and the hash to keep. It has no prefix: it lives half a day in one browser, and
/// nobody pastes it anywhere.
pub fn generate_session() -> Result<(String, [u8; 32]), SysError> {
    let cookie = random()?;
    let hash = hash(&cookie);
    Ok((cookie, hash))
}

fn random() -> Result<String, SysError> {
    let mut text = String::new();
    while text.len() < RANDOM_LENGTH {
        let mut bytes = [0; 64];
        SysRng.try_fill_bytes(&mut bytes)?;
        // 248 is four times 62: with larger bytes left out, every character is equally likely.
        let fair = bytes.iter().filter(|byte| **byte < 248).take(RANDOM_LENGTH - text.len());
        text.extend(fair.map(|byte| char::from(ALPHABET[usize::from(byte % 62)])));
    }
    Ok(text)
}

/// What is kept of a token, and what it is looked up by.
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// CRC-32 in base 62, most significant digit first.
fn checksum(text: &str) -> String {
    let mut rest = crc32(text.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits.map(char::from).iter().collect()
}

/// The CRC-32 of zip and Ethernet.
fn crc32(bytes: &[u8]) -> u32 {
    let shifted = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), shifted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_checksum_is_the_crc_32_everybody_else_computes() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn tokens_are_of_one_shape_and_never_repeat() {
        let made: HashSet<String> = (0..200).map(|_| generate().unwrap().0).collect();
        assert_eq!(made.len(), 200);
        for token in &made {
            assert_eq!((&token[..3], token.len()), ("vc_", 52));
            assert_eq!(token[46..], checksum(&token[..46]));
        }
        let used: HashSet<char> = made.iter().flat_map(|token| token[3..].chars()).collect();
        assert_eq!(used.len(), 62);
    }

    #[test]
    fn what_is_kept_is_the_sha_256_of_the_whole_token() {
        let (token, kept) = generate().unwrap();
        assert_eq!(kept, hash(&token));
        let hex: String = hash("abc").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
