//! Calls that are no attempt of the dialer: those asked for by hand to try a campaign, and those that somebody makes to us.

use super::Settings;
use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::{Body, BodyHead, JSON_MAX};
use super::calls::{Content, RecordingView, talked_seconds};
use super::campaigns;
use super::error::ApiError;
use super::idempotency::Repeatable;
use super::openapi::{parameters, schemas};
use super::query::{self, PAGE_SIZE, Query};
use crate::domain::call::CallState;
use crate::domain::campaign::Campaign;
use crate::domain::fields::{self, Fields, Words};
use crate::domain::gate::HoldReason;
use crate::domain::invalid::Invalid;
use crate::domain::other_call::{Kind, Objection, OtherCall};
use crate::domain::outcome::Outcome;
use crate::domain::phone::{self, Country, Phone};
use crate::domain::schedule::format_instant;
use crate::domain::script_preview::Values;
use crate::store::pool::Db;
use crate::store::{Kept, NewTrial, OtherCallFilter, Snapshot, Tx};
use rocket::http::Status;
use rocket::{Route, State, get, post, routes};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![
        ask_for_trial,
        list_trials,
        show_trial,
        hang_up_trial,
        list_incoming_of_campaign,
        list_incoming,
        show_incoming,
        hang_up_incoming
    ]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(
    ask_for_trial,
    list_trials,
    show_trial,
    hang_up_trial,
    list_incoming_of_campaign,
    list_incoming,
    show_incoming,
    hang_up_incoming
))]
pub(super) struct Reference;

/// Makes a test call.
///
/// One call to one number, to hear what a lead would hear. It is placed whatever the status, the hours, the limits and the
/// budget of the campaign say, and is in none of its sums. Only what forbids a number and the switch for all dialing stand
/// in its way. It is placed once, within 30 seconds, or ends with the reason.
#[utoipa::path(
    post,
    path = "/voice-campaigns/{id}/test-calls",
    operation_id = "make_test_call",
    params(parameters::CampaignId, parameters::IdempotencyKey),
    request_body = schemas::TestCallRequest,
    responses((status = 201, body = WholeView, description = "The call, before it is placed.", headers(("Location" = String))),
        (
            status = 409,
            description = "- `test_call_alive`: The test call 3 of this campaign has not ended; one is made at a time
- `dialing_stopped`: All dialing of this server was stopped by hand; start it again to go on
- `clock_jumped`: The clock of the server jumped; dialing goes on once it can be trusted
- `do_not_call`: The number is on the do-not-call list
- `number_refused`: Premium, satellite, emergency and service numbers are never dialed
- `country_not_allowed`: Numbers of this country may not be dialed; add it to guard.allowed_countries if they should be
- `number_in_call`: Another campaign is calling the same number at this moment
- `missing_variable`: The script needs a value that the lead does not have; give it one, or write a fallback into the script: plan
- `script_too_long`: With the lead's values the script is too long to be said; shorten them, or use them less often"
        ))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[post("/voice-campaigns/<id>/test-calls", data = "<body>")]
async fn ask_for_trial(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let body = head.json(body, JSON_MAX).await?;
    let once = repeatable.once(caller.0, body.hash)?;
    let asked = Asked::read(body.value().await?, settings.default_country)?;
    if let Some(answer) = once.first_answer(db).await? {
        return Ok(answer);
    }
    if let Some(hold) = db.read(|snapshot| Ok::<_, ApiError>(snapshot.clock_hold())).await? {
        return Err(refused(hold.reason, hold.reason.sentence().into()));
    }
    let (id, by, carrier) = (id.to_owned(), caller.0.name.clone(), settings.line.carrier().driver);
    db.write(move |tx| {
        once.run(tx, |tx| {
            let campaign = campaigns::existing(tx, &id)?;
            let call_id = asked.ask(tx, &campaign, carrier, by)?;
            let call = tx.other_call(call_id)?.ok_or(ApiError::NoSuchCall)?;
            let location = format!("/api/voice-campaigns/{}/test-calls/{call_id}", campaign.id);
            Answer::created(location, &WholeView::of(tx, &call)?)
        })
    })
    .await
}

/// Lists the test calls of a campaign.
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/test-calls",
    operation_id = "list_test_calls",
    params(parameters::CampaignId, parameters::OfLead, parameters::PagingById),
    responses((status = 200, body = [View], description = "A page of test calls."))
)]
#[get("/voice-campaigns/<id>/test-calls")]
async fn list_trials(_caller: ReadScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    let (filter, limit) = filter(&mut query, Kind::Test)?;
    of_campaign(db, id, filter, limit, query).await
}

/// Shows a test call.
///
/// With what happened when, and what was said.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/test-calls/{call_id}",
    operation_id = "show_test_call",
    params(parameters::CampaignId, parameters::OtherCallId),
    responses((status = 200, body = WholeView, description = "The call."))
)]
#[get("/voice-campaigns/<id>/test-calls/<call_id>")]
async fn show_trial(
    _caller: ReadScope,
    id: &str,
    call_id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let (id, call_id) = (id.to_owned(), call_id.to_owned());
    db.read(move |snapshot| Answer::ok(&WholeView::of(snapshot, &trial(snapshot, &id, &call_id)?)?)).await
}

/// Ends a test call.
#[utoipa::path(
    post,
    path = "/voice-campaigns/{id}/test-calls/{call_id}/hangup",
    operation_id = "hang_up_test_call",
    params(parameters::CampaignId, parameters::OtherCallId, parameters::IdempotencyKey),
    responses((status = 202, body = WholeView, description = "The call as it was when it was to be ended."),
        (status = 409, description = "- `call_ended`: This call has ended already"))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[post("/voice-campaigns/<id>/test-calls/<call_id>/hangup", data = "<body>")]
async fn hang_up_trial(
    caller: WriteScope<'_>,
    id: &str,
    call_id: &str,
    mut query: Query,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let once = repeatable.once_without_body(caller.0, body).await?;
    let (id, call_id, by) = (id.to_owned(), call_id.to_owned(), caller.0.name.clone());
    db.write_on_a_full_disk(move |tx| once.run(tx, |tx| hung_up(tx, &trial(tx, &id, &call_id)?, &by))).await
}

/// Lists the calls that came in for a campaign.
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/inbound-calls",
    operation_id = "list_inbound_calls_of_campaign",
    params(parameters::CampaignId, parameters::OfLead, parameters::PagingById),
    responses((status = 200, body = [View], description = "A page of calls."))
)]
#[get("/voice-campaigns/<id>/inbound-calls")]
async fn list_incoming_of_campaign(
    _caller: ReadScope,
    id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Answer, ApiError> {
    let (filter, limit) = filter(&mut query, Kind::Inbound)?;
    of_campaign(db, id, filter, limit, query).await
}

/// Lists the calls that came in.
///
/// Newest first. With `lead_id`, those of a person who was known by their number, whichever campaign they called.
#[utoipa::path(
    get,
    path = "/inbound-calls",
    operation_id = "list_inbound_calls",
    params(parameters::OfCampaign, parameters::OfLead, parameters::PagingById),
    responses((status = 200, body = [View], description = "A page of calls."))
)]
#[get("/inbound-calls")]
async fn list_incoming(_caller: ReadScope, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    let campaign_id = query.take("campaign_id", query::id);
    let (filter, limit) = filter(&mut query, Kind::Inbound)?;
    let filter = OtherCallFilter { campaign_id, ..filter };
    db.read(move |snapshot| page(snapshot, &filter, limit, &query)).await
}

/// Shows a call that came in.
///
/// With what happened when, and what was said.
#[utoipa::path(
    get,
    path = "/inbound-calls/{id}",
    operation_id = "show_inbound_call",
    params(parameters::CallId),
    responses((status = 200, body = WholeView, description = "The call."))
)]
#[get("/inbound-calls/<id>")]
async fn show_incoming(_caller: ReadScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = id.to_owned();
    db.read(move |snapshot| Answer::ok(&WholeView::of(snapshot, &incoming(snapshot, &id)?)?)).await
}

/// Ends a call that came in.
#[utoipa::path(
    post,
    path = "/inbound-calls/{id}/hangup",
    operation_id = "hang_up_inbound_call",
    params(parameters::CallId, parameters::IdempotencyKey),
    responses((status = 202, body = WholeView, description = "The call as it was when it was to be ended."),
        (status = 409, description = "- `call_ended`: This call has ended already"))
)]
#[post("/inbound-calls/<id>/hangup", data = "<body>")]
async fn hang_up_incoming(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let once = repeatable.once_without_body(caller.0, body).await?;
    let (id, by) = (id.to_owned(), caller.0.name.clone());
    db.write_on_a_full_disk(move |tx| once.run(tx, |tx| hung_up(tx, &incoming(tx, &id)?, &by))).await
}

/// A test call that is asked for.
struct Asked {
    phone: Phone,
    lead_id: Option<i64>,
    variables: Value,
    values: Values,
}

impl Asked {
    fn read(body: Value, country: Option<Country>) -> Result<Asked, Invalid> {
        let mut f = Fields::of(body)?;
        let phone = f.required("phone", None, |value| {
            phone::parse(fields::string(value)?, country).map_err(|problem| problem.to_string())
        });
        let lead_id =
            f.optional("lead_id", None, None, |value| fields::integer(1, i64::MAX)(value).map(Some));
        let sent = f.optional("variables", None, None, |value| {
            Values::read(value).map(|values| Some((values, value.clone())))
        });
        let (values, variables) =
            sent.unwrap_or_else(|| (Values::default(), Value::Object(Default::default())));
        f.finish(phone.map(|phone| Asked { phone, lead_id, variables, values }))
    }

    /// Writes the call down, if nothing stands in its way; its id.
    fn ask(self, tx: &Tx, campaign: &Campaign, carrier: &'static str, by: String) -> Result<i64, ApiError> {
        let Asked { phone, lead_id, variables, values } = self;
        let trial = NewTrial { campaign_id: campaign.id, lead_id, phone, carrier, variables, by };
        tx.try_campaign(campaign, &trial, &values)?.map_err(|objection| {
            let message = objection.sentence();
            match objection {
                Objection::NoSuchLead(id) => {
                    Invalid::one("lead_id", format!("the campaign has no lead {id}")).into()
                }
                Objection::Alive(_) => ApiError::Conflict { code: "test_call_alive", message },
                Objection::Held(hold) => refused(hold.reason, message),
            }
        })
    }
}

fn refused(reason: HoldReason, message: String) -> ApiError {
    ApiError::Conflict { code: reason.word(), message }
}

fn hung_up(tx: &Tx, call: &OtherCall, by: &str) -> Result<Answer, ApiError> {
    if !tx.hang_up_other_call(call.id, by)? {
        let message = "This call has ended already".into();
        return Err(ApiError::Conflict { code: "call_ended", message });
    }
    Ok(Answer::text(Status::Accepted, serde_json::to_string(&WholeView::of(tx, call)?)?))
}

/// The test call that a path names.
pub(super) fn trial(snapshot: &Snapshot, id: &str, call_id: &str) -> Result<OtherCall, ApiError> {
    let campaign = campaigns::existing(snapshot, id)?;
    let call_id = query::path_id(call_id).ok_or(ApiError::NoSuchCall)?;
    let found = snapshot.other_call(call_id)?;
    let is_it = |call: &OtherCall| call.kind == Kind::Test && call.campaign_id == campaign.id;
    found.filter(is_it).ok_or(ApiError::NoSuchCall)
}

/// The call that came in that a path names.
pub(super) fn incoming(snapshot: &Snapshot, id: &str) -> Result<OtherCall, ApiError> {
    let id = query::path_id(id).ok_or(ApiError::NoSuchCall)?;
    snapshot.other_call(id)?.filter(|call| call.kind == Kind::Inbound).ok_or(ApiError::NoSuchCall)
}

fn filter(query: &mut Query, kind: Kind) -> Result<(OtherCallFilter, usize), Invalid> {
    let limit = query::page_size(query).unwrap_or(PAGE_SIZE);
    let filter = OtherCallFilter {
        campaign_id: None,
        lead_id: query.take("lead_id", query::id),
        kind: Some(kind),
        before: query.take("cursor", query::id),
        limit: limit + 1,
    };
    query.finish()?;
    Ok((filter, limit))
}

async fn of_campaign(
    db: &Db,
    id: &str,
    filter: OtherCallFilter,
    limit: usize,
    query: Query,
) -> Result<Answer, ApiError> {
    let id = id.to_owned();
    db.read(move |snapshot| {
        let campaign_id = Some(campaigns::existing(snapshot, &id)?.id);
        page(snapshot, &OtherCallFilter { campaign_id, ..filter }, limit, &query)
    })
    .await
}

fn page(
    snapshot: &Snapshot,
    filter: &OtherCallFilter,
    limit: usize,
    query: &Query,
) -> Result<Answer, ApiError> {
    let (calls, has_more) = query::page(snapshot.other_calls(filter)?, limit);
    let kept = calls.iter().map(|call| snapshot.recording(call.key()));
    let kept: Vec<_> = kept.collect::<Result<_, _>>()?;
    let views = calls.iter().zip(&kept).map(|(call, kept)| View::of(call, kept.as_ref()));
    let answer = Answer::ok(&views.collect::<Vec<_>>())?;
    Ok(query.linked(answer, &calls, has_more, |last| last.id.to_string()))
}

/// A call that is no attempt of the dialer.
#[derive(Serialize, ToSchema)]
#[schema(as = OtherCall)]
struct View<'a> {
    /// Never reused; counted apart from the dialer's calls.
    #[schema(minimum = 1)]
    id: i64,
    /// How it came about.
    kind: Kind,
    /// Its campaign.
    #[schema(minimum = 1)]
    campaign_id: i64,
    /// The lead whose values were said, or who called.
    #[schema(minimum = 1)]
    lead_id: Option<i64>,
    /// Who is called, or who called; null where that is withheld, and after the person was erased.
    phone: Option<String>,
    /// Who carries it.
    carrier: &'a str,
    /// Whether the simulator carries it, so that nobody's phone rings.
    is_simulated: bool,
    /// How far it has come.
    state: CallState,
    /// How it ended; null while it is alive.
    outcome: Option<Outcome>,
    /// What exactly, where the outcome does not say it.
    detail: Option<&'a str>,
    /// When it was asked for, or came in.
    #[schema(format = DateTime)]
    asked_at: String,
    /// When it was given to the carrier, or came in; null while it waits for a line, and if it got none.
    #[schema(format = DateTime)]
    placed_at: Option<String>,
    /// When it was picked up.
    #[schema(format = DateTime)]
    answered_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// Between answer and end; null while it is alive.
    #[schema(minimum = 0)]
    seconds: Option<i64>,
    /// What happened when.
    #[schema(value_type = Vec<schemas::TimelineEntry>)]
    timeline: &'a Value,
    /// Whose token asked for it; null for a call that came in.
    placed_by: Option<&'a str>,
    /// Its recording; null while it is alive, and where there is none.
    recording: Option<RecordingView>,
}

/// Such a call with what was said on it.
#[derive(Serialize, ToSchema)]
#[schema(as = OtherCallDetails)]
pub(super) struct WholeView<'a> {
    #[serde(flatten)]
    call: View<'a>,
    #[serde(flatten)]
    content: Content,
}

impl<'a> WholeView<'a> {
    /// All that is known of it.
    pub(super) fn of(snapshot: &Snapshot, call: &'a OtherCall) -> Result<WholeView<'a>, ApiError> {
        let kept = snapshot.recording(call.key())?;
        let content = Content::of(snapshot, call.key(), kept.as_ref())?;
        Ok(WholeView { call: View::of(call, kept.as_ref()), content })
    }
}

impl<'a> View<'a> {
    fn of(call: &'a OtherCall, kept: Option<&Kept>) -> View<'a> {
        let url = match call.kind {
            Kind::Test => {
                format!("/api/voice-campaigns/{}/test-calls/{}/recording", call.campaign_id, call.id)
            }
            Kind::Inbound => format!("/api/inbound-calls/{}/recording", call.id),
        };
        View {
            id: call.id,
            kind: call.kind,
            campaign_id: call.campaign_id,
            lead_id: call.lead_id,
            phone: call.phone.map(|phone| phone.to_string()),
            carrier: &call.carrier,
            is_simulated: call.carrier == "simulator",
            state: call.state,
            outcome: call.outcome,
            detail: call.detail.as_deref(),
            asked_at: format_instant(call.asked_at),
            placed_at: call.placed_at.map(format_instant),
            answered_at: call.answered_at.map(format_instant),
            ended_at: call.ended_at.map(format_instant),
            seconds: call.ended_at.map(|ended_at| talked_seconds(call.answered_at, ended_at)),
            timeline: &call.timeline,
            placed_by: call.placed_by.as_deref(),
            recording: RecordingView::of(url, kept),
        }
    }
}
