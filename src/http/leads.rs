//! The leads of a campaign: listed, looked at, edited, deleted.

use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::{Body, BodyHead, JSON_MAX};
use super::campaigns;
use super::error::ApiError;
use super::etag::{IfMatch, IfNoneMatch, TextTag};
use super::openapi::{parameters, schemas};
use super::query::{self, PAGE_SIZE, Query};
use crate::domain::campaign::Campaign;
use crate::domain::gate::{Gate, Hold};
use crate::domain::lead::{Lead, LeadStatus};
use crate::domain::outcome::Outcome;
use crate::domain::phone::Phone;
use crate::domain::schedule::format_instant;
use crate::store::pool::Db;
use crate::store::{LeadDeletion, LeadEdit, LeadFilter, Snapshot};
use rocket::http::Status;
use rocket::{Route, delete, get, put, routes};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![list, show, update, remove]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(list, show, update, remove))]
pub(super) struct Reference;

/// Which leads are meant, of a campaign that is known later.
pub(super) fn filter(query: &mut Query) -> LeadFilter {
    LeadFilter {
        status: query.take("status", query::word),
        outcome: query.take("outcome", query::word),
        search: query.take("search", query::text),
        import_id: query.take("import_id", query::id),
        tag: query.take("tag", query::text),
        hold: query.take("hold", query::word),
        ..LeadFilter::default()
    }
}

/// Of the variables of the leads on one page; a lead may have half a megabyte of them.
const PAGE_BYTES_MAX: usize = 8 << 20;

/// Lists the leads of a campaign.
///
/// Oldest first. A page ends before it is larger than 8 MB, so that it may have fewer leads than were asked for; the header
/// `Link` says where to go on.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/leads",
    operation_id = "list_leads",
    params(parameters::CampaignId, parameters::LeadFilter, parameters::PagingById),
    responses((status = 200, body = [View], description = "A page of leads."))
)]
#[get("/voice-campaigns/<id>/leads")]
async fn list(_caller: ReadScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    let filter = filter(&mut query);
    let limit = query::page_size(&mut query).unwrap_or(PAGE_SIZE);
    let after = query.take("cursor", query::id);
    query.finish()?;
    let id = id.to_owned();
    // Only the status has an index; whatever else is asked for may be looked for in every lead.
    let is_long = filter != LeadFilter { status: filter.status, ..LeadFilter::default() };
    let page = move |snapshot: &Snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        let filter = LeadFilter { campaign_id: campaign.id, after, limit: limit + 1, ..filter };
        let (leads, is_cut) = snapshot.leads_within(&filter, PAGE_BYTES_MAX)?;
        let (leads, has_more) = query::page(leads, limit);
        let viewer = Viewer::of(snapshot, &campaign)?;
        let views: Vec<View> =
            leads.iter().map(|lead| viewer.view(snapshot, lead)).collect::<Result<_, _>>()?;
        let answer = Answer::ok(&views)?;
        Ok(query.linked(answer, &leads, has_more || is_cut, |last| last.id.to_string()))
    };
    match is_long {
        true => db.read_long(page).await,
        false => db.read(page).await,
    }
}

/// Shows a lead, and why it is not called now.
#[utoipa::path(
    get,
    path = "/leads/{id}",
    operation_id = "show_lead",
    params(parameters::LeadId, parameters::IfNoneMatch),
    responses((status = 200, body = View, description = "The lead."))
)]
#[get("/leads/<id>")]
async fn show(
    _caller: ReadScope,
    id: &str,
    mut query: Query,
    if_none_match: IfNoneMatch,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchLead)?;
    db.read(move |snapshot| {
        let (body, tag) = shown(snapshot, &snapshot.lead(id)?.ok_or(ApiError::NoSuchLead)?)?;
        Ok(if_none_match.answer(body, tag))
    })
    .await
}

/// Changes a lead.
///
/// Only the fields sent change; null empties one.
#[utoipa::path(
    put,
    path = "/leads/{id}",
    operation_id = "update_lead",
    params(parameters::LeadId, parameters::DefaultCountry, parameters::IfMatch),
    request_body = schemas::LeadEdit,
    responses((status = 200, body = View, description = "The lead as it is now."),
        (
            status = 409,
            description = "- `in_progress`: This lead is being called; change it once the call has ended
- `was_dialed`: This lead was dialed, so its number stays as it is; delete the lead and add a new one
- `duplicate`: The campaign already has a lead with the number +12025550101: lead 4
- `erased`: This person was erased; nothing of the lead can be changed"
        ))
)]
#[put("/leads/<id>", data = "<body>")]
async fn update(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    head: BodyHead,
    if_match: IfMatch,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    let country = query.take("default_country", query::country);
    query.finish()?;
    let body = head.json(body, JSON_MAX).await?.value().await?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchLead)?;
    let deed = caller.1;
    db.write_and_wait_for_dials(move |tx| {
        let lead = unchanged(tx, id, &if_match)?;
        let about = lead.about.edited(body, country)?;
        match tx.edit_lead(&lead, &about)? {
            LeadEdit::Edited => {
                tx.note(&deed)?;
                let (body, tag) = shown(tx, &tx.lead(id)?.ok_or(ApiError::NoSuchLead)?)?;
                Ok(Answer::text(Status::Ok, body).with("ETag", tag))
            }
            LeadEdit::InProgress => Err(being_called("change it")),
            LeadEdit::WasDialed => Err(ApiError::Conflict {
                code: "was_dialed",
                message:
                    "This lead was dialed, so its number stays as it is; delete the lead and add a new one"
                        .into(),
            }),
            LeadEdit::Duplicate(other) => Err(duplicate(about.phone, other)),
        }
    })
    .await
}

/// The campaign has the number already.
pub(super) fn duplicate(phone: Phone, lead_id: i64) -> ApiError {
    let message = format!("The campaign already has a lead with the number {phone}: lead {lead_id}");
    ApiError::Conflict { code: "duplicate", message }
}

/// Why a lead that is being called cannot be touched.
pub(super) fn being_called(what: &str) -> ApiError {
    let message = format!("This lead is being called; {what} once the call has ended");
    ApiError::Conflict { code: "in_progress", message }
}

/// The lead to change, if it is still the one the caller saw.
pub(super) fn unchanged(snapshot: &Snapshot, id: i64, if_match: &IfMatch) -> Result<Lead, ApiError> {
    let lead = snapshot.lead(id)?.ok_or(ApiError::NoSuchLead)?;
    if if_match.is_there() && !if_match.allows_text(&shown(snapshot, &lead)?.1) {
        return Err(ApiError::Stale);
    }
    match lead.erased_at {
        None => Ok(lead),
        Some(_) => Err(ApiError::Conflict {
            code: "erased",
            message: "This person was erased; nothing of the lead can be changed".into(),
        }),
    }
}

/// Deletes a lead.
///
/// Its calls are kept.
#[utoipa::path(
    delete,
    path = "/leads/{id}",
    operation_id = "delete_lead",
    params(parameters::LeadId, parameters::IfMatch),
    responses((status = 204, description = "It is gone."),
        (
            status = 409,
            description = "- `in_progress`: This lead is being called; delete it once the call has ended
- `erased`: This person was erased; nothing of the lead can be changed"
        ))
)]
#[delete("/leads/<id>")]
async fn remove(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    if_match: IfMatch,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchLead)?;
    let deed = caller.1;
    db.write_and_wait_for_dials(move |tx| {
        if if_match.is_there() {
            unchanged(tx, id, &if_match)?;
        }
        match tx.delete_lead(id)? {
            LeadDeletion::Deleted => {
                tx.note(&deed)?;
                Ok(Answer::no_content())
            }
            LeadDeletion::NotFound => Err(ApiError::NoSuchLead),
            LeadDeletion::InProgress => Err(being_called("delete it")),
        }
    })
    .await
}

/// A lead as it is shown alone, and the tag of that.
pub(super) fn shown(snapshot: &Snapshot, lead: &Lead) -> Result<(String, TextTag), ApiError> {
    let campaign = snapshot.campaign(lead.campaign_id)?.ok_or(ApiError::NoSuchLead)?;
    let view = Viewer::of(snapshot, &campaign)?.view(snapshot, lead)?;
    let body = serde_json::to_string(&view)?;
    // What holds it depends on the time.
    let facts = serde_json::to_string(&View { hold: None, ..view })?;
    let tag = TextTag::of(&facts, &body);
    Ok((body, tag))
}

/// A lead, also of a campaign that was deleted.
pub(super) fn view_of<'l>(snapshot: &Snapshot, lead: &'l Lead) -> Result<View<'l>, ApiError> {
    let campaign = snapshot.campaign_even_deleted(lead.campaign_id)?.ok_or(ApiError::NoSuchLead)?;
    Viewer::of(snapshot, &campaign)?.view(snapshot, lead)
}

/// What calls change about a lead.
pub(super) fn progress(lead: &Lead) -> Value {
    json!({
        "id": lead.id,
        "campaign_id": lead.campaign_id,
        "status": lead.status,
        "outcome": lead.outcome,
        "attempts": lead.attempts,
        "next_call_at": lead.next_call_at.map(format_instant),
        "updated_at": format_instant(lead.updated_at),
    })
}

/// Shows the leads of one campaign at one moment.
struct Viewer<'a> {
    gate: Gate<'a>,
}

impl<'a> Viewer<'a> {
    fn of(snapshot: &Snapshot, campaign: &'a Campaign) -> Result<Viewer<'a>, ApiError> {
        let dials_today = snapshot.dials_today(campaign)?;
        Ok(Viewer { gate: Gate::new(campaign, dials_today, snapshot.overall()?, snapshot.now) })
    }

    fn view<'l>(&self, snapshot: &Snapshot, lead: &'l Lead) -> Result<View<'l>, ApiError> {
        let about = &lead.about;
        Ok(View {
            id: lead.id,
            campaign_id: lead.campaign_id,
            phone: lead.erased_at.is_none().then(|| about.phone.to_string()),
            first_name: about.first_name.as_deref(),
            last_name: about.last_name.as_deref(),
            email: about.email.as_deref(),
            company_name: about.company_name.as_deref(),
            time_zone: about.time_zone.map(chrono_tz::Tz::name),
            language: about.language.as_deref(),
            priority: about.priority,
            best_time_to_call: about.best_time_to_call.map(|time| time.to_string()),
            variables: &about.variables,
            notes: about.notes.as_deref(),
            tags: &about.tags,
            status: lead.status,
            outcome: lead.outcome,
            attempts: lead.attempts,
            next_call_at: lead.next_call_at.map(format_instant),
            hold: self.hold(snapshot, lead)?,
            import_id: lead.import_id,
            created_at: format_instant(lead.created_at),
            updated_at: format_instant(lead.updated_at),
        })
    }

    /// Why the lead is not called now; nothing holds one that is finished.
    fn hold(&self, snapshot: &Snapshot, lead: &Lead) -> Result<Option<Hold>, ApiError> {
        if !lead.status.is_open() {
            return Ok(None);
        }
        Ok(self.gate.lead(lead, snapshot.number(lead.about.phone)?).err())
    }
}

/// A lead, with its fields in the documented order.
#[derive(Serialize, ToSchema)]
#[schema(as = Lead)]
pub(super) struct View<'a> {
    /// Never reused.
    #[schema(minimum = 1)]
    id: i64,
    /// The campaign it belongs to.
    #[schema(minimum = 1)]
    campaign_id: i64,
    /// The number to dial (E.164); null after the person was erased.
    phone: Option<String>,
    /// Part of `{customer_name}`.
    #[schema(max_length = 200)]
    first_name: Option<&'a str>,
    /// Part of `{customer_name}`.
    #[schema(max_length = 200)]
    last_name: Option<&'a str>,
    /// For your own use.
    #[schema(max_length = 200)]
    email: Option<&'a str>,
    /// For your own use.
    #[schema(max_length = 200)]
    company_name: Option<&'a str>,
    /// Its own clock, an IANA name; null where it is not known.
    time_zone: Option<&'static str>,
    /// Language (BCP 47).
    #[schema(max_length = 35)]
    language: Option<&'a str>,
    /// 5 is dialed first.
    #[schema(minimum = 1, maximum = 5)]
    priority: i64,
    /// Local time of day at which it is best reached.
    best_time_to_call: Option<String>,
    /// Values for the script by name: texts, numbers, true and false.
    #[schema(value_type = Object)]
    variables: &'a Map<String, Value>,
    /// For your own use.
    #[schema(max_length = 5000)]
    notes: Option<&'a str>,
    /// For your own use.
    #[schema(max_items = 50)]
    tags: &'a [String],
    /// Where it is on its way.
    status: LeadStatus,
    /// How its last ended call ended.
    outcome: Option<Outcome>,
    /// Dials so far.
    #[schema(minimum = 0)]
    attempts: i64,
    /// When it is due; null when there is nothing more to do, or while it is held.
    #[schema(format = DateTime)]
    next_call_at: Option<String>,
    /// Why it is not called now; null for one that is finished, or about to be called.
    #[schema(value_type = Option<schemas::Hold>)]
    hold: Option<Hold>,
    /// The import that brought it.
    import_id: Option<i64>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}
