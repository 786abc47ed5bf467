//! The file: finding, making, checking, migrating and locking it. A file that is not ours, or newer than this
//! program, is refused untouched.

use super::{Snapshot, StoreError, backup, lower};
use crate::domain::Instant;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a fresh file gets.
pub(super) const SCHEMA: &str = include_str!("../../schema.sql");
/// The version of [`SCHEMA`]: one more than the number of migrations.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64 + 1;
/// Each lifts a file by one version; the first lifts version 1 to 2. Never edited once released.
const MIGRATIONS: [&str; 7] = [
    include_str!("migrations/to_2.sql"),
    include_str!("migrations/to_3.sql"),
    include_str!("migrations/to_4.sql"),
    include_str!("migrations/to_5.sql"),
    include_str!("migrations/to_6.sql"),
    include_str!("migrations/to_7.sql"),
    include_str!("migrations/to_8.sql"),
];
/// `VCMP`: marks a file as ours (SQLite file format, section 1.3.9).
const APPLICATION_ID: i64 = 0x5643_4D50;
/// SQLite before 3.51.3 can corrupt a file in WAL mode (<https://sqlite.org/wal.html#walresetbug>).
const SQLITE_MIN: i32 = 3_051_003;
const STATEMENTS_KEPT: usize = 128;
const READERS_MAX: u32 = 6;

/// Why a data folder cannot be used. One line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or the file cannot be made, read or written.
    #[error("cannot use the data folder {folder}: {cause}")]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// The disk is full, or fails; worth another try.
    #[error("cannot use the data folder {folder} now: {cause}; try again when the disk has room and is well")]
    Disk {
        /// Which folder.
        folder: PathBuf,
        /// What the system said.
        cause: String,
    },
    /// Another process writes to the file for longer than was waited.
    #[error("the database in {0} is busy, perhaps with a large import; try again when that is done")]
    Busy(PathBuf),
    /// Another server has it.
    #[error(
        "another voice-campaigns server is using the data folder {0}; stop it first or choose another --data"
    )]
    InUse(PathBuf),
    /// The file belongs to another program, or is damaged.
    #[error("{0} is not a voice-campaigns database; it was left untouched")]
    Foreign(PathBuf),
    /// The file was written by a newer version of this program.
    #[error(
        "{file} has schema version {found}, this program knows {known}; use a newer voice-campaigns (the file was left untouched)"
    )]
    Newer {
        /// Which file.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The file was written by an older version, whose server may still be running.
    #[error(
        "{file} has schema version {found}, this program knows {known}; start the new server once to lift it"
    )]
    Older {
        /// Which file.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The key of the numbers that were erased is not there, or is another one.
    #[error(
        "{0} is missing or is not the key that the numbers of erased people were hashed with, so they could be called again; restore it from a backup"
    )]
    SuppressionKey(PathBuf),
    /// The file with the key of secrets holds something else.
    #[error("{0} is not a key of 32 bytes; put the right file in its place, or set `secret_key`")]
    SecretKey(PathBuf),
    /// The SQLite in this program is one with a known defect.
    #[error("SQLite {0} can corrupt a database; 3.51.3 or later is needed")]
    UnsafeSqlite(&'static str),
}

impl OpenError {
    /// The folder cannot be used; `is_of_the_disk` where that may pass.
    fn unusable(folder: &Path, cause: String, is_of_the_disk: bool) -> OpenError {
        let folder = folder.to_owned();
        match is_of_the_disk {
            true => OpenError::Disk { folder, cause },
            false => OpenError::Folder { folder, cause },
        }
    }

    /// Whether another try may go well though nobody does anything about it.
    pub fn passes_by_itself(&self) -> bool {
        match self {
            OpenError::Disk { .. } | OpenError::Busy(_) => true,
            OpenError::Folder { .. }
            | OpenError::InUse(_)
            | OpenError::Foreign(_)
            | OpenError::Newer { .. }
            | OpenError::Older { .. }
            | OpenError::SuppressionKey(_)
            | OpenError::SecretKey(_)
            | OpenError::UnsafeSqlite(_) => false,
        }
    }
}

/// The database file of a data folder.
pub fn data_file(folder: &Path) -> PathBuf {
    folder.join("voice-campaigns.db")
}

/// What the system said, in the words of this module.
pub(super) fn unusable(folder: &Path) -> impl Fn(io::Error) -> OpenError {
    move |error| OpenError::unusable(folder, error.to_string(), is_of_the_disk(&error))
}

/// Whether the disk is full or fails, in whoever's words the system said so.
pub(super) fn is_of_the_disk(error: &io::Error) -> bool {
    let is_failure = |code| code == rustix::io::Errno::IO.raw_os_error();
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        || error.raw_os_error().is_some_and(is_failure)
}

/// Makes the folder, for nobody but this user, when it is missing. A folder that is made survives a power cut only once
/// the one that it is in was synchronized.
pub(super) fn make_folder(folder: &Path) -> Result<(), OpenError> {
    let made: Vec<&Path> = folder.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable(folder))?;
    made.into_iter().filter_map(Path::parent).try_for_each(synchronize)
}

/// Whose a folder seems to be that is about to become one with data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is nothing in it, or data of ours.
    Own,
    /// It is for other things, too.
    Shared,
}

/// Looks whose the folder seems to be.
pub(super) fn look_whose(folder: &Path) -> Found {
    let is_empty = || folder.read_dir().is_ok_and(|mut all| all.next().is_none());
    match data_file(folder).exists() || is_empty() {
        true => Found::Own,
        false => Found::Shared,
    }
}

/// Closes a folder that others may look into to everybody but this user. One for other things, too, stays as it is, and so
/// does one in which everybody has temporary files.
pub(super) fn close_folder(folder: &Path, found: Found) -> Result<(), OpenError> {
    let mode = folder.metadata().map_err(unusable(folder))?.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let closed = match found {
        Found::Own if mode & 0o1000 == 0 => {
            std::fs::set_permissions(folder, Permissions::from_mode(mode & 0o700))
        }
        Found::Own | Found::Shared => Err(io::Error::other("there are other things in it")),
    };
    let name = folder.display();
    match closed {
        Ok(()) => tracing::warn!("{name} was open to others (mode {mode:03o}); now it is closed (700)"),
        Err(error) => {
            tracing::warn!(%error, "{name} is open to others (mode {mode:03o}); use a folder with mode 700")
        }
    }
    Ok(())
}

/// Makes the names in a folder survive a power cut.
fn synchronize(folder: &Path) -> Result<(), OpenError> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(unusable(folder))
}

/// Keeps every other server out as long as the answer lives. Waits for one that is just ending: after a kill, a program
/// that it was about to start has the lock for a moment longer.
pub(super) fn lock(folder: &Path) -> Result<File, OpenError> {
    const PATIENCE: Duration = Duration::from_secs(1);
    const PAUSE: Duration = Duration::from_millis(20);
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(unusable(folder))?;
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if waited < PATIENCE => {
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(unusable(folder)(error)),
        }
    }
}

/// Waits for whoever opens the file at this moment. While one process makes the file, or goes over to its write-ahead log,
/// SQLite tells others at once that it is busy, however patient they are.
pub(super) fn turn_to_open(folder: &Path) -> Result<File, OpenError> {
    // The folder itself, so that nothing is left in one that is refused.
    let file = File::open(folder).map_err(unusable(folder))?;
    file.lock().map_err(unusable(folder))?;
    Ok(file)
}

/// What the names of files begin with in which uploads wait to be imported.
pub const UPLOAD_PREFIX: &str = "import-";

/// Removes the uploads of a server, and the unfinished files of a `restore`, that was killed. Only whoever holds the lock may: nobody else's are there.
pub(super) fn remove_uploads(folder: &Path) -> Result<(), OpenError> {
    for entry in std::fs::read_dir(folder).map_err(unusable(folder))? {
        let entry = entry.map_err(unusable(folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_upload = name.starts_with(UPLOAD_PREFIX) || name.starts_with(backup::RESTORE_PREFIX);
        if is_upload && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            std::fs::remove_file(entry.path()).map_err(unusable(folder))?;
        }
    }
    Ok(())
}

/// What SQLite said, in the words of this module.
pub(super) fn failure(folder: &Path) -> impl Fn(rusqlite::Error) -> OpenError {
    move |error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Busy(folder.to_owned()),
        code => {
            let is_of_the_disk = matches!(code, Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure));
            OpenError::unusable(folder, error.to_string(), is_of_the_disk)
        }
    }
}

/// Who opens the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    /// A server that has the folder for itself, and may lift an older file to this version.
    Server,
    /// A command beside a server, which may be an older one.
    Command,
}

impl Opener {
    /// How long to wait for another process that writes. A person at a terminal would rather wait than repeat a
    /// command; a server has to answer its requests.
    fn patience(self) -> Duration {
        match self {
            Opener::Server => Duration::from_secs(5),
            Opener::Command => Duration::from_secs(30),
        }
    }
}

/// Opens the writer's connection, after the file was made or, for a server, lifted to this version.
pub(super) fn open(folder: &Path, now: Instant, opener: Opener) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(OpenError::UnsafeSqlite(rusqlite::version()));
    }
    let _turn = turn_to_open(folder)?;
    let path = data_file(folder);
    let made = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    made.map_err(unusable(folder))?;
    undo_a_beginning(&path).map_err(failure(folder))?;
    let version = look(folder, &path)?;
    if opener == Opener::Command && version != 0 && version != VERSION {
        return Err(OpenError::Older { file: path, found: version, known: VERSION });
    }
    let failed = failure(folder);
    let mut connection = Connection::open(&path).map_err(&failed)?;
    prepare_writer(&connection, opener.patience()).map_err(&failed)?;
    // Whoever writes just now need not be waited for when there is nothing to make or lift.
    if version != VERSION {
        if version != 0 {
            let kept = backup::before_migration(&connection, folder);
            let kept = kept.map_err(|error| {
                let cause = format!("the database cannot be backed up before it is lifted: {error}");
                OpenError::unusable(folder, cause, error.is_of_the_disk())
            })?;
            tracing::info!(backup = %kept.display(), "the database is lifted to a newer schema; this is how it was");
        }
        migrate(&mut connection, now).map_err(&failed)?;
        synchronize(folder)?;
    }
    Ok(connection)
}

/// Empties a file whose making was cut off, which nobody who only reads can. Its journal says that there was nothing before
/// (SQLite file format, section 3), so that nothing is lost; one that says anything else is left as it is.
fn undo_a_beginning(path: &Path) -> rusqlite::Result<()> {
    const MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    let mut journal = path.as_os_str().to_owned();
    journal.push("-journal");
    let mut head = [0; 20];
    let is_there = File::open(journal).and_then(|mut journal| journal.read_exact(&mut head)).is_ok();
    let (magic, pages_before) = (&head[..8], &head[16..]);
    if is_there && magic == MAGIC && pages_before == [0; 4] {
        Connection::open(path)?.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    }
    Ok(())
}

/// Runs a part of the opening that writes.
pub(super) fn in_transaction<T>(
    connection: &Connection,
    folder: &Path,
    job: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, OpenError> {
    let failed = failure(folder);
    // Begun as a reader it would be refused at once, however patient, when somebody else wrote before its first write.
    let transaction =
        Transaction::new_unchecked(connection, TransactionBehavior::Immediate).map_err(&failed)?;
    let done = job(&transaction)
        .map_err(|error| OpenError::unusable(folder, error.to_string(), error.is_of_the_disk()))?;
    transaction.commit().map_err(failed)?;
    Ok(done)
}

/// Moves the write-ahead log into the file and empties it, as far as nobody is in the way.
pub(super) fn empty_log(connection: &Connection, folder: &Path) -> Result<(), OpenError> {
    let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    emptied.map_err(failure(folder))
}

/// Looks at the file without writing to it, and refuses what is not ours; the answer is its version.
pub(super) fn look(folder: &Path, path: &Path) -> Result<i64, OpenError> {
    // Only what SQLite itself calls no database is foreign; a lock or a fault of the disk may pass.
    let foreign = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::Foreign(path.to_owned()),
        _ => failure(folder)(error),
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(foreign)?;
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(foreign);
    let (id, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let is_fresh = (id, version, tables) == (0, 0, 0);
    if !is_fresh && id != APPLICATION_ID {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    if version > VERSION {
        return Err(OpenError::Newer { file: path.to_owned(), found: version, known: VERSION });
    }
    Ok(version)
}

fn prepare_writer(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(patience)?;
    lower::register(connection)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -8000;
         PRAGMA journal_size_limit = 67108864;",
    )
}

/// Makes a fresh file, or lifts an older one, in one transaction.
pub(super) fn migrate(connection: &mut Connection, now: Instant) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == VERSION {
        return Ok(());
    }
    match usize::try_from(version) {
        Ok(0) => {
            tx.execute_batch(SCHEMA)?;
            tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            let instance_id = format!("{:032x}", rand::random::<u128>());
            let created_at = now.timestamp_millis().to_string();
            for (name, value) in [
                ("instance_id", &instance_id),
                ("created_at", &created_at),
                ("last_seen_at", &created_at),
                ("clock_confirmations", &"0".to_owned()),
            ] {
                tx.execute("INSERT INTO facts (name, value) VALUES (?1, ?2)", [name, value])?;
            }
        }
        Ok(version) => {
            for step in MIGRATIONS.iter().skip(version - 1) {
                tx.execute_batch(step)?;
            }
        }
        Err(_) => return Err(rusqlite::Error::InvalidQuery),
    }
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
}

/// What there is to know about the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// The version of its schema.
    pub schema_version: i64,
    /// How large it is.
    pub bytes: i64,
}

impl Snapshot<'_> {
    /// What there is to know about the file.
    pub fn file(&self) -> Result<FileFacts, StoreError> {
        let number = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        Ok(FileFacts {
            schema_version: number("user_version")?,
            bytes: number("page_count")? * number("page_size")?,
        })
    }
}

fn reader_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn prepare_reader(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    lower::register(connection)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.execute_batch(
        "PRAGMA query_only = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -4000;
         PRAGMA mmap_size = 268435456;",
    )
}

/// A single read-only connection.
pub(super) fn open_reader(folder: &Path) -> Result<Connection, OpenError> {
    let failed = failure(folder);
    let mut connection = Connection::open_with_flags(data_file(folder), reader_flags()).map_err(&failed)?;
    prepare_reader(&mut connection).map_err(&failed)?;
    Ok(connection)
}

/// Read-only connections, opened when first wanted and then kept with their prepared statements.
pub(super) fn reader_pool(folder: &Path) -> Result<r2d2::Pool<SqliteConnectionManager>, OpenError> {
    let manager =
        SqliteConnectionManager::file(data_file(folder)).with_flags(reader_flags()).with_init(prepare_reader);
    r2d2::Pool::builder()
        .max_size(READERS_MAX)
        .min_idle(Some(0))
        .test_on_check_out(false)
        .max_lifetime(None)
        .idle_timeout(None)
        .connection_timeout(Duration::from_secs(5))
        .build(manager)
        .map_err(|error| OpenError::Folder { folder: folder.to_owned(), cause: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema_of(connection: &Connection) -> Vec<(String, String)> {
        let mut statement = connection
            .prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name")
            .unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).map(|(name, sql): (String, String)| (name, backup::meaning(&sql))).collect()
    }

    #[test]
    fn a_migrated_file_equals_a_fresh_one() {
        let folder = tempfile::tempdir().unwrap();
        let fresh = open(folder.path(), Instant::UNIX_EPOCH, Opener::Server).unwrap();
        let mut first = Connection::open_in_memory().unwrap();
        first.execute_batch(include_str!("../../tests/schema-1.sql")).unwrap();
        first.pragma_update(None, "user_version", 1).unwrap();
        migrate(&mut first, Instant::UNIX_EPOCH).unwrap();
        assert_eq!(schema_of(&first), schema_of(&fresh));
    }

    /// The first page of a file and the head of its journal, as a power cut left them.
    fn cut_off(folder: &Path, pages_before: u8) -> [Vec<u8>; 2] {
        let mut page = vec![0; 4_096];
        page[..16].copy_from_slice(b"SQLite format 3\0");
        page[16..24].copy_from_slice(&[0x10, 0, 2, 2, 0, 0x40, 0x20, 0x20]);
        page[31] = 1;
        let mut journal = vec![0; 512];
        journal[..8].copy_from_slice(&[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
        journal[19] = pages_before;
        journal[22] = 2; // a sector of 512 bytes
        journal[26] = 0x10; // a page of 4,096 bytes
        std::fs::write(data_file(folder), &page).unwrap();
        std::fs::write(format!("{}-journal", data_file(folder).display()), &journal).unwrap();
        [page, journal]
    }

    #[test]
    fn a_file_whose_making_was_cut_off_is_made_anew_and_one_that_had_something_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        cut_off(folder.path(), 0);
        let made = open(folder.path(), Instant::UNIX_EPOCH, Opener::Server).unwrap();
        assert_eq!(made.query_row("PRAGMA user_version", [], |row| row.get(0)), Ok(VERSION));
        let other = tempfile::tempdir().unwrap();
        let before = cut_off(other.path(), 1);
        open(other.path(), Instant::UNIX_EPOCH, Opener::Server).unwrap_err();
        let journal = format!("{}-journal", data_file(other.path()).display());
        assert_eq!(
            [data_file(other.path()), journal.into()].map(|path| std::fs::read(path).unwrap()),
            before
        );
    }

    const CAMPAIGN: &str = "INSERT INTO campaigns (name, status, priority, campaign_type, calls_per_day,
          calling_hours_start, calling_hours_end, time_zone, working_days, ai_voice_language, system_prompt,
          script_template, max_attempts_per_lead, retry_delay_minutes, call_duration_limit, success_criteria,
          cost_per_call, budget_alert_threshold, max_concurrent_calls, ring_timeout_seconds, lead_time_zone_policy,
          webhooks, created_at, updated_at)
        VALUES ('Survey', ?1, 'low', 'outbound', 1, 0, 1, 'UTC', 1, 'en', 'x', 'y', 3, 60, 300, 'z', 0, 80, 5,
          30, 'campaign', ?2, 0, 7)";

    #[test]
    fn the_secrets_of_webhooks_move_to_their_endpoints() {
        let mut first = Connection::open_in_memory().unwrap();
        first.execute_batch(include_str!("../../tests/schema-1.sql")).unwrap();
        let webhooks = r#"[{"url":"https://b.example","events":["campaign.error"],"description":"b","secret":"whsec_b"},
                           {"url":"https://a.example","events":["call.completed"],"description":null}]"#;
        first.execute(CAMPAIGN, ["draft", webhooks]).unwrap();
        first.pragma_update(None, "user_version", 1).unwrap();
        migrate(&mut first, Instant::UNIX_EPOCH).unwrap();
        let kept: String = first.query_row("SELECT webhooks FROM campaigns", [], |row| row.get(0)).unwrap();
        let expected = r#"[{"url":"https://b.example","events":["campaign.error"],"description":"b"},{"url":"https://a.example","events":["call.completed"],"description":null}]"#;
        assert_eq!(kept, expected);
        let mut statement = first.prepare("SELECT url, events, secret FROM endpoints ORDER BY id").unwrap();
        let endpoints: Vec<(String, String, String)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let [(b_url, b_events, b_secret), (a_url, _, a_secret)] = &endpoints[..] else {
            panic!("{endpoints:?}")
        };
        assert_eq!((b_url.as_str(), b_events.as_str()), ("https://b.example", r#"["campaign.error"]"#));
        assert_eq!((a_url.as_str(), b_secret.as_str()), ("https://a.example", "whsec_b"));
        assert!(crate::domain::endpoint::key(a_secret).is_some_and(|key| (24..=64).contains(&key.len())));
    }

    #[test]
    fn calls_that_have_ended_are_counted_by_quarter_of_an_hour_and_a_status_says_since_when() {
        let mut first = Connection::open_in_memory().unwrap();
        first.execute_batch(include_str!("../../tests/schema-1.sql")).unwrap();
        for status in ["paused", "draft", "completed"] {
            first.execute(CAMPAIGN, [status, "[]"]).unwrap();
        }
        first
            .execute_batch(
                r#"INSERT INTO campaign_totals (campaign_id) VALUES (1), (2), (3);
                 INSERT INTO leads (campaign_id, phone, created_at, updated_at) VALUES (1, '+12025550143', 0, 0);
                 INSERT INTO calls (campaign_id, lead_id, attempt, phone, carrier, state, outcome, successful, placed_at,
                   answered_at, ended_at, price, cost, max_attempts, retry_delay, local_date, daily_limit, evidence)
                 VALUES (1, 1, 1, '+12025550143', 'simulator', 'ended', 'success', 1, 899999, 905000, 965000, 5, 5, 9, 1,
                         '1970-01-01', 9, '{}'),
                        (1, 1, 2, '+12025550143', 'simulator', 'ended', 'busy', 0, 900000, NULL, 901000, 5, 0, 9, 1,
                         '1970-01-01', 9, '{}'),
                        (1, 1, 3, '+12025550143', 'simulator', 'ended', 'success', 0, 1799999, 1800000, 1801500, 5, 5, 9,
                         1, '1970-01-01', 9, '{}'),
                        (1, 1, 4, '+12025550143', 'simulator', 'placed', NULL, NULL, 1800000, NULL, NULL, 5, 0, 9, 1,
                         '1970-01-01', 9, '{}');
                 INSERT INTO events (campaign_id, sequence, type, key, data, created_at)
                 VALUES (1, 1, 'campaign.status_changed', 'a', '{"by":"Ada"}', 100),
                        (1, 2, 'campaign.status_changed', 'b', '{"by":"Leo"}', 200);"#,
            )
            .unwrap();
        first.pragma_update(None, "user_version", 1).unwrap();
        migrate(&mut first, Instant::UNIX_EPOCH).unwrap();
        let text = |sql: &str| -> Vec<String> {
            let mut statement = first.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            rows.map(Result::unwrap).collect()
        };
        let quarters =
            "SELECT concat_ws(' ', campaign_id, quarter, outcome, calls, completed, successful, spent, talk_ms)
             FROM call_quarters";
        assert_eq!(
            text(quarters),
            ["1 0 success 1 1 1 5 60000", "1 1 busy 1 0 0 0 0", "1 1 success 1 1 0 5 1500"]
        );
        let changed =
            "SELECT concat_ws(' ', status, status_changed_at, status_changed_by) FROM campaigns ORDER BY id";
        assert_eq!(text(changed), ["paused 200 Leo", "draft 0", "completed"]);
    }

    #[test]
    fn a_fresh_file_is_durable_and_checks_itself() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(folder.path(), Instant::UNIX_EPOCH, Opener::Server).unwrap();
        let setting = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(
            ["synchronous", "foreign_keys", "secure_delete", "cell_size_check", "user_version"].map(setting),
            [2, 1, 1, 1, VERSION]
        );
    }

    #[test]
    fn a_file_of_this_version_opens_while_another_process_writes() {
        let folder = tempfile::tempdir().unwrap();
        let writing = open(folder.path(), Instant::UNIX_EPOCH, Opener::Server).unwrap();
        writing.execute_batch("BEGIN IMMEDIATE; UPDATE facts SET value = 'x'").unwrap();
        let (sender, opened) = std::sync::mpsc::channel();
        let path = folder.path().to_owned();
        std::thread::spawn(move || sender.send(open(&path, Instant::UNIX_EPOCH, Opener::Command).is_ok()));
        assert_eq!(opened.recv_timeout(Duration::from_secs(20)), Ok(true));
    }

    #[test]
    fn a_server_and_a_command_may_open_a_fresh_folder_at_once() {
        for _ in 0..100 {
            let folder = tempfile::tempdir().unwrap();
            std::thread::scope(|scope| {
                let openers = [Opener::Server, Opener::Command, Opener::Command].map(|opener| {
                    let path = folder.path();
                    scope.spawn(move || {
                        let connection = open(path, Instant::UNIX_EPOCH, opener)?;
                        connection
                            .execute_batch("INSERT INTO facts VALUES (hex(randomblob(9)), 'x')")
                            .unwrap();
                        drop(open_reader(path)?);
                        drop(connection);
                        Ok::<(), OpenError>(())
                    })
                });
                openers.into_iter().for_each(|opener| opener.join().unwrap().unwrap());
            });
        }
    }

    #[test]
    fn a_busy_file_is_told_from_one_that_cannot_be_used() {
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        let error = failure(Path::new("data"))(rusqlite::Error::SqliteFailure(busy, None));
        assert!(matches!(error, OpenError::Busy(_)), "{error}");
    }

    #[test]
    fn a_disk_that_is_full_or_fails_may_be_well_again_and_a_folder_of_somebody_else_stays_theirs() {
        use rusqlite::ffi::{self, Error};
        let sqlite = |code| {
            let error = rusqlite::Error::SqliteFailure(Error::new(code), None);
            failure(Path::new("data"))(error).passes_by_itself()
        };
        assert!([ffi::SQLITE_FULL, ffi::SQLITE_IOERR, ffi::SQLITE_IOERR_WRITE].into_iter().all(sqlite));
        assert!(![ffi::SQLITE_CANTOPEN, ffi::SQLITE_READONLY, ffi::SQLITE_CORRUPT].into_iter().any(sqlite));
        let system =
            |error: rustix::io::Errno| unusable(Path::new("data"))(io::Error::from(error)).passes_by_itself();
        use rustix::io::Errno;
        assert!([Errno::NOSPC, Errno::DQUOT, Errno::IO].into_iter().all(system));
        assert!(![Errno::ACCESS, Errno::NOENT, Errno::ROFS].into_iter().any(system));
        let folder = tempfile::tempdir().unwrap();
        let connection = open(folder.path(), Instant::UNIX_EPOCH, Opener::Server).unwrap();
        let fails = |error: StoreError| in_transaction(&connection, folder.path(), |_| Err::<(), _>(error));
        assert!(fails(StoreError::Full).unwrap_err().passes_by_itself());
        assert!(!fails(StoreError::Failed("x".into())).unwrap_err().passes_by_itself());
    }

    #[test]
    fn a_server_removes_the_uploads_of_one_that_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["import-x1y2z3", "simulator-ledger.jsonl"] {
            std::fs::write(folder.path().join(name), "phone").unwrap();
        }
        std::fs::create_dir(folder.path().join("import-folder")).unwrap();
        remove_uploads(folder.path()).unwrap();
        let mut left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["import-folder", "simulator-ledger.jsonl"]);
    }
}
