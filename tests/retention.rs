//! What goes after its retention time, in virtual time, and what stays.

use crate::support::world::{MONDAY_NOON, World, story};
use chrono::TimeDelta;
use serde_json::json;
use std::fs;
use voice_campaigns::housekeeping::{self, Retention};

const RETENTION: Retention = Retention {
    deleted_campaigns: TimeDelta::days(30),
    events: TimeDelta::days(90),
    deliveries: TimeDelta::days(30),
    import_files: TimeDelta::days(30),
    audit: TimeDelta::days(40),
    call_details: Some(TimeDelta::days(10)),
    recordings: TimeDelta::days(20),
};

/// Takes turns until nothing is due.
async fn clean(world: &World, retention: Retention) -> usize {
    let mut turns = 1;
    while housekeeping::turn(&world.store, retention).await.unwrap().has_more {
        turns += 1;
    }
    turns
}

fn count(world: &World, sql: &str) -> i64 {
    world.store.pool().get().unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn each_kind_of_data_goes_after_its_own_time_and_counters_stay() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"max_attempts_per_lead": 20, "retry_delay_minutes": 2_880})).await;
    world.leads(&campaign, (0..5).map(|nth| story(105, nth))).await;
    world.leads(&campaign, [story(101, 0)]).await;
    for day in 1..=120 {
        world.run_for(TimeDelta::days(1)).await;
        clean(&world, RETENTION).await;
        if day % 15 == 0 {
            world.check().await;
        }
    }
    let since = |days: i64| (world.time() - TimeDelta::days(days)).timestamp_millis();
    let calls = count(&world, "SELECT count(*) FROM calls");
    assert_eq!(calls, 101, "calls stay");
    let kept = count(&world, "SELECT count(*) FROM events");
    assert!(kept > 20 && kept < calls, "{kept} events");
    assert_eq!(count(&world, &format!("SELECT count(*) FROM events WHERE created_at <= {}", since(90))), 0);
    let with_details = "SELECT count(*) FROM calls WHERE evidence <> '{}' AND ended_at";
    assert_eq!(count(&world, &format!("{with_details} <= {}", since(10))), 0);
    let without = "SELECT count(*) FROM calls WHERE (evidence = '{}' OR timeline = '[]') AND ended_at";
    assert_eq!(count(&world, &format!("{without} > {}", since(10))), 0);
    assert_eq!(world.now(&campaign).await.totals.attempts, calls);
}

#[tokio::test]
async fn without_a_time_for_them_the_details_of_calls_stay() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    world.leads(&campaign, [story(101, 0)]).await;
    world.run_for(TimeDelta::days(400)).await;
    let retention = Retention { call_details: None, ..RETENTION };
    clean(&world, retention).await;
    assert_eq!(count(&world, "SELECT count(*) FROM calls WHERE evidence <> '{}' AND timeline <> '[]'"), 1);
    assert_eq!(count(&world, "SELECT count(*) FROM events"), 0);
    world.check().await;
}

#[tokio::test]
async fn what_was_sent_in_an_import_is_forgotten_and_its_file_removed() {
    let world = World::new(MONDAY_NOON).await;
    world.campaign(json!({})).await;
    let folder = world.folder.path().join("imports");
    fs::create_dir(&folder).unwrap();
    for (id, days) in [(1, 31), (2, 29)] {
        let at = (world.time() - TimeDelta::days(days)).timestamp_millis();
        let report = json!({"ready": 7, "first_rows": [{"row": 3, "value": "Ada"}]}).to_string();
        let connection =
            rusqlite::Connection::open(voice_campaigns::store::data_file(world.folder.path())).unwrap();
        connection
            .execute(
                "INSERT INTO imports (id, campaign_id, state, format, on_duplicate, made_by, report, created_at, finished_at)
                 VALUES (?1, 1, 'completed', 'csv', 'skip', 'test', ?2, ?3, ?3)",
                rusqlite::params![id, report, at],
            )
            .unwrap();
        fs::write(folder.join(format!("{id}-skipped.csv")), "row\n3\n").unwrap();
    }
    clean(&world, RETENTION).await;
    let report = |id: i64| {
        let sql = format!("SELECT report FROM imports WHERE id = {id}");
        world.store.pool().get().unwrap().query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    assert_eq!(report(1), json!({"ready": 7, "first_rows": []}).to_string());
    assert!(report(2).contains("Ada"));
    assert_eq!([1, 2].map(|id| folder.join(format!("{id}-skipped.csv")).exists()), [false, true]);
}

#[tokio::test]
async fn much_is_removed_in_small_pieces() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    world.leads(&campaign, crate::support::world::numbers(3_000)).await;
    world.run_for(TimeDelta::days(100)).await;
    assert!(clean(&world, RETENTION).await > 2);
    assert_eq!(count(&world, "SELECT count(*) FROM calls WHERE evidence <> '{}'"), 0);
    world.check().await;
    let id = campaign.id;
    world.write(move |tx| tx.delete_campaign(id, "test")).await;
    world.run_for(TimeDelta::days(31)).await;
    clean(&world, RETENTION).await;
    assert_eq!(count(&world, "SELECT count(*) FROM calls") + count(&world, "SELECT count(*) FROM leads"), 0);
    assert_eq!(count(&world, "SELECT coalesce(sum(spent + reserved), 0) FROM spent_days"), 0);
    world.check().await;
}

#[tokio::test]
async fn while_a_campaign_is_removed_piece_by_piece_nothing_is_found_to_be_wrong() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world
        .campaign(json!({"max_attempts_per_lead": 3, "calls_per_day": 100_000, "retry_delay_minutes": 60}))
        .await;
    world.leads(&campaign, crate::support::world::numbers(2_000)).await;
    world.run_for(TimeDelta::days(60)).await;
    let again = "SELECT count(*) FROM calls WHERE attempt > 1 AND id > 2000";
    assert!(count(&world, again) > 100, "some are called again after all others");
    let id = campaign.id;
    world.write(move |tx| tx.delete_campaign(id, "test")).await;
    world.run_for(TimeDelta::days(31)).await;
    let mut pieces = 0;
    while world.write(|tx| tx.purge_deleted(TimeDelta::days(30))).await {
        pieces += 1;
        world.check_but_ledger().await;
    }
    assert!(pieces > 4, "{pieces}");
    world.check().await;
}
