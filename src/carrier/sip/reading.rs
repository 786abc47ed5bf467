//! What others write in their messages, read: who calls whom, numbers, keys, causes, times. Text goes in, and whatever it
//! is, what comes out is bounded and in our own words. Knows neither the library nor a call.

use crate::domain::phone::{self, Country, Phone};
use crate::media::dtmf;

/// Nobody's name is longer.
const USER_MAX: usize = 100;
/// Numbers that are tried for who is called: networks say it in some places, not in many.
const CALLED_MAX: usize = 8;
/// For how long a session is agreed by whoever says it in a way that cannot be read, RFC 4028.
const SESSION_USUAL: u32 = 1_800;
/// Nobody's session is agreed for longer at a time.
const SESSION_MAX: u32 = 86_400;

/// Who calls, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parties {
    /// The user parts of who may have been called, the likeliest first.
    pub called: Vec<String>,
    /// The user part of who calls; none where they withhold it.
    pub caller: Option<String>,
}

/// Who calls whom in a request to this address with these headers, as names and values.
pub fn parties(uri: &str, headers: &[(&str, &str)]) -> Parties {
    let values = |wanted: &'static str| {
        headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
    };
    let places = values("P-Called-Party-ID").chain([uri]).chain(values("To"));
    let is_withheld = values("Privacy").any(|value| value.split(';').any(|word| word.trim() == "id"));
    let caller = values("P-Asserted-Identity").chain(values("From")).find_map(user_of);
    Parties {
        called: places.filter_map(user_of).take(CALLED_MAX).collect(),
        caller: caller.filter(|_| !is_withheld),
    }
}

/// The user part of an address, as `"Ada" <sip:+12025550101@example.com;user=phone>` or `tel:+12025550101`.
pub fn user_of(place: &str) -> Option<String> {
    let (scheme, rest) = address_in(place).trim().split_once(':')?;
    let user = match scheme.to_ascii_lowercase().as_str() {
        // An address without a user names nobody.
        "sip" | "sips" => rest.split_once('@')?.0,
        "tel" => rest.split([';', ',', ' ']).next()?,
        _ => return None,
    };
    Some(user.to_owned()).filter(|user| !user.is_empty() && user.len() <= USER_MAX)
}

/// What is between `<` and `>`, or all of it where there are none. What is between quotes is a name, which whoever has it
/// chooses: it is no address, whatever it looks like.
fn address_in(place: &str) -> &str {
    let (mut is_quoted, mut is_escaped, mut start) = (false, false, 0);
    for (at, char) in place.char_indices() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => {
                is_quoted = !is_quoted;
                start = at + 1;
            }
            '<' if !is_quoted => return place[at + 1..].split('>').next().unwrap_or_default(),
            _ => {}
        }
    }
    if is_quoted { "" } else { &place[start..] }
}

/// The number that a carrier writes so; none where it may be one of two.
pub fn number(user: &str, prefix: &str, country: Option<Country>) -> Option<Phone> {
    match written(user, prefix, country)[..] {
        [number] => Some(number),
        _ => None,
    }
}

/// The numbers that a carrier may mean that writes so: with `+`, with `00`, as they are dialed in the default country, bare
/// with the country code, or with the prefix of the trunk. Only those that there are.
pub fn written(user: &str, prefix: &str, country: Option<Country>) -> Vec<Phone> {
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
    let prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
    let without_prefix = prefix.and_then(|prefix| bare.strip_prefix(prefix)).and_then(international);
    let mut found: Vec<Phone> = Vec::new();
    for number in [own, international(bare), without_prefix].into_iter().flatten() {
        if !found.contains(&number) {
            found.push(number);
        }
    }
    found
}

/// The value of `Session-Expires`, RFC 4028, as it may be said back: seconds, and who renews it where that is told.
pub fn session_time(value: &str) -> String {
    let lower = value.to_ascii_lowercase();
    let seconds = lower.split(';').next().and_then(|seconds| seconds.trim().parse().ok());
    let seconds = seconds.unwrap_or(SESSION_USUAL).min(SESSION_MAX);
    match (lower.contains("refresher=uas"), lower.contains("refresher=")) {
        (true, _) => format!("{seconds};refresher=uas"),
        (false, true) => format!("{seconds};refresher=uac"),
        (false, false) => seconds.to_string(),
    }
}

/// The status in the body of a NOTIFY, RFC 3420: `SIP/2.0 200 OK`.
pub fn status_of(body: &str) -> Option<u16> {
    let mut words = body.lines().next()?.split_whitespace();
    let protocol = words.next()?;
    let code = words.next()?.parse().ok()?;
    (protocol.eq_ignore_ascii_case("SIP/2.0") && (100..700).contains(&code)).then_some(code)
}

/// The key in the body of an INFO: `Signal=5` or a bare `5`.
pub fn key_of(body: &str) -> Option<char> {
    let signal = body.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        name.trim().eq_ignore_ascii_case("signal").then_some(value)
    });
    let mut text = signal.unwrap_or(body).trim().chars();
    let key = text.next().filter(|key| dtmf::is_key(*key))?;
    text.next().is_none().then_some(key)
}

/// The cause in a `Reason` header, RFC 3326.
pub fn q850(reason: &str) -> Option<u16> {
    let mut parts = reason.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("Q.850") {
        return None;
    }
    parts.find_map(|part| part.strip_prefix("cause=")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(user: &str, prefix: &str, country: Option<&str>) -> Option<String> {
        number(user, prefix, country.and_then(Country::parse)).map(|phone| phone.to_string())
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
    fn who_is_called_is_said_in_several_places_and_who_calls_may_be_withheld() {
        let told = [
            ("From", "\"Anonymous\" <sip:anonymous@anonymous.invalid>"),
            ("To", "<tel:+12025550198>;tag=1"),
            ("p-called-party-id", "<SIP:+12025550199@example.com>"),
            ("P-Asserted-Identity", "<sips:example.com>"),
            ("P-Asserted-Identity", "<tel:+12025550101>"),
        ];
        let read = |told: &[(&str, &str)]| parties("sip:gw@192.0.2.1", told);
        let open = read(&told);
        assert_eq!(open.called, ["+12025550199", "gw", "+12025550198"]);
        assert_eq!(open.caller.as_deref(), Some("+12025550101"));
        let withheld = read(&[&told[..], &[("Privacy", "user; id")]].concat());
        assert_eq!((withheld.called, withheld.caller), (open.called, None));
        assert_eq!(read(&[("To", "<sip:1@x>"); 50]).called.len(), CALLED_MAX);
    }

    #[test]
    fn a_name_that_looks_like_an_address_is_a_name() {
        for (place, user) in [
            (r#""sip:+12025550100@x" <sip:+12025550199@carrier.example>;tag=1"#, Some("+12025550199")),
            (r#""<sip:+12025550100@x>" <tel:+12025550199>"#, Some("+12025550199")),
            (r#""a \" <sip:+12025550100@x>" <sip:+12025550199@x>"#, Some("+12025550199")),
            (r#""\\" <sip:+12025550199@x>"#, Some("+12025550199")),
            (r#""tel:+12025550100" <sip:carrier.example>"#, None),
            ("sip:+12025550100@x <sip:+12025550199@x>", Some("+12025550199")),
            ("<tel:+12025550199;phone-context=sip:+12025550100@x>", Some("+12025550199")),
            ("<sip:+12025550199@x;to=sip:+12025550100@x>", Some("+12025550199")),
            ("<mailto:sip:+12025550100@x>", None),
            (r#""sip:+12025550100@x <sip:+12025550100@x>"#, None), // a name without an end
            (r#""sip:+12025550100@x""#, None),
            ("sip:+12025550199@x;tag=1", Some("+12025550199")),
            (" tel:+12025550199;tag=1", Some("+12025550199")),
            ("<SIPS:+12025550199@x", Some("+12025550199")),
        ] {
            assert_eq!(user_of(place).as_deref(), user, "{place}");
            for name in ["From", "P-Asserted-Identity"] {
                assert_eq!(parties("sip:gw@x", &[(name, place)]).caller.as_deref(), user, "{name}: {place}");
            }
        }
    }

    #[test]
    fn the_time_of_a_session_is_said_back_as_it_was_understood_and_nothing_else_is() {
        for (said, back) in [
            ("1800", "1800"),
            (" 90 ;Refresher=UAC", "90;refresher=uac"),
            ("90;refresher=uas;x=y", "90;refresher=uas"),
            ("90;refresher=nobody", "90;refresher=uac"),
            ("99999999999", "1800"),
            ("4000000000", "86400"),
            ("soon", "1800"),
            ("90\rX-Evil: yes", "1800"),
            ("", "1800"),
        ] {
            assert_eq!(session_time(said), back, "{said:?}");
            assert_eq!(session_time(back), back);
        }
    }

    #[test]
    fn only_the_networks_own_cause_is_read() {
        assert_eq!(q850("Q.850 ; cause=17"), Some(17));
        assert_eq!(q850("q.850;text=\"busy\";cause=17"), Some(17));
        assert_eq!(q850("SIP;cause=200;text=\"Call completed elsewhere\""), None);
        assert_eq!(q850("Q.850;cause=many"), None);
        assert_eq!(q850(""), None);
    }

    #[test]
    fn keys_and_statuses_are_read_from_bodies() {
        for (body, key) in [
            ("Signal=5\r\nDuration=160\r\n", Some('5')),
            ("Duration=160\r\n signal = # \r\n", Some('#')),
            (" 9\r\n", Some('9')),
            ("Signal=55", None),
            ("Signal=\r\n5", None),
            ("", None),
        ] {
            assert_eq!(key_of(body), key, "{body:?}");
        }
        for (body, status) in [
            ("SIP/2.0 200 OK\r\n", Some(200)),
            ("sip/2.0\t699", Some(699)),
            ("SIP/2.0 99 x", None),
            ("SIP/2.0 700 x", None),
            ("HTTP/1.1 200 OK", None),
            ("\r\nSIP/2.0 200 OK", None),
        ] {
            assert_eq!(status_of(body), status, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_what_is_read_is_bounded(
            text in "((sips?:|tel:|Q\\.850|SIP/2\\.0|Signal=|cause=|refresher=ua[cs]|\\+?[0-9]{1,16}|[@;<>=, \r\n])|\\PC){0,20}",
            name in "To|From|Privacy|P-Asserted-Identity|P-Called-Party-ID",
        ) {
            let Parties { called, caller } = parties(&text, &[(name.as_str(), text.as_str()); 9]);
            prop_assert!(called.len() <= CALLED_MAX);
            for user in called.iter().chain(&caller) {
                prop_assert!((1..=USER_MAX).contains(&user.len()) && text.contains(user.as_str()));
                if let Some(phone) = number(user, "00", Country::parse("DE")) {
                    prop_assert_eq!(Phone::from_e164(&phone.to_string()), Some(phone));
                }
            }
            let time = session_time(&text);
            prop_assert!(time.len() <= 19 && session_time(&time) == time);
            prop_assert!(time.chars().all(|char| char.is_ascii_alphanumeric() || ";=".contains(char)));
            prop_assert!(status_of(&text).is_none_or(|code| (100..700).contains(&code)));
            prop_assert!(key_of(&text).is_none_or(dtmf::is_key));
            prop_assert!(q850(&text).is_none_or(|cause| text.contains(&cause.to_string())));
        }
    }
}
