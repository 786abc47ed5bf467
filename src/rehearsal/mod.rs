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

use crate::store::StoreError;
use tokio::sync::oneshot;

/// Gives way to everything.
const NICE: i32 = 19;

/// Does long work in a thread of its own, which gives way to every other. Should it panic, nothing comes.
fn aside<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, StoreError> {
    let (done, is_done) = oneshot::channel();
    let working = std::thread::Builder::new().name(name.into()).spawn(move || {
        // Of this thread alone; where it cannot be had, it is as busy as the others.
        let _ = rustix::process::nice(NICE);
        let _ = done.send(work());
    });
    working.map(|_| is_done).map_err(|error| StoreError::Unavailable(error.to_string()))
}
