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
