//! The loop over everything that can happen: reports of legs, passing time, changes in the store.
//!
//! One [`Dialer::turn`] takes in what the carrier reported, settles what has ended, and claims and places what
//! is due. A call row is committed before its dial and a dial is never repeated, so a crash at any point dials
//! at most once per attempt.

use super::plan::{self, Dial, Planned};
use crate::carrier::{Carrier, DialRequest, Leg, LegEvents, Report};
use crate::clock::Clock;
use crate::domain::Instant;
use crate::domain::breaker::Breaker;
use crate::domain::call::{CallState, Effect, Ending, LegCommand, LegEvent, LiveCall};
use crate::domain::campaign::Status;
use crate::domain::clock_guard::{ClockGuard, Trust};
use crate::domain::event::Event;
use crate::domain::gate::{Hold, HoldReason};
use crate::domain::pacing::{Shares, Spacing};
use crate::store::{Store, StoreError, Tx};
use chrono::TimeDelta;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// A call while it is alive, with the leg it runs on.
struct Live {
    campaign_id: i64,
    call: LiveCall,
    leg: Leg,
    deadline: Instant,
}

/// A fact about a call that waits to be written. Kept until the commit, so that a full disk loses nothing.
#[derive(Clone)]
enum Fact {
    Progress { call_id: i64, state: CallState, at: Instant, timeline: Value },
    Ended { call_id: i64, ending: Ending, timeline: Value },
    OptedOutLate { call_id: i64 },
    CarrierDown { campaign_id: i64 },
}

/// What a turn did, and when the next one is due at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Reports taken in plus calls placed.
    pub did: usize,
    /// The steady time at which something will be due by itself; none when only a report or a change brings it.
    pub next_due: Option<Instant>,
}

/// The engine.
pub struct Dialer {
    store: Store,
    clock: Arc<dyn Clock>,
    carrier: Arc<dyn Carrier>,
    reports: mpsc::UnboundedReceiver<Report>,
    report_to: mpsc::UnboundedSender<Report>,
    changes: watch::Receiver<u64>,
    live: HashMap<i64, Live>,
    /// Steady time.
    deadlines: BTreeSet<(Instant, i64)>,
    facts: Vec<Fact>,
    breakers: HashMap<i64, Breaker>,
    shares: Shares,
    spacing: Spacing,
    guard: ClockGuard,
    /// The wall time at which the campaigns must be looked at again; none when nothing is due by time alone.
    plan_at: Option<Instant>,
    /// When to look for commits of other processes, in steady time, and what was seen last.
    look_beside_at: Instant,
    seen_version: Option<i64>,
    is_stopping: bool,
    /// A write failed, so it is not known whether its claims were kept.
    is_unsure: bool,
}

/// How long to wait after the database refused.
const RETRY_AFTER: TimeDelta = TimeDelta::seconds(1);
/// How often the clocks are compared, however little there is to do.
const LOOK_EVERY: TimeDelta = TimeDelta::seconds(1);
/// How long legs have to end after the grace time of a stop is over.
const LAST_WAIT: TimeDelta = TimeDelta::seconds(2);

impl Dialer {
    /// Settles what an earlier life left open, then is ready for its first turn.
    pub async fn start(store: Store, carrier: Arc<dyn Carrier>) -> Result<Dialer, StoreError> {
        let clock = store.clock().clone();
        let changes = store.changes();
        let last_seen_at = store.read(|snapshot| snapshot.last_seen_at()).await?;
        let interrupted = store.write(|tx| tx.settle_interrupted(|_| true)).await?;
        if interrupted > 0 {
            tracing::warn!(
                calls = interrupted,
                "calls that were alive when the server stopped are settled as interrupted"
            );
        }
        let (report_to, reports) = mpsc::unbounded_channel();
        let now = clock.now();
        Ok(Dialer {
            spacing: Spacing::new(carrier.capacity().calls_per_second),
            store,
            clock,
            carrier,
            reports,
            report_to,
            changes,
            live: HashMap::new(),
            deadlines: BTreeSet::new(),
            facts: Vec::new(),
            breakers: HashMap::new(),
            shares: Shares::default(),
            guard: ClockGuard::new(last_seen_at),
            plan_at: Some(now),
            look_beside_at: Instant::MIN_UTC,
            seen_version: None,
            is_stopping: false,
            is_unsure: false,
        })
    }

    /// Takes turns until `stop` says so, and then until no call is alive or `grace` is over.
    pub async fn run(mut self, grace: TimeDelta, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow_and_update() {
            let next_due = self.turn_or_retry().await;
            tokio::select! {
                () = self.wait_for_work(next_due) => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        self.drain(grace).await;
    }

    async fn turn_or_retry(&mut self) -> Instant {
        let latest = self.clock.steady() + LOOK_EVERY;
        match self.turn().await {
            Ok(turn) => turn.next_due.map_or(latest, |due| due.min(latest)),
            Err(error) => {
                tracing::error!(%error, "nothing is dialed while the database does not take facts");
                self.clock.steady() + RETRY_AFTER
            }
        }
    }

    async fn wait_for_work(&mut self, next_due: Instant) {
        tokio::select! {
            () = self.clock.sleep_until(next_due) => {}
            changed = self.changes.changed() => {
                self.plan_at = Some(self.clock.now());
                if changed.is_err() {
                    // The store is closed; wait for the stop that follows.
                    std::future::pending::<()>().await;
                }
            }
            Some(report) = self.reports.recv() => self.take_in(report),
        }
    }

    /// No new dials; live calls get `grace` to end, then are hung up.
    async fn drain(&mut self, grace: TimeDelta) {
        self.is_stopping = true;
        let end = self.clock.steady() + grace;
        self.drain_until(end).await;
        for call_id in self.live.keys().copied().collect::<Vec<_>>() {
            self.apply(call_id, |call, now| call.cancel(now));
        }
        self.drain_until(self.clock.steady() + LAST_WAIT).await;
        let (steady, shift) = (self.clock.steady(), self.shift());
        for (call_id, live) in std::mem::take(&mut self.live) {
            let ending = live.call.interrupted(steady).shifted(shift);
            self.facts.push(Fact::Ended { call_id, ending, timeline: live.call.timeline(shift) });
        }
        self.deadlines.clear();
        self.turn_or_retry().await;
    }

    async fn drain_until(&mut self, end: Instant) {
        while !self.live.is_empty() && self.clock.steady() < end {
            let next_due = self.turn_or_retry().await.min(end);
            tokio::select! {
                () = self.clock.sleep_until(next_due) => {}
                Some(report) = self.reports.recv() => self.take_in(report),
            }
        }
    }

    /// Takes in what was reported and what time has brought, writes it down, and places what is due. On an
    /// error nothing was placed and nothing is forgotten: the next turn writes it again.
    pub async fn turn(&mut self) -> Result<Turn, StoreError> {
        let mut did = 0;
        while let Ok(report) = self.reports.try_recv() {
            self.take_in(report);
            did += 1;
        }
        did += self.let_time_pass();
        let now = self.clock.now();
        if self.changes.has_changed().unwrap_or(false) {
            self.changes.mark_unchanged();
            self.plan_at = Some(now);
        }
        self.look_beside(now)?;
        let distrust = self.look_at_clocks().await?;
        if !self.facts.is_empty() {
            self.plan_at = Some(now);
        }
        if self.plan_at.is_some_and(|at| at <= now) {
            did += self.write_and_dial(now, distrust.is_none()).await?;
        }
        if let Some(until) = distrust {
            self.plan_at = Some(self.plan_at.map_or(until, |at| at.max(until)));
        }
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let steady = |at: Option<Instant>| at.map(|at| at - self.shift());
        Ok(Turn {
            did,
            next_due: [deadline, steady(self.plan_at), steady(distrust)].into_iter().flatten().min(),
        })
    }

    /// How many calls are alive.
    pub fn live_calls(&self) -> usize {
        self.live.len()
    }

    fn take_in(&mut self, report: Report) {
        let Report { call_id, at, event } = report;
        if self.live.contains_key(&call_id) {
            self.apply(call_id, |call, _| call.on(event, at));
        } else if matches!(event, LegEvent::OptOutAsked | LegEvent::Digit('9')) {
            // The call is settled, but a wish not to be called again is honoured however late it comes.
            self.facts.push(Fact::OptedOutLate { call_id });
        }
    }

    /// What leads from steady to wall time at this moment.
    fn shift(&self) -> TimeDelta {
        self.clock.now() - self.clock.steady()
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
                Effect::Progress(state) => self.facts.push(Fact::Progress {
                    call_id,
                    state,
                    at: live.call.answered_at().unwrap_or(now) + shift,
                    timeline: live.call.timeline(shift),
                }),
                Effect::Ended(ending) => ended = Some(ending),
            }
        }
        if let Some(ending) = ended
            && let Some(live) = self.live.remove(&call_id)
        {
            self.deadlines.remove(&(live.deadline, call_id));
            let breaker = self.breakers.entry(live.campaign_id).or_default();
            let is_down = breaker.trips(ending.outcome, ending.ended_at);
            let (ending, timeline) = (ending.shifted(shift), live.call.timeline(shift));
            self.facts.push(Fact::Ended { call_id, ending, timeline });
            if is_down {
                self.facts.push(Fact::CarrierDown { campaign_id: live.campaign_id });
            }
        }
    }

    /// Another process, such as an import from the command line, wakes nobody here, so its commits are looked for.
    fn look_beside(&mut self, now: Instant) -> Result<(), StoreError> {
        let steady = self.clock.steady();
        if steady < self.look_beside_at {
            return Ok(());
        }
        self.look_beside_at = steady + LOOK_EVERY;
        let version = self.store.data_version()?;
        if self.seen_version.replace(version) != Some(version) {
            self.plan_at = Some(now);
        }
        Ok(())
    }

    /// Compares the clocks. While they disagree nothing is dialed; the answer is when to look again.
    async fn look_at_clocks(&mut self) -> Result<Option<Instant>, StoreError> {
        let now = self.clock.now();
        match self.guard.look(now, self.clock.monotonic()) {
            Trust::Trusted => {
                self.store.set_clock_hold(None);
                Ok(None)
            }
            Trust::Distrusted { until, is_new } => {
                let hold = Hold { reason: HoldReason::ClockJumped, until: Some(until), detail: None };
                self.store.set_clock_hold(Some(hold));
                if is_new {
                    tracing::error!(%until, "the clock jumped; nothing is dialed until it can be trusted");
                    self.store.write(move |tx| report_jump(tx, until)).await?;
                }
                Ok(Some(until))
            }
        }
    }

    /// One transaction writes the facts and claims what is due; then the carrier is asked. The gate is held all
    /// the while, so that whoever forbids dialing can wait for dials on their way.
    async fn write_and_dial(&mut self, now: Instant, is_trusted: bool) -> Result<usize, StoreError> {
        let may_dial = is_trusted && !self.is_stopping;
        let capacity = self.carrier.capacity();
        let free = capacity.channels.saturating_sub(self.live.len());
        let allowed = if may_dial { self.spacing.allowed(now, free) } else { 0 };
        let (facts, shares, carrier) = (self.facts.clone(), self.shares.clone(), self.carrier.name());
        let alive: Option<HashSet<i64>> = self.is_unsure.then(|| self.live.keys().copied().collect());
        let store = self.store.clone();
        let gate = store.dialing().await;
        self.is_unsure = true;
        let (planned, to_cancel) = store
            .write(move |tx| {
                for fact in &facts {
                    write_fact(tx, fact)?;
                }
                // Only now, so that a call that ended meanwhile gets the end it had.
                if let Some(alive) = alive {
                    tx.settle_interrupted(|call_id| !alive.contains(&call_id))?;
                }
                let to_cancel = tx.calls_to_cancel()?;
                let planned = match may_dial {
                    true => Some(plan::plan(tx, shares, allowed, carrier)?),
                    false => None,
                };
                let did =
                    !facts.is_empty() || planned.as_ref().is_some_and(|planned| !planned.dials.is_empty());
                if did && is_trusted {
                    tx.saw_time()?;
                }
                Ok::<_, StoreError>((planned, to_cancel))
            })
            .await?;
        self.is_unsure = false;
        self.facts.clear();
        let mut dialed = 0;
        self.plan_at = None;
        if let Some(Planned { dials, next_due, is_starved, shares }) = planned {
            self.shares = shares;
            self.plan_at = next_due;
            dialed = dials.len();
            for dial in dials {
                self.spacing.dialed(now);
                self.place(dial);
            }
            if is_starved && let Some(at) = self.spacing.next_at(now) {
                self.plan_at = Some(self.plan_at.map_or(at, |due| due.min(at)));
            }
        }
        drop(gate);
        for call_id in to_cancel {
            self.apply(call_id, |call, now| call.cancel(now));
        }
        Ok(dialed)
    }

    fn place(&mut self, dial: Dial) {
        let Dial { claim, campaign_id, lead_id, phone, caller_id, plan } = dial;
        let request = DialRequest {
            call_id: claim.call_id,
            lead_id,
            attempt: claim.attempt,
            phone,
            caller_id,
            ring_timeout: plan.ring_timeout,
        };
        let call = LiveCall::new(plan, self.clock.steady());
        let deadline = call.deadline();
        let leg = self.carrier.dial(request, LegEvents::new(claim.call_id, self.report_to.clone()));
        self.live.insert(claim.call_id, Live { campaign_id, call, leg, deadline });
        self.deadlines.insert((deadline, claim.call_id));
    }
}

impl Drop for Dialer {
    /// Nobody listens to these legs any more, so nobody may be left talking to.
    fn drop(&mut self) {
        for live in self.live.values_mut() {
            live.leg.command(LegCommand::HangUp);
        }
    }
}

fn write_fact(tx: &Tx, fact: &Fact) -> Result<(), StoreError> {
    match fact {
        Fact::Progress { call_id, state, at, timeline } => tx.progress(*call_id, *state, *at, timeline),
        Fact::Ended { call_id, ending, timeline } => tx.settle(*call_id, ending.clone(), Some(timeline)),
        Fact::OptedOutLate { call_id } => tx.opt_out_on_call(*call_id),
        Fact::CarrierDown { campaign_id } => carrier_down(tx, *campaign_id),
    }
}

/// Pauses a campaign whose carrier fails, and says so.
fn carrier_down(tx: &Tx, campaign_id: i64) -> Result<(), StoreError> {
    let Some(campaign) = tx.campaign(campaign_id)?.filter(|campaign| campaign.status == Status::Active)
    else {
        return Ok(());
    };
    let event = Event::error(
        &campaign,
        "carrier_down",
        "The carrier failed at least half of the last 20 calls, so the campaign was paused",
        "Check the carrier, then set the campaign to active again",
        &tx.now.timestamp_millis().to_string(),
    );
    tx.emit_once(campaign_id, &event)?;
    tx.change_status_because(&campaign, Status::Paused, "carrier_down")
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
