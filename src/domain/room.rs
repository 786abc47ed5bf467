//! How much room a disk must have for more than what has to be written.

/// A disk with fewer bytes left than this counts as full: nothing is recorded on it, and once it was full nobody is dialed
/// again before there are as many.
pub const ROOM_MIN: u64 = 32 << 20;
