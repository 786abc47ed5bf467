//! What happens to every request and every answer, whichever handler it belongs to: the judgement about the
//! caller, the request's id, the headers, and the answers to what no handler wanted.

use super::auth;
use super::body;
use super::cors;
use super::error::ApiError;
use super::metrics;
use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::{Method, Status};
use rocket::response::Responder;
use rocket::route::{self, Route};
use rocket::{Catcher, Data, Request, Response, catcher};
use std::collections::BTreeSet;

/// Runs before and after every handler.
pub(super) struct Edge;

#[rocket::async_trait]
impl Fairing for Edge {
    fn info(&self) -> Info {
        Info { name: "edge", kind: Kind::Request | Kind::Response }
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        metrics::arrived(request);
        // What another site's page could send without being asked; and files come in one where they are expected.
        let claims_form = request
            .content_type()
            .is_some_and(|kind| kind.is_form() || (kind.is_form_data() && !takes_files(request)));
        if claims_form && body::is_there(request) {
            request.local_cache(|| FormBody(true));
        }
        auth::admission(request);
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        finish(request, response);
        metrics::answered(request, response.status());
    }
}

/// Whether files of leads are sent here.
fn takes_files(request: &Request<'_>) -> bool {
    let path: Vec<&str> = request.uri().path().segments().collect();
    request.method() == Method::Post && matches!(path.as_slice(), ["api", "voice-campaigns", _, "leads"])
}

struct FormBody(bool);

/// Whether the body is a form.
pub(super) fn is_form(request: &Request<'_>) -> bool {
    request.local_cache(|| FormBody(false)).0
}

/// The id that ties an answer to its lines in the log.
pub(super) fn request_id<'r>(request: &'r Request<'_>) -> &'r str {
    struct Id(String);
    &request.local_cache(|| Id(format!("{:016x}", rand::random::<u64>()))).0
}

/// Sets the headers that every answer carries.
fn finish(request: &Request<'_>, response: &mut Response<'_>) {
    response.set_raw_header("X-Request-Id", request_id(request).to_owned());
    response.set_raw_header("X-Content-Type-Options", "nosniff");
    let gatekeeper = request.rocket().state::<auth::Gatekeeper>();
    if gatekeeper.is_some_and(auth::Gatekeeper::speaks_tls) {
        // Whoever came over TLS once is sent nowhere else; a proxy says so for itself.
        response.set_raw_header("Strict-Transport-Security", "max-age=31536000");
    }
    if !auth::is_api(request) {
        return;
    }
    response.set_raw_header("Cache-Control", "no-store");
    cors::finish(request, response);
    let Some((policy, standing)) = auth::admission(request).and_then(|admission| admission.standing) else {
        return;
    };
    let (name, seconds) = (policy.name(), standing.reset_seconds());
    let (limit, remaining) = (standing.limit, standing.remaining);
    let resets_at = gatekeeper.map(|gatekeeper| gatekeeper.unix_seconds_in(standing.resets_in));
    response.set_raw_header("X-RateLimit-Limit", limit.to_string());
    response.set_raw_header("X-RateLimit-Remaining", remaining.to_string());
    response.set_raw_header("X-RateLimit-Reset", resets_at.unwrap_or_default().to_string());
    response
        .set_raw_header("RateLimit-Policy", format!("\"{name}\";q={limit};w={}", standing.window.as_secs()));
    response.set_raw_header("RateLimit", format!("\"{name}\";r={remaining};t={seconds}"));
    if !standing.is_admitted {
        response.set_raw_header("Retry-After", seconds.to_string());
    }
}

/// Answers every error that Rocket itself finds: a guard that refused, a handler that panicked, a request
/// line nobody can read.
pub(super) fn catchers() -> Vec<Catcher> {
    vec![Catcher::new(None, AnyError)]
}

#[derive(Clone)]
struct AnyError;

#[rocket::async_trait]
impl catcher::Handler for AnyError {
    async fn handle<'r>(&self, status: Status, request: &'r Request<'_>) -> catcher::Result<'r> {
        let error = auth::objection(request).unwrap_or_else(|| match nothing_here(request) {
            // No guard or handler of ours says 400 without words, so it is Rocket, which knows nine methods and
            // cannot read a request with another one.
            wrong_method @ ApiError::MethodNotAllowed { .. } if status == Status::BadRequest => wrong_method,
            _ => ApiError::of_status(status, request),
        });
        let mut response = error.respond_to(request)?;
        // A request line that cannot be read comes here without passing the fairings.
        finish(request, &mut response);
        Ok(response)
    }
}

/// Routes for whatever no other route wants: Rocket alone would answer 404 where the method is wrong.
pub(super) fn fallback() -> Vec<Route> {
    const LAST: isize = 1000;
    [Method::Get, Method::Put, Method::Post, Method::Delete, Method::Options, Method::Patch, Method::Trace]
        .map(|method| Route::ranked(LAST, method, "/<path..>", Fallback))
        .into()
}

#[derive(Clone)]
struct Fallback;

#[rocket::async_trait]
impl route::Handler for Fallback {
    async fn handle<'r>(&self, request: &'r Request<'_>, _: Data<'r>) -> route::Outcome<'r> {
        if auth::is_preflight(request) {
            return route::Outcome::Success(cors::preflight());
        }
        let error = auth::objection(request).unwrap_or_else(|| nothing_here(request));
        route::Outcome::from(request, error)
    }
}

fn nothing_here(request: &Request<'_>) -> ApiError {
    let mut allowed: BTreeSet<&str> = request
        .rocket()
        .routes()
        .filter(|route| covers(route, request))
        .map(|route| route.method.as_str())
        .collect();
    if allowed.contains("GET") {
        allowed.insert("HEAD");
    }
    match allowed.is_empty() {
        true => ApiError::NoSuchRoute,
        false => ApiError::MethodNotAllowed { allow: allowed.into_iter().collect::<Vec<_>>().join(", ") },
    }
}

/// Whether the route would take this path with its own method.
fn covers(route: &Route, request: &Request<'_>) -> bool {
    let mut path = request.uri().path().segments();
    let mut pattern = route.uri.path().split('/').filter(|segment| !segment.is_empty());
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(expected), Some(_)) if expected.starts_with('<') && !expected.ends_with("..>") => {}
            (Some(expected), Some(segment)) if expected == segment => {}
            _ => return false,
        }
    }
}
