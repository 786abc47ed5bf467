//! Adds to an operation what follows from what its handler says: a change may lack the scope, a path may name nothing, a
//! body may be too large.

use super::examples;
use serde_json::{Map, Value, json};

/// An operation with everything that follows from it.
pub(super) fn operation(path: &str, method: &str, tag: &str, mut operation: Value) -> Value {
    operation["tags"] = json!([tag]);
    if let Some(summary) = operation["summary"].as_str() {
        operation["summary"] = summary.trim_end_matches('.').into();
    }
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        let schema = &mut parameter["schema"];
        if schema["type"].is_array() {
            schema["type"] = schema["type"][0].clone();
        }
        not_blank(schema);
    }
    if let Some(body) = operation.get_mut("requestBody") {
        untyped_files(body);
        may_be_missing(body);
    }
    let is_open = operation.get("security").is_some_and(|security| security == &json!([{}]));
    let scope = match operation["security"][0]["token"][0].as_str() {
        Some(scope) => scope.to_owned(),
        None if method == "get" => "read".to_owned(),
        None => "write".to_owned(),
    };
    let below = path.strip_prefix("/api");
    if is_open {
        operation["security"] = json!([]);
    } else {
        operation["security"] = json!([{"token": [scope]}, {"session": [scope]}]);
        let said = operation["description"].as_str().map(|text| format!("{text}\n\n")).unwrap_or_default();
        operation["description"] = format!("{said}Scope: `{scope}`.").into();
    }
    let has = |name: &str| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == name))
    };
    let has_body = operation.get("requestBody").is_some();
    let changes = method != "get";
    let (repeatable, conditional) = (has("Idempotency-Key"), has("If-Match"));
    let (cached, paged) = (has("If-None-Match"), has("cursor"));
    let missing = not_found(below.unwrap_or_default());
    let Some(responses) = operation["responses"].as_object_mut() else { return operation };
    if below.is_none() {
        responses.values_mut().for_each(|response| add_headers(response, &["X-Request-Id"]));
        return operation;
    }
    // What is named in the body, its operation says itself.
    let names_something = path.contains('{') || responses.remove("404").is_some();
    for (status, response) in responses.iter_mut() {
        untyped_files(response);
        let own = response["headers"].as_object().into_iter().flat_map(|headers| headers.keys().cloned());
        let own: Vec<String> = own.collect();
        own.iter().for_each(|name| add_headers(response, &[name]));
        let status: u16 = status.parse().unwrap_or_default();
        match status {
            401 | 409 => told_by_code(response),
            200 if conditional || cached => add_headers(response, &["ETag"]),
            200 if paged => add_headers(response, &["Link"]),
            201 => add_headers(response, &["Location"]),
            _ => {}
        }
        if repeatable && status < 300 {
            add_headers(response, &["Idempotent-Replayed"]);
        }
        if status == 401 {
            add_headers(response, &["WWW-Authenticate"]);
        }
        add_headers(response, &EVERYWHERE);
    }
    let mut answer = |status: &str, is_possible: bool, response: Value| {
        if is_possible && !responses.contains_key(status) {
            responses.insert(status.to_owned(), response);
        }
    };
    let shared = |name: &str| json!({"$ref": format!("#/components/responses/{name}")});
    answer("304", cached, shared("NotModified"));
    answer("400", true, shared("Invalid"));
    answer("401", !is_open, shared("Unauthorized"));
    answer("403", changes || scope == "admin", shared("Forbidden"));
    answer("404", names_something, error_response(missing.0, "not_found", missing.1));
    answer("408", has_body, shared("TooSlow"));
    answer("412", conditional, shared("Stale"));
    answer("413", has_body, shared("TooLarge"));
    answer("415", changes, shared("UnsupportedMediaType"));
    answer("421", true, shared("Misdirected"));
    answer("422", repeatable, shared("KeyReused"));
    answer("429", true, shared("RateLimited"));
    answer("500", true, shared("Failed"));
    answer("503", true, shared("Unavailable"));
    responses.sort_keys();
    operation
}

/// Files are bytes, whatever is in them.
fn untyped_files(body: &mut Value) {
    let kinds = body.get_mut("content").and_then(Value::as_object_mut);
    for (kind, content) in kinds.into_iter().flatten() {
        if kind.starts_with("application/vnd.") || kind.starts_with("audio/") {
            content["schema"] = json!({"type": "string", "format": "binary"});
        }
        // No schema of JSON says what a stream is.
        if let (true, Some(content)) = (kind == "text/event-stream", content.as_object_mut()) {
            content.remove("schema");
        }
    }
}

/// A body that may be missing is none, and not null.
fn may_be_missing(body: &mut Value) {
    let Some(schema) = body.pointer_mut("/content/application~1json/schema") else { return };
    if schema["oneOf"][0]["type"] == "null" {
        *schema = schema["oneOf"][1].take();
        body["required"] = false.into();
    }
}

/// What a path names and may not be there.
fn not_found(path: &str) -> (&'static str, &'static str) {
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match segments.as_slice() {
        [_, _, "imports", _, ..] => ("No such campaign or import.", "Import not found"),
        [_, _, "test-calls", _, "recording"] => {
            ("No such campaign or call, or no recording of it.", "Recording not found")
        }
        [_, _, "test-calls", _, ..] => ("No such campaign or call.", "Call not found"),
        ["voice-campaigns", ..] => ("No such campaign.", "Voice campaign not found"),
        ["leads", ..] => ("No such lead.", "Lead not found"),
        ["calls" | "inbound-calls", _, "recording"] => {
            ("No such call, or no recording of it.", "Recording not found")
        }
        ["calls" | "inbound-calls", ..] => ("No such call.", "Call not found"),
        ["do-not-call", ..] => {
            ("The number is not on the list.", "This number is not on the do-not-call list")
        }
        ["tokens", ..] => ("No such token.", "Token not found"),
        ["trunks", ..] => ("No such trunk.", "Trunk not found"),
        ["people", ..] => (
            "What stands in the path is no number.",
            "This is no phone number; give it with its country code, as +12025550101",
        ),
        ["webhooks", ..] => ("No such webhook.", "Webhook not found"),
        ["webhook-deliveries", ..] => ("No such delivery.", "Webhook delivery not found"),
        _ => ("No such thing.", "Not found"),
    }
}

/// Headers of every answer below `/api`.
const EVERYWHERE: [&str; 6] = [
    "X-Request-Id",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "RateLimit-Policy",
    "RateLimit",
];

fn add_headers(response: &mut Value, names: &[&str]) {
    if response.get("headers").is_none_or(|headers| !headers.is_object()) {
        response["headers"] = json!({});
    }
    for name in names {
        response["headers"][name] = json!({"$ref": format!("#/components/headers/{name}")});
    }
}

fn error_response(description: &str, code: &str, sentence: &str) -> Value {
    let example = json!({"error": sentence, "code": code});
    let mut response = json!({
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "example": example}},
    });
    add_headers(&mut response, &EVERYWHERE);
    response
}

/// Makes an example out of each line of the description, which names a code and its sentence.
fn told_by_code(response: &mut Value) {
    let description = response["description"].as_str().unwrap_or_default().to_owned();
    let mut examples = Map::new();
    for line in description.lines() {
        let told = line.strip_prefix("- `").and_then(|line| line.split_once("`: "));
        if let Some((code, sentence)) = told {
            examples.insert(code.to_owned(), json!({"value": {"error": sentence, "code": code}}));
        }
    }
    response["description"] = format!("By `code`:\n\n{description}").into();
    response["content"] = json!({
        "application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "examples": examples},
    });
}

/// Answers that many operations have in common.
pub(super) fn shared_responses() -> Value {
    let mut invalid = error_response(
        "The request cannot be read, or breaks rules; `details` has all problems at once.",
        "invalid",
        "",
    );
    invalid["content"]["application/json"]["example"] = examples::invalid();
    let mut unauthorized = error_response(
        "No valid token.",
        "unauthorized",
        "A valid API token is required, as `Authorization: Bearer <token>`",
    );
    add_headers(&mut unauthorized, &["WWW-Authenticate"]);
    let mut forbidden = json!({
        "description": "- `forbidden`: This token lacks the scope `write`\n- `cross_site`: Changes for somebody who is \
            signed in are accepted from the server's own page alone; elsewhere use an API token, as `Authorization: Bearer \
            <token>`",
    });
    told_by_code(&mut forbidden);
    add_headers(&mut forbidden, &EVERYWHERE);
    let mut limited = error_response("Too many requests.", "rate_limited", "Rate limit exceeded");
    add_headers(&mut limited, &["Retry-After"]);
    let mut unavailable = error_response(
        "The server stops, or its database cannot be used at the moment.",
        "unavailable",
        "Temporarily unavailable; try again later",
    );
    add_headers(&mut unavailable, &["Retry-After"]);
    let mut misdirected = error_response(
        "The request was meant for another server: it does not answer to this name.",
        "misdirected",
        "This server does not answer to the name `example.com`; the setting `hosts` lists those it answers to",
    );
    // Who the caller is was not asked, or could not be.
    for response in [&mut unavailable, &mut misdirected] {
        if let Some(headers) = response["headers"].as_object_mut() {
            headers.retain(|name, _| ["X-Request-Id", "Retry-After"].contains(&name.as_str()));
        }
    }
    let mut not_modified = json!({"description": "The client has it already."});
    add_headers(&mut not_modified, &EVERYWHERE);
    add_headers(&mut not_modified, &["ETag"]);
    json!({
        "NotModified": not_modified,
        "Invalid": invalid,
        "Unauthorized": unauthorized,
        "Forbidden": forbidden,
        "TooSlow": error_response("The body did not come in time.", "timeout", "The body did not arrive in time"),
        "Stale": error_response(
            "It has changed since the version that `If-Match` names.",
            "precondition_failed",
            "The campaign has changed since; fetch it again and repeat the change",
        ),
        "TooLarge": error_response("The body is too large.", "too_large", "The body is larger than 2097152 bytes"),
        "UnsupportedMediaType": error_response(
            "Not a kind of body that is read here.",
            "unsupported_media_type",
            "Send the body with Content-Type: application/json",
        ),
        "Misdirected": misdirected,
        "KeyReused": error_response(
            "The key was used for a different request.",
            "idempotency_mismatch",
            "This Idempotency-Key was used for a different request",
        ),
        "RateLimited": limited,
        "Failed": error_response(
            "A defect; the log of the server has its cause, by the `X-Request-Id`.",
            "internal",
            "Failed to fetch voice campaigns",
        ),
        "Unavailable": unavailable,
    })
}

/// Headers by name, as answers refer to them.
pub(super) fn shared_headers() -> Value {
    let text = |description: &str| json!({"description": description, "schema": {"type": "string"}});
    let number =
        |description: &str| json!({"description": description, "schema": {"type": "integer", "minimum": 0}});
    let always = |mut header: Value| {
        header["required"] = true.into();
        header
    };
    json!({
        "X-Request-Id": always(text("Ties the answer to its lines in the log.")),
        "X-RateLimit-Limit": always(number("Requests in a window.")),
        "X-RateLimit-Remaining": always(number("Requests left in this window.")),
        "X-RateLimit-Reset": always(number("When the window ends, in Unix seconds.")),
        "RateLimit-Policy": always(text("Name, quota and window of the policy, such as `\"default\";q=1000;w=3600`.")),
        "RateLimit": always(text("What is left and for how many seconds, such as `\"default\";r=999;t=3599`.")),
        "Retry-After": always(number("Seconds after which it is worth trying again.")),
        "ETag": text("Its version, for `If-None-Match` and `If-Match`."),
        "Location": text("Where it is found."),
        "Link": text("The next page, as `</api/…?cursor=…>; rel=\"next\"`; missing on the last one."),
        "X-Total-Count": number("How many there are in all pages."),
        "Idempotent-Replayed": text("`true` where this is the first answer again."),
        "Content-Disposition": text("What the file is called."),
        "Content-Range": always(text("Which part of it this is, or how long it is.")),
        "Accept-Ranges": text("`bytes`: parts of it can be asked for."),
        "Set-Cookie": text("The cookie `vc_session`; without a value when it ends."),
        "WWW-Authenticate": always(text("`Bearer`.")),
    })
}

/// A text that must be there must not be blank.
fn not_blank(schema: &mut Value) {
    if schema["minLength"] == 1 && schema.get("pattern").is_none() {
        schema["pattern"] = "\\S".into();
    }
}

/// A schema as answers really are: what may be null is there all the same. Bodies that clients send are closed and stay
/// as they are.
pub(super) fn schema(mut schema: Value) -> Value {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(|all| all.values_mut()).for_each(describe_choice);
    if schema.get("additionalProperties").is_some() {
        let properties = schema
            .get_mut("properties")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flat_map(|all| all.values_mut());
        properties.for_each(not_blank);
        return schema;
    }
    if let Some(Value::Object(properties)) = schema.get("properties").cloned() {
        let mut required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, property) in properties {
            if is_nullable(&property) && !required.contains(&json!(name)) {
                required.push(name.into());
            }
        }
        if !required.is_empty() {
            schema["required"] = required.into();
        }
    }
    if let Some(parts) = schema.get_mut("allOf").and_then(Value::as_array_mut) {
        parts.iter_mut().for_each(|part| *part = self::schema(part.take()));
    }
    schema
}

/// What is said of a property is said of it, and not of the one of its choices that is not null.
fn describe_choice(property: &mut Value) {
    let inner = property.pointer_mut("/oneOf/1").and_then(Value::as_object_mut);
    if let Some(description) = inner.and_then(|inner| inner.remove("description")) {
        property["description"] = description;
    }
}

pub(super) fn is_nullable(property: &Value) -> bool {
    let is_null = |kind: &Value| kind == "null";
    let in_kinds = property["type"].as_array().is_some_and(|kinds| kinds.iter().any(is_null));
    in_kinds || property["oneOf"].as_array().is_some_and(|any| any.iter().any(|one| is_null(&one["type"])))
}

/// Where an answer names what other operations are about: the operation, its status, where the name stands, and the
/// path and the parameter that take it.
const NAMES: [(&str, &str, &str, &str, &str); 9] = [
    ("create_campaign", "201", "/id", "/api/voice-campaigns/{id}", "id"),
    ("list_leads", "200", "/0/id", "/api/leads/{id}", "id"),
    ("list_calls", "200", "/0/id", "/api/calls/{id}", "id"),
    ("create_webhook", "201", "/id", "/api/webhooks/{id}", "id"),
    ("list_webhooks_of_campaign", "200", "/0/id", "/api/webhooks/{id}", "id"),
    ("list_deliveries", "200", "/0/id", "/api/webhook-deliveries/{id}", "id"),
    ("test_webhook", "202", "/delivery_ids/0", "/api/webhook-deliveries/{id}", "id"),
    ("create_token", "201", "/id", "/api/tokens/{id}", "id"),
    ("add_do_not_call", "201", "/phone", "/api/do-not-call/{number}", "number"),
];

/// Says which operations go on with what an answer names.
pub(super) fn links(paths: &mut Map<String, Value>) {
    let takers: Vec<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            let ids = item.as_object().into_iter().flat_map(|item| item.values());
            ids.filter_map(|operation| Some((path.clone(), operation["operationId"].as_str()?.to_owned())))
        })
        .collect();
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(|item| item.values_mut()) {
        for (id, status, place, path, parameter) in NAMES {
            if operation["operationId"] != id {
                continue;
            }
            let is_about = |taker: &str| taker.strip_prefix(path).is_some_and(|rest| !rest.contains('{'));
            for (_, taker) in takers.iter().filter(|(path, _)| is_about(path)) {
                let link = json!({
                    "operationId": taker,
                    "parameters": {parameter: format!("$response.body#{place}")},
                });
                operation["responses"][status]["links"][taker] = link;
            }
        }
    }
}

/// Shows what a body looks like wherever one is named.
pub(super) fn examples(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    for part in ["paths", "webhooks"] {
        let items = document[part].as_object_mut().into_iter().flat_map(|items| items.values_mut());
        for operation in items.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut()) {
            if let Some(body) = operation.get_mut("requestBody") {
                show_examples(body, &schemas);
            }
            let responses = operation["responses"].as_object_mut();
            responses
                .into_iter()
                .flat_map(|all| all.values_mut())
                .for_each(|response| show_examples(response, &schemas));
        }
    }
}

fn show_examples(body: &mut Value, schemas: &Value) {
    let kinds = body.get_mut("content").and_then(Value::as_object_mut);
    for (kind, content) in kinds.into_iter().flatten() {
        if content.get("example").is_some() || content.get("examples").is_some() {
            continue;
        }
        let several = match kind.as_str() {
            "application/json" => examples_of(&content["schema"], schemas),
            other => examples::of_kind(other).map(|one| (String::new(), one)).into_iter().collect(),
        };
        match several.as_slice() {
            [] => {}
            [(_, one)] => content["example"] = one.clone(),
            several => {
                for (name, one) in several {
                    content["examples"][name] = json!({"value": one});
                }
            }
        }
    }
}

/// What a schema refers to looks like; several examples of one that leaves a choice, by what it is.
fn examples_of(schema: &Value, schemas: &Value) -> Vec<(String, Value)> {
    let name = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix("#/components/schemas/"));
    if let Some(name) = name {
        return match schemas[name].get("example") {
            Some(example) => vec![(name.to_owned(), example.clone())],
            None => examples_of(&schemas[name], schemas),
        };
    }
    if schema["type"] == "array" {
        let items = examples_of(&schema["items"], schemas);
        return items.into_iter().map(|(name, item)| (format!("several {name}"), json!([item]))).collect();
    }
    let choices = schema["oneOf"].as_array().into_iter().flatten();
    choices.flat_map(|choice| examples_of(choice, schemas)).collect()
}
