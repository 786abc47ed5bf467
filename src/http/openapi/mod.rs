//! The reference: an OpenAPI 3.1 document of every call, made from the handlers, their views and what is said beside
//! them, and checked in as `static/openapi.json`.
//!
//! A handler says what is its own: its parameters, its body, its good answers and its conflicts. What follows from these
//! is added here, in one place: the other errors, the headers, the scope and the examples.

mod events;
mod examples;
mod finish;
pub(super) mod parameters;
mod requests;
pub(super) mod schemas;

use super::answer::Answer;
use super::auth::ReadScope;
use super::error::ApiError;
use super::query::Query;
use super::{
    analytics, audit, calls, campaigns, carrier, deliveries, demo, dialing, do_not_call, duplicate, export,
    forecast, imports, lead_actions, leads, other_calls, overview, people, preview, prompts, recordings,
    rehearsals, server_settings, session, stats, suggestions, tokens, tries, trunks, voices, wake_up,
    webhooks,
};
use rocket::http::Status;
use rocket::{Route, get, routes};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(show), components(schemas(schemas::Error)))]
struct Reference;

/// The calls outside `/api`.
#[derive(OpenApi)]
#[openapi(paths(super::health, super::ready::ready, super::metrics::metrics, super::docs))]
struct Outside;

static DOCUMENT: LazyLock<String> = LazyLock::new(document);

/// Gives this document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "show_reference",
    responses((status = 200, body = Object, description = "An OpenAPI 3.1 document.", example = json!({"openapi": "3.1.0", "info": {"title": "Voice Campaigns"}})))
)]
#[get("/openapi.json")]
async fn show(_caller: ReadScope, mut query: Query) -> Result<Answer, ApiError> {
    query.finish()?;
    Ok(Answer::text(Status::Ok, DOCUMENT.clone()))
}

/// Resources in their order, with what they are and who tells of them.
fn resources() -> Vec<(&'static str, &'static str, Vec<utoipa::openapi::OpenApi>)> {
    vec![
        (
            "Campaigns",
            "A campaign is the order to reach leads: when, how often, with which words and for how much money.",
            vec![
                campaigns::Reference::openapi(),
                duplicate::Reference::openapi(),
                demo::Reference::openapi(),
                stats::Reference::openapi(),
                analytics::Reference::openapi(),
                suggestions::Reference::openapi(),
                forecast::Reference::openapi(),
                preview::Reference::openapi(),
                prompts::Reference::openapi(),
                rehearsals::Reference::openapi(),
                overview::Reference::openapi(),
            ],
        ),
        (
            "Leads",
            "A lead is a person to reach, within one campaign.",
            vec![leads::Reference::openapi(), lead_actions::Reference::openapi()],
        ),
        (
            "Imports",
            "Leads on their way in, as JSON, CSV or Excel, and what became of their rows.",
            vec![imports::Reference::openapi()],
        ),
        (
            "Calls",
            "A call is one dial of one lead.",
            vec![calls::Reference::openapi(), recordings::Reference::openapi()],
        ),
        (
            "Other calls",
            "Calls that are no dial of a lead and in no sum of a campaign: test calls, and those that somebody makes to us.",
            vec![other_calls::Reference::openapi()],
        ),
        (
            "Conversations",
            "The agent of a campaign, tried over text: by hand, or with simulated callers. Nobody is called.",
            vec![tries::Reference::openapi()],
        ),
        ("Exports", "Leads and calls as tables for a spreadsheet.", vec![export::Reference::openapi()]),
        (
            "Dialing",
            "The switch that stops every dial of the server at once, the limits over all campaigns, and what becomes of them when \
             the server was away for long or works on a copy of its data.",
            vec![dialing::Reference::openapi(), wake_up::Reference::openapi()],
        ),
        (
            "Do not call",
            "Numbers that no campaign calls, and people who are forgotten.",
            vec![do_not_call::Reference::openapi(), people::Reference::openapi()],
        ),
        (
            "Webhooks",
            "Other systems that are told of events, and what was sent to them.",
            vec![webhooks::Reference::openapi(), deliveries::Reference::openapi()],
        ),
        (
            "Access",
            "Tokens, the session of somebody who has signed in to the page with one, and who changed what.",
            vec![tokens::Reference::openapi(), session::Reference::openapi(), audit::Reference::openapi()],
        ),
        ("Events", "What changes, told while it changes.", vec![super::events::Reference::openapi()]),
        (
            "Server",
            "Who places the calls, over which trunks, and who speaks on them, the settings in force, and this document.",
            vec![
                carrier::Reference::openapi(),
                trunks::Reference::openapi(),
                voices::Reference::openapi(),
                server_settings::Reference::openapi(),
                Reference::openapi(),
            ],
        ),
    ]
}

const DESCRIPTION: &str = "A self-hosted server that creates, schedules, runs and watches automated calling campaigns.\n\n\
    Ids are integers, instants ISO 8601 in UTC with whole seconds, times of day `HH:MM:SS`, and money is a number with up \
    to four decimals. Every error is JSON with a sentence, a stable `code` and, where they help, all problems one by one in \
    `details`. Unknown parameters and fields are refused with the nearest known name.\n\n\
    A token may send 1000 requests in an hour unless the operator says otherwise; the headers `X-RateLimit-*` say how many \
    are left.";

/// The whole document.
fn document() -> String {
    let (mut tags, mut paths, mut schemas) = (Vec::new(), Map::new(), Map::new());
    let mut add = |prefix: &str, tag: &str, part: &utoipa::openapi::OpenApi| {
        let Ok(Value::Object(mut part)) = serde_json::to_value(part) else { return };
        for (path, item) in taken(&mut part, "paths") {
            let Value::Object(operations) = item else { continue };
            let known = paths.entry(format!("{prefix}{path}")).or_insert_with(|| json!({}));
            for (method, operation) in operations {
                let operation = finish::operation(&format!("{prefix}{path}"), &method, tag, operation);
                known[method] = operation;
            }
        }
        let mut components: Map<String, Value> = taken(&mut part, "components").into_iter().collect();
        for (name, schema) in taken(&mut components, "schemas") {
            schemas.insert(name.clone(), finish::schema(schema));
        }
    };
    for (tag, description, parts) in resources() {
        tags.push(json!({"name": tag, "description": description}));
        parts.iter().for_each(|part| add("/api", tag, part));
    }
    add("", "Server", &Outside::openapi());
    finish::links(&mut paths);
    requests::add(&mut schemas);
    let webhooks = events::webhooks(&mut schemas);
    for (name, schema) in &mut schemas {
        if let Some(example) = examples::of(name) {
            schema["example"] = example;
        }
    }
    schemas.sort_keys();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Voice Campaigns",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The server that this document came from."}],
        "tags": tags,
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": schemas,
            "responses": finish::shared_responses(),
            "headers": finish::shared_headers(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "vc_…",
                    "description": "A token of scope `read`, `write` or `admin`, made with `voice-campaigns token create`.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "vc_session",
                    "description": "The sign-in of the page. Requests that change something must come from the page itself.",
                },
            },
        },
    });
    finish::examples(&mut document);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn taken(object: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match object.remove(name) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_file_that_is_checked_in_is_what_the_code_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("static/openapi.json");
        if std::env::var_os("VC_WRITE_OPENAPI").is_some() {
            fs::write(&path, document()).unwrap();
        }
        let is_same = fs::read_to_string(&path).is_ok_and(|text| text == document());
        assert!(is_same, "static/openapi.json is not up to date; run the tests with VC_WRITE_OPENAPI=1 once");
    }
}
