//! Who calls us: only carriers that we have a trunk to, and not more than we can take. Everybody else is sent away in one
//! short answer, and a flood of them in none.

use super::call::Call;
use super::stack::{Status, Visitor};
use super::{Inner, Place, Trunk, settings};
use crate::carrier::{Incoming, Leg, Reception};
use crate::domain::Instant;
use crate::domain::other_call::Turned;
use crate::domain::phone::{self, Country, Phone};
use chrono::TimeDelta;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Calls that are looked at in a second, of carriers.
const CALLS_PER_SECOND: u32 = 20;
/// Strangers that get an answer in a second.
const STRANGERS_PER_SECOND: u32 = 5;
/// How long the dialer has to say whether it takes somebody.
const ANSWER_WAIT: TimeDelta = TimeDelta::seconds(10);

/// Counts what happens in a second.
#[derive(Default)]
struct Pace {
    since: Option<Instant>,
    count: u32,
}

impl Pace {
    /// Whether this one is within the limit.
    fn allows(&mut self, now: Instant, limit: u32) -> bool {
        if self.since.is_none_or(|since| now - since >= TimeDelta::seconds(1)) {
            *self = Pace { since: Some(now), count: 0 };
        }
        self.count += 1;
        self.count <= limit
    }
}

/// Looks at whoever calls, for as long as anybody can.
pub(super) async fn watch(carrier: Arc<Inner>, mut visitors: mpsc::Receiver<Visitor>) {
    let (mut calls, mut strangers) = (Pace::default(), Pace::default());
    while let Some(visitor) = visitors.recv().await {
        let now = carrier.clock.steady();
        let Some(trunk) = trunk_at(&carrier, visitor.source) else {
            if strangers.allows(now, STRANGERS_PER_SECOND) {
                tracing::warn!(source = %visitor.source, "somebody calls who is no trunk of ours");
                visitor.refuse(Status::Forbidden);
            }
            continue;
        };
        if !calls.allows(now, CALLS_PER_SECOND) {
            visitor.refuse(Status::Unavailable);
            continue;
        }
        let country = carrier.settings.default_country;
        let called: Vec<Phone> =
            visitor.called.iter().flat_map(|user| written(user, &trunk.settings, country)).collect();
        if called.is_empty() {
            visitor.refuse(Status::NotFound);
            continue;
        }
        match trunk.admit(visitor.source) {
            Some(place) => admit(&carrier, place, visitor, called),
            None => visitor.refuse(Status::Busy),
        }
    }
}

fn trunk_at(carrier: &Inner, source: SocketAddr) -> Option<Arc<Trunk>> {
    carrier.trunks().iter().find(|trunk| trunk.is_at(source.ip())).cloned()
}

/// Tells the dialer of somebody, and does what it says.
fn admit(carrier: &Arc<Inner>, place: Place, visitor: Visitor, called: Vec<Phone>) {
    let caller = visitor.caller.as_deref();
    let caller =
        caller.and_then(|user| number(user, &place.trunk.settings, carrier.settings.default_country));
    let (to_door, at_door) = oneshot::channel();
    let incoming = Incoming::new(called, caller, move |reception| {
        let (to_commands, commands) = mpsc::unbounded_channel();
        let is_taken = matches!(reception, Reception::Taken(..));
        let is_there = to_door.send((reception, commands)).is_ok();
        let leg = Leg::new(move |command| {
            // After the end nobody takes commands any more.
            let _ = to_commands.send(command);
        });
        (is_taken && is_there).then_some(leg)
    });
    let receiver = carrier.receiver();
    let Some(true) = receiver.map(|receiver| receiver.try_send(incoming).is_ok()) else {
        visitor.refuse(Status::Unavailable);
        return;
    };
    let carrier = carrier.clone();
    tokio::spawn(async move {
        let said = tokio::select! {
            said = at_door => said.ok(),
            () = carrier.clock.sleep_until(carrier.clock.steady() + ANSWER_WAIT) => None,
        };
        match said {
            Some((Reception::Taken(request, events), commands)) => {
                // Nobody waits to hear that the carrier was asked: it is the carrier that asks.
                let (asked, _) = oneshot::channel();
                let call = Call::new(carrier, place, *request, events, commands, asked);
                call.take(visitor).await;
            }
            Some((Reception::Refused(why), _)) => visitor.refuse(match why {
                Turned::NoSuchNumber => Status::NotFound,
                Turned::NotNow => Status::Unavailable,
                Turned::Busy => Status::Busy,
            }),
            None => visitor.refuse(Status::Unavailable),
        }
    });
}

/// The number that a carrier writes so; none where it may be one of two.
fn number(user: &str, trunk: &settings::Trunk, country: Option<Country>) -> Option<Phone> {
    match written(user, trunk, country)[..] {
        [number] => Some(number),
        _ => None,
    }
}

/// The numbers that a carrier may mean that writes so: with `+`, with `00`, as they are dialed in the default country, bare
/// with the country code, or with the prefix of the trunk. Only those that there are.
fn written(user: &str, trunk: &settings::Trunk, country: Option<Country>) -> Vec<Phone> {
    let bare = user.split(';').next().unwrap_or_default().trim();
    let own = phone::parse(bare, country).ok();
    // Ten digits are how all of North America writes a number, and by chance one of somewhere else.
    if own.is_some_and(|own| bare.len() == 10 && own.to_string().strip_prefix("+1") == Some(bare)) {
        return own.into_iter().collect();
    }
    let international = |digits: &str| match digits.starts_with(|char: char| char.is_ascii_digit()) {
        true => phone::parse(&format!("+{digits}"), None).ok(),
        false => None,
    };
    let prefix = Some(trunk.number_prefix.as_str()).filter(|prefix| !prefix.is_empty());
    let without_prefix = prefix.and_then(|prefix| bare.strip_prefix(prefix)).and_then(international);
    let mut found: Vec<Phone> = Vec::new();
    for number in [own, international(bare), without_prefix].into_iter().flatten() {
        if !found.contains(&number) {
            found.push(number);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(user: &str, prefix: &str, country: Option<&str>) -> Option<String> {
        let trunk = serde_json::json!({"name": "a", "host": "a.example", "number_prefix": prefix});
        let trunk = serde_json::from_value(trunk).unwrap();
        number(user, &trunk, country.and_then(Country::parse)).map(|phone| phone.to_string())
    }

    #[test]
    fn a_number_is_understood_in_whatever_way_a_carrier_writes_it() {
        for user in ["+12025550199", "12025550199", "0012025550199", "+1-202-555-0199", "+12025550199;npdi"] {
            for country in [None, Some("US"), Some("DE")] {
                assert_eq!(read(user, "+", country).as_deref(), Some("+12025550199"), "{user} {country:?}");
            }
        }
        assert_eq!(read("9912025550199", "99", None).as_deref(), Some("+12025550199"));
        for user in ["anonymous", "", "0", "2025", "+", "alice", "1202555019912025550199"] {
            assert_eq!(read(user, "+", Some("US")), None, "{user}");
        }
    }

    #[test]
    fn a_number_without_its_country_code_belongs_to_the_default_country() {
        for (user, country, number) in [
            ("2025550199", "US", "+12025550199"),
            ("4795550199", "US", "+14795550199"), // also one of Norway
            ("02079460000", "GB", "+442079460000"),
            ("00442079460000", "GB", "+442079460000"),
            ("442079460000", "GB", "+442079460000"),
            ("030123456", "DE", "+4930123456"),
            ("4930123456", "DE", "+4930123456"),
            ("0612345678", "FR", "+33612345678"),
        ] {
            assert_eq!(read(user, "+", Some(country)).as_deref(), Some(number), "{user} in {country}");
        }
    }

    #[test]
    fn whoever_may_have_one_of_two_numbers_or_one_that_is_not_there_has_none() {
        for (user, prefix, country) in [
            ("2025550199", "+", None),          // a country code and too few digits
            ("02079460000", "+", None),         // of which country?
            ("02079460000", "+", Some("US")),   // not in that one
            ("+11234567890", "+", Some("US")),  // no such area
            ("9120255501999", "+", Some("US")), // too long
            ("912025550199", "9", None),        // one of India, or one of the USA behind the prefix
        ] {
            assert_eq!(read(user, prefix, country), None, "{user} with {prefix} in {country:?}");
        }
    }

    #[test]
    fn a_prefix_takes_no_digit_of_a_number_that_does_not_have_it() {
        for (user, prefix, number) in [
            ("919812345678", "9", "+919812345678"),
            ("+919812345678", "9", "+919812345678"),
            ("9919812345678", "9", "+919812345678"),
            ("33612345678", "33", "+33612345678"),
        ] {
            assert_eq!(read(user, prefix, None).as_deref(), Some(number), "{user} with {prefix}");
        }
    }

    #[test]
    fn only_so_many_are_looked_at_in_a_second() {
        let (mut pace, now) = (Pace::default(), Instant::UNIX_EPOCH);
        assert!(pace.allows(now, 2) && pace.allows(now, 2) && !pace.allows(now, 2));
        assert!(pace.allows(now + TimeDelta::seconds(1), 2));
    }
}
