//! What the calls of a campaign amount to by hour, day, week or month, and where that leads.

use super::answer::Answer;
use super::auth::ReadScope;
use super::campaigns;
use super::error::ApiError;
use super::openapi::{parameters, schemas};
use super::query::{self, Query};
use crate::domain::analytics::{self, Interval, Progress, Projection, Purse, Range};
use crate::domain::campaign::{Campaign, Status};
use crate::domain::lead::LeadStatus;
use crate::domain::schedule;
use crate::store::pool::Db;
use crate::store::{Snapshot, StoreError};
use rocket::{Route, get, routes};
use utoipa::OpenApi;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(show))]
pub(super) struct Reference;

/// Adds up the calls of a campaign by hour, day, week or month.
///
/// On the clocks of its time zone, with where its pace leads. Without dates the last fourteen days, or those
/// up to the last day with calls.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/analytics",
    operation_id = "show_analytics",
    params(parameters::CampaignId, parameters::Days),
    responses((status = 200, body = schemas::Analytics, description = "What the calls amount to."))
)]
#[get("/voice-campaigns/<id>/analytics")]
async fn show(_caller: ReadScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    let (from, to) = (query.take("from", query::date), query.take("to", query::date));
    let interval = query.take("interval", query::word).unwrap_or(Interval::Day);
    query.finish()?;
    let id = id.to_owned();
    db.read_long(move |snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        let (settings, totals) = (&campaign.settings, &campaign.totals);
        let today = schedule::local_date(snapshot.now, settings.time_zone);
        let last_active = snapshot.last_active_day(campaign.id)?;
        let range = Range::new(settings.time_zone, from, to, interval, today, last_active)?;
        let quarters = range.quarters();
        let purse = Purse {
            budget: settings.budget,
            spent: totals.spent,
            spent_before: snapshot.spent_before(campaign.id, quarters.0)?,
        };
        let counted = snapshot.counted_calls(campaign.id, quarters)?;
        let projection = projection(snapshot, &campaign)?;
        Answer::ok(&analytics::analyze(&range, &counted, purse, projection, snapshot.now))
    })
    .await
}

/// Where a campaign that was started is going.
fn projection(snapshot: &Snapshot, campaign: &Campaign) -> Result<Option<Projection>, StoreError> {
    if campaign.status != Status::Active {
        return Ok(None);
    }
    let (settings, totals) = (&campaign.settings, &campaign.totals);
    let leads = snapshot.lead_counts(campaign.id)?;
    let count = |is_wanted: fn(LeadStatus) -> bool| {
        leads.iter().filter(|(status, _)| is_wanted(*status)).map(|(_, count)| count).sum()
    };
    let progress = Progress {
        open_leads: count(LeadStatus::is_open),
        finished_leads: count(|status| matches!(status, LeadStatus::Completed | LeadStatus::Failed)),
        calls: totals.attempts - totals.in_progress_calls,
        budget: settings.budget,
        spent: totals.spent,
    };
    let recent = snapshot.recent_calls(campaign.id, settings.time_zone)?;
    Ok(analytics::project(&campaign.schedule(), settings.time_zone, progress, &recent, snapshot.now))
}
