//! Which hours and days to add, and how long to wait before calling again: what the calls so far say would reach more people,
//! each with what it rests on. Nothing is changed by itself.
//!
//! Only what is likely, worth it and seen often enough is suggested. Hours are compared by [what is believed](super::rates) of
//! them; delays by how many of the calls that came so long after the one before reached a person, beside how many would have
//! at those hours of the week.

use super::Instant;
use super::campaign::{Campaign, LeadTimeZonePolicy};
use super::outcome::Outcome;
use super::rates::{self, Learned, Observations, Week};
use super::schedule::{TimeOfDay, WEEK, WorkingDays};
use crate::words;
use chrono::TimeDelta;
use serde::Serialize;
use serde_json::{Value, json};

/// Worlds that are looked at.
const WORLDS: u64 = 200;
/// In how many of them, in percent, something must be better to be suggested.
const CERTAIN_PERCENT: i64 = 80;
/// By how many percent it must be better.
const WORTH_PERCENT: i64 = 10;
/// Calls that must have been seen of whatever is suggested.
const SEEN_MIN: i64 = 50;
/// Nobody is called for a suggestion before or after.
const EARLIEST: usize = 8;
const LATEST: usize = 21;
/// Hours that are added at a time.
const ADDED_MAX: usize = 3;
/// Calls at any delay are believed to be alike as if that had been seen in so many that reached somebody.
const LIKE_DELAYS: f64 = 30.0;

/// Ends of the ranges of delays that are compared, in minutes; the last has none.
const DELAYS: [i64; 6] = [0, 30, 120, 360, 1_080, 2_160];

/// A call that was not the first to its lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// The how-manieth.
    pub attempt: i64,
    /// When it was placed.
    pub placed_at: Instant,
    /// How long after the end of the one before.
    pub after: TimeDelta,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether somebody, or a machine, picked up.
    pub answered: bool,
    /// Whether it is one of the campaign itself.
    pub is_own: bool,
}

words! {
    /// What is suggested.
    pub enum Code {
        /// Call longer.
        AddHours = "add_hours",
        /// Call on another day too.
        AddDay = "add_day",
        /// Wait longer, or less long, before calling again.
        ChangeRetryDelay = "change_retry_delay",
    }
}

/// From where to where something is believed to be, in eight of ten worlds, and the middle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Range {
    /// One in ten is below.
    pub low: f64,
    /// As many below as above.
    pub middle: f64,
    /// One in ten is above.
    pub high: f64,
}

impl Range {
    fn of(mut values: Vec<f64>) -> Range {
        values.sort_by(f64::total_cmp);
        let at = |tenths: usize| {
            let nth = (values.len() * tenths / 10).min(values.len().saturating_sub(1));
            (values.get(nth).copied().unwrap_or_default() * 1_000.0).round() / 1_000.0
        };
        Range { low: at(1), middle: at(5), high: at(9) }
    }
}

/// What the calls so far say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suggestions {
    /// Whose clocks the hours are read on.
    pub time_zone: &'static str,
    /// How many calls this rests on.
    pub observations: Observations,
    /// Every hour of the day, on the working days.
    pub hours: Vec<Hour>,
    /// What came of calling again, by how long after.
    pub retry_delays: Vec<Delay>,
    /// What would reach more people, the best first.
    pub suggestions: Vec<Suggestion>,
}

/// How often calls of an hour of the day are picked up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hour {
    /// Which.
    pub hour: usize,
    /// Whether it is within the calling hours, at least partly.
    pub is_open: bool,
    /// The share that is picked up.
    pub answer_rate: Range,
    /// Calls of the campaign that were seen.
    pub own_calls: i64,
    /// Calls of its siblings.
    pub sibling_calls: i64,
}

/// What came of calling again after so long.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delay {
    /// From so many minutes on.
    pub from_minutes: i64,
    /// Shorter than this; none for however long.
    pub to_minutes: Option<i64>,
    /// Whether `retry_delay_minutes` is of these.
    pub is_current: bool,
    /// Calls that were seen.
    pub calls: i64,
    /// Those that reached a person.
    pub reached: i64,
    /// How much more often, or less, than is usual at those hours.
    pub factor: Range,
}

/// Something that would reach more people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suggestion {
    /// What it is.
    pub code: Code,
    /// A sentence for a person.
    pub message: String,
    /// The fields to change, as a PUT or a rehearsal takes them.
    pub changes: Value,
    /// Why.
    pub evidence: Evidence,
}

/// What a suggestion rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// How often a call is picked up that is placed so; of a delay, how much more often than is usual.
    pub suggested: Range,
    /// The same as it is now.
    pub current: Range,
    /// By how many percent it is better, in the middle.
    pub better_percent: i64,
    /// How certain it is that it is better at all, in percent.
    pub certain_percent: i64,
    /// Calls that were seen of what is suggested.
    pub calls: i64,
    /// Those of them that are the campaign's own.
    pub own_calls: i64,
}

/// Compares what could be with what is.
pub fn suggest(campaign: &Campaign, learned: &Learned, again: &[Again]) -> Suggestions {
    let worlds = learned.possible(WORLDS);
    let settings = &campaign.settings;
    let open = open_hours(campaign);
    let days: Vec<usize> = days_of(settings.working_days);
    let hours = (0..24).map(|hour| Hour {
        hour,
        is_open: open[hour],
        answer_rate: Range::of(worlds.iter().map(|world| mean(world, &days, &[hour])).collect()),
        own_calls: learned.own().seen_at(hour).calls,
        sibling_calls: learned.seen_at_by_siblings(hour),
    });
    let hours: Vec<Hour> = hours.collect();
    let retry_delays = delays(campaign, &worlds, again);
    let mut suggestions = Vec::new();
    // The hours of leads' own clocks are others than those of the campaign's, by which calls are counted.
    if settings.lead_time_zone_policy == LeadTimeZonePolicy::Campaign {
        suggestions.extend(more_hours(campaign, &worlds, &hours));
        suggestions.extend(another_day(campaign, learned, &worlds));
    }
    suggestions.extend(another_delay(&retry_delays, again));
    suggestions.sort_by_key(|suggestion| -suggestion.evidence.better_percent);
    Suggestions {
        time_zone: settings.time_zone.name(),
        observations: learned.observations(),
        hours,
        retry_delays: retry_delays.into_iter().map(|(delay, _)| delay).collect(),
        suggestions,
    }
}

fn days_of(days: WorkingDays) -> Vec<usize> {
    days.iter().map(|day| day.num_days_from_monday() as usize).collect()
}

fn open_hours(campaign: &Campaign) -> [bool; 24] {
    let hours = campaign.settings.hours;
    std::array::from_fn(|hour| {
        let (from, to) = (hour as u32 * 3_600, hour as u32 * 3_600 + 3_599);
        let (start, end) = (hours.start.seconds(), hours.end.seconds());
        match start < end {
            true => from < end && to >= start,
            false => from < end || to >= start,
        }
    })
}

fn mean(chances: &Week<f64>, days: &[usize], hours: &[usize]) -> f64 {
    let cells = days.iter().flat_map(|day| hours.iter().map(|hour| chances[*day][*hour]));
    cells.sum::<f64>() / (days.len() * hours.len()).max(1) as f64
}

/// What speaks for one thing beside another, where anything does.
fn compare(worlds: &[(f64, f64)], calls: i64, own_calls: i64) -> Option<Evidence> {
    let (suggested, current): (Vec<f64>, Vec<f64>) = worlds.iter().copied().unzip();
    let better = worlds.iter().filter(|(suggested, current)| suggested > current).count();
    let certain_percent = (better * 100 / worlds.len().max(1)) as i64;
    let (suggested, current) = (Range::of(suggested), Range::of(current));
    let better_percent = ((suggested.middle / current.middle - 1.0) * 100.0).round() as i64;
    let evidence = Evidence { suggested, current, better_percent, certain_percent, calls, own_calls };
    let is_worth_it = certain_percent >= CERTAIN_PERCENT && better_percent >= WORTH_PERCENT;
    (calls >= SEEN_MIN && is_worth_it).then_some(evidence)
}

/// Hours before or after those of the campaign.
fn more_hours(campaign: &Campaign, worlds: &[Week<f64>], hours: &[Hour]) -> Vec<Suggestion> {
    let settings = &campaign.settings;
    let (start, end) = (settings.hours.start.seconds(), settings.hours.end.seconds());
    if start > end {
        return Vec::new();
    }
    let days = days_of(settings.working_days);
    let open: Vec<usize> = hours.iter().filter(|hour| hour.is_open).map(|hour| hour.hour).collect();
    let compared = |added: &[usize]| {
        let pairs = worlds.iter().map(|world| (mean(world, &days, added), mean(world, &days, &open)));
        let pairs: Vec<(f64, f64)> = pairs.collect();
        let calls = |of: fn(&Hour) -> i64| added.iter().map(|hour| of(&hours[*hour])).min().unwrap_or(0);
        compare(&pairs, calls(|hour| hour.own_calls + hour.sibling_calls), calls(|hour| hour.own_calls))
    };
    // Hour by hour, as long as each is better by itself.
    let run = |candidates: Vec<usize>| -> Vec<usize> {
        candidates.into_iter().take(ADDED_MAX).take_while(|hour| compared(&[*hour]).is_some()).collect()
    };
    let first_open = open.first().copied().unwrap_or(0);
    let last_open = open.last().copied().unwrap_or(23);
    let later = run((last_open + 1..LATEST).collect());
    let mut earlier = run((EARLIEST..first_open).rev().collect());
    earlier.reverse();
    let mut suggestions = Vec::new();
    if let (Some(last), Some(evidence)) = (later.last(), compared(&later)) {
        let until = TimeOfDay::from_seconds((*last as u32 + 1) * 3_600).unwrap_or(TimeOfDay::LAST);
        suggestions.push(Suggestion {
            code: Code::AddHours,
            message: format!("People pick up more often after {}: call until {}", settings.hours.end, until),
            changes: json!({"calling_hours_end": until.to_string()}),
            evidence,
        });
    }
    if let (Some(first), Some(evidence)) = (earlier.first(), compared(&earlier)) {
        let from = TimeOfDay::from_seconds(*first as u32 * 3_600).unwrap_or(settings.hours.start);
        suggestions.push(Suggestion {
            code: Code::AddHours,
            message: format!("People pick up more often before {}: call from {}", settings.hours.start, from),
            changes: json!({"calling_hours_start": from.to_string()}),
            evidence,
        });
    }
    suggestions
}

/// A day on which the campaign does not call.
fn another_day(campaign: &Campaign, learned: &Learned, worlds: &[Week<f64>]) -> Option<Suggestion> {
    let working = campaign.settings.working_days;
    let days = days_of(working);
    let open = open_hours(campaign);
    let open: Vec<usize> = (0..24).filter(|hour| open[*hour]).collect();
    let candidates = WEEK.iter().enumerate().filter(|(_, (day, _))| !working.contains(*day));
    let compared = candidates.filter_map(|(nth, (day, name))| {
        let pairs = worlds.iter().map(|world| (mean(world, &[nth], &open), mean(world, &days, &open)));
        let own = learned.own().seen_on_day(nth).calls;
        let evidence = compare(&pairs.collect::<Vec<_>>(), own + learned.seen_on_day_by_siblings(nth), own)?;
        let mut with = working;
        with.insert(*day);
        Some(Suggestion {
            code: Code::AddDay,
            message: format!("People pick up more often on {name}s: call on them too"),
            changes: json!({"working_days": with.names()}),
            evidence,
        })
    });
    compared.max_by_key(|suggestion| suggestion.evidence.better_percent)
}

/// What came of calling again, by how long after, and how good each was in every world.
fn delays(campaign: &Campaign, worlds: &[Week<f64>], again: &[Again]) -> Vec<(Delay, Vec<f64>)> {
    let zone = campaign.settings.time_zone;
    let person = |all: i64, machines: i64| (all - machines + 1) as f64 / (all + 2) as f64;
    let answered = again.iter().filter(|call| call.answered).count() as i64;
    let machines = again.iter().filter(|call| call.answered && !call.outcome.is_of_a_person()).count() as i64;
    let share = person(answered, machines);
    let usual = worlds.first().map(|_| {
        let mut usual: Week<f64> = [[0.0; 24]; 7];
        for (day, hours) in usual.iter_mut().enumerate() {
            for (hour, chance) in hours.iter_mut().enumerate() {
                *chance = worlds.iter().map(|world| world[day][hour]).sum::<f64>() / worlds.len() as f64;
            }
        }
        usual
    });
    let ranges = DELAYS.iter().enumerate().map(|(nth, from)| (*from, DELAYS.get(nth + 1).copied()));
    ranges
        .map(|(from_minutes, to_minutes)| {
            let is_of = |minutes: i64| minutes >= from_minutes && to_minutes.is_none_or(|to| minutes < to);
            let these = again.iter().filter(|call| is_of(call.after.num_minutes()));
            let (mut calls, mut hits, mut expected) = (0, 0, 0.0);
            for call in these {
                let (day, hour) = rates::cell(call.placed_at, zone);
                calls += 1;
                hits += i64::from(call.outcome.is_of_a_person());
                expected += usual.map_or(0.0, |usual| usual[day][hour]) * share;
            }
            let seed = from_minutes.unsigned_abs();
            let factors = rates::possible_factors(hits as f64, expected, LIKE_DELAYS, WORLDS, seed);
            let delay = Delay {
                from_minutes,
                to_minutes,
                is_current: is_of(campaign.settings.retry_delay_minutes),
                calls,
                reached: hits,
                factor: Range::of(factors.clone()),
            };
            (delay, factors)
        })
        .collect()
}

/// Another delay than the campaign's.
fn another_delay(delays: &[(Delay, Vec<f64>)], again: &[Again]) -> Option<Suggestion> {
    let (current, now) = delays.iter().find(|(delay, _)| delay.is_current)?;
    if current.calls < SEEN_MIN {
        return None;
    }
    let compared = delays.iter().filter(|(delay, _)| !delay.is_current).filter_map(|(delay, factors)| {
        let pairs: Vec<(f64, f64)> = factors.iter().copied().zip(now.iter().copied()).collect();
        let is_of = |call: &&Again| {
            let minutes = call.after.num_minutes();
            call.is_own && minutes >= delay.from_minutes && delay.to_minutes.is_none_or(|to| minutes < to)
        };
        let own = again.iter().filter(is_of).count() as i64;
        let evidence = compare(&pairs, delay.calls, own)?;
        let minutes = delay.from_minutes.max(15);
        let longer = if minutes > current.from_minutes { "longer" } else { "less long" };
        Some(Suggestion {
            code: Code::ChangeRetryDelay,
            message: format!(
                "Calls reach more people when they wait {longer} after the one before: set retry_delay_minutes to {minutes}"
            ),
            changes: json!({"retry_delay_minutes": minutes}),
            evidence,
        })
    });
    compared.max_by_key(|suggestion| suggestion.evidence.better_percent)
}
