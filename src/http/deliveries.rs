//! The log of deliveries: what was sent, when, and what came back; and sending it again.

use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::Body;
use super::error::ApiError;
use super::idempotency::Repeatable;
use super::openapi::parameters;
use super::query::{self, PAGE_SIZE, Query};
use super::{campaigns, webhooks};
use crate::domain::campaign::EventType;
use crate::domain::delivery::{DeliveryState, TryError};
use crate::domain::fields::{self, Parsed, Words};
use crate::domain::invalid::Invalid;
use crate::domain::schedule::format_instant;
use crate::store::pool::Db;
use crate::store::{Delivery, DeliveryFilter, Snapshot, TEST_EVENT, Try};
use rocket::http::Status;
use rocket::{Route, get, post, routes};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![list, list_of_campaign, show, redeliver]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(list, list_of_campaign, show, redeliver))]
pub(super) struct Reference;

/// Lists what was sent to webhooks.
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/webhook-deliveries",
    operation_id = "list_deliveries",
    params(parameters::OfCampaign, parameters::DeliveryFilter, parameters::PagingById),
    responses((status = 200, body = [View], description = "A page of deliveries."))
)]
#[get("/webhook-deliveries")]
async fn list(_caller: ReadScope, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    let campaign_id = query.take("campaign_id", query::id);
    let (filter, limit) = filter(&mut query)?;
    let filter = DeliveryFilter { campaign_id, ..filter };
    db.read_long(move |snapshot| page(snapshot, &filter, limit, &query)).await
}

/// Lists what was sent of a campaign.
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/webhook-deliveries",
    operation_id = "list_deliveries_of_campaign",
    params(parameters::CampaignId, parameters::DeliveryFilter, parameters::PagingById),
    responses((status = 200, body = [View], description = "A page of deliveries."))
)]
#[get("/voice-campaigns/<id>/webhook-deliveries")]
async fn list_of_campaign(
    _caller: ReadScope,
    id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Answer, ApiError> {
    let (filter, limit) = filter(&mut query)?;
    let id = id.to_owned();
    db.read_long(move |snapshot| {
        let campaign_id = Some(campaigns::existing(snapshot, &id)?.id);
        page(snapshot, &DeliveryFilter { campaign_id, ..filter }, limit, &query)
    })
    .await
}

fn filter(query: &mut Query) -> Result<(DeliveryFilter, usize), Invalid> {
    let limit = query::page_size(query).unwrap_or(PAGE_SIZE);
    let filter = DeliveryFilter {
        campaign_id: None,
        endpoint_id: query.take("endpoint_id", query::id),
        state: query.take("state", query::word),
        event: query.take("type", event),
        before: query.take("cursor", query::id),
        limit: limit + 1,
    };
    query.finish()?;
    Ok((filter, limit))
}

fn event(text: &str) -> Parsed<String> {
    let known: Vec<&str> = EventType::all().iter().map(|event| event.word()).chain([TEST_EVENT]).collect();
    if known.contains(&text) {
        return Ok(text.to_owned());
    }
    let words = known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    Err(format!("must be one of {words}; it is `{}`", fields::excerpt(text)))
}

fn page(
    snapshot: &Snapshot,
    filter: &DeliveryFilter,
    limit: usize,
    query: &Query,
) -> Result<Answer, ApiError> {
    let (deliveries, has_more) = query::page(snapshot.deliveries(filter)?, limit);
    let views: Vec<View> = deliveries.iter().map(View::of).collect();
    let answer = Answer::ok(&views)?;
    Ok(query.linked(answer, &deliveries, has_more, |last| last.id.to_string()))
}

/// Shows a delivery.
///
/// With what was sent and what came back of every try.
#[utoipa::path(
    get,
    path = "/webhook-deliveries/{id}",
    operation_id = "show_delivery",
    params(parameters::DeliveryId),
    responses((status = 200, body = WholeView, description = "The delivery."))
)]
#[get("/webhook-deliveries/<id>")]
async fn show(_caller: ReadScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchDelivery)?;
    db.read(move |snapshot| {
        let delivery = existing(snapshot, id)?;
        let tries = snapshot.tries(id)?;
        Answer::ok(&WholeView {
            delivery: View::of(&delivery),
            payload: serde_json::from_str(&snapshot.payload(id)?)?,
            log: tries
                .iter()
                .map(|one| WholeTry { one: TryView::of(one), headers: headers(&delivery, one) })
                .collect(),
        })
    })
    .await
}

fn existing(snapshot: &Snapshot, id: i64) -> Result<Delivery, ApiError> {
    snapshot.delivery(id)?.ok_or(ApiError::NoSuchDelivery)
}

/// Sends a delivery again.
#[utoipa::path(
    post,
    path = "/webhook-deliveries/{id}/redeliver",
    operation_id = "redeliver",
    params(parameters::DeliveryId, parameters::IdempotencyKey),
    responses((status = 202, body = View, description = "It is on its way."),
        (
            status = 409,
            description = "- `webhook_removed`: The endpoint of this delivery was removed
- `webhook_disabled`: Disabled by hand; nothing is sent to it. Set `enabled` to true to use it again"
        ))
)]
#[post("/webhook-deliveries/<id>/redeliver", data = "<body>")]
async fn redeliver(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let once = repeatable.once_without_body(caller.0, body).await?;
    let (id, scope) = (query::path_id(id).ok_or(ApiError::NoSuchDelivery)?, caller.0.scope);
    db.write(move |tx| {
        once.run(tx, |tx| {
            let delivery = existing(tx, id)?;
            match webhooks::changeable(tx, delivery.endpoint_id, scope) {
                Err(ApiError::NoSuchWebhook) => {
                    let message = "The endpoint of this delivery was removed".into();
                    return Err(ApiError::Conflict { code: "webhook_removed", message });
                }
                endpoint => webhooks::enabled(&endpoint?)?,
            }
            tx.redeliver(id)?;
            Ok(Answer::text(Status::Accepted, serde_json::to_string(&View::of(&existing(tx, id)?))?))
        })
    })
    .await
}

/// One event on its way to one webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(super) struct View<'a> {
    /// Never reused.
    #[schema(minimum = 1)]
    id: i64,
    /// The webhook it goes to.
    #[schema(minimum = 1)]
    endpoint_id: i64,
    /// Whose event it is.
    campaign_id: Option<i64>,
    /// The `webhook-id` header of every try.
    webhook_id: &'a str,
    /// Which event.
    #[serde(rename = "type")]
    event: &'a str,
    /// Where it is.
    state: DeliveryState,
    /// Tries so far.
    #[schema(minimum = 0)]
    tries: i64,
    /// When it is tried next.
    #[schema(format = DateTime)]
    next_try_at: Option<String>,
    /// When it was taken.
    #[schema(format = DateTime)]
    delivered_at: Option<String>,
    /// When the event happened.
    #[schema(format = DateTime)]
    created_at: String,
    /// The last try; null before the first.
    last_try: Option<TryView<'a>>,
}

/// One try.
#[derive(Serialize, ToSchema)]
#[schema(as = Try)]
struct TryView<'a> {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// How long it took.
    #[schema(minimum = 0)]
    milliseconds: i64,
    /// What the endpoint answered.
    status_code: Option<u16>,
    /// Why there was no answer.
    error: Option<TryError>,
    /// The same for a person.
    message: Option<&'static str>,
    /// The start of what it answered.
    answer: &'a str,
}

/// A delivery with everything that is known of it.
#[derive(Serialize, ToSchema)]
#[schema(as = WholeDelivery)]
struct WholeView<'a> {
    #[serde(flatten)]
    delivery: View<'a>,
    /// The body that is sent.
    #[schema(value_type = Object)]
    payload: Value,
    /// Every try, first to last.
    log: Vec<WholeTry<'a>>,
}

/// One try with what was sent.
#[derive(Serialize, ToSchema)]
#[schema(as = WholeTry)]
struct WholeTry<'a> {
    #[serde(flatten)]
    one: TryView<'a>,
    /// What was sent.
    headers: Headers<'a>,
}

/// The headers that were sent; the signatures are nobody's business.
#[derive(Serialize, ToSchema)]
#[schema(as = TryHeaders)]
struct Headers<'a> {
    /// Always `application/json`.
    #[serde(rename = "content-type")]
    content_type: &'static str,
    /// The same on every try.
    #[serde(rename = "webhook-id")]
    webhook_id: &'a str,
    /// When it was sent, in Unix seconds.
    #[serde(rename = "webhook-timestamp")]
    webhook_timestamp: String,
    /// Masked here.
    #[serde(rename = "webhook-signature")]
    webhook_signature: String,
}

fn headers<'a>(delivery: &'a Delivery, one: &Try) -> Headers<'a> {
    let masked = (0..one.signatures).map(|_| "v1,********").collect::<Vec<_>>();
    Headers {
        content_type: "application/json",
        webhook_id: &delivery.message_id,
        webhook_timestamp: one.at.timestamp().to_string(),
        webhook_signature: masked.join(" "),
    }
}

impl<'a> View<'a> {
    /// With its last try.
    pub(super) fn of(delivery: &'a Delivery) -> View<'a> {
        View {
            id: delivery.id,
            endpoint_id: delivery.endpoint_id,
            campaign_id: delivery.campaign_id,
            webhook_id: &delivery.message_id,
            event: &delivery.event,
            state: delivery.state,
            tries: delivery.tries,
            next_try_at: delivery.next_try_at.map(format_instant),
            delivered_at: delivery.delivered_at.map(format_instant),
            created_at: format_instant(delivery.created_at),
            last_try: delivery.last_try.as_ref().map(TryView::of),
        }
    }
}

impl<'a> TryView<'a> {
    fn of(one: &'a Try) -> TryView<'a> {
        TryView {
            at: format_instant(one.at),
            milliseconds: one.ms,
            status_code: one.status,
            error: one.error,
            message: one.error.map(TryError::sentence),
            answer: &one.excerpt,
        }
    }
}
