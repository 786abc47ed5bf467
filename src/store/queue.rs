//! The queue of a campaign: which leads are due, who of them comes first, and why the others wait.
//!
//! First call-backs that somebody arranged, then by priority; within a priority those whose preferred time it is, then
//! those that have waited longest. Every question is answered by seeks in an index, however many leads there are.

use super::changes::Change;
use super::leads::{lead_columns, read};
use super::row::{Cells, ms};
use super::{Snapshot, StoreError, Tx};
use crate::domain::Instant;
use crate::domain::fields::Words;
use crate::domain::gate::{Hold, HoldReason};
use crate::domain::holds::{Aside, Group, Waiting};
use crate::domain::lead::{Lead, LeadStatus, PREFERRED_TIMES_MAX, PREFERRED_WITHIN};
use crate::domain::schedule::TimeOfDay;
use chrono::DateTime;
use rusqlite::{Row, params};

/// The reason why a lead was put aside, and what exactly, as one cell holds them.
pub fn read_held(cell: &str) -> Option<(HoldReason, Option<String>)> {
    let (word, detail) = match cell.split_once(':') {
        Some((word, detail)) => (word, Some(detail.to_owned())),
        None => (cell, None),
    };
    HoldReason::from_word(word).map(|reason| (reason, detail))
}

impl Snapshot<'_> {
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
            lead_columns!(),
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

    /// The call-backs of one zone that are due, the earliest first.
    pub fn call_backs_due(
        &self,
        campaign_id: i64,
        zone: &str,
        limit: usize,
    ) -> Result<Vec<Lead>, StoreError> {
        let sql = concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads l WHERE l.campaign_id = ?1 AND l.wait_reason = 'call_back' AND l.time_zone = ?2
             AND l.next_call_at <= ?3 ORDER BY l.next_call_at, l.id LIMIT ?4"
        );
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![campaign_id, zone, ms(self.now), limit as i64], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The leads of one zone that are due and best reached about `local`, the time that its clocks show.
    pub fn preferred_due(
        &self,
        campaign_id: i64,
        zone: &str,
        local: TimeOfDay,
        limit: usize,
    ) -> Result<Vec<Lead>, StoreError> {
        let any =
            "SELECT 1 FROM leads WHERE campaign_id = ?1 AND time_zone = ?2 AND best_time_to_call IS NOT NULL
                     AND next_call_at IS NOT NULL";
        if !self.connection.prepare_cached(any)?.exists(params![campaign_id, zone])? {
            return Ok(Vec::new());
        }
        // Few different times are named by many leads, so one seek finds the next time that anybody names.
        let times = "SELECT min(best_time_to_call) FROM leads
                     WHERE campaign_id = ?1 AND time_zone = ?2 AND priority = ?3 AND next_call_at IS NOT NULL
                       AND best_time_to_call BETWEEN ?4 AND ?5";
        let sql = concat!(
            "SELECT ",
            lead_columns!(),
            " FROM leads l WHERE l.campaign_id = ?1 AND l.time_zone = ?2 AND l.priority = ?3
             AND l.best_time_to_call = ?4 AND l.next_call_at <= ?5 ORDER BY l.next_call_at, l.id LIMIT ?6"
        );
        let (mut times, mut of_time) =
            (self.connection.prepare_cached(times)?, self.connection.prepare_cached(sql)?);
        let (mut found, mut looks) = (Vec::new(), 0);
        for priority in (1..=5).rev() {
            for (mut from, to) in local.around(PREFERRED_WITHIN) {
                while looks < PREFERRED_TIMES_MAX && found.len() < limit {
                    looks += 1;
                    let next = params![campaign_id, zone, priority, from, to];
                    let Some(time) = times.query_row(next, |row| row.get::<_, Option<u32>>(0))? else {
                        break;
                    };
                    let left = (limit - found.len()) as i64;
                    let due = params![campaign_id, zone, priority, time, ms(self.now), left];
                    for lead in of_time.query_map(due, read)? {
                        found.push(lead?);
                    }
                    from = time + 1;
                }
            }
        }
        Ok(found)
    }

    /// Why the leads of a campaign wait, counted. Goes through the indices of all of them, which takes a while.
    pub fn waiting(&self, campaign_id: i64) -> Result<Waiting, StoreError> {
        let held = "SELECT held, count(*) FROM leads WHERE campaign_id = ?1 AND held IS NOT NULL
                    GROUP BY held ORDER BY 2 DESC";
        let mut held = self.connection.prepare_cached(held)?;
        let held = held.query_map([campaign_id], |row| {
            let mut cells = Cells::of(row);
            let (reason, detail) = cells.text(read_held)?;
            Ok(Aside { reason, detail, leads: cells.get()? })
        })?;
        let all = "SELECT time_zone, next_call_at <= ?2, count(*), min(next_call_at) FROM leads
                   WHERE campaign_id = ?1 AND next_call_at IS NOT NULL GROUP BY 1, 2";
        let with_reason =
            "SELECT time_zone, next_call_at <= ?2, count(*), min(next_call_at), wait_reason FROM leads
                           WHERE campaign_id = ?1 AND wait_reason IS NOT NULL GROUP BY 5, 1, 2";
        let now = ms(self.now);
        let read = |row: &Row, has_reason: bool| {
            let mut cells = Cells::of(row);
            let zone: String = cells.get()?;
            Ok(Group {
                zone: zone.parse().ok(),
                is_due: cells.get()?,
                leads: cells.get()?,
                first_at: cells.instant()?,
                reason: if has_reason { Some(cells.word()?) } else { None },
            })
        };
        let mut all = self.connection.prepare_cached(all)?;
        let all = all.query_map(params![campaign_id, now], |row| read(row, false))?;
        let mut with_reason = self.connection.prepare_cached(with_reason)?;
        let with_reason = with_reason.query_map(params![campaign_id, now], |row| read(row, true))?;
        Ok(Waiting {
            aside: held.collect::<Result<_, _>>()?,
            all: all.collect::<Result<_, _>>()?,
            with_reason: with_reason.collect::<Result<_, _>>()?,
        })
    }

    /// When a lead may be dialed again that somebody puts back into the queue: now, or once the delay after its last call
    /// is over.
    pub(super) fn again_at(&self, lead_id: i64) -> Result<Instant, StoreError> {
        let sql = "SELECT max(ended_at + retry_delay) FROM calls WHERE lead_id = ?1";
        let at: Option<i64> = self.connection.prepare_cached(sql)?.query_row([lead_id], |row| row.get(0))?;
        Ok(at.and_then(DateTime::from_timestamp_millis).map_or(self.now, |at| at.max(self.now)))
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
        Ok(first.and_then(DateTime::from_timestamp_millis))
    }
}

impl Tx<'_> {
    /// Puts a lead aside that cannot be dialed before somebody changes something, and says why.
    pub fn hold_lead(&self, lead: &Lead, hold: &Hold) -> Result<(), StoreError> {
        let reason = match &hold.detail {
            Some(detail) => format!("{}:{detail}", hold.reason),
            None => hold.reason.to_string(),
        };
        let sql = "UPDATE leads SET next_call_at = NULL, wait_reason = NULL, held = ?2, updated_at = ?3 WHERE id = ?1";
        self.execute(sql, params![lead.id, reason, ms(self.now)])?;
        self.touch(Change::Lead(lead.id));
        Ok(())
    }

    /// Finishes a lead without a call: its number is on the do-not-call list, or its attempts are used up.
    pub fn finish_lead(&self, lead: &Lead, status: LeadStatus) -> Result<(), StoreError> {
        self.move_lead(lead, status, None)?;
        self.complete_if_finished(lead.campaign_id)
    }

    /// Lets a lead wait, for a reason that passes by itself. A call-back stays one.
    pub fn postpone_lead(&self, lead: &Lead, until: Instant, reason: HoldReason) -> Result<(), StoreError> {
        let is_call_back = lead.wait_reason == Some(HoldReason::CallBack);
        let reason = if is_call_back { HoldReason::CallBack } else { reason };
        let sql = "UPDATE leads SET next_call_at = ?2, wait_reason = ?3, updated_at = ?4 WHERE id = ?1";
        self.execute(sql, params![lead.id, ms(until), reason.word(), ms(self.now)])?;
        self.touch(Change::Lead(lead.id));
        Ok(())
    }

    /// Puts leads that were set aside back into the queue after their campaign was edited, some at a time;
    /// true when there may be more.
    pub fn release_held_leads(&self, campaign_id: i64, limit: usize) -> Result<bool, StoreError> {
        let sql = "UPDATE leads SET held = NULL, next_call_at = max(?2, created_at, coalesce(
                     (SELECT max(ended_at + retry_delay) FROM calls WHERE lead_id = leads.id), 0))
                   WHERE id IN (SELECT id FROM leads WHERE campaign_id = ?1 AND held IS NOT NULL LIMIT ?3)";
        let released = self.execute(sql, params![campaign_id, ms(self.now), limit as i64])?;
        self.touch(Change::Leads(campaign_id));
        let is_more = released == limit;
        if !is_more {
            self.execute("UPDATE campaigns SET holds_stale = 0 WHERE id = ?1", [campaign_id])?;
        }
        Ok(is_more)
    }
}
