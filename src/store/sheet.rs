//! Turns a sheet of an Excel workbook into comma-separated text, so that one reader serves both. Row numbers stay:
//! an empty row becomes a blank line.
//!
//! A workbook is a zip archive, whose parts may be a thousand times larger than the file and claim any size. So they
//! are unpacked once into nothing, with their sizes counted, before the library that reads them keeps them in memory.

use super::table::CELLS_MAX;
use calamine::{DataRef, ExcelDateTime, Reader, Xlsx};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use zip::ZipArchive;

/// The start of every zip archive.
const ZIP: &[u8] = b"PK\x03\x04";
/// The start of the Excel files before 2007, and of those with a password.
const OLD_EXCEL: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";

/// Bytes of all parts together, unpacked.
const UNPACKED_MAX: u64 = 1 << 30;
/// Bytes of the part that is kept in memory: texts that several cells share.
const TEXTS_MAX: u64 = 96 << 20;
/// How many times larger than the file its parts may be together. Sheets of leads are about twenty times larger.
const RATIO_MAX: u64 = 250;
/// Below, no ratio is suspicious.
const UNSUSPICIOUS: u64 = 16 << 20;
/// Parts of a workbook.
const PARTS_MAX: usize = 5_000;
/// Rows and columns of the largest sheet there can be.
const ROWS_MAX: u32 = 1 << 20;

/// Why a workbook was not read.
#[derive(Debug)]
pub(super) enum SheetError {
    /// It cannot be, or must not be; a sentence that says what to do.
    Refused(String),
    /// The disk failed.
    Io(io::Error),
}

impl From<io::Error> for SheetError {
    fn from(error: io::Error) -> SheetError {
        SheetError::Io(error)
    }
}

fn refused<T>(message: impl Into<String>) -> Result<T, SheetError> {
    Err(SheetError::Refused(message.into()))
}

/// What a file is by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Workbook,
    OldExcel,
}

/// Looks at the first bytes of a file.
pub(super) fn kind(path: &Path) -> io::Result<Kind> {
    let mut start = Vec::new();
    File::open(path)?.take(8).read_to_end(&mut start)?;
    Ok(match () {
        () if start.starts_with(ZIP) => Kind::Workbook,
        () if start == OLD_EXCEL => Kind::OldExcel,
        () => Kind::Text,
    })
}

/// Writes the sheet as comma-separated text; the answer is its name. Without a name the first sheet is taken.
pub(super) fn convert(from: &Path, wanted: Option<&str>, to: &File) -> Result<String, SheetError> {
    check_sizes(from)?;
    // The library is careful, but a damaged file must not end more than its own import.
    let work = AssertUnwindSafe(|| write_sheet(from, wanted, to));
    catch_unwind(work).unwrap_or_else(|_| refused("is damaged; save it again as .xlsx or as CSV"))
}

fn damaged(error: impl std::fmt::Display) -> SheetError {
    SheetError::Refused(format!(
        "cannot be read as an Excel workbook ({error}); save it again as .xlsx or as CSV"
    ))
}

/// Unpacks every part, as far as it may go, and counts.
fn check_sizes(path: &Path) -> Result<(), SheetError> {
    let mut file = File::open(path)?;
    let packed = file.metadata()?.len();
    match entries(&mut file, packed)? {
        None => return Err(damaged("its end is missing")),
        Some(entries) if entries > PARTS_MAX => {
            return refused(format!("has more than {PARTS_MAX} parts; save it again as .xlsx or as CSV"));
        }
        Some(_) => {}
    }
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let unpacked_max = UNPACKED_MAX.min((packed * RATIO_MAX).max(UNSUSPICIOUS));
    let mut left = unpacked_max;
    let mut chunk = vec![0; 64 << 10];
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).map_err(damaged)?;
        let is_texts = part.name().map_err(damaged)?.to_ascii_lowercase().ends_with("sharedstrings.xml");
        let (part_max, told_max) = match is_texts && TEXTS_MAX < left {
            true => (TEXTS_MAX, TEXTS_MAX),
            false => (left, unpacked_max),
        };
        let (mut size, mut head) = (0_u64, Vec::new());
        loop {
            let read = part.read(&mut chunk).map_err(damaged)?;
            size += read as u64;
            if size > part_max {
                return refused(format!(
                    "unpacks to more than {} MB, so it is not read; send the leads as CSV, or in several files",
                    told_max >> 20
                ));
            }
            if is_texts && head.len() < 4096 {
                head.extend_from_slice(&chunk[..read.min(4096)]);
            }
            if read == 0 {
                break;
            }
        }
        // As many places are reserved in memory as the part says that it has texts; each takes at least `<si/>`.
        if is_texts && claimed_texts(&head).is_some_and(|texts| texts > size / 5) {
            return refused("is damaged: it claims more texts than it has; save it again as .xlsx or as CSV");
        }
        left -= size;
    }
    Ok(())
}

/// How many entries the archive's directory has, before all of them are read.
fn entries(file: &mut File, length: u64) -> io::Result<Option<usize>> {
    const DIRECTORY_END: &[u8] = b"PK\x05\x06";
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(66 << 10)))?;
    file.read_to_end(&mut end)?;
    file.rewind()?;
    let at = end.windows(DIRECTORY_END.len()).rposition(|window| window == DIRECTORY_END);
    let count = at.and_then(|at| end.get(at + 10..at + 12));
    Ok(count.map(|bytes| usize::from(bytes[0]) | usize::from(bytes[1]) << 8))
}

fn claimed_texts(head: &[u8]) -> Option<u64> {
    let head = String::from_utf8_lossy(head);
    let claim = head.split("uniqueCount").nth(1)?.trim_start_matches([' ', '=', '"', '\'', '\t', '\r', '\n']);
    let digits: String = claim.chars().take_while(char::is_ascii_digit).collect();
    // More digits than fit are more than there can be.
    Some(digits.parse().unwrap_or(u64::MAX)).filter(|_| !digits.is_empty())
}

fn write_sheet(from: &Path, wanted: Option<&str>, to: &File) -> Result<String, SheetError> {
    let mut book: Xlsx<_> = Xlsx::new(BufReader::new(File::open(from)?)).map_err(damaged)?;
    let names = book.sheet_names();
    let name = match (wanted, names.first()) {
        (_, None) => return refused("has no sheet"),
        (None, Some(first)) => first.clone(),
        (Some(wanted), Some(_)) => match names.iter().find(|name| name.trim() == wanted.trim()) {
            Some(name) => name.clone(),
            None => {
                let known: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                return refused(format!("has no sheet `{wanted}`; it has {}", known.join(", ")));
            }
        },
    };
    let mut cells = book.worksheet_cells_reader(&name).map_err(damaged)?;
    let mut out = Lines { out: BufWriter::new(to), row: 0, column: 0 };
    while let Some(cell) = cells.next_cell().map_err(damaged)? {
        let (row, column) = cell.get_position();
        if row >= ROWS_MAX || row < out.row || (row == out.row && column < out.column) {
            return refused("is damaged: its cells are out of order; save it again as .xlsx or as CSV");
        }
        out.put(row, column, cell.get_value())?;
    }
    out.out.write_all(b"\n")?;
    out.out.flush()?;
    Ok(name)
}

/// Text being written, with the place it has come to.
struct Lines<W> {
    out: W,
    row: u32,
    column: u32,
}

impl<W: Write> Lines<W> {
    fn put(&mut self, row: u32, column: u32, value: &DataRef) -> io::Result<()> {
        let made;
        let text: &str = match value {
            DataRef::Empty => return Ok(()),
            DataRef::String(text) => text,
            DataRef::SharedString(text) => text,
            DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text,
            other => {
                made = shown(other);
                &made
            }
        };
        if text.trim().is_empty() {
            return Ok(());
        }
        while self.row < row {
            self.out.write_all(b"\n")?;
            (self.row, self.column) = (self.row + 1, 0);
        }
        // A row with more cells than a row may have is refused whatever stands in them.
        let column = column.min(CELLS_MAX as u32 + 1);
        while self.column < column {
            self.out.write_all(b",")?;
            self.column += 1;
        }
        match text.contains(['"', ',', '\n', '\r']) {
            true => write!(self.out, "\"{}\"", text.replace('"', "\"\"")),
            false => self.out.write_all(text.as_bytes()),
        }
    }
}

/// A value as a person would have typed it.
fn shown(value: &DataRef) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        // Never 2.02555E+11.
        DataRef::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        DataRef::Float(number) => number.to_string(),
        DataRef::Bool(flag) => flag.to_string(),
        DataRef::DateTime(at) => moment(at),
        DataRef::Error(error) => error.to_string(),
        DataRef::String(_)
        | DataRef::SharedString(_)
        | DataRef::DateTimeIso(_)
        | DataRef::DurationIso(_)
        | DataRef::Empty => String::new(),
    }
}

/// `2024-02-19`, `2024-02-19 10:30:00`, or `10:30:00` where there is no date.
fn moment(at: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    match at.as_f64() {
        days if days < 1.0 || at.is_duration() => time,
        days if days.fract() == 0.0 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02} {time}"),
    }
}
