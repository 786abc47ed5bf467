//! Conversations of an agent that is a chain of servers, as far as they are not like those of the other kind.

use crate::support::kinds::{Kind, each};
use crate::support::models::{Manner, Models, Stage, words};
use crate::support::phone::{Phone, brief, brief_of};
use serde_json::{Value, json};
use tempfile::TempDir;
use voice_campaigns::domain::phrases::Phrases;

fn moment() -> &'static str {
    Phrases::of("en-US").moment
}

/// Somebody who has heard a short greeting.
async fn greeted(models: &Models) -> (TempDir, Phone) {
    let (folder, mut phone) = Kind::Cascade.calls(models, json!({}), brief_of("You ask.", "Hello!"), 5);
    phone.hear_out().await;
    (folder, phone)
}

#[tokio::test]
async fn a_cough_does_not_make_it_forget_what_it_was_saying() {
    let models = Models::start(|_| words("Never asked.")).await;
    let (_folder, mut phone) = Kind::Cascade.calls(&models, json!({}), brief(), 5);
    phone.until("it speaks", |phone| phone.played() >= 8_000).await;
    models.will_hear("[coughs]");
    phone.speak(300).await;
    phone.hear_out().await;
    let said = phone.words();
    assert_eq!(said.len(), 2, "{said:?}");
    let whole = format!("{} {}", said[0].trim_end_matches('—'), &said[1]["agent: ".len()..]);
    assert_eq!(whole, format!("agent: {}", brief().opening));
    assert!(models.asked(Stage::Chat).is_empty());
}

#[tokio::test]
async fn a_stage_that_fails_once_is_asked_again_while_the_person_is_asked_for_a_moment() {
    each([Stage::Transcription, Stage::Chat, Stage::Speech], |stage| async move {
        let models = Models::start(|_| words("I see.")).await;
        let (_folder, mut phone) = greeted(&models).await;
        models.behave_once(stage, Manner::Refuses(503));
        models.will_hear("Hello?");
        models.will_hear("Really?");
        phone.speak(600).await;
        phone.hear_out().await;
        let said = phone.words().join(" ");
        assert!(said.contains(moment()) && said.ends_with("I see."), "{stage:?}: {said}");
        // The model never said so itself, and is not told that it did.
        phone.speak(600).await;
        phone.hear_out().await;
        let memory = Value::Array(models.memory()).to_string();
        assert!(!memory.contains(moment()), "{stage:?}: {memory}");
        assert_eq!(phone.failure(), None);
    })
    .await;
}

#[tokio::test]
async fn whoever_waits_for_a_slow_answer_is_asked_for_a_moment_once() {
    let models = Models::start(|_| words("I see.")).await;
    let (_folder, mut phone) = greeted(&models).await;
    models.behave_once(Stage::Transcription, Manner::Late(700));
    models.behave_once(Stage::Chat, Manner::Late(700));
    models.will_hear("Hello?");
    phone.speak(600).await;
    phone.until("it answers", |phone| phone.words().iter().any(|line| line.ends_with("I see."))).await;
    let said = phone.words().join(" ");
    assert_eq!(said.matches(moment()).count(), 1, "{said}");
}
