//! Keeps what works by itself alive: a life that panics or fails is followed by the next one, at once when it was a long
//! one, and later and later when each fails soon. Meanwhile the server says that it is not ready.

use crate::domain::event::Event;
use crate::store::{Store, StoreError, Worker};
use chrono::TimeDelta;
use std::pin::pin;
use tokio::sync::watch;

/// Who lives.
#[derive(Clone, Copy, Debug)]
pub struct Who {
    /// The name in the log, and in the code of the event.
    pub name: &'static str,
    /// Under which name the server is not ready meanwhile; none where calls and events do not depend on it.
    pub worker: Option<Worker>,
    /// What campaigns are told after a panic.
    pub message: &'static str,
}

/// The pauses before the next life: doubled each time one fails soon.
const PAUSE_MIN: TimeDelta = TimeDelta::milliseconds(250);
const PAUSE_MAX: TimeDelta = TimeDelta::minutes(1);

/// Ends when a stop is said, or nobody is left to say so.
pub fn stopped(stop: &watch::Receiver<bool>) -> impl Future<Output = ()> + use<> {
    let mut stop = stop.clone();
    async move { drop(stop.wait_for(|stop| *stop).await) }
}

/// Begins one life after the other until one ends well, or until `stop` ends between two. Of lives that panic one soon
/// after the other only the first is told to the campaigns.
pub async fn keep<L>(store: &Store, who: Who, stop: impl Future<Output = ()>, mut live: impl FnMut() -> L)
where
    L: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    let clock = store.clock().clone();
    let (mut stop, mut pause) = (pin!(stop), PAUSE_MIN);
    loop {
        let started = clock.steady();
        let ended = tokio::spawn(live()).await;
        // A fault that comes back at once must burn neither leads nor the log.
        if clock.steady() - started > PAUSE_MAX {
            pause = PAUSE_MIN;
        }
        match ended {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::error!(%error, "the {} failed; it starts again", who.name),
            Err(panic) => {
                tracing::error!(%panic, "the {} panicked; it starts again", who.name);
                if pause == PAUSE_MIN {
                    report(store, who).await;
                }
            }
        }
        if let Some(worker) = who.worker {
            store.fell(worker);
        }
        tokio::select! {
            () = clock.sleep_until(clock.steady() + pause) => {}
            () = &mut stop => return,
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Tells every active campaign that something needs a person.
async fn report(store: &Store, who: Who) {
    let told = store.write(move |tx| {
        let action = "Look at the server's log; nothing else is needed if calls go on";
        let (code, key) = (format!("{}_restarted", who.name), tx.now.timestamp_millis().to_string());
        for campaign in tx.active_campaigns()? {
            tx.emit_once(campaign.id, &Event::error(&campaign, &code, who.message, action, &key))?;
        }
        Ok::<(), StoreError>(())
    });
    if let Err(error) = told.await {
        tracing::error!(%error, "the restart of the {} could not be written down", who.name);
    }
}
