//! The way to one carrier: whether it is there, how many calls it carries, and when it takes the next.

use super::settings;
use crate::domain::Instant;
use crate::domain::pacing::Spacing;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// One trunk.
pub(super) struct Trunk {
    pub(super) settings: settings::Trunk,
    state: Mutex<State>,
    /// Somebody has reason to doubt that it is there.
    doubted: Notify,
}

struct State {
    /// Where it was last found; none while it is not there.
    address: Option<SocketAddr>,
    live: usize,
    spacing: Spacing,
    /// Why it is not there.
    problem: Option<String>,
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
    /// Calls alive.
    pub live: usize,
}

impl Trunk {
    /// One that has not been looked for yet.
    pub(super) fn new(settings: settings::Trunk) -> Trunk {
        let spacing = Spacing::new(Some(settings.calls_per_second));
        let problem = Some("it has not answered yet".to_owned());
        let state = Mutex::new(State { address: None, live: 0, spacing, problem });
        Trunk { settings, state, doubted: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.state().live
    }

    /// Calls that it could still take; none while it is not there.
    pub(super) fn free(&self) -> usize {
        let state = self.state();
        state.address.map_or(0, |_| self.settings.channels.saturating_sub(state.live))
    }

    /// When its pace allows the next call, if that is later than now.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        self.state().spacing.next_at(now)
    }

    /// Takes a place on it, if it takes a call at this moment.
    pub(super) fn occupy(self: &Arc<Self>, now: Instant) -> Option<Place> {
        let mut state = self.state();
        let address = state.address?;
        if state.live >= self.settings.channels || state.spacing.allowed(now, 1) == 0 {
            return None;
        }
        state.live += 1;
        state.spacing.dialed(now);
        Some(Place { trunk: self.clone(), address })
    }

    /// Whether it was last found at this address.
    pub(super) fn is_at(&self, ip: IpAddr) -> bool {
        self.state().address.is_some_and(|address| address.ip() == ip)
    }

    /// Takes a place on it for a call that comes from it, if a channel is free. Its pace is the carrier's own business.
    pub(super) fn admit(self: &Arc<Self>, from: SocketAddr) -> Option<Place> {
        let mut state = self.state();
        if state.live >= self.settings.channels {
            return None;
        }
        state.live += 1;
        Some(Place { trunk: self.clone(), address: from })
    }

    /// How it is.
    pub(super) fn health(&self) -> Health {
        let State { address, live, problem, .. } = &*self.state();
        Health { trunk: self.settings.name.clone(), address: *address, problem: problem.clone(), live: *live }
    }
}

/// A call's place on a trunk; free again when it is dropped.
pub(super) struct Place {
    pub(super) trunk: Arc<Trunk>,
    pub(super) address: SocketAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.trunk.state().live -= 1;
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
}
