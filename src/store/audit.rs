//! Who changed what: one row for each request or command that changed something, written in its transaction. It names
//! things by their ids; there are no numbers, names of people or secrets in it.

use super::row::{Cells, ms};
use super::{Snapshot, StoreError, Tx};
use crate::domain::Instant;
use chrono::TimeDelta;
use rusqlite::params;

/// What somebody does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// With which token; none from the command line.
    pub token_id: Option<i64>,
    /// The token's name.
    pub by: String,
    /// Method and route, or the command.
    pub action: String,
    /// What it is about.
    pub target: String,
    /// What ties it to the log.
    pub request_id: Option<String>,
}

impl Deed {
    /// Of somebody at a terminal.
    pub fn of_command(by: &str, command: &str, target: impl ToString) -> Deed {
        let (by, action, target) = (by.to_owned(), command.to_owned(), target.to_string());
        Deed { token_id: None, by, action, target, request_id: None }
    }
}

/// A deed that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Later ones have higher ids.
    pub id: i64,
    /// When.
    pub at: Instant,
    /// What, and who.
    pub deed: Deed,
}

/// Which deeds a list shows, newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only those with this token.
    pub token_id: Option<i64>,
    /// Only those from this instant on.
    pub since: Option<Instant>,
    /// Only those with a lower id.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// Rows that go in one transaction.
const ROWS_MAX: i64 = 2_000;

impl Snapshot<'_> {
    /// The deeds that a filter names.
    pub fn audit(&self, filter: &AuditFilter) -> Result<Vec<Done>, StoreError> {
        let sql = match filter.token_id {
            Some(_) => {
                "SELECT id, at, token_id, by, action, target, request_id FROM audit
                 WHERE token_id = ?1 AND id < ?2 AND at >= ?3 ORDER BY id DESC LIMIT ?4"
            }
            None => {
                "SELECT id, at, token_id, by, action, target, request_id FROM audit
                 WHERE ?1 IS NULL AND id < ?2 AND at >= ?3 ORDER BY id DESC LIMIT ?4"
            }
        };
        let since = filter.since.map_or(i64::MIN, ms);
        let (before, limit) = (filter.before.unwrap_or(i64::MAX), filter.limit as i64);
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![filter.token_id, before, since, limit], |row| {
            let mut cells = Cells::of(row);
            Ok(Done {
                id: cells.get()?,
                at: cells.instant()?,
                deed: Deed {
                    token_id: cells.get()?,
                    by: cells.get()?,
                    action: cells.get()?,
                    target: cells.get()?,
                    request_id: cells.get()?,
                },
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Tx<'_> {
    /// Writes down who does this. Of the transactions of one request the first does.
    pub fn note(&self, deed: &Deed) -> Result<(), StoreError> {
        let Deed { token_id, by, action, target, request_id } = deed;
        let sql = "INSERT INTO audit (at, token_id, by, action, target, request_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.execute(sql, params![ms(self.now), token_id, by, action, target, request_id])?;
        Ok(())
    }

    /// Forgets some of what was done longer ago than `retention`; true while there may be more.
    pub fn forget_old_deeds(&self, retention: TimeDelta) -> Result<bool, StoreError> {
        let sql = "DELETE FROM audit WHERE id IN
                     (SELECT id FROM (SELECT id, at FROM audit ORDER BY id LIMIT ?2) WHERE at <= ?1)";
        let gone = self.execute(sql, params![ms(self.now - retention), ROWS_MAX])?;
        Ok(gone as i64 == ROWS_MAX)
    }
}
