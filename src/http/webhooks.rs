//! Endpoints: who is told of events. Those of a campaign are made with the campaign; those of all campaigns here.

use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::{Body, BodyHead, JSON_MAX};
use super::error::ApiError;
use super::etag::{IfMatch, IfNoneMatch, TextTag};
use super::idempotency::Repeatable;
use super::openapi::{parameters, schemas};
use super::query::{self, Query};
use super::{Settings, campaigns};
use crate::domain::address::{self, Network};
use crate::domain::campaign::{EventType, WEBHOOKS_MAX, Webhook};
use crate::domain::delivery::DisabledReason;
use crate::domain::endpoint::{Endpoint, EndpointRequest};
use crate::domain::fields::{self, Fields, Parsed};
use crate::domain::invalid::Invalid;
use crate::domain::schedule::{self, DateOnly, format_instant};
use crate::store::pool::Db;
use crate::store::{Scope, Snapshot, Token, Tx, Week};
use chrono_tz::Tz;
use rocket::http::Status;
use rocket::{Route, State, delete, get, post, put, routes};
use serde::Serialize;
use serde_json::json;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![
        list,
        list_of_campaign,
        show,
        create,
        update,
        remove,
        rotate_secret,
        test,
        test_campaign,
        redeliver_failed
    ]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(
    list,
    list_of_campaign,
    show,
    create,
    update,
    remove,
    rotate_secret,
    test,
    test_campaign,
    redeliver_failed
))]
pub(super) struct Reference;

/// Refuses what leads to an address nothing may be sent to; `known` are URLs that were taken before.
pub(super) fn refuse_private(
    webhooks: &[Webhook],
    known: &[Webhook],
    allowed: &[Network],
) -> Result<(), Invalid> {
    let is_known = |webhook: &&Webhook| known.iter().any(|known| known.url == webhook.url);
    for (index, webhook) in webhooks.iter().enumerate().filter(|(_, webhook)| !is_known(webhook)) {
        address::target(&webhook.url, allowed)
            .map_err(|message| Invalid::one("webhooks", format!("item {}: url: {message}", index + 1)))?;
    }
    Ok(())
}

fn refuse_private_url(url: &str, allowed: &[Network]) -> Result<(), Invalid> {
    address::target(url, allowed).map(drop).map_err(|message| Invalid::one("url", message))
}

/// Lists the webhooks of all campaigns.
///
/// With `scope=all` those that campaigns name in their `webhooks` too.
#[utoipa::path(
    get,
    path = "/webhooks",
    operation_id = "list_webhooks",
    params(parameters::Whose),
    responses((status = 200, body = [View], description = "The webhooks."))
)]
#[get("/webhooks")]
async fn list(_caller: ReadScope, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    let scope = query.take("scope", whose).unwrap_or(Whose::Shared);
    query.finish()?;
    match scope {
        Whose::Shared => db.read(|snapshot| all(snapshot, &snapshot.endpoints(None)?)).await,
        Whose::All => db.read_long(|snapshot| all(snapshot, &snapshot.endpoints_of_all()?)).await,
    }
}

/// Whose endpoints are listed.
#[derive(Clone, Copy)]
enum Whose {
    /// Those that are told of every campaign.
    Shared,
    /// Those of each campaign as well.
    All,
}

fn whose(text: &str) -> Parsed<Whose> {
    match text {
        "shared" => Ok(Whose::Shared),
        "all" => Ok(Whose::All),
        other => Err(format!("must be one of `shared`, `all`; it is `{}`", fields::excerpt(other))),
    }
}

/// Lists the webhooks of a campaign.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/webhooks",
    operation_id = "list_webhooks_of_campaign",
    params(parameters::CampaignId),
    responses((status = 200, body = [View], description = "The webhooks."))
)]
#[get("/voice-campaigns/<id>/webhooks")]
async fn list_of_campaign(
    _caller: ReadScope,
    id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = id.to_owned();
    db.read(move |snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        all(snapshot, &snapshot.endpoints(Some(campaign.id))?)
    })
    .await
}

fn all(snapshot: &Snapshot, endpoints: &[Endpoint]) -> Result<Answer, ApiError> {
    let view = |endpoint| Ok::<_, ApiError>(View::of(endpoint, None, snapshot.last_week(endpoint.id)?));
    Answer::ok(&endpoints.iter().map(view).collect::<Result<Vec<_>, _>>()?)
}

/// Shows a webhook, and how it fares.
#[utoipa::path(
    get,
    path = "/webhooks/{id}",
    operation_id = "show_webhook",
    params(parameters::WebhookId, parameters::IfNoneMatch),
    responses((status = 200, body = View, description = "The webhook."))
)]
#[get("/webhooks/<id>")]
async fn show(
    _caller: ReadScope,
    id: &str,
    mut query: Query,
    if_none_match: IfNoneMatch,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchWebhook)?;
    db.read(move |snapshot| {
        let (body, tag) = shown(snapshot, &existing(snapshot, id)?, None)?;
        Ok(if_none_match.answer(body, tag))
    })
    .await
}

fn existing(snapshot: &Snapshot, id: i64) -> Result<Endpoint, ApiError> {
    snapshot.endpoint(id)?.ok_or(ApiError::NoSuchWebhook)
}

/// The endpoint that a path names, if the caller may change it: those of all campaigns are the administrator's.
pub(super) fn changeable(snapshot: &Snapshot, id: i64, scope: Scope) -> Result<Endpoint, ApiError> {
    let endpoint = existing(snapshot, id)?;
    if endpoint.campaign_id.is_none() {
        administrator(scope)?;
    }
    Ok(endpoint)
}

fn administrator(scope: Scope) -> Result<(), ApiError> {
    if scope >= Scope::Admin { Ok(()) } else { Err(ApiError::Forbidden { needed: "admin" }) }
}

/// Adds a webhook that is told of every campaign.
///
/// The answer shows its secret this one time.
#[utoipa::path(
    post,
    path = "/webhooks",
    operation_id = "create_webhook",
    params(parameters::IdempotencyKey),
    request_body = schemas::NewWebhook,
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 201, body = View, description = "The webhook, with its secret.", headers(("ETag" = String))),
        (status = 409, description = "- `conflict`: There are 20 webhooks of all campaigns; delete one first"))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[post("/webhooks", data = "<body>")]
async fn create(
    caller: WriteScope<'_>,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    administrator(caller.0.scope)?;
    let body = head.json(body, JSON_MAX).await?;
    let once = repeatable.once(caller.0, body.hash)?;
    if let Some(answer) = once.first_answer(db).await? {
        return Ok(answer);
    }
    let request = EndpointRequest::read(body.value().await?, None)?;
    refuse_private_url(&request.settings.url, &settings.allowed_networks)?;
    db.write(move |tx| {
        once.run(tx, |tx| {
            if tx.endpoints(None)?.len() >= WEBHOOKS_MAX {
                let message = format!("There are {WEBHOOKS_MAX} webhooks of all campaigns; delete one first");
                return Err(ApiError::Conflict { code: "conflict", message });
            }
            let (endpoint, secret) = tx.insert_endpoint(&request)?;
            let (body, tag) = shown(tx, &endpoint, secret.as_deref())?;
            let location = format!("/api/webhooks/{}", endpoint.id);
            Ok(Answer::text(Status::Created, body).with("Location", location).with("ETag", tag))
        })
    })
    .await
}

/// Changes a webhook.
///
/// Only the fields sent change. A webhook of all campaigns is the administrator's to change: scope `admin`.
#[utoipa::path(
    put,
    path = "/webhooks/{id}",
    operation_id = "update_webhook",
    params(parameters::WebhookId, parameters::IfMatch),
    request_body = schemas::WebhookChange,
    responses((status = 200, body = View, description = "The webhook as it is now."))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[put("/webhooks/<id>", data = "<body>")]
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
    query.finish()?;
    let body = head.json(body, JSON_MAX).await?.value().await?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchWebhook)?;
    let (scope, allowed) = (caller.0.scope, settings.allowed_networks.clone());
    let deed = caller.1;
    db.write(move |tx| {
        let before = unchanged(tx, id, scope, &if_match)?;
        let request = EndpointRequest::read(body, Some(&before.settings))?;
        if request.settings.url != before.settings.url {
            refuse_private_url(&request.settings.url, &allowed)?;
        }
        tx.note(&deed)?;
        let (body, tag) = shown(tx, &tx.update_endpoint(&before, &request)?, None)?;
        Ok(Answer::text(Status::Ok, body).with("ETag", tag))
    })
    .await
}

/// The endpoint to change, if it is still the one the caller saw.
fn unchanged(snapshot: &Snapshot, id: i64, scope: Scope, if_match: &IfMatch) -> Result<Endpoint, ApiError> {
    let endpoint = changeable(snapshot, id, scope)?;
    if if_match.allows_text(&shown(snapshot, &endpoint, None)?.1) {
        Ok(endpoint)
    } else {
        Err(ApiError::Stale)
    }
}

/// Removes a webhook.
///
/// What is not delivered yet is canceled. A webhook of all campaigns is the administrator's to change: scope
/// `admin`.
#[utoipa::path(
    delete,
    path = "/webhooks/{id}",
    operation_id = "delete_webhook",
    params(parameters::WebhookId, parameters::IfMatch),
    responses((status = 204, description = "It is gone."))
)]
#[delete("/webhooks/<id>")]
async fn remove(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    if_match: IfMatch,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let (id, scope) = (query::path_id(id).ok_or(ApiError::NoSuchWebhook)?, caller.0.scope);
    let deed = caller.1;
    db.write(move |tx| {
        tx.delete_endpoint(&unchanged(tx, id, scope, &if_match)?)?;
        tx.note(&deed)?;
        Ok(Answer::no_content())
    })
    .await
}

/// Makes a new secret.
///
/// The answer shows it this one time. For 24 hours requests are signed with both secrets. A webhook of all
/// campaigns is the administrator's to change: scope `admin`.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/rotate-secret",
    operation_id = "rotate_secret",
    params(parameters::WebhookId, parameters::IdempotencyKey),
    responses((status = 200, body = View, description = "The webhook, with its new secret.", headers(("ETag" = String))))
)]
#[post("/webhooks/<id>/rotate-secret", data = "<body>")]
async fn rotate_secret(
    caller: WriteScope<'_>,
    id: &str,
    query: Query,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    on_endpoint(caller.0, id, query, repeatable, body, db, |tx, endpoint| {
        let secret = tx.rotate_secret(endpoint.id)?;
        let (body, tag) = shown(tx, &existing(tx, endpoint.id)?, Some(&secret))?;
        Ok(Answer::text(Status::Ok, body).with("ETag", tag))
    })
    .await
}

/// Sends a `webhook.test` event to a webhook.
///
/// A webhook of all campaigns is the administrator's to change: scope `admin`.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/test",
    operation_id = "test_webhook",
    params(parameters::WebhookId, parameters::IdempotencyKey),
    responses((status = 202, body = schemas::TestsSent, description = "It is on its way."),
        (
            status = 409,
            description = "- `webhook_disabled`: Disabled by hand; nothing is sent to it. Set `enabled` to true to use it again"
        ))
)]
#[post("/webhooks/<id>/test", data = "<body>")]
async fn test(
    caller: WriteScope<'_>,
    id: &str,
    query: Query,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    on_endpoint(caller.0, id, query, repeatable, body, db, |tx, endpoint| tests(&[send_test(tx, endpoint)?]))
        .await
}

/// Something without a body that is done to an endpoint once.
async fn on_endpoint(
    caller: &Token,
    id: &str,
    mut query: Query,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
    run: impl FnOnce(&Tx, &Endpoint) -> Result<Answer, ApiError> + Send + 'static,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let once = repeatable.once_without_body(caller, body).await?;
    let (id, scope) = (query::path_id(id).ok_or(ApiError::NoSuchWebhook)?, caller.scope);
    db.write(move |tx| once.run(tx, |tx| run(tx, &changeable(tx, id, scope)?))).await
}

/// Sends a `webhook.test` event to the webhooks of a campaign.
#[utoipa::path(
    post,
    path = "/voice-campaigns/{id}/webhooks/test",
    operation_id = "test_webhooks_of_campaign",
    params(parameters::CampaignId, parameters::IdempotencyKey),
    responses((status = 202, body = schemas::TestsSent, description = "They are on their way."),
        (
            status = 409,
            description = "- `conflict`: This campaign has no webhooks; add one to its `webhooks` first"
        ))
)]
#[post("/voice-campaigns/<id>/webhooks/test", data = "<body>")]
async fn test_campaign(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let once = repeatable.once_without_body(caller.0, body).await?;
    let id = id.to_owned();
    db.write(move |tx| {
        once.run(tx, |tx| {
            let campaign = campaigns::existing(tx, &id)?;
            let endpoints = tx.endpoints(Some(campaign.id))?;
            if endpoints.is_empty() {
                let message = "This campaign has no webhooks; add one to its `webhooks` first".into();
                return Err(ApiError::Conflict { code: "conflict", message });
            }
            let sent: Vec<i64> = endpoints
                .iter()
                .filter(|endpoint| endpoint.is_enabled() && !endpoint.is_locked)
                .map(|endpoint| send_test(tx, endpoint))
                .collect::<Result<_, _>>()?;
            tests(&sent)
        })
    })
    .await
}

fn send_test(tx: &Tx, endpoint: &Endpoint) -> Result<i64, ApiError> {
    enabled(endpoint)?;
    let campaign = match endpoint.campaign_id {
        Some(id) => tx.campaign(id)?,
        None => None,
    };
    Ok(tx.test_endpoint(endpoint, campaign.as_ref())?)
}

/// Nothing is sent to an endpoint that is disabled, or whose secret nobody can open.
pub(super) fn enabled(endpoint: &Endpoint) -> Result<(), ApiError> {
    match endpoint.notice().filter(|_| !endpoint.is_enabled() || endpoint.is_locked) {
        Some(notice) => Err(ApiError::Conflict { code: "webhook_disabled", message: notice.into() }),
        None => Ok(()),
    }
}

/// Where to see what became of tests.
fn tests(deliveries: &[i64]) -> Result<Answer, ApiError> {
    Ok(Answer::text(Status::Accepted, serde_json::to_string(&json!({"delivery_ids": deliveries}))?))
}

/// Sends again what a webhook did not take.
///
/// All its deliveries that were given up since then. A webhook of all campaigns is the administrator's to
/// change: scope `admin`.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/redeliver-failed",
    operation_id = "redeliver_failed",
    params(parameters::WebhookId, parameters::IdempotencyKey),
    request_body = schemas::RedeliverRequest,
    responses((status = 200, body = schemas::Redelivered, description = "How many are sent again."),
        (
            status = 409,
            description = "- `webhook_disabled`: Disabled by hand; nothing is sent to it. Set `enabled` to true to use it again"
        ))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[post("/webhooks/<id>/redeliver-failed", data = "<body>")]
async fn redeliver_failed(
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
    let since = body.required("since", None, |value| {
        schedule::parse_instant(fields::string(value)?, Tz::UTC, DateOnly::StartOfDay)
    });
    let since = body.finish(since)?;
    let (id, scope) = (query::path_id(id).ok_or(ApiError::NoSuchWebhook)?, caller.0.scope);
    let mut redelivered = 0;
    let mut beginning = Some(once.clone());
    let mut after = Some(0);
    while let Some(last) = after {
        let beginning = beginning.take();
        let part = db.write(move |tx| {
            let endpoint = changeable(tx, id, scope)?;
            enabled(&endpoint)?;
            beginning.map_or(Ok(()), |once| once.note(tx, None))?;
            Ok::<_, ApiError>(tx.redeliver_failed(endpoint.id, since, last)?)
        });
        let (part, last) = part.await?;
        redelivered += part;
        after = last;
    }
    db.write(move |tx| once.tell(tx, Answer::ok(&json!({"redelivered": redelivered}))?)).await
}

/// The JSON of an endpoint, and its tag.
fn shown(
    snapshot: &Snapshot,
    endpoint: &Endpoint,
    secret: Option<&str>,
) -> Result<(String, TextTag), ApiError> {
    let week = snapshot.last_week(endpoint.id)?;
    let facts = serde_json::to_string(&View::of(endpoint, None, week))?;
    let body = serde_json::to_string(&View::of(endpoint, secret, week))?;
    let tag = TextTag::of(&endpoint.updated_at.timestamp_millis().to_string(), &facts);
    Ok((body, tag))
}

/// Where events are sent, and how it fares.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
struct View<'a> {
    /// Never reused.
    #[schema(minimum = 1)]
    id: i64,
    /// Whose events; null for those of all campaigns.
    campaign_id: Option<i64>,
    /// Name of that campaign.
    campaign_name: Option<&'a str>,
    /// Where events are sent.
    url: &'a str,
    /// Which events.
    events: &'a [EventType],
    /// Your own words.
    description: Option<&'a str>,
    /// What events are signed with; only in the answer to the request that made it.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    /// Whether events are sent to it.
    enabled: bool,
    /// Why none are.
    disabled_reason: Option<DisabledReason>,
    /// What a person should know and do.
    notice: Option<&'static str>,
    /// When a try first failed after the last success.
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    /// When it last took an event.
    #[schema(format = DateTime)]
    last_success_at: Option<String>,
    /// Until when the secret before this one signs as well.
    #[schema(format = DateTime)]
    previous_secret_until: Option<String>,
    /// What became of its deliveries of the last seven days.
    #[schema(value_type = schemas::Week)]
    last_7_days: Week,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last edited.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl<'a> View<'a> {
    fn of(endpoint: &'a Endpoint, secret: Option<&'a str>, last_7_days: Week) -> View<'a> {
        let settings = &endpoint.settings;
        View {
            id: endpoint.id,
            campaign_id: endpoint.campaign_id,
            campaign_name: endpoint.campaign_name.as_deref(),
            url: &settings.url,
            events: &settings.events,
            description: settings.description.as_deref(),
            secret,
            enabled: endpoint.is_enabled(),
            disabled_reason: endpoint.disabled_reason,
            notice: endpoint.notice(),
            failing_since: endpoint.failing_since.map(format_instant),
            last_success_at: endpoint.last_success_at.map(format_instant),
            previous_secret_until: endpoint.previous_secret_until.map(format_instant),
            last_7_days,
            created_at: format_instant(endpoint.created_at),
            updated_at: format_instant(endpoint.updated_at),
        }
    }
}
