//! What a test of chance leaves behind when it fails: its seed, and the database with the ledger.

use std::fs;
use std::path::{Path, PathBuf};

/// A number from the environment, such as how often to try; otherwise the usual one.
pub(crate) fn number(variable: &str, usual: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} must be a number, not `{text}`")),
        Err(_) => usual,
    }
}

/// What all chance in a test follows from. The same on every run, unless `VC_TEST_SEED` says otherwise.
pub(crate) fn seed() -> u64 {
    number("VC_TEST_SEED", 20_260_302)
}

/// Where the data of a test that failed are. Its last failure replaces the ones before: while proptest shrinks, it is the
/// smallest.
pub(crate) fn kept(test: &str) -> PathBuf {
    std::env::temp_dir().join(format!("voice-campaigns-failed-{test}"))
}

/// Keeps a data folder when the test that holds this fails. Must be dropped before the folder is.
pub(crate) struct Evidence {
    folder: PathBuf,
    test: &'static str,
}

impl Evidence {
    /// Watches over the folder of a test.
    pub(crate) fn of(folder: &Path, test: &'static str) -> Evidence {
        Evidence { folder: folder.to_owned(), test }
    }
}

impl Drop for Evidence {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let kept = kept(self.test);
        let _ = fs::remove_dir_all(&kept);
        match copy(&self.folder, &kept) {
            Ok(()) => eprintln!("{}: VC_TEST_SEED={}, data kept in {}", self.test, seed(), kept.display()),
            Err(error) => eprintln!("{}: VC_TEST_SEED={}, data lost: {error}", self.test, seed()),
        }
    }
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => drop(fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}
