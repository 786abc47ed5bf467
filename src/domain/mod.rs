//! The rules, pure: no I/O, no async, no clock, no SQL. Time, randomness and rows come in as arguments,
//! answers go out as values.

pub mod address;
pub mod agent;
pub mod analytics;
pub mod breaker;
pub mod budget;
pub mod call;
pub mod campaign;
pub mod clock_guard;
pub mod columns;
mod conversation;
pub mod delivery;
pub mod do_not_call;
pub mod duplicate;
pub mod endpoint;
pub mod erasure;
pub mod event;
pub mod fictional;
pub mod fields;
pub mod gate;
pub mod guard;
mod headings;
pub mod holds;
pub mod imports;
pub mod invalid;
pub mod keys;
pub mod lead;
pub mod money;
pub mod other_call;
pub mod outcome;
pub mod pacing;
pub mod phone;
pub mod phrases;
pub mod recording;
pub mod recurrence;
pub mod retry;
pub mod schedule;
pub mod script;
pub mod script_lint;
pub mod script_preview;
pub mod secret;
pub mod spreadsheet;
pub mod standing;
pub mod transcript;
pub mod trunk;
pub mod voice;
pub mod zones;

/// A point in time, UTC. Stored as integer milliseconds, shown as ISO 8601 with `Z` and whole seconds.
pub type Instant = chrono::DateTime<chrono::Utc>;
