//! The dialer on a real store and the simulator, in virtual time: whole campaigns, weeks, clock changes,
//! crashes. Every test ends with the invariants.

use crate::support::world::{MONDAY_NOON, World, at, lenient, numbers, story};
use chrono::{TimeDelta, Timelike};
use chrono_tz::Tz;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use voice_campaigns::carrier::simulator::Settings;
use voice_campaigns::carrier::{Capacity, Carrier, DialRequest, Leg, LegEvents};
use voice_campaigns::dialer;
use voice_campaigns::domain::call::LegEvent;
use voice_campaigns::domain::campaign::{Campaign, Status};
use voice_campaigns::domain::fields::Words;
use voice_campaigns::domain::gate::{DialingState, Gate, HoldReason};
use voice_campaigns::domain::guard::{Countries, Guard};
use voice_campaigns::domain::lead::{LeadStatus, NewLead};
use voice_campaigns::domain::outcome::{Cause, Outcome};
use voice_campaigns::domain::schedule::local_date;
use voice_campaigns::store::{Store, StoreError};

/// How the leads of these stories end: code, status, attempts, outcome.
async fn told(world: &World, campaign: &Campaign) -> Vec<String> {
    let leads = world.all_leads(campaign).await;
    let line = |lead: &voice_campaigns::domain::lead::Lead| {
        let code = lead.about.phone.digits() % 10_000;
        let outcome = lead.outcome.map_or("-", |outcome| outcome.word());
        format!("{code} {} {} {outcome}", lead.status, lead.attempts)
    };
    leads.iter().map(line).collect()
}

#[tokio::test]
async fn keys_do_what_the_campaign_says() {
    let mut world = World::new(MONDAY_NOON).await;
    let keys = json!({"0": "transfer", "1": "no", "3": "yes", "*": "opt_out"});
    let changes = json!({"keys": keys, "transfer_number": "+12025550199", "max_attempts_per_lead": 3});
    let campaign = world.campaign(changes).await;
    world.leads(&campaign, [101, 109, 110, 114, 115].map(|code| story(code, 0))).await;
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(
        told(&world, &campaign).await,
        [
            "101 completed 1 success",
            "109 do_not_call 1 opted_out",
            "110 completed 1 declined",
            "114 completed 1 transferred",
            "115 completed 1 success",
        ]
    );
    let now = world.now(&campaign).await;
    assert_eq!((now.totals.completed_calls, now.totals.successful_calls), (5, 2));
    world.check().await;
}

#[tokio::test]
async fn a_key_that_opts_out_may_be_another_one_and_nine_is_then_nothing() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"keys": {"0": "opt_out"}})).await;
    world.leads(&campaign, [110, 114].map(|code| story(code, 0))).await;
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(told(&world, &campaign).await, ["110 completed 1 success", "114 do_not_call 1 opted_out"]);
    world.check().await;
}

#[tokio::test]
async fn whoever_asks_for_another_time_is_called_again_then_inside_the_hours_while_attempts_are_left() {
    let mut world = World::new(MONDAY_NOON).await;
    let changes = json!({
        "keys": {"3": "call_back", "9": "opt_out"}, "max_attempts_per_lead": 3, "retry_delay_minutes": 10,
        "calling_hours_start": "09:00", "calling_hours_end": "15:30",
    });
    let campaign = world.campaign(changes).await;
    world.leads(&campaign, [story(115, 0)]).await;
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(told(&world, &campaign).await, ["115 scheduled 1 callback"]);
    let lead = &world.all_leads(&campaign).await[0];
    let first = world.calls(&campaign).await[0].clone();
    assert_eq!(lead.wait_reason, Some(HoldReason::CallBack));
    assert_eq!(lead.next_call_at, Some(first.ended_at.unwrap() + TimeDelta::hours(2)));
    world.run_for(TimeDelta::days(2)).await;
    let calls = world.calls(&campaign).await;
    let placed: Vec<String> = calls.iter().map(|call| call.placed_at.format("%dT%H").to_string()).collect();
    assert_eq!(placed, ["02T12", "02T14", "03T09"], "hours are kept");
    assert!(calls[1].placed_at >= first.ended_at.unwrap() + TimeDelta::hours(2));
    assert_eq!(told(&world, &campaign).await, ["115 completed 3 callback"]);
    world.check().await;
}

#[tokio::test]
async fn nobody_is_put_through_to_where_nobody_may_be_called() {
    let mut world = World::new(MONDAY_NOON).await;
    let keys = json!({"0": "transfer", "9": "opt_out"});
    let changes = json!({"keys": keys, "transfer_number": "+442079460958", "success_criteria": "sale_made"});
    let campaign = world.campaign(changes).await;
    let countries = Countries::read(&["US".to_owned()], None).unwrap();
    world.set_guard(Guard { countries, ..lenient() });
    world.leads(&campaign, [story(114, 0)]).await;
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(told(&world, &campaign).await, ["114 completed 1 no_input"]);
    let detail = world.calls(&campaign).await[0].detail.clone();
    assert_eq!(detail.as_deref(), Some("The number to transfer to may not be called"));
    world.check().await;
}

/// What a campaign says it is doing.
async fn dialing(world: &World, campaign: &Campaign) -> (DialingState, Option<HoldReason>, Option<String>) {
    let id = campaign.id;
    let dialing = world
        .store
        .read(move |s| {
            let campaign = s.campaign(id)?.unwrap();
            let dials_today = s.dials_today(&campaign)?;
            let queue = s.queue(&campaign)?;
            Ok::<_, StoreError>(
                Gate::new(&campaign, dials_today, s.overall()?, s.now).dialing(&queue, s.clock_hold()),
            )
        })
        .await
        .unwrap();
    (dialing.state, dialing.reason, dialing.until.map(|at| at.format("%dT%H:%M").to_string()))
}

/// Events of a campaign: type and data.
pub(crate) async fn events(world: &World) -> Vec<(String, serde_json::Value)> {
    let pool = world.store.pool().clone();
    let connection = pool.get().unwrap();
    let mut statement = connection.prepare("SELECT type, data FROM events ORDER BY id").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).unwrap();
    rows.map(|row| row.map(|(kind, data)| (kind, serde_json::from_str(&data).unwrap())).unwrap()).collect()
}

fn count(events: &[(String, serde_json::Value)], kind: &str) -> usize {
    events.iter().filter(|(found, _)| found == kind).count()
}

#[tokio::test]
async fn each_reserved_number_tells_its_story() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world
        .campaign(json!({"max_attempts_per_lead": 2, "retry_delay_minutes": 10, "cost_per_call": 0.5}))
        .await;
    world.leads(&campaign, (101..=113).map(|code| story(code, 0))).await;
    world.run_for(TimeDelta::hours(1)).await;
    let leads = world.all_leads(&campaign).await;
    let told: Vec<String> = leads
        .iter()
        .map(|lead| {
            let code = lead.about.phone.digits() % 10_000;
            format!("{code} {} {} {}", lead.status, lead.attempts, lead.outcome.unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            "101 completed 1 success",
            "102 completed 1 hung_up",
            "103 failed 2 voicemail",
            "104 failed 2 no_answer",
            "105 failed 2 busy",
            "106 failed 1 rejected",
            "107 failed 1 invalid_number",
            "108 failed 2 carrier_error",
            "109 do_not_call 1 opted_out",
            "110 completed 1 success",
            "111 completed 2 success",
            "112 failed 2 carrier_error",
            "113 completed 1 success",
        ]
    );
    let totals = world.now(&campaign).await.totals;
    assert_eq!((totals.completed_calls, totals.successful_calls, totals.failed_calls), (8, 4, 4));
    assert_eq!((totals.unanswered_calls, totals.error_calls, totals.in_progress_calls), (7, 4, 0));
    assert_eq!(totals.spent.to_string(), "4");
    assert_eq!(world.now(&campaign).await.status, Status::Completed);
    world.check().await;
}

#[tokio::test]
async fn where_a_verdict_is_asked_the_key_for_yes_is_the_success() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"success_criteria": "positive_response"})).await;
    world.leads(&campaign, [101, 110].map(|code| story(code, 0))).await;
    world.run_for(TimeDelta::minutes(10)).await;
    assert_eq!(
        world.outcomes(&campaign).await,
        BTreeMap::from([("no_input".into(), 1), ("success".into(), 1)])
    );
    let calls = world.calls(&campaign).await;
    let silent = calls.iter().find(|call| call.outcome == Some(Outcome::NoInput)).unwrap();
    let heard =
        silent.timeline.as_array().unwrap().iter().filter(|entry| entry["event"] == "heard to the end");
    assert_eq!(heard.count(), 2, "who presses nothing hears the script once more, and not a third time");
    world.check().await;
}

#[tokio::test]
async fn another_carrier_than_that_of_the_last_call_pauses_all_active_campaigns_once() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    assert_eq!(
        dialer::pause_for_another_carrier(&world.store, "sip").await.unwrap(),
        0,
        "nobody was called yet"
    );
    world.leads(&campaign, [story(104, 0)]).await;
    world.run_for(TimeDelta::minutes(5)).await;
    assert_eq!(dialer::pause_for_another_carrier(&world.store, "simulator").await.unwrap(), 0);
    assert_eq!(world.now(&campaign).await.status, Status::Active);
    assert_eq!(dialer::pause_for_another_carrier(&world.store, "sip").await.unwrap(), 1);
    assert_eq!(dialer::pause_for_another_carrier(&world.store, "sip").await.unwrap(), 0);
    let paused = world.now(&campaign).await;
    assert_eq!((paused.status, paused.status_reason.as_deref()), (Status::Paused, Some("carrier_changed")));
    let errors: Vec<Value> = events(&world)
        .await
        .into_iter()
        .filter(|(kind, _)| kind == "campaign.error")
        .map(|(_, data)| data)
        .collect();
    assert_eq!(errors[0]["message"], "The last calls were carried by simulator; from now on it is sip");
    world.check().await;
}

#[tokio::test]
async fn a_message_is_left_on_a_machine_where_there_is_one_to_leave() {
    let mut world = World::new(MONDAY_NOON).await;
    let said = json!({"fallback_script": "Please call us back.", "success_criteria": "message_left"});
    let campaign = world.campaign(said).await;
    world.leads(&campaign, [story(103, 0)]).await;
    world.run_for(TimeDelta::minutes(10)).await;
    let totals = world.now(&campaign).await.totals;
    assert_eq!(world.outcomes(&campaign).await, BTreeMap::from([("message_left".into(), 1)]));
    assert_eq!((totals.successful_calls, totals.failed_calls), (1, 0));
    world.check().await;
}

#[tokio::test]
async fn a_thousand_leads_run_to_completion_and_every_number_equals_its_recount() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"cost_per_call": 0.0375, "max_concurrent_calls": 40})).await;
    world.leads(&campaign, numbers(1_000)).await;
    world.run_for(TimeDelta::days(2)).await;
    let campaign = world.now(&campaign).await;
    let totals = &campaign.totals;
    assert_eq!(campaign.status, Status::Completed);
    assert_eq!(totals.completed_calls, totals.successful_calls + totals.failed_calls);
    assert_eq!(totals.spent, campaign.settings.cost_per_call * totals.completed_calls);
    assert_eq!(totals.in_progress_calls, 0);
    let calls = world.calls(&campaign).await;
    assert_eq!(calls.len() as i64, totals.attempts);
    let mut dialed: HashMap<(i64, i64), usize> = HashMap::new();
    for call in &calls {
        *dialed.entry((call.lead_id, call.attempt)).or_default() += 1;
    }
    assert!(dialed.values().all(|times| *times == 1));
    assert_eq!(count(&events(&world).await, "call.completed"), calls.len());
    world.check().await;
}

#[tokio::test]
async fn the_same_seed_calls_the_same_people_with_the_same_results() {
    let mut told = Vec::new();
    for _ in 0..2 {
        let mut world = World::new(MONDAY_NOON).await;
        let campaign = world.campaign(json!({})).await;
        world.leads(&campaign, numbers(60)).await;
        world.run_for(TimeDelta::hours(6)).await;
        let calls = world.calls(&campaign).await;
        told.push(calls.iter().map(|call| format!("{call:?}")).collect::<Vec<_>>());
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn two_weeks_of_office_hours_over_a_clock_change_never_leave_the_hours() {
    // New York goes to summer time on Sunday, 8 March 2026.
    let mut world = World::new("2026-03-02T00:00:00Z").await;
    let campaign = world
        .campaign(json!({
            "calling_hours_start": "09:30", "calling_hours_end": "17:00", "time_zone": "America/New_York",
            "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"], "calls_per_day": 30,
        }))
        .await;
    world.leads(&campaign, numbers(200)).await;
    world.run_for(TimeDelta::days(14)).await;
    let zone: Tz = "America/New_York".parse().unwrap();
    let calls = world.calls(&campaign).await;
    let mut days: BTreeMap<String, usize> = BTreeMap::new();
    for call in &calls {
        let local = call.placed_at.with_timezone(&zone);
        let minutes = local.hour() * 60 + local.minute();
        assert!((9 * 60 + 30..17 * 60).contains(&minutes), "{local}");
        *days.entry(local.format("%a %d").to_string()).or_default() += 1;
    }
    assert!(days.keys().all(|day| !day.starts_with('S')), "{days:?}");
    assert_eq!(days.len(), 10, "{days:?}");
    assert!(days.values().all(|dials| *dials <= 30), "{days:?}");
    let first_of = |day: &str| {
        calls.iter().find(|call| call.placed_at.format("%d").to_string() == day).unwrap().placed_at
    };
    assert_eq!(first_of("06"), at("2026-03-06T14:30:00Z"));
    assert_eq!(first_of("09"), at("2026-03-09T13:30:00Z"));
    world.check().await;
}

#[tokio::test]
async fn hours_over_midnight_belong_to_the_day_they_began() {
    let mut world = World::new("2026-03-02T00:00:00Z").await;
    let campaign = world
        .campaign(json!({
            "calling_hours_start": "22:00", "calling_hours_end": "02:00", "working_days": ["Friday"],
            "calls_per_day": 20,
        }))
        .await;
    world.leads(&campaign, numbers(100)).await;
    world.run_for(TimeDelta::days(7)).await;
    let calls = world.calls(&campaign).await;
    // The window is Friday's, but a day's limit is that of the calendar day.
    let by_day = |day| calls.iter().filter(|call| call.placed_at.format("%a").to_string() == day).count();
    assert_eq!((by_day("Fri"), by_day("Sat"), calls.len()), (20, 20, 40));
    assert!(calls.iter().all(|call| call.placed_at < at("2026-03-07T02:00:00Z")));
    world.check().await;
}

#[tokio::test]
async fn a_daily_limit_counts_local_days_and_holds_when_lowered_during_the_day() {
    let mut world = World::new("2026-03-02T00:00:00Z").await;
    let campaign = world.campaign(json!({"calls_per_day": 25, "time_zone": "Asia/Tokyo"})).await;
    world.leads(&campaign, numbers(300)).await;
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(world.calls(&campaign).await.len(), 25);
    let (state, reason, until) = dialing(&world, &campaign).await;
    assert_eq!((state, reason), (DialingState::Waiting, Some(HoldReason::DailyLimit)));
    assert_eq!(until.as_deref(), Some("02T15:00"));
    world.edit(&campaign, json!({"calls_per_day": 10})).await;
    world.run_for(TimeDelta::days(3)).await;
    let mut days: BTreeMap<String, usize> = BTreeMap::new();
    for call in world.calls(&campaign).await {
        *days.entry(local_date(call.placed_at, "Asia/Tokyo".parse().unwrap()).to_string()).or_default() += 1;
    }
    assert_eq!(days.values().copied().collect::<Vec<_>>(), [25, 10, 10, 10]);
    world.check().await;
}

#[tokio::test]
async fn a_retry_waits_for_the_delay_after_the_end_of_the_call_before() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"retry_delay_minutes": 45, "max_attempts_per_lead": 4})).await;
    world.leads(&campaign, [story(104, 0)]).await;
    world.run_for(TimeDelta::hours(6)).await;
    let calls = world.calls(&campaign).await;
    assert_eq!(calls.len(), 4);
    for pair in calls.windows(2) {
        assert_eq!(pair[1].placed_at - pair[0].ended_at.unwrap(), TimeDelta::minutes(45));
    }
    world.check().await;
}

#[tokio::test]
async fn no_dial_starts_after_a_pause_and_calls_alive_end_by_themselves() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"max_concurrent_calls": 5})).await;
    world.leads(&campaign, numbers(100)).await;
    world.run_for(TimeDelta::minutes(3)).await;
    let before = world.now(&campaign).await.totals;
    assert!(before.in_progress_calls > 0);
    world.set_status(&campaign, Status::Paused).await;
    world.run_for(TimeDelta::hours(5)).await;
    let after = world.now(&campaign).await.totals;
    assert_eq!((after.attempts, after.in_progress_calls), (before.attempts, 0));
    assert_eq!(dialing(&world, &campaign).await.0, DialingState::Stopped);
    world.set_status(&campaign, Status::Active).await;
    world.run_for(TimeDelta::hours(5)).await;
    assert!(world.now(&campaign).await.totals.attempts > before.attempts);
    world.check().await;
}

#[tokio::test]
async fn deleting_a_campaign_hangs_up_its_calls_at_once() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"max_concurrent_calls": 20})).await;
    world.leads(&campaign, numbers(100)).await;
    world.run_for(TimeDelta::seconds(20)).await;
    let before = world.now(&campaign).await.totals;
    assert!(before.in_progress_calls > 5);
    let id = campaign.id;
    assert!(world.write(move |tx| tx.delete_campaign(id, "test")).await);
    world.run_for(TimeDelta::seconds(1)).await;
    let after = world.now(&campaign).await.totals;
    assert_eq!((after.attempts, after.in_progress_calls), (before.attempts, 0));
    assert_eq!(world.outcomes(&campaign).await["canceled"], before.in_progress_calls);
    world.check().await;
}

#[tokio::test]
async fn a_budget_is_spent_to_the_last_affordable_call_and_never_over() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world
        .campaign(json!({"budget": 10, "cost_per_call": 0.3, "max_concurrent_calls": 50, "budget_alert_threshold": 50}))
        .await;
    world.leads(&campaign, numbers(400)).await;
    world.run_for(TimeDelta::hours(12)).await;
    let totals = world.now(&campaign).await.totals;
    assert_eq!((totals.completed_calls, totals.spent.to_string()), (33, "9.9".into()));
    assert_eq!(dialing(&world, &campaign).await.1, Some(HoldReason::Budget));
    let alerts = events(&world).await;
    assert_eq!(count(&alerts, "campaign.budget_threshold_reached"), 1);
    // More money lets it go on, and the alert is told again only when it is crossed again.
    world.edit(&campaign, json!({"budget": 30})).await;
    world.run_for(TimeDelta::hours(12)).await;
    let percents: Vec<_> = events(&world)
        .await
        .into_iter()
        .filter(|(kind, _)| kind == "campaign.budget_threshold_reached")
        .map(|(_, data)| (data["percent"].clone(), data["budget"].clone()))
        .collect();
    assert_eq!(percents[0], (json!(50), json!(10)));
    assert_eq!(percents[1..], [(json!(50), json!(30)), (json!(100), json!(30))]);
    assert_eq!(world.now(&campaign).await.totals.spent.to_string(), "30");
    world.check().await;
}

#[tokio::test]
async fn a_carrier_that_fails_pauses_the_campaign_with_an_error_and_spares_the_other_leads() {
    let mut settings = Settings::default();
    settings.outcomes.carrier_error = 1_000.0;
    let mut world = World::with(MONDAY_NOON, settings).await;
    let failing = world.campaign(json!({"max_concurrent_calls": 4})).await;
    let sound = world.campaign(json!({"name": "Sound"})).await;
    world.leads(&failing, numbers(200)).await;
    world.leads(&sound, [story(101, 0)]).await;
    world.run_for(TimeDelta::hours(1)).await;
    let paused = world.now(&failing).await;
    assert_eq!((paused.status, paused.status_reason.as_deref()), (Status::Paused, Some("carrier_down")));
    assert!(paused.totals.attempts <= 24, "{}", paused.totals.attempts);
    assert_eq!(dialing(&world, &failing).await.1, Some(HoldReason::CarrierDown));
    let errors = events(&world).await;
    let codes: Vec<_> = errors
        .iter()
        .filter(|(kind, _)| kind == "campaign.error")
        .map(|(_, data)| data["code"].clone())
        .collect();
    assert_eq!(codes, [json!("carrier_down")]);
    assert_eq!(world.now(&sound).await.status, Status::Completed);
    world.check().await;
}

#[tokio::test]
async fn whoever_asks_not_to_be_called_again_is_called_by_no_campaign_any_more() {
    let mut world = World::new(MONDAY_NOON).await;
    let first = world.campaign(json!({})).await;
    world.leads(&first, [story(109, 0)]).await;
    world.run_for(TimeDelta::minutes(10)).await;
    let second = world.campaign(json!({"name": "Another"})).await;
    world.leads(&second, [story(109, 0), story(101, 0)]).await;
    world.run_for(TimeDelta::minutes(10)).await;
    let called: Vec<i64> =
        world.calls(&second).await.iter().map(|call| call.phone.digits() as i64 % 1_000).collect();
    assert_eq!(called, [101]);
    let status = world.all_leads(&second).await[0].status;
    assert_eq!((status, world.now(&second).await.status), (LeadStatus::DoNotCall, Status::Completed));
    world.check().await;
}

#[tokio::test]
async fn calls_alive_at_a_crash_are_settled_as_interrupted_and_tried_again_only_after_the_delay() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"retry_delay_minutes": 30})).await;
    world.leads(&campaign, [story(101, 0), story(104, 0)]).await;
    world.run_for(TimeDelta::seconds(2)).await;
    assert_eq!(world.now(&campaign).await.totals.in_progress_calls, 2);
    world.restart().await;
    let calls = world.calls(&campaign).await;
    assert!(calls.iter().all(|call| call.outcome.unwrap().to_string() == "interrupted"), "{calls:?}");
    world.run_for(TimeDelta::minutes(29)).await;
    assert_eq!(world.calls(&campaign).await.len(), 2);
    world.run_for(TimeDelta::minutes(10)).await;
    let attempts: Vec<i64> = world.calls(&campaign).await.iter().map(|call| call.attempt).collect();
    assert_eq!(attempts, [1, 1, 2, 2]);
    world.check().await;
}

#[tokio::test]
async fn a_lead_without_a_value_the_script_needs_waits_until_the_script_is_changed() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"script_template": "Hello {name}, your plan is {plan}."})).await;
    world
        .add(
            &campaign,
            vec![
                json!({"phone": story(101, 0), "first_name": "Ada", "variables": {"plan": "gold"}}),
                json!({"phone": story(101, 1), "first_name": "Bob"}),
            ],
        )
        .await;
    world.run_for(TimeDelta::hours(1)).await;
    let [ada, bob] = <[_; 2]>::try_from(world.all_leads(&campaign).await).unwrap();
    assert_eq!((ada.status, bob.status), (LeadStatus::Completed, LeadStatus::Pending));
    assert_eq!(bob.held.as_deref(), Some("missing_variable:plan"));
    assert_eq!(
        dialing(&world, &campaign).await,
        (DialingState::Waiting, Some(HoldReason::MissingVariable), None)
    );
    world.edit(&campaign, json!({"script_template": "Hello {name}, your plan is {plan|silver}."})).await;
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(world.now(&campaign).await.status, Status::Completed);
    world.check().await;
}

#[tokio::test]
async fn high_medium_and_low_campaigns_share_a_scarce_carrier_four_to_two_to_one() {
    for own_lines in [50, 5] {
        let settings = Settings { channels: 7, ..Settings::default() };
        let mut world = World::with(MONDAY_NOON, settings).await;
        let mut campaigns = Vec::new();
        for priority in ["low", "medium", "high"] {
            let changes = json!({"name": priority, "priority": priority, "max_concurrent_calls": own_lines});
            let campaign = world.campaign(changes).await;
            world.leads(&campaign, numbers(3_000)).await;
            campaigns.push(campaign);
        }
        world.run_for(TimeDelta::hours(1)).await;
        let mut dials = Vec::new();
        for campaign in &campaigns {
            dials.push(world.now(campaign).await.totals.attempts as f64);
        }
        let (medium, high) = (dials[1] / dials[0], dials[2] / dials[0]);
        assert!((1.8..2.2).contains(&medium) && (3.7..4.3).contains(&high), "{dials:?}");
        world.check().await;
    }
}

#[tokio::test]
async fn calls_per_second_of_the_carrier_are_kept() {
    let settings = Settings { calls_per_second: Some(2.0), ..Settings::default() };
    let mut world = World::with(MONDAY_NOON, settings).await;
    let campaign = world.campaign(json!({"max_concurrent_calls": 1000})).await;
    world.leads(&campaign, numbers(100)).await;
    world.run_for(TimeDelta::seconds(10)).await;
    let calls = world.calls(&campaign).await;
    assert_eq!(calls.len(), 21);
    assert!(
        calls.windows(2).all(|pair| pair[1].placed_at - pair[0].placed_at >= TimeDelta::milliseconds(500))
    );
    world.check().await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_dialing_until_it_has_caught_up() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"calls_per_day": 40, "max_concurrent_calls": 2})).await;
    world.leads(&campaign, numbers(100)).await;
    world.run_for(TimeDelta::minutes(5)).await;
    let before = world.now(&campaign).await.totals.attempts;
    world.clock.jump(TimeDelta::days(-1));
    world.run_for(TimeDelta::hours(23)).await;
    assert_eq!(world.now(&campaign).await.totals.attempts, before);
    assert_eq!(dialing(&world, &campaign).await.1, Some(HoldReason::ClockJumped));
    assert_eq!(count(&events(&world).await, "campaign.error"), 1);
    world.run_for(TimeDelta::hours(2)).await;
    assert!(world.now(&campaign).await.totals.attempts > before);
    world.check().await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_while_the_server_was_off_is_noticed() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    world.leads(&campaign, numbers(10)).await;
    world.run_for(TimeDelta::seconds(1)).await;
    world.clock.jump(TimeDelta::days(-30));
    world.restart().await;
    world.leads(&campaign, [story(101, 0)]).await;
    world.run_for(TimeDelta::days(1)).await;
    assert_eq!(world.calls(&campaign).await.len(), 10);
    assert_eq!(dialing(&world, &campaign).await.1, Some(HoldReason::ClockJumped));
}

#[tokio::test]
async fn a_campaign_completes_at_its_end_date_and_one_without_leads_waits() {
    let mut world = World::new(MONDAY_NOON).await;
    let empty = world.campaign(json!({"name": "Empty"})).await;
    let ending = world.campaign(json!({"end_date": "2026-03-03", "calls_per_day": 3})).await;
    world.leads(&ending, numbers(10)).await;
    world.run_for(TimeDelta::days(2)).await;
    let ended = world.now(&ending).await;
    assert_eq!((ended.status, ended.status_reason.as_deref()), (Status::Completed, Some("end_date")));
    assert_eq!(ended.totals.attempts, 6);
    assert_eq!(dialing(&world, &empty).await, (DialingState::Waiting, Some(HoldReason::NoLeads), None));
    world.check().await;
}

#[tokio::test]
async fn before_its_start_date_a_campaign_waits_for_it() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"start_date": "2026-03-05T09:00:00Z"})).await;
    world.leads(&campaign, [story(101, 0)]).await;
    world.run_for(TimeDelta::hours(1)).await;
    let (state, reason, until) = dialing(&world, &campaign).await;
    assert_eq!((state, reason), (DialingState::Waiting, Some(HoldReason::NotStarted)));
    assert_eq!(until.as_deref(), Some("05T09:00"));
    world.run_for(TimeDelta::days(4)).await;
    assert_eq!(world.calls(&campaign).await[0].placed_at, at("2026-03-05T09:00:00Z"));
    world.check().await;
}

#[tokio::test]
async fn leads_are_called_in_their_own_hours_where_the_campaign_says_so() {
    let mut world = World::new("2026-03-02T02:00:00Z").await;
    let campaign = world
        .campaign(json!({
            "lead_time_zone_policy": "lead", "calling_hours_start": "09:00", "calling_hours_end": "17:00",
            "time_zone": "America/New_York",
        }))
        .await;
    let zones = ["Asia/Tokyo", "Europe/Berlin", "America/Los_Angeles"];
    let mut leads: Vec<_> = zones
        .iter()
        .enumerate()
        .map(|(nth, zone)| json!({"phone": story(101, nth), "time_zone": zone}))
        .collect();
    // Nobody knows where a number of this kind is.
    leads.push(json!({"phone": "+80012345678"}));
    world.add(&campaign, leads).await;
    world.run_for(TimeDelta::days(2)).await;
    let placed: Vec<String> =
        world.calls(&campaign).await.iter().map(|call| call.placed_at.format("%H:%M").to_string()).collect();
    assert_eq!(placed, ["02:00", "08:00", "17:00"]);
    let unknown = world.all_leads(&campaign).await.pop().unwrap();
    assert_eq!(unknown.held.as_deref(), Some("time_zone_unknown"));
    world.check().await;
}

#[tokio::test]
async fn a_lead_that_names_no_zone_is_called_when_it_is_day_wherever_its_number_can_be() {
    let mut world = World::new("2026-03-02T00:00:00Z").await;
    let campaign = world
        .campaign(json!({
            "lead_time_zone_policy": "lead", "calling_hours_start": "09:00", "calling_hours_end": "17:00",
            "max_attempts_per_lead": 1,
        }))
        .await;
    // New York; Boise and Los Angeles; Berlin; toll free, which is never day everywhere.
    let numbers = ["+12125550101", "+12083205501", "+493012345678", "+18005550101"];
    world.leads(&campaign, numbers.map(str::to_owned)).await;
    world.run_for(TimeDelta::days(2)).await;
    let calls = world.calls(&campaign).await;
    let placed: Vec<String> =
        calls.iter().map(|call| format!("{} {}", call.phone, call.placed_at.format("%d %H:%M"))).collect();
    assert_eq!(placed, ["+493012345678 02 08:00", "+12125550101 02 14:00", "+12083205501 02 17:00"]);
    assert_eq!(calls[2].evidence["time_zones"], json!(["America/Boise", "America/Los_Angeles"]));
    let toll_free = world.all_leads(&campaign).await.pop().unwrap();
    assert!(toll_free.held.unwrap().starts_with("time_zone_unknown:"));
    world.check().await;
}

#[tokio::test]
async fn days_recur_from_the_campaigns_first_day_wherever_leads_are() {
    let mut world = World::new("2026-03-01T00:00:00Z").await;
    let campaign = world
        .campaign(json!({
            "lead_time_zone_policy": "lead", "time_zone": "Europe/Berlin", "recurrence_rule": "FREQ=WEEKLY",
            "start_date": "2026-03-02", "calling_hours_start": "09:00", "calling_hours_end": "17:00",
        }))
        .await;
    let zones = ["Pacific/Auckland", "Europe/Berlin", "America/Los_Angeles"];
    let leads = zones.iter().enumerate();
    world
        .add(
            &campaign,
            leads.map(|(nth, zone)| json!({"phone": story(101, nth), "time_zone": zone})).collect(),
        )
        .await;
    world.run_for(TimeDelta::days(9)).await;
    let placed: Vec<String> = world
        .calls(&campaign)
        .await
        .iter()
        .map(|call| call.placed_at.format("%d %H:%M").to_string())
        .collect();
    assert_eq!(placed, ["01 23:00", "02 08:00", "02 17:00"], "Monday the second, for each of them");
    world.check().await;
}

#[tokio::test]
async fn a_lead_for_whom_the_days_are_over_already_keeps_nobody_else_from_being_called() {
    let mut world = World::new("2026-03-02T19:00:00Z").await;
    let campaign = world
        .campaign(json!({"lead_time_zone_policy": "lead", "recurrence_rule": "FREQ=DAILY;UNTIL=20260302"}))
        .await;
    // It is the third in New Zealand.
    world.leads(&campaign, ["+6432345678", "+12125550101"].map(str::to_owned)).await;
    world.run_for(TimeDelta::minutes(30)).await;
    let calls = world.calls(&campaign).await;
    assert_eq!(calls.iter().map(|call| call.phone.to_string()).collect::<Vec<_>>(), ["+12125550101"]);
    assert_eq!(world.all_leads(&campaign).await[0].wait_reason, Some(HoldReason::ScheduleEnded));
    world.check().await;
}

#[tokio::test]
async fn leads_of_higher_priority_are_dialed_first() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"max_concurrent_calls": 1})).await;
    let leads = [1, 5, 3, 2, 4].into_iter().enumerate();
    let leads =
        leads.map(|(nth, priority)| json!({"phone": story(101, nth), "priority": priority})).collect();
    world.add(&campaign, leads).await;
    world.run_for(TimeDelta::hours(1)).await;
    let order: Vec<i64> = world.calls(&campaign).await.iter().map(|call| call.lead_id).collect();
    let first = order.iter().min().unwrap();
    assert_eq!(order.iter().map(|id| id - first).collect::<Vec<_>>(), [1, 4, 2, 3, 0]);
    world.check().await;
}

#[tokio::test]
async fn leads_that_another_process_brings_are_called_within_a_second() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    world.run_for(TimeDelta::seconds(10)).await;
    let beside = Store::open_beside(world.folder.path(), Arc::new(world.clock.clone())).unwrap();
    let (id, leads) = (campaign.id, vec![NewLead::read(json!({"phone": story(101, 0)}), None).unwrap()]);
    beside.write(move |tx| tx.insert_leads(id, &leads)).await.map_err(|error: StoreError| error).unwrap();
    world.clock.advance(TimeDelta::seconds(1));
    world.settle_down().await;
    assert_eq!(world.now(&campaign).await.totals.attempts, 1);
}

/// Fails in the way that no carrier may: panics at its first dial.
struct Panicking {
    dials: AtomicUsize,
}

impl Carrier for Panicking {
    fn name(&self) -> &'static str {
        "panicking"
    }

    fn capacity(&self) -> Capacity {
        Capacity { channels: 1, calls_per_second: None, next_at: None }
    }

    fn dial(&self, _: DialRequest, events: LegEvents) -> Leg {
        assert!(self.dials.fetch_add(1, Ordering::SeqCst) > 0, "the first dial panics");
        events.report(at(MONDAY_NOON), LegEvent::Ended(Cause::Busy, None));
        Leg::new(|_| {})
    }
}

#[tokio::test]
async fn a_dialer_that_panics_is_reported_and_goes_on_without_repeating_the_dial() {
    let world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"max_attempts_per_lead": 1})).await;
    world.leads(&campaign, numbers(3)).await;
    let carrier = Arc::new(Panicking { dials: AtomicUsize::new(0) });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let dialer = tokio::spawn(voice_campaigns::dialer::run(
        world.store.clone(),
        carrier.clone(),
        TimeDelta::zero(),
        stopped,
    ));
    while count(&events(&world).await, "campaign.error") == 0 {
        tokio::task::yield_now().await;
    }
    while world.now(&campaign).await.status != Status::Completed {
        // The dialer starts again within a second of its report, which may be written before or after this.
        world.clock.advance(TimeDelta::milliseconds(5));
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    stop.send_replace(true);
    world.clock.advance(TimeDelta::seconds(10));
    dialer.await.unwrap();
    assert_eq!(carrier.dials.load(Ordering::SeqCst), 3);
    assert_eq!(
        world.outcomes(&campaign).await,
        BTreeMap::from([("busy".into(), 2), ("interrupted".into(), 1)])
    );
    let codes: Vec<_> = events(&world).await.into_iter().map(|(_, data)| data["code"].clone()).collect();
    assert!(codes.contains(&json!("dialer_restarted")));
}

#[tokio::test]
async fn a_stop_waits_for_live_calls_and_dials_nobody_new() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"max_concurrent_calls": 2})).await;
    world.leads(&campaign, [story(101, 0), story(101, 1), story(101, 2)]).await;
    world.settle_down().await;
    assert_eq!(world.now(&campaign).await.totals.in_progress_calls, 2);
    world.stop(TimeDelta::minutes(2)).await;
    assert_eq!(world.outcomes(&campaign).await, BTreeMap::from([("success".into(), 2)]));
    assert_eq!(world.now(&campaign).await.totals.attempts, 2);
    world.check().await;
}

#[tokio::test]
async fn a_stop_hangs_up_what_is_still_alive_after_the_grace_time() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    world.leads(&campaign, [story(104, 0), story(112, 0)]).await;
    world.settle_down().await;
    world.stop(TimeDelta::seconds(3)).await;
    let outcomes = BTreeMap::from([("canceled".into(), 1), ("interrupted".into(), 1)]);
    assert_eq!(world.outcomes(&campaign).await, outcomes);
    assert!(world.time() < at(MONDAY_NOON) + TimeDelta::seconds(30));
    world.check().await;
}
