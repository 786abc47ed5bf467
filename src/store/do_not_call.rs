//! The do-not-call list: who may not be called by any campaign, with every change of it.

use super::row::{Cells, ms};
use super::{Snapshot, StoreError, Tx};
use crate::domain::Instant;
use crate::domain::do_not_call::{Entry, Source};
use crate::domain::fields::Words;
use crate::domain::lead::LeadStatus;
use crate::domain::phone::Phone;
use rusqlite::{OptionalExtension, Row, params};

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

/// A number on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The number.
    pub phone: Phone,
    /// Why and by whom.
    pub suppression: Suppression,
    /// Since when.
    pub created_at: Instant,
}

/// A change of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListChange {
    /// `added` or `removed`.
    pub change: String,
    /// Why, in somebody's words.
    pub reason: String,
    /// How it came.
    pub source: Source,
    /// A token's name, or `server`.
    pub by: String,
    /// When.
    pub at: Instant,
}

/// Which numbers a list shows, newest first.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Only those with this text in the number or the reason, in any case.
    pub search: Option<String>,
    /// Only those that came so.
    pub source: Option<Source>,
    /// Only those after this place: when it came, and the number.
    pub after: Option<(Instant, Phone)>,
    /// At most so many.
    pub limit: usize,
}

/// What became of a number that was to be taken off the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is off.
    Removed,
    /// It was not on it.
    NotListed,
    /// Its person was erased, and stays suppressed.
    Erased,
}

macro_rules! listed {
    ($rest:literal) => {
        concat!("SELECT phone, reason, source, call_id, added_by, created_at FROM do_not_call ", $rest)
    };
}

macro_rules! filtered {
    () => {
        "WHERE (?1 IS NULL OR instr(lower(phone || char(10) || reason), lower(?1)) > 0)
           AND (?2 IS NULL OR source = ?2) "
    };
}

fn read(row: &Row) -> rusqlite::Result<Listed> {
    let mut cells = Cells::of(row);
    let c = &mut cells;
    Ok(Listed {
        phone: c.phone()?,
        suppression: Suppression { reason: c.get()?, source: c.word()?, call_id: c.get()?, by: c.get()? },
        created_at: c.instant()?,
    })
}

impl Snapshot<'_> {
    /// A number on the list.
    pub fn listed(&self, phone: Phone) -> Result<Option<Listed>, StoreError> {
        let sql = listed!("WHERE phone = ?1");
        Ok(self.connection.prepare_cached(sql)?.query_row([phone.to_string()], read).optional()?)
    }

    /// Every change of the list about a number, oldest first.
    pub fn list_changes(&self, phone: Phone) -> Result<Vec<ListChange>, StoreError> {
        let sql = "SELECT change, reason, source, changed_by, created_at FROM do_not_call_changes
                   WHERE phone = ?1 ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([phone.to_string()], |row| {
            let mut cells = Cells::of(row);
            let c = &mut cells;
            Ok(ListChange {
                change: c.get()?,
                reason: c.get()?,
                source: c.word()?,
                by: c.get()?,
                at: c.instant()?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A page of the list.
    pub fn do_not_call_list(&self, filter: &ListFilter) -> Result<Vec<Listed>, StoreError> {
        let sql = concat!(
            "SELECT phone, reason, source, call_id, added_by, created_at FROM do_not_call ",
            filtered!(),
            "AND (?3 IS NULL OR created_at < ?3 OR (created_at = ?3 AND phone > ?4))
             ORDER BY created_at DESC, phone LIMIT ?5"
        );
        let (at, phone) = filter.after.map(|(at, phone)| (ms(at), phone.to_string())).unzip();
        let source = filter.source.map(Words::word);
        let mut statement = self.connection.prepare_cached(sql)?;
        let params = params![filter.search, source, at, phone, filter.limit as i64];
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many numbers pass a filter, whatever its place and limit.
    pub fn count_listed(&self, filter: &ListFilter) -> Result<i64, StoreError> {
        let sql = concat!("SELECT count(*) FROM do_not_call ", filtered!());
        let params = params![filter.search, filter.source.map(Words::word)];
        Ok(self.connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))?)
    }
}

impl Tx<'_> {
    /// Keeps every campaign from dialing this number, and ends what waits for it: leads with it leave their queues, a
    /// call to it is hung up. False if it was on the list already.
    pub fn add_to_do_not_call_list(
        &self,
        phone: Phone,
        suppression: &Suppression,
    ) -> Result<bool, StoreError> {
        // An erased number is not written down again.
        let is_new = !self.is_erased(phone)? && self.list(phone, suppression)?;
        self.cancel_leads(phone)?;
        self.wake_dialer();
        Ok(is_new)
    }

    /// Puts many numbers onto the list; the answer is how many of them are new.
    pub fn list_all(&self, entries: &[Entry], source: Source, by: &str) -> Result<i64, StoreError> {
        let mut added = 0;
        for Entry { phone, reason } in entries {
            let suppression =
                Suppression { reason: reason.clone(), source, call_id: None, by: by.to_owned() };
            added += i64::from(self.add_to_do_not_call_list(*phone, &suppression)?);
        }
        Ok(added)
    }

    fn list(&self, phone: Phone, suppression: &Suppression) -> Result<bool, StoreError> {
        let Suppression { reason, source, call_id, by } = suppression;
        let sql =
            "INSERT INTO do_not_call (phone, reason, source, call_id, added_by, last_call_id, created_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, (SELECT coalesce(max(id), 0) FROM calls), ?6)
                   ON CONFLICT (phone) DO NOTHING";
        let number = phone.to_string();
        let is_new =
            self.execute(sql, params![number, reason, source.word(), call_id, by, ms(self.now)])? == 1;
        if is_new {
            self.note_change(phone, "added", suppression)?;
        }
        Ok(is_new)
    }

    fn note_change(&self, phone: Phone, change: &str, why: &Suppression) -> Result<(), StoreError> {
        let sql = "INSERT INTO do_not_call_changes (phone, change, reason, source, changed_by, created_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let params = params![phone.to_string(), change, why.reason, why.source.word(), why.by, ms(self.now)];
        self.execute(sql, params)?;
        Ok(())
    }

    /// Takes the leads with this number out of the queues of all campaigns. One that is being called follows when its
    /// call has ended.
    pub(super) fn cancel_leads(&self, phone: Phone) -> Result<(), StoreError> {
        let sql = "SELECT id FROM leads WHERE phone = ?1 AND deleted_at IS NULL AND status IN ('pending', 'scheduled')";
        let mut statement = self.connection.prepare_cached(sql)?;
        let ids = statement.query_map([phone.to_string()], |row| row.get(0))?;
        let ids: Vec<i64> = ids.collect::<Result<_, _>>()?;
        for id in ids {
            self.finish_lead(&self.lead_even_deleted(id)?, LeadStatus::DoNotCall)?;
        }
        Ok(())
    }

    /// Takes a number off the list, and keeps why. Leads that left their queues because of it stay where they are.
    pub fn remove_from_do_not_call_list(
        &self,
        phone: Phone,
        why: &Suppression,
    ) -> Result<Removal, StoreError> {
        if self.is_erased(phone)? {
            return Ok(Removal::Erased);
        }
        if self.execute("DELETE FROM do_not_call WHERE phone = ?1", [phone.to_string()])? == 0 {
            return Ok(Removal::NotListed);
        }
        self.note_change(phone, "removed", why)?;
        Ok(Removal::Removed)
    }

    /// Keeps every campaign from dialing the number of a person who is being erased, without writing it down.
    pub fn suppress_erased(&self, phone: Phone) -> Result<(), StoreError> {
        let sql = "INSERT INTO erased_numbers (hash, last_call_id, created_at)
                   VALUES (?1, (SELECT coalesce(max(id), 0) FROM calls), ?2) ON CONFLICT (hash) DO NOTHING";
        self.execute(sql, params![self.watch.key.hash_of(phone), ms(self.now)])?;
        self.wake_dialer();
        Ok(())
    }
}
