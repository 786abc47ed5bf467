//! The listener: takes connections for the HTTP server, which itself would wait for ever for half a request and take any
//! number of them. It bounds how many there are, of whom, and how long each may take, speaks TLS where that is set up, and
//! knows who is behind each connection. It works on real sockets and in real time, and knows nothing of what is asked.
//!
//! ```text
//! client ──TCP or TLS──► listener ──pipe──► HTTP server of this process
//! ```

mod connection;
mod request;

pub use connection::{Connect, Times};

use connection::TOO_MANY;
use rustls::ServerConfig;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of everybody.
    pub connections: usize,
    /// Of one address; those of an IPv6 network count as one.
    pub connections_per_address: usize,
    /// How long they may take.
    pub times: Times,
}

/// Programs on this machine, such as a reverse proxy, speak for many.
const LOOPBACK_FACTOR: usize = 16;
/// Connections that are told why they are refused, at one time; more are just closed.
const REFUSALS_MAX: usize = 64;
/// After an error of the system, such as no file handles, before it is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// A socket that listens, and what it does with connections.
pub struct Listener {
    socket: TcpListener,
    limits: Limits,
    tls: Option<Arc<ServerConfig>>,
    counts: Arc<Counts>,
    connect: Connect,
}

impl Listener {
    /// Takes connections from a socket that listens, for the HTTP server behind `connect`.
    pub fn new(
        socket: TcpListener,
        limits: Limits,
        tls: Option<Arc<ServerConfig>>,
        connect: Connect,
    ) -> Listener {
        Listener { socket, limits, tls, counts: Arc::default(), connect }
    }

    /// Serves until it shall stop. Connections that are open then end with the server.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let stopped = async move { stop.wait_for(|stop| *stop).await.map(|_| ()) };
        tokio::pin!(stopped);
        let acceptor = self.tls.clone().map(TlsAcceptor::from);
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = &mut stopped => return,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            match Counts::admit(&self.counts, peer.ip(), &self.limits) {
                Entry::Admitted(place) => {
                    let (connect, times, acceptor) =
                        (self.connect.clone(), self.limits.times, acceptor.clone());
                    tokio::spawn(async move {
                        match acceptor {
                            Some(acceptor) => serve_tls(&acceptor, stream, peer, times, &connect).await,
                            None => connection::serve(stream, peer, times, &connect).await,
                        }
                        drop(place);
                    });
                }
                // Over TLS there is nothing to say before the handshake, which is what costs.
                Entry::Refused(place) if acceptor.is_none() => {
                    tokio::spawn(async move {
                        refuse(stream).await;
                        drop(place);
                    });
                }
                Entry::Refused(_) | Entry::Ignored => {}
            }
        }
    }
}

async fn refuse(mut stream: TcpStream) {
    connection::refuse(&mut stream, TOO_MANY).await;
}

async fn serve_tls(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    times: Times,
    connect: &Connect,
) {
    if let Ok(Ok(stream)) = timeout(times.head, acceptor.accept(stream)).await {
        connection::serve(stream, peer, times, connect).await;
    }
}

/// How many connections there are, and of whom.
#[derive(Debug, Default)]
struct Counts(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    all: usize,
    refusals: usize,
    by_address: HashMap<IpAddr, usize>,
}

enum Entry {
    Admitted(Place),
    Refused(Place),
    Ignored,
}

/// A place that a connection takes while this lives.
struct Place {
    counts: Arc<Counts>,
    of: Option<IpAddr>,
}

impl Counts {
    fn admit(counts: &Arc<Counts>, address: IpAddr, limits: &Limits) -> Entry {
        let key = key_of(address);
        let limit = match key.is_loopback() {
            true => limits.connections_per_address.saturating_mul(LOOPBACK_FACTOR),
            false => limits.connections_per_address,
        };
        let mut counted = counts.lock();
        let is_full = counted.all >= limits.connections;
        let taken = counted.by_address.entry(key).or_default();
        if is_full || *taken >= limit {
            if *taken == 0 {
                counted.by_address.remove(&key);
            }
            if counted.refusals >= REFUSALS_MAX {
                return Entry::Ignored;
            }
            counted.refusals += 1;
            return Entry::Refused(Place { counts: counts.clone(), of: None });
        }
        *taken += 1;
        counted.all += 1;
        Entry::Admitted(Place { counts: counts.clone(), of: Some(key) })
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counted = self.counts.lock();
        let Some(key) = self.of else {
            counted.refusals -= 1;
            return;
        };
        counted.all -= 1;
        if let Some(taken) = counted.by_address.get_mut(&key) {
            *taken -= 1;
            if *taken == 0 {
                counted.by_address.remove(&key);
            }
        }
    }
}

/// An IPv4 address, or the /64 that an IPv6 host owns.
fn key_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_the_places_of_all_and_what_is_given_back_is_free_again() {
        let counts = Arc::new(Counts::default());
        let limits = Limits { connections: 40, connections_per_address: 2, times: Times::default() };
        let admit = |address: &str| Counts::admit(&counts, address.parse().unwrap(), &limits);
        let first = [admit("192.0.2.1"), admit("192.0.2.1")];
        assert!(first.iter().all(|entry| matches!(entry, Entry::Admitted(_))));
        assert!(matches!(admit("192.0.2.1"), Entry::Refused(_)));
        assert!(matches!(admit("::ffff:192.0.2.1"), Entry::Refused(_)), "the same in the other notation");
        assert!(matches!(admit("192.0.2.2"), Entry::Admitted(_)));
        drop(first);
        assert!(matches!(admit("192.0.2.1"), Entry::Admitted(_)));

        let of_one_network = [admit("2001:db8::1"), admit("2001:db8::2")];
        assert!(matches!(admit("2001:db8::3"), Entry::Refused(_)));
        drop(of_one_network);

        let local: Vec<Entry> = (0..32).map(|_| admit("127.0.0.1")).collect();
        assert!(local.iter().all(|entry| matches!(entry, Entry::Admitted(_))));
        assert!(matches!(admit("127.0.0.1"), Entry::Refused(_)));
        let others: Vec<Entry> = (1..=8).map(|last| admit(&format!("198.51.100.{last}"))).collect();
        assert!(others.iter().all(|entry| matches!(entry, Entry::Admitted(_))));
        assert!(matches!(admit("203.0.113.1"), Entry::Refused(_)), "40 of everybody");
        drop((local, others));
        let counted = counts.lock();
        assert_eq!((counted.all, counted.refusals, counted.by_address.len()), (0, 0, 0));
    }

    #[test]
    fn of_those_that_are_refused_only_some_are_told_why() {
        let counts = Arc::new(Counts::default());
        let limits = Limits { connections: 0, connections_per_address: 1, times: Times::default() };
        let refused: Vec<Entry> =
            (0..100).map(|_| Counts::admit(&counts, [192, 0, 2, 1].into(), &limits)).collect();
        assert_eq!(refused.iter().filter(|entry| matches!(entry, Entry::Refused(_))).count(), REFUSALS_MAX);
        assert!(matches!(refused.last(), Some(Entry::Ignored)));
    }
}
