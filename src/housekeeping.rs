//! What must go in time: old idempotent replies, and deleted campaigns and ended deliveries after the retention time.
//! Small transactions, so that nobody waits for them.

use crate::store::{Store, StoreError};
use chrono::TimeDelta;
use tokio::sync::watch;

/// How often to look.
const EVERY: TimeDelta = TimeDelta::minutes(10);

/// How long what has ended is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// Deleted campaigns with everything that belongs to them.
    pub(crate) campaigns: TimeDelta,
    /// Deliveries of webhooks.
    pub(crate) deliveries: TimeDelta,
}

/// Cleans up until `stop` says so.
pub(crate) async fn run(store: Store, kept: Kept, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow_and_update() {
        if let Err(error) = turn(&store, kept, &stop).await {
            tracing::warn!(%error, "cleaning up failed; it is tried again later");
        }
        let clock = store.clock();
        tokio::select! {
            () = clock.sleep_until(clock.steady() + EVERY) => {}
            changed = stop.changed() => if changed.is_err() { return },
        }
    }
}

/// Removes what is due, piece by piece, as long as nobody says stop.
async fn turn(store: &Store, kept: Kept, stop: &watch::Receiver<bool>) -> Result<(), StoreError> {
    store.write(|tx| tx.forget_old_replies()).await?;
    while !*stop.borrow() && store.write(move |tx| tx.purge_deleted(kept.campaigns)).await? {}
    while !*stop.borrow() && store.write(move |tx| tx.forget_old_deliveries(kept.deliveries)).await? {}
    Ok(())
}
