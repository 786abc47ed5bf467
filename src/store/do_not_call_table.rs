//! Large tables of numbers that nobody may call, from a file on disk onto the list: streamed, in transactions short
//! enough that nobody else waits.

use super::table::{self, Found, Position, Row, Rows};
use super::{Store, StoreError, Tx};
use crate::domain::do_not_call::{Column, Columns, Source};
use crate::domain::fields;
use crate::domain::invalid::Invalid;
use crate::domain::phone::Country;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use tokio::runtime::Handle;

/// How to read a table of numbers.
#[derive(Clone, Debug)]
pub struct ListOptions {
    /// Country of numbers written without one.
    pub country: Option<Country>,
    /// Who sends it.
    pub by: String,
}

/// What became of the numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListReport {
    /// New on the list.
    pub added: i64,
    /// On it before.
    pub already_listed: i64,
    /// What can be two numbers, of which both are listed.
    pub two_readings: i64,
    /// Rows without a number that can be called at all, and cells that should be one beside another.
    pub rejected: i64,
    /// The first of them.
    pub rejections: Vec<NotListed>,
    /// What the columns of a table were taken for.
    pub columns: Vec<Column>,
}

/// A row, or a cell of one, that is no number, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotListed {
    /// Its number; the header is row 1.
    pub row: u64,
    /// The column.
    pub field: String,
    /// The start of what stands in it.
    pub value: String,
    /// What is wrong.
    pub message: String,
}

/// Why nothing more was listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The table.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// The database, or the file.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Rows told in detail.
const REJECTIONS_MAX: usize = 1_000;
/// Numbers of one transaction, and those of the row that fills it.
const CHUNK: usize = 100;
/// Numbers of a table that are listed while the disk is full; the room for more is that of calls alive.
const ON_A_FULL_DISK_MAX: i64 = 10_000;

impl ListReport {
    /// Counts what is no number.
    pub fn reject(&mut self, row: u64, field: &str, value: &str, message: String) {
        self.rejected += 1;
        if self.rejections.len() < REJECTIONS_MAX {
            self.rejections.push(NotListed {
                row,
                field: field.to_owned(),
                value: fields::excerpt(value),
                message,
            });
        }
    }
}

/// Puts the numbers of a CSV file with a header row onto the list. The file stays as it is. `begin` runs before the first
/// number, once it is known that the file is a table of numbers.
pub async fn list_table(
    store: &Store,
    path: &Path,
    options: ListOptions,
    begin: impl FnOnce(&Tx) -> Result<(), StoreError> + Send + 'static,
) -> Result<ListReport, ListError> {
    let (store, path, handle) = (store.clone(), path.to_owned(), Handle::current());
    let work = move || run(&store, &path, &options, begin, &handle);
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(StoreError::Failed(panic.to_string()).into()))
}

fn run(
    store: &Store,
    path: &Path,
    options: &ListOptions,
    begin: impl FnOnce(&Tx) -> Result<(), StoreError> + Send + 'static,
    handle: &Handle,
) -> Result<ListReport, ListError> {
    let unreadable = |error: io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let (start, separator) = table::layout(file.fill_buf().map_err(unreadable)?);
    file.consume(start);
    let mut rows = Rows::new(file, separator, Position::first(start as u64));
    let mut row = Row::default();
    rows.next(&mut row).map_err(unreadable)?;
    let columns = Columns::of(texts(&row).iter().map(|cell| &**cell))?;
    handle.block_on(store.write_on_a_full_disk(begin))?;
    let mut report = ListReport { columns: columns.all().to_vec(), ..ListReport::default() };
    let mut chunk = Vec::with_capacity(CHUNK);
    loop {
        let found = rows.next(&mut row).map_err(unreadable)?;
        let number = rows.position().row;
        match found {
            Some(Found::Row) => {
                let cells = texts(&row);
                let read = columns.read(|at| cells.get(at).map(|cell| &**cell), options.country);
                chunk.extend(read.entries);
                report.two_readings += read.two_readings;
                for (field, value, message) in read.problems {
                    report.reject(number, &field, value, message);
                }
            }
            Some(Found::TooLong | Found::TooManyCells) => {
                report.reject(number, "phone", "", "the row is too long to be one of numbers".into());
            }
            Some(Found::Unclosed) => {
                report.reject(number, "phone", "", "the row opens a quote that nothing closes".into());
            }
            None => {}
        }
        if chunk.len() >= CHUNK || (found.is_none() && !chunk.is_empty()) {
            let (entries, by) = (std::mem::take(&mut chunk), options.by.clone());
            let count = entries.len() as i64;
            if report.added + report.already_listed >= ON_A_FULL_DISK_MAX && store.is_short_of_room() {
                return Err(StoreError::Full.into());
            }
            let list = store.write_on_a_full_disk(move |tx| tx.list_all(&entries, Source::Import, &by));
            let added = handle.block_on(list)?;
            report.added += added;
            report.already_listed += count - added;
        }
        if found.is_none() {
            return Ok(report);
        }
    }
}

/// The cells of a row; what is not UTF-8 is no number either.
fn texts(row: &Row) -> Vec<Cow<'_, str>> {
    row.cells().map(String::from_utf8_lossy).collect()
}
