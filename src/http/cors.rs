//! Pages of other origins that may call the API from a browser: those that the operator named, with a token and never with the
//! cookie of somebody who is signed in (Fetch standard, section 3.2, <https://fetch.spec.whatwg.org/#http-cors-protocol>).
//! Knows nothing of who asks.

use super::auth;
use rocket::http::{Method, Status};
use rocket::{Request, Response};

/// What a page elsewhere may send: every method and every header that the API reads.
const METHODS: &str = "DELETE, GET, HEAD, PATCH, POST, PUT";
const SENT: &str =
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, If-Range, Last-Event-ID, Range";
/// What it may read of an answer, beside what it always may.
const READ: &str = "Content-Disposition, Content-Range, ETag, Idempotent-Replayed, Link, Location, RateLimit, \
     RateLimit-Policy, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id, X-Total-Count";
/// For how long a browser need not ask again, in seconds.
const REMEMBERED: &str = "600";

/// The origin that the request comes from, if it is one that may read the answers.
fn origin<'r>(request: &'r Request<'_>) -> Option<&'r str> {
    let mut origins = request.headers().get("Origin");
    let (origin, None) = (origins.next()?, origins.next()) else { return None };
    let allowed = auth::allowed_origins(request);
    allowed.iter().any(|allowed| allowed == origin).then_some(origin)
}

/// Whether a browser asks, before it sends what a page elsewhere wants, if it may. It cannot send a token with that.
pub(super) fn is_preflight(request: &Request<'_>) -> bool {
    request.method() == Method::Options
        && request.headers().contains("Access-Control-Request-Method")
        && origin(request).is_some()
}

/// The answer to a browser that asks whether it may.
pub(super) fn preflight<'r>() -> Response<'r> {
    Response::build()
        .status(Status::NoContent)
        .raw_header("Access-Control-Allow-Methods", METHODS)
        .raw_header("Access-Control-Allow-Headers", SENT)
        .raw_header("Access-Control-Max-Age", REMEMBERED)
        .finalize()
}

/// Lets the page read the answer, if it is one that may.
pub(super) fn finish(request: &Request<'_>, response: &mut Response<'_>) {
    if auth::allowed_origins(request).is_empty() {
        return;
    }
    response.set_raw_header("Vary", "Origin");
    if let Some(origin) = origin(request) {
        response.set_raw_header("Access-Control-Allow-Origin", origin.to_owned());
        response.set_raw_header("Access-Control-Expose-Headers", READ);
    }
}
