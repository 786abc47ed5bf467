//! Voice Campaigns.

pub mod domain;
