//! The outbox: facts for other systems, numbered without gaps per campaign.

use super::row::{json_text, ms};
use super::{Snapshot, StoreError, Tx};
use crate::domain::event::Event;
use rusqlite::params;

impl Snapshot<'_> {
    /// Whether this fact was told already.
    pub fn is_told(&self, event: &Event) -> Result<bool, StoreError> {
        Ok(self.connection.prepare_cached("SELECT 1 FROM events WHERE key = ?1")?.exists([&event.key])?)
    }
}

impl Tx<'_> {
    /// Writes an event in the transaction that makes it true, with the campaign's next sequence number.
    pub fn emit(&self, campaign_id: i64, event: &Event) -> Result<(), StoreError> {
        let next =
            "UPDATE campaign_totals SET sequence = sequence + 1 WHERE campaign_id = ?1 RETURNING sequence";
        let sequence: i64 =
            self.connection.prepare_cached(next)?.query_row([campaign_id], |row| row.get(0))?;
        let mut data = event.data.clone();
        data["sequence"] = sequence.into();
        let sql = "INSERT INTO events (campaign_id, sequence, type, key, data, created_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let event_type = event.event_type.to_string();
        self.execute(
            sql,
            params![campaign_id, sequence, event_type, event.key, json_text(&data), ms(self.now)],
        )?;
        Ok(())
    }
}
