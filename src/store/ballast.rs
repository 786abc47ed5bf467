//! Room for what must be written when the disk is full: a file that holds some megabytes and is given up for the outcomes
//! of calls alive, and for all that forbids calls. Until there is room to make it again nothing else is written and
//! nobody is dialed.

use crate::domain::room::ROOM_MIN;
use rustix::fs::FallocateFlags;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Thousands of outcomes.
const BYTES: u64 = 16 * 1024 * 1024;
/// With less room than this a write may fail in its middle.
const WRITE_MIN: u64 = 1024 * 1024;
/// How often to look whether there is room again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The file, of a server; commands beside it and stores without a server have none.
#[derive(Debug, Default)]
pub(super) struct Ballast {
    path: PathBuf,
    is_kept: AtomicBool,
    is_short: AtomicBool,
    /// When it was last looked, in milliseconds.
    looked_at: AtomicU64,
}

impl Ballast {
    /// Of a data folder; not made yet.
    pub(super) fn of(folder: &Path) -> Ballast {
        Ballast { path: folder.join("ballast"), ..Ballast::default() }
    }

    /// From now on it is made, and made again.
    pub(super) fn keep(&self) {
        self.is_kept.store(true, Ordering::Relaxed);
        if let Err(error) = self.make() {
            self.fall_short(&error.to_string());
        }
    }

    /// A write failed; gives the room up when that was because there was no other.
    pub(super) fn a_write_failed(&self, is_certain: bool) {
        let has_room =
            || rustix::fs::statvfs(&self.path).is_ok_and(|fs| fs.f_bavail * fs.f_frsize >= WRITE_MIN);
        if self.is_kept.load(Ordering::Relaxed) && (is_certain || !has_room()) {
            let _ = std::fs::remove_file(&self.path);
            self.fall_short("its room is given up for what is alive");
        }
    }

    fn fall_short(&self, why: &str) {
        if !self.is_short.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "the disk is full: {why}; nobody is dialed and little is written until {} MB are free",
                ROOM_MIN >> 20
            );
        }
    }

    /// Whether only what must be is written. Looks now and then whether there is room again; `now` only passes.
    pub(super) fn is_short(&self, now: Duration) -> bool {
        if !self.is_short.load(Ordering::Relaxed) {
            return false;
        }
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let looked_at = self.looked_at.load(Ordering::Relaxed);
        let is_due =
            now.saturating_sub(looked_at) >= u64::try_from(LOOK_EVERY.as_millis()).unwrap_or(u64::MAX);
        let is_mine =
            || self.looked_at.compare_exchange(looked_at, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_due && is_mine() && self.make().is_ok() {
            self.is_short.store(false, Ordering::Relaxed);
            tracing::info!("there is room on the disk again");
        }
        self.is_short.load(Ordering::Relaxed)
    }

    /// Makes the file where the disk is not full; what was made half is removed.
    fn make(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let has = self.path.metadata().is_ok_and(|file| file.len() == BYTES);
        if has {
            return Ok(());
        }
        let fs = rustix::fs::statvfs(folder)?;
        if fs.f_bavail * fs.f_frsize < ROOM_MIN {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut options = OpenOptions::new();
        let file = options.create(true).write(true).truncate(true).mode(0o600).open(&self.path)?;
        let filled = fill(&file);
        if filled.is_err() {
            let _ = std::fs::remove_file(&self.path);
        }
        filled
    }
}

/// Takes the room. Where the file system cannot promise any, zeros do.
fn fill(mut file: &File) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, BYTES) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
            io::copy(&mut io::Read::take(io::repeat(0), BYTES), &mut file)?;
        }
        taken => taken?,
    }
    file.sync_all()
}
