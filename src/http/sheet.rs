//! Writes tables for spreadsheets, row by row into a file that has no name and so goes with whoever holds it: CSV
//! (RFC 4180) or XLSX. Both hold the same texts. Which columns there are is not known here.

use super::error::ApiError;
use crate::domain::invalid::Invalid;
use crate::domain::spreadsheet::{self, Format};
use rocket::Request;
use rocket::http::Status;
use rocket::response::{self, Responder, Response};
use rust_xlsxwriter::{Workbook, XlsxError};
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// What an answer calls such a table.
fn content_type(format: Format) -> &'static str {
    match format {
        Format::Csv => "text/csv; charset=utf-8",
        Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    }
}

/// A finished table on its way out. Complete before its first byte goes, so that an answer which breaks off is seen to
/// have done so.
pub(super) struct Download {
    pub(super) file: rocket::tokio::fs::File,
    pub(super) length: u64,
    pub(super) format: Format,
    /// What the file is called, without its ending.
    pub(super) name: String,
}

impl<'r> Responder<'r, 'static> for Download {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let disposition = format!("attachment; filename=\"{}.{}\"", self.name, self.format);
        let length = usize::try_from(self.length).map_err(|_| Status::InternalServerError)?;
        Response::build()
            .raw_header("Content-Type", content_type(self.format))
            .raw_header("Content-Disposition", disposition)
            .sized_body(length, self.file)
            .ok()
    }
}

/// Rows of an XLSX sheet below its header; the format has no more.
const XLSX_ROWS_MAX: u32 = 1_048_575;
/// Written to disk at a time.
const BUFFER: usize = 256 << 10;

/// The cells of one row, in memory that is used again for the next.
#[derive(Debug, Default)]
pub(super) struct Cells {
    text: String,
    ends: Vec<usize>,
}

impl Cells {
    /// A text that somebody wrote, defused.
    pub(super) fn text(&mut self, text: &str) {
        self.text.push_str(&spreadsheet::defused(text));
        self.end();
    }

    /// What can be no formula of anybody's: a number, a word, an instant, a number to dial.
    pub(super) fn plain(&mut self, value: impl std::fmt::Display) {
        use std::fmt::Write;
        // Writing into memory does not fail.
        let _ = write!(self.text, "{value}");
        self.end();
    }

    /// Nothing.
    pub(super) fn empty(&mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.ends.push(self.text.len());
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}

/// A table being written.
pub(super) struct Sheet {
    cells: Cells,
    kind: Kind,
}

enum Kind {
    Csv(BufWriter<File>),
    Xlsx { workbook: Box<Workbook>, rows: u32, file: File },
}

impl Sheet {
    /// An empty table, kept in `folder` until it is done.
    pub(super) fn create(format: Format, has_mark: bool, folder: &Path) -> Result<Sheet, ApiError> {
        let file = tempfile::tempfile_in(folder)?;
        let kind = match format {
            Format::Csv => {
                let mut file = BufWriter::with_capacity(BUFFER, file);
                if has_mark {
                    file.write_all("\u{FEFF}".as_bytes())?;
                }
                Kind::Csv(file)
            }
            Format::Xlsx => {
                let mut workbook = Box::new(Workbook::new());
                workbook.set_tempdir(folder)?;
                workbook.add_worksheet_with_constant_memory()?;
                Kind::Xlsx { workbook, rows: 0, file }
            }
        };
        Ok(Sheet { cells: Cells::default(), kind })
    }

    /// Adds a row.
    pub(super) fn row(&mut self, fill: impl FnOnce(&mut Cells)) -> Result<(), ApiError> {
        self.cells.clear();
        fill(&mut self.cells);
        match &mut self.kind {
            Kind::Csv(file) => write_csv(file, &self.cells)?,
            Kind::Xlsx { rows, .. } if *rows > XLSX_ROWS_MAX => {
                let message = format!("`xlsx` holds {XLSX_ROWS_MAX} rows and these are more; use `csv`");
                return Err(Invalid::one("format", message).into());
            }
            Kind::Xlsx { workbook, rows, .. } => {
                let sheet = workbook.worksheet_from_index(0)?;
                for (column, cell) in (0..).zip(self.cells.all()) {
                    if !cell.is_empty() {
                        sheet.write_string(*rows, column, cell)?;
                    }
                }
                *rows += 1;
            }
        }
        Ok(())
    }

    /// The finished table, at its start, and its length.
    pub(super) fn finish(self) -> Result<(File, u64), ApiError> {
        let mut file = match self.kind {
            Kind::Csv(file) => file.into_inner().map_err(|error| error.into_error())?,
            Kind::Xlsx { mut workbook, mut file, .. } => {
                workbook.save_to_writer(BufWriter::with_capacity(BUFFER, &mut file))?;
                file
            }
        };
        let length = file.stream_position()?;
        file.seek(SeekFrom::Start(0))?;
        Ok((file, length))
    }
}

impl From<XlsxError> for ApiError {
    fn from(error: XlsxError) -> ApiError {
        match error {
            XlsxError::IoError(error) => error.into(),
            other => ApiError::Internal { cause: other.to_string() },
        }
    }
}

/// Quotes whatever a program with another separator would cut in two: its second half could be a formula.
fn write_csv(out: &mut impl Write, cells: &Cells) -> std::io::Result<()> {
    let wants_quotes = |byte: u8| matches!(byte, b'"' | b',' | b';' | b'\t' | b'|' | b'\r' | b'\n');
    for (position, cell) in cells.all().enumerate() {
        if position > 0 {
            out.write_all(b",")?;
        }
        if !cell.bytes().any(wants_quotes) && !cell.starts_with(' ') && !cell.ends_with(' ') {
            out.write_all(cell.as_bytes())?;
            continue;
        }
        out.write_all(b"\"")?;
        for (index, part) in cell.split('"').enumerate() {
            if index > 0 {
                out.write_all(b"\"\"")?;
            }
            out.write_all(part.as_bytes())?;
        }
        out.write_all(b"\"")?;
    }
    out.write_all(b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn written(rows: &[&[&str]]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut sheet = Sheet::create(Format::Csv, false, folder.path()).unwrap();
        for row in rows {
            sheet.row(|cells| row.iter().for_each(|cell| cells.text(cell))).unwrap();
        }
        let (mut file, length) = sheet.finish().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text.len() as u64, length);
        text
    }

    #[test]
    fn cells_that_another_program_would_cut_are_quoted() {
        let rows: [&[&str]; 3] =
            [&["a", "b c", ""], &["x;=1", "say \"hi\"", "1,5"], &[" left", "two\r\nlines", "=1\t=2"]];
        assert_eq!(
            written(&rows),
            "a,b c,\r\n\"x;=1\",\"say \"\"hi\"\"\",\"1,5\"\r\n\" left\",\"two\r\nlines\",\"'=1\t=2\"\r\n"
        );
    }

    #[test]
    fn a_workbook_that_is_full_says_what_to_use_instead() {
        let folder = tempfile::tempdir().unwrap();
        let mut sheet = Sheet::create(Format::Xlsx, false, folder.path()).unwrap();
        for _ in 0..=XLSX_ROWS_MAX {
            sheet.row(|_| {}).unwrap();
        }
        match sheet.row(|_| {}) {
            Err(ApiError::Invalid(invalid)) => assert_eq!(
                invalid.to_string(),
                "format: `xlsx` holds 1048575 rows and these are more; use `csv`"
            ),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_table_leaves_no_file_behind() {
        let folder = tempfile::tempdir().unwrap();
        for format in [Format::Csv, Format::Xlsx] {
            let mut sheet = Sheet::create(format, false, folder.path()).unwrap();
            sheet.row(|cells| cells.text("a")).unwrap();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
            let held = sheet.finish().unwrap();
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
            drop(held);
        }
    }
}
