//! The loop over what is due, what came back, and what was committed.
//!
//! One [`Deliverer::turn`] writes down what came back and starts what is due. Requests run outside of any transaction,
//! a few at a time for each endpoint, so that one that hangs delays no other.

use super::{Client, Post, sign};
use crate::clock::Clock;
use crate::domain::Instant;
use crate::domain::delivery::{Reply, TryError};
use crate::store::{Outgoing, Snapshot, Store, StoreError, Tried, Waiting, Worker};
use chrono::TimeDelta;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What a turn did, and when the next one is due at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Tries written down plus tries begun.
    pub did: usize,
    /// Tries under way.
    pub under_way: usize,
    /// The wall time at which something will be due by itself; none when only an answer or a commit brings it.
    pub next_due: Option<Instant>,
}

/// A try that has ended, and which endpoint has a hand free again.
struct Ended {
    endpoint_id: i64,
    tried: Tried,
}

/// Turns deliveries into tries.
pub struct Deliverer {
    store: Store,
    clock: Arc<dyn Clock>,
    client: Arc<dyn Client>,
    outbox: watch::Receiver<u64>,
    ended: mpsc::UnboundedReceiver<Ended>,
    ended_to: mpsc::UnboundedSender<Ended>,
    /// Tries that wait to be written. Kept until the commit, so that a full disk makes none happen again.
    to_write: Vec<Ended>,
    under_way: HashSet<i64>,
    /// Tries under way at each endpoint.
    hands: HashMap<i64, usize>,
}

/// How long to wait after the database refused.
const RETRY_AFTER: TimeDelta = TimeDelta::seconds(1);
/// How often to look for commits of other processes.
const LOOK_EVERY: TimeDelta = TimeDelta::seconds(1);
/// Tries under way at one time: in all, at an endpoint that works, and at one that does not.
const UNDER_WAY_MAX: usize = 256;
const HANDS_MAX: usize = 8;
const HANDS_FAILING_MAX: usize = 1;
/// How long a stop waits for the tries under way.
const STOP_GRACE: TimeDelta = TimeDelta::seconds(3);

impl Deliverer {
    /// Ready for its first turn.
    pub fn new(store: Store, client: Arc<dyn Client>) -> Deliverer {
        let (ended_to, ended) = mpsc::unbounded_channel();
        Deliverer {
            clock: store.clock().clone(),
            outbox: store.outbox(),
            store,
            client,
            ended,
            ended_to,
            to_write: Vec::new(),
            under_way: HashSet::new(),
            hands: HashMap::new(),
        }
    }

    /// Takes turns until `stop` says so, then lets the tries under way end for a moment. Those that do not are made
    /// again by the next life.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow_and_update() {
            self.store.beat(Worker::Webhooks);
            let next_due = match self.turn().await {
                Ok(turn) => self.steady(turn.next_due),
                Err(error) => {
                    tracing::error!(%error, "nothing is delivered while the database does not take facts");
                    self.clock.steady() + RETRY_AFTER
                }
            };
            let clock = self.clock.clone();
            tokio::select! {
                () = clock.sleep_until(next_due) => {}
                // The sender lives as long as our own store.
                Ok(()) = self.outbox.changed() => {}
                Some(ended) = self.ended.recv() => self.to_write.push(ended),
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        // What was committed at the very end is begun as well.
        if let Err(error) = self.turn().await {
            tracing::error!(%error, "some events are delivered by the next life");
        }
        let end = self.clock.steady() + STOP_GRACE;
        let clock = self.clock.clone();
        while !self.under_way.is_empty() && clock.steady() < end {
            if let Err(error) = self.write_down().await {
                tracing::error!(%error, "some tries could not be written down; they are made again");
                return;
            }
            tokio::select! {
                () = clock.sleep_until(end) => {}
                () = self.wait_for_an_answer(), if !self.under_way.is_empty() => {}
            }
        }
    }

    /// The steady time of a wall time, or of the next look.
    fn steady(&self, due: Option<Instant>) -> Instant {
        let now = self.clock.steady();
        let wait = due.map_or(LOOK_EVERY, |due| due - self.clock.now()).clamp(TimeDelta::zero(), LOOK_EVERY);
        now + wait
    }

    /// Ends when a try under way has.
    pub async fn wait_for_an_answer(&mut self) {
        // We hold a sender ourselves, so there is always another.
        if let Some(ended) = self.ended.recv().await {
            self.to_write.push(ended);
        }
    }

    /// Writes down what came back and begins what is due.
    pub async fn turn(&mut self) -> Result<Turn, StoreError> {
        let written = self.write_down().await?;
        let waiting =
            self.store.read(|s: &Snapshot| Ok::<_, StoreError>((s.now, s.endpoints_waiting()?))).await;
        let (now, waiting) = waiting?;
        self.retire(&waiting).await?;
        let mut wanted = Vec::new();
        let mut next_due: Option<Instant> = None;
        let mut free = UNDER_WAY_MAX.saturating_sub(self.under_way.len());
        for endpoint in waiting.iter().filter(|endpoint| endpoint.retired.is_none()) {
            let busy = self.hands.get(&endpoint.endpoint_id).copied().unwrap_or(0);
            let hands = if endpoint.is_failing { HANDS_FAILING_MAX } else { HANDS_MAX };
            let take = hands.saturating_sub(busy).min(free);
            if endpoint.due_at > now {
                next_due = Some(next_due.map_or(endpoint.due_at, |due| due.min(endpoint.due_at)));
            } else if take > 0 {
                free -= take;
                wanted.push((endpoint.endpoint_id, busy, take));
            }
        }
        let due = self.load(wanted).await?;
        let mut begun = 0;
        for (endpoint_id, outgoing) in due {
            begun += usize::from(self.begin(endpoint_id, outgoing));
        }
        Ok(Turn { did: written + begun, under_way: self.under_way.len(), next_due })
    }

    async fn load(&self, wanted: Vec<(i64, usize, usize)>) -> Result<Vec<(i64, Outgoing)>, StoreError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let under_way = self.under_way.clone();
        self.store
            .read(move |snapshot| {
                let mut due = Vec::new();
                for (endpoint_id, busy, take) in wanted {
                    // Those under way are still due, so they come along.
                    let found = snapshot.due_deliveries(endpoint_id, busy + take)?;
                    let new = found.into_iter().filter(|outgoing| !under_way.contains(&outgoing.delivery_id));
                    due.extend(new.take(take).map(|outgoing| (endpoint_id, outgoing)));
                }
                Ok(due)
            })
            .await
    }

    /// Begins a try; false if there is no secret to sign it with.
    fn begin(&mut self, endpoint_id: i64, outgoing: Outgoing) -> bool {
        let Outgoing { delivery_id, url, secrets, message_id, body } = outgoing;
        let at = self.clock.now();
        let signed = sign(&secrets, &message_id, at.timestamp(), &body);
        if signed.count == 0 {
            tracing::error!(endpoint_id, "the secret of a webhook endpoint cannot be read; rotate it");
            return false;
        }
        let post = Post { url, message_id, timestamp: at.timestamp(), signature: signed.header, body };
        self.under_way.insert(delivery_id);
        *self.hands.entry(endpoint_id).or_default() += 1;
        let (clock, ended_to) = (self.clock.clone(), self.ended_to.clone());
        let replying = self.client.post(post);
        tokio::spawn(async move {
            let started = clock.monotonic();
            // A panic must not keep the hand.
            let reply = tokio::spawn(replying).await.unwrap_or(Reply::Failed(TryError::Broken));
            let ms = i64::try_from((clock.monotonic() - started).as_millis()).unwrap_or(i64::MAX);
            let tried = Tried { delivery_id, at, ms, signatures: signed.count, reply };
            // Nobody listens any more after a stop.
            let _ = ended_to.send(Ended { endpoint_id, tried });
        });
        true
    }

    /// Writes down the tries that have ended; the answer is how many.
    async fn write_down(&mut self) -> Result<usize, StoreError> {
        while let Ok(ended) = self.ended.try_recv() {
            self.to_write.push(ended);
        }
        if self.to_write.is_empty() {
            return Ok(0);
        }
        let tries: Vec<Tried> = self.to_write.iter().map(|ended| ended.tried.clone()).collect();
        self.store
            .write(move |tx| tries.iter().try_for_each(|tried| tx.record_try(tried, rand::random())))
            .await?;
        let written = self.to_write.len();
        for Ended { endpoint_id, tried } in std::mem::take(&mut self.to_write) {
            self.under_way.remove(&tried.delivery_id);
            if let Some(busy) = self.hands.get_mut(&endpoint_id) {
                *busy -= 1;
                if *busy == 0 {
                    self.hands.remove(&endpoint_id);
                }
            }
        }
        Ok(written)
    }

    /// Ends what still waits for endpoints that nothing is sent to any more.
    async fn retire(&self, waiting: &[Waiting]) -> Result<(), StoreError> {
        for endpoint in waiting {
            let (id, Some(state)) = (endpoint.endpoint_id, endpoint.retired) else { continue };
            self.store.write(move |tx| tx.retire_deliveries(id, state)).await?;
        }
        Ok(())
    }
}
