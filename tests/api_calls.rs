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
            "lead_id",
            "attempt",
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
            "evidence"
        ]
    );
    for (field, value) in json!({
        "id": call, "campaign_id": 1, "lead_id": lead, "attempt": 1, "phone": "+12025550101",
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
