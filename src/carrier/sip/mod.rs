//! Real calls: SIP to the carriers, sound to and from the people.
//!
//! The first trunk of the settings that is there and has a free channel takes a call; the next ones stand by. What is
//! to be said becomes sound while it rings. Without an answer from a trunk to OPTIONS, or to REGISTER where it wants
//! that, nothing is dialed over it.

mod call;
mod outcome;
mod settings;
mod sound;
mod stack;
mod trunk;
mod words;

pub use settings::{Ports, Settings, Transport, Trunk as TrunkSettings};
pub use trunk::Health;

use super::{Capacity, Carrier, DialRequest, Leg, LegEvents};
use crate::clock::Clock;
use crate::domain::call::LegEvent;
use crate::domain::outcome::Cause;
use crate::speech::Synthesizer;
use call::Call;
use chrono::TimeDelta;
use sound::Studio;
use stack::Stack;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use trunk::{Place, Trunk};

/// How long a trunk has to answer when it is asked whether it is there.
const PROBE_WAIT: TimeDelta = TimeDelta::seconds(4);
/// How soon a trunk that is not there is asked again.
const PROBE_AGAIN: TimeDelta = TimeDelta::seconds(5);

/// The carrier over SIP. Clones are the same carrier.
#[derive(Clone)]
pub struct Sip {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    clock: Arc<dyn Clock>,
    voice: Arc<dyn Synthesizer>,
    stack: Stack,
    studio: Studio,
    ports: RtpPorts,
    trunks: Vec<Arc<Trunk>>,
    runtime: Handle,
}

impl Sip {
    /// Listens. Trunks are looked for by [`Sip::run`]. The error is a sentence.
    pub async fn start(
        settings: Settings,
        trunks: &[TrunkSettings],
        voice: Arc<dyn Synthesizer>,
        clock: Arc<dyn Clock>,
    ) -> Result<Sip, String> {
        let stack = Stack::start(&settings, trunks).await?;
        let studio = Studio::start(clock.clone()).map_err(|error| format!("no thread for sound: {error}"))?;
        let ports = RtpPorts::new(settings.rtp_ports);
        let trunks = trunks.iter().cloned().map(|trunk| Arc::new(Trunk::new(trunk))).collect();
        let runtime = Handle::current();
        Ok(Sip { inner: Arc::new(Inner { settings, clock, voice, stack, studio, ports, trunks, runtime }) })
    }

    /// Looks after the trunks until `shutdown` becomes true or nobody is left to say so, then falls silent.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut keeping = tokio::task::JoinSet::new();
        for trunk in &self.inner.trunks {
            keeping.spawn(keep(self.inner.clone(), trunk.clone()));
        }
        // Nobody left to say so is as good as saying so.
        let _ = shutdown.wait_for(|down| *down).await;
        keeping.shutdown().await;
        self.inner.stack.stop();
    }

    /// Looks for every trunk once, and says how it is. Places no call.
    pub async fn check(&self) -> Vec<Health> {
        for trunk in &self.inner.trunks {
            look(&self.inner, trunk).await;
        }
        self.health()
    }

    /// How the trunks are.
    pub fn health(&self) -> Vec<Health> {
        self.inner.trunks.iter().map(|trunk| trunk.health()).collect()
    }
}

impl Carrier for Sip {
    fn name(&self) -> &'static str {
        "sip"
    }

    fn capacity(&self) -> Capacity {
        let trunks = &self.inner.trunks;
        let live: usize = trunks.iter().map(|trunk| trunk.live()).sum();
        let next = trunks.iter().find(|trunk| trunk.free() > 0);
        let free: usize = trunks.iter().map(|trunk| trunk.free()).sum();
        Capacity {
            channels: live + free,
            calls_per_second: next.map(|trunk| trunk.settings.calls_per_second),
            next_at: next.and_then(|trunk| trunk.next_at(self.inner.clock.steady())),
        }
    }

    fn dial(&self, request: DialRequest, events: LegEvents) -> Leg {
        let now = self.inner.clock.steady();
        // The first that could take one decides; no other one is asked to make up for its pace.
        let next = self.inner.trunks.iter().find(|trunk| trunk.free() > 0);
        let Some(place) = next.and_then(|trunk| trunk.occupy(now)) else {
            let detail = Some("no trunk takes a call at the moment".to_owned());
            events.report(now, LegEvent::Ended(Cause::CarrierError, detail));
            return Leg::new(|_| {});
        };
        let (to_commands, commands) = mpsc::unbounded_channel();
        let (asked, asking) = oneshot::channel();
        let inner = self.inner.clone();
        self.inner
            .runtime
            .spawn(async move { Call::new(inner, place, request, events, commands, asked).run().await });
        let leg = Leg::new(move |command| {
            // After the end nobody takes commands any more.
            let _ = to_commands.send(command);
        });
        leg.asking(asking)
    }
}

/// Looks for a trunk again and again.
async fn keep(inner: Arc<Inner>, trunk: Arc<Trunk>) {
    loop {
        let again = look(&inner, &trunk).await;
        tokio::select! {
            () = inner.clock.sleep_until(inner.clock.steady() + again) => {}
            () = trunk.doubted() => {}
        }
    }
}

/// Looks for a trunk; the answer is when to look again.
async fn look(inner: &Inner, trunk: &Trunk) -> TimeDelta {
    let asked = async {
        let address = find(trunk, inner.settings.listen.ip()).await?;
        let often = TimeDelta::seconds(trunk.settings.options_seconds.into());
        let again = match trunk.settings.register {
            true => {
                let seconds = inner.stack.register(&trunk.settings, address).await?;
                often.min(TimeDelta::seconds(i64::from(seconds) / 2)).max(TimeDelta::seconds(1))
            }
            false => {
                inner.stack.probe(&trunk.settings, address).await?;
                often
            }
        };
        Ok::<_, String>((address, again))
    };
    let found = tokio::select! {
        found = asked => found,
        () = inner.clock.sleep_until(inner.clock.steady() + PROBE_WAIT) => Err("it does not answer".into()),
    };
    match found {
        Ok((address, again)) => {
            trunk.found(address);
            again
        }
        Err(problem) => {
            trunk.lost(problem);
            PROBE_AGAIN
        }
    }
}

/// The address of a trunk, of the family that we listen on.
async fn find(trunk: &Trunk, ours: IpAddr) -> Result<SocketAddr, String> {
    let place = trunk.settings.destination();
    let found = tokio::net::lookup_host(place).await.map_err(|error| format!("{}: {error}", place.0))?;
    let mut found = found.filter(|address| address.is_ipv4() == ours.is_ipv4());
    found.next().ok_or_else(|| format!("{} has no address of the family that sip.listen has", place.0))
}

/// The ports for sound, used in turn.
struct RtpPorts {
    range: Ports,
    next: AtomicU16,
}

impl RtpPorts {
    fn new(range: Ports) -> RtpPorts {
        RtpPorts { range, next: AtomicU16::new(0) }
    }

    /// A socket on the next free port with an even number.
    fn bind(&self, ip: IpAddr) -> Result<UdpSocket, String> {
        let Ports { first, last } = self.range;
        let first = first.next_multiple_of(2);
        let count = (last - first) / 2 + 1;
        for _ in 0..count {
            let port = first + self.next.fetch_add(1, Ordering::Relaxed) % count * 2;
            if let Ok(socket) = UdpSocket::bind((ip, port)) {
                return Ok(socket);
            }
        }
        Err(format!("no port between {first} and {last} is free for sound: widen sip.rtp_ports"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn ports_for_sound_are_even_and_used_in_turn_until_none_is_free() {
        let range = Ports { first: 28_001, last: 28_010 };
        let (ports, ip) = (RtpPorts::new(range), Ipv4Addr::LOCALHOST.into());
        let sockets: Vec<UdpSocket> = (0..5).map_while(|_| ports.bind(ip).ok()).collect();
        let bound: Vec<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        assert!(bound.iter().all(|port| port % 2 == 0 && (28_002..=28_010).contains(port)), "{bound:?}");
        let problem = ports.bind(ip).unwrap_err();
        assert!(problem.contains("sip.rtp_ports"), "{problem}");
        drop(sockets);
        assert!(ports.bind(ip).is_ok());
    }
}
