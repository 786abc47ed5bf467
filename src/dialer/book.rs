//! What the engine asks of whoever keeps the facts: the database, or a copy in memory that a campaign is rehearsed on. The
//! engine decides the same on either.

use super::engine::{self, Answer, Fact};
use crate::domain::Instant;
use crate::domain::call::Plan;
use crate::domain::campaign::{Campaign, Status};
use crate::domain::event::Event;
use crate::domain::gate::{Hold, HoldReason, Number, Rules};
use crate::domain::guard::Overall;
use crate::domain::lead::{Lead, LeadStatus};
use crate::domain::phone::Phone;
use crate::domain::schedule::TimeOfDay;
use crate::store::{Claim, LeadDeletion, StoreError, Tx};
use chrono_tz::Tz;
use std::sync::Arc;

/// The facts at one fixed time. Each of these is described where the [database](Tx) answers it.
pub(crate) trait Book {
    /// The time of this transaction.
    fn now(&self) -> Instant;
    /// Runs a part that may fail without undoing the rest.
    fn part<T>(&self, run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError>;

    /// What all campaigns share.
    fn overall(&self) -> Result<Overall, StoreError>;
    /// The campaigns that may want to dial.
    fn active_campaigns(&self) -> Result<Vec<Campaign>, StoreError>;
    /// A campaign that was not deleted.
    fn campaign(&self, id: i64) -> Result<Option<Campaign>, StoreError>;
    /// What follows from the settings of a campaign.
    fn rules(&self, campaign: &Campaign) -> Arc<Rules>;
    /// Dials on the campaign's present local date.
    fn dials_today(&self, campaign: &Campaign) -> Result<i64, StoreError>;

    /// The time zones of the leads that wait.
    fn zones_waiting(&self, campaign_id: i64) -> Result<Vec<String>, StoreError>;
    /// When the first waiting lead of a zone is due that is due later than `after`.
    fn first_due_at(
        &self,
        campaign_id: i64,
        zone: &str,
        after: Instant,
    ) -> Result<Option<Instant>, StoreError>;
    /// The call-backs of one zone that are due.
    fn call_backs_due(&self, campaign_id: i64, zone: &str, limit: usize) -> Result<Vec<Lead>, StoreError>;
    /// The leads of one zone that are due and best reached about this time of theirs.
    fn preferred_due(
        &self,
        campaign_id: i64,
        zone: &str,
        local: TimeOfDay,
        limit: usize,
    ) -> Result<Vec<Lead>, StoreError>;
    /// The leads of one zone that are due.
    fn due_leads(&self, campaign_id: i64, zone: &str, limit: usize) -> Result<Vec<Lead>, StoreError>;
    /// Whether the import that brought a lead was undone.
    fn is_undone(&self, lead: &Lead) -> Result<bool, StoreError>;
    /// What there is to know about a number before it is dialed.
    fn number(&self, phone: Phone) -> Result<Number, StoreError>;
    /// The plan of a call without what may not be done.
    fn guarded(&self, plan: Plan) -> Plan;
    /// An uploaded prompt.
    fn prompt_sound(&self, campaign_id: i64, id: i64) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// Writes down a dial.
    fn claim(
        &self,
        campaign: &mut Campaign,
        lead: &Lead,
        zones: &[Tz],
        carrier: &str,
    ) -> Result<Claim, StoreError>;
    /// Finishes a lead without a call.
    fn finish_lead(&self, lead: &Lead, status: LeadStatus) -> Result<(), StoreError>;
    /// Lets a lead wait.
    fn postpone_lead(&self, lead: &Lead, until: Instant, reason: HoldReason) -> Result<(), StoreError>;
    /// Puts a lead aside.
    fn hold_lead(&self, lead: &Lead, hold: &Hold) -> Result<(), StoreError>;
    /// Takes a lead away.
    fn delete_lead(&self, id: i64) -> Result<LeadDeletion, StoreError>;
    /// Puts leads that were set aside back into the queue; true when there may be more.
    fn release_held_leads(&self, campaign_id: i64, limit: usize) -> Result<bool, StoreError>;
    /// The server itself changes the status.
    fn change_status_because(&self, campaign: &Campaign, to: Status, reason: &str) -> Result<(), StoreError>;
    /// Tells an event, once.
    fn emit_once(&self, campaign_id: i64, event: &Event) -> Result<(), StoreError>;
    /// A whole campaign is looked at and not dialed, because of this.
    fn is_held(&self, _campaign_id: i64, _reason: HoldReason) {}

    /// Writes down what became of a call. The answer is what a call is told of it.
    fn write(&self, fact: &Fact) -> Result<Option<(i64, Answer)>, StoreError>;
    /// Calls that are alive and should not be.
    fn calls_to_cancel(&self) -> Result<Vec<i64>, StoreError>;
}

impl Book for Tx<'_> {
    fn now(&self) -> Instant {
        self.now
    }

    fn part<T>(&self, run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        Tx::part(self, run)
    }

    fn overall(&self) -> Result<Overall, StoreError> {
        (**self).overall()
    }

    fn active_campaigns(&self) -> Result<Vec<Campaign>, StoreError> {
        (**self).active_campaigns()
    }

    fn campaign(&self, id: i64) -> Result<Option<Campaign>, StoreError> {
        (**self).campaign(id)
    }

    fn rules(&self, campaign: &Campaign) -> Arc<Rules> {
        Rules::of(campaign)
    }

    fn dials_today(&self, campaign: &Campaign) -> Result<i64, StoreError> {
        (**self).dials_today(campaign)
    }

    fn zones_waiting(&self, campaign_id: i64) -> Result<Vec<String>, StoreError> {
        (**self).zones_waiting(campaign_id)
    }

    fn first_due_at(
        &self,
        campaign_id: i64,
        zone: &str,
        after: Instant,
    ) -> Result<Option<Instant>, StoreError> {
        (**self).first_due_at(campaign_id, zone, after)
    }

    fn call_backs_due(&self, campaign_id: i64, zone: &str, limit: usize) -> Result<Vec<Lead>, StoreError> {
        (**self).call_backs_due(campaign_id, zone, limit)
    }

    fn preferred_due(
        &self,
        campaign_id: i64,
        zone: &str,
        local: TimeOfDay,
        limit: usize,
    ) -> Result<Vec<Lead>, StoreError> {
        (**self).preferred_due(campaign_id, zone, local, limit)
    }

    fn due_leads(&self, campaign_id: i64, zone: &str, limit: usize) -> Result<Vec<Lead>, StoreError> {
        (**self).due_leads(campaign_id, zone, limit)
    }

    fn is_undone(&self, lead: &Lead) -> Result<bool, StoreError> {
        (**self).is_undone(lead)
    }

    fn number(&self, phone: Phone) -> Result<Number, StoreError> {
        (**self).number(phone)
    }

    fn guarded(&self, mut plan: Plan) -> Plan {
        // Where nobody may be called, nobody is put through to either.
        plan.transfer_to = plan.transfer_to.filter(|to| self.guard().refusal(*to).is_none());
        plan
    }

    fn prompt_sound(&self, campaign_id: i64, id: i64) -> Result<Option<Arc<[u8]>>, StoreError> {
        (**self).prompt_sound(campaign_id, id)
    }

    fn claim(
        &self,
        campaign: &mut Campaign,
        lead: &Lead,
        zones: &[Tz],
        carrier: &str,
    ) -> Result<Claim, StoreError> {
        Tx::claim(self, campaign, lead, zones, carrier)
    }

    fn finish_lead(&self, lead: &Lead, status: LeadStatus) -> Result<(), StoreError> {
        Tx::finish_lead(self, lead, status)
    }

    fn postpone_lead(&self, lead: &Lead, until: Instant, reason: HoldReason) -> Result<(), StoreError> {
        Tx::postpone_lead(self, lead, until, reason)
    }

    fn hold_lead(&self, lead: &Lead, hold: &Hold) -> Result<(), StoreError> {
        Tx::hold_lead(self, lead, hold)
    }

    fn delete_lead(&self, id: i64) -> Result<LeadDeletion, StoreError> {
        Tx::delete_lead(self, id)
    }

    fn release_held_leads(&self, campaign_id: i64, limit: usize) -> Result<bool, StoreError> {
        Tx::release_held_leads(self, campaign_id, limit)
    }

    fn change_status_because(&self, campaign: &Campaign, to: Status, reason: &str) -> Result<(), StoreError> {
        Tx::change_status_because(self, campaign, to, reason)
    }

    fn emit_once(&self, campaign_id: i64, event: &Event) -> Result<(), StoreError> {
        Tx::emit_once(self, campaign_id, event)
    }

    fn write(&self, fact: &Fact) -> Result<Option<(i64, Answer)>, StoreError> {
        engine::write_fact(self, fact)
    }

    fn calls_to_cancel(&self) -> Result<Vec<i64>, StoreError> {
        (**self).calls_to_cancel()
    }
}
