//! `GET /api/audit`: who changed what.

use super::answer::Answer;
use super::auth::AdminScope;
use super::error::ApiError;
use super::openapi::parameters;
use super::query::{self, PAGE_SIZE, Query};
use crate::domain::schedule::{DateOnly, format_instant};
use crate::store::pool::Db;
use crate::store::{AuditFilter, Done};
use rocket::{Route, get, routes};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![list]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(list))]
pub(super) struct Reference;

/// Lists who changed what.
///
/// Newest first. One entry for each request or command that changed something. There are neither numbers nor secrets in
/// it: what it was about is named by its id.
#[utoipa::path(
    get,
    path = "/audit",
    operation_id = "list_audit",
    params(parameters::AuditFilter, parameters::PagingById),
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 200, body = [View], description = "A page of changes."))
)]
#[get("/audit")]
async fn list(_caller: AdminScope, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    let limit = query::page_size(&mut query).unwrap_or(PAGE_SIZE);
    let filter = AuditFilter {
        token_id: query.take("token_id", query::id),
        since: query.take("since", query::instant(DateOnly::StartOfDay)),
        before: query.take("cursor", query::id),
        limit: limit + 1,
    };
    query.finish()?;
    db.read_long(move |snapshot| {
        let (deeds, has_more) = query::page(snapshot.audit(&filter)?, limit);
        let answer = Answer::ok(&deeds.iter().map(View::of).collect::<Vec<_>>())?;
        Ok(query.linked(answer, &deeds, has_more, |last| last.id.to_string()))
    })
    .await
}

/// A change, and who made it.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct View<'a> {
    /// Later ones have higher ids.
    #[schema(minimum = 1)]
    id: i64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// The token it was made with; null for a command at a terminal.
    token_id: Option<i64>,
    /// The token's name at that time.
    by: &'a str,
    /// Method and route, or the command.
    action: &'a str,
    /// What it was about, or what it made.
    target: &'a str,
    /// The `X-Request-Id` of the answer.
    request_id: Option<&'a str>,
}

impl View<'_> {
    fn of(done: &Done) -> View<'_> {
        let Done { id, at, deed } = done;
        View {
            id: *id,
            at: format_instant(*at),
            token_id: deed.token_id,
            by: &deed.by,
            action: &deed.action,
            target: &deed.target,
            request_id: deed.request_id.as_deref(),
        }
    }
}
