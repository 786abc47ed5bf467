//! What watches over the server ask: is it ready, and what has it done?

use crate::support::program::Place;
use crate::support::{ADMIN, Options, READER, TestServer};
use chrono::TimeDelta;
use serde_json::{Value, json};
use voice_campaigns::domain::outcome::Outcome;
use voice_campaigns::http::{Door, Settings};
use voice_campaigns::store::Worker;

const WORKERS: [Worker; 3] = [Worker::Dialer, Worker::Webhooks, Worker::Housekeeping];

fn failing(server: &TestServer) -> (u16, Vec<String>) {
    let answer = server.request("GET", "/ready").send();
    let body = answer.json();
    let checks = body["checks"].as_array().unwrap();
    let bad = checks.iter().filter(|check| check["ok"] == false);
    (answer.status, bad.map(|check| check["name"].as_str().unwrap().to_owned()).collect())
}

#[test]
fn the_server_is_ready_once_every_worker_goes_round_and_no_longer_when_one_stands_still() {
    let server = TestServer::start();
    assert_eq!(failing(&server), (503, vec!["dialer".into(), "webhooks".into(), "housekeeping".into()]));
    WORKERS.iter().for_each(|worker| server.store.beat(*worker));
    let answer = server.request("GET", "/ready").send();
    let good = |name: &str| json!({"name": name, "ok": true});
    let checks = ["database", "dialer", "webhooks", "housekeeping", "clock", "server"].map(good);
    assert_eq!(answer.expect(200), json!({"status": "ready", "checks": checks}));
    server.clock.advance(TimeDelta::seconds(31));
    server.store.beat(Worker::Webhooks);
    let answer = server.request("GET", "/ready").send();
    assert_eq!(answer.header("Retry-After"), Some("5"));
    let body = answer.expect(503);
    assert_eq!(
        (&body["status"], &body["code"], &body["error"]),
        (
            &json!("not_ready"),
            &json!("not_ready"),
            &json!("Not ready: dialer: it has not gone round for 31 seconds")
        )
    );
    server.store.beat(Worker::Dialer);
    assert_eq!(failing(&server).0, 200);
    server.clock.advance(TimeDelta::minutes(31));
    server.store.beat(Worker::Webhooks);
    server.store.beat(Worker::Dialer);
    assert_eq!(failing(&server), (503, vec!["housekeeping".into()]));
}

#[test]
fn a_server_that_stops_or_cannot_write_is_not_ready() {
    let server = TestServer::start();
    WORKERS.iter().for_each(|worker| server.store.beat(*worker));
    server.store.set_stopping();
    assert_eq!(failing(&server), (503, vec!["server".into()]));
    server.clock.advance(TimeDelta::seconds(2));
    server.close_store();
    assert_eq!(failing(&server), (503, vec!["database".into(), "server".into()]));
}

#[test]
fn the_real_program_is_ready_soon_after_it_listens() {
    let place = Place::new();
    let server = place.serve();
    let is_ready = |_: &i32| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        server.get("/ready", "") == 200
    };
    assert!((0..1_000).any(|turn| is_ready(&turn)), "{:?}", server.ask("GET", "/ready", ""));
    let (status, text) = server.ask("GET", "/metrics", "");
    assert_eq!(status, 200);
    assert!(text.contains("voice_campaigns_worker_beat_age_seconds{worker=\"dialer\"}"), "{text}");
}

/// The samples of a scrape: names with labels, and their values.
fn samples(text: &str) -> Vec<(String, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

fn scrape(server: &TestServer) -> String {
    let answer = server.request("GET", "/metrics").send();
    assert_eq!(answer.header("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(answer.status, 200);
    answer.body.clone()
}

fn value(text: &str, name: &str) -> f64 {
    let found = samples(text).into_iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no `{name}` in\n{text}")).1
}

#[test]
fn requests_calls_commits_and_what_waits_are_shown_to_prometheus() {
    let server = TestServer::start();
    let id = server.campaign(json!({"status": "active", "name": "Secret Plan"}));
    let body = json!([{"phone": "+12025550101", "first_name": "Ada"}, {"phone": "+12025550102"}]);
    let leads = format!("/api/voice-campaigns/{id}/leads");
    server.post(&leads, &body).send().expect(201);
    let lead = server.get(&leads).send().json()[0]["id"].as_i64().unwrap();
    let call = server.place_call(lead);
    let text = scrape(&server);
    assert_eq!(value(&text, "voice_campaigns_calls_live"), 1.0);
    server.end_call(call, Outcome::Busy, None);
    assert_eq!(server.get("/api/no-such-thing").send().status, 404);
    assert_eq!(server.get(&format!("/api/voice-campaigns/{id}999")).send().status, 404);

    let text = scrape(&server);
    let requests = "voice_campaigns_http_requests_total";
    let route = "/api/voice-campaigns/<id>/leads";
    for (labels, count) in [
        (format!(r#"{{method="POST",route="{route}",status="201"}}"#), 1.0),
        (r#"{method="POST",route="/api/voice-campaigns",status="201"}"#.into(), 1.0),
        (r#"{method="GET",route="/api/voice-campaigns/<id>",status="404"}"#.into(), 1.0),
        (r#"{method="any",route="none",status="404"}"#.into(), 1.0),
        (r#"{method="GET",route="/metrics",status="200"}"#.into(), 1.0),
    ] {
        assert_eq!(value(&text, &format!("{requests}{labels}")), count);
    }
    for (name, expected) in [
        ("calls_placed_total", 1.0),
        (r#"calls_ended_total{outcome="busy"}"#, 1.0),
        (r#"calls_ended_total{outcome="success"}"#, 0.0),
        ("calls_live", 0.0),
        ("leads_due", 1.0),
        ("dialing_stopped", 0.0),
        ("woke_up", 0.0),
        ("clock_trusted", 1.0),
        ("webhook_deliveries_pending", 0.0),
        ("webhook_lag_seconds", 0.0),
        ("writer_queue_length", 0.0),
        ("recordings", 0.0),
        ("recordings_size_bytes", 0.0),
    ] {
        assert_eq!(value(&text, &format!("voice_campaigns_{name}")), expected, "{name}");
    }
    assert!(value(&text, "voice_campaigns_commit_duration_seconds_count") >= 3.0);
    assert!(value(&text, r#"voice_campaigns_sqlite_bytes{file="database"}"#) > 0.0);
    assert!(value(&text, r#"voice_campaigns_sqlite_bytes{file="wal"}"#) > 0.0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(value(&text, &format!(r#"voice_campaigns_build_info{{version="{version}"}}"#)), 1.0);
    let is_last_bucket = |name: &str| {
        let parts = ["http_request_duration_seconds_bucket", r#"le="+Inf""#, r#"method="POST""#, route];
        parts.iter().all(|part| name.contains(part))
    };
    assert!(samples(&text).iter().any(|(name, count)| is_last_bucket(name) && *count == 1.0), "{text}");
    for secret in ["2025550101", "Ada", "Secret", "vc_"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn labels_do_not_grow_with_what_clients_send() {
    let server = TestServer::start();
    let count = |text: &str| samples(text).iter().filter(|(name, _)| name.contains("http_request")).count();
    let ask = |turn: usize| {
        server.get(&format!("/api/leads/{turn}")).send();
        server.request("GET", &format!("/x{turn}")).send();
        server.request("PROPFIND", &format!("/api/y{turn}")).send();
    };
    ask(0);
    scrape(&server);
    let before = count(&scrape(&server));
    (1..50).for_each(ask);
    assert_eq!(count(&scrape(&server)), before);
}

#[test]
fn metrics_need_a_token_behind_a_proxy_and_from_other_machines() {
    let behind_proxy = Door { hosts: vec!["*".into()], is_behind_proxy: true, ..Door::default() };
    let open = Door { hosts: vec!["*".into()], ..Door::default() };
    let elsewhere = "203.0.113.9:9".parse().unwrap();
    for (door, client) in [(behind_proxy, None), (open, Some(elsewhere))] {
        let settings = Settings { door, unauthenticated_per_minute: 3, ..Options::default().settings };
        let server = TestServer::start_with(Options { settings, client, ..Options::default() });
        let ask = || server.request("GET", "/metrics");
        for _ in 0..3 {
            let refused = ask().token("vc_wrong").send();
            assert!(refused.header("WWW-Authenticate").is_some());
            assert_eq!(refused.expect(401)["code"], "unauthorized");
        }
        assert_eq!(ask().send().expect(429)["code"], "rate_limited");
        assert_eq!(ask().token(READER).send().status, 200);
        assert_eq!(ask().token(ADMIN).send().status, 200);
    }
    let foreign = Settings { door: Door::default(), ..Options::default().settings };
    let server = TestServer::start_with(Options { settings: foreign, ..Options::default() });
    let rebound = server.request("GET", "/metrics").header("Host", "evil.example").send();
    assert_eq!(rebound.status, 401, "a page that took over a name is not this machine");
    let _: Value = rebound.expect(401);
}
