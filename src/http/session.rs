//! Signing in: a token is exchanged for a cookie, which the browser sends where a page cannot set a header (streams,
//! downloads) and which no script can read. The cookie does what the token may do, and ends with it.

use super::Settings;
use super::answer::Answer;
use super::auth::{SESSION_COOKIE, TOKEN_LENGTH_MAX, Visitor};
use super::body::{Body, BodyHead, JSON_MAX};
use super::error::ApiError;
use super::openapi::schemas;
use super::query::Query;
use crate::domain::Instant;
use crate::domain::fields::{self, Fields, Parsed};
use crate::domain::invalid::Invalid;
use crate::domain::schedule::format_instant;
use crate::store::pool::Db;
use crate::store::{Deed, Scope, Session, StoreError, Token, Tx};
use crate::token;
use chrono::TimeDelta;
use rocket::request::{FromRequest, Outcome};
use rocket::{Request, Route, delete, get, post, routes};
use serde::Serialize;
use serde_json::Value;
use std::convert::Infallible;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show, sign_in, sign_out]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(show, sign_in, sign_out))]
pub(super) struct Reference;

/// How long the answer to a wrong token takes.
const PAUSE: TimeDelta = TimeDelta::milliseconds(300);

/// Says who is signed in.
///
/// `null` for nobody.
#[utoipa::path(
    get,
    path = "/session",
    operation_id = "show_session",
    security(()),
    responses((status = 200, body = Option<View>, description = "Who is signed in, or `null`."))
)]
#[get("/session")]
async fn show(visitor: Visitor<'_>, mut query: Query) -> Result<Answer, ApiError> {
    query.finish()?;
    Answer::ok(&visitor.signed_in.map(|(token, ends_at)| View::of(token, ends_at)))
}

/// Signs in.
///
/// Exchanges a token for the cookie `vc_session`, which does what the token may do and which no script can
/// read. It ends with its token, by signing out, or twelve hours after it was last used.
#[utoipa::path(
    post,
    path = "/session",
    operation_id = "sign_in",
    request_body = schemas::SignIn,
    security(()),
    responses((status = 200, body = View, description = "Signed in.", headers(("Set-Cookie" = String))),
        (status = 401, description = "- `unauthorized`: This access token is not valid. Check that all of it was pasted, or make a new one with `voice-campaigns token create`"))
)]
#[post("/session", data = "<body>")]
async fn sign_in(
    visitor: Visitor<'_>,
    mut query: Query,
    head: BodyHead,
    transport: Transport,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let token_hash = token::hash(&read(head.json(body, JSON_MAX).await?.value().await?)?);
    let (cookie, hash) =
        token::generate_session().map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    // What is no token is not worth a transaction.
    let is_known = db.token_by_hash(&token_hash)?.is_some();
    let begin = move |tx: &Tx| -> Result<Option<(Token, Instant)>, StoreError> {
        let Some(token) = tx.sign_in(&token_hash, &hash)? else { return Ok(None) };
        // The new cookie takes the place of this one.
        visitor.cookie.map_or(Ok(()), |before| tx.sign_out(&before))?;
        tx.note(&Deed {
            token_id: Some(token.id),
            by: token.name.clone(),
            action: "POST /api/session".into(),
            target: "/api/session".into(),
            request_id: None,
        })?;
        Ok(Some((token, tx.now)))
    };
    let begun = if is_known { db.write(begin).await? } else { None };
    let Some((token, now)) = begun else {
        let clock = db.clock();
        clock.sleep_until(clock.steady() + PAUSE).await;
        return Err(ApiError::WrongToken);
    };
    if token.last_used_at.is_none() {
        db.forget_first_token(|text| token::hash(text) == token_hash);
    }
    let answer = Answer::ok(&View::of(&token, Session::expires_at(&token, now)))?;
    Ok(answer.with("Set-Cookie", transport.cookie(&cookie, "")))
}

/// Signs out.
///
/// Also where nobody is signed in.
#[utoipa::path(
    delete,
    path = "/session",
    operation_id = "sign_out",
    security(()),
    responses((status = 204, description = "Nobody is signed in any more.", headers(("Set-Cookie" = String))))
)]
#[delete("/session")]
async fn sign_out(
    visitor: Visitor<'_>,
    mut query: Query,
    transport: Transport,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    if let Some(hash) = visitor.cookie
        && db.session_by_hash(&hash)?.is_some()
    {
        db.write(move |tx| tx.sign_out(&hash)).await?;
    }
    Ok(Answer::no_content().with("Set-Cookie", transport.cookie("", "; Max-Age=0")))
}

fn read(body: Value) -> Result<String, Invalid> {
    let mut fields = Fields::of(body)?;
    let token = fields.required("token", None, |value| -> Parsed<String> {
        let token = fields::string(value)?.trim();
        match token.len() {
            ..=TOKEN_LENGTH_MAX => Ok(token.to_owned()),
            _ => Err(format!("must be at most {TOKEN_LENGTH_MAX} bytes")),
        }
    });
    fields.finish(token)
}

/// Whether the cookie may travel only over TLS.
struct Transport {
    is_secure: bool,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Transport {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Transport, Infallible> {
        // Behind a proxy that ends TLS only the browser knows. It speaks of the page that it shows, and could mislead
        // nobody but itself.
        let is_page_secure =
            request.headers().get_one("Origin").is_some_and(|from| from.starts_with("https://"));
        let is_tls = request.rocket().state::<Settings>().is_some_and(|settings| settings.door.is_tls);
        Outcome::Success(Transport { is_secure: is_page_secure || is_tls })
    }
}

impl Transport {
    /// For all paths: behind a proxy the server does not know below which folder it is.
    fn cookie(&self, value: &str, attributes: &str) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{SESSION_COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/{secure}{attributes}")
    }
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct View<'a> {
    /// Name of the token.
    name: &'a str,
    /// What it may do.
    scope: Scope,
    /// When the session ends unless it is used.
    #[schema(format = DateTime)]
    expires_at: String,
}

impl View<'_> {
    fn of(token: &Token, ends_at: Instant) -> View<'_> {
        View { name: &token.name, scope: token.scope, expires_at: format_instant(ends_at) }
    }
}
