//! The published contract, call by call.

use crate::support::{READER, TestServer, WRITER};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::sync::Mutex;
use voice_campaigns::domain::campaign::Request;
use voice_campaigns::domain::endpoint::Endpoint;
use voice_campaigns::domain::outcome::Outcome;

/// The customer's example of a new campaign.
pub(crate) fn example() -> Value {
    json!({
        "name": "Customer Survey Campaign",
        "description": "Automated survey for customer satisfaction",
        "status": "draft",
        "priority": "high",
        "calls_per_day": 50,
        "calling_hours_start": "09:00:00",
        "calling_hours_end": "17:00:00",
        "system_prompt": "You are a friendly customer service representative",
        "script_template": "Hello {customer_name}, this is a survey call..."
    })
}

/// The example with other values for some fields.
pub(crate) fn example_with(changes: Value) -> Value {
    let mut body = example();
    for (field, value) in changes.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

/// The example as the server shows it, when it is the first campaign.
const SHOWN: &str = r#"{"id":1,"name":"Customer Survey Campaign",
"description":"Automated survey for customer satisfaction","status":"draft","priority":"high",
"campaign_type":"outbound","calls_per_day":50,"total_leads":0,"completed_calls":0,"successful_calls":0,
"failed_calls":0,"calling_hours_start":"09:00:00","calling_hours_end":"17:00:00","time_zone":"UTC",
"working_days":["Monday","Tuesday","Wednesday","Thursday","Friday"],"ai_voice_id":null,
"ai_voice_language":"en-US","ai_voice_gender":null,
"system_prompt":"You are a friendly customer service representative",
"script_template":"Hello {customer_name}, this is a survey call...","fallback_script":null,
"max_attempts_per_lead":3,"retry_delay_minutes":60,"call_duration_limit":300,
"success_criteria":"call_completed","cost_per_call":0,"budget":null,"budget_alert_threshold":80,
"max_concurrent_calls":5,"ring_timeout_seconds":30,"caller_id":null,"lead_time_zone_policy":"campaign",
"start_date":null,"end_date":null,"recurrence_rule":null,"expected_completion_date":null,"owner_id":null,
"team_members":[],"company_id":null,"tags":[],"notes":null,"webhooks":[],
"keys":null,"opt_out_sentence":null,"machine_detection":null,"transfer_number":null,"record_calls":false,
"recording_announcement":null,"inbound_number":null,"script_prompt":null,"fallback_prompt":null,"agent":null,
"agent_disclosure":null,
"created_at":"2026-03-04T10:00:00Z","updated_at":"2026-03-04T10:00:00Z"}"#;

/// The same with other values for some fields.
fn shown_with(changes: Value) -> Value {
    let mut body: Value = serde_json::from_str(SHOWN).unwrap();
    for (field, value) in changes.as_object().unwrap() {
        assert!(body.get(field).is_some(), "{field}");
        body[field] = value.clone();
    }
    body
}

/// What a look at the example's scripts finds, as the answer to a change ends with it.
const WARNINGS: &str = r#","warnings":[{"code":"no_identification","field":"script_template",
"message":"does not seem to say at its start who is calling; begin with something like `this is Ada from Northwind`, which many countries require"}]}"#;

/// A campaign as it is shown, as the answer to a change shows it.
fn warned(shown: &str) -> String {
    shown.replace('\n', "").strip_suffix('}').unwrap().to_owned() + &WARNINGS.replace('\n', "")
}

/// The answer to a change, without what was found in the scripts.
fn unwarned(mut answer: Value) -> Value {
    assert!(answer.as_object_mut().unwrap().shift_remove("warnings").is_some_and(|told| told.is_array()));
    answer
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|campaign| campaign["name"].as_str().unwrap()).collect()
}

#[test]
fn the_published_example_makes_a_campaign_with_every_field_in_the_documented_order() {
    let server = TestServer::start();
    let answer = server.post("/api/voice-campaigns", &example()).send();
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("Location"), Some("/api/voice-campaigns/1"));
    assert_eq!(answer.header("ETag"), Some("\"1-0\""));
    assert_eq!(answer.body, warned(SHOWN));

    let answer = server.get("/api/voice-campaigns/1").send();
    assert_eq!((answer.status, answer.body), (200, SHOWN.replace('\n', "")));
}

#[test]
fn the_list_is_a_plain_array_of_whole_campaigns_newest_first() {
    let server = TestServer::start();
    assert_eq!(server.get("/api/voice-campaigns").send().expect(200), json!([]));
    server.campaign(json!({"name": "first"}));
    server.campaign(json!({"name": "second"}));
    server.clock.advance(TimeDelta::seconds(1));
    server.campaign(json!({"name": "third"}));
    let answer = server.get("/api/voice-campaigns").send();
    let list = answer.expect(200);
    assert_eq!(names(&list), ["third", "second", "first"]);
    assert_eq!(list[2], shown_with(json!({"name": "first"})));
    assert_eq!((answer.header("Link"), answer.header("X-Total-Count")), (None, None));
    assert_eq!(server.get("/api/voice-campaigns/").send().body, answer.body);
}

#[test]
fn every_field_that_can_be_set_comes_back_as_it_was_set() {
    let server = TestServer::start();
    let set = json!({
        "description": "d", "priority": "low", "campaign_type": "inbound", "calls_per_day": 1_000_000,
        "calling_hours_start": "22:00:00", "calling_hours_end": "06:30:00", "time_zone": "Europe/Berlin",
        "working_days": ["Sunday"], "ai_voice_id": "voice-123", "ai_voice_language": "de-DE",
        "ai_voice_gender": "female", "fallback_script": "Bye", "max_attempts_per_lead": 20,
        "retry_delay_minutes": 43_200, "call_duration_limit": 10, "success_criteria": "sale_made",
        "cost_per_call": 0.5, "budget": 1000, "budget_alert_threshold": 1, "max_concurrent_calls": 1_000,
        "ring_timeout_seconds": 120, "caller_id": "+12025550123", "lead_time_zone_policy": "lead",
    });
    let more = json!({
        "start_date": "2026-03-01T08:00:00Z", "end_date": "2026-04-01T00:00:00Z",
        "recurrence_rule": "FREQ=WEEKLY;BYDAY=MO", "expected_completion_date": "2026-03-31", "owner_id": 7,
        "team_members": [1, 2], "company_id": 3, "tags": ["a", "b"], "notes": "n",
        "webhooks": [{"url": "https://example.com/hook", "events": ["call.completed"], "description": "mine"}],
        "keys": {"1": "yes", "8": "opt_out", "0": "transfer"}, "opt_out_sentence": "", "machine_detection": true,
        "transfer_number": "+12025550199", "record_calls": true, "recording_announcement": "We record this.",
        "inbound_number": "+12025550177",
    });
    let mut body = example_with(set);
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let created = server.post("/api/voice-campaigns", &body).send().expect(201);
    let shown = server.get("/api/voice-campaigns/1").send().expect(200);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&shown[field], value, "{field}");
    }
    assert!(created["webhooks"][0]["secret"].as_str().unwrap().starts_with("whsec_"));
}

#[test]
fn times_and_amounts_come_out_in_one_form_whatever_form_they_came_in() {
    let server = TestServer::start();
    let id = server.campaign(json!({
        "name": "  trimmed ", "calling_hours_start": "09:00", "calling_hours_end": "17:00", "time_zone": "America/New_York",
        "working_days": ["friday", "MONDAY"], "start_date": "2026-03-01 09:00:00", "cost_per_call": 0.5000,
        "budget": 1e3, "expected_completion_date": null
    }));
    let shown = server.get(&format!("/api/voice-campaigns/{id}")).send().expect(200);
    assert_eq!(shown["name"], "trimmed");
    assert_eq!(
        (&shown["calling_hours_start"], &shown["calling_hours_end"]),
        (&json!("09:00:00"), &json!("17:00:00"))
    );
    assert_eq!(shown["working_days"], json!(["Monday", "Friday"]));
    assert_eq!(shown["start_date"], "2026-03-01T14:00:00Z");
    assert_eq!((&shown["cost_per_call"], &shown["budget"]), (&json!(0.5), &json!(1000)));
}

#[test]
fn a_change_touches_only_the_fields_that_were_sent() {
    let server = TestServer::start();
    server.campaign(json!({}));
    server.clock.advance(TimeDelta::seconds(90));
    let answer =
        server.put("/api/voice-campaigns/1", &json!({"calls_per_day": 60, "description": null})).send();
    let expected =
        shown_with(json!({"calls_per_day": 60, "description": null, "updated_at": "2026-03-04T10:01:30Z"}));
    assert_eq!(unwarned(answer.expect(200)), expected);
    assert_eq!(answer.header("ETag"), Some("\"2-0\""));
    assert_eq!(server.get("/api/voice-campaigns/1").send().expect(200), expected);
}

#[test]
fn a_campaign_that_is_fetched_and_sent_back_whole_does_not_change() {
    let server = TestServer::start();
    server.campaign(json!({"budget": 0.3, "webhooks": [{"url": "https://example.com/hook"}]}));
    let before = server.get("/api/voice-campaigns/1").send();
    server.clock.advance(TimeDelta::hours(1));
    let after = server.put("/api/voice-campaigns/1", &before.json()).send();
    assert_eq!((after.status, &after.body), (200, &warned(&before.body)));
    assert_eq!(after.header("ETag"), before.header("ETag"));
    let again = server.put("/api/voice-campaigns/1", &after.json()).send();
    assert_eq!((again.status, &again.body), (200, &after.body), "nor does the answer, sent back");
}

#[test]
fn a_webhook_secret_is_shown_once_and_kept() {
    let server = TestServer::start();
    let hook = |url: &str| json!({"url": url});
    let mine = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";
    let secrets = |body: Value| -> Vec<bool> {
        body["webhooks"].as_array().unwrap().iter().map(|hook| hook.get("secret").is_some()).collect()
    };
    let own = json!({"url": "https://example.com/b", "secret": mine});
    let body = example_with_webhooks(json!([hook("https://example.com/a"), own]));
    assert_eq!(secrets(server.post("/api/voice-campaigns", &body).send().expect(201)), [true, false]);
    assert_eq!(secrets(server.get("/api/voice-campaigns/1").send().expect(200)), [false, false]);
    assert!(!server.get("/api/voice-campaigns").send().body.contains("whsec_"));

    let kept = kept_secrets(&server, 1);
    assert_eq!(kept[1], mine);
    assert!(server.write(|tx| Ok(tx.campaign(1)?.unwrap().settings.webhooks))[1].secret.is_none());
    let change = json!({"webhooks": [hook("https://example.com/a"), hook("https://example.com/c")]});
    assert_eq!(secrets(server.put("/api/voice-campaigns/1", &change).send().expect(200)), [false, true]);
    assert_eq!(kept_secrets(&server, 1)[0], kept[0]);
}

/// The secrets of a campaign's endpoints, as they sign what is sent to them.
fn kept_secrets(server: &TestServer, campaign_id: i64) -> Vec<String> {
    server.write(move |tx| {
        let campaign = tx.campaign(campaign_id)?.unwrap();
        let secret = |endpoint: &Endpoint| {
            tx.test_endpoint(endpoint, Some(&campaign))?;
            Ok(tx.due_deliveries(endpoint.id, 1)?[0].secrets[0].clone())
        };
        tx.endpoints(Some(campaign_id))?.iter().map(secret).collect()
    })
}

fn example_with_webhooks(webhooks: Value) -> Value {
    example_with(json!({"webhooks": webhooks}))
}

#[test]
fn a_reader_is_not_sent_what_it_has_and_an_editor_cannot_overwrite_what_it_did_not_see() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let path = "/api/voice-campaigns/1";
    let unchanged = server.get(path).header("If-None-Match", "\"1-0\"").send();
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
    assert_eq!(unchanged.header("ETag"), Some("\"1-0\""));
    assert_eq!(unchanged.header("X-RateLimit-Limit"), Some("100000"));
    assert_eq!(server.get(path).header("If-None-Match", "\"9-0\"").send().status, 200);

    let change = json!({"calls_per_day": 60});
    let edit = |tag: &str| server.put(path, &change).header("If-Match", tag).send();
    assert_eq!(edit("\"1-0\"").status, 200);
    let stale = edit("\"1-0\"");
    assert_eq!(stale.error(412), "The campaign has changed since; fetch it again and repeat the change");
    assert_eq!(edit("W/\"1-0\", \"2-77\"").status, 200);
    assert_eq!(edit("*").status, 200);
    let status = json!({"status": "active"});
    assert_eq!(
        server.patch(&format!("{path}/status"), &status).header("If-Match", "\"1-0\"").send().status,
        412
    );
    assert_eq!(server.delete(path).header("If-Match", "\"1-0\"").send().status, 412);
    assert_eq!(server.delete(path).header("If-Match", "\"2-0\"").send().status, 204);
}

#[test]
fn of_many_editors_who_saw_the_same_campaign_one_wins_and_the_others_are_told() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let statuses = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for editor in 1..=32 {
            let (server, statuses) = (&server, &statuses);
            scope.spawn(move || {
                let change = json!({"calls_per_day": 100 + editor});
                let answer =
                    server.put("/api/voice-campaigns/1", &change).header("If-Match", "\"1-0\"").send();
                statuses.lock().unwrap().push(answer.status);
            });
        }
    });
    let mut statuses = statuses.into_inner().unwrap();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[412; 31][..]));
}

#[test]
fn a_call_changes_what_a_reader_sees_but_does_not_hold_back_an_editor() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active"}));
    let lead = server.lead(1, "+12025550101");
    let before = server.get("/api/voice-campaigns/1").send();
    let tag = before.header("ETag").unwrap();
    server.end_call(server.place_call(lead), Outcome::Success, Some(5));
    let after = server.get("/api/voice-campaigns/1").header("If-None-Match", tag).send();
    assert_eq!(after.expect(200)["completed_calls"], 1);
    let change = json!({"calls_per_day": 60});
    assert_eq!(server.put("/api/voice-campaigns/1", &change).header("If-Match", tag).send().status, 412);
    let change = json!({"calls_per_day": 70});
    let tag = after.header("ETag").unwrap();
    assert_eq!(server.put("/api/voice-campaigns/1", &change).header("If-Match", tag).send().status, 200);
}

#[test]
fn a_deleted_campaign_is_gone_for_everybody() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let lead = server.lead(1, "+12025550101");
    let answer = server.delete("/api/voice-campaigns/1").send();
    assert_eq!((answer.status, answer.body.as_str(), answer.header("Content-Length")), (204, "", None));
    for path in ["", "/stats", "/leads", "/calls"] {
        let answer = server.get(&format!("/api/voice-campaigns/1{path}")).send();
        assert_eq!(answer.error(404), "Voice campaign not found");
    }
    assert_eq!(server.delete("/api/voice-campaigns/1").send().error(404), "Voice campaign not found");
    assert_eq!(server.put("/api/voice-campaigns/1", &json!({})).send().status, 404);
    assert_eq!(
        server.patch("/api/voice-campaigns/1/status", &json!({"status": "active"})).send().status,
        404
    );
    assert_eq!(
        server.post("/api/voice-campaigns/1/leads", &json!({"phone": "+12025550102"})).send().status,
        404
    );
    assert_eq!(server.get(&format!("/api/leads/{lead}")).send().error(404), "Lead not found");
    assert_eq!(server.get("/api/voice-campaigns").send().expect(200), json!([]));
    server.campaign(json!({}));
    assert_eq!(server.get("/api/voice-campaigns/2").send().status, 200, "ids are not used again");
}

#[test]
fn the_status_follows_its_rules_in_every_call_that_can_change_it() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let patch =
        |status: &str| server.patch("/api/voice-campaigns/1/status", &json!({"status": status})).send();
    assert_eq!(
        patch("paused").error(409),
        "A campaign that is `draft` cannot become `paused`; it can become `active` or `completed`"
    );
    server.clock.advance(TimeDelta::seconds(1));
    let active = patch("active");
    assert_eq!(
        unwarned(active.expect(200)),
        shown_with(json!({"status": "active", "updated_at": "2026-03-04T10:00:01Z"}))
    );
    assert!(active.header("ETag").unwrap().starts_with("\"2-"));
    server.clock.advance(TimeDelta::seconds(1));
    assert_eq!(patch("active").body, active.body, "to the present status nothing changes");
    assert_eq!(patch("draft").status, 409);
    for status in ["paused", "active", "completed", "active"] {
        assert_eq!(patch(status).expect(200)["status"], status);
    }
    let put =
        |status: &str| server.put("/api/voice-campaigns/1", &json!({"status": status, "notes": "x"})).send();
    assert_eq!(put("draft").status, 409);
    assert_eq!(server.get("/api/voice-campaigns/1").send().json()["notes"], Value::Null);
    assert_eq!(put("paused").expect(200)["status"], "paused");
    for status in ["draft", "active", "paused", "completed"] {
        let body = example_with(json!({"status": status}));
        assert_eq!(server.post("/api/voice-campaigns", &body).send().expect(201)["status"], status);
    }
}

#[test]
fn a_status_request_says_exactly_one_status() {
    let server = TestServer::start();
    server.campaign(json!({}));
    for (body, message) in [
        (json!({}), "status: is required"),
        (json!({"status": null}), "status: is required and must not be null"),
        (
            json!({"status": "running"}),
            "status: must be one of `draft`, `active`, `paused`, `completed`; it is `running`",
        ),
        (json!({"status": "active", "name": "x"}), "name: unknown field"),
        (json!(["active"]), "body: must be a JSON object, not an array"),
    ] {
        assert_eq!(server.patch("/api/voice-campaigns/1/status", &body).send().error(400), message);
    }
}

#[test]
fn the_statistics_are_the_published_ones_and_then_our_own() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active", "cost_per_call": 0.5, "budget": 1000}));
    let expected = r#"{"total_leads":0,"completed_calls":0,"successful_calls":0,"failed_calls":0,
"cost_per_call":0.5,"budget":1000,"success_rate":"0.00","total_cost":0,"remaining_budget":1000,"attempts":0,
"unanswered_calls":0,"error_calls":0,"calls_today":0,"in_progress_calls":0,"average_duration_seconds":0,
"leads":{"pending":0,"in_progress":0,"scheduled":0,"completed":0,"failed":0,"canceled":0,"do_not_call":0},
"outcomes":{"success":0,"declined":0,"callback":0,"opted_out":0,"voicemail":0,"message_left":0,"hung_up":0,
"no_input":0,"transferred":0,"no_answer":0,"busy":0,"rejected":0,"invalid_number":0,"carrier_error":0,
"carrier_refused":0,"interrupted":0,"canceled":0},"dialing":{"state":"waiting","reason":"no_leads","until":null,"message":"There is nobody left to call; add leads"},
"standing":{"state":"attention","code":"no_leads","message":"There is nobody to call yet. Add people.","until":null,"by":null,"since":null}}"#;
    assert_eq!(server.get("/api/voice-campaigns/1/stats").send().body, expected.replace('\n', ""));

    let leads: Vec<i64> = (101..=105).map(|n| server.lead(1, &format!("+12025550{n}"))).collect();
    server.end_call(server.place_call(leads[0]), Outcome::Success, Some(10));
    server.end_call(server.place_call(leads[1]), Outcome::Success, Some(20));
    server.end_call(server.place_call(leads[2]), Outcome::HungUp, Some(3));
    server.end_call(server.place_call(leads[3]), Outcome::NoAnswer, None);
    server.place_call(leads[4]);
    let stats = server.get("/api/voice-campaigns/1/stats").send().expect(200);
    let nine = json!({"total_leads": 5, "completed_calls": 3, "successful_calls": 2, "failed_calls": 1,
        "cost_per_call": 0.5, "budget": 1000, "success_rate": "66.67", "total_cost": 1.5,
        "remaining_budget": 998.5});
    for (field, value) in nine.as_object().unwrap() {
        assert_eq!(&stats[field], value, "{field}");
    }
    assert_eq!((&stats["attempts"], &stats["calls_today"]), (&json!(5), &json!(5)));
    assert_eq!((&stats["unanswered_calls"], &stats["in_progress_calls"]), (&json!(1), &json!(1)));
    assert_eq!(stats["average_duration_seconds"], 11);
    assert_eq!(stats["outcomes"]["success"], 2);
    assert_eq!(stats["leads"]["in_progress"], 1);
    assert_eq!(stats["dialing"], json!({"state": "calling", "reason": null, "until": null, "message": null}));
    let standing = json!({"state": "calling", "code": null, "message": "Calling now.", "until": null, "by": null,
        "since": null});
    assert_eq!(stats["standing"], standing);
    server.patch("/api/voice-campaigns/1/status", &json!({"status": "paused"})).send().expect(200);
    let stats = server.get("/api/voice-campaigns/1/stats").send().expect(200);
    let standing = json!({"state": "paused", "code": null, "message": "Paused.", "until": null, "by": "vc_writer",
        "since": "2026-03-04T10:00:00Z"});
    assert_eq!(stats["standing"], standing);
}

#[test]
fn without_a_budget_nothing_remains_of_it_and_a_lowered_one_is_never_below_zero() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active", "cost_per_call": 5}));
    let stats = || server.get("/api/voice-campaigns/1/stats").send().expect(200);
    assert_eq!((&stats()["budget"], &stats()["remaining_budget"]), (&Value::Null, &Value::Null));
    let lead = server.lead(1, "+12025550101");
    server.end_call(server.place_call(lead), Outcome::Success, Some(10));
    server.put("/api/voice-campaigns/1", &json!({"budget": 1})).send().expect(200);
    assert_eq!((&stats()["total_cost"], &stats()["remaining_budget"]), (&json!(5), &json!(0)));
}

#[test]
fn a_list_can_be_filtered_sorted_and_paged() {
    let server = TestServer::start();
    for (name, status, priority, tag) in [
        ("Autumn sale", "active", "low", "shop"),
        ("Bike survey", "draft", "high", "survey"),
        ("Car survey", "active", "medium", "survey"),
        ("Dog survey", "completed", "high", "survey"),
    ] {
        server.campaign(json!({"name": name, "status": status, "priority": priority, "tags": [tag]}));
        server.clock.advance(TimeDelta::seconds(1));
    }
    let list = |query: &str| server.get(&format!("/api/voice-campaigns?{query}")).send();
    for (query, expected) in [
        ("status=active", &["Car survey", "Autumn sale"][..]),
        ("priority=high", &["Dog survey", "Bike survey"]),
        ("campaign_type=inbound", &[]),
        ("tag=survey&status=draft", &["Bike survey"]),
        ("search=BIKE", &["Bike survey"]),
        ("search=100%25", &[]),
        ("sort=name&order=asc", &["Autumn sale", "Bike survey", "Car survey", "Dog survey"]),
        ("sort=priority", &["Dog survey", "Bike survey", "Car survey", "Autumn sale"]),
    ] {
        assert_eq!(names(&list(query).expect(200)), expected, "{query}");
    }

    for sort in ["created_at", "updated_at", "name", "priority"] {
        for order in ["asc", "desc"] {
            let all = list(&format!("sort={sort}&order={order}")).expect(200);
            let mut seen = Vec::new();
            let mut next = Some(format!("/api/voice-campaigns?sort={sort}&order={order}&limit=1"));
            while let Some(path) = next {
                let page = server.get(&path).send();
                assert_eq!(page.header("X-Total-Count"), Some("4"));
                seen.extend(page.expect(200).as_array().unwrap().clone());
                let link = page.header("Link").map(str::to_owned);
                next = link.map(|link| {
                    link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned()
                });
            }
            assert_eq!(Value::Array(seen), all, "{sort} {order}");
        }
    }
}

#[test]
fn a_parameter_nobody_knows_is_refused_with_the_nearest_known_one() {
    let server = TestServer::start();
    let answer = server.get("/api/voice-campaigns?stauts=active&limit=0&cursor=x").send();
    assert_eq!(
        answer.expect(400),
        json!({
            "error": "limit: must be an integer between 1 and 1000; it is `0`; \
                      cursor: must be one of the `Link` header, used with the same `sort` and `order`; \
                      stauts: unknown parameter; did you mean `status`?",
            "code": "invalid",
            "details": [
                {"field": "limit", "message": "must be an integer between 1 and 1000; it is `0`"},
                {"field": "cursor",
                 "message": "must be one of the `Link` header, used with the same `sort` and `order`"},
                {"field": "stauts", "message": "unknown parameter; did you mean `status`?"}
            ]
        })
    );
}

#[test]
fn ten_thousand_campaigns_come_in_one_list() {
    let server = TestServer::start();
    server.write(|tx| {
        let request = Request::read(example(), None).unwrap();
        for _ in 0..10_000 {
            tx.insert_campaign(&request, "test")?;
        }
        Ok(())
    });
    let list = server.get("/api/voice-campaigns").send().expect(200);
    let ids: Vec<i64> = list.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, (1..=10_000).rev().collect::<Vec<i64>>());
}

#[test]
fn a_head_request_answers_like_a_get_without_the_body() {
    let server = TestServer::start();
    server.campaign(json!({}));
    for path in ["/api/voice-campaigns", "/api/voice-campaigns/1", "/api/voice-campaigns/7", "/health"] {
        let (get, head) = (server.get(path).send(), server.request("HEAD", path).token(READER).send());
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{path}");
        assert_eq!(head.header("Content-Length"), get.header("Content-Length"), "{path}");
        assert_eq!(head.header("ETag"), get.header("ETag"), "{path}");
    }
}

#[test]
fn two_webhooks_of_one_url_each_keep_their_secret() {
    let server = TestServer::start();
    let secret = |letter: &str| format!("whsec_{}", letter.repeat(32));
    let hook = |letter| json!({"url": "https://example.com/hook", "secret": secret(letter)});
    let id = server.campaign(json!({"webhooks": [hook("a"), hook("b")]}));
    let path = format!("/api/voice-campaigns/{id}");
    let seen = server.get(&path).send().expect(200);
    server.put(&path, &seen).send().expect(200);
    assert_eq!(kept_secrets(&server, id), [secret("a"), secret("b")]);
}

#[test]
fn the_longest_texts_fit_however_they_are_escaped() {
    let server = TestServer::start();
    let id = server.campaign(json!({}));
    let text = |letter: &str| letter.repeat(20_000);
    let escaped = text("\\ud83d\\ude00");
    let body = format!(
        "{{\"system_prompt\": \"{escaped}\", \"script_template\": \"{escaped}\", \"fallback_script\": \"{escaped}\", \
         \"notes\": \"{escaped}\"}}"
    );
    let path = format!("/api/voice-campaigns/{id}");
    let answer = server.request("PUT", &path).token(WRITER).body("application/json", body.as_bytes()).send();
    assert_eq!(answer.expect(200)["system_prompt"], text("😀"));
}

#[test]
fn thousands_of_unknown_fields_are_refused_at_once_and_in_few_words() {
    let server = TestServer::start();
    let id = server.campaign(json!({}));
    let body: Value =
        (0..3_500).map(|n| (format!("{n:0>60}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let refused = server.put(&format!("/api/voice-campaigns/{id}"), &body).send().expect(400);
    let details = refused["details"].as_array().unwrap();
    assert_eq!(details.len(), 101);
    assert_eq!(details[100], json!({"field": "body", "message": "has 3400 more unknown fields"}));
}

#[test]
fn a_date_or_number_that_is_none_is_told_as_it_was_sent() {
    let server = TestServer::start();
    for (field, value, told) in [
        ("expected_completion_date", json!("2026-01-01Tgarbage"), "it is `2026-01-01Tgarbage`"),
        ("calls_per_day", json!(1e300), "it is 1e+300"),
    ] {
        let body = example_with(json!({ field: value }));
        let error = server.post("/api/voice-campaigns", &body).send().error(400);
        assert!(error.starts_with(field) && error.ends_with(told), "{error}");
    }
    let body = example_with(json!({"expected_completion_date": "2026-01-01T10:00:00Z"}));
    let made = server.post("/api/voice-campaigns", &body).send().expect(201);
    assert_eq!(made["expected_completion_date"], "2026-01-01");
}

#[test]
fn more_campaigns_than_are_read_at_once_are_listed_by_name_each_once() {
    let server = TestServer::start();
    let letters = ["Ä", "ä", "Z", "z", "é", "日", "ß", "Ω", "a", "Ж"];
    for n in 0..300 {
        // Some names are the same.
        server.campaign(json!({"name": format!("{}{}", letters[n % 10], n / 20)}));
    }
    let ids = |list: &Value| -> Vec<i64> {
        list.as_array().unwrap().iter().map(|campaign| campaign["id"].as_i64().unwrap()).collect()
    };
    let mut orders = Vec::new();
    for order in ["asc", "desc"] {
        let path = format!("/api/voice-campaigns?sort=name&order={order}");
        let all = ids(&server.get(&path).send().expect(200));
        let mut sorted = all.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=300).collect::<Vec<i64>>());
        let (mut paged, mut next) = (Vec::new(), Some(format!("{path}&limit=7")));
        while let Some(path) = next {
            let page = server.get(&path).send();
            paged.extend(ids(&page.expect(200)));
            let link = page.header("Link").map(|link| link.split_once('>').unwrap().0[1..].to_owned());
            next = link;
        }
        assert_eq!(paged, all);
        orders.push(all);
    }
    orders[1].reverse();
    assert_eq!(orders[0], orders[1]);
}

#[test]
fn an_amount_is_an_exact_number() {
    let server = TestServer::start();
    let id = server.campaign(json!({}));
    let path = format!("/api/voice-campaigns/{id}");
    let put = |amount: &str| {
        let body = format!("{{\"budget\": {amount}}}");
        server.request("PUT", &path).token(WRITER).body("application/json", body.as_bytes()).send()
    };
    for (amount, shown) in
        [("-0", json!(0)), ("12.5000", json!(12.5)), ("999999999.9999", json!(999999999.9999))]
    {
        assert_eq!(put(amount).expect(200)["budget"], shown);
    }
    for amount in ["999999999.99990001", "0.10000000000000000555", "0.00001", "-0.0001", "\"0.5\""] {
        assert_eq!(put(amount).status, 400, "{amount}");
    }
}

#[test]
fn keys_without_a_way_out_are_refused_and_null_brings_the_usual_ones_back() {
    let server = TestServer::start();
    let id = server.campaign(json!({"keys": {"1": "yes", "9": "opt_out"}}));
    let path = format!("/api/voice-campaigns/{id}");
    for (keys, told) in [
        (json!({"1": "yes"}), r#"keys: must have a key for `opt_out`, such as {"1": "yes", "9": "opt_out"}"#),
        (json!({"0": "transfer", "9": "opt_out"}), "transfer_number: is required while key 0 is `transfer`"),
    ] {
        assert_eq!(server.put(&path, &json!({"keys": keys})).send().error(400), told);
    }
    let moved = json!({"keys": {"*": "opt_out", "9": "repeat"}});
    assert_eq!(server.put(&path, &moved).send().expect(200)["keys"], json!({"9": "repeat", "*": "opt_out"}));
    assert_eq!(server.put(&path, &json!({"keys": null})).send().expect(200)["keys"], json!(null));
}

#[test]
fn a_number_leads_to_one_campaign_that_is_there() {
    let server = TestServer::start();
    let inbound = json!({"campaign_type": "inbound", "inbound_number": "+12025550177"});
    let first = server.campaign(inbound.clone());
    let refused = server.post("/api/voice-campaigns", &example_with(inbound.clone())).send();
    assert_eq!(refused.error(400), "inbound_number: is the number of campaign 1 already; use another one");
    let path = format!("/api/voice-campaigns/{first}");
    server.put(&path, &json!({"name": "still its own"})).send().expect(200);
    let copy = server.post(&format!("{path}/duplicate"), &json!({})).send().expect(201);
    assert_eq!((&copy["campaign_type"], &copy["inbound_number"]), (&json!("inbound"), &json!(null)));
    assert_eq!(server.delete(&path).send().status, 204);
    server.campaign(inbound);
}

#[test]
fn only_prompts_of_the_campaign_can_be_named() {
    let server = TestServer::start();
    let refused = server.post("/api/voice-campaigns", &example_with(json!({"script_prompt": 1}))).send();
    assert_eq!(refused.error(400), "script_prompt: this campaign has no prompt 1; upload it first");
}

#[test]
fn a_date_beyond_the_calendar_is_told_the_limit() {
    let server = TestServer::start();
    let body = example_with(json!({"end_date": "9999-12-31"}));
    assert_eq!(
        server.post("/api/voice-campaigns", &body).send().error(400),
        "end_date: \"9999-12-31\" is out of range: the year must be 1900 to 9000"
    );
}

#[test]
fn a_parameter_that_is_blank_or_unknown_is_refused_everywhere() {
    let server = TestServer::start();
    let id = server.campaign(json!({}));
    let lead = server.lead(id, "+12025550101");
    let call = server.place_call(lead);
    for path in [
        "/api/voice-campaigns?status=".to_owned(),
        "/api/voice-campaigns?cursor=%20".to_owned(),
        format!("/api/voice-campaigns/{id}/leads?cursor="),
        format!("/api/voice-campaigns/{id}?status=active"),
        format!("/api/voice-campaigns/{id}/stats?from=2026-01-01"),
        format!("/api/leads/{lead}?x=1"),
        format!("/api/calls/{call}?x=1"),
    ] {
        assert_eq!(server.get(&path).send().status, 400, "{path}");
    }
}

#[test]
fn the_next_page_is_on_this_host_however_the_path_is_written() {
    let server = TestServer::start();
    for _ in 0..2 {
        server.campaign(json!({}));
    }
    let request = "GET //api//voice-campaigns?limit=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    let answer = server.raw(format!("{request}Authorization: Bearer {READER}\r\n\r\n").as_bytes());
    assert!(answer.contains("</api/voice-campaigns?limit=1&cursor="), "{answer}");
}

#[test]
fn a_change_with_a_parameter_that_nobody_knows_changes_nothing() {
    let server = TestServer::start();
    let id = server.campaign(json!({}));
    let path = format!("/api/voice-campaigns/{id}?froce=1");
    for refused in [
        server.post("/api/voice-campaigns?dry_run=true", &example()),
        server.put(&path, &json!({"name": "Other"})),
        server.patch(&format!("/api/voice-campaigns/{id}/status?froce=1"), &json!({"status": "paused"})),
        server.delete(&path),
    ] {
        assert!(refused.send().error(400).ends_with(": unknown parameter"));
    }
    let all = server.get("/api/voice-campaigns").send().expect(200);
    assert_eq!((all.as_array().unwrap().len(), &all[0]["name"]), (1, &example()["name"]));
}

#[test]
fn whoever_changes_a_campaign_that_is_not_there_learns_that_first() {
    let server = TestServer::start();
    for body in [json!({"status": "asleep"}), json!({}), json!({"nmae": "x"})] {
        let put = server.put("/api/voice-campaigns/7", &body).send();
        let patch = server.patch("/api/voice-campaigns/7/status", &body).send();
        assert_eq!(
            (put.error(404), patch.error(404)),
            ("Voice campaign not found".into(), "Voice campaign not found".into())
        );
    }
}
