//! The newest forecast of each campaign, and who asked for one.

use super::row::{Cells, json_text, ms};
use super::{Snapshot, Store, StoreError, Tx};
use crate::domain::campaign::Campaign;
use crate::domain::forecast::{Basis, Forecast, Lacking, has_future};
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Campaigns whose forecast somebody wants to see.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    campaigns: Mutex<BTreeSet<i64>>,
    more: Notify,
}

/// What a forecast was made of, with what it says, or why it says nothing; none where another version wrote it.
pub type KeptForecast = (Basis, Option<Result<Forecast, Lacking>>);

/// Campaigns that wait to be looked at; those that are asked for beyond are looked at when they are asked for again.
const WANTED_MAX: usize = 1_000;

impl Store {
    /// Somebody wants to see the forecast of this campaign.
    pub fn want_forecast(&self, campaign_id: i64) {
        let mut wanted = self.0.wanted.campaigns.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.len() < WANTED_MAX && wanted.insert(campaign_id) {
            self.0.wanted.more.notify_one();
        }
    }

    /// Takes the campaigns whose forecasts somebody wants to see.
    pub fn take_wanted_forecasts(&self) -> Vec<i64> {
        let mut wanted = self.0.wanted.campaigns.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *wanted).into_iter().collect()
    }

    /// Ends when somebody wants to see one.
    pub async fn forecast_wanted(&self) {
        self.0.wanted.more.notified().await;
    }
}

impl Snapshot<'_> {
    /// The newest forecast of a campaign, or why there is none, and what it was made of.
    pub fn forecast(&self, campaign_id: i64) -> Result<Option<KeptForecast>, StoreError> {
        let sql = "SELECT computed_at, version, attempts, open_leads, leads, result, error FROM forecasts
                   WHERE campaign_id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let row = statement.query_row([campaign_id], |row| {
            let mut cells = Cells::of(row);
            let c = &mut cells;
            let basis = Basis {
                computed_at: c.instant()?,
                version: c.get()?,
                attempts: c.get()?,
                open_leads: c.get()?,
                leads: c.get()?,
            };
            let (result, error): (Option<String>, Option<String>) = (c.get()?, c.get()?);
            let told = match (result, error) {
                // One of another version is none.
                (Some(text), _) => serde_json::from_str(&text).ok().map(Ok),
                (None, Some(error)) => Some(Err(Lacking::Failed(error))),
                (None, None) => Some(Err(Lacking::TooLarge)),
            };
            Ok((basis, told))
        });
        Ok(row.optional()?)
    }

    /// Whether a campaign's forecast must be made again.
    pub fn needs_forecast(&self, campaign: &Campaign) -> Result<bool, StoreError> {
        let open_leads = self.open_leads(campaign.id)?;
        if !has_future(campaign, open_leads) {
            return Ok(false);
        }
        let now = Basis::of(campaign, open_leads, self.now);
        Ok(self.forecast(campaign.id)?.is_none_or(|(basis, _)| basis.is_stale(&now, campaign.status)))
    }
}

impl Tx<'_> {
    /// Writes down where a campaign leads, or why that cannot be said.
    pub fn keep_forecast(
        &self,
        campaign_id: i64,
        basis: Basis,
        forecast: Result<&Forecast, &Lacking>,
    ) -> Result<(), StoreError> {
        let (result, error) = match forecast {
            Ok(forecast) => (Some(json_text(forecast)), None),
            Err(Lacking::Failed(error)) => (None, Some(error)),
            Err(Lacking::TooLarge) => (None, None),
        };
        let sql = "INSERT INTO forecasts (campaign_id, computed_at, version, attempts, open_leads, leads, result, error)
                   SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS (SELECT 1 FROM campaigns WHERE id = ?1)
                   ON CONFLICT (campaign_id) DO UPDATE SET computed_at = excluded.computed_at,
                     version = excluded.version, attempts = excluded.attempts, open_leads = excluded.open_leads,
                     leads = excluded.leads, result = excluded.result, error = excluded.error";
        self.execute(
            sql,
            params![
                campaign_id,
                ms(basis.computed_at),
                basis.version,
                basis.attempts,
                basis.open_leads,
                basis.leads,
                result,
                error,
            ],
        )?;
        Ok(())
    }
}
