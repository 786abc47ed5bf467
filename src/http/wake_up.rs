//! After a long time away, or on a copy of the data: whom the server would call now, and the word that lets it go on.

use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::{Body, BodyHead};
use super::error::ApiError;
use super::idempotency::Repeatable;
use super::openapi::{parameters, schemas};
use super::query::Query;
use crate::domain::campaign::CampaignType;
use crate::domain::gate::Gate;
use crate::domain::guard::Overall;
use crate::domain::schedule::format_instant;
use crate::domain::wake_up::{self, AHEAD, Cause, NextHour};
use crate::store::pool::Db;
use crate::store::{Snapshot, StoreError, WakeUp};
use rocket::{Route, get, post, routes};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show, release]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(show, release))]
pub(super) struct Reference;

/// Says whether the server has just woken up, and whom it would call.
///
/// After downtime longer than `guard.wake_up_hours`, after the clock was put forward by more than that, or on data that were
/// restored or copied, active campaigns hold with `woke_up` until somebody releases them. The campaigns are shown with what they
/// would dial within the next hour, also while nothing is held.
#[utoipa::path(
    get,
    path = "/wake-up",
    operation_id = "show_wake_up",
    responses((status = 200, body = View, description = "Whether it waits, and what it would dial."))
)]
#[get("/wake-up")]
async fn show(_caller: ReadScope, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    db.read_long(view).await
}

/// Lets a server that has woken up go on.
///
/// The emergency stop, where it is on, stays on.
#[utoipa::path(
    post,
    path = "/wake-up/release",
    operation_id = "release_wake_up",
    params(parameters::IdempotencyKey),
    request_body = Option<schemas::Nothing>,
    responses((status = 200, body = View, description = "It goes on."))
)]
#[post("/wake-up/release", data = "<body>")]
async fn release(
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
    tracing::warn!(by = caller.0.name, "dialing goes on after a wake-up");
    db.write(move |tx| {
        once.run(tx, |tx| {
            tx.release_wake_up()?;
            view(tx)
        })
    })
    .await
}

fn view(snapshot: &Snapshot) -> Result<Answer, ApiError> {
    Answer::ok(&View::now(snapshot)?)
}

/// Whether the server has just woken up, and whom it would call.
#[derive(Serialize, ToSchema)]
#[schema(as = WakeUp)]
struct View {
    /// Whether nobody is called before somebody has looked.
    held: bool,
    /// Since when.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Why.
    cause: Option<Cause>,
    /// The reason for a person.
    message: Option<&'static str>,
    /// The last sign of life before; of a backup, before it was made.
    #[schema(format = DateTime)]
    last_seen_at: Option<String>,
    /// Which instance this is; one that was restored or copied has a new one.
    instance_id: String,
    /// Hours that it may be away and still go on by itself; null for however long.
    wake_up_hours: Option<i64>,
    /// The end of the hour that is looked at.
    #[schema(format = DateTime)]
    next_hour_until: String,
    /// Leads that would be dialed by then, at most.
    #[schema(minimum = 0)]
    leads_next_hour: i64,
    /// Every active campaign, most leads first.
    campaigns: Vec<Row>,
}

/// What a campaign would dial.
#[derive(Serialize, ToSchema)]
#[schema(as = WakeUpCampaign)]
struct Row {
    /// Its id.
    #[schema(minimum = 1)]
    id: i64,
    /// What it is called.
    name: String,
    /// What it would do within the next hour, were it released now.
    #[schema(value_type = schemas::NextHour)]
    next_hour: NextHour,
}

impl View {
    /// As it is at this moment.
    fn now(snapshot: &Snapshot) -> Result<View, StoreError> {
        let (woke, guard) = (snapshot.wake_up()?, snapshot.guard());
        let released = Overall { is_waking_up: false, ..snapshot.overall()? };
        let mut campaigns = Vec::new();
        for campaign in snapshot.active_campaigns()? {
            if campaign.settings.campaign_type == CampaignType::Inbound {
                continue;
            }
            let gate = Gate::new(&campaign, snapshot.dials_today(&campaign)?, released, snapshot.now);
            let next_hour = wake_up::next_hour(&gate, &snapshot.due_soon(campaign.id)?);
            campaigns.push(Row { id: campaign.id, name: campaign.settings.name.clone(), next_hour });
        }
        campaigns.sort_by_key(|row| (-row.next_hour.leads, row.id));
        Ok(View {
            held: woke.is_some(),
            since: woke.as_ref().map(WakeUp::since).map(format_instant),
            cause: woke.as_ref().map(WakeUp::cause),
            message: woke.as_ref().map(|woke| woke.cause().sentence()),
            last_seen_at: woke.as_ref().and_then(WakeUp::seen_at).map(format_instant),
            instance_id: snapshot.instance_id()?,
            wake_up_hours: guard.away_max.map(|longest| longest.num_hours()),
            next_hour_until: format_instant(snapshot.now + AHEAD),
            leads_next_hour: campaigns.iter().map(|row| row.next_hour.leads).sum(),
            campaigns,
        })
    }
}
