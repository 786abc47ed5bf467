//! The protocol of models that hear and speak, in both of its forms: documents go out and events come in. Pure.

use super::chat::Call;
use super::settings::{Dialect, Sound};
use crate::domain::agent::Brief;
use crate::media::g711::Codec;
use serde_json::{Value, json};

/// Silence after which the server takes a turn for finished.
pub(super) const SILENCE_MS: u32 = 500;

/// What a session is set to.
pub(super) struct Session<'s> {
    /// The form of the protocol.
    pub(super) dialect: Dialect,
    /// How sound travels.
    pub(super) sound: Sound,
    /// The codec of the line.
    pub(super) line: Codec,
    /// The model that writes down what the person says.
    pub(super) transcription: &'s str,
    /// The voice.
    pub(super) voice: &'s str,
    /// What the model is told.
    pub(super) brief: &'s Brief,
    /// What it may use.
    pub(super) tools: &'s [Value],
}

impl Session<'_> {
    /// The document that sets it.
    pub(super) fn update(&self) -> Value {
        let language = self.brief.voice.language.split(['-', '_']).next().unwrap_or_default();
        let mut transcription = json!({"model": self.transcription});
        if !language.is_empty() {
            transcription["language"] = language.into();
        }
        let turns = json!({
            "type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": SILENCE_MS,
            "create_response": true, "interrupt_response": true,
        });
        let tool = |tool: &Value| {
            let mut tool = tool.clone();
            tool["type"] = "function".into();
            tool
        };
        let tools: Vec<Value> = self.tools.iter().map(tool).collect();
        let session = match self.dialect {
            Dialect::Ga => {
                let format = match (self.sound, self.line) {
                    (Sound::G711, Codec::Pcmu) => json!({"type": "audio/pcmu"}),
                    (Sound::G711, Codec::Pcma) => json!({"type": "audio/pcma"}),
                    (Sound::Pcm, _) => json!({"type": "audio/pcm", "rate": PCM_RATE}),
                };
                json!({
                    "type": "realtime",
                    "output_modalities": ["audio"],
                    "instructions": self.brief.instructions,
                    "tools": tools,
                    "tool_choice": "auto",
                    "audio": {
                        "input": {"format": format, "transcription": transcription, "turn_detection": turns},
                        "output": {"format": format, "voice": self.voice},
                    },
                })
            }
            Dialect::Beta => {
                let format = match (self.sound, self.line) {
                    (Sound::G711, Codec::Pcmu) => "g711_ulaw",
                    (Sound::G711, Codec::Pcma) => "g711_alaw",
                    (Sound::Pcm, _) => "pcm16",
                };
                json!({
                    "modalities": ["audio", "text"],
                    "instructions": self.brief.instructions,
                    "voice": self.voice,
                    "input_audio_format": format,
                    "output_audio_format": format,
                    "input_audio_transcription": transcription,
                    "turn_detection": turns,
                    "tools": tools,
                    "tool_choice": "auto",
                })
            }
        };
        json!({"type": "session.update", "session": session})
    }
}

/// Samples per second where sound travels as PCM.
pub(super) const PCM_RATE: u32 = 24_000;

/// Something that the person did, or that the model is to know.
pub(super) fn user_item(text: &str) -> Value {
    json!({"type": "conversation.item.create", "item": {
        "type": "message", "role": "user", "content": [{"type": "input_text", "text": text}],
    }})
}

/// Words that were said in the place of the model.
pub(super) fn assistant_item(dialect: Dialect, text: &str) -> Value {
    let kind = match dialect {
        Dialect::Ga => "output_text",
        Dialect::Beta => "text",
    };
    json!({"type": "conversation.item.create", "item": {
        "type": "message", "role": "assistant", "content": [{"type": kind, "text": text}],
    }})
}

/// What became of a tool.
pub(super) fn tool_item(call_id: &str, answer: &str) -> Value {
    json!({"type": "conversation.item.create", "item": {
        "type": "function_call_output", "call_id": call_id, "output": answer,
    }})
}

/// So much of its words was heard.
pub(super) fn truncate(item: &str, milliseconds: u64) -> Value {
    json!({
        "type": "conversation.item.truncate", "item_id": item, "content_index": 0, "audio_end_ms": milliseconds,
    })
}

/// Sound of the person.
pub(super) fn append(sound: &str) -> Value {
    json!({"type": "input_audio_buffer.append", "audio": sound})
}

/// What a server tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The session is as it was asked for.
    Ready,
    /// The person begins to speak.
    SpeechStarted,
    /// They have finished.
    SpeechStopped,
    /// What they said.
    Said(String),
    /// The model begins to answer.
    Began,
    /// Sound of its voice: the item, base64.
    Sound(String, String),
    /// Words to the sound of an item.
    Words(String, String),
    /// All the words to the sound of an item.
    AllWords(String, String),
    /// A tool.
    Call(Call),
    /// The answer is over.
    Done {
        /// Tools that it held.
        calls: Vec<Call>,
        /// Tokens in and out.
        used: (u64, u64),
        /// Why it failed, if it did.
        failure: Option<String>,
    },
    /// Something is wrong: a word for it, and a sentence.
    Error(String, String),
    /// Nothing that matters here.
    Other,
}

impl Event {
    /// Reads a document, in either form; none if it is no event.
    pub(super) fn read(text: &str) -> Option<Event> {
        let event: Value = serde_json::from_str(text).ok()?;
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        Some(match event["type"].as_str()? {
            "session.updated" => Event::Ready,
            "input_audio_buffer.speech_started" => Event::SpeechStarted,
            "input_audio_buffer.speech_stopped" => Event::SpeechStopped,
            "conversation.item.input_audio_transcription.completed" => Event::Said(text("transcript")),
            "response.created" => Event::Began,
            "response.output_audio.delta" | "response.audio.delta" => {
                Event::Sound(text("item_id"), text("delta"))
            }
            "response.output_audio_transcript.delta" | "response.audio_transcript.delta" => {
                Event::Words(text("item_id"), text("delta"))
            }
            "response.output_audio_transcript.done" | "response.audio_transcript.done" => {
                Event::AllWords(text("item_id"), text("transcript"))
            }
            // Some servers leave the name out here, and tell it with the item.
            "response.function_call_arguments.done" if event["name"].is_string() => {
                Event::Call(named(&event))
            }
            "response.output_item.done" => call(&event["item"]).map_or(Event::Other, Event::Call),
            "response.done" => {
                let response = &event["response"];
                let tokens = |name: &str| response["usage"][name].as_u64().unwrap_or_default();
                let details = &response["status_details"]["error"];
                let why =
                    details["message"].as_str().or(details["code"].as_str()).unwrap_or("no reason is given");
                Event::Done {
                    calls: response["output"].as_array().into_iter().flatten().filter_map(call).collect(),
                    used: (tokens("input_tokens"), tokens("output_tokens")),
                    failure: (response["status"] == "failed").then(|| why.to_owned()),
                }
            }
            "error" => {
                let error = &event["error"];
                let word = error["code"].as_str().or(error["type"].as_str()).unwrap_or_default();
                Event::Error(word.to_owned(), error["message"].as_str().unwrap_or_default().to_owned())
            }
            _ => Event::Other,
        })
    }
}

/// The tool in an item.
fn call(item: &Value) -> Option<Call> {
    (item["type"] == "function_call").then(|| named(item))
}

/// The tool that is named here.
fn named(place: &Value) -> Call {
    let text = |name: &str| place[name].as_str().unwrap_or_default().to_owned();
    Call { id: text("call_id"), name: text("name"), arguments: text("arguments") }
}

/// Errors that only say that we were too late, and that nothing need be done about.
pub(super) fn is_harmless(word: &str) -> bool {
    matches!(
        word,
        "response_cancel_not_active"
            | "conversation_already_has_active_response"
            | "input_audio_buffer_commit_empty"
            | "item_truncate_invalid_item_id"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_event_say_the_same() {
        for (ga, beta) in [
            ("response.output_audio.delta", "response.audio.delta"),
            ("response.output_audio_transcript.delta", "response.audio_transcript.delta"),
        ] {
            let read =
                |kind: &str| Event::read(&json!({"type": kind, "item_id": "a", "delta": "b"}).to_string());
            assert_eq!(read(ga), read(beta));
            assert_ne!(read(ga), Some(Event::Other));
        }
    }

    #[test]
    fn tools_failures_and_tokens_are_found_in_the_end_of_an_answer() {
        let done = json!({"type": "response.done", "response": {
            "status": "failed",
            "status_details": {"error": {"code": "rate_limit_exceeded", "message": "slow down"}},
            "output": [{"type": "message"}, {"type": "function_call", "call_id": "c", "name": "opt_out", "arguments": "{}"}],
            "usage": {"input_tokens": 5, "output_tokens": 7},
        }});
        let expected = Event::Done {
            calls: vec![Call { id: "c".into(), name: "opt_out".into(), arguments: "{}".into() }],
            used: (5, 7),
            failure: Some("slow down".into()),
        };
        assert_eq!(Event::read(&done.to_string()), Some(expected));
    }

    #[test]
    fn what_is_no_event_is_none_and_what_is_unknown_does_not_matter() {
        for nonsense in ["", "hello", "7", "{}", r#"{"type":7}"#] {
            assert_eq!(Event::read(nonsense), None, "{nonsense}");
        }
        assert_eq!(Event::read(r#"{"type":"rate_limits.updated"}"#), Some(Event::Other));
        let nameless = r#"{"type":"response.function_call_arguments.done","call_id":"c","arguments":"{}"}"#;
        assert_eq!(Event::read(nameless), Some(Event::Other));
    }
}
