//! The reference (`static/openapi.json`) as a judge: is an answer one that it tells of?

use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// The document that is checked in.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../static/openapi.json")).unwrap());

/// What a `$ref` points to; the value itself where it is none.
pub(crate) fn resolved(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(reference) => DOCUMENT
            .pointer(reference.trim_start_matches('#'))
            .unwrap_or_else(|| panic!("{reference} leads nowhere")),
        None => value,
    }
}

/// Judges values by a schema of the document.
pub(crate) fn validator(schema: &Value) -> Arc<Validator> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || {
        let whole = json!({"allOf": [schema], "components": DOCUMENT["components"]});
        let options = jsonschema::options().should_validate_formats(true).build(&whole);
        Arc::new(options.unwrap_or_else(|error| panic!("{error}: {schema}")))
    };
    known.entry(schema.to_string()).or_insert_with(make).clone()
}

/// What is wrong with a value, if anything.
pub(crate) fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let errors = validator(schema);
    errors.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path)).collect()
}

/// The operation that a request is for; none where there is none.
pub(crate) fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let path = path.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let fits = |pattern: &str| {
        let pattern: Vec<&str> = pattern.split('/').filter(|segment| !segment.is_empty()).collect();
        pattern.len() == segments.len()
            && pattern.iter().zip(&segments).all(|(part, segment)| part.starts_with('{') || part == segment)
    };
    // A word comes before a name that stands for any.
    let mut fitting: Vec<&String> = paths.keys().filter(|pattern| fits(pattern)).collect();
    fitting.sort_by_key(|pattern| pattern.matches('{').count());
    paths[fitting.first()?.as_str()].get(method.to_lowercase())
}

/// Panics where the reference does not tell of such an answer.
pub(crate) fn judge(method: &str, path: &str, status: u16, headers: &[(String, String)], body: &[u8]) {
    let Some(operation) = operation(method, path) else { return };
    let told = || format!("{method} {path} is answered with {status} {}", String::from_utf8_lossy(body));
    let response = operation["responses"].get(status.to_string());
    let response = resolved(response.unwrap_or_else(|| panic!("{}, which the reference lacks", told())));
    let header = |name: &str| {
        headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    };
    let listed = response["headers"].as_object().into_iter().flatten();
    for (name, one) in listed {
        let is_missing = resolved(one)["required"] == true && header(name).is_none();
        assert!(!is_missing, "{}, without {name}", told());
    }
    for name in ["ETag", "Location", "Link", "X-Total-Count", "Idempotent-Replayed", "Retry-After"] {
        let is_unknown = header(name).is_some() && response["headers"].get(name).is_none();
        assert!(!is_unknown, "{}, with {name}, which the reference lacks", told());
    }
    if body.is_empty() {
        return;
    }
    let kind = header("Content-Type").unwrap_or_default().split(';').next().unwrap_or_default();
    let content = response["content"].get(kind);
    let content = content.unwrap_or_else(|| panic!("{}, as {kind}, which the reference lacks", told()));
    if kind == "application/json" {
        let problems = problems(&content["schema"], &serde_json::from_slice(body).unwrap());
        assert!(problems.is_empty(), "{}:\n{}", told(), problems.join("\n"));
    }
}
