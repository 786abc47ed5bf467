//! A rehearsal of 100,000 leads of whom hardly anybody picks up, each of whom is called up to four times, so that there are more
//! than three calls for each: how long it takes on one core, and how much memory with the copy.

use crate::import::{prepared, write_table};
use crate::support::{Bar, Shelf, cpu_time, folder, megabytes, report, role, thousands};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use voice_campaigns::clock::{Clock, System};
use voice_campaigns::rehearsal::{Copy, Trunk, play};
use voice_campaigns::store::import::{ImportOptions, import};
use voice_campaigns::store::{Store, StoreError};

const LEADS: u64 = 100_000;
/// Some calls end in a way that is not tried again, and some are picked up; with four attempts there are three for each lead.
const ATTEMPTS: i64 = 4;
const CALLS_MIN: f64 = 300_000.0;
const PICKED_UP: f64 = 0.02;
const SECONDS_MAX: f64 = 5.0;
const MEGABYTES_MAX: f64 = 300.0;

pub(crate) fn run(_shelf: &mut Shelf) -> bool {
    let (folder, tables) = (prepared(), folder());
    let table = tables.path().join("leads.csv");
    write_table(&table, LEADS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
        import(&store, 1, &table, ImportOptions::default(), "bench").await.unwrap();
        store.close().await;
    });
    let output = role::command(&["rehearse", folder.path().to_str().unwrap()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |name: &str| told[name].as_f64().unwrap();
    assert_eq!(told["unfinished"], Value::Null, "all leads are called to their end");
    assert_eq!(told["never_called"], 0);
    assert!(number("calls") >= CALLS_MIN, "{told}");
    // It is played in one thread: what that is given of a core does not depend on who else is busy.
    let (seconds, peak) = (number("processor"), number("peak_mb"));
    let is_fast = report(
        "rehearsal, 100,000 leads, 300,000 calls",
        &format!("{seconds:.2} s"),
        &format!("{SECONDS_MAX} s"),
        seconds / SECONDS_MAX,
        Bar::AtMost(1.0),
        &format!(
            "{} calls; processor time, of {:.2} s that passed; the copy took {:.2} s before",
            thousands(number("calls")),
            number("seconds"),
            number("copying")
        ),
    );
    let is_small = report(
        "peak memory of the rehearsal",
        &format!("{peak:.1} MB"),
        &format!("{MEGABYTES_MAX} MB"),
        peak / MEGABYTES_MAX,
        Bar::AtMost(1.0),
        "resident, with the database and the copy",
    );
    is_fast && is_small
}

/// The child's side of [`run`].
pub(crate) fn child(mut arguments: impl Iterator<Item = String>) {
    let folder = arguments.next().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let clock = Arc::new(System::new());
    let store = Store::open(Path::new(&folder), clock.clone()).unwrap();
    let began = clock.monotonic();
    let (copy, rates) = runtime.block_on(async {
        let read = store.read_long(|snapshot| {
            let mut campaign = snapshot.campaign(1)?.unwrap();
            (campaign.settings.max_attempts_per_lead, campaign.settings.max_concurrent_calls) =
                (ATTEMPTS, 500);
            let mut rates = snapshot.learned(&campaign)?.likely();
            rates.assume_chance(PICKED_UP);
            let trunk = Trunk { lines: 500, calls_per_second: None };
            Ok::<_, StoreError>((Copy::of(snapshot, campaign, trunk).unwrap(), rates))
        });
        read.await.unwrap()
    });
    let copied = clock.monotonic();
    let processor = cpu_time(std::process::id());
    let played = play(&copy, &rates, clock.now(), 1, &AtomicBool::new(false), &|_| {}).unwrap();
    let seconds = (clock.monotonic() - copied).as_secs_f64();
    let processor = (cpu_time(std::process::id()) - processor).as_secs_f64();
    let copying = (copied - began).as_secs_f64();
    let peak_mb = megabytes(std::process::id(), "VmHWM");
    let told = json!({"seconds": seconds, "processor": processor, "copying": copying, "calls": played.calls,
        "peak_mb": peak_mb, "unfinished": played.unfinished, "never_called": played.never_called.count});
    println!("{told}");
}
