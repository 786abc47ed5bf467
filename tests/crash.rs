//! The real server killed and stopped at random moments, again and again: nobody is dialed twice, nothing that
//! was answered is lost, and every sum is right afterwards. The simulator's ledger is the witness.
//!
//! `VC_TEST_KILLS` sets how often, `VC_TEST_SEED` when.

use crate::support::evidence::{self, Evidence};
use crate::support::program::{PATIENCE, Place, Running};
use crate::support::receiver::{Manners, Receiver, status};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use voice_campaigns::clock::{Clock, System};
use voice_campaigns::domain::campaign::{Request, Status};
use voice_campaigns::domain::endpoint::EndpointRequest;
use voice_campaigns::domain::lead::NewLead;
use voice_campaigns::store::{OpenError, Store, StoreError, Tx, data_file};

/// The server, with phones that ring for milliseconds.
pub(crate) fn server(place: &Place) -> Command {
    let mut command = place.program(&["serve", "--port", "0"]);
    command.env("VC_SIMULATOR_SPEED", "2000").env("VC_QUOTA_REQUESTS_PER_HOUR", "100000000");
    // All campaigns call the same numbers, one of them again and again.
    command.env("VC_LOG_FILTER", "error").env("VC_GUARD_CALLS_PER_NUMBER_PER_DAY", "100");
    command
}

/// What a start takes on a machine that does nothing else, in seconds.
const START: f64 = 0.1;

#[allow(clippy::disallowed_methods, reason = "the time of a real process")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A moment to strike.
pub(crate) fn up_to(chance: &mut SmallRng, milliseconds: u64) -> Duration {
    Duration::from_micros(chance.random_range(0..=milliseconds * 1_000))
}

/// Opens a data folder that nobody has. While another test starts a program, the lock that was let go just now is held
/// by its child for a moment.
pub(crate) fn open_alone(folder: &Path, clock: Arc<dyn Clock>) -> Result<Store, OpenError> {
    for _ in 0..200 {
        match Store::open(folder, clock.clone()) {
            Err(OpenError::InUse(_)) => std::thread::sleep(Duration::from_millis(20)),
            opened => return opened,
        }
    }
    Store::open(folder, clock)
}

/// Works on the data while no server does.
pub(crate) fn with_data<T: Send + 'static>(
    place: &Place,
    job: impl FnOnce(&Tx) -> Result<T, StoreError> + Send + 'static,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open_alone(&place.path("data"), Arc::new(System::new())).unwrap();
        let done = store.write(job).await.unwrap();
        store.close().await;
        done
    })
}

/// Looks at the data, and changes what no API changes.
pub(crate) fn sql(place: &Place) -> Connection {
    Connection::open(data_file(&place.path("data"))).unwrap()
}

pub(crate) fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Active campaigns, each with something that must hold; none of them waits for hours or days.
pub(crate) fn make_campaigns(place: &Place) {
    let campaigns = [
        json!({"name": "Plain", "priority": "high"}),
        json!({"name": "Messages", "success_criteria": "message_left", "fallback_script": "Call us."}),
        json!({"name": "Restless", "max_attempts_per_lead": 20, "max_concurrent_calls": 12}),
        json!({"name": "Poor", "cost_per_call": 0.25, "budget": BUDGET}),
        json!({"name": "Slow", "calls_per_day": DAILY_LIMIT}),
    ];
    with_data(place, move |tx| {
        for changes in campaigns {
            let mut body = json!({
                "name": "", "status": "active", "calls_per_day": 1_000_000,
                "calling_hours_start": "00:00:00", "calling_hours_end": "23:59:59",
                "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
                "system_prompt": "Be kind", "script_template": "Hello, this is a survey call.",
                "max_concurrent_calls": 6,
                // Nobody is waited for who might press a key, which no simulator makes shorter.
                "opt_out_sentence": "",
            });
            body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            tx.insert_campaign(&Request::read(body, None).unwrap(), "test")?;
        }
        Ok(())
    });
    set_retry_delay(place, 0);
}

/// One active campaign that calls around the clock, as many at a time as it may.
pub(crate) fn make_busy_campaign(place: &Place) {
    with_data(place, |tx| {
        let body = json!({
            "name": "Busy", "status": "active", "calls_per_day": 1_000_000, "max_concurrent_calls": 500,
            "calling_hours_start": "00:00:00", "calling_hours_end": "23:59:59",
            "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
            "system_prompt": "Be kind", "script_template": "Hello, this is a survey call.",
        });
        tx.insert_campaign(&Request::read(body, None).unwrap(), "test").map(drop)
    });
}

const BUDGET: i64 = 40;
const DAILY_LIMIT: i64 = 150;

/// Below the minute that the API asks for, so that retries come within the test.
pub(crate) fn set_retry_delay(place: &Place, minutes: i64) {
    let connection = sql(place);
    connection.pragma_update(None, "ignore_check_constraints", true).unwrap();
    let restless = "UPDATE campaigns SET retry_delay_minutes = ?1 WHERE name = 'Restless'";
    assert_eq!(connection.execute(restless, [minutes]).unwrap(), 1);
}

/// Adds so many leads to each campaign; numbers go on where the last ones ended.
pub(crate) fn stock(place: &Place, leads: i64) {
    for campaign in 1..=5 {
        // Few of the third, so that their turn comes again.
        stock_one(place, campaign, if campaign == 3 { leads / 10 } else { leads });
    }
}

/// Adds so many leads to a campaign.
pub(crate) fn stock_one(place: &Place, campaign_id: i64, leads: i64) {
    with_data(place, move |tx| {
        let first = tx.campaign(campaign_id)?.unwrap().totals.total_leads;
        let leads: Vec<NewLead> = (first..first + leads)
            .map(|n| json!({"phone": format!("+12126{:02}{:04}", n / 10_000 % 100, n % 10_000)}))
            .map(|lead| NewLead::read(lead, None).unwrap())
            .collect();
        tx.insert_leads(campaign_id, &leads).map(drop)
    });
}

/// What is in the database under which id.
type Rows = Vec<(i64, String)>;

/// One line of the ledger.
#[derive(Deserialize)]
struct Asked {
    call_id: i64,
    lead_id: i64,
    attempt: i64,
    phone: String,
}

/// Compares the ledger with the calls by itself, without the program's own check. The answer is how many dials
/// there were.
pub(crate) fn compare_with_ledger(place: &Place) -> usize {
    differences(place).unwrap_or_else(|difference| panic!("{difference}"))
}

/// Likewise, or the first difference.
pub(crate) fn differences(place: &Place) -> Result<usize, String> {
    // There is none before the first dial.
    let ledger = fs::read_to_string(place.path("data/simulator-ledger.jsonl")).unwrap_or_default();
    let asked: Vec<Asked> = ledger.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let connection = sql(place);
    let damaged = |error: rusqlite::Error| format!("the database cannot be read: {error}");
    let sql = "SELECT id, lead_id, attempt, phone, outcome FROM calls";
    let mut statement = connection.prepare(sql).map_err(damaged)?;
    let mut calls: HashMap<i64, (i64, i64, String, Option<String>)> = statement
        .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))))
        .and_then(Iterator::collect)
        .map_err(damaged)?;
    let mut attempts = HashSet::new();
    for Asked { call_id, lead_id, attempt, phone } in &asked {
        let Some((lead, nth, number, _)) = calls.remove(call_id) else {
            return Err(format!("call {call_id}: dialed twice, or lost"));
        };
        if (lead, nth, &number) != (*lead_id, *attempt, phone) {
            return Err(format!("call {call_id}: another lead, attempt or number; dialed twice, or lost"));
        }
        if !attempts.insert((lead, nth)) {
            return Err(format!("attempt {nth} of lead {lead} was dialed twice"));
        }
    }
    match calls.iter().find(|(_, (.., outcome))| outcome.as_deref() != Some("interrupted")) {
        Some((id, _)) => Err(format!("call {id} was never dialed")),
        None => Ok(asked.len()),
    }
}

/// The program's own check of everything, the ledger included.
pub(crate) fn check(place: &Place) {
    let report: Value = serde_json::from_slice(&place.run(&["check", "--json"]).stdout).unwrap();
    let invariants = report["invariants"].as_array().unwrap();
    let broken: Vec<_> = invariants.iter().filter(|invariant| invariant["ok"] != true).collect();
    assert!(broken.is_empty() && report["ok"] == true, "{broken:#?}");
    let witness = "the carrier was asked once for every call, and for nothing else";
    assert!(invariants.iter().any(|invariant| invariant["invariant"] == witness));
}

#[test]
fn killed_at_any_moment_the_server_dials_nobody_twice_and_loses_no_call() {
    let kills = evidence::number("VC_TEST_KILLS", 200);
    let mut chance = SmallRng::seed_from_u64(evidence::seed());
    let place = Place::in_memory();
    let _evidence = Evidence::of(&place.path("data"), "killed");
    make_campaigns(&place);
    place.token("admin");
    // How much slower than usual the machine is, as far as the last start tells.
    let mut slower = 1.0;
    for kill in 0..kills {
        if kill % 100 == 0 {
            stock(&place, 4_000);
        }
        // Some are hit while they start, some while they work.
        let began = now();
        let victim = match chance.random() {
            true => Running::start(server(&place)),
            false => Running::spawn(server(&place)),
        };
        if !victim.url.is_empty() {
            slower = (began.elapsed().as_secs_f64() / START).clamp(1.0, 10.0);
        }
        // Most are hit while the first calls are placed, some when those end and others follow.
        let latest = if kill % 4 == 0 { 250 } else { 60 };
        std::thread::sleep(up_to(&mut chance, latest).mul_f64(slower));
        drop(victim);
    }
    let busiest = "SELECT coalesce(max(dials), 0) FROM
                     (SELECT count(*) AS dials FROM calls WHERE campaign_id = 5 GROUP BY local_date)";
    let mut last = Running::start(server(&place));
    // On a busy machine the short lives before were not enough to use up a day.
    for _ in 0..600 {
        if number(&sql(&place), busiest) >= DAILY_LIMIT {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(last.end_by("TERM"), Some(0), "{}", last.complaints());
    set_retry_delay(&place, 1);

    let dials = compare_with_ledger(&place);
    check(&place);
    let connection = sql(&place);
    let count =
        |condition: &str| number(&connection, &format!("SELECT count(*) FROM calls WHERE {condition}"));
    let interrupted = count("outcome = 'interrupted'");
    let retries = count("attempt > 1");
    println!(
        "{kills} kills: {} calls, {dials} dials, {interrupted} interrupted, {retries} retries, 0 double, 0 lost",
        count("true")
    );
    assert_eq!(count("state <> 'ended'"), 0);
    let spent = number(&connection, "SELECT spent + reserved FROM campaign_totals WHERE campaign_id = 4");
    assert!(spent <= BUDGET * 10_000, "{spent} spent");
    assert_eq!(number(&connection, busiest), DAILY_LIMIT);
    assert!(dials as u64 > 5 * kills && interrupted as u64 > kills && retries > 0, "too little happened");
}

#[test]
fn a_first_start_that_is_killed_at_any_moment_is_followed_by_one_that_works() {
    let mut chance = SmallRng::seed_from_u64(evidence::seed());
    for _ in 0..evidence::number("VC_TEST_KILLS", 200) / 20 {
        let place = Place::in_memory();
        let _evidence = Evidence::of(&place.path("data"), "first-start");
        for _ in 0..3 {
            let victim = Running::spawn(server(&place));
            std::thread::sleep(up_to(&mut chance, 50));
            drop(victim);
        }
        let survivor = Running::start(server(&place));
        let token = fs::read_to_string(place.path("data/first-token")).unwrap();
        assert_eq!(survivor.get("/api/voice-campaigns", token.trim()), 200);
        drop(survivor);
        assert!(place.run(&["check"]).status.success());
    }
}

#[test]
fn told_to_stop_at_any_moment_the_server_ends_its_calls_and_leaves_nothing_open() {
    const STOPS: u64 = 25;
    let mut chance = SmallRng::seed_from_u64(evidence::seed());
    let place = Place::in_memory();
    let _evidence = Evidence::of(&place.path("data"), "told-to-stop");
    make_campaigns(&place);
    place.token("admin");
    let stops = evidence::number("VC_TEST_KILLS", 200) * STOPS / 200;
    for stop in 0..stops {
        if stop % STOPS == 0 {
            stock(&place, 4_000);
        }
        let mut running = Running::start(server(&place));
        std::thread::sleep(up_to(&mut chance, 120));
        assert_eq!(running.end_by("TERM"), Some(0), "{}", running.complaints());
        let log = fs::metadata(place.path("data/voice-campaigns.db-wal")).map_or(0, |file| file.len());
        assert_eq!(log, 0, "the write-ahead log was left behind");
        let connection =
            Connection::open_with_flags(data_file(&place.path("data")), OpenFlags::SQLITE_OPEN_READ_ONLY)
                .unwrap();
        // On a machine so busy that a commit takes longer than a second its calls are given up unplaced.
        let unfinished = "SELECT count(*) FROM calls WHERE state <> 'ended'
            OR outcome = 'interrupted' AND coalesce(detail, '') NOT LIKE 'Writing the call down took too long%'";
        assert_eq!(number(&connection, unfinished), 0);
    }
    set_retry_delay(&place, 1);
    let dials = compare_with_ledger(&place);
    check(&place);
    println!("{stops} stops: {dials} dials, 0 interrupted, 0 left open");
    assert!(dials as u64 > 5 * stops, "too little happened");
}

/// Where the server listens in its present life.
#[derive(Default)]
struct Address {
    url: Mutex<String>,
    changed: Condvar,
}

impl Address {
    fn set(&self, url: &str) {
        *self.url.lock().unwrap() = url.to_owned();
        self.changed.notify_all();
    }

    /// The next address after one where nobody answers any more.
    fn after(&self, dead: &str) -> String {
        let url = self.url.lock().unwrap();
        let (url, waited) = self.changed.wait_timeout_while(url, PATIENCE, |url| url == dead).unwrap();
        assert!(!waited.timed_out(), "the server did not come back");
        url.clone()
    }
}

/// One client that writes as fast as it can, and repeats what was not answered.
struct Writer<'a> {
    name: usize,
    address: &'a Address,
    url: String,
    token: &'a str,
    agent: ureq::Agent,
    repeated: usize,
    /// Answers that all clients have had together.
    answers: &'a AtomicU64,
}

impl Writer<'_> {
    /// The id in the answer; a request that found a dying server is sent again to the next one.
    fn post(&mut self, path: &str, key: &str, body: &Value) -> i64 {
        loop {
            let request = self
                .agent
                .post(format!("{}{path}", self.url))
                .header("Authorization", format!("Bearer {}", self.token))
                .header("Content-Type", "application/json")
                .header("Idempotency-Key", key);
            let answer = request
                .send(body.to_string())
                .and_then(|mut answer| Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?)));
            match answer {
                Ok((201, body)) => {
                    self.answers.fetch_add(1, Ordering::Relaxed);
                    return serde_json::from_str::<Value>(&body).unwrap()["id"].as_i64().unwrap();
                }
                Ok((status, body)) => panic!("{path}: {status} {body}"),
                Err(_) => {
                    self.repeated += 1;
                    self.url = self.address.after(&self.url);
                }
            }
        }
    }

    /// Writes until it is told to stop; the answer is what the server said it has: campaigns by name, leads by
    /// number.
    fn write(&mut self, stop: &AtomicBool) -> (Rows, Rows) {
        let (mut campaigns, mut leads) = (Rows::new(), Rows::new());
        while !stop.load(Ordering::Relaxed) {
            let nth = campaigns.len();
            let name = format!("campaign {nth} of client {}", self.name);
            let body = json!({
                "name": name, "status": "draft", "calls_per_day": 50, "calling_hours_start": "09:00:00",
                "calling_hours_end": "17:00:00", "system_prompt": "Be kind", "script_template": "Hello.",
            });
            let id = self.post("/api/voice-campaigns", &name, &body);
            campaigns.push((id, name.clone()));
            let phone = format!("+1212{}{:04}", 600 + self.name, nth % 10_000);
            let path = format!("/api/voice-campaigns/{id}/leads");
            let lead = self.post(&path, &format!("lead of {name}"), &json!({"phone": phone}));
            leads.push((lead, phone));
        }
        (campaigns, leads)
    }
}

#[test]
fn what_was_answered_survives_every_kill_and_what_was_repeated_is_there_once() {
    const CLIENTS: usize = 4;
    let kills = evidence::number("VC_TEST_KILLS", 200) / 4;
    let mut chance = SmallRng::seed_from_u64(evidence::seed());
    let place = Place::in_memory();
    let _evidence = Evidence::of(&place.path("data"), "answered");
    make_campaigns(&place);
    stock(&place, 1_000);
    let token = place.token("write");
    let (address, stop, answers) = (Address::default(), AtomicBool::new(false), AtomicU64::new(0));
    let written: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|name| {
                let config = ureq::Agent::config_builder().http_status_as_error(false);
                let agent = config.timeout_global(Some(PATIENCE)).build().into();
                let (address, token, answers) = (&address, token.as_str(), &answers);
                let mut writer =
                    Writer { name, address, url: String::new(), token, agent, repeated: 0, answers };
                let stop = &stop;
                scope.spawn(move || {
                    writer.url = address.after("");
                    let written = writer.write(stop);
                    (written, writer.repeated)
                })
            })
            .collect();
        for _ in 0..kills {
            let victim = Running::start(server(&place));
            address.set(&victim.url);
            // After so many answers, however slow the machine is, and then in the middle of the next.
            let enough = answers.load(Ordering::Relaxed) + chance.random_range(0..40);
            while answers.load(Ordering::Relaxed) < enough {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(up_to(&mut chance, 5));
            drop(victim);
        }
        let mut last = Running::start(server(&place));
        address.set(&last.url);
        stop.store(true, Ordering::Relaxed);
        let written = clients.into_iter().map(|client| client.join().unwrap()).collect();
        last.end_by("TERM");
        written
    });

    let connection = sql(&place);
    let rows = |sql: &str| -> HashMap<i64, String> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut campaigns = rows("SELECT id, name FROM campaigns WHERE id > 5");
    let mut leads = rows("SELECT id, phone FROM leads WHERE campaign_id > 5");
    let (mut answered, mut repeated) = (0, 0);
    for ((made, added), again) in &written {
        for (id, name) in made {
            assert_eq!(campaigns.remove(id).as_ref(), Some(name), "campaign {id} was answered and is lost");
        }
        for (id, phone) in added {
            assert_eq!(leads.remove(id).as_ref(), Some(phone), "lead {id} was answered and is lost");
        }
        answered += made.len() + added.len();
        repeated += again;
    }
    assert!(campaigns.is_empty() && leads.is_empty(), "written twice: {campaigns:?} {leads:?}");
    set_retry_delay(&place, 1);
    check(&place);
    println!("{kills} kills: {answered} writes answered, {repeated} repeated, 0 lost, 0 double");
    assert!(answered as u64 > kills && repeated > 0, "too little happened");
}

/// Takes events, some only at the second time, and some without the server hearing of it.
fn forgetful() -> Manners {
    let seen = Mutex::new(HashSet::new());
    Arc::new(move |received, stream| {
        let nth = {
            let mut seen = seen.lock().unwrap();
            if seen.insert((received.path.clone(), received.id().to_owned())) { seen.len() } else { 0 }
        };
        let text: &[u8] = match nth % 50 {
            7 => return,
            23 => b"HTTP/1.1 503 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        };
        let _ = stream.write_all(text);
    })
}

#[test]
fn killed_at_any_moment_the_server_tells_every_event_under_its_id_and_nothing_else() {
    let kills = evidence::number("VC_TEST_KILLS", 200) / 10;
    let mut chance = SmallRng::seed_from_u64(evidence::seed());
    let place = Place::in_memory();
    let _evidence = Evidence::of(&place.path("data"), "events");
    let (receiver, proxy) = (Receiver::start(forgetful()), Receiver::start(status(200)));
    make_campaigns(&place);
    place.token("admin");
    let (own, all) = (receiver.url("/own"), receiver.url("/all"));
    // With a delay that an edit takes.
    set_retry_delay(&place, 1);
    with_data(&place, move |tx| {
        for campaign in tx.active_campaigns()? {
            let change = json!({"webhooks": [{"url": own}]});
            let request = Request::read(change, Some(&campaign.settings)).unwrap();
            tx.update_campaign(&campaign, &request, "test")?.unwrap();
        }
        tx.insert_endpoint(&EndpointRequest::read(json!({"url": all}), None).unwrap()).map(drop)
    });
    set_retry_delay(&place, 0);
    let told = || {
        let mut command = server(&place);
        command.env("VC_WEBHOOKS_ALLOWED_NETWORKS", "127.0.0.0/8");
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            command.env(name, proxy.url("/"));
        }
        command
    };
    for kill in 0..kills {
        if kill % 20 == 0 {
            stock(&place, 400);
        }
        let victim = Running::start(told());
        std::thread::sleep(up_to(&mut chance, 250));
        drop(victim);
    }
    // Nothing new happens, and all that has is told.
    set_retry_delay(&place, 1);
    with_data(&place, |tx| {
        for campaign in tx.active_campaigns()? {
            tx.change_status(&campaign, Status::Paused, "test")?.unwrap();
        }
        Ok(())
    });
    let mut last = Running::start(told());
    let connection = sql(&place);
    let waiting = "SELECT (SELECT count(*) FROM deliveries WHERE state = 'pending')
                        + (SELECT count(*) FROM calls WHERE state <> 'ended')";
    for _ in 0..3_000 {
        if number(&connection, waiting) == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(last.end_by("TERM"), Some(0), "{}", last.complaints());
    check(&place);

    let instance = "SELECT value FROM facts WHERE name = 'instance_id'";
    let instance: String = connection.query_row(instance, [], |row| row.get(0)).unwrap();
    // The first of each campaign happened before anybody wanted to know.
    let sql = "SELECT id, campaign_id, sequence FROM events WHERE sequence > 1";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        Ok((format!("msg_{instance}_{}", row.get::<_, i64>(0)?), (row.get(1)?, row.get(2)?)))
    });
    let events: HashMap<String, (i64, i64)> = rows.unwrap().map(Result::unwrap).collect();
    for path in ["/own", "/all"] {
        let mut heard: HashMap<String, String> = HashMap::new();
        let mut duplicates = 0;
        for received in receiver.ledger().into_iter().filter(|received| received.path == path) {
            let (id, data) = (received.id().to_owned(), &received.json()["data"]);
            let told = (data["campaign"]["id"].as_i64().unwrap(), data["sequence"].as_i64().unwrap());
            assert_eq!(events.get(&id), Some(&told), "{id} is foreign");
            if let Some(before) = heard.insert(id.clone(), received.body.clone()) {
                assert_eq!(before, received.body, "{id} came with another body");
                duplicates += 1;
            }
        }
        let missing: Vec<&String> = events.keys().filter(|id| !heard.contains_key(*id)).collect();
        assert!(missing.is_empty(), "{path}: missing {missing:?}");
        println!("{kills} kills, {path}: {} events, {duplicates} again, 0 missing, 0 foreign", events.len());
        assert!(events.len() as u64 > 10 * kills && duplicates > 0, "too little happened");
    }
    for campaign in 1..=5 {
        let mut told: Vec<i64> =
            events.values().filter(|(id, _)| *id == campaign).map(|(_, sequence)| *sequence).collect();
        told.sort_unstable();
        assert!(told.iter().copied().eq(2..told.len() as i64 + 2), "campaign {campaign}: {told:?}");
    }
    assert!(proxy.ledger().is_empty(), "a proxy of the environment was used");
}

#[test]
fn after_a_kill_it_serves_again_within_a_second_however_many_calls_there_were() {
    let calls = evidence::number("VC_TEST_OLD_CALLS", 10_000);
    let place = Place::in_memory();
    make_campaigns(&place);
    let token = place.token("read");
    stock_one(&place, 1, 1_000);
    let old = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
               INSERT INTO calls (campaign_id, lead_id, attempt, phone, carrier, state, outcome, successful, placed_at,
                 ended_at, price, max_attempts, retry_delay, local_date, daily_limit, evidence)
               SELECT 1, l.id, i / 1000 + 1, l.phone, 'simulator', 'ended', 'busy', 0, i, i, 0, 1000000, 0,
                 '1970-01-01', 1000000, '{}'
               FROM n JOIN leads l ON l.id = i % 1000 + 1";
    sql(&place).execute(old, [calls.cast_signed()]).unwrap();
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let began = System::new();
        let victim = Running::start(server(&place));
        assert_eq!(victim.get("/api/voice-campaigns", &token), 200);
        slowest = slowest.max(began.monotonic());
        drop(victim);
    }
    println!("{calls} calls: after a kill it served within {slowest:?}");
    assert!(slowest < PATIENCE / 10, "{slowest:?}");
}
