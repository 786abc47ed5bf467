//! Forecasts beside what came true: campaigns whose true chances are known and told to nobody are called for a while by the real
//! engine; then the product says where they lead, and their future is played with the true chances. Of ten ranges eight should
//! hold it.
//!
//! `VC_TEST_CALIBRATIONS` sets how many campaigns are looked at, `VC_TEST_SEED` which ones. Each is looked at when 10, 30 and 60 %
//! of its leads are finished.

use crate::support::evidence;
use crate::support::world::{World, at, numbers};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use voice_campaigns::carrier::Capacity;
use voice_campaigns::domain::analytics::{Counted, quarter};
use voice_campaigns::domain::campaign::{Campaign, Request};
use voice_campaigns::domain::forecast::{Between, Forecast};
use voice_campaigns::domain::keys::KeyMap;
use voice_campaigns::domain::money::Money;
use voice_campaigns::domain::outcome::{Criteria, Outcome};
use voice_campaigns::domain::rates::{Example, History, Learned, Rates, Span, Stated};
use voice_campaigns::domain::script::speech_ms;
use voice_campaigns::rehearsal::forecaster::Forecaster;
use voice_campaigns::rehearsal::{Copy, Played, Town, Trunk, play};
use voice_campaigns::store::StoreError;

/// A Monday morning in New York, before anybody is called.
const START: &str = "2026-03-02T12:00:00Z";
/// How much is finished, in percent, when one looks.
const LOOKS: [i64; 3] = [10, 30, 60];
/// A Monday, 0:00 in New York.
const MIDNIGHT: &str = "2026-03-02T05:00:00Z";
const ZONE: Tz = Tz::America__New_York;
/// How far hours, days and hours of the week are from the level, in parts of it: one deviation.
const HOURS_DIFFER: f64 = 0.12;
const DAYS_DIFFER: f64 = 0.08;
const CELLS_DIFFER: f64 = 0.06;
/// How far a first, a second and a later attempt are from all.
const ATTEMPTS_DIFFER: f64 = 0.1;
const TRUNK: Trunk = Trunk { lines: 100, calls_per_second: None };

/// What is said of one thing, and what came true.
#[derive(Clone, Copy)]
struct Said {
    low: f64,
    high: f64,
    /// What is left in truth.
    truth: f64,
}

impl Said {
    fn holds(self) -> bool {
        (self.low..=self.high).contains(&self.truth)
    }

    fn width(self) -> f64 {
        self.high - self.low
    }
}

/// One look at one campaign.
#[derive(Clone, Copy)]
struct Look {
    percent: i64,
    finish: Said,
    cost: Said,
}

fn one_of<T: Clone>(dice: &mut Xoshiro256PlusPlus, values: &[T]) -> T {
    values[dice.random_range(0..values.len())].clone()
}

/// A campaign like others: limited by its days, its lines or its retries.
fn settings(dice: &mut Xoshiro256PlusPlus) -> Value {
    let hours = one_of(dice, &[("09:00:00", "17:00:00"), ("08:00:00", "20:00:00"), ("10:00:00", "14:00:00")]);
    json!({
        "time_zone": "America/New_York", "calling_hours_start": hours.0, "calling_hours_end": hours.1,
        "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
        "calls_per_day": one_of(dice, &[20, 60, 1_000]), "max_concurrent_calls": dice.random_range(1..=4),
        "max_attempts_per_lead": dice.random_range(1..=4), "retry_delay_minutes": one_of(dice, &[30, 180, 1_440]),
        "cost_per_call": 0.25, "script_template": "Hello, this is a survey call.",
    })
}

/// About normal, with a deviation of 1.
fn odd(dice: &mut Xoshiro256PlusPlus) -> f64 {
    (0..12).map(|_| dice.random::<f64>()).sum::<f64>() - 6.0
}

/// The true chances: a level that nobody knows; hours of the day, days of the week, hours of the week and attempts that are better or
/// worse than it, as if told by more calls than anybody makes; and ways to end that are as likely as chance says.
fn truth(settings: &Value, dice: &mut Xoshiro256PlusPlus) -> Rates {
    let mut body = json!({"name": "Survey", "status": "active", "system_prompt": "Be kind"});
    for (name, value) in settings.as_object().unwrap() {
        body[name] = value.clone();
    }
    let stated = Stated::of(&Request::read(body, None).unwrap().settings);
    let mut weighed = |outcomes: [(Outcome, f64); 4]| {
        let drawn = outcomes.map(|(outcome, share)| (outcome, share * (0.5 + dice.random::<f64>())));
        let all: f64 = drawn.iter().map(|(_, share)| share).sum();
        drawn.map(|(outcome, share)| (outcome, share / all))
    };
    let answered = weighed([
        (Outcome::Success, 0.5),
        (Outcome::HungUp, 0.17),
        (Outcome::OptedOut, 0.03),
        (Outcome::Voicemail, 0.3),
    ]);
    let unanswered = weighed([
        (Outcome::NoAnswer, 0.8),
        (Outcome::Busy, 0.14),
        (Outcome::Rejected, 0.03),
        (Outcome::InvalidNumber, 0.03),
    ]);
    let level = dice.random_range(0.15..0.75);
    let hours: Vec<f64> = (0..24).map(|_| 1.0 + HOURS_DIFFER * odd(dice)).collect();
    let mut counted = Vec::new();
    for day in 0..7 {
        let day_factor = 1.0 + DAYS_DIFFER * odd(dice);
        for (hour, hour_factor) in hours.iter().enumerate() {
            let factor = hour_factor * day_factor * (1.0 + CELLS_DIFFER * odd(dice));
            let chance = (level * factor).clamp(0.02, 0.98);
            let at = at(MIDNIGHT) + TimeDelta::hours(day * 24 + hour as i64);
            let mut count = |outcomes: &[(Outcome, f64)], chance: f64, is_answered: bool| {
                counted.extend(outcomes.iter().map(|(outcome, share)| {
                    let calls = (share * chance * 1e7) as i64;
                    Counted {
                        quarter: quarter(at),
                        outcome: *outcome,
                        calls,
                        completed: if is_answered { calls } else { 0 },
                        successful: 0,
                        spent: Money::ZERO,
                        talk_ms: 0,
                    }
                }));
            };
            count(&answered, chance, true);
            count(&unanswered, 1.0 - chance, false);
        }
    }
    // As long as is thought where nothing is known.
    let talks_ms = speech_ms("Hello, this is a survey call.").cast_signed() + 4_000;
    let mut examples = Vec::new();
    for attempt in 1..=3 {
        let chance = (level * (1.0 + ATTEMPTS_DIFFER * odd(dice))).clamp(0.02, 0.98);
        let picked_up = (chance * 2_000.0) as usize;
        let example =
            |outcome, rings_ms, talks_ms| Example { outcome, attempt, span: Span { rings_ms, talks_ms } };
        let talks = |nth: usize| talks_ms * [7, 10, 13][nth % 3] / 10;
        examples.extend((0..picked_up).map(|nth| example(Outcome::Success, 12_000, Some(talks(nth)))));
        examples.extend((picked_up..2_000).map(|_| example(Outcome::NoAnswer, 30_000, None)));
    }
    Learned::new(stated, History::of(ZONE, &counted, &examples), Vec::new()).likely()
}

async fn looks(seed: u64) -> Vec<Look> {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    let settings = settings(&mut dice);
    let rates = truth(&settings, &mut dice);
    let town = Town::new(rates.clone(), KeyMap::usual(Criteria::CallCompleted), seed);
    let capacity = Capacity { channels: TRUNK.lines, calls_per_second: None, next_at: None };
    let mut world = World::fated(at(START), Arc::new(town), capacity).await;
    let campaign = world.campaign(settings).await;
    let leads: usize = dice.random_range(80..=200);
    world.leads(&campaign, numbers(leads)).await;
    let mut looks = Vec::new();
    for percent in LOOKS {
        while finished(&world, &campaign, leads).await * 100 < percent * leads as i64 {
            let next = world.settle_down().await.expect("there is more to do");
            world.clock.advance_to(next);
        }
        looks.extend(look(&world, &campaign, &rates, seed, percent).await);
    }
    looks
}

async fn finished(world: &World, campaign: &Campaign, leads: usize) -> i64 {
    let id = campaign.id;
    leads as i64 - world.store.read(move |snapshot| snapshot.open_leads(id)).await.unwrap()
}

/// What the product says, and what comes true. None where that is that nobody is left.
async fn look(world: &World, campaign: &Campaign, rates: &Rates, seed: u64, percent: i64) -> Option<Look> {
    let mut forecaster = Forecaster::new(world.store.clone(), Arc::new(world.simulator.clone()));
    // However few calls there were since the look before, it is played anew.
    world.edit(campaign, json!({"description": format!("{percent} % finished")})).await;
    while forecaster.turn().await.unwrap().did {}
    let (id, now) = (campaign.id, world.time());
    let (forecast, copy) = world
        .store
        .read(move |snapshot| {
            let copy = Copy::of(snapshot, snapshot.campaign(id)?.unwrap(), TRUNK).unwrap();
            Ok::<_, StoreError>((snapshot.forecast(id)?, copy))
        })
        .await
        .unwrap();
    let (basis, forecast) = forecast?;
    assert_eq!(basis.computed_at, now, "it is of now");
    let forecast: Forecast = forecast.unwrap().unwrap();
    let came: Played = play(&copy, rates, now, seed, &AtomicBool::new(false), &|_| {}).unwrap();
    let days = |at: DateTime<Utc>| (at - now).num_milliseconds() as f64 / 86_400_000.0;
    let finish = forecast.finish();
    let finish =
        Said { low: days(finish.low?), high: days(finish.high?), truth: days(came.finishes_at.unwrap()) };
    let Between { low, high, .. } = forecast.cost.map(|cost| cost as f64);
    let cost = Said { low, high, truth: came.cost.ten_thousandths() as f64 };
    Some(Look { percent, finish, cost })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[test]
fn eight_of_ten_forecasts_hold_what_comes_true() {
    let campaigns = evidence::number("VC_TEST_CALIBRATIONS", 3);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut all = Vec::new();
    for nth in 0..campaigns {
        all.extend(runtime.block_on(looks(evidence::seed().wrapping_mul(1_000_003).wrapping_add(nth))));
    }
    println!("| finished | forecasts | finish held | median width | cost held | median width |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let (mut held, mut of) = (0, 0);
    for percent in LOOKS {
        let these: Vec<Look> = all.iter().copied().filter(|look| look.percent == percent).collect();
        let holds = |said: fn(&Look) -> Said| these.iter().filter(|look| said(look).holds()).count();
        let (finish, cost) = (holds(|look| look.finish), holds(|look| look.cost));
        let percent_of = |holds: usize| holds as f64 * 100.0 / these.len().max(1) as f64;
        let hours = median(these.iter().map(|look| look.finish.width() * 24.0).collect());
        let part = |look: &Look| look.cost.width() / look.cost.truth.max(1.0) * 100.0;
        let part = median(these.iter().map(part).collect());
        held += finish + cost;
        of += 2 * these.len();
        let (count, finish, cost) = (these.len(), percent_of(finish), percent_of(cost));
        println!("| {percent} % | {count} | {finish:.1} % | {hours:.1} h | {cost:.1} % | {part:.0} % |");
    }
    let share = held as f64 / of as f64;
    println!("{campaigns} campaigns: {:.1} % of {of} ranges held what came true", share * 100.0);
    // The more campaigns, the less is left to chance: those of one campaign stand and fall together.
    let slack = 0.05 + 0.6 / (campaigns as f64).sqrt() / 2.0;
    assert!((share - 0.8).abs() <= slack, "{share:.3} held, which is further than {slack:.3} from 0.8");
}
