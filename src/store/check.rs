//! The invariants: what must be true of the data at any moment, recounted from the rows. Run by `check` and
//! after every test that moves calls.

use super::guard::Watch;
use super::{Store, StoreError};
use crate::domain::guard::{Countries, Guard};
use crate::domain::other_call;
use crate::domain::phone::Phone;
use rusqlite::Connection;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;

/// What one invariant said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What must hold.
    pub invariant: &'static str,
    /// Whether it does.
    pub ok: bool,
    /// What was counted, or the first rows that break it.
    pub message: String,
}

/// A statement that finds the rows breaking an invariant, as one text column each. A campaign without a row in
/// `campaign_totals` is being removed for good and no longer adds up.
struct Rule {
    invariant: &'static str,
    violations: &'static str,
}

/// What is there.
const RULES: [Rule; 17] = [
    Rule {
        invariant: "foreign keys point to rows that exist",
        violations: "SELECT \"table\" || ' row ' || rowid FROM pragma_foreign_key_check",
    },
    Rule {
        invariant: "every recording is of a call",
        violations: "SELECT 'recording ' || call_id FROM recordings WHERE call_id NOT IN
             (SELECT id FROM calls UNION ALL SELECT -id FROM other_calls)",
    },
    Rule {
        invariant: "calls of a campaign are counted exactly",
        violations: "SELECT 'campaign ' || t.campaign_id FROM campaign_totals t LEFT JOIN
             (SELECT campaign_id, count(*) AS attempts, sum(state <> 'ended') AS alive,
                     sum(state = 'ended' AND successful = 1) AS successful, sum(cost) AS spent,
                     sum(CASE WHEN state <> 'ended' THEN price ELSE 0 END) AS reserved
              FROM calls GROUP BY campaign_id) k ON k.campaign_id = t.campaign_id
             WHERE t.attempts <> coalesce(k.attempts, 0) OR t.in_progress_calls <> coalesce(k.alive, 0)
                OR t.successful_calls <> coalesce(k.successful, 0) OR t.spent <> coalesce(k.spent, 0)
                OR t.reserved <> coalesce(k.reserved, 0)",
    },
    Rule {
        invariant: "completed calls are those picked up, and successful + failed",
        violations: "SELECT 'campaign ' || t.campaign_id FROM campaign_totals t LEFT JOIN
             (SELECT campaign_id, sum(answered_at IS NOT NULL) AS completed
              FROM calls WHERE state = 'ended' GROUP BY campaign_id) k ON k.campaign_id = t.campaign_id
             WHERE t.completed_calls <> coalesce(k.completed, 0)
                OR t.completed_calls <> t.successful_calls + t.failed_calls",
    },
    Rule {
        invariant: "outcomes are counted exactly",
        violations: "SELECT 'campaign ' || campaign_id || ' ' || outcome FROM
             (SELECT campaign_id, outcome, calls FROM outcome_totals
              UNION ALL SELECT campaign_id, outcome, -count(*) FROM calls WHERE state = 'ended'
              GROUP BY campaign_id, outcome)
             WHERE campaign_id IN (SELECT campaign_id FROM campaign_totals)
             GROUP BY campaign_id, outcome HAVING sum(calls) <> 0",
    },
    Rule {
        invariant: "ended calls are counted exactly in every quarter of an hour",
        violations: "SELECT 'campaign ' || campaign_id || ' ' || outcome || ' in quarter ' || quarter FROM
             (SELECT campaign_id, quarter, outcome, calls, completed, successful, spent, talk_ms FROM call_quarters
              UNION ALL
              SELECT campaign_id, placed_at / 900000, outcome, -1, -(answered_at IS NOT NULL), -successful, -cost,
                     -max(coalesce(ended_at - answered_at, 0), 0) FROM calls WHERE state = 'ended')
             WHERE campaign_id IN (SELECT campaign_id FROM campaign_totals)
             GROUP BY campaign_id, quarter, outcome
             HAVING sum(calls) <> 0 OR sum(completed) <> 0 OR sum(successful) <> 0 OR sum(spent) <> 0
                 OR sum(talk_ms) <> 0",
    },
    Rule {
        invariant: "leads of a campaign are counted exactly, by status",
        violations: "SELECT 'campaign ' || t.campaign_id FROM campaign_totals t LEFT JOIN
             (SELECT campaign_id, count(*) AS total, sum(status = 'pending') AS pending,
                     sum(status = 'in_progress') AS in_progress, sum(status = 'scheduled') AS scheduled,
                     sum(status = 'completed') AS completed, sum(status = 'failed') AS failed,
                     sum(status = 'canceled') AS canceled, sum(status = 'do_not_call') AS do_not_call
              FROM leads WHERE deleted_at IS NULL GROUP BY campaign_id) l ON l.campaign_id = t.campaign_id
             WHERE t.total_leads <> coalesce(l.total, 0) OR t.leads_pending <> coalesce(l.pending, 0)
                OR t.leads_in_progress <> coalesce(l.in_progress, 0)
                OR t.leads_scheduled <> coalesce(l.scheduled, 0)
                OR t.leads_completed <> coalesce(l.completed, 0) OR t.leads_failed <> coalesce(l.failed, 0)
                OR t.leads_canceled <> coalesce(l.canceled, 0)
                OR t.leads_do_not_call <> coalesce(l.do_not_call, 0)",
    },
    Rule {
        invariant: "the money of a day is counted exactly",
        violations: "SELECT date FROM
             (SELECT date, spent, reserved FROM spent_days
              UNION ALL SELECT date(placed_at / 1000, 'unixepoch'), -cost,
                               CASE WHEN state <> 'ended' THEN -price ELSE 0 END FROM calls)
             GROUP BY date HAVING sum(spent) <> 0 OR sum(reserved) <> 0",
    },
    Rule {
        invariant: "the dials of a day are counted exactly",
        violations: "SELECT 'campaign ' || campaign_id || ' on ' || local_date FROM
             (SELECT campaign_id, local_date, dials FROM dialed_days
              UNION ALL SELECT campaign_id, local_date, -count(*) FROM calls GROUP BY campaign_id, local_date)
             WHERE campaign_id IN (SELECT campaign_id FROM campaign_totals)
             GROUP BY campaign_id, local_date HAVING sum(dials) <> 0",
    },
    Rule {
        invariant: "attempts of a lead are numbered from 1 without holes, and counted",
        violations: "SELECT 'lead ' || l.id FROM leads l JOIN
             (SELECT lead_id, count(*) AS dials, max(attempt) AS last FROM calls GROUP BY lead_id) k
             ON k.lead_id = l.id WHERE (l.attempts <> k.dials OR k.last <> k.dials)
               AND l.campaign_id IN (SELECT campaign_id FROM campaign_totals)",
    },
    Rule {
        invariant: "a lead that no call belongs to was never dialed",
        violations: "SELECT 'lead ' || id FROM leads
             WHERE attempts > 0 AND NOT EXISTS (SELECT 1 FROM calls WHERE lead_id = leads.id)
               AND campaign_id IN (SELECT campaign_id FROM campaign_totals)",
    },
    Rule {
        invariant: "a lead is in progress exactly while a call to it is alive",
        violations: "SELECT 'lead ' || l.id FROM leads l LEFT JOIN calls k ON k.lead_id = l.id AND k.state <> 'ended'
             WHERE (l.status = 'in_progress') <> (k.id IS NOT NULL)",
    },
    Rule {
        invariant: "an open lead is due, held, or being called",
        violations: "SELECT 'lead ' || id FROM leads WHERE deleted_at IS NULL
               AND status IN ('pending', 'scheduled') AND next_call_at IS NULL AND held IS NULL",
    },
    // A call whose event is missing is one of those events that are no longer kept; there are only so many.
    Rule {
        invariant: "every ended call has exactly one event, as long as events are kept",
        violations: "SELECT 'call ' || k.id FROM calls k JOIN events e ON e.key = 'call:' || k.id
             WHERE k.state <> 'ended'
             UNION ALL SELECT 'campaign ' || t.campaign_id FROM campaign_totals t JOIN
             (SELECT k.campaign_id, count(*) AS missing FROM calls k LEFT JOIN events e ON e.key = 'call:' || k.id
              WHERE k.state = 'ended' AND e.id IS NULL GROUP BY k.campaign_id) m ON m.campaign_id = t.campaign_id
             WHERE m.missing >= coalesce((SELECT min(sequence) FROM events WHERE campaign_id = t.campaign_id),
                                         t.sequence + 1)",
    },
    Rule {
        invariant: "events are numbered without gaps, from 1 or from the oldest that is kept",
        violations: "SELECT 'campaign ' || t.campaign_id FROM campaign_totals t
             LEFT JOIN
             (SELECT campaign_id, count(*) AS events, min(sequence) AS first, max(sequence) AS last FROM events
              GROUP BY campaign_id) e
             ON e.campaign_id = t.campaign_id
             WHERE t.sequence <> coalesce(e.last, t.sequence) OR e.events <> e.last - e.first + 1
                OR (coalesce(e.first, t.sequence + 1) > 1
                    AND NOT EXISTS (SELECT 1 FROM facts WHERE name = 'events_pruned_to'))",
    },
    Rule {
        invariant: "an event is delivered to endpoints of its campaign or of all campaigns",
        violations: "SELECT 'delivery ' || d.id FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id
             LEFT JOIN events v ON v.id = d.event_id
             WHERE e.campaign_id <> d.campaign_id OR v.campaign_id IS NOT d.campaign_id AND d.event_id IS NOT NULL
                OR v.type <> d.type",
    },
    Rule {
        invariant: "tries of a delivery are numbered from 1 without holes, and counted",
        violations: "SELECT 'delivery ' || d.id FROM deliveries d LEFT JOIN
             (SELECT delivery_id, count(*) AS tries, max(nth) AS last FROM delivery_tries GROUP BY delivery_id) t
             ON t.delivery_id = d.id WHERE d.tries <> coalesce(t.tries, 0) OR d.tries <> coalesce(t.last, 0)",
    },
];

/// What was done. A call that should not have been placed stays in the data for ever, which must keep nobody from making or
/// using a copy of them.
const DEEDS: [Rule; 6] = [
    Rule {
        invariant: "no budget is overrun by calls that were placed under it",
        violations: "SELECT 'call ' || id FROM calls
             WHERE json_extract(evidence, '$.budget') IS NOT NULL
               AND json_extract(evidence, '$.spent') + json_extract(evidence, '$.reserved') + price / 10000.0
                 > json_extract(evidence, '$.budget') + 0.00001",
    },
    Rule {
        invariant: "no call was placed over what all campaigns together might spend in a day",
        violations: "SELECT 'call ' || id FROM calls
             WHERE json_extract(evidence, '$.spend_per_day') IS NOT NULL
               AND json_extract(evidence, '$.spent_by_all') + price / 10000.0
                 > json_extract(evidence, '$.spend_per_day') + 0.00001",
    },
    Rule {
        invariant: "no number was called more often within 24 hours than was allowed",
        violations: "SELECT 'call ' || k.id FROM calls k
             WHERE json_extract(k.evidence, '$.calls_per_number_per_day') <
               (SELECT count(*) FROM calls b
                WHERE b.phone = k.phone AND b.placed_at > k.placed_at - 86400000 AND b.id <= k.id)",
    },
    Rule {
        invariant: "no call was placed over the daily limit then in force",
        violations: "SELECT 'call ' || id FROM
             (SELECT id, daily_limit, row_number() OVER (PARTITION BY campaign_id, local_date ORDER BY id) AS nth
              FROM calls) WHERE nth > daily_limit",
    },
    Rule {
        invariant: "a retry comes no sooner than the delay after the attempt before, unless a call-back was arranged",
        violations: "SELECT 'call ' || id FROM
             (SELECT id, placed_at, lag(ended_at) OVER w AS before, lag(retry_delay) OVER w AS delay,
                     evidence = '{}' OR coalesce(json_extract(evidence, '$.call_back'), 0) AS is_call_back
              FROM calls WINDOW w AS (PARTITION BY lead_id ORDER BY attempt))
             WHERE placed_at < before + delay AND NOT is_call_back",
    },
    Rule {
        invariant: "no number was dialed after it was put on the do-not-call list",
        violations: "SELECT 'call ' || k.id FROM calls k JOIN do_not_call d ON d.phone = k.phone
             WHERE k.id > d.last_call_id",
    },
];

/// The version of SQLite in this program.
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// Checks every invariant that applies; `ledger` is the simulator's witness, compared with the calls.
pub async fn run(store: &Store, ledger: Option<&Path>) -> Result<Vec<Finding>, StoreError> {
    let ledger = ledger.map(Path::to_owned);
    store.read_long(move |snapshot| check(snapshot.connection, &snapshot.watch, ledger.as_deref())).await
}

fn check(connection: &Connection, watch: &Watch, ledger: Option<&Path>) -> Result<Vec<Finding>, StoreError> {
    let mut findings = vec![file_is_sound(connection)?];
    for rule in RULES.iter().chain(&DEEDS) {
        let found = texts(connection, rule.violations)?;
        findings.push(finding(rule.invariant, found));
    }
    findings
        .push(finding("every call was placed inside its calling hours", calls_outside_hours(connection)?));
    findings.push(finding("nobody was called in a country that was not allowed", calls_abroad(connection)?));
    findings.push(finding("no erased number was dialed again", calls_to_erased(connection, watch)?));
    if let Some(ledger) = ledger {
        findings.push(finding(
            "the carrier was asked once for every call, and for nothing else",
            differences(connection, ledger)?,
        ));
    }
    Ok(findings)
}

/// Checks what is there by what the tables alone tell, for a copy that has neither a write-ahead log nor a key beside it.
pub(super) fn recount(connection: &Connection) -> Result<Vec<Finding>, StoreError> {
    let rules = RULES.iter().map(|rule| Ok(finding(rule.invariant, texts(connection, rule.violations)?)));
    rules.collect()
}

fn finding(invariant: &'static str, violations: Vec<String>) -> Finding {
    const SHOWN_MAX: usize = 5;
    let message = match violations.len() {
        0 => "holds".to_owned(),
        count => format!("broken {count} times: {}", violations[..count.min(SHOWN_MAX)].join(", ")),
    };
    Finding { invariant, ok: violations.is_empty(), message }
}

fn texts(connection: &Connection, sql: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn file_is_sound(connection: &Connection) -> Result<Finding, StoreError> {
    let mut problems = texts(connection, "PRAGMA integrity_check")?;
    problems.retain(|line| line != "ok");
    let mode = texts(connection, "PRAGMA journal_mode")?;
    if mode != ["wal"] {
        problems.push(format!("journal mode is {}", mode.join(" ")));
    }
    Ok(finding("the file is sound and in WAL mode", problems))
}

/// The country of each number against those that were allowed.
fn calls_abroad(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT id, phone, json_extract(evidence, '$.allowed_countries') FROM calls
               WHERE json_extract(evidence, '$.allowed_countries') IS NOT NULL";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut abroad = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, phone, allowed): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let is_allowed = || {
            let phone = Phone::from_e164(&phone)?;
            let allowed: Vec<String> = serde_json::from_str(&allowed).ok()?;
            let countries = Countries::read(&allowed, None).ok()?;
            // Nobody knows any more where an erased number was.
            Some(phone.is_erased() || Guard { countries, ..Guard::default() }.refusal(phone).is_none())
        };
        if is_allowed() != Some(true) {
            abroad.push(format!("call {id}"));
        }
    }
    Ok(abroad)
}

/// Calls that were placed to a number after its person was erased.
fn calls_to_erased(connection: &Connection, watch: &Watch) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT id, phone FROM calls WHERE id > (SELECT min(last_call_id) FROM erased_numbers)";
    let mut erased =
        connection.prepare("SELECT 1 FROM erased_numbers WHERE hash = ?1 AND last_call_id < ?2")?;
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, phone): (i64, String) = (row.get(0)?, row.get(1)?);
        if let Some(phone) = Phone::from_e164(&phone)
            && erased.exists(rusqlite::params![watch.key.hash_of(phone), id])?
        {
            found.push(format!("call {id}"));
        }
    }
    Ok(found)
}

/// Compares what is left of a ledger with the test calls, and takes those out of it.
fn test_calls(connection: &Connection, asked: &mut HashMap<i64, Asked>) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT id, coalesce(phone, ''), placed_at IS NOT NULL, coalesce(outcome, '') FROM other_calls
               WHERE kind = 'test' AND carrier = 'simulator'";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, phone, is_placed, outcome): (i64, String, bool, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        match asked.remove(&other_call::key(id)) {
            Some(_) if !is_placed => found.push(format!("test call {id} was asked for before it was placed")),
            Some(entry) if entry.phone == phone || phone.is_empty() => {}
            Some(_) => found.push(format!("test call {id} was asked for with another number")),
            None if !is_placed || outcome == "interrupted" || outcome.is_empty() => {}
            None => found.push(format!("test call {id} was never asked for")),
        }
    }
    // Those of campaigns that were removed for good.
    asked.retain(|key, _| other_call::id_of(*key).is_none());
    Ok(found)
}

/// The local time of each dial against the hours and days that were in force, where the details are still kept.
fn calls_outside_hours(connection: &Connection) -> Result<Vec<String>, StoreError> {
    use crate::domain::schedule::{TimeOfDay, WorkingDays};
    use chrono::{Datelike, Timelike};
    let mut statement =
        connection.prepare("SELECT id, placed_at, evidence FROM calls WHERE evidence <> '{}'")?;
    let mut rows = statement.query([])?;
    let mut outside = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, placed_at, evidence): (i64, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let is_inside = || {
            let evidence: serde_json::Value = serde_json::from_str(&evidence).ok()?;
            let placed = chrono::DateTime::from_timestamp_millis(placed_at)?;
            let zones = evidence["time_zones"].as_array()?.iter();
            let zones: Vec<chrono_tz::Tz> =
                zones.map(|zone| zone.as_str()?.parse().ok()).collect::<Option<_>>()?;
            let is_early = evidence["start_date"].as_i64().is_some_and(|start| placed_at < start);
            let is_late = evidence["end_date"].as_i64().is_some_and(|end| placed_at >= end);
            let hour = |index: usize| TimeOfDay::parse(evidence["calling_hours"][index].as_str()?).ok();
            let (start, end) = (hour(0)?.seconds(), hour(1)?.seconds());
            let end = if end == 86_399 { 86_400 } else { end };
            let names = evidence["working_days"].as_array()?.iter().filter_map(|day| day.as_str());
            let days = WorkingDays::parse(names).ok()?;
            let is_open = |zone: &chrono_tz::Tz| {
                let local = placed.with_timezone(zone);
                let (now, today) = (local.num_seconds_from_midnight(), local.weekday());
                let began_on = match start < end {
                    true => (start..end).contains(&now).then_some(today),
                    false if now >= start => Some(today),
                    false => (now < end).then_some(today.pred()),
                };
                began_on.is_some_and(|day| days.contains(day))
            };
            Some(!is_early && !is_late && !zones.is_empty() && zones.iter().all(is_open))
        };
        if is_inside() != Some(true) {
            outside.push(format!("call {id}"));
        }
    }
    Ok(outside)
}

/// What the carrier was asked for: lead, attempt and number.
#[derive(PartialEq, Eq, serde::Deserialize)]
struct Asked {
    call_id: i64,
    lead_id: i64,
    attempt: i64,
    phone: String,
}

/// Compares the simulator's ledger with the calls. A call that was interrupted may be missing there: the server
/// stopped between writing it down and asking. A call may be missing here only when its lead is as well: both go
/// at the end of the retention time.
fn differences(connection: &Connection, ledger: &Path) -> Result<Vec<String>, StoreError> {
    let unreadable =
        |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", ledger.display()));
    let mut asked: HashMap<i64, Asked> = HashMap::new();
    let mut attempts: HashSet<(i64, i64)> = HashSet::new();
    let mut found = Vec::new();
    for line in BufReader::new(std::fs::File::open(ledger).map_err(unreadable)?).lines() {
        let line = line.map_err(unreadable)?;
        // A line torn by a crash belongs to a dial that never started.
        let Ok(entry) = serde_json::from_str::<Asked>(&line) else { continue };
        let (call_id, lead_id, attempt) = (entry.call_id, entry.lead_id, entry.attempt);
        // A call that is no attempt is to no lead, or to one that was not dialed with it.
        let is_attempt = other_call::id_of(call_id).is_none();
        if is_attempt && !attempts.insert((lead_id, attempt)) {
            found.push(format!("attempt {attempt} of lead {lead_id} was asked for again"));
        }
        if asked.insert(call_id, entry).is_some() {
            found.push(format!("call {call_id} was asked for again"));
        }
    }
    let mut statement = connection.prepare(
        "SELECT id, lead_id, attempt, phone, coalesce(outcome, '') FROM calls WHERE carrier = 'simulator'",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let call =
            Asked { call_id: row.get(0)?, lead_id: row.get(1)?, attempt: row.get(2)?, phone: row.get(3)? };
        let (id, outcome): (i64, String) = (call.call_id, row.get(4)?);
        // What stands there of a person who was erased.
        let blank = |entry: &Asked| entry.phone.trim_start_matches(['+', '0']).is_empty();
        let is_erased = Phone::from_e164(&call.phone).is_some_and(Phone::is_erased);
        match asked.remove(&id) {
            Some(entry) if entry == call => {}
            Some(entry)
                if is_erased && blank(&entry) && Asked { phone: call.phone.clone(), ..entry } == call => {}
            Some(_) => found.push(format!("call {id} was asked for with another lead, attempt or number")),
            None if outcome == "interrupted" || outcome.is_empty() => {}
            None => found.push(format!("call {id} was never asked for")),
        }
    }
    found.extend(test_calls(connection, &mut asked)?);
    // The ledger outlives the calls of campaigns that were removed for good.
    let mut is_kept = connection.prepare(
        "SELECT 1 FROM leads l JOIN campaign_totals t ON t.campaign_id = l.campaign_id WHERE l.id = ?1",
    )?;
    for entry in asked.values() {
        if is_kept.exists([entry.lead_id])? {
            found.push(format!("call {} was asked for and is not written down", entry.call_id));
        }
    }
    Ok(found)
}
