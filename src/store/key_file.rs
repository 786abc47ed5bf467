//! Files with a key in them: made once, whole or not at all, for nobody but this user, and never in a backup.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// How many bytes a key has.
pub(super) const LENGTH: usize = 32;

/// Writes a new key, whole or not at all, and for good; another process that does the same comes first or second.
pub(super) fn make(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // For nobody but this user, as every temporary file.
    let mut file = tempfile::Builder::new().prefix("new-key-").tempfile_in(folder)?;
    file.write_all(&rand::random::<[u8; LENGTH]>())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => return Err(error.error),
        _ => {}
    }
    File::open(folder)?.sync_all()
}

/// What is in the file; none where there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
