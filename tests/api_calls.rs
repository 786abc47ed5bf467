//! Calls, as they are shown.

use crate::support::TestServer;
use chrono::TimeDelta;
use serde_json::{Value, json};
use voice_campaigns::domain::outcome::Outcome;

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|call| call["id"].as_i64().unwrap()).collect()
}

#[test]
fn a_call_is_shown_while_it_lives_and_after_it_ended() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active", "cost_per_call": 0.25}));
    let lead = server.lead(1, "+12025550101");
    let call = server.place_call(lead);
    let alive = server.get(&format!("/api/calls/{call}")).send().expect(200);
    assert_eq!(
        (&alive["state"], &alive["outcome"], &alive["seconds"]),
        (&json!("placed"), &Value::Null, &Value::Null)
    );

    server.clock.advance(TimeDelta::seconds(30));
    server.end_call(call, Outcome::Success, Some(20));
    let ended = server.get(&format!("/api/calls/{call}")).send().expect(200);
    let fields: Vec<&String> = ended.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "id",
            "campaign_id",
            "campaign_name",
            "lead_id",
            "lead_name",
            "attempt",
            "max_attempts",
            "phone",
            "carrier",
            "state",
            "outcome",
            "successful",
            "detail",
            "placed_at",
            "answered_at",
            "ended_at",
            "seconds",
            "cost",
            "timeline",
            "evidence",
            "recording",
            "peaks",
            "recording_gone",
            "transcript",
            "call_back_at",
            "conversation"
        ]
    );
    for (field, value) in json!({
        "id": call, "campaign_id": 1, "lead_id": lead, "attempt": 1, "phone": "+12025550101",
        "lead_name": "Ada", "campaign_name": "Customer Survey Campaign", "max_attempts": 3,
        "carrier": "simulator", "state": "ended", "outcome": "success", "successful": true, "detail": null,
        "placed_at": "2026-03-04T10:00:00Z", "answered_at": "2026-03-04T10:00:10Z",
        "ended_at": "2026-03-04T10:00:30Z", "seconds": 20, "cost": 0.25
    })
    .as_object()
    .unwrap()
    {
        assert_eq!(&ended[field], value, "{field}");
    }
    assert!(ended["timeline"].is_array());
    assert_eq!(ended["evidence"]["time_zones"], json!(["UTC"]));
}

#[test]
fn calls_are_listed_newest_first_filtered_and_paged() {
    let server = TestServer::start();
    for campaign in [1, 2] {
        server.campaign(json!({"status": "active"}));
        for n in [101, 102] {
            let lead = server.lead(campaign, &format!("+12025550{n}"));
            let outcome = if n == 101 { Outcome::Busy } else { Outcome::NoAnswer };
            server.end_call(server.place_call(lead), outcome, None);
        }
    }
    let list = |path: &str| ids(&server.get(path).send().expect(200));
    assert_eq!(list("/api/calls"), [4, 3, 2, 1]);
    assert_eq!(list("/api/calls?campaign_id=1"), [2, 1]);
    assert_eq!(list("/api/calls?lead_id=3"), [3]);
    assert_eq!(list("/api/calls?outcome=busy"), [3, 1]);
    assert_eq!(list("/api/voice-campaigns/2/calls"), [4, 3]);
    assert_eq!(list("/api/voice-campaigns/2/calls?outcome=no_answer"), [4]);
    let page = server.get("/api/calls?limit=3").send();
    assert_eq!(page.header("Link"), Some("</api/calls?limit=3&cursor=2>; rel=\"next\""));
    assert_eq!(list("/api/calls?limit=3&cursor=2"), [1]);
    assert_eq!(
        server.get("/api/voice-campaigns/2/calls?campaign_id=1").send().error(400),
        "campaign_id: unknown parameter"
    );
    assert_eq!(server.get("/api/voice-campaigns/3/calls").send().error(404), "Voice campaign not found");
    assert_eq!(server.get("/api/calls/5").send().error(404), "Call not found");
}

#[test]
fn calls_are_found_by_name_or_number_by_time_and_by_how_far_they_have_come() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active"}));
    server.campaign(json!({"status": "active"}));
    for (campaign, phone, first_name) in [
        (1, "+12025550101", "Ada"),
        (2, "+12025550102", "Grace"),
        (1, "+12025550103", "Adam"),
        (2, "+12025550104", "Eve"),
    ] {
        let body = json!({"phone": phone, "first_name": first_name, "last_name": "Hopper"});
        let lead = server.post(&format!("/api/voice-campaigns/{campaign}/leads"), &body).send().expect(201);
        let call = server.place_call(lead["id"].as_i64().unwrap());
        if call < 3 {
            server.end_call(call, Outcome::Busy, None);
        }
        server.clock.advance(TimeDelta::days(1));
    }
    let list = |query: &str| ids(&server.get(&format!("/api/calls?{query}")).send().expect(200));
    assert_eq!(list("search=ada"), [3, 1]);
    assert_eq!(list("search=GRACE%20hop"), [2]);
    assert_eq!(list("search=5550104"), [4]);
    assert_eq!(list("search=ada&campaign_id=2"), Vec::<i64>::new());
    assert_eq!(list("state=alive"), [4, 3]);
    assert_eq!(list("state=placed&campaign_id=1"), [3]);
    assert_eq!(list("state=ringing"), Vec::<i64>::new());
    assert_eq!(list("state=ended"), [2, 1]);
    // The first was placed on March 4th at 10:00.
    assert_eq!(list("from=2026-03-05T10:00:00Z"), [4, 3, 2]);
    assert_eq!(list("to=2026-03-05T10:00:00Z"), [1]);
    assert_eq!(list("from=2026-03-05&to=2026-03-06"), [3, 2]);
    assert_eq!(list("from=2026-03-08"), Vec::<i64>::new());
    assert_eq!(list("state=alive&from=2026-03-07"), [4]);
    let of_campaign = server.get("/api/voice-campaigns/2/calls?from=2026-03-05&search=e&limit=1").send();
    assert_eq!(ids(&of_campaign.expect(200)), [4]);
    let next = "</api/voice-campaigns/2/calls?from=2026-03-05&search=e&limit=1&cursor=4>; rel=\"next\"";
    assert_eq!(of_campaign.header("Link"), Some(next));
    let (_, table) = server.get("/api/calls/export?search=ada&from=2026-03-05").send_for_bytes();
    let table = String::from_utf8(table).unwrap();
    assert_eq!(table.lines().map(|line| line.split(',').next().unwrap()).collect::<Vec<_>>(), ["id", "3"]);
    assert_eq!(
        server.get("/api/calls?state=dead&from=yesterday").send().error(400),
        "state: must be one of `placed`, `ringing`, `answered`, `ended`, `alive`; it is `dead`; from: \"yesterday\" is \
         no date or time: write it like 2024-02-19T10:00:00Z, 2024-02-19 10:00 or 2024-02-19"
    );
}

#[test]
fn a_call_that_is_alive_can_be_ended_and_one_that_has_ended_cannot() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active"}));
    let call = server.place_call(server.lead(1, "+12025550101"));
    let path = format!("/api/calls/{call}/hangup");
    let answer = server.post(&path, &json!({})).send().expect(202);
    assert_eq!(answer, server.get(&format!("/api/calls/{call}")).send().expect(200));
    server.request("POST", &path).token(crate::support::ADMIN).send().expect(202);
    assert_eq!(server.write(|tx| tx.calls_to_cancel()), [call]);
    server.end_call(call, Outcome::Canceled, None);
    let ended = server.get(&format!("/api/calls/{call}")).send().expect(200);
    assert_eq!((&ended["outcome"], &ended["detail"]), (&json!("canceled"), &json!("Hung up by vc_writer")));
    let refused = server.post(&path, &json!({})).send().expect(409);
    assert_eq!(refused, json!({"error": "This call has ended already", "code": "call_ended"}));
    assert_eq!(server.post("/api/calls/9/hangup", &json!({})).send().error(404), "Call not found");
    server.request("POST", &path).token(crate::support::READER).send().error(403);
}
