//! Leads: one, many, a table; listed, looked at, deleted.

use crate::support::{Options, TestServer};
use chrono::TimeDelta;
use serde_json::{Value, json};
use voice_campaigns::domain::fields::Words;
use voice_campaigns::domain::gate::HoldReason;
use voice_campaigns::domain::outcome::Outcome;

const LEADS: &str = "/api/voice-campaigns/1/leads";

fn campaign(server: &TestServer) {
    assert_eq!(server.campaign(json!({"status": "active"})), 1);
}

#[test]
fn a_lead_comes_back_with_every_field_in_the_documented_order() {
    let server = TestServer::start();
    campaign(&server);
    let body = json!({
        "phone": "+1 (202) 555-0101", "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com",
        "company_name": "Engines", "time_zone": "Europe/London", "language": "en-GB", "priority": 5,
        "best_time_to_call": "10:30", "variables": {"order": 7}, "notes": "kind", "tags": ["vip"]
    });
    let answer = server.post(LEADS, &body).send();
    assert_eq!((answer.status, answer.header("Location")), (201, Some("/api/leads/1")));
    let shown = r#"{"id":1,"campaign_id":1,"phone":"+12025550101","first_name":"Ada","last_name":"Lovelace",
"email":"ada@example.com","company_name":"Engines","time_zone":"Europe/London","language":"en-GB","priority":5,
"best_time_to_call":"10:30:00","variables":{"order":7},"notes":"kind","tags":["vip"],"status":"pending",
"outcome":null,"attempts":0,"next_call_at":"2026-03-04T10:00:00Z","hold":null,"import_id":null,
"created_at":"2026-03-04T10:00:00Z","updated_at":"2026-03-04T10:00:00Z"}"#
        .replace('\n', "");
    assert_eq!(answer.body, shown);
    assert_eq!(server.get("/api/leads/1").send().body, shown);
    assert_eq!(server.get(LEADS).send().body, format!("[{shown}]"));
    assert_eq!(server.get("/api/voice-campaigns/1").send().json()["total_leads"], 1);
}

#[test]
fn a_number_that_is_there_already_is_a_conflict_that_names_the_lead() {
    let server = TestServer::start();
    campaign(&server);
    let id = server.lead(1, "+12025550101");
    let answer = server.post(LEADS, &json!({"phone": "+1 202 555 0101"})).send();
    let expected = json!({
        "error": format!("The campaign already has a lead with the number +12025550101: lead {id}"),
        "code": "duplicate"
    });
    assert_eq!(answer.expect(409), expected);
}

#[test]
fn a_lead_is_refused_with_every_problem() {
    let server = TestServer::start();
    campaign(&server);
    let answer =
        server.post(LEADS, &json!({"phone": "12", "priority": 9, "firstname": "Ada"})).send().expect(400);
    let fields: Vec<&str> =
        answer["details"].as_array().unwrap().iter().map(|d| d["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["phone", "priority", "firstname"]);
}

#[test]
fn an_array_goes_in_as_a_whole_or_not_at_all() {
    let server = TestServer::start();
    campaign(&server);
    server.lead(1, "+12025550101");
    let good = json!([{"phone": "+12025550101"}, {"phone": "+12025550102"}, {"phone": "+12025550102"}]);
    let answer = server.post(LEADS, &good).send();
    assert_eq!(counts(&answer.expect(201)), [1, 0, 2, 0]);
    assert_eq!(counts(&server.post(LEADS, &good).send().expect(201)), [0, 0, 3, 0]);
    assert_eq!(counts(&server.post(LEADS, &json!([])).send().expect(201)), [0, 0, 0, 0]);

    let mixed = json!([{"phone": "+12025550103"}, {"phone": "12", "priority": 0}, "x"]);
    let refused = server.post(LEADS, &mixed).send().expect(400);
    let fields: Vec<&str> =
        refused["details"].as_array().unwrap().iter().map(|d| d["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["leads[1].phone", "leads[1].priority", "leads[2]"]);
    assert_eq!(server.get("/api/voice-campaigns/1").send().json()["total_leads"], 2);

    let report = server.post(&format!("{LEADS}?partial=true"), &mixed).send().expect(201);
    assert_eq!(counts(&report), [1, 0, 0, 2]);
    let places: Vec<(i64, String)> =
        rejections(&report).into_iter().map(|(row, field, _)| (row, field)).collect();
    assert_eq!(places, [(2, "phone".into()), (3, "body".into())]);
    assert_eq!(report["reasons"][0]["first_rows"][0]["value"], "12");
}

#[test]
fn ten_thousand_leads_fit_into_one_array_and_one_more_does_not() {
    let server = TestServer::start();
    campaign(&server);
    let leads = |count: usize| -> Value {
        (0..count).map(|n| json!({"phone": format!("+1202{:07}", 2_000_000 + n)})).collect()
    };
    assert_eq!(server.post(LEADS, &leads(10_000)).send().expect(201)["imported"], 10_000);
    let refused = server.post(LEADS, &leads(10_001)).send();
    assert_eq!(refused.error(400), "body: must have at most 10000 items; send more as text/csv");
}

#[test]
fn an_array_over_its_limit_is_refused() {
    let server = TestServer::start();
    campaign(&server);
    let refused =
        server.post(LEADS, &json!([{"phone": "+12025550101", "notes": "x".repeat(16 << 20)}])).send();
    assert_eq!(refused.error(413), "The body is larger than 16777216 bytes");
}

#[test]
fn numbers_without_a_country_are_read_in_the_default_one() {
    let server = TestServer::start();
    campaign(&server);
    assert_eq!(server.post(LEADS, &json!({"phone": "030 901820"})).send().status, 400);
    let lead = server.post(&format!("{LEADS}?default_country=DE"), &json!({"phone": "030 901820"})).send();
    assert_eq!(lead.expect(201)["phone"], "+4930901820");
    let refused =
        server.post(&format!("{LEADS}?default_country=Mars"), &json!({"phone": "030 901820"})).send();
    assert_eq!(
        refused.error(400),
        "default_country: must be a two-letter country code such as `US`, or `international`; it is `Mars`"
    );
    assert_eq!(
        server.post(&format!("{LEADS}?default_contry=DE"), &json!({"phone": "1"})).send().error(400),
        "default_contry: unknown parameter; did you mean `default_country`?"
    );
}

fn send_table(server: &TestServer, query: &str, table: &str) -> crate::support::Answer {
    server
        .request("POST", &format!("{LEADS}{query}"))
        .token(crate::support::WRITER)
        .body("text/csv; charset=utf-8", table.as_bytes())
        .send()
}

#[test]
fn a_table_is_imported_and_its_bad_rows_are_reported() {
    let server = TestServer::start();
    campaign(&server);
    let table =
        "phone,first_name,Plan\n+12025550101,Ada,gold\n+12025550102,Bob,\"a, b\"\n+12025550101,Ada,x\n";
    let report = send_table(&server, "", table).expect(201);
    assert_eq!(counts(&report), [2, 0, 1, 0]);
    assert_eq!(server.get("/api/leads/2").send().json()["variables"], json!({"Plan": "a, b"}));

    let table = "phone,priority\n+12025550103,1\n+12025550104,high\nx,1\n";
    assert_eq!(send_table(&server, "?partial=false", table).status, 400);
    assert_eq!(server.get("/api/voice-campaigns/1").send().json()["total_leads"], 2);
    let report = send_table(&server, "", table).expect(201);
    assert_eq!(counts(&report), [1, 0, 0, 2]);
    let places: Vec<(i64, String)> =
        rejections(&report).into_iter().map(|(row, field, _)| (row, field)).collect();
    assert_eq!(places, [(3, "priority".into()), (4, "phone".into())]);
    assert_eq!(report["reasons"][1]["first_rows"][0]["value"], "high");

    assert_eq!(send_table(&server, "", "name\nAda\n").status, 400);
    let twice = json!({"phone": "+12025550105", "variables": {"plan": 1, "Plan": 2}});
    assert_eq!(server.post(LEADS, &twice).send().status, 400);
    assert_eq!(send_table(&server, "", "").error(400), "The body is empty");
    assert_eq!(send_table(&server, "/x", "phone\n").status, 404);
}

#[test]
fn a_table_over_the_limit_is_refused_and_nothing_of_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.settings.spool_dir = folder.path().to_owned();
    options.settings.csv_limit_bytes = 1_000;
    let server = TestServer::start_with(options);
    campaign(&server);
    let rows: String = (0..100).map(|n| format!("+1202555{n:04}\n")).collect();
    let refused = send_table(&server, "", &format!("phone\n{rows}"));
    assert_eq!(refused.error(413), "The body is larger than 1000 bytes");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(send_table(&server, "", "phone\n+12025550101\n").status, 201);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_list_of_leads_is_filtered_and_paged_by_cursor() {
    let server = TestServer::start();
    campaign(&server);
    for n in 101..=105 {
        server.lead(1, &format!("+12025550{n}"));
    }
    server.end_call(server.place_call(2), Outcome::Success, Some(5));
    server.end_call(server.place_call(3), Outcome::NoAnswer, None);
    let ids = |query: &str| -> Vec<i64> {
        let list = server.get(&format!("{LEADS}{query}")).send().expect(200);
        list.as_array().unwrap().iter().map(|lead| lead["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(ids(""), [1, 2, 3, 4, 5]);
    assert_eq!(ids("?status=completed"), [2]);
    assert_eq!(ids("?outcome=no_answer"), [3]);
    assert_eq!(ids("?search=0104"), [4]);
    assert_eq!(ids("?search=ada&limit=2"), [1, 2]);
    let page = server.get(&format!("{LEADS}?limit=2")).send();
    assert_eq!(page.header("Link"), Some("</api/voice-campaigns/1/leads?limit=2&cursor=2>; rel=\"next\""));
    assert_eq!(ids("?limit=2&cursor=2"), [3, 4]);
    let last = server.get(&format!("{LEADS}?limit=2&cursor=4")).send();
    assert_eq!((last.json().as_array().unwrap().len(), last.header("Link")), (1, None));
    assert_eq!(server.get(&format!("{LEADS}?limit=1001")).send().status, 400);
    assert_eq!(server.get(&format!("{LEADS}?status=lost")).send().status, 400);
}

#[test]
fn a_lead_says_why_it_is_not_called_now() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let lead = server.lead(1, "+12025550101");
    let hold = || {
        let mut hold = server.get(&format!("/api/leads/{lead}")).send().expect(200)["hold"].take();
        if let Some(hold) = hold.as_object_mut() {
            let reason = HoldReason::from_word(hold["reason"].as_str().unwrap()).unwrap();
            assert_eq!(hold.remove("message"), Some(json!(reason.sentence())));
        }
        hold
    };
    let put = |change: Value| server.put("/api/voice-campaigns/1", &change).send().expect(200);
    assert_eq!(hold(), json!({"reason": "draft", "until": null}));
    put(json!({"status": "active"}));
    assert_eq!(hold(), Value::Null);
    put(json!({"script_template": "Hello {colour}"}));
    assert_eq!(hold(), json!({"reason": "missing_variable", "until": null, "detail": "colour"}));
    put(json!({"script_template": "Hello", "calling_hours_start": "12:00"}));
    assert_eq!(hold(), json!({"reason": "outside_calling_hours", "until": "2026-03-04T12:00:00Z"}));
    put(json!({"calling_hours_start": "09:00"}));
    let call = server.place_call(lead);
    assert_eq!(hold(), json!({"reason": "in_progress", "until": null}));
    server.end_call(call, Outcome::NoAnswer, None);
    assert_eq!(hold(), json!({"reason": "retry_later", "until": "2026-03-04T11:00:00Z"}));
    server.clock.advance(TimeDelta::hours(1));
    server.end_call(server.place_call(lead), Outcome::Success, Some(9));
    let shown = server.get(&format!("/api/leads/{lead}")).send().expect(200);
    assert_eq!((&shown["hold"], &shown["next_call_at"]), (&Value::Null, &Value::Null));
    assert_eq!((&shown["status"], &shown["outcome"]), (&json!("completed"), &json!("success")));
}

#[test]
fn a_lead_is_deleted_unless_it_is_being_called() {
    let server = TestServer::start();
    campaign(&server);
    let lead = server.lead(1, "+12025550101");
    let path = format!("/api/leads/{lead}");
    let call = server.place_call(lead);
    let busy = server.delete(&path).send();
    let expected = json!({"error": "This lead is being called; delete it once the call has ended", "code": "in_progress"});
    assert_eq!(busy.expect(409), expected);
    server.end_call(call, Outcome::Busy, None);
    assert_eq!(server.delete(&path).send().status, 204);
    assert_eq!(server.delete(&path).send().error(404), "Lead not found");
    assert_eq!(server.get(&path).send().error(404), "Lead not found");
    assert_eq!(server.post(LEADS, &json!({"phone": "+12025550101"})).send().status, 201);
}

/// How many rows of a report were imported, updated, skipped and rejected.
pub(crate) fn counts(report: &Value) -> [i64; 4] {
    let counts = ["imported", "updated", "skipped", "rejected"].map(|name| report[name].as_i64().unwrap());
    assert_eq!(report["rows_total"], counts.iter().sum::<i64>(), "{report}");
    counts
}

/// Row, field and message of every row that is told as wrong, in the order of the file.
pub(crate) fn rejections(report: &Value) -> Vec<(i64, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let wrong = report["reasons"].as_array().unwrap().iter().filter(|reason| reason["is_error"] == true);
    let rows = wrong.flat_map(|reason| reason["first_rows"].as_array().unwrap());
    let mut told: Vec<_> =
        rows.map(|row| (row["row"].as_i64().unwrap(), text(&row["field"]), text(&row["message"]))).collect();
    told.sort();
    told
}

#[test]
fn a_row_beyond_every_limit_is_rejected_and_the_rows_after_it_are_taken() {
    let server = TestServer::start();
    campaign(&server);
    let table = format!("phone,plan\n{}\n+12025550101,gold\n", ",".repeat(900_000));
    let report = send_table(&server, "", &table).expect(201);
    assert_eq!(counts(&report), [1, 0, 0, 1]);
    assert_eq!(
        rejections(&report),
        [(2, "row".into(), "has more than 200 cells; remove the superfluous separators".into())]
    );
    assert_eq!(send_table(&server, "", &",".repeat(900_000)).status, 400);
}

#[test]
fn a_quote_that_is_never_closed_is_told_with_its_row() {
    let server = TestServer::start();
    campaign(&server);
    let table = "phone,plan\n+12025550101,gold\n+12025550102,\"silver\n+12025550103,gold\n";
    let report = send_table(&server, "", table).expect(201);
    assert_eq!(counts(&report), [1, 0, 0, 1]);
    let [(row, field, reason)] = &rejections(&report)[..] else { panic!("{report}") };
    assert_eq!((*row, field.as_str()), (3, "row"));
    assert!(reason.contains("never closed"), "{reason}");
    assert_eq!(report["reasons"][0]["first_rows"][0]["value"], "silver\u{FFFD}+12025550103,gold\u{FFFD}");
    assert_eq!(send_table(&server, "?partial=false", table).status, 400);
    assert!(send_table(&server, "", "phone,\"plan\n+12025550101,x\n").error(400).starts_with("header: "));
}

#[test]
fn a_row_with_more_cells_than_the_header_is_rejected() {
    let server = TestServer::start();
    campaign(&server);
    let table = "phone,company_name,notes\n+12025550101,Engines, Ltd,kind\n+12025550102,Engines,kind,,\n";
    let report = send_table(&server, "", table).expect(201);
    assert_eq!(report["imported"], 1);
    let reason = "has 4 cells, the header names 3; quote values that contain the separator";
    assert_eq!(rejections(&report), [(2, "row".into(), reason.into())]);
}

#[test]
fn rows_are_numbered_as_a_spreadsheet_shows_them() {
    let server = TestServer::start();
    campaign(&server);
    let report =
        send_table(&server, "", "\r\n\r\nphone;plan\r\n\r\n+12025550101;a, b\r\n\r\nx;c\r\n").expect(201);
    assert_eq!((&report["imported"], rejections(&report)[0].0), (&json!(1), 7));
    let report = send_table(&server, "", "sep=;\r\nphone;a,b,c,d\r\n+12025550102;1\r\n").expect(201);
    assert_eq!(report["imported"], 1);
    assert_eq!(server.get("/api/leads/2").send().json()["variables"], json!({"a,b,c,d": "1"}));
}

#[test]
fn the_same_limits_hold_for_a_table_and_for_json() {
    let server = TestServer::start();
    campaign(&server);
    for (json, table) in [
        (json!({"tags": vec!["x"; 51]}), format!("tags\n{}", "x;".repeat(51))),
        (json!({"tags": ["x".repeat(101)]}), format!("tags\n{}", "x".repeat(101))),
        (json!({"tags": ["a\0b"]}), "tags\na\0b".into()),
        (json!({"variables": {"plan": "a\0b"}}), "plan\na\0b".into()),
        (json!({"variables": {"a\0b": "x"}}), "a\0b\nx".into()),
        (json!({"variables": {"plan": "x".repeat(5_001)}}), format!("plan\n{}", "x".repeat(5_001))),
    ] {
        let mut lead = json;
        lead["phone"] = json!("+12025550101");
        assert_eq!(server.post(LEADS, &lead).send().status, 400, "{lead}");
        let (header, row) = table.split_once('\n').unwrap();
        let refused =
            send_table(&server, "?partial=false", &format!("phone,{header}\n+12025550101,\"{row}\""));
        let shown = table.chars().take(50).collect::<String>();
        let unquoted = send_table(&server, "?partial=false", &format!("phone,{header}\n+12025550101,{row}"));
        assert_eq!((refused.status, unquoted.status), (400, 400), "{shown}");
    }
    assert_eq!(
        server.post(LEADS, &json!({"phone": "+12025550101", "variables": {" ": 1}})).send().status,
        400
    );
    let labelled = send_table(&server, "", "phone,tags\n+12025550101,a; b,\n").expect(201);
    assert_eq!(labelled["imported"], 1);
}

#[test]
fn a_table_may_call_itself_an_application_of_csv() {
    let server = TestServer::start();
    campaign(&server);
    let request = server.request("POST", LEADS).token(crate::support::WRITER);
    assert_eq!(request.body("application/csv", b"phone\n+12025550101\n").send().status, 201);
}

#[test]
fn an_array_is_read_no_further_than_it_is_wanted() {
    let server = TestServer::start();
    campaign(&server);
    let ones = format!("[{}1]", "1,".repeat(7 << 20));
    let send = |query: &str| {
        let request = server.request("POST", &format!("{LEADS}{query}")).token(crate::support::WRITER);
        request.body("application/json", ones.as_bytes()).send()
    };
    assert_eq!(send("").error(400).matches("must be a JSON object, not a number").count(), 8);
    assert_eq!(
        send("?partial=true").error(400),
        "body: must have at most 10000 items; send more as text/csv"
    );
}

#[test]
fn leads_and_calls_have_tags_that_change_with_them() {
    let server = TestServer::start();
    campaign(&server);
    let made = server.post(LEADS, &json!({"phone": "+12025550101", "first_name": "Ada"})).send();
    let path = "/api/leads/1";
    let tag_of = |path: &str| server.get(path).send().header("ETag").unwrap().to_owned();
    let first = tag_of(path);
    assert_eq!(made.header("ETag"), Some(&*first));
    let same = server.get(path).header("If-None-Match", &format!("\"x\", W/{first}")).send();
    assert_eq!((same.status, same.body.as_str(), same.header("ETag")), (304, "", Some(&*first)));

    // What only the hour changes is seen by a reader and does not hold an editor back.
    server.clock.advance(TimeDelta::hours(10));
    let evening = tag_of(path);
    assert_ne!(evening, first);
    assert_eq!(server.get(path).header("If-None-Match", &first).send().status, 200);

    let call = format!("/api/calls/{}", server.place_call(1));
    let alive = tag_of(&call);
    assert_eq!(server.get(&call).header("If-None-Match", &alive).send().status, 304);
    server.end_call(1, Outcome::NoAnswer, None);
    assert_eq!(server.get(&call).header("If-None-Match", &alive).send().status, 200);

    let stale = server.delete(path).header("If-Match", &first).send();
    assert_eq!(stale.error(412), "The lead has changed since; fetch it again and repeat the change");
    assert_eq!(server.delete(path).header("If-Match", "nonsense").send().status, 412);
    let now = tag_of(path);
    server.clock.advance(TimeDelta::hours(14));
    assert_ne!(tag_of(path), now);
    assert_eq!(server.delete(path).header("If-Match", &now).send().status, 204);
    assert_eq!(server.delete(path).header("If-Match", &now).send().status, 404);
}

/// A thousand leads may have half a gigabyte of variables.
#[test]
fn a_page_of_large_leads_has_fewer_of_them_and_says_where_to_go_on() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let variables: serde_json::Map<String, Value> =
        (0..100).map(|nth| (format!("v{nth}"), json!("x".repeat(5_000)))).collect();
    for batch in 0..2 {
        let leads: Vec<Value> = (0..10)
            .map(|nth| json!({"phone": format!("+120255501{batch}{nth}"), "variables": variables}))
            .collect();
        server.post("/api/voice-campaigns/1/leads", &json!(leads)).send().expect(201);
    }
    let first = server.get("/api/voice-campaigns/1/leads?limit=1000").send();
    assert!(first.header("Link").is_some_and(|link| link.contains("cursor=16") && link.contains("next")));
    assert_eq!(first.expect(200).as_array().unwrap().len(), 16);
    let last = server.get("/api/voice-campaigns/1/leads?limit=1000&cursor=16").send();
    assert_eq!(last.header("Link"), None);
    assert_eq!(last.expect(200).as_array().unwrap().len(), 4);
}

#[test]
fn what_is_looked_for_is_found_in_any_case_of_any_alphabet() {
    let server = TestServer::start();
    for name in ["Zebra", "éclair", "MÜLLER & SÖHNE", "Änderung", "Éclair"] {
        server.campaign(json!({"name": name, "status": "active"}));
    }
    let lead = json!({"phone": "+12025550101", "first_name": "ΓΙΏΡΓΟΣ", "last_name": "Müller"});
    server.post(LEADS, &lead).send().expect(201);
    server.place_call(1);
    server
        .post("/api/do-not-call", &json!({"phone": "+12025550102", "reason": "Иван ALLEIN"}))
        .send()
        .expect(201);
    for path in [
        "/api/voice-campaigns?search=m%C3%BCller",
        "/api/voice-campaigns?search=M%C3%9CLLER%20%26%20S%C3%B6",
        "/api/voice-campaigns/1/leads?search=M%C3%9CLLER",
        "/api/voice-campaigns/1/leads?search=%CE%B3%CE%B9%CF%8E",
        "/api/calls?search=m%C3%BCLLER",
        "/api/do-not-call?search=%D0%B8%D0%B2%D0%90%D0%BD%20allein",
    ] {
        assert_eq!(server.get(path).send().expect(200).as_array().unwrap().len(), 1, "{path}");
    }
    let (mut names, mut next) =
        (Vec::new(), Some("/api/voice-campaigns?sort=name&order=asc&limit=1".to_owned()));
    while let Some(path) = next {
        let answer = server.get(&path).send();
        names.push(answer.expect(200)[0]["name"].as_str().unwrap().to_owned());
        next = answer.header("Link").map(|link| link[1..link.find('>').unwrap()].to_owned());
    }
    assert_eq!(names, ["MÜLLER & SÖHNE", "Zebra", "Änderung", "éclair", "Éclair"]);
}
