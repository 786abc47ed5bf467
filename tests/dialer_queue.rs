//! Who is called first: call-backs, then by priority, and within it those whose preferred time it is. In virtual time,
//! on one line.

use crate::support::world::{World, at, numbers, story};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use voice_campaigns::domain::campaign::Campaign;
use voice_campaigns::store::Tx;

/// Monday, noon in London: 07:00 in New York.
const START: &str = "2026-03-02T12:00:00Z";

/// The last four digits of the numbers called, in the order they were.
async fn called(world: &World, campaign: &Campaign) -> Vec<u64> {
    world.calls(campaign).await.iter().map(|call| call.phone.digits() % 10_000).collect()
}

async fn call_back(world: &World, leads: &[i64], at: DateTime<Utc>) {
    let leads = leads.to_vec();
    let arranged = move |tx: &Tx| {
        for id in leads {
            let lead = tx.lead(id)?.unwrap();
            let campaign = tx.campaign(lead.campaign_id)?.unwrap();
            assert_eq!(tx.arrange_call_back(&campaign, &lead, at)?, Ok(()));
        }
        Ok(())
    };
    world.write(arranged).await;
}

async fn on_one_line(world: &World, changes: Value) -> Campaign {
    let mut body = json!({"max_concurrent_calls": 1, "max_attempts_per_lead": 1});
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    world.campaign(body).await
}

#[tokio::test]
async fn a_call_back_that_is_due_comes_before_everybody_who_has_waited_longer() {
    let mut world = World::new(START).await;
    let campaign = on_one_line(&world, json!({})).await;
    let mut leads: Vec<Value> = numbers(30).map(|phone| json!({"phone": phone, "priority": 5})).collect();
    leads.push(json!({"phone": story(101, 0), "priority": 1}));
    world.add(&campaign, leads).await;
    let due = at("2026-03-02T12:05:00Z");
    let id = world.all_leads(&campaign).await.last().unwrap().id;
    call_back(&world, &[id], due).await;
    world.run_for(TimeDelta::hours(2)).await;
    let calls = world.calls(&campaign).await;
    assert_eq!(calls.len(), 31);
    let before = calls.iter().filter(|call| call.placed_at < due).count();
    let call_back = calls.iter().position(|call| call.phone.digits() % 10_000 == 101).unwrap();
    assert!(
        before > 1 && call_back == before,
        "{before} calls before it was due, the call-back was {call_back}"
    );
    world.check().await;
}

#[tokio::test]
async fn a_call_back_waits_for_the_hours() {
    let mut world = World::new(START).await;
    let hours = json!({"calling_hours_start": "09:00", "calling_hours_end": "17:00"});
    let campaign = on_one_line(&world, hours).await;
    world.add(&campaign, vec![json!({"phone": story(101, 0)})]).await;
    let id = world.all_leads(&campaign).await[0].id;
    let due = at("2026-03-02T20:00:00Z");
    call_back(&world, &[id], due).await;
    world.run_for(TimeDelta::days(2)).await;
    let calls = world.calls(&campaign).await;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].placed_at, at("2026-03-03T09:00:00Z"));
    world.check().await;
}

#[tokio::test]
async fn whose_preferred_time_it_is_comes_first_within_a_priority_and_nobody_waits_for_it() {
    let mut world = World::new(START).await;
    let campaign = on_one_line(&world, json!({})).await;
    let lead = |nth: usize, priority: i64, best: Option<&str>| {
        json!({"phone": format!("+1202600{nth:04}"), "priority": priority, "best_time_to_call": best,
               "time_zone": "Europe/London"})
    };
    let leads = vec![
        lead(1, 3, None),
        lead(2, 3, Some("18:00")),
        lead(3, 3, Some("12:45")),
        lead(4, 3, Some("11:20")),
        lead(5, 3, Some("15:00")),
        lead(6, 2, Some("12:00")),
        lead(7, 4, None),
    ];
    world.add(&campaign, leads).await;
    world.run_for(TimeDelta::minutes(40)).await;
    assert_eq!(called(&world, &campaign).await, [7, 3, 4, 1, 2, 5, 6]);
    world.check().await;
}

#[tokio::test]
async fn preferred_times_are_read_on_the_clocks_of_the_lead_and_reach_over_midnight() {
    let mut world = World::new("2026-03-02T23:40:00Z").await;
    let campaign = on_one_line(&world, json!({})).await;
    let lead = |nth: usize, zone: &str, best: &str| json!({"phone": format!("+1202600{nth:04}"), "best_time_to_call": best, "time_zone": zone});
    let leads = vec![
        lead(1, "UTC", "12:00"),
        lead(2, "America/New_York", "23:30"),
        lead(3, "UTC", "00:30"),
        lead(4, "America/New_York", "18:30"),
    ];
    world.add(&campaign, leads).await;
    world.run_for(TimeDelta::minutes(30)).await;
    assert_eq!(called(&world, &campaign).await, [3, 4, 1, 2]);
    world.check().await;
}

#[tokio::test]
async fn a_lead_found_in_several_ways_is_called_once() {
    let mut world = World::new(START).await;
    let campaign = world.campaign(json!({"max_attempts_per_lead": 1})).await;
    let leads = numbers(40).map(|phone| json!({"phone": phone, "best_time_to_call": "12:00"})).collect();
    world.add(&campaign, leads).await;
    let due = world.time();
    let ids: Vec<i64> = world.all_leads(&campaign).await.iter().map(|lead| lead.id).collect();
    call_back(&world, &ids, due).await;
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(world.calls(&campaign).await.len(), 40);
    world.check().await;
}
