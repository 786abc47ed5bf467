//! Who reads. A few threads read for everybody; each keeps one connection out of the pool for life, with its
//! prepared statements. Short reads go there: a change of thread costs microseconds, a blocked worker costs
//! everybody. What itself takes only microseconds is read at once, on the caller's thread.

use super::StoreError;
use super::file::OpenError;
use super::guard::Watch;
use super::tx::Snapshot;
use crate::domain::Instant;
use crate::domain::gate::Hold;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// As many as cores of a small machine; more only get in each other's way.
const THREADS: usize = 2;

/// What a read knows besides the data.
pub(super) struct Moment {
    /// The time of the snapshot.
    pub(super) now: Instant,
    /// The guard and the key.
    pub(super) watch: Arc<Watch>,
    /// Why no campaign dials, when the clock is not trusted.
    pub(super) clock_hold: Option<Hold>,
}

/// Hands jobs to the reader threads, which end with it.
pub(super) struct Readers {
    queue: Arc<Queue>,
    pool: r2d2::Pool<SqliteConnectionManager>,
}

impl Readers {
    /// Starts the threads, each with a connection of the pool.
    pub(super) fn start(pool: r2d2::Pool<SqliteConnectionManager>) -> Result<Readers, OpenError> {
        let readers = Readers { queue: Arc::default(), pool };
        for index in 0..THREADS {
            let queue = readers.queue.clone();
            let connection = readers
                .pool
                .get()
                .map_err(|error| OpenError::Folder { folder: "reader".into(), cause: error.to_string() })?;
            thread::Builder::new()
                .name(format!("store-reader-{index}"))
                .spawn(move || queue.take_all(|job| job(&connection)))
                .expect("the system starts threads");
        }
        Ok(readers)
    }

    /// The pool, for work too long for these threads.
    pub(super) fn pool(&self) -> &r2d2::Pool<SqliteConnectionManager> {
        &self.pool
    }

    /// Runs a read on one consistent snapshot.
    pub(super) async fn read<T, E>(
        &self,
        moment: Moment,
        job: impl FnOnce(&Snapshot) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.queue.put(Box::new(move |connection| {
            let _ = sender.send(on_snapshot(connection, moment, job));
        }));
        receiver.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Jobs that wait for a thread. A new one wakes one thread, and only when one sleeps.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, job: Job) {
        self.waiting().jobs.push_back(job);
        self.more.notify_one();
    }

    fn close(&self) {
        self.waiting().is_closed = true;
        self.more.notify_all();
    }

    /// Runs one job after the other, until the queue is closed and empty.
    fn take_all(&self, run: impl Fn(Job)) {
        let mut waiting = self.waiting();
        loop {
            match waiting.jobs.pop_front() {
                Some(job) => {
                    drop(waiting);
                    run(job);
                    waiting = self.waiting();
                }
                None if waiting.is_closed => return,
                None => waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// Connections for reads on the caller's own thread: as many as workers that want one at the same moment.
pub(super) struct Inline([Mutex<Connection>; THREADS]);

impl Inline {
    /// Over these connections.
    pub(super) fn new(connections: [Connection; THREADS]) -> Inline {
        Inline(connections.map(Mutex::new))
    }

    /// One that is free, or the first when all are busy.
    pub(super) fn any(&self) -> MutexGuard<'_, Connection> {
        self.0.iter().find_map(|connection| connection.try_lock().ok()).unwrap_or_else(|| self.first())
    }

    /// Always the same one.
    pub(super) fn first(&self) -> MutexGuard<'_, Connection> {
        self.0[0].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a job on one consistent snapshot, which ends with it, even when it panics.
pub(super) fn on_snapshot<T, E: From<StoreError>>(
    connection: &Connection,
    moment: Moment,
    job: impl FnOnce(&Snapshot) -> Result<T, E>,
) -> Result<T, E> {
    let result = catch_unwind(AssertUnwindSafe(|| {
        step(connection, "BEGIN")?;
        let Moment { now, watch, clock_hold } = moment;
        let result = job(&Snapshot::new(connection, now, watch, clock_hold));
        step(connection, "COMMIT")?;
        result
    }));
    result.unwrap_or_else(|_| {
        let _ = step(connection, "ROLLBACK");
        Err(E::from(StoreError::Failed("a read panicked".into())))
    })
}

fn step(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
