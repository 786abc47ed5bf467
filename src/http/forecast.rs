//! Where a campaign leads: when it finishes, what it costs, and how certain that is.

use super::answer::Answer;
use super::auth::ReadScope;
use super::campaigns;
use super::error::ApiError;
use super::openapi::{parameters, schemas};
use super::query::Query;
use crate::domain::campaign::Campaign;
use crate::domain::forecast::{Basis, Between, Forecast, Lacking, State, Unfinished, has_future};
use crate::domain::money::Money;
use crate::domain::rates::Observations;
use crate::domain::schedule::format_instant;
use crate::store::pool::Db;
use crate::store::{Snapshot, StoreError};
use chrono::NaiveDate;
use rocket::{Route, get, routes};
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

/// Says when a campaign finishes and what that costs, with how certain it is.
///
/// From playing it many times from its present state, each time with answer rates that its calls so far, and those of its
/// siblings, leave possible; one that does not dial as if it were started now. Played in the background while it is active, and when it is
/// asked for: `computing` says that it is being played, with the figures of before, if there were any. Of each range
/// one future in ten lies below, and one above.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/forecast",
    operation_id = "show_forecast",
    params(parameters::CampaignId),
    responses((status = 200, body = View, description = "Where it leads."))
)]
#[get("/voice-campaigns/<id>/forecast")]
async fn show(_caller: ReadScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = id.to_owned();
    let (answer, wanted) = db
        .read(move |snapshot| {
            let campaign = campaigns::existing(snapshot, &id)?;
            let view = View::of(snapshot, &campaign)?;
            let wanted = (view.status == State::Computing).then_some(campaign.id);
            Ok::<_, ApiError>((Answer::ok(&view)?, wanted))
        })
        .await?;
    if let Some(id) = wanted {
        db.want_forecast(id);
    }
    Ok(answer)
}

/// Where a campaign leads.
#[derive(Serialize, ToSchema)]
#[schema(as = Forecast)]
struct View {
    /// Whether it is of now.
    status: State,
    /// Why there is none where it `failed`.
    error: Option<String>,
    /// When what is shown was played; null for not yet.
    #[schema(format = DateTime)]
    computed_at: Option<String>,
    /// How often it was played: 9, 19 or 39 times; fewer for large campaigns.
    #[schema(minimum = 0)]
    runs: usize,
    /// How many calls the answer rates rest on.
    #[schema(value_type = Option<schemas::Observations>)]
    observations: Option<Observations>,
    /// When everybody has been called, but for leads that are held until somebody changes something; null where that never comes.
    #[schema(value_type = Option<schemas::InstantsBetween>)]
    finishes_at: Option<Between<Option<String>>>,
    /// In how many of the runs, in percent, that comes.
    #[schema(minimum = 0, maximum = 100)]
    finishes_percent: Option<i64>,
    /// Why it does not in the others, most often.
    #[schema(value_type = Option<schemas::ForecastUnfinished>)]
    unfinished: Option<Unfinished>,
    /// What has been spent.
    spent: Money,
    /// What the calls to come cost.
    #[schema(value_type = Option<schemas::MoneyBetween>)]
    cost: Option<Between<Money>>,
    /// Calls to come.
    #[schema(value_type = Option<schemas::NumberBetween>)]
    calls: Option<Between<i64>>,
    /// People whom they reach.
    #[schema(value_type = Option<schemas::NumberBetween>)]
    people_reached: Option<Between<i64>>,
    /// The day, on the campaign's clocks, on which the budget pays for no more calls; null where it lasts, in most runs.
    #[schema(value_type = Option<String>, format = Date)]
    budget_runs_out_on: Option<NaiveDate>,
    /// The team's own plan.
    #[schema(value_type = Option<String>, format = Date)]
    expected_completion_date: Option<NaiveDate>,
    /// How many days after that it finishes, in the middle; negative when it is early.
    days_late: Option<i64>,
}

impl View {
    fn of(snapshot: &Snapshot, campaign: &Campaign) -> Result<View, StoreError> {
        let open_leads = snapshot.open_leads(campaign.id)?;
        let kept = snapshot.forecast(campaign.id)?;
        let now = Basis::of(campaign, open_leads, snapshot.now);
        let status = match &kept {
            _ if !has_future(campaign, open_leads) => State::NothingToDo,
            Some((basis, _)) if basis.is_stale(&now, campaign.status) => State::Computing,
            Some((_, Some(Err(Lacking::TooLarge)))) => State::Unavailable,
            Some((_, Some(Err(Lacking::Failed(_))))) => State::Failed,
            Some((_, Some(Ok(_)))) => State::Ready,
            Some((_, None)) | None => State::Computing,
        };
        let kept = kept.filter(|_| status != State::NothingToDo);
        let computed_at = kept.as_ref().map(|(basis, _)| format_instant(basis.computed_at));
        let told = kept.and_then(|(_, told)| told);
        let error = match &told {
            Some(Err(Lacking::Failed(error))) if status == State::Failed => Some(error.clone()),
            Some(Err(Lacking::Failed(_) | Lacking::TooLarge) | Ok(_)) | None => None,
        };
        let forecast = told.and_then(Result::ok);
        let shown = forecast.as_ref();
        Ok(View {
            status,
            error,
            computed_at: computed_at.filter(|_| shown.is_some()),
            runs: shown.map_or(0, |forecast| forecast.runs),
            observations: shown.map(|forecast| forecast.observations),
            finishes_at: shown.map(|forecast| forecast.finish().map(|at| at.map(format_instant))),
            finishes_percent: shown.map(|forecast| forecast.finishes_percent),
            unfinished: shown.and_then(|forecast| forecast.unfinished.clone()),
            spent: campaign.totals.spent,
            cost: shown.map(Forecast::cost),
            calls: shown.map(|forecast| forecast.calls),
            people_reached: shown.map(|forecast| forecast.people_reached),
            budget_runs_out_on: shown.and_then(|forecast| forecast.budget_runs_out_on),
            expected_completion_date: campaign.settings.expected_completion_date,
            days_late: shown.and_then(|forecast| forecast.days_late(campaign)),
        })
    }
}
