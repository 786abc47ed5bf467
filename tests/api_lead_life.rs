//! Leads over the API after they came in: edited, called back, canceled, queued again, changed many at once; and why
//! they wait.

use crate::support::world::suppression;
use crate::support::{Answer, TestServer};
use chrono::TimeDelta;
use serde_json::{Value, json};
use voice_campaigns::domain::outcome::Outcome;
use voice_campaigns::domain::phone::Phone;

const LEADS: &str = "/api/voice-campaigns/1/leads";

/// A server with an active campaign and this many leads, `+12025550101` and so on.
fn with_leads(count: u64, changes: Value) -> TestServer {
    let server = TestServer::start();
    server.campaign(changes);
    for nth in 0..count {
        server.lead(1, &format!("+1202555{:04}", 101 + nth));
    }
    server
}

fn active() -> Value {
    json!({"status": "active", "calling_hours_start": "00:00", "calling_hours_end": "23:59:59"})
}

fn code(answer: &Answer, status: u16) -> String {
    answer.expect(status)["code"].as_str().unwrap().to_owned()
}

fn lead(server: &TestServer, id: i64) -> Value {
    server.get(&format!("/api/leads/{id}")).send().expect(200)
}

fn statuses(server: &TestServer) -> Vec<String> {
    let leads = server.get(LEADS).send().expect(200);
    leads.as_array().unwrap().iter().map(|lead| lead["status"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn only_the_fields_sent_change_and_sending_a_lead_back_changes_nothing() {
    let server = with_leads(1, active());
    let whole = json!({"phone": "+12025550101", "first_name": "Ada", "last_name": "Lovelace", "priority": 4,
        "email": "ada@example.com", "company_name": "Engines", "time_zone": "Europe/London", "language": "en-GB",
        "best_time_to_call": "14:30", "variables": {"plan": "gold", "visits": 3}, "notes": "n", "tags": ["vip"]});
    server.put("/api/leads/1", &whole).send().expect(200);
    let before = server.get("/api/leads/1").send();
    let shown = before.expect(200);
    for (field, value) in whole.as_object().unwrap() {
        let expected = if field == "best_time_to_call" { json!("14:30:00") } else { value.clone() };
        assert_eq!(shown[field], expected, "{field}");
    }
    let again = server.put("/api/leads/1", &shown).send();
    assert_eq!((again.expect(200), again.header("ETag")), (shown, before.header("ETag")));
    let changed = server.put("/api/leads/1", &json!({"last_name": null, "priority": 2})).send().expect(200);
    assert_eq!((&changed["first_name"], &changed["last_name"]), (&json!("Ada"), &Value::Null));
    assert_eq!((&changed["priority"], &changed["variables"]["plan"]), (&json!(2), &json!("gold")));
}

#[test]
fn a_bad_edit_names_every_field_and_changes_nothing() {
    let server = with_leads(1, active());
    let before = lead(&server, 1);
    let body = json!({"phone": "12", "priority": 9, "time_zone": "Mars", "naem": "x", "last_name": "Byron"});
    let answer = server.put("/api/leads/1", &body).send().expect(400);
    let fields: Vec<&str> =
        answer["details"].as_array().unwrap().iter().map(|d| d["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["phone", "time_zone", "priority", "naem"]);
    assert_eq!(lead(&server, 1), before);
    assert_eq!(server.put("/api/leads/9", &json!({})).send().error(404), "Lead not found");
    let stale = server.put("/api/leads/1", &json!({"priority": 1})).header("If-Match", "\"x-y\"").send();
    assert_eq!(stale.status, 412);
}

#[test]
fn a_number_changes_only_before_it_was_dialed_and_not_to_one_that_is_there() {
    let server = with_leads(2, active());
    let put = |phone: &str| server.put("/api/leads/1", &json!({"phone": phone})).send();
    let answer = put("+12025550102");
    assert_eq!(code(&answer, 409), "duplicate");
    assert!(answer.error(409).ends_with("lead 2"));
    assert!(put("(202) 555-0199").error(400).contains("phone"));
    let national = server.put("/api/leads/1?default_country=US", &json!({"phone": "(202) 555-0199"})).send();
    assert_eq!(national.expect(200)["phone"], "+12025550199");
    let call = server.place_call(1);
    assert_eq!(code(&put("+12025550198"), 409), "in_progress");
    server.end_call(call, Outcome::NoAnswer, None);
    assert_eq!(code(&put("+12025550198"), 409), "was_dialed");
    assert_eq!(put("+12025550199").status, 200);
}

#[test]
fn an_edit_that_gives_what_the_script_lacked_puts_the_lead_back_into_the_queue() {
    let server = with_leads(1, json!({"status": "active", "script_template": "Hello {plan}"}));
    server.write(|tx| {
        let lead = tx.lead(1)?.unwrap();
        let hold = voice_campaigns::domain::gate::Hold {
            detail: Some("plan".into()),
            ..voice_campaigns::domain::gate::Hold::standing(
                voice_campaigns::domain::gate::HoldReason::MissingVariable,
            )
        };
        tx.hold_lead(&lead, &hold)
    });
    assert_eq!(lead(&server, 1)["hold"]["reason"], "missing_variable");
    let answer = server.put("/api/leads/1", &json!({"variables": {"plan": "gold"}})).send().expect(200);
    assert_eq!((&answer["hold"], &answer["next_call_at"]), (&Value::Null, &json!("2026-03-04T10:00:00Z")));
}

#[test]
fn a_call_back_is_due_at_its_instant_or_by_the_campaigns_clock_where_no_zone_is_said() {
    let server = with_leads(1, active());
    let at = |text: &str| server.post("/api/leads/1/schedule", &json!({"at": text})).send();
    let answer = at("2026-03-04T15:00:00Z").expect(200);
    assert_eq!(
        (&answer["status"], &answer["next_call_at"]),
        (&json!("scheduled"), &json!("2026-03-04T15:00:00Z"))
    );
    assert_eq!(
        answer["hold"],
        json!({"reason": "call_back", "until": "2026-03-04T15:00:00Z",
               "message": "A call is arranged for a later time"})
    );
    server.put("/api/voice-campaigns/1", &json!({"time_zone": "America/New_York"})).send().expect(200);
    assert_eq!(at("2026-03-05 09:30:00").expect(200)["next_call_at"], "2026-03-05T14:30:00Z");
    for (text, message) in [
        ("2026-03-04T09:59:59Z", "must not be in the past"),
        (
            "tomorrow",
            "\"tomorrow\" is no date or time: write it like 2024-02-19T10:00:00Z, 2024-02-19 10:00 or 2024-02-19",
        ),
    ] {
        assert_eq!(at(text).expect(400)["details"][0], json!({"field": "at", "message": message}));
    }
    server.put("/api/voice-campaigns/1", &json!({"end_date": "2026-03-10T00:00:00Z"})).send().expect(200);
    let late = at("2026-03-10T00:00:00Z").expect(400)["details"][0]["message"].clone();
    assert_eq!(late, "must be before the campaign's end_date, which is 2026-03-10T00:00:00Z");
}

#[test]
fn whoever_finished_may_be_called_back_while_attempts_are_left_and_who_said_no_never() {
    let server = with_leads(3, json!({"status": "active", "max_attempts_per_lead": 1}));
    let at = |lead: i64| {
        server.post(&format!("/api/leads/{lead}/schedule"), &json!({"at": "2026-03-04T15:00:00Z"})).send()
    };
    let call = server.place_call(1);
    assert_eq!(code(&at(1), 409), "in_progress");
    server.end_call(call, Outcome::Success, Some(9));
    assert_eq!(code(&at(1), 409), "attempts_used_up");
    server.put("/api/voice-campaigns/1", &json!({"max_attempts_per_lead": 2})).send().expect(200);
    assert_eq!(at(1).expect(200)["status"], "scheduled");
    server.end_call(server.place_call(2), Outcome::OptedOut, Some(9));
    assert_eq!(code(&at(2), 409), "do_not_call");
    let phone = Phone::from_e164("+12025550103").unwrap();
    server.write(move |tx| tx.add_to_do_not_call_list(phone, &suppression("asked by letter")).map(drop));
    assert_eq!(code(&at(3), 409), "do_not_call");
}

#[test]
fn a_canceled_lead_leaves_the_queue_until_a_call_back_is_arranged() {
    let server = with_leads(2, active());
    let cancel = || server.request("POST", "/api/leads/1/cancel").token(crate::support::WRITER).send();
    let answer = cancel().expect(200);
    assert_eq!((&answer["status"], &answer["next_call_at"]), (&json!("canceled"), &Value::Null));
    assert_eq!(cancel().expect(200), answer);
    let back = server.post("/api/leads/1/schedule", &json!({"at": "2026-03-05"})).send().expect(200);
    assert_eq!(
        (&back["status"], &back["next_call_at"]),
        (&json!("scheduled"), &json!("2026-03-05T00:00:00Z"))
    );
    let call = server.place_call(1);
    assert_eq!(code(&cancel(), 409), "in_progress");
    server.end_call(call, Outcome::Success, Some(9));
    assert_eq!(cancel().error(409), "This lead is not in the queue; its status is completed");
    let other = server.request("POST", "/api/leads/2/cancel").token(crate::support::WRITER).send();
    assert_eq!(other.status, 200);
    assert_eq!(server.get("/api/voice-campaigns/1").send().expect(200)["status"], "completed");
}

#[test]
fn only_those_whose_calls_ended_so_are_queued_again_and_not_before_their_delay() {
    let server =
        with_leads(5, json!({"status": "active", "max_attempts_per_lead": 2, "retry_delay_minutes": 30}));
    server.end_call(server.place_call(1), Outcome::HungUp, Some(3));
    server.end_call(server.place_call(2), Outcome::Success, Some(30));
    server.end_call(server.place_call(3), Outcome::HungUp, Some(3));
    server.end_call(server.place_call(4), Outcome::HungUp, Some(3));
    let phone = Phone::from_e164("+12025550104").unwrap();
    server.write(move |tx| tx.add_to_do_not_call_list(phone, &suppression("asked by letter")).map(drop));
    server.clock.advance(TimeDelta::minutes(10));
    let retry =
        |outcomes: Value| server.post(&format!("{LEADS}/retry"), &json!({"outcomes": outcomes})).send();
    let answer = retry(json!(["hung_up", "no_input"])).expect(200);
    assert_eq!(answer, json!({"matched": 3, "queued": 2, "attempts_used_up": 0, "do_not_call": 1}));
    assert_eq!(statuses(&server), ["scheduled", "completed", "scheduled", "completed", "pending"]);
    assert_eq!(lead(&server, 1)["next_call_at"], "2026-03-04T10:30:00Z");
    server.clock.advance(TimeDelta::minutes(60));
    server.end_call(server.place_call(1), Outcome::HungUp, Some(3));
    let answer = retry(json!(["hung_up"])).expect(200);
    assert_eq!(answer, json!({"matched": 2, "queued": 0, "attempts_used_up": 1, "do_not_call": 1}));
    for (outcomes, message) in [
        (json!([]), "must name at least one outcome"),
        (json!(["opted_out"]), "must not name `opted_out`: who said no is not called again"),
    ] {
        assert_eq!(retry(outcomes).expect(400)["details"][0]["message"], message);
    }
    assert!(retry(json!(["lost"])).error(400).contains("outcomes"));
}

#[test]
fn a_retry_that_is_sent_again_with_its_key_queues_nobody_twice() {
    let server = with_leads(1, json!({"status": "active", "max_attempts_per_lead": 5}));
    server.end_call(server.place_call(1), Outcome::HungUp, Some(3));
    let retry = || {
        let request = server.post(&format!("{LEADS}/retry"), &json!({"outcomes": ["hung_up"]}));
        request.header("Idempotency-Key", "again-1").send()
    };
    let first = retry().expect(200);
    let second = retry();
    assert_eq!((second.expect(200), second.header("Idempotent-Replayed")), (first, Some("true")));
}

#[test]
fn many_leads_are_changed_by_a_filter_and_those_being_called_are_left_alone() {
    let server = with_leads(4, active());
    server.put("/api/leads/1", &json!({"tags": ["old", "vip"]})).send().expect(200);
    server.place_call(4);
    let change = |query: &str, body: Value| server.patch(&format!("{LEADS}{query}"), &body).send();
    let body =
        json!({"priority": 5, "time_zone": "Europe/Paris", "add_tags": ["wave-2"], "remove_tags": ["old"]});
    let answer = change("?all=true", body).expect(200);
    assert_eq!(answer, json!({"matched": 4, "changed": 3, "in_progress": 1, "skipped": 0}));
    let first = lead(&server, 1);
    assert_eq!((&first["priority"], &first["tags"]), (&json!(5), &json!(["vip", "wave-2"])));
    assert_eq!((&first["time_zone"], &lead(&server, 4)["priority"]), (&json!("Europe/Paris"), &json!(3)));
    let answer = change("?tag=vip", json!({"status": "canceled"})).expect(200);
    assert_eq!(answer, json!({"matched": 1, "changed": 1, "in_progress": 0, "skipped": 0}));
    assert_eq!(statuses(&server), ["canceled", "pending", "pending", "in_progress"]);
    let list =
        |query: &str| server.get(&format!("{LEADS}{query}")).send().expect(200).as_array().unwrap().len();
    assert_eq!((list("?tag=wave-2"), list("?tag=old"), list("?tag=vip&status=pending")), (3, 0, 0));
}

#[test]
fn leads_that_have_no_room_for_another_tag_are_counted_as_such_and_changed_otherwise() {
    let server = with_leads(2, active());
    let tags: Vec<String> = (0..50).map(|n| format!("tag {n}")).collect();
    server.put("/api/leads/1", &json!({"tags": tags})).send().expect(200);
    let change = |body: Value| server.patch(&format!("{LEADS}?all=true"), &body).send().expect(200);
    let answer = change(json!({"priority": 5, "add_tags": ["wave-2"]}));
    assert_eq!(answer, json!({"matched": 2, "changed": 1, "in_progress": 0, "skipped": 1}));
    let first = lead(&server, 1);
    assert_eq!((&first["priority"], &first["tags"]), (&json!(5), &json!(tags)));
    let answer = change(json!({"add_tags": ["tag 7"]}));
    assert_eq!(answer["skipped"], 0, "it has that one");
    let answer = change(json!({"add_tags": ["wave-2"], "remove_tags": ["tag 0"]}));
    assert_eq!(answer["skipped"], 0, "it has room then");
    server.put("/api/leads/1", &json!({"tags": tags})).send().expect(200);
    let answer = change(json!({"add_tags": ["wave-3"], "status": "canceled"}));
    assert_eq!(answer, json!({"matched": 2, "changed": 1, "in_progress": 0, "skipped": 1}));
    assert_eq!(statuses(&server), ["canceled", "canceled"], "nobody is called for want of room");
}

#[test]
fn a_change_of_many_leads_must_say_which_and_what() {
    let server = with_leads(1, active());
    let problem = |query: &str, body: Value| {
        server.patch(&format!("{LEADS}{query}"), &body).send().expect(400)["details"][0].clone()
    };
    let which = "name which leads to change, such as `status=pending` or `import_id=7`, or send `all=true`";
    assert_eq!(problem("", json!({"priority": 1})), json!({"field": "filter", "message": which}));
    let what = "changes nothing; name at least one field to change";
    assert_eq!(problem("?all=true", json!({})), json!({"field": "body", "message": what}));
    assert_eq!(problem("?all=true", json!({"status": "completed"}))["field"], "status");
    assert_eq!(problem("?all=true", json!({"phone": "+12025550101"}))["field"], "phone");
    assert_eq!(problem("?statsu=pending", json!({"priority": 1}))["field"], "statsu");
}

#[test]
fn the_leads_that_wait_are_counted_by_reason() {
    let server = with_leads(
        6,
        json!({"status": "active", "calling_hours_start": "00:00",
        "calling_hours_end": "23:59:59", "script_template": "Hello {plan|friend}"}),
    );
    let holds = || server.get("/api/voice-campaigns/1/holds").send().expect(200);
    assert_eq!(holds(), json!({"waiting_leads": 6, "ready_leads": 6, "holds": []}));
    server.post("/api/leads/1/schedule", &json!({"at": "2026-03-04T15:00:00Z"})).send().expect(200);
    server.end_call(server.place_call(2), Outcome::Busy, None);
    server.place_call(3);
    server.write(|tx| {
        use voice_campaigns::domain::gate::{Hold, HoldReason};
        let missing = Hold { detail: Some("plan".into()), ..Hold::standing(HoldReason::MissingVariable) };
        for id in [4, 5] {
            tx.hold_lead(&tx.lead(id)?.unwrap(), &missing)?;
        }
        Ok(())
    });
    let missing = "The script needs a value that the lead does not have; give it one, or write a fallback into the script";
    let expected = json!({"waiting_leads": 5, "ready_leads": 1, "holds": [
        {"reason": "missing_variable", "detail": "plan", "message": missing, "leads": 2, "until": null},
        {"reason": "retry_later", "message": "The next attempt waits for retry_delay_minutes to pass", "leads": 1,
         "until": "2026-03-04T11:00:00Z"},
        {"reason": "call_back", "message": "A call is arranged for a later time", "leads": 1,
         "until": "2026-03-04T15:00:00Z"},
    ]});
    assert_eq!(holds(), expected);
    let of = |reason: &str| -> Vec<i64> {
        let list = server.get(&format!("{LEADS}?hold={reason}")).send().expect(200);
        list.as_array().unwrap().iter().map(|lead| lead["id"].as_i64().unwrap()).collect()
    };
    assert_eq!((of("missing_variable"), of("call_back"), of("paused")), (vec![4, 5], vec![1], vec![]));
    server.patch("/api/voice-campaigns/1/status", &json!({"status": "paused"})).send().expect(200);
    let paused = "The campaign is paused; set its status to active to go on";
    let expected = json!({"waiting_leads": 5, "ready_leads": 0, "holds": [
        {"reason": "paused", "message": paused, "leads": 5, "until": null}]});
    assert_eq!(holds(), expected);
    assert_eq!(server.get("/api/voice-campaigns/9/holds").send().error(404), "Voice campaign not found");
}

#[test]
fn closed_hours_hold_the_leads_of_their_zone_only() {
    let server = with_leads(3, json!({"status": "active", "lead_time_zone_policy": "lead"}));
    server.put("/api/leads/1", &json!({"time_zone": "Europe/London"})).send().expect(200);
    server.put("/api/leads/2", &json!({"time_zone": "America/New_York"})).send().expect(200);
    server.put("/api/leads/3", &json!({"time_zone": "America/New_York"})).send().expect(200);
    let holds = server.get("/api/voice-campaigns/1/holds").send().expect(200);
    let closed = "It is outside the calling hours or not a working day";
    let expected = json!({"waiting_leads": 3, "ready_leads": 1, "holds": [
        {"reason": "outside_calling_hours", "message": closed, "leads": 2, "until": "2026-03-04T14:00:00Z"}]});
    assert_eq!(holds, expected);
    let hold = |id: i64| lead(&server, id)["hold"].clone();
    assert_eq!(hold(1), Value::Null);
    assert_eq!(hold(2)["detail"], "on the lead's own clock: America/New_York");
    server.put("/api/leads/3", &json!({"phone": "+12125550199", "time_zone": null})).send().expect(200);
    assert_eq!(hold(3)["detail"], "on the clocks where its number can be: America/New_York");
}
