//! The first token, in a file of the data folder until it is used: whoever gets at the folder later finds nothing to sign
//! in with.

use super::Store;
use std::io;
use std::path::PathBuf;

const FILE: &str = "first-token";

impl Store {
    /// Where the first token lies until it is used.
    pub fn first_token_file(&self) -> PathBuf {
        self.0.folder.join(FILE)
    }

    /// Removes that file, if the token in it is one that nobody needs to be told any more.
    pub fn forget_first_token(&self, is_told: impl FnOnce(&str) -> bool) {
        let path = self.first_token_file();
        let forgotten = match std::fs::read_to_string(&path) {
            Ok(token) if is_told(token.trim()) => std::fs::remove_file(&path),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match forgotten {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "{} still holds a token that was used; remove it", path.display());
            }
            _ => {}
        }
    }
}
