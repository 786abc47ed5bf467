//! Where a request comes from, and whether it asked for this server by a name that is its own. The listener in front has
//! the connection; what arrives here came over this machine's loopback.

use rocket::Request;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Who is behind the connection that comes from this port of ours; none when it did not come through the listener.
pub type OfPort = Arc<dyn Fn(u16) -> Option<SocketAddr> + Send + Sync>;

/// The way in.
#[derive(Clone, Default)]
pub struct Door {
    /// None when clients connect to the HTTP server itself.
    pub of_port: Option<OfPort>,
    /// Whether the listener speaks TLS with the clients.
    pub is_tls: bool,
    /// Names this server answers to, beside addresses and `localhost`; `*` for all.
    pub hosts: Vec<String>,
    /// Whether a program on this machine may say for whom it asks.
    pub is_behind_proxy: bool,
}

impl fmt::Debug for Door {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Door").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Door {
    /// The client's address. What a proxy header claims counts only from a proxy of this machine, and of it only
    /// the last entry, which that proxy has written itself.
    pub(super) fn client(&self, request: &Request<'_>) -> Option<IpAddr> {
        let peer = self.peer(request)?.ip().to_canonical();
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
        if self.peer(request).is_none() && request.remote().is_some() {
            return Some("Ask the address that the server printed at its start".into());
        }
        let host = request.host()?.domain().as_str().trim_end_matches('.');
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

    fn peer(&self, request: &Request<'_>) -> Option<SocketAddr> {
        let remote = request.remote()?;
        match &self.of_port {
            Some(of_port) => of_port(remote.port()),
            None => Some(remote),
        }
    }
}

fn is_address(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}
