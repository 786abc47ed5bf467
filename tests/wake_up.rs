//! A server that was away for long, or works on a copy of its data, calls nobody before somebody has looked.

use crate::support::TestServer;
use crate::support::world::{MONDAY_NOON, World, at, lenient, numbers};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use voice_campaigns::clock::Manual;
use voice_campaigns::domain::gate::HoldReason;
use voice_campaigns::domain::guard::Guard;
use voice_campaigns::domain::wake_up::Cause;
use voice_campaigns::store::{Store, StoreError, WakeUp, backup, data_file};

const TWELVE_HOURS: TimeDelta = TimeDelta::hours(12);

async fn careful() -> World {
    let mut world = World::new(MONDAY_NOON).await;
    world.set_guard(Guard { away_max: Some(TWELVE_HOURS), ..lenient() });
    world
}

async fn woke(world: &World) -> Option<WakeUp> {
    world.store.read(|s| s.wake_up()).await.unwrap()
}

async fn told(world: &World) -> usize {
    crate::dialer::events(world).await.iter().filter(|(_, data)| data["code"] == "woke_up").count()
}

#[tokio::test]
async fn after_a_long_time_away_nobody_is_called_until_somebody_says_so() {
    let mut world = careful().await;
    let campaign =
        world.campaign(json!({"calling_hours_start": "08:00:00", "max_concurrent_calls": 1})).await;
    world.leads(&campaign, numbers(200)).await;
    world.run_for(TimeDelta::hours(1)).await;
    let before = world.calls(&campaign).await.len();
    assert!(before > 0);
    let seen_at = world.time();
    world.write(|tx| tx.saw_time()).await;
    world.clock.advance(TimeDelta::hours(13));
    world.restart().await;
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(world.calls(&campaign).await.len(), before);
    let held = woke(&world).await.unwrap();
    assert_eq!((held.cause(), held.seen_at()), (Cause::Downtime, Some(seen_at)));
    assert_eq!(told(&world).await, 1);
    // It stays so over another restart, however short.
    world.restart().await;
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(world.calls(&campaign).await.len(), before);

    world.write(|tx| tx.release_wake_up()).await;
    world.run_for(TimeDelta::hours(9)).await;
    assert!(world.calls(&campaign).await.len() > before);
    assert_eq!(woke(&world).await, None);
    world.check().await;
}

#[tokio::test]
async fn a_short_time_away_and_a_long_one_where_nobody_would_be_called_hold_nothing() {
    let mut world = careful().await;
    let campaign = world.campaign(json!({"status": "paused"})).await;
    world.write(|tx| tx.saw_time()).await;
    world.clock.advance(TimeDelta::days(3));
    world.restart().await;
    world.settle_down().await;
    assert_eq!(woke(&world).await, None, "no campaign is active");

    let campaign = world.edit(&campaign, json!({"status": "active"})).await;
    world.leads(&campaign, numbers(2)).await;
    world.write(|tx| tx.saw_time()).await;
    world.clock.advance(TWELVE_HOURS);
    world.restart().await;
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(woke(&world).await, None);
    assert_eq!(world.calls(&campaign).await.len(), 2);
}

#[tokio::test]
async fn a_clock_that_jumps_far_forward_holds_even_when_it_is_trusted_again() {
    let mut world = careful().await;
    let campaign = world.campaign(json!({})).await;
    world.run_for(TimeDelta::minutes(1)).await;
    world.clock.jump(TimeDelta::hours(13));
    world.leads(&campaign, numbers(2)).await;
    world.run_for(TimeDelta::minutes(10)).await;
    assert_eq!(world.calls(&campaign).await.len(), 0);
    assert_eq!(woke(&world).await.unwrap().cause(), Cause::ClockJumped);
    let lead = world.all_leads(&campaign).await.remove(0);
    assert_eq!(lead.held, None, "the leads wait, they are not put aside");
    // Whoever says that the clock is right has looked.
    world.write(|tx| tx.trust_clock()).await;
    world.run_for(TimeDelta::minutes(10)).await;
    assert_eq!((world.calls(&campaign).await.len(), woke(&world).await), (2, None));
}

fn open(folder: &Path) -> Store {
    Store::open(folder, Arc::new(Manual::new(at(MONDAY_NOON)))).unwrap()
}

async fn seen(folder: &Path) -> (Option<Cause>, String) {
    let store = open(folder);
    let seen = store.read(|s| Ok::<_, StoreError>((s.wake_up()?, s.instance_id()?))).await.unwrap();
    store.close().await;
    (seen.0.map(|woke| woke.cause()), seen.1)
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test]
async fn data_know_when_they_are_a_copy_and_are_an_instance_of_their_own_then() {
    let folder = tempfile::tempdir().unwrap();
    let (held, original) = seen(folder.path()).await;
    assert_eq!(held, None, "new data are nobody's copy");
    assert_eq!(seen(folder.path()).await, (None, original.clone()), "nor are those that were here before");

    let whole = tempfile::tempdir().unwrap();
    copy(folder.path(), whole.path());
    let (held, instance) = seen(whole.path()).await;
    assert_eq!(held, Some(Cause::Copied));
    assert_ne!(instance, original);
    assert_eq!(seen(whole.path()).await, (held, instance), "it goes on being what it is");

    let alone = tempfile::tempdir().unwrap();
    std::fs::copy(data_file(folder.path()), data_file(alone.path())).unwrap();
    assert_eq!(seen(alone.path()).await.0, Some(Cause::Copied), "without the file beside it");

    // An older copy of the database, put back by hand.
    let older = tempfile::tempdir().unwrap();
    std::fs::copy(data_file(folder.path()), data_file(older.path())).unwrap();
    for _ in 0..2 {
        seen(folder.path()).await;
    }
    std::fs::copy(data_file(older.path()), data_file(folder.path())).unwrap();
    assert_eq!(seen(folder.path()).await.0, Some(Cause::Copied));
}

#[tokio::test]
async fn a_folder_that_was_copied_as_a_whole_and_put_back_where_it_was_knows_that_it_is_from_before() {
    let home = tempfile::tempdir().unwrap();
    let (data, copied) = (home.path().join("data"), home.path().join("copied"));
    for folder in [&data, &copied] {
        std::fs::create_dir(folder).unwrap();
    }
    let (_, original) = seen(&data).await;
    copy(&data, &copied);
    assert_eq!(seen(&data).await, (None, original.clone()), "who was called since is in no copy");
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&copied, &data).unwrap();
    let (held, instance) = seen(&data).await;
    assert_eq!(held, Some(Cause::Copied));
    assert_ne!(instance, original);

    // One whose version did not know which file it is.
    let path = data.join("instance");
    let beside = std::fs::read_to_string(&path).unwrap();
    let older: Vec<&str> = beside.split_whitespace().take(3).collect();
    std::fs::write(&path, older.join(" ")).unwrap();
    assert_eq!(seen(&data).await, (held, instance), "it is no other for that");
}

#[tokio::test]
async fn a_backup_knows_that_it_is_one_however_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (_, original) = seen(folder.path()).await;
    let file = folder.path().join("copy.sqlite");
    backup::make(folder.path(), &file).unwrap();
    assert_eq!(seen(folder.path()).await, (None, original.clone()), "the original is none");

    backup::restore(&file, folder.path(), at(MONDAY_NOON)).unwrap();
    let (held, restored) = seen(folder.path()).await;
    assert_eq!(held, Some(Cause::Restored));
    assert_ne!(restored, original);

    let by_hand = tempfile::tempdir().unwrap();
    std::fs::copy(&file, data_file(by_hand.path())).unwrap();
    let (held, copied) = seen(by_hand.path()).await;
    assert_eq!(held, Some(Cause::Restored));
    assert!(copied != original && copied != restored);

    {
        let store = open(folder.path());
        store.write(|tx| tx.release_wake_up()).await.unwrap();
        store.close().await;
    }
    assert_eq!(seen(folder.path()).await, (None, restored), "once released, it stays so");
}

#[tokio::test]
async fn what_a_copy_tells_of_later_is_no_message_of_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let ids = |store: Store| async move {
        let made = store.write(|tx| {
            let request = json!({"name": "Survey", "status": "draft", "calls_per_day": 5, "calling_hours_start": "09:00:00",
                "calling_hours_end": "17:00:00", "working_days": ["Monday"], "system_prompt": "Be kind",
                "script_template": "Hello", "webhooks": [{"url": "https://example.com"}]});
            let request = voice_campaigns::domain::campaign::Request::read(request, None).unwrap();
            let campaign = tx.insert_campaign(&request, "test")?;
            tx.emit_once(
                campaign.id,
                &voice_campaigns::domain::event::Event::error(&campaign, "x", "x", "x", "1"),
            )
        });
        made.await.unwrap();
        let all = voice_campaigns::store::DeliveryFilter { limit: 10, ..Default::default() };
        let told = store.read(move |s| s.deliveries(&all)).await.unwrap();
        store.close().await;
        told.into_iter().map(|delivery| delivery.message_id).collect::<Vec<_>>()
    };
    let first = ids(open(folder.path())).await;
    let file = folder.path().join("copy.sqlite");
    backup::make(folder.path(), &file).unwrap();
    let lost = ids(open(folder.path())).await;
    backup::restore(&file, folder.path(), at(MONDAY_NOON)).unwrap();
    let after = ids(open(folder.path())).await;
    assert_eq!(
        (lost[1..].to_vec(), after[1..].to_vec()),
        (first.clone(), first),
        "old ones are the same messages"
    );
    assert_ne!(lost[0], after[0], "the numbers of events come again, the messages do not");
}

#[test]
fn what_would_be_dialed_within_the_next_hour_is_shown_and_one_call_lets_it_go_on() {
    let server = TestServer::start();
    let none = server.get("/api/wake-up").send().expect(200);
    let instance = none["instance_id"].clone();
    assert_eq!(
        none,
        json!({"held": false, "since": null, "cause": null, "message": null, "last_seen_at": null,
            "instance_id": instance, "wake_up_hours": null, "next_hour_until": "2026-03-04T11:00:00Z",
            "leads_next_hour": 0, "campaigns": []})
    );
    // 10:00 in UTC on a Wednesday.
    let active = |changes: Value| {
        let mut body = json!({"status": "active", "time_zone": "UTC"});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let id = server.campaign(body);
        let leads: Vec<Value> = numbers(30).map(|phone| json!({"phone": phone})).collect();
        server.post(&format!("/api/voice-campaigns/{id}/leads"), &json!(leads)).send().expect(201);
        id
    };
    let open = active(json!({"name": "Open"}));
    let soon = active(json!({"name": "Soon", "calling_hours_start": "10:30:00", "calls_per_day": 20}));
    let poor = active(json!({"name": "Poor", "budget": 5, "cost_per_call": 0.5}));
    let late = active(json!({"name": "Late", "calling_hours_start": "11:00:00"}));
    server.campaign(json!({"name": "Paused", "status": "paused"}));
    server.write(|tx| {
        tx.hold_after_sleep(Cause::Downtime, tx.now - TimeDelta::days(2)).map(|held| assert!(held))
    });
    let shown = server.get("/api/wake-up").send().expect(200);
    let closed = json!({"reason": "outside_calling_hours", "until": "2026-03-04T11:00:00Z",
        "message": HoldReason::OutsideCallingHours.sentence()});
    let row = |id: i64, name: &str, leads: i64, first_at: Value, hold: Value| json!({"id": id, "name": name, "next_hour": {"leads": leads, "first_at": first_at, "hold": hold}});
    assert_eq!(
        shown,
        json!({"held": true, "since": "2026-03-04T10:00:00Z", "cause": "downtime",
        "message": Cause::Downtime.sentence(), "last_seen_at": "2026-03-02T10:00:00Z",
        "instance_id": instance, "wake_up_hours": null, "next_hour_until": "2026-03-04T11:00:00Z",
        "leads_next_hour": 60, "campaigns": [
            row(open, "Open", 30, json!("2026-03-04T10:00:00Z"), Value::Null),
            row(soon, "Soon", 20, json!("2026-03-04T10:30:00Z"), Value::Null),
            row(poor, "Poor", 10, json!("2026-03-04T10:00:00Z"), Value::Null),
            row(late, "Late", 0, Value::Null, closed),
        ]})
    );
    let stats = server.get(&format!("/api/voice-campaigns/{open}/stats")).send().expect(200);
    assert_eq!(
        (&stats["dialing"]["reason"], &stats["standing"]["state"], &stats["standing"]["code"]),
        (&json!("woke_up"), &json!("attention"), &json!("woke_up"))
    );
    assert_eq!(server.get("/api/overview").send().expect(200)["dialing"]["woke_up"], true);

    server.post("/api/wake-up/release", &json!({"by": 1})).send().error(400);
    server.request("POST", "/api/wake-up/release").token(crate::support::READER).send().error(403);
    let released = server.post("/api/wake-up/release", &json!({})).send().expect(200);
    let mut expected = shown;
    for name in ["since", "cause", "message", "last_seen_at"] {
        expected[name] = Value::Null;
    }
    expected["held"] = false.into();
    assert_eq!(released, expected);
    let stats = server.get(&format!("/api/voice-campaigns/{open}/stats")).send().expect(200);
    assert_eq!(stats["dialing"]["state"], "calling");
    server.get("/api/wake-up?hours=2").send().error(400);
}
