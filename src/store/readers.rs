//! A few threads read for everybody; each keeps one connection out of the pool for life, with its prepared
//! statements. Short reads go here: a change of thread costs microseconds, a blocked worker costs everybody.

use super::StoreError;
use super::file::OpenError;
use super::tx::Snapshot;
use crate::clock::Clock;
use crate::domain::gate::Hold;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// As many as cores of a small machine; more only get in each other's way.
const THREADS: usize = 2;

/// Hands jobs to the reader threads.
pub(super) struct Readers {
    jobs: mpsc::Sender<Job>,
    pool: r2d2::Pool<SqliteConnectionManager>,
    clock: Arc<dyn Clock>,
}

impl Readers {
    /// Starts the threads, each with a connection of the pool.
    pub(super) fn start(
        pool: r2d2::Pool<SqliteConnectionManager>,
        clock: Arc<dyn Clock>,
    ) -> Result<Readers, OpenError> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for index in 0..THREADS {
            let queue = queue.clone();
            let connection = pool
                .get()
                .map_err(|error| OpenError::Folder { folder: "reader".into(), cause: error.to_string() })?;
            thread::Builder::new()
                .name(format!("store-reader-{index}"))
                .spawn(move || run(&connection, &queue))
                .expect("the system starts threads");
        }
        Ok(Readers { jobs, pool, clock })
    }

    /// The pool, for work too long for these threads.
    pub(super) fn pool(&self) -> &r2d2::Pool<SqliteConnectionManager> {
        &self.pool
    }

    /// Runs a read on one consistent snapshot.
    pub(super) async fn read<T, E>(
        &self,
        clock_hold: Option<Hold>,
        job: impl FnOnce(&Snapshot) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let now = self.clock.now();
        let job: Job = Box::new(move |connection| {
            let result = catch_unwind(AssertUnwindSafe(|| {
                step(connection, "BEGIN")?;
                let result = job(&Snapshot::new(connection, now, clock_hold));
                step(connection, "COMMIT")?;
                result
            }));
            let result = result.unwrap_or_else(|_| {
                let _ = step(connection, "ROLLBACK");
                Err(E::from(StoreError::Failed("a read panicked".into())))
            });
            let _ = sender.send(result);
        });
        self.jobs.send(job).map_err(|_| StoreError::Closed)?;
        receiver.await.map_err(|_| StoreError::Closed)?
    }
}

fn run(connection: &Connection, queue: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(connection),
            Err(_) => return,
        }
    }
}

fn step(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
