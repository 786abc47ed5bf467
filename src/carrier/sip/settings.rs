//! What can be set about the telephone line: where we listen, and the trunks to the carriers.

use crate::domain::phone::{Country, Phone};
use crate::domain::secret::Secret;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// What all trunks share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where we listen for what carriers have to say, UDP.
    pub listen: SocketAddr,
    /// Our address as carriers see it, behind NAT.
    pub public_ip: Option<IpAddr>,
    /// The ports for sound.
    pub rtp_ports: Ports,
    /// Whether machines are told from people.
    pub detect_machines: bool,
    /// Where a number belongs that a carrier writes without its country code; set for the whole server.
    #[serde(skip)]
    pub default_country: Option<Country>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 5060),
            public_ip: None,
            rtp_ports: Ports { first: 10_000, last: 19_999 },
            detect_machines: false,
            default_country: None,
        }
    }
}

/// From this port to that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Ports, String> {
        let problem =
            || format!("must be two ports such as 10000-19999, at least 1024 and ten apart; it is `{text}`");
        let (first, last) = text.split_once('-').ok_or_else(problem)?;
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port >= 1_024);
        let (first, last) = port(first).zip(port(last)).ok_or_else(problem)?;
        if last < first.saturating_add(9) { Err(problem()) } else { Ok(Ports { first, last }) }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Serialize for Ports {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Ports, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How messages travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// In datagrams.
    #[default]
    Udp,
    /// In a stream.
    Tcp,
    /// In a stream that nobody else reads.
    Tls,
}

/// The way to a carrier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trunk {
    /// What it is called.
    pub name: String,
    /// The carrier: a name or an address, and a port where it is not 5060, or 5061 with TLS.
    pub host: String,
    /// How messages travel.
    #[serde(default)]
    pub transport: Transport,
    /// A PEM file with the authorities of which one must have signed the carrier's certificate; none for those that this
    /// machine trusts.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Where messages are sent, if not to the host.
    #[serde(default)]
    pub proxy: Option<String>,
    /// Who we are; none where the carrier knows our address.
    #[serde(default)]
    pub username: Option<String>,
    /// How we prove it.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Whether the carrier wants us to register.
    #[serde(default)]
    pub register: bool,
    /// The number to show when the campaign names none.
    #[serde(default, deserialize_with = "caller_id", serialize_with = "shown")]
    pub caller_id: Option<Phone>,
    /// What stands before the digits of a number.
    #[serde(default = "plus")]
    pub number_prefix: String,
    /// Dials per second.
    #[serde(default = "one")]
    pub calls_per_second: f64,
    /// Calls at a time.
    #[serde(default = "ten")]
    pub channels: usize,
    /// How often it is asked whether it is there.
    #[serde(default = "half_a_minute")]
    pub options_seconds: u32,
}

fn caller_id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Phone>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom("caller_id must be a number such as +12025550101");
    Phone::from_e164(&text).map(Some).ok_or_else(wrong)
}

fn shown<S: serde::Serializer>(number: &Option<Phone>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => serializer.collect_str(number),
        None => serializer.serialize_none(),
    }
}

fn plus() -> String {
    "+".into()
}

fn one() -> f64 {
    1.0
}

fn ten() -> usize {
    10
}

fn half_a_minute() -> u32 {
    30
}

impl Transport {
    /// Where SIP lives when no port is named.
    fn port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5_060,
            Transport::Tls => 5_061,
        }
    }
}

impl Trunk {
    /// Says what cannot be used, if something cannot.
    pub fn check(&self) -> Result<(), String> {
        let Trunk { name, calls_per_second, channels, options_seconds, number_prefix, .. } = self;
        let is_word = |text: &str| {
            !text.is_empty()
                && text.len() <= 200
                && text.chars().all(|c| c.is_ascii_graphic() && !"<>\"@;?&".contains(c))
        };
        if !is_word(name) {
            return Err("name must be one word".into());
        }
        for (field, host) in [("host", Some(&self.host)), ("proxy", self.proxy.as_ref())] {
            if host.is_some_and(|host| !is_word(host) || place(host, self.transport.port()).is_none()) {
                return Err(format!(
                    "{field} must be a name or an address, such as sip.example.com or [2001:db8::1]:5060"
                ));
            }
        }
        if self.ca_file.is_some() && self.transport != Transport::Tls {
            return Err("ca_file needs transport = \"tls\"".into());
        }
        if self.username.as_ref().is_some_and(|username| !is_word(username)) {
            return Err("username must be one word without @ ; ? & < > or quotes".into());
        }
        if self.username.is_none() && (self.password.is_some() || self.register) {
            return Err("username is missing: a password or register = true needs one".into());
        }
        if !number_prefix.chars().all(|c| c.is_ascii_digit() || "+*#".contains(c)) || number_prefix.len() > 10
        {
            return Err("number_prefix may hold digits, +, * and #, at most ten".into());
        }
        if !(calls_per_second.is_finite() && (0.01..=100.0).contains(calls_per_second)) {
            return Err(format!("calls_per_second must be between 0.01 and 100; it is {calls_per_second}"));
        }
        if !(1..=2_000).contains(channels) {
            return Err(format!("channels must be between 1 and 2000; it is {channels}"));
        }
        if !(5..=3_600).contains(options_seconds) {
            return Err(format!("options_seconds must be between 5 and 3600; it is {options_seconds}"));
        }
        Ok(())
    }

    /// Where messages are sent: a name or an address, and a port.
    pub(super) fn destination(&self) -> (&str, u16) {
        let port = self.transport.port();
        place(self.proxy.as_deref().unwrap_or(&self.host), port).unwrap_or((&self.host, port))
    }
}

/// The name or address, and the port, of `host`, `host:port`, `[address]` or `[address]:port`.
fn place(text: &str, usual: u16) -> Option<(&str, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            match port.strip_prefix(':') {
                None if port.is_empty() => (host, None),
                port => (host, Some(port?)),
            }
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(usual), |port| port.parse().ok()).filter(|port| *port != 0)?;
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn trunk(with: serde_json::Value) -> Result<Trunk, String> {
        let mut trunk = json!({"name": "main", "host": "sip.example.com"});
        trunk.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let trunk: Trunk = serde_json::from_value(trunk).map_err(|error| error.to_string())?;
        trunk.check().map(|()| trunk)
    }

    #[test]
    fn a_name_and_a_host_are_enough() {
        let trunk = trunk(json!({})).unwrap();
        assert_eq!((trunk.calls_per_second, trunk.channels, trunk.options_seconds), (1.0, 10, 30));
        assert_eq!((trunk.transport, trunk.number_prefix.as_str()), (Transport::Udp, "+"));
        assert_eq!(trunk.destination(), ("sip.example.com", 5_060));
    }

    #[test]
    fn messages_go_to_the_proxy_or_the_host_and_its_port() {
        for (with, destination) in [
            (json!({"host": "10.0.0.1:5080"}), ("10.0.0.1", 5_080)),
            (json!({"host": "[2001:db8::1]:5080"}), ("2001:db8::1", 5_080)),
            (json!({"host": "[2001:db8::1]"}), ("2001:db8::1", 5_060)),
            (json!({"proxy": "edge.example.com:5070"}), ("edge.example.com", 5_070)),
            (json!({"transport": "tls"}), ("sip.example.com", 5_061)),
            (json!({"transport": "tls", "host": "[2001:db8::1]"}), ("2001:db8::1", 5_061)),
            (json!({"transport": "tls", "host": "sip.example.com:443"}), ("sip.example.com", 443)),
        ] {
            assert_eq!(trunk(with).unwrap().destination(), destination);
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (field, with) in [
            ("name", json!({"name": ""})),
            ("host", json!({"host": "a b"})),
            ("host", json!({"host": "sip.example.com:0"})),
            ("host", json!({"host": "[nonsense]"})),
            ("proxy", json!({"proxy": ":5060"})),
            ("username", json!({"username": "me@there"})),
            ("username", json!({"password": "x"})),
            ("username", json!({"register": true})),
            ("number_prefix", json!({"number_prefix": "+;"})),
            ("calls_per_second", json!({"calls_per_second": 0})),
            ("channels", json!({"channels": 0})),
            ("options_seconds", json!({"options_seconds": 1})),
            ("caller_id", json!({"caller_id": "0800"})),
            ("hots", json!({"hots": "x"})),
            ("variant", json!({"transport": "sctp"})),
            ("host", json!({"host": "[2001:db8::1]x"})),
            ("ca_file", json!({"ca_file": "/etc/ca.pem"})),
        ] {
            let problem = trunk(with.clone()).unwrap_err();
            assert!(problem.contains(field), "{with}: {problem}");
        }
    }

    #[test]
    fn no_settings_show_the_password() {
        let trunk = trunk(json!({"username": "me", "password": "hunter2"})).unwrap();
        assert!(!format!("{trunk:?}{}", json!(trunk)).contains("hunter2"));
    }

    #[test]
    fn ports_are_two_numbers_apart() {
        assert_eq!("10000-19999".parse(), Ok(Ports { first: 10_000, last: 19_999 }));
        for text in ["", "10000", "10-20", "20000-10000", "10000-10001", "a-b", "65530-65540"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }
}
