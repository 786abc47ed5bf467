//! Answers that are given again when a request with the same idempotency key comes again. One that shows a secret is
//! kept sealed.

use super::row::{Cells, ms};
use super::seal;
use super::{Snapshot, StoreError, Tx};
use chrono::TimeDelta;
use rusqlite::{OptionalExtension, params};

/// How long an answer is remembered.
const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// What every secret in an answer begins with.
const SECRET: &str = "whsec_";

fn place(token_id: i64, key: &str) -> String {
    format!("replies/{token_id}/{key}")
}

/// Between `Location` and `ETag` in the cell of both; no header has one in it.
const BREAK: char = '\n';

fn cell(location: Option<&str>, tag: Option<&str>) -> Option<String> {
    match tag {
        Some(tag) => Some(format!("{}{BREAK}{tag}", location.unwrap_or_default())),
        None => location.map(str::to_owned),
    }
}

fn headers(cell: Option<String>) -> (Option<String>, Option<String>) {
    let Some(cell) = cell else { return (None, None) };
    match cell.split_once(BREAK) {
        Some((location, tag)) => {
            (Some(location.to_owned()).filter(|location| !location.is_empty()), Some(tag.to_owned()))
        }
        None => (Some(cell), None),
    }
}

/// The first answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedReply {
    /// SHA-256 of what was asked.
    pub request_hash: [u8; 32],
    /// HTTP status.
    pub status: u16,
    /// The `Location` header.
    pub location: Option<String>,
    /// The `ETag` header.
    pub tag: Option<String>,
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
            let (request_hash, status) = (cells.get()?, cells.get()?);
            let (location, tag) = headers(cells.get()?);
            Ok(RememberedReply { request_hash, status, location, tag, body: cells.get()? })
        };
        let since = ms(self.now - KEPT_FOR);
        let mut statement = self.connection.prepare_cached(sql)?;
        let reply = statement.query_row(params![token_id, key, since], read).optional()?;
        reply.map(|reply| self.opened(token_id, key, reply)).transpose()
    }

    fn opened(
        &self,
        token_id: i64,
        key: &str,
        reply: RememberedReply,
    ) -> Result<RememberedReply, StoreError> {
        match self.opened_body(token_id, key, reply.body) {
            Some(body) => Ok(RememberedReply { body, ..reply }),
            None => Err(StoreError::Failed(
                "the first answer to this request has a secret in it that was sealed under a key that is not here"
                    .into(),
            )),
        }
    }

    /// The body of an answer as it was sent; none where it was sealed under a key that is not here.
    pub(super) fn opened_body(&self, token_id: i64, key: &str, body: String) -> Option<String> {
        match seal::is_sealed(&body) {
            true => self.watch.vault.unseal(&place(token_id, key), &body),
            false => Some(body),
        }
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
        let RememberedReply { request_hash, status, location, tag, body } = reply;
        let location = cell(location.as_deref(), tag.as_deref());
        let body = &match body.contains(SECRET) {
            true => self.watch.vault.seal(&place(token_id, key), body)?,
            false => body.clone(),
        };
        self.execute(sql, params![token_id, key, request_hash, status, location, body, ms(self.now)])?;
        Ok(())
    }

    /// Seals the answers that an older version kept with a secret in them; whether there were any.
    pub(super) fn seal_plain_replies(&self) -> Result<bool, StoreError> {
        let sql = "SELECT token_id, key, body FROM replies WHERE instr(body, ?1) > 0";
        let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let rows: Vec<(i64, String, String)> =
            self.connection.prepare(sql)?.query_map([SECRET], read)?.collect::<Result<_, _>>()?;
        for (token_id, key, body) in &rows {
            let body = self.watch.vault.seal(&place(*token_id, key), body)?;
            let sql = "UPDATE replies SET body = ?3 WHERE token_id = ?1 AND key = ?2";
            self.execute(sql, params![token_id, key, body])?;
        }
        Ok(!rows.is_empty())
    }

    /// Forgets answers older than a day.
    pub fn forget_old_replies(&self) -> Result<usize, StoreError> {
        self.execute("DELETE FROM replies WHERE created_at <= ?1", [ms(self.now - KEPT_FOR)])
    }
}
