//! A table of a million leads on its way in, beside the `sqlite3` program that loads the same table into the same
//! schema; and what everybody else notices of it.

use crate::support::{Bar, Shelf, Spread, all_day, folder, median, megabytes, report, role, thousands};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::time::MissedTickBehavior;
use voice_campaigns::clock::System;
use voice_campaigns::domain::campaign::Request;
use voice_campaigns::store::import::{ImportOptions, import as import_table};
use voice_campaigns::store::{Store, StoreError, data_file};

const ROUNDS: usize = 3;
const DELAY_MS_MAX: f64 = 50.0;
const PEAK_MB_MAX: f64 = 100.0;
const EVERY: Duration = Duration::from_millis(5);

/// How many leads the large table has.
pub(crate) const LEADS: u64 = 1_000_000;

/// Rows in an order that has nothing to do with their numbers.
pub(crate) fn write_table(path: &Path, rows: u64) {
    const ZONES: [&str; 6] = [
        "America/New_York",
        "America/Chicago",
        "America/Denver",
        "America/Phoenix",
        "America/Los_Angeles",
        "Pacific/Honolulu",
    ];
    // 7,999,993 is prime, so every row gets another number.
    const NUMBERS: u64 = 7_999_993;
    let mut file = BufWriter::new(File::create(path).unwrap());
    writeln!(file, "phone,first_name,last_name,time_zone,plan").unwrap();
    for row in 0..rows {
        let number = 2_000_000 + (row + 1) * 5_000_011 % NUMBERS;
        let zone = ZONES[(row % 6) as usize];
        writeln!(file, "+1212{number:07},First{},Last{row},{zone},plan {}", row % 5_000, row % 7).unwrap();
    }
    file.flush().unwrap();
}

/// A data folder with a campaign and no leads.
pub(crate) fn prepared() -> TempDir {
    let folder = folder();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
    let request = Request::read(all_day(), None).unwrap();
    runtime.block_on(async {
        store.write(move |tx| tx.insert_campaign(&request, "bench")).await.unwrap();
        store.close().await;
    });
    folder
}

/// Whether somebody else writes and reads meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    Alone,
    Busy,
}
pub(crate) use Company::Alone;

/// What an import told about itself.
pub(crate) struct Told {
    seconds: f64,
    peak_mb: f64,
    writes: [f64; 3],
    reads: [f64; 3],
}

/// Imports a table into campaign 1, in a process of its own.
pub(crate) fn import(folder: &Path, table: &Path, company: Company) -> Told {
    let company = if company == Company::Busy { "busy" } else { "alone" };
    let arguments = ["import", folder.to_str().unwrap(), table.to_str().unwrap(), company];
    let output = role::command(&arguments).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    let three = |name: &str| [0, 1, 2].map(|index| number(&told[name][index]));
    Told {
        seconds: number(&told["seconds"]),
        peak_mb: number(&told["peak_mb"]),
        writes: three("writes"),
        reads: three("reads"),
    }
}

/// The child's side of [`import`].
pub(crate) fn child(mut arguments: impl Iterator<Item = String>) {
    let [folder, table, company] = [(); 3].map(|()| arguments.next().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = Store::open(Path::new(&folder), Arc::new(System::new())).unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let others = (company == "busy").then(|| {
        let draft = Arc::new(Request::read(crate::support::example(), None).unwrap());
        let writing = again_and_again(store.clone(), stopped.clone(), move |store| {
            let draft = draft.clone();
            async move { store.write(move |tx| tx.insert_campaign(&draft, "bench")).await.map(|_| ()) }
        });
        let reading = again_and_again(store.clone(), stopped, |store| async move {
            store.read(|snapshot| snapshot.campaign(1)).await.map(|_| ())
        });
        (runtime.spawn(writing), runtime.spawn(reading))
    });
    let started = Instant::now();
    let options = ImportOptions::default();
    let report = runtime.block_on(import_table(&store, 1, Path::new(&table), options, "bench")).unwrap();
    let imported_after = started.elapsed();
    stop.send_replace(true);
    runtime.block_on(store.close());
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!((report.counts.imported, report.counts.total()), (LEADS as i64, LEADS as i64));
    let spread = |durations: Vec<Duration>| {
        let Spread { p50, p99, max } = Spread::of(durations);
        json!([p50, p99, max])
    };
    let (writes, reads) = match others {
        Some((writing, reading)) => {
            let until = started + imported_after;
            let (writes, reads) = (runtime.block_on(writing).unwrap(), runtime.block_on(reading).unwrap());
            let meanwhile = |all: Vec<(Instant, Duration)>| {
                all.into_iter().filter(|(at, _)| *at < until).map(|(_, took)| took).collect()
            };
            (spread(meanwhile(writes)), spread(meanwhile(reads)))
        }
        None => (json!([0, 0, 0]), json!([0, 0, 0])),
    };
    let peak_mb = megabytes(std::process::id(), "VmHWM");
    println!("{}", json!({"seconds": seconds, "peak_mb": peak_mb, "writes": writes, "reads": reads}));
}

/// Does something every few milliseconds until it is stopped; the answer is when and how long each took.
async fn again_and_again<F>(
    store: Store,
    stopped: tokio::sync::watch::Receiver<bool>,
    work: impl Fn(Store) -> F,
) -> Vec<(Instant, Duration)>
where
    F: Future<Output = Result<(), StoreError>>,
{
    let mut done = Vec::new();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stopped.borrow() {
        ticks.tick().await;
        let started = Instant::now();
        // A store that was closed meanwhile refuses.
        if work(store.clone()).await.is_ok() {
            done.push((started, started.elapsed()));
        }
    }
    done
}

/// An instant as the store writes it, so that both write rows of the same size.
const NOW_MS: i64 = 1_772_447_400_000;

/// The same with the `sqlite3` program; the answer is how many seconds it took.
fn load_with_sqlite3(folder: &Path, table: &Path) -> f64 {
    let script = format!(
        ".bail on
PRAGMA synchronous = FULL;
PRAGMA cache_size = -65536;
CREATE TEMP TABLE t (phone TEXT, first_name TEXT, last_name TEXT, time_zone TEXT, plan TEXT);
.import --csv --skip 1 --schema temp {} t
BEGIN IMMEDIATE;
INSERT INTO leads (campaign_id, import_id, phone, first_name, last_name, time_zone, variables, next_call_at, created_at,
    updated_at)
  SELECT 1, 1, phone, first_name, last_name, time_zone, json_object('plan', plan), {NOW_MS}, {NOW_MS}, {NOW_MS}
    FROM temp.t WHERE true
  ON CONFLICT (phone, campaign_id) WHERE deleted_at IS NULL DO NOTHING;
UPDATE campaign_totals SET total_leads = changes(), leads_pending = changes() WHERE campaign_id = 1;
COMMIT;
",
        table.display()
    );
    let started = Instant::now();
    let mut child = Command::new("sqlite3").arg(data_file(folder)).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let seconds = started.elapsed().as_secs_f64();
    let connection = rusqlite::Connection::open(data_file(folder)).unwrap();
    let count: i64 =
        connection.query_row("SELECT leads_pending FROM campaign_totals", [], |row| row.get(0)).unwrap();
    assert_eq!(count, LEADS as i64);
    seconds
}

fn has_sqlite3() -> bool {
    Command::new("sqlite3").arg("--version").stdout(Stdio::null()).status().is_ok()
}

pub(crate) fn run(shelf: &mut Shelf) -> bool {
    let table = shelf.table();
    let has_sqlite3 = has_sqlite3();
    let (mut alone, mut busy, mut theirs) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        if has_sqlite3 {
            theirs.push(load_with_sqlite3(prepared().path(), &table));
        }
        busy.push(import(prepared().path(), &table, Company::Busy));
        let folder = prepared();
        alone.push(import(folder.path(), &table, Alone));
        shelf.keep_million(folder);
    }
    let rate = |seconds: f64| LEADS as f64 / seconds;
    let ours = median(alone.iter().map(|told| told.seconds));
    let beside_others = median(busy.iter().map(|told| told.seconds));
    let is_fast = if has_sqlite3 {
        let theirs = median(theirs);
        report(
            "import of 1,000,000 rows",
            &format!("{}/s", thousands(rate(ours))),
            &format!("{}/s sqlite3 .import, INSERT SELECT", thousands(rate(theirs))),
            theirs / ours,
            Bar::AtLeast(1.0),
            &format!(
                "{ours:.1} s against {theirs:.1} s; while others write and read {beside_others:.1} s ({:.2})",
                theirs / beside_others
            ),
        )
    } else {
        println!("SKIP  import of 1,000,000 rows: the program sqlite3 is missing; install it with apt");
        true
    };
    let of = |pick: fn(&Told) -> [f64; 3]| {
        [0, 1, 2].map(|index| median(busy.iter().map(|told| pick(told)[index])))
    };
    let ([p50, p99, max], reads) = (of(|told| told.writes), of(|told| told.reads));
    let worst = busy.iter().map(|told| told.writes[2]).fold(0.0, f64::max);
    let is_polite = report(
        "slowest small write meanwhile",
        &format!("{max:.1} ms"),
        &format!("{DELAY_MS_MAX} ms"),
        max / DELAY_MS_MAX,
        Bar::AtMost(1.0),
        &format!(
            "p50 {p50:.1}, p99 {p99:.1}, worst of {ROUNDS} imports {worst:.1} ms; reads p50 {:.2}, p99 {:.2}, max {:.1} ms",
            reads[0], reads[1], reads[2]
        ),
    );
    let peak = median(alone.iter().map(|told| told.peak_mb));
    let is_small = report(
        "peak memory of the import",
        &format!("{peak:.1} MB"),
        &format!("{PEAK_MB_MAX} MB"),
        peak / PEAK_MB_MAX,
        Bar::AtMost(1.0),
        &format!(
            "resident; with others writing and reading {:.1} MB",
            median(busy.iter().map(|told| told.peak_mb))
        ),
    );
    is_fast && is_polite && is_small
}
