//! What lies on the disk: a write-ahead log that was cut off anywhere, a disk that is full, files that are not ours.
//!
//! `VC_TEST_LOG_STEP` sets after how many bytes the log is cut again, `VC_TEST_SEED` which of its bits flip.

use crate::crash::{check, differences, number, stock_one, with_data};
use crate::power_cuts::look;
use crate::support::disk::Disk;
use crate::support::evidence::{self, Evidence};
use crate::support::program::Running;
use crate::support::world::folder_in_memory;
use chrono::{DateTime, Utc};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use voice_campaigns::clock::Manual;
use voice_campaigns::domain::campaign::Request;
use voice_campaigns::store::{Scope, Store, data_file};

fn now() -> DateTime<Utc> {
    crate::support::START.parse().unwrap()
}

fn store(folder: &Path) -> Store {
    Store::open(folder, Arc::new(Manual::new(now()))).unwrap()
}

fn log_of(folder: &Path) -> PathBuf {
    folder.join("voice-campaigns.db-wal")
}

/// Which tokens a copy with this log has, after the file was found to be sound.
fn tokens_after(file: &[u8], log: &[u8]) -> Vec<String> {
    let folder = folder_in_memory();
    fs::write(data_file(folder.path()), file).unwrap();
    fs::write(log_of(folder.path()), log).unwrap();
    let connection = Connection::open(data_file(folder.path())).unwrap();
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let mut statement = connection.prepare("SELECT name FROM tokens ORDER BY id").unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

#[test]
fn a_log_that_was_cut_off_anywhere_or_damaged_leaves_what_was_committed_up_to_there() {
    let step = usize::try_from(evidence::number("VC_TEST_LOG_STEP", 1_999)).unwrap();
    let folder = folder_in_memory();
    store_and_close(folder.path());
    let file = fs::read(data_file(folder.path())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = store(folder.path());
    let mut written = Vec::new();
    while fs::metadata(log_of(folder.path())).map_or(0, |log| log.len()) < 500_000 {
        let name = format!("token {}", written.len());
        written.push(name.clone());
        let hash = Sha256::digest(&name).into();
        runtime.block_on(store.write(move |tx| tx.create_token(&name, Scope::Read, &hash))).unwrap();
    }
    // As a machine finds it whose power failed: nobody has closed anything.
    let log = fs::read(log_of(folder.path())).unwrap();
    assert_eq!(tokens_after(&file, &log), written);

    let (mut most, mut cuts) = (0, 0);
    for length in (0..log.len()).step_by(step) {
        let found = tokens_after(&file, &log[..length]);
        assert_eq!(found, written[..found.len()], "cut off after {length} bytes");
        assert!(found.len() >= most, "a longer log has less: {length} bytes");
        (most, cuts) = (found.len(), cuts + 1);
    }
    assert!(most + 2 > written.len(), "{most} of {}", written.len());
    let mut chance = SmallRng::seed_from_u64(evidence::seed());
    let flips = if step < 1_000 { 300 } else { 30 };
    for _ in 0..flips {
        let (at, bit) = (chance.random_range(0..log.len()), chance.random_range(0..8));
        let mut log = log.clone();
        log[at] ^= 1 << bit;
        let found = tokens_after(&file, &log);
        assert_eq!(found, written[..found.len()], "bit {bit} of byte {at} flipped");
    }
    println!("{} commits in {} bytes: {cuts} cuts, {flips} flipped bits, 0 torn", written.len(), log.len());
}

/// Makes a data folder whose log is empty.
fn store_and_close(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(store(folder).close());
}

/// Waits, in real time, until something is so.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    const LOOK_EVERY: Duration = Duration::from_millis(20);
    for look in 0..1_500 {
        if is_so() {
            return LOOK_EVERY * look;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    panic!("{what}: not within 30 seconds");
}

#[test]
fn when_the_disk_is_full_nobody_new_is_dialed_what_is_alive_is_written_down_and_it_goes_on_with_room() {
    let Some(mut disk) = Disk::mount() else { return };
    let place = disk.place();
    let _evidence = Evidence::of(&place.path("data"), "full-disk");
    let token = place.token("admin");
    with_data(&place, |tx| {
        let body = json!({
            "name": "Full", "status": "active", "calls_per_day": 100_000, "max_attempts_per_lead": 1,
            "calling_hours_start": "00:00:00", "calling_hours_end": "23:59:59", "max_concurrent_calls": 40,
            "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
            "system_prompt": "Be kind", "script_template": "Hello, this is a survey call.",
        });
        tx.insert_campaign(&Request::read(body, None).unwrap(), "test").map(drop)
    });
    stock_one(&place, 1, 20_000);
    let mut command = place.program(&["serve", "--port", "0"]);
    command.env("VC_SIMULATOR_SPEED", "20").env("VC_QUOTA_REQUESTS_PER_HOUR", "100000");
    let mut running = Running::start(command);
    assert_eq!(fs::metadata(place.path("data/ballast")).unwrap().len(), 16 * 1024 * 1024);
    let dials = || fs::read_to_string(place.path("data/simulator-ledger.jsonl")).unwrap().lines().count();
    let alive = || number(&look(&place), "SELECT count(*) FROM calls WHERE state <> 'ended'");
    wait_for("calls are alive", || dials() > 60 && alive() > 20);

    let used: u64 = disk.say("used").parse().unwrap();
    disk.say(&format!("room {}", used + 4_096));
    wait_for("the ballast is given up", || !place.path("data/ballast").exists());
    let at_the_end = dials();
    wait_for("the calls alive have ended", || alive() == 0);
    assert_eq!(dials(), at_the_end, "somebody was dialed on a full disk");
    let lost = "SELECT count(*) FROM calls WHERE outcome = 'interrupted'";
    assert_eq!(number(&look(&place), lost), 0);
    let (status, body) = running.ask("GET", "/ready", &token);
    assert_eq!((status, body.contains("the disk is full")), (503, true), "{body}");
    assert_eq!(running.get("/api/voice-campaigns/1", &token), 200);
    let made = running.send("POST", "/api/demo-campaign", &token, "{}");
    assert_eq!((made.0, made.1.is_some()), (503, true), "a write is refused, and says when to come again");
    let paused = running.send("PATCH", "/api/voice-campaigns/1/status", &token, r#"{"status":"paused"}"#);
    assert_eq!(paused.0, 200, "what forbids calls is written");
    let active = running.send("PATCH", "/api/voice-campaigns/1/status", &token, r#"{"status":"active"}"#);
    assert_eq!(active.0, 200);
    assert_eq!(dials(), at_the_end);

    disk.say("room 0");
    let took = wait_for("dialing goes on", || dials() > at_the_end);
    assert!(place.path("data/ballast").exists());
    assert_eq!(running.send("POST", "/api/demo-campaign", &token, "{}").0, 201);
    assert_eq!(running.end_by("TERM"), Some(0), "{}", running.complaints());
    let dials = differences(&place).unwrap();
    check(&place);
    println!(
        "{dials} dials around a full disk: 0 while it was, 0 lost; it went on {took:?} after there was room"
    );
    assert!(took < Duration::from_secs(5));
}
