//! What was read a moment ago is still true as long as nobody has written anything. Asking SQLite whether somebody has
//! costs two file locks, which is most of the price of a look-up; so the question is put to the file in which SQLite
//! keeps count of its commits, the index of the write-ahead log.

use super::StoreError;
use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The header of the index. Every commit of every process changes it before it answers
/// (<https://sqlite.org/walformat.html#the_wal_index_header>).
pub(super) type Stamp = [u8; HEADER_BYTES];

const HEADER_BYTES: usize = 48;

/// Tells whether anything was committed.
pub(super) struct Pulse(File);

impl Pulse {
    /// Of the database in this file, which must be open in WAL mode, and stay so.
    pub(super) fn of(database: &Path) -> std::io::Result<Pulse> {
        let mut name = database.as_os_str().to_owned();
        name.push("-shm");
        File::open(PathBuf::from(name)).map(Pulse)
    }

    /// Two equal stamps: nothing was committed between them. None where there is no telling.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        let mut header = [0; HEADER_BYTES];
        self.0.read_exact_at(&mut header, 0).is_ok().then_some(header)
    }
}

/// Values that were read under one stamp, by key.
pub(super) struct Memo<K, V> {
    values_max: usize,
    known: Mutex<(Stamp, HashMap<K, V>)>,
}

impl<K: Eq + Hash, V: Clone> Memo<K, V> {
    /// Keeps at most so many values.
    pub(super) fn new(values_max: usize) -> Memo<K, V> {
        Memo { values_max, known: Mutex::new(([0; HEADER_BYTES], HashMap::new())) }
    }

    /// The value under this key, read only if something was committed since it was last read. What is not there is not
    /// remembered, so that nobody can fill the memory with questions.
    pub(super) fn get(
        &self,
        pulse: &Pulse,
        key: K,
        read: impl FnOnce() -> Result<Option<V>, StoreError>,
    ) -> Result<Option<V>, StoreError> {
        let Some(before) = pulse.stamp() else { return read() };
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.0 == before
                && let Some(value) = known.1.get(&key)
            {
                return Ok(Some(value.clone()));
            }
        }
        let value = read()?;
        // What was read belongs to the stamp only if no commit came between.
        if let Some(value) = &value
            && pulse.stamp() == Some(before)
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.0 != before || known.1.len() >= self.values_max {
                *known = (before, HashMap::new());
            }
            known.1.insert(key, value.clone());
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;
    use std::cell::Cell;

    #[test]
    fn a_value_is_read_again_after_any_commit_of_any_connection_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        let ours = Connection::open(&path).unwrap();
        ours.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (v); INSERT INTO t VALUES (1)")
            .unwrap();
        let theirs = Connection::open(&path).unwrap();
        let pulse = Pulse::of(&path).unwrap();
        let (memo, reads) = (Memo::new(10), Cell::new(0));
        let get = || {
            let read = || {
                reads.set(reads.get() + 1);
                Ok(Some(ours.query_row("SELECT v FROM t", [], |row| row.get::<_, i64>(0))?))
            };
            (memo.get(&pulse, "v", read).unwrap().unwrap(), reads.get())
        };
        assert_eq!(get(), (1, 1));
        assert_eq!(get(), (1, 1));
        theirs.execute("UPDATE t SET v = 2", []).unwrap();
        assert_eq!(get(), (2, 2));
        ours.execute("UPDATE t SET v = 3", []).unwrap();
        assert_eq!(get(), (3, 3));
        ours.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); UPDATE t SET v = 4").unwrap();
        assert_eq!(get(), (4, 4));
        theirs.execute_batch("BEGIN; UPDATE t SET v = 5; ROLLBACK").unwrap();
        assert_eq!(get().0, 4);
    }

    #[test]
    fn what_was_read_while_somebody_wrote_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (v)").unwrap();
        let pulse = Pulse::of(&path).unwrap();
        let memo = Memo::new(10);
        let slowly = || {
            connection.execute("INSERT INTO t VALUES (1)", [])?;
            Ok(Some("before the insert"))
        };
        assert_eq!(memo.get(&pulse, "t", slowly).unwrap(), Some("before the insert"));
        assert_eq!(memo.get(&pulse, "t", || Ok(Some("after"))).unwrap(), Some("after"));
    }

    #[test]
    fn neither_nothing_nor_too_much_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (v)").unwrap();
        let pulse = Pulse::of(&path).unwrap();
        let memo = Memo::new(2);
        for key in 0..5 {
            assert_eq!(memo.get(&pulse, key, || Ok(None::<i64>)).unwrap(), None);
            memo.get(&pulse, key, || Ok(Some(key))).unwrap();
        }
        assert!(memo.known.lock().unwrap().1.len() <= 2);
    }
}
