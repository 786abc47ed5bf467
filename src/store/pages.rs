//! Long looks at the data: on a thread and a connection of their own, page by page. Every page is a snapshot that
//! ends with it, because a reader that stays open keeps the write-ahead log from being moved into the database.

use super::readers::on_snapshot;
use super::{Snapshot, Store, StoreError};
use r2d2_sqlite::SqliteConnectionManager;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a long look gets: one snapshot after the other.
pub struct Pages {
    store: Store,
    connection: r2d2::PooledConnection<SqliteConnectionManager>,
    is_wanted: Arc<AtomicBool>,
}

impl Pages {
    /// Reads one page. Fails as [`StoreError::Closed`] when nobody waits for the answer any more.
    pub fn read<T, E: From<StoreError>>(&self, job: impl FnOnce(&Snapshot) -> Result<T, E>) -> Result<T, E> {
        match self.is_wanted.load(Ordering::Relaxed) {
            true => on_snapshot(&self.connection, self.store.moment(), job),
            false => Err(StoreError::Closed.into()),
        }
    }
}

/// Says that nobody waits any more, when the one who did is gone.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Store {
    /// Runs a long look. It ends with its next page when this future is dropped.
    pub async fn look_through<T, E>(
        &self,
        job: impl FnOnce(&Pages) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let wanted = Wanted(Arc::new(AtomicBool::new(true)));
        let (store, is_wanted) = (self.clone(), wanted.0.clone());
        let work = move || {
            let connection = store.pool().get();
            let connection = connection.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            job(&Pages { store, connection, is_wanted })
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|panic| Err(StoreError::Failed(panic.to_string()).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::System;
    use std::sync::mpsc;

    fn confirmations(pages: &Pages) -> Result<String, StoreError> {
        pages.read(|snapshot| snapshot.clock_confirmations())
    }

    #[tokio::test]
    async fn every_page_is_a_snapshot_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
        let (first_read, was_read) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let look = store.look_through(move |pages| {
            let first = confirmations(pages)?;
            first_read.send(()).unwrap();
            may_go_on.recv().unwrap();
            Ok::<_, StoreError>((first, confirmations(pages)?))
        });
        let write = async {
            tokio::task::spawn_blocking(move || was_read.recv()).await.unwrap().unwrap();
            store.write(|tx| tx.trust_clock()).await.unwrap();
            go_on.send(()).unwrap();
        };
        let (looked, ()) = tokio::join!(look, write);
        assert_eq!(looked.unwrap(), ("0".to_owned(), "1".to_owned()));
    }

    #[tokio::test]
    async fn a_look_that_nobody_waits_for_ends_with_its_next_page() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
        let (ended, end) = mpsc::channel();
        let look = store.look_through(move |pages| {
            let mut count = 0;
            let refusal = loop {
                match confirmations(pages) {
                    Ok(_) => count += 1,
                    Err(error) => break error,
                }
            };
            ended.send((count, refusal)).unwrap();
            Ok::<_, StoreError>(())
        });
        let waited = tokio::time::timeout(std::time::Duration::from_millis(50), look).await;
        assert!(waited.is_err());
        let (count, refusal) = tokio::task::spawn_blocking(move || end.recv()).await.unwrap().unwrap();
        assert!(count > 0 && matches!(refusal, StoreError::Closed), "{count}, {refusal}");
    }
}
