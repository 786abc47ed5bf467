//! The switch that stops every dial of this server at once, and the limits that no campaign may pass.

use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::{self, BodyHead, JSON_MAX, Json};
use super::error::ApiError;
use super::idempotency::Repeatable;
use super::query::Query;
use crate::domain::fields::{self, Fields};
use crate::domain::guard;
use crate::domain::invalid::Invalid;
use crate::domain::money::Money;
use crate::domain::schedule::format_instant;
use crate::store::pool::Db;
use crate::store::{Snapshot, Stop, StoreError};
use rocket::{Data, Route, get, post, routes};
use serde::Serialize;
use serde_json::Value;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show, stop, start]
}

const REASON_MAX: usize = 500;

#[get("/dialing")]
async fn show(_caller: ReadScope, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    db.read(view).await
}

#[post("/dialing/stop", data = "<data>")]
async fn stop(
    caller: WriteScope<'_>,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    data: Data<'_>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let body = body(&mut query, &head, data).await?;
    let once = repeatable.once(caller.0, body.as_ref().map_or([0; 32], |body| body.hash))?;
    let Wish { reason, hang_up } = match body {
        Some(body) => Wish::read(body.value().await?)?,
        None => Wish::default(),
    };
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

#[post("/dialing/start", data = "<data>")]
async fn start(
    caller: WriteScope<'_>,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    data: Data<'_>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let body = body(&mut query, &head, data).await?;
    let once = repeatable.once(caller.0, body.as_ref().map_or([0; 32], |body| body.hash))?;
    if let Some(body) = body {
        Fields::of(body.value().await?)?.finish(Some(()))?;
    }
    tracing::warn!(by = caller.0.name, "dialing is started again");
    db.write(move |tx| {
        once.run(tx, |tx| {
            tx.start_dialing()?;
            view(tx)
        })
    })
    .await
}

/// The body, which may be missing, of a request without parameters.
async fn body(query: &mut Query, head: &BodyHead, data: Data<'_>) -> Result<Option<Json>, ApiError> {
    if let Err(invalid) = query.finish() {
        body::discard(data).await;
        return Err(invalid.into());
    }
    head.json_if_any(data, JSON_MAX).await
}

/// How to stop.
#[derive(Default)]
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
#[derive(Serialize)]
pub(super) struct View {
    stopped: bool,
    since: Option<String>,
    by: Option<String>,
    reason: Option<String>,
    live_calls: i64,
    spent_today: Money,
    reserved_today: Money,
    limits: Limits,
}

#[derive(Serialize)]
struct Limits {
    calls_per_number_per_day: u32,
    allowed_countries: Vec<String>,
    spend_per_day: Option<Money>,
}
