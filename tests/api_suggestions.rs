//! What would reach more people, with what it rests on.

use crate::support::TestServer;
use chrono::TimeDelta;
use serde_json::{Value, json};
use voice_campaigns::domain::call::Ending;
use voice_campaigns::domain::outcome::Outcome;

/// Calls these leads now, one after the other half a minute apart at most; the first `answered` of them pick up.
fn call(server: &TestServer, leads: &[i64], answered: usize) {
    let ids = leads.to_vec();
    let calls = server.write(move |tx| {
        ids.into_iter()
            .map(|id| {
                let lead = tx.lead(id)?.unwrap();
                let mut campaign = tx.campaign(lead.campaign_id)?.unwrap();
                let zone = campaign.settings.time_zone;
                Ok(tx.claim(&mut campaign, &lead, &[zone], "simulator")?.call_id)
            })
            .collect::<Result<Vec<i64>, voice_campaigns::store::StoreError>>()
    });
    server.clock.advance(TimeDelta::seconds(30));
    server.write(move |tx| {
        for (nth, call_id) in calls.into_iter().enumerate() {
            let (outcome, answered_at) = match nth < answered {
                true => (Outcome::Success, Some(tx.now - TimeDelta::seconds(20))),
                false => (Outcome::NoAnswer, None),
            };
            tx.settle(
                call_id,
                Ending { outcome, answered_at, ended_at: tx.now, detail: None, conversation: None },
                None,
            )?;
        }
        Ok(())
    });
}

fn campaign(server: &TestServer, changes: Value) -> i64 {
    let mut body = json!({"time_zone": "UTC", "max_attempts_per_lead": 5, "retry_delay_minutes": 30,
        "working_days": ["Wednesday"]});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    server.campaign(body)
}

fn leads(server: &TestServer, campaign: i64, count: usize) -> Vec<i64> {
    let phones: Vec<Value> = (0..count).map(|n| json!({"phone": format!("+1202600{n:04}")})).collect();
    server.post(&format!("/api/voice-campaigns/{campaign}/leads"), &json!(phones)).send().expect(201);
    let shown = server.get(&format!("/api/voice-campaigns/{campaign}/leads?limit=500")).send().expect(200);
    shown.as_array().unwrap().iter().map(|lead| lead["id"].as_i64().unwrap()).collect()
}

fn suggestions(server: &TestServer, campaign: i64) -> Value {
    server.get(&format!("/api/voice-campaigns/{campaign}/suggestions")).send().expect(200)
}

#[test]
fn without_calls_nothing_is_suggested_and_everything_is_as_stated() {
    let server = TestServer::start();
    let id = campaign(&server, json!({}));
    let shown = suggestions(&server, id);
    assert_eq!(shown["observations"], json!({"own": 0, "siblings": 0, "sibling_campaigns": 0}));
    assert_eq!((&shown["time_zone"], &shown["suggestions"]), (&json!("UTC"), &json!([])));
    let hours = shown["hours"].as_array().unwrap();
    let open: Vec<u64> =
        hours.iter().filter(|hour| hour["is_open"] == true).map(|h| h["hour"].as_u64().unwrap()).collect();
    assert_eq!((hours.len(), open), (24, (9..17).collect()));
    for hour in hours {
        let rate = &hour["answer_rate"];
        assert!(
            rate["low"].as_f64() < rate["middle"].as_f64() && rate["middle"].as_f64() < rate["high"].as_f64()
        );
    }
    let delays = shown["retry_delays"].as_array().unwrap();
    let current: Vec<&Value> = delays.iter().filter(|delay| delay["is_current"] == true).collect();
    assert_eq!((delays.len(), current[0]["from_minutes"].as_i64()), (6, Some(30)));
    server.get(&format!("/api/voice-campaigns/{id}/suggestions?from=1")).send().error(400);
    server.get("/api/voice-campaigns/99/suggestions").send().error(404);
}

#[test]
fn hours_in_which_siblings_reach_more_people_are_suggested_with_what_was_seen() {
    let server = TestServer::start();
    let (id, sibling) = (campaign(&server, json!({})), campaign(&server, json!({"name": "Sibling"})));
    let (own, others) = (leads(&server, id, 120), leads(&server, sibling, 300));
    // From 10:00 on a Wednesday.
    call(&server, &own, 36);
    call(&server, &others[..100], 30);
    server.clock.advance(TimeDelta::hours(7));
    call(&server, &others[100..200], 70);
    server.clock.advance(TimeDelta::hours(1));
    call(&server, &others[200..], 70);
    let shown = suggestions(&server, id);
    assert_eq!(shown["observations"], json!({"own": 120, "siblings": 300, "sibling_campaigns": 1}));
    let suggested = &shown["suggestions"];
    assert_eq!(suggested.as_array().unwrap().len(), 1, "{suggested:#}");
    assert_eq!(
        (&suggested[0]["code"], &suggested[0]["changes"], &suggested[0]["message"]),
        (
            &json!("add_hours"),
            &json!({"calling_hours_end": "19:00:00"}),
            &json!("People pick up more often after 17:00:00: call until 19:00:00")
        )
    );
    let evidence = &suggested[0]["evidence"];
    assert_eq!((&evidence["calls"], &evidence["own_calls"]), (&json!(100), &json!(0)));
    assert!(
        evidence["certain_percent"].as_i64().unwrap() >= 80
            && evidence["better_percent"].as_i64().unwrap() >= 10
    );
    assert!(evidence["suggested"]["middle"].as_f64() > evidence["current"]["middle"].as_f64());
    assert_eq!(shown["hours"][17]["sibling_calls"], 100);
    // What is suggested is what a PUT takes.
    server.put(&format!("/api/voice-campaigns/{id}"), &suggested[0]["changes"]).send().expect(200);
    assert_eq!(suggestions(&server, id)["suggestions"], json!([]));
}

#[test]
fn a_delay_after_which_more_people_are_reached_is_suggested() {
    let server = TestServer::start();
    let id = campaign(&server, json!({}));
    let all = leads(&server, id, 160);
    // All of them again in the same hour, but some so soon after the first call.
    call(&server, &all[80..], 0);
    server.clock.advance(TimeDelta::minutes(110));
    call(&server, &all[..80], 0);
    server.clock.advance(TimeDelta::minutes(35));
    call(&server, &all[80..], 56);
    call(&server, &all[..80], 8);
    let shown = suggestions(&server, id);
    let delays = shown["retry_delays"].as_array().unwrap();
    let seen: Vec<Value> = delays.iter().map(|delay| json!([delay["calls"], delay["reached"]])).collect();
    assert_eq!(json!(seen), json!([[0, 0], [80, 8], [80, 56], [0, 0], [0, 0], [0, 0]]));
    let suggested = &shown["suggestions"][0];
    assert_eq!(
        (&suggested["code"], &suggested["changes"]),
        (&json!("change_retry_delay"), &json!({"retry_delay_minutes": 120}))
    );
    assert_eq!(
        (&suggested["evidence"]["calls"], &suggested["evidence"]["own_calls"]),
        (&json!(80), &json!(80))
    );
}
