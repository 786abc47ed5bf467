//! `…/rehearsals`: asked for, played, shown, canceled and deleted, and nobody is called.

use crate::support::TestServer;
use serde_json::json;

const REHEARSALS: &str = "/api/voice-campaigns/1/rehearsals";

#[test]
fn a_rehearsal_waits_for_its_turn_and_is_found_canceled_and_deleted() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let asked = json!({"seed": 7, "answer_rates": {"9": 0.4}, "trunk": {"lines": 3}, "leads_assumed": 20,
        "changes": {"calls_per_day": 5}});
    let answer = server.post(REHEARSALS, &asked).send();
    assert_eq!(answer.header("Location"), Some("/api/voice-campaigns/1/rehearsals/1"));
    let mut made = json!({"id": 1, "campaign_id": 1, "status": "queued", "progress": 0.0,
        "made_at": "2026-03-04T10:00:00Z", "made_by": answer.json()["made_by"], "settings": asked,
        "result": null, "error": null});
    assert_eq!(answer.expect(202), made);
    assert_eq!(server.get(&format!("{REHEARSALS}/1")).send().expect(200), made);
    assert_eq!(server.delete(&format!("{REHEARSALS}/1")).send().status, 204);
    made["status"] = json!("canceled");
    assert_eq!(server.get(REHEARSALS).send().expect(200), json!([made]));
    assert_eq!(server.delete(&format!("{REHEARSALS}/1")).send().status, 204);
    assert_eq!(server.get(REHEARSALS).send().expect(200), json!([]));
    assert_eq!(server.get(&format!("{REHEARSALS}/1")).send().error(404), "Rehearsal not found");
    let nothing_assumed = server.post(REHEARSALS, &json!({})).send().expect(202);
    assert_eq!(nothing_assumed["id"], 2, "ids are never used again");
}

#[test]
fn what_cannot_be_assumed_is_refused_with_every_reason() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let told = |body| server.post(REHEARSALS, &body).send().expect(400)["details"].clone();
    let fields = |body| {
        let told = told(body);
        let fields: Vec<String> =
            told.as_array().unwrap().iter().map(|one| one["field"].as_str().unwrap().to_owned()).collect();
        fields
    };
    assert_eq!(
        fields(json!({"answer_rates": 2, "talk_seconds": 0, "trunk": {"lines": 0}, "leads_assumed": 0,
            "changes": {"calls_per_day": 0, "status": "paused"}, "sead": 1})),
        [
            "answer_rates",
            "talk_seconds",
            "trunk",
            "leads_assumed",
            "changes.calls_per_day",
            "changes.status",
            "sead"
        ]
    );
    assert_eq!(fields(json!({"start_at": "2020-01-01T00:00:00Z"})), ["start_at"]);
    assert_eq!(fields(json!({"answer_rates": {"24": 0.5}})), ["answer_rates"]);
    assert_eq!(server.get(REHEARSALS).send().expect(200), json!([]));
}
