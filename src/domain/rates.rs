//! How likely is it that somebody picks up, in each hour of the week, how do calls end, and how long do they last? Learned
//! from a campaign's own calls, from those of its siblings, and from what is stated here for whoever has none yet.
//!
//! The chances are a Beta-Binomial in steps: all campaigns are somewhat alike, so are the hours of one campaign, and so are the
//! days of one hour. Each step believes the one above as if it had been seen in a certain number of calls of its own
//! ([`LIKE_CAMPAIGNS`], [`LIKE_HOURS`], [`LIKE_DAYS`], [`LIKE_CELLS`]), so that many calls speak for themselves and few
//! lean on others. [`Learned::likely`] is the middle of what is believed; [`Learned::draw`] is one of the worlds that are
//! believed possible, all of which together are as uncertain as the calls leave it.

use super::Instant;
use super::analytics::{Counted, begin_of};
use super::campaign::Settings;
use super::outcome::{Criteria, Outcome};
use super::script::speech_ms;
use chrono::{Datelike, TimeDelta, Timelike};
use chrono_tz::Tz;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// How often a call is picked up where nothing is known, by a person or a machine.
pub const CHANCE_STATED: f64 = 0.5;
/// As if that had been seen in so many calls.
const STATED_CALLS: f64 = 4.0;
/// A campaign is believed to be like the others as if that had been seen in so many calls of its own.
const LIKE_CAMPAIGNS: f64 = 10.0;
/// An hour of the day like the campaign.
const LIKE_HOURS: f64 = 60.0;
/// A day of the week like the others.
const LIKE_DAYS: f64 = 200.0;
/// An hour of the week like that hour on other days.
const LIKE_CELLS: f64 = 120.0;
/// A second or third attempt like the first.
const LIKE_ATTEMPTS: f64 = 100.0;
/// How calls end is believed as stated as if in so many calls, and like the siblings' as if in so many at most.
const STATED_ENDS: f64 = 20.0;
const SIBLING_ENDS_MAX: f64 = 40.0;
/// Lengths of calls that are stated, for each way to end.
const STATED_SPANS: usize = 3;
/// Lengths that a table of rates has for each way to end.
const SPANS: usize = 32;
/// Calls that end alike ring longer or shorter by up to this part.
const RINGS_SPREAD: f64 = 0.4;
/// First, second, and every later attempt.
const ATTEMPTS: usize = 3;
/// Nobody is sure to pick up, and nobody is sure not to.
const CHANCE_MIN: f64 = 0.001;

/// One number for each hour of the week, from Monday.
pub type Week<T> = [[T; 24]; 7];

/// Calls that were seen, and those of them that were picked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Calls that ended.
    pub calls: i64,
    /// Those that somebody, or a machine, picked up.
    pub answered: i64,
}

impl Seen {
    fn add(&mut self, calls: i64, answered: i64) {
        self.calls += calls;
        self.answered += answered;
    }
}

/// How long one call took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From the dial until it was picked up, or was over where nobody did, in milliseconds.
    pub rings_ms: i64,
    /// From then on, in milliseconds; none where nobody picked up.
    pub talks_ms: Option<i64>,
}

/// One call of a campaign, as far as it tells of later ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// How it ended.
    pub outcome: Outcome,
    /// The how-manieth of the lead.
    pub attempt: i64,
    /// How long it took.
    pub span: Span,
}

/// What a campaign's calls tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    hours: Week<Seen>,
    ends: Vec<End>,
    attempts: [Seen; ATTEMPTS],
    examples: Vec<(Outcome, Span)>,
}

/// Calls that ended alike.
#[derive(Clone, Copy, Debug, PartialEq)]
struct End {
    outcome: Outcome,
    answered: bool,
    calls: i64,
    talk_ms: i64,
}

/// Whether a call that ended so tells what becomes of others: not one that we ended ourselves, nor one that the carrier did not
/// even try.
fn tells(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Success
        | Outcome::Declined
        | Outcome::Callback
        | Outcome::OptedOut
        | Outcome::Voicemail
        | Outcome::MessageLeft
        | Outcome::HungUp
        | Outcome::NoInput
        | Outcome::Transferred
        | Outcome::NoAnswer
        | Outcome::Busy
        | Outcome::Rejected
        | Outcome::InvalidNumber
        | Outcome::CarrierError => true,
        Outcome::CarrierRefused | Outcome::Interrupted | Outcome::Canceled => false,
    }
}

impl History {
    /// Adds up calls by the hours that the clocks of `zone` showed when they were placed.
    pub fn of(zone: Tz, counted: &[Counted], examples: &[Example]) -> History {
        let mut history = History::default();
        for counted in counted.iter().filter(|counted| tells(counted.outcome)) {
            let (day, hour) = cell(begin_of(counted.quarter), zone);
            history.hours[day][hour].add(counted.calls, counted.completed);
            let unanswered = counted.calls - counted.completed;
            for (answered, calls, talk_ms) in
                [(true, counted.completed, counted.talk_ms), (false, unanswered, 0)]
            {
                history.ended(End { outcome: counted.outcome, answered, calls, talk_ms });
            }
        }
        for Example { outcome, attempt, span } in examples.iter().filter(|example| tells(example.outcome)) {
            let is_answered = span.talks_ms.is_some();
            history.attempts[nth(*attempt)].add(1, is_answered.into());
            history.examples.push((*outcome, *span));
        }
        history
    }

    fn ended(&mut self, end: End) {
        let same = |known: &&mut End| (known.outcome, known.answered) == (end.outcome, end.answered);
        match self.ends.iter_mut().find(same) {
            _ if end.calls == 0 => {}
            Some(known) => {
                known.calls += end.calls;
                known.talk_ms += end.talk_ms;
            }
            None => self.ends.push(end),
        }
    }

    /// All calls that tell something.
    pub fn seen(&self) -> Seen {
        sum(self.hours.iter().flatten())
    }

    /// Those placed in an hour of the day.
    pub fn seen_at(&self, hour: usize) -> Seen {
        sum(self.hours.iter().map(|day| &day[hour]))
    }

    /// Those placed on a day of the week, counted from Monday.
    pub fn seen_on_day(&self, day: usize) -> Seen {
        sum(self.hours[day].iter())
    }

    /// Those of an attempt, of the newest calls.
    pub fn seen_on(&self, attempt: i64) -> Seen {
        self.attempts[nth(attempt)]
    }
}

fn sum<'s>(seen: impl Iterator<Item = &'s Seen>) -> Seen {
    seen.fold(Seen::default(), |mut all, seen| {
        all.add(seen.calls, seen.answered);
        all
    })
}

/// Where attempts of this number are counted.
fn nth(attempt: i64) -> usize {
    usize::try_from(attempt - 1).unwrap_or(0).min(ATTEMPTS - 1)
}

/// The hour of the week that the clocks of a zone show.
pub(super) fn cell(at: Instant, zone: Tz) -> (usize, usize) {
    let local = at.with_timezone(&zone);
    (local.weekday().num_days_from_monday() as usize, local.hour() as usize)
}

/// What is stated about the calls of a campaign for which nobody has seen any: what follows from its settings, else what is
/// usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stated {
    zone: Tz,
    criteria: Criteria,
    script_ms: i64,
    message_ms: Option<i64>,
    ring_timeout_ms: i64,
    longest_ms: i64,
}

impl Stated {
    /// What follows from these settings.
    pub fn of(settings: &Settings) -> Stated {
        Stated {
            zone: settings.time_zone,
            criteria: Criteria::of(&settings.success_criteria),
            script_ms: speech_ms(&settings.script_template).cast_signed(),
            message_ms: settings.fallback_script.as_deref().map(|text| speech_ms(text).cast_signed()),
            ring_timeout_ms: settings.ring_timeout_seconds * 1_000,
            longest_ms: settings.call_duration_limit * 1_000,
        }
    }

    /// What a machine's answer comes to: it leads to another attempt only where no message is left.
    fn machine(&self) -> Outcome {
        if self.message_ms.is_some() { Outcome::MessageLeft } else { Outcome::Voicemail }
    }

    /// How calls end, in shares.
    fn ends(&self, answered: bool) -> Vec<(Outcome, f64)> {
        if !answered {
            return vec![
                (Outcome::NoAnswer, 0.75),
                (Outcome::Busy, 0.14),
                (Outcome::Rejected, 0.06),
                (Outcome::InvalidNumber, 0.03),
                (Outcome::CarrierError, 0.02),
            ];
        }
        let heard_out = match self.criteria {
            Criteria::CallCompleted | Criteria::MessageLeft => Outcome::Success,
            Criteria::Verdict => Outcome::NoInput,
        };
        vec![
            (heard_out, 0.45),
            (Outcome::HungUp, 0.17),
            (Outcome::Declined, 0.05),
            (Outcome::OptedOut, 0.03),
            (self.machine(), 0.3),
        ]
    }

    /// How long a call takes that ends so, about.
    fn span(&self, outcome: Outcome, answered: bool) -> Span {
        let rings_ms = match outcome {
            Outcome::NoAnswer => self.ring_timeout_ms,
            Outcome::Busy => 2_000,
            Outcome::InvalidNumber | Outcome::CarrierError | Outcome::CarrierRefused => 1_000,
            Outcome::Success
            | Outcome::Declined
            | Outcome::Callback
            | Outcome::OptedOut
            | Outcome::Voicemail
            | Outcome::MessageLeft
            | Outcome::HungUp
            | Outcome::NoInput
            | Outcome::Transferred
            | Outcome::Rejected
            | Outcome::Interrupted
            | Outcome::Canceled => 12_000,
        };
        let talks_ms = match outcome {
            Outcome::HungUp | Outcome::Voicemail => 5_000,
            Outcome::MessageLeft => self.message_ms.unwrap_or(self.script_ms) + 4_000,
            Outcome::OptedOut => self.script_ms / 2 + 3_000,
            Outcome::Success
            | Outcome::Declined
            | Outcome::Callback
            | Outcome::NoInput
            | Outcome::Transferred
            | Outcome::NoAnswer
            | Outcome::Busy
            | Outcome::Rejected
            | Outcome::InvalidNumber
            | Outcome::CarrierError
            | Outcome::CarrierRefused
            | Outcome::Interrupted
            | Outcome::Canceled => self.script_ms + 4_000,
        };
        Span { rings_ms, talks_ms: answered.then_some(talks_ms.min(self.longest_ms)) }
    }
}

/// How many calls an estimate rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observations {
    /// Ended calls of the campaign itself.
    pub own: i64,
    /// Those of its siblings.
    pub siblings: i64,
    /// How many siblings there are with calls.
    pub sibling_campaigns: i64,
}

/// What is believed about a campaign's calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    stated: Stated,
    own: History,
    siblings: Vec<History>,
}

/// A table of rates: what becomes of a call, by the hour of the week in which it is placed.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    zone: Tz,
    ring_timeout_ms: i64,
    chances: Week<f64>,
    by_attempt: [f64; ATTEMPTS],
    answered: Vec<Way>,
    unanswered: Vec<Way>,
}

/// One way for calls to end.
#[derive(Clone, Debug, PartialEq)]
struct Way {
    outcome: Outcome,
    share: f64,
    spans: Vec<Span>,
}

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Played {
    /// How it ends.
    pub outcome: Outcome,
    /// How long it rings, until it is picked up or over.
    pub rings: TimeDelta,
    /// How long it lasts then; none where nobody picks up.
    pub talks: Option<TimeDelta>,
}

impl Rates {
    /// How likely it is that a call placed now is picked up.
    pub fn chance(&self, at: Instant, attempt: i64) -> f64 {
        let (day, hour) = cell(at, self.zone);
        self.chance_in(day, hour, attempt)
    }

    /// The same in an hour of the week, counted from Monday.
    pub fn chance_in(&self, day: usize, hour: usize, attempt: i64) -> f64 {
        clamped(self.chances[day][hour] * self.by_attempt[nth(attempt)])
    }

    /// The chances by hour of the day, the mean of all days, for a first attempt.
    pub fn by_hour(&self) -> [f64; 24] {
        std::array::from_fn(|hour| {
            (0..7).map(|day| self.chance_in(day, hour, 1)).sum::<f64>() / self.chances.len() as f64
        })
    }

    /// How likely each way to end is for a call that is picked up, or for one that is not.
    pub fn ends(&self, answered: bool) -> impl Iterator<Item = (Outcome, f64)> {
        self.ways(answered).iter().map(|way| (way.outcome, way.share))
    }

    /// How long calls last that are picked up, in the mean.
    pub fn talk_seconds(&self) -> f64 {
        let mean = |way: &Way| {
            let talks = way.spans.iter().filter_map(|span| span.talks_ms);
            talks.sum::<i64>() as f64 / 1_000.0 / way.spans.len().max(1) as f64
        };
        self.answered.iter().map(|way| way.share * mean(way)).sum()
    }

    /// What becomes of a call placed now. Takes three numbers of the generator, whatever comes of it.
    pub fn call(&self, at: Instant, attempt: i64, dice: &mut Xoshiro256PlusPlus) -> Played {
        let [first, second, third]: [f64; 3] = std::array::from_fn(|_| dice.random::<f64>());
        let ways = self.ways(first < self.chance(at, attempt));
        let mut left = second;
        let way = ways.iter().find(|way| {
            left -= way.share;
            left < 0.0
        });
        let Some(way) = way.or(ways.last()) else {
            return Played { outcome: Outcome::NoAnswer, rings: TimeDelta::seconds(30), talks: None };
        };
        let place = third * way.spans.len() as f64;
        let span = way.spans.get(place as usize).or(way.spans.last());
        let span = span.copied().unwrap_or(Span { rings_ms: 0, talks_ms: None });
        Played {
            outcome: way.outcome,
            rings: TimeDelta::milliseconds(self.rings_ms(way.outcome, span.rings_ms, place.fract())),
            talks: span.talks_ms.map(TimeDelta::milliseconds),
        }
    }

    /// How long a call rings, somewhere about what such calls do: thousands that are dialed at once do not end at once. What
    /// ends while it rings does so before the time for that is over.
    fn rings_ms(&self, outcome: Outcome, about_ms: i64, part: f64) -> i64 {
        if outcome == Outcome::NoAnswer {
            return about_ms;
        }
        let rings_ms = about_ms as f64 * (1.0 - RINGS_SPREAD + 2.0 * RINGS_SPREAD * part);
        (rings_ms as i64).min(about_ms.max(self.ring_timeout_ms - 1_000))
    }

    fn ways(&self, answered: bool) -> &[Way] {
        if answered { &self.answered } else { &self.unanswered }
    }

    /// Somebody says how likely it is, at every hour and on every attempt.
    pub fn assume_chance(&mut self, chance: f64) {
        (0..24).for_each(|hour| self.assume_chance_at(hour, chance));
    }

    /// Somebody says how likely it is in an hour of the day, on every attempt.
    pub fn assume_chance_at(&mut self, hour: usize, chance: f64) {
        self.by_attempt = [1.0; ATTEMPTS];
        for day in &mut self.chances {
            day[hour] = chance;
        }
    }

    /// Somebody says how long every call lasts that is picked up.
    pub fn assume_talk(&mut self, talk: TimeDelta) {
        for span in self.answered.iter_mut().flat_map(|way| &mut way.spans) {
            span.talks_ms = Some(talk.num_milliseconds());
        }
    }
}

fn clamped(chance: f64) -> f64 {
    chance.clamp(CHANCE_MIN, 1.0 - CHANCE_MIN)
}

impl Learned {
    /// From a campaign's own calls, those of its siblings, and what is stated.
    pub fn new(stated: Stated, own: History, siblings: Vec<History>) -> Learned {
        Learned { stated, own, siblings }
    }

    /// How many calls this rests on.
    pub fn observations(&self) -> Observations {
        let calls = self.siblings.iter().map(|sibling| sibling.seen().calls);
        Observations {
            own: self.own.seen().calls,
            siblings: calls.clone().sum(),
            sibling_campaigns: calls.filter(|calls| *calls > 0).count() as i64,
        }
    }

    /// The campaign's own calls.
    pub fn own(&self) -> &History {
        &self.own
    }

    /// Calls of the siblings in an hour of the day.
    pub fn seen_at_by_siblings(&self, hour: usize) -> i64 {
        self.siblings.iter().map(|sibling| sibling.seen_at(hour).calls).sum()
    }

    /// Calls of the siblings on a day of the week.
    pub fn seen_on_day_by_siblings(&self, day: usize) -> i64 {
        self.siblings.iter().map(|sibling| sibling.seen_on_day(day).calls).sum()
    }

    /// The chances of some of the worlds that are believed possible; the same every time.
    pub fn possible(&self, worlds: u64) -> Vec<Week<f64>> {
        let world = |seed| {
            let mut dice = Dice::seeded(seed);
            let level = self.level(&mut dice);
            self.chances(level, &mut dice)
        };
        (0..worlds).map(world).collect()
    }

    /// The middle of what is believed.
    pub fn likely(&self) -> Rates {
        self.rates(&mut Dice::Mean)
    }

    /// One of the worlds that are believed possible; the same for the same seed.
    pub fn draw(&self, seed: u64) -> Rates {
        self.rates(&mut Dice::seeded(seed))
    }

    fn rates(&self, dice: &mut Dice) -> Rates {
        let level = self.level(dice);
        Rates {
            zone: self.stated.zone,
            ring_timeout_ms: self.stated.ring_timeout_ms,
            chances: self.chances(level, dice),
            by_attempt: self.by_attempt(dice),
            answered: self.ways(true, dice),
            unanswered: self.ways(false, dice),
        }
    }

    /// How often calls of this campaign are picked up: like those of others, as far as its own do not say otherwise. The calls
    /// of one hour, or of one campaign, count for less the more they are: the others may be different.
    fn level(&self, dice: &mut Dice) -> f64 {
        let mut all = Weighed::stated(CHANCE_STATED, STATED_CALLS);
        for campaign in self.siblings.iter().chain([&self.own]) {
            all.add(campaign.seen(), LIKE_CAMPAIGNS);
        }
        let like = dice.beta(all);
        let mut own = Weighed::stated(like, LIKE_CAMPAIGNS);
        (0..24).for_each(|hour| own.add(self.own.seen_at(hour), LIKE_HOURS));
        dice.beta(own)
    }

    fn chances(&self, level: f64, dice: &mut Dice) -> Week<f64> {
        let shape = Shape::of(&self.siblings);
        let hours: [f64; 24] = std::array::from_fn(|hour| {
            let mut weighed = Weighed::stated(level * shape.hours[hour], LIKE_HOURS);
            (0..7).for_each(|day| weighed.add(self.own.hours[day][hour], LIKE_CELLS));
            dice.beta(weighed)
        });
        // How often a day's calls are picked up, beside how often they would be on any day.
        let own_days: [Odds; 7] = std::array::from_fn(|day| {
            let seen = self.own.hours[day].iter().zip(hours);
            seen.fold(Odds::default(), |sum, (seen, chance)| sum.with(*seen, chance))
        });
        std::array::from_fn(|day| {
            let factor = dice.factor(own_days[day].and(shape.days[day]), level * LIKE_DAYS, 0.0);
            std::array::from_fn(|hour| {
                let chance = hours[hour] * factor * shape.cells[day][hour];
                let mut weighed = Weighed::stated(chance, LIKE_CELLS);
                weighed.add_whole(self.own.hours[day][hour]);
                clamped(dice.beta(weighed))
            })
        })
    }

    /// How much more likely later attempts are picked up than calls on the whole.
    fn by_attempt(&self, dice: &mut Dice) -> [f64; ATTEMPTS] {
        let all = sum(self.own.attempts.iter());
        if all.calls == 0 {
            // Nobody has seen any.
            return [1.0; ATTEMPTS];
        }
        let chance = (all.answered as f64 + 1.0) / (all.calls as f64 + 2.0);
        let factors = self
            .own
            .attempts
            .map(|seen| dice.factor(Odds::default().with(seen, chance), chance * LIKE_ATTEMPTS, chance));
        // How often all of these calls together are picked up is believed of the hours already, and as uncertain as it is. Doubted
        // once more here, it would be doubted twice: only what differs between the attempts is.
        let both = factors.iter().zip(&self.own.attempts);
        let whole: f64 =
            both.map(|(factor, seen)| factor * seen.calls as f64).sum::<f64>() / all.calls as f64;
        factors.map(|factor| factor / whole)
    }

    fn ways(&self, answered: bool, dice: &mut Dice) -> Vec<Way> {
        let mut ways: Vec<(Outcome, f64)> = self.stated.ends(answered);
        ways.iter_mut().for_each(|(_, weight)| *weight *= STATED_ENDS);
        let mut add =
            |outcome: Outcome, weight: f64| match ways.iter_mut().find(|(known, _)| *known == outcome) {
                Some((_, known)) => *known += weight,
                None => ways.push((outcome, weight)),
            };
        let theirs = self.siblings.iter().flat_map(|sibling| &sibling.ends);
        let theirs: Vec<&End> = theirs.filter(|end| end.answered == answered).collect();
        let calls: i64 = theirs.iter().map(|end| end.calls).sum();
        let scale = (SIBLING_ENDS_MAX / calls.max(1) as f64).min(1.0);
        for end in theirs {
            add(self.as_ours(end.outcome), end.calls as f64 * scale);
        }
        for end in self.own.ends.iter().filter(|end| end.answered == answered) {
            add(end.outcome, end.calls as f64);
        }
        let shares = dice.shares(ways.iter().map(|(_, weight)| *weight).collect());
        let ways = ways.into_iter().zip(shares);
        ways.map(|((outcome, _), share)| Way { outcome, share, spans: self.spans(outcome, answered, dice) })
            .collect()
    }

    /// What a sibling's outcome would be here: whether machines are left a message is a matter of settings.
    fn as_ours(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Voicemail | Outcome::MessageLeft => self.stated.machine(),
            Outcome::Success
            | Outcome::Declined
            | Outcome::Callback
            | Outcome::OptedOut
            | Outcome::HungUp
            | Outcome::NoInput
            | Outcome::Transferred
            | Outcome::NoAnswer
            | Outcome::Busy
            | Outcome::Rejected
            | Outcome::InvalidNumber
            | Outcome::CarrierError
            | Outcome::CarrierRefused
            | Outcome::Interrupted
            | Outcome::Canceled => outcome,
        }
    }

    /// How long such calls take: some of those seen, and a few as stated, or as long as the siblings' were.
    fn spans(&self, outcome: Outcome, answered: bool, dice: &mut Dice) -> Vec<Span> {
        let stated = self.stated.span(outcome, answered);
        let siblings = self.siblings.iter().flat_map(|sibling| &sibling.ends);
        let (calls, talk_ms) = siblings
            .filter(|end| (end.outcome, end.answered) == (outcome, answered))
            .fold((0, 0), |(calls, talk_ms), end| (calls + end.calls, talk_ms + end.talk_ms));
        let mean = stated.talks_ms.map(|talks_ms| {
            let weight = STATED_SPANS as i64;
            (talks_ms * weight + talk_ms) / (weight + calls)
        });
        let like = |tenths: i64| Span {
            talks_ms: mean.map(|mean| (mean * tenths / 10).min(self.stated.longest_ms)),
            ..stated
        };
        let own = self.own.examples.iter();
        let own = own.filter(|(ended, span)| *ended == outcome && span.talks_ms.is_some() == answered);
        let mut seen: Vec<Span> = [7, 10, 13].map(like).into();
        seen.extend(own.map(|(_, span)| *span));
        dice.some(seen)
    }
}

/// Calls that count as so many that were picked up, and so many that were not.
#[derive(Clone, Copy, Debug)]
struct Weighed {
    answered: f64,
    missed: f64,
}

impl Weighed {
    fn stated(chance: f64, calls: f64) -> Weighed {
        let chance = clamped(chance);
        Weighed { answered: chance * calls, missed: (1.0 - chance) * calls }
    }

    /// Calls that have something in common, such as their hour, and so tell less of others than as many that have not. However
    /// many they are, they count as at most `like` and one: where each group has a chance of its own that differs from the
    /// whole like that of `like` calls does, this is how much its mean tells.
    fn add(&mut self, seen: Seen, like: f64) {
        let calls = seen.calls as f64;
        self.add_scaled(seen, (like + 1.0) / (like + calls.max(1.0)));
    }

    fn add_whole(&mut self, seen: Seen) {
        self.add_scaled(seen, 1.0);
    }

    fn add_scaled(&mut self, seen: Seen, scale: f64) {
        self.answered += seen.answered as f64 * scale;
        self.missed += (seen.calls - seen.answered) as f64 * scale;
    }
}

/// Calls that were picked up, beside how many were to be expected.
#[derive(Clone, Copy, Debug, Default)]
struct Odds {
    seen: f64,
    expected: f64,
}

impl Odds {
    fn with(self, seen: Seen, chance: f64) -> Odds {
        Odds { seen: self.seen + seen.answered as f64, expected: self.expected + seen.calls as f64 * chance }
    }

    fn and(self, other: Odds) -> Odds {
        Odds { seen: self.seen + other.seen, expected: self.expected + other.expected }
    }

    fn factor(self, like: f64) -> f64 {
        (self.seen + like) / (self.expected + like)
    }
}

/// Which hours and days are better than others, as far as the siblings' calls say; each sibling is compared with itself alone.
struct Shape {
    hours: [f64; 24],
    days: [Odds; 7],
    cells: Week<f64>,
}

impl Shape {
    fn of(siblings: &[History]) -> Shape {
        let mean = |history: &History| {
            let seen = history.seen();
            (seen.answered as f64 + CHANCE_STATED * STATED_CALLS) / (seen.calls as f64 + STATED_CALLS)
        };
        let means: Vec<f64> = siblings.iter().map(mean).collect();
        let compared = |cells: &dyn Fn(&History) -> Seen, factor: f64| {
            let both = siblings.iter().zip(&means);
            both.fold(Odds::default(), |sum, (sibling, mean)| sum.with(cells(sibling), mean * factor))
        };
        let hours: [f64; 24] = std::array::from_fn(|hour| {
            compared(&|sibling| sibling.seen_at(hour), 1.0).factor(CHANCE_STATED * LIKE_HOURS)
        });
        let cell = |day: usize, hour: usize| compared(&|sibling| sibling.hours[day][hour], hours[hour]);
        let days: [Odds; 7] =
            std::array::from_fn(|day| (0..24).map(|hour| cell(day, hour)).fold(Odds::default(), Odds::and));
        let cells = std::array::from_fn(|day| {
            let of_day = days[day].factor(CHANCE_STATED * LIKE_DAYS);
            std::array::from_fn(|hour| {
                let Odds { seen, expected } = cell(day, hour);
                Odds { seen, expected: expected * of_day }.factor(CHANCE_STATED * LIKE_CELLS)
            })
        });
        Shape { hours, days, cells }
    }
}

/// Where the numbers come from: always the middle, or by chance.
enum Dice {
    Mean,
    Random(Box<Xoshiro256PlusPlus>),
}

impl Dice {
    fn seeded(seed: u64) -> Dice {
        Dice::Random(Box::new(Xoshiro256PlusPlus::seed_from_u64(seed)))
    }

    fn beta(&mut self, Weighed { answered, missed }: Weighed) -> f64 {
        match self {
            Dice::Mean => answered / (answered + missed),
            Dice::Random(random) => {
                let (answered, missed) = (gamma(random, answered), gamma(random, missed));
                answered / (answered + missed)
            }
        }
    }

    /// How much more was seen than expected, as far as `like` further calls as expected leave it. Of calls that are picked up with
    /// this chance; those of rare things have none.
    fn factor(&mut self, odds: Odds, like: f64, chance: f64) -> f64 {
        let middle = odds.factor(like);
        match self {
            Dice::Mean => middle,
            Dice::Random(random) => {
                let drawn = gamma(random, odds.seen + like) / (odds.expected + like);
                // So far apart lie counts of what is rare; those of what happens to one call in two lie closer together.
                middle + (drawn - middle) * (1.0 - clamped(chance)).sqrt()
            }
        }
    }

    /// Shares of a whole.
    fn shares(&mut self, mut weights: Vec<f64>) -> Vec<f64> {
        if let Dice::Random(random) = self {
            weights.iter_mut().for_each(|weight| *weight = gamma(random, *weight));
        }
        let all: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / all).collect()
    }

    /// Some of these: those that stand for all, or as if as many had been seen once more.
    fn some(&mut self, mut seen: Vec<Span>) -> Vec<Span> {
        let length = seen.len();
        match self {
            Dice::Mean => {
                seen.sort_by_key(|span| span.rings_ms + span.talks_ms.unwrap_or(0));
                let kept = length.min(SPANS);
                (0..kept).map(|nth| seen[(2 * nth + 1) * length / (2 * kept)]).collect()
            }
            // As uncertain as so many examples leave it, and no more uncertain than the table can show.
            Dice::Random(random) if length <= SPANS => {
                (0..SPANS).map(|_| seen[random.random_range(0..length)]).collect()
            }
            Dice::Random(_) => Dice::Mean.some(seen),
        }
    }
}

/// How much more was seen than expected, as it may be, as far as `like` further calls as expected leave it.
pub(super) fn possible_factors(seen: f64, expected: f64, like: f64, worlds: u64, seed: u64) -> Vec<f64> {
    let mut dice = Dice::seeded(seed);
    (0..worlds).map(|_| dice.factor(Odds { seen, expected }, like, 0.0)).collect()
}

/// A number by the gamma distribution of this shape and scale 1 (Marsaglia and Tsang, 2000).
fn gamma(random: &mut Xoshiro256PlusPlus, shape: f64) -> f64 {
    if shape < 1.0 {
        let lift = (1.0 - random.random::<f64>()).powf(1.0 / shape.max(1e-6));
        return (gamma(random, shape + 1.0) * lift).max(f64::MIN_POSITIVE);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(random);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - random.random::<f64>()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// A number by the normal distribution (Box and Muller).
fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::analytics::quarter;
    use crate::domain::campaign::Request;
    use crate::domain::money::Money;
    use crate::domain::outcome::Category;
    use serde_json::json;

    const ZONE: Tz = Tz::America__New_York;

    fn stated() -> Stated {
        let body = json!({"name": "Survey", "status": "draft", "calls_per_day": 100, "calling_hours_start": "09:00:00",
            "calling_hours_end": "17:00:00", "working_days": ["Monday"], "time_zone": ZONE.name(),
            "system_prompt": "Be kind", "script_template": "Hello, this is a survey call."});
        Stated::of(&Request::read(body, None).unwrap().settings)
    }

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn counted(text: &str, calls: i64, completed: i64) -> [Counted; 2] {
        let counted = |outcome, calls, completed, talk_ms| Counted {
            quarter: quarter(at(text)),
            outcome,
            calls,
            completed,
            successful: 0,
            spent: Money::ZERO,
            talk_ms,
        };
        let missed = calls - completed;
        [
            counted(Outcome::Success, completed, completed, completed * 20_000),
            counted(Outcome::Busy, missed, 0, 0),
        ]
    }

    fn history(counted: &[[Counted; 2]]) -> History {
        History::of(ZONE, counted.as_flattened(), &[])
    }

    fn learned(own: &[[Counted; 2]], siblings: &[&[[Counted; 2]]]) -> Learned {
        Learned::new(stated(), history(own), siblings.iter().map(|sibling| history(sibling)).collect())
    }

    const MONDAY_10: &str = "2026-03-02T15:00:00Z";
    const MONDAY_16: &str = "2026-03-02T21:00:00Z";
    const TUESDAY_10: &str = "2026-03-03T15:00:00Z";

    #[test]
    fn nothing_seen_leaves_what_is_stated_and_much_doubt() {
        let learned = learned(&[], &[]);
        let likely = learned.likely();
        assert!(likely.by_hour().iter().all(|chance| (chance - CHANCE_STATED).abs() < 1e-9));
        assert_eq!(learned.observations(), Observations::default());
        for answered in [true, false] {
            let shares: f64 = likely.ends(answered).map(|(_, share)| share).sum();
            assert!((shares - 1.0).abs() < 1e-9);
        }
        let drawn: Vec<f64> = (0..400).map(|seed| learned.draw(seed).chance(at(MONDAY_10), 1)).collect();
        let far = drawn.iter().filter(|chance| (**chance - CHANCE_STATED).abs() > 0.2).count();
        assert!((100..300).contains(&far), "{far}");
        assert_eq!(learned.draw(7), learned.draw(7));
        assert_ne!(learned.draw(7), learned.draw(8));
    }

    #[test]
    fn many_calls_speak_for_themselves_and_the_hours_without_any_lean_on_them() {
        let learned = learned(&[counted(MONDAY_10, 4_000, 800)], &[]);
        let likely = learned.likely();
        let seen = likely.chance(at(MONDAY_10), 1);
        assert!((seen - 0.2).abs() < 0.01, "{seen}");
        let (same_hour, other_hour) = (likely.chance(at(TUESDAY_10), 1), likely.chance(at(MONDAY_16), 1));
        assert!((same_hour - 0.2).abs() < 0.05, "{same_hour}");
        assert!(other_hour > same_hour && other_hour < 0.3, "{other_hour}");
        let spread = |text: &str| {
            let drawn: Vec<f64> = (0..300).map(|seed| learned.draw(seed).chance(at(text), 1)).collect();
            let mean = drawn.iter().sum::<f64>() / 300.0;
            (drawn.iter().map(|chance| (chance - mean).powi(2)).sum::<f64>() / 300.0).sqrt()
        };
        let (certain, less, least) = (spread(MONDAY_10), spread(TUESDAY_10), spread(MONDAY_16));
        assert!(certain < 0.01 && certain < less && less < least, "{certain} {less} {least}");
        assert_eq!(learned.observations().own, 4_000);
    }

    #[test]
    fn siblings_tell_which_hours_are_good_and_roughly_how_good() {
        // Each is compared with itself: the better one was called in the worse hour more often.
        let good = [counted(MONDAY_10, 4_000, 2_400), counted(MONDAY_16, 400, 320)];
        let poor = [counted(MONDAY_10, 400, 60), counted(MONDAY_16, 4_000, 800)];
        let rates = learned(&[], &[&good, &poor]).likely();
        let (morning, evening) = (rates.chance(at(MONDAY_10), 1), rates.chance(at(MONDAY_16), 1));
        assert!(evening > morning * 1.05, "{morning} {evening}");
        // Their level is believed only as far as campaigns are alike.
        let own = [counted(MONDAY_10, 200, 20)];
        let chance = learned(&own, &[&good]).likely().chance(at(MONDAY_10), 1);
        assert!((0.1..0.2).contains(&chance), "{chance}");
        let observations = learned(&own, &[&good, &poor, &[]]).observations();
        assert_eq!(observations, Observations { own: 200, siblings: 8_800, sibling_campaigns: 2 });
    }

    #[test]
    fn the_hours_are_those_of_the_campaigns_clocks_before_and_after_they_are_changed() {
        // 10:00 in New York, in winter and in summer.
        let (winter, summer) = ("2026-03-06T15:00:00Z", "2026-03-13T14:00:00Z");
        let rates = learned(&[counted(winter, 1_000, 900), counted(summer, 1_000, 900)], &[]).likely();
        let chances = [winter, summer, "2026-03-13T15:00:00Z"].map(|text| rates.chance(at(text), 1));
        assert_eq!(chances[0], chances[1]);
        assert!(chances[2] < chances[0] - 0.005, "{chances:?}");
    }

    #[test]
    fn later_attempts_are_picked_up_as_often_as_they_were() {
        let example = |attempt, talks_ms: Option<i64>| Example {
            outcome: if talks_ms.is_some() { Outcome::Success } else { Outcome::NoAnswer },
            attempt,
            span: Span { rings_ms: 5_000, talks_ms },
        };
        let mut examples = Vec::new();
        for (attempt, answered, missed) in [(1, 600, 400), (2, 100, 400)] {
            examples.extend((0..answered).map(|_| example(attempt, Some(30_000))));
            examples.extend((0..missed).map(|_| example(attempt, None)));
        }
        let own = History::of(ZONE, counted(MONDAY_10, 1_500, 700).as_slice(), &examples);
        let rates = Learned::new(stated(), own, Vec::new()).likely();
        let [first, second, third] = [1, 2, 3].map(|attempt| rates.chance(at(MONDAY_10), attempt));
        assert!((first - 0.59).abs() < 0.03 && (second - 0.22).abs() < 0.04, "{first} {second}");
        assert!((third - 0.46).abs() < 0.03, "{third}");
        assert!((rates.talk_seconds() - 28.0).abs() < 4.0, "{}", rates.talk_seconds());
    }

    #[test]
    fn calls_come_out_as_often_and_last_as_long_as_the_table_says() {
        let mut rates = learned(&[], &[]).likely();
        rates.assume_chance(0.25);
        rates.assume_talk(TimeDelta::seconds(40));
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(1);
        let calls: Vec<Played> = (0..10_000).map(|_| rates.call(at(MONDAY_10), 3, &mut dice)).collect();
        let answered: Vec<&Played> = calls.iter().filter(|call| call.talks.is_some()).collect();
        assert!((2_350..2_650).contains(&answered.len()), "{}", answered.len());
        assert!(answered.iter().all(|call| call.talks == Some(TimeDelta::seconds(40))));
        let machines = answered.iter().filter(|call| call.outcome == Outcome::Voicemail).count();
        assert!((650..850).contains(&machines), "{machines}");
        assert!(
            calls.iter().all(|call| call.outcome.category(call.talks.is_some()) != Category::Completed
                || call.talks.is_some())
        );
        let rejected = calls.iter().filter(|call| call.outcome == Outcome::Rejected);
        let rings: std::collections::BTreeSet<i64> =
            rejected.map(|call| call.rings.num_milliseconds()).collect();
        assert!(rings.len() > 300 && rings.iter().all(|ms| (7_200..=16_800).contains(ms)), "{rings:?}");
        let mut unanswered = calls.iter().filter(|call| call.outcome == Outcome::NoAnswer);
        assert!(unanswered.all(|call| call.rings.num_milliseconds() == rates.ring_timeout_ms));
        rates.assume_chance_at(10, 0.999);
        assert!(rates.by_hour()[10] > 0.99 && rates.by_hour()[11] < 0.26);
    }

    #[test]
    fn what_we_ended_ourselves_tells_nothing() {
        let ours = Counted { outcome: Outcome::Canceled, ..counted(MONDAY_10, 50, 0)[1] };
        assert_eq!(History::of(ZONE, &[ours], &[]), History::default());
    }

    #[test]
    fn eight_in_ten_ranges_hold_the_truth() {
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(5);
        let (mut held, campaigns) = (0, 120);
        for seed in 0..campaigns {
            let level = dice.random_range(0.15..0.75);
            let hours: [f64; 24] =
                std::array::from_fn(|_| (level * (1.0 + 0.12 * normal(&mut dice))).clamp(0.02, 0.98));
            let mut own = Vec::new();
            for (hour, chance) in (9..13).zip(&hours[9..13]) {
                let calls = 60;
                let picked = (0..calls).filter(|_| dice.random::<f64>() < *chance).count() as i64;
                let when = at("2026-03-02T05:00:00Z") + TimeDelta::hours(hour);
                own.push(counted(&when.to_rfc3339(), calls, picked));
            }
            let learned = learned(&own, &[]);
            // What matters of a campaign is how all of its hours are together.
            let truth: f64 = (9..17).map(|hour| hours[hour]).sum::<f64>() / 8.0;
            let mut drawn: Vec<f64> = (0..50)
                .map(|nth| {
                    let mut dice = Dice::seeded(seed * 1_000 + nth);
                    let level = learned.level(&mut dice);
                    learned.chances(level, &mut dice)[0][9..17].iter().sum::<f64>() / 8.0
                })
                .collect();
            drawn.sort_by(f64::total_cmp);
            held += u32::from(drawn[5] <= truth && truth <= drawn[44]);
        }
        let share = f64::from(held) / campaigns as f64;
        assert!((0.7..0.9).contains(&share), "{share}");
    }

    #[test]
    fn numbers_by_the_gamma_distribution_have_its_mean_and_variance() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        for shape in [0.3, 1.0, 4.0, 60.0] {
            let drawn: Vec<f64> = (0..20_000).map(|_| gamma(&mut random, shape)).collect();
            let mean = drawn.iter().sum::<f64>() / 20_000.0;
            let variance = drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
            assert!((mean / shape - 1.0).abs() < 0.05, "{shape}: {mean}");
            assert!((variance / shape - 1.0).abs() < 0.1, "{shape}: {variance}");
        }
    }
}
