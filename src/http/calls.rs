//! Calls: every dial there was, with what happened when and what was in force.

use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::Body;
use super::campaigns;
use super::error::ApiError;
use super::etag::{IfNoneMatch, TextTag};
use super::idempotency::Repeatable;
use super::openapi::{parameters, schemas};
use super::query::{self, PAGE_SIZE, Query};
use crate::domain::Instant;
use crate::domain::call::{Call, CallState};
use crate::domain::invalid::Invalid;
use crate::domain::money::Money;
use crate::domain::outcome::Outcome;
use crate::domain::recording::Gone;
use crate::domain::schedule::{DateOnly, format_instant};
use crate::store::pool::Db;
use crate::store::{CallFilter, CallNames, Kept, Snapshot, StoreError};
use rocket::http::Status;
use rocket::{Route, get, post, routes};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![list, list_of_campaign, show, hang_up]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(list, list_of_campaign, show, hang_up))]
pub(super) struct Reference;

/// Lists the calls of all campaigns.
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/calls",
    operation_id = "list_calls",
    params(parameters::OfCampaign, parameters::CallFilter, parameters::PagingById),
    responses((status = 200, body = [View], description = "A page of calls."))
)]
#[get("/calls")]
async fn list(_caller: ReadScope, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    let campaign_id = query.take("campaign_id", query::id);
    let (filter, limit) = filter(&mut query)?;
    let filter = CallFilter { campaign_id, ..filter };
    let is_long = is_long(&filter);
    let page = move |snapshot: &Snapshot| page(snapshot, filter, limit, &query);
    if is_long { db.read_long(page).await } else { db.read(page).await }
}

/// Lists the calls of a campaign.
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/calls",
    operation_id = "list_calls_of_campaign",
    params(parameters::CampaignId, parameters::CallFilter, parameters::PagingById),
    responses((status = 200, body = [View], description = "A page of calls."))
)]
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

/// Shows a call.
///
/// With what happened when, what was said, and what was in force when it was placed.
#[utoipa::path(
    get,
    path = "/calls/{id}",
    operation_id = "show_call",
    params(parameters::CallId, parameters::IfNoneMatch),
    responses((status = 200, body = WholeView, description = "The call."))
)]
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
        let body = whole(snapshot, &call)?;
        let tag = TextTag::of(&body, &body);
        Ok(if_none_match.answer(body, tag))
    })
    .await
}

/// Ends a call that is alive.
///
/// Its outcome will be `canceled`, with who did it in `detail`.
#[utoipa::path(
    post,
    path = "/calls/{id}/hangup",
    operation_id = "hang_up",
    params(parameters::CallId, parameters::IdempotencyKey),
    responses((status = 202, body = WholeView, description = "The call as it was when it was to be ended."),
        (status = 409, description = "- `call_ended`: This call has ended already"))
)]
#[post("/calls/<id>/hangup", data = "<body>")]
async fn hang_up(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let once = repeatable.once_without_body(caller.0, body).await?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchCall)?;
    let by = caller.0.name.clone();
    db.write_on_a_full_disk(move |tx| {
        once.run(tx, |tx| {
            let call = tx.call(id)?.ok_or(ApiError::NoSuchCall)?;
            if !tx.hang_up_call(id, &by)? {
                let message = "This call has ended already".into();
                return Err(ApiError::Conflict { code: "call_ended", message });
            }
            Ok(Answer::text(Status::Accepted, whole(tx, &call)?))
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
    let recordings = calls.iter().map(|call| recording_of(snapshot, call));
    let recordings: Vec<_> = recordings.collect::<Result<_, _>>()?;
    let views = calls.iter().zip(&names).zip(recordings);
    let views: Vec<View> = views.map(|((call, names), recording)| View::of(call, names, recording)).collect();
    let answer = Answer::ok(&views)?;
    Ok(query.linked(answer, &calls, has_more, |last| last.id.to_string()))
}

/// What there is of a call's recording.
pub(super) fn recording_of(snapshot: &Snapshot, call: &Call) -> Result<Option<RecordingView>, StoreError> {
    Ok(RecordingView::of(recording_url(call), snapshot.recording(call.id)?.as_ref()))
}

fn recording_url(call: &Call) -> String {
    format!("/api/calls/{}/recording", call.id)
}

/// A call with all there is about it.
fn whole(snapshot: &Snapshot, call: &Call) -> Result<String, ApiError> {
    Ok(serde_json::to_string(&WholeView::of(snapshot, call, &snapshot.names_of(call)?)?)?)
}

/// Between answer and end.
pub(super) fn talked_seconds(answered_at: Option<Instant>, ended_at: Instant) -> i64 {
    answered_at.map_or(0, |at| (ended_at - at).num_seconds().max(0))
}

/// A call: one dial of one lead.
#[derive(Serialize, ToSchema)]
#[schema(as = Call)]
pub(super) struct View<'a> {
    /// Never reused.
    #[schema(minimum = 1)]
    id: i64,
    /// Its campaign.
    #[schema(minimum = 1)]
    campaign_id: i64,
    /// Name of its campaign.
    campaign_name: &'a str,
    /// Its lead.
    #[schema(minimum = 1)]
    lead_id: i64,
    /// First and last name of its lead.
    lead_name: Option<&'a str>,
    /// The how-manieth dial of the lead.
    #[schema(minimum = 1)]
    attempt: i64,
    /// Dials of the lead at most.
    #[schema(minimum = 1)]
    max_attempts: i64,
    /// The number dialed; null after the person was erased.
    phone: Option<String>,
    /// Who placed it.
    carrier: &'a str,
    /// How far it has come.
    state: CallState,
    /// How it ended; null while it is alive.
    outcome: Option<Outcome>,
    /// Whether it met the success criteria; null unless somebody, or a machine, picked up and it has ended.
    successful: Option<bool>,
    /// What exactly, where the outcome does not say it.
    detail: Option<&'a str>,
    /// When it was given to the carrier.
    #[schema(format = DateTime)]
    placed_at: String,
    /// When it was picked up.
    #[schema(format = DateTime)]
    answered_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// Between answer and end; null while it is alive.
    #[schema(minimum = 0)]
    seconds: Option<i64>,
    /// What it cost.
    cost: Money,
    /// What happened when.
    #[schema(value_type = Vec<schemas::TimelineEntry>)]
    timeline: &'a Value,
    /// What was in force when it was placed: local times, hours, limits, money.
    #[schema(value_type = Object)]
    evidence: &'a Value,
    /// Its recording; null while it is alive, and where there is none.
    recording: Option<RecordingView>,
}

/// The recording of a call.
#[derive(Serialize, ToSchema)]
#[schema(as = Recording)]
pub(super) struct RecordingView {
    /// How long it is.
    #[schema(minimum = 0)]
    seconds: f64,
    /// How large the file is.
    #[schema(minimum = 0)]
    bytes: i64,
    /// Where it is found.
    url: String,
}

impl RecordingView {
    /// One that is found there, if it can be listened to.
    pub(super) fn of(url: String, kept: Option<&Kept>) -> Option<RecordingView> {
        let Some(Kept::Here(recording)) = kept else { return None };
        let seconds = recording.ms as f64 / 1_000.0;
        Some(RecordingView { seconds, bytes: recording.bytes, url })
    }
}

/// A call with what was said on it.
#[derive(Serialize, ToSchema)]
#[schema(as = CallDetails)]
pub(super) struct WholeView<'a> {
    #[serde(flatten)]
    call: View<'a>,
    #[serde(flatten)]
    content: Content,
}

impl<'a> WholeView<'a> {
    /// All that is known of it.
    pub(super) fn of(
        snapshot: &Snapshot,
        call: &'a Call,
        names: &'a CallNames,
    ) -> Result<WholeView<'a>, ApiError> {
        let kept = snapshot.recording(call.id)?;
        let recording = RecordingView::of(recording_url(call), kept.as_ref());
        let content = Content::of(snapshot, call.id, kept.as_ref())?;
        Ok(WholeView { call: View::of(call, names, recording), content })
    }
}

/// What can be heard and read of a call.
#[derive(Serialize, ToSchema)]
#[schema(as = CallContent)]
pub(super) struct Content {
    /// How loud the recording is over its time; null where there is none.
    peaks: Option<PeaksView>,
    /// Why its recording is gone, where there was one.
    recording_gone: Option<Gone>,
    /// What was said and pressed.
    #[schema(value_type = Vec<schemas::TranscriptLine>)]
    transcript: Value,
    /// When the person was promised another call.
    #[schema(format = DateTime)]
    call_back_at: Option<String>,
    /// What an agent made of the call; null where none talked.
    #[schema(value_type = Option<schemas::CallConversation>)]
    conversation: Option<Value>,
}

impl Content {
    /// Of the call that the store knows by this key.
    pub(super) fn of(snapshot: &Snapshot, key: i64, kept: Option<&Kept>) -> Result<Content, StoreError> {
        let (peaks, recording_gone) = match kept {
            Some(Kept::Here(recording)) => (Some(PeaksView::of(&recording.peaks)), None),
            Some(Kept::Gone(why)) => (None, Some(*why)),
            None => (None, None),
        };
        Ok(Content {
            peaks,
            recording_gone,
            transcript: snapshot.transcript(key)?,
            call_back_at: snapshot.call_back_promised(key)?.map(format_instant),
            conversation: snapshot.conversation(key)?,
        })
    }
}

/// How loud each side is over the time of a recording, in steps of the same length, from 0 to 255.
#[derive(Serialize, ToSchema)]
#[schema(as = Peaks)]
struct PeaksView {
    /// Us.
    agent: Vec<u8>,
    /// Whoever picked up.
    person: Vec<u8>,
}

impl PeaksView {
    fn of(pairs: &[u8]) -> PeaksView {
        let side = |nth: usize| pairs.iter().copied().skip(nth).step_by(2).collect();
        PeaksView { agent: side(0), person: side(1) }
    }
}

impl<'a> View<'a> {
    /// All of it.
    pub(super) fn of(call: &'a Call, names: &'a CallNames, recording: Option<RecordingView>) -> View<'a> {
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
            recording,
        }
    }
}
