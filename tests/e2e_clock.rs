//! The real program under a clock that is set while it works, by a library that stands between it and the system
//! (libfaketime). What must happen in every such case is tried in virtual time elsewhere; this is about the real clocks.

use crate::crash::{check, make_busy_campaign, number, sql, stock_one};
use crate::support::program::{Place, Running};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Where Debian has the library: below a folder of the machine's kind.
fn library() -> PathBuf {
    let kinds = fs::read_dir("/usr/lib").unwrap().map(|kind| kind.unwrap().path());
    let mut found = kinds.map(|kind| kind.join("faketime/libfaketimeMT.so.1")).filter(|file| file.exists());
    found.next().expect("faketime comes with its library")
}

/// Waits until it is so; how long that took.
#[allow(clippy::disallowed_methods, reason = "the time of a real process")]
fn until(what: &str, is_so: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    began.elapsed()
}

#[test]
#[cfg_attr(not(has_faketime), ignore = "needs faketime")]
fn while_the_clock_is_set_nobody_is_dialed_until_a_person_says_that_it_is_right() {
    let place = Place::new();
    let token = place.token("admin");
    make_busy_campaign(&place);
    stock_one(&place, 1, 9_000);
    let clock = place.path("clock");
    fs::write(&clock, "+0\n").unwrap();
    let mut command = place.program(&["serve", "--port", "0"]);
    command
        .env("VC_SIMULATOR_SPEED", "20")
        .env("VC_SIMULATOR_CALLS_PER_SECOND", "10")
        .env("LD_PRELOAD", library())
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut server = Running::start(command);
    let data = sql(&place);
    let calls = || number(&data, "SELECT count(*) FROM calls");
    until("calls are made", || calls() > 5);
    let mut holds = Vec::new();
    for shift in ["+2h", "+400d", "+399d", "+1d"] {
        fs::write(&clock, format!("{shift}\n")).unwrap();
        holds.push(until("dialing is held", || server.get("/ready", &token) == 503));
        let before = calls();
        // As many looks as would have been more than enough for another call.
        for _ in 0..20 {
            assert_eq!(server.get("/ready", &token), 503, "{shift}");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(calls(), before, "{shift}: nobody is dialed meanwhile");
        place.answer(&["trust-clock"]);
        until("it goes on when a person says so", || calls() > before + 5);
    }
    println!("held after {holds:?}");
    let told = number(
        &data,
        "SELECT count(*) FROM events WHERE type = 'campaign.error' AND data LIKE '%\"code\":\"clock_jumped\"%'",
    );
    assert_eq!(told, 4, "each is told as an event");
    assert_eq!(server.end_by("TERM"), Some(0), "{}", server.complaints());
    check(&place);
}
