//! Files of leads on their way into a campaign: streamed, in transactions short enough that nobody else waits.
//!
//! Two looks. The first finds every row and reads its number: 24 bytes a row. The second reads the rows whole, in the
//! order they are written. Up to [`IN_FILE_ORDER_MAX`] rows that is the order of the file; beyond it they are sorted
//! by number, because the index of numbers then grows at its end, instead of being rewritten for every chunk. Rows
//! that do not come in are remembered by their place; at the end they are read once more, in the order of the file,
//! told and written down.

use super::imports::{Import, NewImport, Ready};
use super::source::{Left, Payload, Place, Reading, RowReader, Source, excerpt, unreadable};
use super::tx::Snapshot;
use super::{Deed, Store, StoreError, Tx, file};
use crate::domain::columns::Mapping;
use crate::domain::fields::Words;
use crate::domain::imports::{
    Cause, Counts, Details, Expectations, Fate, Format, ImportState, OnDuplicate, Reason, ToldRow, Warning,
    WarningKind, is_error,
};
use crate::domain::invalid::{Invalid, Problem};
use crate::domain::phone::Unprefixed;
use crate::domain::spreadsheet::{defused, plain};
use serde_json::Value;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;

/// How to import.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// How numbers without `+` are read.
    pub unprefixed: Unprefixed,
    /// Import the good rows and report the bad, instead of nothing when one is bad.
    pub partial: bool,
    /// What becomes of numbers that the campaign has.
    pub on_duplicate: OnDuplicate,
    /// What the caller says about columns.
    pub mapping: Mapping,
    /// What separates cells, where the caller says so.
    pub delimiter: Option<u8>,
    /// Which sheet of a workbook; the first unless said.
    pub sheet: Option<String>,
}

impl Default for ImportOptions {
    fn default() -> ImportOptions {
        ImportOptions {
            unprefixed: Unprefixed::Refused,
            partial: true,
            on_duplicate: OnDuplicate::Skip,
            mapping: Mapping::new(),
            delimiter: None,
            sheet: None,
        }
    }
}

/// Why nothing more was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file, or its rows where all must be good.
    #[error("{0}")]
    Invalid(Invalid),
    /// There is no such campaign, or no longer.
    #[error("the campaign was deleted during the import")]
    NoSuchCampaign,
    /// The database, or the file.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Invalid> for ImportError {
    fn from(invalid: Invalid) -> ImportError {
        ImportError::Invalid(invalid)
    }
}

/// Larger files are written in the order of their numbers.
const IN_FILE_ORDER_MAX: usize = 100_000;
/// Files that must go in as a whole may be this large, since nobody else can write meanwhile.
const ALL_OR_NOTHING_MAX: usize = 20_000;
/// Problems told of a file that must be all good.
const PROBLEMS_MAX: usize = 1_000;
/// Rows written in one transaction.
const CHUNK: usize = 3_072;
/// Skipped rows that a dry run gives back itself.
const DRY_ROWS_MAX: usize = 1_000;

/// What a dry run found.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// As it would be shown; its id is 0.
    pub import: Import,
    /// The rows that would not come in, as CSV, unless they are more than a thousand.
    pub skipped_csv: Option<String>,
}

/// Imports a file, from beginning to end; the answer tells all about it.
pub async fn import(
    store: &Store,
    campaign_id: i64,
    file: &Path,
    options: ImportOptions,
    made_by: &str,
) -> Result<Import, ImportError> {
    let new = NewImport {
        campaign_id,
        format: Format::Csv,
        file_name: file.file_name().map(|name| name.to_string_lossy().into_owned()),
        on_duplicate: options.on_duplicate,
        unprefixed: options.unprefixed,
        made_by: made_by.to_owned(),
    };
    // The file belongs to somebody who may change it meanwhile.
    let (from, folder) = (file.to_owned(), store.folder().to_owned());
    let copy = move || -> io::Result<tempfile::TempPath> {
        let copy = tempfile::Builder::new().prefix(file::UPLOAD_PREFIX).tempfile_in(folder)?;
        io::copy(&mut File::open(&from)?, &mut copy.as_file())?;
        Ok(copy.into_temp_path())
    };
    let copied = tokio::task::spawn_blocking(copy).await.map_err(failed)?;
    let copy = copied.map_err(|error| StoreError::Unavailable(format!("{}: {error}", file.display())))?;
    let deed = Deed::of_command(made_by, "import", campaign_id);
    let id = store
        .write(move |tx| {
            tx.note(&deed)?;
            begin(tx, &new)
        })
        .await?;
    let payload = Payload::Table(copy.to_path_buf());
    run(store, campaign_id, id, payload, options, |_, import| Ok(import)).await
}

/// Writes down that an import begins.
pub fn begin(tx: &Tx, new: &NewImport) -> Result<i64, ImportError> {
    match tx.campaign(new.campaign_id)? {
        Some(_) => Ok(tx.insert_import(new)?),
        None => Err(ImportError::NoSuchCampaign),
    }
}

/// Does what was begun. `finish` runs in the transaction that ends it, with the import as it is then; an import of all
/// or nothing is that transaction.
pub async fn run<T, E>(
    store: &Store,
    campaign_id: i64,
    id: i64,
    payload: Payload,
    options: ImportOptions,
    finish: impl FnOnce(&Tx, Import) -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + From<ImportError> + Send + 'static,
{
    let (work, handle) = (Work { store: store.clone(), campaign_id, id, options }, Handle::current());
    let done = tokio::task::spawn_blocking(move || work.run(&payload, &handle, finish)).await;
    done.unwrap_or_else(|panic| Err(E::from(failed(panic))))
}

/// Looks what would become of the rows.
pub async fn dry_run(
    store: &Store,
    new: NewImport,
    payload: Payload,
    options: ImportOptions,
) -> Result<DryRun, ImportError> {
    let work = Work { store: store.clone(), campaign_id: new.campaign_id, id: 0, options };
    let done = tokio::task::spawn_blocking(move || work.dry_run(&payload, new)).await;
    done.unwrap_or_else(|panic| Err(failed(panic)))
}

fn failed(panic: tokio::task::JoinError) -> ImportError {
    StoreError::Failed(panic.to_string()).into()
}

/// The file of the rows that did not come in.
pub fn skipped_file(folder: &Path, id: i64) -> PathBuf {
    folder.join(FOLDER).join(format!("{id}{SKIPPED}"))
}

/// What the names of such files end with.
pub(super) const SKIPPED: &str = "-skipped.csv";

/// Where files about imports are, within the data folder.
const FOLDER: &str = "imports";

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)
}

fn lock_path(folder: &Path, id: i64) -> PathBuf {
    folder.join(FOLDER).join(format!("{id}.lock"))
}

/// The file that is locked as long as an import runs.
fn lock_file(folder: &Path, id: i64) -> io::Result<File> {
    file::make_folder(&folder.join(FOLDER)).map_err(io::Error::other)?;
    OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(lock_path(folder, id))
}

/// Marks imports as failed whose process is gone. A process that lives holds a lock for each of its imports.
pub(super) fn fail_lost(tx: &Tx, folder: &Path) -> Result<(), StoreError> {
    for id in tx.running_imports()? {
        let is_lost = lock_file(folder, id).is_ok_and(|lock| lock.try_lock().is_ok());
        if is_lost {
            let message = "The server stopped during the import; what came in stays, and can be undone. Send the file \
                           again to import the rest: those who are in already are skipped";
            tx.finish_import(id, &Details::default(), Some(message))?;
            let _ = std::fs::remove_file(lock_path(folder, id));
        }
    }
    Ok(())
}

/// One import at work.
struct Work {
    store: Store,
    campaign_id: i64,
    id: i64,
    options: ImportOptions,
}

/// Removes the files of imports that are no longer known, because their campaign went for good.
pub async fn remove_orphans(store: &Store) -> Result<(), StoreError> {
    let files = std::fs::read_dir(store.folder().join(FOLDER)).into_iter().flatten().flatten();
    for file in files {
        let name = file.file_name().to_string_lossy().into_owned();
        let Some(id) = name.split(['-', '.']).next().and_then(|id| id.parse().ok()) else { continue };
        if !store.read(move |snapshot| snapshot.has_import(id)).await? {
            let _ = std::fs::remove_file(file.path());
        }
    }
    Ok(())
}

/// A number with its `+`, which a spreadsheet may run as it likes: it stays a number.
fn is_bare_number(text: &str) -> bool {
    let digits = text.strip_prefix('+');
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Why an import ended early.
enum Failure<E> {
    Import(ImportError),
    /// Rows are wrong and all must be good; what is told of them.
    Refused(Invalid, Box<Details>),
    /// Whoever wanted to have a word at the end.
    Finish(E),
}

impl<E> From<ImportError> for Failure<E> {
    fn from(error: ImportError) -> Failure<E> {
        Failure::Import(error)
    }
}

impl<E> From<StoreError> for Failure<E> {
    fn from(error: StoreError) -> Failure<E> {
        Failure::Import(error.into())
    }
}

/// What became of the rows so far.
struct Tally {
    on_duplicate: OnDuplicate,
    expectations: Expectations,
    counts: Counts,
    left: Vec<Left>,
    /// Numbers that good rows had.
    seen: Seen,
}

/// Where to look for the number of an earlier row.
enum Seen {
    /// Rows come in the order of their numbers.
    Last(u64),
    All(HashSet<u64>),
}

impl Seen {
    fn is_new(&mut self, digits: u64) -> bool {
        match self {
            Seen::Last(last) => std::mem::replace(last, digits) != digits,
            Seen::All(all) => all.insert(digits),
        }
    }
}

impl Tally {
    /// Takes in rows that did not even become leads; the answer counts them.
    fn leave(&mut self, some: impl IntoIterator<Item = Left>) -> Counts {
        let mut counts = Counts::default();
        for left in some {
            counts.add(Fate::Left(left.cause), self.on_duplicate);
            self.left.push(left);
        }
        self.add(counts);
        counts
    }

    fn add(&mut self, more: Counts) {
        self.counts.imported += more.imported;
        self.counts.updated += more.updated;
        self.counts.skipped += more.skipped;
        self.counts.rejected += more.rejected;
    }

    /// Takes in what became of leads.
    fn take(&mut self, leads: &[Ready], fates: &[Fate]) {
        for (ready, fate) in leads.iter().zip(fates) {
            match fate {
                Fate::Imported => self.expectations.count(ready.lacks),
                Fate::Updated => {}
                Fate::Left(cause) => self.left.push(Left { place: ready.place, cause: *cause }),
            }
        }
        self.add(counted(fates, self.on_duplicate));
    }

    fn has_errors(&self) -> bool {
        self.left.iter().any(|left| is_error(left.cause.reason, self.on_duplicate))
    }
}

fn counted(fates: &[Fate], on_duplicate: OnDuplicate) -> Counts {
    let mut counts = Counts::default();
    for fate in fates {
        counts.add(*fate, on_duplicate);
    }
    counts
}

/// A file that was looked at once.
struct Surveyed {
    source: Source,
    places: Vec<Place>,
    tally: Tally,
    /// Other campaigns dial, too.
    has_active_beside: bool,
    reader: RowReader,
}

impl Work {
    fn run<T, E>(
        self,
        payload: &Payload,
        handle: &Handle,
        finish: impl FnOnce(&Tx, Import) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<ImportError> + Send + 'static,
    {
        let folder = self.store.folder().to_owned();
        let lock = lock_file(&folder, self.id).map_err(|error| E::from(unreadable(error)))?;
        // Nobody else knows of this import.
        let _ = lock.try_lock();
        let ended = match self.options.partial {
            true => self.in_chunks(payload, handle, finish),
            false => self.at_once(payload, handle, finish),
        };
        let ended = ended.map_err(|failure| self.give_up(failure, handle));
        drop(lock);
        let _ = std::fs::remove_file(lock_path(&folder, self.id));
        ended
    }

    /// Writes down that the import failed. Where even that fails, the next start does it.
    fn give_up<E: From<ImportError>>(&self, failure: Failure<E>, handle: &Handle) -> E {
        let (message, details, error) = match failure {
            Failure::Import(error) => (error.to_string(), Details::default(), E::from(error)),
            Failure::Refused(invalid, details) => {
                let message = format!("Nothing was imported, because rows are wrong: {invalid}");
                (message, *details, E::from(ImportError::from(invalid)))
            }
            Failure::Finish(error) => {
                ("The end of the import could not be written".into(), Details::default(), error)
            }
        };
        let id = self.id;
        let marked = self.store.write(move |tx| tx.finish_import(id, &details, Some(&message)));
        if let Err(error) = handle.block_on(marked) {
            tracing::warn!(import = id, %error, "a failed import could not be marked so; the next start does it");
        }
        error
    }

    /// Takes the first look.
    fn survey(&self, payload: &Payload) -> Result<Surveyed, ImportError> {
        let ImportOptions { unprefixed, mapping, delimiter, sheet, .. } = self.options.clone();
        let reading = Reading { unprefixed, mapping, delimiter, sheet };
        let source = Source::open(payload, &reading, self.store.folder())?;
        let mut survey = source.survey()?;
        let is_sorted = survey.places.len() > IN_FILE_ORDER_MAX;
        match is_sorted {
            true => survey.places.sort_unstable_by_key(|place| (place.digits, place.row)),
            false => survey.places.sort_unstable_by_key(|place| place.row),
        }
        let (campaign, has_active_beside) = self.look(|snapshot| {
            Ok((snapshot.campaign(self.campaign_id)?, snapshot.has_active_beside(self.campaign_id)?))
        })?;
        let campaign = campaign.ok_or(ImportError::NoSuchCampaign)?;
        let mut tally = Tally {
            on_duplicate: self.options.on_duplicate,
            expectations: Expectations::of(&campaign, self.store.guard()),
            counts: Counts::default(),
            left: Vec::new(),
            seen: if is_sorted { Seen::Last(0) } else { Seen::All(HashSet::new()) },
        };
        tally.leave(survey.left);
        Ok(Surveyed { source, places: survey.places, tally, has_active_beside, reader: RowReader::default() })
    }

    /// Reads from a snapshot on this thread.
    fn look<T>(&self, job: impl FnOnce(&Snapshot) -> Result<T, StoreError>) -> Result<T, ImportError> {
        let connection =
            self.store.pool().get().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(job(&Snapshot::new(&connection, self.store.clock().now(), self.store.watch().clone(), None))?)
    }

    /// Takes the second look at some rows: the leads, and how the others are counted.
    fn prepare(
        &self,
        surveyed: &mut Surveyed,
        places: &[Place],
    ) -> Result<(Vec<Ready>, Counts), ImportError> {
        let Surveyed { source, tally, reader, .. } = surveyed;
        let (mut ready, mut left) = (Vec::with_capacity(places.len()), Vec::new());
        for place in places {
            let cause: Cause = match source.read(*place, reader).map_err(unreadable)? {
                Err(problem) => problem.cause,
                Ok(read) if !tally.seen.is_new(read.lead.phone.digits()) => Reason::DuplicateInFile.into(),
                Ok(read) => {
                    let lacks = tally.expectations.lacking(&read.lead);
                    ready.push(Ready::new(*place, read.lead, read.has_priority, lacks));
                    continue;
                }
            };
            left.push(Left { place: *place, cause });
        }
        let counts = tally.leave(left);
        if surveyed.has_active_beside {
            self.look(|snapshot| {
                for one in &mut ready {
                    if snapshot.is_elsewhere(self.campaign_id, one)? {
                        one.lacks = one.lacks.elsewhere();
                    }
                }
                Ok(())
            })?;
        }
        Ok((ready, counts))
    }

    /// Imports the good rows, chunk by chunk. While one is being written, the next is being read.
    fn in_chunks<T, E>(
        &self,
        payload: &Payload,
        handle: &Handle,
        finish: impl FnOnce(&Tx, Import) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Failure<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let mut surveyed = self.survey(payload)?;
        let (campaign_id, id, on_duplicate) = (self.campaign_id, self.id, self.options.on_duplicate);
        let (format, counts) = (surveyed.source.format(), surveyed.tally.counts);
        let rows = counts.total() + surveyed.places.len() as i64;
        handle.block_on(self.store.write(move |tx| {
            tx.start_import(id, format, rows)?;
            tx.count_rows(id, counts)
        }))?;
        let places = std::mem::take(&mut surveyed.places);
        let mut writing = None;
        for chunk in places.chunks(CHUNK) {
            let (leads, mut counts) = self.prepare(&mut surveyed, chunk)?;
            let store = self.store.clone();
            let next = handle.spawn(async move {
                let written = store.write(move |tx| {
                    let fates = write(tx, id, campaign_id, on_duplicate, &leads)?;
                    let of_leads = counted(&fates, on_duplicate);
                    counts.imported += of_leads.imported;
                    counts.updated += of_leads.updated;
                    counts.skipped += of_leads.skipped;
                    counts.rejected += of_leads.rejected;
                    tx.count_rows(id, counts)?;
                    Ok::<_, ImportError>((leads, fates))
                });
                written.await
            });
            if let Some(before) = writing.replace(next) {
                let (leads, fates) = handle.block_on(before).map_err(failed)??;
                surveyed.tally.take(&leads, &fates);
            }
        }
        if let Some(last) = writing {
            let (leads, fates) = handle.block_on(last).map_err(failed)??;
            surveyed.tally.take(&leads, &fates);
        }
        drop(places);
        let mut out = Skipped::new(self.store.folder(), id);
        let details = tell(&mut surveyed, &mut out).map_err(unreadable)?;
        let work = self.store.write(move |tx| {
            tx.finish_import(id, &details, None)?;
            finish(tx, existing(tx, campaign_id, id)?).map_err(Failure::Finish)
        });
        handle.block_on(work)
    }

    /// Imports everything in one transaction, or nothing.
    fn at_once<T, E>(
        &self,
        payload: &Payload,
        handle: &Handle,
        finish: impl FnOnce(&Tx, Import) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Failure<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let mut surveyed = self.survey(payload)?;
        let rows = surveyed.places.len() + surveyed.tally.left.len();
        if rows > ALL_OR_NOTHING_MAX {
            let message = format!(
                "has {rows} rows; all-or-nothing imports take at most {ALL_OR_NOTHING_MAX}, so send `partial=true`"
            );
            return Err(ImportError::from(Invalid::one("body", message)).into());
        }
        let places = std::mem::take(&mut surveyed.places);
        let (leads, _) = self.prepare(&mut surveyed, &places)?;
        if surveyed.tally.has_errors() {
            return Err(self.refusal(&mut surveyed)?);
        }
        let (campaign_id, id, on_duplicate) = (self.campaign_id, self.id, self.options.on_duplicate);
        let work = Work { store: self.store.clone(), options: self.options.clone(), ..*self };
        let ended = self.store.write(move |tx| {
            let fates = write(tx, id, campaign_id, on_duplicate, &leads)?;
            surveyed.tally.take(&leads, &fates);
            if surveyed.tally.has_errors() {
                return Err(work.refusal(&mut surveyed)?);
            }
            tx.start_import(id, surveyed.source.format(), rows as i64)?;
            tx.count_rows(id, surveyed.tally.counts)?;
            let mut out = Skipped::new(work.store.folder(), id);
            let details = tell(&mut surveyed, &mut out).map_err(unreadable)?;
            tx.finish_import(id, &details, None)?;
            finish(tx, existing(tx, campaign_id, id)?).map_err(Failure::Finish)
        });
        handle.block_on(ended)
    }

    /// What is told where all rows must be good and are not.
    fn refusal<E>(&self, surveyed: &mut Surveyed) -> Result<Failure<E>, ImportError> {
        let mut out = Skipped::new(self.store.folder(), self.id);
        let details = tell(surveyed, &mut out).map_err(unreadable)?;
        let on_duplicate = surveyed.tally.on_duplicate;
        let mut problems = Vec::new();
        for left in surveyed
            .tally
            .left
            .iter()
            .filter(|left| is_error(left.cause.reason, on_duplicate))
            .take(PROBLEMS_MAX)
        {
            let told = told(&surveyed.source, *left, &mut surveyed.reader).map_err(unreadable)?;
            problems
                .push(Problem { field: format!("row {}, {}", told.row, told.field), message: told.message });
        }
        Ok(Failure::Refused(Invalid(problems), Box::new(details)))
    }

    fn dry_run(self, payload: &Payload, new: NewImport) -> Result<DryRun, ImportError> {
        let mut surveyed = self.survey(payload)?;
        let places = std::mem::take(&mut surveyed.places);
        for chunk in places.chunks(CHUNK) {
            let (leads, _) = self.prepare(&mut surveyed, chunk)?;
            let fates = self.look(|snapshot| {
                let fate = |ready| snapshot.fate(self.campaign_id, self.options.on_duplicate, ready);
                leads.iter().map(fate).collect::<Result<Vec<Fate>, StoreError>>()
            })?;
            surveyed.tally.take(&leads, &fates);
        }
        let mut out = Skipped::in_memory();
        let mut details = tell(&mut surveyed, &mut out).map_err(unreadable)?;
        let counts = surveyed.tally.counts;
        if !self.options.partial && counts.rejected > 0 {
            details.warnings.push(Warning {
                warning: WarningKind::WouldBeRefused,
                variable: None,
                count: counts.rejected,
                message: "These rows are wrong, and without `partial=true` nothing is imported when one is"
                    .into(),
            });
        }
        let now = self.store.clock().now();
        let import = Import {
            id: 0,
            campaign_id: self.campaign_id,
            state: ImportState::Completed,
            format: surveyed.source.format(),
            file_name: new.file_name,
            on_duplicate: new.on_duplicate,
            default_country: new.unprefixed.word(),
            made_by: new.made_by,
            rows_total: Some(counts.total()),
            counts,
            details: serde_json::to_value(&details).unwrap_or(Value::Null),
            error: None,
            created_at: now,
            finished_at: Some(now),
        };
        let skipped_csv =
            Some(surveyed.tally.left.len()).filter(|rows| *rows <= DRY_ROWS_MAX).and_then(|_| out.text());
        Ok(DryRun { import, skipped_csv })
    }
}

fn write(
    tx: &Tx,
    id: i64,
    campaign_id: i64,
    on_duplicate: OnDuplicate,
    leads: &[Ready],
) -> Result<Vec<Fate>, ImportError> {
    match tx.campaign(campaign_id)? {
        Some(_) => Ok(tx.write_leads(id, campaign_id, on_duplicate, leads)?),
        None => Err(ImportError::NoSuchCampaign),
    }
}

fn existing(tx: &Tx, campaign_id: i64, id: i64) -> Result<Import, StoreError> {
    tx.import(campaign_id, id)?.ok_or_else(|| StoreError::Failed(format!("import {id} vanished")))
}

/// Reads the rows that did not come in once more, in the order of the file, tells of them and gives them back.
fn tell(surveyed: &mut Surveyed, out: &mut Skipped) -> io::Result<Details> {
    let Surveyed { source, tally, reader, .. } = surveyed;
    tally.left.sort_unstable_by_key(|left| left.place.row);
    let mut details = Details {
        file: source.file_view(),
        columns: source.column_views(),
        reasons: Vec::new(),
        warnings: tally.expectations.warnings(),
    };
    for (at, left) in tally.left.iter().enumerate() {
        let row = told(source, *left, reader)?;
        if at == 0 {
            out.head(&source.titles())?;
        }
        out.row(left.cause.reason, &row, reader)?;
        details.count(left.cause, tally.on_duplicate);
        details.tell(left.cause.reason, tally.on_duplicate, || row);
    }
    out.end()?;
    Ok(details)
}

/// A row that did not come in, for a person.
fn told(source: &Source, left: Left, reader: &mut RowReader) -> io::Result<ToldRow> {
    let (row, reason) = (u64::from(left.place.row), left.cause.reason);
    if let Some((problem, value)) = source.problem(left.place, reader)? {
        return Ok(ToldRow { row, field: problem.field, value: excerpt(&value), message: problem.message });
    }
    let (field, value) = source.number_cell(reader);
    Ok(ToldRow { row, field, value: excerpt(&value), message: reason.sentence().to_owned() })
}

/// The rows that did not come in, on their way into a file that is made when there is one.
struct Skipped {
    path: Option<PathBuf>,
    out: Option<csv::Writer<Sink>>,
    rows: usize,
}

enum Sink {
    File(BufWriter<File>),
    Memory(Vec<u8>),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::File(file) => file.write(bytes),
            Sink::Memory(memory) => memory.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::File(file) => file.flush(),
            Sink::Memory(memory) => memory.flush(),
        }
    }
}

impl Skipped {
    fn new(folder: &Path, id: i64) -> Skipped {
        Skipped { path: Some(skipped_file(folder, id)), out: None, rows: 0 }
    }

    /// Keeps no more than are given back.
    fn in_memory() -> Skipped {
        Skipped { path: None, out: None, rows: 0 }
    }

    fn head(&mut self, titles: &[String]) -> io::Result<()> {
        let sink = match &self.path {
            Some(path) => Sink::File(BufWriter::new(new_file(path)?)),
            None => Sink::Memory(Vec::new()),
        };
        let mut out = csv::WriterBuilder::new().flexible(true).from_writer(sink);
        let heads =
            ["row", "reason", "field", "message"].into_iter().chain(titles.iter().map(String::as_str));
        out.write_record(heads.map(|head| defused(head).into_owned())).map_err(io::Error::other)?;
        self.out = Some(out);
        Ok(())
    }

    fn row(&mut self, reason: Reason, told: &ToldRow, reader: &RowReader) -> io::Result<()> {
        self.rows += 1;
        let Some(out) = &mut self.out else { return Ok(()) };
        if self.path.is_none() && self.rows > DRY_ROWS_MAX {
            return Ok(());
        }
        let mut field = |text: &str| match is_bare_number(text) {
            true => out.write_field(text.as_bytes()),
            false => out.write_field(defused(plain(text)).as_bytes()),
        };
        let own = [told.row.to_string().as_str(), reason.word(), &told.field, &told.message].map(&mut field);
        let theirs = reader.row.cells().map(|cell| field(&String::from_utf8_lossy(cell)));
        let written = own.into_iter().chain(theirs).collect::<Result<(), csv::Error>>();
        written.and_then(|()| out.write_record(None::<&[u8]>)).map_err(io::Error::other)
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.as_mut().map_or(Ok(()), csv::Writer::flush)
    }

    /// What was kept in memory.
    fn text(self) -> Option<String> {
        match self.out.map(csv::Writer::into_inner) {
            Some(Ok(Sink::Memory(text))) => String::from_utf8(text).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::System;
    use crate::domain::campaign::Request;
    use serde_json::json;
    use std::sync::Arc;

    #[tokio::test]
    async fn an_import_into_a_campaign_that_is_gone_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
        let table = folder.path().join("leads.csv");
        std::fs::write(&table, "phone\n+12025550101\n").unwrap();
        let done = import(&store, 7, &table, ImportOptions::default(), "test").await;
        assert!(matches!(done, Err(ImportError::NoSuchCampaign)), "{done:?}");
    }

    #[tokio::test]
    async fn an_import_whose_process_is_gone_has_failed_at_the_next_start_and_one_that_lives_has_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
        let body = json!({
            "name": "Survey", "status": "draft", "calls_per_day": 50, "calling_hours_start": "09:00",
            "calling_hours_end": "17:00", "system_prompt": "Be kind", "script_template": "Hello"
        });
        let request = Request::read(body, None).unwrap();
        let [lost, alive] = store
            .write(move |tx| {
                let new = NewImport {
                    campaign_id: tx.insert_campaign(&request, "test")?.id,
                    format: Format::Csv,
                    file_name: None,
                    on_duplicate: OnDuplicate::Skip,
                    unprefixed: Unprefixed::Refused,
                    made_by: "test".into(),
                };
                Ok::<_, ImportError>([begin(tx, &new)?, begin(tx, &new)?])
            })
            .await
            .unwrap();
        let _lock = {
            let lock = lock_file(folder.path(), alive).unwrap();
            lock.try_lock().unwrap();
            lock
        };
        store.close().await;
        drop(store);
        let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
        let imports = store.read(|snapshot| snapshot.imports(1, None, 10)).await.unwrap();
        let states: Vec<_> = imports.iter().map(|import| (import.id, import.state)).collect();
        assert_eq!(states, [(alive, ImportState::Running), (lost, ImportState::Failed)]);
        assert!(imports[1].error.as_deref().unwrap().starts_with("The server stopped during the import"));
    }
}
