//! What no campaign may do, whatever its own settings say: call a number too often, call where nobody should be called,
//! or spend more in a day than all campaigns together may. And the switch that stops everything.
//!
//! Knows numbers, times and sums as they come in. Who was called when and what was spent is the store's.

use super::Instant;
use super::gate::HoldReason;
use super::money::Money;
use super::phone::{self, Country, Kind, Phone};
use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};

/// The limits in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Calls to one number within [`WINDOW`], at most, of all campaigns together.
    pub calls_per_number_per_day: u32,
    /// Where numbers may belong.
    pub countries: Countries,
    /// What all campaigns together may spend in a day (UTC); none for no limit.
    pub spend_per_day: Option<Money>,
    /// How long the server may be away and still go on by itself; none for however long.
    pub away_max: Option<TimeDelta>,
}

/// Where numbers may belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Countries {
    /// Anywhere.
    Every,
    /// Only there.
    Only(Vec<Country>),
}

/// How far back calls to a number are counted, at any moment.
pub const WINDOW: TimeDelta = TimeDelta::hours(24);

impl Default for Guard {
    fn default() -> Guard {
        Guard {
            calls_per_number_per_day: 3,
            countries: Countries::Every,
            spend_per_day: None,
            away_max: None,
        }
    }
}

impl Countries {
    /// The list of the settings, where `*` stands for every country and an empty list for the default one.
    pub fn read(list: &[String], default_country: Option<Country>) -> Result<Countries, String> {
        match (list, default_country) {
            ([], None) => Ok(Countries::Every),
            ([], Some(country)) => Ok(Countries::Only(vec![country])),
            ([all], _) if all == "*" => Ok(Countries::Every),
            (list, _) => list.iter().map(|code| country(code)).collect::<Result<_, _>>().map(Countries::Only),
        }
    }

    /// The list as the settings would write it.
    pub fn words(&self) -> Vec<String> {
        match self {
            Countries::Every => vec!["*".into()],
            Countries::Only(countries) => countries.iter().map(Country::to_string).collect(),
        }
    }

    fn allow(&self, country: Option<Country>) -> bool {
        match self {
            Countries::Every => true,
            Countries::Only(countries) => country.is_some_and(|country| countries.contains(&country)),
        }
    }
}

fn country(code: &str) -> Result<Country, String> {
    let message =
        || format!("`{code}` is no country of two letters, such as US or DE; `*` alone means every one");
    Country::parse(code).ok_or_else(message)
}

impl Guard {
    /// Why this number is never dialed, if it is not.
    pub fn refusal(&self, phone: Phone) -> Option<HoldReason> {
        let numbering = phone::numbering(phone);
        match numbering.kind {
            Kind::Premium | Kind::SharedCost | Kind::Satellite | Kind::Service | Kind::Unknown => {
                Some(HoldReason::NumberRefused)
            }
            Kind::Ordinary | Kind::TollFree if self.countries.allow(numbering.country) => None,
            Kind::Ordinary | Kind::TollFree => Some(HoldReason::CountryNotAllowed),
        }
    }
}

/// When a number may be called again whose `nth` newest call, the last one that is allowed, was placed at this time.
pub fn free_at(nth_newest: Instant) -> Instant {
    nth_newest + WINDOW
}

/// What all campaigns share at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overall {
    /// Somebody stopped all dialing.
    pub is_stopped: bool,
    /// The server was away for long, or works on a copy, and nobody has looked yet.
    pub is_waking_up: bool,
    /// Spent and set aside for calls of this day (UTC).
    pub money: Money,
    /// What may be, at most.
    pub money_max: Option<Money>,
    /// Who holds conversations.
    pub agents: Agents,
}

/// Who can hold conversations on calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agents {
    /// Conversations at one time; none where no agent is configured.
    pub seats: usize,
    /// Of these, those that no call alive needs.
    pub free: usize,
    /// Campaigns that do not say who talks have an agent talk.
    pub is_usual: bool,
}

impl Overall {
    /// Whether one more call at this price may be placed.
    pub fn affords(&self, price: Money) -> bool {
        self.money_max.is_none_or(|max| self.money + price <= max)
    }
}

/// The day on which money counts that is spent at this instant.
pub fn day(at: Instant) -> NaiveDate {
    at.date_naive()
}

/// When the next day begins.
pub fn next_day(at: Instant) -> Instant {
    let tomorrow = day(at).checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX);
    tomorrow.and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(list: &[&str], default_country: Option<&str>) -> Guard {
        let list: Vec<String> = list.iter().map(|code| (*code).to_owned()).collect();
        let countries = Countries::read(&list, default_country.and_then(Country::parse)).unwrap();
        Guard { countries, ..Guard::default() }
    }

    fn refusal(guard: &Guard, number: &str) -> Option<HoldReason> {
        guard.refusal(Phone::from_e164(number).unwrap())
    }

    #[test]
    fn numbers_that_cost_extra_or_belong_to_no_person_are_never_dialed() {
        let anywhere = guard(&["*"], None);
        for number in [
            "+19005550199",   // US premium rate
            "+4499123456789", // not a number of the plan
            "+449098790123",  // GB premium rate
            "+491908123456",  // not in the plan any more
            "+49900123456",   // DE premium rate
            "+491801123456",  // DE shared cost
            "+33891123456",   // FR premium rate
            "+870773111632",  // Inmarsat
            "+881612345678",  // Iridium
            "+8821612345678", // international networks
            "+883510012345",  // iNum
            "+8881234567890", // humanitarian networks
            "+979123456789",  // international premium rate
            "+80812345678",   // international shared cost
            "+445512345678",  // GB universal access number
            "+447640123456",  // GB pager
            "+999000000000001",
        ] {
            assert_eq!(refusal(&anywhere, number), Some(HoldReason::NumberRefused), "{number}");
        }
        for number in ["+12025550101", "+18005550199", "+442079460958", "+4915123456789", "+80012345678"] {
            assert_eq!(refusal(&anywhere, number), None, "{number}");
        }
    }

    #[test]
    fn a_country_is_that_of_the_number_and_not_of_its_calling_code() {
        let (us, us_and_gb) = (guard(&[], Some("US")), guard(&["us", "GB"], Some("DE")));
        for (number, in_us, in_both) in [
            ("+12025550101", true, true),
            ("+18005550199", true, true),
            ("+14165550123", false, false), // Canada
            ("+18765550123", false, false), // Jamaica
            ("+12423456789", false, false), // Bahamas
            ("+442079460958", false, true),
            ("+441534456789", false, false), // Jersey
            ("+4915123456789", false, false),
            ("+80012345678", false, false), // of no country
        ] {
            let verdict = |is_allowed: bool| (!is_allowed).then_some(HoldReason::CountryNotAllowed);
            assert_eq!(refusal(&us, number), verdict(in_us), "{number}");
            assert_eq!(refusal(&us_and_gb, number), verdict(in_both), "{number}");
        }
    }

    #[test]
    fn a_list_means_what_it_says_and_an_empty_one_the_default_country() {
        let read = |list: &[&str], default| guard(list, default).countries.words();
        assert_eq!(read(&[], None), ["*"]);
        assert_eq!(read(&[], Some("DE")), ["DE"]);
        assert_eq!(read(&["*"], Some("DE")), ["*"]);
        assert_eq!(read(&["us", "CA"], Some("DE")), ["US", "CA"]);
        for list in [&["USA"][..], &["US", "*"], &["+1"], &[""]] {
            let list: Vec<String> = list.iter().map(|code| (*code).to_owned()).collect();
            assert!(Countries::read(&list, None).is_err(), "{list:?}");
        }
    }

    #[test]
    fn money_counts_on_the_day_of_utc() {
        let at = |text: &str| text.parse::<Instant>().unwrap();
        assert_eq!(next_day(at("2026-03-04T00:00:00Z")), at("2026-03-05T00:00:00Z"));
        assert_eq!(next_day(at("2026-12-31T23:59:59.999Z")), at("2027-01-01T00:00:00Z"));
        let overall = |money, max| Overall {
            money: Money::from_ten_thousandths(money),
            money_max: max,
            ..Overall::default()
        };
        let price = Money::from_ten_thousandths(10);
        assert!(overall(90, Some(Money::from_ten_thousandths(100))).affords(price));
        assert!(!overall(91, Some(Money::from_ten_thousandths(100))).affords(price));
        assert!(overall(i64::MAX / 2, None).affords(price));
    }
}
