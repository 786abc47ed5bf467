//! A rehearsal and the real engine over the real store and the simulator place the same calls, minute for minute: the same
//! leads, attempts, times and outcomes, whatever the campaigns are like.
//!
//! `VC_TEST_REHEARSALS` sets how many campaigns are tried, `VC_TEST_SEED` which ones. Where they differ, the calls of both are
//! written down to be looked at.

use crate::support::evidence;
use crate::support::world::{World, at, suppression};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use std::sync::Arc;
use voice_campaigns::carrier::Capacity;
use voice_campaigns::domain::campaign::Campaign;
use voice_campaigns::domain::guard::{Agents, Guard};
use voice_campaigns::domain::keys::KeyMap;
use voice_campaigns::domain::money::Money;
use voice_campaigns::domain::outcome::Criteria;
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::domain::rates::{History, Learned, Stated};
use voice_campaigns::domain::rehearsal::{Rehearsal, Status};
use voice_campaigns::rehearsal::{Copy, Placed, Played, Town, Trunk, jobs, play_listed};
use voice_campaigns::store::StoreError;

/// A campaign, another one beside it, and the world they dial in.
#[derive(Clone, Debug)]
struct Case {
    start: &'static str,
    settings: Value,
    leads: Vec<Value>,
    sibling: Option<(Value, Vec<Value>)>,
    do_not_call: Vec<usize>,
    trunk: Trunk,
    calls_per_number: u32,
    spend_per_day: Option<i64>,
    answered: f64,
    seed: u64,
}

/// About when clocks are put forward or back somewhere, and a day like others.
const STARTS: [&str; 4] =
    ["2026-03-07T22:10:00Z", "2026-10-24T20:30:00Z", "2026-11-01T03:00:00Z", "2026-06-15T09:00:00Z"];
const ZONES: [&str; 4] = ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"];

fn settings() -> impl Strategy<Value = Value> {
    let hours = [
        ("00:00:00", "23:59:59"),
        ("09:00:00", "17:00:00"),
        ("22:00:00", "03:00:00"),
        ("01:00:00", "03:30:00"),
    ];
    let when = (select(hours.to_vec()), select(&ZONES[..]), select(vec!["campaign", "lead"]), any::<bool>());
    let much = (
        select(vec![3, 10, 1_000]),
        select(vec![1, 2, 4]),
        select(vec![1, 7, 90, 2_000]),
        select(vec![1, 3, 50]),
        select(vec![json!(null), json!(2.5), json!(9)]),
    );
    let rest = (select(vec!["low", "medium", "high"]), select(vec![15, 30]), select(vec![20, 300]));
    (when, much, rest).prop_map(|((hours, zone, policy, all_week), much, rest)| {
        let (calls_per_day, attempts, delay, lines, budget) = much;
        let week = match all_week {
            true => json!(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]),
            false => json!(["Sunday", "Monday", "Wednesday"]),
        };
        json!({
            "calling_hours_start": hours.0, "calling_hours_end": hours.1, "time_zone": zone,
            "lead_time_zone_policy": policy, "working_days": week, "calls_per_day": calls_per_day,
            "max_attempts_per_lead": attempts, "retry_delay_minutes": delay, "max_concurrent_calls": lines,
            "budget": budget, "cost_per_call": 0.25, "priority": rest.0, "ring_timeout_seconds": rest.1,
            "call_duration_limit": rest.2, "script_template": "Hello {first_name|there}, {offer}.",
        })
    })
}

fn leads() -> impl Strategy<Value = Vec<Value>> {
    let lead = (
        0_u16..40,
        proptest::option::of(select(&ZONES[..])),
        1..=5,
        proptest::option::weighted(0.3, 0..24),
        proptest::bool::weighted(0.9),
    );
    let lead = lead.prop_map(|(number, zone, priority, best, has_offer)| {
        let phone = match number % 8 {
            // Of a kind that nobody calls.
            7 => format!("+1900555{number:04}"),
            _ => format!("+1202600{number:04}"),
        };
        let variables = if has_offer { json!({"offer": "an offer"}) } else { json!({}) };
        let best = best.map(|hour| format!("{hour:02}:00"));
        json!({"phone": phone, "time_zone": zone, "priority": priority, "best_time_to_call": best,
               "variables": variables, "notes": "not said"})
    });
    vec(lead, 1..40)
}

fn case() -> impl Strategy<Value = Case> {
    let campaigns = (settings(), leads(), proptest::option::weighted(0.4, (settings(), leads())));
    let trunk = (select(vec![1, 4, 100]), select(vec![None, None, Some(0.2), Some(3.0)]));
    let guard = (select(vec![1, 2, 1_000]), select(vec![None, None, Some(15_000)]));
    let rest = (vec(0_usize..40, 0..4), 0.05..0.9, any::<u64>());
    (select(&STARTS[..]), campaigns, trunk, guard, rest).prop_map(|(start, campaigns, trunk, guard, rest)| {
        Case {
            start,
            settings: campaigns.0,
            leads: campaigns.1,
            sibling: campaigns.2,
            do_not_call: rest.0,
            trunk: Trunk { lines: trunk.0, calls_per_second: trunk.1 },
            calls_per_number: guard.0,
            spend_per_day: guard.1,
            answered: rest.1,
            seed: rest.2,
        }
    })
}

/// What came of a case.
struct Outcomes {
    real: Vec<Placed>,
    rehearsed: Vec<Placed>,
    played: Played,
    status: String,
}

async fn both(case: &Case) -> Outcomes {
    let start = at(case.start);
    let capacity =
        Capacity { channels: case.trunk.lines, calls_per_second: case.trunk.calls_per_second, next_at: None };
    // The rates follow from the settings, and the world needs them before there is a campaign.
    let mut body = json!({"name": "Survey", "status": "active", "system_prompt": "Be kind"});
    for (name, value) in case.settings.as_object().unwrap() {
        body[name] = value.clone();
    }
    let settings = voice_campaigns::domain::campaign::Request::read(body, None).unwrap().settings;
    let mut rates = Learned::new(Stated::of(&settings), History::default(), Vec::new()).likely();
    rates.assume_chance(case.answered);
    let town = Town::new(rates.clone(), KeyMap::usual(Criteria::CallCompleted), case.seed);
    let mut world = World::fated(start, Arc::new(town), capacity).await;
    world.set_guard(Guard {
        calls_per_number_per_day: case.calls_per_number,
        spend_per_day: case.spend_per_day.map(Money::from_ten_thousandths),
        ..Guard::default()
    });
    for number in &case.do_not_call {
        let phone = Phone::from_e164(&format!("+1202600{number:04}")).unwrap();
        let listed = suppression("asked");
        world.write(move |tx| tx.add_to_do_not_call_list(phone, &listed).map(drop)).await;
    }
    let campaign = world.campaign(case.settings.clone()).await;
    world.add(&campaign, case.leads.clone()).await;
    if let Some((settings, leads)) = &case.sibling {
        let sibling = world.campaign(settings.clone()).await;
        world.add(&sibling, leads.clone()).await;
    }
    let copy = copied(&world, &campaign, case.trunk).await;
    let (played, mut rehearsed) = play_listed(&copy, &rates, start, case.seed).unwrap();

    let end = start + TimeDelta::days(25);
    world.run_until(end).await;
    world.check_but_ledger().await;
    let placed = |call: voice_campaigns::domain::call::Call| {
        Some(Placed {
            lead_id: call.lead_id,
            attempt: call.attempt,
            placed_at: call.placed_at,
            ended_at: call.ended_at?,
            outcome: call.outcome?,
        })
    };
    let mut real: Vec<Placed> = world.calls(&campaign).await.into_iter().filter_map(placed).collect();
    let by = |placed: &Placed| (placed.placed_at, placed.lead_id);
    rehearsed.retain(|placed| placed.ended_at <= end);
    real.sort_by_key(by);
    rehearsed.sort_by_key(by);
    Outcomes { real, rehearsed, played, status: world.now(&campaign).await.status.to_string() }
}

async fn copied(world: &World, campaign: &Campaign, trunk: Trunk) -> Copy {
    let id = campaign.id;
    let copied = world.store.read(move |snapshot| {
        let campaign = snapshot.campaign(id)?.unwrap();
        Ok::<_, StoreError>(Copy::of(snapshot, campaign, trunk).unwrap())
    });
    copied.await.unwrap()
}

#[test]
fn a_rehearsal_and_the_real_engine_place_the_same_calls_minute_for_minute() {
    let cases = evidence::number("VC_TEST_REHEARSALS", 24) as u32;
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(evidence::seed()),
        failure_persistence: None,
        max_shrink_iters: evidence::number("VC_TEST_SHRINK", 20) as u32,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let calls = std::cell::Cell::new(0);
    TestRunner::new(config)
        .run(&case(), |case| {
            let Outcomes { real, rehearsed, played, status } = runtime.block_on(both(&case));
            calls.set(calls.get() + real.len());
            if real != rehearsed {
                keep(&real, &rehearsed);
            }
            for (nth, (real, rehearsed)) in real.iter().zip(&rehearsed).enumerate() {
                prop_assert_eq!(real, rehearsed, "call {}", nth);
            }
            prop_assert_eq!(real.len(), rehearsed.len());
            let is_soon = played.finishes_at.is_some_and(|at| at <= at_end(&case));
            prop_assert_eq!(status == "completed", is_soon, "{:?}", played);
            Ok(())
        })
        .unwrap();
    assert!(calls.get() > cases as usize, "the cases are about calls: {}", calls.get());
}

/// Writes down what both placed, call by call, to be looked at side by side; the last that failed stays.
fn keep(real: &[Placed], rehearsed: &[Placed]) {
    let folder = std::env::temp_dir().join("voice-campaigns-failed-rehearsal");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, calls) in [("real.txt", real), ("rehearsed.txt", rehearsed)] {
        let line = |call: &Placed| {
            let Placed { lead_id, attempt, placed_at, ended_at, outcome } = call;
            format!("{placed_at:?} {ended_at:?} lead {lead_id} attempt {attempt} {outcome}\n")
        };
        std::fs::write(folder.join(name), calls.iter().map(line).collect::<String>()).unwrap();
    }
    eprintln!("VC_TEST_SEED={}: the calls of both are in {}", evidence::seed(), folder.display());
}

fn at_end(case: &Case) -> DateTime<Utc> {
    at(case.start) + TimeDelta::days(25)
}

#[tokio::test]
async fn a_rehearsal_that_was_asked_for_leaves_no_trace_but_its_result() {
    let world = World::new("2026-03-02T12:00:00Z").await;
    let campaign = world.campaign(json!({"calls_per_day": 10, "max_attempts_per_lead": 1})).await;
    world.leads(&campaign, crate::support::world::numbers(25)).await;
    let (id, before) = (campaign.id, world.now(&campaign).await);
    let asked = json!({"answer_rates": 1, "changes": {"calls_per_day": 5}});
    world.write(move |tx| tx.insert_rehearsal(id, &asked, "Ada").map(drop)).await;
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    assert!(jobs::turn(&world.store, &world.simulator, &stopped).await.unwrap());
    assert!(!jobs::turn(&world.store, &world.simulator, &stopped).await.unwrap(), "none waits any more");

    let done = world.store.read(move |snapshot| snapshot.rehearsals(id)).await.unwrap().remove(0);
    let result = done.result.unwrap();
    assert_eq!((done.status.to_string(), done.progress), ("done".into(), 1.0));
    let per_day: Vec<&Value> =
        result["per_day"].as_array().unwrap().iter().map(|day| &day["calls"]).collect();
    assert_eq!(per_day, [5, 5, 5, 5, 5], "{result}");
    assert_eq!((&result["calls"], &result["unfinished"]), (&json!(25), &json!(null)));
    assert!(result["finishes_at"].as_str().unwrap().starts_with("2026-03-06T"), "{result}");
    assert!(result["bound_by"]["calls_per_day"].as_f64().unwrap() > 0.9, "{result}");

    assert_eq!(world.calls(&campaign).await, []);
    assert_eq!(world.now(&campaign).await, before);
    assert!(world.all_leads(&campaign).await.iter().all(|lead| lead.attempts == 0));
}

#[tokio::test]
async fn who_is_never_called_is_told_with_the_reason() {
    let world = World::new("2026-03-02T12:00:00Z").await;
    let campaign = world.campaign(json!({"script_template": "Hello, {offer}."})).await;
    let with = |phone: &str, offer: bool| json!({"phone": phone, "variables": if offer { json!({"offer": "an offer"}) } else { json!({}) }});
    let leads = vec![
        with("+12026000001", true),
        with("+12026000002", false),
        with("+12026000003", true),
        with("+19005550107", true),
    ];
    world.add(&campaign, leads).await;
    let listed = Phone::from_e164("+12026000003").unwrap();
    let why = suppression("asked");
    let copy = {
        let copy = copied(&world, &campaign, Trunk { lines: 5, calls_per_second: None }).await;
        world.write(move |tx| tx.add_to_do_not_call_list(listed, &why).map(drop)).await;
        copy
    };
    let mut rates = Learned::new(Stated::of(&campaign.settings), History::default(), Vec::new()).likely();
    rates.assume_chance(1.0);
    let (played, calls) = play_listed(&copy, &rates, world.time(), 1).unwrap();
    assert_eq!((played.finishes_at, calls.len()), (None, 2), "a copy never changes");
    let unfinished = played.unfinished.unwrap();
    assert_eq!(unfinished.leads, 2);
    let reasons: Vec<String> =
        played.never_called.reasons.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    assert_eq!(reasons, ["missing_variable 1", "number_refused 1"]);
    assert_eq!(played.never_called.examples, [2, 4]);
}

/// Asks for a rehearsal, and answers with its id.
async fn asked(world: &World, campaign: &Campaign, asked: Value) -> i64 {
    let id = campaign.id;
    world.write(move |tx| tx.insert_rehearsal(id, &asked, "Ada").map(Option::unwrap)).await
}

async fn shown(world: &World, campaign: &Campaign, id: i64) -> Rehearsal {
    tokio::task::yield_now().await;
    let campaign_id = campaign.id;
    world.store.read(move |snapshot| snapshot.rehearsal(campaign_id, id)).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_rehearsal_that_runs_is_canceled_and_ends_at_once() {
    let world = World::new("2026-03-02T12:00:00Z").await;
    let campaign = world.campaign(json!({"max_attempts_per_lead": 20})).await;
    // Far more than a test would wait for.
    let id = asked(&world, &campaign, json!({"leads_assumed": 200_000, "answer_rates": 0})).await;
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let cancel = async {
        while shown(&world, &campaign, id).await.status == Status::Queued {}
        assert!(world.write(move |tx| tx.cancel_rehearsal(id)).await);
        world.store.rehearsals_changed();
    };
    let (turn, ()) = tokio::join!(jobs::turn(&world.store, &world.simulator, &stopped), cancel);
    assert!(turn.unwrap());
    let canceled = shown(&world, &campaign, id).await;
    assert_eq!((canceled.status, canceled.result, canceled.error), (Status::Canceled, None, None));
    assert!(canceled.progress < 1.0);
    assert!(!jobs::turn(&world.store, &world.simulator, &stopped).await.unwrap(), "it is not begun anew");
}

#[tokio::test]
async fn rehearsals_are_played_when_they_are_asked_for_and_those_that_a_stop_broke_off_say_so() {
    let world = World::new("2026-03-02T12:00:00Z").await;
    let campaign = world.campaign(json!({})).await;
    world.leads(&campaign, crate::support::world::numbers(3)).await;
    let broken_off = asked(&world, &campaign, json!({})).await;
    assert!(world.write(move |tx| tx.begin_rehearsal(broken_off)).await);
    let waiting = asked(&world, &campaign, json!({})).await;

    let (stop, stopped) = tokio::sync::watch::channel(false);
    let working =
        tokio::spawn(jobs::run(world.store.clone(), Arc::new(world.simulator.clone()), stopped.clone()));
    let over = |id| {
        let (world, campaign) = (&world, &campaign);
        async move {
            loop {
                let shown = shown(world, campaign, id).await;
                if !matches!(shown.status, Status::Queued | Status::Running) {
                    return shown;
                }
            }
        }
    };
    assert_eq!(over(waiting).await.status, Status::Done, "one that waited is played");
    let broken_off = over(broken_off).await;
    assert_eq!((broken_off.status, broken_off.result), (Status::Failed, None));
    assert_eq!(broken_off.error.unwrap(), "The server stopped while it was played; ask for it again");

    // The clock stands still: nothing but being told wakes the worker.
    let later = asked(&world, &campaign, json!({})).await;
    world.store.rehearsals_changed();
    assert_eq!(over(later).await.status, Status::Done);
    stop.send(true).unwrap();
    working.await.unwrap();
}

#[tokio::test]
async fn no_more_calls_are_rehearsed_at_one_time_than_the_agent_holds_conversations() {
    let world = World::new("2026-03-02T12:00:00Z").await;
    let campaign =
        world.campaign(json!({"agent": "ai", "max_concurrent_calls": 20, "max_attempts_per_lead": 1})).await;
    world.leads(&campaign, crate::support::world::numbers(30)).await;
    let mut rates = Learned::new(Stated::of(&campaign.settings), History::default(), Vec::new()).likely();
    rates.assume_chance(1.0);
    let play = async |seats| {
        world.store.set_agents(Agents { seats, free: seats, is_usual: false });
        let copy = copied(&world, &campaign, Trunk { lines: 10, calls_per_second: None }).await;
        let (played, calls) = play_listed(&copy, &rates, world.time(), 1).unwrap();
        let at_once = calls.iter().map(|call| {
            let alive =
                |other: &&Placed| other.placed_at <= call.placed_at && call.placed_at < other.ended_at;
            calls.iter().filter(alive).count()
        });
        (at_once.max().unwrap(), played, copy.lacks_agent())
    };
    let (at_once, played, lacks_agent) = play(3).await;
    assert_eq!((at_once, played.unfinished, lacks_agent), (3, None, false));
    assert_eq!(played.bound_by[0].0.to_string(), "agents", "{:?}", played.bound_by);
    let (at_once, played, _) = play(50).await;
    assert_eq!((at_once, played.bound_by[0].0.to_string()), (10, "lines".into()));
    let (at_once, _, lacks_agent) = play(0).await;
    assert_eq!((at_once, lacks_agent), (10, true), "where none is set up there is a warning");
}
