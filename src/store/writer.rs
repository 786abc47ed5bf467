//! One thread writes for everybody. Jobs that wait at the same moment share one commit, so one write to the
//! disk makes many answers durable; each runs in a savepoint of its own, so one that fails takes no other
//! with it. The answer is sent after the commit.

use super::StoreError;
use super::ballast::Ballast;
use super::changes::{Change, Changes};
use super::guard::Watch;
use super::tx::{Tx, Wakes};
use super::vitals::{Happened, Vitals};
use crate::clock::Clock;
use rusqlite::{Connection, TransactionBehavior};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Runs in the transaction, or learns why there is none; says whether to keep what it did, and how to answer
/// after the commit.
type Job = Box<dyn FnOnce(Result<&Tx, StoreError>) -> (bool, Answer) + Send>;

/// What the thread is asked for.
enum Work {
    Transaction(Job),
    /// Empties the write-ahead log; answers whether nobody was in the way.
    Checkpoint(oneshot::Sender<Result<bool, StoreError>>),
}

const QUEUE_MAX: usize = 4_096;
const BATCH_MAX: usize = 256;
const BATCH_TIME_MAX: Duration = Duration::from_millis(5);

/// Hands jobs to the writer thread.
pub(super) struct Writer {
    work: RwLock<Option<mpsc::Sender<Work>>>,
}

/// Count the commits that give somebody something to do.
#[derive(Clone)]
pub(super) struct Signals {
    pub(super) dialer: watch::Sender<u64>,
    pub(super) webhooks: watch::Sender<u64>,
}

impl Signals {
    pub(super) fn new() -> Signals {
        Signals { dialer: watch::Sender::new(0), webhooks: watch::Sender::new(0) }
    }

    fn send(&self, wakes: Wakes) {
        for (signal, is_wanted) in [(&self.dialer, wakes.dialer), (&self.webhooks, wakes.webhooks)] {
            if is_wanted {
                signal.send_modify(|count| *count += 1);
            }
        }
    }
}

/// Who hears of commits.
pub(super) struct Told {
    pub(super) signals: Signals,
    pub(super) changes: Arc<Changes>,
    pub(super) vitals: Arc<Vitals>,
    pub(super) ballast: Arc<Ballast>,
}

/// The thread; ends when the writer is closed and the queue is empty.
pub(super) struct WriterThread(thread::JoinHandle<()>);

impl WriterThread {
    /// Waits for the end.
    pub(super) fn join(self) {
        let _ = self.0.join();
    }
}

impl Writer {
    /// Starts the thread on its connection.
    pub(super) fn start(
        connection: Connection,
        clock: Arc<dyn Clock>,
        watch: Arc<Watch>,
        told: Told,
    ) -> (Writer, WriterThread) {
        let (work, queue) = mpsc::channel(QUEUE_MAX);
        let thread = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(connection, queue, &clock, &watch, &told))
            .expect("the system starts threads");
        (Writer { work: RwLock::new(Some(work)) }, WriterThread(thread))
    }

    /// How many jobs wait.
    pub(super) fn queue_length(&self) -> usize {
        self.sender().map_or(0, |sender| sender.max_capacity() - sender.capacity())
    }

    /// Takes no more jobs.
    pub(super) fn close(&self) {
        self.work.write().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn sender(&self) -> Result<mpsc::Sender<Work>, StoreError> {
        self.work.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(StoreError::Closed)
    }

    /// Runs a job and answers after its commit. A full queue makes the caller wait.
    pub(super) async fn write<T, E>(
        &self,
        job: impl FnOnce(&Tx) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let result = tx.map_err(E::from).and_then(|tx| {
                catch_unwind(AssertUnwindSafe(|| job(tx)))
                    .unwrap_or_else(|_| Err(E::from(StoreError::Failed("a transaction panicked".into()))))
            });
            let keep = result.is_ok();
            let answer: Answer = Box::new(move |committed| {
                let _ = sender.send(match committed {
                    Ok(()) => result,
                    Err(error) if result.is_ok() => Err(E::from(error)),
                    Err(_) => result,
                });
            });
            (keep, answer)
        });
        self.sender()?.send(Work::Transaction(job)).await.map_err(|_| StoreError::Closed)?;
        receiver.await.map_err(|_| StoreError::Closed)?
    }

    /// Moves the write-ahead log into the file and empties it, between two transactions; false when readers were in
    /// the way.
    pub(super) async fn checkpoint(&self) -> Result<bool, StoreError> {
        let (sender, receiver) = oneshot::channel();
        self.sender()?.send(Work::Checkpoint(sender)).await.map_err(|_| StoreError::Closed)?;
        receiver.await.map_err(|_| StoreError::Closed)?
    }

    /// Queues a job nobody waits for; dropped when the queue is full.
    pub(super) fn post(&self, job: impl FnOnce(&Tx) -> Result<(), StoreError> + Send + 'static) {
        let job: Job = Box::new(move |tx| {
            let done = tx.and_then(|tx| {
                catch_unwind(AssertUnwindSafe(|| job(tx)))
                    .unwrap_or_else(|_| Err(StoreError::Failed("a transaction panicked".into())))
            });
            (done.is_ok(), Box::new(|_| ()))
        });
        if let Ok(sender) = self.sender() {
            let _ = sender.try_send(Work::Transaction(job));
        }
    }
}

fn run(
    mut connection: Connection,
    mut queue: mpsc::Receiver<Work>,
    clock: &Arc<dyn Clock>,
    watch: &Arc<Watch>,
    told: &Told,
) {
    let mut answers = Vec::with_capacity(BATCH_MAX);
    let mut after = None;
    while let Some(work) = after.take().or_else(|| queue.blocking_recv()) {
        let first = match work {
            Work::Transaction(first) => first,
            Work::Checkpoint(answer) => {
                let _ = answer.send(checkpoint(&connection));
                continue;
            }
        };
        let started = clock.monotonic();
        let committed =
            commit_batch(&mut connection, first, &mut queue, &mut after, clock, watch, &mut answers);
        let outcome = committed.as_ref().map(|_| ()).map_err(Clone::clone);
        if let Err(error) = &outcome {
            tracing::error!(%error, jobs = answers.len(), "a commit failed; its jobs were undone");
            told.ballast.a_write_failed(matches!(error, StoreError::Full));
        }
        if let Ok(Committed { wakes, touched, happened, has_failures }) = committed {
            if has_failures {
                told.ballast.a_write_failed(false);
            }
            told.vitals.commits.add(clock.monotonic().saturating_sub(started));
            told.vitals.count(happened);
            told.signals.send(wakes);
            told.changes.add(touched);
        }
        for answer in answers.drain(..) {
            answer(outcome.clone());
        }
    }
    if let Err(error) = connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);") {
        tracing::warn!(%error, "the write-ahead log could not be moved into the database; it will be at the next start");
    }
}

/// How long a checkpoint waits for readers; nobody else can write meanwhile.
const CHECKPOINT_PATIENCE: Duration = Duration::from_millis(20);

fn checkpoint(connection: &Connection) -> Result<bool, StoreError> {
    let patience: i64 = connection.query_row("PRAGMA busy_timeout", [], |row| row.get(0))?;
    connection.busy_timeout(CHECKPOINT_PATIENCE)?;
    let done = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    connection.busy_timeout(Duration::from_millis(patience.unsigned_abs()))?;
    Ok(done? == 0)
}

/// What a commit has to tell.
#[derive(Default)]
struct Committed {
    wakes: Wakes,
    touched: Vec<Change>,
    happened: Vec<Happened>,
    /// Some of its jobs failed, for whatever reason.
    has_failures: bool,
}

/// Runs the first job and those that wait behind it in one transaction.
fn commit_batch(
    connection: &mut Connection,
    first: Job,
    queue: &mut mpsc::Receiver<Work>,
    after: &mut Option<Work>,
    clock: &Arc<dyn Clock>,
    watch: &Arc<Watch>,
    answers: &mut Vec<Answer>,
) -> Result<Committed, StoreError> {
    let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => return refuse(first, error, answers),
    };
    let started = clock.monotonic();
    let mut committed = Committed::default();
    let mut next = Some(first);
    while let Some(job) = next {
        if let Err(error) = step(&transaction, "SAVEPOINT job") {
            return refuse(job, error, answers);
        }
        let tx = Tx::new(&transaction, clock.now(), watch.clone());
        let (keep, answer) = job(Ok(&tx));
        answers.push(answer);
        if keep {
            committed.wakes |= tx.wakes();
            committed.happened.extend(tx.happened());
            committed.touched.extend(tx.into_changes());
        } else {
            committed.has_failures = true;
            step(&transaction, "ROLLBACK TO job")?;
        }
        step(&transaction, "RELEASE job")?;
        let full = answers.len() >= BATCH_MAX || clock.monotonic() - started >= BATCH_TIME_MAX;
        next = match if full { None } else { queue.try_recv().ok() } {
            Some(Work::Transaction(job)) => Some(job),
            other => {
                *after = other;
                None
            }
        };
    }
    transaction.commit()?;
    Ok(committed)
}

fn refuse(job: Job, error: rusqlite::Error, answers: &mut Vec<Answer>) -> Result<Committed, StoreError> {
    let error = StoreError::from(error);
    answers.push(job(Err(error.clone())).1);
    Err(error)
}

fn step(transaction: &Connection, sql: &str) -> rusqlite::Result<()> {
    transaction.prepare_cached(sql)?.execute([]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::System;
    use crate::store::Store;

    #[tokio::test]
    async fn a_job_that_panics_costs_nobody_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
        store.0.writer.post(|_| panic!("nobody waits for this one"));
        let panicked =
            store.write(|_| -> Result<(), StoreError> { panic!("somebody waits for this one") }).await;
        assert!(matches!(panicked, Err(StoreError::Failed(_))));
        store.write(|tx| tx.trust_clock()).await.unwrap();
        store.close().await;
    }
}
