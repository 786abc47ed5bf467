//! Everything at one look: how each campaign stands, the carrier, the settings.

use crate::support::line::StillLine;
use crate::support::{ADMIN, Options, TestServer};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use voice_campaigns::domain::outcome::Outcome;
use voice_campaigns::http::{Setting, Trunk};

/// The names of the campaigns that are shown, in their order.
fn names(overview: &Value) -> Vec<&str> {
    overview["campaigns"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

fn around_the_clock(name: &str, changes: Value) -> Value {
    let mut body = json!({"name": name, "status": "active", "calling_hours_start": "00:00:00",
        "calling_hours_end": "23:59:59"});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

#[test]
fn an_empty_server_has_nothing_to_show() {
    let server = TestServer::start();
    assert_eq!(
        server.get("/api/overview").send().expect(200),
        json!({
            "carrier": {"driver": "simulator", "real_calls": false},
            "in_progress_calls": 0, "lines": 1000, "calls_today": 0, "answered_today": 0, "spent_today": 0,
            "dialing": server.get("/api/dialing").send().expect(200),
            "counts": {"attention": 0, "calling": 0, "waiting": 0, "paused": 0, "draft": 0, "completed": 0},
            "campaigns": []
        })
    );
}

#[test]
fn campaigns_that_need_somebody_come_first_then_those_that_call() {
    let server = TestServer::start();
    let made = [
        ("finished", around_the_clock("finished", json!({}))),
        ("draft", around_the_clock("draft", json!({"status": "draft"}))),
        ("paused", around_the_clock("paused", json!({}))),
        ("waiting", around_the_clock("waiting", json!({"calling_hours_end": "09:00:00"}))),
        (
            "calling",
            around_the_clock("calling", json!({"cost_per_call": 0.5, "time_zone": "Asia/Kathmandu"})),
        ),
        (
            "broke",
            around_the_clock("broke", json!({"budget": 0, "cost_per_call": 1, "description": "No MONEY"})),
        ),
        ("empty", around_the_clock("empty", json!({}))),
    ];
    for (index, (name, body)) in made.into_iter().enumerate() {
        let id = server.campaign(body);
        if !["empty", "draft", "finished"].contains(&name) {
            server.lead(id, &format!("+1202555010{index}"));
        }
        server.clock.advance(TimeDelta::seconds(1));
    }
    for (id, status) in [(1, "completed"), (3, "paused")] {
        let path = format!("/api/voice-campaigns/{id}/status");
        server.patch(&path, &json!({"status": status})).send().expect(200);
    }
    for (phone, outcome, talked) in
        [("+12025550141", Outcome::Success, Some(10)), ("+12025550142", Outcome::Busy, None)]
    {
        server.end_call(server.place_call(server.lead(5, phone)), outcome, talked);
    }
    let alive = server.lead(5, "+12025550143");
    server.place_call(alive);

    let all = server.get("/api/overview").send().expect(200);
    assert_eq!(names(&all), ["empty", "broke", "calling", "waiting", "paused", "draft", "finished"]);
    assert_eq!(
        all["counts"],
        json!({"attention": 2, "calling": 1, "waiting": 1, "paused": 1, "draft": 1, "completed": 1})
    );
    assert_eq!((&all["calls_today"], &all["answered_today"]), (&json!(3), &json!(1)));
    assert_eq!((&all["spent_today"], &all["in_progress_calls"]), (&json!(0.5), &json!(1)));
    let calling = &all["campaigns"][2];
    // 10:00 UTC is 15:45 there.
    let mut hours = [0; 24];
    hours[15] = 3;
    assert_eq!(calling["today_by_hour"], json!(hours));
    assert_eq!(calling["stats"], server.get("/api/voice-campaigns/5/stats").send().expect(200));
    let fields: Vec<&String> = calling.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "id",
            "name",
            "status",
            "campaign_type",
            "priority",
            "time_zone",
            "calls_per_day",
            "max_concurrent_calls",
            "budget",
            "created_at",
            "updated_at",
            "stats",
            "today_by_hour"
        ]
    );
    let standing = &all["campaigns"][3]["stats"]["standing"];
    assert_eq!(
        (&standing["code"], &standing["until"]),
        (&json!("outside_calling_hours"), &json!("2026-03-05T00:00:00Z"))
    );

    let broke = server.get("/api/overview?search=money").send().expect(200);
    assert_eq!(names(&broke), ["broke"]);
    assert_eq!((&broke["counts"]["attention"], &broke["calls_today"]), (&json!(1), &json!(3)));
    let asking = server.get("/api/overview?state=attention").send().expect(200);
    assert_eq!((names(&asking), &asking["counts"]), (vec!["empty", "broke"], &all["counts"]));

    let (mut path, mut seen) = ("/api/overview?limit=3".to_owned(), Vec::new());
    loop {
        let page = server.get(&path).send();
        seen.extend(names(&page.expect(200)).iter().map(|name| name.to_string()));
        let Some(link) = page.header("Link") else { break };
        path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    assert_eq!(seen, names(&all));
    assert_eq!(
        server.get("/api/overview?state=stopped&serach=x&cursor=calling.1").send().error(400),
        "state: must be one of `attention`, `calling`, `waiting`, `paused`, `draft`, `completed`; it is `stopped`; \
         cursor: is not one that was given here; take it from the `Link` of the page before; \
         serach: unknown parameter; did you mean `search`?"
    );
}

#[test]
fn a_day_ends_at_midnight_on_the_campaigns_own_clocks() {
    let server = TestServer::start();
    for (name, zone) in [("ahead", "Pacific/Auckland"), ("here", "UTC")] {
        let id = server.campaign(around_the_clock(name, json!({"time_zone": zone})));
        let lead = server.lead(id, &format!("+1202555014{id}"));
        server.end_call(server.place_call(lead), Outcome::Success, Some(1));
    }
    assert_eq!(server.get("/api/overview").send().expect(200)["calls_today"], 2);
    // Midnight in Auckland is 11:00 UTC.
    server.clock.advance(TimeDelta::hours(1));
    let later = server.get("/api/overview").send().expect(200);
    assert_eq!((&later["calls_today"], &later["answered_today"]), (&json!(1), &json!(1)));
}

#[test]
fn the_carrier_tells_how_many_lines_are_in_use_and_whether_calls_fail() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active"}));
    let call = |n: i64| server.place_call(server.lead(1, &format!("+1202555{n:04}")));
    let carrier = || server.get("/api/carrier").send().expect(200);
    let sound = json!({"driver": "simulator", "real_calls": false, "channels": 1000, "channels_in_use": 0,
        "calls_per_second": null, "status": "up", "last_error": null, "trunks": []});
    assert_eq!(carrier(), sound);
    call(1);
    (2..=6).for_each(|n| server.end_call(call(n), Outcome::CarrierError, None));
    let failing = carrier();
    assert_eq!((&failing["status"], &failing["channels_in_use"]), (&json!("failing"), &json!(1)));
    assert_eq!(failing["last_error"], "carrier_error");
    server.end_call(call(7), Outcome::Busy, None);
    assert_eq!(carrier()["status"], "up");
}

#[test]
fn a_carrier_is_down_while_none_of_its_trunks_takes_calls() {
    static IS_SECOND_UP: AtomicBool = AtomicBool::new(false);
    let trunk = |name: &str, problem: Option<&str>, registered| Trunk {
        name: name.into(),
        host: "sip.example.com:5070".into(),
        status: if problem.is_none() { "up" } else { "down" },
        problem: problem.map(str::to_owned),
        warning: None,
        channels: 10,
        channels_in_use: 2,
        calls_per_second: 0.5,
        registered,
    };
    let mut options = Options::default();
    let trunks = Box::new(move || {
        let problem = (!IS_SECOND_UP.load(Ordering::SeqCst)).then_some("it has not answered yet");
        vec![trunk("town", Some("it does not answer"), Some(false)), trunk("spare", problem, None)]
    });
    options.settings.line = Arc::new(StillLine { trunks, ..StillLine::default() });
    let server = TestServer::start_with(options);
    let carrier = || server.get("/api/carrier").send().expect(200);
    let down = carrier();
    assert_eq!((&down["status"], &down["trunks"][1]["status"]), (&json!("down"), &json!("down")));
    IS_SECOND_UP.store(true, Ordering::SeqCst);
    let up = carrier();
    assert_eq!(up["status"], "up");
    assert_eq!(
        up["trunks"],
        json!([
            {"name": "town", "host": "sip.example.com:5070", "status": "down", "problem": "it does not answer",
                "warning": null,
                "channels": 10, "channels_in_use": 2, "calls_per_second": 0.5, "registered": false},
            {"name": "spare", "host": "sip.example.com:5070", "status": "up", "problem": null,
                "warning": null,
                "channels": 10, "channels_in_use": 2, "calls_per_second": 0.5, "registered": null}
        ])
    );
}

#[test]
fn the_settings_are_shown_to_an_administrator_alone() {
    let mut options = Options::default();
    options.settings.in_force = vec![Setting {
        key: "port".into(),
        environment: "VC_PORT".into(),
        value: json!(8001),
        default: json!(8000),
        source: "file",
        description: "where it listens".into(),
    }];
    let server = TestServer::start_with(options);
    let shown = server.request("GET", "/api/settings").token(ADMIN).send().expect(200);
    assert!(shown["database_bytes"].as_i64().unwrap() > 4_096);
    let expected = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "data_dir": server.folder.path().display().to_string(),
        "schema_version": 8,
        "started_at": "2026-03-04T10:00:00Z",
        "database_bytes": shown["database_bytes"],
        "settings": [{"key": "port", "environment": "VC_PORT", "value": 8001, "default": 8000, "source": "file",
            "description": "where it listens"}]
    });
    assert_eq!(shown, expected);
    let refused = server.get("/api/settings").send().expect(403);
    assert_eq!(refused["error"], "This token lacks the scope `admin`");
}
