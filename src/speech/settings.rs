//! What can be set about the voice.

use crate::domain::secret::Secret;
use serde::{Deserialize, Serialize};

/// Where the voice comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A service with `POST …/audio/speech`, such as `https://api.openai.com/v1`.
    pub url: Option<String>,
    /// Its key.
    pub api_key: Option<Secret>,
    /// Its model.
    pub model: String,
    /// A program and its arguments; the text comes on its standard input, the WAV file from its standard output.
    #[serde(deserialize_with = "words")]
    pub command: Vec<String>,
    /// The voice of campaigns that name none.
    pub name: Option<String>,
    /// How long a text may take to become sound.
    pub timeout_seconds: u32,
    /// How much of what was said is kept, to be said again.
    pub cache_megabytes: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            url: None,
            api_key: None,
            model: "tts-1".into(),
            command: Vec::new(),
            name: None,
            timeout_seconds: 20,
            cache_megabytes: 200,
        }
    }
}

/// A list, or its words in one text.
fn words<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list such as [\"espeak-ng\", \"--stdout\"], or a text")]
    enum Words {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Words::deserialize(deserializer)? {
        Words::List(list) => list,
        Words::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
    })
}

impl Settings {
    /// Says what cannot be used, if something cannot.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=120).contains(&self.timeout_seconds) {
            return Err(format!("timeout_seconds must be between 1 and 120; it is {}", self.timeout_seconds));
        }
        if !(1..=100_000).contains(&self.cache_megabytes) {
            return Err(format!(
                "cache_megabytes must be between 1 and 100000; it is {}",
                self.cache_megabytes
            ));
        }
        match self.url.as_deref().map(url::Url::parse) {
            Some(Ok(url)) if matches!(url.scheme(), "http" | "https") => Ok(()),
            None => Ok(()),
            Some(_) => {
                Err("url must begin with http:// or https://, such as https://api.openai.com/v1".into())
            }
        }
    }
}
