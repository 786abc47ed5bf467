//! Who changed what: every change leaves one entry, and nothing else does.

use crate::support::{ADMIN, Options, READER, TestServer, WRITER};
use chrono::TimeDelta;
use serde_json::{Value, json};

fn entries(server: &TestServer, query: &str) -> Vec<Value> {
    let answer = server.request("GET", &format!("/api/audit{query}")).token(ADMIN).send();
    answer.expect(200).as_array().unwrap().clone()
}

#[test]
fn an_entry_says_who_when_what_and_to_what() {
    let server = TestServer::start();
    let id = server.campaign(json!({}));
    let status = format!("/api/voice-campaigns/{id}/status");
    let answer = server.patch(&status, &json!({"status": "paused"})).send();
    assert_eq!(answer.status, 409);
    let answer = server.request("PATCH", &status).token(ADMIN).json(&json!({"status": "active"})).send();
    answer.expect(200);
    let entries = entries(&server, "");
    let entry = |id: i64, token: i64, by: &str, action: &str, target: &str, request_id: &Value| {
        json!({"id": id, "at": "2026-03-04T10:00:00Z", "token_id": token, "by": by, "action": action,
               "target": target, "request_id": request_id})
    };
    let first = &entries[1]["request_id"];
    assert!(first.is_string());
    let last = json!(answer.header("X-Request-Id"));
    assert_eq!(
        entries,
        [
            entry(2, 3, ADMIN, "PATCH /api/voice-campaigns/<id>/status", &status, &last),
            entry(1, 2, WRITER, "POST /api/voice-campaigns", &format!("/api/voice-campaigns/{id}"), first),
        ]
    );
}

#[test]
fn every_kind_of_change_leaves_one_entry_without_any_number() {
    let server = TestServer::start_with(Options::default());
    let id = server.campaign(json!({}));
    let campaign = format!("/api/voice-campaigns/{id}");
    let lead = server.lead(id, "+12025550101");
    let other = server.lead(id, "+12025550102");
    let hook = json!({"url": "http://127.0.0.1:8080/x"});
    let (number, body) = ("/api/do-not-call/+12025550107", json!({}));
    let admin = |method: &str, path: &str, body: &Value| {
        let request = server.request(method, path).token(ADMIN);
        if method == "DELETE" { request.send() } else { request.json(body).send() }
    };
    let endpoint = admin("POST", "/api/webhooks", &hook).expect(201)["id"].as_i64().unwrap();
    let webhook = format!("/api/webhooks/{endpoint}");
    let token =
        admin("POST", "/api/tokens", &json!({"name": "x", "scope": "read"})).expect(201)["id"].clone();
    let known = entries(&server, "?limit=1000").len();
    assert_eq!(known, 5);
    let changes = [
        ("PUT", campaign.clone(), json!({"notes": "n"})),
        ("PATCH", format!("{campaign}/status"), json!({"status": "active"})),
        ("POST", format!("{campaign}/duplicate"), json!({"leads": "all"})),
        ("POST", format!("{campaign}/leads"), json!([{"phone": "+12025550103"}, {"phone": "+12025550104"}])),
        ("PUT", format!("/api/leads/{lead}"), json!({"first_name": "Ada"})),
        ("POST", format!("/api/leads/{lead}/schedule"), json!({"at": "2026-03-05T10:00:00Z"})),
        ("POST", format!("/api/leads/{lead}/cancel"), body.clone()),
        ("PATCH", format!("{campaign}/leads?all=true"), json!({"priority": 5})),
        ("POST", format!("{campaign}/leads/retry"), json!({"outcomes": ["busy"]})),
        ("DELETE", format!("/api/leads/{other}"), body.clone()),
        ("POST", "/api/do-not-call".into(), json!({"phone": "+12025550107", "reason": "asked"})),
        ("DELETE", format!("{number}?reason=mistake"), body.clone()),
        ("DELETE", "/api/people/+12025550109".into(), body.clone()),
        ("POST", "/api/dialing/stop".into(), body.clone()),
        ("POST", "/api/dialing/start".into(), body.clone()),
        ("PUT", webhook.clone(), json!({"description": "d"})),
        ("POST", format!("{webhook}/rotate-secret"), body.clone()),
        ("POST", format!("{webhook}/test"), body.clone()),
        ("POST", format!("{webhook}/redeliver-failed"), json!({"since": "2026-03-01"})),
        ("DELETE", webhook.clone(), body.clone()),
        ("POST", "/api/demo-campaign".into(), body.clone()),
        ("DELETE", format!("/api/tokens/{token}"), body.clone()),
        ("POST", "/api/session".into(), json!({"token": READER})),
        ("DELETE", campaign.clone(), body),
    ];
    let count = changes.len() as i64;
    for (nth, (method, path, body)) in changes.into_iter().enumerate() {
        let answer = match path.as_str() {
            "/api/session" => server.request(method, &path).json(&body).send(),
            _ => admin(method, &path, &body),
        };
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
        let now = entries(&server, "?limit=1000");
        assert_eq!(now.len(), known + nth + 1, "{method} {path}");
        assert!(now[0]["action"].as_str().unwrap().starts_with(&format!("{method} /api/")), "{}", now[0]);
    }
    let all = entries(&server, "?limit=1000");
    let ids: Vec<i64> = all.iter().rev().map(|entry| entry["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=known as i64 + count).collect::<Vec<_>>(), "without gaps");
    let all = json!(all).to_string();
    for secret in ["202555", "Ada", "whsec", "asked", "mistake"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
}

#[test]
fn what_changes_nothing_leaves_no_entry() {
    let server = TestServer::start();
    let id = server.campaign(json!({}));
    let campaign = format!("/api/voice-campaigns/{id}");
    let once = || {
        let request = server.post(&format!("{campaign}/leads"), &json!({"phone": "+12025550101"}));
        request.header("Idempotency-Key", "k").send()
    };
    once().expect(201);
    let before = entries(&server, "");
    assert_eq!(before.len(), 2);
    once().expect(201);
    server.get(&campaign).send().expect(200);
    server.post(&format!("{campaign}/preview"), &json!({"values": {}})).send();
    let many = json!([{"phone": "+12025550102"}]);
    server.post(&format!("{campaign}/leads?dry_run=true"), &many).send().expect(200);
    server.request("DELETE", &campaign).token(READER).send().expect(403);
    server.delete("/api/leads/999").send().expect(404);
    server.put(&campaign, &json!({"nmae": "x"})).send().expect(400);
    server.delete(&campaign).header("If-Match", "\"0\"").send().expect(412);
    assert_eq!(entries(&server, ""), before);
}

#[test]
fn the_list_is_the_administrators_and_comes_in_pages() {
    let server = TestServer::start();
    for token in [READER, WRITER] {
        server.request("GET", "/api/audit").token(token).send().expect(403);
    }
    let id = server.campaign(json!({}));
    for nth in 0..4 {
        server.clock.advance(TimeDelta::days(1));
        let body = json!({"notes": format!("{nth}")});
        server.put(&format!("/api/voice-campaigns/{id}"), &body).send().expect(200);
    }
    let ids =
        |query: &str| entries(&server, query).iter().map(|entry| entry["id"].as_i64().unwrap()).collect();
    let all: Vec<i64> = ids("");
    assert_eq!(all, [5, 4, 3, 2, 1]);
    let answer = server.request("GET", "/api/audit?limit=2").token(ADMIN).send();
    assert_eq!(answer.header("Link"), Some("</api/audit?limit=2&cursor=4>; rel=\"next\""));
    let page: Vec<i64> = ids("?limit=2&cursor=4");
    assert_eq!(page, [3, 2]);
    let since: Vec<i64> = ids("?since=2026-03-07T10:00:00Z");
    assert_eq!(since, [5, 4]);
    let (mine, nobodys): (Vec<i64>, Vec<i64>) = (ids("?token_id=2"), ids("?token_id=3"));
    assert_eq!((mine.len(), nobodys.len()), (5, 0));
    let refused = server.request("GET", "/api/audit?tokn=2").token(ADMIN).send();
    assert_eq!(refused.error(400), "tokn: unknown parameter");

    server.write(|tx| tx.forget_old_deeds(TimeDelta::days(2)).map(|_| ()));
    let left: Vec<i64> = ids("");
    assert_eq!(left, [5, 4]);
}

#[test]
fn what_takes_many_transactions_is_written_down_in_the_first() {
    const ROWS: usize = 5_000;
    let server = TestServer::start();
    let table =
        (0..ROWS).fold("phone\n".to_owned(), |table, n| table + &format!("+1202{:07}\n", 5_550_000 + n));
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| {
            let request = server.request("POST", "/api/do-not-call").token(WRITER);
            request.body("text/csv", table.as_bytes()).send().expect(201)
        });
        let listed = || {
            let answer = server.get("/api/do-not-call?limit=1").send();
            answer.header("X-Total-Count").unwrap().parse::<usize>().unwrap()
        };
        let some = std::iter::repeat_with(listed).find(|count| *count > 0).unwrap();
        let noted = entries(&server, "");
        assert_eq!(noted.len(), 1, "{some} numbers are listed");
        assert_eq!((&noted[0]["action"], &noted[0]["by"]), (&json!("POST /api/do-not-call"), &json!(WRITER)));
        assert!(some < ROWS, "it was too quick to be looked at");
        assert_eq!(sent.join().unwrap()["added"], ROWS);
    });
    assert_eq!(entries(&server, "").len(), 1);
    let request = server.request("POST", "/api/do-not-call").token(WRITER);
    request.body("text/csv", b"name,age\nAda,7\n").send().error(400);
    assert_eq!(entries(&server, "").len(), 1, "a table of something else changes nothing");
}
