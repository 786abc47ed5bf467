//! The facts of a rehearsal, in memory: what the database would hold if the calls were real, and the sums that are asked for in
//! the end. It decides nothing: what follows from a call is said by the domain, as it is to the database.

mod book;
mod ending;

use super::copy::{Copy, Known, Place};
use crate::domain::Instant;
use crate::domain::call::{self, Call, Ending, Tried};
use crate::domain::campaign::{Campaign, Status};
use crate::domain::gate::HoldReason;
use crate::domain::guard;
use crate::domain::lead::{Lead, LeadStatus};
use crate::domain::money::Money;
use crate::domain::outcome::{Category, Outcome};
use crate::domain::rehearsal::{Day, Limit};
use crate::domain::schedule::TimeOfDay;
use crate::store::StoreError;
use chrono::{DateTime, NaiveDate, Timelike};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};

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
            held: lead.held,
            is_called: lead.attempts > 0,
            is_reached: false,
        });
        let mut state = State {
            campaigns: campaigns.collect(),
            index_of: copy.campaigns.iter().enumerate().map(|(at, part)| (part.campaign.id, at)).collect(),
            leads: leads.collect(),
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
            let Some(lead) = copy.lead_index.get(&call.lead_id).copied() else { continue };
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

    /// A lead as the database would show it.
    fn lead(&self, state: &State, at: u32) -> Lead {
        let Progress { status, outcome, attempts, next_call_at, wait_reason, .. } = state.leads[at as usize];
        Lead { status, outcome, attempts, next_call_at, wait_reason, ..self.copy.lead(at) }
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
        if let Some(at) = self.copy.lead_index.get(&lead.id).copied() {
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
        let about = &copy.leads[at as usize];
        let Place { campaign, zone, .. } = copy.places[at as usize];
        let zone = &mut self.campaigns[campaign as usize].zones[zone as usize];
        let priority = usize::from(about.priority);
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

impl Memory<'_> {
    fn ms(&self) -> i64 {
        self.now.get().timestamp_millis()
    }
}
