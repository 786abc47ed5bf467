//! Know before you call: a campaign is played to its end on a copy of its data, by the same engine, with the same gate, retries,
//! budget and pacing, on a clock that is moved by hand and over a carrier that rings nobody. What becomes of each call is drawn
//! from [`Rates`]. Nothing here writes into the leads and calls of the database, reaches a carrier or tells an event.
//!
//! ```text
//!   Snapshot ──► Copy ──► play(copy, rates, start, seed) ──► Played
//!                 never    │ dialer::Floor   the engine
//!                 changes  │ Memory          the facts, in the place of the database
//!                          └ Simulator       whose calls end as Town says
//! ```

mod copy;
pub mod forecaster;
pub mod jobs;
mod memory;
mod play;

pub use crate::domain::rehearsal::{Played, Trunk};
pub use copy::{Copy, CopyError, LEADS_MAX};
pub use memory::Placed;
pub use play::{Stopped, Town, play, play_listed};
