//! The facts of a rehearsal, in memory: what the database would hold if the calls were real, and the sums that are asked for in
//! the end. It decides nothing: what follows from a call is said by the domain, as it is to the database.

use super::copy::{Copy, Known, Place};
use crate::dialer::{Answer, Book, Fact, tripped};
use crate::domain::Instant;
use crate::domain::call::{self, Call, CallState, Ending, Plan, Tried, Written};
use crate::domain::campaign::{Campaign, Status};
use crate::domain::event::Event;
use crate::domain::gate::{Gate, Hold, HoldReason, Number, Rules};
use crate::domain::guard::{self, Overall};
use crate::domain::lead::{Lead, LeadStatus, PREFERRED_TIMES_MAX, PREFERRED_WITHIN};
use crate::domain::money::Money;
use crate::domain::outcome::{Category, Outcome};
use crate::domain::phone::Phone;
use crate::domain::rehearsal::{Day, EXAMPLES_MAX, Hour, Limit, NeverCalled, Played, Unfinished};
use crate::domain::schedule::TimeOfDay;
use crate::store::{Claim, LeadDeletion, StoreError, read_held};
use chrono::{DateTime, NaiveDate, TimeDelta, Timelike};
use chrono_tz::Tz;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The facts on a copy.
pub(super) struct Memory<'c> {
    copy: &'c Copy,
    now: Cell<Instant>,
    state: RefCell<State>,
}

struct State {
    campaigns: Vec<Playing>,
    index_of: HashMap<i64, usize>,
    leads: Vec<Progress>,
    lead_index: HashMap<i64, u32>,
    numbers: Vec<Known>,
    in_call: Vec<u8>,
    calls: HashMap<i64, (Call, u32)>,
    last_call_id: i64,
    /// Calls that are alive although their numbers may no longer be called.
    to_cancel: BTreeSet<i64>,
    spent: BTreeMap<NaiveDate, (Money, Money)>,
    sums: Sums,
}

/// One campaign.
struct Playing {
    campaign: Campaign,
    zones: Vec<Zone>,
    dialed: HashMap<NaiveDate, i64>,
    open: i64,
    alive: i64,
}

/// The queue of one zone. Times are milliseconds, leads are places.
#[derive(Default)]
struct Zone {
    /// By priority.
    due: [BTreeSet<(i64, u32)>; 6],
    call_backs: BTreeSet<(i64, u32)>,
    /// By priority and the time of day that is preferred.
    preferred: BTreeSet<(i64, u32, i64, u32)>,
}

/// How far a lead has come.
#[derive(Clone)]
struct Progress {
    status: LeadStatus,
    outcome: Option<Outcome>,
    attempts: i64,
    next_call_at: Option<Instant>,
    wait_reason: Option<HoldReason>,
    held: Option<HoldReason>,
    is_called: bool,
    is_reached: bool,
}

/// What is asked for in the end, of the campaign that is rehearsed.
#[derive(Default)]
struct Sums {
    calls: i64,
    people_reached: i64,
    outcomes: BTreeMap<Outcome, i64>,
    cost: Money,
    per_day: BTreeMap<NaiveDate, Day>,
    per_hour: [(i64, i64); 24],
    last_call_at: Option<Instant>,
    placed: Option<Vec<Placed>>,
    /// What stands in the way now, since when, and for how long what did before.
    limit: Option<(Limit, Instant)>,
    held: Option<HoldReason>,
    bound: BTreeMap<Limit, i64>,
    out_of_money: Option<Instant>,
    finished_at: Option<Instant>,
}

/// A call of a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its lead.
    pub lead_id: i64,
    /// The how-manieth of the lead.
    pub attempt: i64,
    /// When it was dialed.
    pub placed_at: Instant,
    /// When it was over.
    pub ended_at: Instant,
    /// How it ended.
    pub outcome: Outcome,
}

impl<'c> Memory<'c> {
    /// The facts as they are on the copy. Keeps the list of all calls where one is asked for.
    pub(super) fn new(copy: &'c Copy, now: Instant, is_listed: bool) -> Memory<'c> {
        let campaigns = copy.campaigns.iter().map(|part| Playing {
            campaign: part.campaign.clone(),
            zones: part.zones.iter().map(|_| Zone::default()).collect(),
            dialed: part.dialed.iter().copied().collect(),
            open: 0,
            alive: 0,
        });
        let leads = copy.leads.iter().map(|lead| Progress {
            status: lead.status,
            outcome: lead.outcome,
            attempts: lead.attempts,
            next_call_at: None,
            wait_reason: lead.wait_reason,
            held: lead.held.as_deref().and_then(read_held).map(|(reason, _)| reason),
            is_called: lead.attempts > 0,
            is_reached: false,
        });
        let mut state = State {
            campaigns: campaigns.collect(),
            index_of: copy.campaigns.iter().enumerate().map(|(at, part)| (part.campaign.id, at)).collect(),
            leads: leads.collect(),
            lead_index: copy.leads.iter().enumerate().map(|(at, lead)| (lead.id, at as u32)).collect(),
            numbers: copy.numbers.clone(),
            in_call: vec![0; copy.numbers.len()],
            calls: HashMap::new(),
            last_call_id: 0,
            to_cancel: BTreeSet::new(),
            spent: copy.spent.iter().map(|(date, spent, reserved)| (*date, (*spent, *reserved))).collect(),
            sums: Sums { placed: is_listed.then(Vec::new), ..Sums::default() },
        };
        for (at, lead) in copy.leads.iter().enumerate() {
            state.campaigns[copy.places[at].campaign as usize].open += 1;
            if let Some(due) = lead.next_call_at {
                state.queue(copy, at as u32, due);
            }
        }
        for call in &copy.alive {
            let Some(lead) = state.lead_index.get(&call.lead_id).copied() else { continue };
            let place = copy.places[lead as usize];
            state.in_call[place.number as usize] += 1;
            state.campaigns[place.campaign as usize].alive += 1;
            state.last_call_id = state.last_call_id.max(call.id);
            state.calls.insert(call.id, (call.clone(), lead));
        }
        Memory { copy, now: Cell::new(now), state: RefCell::new(state) }
    }

    /// From now on it is later.
    pub(super) fn set_now(&self, now: Instant) {
        self.now.set(now);
    }

    /// What of the campaign is finished, from 0 to 1.
    pub(super) fn progress(&self) -> f64 {
        let state = self.state.borrow();
        let all = self.copy.leads().max(1) as f64;
        1.0 - (state.campaigns[0].open as f64 / all).clamp(0.0, 1.0)
    }

    /// Whether nothing more will happen to the campaign by itself.
    pub(super) fn is_over(&self) -> bool {
        let state = self.state.borrow();
        let Playing { campaign, zones, alive, .. } = &state.campaigns[0];
        let is_standing = matches!(state.sums.held, Some(HoldReason::Budget | HoldReason::ScheduleEnded));
        *alive == 0 && (campaign.status != Status::Active || is_standing || zones.iter().all(Zone::is_empty))
    }

    /// Takes note of what stands in the way from now on. `is_full`: no line is free.
    pub(super) fn tally(&self, is_full: bool) {
        let now = self.now.get();
        let mut state = self.state.borrow_mut();
        let limit = self.limit(&state, is_full, now);
        let sums = &mut state.sums;
        match sums.limit {
            Some((same, _)) if same == limit => {}
            Some((before, since)) => {
                *sums.bound.entry(before).or_default() += (now - since).num_milliseconds();
                sums.limit = Some((limit, now));
            }
            None => sums.limit = Some((limit, now)),
        }
    }

    fn limit(&self, state: &State, is_full: bool, now: Instant) -> Limit {
        match state.sums.held {
            Some(HoldReason::AllLinesBusy) if self.copy.is_bound_by_agents() => return Limit::Agents,
            Some(reason) => return Limit::of(reason),
            None => {}
        }
        let Playing { zones, .. } = &state.campaigns[0];
        let now = now.timestamp_millis();
        let first = zones.iter().filter_map(Zone::first).min();
        match first {
            None => Limit::LastCalls,
            Some((due, _)) if due <= now => match (is_full, self.copy.trunk.calls_per_second) {
                (true, _) => Limit::Lines,
                (false, Some(_)) if !self.is_closed_everywhere(state) => Limit::Pace,
                (false, _) => Limit::Hours,
            },
            Some((_, lead)) => match state.leads[lead as usize].wait_reason {
                Some(reason) => Limit::of(reason),
                None => Limit::Retries,
            },
        }
    }

    /// Whether the hours are closed for all who wait, on their own clocks.
    fn is_closed_everywhere(&self, state: &State) -> bool {
        let Playing { campaign, zones, .. } = &state.campaigns[0];
        let part = &self.copy.campaigns[0];
        let gate = Gate::with(part.rules.clone(), campaign, 0, Overall::default(), self.now.get());
        let names = part.zones.iter().zip(zones).filter(|(_, zone)| !zone.is_empty());
        names.map(|(name, _)| name.parse().unwrap_or(campaign.settings.time_zone)).all(|zone: Tz| {
            match campaign.settings.lead_time_zone_policy {
                crate::domain::campaign::LeadTimeZonePolicy::Lead => gate.hours(&[zone]).is_err(),
                crate::domain::campaign::LeadTimeZonePolicy::Campaign => false,
            }
        })
    }

    /// The calls in the order in which they ended, where they are listed.
    pub(super) fn listed(&self) -> Vec<Placed> {
        self.state.borrow_mut().sums.placed.take().unwrap_or_default()
    }

    /// What came of it.
    pub(super) fn played(&self, starts_at: Instant, at_horizon: bool) -> Played {
        self.tally(false);
        let mut state = self.state.borrow_mut();
        let now = self.now.get();
        let unfinished = self.unfinished(&state, at_horizon);
        let never_called = self.never_called(&state, unfinished.as_ref().map(|(reason, _)| *reason));
        let zone = state.campaigns[0].campaign.settings.time_zone;
        if let Some((limit, since)) = state.sums.limit {
            // What stands in the way for ever would leave no share to anything else.
            let until = state.sums.last_call_at.unwrap_or(since).max(since).min(now);
            *state.sums.bound.entry(limit).or_default() += (until - since).num_milliseconds();
        }
        let sums = &mut state.sums;
        let whole = sums.bound.values().sum::<i64>().max(1) as f64;
        let mut bound_by: Vec<(Limit, f64)> = sums
            .bound
            .iter()
            .map(|(limit, ms)| (*limit, (*ms as f64 / whole * 1e4).round() / 1e4))
            .filter(|(_, share)| *share > 0.0)
            .collect();
        bound_by.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut outcomes: Vec<(Outcome, i64)> =
            sums.outcomes.iter().map(|(outcome, calls)| (*outcome, *calls)).collect();
        outcomes.sort_by_key(|(outcome, calls)| (-calls, *outcome));
        let hours = sums.per_hour.iter().enumerate();
        Played {
            starts_at,
            finishes_at: if unfinished.is_none() { sums.finished_at.or(Some(now)) } else { None },
            unfinished: unfinished.map(|(_, unfinished)| unfinished),
            last_call_at: sums.last_call_at,
            calls: sums.calls,
            people_reached: sums.people_reached,
            outcomes,
            cost: sums.cost,
            budget_runs_out_on: sums.out_of_money.map(|at| at.with_timezone(&zone).date_naive()),
            per_day: std::mem::take(&mut sums.per_day).into_values().collect(),
            per_hour: hours
                .map(|(hour, (calls, answered))| Hour {
                    hour: hour as u32,
                    calls: *calls,
                    answered: *answered,
                })
                .collect(),
            bound_by,
            never_called,
        }
    }

    /// Why there are leads left to call, if there are.
    fn unfinished(&self, state: &State, at_horizon: bool) -> Option<(HoldReason, Unfinished)> {
        let Playing { campaign, open, .. } = &state.campaigns[0];
        if *open == 0 {
            return None;
        }
        let held = || {
            let own = state.leads.iter().zip(&self.copy.places).filter(|(_, place)| place.campaign == 0);
            own.filter_map(|(lead, _)| lead.held).next()
        };
        let say = |reason: HoldReason, message: String| {
            let word = crate::domain::fields::Words::word(reason);
            Some((reason, Unfinished { reason: word, message, leads: *open }))
        };
        if at_horizon {
            let message = "There are more calls left than fit into ten years".to_owned();
            return say(state.sums.held.unwrap_or(HoldReason::DailyLimit), message);
        }
        let reason = match campaign.status {
            Status::Paused if campaign.status_reason.as_deref() == Some("carrier_down") => {
                HoldReason::CarrierDown
            }
            Status::Paused => HoldReason::CarrierRefused,
            Status::Completed => HoldReason::ScheduleEnded,
            Status::Active | Status::Draft => state.sums.held.or_else(held).unwrap_or(HoldReason::NoLeads),
        };
        say(reason, reason.sentence().to_owned())
    }

    fn never_called(&self, state: &State, otherwise: Option<HoldReason>) -> NeverCalled {
        let mut never = NeverCalled::default();
        let mut reasons: BTreeMap<HoldReason, i64> = BTreeMap::new();
        let leads = state.leads.iter().zip(&self.copy.places).zip(&self.copy.leads);
        for ((lead, _), about) in leads.filter(|((lead, place), _)| place.campaign == 0 && !lead.is_called) {
            let reason = match lead.status {
                LeadStatus::DoNotCall => Some(HoldReason::DoNotCall),
                LeadStatus::Failed => Some(HoldReason::AttemptsUsedUp),
                LeadStatus::Pending | LeadStatus::Scheduled => lead.held.or(lead.wait_reason).or(otherwise),
                LeadStatus::InProgress | LeadStatus::Completed | LeadStatus::Canceled => None,
            };
            never.count += 1;
            *reasons.entry(reason.unwrap_or(HoldReason::NoLeads)).or_default() += 1;
            if never.examples.len() < EXAMPLES_MAX && about.id > 0 {
                never.examples.push(about.id);
            }
        }
        never.reasons = reasons.into_iter().collect();
        never.reasons.sort_by_key(|(reason, leads)| (-leads, *reason));
        never
    }

    /// A lead as the database would show it.
    fn lead(&self, state: &State, at: u32) -> Lead {
        let known = &self.copy.leads[at as usize];
        let Progress { status, outcome, attempts, next_call_at, wait_reason, .. } = state.leads[at as usize];
        Lead {
            about: known.about.clone(),
            status,
            outcome,
            attempts,
            next_call_at,
            wait_reason,
            held: None,
            id: known.id,
            campaign_id: known.campaign_id,
            erased_at: None,
            import_id: None,
            created_at: known.created_at,
            updated_at: known.updated_at,
        }
    }

    fn found(&self, state: &State, leads: impl Iterator<Item = u32>) -> Vec<Lead> {
        leads.map(|at| self.lead(state, at)).collect()
    }

    /// The queue of the zone with this name; none where no lead names it.
    fn queue<'s>(
        &self,
        state: &'s State,
        campaign_id: i64,
        name: &str,
    ) -> Result<Option<&'s Zone>, StoreError> {
        let at = state.place(campaign_id)?;
        let zone = self.copy.campaigns[at].zones.binary_search_by(|known| known.as_str().cmp(name));
        Ok(zone.ok().map(|zone| &state.campaigns[at].zones[zone]))
    }

    /// Ends a call with everything that follows.
    fn settle(&self, call_id: i64, ending: Ending) -> Result<(), StoreError> {
        let mut state = self.state.borrow_mut();
        let Some((call, at)) = state.calls.remove(&call_id) else { return Ok(()) };
        let place = self.copy.places[at as usize];
        state.to_cancel.remove(&call_id);
        state.in_call[place.number as usize] -= 1;
        let is_suppressed = state.numbers[place.number as usize].is_suppressed;
        let tried = Tried { attempts: state.leads[at as usize].attempts, is_suppressed };
        let playing = &mut state.campaigns[place.campaign as usize];
        playing.alive -= 1;
        let settled = call::settle(&playing.campaign, &call, tried, ending);
        playing.campaign.totals = settled.totals;
        let day = state.spent.entry(guard::day(call.placed_at)).or_default();
        *day = (day.0 + settled.cost, day.1 - call.price);
        state.move_lead(self.copy, at, settled.lead.status, settled.lead.next_call_at);
        let lead = &mut state.leads[at as usize];
        lead.outcome = Some(settled.ending.outcome);
        if settled.lead.is_call_back
            && let Some(due) = lead.next_call_at
        {
            state.unqueue(self.copy, at);
            state.leads[at as usize].wait_reason = Some(HoldReason::CallBack);
            state.queue(self.copy, at, due);
        }
        if place.campaign == 0 {
            state.count_ended(&call, at, &settled.ending, settled.cost);
        }
        if settled.ending.outcome == Outcome::OptedOut {
            state.suppress(self.copy, place.number, self.now.get());
        }
        if settled.is_last_attempt {
            state.complete_if_finished(place.campaign as usize, self.now.get());
        }
        Ok(())
    }

    fn opt_out(&self, call_id: i64) {
        let mut state = self.state.borrow_mut();
        if let Some((_, at)) = state.calls.get(&call_id) {
            let number = self.copy.places[*at as usize].number;
            state.suppress(self.copy, number, self.now.get());
        }
    }

    fn change(&self, lead: &Lead, change: impl FnOnce(&mut State, u32)) {
        let mut state = self.state.borrow_mut();
        if let Some(at) = state.lead_index.get(&lead.id).copied() {
            change(&mut state, at);
        }
    }
}

impl Zone {
    fn is_empty(&self) -> bool {
        self.due.iter().all(BTreeSet::is_empty)
    }

    /// Who is due first, and when.
    fn first(&self) -> Option<(i64, u32)> {
        self.due.iter().filter_map(|due| due.first().copied()).min()
    }
}

impl State {
    /// Where a campaign is.
    fn place(&self, campaign_id: i64) -> Result<usize, StoreError> {
        self.index_of.get(&campaign_id).copied().ok_or_else(|| vanished("a campaign"))
    }

    /// Where a lead stands in its queues.
    fn queued(&mut self, copy: &Copy, at: u32, change: impl Fn(&mut Zone, i64, usize, Option<u32>, bool)) {
        let lead = &self.leads[at as usize];
        let Some(due) = lead.next_call_at else { return };
        let is_call_back = lead.wait_reason == Some(HoldReason::CallBack);
        let about = &copy.leads[at as usize].about;
        let Place { campaign, zone, .. } = copy.places[at as usize];
        let zone = &mut self.campaigns[campaign as usize].zones[zone as usize];
        let priority = about.priority.clamp(1, 5) as usize;
        let preferred = about.best_time_to_call.map(TimeOfDay::seconds);
        change(zone, due.timestamp_millis(), priority, preferred, is_call_back);
    }

    fn queue(&mut self, copy: &Copy, at: u32, due: Instant) {
        self.leads[at as usize].next_call_at = Some(whole(due));
        self.queued(copy, at, |zone, due, priority, preferred, is_call_back| {
            zone.due[priority].insert((due, at));
            if let Some(time) = preferred {
                zone.preferred.insert((priority as i64, time, due, at));
            }
            if is_call_back {
                zone.call_backs.insert((due, at));
            }
        });
    }

    fn unqueue(&mut self, copy: &Copy, at: u32) {
        self.queued(copy, at, |zone, due, priority, preferred, is_call_back| {
            zone.due[priority].remove(&(due, at));
            if let Some(time) = preferred {
                zone.preferred.remove(&(priority as i64, time, due, at));
            }
            if is_call_back {
                zone.call_backs.remove(&(due, at));
            }
        });
        self.leads[at as usize].next_call_at = None;
    }

    /// Moves a lead to a status, with everything that goes with it.
    fn move_lead(&mut self, copy: &Copy, at: u32, to: LeadStatus, next_call_at: Option<Instant>) {
        self.unqueue(copy, at);
        let lead = &mut self.leads[at as usize];
        let closed = i64::from(lead.status.is_open()) - i64::from(to.is_open());
        (lead.status, lead.wait_reason, lead.held) = (to, None, None);
        self.campaigns[copy.places[at as usize].campaign as usize].open -= closed;
        if let Some(due) = next_call_at {
            self.queue(copy, at, due);
        }
    }

    fn complete_if_finished(&mut self, campaign: usize, now: Instant) {
        let playing = &mut self.campaigns[campaign];
        let is_running = matches!(playing.campaign.status, Status::Active | Status::Paused);
        if playing.open == 0 && is_running {
            playing.campaign.status = Status::Completed;
            playing.campaign.status_reason = Some("leads_finished".into());
            playing.campaign.version += 1;
            if campaign == 0 {
                self.sums.finished_at = Some(now);
            }
        }
    }

    /// From now on nobody may call this number.
    fn suppress(&mut self, copy: &Copy, number: u32, now: Instant) {
        self.numbers[number as usize].is_suppressed = true;
        let mut at = self.numbers[number as usize].lead;
        loop {
            let place = copy.places[at as usize];
            match self.leads[at as usize].status {
                LeadStatus::Pending | LeadStatus::Scheduled => {
                    self.move_lead(copy, at, LeadStatus::DoNotCall, None);
                    self.complete_if_finished(place.campaign as usize, now);
                }
                LeadStatus::InProgress => {
                    let alive = self.calls.iter().find(|(_, (_, lead))| *lead == at);
                    self.to_cancel.extend(alive.map(|(id, _)| *id));
                }
                LeadStatus::Completed | LeadStatus::Failed | LeadStatus::Canceled | LeadStatus::DoNotCall => {
                }
            }
            if place.same_number == at {
                return;
            }
            at = place.same_number;
        }
    }

    fn count_ended(&mut self, call: &Call, at: u32, ending: &Ending, cost: Money) {
        let zone = self.campaigns[0].campaign.settings.time_zone;
        let local = call.placed_at.with_timezone(&zone);
        let answered =
            i64::from(ending.outcome.category(ending.answered_at.is_some()) == Category::Completed);
        let sums = &mut self.sums;
        sums.calls += 1;
        *sums.outcomes.entry(ending.outcome).or_default() += 1;
        sums.cost = sums.cost + cost;
        let date = local.date_naive();
        let empty = || Day { date, calls: 0, answered: 0, cost: Money::ZERO };
        let day = sums.per_day.entry(date).or_insert_with(empty);
        day.calls += 1;
        day.answered += answered;
        day.cost = day.cost + cost;
        let hour = &mut sums.per_hour[local.hour() as usize];
        *hour = (hour.0 + 1, hour.1 + answered);
        sums.last_call_at = sums.last_call_at.max(Some(ending.ended_at));
        if ending.outcome.is_of_a_person()
            && !std::mem::replace(&mut self.leads[at as usize].is_reached, true)
        {
            sums.people_reached += 1;
        }
        if let Some(placed) = &mut sums.placed {
            placed.push(Placed {
                lead_id: call.lead_id,
                attempt: call.attempt,
                placed_at: call.placed_at,
                ended_at: whole(ending.ended_at),
                outcome: ending.outcome,
            });
        }
    }
}

/// An instant as the database keeps it, in whole milliseconds.
fn whole(at: Instant) -> Instant {
    DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at)
}

fn vanished(what: &str) -> StoreError {
    StoreError::Failed(format!("{what} of a rehearsal vanished"))
}

impl Book for Memory<'_> {
    fn now(&self) -> Instant {
        self.now.get()
    }

    /// Nothing here fails half-way.
    fn part<T>(&self, run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        run()
    }

    fn overall(&self) -> Result<Overall, StoreError> {
        let state = self.state.borrow();
        let (spent, reserved) = state.spent.get(&guard::day(self.now.get())).copied().unwrap_or_default();
        Ok(Overall {
            money: spent + reserved,
            money_max: self.copy.guard.spend_per_day,
            ..Overall::default()
        })
    }

    /// A look at the campaigns begins with this, so that what stood in the way before is told anew.
    fn active_campaigns(&self) -> Result<Vec<Campaign>, StoreError> {
        let mut state = self.state.borrow_mut();
        state.sums.held = None;
        let active = state.campaigns.iter().map(|playing| &playing.campaign);
        Ok(active.filter(|campaign| campaign.status == Status::Active).cloned().collect())
    }

    fn campaign(&self, id: i64) -> Result<Option<Campaign>, StoreError> {
        let state = self.state.borrow();
        Ok(state.index_of.get(&id).map(|at| state.campaigns[*at].campaign.clone()))
    }

    fn rules(&self, campaign: &Campaign) -> Arc<Rules> {
        let at = self.state.borrow().index_of.get(&campaign.id).copied();
        at.map_or_else(|| Rules::of(campaign), |at| self.copy.campaigns[at].rules.clone())
    }

    fn dials_today(&self, campaign: &Campaign) -> Result<i64, StoreError> {
        let state = self.state.borrow();
        let at = state.place(campaign.id)?;
        let date = self.now.get().with_timezone(&campaign.settings.time_zone).date_naive();
        Ok(state.campaigns[at].dialed.get(&date).copied().unwrap_or(0))
    }

    fn zones_waiting(&self, campaign_id: i64) -> Result<Vec<String>, StoreError> {
        let state = self.state.borrow();
        let at = state.place(campaign_id)?;
        let zones = self.copy.campaigns[at].zones.iter().zip(&state.campaigns[at].zones);
        Ok(zones.filter(|(_, zone)| !zone.is_empty()).map(|(name, _)| name.clone()).collect())
    }

    fn first_due_at(
        &self,
        campaign_id: i64,
        zone: &str,
        after: Instant,
    ) -> Result<Option<Instant>, StoreError> {
        let state = self.state.borrow();
        let Some(zone) = self.queue(&state, campaign_id, zone)? else { return Ok(None) };
        let later = (after.timestamp_millis() + 1, 0);
        let first = zone.due.iter().filter_map(|due| due.range(later..).next()).min();
        Ok(first.and_then(|(due, _)| DateTime::from_timestamp_millis(*due)))
    }

    fn call_backs_due(&self, campaign_id: i64, zone: &str, limit: usize) -> Result<Vec<Lead>, StoreError> {
        let state = self.state.borrow();
        let Some(zone) = self.queue(&state, campaign_id, zone)? else { return Ok(Vec::new()) };
        let due = zone.call_backs.range(..=(self.ms(), u32::MAX));
        Ok(self.found(&state, due.take(limit).map(|(_, lead)| *lead)))
    }

    fn preferred_due(
        &self,
        campaign_id: i64,
        zone: &str,
        local: TimeOfDay,
        limit: usize,
    ) -> Result<Vec<Lead>, StoreError> {
        let state = self.state.borrow();
        let Some(zone) = self.queue(&state, campaign_id, zone)? else { return Ok(Vec::new()) };
        let preferred = &zone.preferred;
        if preferred.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.ms();
        let (mut found, mut looks) = (Vec::new(), 0);
        for priority in (1..=5).rev() {
            for (mut from, to) in local.around(PREFERRED_WITHIN) {
                while looks < PREFERRED_TIMES_MAX && found.len() < limit && from <= to {
                    looks += 1;
                    let range = (priority, from, i64::MIN, u32::MIN)..=(priority, to, i64::MAX, u32::MAX);
                    let Some((_, time, _, _)) = preferred.range(range).next().copied() else { break };
                    let range = (priority, time, i64::MIN, u32::MIN)..=(priority, time, now, u32::MAX);
                    let left = limit - found.len();
                    found.extend(preferred.range(range).take(left).map(|(_, _, _, lead)| *lead));
                    from = time + 1;
                }
            }
        }
        Ok(self.found(&state, found.into_iter()))
    }

    fn due_leads(&self, campaign_id: i64, zone: &str, limit: usize) -> Result<Vec<Lead>, StoreError> {
        let state = self.state.borrow();
        let Some(zone) = self.queue(&state, campaign_id, zone)? else { return Ok(Vec::new()) };
        let until = (self.ms(), u32::MAX);
        let due = zone.due.iter().rev().flat_map(|due| due.range(..=until).map(|(_, lead)| *lead));
        Ok(self.found(&state, due.take(limit)))
    }

    fn is_undone(&self, _lead: &Lead) -> Result<bool, StoreError> {
        // Those of imports that were undone are not copied.
        Ok(false)
    }

    fn number(&self, phone: Phone) -> Result<Number, StoreError> {
        let mut state = self.state.borrow_mut();
        let at = *self.copy.number_of.get(&phone).ok_or_else(|| vanished("a number"))? as usize;
        let is_in_call = state.in_call[at] > 0;
        let known = &mut state.numbers[at];
        let since = self.now.get() - guard::WINDOW;
        known.called.retain(|placed_at| *placed_at > since);
        let last_allowed = self.copy.guard.calls_per_number_per_day.max(1) as usize - 1;
        let nth_newest = known.called.iter().rev().nth(last_allowed);
        Ok(Number {
            is_suppressed: known.is_suppressed,
            is_in_call,
            refusal: known.refusal,
            free_at: nth_newest.map(|placed_at| guard::free_at(*placed_at)),
        })
    }

    fn guarded(&self, plan: Plan) -> Plan {
        // How long a call lasts is known already, whatever is said on it and whoever talks.
        Plan { announcement: None, agent: None, ..plan }
    }

    fn prompt_sound(&self, _campaign_id: i64, _id: i64) -> Result<Option<Arc<[u8]>>, StoreError> {
        // Nobody hears it.
        Ok(None)
    }

    fn claim(
        &self,
        campaign: &mut Campaign,
        lead: &Lead,
        _zones: &[Tz],
        carrier: &str,
    ) -> Result<Claim, StoreError> {
        let now = self.now.get();
        let mut state = self.state.borrow_mut();
        let at = *state.lead_index.get(&lead.id).ok_or_else(|| vanished("a lead"))?;
        let place = self.copy.places[at as usize];
        state.last_call_id += 1;
        let (call_id, attempt) = (state.last_call_id, lead.attempts + 1);
        let settings = &campaign.settings;
        let call = Call {
            id: call_id,
            campaign_id: campaign.id,
            lead_id: lead.id,
            attempt,
            phone: lead.about.phone,
            carrier: carrier.to_owned(),
            state: CallState::Placed,
            outcome: None,
            successful: None,
            detail: None,
            placed_at: whole(now),
            answered_at: None,
            ended_at: None,
            price: settings.cost_per_call,
            cost: Money::ZERO,
            max_attempts: settings.max_attempts_per_lead,
            retry_delay: TimeDelta::minutes(settings.retry_delay_minutes),
            evidence: Value::Null,
            timeline: Value::Null,
            hung_up_by: None,
            call_back_at: None,
        };
        state.calls.insert(call_id, (call, at));
        state.move_lead(self.copy, at, LeadStatus::InProgress, None);
        let claimed = &mut state.leads[at as usize];
        (claimed.attempts, claimed.is_called) = (attempt, true);
        state.in_call[place.number as usize] += 1;
        state.numbers[place.number as usize].called.push(whole(now));
        let day = state.spent.entry(guard::day(now)).or_default();
        day.1 = day.1 + settings.cost_per_call;
        let date = now.with_timezone(&settings.time_zone).date_naive();
        let playing = &mut state.campaigns[place.campaign as usize];
        *playing.dialed.entry(date).or_default() += 1;
        playing.alive += 1;
        let totals = &mut campaign.totals;
        totals.attempts += 1;
        totals.in_progress_calls += 1;
        totals.reserved = totals.reserved + settings.cost_per_call;
        totals.revision += 2;
        playing.campaign.totals = totals.clone();
        Ok(Claim { call_id, attempt })
    }

    fn finish_lead(&self, lead: &Lead, status: LeadStatus) -> Result<(), StoreError> {
        let now = self.now.get();
        self.change(lead, |state, at| {
            state.move_lead(self.copy, at, status, None);
            state.complete_if_finished(self.copy.places[at as usize].campaign as usize, now);
        });
        Ok(())
    }

    fn postpone_lead(&self, lead: &Lead, until: Instant, reason: HoldReason) -> Result<(), StoreError> {
        self.change(lead, |state, at| {
            state.unqueue(self.copy, at);
            let lead = &mut state.leads[at as usize];
            let is_call_back = lead.wait_reason == Some(HoldReason::CallBack);
            lead.wait_reason = Some(if is_call_back { HoldReason::CallBack } else { reason });
            state.queue(self.copy, at, until);
        });
        Ok(())
    }

    fn hold_lead(&self, lead: &Lead, hold: &Hold) -> Result<(), StoreError> {
        self.change(lead, |state, at| {
            state.unqueue(self.copy, at);
            let lead = &mut state.leads[at as usize];
            (lead.wait_reason, lead.held) = (None, Some(hold.reason));
        });
        Ok(())
    }

    fn delete_lead(&self, id: i64) -> Result<LeadDeletion, StoreError> {
        let now = self.now.get();
        let mut state = self.state.borrow_mut();
        let Some(at) = state.lead_index.get(&id).copied() else { return Ok(LeadDeletion::NotFound) };
        state.move_lead(self.copy, at, LeadStatus::Canceled, None);
        state.complete_if_finished(self.copy.places[at as usize].campaign as usize, now);
        Ok(LeadDeletion::Deleted)
    }

    /// All at once: nobody waits for it.
    fn release_held_leads(&self, campaign_id: i64, _limit: usize) -> Result<bool, StoreError> {
        let mut state = self.state.borrow_mut();
        let campaign = state.place(campaign_id)?;
        for (at, place) in self.copy.places.iter().enumerate() {
            if place.campaign as usize == campaign && state.leads[at].held.take().is_some() {
                let again_at = self.copy.again_at.get(&self.copy.leads[at].id).copied();
                let due = again_at.map_or(self.now.get(), |again_at| again_at.max(self.now.get()));
                state.queue(self.copy, at as u32, due);
            }
        }
        state.campaigns[campaign].campaign.has_stale_holds = false;
        Ok(false)
    }

    fn change_status_because(&self, campaign: &Campaign, to: Status, reason: &str) -> Result<(), StoreError> {
        let mut state = self.state.borrow_mut();
        let at = state.place(campaign.id)?;
        let playing = &mut state.campaigns[at].campaign;
        if playing.status.change_to(to) == Ok(true) {
            (playing.status, playing.status_reason) = (to, Some(reason.to_owned()));
            playing.version += 1;
        }
        Ok(())
    }

    fn emit_once(&self, _campaign_id: i64, _event: &Event) -> Result<(), StoreError> {
        // Nobody is told of what did not happen.
        Ok(())
    }

    fn is_held(&self, campaign_id: i64, reason: HoldReason) {
        if campaign_id == self.copy.campaign().id {
            let mut state = self.state.borrow_mut();
            state.sums.held = Some(reason);
            if reason == HoldReason::Budget && state.sums.out_of_money.is_none() {
                state.sums.out_of_money = Some(self.now.get());
            }
        }
    }

    fn write(&self, fact: &Fact) -> Result<Option<(i64, Answer)>, StoreError> {
        match fact {
            Fact::Ended { call_id, ending, .. } => self.settle(*call_id, ending.clone())?,
            Fact::OptedOut { call_id } => {
                self.opt_out(*call_id);
                return Ok(Some((*call_id, Answer::OptedOut(Written::Listed))));
            }
            Fact::Tripped { campaign_id, trip, detail } => {
                tripped(self, *campaign_id, *trip, detail.as_deref())?;
            }
            // Nobody presses a key after the end here, no agent talks, and nobody asks how far a call had come.
            Fact::Progress { .. }
            | Fact::Recorded { .. }
            | Fact::PressedLate { .. }
            | Fact::CallBack { .. } => {}
        }
        Ok(None)
    }

    fn calls_to_cancel(&self) -> Result<Vec<i64>, StoreError> {
        Ok(self.state.borrow().to_cancel.iter().copied().collect())
    }
}

impl Memory<'_> {
    fn ms(&self) -> i64 {
        self.now.get().timestamp_millis()
    }
}
