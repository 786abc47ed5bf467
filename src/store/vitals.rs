//! Signs of life: which workers went round when, what was committed and how fast, and what that led to. Counted in
//! memory since the start, for whoever watches the server.

use super::{Store, StoreError};
use crate::domain::fields::Words;
use crate::domain::outcome::Outcome;
use crate::meter::{Counted, Durations};
use crate::words;
use chrono::TimeDelta;
use rusqlite::params;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

words! {
    /// Who works by itself, round after round.
    pub enum Worker {
        /// Places calls.
        Dialer = "dialer",
        /// Delivers events.
        Webhooks = "webhooks",
        /// Removes what is over its time.
        Housekeeping = "housekeeping",
    }
}

impl Worker {
    /// How long a round takes at most, when nothing is wrong.
    pub fn patience(self) -> Duration {
        match self {
            Worker::Dialer | Worker::Webhooks => Duration::from_secs(30),
            Worker::Housekeeping => Duration::from_secs(30 * 60),
        }
    }
}

/// What is counted in memory.
#[derive(Debug, Default)]
pub(super) struct Vitals {
    /// When each worker began its last round: milliseconds since the start plus one; 0 for never, [`FALLEN`] after a failure.
    beats: [AtomicU64; 3],
    is_stopping: AtomicBool,
    pub(super) commits: Durations,
    placed: AtomicU64,
    ended: [AtomicU64; OUTCOMES],
}

/// Stands for a worker that has failed since.
const FALLEN: u64 = u64::MAX;
const OUTCOMES: usize = 17;

/// What a transaction did that is counted once it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    Placed,
    Ended(Outcome),
}

impl Vitals {
    /// After the commit.
    pub(super) fn count(&self, happened: impl IntoIterator<Item = Happened>) {
        for happened in happened {
            let counter = match happened {
                Happened::Placed => &self.placed,
                Happened::Ended(outcome) => &self.ended[outcome as usize],
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What was counted since the start.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Dials.
    pub placed: u64,
    /// Calls that ended, by how.
    pub ended: Vec<(Outcome, u64)>,
    /// How long commits took.
    pub commits: Counted,
    /// Transactions that wait for the writer.
    pub writer_queue: usize,
}

/// What stands in the file at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls alive.
    pub live_calls: i64,
    /// Leads of active campaigns whose time has come.
    pub leads_due: i64,
    /// Deliveries on their way.
    pub deliveries_pending: i64,
    /// For how long the one that is due longest has been due, in milliseconds.
    pub delivery_lag_ms: i64,
    /// Whether somebody stopped all dialing.
    pub is_stopped: bool,
    /// Whether nothing is dialed before somebody has looked.
    pub is_waking_up: bool,
}

/// Size of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSizes {
    /// Of the database.
    pub database: u64,
    /// Of its write-ahead log.
    pub log: u64,
}

impl Store {
    /// A worker begins a round.
    pub fn beat(&self, worker: Worker) {
        let at = u64::try_from(self.0.clock.monotonic().as_millis()).unwrap_or(FALLEN - 2);
        self.0.vitals.beats[worker as usize].store(at + 1, Ordering::Relaxed);
    }

    /// A worker has failed, and lives again when it begins its next round.
    pub fn fell(&self, worker: Worker) {
        self.0.vitals.beats[worker as usize].store(FALLEN, Ordering::Relaxed);
    }

    /// Whether a worker has failed and does not live again yet.
    pub fn is_fallen(&self, worker: Worker) -> bool {
        self.0.vitals.beats[worker as usize].load(Ordering::Relaxed) == FALLEN
    }

    /// How long ago a worker began its last round; none if it never did, or has failed since.
    pub fn since_beat(&self, worker: Worker) -> Option<Duration> {
        let at = self.0.vitals.beats[worker as usize].load(Ordering::Relaxed);
        let at = Some(at).filter(|at| *at != FALLEN)?.checked_sub(1)?;
        Some(self.0.clock.monotonic().saturating_sub(Duration::from_millis(at)))
    }

    /// From now on no new work is taken.
    pub fn set_stopping(&self) {
        self.0.vitals.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Whether the server is about to end.
    pub fn is_stopping(&self) -> bool {
        self.0.vitals.is_stopping.load(Ordering::Relaxed)
    }

    /// Whether the clock is trusted; where it is not, nothing is dialed.
    pub fn is_clock_trusted(&self) -> bool {
        self.clock_hold().is_none()
    }

    /// Writes something that changes nothing, to see whether that can be done, within `patience` of steady time.
    pub async fn try_to_write(&self, patience: TimeDelta) -> Result<(), StoreError> {
        let written = self.write(|tx| {
            tx.execute("UPDATE facts SET value = value WHERE name = ?1", params!["created_at"]).map(|_| ())
        });
        tokio::select! {
            written = written => written,
            () = self.0.clock.sleep_until(self.0.clock.steady() + patience) => {
                Err(StoreError::Unavailable("a transaction takes too long".into()))
            }
        }
    }

    /// What was counted since the start. Asks nobody and waits for nobody.
    pub fn tally(&self) -> Tally {
        let vitals = &self.0.vitals;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            placed: count(&vitals.placed),
            ended: Outcome::all().iter().copied().zip(vitals.ended.iter().map(count)).collect(),
            commits: vitals.commits.counted(),
            writer_queue: self.0.writer.queue_length(),
        }
    }

    /// What stands in the file now.
    pub async fn load(&self) -> Result<Load, StoreError> {
        self.read_long(|snapshot| {
            let now = super::row::ms(snapshot.now);
            let number = |sql: &str, parameters: &[i64]| -> Result<i64, StoreError> {
                let parameters = rusqlite::params_from_iter(parameters);
                Ok(snapshot.connection.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?)
            };
            let due = "SELECT count(*) FROM leads WHERE next_call_at <= ?1 AND campaign_id IN
                         (SELECT id FROM campaigns WHERE status = 'active' AND deleted_at IS NULL)";
            let pending = "SELECT count(*) FROM deliveries WHERE state = 'pending'";
            let lag =
                "SELECT max(?1 - coalesce(min(next_try_at), ?1), 0) FROM deliveries WHERE state = 'pending'";
            Ok(Load {
                live_calls: snapshot.live_calls()?,
                leads_due: number(due, &[now])?,
                deliveries_pending: number(pending, &[])?,
                delivery_lag_ms: number(lag, &[now])?,
                is_stopped: snapshot.stop()?.is_some(),
                is_waking_up: snapshot.wake_up()?.is_some(),
            })
        })
        .await
    }

    /// How large the files are.
    pub fn file_sizes(&self) -> FileSizes {
        let database = super::data_file(&self.0.folder);
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let size = |path: &std::path::Path| path.metadata().map_or(0, |file| file.len());
        FileSizes { database: size(&database), log: size(log.as_ref()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_counter_of_its_own() {
        assert_eq!(Outcome::all().len(), OUTCOMES);
        let indices: Vec<usize> = Outcome::all().iter().map(|outcome| *outcome as usize).collect();
        assert_eq!(indices, (0..OUTCOMES).collect::<Vec<_>>());
    }
}
