//! Test calls: placed by hand, once, whatever the campaign's status, hours and limits say, and in none of its sums.

use crate::support::world::{MONDAY_NOON, World, numbers, story, suppression};
use chrono::TimeDelta;
use serde_json::{Value, json};
use voice_campaigns::carrier::simulator::Settings;
use voice_campaigns::domain::call::CallState;
use voice_campaigns::domain::campaign::Campaign;
use voice_campaigns::domain::do_not_call::Source;
use voice_campaigns::domain::other_call::OtherCall;
use voice_campaigns::domain::outcome::Outcome;
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::store::NewTrial;

async fn trial(world: &World, campaign: &Campaign, phone: &str) -> i64 {
    let trial = NewTrial {
        campaign_id: campaign.id,
        lead_id: None,
        phone: Phone::from_e164(phone).unwrap(),
        carrier: "simulator",
        variables: json!({}),
        by: "Grace".into(),
    };
    world.write(move |tx| tx.ask_for_trial(&trial)).await
}

async fn now(world: &World, id: i64) -> OtherCall {
    world.store.read(move |s| s.other_call(id)).await.unwrap().unwrap()
}

fn events(call: &OtherCall) -> Vec<&str> {
    let entries = call.timeline.as_array().unwrap();
    entries.iter().filter_map(|entry| entry["event"].as_str()).collect()
}

#[tokio::test]
async fn a_draft_is_tried_at_night_and_no_sum_knows_of_it() {
    let mut world = World::new("2026-03-01T03:00:00Z").await;
    let draft = json!({"status": "draft", "calling_hours_start": "09:00", "calling_hours_end": "17:00",
        "working_days": ["Monday"], "budget": 0, "cost_per_call": 1, "script_template": "Hello {first_name}"});
    let campaign = world.campaign(draft).await;
    let id = trial(&world, &campaign, &story(110, 0)).await;
    world.run_for(TimeDelta::minutes(2)).await;
    let call = now(&world, id).await;
    assert_eq!((call.state, call.outcome), (CallState::Ended, Some(Outcome::Success)), "{call:?}");
    assert!(call.placed_at.is_some() && call.answered_at.is_some());
    assert_eq!(events(&call)[..3], ["placed", "ringing", "answered"]);
    let after = world.now(&campaign).await;
    assert_eq!((&after.totals, after.version), (&campaign.totals, campaign.version));
    assert!(world.calls(&campaign).await.is_empty());
    world.check().await;
}

#[tokio::test]
async fn a_test_call_that_fails_neither_pauses_the_campaign_nor_is_tried_again() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    for _ in 0..20 {
        let id = trial(&world, &campaign, &story(108, 0)).await;
        world.run_for(TimeDelta::minutes(2)).await;
        assert_eq!(now(&world, id).await.outcome, Some(Outcome::CarrierError));
    }
    assert_eq!(world.now(&campaign).await.status, campaign.status);
    assert_eq!(std::fs::read_to_string(world.ledger()).unwrap().lines().count(), 20);
    world.check().await;
}

#[tokio::test]
async fn the_key_to_opt_out_works_on_a_test_call_and_takes_the_number_off_every_queue() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"status": "paused"})).await;
    world.leads(&campaign, [story(109, 0)]).await;
    let id = trial(&world, &campaign, &story(109, 0)).await;
    world.run_for(TimeDelta::minutes(2)).await;
    assert_eq!(now(&world, id).await.outcome, Some(Outcome::OptedOut));
    let phone = Phone::from_e164(&story(109, 0)).unwrap();
    let listed = world.store.read(move |s| s.listed(phone)).await.unwrap().unwrap();
    assert_eq!(
        (listed.suppression.source, listed.suppression.reason.as_str()),
        (Source::Call, "asked on a test call")
    );
    assert_eq!(world.all_leads(&campaign).await[0].status.to_string(), "do_not_call");
}

#[tokio::test]
async fn nobody_is_called_who_went_onto_the_list_between_the_wish_and_the_dial() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    let phone = story(101, 0);
    let id = trial(&world, &campaign, &phone).await;
    let number = Phone::from_e164(&phone).unwrap();
    world.write(move |tx| tx.add_to_do_not_call_list(number, &suppression("they wrote"))).await;
    world.run_for(TimeDelta::minutes(2)).await;
    let call = now(&world, id).await;
    assert_eq!((call.outcome, call.placed_at), (Some(Outcome::Canceled), None));
    assert_eq!(call.detail.as_deref(), Some("The number is on the do-not-call list"));
    assert!(std::fs::read_to_string(world.ledger()).unwrap().is_empty());
}

#[tokio::test]
async fn a_list_entry_a_stop_of_all_dialing_and_a_hang_up_each_end_one_that_is_alive() {
    for how in ["list", "stop", "hang up", "all"] {
        let mut world = World::new(MONDAY_NOON).await;
        let campaign = world.campaign(json!({})).await;
        let phone = story(101, 0);
        let id = trial(&world, &campaign, &phone).await;
        world.settle_down().await;
        assert!(now(&world, id).await.placed_at.is_some());
        let number = Phone::from_e164(&phone).unwrap();
        world
            .write(move |tx| match how {
                "list" => tx.add_to_do_not_call_list(number, &suppression("they wrote")).map(drop),
                "stop" => tx.stop_dialing("Grace", None),
                "all" => tx.hang_up(),
                _ => tx.hang_up_other_call(id, "Grace").map(drop),
            })
            .await;
        world.run_for(TimeDelta::seconds(2)).await;
        let call = now(&world, id).await;
        assert_eq!((call.outcome, call.answered_at), (Some(Outcome::Canceled), None), "{how}");
    }
}

#[tokio::test]
async fn one_that_finds_no_line_within_thirty_seconds_ends_with_the_reason() {
    let busy = Settings { channels: 1, ..Settings::default() };
    let mut world = World::with(MONDAY_NOON, busy).await;
    let campaign = world.campaign(json!({"ring_timeout_seconds": 120})).await;
    world.leads(&campaign, [story(104, 0)]).await;
    world.settle_down().await;
    let other = world.campaign(json!({"status": "draft"})).await;
    let id = trial(&world, &other, &story(101, 1)).await;
    world.run_for(TimeDelta::seconds(29)).await;
    assert_eq!(now(&world, id).await.state, CallState::Placed);
    world.run_for(TimeDelta::seconds(2)).await;
    let call = now(&world, id).await;
    assert_eq!((call.outcome, call.placed_at), (Some(Outcome::Canceled), None));
    assert_eq!(call.detail.as_deref(), Some("No line was free within 30 seconds"));
}

#[tokio::test]
async fn one_that_nobody_looked_at_within_thirty_seconds_is_not_placed_though_a_line_is_free() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"status": "draft"})).await;
    let id = trial(&world, &campaign, &story(101, 0)).await;
    world.clock.advance(TimeDelta::seconds(46));
    world.run_for(TimeDelta::minutes(1)).await;
    let call = now(&world, id).await;
    assert_eq!((call.outcome, call.placed_at), (Some(Outcome::Canceled), None));
    assert_eq!(call.detail.as_deref(), Some("No line was free within 30 seconds"));
}

#[tokio::test]
async fn it_takes_the_line_before_any_lead_and_a_lead_with_its_number_waits() {
    let single = Settings { channels: 1, ..Settings::default() };
    let mut world = World::with(MONDAY_NOON, single).await;
    let campaign = world.campaign(json!({})).await;
    let phone = story(101, 0);
    world.leads(&campaign, [phone.clone()]).await;
    let id = trial(&world, &campaign, &phone).await;
    world.settle_down().await;
    assert!(now(&world, id).await.placed_at.is_some());
    assert!(world.calls(&campaign).await.is_empty());
    world.run_for(TimeDelta::minutes(10)).await;
    assert_eq!(world.calls(&campaign).await.len(), 1);
    world.check().await;
}

#[tokio::test]
async fn after_a_crash_it_is_settled_and_never_dialed_again() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    let waiting = trial(&world, &campaign, &story(101, 0)).await;
    world.restart().await;
    world.run_for(TimeDelta::minutes(2)).await;
    let call = now(&world, waiting).await;
    assert_eq!((call.outcome, call.placed_at), (Some(Outcome::Canceled), None));
    assert_eq!(
        call.detail.as_deref(),
        Some("The server stopped before this call was placed; nobody was called")
    );

    // Written down as handed over, and then the power goes: whether somebody's phone rang, nobody knows.
    let lost = trial(&world, &campaign, &story(101, 0)).await;
    world.write(move |tx| tx.place_trial(lost, "simulator")).await;
    world.restart().await;
    let alive = trial(&world, &campaign, &story(101, 1)).await;
    world.settle_down().await;
    world.restart().await;
    world.run_for(TimeDelta::minutes(2)).await;
    for id in [lost, alive] {
        assert_eq!(now(&world, id).await.outcome, Some(Outcome::Interrupted));
    }
    assert_eq!(std::fs::read_to_string(world.ledger()).unwrap().lines().count(), 1);
    world.check().await;
}

#[tokio::test]
async fn a_shutdown_lets_one_end_and_places_none() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    let id = trial(&world, &campaign, &story(101, 0)).await;
    world.settle_down().await;
    let other = world.campaign(json!({})).await;
    world.leads(&other, numbers(1)).await;
    world.stop(TimeDelta::minutes(2)).await;
    assert_eq!(now(&world, id).await.outcome, Some(Outcome::Success));
}

#[tokio::test]
async fn an_erased_person_leaves_no_number_on_a_test_call() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    let phone = story(101, 0);
    let id = trial(&world, &campaign, &phone).await;
    world.run_for(TimeDelta::minutes(2)).await;
    world.store.erase(Phone::from_e164(&phone).unwrap()).await.unwrap();
    let call = now(&world, id).await;
    assert_eq!((call.phone, call.timeline, call.variables), (None, Value::Array(Vec::new()), json!({})));
    world.check().await;
}
