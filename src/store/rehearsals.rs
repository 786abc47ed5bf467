//! Rehearsals that were asked for, and what came of them.

use super::row::{Cells, json_text, ms};
use super::{Snapshot, Store, StoreError, Tx};
use crate::domain::fields::Words;
use crate::domain::rehearsal::{Rehearsal, Status};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

/// Rehearsals of one campaign that are kept.
const KEPT_MAX: i64 = 50;

macro_rules! columns {
    ($rest:literal) => {
        concat!(
            "SELECT id, campaign_id, made_at, made_by, settings, status, progress, result, error FROM rehearsals ",
            $rest
        )
    };
}

fn read(row: &Row) -> rusqlite::Result<Rehearsal> {
    let mut cells = Cells::of(row);
    let c = &mut cells;
    Ok(Rehearsal {
        id: c.get()?,
        campaign_id: c.get()?,
        made_at: c.instant()?,
        made_by: c.get()?,
        settings: c.json()?,
        status: c.word()?,
        progress: c.get()?,
        result: c.parse_optional(|text: String| serde_json::from_str(&text).ok())?,
        error: c.get()?,
    })
}

impl Store {
    /// Says that one is wanted, or not wanted any more.
    pub fn rehearsals_changed(&self) {
        self.0.rehearsals.notify_one();
    }

    /// Ends when somebody has said so.
    pub async fn rehearsal_change(&self) {
        self.0.rehearsals.notified().await;
    }
}

impl Snapshot<'_> {
    /// The rehearsals of a campaign, newest first.
    pub fn rehearsals(&self, campaign_id: i64) -> Result<Vec<Rehearsal>, StoreError> {
        let sql = columns!("WHERE campaign_id = ?1 ORDER BY id DESC");
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_map([campaign_id], read)?.collect::<Result<_, _>>()?)
    }

    /// One of them.
    pub fn rehearsal(&self, campaign_id: i64, id: i64) -> Result<Option<Rehearsal>, StoreError> {
        let sql = columns!("WHERE id = ?2 AND campaign_id = ?1");
        Ok(self.connection.prepare_cached(sql)?.query_row([campaign_id, id], read).optional()?)
    }

    /// The one whose turn it is.
    pub fn next_rehearsal(&self) -> Result<Option<Rehearsal>, StoreError> {
        let sql = columns!("WHERE status IN ('queued', 'running') AND status = 'queued' ORDER BY id LIMIT 1");
        Ok(self.connection.prepare_cached(sql)?.query_row([], read).optional()?)
    }
}

impl Tx<'_> {
    /// Writes down that a rehearsal is wanted; the oldest that are over make room for it. None when as many wait as are
    /// kept.
    pub fn insert_rehearsal(
        &self,
        campaign_id: i64,
        settings: &Value,
        by: &str,
    ) -> Result<Option<i64>, StoreError> {
        let sql = "DELETE FROM rehearsals WHERE id IN (SELECT id FROM rehearsals
                     WHERE campaign_id = ?1 AND status NOT IN ('queued', 'running')
                     ORDER BY id LIMIT max(0, (SELECT count(*) FROM rehearsals WHERE campaign_id = ?1) + 1 - ?2))";
        self.execute(sql, params![campaign_id, KEPT_MAX])?;
        let sql = "INSERT INTO rehearsals (campaign_id, made_at, made_by, settings)
                   SELECT ?1, ?2, ?3, ?4 WHERE (SELECT count(*) FROM rehearsals WHERE campaign_id = ?1) < ?5";
        let made =
            self.execute(sql, params![campaign_id, ms(self.now), by, json_text(settings), KEPT_MAX])?;
        Ok((made == 1).then(|| self.connection.last_insert_rowid()))
    }

    /// Begins one that waits; false when nobody wants it any more.
    pub fn begin_rehearsal(&self, id: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE rehearsals SET status = 'running' WHERE id = ?1 AND status = 'queued'";
        Ok(self.execute(sql, [id])? == 1)
    }

    /// Writes down how far one has come; false when nobody wants it any more.
    pub fn rehearsal_progress(&self, id: i64, progress: f64) -> Result<bool, StoreError> {
        let sql = "UPDATE rehearsals SET progress = max(progress, ?2) WHERE id = ?1 AND status = 'running'";
        Ok(self.execute(sql, params![id, progress])? == 1)
    }

    /// Writes down what came of one that is running, or why nothing did.
    pub fn end_rehearsal(&self, id: i64, result: Result<&Value, &str>) -> Result<(), StoreError> {
        let (status, progress, result, error) = match result {
            Ok(result) => (Status::Done, Some(1.0), Some(json_text(result)), None),
            Err(error) => (Status::Failed, None, None, Some(error)),
        };
        let sql =
            "UPDATE rehearsals SET status = ?2, progress = coalesce(?3, progress), result = ?4, error = ?5
                   WHERE id = ?1 AND status = 'running'";
        self.execute(sql, params![id, status.word(), progress, result, error])?;
        Ok(())
    }

    /// Cancels one that waits or runs; false when there is no such one.
    pub fn cancel_rehearsal(&self, id: i64) -> Result<bool, StoreError> {
        let sql =
            "UPDATE rehearsals SET status = 'canceled' WHERE id = ?1 AND status IN ('queued', 'running')";
        Ok(self.execute(sql, [id])? == 1)
    }

    /// Deletes one.
    pub fn delete_rehearsal(&self, id: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM rehearsals WHERE id = ?1", [id])?;
        Ok(())
    }

    /// Those that were running when the server stopped will have no result.
    pub fn fail_lost_rehearsals(&self) -> Result<usize, StoreError> {
        let sql = "UPDATE rehearsals SET status = 'failed', error = ?1 WHERE status = 'running'";
        self.execute(sql, ["The server stopped while it was played; ask for it again"])
    }
}
