//! `…/rehearsals`: a campaign played to its end on a copy, before anybody is called.

use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::{Body, BodyHead};
use super::campaigns;
use super::error::ApiError;
use super::idempotency::Repeatable;
use super::openapi::{parameters, schemas};
use super::query::{self, Query};
use crate::domain::fields::Words;
use crate::domain::invalid::Invalid;
use crate::domain::rehearsal::{Rehearsal, Status, Wish};
use crate::domain::schedule::format_instant;
use crate::store::Snapshot;
use crate::store::pool::Db;
use rocket::http::Status as HttpStatus;
use rocket::{Route, delete, get, post, routes};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![list, begin, show, remove]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(list, begin, show, remove))]
pub(super) struct Reference;

/// Lists the rehearsals of a campaign, newest first.
///
/// The newest 50 are kept.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/rehearsals",
    operation_id = "list_rehearsals",
    params(parameters::CampaignId),
    responses((status = 200, body = [View], description = "The rehearsals."))
)]
#[get("/voice-campaigns/<id>/rehearsals")]
async fn list(_caller: ReadScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = id.to_owned();
    db.read(move |snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        let rehearsals = snapshot.rehearsals(campaign.id)?;
        Answer::ok(&rehearsals.iter().map(View::of).collect::<Vec<_>>())
    })
    .await
}

/// Rehearses a campaign.
///
/// Plays it to its end on a copy of its data, with the rules that dial, as if it were active: nobody is called, nothing of
/// it changes, and no event is sent. Rehearsals wait for each other; the answer says where this one is found. The same `seed`
/// on the same data gives the same calls.
#[utoipa::path(
    post,
    path = "/voice-campaigns/{id}/rehearsals",
    operation_id = "rehearse_campaign",
    params(parameters::CampaignId, parameters::IdempotencyKey),
    request_body = Option<schemas::NewRehearsal>,
    responses((status = 202, body = View, description = "The rehearsal that will be played.", headers(("Location" = String))),
        (status = 409, description = "- `too_many_rehearsals`: 50 rehearsals of this campaign wait already; cancel one first"))
)]
#[post("/voice-campaigns/<id>/rehearsals", data = "<body>")]
async fn begin(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    let body = head.json_if_any(&mut query, body).await?;
    let once = repeatable.once(caller.0, body.hash)?;
    if let Some(answer) = once.first_answer(db).await? {
        return Ok(answer);
    }
    let asked = body.exact_value().await?;
    let (id, by) = (id.to_owned(), caller.0.name.clone());
    let answer = db.write(move |tx| {
        once.run(tx, |tx| {
            let campaign = campaigns::existing(tx, &id)?;
            let wish = Wish::read(asked.clone(), &campaign.settings)?;
            if wish.start_at.is_some_and(|at| at < tx.now) {
                let message = "must not be over already; leave it out to begin now";
                return Err(Invalid::one("start_at", message).into());
            }
            tx.fits(&wish.settings(&campaign.settings)?, Some(campaign.id))??;
            let Some(rehearsal) = tx.insert_rehearsal(campaign.id, &asked, &by)? else {
                let message = "50 rehearsals of this campaign wait already; cancel one first".to_owned();
                return Err(ApiError::Conflict { code: "too_many_rehearsals", message });
            };
            let made = existing(tx, campaign.id, rehearsal)?;
            let body = serde_json::to_string(&View::of(&made))?;
            let location = format!("/api/voice-campaigns/{}/rehearsals/{rehearsal}", campaign.id);
            Ok(Answer::text(HttpStatus::Accepted, body).with("Location", location))
        })
    });
    let answer = answer.await?;
    db.rehearsals_changed();
    Ok(answer)
}

/// Shows a rehearsal.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/rehearsals/{rehearsal_id}",
    operation_id = "show_rehearsal",
    params(parameters::RehearsalId),
    responses((status = 200, body = View, description = "The rehearsal."))
)]
#[get("/voice-campaigns/<id>/rehearsals/<rehearsal_id>")]
async fn show(
    _caller: ReadScope,
    id: &str,
    rehearsal_id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let (id, rehearsal_id) = (id.to_owned(), query::path_id(rehearsal_id));
    db.read(move |snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        let rehearsal_id = rehearsal_id.ok_or(ApiError::NoSuchRehearsal)?;
        Answer::ok(&View::of(&existing(snapshot, campaign.id, rehearsal_id)?))
    })
    .await
}

/// Cancels or deletes a rehearsal.
///
/// One that waits or is being played is canceled, and stays in the list; one that is over is deleted.
#[utoipa::path(
    delete,
    path = "/voice-campaigns/{id}/rehearsals/{rehearsal_id}",
    operation_id = "delete_rehearsal",
    params(parameters::RehearsalId),
    responses((status = 204, description = "It is canceled, or gone."))
)]
#[delete("/voice-campaigns/<id>/rehearsals/<rehearsal_id>")]
async fn remove(
    caller: WriteScope<'_>,
    id: &str,
    rehearsal_id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let (id, rehearsal_id) = (id.to_owned(), query::path_id(rehearsal_id).ok_or(ApiError::NoSuchRehearsal)?);
    let deed = caller.1;
    let answer = db.write(move |tx| {
        let campaign = campaigns::existing(tx, &id)?;
        let rehearsal = existing(tx, campaign.id, rehearsal_id)?;
        match rehearsal.status {
            Status::Queued | Status::Running => drop(tx.cancel_rehearsal(rehearsal.id)?),
            Status::Done | Status::Failed | Status::Canceled => tx.delete_rehearsal(rehearsal.id)?,
        }
        tx.note(&deed)?;
        Ok::<_, ApiError>(Answer::no_content())
    });
    let answer = answer.await?;
    db.rehearsals_changed();
    Ok(answer)
}

fn existing(snapshot: &Snapshot, campaign_id: i64, id: i64) -> Result<Rehearsal, ApiError> {
    snapshot.rehearsal(campaign_id, id)?.ok_or(ApiError::NoSuchRehearsal)
}

/// A campaign played to its end on a copy.
#[derive(Serialize, ToSchema)]
#[schema(as = Rehearsal)]
struct View<'r> {
    /// Never reused.
    #[schema(minimum = 1)]
    id: i64,
    /// Its campaign.
    #[schema(minimum = 1)]
    campaign_id: i64,
    /// How far it has come: `queued`, `running`, `done`, `failed` or `canceled`.
    status: &'static str,
    /// What share of the leads is finished, from 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    progress: f64,
    /// When it was asked for.
    #[schema(format = DateTime)]
    made_at: String,
    /// Who did: a token's name.
    made_by: &'r str,
    /// What was asked for.
    #[schema(value_type = Object)]
    settings: &'r Value,
    /// What came of it; null before it is done.
    #[schema(value_type = Option<schemas::RehearsalResult>)]
    result: Option<&'r Value>,
    /// Why nothing came of it.
    error: Option<&'r str>,
}

impl<'r> View<'r> {
    fn of(rehearsal: &'r Rehearsal) -> View<'r> {
        View {
            id: rehearsal.id,
            campaign_id: rehearsal.campaign_id,
            status: rehearsal.status.word(),
            progress: rehearsal.progress,
            made_at: format_instant(rehearsal.made_at),
            made_by: &rehearsal.made_by,
            settings: &rehearsal.settings,
            result: rehearsal.result.as_ref(),
            error: rehearsal.error.as_deref(),
        }
    }
}
