//! Voice Campaigns.

pub mod carrier;
pub mod clock;
pub mod dialer;
pub mod domain;
pub mod http;
pub mod store;
