//! The key under which the numbers of erased people are kept: whoever has a number can ask whether it is one of them,
//! whoever has the database alone cannot tell whose they were.

use super::file::{self, OpenError};
use super::key_file;
use super::tx::{fact, set_fact};
use crate::domain::phone::Phone;
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::Connection;
use sha2::Sha256;
use std::path::{Path, PathBuf};

/// The fact that tells the right key from another one.
const CHECK: &str = "suppression_key_check";

/// A key that nobody sees.
pub(super) struct SuppressionKey(Hmac<Sha256>);

/// The key's file in a data folder.
pub(super) fn key_file(folder: &Path) -> PathBuf {
    folder.join("suppression.key")
}

impl SuppressionKey {
    /// Reads the key of a data folder, or makes one at its first start. Refused when numbers were hashed with another.
    pub(super) fn open(folder: &Path, connection: &Connection) -> Result<SuppressionKey, OpenError> {
        let (unusable, failed) = (file::unusable(folder), file::failure(folder));
        let is_needed =
            connection.prepare("SELECT 1 FROM erased_numbers").and_then(|mut found| found.exists([]));
        let is_needed = is_needed.map_err(&failed)?;
        let path = key_file(folder);
        if !is_needed && !path.exists() {
            key_file::make(&path).map_err(&unusable)?;
        }
        let refused = || OpenError::SuppressionKey(path.clone());
        let key = match key_file::read(&path).map_err(&unusable)? {
            Some(bytes) if bytes.len() == key_file::LENGTH => {
                SuppressionKey(Hmac::new_from_slice(&bytes).map_err(|_| refused())?)
            }
            Some(_) | None => return Err(refused()),
        };
        let check: String = key
            .hash(b"the key of a voice-campaigns data folder")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        match fact(connection, CHECK).map_err(&failed)? {
            Some(known) if known == check => {}
            _ if is_needed => return Err(refused()),
            _ => set_fact(connection, CHECK, &check).map_err(&failed)?,
        }
        Ok(key)
    }

    /// What stands for a number.
    pub(super) fn hash_of(&self, phone: Phone) -> [u8; 32] {
        self.hash(phone.to_string().as_bytes())
    }

    fn hash(&self, message: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::System;
    use crate::store::Store;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    fn open(folder: &Path) -> Result<Store, OpenError> {
        Store::open_beside(folder, Arc::new(System::new()))
    }

    #[tokio::test]
    async fn a_folder_opens_only_with_the_key_its_numbers_were_hashed_with() {
        let folder = tempfile::tempdir().unwrap();
        let path = key_file(folder.path());
        let phone = Phone::from_e164("+12025550101").unwrap();
        drop(open(folder.path()).unwrap());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(&path).unwrap();
        let store = open(folder.path()).unwrap();
        store.write(move |tx| tx.suppress_erased(phone)).await.unwrap();
        assert!(store.read(move |s| s.is_suppressed(phone)).await.unwrap());
        store.close().await;

        let key = std::fs::read(&path).unwrap();
        for wrong in [Some(&[7; 32][..]), Some(&[7; 5]), None] {
            match wrong {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let error = open(folder.path()).err().unwrap();
            assert!(matches!(error, OpenError::SuppressionKey(_)), "{error}");
            assert!(error.to_string().lines().count() == 1 && error.to_string().contains("suppression.key"));
        }
        std::fs::write(&path, key).unwrap();
        let store = open(folder.path()).unwrap();
        assert!(store.read(move |s| s.is_suppressed(phone)).await.unwrap());
    }
}
