//! Who places the calls, how many it takes at a time, and whether it works.

use super::Settings;
use super::answer::Answer;
use super::auth::ReadScope;
use super::error::ApiError;
use super::query::Query;
use crate::domain::outcome::Outcome;
use crate::store::pool::Db;
use rocket::{Route, State, get, routes};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(show))]
pub(super) struct Reference;

/// A way to a carrier, as it is at this moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Trunk {
    /// What it is called.
    pub name: String,
    /// The carrier: a name or an address, and a port where it is not the usual one.
    pub host: String,
    /// `up`, or `down` while nothing is dialed over it.
    pub status: &'static str,
    /// Why it is down.
    pub problem: Option<String>,
    /// What is to be known of its calls although it takes some: that keys may not be heard on them.
    pub warning: Option<String>,
    /// Calls that it carries at one time.
    pub channels: usize,
    /// Calls that it carries now.
    pub channels_in_use: usize,
    /// Dials per second.
    pub calls_per_second: f64,
    /// Whether the carrier has us registered; null where it does not want that.
    pub registered: Option<bool>,
}

/// Calls that are looked at to tell whether it works.
const LOOKED_AT: usize = 20;
/// So many failures one after the other, and nothing else since, mean that it does not.
const FAILURES: usize = 5;

/// Says who places the calls, and whether that works.
#[utoipa::path(
    get,
    path = "/carrier",
    operation_id = "show_carrier",
    responses((status = 200, body = View, description = "The carrier."))
)]
#[get("/carrier")]
async fn show(
    _caller: ReadScope,
    mut query: Query,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let carrier = settings.line.carrier();
    let trunks = settings.line.trunks();
    let is_down = !trunks.is_empty() && trunks.iter().all(|trunk| trunk.problem.is_some());
    db.read(move |snapshot| {
        let ends = snapshot.last_ends(LOOKED_AT)?;
        let failed = |(outcome, _): &&(Outcome, Option<String>)| {
            matches!(outcome, Outcome::CarrierError | Outcome::CarrierRefused)
        };
        let is_failing = ends.len() >= FAILURES && ends.iter().take(FAILURES).all(|end| failed(&end));
        let last = ends.iter().find(failed);
        Answer::ok(&View {
            driver: carrier.driver,
            real_calls: carrier.real_calls,
            channels: carrier.channels,
            channels_in_use: snapshot.live_calls()?,
            calls_per_second: carrier.calls_per_second,
            status: match (is_down, is_failing) {
                (true, _) => "down",
                (false, true) => "failing",
                (false, false) => "up",
            },
            last_error: last.map(|(outcome, detail)| detail.clone().unwrap_or_else(|| outcome.to_string())),
            trunks,
        })
    })
    .await
}

/// Who places the calls.
#[derive(Serialize, ToSchema)]
#[schema(as = Carrier)]
struct View {
    /// The word stored with every call.
    driver: &'static str,
    /// Whether anybody's phone rings.
    real_calls: bool,
    /// Calls that may be alive at one time.
    channels: usize,
    /// Calls that are.
    #[schema(minimum = 0)]
    channels_in_use: i64,
    /// Dials per second; null for no limit.
    calls_per_second: Option<f64>,
    /// `up`, `failing` where the last calls all failed, or `down` while no trunk takes calls.
    status: &'static str,
    /// What failed last, of the last calls.
    last_error: Option<String>,
    /// The ways to the carriers, the preferred one first; none with the simulator.
    trunks: Vec<Trunk>,
}
