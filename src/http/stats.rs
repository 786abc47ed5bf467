//! What a campaign has done, what it is doing, and why its leads wait.

use super::answer::Answer;
use super::auth::ReadScope;
use super::campaigns;
use super::error::ApiError;
use super::openapi::{parameters, schemas};
use super::query::Query;
use crate::domain::campaign::{Campaign, Status};
use crate::domain::fields::Words;
use crate::domain::gate::{Dialing, Gate, Queue};
use crate::domain::holds;
use crate::domain::money::Money;
use crate::domain::standing::{Standing, Stopped};
use crate::store::pool::Db;
use crate::store::{Snapshot, Stop, StoreError};
use rocket::{Route, get, routes};
use serde::ser::{Serialize, SerializeMap, Serializer};
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show, why]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(show, why))]
pub(super) struct Reference;

/// Shows what a campaign has done and what it is doing.
///
/// Counters, money, and in `dialing` why it calls or waits.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/stats",
    operation_id = "show_stats",
    params(parameters::CampaignId),
    responses((status = 200, body = View, description = "The statistics of this moment."))
)]
#[get("/voice-campaigns/<id>/stats")]
async fn show(_caller: ReadScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = id.to_owned();
    db.read(move |snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        Answer::ok(&view(snapshot, &campaign)?)
    })
    .await
}

/// Says how many leads wait, and why.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/holds",
    operation_id = "show_holds",
    params(parameters::CampaignId),
    responses((status = 200, body = schemas::Holds, description = "The reasons, most leads first."))
)]
#[get("/voice-campaigns/<id>/holds")]
async fn why(_caller: ReadScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = id.to_owned();
    db.read_long(move |snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        let gate = Gate::new(&campaign, snapshot.dials_today(&campaign)?, snapshot.overall()?, snapshot.now);
        let waiting = snapshot.waiting(campaign.id)?;
        Answer::ok(&holds::breakdown(&gate, snapshot.clock_hold(), &waiting))
    })
    .await
}

/// What a campaign does at this moment, and how it stands.
pub(super) fn doing(
    snapshot: &Snapshot,
    campaign: &Campaign,
    calls_today: i64,
) -> Result<(Dialing, Standing), StoreError> {
    let stop = snapshot.stop()?.map(|stop: Stop| Stopped { since: stop.since(), by: stop.by });
    let gate = Gate::new(campaign, calls_today, snapshot.overall()?, snapshot.now);
    let queue = match campaign.status {
        Status::Active => snapshot.queue(campaign)?,
        // Whoever is in it, nobody is called.
        Status::Draft | Status::Paused | Status::Completed => Queue::default(),
    };
    let dialing = gate.dialing(&queue, snapshot.clock_hold());
    let standing = Standing::of(campaign, &dialing, stop.as_ref());
    Ok((dialing, standing))
}

/// The statistics of a campaign at this moment.
pub(super) fn view(snapshot: &Snapshot, campaign: &Campaign) -> Result<View, StoreError> {
    let calls_today = snapshot.dials_today(campaign)?;
    let (dialing, standing) = doing(snapshot, campaign, calls_today)?;
    view_of(snapshot, campaign, calls_today, dialing, standing)
}

/// The statistics, where it is known already what the campaign does.
pub(super) fn view_of(
    snapshot: &Snapshot,
    campaign: &Campaign,
    calls_today: i64,
    dialing: Dialing,
    standing: Standing,
) -> Result<View, StoreError> {
    let (settings, totals) = (&campaign.settings, &campaign.totals);
    Ok(View {
        total_leads: totals.total_leads,
        completed_calls: totals.completed_calls,
        successful_calls: totals.successful_calls,
        failed_calls: totals.failed_calls,
        cost_per_call: settings.cost_per_call,
        budget: settings.budget,
        success_rate: percent(totals.successful_calls, totals.completed_calls),
        total_cost: totals.spent,
        remaining_budget: settings.budget.map(|budget| budget.minus_or_zero(totals.spent)),
        attempts: totals.attempts,
        unanswered_calls: totals.unanswered_calls,
        error_calls: totals.error_calls,
        calls_today,
        in_progress_calls: totals.in_progress_calls,
        average_duration_seconds: rounded(totals.talk_ms, totals.completed_calls * 1000),
        leads: Counts(snapshot.lead_counts(campaign.id)?),
        outcomes: Counts(snapshot.outcome_counts(campaign.id)?),
        dialing,
        standing,
    })
}

/// What a campaign has done and what it is doing; the first nine fields are the published ones, in their order.
#[derive(serde::Serialize, ToSchema)]
#[schema(as = Stats)]
pub(super) struct View {
    /// Leads it has.
    #[schema(minimum = 0)]
    total_leads: i64,
    /// Ended calls that somebody, or a machine, picked up.
    #[schema(minimum = 0)]
    completed_calls: i64,
    /// Those of them that met the success criteria.
    #[schema(minimum = 0)]
    successful_calls: i64,
    /// Those that did not.
    #[schema(minimum = 0)]
    failed_calls: i64,
    /// What a completed call costs now.
    cost_per_call: Money,
    /// What may be spent in all; null for no limit.
    budget: Option<Money>,
    /// Percent of the completed calls that were successful, with two decimals.
    #[schema(pattern = "^[0-9]+\\.[0-9]{2}$")]
    success_rate: String,
    /// What was spent, each call at the price it was placed at.
    total_cost: Money,
    /// What is left of the budget.
    remaining_budget: Option<Money>,
    /// Dials, alive or ended.
    #[schema(minimum = 0)]
    attempts: i64,
    /// Ended calls that nobody picked up.
    #[schema(minimum = 0)]
    unanswered_calls: i64,
    /// Calls that the carrier could not place, or whose end nobody saw.
    #[schema(minimum = 0)]
    error_calls: i64,
    /// Dials of this calendar day of its time zone.
    #[schema(minimum = 0)]
    calls_today: i64,
    /// Calls alive now.
    #[schema(minimum = 0)]
    in_progress_calls: i64,
    /// Mean time between answer and end of the completed calls.
    #[schema(minimum = 0)]
    average_duration_seconds: i64,
    /// Leads by status.
    #[schema(schema_with = schemas::counts::<crate::domain::lead::LeadStatus>)]
    leads: Counts<crate::domain::lead::LeadStatus>,
    /// Ended calls by outcome.
    #[schema(schema_with = schemas::counts::<crate::domain::outcome::Outcome>)]
    outcomes: Counts<crate::domain::outcome::Outcome>,
    /// What it is doing now, and why.
    #[schema(value_type = schemas::Dialing)]
    dialing: Dialing,
    /// How it stands, for people.
    #[schema(value_type = schemas::Standing)]
    standing: Standing,
}

/// One number for each word of a closed list, 0 where nothing was counted.
struct Counts<W>(Vec<(W, i64)>);

impl<W: Words> Serialize for Counts<W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(W::all().len()))?;
        for word in W::all() {
            let count = self.0.iter().find(|(counted, _)| counted == word).map_or(0, |(_, count)| *count);
            map.serialize_entry(word.word(), &count)?;
        }
        map.end()
    }
}

/// A share in percent with two decimals, half up; `0.00` of nothing.
fn percent(part: i64, whole: i64) -> String {
    let hundredths = rounded(part * 10_000, whole);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// A quotient of numbers that are not negative, rounded half up; 0 over nothing.
fn rounded(part: i64, whole: i64) -> i64 {
    if whole == 0 { 0 } else { (part * 2 + whole) / (whole * 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_success_rate_has_two_decimals_rounded_half_up() {
        for (part, whole, shown) in [
            (0, 0, "0.00"),
            (0, 3, "0.00"),
            (45, 50, "90.00"),
            (1, 3, "33.33"),
            (2, 3, "66.67"),
            (1, 8, "12.50"),
            (1, 800, "0.13"),
            (1, 20_000, "0.01"),
            (1, 20_001, "0.00"),
            (7, 7, "100.00"),
        ] {
            assert_eq!(percent(part, whole), shown, "{part} of {whole}");
        }
    }
}
