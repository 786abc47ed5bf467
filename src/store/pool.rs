//! The store as the pool that Rocket manages. The only file that knows both.

use super::{OpenError, Store};
use crate::clock::System;
use r2d2_sqlite::SqliteConnectionManager;
use rocket::figment::Figment;
use rocket_db_pools::{Database, Error, Pool};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

/// What handlers ask for as `&Db`; stands for the [`Store`].
#[derive(Database)]
#[database("voice_campaigns")]
pub struct Db(SqlitePool);

/// The store's pool of read-only connections, with the store behind it.
pub struct SqlitePool(Store);

impl Db {
    /// A store that is open already, with the clock it was opened with.
    pub fn of(store: Store) -> Db {
        Db(SqlitePool(store))
    }
}

impl Deref for SqlitePool {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.0
    }
}

#[rocket::async_trait]
impl Pool for SqlitePool {
    /// Must not be held over an await: move it into a blocking closure.
    type Connection = r2d2::PooledConnection<SqliteConnectionManager>;
    type Error = Error<OpenError, r2d2::Error>;

    /// Opens the data folder named by `url`.
    async fn init(figment: &Figment) -> Result<Self, Self::Error> {
        let folder: PathBuf = figment.extract_inner("url").map_err(Error::Config)?;
        let opened = tokio::task::spawn_blocking(move || Store::open(&folder, Arc::new(System::new()))).await;
        let store = opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        store.map(SqlitePool).map_err(Error::Init)
    }

    async fn get(&self) -> Result<Self::Connection, Self::Error> {
        if let Some(idle) = self.0.pool().try_get() {
            return Ok(idle);
        }
        let pool = self.0.pool().clone();
        let taken = tokio::task::spawn_blocking(move || pool.get()).await;
        taken.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())).map_err(Error::Get)
    }

    /// Does nothing: Rocket calls it while requests still run. The composition root closes the store after them.
    async fn close(&self) {}
}
