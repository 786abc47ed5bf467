//! The real program under load for as long as it is told: calls, requests and a receiver of webhooks that often fails.
//! What it holds must not grow.
//!
//! `VC_SOAK_MINUTES` sets how long.

use crate::crash::{check, compare_with_ledger, make_busy_campaign, now, stock_one, with_data};
use crate::support::evidence::{self, Evidence};
use crate::support::program::{Place, Running, status};
use crate::support::receiver::{Manners, Receiver};
use serde_json::json;
use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use voice_campaigns::domain::endpoint::EndpointRequest;

const CALLS_PER_SECOND: u64 = 20;
const REQUESTS_PER_SECOND: u64 = 50;
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Memory of its own, without the pages of files that are mapped into it.
    kilobytes: f64,
    files: usize,
    threads: usize,
}

impl Held {
    fn by(process: u32) -> Held {
        let files = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
        Held { kilobytes: status(process, "RssAnon") as f64, files, threads: status(process, "Threads") }
    }
}

/// Fails at every fifth event, in the ways that receivers fail.
fn clumsy() -> Manners {
    let count = AtomicU64::new(0);
    Arc::new(move |_, stream| {
        let text: &[u8] = match count.fetch_add(1, Ordering::Relaxed) % 10 {
            3 => return,
            7 => b"HTTP/1.1 500 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        };
        let _ = stream.write_all(text);
    })
}

/// How much the memory grows in an hour: the slope of the straight line that fits best.
fn slope(samples: &[(f64, f64)]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let above: f64 = samples.iter().map(|sample| (sample.0 - x) * (sample.1 - y)).sum();
    above / samples.iter().map(|sample| (sample.0 - x).powi(2)).sum::<f64>()
}

/// Asks for what the page and scripts ask for, at an even pace, until told to stop.
fn ask(url: &str, token: &str, is_over: &AtomicBool, first: u64) -> u64 {
    const PATHS: [&str; 6] = [
        "/api/voice-campaigns",
        "/api/voice-campaigns/1",
        "/api/voice-campaigns/1/leads?limit=50",
        "/api/calls?limit=50",
        "/api/overview",
        "/api/voice-campaigns/999",
    ];
    const HANDS: u64 = 4;
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = config.timeout_global(Some(Duration::from_secs(30))).build().into();
    let began = now();
    let mut asked = 0;
    while !is_over.load(Ordering::Relaxed) {
        let path = PATHS[usize::try_from(asked + first).unwrap() % PATHS.len()];
        let request = agent.get(format!("{url}{path}"));
        let mut answer = request.header("Authorization", format!("Bearer {token}")).call().unwrap();
        answer.body_mut().read_to_string().unwrap();
        let expected = if path.ends_with("999") { 404 } else { 200 };
        assert_eq!(answer.status().as_u16(), expected, "{path}");
        asked += 1;
        let due = began + Duration::from_secs_f64(asked as f64 * HANDS as f64 / REQUESTS_PER_SECOND as f64);
        std::thread::sleep(due.saturating_duration_since(now()));
    }
    asked
}

#[test]
#[ignore = "takes as long as it is told: tests/run --long"]
fn under_load_for_long_it_holds_no_more_than_in_the_beginning() {
    let minutes = evidence::number("VC_SOAK_MINUTES", 60);
    let place = Place::new();
    let _evidence = Evidence::of(&place.path("data"), "soak");
    let receiver = Receiver::start(clumsy());
    let token = place.token("admin");
    let to = receiver.url("/");
    make_busy_campaign(&place);
    with_data(&place, move |tx| {
        tx.insert_endpoint(&EndpointRequest::read(json!({"url": to}), None).unwrap()).map(drop)
    });
    stock_one(&place, 1, i64::try_from(minutes * 60 * CALLS_PER_SECOND).unwrap() + 1_000);
    let mut command = place.program(&["serve", "--port", "0"]);
    command
        .env("VC_SIMULATOR_SPEED", "20")
        .env("VC_SIMULATOR_CALLS_PER_SECOND", CALLS_PER_SECOND.to_string())
        .env("VC_QUOTA_REQUESTS_PER_HOUR", "100000000")
        .env("VC_WEBHOOKS_ALLOWED_NETWORKS", "127.0.0.0/8")
        .env("VC_LOG_FILTER", "error");
    let mut running = Running::start(command);
    let process = running.id();
    let (began, is_over) = (now(), AtomicBool::new(false));
    let lasts = Duration::from_secs(minutes * 60);
    let mut held = Vec::new();
    let asked: u64 = std::thread::scope(|scope| {
        let hands: Vec<_> = (0..4)
            .map(|hand| {
                scope.spawn({
                    let (url, token, is_over) = (&running.url, &token, &is_over);
                    move || ask(url, token, is_over, hand)
                })
            })
            .collect();
        while began.elapsed() < lasts {
            std::thread::sleep(LOOK_EVERY);
            held.push((began.elapsed(), Held::by(process)));
        }
        is_over.store(true, Ordering::Relaxed);
        hands.into_iter().map(|hand| hand.join().unwrap()).sum()
    });
    assert_eq!(running.end_by("TERM"), Some(0), "{}", running.complaints());

    // Caches fill and buffers find their size first.
    let warm: Vec<&(Duration, Held)> = held.iter().filter(|(at, _)| *at > lasts / 3).collect();
    let samples: Vec<(f64, f64)> =
        warm.iter().map(|(at, held)| (at.as_secs_f64() / 3_600.0, held.kilobytes / 1_024.0)).collect();
    let most = |of: fn(&Held) -> usize, of_whom: &[&(Duration, Held)]| {
        of_whom.iter().map(|(_, held)| of(held)).max().unwrap()
    };
    let (early, late) = warm.split_at(warm.len() / 2);
    let (files, threads) = (|held: &Held| held.files, |held: &Held| held.threads);
    let hours = samples.last().unwrap().0 - samples[0].0;
    let dials = compare_with_ledger(&place);
    println!(
        "{minutes} minutes: {dials} calls, {asked} requests, {} events; {:.1} MB, {:+.2} MB an hour, files {} then {}, threads {} then {}",
        receiver.ledger().len(),
        samples.last().unwrap().1,
        slope(&samples),
        most(files, early),
        most(files, late),
        most(threads, early),
        most(threads, late),
    );
    check(&place);
    assert!(dials as u64 > minutes * 60 * CALLS_PER_SECOND / 10, "too little happened");
    // Below an hour, what a single sample is off would count as a slope.
    assert!(slope(&samples) * hours < hours.max(1.0), "the memory grows");
    assert!(most(files, late) <= most(files, early) + 8, "files stay open");
    assert!(most(threads, late) <= most(threads, early) + 2, "threads stay");
}
