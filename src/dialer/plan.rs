//! Which leads are dialed now? Asks the gate about each in turn, inside one transaction, and claims those that
//! nothing objects to. Decides nothing itself and never talks to a carrier.

use super::book::Book;
use crate::carrier::Recorded;
use crate::domain::Instant;
use crate::domain::call::Plan;
use crate::domain::campaign::{Campaign, LeadTimeZonePolicy, Status};
use crate::domain::event::Event;
use crate::domain::gate::{Gate, Hold, HoldReason, Rules};
use crate::domain::guard::{Agents, Overall};
use crate::domain::lead::{Lead, LeadStatus};
use crate::domain::other_call::{self, Absent, Filling, OtherCall, Turned};
use crate::domain::pacing::Shares;
use crate::domain::phone::Phone;
use crate::domain::schedule::{self, TimeOfDay};
use crate::domain::script_preview::Values;
use crate::store::{Claim, NewIncoming, StoreError, Tx};
use chrono::TimeDelta;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// A claimed call and all that is needed to place it.
pub(super) struct Dial {
    pub(super) claim: Claim,
    /// Whose carrier this tells of; none for a call that a person asked for.
    pub(super) campaign_id: Option<i64>,
    pub(super) lead_id: i64,
    pub(super) phone: Phone,
    pub(super) caller_id: Option<Phone>,
    pub(super) plan: Plan,
    pub(super) recorded: Vec<Recorded>,
}

/// What a look at all campaigns gave.
pub(super) struct Planned {
    pub(super) dials: Vec<Dial>,
    /// When something may be due that is not due now; none when only a change makes it so.
    pub(super) next_due: Option<Instant>,
    /// Somebody still wanted to dial when the capacity was used up.
    pub(super) is_starved: bool,
    pub(super) shares: Shares,
    /// The campaigns that are active.
    pub(super) active: HashSet<i64>,
}

/// Leads looked at in one transaction, so that nobody else waits long for the database.
const LOOKS_MAX: usize = 1_000;
/// Leads fetched at a time per campaign and zone, at most.
const FETCH_MAX: usize = 32;

/// One campaign that may dial now, with the next leads of its queue.
struct Candidate {
    campaign: Campaign,
    rules: Arc<Rules>,
    dials_today: i64,
    leads: VecDeque<Lead>,
    is_exhausted: bool,
}

/// What is dialed first has the lowest rank: call-backs that were arranged, then by priority those whose preferred time
/// it is, then those that have waited longest.
type Rank = (bool, i64, bool, Option<Instant>, i64);

fn rank(lead: &Lead, local: TimeOfDay) -> Rank {
    let is_call_back = lead.wait_reason == Some(HoldReason::CallBack);
    (!is_call_back, -lead.about.priority, !lead.about.prefers(local), lead.next_call_at, lead.id)
}

struct Planner<'t, B> {
    tx: &'t B,
    carrier: &'static str,
    /// With what is claimed here.
    overall: Overall,
    looks: usize,
    /// Calls that may still be claimed.
    left: usize,
    next_due: Option<Instant>,
    /// Of prompts, by their ids.
    sounds: HashMap<i64, Arc<[u8]>>,
}

/// Claims up to `capacity` calls, shared among the campaigns by their priority.
pub(super) fn plan(
    tx: &Tx,
    shares: Shares,
    capacity: usize,
    carrier: &'static str,
    agents: Agents,
) -> Result<Planned, StoreError> {
    let mut planner = Planner::new(tx, capacity, carrier, agents)?;
    // Whoever asked for a call by hand waits for it.
    let (dials, is_waiting) = planner.trials()?;
    planner.leads(shares, dials, is_waiting)
}

/// The same where nobody asks for a call by hand.
pub(super) fn plan_leads(
    book: &impl Book,
    shares: Shares,
    capacity: usize,
    carrier: &'static str,
    agents: Agents,
) -> Result<Planned, StoreError> {
    Planner::new(book, capacity, carrier, agents)?.leads(shares, Vec::new(), false)
}

impl Planner<'_, Tx<'_>> {
    /// The test calls that have a line, and whether others wait for one. What stands in the way of one ends it: nobody
    /// waits longer than they would stay beside the phone.
    fn trials(&mut self) -> Result<(Vec<Dial>, bool), StoreError> {
        let (mut dials, mut is_waiting) = (Vec::new(), false);
        for trial in self.tx.trials_waiting()? {
            match self.trial(&trial)? {
                Ok(Some(dial)) => dials.push(dial),
                Ok(None) => is_waiting = true,
                Err(why) => {
                    self.tx.settle_other(trial.id, other_call::not_placed(why, self.tx.now), None)?;
                }
            }
        }
        Ok((dials, is_waiting))
    }

    /// A test call: placed, or waiting, or why it is not to be.
    fn trial(&mut self, trial: &OtherCall) -> Result<Result<Option<Dial>, String>, StoreError> {
        let (Some(campaign), Some(phone)) = (self.tx.campaign(trial.campaign_id)?, trial.phone) else {
            return Ok(Err("The campaign was deleted before this call was placed".into()));
        };
        if trial.hung_up_by.is_some() {
            return Ok(Err("It was taken back before it was placed".into()));
        }
        // Whoever asked while nobody's phone rang must not make one ring, nor the other way round.
        if trial.carrier != self.carrier {
            return Ok(Err("Another carrier took over before it was placed; ask again".into()));
        }
        let lead = trial.lead_id.map(|id| self.tx.lead(id)).transpose()?.flatten();
        let values = Values::read(&trial.variables).unwrap_or_default();
        let gate = Gate::new(&campaign, 0, self.overall, self.tx.now);
        let filling = Filling::of_test(&values, lead.as_ref().map(|lead| &lead.about));
        let plan = match gate.trial(filling, self.tx.number(phone)?) {
            Ok(plan) => plan,
            Err(hold) => return Ok(Err(other_call::refusal(&hold))),
        };
        let until = trial.asked_at + other_call::LINE_WAIT;
        // Also when a line is free now: nobody looked for one while the server stood still, and whoever asked has gone.
        if self.tx.now >= until {
            return Ok(Err(format!(
                "No line was free within {} seconds",
                other_call::LINE_WAIT.num_seconds()
            )));
        }
        if self.left == 0 {
            self.due(until);
            return Ok(Ok(None));
        }
        self.tx.place_trial(trial.id, self.carrier)?;
        self.left -= 1;
        self.take_seat(&plan);
        Ok(Ok(Some(Dial {
            claim: Claim { call_id: other_call::key(trial.id), attempt: 1 },
            campaign_id: None,
            lead_id: trial.lead_id.unwrap_or_default(),
            phone,
            caller_id: campaign.settings.caller_id,
            recorded: self.recorded(campaign.id, &plan.prompts)?,
            plan: self.tx.guarded(plan),
        })))
    }
}

impl<'t, B: Book> Planner<'t, B> {
    fn new(
        tx: &'t B,
        capacity: usize,
        carrier: &'static str,
        agents: Agents,
    ) -> Result<Planner<'t, B>, StoreError> {
        Ok(Planner {
            tx,
            carrier,
            overall: Overall { agents, ..tx.overall()? },
            looks: 0,
            left: capacity,
            next_due: None,
            sounds: HashMap::new(),
        })
    }

    /// The leads that are dialed, after what is dialed already.
    fn leads(
        mut self,
        mut shares: Shares,
        mut dials: Vec<Dial>,
        is_waiting: bool,
    ) -> Result<Planned, StoreError> {
        let tx = self.tx;
        let mut candidates = Vec::new();
        let mut active = HashSet::new();
        for campaign in tx.active_campaigns()? {
            active.insert(campaign.id);
            match tx.part(|| self.may_dial(&campaign)) {
                Ok(Some((rules, dials_today))) => {
                    let leads = VecDeque::new();
                    candidates.push(Candidate { campaign, rules, dials_today, leads, is_exhausted: false });
                }
                Ok(None) => {}
                Err(error) => self.set_aside(&campaign, error)?,
            }
        }
        shares.keep(|id| active.contains(&id));
        while self.left > 0 && self.looks < LOOKS_MAX {
            let wanting = candidates.iter().filter(|candidate| !candidate.is_exhausted);
            let Some(chosen) = shares.next(wanting.map(|candidate| candidate.campaign.id)) else { break };
            let candidate = candidates.iter_mut().find(|candidate| candidate.campaign.id == chosen);
            let Some(candidate) = candidate else { break };
            let looks = self.looks;
            let found = tx.part(|| self.next_dial(candidate));
            if self.looks > looks {
                // Looking costs a share as well, so that a queue full of leads that may not be dialed blocks nobody.
                shares.granted(chosen, candidate.campaign.settings.priority.weight());
            }
            match found {
                Ok(dial) => {
                    self.left -= usize::from(dial.is_some());
                    dials.extend(dial);
                }
                Err(error) => {
                    candidate.is_exhausted = true;
                    self.set_aside(&candidate.campaign, error)?;
                }
            }
        }
        let is_starved = is_waiting || candidates.iter().any(|candidate| !candidate.is_exhausted);
        if self.looks >= LOOKS_MAX {
            self.due(tx.now());
        }
        Ok(Planned { dials, next_due: self.next_due, is_starved, shares, active })
    }

    fn due(&mut self, at: Instant) {
        self.next_due = Some(self.next_due.map_or(at, |due| due.min(at)));
    }

    /// Looks at a campaign as a whole: completes it at its end date, releases what an edit set free, and asks
    /// whether it may dial at all. Then the answer is its rules, and its dials of today.
    fn may_dial(&mut self, campaign: &Campaign) -> Result<Option<(Arc<Rules>, i64)>, StoreError> {
        match campaign.settings.end_date {
            Some(end) if self.tx.now() >= end => {
                self.tx.change_status_because(campaign, Status::Completed, "end_date")?;
                return Ok(None);
            }
            Some(end) => self.due(end),
            None => {}
        }
        if campaign.has_stale_holds && self.tx.release_held_leads(campaign.id, LOOKS_MAX)? {
            // Nobody is looked at before all are released, or the same ones would be put aside again.
            self.due(self.tx.now());
            return Ok(None);
        }
        let (rules, dials_today) = (self.tx.rules(campaign), self.tx.dials_today(campaign)?);
        let gate = Gate::with(rules.clone(), campaign, dials_today, self.overall, self.tx.now());
        if let Err(hold) = gate.campaign() {
            self.tx.is_held(campaign.id, hold.reason);
            self.wait(&hold);
            return Ok(None);
        }
        Ok(Some((rules, dials_today)))
    }

    /// A campaign that cannot be planned must not keep the others from dialing: it is told of the error and tried
    /// again later. A fault of the database itself stops the turn.
    fn set_aside(&mut self, campaign: &Campaign, error: StoreError) -> Result<(), StoreError> {
        let StoreError::Failed(cause) = error else { return Err(error) };
        tracing::error!(campaign = campaign.id, %cause, "a campaign cannot be dialed");
        let event = Event::error(
            campaign,
            "dialing_failed",
            "The campaign cannot be dialed because of a fault of the server",
            "Look at the server's log, and report the fault",
            &schedule::local_date(self.tx.now(), campaign.settings.time_zone).to_string(),
        );
        self.tx.emit_once(campaign.id, &event)?;
        self.due(self.tx.now() + TimeDelta::minutes(1));
        Ok(())
    }

    fn wait(&mut self, hold: &Hold) {
        if let Some(until) = hold.until {
            self.due(until);
        }
    }

    /// Fetches the next due leads of every zone whose hours are open.
    fn fetch(&mut self, candidate: &mut Candidate) -> Result<(), StoreError> {
        let Candidate { campaign, rules, dials_today, .. } = &*candidate;
        let gate = Gate::with(rules.clone(), campaign, *dials_today, self.overall, self.tx.now());
        let wanted = self.left.clamp(1, FETCH_MAX);
        let mut due = Vec::new();
        for name in self.tx.zones_waiting(campaign.id)? {
            if let Some(at) = self.tx.first_due_at(campaign.id, &name, self.tx.now())? {
                self.due(at);
            }
            // Leads that name no zone are asked one by one: their numbers may know.
            let own_hours = match campaign.settings.lead_time_zone_policy {
                LeadTimeZonePolicy::Lead => name.parse().map_or(Ok(()), |zone| gate.hours(&[zone])),
                LeadTimeZonePolicy::Campaign => Ok(()),
            };
            if let Err(hold) = own_hours {
                self.wait(&hold);
                continue;
            }
            // On the clocks of a lead that names no zone, the campaign's stand for its own.
            let local = TimeOfDay::at(self.tx.now(), name.parse().unwrap_or(campaign.settings.time_zone));
            let call_backs = self.tx.call_backs_due(campaign.id, &name, wanted)?;
            let preferred = self.tx.preferred_due(campaign.id, &name, local, wanted)?;
            let longest_waiting = self.tx.due_leads(campaign.id, &name, wanted)?;
            let found = [call_backs, preferred, longest_waiting].into_iter().flatten();
            due.extend(found.map(|lead| (rank(&lead, local), lead)));
        }
        if due.is_empty() {
            candidate.is_exhausted = true;
            return Ok(());
        }
        due.sort_by_key(|(rank, _)| *rank);
        // A lead may be found in several ways, and must be dialed in one.
        due.dedup_by_key(|(_, lead)| lead.id);
        candidate.leads = due.into_iter().map(|(_, lead)| lead).collect();
        Ok(())
    }

    /// Takes leads from the candidate's queue until one may be dialed; puts aside those that may not.
    fn next_dial(&mut self, candidate: &mut Candidate) -> Result<Option<Dial>, StoreError> {
        for _ in 0..FETCH_MAX {
            let Some(lead) = candidate.leads.pop_front() else {
                self.fetch(candidate)?;
                if candidate.is_exhausted {
                    return Ok(None);
                }
                continue;
            };
            self.looks += 1;
            // An import that was undone takes its leads along, also those that are not gone yet.
            if self.tx.is_undone(&lead)? {
                self.tx.delete_lead(lead.id)?;
                continue;
            }
            let Candidate { campaign, rules, dials_today, .. } = &*candidate;
            let gate = Gate::with(rules.clone(), campaign, *dials_today, self.overall, self.tx.now());
            match gate.lead(&lead, self.tx.number(lead.about.phone)?) {
                Ok(plan) => return self.claim(candidate, lead, plan).map(Some),
                Err(hold) => self.put_aside(candidate, &lead, hold)?,
            }
            if candidate.is_exhausted {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// A call on which an agent may talk needs one as long as it lives.
    fn take_seat(&mut self, plan: &Plan) {
        let taken = usize::from(plan.agent.is_some());
        self.overall.agents.free = self.overall.agents.free.saturating_sub(taken);
    }

    fn claim(&mut self, candidate: &mut Candidate, lead: Lead, plan: Plan) -> Result<Dial, StoreError> {
        let recorded = self.recorded(candidate.campaign.id, &plan.prompts)?;
        let Candidate { campaign, rules, dials_today, .. } = &*candidate;
        let gate = Gate::with(rules.clone(), campaign, *dials_today, self.overall, self.tx.now());
        let zones = gate.zones_of(lead.about.time_zone, lead.about.phone);
        let campaign = &mut candidate.campaign;
        let claim = self.tx.claim(campaign, &lead, &zones, self.carrier)?;
        candidate.dials_today += 1;
        self.take_seat(&plan);
        self.overall.money = self.overall.money + campaign.settings.cost_per_call;
        Ok(Dial {
            claim,
            campaign_id: Some(campaign.id),
            lead_id: lead.id,
            phone: lead.about.phone,
            caller_id: campaign.settings.caller_id,
            plan: self.tx.guarded(plan),
            recorded,
        })
    }

    /// The sounds of prompts, each read once.
    fn recorded(&mut self, campaign_id: i64, prompts: &[(i64, String)]) -> Result<Vec<Recorded>, StoreError> {
        recorded(self.tx, campaign_id, prompts, &mut self.sounds)
    }

    /// What a hold means for the queue: the lead goes, or the whole campaign waits.
    fn put_aside(&mut self, candidate: &mut Candidate, lead: &Lead, hold: Hold) -> Result<(), StoreError> {
        match hold.reason {
            HoldReason::DoNotCall => self.tx.finish_lead(lead, LeadStatus::DoNotCall),
            HoldReason::AttemptsUsedUp => self.tx.finish_lead(lead, LeadStatus::Failed),
            HoldReason::NumberInCall | HoldReason::CalledTooOften => {
                let until = hold.until.unwrap_or(self.tx.now());
                self.due(until);
                self.tx.postpone_lead(lead, until, hold.reason)
            }
            HoldReason::MissingVariable
            | HoldReason::ScriptTooLong
            | HoldReason::TimeZoneUnknown
            | HoldReason::CountryNotAllowed
            | HoldReason::NumberRefused => self.tx.hold_lead(lead, &hold),
            // Asked by its number alone: the lead waits, not its campaign. No longer than an hour, should the hours
            // be edited meanwhile.
            HoldReason::OutsideCallingHours | HoldReason::ScheduleEnded if lead.about.time_zone.is_none() => {
                let latest = self.tx.now() + TimeDelta::hours(1);
                let until = hold.until.map_or(latest, |until| until.min(latest));
                self.due(until);
                self.tx.postpone_lead(lead, until, hold.reason)
            }
            HoldReason::Draft
            | HoldReason::Paused
            | HoldReason::CarrierDown
            | HoldReason::CarrierRefused
            | HoldReason::Completed
            | HoldReason::Inbound
            | HoldReason::ClockJumped
            | HoldReason::NoLeads
            | HoldReason::Finished
            | HoldReason::InProgress
            | HoldReason::NotStarted
            | HoldReason::ScheduleEnded
            | HoldReason::OutsideCallingHours
            | HoldReason::DailyLimit
            | HoldReason::RetryLater
            | HoldReason::CallBack
            | HoldReason::DialingStopped
            | HoldReason::WokeUp
            | HoldReason::SpendingLimit
            | HoldReason::Budget
            | HoldReason::AllLinesBusy
            | HoldReason::AgentBusy
            | HoldReason::AgentMissing
            | HoldReason::AgentFailed => {
                candidate.is_exhausted = true;
                self.tx.is_held(candidate.campaign.id, hold.reason);
                self.wait(&hold);
                Ok(())
            }
        }
    }
}

/// The sounds of prompts; each is read once and then known.
fn recorded(
    tx: &impl Book,
    campaign_id: i64,
    prompts: &[(i64, String)],
    known: &mut HashMap<i64, Arc<[u8]>>,
) -> Result<Vec<Recorded>, StoreError> {
    let mut recorded = Vec::new();
    for (id, text) in prompts {
        let sound = match known.get(id) {
            Some(sound) => Some(sound.clone()),
            None => tx.prompt_sound(campaign_id, *id)?,
        };
        if let Some(sound) = sound {
            known.insert(*id, sound.clone());
            recorded.push(Recorded { text: text.clone(), sound });
        }
    }
    Ok(recorded)
}

/// Somebody who calls us and is written down.
pub(super) struct Guest {
    pub(super) call_id: i64,
    pub(super) lead_id: Option<i64>,
    pub(super) called: Phone,
    pub(super) plan: Plan,
    pub(super) recorded: Vec<Recorded>,
}

/// Takes somebody who calls one of these numbers, or says why not.
pub(super) fn receive(
    tx: &Tx,
    called: &[Phone],
    caller: Option<Phone>,
    carrier: &'static str,
    agents: &mut Agents,
) -> Result<Result<Guest, Turned>, StoreError> {
    let mut found = None;
    for number in called {
        if let Some(campaign) = tx.campaign_called(*number)?.map(|id| tx.campaign(id)).transpose()?.flatten()
        {
            found = Some((*number, campaign));
            break;
        }
    }
    let Some((called, campaign)) = found else { return Ok(Err(Turned::NoSuchNumber)) };
    if campaign.status != Status::Active {
        return Ok(Err(Turned::NotNow));
    }
    if tx.incoming_alive(campaign.id)? >= campaign.settings.max_concurrent_calls {
        return Ok(Err(Turned::Busy));
    }
    let lead_id = caller.map(|caller| tx.lead_who_calls(campaign.id, caller)).transpose()?.flatten();
    let lead = lead_id.map(|id| tx.lead(id)).transpose()?.flatten();
    let overall = Overall { agents: *agents, ..Overall::default() };
    let (values, gate) = (Values::default(), Gate::new(&campaign, 0, overall, tx.now));
    let about = lead.as_ref().map(|lead| &lead.about);
    let filling = Filling { values: &values, lead: about, absent: Absent::LeftOut };
    let may_call_back = tx.call_back_for(lead_id, caller)?.is_ok();
    let plan = match gate.reception(filling, may_call_back) {
        Ok(plan) => tx.guarded(Plan { is_anonymous: caller.is_none(), ..plan }),
        Err(Hold { reason: HoldReason::AgentBusy, .. }) => return Ok(Err(Turned::Busy)),
        Err(_) => return Ok(Err(Turned::NotNow)),
    };
    agents.free = agents.free.saturating_sub(usize::from(plan.agent.is_some()));
    let call = NewIncoming { campaign_id: campaign.id, lead_id, caller, carrier };
    let call_id = other_call::key(tx.insert_incoming(&call)?);
    let recorded = recorded(tx, campaign.id, &plan.prompts, &mut HashMap::new())?;
    Ok(Ok(Guest { call_id, lead_id, called, plan, recorded }))
}
