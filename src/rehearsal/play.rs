//! The loop: whatever is due next happens, and the clock is put forward to it.

use super::copy::Copy;
use super::memory::{Memory, Placed};
use crate::carrier::simulator::{End, Fate, Fates, Simulator, dice};
use crate::carrier::{Capacity, Carrier, DialRequest};
use crate::clock::{Clock, Manual};
use crate::dialer::{Fact, Floor, Story};
use crate::domain::Instant;
use crate::domain::call::{Call, Ending};
use crate::domain::keys::{Action, KeyMap};
use crate::domain::outcome::{Cause, Outcome};
use crate::domain::rates::{self, Rates};
use crate::domain::rehearsal::Played;
use crate::store::StoreError;
use chrono::TimeDelta;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why a rehearsal has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// Somebody did not want it any more.
    #[error("it was canceled")]
    Canceled,
    /// A defect of ours.
    #[error("it failed: {0}")]
    Failed(String),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Stopped {
        Stopped::Failed(error.to_string())
    }
}

/// How far ahead it is played.
const HORIZON: TimeDelta = TimeDelta::days(3_660);
/// How many turns are taken between two looks at whether it is still wanted.
const TURNS: u32 = 2_048;

/// The people of a rehearsal: what becomes of a call is drawn from rates, and is the same for the same attempt at the same
/// number at the same time, whatever else is dialed.
pub struct Town {
    rates: Rates,
    keys: KeyMap,
    seed: u64,
}

impl Town {
    /// Where calls end as these rates say, on telephones with these keys.
    pub fn new(rates: Rates, keys: KeyMap, seed: u64) -> Town {
        Town { rates, keys, seed }
    }

    fn drawn(&self, phone: crate::domain::phone::Phone, attempt: i64, at: Instant) -> rates::Played {
        self.rates.call(at, attempt, &mut dice(self.seed, phone, attempt))
    }

    /// What leads the dialer to an outcome.
    fn end(&self, outcome: Outcome) -> End {
        let pressed = |action| self.keys.key_for(action).map_or(End::HeardOut, End::Pressed);
        match outcome {
            // Where a verdict is asked, there is a key for yes.
            Outcome::Success => pressed(Action::Yes),
            Outcome::Declined => pressed(Action::No),
            Outcome::Callback => pressed(Action::CallBack),
            Outcome::OptedOut => End::OptedOut,
            Outcome::Voicemail => End::Machine,
            Outcome::MessageLeft => End::MessageLeft,
            Outcome::HungUp => End::Cause(Cause::RemoteHangup),
            Outcome::NoInput => End::HeardOut,
            Outcome::Transferred => {
                self.keys.key_for(Action::Transfer).map_or(End::HeardOut, End::PutThrough)
            }
            Outcome::NoAnswer | Outcome::Interrupted | Outcome::Canceled => End::Cause(Cause::NoAnswer),
            Outcome::Busy => End::Cause(Cause::Busy),
            Outcome::Rejected => End::Cause(Cause::Rejected),
            Outcome::InvalidNumber => End::Cause(Cause::InvalidNumber),
            Outcome::CarrierError => End::Cause(Cause::CarrierError),
            Outcome::CarrierRefused => End::Cause(Cause::CarrierRefused),
        }
    }

    /// How a call ends that was alive already when the copy was made.
    fn ending(&self, call: &Call, at: Instant) -> Ending {
        let rates::Played { outcome, rings, talks } = self.drawn(call.phone, call.attempt, at);
        let answered_at = talks.map(|_| at + rings);
        let ended_at = at + rings + talks.unwrap_or_default();
        Ending { outcome, answered_at, ended_at, detail: None, conversation: None }
    }
}

impl Fates for Town {
    fn fate(&self, request: &DialRequest, at: Instant) -> Fate {
        let rates::Played { outcome, rings, talks } = self.drawn(request.phone, request.attempt, at);
        Fate { rings, talks, end: self.end(outcome) }
    }
}

/// Plays the campaign of a copy from `start` to its end, as fast as it goes. The same seed gives the same calls. `progress` is
/// told from time to time what share of the leads is finished.
pub fn play(
    copy: &Copy,
    rates: &Rates,
    start: Instant,
    seed: u64,
    stop: &AtomicBool,
    progress: &dyn Fn(f64),
) -> Result<Played, Stopped> {
    let memory = Memory::new(copy, start, false);
    run(copy, &memory, rates, start, seed, stop, progress)
}

/// The same, with all calls of the campaign in the order in which they ended.
pub fn play_listed(
    copy: &Copy,
    rates: &Rates,
    start: Instant,
    seed: u64,
) -> Result<(Played, Vec<Placed>), Stopped> {
    let memory = Memory::new(copy, start, true);
    let played = run(copy, &memory, rates, start, seed, &AtomicBool::new(false), &|_| {})?;
    Ok((played, memory.listed()))
}

fn run(
    copy: &Copy,
    memory: &Memory,
    rates: &Rates,
    start: Instant,
    seed: u64,
    stop: &AtomicBool,
    progress: &dyn Fn(f64),
) -> Result<Played, Stopped> {
    let clock = Manual::new(start);
    let town = Arc::new(Town::new(rates.clone(), copy.campaign().settings.key_map(), seed));
    let trunk = copy.trunk();
    let capacity =
        Capacity { channels: trunk.lines, calls_per_second: trunk.calls_per_second, next_at: None };
    let simulator = Simulator::fated(town.clone(), capacity, Arc::new(clock.clone()));
    let carrier: Arc<dyn Carrier> = Arc::new(simulator.clone());
    let mut floor = Floor::new(Arc::new(clock.clone()), carrier, Story::Untold);
    // Those that were alive when the copy was made, the last to end first.
    let mut alive: Vec<(i64, Ending)> =
        copy.alive.iter().map(|call| (call.id, town.ending(call, start))).collect();
    alive.sort_by_key(|(id, ending)| (std::cmp::Reverse(ending.ended_at), *id));
    let horizon = start + HORIZON;
    for turns in 0_u32.. {
        if turns % TURNS == 0 {
            if stop.load(Ordering::Relaxed) {
                return Err(Stopped::Canceled);
            }
            progress(memory.progress());
        }
        let now = clock.now();
        memory.set_now(now);
        let from_carrier = simulator.turn();
        while let Some((call_id, ending)) = alive.pop_if(|(_, ending)| ending.ended_at <= now) {
            floor.tell(Fact::Ended {
                call_id,
                ending,
                timeline: serde_json::Value::Null,
                transcript: serde_json::Value::Null,
            });
        }
        let turn = floor.turn(memory)?;
        let from_carrier = simulator.turn().or(from_carrier);
        let first_alive = alive.last().map(|(_, ending)| ending.ended_at);
        let next = [from_carrier, turn.next_due, first_alive].into_iter().flatten().min();
        if turn.did > 0 || next.is_some_and(|next| next <= now) {
            continue;
        }
        memory.tally(floor.live_calls() >= trunk.lines);
        let Some(next) = next.filter(|_| !memory.is_over()) else { break };
        if next > horizon {
            return Ok(memory.played(start, true));
        }
        clock.advance_to(next);
    }
    Ok(memory.played(start, false))
}
