//! Who calls us: only carriers that we have a trunk to, and not more than we can take. Everybody else is sent away in one
//! short answer, and a flood of them in none.

use super::call::Call;
use super::reading::{number, written};
use super::stack::{Status, Visitor};
use super::{Inner, Place, Trunk};
use crate::carrier::{Incoming, Leg, Reception};
use crate::domain::Instant;
use crate::domain::other_call::Turned;
use crate::domain::phone::Phone;
use chrono::TimeDelta;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Calls that are looked at in a second, of carriers.
const CALLS_PER_SECOND: u32 = 20;
/// Strangers that get an answer in a second.
const STRANGERS_PER_SECOND: u32 = 5;
/// How long the dialer has to say whether it takes somebody.
const ANSWER_WAIT: TimeDelta = TimeDelta::seconds(10);

/// Counts what happens in a second.
#[derive(Default)]
struct Pace {
    since: Option<Instant>,
    count: u32,
}

impl Pace {
    /// Whether this one is within the limit.
    fn allows(&mut self, now: Instant, limit: u32) -> bool {
        if self.since.is_none_or(|since| now - since >= TimeDelta::seconds(1)) {
            *self = Pace { since: Some(now), count: 0 };
        }
        self.count += 1;
        self.count <= limit
    }
}

/// Looks at whoever calls, for as long as anybody can.
pub(super) async fn watch(carrier: Arc<Inner>, mut visitors: mpsc::Receiver<Visitor>) {
    let (mut calls, mut strangers) = (Pace::default(), Pace::default());
    while let Some(visitor) = visitors.recv().await {
        let now = carrier.clock.steady();
        let Some(trunk) = trunk_at(&carrier, visitor.source) else {
            if strangers.allows(now, STRANGERS_PER_SECOND) {
                tracing::warn!(source = %visitor.source, "somebody calls who is no trunk of ours");
                visitor.refuse(Status::Forbidden);
            }
            continue;
        };
        if !calls.allows(now, CALLS_PER_SECOND) {
            visitor.refuse(Status::Unavailable);
            continue;
        }
        let country = carrier.settings.default_country;
        let called: Vec<Phone> = visitor
            .called
            .iter()
            .flat_map(|user| written(user, &trunk.settings.number_prefix, country))
            .collect();
        if called.is_empty() {
            visitor.refuse(Status::NotFound);
            continue;
        }
        match trunk.admit(visitor.source) {
            Some(place) => admit(&carrier, place, visitor, called),
            None => visitor.refuse(Status::Busy),
        }
    }
}

fn trunk_at(carrier: &Inner, source: SocketAddr) -> Option<Arc<Trunk>> {
    carrier.trunks().iter().find(|trunk| trunk.is_at(source.ip())).cloned()
}

/// Tells the dialer of somebody, and does what it says.
fn admit(carrier: &Arc<Inner>, place: Place, visitor: Visitor, called: Vec<Phone>) {
    let caller = visitor.caller.as_deref();
    let caller = caller
        .and_then(|user| number(user, &place.trunk.settings.number_prefix, carrier.settings.default_country));
    let (to_door, at_door) = oneshot::channel();
    let incoming = Incoming::new(called, caller, move |reception| {
        let (to_commands, commands) = mpsc::unbounded_channel();
        let is_taken = matches!(reception, Reception::Taken(..));
        let is_there = to_door.send((reception, commands)).is_ok();
        let leg = Leg::new(move |command| {
            // After the end nobody takes commands any more.
            let _ = to_commands.send(command);
        });
        (is_taken && is_there).then_some(leg)
    });
    let receiver = carrier.receiver();
    let Some(true) = receiver.map(|receiver| receiver.try_send(incoming).is_ok()) else {
        visitor.refuse(Status::Unavailable);
        return;
    };
    let carrier = carrier.clone();
    tokio::spawn(async move {
        let said = tokio::select! {
            said = at_door => said.ok(),
            () = carrier.clock.sleep_until(carrier.clock.steady() + ANSWER_WAIT) => None,
        };
        match said {
            Some((Reception::Taken(request, events), commands)) => {
                // Nobody waits to hear that the carrier was asked: it is the carrier that asks.
                let (asked, _) = oneshot::channel();
                let call = Call::new(carrier, place, *request, events, commands, asked);
                call.take(visitor).await;
            }
            Some((Reception::Refused(why), _)) => visitor.refuse(match why {
                Turned::NoSuchNumber => Status::NotFound,
                Turned::NotNow => Status::Unavailable,
                Turned::Busy => Status::Busy,
            }),
            None => visitor.refuse(Status::Unavailable),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_looked_at_in_a_second() {
        let (mut pace, now) = (Pace::default(), Instant::UNIX_EPOCH);
        assert!(pace.allows(now, 2) && pace.allows(now, 2) && !pace.allows(now, 2));
        assert!(pace.allows(now + TimeDelta::seconds(1), 2));
    }
}
