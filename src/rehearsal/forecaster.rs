//! Plays campaigns again and again in the background, so that whoever asks knows where they lead. One run at a time, in a
//! thread that gives way to every other, and for no more than a tenth of the time of one processor.

use super::Aside;
use super::copy::{Copy, CopyError};
use super::play::{Stopped, play};
use crate::carrier::Carrier;
use crate::domain::Instant;
use crate::domain::forecast::{Basis, Forecast, Lacking, RUNS};
use crate::domain::rates::Learned;
use crate::domain::rehearsal::{Played, Trunk};
use crate::lives::{self, Who};
use crate::store::{Snapshot, Store, StoreError};
use chrono::TimeDelta;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// How often to look which campaigns have changed.
const EVERY: TimeDelta = TimeDelta::seconds(30);
/// After work, nine times as long is rested.
const REST: i32 = 9;
/// Work on one forecast, at most, but for the first runs, without which there is none.
const WORK_MAX: TimeDelta = TimeDelta::seconds(40);

/// What a turn did, and when the next one is due, in steady time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Something was done, and there may be more.
    pub did: bool,
    /// When to go on.
    pub next_due: Instant,
}

/// A campaign that is being played.
struct Work {
    copy: Arc<Copy>,
    learned: Learned,
    basis: Basis,
    played: Vec<Played>,
    worked: TimeDelta,
}

/// The worker.
pub struct Forecaster {
    store: Store,
    carrier: Arc<dyn Carrier>,
    is_ending: Arc<AtomicBool>,
    work: Option<Work>,
    /// Campaigns to look at.
    queue: VecDeque<i64>,
    /// Where copies are made. It gives way to nobody: as long as it reads, the log of the database only grows.
    copying: Aside,
    playing: Aside,
}

/// Keeps forecasts until `stop` says so. A panic costs the run it happened in.
pub async fn run(store: Store, carrier: Arc<dyn Carrier>, stop: watch::Receiver<bool>) {
    let who = Who {
        name: "forecaster",
        worker: None,
        message: "Looking ahead failed and was restarted; forecasts come a little later, calls go on",
    };
    let live = || live(Forecaster::new(store.clone(), carrier.clone()), stop.clone());
    lives::keep(&store, who, lives::stopped(&stop), live).await;
}

async fn live(mut forecaster: Forecaster, mut stop: watch::Receiver<bool>) -> Result<(), StoreError> {
    let (store, is_ending) = (forecaster.store.clone(), forecaster.is_ending.clone());
    let clock = store.clock().clone();
    while !*stop.borrow_and_update() {
        let turn = tokio::select! {
            turn = forecaster.turn() => turn?,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        tokio::select! {
            () = clock.sleep_until(turn.next_due) => {}
            // Whoever asks waits no longer than the rest after work.
            () = store.forecast_wanted(), if !turn.did => {}
            changed = stop.changed() => if changed.is_err() { break },
        }
    }
    is_ending.store(true, Ordering::Relaxed);
    Ok(())
}

impl Forecaster {
    /// One that has nothing to do yet.
    pub fn new(store: Store, carrier: Arc<dyn Carrier>) -> Forecaster {
        let (copying, playing) = (Aside::new("forecast-copy", false), Aside::new("forecast", true));
        let is_ending = Arc::default();
        Forecaster { store, carrier, is_ending, work: None, queue: VecDeque::new(), copying, playing }
    }

    /// One step: looks for a campaign that must be played, or plays one once.
    pub async fn turn(&mut self) -> Result<Turn, StoreError> {
        let clock = self.store.clock().clone();
        let began = clock.monotonic();
        let did = match self.work.take() {
            Some(work) => {
                self.play_once(work).await?;
                true
            }
            None => self.look().await?,
        };
        let took = TimeDelta::from_std(clock.monotonic().saturating_sub(began)).unwrap_or_default();
        if let Some(work) = &mut self.work {
            work.worked += took;
        }
        let rest = if did { took * REST } else { EVERY };
        Ok(Turn { did, next_due: clock.steady() + rest })
    }

    /// Takes up the next campaign; false when none must be played.
    async fn look(&mut self) -> Result<bool, StoreError> {
        let mut asked = self.store.take_wanted_forecasts();
        asked.retain(|id| !self.queue.contains(id));
        // Those that somebody looks at come first.
        asked.into_iter().for_each(|id| self.queue.push_front(id));
        if self.queue.is_empty() {
            let active = self.store.read(|snapshot| {
                let active = snapshot.active_campaigns()?;
                let mut stale = Vec::new();
                for campaign in active {
                    if snapshot.needs_forecast(&campaign)? {
                        stale.push(campaign.id);
                    }
                }
                Ok::<_, StoreError>(stale)
            });
            self.queue.extend(active.await?);
        }
        let Some(id) = self.queue.pop_front() else { return Ok(false) };
        let capacity = self.carrier.capacity();
        let trunk = Trunk { lines: capacity.channels, calls_per_second: capacity.calls_per_second };
        let begun = self.copying.run(self.store.long_read(move |snapshot| begin(snapshot, id, trunk)))?;
        let panicked = |_| StoreError::Failed("copying a campaign failed, see the server's log".to_owned());
        match begun.await.map_err(panicked)?? {
            Begun::Work(work) => self.work = Some(*work),
            Begun::TooLarge(basis) => self.give_up(id, basis, Lacking::TooLarge).await?,
            Begun::Nothing => {}
        }
        Ok(true)
    }

    /// Writes down that nothing can be said, so that it is not tried again before the campaign has changed.
    async fn give_up(&self, id: i64, basis: Basis, why: Lacking) -> Result<(), StoreError> {
        self.store.write(move |tx| tx.keep_forecast(id, basis, Err(&why))).await
    }

    async fn failed(&self, id: i64, basis: Basis, problem: &str) -> Result<(), StoreError> {
        tracing::error!(campaign = id, problem, "a campaign cannot be played ahead");
        let why = format!("The campaign cannot be played ahead because of a fault of the server: {problem}");
        self.give_up(id, basis, Lacking::Failed(why)).await
    }

    async fn play_once(&mut self, mut work: Work) -> Result<(), StoreError> {
        let campaign_id = work.copy.campaign().id;
        let is_same = self.store.campaign(campaign_id)?.is_some_and(|now| now.version == work.basis.version);
        if !is_same {
            // It is looked at again as it is now.
            self.queue.push_front(campaign_id);
            return Ok(());
        }
        let seed = work.played.len() as u64;
        let (copy, rates) = (work.copy.clone(), work.learned.draw(seed));
        let (start, is_ending) = (work.basis.computed_at, self.is_ending.clone());
        let played = self.playing.run(move || play(&copy, &rates, start, seed, &is_ending, &|_| {}))?;
        match played.await {
            Ok(Ok(played)) => work.played.push(played),
            Ok(Err(Stopped::Canceled)) => return Ok(()),
            Ok(Err(Stopped::Failed(problem))) => {
                return self.failed(campaign_id, work.basis, &problem).await;
            }
            // It panicked, and would do so again.
            Err(_) => return self.failed(campaign_id, work.basis, "see the server's log").await,
        }
        let runs = work.played.len();
        if RUNS.contains(&runs)
            && let Some(forecast) = Forecast::of(&work.played, work.learned.observations())
        {
            let basis = work.basis;
            self.store.write(move |tx| tx.keep_forecast(campaign_id, basis, Ok(&forecast))).await?;
            // More runs are worth it only where they do not take too long.
            let next = RUNS.iter().find(|more| **more > runs);
            let per_run = work.worked / i32::try_from(runs).unwrap_or(i32::MAX);
            match next {
                Some(more) if per_run * i32::try_from(*more).unwrap_or(i32::MAX) <= WORK_MAX => {}
                Some(_) | None => return Ok(()),
            }
        }
        self.work = Some(work);
        Ok(())
    }
}

/// What came of looking at a campaign.
enum Begun {
    /// It need not be played, or there is no line to play it on.
    Nothing,
    /// It has more leads than can be played.
    TooLarge(Basis),
    /// It can be played.
    Work(Box<Work>),
}

/// Copies a campaign, if it must be played.
fn begin(snapshot: &Snapshot, id: i64, trunk: Trunk) -> Result<Begun, StoreError> {
    let Some(campaign) = snapshot.campaign(id)?.filter(|_| trunk.lines > 0) else {
        return Ok(Begun::Nothing);
    };
    if !snapshot.needs_forecast(&campaign)? {
        return Ok(Begun::Nothing);
    }
    let basis = Basis::of(&campaign, snapshot.open_leads(id)?, snapshot.now);
    let learned = snapshot.learned(&campaign)?;
    match Copy::of(snapshot, campaign, trunk) {
        Ok(copy) => Ok(Begun::Work(Box::new(Work {
            copy: Arc::new(copy),
            learned,
            basis,
            played: Vec::new(),
            worked: TimeDelta::zero(),
        }))),
        Err(CopyError::TooLarge(_)) => Ok(Begun::TooLarge(basis)),
        Err(CopyError::Store(error)) => Err(error),
    }
}
