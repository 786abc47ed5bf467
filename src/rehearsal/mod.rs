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
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Sender};
use tokio::sync::oneshot;

/// Gives way to everything.
const NICE: i32 = 19;

/// A thread for long work, one piece after the other; it starts with the first. Always the same one: an allocator keeps part of
/// what a thread gives back for the next work of that thread, and keeps it as often as there are threads that had any.
struct Aside {
    name: &'static str,
    /// Gives way to every other thread.
    gives_way: bool,
    pieces: Option<Sender<Box<dyn FnOnce() + Send>>>,
}

impl Aside {
    fn new(name: &'static str, gives_way: bool) -> Aside {
        Aside { name, gives_way, pieces: None }
    }

    /// Does this next. Should it panic, nothing comes.
    fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, StoreError> {
        let (done, is_done) = oneshot::channel();
        let pieces = match &self.pieces {
            Some(pieces) => pieces,
            None => self.pieces.insert(self.start()?),
        };
        let piece = move || drop(done.send(work()));
        pieces.send(Box::new(piece)).map_err(|_| StoreError::Closed)?;
        Ok(is_done)
    }

    fn start(&self) -> Result<Sender<Box<dyn FnOnce() + Send>>, StoreError> {
        let (sender, pieces) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let gives_way = self.gives_way;
        let working = std::thread::Builder::new().name(self.name.into()).spawn(move || {
            if gives_way {
                // Of this thread alone; where it cannot be had, it is as busy as the others.
                let _ = rustix::process::nice(NICE);
            }
            pieces.into_iter().for_each(|piece| drop(catch_unwind(AssertUnwindSafe(piece))));
        });
        working.map(|_| sender).map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}
