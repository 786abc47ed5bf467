//! The published contract, call by call.

use crate::support::{READER, TestServer};
use chrono::TimeDelta;
use serde_json::{Value, json};

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
    assert_eq!(answer.body, SHOWN.replace('\n', ""));

    let answer = server.get("/api/voice-campaigns/1").send();
    assert_eq!((answer.status, answer.body), (200, SHOWN.replace('\n', "")));
}
