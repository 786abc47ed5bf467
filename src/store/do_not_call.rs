//! The do-not-call list: who may not be called by any campaign, with every change of it.

use super::row::ms;
use super::{Snapshot, StoreError, Tx};
use crate::domain::do_not_call::Source;
use crate::domain::phone::Phone;
use rusqlite::params;

/// Why a number goes onto the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// In somebody's words.
    pub reason: String,
    /// How it came.
    pub source: Source,
    /// The call on which it was asked for.
    pub call_id: Option<i64>,
    /// A token's name, or `server`.
    pub by: String,
}

impl Snapshot<'_> {
    /// Whether nobody may call this number.
    pub fn is_suppressed(&self, phone: Phone) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM do_not_call WHERE phone = ?1)";
        Ok(self.connection.prepare_cached(sql)?.query_row([phone.to_string()], |row| row.get(0))?)
    }
}

impl Tx<'_> {
    /// Keeps every campaign from dialing this number; false if it was on the list already.
    pub fn add_to_do_not_call_list(
        &self,
        phone: Phone,
        suppression: &Suppression,
    ) -> Result<bool, StoreError> {
        let Suppression { reason, source, call_id, by } = suppression;
        let phone = phone.to_string();
        let sql =
            "INSERT INTO do_not_call (phone, reason, source, call_id, added_by, last_call_id, created_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, (SELECT coalesce(max(id), 0) FROM calls), ?6)
                   ON CONFLICT (phone) DO NOTHING";
        let params = params![phone, reason, source.to_string(), call_id, by, ms(self.now)];
        let is_new = self.execute(sql, params)? == 1;
        if is_new {
            let sql =
                "INSERT INTO do_not_call_changes (phone, change, reason, source, changed_by, created_at)
                       VALUES (?1, 'added', ?2, ?3, ?4, ?5)";
            self.execute(sql, params![phone, reason, source.to_string(), by, ms(self.now)])?;
        }
        self.wake_dialer();
        Ok(is_new)
    }
}
