//! Cuts comma-separated text into rows as they are read (RFC 4180, with any of the usual separators and line
//! ends). A row is bounded before it is kept: whatever the file holds, it costs no more memory than one row
//! may have. Every row knows its number as a spreadsheet shows it, blank lines included.

use std::io::{self, BufRead};

/// Bytes of a row, at most.
pub(super) const ROW_BYTES_MAX: u64 = 1 << 20;
/// Cells of a row, at most.
pub(super) const CELLS_MAX: usize = 200;

/// A row, in memory that is used again for the next.
#[derive(Debug, Default)]
pub(super) struct Row {
    text: Vec<u8>,
    ends: Vec<usize>,
    /// Where it begins.
    pub(super) offset: u64,
    /// Bytes from there to its line end.
    pub(super) length: u64,
}

impl Row {
    /// Its cells, without quotes.
    pub(super) fn cells(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }

    /// One of its cells.
    pub(super) fn cell(&self, position: usize) -> Option<&[u8]> {
        let end = *self.ends.get(position)?;
        let start = if position == 0 { 0 } else { self.ends[position - 1] };
        Some(&self.text[start..end])
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.length = 0;
    }
}

/// What was found at the place of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A row.
    Row,
    /// One with more bytes than a row may have; only its start is kept.
    TooLong,
    /// One with more cells than a row may have; only the first are kept.
    TooManyCells,
    /// One that opens a quote which nothing closes before the end of the file. Its last cell is the start of
    /// what stands behind the quote.
    Unclosed,
}

/// A place between two rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Bytes before it.
    pub(super) offset: u64,
    /// The number of the row before it.
    pub(super) row: u64,
    /// A line feed here belongs to the line end before it.
    is_after_return: bool,
}

impl Position {
    /// The start of the first row.
    pub(super) fn first(offset: u64) -> Position {
        Position { offset, ..Position::default() }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    Begins,
    Plain,
    Quoted,
    /// After a quote in a quoted cell: its end, or the first half of a quote that is meant.
    QuoteInQuoted,
}

/// The rows of a text.
pub(super) struct Rows<R> {
    input: R,
    separator: u8,
    position: Position,
    bytes_max: u64,
}

impl<R: BufRead> Rows<R> {
    /// Goes on where `input` stands, which is at `position`.
    pub(super) fn new(input: R, separator: u8, position: Position) -> Rows<R> {
        Rows { input, separator, position, bytes_max: ROW_BYTES_MAX }
    }

    /// Lets a row have so many bytes.
    pub(super) fn up_to(self, bytes_max: u64) -> Rows<R> {
        Rows { bytes_max, ..self }
    }

    /// Where the next row will be looked for.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Reads the next row that is not blank; none at the end.
    pub(super) fn next(&mut self, row: &mut Row) -> io::Result<Option<Found>> {
        row.clear();
        let (mut cell, mut has_begun) = (Cell::Begins, false);
        loop {
            let bytes = self.input.fill_buf()?;
            if bytes.is_empty() {
                break;
            }
            let (mut used, mut has_ended) = (0, false);
            for &byte in bytes {
                used += 1;
                let is_line_end = byte == b'\n' || byte == b'\r';
                if !has_begun {
                    let is_second_half = byte == b'\n' && self.position.is_after_return;
                    self.position.is_after_return = byte == b'\r';
                    if is_line_end {
                        self.position.row += u64::from(!is_second_half);
                        continue;
                    }
                    has_begun = true;
                    row.offset = self.position.offset + used as u64 - 1;
                }
                if is_line_end && cell != Cell::Quoted {
                    self.position.is_after_return = byte == b'\r';
                    has_ended = true;
                    break;
                }
                row.length += 1;
                cell = step(cell, byte, self.separator, self.bytes_max, row);
            }
            self.input.consume(used);
            self.position.offset += used as u64;
            if has_ended {
                break;
            }
        }
        if !has_begun {
            return Ok(None);
        }
        self.position.row += 1;
        row.ends.push(row.text.len());
        Ok(Some(match () {
            () if cell == Cell::Quoted => Found::Unclosed,
            () if row.ends.len() > CELLS_MAX => Found::TooManyCells,
            () if row.length > self.bytes_max => Found::TooLong,
            () => Found::Row,
        }))
    }
}

/// Takes one byte of a row. Beyond the limits the state goes on, so that the end of the row is found, but
/// nothing more is kept.
fn step(cell: Cell, byte: u8, separator: u8, bytes_max: u64, row: &mut Row) -> Cell {
    let has_room = row.length <= bytes_max && row.ends.len() <= CELLS_MAX;
    let mut keep = |byte| {
        if has_room {
            row.text.push(byte);
        }
    };
    match (cell, byte) {
        (Cell::Quoted, b'"') => Cell::QuoteInQuoted,
        (Cell::Begins, b'"') => Cell::Quoted,
        (Cell::Quoted, _) | (Cell::QuoteInQuoted, b'"') => {
            keep(byte);
            Cell::Quoted
        }
        (Cell::Begins | Cell::Plain | Cell::QuoteInQuoted, _) if byte == separator => {
            if has_room {
                row.ends.push(row.text.len());
            }
            Cell::Begins
        }
        (Cell::Begins | Cell::Plain | Cell::QuoteInQuoted, _) => {
            keep(byte);
            Cell::Plain
        }
    }
}

/// Separators that are looked for; of equal ones the last.
const SEPARATORS: [u8; 4] = [b'|', b'\t', b';', b','];
/// Rows looked at to find out which separator it is.
const ROWS_COMPARED: usize = 50;

/// Where the first row begins, and what separates its cells: what a first line `sep=;` says, as Excel writes
/// it, else what cuts the header into several cells and most rows into as many.
pub(super) fn layout(start: &[u8]) -> (usize, u8) {
    let mark = if start.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let first = start[mark..].split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    if let Some(separator) = named_separator(first) {
        let end = mark + first.len();
        let line_end = if start[end..].starts_with(b"\r\n") { 2 } else { 1 };
        return ((end + line_end).min(start.len()), separator);
    }
    let best = SEPARATORS.into_iter().max_by_key(|separator| regularity(&start[mark..], *separator));
    (mark, best.unwrap_or(b','))
}

/// How well a separator cuts a text: whether there is anything to cut, how many rows are cut like the first, and
/// into how many cells.
fn regularity(text: &[u8], separator: u8) -> (bool, usize, usize) {
    let mut rows = Rows::new(text, separator, Position::default());
    let (mut row, mut first, mut alike) = (Row::default(), 0, 0);
    for _ in 0..ROWS_COMPARED {
        // The last row may be cut off.
        let Ok(Some(Found::Row)) = rows.next(&mut row) else { break };
        let cells = row.ends.len();
        if first == 0 {
            first = cells;
        }
        alike += usize::from(cells == first);
    }
    match first {
        0 | 1 => (false, 0, 0),
        cells => (true, alike, cells),
    }
}

fn named_separator(line: &[u8]) -> Option<u8> {
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator]
            if separator.is_ascii_punctuation() && *separator != b'"' || *separator == b'\t' =>
        {
            Some(*separator)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is found, with row number, cells, and the text between offset and line end.
    fn read(text: &str) -> Vec<(Found, u64, Vec<String>, String)> {
        let mut rows = Rows::new(text.as_bytes(), b',', Position::default());
        let (mut row, mut all) = (Row::default(), Vec::new());
        while let Some(found) = rows.next(&mut row).unwrap() {
            let cells = row.cells().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
            let place = row.offset as usize..(row.offset + row.length) as usize;
            all.push((found, rows.position().row, cells, text[place].to_owned()));
        }
        all
    }

    fn numbers(text: &str) -> Vec<u64> {
        read(text).into_iter().map(|(_, number, ..)| number).collect()
    }

    #[test]
    fn a_row_has_the_number_that_a_spreadsheet_shows() {
        assert_eq!(numbers("a\nb\nc"), [1, 2, 3]);
        assert_eq!(numbers("\n\na\n\n\nb\n\n"), [3, 6]);
        assert_eq!(numbers("\r\na\r\n\r\nb\r\n"), [2, 4]);
        assert_eq!(numbers("a\r\rb\r"), [1, 3]);
        assert_eq!(numbers("\"a\nb\"\nc"), [1, 2]);
    }

    #[test]
    fn a_quote_that_nothing_closes_is_told() {
        let found: Vec<Found> = read("a,b\n\"c,d\ne,f\n").into_iter().map(|(found, ..)| found).collect();
        assert_eq!(found, [Found::Row, Found::Unclosed]);
        assert_eq!(read("a\"b,\"c\"").into_iter().map(|(found, ..)| found).collect::<Vec<_>>(), [Found::Row]);
    }

    #[test]
    fn a_row_beyond_the_limits_takes_no_memory_and_the_next_is_read() {
        let commas = ",".repeat(3 << 20);
        let long = "x".repeat(3 << 20);
        for (text, expected) in [(&commas, Found::TooManyCells), (&long, Found::TooLong)] {
            let text = format!("{text}\nnext\n");
            let mut rows = Rows::new(text.as_bytes(), b',', Position::default());
            let mut row = Row::default();
            assert_eq!(rows.next(&mut row).unwrap(), Some(expected));
            assert!(row.text.capacity() <= 2 << 20 && row.ends.capacity() <= 1 << 10);
            assert_eq!(rows.next(&mut row).unwrap(), Some(Found::Row));
            assert_eq!(row.cell(0), Some(&b"next"[..]));
        }
    }

    #[test]
    fn the_separator_is_the_one_named_or_the_one_the_header_uses() {
        assert_eq!(layout(b"phone;name\n1,2,3\n"), (0, b';'));
        assert_eq!(layout(b"\xEF\xBB\xBF\r\n\nphone\tname\n"), (3, b'\t'));
        assert_eq!(layout(b"phone\n"), (0, b','));
        assert_eq!(layout(b"name, title;phone\na;1\nb;2\n"), (0, b';'));
        assert_eq!(layout(b"\"a;b\",\"c;d\"\n1,2\n"), (0, b','));
        assert_eq!(layout(b"sep=;\r\nphone,x;name\r\n"), (7, b';'));
        assert_eq!(layout(b"\xEF\xBB\xBF\"sep=|\"\nphone\n"), (11, b'|'));
        assert_eq!(layout(b"sep=;"), (5, b';'));
        assert_eq!(layout(b""), (0, b','));
    }

    proptest! {
        #[test]
        fn rows_are_those_that_another_reader_sees(text in "[ab\", \n\r]{0,40}") {
            let ours = read(&text);
            let mut other = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let theirs: Vec<Vec<String>> =
                other.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
            let cells: Vec<Vec<String>> = ours.iter().map(|(_, _, cells, _)| cells.clone()).collect();
            prop_assert_eq!(&cells, &theirs);
            for (found, _, cells, place) in ours {
                let again = read(&place);
                prop_assert_eq!(again.len(), 1);
                prop_assert_eq!((again[0].0, &again[0].2), (found, &cells));
            }
        }
    }
}
