//! Where a phone may ring: the time zones that numbers with the same prefix can be in.
//!
//! The prefixes are libphonenumber's, with the numbers that have no place (mobiles in most countries, toll free and
//! the like) set to all zones of their country: see `tests/zones/make.py`, which writes `zones.txt`. Several zones
//! mean that nobody can tell which: dial only while *all* of them are inside the hours. Must not know the hours, nor
//! that a lead may name its own zone. Nor can it know who took a number along to another place.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use chrono_tz::Tz;

use super::phone::Phone;

/// The version of the source table, for whoever asks which data decided.
pub const SOURCE: &str = "libphonenumber 9.0.43";

/// One line per set of zones: the zones, `|`, the prefixes and ranges of prefixes that have them.
const TEXT: &str = include_str!("zones.txt");

/// No prefix is longer: the shortest number we keep has as many digits.
const DIGITS: u32 = 8;

/// Read when the first number asks, not when the server starts.
static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of(&Prefixes::read(TEXT)));

/// The zones that numbers with this prefix can be in: longest matching prefix wins; empty where nothing is known
/// (never a guess).
pub fn of(phone: Phone) -> &'static [Tz] {
    TABLE.zones(first_digits(phone))
}

fn first_digits(phone: Phone) -> u32 {
    let digits = phone.digits();
    let surplus = (digits.ilog10() + 1).saturating_sub(DIGITS);
    u32::try_from(digits / 10_u64.pow(surplus)).unwrap_or_default()
}

/// The file, as it is written: sets of zones, and which of them a prefix has.
struct Prefixes {
    sets: Vec<Box<[Tz]>>,
    set_of: HashMap<u32, u16>,
}

impl Prefixes {
    /// A prefix is its number, for none begins with 0. What cannot be read is left out; a test says that all can.
    fn read(text: &str) -> Prefixes {
        let mut prefixes = Prefixes { sets: vec![Box::default()], set_of: HashMap::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (zones, spans) = line.split_once('|').unwrap_or_default();
            let set = u16::try_from(prefixes.sets.len()).unwrap_or_default();
            prefixes.sets.push(zones.split(' ').filter_map(|zone| zone.parse().ok()).collect());
            for span in spans.split(' ') {
                let (first, last) = span.split_once('-').unwrap_or((span, span));
                if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse()) {
                    prefixes.set_of.extend((first..=last).map(|prefix| (prefix, set)));
                }
            }
        }
        prefixes
    }

    /// The set of the longest prefix of these digits, 0 without one.
    fn longest(&self, digits: u32) -> u16 {
        let shorter = (0..DIGITS).map(|dropped| digits / 10_u32.pow(dropped));
        shorter.filter_map(|prefix| self.set_of.get(&prefix)).next().copied().unwrap_or_default()
    }
}

/// The same, for asking a million times: all eight-digit beginnings, cut wherever the answer changes.
struct Table {
    sets: Box<[Box<[Tz]>]>,
    /// Where each stretch starts, and the set of each.
    starts: Box<[u32]>,
    set_at: Box<[u16]>,
}

impl Table {
    fn of(prefixes: &Prefixes) -> Table {
        let spread = |prefix: u32| {
            let width = 10_u32.pow(DIGITS.saturating_sub(prefix.ilog10() + 1));
            [prefix * width, (prefix + 1) * width]
        };
        let cuts: BTreeSet<u32> =
            prefixes.set_of.keys().copied().filter(|prefix| *prefix > 0).flat_map(spread).collect();
        let mut stretches = vec![(0, 0)];
        stretches.extend(cuts.into_iter().map(|start| (start, prefixes.longest(start))));
        stretches.dedup_by_key(|(_, set)| *set);
        let (starts, set_at): (Vec<u32>, Vec<u16>) = stretches.into_iter().unzip();
        Table { sets: prefixes.sets.clone().into(), starts: starts.into(), set_at: set_at.into() }
    }

    fn zones(&self, digits: u32) -> &[Tz] {
        let stretch = self.starts.partition_point(|start| *start <= digits).saturating_sub(1);
        let set = self.set_at.get(stretch).copied().unwrap_or_default();
        self.sets.get(usize::from(set)).map_or(&[], |zones| zones)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written by `tests/zones/make.py`, which asked libphonenumber about each number on its own.
    const SAMPLE: &str = include_str!("../../tests/zones/sample.txt");

    fn names(number: &str) -> String {
        let phone = Phone::from_e164(&format!("+{number}")).unwrap();
        of(phone).iter().map(|zone| zone.name()).collect::<Vec<_>>().join(" ")
    }

    /// Zones and what follows the `|`, line by line.
    fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
        text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once('|').unwrap())
    }

    #[test]
    fn a_number_with_a_place_is_in_the_zones_of_that_place() {
        for (number, zones) in [
            ("12125551234", "America/New_York"),
            ("12025550101", "America/New_York"),
            ("12135551234", "America/Los_Angeles"),
            ("13105551234", "America/Los_Angeles"),
            ("16025551234", "America/Phoenix"),
            ("18085551234", "Pacific/Honolulu"),
            ("12083201234", "America/Boise America/Los_Angeles"),
            ("12085550101", "America/Boise America/Los_Angeles"),
            ("14165551234", "America/Toronto"),
            ("18676331234", "America/Whitehorse"),
            ("17875551234", "America/Puerto_Rico"),
            ("4930901820", "Europe/Berlin"),
            ("33142345678", "Europe/Paris"),
            ("74951234567", "Europe/Moscow"),
            ("74232123456", "Asia/Vladivostok"),
            ("74012123456", "Europe/Kaliningrad"),
            ("61292345678", "Australia/Sydney"),
            ("551123456789", "America/Sao_Paulo"),
            ("5511961234567", "America/Sao_Paulo"),
            ("5592961234567", "America/Manaus"),
            ("559220123456", "America/Manaus"),
            ("5593961234567", "America/Santarem"),
            ("5581987654321", "America/Noronha America/Recife"),
            ("62211234567", "Asia/Jakarta"),
            ("62967123456", "Asia/Jayapura"),
            ("81312345678", "Asia/Tokyo"),
            ("911123456789", "Asia/Calcutta"),
            ("861012345678", "Asia/Shanghai"),
            ("525512345678", "America/Mexico_City"),
            ("212612345678", "Africa/Casablanca"),
            ("213551234567", "Africa/Algiers"),
            ("970599123456", "Asia/Hebron"),
        ] {
            assert_eq!(names(number), zones, "+{number}");
        }
    }

    #[test]
    fn a_number_without_a_place_may_be_anywhere_in_its_country() {
        for (number, count, among) in [
            ("18005551234", 42, "America/New_York"),
            ("18005551234", 42, "Pacific/Guam"),
            ("79161234567", 16, "Asia/Vladivostok"),
            ("78001234567", 16, "Europe/Kaliningrad"),
            ("61412345678", 9, "Australia/Perth"),
            ("6281234567890", 3, "Asia/Jayapura"),
            ("34612345678", 2, "Atlantic/Canary"),
            ("56961234567", 3, "Pacific/Easter"),
            ("64211234567", 2, "Pacific/Chatham"),
            ("77012345678", 2, "Asia/Aqtobe"),
            ("12423591234", 1, "America/Nassau"),
        ] {
            let zones = names(number);
            assert_eq!(zones.split(' ').count(), count, "+{number}: {zones}");
            assert!(zones.split(' ').any(|zone| zone == among), "+{number}: {zones}");
        }
    }

    #[test]
    fn nothing_is_known_of_numbers_without_a_country() {
        for number in
            ["80012345678", "870773123456", "883510012345", "97912345678", "99912345678", "21012345"]
        {
            assert_eq!(names(number), "", "+{number}");
        }
    }

    #[test]
    fn the_answers_are_those_of_libphonenumber() {
        let mut asked = 0;
        for (zones, numbers) in lines(SAMPLE) {
            for number in numbers.split(' ') {
                assert_eq!(names(number), zones, "+{number}");
                asked += 1;
            }
        }
        assert!(asked > 800, "{asked}");
    }

    #[test]
    fn every_zone_is_known_and_every_prefix_read_once() {
        let mut seen = BTreeSet::new();
        for (zones, spans) in lines(TEXT) {
            for zone in zones.split(' ') {
                assert!(zone.parse::<Tz>().is_ok(), "{zone}");
            }
            for span in spans.split(' ') {
                let (first, last) = span.split_once('-').unwrap_or((span, span));
                assert!(first.len() == last.len() && last.len() <= DIGITS as usize, "{span}");
                let (first, last): (u32, u32) = (first.parse().unwrap(), last.parse().unwrap());
                assert!((1..=last).contains(&first), "{span}");
                for prefix in first..=last {
                    assert!(seen.insert(prefix), "{prefix} has two sets of zones");
                }
            }
        }
        assert_eq!(Prefixes::read(TEXT).set_of.len(), seen.len());
    }

    #[test]
    fn the_file_and_the_code_name_the_same_version() {
        let version = SOURCE.strip_prefix("libphonenumber ").unwrap();
        assert!(TEXT.lines().any(|line| line.starts_with('#') && line.contains(version)));
        assert!(SAMPLE.lines().any(|line| line.starts_with('#') && line.contains(version)));
    }

    #[test]
    fn the_longest_prefix_wins() {
        let prefixes =
            Prefixes::read("# none\nEurope/Rome|1\nEurope/Paris|12 30-31\nEurope/Berlin|12345678 9");
        let table = Table::of(&prefixes);
        for (digits, zones) in [
            (10_000_000, "Europe/Rome"),
            (11_999_999, "Europe/Rome"),
            (12_000_000, "Europe/Paris"),
            (12_345_677, "Europe/Paris"),
            (12_345_678, "Europe/Berlin"),
            (12_345_679, "Europe/Paris"),
            (13_000_000, "Europe/Rome"),
            (20_000_000, ""),
            (29_999_999, ""),
            (30_000_000, "Europe/Paris"),
            (31_999_999, "Europe/Paris"),
            (32_000_000, ""),
            (90_000_000, "Europe/Berlin"),
            (99_999_999, "Europe/Berlin"),
        ] {
            let found: Vec<&str> = table.zones(digits).iter().map(|zone| zone.name()).collect();
            assert_eq!(found.join(" "), zones, "{digits}");
        }
    }

    proptest! {
        #[test]
        fn any_number_is_answered_as_by_looking_for_ever_shorter_prefixes(
            digits in prop_oneof![10_000_000u64..100_000_000, 10_000_000u64..1_000_000_000_000_000, 12_080_000_000u64..12_090_000_000]
        ) {
            static PREFIXES: LazyLock<Prefixes> = LazyLock::new(|| Prefixes::read(TEXT));
            let text = digits.to_string();
            let set = (1..=8).rev().find_map(|length| PREFIXES.set_of.get(&text[..length].parse::<u32>().unwrap()));
            let expected = set.map_or(&[][..], |set| &PREFIXES.sets[usize::from(*set)]);
            prop_assert_eq!(of(Phone::from_digits(digits).unwrap()), expected);
        }
    }
}
