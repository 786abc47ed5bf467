//! Conversations of an agent that is one model which hears and speaks, as far as they are not like those of the other
//! kind.

use crate::support::kinds::{Kind, REALTIME, each};
use crate::support::models::{Manner, Models, Stage, words};
use crate::support::phone::{brief, brief_of};
use serde_json::json;
use std::sync::atomic::Ordering;
use voice_campaigns::media::g711::Codec;

#[tokio::test]
async fn the_opening_is_heard_at_once_by_the_voice_of_the_settings_and_the_model_knows_what_was_heard_of_it()
{
    let cases = [("ga", "output_text"), ("beta", "text")];
    each(cases.into_iter().flat_map(|case| [(case, false), (case, true)]), opens).await;
}

async fn opens(((dialect, content), is_interrupted): ((&'static str, &str), bool)) {
    let models = Models::start(|_| words("I see.")).await;
    let kind = Kind::Realtime(dialect, "g711", Codec::Pcmu);
    let (_folder, mut phone) = kind.calls(&models, json!({"opening": "voice"}), brief(), 5);
    match is_interrupted {
        true => phone.until("it speaks", |phone| phone.played() >= 8_000).await,
        false => phone.hear_out().await,
    }
    models.will_hear("Hello?");
    phone.speak(600).await;
    phone.hear_out().await;
    let said = phone.words();
    assert_eq!(said[1..], ["person: Hello?", "agent: I see."], "{said:?}");
    let heard = said[0].trim_start_matches("agent: ");
    let items = models.told("conversation.item.create");
    assert_eq!(items[0]["item"]["content"][0]["type"], content);
    let known = items[0]["item"]["content"][0]["text"].as_str().unwrap();
    match is_interrupted {
        true => assert_eq!(known, format!("{heard} [interrupted; the rest was not heard]")),
        false => assert_eq!((known, heard), (brief().opening.as_str(), brief().opening.as_str())),
    }
    models.are_content();
}

#[tokio::test]
async fn where_the_voice_of_the_settings_fails_the_model_says_the_opening() {
    let models = Models::start(|_| words("I see.")).await;
    models.behave(Stage::Speech, Manner::Refuses(500));
    let (_folder, mut phone) = REALTIME.calls(&models, json!({"opening": "voice"}), brief(), 5);
    phone.hear_out().await;
    assert_eq!(phone.words(), [format!("agent: {}", brief().opening)]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_by_itself_is_asked_to() {
    let models = Models::start(|_| words("I see.")).await;
    models.inner.answers_when_asked.store(true, Ordering::SeqCst);
    let with = json!({"realtime": {"timeout_seconds": 4}});
    let (_folder, mut phone) = REALTIME.calls(&models, with, brief_of("You ask.", "Hello!"), 5);
    phone.hear_out().await;
    models.will_hear("Hello?");
    phone.speak(600).await;
    phone.until("it answers", |phone| phone.words().contains(&"agent: I see.".into())).await;
    models.are_content();
}
