//! What can be done with leads besides editing them: arrange a call-back, take them out of the queue, put those back
//! whose calls ended in a certain way, and change many at once.

use super::answer::Answer;
use super::auth::WriteScope;
use super::body::{Body, BodyHead, JSON_MAX};
use super::error::ApiError;
use super::etag::IfMatch;
use super::idempotency::Repeatable;
use super::leads;
use super::openapi::{parameters, schemas};
use super::query::{self, Query};
use crate::domain::fields::{self, Fields, Words};
use crate::domain::gate::HoldReason;
use crate::domain::invalid::Invalid;
use crate::domain::lead::{LeadChange, LeadStatus};
use crate::domain::outcome::Outcome;
use crate::domain::schedule::{self, DateOnly, format_instant};
use crate::store::pool::Db;
use crate::store::{BatchChanged, LeadFilter, Retried, Tx};
use rocket::http::Status;
use rocket::{Route, patch, post, routes};
use utoipa::OpenApi;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![call_back, cancel, retry, change_many]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(call_back, cancel, retry, change_many))]
pub(super) struct Reference;

/// Leads changed in one transaction, so that nobody else waits long.
const AT_ONCE: usize = 500;

/// Arranges a call-back.
///
/// The lead is called then, or as soon after it as hours and limits allow, in whatever way it has finished.
#[utoipa::path(
    post,
    path = "/leads/{id}/schedule",
    operation_id = "schedule_lead",
    params(parameters::LeadId, parameters::IfMatch, parameters::IdempotencyKey),
    request_body = schemas::CallBack,
    responses((status = 200, body = leads::View, description = "The lead as it is now."),
        (
            status = 409,
            description = "- `in_progress`: This lead is being called; arrange a call-back once the call has ended
- `attempts_used_up`: This lead has had all attempts the campaign allows; raise max_attempts_per_lead first
- `do_not_call`: The number is on the do-not-call list
- `erased`: This person was erased; nothing of the lead can be changed"
        ))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[post("/leads/<id>/schedule", data = "<body>")]
async fn call_back(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    head: BodyHead,
    if_match: IfMatch,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let body = head.json(body, JSON_MAX).await?;
    let once = repeatable.once(caller.0, body.hash)?;
    let mut body = Fields::of(body.value().await?)?;
    let text = body.required("at", None, |value| fields::string(value).map(str::to_owned));
    let text = body.finish(text)?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchLead)?;
    db.write_and_wait_for_dials(move |tx| {
        once.run(tx, |tx| {
            let lead = leads::unchanged(tx, id, &if_match)?;
            let campaign = tx.campaign(lead.campaign_id)?.ok_or(ApiError::NoSuchLead)?;
            let at = schedule::parse_instant(&text, campaign.settings.time_zone, DateOnly::StartOfDay)
                .map_err(|message| Invalid::one("at", message))?;
            if at < tx.now {
                return Err(Invalid::one("at", "must not be in the past").into());
            }
            if let Some(end) = campaign.settings.end_date.filter(|end| at >= *end) {
                let message =
                    format!("must be before the campaign's end_date, which is {}", format_instant(end));
                return Err(Invalid::one("at", message).into());
            }
            tx.arrange_call_back(&campaign, &lead, at)?.map_err(no_call_back)?;
            shown(tx, id)
        })
    })
    .await
}

/// Why the lead cannot be called back.
fn no_call_back(reason: HoldReason) -> ApiError {
    let refused = |message: &str| ApiError::Conflict { code: reason.word(), message: message.into() };
    match reason {
        HoldReason::InProgress => leads::being_called("arrange a call-back"),
        HoldReason::AttemptsUsedUp => {
            refused("This lead has had all attempts the campaign allows; raise max_attempts_per_lead first")
        }
        other => refused(other.sentence()),
    }
}

/// Takes a lead out of the queue.
#[utoipa::path(
    post,
    path = "/leads/{id}/cancel",
    operation_id = "cancel_lead",
    params(parameters::LeadId, parameters::IfMatch, parameters::IdempotencyKey),
    responses((status = 200, body = leads::View, description = "The lead as it is now."),
        (
            status = 409,
            description = "- `in_progress`: This lead is being called; cancel it once the call has ended
- `conflict`: This lead is not in the queue; its status is completed
- `erased`: This person was erased; nothing of the lead can be changed"
        ))
)]
#[post("/leads/<id>/cancel", data = "<body>")]
async fn cancel(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    if_match: IfMatch,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let once = repeatable.once_without_body(caller.0, body).await?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchLead)?;
    db.write_and_wait_for_dials(move |tx| {
        once.run(tx, |tx| {
            let lead = leads::unchanged(tx, id, &if_match)?;
            match lead.status {
                LeadStatus::Pending | LeadStatus::Scheduled => tx.finish_lead(&lead, LeadStatus::Canceled)?,
                LeadStatus::Canceled => {}
                LeadStatus::InProgress => return Err(leads::being_called("cancel it")),
                LeadStatus::Completed | LeadStatus::Failed | LeadStatus::DoNotCall => {
                    let message = format!("This lead is not in the queue; its status is {}", lead.status);
                    return Err(ApiError::Conflict { code: "conflict", message });
                }
            }
            shown(tx, id)
        })
    })
    .await
}

fn shown(tx: &Tx, id: i64) -> Result<Answer, ApiError> {
    let (body, tag) = leads::shown(tx, &tx.lead(id)?.ok_or(ApiError::NoSuchLead)?)?;
    Ok(Answer::text(Status::Ok, body).with("ETag", tag))
}

/// Calls leads again whose last call ended in a certain way.
///
/// Finished leads go back into the queue, unless they have had all their attempts or may not be called.
#[utoipa::path(
    post,
    path = "/voice-campaigns/{id}/leads/retry",
    operation_id = "retry_leads",
    params(parameters::CampaignId, parameters::IdempotencyKey),
    request_body = schemas::RetryRequest,
    responses((status = 200, body = schemas::Retried, description = "What became of them."))
)]
#[post("/voice-campaigns/<id>/leads/retry", data = "<body>")]
async fn retry(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let body = head.json(body, JSON_MAX).await?;
    let once = repeatable.once(caller.0, body.hash)?;
    if let Some(answer) = once.first_answer(db).await? {
        return Ok(answer);
    }
    let mut body = Fields::of(body.value().await?)?;
    let outcomes = body.required("outcomes", None, |value| {
        match fields::array(Outcome::all().len(), fields::word::<Outcome>)(value)? {
            none if none.is_empty() => Err("must name at least one outcome".to_owned()),
            some if some.contains(&Outcome::OptedOut) => {
                Err("must not name `opted_out`: who said no is not called again".to_owned())
            }
            some => Ok(some),
        }
    });
    let outcomes = body.finish(outcomes)?;
    let campaign_id = campaign_id(db, id)?;
    let mut total = Retried::default();
    let mut beginning = Some(once.clone());
    for status in [LeadStatus::Completed, LeadStatus::Failed] {
        let mut after = Some(0);
        while let Some(last) = after {
            let (outcomes, beginning) = (outcomes.clone(), beginning.take());
            let part = db.write(move |tx| {
                let campaign = tx.campaign(campaign_id)?.ok_or(ApiError::NoSuchCampaign)?;
                beginning.map_or(Ok(()), |once| once.note(tx, None))?;
                Ok::<_, ApiError>(tx.retry_leads(&campaign, status, &outcomes, last, AT_ONCE)?)
            });
            let (part, last) = part.await?;
            total += part;
            after = last;
        }
    }
    db.write(move |tx| once.tell(tx, Answer::ok(&total)?)).await
}

/// Changes many leads at once.
///
/// Those that the filter names, or with `all=true` every lead of the campaign.
#[utoipa::path(
    patch,
    path = "/voice-campaigns/{id}/leads",
    operation_id = "change_leads",
    params(parameters::CampaignId, parameters::LeadFilter, parameters::AllLeads),
    request_body = schemas::LeadsChange,
    responses((status = 200, body = schemas::LeadsChanged, description = "What became of them."))
)]
#[patch("/voice-campaigns/<id>/leads", data = "<body>")]
async fn change_many(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    head: BodyHead,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    let filter = leads::filter(&mut query);
    let all = query.take("all", query::flag).unwrap_or(false);
    query.finish()?;
    if filter == LeadFilter::default() && !all {
        let message =
            "name which leads to change, such as `status=pending` or `import_id=7`, or send `all=true`";
        return Err(Invalid::one("filter", message).into());
    }
    let change = LeadChange::read(head.json(body, JSON_MAX).await?.value().await?)?;
    let campaign_id = campaign_id(db, id)?;
    let mut total = BatchChanged::default();
    let mut after = Some(0);
    while let Some(last) = after {
        let filter = LeadFilter { campaign_id, after: Some(last), limit: AT_ONCE, ..filter.clone() };
        let (change, deed) = (change.clone(), caller.1.clone());
        let part = db.write_and_wait_for_dials(move |tx| {
            tx.campaign(campaign_id)?.ok_or(ApiError::NoSuchCampaign)?;
            if filter.after == Some(0) {
                tx.note(&deed)?;
            }
            Ok::<_, ApiError>(tx.change_leads(&filter, &change)?)
        });
        let (part, last) = part.await?;
        total += part;
        after = last;
    }
    Answer::ok(&total)
}

fn campaign_id(db: &Db, id: &str) -> Result<i64, ApiError> {
    let id = query::path_id(id).ok_or(ApiError::NoSuchCampaign)?;
    db.campaign(id)?.map(|campaign| campaign.id).ok_or(ApiError::NoSuchCampaign)
}
