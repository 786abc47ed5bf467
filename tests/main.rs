//! The tests, one binary.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod api_analytics;
mod api_calls;
mod api_campaigns;
mod api_do_not_call;
mod api_duplicates;
mod api_errors;
mod api_events;
mod api_exports;
mod api_idempotency;
mod api_imports;
mod api_lead_life;
mod api_leads;
mod api_limits;
mod api_overview;
mod api_page;
mod api_scripts;
mod api_webhooks;
mod carrier;
mod crash;
mod dialer;
mod dialer_faults;
mod dialer_queue;
mod e2e_cli;
mod e2e_log;
mod erasure;
mod guard;
mod races;
mod random_walks;
mod retention;
mod simulator;
mod support;
mod tidy;
mod webhooks;
mod webhooks_wire;
