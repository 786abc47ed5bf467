//! What will happen on a call: decided before it is dialed, from the seed, the number and the attempt alone.
//! Knows what the other side will do, not how that is played or reported.

use super::settings::{Outcomes, Persons, Seconds, Settings};
use crate::domain::outcome::Cause;
use crate::domain::phone::{self, Phone};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// What will happen on one call. Lengths are in life's milliseconds, before the speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Story {
    /// Ends unanswered.
    Fails { rings: bool, after_ms: u64, cause: Cause },
    /// Rings until the ring timeout.
    RingsOut,
    /// A person picks up.
    Person(Person),
    /// An answering machine picks up.
    Machine { ring_ms: u64 },
    /// The carrier takes the call and never says another word about it.
    Silence,
    /// A person, reported by a carrier whose events come late, twice and out of order.
    Muddle(Person),
}

/// Somebody who picks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// From the first ring until they pick up.
    pub(super) ring_ms: u64,
    /// How much silence they bear.
    pub(super) patience_ms: u64,
    /// What they do.
    pub(super) manner: Manner,
}

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Listens.
    HearsOut,
    /// Hangs up so long after picking up.
    HangsUp { after_ms: u64 },
    /// Presses a key so long after the first speech.
    Presses { digit: char, after_ms: u64 },
    /// Asks not to be called again so far into the first speech.
    AsksNotToBeCalledAgain { after_ms: u64 },
    /// Is left alone by an agent that fails; hears a script out.
    SeesAgentFail,
}

impl Story {
    /// The story of this attempt at this number.
    pub(super) fn of(settings: &Settings, phone: Phone, attempt: i64) -> Story {
        phone::fictional_story(phone)
            .and_then(|number| reserved(number, attempt))
            .unwrap_or_else(|| ordinary(settings, &mut rng_of(settings.seed, phone, attempt)))
    }
}

impl Story {
    /// What somebody does who calls us: they are there already, and do what they would do if they had picked up.
    pub(super) fn of_caller(settings: &Settings, phone: Phone) -> Story {
        let there = |person| Story::Person(Person { ring_ms: 0, ..person });
        match Story::of(settings, phone, 1) {
            Story::Person(person) | Story::Muddle(person) => there(person),
            Story::Fails { .. } | Story::RingsOut | Story::Machine { .. } | Story::Silence => {
                there(Person { ring_ms: 0, patience_ms: 12_000, manner: Manner::HearsOut })
            }
        }
    }
}

/// The stories of the numbers that are kept for fiction, whatever the settings.
fn reserved(number: u16, attempt: i64) -> Option<Story> {
    const HEARS_OUT: Person = Person { ring_ms: 3_000, patience_ms: 12_000, manner: Manner::HearsOut };
    const BUSY: Story = Story::Fails { rings: false, after_ms: 2_000, cause: Cause::Busy };
    let person = |manner| Story::Person(Person { manner, ..HEARS_OUT });
    let story = match number {
        101 => person(Manner::HearsOut),
        102 => person(Manner::HangsUp { after_ms: 3_000 }),
        103 => Story::Machine { ring_ms: 4_000 },
        104 => Story::RingsOut,
        105 => BUSY,
        106 => Story::Fails { rings: true, after_ms: 4_000, cause: Cause::Rejected },
        107 => Story::Fails { rings: false, after_ms: 500, cause: Cause::InvalidNumber },
        108 => Story::Fails { rings: false, after_ms: 1_000, cause: Cause::CarrierError },
        109 => person(Manner::AsksNotToBeCalledAgain { after_ms: 4_000 }),
        110 => person(Manner::Presses { digit: '1', after_ms: 2_000 }),
        111 if attempt <= 1 => BUSY,
        111 => person(Manner::HearsOut),
        112 => Story::Silence,
        113 => Story::Muddle(HEARS_OUT),
        114 => person(Manner::Presses { digit: '0', after_ms: 2_000 }),
        115 => person(Manner::Presses { digit: '3', after_ms: 2_000 }),
        116 => person(Manner::SeesAgentFail),
        _ => return None,
    };
    Some(story)
}

fn ordinary(settings: &Settings, rng: &mut Xoshiro256PlusPlus) -> Story {
    let ring_ms = length(rng, settings.ring_seconds);
    let patience_ms = length(rng, settings.patience_seconds);
    let interrupt_ms = length(rng, settings.interrupt_seconds);
    let key_ms = length(rng, settings.key_seconds);

    let Persons { hears_out, hangs_up_early, presses_1, presses_2, asks_not_to_be_called_again } =
        settings.persons;
    let manner = pick(
        rng,
        [
            (hears_out, Manner::HearsOut),
            (hangs_up_early, Manner::HangsUp { after_ms: interrupt_ms }),
            (presses_1, Manner::Presses { digit: '1', after_ms: key_ms }),
            (presses_2, Manner::Presses { digit: '2', after_ms: key_ms }),
            (asks_not_to_be_called_again, Manner::AsksNotToBeCalledAgain { after_ms: interrupt_ms }),
        ],
    );
    let fails = |cause, rings, after_ms| Story::Fails { rings, after_ms, cause };
    let Outcomes {
        answered_by_person,
        answered_by_machine,
        no_answer,
        busy,
        rejected,
        invalid_number,
        carrier_error,
    } = settings.outcomes;
    pick(
        rng,
        [
            (answered_by_person, Story::Person(Person { ring_ms, patience_ms, manner })),
            (answered_by_machine, Story::Machine { ring_ms }),
            (no_answer, Story::RingsOut),
            (busy, fails(Cause::Busy, false, 2_000)),
            (rejected, fails(Cause::Rejected, true, ring_ms)),
            (invalid_number, fails(Cause::InvalidNumber, false, 500)),
            (carrier_error, fails(Cause::CarrierError, false, 1_000)),
        ],
    )
}

/// One of the choices, each as likely as its share.
fn pick<T: Copy, const N: usize>(rng: &mut Xoshiro256PlusPlus, choices: [(f64, T); N]) -> T {
    let sum: f64 = choices.iter().map(|(share, _)| share).sum();
    let mut left = rng.random::<f64>() * sum;
    let mut picked = choices[0].1;
    for (share, choice) in choices.into_iter().filter(|(share, _)| *share > 0.0) {
        picked = choice;
        left -= share;
        if left < 0.0 {
            break;
        }
    }
    picked
}

fn length(rng: &mut Xoshiro256PlusPlus, seconds: Seconds) -> u64 {
    (rng.random_range(seconds.min..=seconds.max) * 1000.0).round() as u64
}

/// A generator that is the same for the same attempt at the same number in the same town, whatever else is
/// dialed. The named algorithm, because the aliases in `rand` may change theirs.
fn rng_of(seed: u64, phone: Phone, attempt: i64) -> Xoshiro256PlusPlus {
    let words = [seed, phone.digits(), attempt.cast_unsigned()];
    Xoshiro256PlusPlus::seed_from_u64(words.into_iter().fold(0, |state, word| mixed(state ^ word)))
}

/// One step of SplitMix64: neighbouring numbers come out as strangers.
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(digits: u64) -> Phone {
        Phone::from_digits(digits).unwrap()
    }

    #[test]
    fn seed_number_and_attempt_decide_and_each_of_them_matters() {
        let town = |seed| Settings { seed, ..Settings::default() };
        let story = |seed, digits, attempt| Story::of(&town(seed), number(digits), attempt);
        let numbers = 12_025_560_000..12_025_560_100;
        let mut same = [0; 3];
        for digits in numbers {
            let first = story(1, digits, 1);
            assert_eq!(first, story(1, digits, 1));
            same[0] += u32::from(first == story(2, digits, 1));
            same[1] += u32::from(first == story(1, digits + 1, 1));
            same[2] += u32::from(first == story(1, digits, 2));
        }
        // Stories without a drawn length are often the same by chance.
        assert!(same.iter().all(|same| *same < 30), "{same:?}");
    }

    #[test]
    fn numbers_kept_for_fiction_do_the_same_in_every_town() {
        let all_busy = Outcomes { busy: 1.0, answered_by_person: 0.0, ..Outcomes::default() };
        for line in 101..=116 {
            let phone = number(12_025_550_000 + line);
            let story = Story::of(&Settings::default(), phone, 2);
            let elsewhere = Settings { seed: 99, outcomes: all_busy.clone(), ..Settings::default() };
            assert_eq!(Story::of(&elsewhere, phone, 2), story, "{line}");
        }
        assert_eq!(reserved(100, 1), None);
        assert_eq!(reserved(117, 1), None);
    }

    #[test]
    fn a_share_of_zero_never_happens() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let picked: Vec<u8> =
            (0..1000).map(|_| pick(&mut rng, [(0.0, 1), (0.5, 2), (1.5, 3), (0.0, 4)])).collect();
        let twos = picked.iter().filter(|picked| **picked == 2).count();
        assert!(picked.iter().all(|picked| [2, 3].contains(picked)));
        assert!((200..300).contains(&twos), "{twos}");
    }
}
