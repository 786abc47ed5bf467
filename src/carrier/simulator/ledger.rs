//! The witness: a file with one line for every dial the simulator was asked for, so that whoever kills the
//! server can count afterwards whether anybody was called twice.

use crate::carrier::DialRequest;
use crate::domain::Instant;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Lines that are only ever added. What was written survives `kill -9`, because nothing is held back here.
pub(super) struct Ledger {
    page: Mutex<Page>,
}

struct Page {
    file: File,
    /// A write failed half-way, so the file may end inside a line.
    torn: bool,
}

/// One dial.
#[derive(Serialize)]
struct Line {
    call_id: i64,
    lead_id: i64,
    attempt: i64,
    phone: String,
    at_ms: i64,
}

impl Ledger {
    /// Opens the file, or makes one that only its owner can read. A line torn by a crash is closed off, so
    /// that it does not swallow the next one.
    pub(super) fn open(path: &Path) -> io::Result<Ledger> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let open = || {
            let mut page = Page { file: options.open(path)?, torn: true };
            page.close_off_torn_line()?;
            Ok(Ledger { page: Mutex::new(page) })
        };
        open()
            .map_err(|error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// Writes one line, before anything else is done about the dial.
    pub(super) fn write(&self, request: &DialRequest, at: Instant) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line {
            call_id: request.call_id,
            lead_id: request.lead_id,
            attempt: request.attempt,
            phone: request.phone.to_string(),
            at_ms: at.timestamp_millis(),
        })?;
        line.push(b'\n');
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        page.close_off_torn_line()?;
        let written = page.file.write_all(&line);
        page.torn = written.is_err();
        written
    }
}

impl Page {
    fn close_off_torn_line(&mut self) -> io::Result<()> {
        if !self.torn {
            return Ok(());
        }
        if self.file.seek(SeekFrom::End(0))? > 0 {
            let mut last = [0];
            self.file.seek(SeekFrom::End(-1))?;
            self.file.read_exact(&mut last)?;
            if last != *b"\n" {
                self.file.write_all(b"\n")?;
            }
        }
        self.torn = false;
        Ok(())
    }
}
