//! API tokens over HTTP: made, listed and revoked by whoever may.

use crate::support::{ADMIN, READER, Request, TestServer, WRITER};
use chrono::TimeDelta;
use serde_json::{Value, json};

fn create<'s>(server: &'s TestServer, body: &Value) -> Request<'s> {
    server.request("POST", "/api/tokens").token(ADMIN).json(body)
}

fn revoke<'s>(server: &'s TestServer, id: &str) -> Request<'s> {
    server.request("DELETE", &format!("/api/tokens/{id}")).token(ADMIN)
}

#[test]
fn a_token_is_shown_once_and_listed_without_itself() {
    let server = TestServer::start();
    let answer = create(&server, &json!({"name": " Reports ", "scope": "read"})).send();
    let mut made = answer.expect(201);
    let token = made.as_object_mut().unwrap().remove("token").unwrap().as_str().unwrap().to_owned();
    assert!(token.starts_with("vc_") && token.len() == 52, "{token}");
    let shown = json!({"id": 4, "name": "Reports", "scope": "read", "created_at": "2026-03-04T10:00:00Z", "last_used_at": null, "expires_at": null});
    assert_eq!(made, shown);
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));

    assert_eq!(server.request("GET", "/api/calls").token(&token).send().status, 200);
    server.get("/api/calls").send().expect(200);
    assert_eq!(server.request("POST", "/api/voice-campaigns").token(&token).send().status, 403);
    server.write(|_| Ok(()));
    let list = server.request("GET", "/api/tokens").token(ADMIN).send();
    let row = |id: i64, name: &str, scope: &str, last_used_at: Value| json!({"id": id, "name": name, "scope": scope, "created_at": "2026-03-04T10:00:00Z", "last_used_at": last_used_at, "expires_at": null});
    let now = || json!("2026-03-04T10:00:00Z");
    assert_eq!(
        list.expect(200),
        json!([
            row(1, READER, "read", Value::Null),
            row(2, WRITER, "write", now()),
            row(3, ADMIN, "admin", now()),
            row(4, "Reports", "read", now()),
        ])
    );
    assert!(!list.body.contains(&token));
}

#[test]
fn a_revoked_token_is_gone_at_once_and_its_id_is_not_used_again() {
    let server = TestServer::start();
    let answer = revoke(&server, "2").send();
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(server.get("/api/calls").send().status, 401);
    for id in ["2", "9", "0", "02", "x"] {
        let answer = revoke(&server, id).send();
        assert_eq!(answer.expect(404), json!({"error": "Token not found", "code": "not_found"}), "{id}");
    }
    let made = create(&server, &json!({"name": WRITER, "scope": "write"})).send().expect(201);
    assert_eq!(made["id"], 4);
    let list = server.request("GET", "/api/tokens").token(ADMIN).send().expect(200);
    let ids: Vec<&Value> = list.as_array().unwrap().iter().map(|token| &token["id"]).collect();
    assert_eq!(ids, [1, 3, 4]);
}

#[test]
fn the_last_token_that_may_make_tokens_stays() {
    let server = TestServer::start();
    let refused = revoke(&server, "3").send();
    assert_eq!(
        refused.expect(409),
        json!({
            "error": "This is the last token with the scope `admin` that does not expire; make another one first",
            "code": "last_admin_token",
        })
    );
    let for_a_while = json!({"name": "another", "scope": "admin", "expires_at": "2026-03-05"});
    create(&server, &for_a_while).send().expect(201);
    assert_eq!(revoke(&server, "3").send().status, 409, "the other one will be gone");
    create(&server, &json!({"name": "one more", "scope": "admin"})).send().expect(201);
    assert_eq!(revoke(&server, "3").send().status, 204, "a token may end itself");
    assert_eq!(revoke(&server, "4").send().status, 401);
}

#[test]
fn a_token_that_expires_counts_until_then_and_not_a_millisecond_longer() {
    let server = TestServer::start();
    let new = json!({"name": "Agency", "scope": "write", "expires_at": "2026-03-04T11:00:00+01:00"});
    let refused = create(&server, &new).send();
    assert_eq!(
        refused.expect(400)["error"],
        "expires_at: must be in the future",
        "it is ten o'clock here as well"
    );
    let new = json!({"name": "Agency", "scope": "write", "expires_at": "2026-03-04"});
    let made = create(&server, &new).send().expect(201);
    assert_eq!(made["expires_at"], "2026-03-05T00:00:00Z", "the day counts");
    let token = made["token"].as_str().unwrap();
    let ask = || server.request("GET", "/api/calls").token(token).send();
    server.clock.advance(TimeDelta::hours(14) - TimeDelta::milliseconds(1));
    assert_eq!(ask().status, 200);
    server.clock.advance(TimeDelta::milliseconds(1));
    let refused = ask();
    assert_eq!(
        (refused.status, refused.body),
        (401, server.request("GET", "/api/calls").token("x").send().body)
    );
    let listed = server.request("GET", "/api/tokens").token(ADMIN).send().expect(200);
    assert_eq!(listed[3]["expires_at"], "2026-03-05T00:00:00Z", "whoever wonders why can see it");
    assert_eq!(revoke(&server, "4").send().status, 204);
}

#[test]
fn what_a_token_needs_is_told_all_at_once() {
    let server = TestServer::start();
    let details = |body: Value| {
        let answer = create(&server, &body).send().expect(400);
        answer["details"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["field"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(details(json!({})), ["name", "scope"]);
    assert_eq!(details(json!({"name": "", "scope": "all", "nmae": 1})), ["name", "scope", "nmae"]);
    assert_eq!(details(json!({"name": "two\nlines", "scope": "read"})), ["name"]);
    assert_eq!(details(json!({"name": "x".repeat(201), "scope": null})), ["name", "scope"]);
    let answer = create(&server, &json!({"name": "x", "scope": "root"})).send().expect(400);
    assert_eq!(answer["details"][0]["message"], "must be one of `read`, `write`, `admin`; it is `root`");
    for (method, path) in [("GET", "/api/tokens?x=1"), ("DELETE", "/api/tokens/1?x=1")] {
        assert_eq!(server.request(method, path).token(ADMIN).send().status, 400);
    }
}

#[test]
fn only_an_administrator_manages_tokens() {
    let server = TestServer::start();
    for (method, path) in [("GET", "/api/tokens"), ("POST", "/api/tokens"), ("DELETE", "/api/tokens/1")] {
        for token in [READER, WRITER] {
            let answer = server.request(method, path).token(token).send();
            let expected = json!({"error": "This token lacks the scope `admin`", "code": "forbidden"});
            assert_eq!(answer.expect(403), expected, "{method} {path} {token}");
        }
    }
}
