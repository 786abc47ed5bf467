//! The only meeting place: what is committed here is true, and a commit wakes whoever waits. All SQL of the
//! program is in this folder; nothing outside it knows of rows.
//!
//! One writer thread commits for everybody (group commit, `synchronous=FULL`), readers see a consistent
//! snapshot each. A closure given to [`Store::write`] is one transaction with one fixed time; it must not wait
//! for anything but the database.

mod analytics;
mod audit;
pub mod backup;
mod ballast;
mod calls;
mod campaigns;
mod changes;
pub mod check;
mod copies;
mod deletion;
mod deliveries;
mod do_not_call;
mod do_not_call_table;
mod encoding;
mod endpoints;
mod erasure;
mod events;
mod export;
mod file;
mod first_token;
mod forecasts;
mod guard;
mod history;
pub mod import;
mod imports;
mod key_file;
mod lead_batches;
mod leads;
mod lower;
mod memo;
mod other_calls;
mod pages;
mod people;
pub mod pool;
mod prompts;
mod queue;
mod readers;
mod recordings;
mod rehearsals;
mod replies;
mod retention;
mod row;
mod sample;
mod seal;
mod sessions;
mod sheet;
mod source;
mod suppression;
mod table;
mod tokens;
mod tries;
mod trunks;
mod tx;
mod vitals;
mod wake_up;
mod writer;

pub use audit::{AuditFilter, Deed, Done};
pub use calls::{CallFilter, CallNames, Claim};
pub use campaigns::{CampaignFilter, CampaignSort, Cursor, Order};
pub use changes::{Change, Changed};
pub use copies::Copied;
pub use deliveries::{Delivery, DeliveryFilter, Outgoing, TEST_EVENT, Tried, Try, Waiting};
pub use do_not_call::{ListChange, ListFilter, Listed, Removal, Suppression};
pub use do_not_call_table::{ListError, ListOptions, ListReport, NotListed, list_table};
pub use endpoints::Week;
pub use erasure::{Erasure, SPEECH_FOLDER, Traces};
pub use export::{CallRow, LeadRow};
pub use file::{FileFacts, OpenError, UPLOAD_PREFIX, data_file};
pub use forecasts::KeptForecast;
pub use guard::Stop;
pub use imports::{Import, NewImport, Undo};
pub use lead_batches::{BatchChanged, Retried};
pub use leads::{Inserted, LeadDeletion, LeadEdit, LeadFilter};
pub use other_calls::{NewIncoming, NewTrial, OtherCallFilter};
pub use pages::Pages;
pub use people::Person;
pub use prompts::Prompt;
pub use queue::read_held;
pub use recordings::{Kept, PutRight, RECORDINGS_FOLDER};
pub use replies::RememberedReply;
pub use seal::key_id;
pub use sessions::Session;
pub use source::Payload;
pub use tokens::{Scope, Token, TokenRow};
pub use tries::{NewTry, TryFilter};
pub use tx::{Snapshot, Tx};
pub use vitals::{FileSizes, Load, Tally, Worker};
pub use wake_up::WakeUp;

use crate::clock::Clock;
use crate::domain::Instant;
use crate::domain::campaign::Campaign;
use crate::domain::gate::Hold;
use crate::domain::guard::{Agents, Guard};
use crate::domain::secret::Key;
use ballast::Ballast;
use changes::Changes;
use file::Opener;
use forecasts::Wanted;
use guard::Watch;
use memo::{Memo, Pulse};
use readers::{Inline, Moment, Readers};
use rusqlite::ErrorCode;
use seal::Vault;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use suppression::SuppressionKey;
use tokio::sync::{Notify, OwnedRwLockReadGuard, RwLock, RwLockWriteGuard, watch};
use vitals::Vitals;
use writer::{Signals, Told, Writer, WriterThread};

/// Why the database did not do what it was asked; named by what the caller can do about it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// No space; nothing was written.
    #[error("the disk is full")]
    Full,
    /// The file or its folder cannot be written to.
    #[error("the database is read-only")]
    ReadOnly,
    /// The file could not be read or written, or another process holds it too long; worth another try.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The store is closed; the server is shutting down.
    #[error("the database is closed")]
    Closed,
    /// A defect of ours, or a damaged file.
    #[error("the database failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// Whether the disk is full or cannot be read or written now, so that another try may go well.
    fn is_of_the_disk(&self) -> bool {
        match self {
            StoreError::Full | StoreError::Unavailable(_) => true,
            StoreError::ReadOnly | StoreError::Closed | StoreError::Failed(_) => false,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full,
            Some(ErrorCode::ReadOnly) => StoreError::ReadOnly,
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory,
            ) => StoreError::Unavailable(error.to_string()),
            _ => StoreError::Failed(error.to_string()),
        }
    }
}

/// Tokens kept in memory while nothing is written.
const TOKENS_KEPT: usize = 1_000;
/// Campaigns, likewise; one may have texts of 100 kB.
const CAMPAIGNS_KEPT: usize = 64;

/// The database of one data folder.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    writer: Writer,
    thread: Mutex<Option<WriterThread>>,
    readers: Readers,
    inline: Inline,
    watch: Arc<Watch>,
    pulse: Pulse,
    tokens: Memo<[u8; 32], Arc<Token>>,
    sessions: Memo<[u8; 32], Arc<Session>>,
    campaigns: Memo<i64, Arc<Campaign>>,
    signals: Signals,
    changes: Arc<Changes>,
    vitals: Arc<Vitals>,
    ballast: Arc<Ballast>,
    wanted: Wanted,
    /// What there is to rehearse is not what it was.
    rehearsals: Notify,
    dial_gate: Arc<RwLock<()>>,
    /// Held by whoever takes a person out of files: each is written anew from what it held.
    cleaning: Arc<tokio::sync::Mutex<()>>,
    clock_hold: Mutex<Option<Hold>>,
    /// Held as long as the store lives, so that no second server starts on the same folder.
    _lock: Option<std::fs::File>,
}

impl Store {
    /// Opens the data folder for a server: makes it when it is missing, lifts an older file to this version,
    /// and keeps every other server out.
    pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Store, OpenError> {
        Store::open_with(folder, clock, None)
    }

    /// The same with the key of the secrets in it, where that is not in the folder.
    pub fn open_with(folder: &Path, clock: Arc<dyn Clock>, key: Option<&Key>) -> Result<Store, OpenError> {
        file::make_folder(folder)?;
        let found = file::look_whose(folder);
        let lock = file::lock(folder)?;
        file::remove_uploads(folder)?;
        let store = Store::open_file(folder, clock, Some(lock), Opener::Server, key)?;
        file::close_folder(folder, found)?;
        Ok(store)
    }

    /// Opens the data folder beside a server that may be running.
    pub fn open_beside(folder: &Path, clock: Arc<dyn Clock>) -> Result<Store, OpenError> {
        Store::open_beside_with(folder, clock, None)
    }

    /// The same with the key of the secrets in it, where that is not in the folder.
    pub fn open_beside_with(
        folder: &Path,
        clock: Arc<dyn Clock>,
        key: Option<&Key>,
    ) -> Result<Store, OpenError> {
        file::make_folder(folder)?;
        Store::open_file(folder, clock, None, Opener::Command, key)
    }

    fn open_file(
        folder: &Path,
        clock: Arc<dyn Clock>,
        lock: Option<std::fs::File>,
        opener: Opener,
        key: Option<&Key>,
    ) -> Result<Store, OpenError> {
        let writing = file::open(folder, clock.now(), opener)?;
        let vault = Vault::open(folder, key)?;
        let watch = Arc::new(Watch::new(SuppressionKey::open(folder, &writing)?, vault));
        if opener == Opener::Server {
            let (has_sealed, is_copy) = file::in_transaction(&writing, folder, |connection| {
                let tx = Tx::new(connection, clock.now(), watch.clone());
                let has_sealed = tx.seal_what_is_plain()?;
                let is_copy = wake_up::look_whose(connection, folder, clock.now())?;
                import::fail_lost(&tx, folder)?;
                Ok((has_sealed, is_copy))
            })?;
            if let Err(error) = wake_up::settle_here(&writing, folder) {
                tracing::warn!(%error, "cannot write down whose data these are; after another start like this they may be taken for a copy");
            }
            if is_copy {
                tracing::warn!(
                    "these data are a backup, a copy, or were taken to another place: nobody is called before somebody has looked"
                );
            }
            if has_sealed {
                // What pages held before is in the log.
                file::empty_log(&writing, folder)?;
            }
        }
        let pool = file::reader_pool(folder)?;
        let pulse = Pulse::of(&data_file(folder)).map_err(file::unusable(folder))?;
        let (signals, changes, vitals) =
            (Signals::new(), Arc::<Changes>::default(), Arc::<Vitals>::default());
        let ballast = Arc::new(Ballast::of(folder));
        let told = Told {
            signals: signals.clone(),
            changes: changes.clone(),
            vitals: vitals.clone(),
            ballast: ballast.clone(),
        };
        let (writer, thread) = Writer::start(writing, clock.clone(), watch.clone(), told);
        Ok(Store(Arc::new(Inner {
            folder: folder.to_owned(),
            writer,
            thread: Mutex::new(Some(thread)),
            readers: Readers::start(pool)?,
            pulse,
            tokens: Memo::new(TOKENS_KEPT),
            sessions: Memo::new(TOKENS_KEPT),
            campaigns: Memo::new(CAMPAIGNS_KEPT),
            inline: Inline::new([file::open_reader(folder)?, file::open_reader(folder)?]),
            clock,
            watch,
            signals,
            changes,
            vitals,
            ballast,
            wanted: Wanted::default(),
            rehearsals: Notify::new(),
            dial_gate: Arc::default(),
            cleaning: Arc::default(),
            clock_hold: Mutex::new(None),
            _lock: lock,
        })))
    }

    /// Runs one transaction and commits it when it answers `Ok`; the answer comes after the commit is on disk. Refused
    /// while the disk is full.
    pub async fn write<T, E>(&self, job: impl FnOnce(&Tx) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        if self.is_short_of_room() {
            return Err(StoreError::Full.into());
        }
        self.write_on_a_full_disk(job).await
    }

    /// Like [`Self::write`], also while the disk is full: for what became of calls, and for what forbids them. There is
    /// room for some thousands of those.
    pub async fn write_on_a_full_disk<T, E>(
        &self,
        job: impl FnOnce(&Tx) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.0.writer.write(job).await
    }

    /// Keeps room on the disk for what must be written when there is no other.
    pub fn keep_ballast(&self) {
        self.0.ballast.keep();
    }

    /// Whether the disk is full, and only what must be is written.
    pub fn is_short_of_room(&self) -> bool {
        self.0.ballast.is_short(self.0.clock.monotonic())
    }

    /// Moves the write-ahead log into the file and empties it; false when readers were in the way.
    async fn checkpoint(&self) -> Result<bool, StoreError> {
        self.0.writer.checkpoint().await
    }

    /// Like [`Self::write`], but answers only when no dial that was claimed before the commit is still on its
    /// way to the carrier. After the answer to a pause, a deletion or a lowered limit nothing dials any more
    /// that it forbids. Also while the disk is full.
    pub async fn write_and_wait_for_dials<T, E>(
        &self,
        job: impl FnOnce(&Tx) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let answer = self.write_on_a_full_disk(job).await;
        drop(self.0.dial_gate.write().await);
        answer
    }

    /// Held by the dialer from before a claim until the carrier was asked.
    pub async fn dialing(&self) -> OwnedRwLockReadGuard<()> {
        self.0.dial_gate.clone().read_owned().await
    }

    /// As long as the answer lives no dial is on its way to a carrier.
    pub async fn hold_dials(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.dial_gate.write().await
    }

    /// Reads from one consistent snapshot.
    pub async fn read<T, E>(
        &self,
        job: impl FnOnce(&Snapshot) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.0.readers.read(self.moment(), job).await
    }

    /// A campaign that was not deleted. Takes microseconds and does not change threads.
    pub fn campaign(&self, id: i64) -> Result<Option<Arc<Campaign>>, StoreError> {
        self.0.campaigns.get(&self.0.pulse, id, || {
            let Moment { now, watch, clock_hold } = self.moment();
            let connection = self.0.inline.any();
            Ok(Snapshot::new(&connection, now, watch, clock_hold).campaign(id)?.map(Arc::new))
        })
    }

    /// Reads from one consistent snapshot what may take long, on a connection and a thread of its own.
    pub async fn read_long<T, E>(
        &self,
        job: impl FnOnce(&Snapshot) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let done = tokio::task::spawn_blocking(self.long_read(job)).await;
        done.unwrap_or_else(|panic| Err(StoreError::Failed(panic.to_string()).into()))
    }

    /// The same, of this moment's time, for whoever has a thread for it.
    pub fn long_read<T, E>(
        &self,
        job: impl FnOnce(&Snapshot) -> Result<T, E> + Send + 'static,
    ) -> impl FnOnce() -> Result<T, E> + Send + 'static
    where
        E: From<StoreError>,
    {
        let (pool, moment) = (self.pool().clone(), self.moment());
        move || {
            let connection = pool.get().map_err(|error| StoreError::Unavailable(error.to_string()))?;
            readers::on_snapshot(&connection, moment, job)
        }
    }

    fn moment(&self) -> Moment {
        Moment { now: self.0.clock.now(), watch: self.0.watch.clone(), clock_hold: self.clock_hold() }
    }

    /// A connection of the read-only pool, for work too long for the reader threads.
    pub fn pool(&self) -> &r2d2::Pool<r2d2_sqlite::SqliteConnectionManager> {
        self.0.readers.pool()
    }

    /// The token with this hash, unless it was revoked. Takes microseconds and does not change threads.
    pub fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<Arc<Token>>, StoreError> {
        let read = || Ok(tokens::by_hash(&self.0.inline.any(), hash)?.map(Arc::new));
        let token = self.0.tokens.get(&self.0.pulse, *hash, read)?;
        let now = self.0.clock.now();
        Ok(token.filter(|token| token.is_in_force(now)))
    }

    /// Writes down that a token was used, at most once a minute and without waiting.
    pub fn touch_token(&self, token: &Token) {
        let now = self.0.clock.now();
        if token.last_used_at.is_none_or(|at| now - at >= chrono::TimeDelta::minutes(1)) {
            let id = token.id;
            self.0.writer.post(move |tx| tx.touch_token(id));
        }
    }

    /// The session with this hash, unless it or its token has ended. As cheap as [`Self::token_by_hash`].
    pub fn session_by_hash(&self, hash: &[u8; 32]) -> Result<Option<Arc<Session>>, StoreError> {
        let read = || Ok(sessions::by_hash(&self.0.inline.any(), hash)?.map(Arc::new));
        let session = self.0.sessions.get(&self.0.pulse, *hash, read)?;
        let now = self.0.clock.now();
        Ok(session.filter(|session| now < Session::expires_at(&session.token, session.last_used_at)))
    }

    /// Writes down that a session was used, at most once a minute and without waiting. The answer is when it ends if it
    /// is not used again.
    pub fn touch_session(&self, hash: &[u8; 32], session: &Session) -> Instant {
        let now = self.0.clock.now();
        if now - session.last_used_at < chrono::TimeDelta::minutes(1) {
            return Session::expires_at(&session.token, session.last_used_at);
        }
        let (hash, token_id) = (*hash, session.token.id);
        self.0.writer.post(move |tx| tx.touch_session(&hash, token_id));
        Session::expires_at(&session.token, now)
    }

    /// A number that changes with every commit, also of other processes such as a command beside the server.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        // The numbers of two connections cannot be compared.
        let connection = self.0.inline.first();
        Ok(connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
    }

    /// Tells of commits of this process that may give the dialer something to do.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.signals.dialer.subscribe()
    }

    /// Tells of commits of this process that leave something to deliver.
    pub fn outbox(&self) -> watch::Receiver<u64> {
        self.0.signals.webhooks.subscribe()
    }

    /// From now on remembers what changes, or no longer does. One may watch at a time.
    pub fn watch_changes(&self, is_watched: bool) {
        self.0.changes.watch(is_watched);
    }

    /// Ends when something has changed since it was last taken.
    pub async fn changed(&self) {
        self.0.changes.changed().await;
    }

    /// Takes what has changed.
    pub fn take_changes(&self) -> Changed {
        self.0.changes.take()
    }

    /// Puts limits into force for every dial that is claimed from now on. Until it is called, those are in force that
    /// hold when nobody says otherwise.
    pub fn set_guard(&self, guard: Guard) {
        self.0.watch.set_guard(guard);
        self.0.signals.dialer.send_modify(|count| *count += 1);
    }

    /// The limits in force.
    pub fn guard(&self) -> Arc<Guard> {
        self.0.watch.guard()
    }

    /// Tells everybody who can hold conversations, and how many more.
    pub fn set_agents(&self, agents: Agents) {
        self.0.watch.set_agents(agents);
    }

    fn watch(&self) -> &Arc<Watch> {
        &self.0.watch
    }

    /// Shows everybody that the clock is not trusted, or is again.
    pub fn set_clock_hold(&self, hold: Option<Hold>) {
        *self.0.clock_hold.lock().unwrap_or_else(PoisonError::into_inner) = hold;
    }

    fn clock_hold(&self) -> Option<Hold> {
        self.0.clock_hold.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The clock that stamps every transaction.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Writes what is queued, moves the write-ahead log into the file and stops the writer. Later writes are
    /// refused as [`StoreError::Closed`].
    pub async fn close(&self) {
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.0.writer.close();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}
