//! Large tables of leads, from a file on disk into a campaign: streamed, in transactions short enough that
//! nobody else waits.
//!
//! Two passes. The first reads every row, keeps 24 bytes of each good one (number, place, length) and reports
//! the bad ones. The second fetches the rows again in the order they are written. Up to [`IN_FILE_ORDER_MAX`]
//! rows that is the order of the file; beyond it they are sorted by number, because the index of numbers then
//! grows at its end, instead of being rewritten for every chunk.

use super::table::{self, CELLS_MAX, Found, Position, ROW_BYTES_MAX, Row, Rows};
use super::{Inserted, Store, StoreError, Tx};
use crate::domain::columns::Columns;
use crate::domain::fields;
use crate::domain::invalid::{Invalid, Problem};
use crate::domain::lead::NewLead;
use crate::domain::phone::Country;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::runtime::Handle;

/// How to read a table.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions {
    /// Country of numbers written without one.
    pub country: Option<Country>,
    /// Import the good rows and report the bad, instead of nothing when one is bad.
    pub partial: bool,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// New leads.
    pub imported: i64,
    /// Rows whose number was in the campaign already, or earlier in the file.
    pub duplicates: i64,
    /// Rows that are no lead.
    pub rejected: i64,
    /// The first of them.
    pub rejections: Vec<Rejection>,
}

/// A row that is no lead, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Its number; the header is row 1.
    pub row: u64,
    /// The column.
    pub field: String,
    /// The start of what stands in it.
    pub value: String,
    /// What is wrong.
    pub message: String,
}

/// Why nothing more was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The table, or its rows where all must be good.
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

/// Rows told in detail.
const REJECTIONS_MAX: usize = 1_000;
/// Larger tables are written in the order of their numbers.
const IN_FILE_ORDER_MAX: usize = 100_000;
/// Tables that must go in as a whole may be this large, since nobody else can write meanwhile.
const ALL_OR_NOTHING_MAX: usize = 20_000;
const CHUNK: usize = 2_000;

/// Where a good row is in the file.
#[derive(Clone, Copy)]
struct Place {
    digits: u64,
    offset: u64,
    length: u32,
    row: u32,
}

/// Imports a CSV file with a header row. The file stays as it is.
pub async fn import(
    store: &Store,
    campaign_id: i64,
    path: &Path,
    options: ImportOptions,
) -> Result<ImportReport, ImportError> {
    let (store, path, handle) = (store.clone(), path.to_owned(), Handle::current());
    let work = move || run(&store, campaign_id, path, options, &handle);
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(failed(panic)))
}

fn failed(panic: tokio::task::JoinError) -> ImportError {
    StoreError::Failed(panic.to_string()).into()
}

fn run(
    store: &Store,
    campaign_id: i64,
    path: PathBuf,
    options: ImportOptions,
    handle: &Handle,
) -> Result<ImportReport, ImportError> {
    let unreadable = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    let table = Arc::new(Table::open(&path, options.country).map_err(unreadable)??);
    let (mut places, mut report) = table.survey().map_err(unreadable)?;
    if report.rejected > 0 && !options.partial {
        return Err(refusal(report).into());
    }
    if places.len() > IN_FILE_ORDER_MAX {
        places.sort_unstable_by_key(|place| (place.digits, place.row));
    }
    if !options.partial {
        if places.len() > ALL_OR_NOTHING_MAX {
            let message = format!(
                "has {} rows; all-or-nothing imports take at most {ALL_OR_NOTHING_MAX}, so send `partial=true`",
                places.len()
            );
            return Err(Invalid::one("body", message).into());
        }
        let inserted = handle.block_on(store.write(move |tx| table.write_all(tx, campaign_id, &places)))?;
        report.imported += inserted.imported;
        report.duplicates += inserted.duplicates;
        return Ok(report);
    }
    // While one chunk is being written, the next is being read.
    let mut writing = None;
    for chunk in places.chunks(CHUNK) {
        let leads = table.read(chunk).map_err(unreadable)?;
        let store = store.clone();
        let next = handle.spawn(async move { store.write(move |tx| insert(tx, campaign_id, &leads)).await });
        if let Some(before) = writing.replace(next) {
            count(&mut report, handle.block_on(before))?;
        }
    }
    if let Some(last) = writing {
        count(&mut report, handle.block_on(last))?;
    }
    Ok(report)
}

fn count(
    report: &mut ImportReport,
    written: Result<Result<Inserted, ImportError>, tokio::task::JoinError>,
) -> Result<(), ImportError> {
    let inserted = written.map_err(failed)??;
    report.imported += inserted.imported;
    report.duplicates += inserted.duplicates;
    Ok(())
}

fn insert(tx: &Tx, campaign_id: i64, leads: &[NewLead]) -> Result<Inserted, ImportError> {
    match tx.campaign(campaign_id)? {
        Some(_) => Ok(tx.insert_leads(campaign_id, leads)?),
        None => Err(ImportError::NoSuchCampaign),
    }
}

fn refusal(report: ImportReport) -> Invalid {
    let problem = |rejection: Rejection| Problem {
        field: format!("row {}, {}", rejection.row, rejection.field),
        message: rejection.message,
    };
    Invalid(report.rejections.into_iter().map(problem).collect())
}

/// A CSV file whose header is understood.
struct Table {
    file: File,
    separator: u8,
    columns: Columns,
    country: Option<Country>,
    body: Position,
}

impl Table {
    fn open(path: &Path, country: Option<Country>) -> std::io::Result<Result<Table, Invalid>> {
        let mut file = File::open(path)?;
        let mut start = Vec::new();
        file.by_ref().take(64 * 1024).read_to_end(&mut start)?;
        let (first, separator) = table::layout(&start);
        file.seek(SeekFrom::Start(first as u64))?;
        let mut rows = Rows::new(BufReader::new(&file), separator, Position::first(first as u64));
        let mut header = Row::default();
        let columns = match rows.next(&mut header)? {
            None => Err(Invalid::one("body", "is empty; the first row must name the columns")),
            Some(Found::Row) => match texts(&header) {
                Some(titles) => Columns::of(titles),
                None => Err(Invalid::one("header", "must be UTF-8 text")),
            },
            Some(found) => Err(Invalid::one("header", too_much(found))),
        };
        let body = rows.position();
        Ok(columns.map(|columns| Table { file, separator, columns, country, body }))
    }

    /// The first pass: where the good rows are, and what is wrong with the others.
    fn survey(&self) -> std::io::Result<(Vec<Place>, ImportReport)> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(self.body.offset))?;
        let mut rows = Rows::new(BufReader::with_capacity(256 * 1024, file), self.separator, self.body);
        let mut row = Row::default();
        let (mut places, mut report) = (Vec::new(), ImportReport::default());
        while let Some(found) = rows.next(&mut row)? {
            let number = rows.position().row;
            match self.lead(found, &row) {
                Ok(lead) => places.push(Place {
                    digits: lead.phone.digits(),
                    offset: row.offset,
                    length: row.length as u32, // at most ROW_BYTES_MAX
                    row: u32::try_from(number).unwrap_or(u32::MAX),
                }),
                Err(problem) => {
                    report.rejected += 1;
                    if report.rejections.len() < REJECTIONS_MAX {
                        report.rejections.push(self.rejection(number, found, &row, problem));
                    }
                }
            }
        }
        Ok((places, report))
    }

    fn lead(&self, found: Found, row: &Row) -> Result<NewLead, Problem> {
        let problem = |message: String| Problem { field: "row".into(), message };
        match (found, texts(row)) {
            (Found::Row, Some(cells)) => self.columns.read(cells, self.country),
            (Found::Row, None) => Err(problem("must be UTF-8 text".into())),
            (found, _) => Err(problem(too_much(found))),
        }
    }

    fn rejection(&self, number: u64, found: Found, row: &Row, problem: Problem) -> Rejection {
        let cell = match found {
            Found::Row => self.columns.position(&problem.field).and_then(|position| row.cell(position)),
            Found::Unclosed => row.cells().last(),
            Found::TooLong | Found::TooManyCells => row.cell(0),
        };
        let value = String::from_utf8_lossy(cell.unwrap_or_default());
        let Problem { field, message } = self.columns.explained(problem, &value);
        Rejection { row: number, field, value: fields::excerpt(&value), message }
    }

    /// The second pass, for some rows. Each is read alone, so that none can swallow the next.
    fn read(&self, places: &[Place]) -> std::io::Result<Vec<NewLead>> {
        let changed = || std::io::Error::other("the file changed during the import");
        let (mut text, mut row) = (Vec::new(), Row::default());
        let mut leads = Vec::with_capacity(places.len());
        for place in places {
            text.resize(place.length as usize, 0);
            self.file.read_exact_at(&mut text, place.offset)?;
            let found = Rows::new(text.as_slice(), self.separator, Position::default()).next(&mut row)?;
            let lead = found.and_then(|found| self.lead(found, &row).ok()).ok_or_else(changed)?;
            // A different number would also not be where the order of the rows expects it.
            if lead.phone.digits() != place.digits {
                return Err(changed());
            }
            leads.push(lead);
        }
        Ok(leads)
    }

    fn write_all(&self, tx: &Tx, campaign_id: i64, places: &[Place]) -> Result<Inserted, ImportError> {
        let mut total = Inserted::default();
        for chunk in places.chunks(CHUNK) {
            let leads = self.read(chunk).map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let inserted = insert(tx, campaign_id, &leads)?;
            total.imported += inserted.imported;
            total.duplicates += inserted.duplicates;
        }
        Ok(total)
    }
}

/// The cells of a row, if all of them are UTF-8.
fn texts(row: &Row) -> Option<impl Iterator<Item = &str> + Clone> {
    let is_text = row.cells().all(|cell| std::str::from_utf8(cell).is_ok());
    is_text.then(|| row.cells().map(|cell| std::str::from_utf8(cell).unwrap_or_default()))
}

/// What is wrong with a row that was not kept as a whole, and what to do.
fn too_much(found: Found) -> String {
    match found {
        Found::Row => String::new(),
        Found::TooLong => {
            format!("has more than {ROW_BYTES_MAX} bytes; is a quote (\") opened here that ends much later?")
        }
        Found::TooManyCells => format!("has more than {CELLS_MAX} cells; remove the superfluous separators"),
        Found::Unclosed => {
            "opens a quote (\") that is never closed, so everything after it is one value; close \
                            it, or write a quote that is meant as \"\" within quotes"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::System;

    #[tokio::test]
    async fn an_import_into_a_campaign_that_is_gone_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
        let table = folder.path().join("leads.csv");
        std::fs::write(&table, "phone\n+12025550101\n").unwrap();
        for partial in [true, false] {
            let options = ImportOptions { partial, ..ImportOptions::default() };
            let done = import(&store, 7, &table, options).await;
            assert!(matches!(done, Err(ImportError::NoSuchCampaign)), "{done:?}");
        }
    }

    #[test]
    fn every_row_is_found_again_whatever_stands_around_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("leads.csv");
        let body = "\r\n+12025550101,\"a\r\nb\"\r\n\r\n+12025550102,\"c \"\"d\"\"\"\r+12025550103,é";
        std::fs::write(&path, format!("\u{feff}phone,plan\r\n{body}")).unwrap();
        let table = Table::open(&path, None).unwrap().unwrap();
        let (places, report) = table.survey().unwrap();
        assert_eq!(report, ImportReport::default());
        assert_eq!(places.iter().map(|place| place.row).collect::<Vec<_>>(), [3, 5, 6]);
        let leads = table.read(&places).unwrap();
        let plans: Vec<&str> = leads.iter().map(|lead| lead.variables["plan"].as_str().unwrap()).collect();
        assert_eq!(plans, ["a\r\nb", "c \"d\"", "é"]);
    }
}
