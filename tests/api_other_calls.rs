//! Test calls over the API. No dialer runs here, so a call that was asked for stays where it is.

use crate::support::{READER, TestServer};
use serde_json::json;
use voice_campaigns::domain::guard::{Countries, Guard};
use voice_campaigns::domain::phone::Country;

const TESTS: &str = "/api/voice-campaigns/1/test-calls";

#[test]
fn a_test_call_comes_back_with_every_field_in_the_documented_order() {
    let server = TestServer::start();
    server.campaign(json!({"status": "draft"}));
    let answer = server.post(TESTS, &json!({"phone": "+1 202 555 0101"})).send();
    let shown = r#"{"id":1,"kind":"test","campaign_id":1,"lead_id":null,"phone":"+12025550101","carrier":"simulator",
"is_simulated":true,"state":"placed","outcome":null,"detail":null,"asked_at":"2026-03-04T10:00:00Z","placed_at":null,
"answered_at":null,"ended_at":null,"seconds":null,"timeline":[],"placed_by":"vc_writer","recording":null"#
        .replace('\n', "");
    let whole = format!(
        r#"{shown},"peaks":null,"recording_gone":null,"transcript":[],"call_back_at":null,"conversation":null}}"#
    );
    assert_eq!(
        (answer.status, answer.header("Location")),
        (201, Some("/api/voice-campaigns/1/test-calls/1"))
    );
    assert_eq!(answer.body, whole);
    assert_eq!(server.request("GET", &format!("{TESTS}/1")).token(READER).send().body, whole);
    assert_eq!(server.get(TESTS).send().body, format!("[{shown}}}]"));
    assert_eq!(server.get("/api/inbound-calls").send().body, "[]");
    assert_eq!(server.get("/api/voice-campaigns/1/calls").send().body, "[]");
    let stats = server.get("/api/voice-campaigns/1/stats").send().json();
    assert_eq!((&stats["attempts"], &stats["in_progress_calls"]), (&json!(0), &json!(0)));
    assert_eq!(server.get(&format!("{TESTS}/2")).send().error(404), "Call not found");
    assert_eq!(server.get("/api/inbound-calls/1").send().error(404), "Call not found");
    assert_eq!(server.get("/api/voice-campaigns/2/test-calls").send().error(404), "Voice campaign not found");
}

#[test]
fn a_request_that_is_sent_again_makes_no_second_call() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let ask =
        || server.post(TESTS, &json!({"phone": "+12025550101"})).header("Idempotency-Key", "once").send();
    let (first, second) = (ask(), ask());
    assert_eq!((first.status, second.status, second.header("Idempotent-Replayed")), (201, 201, Some("true")));
    assert_eq!(first.body, second.body);
    assert_eq!(server.get(TESTS).send().json().as_array().unwrap().len(), 1);
}

#[test]
fn one_is_made_at_a_time_and_can_be_taken_back() {
    let server = TestServer::start();
    server.campaign(json!({}));
    server.post(TESTS, &json!({"phone": "+12025550101"})).send().expect(201);
    let refused = server.post(TESTS, &json!({"phone": "+12025550102"})).send().expect(409);
    assert_eq!(
        refused,
        json!({"error": "The test call 1 of this campaign has not ended; one is made at a time", "code": "test_call_alive"})
    );
    let hung_up = server.post(&format!("{TESTS}/1/hangup"), &json!({})).send().expect(202);
    assert_eq!((&hung_up["id"], &hung_up["state"]), (&json!(1), &json!("placed")));
}

#[test]
fn what_forbids_a_number_forbids_a_test_call_to_it() {
    let server = TestServer::start();
    server.campaign(json!({}));
    server.store.set_guard(Guard {
        countries: Countries::Only(vec![Country::parse("US").unwrap()]),
        ..Guard::default()
    });
    server.post("/api/do-not-call", &json!({"phone": "+12025550101"})).send().expect(201);
    for (number, code) in [
        ("+12025550101", "do_not_call"),
        ("+442071234567", "country_not_allowed"),
        ("+19005550199", "number_refused"),
    ] {
        assert_eq!(
            server.post(TESTS, &json!({"phone": number})).send().expect(409)["code"],
            code,
            "{number}"
        );
    }
    server.post("/api/dialing/stop", &json!({})).send().expect(200);
    let refused = server.post(TESTS, &json!({"phone": "+12025550102"})).send().expect(409);
    assert_eq!(refused["code"], "dialing_stopped");
    assert_eq!(server.get(TESTS).send().body, "[]");
}

#[test]
fn a_number_that_is_being_called_is_not_called_twice() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active"}));
    let lead = server.lead(1, "+12025550101");
    server.place_call(lead);
    let refused = server.post(TESTS, &json!({"phone": "+12025550101"})).send().expect(409);
    assert_eq!(refused["code"], "number_in_call");
}

#[test]
fn a_lead_fills_the_script_and_must_have_every_value_of_it() {
    let server = TestServer::start();
    server.campaign(json!({"script_template": "Hello {first_name}, about {plan}", "fallback_script": null}));
    let lead = server.lead(1, "+12025550199");
    let refused = server.post(TESTS, &json!({"phone": "+12025550101", "lead_id": lead})).send().expect(409);
    assert_eq!(refused["code"], "missing_variable");
    assert!(refused["error"].as_str().unwrap().ends_with(": plan"), "{refused}");
    let body = json!({"phone": "+12025550101", "lead_id": lead, "variables": {"plan": "Basic"}});
    assert_eq!(server.post(TESTS, &body).send().expect(201)["lead_id"], lead);
}

#[test]
fn a_test_call_is_refused_with_every_problem() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let body = json!({"phone": "12", "lead_id": 0, "variables": [], "fone": 1});
    let answer = server.post(TESTS, &body).send().expect(400);
    let fields: Vec<&str> =
        answer["details"].as_array().unwrap().iter().map(|d| d["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["phone", "lead_id", "variables", "fone"]);
    let answer = server.post(TESTS, &json!({"phone": "+12025550101", "lead_id": 7})).send();
    assert_eq!(answer.error(400), "lead_id: the campaign has no lead 7");
}
