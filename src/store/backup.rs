//! Copies of the database: made while the server works, proven before anybody relies on them, and put back in its place.
//!
//! SQLite has no checksums of its own, so a copy comes with one in a file beside it, as `sha256sum -c` reads it. A copy
//! that comes back may have been made by anybody: nothing in it is run, and it is taken only if its schema is exactly
//! ours.

use super::file::{self, OpenError, VERSION};
use super::guard::STOPPED;
use super::tx::{fact, set_fact};
use super::wake_up::{self, Instances};
use super::{StoreError, check, data_file, recordings, seal, suppression};
use crate::domain::Instant;
use crate::domain::wake_up::Cause;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};
use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::NamedTempFile;

/// Why there is no copy, or why one is not taken. One line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What is there is never written over.
    #[error("{0} exists already; choose another name")]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// SQLite could not do it.
    #[error("{path}: {cause}")]
    Failed {
        /// Which file.
        path: PathBuf,
        /// What it said.
        cause: StoreError,
    },
    /// There is no checksum beside it, or it cannot be read.
    #[error(
        "{0} is missing or has no SHA-256 in it; a backup is used only with the checksum that was made with it"
    )]
    NoManifest(PathBuf),
    /// It is not what was written.
    #[error("{0} is damaged: its SHA-256 is not the one that was written down when it was made")]
    Damaged(PathBuf),
    /// It has something in its schema that ours has not, or lacks something.
    #[error("{path} is not a backup of this program: {object}; nothing was changed")]
    Foreign {
        /// Which file.
        path: PathBuf,
        /// What is in its schema.
        object: String,
    },
    /// Its contents do not add up.
    #[error("{path} does not add up: {found}")]
    Unsound {
        /// Which file.
        path: PathBuf,
        /// The first finding.
        found: String,
    },
}

/// A copy that was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// How large it is.
    pub bytes: u64,
    /// Of all its bytes.
    pub sha256: String,
    /// The version of its schema.
    pub schema_version: i64,
    /// The names of the keys that secrets in it are sealed under.
    pub sealed_under: Vec<String>,
}

/// What came of putting a copy back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The copy.
    pub backup: Backup,
    /// Where the files are that were there before.
    pub replaced: Option<PathBuf>,
    /// Numbers of erased people are in it, and the key they were hashed with is not in the folder.
    pub lacks_key: bool,
    /// How many numbers nobody may call because of what was there before; none where that cannot be read.
    pub carried_over: Option<usize>,
}

impl BackupError {
    /// Whether the disk is full or fails, so that another try may go well.
    pub(super) fn is_of_the_disk(&self) -> bool {
        matches!(self, BackupError::Open(error) if error.passes_by_itself())
            || matches!(self, BackupError::File { cause, .. } if file::is_of_the_disk(cause))
            || matches!(self, BackupError::Failed { cause, .. } if cause.is_of_the_disk())
    }
}

fn failed_at(path: &Path) -> impl Fn(io::Error) -> BackupError {
    move |cause| BackupError::File { path: path.to_owned(), cause }
}

fn sql_failed_at(path: &Path) -> impl Fn(rusqlite::Error) -> BackupError {
    move |error| BackupError::Failed { path: path.to_owned(), cause: error.into() }
}

/// The file with the checksum.
pub fn manifest_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// How long to wait for another process that has the file for itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// Copies the database of a data folder to a new file, also while a server works on it. The copy is that of one moment.
pub fn make(folder: &Path, file: &Path) -> Result<Backup, BackupError> {
    let path = data_file(folder);
    let version = file::look(folder, &path)?;
    if version != VERSION {
        return Err(OpenError::Older { file: path, found: version, known: VERSION }.into());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(&path, flags).map_err(sql_failed_at(&path))?;
    source.busy_timeout(PATIENCE).map_err(sql_failed_at(&path))?;
    copy(&source, file, Kind::Backup)
}

/// Copies what is about to be lifted to a newer schema, beside it. The answer is where to.
pub(super) fn before_migration(source: &Connection, folder: &Path) -> Result<PathBuf, BackupError> {
    let name = |turn: u32| match turn {
        1 => format!("before-schema-{VERSION}.sqlite"),
        turn => format!("before-schema-{VERSION}.{turn}.sqlite"),
    };
    let paths = (1..).map(|turn| folder.join(name(turn)));
    let is_free = |path: &PathBuf| !path.exists() && !manifest_of(path).exists();
    let path = paths.into_iter().find(is_free).unwrap_or_default();
    copy(source, &path, Kind::AsItWas)?;
    Ok(path)
}

/// What a copy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// To come back one day; it knows that it is a copy.
    Backup,
    /// For the version of before.
    AsItWas,
}

fn copy(source: &Connection, file: &Path, kind: Kind) -> Result<Backup, BackupError> {
    let manifest = manifest_of(file);
    for path in [file, &manifest] {
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(path.to_owned()));
        }
    }
    let folder = folder_of(file);
    // For nobody but this user, as every temporary file; gone if anything goes wrong from here on.
    let copy = tempfile::Builder::new().prefix(".backup-").tempfile_in(folder).map_err(failed_at(folder))?;
    let Some(target) = copy.path().to_str() else {
        let cause = io::Error::new(io::ErrorKind::InvalidInput, "its name is not UTF-8");
        return Err(failed_at(file)(cause));
    };
    source.execute("VACUUM INTO ?1", [target]).map_err(sql_failed_at(file))?;
    if kind == Kind::Backup {
        let marked = Connection::open_with_flags(target, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .and_then(|copy| wake_up::mark_copy(&copy));
        marked.map_err(sql_failed_at(file))?;
    }
    let (schema_version, sealed_under) = prove(copy.path(), file)?;
    copy.as_file().sync_all().map_err(failed_at(file))?;
    let (bytes, sha256) =
        hash(copy.reopen().map_err(failed_at(file))?, io::sink()).map_err(failed_at(file))?;
    keep(copy, file)?;
    let mut line =
        tempfile::Builder::new().prefix(".backup-").tempfile_in(folder).map_err(failed_at(folder))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    writeln!(line, "{sha256}  {name}").map_err(failed_at(&manifest))?;
    line.as_file().sync_all().map_err(failed_at(&manifest))?;
    keep(line, &manifest)?;
    sync(folder)?;
    Ok(Backup { bytes, sha256, schema_version, sealed_under })
}

/// Gives a file its name, unless there is one of that name.
fn keep(file: NamedTempFile, path: &Path) -> Result<(), BackupError> {
    file.persist_noclobber(path).map(|_| ()).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(path.to_owned()),
        _ => failed_at(path)(error.error),
    })
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed_at(folder))
}

/// Copies bytes, and answers with how many there were and their SHA-256.
fn hash(mut from: impl Read, mut to: impl Write) -> io::Result<(u64, String)> {
    let (mut sha256, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let length = from.read(&mut piece)?;
        if length == 0 {
            return Ok((bytes, sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect()));
        }
        sha256.update(&piece[..length]);
        to.write_all(&piece[..length])?;
        bytes += length as u64;
    }
}

/// The checksum that was written down.
fn expected(file: &Path) -> Result<String, BackupError> {
    let manifest = manifest_of(file);
    let text = match fs::read_to_string(&manifest) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BackupError::NoManifest(manifest));
        }
        Err(error) => return Err(failed_at(&manifest)(error)),
    };
    let word = text.split_whitespace().next().unwrap_or_default();
    match word.len() == 64 && word.chars().all(|c| c.is_ascii_hexdigit()) {
        true => Ok(word.to_ascii_lowercase()),
        false => Err(BackupError::NoManifest(manifest)),
    }
}

/// Looks at a copy without changing anything: is it what was written, is it ours, and does it add up?
pub fn verify(file: &Path) -> Result<Backup, BackupError> {
    let expected = expected(file)?;
    let (bytes, sha256) =
        File::open(file).and_then(|from| hash(from, io::sink())).map_err(failed_at(file))?;
    if sha256 != expected {
        return Err(BackupError::Damaged(file.to_owned()));
    }
    let (schema_version, sealed_under) = prove(file, file)?;
    Ok(Backup { bytes, sha256, schema_version, sealed_under })
}

/// Opens a file that anybody may have made. Nothing in it is run: no trigger, no view, no function that its schema names.
fn open_stranger(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    for (setting, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        connection.set_db_config(setting, value)?;
    }
    connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;")?;
    Ok(connection)
}

/// Looks at the contents of `path`, which is told of as `name`; the answer is the version of its schema, and the keys that
/// secrets in it are sealed under.
fn prove(path: &Path, name: &Path) -> Result<(i64, Vec<String>), BackupError> {
    let version = version_of(path, name)?;
    let failed = sql_failed_at(name);
    let connection = open_stranger(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(&failed)?;
    match version == VERSION {
        true => is_ours(&connection, name)?,
        // How it looked then is not kept; once it is lifted it has to look as it does now.
        false => has_tables_alone(&connection, name)?,
    }
    is_sound(&connection, name)?;
    if version != VERSION {
        return Ok((version, Vec::new()));
    }
    adds_up(&connection, name)?;
    Ok((version, sealed_under(&connection).map_err(&failed)?))
}

/// The names of the keys that secrets are sealed under, each once.
fn sealed_under(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT substr(secret, 7) FROM endpoints WHERE deleted_at IS NULL
               UNION ALL SELECT password FROM trunks WHERE password IS NOT NULL";
    let mut statement = connection.prepare(sql)?;
    let sealed = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut names: Vec<String> =
        sealed.iter().filter_map(|text| seal::sealed_under(text).map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn version_of(path: &Path, name: &Path) -> Result<i64, BackupError> {
    let foreign = |object: &str| BackupError::Foreign { path: name.to_owned(), object: object.to_owned() };
    let mut head = [0; 20];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut head))
        .map_err(|_| foreign("it is no SQLite database"))?;
    // Reading one that has a write-ahead log would make files beside it; a backup never has one.
    if head[18..] != [1, 1] {
        return Err(foreign("it is no finished copy"));
    }
    match file::look(folder_of(name), path) {
        Ok(0) | Err(OpenError::Foreign(_)) => Err(foreign("it belongs to another program")),
        Err(OpenError::Newer { found, known, .. }) => {
            Err(OpenError::Newer { file: name.to_owned(), found, known }.into())
        }
        version => Ok(version?),
    }
}

/// One line of a schema: type, name, table and statement.
type Object = (String, String, String, String);

/// What SQLite makes by itself, where it is as SQLite makes it.
const OF_SQLITE: [(&str, &str); 3] = [
    ("sqlite_sequence", "CREATE TABLE sqlite_sequence(name,seq)"),
    ("sqlite_stat1", "CREATE TABLE sqlite_stat1(tbl,idx,stat)"),
    ("sqlite_stat4", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"),
];

fn objects(connection: &Connection) -> rusqlite::Result<Vec<Object>> {
    let sql =
        "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name, tbl_name";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let sql: String = row.get(3)?;
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, meaning(&sql)))
    })?;
    let objects: Vec<Object> = rows.collect::<Result<_, _>>()?;
    let is_of_sqlite = |(kind, name, table, sql): &Object| {
        kind == "table" && name == table && OF_SQLITE.contains(&(name.as_str(), sql.as_str()))
    };
    Ok(objects.into_iter().filter(|object| !is_of_sqlite(object)).collect())
}

/// Compares a schema with that of a fresh file.
fn is_ours(connection: &Connection, name: &Path) -> Result<(), BackupError> {
    let failed = sql_failed_at(name);
    let fresh = Connection::open_in_memory().map_err(&failed)?;
    fresh.execute_batch(file::SCHEMA).map_err(&failed)?;
    let (ours, theirs) = (objects(&fresh).map_err(&failed)?, objects(connection).map_err(&failed)?);
    let foreign = |what: &str, (kind, object, ..): &Object| {
        Err(BackupError::Foreign { path: name.to_owned(), object: format!("{what} the {kind} `{object}`") })
    };
    if let Some(object) = theirs.iter().find(|object| !ours.contains(object)) {
        return foreign("its schema has", object);
    }
    if let Some(object) = ours.iter().find(|object| !theirs.contains(object)) {
        return foreign("its schema lacks", object);
    }
    match theirs.len() == ours.len() {
        true => Ok(()),
        false => foreign("its schema has twice", &theirs[0]),
    }
}

/// For files of before: at least nothing that could run.
fn has_tables_alone(connection: &Connection, name: &Path) -> Result<(), BackupError> {
    let objects = objects(connection).map_err(sql_failed_at(name))?;
    let is_plain = |(kind, _, _, sql): &&Object| {
        let is_virtual = sql.to_ascii_lowercase().starts_with("create virtual");
        (kind == "table" && !is_virtual) || kind == "index"
    };
    match objects.iter().find(|object| !is_plain(object)) {
        None => Ok(()),
        Some((kind, object, ..)) => {
            let object = format!("its schema has the {kind} `{object}`");
            Err(BackupError::Foreign { path: name.to_owned(), object })
        }
    }
}

/// A statement without comments and blanks that mean nothing. What stands between quotes stays as it is.
pub(super) fn meaning(sql: &str) -> String {
    let mut said = String::with_capacity(sql.len());
    let mut rest = sql;
    let mut is_apart = false;
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("--") => rest.find('\n').map_or(rest.len(), |at| at + 1),
            _ if rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |at| at + 4),
            c if c.is_ascii_whitespace() => 1,
            _ => 0,
        };
        if length > 0 {
            is_apart = true;
            rest = &rest[length..];
            continue;
        }
        let closing = match first {
            '\'' | '"' | '`' => Some(first),
            '[' => Some(']'),
            _ => None,
        };
        let length = match closing {
            Some(closing) => rest[1..].find(closing).map_or(rest.len(), |at| at + 1 + closing.len_utf8()),
            None => first.len_utf8(),
        };
        // Two words, or two texts, that stand apart mean something else than one.
        let joins = |c: char| is_word(c) || matches!(c, '\'' | '"' | '`' | ']' | '-' | '/' | '*');
        if is_apart && joins(first) && said.chars().last().is_some_and(joins) {
            said.push(' ');
        }
        is_apart = false;
        said.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    said
}

fn is_sound(connection: &Connection, name: &Path) -> Result<(), BackupError> {
    let sql = "PRAGMA quick_check(1)";
    let found: String = connection.query_row(sql, [], |row| row.get(0)).map_err(sql_failed_at(name))?;
    match found == "ok" {
        true => Ok(()),
        false => Err(BackupError::Unsound { path: name.to_owned(), found }),
    }
}

fn adds_up(connection: &Connection, name: &Path) -> Result<(), BackupError> {
    let recounted = check::recount(connection);
    let findings = recounted.map_err(|cause| BackupError::Failed { path: name.to_owned(), cause })?;
    match findings.into_iter().find(|finding| !finding.ok) {
        None => Ok(()),
        Some(finding) => Err(BackupError::Unsound {
            path: name.to_owned(),
            found: format!("{}: {}", finding.invariant, finding.message),
        }),
    }
}

/// What the names of files begin with that are being put back; left over when that was cut short.
pub(super) const RESTORE_PREFIX: &str = ".restore-";

/// Puts a copy in the place of a data folder's database, which no server may be using. What was there is kept in a folder
/// beside it. Cut short at any moment, the folder has the one or the other, whole. Nobody is called afterwards before
/// somebody has looked: who was called since the copy was made is not in it. Who said no to what was there is.
pub fn restore(file: &Path, folder: &Path, now: Instant) -> Result<Restored, BackupError> {
    let expected = expected(file)?;
    let from = File::open(file).map_err(failed_at(file))?;
    file::make_folder(folder)?;
    let _lock = file::lock(folder)?;
    let _turn = file::turn_to_open(folder)?;
    let mut incoming =
        tempfile::Builder::new().prefix(RESTORE_PREFIX).tempfile_in(folder).map_err(failed_at(folder))?;
    let (bytes, sha256) = hash(from, &mut incoming).map_err(failed_at(file))?;
    if sha256 != expected {
        return Err(BackupError::Damaged(file.to_owned()));
    }
    // From here on our own copy is looked at, which nobody changes behind our back.
    let (schema_version, sealed_under) = prove(incoming.path(), file)?;
    let of_backup = last_calls(incoming.path()).map_err(sql_failed_at(file))?;
    let lacks_key = prepare(incoming.path(), file, now)? && !suppression::key_file(folder).exists();
    let path = data_file(folder);
    let carried_over = match path.exists() {
        true => carry_over(incoming.path(), &path, suppression::key_file(folder).exists(), now)
            .map_err(sql_failed_at(file))?,
        false => Some(0),
    };
    incoming.as_file().sync_all().map_err(failed_at(folder))?;
    let of_replaced = last_calls(&path);
    let replaced = if path.exists() { Some(put_aside(folder, &path, now)?) } else { None };
    incoming.persist(&path).map_err(|error| failed_at(&path)(error.error))?;
    sync(folder)?;
    let restored = open_stranger(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sql_failed_at(&path))?;
    wake_up::settle_here(&restored, folder).map_err(failed_at(folder))?;
    if let Some(replaced) = &replaced {
        // It tells of the calls of what was there.
        let ledger = folder.join("simulator-ledger.jsonl");
        if ledger.exists() {
            fs::rename(&ledger, replaced.join("simulator-ledger.jsonl")).map_err(failed_at(&ledger))?;
        }
        // Of another server's calls, or one that nobody can read, none may be taken for ours.
        let (backup, newest) = &of_backup;
        let shared = of_replaced.ok().and_then(|(replaced, _)| replaced.calls_shared_with(backup, *newest));
        recordings::set_aside(folder, shared.unwrap_or_default(), replaced).map_err(failed_at(replaced))?;
    }
    let backup = Backup { bytes, sha256, schema_version, sealed_under };
    Ok(Restored { backup, replaced, lacks_key, carried_over })
}

/// Whose database it is, its newest call, and the newest of those that are no attempt.
fn last_calls(path: &Path) -> rusqlite::Result<(Instances, (i64, i64))> {
    wake_up::origin(&open_stranger(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

/// Makes a proven copy fit for service: lifted to this version, nobody signed in, and nobody called before somebody has looked. Whether
/// it needs the key of erased numbers.
fn prepare(path: &Path, name: &Path, now: Instant) -> Result<bool, BackupError> {
    let failed = sql_failed_at(name);
    let mut connection = open_stranger(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(&failed)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;").map_err(&failed)?;
    file::migrate(&mut connection, now).map_err(&failed)?;
    is_ours(&connection, name)?;
    adds_up(&connection, name)?;
    wake_up::become_copy(&connection, now, Cause::Restored).map_err(&failed)?;
    connection.execute("DELETE FROM sessions", []).map_err(&failed)?;
    let erased = "SELECT EXISTS (SELECT 1 FROM erased_numbers)";
    connection.query_row(erased, [], |row| row.get(0)).map_err(&failed)
}

/// Number, reason, source and author of all entries of a do-not-call list.
fn listed(of: &Connection) -> rusqlite::Result<Vec<[String; 4]>> {
    let mut statement = of.prepare("SELECT phone, reason, source, added_by FROM do_not_call")?;
    let rows = statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
    rows.collect()
}

/// The hashes of the numbers of erased people.
fn erased(of: &Connection) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut statement = of.prepare("SELECT hash FROM erased_numbers")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Whoever is on the do-not-call list of what is replaced, or was erased there, is called by what replaces it no more
/// either; and where somebody stopped all dialing, it stays stopped. The answer is how many numbers that are; none where
/// what is replaced cannot be read.
fn carry_over(path: &Path, replaced: &Path, has_key: bool, now: Instant) -> rusqlite::Result<Option<usize>> {
    let replaced = open_stranger(replaced, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let read = |of: Connection| Ok((listed(&of)?, erased(&of)?, fact(&of, STOPPED)?));
    let Ok((listed, erased, stopped)) = replaced.and_then(read) else {
        return Ok(None);
    };
    let mut connection = open_stranger(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")?;
    let (tx, now) = (connection.transaction()?, now.timestamp_millis());
    let mut count = 0;
    for [phone, reason, source, by] in &listed {
        // Calls of the copy to this number were made before.
        let sql = "INSERT INTO do_not_call (phone, reason, source, added_by, last_call_id, created_at)
                   VALUES (?1, ?2, ?3, ?4, (SELECT coalesce(max(id), 0) FROM calls), ?5) ON CONFLICT (phone) DO NOTHING";
        let is_new = tx.execute(sql, params![phone, reason, source, by, now])? > 0;
        if is_new {
            let sql =
                "INSERT INTO do_not_call_changes (phone, change, reason, source, changed_by, created_at)
                       VALUES (?1, 'added', ?2, ?3, ?4, ?5)";
            tx.execute(sql, params![phone, reason, source, by, now])?;
        }
        count += usize::from(is_new);
    }
    if let Some(stopped) = stopped {
        set_fact(&tx, STOPPED, &stopped)?;
    }
    // Without their key they are numbers of nobody.
    for hash in erased.iter().filter(|_| has_key) {
        let sql = "INSERT INTO erased_numbers (hash, last_call_id, created_at)
                   VALUES (?1, (SELECT coalesce(max(id), 0) FROM calls), ?2) ON CONFLICT (hash) DO NOTHING";
        count += tx.execute(sql, params![hash, now])?;
    }
    tx.commit()?;
    Ok(Some(count))
}

/// Copies the database that is there into a folder of its own, with everything that waits in its write-ahead log. One
/// that SQLite cannot read goes as it is, with its log.
fn put_aside(folder: &Path, path: &Path, now: Instant) -> Result<PathBuf, BackupError> {
    let name = now.format("replaced-%Y%m%dT%H%M%SZ").to_string();
    let names = (1..).map(|turn: u32| if turn == 1 { name.clone() } else { format!("{name}.{turn}") });
    let aside = names.map(|name| folder.join(name)).find(|aside| !aside.exists()).unwrap_or_default();
    let [log, index] = ["-wal", "-shm"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    });
    let is_readable = match empty_log(path) {
        Ok(true) => true,
        // A command beside us still has it open.
        Ok(false) => return Err(OpenError::Busy(folder.to_owned()).into()),
        Err(error) => match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => false,
            _ => return Err(file::failure(folder)(error).into()),
        },
    };
    if is_readable && log.exists() {
        return Err(OpenError::Busy(folder.to_owned()).into());
    }
    DirBuilder::new().mode(0o700).create(&aside).map_err(failed_at(&aside))?;
    let mut copy =
        tempfile::Builder::new().prefix(RESTORE_PREFIX).tempfile_in(&aside).map_err(failed_at(&aside))?;
    File::open(path)
        .and_then(|mut from| io::copy(&mut from, &mut copy))
        .and_then(|_| copy.as_file().sync_all())
        .map_err(failed_at(&aside))?;
    keep(copy, &data_file(&aside))?;
    if log.exists() {
        fs::rename(&log, aside.join(log.file_name().unwrap_or_default())).map_err(failed_at(&log))?;
    }
    match fs::remove_file(&index) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed_at(&index)(error)),
        _ => {}
    }
    sync(&aside)?;
    sync(folder)?;
    Ok(aside)
}

/// Moves the write-ahead log into the file, so that the file is all there is; false when somebody is in the way.
fn empty_log(path: &Path) -> rusqlite::Result<bool> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let is_busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(is_busy == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blanks_mean_nothing_and_what_is_quoted_means_everything() {
        for (one, other) in [
            ("CREATE TABLE a (b TEXT, -- why\n  c INT)", "CREATE  TABLE a(b TEXT,c INT)"),
            ("CREATE TABLE a /* x */ (b)", "CREATE TABLE a(b)"),
        ] {
            assert_eq!(meaning(one), meaning(other));
        }
        for (one, other) in [
            ("CHECK (a IN ('--', evil(), '\n'b'))", "CHECK (a IN ('b'))"),
            ("CHECK (a = 'x y')", "CHECK (a = 'xy')"),
            ("a b", "ab"),
            ("a - -b", "a --b"),
            ("'a' 'b'", "'a''b'"),
        ] {
            assert_ne!(meaning(one), meaning(other));
        }
    }
}
