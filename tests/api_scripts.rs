//! Scripts before anybody is called: what a lead would hear, and what looks wrong.

use crate::support::{READER, TestServer};
use serde_json::{Value, json};

const PREVIEW: &str = "/api/voice-campaigns/1/preview";
const LEADS: &str = "/api/voice-campaigns/1/leads";

/// A script in which nothing looks wrong.
const FINE: &str = "Hello {customer_name|there}, this is Ada from Northwind. Your plan is {plan}. To be taken off our list, press 9.";

fn with_scripts(script: &str, fallback: Option<&str>) -> TestServer {
    let server = TestServer::start();
    server.campaign(json!({"script_template": script, "fallback_script": fallback}));
    server
}

fn lead(server: &TestServer, lead: Value) -> i64 {
    server.post(LEADS, &lead).send().expect(201)["id"].as_i64().unwrap()
}

/// The codes and fields of the warnings in an answer.
fn warnings(answer: &Value) -> Vec<(&str, &str)> {
    let told = answer["warnings"].as_array().unwrap_or_else(|| panic!("{answer}"));
    told.iter().map(|told| (told["code"].as_str().unwrap(), told["field"].as_str().unwrap())).collect()
}

#[test]
fn a_preview_for_a_lead_is_what_it_would_hear() {
    let server = with_scripts(FINE, Some("Sorry, {customer_name|there}. Call {hotline}."));
    let id = lead(
        &server,
        json!({"phone": "+12025550101", "first_name": "Ada", "last_name": "Lovelace", "variables": {"plan": "gold"}}),
    );
    let request = server.request("POST", PREVIEW).token(READER);
    let expected = json!({
        "previews": [{
            "case": "lead",
            "script": "Hello Ada Lovelace, this is Ada from Northwind. Your plan is gold. To be taken off our list, press 9.",
            "fallback": null, "seconds": 10, "fallback_seconds": null,
            "missing": ["hotline"], "unknown": [{"name": "hotline", "nearest": null}],
            "too_long": false
        }],
        "warnings": [{
            "code": "variable_no_lead_has", "field": "fallback_script",
            "message": "no lead has a value for `hotline`, so nobody can be called"
        }],
        "leads_looked_at": 1, "total_leads": 1
    });
    assert_eq!(request.json(&json!({"lead_id": id})).send().expect(200), expected);
}

#[test]
fn a_preview_with_values_takes_scripts_that_are_not_saved_yet() {
    let server = with_scripts(FINE, None);
    let body = json!({
        "values": {"First Name": "Ada", "plan": 7, "blank": " "},
        "script_template": "Hi {name}, {plna|}{blank|nothing} {plan}", "fallback_script": "Bye {{}}"
    });
    let expected = json!([{
        "case": "values", "script": "Hi Ada, nothing 7. If you do not want to be called again, press 9.",
        "fallback": "Bye {}", "seconds": 8,
        "fallback_seconds": 1, "missing": [],
        "unknown": [{"name": "plna", "nearest": null}, {"name": "blank", "nearest": null}], "too_long": false
    }]);
    assert_eq!(server.post(PREVIEW, &body).send().expect(200)["previews"], expected);
    assert_eq!(server.get("/api/voice-campaigns/1").send().expect(200)["script_template"], FINE);
}

#[test]
fn the_worst_cases_are_made_of_what_the_leads_have() {
    let server = with_scripts("This is Ada. {plan} for {first_name|you}. Press 9 to opt out.", None);
    lead(&server, json!({"phone": "+12025550101", "variables": {"plan": "x"}}));
    lead(&server, json!({"phone": "+12025550102", "variables": {"Plan": "the longest plan of all"}}));
    lead(&server, json!({"phone": "+12025550103"}));
    let answer = server.post(PREVIEW, &json!({"worst_cases": true})).send().expect(200);
    let previews = answer["previews"].as_array().unwrap();
    let shown: Vec<(&Value, &Value, &Value)> =
        previews.iter().map(|shown| (&shown["case"], &shown["script"], &shown["missing"])).collect();
    let odd = "D’Ángelo \"O'Neil\" {name} <b>&amp;</b> 007 👩🏽‍💻 שלום 你好";
    assert_eq!(
        shown,
        [
            (
                &json!("longest_values"),
                &json!("This is Ada. the longest plan of all for you. Press 9 to opt out."),
                &json!([])
            ),
            (&json!("empty_values"), &Value::Null, &json!(["plan"])),
            (
                &json!("odd_characters"),
                &json!(format!("This is Ada. {odd} for {odd}. Press 9 to opt out.")),
                &json!([])
            ),
        ]
    );
    let unknown = json!([{"name": "first_name", "nearest": null}]);
    assert!(previews.iter().all(|shown| shown["unknown"] == unknown));
    assert_eq!(
        warnings(&answer),
        [("no_fallback_for", "script_template"), ("variable_no_lead_has", "script_template")]
    );
    assert_eq!(
        answer["warnings"][0]["message"],
        "1 of 3 leads have no value for `plan` and are not called; give them one, or write a fallback such as {plan|there}"
    );
}

/// What is short to send could be a hundred megabytes to say.
#[test]
fn a_script_that_is_too_long_with_its_values_is_not_said_and_its_lead_waits_with_the_reason() {
    let server = with_scripts(FINE, None);
    let (script, value) = ("{a}".repeat(6_666), "\u{1F600}".repeat(5_000));
    let body = json!({"values": {"a": value}, "script_template": script, "fallback_script": script});
    let shown = server.post(PREVIEW, &body).send().expect(200)["previews"][0].clone();
    assert_eq!(
        shown,
        json!({"case": "values", "script": null, "fallback": null, "seconds": null, "fallback_seconds": null,
               "missing": [], "unknown": [], "too_long": true})
    );
    let campaign = server.campaign(json!({"script_template": script, "status": "active"}));
    let body = json!({"phone": "+12025550101", "variables": {"a": value}});
    server.post(&format!("/api/voice-campaigns/{campaign}/leads"), &body).send().expect(201);
    let lead = server.get(&format!("/api/voice-campaigns/{campaign}/leads")).send().expect(200)[0].clone();
    assert_eq!(lead["hold"]["reason"], "script_too_long");
    let refused = server.post(
        &format!("/api/voice-campaigns/{campaign}/test-calls"),
        &json!({"phone": "+12025550101", "lead_id": lead["id"]}),
    );
    assert_eq!(refused.send().expect(409)["code"], "script_too_long");
}

#[test]
fn a_preview_says_what_is_wrong_with_it() {
    let server = with_scripts(FINE, None);
    let one_of = "body: must have exactly one of `lead_id`, `values` and `worst_cases`: true";
    for (body, message) in [
        (json!({}), one_of),
        (json!({"worst_cases": false}), one_of),
        (json!({"lead_id": 1, "worst_cases": true}), one_of),
        (json!({"lead_id": 7}), "lead_id: the campaign has no lead 7"),
        (json!({"values": {"a": [1]}}), "values: `a` must be a text, a number or true/false"),
        (
            json!({"values": {}, "scrpt_template": ""}),
            "scrpt_template: unknown field; did you mean `script_template`?",
        ),
        (
            json!({"values": {}, "script_template": "Hi {name"}),
            "script_template: line 1, column 4: this { is not closed: add }, or write {{ if you mean a brace",
        ),
    ] {
        assert_eq!(server.post(PREVIEW, &body).send().error(400), message);
    }
    assert_eq!(
        server.post(&PREVIEW.replace('1', "9"), &json!({"values": {}})).send().error(404),
        "Voice campaign not found"
    );
    let other = server.campaign(json!({}));
    let id = server.lead(other, "+12025550101");
    assert_eq!(
        server.post(PREVIEW, &json!({"lead_id": id})).send().error(400),
        format!("lead_id: the campaign has no lead {id}")
    );
}

#[test]
fn scripts_are_looked_over_when_they_are_saved_and_when_calling_begins() {
    let server = with_scripts(FINE, None);
    let put = |body: Value| server.put("/api/voice-campaigns/1", &body).send().expect(200);
    assert_eq!(warnings(&put(json!({"notes": "x"}))), []);
    assert!(server.get("/api/voice-campaigns/1").send().expect(200).get("warnings").is_none());
    lead(&server, json!({"phone": "+12025550101", "variables": {"plan": "gold"}}));
    lead(&server, json!({"phone": "+12025550102", "first_name": "Alan"}));

    assert_eq!(warnings(&put(json!({"notes": "y"}))), [], "on save, some may lack a value");
    let misspelt = put(json!({"script_template": FINE.replace("{plan}", "{plam}")}));
    assert_eq!(warnings(&misspelt), [("variable_no_lead_has", "script_template")]);
    assert_eq!(
        misspelt["warnings"][0]["message"],
        "no lead has a value for `plam`, so nobody can be called; did you mean `plan`?"
    );
    let long = put(
        json!({"script_template": FINE, "call_duration_limit": 10, "fallback_script": "word ".repeat(40)}),
    );
    assert_eq!(warnings(&long), [("very_long_script", "fallback_script")]);
    put(json!({"fallback_script": null, "call_duration_limit": 60}));

    let patch = |status: &str| {
        let answer = server.patch("/api/voice-campaigns/1/status", &json!({"status": status})).send();
        answer.expect(200)
    };
    assert_eq!(warnings(&patch("active")), [("no_fallback_for", "script_template")]);
    assert_eq!(warnings(&patch("paused")), []);
    assert_eq!(warnings(&put(json!({"status": "active"}))), [("no_fallback_for", "script_template")]);
    assert_eq!(
        warnings(&put(json!({"status": "paused", "script_template": "?"}))),
        [],
        "who stops does not wait"
    );
}

#[test]
fn warnings_refuse_nothing_and_unbalanced_braces_still_do() {
    let server = TestServer::start();
    let body = crate::api_campaigns::example_with(json!({"status": "active", "opt_out_sentence": ""}));
    let made = server.post("/api/voice-campaigns", &body).header("Idempotency-Key", "k").send();
    assert_eq!(
        warnings(&made.expect(201)),
        [("no_identification", "script_template"), ("no_opt_out", "script_template")]
    );
    let again = server.post("/api/voice-campaigns", &body).header("Idempotency-Key", "k").send();
    assert_eq!(again.body, made.body);
    let broken = server.put("/api/voice-campaigns/1", &json!({"script_template": "Hi {name"})).send();
    assert_eq!(broken.status, 400);
}
