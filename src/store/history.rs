//! What the calls of a campaign and of its siblings tell of later ones: ended calls by hour, the newest of them one by one,
//! and how long after an attempt the next one came.

use super::row::{Cells, ms};
use super::{Snapshot, StoreError};
use crate::domain::Instant;
use crate::domain::analytics::{Counted, quarter};
use crate::domain::campaign::Campaign;
use crate::domain::rates::{Example, History, Learned, Span, Stated};
use crate::domain::suggestions::Again;
use chrono::{DateTime, TimeDelta};
use rusqlite::params;

/// Older calls tell of other times.
const LOOK_BACK: TimeDelta = TimeDelta::days(90);
/// Siblings that are asked, those that were made last.
const SIBLINGS_MAX: i64 = 12;
/// The newest calls of a campaign that are looked at one by one.
const EXAMPLES_MAX: i64 = 4_000;
/// Repeated calls of each sibling that are looked at.
const SIBLING_AGAIN_MAX: i64 = 1_000;
/// The fact since when the present carrier places the calls; absent where there was never another.
pub(super) const CARRIER_SINCE: &str = "carrier_since";

impl Snapshot<'_> {
    /// What is known of the calls of a campaign as it is given, which need not be as it is stored.
    pub fn learned(&self, campaign: &Campaign) -> Result<Learned, StoreError> {
        let since = self.history_since()?;
        let quarters = (quarter(since) + 1, i64::MAX);
        let counted = self.counted_calls(campaign.id, quarters)?;
        let examples = self.examples(campaign.id, since)?;
        let own = History::of(campaign.settings.time_zone, &counted, &examples);
        let mut siblings = Vec::new();
        for (id, zone) in self.siblings(campaign.id, quarters.0)? {
            let counted: Vec<Counted> = self.counted_calls(id, quarters)?;
            siblings.push(History::of(zone, &counted, &[]));
        }
        Ok(Learned::new(Stated::of(&campaign.settings), own, siblings))
    }

    /// Since when calls tell something: those of another carrier, such as the simulated one, do not.
    fn history_since(&self) -> Result<Instant, StoreError> {
        let since = self.fact_if_any(CARRIER_SINCE)?.and_then(|text| text.parse().ok());
        let since = since.and_then(DateTime::from_timestamp_millis).unwrap_or(Instant::UNIX_EPOCH);
        Ok(since.max(self.now - LOOK_BACK))
    }

    /// The other campaigns with calls, the newest first, and their clocks.
    fn siblings(&self, campaign_id: i64, from: i64) -> Result<Vec<(i64, chrono_tz::Tz)>, StoreError> {
        let sql = "SELECT c.id, c.time_zone FROM campaigns c
                   WHERE c.deleted_at IS NULL AND c.campaign_type = 'outbound' AND c.id <> ?1
                     AND EXISTS (SELECT 1 FROM call_quarters q WHERE q.campaign_id = c.id AND q.quarter >= ?2)
                   ORDER BY c.id DESC LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![campaign_id, from, SIBLINGS_MAX], |row| {
            let mut cells = Cells::of(row);
            Ok((cells.get()?, cells.text(|name| name.parse().ok())?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn examples(&self, campaign_id: i64, since: Instant) -> Result<Vec<Example>, StoreError> {
        let sql = "SELECT outcome, attempt, placed_at, answered_at, ended_at FROM calls
                   WHERE campaign_id = ?1 AND state = 'ended' AND placed_at >= ?2 ORDER BY id DESC LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![campaign_id, ms(since), EXAMPLES_MAX], |row| {
            let mut cells = Cells::of(row);
            let (outcome, attempt) = (cells.word()?, cells.get()?);
            let (placed_at, answered_at): (i64, Option<i64>) = (cells.get()?, cells.get()?);
            let ended_at: i64 = cells.get()?;
            let span = Span {
                rings_ms: (answered_at.unwrap_or(ended_at) - placed_at).max(0),
                talks_ms: answered_at.map(|answered_at| (ended_at - answered_at).max(0)),
            };
            Ok(Example { outcome, attempt, span })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest calls of a campaign and of its siblings that were not the first to their leads.
    pub fn called_again(&self, campaign: &Campaign) -> Result<Vec<Again>, StoreError> {
        let since = self.history_since()?;
        let mut again = self.called_again_by(campaign.id, since, EXAMPLES_MAX, true)?;
        for (id, _) in self.siblings(campaign.id, quarter(since) + 1)? {
            again.extend(self.called_again_by(id, since, SIBLING_AGAIN_MAX, false)?);
        }
        Ok(again)
    }

    fn called_again_by(
        &self,
        campaign_id: i64,
        since: Instant,
        limit: i64,
        is_own: bool,
    ) -> Result<Vec<Again>, StoreError> {
        let sql = "SELECT k.attempt, k.placed_at, k.outcome, k.answered_at IS NOT NULL,
                          (SELECT p.ended_at FROM calls p WHERE p.lead_id = k.lead_id AND p.attempt = k.attempt - 1)
                   FROM calls k WHERE k.campaign_id = ?1 AND k.attempt > 1 AND k.state = 'ended' AND k.placed_at >= ?2
                   ORDER BY k.id DESC LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![campaign_id, ms(since), limit], |row| {
            let mut cells = Cells::of(row);
            let (attempt, placed_at): (i64, Instant) = (cells.get()?, cells.instant()?);
            let (outcome, answered) = (cells.word()?, cells.get()?);
            let before = cells.instant_optional()?;
            Ok(before.map(|before| Again {
                attempt,
                placed_at,
                after: placed_at - before,
                outcome,
                answered,
                is_own,
            }))
        })?;
        Ok(rows.filter_map(Result::transpose).collect::<Result<_, _>>()?)
    }
}
