//! What is kept of a person, who is known by a number: what an erasure would look for first.

use super::calls::CallNames;
use super::{Snapshot, StoreError};
use crate::domain::call::Call;
use crate::domain::lead::Lead;
use crate::domain::other_call::OtherCall;
use crate::domain::phone::Phone;
use rusqlite::params;

/// The leads with a number, also those that were deleted after a call; those of a campaign that is being removed for good
/// may have lost theirs.
pub(super) const LEADS_OF: &str = "SELECT id FROM leads WHERE phone = ?1 AND deleted_at IS NULL
    UNION SELECT lead_id FROM calls WHERE phone = ?1
    UNION SELECT l.id FROM campaigns c CROSS JOIN leads l ON l.campaign_id = c.id
    WHERE c.deleted_at IS NOT NULL AND l.phone = ?1 AND c.id NOT IN (SELECT campaign_id FROM campaign_totals)";

/// What is kept of a person, also of campaigns that were deleted.
#[derive(Debug, Default)]
pub struct Person {
    /// The leads, oldest first.
    pub leads: Vec<Lead>,
    /// The calls of campaigns, newest first.
    pub calls: Vec<(Call, CallNames)>,
    /// Test calls, and calls that came in, newest first.
    pub other_calls: Vec<OtherCall>,
}

impl Snapshot<'_> {
    /// What is kept of whoever has this number; of each kind of calls the newest `calls_max`.
    pub fn person(&self, phone: Phone, calls_max: usize) -> Result<Person, StoreError> {
        let number = phone.to_string();
        let mut person = Person::default();
        for id in self.ids_of(LEADS_OF, params![number])? {
            person.leads.push(self.lead_even_deleted(id)?);
        }
        let newest = params![number, calls_max as i64];
        for id in self.ids_of("SELECT id FROM calls WHERE phone = ?1 ORDER BY id DESC LIMIT ?2", newest)? {
            let call = self.call_even_deleted(id)?;
            let names = self.names_of(&call)?;
            person.calls.push((call, names));
        }
        for id in
            self.ids_of("SELECT id FROM other_calls WHERE phone = ?1 ORDER BY id DESC LIMIT ?2", newest)?
        {
            person.other_calls.push(self.other_call_even_deleted(id)?);
        }
        Ok(person)
    }

    pub(super) fn ids_of(&self, sql: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<i64>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let ids = statement.query_map(params, |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }
}
