//! Many leads changed in small transactions, one batch by id after the other, so that nobody else waits long. Each
//! batch says where the next one begins.

use super::leads::{lead_columns, read};
use super::row::json_text;
use super::{LeadEdit, LeadFilter, StoreError, Tx};
use crate::domain::campaign::Campaign;
use crate::domain::duplicate::Along;
use crate::domain::fields::Words;
use crate::domain::lead::{Lead, LeadChange, LeadStatus};
use crate::domain::outcome::Outcome;
use rusqlite::params;
use serde::Serialize;
use std::ops::AddAssign;

/// What became of leads that were to be called again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Retried {
    /// Finished leads whose last call ended so.
    pub matched: i64,
    /// Those that are in the queue again.
    pub queued: i64,
    /// Those that have had all their attempts.
    pub attempts_used_up: i64,
    /// Those whose number may not be called.
    pub do_not_call: i64,
}

impl AddAssign for Retried {
    fn add_assign(&mut self, part: Retried) {
        self.matched += part.matched;
        self.queued += part.queued;
        self.attempts_used_up += part.attempts_used_up;
        self.do_not_call += part.do_not_call;
    }
}

/// What became of leads that were to be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BatchChanged {
    /// Leads that the filter names.
    pub matched: i64,
    /// Those that are as it was asked for.
    pub changed: i64,
    /// Those that are being called, which stay as they are.
    pub in_progress: i64,
    /// Those that were to be canceled and are finished already, those that have no room for another tag, and people who
    /// were erased.
    pub skipped: i64,
}

impl AddAssign for BatchChanged {
    fn add_assign(&mut self, part: BatchChanged) {
        self.matched += part.matched;
        self.changed += part.changed;
        self.in_progress += part.in_progress;
        self.skipped += part.skipped;
    }
}

/// Where the next batch begins; none after the last.
type Next = Option<i64>;

fn next(batch: &[Lead], limit: usize) -> Next {
    batch.last().filter(|_| batch.len() == limit).map(|lead| lead.id)
}

impl Tx<'_> {
    /// Puts finished leads back into the queue whose last call ended in one of these ways, no sooner than their retry
    /// delay allows.
    pub fn retry_leads(
        &self,
        campaign: &Campaign,
        status: LeadStatus,
        outcomes: &[Outcome],
        after: i64,
        limit: usize,
    ) -> Result<(Retried, Next), StoreError> {
        let sql = concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads l WHERE l.campaign_id = ?1 AND l.status = ?2 AND l.deleted_at IS NULL AND l.id > ?3
             AND l.erased_at IS NULL AND l.outcome IN (SELECT value FROM json_each(?4)) ORDER BY l.id LIMIT ?5"
        );
        let outcomes = json_text(outcomes);
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement
            .query_map(params![campaign.id, status.word(), after, outcomes, limit as i64], read)?
            .collect::<Result<Vec<Lead>, _>>()?;
        let mut part = Retried { matched: rows.len() as i64, ..Retried::default() };
        for lead in &rows {
            if self.is_suppressed(lead.about.phone)? {
                part.do_not_call += 1;
            } else if lead.attempts >= campaign.settings.max_attempts_per_lead {
                part.attempts_used_up += 1;
            } else {
                self.queue_lead(lead, self.again_at(lead.id)?)?;
                part.queued += 1;
            }
        }
        Ok((part, next(&rows, limit)))
    }

    /// Copies leads of one campaign into another, as if they had just been added there: those that come along, and whose
    /// numbers may be called.
    pub fn copy_leads(
        &self,
        from: i64,
        to: i64,
        along: Along,
        after: i64,
        limit: usize,
    ) -> Result<Next, StoreError> {
        let sql = concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads l WHERE l.campaign_id = ?1 AND l.id > ?2 AND l.deleted_at IS NULL
                AND NOT EXISTS (SELECT 1 FROM imports i WHERE i.id = l.import_id AND i.state = 'undone')
              ORDER BY l.id LIMIT ?3"
        );
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement
            .query_map(params![from, after, limit as i64], read)?
            .collect::<Result<Vec<Lead>, _>>()?;
        let mut copies = Vec::new();
        for lead in rows.iter().filter(|lead| along.takes(lead)) {
            if !self.is_suppressed(lead.about.phone)? {
                copies.push(lead.about.clone());
            }
        }
        self.insert_leads(to, &copies)?;
        Ok(next(&rows, limit))
    }

    /// Takes a lead out of its queue; false where it is finished already.
    fn cancel_waiting(&self, lead: &Lead) -> Result<bool, StoreError> {
        match lead.status {
            LeadStatus::Pending | LeadStatus::Scheduled => {
                self.move_lead(lead, LeadStatus::Canceled, None)?;
                Ok(true)
            }
            LeadStatus::Canceled => Ok(true),
            LeadStatus::InProgress | LeadStatus::Completed | LeadStatus::Failed | LeadStatus::DoNotCall => {
                Ok(false)
            }
        }
    }

    /// Changes the leads of one page of a filter.
    pub fn change_leads(
        &self,
        filter: &LeadFilter,
        change: &LeadChange,
    ) -> Result<(BatchChanged, Next), StoreError> {
        let rows = self.leads(filter)?;
        let mut part = BatchChanged { matched: rows.len() as i64, ..BatchChanged::default() };
        for lead in &rows {
            if lead.erased_at.is_some() {
                part.skipped += 1;
                continue;
            }
            let about = change.applied(&lead.about);
            match self.edit_lead(lead, &about)? {
                LeadEdit::InProgress => part.in_progress += 1,
                LeadEdit::Edited => {
                    let is_as_asked = !change.cancel || self.cancel_waiting(lead)?;
                    let count = match is_as_asked && change.has_all_tags(&about) {
                        true => &mut part.changed,
                        false => &mut part.skipped,
                    };
                    *count += 1;
                }
                LeadEdit::WasDialed | LeadEdit::Duplicate(_) => {
                    return Err(StoreError::Failed(format!(
                        "a batch would change the number of lead {}",
                        lead.id
                    )));
                }
            }
        }
        if change.cancel {
            self.complete_if_finished(filter.campaign_id)?;
        }
        Ok((part, next(&rows, filter.limit)))
    }
}
