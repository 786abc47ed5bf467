//! What must go in time: old idempotent replies, deleted campaigns, events, deliveries, what was sent in imports, who changed what, and what
//! happened during calls, each after its own retention time. Small transactions, so that nobody waits for them.

use crate::domain::Instant;
use crate::lives::{self, Who};
use crate::store::{Store, StoreError, Tx, Worker, import};
use chrono::TimeDelta;
use tokio::sync::watch;

/// How long each kind of data is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Deleted campaigns and their records.
    pub deleted_campaigns: TimeDelta,
    /// Events.
    pub events: TimeDelta,
    /// Deliveries of webhooks that were made or given up.
    pub deliveries: TimeDelta,
    /// Files of skipped rows, and the rows that reports of imports show.
    pub import_files: TimeDelta,
    /// Who changed what.
    pub audit: TimeDelta,
    /// Timeline, transcript and evidence of calls; none for as long as the calls.
    pub call_details: Option<TimeDelta>,
    /// Recordings of calls.
    pub recordings: TimeDelta,
}

/// Whether a turn found anything, and when the next one is due, in steady time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Something went, and there may be more.
    pub has_more: bool,
    /// When to look again.
    pub next_due: Instant,
}

/// How often to look.
const EVERY: TimeDelta = TimeDelta::minutes(10);

/// Cleans up until `stop` says so. A panic costs the turn it happened in.
pub async fn run(store: Store, retention: Retention, stop: watch::Receiver<bool>) {
    let who = Who {
        name: "housekeeping",
        worker: Some(Worker::Housekeeping),
        message: "Cleaning up failed and was restarted; what is over its time goes a little later",
    };
    lives::keep(&store, who, lives::stopped(&stop), || live(store.clone(), retention, stop.clone())).await;
}

async fn live(store: Store, retention: Retention, mut stop: watch::Receiver<bool>) -> Result<(), StoreError> {
    let clock = store.clock().clone();
    while !*stop.borrow_and_update() {
        store.beat(Worker::Housekeeping);
        let next_due = match turn(&store, retention).await {
            Ok(Turn { next_due, .. }) => next_due,
            Err(error) => {
                tracing::warn!(%error, "cleaning up failed; it is tried again later");
                clock.steady() + EVERY
            }
        };
        tokio::select! {
            () = clock.sleep_until(next_due) => {}
            changed = stop.changed() => if changed.is_err() { break },
        }
    }
    Ok(())
}

/// Removes some of each kind that is due.
pub async fn turn(store: &Store, retention: Retention) -> Result<Turn, StoreError> {
    let Retention { deleted_campaigns, events, deliveries, import_files, audit, call_details, recordings } =
        retention;
    // A clock that is not trusted says nothing about how far time has come.
    let is_trusted = store.is_clock_trusted();
    let lives = move |tx: &Tx| {
        if is_trusted {
            tx.saw_time()?;
        }
        tx.forget_old_replies()
    };
    store.write(lives).await?;
    let mut has_more = store.write(|tx| tx.remove_undone()).await?;
    has_more |= store.write(move |tx| tx.prune_recordings(recordings, deleted_campaigns)).await?;
    store.remove_deleted_recordings().await?;
    has_more |= store.write(move |tx| tx.purge_deleted(deleted_campaigns)).await?;
    has_more |= store.write(move |tx| tx.forget_old_deliveries(deliveries)).await?;
    has_more |= store.write(move |tx| tx.prune_events(events)).await?;
    has_more |= store.write(move |tx| tx.forget_old_deeds(audit)).await?;
    has_more |= store.write(move |tx| tx.prune_import_reports(import_files)).await?;
    store.remove_pruned_files().await?;
    import::remove_orphans(store).await?;
    if let Some(call_details) = call_details {
        has_more |= store.write(move |tx| tx.prune_call_details(call_details)).await?;
    }
    let now = store.clock().steady();
    Ok(Turn { has_more, next_due: if has_more { now } else { now + EVERY } })
}
