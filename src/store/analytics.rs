//! Ended calls by quarter of an hour, as the analytics and the overview want them: however many calls there were, these
//! are a few rows for an hour.

use super::row::{Cells, ms};
use super::{Snapshot, StoreError};
use crate::domain::Instant;
use crate::domain::analytics::{Counted, PACE_DAYS, Slot, quarter};
use crate::domain::money::Money;
use crate::domain::schedule;
use chrono::NaiveDate;
use chrono_tz::Tz;
use rusqlite::{OptionalExtension, params};

impl Snapshot<'_> {
    /// The ended calls of a campaign in some quarters, the last one excluded, in their order.
    pub fn counted_calls(
        &self,
        campaign_id: i64,
        (from, to): (i64, i64),
    ) -> Result<Vec<Counted>, StoreError> {
        let sql = "SELECT quarter, outcome, calls, completed, successful, spent, talk_ms FROM call_quarters
                   WHERE campaign_id = ?1 AND quarter >= ?2 AND quarter < ?3 ORDER BY quarter, outcome";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![campaign_id, from, to], |row| {
            let mut cells = Cells::of(row);
            let c = &mut cells;
            Ok(Counted {
                quarter: c.get()?,
                outcome: c.word()?,
                calls: c.get()?,
                completed: c.get()?,
                successful: c.get()?,
                spent: c.money()?,
                talk_ms: c.get()?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The ended calls of a campaign from a quarter on, however they ended.
    pub fn calls_since(&self, campaign_id: i64, from: i64) -> Result<Vec<Slot>, StoreError> {
        let sql = "SELECT quarter, sum(calls), sum(completed), sum(spent) FROM call_quarters
                   WHERE campaign_id = ?1 AND quarter >= ?2 GROUP BY quarter ORDER BY quarter";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![campaign_id, from], |row| {
            let mut cells = Cells::of(row);
            let c = &mut cells;
            Ok(Slot { quarter: c.get()?, calls: c.get()?, completed: c.get()?, spent: c.money()? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What the ended calls of a campaign cost that were placed before a quarter.
    pub fn spent_before(&self, campaign_id: i64, quarter: i64) -> Result<Money, StoreError> {
        let sql = "SELECT coalesce(sum(spent), 0) FROM call_quarters WHERE campaign_id = ?1 AND quarter < ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let spent = statement.query_row(params![campaign_id, quarter], |row| row.get(0))?;
        Ok(Money::from_ten_thousandths(spent))
    }

    /// The last day on which a campaign dialed anybody.
    pub fn last_active_day(&self, campaign_id: i64) -> Result<Option<NaiveDate>, StoreError> {
        self.active_day(campaign_id, 0)
    }

    /// The ended calls of the last days on which a campaign dialed anybody.
    pub fn recent_calls(&self, campaign_id: i64, zone: Tz) -> Result<Vec<Slot>, StoreError> {
        let first = (0..PACE_DAYS).rev().find_map(|nth| self.active_day(campaign_id, nth).transpose());
        match first.transpose()? {
            Some(first) => self.calls_since(campaign_id, quarter(schedule::day_start(first, zone))),
            None => Ok(Vec::new()),
        }
    }

    /// The newest day with dials, or one before it.
    fn active_day(&self, campaign_id: i64, nth: usize) -> Result<Option<NaiveDate>, StoreError> {
        let sql = "SELECT local_date FROM dialed_days WHERE campaign_id = ?1 AND dials > 0
                   ORDER BY local_date DESC LIMIT 1 OFFSET ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let day = statement.query_row(params![campaign_id, nth as i64], |row| {
            Cells::of(row).text(|date| date.parse::<NaiveDate>().ok())
        });
        Ok(day.optional()?)
    }

    /// The calls that are alive: of which campaigns, and when they were placed.
    pub fn alive_since(&self, since: Instant) -> Result<Vec<(i64, i64)>, StoreError> {
        let sql = "SELECT campaign_id, placed_at / 900000 FROM calls INDEXED BY calls_one_alive
             WHERE state <> 'ended' AND placed_at >= ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([ms(since)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
