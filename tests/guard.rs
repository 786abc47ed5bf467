//! What no campaign may do, whatever its own settings say: calls to a number in a day, countries, money of all
//! campaigns, and the switch that stops everything.

use crate::support::TestServer;
use crate::support::world::{MONDAY_NOON, World, lenient, numbers, story};
use chrono::TimeDelta;
use serde_json::{Value, json};
use voice_campaigns::domain::campaign::Campaign;
use voice_campaigns::domain::gate::{Gate, Hold, HoldReason};
use voice_campaigns::domain::guard::{Countries, Guard};
use voice_campaigns::domain::lead::LeadStatus;
use voice_campaigns::domain::money::Money;
use voice_campaigns::domain::outcome::Outcome;
use voice_campaigns::domain::phone::Country;
use voice_campaigns::store::StoreError;

/// Why the campaign's first lead is not called now.
async fn hold(world: &World, campaign: &Campaign) -> Option<Hold> {
    let lead = world.all_leads(campaign).await.remove(0);
    let id = campaign.id;
    let asked = world.store.read(move |s| {
        let campaign = s.campaign(id)?.unwrap();
        let gate = Gate::new(&campaign, s.dials_today(&campaign)?, s.overall()?, s.now);
        Ok::<_, StoreError>(gate.lead(&lead, s.number(lead.about.phone)?).err())
    });
    asked.await.unwrap()
}

fn reason(hold: Option<Hold>) -> Option<HoldReason> {
    hold.map(|hold| hold.reason)
}

fn only(countries: &[&str]) -> Countries {
    Countries::Only(countries.iter().map(|code| Country::parse(code).unwrap()).collect())
}

#[tokio::test]
async fn a_number_is_called_no_more_often_in_any_24_hours_than_is_allowed_by_all_campaigns_together() {
    let mut world = World::new(MONDAY_NOON).await;
    world.set_guard(Guard { calls_per_number_per_day: 3, ..lenient() });
    let often = json!({"max_attempts_per_lead": 20, "retry_delay_minutes": 60});
    let (one, other) = (world.campaign(often.clone()).await, world.campaign(often).await);
    for campaign in [&one, &other] {
        world.leads(campaign, [story(105, 0)]).await;
    }
    world.run_for(TimeDelta::hours(23)).await;
    let mut calls = [world.calls(&one).await, world.calls(&other).await].concat();
    calls.sort_by_key(|call| call.id);
    assert_eq!(calls.len(), 3);
    let until = calls[0].placed_at + TimeDelta::hours(24);
    for campaign in [&one, &other] {
        let lead = world.all_leads(campaign).await.remove(0);
        assert_eq!(
            (lead.status, lead.next_call_at),
            (LeadStatus::Scheduled, Some(until)),
            "waits, no longer than it must"
        );
    }
    world.run_for(TimeDelta::days(4)).await;
    let mut calls = [world.calls(&one).await, world.calls(&other).await].concat();
    calls.sort_by_key(|call| call.id);
    assert!(calls.len() > 12, "{}", calls.len());
    for window in calls.windows(4) {
        assert!(window[3].placed_at - window[0].placed_at >= TimeDelta::hours(24));
    }
    world.check().await;
}

#[tokio::test]
async fn a_country_that_is_not_allowed_is_not_called_until_the_settings_allow_it() {
    let mut world = World::new(MONDAY_NOON).await;
    world.set_guard(Guard { countries: only(&["US"]), ..lenient() });
    let campaign = world.campaign(json!({})).await;
    world.leads(&campaign, ["+442079460958".into(), "+881612345678".into(), story(101, 0)]).await;
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(world.calls(&campaign).await.len(), 1);
    let held: Vec<_> = world.all_leads(&campaign).await.into_iter().map(|lead| lead.held).collect();
    assert_eq!(held, [Some("country_not_allowed".into()), Some("number_refused".into()), None]);
    assert_eq!(hold(&world, &campaign).await, Some(Hold::standing(HoldReason::CountryNotAllowed)));

    world.set_guard(Guard { countries: only(&["US", "GB"]), ..lenient() });
    world.write(|tx| tx.look_again_at_refused_numbers()).await;
    world.run_for(TimeDelta::hours(1)).await;
    let called: Vec<_> = world.calls(&campaign).await.iter().map(|call| call.phone.to_string()).collect();
    assert_eq!(called, [story(101, 0), "+442079460958".into()]);
    let call = world.calls(&campaign).await.remove(1);
    assert_eq!(
        (&call.evidence["country"], &call.evidence["allowed_countries"]),
        (&json!("GB"), &json!(["US", "GB"]))
    );
    world.check().await;
}

#[tokio::test]
async fn all_campaigns_together_spend_no_more_in_a_day_than_is_allowed() {
    let mut world = World::new(MONDAY_NOON).await;
    let max = Money::from_ten_thousandths(25_000);
    world.set_guard(Guard { spend_per_day: Some(max), ..lenient() });
    let campaigns = [
        world.campaign(json!({"cost_per_call": 0.3})).await,
        world.campaign(json!({"cost_per_call": 0.7})).await,
    ];
    for (n, campaign) in campaigns.iter().enumerate() {
        let some = numbers(60).skip(30 * n).take(30).collect::<Vec<_>>();
        world.leads(campaign, some).await;
    }
    world.run_for(TimeDelta::hours(11)).await;
    let spent = |world: &World| {
        let store = world.store.clone();
        async move { store.read(|s| s.spent_on(s.now.date_naive())).await.unwrap() }
    };
    let (money, reserved) = spent(&world).await;
    assert_eq!(reserved, Money::ZERO);
    assert!(money <= max && money + Money::from_ten_thousandths(3_000) > max, "{money} of {max}");
    let held = hold(&world, &campaigns[1]).await;
    if reason(held.clone()) == Some(HoldReason::SpendingLimit) {
        assert_eq!(held.unwrap().until, Some("2026-03-03T00:00:00Z".parse().unwrap()));
    }
    world.run_for(TimeDelta::hours(2)).await;
    assert!(spent(&world).await.0 > Money::ZERO, "it goes on on the next day");
    world.check().await;
}

#[tokio::test]
async fn a_stop_keeps_everybody_from_dialing_over_a_restart_until_somebody_says_start() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"max_concurrent_calls": 2})).await;
    world.leads(&campaign, numbers(40)).await;
    world.run_for(TimeDelta::seconds(1)).await;
    let before = world.calls(&campaign).await.len();
    world.store.write_and_wait_for_dials(|tx| tx.stop_dialing("test", Some("too loud"))).await.unwrap();
    world.run_for(TimeDelta::hours(1)).await;
    world.restart().await;
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(world.calls(&campaign).await.len(), before);
    assert_eq!(
        hold(&world, &campaign).await.map(|hold| (hold.reason, hold.until)),
        None.or(Some((HoldReason::DialingStopped, None)))
    );
    let stop = world.store.read(|s| s.stop()).await.unwrap().unwrap();
    assert_eq!((stop.by.as_str(), stop.reason.as_deref()), ("test", Some("too loud")));
    world.write(|tx| tx.start_dialing()).await;
    world.run_for(TimeDelta::hours(1)).await;
    assert!(world.calls(&campaign).await.len() > before);
    world.check().await;
}

#[tokio::test]
async fn a_stop_that_hangs_up_ends_the_calls_alive_and_no_later_ones() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"retry_delay_minutes": 1})).await;
    world.leads(&campaign, [story(104, 0), story(104, 1)]).await;
    world.run_for(TimeDelta::seconds(2)).await;
    let hang_up = world.store.write_and_wait_for_dials(|tx| {
        tx.stop_dialing("test", None)?;
        tx.hang_up()?;
        // Even if somebody starts again before the dialer has looked.
        tx.start_dialing()
    });
    hang_up.await.unwrap();
    world.run_for(TimeDelta::seconds(1)).await;
    assert_eq!(world.outcomes(&campaign).await, [("canceled".to_owned(), 2)].into());
    world.run_for(TimeDelta::minutes(5)).await;
    let outcomes = world.outcomes(&campaign).await;
    assert_eq!(
        outcomes.get("canceled"),
        Some(&2),
        "those who are called later are not hung up: {outcomes:?}"
    );
    assert!(outcomes.contains_key("no_answer"), "{outcomes:?}");
    world.check().await;
}

#[test]
fn the_switch_is_shown_pulled_and_released() {
    let server = TestServer::start();
    let off: Value = json!({
        "stopped": false, "since": null, "by": null, "reason": null, "woke_up": false, "live_calls": 0, "spent_today": 0,
        "reserved_today": 0,
        "limits": {"calls_per_number_per_day": 3, "allowed_countries": ["*"], "spend_per_day": null},
    });
    assert_eq!(server.get("/api/dialing").send().expect(200), off);
    let body = json!({"reason": "complaints", "hang_up": true});
    let mut on = off.clone();
    on["stopped"] = true.into();
    on["since"] = "2026-03-04T10:00:00Z".into();
    on["by"] = "vc_writer".into();
    on["reason"] = "complaints".into();
    assert_eq!(server.post("/api/dialing/stop", &body).send().expect(200), on);
    assert_eq!(
        server.request("POST", "/api/dialing/stop").token("vc_admin").send().expect(200),
        on,
        "the first counts"
    );
    assert_eq!(server.get("/api/dialing").send().expect(200), on);

    let campaign = server.campaign(
        json!({"status": "active", "calling_hours_start": "00:00:00", "calling_hours_end": "23:59:59"}),
    );
    let lead = server.lead(campaign, "+12025550101");
    let hold =
        json!({"reason": "dialing_stopped", "until": null, "message": HoldReason::DialingStopped.sentence()});
    assert_eq!(server.get(&format!("/api/leads/{lead}")).send().expect(200)["hold"], hold);
    let stats = server.get(&format!("/api/voice-campaigns/{campaign}/stats")).send().expect(200);
    let mut stopped = hold;
    stopped["state"] = "stopped".into();
    assert_eq!(stats["dialing"], stopped);

    assert_eq!(server.post("/api/dialing/start", &json!({})).send().expect(200), off);
    assert_eq!(server.request("POST", "/api/dialing/start").token("vc_writer").send().expect(200), off);
    let start = || server.post("/api/dialing/start", &json!({})).header("Idempotency-Key", "go").send();
    start().expect(200);
    server.post("/api/dialing/stop", &body).send().expect(200);
    assert_eq!(start().header("Idempotent-Replayed"), Some("true"));
    let shown = server.get("/api/dialing").send().expect(200);
    assert_eq!(shown["stopped"], true, "a start that is sent again undoes no later stop");
    assert_eq!(
        server.post("/api/dialing/stop", &json!({"hangup": true})).send().error(400),
        "hangup: unknown field; did you mean `hang_up`?"
    );
    server.request("POST", "/api/dialing/stop").token("vc_reader").send().error(403);
}

#[tokio::test]
async fn a_call_that_somebody_ends_is_hung_up_alone_and_says_by_whom() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    world.leads(&campaign, [story(104, 0), story(104, 1)]).await;
    world.run_for(TimeDelta::seconds(2)).await;
    let [ended, other] = &world.calls(&campaign).await[..] else { panic!("two calls are alive") };
    let (ended, other) = (ended.id, other.id);
    assert!(world.write(move |tx| tx.hang_up_call(ended, "Ada")).await);
    assert!(
        world.write(move |tx| tx.hang_up_call(ended, "Leo")).await,
        "the first who said so is remembered"
    );
    world.run_for(TimeDelta::seconds(1)).await;
    let calls = world.calls(&campaign).await;
    let call = |id: i64| calls.iter().find(|call| call.id == id).unwrap();
    assert_eq!(call(ended).detail.as_deref(), Some("Hung up by Ada"));
    assert_eq!(call(ended).outcome, Some(Outcome::Canceled));
    assert_eq!(call(other).outcome, None, "nobody else is hung up");
    assert!(!world.write(move |tx| tx.hang_up_call(ended, "Ada")).await);
    world.check().await;
}
