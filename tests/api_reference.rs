//! The reference: that it is whole, that its examples are right, and that it is served. That answers are as it says is
//! looked at with every answer that a test gets; see `support/reference.rs`.

use crate::support::reference::{DOCUMENT, judge, problems, resolved};
use crate::support::{READER, TestServer};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Every operation, with its method and path.
fn operations() -> Vec<(String, &'static Map<String, Value>)> {
    let mut all = Vec::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((format!("{} {path}", method.to_uppercase()), operation.as_object().unwrap()));
        }
    }
    all
}

fn webhooks() -> Vec<(String, &'static Map<String, Value>)> {
    let all = DOCUMENT["webhooks"].as_object().unwrap().iter();
    all.map(|(name, item)| (name.clone(), item["post"].as_object().unwrap())).collect()
}

/// Everything within a value, and the value itself.
fn within<'v>(value: &'v Value, found: &mut dyn FnMut(&'v Value)) {
    found(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| within(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| within(field, found)),
        _ => {}
    }
}

/// Where `null` stands although it is no value that something may have.
fn nulls(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Null => found.push(place.to_owned()),
        Value::Array(items) => items.iter().for_each(|item| nulls(item, place, found)),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !["example", "examples"].contains(&name.as_str()))
            .for_each(|(name, field)| nulls(field, &format!("{place}/{name}"), found)),
        _ => {}
    }
}

fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_reference_leads_somewhere_and_nothing_is_left_over() {
    let mut named = BTreeSet::new();
    within(&DOCUMENT, &mut |value| {
        if value["$ref"].is_string() {
            resolved(value);
            named.insert(value["$ref"].as_str().unwrap());
        }
    });
    let mut unused = Vec::new();
    for kind in ["schemas", "responses", "headers"] {
        for name in DOCUMENT["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            if !named.contains(reference.as_str()) {
                unused.push(format!("nothing refers to {reference}"));
            }
        }
    }
    none(unused);
}

#[test]
fn nothing_is_said_by_null() {
    let mut found = Vec::new();
    nulls(&DOCUMENT, "", &mut found);
    none(found);
}

#[test]
fn every_operation_is_described() {
    let tags: BTreeSet<&str> =
        DOCUMENT["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let (mut problems, mut ids) = (Vec::new(), BTreeSet::new());
    let said = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
    for (name, operation) in operations().into_iter().chain(webhooks()) {
        let mut check = |is_so: bool, what: &str| {
            if !is_so {
                problems.push(format!("{name}: {what}"));
            }
        };
        check(said(&operation["summary"]), "no summary");
        check(said(&operation["description"]), "no description");
        check(tags.contains(operation["tags"][0].as_str().unwrap()), "an unknown tag");
        check(ids.insert(operation["operationId"].as_str().unwrap()), "an operationId that another one has");
        for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            check(said(&parameter["description"]), &format!("{} without description", parameter["name"]));
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            check(said(&resolved(response)["description"]), &format!("{status} without description"));
        }
    }
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        if !said(&schema["description"]) && schema.get("enum").is_none() {
            problems.push(format!("{name}: no description"));
        }
    }
    none(problems);
}

#[test]
fn every_body_has_an_example_that_is_right() {
    let mut wrong = Vec::new();
    for (name, operation) in operations().into_iter().chain(webhooks()) {
        let answers = operation["responses"].as_object().unwrap().iter();
        let mut bodies: Vec<(&str, &Value)> =
            answers.map(|(status, response)| (status.as_str(), resolved(response))).collect();
        bodies.extend(operation.get("requestBody").map(|body| ("body", body)));
        for (what, body) in bodies {
            for (kind, content) in body["content"].as_object().into_iter().flatten() {
                // Nobody reads a workbook, a form with one, or sound as text.
                if kind.starts_with("application/vnd.")
                    || kind.starts_with("audio/")
                    || kind == "multipart/form-data"
                {
                    continue;
                }
                let several = content["examples"].as_object().into_iter().flatten();
                let examples: Vec<&Value> =
                    content.get("example").into_iter().chain(several.map(|(_, one)| &one["value"])).collect();
                if examples.is_empty() {
                    wrong.push(format!("{name}: {what} has no example as {kind}"));
                }
                let Some(schema) = content.get("schema") else { continue };
                let found = examples.iter().flat_map(|example| problems(schema, example));
                wrong.extend(found.map(|problem| format!("{name}: {what}: {problem}")));
            }
        }
    }
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        let found = schema.get("example").into_iter().flat_map(|example| problems(schema, example));
        wrong.extend(found.map(|problem| format!("{name}: {problem}")));
    }
    none(wrong);
}

#[test]
fn the_server_shows_the_file_that_is_checked_in() {
    let server = TestServer::start();
    let shown = server.request("GET", "/api/openapi.json").token(READER).send();
    assert_eq!(shown.expect(200), *DOCUMENT);
    assert_eq!(server.request("GET", "/openapi.json").send().expect(200), *DOCUMENT);
    assert_eq!(server.get("/api/openapi.json?format=yaml").send().error(400), "format: unknown parameter");
}

#[test]
fn an_answer_that_is_not_as_the_reference_says_does_not_pass() {
    let passes = |status: u16, id: Option<&str>, body: &str| {
        let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        headers.extend(id.map(|id| ("X-Request-Id".to_owned(), id.to_owned())));
        std::panic::catch_unwind(|| judge("GET", "/health", status, &headers, body.as_bytes())).is_ok()
    };
    let good = r#"{"status": "ok", "version": "1.0.0"}"#;
    assert!(passes(200, Some("7"), good));
    assert!(!passes(200, None, good), "a header is missing");
    assert!(!passes(418, Some("7"), good), "a status that is not told of");
    assert!(!passes(200, Some("7"), r#"{"status": "ok"}"#), "a field is missing");
    assert!(!passes(200, Some("7"), r#"{"status": 1, "version": "1.0.0"}"#), "a field of another type");
}
