//! What lies on the disk: a write-ahead log that was cut off anywhere.
//!
//! `VC_TEST_LOG_STEP` sets after how many bytes the log is cut again, `VC_TEST_SEED` which of its bits flip.

use crate::support::evidence;
use crate::support::world::folder_in_memory;
use chrono::{DateTime, Utc};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use voice_campaigns::clock::Manual;
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
