//! The loop over everything that can happen: reports of legs, passing time, changes in the store.
//!
//! One [`Dialer::turn`] takes in what the carrier reported, settles what has ended, and claims and places what
//! is due. A call row is committed before its dial and a dial is never repeated, so a crash at any point dials
//! at most once per attempt.

use super::book::Book;
use super::plan::{self, Dial, Guest, Planned};
use crate::carrier::{Asking, Carrier, DialRequest, Incoming, Leg, LegEvents, Recorded, Report};
use crate::clock::Clock;
use crate::domain::Instant;
use crate::domain::agent::{Judgement, Tool, ToolCall, When};
use crate::domain::breaker::{Breaker, Trip};
use crate::domain::call::{CallState, Effect, Ending, LegCommand, LegEvent, LiveCall, Plan, Written};
use crate::domain::campaign::Status;
use crate::domain::clock_guard::{ClockGuard, Trust};
use crate::domain::event::Event;
use crate::domain::gate::{Hold, HoldReason};
use crate::domain::guard::Agents;
use crate::domain::other_call::{self, Turned};
use crate::domain::outcome::Outcome;
use crate::domain::pacing::{Shares, Spacing};
use crate::domain::phone::Phone;
use crate::domain::recording::Recording;
use crate::domain::wake_up::{self, Cause};
use crate::store::{Claim, Store, StoreError, Tx, Worker};
use chrono::TimeDelta;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// A call while it is alive, with the leg it runs on.
struct Live {
    /// Whose carrier its end tells of; none for a call that is no attempt.
    campaign_id: Option<i64>,
    call: LiveCall,
    leg: Leg,
    deadline: Instant,
}

impl Live {
    fn rings(&self) -> bool {
        self.call.answered_at().is_none()
    }
}

/// A fact about a call that waits to be written. Kept until the commit, so that a full disk loses none.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    Progress { call_id: i64, state: CallState, at: Instant, timeline: Value },
    Ended { call_id: i64, ending: Ending, timeline: Value, transcript: Value },
    Recorded { call_id: i64, recording: Recording },
    OptedOut { call_id: i64 },
    CallBack { call_id: i64, number: u64, when: When },
    PressedLate { call_id: i64, key: char },
    Tripped { campaign_id: i64, trip: Trip, detail: Option<String> },
}

/// What a turn did, and when the next one is due at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Reports taken in plus calls placed.
    pub did: usize,
    /// The steady time at which something will be due by itself; none when only a report or a change brings it.
    pub next_due: Option<Instant>,
}

/// The calls that are alive and the pace of new ones: what an engine decides without a database. It works for one that is
/// written by a thread of its own, as for one in memory.
pub(crate) struct Floor {
    clock: Arc<dyn Clock>,
    carrier: Arc<dyn Carrier>,
    reports: mpsc::UnboundedReceiver<Report>,
    report_to: mpsc::UnboundedSender<Report>,
    live: HashMap<i64, Live>,
    /// Steady time.
    deadlines: BTreeSet<(Instant, i64)>,
    facts: Vec<Fact>,
    /// Dials of this turn that are still on their way.
    asking: Vec<Asking>,
    breakers: HashMap<i64, Breaker>,
    shares: Shares,
    spacing: Spacing,
    /// The carrier took calls when it was last looked at.
    is_open: bool,
    /// The wall time at which the campaigns must be looked at again; none when nothing is due by time alone.
    plan_at: Option<Instant>,
    /// What led from steady to wall time when the clocks were last trusted.
    trusted_shift: TimeDelta,
    is_distrusted: bool,
    story: Story,
}

/// What is told of a call beside how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    /// How far it has come, what happened when, and what was said.
    Told,
    /// Nothing: nobody will ask.
    Untold,
}

/// The engine.
pub struct Dialer {
    floor: Floor,
    store: Store,
    incoming: mpsc::Receiver<Incoming>,
    /// Who calls us and was not looked at yet.
    arrivals: Vec<Incoming>,
    changes: watch::Receiver<u64>,
    /// The disk was full when it was last looked at.
    is_short_of_room: bool,
    guard: ClockGuard,
    /// When to look for commits of other processes, in steady time, and what was seen last.
    look_beside_at: Instant,
    seen_version: Option<i64>,
    /// The latest wall time at which the clocks were looked at, by this process or one before, and when that was in steady
    /// time.
    looked_at: (Instant, Option<Instant>),
    confirmations: String,
    is_stopping: bool,
    /// A write failed, so it is not known whether its claims were kept.
    is_unsure: bool,
}

/// How many callers may wait to be looked at; more are refused by the carrier.
const ARRIVALS_MAX: usize = 64;
/// How long to wait after the database refused.
const RETRY_AFTER: TimeDelta = TimeDelta::seconds(1);
/// How often the clocks are compared, however little there is to do.
const LOOK_EVERY: TimeDelta = TimeDelta::seconds(1);
/// A commit that takes longer may have carried a claim out of its hours.
const COMMIT_MAX: TimeDelta = TimeDelta::seconds(1);
/// How long legs have to end after the grace time of a stop is over, but for those on which an agent talks.
const LAST_WAIT: TimeDelta = TimeDelta::seconds(2);

impl Dialer {
    /// Settles what an earlier life left open, then is ready for its first turn.
    pub async fn start(store: Store, carrier: Arc<dyn Carrier>) -> Result<Dialer, StoreError> {
        let clock = store.clock().clone();
        let changes = store.changes();
        let (last_seen_at, confirmations) =
            store.read(|s| Ok::<_, StoreError>((s.last_seen_at()?, s.clock_confirmations()?))).await?;
        let interrupted = store
            .write(|tx| {
                let others = tx.settle_interrupted_others(|_| true, true)?;
                Ok::<_, StoreError>(tx.settle_interrupted(|_| true)? + others)
            })
            .await?;
        if interrupted > 0 {
            tracing::warn!(
                calls = interrupted,
                "calls that were alive when the server stopped are settled as interrupted"
            );
        }
        let (to_us, incoming) = mpsc::channel(ARRIVALS_MAX);
        carrier.receive(to_us);
        Ok(Dialer {
            floor: Floor::new(clock, carrier, Story::Told),
            is_short_of_room: false,
            store,
            incoming,
            arrivals: Vec::new(),
            changes,
            guard: ClockGuard::new(last_seen_at),
            look_beside_at: Instant::MIN_UTC,
            seen_version: None,
            looked_at: (last_seen_at, None),
            confirmations,
            is_stopping: false,
            is_unsure: false,
        })
    }

    /// Takes turns until `stop` says so, and then until no call is alive or `grace` is over.
    pub async fn run(mut self, grace: TimeDelta, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow_and_update() {
            self.store.beat(Worker::Dialer);
            let next_due = self.turn_or_retry().await;
            tokio::select! {
                () = self.wait_for_work(next_due) => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        self.drain(grace).await;
    }

    async fn turn_or_retry(&mut self) -> Instant {
        let latest = self.floor.clock.steady() + LOOK_EVERY;
        match self.turn().await {
            Ok(turn) => turn.next_due.map_or(latest, |due| due.min(latest)),
            Err(error) => {
                tracing::error!(%error, "nothing is dialed while the database does not take facts");
                self.floor.clock.steady() + RETRY_AFTER
            }
        }
    }

    async fn wait_for_work(&mut self, next_due: Instant) {
        tokio::select! {
            () = self.floor.clock.sleep_until(next_due) => {}
            // The sender lives as long as our own store.
            Ok(()) = self.changes.changed() => self.floor.plan_at = Some(self.floor.clock.now()),
            Some(report) = self.floor.reports.recv() => self.floor.take_in(report),
            Some(arrival) = self.incoming.recv() => self.arrived(arrival),
        }
    }

    /// Somebody calls us.
    fn arrived(&mut self, arrival: Incoming) {
        self.arrivals.push(arrival);
        self.floor.plan_at = Some(self.floor.clock.now());
    }

    /// No new dials; live calls get `grace` to end, then are hung up.
    async fn drain(&mut self, grace: TimeDelta) {
        self.is_stopping = true;
        let end = self.floor.clock.steady() + grace;
        self.drain_until(end).await;
        for call_id in self.floor.live.keys().copied().collect::<Vec<_>>() {
            self.floor.apply(call_id, |call, now| call.cancel(now));
        }
        // A wish in the last words with an agent is told when somebody has read them once more.
        let read = self.floor.live.values().filter(|live| live.call.has_agent_failed().is_some());
        let end = read.map(|live| live.deadline).fold(self.floor.clock.steady() + LAST_WAIT, Instant::max);
        self.drain_until(end).await;
        let (steady, shift) = (self.floor.clock.steady(), self.floor.shift());
        for (call_id, live) in std::mem::take(&mut self.floor.live) {
            let ending = live.call.interrupted(steady).shifted(shift);
            let (timeline, transcript) = (live.call.timeline(shift), live.call.transcript());
            self.floor.facts.push(Fact::Ended { call_id, ending, timeline, transcript });
        }
        self.floor.deadlines.clear();
        let end = self.floor.clock.steady() + LAST_WAIT;
        while !self.floor.facts.is_empty() && self.floor.clock.steady() < end {
            let next_due = self.turn_or_retry().await.min(end);
            if !self.floor.facts.is_empty() {
                self.floor.clock.sleep_until(next_due).await;
            }
        }
    }

    async fn drain_until(&mut self, end: Instant) {
        while !self.floor.live.is_empty() && self.floor.clock.steady() < end {
            let next_due = self.turn_or_retry().await.min(end);
            if self.floor.live.is_empty() {
                return;
            }
            tokio::select! {
                () = self.floor.clock.sleep_until(next_due) => {}
                Some(report) = self.floor.reports.recv() => self.floor.take_in(report),
            }
        }
    }

    /// Takes in what was reported and what time has brought, writes it down, and places what is due. On an
    /// error nothing was placed and nothing is forgotten: the next turn writes it again.
    pub async fn turn(&mut self) -> Result<Turn, StoreError> {
        let mut did = self.floor.take_in_reports();
        while let Ok(arrival) = self.incoming.try_recv() {
            self.arrived(arrival);
            did += 1;
        }
        did += self.floor.let_time_pass();
        let now = self.floor.clock.now();
        if self.changes.has_changed().unwrap_or(false) {
            self.changes.mark_unchanged();
            self.floor.plan_at = Some(now);
        }
        self.look_beside(now)?;
        self.floor.look_at_carrier(now);
        let is_short = self.store.is_short_of_room();
        if std::mem::replace(&mut self.is_short_of_room, is_short) && !is_short {
            self.floor.plan_at = Some(now);
        }
        let distrust = self.look_at_clocks().await?;
        if !self.floor.facts.is_empty() {
            self.floor.plan_at = Some(now);
        }
        if self.floor.plan_at.is_some_and(|at| at <= now) {
            let may_dial = distrust.is_none() && !self.is_stopping && !is_short;
            did += self.write_and_dial(may_dial).await?;
        }
        Ok(Turn { did, next_due: self.floor.next_due(distrust) })
    }

    /// How many calls are alive.
    pub fn live_calls(&self) -> usize {
        self.floor.live_calls()
    }
}

impl Floor {
    /// Nobody on the line.
    pub(crate) fn new(clock: Arc<dyn Clock>, carrier: Arc<dyn Carrier>, story: Story) -> Floor {
        let (report_to, reports) = mpsc::unbounded_channel();
        let now = clock.now();
        Floor {
            reports,
            report_to,
            live: HashMap::new(),
            deadlines: BTreeSet::new(),
            facts: Vec::new(),
            asking: Vec::new(),
            breakers: HashMap::new(),
            shares: Shares::default(),
            spacing: Spacing::new(carrier.capacity().calls_per_second),
            is_open: false,
            plan_at: Some(now),
            trusted_shift: now - clock.steady(),
            is_distrusted: false,
            story,
            clock,
            carrier,
        }
    }

    /// One turn over a book that is written at once, and where nobody calls us.
    pub(crate) fn turn(&mut self, book: &impl Book) -> Result<Turn, StoreError> {
        let mut did = self.take_in_reports() + self.let_time_pass();
        let now = self.clock.now();
        self.look_at_carrier(now);
        if !self.facts.is_empty() {
            self.plan_at = Some(now);
        }
        if self.plan_at.is_some_and(|at| at <= now) {
            let (free, allowed) = self.room();
            let answers = write_facts(book, &self.facts)?;
            self.facts.clear();
            let to_cancel = book.calls_to_cancel()?;
            let planned = {
                let (shares, carrier, agents) = (self.shares.clone(), self.carrier.name(), self.agents());
                plan::plan_leads(book, shares, allowed, carrier, agents)?
            };
            did += self.carry_out(planned, false, free);
            self.answer(answers);
            for call_id in to_cancel {
                self.apply(call_id, |call, now| call.cancel(now));
            }
        }
        Ok(Turn { did, next_due: self.next_due(None) })
    }

    /// Takes a fact about a call that is not alive here.
    pub(crate) fn tell(&mut self, fact: Fact) {
        self.facts.push(fact);
    }

    /// How many calls are alive.
    pub(crate) fn live_calls(&self) -> usize {
        self.live.len()
    }

    /// The steady time at which something will be due by itself; `look_at` is a wall time beside what is known here.
    fn next_due(&self, look_at: Option<Instant>) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let (wall, steady) = (self.clock.now(), self.clock.steady());
        let steady = |at: Option<Instant>| at.map(|at| steady + (at - wall));
        [deadline, steady(self.plan_at), steady(look_at)].into_iter().flatten().min()
    }

    /// How many more the carrier takes at one time, and how many of them at once.
    fn room(&mut self) -> (usize, usize) {
        let (capacity, steady) = (self.carrier.capacity(), self.clock.steady());
        self.spacing.change(capacity.calls_per_second);
        let free = capacity.channels.saturating_sub(self.live.len());
        let is_paced = capacity.next_at.is_some_and(|at| at > steady);
        (free, if is_paced { 0 } else { self.spacing.allowed(steady, free) })
    }

    fn take_in_reports(&mut self) -> usize {
        let mut count = 0;
        while let Ok(report) = self.reports.try_recv() {
            self.take_in(report);
            count += 1;
        }
        count
    }

    fn take_in(&mut self, report: Report) {
        let Report { call_id, at, event } = report;
        // A wish not to be called again counts from the moment it is heard, however long the call still takes to end,
        // and also when it comes after the end.
        match (&event, self.live.get(&call_id)) {
            (LegEvent::Recorded(recording), _) => {
                self.facts.push(Fact::Recorded { call_id, recording: recording.clone() });
            }
            (
                LegEvent::OptOutAsked
                | LegEvent::Asked(ToolCall { tool: Tool::OptOut, .. })
                | LegEvent::Judged(Judgement { no_more_calls: Some(_), .. }),
                _,
            ) => {
                self.facts.push(Fact::OptedOut { call_id });
            }
            (LegEvent::Digit(key), Some(live)) if live.call.opts_out(*key) => {
                self.facts.push(Fact::OptedOut { call_id });
            }
            (LegEvent::Digit(key), None) => self.facts.push(Fact::PressedLate { call_id, key: *key }),
            (
                LegEvent::Ringing
                | LegEvent::Answered
                | LegEvent::MachineDetected
                | LegEvent::SpeechBegan
                | LegEvent::SpeechEnded
                | LegEvent::Digit(_)
                | LegEvent::RecordingBegan
                | LegEvent::NotRecorded(_)
                | LegEvent::KeysUnheard(_)
                | LegEvent::Said(_)
                | LegEvent::Asked(_)
                | LegEvent::Turn(_)
                | LegEvent::AgentUsed(_)
                | LegEvent::AgentFailed(_)
                | LegEvent::Judged(_)
                | LegEvent::Transferred
                | LegEvent::TransferRefused(_)
                | LegEvent::Ended(..),
                _,
            ) => {}
        }
        self.apply(call_id, |call, _| call.on(event, at));
    }

    /// What leads from steady time to the wall time that facts are stamped with: the wall as it was last trusted.
    fn shift(&self) -> TimeDelta {
        match self.is_distrusted {
            true => self.trusted_shift,
            false => self.clock.now() - self.clock.steady(),
        }
    }

    /// Who holds conversations, less those whom the calls alive need.
    fn agents(&self) -> Agents {
        let agents = self.carrier.agents();
        let talking = self.live.values().filter(|live| live.call.needs_agent());
        // Where there are no seats, no call is looked at.
        Agents { free: agents.seats - talking.take(agents.seats).count(), ..agents }
    }

    /// Tells calls what became of what they asked for.
    fn answer(&mut self, answers: Vec<(i64, Answer)>) {
        for (call_id, answer) in answers {
            self.apply(call_id, |call, now| match answer {
                Answer::OptedOut(listed) => call.opt_out_written(listed, now),
                Answer::CallBack { number, written } => call.call_back_written(number, written),
            });
        }
    }

    fn let_time_pass(&mut self) -> usize {
        let now = self.clock.steady();
        let mut count = 0;
        while let Some((at, call_id)) = self.deadlines.first().copied()
            && at <= now
        {
            self.apply(call_id, |call, now| call.on_time(now));
            count += 1;
        }
        count
    }

    /// Lets a live call decide, and does what it says.
    fn apply(&mut self, call_id: i64, decide: impl FnOnce(&mut LiveCall, Instant) -> Vec<Effect>) {
        let (now, shift) = (self.clock.steady(), self.shift());
        let Some(live) = self.live.get_mut(&call_id) else { return };
        let effects = decide(&mut live.call, now);
        self.deadlines.remove(&(live.deadline, call_id));
        live.deadline = live.call.deadline();
        self.deadlines.insert((live.deadline, call_id));
        let mut ended = None;
        for effect in effects {
            match effect {
                Effect::Command(command) => live.leg.command(command),
                Effect::Progress(_) if self.story == Story::Untold => {}
                Effect::Progress(state) => self.facts.push(Fact::Progress {
                    call_id,
                    state,
                    at: live.call.answered_at().unwrap_or(now) + shift,
                    timeline: live.call.timeline(shift),
                }),
                Effect::CallBack { number, when } => {
                    self.facts.push(Fact::CallBack { call_id, number, when });
                }
                Effect::Ended(ending) => ended = Some(ending),
            }
        }
        if let Some(ending) = ended
            && let Some(live) = self.live.remove(&call_id)
        {
            self.deadlines.remove(&(live.deadline, call_id));
            let tripped = live.campaign_id.and_then(|campaign_id| {
                let breaker = self.breakers.entry(campaign_id).or_default();
                let agent_failed = live.call.has_agent_failed();
                let ours = |other: &&Live| other.campaign_id == Some(campaign_id);
                let ringing = || self.live.values().filter(ours).filter(|live| live.rings()).count();
                let trip = breaker.trips(ending.outcome, agent_failed, ending.ended_at, ringing)?;
                Some(Fact::Tripped { campaign_id, trip, detail: ending.detail.clone() })
            });
            let (timeline, transcript) = match self.story {
                Story::Told => (live.call.timeline(shift), live.call.transcript()),
                Story::Untold => (Value::Null, Value::Null),
            };
            self.facts.push(Fact::Ended { call_id, ending: ending.shifted(shift), timeline, transcript });
            self.facts.extend(tripped);
        }
    }

    /// A carrier that was down, or full with others' calls, tells nobody when it takes calls again.
    fn look_at_carrier(&mut self, now: Instant) {
        let was_open = self.is_open;
        self.is_open = self.carrier.capacity().channels > self.live.len();
        if self.is_open && !was_open {
            self.plan_at = Some(now);
        }
    }
}

impl Dialer {
    /// Another process, such as an import from the command line, wakes nobody here, so its commits are looked for.
    fn look_beside(&mut self, now: Instant) -> Result<(), StoreError> {
        let steady = self.floor.clock.steady();
        if steady < self.look_beside_at {
            return Ok(());
        }
        self.look_beside_at = steady + LOOK_EVERY;
        let version = self.store.data_version()?;
        if self.seen_version.replace(version) != Some(version) {
            self.floor.plan_at = Some(now);
        }
        Ok(())
    }

    /// Compares the clocks. While they disagree nothing is dialed; the answer is the wall time to look again.
    async fn look_at_clocks(&mut self) -> Result<Option<Instant>, StoreError> {
        let now = self.floor.clock.now();
        self.look_whether_we_slept(now).await?;
        match self.guard.look(now, self.floor.clock.monotonic()) {
            Trust::Trusted => {
                if std::mem::take(&mut self.floor.is_distrusted) {
                    tracing::info!("the clock is trusted again");
                    self.floor.plan_at = Some(now);
                }
                self.floor.trusted_shift = now - self.floor.clock.steady();
                self.store.set_clock_hold(None);
                Ok(None)
            }
            Trust::Distrusted { until } => {
                let hold = Hold { reason: HoldReason::ClockJumped, until: Some(until), detail: None };
                self.store.set_clock_hold(Some(hold));
                if !self.floor.is_distrusted {
                    tracing::error!(%until, "the clock jumped; nothing is dialed until it can be trusted");
                    self.store.write(move |tx| report_jump(tx, until)).await?;
                    self.floor.is_distrusted = true;
                }
                let confirmations = self.store.read(|snapshot| snapshot.clock_confirmations()).await?;
                if confirmations != self.confirmations {
                    self.confirmations = confirmations;
                    self.guard = ClockGuard::new(now);
                }
                Ok(Some(until))
            }
        }
    }

    /// Whoever was away for long calls nobody before somebody has looked, however right the clocks are now.
    async fn look_whether_we_slept(&mut self, now: Instant) -> Result<(), StoreError> {
        let (seen_at, seen_steady) = self.looked_at;
        let (steady, longest) = (self.floor.clock.steady(), self.store.guard().away_max);
        if wake_up::slept_too_long(seen_at, now, longest) {
            let cause = match seen_steady {
                Some(then) if !wake_up::slept_too_long(then, steady, longest) => Cause::ClockJumped,
                Some(_) | None => Cause::Downtime,
            };
            if self.store.write_on_a_full_disk(move |tx| tx.hold_after_sleep(cause, seen_at)).await? {
                tracing::warn!(%cause, %seen_at, "nobody is called before somebody has looked");
            }
        }
        self.looked_at = (seen_at.max(now), Some(steady));
        Ok(())
    }

    /// One transaction writes the facts and claims what is due; then the carrier is asked. The gate is held all
    /// the while, so that whoever forbids dialing can wait for dials on their way.
    async fn write_and_dial(&mut self, may_dial: bool) -> Result<usize, StoreError> {
        let (started, started_at) = (self.floor.clock.steady(), self.floor.clock.now());
        let store = self.store.clone();
        // Before anything is asked of the carrier: another one may be put in its place as long as nobody holds this.
        let gate = store.dialing().await;
        let (free, allowed) = self.floor.room();
        let allowed = if may_dial { allowed } else { 0 };
        let (facts, shares, carrier) =
            (self.floor.facts.clone(), self.floor.shares.clone(), self.floor.carrier.name());
        let agents = self.floor.agents();
        store.set_agents(agents);
        let alive: Option<HashSet<i64>> = self.is_unsure.then(|| self.floor.live.keys().copied().collect());
        let mut arrivals = std::mem::take(&mut self.arrivals);
        if self.is_stopping {
            arrivals.drain(..).for_each(|arrival| arrival.refuse(Turned::NotNow));
        }
        let callers: Vec<_> = arrivals.iter().map(|one| (one.called.clone(), one.caller)).collect();
        self.is_unsure = true;
        let written = store.write_on_a_full_disk(move |tx| {
            let mut agents = agents;
            let answers = write_facts(tx, &facts)?;
            if let Some(alive) = alive {
                // Only after the facts: what they end has ended so, and not unseen.
                tx.settle_interrupted(|call_id| !alive.contains(&call_id))?;
                tx.settle_interrupted_others(|id| !alive.contains(&other_call::key(id)), false)?;
            }
            let mut to_cancel = tx.calls_to_cancel()?;
            to_cancel.extend(tx.other_calls_to_cancel()?.into_iter().map(other_call::key));
            let mut guests = Vec::new();
            for (called, caller) in callers {
                guests.push(plan::receive(tx, &called, caller, carrier, &mut agents)?);
            }
            let planned = match may_dial {
                true => Some(plan::plan(tx, shares, allowed, carrier, agents)?),
                false => None,
            };
            if may_dial {
                tx.saw_time()?;
            }
            Ok::<_, StoreError>((planned, to_cancel, guests, answers))
        });
        let (planned, to_cancel, guests, answers) = written.await?;
        self.is_unsure = false;
        self.floor.facts.clear();
        let mut dialed = 0;
        self.floor.plan_at = None;
        if let Some(planned) = planned {
            // Steady time stands still while a machine sleeps.
            let took = (self.floor.clock.steady() - started).max(self.floor.clock.now() - started_at);
            let is_late = took > COMMIT_MAX;
            dialed = self.floor.carry_out(planned, is_late, free);
        }
        let asking = std::mem::take(&mut self.floor.asking);
        match asking.is_empty() {
            true => drop(gate),
            false => drop(tokio::spawn(async move {
                for dial in asking {
                    dial.is_over().await;
                }
                drop(gate);
            })),
        }
        for (arrival, guest) in arrivals.into_iter().zip(guests) {
            match guest {
                Ok(guest) => self.floor.welcome(arrival, guest),
                Err(why) => arrival.refuse(why),
            }
        }
        // Before they are taken back: whoever wants no more calls is told that there will be none.
        self.floor.answer(answers);
        for call_id in to_cancel {
            self.floor.apply(call_id, |call, now| call.cancel(now));
        }
        Ok(dialed)
    }
}

impl Floor {
    /// Places what was claimed. Claims whose commit took too long may no longer be inside the hours, so they are
    /// given up instead.
    fn carry_out(&mut self, planned: Planned, is_late: bool, free: usize) -> usize {
        let Planned { dials, next_due, is_starved, shares, active } = planned;
        self.shares = shares;
        self.breakers.retain(|campaign_id, _| active.contains(campaign_id));
        self.plan_at = next_due;
        let (count, steady) = (dials.len(), self.clock.steady());
        for dial in dials {
            self.spacing.dialed(steady);
            match is_late {
                true => self.give_up(&dial),
                false => self.place(dial),
            }
        }
        let next_at = self.carrier.capacity().next_at.filter(|at| *at > steady);
        if is_starved && free > count {
            // Only the pace was in the way, and its time may have come meanwhile.
            let at = self.spacing.next_at(steady).max(next_at).unwrap_or(steady);
            let at = self.clock.now() + (at - steady);
            self.plan_at = Some(self.plan_at.map_or(at, |due| due.min(at)));
        }
        count
    }

    fn give_up(&mut self, dial: &Dial) {
        let detail = Some("Writing the call down took too long, so it was not placed".to_owned());
        let ending = Ending { detail, ..Ending::interrupted(None, self.clock.now()) };
        let (timeline, transcript) = (Value::Array(Vec::new()), Value::Array(Vec::new()));
        self.facts.push(Fact::Ended { call_id: dial.claim.call_id, ending, timeline, transcript });
        self.plan_at = Some(self.clock.now());
    }

    /// Takes somebody who calls us and is written down. They may have given up meanwhile.
    fn welcome(&mut self, arrival: Incoming, guest: Guest) {
        let Guest { call_id, lead_id, called, plan, recorded } = guest;
        let claim = Claim { call_id, attempt: 1 };
        let words = plan.words();
        let request = request(&claim, lead_id.unwrap_or_default(), called, None, &plan, words, recorded);
        let call = LiveCall::incoming(plan, self.clock.steady());
        let deadline = call.deadline();
        match arrival.take(request, LegEvents::new(call_id, self.report_to.clone())) {
            Some(leg) => {
                self.live.insert(call_id, Live { campaign_id: None, call, leg, deadline });
                self.deadlines.insert((deadline, call_id));
            }
            None => {
                let detail = Some("They gave up before they were answered".to_owned());
                let ended_at = self.clock.now();
                let ending = Ending {
                    outcome: Outcome::NoAnswer,
                    answered_at: None,
                    ended_at,
                    detail,
                    conversation: None,
                };
                let timeline = call.timeline(self.shift());
                self.facts.push(Fact::Ended { call_id, ending, timeline, transcript: call.transcript() });
                self.plan_at = Some(self.clock.now());
            }
        }
    }

    fn place(&mut self, dial: Dial) {
        let Dial { claim, campaign_id, lead_id, phone, caller_id, plan, recorded } = dial;
        // Where nobody asks what was said, nobody hears it either.
        let words = if self.story == Story::Told { plan.words() } else { Vec::new() };
        let request = request(&claim, lead_id, phone, caller_id, &plan, words, recorded);
        let call = LiveCall::new(plan, self.clock.steady());
        let deadline = call.deadline();
        let mut leg = self.carrier.dial(request, LegEvents::new(claim.call_id, self.report_to.clone()));
        self.asking.extend(leg.take_asking());
        self.live.insert(claim.call_id, Live { campaign_id, call, leg, deadline });
        self.deadlines.insert((deadline, claim.call_id));
    }
}

impl Drop for Floor {
    /// Nobody listens to these legs any more, so nobody may be left talking to.
    fn drop(&mut self) {
        for live in self.live.values_mut() {
            live.leg.command(LegCommand::HangUp);
        }
    }
}

/// What the carrier has to know of a call.
fn request(
    claim: &Claim,
    lead_id: i64,
    phone: Phone,
    caller_id: Option<Phone>,
    plan: &Plan,
    words: Vec<String>,
    recorded: Vec<Recorded>,
) -> DialRequest {
    DialRequest {
        call_id: claim.call_id,
        lead_id,
        attempt: claim.attempt,
        phone,
        caller_id,
        ring_timeout: plan.ring_timeout,
        words,
        voice: plan.voice.clone(),
        recorded,
        machine_detection: plan.machine_detection,
    }
}

/// What a call is told once a fact about it is written down.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Nobody calls this person again, unless nobody knows under which number.
    OptedOut(Written),
    /// The call-back that was asked for under this number is arranged, or why not.
    CallBack { number: u64, written: Result<String, String> },
}

/// Writes the facts. One that cannot be written, because of a fault of ours, is logged and left out: it must not
/// keep the others from being written.
fn write_facts(book: &impl Book, facts: &[Fact]) -> Result<Vec<(i64, Answer)>, StoreError> {
    let mut answers = Vec::new();
    for fact in facts {
        match book.part(|| book.write(fact)) {
            Err(StoreError::Failed(cause)) => tracing::error!(?fact, %cause, "a fact cannot be written"),
            written => answers.extend(written?),
        }
    }
    Ok(answers)
}

/// The answer is what a call is told of a fact that is written down now.
pub(super) fn write_fact(tx: &Tx, fact: &Fact) -> Result<Option<(i64, Answer)>, StoreError> {
    match fact {
        Fact::Progress { call_id, state, at, timeline } => match other_call::id_of(*call_id) {
            Some(id) => tx.other_progress(id, *state, *at, timeline)?,
            None => tx.progress(*call_id, *state, *at, timeline)?,
        },
        Fact::Ended { call_id, ending, timeline, transcript } => {
            match other_call::id_of(*call_id) {
                Some(id) => tx.settle_other(id, ending.clone(), Some(timeline))?,
                None => tx.settle(*call_id, ending.clone(), Some(timeline))?,
            }
            tx.keep_transcript(*call_id, transcript)?;
        }
        Fact::Recorded { call_id, recording } => tx.keep_recording(*call_id, recording)?,
        Fact::OptedOut { call_id } => {
            let listed = match other_call::id_of(*call_id) {
                Some(id) => tx.opt_out_on_other_call(id)?,
                None => {
                    tx.opt_out_on_call(*call_id)?;
                    Written::Listed
                }
            };
            return Ok(Some((*call_id, Answer::OptedOut(listed))));
        }
        Fact::CallBack { call_id, number, when } => {
            let written = match other_call::id_of(*call_id) {
                Some(id) => tx.promise_other_call_back(id, *when)?,
                None => tx.promise_call_back(*call_id, *when)?,
            };
            return Ok(Some((*call_id, Answer::CallBack { number: *number, written })));
        }
        Fact::PressedLate { call_id, key } => match other_call::id_of(*call_id) {
            Some(id) => tx.pressed_after_other_call(id, *key)?,
            None => tx.pressed_after_call(*call_id, *key)?,
        },
        Fact::Tripped { campaign_id, trip, detail } => tripped(tx, *campaign_id, *trip, detail.as_deref())?,
    }
    Ok(None)
}

/// Pauses a campaign that its carrier does not carry, and says so.
pub(crate) fn tripped(
    tx: &impl Book,
    campaign_id: i64,
    trip: Trip,
    detail: Option<&str>,
) -> Result<(), StoreError> {
    let Some(campaign) = tx.campaign(campaign_id)?.filter(|campaign| campaign.status == Status::Active)
    else {
        return Ok(());
    };
    let (code, message, action) = match trip {
        Trip::Failing => (
            "carrier_down",
            "The carrier failed at least half of the last 20 calls, so the campaign was paused",
            "Check the carrier, then set the campaign to active again",
        ),
        Trip::Rejected => (
            "carrier_refused",
            "The last ten calls were all refused, so the campaign was paused",
            "Ask the carrier whether it or the networks block the number that is shown, then set the campaign to active again",
        ),
        Trip::Unknown => (
            "carrier_refused",
            "The carrier knew none of the last ten numbers, so the campaign was paused",
            "Check in which form it wants numbers (`number_prefix` of the trunk), then set the campaign to active again",
        ),
        Trip::Agent => (
            "agent_failed",
            "The agent failed on two calls in a row, so the campaign was paused",
            "Check the agent and its servers, for example with `voice-campaigns check --agent`, then set the campaign to active again",
        ),
        Trip::Refused => (
            "carrier_refused",
            "The carrier did not take the last three calls from us, so the campaign was paused",
            "Put right what the carrier refuses (user name, password, caller id, countries), then set the campaign to active again",
        ),
    };
    let message = match detail {
        Some(detail) => format!("{message} ({detail})"),
        None => message.to_owned(),
    };
    let key = tx.now().timestamp_millis().to_string();
    tx.emit_once(campaign_id, &Event::error(&campaign, code, &message, action, &key))?;
    tx.change_status_because(&campaign, Status::Paused, code)
}

fn report_jump(tx: &Tx, until: Instant) -> Result<(), StoreError> {
    let message = "The clock of the server jumped, so nothing is dialed until it can be trusted";
    let action = "Check the time of the machine; dialing goes on by itself";
    let key = until.timestamp_millis().to_string();
    for campaign in tx.active_campaigns()? {
        tx.emit_once(campaign.id, &Event::error(&campaign, "clock_jumped", message, action, &key))?;
    }
    Ok(())
}
