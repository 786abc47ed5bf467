//! Webhooks: turns deliveries that are due into signed requests, and what comes back into facts. Called by nobody: a
//! commit that leaves something to deliver wakes it.
//!
//! A delivery is tried at least once: a crash between the request and the commit that tells of it makes the next life
//! try again, under the same id.

mod client;
mod engine;
mod signature;

pub use client::{Addresses, Lookup, SystemLookup, WebClient};
pub use engine::{Deliverer, Turn};
pub use signature::{Signed, sign};

use crate::domain::delivery::Reply;
use crate::lives::{self, Who};
use crate::store::{Store, StoreError, Worker};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;

/// One request to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// `webhook-id`.
    pub message_id: String,
    /// `webhook-timestamp`.
    pub timestamp: i64,
    /// `webhook-signature`.
    pub signature: String,
    /// The body.
    pub body: String,
}

/// What comes back, in time.
pub type Replying = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Whoever makes requests.
pub trait Client: Send + Sync {
    /// Makes one. Cannot fail otherwise than with a reply that says so.
    fn post(&self, post: Post) -> Replying;
}

/// Delivers until `stop` says so. A panic costs the tries that were under way, which are made again.
pub async fn run(store: Store, client: Arc<dyn Client>, stop: watch::Receiver<bool>) {
    let who = Who {
        name: "webhooks",
        worker: Some(Worker::Webhooks),
        message: "The delivery of events failed and was restarted; what was under way is sent again",
    };
    lives::keep(&store, who, lives::stopped(&stop), || live(store.clone(), client.clone(), stop.clone()))
        .await;
}

async fn live(store: Store, client: Arc<dyn Client>, stop: watch::Receiver<bool>) -> Result<(), StoreError> {
    Deliverer::new(store, client).run(stop).await;
    Ok(())
}
