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

/// Whoever places the calls, as the composition root built it.
#[derive(Clone, Copy, Debug)]
pub struct Carrier {
    /// The word stored with every call.
    pub driver: &'static str,
    /// Whether anybody's phone rings.
    pub real_calls: bool,
    /// Calls alive at one time.
    pub channels: usize,
    /// Dials per second; none for no limit.
    pub calls_per_second: Option<f64>,
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
    let carrier = settings.carrier;
    db.read(move |snapshot| {
        let ends = snapshot.last_ends(LOOKED_AT)?;
        let failed = |(outcome, _): &&(Outcome, Option<String>)| *outcome == Outcome::CarrierError;
        let is_failing = ends.len() >= FAILURES && ends.iter().take(FAILURES).all(|end| failed(&end));
        let last = ends.iter().find(failed);
        Answer::ok(&View {
            driver: carrier.driver,
            real_calls: carrier.real_calls,
            channels: carrier.channels,
            channels_in_use: snapshot.live_calls()?,
            calls_per_second: carrier.calls_per_second,
            status: if is_failing { "failing" } else { "up" },
            last_error: last.map(|(outcome, detail)| detail.clone().unwrap_or_else(|| outcome.to_string())),
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
    /// `up`, or `failing` where the last calls all failed.
    status: &'static str,
    /// What failed last, of the last calls.
    last_error: Option<String>,
}
