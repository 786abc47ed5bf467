//! Power that fails, and disks that fail, at any moment and at every single change of a file: nobody is dialed twice,
//! and nothing that was promised is lost. The simulator's ledger stands for the world outside and forgets nothing.
//!
//! `VC_TEST_CUTS` sets how often power fails, `VC_TEST_STRIDE` every how many changes something goes wrong,
//! `VC_TEST_SEED` when and what is left of what was not synchronized.

use crate::crash::{
    check, differences, make_campaigns, number, server, set_retry_delay, sql, stock, up_to, with_data,
};
use crate::support::disk::Disk;
use crate::support::evidence::{self, Evidence};
use crate::support::program::{PATIENCE, Place, Running};
use crate::support::receiver::{Receiver, status};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use std::collections::HashSet;
use std::fs;
use std::time::Duration;
use voice_campaigns::domain::campaign::Request;
use voice_campaigns::domain::endpoint::EndpointRequest;
use voice_campaigns::domain::lead::NewLead;
use voice_campaigns::store::{backup, data_file};

/// Lets servers live and cuts their power, so often. The answer is how often the cut left some of what was not
/// synchronized.
fn live_and_die(disk: &mut Disk, place: &Place, cuts: u64, chance: &mut SmallRng) -> u64 {
    let mut torn = 0;
    for cut in 0..cuts {
        if cut % 100 == 0 {
            stock(place, 2_000);
        }
        // Some are hit while they start, some while they work, however slow the machine is.
        let mut victim = Running::spawn(server(place));
        if chance.random() {
            victim.listens_or_ends();
        }
        let latest = if cut % 4 == 0 { 500 } else { 200 };
        std::thread::sleep(up_to(chance, latest));
        drop(victim);
        let seed: u64 = if chance.random() { chance.random_range(1..=u64::MAX) } else { 0 };
        disk.say(&format!("cut {seed}"));
        torn += u64::from(seed > 0);
    }
    torn
}

#[test]
fn when_power_fails_at_any_moment_nobody_is_dialed_twice_and_no_call_is_lost() {
    let cuts = evidence::number("VC_TEST_CUTS", 20);
    let mut chance = SmallRng::seed_from_u64(evidence::seed());
    let Some(mut disk) = Disk::mount() else { return };
    let place = disk.place();
    let _evidence = Evidence::of(&place.path("data"), "power-cuts");
    make_campaigns(&place);
    place.token("admin");
    let torn = live_and_die(&mut disk, &place, cuts, &mut chance);
    let mut last = Running::start(server(&place));
    assert_eq!(last.end_by("TERM"), Some(0), "{}", last.complaints());
    set_retry_delay(&place, 1);

    let dials = differences(&place).unwrap();
    check(&place);
    let interrupted = number(&sql(&place), "SELECT count(*) FROM calls WHERE outcome = 'interrupted'");
    println!("{cuts} power cuts, {torn} torn: {dials} dials, {interrupted} interrupted, 0 double, 0 lost");
    assert!(dials as u64 > cuts && interrupted > 0, "too little happened");
}

/// What `synchronous=NORMAL` would save is not to be saved.
#[test]
fn if_commits_did_not_wait_for_the_disk_the_same_comparison_would_tell() {
    let mut chance = SmallRng::seed_from_u64(evidence::seed());
    let Some(mut disk) = Disk::mount() else { return };
    let place = disk.place();
    make_campaigns(&place);
    disk.say("deaf");
    // As often as it takes; on a busy machine some lives are too short to dial anybody.
    let told = (0..10).find_map(|_| {
        live_and_die(&mut disk, &place, 6, &mut chance);
        let is_loss =
            |told: &String| told.contains("dialed twice, or lost") || told.contains("cannot be read");
        // Data that lost what the file beside them knows are taken for a copy, from which nobody is dialed.
        let is_held = "SELECT count(*) FROM facts WHERE name = 'woke_up'";
        let held =
            sql(&place).query_row(is_held, [], |row| row.get::<_, i64>(0)).is_ok_and(|count| count > 0);
        differences(&place).err().filter(is_loss).or(held.then(|| "taken for a copy".to_owned()))
    });
    assert!(told.is_some(), "nothing was lost");
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    /// The process is killed.
    Killed,
    /// Power fails; with a seed, parts of what was not synchronized are there.
    Cut(u64),
    /// One change of a file fails.
    Fault,
    /// There is no space, for a while.
    Full,
}

impl Mishap {
    fn all(seed: u64) -> [Mishap; 5] {
        [Mishap::Killed, Mishap::Cut(0), Mishap::Cut(seed), Mishap::Fault, Mishap::Full]
    }

    fn order(self) -> &'static str {
        match self {
            Mishap::Killed | Mishap::Cut(_) => "stop",
            Mishap::Fault => "fault",
            Mishap::Full => "full",
        }
    }

    fn ends_life(self) -> bool {
        matches!(self, Mishap::Killed | Mishap::Cut(_))
    }
}

/// Puts back what was saved, lets a server live until the change at which something goes wrong, and lets it go wrong.
/// The answer is the server, where it survived.
fn strike(
    disk: &mut Disk,
    place: &Place,
    at: u64,
    mishap: Mishap,
    told: &dyn Fn(&Place) -> Running,
) -> Option<Running> {
    const LOOK_EVERY: Duration = Duration::from_millis(2);
    disk.say("back");
    disk.say(&format!("{} {at}", mishap.order()));
    let mut victim = told(place);
    let (mut seen, mut idle) = (0, 0);
    for _ in 0..PATIENCE.as_millis() / LOOK_EVERY.as_millis() {
        let changes = disk.changes();
        if changes >= at || victim.has_ended() {
            break;
        }
        idle = if changes == seen { idle + 1 } else { 0 };
        seen = changes;
        // The last changes are those of a stop.
        if idle == 150 {
            victim.signal("TERM");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if mishap == Mishap::Full {
        std::thread::sleep(Duration::from_millis(20));
        disk.say("stop 0");
    }
    if let Mishap::Cut(seed) = mishap {
        drop(victim);
        disk.say(&format!("cut {seed}"));
        return None;
    }
    // One that was hit while it started may end, and says why.
    let lives = !mishap.ends_life() && victim.listens_or_ends() && !victim.has_ended();
    if !lives {
        drop(victim);
        disk.say("stop 0");
        return None;
    }
    Some(victim)
}

pub(crate) fn look(place: &Place) -> Connection {
    Connection::open_with_flags(data_file(&place.path("data")), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// Waits until everybody was called and all of it was told.
fn wait_until_done(place: &Place, running: &Running) {
    let open = "SELECT (SELECT count(*) FROM leads WHERE status IN ('pending', 'scheduled', 'in_progress'))
                     + (SELECT count(*) FROM calls WHERE state <> 'ended')
                     + (SELECT count(*) FROM deliveries WHERE state = 'pending')";
    const LOOK_EVERY: Duration = Duration::from_millis(10);
    let connection = look(place);
    for _ in 0..PATIENCE.as_millis() / LOOK_EVERY.as_millis() {
        if connection.query_row(open, [], |row| row.get::<_, i64>(0)) == Ok(0) {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    panic!("it does not come to an end; it said: {}", running.complaints());
}

#[test]
fn whatever_goes_wrong_at_whichever_change_each_call_is_placed_once_and_told() {
    const LEADS: i64 = 4;
    let stride = usize::try_from(evidence::number("VC_TEST_STRIDE", 240)).unwrap();
    let Some(mut disk) = Disk::mount() else { return };
    let place = disk.place();
    let _evidence = Evidence::of(&place.path("data"), "mishaps");
    let receiver = Receiver::start(status(200));
    let to = receiver.url("/");
    with_data(&place, move |tx| {
        let body = json!({
            "name": "Mishaps", "status": "active", "calls_per_day": 100, "max_attempts_per_lead": 1,
            "calling_hours_start": "00:00:00", "calling_hours_end": "23:59:59", "cost_per_call": 0.25, "budget": 10,
            "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
            "system_prompt": "Be kind", "script_template": "Hello, this is a survey call.", "opt_out_sentence": "",
        });
        let campaign = tx.insert_campaign(&Request::read(body, None).unwrap(), "test")?;
        tx.insert_endpoint(&EndpointRequest::read(json!({"url": to}), None).unwrap())?;
        let leads =
            (0..LEADS).map(|n| NewLead::read(json!({"phone": format!("+1212601{n:04}")}), None).unwrap());
        tx.insert_leads(campaign.id, &leads.collect::<Vec<_>>()).map(drop)
    });
    disk.say("save");
    let told = |place: &Place| {
        let mut command = server(place);
        command.env("VC_WEBHOOKS_ALLOWED_NETWORKS", "127.0.0.0/8").env("VC_SIMULATOR_SPEED", "1000");
        Running::spawn(command)
    };
    disk.say("stop 0");
    let mut whole = told(&place);
    whole.wait_until_it_listens();
    wait_until_done(&place, &whole);
    assert_eq!(whole.end_by("TERM"), Some(0), "{}", whole.complaints());
    let changes = disk.changes();
    let (mut tries, mut interrupted) = (0, 0);
    let first = evidence::seed() % stride as u64 + 1;
    for at in (first..=changes).step_by(stride) {
        for mishap in Mishap::all(evidence::seed() + at) {
            let before = receiver.ledger().len();
            let mut last = strike(&mut disk, &place, at, mishap, &told).unwrap_or_else(|| {
                let mut next = told(&place);
                next.wait_until_it_listens();
                next
            });
            wait_until_done(&place, &last);
            assert_eq!(last.end_by("TERM"), Some(0), "{at} {mishap:?}: {}", last.complaints());
            let dials = differences(&place).unwrap_or_else(|told| panic!("{at} {mishap:?}: {told}"));
            check(&place);
            let connection = look(&place);
            let missed = number(&connection, "SELECT count(*) FROM calls WHERE outcome = 'interrupted'");
            assert_eq!(number(&connection, "SELECT count(*) FROM calls"), LEADS, "{at} {mishap:?}");
            assert!(dials as i64 + missed >= LEADS, "{at} {mishap:?}: {dials} dials, {missed} interrupted");
            let told: HashSet<String> =
                receiver.ledger()[before..].iter().map(|r| r.id().to_owned()).collect();
            let events = number(&connection, "SELECT count(*) FROM deliveries WHERE state = 'delivered'");
            assert!(told.len() as i64 >= events && events > LEADS, "{at} {mishap:?}: {events} events");
            (tries, interrupted) = (tries + 1, interrupted + missed);
        }
    }
    println!(
        "{changes} changes, each {stride}th with 5 mishaps: {tries} lives, {interrupted} interrupted, 0 double, 0 lost"
    );
}

/// What leads from the first version to the last but one.
const LIFTS: [&str; 6] = [
    include_str!("../src/store/migrations/to_2.sql"),
    include_str!("../src/store/migrations/to_3.sql"),
    include_str!("../src/store/migrations/to_4.sql"),
    include_str!("../src/store/migrations/to_5.sql"),
    include_str!("../src/store/migrations/to_6.sql"),
    include_str!("../src/store/migrations/to_7.sql"),
];

/// A data folder of a released version, with a campaign, somebody to call, and a call.
fn data_of(version: usize, place: &Place) {
    fs::create_dir(place.path("data")).unwrap();
    let connection = Connection::open(data_file(&place.path("data"))).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN").unwrap();
    connection.execute_batch(include_str!("schema-1.sql")).unwrap();
    connection
        .execute_batch(
            "INSERT INTO facts VALUES ('instance_id', 'x'), ('created_at', '0'), ('last_seen_at', '0'),
               ('clock_confirmations', '0');
             INSERT INTO campaigns (name, status, priority, campaign_type, calls_per_day,
               calling_hours_start, calling_hours_end, time_zone, working_days, ai_voice_language, system_prompt,
               script_template, max_attempts_per_lead, retry_delay_minutes, call_duration_limit, success_criteria,
               cost_per_call, budget_alert_threshold, max_concurrent_calls, ring_timeout_seconds,
               lead_time_zone_policy, webhooks, created_at, updated_at)
             VALUES ('Kept', 'paused', 'low', 'outbound', 1, 0, 1, 'UTC', 1, 'en', 'x', 'y', 3, 60, 300, 'completed',
               0, 80, 5, 30, 'campaign', '[]', 0, 0);
             INSERT INTO campaign_totals (campaign_id) VALUES (1);
             INSERT INTO tokens (name, scope, hash, created_at) VALUES ('kept', 'admin', randomblob(32), 0);",
        )
        .unwrap();
    for lift in &LIFTS[..version - 1] {
        connection.execute_batch(lift).unwrap();
    }
    let marks = format!("PRAGMA user_version = {version}; PRAGMA application_id = 1447251280; COMMIT");
    connection.execute_batch(&marks).unwrap();
}

/// The next life listens, its data are in order, and what was there is.
fn assert_it_comes_back(place: &Place, had: i64, what: &str) {
    let mut next = Running::spawn(server(place));
    next.wait_until_it_listens();
    assert_eq!(next.end_by("TERM"), Some(0), "{what}: {}", next.complaints());
    let report = place.run(&["check"]);
    assert!(report.status.success(), "{what}: {}", String::from_utf8_lossy(&report.stdout));
    assert_eq!(number(&look(place), "SELECT count(*) FROM campaigns WHERE name = 'Kept'"), had, "{what}");
    for entry in fs::read_dir(place.path("data")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("before-schema-") && !name.ends_with(".sha256") {
            // One that was cut short has no checksum, and is refused.
            let is_whole = backup::manifest_of(&path).exists();
            assert!(!is_whole || backup::verify(&path).is_ok(), "{what}: {name}");
        }
    }
}

#[test]
fn whatever_goes_wrong_while_a_database_is_made_or_lifted_the_next_start_has_it_whole() {
    let stride = usize::try_from(evidence::number("VC_TEST_STRIDE", 1_000)).unwrap();
    let Some(mut disk) = Disk::mount() else { return };
    let mut tries = 0;
    let versions = LIFTS.len() + 1;
    for version in 0..=versions {
        let place = disk.place();
        let _evidence = Evidence::of(&place.path("data"), "lifting");
        if version > 0 {
            data_of(version, &place);
            fs::File::open(place.path("data")).unwrap().sync_all().unwrap();
            fs::File::open(place.path("")).unwrap().sync_all().unwrap();
        }
        disk.say("save");
        disk.say("stop 0");
        let mut whole = Running::start(server(&place));
        assert_eq!(whole.end_by("TERM"), Some(0));
        let changes = disk.changes();
        let first = evidence::seed() % changes.min(stride as u64) + 1;
        for at in (first..=changes).step_by(stride) {
            for mishap in Mishap::all(evidence::seed() + at) {
                drop(strike(&mut disk, &place, at, mishap, &|place| Running::spawn(server(place))));
                let what = format!("version {version}, change {at} of {changes}, {mishap:?}");
                assert_it_comes_back(&place, i64::from(version > 0), &what);
                tries += 1;
            }
        }
        disk.say("back");
    }
    println!(
        "{tries} starts that went wrong from {versions} older versions and from nothing: each next one was whole"
    );
}
