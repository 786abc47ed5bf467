//! What would reach more people, as far as the calls so far say: hours and days to add, and how long to wait before calling
//! again.

use super::answer::Answer;
use super::auth::ReadScope;
use super::campaigns;
use super::error::ApiError;
use super::openapi::{parameters, schemas};
use super::query::Query;
use crate::domain::suggestions::suggest;
use crate::store::pool::Db;
use rocket::{Route, get, routes};
use utoipa::OpenApi;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(show))]
pub(super) struct Reference;

/// Says what would reach more people, and why.
///
/// From the calls of the last 90 days, its own and those of its siblings: which hours and days to add, and how long to wait
/// before calling again. Only what is better by a tenth, that with a certainty of at least 80 %, and was seen in 50 calls is
/// suggested. Nothing is changed by itself: `changes` are the fields that a PUT, or a rehearsal, takes.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/suggestions",
    operation_id = "show_suggestions",
    params(parameters::CampaignId),
    responses((status = 200, body = schemas::Suggestions, description = "What the calls so far say."))
)]
#[get("/voice-campaigns/<id>/suggestions")]
async fn show(_caller: ReadScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = id.to_owned();
    db.read_long(move |snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        let (learned, again) = (snapshot.learned(&campaign)?, snapshot.called_again(&campaign)?);
        Answer::ok(&suggest(&campaign, &learned, &again))
    })
    .await
}
