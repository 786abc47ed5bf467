//! Secrets at rest: sealed with XChaCha20-Poly1305 under a key that is kept outside the database, each for its own row.
//! Whoever has the database alone, or a copy of it, can neither read a secret nor put it into another row.

use super::StoreError;
use super::file::OpenError;
use super::key_file;
use crate::domain::secret::Key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// What a sealed text begins with; the name of its key and the bytes follow, with colons between them.
const SEALED: &str = "sealed:";
const NONCE_BYTES: usize = 24;

/// Seals and opens. Clones of a store share one.
pub(super) struct Vault {
    file: PathBuf,
    /// None until the first secret: then a key is made.
    sealer: RwLock<Option<Arc<Sealer>>>,
}

/// A key that is at hand.
struct Sealer {
    cipher: XChaCha20Poly1305,
    id: String,
}

/// The key's file in a data folder.
pub(super) fn key_path(folder: &Path) -> PathBuf {
    folder.join("secret.key")
}

/// The name of the key that opens the secrets of a data folder, where there is one: the given key, else its file.
pub fn key_id(folder: &Path, given: Option<&Key>) -> Result<Option<String>, OpenError> {
    Ok(Vault::open(folder, given)?.present().map(|sealer| sealer.id.clone()))
}

/// Whether a text is sealed.
pub(super) fn is_sealed(text: &str) -> bool {
    text.starts_with(SEALED)
}

/// The name of the key that a text was sealed under; none where it is not sealed.
pub(super) fn sealed_under(text: &str) -> Option<&str> {
    text.strip_prefix(SEALED)?.split(':').next()
}

impl Sealer {
    fn new(key: &Key) -> Sealer {
        let hash = Sha256::new().chain_update("name of a key ").chain_update(key.bytes()).finalize();
        let id = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Sealer { cipher: XChaCha20Poly1305::new(key.bytes().into()), id }
    }

    fn seal(&self, place: &str, text: &str) -> Option<String> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload { msg: text.as_bytes(), aad: place.as_bytes() };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload).ok()?;
        let bytes = STANDARD_NO_PAD.encode([&nonce[..], &sealed].concat());
        Some(format!("{SEALED}{}:{bytes}", self.id))
    }

    fn open(&self, place: &str, text: &str) -> Option<String> {
        let (id, bytes) = text.strip_prefix(SEALED)?.split_once(':')?;
        if id != self.id {
            return None;
        }
        let bytes = STANDARD_NO_PAD.decode(bytes).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: place.as_bytes() };
        String::from_utf8(self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()?).ok()
    }
}

impl Vault {
    /// With the given key, else with that of the data folder, where it has one.
    pub(super) fn open(folder: &Path, given: Option<&Key>) -> Result<Vault, OpenError> {
        let file = key_path(folder);
        let key = match given {
            Some(key) => Some(key.clone()),
            None => read(&file)?,
        };
        let sealer = RwLock::new(key.as_ref().map(|key| Arc::new(Sealer::new(key))));
        Ok(Vault { file, sealer })
    }

    fn present(&self) -> Option<Arc<Sealer>> {
        self.sealer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key; makes one at first need.
    fn sealer(&self) -> Result<Arc<Sealer>, StoreError> {
        if let Some(sealer) = self.present() {
            return Ok(sealer);
        }
        let failed = |error: &dyn std::fmt::Display| {
            StoreError::Unavailable(format!("{} cannot be made: {error}", self.file.display()))
        };
        key_file::make(&self.file).map_err(|error| failed(&error))?;
        let key = read(&self.file).map_err(|error| failed(&error))?.ok_or_else(|| failed(&"it vanished"))?;
        let sealer = Arc::new(Sealer::new(&key));
        *self.sealer.write().unwrap_or_else(PoisonError::into_inner) = Some(sealer.clone());
        Ok(sealer)
    }

    /// Seals a text for one place, such as `endpoints/7`.
    pub(super) fn seal(&self, place: &str, text: &str) -> Result<String, StoreError> {
        let sealed = self.sealer()?.seal(place, text);
        sealed.ok_or_else(|| StoreError::Failed(format!("the secret of {place} cannot be sealed")))
    }

    /// Opens what was sealed for this place; none where it was sealed for another one, or under another key.
    pub(super) fn unseal(&self, place: &str, text: &str) -> Option<String> {
        self.present()?.open(place, text)
    }
}

fn read(file: &Path) -> Result<Option<Key>, OpenError> {
    let unusable = || OpenError::SecretKey(file.to_owned());
    match key_file::read(file) {
        Ok(Some(bytes)) => Ok(Some(Key::of_bytes(&bytes).ok_or_else(unusable)?)),
        Ok(None) => Ok(None),
        Err(error) => Err(super::file::unusable(file)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_at_first_need_for_nobody_else_and_opens_what_it_sealed_in_its_place_alone() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(folder.path(), None).unwrap();
        assert_eq!(vault.unseal("a/1", "sealed:00000000:AAAA"), None);
        assert!(!key_path(folder.path()).exists());
        let sealed = vault.seal("a/1", "hunter2").unwrap();
        assert!(is_sealed(&sealed) && !sealed.contains("hunter2"), "{sealed}");
        assert_ne!(vault.seal("a/1", "hunter2").unwrap(), sealed);
        let mode = std::fs::metadata(key_path(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Vault::open(folder.path(), None).unwrap();
        assert_eq!(again.unseal("a/1", &sealed).as_deref(), Some("hunter2"));
        assert_eq!(again.unseal("a/2", &sealed), None);
        assert_eq!(sealed_under(&sealed), key_id(folder.path(), None).unwrap().as_deref());
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(again.unseal("a/1", &changed), None, "{changed}");
        }
    }

    #[test]
    fn a_given_key_wins_over_the_file_and_another_one_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (Key::of_bytes(&[1; 32]).unwrap(), Key::of_bytes(&[2; 32]).unwrap());
        let sealed = Vault::open(folder.path(), Some(&one)).unwrap().seal("a/1", "x").unwrap();
        assert!(!key_path(folder.path()).exists());
        assert_eq!(Vault::open(folder.path(), Some(&other)).unwrap().unseal("a/1", &sealed), None);
        let own = Vault::open(folder.path(), None).unwrap();
        own.seal("a/1", "y").unwrap();
        assert_eq!(own.unseal("a/1", &sealed), None);
        let given = Vault::open(folder.path(), Some(&one)).unwrap();
        assert_eq!(given.unseal("a/1", &sealed).as_deref(), Some("x"));
    }

    #[test]
    fn a_file_that_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(key_path(folder.path()), "short").unwrap();
        let error = Vault::open(folder.path(), None).err().unwrap();
        assert!(matches!(error, OpenError::SecretKey(_)), "{error}");
    }
}
