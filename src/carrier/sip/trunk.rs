//! The way to one carrier: whether it is there, how many calls it carries, and when it takes the next.

use super::settings;
use crate::domain::Instant;
use crate::domain::pacing::Spacing;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What is told of a trunk on whose last call no keys were agreed on.
const DEAF: &str = "keys may not be heard on its calls, also those of people who want no more of them: it agrees on no \
                    telephone-event; have the carrier send keys by RFC 4733 (RFC 2833)";

/// One trunk.
pub(super) struct Trunk {
    pub(super) settings: settings::Trunk,
    state: Mutex<State>,
    load: Arc<Mutex<Load>>,
    /// Somebody has reason to doubt that it is there.
    doubted: Notify,
}

struct State {
    /// Where it was last found; none while it is not there.
    address: Option<SocketAddr>,
    /// Why it is not there.
    problem: Option<String>,
    /// On its last call that was answered no keys were agreed on.
    is_deaf: bool,
}

/// What the carrier bears for us. It goes on bearing it when the settings change.
struct Load {
    live: usize,
    spacing: Spacing,
}

/// How a trunk is, for whoever asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// Its name.
    pub trunk: String,
    /// Where it was found.
    pub address: Option<SocketAddr>,
    /// Why it takes no calls, if it does not.
    pub problem: Option<String>,
    /// What is to be known of its calls although it takes some.
    pub warning: Option<String>,
    /// Calls alive.
    pub live: usize,
}

impl Trunk {
    /// One that has not been looked for yet.
    pub(super) fn new(settings: settings::Trunk) -> Trunk {
        let spacing = Spacing::new(Some(settings.calls_per_second));
        Trunk::bearing(settings, Arc::new(Mutex::new(Load { live: 0, spacing })))
    }

    fn bearing(settings: settings::Trunk, load: Arc<Mutex<Load>>) -> Trunk {
        let problem = Some("it has not answered yet".to_owned());
        let state = Mutex::new(State { address: None, problem, is_deaf: false });
        Trunk { settings, state, load, doubted: Notify::new() }
    }

    /// The same way to the same carrier with other settings: calls that are alive count on, and so does the pace.
    pub(super) fn changed(&self, settings: settings::Trunk) -> Trunk {
        self.load().spacing.change(Some(settings.calls_per_second));
        Trunk::bearing(settings, self.load.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is there.
    pub(super) fn found(&self, address: SocketAddr) {
        let mut state = self.state();
        state.problem = None;
        if state.address.replace(address).is_none() {
            tracing::info!(trunk = self.settings.name, "a trunk takes calls");
        }
    }

    /// It is not there.
    pub(super) fn lost(&self, problem: String) {
        let mut state = self.state();
        if state.address.take().is_some() || state.problem.as_ref() != Some(&problem) {
            tracing::warn!(trunk = self.settings.name, problem, "a trunk takes no calls");
        }
        state.problem = Some(problem);
    }

    /// Whether keys can be heard on a call that was answered.
    pub(super) fn agreed_on_keys(&self, has_keys: bool) {
        let was_deaf = std::mem::replace(&mut self.state().is_deaf, !has_keys);
        match (was_deaf, has_keys) {
            (false, false) => tracing::warn!(trunk = self.settings.name, "{DEAF}"),
            (true, true) => tracing::info!(trunk = self.settings.name, "keys are heard on its calls again"),
            (false, true) | (true, false) => {}
        }
    }

    /// Has it looked after soon.
    pub(super) fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Ends when somebody doubts it.
    pub(super) async fn doubted(&self) {
        self.doubted.notified().await;
    }

    /// Calls alive.
    pub(super) fn live(&self) -> usize {
        self.load().live
    }

    /// Calls that it could still take; none while it is not there.
    pub(super) fn free(&self) -> usize {
        match self.state().address {
            Some(_) => self.settings.channels.saturating_sub(self.live()),
            None => 0,
        }
    }

    /// Where it has us registered; none where it does not, or is not there.
    pub(super) fn registered_at(&self) -> Option<SocketAddr> {
        self.state().address.filter(|_| self.settings.register)
    }

    /// Whether it registers us as the same, at the same carrier, as that one.
    pub(super) fn is_registered_as(&self, other: &Trunk) -> bool {
        let who = |trunk: &Trunk| {
            let settings = &trunk.settings;
            (settings.host.clone(), settings.proxy.clone(), settings.username.clone(), settings.transport)
        };
        self.settings.register && who(self) == who(other)
    }

    /// When its pace allows the next call, if that is later than now.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        self.load().spacing.next_at(now)
    }

    /// Takes a place on it, if it takes a call at this moment.
    pub(super) fn occupy(self: &Arc<Self>, now: Instant) -> Option<Place> {
        let address = self.state().address?;
        let mut load = self.load();
        if load.live >= self.settings.channels || load.spacing.allowed(now, 1) == 0 {
            return None;
        }
        load.live += 1;
        load.spacing.dialed(now);
        Some(Place { trunk: self.clone(), address })
    }

    /// Whether it was last found at this address.
    pub(super) fn is_at(&self, ip: IpAddr) -> bool {
        self.state().address.is_some_and(|address| address.ip() == ip)
    }

    /// Takes a place on it for a call that comes from it, if a channel is free. Its pace is the carrier's own business.
    pub(super) fn admit(self: &Arc<Self>, from: SocketAddr) -> Option<Place> {
        let mut load = self.load();
        if load.live >= self.settings.channels {
            return None;
        }
        load.live += 1;
        Some(Place { trunk: self.clone(), address: from })
    }

    /// How it is.
    pub(super) fn health(&self) -> Health {
        let live = self.live();
        let State { address, problem, is_deaf } = &*self.state();
        let (trunk, problem) = (self.settings.name.clone(), problem.clone());
        Health { trunk, address: *address, problem, warning: is_deaf.then(|| DEAF.into()), live }
    }
}

/// A call's place on a trunk; free again when it is dropped.
pub(super) struct Place {
    pub(super) trunk: Arc<Trunk>,
    pub(super) address: SocketAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.trunk.load().live -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn trunk() -> Arc<Trunk> {
        let settings =
            serde_json::json!({"name": "a", "host": "a.example", "channels": 2, "calls_per_second": 2});
        Arc::new(Trunk::new(serde_json::from_value(settings).unwrap()))
    }

    #[test]
    fn it_takes_calls_only_while_it_is_there_one_after_the_other_and_not_too_many() {
        let (trunk, now) = (trunk(), Instant::UNIX_EPOCH);
        assert!(trunk.occupy(now).is_none() && trunk.free() == 0);
        trunk.found("192.0.2.1:5060".parse().unwrap());
        let first = trunk.occupy(now).unwrap();
        assert!(trunk.occupy(now).is_none(), "too fast");
        let later = trunk.next_at(now).unwrap();
        assert_eq!(later, now + TimeDelta::milliseconds(500));
        let second = trunk.occupy(later).unwrap();
        let last = later + TimeDelta::seconds(5);
        assert!(trunk.occupy(last).is_none(), "too many");
        drop(first);
        assert_eq!((trunk.free(), trunk.next_at(last)), (1, None));
        trunk.lost("gone".into());
        assert!(trunk.free() == 0 && trunk.occupy(last).is_none());
        drop(second);
        assert_eq!(trunk.health().live, 0);
    }

    #[test]
    fn with_other_settings_it_still_bears_its_calls() {
        let (before, now) = (trunk(), Instant::UNIX_EPOCH);
        before.found("192.0.2.1:5060".parse().unwrap());
        let alive = before.occupy(now).unwrap();
        let mut settings = before.settings.clone();
        settings.calls_per_second = 1.0;
        settings.channels = 1;
        let after = Arc::new(before.changed(settings));
        assert!(after.occupy(now).is_none(), "it has not answered yet");
        after.found("192.0.2.1:5060".parse().unwrap());
        let later = now + TimeDelta::seconds(5);
        assert!(after.occupy(later).is_none() && after.live() == 1, "too many");
        drop(alive);
        assert!(after.occupy(later).is_some());
    }
}
