//! Where a campaign leads: asked for over the API, played in the background, and nobody is called.

use crate::support::TestServer;
use crate::support::world::{MONDAY_NOON, World, numbers};
use serde_json::json;
use std::sync::Arc;
use voice_campaigns::domain::forecast::{Basis, Lacking};
use voice_campaigns::rehearsal::forecaster::Forecaster;

#[test]
fn a_forecast_is_computed_when_it_is_asked_for_and_there_is_none_where_nobody_is_left() {
    let server = TestServer::start();
    let id = server.campaign(json!({}));
    let path = format!("/api/voice-campaigns/{id}/forecast");
    let empty = server.get(&path).send().expect(200);
    assert_eq!((&empty["status"], &empty["runs"]), (&json!("nothing_to_do"), &json!(0)));
    assert!(server.store.take_wanted_forecasts().is_empty());
    server.lead(id, "+12026000001");
    let asked = server.get(&path).send().expect(200);
    assert_eq!((&asked["status"], &asked["finishes_at"]), (&json!("computing"), &json!(null)));
    assert_eq!(server.store.take_wanted_forecasts(), [id]);
    server.get(&format!("{path}?runs=1")).send().error(400);
    server.get("/api/voice-campaigns/99/forecast").send().error(404);
}

#[tokio::test]
async fn a_campaign_is_played_thirty_nine_times_and_nobody_is_called() {
    let world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"calls_per_day": 10, "max_attempts_per_lead": 2})).await;
    world.leads(&campaign, numbers(25)).await;
    let mut forecaster = Forecaster::new(world.store.clone(), Arc::new(world.simulator.clone()));
    while forecaster.turn().await.unwrap().did {}
    let id = campaign.id;
    let (basis, forecast) = world.store.read(move |s| s.forecast(id)).await.unwrap().unwrap();
    let forecast = forecast.unwrap().unwrap();
    assert_eq!((basis.open_leads, forecast.runs, forecast.finishes_percent), (25, 39, 100));
    let (finish, calls) = (forecast.finish(), forecast.calls);
    assert!(finish.low <= finish.middle && finish.middle <= finish.high, "{finish:?}");
    assert!(25 <= calls.low && calls.low < calls.high && calls.high <= 50, "{calls:?}");
    assert_eq!(world.calls(&campaign).await, []);
}

#[tokio::test]
async fn leads_that_are_held_until_somebody_changes_something_keep_no_forecast_from_an_end() {
    let world = World::new(MONDAY_NOON).await;
    let campaign =
        world.campaign(json!({"script_template": "Your {plan} plan", "max_attempts_per_lead": 1})).await;
    let with_plan = numbers(20).map(|phone| json!({"phone": phone, "variables": {"plan": "gold"}}));
    world.add(&campaign, with_plan.chain([json!({"phone": "+12025550101"})]).collect()).await;
    let mut forecaster = Forecaster::new(world.store.clone(), Arc::new(world.simulator.clone()));
    while forecaster.turn().await.unwrap().did {}
    let id = campaign.id;
    let (_, forecast) = world.store.read(move |s| s.forecast(id)).await.unwrap().unwrap();
    let forecast = forecast.unwrap().unwrap();
    assert_eq!((forecast.finishes_percent, forecast.unfinished.clone()), (100, None));
    assert!(forecast.finish().high.is_some(), "{forecast:?}");
    assert_eq!((forecast.calls.low, forecast.calls.high), (20, 20));
}

#[test]
fn a_forecast_that_failed_says_why_and_one_that_is_too_large_is_not_called_failed() {
    let server = TestServer::start();
    let id = server.campaign(json!({}));
    server.lead(id, "+12026000001");
    let keep = |why: Lacking| {
        server.write(move |tx| {
            let campaign = tx.campaign(id)?.unwrap();
            tx.keep_forecast(id, Basis::of(&campaign, tx.open_leads(id)?, tx.now), Err(&why))
        });
        server.get(&format!("/api/voice-campaigns/{id}/forecast")).send().expect(200)
    };
    let failed = keep(Lacking::Failed("The campaign cannot be played ahead: out of order".into()));
    assert_eq!(failed["status"], "failed");
    assert_eq!(failed["error"], "The campaign cannot be played ahead: out of order");
    assert_eq!((&failed["computed_at"], &failed["finishes_at"]), (&json!(null), &json!(null)));
    let too_large = keep(Lacking::TooLarge);
    assert_eq!((&too_large["status"], &too_large["error"]), (&json!("unavailable"), &json!(null)));
    assert!(
        server.store.take_wanted_forecasts().is_empty(),
        "it is not tried again before something changes"
    );
}
