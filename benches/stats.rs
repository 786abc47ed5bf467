//! The statistics of a campaign with a million leads, beside those of one with none.

use crate::support::role::{Server, request};
use crate::support::{Bar, Shelf, Spread, example, load, report};
use std::time::Duration;

const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_millis(400);
const MILLISECONDS_MAX: f64 = 5.0;

pub(crate) fn run(shelf: &mut Shelf) -> bool {
    let server = Server::start(&shelf.million());
    let create = request("POST", "/api/voice-campaigns", &example().to_string());
    load::run(server.api, &create, 1, Duration::from_millis(1));
    let stats = |id: i64| request("GET", &format!("/api/voice-campaigns/{id}/stats"), "");
    let (full, empty) = (stats(1), stats(2));
    let (mut full_durations, mut empty_durations) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        full_durations.append(&mut load::run(server.api, &full, 1, TIME).durations);
        empty_durations.append(&mut load::run(server.api, &empty, 1, TIME).durations);
    }
    let (full, empty) = (Spread::of(full_durations), Spread::of(empty_durations));
    report(
        "stats of 1,000,000 leads",
        &format!("{:.2} ms, p99 {:.2}", full.p50, full.p99),
        &format!("{MILLISECONDS_MAX} ms"),
        full.p50 / MILLISECONDS_MAX,
        Bar::AtMost(1.0),
        &format!(
            "of no leads {:.2} ms, p99 {:.2} (ratio {:.2}); slowest {:.2} ms",
            empty.p50,
            empty.p99,
            full.p50 / empty.p50,
            full.max
        ),
    )
}
