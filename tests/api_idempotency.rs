//! A request that is sent again is answered again and not done again.

use crate::api_campaigns::{example, example_with};
use crate::support::{ADMIN, Answer, TestServer, WRITER};
use chrono::TimeDelta;
use serde_json::{Value, json};

fn create(server: &TestServer, key: &str, body: &Value) -> Answer {
    server.post("/api/voice-campaigns", body).header("Idempotency-Key", key).send()
}

fn count(server: &TestServer) -> usize {
    server.get("/api/voice-campaigns").send().expect(200).as_array().unwrap().len()
}

#[test]
fn the_same_request_gets_the_first_answer_again_for_a_day() {
    let server = TestServer::start();
    let first = create(&server, "key-1", &example());
    assert_eq!((first.status, first.header("Idempotent-Replayed")), (201, None));
    server.clock.advance(TimeDelta::hours(23));
    for key in ["key-1", "\"key-1\""] {
        let again = create(&server, key, &example());
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(again.header("Location"), first.header("Location"));
        assert_eq!(again.header("Idempotent-Replayed"), Some("true"));
    }
    assert_eq!(count(&server), 1);
    server.clock.advance(TimeDelta::hours(1));
    assert_eq!(create(&server, "key-1", &example()).header("Location"), Some("/api/voice-campaigns/2"));
}

#[test]
fn another_request_under_the_same_key_is_refused_and_another_token_has_keys_of_its_own() {
    let server = TestServer::start();
    assert_eq!(create(&server, "k", &example()).status, 201);
    let other = create(&server, "k", &example_with(json!({"name": "other"})));
    let expected = json!({
        "error": "This Idempotency-Key was used for a different request", "code": "idempotency_mismatch"
    });
    assert_eq!(other.expect(422), expected);
    let path = "/api/voice-campaigns/1/leads";
    let elsewhere =
        server.post(path, &json!({"phone": "+12025550101"})).header("Idempotency-Key", "k").send();
    assert_eq!(elsewhere.status, 422);
    let somebody_else = server
        .request("POST", "/api/voice-campaigns")
        .token(ADMIN)
        .json(&example())
        .header("Idempotency-Key", "k");
    assert_eq!(somebody_else.send().header("Location"), Some("/api/voice-campaigns/2"));
}

#[test]
fn what_failed_is_not_remembered() {
    let server = TestServer::start();
    assert_eq!(create(&server, "k", &json!({})).status, 400);
    assert_eq!(create(&server, "k", &example()).status, 201);
}

#[test]
fn a_key_that_is_none_is_refused() {
    let server = TestServer::start();
    for key in ["\"open", "\"\"", &"x".repeat(256)] {
        assert_eq!(create(&server, key, &example()).status, 400, "{key}");
    }
    assert_eq!(count(&server), 0);
}

#[test]
fn leads_in_every_form_can_be_sent_again() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let path = "/api/voice-campaigns/1/leads";
    for (key, kind, body) in [
        ("one", "application/json", "{\"phone\": \"+12025550101\"}"),
        ("many", "application/json", "[{\"phone\": \"+12025550102\"}]"),
        ("table", "text/csv", "phone\n+12025550103\n"),
    ] {
        let send = || {
            let request = server.request("POST", path).token(WRITER).header("Idempotency-Key", key);
            request.body(kind, body.as_bytes()).send()
        };
        let (first, again) = (send(), send());
        assert_eq!((first.status, again.status), (201, 201), "{}", again.body);
        assert_eq!((&first.body, first.header("Location")), (&again.body, again.header("Location")));
        assert_eq!(again.header("Idempotent-Replayed"), Some("true"));
    }
    assert_eq!(server.get("/api/voice-campaigns/1").send().json()["total_leads"], 3);
}

#[test]
fn of_many_equal_requests_at_once_only_one_is_done() {
    let server = TestServer::start();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                assert_eq!(
                    create(&server, "k", &example()).header("Location"),
                    Some("/api/voice-campaigns/1")
                )
            });
        }
    });
    assert_eq!(count(&server), 1);
}

#[test]
fn the_first_answer_is_given_again_whatever_has_become_of_the_campaign() {
    let server = TestServer::start();
    let id = server.campaign(json!({}));
    let path = format!("/api/voice-campaigns/{id}/leads");
    let lead = server.post(&path, &json!({"phone": "+12025550101"})).header("Idempotency-Key", "lead");
    let table = server.request("POST", &path).token(WRITER).header("Idempotency-Key", "table");
    let table = table.body("text/csv", b"phone\n+12025550102\n");
    let first = [lead.send(), table.send()];
    server.delete(&format!("/api/voice-campaigns/{id}")).send().expect(204);
    for (first, again) in first.iter().zip([lead.send(), table.send()]) {
        assert_eq!((first.status, again.status), (201, 201), "{}", again.body);
        assert_eq!(first.body, again.body);
    }
    let new = server.post(&path, &json!({"phone": "+12025550103"})).header("Idempotency-Key", "new");
    assert_eq!(new.send().error(404), "Voice campaign not found");
}

#[test]
fn another_body_under_the_same_key_is_refused_as_such_even_if_it_is_no_body_at_all() {
    let server = TestServer::start();
    let id = server.campaign(json!({}));
    let leads = format!("/api/voice-campaigns/{id}/leads");
    for (path, first) in [("/api/voice-campaigns", example()), (&*leads, json!({"phone": "+12025550101"}))] {
        let send = |body: &[u8]| {
            let request = server.request("POST", path).token(WRITER).header("Idempotency-Key", path);
            request.body("application/json", body).send()
        };
        assert_eq!(send(first.to_string().as_bytes()).status, 201);
        for other in ["{}", "{\"phone\": 1}", "[", "", "{\"a\": 1, \"a\": 1}"] {
            assert_eq!(send(other.as_bytes()).status, 422, "{other}");
        }
    }
}

#[test]
fn a_rehearsal_that_is_asked_for_again_is_played_once() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let path = "/api/voice-campaigns/1/rehearsals";
    let ask = || server.post(path, &json!({"seed": 7})).header("Idempotency-Key", "k").send();
    let first = ask();
    assert_eq!(first.header("Location"), Some("/api/voice-campaigns/1/rehearsals/1"));
    let again = ask();
    assert_eq!((again.header("Idempotent-Replayed"), again.expect(202)), (Some("true"), first.expect(202)));
    assert_eq!(server.get(path).send().expect(200).as_array().unwrap().len(), 1);
}

#[test]
fn the_first_answer_comes_again_with_its_tag() {
    let server = TestServer::start();
    let first = create(&server, "campaign", &example());
    let again = create(&server, "campaign", &example());
    assert_eq!((first.header("ETag"), again.header("ETag")), (Some("\"1-0\""), Some("\"1-0\"")));
    let path = "/api/voice-campaigns/1/leads";
    let lead = server.post(path, &json!({"phone": "+12025550101"})).header("Idempotency-Key", "lead");
    let cancel = server.post("/api/leads/1/cancel", &json!({})).header("Idempotency-Key", "cancel");
    for (request, location) in [(lead, Some("/api/leads/1")), (cancel, None)] {
        let (first, again) = (request.send(), request.send());
        assert_eq!((first.header("Location"), again.header("Location")), (location, location));
        assert!(first.header("ETag").is_some_and(|tag| tag.len() == 35), "{:?}", first.header("ETag"));
        assert_eq!(first.header("ETag"), again.header("ETag"));
        assert_eq!((first.status, first.body.as_str()), (again.status, again.body.as_str()));
        assert_eq!(again.header("Idempotent-Replayed"), Some("true"));
    }
}
