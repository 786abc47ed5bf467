//! Why do the leads of a campaign wait, and how many for which reason? The same reasons, in the same order, as the
//! [gate](super::gate) gives for a single lead. How they are counted is not known here.

use super::Instant;
use super::gate::{Gate, Hold, HoldReason, shown_instant};
use chrono_tz::Tz;
use serde::Serialize;

/// The open leads of a campaign that are not being called, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Those that were put aside until somebody changes something.
    pub aside: Vec<Aside>,
    /// Those in the queue, by zone.
    pub all: Vec<Group>,
    /// Those of them that are due when they are for a reason.
    pub with_reason: Vec<Group>,
}

/// Leads that were put aside for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Which rule said no.
    pub reason: HoldReason,
    /// What exactly, such as the names that are missing.
    pub detail: Option<String>,
    /// How many.
    pub leads: i64,
}

/// Leads of one zone that are all due, or all not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// None for leads that name no zone.
    pub zone: Option<Tz>,
    /// Whether their time has come.
    pub is_due: bool,
    /// How many.
    pub leads: i64,
    /// When the first of them is due.
    pub first_at: Instant,
    /// Why then.
    pub reason: Option<HoldReason>,
}

/// Why leads wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holds {
    /// Leads that are neither finished nor being called.
    pub waiting_leads: i64,
    /// Those of them that nothing holds; they are dialed as soon as the carrier has a line.
    pub ready_leads: i64,
    /// The others by reason, most leads first.
    pub holds: Vec<HoldCount>,
}

/// How many leads wait for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldCount {
    /// Which rule says no.
    pub reason: HoldReason,
    /// What exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The reason for a person.
    pub message: &'static str,
    /// How many.
    pub leads: i64,
    /// When the first of them is asked about again; none when only a change helps.
    #[serde(serialize_with = "shown_instant")]
    pub until: Option<Instant>,
}

/// Counts the reasons together.
#[derive(Default)]
struct Counter(Vec<HoldCount>);

impl Counter {
    fn add(&mut self, hold: Hold, leads: i64) {
        let Hold { reason, until, detail } = hold;
        let known = self.0.iter_mut().find(|known| known.reason == reason && known.detail == detail);
        match known {
            _ if leads <= 0 => {}
            Some(known) => {
                known.leads += leads;
                known.until = known.until.zip(until).map(|(a, b)| a.min(b)).or(known.until).or(until);
            }
            None => {
                let message = reason.sentence();
                self.0.push(HoldCount { reason, detail, message, leads, until });
            }
        }
    }
}

/// Says for every waiting lead of the gate's campaign what holds it. `standing` is what keeps the whole server from
/// dialing, where something does.
pub fn breakdown(gate: &Gate, standing: Option<Hold>, waiting: &Waiting) -> Holds {
    let aside: i64 = waiting.aside.iter().map(|aside| aside.leads).sum();
    let queued: i64 = waiting.all.iter().map(|group| group.leads).sum();
    let (mut counter, mut ready) = (Counter::default(), 0);
    if let Some(hold) = gate.state().err().or(standing) {
        counter.add(hold, aside + queued);
    } else {
        for Aside { reason, detail, leads } in &waiting.aside {
            counter.add(Hold { detail: detail.clone(), ..Hold::standing(*reason) }, *leads);
        }
        for group in &waiting.all {
            // The hours on their clocks and the limit of the day hold all of them alike.
            match gate.zone_hours(group.zone).and_then(|()| gate.daily_limit()).err() {
                Some(hold) => counter.add(hold, group.leads),
                None if group.is_due => match gate.resources() {
                    Err(hold) => counter.add(hold, group.leads),
                    Ok(()) => ready += group.leads,
                },
                None => {
                    // What the queue as a whole says of them, but for those that wait for a reason of their own.
                    let own = waiting
                        .with_reason
                        .iter()
                        .filter(|with| (with.zone, with.is_due) == (group.zone, group.is_due));
                    let mut retries = group.leads;
                    for with in own {
                        retries -= with.leads;
                        let reason = with.reason.unwrap_or(HoldReason::RetryLater);
                        counter
                            .add(Hold { until: Some(with.first_at), ..Hold::standing(reason) }, with.leads);
                    }
                    let until = Some(group.first_at);
                    counter.add(Hold { until, ..Hold::standing(HoldReason::RetryLater) }, retries);
                }
            }
        }
    }
    let mut holds = counter.0;
    holds.sort_by_key(|hold| (-hold.leads, hold.reason));
    Holds { waiting_leads: aside + queued, ready_leads: ready, holds }
}
