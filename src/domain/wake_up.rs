//! When the server was away for long, or finds itself on a copy of its data, nobody is called before somebody has looked:
//! what was right when it went to sleep may not be any more, and another server may be calling the same people.
//!
//! Knows instants and counts as they come in. What was seen when, and whose data these are, is the store's.

use super::Instant;
use super::gate::{Gate, Hold, HoldReason, shown_instant};
use super::money::Money;
use crate::words;
use chrono::TimeDelta;
use chrono_tz::Tz;
use serde::Serialize;

words! {
    /// Why nobody is called before somebody has looked.
    pub enum Cause {
        /// The server was off, or its machine asleep.
        Downtime = "downtime",
        /// The clock was put forward while the server ran, or the machine slept.
        ClockJumped = "clock_jumped",
        /// The data are those of a backup.
        Restored = "restored",
        /// The data were copied, or taken to another machine.
        Copied = "copied",
    }
}

impl Cause {
    /// What happened, for a person.
    pub fn sentence(self) -> &'static str {
        match self {
            Cause::Downtime => "The server was away for longer than guard.wake_up_hours allows",
            Cause::ClockJumped => {
                "The clock jumped forward by more than guard.wake_up_hours allows, or the machine slept"
            }
            Cause::Restored => {
                "The data are those of a backup: whoever was called or said no since it was made is as before it"
            }
            Cause::Copied => {
                "The data are a copy, or were taken to another place; the server that they come from may still be calling"
            }
        }
    }
}

/// How far ahead it is shown what would be dialed.
pub const AHEAD: TimeDelta = TimeDelta::hours(1);

/// Whether so much time has passed since the last sign of life that somebody should look first.
pub fn slept_too_long(seen_at: Instant, now: Instant, longest: Option<TimeDelta>) -> bool {
    longest.is_some_and(|longest| now - seen_at > longest)
}

/// Leads of one zone that will be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// None for leads that name no zone.
    pub zone: Option<Tz>,
    /// How many.
    pub leads: i64,
    /// When the first of them is due.
    pub first_at: Instant,
}

/// What a campaign would dial within the next hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NextHour {
    /// How many leads, at most: lines and pace may let it be fewer.
    pub leads: i64,
    /// When it would begin.
    #[serde(serialize_with = "shown_instant")]
    pub first_at: Option<Instant>,
    /// What else keeps it from dialing for the whole hour.
    pub hold: Option<Hold>,
}

/// What the gate's campaign would dial within the next hour, were it let go on now. `due` are the leads that are due by then.
pub fn next_hour(gate: &Gate, due: &[Due]) -> NextHour {
    let end = gate.now + AHEAD;
    let held = |hold| NextHour { hold: Some(hold), ..NextHour::default() };
    if let Err(hold) = gate.state() {
        return held(hold);
    }
    let today = match gate.daily_limit() {
        Ok(()) => gate.campaign.settings.calls_per_day - gate.dials_today,
        Err(hold) if hold.until.is_some_and(|until| until < end) => gate.campaign.settings.calls_per_day,
        Err(hold) => return held(hold),
    };
    if let Err(hold) = gate.budget() {
        return held(hold);
    }
    match gate.spending() {
        Err(hold) if hold.until.is_none_or(|until| until >= end) => return held(hold),
        Ok(()) | Err(_) => {}
    }
    let mut next = NextHour::default();
    let mut closed: Option<Hold> = None;
    for Due { zone, leads, first_at } in due {
        let opens_at = match gate.zone_hours(*zone) {
            Ok(()) => gate.now,
            Err(hold) => {
                let opens_at = hold.until.unwrap_or(Instant::MAX_UTC);
                let is_sooner =
                    closed.as_ref().is_none_or(|known| known.until.is_none_or(|until| opens_at < until));
                if is_sooner {
                    closed = Some(hold);
                }
                opens_at
            }
        };
        let at = opens_at.max(*first_at);
        if at < end {
            next.leads += leads;
            next.first_at = Some(next.first_at.map_or(at, |first| first.min(at)));
        }
    }
    match next.leads {
        0 => held(closed.unwrap_or(Hold::standing(HoldReason::NoLeads))),
        leads => NextHour { leads: leads.min(today).min(paid(gate)), ..next },
    }
}

/// How many calls the rest of the budget pays for.
fn paid(gate: &Gate) -> i64 {
    let (settings, totals) = (&gate.campaign.settings, &gate.campaign.totals);
    match (settings.budget, settings.cost_per_call.ten_thousandths()) {
        (None, _) | (_, 0) => i64::MAX,
        (Some(budget), price) => {
            let left: Money = budget.minus_or_zero(totals.spent + totals.reserved);
            left.ten_thousandths() / price
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn only_a_pause_that_is_longer_than_allowed_is_too_long_and_none_is_where_nobody_asks() {
        let (friday, monday) = (at("2026-03-06T17:00:00Z"), at("2026-03-09T09:00:00Z"));
        let hours = |hours| Some(TimeDelta::hours(hours));
        assert!(slept_too_long(friday, monday, hours(12)));
        assert!(slept_too_long(friday, monday, hours(63)));
        assert!(!slept_too_long(friday, monday, hours(64)));
        assert!(!slept_too_long(friday, monday, None));
        assert!(!slept_too_long(monday, friday, hours(1)), "a clock that was set back is another matter");
    }
}
