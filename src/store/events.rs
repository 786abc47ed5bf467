//! The outbox: facts for other systems, numbered without gaps per campaign.

use super::row::{json_text, ms};
use super::{StoreError, Tx};
use crate::domain::event::Event;
use rusqlite::params;

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
        self.deliver(campaign_id, self.connection.last_insert_rowid(), &event_type)
    }

    /// Writes an event unless the same fact was told before, as when a server starts again under the clock that
    /// it complained about.
    pub fn emit_once(&self, campaign_id: i64, event: &Event) -> Result<(), StoreError> {
        let told =
            self.connection.prepare_cached("SELECT 1 FROM events WHERE key = ?1")?.exists([&event.key])?;
        if told { Ok(()) } else { self.emit(campaign_id, event) }
    }
}
