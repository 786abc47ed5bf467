//! API tokens: who may ask, as the administrator sees it. A token itself is shown once, when it is made.

use super::answer::Answer;
use super::auth::AdminScope;
use super::body::{Body, BodyHead, JSON_MAX};
use super::error::ApiError;
use super::openapi::{parameters, schemas};
use super::query::{self, Query};
use crate::domain::Instant;
use crate::domain::fields::{self, Fields, Parsed};
use crate::domain::invalid::Invalid;
use crate::domain::schedule::{self, format_instant};
use crate::store::pool::Db;
use crate::store::{Deed, Scope, Snapshot, StoreError, TokenRow};
use crate::token;
use rocket::http::Status;
use rocket::{Route, delete, get, post, routes};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![list, create, revoke]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(list, create, revoke))]
pub(super) struct Reference;

/// Tokens that are not revoked at one time.
const TOKENS_MAX: usize = 1_000;

/// Lists the tokens that were not revoked.
///
/// Without the tokens themselves: only their hashes are kept. One whose `expires_at` has come counts no more, and stays here
/// until it is revoked.
#[utoipa::path(
    get,
    path = "/tokens",
    operation_id = "list_tokens",
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 200, body = [View], description = "The tokens."))
)]
#[get("/tokens")]
async fn list(_caller: AdminScope, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    db.read(|snapshot| Answer::ok(&unrevoked(snapshot)?.iter().map(View::of).collect::<Vec<_>>())).await
}

/// No `Idempotency-Key`: to answer again, the token itself would have to be kept.
/// Makes a token.
///
/// The answer shows it this one time, so that an `Idempotency-Key` does nothing here.
#[utoipa::path(
    post,
    path = "/tokens",
    operation_id = "create_token",
    request_body = schemas::NewToken,
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 201, body = View, description = "The token."),
        (status = 409, description = "- `conflict`: There are 1000 tokens; revoke one first"))
)]
#[post("/tokens", data = "<body>")]
async fn create(
    caller: AdminScope,
    mut query: Query,
    head: BodyHead,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let New { name, scope, expires_at } =
        read(head.json(body, JSON_MAX).await?.value().await?, db.clock().now())?;
    let (token, hash) = token::generate().map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    let deed = caller.0;
    db.write(move |tx| {
        if unrevoked(tx)?.len() >= TOKENS_MAX {
            let message = format!("There are {TOKENS_MAX} tokens; revoke one first");
            return Err(ApiError::Conflict { code: "conflict", message });
        }
        let id = tx.create_token(&name, scope, expires_at, &hash)?;
        tx.note(&Deed { target: format!("/api/tokens/{id}"), ..deed })?;
        let made = TokenRow {
            id,
            name,
            scope,
            created_at: tx.now,
            last_used_at: None,
            revoked_at: None,
            expires_at,
        };
        let view = View { token: Some(&token), ..View::of(&made) };
        Ok(Answer::text(Status::Created, serde_json::to_string(&view)?))
    })
    .await
}

/// Ends a token.
///
/// At once, with its sessions and event streams.
#[utoipa::path(
    delete,
    path = "/tokens/{id}",
    operation_id = "revoke_token",
    params(parameters::TokenId),
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 204, description = "It counts no more."),
        (status = 409, description = "- `last_admin_token`: This is the last token with the scope `admin` that does not expire; make another one first"))
)]
#[delete("/tokens/<id>")]
async fn revoke(caller: AdminScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchToken)?;
    let deed = caller.0;
    db.write(move |tx| {
        let tokens = unrevoked(tx)?;
        let token = tokens.iter().find(|token| token.id == id).ok_or(ApiError::NoSuchToken)?;
        // Somebody must be able to make the next one, however much later.
        let stays = |token: &&TokenRow| token.scope == Scope::Admin && token.expires_at.is_none();
        if stays(&token) && tokens.iter().filter(stays).count() == 1 {
            let message =
                "This is the last token with the scope `admin` that does not expire; make another one first"
                    .into();
            return Err(ApiError::Conflict { code: "last_admin_token", message });
        }
        tx.revoke_token(id)?;
        tx.note(&deed)?;
        Ok(Answer::no_content())
    })
    .await
}

fn unrevoked(snapshot: &Snapshot) -> Result<Vec<TokenRow>, StoreError> {
    let mut tokens = snapshot.tokens()?;
    tokens.retain(|token| token.revoked_at.is_none());
    Ok(tokens)
}

/// A token that is asked for.
struct New {
    name: String,
    scope: Scope,
    expires_at: Option<Instant>,
}

fn read(body: Value, now: Instant) -> Result<New, Invalid> {
    let mut fields = Fields::of(body)?;
    let name = fields.required("name", None, name);
    let scope = fields.required("scope", None, fields::word);
    let expires_at = fields.optional("expires_at", None, None, |value| {
        schedule::parse_end(fields::string(value)?, now).map(Some)
    });
    fields.finish(name.zip(scope).map(|(name, scope)| New { name, scope, expires_at }))
}

fn name(value: &Value) -> Parsed<String> {
    let name = fields::text(200)(value)?;
    match name.contains(char::is_control) {
        true => Err("must be one line, without control characters".into()),
        false => Ok(name),
    }
}

/// A token as its administrator sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
struct View<'a> {
    /// Never reused.
    #[schema(minimum = 1)]
    id: i64,
    /// What it is called.
    name: &'a str,
    /// What it may do.
    scope: Scope,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last used.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    /// From when on it counts no more; null for one that stays.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The token itself; only in the answer to the request that made it.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

impl View<'_> {
    fn of(row: &TokenRow) -> View<'_> {
        View {
            id: row.id,
            name: &row.name,
            scope: row.scope,
            created_at: format_instant(row.created_at),
            last_used_at: row.last_used_at.map(format_instant),
            expires_at: row.expires_at.map(format_instant),
            token: None,
        }
    }
}
