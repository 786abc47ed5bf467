//! Recordings of calls: what is kept about one, what is said before one begins, and why one is gone.

use crate::words;

/// A recording whose file is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// How long it is, in milliseconds.
    pub ms: i64,
    /// How large the file is.
    pub bytes: i64,
    /// How loud it is over its time: pairs of a byte for us and one for them.
    pub peaks: Vec<u8>,
}

words! {
    /// Why a recording is gone.
    pub enum Gone {
        /// Its time was over.
        Retention = "retention",
        /// Somebody deleted it.
        Request = "request",
        /// The person was erased.
        Erasure = "erasure",
        /// Its campaign was.
        Campaign = "campaign",
        /// The file was not there any more.
        Missing = "missing",
    }
}
