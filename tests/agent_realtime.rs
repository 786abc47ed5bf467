//! Conversations of the agent with one model that hears and speaks, in both dialects, and with such as misbehave.

use crate::support::models::{Answer, LETTER_MS, Manner, Models, Stage, tool, words};
use crate::support::phone::{Phone, agent, brief, brief_of};
use crate::support::uas::Fast;
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;
use voice_campaigns::agent::{Agent, Heard};
use voice_campaigns::clock::Clock;
use voice_campaigns::domain::agent::{Conclusion, Tool};
use voice_campaigns::media::g711::Codec;

/// How many times faster than in life these telephones are.
const SPEED: u32 = 5;

fn clock() -> Arc<dyn Clock> {
    Arc::new(Fast::new(SPEED))
}

/// Both dialects, with every way that sound can travel.
const WAYS: [(&str, &str, Codec); 6] = [
    ("ga", "g711", Codec::Pcmu),
    ("ga", "g711", Codec::Pcma),
    ("ga", "pcm", Codec::Pcmu),
    ("beta", "g711", Codec::Pcmu),
    ("beta", "g711", Codec::Pcma),
    ("beta", "pcm", Codec::Pcma),
];

fn way(dialect: &str, sound: &str) -> Value {
    json!({"realtime": {"dialect": dialect, "sound": sound}})
}

/// Says what it is told to say, and this to everything else.
fn saying(answer: &'static str) -> impl Fn(&str) -> Answer + Send + Sync + 'static {
    move |told| match told.split_once(" Say exactly this as your ") {
        Some((_, rest)) => words(rest.split_once(": ").unwrap().1),
        None => words(answer),
    }
}

/// The events of this type that the server was told, in their order.
fn told(models: &Models, kind: &str) -> Vec<Value> {
    models.asked(Stage::Realtime).into_iter().filter(|event| event["type"] == kind).collect()
}

/// Nothing that it was told was refused.
fn is_content(models: &Models) {
    let refused: Vec<Value> =
        models.asked(Stage::Realtime).into_iter().filter(|event| !event["refused"].is_null()).collect();
    // That it was interrupted when it had stopped by itself is nothing that can be known in time.
    let refused: Vec<&Value> =
        refused.iter().filter(|event| event["refused"] != "response_cancel_not_active").collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_hears_and_speaks_holds_a_conversation_to_its_end() {
    let mut conversations = JoinSet::new();
    for (dialect, sound, codec) in WAYS {
        conversations.spawn(holds(dialect, sound, codec));
    }
    conversations.join_all().await;
}

async fn holds(dialect: &'static str, sound: &'static str, codec: Codec) {
    let what = format!("{dialect} {sound} {codec:?}");
    let outcome =
        json!({"outcome": "success", "reason": "They come on Tuesday.", "answers": {"day": "Tuesday"}});
    let models = Models::start(move |told| match told {
        "Yes, please." => words("Is Tuesday at ten all right?"),
        "Tuesday is fine." => tool("Wonderful.", "report_outcome", outcome.clone()),
        "Done." => tool("See you on Tuesday!", "end_call", json!({})),
        told => saying("Pardon?")(told),
    })
    .await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "realtime", way(dialect, sound), &clock);
    let mut phone = Phone::answer_on(&agent, &clock, brief(), codec);
    phone.hear_out().await;
    models.will_hear("Yes, please.");
    phone.speak(600).await;
    phone.hear_out().await;
    models.will_hear("Tuesday is fine.");
    phone.speak(600).await;
    phone.until("it parts", |phone| phone.tools().contains(&Tool::EndCall)).await;
    assert!(!phone.is_hearing(), "{what}: all has been heard before it ends the call");
    assert_eq!(
        phone.words(),
        [
            &format!("agent: {}", brief().opening),
            "person: Yes, please.",
            "agent: Is Tuesday at ten all right?",
            "person: Tuesday is fine.",
            "agent: Wonderful.",
            "agent: See you on Tuesday!",
        ],
        "{what}"
    );
    let tools = phone.tools();
    let [Tool::ReportOutcome(verdict), Tool::EndCall] = &tools[..] else { panic!("{what}: {tools:?}") };
    assert_eq!((verdict.conclusion, verdict.answers["day"].as_str()), (Conclusion::Success, "Tuesday"));
    let used = phone.used().unwrap();
    assert_eq!((used.model.as_str(), used.input_tokens, used.output_tokens), ("gpt-realtime", 200, 80));
    assert_eq!(phone.turns().len(), 3, "{what}: one for the opening, and one for each time that they spoke");
    // It is the tone that the server sent: 440 hertz, as loud as it was.
    let sound = phone.sound();
    let crossings = sound.windows(2).filter(|two| (two[0] < 0) != (two[1] < 0)).count();
    let hertz = crossings as f64 * 4_000.0 / sound.len() as f64;
    let loudest = sound.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    assert!(
        (435.0..445.0).contains(&hertz) && (5_500..6_800).contains(&loudest),
        "{what}: {hertz} {loudest}"
    );
    is_content(&models);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_interrupted_falls_silent_and_the_model_is_told_how_much_of_it_was_heard() {
    let mut conversations = JoinSet::new();
    for (dialect, sound, codec) in WAYS {
        conversations.spawn(is_interrupted(dialect, sound, codec));
    }
    conversations.join_all().await;
}

async fn is_interrupted(dialect: &'static str, sound: &'static str, codec: Codec) {
    let what = format!("{dialect} {sound} {codec:?}");
    let models = Models::start(|told| match told {
        "Stop." => words("Well, that is a very long story, and I am going to tell you all of it now."),
        told => saying("I see.")(told),
    })
    .await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "realtime", way(dialect, sound), &clock);
    let mut phone = Phone::answer_on(&agent, &clock, brief(), codec);
    let mut before = 0;
    for heard in ["Stop.", "No!"] {
        phone.until("it speaks", |phone| phone.played() >= before + 8_000).await;
        models.will_hear(heard);
        let from = phone.frames.len();
        phone.speak(500).await;
        let silent = phone.frames[from..].iter().position(|sound| !sound).unwrap();
        assert!(silent <= 10, "{what}: it speaks for another {} ms", silent * 20);
        let truncated = told(&models, "conversation.item.truncate");
        let ms = truncated.last().unwrap()["audio_end_ms"].as_i64().unwrap();
        let heard_ms = (phone.hushed.last().unwrap() - before) as i64 / 8;
        assert!((ms - heard_ms).abs() <= 40, "{what}: {ms} ms of {heard_ms}");
        before = *phone.hushed.last().unwrap();
    }
    phone.hear_out().await;
    let said = phone.words();
    assert_eq!(told(&models, "conversation.item.truncate").len(), 2, "{what}");
    assert!(said[0].ends_with('—') && said[2].ends_with('—'), "{what}: {said:?}");
    assert_eq!([&said[1], &said[3], &said[4]], ["person: Stop.", "person: No!", "agent: I see."], "{what}");
    let letters = phone.lines()[0].text.chars().count() as u64;
    let heard = phone.hushed[0] / 8 / LETTER_MS as u64;
    assert!((heard.saturating_sub(12)..=heard + 1).contains(&letters), "{what}: {letters} of {heard}");
    is_content(&models);
}

#[tokio::test]
async fn the_opening_is_heard_at_once_by_the_voice_of_the_settings_and_the_model_knows_what_was_heard_of_it()
{
    let mut conversations = JoinSet::new();
    for (dialect, kind) in [("ga", "output_text"), ("beta", "text")] {
        for is_interrupted in [false, true] {
            conversations.spawn(opens(dialect, kind, is_interrupted));
        }
    }
    conversations.join_all().await;
}

async fn opens(dialect: &'static str, kind: &'static str, is_interrupted: bool) {
    let models = Models::start(saying("I see.")).await;
    let clock = clock();
    let with = json!({"opening": "voice", "realtime": {"dialect": dialect}});
    let (_folder, agent) = agent(&models, "realtime", with, &clock);
    let mut phone = Phone::answer(&agent, &clock);
    match is_interrupted {
        true => phone.until("it speaks", |phone| phone.played() >= 8_000).await,
        false => phone.hear_out().await,
    }
    models.will_hear("Hello?");
    phone.speak(500).await;
    phone.hear_out().await;
    let said = phone.words();
    assert_eq!(said[1..], ["person: Hello?", "agent: I see."], "{said:?}");
    let heard = said[0].trim_start_matches("agent: ");
    let items = told(&models, "conversation.item.create");
    assert_eq!(items[0]["item"]["content"][0]["type"], kind);
    let known = items[0]["item"]["content"][0]["text"].as_str().unwrap();
    match is_interrupted {
        true => assert_eq!(known, format!("{heard} [interrupted; the rest was not heard]")),
        false => assert_eq!((known, heard), (brief().opening.as_str(), brief().opening.as_str())),
    }
    is_content(&models);
}

#[tokio::test]
async fn where_the_voice_of_the_settings_fails_the_model_says_the_opening() {
    let models = Models::start(saying("I see.")).await;
    models.behave(Stage::Speech, Manner::Refuses(500));
    let clock = clock();
    let (_folder, agent) = agent(&models, "realtime", json!({"opening": "voice"}), &clock);
    let mut phone = Phone::answer(&agent, &clock);
    phone.hear_out().await;
    assert_eq!(phone.words(), [format!("agent: {}", brief().opening)]);
}

#[tokio::test]
async fn tools_that_are_none_or_are_used_wrongly_are_told_as_such_and_the_call_goes_on() {
    for dialect in ["ga", "beta"] {
        let models = Models::start(|told| match told {
            "Go." => Answer {
                text: String::new(),
                tools: vec![
                    ("transfer_money", "{}".into()),
                    ("report_outcome", json!({"outcome": "bought everything"}).to_string()),
                    ("send_digits", json!({"digits": "call +1 900"}).to_string()),
                    ("schedule_callback", "{not json".into()),
                ],
            },
            "Done." => words("I am sorry."),
            told => saying("Pardon?")(told),
        })
        .await;
        let clock = clock();
        let (_folder, agent) = agent(&models, "realtime", way(dialect, "g711"), &clock);
        let mut phone = Phone::answer_on(&agent, &clock, brief_of("You ask.", "Hello!"), Codec::Pcmu);
        phone.hear_out().await;
        models.will_hear("Go.");
        phone.speak(500).await;
        phone.until("it goes on", |phone| phone.words().contains(&"agent: I am sorry.".into())).await;
        let tools = phone.tools();
        assert!(tools.len() == 4 && tools.iter().all(|tool| matches!(tool, Tool::Misused(_))), "{tools:?}");
        is_content(&models);
    }
}

#[tokio::test]
async fn whoever_goes_on_talking_is_not_hung_up_on() {
    let models = Models::start(|told| match told {
        "Bye." => tool("Goodbye and thank you very much for your time today.", "end_call", json!({})),
        "Wait!" => words("Yes?"),
        told => saying("Pardon?")(told),
    })
    .await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "realtime", json!({}), &clock);
    let mut phone = Phone::answer_on(&agent, &clock, brief_of("You ask.", "Hello!"), Codec::Pcmu);
    phone.hear_out().await;
    models.will_hear("Bye.");
    phone.speak(500).await;
    let so_far = phone.played();
    phone.until("it says goodbye", |phone| phone.played() > so_far + 2_000).await;
    models.will_hear("Wait!");
    phone.speak(500).await;
    phone.until("it goes on", |phone| phone.words().contains(&"agent: Yes?".into())).await;
    assert_eq!(phone.tools(), []);
    is_content(&models);
}

#[tokio::test]
async fn a_verdict_and_the_end_in_one_answer_do_not_wait_for_each_other() {
    let models = Models::start(|told| match told {
        "Bye." => Answer {
            text: "Goodbye!".into(),
            tools: vec![
                (
                    "report_outcome",
                    json!({"outcome": "declined", "reason": "No.", "answers": {}}).to_string(),
                ),
                ("end_call", "{}".into()),
            ],
        },
        told => saying("Pardon?")(told),
    })
    .await;
    for kind in ["realtime", "cascade"] {
        let clock = clock();
        let (_folder, agent) = agent(&models, kind, json!({}), &clock);
        let mut phone = Phone::answer_on(&agent, &clock, brief_of("You ask.", "Hello!"), Codec::Pcmu);
        phone.hear_out().await;
        models.will_hear("Bye.");
        phone.speak(500).await;
        phone.until("it says goodbye", |phone| phone.words().contains(&"agent: Goodbye!".into())).await;
        let from = clock.steady();
        phone.until("it parts", |phone| phone.tools().contains(&Tool::EndCall)).await;
        let took = clock.steady() - from;
        assert!(took < TimeDelta::seconds(1), "{kind}: {took}");
    }
}

#[tokio::test]
async fn who_says_nothing_is_asked_twice_and_then_taken_leave_of() {
    let models = Models::start(|told| match told.starts_with("[the person has said nothing") {
        true => words("Are you there?"),
        false => saying("Pardon?")(told),
    })
    .await;
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(20));
    let (_folder, agent) = agent(&models, "realtime", json!({}), &clock);
    let mut phone = Phone::answer_on(&agent, &clock, brief_of("You ask.", "Hello!"), Codec::Pcmu);
    phone.until("it gives up", |phone| phone.tools() == [Tool::EndCall]).await;
    let asked = "agent: Are you there?";
    assert_eq!(phone.words(), ["agent: Hello!", asked, asked, "agent: Thank you. Goodbye."]);
    is_content(&models);
}

#[tokio::test]
async fn keys_and_the_end_of_the_time_are_told_to_the_model() {
    let models = Models::start(|told| match told {
        "[caller pressed 1]" => words("You pressed one."),
        told if told.starts_with("[the call ends in 15 seconds") => tool("Goodbye!", "end_call", json!({})),
        told => saying("Pardon?")(told),
    })
    .await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "realtime", json!({}), &clock);
    let mut phone = Phone::answer(&agent, &clock);
    phone.until("it speaks", |phone| phone.played() >= 8_000).await;
    phone.tell(Heard::Key('1'));
    phone.until("it answers", |phone| phone.words().contains(&"agent: You pressed one.".into())).await;
    phone.tell(Heard::TimeIsNearlyUp);
    phone.until("it parts", |phone| phone.tools() == [Tool::EndCall]).await;
    assert_eq!(phone.words().last().unwrap(), "agent: Goodbye!");
    is_content(&models);
}

#[tokio::test]
async fn a_model_that_only_wants_tools_is_not_asked_for_ever() {
    let models = Models::start(|told| match told.contains("last words") {
        true => saying("")(told),
        false => tool("", "send_digits", json!({"digits": "1"})),
    })
    .await;
    let clock = clock();
    let (_folder, agent) = agent(&models, "realtime", json!({}), &clock);
    let mut phone = Phone::answer(&agent, &clock);
    phone.until("it gives up", |phone| phone.tools().contains(&Tool::EndCall)).await;
    let digits = phone.tools().iter().filter(|tool| matches!(tool, Tool::SendDigits(_))).count();
    assert_eq!(digits, 40, "as many tools as there may be on a call");
    assert!(told(&models, "response.create").len() <= 202);
    is_content(&models);
}

#[tokio::test]
async fn a_server_that_does_not_answer_by_itself_is_asked_to() {
    let models = Models::start(saying("I see.")).await;
    models.inner.answers_when_asked.store(true, std::sync::atomic::Ordering::SeqCst);
    let clock = clock();
    let (_folder, agent) = agent(&models, "realtime", json!({"realtime": {"timeout_seconds": 4}}), &clock);
    let mut phone = Phone::answer_on(&agent, &clock, brief_of("You ask.", "Hello!"), Codec::Pcmu);
    phone.hear_out().await;
    models.will_hear("Hello?");
    phone.speak(500).await;
    phone.until("it answers", |phone| phone.words().contains(&"agent: I see.".into())).await;
    is_content(&models);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_hangs_drips_or_tells_nonsense_ends_the_conversation_with_the_cause() {
    let mut conversations = Vec::new();
    for (manner, at_first, later) in [
        (Manner::Refuses(500), "answered 500", "The server had an error"),
        (Manner::Refuses(401), "check its key", "The server had an error"),
        (Manner::Refuses(429), "answered 429", "Rate limit reached for *"),
        (Manner::Hangs, "took too long", "took too long"),
        (Manner::Drips, "", "took too long"),
        (Manner::Nonsense, "took too long", "nobody understands"),
        (Manner::BreaksOff, "the realtime model", "the realtime model"),
    ] {
        for (is_at_first, expected) in [(true, at_first), (false, later)] {
            // All agents are made before the first one talks: that takes the machine a while.
            let models = Models::start(saying("I see. And then? Tell me more about it.")).await;
            let clock = clock();
            let with = json!({"opening": "voice", "realtime": {"timeout_seconds": 4}});
            let (folder, agent) = agent(&models, "realtime", with, &clock);
            if !expected.is_empty() {
                conversations.push(async move {
                    fails(&models, &agent, &clock, manner, is_at_first, expected).await;
                    drop(folder);
                });
            }
        }
    }
    conversations.into_iter().collect::<JoinSet<()>>().join_all().await;
}

async fn fails(
    models: &Models,
    agent: &Arc<dyn Agent>,
    clock: &Arc<dyn Clock>,
    manner: Manner,
    is_at_first: bool,
    expected: &str,
) {
    let what = format!("{manner:?} {}", if is_at_first { "at first" } else { "later" });
    if is_at_first {
        models.behave(Stage::Realtime, manner);
    }
    let mut phone = Phone::answer(agent, clock);
    if !is_at_first {
        phone.hear_out().await;
        models.behave(Stage::Realtime, manner);
        models.will_hear("Hello?");
        phone.speak(500).await;
    }
    let from = clock.steady();
    phone.until(&what, |phone| phone.is_over).await;
    let took = clock.steady() - from;
    assert!(took < TimeDelta::seconds(10), "{what} took {took}");
    let why = phone.failure().unwrap();
    assert!(why.contains("the realtime model") && why.contains(expected), "{what}: {why}");
    assert!(!why.contains("sk-te"), "{what}: {why}");
    phone.until("the connection is let go of", |_| models.busy() == 0).await;
}
