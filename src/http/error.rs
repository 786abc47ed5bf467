//! The one place where status codes live. Every error leaves as JSON: a sentence, a stable word, and where
//! they help the problems one by one. Causes go to the log with the request's id, never to the client.

use super::edge;
use crate::domain::invalid::{Invalid, Problem, Refused};
use crate::store::import::ImportError;
use crate::store::{ListError, StoreError};
use rocket::http::{ContentType, Method, Status};
use rocket::response::{self, Responder, Response};
use rocket::{Request, tokio};
use serde::Serialize;
use std::io::Cursor;

/// Everything that can keep a request from its answer.
#[derive(Debug)]
pub(super) enum ApiError {
    /// The body cannot be read at all.
    Malformed(String),
    /// It was read, and it breaks rules.
    Invalid(Invalid),
    /// No valid token.
    Unauthorized,
    /// No token that one can sign in with.
    WrongToken,
    /// Another site's page has sent this, or may have.
    CrossSite,
    /// The token may not do this.
    Forbidden {
        /// The scope that would.
        needed: &'static str,
    },
    /// No campaign of this id.
    NoSuchCampaign,
    /// No lead of this id.
    NoSuchLead,
    /// No call of this id.
    NoSuchCall,
    /// The call was not recorded, or its recording is gone.
    NoSuchRecording,
    /// The number is not on the do-not-call list.
    NotListed,
    /// What stands in the path is no number.
    NoSuchPerson,
    /// No import of this id.
    NoSuchImport,
    /// No prompt of this id.
    NoSuchPrompt,
    /// No rehearsal of this id.
    NoSuchRehearsal,
    /// No endpoint of this id.
    NoSuchWebhook,
    /// No delivery of this id.
    NoSuchDelivery,
    /// No token of this id is in force.
    NoSuchToken,
    /// No trunk of this id is in the database.
    NoSuchTrunk,
    /// No conversation of this id.
    NoSuchConversation,
    /// No such path.
    NoSuchRoute,
    /// The path exists, but not for this method.
    MethodNotAllowed {
        /// The methods it exists for.
        allow: String,
    },
    /// The request was meant for another server, or came another way than the front door.
    Misdirected(String),
    /// The client was too slow.
    Timeout,
    /// The present state does not allow it.
    Conflict {
        /// A stable word.
        code: &'static str,
        /// What is allowed instead.
        message: String,
    },
    /// `If-Match` names an older version.
    Stale,
    /// A file has no such part.
    NoSuchPart {
        /// How long it is.
        length: u64,
    },
    /// The body is over its limit.
    TooLarge {
        /// The limit.
        bytes: u64,
    },
    /// Not a kind of body that is read here.
    UnsupportedMediaType(String),
    /// The key of an earlier, different request.
    KeyReused,
    /// Over the limit of requests.
    RateLimited,
    /// Will work again later.
    Unavailable {
        /// For the log.
        cause: String,
    },
    /// A text cannot be spoken now.
    NoVoice {
        /// A stable word.
        code: &'static str,
        /// Why, and what helps.
        message: String,
    },
    /// No model answers now.
    NoAgent {
        /// A stable word.
        code: &'static str,
        /// Why, and what helps.
        message: String,
    },
    /// A defect.
    Internal {
        /// For the log.
        cause: String,
    },
}

/// Seconds after which it is worth trying again when the store is unavailable.
const RETRY_AFTER_SECONDS: &str = "5";
/// Problems told one by one.
const DETAILS_MAX: usize = 1_000;

impl ApiError {
    /// Forms are what other sites' pages can send in a visitor's name, so they are never read.
    pub(super) fn form_body() -> ApiError {
        ApiError::UnsupportedMediaType(
            "Forms are not accepted; send JSON with Content-Type: application/json".into(),
        )
    }

    /// What Rocket means by a bare status.
    pub(super) fn of_status(status: Status, request: &Request<'_>) -> ApiError {
        match status.code {
            400 => ApiError::Malformed("The request cannot be read".into()),
            401 => ApiError::Unauthorized,
            403 => ApiError::Forbidden { needed: needed_scope(request) },
            404 => ApiError::NoSuchRoute,
            413 => ApiError::TooLarge { bytes: 0 },
            415 => ApiError::form_body(),
            429 => ApiError::RateLimited,
            503 => ApiError::Unavailable { cause: "no database".into() },
            _ => ApiError::Internal { cause: format!("the handler ended with {status}") },
        }
    }

    /// The status it leaves with.
    pub(super) fn status(&self) -> Status {
        match self {
            ApiError::Malformed(_) | ApiError::Invalid(_) => Status::BadRequest,
            ApiError::Unauthorized | ApiError::WrongToken => Status::Unauthorized,
            ApiError::Forbidden { .. } | ApiError::CrossSite => Status::Forbidden,
            ApiError::NoSuchCampaign
            | ApiError::NoSuchLead
            | ApiError::NoSuchCall
            | ApiError::NoSuchRecording
            | ApiError::NotListed
            | ApiError::NoSuchPerson
            | ApiError::NoSuchImport
            | ApiError::NoSuchPrompt
            | ApiError::NoSuchRehearsal
            | ApiError::NoSuchWebhook
            | ApiError::NoSuchDelivery
            | ApiError::NoSuchToken
            | ApiError::NoSuchTrunk
            | ApiError::NoSuchConversation
            | ApiError::NoSuchRoute => Status::NotFound,
            ApiError::MethodNotAllowed { .. } => Status::MethodNotAllowed,
            ApiError::Misdirected(_) => Status::MisdirectedRequest,
            ApiError::Timeout => Status::RequestTimeout,
            ApiError::Conflict { .. } => Status::Conflict,
            ApiError::Stale => Status::PreconditionFailed,
            ApiError::NoSuchPart { .. } => Status::RangeNotSatisfiable,
            ApiError::TooLarge { .. } => Status::PayloadTooLarge,
            ApiError::UnsupportedMediaType(_) => Status::UnsupportedMediaType,
            ApiError::KeyReused => Status::UnprocessableEntity,
            ApiError::RateLimited => Status::TooManyRequests,
            ApiError::Unavailable { .. } | ApiError::NoVoice { .. } | ApiError::NoAgent { .. } => {
                Status::ServiceUnavailable
            }
            ApiError::Internal { .. } => Status::InternalServerError,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            ApiError::Malformed(_) => "malformed",
            ApiError::Invalid(_) => "invalid",
            ApiError::Unauthorized | ApiError::WrongToken => "unauthorized",
            ApiError::CrossSite => "cross_site",
            ApiError::Forbidden { .. } => "forbidden",
            ApiError::NoSuchCampaign
            | ApiError::NoSuchLead
            | ApiError::NoSuchCall
            | ApiError::NoSuchRecording
            | ApiError::NotListed
            | ApiError::NoSuchPerson
            | ApiError::NoSuchImport
            | ApiError::NoSuchPrompt
            | ApiError::NoSuchRehearsal
            | ApiError::NoSuchWebhook
            | ApiError::NoSuchDelivery
            | ApiError::NoSuchToken
            | ApiError::NoSuchTrunk
            | ApiError::NoSuchConversation
            | ApiError::NoSuchRoute => "not_found",
            ApiError::MethodNotAllowed { .. } => "method_not_allowed",
            ApiError::Misdirected(_) => "misdirected",
            ApiError::Timeout => "timeout",
            ApiError::Conflict { code, .. }
            | ApiError::NoVoice { code, .. }
            | ApiError::NoAgent { code, .. } => code,
            ApiError::Stale => "precondition_failed",
            ApiError::NoSuchPart { .. } => "range_not_satisfiable",
            ApiError::TooLarge { .. } => "too_large",
            ApiError::UnsupportedMediaType(_) => "unsupported_media_type",
            ApiError::KeyReused => "idempotency_mismatch",
            ApiError::RateLimited => "rate_limited",
            ApiError::Unavailable { .. } => "unavailable",
            ApiError::Internal { .. } => "internal",
        }
    }

    fn sentence(&self, request: &Request<'_>) -> String {
        match self {
            ApiError::Malformed(message)
            | ApiError::UnsupportedMediaType(message)
            | ApiError::Misdirected(message) => message.clone(),
            ApiError::Invalid(invalid) => invalid.to_string(),
            ApiError::Unauthorized => {
                "A valid API token is required, as `Authorization: Bearer <token>`".into()
            }
            ApiError::WrongToken => {
                "This access token is not valid. Check that all of it was pasted, or make a new one with \
                 `voice-campaigns token create`"
                    .into()
            }
            ApiError::CrossSite => {
                "Changes for somebody who is signed in are accepted from the server's own page alone; elsewhere use an \
                 API token, as `Authorization: Bearer <token>`"
                    .into()
            }
            ApiError::Forbidden { needed } => format!("This token lacks the scope `{needed}`"),
            ApiError::NoSuchCampaign => "Voice campaign not found".into(),
            ApiError::NoSuchLead => "Lead not found".into(),
            ApiError::NoSuchCall => "Call not found".into(),
            ApiError::NoSuchRecording => "Recording not found".into(),
            ApiError::NotListed => "This number is not on the do-not-call list".into(),
            ApiError::NoSuchPerson => {
                "This is no phone number; give it with its country code, as +12025550101".into()
            }
            ApiError::NoSuchImport => "Import not found".into(),
            ApiError::NoSuchPrompt => "Prompt not found".into(),
            ApiError::NoSuchRehearsal => "Rehearsal not found".into(),
            ApiError::NoSuchWebhook => "Webhook not found".into(),
            ApiError::NoSuchDelivery => "Webhook delivery not found".into(),
            ApiError::NoSuchToken => "Token not found".into(),
            ApiError::NoSuchTrunk => "Trunk not found".into(),
            ApiError::NoSuchConversation => "Conversation not found".into(),
            ApiError::NoSuchRoute => "Not found".into(),
            ApiError::MethodNotAllowed { allow } => format!("Method not allowed here; use {allow}"),
            ApiError::Timeout => "The body did not arrive in time".into(),
            ApiError::Conflict { message, .. } | ApiError::NoVoice { message, .. } | ApiError::NoAgent { message, .. } => message.clone(),
            ApiError::Stale => {
                let thing = match request.uri().path().segments().nth(1) {
                    Some("leads") => "lead",
                    Some("webhooks") => "webhook",
                    Some("trunks") => "trunk",
                    _ => "campaign",
                };
                format!("The {thing} has changed since; fetch it again and repeat the change")
            }
            ApiError::NoSuchPart { length } => format!("It has no such part: it is {length} bytes long"),
            ApiError::TooLarge { bytes: 0 } => "The body is too large".into(),
            ApiError::TooLarge { bytes } => format!("The body is larger than {bytes} bytes"),
            ApiError::KeyReused => "This Idempotency-Key was used for a different request".into(),
            ApiError::RateLimited => "Rate limit exceeded".into(),
            ApiError::Unavailable { .. } => "Temporarily unavailable; try again later".into(),
            ApiError::Internal { .. } => format!("Failed to {}", attempt(request)),
        }
    }

    fn details(&self) -> &[Problem] {
        match self {
            ApiError::Invalid(Invalid(problems)) => &problems[..problems.len().min(DETAILS_MAX)],
            _ => &[],
        }
    }

    fn log(&self, request: &Request<'_>) {
        match self {
            ApiError::Unavailable { cause } | ApiError::Internal { cause } => {
                let request_id = edge::request_id(request);
                tracing::error!(request_id, cause, "Failed to {}", attempt(request));
            }
            _ => {}
        }
    }
}

fn needed_scope(request: &Request<'_>) -> &'static str {
    use crate::domain::fields::Words;
    super::auth::scope_for(request).word()
}

/// Verb and noun of what was tried, as the published errors say it: `fetch voice campaigns`.
fn attempt(request: &Request<'_>) -> String {
    let verb = match request.method() {
        Method::Post => "create",
        Method::Put | Method::Patch => "update",
        Method::Delete => "delete",
        Method::Get | Method::Head | Method::Options | Method::Trace | Method::Connect => "fetch",
    };
    let path: Vec<&str> = request.uri().path().segments().collect();
    let noun = match path.as_slice() {
        ["api", "voice-campaigns"] if verb == "fetch" => "voice campaigns",
        ["api", "voice-campaigns", _, "leads", ..] => "leads",
        ["api", "voice-campaigns", _, "imports"] => "imports",
        ["api", "voice-campaigns", _, "imports", ..] => "import",
        ["api", "voice-campaigns", _, "calls", ..] | ["api", "calls"] | ["api", "calls", "export"] => "calls",
        ["api", "voice-campaigns", _, "preview"] => "preview",
        ["api", "voice-campaigns", _, "test-calls", _, "recording"] => "recording",
        ["api", "voice-campaigns", _, "webhooks", ..] => "webhooks",
        ["api", "voice-campaigns", _, "webhook-deliveries"] => "webhook deliveries",
        ["api", "webhooks"] if verb == "fetch" => "webhooks",
        ["api", "webhook-deliveries"] => "webhook deliveries",
        ["api", "webhooks", ..] => "webhook",
        ["api", "webhook-deliveries", ..] => "webhook delivery",
        ["api", "voice-campaigns", _, "stats"] => "voice campaign statistics",
        ["api", "voice-campaigns", _, "analytics"] => "voice campaign analytics",
        ["api", "demo-campaign"] => "demo campaign",
        ["api", "overview"] => "overview",
        ["api", "carrier"] => "carrier",
        ["api", "voices"] => "voices",
        ["api", "voice-preview"] => "voice preview",
        ["api", "settings"] => "settings",
        ["api", "voice-campaigns", ..] => "voice campaign",
        ["api", "leads", ..] => "lead",
        ["api", "calls" | "inbound-calls", _, "recording"] => "recording",
        ["api", "calls", ..] => "call",
        ["api", "dialing", ..] => "dialing",
        ["api", "do-not-call", ..] => "do-not-call list",
        ["api", "people", ..] => "person",
        ["api", "session"] => "session",
        ["api", "tokens"] if verb == "fetch" => "tokens",
        ["api", "tokens", ..] => "token",
        ["api", "trunks"] if verb == "fetch" => "trunks",
        ["api", "trunks", ..] => "trunk",
        _ => "page",
    };
    format!("{verb} {noun}")
}

#[derive(Serialize)]
struct Body<'a> {
    error: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail<'a>>,
}

#[derive(Serialize)]
struct Detail<'a> {
    field: &'a str,
    message: &'a str,
}

impl<'r> Responder<'r, 'static> for ApiError {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        self.log(request);
        let details = self.details().iter();
        let details = details.map(|Problem { field, message }| Detail { field, message }).collect();
        let body = Body { error: self.sentence(request), code: self.code(), details };
        let body = serde_json::to_vec(&body).map_err(|_| Status::InternalServerError)?;
        let mut response = Response::build();
        response.status(self.status()).header(ContentType::JSON).sized_body(body.len(), Cursor::new(body));
        match self {
            ApiError::Unauthorized | ApiError::WrongToken => {
                _ = response.raw_header("WWW-Authenticate", "Bearer")
            }
            ApiError::MethodNotAllowed { allow } => _ = response.raw_header("Allow", allow),
            ApiError::NoSuchPart { length } => {
                _ = response.raw_header("Content-Range", format!("bytes */{length}"))
            }
            ApiError::Unavailable { .. } | ApiError::NoVoice { .. } | ApiError::NoAgent { .. } => {
                _ = response.raw_header("Retry-After", RETRY_AFTER_SECONDS)
            }
            _ => {}
        }
        response.ok()
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> ApiError {
        ApiError::Invalid(invalid)
    }
}

impl From<Refused> for ApiError {
    fn from(Refused(message): Refused) -> ApiError {
        ApiError::Conflict { code: "conflict", message }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        let cause = error.to_string();
        match error {
            StoreError::Full | StoreError::ReadOnly | StoreError::Unavailable(_) | StoreError::Closed => {
                ApiError::Unavailable { cause }
            }
            StoreError::Failed(_) => ApiError::Internal { cause },
        }
    }
}

impl From<ImportError> for ApiError {
    fn from(error: ImportError) -> ApiError {
        match error {
            ImportError::Invalid(invalid) => invalid.into(),
            ImportError::NoSuchCampaign => ApiError::NoSuchCampaign,
            ImportError::Store(error) => error.into(),
        }
    }
}

impl From<ListError> for ApiError {
    fn from(error: ListError) -> ApiError {
        match error {
            ListError::Invalid(invalid) => invalid.into(),
            ListError::Store(error) => error.into(),
        }
    }
}

impl From<csv::Error> for ApiError {
    /// Of a table that cannot be written; what clients send is read elsewhere.
    fn from(error: csv::Error) -> ApiError {
        std::io::Error::from(error).into()
    }
}

impl From<serde_json::Error> for ApiError {
    /// Of an answer that cannot be written; what clients send is read elsewhere.
    fn from(error: serde_json::Error) -> ApiError {
        ApiError::Internal { cause: error.to_string() }
    }
}

impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> ApiError {
        use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let cause = error.to_string();
        match error.kind() {
            StorageFull | QuotaExceeded | ReadOnlyFilesystem => ApiError::Unavailable { cause },
            _ => ApiError::Internal { cause },
        }
    }
}

impl From<tokio::time::error::Elapsed> for ApiError {
    fn from(_: tokio::time::error::Elapsed) -> ApiError {
        ApiError::Timeout
    }
}
