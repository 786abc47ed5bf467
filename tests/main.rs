//! The tests, one binary.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod carrier;
mod simulator;

mod api_campaigns;
mod dialer;
mod support;
