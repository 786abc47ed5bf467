//! Recordings of calls: what is kept about one, what is said before one begins, and why one is gone.

use crate::words;

/// A recording whose file is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// How long it is, in milliseconds.
    pub ms: i64,
    /// How large the file is.
    pub bytes: i64,
    /// How loud it is over its time: pairs of a byte for us and one for them.
    pub peaks: Vec<u8>,
}

words! {
    /// Why a recording is gone.
    pub enum Gone {
        /// Its time was over.
        Retention = "retention",
        /// Somebody deleted it.
        Request = "request",
        /// The person was erased.
        Erasure = "erasure",
        /// Its campaign was.
        Campaign = "campaign",
        /// The file was not there any more.
        Missing = "missing",
    }
}

/// What is said before a call is recorded, where the campaign has no words of its own, in the language of the voice.
pub fn announcement(language: &str) -> &'static str {
    let primary = language.split('-').next().unwrap_or_default().to_ascii_lowercase();
    match primary.as_str() {
        "de" => "Dieses Gespräch wird aufgezeichnet.",
        "fr" => "Cet appel est enregistré.",
        "es" => "Esta llamada se está grabando.",
        "it" => "Questa chiamata viene registrata.",
        "pt" => "Esta chamada está a ser gravada.",
        "nl" => "Dit gesprek wordt opgenomen.",
        _ => "This call is being recorded.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_sentence_is_in_the_language_of_the_voice() {
        assert_eq!(announcement("de-AT"), "Dieses Gespräch wird aufgezeichnet.");
        assert_eq!(announcement("PT"), "Esta chamada está a ser gravada.");
        assert_eq!(announcement("en-GB"), announcement("ja"));
    }
}
