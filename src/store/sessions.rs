//! Who is signed in to the admin page. A session stands for the token it was begun with and ends with it, or when it
//! was not used for half a day. Only hashes of the cookies are kept.

use super::row::{Cells, ms};
use super::tokens::{self, Token};
use super::{StoreError, Tx};
use crate::domain::Instant;
use chrono::TimeDelta;
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

/// A session ends when it was not used for so long.
const IDLE_MAX: TimeDelta = TimeDelta::hours(12);
/// Sessions of one token at one time; a new one ends the one that was not used for longest.
const SESSIONS_MAX: i64 = 100;

/// A session whose token is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The token it stands for.
    pub token: Arc<Token>,
    /// When it was last used, to the minute.
    pub last_used_at: Instant,
}

impl Session {
    /// When a session of this token ends that is used at `last_used_at` and not again.
    pub fn expires_at(token: &Token, last_used_at: Instant) -> Instant {
        let idle = last_used_at + IDLE_MAX;
        token.expires_at.map_or(idle, |end| idle.min(end))
    }
}

/// The session with this hash, unless its token was revoked.
pub(super) fn by_hash(connection: &Connection, hash: &[u8; 32]) -> Result<Option<Session>, StoreError> {
    let sql = "SELECT t.id, t.name, t.scope, t.last_used_at, t.expires_at, s.last_used_at
               FROM sessions s JOIN tokens t ON t.id = s.token_id WHERE s.hash = ?1 AND t.revoked_at IS NULL";
    let read = |row: &rusqlite::Row| {
        let mut cells = Cells::of(row);
        let token = tokens::read(&mut cells)?;
        Ok(Session { token: Arc::new(token), last_used_at: cells.instant()? })
    };
    Ok(connection.prepare_cached(sql)?.query_row([hash], read).optional()?)
}

impl Tx<'_> {
    /// Begins a session of the token with this hash; none if there is no such token in force. Sessions that have ended
    /// are forgotten.
    pub fn sign_in(&self, token_hash: &[u8; 32], hash: &[u8; 32]) -> Result<Option<Token>, StoreError> {
        let token = tokens::by_hash(self.connection, token_hash)?;
        let Some(token) = token.filter(|token| token.is_in_force(self.now)) else { return Ok(None) };
        self.execute("DELETE FROM sessions WHERE last_used_at <= ?1", [ms(self.now - IDLE_MAX)])?;
        let sql = "DELETE FROM sessions WHERE token_id = ?1 AND hash NOT IN
                     (SELECT hash FROM sessions WHERE token_id = ?1 ORDER BY last_used_at DESC LIMIT ?2)";
        self.execute(sql, params![token.id, SESSIONS_MAX - 1])?;
        let sql = "INSERT INTO sessions (hash, token_id, created_at, last_used_at) VALUES (?1, ?2, ?3, ?3)";
        self.execute(sql, params![hash, token.id, ms(self.now)])?;
        self.touch_token(token.id)?;
        Ok(Some(token))
    }

    /// Ends a session, if there is one with this hash.
    pub fn sign_out(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        self.execute("DELETE FROM sessions WHERE hash = ?1", [hash])?;
        Ok(())
    }

    pub(super) fn end_sessions_of(&self, token_id: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM sessions WHERE token_id = ?1", [token_id])?;
        Ok(())
    }

    pub(super) fn touch_session(&self, hash: &[u8; 32], token_id: i64) -> Result<(), StoreError> {
        self.execute("UPDATE sessions SET last_used_at = ?2 WHERE hash = ?1", params![hash, ms(self.now)])?;
        self.touch_token(token_id)
    }
}
