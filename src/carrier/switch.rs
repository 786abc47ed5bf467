//! A carrier in whose place another one can be put while calls are alive. Each call stays where it was dialed.

use super::{Capacity, Carrier, DialRequest, Incoming, Leg, LegEvents};
use crate::domain::guard::Agents;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::mpsc;

/// Whoever carries the next call.
pub struct Switch {
    present: RwLock<Arc<dyn Carrier>>,
    receiver: Mutex<Option<mpsc::Sender<Incoming>>>,
}

impl Switch {
    /// With this one first.
    pub fn to(carrier: Arc<dyn Carrier>) -> Switch {
        Switch { present: RwLock::new(carrier), receiver: Mutex::default() }
    }

    /// Has another one carry the next calls. Whoever does this keeps every dial from being on its way, so that what is
    /// written down about a call is true of it.
    pub fn turn(&self, carrier: Arc<dyn Carrier>) {
        if let Some(receiver) = &*self.receiver() {
            carrier.receive(receiver.clone());
        }
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = carrier;
    }

    fn receiver(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Incoming>>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn present(&self) -> Arc<dyn Carrier> {
        self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Carrier for Switch {
    fn name(&self) -> &'static str {
        self.present().name()
    }

    fn capacity(&self) -> Capacity {
        self.present().capacity()
    }

    fn agents(&self) -> Agents {
        self.present().agents()
    }

    fn dial(&self, request: DialRequest, events: LegEvents) -> Leg {
        self.present().dial(request, events)
    }

    fn receive(&self, to: mpsc::Sender<Incoming>) {
        self.present().receive(to.clone());
        *self.receiver() = Some(to);
    }
}
