//! The benchmarks, one binary: `cargo bench` runs all, `cargo bench -- import stats` some.
//!
//! Each prints what was measured, what it is compared with in the same run, their ratio and its bar. The two sides
//! take turns and the medians count, because machines have moods. A bench below its bar says MISS;
//! `VC_BENCH_STRICT=1` makes that the exit code as well.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench stops where something fails, and reads clocks"
)]

mod analytics;
mod claims;
mod create;
mod events;
mod export;
mod footprint;
mod import;
mod rehearsal;
mod show;
mod sound;
mod stats;
mod support;

use std::process::ExitCode;
use support::{Shelf, role};

type Bench = fn(&mut Shelf) -> bool;

/// The dialer's bench changes the million leads, so it comes after those that only look at them.
const BENCHES: [(&str, Bench); 11] = [
    ("show", show::run),
    ("create", create::run),
    ("events", events::run),
    ("import", import::run),
    ("stats", stats::run),
    ("export", export::run),
    ("analytics", analytics::run),
    ("claims", claims::run),
    ("footprint", footprint::run),
    ("sound", sound::run),
    ("rehearsal", rehearsal::run),
];

fn main() -> ExitCode {
    if let Some(mut arguments) = role::arguments() {
        match arguments.next().as_deref() {
            Some("serve") => role::serve(arguments),
            Some("import") => import::child(arguments),
            Some("rehearse") => rehearsal::child(arguments),
            Some("listen") => events::child(arguments),
            Some("hear") => sound::child(),
            other => panic!("there is no role {other:?}"),
        }
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let mut shelf = Shelf::default();
    let mut is_fine = true;
    for (name, run) in BENCHES {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            is_fine &= run(&mut shelf);
        }
    }
    let is_strict = std::env::var("VC_BENCH_STRICT").is_ok_and(|strict| strict == "1");
    if is_fine || !is_strict { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
