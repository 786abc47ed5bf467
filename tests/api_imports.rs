//! Files of leads: what is understood of the ugliest of them, what is told about every row, and taking them back.

use crate::api_leads::counts;
use crate::support::world::{World, suppression};
use crate::support::{Answer, Options, TestServer, WRITER};
use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use voice_campaigns::clock::System;
use voice_campaigns::domain::campaign::Request;
use voice_campaigns::domain::duplicate::Along;
use voice_campaigns::domain::guard::{Countries, Guard};
use voice_campaigns::domain::outcome::Outcome;
use voice_campaigns::domain::phone::{Country, Phone};
use voice_campaigns::store::import::{ImportOptions, import};
use voice_campaigns::store::{Store, Undo, check};

const LEADS: &str = "/api/voice-campaigns/1/leads";
const IMPORTS: &str = "/api/voice-campaigns/1/imports";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A server whose data folder is also where uploads wait.
fn server() -> TestServer {
    let server = TestServer::start_with(Options::default());
    assert_eq!(
        server.campaign(json!({"status": "active", "script_template": "Hello {customer_name|there}"})),
        1
    );
    server
}

fn send(server: &TestServer, query: &str, kind: &str, body: &[u8]) -> Answer {
    server.request("POST", &format!("{LEADS}{query}")).token(WRITER).body(kind, body).send()
}

fn send_csv(server: &TestServer, query: &str, table: &str) -> Answer {
    send(server, query, "text/csv", table.as_bytes())
}

/// A form with these parts; a part with a file name is a file.
fn form(server: &TestServer, query: &str, parts: &[(&str, Option<&str>, &[u8])]) -> Answer {
    // Another boundary each time, as clients do.
    let boundary = format!("----{:016x}", rand::random::<u64>());
    let mut body = Vec::new();
    for (name, file_name, content) in parts {
        let file_name = file_name.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        body.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{file_name}\r\n\r\n")
                .as_bytes(),
        );
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={boundary}");
    let request = server.request("POST", &format!("{LEADS}{query}")).token(WRITER);
    request.header("Idempotency-Key", &format!("{query}{}", parts.len())).body(&kind, &body).send()
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imports")
}

/// All that a report says about rows and columns, a line each.
fn told(answer: &Answer) -> String {
    let report = answer.json();
    let mut text = String::new();
    if answer.status != 201 {
        return format!("{} {}\n", answer.status, report["error"].as_str().unwrap());
    }
    let [imported, updated, skipped, rejected] = counts(&report);
    writeln!(text, "{imported} imported, {updated} updated, {skipped} skipped, {rejected} rejected").unwrap();
    let file = &report["file"];
    let parts = [&report["format"], &file["encoding"], &file["delimiter"], &file["sheet"]];
    let parts: Vec<String> =
        parts.iter().filter_map(|part| part.as_str()).map(|part| format!("{part:?}")).collect();
    writeln!(text, "{}{}", parts.join(" "), if file["has_header"] == true { "" } else { " without header" })
        .unwrap();
    for column in report["columns"].as_array().unwrap() {
        let [name, becomes, by] = ["column", "becomes", "by"].map(|key| column[key].as_str().unwrap());
        let note = column["note"].as_str().map(|note| format!(" ({note})")).unwrap_or_default();
        writeln!(text, "column {name} -> {becomes} by {by}, like {}{note}", column["sample"]).unwrap();
    }
    for reason in report["reasons"].as_array().unwrap() {
        let why = reason.get("why").map(|why| format!(" {why}")).unwrap_or_default();
        writeln!(text, "{} {}{why}", reason["count"], reason["reason"].as_str().unwrap()).unwrap();
        for row in reason["first_rows"].as_array().unwrap() {
            let [field, message] = ["field", "message"].map(|key| row[key].as_str().unwrap());
            writeln!(text, "  row {} {field} {}: {message}", row["row"], row["value"]).unwrap();
        }
    }
    for warning in report["warnings"].as_array().unwrap() {
        writeln!(text, "warning {} {}", warning["count"], warning["warning"].as_str().unwrap()).unwrap();
    }
    text
}

/// The leads of the campaign as they came in, a line each.
fn leads(server: &TestServer) -> String {
    let mut text = String::new();
    for lead in server.get(LEADS).send().expect(200).as_array().unwrap() {
        let names =
            ["first_name", "last_name", "email", "company_name", "time_zone", "best_time_to_call", "notes"];
        let fields: Vec<String> = names
            .iter()
            .filter(|name| !lead[**name].is_null())
            .map(|name| format!(" {name}={}", lead[*name]))
            .collect();
        writeln!(text, "lead {}{} {}", lead["phone"].as_str().unwrap(), fields.concat(), lead["variables"])
            .unwrap();
    }
    text
}

#[test]
fn every_ugly_file_gets_the_report_that_stands_beside_it() {
    let mut differing = Vec::new();
    let mut files: Vec<PathBuf> =
        fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        let kind = match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv" | "tsv" | "txt" | "xls") => "text/csv",
            Some("xlsx") => XLSX,
            _ => continue,
        };
        let server = server();
        // Its first line is what the file is sent with.
        let report = path.with_file_name(format!("{}.report", path.file_name().unwrap().to_str().unwrap()));
        let expected = fs::read_to_string(&report).unwrap_or_default();
        let query = expected.lines().next().unwrap_or("?default_country=US");
        let answer = send(&server, query, kind, &fs::read(&path).unwrap());
        let actual = format!("{query}\n{}{}", told(&answer), leads(&server));
        if expected != actual {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("imports");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(report.file_name().unwrap()), actual).unwrap();
            differing.push(folder.join(report.file_name().unwrap()));
        }
    }
    assert!(differing.is_empty(), "these reports differ from what is expected: {differing:#?}");
}

#[test]
fn a_second_import_of_the_same_file_adds_nobody_and_says_so() {
    let server = server();
    let table = "Handy;Name\n+12025550101;Ada Lovelace\n+12025550102;Alan Turing\n";
    let first = send_csv(&server, "", table);
    assert_eq!(
        (counts(&first.expect(201)), first.header("Location")),
        ([2, 0, 0, 0], Some("/api/voice-campaigns/1/imports/1"))
    );
    let second = send_csv(&server, "", table).expect(201);
    assert_eq!(counts(&second), [0, 0, 2, 0]);
    let reason = &second["reasons"][0];
    assert_eq!((&reason["reason"], &reason["count"]), (&json!("already_in_campaign"), &json!(2)));
    assert_eq!(
        reason["first_rows"][1],
        json!({"row": 3, "field": "Handy", "value": "+12025550102", "message": "The campaign has a lead with this number already"})
    );
    let lead = server.get("/api/leads/1").send().expect(200);
    assert_eq!(
        (&lead["import_id"], &lead["first_name"], &lead["last_name"]),
        (&json!(1), &json!("Ada"), &json!("Lovelace"))
    );
}

#[test]
fn a_file_whose_numbers_have_lost_their_plus_comes_in_when_somebody_says_so() {
    let server = server();
    let table = "phone\n4915112345678\n+12025550101\n015112345678\n";
    let report = send_csv(&server, "?default_country=DE&dry_run=true", table).expect(200);
    assert_eq!((&report["imported"], &report["reasons"][0]["why"]), (&json!(2), &json!({"two_readings": 1})));
    let report = send_csv(&server, "?default_country=international", table).expect(201);
    assert_eq!(
        (&report["imported"], &report["reasons"][0]["why"]),
        (&json!(2), &json!({"needs_country": 1}))
    );
    assert_eq!(report["default_country"], "international");
    assert_eq!(server.get("/api/leads/1").send().expect(200)["phone"], "+4915112345678");
    let one = server.post(&format!("{LEADS}?default_country=international"), &json!({"phone": "4930901820"}));
    assert_eq!(one.send().expect(201)["phone"], "+4930901820");
}

#[test]
fn numbers_that_are_never_dialed_come_in_with_a_warning() {
    let server = server();
    let countries = Countries::Only(vec![Country::parse("US").unwrap()]);
    server.store.set_guard(Guard { countries, ..(*server.store.guard()).clone() });
    let table = "phone\n+12025550101\n+19002345678\n+4930901820\n+4930901821\n";
    for query in ["?dry_run=true", ""] {
        let report = send_csv(&server, query, table).json();
        assert_eq!(counts(&report), [4, 0, 0, 0]);
        let expected = json!([
            {"warning": "number_refused", "count": 1,
             "message": "Premium, satellite, emergency and service numbers are never dialed"},
            {"warning": "country_not_allowed", "count": 2,
             "message": "Numbers of this country may not be dialed; add it to guard.allowed_countries if they should be"}
        ]);
        assert_eq!(report["warnings"], expected, "{query}");
    }
}

#[test]
fn a_report_comes_back_whole_and_is_kept() {
    let server = server();
    let report =
        send_csv(&server, "?default_country=US", "phone,plan\n(202) 555-0101,gold\n12,x\n").expect(201);
    let expected = json!({
        "id": 1, "campaign_id": 1, "state": "completed", "dry_run": false, "format": "csv", "file_name": null,
        "on_duplicate": "skip", "default_country": "US", "made_by": "vc_writer", "rows_total": 2, "rows_done": 2,
        "imported": 1, "updated": 0, "skipped": 0, "rejected": 1,
        "reasons": [{
            "reason": "not_a_number", "message": "The phone column holds no number that can be dialed",
            "is_error": true, "count": 1, "why": {"too_short": 1},
            "first_rows": [{
                "row": 3, "field": "phone", "value": "12",
                "message": "the phone number has too few digits: give all of it, with country and area code (emergency and short numbers are never dialed)"
            }]
        }],
        "warnings": [],
        "file": {"encoding": "UTF-8", "delimiter": ",", "sheet": null, "has_header": true},
        "columns": [
            {"column": "phone", "becomes": "phone", "by": "name", "sample": "(202) 555-0101"},
            {"column": "plan", "becomes": "variable:plan", "by": "other", "sample": "gold"}
        ],
        "error": null, "created_at": "2026-03-04T10:00:00Z", "finished_at": "2026-03-04T10:00:00Z"
    });
    assert_eq!(report, expected);
    assert_eq!(server.get(&format!("{IMPORTS}/1")).send().expect(200), expected);
    assert_eq!(server.get(IMPORTS).send().expect(200), json!([expected]));
    assert_eq!(server.get(&format!("{IMPORTS}/2")).send().error(404), "Import not found");
    assert_eq!(server.get("/api/voice-campaigns/2/imports/1").send().error(404), "Voice campaign not found");
    send_csv(&server, "", "phone\n+12025550102\n").expect(201);
    let page = server.get(&format!("{IMPORTS}?limit=1")).send();
    assert_eq!(page.json()[0]["id"], 2);
    assert_eq!(page.header("Link"), Some("</api/voice-campaigns/1/imports?limit=1&cursor=2>; rel=\"next\""));
    assert_eq!(server.get(&format!("{IMPORTS}?limit=1&cursor=2")).send().json()[0]["id"], 1);
}

#[test]
fn a_dry_run_tells_the_same_and_writes_nothing() {
    let server = server();
    server.lead(1, "+12025550101");
    let table = "phone,plan\n+12025550101,a\n+12025550102,b\n+12025550102,c\nx,=d\n";
    let dry = send_csv(&server, "?dry_run=true", table).expect(200);
    assert_eq!(counts(&dry), [1, 0, 2, 1]);
    assert_eq!((&dry["id"], &dry["dry_run"]), (&Value::Null, &json!(true)));
    assert_eq!(
        dry["skipped_csv"],
        "row,reason,field,message,phone,plan\n\
         2,already_in_campaign,phone,The campaign has a lead with this number already,+12025550101,a\n\
         4,duplicate_in_file,phone,An earlier row has the same number,+12025550102,c\n\
         5,not_a_number,phone,\"this is no phone number: give digits, such as +12025550101, without letters or other signs\",x,'=d\n"
    );
    assert_eq!(server.get(IMPORTS).send().expect(200), json!([]));
    assert_eq!(server.get("/api/voice-campaigns/1").send().json()["total_leads"], 1);
    let real = send_csv(&server, "", table).expect(201);
    for same in
        ["rows_total", "imported", "updated", "skipped", "rejected", "reasons", "warnings", "columns", "file"]
    {
        assert_eq!(dry[same], real[same], "{same}");
    }
    let skipped = server.get(&format!("{IMPORTS}/1/skipped")).send();
    assert_eq!((skipped.status, skipped.header("Content-Type")), (200, Some("text/csv; charset=utf-8")));
    assert_eq!(skipped.body, dry["skipped_csv"].as_str().unwrap());
    let whole = send_csv(&server, "?dry_run=true&partial=false", table).expect(200);
    assert_eq!(whole["warnings"][0]["warning"], "would_be_refused");
    let single =
        server.post(&format!("{LEADS}?dry_run=true"), &json!({"phone": "+12025550109"})).send().expect(200);
    assert_eq!(counts(&single), [1, 0, 0, 0]);
    assert_eq!(server.get("/api/voice-campaigns/1").send().json()["total_leads"], 2);
    let both = send_csv(&server, "?dry_run=true&async=true", table).error(400);
    assert_eq!(both, "async: must be left out of a dry run, which is answered when it is done");
}

#[test]
fn skipped_rows_can_be_corrected_and_sent_again() {
    let server = server();
    let table = "phone,note\n12,'=1+1\n+12025550101,\"a, \"\"b\"\"\nc\"\n+12025550101,-2\n";
    send_csv(&server, "", table).expect(201);
    let skipped = server.get(&format!("{IMPORTS}/1/skipped")).send();
    let again = skipped.body.replace(",12,", ",+12025550102,").replace(",+12025550101,", ",+12025550103,");
    let report = send_csv(
        &server,
        "?mapping={\"row\":\"ignore\",\"reason\":\"ignore\",\"field\":\"ignore\",\"message\":\"ignore\"}"
            .replace('"', "%22")
            .as_str(),
        &again,
    );
    assert_eq!(counts(&report.expect(201)), [2, 0, 0, 0]);
    assert_eq!(server.get("/api/leads/2").send().json()["notes"], "=1+1");
    assert_eq!(server.get("/api/leads/3").send().json()["notes"], "-2");
    let clean = server.get(&format!("{IMPORTS}/2/skipped")).send();
    assert_eq!((clean.status, clean.body.as_str()), (200, "row,reason,field,message\n"));
}

#[test]
fn a_duplicate_is_skipped_updates_or_is_an_error_as_the_caller_likes() {
    let server = server();
    let first =
        "phone,first_name,priority,tags,plan,Note\n+12025550101,Ada,5,vip,gold,kind\n+12025550102,Alan,,,,\n";
    send_csv(&server, "", first).expect(201);
    let second = "phone,first_name,last_name,priority,tags,Plan\n+12025550101,,Lovelace,,,silver\n+12025550103,Grace,,,,\n";
    assert_eq!(send_csv(&server, "?on_duplicate=reject&partial=false", second).status, 400);
    assert_eq!(
        counts(&send_csv(&server, "?on_duplicate=reject&dry_run=true", second).expect(200)),
        [1, 0, 0, 1]
    );
    let failed = server.get(&format!("{IMPORTS}/2")).send().expect(200);
    assert_eq!(
        (&failed["state"], &failed["reasons"][0]["reason"]),
        (&json!("failed"), &json!("already_in_campaign"))
    );
    assert_eq!(
        failed["error"],
        "Nothing was imported, because rows are wrong: row 2, phone: The campaign has a lead with this number already"
    );
    assert_eq!(counts(&send_csv(&server, "?on_duplicate=update", second).expect(201)), [1, 1, 0, 0]);
    let lead = server.get("/api/leads/1").send().expect(200);
    assert_eq!(
        [
            &lead["first_name"],
            &lead["last_name"],
            &lead["priority"],
            &lead["tags"],
            &lead["variables"],
            &lead["notes"],
            &lead["import_id"]
        ],
        [
            &json!("Ada"),
            &json!("Lovelace"),
            &json!(5),
            &json!(["vip"]),
            &json!({"plan": "silver"}),
            &json!("kind"),
            &json!(1)
        ]
    );
    let call = server.place_call(1);
    let update =
        json!([{"phone": "+12025550101", "first_name": "X"}, {"phone": "+12025550102", "priority": 1}]);
    let report = server.post(&format!("{LEADS}?on_duplicate=update"), &update).send().expect(201);
    assert_eq!((counts(&report), &report["reasons"][0]["reason"]), ([0, 1, 1, 0], &json!("in_progress")));
    server.end_call(call, Outcome::Busy, None);
    let lead = server.get("/api/leads/1").send().expect(200);
    assert_eq!(
        (&lead["first_name"], &lead["status"], &lead["attempts"]),
        (&json!("Ada"), &json!("scheduled"), &json!(1))
    );
    assert_eq!(server.get("/api/leads/2").send().json()["priority"], 1);
}

#[test]
fn an_update_that_brings_the_missing_variable_puts_the_lead_back_into_the_queue() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut world = World::new("2026-03-04T10:00:00Z").await;
        let campaign = world.campaign(json!({"script_template": "Your {plan} plan"})).await;
        world.leads(&campaign, ["+12026000001".to_owned()]).await;
        world.settle_down().await;
        assert!(world.calls(&campaign).await.is_empty());
        let table = world.folder.path().join("plans.csv");
        fs::write(&table, "phone,plan\n+12026000001,gold\n").unwrap();
        let options = ImportOptions {
            on_duplicate: voice_campaigns::domain::imports::OnDuplicate::Update,
            ..ImportOptions::default()
        };
        let done = import(&world.store, campaign.id, &table, options, "test").await.unwrap();
        assert_eq!(done.counts.updated, 1);
        world.settle_down().await;
        assert_eq!(world.calls(&campaign).await.len(), 1);
    });
}

#[test]
fn an_update_of_a_lead_that_is_held_lets_it_wait_for_the_delay_after_its_last_call() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut world = World::new("2026-03-04T10:00:00Z").await;
        let campaign = world.campaign(json!({"retry_delay_minutes": 60, "max_attempts_per_lead": 2})).await;
        let busy = "+12025550105";
        world.leads(&campaign, [busy.to_owned()]).await;
        world.run_for(TimeDelta::minutes(1)).await;
        // A call-back is due soon, and is held for a value that is missing.
        let lead = world.all_leads(&campaign).await.remove(0);
        let (id, soon) = (campaign.id, world.time() + TimeDelta::minutes(2));
        let arranged = world.write(move |tx| {
            let campaign = tx.campaign(id)?.unwrap();
            tx.arrange_call_back(&campaign, &lead, soon)
        });
        assert_eq!(arranged.await, Ok(()));
        world.edit(&campaign, json!({"script_template": "Your {plan} plan"})).await;
        world.run_for(TimeDelta::minutes(5)).await;
        assert_eq!(world.all_leads(&campaign).await[0].held.as_deref(), Some("missing_variable:plan"));
        let table = world.folder.path().join("plans.csv");
        fs::write(&table, format!("phone,plan\n{busy},gold\n")).unwrap();
        let options = ImportOptions {
            on_duplicate: voice_campaigns::domain::imports::OnDuplicate::Update,
            ..ImportOptions::default()
        };
        import(&world.store, campaign.id, &table, options, "test").await.unwrap();
        world.run_for(TimeDelta::hours(3)).await;
        let calls = world.calls(&campaign).await;
        assert_eq!(calls[1].placed_at - calls[0].ended_at.unwrap(), TimeDelta::minutes(60));
        world.check().await;
    });
}

#[test]
fn leads_of_an_undone_import_are_not_dialed_though_they_are_not_gone_yet() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut world = World::new("2026-03-04T10:00:00Z").await;
        let campaign = world.campaign(json!({})).await;
        let table = world.folder.path().join("leads.csv");
        fs::write(&table, "phone\n+12026000001\n+12026000002\n").unwrap();
        let done = import(&world.store, campaign.id, &table, ImportOptions::default(), "test").await.unwrap();
        let id = campaign.id;
        assert_eq!(world.write(move |tx| tx.undo_import(id, done.id)).await, Undo::Undone);
        world.settle_down().await;
        assert!(world.calls(&campaign).await.is_empty());
        assert!(world.all_leads(&campaign).await.is_empty());
        let copy = world.campaign(json!({"name": "Copy"})).await;
        let to = copy.id;
        world.write(move |tx| tx.copy_leads(id, to, Along::All, 0, 100)).await;
        assert!(world.all_leads(&copy).await.is_empty());
        world.check().await;
    });
}

#[test]
fn what_will_keep_leads_from_being_called_is_told_beforehand() {
    let server = server();
    server.campaign(json!({"status": "active"}));
    let other = "/api/voice-campaigns/2/leads";
    server.post(other, &json!([{"phone": "+12025550101"}, {"phone": "+12025550102"}])).send().expect(201);
    server.write(|tx| {
        tx.add_to_do_not_call_list(Phone::from_e164("+12025550102").unwrap(), &suppression("no"))
    });
    let script = json!({"script_template": "Hello {first_name}, your {plan} of {order|today}", "lead_time_zone_policy": "lead"});
    server.put("/api/voice-campaigns/1", &script).send().expect(200);
    let table = "phone,first_name\n+12025550101,Ada\n+12025550102,Alan\n+80012345678,Grace\n+12025550103,\n";
    for query in ["?dry_run=true", ""] {
        let report = send_csv(&server, query, table).json();
        assert_eq!(counts(&report), [3, 0, 1, 0]);
        assert_eq!(report["reasons"][0]["reason"], "on_do_not_call_list");
        let warnings: Vec<_> = report["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|w| (w["warning"].as_str().unwrap(), w["variable"].as_str(), w["count"].as_i64().unwrap()))
            .collect();
        assert_eq!(
            warnings,
            [
                ("time_zone_unknown", None, 1),
                ("in_another_active_campaign", None, 1),
                ("missing_variable", Some("first_name"), 1),
                ("missing_variable", Some("plan"), 3)
            ]
        );
    }
}

#[test]
fn a_form_brings_a_file_and_what_to_do_with_it() {
    let server = server();
    let sheet = fs::read(corpus().join("two_sheets.xlsx")).unwrap();
    let parts: [(&str, Option<&str>, &[u8]); 4] = [
        ("default_country", None, b"US"),
        ("sheet", None, b"More leads"),
        ("file", Some("our leads.xlsx"), &sheet),
        ("mapping", None, br#"{"Plan": "variable:tariff"}"#),
    ];
    let first = form(&server, "", &parts);
    let report = first.expect(201);
    assert_eq!(
        (counts(&report), &report["file_name"], &report["file"]["sheet"]),
        ([1, 0, 0, 0], &json!("our leads.xlsx"), &json!("More leads"))
    );
    assert_eq!(server.get("/api/leads/1").send().json()["variables"], json!({"tariff": "=1+1"}));
    // The same parts are the same request, whatever stands between them.
    let again = form(&server, "", &parts);
    assert_eq!(
        (again.body.as_str(), again.header("Idempotent-Replayed")),
        (first.body.as_str(), Some("true"))
    );
    let csv: &[u8] = b"phone\n+12025550102\n";
    for (parts, sentence) in [
        (vec![("x", None, csv)], "The form has no file in it; send one as the part `file`"),
        (
            vec![("file", Some("a.csv"), csv), ("b", Some("b.csv"), csv)],
            "The form has several files in it; send them one by one",
        ),
        (
            vec![("file", Some("a.csv"), csv), ("delimeter", None, b";")],
            "delimeter: unknown parameter; did you mean `delimiter`?",
        ),
        (vec![("file", Some("a.csv"), &b""[..])], "The file is empty"),
        (
            vec![("file", Some("a.csv"), csv), ("async", None, b"maybe")],
            "async: must be `true` or `false`; it is `maybe`",
        ),
    ] {
        assert_eq!(form(&server, "?partial=true", &parts).error(400), sentence);
    }
    let cut = server.request("POST", LEADS).token(WRITER).body(
        "multipart/form-data; boundary=x",
        b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nphone",
    );
    assert!(cut.send().error(400).starts_with("The form cannot be read: "));
    let endless = server.request("POST", LEADS).token(WRITER).body("multipart/form-data", b"phone\n1");
    assert_eq!(endless.send().error(400), "The Content-Type names no boundary between the parts");
}

#[test]
fn a_form_over_the_limit_is_refused_and_nothing_of_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::default();
    options.settings.spool_dir = folder.path().to_owned();
    options.settings.csv_limit_bytes = 1_000;
    let server = TestServer::start_with(options);
    server.campaign(json!({}));
    let rows = "+12025550101\n".repeat(100);
    let refused = form(&server, "", &[("file", Some("a.csv"), rows.as_bytes())]);
    assert_eq!(refused.error(413), "The body is larger than 1000 bytes");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn parameters_that_make_no_sense_are_refused_with_the_fix() {
    let server = server();
    let csv = |query: &str| send_csv(&server, query, "phone\n+12025550101\n").error(400);
    assert_eq!(
        csv("?on_duplicate=merge"),
        "on_duplicate: must be one of `skip`, `update`, `reject`; it is `merge`"
    );
    assert_eq!(csv("?delimiter=x"), "delimiter: must be `,`, `;`, `|` or `tab`; it is `x`");
    assert_eq!(
        csv("?mapping=phone"),
        "mapping: must be a JSON object such as {\"Telefon\": \"phone\", \"Id\": \"ignore\"}"
    );
    assert_eq!(
        csv("?mapping=%7B%22phone%22:%22fone%22%7D"),
        "mapping: `phone`: `fone` is no field of a lead; did you mean `phone`?"
    );
    assert_eq!(
        csv("?mapping=%7B%22fone%22:%22phone%22%7D"),
        "mapping.fone: the file has no such column; did you mean `phone`?"
    );
    assert_eq!(csv("?sheet=2"), "sheet: must be left out: this is no Excel workbook");
    let json = server.post(&format!("{LEADS}?delimiter=tab"), &json!([])).send();
    assert_eq!(json.error(400), "delimiter: is only for tables; leads in JSON name their fields");
    let sheet = fs::read(corpus().join("two_sheets.xlsx")).unwrap();
    let unknown = send(&server, "?sheet=Kunden", XLSX, &sheet).error(400);
    assert_eq!(unknown, "body: has no sheet `Kunden`; it has `Leads`, `More leads`");
    let forced = send_csv(&server, "?delimiter=pipe", "phone|a,b\n+12025550101|x\n").expect(201);
    assert_eq!(forced["columns"][1]["becomes"], "variable:a,b");
}

/// Waits until an import has ended; the test ends if it never does.
fn ended(server: &TestServer, location: &str) -> Value {
    for _ in 0..600 {
        let import = server.get(location).send().expect(200);
        if import["state"] != "running" {
            return import;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{location} runs for ever");
}

#[test]
fn an_import_in_the_background_is_answered_at_once_and_shows_its_progress() {
    let server = server();
    let table: String = (0..3_000).map(|n| format!("+1202{:07}\n", 2_000_000 + n)).collect();
    let request =
        server.request("POST", &format!("{LEADS}?async=true")).token(WRITER).header("Idempotency-Key", "a");
    let request = request.body("text/csv", format!("phone\n{table}").as_bytes());
    let answer = request.send();
    let body = answer.expect(202);
    assert_eq!(
        (&body["state"], &body["rows_done"], &body["finished_at"]),
        (&json!("running"), &json!(0), &Value::Null)
    );
    let location = answer.header("Location").unwrap();
    assert_eq!(location, "/api/voice-campaigns/1/imports/1");
    let done = ended(&server, location);
    assert_eq!((&done["state"], counts(&done)), (&json!("completed"), [3_000, 0, 0, 0]));
    let again = request.send();
    assert_eq!((again.status, again.header("Idempotent-Replayed")), (202, Some("true")));
    assert_eq!(server.get(IMPORTS).send().expect(200).as_array().unwrap().len(), 1);

    let broken = send_csv(&server, "?async=true", "name\nAda\n");
    let failed = ended(&server, broken.header("Location").unwrap());
    assert!(
        failed["error"]
            .as_str()
            .unwrap()
            .starts_with("header: no column holds phone numbers; the columns are `name`.")
    );
}

#[test]
fn the_same_request_imports_once_and_a_failed_one_may_be_tried_again() {
    let server = server();
    let ask = |body: &str| {
        let request = server.request("POST", LEADS).token(WRITER).header("Idempotency-Key", "k");
        request.body("text/csv", body.as_bytes()).send()
    };
    assert_eq!(ask("name\nAda\n").status, 400);
    let first = ask("phone\n+12025550101\n");
    let again = ask("phone\n+12025550101\n");
    assert_eq!((first.status, again.body.as_str()), (201, first.body.as_str()));
    assert_eq!(again.header("Location"), first.header("Location"));
    assert_eq!(ask("phone\n+12025550102\n").status, 422);
}

#[test]
fn an_import_is_undone_while_none_of_its_leads_was_dialed() {
    let server = server();
    server.lead(1, "+12025550199");
    send_csv(&server, "", "phone\n+12025550101\n+12025550102\n+12025550199\n").expect(201);
    let path = format!("{IMPORTS}/1");
    let call = server.place_call(2);
    let busy = server.delete(&path).send().expect(409);
    assert_eq!(
        busy,
        json!({
            "error": "1 of the 2 leads of this import were dialed, so it stays. Take the others out of the queue with PATCH /api/voice-campaigns/1/leads?import_id=1 {\"status\": \"canceled\"}",
            "code": "dialed"
        })
    );
    server.end_call(call, Outcome::NoAnswer, None);
    assert_eq!(server.delete(&path).send().status, 409);
    send_csv(&server, "", "phone\n+12025550103\n+12025550104\n").expect(201);
    let path = format!("{IMPORTS}/2");
    assert_eq!(server.delete(&path).send().expect(200)["state"], "undone");
    assert_eq!(server.delete(&path).send().expect(200)["state"], "undone");
    assert_eq!(server.get("/api/voice-campaigns/1").send().json()["total_leads"], 3);
    assert_eq!(server.get(&format!("{LEADS}?import_id=2")).send().expect(200), json!([]));
    assert_eq!(counts(&send_csv(&server, "", "phone\n+12025550103\n").expect(201)), [1, 0, 0, 0]);
    assert_eq!(server.delete(&format!("{IMPORTS}/9")).send().error(404), "Import not found");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let findings = runtime.block_on(check::run(&server.store, None)).unwrap();
    assert!(findings.iter().all(|finding| finding.ok), "{findings:#?}");
}

#[test]
fn a_large_file_goes_in_by_number_and_every_row_finds_its_fate() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
        let request = Request::read(crate::api_campaigns::example(), None).unwrap();
        store.write(move |tx| tx.insert_campaign(&request, "test")).await.unwrap();
        let table = folder.path().join("many.csv");
        let mut text = "phone,priority,plan\n".to_owned();
        for n in 0..120_000_u64 {
            let number = 2_000_000 + n * 5_000_011 % 7_999_993;
            match n % 100 {
                0 => writeln!(text, "n/a,1,x").unwrap(),
                // The good row of a number wins over the bad one before it.
                1 => writeln!(text, "+1212{number:07},9,bad\n+1212{number:07},1,good").unwrap(),
                2 => writeln!(text, "+1212{number:07},1,first\n+1212{number:07},2,second").unwrap(),
                _ => writeln!(text, "+1212{number:07},,\"a\nb\"").unwrap(),
            }
        }
        fs::write(&table, text).unwrap();
        let done = import(&store, 1, &table, ImportOptions::default(), "test").await.unwrap();
        let told = (done.counts.imported, done.counts.skipped, done.counts.rejected, done.rows_total);
        assert_eq!(told, (118_800, 1_200, 2_400, Some(122_400)));
        let again = import(&store, 1, &table, ImportOptions::default(), "test").await.unwrap();
        assert_eq!((again.counts.imported, again.counts.skipped), (0, 120_000));
        let plans = store.read(|snapshot| {
            let filter =
                voice_campaigns::store::LeadFilter { campaign_id: 1, limit: 200_000, ..Default::default() };
            snapshot.leads(&filter)
        });
        let plans = plans.await.unwrap();
        let count = |plan: &str| plans.iter().filter(|lead| lead.about.variables["plan"] == plan).count();
        assert_eq!([count("good"), count("first"), count("bad"), count("second")], [1_200, 1_200, 0, 0]);
        assert_eq!(store.write(|tx| tx.undo_import(1, 1)).await.unwrap(), Undo::Undone);
        while store.write(|tx| tx.remove_undone()).await.unwrap() {}
        let campaign = store.read(|snapshot| snapshot.campaign(1)).await.unwrap().unwrap();
        assert_eq!(campaign.totals.total_leads, 0);
        let findings = check::run(&store, None).await.unwrap();
        assert!(findings.iter().all(|finding| finding.ok), "{findings:#?}");
    });
}

/// Rows of a file as people might write it.
fn any_table() -> impl Strategy<Value = (u8, Vec<Vec<String>>)> {
    let phone = prop_oneof![
        3 => (100..130).prop_map(|line| format!("+1202555{line:04}")),
        1 => (100..130).prop_map(|line| format!("(202) 555-{line:04}")),
        1 => Just("n/a".to_owned()),
        1 => Just(String::new()),
        1 => "[0-9+e.' -]{0,14}",
    ];
    let cell = prop_oneof![3 => "[a-zé ]{0,6}", 1 => "[,;|\t\"'=+\n\r@]{0,4}", 1 => Just(String::new())];
    let row = (phone, proptest::collection::vec(cell, 0..4))
        .prop_map(|(phone, cells)| std::iter::once(phone).chain(cells).collect::<Vec<String>>());
    (prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'|')], proptest::collection::vec(row, 0..40))
}

#[test]
fn whatever_is_sent_every_row_is_told_once_and_nothing_is_lost() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = crate::support::world::folder_in_memory();
    let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
    let request = Request::read(crate::api_campaigns::example(), None).unwrap();
    let path = folder.path().join("any.csv");
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |((separator, rows) in any_table())| {
        let mut writer = csv::WriterBuilder::new().delimiter(separator).flexible(true).from_path(&path).unwrap();
        writer.write_record(["phone", "first_name", "plan", "notes"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        writer.flush().unwrap();
        // A row in which nothing stands is none.
        let rows: Vec<_> = rows.iter().filter(|row| row.iter().any(|cell| !cell.trim_ascii().is_empty())).collect();
        let (store, request, path) = (store.clone(), request.clone(), path.clone());
        let (done, leads) = runtime.block_on(async move {
            let campaign = store.write(move |tx| tx.insert_campaign(&request, "test")).await.unwrap().id;
            let done = import(&store, campaign, &path, ImportOptions::default(), "test").await.unwrap();
            let leads = store.read(move |s| s.campaign(campaign)).await.unwrap().unwrap().totals.total_leads;
            (done, leads)
        });
        prop_assert_eq!(done.counts.total(), rows.len() as i64);
        prop_assert_eq!(done.rows_total, Some(rows.len() as i64));
        prop_assert_eq!(done.counts.imported, leads);
        let told: i64 = done.details["reasons"].as_array().unwrap().iter().map(|r| r["count"].as_i64().unwrap()).sum();
        prop_assert_eq!(told, done.counts.skipped + done.counts.rejected);
        let skipped = voice_campaigns::store::import::skipped_file(folder.path(), done.id);
        let kept = if told == 0 { 0 } else { csv::ReaderBuilder::new().flexible(true).from_path(skipped).unwrap().records().map(Result::unwrap).count() as i64 };
        prop_assert_eq!(kept, told);
    });
}

#[test]
fn no_bytes_stop_the_reader() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = crate::support::world::folder_in_memory();
    let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
    let request = Request::read(crate::api_campaigns::example(), None).unwrap();
    runtime.block_on(store.write(move |tx| tx.insert_campaign(&request, "test"))).unwrap();
    let sheet = fs::read(corpus().join("two_sheets.xlsx")).unwrap();
    let path = folder.path().join("any.csv");
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    let any = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        // A workbook with some bytes changed.
        (proptest::collection::vec((0..sheet.len(), any::<u8>()), 0..6), 0..sheet.len()).prop_map(
            move |(changes, cut)| {
                let mut bytes = sheet.clone();
                for (at, byte) in changes {
                    bytes[at] = byte;
                }
                if cut % 3 == 0 {
                    bytes.truncate(cut);
                }
                bytes
            }
        )
    ];
    proptest!(config, |(bytes in any)| {
        fs::write(&path, &bytes).unwrap();
        if let Err(error) = runtime.block_on(import(&store, 1, &path, ImportOptions::default(), "test")) {
            let is_told = matches!(error, voice_campaigns::store::import::ImportError::Invalid(_));
            prop_assert!(is_told, "{error:?}");
        }
    });
}

#[test]
fn imports_of_a_deleted_campaign_go_with_their_files() {
    let server = server();
    send_csv(&server, "", "phone\nx\n").expect(201);
    let file = voice_campaigns::store::import::skipped_file(server.folder.path(), 1);
    assert!(file.exists());
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(voice_campaigns::store::import::remove_orphans(&server.store)).unwrap();
    assert!(file.exists());
    assert_eq!(server.delete("/api/voice-campaigns/1").send().status, 204);
    server.clock.advance(chrono::TimeDelta::days(40));
    runtime.block_on(async {
        while server.store.write(|tx| tx.purge_deleted(chrono::TimeDelta::days(30))).await.unwrap() {}
        voice_campaigns::store::import::remove_orphans(&server.store).await.unwrap();
    });
    assert!(!file.exists());
}
