//! Campaigns that are made of others, or of fiction.

use crate::support::line::StillLine;
use crate::support::{Options, TestServer};
use serde_json::{Value, json};
use std::sync::Arc;
use voice_campaigns::domain::outcome::Outcome;

fn phones(server: &TestServer, campaign: i64) -> Vec<String> {
    let leads = server.get(&format!("/api/voice-campaigns/{campaign}/leads")).send().expect(200);
    leads.as_array().unwrap().iter().map(|lead| lead["phone"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_copy_is_a_draft_of_the_same_settings_with_new_secrets_shown_once() {
    let server = TestServer::start();
    let webhooks = json!([{"url": "https://example.com/hook", "secret": null}]);
    server.campaign(json!({"status": "active", "budget": 7, "tags": ["spring"], "webhooks": webhooks}));
    server.lead(1, "+12025550101");
    let original = server.get("/api/voice-campaigns/1").send().expect(200);
    let answer = server.post("/api/voice-campaigns/1/duplicate", &json!({})).send();
    let copy = answer.expect(201);
    assert_eq!(answer.header("Location"), Some("/api/voice-campaigns/2"));
    assert_eq!(copy["name"], "Customer Survey Campaign (copy)");
    assert_eq!((&copy["status"], &copy["total_leads"]), (&json!("draft"), &json!(0)));
    assert!(copy["webhooks"][0]["secret"].as_str().unwrap().starts_with("whsec_"));
    let mut shown = server.get("/api/voice-campaigns/2").send().expect(200);
    assert_eq!(shown["webhooks"][0].get("secret"), None);
    for own in ["id", "name", "status", "total_leads"] {
        shown[own] = original[own].clone();
    }
    assert_eq!(shown, original, "everything else is as it was");
    let stats = server.get("/api/voice-campaigns/2/stats").send().expect(200);
    assert_eq!(
        (&stats["standing"]["state"], &stats["standing"]["by"]),
        (&json!("draft"), &json!("vc_writer"))
    );
    assert_eq!(
        server.request("POST", "/api/voice-campaigns/1/duplicate").token("vc_writer").send().status,
        201
    );
}

#[test]
fn leads_come_along_as_new_ones_but_never_those_who_said_no() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active"}));
    let ends = [
        ("+12025550141", Some((Outcome::Success, Some(5)))),
        ("+12025550142", Some((Outcome::NoAnswer, None))),
        ("+12025550143", Some((Outcome::OptedOut, Some(5)))),
        ("+12025550144", None),
        ("+12025550145", None),
    ];
    for (phone, end) in ends {
        let lead = server.lead(1, phone);
        if let Some((outcome, talked)) = end {
            server.end_call(server.place_call(lead), outcome, talked);
        }
    }
    server.post("/api/leads/5/cancel", &json!({})).send().expect(200);
    let duplicate = |leads: &str| {
        let body = json!({"name": leads, "leads": leads});
        server.post("/api/voice-campaigns/1/duplicate", &body).send().expect(201)
    };
    let all = duplicate("all");
    assert_eq!((&all["name"], &all["total_leads"]), (&json!("all"), &json!(4)));
    assert_eq!(phones(&server, 2), ["+12025550141", "+12025550142", "+12025550144", "+12025550145"]);
    assert_eq!(duplicate("not_reached")["total_leads"], 2);
    assert_eq!(phones(&server, 3), ["+12025550142", "+12025550144"]);
    assert_eq!(duplicate("none")["total_leads"], 0);
    let first = server.get("/api/voice-campaigns/3/leads").send().expect(200)[0].clone();
    assert_eq!(
        (&first["status"], &first["attempts"], &first["outcome"], &first["first_name"]),
        (&json!("pending"), &json!(0), &Value::Null, &json!("Ada"))
    );
    // Whoever is put on the list by hand does not come along either, though the lead of the original is done.
    server.post("/api/do-not-call", &json!({"phone": "+12025550141", "reason": "asked"})).send().expect(201);
    assert_eq!(duplicate("all")["total_leads"], 3);
}

#[test]
fn a_copy_that_is_asked_for_twice_with_one_key_is_made_once() {
    let server = TestServer::start();
    server.campaign(json!({}));
    server.lead(1, "+12025550101");
    let body = json!({"leads": "all"});
    let ask = || server.post("/api/voice-campaigns/1/duplicate", &body).header("Idempotency-Key", "k").send();
    let first = ask().expect(201);
    let again = ask();
    assert_eq!((again.expect(201), again.header("Idempotent-Replayed")), (first, Some("true")));
    assert_eq!(server.get("/api/voice-campaigns").send().expect(200).as_array().unwrap().len(), 2);
    let wrong = json!({"leads": "some", "nmae": "x"});
    assert_eq!(
        server.post("/api/voice-campaigns/1/duplicate", &wrong).send().error(400),
        "leads: must be one of `none`, `all`, `not_reached`; it is `some`; nmae: unknown field; did you mean `name`?"
    );
    assert_eq!(
        server.post("/api/voice-campaigns/9/duplicate", &body).send().error(404),
        "Voice campaign not found"
    );
}

#[test]
fn a_demonstration_is_made_of_fictional_people_where_nobodys_phone_rings() {
    let server = TestServer::start();
    let answer = server.request("POST", "/api/demo-campaign").token("vc_writer").send();
    let made = answer.expect(201);
    assert_eq!((&made["status"], &made["total_leads"]), (&json!("draft"), &json!(160)));
    assert_eq!(answer.header("Location"), Some("/api/voice-campaigns/1"));
    assert!(phones(&server, 1).iter().all(|phone| phone[5..].starts_with("55501")));

    let mut options = Options::default();
    options.settings.line = Arc::new(StillLine { real_calls: true, ..StillLine::default() });
    let server = TestServer::start_with(options);
    let refused = server.request("POST", "/api/demo-campaign").token("vc_writer").send().expect(409);
    assert_eq!(refused["code"], "real_calls");
    assert_eq!(server.get("/api/voice-campaigns").send().expect(200), json!([]));
}
