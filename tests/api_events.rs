//! Listening to what changes.

use crate::support::{Heard, TestServer};
use serde_json::{Value, json};
use voice_campaigns::domain::outcome::Outcome;

fn with_lead() -> TestServer {
    let server = TestServer::start();
    server.campaign(json!({}));
    server.lead(1, "+12025550101");
    server
}

fn rename(server: &TestServer, campaign: i64, name: &str) {
    server.put(&format!("/api/voice-campaigns/{campaign}"), &json!({"name": name})).send().expect(200);
}

#[test]
fn a_listener_is_told_what_differs_and_nothing_else() {
    let server = with_lead();
    let mut listener = server.listen("", "");
    assert_eq!(listener.event(), ("ready".into(), json!({})));
    rename(&server, 1, "First");
    let whole = listener.next("campaign");
    assert_eq!(
        (&whole["id"], &whole["name"], &whole["status"]),
        (&json!(1), &json!("First"), &json!("draft"))
    );
    server.clock.advance(chrono::TimeDelta::seconds(10));
    rename(&server, 1, "Second");
    let patch = listener.next("campaign");
    let updated_at = server.get("/api/voice-campaigns/1").send().expect(200)["updated_at"].clone();
    assert_eq!(patch, json!({"id": 1, "name": "Second", "updated_at": updated_at}));
    server.delete("/api/voice-campaigns/1").send();
    loop {
        let data = listener.next("campaign");
        if data == json!({"id": 1, "deleted": true}) {
            break;
        }
    }
}

#[test]
fn the_life_of_a_call_is_told_with_its_lead_and_the_sums() {
    let server = with_lead();
    let mut listener = server.listen("", "");
    listener.next("ready");
    let call = server.place_call(1);
    let mut heard: Vec<(String, Value)> = (0..3).map(|_| listener.event()).collect();
    heard.sort_by(|a, b| a.0.cmp(&b.0));
    let names: Vec<&str> = heard.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["call", "lead", "stats"]);
    assert_eq!((&heard[0].1["id"], &heard[0].1["state"]), (&json!(call), &json!("placed")));
    assert_eq!((&heard[1].1["status"], &heard[1].1["attempts"]), (&json!("in_progress"), &json!(1)));
    assert_eq!((&heard[2].1["campaign_id"], &heard[2].1["in_progress_calls"]), (&json!(1), &json!(1)));
    server.end_call(call, Outcome::Success, Some(7));
    let ended = listener.next("call");
    assert_eq!(
        (&ended["state"], &ended["outcome"], &ended["seconds"]),
        (&json!("ended"), &json!("success"), &json!(7))
    );
    assert_eq!(ended.get("placed_at"), None, "what has not changed is not told again");
}

#[test]
fn whoever_comes_back_hears_what_it_missed_and_with_a_foreign_id_reads_everything_again() {
    let server = with_lead();
    let mut listener = server.listen("", "");
    let id = listener.id();
    rename(&server, 1, "While you are here");
    assert_eq!(listener.next("campaign")["name"], "While you are here");
    drop(listener);
    let mut again = server.listen("", &format!("Last-Event-ID: {id}\r\n"));
    assert_eq!(again.event().0, "ready");
    assert_eq!(again.next("campaign")["name"], "While you are here");
    let mut foreign = server.listen("", "Last-Event-ID: 0123abcd-7\r\n");
    assert_eq!(foreign.event(), ("resync".into(), json!({})));
}

#[test]
fn a_listener_may_ask_for_one_campaign() {
    let server = with_lead();
    server.campaign(json!({"name": "Other"}));
    let mut listener = server.listen("?campaign_id=2", "");
    listener.next("ready");
    rename(&server, 1, "Not asked for");
    rename(&server, 2, "Asked for");
    let (name, data) = listener.event();
    assert_eq!((name.as_str(), &data["id"], &data["name"]), ("campaign", &json!(2), &json!("Asked for")));
    assert_eq!(server.get("/api/events?campaign=2").send().status, 400);
}

#[test]
fn many_new_leads_are_told_in_one_word() {
    let server = with_lead();
    let mut listener = server.listen("", "");
    listener.next("ready");
    let leads: Vec<Value> = (0..200).map(|n| json!({"phone": format!("+1202600{n:04}")})).collect();
    server.post("/api/voice-campaigns/1/leads", &json!(leads)).send().expect(201);
    assert_eq!(listener.next("leads"), json!({"campaign_id": 1}));
    let import = loop {
        let (name, data) = listener.event();
        assert_ne!(name, "lead");
        if name == "import" && data["state"] == "completed" {
            break data;
        }
    };
    assert_eq!((&import["campaign_id"], &import["imported"]), (&json!(1), &json!(200)));
}

#[test]
fn silence_is_broken_so_that_nobody_takes_the_line_for_dead() {
    let server = with_lead();
    let mut listener = server.listen("", "");
    listener.next("ready");
    let before = server.now();
    while listener.hear() != Heard::Comment {}
    let waited = (server.now() - before).num_seconds();
    assert!((14..=40).contains(&waited), "{waited} s");
}

#[test]
fn a_revoked_token_hears_nothing_more() {
    let server = with_lead();
    let mut listener = server.listen("", "");
    listener.next("ready");
    server.write(|tx| tx.revoke_token(1));
    rename(&server, 1, "A secret");
    loop {
        let (name, data) = listener.event();
        assert_ne!(data["name"], "A secret");
        if name == "end" {
            assert_eq!(data, json!({"reason": "token_ended"}));
            break;
        }
    }
    assert_eq!(listener.hear(), Heard::End);
}

#[test]
fn a_stop_ends_every_stream() {
    let server = with_lead();
    let mut listener = server.listen("", "");
    listener.next("ready");
    server.shut_down();
    while listener.hear() != Heard::End {}
}

#[test]
fn an_event_stream_is_one_for_browsers_and_proxies() {
    let server = with_lead();
    let head = server.listen("", "").head();
    for header in ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
        assert!(head.contains(header), "{head}");
    }
}

#[test]
fn what_becomes_of_an_event_is_told() {
    let server = TestServer::start();
    let webhook = json!([{"url": "https://hooks.example.com/calls"}]);
    server.campaign(json!({"status": "active", "webhooks": webhook}));
    let mut listener = server.listen("", "");
    listener.next("ready");
    server.patch("/api/voice-campaigns/1/status", &json!({"status": "paused"})).send().expect(200);
    let told = listener.next("delivery");
    let shown = server.get(&format!("/api/webhook-deliveries/{}", told["id"])).send().expect(200);
    for field in ["id", "endpoint_id", "campaign_id", "type", "state"] {
        assert_eq!(told[field], shown[field], "{field}");
    }
    assert_eq!(told["type"], "campaign.status_changed");
}
