//! A text that nobody may see: it shows as stars wherever it is written.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// A password or key from the settings.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// What is shown instead.
pub const MASK: &str = "********";

impl Secret {
    /// Keeps a text from being seen.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The text itself, for whoever it is meant for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

/// What secrets are sealed under.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// The key that a text stands for: base64 or hex of 32 bytes.
    pub fn of_text(text: &str) -> Option<Key> {
        let text = text.trim();
        let of_hex = || {
            let digit = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
            let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex.then(|| (0..64).step_by(2).map(digit).collect::<Option<Vec<u8>>>())?
        };
        let of_base64 = || STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok();
        Some(Key(of_hex().or_else(of_base64)?.try_into().ok()?))
    }

    /// The key in a file: its 32 bytes, or a text that stands for them.
    pub fn of_bytes(bytes: &[u8]) -> Option<Key> {
        let of_text = || Key::of_text(std::str::from_utf8(bytes).ok()?);
        bytes.try_into().ok().map(Key).or_else(of_text)
    }

    /// Its bytes, for whoever seals.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_or_their_base64_or_hex() {
        let key = Key([0xfb; 32]);
        let padded = STANDARD.encode([0xfb; 32]);
        let hex = "fb".repeat(32);
        for text in
            [padded.as_str(), padded.trim_end_matches('='), &hex, &hex.to_uppercase(), &format!(" {hex}\n")]
        {
            assert_eq!(Key::of_text(text), Some(key.clone()), "{text}");
            assert_eq!(Key::of_bytes(text.as_bytes()), Some(key.clone()), "{text}");
        }
        assert_eq!(Key::of_bytes(&[0xfb; 32]), Some(key.clone()));
        for text in ["", "secret", "fb", &"x".repeat(64), &"A".repeat(44)] {
            assert_eq!(Key::of_text(text), None, "{text}");
        }
        assert_eq!(format!("{key:?}"), MASK);
    }

    #[test]
    fn a_secret_is_shown_to_nobody() {
        let secret: Secret = serde_json::from_str("\"hunter2\"").unwrap();
        assert_eq!(secret.reveal(), "hunter2");
        assert_eq!(format!("{secret:?}"), MASK);
        assert_eq!(serde_json::to_string(&secret).unwrap(), format!("\"{MASK}\""));
    }
}
