//! What lies on the disk: a write-ahead log that was cut off anywhere, a disk that is full, files that are not ours.
//!
//! `VC_TEST_LOG_STEP` sets after how many bytes the log is cut again, `VC_TEST_SEED` which of its bits flip.

use crate::crash::{check, differences, make_busy_campaign, number, stock_one, with_data};
use crate::power_cuts::look;
use crate::support::disk::Disk;
use crate::support::evidence::{self, Evidence};
use crate::support::program::{Place, Running};
use crate::support::world::folder_in_memory;
use crate::support::{ADMIN, TestServer, WRITER};
use chrono::{DateTime, Utc};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use voice_campaigns::clock::Manual;
use voice_campaigns::domain::campaign::Request;
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::store::{NewIncoming, Scope, Store, data_file};

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
        runtime.block_on(store.write(move |tx| tx.create_token(&name, Scope::Read, None, &hash))).unwrap();
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
    // What was claimed before that may still be on its way to the carrier.
    std::thread::sleep(Duration::from_millis(100));
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

#[test]
fn on_a_full_disk_calls_are_hung_up_and_whoever_wants_no_calls_is_heard() {
    let server = TestServer::start();
    let campaign = server.campaign(json!({"status": "active"}));
    let leads: Vec<i64> = (0..4).map(|n| server.lead(campaign, &format!("+1202555010{n}"))).collect();
    let call = server.place_call(leads[0]);
    let trials = format!("/api/voice-campaigns/{campaign}/test-calls");
    server.post(&trials, &json!({"phone": "+12025550111"})).send().expect(201);
    let incoming = server.write(move |tx| {
        let caller = Phone::from_e164("+12025550112");
        tx.insert_incoming(&NewIncoming {
            campaign_id: campaign,
            lead_id: None,
            caller,
            carrier: "simulator",
        })
    });
    // Where a folder is in its place there is no room for the file that keeps some.
    fs::create_dir(server.folder.path().join("ballast")).unwrap();
    server.store.keep_ballast();
    assert!(server.store.is_short_of_room());
    assert_eq!(server.post(&trials, &json!({"phone": "+12025550113"})).send().status, 503);

    let hang_up = |path: String| server.post(&format!("{path}/hangup"), &json!({})).send();
    hang_up(format!("/api/calls/{call}")).expect(202);
    hang_up(format!("{trials}/1")).expect(202);
    hang_up(format!("/api/inbound-calls/{incoming}")).expect(202);
    let table = server.request("POST", "/api/do-not-call").token(WRITER);
    let report = table.body("text/csv", b"phone\n+12025550101\n+12025550102\n").send().expect(201);
    assert_eq!(report["added"], 2);
    let erased = server.request("DELETE", "/api/people/+12025550103").token(ADMIN).send();
    assert_eq!(erased.status, 503, "what was kept of them is forgotten when there is room");
    let statuses: Vec<_> = leads[1..]
        .iter()
        .map(|lead| {
            let lead = server.get(&format!("/api/leads/{lead}")).send().expect(200);
            lead["status"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(statuses[..2], ["do_not_call", "do_not_call"]);
    let entry = server.get("/api/do-not-call/+12025550103").send().expect(200);
    assert_eq!(entry["reason"], "the person was erased");
    let deeds = server.request("GET", "/api/audit").token(ADMIN).send().expect(200);
    assert!(deeds.to_string().contains("/api/people/"), "{deeds}");
}

#[test]
fn on_a_full_disk_no_table_of_any_length_takes_the_room_of_calls_that_are_alive() {
    let mut options = crate::support::Options::default();
    options.settings.csv_limit_bytes = 8 << 20;
    let server = TestServer::start_with(options);
    fs::create_dir(server.folder.path().join("ballast")).unwrap();
    server.store.keep_ballast();
    let table = |count: u32| {
        (0..count).fold("phone\n".to_owned(), |all, n| all + &format!("+1212{}\n", 6_000_000 + n))
    };
    let send = |count| {
        let request = server.request("POST", "/api/do-not-call").token(WRITER);
        request.body("text/csv", table(count).as_bytes()).send()
    };
    assert_eq!(send(5_000).expect(201)["added"], 5_000);
    assert_eq!(send(20_000).status, 503);
}

#[test]
fn a_start_on_a_full_disk_ends_so_that_it_is_tried_again() {
    let Some(mut disk) = Disk::mount() else { return };
    let place = disk.place();
    place.token("admin");
    let used: u64 = disk.say("used").parse().unwrap();
    for room in [0, 4_096, 40_960, 400_000] {
        disk.say(&format!("room {}", used + room));
        let mut command = place.program(&["serve", "--port", "0"]);
        command.env("VC_SIMULATOR_SPEED", "20");
        let mut running = Running::spawn(command);
        if !running.listens_or_ends() {
            assert_eq!(running.end(), Some(1), "{room}: {}", running.complaints());
        }
    }
    let fresh = place.path("fresh").display().to_string();
    disk.say(&format!("room {}", used + 8_192));
    assert_eq!(place.run(&["serve", "--port", "0", "--data", &fresh]).status.code(), Some(1));
    disk.say("room 0");
    assert_eq!(place.serve().get("/health", ""), 200);
}

/// The checksum of every file in a folder, by name. What SQLite makes beside a file while it looks does not count.
fn checksums(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let is_beside = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name == "lock"
            || name.ends_with("-shm")
            || (name.ends_with("-wal") && fs::read(path).unwrap().is_empty())
    };
    let mut files: Vec<_> = entries
        .filter(|path| path.is_file() && !is_beside(path))
        .map(|path| (path.clone(), format!("{:x?}", Sha256::digest(fs::read(&path).unwrap()))))
        .collect();
    files.sort();
    files
}

/// Nobody in particular, whom the permissions of files bind; the tests may run as root, whom they do not.
const NOBODY: u32 = 65_534;

fn make_readable(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_not_ours_or_cannot_be_written_is_refused_in_one_line_and_left_as_it_is() {
    type Spoil = fn(&Path);
    let fixtures: [(&str, Spoil); 12] = [
        ("text", |folder| fs::write(data_file(folder), "Dear diary\n".repeat(500)).unwrap()),
        ("zeros", |folder| fs::write(data_file(folder), vec![0; 8_192]).unwrap()),
        ("only the first words of a database", |folder| {
            fs::write(data_file(folder), b"SQLite format 3\0").unwrap();
        }),
        ("a damaged header", |folder| damage(folder, 0, b"SQLite formaX")),
        ("a page size that there is none", |folder| damage(folder, 16, &[0x12, 0x34])),
        ("a damaged schema", |folder| damage(folder, 100, &[0xFF; 200])),
        ("another program's", |folder| alter(folder, "PRAGMA application_id = 7")),
        ("nobody's, with tables", |folder| {
            alter(folder, "PRAGMA user_version = 0; PRAGMA application_id = 0")
        }),
        ("of the future", |folder| alter(folder, "PRAGMA user_version = 999")),
        ("a folder in its place", |folder| {
            fs::remove_file(data_file(folder)).unwrap();
            fs::create_dir(data_file(folder)).unwrap();
        }),
        ("a file that cannot be written", |folder| make_readable(&data_file(folder), 0o444)),
        ("a folder that cannot be written", |folder| make_readable(folder, 0o555)),
    ];
    for (what, spoil) in fixtures {
        let place = Place::new();
        let data = place.path("data");
        place.token("admin");
        spoil(&data);
        let before = checksums(&data);
        let mut command = place.program(&["serve", "--port", "0"]);
        if what.ends_with("cannot be written") && is_root() {
            for path in [place.path(""), data.clone(), data_file(&data)] {
                chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = match command.output() {
            Ok(output) => output,
            Err(error) => {
                eprintln!("SKIPPED: {what}: nobody but root can start the program here: {error}");
                continue;
            }
        };
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{what}: {said}");
        assert_eq!(said.lines().count(), 1, "{what}: {said}");
        assert!(output.stdout.is_empty(), "{what}");
        make_readable(&data, 0o755);
        assert_eq!(checksums(&data), before, "{what}: {said}");
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

fn damage(folder: &Path, at: usize, with: &[u8]) {
    let mut bytes = fs::read(data_file(folder)).unwrap();
    bytes[at..at + with.len()].copy_from_slice(with);
    fs::write(data_file(folder), bytes).unwrap();
}

fn alter(folder: &Path, sql: &str) {
    let connection = Connection::open(data_file(folder)).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.close().unwrap();
}

/// Somebody reads for a minute without an end, so that no part of the log may be used again meanwhile.
#[test]
#[ignore = "takes a minute: tests/run --long"]
#[allow(clippy::disallowed_methods, reason = "the time of a real process")]
fn beside_a_reader_that_is_stuck_answers_come_and_afterwards_the_log_is_small_again() {
    let seconds = evidence::number("VC_TEST_STUCK_SECONDS", 60);
    let place = Place::new();
    let token = place.token("admin");
    make_busy_campaign(&place);
    stock_one(&place, 1, i64::try_from(seconds * 25).unwrap());
    let mut command = place.program(&["serve", "--port", "0"]);
    command.env("VC_SIMULATOR_SPEED", "20").env("VC_SIMULATOR_CALLS_PER_SECOND", "20");
    let mut server = Running::start(command);
    let stuck = Connection::open(data_file(&place.path("data"))).unwrap();
    stuck.execute_batch("BEGIN").unwrap();
    let calls = number(&stuck, "SELECT count(*) FROM calls");
    let (began, mut took, mut log) = (Instant::now(), Vec::new(), 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        let asked = Instant::now();
        assert_eq!(server.get("/api/overview", &token), 200);
        took.push(asked.elapsed());
        log = log.max(fs::metadata(log_of(&place.path("data"))).unwrap().len());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(number(&stuck, "SELECT count(*) FROM calls"), calls, "it sees what there was");
    stuck.execute_batch("COMMIT").unwrap();
    let made = number(&stuck, "SELECT count(*) FROM calls") - calls;
    drop(stuck);
    took.sort();
    let late = took[took.len() * 99 / 100];
    println!(
        "{made} calls beside a stuck reader: a log of {log} bytes, 99 % of {} answers within {late:?}",
        took.len()
    );
    assert!(made > 0 && log < 160_000 * u64::try_from(made).unwrap(), "{made} calls, {log} bytes");
    let is_small_again = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        fs::metadata(log_of(&place.path("data"))).unwrap().len() <= 64 << 20
    });
    assert!(is_small_again, "what it needed beyond 64 MB is given back");
    assert_eq!(server.end_by("TERM"), Some(0));
    check(&place);
}
