//! The tests, one binary.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod api_campaigns;
mod carrier;
mod e2e_cli;
mod simulator;
mod support;
mod tidy;
