//! The tests, one binary.

mod api_campaigns;
mod support;
