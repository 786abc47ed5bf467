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

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show]
}

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

#[derive(Serialize)]
struct View {
    driver: &'static str,
    real_calls: bool,
    channels: usize,
    channels_in_use: i64,
    calls_per_second: Option<f64>,
    status: &'static str,
    /// Of the last calls.
    last_error: Option<String>,
}
