//! Real calls: SIP to the carriers, sound to and from the people.
//!
//! The first trunk that is there and has a free channel takes a call; the next ones stand by. Other trunks can be put in
//! their place while calls are alive, which stay on theirs. What is to be said becomes sound while it rings. Without an answer from a trunk to OPTIONS, or to REGISTER where it wants
//! that, nothing is dialed over it.

mod bridge;
mod call;
pub mod outcome;
pub mod reading;
mod recorder;
mod session;
mod settings;
mod sound;
mod stack;
mod transfer;
mod trial;
mod trunk;
mod visitors;
mod words;

pub use settings::{Ports, Settings, Transport, Trunk as TrunkSettings};
pub use trial::{Step, Went, try_out};
pub use trunk::Health;

use super::{Capacity, Carrier, DialRequest, Incoming, Leg, LegEvents};
use crate::agent::Agent;
use crate::clock::Clock;
use crate::domain::call::LegEvent;
use crate::domain::guard::Agents;
use crate::domain::outcome::Cause;
use crate::speech::Synthesizer;
use call::Call;
use chrono::TimeDelta;
use recorder::Recorder;
use sound::Studio;
use stack::Stack;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
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
    recorder: OnceLock<Recorder>,
    agent: OnceLock<Arc<dyn Agent>>,
    ports: RtpPorts,
    trunks: watch::Sender<Arc<[Arc<Trunk>]>>,
    /// Trunks of before that still bear calls.
    left: Mutex<Vec<Arc<Trunk>>>,
    runtime: Handle,
    receiver: Mutex<Option<mpsc::Sender<Incoming>>>,
}

impl Inner {
    /// Who is told of callers.
    fn receiver(&self) -> Option<mpsc::Sender<Incoming>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn trunks(&self) -> Arc<[Arc<Trunk>]> {
        self.trunks.borrow().clone()
    }

    /// Calls alive on trunks of before.
    fn left_live(&self) -> usize {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|trunk| trunk.live() > 0);
        left.iter().map(|trunk| trunk.live()).sum()
    }
}

impl Sip {
    /// Listens. Trunks are looked for by [`Sip::run`]. The error is a sentence.
    pub async fn start(
        settings: Settings,
        trunks: &[TrunkSettings],
        voice: Arc<dyn Synthesizer>,
        clock: Arc<dyn Clock>,
    ) -> Result<Sip, String> {
        let (stack, visitors) = Stack::start(&settings, trunks).await?;
        let studio = Studio::start(clock.clone()).map_err(|error| format!("no thread for sound: {error}"))?;
        let ports = RtpPorts::new(settings.rtp_ports);
        let trunks = trunks.iter().cloned().map(|trunk| Arc::new(Trunk::new(trunk))).collect();
        let (trunks, left) = (watch::Sender::new(trunks), Mutex::default());
        let (runtime, receiver) = (Handle::current(), Mutex::default());
        let (recorder, agent) = (OnceLock::new(), OnceLock::new());
        let inner = Arc::new(Inner {
            settings,
            clock,
            voice,
            stack,
            studio,
            recorder,
            agent,
            ports,
            trunks,
            left,
            runtime,
            receiver,
        });
        tokio::spawn(visitors::watch(inner.clone(), visitors));
        Ok(Sip { inner })
    }

    /// Recordings go to this folder, as files that are called by the ids of their calls. Without one nothing is
    /// recorded.
    pub fn record_into(&self, folder: &Path) -> std::io::Result<()> {
        let recorder = Recorder::start(folder)?;
        self.inner.recorder.get_or_init(|| recorder);
        Ok(())
    }

    /// Whoever holds conversations on these calls. Without one none is held.
    pub fn converse_with(&self, agent: Arc<dyn Agent>) {
        self.inner.agent.get_or_init(|| agent);
    }

    /// Gets ready for trunks that speak TCP; for all others it is.
    pub async fn listen_over_tcp(&self) -> Result<(), String> {
        self.inner.stack.listen_over_tcp().await
    }

    /// Puts other trunks in the place of those there are. One with the same name, or at the same host for the same user,
    /// is the same carrier's: calls that are alive on it count on. The error is a sentence.
    pub async fn change(&self, settings: &[TrunkSettings]) -> Result<(), String> {
        if settings.iter().any(|trunk| trunk.transport == Transport::Tcp) {
            self.inner.stack.listen_over_tcp().await?;
        }
        let mut before = self.inner.trunks().to_vec();
        let mut take = |is_it: &dyn Fn(&TrunkSettings) -> bool| {
            let at = before.iter().position(|trunk| is_it(&trunk.settings))?;
            Some(before.remove(at))
        };
        let mut after: Vec<Option<Arc<Trunk>>> =
            settings.iter().map(|wanted| take(&|there| there == wanted)).collect();
        for (place, wanted) in after.iter_mut().zip(settings).filter(|(place, _)| place.is_none()) {
            let is_there =
                |there: &TrunkSettings| (&there.host, &there.username) == (&wanted.host, &wanted.username);
            let same = take(&|there| there.name == wanted.name).or_else(|| take(&is_there));
            *place = same.map(|trunk| Arc::new(trunk.changed(wanted.clone())));
        }
        let new = |(place, wanted): (Option<Arc<Trunk>>, &TrunkSettings)| {
            place.unwrap_or_else(|| Arc::new(Trunk::new(wanted.clone())))
        };
        let after = after.into_iter().zip(settings).map(new).collect();
        self.inner.left.lock().unwrap_or_else(PoisonError::into_inner).extend(before);
        self.inner.trunks.send_replace(after);
        Ok(())
    }

    /// Looks after the trunks until `shutdown` becomes true or nobody is left to say so, then falls silent.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let mut trunks = self.inner.trunks.subscribe();
        let mut keeping = JoinSet::new();
        let mut kept: Vec<(Arc<Trunk>, AbortHandle)> = Vec::new();
        loop {
            let present = trunks.borrow_and_update().clone();
            kept.retain(|(trunk, keeping)| {
                let stays = present.iter().any(|present| Arc::ptr_eq(present, trunk));
                if !stays {
                    keeping.abort();
                    if !present.iter().any(|present| present.is_registered_as(trunk)) {
                        tokio::spawn(leave(self.inner.clone(), trunk.clone()));
                    }
                }
                stays
            });
            for trunk in present.iter() {
                if !kept.iter().any(|(kept, _)| Arc::ptr_eq(kept, trunk)) {
                    let keeper = keeping.spawn(keep(self.inner.clone(), trunk.clone()));
                    kept.push((trunk.clone(), keeper));
                }
            }
            tokio::select! {
                // Nobody left to say so is as good as saying so.
                _ = shutdown.wait_for(|down| *down) => break,
                changed = trunks.changed() => if changed.is_err() { break },
            }
        }
        keeping.shutdown().await;
        self.inner.stack.stop();
    }

    /// Looks for every trunk once, and says how it is. Places no call.
    pub async fn check(&self) -> Vec<Health> {
        for trunk in self.inner.trunks().iter() {
            look(&self.inner, trunk).await;
        }
        self.health()
    }

    /// How the trunks are.
    pub fn health(&self) -> Vec<Health> {
        self.inner.trunks().iter().map(|trunk| trunk.health()).collect()
    }
}

impl Carrier for Sip {
    fn name(&self) -> &'static str {
        "sip"
    }

    fn capacity(&self) -> Capacity {
        let trunks = self.inner.trunks();
        let live = trunks.iter().map(|trunk| trunk.live()).sum::<usize>() + self.inner.left_live();
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
        let trunks = self.inner.trunks();
        let next = trunks.iter().find(|trunk| trunk.free() > 0);
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

    fn agents(&self) -> Agents {
        let seats = self.inner.agent.get().map_or(0, |agent| agent.seats());
        Agents { seats, free: seats, is_usual: seats > 0 }
    }

    fn receive(&self, to: mpsc::Sender<Incoming>) {
        *self.inner.receiver.lock().unwrap_or_else(PoisonError::into_inner) = Some(to);
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

/// Has the carrier of a trunk that was removed forget where we are, so that nobody is sent to us any more. Whoever does not
/// hear of it forgets it by itself, when the time of the registration is over.
async fn leave(inner: Arc<Inner>, trunk: Arc<Trunk>) {
    let Some(address) = trunk.registered_at() else { return };
    let name = &trunk.settings.name;
    tokio::select! {
        left = inner.stack.unregister(&trunk.settings, address) => match left {
            Ok(()) => tracing::info!(trunk = name, "a trunk that was removed is registered no more"),
            Err(problem) => tracing::warn!(trunk = name, problem, "a trunk that was removed stays registered"),
        },
        () = inner.clock.sleep_until(inner.clock.steady() + PROBE_WAIT) => {
            tracing::warn!(trunk = name, "a trunk that was removed does not answer, and stays registered");
        }
    }
}

/// Looks for a trunk; the answer is when to look again.
async fn look(inner: &Inner, trunk: &Trunk) -> TimeDelta {
    let asked = async {
        let address = find(&trunk.settings, inner.settings.listen.ip()).await?;
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
async fn find(trunk: &TrunkSettings, ours: IpAddr) -> Result<SocketAddr, String> {
    let place = trunk.destination();
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
