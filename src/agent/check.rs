//! Tries every server of the agent, one after the other, without calling anybody: what was tried, and how long it took
//! and what it said, or what is wrong.

use super::chat::{Chat, Message, Piece};
use super::connection::Model;
use super::dialect::{self, Event};
use super::ears::EAR_RATE;
use super::notes::milliseconds;
use super::realtime::Realtime;
use super::settings::{Kind, Opening, Settings};
use super::transcription::Transcription;
use super::{judge, tools};
use crate::clock::Clock;
use crate::domain::agent::{Brief, Line, ToolName};
use crate::domain::fields::Words;
use crate::domain::voice::Voice;
use crate::media::RATE;
use crate::media::g711::Codec;
use crate::media::resample::resample;
use crate::speech::{Sound, Speaker};
use chrono::TimeDelta;
use serde_json::json;
use std::sync::Arc;

/// What was tried, and what came of it.
pub type Tried = (String, Result<String, String>);

/// What the voice says, and the transcription hears.
const SENTENCE: &str = "Good morning, is this a good time to talk?";
/// What a model is told.
const HELLO: &str = "Hello, who are you?";
/// Letters of an answer that are shown.
const SHOWN: usize = 80;

/// Tries what these settings need; nothing where no agent is configured.
pub async fn check(settings: &Settings, voice: Result<Speaker, String>, clock: Arc<dyn Clock>) -> Vec<Tried> {
    let brief = Arc::new(brief());
    let mut tried = Vec::new();
    match settings.kind {
        None => return tried,
        Some(Kind::Cascade) => {
            let sound = voice_says(voice, &brief, &clock, &mut tried).await;
            tried.push(transcription_hears(settings, sound.as_deref(), &brief, &clock).await);
        }
        Some(Kind::Realtime) => {
            let opener = voice.clone().map(|speaker| speaker.synthesizer);
            if settings.opening == Some(Opening::Voice) {
                voice_says(voice, &brief, &clock, &mut tried).await;
            }
            let what = |host: &str| format!("realtime {}{host}", settings.realtime.model);
            tried.push(match Realtime::new(settings, opener, clock.clone()) {
                Ok(realtime) => {
                    let model = realtime.model();
                    (what(&at(&model.host())), model_speaks(model, &brief, &clock).await)
                }
                Err(problem) => (what(""), Err(problem)),
            });
        }
    }
    let model = |host: &str| format!("{}{host}", settings.chat.model);
    match Chat::new(settings, clock.clone()) {
        Ok(chat) => {
            let name = model(&at(&chat.host()));
            // In a realtime conversation it only judges.
            if settings.kind == Some(Kind::Cascade) {
                tried.push((format!("model {name}"), model_answers(&chat, &brief, &clock).await));
            }
            tried.push((format!("judgement {name}"), judges(chat, brief, &clock).await));
        }
        Err(problem) => tried.push((format!("model {}", model("")), Err(problem))),
    }
    tried
}

/// What is said of a host behind a name.
fn at(host: &str) -> String {
    format!(" at {host}")
}

fn brief() -> Brief {
    Brief {
        instructions: "You are being tried out, and nobody is on the telephone. Answer in one short sentence, and use no \
                       tool."
            .to_owned(),
        prompt: String::new(),
        opening: SENTENCE.to_owned(),
        goodbye: "Goodbye.".to_owned(),
        criteria: "The person agrees to talk.".to_owned(),
        voice: Voice { language: "en-US".to_owned(), ..Voice::default() },
        tools: ToolName::all().to_vec(),
        duration_max: TimeDelta::minutes(1),
    }
}

async fn voice_says(
    voice: Result<Speaker, String>,
    brief: &Brief,
    clock: &Arc<dyn Clock>,
    tried: &mut Vec<Tried>,
) -> Option<Sound> {
    let speaker = match voice {
        Ok(speaker) => speaker,
        Err(problem) => {
            tried.push(("voice".to_owned(), Err(problem)));
            return None;
        }
    };
    let began = clock.steady();
    // What is kept already would prove nothing.
    let said = speaker.fresh.say(SENTENCE, &brief.voice).await;
    let took = milliseconds(clock.steady() - began);
    let sentence = said.as_ref().map(|sound| {
        let seconds = sound.len() as f64 / f64::from(RATE);
        format!("{took} ms for {seconds:.1} s of sound")
    });
    let name = format!("voice{}", at(&speaker.name));
    tried.push((name, sentence.map_err(ToString::to_string)));
    said.ok()
}

async fn transcription_hears(
    settings: &Settings,
    sound: Option<&[i16]>,
    brief: &Brief,
    clock: &Arc<dyn Clock>,
) -> Tried {
    let transcription = match Transcription::new(settings, clock.clone()) {
        Ok(transcription) => transcription,
        Err(problem) => return (format!("transcription {}", settings.transcription.model), Err(problem)),
    };
    let name = format!("transcription {}{}", transcription.model(), at(&transcription.host()));
    let sound = match sound {
        Some(sound) => resample(sound, RATE, EAR_RATE),
        None => vec![0; EAR_RATE as usize],
    };
    let began = clock.steady();
    let text = transcription.text(&sound, &brief.voice.language).await;
    let took = milliseconds(clock.steady() - began);
    (name, text.map(|text| format!("{took} ms, heard {}", shown(&text))))
}

async fn model_answers(chat: &Chat, brief: &Brief, clock: &Arc<dyn Clock>) -> Result<String, String> {
    let began = clock.steady();
    let messages = [Message::System(brief.instructions.clone()), Message::User(HELLO.into())];
    let mut reply = chat.reply(&messages, &tools::definitions(&brief.tools)).await?;
    let (mut first, mut text, mut wanted) = (None, String::new(), Vec::new());
    while let Some(piece) = reply.next().await {
        match piece? {
            Piece::Text(more) => {
                first.get_or_insert(clock.steady() - began);
                text.push_str(&more);
            }
            Piece::Call(call) => wanted.push(call.name),
            Piece::Used(..) => {}
        }
    }
    let whole = milliseconds(clock.steady() - began);
    match first {
        Some(first) => Ok(format!(
            "{} ms to its first words, {whole} ms to its last: {}",
            milliseconds(first),
            shown(&text)
        )),
        None if wanted.is_empty() => Err("the model said nothing".to_owned()),
        None => Ok(format!("{whole} ms, said nothing and wanted the tool {}", wanted.join(", "))),
    }
}

/// Connects, has a session set, and hears one answer: how long that took, and what was said.
async fn model_speaks(model: &Model, brief: &Brief, clock: &Arc<dyn Clock>) -> Result<String, String> {
    let began = clock.steady();
    let mut connection = model.connect(brief, Codec::Pcmu).await?;
    let connected = clock.steady();
    connection.send(&dialect::user_item(HELLO)).await?;
    connection.send(&json!({"type": "response.create"})).await?;
    let until = connected + model.limit * 2;
    let (mut first, mut words) = (None, String::new());
    loop {
        let text = tokio::select! {
            text = connection.next() => text?,
            () = clock.sleep_until(until) => return Err("the realtime model took too long to answer".into()),
        };
        match Event::read(&text) {
            Some(Event::Sound(..)) => {
                first.get_or_insert(clock.steady());
            }
            Some(Event::AllWords(_, text)) => words = text,
            Some(Event::Error(word, message)) => return Err(model.refused(&word, &message)),
            Some(Event::Done { failure: Some(failure), .. }) => return Err(model.refused("", &failure)),
            Some(Event::Done { .. }) => break,
            Some(_) | None => {}
        }
    }
    let first = first.ok_or("the realtime model answered without a sound")?;
    let (ready, first) = (milliseconds(connected - began), milliseconds(first - connected));
    Ok(format!("{ready} ms until its session is set, {first} ms to its first sound: {}", shown(&words)))
}

/// Whether a conversation can be judged when it ended without a verdict.
async fn judges(chat: Chat, brief: Arc<Brief>, clock: &Arc<dyn Clock>) -> Result<String, String> {
    let began = clock.steady();
    let line = |by_agent: bool, text: &str| Line {
        by_agent,
        text: text.to_owned(),
        began_at: began,
        ended_at: began,
        is_cut_off: false,
    };
    let lines = vec![line(true, SENTENCE), line(false, "No, thank you.")];
    let verdict = judge::judge(chat, brief, lines).await?;
    let took = milliseconds(clock.steady() - began);
    Ok(format!("{took} ms, judged a refusal as {}", verdict.conclusion.word()))
}

/// Words of a server for a person to read.
fn shown(text: &str) -> String {
    let plain: String = text.trim().chars().filter(|char| !char.is_control()).collect();
    match plain.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("\"{}…\"", &plain[..at]),
        None => format!("\"{plain}\""),
    }
}
