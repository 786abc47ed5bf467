//! Recordings: a row for each, and its file beside the database. A row is marked before its file goes, so that whatever
//! breaks that off is simply done again; at the start both are compared, and the file is what counts.

use super::erasure::files_in;
use super::row::{Cells, json_text, ms};
use super::{Snapshot, Store, StoreError, Tx};
use crate::domain::Instant;
use crate::domain::fields::Words;
use crate::domain::other_call;
use crate::domain::phone::Phone;
use crate::domain::recording::{Gone, Recording};
use crate::media::{RATE, tape, wav};
use chrono::TimeDelta;
use rusqlite::{OptionalExtension, params};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where recordings lie in a data folder.
pub const RECORDINGS_FOLDER: &str = "recordings";

/// Rows of one transaction.
const ROWS_MAX: i64 = 500;
/// Bytes of a second: both sides, 16 bits each.
const SECOND: i64 = RATE as i64 * 4;

/// What is known of the recording of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It can be listened to.
    Here(Recording),
    /// It cannot any more.
    Gone(Gone),
}

/// What became of rows and files that did not fit each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutRight {
    /// Files that got their row, or their right length.
    pub kept: usize,
    /// Rows whose file is not there.
    pub missing: usize,
    /// Files that belong to nobody who may be heard.
    pub removed: usize,
}

impl Snapshot<'_> {
    /// The recording of a call, if there ever was one.
    pub fn recording(&self, call_id: i64) -> Result<Option<Kept>, StoreError> {
        let sql = "SELECT ms, bytes, peaks, reason FROM recordings WHERE call_id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let read = |row: &rusqlite::Row| {
            let mut cells = Cells::of(row);
            let c = &mut cells;
            let recording = Recording { ms: c.get()?, bytes: c.get()?, peaks: c.get()? };
            let gone: Option<Gone> = c.parse_optional(|word: String| Words::from_word(&word))?;
            Ok(gone.map_or(Kept::Here(recording), Kept::Gone))
        };
        Ok(statement.query_row([call_id], read).optional()?)
    }

    /// What was said and pressed on a call.
    pub fn transcript(&self, call_id: i64) -> Result<Value, StoreError> {
        let (sql, id) = match other_call::id_of(call_id) {
            Some(id) => ("SELECT transcript FROM other_calls WHERE id = ?1", id),
            None => ("SELECT transcript FROM calls WHERE id = ?1", call_id),
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([id], |row| Cells::of(row).json())?)
    }

    /// What is kept of the conversation that an agent held on a call; none where none did.
    pub fn conversation(&self, call_id: i64) -> Result<Option<Value>, StoreError> {
        let (sql, id) = match other_call::id_of(call_id) {
            Some(id) => ("SELECT conversation FROM other_calls WHERE id = ?1", id),
            None => ("SELECT conversation FROM calls WHERE id = ?1", call_id),
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let kept: Option<String> = statement.query_row([id], |row| row.get(0))?;
        Ok(kept.and_then(|kept| serde_json::from_str(&kept).ok()))
    }

    /// When whoever is on a call was promised another one.
    pub fn call_back_promised(&self, call_id: i64) -> Result<Option<Instant>, StoreError> {
        let (sql, id) = match other_call::id_of(call_id) {
            Some(id) => ("SELECT call_back_at FROM other_calls WHERE id = ?1", id),
            None => ("SELECT call_back_at FROM calls WHERE id = ?1", call_id),
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([id], |row| Cells::of(row).instant_optional())?)
    }

    fn calls_of_deleted_recordings(&self) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT call_id FROM recordings WHERE has_file = 1 AND deleted_at IS NOT NULL LIMIT ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let ids = statement.query_map([ROWS_MAX], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// All rows: the length of the file, if there is one, and whether it may be heard.
    fn recordings(&self) -> Result<HashMap<i64, (Option<i64>, bool)>, StoreError> {
        let sql = "SELECT call_id, CASE has_file WHEN 1 THEN bytes END, deleted_at IS NULL FROM recordings";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether there is such a call, to somebody who was not erased.
    fn may_be_heard(&self, call_id: i64) -> Result<bool, StoreError> {
        if let Some(id) = other_call::id_of(call_id) {
            let sql = "SELECT 1 FROM other_calls WHERE id = ?1 AND erased_at IS NULL";
            return Ok(self.connection.prepare_cached(sql)?.exists([id])?);
        }
        let mut statement = self.connection.prepare_cached("SELECT phone FROM calls WHERE id = ?1")?;
        let phone: Option<String> = statement.query_row([call_id], |row| row.get(0)).optional()?;
        Ok(phone.and_then(|phone| Phone::from_e164(&phone)).is_some_and(|phone| !phone.is_erased()))
    }
}

impl Tx<'_> {
    /// Writes down what was said and pressed on a call.
    pub fn keep_transcript(&self, call_id: i64, transcript: &Value) -> Result<(), StoreError> {
        let (sql, id) = match other_call::id_of(call_id) {
            Some(id) => ("UPDATE other_calls SET transcript = ?2 WHERE id = ?1 AND erased_at IS NULL", id),
            None => ("UPDATE calls SET transcript = ?2 WHERE id = ?1", call_id),
        };
        self.execute(sql, params![id, json_text(transcript)])?;
        Ok(())
    }

    /// Writes down that a call was recorded. That of somebody who was erased meanwhile is as good as gone.
    pub fn keep_recording(&self, call_id: i64, recording: &Recording) -> Result<(), StoreError> {
        let Recording { ms: length, bytes, peaks } = recording;
        let sql = "INSERT INTO recordings (call_id, ms, bytes, peaks, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT (call_id) DO UPDATE SET ms = excluded.ms, bytes = excluded.bytes, peaks = excluded.peaks
                   WHERE deleted_at IS NULL";
        self.execute(sql, params![call_id, length, bytes, peaks, ms(self.now)])?;
        if !self.may_be_heard(call_id)? {
            self.delete_recording(call_id, Gone::Erasure)?;
        }
        Ok(())
    }

    /// Marks a recording as gone; its file goes with [`Store::remove_deleted_recordings`]. False when there is none.
    pub fn delete_recording(&self, call_id: i64, why: Gone) -> Result<bool, StoreError> {
        let sql = "UPDATE recordings SET deleted_at = ?2, reason = ?3, peaks = x'' WHERE call_id = ?1 AND deleted_at IS NULL";
        Ok(self.execute(sql, params![call_id, ms(self.now), why.word()])? > 0)
    }

    /// Marks some of the recordings that are older than `retention`, or whose campaign was deleted longer ago than
    /// `deleted_campaigns`; true while there may be more.
    pub fn prune_recordings(
        &self,
        retention: TimeDelta,
        deleted_campaigns: TimeDelta,
    ) -> Result<bool, StoreError> {
        let mark = "UPDATE recordings SET deleted_at = ?1, reason = ?2, peaks = x'' WHERE call_id IN ";
        let old = "(SELECT call_id FROM recordings WHERE deleted_at IS NULL AND created_at <= ?3
                    ORDER BY created_at LIMIT ?4)";
        let (now, limit) = (ms(self.now), ROWS_MAX);
        let before = ms(self.now - retention);
        let mut count =
            self.execute(&format!("{mark}{old}"), params![now, Gone::Retention.word(), before, limit])?;
        let orphaned = "(SELECT r.call_id FROM campaigns c CROSS JOIN calls k ON k.campaign_id = c.id
                         CROSS JOIN recordings r ON r.call_id = k.id
                         WHERE c.deleted_at <= ?3 AND r.deleted_at IS NULL
                         UNION ALL SELECT r.call_id FROM campaigns c CROSS JOIN other_calls o ON o.campaign_id = c.id
                         CROSS JOIN recordings r ON r.call_id = -o.id
                         WHERE c.deleted_at <= ?3 AND r.deleted_at IS NULL LIMIT ?4)";
        let before = ms(self.now - deleted_campaigns);
        count +=
            self.execute(&format!("{mark}{orphaned}"), params![now, Gone::Campaign.word(), before, limit])?;
        Ok(count > 0)
    }

    fn have_no_file(&self, call_ids: &[i64]) -> Result<(), StoreError> {
        for id in call_ids {
            self.execute("UPDATE recordings SET has_file = 0 WHERE call_id = ?1", [id])?;
        }
        Ok(())
    }
}

impl Store {
    /// The file of a recording.
    pub fn recording_file(&self, call_id: i64) -> PathBuf {
        file_of(&self.folder().join(RECORDINGS_FOLDER), call_id)
    }

    /// Removes the files of recordings that are marked as gone.
    pub async fn remove_deleted_recordings(&self) -> Result<(), StoreError> {
        loop {
            let ids = self.read(|snapshot| snapshot.calls_of_deleted_recordings()).await?;
            if ids.is_empty() {
                return Ok(());
            }
            self.remove_recording_files(ids.clone()).await?;
            self.write(move |tx| tx.have_no_file(&ids)).await?;
        }
    }

    /// Removes these files, as far as they are there.
    pub(super) async fn remove_recording_files(&self, call_ids: Vec<i64>) -> Result<(), StoreError> {
        let folder = self.folder().join(RECORDINGS_FOLDER);
        beside(move || call_ids.into_iter().try_for_each(|id| remove(&file_of(&folder, id)))).await
    }

    /// Compares rows and files while no call is alive. A file that a killed server left gets its row, and says again how
    /// long it is.
    pub async fn put_recordings_right(&self) -> Result<PutRight, StoreError> {
        let mut done = PutRight::default();
        let folder = self.folder().join(RECORDINGS_FOLDER);
        let within = folder.clone();
        let mut files = beside(move || lengths(&within)).await?;
        let rows = self.read_long(|snapshot| snapshot.recordings()).await?;
        for (id, (bytes, may_be_heard)) in rows {
            match (files.remove(&id), bytes, may_be_heard) {
                (Some(length), Some(bytes), true) if length == bytes => {}
                (Some(_), _, true) => done.kept += usize::from(self.keep_file(&folder, id).await?),
                // Its file is about to go.
                (_, Some(_), false) | (None, None, _) => {}
                (Some(_), None, false) => {
                    self.remove_recording_files(vec![id]).await?;
                    done.removed += 1;
                }
                (None, Some(_), true) => {
                    self.write(move |tx| {
                        tx.delete_recording(id, Gone::Missing)?;
                        tx.have_no_file(&[id])
                    })
                    .await?;
                    done.missing += 1;
                }
            }
        }
        for id in files.into_keys() {
            let may_be_heard = self.read(move |snapshot| snapshot.may_be_heard(id)).await?;
            if may_be_heard && self.keep_file(&folder, id).await? {
                done.kept += 1;
            } else {
                self.remove_recording_files(vec![id]).await?;
                done.removed += 1;
            }
        }
        Ok(done)
    }

    /// Puts a file right and writes its row; false where there is nothing on it.
    async fn keep_file(&self, folder: &Path, call_id: i64) -> Result<bool, StoreError> {
        let path = file_of(folder, call_id);
        let Some(recording) = beside(move || repaired(&path)).await? else { return Ok(false) };
        self.write(move |tx| tx.keep_recording(call_id, &recording)).await?;
        Ok(true)
    }
}

/// Works with files beside what cannot wait.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|panic| StoreError::Failed(panic.to_string()))?;
    done.map_err(|error| StoreError::Unavailable(format!("{RECORDINGS_FOLDER}: {error}")))
}

fn file_of(folder: &Path, call_id: i64) -> PathBuf {
    folder.join(format!("{call_id}.wav"))
}

fn call_of(path: &Path) -> Option<i64> {
    path.file_name()?.to_str()?.strip_suffix(".wav")?.parse().ok()
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The files of recordings, by call, with their lengths.
fn lengths(folder: &Path) -> io::Result<HashMap<i64, i64>> {
    let mut lengths = HashMap::new();
    for path in files_in(folder)? {
        if let Some(id) = call_of(&path) {
            lengths.insert(id, path.metadata()?.len().cast_signed());
        }
    }
    Ok(lengths)
}

/// Lets a file say how long it is, and looks what is on it.
fn repaired(path: &Path) -> io::Result<Option<Recording>> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let header = wav::HEADER as u64;
    // Half a sample at the end was never whole.
    let sound = file.metadata()?.len().saturating_sub(header) / 4 * 4;
    let Some(bytes) = u32::try_from(sound).ok().filter(|bytes| *bytes > 0) else { return Ok(None) };
    file.set_len(header + sound)?;
    file.write_all_at(&wav::header(RATE, 2, bytes), 0)?;
    file.seek(SeekFrom::Start(header))?;
    let peaks = tape::peaks_of(BufReader::new(&file))?;
    let sound = i64::from(bytes);
    Ok(Some(Recording { ms: sound * 1_000 / SECOND, bytes: wav::HEADER as i64 + sound, peaks }))
}

/// Moves the recordings of calls that a database does not know out of the way, since it will give their ids to others.
/// `last` is its newest call, and the newest of those that are no attempt. The answer is how many there were.
pub(super) fn set_aside(folder: &Path, last: (i64, i64), aside: &Path) -> io::Result<usize> {
    let (from, to) = (folder.join(RECORDINGS_FOLDER), aside.join(RECORDINGS_FOLDER));
    let is_newer = |key: i64| other_call::id_of(key).map_or(key > last.0, |id| id > last.1);
    let newer = |path: &PathBuf| call_of(path).is_some_and(is_newer);
    let files: Vec<PathBuf> = files_in(&from)?.into_iter().filter(newer).collect();
    if !files.is_empty() {
        std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&to)?;
    }
    for path in &files {
        std::fs::rename(path, to.join(path.file_name().unwrap_or_default()))?;
    }
    for folder in [&from, &to] {
        if folder.is_dir() {
            File::open(folder)?.sync_all()?;
        }
    }
    Ok(files.len())
}
