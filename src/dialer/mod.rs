//! The engine: the only place where time, the store and the carrier meet. It turns due leads into calls and
//! ended calls into facts, and is told of both by waking up: it is called by nobody.

mod engine;
mod plan;

pub use engine::{Dialer, Turn};

use crate::carrier::Carrier;
use crate::domain::campaign::Status;
use crate::domain::event::Event;
use crate::store::{Store, StoreError};
use chrono::TimeDelta;
use std::sync::Arc;
use tokio::sync::watch;

/// Runs the dialer until `stop` says so, and then until no call is alive or `grace` is over. A panic is
/// reported to every active campaign, and the dialer starts again as after a crash.
pub async fn run(store: Store, carrier: Arc<dyn Carrier>, grace: TimeDelta, mut stop: watch::Receiver<bool>) {
    let clock = store.clock().clone();
    let mut pause = PAUSE_MIN;
    loop {
        let started = clock.steady();
        let one_life = live(store.clone(), carrier.clone(), grace, stop.clone());
        match tokio::spawn(one_life).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::error!(%error, "the dialer stopped; it starts again"),
            Err(panic) => {
                tracing::error!(%panic, "the dialer panicked; it starts again");
                report(
                    &store,
                    "The dialer failed and was restarted; calls that were alive were ended as interrupted",
                )
                .await;
            }
        }
        // A fault that comes back at once must burn neither leads nor the log.
        let is_steady = clock.steady() - started > PAUSE_MAX;
        pause = if is_steady { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
        tokio::select! {
            () = clock.sleep_until(clock.steady() + pause) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Campaigns that were rehearsed must not ring real phones because the server was started with other settings, nor the
/// other way round: where another carrier placed the last call, all active campaigns are paused until a person says
/// that they go on. The answer is how many.
pub async fn pause_for_another_carrier(store: &Store, carrier: &'static str) -> Result<usize, StoreError> {
    let paused = store.write(move |tx| {
        let Some(last) = tx.last_carrier()?.filter(|last| last != carrier) else { return Ok(0) };
        let campaigns = tx.active_campaigns()?;
        for campaign in &campaigns {
            let message = format!("The last calls were carried by {last}; from now on it is {carrier}");
            let action = "Look at the campaign and its leads, then set it to active again";
            let key = tx.now.timestamp_millis().to_string();
            tx.emit_once(campaign.id, &Event::error(campaign, "carrier_changed", &message, action, &key))?;
            tx.change_status_because(campaign, Status::Paused, "carrier_changed")?;
        }
        Ok(campaigns.len())
    });
    paused.await
}

/// The pauses before a restart: doubled each time it fails soon.
const PAUSE_MIN: TimeDelta = TimeDelta::milliseconds(250);
const PAUSE_MAX: TimeDelta = TimeDelta::minutes(1);

async fn live(
    store: Store,
    carrier: Arc<dyn Carrier>,
    grace: TimeDelta,
    stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    Dialer::start(store, carrier).await?.run(grace, stop).await;
    Ok(())
}

/// Tells every active campaign that something needs a person.
async fn report(store: &Store, message: &'static str) {
    let told = store.write(move |tx| {
        let action = "Look at the server's log; nothing else is needed if calls go on";
        let key = tx.now.timestamp_millis().to_string();
        for campaign in tx.active_campaigns()? {
            tx.emit_once(campaign.id, &Event::error(&campaign, "dialer_restarted", message, action, &key))?;
        }
        Ok::<(), StoreError>(())
    });
    if let Err(error) = told.await {
        tracing::error!(%error, "the restart of the dialer could not be written down");
    }
}
