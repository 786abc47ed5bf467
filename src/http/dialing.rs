//! The switch that stops every dial of this server at once, and the limits that no campaign may pass.

use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::{Body, BodyHead};
use super::error::ApiError;
use super::idempotency::Repeatable;
use super::openapi::{parameters, schemas};
use super::query::Query;
use crate::domain::fields::{self, Fields};
use crate::domain::guard;
use crate::domain::invalid::Invalid;
use crate::domain::money::Money;
use crate::domain::schedule::format_instant;
use crate::store::pool::Db;
use crate::store::{Snapshot, Stop, StoreError};
use rocket::{Route, get, post, routes};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show, stop, start]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(show, stop, start))]
pub(super) struct Reference;

const REASON_MAX: usize = 500;

/// Says whether the server dials.
///
/// Who stopped it, the limits in force over all campaigns, and money and calls of today.
#[utoipa::path(
    get,
    path = "/dialing",
    operation_id = "show_dialing",
    responses((status = 200, body = View, description = "Whether it dials, and within which limits."))
)]
#[get("/dialing")]
async fn show(_caller: ReadScope, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    db.read(view).await
}

/// Stops every dial of all campaigns.
///
/// It stays so until somebody starts it again, whatever restarts there are. With `hang_up` calls that are
/// alive end too.
#[utoipa::path(
    post,
    path = "/dialing/stop",
    operation_id = "stop_dialing",
    params(parameters::IdempotencyKey),
    request_body = Option<schemas::StopRequest>,
    responses((status = 200, body = View, description = "It is stopped."))
)]
#[post("/dialing/stop", data = "<body>")]
async fn stop(
    caller: WriteScope<'_>,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    let body = head.json_if_any(&mut query, body).await?;
    let once = repeatable.once(caller.0, body.hash)?;
    let Wish { reason, hang_up } = Wish::read(body.value().await?)?;
    let by = caller.0.name.clone();
    tracing::warn!(by, "all dialing is stopped");
    db.write_and_wait_for_dials(move |tx| {
        once.run(tx, |tx| {
            tx.stop_dialing(&by, reason.as_deref())?;
            if hang_up {
                tx.hang_up()?;
            }
            view(tx)
        })
    })
    .await
}

/// Lets dialing go on.
#[utoipa::path(
    post,
    path = "/dialing/start",
    operation_id = "start_dialing",
    params(parameters::IdempotencyKey),
    request_body = Option<schemas::Nothing>,
    responses((status = 200, body = View, description = "It goes on."))
)]
#[post("/dialing/start", data = "<body>")]
async fn start(
    caller: WriteScope<'_>,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    db: &Db,
) -> Result<Answer, ApiError> {
    let body = head.json_if_any(&mut query, body).await?;
    let once = repeatable.once(caller.0, body.hash)?;
    body.says_nothing().await?;
    tracing::warn!(by = caller.0.name, "dialing is started again");
    db.write(move |tx| {
        once.run(tx, |tx| {
            tx.start_dialing()?;
            view(tx)
        })
    })
    .await
}

/// How to stop.
struct Wish {
    reason: Option<String>,
    /// The calls that are alive end as well.
    hang_up: bool,
}

impl Wish {
    fn read(value: Value) -> Result<Wish, Invalid> {
        let mut fields = Fields::of(value)?;
        let reason = fields.optional("reason", None, None, fields::optional_text(REASON_MAX));
        let hang_up = fields.optional("hang_up", false, false, |value| {
            value.as_bool().ok_or_else(|| format!("must be true or false, not {}", fields::kind(value)))
        });
        fields.finish(Some(Wish { reason, hang_up }))
    }
}

fn view(snapshot: &Snapshot) -> Result<Answer, ApiError> {
    Answer::ok(&View::now(snapshot)?)
}

impl View {
    /// As it is at this moment.
    pub(super) fn now(snapshot: &Snapshot) -> Result<View, StoreError> {
        let (stop, guard) = (snapshot.stop()?, snapshot.guard());
        let (spent, reserved) = snapshot.spent_on(guard::day(snapshot.now))?;
        Ok(View {
            stopped: stop.is_some(),
            since: stop.as_ref().map(Stop::since).map(format_instant),
            by: stop.as_ref().map(|stop| stop.by.clone()),
            reason: stop.and_then(|stop| stop.reason),
            woke_up: snapshot.wake_up()?.is_some(),
            live_calls: snapshot.live_calls()?,
            spent_today: spent,
            reserved_today: reserved,
            limits: Limits {
                calls_per_number_per_day: guard.calls_per_number_per_day,
                allowed_countries: guard.countries.words(),
                spend_per_day: guard.spend_per_day,
            },
        })
    }
}

/// Whether the server dials, and within which limits.
#[derive(Serialize, ToSchema)]
#[schema(as = DialingSwitch)]
pub(super) struct View {
    /// Whether somebody stopped all dialing.
    stopped: bool,
    /// Since when.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Who.
    by: Option<String>,
    /// Why.
    reason: Option<String>,
    /// Whether nobody is called because the server has woken up and nobody has looked; see `GET /api/wake-up`.
    woke_up: bool,
    /// Calls alive now.
    #[schema(minimum = 0)]
    live_calls: i64,
    /// What all campaigns together spent on this day (UTC).
    spent_today: Money,
    /// What is set aside for the calls alive now.
    reserved_today: Money,
    /// Limits over all campaigns.
    limits: Limits,
}

/// Limits over all campaigns.
#[derive(Serialize, ToSchema)]
#[schema(as = DialingLimits)]
struct Limits {
    /// Calls to one number in any 24 hours.
    calls_per_number_per_day: u32,
    /// Countries whose numbers may be dialed; `*` for every country.
    allowed_countries: Vec<String>,
    /// What may be spent in a day (UTC); null for no limit.
    spend_per_day: Option<Money>,
}
