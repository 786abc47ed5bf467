//! `/api/voice-campaigns`: the published contract.

use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::{self, Body, BodyHead, JSON_MAX};
use super::error::ApiError;
use super::etag::{IfMatch, IfNoneMatch, Tag};
use super::idempotency::Repeatable;
use super::openapi::{parameters, schemas};
use super::query::{self, PAGE_SIZE, Query};
use super::{Settings, voices, webhooks};
use crate::domain::agent::AgentKind;
use crate::domain::campaign::{
    self, Campaign, CampaignType, EventType, LeadTimeZonePolicy, Priority, Status, VoiceGender, Webhook,
};
use crate::domain::fields::{self, Fields, Parsed};
use crate::domain::invalid::Invalid;
use crate::domain::keys::KeyMap;
use crate::domain::money::Money;
use crate::domain::schedule::format_instant;
use crate::domain::script_lint::{self, Occasion, Sample, Warning};
use crate::store::pool::Db;
use crate::store::{CampaignFilter, CampaignSort, Cursor, Order, Snapshot, StoreError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rocket::http::Status as HttpStatus;
use rocket::{Route, State, delete, get, patch, post, put, routes};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![list, show, create, update, remove, set_status]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(list, show, create, update, remove, set_status))]
pub(super) struct Reference;

/// Where a campaign is found.
pub(super) fn location(id: i64) -> String {
    format!("/api/voice-campaigns/{id}")
}

/// The campaign that a path names.
pub(super) fn existing(snapshot: &Snapshot, id: &str) -> Result<Campaign, ApiError> {
    let id = query::path_id(id).ok_or(ApiError::NoSuchCampaign)?;
    snapshot.campaign(id)?.ok_or(ApiError::NoSuchCampaign)
}

/// Lists campaigns.
///
/// Newest first unless sorted otherwise. Without `limit` and `cursor` all of them come at once; with either
/// of them a page comes, with `Link` to the next one and `X-Total-Count`.
#[utoipa::path(
    get,
    path = "/voice-campaigns",
    operation_id = "list_campaigns",
    params(parameters::CampaignFilter),
    responses((status = 200, body = [View], description = "The campaigns.", headers(("X-Total-Count" = i64))))
)]
#[get("/voice-campaigns")]
async fn list(_caller: ReadScope, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    let (filter, is_paged) = filter(&mut query)?;
    db.read(move |snapshot| match filter.limit {
        Some(limit) if is_paged => page(snapshot, filter, limit, &query),
        _ => everything(snapshot, filter),
    })
    .await
}

fn filter(query: &mut Query) -> Result<(CampaignFilter, bool), Invalid> {
    let mut filter = CampaignFilter {
        status: query.take("status", query::word),
        priority: query.take("priority", query::word),
        campaign_type: query.take("campaign_type", query::word),
        tag: query.take("tag", query::text),
        search: query.take("search", query::text),
        sort: query.take("sort", sort).unwrap_or_default(),
        order: query.take("order", order).unwrap_or_default(),
        limit: query::page_size(query),
        after: None,
    };
    let (sort, order) = (filter.sort, filter.order);
    filter.after = query.take("cursor", |text| read_cursor(text, sort, order));
    query.finish()?;
    let is_paged = filter.limit.is_some() || filter.after.is_some();
    filter.limit = filter.limit.or(is_paged.then_some(PAGE_SIZE));
    Ok((filter, is_paged))
}

fn page(
    snapshot: &Snapshot,
    mut filter: CampaignFilter,
    limit: usize,
    query: &Query,
) -> Result<Answer, ApiError> {
    filter.limit = Some(limit + 1);
    let (rows, has_more) = query::page(snapshot.campaigns(&filter)?, limit);
    let views: Vec<View> = rows.iter().map(View::of).collect();
    let answer = Answer::ok(&views)?.with("X-Total-Count", snapshot.count_campaigns(&filter)?);
    let cursor = |last: &_| write_cursor(&filter.sort.cursor(last), filter.sort, filter.order);
    Ok(query.linked(answer, &rows, has_more, cursor))
}

/// All of them, written as they are read: the rows are never in memory together.
fn everything(snapshot: &Snapshot, mut filter: CampaignFilter) -> Result<Answer, ApiError> {
    const AT_ONCE: usize = 256;
    filter.limit = Some(AT_ONCE);
    let mut body = Vec::from(b"[");
    loop {
        let rows = snapshot.campaigns(&filter)?;
        for campaign in &rows {
            if body.len() > 1 {
                body.push(b',');
            }
            serde_json::to_writer(&mut body, &View::of(campaign))?;
        }
        match rows.last() {
            Some(last) if rows.len() == AT_ONCE => filter.after = Some(filter.sort.cursor(last)),
            _ => break,
        }
    }
    body.push(b']');
    let body = String::from_utf8(body).map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    Ok(Answer::text(HttpStatus::Ok, body))
}

const SORTS: [(&str, CampaignSort); 4] = [
    ("created_at", CampaignSort::CreatedAt),
    ("updated_at", CampaignSort::UpdatedAt),
    ("name", CampaignSort::Name),
    ("priority", CampaignSort::Priority),
];
const ORDERS: [(&str, Order); 2] = [("asc", Order::Ascending), ("desc", Order::Descending)];

fn sort(text: &str) -> Parsed<CampaignSort> {
    one_of(&SORTS, text)
}

fn order(text: &str) -> Parsed<Order> {
    one_of(&ORDERS, text)
}

fn one_of<T: Copy>(words: &[(&str, T)], text: &str) -> Parsed<T> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        format!("must be one of {words}; it is `{}`", fields::excerpt(text))
    })
}

fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

/// A cursor names its order, so that it cannot be used in another one.
fn write_cursor(cursor: &Cursor, sort: CampaignSort, order: Order) -> String {
    let (sort, order) = (word_of(&SORTS, &sort), word_of(&ORDERS, &order));
    URL_SAFE_NO_PAD.encode(format!("{sort} {order} {} {}", cursor.id, cursor.key))
}

fn read_cursor(text: &str, sort: CampaignSort, order: Order) -> Parsed<Cursor> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let mut parts = text.splitn(4, ' ');
        let is_same = parts.next()? == word_of(&SORTS, &sort) && parts.next()? == word_of(&ORDERS, &order);
        let id = parts.next()?.parse().ok()?;
        is_same.then_some(Cursor { id, key: parts.next()?.to_owned() })
    };
    read().ok_or_else(|| "must be one of the `Link` header, used with the same `sort` and `order`".to_owned())
}

/// Shows a campaign.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}",
    operation_id = "show_campaign",
    params(parameters::CampaignId, parameters::IfNoneMatch),
    responses((status = 200, body = View, description = "The campaign."))
)]
#[get("/voice-campaigns/<id>")]
async fn show(
    _caller: ReadScope,
    id: &str,
    mut query: Query,
    if_none_match: IfNoneMatch,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchCampaign)?;
    let campaign = db.campaign(id)?.ok_or(ApiError::NoSuchCampaign)?;
    let tag = Tag::of(&campaign);
    let answer =
        if if_none_match.has(tag) { Answer::not_modified() } else { Answer::ok(&View::of(&campaign))? };
    Ok(answer.with("ETag", tag))
}

/// Creates a campaign.
///
/// `warnings` at the end of the answer say what may be wrong with the scripts; they refuse nothing. The
/// secrets of its webhooks are in this answer alone.
#[utoipa::path(
    post,
    path = "/voice-campaigns",
    operation_id = "create_campaign",
    params(parameters::IdempotencyKey),
    request_body = schemas::NewCampaign,
    responses((status = 201, body = View, description = "The campaign as it was made.", headers(("ETag" = String))))
)]
#[post("/voice-campaigns", data = "<body>")]
async fn create(
    caller: WriteScope<'_>,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let body = head.json(body, JSON_MAX).await?;
    query.finish()?;
    let once = repeatable.once(caller.0, body.hash)?;
    if let Some(answer) = once.first_answer(db).await? {
        return Ok(answer);
    }
    let request = campaign::Request::read(body.exact_value().await?, None)?;
    webhooks::refuse_private(&request.settings.webhooks, &[], &settings.allowed_networks)?;
    voices::try_voice(settings, &request.settings).await?;
    let warnings = script_lint::lint(&request.settings, &Sample::default(), Occasion::Saved);
    let by = caller.0.name.clone();
    db.write(move |tx| {
        once.run(tx, |tx| {
            tx.fits(&request.settings, None)??;
            let campaign = tx.insert_campaign(&request, &by)?;
            created_with(&campaign, &warnings)
        })
    })
    .await
}

/// The answer to a campaign that was just made.
pub(super) fn created(campaign: &Campaign) -> Result<Answer, ApiError> {
    let warnings = script_lint::lint(&campaign.settings, &Sample::default(), Occasion::Saved);
    created_with(campaign, &warnings)
}

fn created_with(campaign: &Campaign, warnings: &[Warning]) -> Result<Answer, ApiError> {
    let answer = Answer::created(location(campaign.id), &View::of(campaign).with(warnings))?;
    Ok(answer.with("ETag", Tag::of(campaign)))
}

/// Changes a campaign.
///
/// Only the fields sent change; null resets one to its default. What only the server sets is accepted and
/// ignored, so that what was read can be edited and sent back.
#[utoipa::path(
    put,
    path = "/voice-campaigns/{id}",
    operation_id = "update_campaign",
    params(parameters::CampaignId, parameters::IfMatch),
    request_body = schemas::CampaignChange,
    responses((status = 200, body = View, description = "The campaign as it is now."),
        (status = 409, description = "- `conflict`: A draft campaign cannot become paused; it can become active or completed"))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[put("/voice-campaigns/<id>", data = "<body>")]
async fn update(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    head: BodyHead,
    if_match: IfMatch,
    body: Body,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let body = head.json(body, JSON_MAX).await?.exact_value().await?;
    query.finish()?;
    let (id, by) = (id.to_owned(), caller.0.name.clone());
    // Most of the work is done before everybody else who writes has to wait for it.
    let (seen_id, seen_if_match) = (id.clone(), if_match.clone());
    let seen = db.read(move |snapshot| unchanged(snapshot, &seen_id, &seen_if_match)).await?;
    let allowed = settings.allowed_networks.clone();
    let read = move |body, before: &campaign::Settings| {
        let request = campaign::Request::read(body, Some(before))?;
        webhooks::refuse_private(&request.settings.webhooks, &before.webhooks, &allowed)?;
        Ok::<_, Invalid>(request)
    };
    let (seen, body, request, read) = body::aside(move || {
        let request = read(body.clone(), &seen.settings)?;
        Ok((seen, body, request, read))
    })
    .await?;
    let voice =
        |of: &campaign::Settings| (of.ai_voice_id.clone(), of.ai_voice_language.clone(), of.ai_voice_gender);
    if voice(&request.settings) != voice(&seen.settings) || request.status == Some(Status::Active) {
        voices::try_voice(settings, &request.settings).await?;
    }
    let deed = caller.1;
    let written = db.write_and_wait_for_dials(move |tx| {
        let before = unchanged(tx, &id, &if_match)?;
        let request = match before.version == seen.version {
            true => request,
            false => read(body, &before.settings)?,
        };
        tx.fits(&request.settings, Some(before.id))??;
        let campaign = tx.update_campaign(&before, &request, &by)??;
        tx.note(&deed)?;
        Ok::<_, ApiError>((before.status, campaign))
    });
    let (status_before, campaign) = written.await?;
    let warnings = match (status_before == Status::Active, campaign.status == Status::Active) {
        (true, false) => Vec::new(),
        (false, true) => look_over(db, &campaign, Occasion::Activated).await,
        (true, true) | (false, false) => look_over(db, &campaign, Occasion::Saved).await,
    };
    Ok(Answer::ok(&View::of(&campaign).with(&warnings))?.with("ETag", Tag::of(&campaign)))
}

/// Deletes a campaign.
///
/// Dialing stops at once and its calls are hung up. Its records are kept, hidden, for
/// `retention.deleted_campaigns_days`.
#[utoipa::path(
    delete,
    path = "/voice-campaigns/{id}",
    operation_id = "delete_campaign",
    params(parameters::CampaignId, parameters::IfMatch),
    responses((status = 204, description = "It is gone."))
)]
#[delete("/voice-campaigns/<id>")]
async fn remove(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    if_match: IfMatch,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let (id, by) = (id.to_owned(), caller.0.name.clone());
    let deed = caller.1;
    db.write_and_wait_for_dials(move |tx| {
        let campaign = unchanged(tx, &id, &if_match)?;
        match tx.delete_campaign(campaign.id, &by)? {
            true => {
                tx.note(&deed)?;
                Ok(Answer::no_content())
            }
            false => Err(ApiError::NoSuchCampaign),
        }
    })
    .await
}

/// Starts, pauses or completes a campaign.
///
/// `draft` → `active`, `completed`; `active` → `paused`, `completed`; `paused` → `active`, `completed`;
/// `completed` → `active`. To the present status nothing happens. Activating a campaign that cannot call yet
/// succeeds; its statistics say why it waits.
#[utoipa::path(
    patch,
    path = "/voice-campaigns/{id}/status",
    operation_id = "set_campaign_status",
    params(parameters::CampaignId, parameters::IfMatch),
    request_body = schemas::StatusChange,
    responses((status = 200, body = View, description = "The campaign as it is now."),
        (status = 409, description = "- `conflict`: A draft campaign cannot become paused; it can become active or completed"))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[patch("/voice-campaigns/<id>/status", data = "<body>")]
async fn set_status(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    head: BodyHead,
    if_match: IfMatch,
    body: Body,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let body = head.json(body, JSON_MAX).await?.value().await?;
    query.finish()?;
    let (id, by) = (id.to_owned(), caller.0.name.clone());
    let (seen_id, seen_if_match) = (id.clone(), if_match.clone());
    let seen = db.read(move |snapshot| unchanged(snapshot, &seen_id, &seen_if_match)).await?;
    let mut body = Fields::of(body)?;
    let status = body.required("status", None, fields::word::<Status>);
    let status = body.finish(status)?;
    if status == Status::Active {
        voices::try_voice(settings, &seen.settings).await?;
    }
    let deed = caller.1;
    let changed = db.write_and_wait_for_dials(move |tx| {
        let before = unchanged(tx, &id, &if_match)?;
        let changed = tx.change_status(&before, status, &by)??;
        tx.note(&deed)?;
        Ok::<_, ApiError>(changed)
    });
    let campaign = changed.await?;
    let warnings = match campaign.status {
        Status::Active => look_over(db, &campaign, Occasion::Activated).await,
        // Nobody who stops a campaign waits for a look at its leads.
        Status::Draft | Status::Paused | Status::Completed => Vec::new(),
    };
    Ok(Answer::ok(&View::of(&campaign).with(&warnings))?.with("ETag", Tag::of(&campaign)))
}

/// Looks over the scripts of a campaign that was changed. The change is made by now, so leads that cannot be looked at
/// are no error.
async fn look_over(db: &Db, campaign: &Campaign, occasion: Occasion) -> Vec<Warning> {
    let leads = sample(db, campaign).await.unwrap_or_else(|error| {
        tracing::warn!(%error, campaign = campaign.id, "the leads could not be looked at for warnings");
        Sample::default()
    });
    script_lint::lint(&campaign.settings, &leads, occasion)
}

/// What the leads of a campaign have values for.
pub(super) async fn sample(db: &Db, campaign: &Campaign) -> Result<Sample, StoreError> {
    match (campaign.id, campaign.totals.total_leads) {
        (_, 0) => Ok(Sample::default()),
        (id, _) => db.read_long(move |snapshot| snapshot.lead_sample(id)).await,
    }
}

/// The campaign to change, if it is still the one the caller saw.
fn unchanged(snapshot: &Snapshot, id: &str, if_match: &IfMatch) -> Result<Campaign, ApiError> {
    let campaign = existing(snapshot, id)?;
    if if_match.allows(&campaign) { Ok(campaign) } else { Err(ApiError::Stale) }
}

/// A campaign, with its fields in the documented order.
#[derive(Serialize, ToSchema)]
#[schema(as = Campaign)]
pub(super) struct View<'a> {
    /// Never reused.
    #[schema(minimum = 1)]
    id: i64,
    /// What it is called.
    #[schema(min_length = 1, max_length = 200)]
    name: &'a str,
    /// What it is for.
    #[schema(max_length = 5000)]
    description: Option<&'a str>,
    /// Where it is in its life.
    status: Status,
    /// Its share of scarce lines beside others.
    priority: Priority,
    /// Who calls whom.
    campaign_type: CampaignType,
    /// Dials per calendar day of its time zone.
    #[schema(minimum = 1, maximum = 1000000)]
    calls_per_day: i64,
    /// Leads it has.
    #[schema(minimum = 0)]
    total_leads: i64,
    /// Ended calls that somebody, or a machine, picked up.
    #[schema(minimum = 0)]
    completed_calls: i64,
    /// Those of them that met the success criteria.
    #[schema(minimum = 0)]
    successful_calls: i64,
    /// Those that did not.
    #[schema(minimum = 0)]
    failed_calls: i64,
    /// Local time of day from which it dials. After the end, the hours span midnight.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$")]
    calling_hours_start: String,
    /// Local time of day until which it dials.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$")]
    calling_hours_end: String,
    /// Its own clock, an IANA name.
    time_zone: &'static str,
    /// Days on which it dials.
    #[schema(min_items = 1, max_items = 7, value_type = Vec<schemas::WorkingDay>)]
    working_days: Vec<&'static str>,
    /// The voice, as the synthesizer names it.
    #[schema(max_length = 200)]
    ai_voice_id: Option<&'a str>,
    /// Language of the voice (BCP 47).
    #[schema(max_length = 35)]
    ai_voice_language: &'a str,
    /// Gender of the voice, where the voice offers a choice.
    ai_voice_gender: Option<VoiceGender>,
    /// What the agent is told about its job.
    #[schema(min_length = 1, max_length = 20000)]
    system_prompt: &'a str,
    /// What is said, with `{name}` and `{name|what to say instead}`.
    #[schema(min_length = 1, max_length = 20000)]
    script_template: &'a str,
    /// What is said when the main path cannot go on, and left on an answering machine.
    #[schema(max_length = 20000)]
    fallback_script: Option<&'a str>,
    /// Dials of one lead at most.
    #[schema(minimum = 1, maximum = 20)]
    max_attempts_per_lead: i64,
    /// Minutes between the end of one attempt and the next.
    #[schema(minimum = 1, maximum = 43200)]
    retry_delay_minutes: i64,
    /// Seconds after which an answered call is ended.
    #[schema(minimum = 10, maximum = 14400)]
    call_duration_limit: i64,
    /// What counts as a success: `call_completed`, `message_left`, or in words what the agent is to judge.
    #[schema(min_length = 1, max_length = 5000)]
    success_criteria: &'a str,
    /// What a completed call costs.
    cost_per_call: Money,
    /// What may be spent in all; null for no limit.
    budget: Option<Money>,
    /// Percent of the budget at which an alert is sent.
    #[schema(minimum = 1, maximum = 100)]
    budget_alert_threshold: i64,
    /// Calls alive at one time.
    #[schema(minimum = 1, maximum = 1000)]
    max_concurrent_calls: i64,
    /// Seconds a phone may ring.
    #[schema(minimum = 15, maximum = 120)]
    ring_timeout_seconds: i64,
    /// Number shown to the lead, as +12025550123; null leaves it to the carrier.
    #[schema(pattern = "^\\+[1-9][0-9]{1,14}$")]
    caller_id: Option<String>,
    /// Whose clock the calling hours are read on.
    lead_time_zone_policy: LeadTimeZonePolicy,
    /// No dial before.
    #[schema(format = DateTime)]
    start_date: Option<String>,
    /// No dial after, and the campaign completes.
    #[schema(format = DateTime)]
    end_date: Option<String>,
    /// Limits the days further (RFC 5545 RRULE).
    recurrence_rule: Option<&'a str>,
    /// The team's own plan.
    #[schema(format = Date)]
    expected_completion_date: Option<String>,
    /// Your own reference.
    #[schema(minimum = -9007199254740991_i64, maximum = 9007199254740991_i64)]
    owner_id: Option<i64>,
    /// Your own references.
    #[schema(max_items = 1000)]
    team_members: &'a [i64],
    /// Your own reference.
    #[schema(minimum = -9007199254740991_i64, maximum = 9007199254740991_i64)]
    company_id: Option<i64>,
    /// Your own labels.
    #[schema(max_items = 100)]
    tags: &'a [String],
    /// Your own notes.
    #[schema(max_length = 20000)]
    notes: Option<&'a str>,
    /// Where its events are sent.
    #[schema(max_items = 20)]
    webhooks: Vec<WebhookView<'a>>,
    /// What pressing a key does, such as `{"1": "yes", "9": "opt_out"}`; one of them is `opt_out`. Null stands for 9 as
    /// `opt_out`, and 1 and 2 as `yes` and `no` where the success criteria ask for a verdict.
    #[schema(value_type = Option<schemas::Keys>)]
    keys: Option<&'a KeyMap>,
    /// What is said about opting out after a script that does not tell it; null for the usual sentence in the language
    /// of the voice, blank for nothing.
    #[schema(max_length = 500)]
    opt_out_sentence: Option<&'a str>,
    /// Whether answering machines are told from people; null leaves it to the server's settings.
    machine_detection: Option<bool>,
    /// Number that calls are passed on to, as +12025550123.
    #[schema(pattern = "^\\+[1-9][0-9]{1,14}$")]
    transfer_number: Option<String>,
    /// Whether calls are recorded.
    record_calls: bool,
    /// What is said first on a call that is recorded; null for the usual sentence in the language of the voice.
    #[schema(max_length = 500)]
    recording_announcement: Option<&'a str>,
    /// Number on which an inbound campaign is called, as +12025550123; no other campaign has it.
    #[schema(pattern = "^\\+[1-9][0-9]{1,14}$")]
    inbound_number: Option<String>,
    /// Uploaded prompt that is played instead of speaking the script.
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    script_prompt: Option<i64>,
    /// Uploaded prompt that is played instead of speaking the fallback.
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    fallback_prompt: Option<i64>,
    /// Who talks: the script is said, or an AI agent holds a conversation. Null: an agent where one is configured, unless
    /// the script is an uploaded prompt.
    agent: Option<AgentKind>,
    /// What an agent says of itself before the script; null for the usual sentence in the language of the voice, which
    /// says that it is an automated assistant, blank for nothing.
    #[schema(max_length = 500)]
    agent_disclosure: Option<&'a str>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last edited or changed status.
    #[schema(format = DateTime)]
    updated_at: String,
    /// What may be wrong with the scripts; told where they were written or come into use.
    #[schema(nullable = false, value_type = Option<Vec<schemas::ScriptWarning>>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    warnings: Option<&'a [Warning]>,
}

/// Where the events of a campaign are sent.
#[derive(Serialize, ToSchema)]
#[schema(as = CampaignWebhook)]
struct WebhookView<'a> {
    /// Where events are sent.
    #[schema(max_length = 2000)]
    url: &'a str,
    /// Which events.
    #[schema(min_items = 1)]
    events: &'a [EventType],
    /// What they are signed with; only in the answer to the request that made it.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    /// Your own words.
    #[schema(max_length = 500)]
    description: Option<&'a str>,
}

impl<'a> View<'a> {
    /// As it is stored, or with the secrets that have just been made.
    pub(super) fn of(campaign: &'a Campaign) -> View<'a> {
        let (settings, totals) = (&campaign.settings, &campaign.totals);
        let webhook = |webhook: &'a Webhook| WebhookView {
            url: &webhook.url,
            events: &webhook.events,
            secret: webhook.secret.as_deref(),
            description: webhook.description.as_deref(),
        };
        View {
            id: campaign.id,
            name: &settings.name,
            description: settings.description.as_deref(),
            status: campaign.status,
            priority: settings.priority,
            campaign_type: settings.campaign_type,
            calls_per_day: settings.calls_per_day,
            total_leads: totals.total_leads,
            completed_calls: totals.completed_calls,
            successful_calls: totals.successful_calls,
            failed_calls: totals.failed_calls,
            calling_hours_start: settings.hours.start.to_string(),
            calling_hours_end: settings.hours.end.to_string(),
            time_zone: settings.time_zone.name(),
            working_days: settings.working_days.names(),
            ai_voice_id: settings.ai_voice_id.as_deref(),
            ai_voice_language: &settings.ai_voice_language,
            ai_voice_gender: settings.ai_voice_gender,
            system_prompt: &settings.system_prompt,
            script_template: &settings.script_template,
            fallback_script: settings.fallback_script.as_deref(),
            max_attempts_per_lead: settings.max_attempts_per_lead,
            retry_delay_minutes: settings.retry_delay_minutes,
            call_duration_limit: settings.call_duration_limit,
            success_criteria: &settings.success_criteria,
            cost_per_call: settings.cost_per_call,
            budget: settings.budget,
            budget_alert_threshold: settings.budget_alert_threshold,
            max_concurrent_calls: settings.max_concurrent_calls,
            ring_timeout_seconds: settings.ring_timeout_seconds,
            caller_id: settings.caller_id.map(|phone| phone.to_string()),
            lead_time_zone_policy: settings.lead_time_zone_policy,
            start_date: settings.start_date.map(format_instant),
            end_date: settings.end_date.map(format_instant),
            recurrence_rule: settings.recurrence_rule.as_ref().map(|rule| rule.text()),
            expected_completion_date: settings.expected_completion_date.map(|date| date.to_string()),
            owner_id: settings.owner_id,
            team_members: &settings.team_members,
            company_id: settings.company_id,
            tags: &settings.tags,
            notes: settings.notes.as_deref(),
            webhooks: settings.webhooks.iter().map(webhook).collect(),
            keys: settings.keys.as_ref(),
            opt_out_sentence: settings.opt_out_sentence.as_deref(),
            machine_detection: settings.machine_detection,
            transfer_number: settings.transfer_number.map(|phone| phone.to_string()),
            record_calls: settings.record_calls,
            recording_announcement: settings.recording_announcement.as_deref(),
            inbound_number: settings.inbound_number.map(|phone| phone.to_string()),
            script_prompt: settings.script_prompt,
            fallback_prompt: settings.fallback_prompt,
            agent: settings.agent,
            agent_disclosure: settings.agent_disclosure.as_deref(),
            created_at: format_instant(campaign.created_at),
            updated_at: format_instant(campaign.updated_at),
            warnings: None,
        }
    }

    /// With what may be wrong with its scripts.
    fn with(self, warnings: &'a [Warning]) -> View<'a> {
        View { warnings: Some(warnings), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_order() {
        let cursor = Cursor { key: "Autumn sale 7 %".into(), id: 12 };
        let text = write_cursor(&cursor, CampaignSort::Name, Order::Ascending);
        assert_eq!(read_cursor(&text, CampaignSort::Name, Order::Ascending), Ok(cursor));
        assert!(read_cursor(&text, CampaignSort::Name, Order::Descending).is_err());
        assert!(read_cursor(&text, CampaignSort::CreatedAt, Order::Ascending).is_err());
        assert!(read_cursor("%%%", CampaignSort::Name, Order::Ascending).is_err());
    }
}
