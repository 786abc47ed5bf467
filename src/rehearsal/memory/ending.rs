//! What came of a rehearsal: what stood in its way for how long, when it ended, and who was never called.

use super::{Memory, Placed, Playing, State, Zone};
use crate::domain::Instant;
use crate::domain::campaign::Status;
use crate::domain::gate::{Gate, HoldReason};
use crate::domain::guard::Overall;
use crate::domain::lead::LeadStatus;
use crate::domain::outcome::Outcome;
use crate::domain::rehearsal::{EXAMPLES_MAX, Hour, Limit, NeverCalled, Played, Unfinished};
use chrono_tz::Tz;
use std::collections::BTreeMap;

impl Memory<'_> {
    /// Takes note of what stands in the way from now on. `is_full`: no line is free.
    pub(in crate::rehearsal) fn tally(&self, is_full: bool) {
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
    pub(in crate::rehearsal) fn listed(&self) -> Vec<Placed> {
        self.state.borrow_mut().sums.placed.take().unwrap_or_default()
    }

    /// What came of it.
    pub(in crate::rehearsal) fn played(&self, starts_at: Instant, at_horizon: bool) -> Played {
        self.tally(false);
        let mut state = self.state.borrow_mut();
        let now = self.now.get();
        let unfinished = self.unfinished(&state, at_horizon);
        let never_called = self.never_called(&state, unfinished.as_ref().map(|(reason, _)| *reason));
        let Playing { campaign, zones, .. } = &state.campaigns[0];
        let is_called_out = campaign.status == Status::Active && zones.iter().all(Zone::is_empty);
        let zone = campaign.settings.time_zone;
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
        let finishes_at = if unfinished.is_none() { sums.finished_at.or(Some(now)) } else { None };
        Played {
            starts_at,
            finishes_at,
            called_out_at: finishes_at
                .or_else(|| is_called_out.then(|| sums.last_call_at.unwrap_or(starts_at))),
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
}
