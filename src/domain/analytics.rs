//! What calls amount to over days and hours, on the clocks of a campaign's time zone.

use super::Instant;

/// Milliseconds of a quarter of an hour. Every time zone is some quarters away from UTC, so that its hours and days are
/// whole quarters as well.
const QUARTER_MS: i64 = 900_000;

/// The quarter of an hour that an instant is in, counted from 1970.
pub fn quarter(at: Instant) -> i64 {
    at.timestamp_millis().div_euclid(QUARTER_MS)
}
