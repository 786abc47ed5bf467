//! The end of other retention times: events, what was sent in imports, and what happened during calls. Counters stay.
//! Each kind goes from its oldest row on, so that what is kept is without gaps; how far it has come is a fact.

use super::erasure::{IMPORTS_FOLDER, files_in, import_of};
use super::row::{json_text, ms};
use super::{Store, StoreError, Tx};
use crate::domain::Instant;
use crate::domain::erasure::forget_samples;
use chrono::TimeDelta;
use rusqlite::params;

/// Rows of one transaction, so that nobody else waits long.
const ROWS_MAX: i64 = 2_000;
/// Reports of one transaction; each may be large.
const REPORTS_MAX: i64 = 50;

/// The facts up to which event, import and call, by id, the pruner has come.
const EVENTS: &str = "events_pruned_to";
const IMPORTS: &str = "imports_pruned_to";
const CALLS: &str = "calls_pruned_to";
const OTHER_CALLS: &str = "other_calls_pruned_to";

impl Tx<'_> {
    /// Removes some of the events that were written longer ago than `retention`, up to the first that is still to be
    /// delivered; true while there may be more.
    pub fn prune_events(&self, retention: TimeDelta) -> Result<bool, StoreError> {
        let sql = "SELECT v.id, CASE WHEN NOT EXISTS
                     (SELECT 1 FROM deliveries d WHERE d.event_id = v.id AND d.state = 'pending') THEN v.created_at END
                   FROM events v WHERE v.id > ?1 ORDER BY v.id LIMIT ?2";
        let Some((last, is_more)) = self.old_rows(sql, 0, ROWS_MAX, retention)? else { return Ok(false) };
        self.execute("DELETE FROM events WHERE id <= ?1", [last])?;
        self.set_fact(EVENTS, &last.to_string())?;
        Ok(is_more)
    }

    /// Takes what was sent out of some of the reports of imports that ended longer ago than `retention`; true while
    /// there may be more.
    pub fn prune_import_reports(&self, retention: TimeDelta) -> Result<bool, StoreError> {
        let first = self.pruned_to(IMPORTS)?;
        let sql = "SELECT id, finished_at FROM imports WHERE id > ?1 ORDER BY id LIMIT ?2";
        let Some((last, is_more)) = self.old_rows(sql, first, REPORTS_MAX, retention)? else {
            return Ok(false);
        };
        let sql = "SELECT id, report FROM imports WHERE id > ?1 AND id <= ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([first, last], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (id, report) in rows.collect::<Result<Vec<(i64, String)>, _>>()? {
            let Ok(mut report) = serde_json::from_str(&report) else { continue };
            forget_samples(&mut report);
            self.execute("UPDATE imports SET report = ?2 WHERE id = ?1", params![id, json_text(&report)])?;
        }
        self.set_fact(IMPORTS, &last.to_string())?;
        Ok(is_more)
    }

    /// Empties timeline, transcript and evidence of some of the calls that ended longer ago than `retention`; true while there may
    /// be more.
    pub fn prune_call_details(&self, retention: TimeDelta) -> Result<bool, StoreError> {
        if self.prune_other_calls(retention)? || self.prune_tries(retention)? {
            return Ok(true);
        }
        let first = self.pruned_to(CALLS)?;
        let sql = "SELECT id, ended_at FROM calls WHERE id > ?1 ORDER BY id LIMIT ?2";
        let Some((last, is_more)) = self.old_rows(sql, first, ROWS_MAX, retention)? else { return Ok(false) };
        let sql = "UPDATE calls SET timeline = '[]', evidence = '{}', transcript = '[]', conversation = NULL
                   WHERE id > ?1 AND id <= ?2";
        self.execute(sql, [first, last])?;
        self.set_fact(CALLS, &last.to_string())?;
        Ok(is_more)
    }

    fn prune_tries(&self, retention: TimeDelta) -> Result<bool, StoreError> {
        let sql = "DELETE FROM tries WHERE id IN (SELECT id FROM tries WHERE updated_at < ?1 AND state <> 'running' LIMIT ?2)";
        let before = self.now.checked_sub_signed(retention).unwrap_or(Instant::MIN_UTC);
        Ok(self.execute(sql, params![ms(before), ROWS_MAX])? > 0)
    }

    fn prune_other_calls(&self, retention: TimeDelta) -> Result<bool, StoreError> {
        let first = self.pruned_to(OTHER_CALLS)?;
        let sql = "SELECT id, ended_at FROM other_calls WHERE id > ?1 ORDER BY id LIMIT ?2";
        let Some((last, is_more)) = self.old_rows(sql, first, ROWS_MAX, retention)? else { return Ok(false) };
        let sql =
            "UPDATE other_calls SET timeline = '[]', variables = '{}', transcript = '[]', conversation = NULL
                   WHERE id > ?1 AND id <= ?2";
        self.execute(sql, [first, last])?;
        self.set_fact(OTHER_CALLS, &last.to_string())?;
        Ok(is_more)
    }

    fn pruned_to(&self, fact: &str) -> Result<i64, StoreError> {
        Ok(self.fact_if_any(fact)?.and_then(|id| id.parse().ok()).unwrap_or(0))
    }

    /// The last of the rows after `first`, in their order, before one that is not over for so long; and whether there
    /// may be more.
    fn old_rows(
        &self,
        sql: &str,
        first: i64,
        limit: i64,
        retention: TimeDelta,
    ) -> Result<Option<(i64, bool)>, StoreError> {
        let before = ms(self.now - retention);
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([first, limit])?;
        let (mut last, mut count) = (None, 0);
        while let Some(row) = rows.next()? {
            let at: Option<i64> = row.get(1)?;
            if at.is_none_or(|at| at > before) {
                break;
            }
            last = Some(row.get(0)?);
            count += 1;
        }
        Ok(last.map(|last| (last, count == limit)))
    }
}

impl Store {
    /// Removes the files of imports whose reports have forgotten what was sent.
    pub async fn remove_pruned_files(&self) -> Result<(), StoreError> {
        let pruned_to = self.read(|snapshot| snapshot.fact_if_any(IMPORTS)).await?;
        let Some(pruned_to) = pruned_to.and_then(|id| id.parse::<i64>().ok()) else { return Ok(()) };
        let folder = self.folder().join(IMPORTS_FOLDER);
        let remove = move || {
            for path in files_in(&folder)? {
                if import_of(&path).is_some_and(|id| id <= pruned_to) {
                    std::fs::remove_file(path)?;
                }
            }
            Ok::<(), std::io::Error>(())
        };
        let removed = tokio::task::spawn_blocking(remove).await;
        let removed = removed.map_err(|panic| StoreError::Failed(panic.to_string()))?;
        removed.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}
