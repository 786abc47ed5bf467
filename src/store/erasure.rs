//! A person is forgotten: every trace of the number, and of the name where it stood beside it, goes from the tables, from
//! the files of the data folder and from the write-ahead log. What is left is a hash that keeps the number from being
//! called, and rows that count without saying whom.
//!
//! In this order, so that whatever breaks it off can simply be asked for again: suppress, wait for dials on their way,
//! rows, files, log.

use super::import;
use super::people::LEADS_OF;
use super::row::{json_text, ms};
use super::{Snapshot, Store, StoreError, Tx};
use crate::domain::erasure::{Needle, forget_person};
use crate::domain::lead::LeadStatus;
use crate::domain::other_call;
use crate::domain::phone::Phone;
use crate::domain::recording::Gone;
use chrono::TimeDelta;
use rusqlite::params;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What became of a person who was to be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// All is gone.
    Erased(Traces),
    /// A call to the number is alive, and is being ended.
    InCall,
    /// A file is being imported, and may have the number in it.
    Importing,
}

/// What was found and is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traces {
    /// Leads that tell nothing about anybody any more.
    pub leads: usize,
    /// Calls that no longer say to whom.
    pub calls: usize,
    /// Events likewise.
    pub events: usize,
    /// Entries and changes of the do-not-call list.
    pub do_not_call: usize,
    /// Reports of imports that forgot the rows they showed.
    pub imports: usize,
    /// Answers that are not given again.
    pub replies: usize,
    /// Rows and lines of files.
    pub file_rows: usize,
    /// Recordings of calls.
    pub recordings: usize,
}

/// What has to be looked through, because no index leads there.
struct Mentions {
    imports: Vec<i64>,
    replies: Vec<(i64, String)>,
}

/// How long readers may be in the way of the log before it is said so.
const LOG_PATIENCE: TimeDelta = TimeDelta::seconds(10);
const LOG_PAUSE: TimeDelta = TimeDelta::milliseconds(50);

impl Store {
    /// Forgets whoever has this number, and keeps every campaign from calling it.
    pub async fn erase(&self, phone: Phone) -> Result<Erasure, StoreError> {
        let hindrance = self
            .write_and_wait_for_dials(move |tx| {
                tx.suppress_erased(phone)?;
                tx.erasure_hindered_by(phone)
            })
            .await?;
        if let Some(hindrance) = hindrance {
            return Ok(hindrance);
        }
        let (folder, turn) = (self.folder().to_owned(), self.0.cleaning.clone().lock_owned().await);
        let clean = move || {
            // Until it is done, also where nobody waits for it any more.
            let _turn = turn;
            clean_files(&folder, phone)
        };
        let cleaned = tokio::task::spawn_blocking(clean).await;
        let (file_rows, files_of) = cleaned.map_err(|panic| StoreError::Failed(panic.to_string()))??;
        let mut mentions = self.read_long(move |snapshot| snapshot.mentions(&Needle::of(phone))).await?;
        mentions.imports.extend(files_of);
        let (mut traces, calls) = self.write(move |tx| tx.forget(phone, &mentions)).await?;
        traces.file_rows = file_rows;
        // Also those that nobody has written down.
        self.remove_recording_files(calls).await?;
        self.remove_deleted_recordings().await?;
        self.empty_log().await?;
        Ok(Erasure::Erased(traces))
    }

    /// Moves the write-ahead log into the file and empties it, so that nothing is left of what pages held before.
    async fn empty_log(&self) -> Result<(), StoreError> {
        let clock = self.clock();
        let end = clock.steady() + LOG_PATIENCE;
        while !self.checkpoint().await? {
            if clock.steady() >= end {
                let message = "readers keep the write-ahead log from being emptied; ask again";
                return Err(StoreError::Unavailable(message.into()));
            }
            clock.sleep_until(clock.steady() + LOG_PAUSE).await;
        }
        Ok(())
    }
}

impl Snapshot<'_> {
    fn erasure_hindered_by(&self, phone: Phone) -> Result<Option<Erasure>, StoreError> {
        let is_there = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
            Ok::<_, StoreError>(self.connection.prepare_cached(sql)?.exists(params)?)
        };
        let number = phone.to_string();
        if is_there("SELECT 1 FROM calls WHERE phone = ?1 AND state <> 'ended'", &[&number])?
            || is_there("SELECT 1 FROM other_calls WHERE phone = ?1 AND state <> 'ended'", &[&number])?
        {
            return Ok(Some(Erasure::InCall));
        }
        let is_importing = is_there("SELECT 1 FROM imports WHERE state = 'running'", &[])?;
        Ok(is_importing.then_some(Erasure::Importing))
    }

    /// The reports and remembered answers that have the number in them.
    fn mentions(&self, needle: &Needle) -> Result<Mentions, StoreError> {
        let mut mentions = Mentions { imports: Vec::new(), replies: Vec::new() };
        let mut statement =
            self.connection.prepare_cached("SELECT id, report, coalesce(error, '') FROM imports")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (report, error): (String, String) = (row.get(1)?, row.get(2)?);
            if needle.is_in_json(&report) || needle.is_in(&error) {
                mentions.imports.push(row.get(0)?);
            }
        }
        let sql = "SELECT token_id, key, body, coalesce(location, '') FROM replies";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (token_id, key): (i64, String) = (row.get(0)?, row.get(1)?);
            let (body, location): (String, String) = (row.get(2)?, row.get(3)?);
            // What nobody can open goes as well: it may have the number in it, and is of no use.
            let body = self.opened_body(token_id, &key, body);
            if body.is_none_or(|body| needle.is_in_json(&body)) || needle.is_in(&location) {
                mentions.replies.push((token_id, key));
            }
        }
        Ok(mentions)
    }
}

impl Tx<'_> {
    /// The answer is what was there, and which calls were to the number.
    fn forget(&self, phone: Phone, mentions: &Mentions) -> Result<(Traces, Vec<i64>), StoreError> {
        let number = phone.to_string();
        let leads = self.ids_of(LEADS_OF, params![number])?;
        let mut calls = self.ids_of("SELECT id FROM calls WHERE phone = ?1", params![number])?;
        let mut traces = Traces { leads: leads.len(), ..Traces::default() };
        for id in &calls {
            traces.events += self.forget_call(*id)?;
        }
        calls.extend(self.forget_other_calls(&number, &leads)?.into_iter().map(other_call::key));
        traces.calls = calls.len();
        for key in &calls {
            traces.recordings += usize::from(self.delete_recording(*key, Gone::Erasure)?);
        }
        let mut imports: BTreeSet<i64> = mentions.imports.iter().copied().collect();
        for id in leads {
            imports.extend(self.forget_lead(id)?);
        }
        for id in &imports {
            self.forget_rows_of(*id, &Needle::of(phone))?;
        }
        traces.imports = imports.len();
        for (token_id, key) in &mentions.replies {
            let sql = "DELETE FROM replies WHERE token_id = ?1 AND key = ?2";
            traces.replies += self.execute(sql, params![token_id, key])?;
        }
        traces.do_not_call = self.execute("DELETE FROM do_not_call WHERE phone = ?1", [&number])?
            + self.execute("DELETE FROM do_not_call_changes WHERE phone = ?1", [&number])?;
        Ok((traces, calls))
    }

    fn forget_call(&self, id: i64) -> Result<usize, StoreError> {
        let lead_id: i64 = self
            .connection
            .prepare_cached("SELECT lead_id FROM calls WHERE id = ?1")?
            .query_row([id], |row| row.get(0))?;
        let sql =
            "UPDATE calls SET phone = ?2, detail = NULL, timeline = '[]', transcript = '[]', conversation = NULL
                   WHERE id = ?1";
        self.execute(sql, params![id, Phone::erased(lead_id).to_string()])?;
        // An answer may have repeated what it was told.
        let sql = "UPDATE delivery_tries SET excerpt = '' WHERE excerpt <> '' AND delivery_id IN
                     (SELECT d.id FROM events v JOIN deliveries d ON d.event_id = v.id WHERE v.key = ?1)";
        self.execute(sql, [format!("call:{id}")])?;
        let sql = "UPDATE events SET data = json_set(data, '$.lead.phone', NULL, '$.lead.name', NULL,
                     '$.lead.variables', NULL, '$.call.detail', NULL, '$.call.verdict', NULL, '$.call.answers', NULL) WHERE key = ?1";
        self.execute(sql, [format!("call:{id}")])
    }

    /// Calls from the number and to it, and those on which the values of its leads were said to somebody else.
    fn forget_other_calls(&self, number: &str, leads: &[i64]) -> Result<Vec<i64>, StoreError> {
        let mut ids =
            BTreeSet::from_iter(self.ids_of("SELECT id FROM other_calls WHERE phone = ?1", params![number])?);
        for lead in leads {
            let sql = "SELECT id FROM other_calls WHERE lead_id = ?1";
            ids.extend(self.ids_of(sql, params![lead.to_string()])?);
        }
        let sql = "UPDATE other_calls SET phone = nullif(phone, ?2), detail = NULL, timeline = '[]', variables = '{}',
                     transcript = '[]', conversation = NULL, erased_at = ?3 WHERE id = ?1";
        for id in &ids {
            self.execute(sql, params![id, number, ms(self.now)])?;
        }
        Ok(ids.into_iter().collect())
    }

    /// The answer is the import that brought the lead.
    fn forget_lead(&self, id: i64) -> Result<Option<i64>, StoreError> {
        let lead = self.lead_even_deleted(id)?;
        self.execute("DELETE FROM tries WHERE lead_id = ?1", [id])?;
        // One that was deleted left its queue and the sums then.
        let is_counted = "SELECT 1 FROM leads WHERE id = ?1 AND deleted_at IS NULL";
        if lead.status.is_open() && self.connection.prepare_cached(is_counted)?.exists([id])? {
            self.move_lead(&lead, LeadStatus::Canceled, None)?;
            self.complete_if_finished(lead.campaign_id)?;
        }
        let sql = "UPDATE leads SET phone = ?2, first_name = NULL, last_name = NULL, email = NULL, company_name = NULL,
                     time_zone = '', language = NULL, best_time_to_call = NULL, variables = '{}', notes = NULL,
                     tags = '[]', held = NULL, wait_reason = NULL, erased_at = ?3, updated_at = ?3 WHERE id = ?1";
        self.execute(sql, params![id, Phone::erased(id).to_string(), ms(self.now)])?;
        Ok(lead.import_id)
    }

    /// Takes out of an import's report what was sent.
    fn forget_rows_of(&self, id: i64, needle: &Needle) -> Result<(), StoreError> {
        let sql = "SELECT report, error FROM imports WHERE id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([id])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        let (report, error): (String, Option<String>) = (row.get(0)?, row.get(1)?);
        let error = error.filter(|error| !needle.is_in(error));
        let report = match serde_json::from_str(&report) {
            Ok(mut report) => {
                forget_person(&mut report, needle);
                json_text(&report)
            }
            Err(_) => "{}".to_owned(),
        };
        self.execute("UPDATE imports SET report = ?2, error = ?3 WHERE id = ?1", params![id, report, error])?;
        Ok(())
    }
}

/// Where files of imports lie in a data folder.
pub(super) const IMPORTS_FOLDER: &str = "imports";

/// Where what was said on calls lies in a data folder.
pub const SPEECH_FOLDER: &str = "speech";

/// The id of the import that a file of rows belongs to.
pub(super) fn import_of(file: &Path) -> Option<i64> {
    file.file_name()?.to_str()?.split('-').next()?.parse().ok()
}

/// The files of a folder; none where there is no folder.
pub(super) fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

/// Whether a file in the folder of imports has rows in it that did not come in.
fn has_rows(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(import::SKIPPED))
}

/// What the names of files begin with in which rows are written anew.
const ANEW: &str = ".tmp";

/// Removes what a cleaning that was cut off left behind. Only whoever has the turn may: nobody else's are there.
fn remove_unfinished(path: &Path) -> io::Result<()> {
    let is_unfinished =
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(ANEW));
    if is_unfinished { std::fs::remove_file(path) } else { Ok(()) }
}

/// What is gone meanwhile has nothing in it.
fn if_there<T: Default>(done: io::Result<T>) -> io::Result<T> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        done => done,
    }
}

/// Takes the number out of the files of a data folder: how many rows, and which imports they were of.
fn clean_files(folder: &Path, phone: Phone) -> Result<(usize, Vec<i64>), StoreError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()))
    };
    let (mut rows, mut imports, needle) = (0, Vec::new(), Needle::of(phone));
    for path in files_in(&folder.join(IMPORTS_FOLDER)).map_err(failed(folder))? {
        if_there(remove_unfinished(&path)).map_err(failed(&path))?;
        if !has_rows(&path) {
            continue;
        }
        let removed = if_there(remove_rows(&path, &needle)).map_err(failed(&path))?;
        if removed > 0 {
            rows += removed;
            imports.extend(import_of(&path));
        }
    }
    for path in files_in(folder).map_err(failed(folder))? {
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            rows += if_there(blank_number(&path, phone)).map_err(failed(&path))?;
        }
    }
    // What was said holds names, and nobody can tell whose.
    for path in files_in(&folder.join(SPEECH_FOLDER)).map_err(failed(folder))? {
        if_there(std::fs::remove_file(&path)).map_err(failed(&path))?;
    }
    Ok((rows, imports))
}

/// Writes a table anew without the rows that have the number in them.
fn remove_rows(path: &Path, needle: &Needle) -> io::Result<usize> {
    let is_in = |row: &csv::ByteRecord| row.iter().any(|cell| needle.is_in(&String::from_utf8_lossy(cell)));
    let open = || {
        let file = File::open(path)?;
        Ok::<_, io::Error>(csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file))
    };
    let mut found = 0;
    for row in open()?.byte_records() {
        found += usize::from(is_in(&row?));
    }
    if found == 0 {
        return Ok(0);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let anew = tempfile::Builder::new().prefix(ANEW).tempfile_in(folder)?;
    let mut kept = csv::WriterBuilder::new().flexible(true).from_writer(anew);
    for row in open()?.byte_records() {
        let row = row?;
        if !is_in(&row) {
            kept.write_byte_record(&row)?;
        }
    }
    let kept = kept.into_inner().map_err(|error| error.into_error())?;
    kept.as_file().sync_all()?;
    kept.persist(path)?;
    File::open(folder)?.sync_all()?;
    Ok(found)
}

/// Overwrites the digits of a number with zeros, in the lines of a file that only grows: whoever writes to it does not
/// notice.
fn blank_number(path: &Path, phone: Phone) -> io::Result<usize> {
    let digits = phone.digits().to_string();
    let quoted = format!("\"+{digits}\"");
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let (mut lines, mut line, mut offset, mut found) = (BufReader::new(&file), Vec::new(), 0_u64, 0);
    loop {
        line.clear();
        let length = lines.read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        if let Some(at) = line.windows(quoted.len()).position(|bytes| bytes == quoted.as_bytes()) {
            file.write_all_at("0".repeat(digits.len()).as_bytes(), offset + at as u64 + 2)?;
            found += 1;
        }
        offset += length as u64;
    }
    if found > 0 {
        file.sync_all()?;
    }
    Ok(found)
}
