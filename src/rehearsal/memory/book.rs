//! What the engine asks of a rehearsal, and what it writes down, as it does with the database.

use super::{Memory, vanished, whole};
use crate::dialer::{Answer, Book, Fact, tripped};
use crate::domain::Instant;
use crate::domain::call::{Call, CallState, Plan, Written};
use crate::domain::campaign::{Campaign, Status};
use crate::domain::event::Event;
use crate::domain::gate::{Hold, HoldReason, Number, Rules};
use crate::domain::guard::{self, Overall};
use crate::domain::lead::{Lead, LeadStatus, PREFERRED_TIMES_MAX, PREFERRED_WITHIN};
use crate::domain::money::Money;
use crate::domain::phone::Phone;
use crate::domain::schedule::TimeOfDay;
use crate::store::{Claim, LeadDeletion, StoreError};
use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;
use serde_json::Value;
use std::sync::Arc;

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
        let number = *self.copy.number_of.get(&phone).ok_or_else(|| vanished("a number"))?;
        let is_in_call = state.in_call[number as usize] > 0;
        let known = &mut state.numbers[number as usize];
        let since = self.now.get() - guard::WINDOW;
        known.called.retain(|placed_at| *placed_at > since);
        let last_allowed = self.copy.guard.calls_per_number_per_day.max(1) as usize - 1;
        let before = self.copy.called(number).filter(|placed_at| *placed_at > since);
        let nth_newest = known.called.iter().rev().copied().chain(before).nth(last_allowed);
        Ok(Number {
            is_suppressed: known.is_suppressed,
            is_in_call,
            refusal: known.refusal,
            free_at: nth_newest.map(guard::free_at),
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
        let at = *self.copy.lead_index.get(&lead.id).ok_or_else(|| vanished("a lead"))?;
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
        let Some(at) = self.copy.lead_index.get(&id).copied() else { return Ok(LeadDeletion::NotFound) };
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
