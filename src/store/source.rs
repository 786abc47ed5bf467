//! A file of leads, understood: where its rows are, what each says, and what is wrong with it.

use super::StoreError;
use super::encoding::{self, Encoding};
use super::import::ImportError;
use super::sheet::{self, SheetError};
use super::table::{self, CELLS_MAX, Found, Position, ROW_BYTES_MAX, Row, Rows};
use crate::domain::columns::{Columns, Mapping, ReadRow};
use crate::domain::fields;
use crate::domain::imports::{Cause, ColumnView, FileView, Format, Reason, RowProblem};
use crate::domain::invalid::{Invalid, Problem};
use crate::domain::lead::NewLead;
use crate::domain::phone::{Phone, Unprefixed};
use serde_json::Value;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use tempfile::TempPath;

/// A file with leads in it.
#[derive(Debug)]
pub enum Payload {
    /// Text with separators, or a workbook; the file belongs to somebody else.
    Table(PathBuf),
    /// A JSON value in each line, behind a blank, as [`JSON_SEPARATOR`] wants it.
    Leads(TempPath),
}

/// Separates the cells of a line of JSON: a character that JSON never has, so that the line is one cell.
const JSON_SEPARATOR: u8 = 0x1F;
/// Bytes of a lead in JSON, at most.
const JSON_BYTES_MAX: u64 = 32 << 20;
/// Rows of a file, at most: their places are kept in memory.
pub(super) const ROWS_MAX: usize = 2_000_000;
/// Rows looked at to understand the columns.
const SAMPLE_ROWS: usize = 200;
/// Rows of which the numbers are read together.
const BLOCK_ROWS: usize = 4_096;

/// How a file is to be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    pub(super) unprefixed: Unprefixed,
    pub(super) mapping: Mapping,
    pub(super) delimiter: Option<u8>,
    pub(super) sheet: Option<String>,
}

/// Where a row is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its number's digits; 0 if it has none.
    pub(super) digits: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) row: u32,
}

/// A row that does not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) place: Place,
    pub(super) cause: Cause,
}

/// What the first look found: rows with a number, and rows without.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) places: Vec<Place>,
    pub(super) left: Vec<Left>,
}

impl Survey {
    fn len(&self) -> usize {
        self.places.len() + self.left.len()
    }
}

/// The file.
pub(super) struct Source {
    file: File,
    separator: u8,
    bytes_max: u64,
    body: Position,
    unprefixed: Unprefixed,
    columns: Option<Columns>,
    view: FileView,
    format: Format,
    /// What was made of it goes with it.
    _made: Option<TempPath>,
}

impl Source {
    /// Understands a file; what is made of it on the way is put into `folder`.
    pub(super) fn open(payload: &Payload, reading: &Reading, folder: &Path) -> Result<Source, ImportError> {
        match payload {
            Payload::Leads(path) => Source::of_leads(path, reading),
            Payload::Table(path) => Source::of_table(path, reading, folder),
        }
    }

    fn of_leads(path: &Path, reading: &Reading) -> Result<Source, ImportError> {
        Ok(Source {
            file: File::open(path).map_err(unreadable)?,
            separator: JSON_SEPARATOR,
            bytes_max: JSON_BYTES_MAX,
            body: Position::first(0),
            unprefixed: reading.unprefixed,
            columns: None,
            view: FileView::default(),
            format: Format::Json,
            _made: None,
        })
    }

    fn of_table(path: &Path, reading: &Reading, folder: &Path) -> Result<Source, ImportError> {
        let spool = || tempfile::Builder::new().prefix(super::UPLOAD_PREFIX).tempfile_in(folder);
        let mut view = FileView::default();
        let (format, made) = match sheet::kind(path).map_err(unreadable)? {
            sheet::Kind::OldExcel => {
                let message =
                    "is an old Excel file (.xls) or has a password; save it as .xlsx without one, or as CSV";
                return Err(Invalid::one("body", message).into());
            }
            sheet::Kind::Workbook => {
                let made = spool().map_err(unreadable)?;
                let name = sheet::convert(path, reading.sheet.as_deref(), made.as_file());
                view.sheet = Some(name.map_err(|error| match error {
                    SheetError::Refused(message) => ImportError::from(Invalid::one("body", message)),
                    SheetError::Io(error) => unreadable(error),
                })?);
                (Format::Xlsx, Some(made))
            }
            sheet::Kind::Text => {
                if reading.sheet.is_some() {
                    return Err(Invalid::one("sheet", "must be left out: this is no Excel workbook").into());
                }
                let found = encoding::detect(path).map_err(unreadable)?;
                view.encoding = Some(found.name());
                let made = match found {
                    Encoding::Utf8 => None,
                    _ => {
                        let made = spool().map_err(unreadable)?;
                        encoding::convert(path, found, made.as_file()).map_err(unreadable)?;
                        Some(made)
                    }
                };
                (Format::Csv, made)
            }
        };
        let mut file = File::open(made.as_ref().map_or(path, |made| made.path())).map_err(unreadable)?;
        let mut start = Vec::new();
        file.by_ref().take(256 << 10).read_to_end(&mut start).map_err(unreadable)?;
        let (first, separator) = match format {
            Format::Xlsx => (0, b','),
            Format::Csv | Format::Json => table::layout(&start),
        };
        let separator = reading.delimiter.filter(|_| format == Format::Csv).unwrap_or(separator);
        if format == Format::Csv {
            view.delimiter = Some(char::from(separator).to_string());
        }
        file.seek(SeekFrom::Start(first as u64)).map_err(unreadable)?;
        let (columns, body) = understand(&file, separator, Position::first(first as u64), reading)?;
        view.has_header = columns.has_header;
        Ok(Source {
            file,
            separator,
            bytes_max: ROW_BYTES_MAX,
            body,
            unprefixed: reading.unprefixed,
            columns: Some(columns),
            view,
            format,
            _made: made.map(tempfile::NamedTempFile::into_temp_path),
        })
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    pub(super) fn file_view(&self) -> FileView {
        self.view.clone()
    }

    pub(super) fn column_views(&self) -> Vec<ColumnView> {
        self.columns.as_ref().map(Columns::views).unwrap_or_default()
    }

    /// What stands above its cells where rows are given back.
    pub(super) fn titles(&self) -> Vec<String> {
        match &self.columns {
            Some(columns) => columns.titles().map(str::to_owned).collect(),
            None => vec!["lead".to_owned()],
        }
    }

    /// The first look: where the rows are, and their numbers. Cutting takes one thread, reading numbers others.
    pub(super) fn survey(&self) -> Result<Survey, ImportError> {
        let size = self.file.metadata().map_err(unreadable)?.len();
        let mut file = self.file.try_clone().map_err(unreadable)?;
        file.seek(SeekFrom::Start(self.body.offset)).map_err(unreadable)?;
        let rows = Rows::new(BufReader::with_capacity(256 << 10, file), self.separator, self.body);
        let mut rows = rows.up_to(self.bytes_max);
        let threads = thread::available_parallelism().map_or(1, usize::from).min(4);
        let survey = thread::scope(|scope| {
            let (to_collector, surveyed) = mpsc::channel::<Survey>();
            let workers: Vec<mpsc::SyncSender<Block>> = (0..threads)
                .map(|_| {
                    let (blocks, mine) = mpsc::sync_channel::<Block>(2);
                    let to_collector = to_collector.clone();
                    scope.spawn(move || {
                        for block in mine {
                            let _ = to_collector.send(self.numbers(&block));
                        }
                    });
                    blocks
                })
                .collect();
            drop(to_collector);
            let mut all = Survey::default();
            let mut collect = |some: Survey| {
                if all.places.capacity() == 0 && !some.places.is_empty() {
                    // All rows are about as long as the first.
                    let bytes: u64 = some.places.iter().map(|place| u64::from(place.length) + 1).sum();
                    let expected = size * some.places.len() as u64 / bytes.max(1);
                    all.places.reserve_exact((expected as usize + expected as usize / 50).min(ROWS_MAX));
                }
                all.places.extend_from_slice(&some.places);
                all.left.extend_from_slice(&some.left);
            };
            let (mut block, mut count, mut next) = (Block::default(), 0, 0);
            let mut row = Row::default();
            let cut = loop {
                match rows.next(&mut row) {
                    Err(error) => break Err(unreadable(error)),
                    Ok(None) => break Ok(()),
                    Ok(Some(Found::Row)) if is_blank(&row, self.number_position()) => continue,
                    Ok(Some(found)) => block.push(found, rows.position().row, &row, self.number_position()),
                }
                count += 1;
                if count > ROWS_MAX {
                    let message = format!("has more than {ROWS_MAX} rows; send it in several files");
                    break Err(Invalid::one("body", message).into());
                }
                if block.rows.len() >= BLOCK_ROWS {
                    let _ = workers[next % threads].send(std::mem::take(&mut block));
                    next += 1;
                    surveyed.try_iter().for_each(&mut collect);
                }
            };
            let _ = workers[next % threads].send(block);
            drop(workers);
            surveyed.iter().for_each(collect);
            cut.map(|()| (all, count))
        });
        let (survey, count) = survey?;
        match survey.len() == count {
            true => Ok(survey),
            false => Err(StoreError::Failed("reading the numbers of an import failed".into()).into()),
        }
    }

    fn number_position(&self) -> usize {
        self.columns.as_ref().map_or(0, Columns::phone_position)
    }

    /// Reads the numbers of some rows.
    fn numbers(&self, block: &Block) -> Survey {
        let mut survey = Survey { places: Vec::with_capacity(block.rows.len()), left: Vec::new() };
        let mut start = 0;
        for cut in &block.rows {
            let cell = &block.text[start..cut.end];
            start = cut.end;
            let number = match (cut.found, std::str::from_utf8(cell)) {
                (Found::Row, Ok(text)) => self.number(text).map_err(|problem| problem.cause),
                (Found::Row, Err(_)) => Err(Reason::BadRow.into()),
                (Found::TooLong | Found::TooManyCells | Found::Unclosed, _) => Err(Reason::BadRow.into()),
            };
            match number {
                Ok(phone) => survey.places.push(Place { digits: phone.digits(), ..cut.place }),
                Err(cause) => survey.left.push(Left { place: cut.place, cause }),
            }
        }
        survey
    }

    /// The number in a phone cell, or of a lead in JSON.
    fn number(&self, text: &str) -> Result<Phone, RowProblem> {
        match &self.columns {
            Some(columns) => columns.likely_number(text, self.unprefixed),
            None => self.lead(text).map(|read| read.lead.phone),
        }
    }

    fn lead(&self, text: &str) -> Result<ReadRow, RowProblem> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| RowProblem::of_row(error.to_string()))?;
        let has_priority = value.get("priority").is_some_and(|priority| !priority.is_null());
        let phone = match value.get("phone") {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        match NewLead::read(value, self.unprefixed) {
            Ok(lead) => Ok(ReadRow { lead, has_priority }),
            Err(Invalid(problems)) => {
                let Some(Problem { field, message }) = problems.into_iter().next() else {
                    return Err(RowProblem::of_row("cannot be read"));
                };
                let cause = match (field.as_str(), phone) {
                    ("phone", phone) => number_cause(phone.as_deref().unwrap_or_default(), self.unprefixed),
                    ("body", _) => Reason::BadRow.into(),
                    _ => Reason::BadValue.into(),
                };
                Err(RowProblem { cause, at: None, field, message })
            }
        }
    }

    /// The second look, at one row. It is read alone, so that it cannot swallow the next.
    pub(super) fn read(
        &self,
        place: Place,
        reader: &mut RowReader,
    ) -> io::Result<Result<ReadRow, RowProblem>> {
        let found = reader.fetch(self, place)?;
        if found != Found::Row {
            return Ok(Err(RowProblem::of_row(too_much(found))));
        }
        let Some(cells) = texts(&reader.row) else {
            return Ok(Err(RowProblem::of_row("must be UTF-8 text")));
        };
        Ok(match &self.columns {
            Some(columns) => columns.read(cells, self.unprefixed),
            None => self.lead(cells.clone().next().unwrap_or_default()),
        })
    }

    /// What is wrong with a row that was read, and the cell that is meant.
    pub(super) fn problem(
        &self,
        place: Place,
        reader: &mut RowReader,
    ) -> io::Result<Option<(RowProblem, String)>> {
        let Err(problem) = self.read(place, reader)? else { return Ok(None) };
        let cell = match problem.at {
            Some(at) => reader.row.cell(at),
            // Of a quote that is never closed the cell it opens, else how the row begins.
            None => {
                reader.row.cells().last().filter(|_| reader.found == Found::Unclosed).or(reader.row.cell(0))
            }
        };
        let mut value = String::from_utf8_lossy(cell.unwrap_or_default()).into_owned();
        if self.columns.is_none()
            && let Ok(Value::Object(lead)) = serde_json::from_str(&value)
            && let Some(field) = lead.get(&problem.field)
        {
            value = field.as_str().map_or_else(|| field.to_string(), str::to_owned);
        }
        let problem = match &self.columns {
            Some(columns) => columns.explained(problem, &value),
            None => problem,
        };
        Ok(Some((problem, value)))
    }

    /// Name and content of the cell that holds the number of the row read last.
    pub(super) fn number_cell<'r>(&self, reader: &'r RowReader) -> (String, Cow<'r, str>) {
        let name = match &self.columns {
            Some(columns) => columns.titles().nth(columns.phone_position()).unwrap_or_default().to_owned(),
            None => "phone".to_owned(),
        };
        (name, String::from_utf8_lossy(reader.row.cell(self.number_position()).unwrap_or_default()))
    }
}

fn number_cause(text: &str, unprefixed: Unprefixed) -> Cause {
    let why = match crate::domain::phone::parse(text, unprefixed) {
        Ok(_) => None,
        Err(problem) => Some(problem.into()),
    };
    Cause { reason: Reason::NotANumber, why }
}

/// Memory for reading rows one by one.
pub(super) struct RowReader {
    text: Vec<u8>,
    pub(super) row: Row,
    found: Found,
}

impl Default for RowReader {
    fn default() -> RowReader {
        RowReader { text: Vec::new(), row: Row::default(), found: Found::Row }
    }
}

impl RowReader {
    /// Fetches a row. Of one that is too long only its start is there.
    fn fetch(&mut self, source: &Source, place: Place) -> io::Result<Found> {
        let length = u64::from(place.length).min(source.bytes_max + 1);
        self.text.resize(length as usize, 0);
        source.file.read_exact_at(&mut self.text, place.offset)?;
        let mut rows =
            Rows::new(self.text.as_slice(), source.separator, Position::default()).up_to(source.bytes_max);
        self.found = rows.next(&mut self.row)?.unwrap_or(Found::Row);
        Ok(self.found)
    }
}

/// Rows that were cut, with the cells their numbers are in.
#[derive(Default)]
struct Block {
    text: Vec<u8>,
    rows: Vec<Cut>,
}

struct Cut {
    place: Place,
    found: Found,
    /// Where its cell ends in the text.
    end: usize,
}

impl Block {
    fn push(&mut self, found: Found, number: u64, row: &Row, position: usize) {
        self.text.extend_from_slice(row.cell(position).unwrap_or_default());
        let place = Place {
            digits: 0,
            offset: row.offset,
            length: u32::try_from(row.length).unwrap_or(u32::MAX),
            row: u32::try_from(number).unwrap_or(u32::MAX),
        };
        self.rows.push(Cut { place, found, end: self.text.len() });
    }
}

/// Reads the first rows and understands the columns; the second answer is where the data begin.
fn understand(
    file: &File,
    separator: u8,
    first: Position,
    reading: &Reading,
) -> Result<(Columns, Position), ImportError> {
    let mut rows = Rows::new(BufReader::new(file), separator, first);
    let (mut row, mut sample, mut after_first) = (Row::default(), Vec::new(), first);
    while sample.len() < SAMPLE_ROWS {
        let Some(found) = rows.next(&mut row).map_err(unreadable)? else { break };
        if found == Found::Row && is_blank(&row, 0) {
            continue;
        }
        let is_first = sample.is_empty();
        if is_first {
            after_first = rows.position();
        }
        match (found, texts(&row)) {
            (Found::Row, Some(cells)) => sample.push(cells.map(str::to_owned).collect::<Vec<_>>()),
            (Found::Row, None) if is_first => return Err(Invalid::one("header", "must be UTF-8 text").into()),
            (found, _) if is_first => return Err(Invalid::one("header", too_much(found)).into()),
            _ => {}
        }
    }
    let columns = Columns::understand(&sample, &reading.mapping, reading.unprefixed)?;
    let body = if columns.has_header { after_first } else { first };
    Ok((columns, body))
}

/// Whether nothing stands in the row but separators, as spreadsheets write it below their last row.
fn is_blank(row: &Row, likely: usize) -> bool {
    let is_blank = |cell: &[u8]| cell.iter().all(u8::is_ascii_whitespace);
    row.cell(likely).is_none_or(is_blank) && row.cells().all(is_blank)
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
            "opens a quote (\") that is never closed, so everything after it is one value; close it, \
                            or write a quote that is meant as \"\" within quotes"
                .to_owned()
        }
    }
}

/// The start of what stands in a cell.
pub(super) fn excerpt(value: &str) -> String {
    fields::excerpt(value)
}

pub(super) fn unreadable(error: io::Error) -> ImportError {
    StoreError::Unavailable(format!("the file of an import: {error}")).into()
}
