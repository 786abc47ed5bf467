//! Durable creates over HTTP from many clients, beside the fastest that one connection can write the same rows, each
//! in a commit of its own.

use crate::support::role::{Server, request};
use crate::support::{Bar, Shelf, Spread, cpu_time, example, folder, load, median, report, thousands};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::path::Path;
use std::time::{Duration, Instant};
use voice_campaigns::store::data_file;

const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 64;

pub(crate) fn run(_: &mut Shelf) -> bool {
    let (ours, theirs) = (folder(), folder());
    let create = request("POST", "/api/voice-campaigns", &example().to_string());
    {
        // The raw loop writes into a file of ours, made the same way.
        let server = Server::start(theirs.path());
        load::run(server.api, &create, 1, Duration::from_millis(1));
    }
    let mut raw = Raw::open(theirs.path());
    let server = Server::start(ours.path());
    load::run(server.api, &create, CONNECTIONS, Duration::from_millis(300));
    let (mut http_rates, mut raw_rates, mut cpu, mut durations) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let before = cpu_time(server.pid());
        let mut load = load::run(server.api, &create, CONNECTIONS, TIME);
        cpu.push((cpu_time(server.pid()) - before).as_secs_f64() * 1e6 / load.durations.len() as f64);
        http_rates.push(load.per_second);
        durations.append(&mut load.durations);
        raw_rates.push(raw.rate(TIME));
    }
    let (http, raw) = (median(http_rates), median(raw_rates));
    let spread = Spread::of(durations);
    report(
        "durable POSTs, 64 clients",
        &format!("{}/s", thousands(http)),
        &format!("{}/s single FULL commits, no HTTP", thousands(raw)),
        http / raw,
        Bar::AtLeast(3.0),
        &format!("p50 {:.1} ms, p99 {:.1} ms, server's CPU {:.1} us", spread.p50, spread.p99, median(cpu)),
    )
}

/// One connection, one thread, one row per commit.
struct Raw {
    connection: Connection,
    sql: String,
    row: Vec<Value>,
}

impl Raw {
    fn open(folder: &Path) -> Raw {
        let connection = Connection::open(data_file(folder)).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -8000;")
            .unwrap();
        let (sql, row) = {
            let mut statement = connection.prepare("SELECT * FROM campaigns WHERE id = 1").unwrap();
            let names: Vec<String> =
                statement.column_names().iter().skip(1).map(|name| (*name).to_owned()).collect();
            let row = statement
                .query_row([], |row| (1..=names.len()).map(|column| row.get(column)).collect())
                .unwrap();
            let marks = vec!["?"; names.len()].join(", ");
            (format!("INSERT INTO campaigns ({}) VALUES ({marks})", names.join(", ")), row)
        };
        Raw { connection, sql, row }
    }

    fn rate(&mut self, time: Duration) -> f64 {
        let mut statement = self.connection.prepare_cached(&self.sql).unwrap();
        let (started, mut count) = (Instant::now(), 0);
        while started.elapsed() < time {
            statement.execute(params_from_iter(&self.row)).unwrap();
            count += 1;
        }
        f64::from(count) / started.elapsed().as_secs_f64()
    }
}
