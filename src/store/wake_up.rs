//! Whose data these are, and whether somebody must look before anybody is called: a data folder that was copied, taken to
//! another place or restored knows it, and so does a server that was away for long.
//!
//! Beside the database lies a file, [`FILE`], that is in no backup. It names the instance, how often it was started, where, and
//! which file on the disk the database is; a database that does not fit it comes from somewhere else, or from before.

use super::file::data_file;
use super::row::{Cells, json_text, ms};
use super::tx::{fact, set_fact};
use super::{Snapshot, StoreError, Tx};
use crate::domain::Instant;
use crate::domain::campaign::CampaignType;
use crate::domain::event::Event;
use crate::domain::fields::Words;
use crate::domain::wake_up::{self, Cause, Due};
use chrono::DateTime;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The file that stays where the server is.
const FILE: &str = "instance";
/// The fact that somebody must look first; absent while nobody need.
const WOKE_UP: &str = "woke_up";
/// The fact how often a server was started on these data.
const STARTS: &str = "starts";
/// The fact when a backup was made; absent in what is no backup.
const COPIED_AT: &str = "copied_at";
/// The fact when a server was last at work on these data.
const LAST_SEEN_AT: &str = "last_seen_at";
/// The fact which instance this is.
const INSTANCE: &str = "instance_id";
/// The fact which it was before it was copied.
const FORMER: &str = "former_instances";
/// What names a machine, where anything does.
const MACHINE: &str = "/etc/machine-id";

/// That somebody must look before anybody is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeUp {
    since: i64,
    cause: String,
    seen_at: Option<i64>,
}

impl WakeUp {
    fn new(now: Instant, cause: Cause, seen_at: Option<Instant>) -> WakeUp {
        WakeUp { since: ms(now), cause: cause.word().to_owned(), seen_at: seen_at.map(ms) }
    }

    /// When it was noticed.
    pub fn since(&self) -> Instant {
        DateTime::from_timestamp_millis(self.since).unwrap_or(Instant::UNIX_EPOCH)
    }

    /// Why.
    pub fn cause(&self) -> Cause {
        Cause::from_word(&self.cause).unwrap_or(Cause::Copied)
    }

    /// The last sign of life before, or when the backup was made.
    pub fn seen_at(&self) -> Option<Instant> {
        self.seen_at.and_then(DateTime::from_timestamp_millis)
    }
}

/// An instance that these data were of, and what it had made until they were copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Former {
    id: String,
    calls_to: i64,
    #[serde(default)]
    other_calls_to: i64,
    events_to: i64,
    deliveries_to: i64,
}

/// Which instance made what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instances {
    present: String,
    former: Vec<Former>,
}

impl Instances {
    fn read(connection: &Connection) -> rusqlite::Result<Instances> {
        let former = fact(connection, FORMER)?;
        Ok(Instances {
            present: fact(connection, INSTANCE)?.unwrap_or_default(),
            former: former.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        })
    }

    fn first(&self, made: impl Fn(&Former) -> bool) -> &str {
        self.former.iter().find(|former| made(former)).map_or(&self.present, |former| &former.id)
    }

    /// The instance in which an event happened.
    pub(super) fn of_event(&self, id: i64) -> &str {
        self.first(|former| id <= former.events_to)
    }

    /// The instance in which a delivery was written down.
    pub(super) fn of_delivery(&self, id: i64) -> &str {
        self.first(|former| id <= former.deliveries_to)
    }

    /// Up to which call, and up to which of those that are no attempt, both have the same; none where that cannot be said.
    pub(super) fn calls_shared_with(&self, other: &Instances, newest: (i64, i64)) -> Option<(i64, i64)> {
        let was = self.former.iter().find(|former| former.id == other.present);
        match was {
            _ if self.present == other.present => Some(newest),
            was => was.map(|former| (former.calls_to.min(newest.0), former.other_calls_to.min(newest.1))),
        }
    }
}

/// Which instances a database file is and was of, its newest call, and the newest of those that are no attempt.
pub(super) fn origin(connection: &Connection) -> rusqlite::Result<(Instances, (i64, i64))> {
    let newest = |sql: &str| connection.query_row(sql, [], |row| row.get(0));
    let calls = newest("SELECT coalesce(max(id), 0) FROM calls")?;
    // Files of before have none.
    let others = match connection.table_exists(None, "other_calls")? {
        true => newest("SELECT coalesce(max(id), 0) FROM other_calls")?,
        false => 0,
    };
    Ok((Instances::read(connection)?, (calls, others)))
}

/// Writes into a backup that it is one.
pub(super) fn mark_copy(connection: &Connection) -> rusqlite::Result<()> {
    match fact(connection, LAST_SEEN_AT)? {
        Some(seen_at) => set_fact(connection, COPIED_AT, &seen_at),
        None => Ok(()),
    }
}

/// Makes a database that no server has open one of its own, whose events and calls are not taken for those that another one
/// makes under the same numbers; nobody is called from it before somebody has looked.
pub(super) fn become_copy(connection: &Connection, now: Instant, cause: Cause) -> rusqlite::Result<()> {
    let mut instances = Instances::read(connection)?;
    let sql = "SELECT (SELECT coalesce(max(id), 0) FROM calls), (SELECT coalesce(max(id), 0) FROM events),
                      (SELECT coalesce(max(id), 0) FROM deliveries), (SELECT coalesce(max(id), 0) FROM other_calls)";
    let former = connection.query_row(sql, [], |row| {
        let id = std::mem::take(&mut instances.present);
        let (calls_to, other_calls_to) = (row.get(0)?, row.get(3)?);
        Ok(Former { id, calls_to, other_calls_to, events_to: row.get(1)?, deliveries_to: row.get(2)? })
    })?;
    instances.former.push(former);
    set_fact(connection, FORMER, &json_text(&instances.former))?;
    set_fact(connection, INSTANCE, &format!("{:032x}", rand::random::<u128>()))?;
    let copied_at = match fact(connection, COPIED_AT)? {
        Some(text) => Some(text),
        None => fact(connection, LAST_SEEN_AT)?,
    };
    let seen_at = copied_at.and_then(|text| text.parse().ok()).and_then(DateTime::from_timestamp_millis);
    let woke = WakeUp::new(now, cause, seen_at);
    let keep = "INSERT INTO facts (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    connection.execute(keep, params![WOKE_UP, json_text(&woke)])?;
    connection.execute("DELETE FROM facts WHERE name = ?1", [COPIED_AT])?;
    Ok(())
}

/// What lies beside the database.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Beside {
    instance: String,
    starts: i64,
    place: String,
    /// Empty where an older version wrote it.
    file: String,
}

impl Beside {
    fn read(folder: &Path) -> io::Result<Option<Beside>> {
        let text = match std::fs::read(folder.join(FILE)) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut words = text.split_whitespace();
        let mut next = || words.next().unwrap_or_default().to_owned();
        let (instance, starts, place, file) = (next(), next(), next(), next());
        Ok(Some(Beside { instance, starts: starts.parse().unwrap_or(i64::MAX), place, file }))
    }

    fn write(&self, folder: &Path) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix("new-instance-").tempfile_in(folder)?;
        writeln!(file, "{} {} {} {}", self.instance, self.starts, self.place, self.file)?;
        file.as_file().sync_all()?;
        file.persist(folder.join(FILE)).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }
}

/// Where these data are, as one word: the folder, and the machine. One without a name, as a container is, has every folder
/// at the same place, but not under the same number on its disk.
fn place(folder: &Path) -> io::Result<String> {
    let machine = std::fs::read_to_string(MACHINE).unwrap_or_default();
    let folder: PathBuf = folder.canonicalize()?;
    let mut hash = Sha256::new();
    match machine.trim() {
        "" => hash.update(folder.metadata()?.ino().to_string()),
        name => hash.update(name),
    }
    hash.update([0]);
    hash.update(folder.as_os_str().as_encoded_bytes());
    Ok(hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

/// Which file on the disk the database is. A folder that was copied as a whole and put back at the same place has another, however
/// well it was copied: the same number may be given again, but not at the same time.
fn file(folder: &Path) -> io::Result<String> {
    let about = data_file(folder).metadata()?;
    let made_at = about.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    Ok(format!("{}-{}", about.ino(), made_at.unwrap_or_default().as_nanos()))
}

/// A server starts on these data: looks whether they are those that were here before, and writes down that they are now. True
/// when they are not.
pub(super) fn look_whose(connection: &Connection, folder: &Path, now: Instant) -> Result<bool, StoreError> {
    let unreadable = |error: io::Error| StoreError::Unavailable(format!("{FILE}: {error}"));
    let (beside, place) = (Beside::read(folder).map_err(unreadable)?, place(folder).map_err(unreadable)?);
    let file = file(folder).map_err(unreadable)?;
    let starts: Option<i64> = fact(connection, STARTS)?.map(|text| text.parse().unwrap_or(0));
    let instance = Instances::read(connection)?.present;
    let is_ours = match (&beside, starts) {
        // New, or of a version that did not know.
        (None, None) => true,
        // The database is written first; after a power cut the file may be one behind.
        (Some(beside), Some(starts)) => {
            beside.instance == instance
                && beside.place == place
                && (beside.file == file || beside.file.is_empty())
                && (beside.starts == starts || beside.starts == starts - 1)
        }
        (None, Some(_)) | (Some(_), None) => false,
    };
    let is_backup = fact(connection, COPIED_AT)?.is_some();
    match (is_backup, is_ours) {
        (true, _) => become_copy(connection, now, Cause::Restored)?,
        (false, false) => become_copy(connection, now, Cause::Copied)?,
        (false, true) => {}
    }
    let starts = starts.unwrap_or(0) + 1;
    set_fact(connection, STARTS, &starts.to_string())?;
    Ok(is_backup || !is_ours)
}

/// Writes down beside the database what is in it now.
pub(super) fn settle_here(connection: &Connection, folder: &Path) -> io::Result<()> {
    let failed = |error: rusqlite::Error| io::Error::other(error.to_string());
    let starts = fact(connection, STARTS).map_err(failed)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    let instance = Instances::read(connection).map_err(failed)?.present;
    Beside { instance, starts, place: place(folder)?, file: file(folder)? }.write(folder)
}

impl Snapshot<'_> {
    /// Why somebody must look first, if somebody must.
    pub fn wake_up(&self) -> Result<Option<WakeUp>, StoreError> {
        let Some(text) = self.fact_if_any(WOKE_UP)? else { return Ok(None) };
        // Whatever is written there, that it is there means wait.
        let unreadable = || WakeUp { since: 0, cause: String::new(), seen_at: None };
        Ok(Some(serde_json::from_str(&text).unwrap_or_else(|_| unreadable())))
    }

    /// Which instance this is.
    pub fn instance_id(&self) -> Result<String, StoreError> {
        self.fact(INSTANCE)
    }

    pub(super) fn instances(&self) -> Result<Instances, StoreError> {
        Ok(Instances::read(self.connection)?)
    }

    /// The leads of a campaign that will be due within the time that is shown after a wake-up, by zone. Goes through the queue, which
    /// takes a while.
    pub fn due_soon(&self, campaign_id: i64) -> Result<Vec<Due>, StoreError> {
        let sql = "SELECT time_zone, count(*), min(next_call_at) FROM leads
                   WHERE campaign_id = ?1 AND next_call_at < ?2 GROUP BY time_zone";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![campaign_id, ms(self.now + wake_up::AHEAD)], |row| {
            let mut cells = Cells::of(row);
            let zone: String = cells.get()?;
            Ok(Due { zone: zone.parse().ok(), leads: cells.get()?, first_at: cells.instant()? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Tx<'_> {
    /// Nobody is called before somebody has looked, because so much time has passed since `seen_at`; and whoever is told of
    /// events is told so. Where no campaign would call anybody, nothing is held.
    pub fn hold_after_sleep(&self, cause: Cause, seen_at: Instant) -> Result<bool, StoreError> {
        let is_outbound = |campaign: &crate::domain::campaign::Campaign| {
            campaign.settings.campaign_type == CampaignType::Outbound
        };
        let active: Vec<_> = self.active_campaigns()?.into_iter().filter(is_outbound).collect();
        if active.is_empty() || self.wake_up()?.is_some() {
            return Ok(false);
        }
        self.set_fact(WOKE_UP, &json_text(&WakeUp::new(self.now, cause, Some(seen_at))))?;
        let (message, action) =
            (cause.sentence(), "See whom it would call (GET /api/wake-up), then release it");
        for campaign in active {
            let key = self.now.timestamp_millis().to_string();
            self.emit_once(campaign.id, &Event::error(&campaign, "woke_up", message, action, &key))?;
        }
        self.wake_dialer();
        Ok(true)
    }

    /// Somebody has looked; dialing goes on.
    pub fn release_wake_up(&self) -> Result<(), StoreError> {
        self.execute("DELETE FROM facts WHERE name = ?1", [WOKE_UP])?;
        self.wake_dialer();
        Ok(())
    }
}
