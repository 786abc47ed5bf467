//! Where the server may send things: only to public addresses, unless the operator allows more. Whoever may set a URL
//! must not reach through it what only this machine can reach.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use url::{Host, Url};

/// A range of addresses, such as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether an address lies in it. Those of the other version never do.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    /// An address, with or without the length of its prefix.
    fn from_str(text: &str) -> Result<Network, String> {
        let read = || {
            let (address, prefix) = match text.split_once('/') {
                Some((address, prefix)) => (address.parse().ok()?, Some(prefix.parse().ok()?)),
                None => (text.parse().ok()?, None),
            };
            let longest = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
            let prefix = prefix.unwrap_or(longest);
            (prefix <= longest).then_some(Network { address, prefix })
        };
        read().ok_or_else(|| format!("`{text}` is no network such as `10.0.0.0/8` or `fd00::/8`"))
    }
}

impl TryFrom<String> for Network {
    type Error = String;
    fn try_from(text: String) -> Result<Network, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Whether something may be sent to this address: it is public, or in a network that the operator allows.
pub fn is_allowed(address: IpAddr, allowed: &[Network]) -> bool {
    let address = address.to_canonical();
    allowed.iter().any(|network| network.contains(address)) || is_public(address)
}

/// Whether an address is one of the internet's, that anybody can reach.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Everything in the special-purpose registry of RFC 6890 that is not globally reachable, multicast, what is reserved,
/// and the one public-looking address behind which a cloud keeps its machines' secrets.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        [0 | 10 | 127, ..] => true,
        [100, b, ..] => (64..128).contains(&b), // between a carrier's NAT and its customers
        [169, 254, ..] => true,                 // link-local, and most clouds' metadata
        [172, b, ..] => (16..32).contains(&b),
        [192, 0, 0 | 2, _] => true, // protocol assignments, documentation
        [192, 88, 99, _] => true,   // relays to 6to4
        [192, 168, ..] => true,
        [198, 18 | 19, ..] => true,                   // benchmarks
        [198, 51, 100, _] | [203, 0, 113, _] => true, // documentation
        [168, 63, 129, 16] => true,                   // Azure's WireServer
        [a, ..] => a >= 224,                          // multicast, reserved, broadcast
    };
    !special
}

/// Only global unicast, without what carries an IPv4 address to somewhere else.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // A translator that this network has reaches the IPv4 address in the last 32 bits.
    if let [0x64, 0xff9b, 0, 0, 0, 0, ..] = segments {
        return is_public_v4(Ipv4Addr::from_bits(address.to_bits() as u32));
    }
    let special = match segments {
        [0x2001, b, ..] => b < 0x200 || b == 0xdb8, // protocol assignments with Teredo and ORCHID, documentation
        [0x2002, ..] => true,                       // 6to4
        [0x3fff, b, ..] => b < 0x1000,              // documentation
        [a, ..] => a & 0xe000 != 0x2000,
    };
    let is_isatap = matches!(segments, [.., 0 | 0x200, 0x5efe, _, _]);
    !special && !is_isatap
}

/// Reads a URL that things may be sent to. What can be said without resolving a name is said here; the addresses of a
/// name are looked at when something is sent.
pub fn target(text: &str, allowed: &[Network]) -> Result<Url, String> {
    let url = url(text)?;
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) | None => None,
    };
    match literal {
        Some(address) if !is_allowed(address, allowed) => Err(format!(
            "must not be at the address {address}, which is not public; the operator can allow it under \
             `webhooks.allowed_networks`"
        )),
        Some(_) | None => Ok(url),
    }
}

/// Reads a URL by its form alone.
pub fn url(text: &str) -> Result<Url, String> {
    // Which Url would leave out without a word.
    if text.chars().any(char::is_control) {
        return Err("must not have control characters in it".into());
    }
    let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
    let is_web = matches!(url.scheme(), "https" | "http") && url.has_host();
    if !is_web {
        Err("must start with https:// or http:// and name a host".into())
    } else if !url.username().is_empty() || url.password().is_some() {
        Err("must not carry a user name or password".into())
    } else if url.port().is_some_and(|port| port < 1024 && port != 80 && port != 443) {
        Err("must name the port 80, 443 or one from 1024 on, or none".into())
    } else {
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_anybody_can_reach_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "168.63.129.17",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "3fff:1000::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::",
            "2a00::5efe:7f00:1",
            "2a00:1450::200:5efe:10.0.0.1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_the_operator_allows_is_allowed_and_nothing_beside_it() {
        let networks: Vec<Network> =
            ["10.1.0.0/16", "127.0.0.1", "fd00::/8"].map(|text| text.parse().unwrap()).into();
        let is_allowed = |text: &str| is_allowed(text.parse().unwrap(), &networks);
        for text in ["10.1.255.1", "127.0.0.1", "::ffff:127.0.0.1", "fd12::1", "8.8.8.8"] {
            assert!(is_allowed(text), "{text}");
        }
        for text in ["10.2.0.1", "127.0.0.2", "fc00::1", "::1", "64:ff9b::10.1.0.1"] {
            assert!(!is_allowed(text), "{text}");
        }
        let everything: Network = "0.0.0.0/0".parse().unwrap();
        assert!(everything.contains("127.0.0.1".parse().unwrap()));
        assert!(!everything.contains("::1".parse().unwrap()));
    }

    #[test]
    fn a_network_is_read_and_shown_in_one_form() {
        for (text, shown) in [("10.0.0.0/8", "10.0.0.0/8"), ("127.0.0.1", "127.0.0.1/32"), ("::/0", "::/0")] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
        }
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "/8", "localhost", "10.0.0.0/8/8"]
        {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
