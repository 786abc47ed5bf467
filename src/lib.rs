//! Voice Campaigns.

pub mod carrier;
pub mod cli;
pub mod clock;
pub mod config;
mod demo;
pub mod dialer;
pub mod domain;
mod housekeeping;
pub mod http;
pub mod server;
pub mod store;
pub mod token;
