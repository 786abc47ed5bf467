//! The do-not-call list over HTTP: added, looked for, taken off, imported and exported, and what it does to leads.

use crate::support::{ADMIN, Answer, TestServer, WRITER};
use chrono::TimeDelta;
use serde_json::{Value, json};
use voice_campaigns::domain::outcome::Outcome;
use voice_campaigns::domain::phone::Country;

const LIST: &str = "/api/do-not-call";

fn csv(server: &TestServer, query: &str, table: &str) -> Answer {
    let path = format!("{LIST}{query}");
    server.request("POST", &path).token(WRITER).body("text/csv", table.as_bytes()).send()
}

fn numbers(listed: &Value) -> Vec<String> {
    listed.as_array().unwrap().iter().map(|one| one["phone"].as_str().unwrap().to_owned()).collect()
}

fn status(server: &TestServer, lead: i64) -> Value {
    server.get(&format!("/api/leads/{lead}")).send().expect(200)["status"].take()
}

#[test]
fn a_number_goes_onto_the_list_and_off_again_and_every_change_is_kept() {
    let server = TestServer::start();
    let body = json!({"phone": "+1 (202) 555-0101", "reason": "asked by letter"});
    let answer = server.post(LIST, &body).send();
    let entry = json!({
        "phone": "+12025550101", "reason": "asked by letter", "source": "api", "call_id": null,
        "added_by": "vc_writer", "created_at": "2026-03-04T10:00:00Z",
        "history": [{"change": "added", "reason": "asked by letter", "source": "api", "by": "vc_writer",
                     "at": "2026-03-04T10:00:00Z"}],
    });
    assert_eq!(answer.expect(201), entry);
    assert_eq!(answer.header("Location"), Some("/api/do-not-call/+12025550101"));
    let again = server.post(LIST, &json!({"phone": "+12025550101", "reason": "asked again"})).send();
    assert_eq!(again.expect(200), entry, "the first reason stays");
    for spelling in ["+12025550101", "%2B12025550101", "+1%20202-555-0101", "0012025550101"] {
        assert_eq!(server.get(&format!("{LIST}/{spelling}")).send().expect(200), entry, "{spelling}");
    }
    let tag = server.get(&format!("{LIST}/+12025550101")).send().header("ETag").unwrap().to_owned();
    let same = server.get(&format!("{LIST}/+12025550101")).header("If-None-Match", &tag).send();
    assert_eq!((same.status, same.body.as_str()), (304, ""));
    let missing = server.get(&format!("{LIST}/+12025550102")).send().error(404);
    assert_eq!(missing, "This number is not on the do-not-call list");
    for (unreadable, start) in [("12025550101", "number: "), ("nobody", "number: ")] {
        let problem = server.get(&format!("{LIST}/{unreadable}")).send().error(400);
        assert!(problem.starts_with(start), "{problem}");
        let problem = server.delete(&format!("{LIST}/{unreadable}?reason=x")).send().error(400);
        assert!(problem.starts_with(start), "{problem}");
    }

    server.clock.advance(TimeDelta::hours(1));
    let remove = |query: &str| server.delete(&format!("{LIST}/+12025550101{query}")).send();
    assert!(remove("").error(400).starts_with("reason: is required"));
    assert!(remove("?raeson=x").error(400).contains("did you mean `reason`?"));
    assert_eq!(remove("?reason=wrote%20again").expect(200)["removed"], true);
    assert_eq!(remove("?reason=x").status, 404);
    assert_eq!(server.get(&format!("{LIST}/+12025550101")).send().status, 404);
    let back = server.post(LIST, &json!({"phone": "+12025550101"})).send().expect(201);
    let changes: Vec<_> =
        back["history"].as_array().unwrap().iter().map(|change| &change["reason"]).collect();
    assert_eq!(changes, ["asked by letter", "wrote again", "no reason given"]);
    assert_eq!(back["history"][1]["change"], "removed");
}

#[test]
fn a_number_on_the_list_leaves_the_queues_of_all_campaigns_at_once() {
    let server = TestServer::start();
    let campaigns = [0, 1].map(|_| server.campaign(json!({"status": "active"})));
    let leads = campaigns.map(|campaign| server.lead(campaign, "+12025550101"));
    let other = server.lead(campaigns[0], "+12025550102");
    server.post(LIST, &json!({"phone": "+12025550101"})).send().expect(201);
    assert_eq!(leads.map(|lead| status(&server, lead)), [json!("do_not_call"), json!("do_not_call")]);
    assert_eq!(status(&server, other), "pending");
    let state = |campaign: i64| {
        server.get(&format!("/api/voice-campaigns/{campaign}")).send().expect(200)["status"].take()
    };
    assert_eq!(campaigns.map(state), [json!("active"), json!("completed")], "nobody is left in the second");
    server.delete(&format!("{LIST}/+12025550101?reason=x")).send().expect(200);
    assert_eq!(status(&server, leads[0]), "do_not_call", "taking a number off the list calls nobody");
}

#[test]
fn who_asks_on_a_call_never_to_be_called_again_leaves_all_campaigns() {
    let server = TestServer::start();
    let campaigns = [0, 1].map(|_| server.campaign(json!({"status": "active"})));
    let [called, waiting] = campaigns.map(|campaign| server.lead(campaign, "+12025550109"));
    let call = server.place_call(called);
    server.end_call(call, Outcome::OptedOut, Some(5));
    assert_eq!(
        [called, waiting].map(|lead| status(&server, lead)),
        [json!("do_not_call"), json!("do_not_call")]
    );
    let entry = server.get(&format!("{LIST}/+12025550109")).send().expect(200);
    assert_eq!((&entry["source"], &entry["call_id"]), (&json!("call"), &json!(call)));
}

#[test]
fn a_lead_whose_number_is_listed_during_its_call_is_not_tried_again() {
    let server = TestServer::start();
    let campaign = server.campaign(json!({"status": "active"}));
    let lead = server.lead(campaign, "+12025550104");
    let call = server.place_call(lead);
    server.post(LIST, &json!({"phone": "+12025550104"})).send().expect(201);
    assert_eq!(status(&server, lead), "in_progress");
    server.end_call(call, Outcome::Canceled, None);
    assert_eq!(status(&server, lead), "do_not_call");
}

#[test]
fn the_list_is_searched_and_read_page_by_page() {
    let server = TestServer::start();
    for n in 0..5 {
        let body = json!({"phone": format!("+1202555010{n}"), "reason": format!("Letter {}", n % 2)});
        server.post(LIST, &body).send().expect(201);
        server.clock.advance(TimeDelta::seconds(i64::from(n % 2)));
    }
    csv(&server, "?default_country=GB", "phone\n020 7946 0958\n").expect(201);
    let list = |query: &str| {
        let answer = server.get(&format!("{LIST}{query}")).send();
        (numbers(&answer.expect(200)), answer.header("X-Total-Count").unwrap().to_owned())
    };
    let all =
        ["+12025550104", "+442079460958", "+12025550102", "+12025550103", "+12025550100", "+12025550101"];
    assert_eq!(list(""), (all.map(str::to_owned).to_vec(), "6".into()));
    assert_eq!(list("?search=letter%201").0, ["+12025550103", "+12025550101"]);
    assert_eq!(list("?search=(202)%20555-0103").0, ["+12025550103"]);
    assert_eq!(list("?source=import"), (vec!["+442079460958".into()], "1".into()));
    assert!(server.get(&format!("{LIST}?source=fax")).send().error(400).contains("`import`"));

    let (mut pages, mut next) = (Vec::new(), Some(format!("{LIST}?limit=2")));
    while let Some(path) = next {
        let answer = server.get(&path).send();
        pages.extend(numbers(&answer.expect(200)));
        next = answer.header("Link").map(|link| link[1..link.find('>').unwrap()].to_owned());
    }
    assert_eq!(pages, all);
    assert!(server.get(&format!("{LIST}?cursor=7")).send().error(400).contains("cursor"));
}

#[test]
fn who_was_listed_by_mistake_can_be_called_again_and_who_said_no_on_a_call_cannot() {
    let server = TestServer::start();
    let campaign = server.campaign(json!({"status": "active", "max_attempts_per_lead": 3}));
    let (mistaken, refusing) = (server.lead(campaign, "+12025550101"), server.lead(campaign, "+12025550102"));
    let call = server.place_call(refusing);
    server.end_call(call, Outcome::OptedOut, Some(5));
    server.post(LIST, &json!({"phone": "+12025550101"})).send().expect(201);
    let status = |lead: i64| server.get(&format!("/api/leads/{lead}")).send().expect(200)["status"].clone();
    assert_eq!((status(mistaken), status(refusing)), (json!("do_not_call"), json!("do_not_call")));
    let call_back = |lead: i64| {
        let at = (server.now() + TimeDelta::hours(1)).to_rfc3339();
        server.post(&format!("/api/leads/{lead}/schedule"), &json!({"at": at})).send()
    };
    assert_eq!(call_back(mistaken).expect(409)["code"], "do_not_call");
    for phone in ["+12025550101", "+12025550102"] {
        server.request("DELETE", &format!("{LIST}/{phone}?reason=mistake")).admin().send().expect(200);
    }
    call_back(mistaken).expect(200);
    assert_eq!(status(mistaken), "scheduled");
    assert_eq!(call_back(refusing).expect(409)["code"], "do_not_call");
}

#[test]
fn an_array_and_a_table_are_taken_row_by_row_and_what_is_no_number_is_told() {
    let server = TestServer::start();
    let array =
        json!([{"phone": "+12025550101"}, {"phone": "911"}, {"phone": "+12025550101", "reason": "x"}, 7]);
    let report = server.post(LIST, &array).send().expect(201);
    assert_eq!(
        (&report["added"], &report["already_listed"], &report["rejected_count"]),
        (&json!(1), &json!(1), &json!(2))
    );
    assert_eq!(report["rejected"][0]["row"], 2);
    assert_eq!(report["rejected"][0]["value"], "911");

    let table = "\u{FEFF}Name;Phone Number;Reason\r\nAda;+1 202 555 0102;\"=HYPERLINK(\"\"x\"\")\"\r\n\r\nBob;nobody;x\r\nEve;020 7946 0958;\r\n";
    let report = csv(&server, "?default_country=GB", table).expect(201);
    assert_eq!(
        report,
        json!({"added": 2, "already_listed": 0, "two_readings": 0, "rejected_count": 1, "rejected": [
            {"row": 4, "field": "Phone Number", "value": "nobody",
             "reason": "this is no phone number: give digits, such as +12025550101, without letters or other signs"}],
            "columns": [{"column": "Name", "becomes": "ignore", "note": null}, {"column": "Phone Number", "becomes": "phone", "note": null},
                        {"column": "Reason", "becomes": "reason", "note": null}]})
    );
    let again = csv(&server, "?default_country=GB", table).expect(200);
    assert_eq!((&again["added"], &again["already_listed"]), (&json!(0), &json!(2)));
    assert!(csv(&server, "", "name,age\nAda,7\n").error(400).contains("one of them must be `phone`"));

    let export = server.get(&format!("{LIST}/export")).send();
    assert_eq!(export.header("Content-Type"), Some("text/csv; charset=utf-8"));
    let mut lines: Vec<&str> = export.body.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "+12025550101,no reason given,api,vc_writer,2026-03-04T10:00:00Z",
            "+12025550102,\"'=HYPERLINK(\"\"x\"\")\",import,vc_writer,2026-03-04T10:00:00Z",
            "+442079460958,no reason given,import,vc_writer,2026-03-04T10:00:00Z",
            "phone,reason,source,added_by,created_at",
        ]
    );
    assert_eq!(
        csv(&server, "", &export.body).expect(200)["already_listed"],
        3,
        "what was exported can be imported"
    );
}

#[test]
fn a_number_without_a_country_belongs_to_the_default_one() {
    let mut options = crate::support::Options::default();
    options.settings.default_country = Country::parse("DE");
    let server = TestServer::start_with(options);
    let entry = server.post(LIST, &json!({"phone": "030 123456"})).send().expect(201);
    assert_eq!(entry["phone"], "+4930123456");
    assert_eq!(server.get(&format!("{LIST}/030%20123456")).send().status, 200);
    let british =
        server.post(&format!("{LIST}?default_country=GB"), &json!({"phone": "020 7946 0958"})).send();
    assert_eq!(british.expect(201)["phone"], "+442079460958", "unless the request says another");
    let campaign = server.campaign(json!({}));
    let lead = server.lead(campaign, "030 654321");
    assert_eq!(server.get(&format!("/api/leads/{lead}")).send().expect(200)["phone"], "+4930654321");
    let erased = server.request("DELETE", "/api/people/030%20654321").token(ADMIN).send().expect(200);
    assert_eq!(erased["erased"]["leads"], 1);
}

/// A server whose numbers are German: with a plan in which they are of any length, a digit more is another person.
fn german() -> TestServer {
    let mut options = crate::support::Options::default();
    options.settings.default_country = Country::parse("DE");
    TestServer::start_with(options)
}

fn on_the_list(server: &TestServer) -> Vec<String> {
    let mut all = numbers(&server.get(LIST).send().expect(200));
    all.sort_unstable();
    all
}

#[test]
fn what_a_spreadsheet_took_for_a_fraction_is_the_same_number_on_the_list_as_in_a_campaign() {
    let server = german();
    assert_eq!(csv(&server, "", "phone\n49301234567.0\n").expect(201)["added"], 1);
    let array = json!([{"phone": "49301234568.0"}, {"phone": "4.9301234569E+10"}]);
    assert_eq!(server.post(LIST, &array).send().expect(201)["added"], 2);
    assert_eq!(on_the_list(&server), ["+49301234567", "+49301234568", "+49301234569"]);
    let rounded = csv(&server, "", "phone\n4.93E+11\n493000000000.0\n").expect(200);
    assert_eq!((&rounded["added"], &rounded["rejected_count"]), (&json!(0), &json!(2)));
    let why = "a spreadsheet has rounded this number, its last digits are lost: format the column as text before \
               saving the file";
    assert_eq!(rounded["rejected"][0]["reason"], why);
    let campaign = server.campaign(json!({}));
    let leads = format!("/api/voice-campaigns/{campaign}/leads");
    for (sent, read) in [
        (json!(49309999999.0), "+49309999999"),
        (json!("49308888888.0"), "+49308888888"),
        (json!("49301234567.0"), "+49301234567"),
    ] {
        let lead = server.post(&leads, &json!({"phone": sent})).send().expect(201);
        assert_eq!(lead["phone"], read, "{sent}");
    }
    for rounded in [json!("4.93E+11"), json!(4.93E+11)] {
        let refused = server.post(&leads, &json!({"phone": rounded})).send().error(400);
        assert_eq!(refused, format!("phone: {why}"));
    }
}

#[test]
fn every_column_of_numbers_goes_onto_the_list_and_the_answer_says_which_those_are() {
    let server = german();
    let table = "Number,Name,phone,Mobile (private),reason\n\
                 4930123456,Ada,+49 30 111111,0151 12345671,asked\n\
                 4930123457,Bob,,0151 12345672,\n\
                 4930123458,Cem,030 333333,0151,\n\
                 4930123459,Dan,,,\n";
    let report = csv(&server, "", table).expect(201);
    assert_eq!(on_the_list(&server), ["+4915112345671", "+4915112345672", "+4930111111", "+4930333333"]);
    assert_eq!(
        report,
        json!({
            "added": 4, "already_listed": 0, "two_readings": 0, "rejected_count": 2,
            "rejected": [
                {"row": 4, "field": "Mobile (private)", "value": "0151",
                 "reason": "no such phone number exists, or it has an extension: check the digits and leave an \
                            extension (x123) out"},
                {"row": 5, "field": "phone", "value": "",
                 "reason": "the phone number is empty: give one such as +12025550101"}],
            "columns": [
                {"column": "Number", "becomes": "ignore",
                 "note": "not read, because a better one is there: call it `phone` if it holds phone numbers, too"},
                {"column": "Name", "becomes": "ignore", "note": null},
                {"column": "phone", "becomes": "phone", "note": null},
                {"column": "Mobile (private)", "becomes": "phone", "note": null},
                {"column": "reason", "becomes": "reason", "note": null}],
        })
    );
    let alone = csv(&server, "", "number\n+49 30 555555\n").expect(201);
    assert_eq!(
        alone["columns"],
        json!([{"column": "number", "becomes": "phone", "note": null}]),
        "there is no better one"
    );
}

#[test]
fn a_number_that_can_be_two_is_no_lead_and_on_the_list_it_is_both() {
    let server = german();
    let campaign = server.campaign(json!({}));
    let leads = format!("/api/voice-campaigns/{campaign}/leads");
    let sentence = "the number can be +4949441123456 or +49441123456: write it with + and the country code, or with \
                    its leading 0";
    for path in [&leads, LIST] {
        let refused = server.post(path, &json!({"phone": "49441123456"})).send().error(400);
        assert_eq!(refused, format!("phone: {sentence}"), "who is asked can say which");
    }
    let report = csv(&server, "", "phone\n49441123456\n49301234568\n").expect(201);
    assert_eq!((&report["added"], &report["two_readings"]), (&json!(3), &json!(1)));
    let again = server.post(LIST, &json!([{"phone": "49441123456"}])).send().expect(200);
    assert_eq!((&again["already_listed"], &again["two_readings"]), (&json!(2), &json!(1)));
    assert_eq!(on_the_list(&server), ["+49301234568", "+49441123456", "+4949441123456"]);
    for path in [format!("{LIST}/49441123456?reason=x"), "/api/people/49441123456".into()] {
        let refused = server.request("DELETE", &path).token(ADMIN).send().error(400);
        assert_eq!(refused, format!("number: {sentence}"), "{path}");
    }
    assert_eq!(server.get(&format!("{LIST}/0441%20123456")).send().expect(200)["phone"], "+49441123456");
    let two = csv(&server, "", "phone\n030 1234567 / 89\n030/1234567\n").expect(201);
    assert_eq!((&two["added"], &two["rejected"][0]["row"]), (&json!(1), &json!(2)));
}

#[test]
fn the_same_request_sent_again_is_answered_and_not_done_again() {
    let server = TestServer::start();
    let send = || server.post(LIST, &json!({"phone": "+12025550101"})).header("Idempotency-Key", "k").send();
    send().expect(201);
    server.delete(&format!("{LIST}/+12025550101?reason=mistake")).send().expect(200);
    let replayed = send();
    assert_eq!((replayed.status, replayed.header("Idempotent-Replayed")), (201, Some("true")));
    assert_eq!(server.get(&format!("{LIST}/+12025550101")).send().status, 404);
}

#[test]
fn while_many_numbers_are_listed_others_write_between_them() {
    let count = 20_000;
    let table: String = (0..count)
        .map(|n| format!("+1212{}{:04}\n", 600 + n / 10_000, n % 10_000))
        .fold("phone\n".to_owned(), |table, row| table + &row);
    let mut options = crate::support::Options::default();
    options.settings.csv_limit_bytes = 64 << 20;
    let server = TestServer::start_with(options);
    let campaign = server.campaign(json!({}));
    let others = std::thread::scope(|scope| {
        let listing = scope.spawn(|| csv(&server, "", &table).expect(201));
        let mut others = 0;
        while !listing.is_finished() {
            let path = format!("/api/voice-campaigns/{campaign}");
            server.put(&path, &json!({"notes": format!("{others}")})).send().expect(200);
            others += 1;
        }
        assert_eq!(listing.join().unwrap()["added"], count);
        others
    });
    assert!(others >= 10, "{others} other writes had their turn");
}

#[test]
fn who_said_no_is_listed_whatever_stands_beside_the_number() {
    let server = german();
    let long = "ä".repeat(501);
    let report = csv(&server, "", &format!("phone,reason\n+4930111111,{long}\n")).expect(201);
    assert_eq!((&report["added"], &report["rejected_count"]), (&json!(1), &json!(0)));
    let array = json!([
        {"phone": "+4930111112", "reason": long},
        {"phone": 4_930_111_113_u64},
        {"phone": "+4930111114 / +4930111115"},
        {"phone": "030 111116; 030/111117"},
    ]);
    let report = server.post(LIST, &array).send().expect(201);
    assert_eq!(
        (&report["added"], &report["two_readings"], &report["rejected_count"]),
        (&json!(6), &json!(0), &json!(0)),
        "{report}"
    );
    let report = csv(&server, "", "phone\n\"030 111118, 030 111119\"\n").expect(201);
    assert_eq!((&report["added"], &report["rejected_count"]), (&json!(2), &json!(0)));
    let listed: Vec<String> = (111_111..=111_119).map(|n| format!("+4930{n}")).collect();
    assert_eq!(on_the_list(&server), listed);
    for number in ["+4930111111", "+4930111112"] {
        let entry = server.get(&format!("{LIST}/{number}")).send().expect(200);
        assert_eq!(entry["reason"].as_str().unwrap(), "ä".repeat(499) + "…");
    }
    let kept = csv(&server, "", &server.get(&format!("{LIST}/export")).send().body).expect(200);
    assert_eq!(kept["already_listed"], 9);
}

#[test]
fn an_item_of_an_array_with_something_odd_in_it_is_listed_and_the_odd_is_told() {
    let server = TestServer::start();
    let array = json!([{"phone": "+12025550101", "raeson": "x"}, {"phone": "+12025550102", "reason": 7}]);
    let report = server.post(LIST, &array).send().expect(201);
    assert_eq!(on_the_list(&server), ["+12025550101", "+12025550102"]);
    let told: Vec<_> = report["rejected"].as_array().unwrap().iter().map(|one| &one["field"]).collect();
    assert_eq!(told, ["raeson", "reason"]);
}

#[test]
fn one_number_alone_is_asked_for_again_where_something_about_it_is_wrong() {
    let server = TestServer::start();
    for (body, problem) in [
        (json!({"phone": "+12025550126 / +12025550127"}), "phone: this is no phone number"),
        (json!({"phone": "+12025550126", "reason": "x".repeat(501)}), "reason: must be at most 500"),
        (json!({"phone": "+12025550126", "raeson": "x"}), "raeson: unknown field"),
    ] {
        let told = server.post(LIST, &body).send().error(400);
        assert!(told.starts_with(problem), "{told}");
    }
    assert_eq!(
        server.post(LIST, &json!({"phone": 12_025_550_126_u64})).send().status,
        400,
        "without a country"
    );
    let path = format!("{LIST}?default_country=US");
    let entry = server.post(&path, &json!({"phone": 12_025_550_126_u64})).send().expect(201);
    assert_eq!(entry["phone"], "+12025550126");
}
