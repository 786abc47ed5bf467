//! Answers that are given again when a request with the same idempotency key comes again.

use super::row::{Cells, ms};
use super::{Snapshot, StoreError, Tx};
use chrono::TimeDelta;
use rusqlite::{OptionalExtension, params};

/// How long an answer is remembered.
const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// The first answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedReply {
    /// SHA-256 of what was asked.
    pub request_hash: [u8; 32],
    /// HTTP status.
    pub status: u16,
    /// The `Location` header.
    pub location: Option<String>,
    /// The body.
    pub body: String,
}

impl Snapshot<'_> {
    /// The answer given under this key in the last 24 hours.
    pub fn remembered_reply(&self, token_id: i64, key: &str) -> Result<Option<RememberedReply>, StoreError> {
        let sql = "SELECT request_hash, status, location, body FROM replies
                   WHERE token_id = ?1 AND key = ?2 AND created_at > ?3";
        let read = |row: &rusqlite::Row| {
            let mut cells = Cells::of(row);
            Ok(RememberedReply {
                request_hash: cells.get()?,
                status: cells.get()?,
                location: cells.get()?,
                body: cells.get()?,
            })
        };
        let since = ms(self.now - KEPT_FOR);
        Ok(self.connection.prepare_cached(sql)?.query_row(params![token_id, key, since], read).optional()?)
    }
}

impl Tx<'_> {
    /// Remembers an answer, in the transaction that made it true.
    pub fn remember_reply(
        &self,
        token_id: i64,
        key: &str,
        reply: &RememberedReply,
    ) -> Result<(), StoreError> {
        let sql =
            "INSERT OR REPLACE INTO replies (token_id, key, request_hash, status, location, body, created_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let RememberedReply { request_hash, status, location, body } = reply;
        self.execute(sql, params![token_id, key, request_hash, status, location, body, ms(self.now)])?;
        Ok(())
    }

    /// Forgets answers older than a day.
    pub fn forget_old_replies(&self) -> Result<usize, StoreError> {
        self.execute("DELETE FROM replies WHERE created_at <= ?1", [ms(self.now - KEPT_FOR)])
    }
}
