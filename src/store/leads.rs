//! Leads: who is to be reached.

use super::changes::Change;
use super::row::{Cells, json_text, ms};
use super::{Snapshot, StoreError, Tx};
use crate::domain::Instant;
use crate::domain::campaign::Campaign;
use crate::domain::fields::Words;
use crate::domain::gate::HoldReason;
use crate::domain::lead::{Lead, LeadStatus, NewLead};
use crate::domain::outcome::Outcome;
use crate::domain::phone::Phone;
use crate::domain::schedule::TimeOfDay;
use chrono_tz::Tz;
use rusqlite::{OptionalExtension, Row, params};

/// New leads that are told of one by one; of more it is told that there are many.
const NAMED_MAX: usize = 20;

/// Which leads a list shows, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only those that were put aside or wait for this reason.
    pub hold: Option<HoldReason>,
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

/// What became of a change of a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadEdit {
    /// It is as it was asked for.
    Edited,
    /// It is being called.
    InProgress,
    /// It was dialed, so its number stays: the record of its calls belongs to that number.
    WasDialed,
    /// Another lead of the campaign, this one, has the number.
    Duplicate(i64),
}

macro_rules! lead_columns {
    () => {
        "l.id, l.campaign_id, l.phone, l.first_name, l.last_name, l.email, l.company_name, l.time_zone, l.language,
         l.priority, l.best_time_to_call, l.variables, l.notes, l.tags, l.status, l.outcome, l.attempts,
         l.next_call_at, l.wait_reason, l.held, l.import_id, l.erased_at, l.created_at, l.updated_at"
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

/// A page of leads with any of the statuses: one seek each in the index of statuses, merged by id.
macro_rules! page_of_ids {
    ($status:literal) => {
        concat!(
            "SELECT * FROM (SELECT id FROM leads WHERE campaign_id = ?1 AND status = '", $status,
            "' AND deleted_at IS NULL AND id > ?2 AND (?3 IS NULL OR status = ?3) AND (?4 IS NULL OR outcome = ?4)
               AND (?5 IS NULL OR instr(lower(phone || char(10) || coalesce(first_name || ' ', '')
                   || coalesce(last_name, '') || char(10) || coalesce(email, '') || char(10)
                   || coalesce(company_name, '')), lower(?5)) > 0)
               AND (?6 IS NULL OR import_id = ?6)
               AND (?8 IS NULL OR EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?8))
               AND (?9 IS NULL OR wait_reason = ?9 OR held = ?9 OR held LIKE ?9 || ':%') ORDER BY id LIMIT ?7)"
        )
    };
}

pub(super) use {lead_columns, page, page_of_ids};

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
        wait_reason: c.parse_optional(|word: String| Words::from_word(&word))?,
        held: c.get()?,
        import_id: c.get()?,
        erased_at: c.instant_optional()?,
        created_at: c.instant()?,
        updated_at: c.instant()?,
    })
}

impl Snapshot<'_> {
    /// A lead that was not deleted, of a campaign that was not.
    pub fn lead(&self, id: i64) -> Result<Option<Lead>, StoreError> {
        let sql = concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads l JOIN campaigns c ON c.id = l.campaign_id
             WHERE l.id = ?1 AND l.deleted_at IS NULL AND c.deleted_at IS NULL"
        );
        Ok(self.connection.prepare_cached(sql)?.query_row([id], read).optional()?)
    }

    /// A lead, deleted or not; a call that is alive is settled all the same.
    pub(super) fn lead_even_deleted(&self, id: i64) -> Result<Lead, StoreError> {
        let sql = concat!("SELECT ", lead_columns!(), " FROM leads l WHERE l.id = ?1");
        Ok(self.connection.prepare_cached(sql)?.query_row([id], read)?)
    }

    /// The lead of a campaign with this number.
    pub fn lead_with_phone(&self, campaign_id: i64, phone: Phone) -> Result<Option<Lead>, StoreError> {
        let sql = concat!(
            "SELECT ",
            lead_columns!(),
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
        Ok(self.leads_within(filter, usize::MAX)?.0)
    }

    /// The same, ended before their variables are more than so many bytes, but for those of the first; true where it was.
    pub fn leads_within(
        &self,
        filter: &LeadFilter,
        bytes_max: usize,
    ) -> Result<(Vec<Lead>, bool), StoreError> {
        let (mut leads, mut bytes, mut is_cut) = (Vec::new(), 0, false);
        self.each_lead(page!(lead_columns!()), filter, |row| {
            bytes += row.get_ref("variables")?.as_bytes().map_or(0, <[u8]>::len);
            is_cut = bytes > bytes_max && !leads.is_empty();
            if !is_cut {
                leads.push(read(row)?);
            }
            Ok::<_, StoreError>(!is_cut)
        })?;
        Ok((leads, is_cut))
    }

    /// Hands the rows of a page to `each`, which says whether it wants another; `sql` is of [`page`].
    pub(super) fn each_lead<E: From<StoreError>>(
        &self,
        sql: &str,
        filter: &LeadFilter,
        mut each: impl FnMut(&Row) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut statement = self.connection.prepare_cached(sql).map_err(StoreError::from)?;
        let rows = statement.query(params![
            filter.campaign_id,
            filter.after.unwrap_or(0),
            filter.status.map(Words::word),
            filter.outcome.map(Words::word),
            filter.search,
            filter.import_id,
            filter.limit as i64,
            filter.tag,
            filter.hold.map(Words::word)
        ]);
        let mut rows = rows.map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            if !each(row)? {
                break;
            }
        }
        Ok(())
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
        match inserted.ids.as_slice() {
            few if few.len() <= NAMED_MAX => few.iter().for_each(|id| self.touch(Change::Lead(*id))),
            _ => self.touch(Change::Leads(campaign_id)),
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
        self.touch(Change::Lead(id));
        self.count_leads(lead.campaign_id, Some(lead.status), None, 1)?;
        self.complete_if_finished(lead.campaign_id)?;
        Ok(LeadDeletion::Deleted)
    }

    /// Writes what is changed about a lead, and puts it back into the queue if it was put aside. One that is being
    /// called stays as it is.
    pub fn edit_lead(&self, lead: &Lead, about: &NewLead) -> Result<LeadEdit, StoreError> {
        if lead.status == LeadStatus::InProgress {
            return Ok(LeadEdit::InProgress);
        }
        if about.phone != lead.about.phone {
            if lead.attempts > 0 {
                return Ok(LeadEdit::WasDialed);
            }
            if let Some(other) = self.lead_with_phone(lead.campaign_id, about.phone)? {
                return Ok(LeadEdit::Duplicate(other.id));
            }
        }
        if *about == lead.about {
            return Ok(LeadEdit::Edited);
        }
        let sql =
            "UPDATE leads SET phone = ?2, first_name = ?3, last_name = ?4, email = ?5, company_name = ?6,
                     time_zone = ?7, language = ?8, priority = ?9, best_time_to_call = ?10, variables = ?11,
                     notes = ?12, tags = ?13, updated_at = ?14,
                     next_call_at = CASE WHEN held IS NULL THEN next_call_at ELSE ?15 END, held = NULL
                   WHERE id = ?1";
        let again_at = self.again_at(lead.id)?;
        self.execute(
            sql,
            params![
                lead.id,
                about.phone.to_string(),
                about.first_name,
                about.last_name,
                about.email,
                about.company_name,
                about.time_zone.map_or("", Tz::name),
                about.language,
                about.priority,
                about.best_time_to_call.map(TimeOfDay::seconds),
                json_text(&about.variables),
                about.notes,
                json_text(&about.tags),
                ms(self.now),
                ms(again_at),
            ],
        )?;
        self.touch(Change::Lead(lead.id));
        self.wake_dialer();
        Ok(LeadEdit::Edited)
    }

    /// Has a lead called back at an instant, within the hours; or says why it may not be called.
    pub fn arrange_call_back(
        &self,
        campaign: &Campaign,
        lead: &Lead,
        at: Instant,
    ) -> Result<Result<(), HoldReason>, StoreError> {
        let is_suppressed = self.is_suppressed(lead.about.phone)?;
        let allowed = lead.may_be_called_back(campaign.settings.max_attempts_per_lead, is_suppressed);
        if allowed.is_ok() {
            self.queue_lead(lead, at)?;
            let sql = "UPDATE leads SET wait_reason = ?2 WHERE id = ?1";
            self.execute(sql, params![lead.id, HoldReason::CallBack.word()])?;
        }
        Ok(allowed)
    }

    /// Puts a lead back into the queue, due at an instant.
    pub(super) fn queue_lead(&self, lead: &Lead, at: Instant) -> Result<(), StoreError> {
        self.move_lead(lead, LeadStatus::Scheduled, Some(at))?;
        self.wake_dialer();
        Ok(())
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
        self.touch(Change::Lead(lead.id));
        if to != lead.status {
            self.count_leads(lead.campaign_id, Some(lead.status), Some(to), 1)?;
        }
        Ok(())
    }
}
