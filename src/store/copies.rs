//! What a campaign is rehearsed on: its open leads, and what is known of their numbers, as they are at one moment.

use super::leads::{lead_columns, read};
use super::row::ms;
use super::{Snapshot, StoreError};
use crate::domain::Instant;
use crate::domain::call::Call;
use crate::domain::guard;
use crate::domain::lead::Lead;
use crate::domain::money::Money;
use crate::domain::phone::Phone;
use chrono::{DateTime, NaiveDate};
use rusqlite::params;
use std::collections::HashMap;

/// What a rehearsal must know of a campaign beside its leads.
#[derive(Clone, Debug, Default)]
pub struct Copied {
    /// When those leads may be called again that were put aside, where that is later than now.
    pub again_at: HashMap<i64, Instant>,
    /// Its calls that are alive.
    pub alive: Vec<Call>,
    /// How many calls were placed on each date.
    pub dialed: Vec<(NaiveDate, i64)>,
}

impl Snapshot<'_> {
    /// How many leads of a campaign are not finished.
    pub fn open_leads(&self, campaign_id: i64) -> Result<i64, StoreError> {
        let counts = self.lead_counts(campaign_id)?;
        Ok(counts.iter().filter(|(status, _)| status.is_open()).map(|(_, count)| count).sum())
    }

    /// Hands out a campaign's leads that are not finished one by one, by id, but for those of an import that was undone.
    pub fn copy_leads_of(&self, campaign_id: i64, mut take: impl FnMut(Lead)) -> Result<Copied, StoreError> {
        let sql = concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads l WHERE l.campaign_id = ?1 AND l.deleted_at IS NULL AND l.erased_at IS NULL
               AND l.status IN ('pending', 'scheduled', 'in_progress')
               AND NOT EXISTS (SELECT 1 FROM imports i WHERE i.id = l.import_id AND i.state = 'undone')
             ORDER BY l.id"
        );
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut again_at = HashMap::new();
        for lead in statement.query_map([campaign_id], read)? {
            let lead = lead?;
            if lead.held.is_some() {
                let at = self.again_at(lead.id)?;
                if at > self.now {
                    again_at.insert(lead.id, at);
                }
            }
            take(lead);
        }
        let sql = "SELECT local_date, dials + carried FROM dialed_days WHERE campaign_id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let dialed = statement.query_map([campaign_id], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        let mut dates = Vec::new();
        for row in dialed {
            let (date, dials) = row?;
            dates.extend(date.parse().ok().map(|date: NaiveDate| (date, dials)));
        }
        let alive = self.open_calls()?.into_iter().filter(|call| call.campaign_id == campaign_id).collect();
        Ok(Copied { again_at, alive, dialed: dates })
    }

    /// Those of these numbers that no campaign may dial.
    pub fn suppressed_among(
        &self,
        phones: impl IntoIterator<Item = Phone>,
    ) -> Result<Vec<Phone>, StoreError> {
        let mut suppressed = Vec::new();
        if self.suppresses_any()? {
            for phone in phones {
                if self.is_suppressed(phone)? {
                    suppressed.push(phone);
                }
            }
        }
        Ok(suppressed)
    }

    /// Hands out which numbers were called lately and when, so far as that may keep them from being called: oldest first.
    pub fn called_lately(&self, mut take: impl FnMut(Phone, Instant)) -> Result<(), StoreError> {
        let sql = "SELECT phone, placed_at FROM calls WHERE placed_at > ?1 ORDER BY placed_at";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([ms(self.now - guard::WINDOW)], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        })?;
        for row in rows {
            let (phone, placed_at) = row?;
            let at = DateTime::from_timestamp_millis(placed_at);
            if let Some((phone, at)) = Phone::from_e164(&phone).zip(at) {
                take(phone, at);
            }
        }
        Ok(())
    }

    /// Spent and set aside for calls, today and later (UTC).
    pub fn spent_since_today(&self) -> Result<Vec<(NaiveDate, Money, Money)>, StoreError> {
        let sql = "SELECT date, spent, reserved FROM spent_days WHERE date >= ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![guard::day(self.now).to_string()], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
        })?;
        let mut days = Vec::new();
        for row in rows {
            let (date, spent, reserved) = row?;
            let money = Money::from_ten_thousandths;
            days.extend(date.parse().ok().map(|date: NaiveDate| (date, money(spent), money(reserved))));
        }
        Ok(days)
    }
}
