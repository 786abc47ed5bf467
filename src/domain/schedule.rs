//! Calling hours.
