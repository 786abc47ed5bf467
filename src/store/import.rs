//! Large tables of leads, from a file on disk into a campaign: streamed, in transactions short enough that
//! nobody else waits.
//!
//! Two passes. The first reads every row, keeps 24 bytes of each good one (number, place, length) and reports
//! the bad ones. The second fetches the rows again in the order they are written. Up to [`IN_FILE_ORDER_MAX`]
//! rows that is the order of the file; beyond it they are sorted by number, because the index of numbers then
//! grows at its end, instead of being rewritten for every chunk.

use super::{Inserted, Store, StoreError, Tx};
use crate::domain::fields;
use crate::domain::invalid::{Invalid, Problem};
use crate::domain::lead::{Columns, NewLead};
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

/// Rows told in detail.
const REJECTIONS_MAX: usize = 1_000;
/// Larger tables are written in the order of their numbers.
const IN_FILE_ORDER_MAX: usize = 100_000;
/// Tables that must go in as a whole may be this large, since that takes one long transaction.
const ALL_OR_NOTHING_MAX: usize = 100_000;
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
) -> Result<Result<ImportReport, Invalid>, StoreError> {
    let (store, path, handle) = (store.clone(), path.to_owned(), Handle::current());
    let work = move || run(&store, campaign_id, path, options, &handle);
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(StoreError::Failed(panic.to_string())))
}

fn run(
    store: &Store,
    campaign_id: i64,
    path: PathBuf,
    options: ImportOptions,
    handle: &Handle,
) -> Result<Result<ImportReport, Invalid>, StoreError> {
    let unreadable = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    let table = match Table::open(&path, options.country).map_err(unreadable)? {
        Ok(table) => Arc::new(table),
        Err(invalid) => return Ok(Err(invalid)),
    };
    let (mut places, mut report) = table.survey().map_err(unreadable)?;
    if report.rejected > 0 && !options.partial {
        return Ok(Err(refusal(report)));
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
            return Ok(Err(Invalid::one("body", message)));
        }
        let inserted = handle.block_on(store.write(move |tx| table.write_all(tx, campaign_id, &places)))?;
        report.imported += inserted.imported;
        report.duplicates += inserted.duplicates;
        return Ok(Ok(report));
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
    Ok(Ok(report))
}

fn count(
    report: &mut ImportReport,
    written: Result<Result<Inserted, StoreError>, tokio::task::JoinError>,
) -> Result<(), StoreError> {
    let inserted = written.map_err(|panic| StoreError::Failed(panic.to_string()))??;
    report.imported += inserted.imported;
    report.duplicates += inserted.duplicates;
    Ok(())
}

fn insert(tx: &Tx, campaign_id: i64, leads: &[NewLead]) -> Result<Inserted, StoreError> {
    match tx.campaign(campaign_id)? {
        Some(_) => tx.insert_leads(campaign_id, leads),
        None => Err(StoreError::Failed("the campaign was deleted during the import".into())),
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
    delimiter: u8,
    columns: Columns,
    country: Option<Country>,
    body_at: u64,
}

impl Table {
    fn open(path: &Path, country: Option<Country>) -> std::io::Result<Result<Table, Invalid>> {
        let mut file = File::open(path)?;
        let mut start = Vec::new();
        file.by_ref().take(64 * 1024).read_to_end(&mut start)?;
        let body_at = if start.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let delimiter = delimiter(&start[body_at..]);
        let mut reader = reader(&start[body_at..], delimiter);
        let mut header = csv::StringRecord::new();
        let found = match reader.read_record(&mut header) {
            Ok(true) => Columns::of(header.iter()),
            Ok(false) => Err(Invalid::one("body", "is empty; the first row must name the columns")),
            Err(_) => Err(Invalid::one("header", "must be UTF-8 text")),
        };
        let body_at = body_at as u64 + reader.position().byte();
        Ok(found.map(|columns| Table { file, delimiter, columns, country, body_at }))
    }

    /// The first pass: where the good rows are, and what is wrong with the others.
    fn survey(&self) -> std::io::Result<(Vec<Place>, ImportReport)> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(self.body_at))?;
        let mut reader = reader(BufReader::with_capacity(256 * 1024, file), self.delimiter);
        let mut record = csv::ByteRecord::new();
        let (mut places, mut report) = (Vec::new(), ImportReport::default());
        let mut row: u32 = 1;
        while reader.read_byte_record(&mut record).map_err(std::io::Error::other)? {
            row += 1;
            let offset = record.position().map_or(0, csv::Position::byte);
            let length = u32::try_from(reader.position().byte() - offset).unwrap_or(u32::MAX);
            match self.lead(&record) {
                Ok(lead) => {
                    let offset = self.body_at + offset;
                    places.push(Place { digits: lead.phone.digits(), offset, length, row });
                }
                Err(problem) => {
                    report.rejected += 1;
                    if report.rejections.len() < REJECTIONS_MAX {
                        report.rejections.push(self.rejection(row, &record, problem));
                    }
                }
            }
        }
        Ok((places, report))
    }

    fn lead(&self, record: &csv::ByteRecord) -> Result<NewLead, Problem> {
        if record.iter().any(|cell| std::str::from_utf8(cell).is_err()) {
            return Err(Problem { field: "row".into(), message: "must be UTF-8 text".into() });
        }
        self.columns
            .read(record.iter().map(|cell| std::str::from_utf8(cell).unwrap_or_default()), self.country)
    }

    fn rejection(&self, row: u32, record: &csv::ByteRecord, problem: Problem) -> Rejection {
        let position = self.columns.position(&problem.field);
        let cell = position.and_then(|position| record.get(position)).unwrap_or_default();
        Rejection {
            row: row.into(),
            field: problem.field,
            value: fields::excerpt(&String::from_utf8_lossy(cell)),
            message: problem.message,
        }
    }

    /// The second pass, for some rows.
    fn read(&self, places: &[Place]) -> std::io::Result<Vec<NewLead>> {
        let mut text = Vec::with_capacity(places.iter().map(|place| place.length as usize + 1).sum());
        for place in places {
            let start = text.len();
            text.resize(start + place.length as usize, 0);
            self.file.read_exact_at(&mut text[start..], place.offset)?;
            text.push(b'\n');
        }
        let mut reader = reader(text.as_slice(), self.delimiter);
        let mut record = csv::ByteRecord::new();
        let mut leads = Vec::with_capacity(places.len());
        while reader.read_byte_record(&mut record).map_err(std::io::Error::other)? {
            let changed = |_| std::io::Error::other("the file changed during the import");
            leads.push(self.lead(&record).map_err(changed)?);
        }
        Ok(leads)
    }

    fn write_all(&self, tx: &Tx, campaign_id: i64, places: &[Place]) -> Result<Inserted, StoreError> {
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

fn reader<R: Read>(from: R, delimiter: u8) -> csv::Reader<R> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(from)
}

/// The separator that the header row uses most.
fn delimiter(start: &[u8]) -> u8 {
    let header = start.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let count = |separator: u8| header.iter().filter(|byte| **byte == separator).count();
    [b',', b';', b'\t', b'|'].into_iter().rev().max_by_key(|separator| count(*separator)).unwrap_or(b',')
}
