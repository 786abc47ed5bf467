//! Webhooks over the API: endpoints, their secrets, the log of deliveries, and sending again.

use crate::api_campaigns::example_with;
use crate::support::{READER, TestServer, WRITER};
use chrono::TimeDelta;
use serde_json::{Value, json};
use voice_campaigns::domain::delivery::{Reply, TryError};
use voice_campaigns::store::Tried;

const HOOK: &str = "https://example.com/hook";

fn everywhere(server: &TestServer, body: &Value) -> Value {
    server.post("/api/webhooks", body).admin().send().expect(201)
}

/// A try of a delivery, as the worker writes it down.
fn tried(server: &TestServer, delivery_id: i64, reply: Reply) {
    server.clock.advance(TimeDelta::milliseconds(1_234));
    let at = server.now() - TimeDelta::milliseconds(1_234);
    server.write(move |tx| tx.record_try(&Tried { delivery_id, at, ms: 1_234, signatures: 1, reply }, 0.0));
}

fn answered(status: u16, excerpt: &str) -> Reply {
    Reply::Answered { status, retry_after: None, excerpt: excerpt.into() }
}

/// The field of each item.
fn each(list: &Value, field: &str) -> Vec<Value> {
    list.as_array().unwrap().iter().map(|item| item[field].clone()).collect()
}

#[test]
fn a_webhook_of_all_campaigns_is_added_shown_changed_and_removed() {
    let server = TestServer::start();
    let body = json!({"url": HOOK, "events": ["campaign.error", "call.completed"], "description": "mine"});
    let answer = server.post("/api/webhooks", &body).admin().send();
    let mut created = answer.expect(201);
    assert_eq!(answer.header("Location"), Some("/api/webhooks/1"));
    let secret = created.as_object_mut().unwrap().remove("secret").unwrap();
    assert!(secret.as_str().unwrap().starts_with("whsec_"));
    let expected = json!({
        "id": 1, "campaign_id": null, "campaign_name": null, "url": HOOK, "events": ["call.completed", "campaign.error"],
        "description": "mine", "enabled": true, "disabled_reason": null, "notice": null, "failing_since": null,
        "last_success_at": null, "previous_secret_until": null,
        "last_7_days": {"delivered": 0, "dead": 0, "pending": 0}, "created_at": "2026-03-04T10:00:00Z",
        "updated_at": "2026-03-04T10:00:00Z",
    });
    assert_eq!(created, expected);
    let shown = server.get("/api/webhooks/1").send();
    assert_eq!(shown.expect(200), expected);
    assert_eq!(server.get("/api/webhooks").send().expect(200), json!([expected]));
    let tag = shown.header("ETag").unwrap();
    assert_eq!(tag, answer.header("ETag").unwrap());
    assert_eq!(server.get("/api/webhooks/1").header("If-None-Match", tag).send().status, 304);

    server.clock.advance(TimeDelta::seconds(60));
    let same = server.put("/api/webhooks/1", &expected).admin().header("If-Match", tag).send();
    assert_eq!(same.expect(200), expected, "what was fetched can be sent back");
    let changed =
        server.put("/api/webhooks/1", &json!({"enabled": false, "description": null})).admin().send();
    let mut expected = expected;
    expected["description"] = json!(null);
    expected["enabled"] = json!(false);
    expected["disabled_reason"] = json!("operator");
    expected["notice"] =
        json!("Disabled by hand; nothing is sent to it. Set `enabled` to true to use it again");
    expected["updated_at"] = json!("2026-03-04T10:01:00Z");
    assert_eq!(changed.expect(200), expected);
    let stale = server.put("/api/webhooks/1", &json!({})).admin().header("If-Match", tag).send();
    assert_eq!(stale.error(412), "The webhook has changed since; fetch it again and repeat the change");

    assert_eq!(server.delete("/api/webhooks/1").admin().send().status, 204);
    assert_eq!(server.get("/api/webhooks/1").send().error(404), "Webhook not found");
    assert_eq!(server.get("/api/webhooks").send().expect(200), json!([]));
}

#[test]
fn webhooks_of_all_campaigns_are_the_administrators() {
    let server = TestServer::start();
    let lacking = |request: crate::support::Request| {
        assert_eq!(request.send().error(403), "This token lacks the scope `admin`");
    };
    lacking(server.post("/api/webhooks", &json!({"url": HOOK})));
    everywhere(&server, &json!({"url": HOOK}));
    lacking(server.put("/api/webhooks/1", &json!({"enabled": false})));
    lacking(server.delete("/api/webhooks/1"));
    for action in ["rotate-secret", "test"] {
        lacking(server.post(&format!("/api/webhooks/1/{action}"), &json!({})));
    }
    lacking(server.post("/api/webhooks/1/redeliver-failed", &json!({"since": "2026-03-04"})));
    server.post("/api/webhooks/1/test", &json!({})).admin().send().expect(202);
    lacking(server.post("/api/webhook-deliveries/1/redeliver", &json!({})));
    server.campaign(json!({"webhooks": [{"url": HOOK}]}));
    server.post("/api/webhooks/2/rotate-secret", &json!({})).send().expect(200);
    assert!(server.request("GET", "/api/webhooks").token(READER).send().status == 200);
}

#[test]
fn a_campaigns_webhooks_are_one_thing_seen_from_two_sides() {
    let server = TestServer::start();
    let other = "https://example.com/other";
    let id =
        server.campaign(json!({"webhooks": [{"url": HOOK}, {"url": other, "events": ["campaign.error"]}]}));
    let (campaign, list) =
        (format!("/api/voice-campaigns/{id}"), format!("/api/voice-campaigns/{id}/webhooks"));
    let endpoints = server.get(&list).send().expect(200);
    assert_eq!(each(&endpoints, "url"), [HOOK, other]);
    assert_eq!(each(&endpoints, "campaign_id"), [id, id]);
    assert!(!endpoints.to_string().contains("whsec_"));
    assert_eq!(server.get("/api/webhooks").send().expect(200), json!([]), "none of all campaigns");

    let tag = server.get(&campaign).send().header("ETag").unwrap().to_owned();
    server.put("/api/webhooks/2", &json!({"description": "second"})).send().expect(200);
    let shown = server.get(&campaign).send();
    assert_eq!(
        shown.expect(200)["webhooks"],
        json!([
            {"url": HOOK, "events": ["call.completed", "campaign.status_changed",
              "campaign.budget_threshold_reached", "campaign.error"], "description": null},
            {"url": other, "events": ["campaign.error"], "description": "second"},
        ])
    );
    assert_ne!(shown.header("ETag"), Some(tag.as_str()));
    assert_eq!(server.delete("/api/webhooks/1").send().status, 204);
    assert_eq!(each(&server.get(&campaign).send().expect(200)["webhooks"], "url"), [other]);
    server.put(&campaign, &json!({"webhooks": [{"url": other}]})).send().expect(200);
    let kept = server.get(&list).send().expect(200);
    assert_eq!((each(&kept, "id"), each(&kept, "description")), (vec![json!(2)], vec![json!(null)]));
    server.put(&campaign, &json!({"webhooks": []})).send().expect(200);
    assert_eq!(server.get(&list).send().expect(200), json!([]));
    server.delete(&campaign).send();
    assert_eq!(server.get(&list).send().error(404), "Voice campaign not found");
}

#[test]
fn a_url_that_leads_where_nothing_may_be_sent_is_refused_by_its_field() {
    let server = TestServer::start();
    let refused = |answer: crate::support::Answer, field: &str, text: &str| {
        let body = answer.expect(400);
        assert_eq!(body["details"][0]["field"], field, "{body}");
        assert!(body["details"][0]["message"].as_str().unwrap().contains(text), "{body}");
    };
    for (url, text) in [
        ("http://169.254.169.254/latest", "169.254.169.254"),
        ("http://[::ffff:10.0.0.1]/", "not public"),
        ("http://0x0a000001/", "10.0.0.1"),
        ("ftp://example.com/", "https:// or http://"),
        ("http://me:pw@example.com/", "user name"),
        ("http://example.com:25/", "port"),
        ("not a url", "no URL"),
    ] {
        let body = json!({"url": url});
        refused(server.post("/api/webhooks", &body).admin().send(), "url", text);
        let campaign = example_with(json!({"webhooks": [{"url": HOOK}, body]}));
        refused(server.post("/api/voice-campaigns", &campaign).send(), "webhooks", text);
    }
    let id = server.campaign(json!({"webhooks": [{"url": HOOK}]}));
    let change = json!({"webhooks": [{"url": "http://10.0.0.1/"}]});
    refused(server.put(&format!("/api/voice-campaigns/{id}"), &change).send(), "webhooks", "10.0.0.1");
    refused(server.put("/api/webhooks/1", &json!({"url": "http://10.0.0.1/"})).send(), "url", "10.0.0.1");
    // What the operator allows, and names, which are looked up when something is sent.
    for url in ["http://127.0.0.1:8080/hook", "https://localhost/", "https://example.com:8443/"] {
        everywhere(&server, &json!({"url": url}));
    }
}

#[test]
fn a_new_secret_is_shown_once_and_the_one_before_stays_for_a_day() {
    let server = TestServer::start();
    server.campaign(json!({"webhooks": [{"url": HOOK}]}));
    let rotate =
        || server.post("/api/webhooks/1/rotate-secret", &json!({})).header("Idempotency-Key", "k").send();
    let first = rotate();
    let body = first.expect(200);
    assert!(body["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(body["previous_secret_until"], "2026-03-05T10:00:00Z");
    let again = rotate();
    assert_eq!(
        (again.body.as_str(), again.header("Idempotent-Replayed")),
        (first.body.as_str(), Some("true"))
    );
    server.clock.advance(TimeDelta::days(1));
    let shown = server.get("/api/webhooks/1").send().expect(200);
    assert_eq!((shown.get("secret"), &shown["previous_secret_until"]), (None, &json!(null)));
}

#[test]
fn a_delivery_shows_what_was_sent_and_what_came_back() {
    let server = TestServer::start();
    let id = server.campaign(json!({"webhooks": [{"url": HOOK}]}));
    server
        .patch(&format!("/api/voice-campaigns/{id}/status"), &json!({"status": "active"}))
        .send()
        .expect(200);
    let list = format!("/api/voice-campaigns/{id}/webhook-deliveries");
    let waiting = server.get(&list).send().expect(200);
    let webhook_id = waiting[0]["webhook_id"].as_str().unwrap().to_owned();
    assert_eq!(
        waiting,
        json!([{
            "id": 1, "endpoint_id": 1, "campaign_id": id, "webhook_id": webhook_id,
            "type": "campaign.status_changed", "state": "pending", "tries": 0,
            "next_try_at": "2026-03-04T10:00:00Z", "delivered_at": null, "created_at": "2026-03-04T10:00:00Z",
            "last_try": null,
        }])
    );
    tried(&server, 1, Reply::Failed(TryError::Timeout));
    tried(&server, 1, answered(503, "come back \\u{1b}[0m later"));
    tried(&server, 1, answered(200, ""));
    let last = json!({"at": "2026-03-04T10:00:02Z", "milliseconds": 1234, "status_code": 200, "error": null,
                      "message": null, "answer": ""});
    let whole = server.get("/api/webhook-deliveries/1").send().expect(200);
    let headers = |seconds: i64| {
        json!({"content-type": "application/json", "webhook-id": webhook_id,
               "webhook-timestamp": (1_772_618_400 + seconds).to_string(), "webhook-signature": "v1,********"})
    };
    assert_eq!(
        whole,
        json!({
            "id": 1, "endpoint_id": 1, "campaign_id": id, "webhook_id": webhook_id,
            "type": "campaign.status_changed", "state": "delivered", "tries": 3, "next_try_at": null,
            "delivered_at": "2026-03-04T10:00:03Z", "created_at": "2026-03-04T10:00:00Z", "last_try": last,
            "payload": {
                "type": "campaign.status_changed", "timestamp": "2026-03-04T10:00:00Z",
                "data": {"campaign": {"id": id, "name": "Customer Survey Campaign"}, "from": "draft", "to": "active",
                         "by": WRITER, "reason": null, "sequence": 1},
            },
            "log": [
                {"at": "2026-03-04T10:00:00Z", "milliseconds": 1234, "status_code": null, "error": "timeout",
                 "message": "No answer came within 15 seconds", "answer": "", "headers": headers(0)},
                {"at": "2026-03-04T10:00:01Z", "milliseconds": 1234, "status_code": 503, "error": null,
                 "message": null, "answer": "come back \\u{1b}[0m later", "headers": headers(1)},
                {"at": "2026-03-04T10:00:02Z", "milliseconds": 1234, "status_code": 200, "error": null,
                 "message": null, "answer": "", "headers": headers(2)},
            ],
        })
    );
    assert_eq!(server.get("/api/webhook-deliveries/2").send().error(404), "Webhook delivery not found");
}

#[test]
fn the_log_is_filtered_and_paged() {
    let server = TestServer::start();
    everywhere(&server, &json!({"url": HOOK}));
    let first = server.campaign(json!({"webhooks": [{"url": HOOK}]}));
    let second = server.campaign(json!({}));
    for id in [first, second] {
        let path = format!("/api/voice-campaigns/{id}/status");
        for status in ["active", "paused"] {
            server.patch(&path, &json!({"status": status})).send().expect(200);
        }
    }
    server.post(&format!("/api/voice-campaigns/{first}/webhooks/test"), &json!({})).send().expect(202);
    tried(&server, 1, answered(200, ""));
    let ids = |path: &str| each(&server.get(path).send().expect(200), "id");
    let all = "/api/webhook-deliveries";
    assert_eq!(ids(all).len(), 7);
    assert_eq!(ids(&format!("{all}?state=delivered")), [1]);
    assert_eq!(ids(&format!("{all}?endpoint_id=1")).len(), 4);
    assert_eq!(ids(&format!("{all}?campaign_id={second}")).len(), 2);
    assert_eq!(ids(&format!("{all}?endpoint_id=1&campaign_id={second}")).len(), 2);
    assert_eq!(ids(&format!("{all}?type=webhook.test")), [7]);
    assert_eq!(ids(&format!("{all}?type=campaign.error")), [] as [Value; 0]);
    assert_eq!(ids(&format!("/api/voice-campaigns/{first}/webhook-deliveries?endpoint_id=2")).len(), 3);
    let page = server.get(&format!("{all}?limit=5")).send();
    assert_eq!(page.header("Link"), Some("</api/webhook-deliveries?limit=5&cursor=3>; rel=\"next\""));
    assert_eq!(ids(&format!("{all}?limit=5&cursor=3")), [2, 1]);
    let body = server.get(&format!("{all}?type=call.done&sate=dead")).send().expect(400);
    let details: Vec<Value> = each(&body["details"], "message");
    assert!(details[0].as_str().unwrap().ends_with("`webhook.test`; it is `call.done`"), "{details:?}");
    assert_eq!(details[1], "unknown parameter; did you mean `state`?");
}

#[test]
fn a_test_event_goes_to_every_webhook_that_is_enabled_and_counts_nowhere() {
    let server = TestServer::start();
    let id = server.campaign(json!({"webhooks": [{"url": HOOK}, {"url": "https://example.com/b"}]}));
    server.put("/api/webhooks/2", &json!({"enabled": false})).send().expect(200);
    let test = |path: &str| server.post(path, &json!({})).send();
    let path = format!("/api/voice-campaigns/{id}/webhooks/test");
    assert_eq!(test(&path).expect(202), json!({"delivery_ids": [1]}));
    assert_eq!(test("/api/webhooks/1/test").expect(202), json!({"delivery_ids": [2]}));
    let refused = test("/api/webhooks/2/test").expect(409);
    assert_eq!(refused["code"], "webhook_disabled");
    let payload = server.get("/api/webhook-deliveries/1").send().expect(200)["payload"].clone();
    let expected = json!({"type": "webhook.test", "timestamp": "2026-03-04T10:00:00Z",
        "data": {"campaign": {"id": id, "name": "Customer Survey Campaign"}, "message": "This is a test; nothing has happened"}});
    assert_eq!(payload, expected);
    assert_eq!(server.write(move |tx| tx.campaign(id)).unwrap().totals.sequence, 0);
    let bare = server.campaign(json!({}));
    assert_eq!(test(&format!("/api/voice-campaigns/{bare}/webhooks/test")).status, 409);
    everywhere(&server, &json!({"url": HOOK}));
    server.post("/api/webhooks/3/test", &json!({})).admin().send().expect(202);
    let shown = server.get("/api/webhook-deliveries/3").send().expect(200);
    assert_eq!((&shown["campaign_id"], &shown["payload"]["data"]["campaign"]), (&json!(null), &json!(null)));
}

#[test]
fn what_was_given_up_is_sent_again_one_by_one_or_all_since_an_instant() {
    let server = TestServer::start();
    let id = server.campaign(json!({"webhooks": [{"url": HOOK}]}));
    for status in ["active", "paused", "active"] {
        server
            .patch(&format!("/api/voice-campaigns/{id}/status"), &json!({"status": status}))
            .send()
            .expect(200);
        server.clock.advance(TimeDelta::hours(1));
    }
    tried(&server, 1, answered(410, ""));
    let states =
        |server: &TestServer| each(&server.get("/api/webhook-deliveries").send().expect(200), "state");
    assert_eq!(states(&server), ["dead", "dead", "dead", "dead"][..3]);
    let again = |path: &str, body: Value| server.post(path, &body).send();
    let one = "/api/webhook-deliveries/1/redeliver";
    let all = "/api/webhooks/1/redeliver-failed";
    assert_eq!(again(one, json!({})).expect(409)["code"], "webhook_disabled");
    assert_eq!(again(all, json!({"since": "2026-03-04"})).expect(409)["code"], "webhook_disabled");
    server.put("/api/webhooks/1", &json!({"enabled": true})).send().expect(200);
    let answer = again(one, json!({})).expect(202);
    assert_eq!((&answer["state"], &answer["tries"]), (&json!("pending"), &json!(1)));
    assert_eq!(states(&server), ["dead", "dead", "pending"]);
    let send = || {
        let body = json!({"since": "2026-03-04T11:30:00Z"});
        server.post(all, &body).header("Idempotency-Key", "again").send()
    };
    assert_eq!(send().expect(200), json!({"redelivered": 1}));
    assert_eq!(states(&server), ["pending", "dead", "pending"]);
    assert_eq!(send().header("Idempotent-Replayed"), Some("true"));
    assert_eq!(again(all, json!({})).expect(400)["details"][0]["field"], "since");
    server.delete("/api/webhooks/1").send();
    assert_eq!(states(&server), ["canceled", "dead", "canceled"]);
    assert_eq!(again(one, json!({})).expect(409)["code"], "webhook_removed");
}

#[test]
fn there_is_an_end_to_webhooks_of_all_campaigns() {
    let server = TestServer::start();
    for number in 0..20 {
        everywhere(&server, &json!({"url": format!("https://example.com/{number}")}));
    }
    let answer = server.post("/api/webhooks", &json!({"url": HOOK})).admin().send();
    assert_eq!(answer.error(409), "There are 20 webhooks of all campaigns; delete one first");
}

#[test]
fn the_webhooks_of_all_campaigns_are_seen_together_with_what_became_of_the_week() {
    let server = TestServer::start();
    let webhooks = json!([{"url": HOOK, "events": ["campaign.status_changed"]}]);
    server.campaign(json!({"name": "Survey", "webhooks": webhooks}));
    server.campaign(json!({"name": "Gone", "webhooks": webhooks}));
    server.delete("/api/voice-campaigns/2").send().expect(204);
    server.post("/api/webhooks", &json!({"url": HOOK})).admin().send().expect(201);
    assert_eq!(each(&server.get("/api/webhooks").send().expect(200), "id"), [json!(3)]);
    let all = server.get("/api/webhooks?scope=all").send().expect(200);
    assert_eq!(each(&all, "id"), [json!(3), json!(1)]);
    assert_eq!(each(&all, "campaign_name"), [json!(null), json!("Survey")]);

    server.patch("/api/voice-campaigns/1/status", &json!({"status": "active"})).send().expect(200);
    let sent =
        server.get("/api/webhook-deliveries?endpoint_id=3").send().expect(200)[0]["id"].as_i64().unwrap();
    tried(&server, sent, answered(204, ""));
    let shown =
        |id: i64| server.get(&format!("/api/webhooks/{id}")).send().expect(200)["last_7_days"].clone();
    assert_eq!(shown(1), json!({"delivered": 0, "dead": 0, "pending": 1}));
    assert_eq!(shown(3), json!({"delivered": 1, "dead": 0, "pending": 0}));
    server.clock.advance(TimeDelta::days(8));
    let none = json!({"delivered": 0, "dead": 0, "pending": 0});
    assert_eq!([shown(1), shown(3)], [none.clone(), none]);
    assert_eq!(
        server.get("/api/webhooks?scope=everything").send().error(400),
        "scope: must be one of `shared`, `all`; it is `everything`"
    );
}
