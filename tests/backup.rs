//! Copies of the database: made under load, proven, refused when they are not ours, and put back at any moment whole.

use crate::crash::open_alone;
use crate::support::evidence;
use crate::support::program::{Place, mode};
use crate::support::world::{MONDAY_NOON, World, folder_in_memory, story, suppression};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, params};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use voice_campaigns::clock::Manual;
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::store::backup::{self, BackupError, Restored};
use voice_campaigns::store::{OpenError, Scope, Store, StoreError, check, data_file};

fn now() -> DateTime<Utc> {
    crate::support::START.parse().unwrap()
}

fn store(folder: &Path) -> Store {
    open_alone(folder, Arc::new(Manual::new(now()))).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A data folder with some tokens in it, closed.
fn folder_with(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let store = store(folder.path());
        for name in names {
            make_token(&store, name).await;
        }
        store.close().await;
    });
    folder
}

async fn make_token(store: &Store, name: &str) {
    let (name, hash) = (name.to_owned(), Sha256::digest(name).into());
    store.write(move |tx| tx.create_token(&name, Scope::Read, None, &hash)).await.unwrap();
}

fn tokens(folder: &Path) -> Vec<String> {
    let connection = Connection::open(data_file(folder)).unwrap();
    let mut statement = connection.prepare("SELECT name FROM tokens ORDER BY id").unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

/// Writes the checksum of whatever is there now, as anybody can.
fn sign(file: &Path) {
    let hash: String = Sha256::digest(fs::read(file).unwrap()).iter().map(|b| format!("{b:02x}")).collect();
    fs::write(backup::manifest_of(file), format!("{hash}  x\n")).unwrap();
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_backup_is_made_while_the_server_runs_and_comes_back_with_nobody_called() {
    let place = Place::new();
    let mut server = place.serve();
    place.token("write");
    let said = place.answer(&["backup", "copy.sqlite"]);
    let manifest = fs::read_to_string(place.path("copy.sqlite.sha256")).unwrap();
    let hash: String = Sha256::digest(fs::read(place.path("copy.sqlite")).unwrap())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(manifest, format!("{hash}  copy.sqlite\n"));
    assert!(said.contains(&hash), "{said}");
    assert_eq!((mode(&place.path("copy.sqlite")), mode(&place.path("copy.sqlite.sha256"))), (0o600, 0o600));
    assert!(place.answer(&["backup", "verify", "copy.sqlite"]).starts_with("copy.sqlite is sound: "));
    let again = place.run(&["backup", "copy.sqlite"]);
    assert_eq!((again.status.code(), again.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&again.stderr).contains("copy.sqlite exists already"));

    let running = place.run(&["restore", "copy.sqlite"]);
    assert_eq!(running.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&running.stderr).contains("stop it first"));
    place.token("admin");
    assert_eq!(server.end_by("TERM"), Some(0));
    let before = tokens(&place.path("data"));

    let said = place.answer(&["restore", "copy.sqlite"]);
    assert!(said.contains("nobody is called yet"), "{said}");
    assert_eq!(tokens(&place.path("data")).len() + 1, before.len());
    assert_eq!(place.run(&["check"]).status.code(), Some(0));
    let server = place.serve();
    assert!(
        place.answer(&["dialing", "status"]).contains("nobody is called before somebody has looked, since ")
    );
    assert!(place.answer(&["dialing", "release"]).starts_with("dialing is on\n"));
    drop(server);
    let aside = fs::read_dir(place.path("data")).unwrap().map(|entry| entry.unwrap().path());
    let aside: Vec<PathBuf> = aside.filter(|path| path.is_dir()).collect();
    let kept =
        aside.iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with("replaced-2"));
    assert_eq!(tokens(kept.unwrap()), before);
    assert_eq!((mode(kept.unwrap()), mode(&data_file(kept.unwrap()))), (0o700, 0o600));
}

#[test]
fn a_backup_goes_into_a_folder_that_has_nothing_and_says_when_the_key_is_missing() {
    let folder = folder_with(&["one"]);
    runtime().block_on(async {
        let store = store(folder.path());
        let phone = voice_campaigns::domain::phone::Phone::from_e164("+12025550101").unwrap();
        store.erase(phone).await.unwrap();
        store.close().await;
    });
    let copy = folder.path().join("copy.sqlite");
    backup::make(folder.path(), &copy).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let Restored { replaced, lacks_key, .. } = backup::restore(&copy, elsewhere.path(), now()).unwrap();
    assert_eq!((replaced, lacks_key), (None, true));
    let refused = open_alone(elsewhere.path(), Arc::new(Manual::new(now())));
    assert!(matches!(refused.err(), Some(OpenError::SuppressionKey(_))));
    fs::copy(folder.path().join("suppression.key"), elsewhere.path().join("suppression.key")).unwrap();
    let Restored { replaced, lacks_key, .. } = backup::restore(&copy, elsewhere.path(), now()).unwrap();
    assert_eq!((replaced.is_some(), lacks_key), (true, false));
    drop(store(elsewhere.path()));
    assert_eq!(tokens(elsewhere.path()), ["one"]);
}

#[test]
fn who_said_no_since_a_backup_was_made_is_not_called_after_it_is_put_back() {
    let folder = folder_with(&["one"]);
    let phone = |last: u32| Phone::from_e164(&format!("+1202555{last:04}")).unwrap();
    let is_suppressed = |of: &Path, last: u32| {
        let store = store(of);
        let number = runtime().block_on(store.read(move |snapshot| snapshot.number(phone(last)))).unwrap();
        runtime().block_on(store.close());
        number.is_suppressed
    };
    let list = |last: u32| {
        runtime().block_on(async {
            let store = store(folder.path());
            let listed =
                store.write(move |tx| tx.add_to_do_not_call_list(phone(last), &suppression("said no")));
            assert!(listed.await.unwrap());
            store.close().await;
        });
    };
    list(101);
    let copy = folder.path().join("copy.sqlite");
    backup::make(folder.path(), &copy).unwrap();
    list(102);
    runtime().block_on(async {
        let store = store(folder.path());
        store.erase(phone(103)).await.unwrap();
        store.write(|tx| tx.stop_dialing("somebody", Some("a flood"))).await.unwrap();
        store.close().await;
    });
    let Restored { carried_over, .. } = backup::restore(&copy, folder.path(), now()).unwrap();
    assert_eq!(carried_over, Some(2));
    assert_eq!(
        [101, 102, 103, 104].map(|last| is_suppressed(folder.path(), last)),
        [true, true, true, false]
    );
    runtime().block_on(async {
        let store = store(folder.path());
        let stop = store.read(|snapshot| snapshot.stop()).await.unwrap().expect("what was stopped stays so");
        assert_eq!(stop.reason.as_deref(), Some("a flood"));
        store.close().await;
    });
    fs::write(data_file(folder.path()), "no database").unwrap();
    let Restored { carried_over, .. } = backup::restore(&copy, folder.path(), now()).unwrap();
    assert_eq!(carried_over, None, "nobody can say who said no");
}

#[test]
fn every_backup_under_load_is_sound() {
    let times = evidence::number("VC_TEST_BACKUPS", 100);
    let folder = folder_in_memory();
    let runtime = runtime();
    let store = store(folder.path());
    let is_over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let (store, is_over) = (store.clone(), is_over.clone());
            runtime.spawn(async move {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    // The file may change as fast as it can, but not grow without end.
                    if count < 500 {
                        make_token(&store, &format!("{writer}-{count}")).await;
                        count += 1;
                    } else {
                        store.write(|tx| tx.trust_clock()).await.unwrap();
                    }
                }
                count
            })
        })
        .collect();
    let mut last = 0;
    for turn in 0..times {
        let copy = folder.path().join(format!("copy-{turn}.sqlite"));
        let made = backup::make(folder.path(), &copy).unwrap();
        assert_eq!(backup::verify(&copy).unwrap(), made);
        let connection = Connection::open(&copy).unwrap();
        let found: i64 = connection.query_row("SELECT count(*) FROM tokens", [], |row| row.get(0)).unwrap();
        assert!(found >= last, "a later copy has less");
        last = found;
        fs::remove_file(&copy).unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    let written: i64 = writers.into_iter().map(|writer| runtime.block_on(writer).unwrap()).sum();
    assert!(written >= last && last > 0, "{written} {last}");
    runtime.block_on(store.close());
}

/// Beyond the page that SQLite keeps for its locks at the first gigabyte (file format, section 1.4).
#[test]
#[ignore = "takes some minutes and three gigabytes: tests/run --long"]
fn a_database_of_more_than_a_gigabyte_is_copied_and_restored_while_calls_go_on() {
    const LOCK_PAGE: u64 = 1 << 30;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("data");
    let (runtime, store) = (runtime(), store(&folder));
    runtime.block_on(make_token(&store, "first"));
    let beside = Connection::open(data_file(&folder)).unwrap();
    beside.execute_batch("PRAGMA busy_timeout = 60000; PRAGMA synchronous = OFF").unwrap();
    let sql = "INSERT INTO replies VALUES (1, ?1, zeroblob(32), 200, NULL, ?2, 4000000000000)";
    let (megabyte, rows) = ("x".repeat(1 << 20), 1_100);
    for row in 0..rows {
        beside.execute(sql, params![row.to_string(), megabyte]).unwrap();
    }
    drop(beside);
    let is_over = Arc::new(AtomicBool::new(false));
    let (writes, ends) = (store.clone(), is_over.clone());
    let writer = runtime.spawn(async move {
        let mut count = 0;
        while !ends.load(Ordering::Relaxed) {
            make_token(&writes, &count.to_string()).await;
            count += 1;
        }
        count
    });
    let copy = place.path().join("copy.sqlite");
    let began = tokio::time::Instant::now();
    let made = backup::make(&folder, &copy).unwrap();
    let took = began.elapsed();
    assert!(copy.metadata().unwrap().len() > LOCK_PAGE);
    assert_eq!(backup::verify(&copy).unwrap(), made);
    is_over.store(true, Ordering::Relaxed);
    let written = runtime.block_on(writer).unwrap();
    runtime.block_on(store.close());
    drop(store);
    assert!(written > 0);
    backup::restore(&copy, &folder, now()).unwrap();
    let restored = Connection::open(data_file(&folder)).unwrap();
    let sql = "SELECT sum(length(body)) FROM replies";
    let there: i64 = restored.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(there, rows << 20);
    println!("1 copy of {} MB in {took:?}, {written} writes meanwhile; restored", made.bytes >> 20);
}

#[test]
fn a_copy_that_was_damaged_or_has_no_checksum_is_refused() {
    let folder = folder_with(&["one"]);
    let copy = folder.path().join("copy.sqlite");
    backup::make(folder.path(), &copy).unwrap();
    let whole = fs::read(&copy).unwrap();
    for at in [0, 19, 100, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&copy, bytes).unwrap();
        assert!(matches!(backup::verify(&copy), Err(BackupError::Damaged(_))), "byte {at}");
        assert!(matches!(backup::restore(&copy, folder.path(), now()), Err(BackupError::Damaged(_))));
    }
    fs::write(&copy, &whole).unwrap();
    backup::verify(&copy).unwrap();
    fs::write(backup::manifest_of(&copy), "nonsense\n").unwrap();
    assert!(matches!(backup::verify(&copy), Err(BackupError::NoManifest(_))));
    fs::remove_file(backup::manifest_of(&copy)).unwrap();
    assert!(matches!(backup::restore(&copy, folder.path(), now()), Err(BackupError::NoManifest(_))));
}

/// What somebody might slip into a copy, with a checksum that fits.
const MALICE: [(&str, &str); 17] = [
    ("trigger", "CREATE TRIGGER t AFTER INSERT ON tokens BEGIN DELETE FROM do_not_call; END"),
    ("view in the place of a table", "DROP TABLE do_not_call; CREATE VIEW do_not_call AS SELECT 1 AS phone"),
    ("view", "CREATE VIEW v AS SELECT load_extension('/tmp/x.so')"),
    ("virtual table", "CREATE VIRTUAL TABLE f USING fts5(x)"),
    ("table", "CREATE TABLE more (x)"),
    ("index", "CREATE INDEX more ON tokens (name)"),
    ("index over an expression", "CREATE INDEX more ON tokens (upper(name))"),
    ("column", "ALTER TABLE tokens ADD COLUMN more TEXT"),
    ("generated column", "ALTER TABLE tokens ADD COLUMN more TEXT AS (upper(name))"),
    ("missing table", "DROP TABLE erased_numbers"),
    ("missing index", "DROP INDEX calls_one_alive"),
    (
        "index that is unique no more",
        "DROP INDEX calls_one_alive; CREATE INDEX calls_one_alive ON calls (lead_id) WHERE state <> 'ended'",
    ),
    ("column that moved", "ALTER TABLE do_not_call RENAME COLUMN phone TO number"),
    ("another program's", "PRAGMA application_id = 7"),
    ("nobody's", "PRAGMA user_version = 0"),
    ("of the future", "PRAGMA user_version = 999"),
    ("sums that do not add up", "INSERT INTO spent_days (date, spent) VALUES ('2026-01-01', 5)"),
];

/// Statements that are written into the schema by hand: table, what is said there, and what is said instead.
const FORGERIES: [(&str, &str, &str); 4] = [
    ("tokens", "'read', 'write'", "'--', (SELECT 1), '\n'read', 'write'"),
    (
        "tokens",
        "hash         BLOB NOT NULL UNIQUE",
        "hash         BLOB NOT NULL UNIQUE DEFAULT (randomblob(32))",
    ),
    ("facts", "value TEXT NOT NULL", "value TEXT NOT NULL CHECK (length(value) < 9)"),
    ("campaign_totals", "CHECK (completed_calls = successful_calls + failed_calls)", "CHECK (1)"),
];

#[test]
fn only_exactly_our_schema_comes_back_and_what_is_refused_changes_nothing() {
    let folder = folder_with(&["one"]);
    let keep = tempfile::tempdir().unwrap();
    let copy = keep.path().join("copy.sqlite");
    backup::make(folder.path(), &copy).unwrap();
    let whole = fs::read(&copy).unwrap();
    let before = files(folder.path());
    let refused = |what: &str| {
        sign(&copy);
        for error in [
            backup::verify(&copy).err().unwrap_or_else(|| panic!("{what} is called sound")),
            backup::restore(&copy, folder.path(), now())
                .err()
                .unwrap_or_else(|| panic!("{what} was restored")),
        ] {
            let is_one_line = error.to_string().lines().count() == 1;
            assert!(is_one_line, "{error}");
        }
        assert_eq!(files(folder.path()), before, "{what}");
    };
    for (what, sql) in MALICE {
        fs::write(&copy, &whole).unwrap();
        let connection = Connection::open(&copy).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        connection.execute_batch(sql).unwrap_or_else(|error| panic!("{what}: {error}"));
        drop(connection);
        refused(what);
    }
    for (table, said, instead) in FORGERIES {
        fs::write(&copy, &whole).unwrap();
        let connection = Connection::open(&copy).unwrap();
        connection.execute_batch("PRAGMA writable_schema = ON").unwrap();
        let sql = "UPDATE sqlite_schema SET sql = replace(sql, ?2, ?3) WHERE name = ?1 AND instr(sql, ?2)";
        assert_eq!(connection.execute(sql, [table, said, instead]).unwrap(), 1, "{said}");
        drop(connection);
        refused(instead);
    }
    for bytes in
        [b"".to_vec(), b"SQLite format 3\0".to_vec(), vec![0; 5_000], whole[..whole.len() / 2].to_vec()]
    {
        fs::write(&copy, bytes).unwrap();
        refused("something that is no database");
    }
    let mut with_log = whole.clone();
    with_log[18..20].copy_from_slice(&[2, 2]);
    fs::write(&copy, with_log).unwrap();
    refused("a file with a write-ahead log");
    fs::write(&copy, &whole).unwrap();
    sign(&copy);
    backup::restore(&copy, folder.path(), now()).unwrap();
}

#[tokio::test]
async fn a_call_that_should_not_have_been_placed_keeps_nobody_from_making_and_using_a_backup() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"max_attempts_per_lead": 2})).await;
    world.leads(&campaign, [story(104, 0)]).await;
    world.run_for(TimeDelta::hours(6)).await;
    assert_eq!(world.calls(&campaign).await.len(), 2);
    let connection = Connection::open(data_file(world.folder.path())).unwrap();
    connection.execute("UPDATE calls SET retry_delay = 86400000 WHERE attempt = 1", []).unwrap();
    drop(connection);
    let keep = tempfile::tempdir().unwrap();
    let (copy, anew) = (keep.path().join("copy.sqlite"), keep.path().join("data"));
    backup::make(world.folder.path(), &copy).unwrap();
    backup::verify(&copy).unwrap();
    backup::restore(&copy, &anew, now()).unwrap();
    let store = store(&anew);
    let broken = check::run(&store, None).await.unwrap().into_iter().filter(|finding| !finding.ok);
    let broken: Vec<&str> = broken.map(|finding| finding.invariant).collect();
    assert!(matches!(broken[..], [one] if one.starts_with("a retry comes no sooner")), "{broken:?}");
    store.close().await;
}

#[test]
fn a_restore_that_is_killed_leaves_the_one_or_the_other() {
    let place = Place::in_memory();
    place.token("read");
    place.answer(&["backup", "copy.sqlite"]);
    place.token("write");
    let (old, new) = (vec!["read".to_owned(), "write".to_owned()], vec!["read".to_owned()]);
    let mut outcomes = [0, 0];
    let times = evidence::number("VC_TEST_KILLS", 200) / 5;
    for turn in 0..times {
        let mut restore = place.program(&["restore", "copy.sqlite"]).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(turn % 40 * 1_000));
        let _ = restore.kill();
        restore.wait().unwrap();
        let found = tokens(&place.path("data"));
        assert!(found == old || found == new, "turn {turn}: {found:?}");
        outcomes[usize::from(found == new)] += 1;
        let check = place.run(&["check"]);
        assert_eq!(check.status.code(), Some(0), "turn {turn}: {}", String::from_utf8_lossy(&check.stdout));
        if found == new {
            place.token("write");
        }
    }
    assert!(outcomes[0] > 0, "every kill came too late: {outcomes:?}");
    drop(place.serve());
    let left = fs::read_dir(place.path("data")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with(".restore-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_database_of_before_is_kept_as_it_was_before_it_is_lifted() {
    let folder = tempfile::tempdir().unwrap();
    let old = Connection::open(data_file(folder.path())).unwrap();
    old.execute_batch(include_str!("schema-1.sql")).unwrap();
    old.execute_batch("PRAGMA user_version = 1; PRAGMA application_id = 1447251280").unwrap();
    drop(old);
    let beside = Store::open_beside(folder.path(), Arc::new(Manual::new(now())));
    assert!(matches!(beside.err(), Some(OpenError::Older { found: 1, .. })));
    drop(store(folder.path()));
    let names = |folder: &Path| -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.starts_with("before-schema-")).collect();
        names.sort();
        names
    };
    let kept = names(folder.path());
    assert!(kept.len() == 2 && kept[1] == format!("{}.sha256", kept[0]), "{kept:?}");
    let copy = folder.path().join(&kept[0]);
    assert_eq!((backup::verify(&copy).unwrap().schema_version, mode(&copy)), (1, 0o600));
    drop(store(folder.path()));
    assert_eq!(names(folder.path()), kept, "there is nothing to lift any more");

    let elsewhere = tempfile::tempdir().unwrap();
    backup::restore(&copy, elsewhere.path(), now()).unwrap();
    let open = Store::open_beside(elsewhere.path(), Arc::new(Manual::new(now()))).unwrap();
    let version = runtime().block_on(open.read(|s| Ok::<_, StoreError>(s.file()?.schema_version))).unwrap();
    assert!(version > 1, "it comes back lifted");
}
