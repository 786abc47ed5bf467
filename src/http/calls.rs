//! Calls: every dial there was, with what happened when and what was in force.

use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::campaigns;
use super::error::ApiError;
use super::etag::{IfNoneMatch, TextTag};
use super::idempotency::Repeatable;
use super::query::{self, PAGE_SIZE, Query};
use crate::domain::Instant;
use crate::domain::call::{Call, CallState};
use crate::domain::invalid::Invalid;
use crate::domain::money::Money;
use crate::domain::outcome::Outcome;
use crate::domain::schedule::{DateOnly, format_instant};
use crate::store::pool::Db;
use crate::store::{CallFilter, CallNames, Snapshot};
use rocket::http::Status;
use rocket::{Data, Route, get, post, routes};
use serde::Serialize;
use serde_json::Value;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![list, list_of_campaign, show, hang_up]
}

#[get("/calls")]
async fn list(_caller: ReadScope, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    let campaign_id = query.take("campaign_id", query::id);
    let (filter, limit) = filter(&mut query)?;
    let filter = CallFilter { campaign_id, ..filter };
    let is_long = is_long(&filter);
    let page = move |snapshot: &Snapshot| page(snapshot, filter, limit, &query);
    if is_long { db.read_long(page).await } else { db.read(page).await }
}

#[get("/voice-campaigns/<id>/calls")]
async fn list_of_campaign(
    _caller: ReadScope,
    id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Answer, ApiError> {
    let (filter, limit) = filter(&mut query)?;
    let (id, is_long) = (id.to_owned(), is_long(&filter));
    let page = move |snapshot: &Snapshot| {
        let campaign_id = Some(campaigns::existing(snapshot, &id)?.id);
        page(snapshot, CallFilter { campaign_id, ..filter }, limit, &query)
    };
    if is_long { db.read_long(page).await } else { db.read(page).await }
}

/// Whether what is asked for may be looked for in every call there ever was.
fn is_long(filter: &CallFilter) -> bool {
    let has_time = filter.from.is_some() || filter.to.is_some();
    filter.search.is_some() || filter.outcome.is_some() || has_time
}

#[get("/calls/<id>")]
async fn show(
    _caller: ReadScope,
    id: &str,
    mut query: Query,
    if_none_match: IfNoneMatch,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchCall)?;
    db.read(move |snapshot| {
        let call = snapshot.call(id)?.ok_or(ApiError::NoSuchCall)?;
        let body = serde_json::to_string(&View::of(&call, &snapshot.names_of(&call)?))?;
        let tag = TextTag::of(&body, &body);
        let answer = match if_none_match.has_text(&tag) {
            true => Answer::not_modified(),
            false => Answer::text(Status::Ok, body),
        };
        Ok(answer.with("ETag", tag))
    })
    .await
}

#[post("/calls/<id>/hangup", data = "<data>")]
async fn hang_up(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    repeatable: Repeatable,
    data: Data<'_>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let once = repeatable.once_without_body(caller.0, data).await?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchCall)?;
    let by = caller.0.name.clone();
    db.write(move |tx| {
        once.run(tx, |tx| {
            let call = tx.call(id)?.ok_or(ApiError::NoSuchCall)?;
            if !tx.hang_up_call(id, &by)? {
                let message = "This call has ended already".into();
                return Err(ApiError::Conflict { code: "call_ended", message });
            }
            let body = serde_json::to_string(&View::of(&call, &tx.names_of(&call)?))?;
            Ok(Answer::text(Status::Accepted, body))
        })
    })
    .await
}

fn filter(query: &mut Query) -> Result<(CallFilter, usize), Invalid> {
    let limit = query::page_size(query).unwrap_or(PAGE_SIZE);
    let filter = CallFilter { before: query.take("cursor", query::id), limit: limit + 1, ..wanted(query) };
    query.finish()?;
    Ok((filter, limit))
}

/// Which calls are asked for.
pub(super) fn wanted(query: &mut Query) -> CallFilter {
    CallFilter {
        lead_id: query.take("lead_id", query::id),
        outcome: query.take("outcome", query::word),
        stage: query.take("state", query::word),
        search: query.take("search", query::text),
        from: query.take("from", query::instant(DateOnly::StartOfDay)),
        to: query.take("to", query::instant(DateOnly::EndOfDay)),
        ..CallFilter::default()
    }
}

fn page(snapshot: &Snapshot, filter: CallFilter, limit: usize, query: &Query) -> Result<Answer, ApiError> {
    let filter = snapshot.within_ids(filter)?;
    let (calls, has_more) = query::page(snapshot.calls(&filter)?, limit);
    let names: Vec<CallNames> = calls.iter().map(|call| snapshot.names_of(call)).collect::<Result<_, _>>()?;
    let views: Vec<View> = calls.iter().zip(&names).map(|(call, names)| View::of(call, names)).collect();
    let answer = Answer::ok(&views)?;
    Ok(match calls.last() {
        Some(last) if has_more => answer.with("Link", query.next_link(&last.id.to_string())),
        _ => answer,
    })
}

/// Between answer and end.
pub(super) fn talked_seconds(answered_at: Option<Instant>, ended_at: Instant) -> i64 {
    answered_at.map_or(0, |at| (ended_at - at).num_seconds().max(0))
}

/// A call as it is shown.
#[derive(Serialize)]
pub(super) struct View<'a> {
    id: i64,
    campaign_id: i64,
    campaign_name: &'a str,
    lead_id: i64,
    lead_name: Option<&'a str>,
    attempt: i64,
    max_attempts: i64,
    /// None after the person was erased.
    phone: Option<String>,
    carrier: &'a str,
    state: CallState,
    outcome: Option<Outcome>,
    successful: Option<bool>,
    detail: Option<&'a str>,
    placed_at: String,
    answered_at: Option<String>,
    ended_at: Option<String>,
    /// Between answer and end; none while the call is alive.
    seconds: Option<i64>,
    cost: Money,
    timeline: &'a Value,
    evidence: &'a Value,
}

impl<'a> View<'a> {
    /// All of it.
    pub(super) fn of(call: &'a Call, names: &'a CallNames) -> View<'a> {
        View {
            id: call.id,
            campaign_id: call.campaign_id,
            campaign_name: &names.campaign,
            lead_id: call.lead_id,
            lead_name: names.lead.as_deref(),
            attempt: call.attempt,
            max_attempts: call.max_attempts,
            phone: Some(call.phone).filter(|phone| !phone.is_erased()).map(|phone| phone.to_string()),
            carrier: &call.carrier,
            state: call.state,
            outcome: call.outcome,
            successful: call.successful,
            detail: call.detail.as_deref(),
            placed_at: format_instant(call.placed_at),
            answered_at: call.answered_at.map(format_instant),
            ended_at: call.ended_at.map(format_instant),
            seconds: call.ended_at.map(|ended_at| talked_seconds(call.answered_at, ended_at)),
            cost: call.cost,
            timeline: &call.timeline,
            evidence: &call.evidence,
        }
    }
}
