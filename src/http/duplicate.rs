//! `POST …/duplicate`: a campaign once more, as a draft, with those of its leads that are wanted.

use super::answer::Answer;
use super::auth::WriteScope;
use super::body::{Body, BodyHead};
use super::campaigns;
use super::error::ApiError;
use super::idempotency::Repeatable;
use super::openapi::{parameters, schemas};
use super::query::Query;
use crate::domain::campaign::{Campaign, Request, Status};
use crate::domain::duplicate::{Along, copy_name};
use crate::domain::fields::{self, Fields};
use crate::domain::invalid::Invalid;
use crate::store::pool::Db;
use rocket::{Route, post, routes};
use serde_json::Value;
use utoipa::OpenApi;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![duplicate]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(duplicate))]
pub(super) struct Reference;

/// Leads that are copied in one transaction, so that nobody else who writes waits long.
const AT_ONCE: usize = 2_000;

/// Makes a campaign once more.
///
/// A draft with all settings, and with the leads that are asked for. Its webhooks get secrets of their own,
/// which are in this answer alone.
#[utoipa::path(
    post,
    path = "/voice-campaigns/{id}/duplicate",
    operation_id = "duplicate_campaign",
    params(parameters::CampaignId, parameters::IdempotencyKey),
    request_body = Option<schemas::DuplicateRequest>,
    responses((status = 201, body = campaigns::View, description = "The copy.", headers(("ETag" = String))))
)]
#[post("/voice-campaigns/<id>/duplicate", data = "<body>")]
async fn duplicate(
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
    let wish = Wish::read(body.value().await?)?;
    let (id, by, beginning) = (id.to_owned(), caller.0.name.clone(), once.clone());
    let made = db.write(move |tx| {
        let original = campaigns::existing(tx, &id)?;
        let mut settings = original.settings.clone();
        settings.name = wish.name.unwrap_or_else(|| copy_name(&settings.name));
        // One number leads to one campaign.
        settings.inbound_number = None;
        (settings.script_prompt, settings.fallback_prompt) = (None, None);
        let copy = tx.insert_campaign(&Request { settings, status: Some(Status::Draft) }, &by)?;
        let copy = tx.copy_prompts(&original, copy)?;
        beginning.note(tx, Some(&campaigns::location(copy.id)))?;
        Ok::<_, ApiError>((original.id, copy))
    });
    let (original, copy) = made.await?;
    if let Err(error) = copy_leads(db, original, copy.id, wish.leads).await {
        // A copy without its leads is none.
        let by = caller.0.name.clone();
        let removed = db.write(move |tx| tx.delete_campaign(copy.id, &by)).await;
        if let Err(error) = removed {
            tracing::warn!(%error, campaign = copy.id, "a copy that is not whole cannot be removed");
        }
        return Err(error);
    }
    db.write(move |tx| {
        let now = tx.campaign(copy.id)?.ok_or(ApiError::NoSuchCampaign)?;
        // The secrets that were made are shown this one time.
        once.tell(tx, campaigns::created(&Campaign { settings: copy.settings, ..now })?)
    })
    .await
}

async fn copy_leads(db: &Db, from: i64, to: i64, along: Along) -> Result<(), ApiError> {
    let mut after = if along == Along::None { None } else { Some(0) };
    while let Some(last) = after {
        after = db.write(move |tx| tx.copy_leads(from, to, along, last, AT_ONCE)).await?;
    }
    Ok(())
}

/// What the copy is to be.
struct Wish {
    name: Option<String>,
    leads: Along,
}

impl Wish {
    fn read(value: Value) -> Result<Wish, Invalid> {
        let mut fields = Fields::of(value)?;
        let name = fields.optional("name", None, None, |value| fields::text(200)(value).map(Some));
        let leads = fields.optional("leads", Along::None, Along::None, fields::word);
        fields.finish(Some(Wish { name, leads }))
    }
}
