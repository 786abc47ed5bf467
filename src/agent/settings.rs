//! What can be set about the agent.

use crate::domain::secret::Secret;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Who holds conversations, and where its parts are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How conversations are held; none for not at all.
    pub kind: Option<Kind>,
    /// The server of all parts that name none of their own, such as `https://api.openai.com/v1`.
    pub url: Option<String>,
    /// Its key.
    pub api_key: Option<Secret>,
    /// A file with its key.
    pub api_key_file: Option<PathBuf>,
    /// Who says the first words; none for whoever is the quicker.
    pub opening: Option<Opening>,
    /// Conversations at one time.
    pub max_concurrent: u32,
    /// The model that answers in text: of the chain, of judgements and of tries.
    pub chat: Part,
    /// The model that turns what is heard into text.
    pub transcription: Part,
    /// The model that hears and speaks by itself.
    pub realtime: Realtime,
}

/// How conversations are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Transcription, model and voice, one after the other.
    Cascade,
    /// One model that hears and speaks.
    Realtime,
}

/// Who says the first words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opening {
    /// The voice of the settings, which had it ready before anybody picked up.
    Voice,
    /// The model.
    Model,
}

/// One model on a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The server, where it is another one.
    pub url: Option<String>,
    /// Its key.
    pub api_key: Option<Secret>,
    /// A file with its key.
    pub api_key_file: Option<PathBuf>,
    /// The model.
    pub model: String,
    /// How long it may take until its first words.
    pub timeout_seconds: u32,
}

/// The model that hears and speaks by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Realtime {
    /// The server, where it is another one.
    pub url: Option<String>,
    /// Its key.
    pub api_key: Option<Secret>,
    /// A file with its key.
    pub api_key_file: Option<PathBuf>,
    /// The model.
    pub model: String,
    /// How long it may take until its first words.
    pub timeout_seconds: u32,
    /// Its voice for campaigns that name none.
    pub voice: String,
    /// Which form of the protocol it speaks.
    pub dialect: Dialect,
    /// How sound travels.
    pub sound: Sound,
}

/// Forms of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// As it is generally available.
    Ga,
    /// As it was before, and as many servers still speak it.
    Beta,
}

/// How sound travels to a model that hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sound {
    /// As on the telephone line.
    G711,
    /// 16 bits, 24,000 samples a second.
    Pcm,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            kind: None,
            url: None,
            api_key: None,
            api_key_file: None,
            opening: None,
            max_concurrent: 10,
            chat: Part::new("gpt-4.1-mini", 10),
            transcription: Part::new("whisper-1", 10),
            realtime: Realtime {
                url: None,
                api_key: None,
                api_key_file: None,
                model: "gpt-realtime".into(),
                timeout_seconds: 8,
                voice: "marin".into(),
                dialect: Dialect::Ga,
                sound: Sound::G711,
            },
        }
    }
}

impl Part {
    fn new(model: &str, timeout_seconds: u32) -> Part {
        Part { url: None, api_key: None, api_key_file: None, model: model.into(), timeout_seconds }
    }
}

impl Settings {
    /// Says what cannot be used, if something cannot.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=1_000).contains(&self.max_concurrent) {
            return Err(format!("max_concurrent must be between 1 and 1000; it is {}", self.max_concurrent));
        }
        let parts = [
            ("", &self.url, &self.api_key, &self.api_key_file, 1),
            ("chat.", &self.chat.url, &self.chat.api_key, &self.chat.api_key_file, self.chat.timeout_seconds),
            (
                "transcription.",
                &self.transcription.url,
                &self.transcription.api_key,
                &self.transcription.api_key_file,
                self.transcription.timeout_seconds,
            ),
            (
                "realtime.",
                &self.realtime.url,
                &self.realtime.api_key,
                &self.realtime.api_key_file,
                self.realtime.timeout_seconds,
            ),
        ];
        for (part, url, key, key_file, timeout) in parts {
            if !(1..=60).contains(&timeout) {
                return Err(format!("{part}timeout_seconds must be between 1 and 60; it is {timeout}"));
            }
            if key.is_some() && key_file.is_some() {
                return Err(format!("{part}api_key and {part}api_key_file say the same; set one of them"));
            }
            if let Some(url) = url
                && !url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
            {
                return Err(format!(
                    "{part}url must begin with http:// or https://, such as https://api.openai.com/v1"
                ));
            }
        }
        let missing = |part: &str, url: &Option<String>| match (url, &self.url) {
            (None, None) => Err(format!(
                "{part}.url or url must say where the server is, such as https://api.openai.com/v1"
            )),
            (Some(_), _) | (_, Some(_)) => Ok(()),
        };
        match self.kind {
            None => Ok(()),
            Some(Kind::Cascade) => {
                missing("chat", &self.chat.url).and(missing("transcription", &self.transcription.url))
            }
            Some(Kind::Realtime) => {
                missing("chat", &self.chat.url).and(missing("realtime", &self.realtime.url))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn checked(with: Value) -> Result<(), String> {
        let settings: Settings = serde_json::from_value(with).map_err(|error| error.to_string())?;
        settings.check()
    }

    fn whole(mut with: Value) -> Value {
        let mut whole = serde_json::to_value(Settings::default()).unwrap();
        for (section, values) in with.as_object_mut().unwrap() {
            match values.as_object() {
                Some(values) => whole[section.as_str()].as_object_mut().unwrap().extend(values.clone()),
                None => whole[section.as_str()] = values.take(),
            }
        }
        whole
    }

    #[test]
    fn a_kind_needs_to_know_where_its_servers_are() {
        assert_eq!(checked(json!({})), Ok(()));
        for kind in ["cascade", "realtime"] {
            assert_eq!(checked(json!({"kind": kind, "url": "http://127.0.0.1:8080/v1"})), Ok(()));
            assert!(checked(json!({"kind": kind})).unwrap_err().contains("chat.url"));
        }
        let own = json!({"kind": "cascade", "chat": {"url": "http://a/v1"}, "transcription": {"url": "http://b/v1"}});
        assert_eq!(checked(whole(own)), Ok(()));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (field, with) in [
            ("max_concurrent", json!({"max_concurrent": 0})),
            ("url", json!({"url": "ftp://x"})),
            ("chat.url", whole(json!({"chat": {"url": "x"}}))),
            ("transcription.timeout_seconds", whole(json!({"transcription": {"timeout_seconds": 0}}))),
            ("realtime.api_key_file", whole(json!({"realtime": {"api_key": "a", "api_key_file": "b"}}))),
            ("variant", json!({"kind": "parrot"})),
        ] {
            let problem = checked(with.clone()).unwrap_err();
            assert!(problem.contains(field), "{with}: {problem}");
        }
    }
}
