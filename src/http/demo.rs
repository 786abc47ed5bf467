//! `POST /api/demo-campaign`: a campaign with fictional people, to try everything with. Only where nobody's phone rings.

use super::answer::Answer;
use super::auth::WriteScope;
use super::body::Body;
use super::error::ApiError;
use super::idempotency::Repeatable;
use super::openapi::parameters;
use super::query::Query;
use super::{Settings, campaigns};
use crate::domain::campaign::Request;
use crate::domain::fictional;
use crate::store::pool::Db;
use rocket::{Route, State, post, routes};
use utoipa::OpenApi;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![create]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(create))]
pub(super) struct Reference;

/// Creates a campaign with fictional people.
///
/// A draft, to try everything with; only where the simulator places the calls.
#[utoipa::path(
    post,
    path = "/demo-campaign",
    operation_id = "create_demo_campaign",
    params(parameters::IdempotencyKey),
    responses((status = 201, body = campaigns::View, description = "The campaign.", headers(("ETag" = String))),
        (
            status = 409,
            description = "- `real_calls`: This server places real calls; a demonstration is for one with the simulator"
        ))
)]
#[post("/demo-campaign", data = "<body>")]
async fn create(
    caller: WriteScope<'_>,
    mut query: Query,
    repeatable: Repeatable,
    body: Body,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    if let Err(invalid) = query.finish() {
        body.discard().await;
        return Err(invalid.into());
    }
    let once = repeatable.once_without_body(caller.0, body).await?;
    if settings.line.carrier().real_calls {
        let message = "This server places real calls; a demonstration is for one with the simulator".into();
        return Err(ApiError::Conflict { code: "real_calls", message });
    }
    let [(word, body), ..] = fictional::campaigns();
    let request = Request::read(body, None)?;
    let leads = fictional::leads(word).map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    let by = caller.0.name.clone();
    db.write(move |tx| {
        once.run(tx, |tx| {
            let id = tx.insert_campaign(&request, &by)?.id;
            tx.insert_leads(id, &leads)?;
            campaigns::created(&tx.campaign(id)?.ok_or(ApiError::NoSuchCampaign)?)
        })
    })
    .await
}
