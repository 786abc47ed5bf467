//! The log of the real program: whatever happens to people in it, it shows neither their numbers nor their names.

use crate::support::program::{PATIENCE, Place, Running};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::time::Duration;

/// Numbers of the simulator's stories, and names that nothing else is called.
const DIGITS: [&str; 4] = ["2025550101", "2025550109", "2025550110", "2025550104"];
const NAMES: [&str; 4] = ["Zanzibara", "Quetzalina", "zanzibara@example.com", "Xylophonix"];

struct Client<'r> {
    running: &'r Running,
    token: String,
    agent: ureq::Agent,
}

impl Client<'_> {
    fn send(&self, method: &str, path: &str, content_type: &str, body: &str) -> (u16, String) {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.running.url))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", content_type)
            .body(body.to_owned())
            .unwrap();
        let mut response = self.agent.run(request).unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        self.send(method, path, "application/json", &body.to_string())
    }
}

/// Looks again until something is so.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    const LOOK_EVERY: Duration = Duration::from_millis(20);
    for _ in 0..PATIENCE.as_millis() / LOOK_EVERY.as_millis() {
        if is_so() {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    panic!("{what} did not come");
}

#[test]
fn the_log_shows_no_number_and_no_name_at_any_level() {
    let place = Place::new();
    let token = place.token("write");
    let mut command = place.program(&["--port", "0"]);
    command.env("VC_LOG_FILTER", "info,voice_campaigns=trace").env("VC_SIMULATOR_SPEED", "500");
    let running = Running::start(command);
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
    let client =
        Client { running: &running, token, agent: config.allow_non_standard_methods(true).build().into() };
    let campaign = json!({
        "name": "n", "status": "active", "calls_per_day": 1000, "calling_hours_start": "00:00",
        "calling_hours_end": "23:59:59", "system_prompt": "p", "script_template": "Hi {first_name}",
        "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    });
    assert_eq!(client.json("POST", "/api/voice-campaigns", &campaign).0, 201);

    // Good and bad rows, in both forms, and everything a request can get wrong.
    let leads = "/api/voice-campaigns/1/leads";
    let table = "phone,first_name,last_name,email\n+12025550101,Zanzibara,Quetzalina,zanzibara@example.com\n\
                 +12025550109,Xylophonix,,\n+1202555010x,Zanzibara,,\n+12025550101,Zanzibara,,\n\"+12025550110,Xylophonix";
    assert_eq!(client.send("POST", leads, "text/csv", table).0, 201);
    let lead = json!({"phone": "+12025550110", "first_name": "Xylophonix"});
    assert_eq!(client.json("POST", leads, &lead).0, 201);
    assert_eq!(client.json("POST", leads, &lead).0, 409);
    assert_eq!(client.json("POST", leads, &json!({"phone": "+1202555010", "Zanzibara": 1})).0, 400);
    assert_eq!(
        client.send("POST", leads, "application/json", "{\"phone\": \"+12025550104\", Zanzibara}").0,
        400
    );
    for path in [
        format!("{leads}?search=%2B12025550101"),
        format!("{leads}?search=Zanzibara"),
        format!("{leads}/export?search=Zanzibara"),
        format!("{leads}?Zanzibara=12025550101"),
        "/api/leads/12025550101".to_owned(),
        "/api/people/+12025550101".to_owned(),
    ] {
        client.send("GET", &path, "application/json", "");
    }
    wait_until("the first call", || {
        let (_, calls) = client.send("GET", "/api/calls", "application/json", "");
        calls.contains("+12025550101") && calls.contains("\"ended\"")
    });

    // A database that says in its errors what it was about.
    let broken = Connection::open(place.path("data/voice-campaigns.db")).unwrap();
    broken.busy_timeout(PATIENCE).unwrap();
    broken
        .execute_batch(
            "CREATE TRIGGER broken_calls BEFORE UPDATE ON calls
               BEGIN SELECT RAISE(ABORT, 'no ' || NEW.phone || ' in ' || NEW.id); END;
             CREATE TRIGGER broken_leads BEFORE INSERT ON leads
               BEGIN SELECT RAISE(ABORT, 'no ' || NEW.phone || ' for ' || substr(NEW.phone, 3)); END;",
        )
        .unwrap();
    assert_eq!(client.json("POST", leads, &json!({"phone": "+12025550104"})).0, 500);
    broken.execute_batch("DROP TRIGGER broken_leads").unwrap();
    assert_eq!(
        client.json("POST", leads, &json!({"phone": "+12025550104", "first_name": "Xylophonix"})).0,
        201
    );
    // The campaign was completed when the others had been called.
    let active = json!({"status": "active"});
    assert_eq!(client.json("PATCH", "/api/voice-campaigns/1/status", &active).0, 200);
    wait_until("the error of the call", || running.complaints().contains("a fact cannot be written"));

    let log = running.complaints();
    assert!(log.contains("no +1202***0104 for 202***0104"), "{log}");
    assert!(log.contains("no +1202***0104 in "), "{log}");
    for secret in DIGITS.iter().chain(&NAMES) {
        let found = log.lines().find(|line| line.contains(secret));
        assert_eq!(found, None, "{secret} is in the log");
    }
}
