//! Where a request comes from, and whether it asked for this server by a name that is its own.

use rocket::Request;
use std::net::IpAddr;

/// The way in.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// Whether the listener speaks TLS with the clients.
    pub is_tls: bool,
    /// Names this server answers to, beside addresses and `localhost`; `*` for all.
    pub hosts: Vec<String>,
    /// Origins of pages elsewhere that browsers may let call the API.
    pub origins: Vec<String>,
    /// Whether a program on this machine may say for whom it asks.
    pub is_behind_proxy: bool,
}

impl Door {
    /// The client's address. What a proxy header claims counts only from a proxy of this machine, and of it only
    /// the last entry, which that proxy has written itself.
    pub(super) fn client(&self, request: &Request<'_>) -> Option<IpAddr> {
        let peer = request.remote()?.ip().to_canonical();
        let forwarded = || {
            let last = request.headers().get("X-Forwarded-For").last()?;
            last.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
        };
        match self.is_behind_proxy && peer.is_loopback() {
            true => forwarded().map(|client| client.to_canonical()).or(Some(peer)),
            false => Some(peer),
        }
    }

    /// What stands against a request, whoever sends it.
    pub(super) fn objection(&self, request: &Request<'_>) -> Option<String> {
        let host = match (request.host(), request.headers().get("Host").count()) {
            (Some(host), 1) => host.domain().as_str().trim_end_matches('.'),
            // HTTP/1.0 has none.
            (_, 0) => return None,
            (_, 1) => return Some("The header `Host` is no name with or without a port".into()),
            (_, _) => return Some("The header `Host` is there more than once".into()),
        };
        let is_own = |name: &String| name == "*" || name.eq_ignore_ascii_case(host);
        match is_address(host) || host.eq_ignore_ascii_case("localhost") || self.hosts.iter().any(is_own) {
            true => None,
            // Another site's name that leads here would make a visitor's browser take us for that site.
            false => Some(format!(
                "This server does not answer to the name `{}`; the setting `hosts` lists those it answers to",
                host.to_ascii_lowercase()
            )),
        }
    }
}

fn is_address(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}
