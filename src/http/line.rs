//! The telephone line as HTTP sees it: who carries the calls at this moment, and what may be changed about that. The
//! composition root builds it.

use crate::domain::invalid::Invalid;
use crate::domain::trunk::{Password, TrunkSettings};
use std::fmt;

/// Whoever places the calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Carrier {
    /// The word stored with every call.
    pub driver: &'static str,
    /// Whether anybody's phone rings.
    pub real_calls: bool,
    /// Calls alive at one time.
    pub channels: usize,
    /// Dials per second; none for no limit.
    pub calls_per_second: Option<f64>,
}

/// A trunk of the server's own settings, which is not changed here.
#[derive(Clone, Debug, PartialEq)]
pub struct FixedTrunk {
    /// What is set.
    pub settings: TrunkSettings,
    /// Whether there is a password.
    pub has_password: bool,
}

/// What one step of trying a trunk out came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `name`, `transport`, `options` or `register`.
    pub name: &'static str,
    /// `ok`, `failed` or `skipped`.
    pub status: &'static str,
    /// How long it took.
    pub milliseconds: i64,
    /// What was found, or what is wrong and what to do.
    pub message: String,
}

/// The telephone line.
#[rocket::async_trait]
pub trait Line: fmt::Debug + Send + Sync + 'static {
    /// Who places the calls at this moment.
    fn carrier(&self) -> Carrier;

    /// The ways to the carriers as they are at this moment, in the order in which they are asked; a carrier that needs none
    /// has none.
    fn trunks(&self) -> Vec<super::Trunk>;

    /// The trunks of the server's settings. They come before all others.
    fn fixed(&self) -> Vec<FixedTrunk>;

    /// Refuses settings that no trunk can have.
    fn check(&self, settings: &TrunkSettings, password: &Password) -> Result<(), Invalid>;

    /// Gets ready for real calls over this transport, and changes nothing yet. The error is a sentence about what is
    /// missing, such as a port that somebody else has.
    async fn get_ready(&self, transport: &str) -> Result<(), String>;

    /// Makes the line what the database says from now on. Calls that are alive stay where they were dialed.
    async fn follow(&self) -> Result<(), String>;

    /// Tries a trunk out without placing a call; takes ten seconds at most.
    async fn try_out(&self, settings: &TrunkSettings, password: &Password) -> Vec<Step>;
}
