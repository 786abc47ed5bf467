//! A million calls of a year added up, and the overview of a thousand campaigns with a million leads.

use crate::support::role::{Server, request};
use crate::support::{Bar, Spread, all_day, folder, load, report};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use voice_campaigns::clock::{Clock, System};
use voice_campaigns::domain::campaign::Request;
use voice_campaigns::store::{Store, data_file};

const CAMPAIGNS: i64 = 1_000;
const LEADS_EACH: i64 = 1_000;
const CALLS: i64 = 1_000_000;
const TIME: Duration = Duration::from_secs(3);
const ANALYTICS_MS_MAX: f64 = 100.0;
const OVERVIEW_MS_MAX: f64 = 250.0;

/// Every campaign is active and has a thousand leads; the first has called them a thousand times each, over a year of
/// office hours.
fn prepared() -> TempDir {
    let folder = folder();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let clock = System::new();
    let now = clock.now().timestamp_millis();
    let store = Store::open(folder.path(), Arc::new(clock)).unwrap();
    let request = Request::read(all_day(), None).unwrap();
    runtime.block_on(async {
        let insert = store.write(move |tx| {
            (0..CAMPAIGNS).try_for_each(|_| tx.insert_campaign(&request, "bench").map(|_| ()))
        });
        insert.await.unwrap();
        store.close().await;
    });
    fill(folder.path(), now);
    folder
}

fn fill(folder: &Path, now: i64) {
    let connection = rusqlite::Connection::open(data_file(folder)).unwrap();
    let leads = "INSERT INTO leads (campaign_id, phone, next_call_at, created_at, updated_at)
        SELECT 1 + (n - 1) / ?2, '+1' || (2000000000 + n), 0, 0, 0 FROM
          (WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1) SELECT n FROM numbers)";
    // Twelve ways to end, eight hours of each day, the newest today.
    let calls = "INSERT INTO calls (campaign_id, lead_id, attempt, phone, carrier, state, outcome, successful, placed_at,
          answered_at, ended_at, price, cost, max_attempts, retry_delay, local_date, daily_limit, evidence)
        SELECT 1, 1 + n % ?2, 1 + n / ?2, '+1200' || (1000000 + n % ?2), 'simulator', 'ended',
          CASE n * 7919 % 12 WHEN 0 THEN 'success' WHEN 1 THEN 'hung_up' WHEN 2 THEN 'voicemail' WHEN 3 THEN 'no_input'
            WHEN 4 THEN 'declined' WHEN 5 THEN 'opted_out' WHEN 6 THEN 'busy' WHEN 7 THEN 'no_answer'
            WHEN 8 THEN 'rejected' WHEN 9 THEN 'carrier_error' WHEN 10 THEN 'invalid_number' ELSE 'canceled' END,
          n * 7919 % 12 = 0, at, CASE WHEN n * 7919 % 12 < 6 THEN at + 10000 END, at + 60000, 1200,
          CASE WHEN n * 7919 % 12 < 6 THEN 1200 ELSE 0 END, 1000000, 60000, date(at / 1000, 'unixepoch'), 1000000,
          '{}' FROM
          (WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1 - 1)
           SELECT n, ?3 - (?1 - n) * 365 / ?1 * 86400000 - n * 37 % 28800 * 1000 AS at FROM numbers)";
    let sums = "INSERT INTO call_quarters
          SELECT campaign_id, placed_at / 900000, outcome, count(*), sum(answered_at IS NOT NULL), sum(successful),
            sum(cost), sum(coalesce(ended_at - answered_at, 0)) FROM calls GROUP BY 1, 2, 3;
        INSERT INTO dialed_days (campaign_id, local_date, dials)
          SELECT campaign_id, local_date, count(*) FROM calls GROUP BY 1, 2;
        UPDATE campaign_totals SET total_leads = 1000, leads_pending = 1000;
        UPDATE campaign_totals SET attempts = k.all_calls, completed_calls = k.completed, successful_calls = k.successful,
            failed_calls = k.completed - k.successful, unanswered_calls = k.all_calls - k.completed, spent = k.spent,
            leads_pending = 900, leads_completed = 100
          FROM (SELECT count(*) AS all_calls, sum(answered_at IS NOT NULL) AS completed, sum(successful) AS successful,
                  sum(cost) AS spent FROM calls) AS k WHERE campaign_id = 1;";
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    connection.execute(leads, [CAMPAIGNS * LEADS_EACH, LEADS_EACH]).unwrap();
    connection.execute(calls, [CALLS, LEADS_EACH, now]).unwrap();
    connection.execute_batch(sums).unwrap();
    connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

pub(crate) fn run(_: &mut crate::support::Shelf) -> bool {
    let folder = prepared();
    let server = Server::start(folder.path());
    let spread = |path: &str| {
        let request = request("GET", path, "");
        load::run(server.api, &request, 1, Duration::from_millis(1));
        Spread::of(load::run(server.api, &request, 1, TIME).durations)
    };
    let days = spread("/api/voice-campaigns/1/analytics");
    let year = {
        let from = (System::new().now() - chrono::TimeDelta::days(365)).date_naive();
        spread(&format!("/api/voice-campaigns/1/analytics?interval=week&from={from}"))
    };
    let overview = spread("/api/overview?limit=50");
    let search = spread("/api/calls?search=nobody&limit=50");
    let (month, now) = (System::new().now() - chrono::TimeDelta::days(200), System::new().now());
    let range = spread(&format!(
        "/api/calls?limit=50&from={}&to={}",
        month.format("%Y-%m-%d"),
        (now - chrono::TimeDelta::days(199)).format("%Y-%m-%d")
    ));
    let is_fine = report(
        "analytics of 1,000,000 calls",
        &format!("{:.1} ms, p99 {:.1}", year.p50, year.p99),
        &format!("{ANALYTICS_MS_MAX} ms"),
        year.p50 / ANALYTICS_MS_MAX,
        Bar::AtMost(1.0),
        &format!("all of a year by week; the last 14 days {:.1} ms, p99 {:.1}", days.p50, days.p99),
    );
    report(
        "overview of 1,000 campaigns",
        &format!("{:.1} ms, p99 {:.1}", overview.p50, overview.p99),
        &format!("{OVERVIEW_MS_MAX} ms"),
        overview.p50 / OVERVIEW_MS_MAX,
        Bar::AtMost(1.0),
        &format!(
            "1,000,000 leads, all active, 50 shown; calls of a day half a year ago {:.1} ms, of nobody {:.0} ms",
            range.p50, search.p50
        ),
    ) && is_fine
}
