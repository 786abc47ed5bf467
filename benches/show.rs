//! One campaign, asked for with a token and counted against its quota, beside a route that does nothing.

use crate::support::load;
use crate::support::role::{Server, request};
use crate::support::{Bar, Shelf, cpu_time, example, folder, median, report, thousands};
use std::net::SocketAddr;
use std::time::Duration;

const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_millis(1_500);
const CONNECTIONS: usize = 32;

/// Requests per second, and the server's processor time per request in microseconds.
#[derive(Clone, Copy)]
struct Cost {
    per_second: f64,
    cpu_us: f64,
}

fn cost(server: &Server, at: SocketAddr, request: &[u8]) -> Cost {
    let before = cpu_time(server.pid());
    let load = load::run(at, request, CONNECTIONS, TIME);
    let used = cpu_time(server.pid()) - before;
    Cost { per_second: load.per_second, cpu_us: used.as_secs_f64() * 1e6 / load.durations.len() as f64 }
}

pub(crate) fn run(_: &mut Shelf) -> bool {
    let folder = folder();
    let server = Server::start(folder.path());
    let create = request("POST", "/api/voice-campaigns", &example().to_string());
    load::run(server.api, &create, 1, Duration::ZERO);
    load::run(server.api, &create, 1, Duration::from_millis(1));
    let show = request("GET", "/api/voice-campaigns/1", "");
    let empty = request("GET", "/empty", "");
    for at in [server.api, server.bare] {
        load::run(at, &empty, CONNECTIONS, Duration::from_millis(300));
    }
    load::run(server.api, &show, CONNECTIONS, Duration::from_millis(300));
    let rounds: Vec<[Cost; 3]> = (0..ROUNDS)
        .map(|_| {
            [
                cost(&server, server.api, &show),
                cost(&server, server.api, &empty),
                cost(&server, server.bare, &empty),
            ]
        })
        .collect();
    let per_second = |side: usize| median(rounds.iter().map(|round| round[side].per_second));
    let cpu_us = |side: usize| median(rounds.iter().map(|round| round[side].cpu_us));
    report(
        "GET a campaign, 32 connections",
        &format!("{}/s", thousands(per_second(0))),
        &format!("{}/s empty route", thousands(per_second(1))),
        per_second(0) / per_second(1),
        Bar::AtLeast(0.5),
        &format!(
            "server's CPU {:.1} us against {:.1} us ({:.2}); in a bare Rocket {}/s ({:.2}), {:.1} us ({:.2})",
            cpu_us(0),
            cpu_us(1),
            cpu_us(1) / cpu_us(0),
            thousands(per_second(2)),
            per_second(0) / per_second(2),
            cpu_us(2),
            cpu_us(2) / cpu_us(0),
        ),
    )
}
