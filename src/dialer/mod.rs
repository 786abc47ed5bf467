//! The engine: the only place where time, the store and the carrier meet. It turns due leads into calls and
//! ended calls into facts, and is told of both by waking up: it is called by nobody.

mod book;
mod engine;
mod plan;

pub(crate) use book::Book;
pub(crate) use engine::{Answer, Fact, Floor, Story, tripped};
pub use engine::{Dialer, Turn};

use crate::carrier::Carrier;
use crate::lives::{self, Who};
use crate::store::{Store, StoreError, Worker};
use chrono::TimeDelta;
use std::sync::Arc;
use tokio::sync::watch;

/// Runs the dialer until `stop` says so, and then until no call is alive or `grace` is over. A panic is
/// reported to every active campaign, and the dialer starts again as after a crash.
pub async fn run(store: Store, carrier: Arc<dyn Carrier>, grace: TimeDelta, stop: watch::Receiver<bool>) {
    let who = Who {
        name: "dialer",
        worker: Some(Worker::Dialer),
        message: "The dialer failed and was restarted; calls that were alive were ended as interrupted",
    };
    lives::keep(&store, who, lives::stopped(&stop), || {
        live(store.clone(), carrier.clone(), grace, stop.clone())
    })
    .await;
}

/// Campaigns that were rehearsed must not ring real phones because the server was started with other settings, nor the
/// other way round: where another carrier placed the last call, all active campaigns are paused until a person says
/// that they go on. The answer is how many.
pub async fn pause_for_another_carrier(store: &Store, carrier: &'static str) -> Result<usize, StoreError> {
    let paused = store.write(move |tx| {
        let Some(last) = tx.last_carrier()?.filter(|last| last != carrier) else { return Ok(0) };
        tx.pause_for_another_carrier(&last, carrier)
    });
    paused.await
}

async fn live(
    store: Store,
    carrier: Arc<dyn Carrier>,
    grace: TimeDelta,
    stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    Dialer::start(store, carrier).await?.run(grace, stop).await;
    Ok(())
}
