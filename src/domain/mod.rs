//! The rules, pure: no I/O, no async, no clock, no SQL. Time, randomness and rows come in as arguments,
//! answers go out as values.

pub mod phone;
pub mod recurrence;
pub mod schedule;
pub mod script;

/// A point in time, UTC. Stored as integer milliseconds, shown as ISO 8601 with `Z` and whole seconds.
pub type Instant = chrono::DateTime<chrono::Utc>;
