//! What the benches share: the line that is printed, medians, what the system says about a process, and a shelf for
//! what takes long to make.

#[path = "../../tests/support/line.rs"]
pub(crate) mod line;
pub(crate) mod load;
pub(crate) mod role;
#[path = "../../tests/support/tester.rs"]
pub(crate) mod tester;

use crate::import;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// What a bench must reach.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

/// Prints the line of a bench; the answer is whether it reached its bar.
pub(crate) fn report(name: &str, ours: &str, theirs: &str, ratio: f64, bar: Bar, more: &str) -> bool {
    let (is_reached, bar) = match bar {
        Bar::AtLeast(bar) => (ratio >= bar, format!("at least {bar:.2}")),
        Bar::AtMost(bar) => (ratio <= bar, format!("at most {bar:.2}")),
    };
    let verdict = if is_reached { "PASS" } else { "MISS" };
    println!("{verdict}  {name:<34} {ours:>22} | {theirs:<40} | ratio {ratio:>6.2}, {bar:<13} | {more}");
    is_reached
}

/// The middle one.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Percentiles of durations, in milliseconds.
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(mut durations: Vec<Duration>) -> Spread {
        durations.sort_unstable();
        let at = |share: f64| {
            let index = ((durations.len() as f64 * share) as usize).min(durations.len() - 1);
            durations[index].as_secs_f64() * 1_000.0
        };
        Spread { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

/// `12,345`.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Processor time that a process has used, in its threads that live and those that ended.
pub(crate) fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    let ticks: u64 = after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// A size out of `/proc/<pid>/status`, in MB of a million bytes.
pub(crate) fn megabytes(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<f64>().unwrap() * 1_024.0 / 1e6
}

/// A folder on a real disk, gone when it is dropped.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// The customer's example of a new campaign.
pub(crate) fn example() -> Value {
    json!({
        "name": "Customer Survey Campaign",
        "description": "Automated survey for customer satisfaction",
        "status": "draft",
        "priority": "high",
        "calls_per_day": 50,
        "calling_hours_start": "09:00:00",
        "calling_hours_end": "17:00:00",
        "system_prompt": "You are a friendly customer service representative",
        "script_template": "Hello {customer_name}, this is a survey call..."
    })
}

/// A campaign that could call all day.
pub(crate) fn all_day() -> Value {
    let mut body = example();
    let days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    for (name, value) in [
        ("status", json!("active")),
        ("calls_per_day", json!(1_000_000)),
        ("calling_hours_start", json!("00:00:00")),
        ("calling_hours_end", json!("23:59:59")),
        ("working_days", json!(days)),
        ("max_concurrent_calls", json!(1_000)),
        ("max_attempts_per_lead", json!(20)),
    ] {
        body[name] = value;
    }
    body
}

/// What takes long to make and several benches want.
#[derive(Default)]
pub(crate) struct Shelf {
    table: Option<(TempDir, PathBuf)>,
    million: Option<TempDir>,
}

impl Shelf {
    /// A CSV file with a million leads.
    pub(crate) fn table(&mut self) -> PathBuf {
        let make = || {
            let folder = folder();
            let path = folder.path().join("leads.csv");
            import::write_table(&path, import::LEADS);
            (folder, path)
        };
        self.table.get_or_insert_with(make).1.clone()
    }

    /// A data folder whose campaign 1 has a million leads.
    pub(crate) fn million(&mut self) -> PathBuf {
        if self.million.is_none() {
            let table = self.table();
            let folder = import::prepared();
            import::import(folder.path(), &table, import::Alone);
            self.million = Some(folder);
        }
        self.million.as_ref().unwrap().path().to_owned()
    }

    /// Keeps a data folder for [`Self::million`].
    pub(crate) fn keep_million(&mut self, folder: TempDir) {
        self.million = Some(folder);
    }
}
