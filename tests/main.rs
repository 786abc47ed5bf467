//! The tests, one binary.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod carrier;
mod simulator;

#![allow(clippy::unwrap_used, reason = "a test ends with a panic where something is not as expected")]

mod api_calls;
mod api_campaigns;
mod api_errors;
mod api_idempotency;
mod api_leads;
mod api_limits;
mod api_page;
mod support;
