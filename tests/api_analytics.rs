//! What calls amount to, asked over HTTP and recounted after days of calling.

use crate::support::TestServer;
use crate::support::world::{MONDAY_NOON, World, numbers};
use chrono::TimeDelta;
use serde_json::json;
use voice_campaigns::domain::outcome::Outcome;

#[test]
fn the_calls_of_a_day_are_shown_by_period_hour_and_outcome_with_what_they_cost() {
    let server = TestServer::start();
    let body =
        json!({"status": "active", "time_zone": "America/New_York", "cost_per_call": 0.5, "budget": 10});
    server.campaign(body);
    for (n, outcome, talked) in
        [(1, Outcome::Success, Some(30)), (2, Outcome::Success, Some(60)), (3, Outcome::Busy, None)]
    {
        let lead = server.lead(1, &format!("+1202555014{n}"));
        server.end_call(server.place_call(lead), outcome, talked);
    }
    let path = "/api/voice-campaigns/1/analytics";
    let mut shown = server.get(path).send().expect(200);
    let periods = shown["periods"].as_array().unwrap();
    assert_eq!((periods.len(), &periods[0]["start"]), (14, &json!("2026-02-19")));
    assert_eq!(
        periods[13],
        json!({"start": "2026-03-04", "calls": 3, "completed": 2, "successful": 2, "spent": 1, "talk_seconds": 90,
            "outcomes": {"success": 2, "busy": 1}})
    );
    // 10:00 UTC is 5:00 there.
    assert_eq!(shown["by_hour"], json!([{"weekday": "Wednesday", "hour": 5, "calls": 3, "answered": 2}]));
    let outcomes = server.get("/api/voice-campaigns/1/stats").send().expect(200)["outcomes"].clone();
    assert_eq!(shown["outcomes"], outcomes);
    let points = shown["spend"]["points"].take();
    let points = points.as_array().unwrap();
    assert!(points.len() <= 60);
    assert_eq!(points.last(), Some(&json!({"at": "2026-03-04T10:00:00Z", "spent": 1})));
    assert_eq!(shown["spend"]["budget"], 10);
    assert_eq!(shown["spend"]["spent"], 1);
    assert_eq!(
        (&shown["time_zone"], &shown["from"], &shown["to"], &shown["interval"]),
        (&json!("America/New_York"), &json!("2026-02-19"), &json!("2026-03-04"), &json!("day"))
    );
    let by_hour =
        server.get(&format!("{path}?from=2026-03-04&to=2026-03-04&interval=hour")).send().expect(200);
    assert_eq!(by_hour["periods"].as_array().unwrap().len(), 24);
    assert_eq!(
        (&by_hour["periods"][5]["start"], &by_hour["periods"][5]["calls"]),
        (&json!("2026-03-04T10:00:00Z"), &json!(3))
    );
    assert_eq!(
        server.get(&format!("{path}?from=2026-13-01&intervall=day")).send().error(400),
        "from: \"2026-13-01\" is no date: write it like 2024-02-19, in a year from 1900 to 9000; \
         intervall: unknown parameter; did you mean `interval`?"
    );
    assert_eq!(
        server.get(&format!("{path}?from=2026-03-05&to=2026-03-04")).send().error(400),
        "from: must not be after `to`, which is 2026-03-04"
    );
    assert_eq!(
        server.get(&format!("{path}?from=2020-01-01")).send().error(400),
        "interval: there would be 2255 periods, more than 1000; ask for longer ones or fewer days"
    );
    assert_eq!(server.get("/api/voice-campaigns/2/analytics").send().error(404), "Voice campaign not found");
}

#[tokio::test]
async fn after_days_of_calling_the_analytics_equal_a_recount_of_the_calls() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world
        .campaign(
            json!({"calling_hours_start": "09:00:00", "calling_hours_end": "17:00:00", "calls_per_day": 40,
            "time_zone": "Australia/Lord_Howe", "cost_per_call": 0.25}),
        )
        .await;
    world.leads(&campaign, numbers(150)).await;
    world.run_for(TimeDelta::days(6)).await;
    let calls = world.calls(&campaign).await;
    assert!(calls.len() > 150, "{}", calls.len());
    let id = campaign.id;
    let counted = world.store.read(move |s| s.counted_calls(id, (i64::MIN, i64::MAX))).await.unwrap();
    let sum =
        |of: fn(&voice_campaigns::domain::analytics::Counted) -> i64| counted.iter().map(of).sum::<i64>();
    let totals = world.now(&campaign).await.totals;
    assert_eq!(sum(|row| row.calls), totals.attempts - totals.in_progress_calls);
    assert_eq!(sum(|row| row.completed), totals.completed_calls);
    assert_eq!(sum(|row| row.successful), totals.successful_calls);
    assert_eq!(sum(|row| row.talk_ms), totals.talk_ms);
    assert_eq!(sum(|row| row.spent.ten_thousandths()), totals.spent.ten_thousandths());
    world.check().await;
}

#[tokio::test]
async fn a_projection_is_near_to_what_then_happens() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world
        .campaign(
            json!({"calling_hours_start": "09:00:00", "calling_hours_end": "17:00:00", "calls_per_day": 50,
            "max_attempts_per_lead": 1}),
        )
        .await;
    world.leads(&campaign, numbers(400)).await;
    // From Monday noon to Thursday evening.
    world.run_for(TimeDelta::hours(78)).await;
    let id = campaign.id;
    let projection = world
        .store
        .read(move |s| {
            use voice_campaigns::domain::analytics::{Progress, project};
            let campaign = s.campaign(id)?.unwrap();
            let progress = Progress {
                open_leads: 200,
                finished_leads: 200,
                calls: campaign.totals.attempts,
                budget: None,
                spent: campaign.totals.spent,
            };
            let zone = campaign.settings.time_zone;
            Ok::<_, voice_campaigns::store::StoreError>(project(
                &campaign.schedule(),
                zone,
                progress,
                &s.recent_calls(id, zone)?,
                s.now,
            ))
        })
        .await
        .unwrap()
        .unwrap();
    world.run_for(TimeDelta::days(10)).await;
    let done = world.calls(&campaign).await.iter().filter_map(|call| call.ended_at).max().unwrap();
    let apart = (projection.finishes_at - done).abs();
    assert!(apart < TimeDelta::days(1), "projected {}, finished {done}", projection.finishes_at);
}
