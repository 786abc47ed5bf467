//! API tokens: only their hashes are kept.

use super::row::{Cells, ms};
use super::{Snapshot, StoreError, Tx};
use crate::domain::Instant;
use crate::words;
use rusqlite::{Connection, OptionalExtension, params};

words! {
    /// What a token may do; each includes those before it.
    pub enum Scope {
        /// Look.
        Read = "read",
        /// Change.
        Write = "write",
        /// Change who may.
        Admin = "admin",
    }
}

/// A token that was not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Never reused.
    pub id: i64,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Instant>,
    /// From when on it counts no more; none: it stays.
    pub expires_at: Option<Instant>,
}

impl Token {
    /// Whether it counts at this instant.
    pub fn is_in_force(&self, now: Instant) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// A token as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Never reused.
    pub id: i64,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Instant>,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
    /// From when on it counts no more; none: it stays.
    pub expires_at: Option<Instant>,
}

/// The token with this hash, unless it was revoked; it may have expired.
pub(super) fn by_hash(connection: &Connection, hash: &[u8; 32]) -> Result<Option<Token>, StoreError> {
    let sql =
        "SELECT id, name, scope, last_used_at, expires_at FROM tokens WHERE hash = ?1 AND revoked_at IS NULL";
    let read = |row: &rusqlite::Row| read(&mut Cells::of(row));
    Ok(connection.prepare_cached(sql)?.query_row([hash], read).optional()?)
}

pub(super) fn read(cells: &mut Cells) -> rusqlite::Result<Token> {
    Ok(Token {
        id: cells.get()?,
        name: cells.get()?,
        scope: cells.word()?,
        last_used_at: cells.instant_optional()?,
        expires_at: cells.instant_optional()?,
    })
}

impl Snapshot<'_> {
    /// Every token ever made, oldest first.
    pub fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        let sql = "SELECT id, name, scope, created_at, last_used_at, revoked_at, expires_at FROM tokens ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            let mut cells = Cells::of(row);
            Ok(TokenRow {
                id: cells.get()?,
                name: cells.get()?,
                scope: cells.word()?,
                created_at: cells.instant()?,
                last_used_at: cells.instant_optional()?,
                revoked_at: cells.instant_optional()?,
                expires_at: cells.instant_optional()?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Tx<'_> {
    /// Keeps the hash of a new token, which may expire; the answer is its id.
    pub fn create_token(
        &self,
        name: &str,
        scope: Scope,
        expires_at: Option<Instant>,
        hash: &[u8; 32],
    ) -> Result<i64, StoreError> {
        let sql =
            "INSERT INTO tokens (name, scope, expires_at, hash, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.execute(sql, params![name, scope.to_string(), expires_at.map(ms), hash, ms(self.now)])?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Ends a token and its sessions; false if there is none in force with this id.
    pub fn revoke_token(&self, id: i64) -> Result<bool, StoreError> {
        self.end_sessions_of(id)?;
        let sql = "UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
        Ok(self.execute(sql, params![id, ms(self.now)])? == 1)
    }

    pub(super) fn touch_token(&self, id: i64) -> Result<(), StoreError> {
        self.execute("UPDATE tokens SET last_used_at = ?2 WHERE id = ?1", params![id, ms(self.now)])?;
        Ok(())
    }
}
