//! Leads: who is to be reached, and the queue of those who are due.

use super::row::{Cells, json_text, ms};
use super::{Snapshot, StoreError, Tx};
use crate::domain::Instant;
use crate::domain::fields::Words;
use crate::domain::gate::{Hold, Number};
use crate::domain::lead::{Lead, LeadStatus, NewLead};
use crate::domain::outcome::Outcome;
use crate::domain::phone::Phone;
use crate::domain::schedule::TimeOfDay;
use chrono_tz::Tz;
use rusqlite::{OptionalExtension, Row, params};

/// Which leads a list shows, oldest first.
#[derive(Clone, Debug, Default)]
pub struct LeadFilter {
    /// Of this campaign.
    pub campaign_id: i64,
    /// Only those with this status.
    pub status: Option<LeadStatus>,
    /// Only those whose last call ended so.
    pub outcome: Option<Outcome>,
    /// Only those with this text in number, name, e-mail or company, in any case.
    pub search: Option<String>,
    /// Only those of this import.
    pub import_id: Option<i64>,
    /// Only those with a higher id.
    pub after: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// What became of leads that were to be added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// How many are new.
    pub imported: i64,
    /// How many were in the campaign already.
    pub duplicates: i64,
    /// Ids of the new ones, in the order they were sent.
    pub ids: Vec<i64>,
}

/// What became of a lead that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadDeletion {
    /// It is gone.
    Deleted,
    /// There is none with this id.
    NotFound,
    /// It is being called.
    InProgress,
}

/// The columns that [`read`] reads, of `leads l`.
macro_rules! columns {
    () => {
        "l.id, l.campaign_id, l.phone, l.first_name, l.last_name, l.email, l.company_name, l.time_zone, l.language,
         l.priority, l.best_time_to_call, l.variables, l.notes, l.tags, l.status, l.outcome, l.attempts,
         l.next_call_at, l.held, l.import_id, l.created_at, l.updated_at"
    };
}

/// A page of leads with any of the statuses: one seek each in the index of statuses, merged by id.
macro_rules! page_of_ids {
    ($status:literal) => {
        concat!(
            "SELECT * FROM (SELECT id FROM leads WHERE campaign_id = ?1 AND status = '", $status,
            "' AND deleted_at IS NULL AND id > ?2 AND (?3 IS NULL OR status = ?3) AND (?4 IS NULL OR outcome = ?4)
               AND (?5 IS NULL OR instr(lower(phone || char(10) || coalesce(first_name || ' ', '')
                   || coalesce(last_name, '') || char(10) || coalesce(email, '') || char(10)
                   || coalesce(company_name, '')), lower(?5)) > 0)
               AND (?6 IS NULL OR import_id = ?6) ORDER BY id LIMIT ?7)"
        )
    };
}

/// A page of the leads that pass a filter, by id, with some columns of `leads l`.
macro_rules! page {
    ($columns:expr) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM leads l WHERE l.id IN (",
            page_of_ids!("pending"),
            " UNION ALL ",
            page_of_ids!("in_progress"),
            " UNION ALL ",
            page_of_ids!("scheduled"),
            " UNION ALL ",
            page_of_ids!("completed"),
            " UNION ALL ",
            page_of_ids!("failed"),
            " UNION ALL ",
            page_of_ids!("canceled"),
            " UNION ALL ",
            page_of_ids!("do_not_call"),
            ") ORDER BY l.id LIMIT ?7"
        )
    };
}

pub(super) use {columns, page, page_of_ids};

pub(super) fn read(row: &Row) -> rusqlite::Result<Lead> {
    let mut cells = Cells::of(row);
    let c = &mut cells;
    Ok(Lead {
        id: c.get()?,
        campaign_id: c.get()?,
        about: NewLead {
            phone: c.phone()?,
            first_name: c.get()?,
            last_name: c.get()?,
            email: c.get()?,
            company_name: c.get()?,
            time_zone: c.text(|name| match name {
                "" => Some(None),
                name => name.parse::<Tz>().ok().map(Some),
            })?,
            language: c.get()?,
            priority: c.get()?,
            best_time_to_call: c.parse_optional(TimeOfDay::from_seconds)?,
            variables: c.json()?,
            notes: c.get()?,
            tags: c.json()?,
        },
        status: c.word()?,
        outcome: c.parse_optional(|word: String| Words::from_word(&word))?,
        attempts: c.get()?,
        next_call_at: c.instant_optional()?,
        held: c.get()?,
        import_id: c.get()?,
        created_at: c.instant()?,
        updated_at: c.instant()?,
    })
}

impl Snapshot<'_> {
    /// A lead that was not deleted, of a campaign that was not.
    pub fn lead(&self, id: i64) -> Result<Option<Lead>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM leads l JOIN campaigns c ON c.id = l.campaign_id
             WHERE l.id = ?1 AND l.deleted_at IS NULL AND c.deleted_at IS NULL"
        );
        Ok(self.connection.prepare_cached(sql)?.query_row([id], read).optional()?)
    }

    /// A lead, deleted or not; a call that is alive is settled all the same.
    pub(super) fn lead_even_deleted(&self, id: i64) -> Result<Lead, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM leads l WHERE l.id = ?1");
        Ok(self.connection.prepare_cached(sql)?.query_row([id], read)?)
    }

    /// The lead of a campaign with this number.
    pub fn lead_with_phone(&self, campaign_id: i64, phone: Phone) -> Result<Option<Lead>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM leads l WHERE l.campaign_id = ?1 AND l.phone = ?2 AND l.deleted_at IS NULL"
        );
        Ok(self
            .connection
            .prepare_cached(sql)?
            .query_row(params![campaign_id, phone.to_string()], read)
            .optional()?)
    }

    /// A page of a campaign's leads, by id.
    pub fn leads(&self, filter: &LeadFilter) -> Result<Vec<Lead>, StoreError> {
        let mut leads = Vec::new();
        self.each_lead(page!(columns!()), filter, |row| {
            leads.push(read(row)?);
            Ok::<_, StoreError>(())
        })?;
        Ok(leads)
    }

    /// Hands the rows of a page to `each`; `sql` is of [`page`].
    pub(super) fn each_lead<E: From<StoreError>>(
        &self,
        sql: &str,
        filter: &LeadFilter,
        mut each: impl FnMut(&Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self.connection.prepare_cached(sql).map_err(StoreError::from)?;
        let rows = statement.query(params![
            filter.campaign_id,
            filter.after.unwrap_or(0),
            filter.status.map(Words::word),
            filter.outcome.map(Words::word),
            filter.search,
            filter.import_id,
            filter.limit as i64
        ]);
        let mut rows = rows.map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            each(row)?;
        }
        Ok(())
    }

    /// The time zones of the leads that wait in a campaign's queue; the empty name stands for unknown.
    pub fn zones_waiting(&self, campaign_id: i64) -> Result<Vec<String>, StoreError> {
        // A loose index scan: one seek per zone, however many leads there are.
        let sql = "SELECT min(time_zone) FROM leads
                   WHERE campaign_id = ?1 AND next_call_at IS NOT NULL AND time_zone > ?2";
        let first = "SELECT min(time_zone) FROM leads WHERE campaign_id = ?1 AND next_call_at IS NOT NULL";
        let mut zones = Vec::new();
        let mut found: Option<String> =
            self.connection.prepare_cached(first)?.query_row([campaign_id], |row| row.get(0))?;
        let mut next = self.connection.prepare_cached(sql)?;
        while let Some(zone) = found {
            found = next.query_row(params![campaign_id, zone], |row| row.get(0))?;
            zones.push(zone);
        }
        Ok(zones)
    }

    /// The next leads of one zone that are due: highest priority first, then the longest waiting.
    pub fn due_leads(&self, campaign_id: i64, zone: &str, limit: usize) -> Result<Vec<Lead>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM leads l WHERE l.campaign_id = ?1 AND l.time_zone = ?2 AND l.priority = ?3
             AND l.next_call_at <= ?4 ORDER BY l.next_call_at, l.id LIMIT ?5"
        );
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut due = Vec::new();
        for priority in (1..=5).rev() {
            let left = (limit - due.len()) as i64;
            let rows = statement.query_map(params![campaign_id, zone, priority, ms(self.now), left], read)?;
            for lead in rows {
                due.push(lead?);
            }
            if due.len() >= limit {
                break;
            }
        }
        Ok(due)
    }

    /// When the first waiting lead of a zone is due that is due later than `after`.
    pub fn first_due_at(
        &self,
        campaign_id: i64,
        zone: &str,
        after: Instant,
    ) -> Result<Option<Instant>, StoreError> {
        let sql = "SELECT min(next_call_at) FROM leads
                   WHERE campaign_id = ?1 AND time_zone = ?2 AND priority = ?3 AND next_call_at > ?4";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut first: Option<i64> = None;
        for priority in 1..=5 {
            let params = params![campaign_id, zone, priority, ms(after)];
            let due: Option<i64> = statement.query_row(params, |row| row.get(0))?;
            first = [first, due].into_iter().flatten().min();
        }
        Ok(first.and_then(chrono::DateTime::from_timestamp_millis))
    }

    /// What there is to know about a number before it is dialed.
    pub fn number(&self, phone: Phone) -> Result<Number, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM do_not_call WHERE phone = ?1),
                          EXISTS (SELECT 1 FROM calls WHERE phone = ?1 AND state <> 'ended')";
        let read = |row: &Row| Ok(Number { is_suppressed: row.get(0)?, is_in_call: row.get(1)? });
        Ok(self.connection.prepare_cached(sql)?.query_row([phone.to_string()], read)?)
    }
}

impl Tx<'_> {
    /// Adds leads to a campaign; numbers that are in it already are skipped. All are due at once.
    pub fn insert_leads(&self, campaign_id: i64, leads: &[NewLead]) -> Result<Inserted, StoreError> {
        let sql =
            "INSERT INTO leads (campaign_id, phone, first_name, last_name, email, company_name, time_zone,
                     language, priority, best_time_to_call, variables, notes, tags, next_call_at, created_at,
                     updated_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14, ?14)
                   ON CONFLICT (campaign_id, phone) WHERE deleted_at IS NULL DO NOTHING";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut inserted = Inserted::default();
        let now = ms(self.now);
        for lead in leads {
            let variables =
                if lead.variables.is_empty() { "{}".to_owned() } else { json_text(&lead.variables) };
            let tags = if lead.tags.is_empty() { "[]".to_owned() } else { json_text(&lead.tags) };
            let written = statement.execute(params![
                campaign_id,
                lead.phone.to_string(),
                lead.first_name,
                lead.last_name,
                lead.email,
                lead.company_name,
                lead.time_zone.map_or("", Tz::name),
                lead.language,
                lead.priority,
                lead.best_time_to_call.map(TimeOfDay::seconds),
                variables,
                lead.notes,
                tags,
                now
            ])?;
            if written == 1 {
                inserted.imported += 1;
                inserted.ids.push(self.connection.last_insert_rowid());
            } else {
                inserted.duplicates += 1;
            }
        }
        if inserted.imported > 0 {
            self.count_leads(campaign_id, None, Some(LeadStatus::Pending), inserted.imported)?;
            self.wake_dialer();
        }
        Ok(inserted)
    }

    /// Deletes a lead. One that was dialed stays hidden behind its calls; its number may be added again.
    pub fn delete_lead(&self, id: i64) -> Result<LeadDeletion, StoreError> {
        let Some(lead) = self.lead(id)? else { return Ok(LeadDeletion::NotFound) };
        if lead.status == LeadStatus::InProgress {
            return Ok(LeadDeletion::InProgress);
        }
        if lead.attempts == 0 {
            self.execute("DELETE FROM leads WHERE id = ?1", [id])?;
        } else {
            let sql = "UPDATE leads SET deleted_at = ?2, next_call_at = NULL, wait_reason = NULL, held = NULL WHERE id = ?1";
            self.execute(sql, params![id, ms(self.now)])?;
        }
        self.count_leads(lead.campaign_id, Some(lead.status), None, 1)?;
        self.complete_if_finished(lead.campaign_id)?;
        Ok(LeadDeletion::Deleted)
    }

    /// Moves a lead to a status, with everything that goes with it.
    pub(super) fn move_lead(
        &self,
        lead: &Lead,
        to: LeadStatus,
        next_call_at: Option<Instant>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE leads SET status = ?2, next_call_at = ?3, wait_reason = NULL, held = NULL, updated_at = ?4 WHERE id = ?1";
        self.execute(sql, params![lead.id, to.word(), next_call_at.map(ms), ms(self.now)])?;
        if to != lead.status {
            self.count_leads(lead.campaign_id, Some(lead.status), Some(to), 1)?;
        }
        Ok(())
    }

    /// Puts a lead aside that cannot be dialed before somebody changes something, and says why.
    pub fn hold_lead(&self, lead: &Lead, hold: &Hold) -> Result<(), StoreError> {
        let reason = match &hold.detail {
            Some(detail) => format!("{}:{detail}", hold.reason),
            None => hold.reason.to_string(),
        };
        let sql = "UPDATE leads SET next_call_at = NULL, wait_reason = NULL, held = ?2, updated_at = ?3 WHERE id = ?1";
        self.execute(sql, params![lead.id, reason, ms(self.now)])?;
        Ok(())
    }

    /// Finishes a lead without a call: its number is on the do-not-call list, or its attempts are used up.
    pub fn finish_lead(&self, lead: &Lead, status: LeadStatus) -> Result<(), StoreError> {
        self.move_lead(lead, status, None)?;
        self.complete_if_finished(lead.campaign_id)
    }

    /// Lets a lead wait until its number is free.
    pub fn postpone_lead(&self, lead: &Lead, until: Instant) -> Result<(), StoreError> {
        self.move_lead(lead, lead.status, Some(until))
    }

    /// Puts leads that were set aside back into the queue after their campaign was edited, some at a time;
    /// true when there may be more.
    pub fn release_held_leads(&self, campaign_id: i64, limit: usize) -> Result<bool, StoreError> {
        let sql = "UPDATE leads SET next_call_at = max(?2, created_at), held = NULL WHERE id IN
                     (SELECT id FROM leads WHERE campaign_id = ?1 AND held IS NOT NULL LIMIT ?3)";
        let released = self.execute(sql, params![campaign_id, ms(self.now), limit as i64])?;
        let is_more = released == limit;
        if !is_more {
            self.execute("UPDATE campaigns SET holds_stale = 0 WHERE id = ?1", [campaign_id])?;
        }
        Ok(is_more)
    }
}
