//! What a closure gets: a [`Snapshot`] to read from, or a [`Tx`] that also writes. Both have one fixed time.

use super::StoreError;
use super::changes::Change;
use super::guard::Watch;
use super::row::ms;
use super::vitals::Happened;
use crate::domain::Instant;
use crate::domain::gate::Hold;
use crate::domain::wake_up::Cause;
use chrono::DateTime;
use rusqlite::{Connection, OptionalExtension, params};
use std::cell::{Cell, RefCell};
use std::ops::{BitOrAssign, Deref};
use std::sync::Arc;

/// A consistent view of the data.
pub struct Snapshot<'c> {
    pub(super) connection: &'c Connection,
    /// The time of this transaction.
    pub now: Instant,
    pub(super) watch: Arc<Watch>,
    clock_hold: Option<Hold>,
}

impl<'c> Snapshot<'c> {
    pub(super) fn new(
        connection: &'c Connection,
        now: Instant,
        watch: Arc<Watch>,
        clock_hold: Option<Hold>,
    ) -> Snapshot<'c> {
        Snapshot { connection, now, watch, clock_hold }
    }

    /// Why no campaign dials at all, when the clock is not trusted.
    pub fn clock_hold(&self) -> Option<Hold> {
        self.clock_hold.clone()
    }

    /// The latest instant that the dialer wrote anything at.
    pub fn last_seen_at(&self) -> Result<Instant, StoreError> {
        let text: String = self.fact("last_seen_at")?;
        Ok(text.parse().ok().and_then(DateTime::from_timestamp_millis).unwrap_or(Instant::UNIX_EPOCH))
    }

    /// How often a person has said that the clock is right, as text.
    pub fn clock_confirmations(&self) -> Result<String, StoreError> {
        self.fact("clock_confirmations")
    }

    /// A fact about this file.
    pub fn fact(&self, name: &str) -> Result<String, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT value FROM facts WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0))?)
    }

    /// A fact about this file that need not be there.
    pub(super) fn fact_if_any(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(fact(self.connection, name)?)
    }
}

/// A fact about a file.
pub(super) fn fact(connection: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT value FROM facts WHERE name = ?1")?;
    statement.query_row([name], |row| row.get(0)).optional()
}

/// Writes down a fact about a file, in the place of what was known before.
pub(super) fn set_fact(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO facts (name, value) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    connection.prepare_cached(sql)?.execute([name, value]).map(drop)
}

/// Who has something to do after a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wakes {
    pub(super) dialer: bool,
    pub(super) webhooks: bool,
}

impl BitOrAssign for Wakes {
    fn bitor_assign(&mut self, other: Wakes) {
        self.dialer |= other.dialer;
        self.webhooks |= other.webhooks;
    }
}

/// A transaction. What it writes is kept only if its closure answers `Ok`.
pub struct Tx<'c> {
    snapshot: Snapshot<'c>,
    wakes_dialer: Cell<bool>,
    wakes_webhooks: Cell<bool>,
    changes: RefCell<Vec<Change>>,
    happened: RefCell<Vec<Happened>>,
}

impl<'c> Deref for Tx<'c> {
    type Target = Snapshot<'c>;
    fn deref(&self) -> &Snapshot<'c> {
        &self.snapshot
    }
}

impl<'c> Tx<'c> {
    pub(super) fn new(connection: &'c Connection, now: Instant, watch: Arc<Watch>) -> Tx<'c> {
        Tx {
            snapshot: Snapshot::new(connection, now, watch, None),
            wakes_dialer: Cell::new(false),
            wakes_webhooks: Cell::new(false),
            changes: RefCell::default(),
            happened: RefCell::default(),
        }
    }

    pub(super) fn wakes(&self) -> Wakes {
        Wakes { dialer: self.wakes_dialer.get(), webhooks: self.wakes_webhooks.get() }
    }

    /// After the commit the dialer looks again.
    pub(super) fn wake_dialer(&self) {
        self.wakes_dialer.set(true);
    }

    /// After the commit there is something to deliver.
    pub(super) fn wake_webhooks(&self) {
        self.wakes_webhooks.set(true);
    }

    /// After the commit whoever watches hears of this.
    pub(super) fn touch(&self, change: Change) {
        self.changes.borrow_mut().push(change);
    }

    /// After the commit this is counted.
    pub(super) fn count(&self, happened: Happened) {
        self.happened.borrow_mut().push(happened);
    }

    /// What is to be counted.
    pub(super) fn happened(&self) -> Vec<Happened> {
        self.happened.take()
    }

    /// What was touched.
    pub(super) fn into_changes(self) -> Vec<Change> {
        self.changes.into_inner()
    }

    pub(super) fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }

    /// Runs a part that may fail without undoing the rest.
    pub fn part<T>(&self, run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.execute("SAVEPOINT part", [])?;
        let counted = self.happened.borrow().len();
        let done = run();
        if done.is_err() {
            self.happened.borrow_mut().truncate(counted);
            self.execute("ROLLBACK TO part", [])?;
        }
        self.execute("RELEASE part", [])?;
        done
    }

    pub(super) fn set_fact(&self, name: &str, value: &str) -> Result<(), StoreError> {
        Ok(set_fact(self.connection, name, value)?)
    }

    /// Seals what an older version wrote down as it is; whether there was anything.
    pub(super) fn seal_what_is_plain(&self) -> Result<bool, StoreError> {
        let endpoints = self.seal_plain_endpoints()?;
        Ok(self.seal_plain_replies()? || endpoints)
    }

    /// A person says that the clock of this machine is right, whatever it showed before. Where it was put so far ahead that
    /// somebody had to look first, somebody has; a copy, or a server that was off, must be looked at for itself.
    pub fn trust_clock(&self) -> Result<(), StoreError> {
        if self.wake_up()?.is_some_and(|woke| woke.cause() == Cause::ClockJumped) {
            self.release_wake_up()?;
        }
        let sql = "UPDATE facts SET value = ?1 WHERE name = 'last_seen_at'";
        self.execute(sql, [ms(self.now).to_string()])?;
        let sql = "UPDATE facts SET value = CAST(value AS INTEGER) + 1 WHERE name = 'clock_confirmations'";
        self.execute(sql, [])?;
        Ok(())
    }

    /// Writes down that time has come this far, so that a clock set back is noticed even after a restart.
    pub fn saw_time(&self) -> Result<(), StoreError> {
        let sql = "UPDATE facts SET value = ?1 WHERE name = 'last_seen_at' AND CAST(value AS INTEGER) < ?2";
        self.execute(sql, params![ms(self.now).to_string(), ms(self.now)])?;
        Ok(())
    }
}
