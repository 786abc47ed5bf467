//! Whatever works by itself and panics: it lives again within a second, campaigns hear of it, and until then the server
//! is not ready. What the dialer does with its calls is in `dialer.rs`.

use crate::dialer::events;
use crate::support::world::{MONDAY_NOON, World};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use voice_campaigns::domain::delivery::Reply;
use voice_campaigns::domain::endpoint::EndpointRequest;
use voice_campaigns::lives::{Who, keep};
use voice_campaigns::store::{StoreError, Worker};
use voice_campaigns::webhooks::{self, Client, Post, Replying};

async fn settle() {
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

async fn codes(world: &World) -> Vec<Value> {
    let events = events(world).await.into_iter().filter(|(kind, _)| kind == "campaign.error");
    events.map(|(_, data)| data["code"].clone()).collect()
}

#[tokio::test]
async fn a_life_that_panics_is_followed_by_the_next_within_a_second_and_told_once() {
    let world = World::new(MONDAY_NOON).await;
    world.campaign(json!({})).await;
    let lives = Arc::new(AtomicUsize::new(0));
    for worker in [Worker::Dialer, Worker::Webhooks, Worker::Housekeeping] {
        let before = codes(&world).await.len();
        lives.store(0, Ordering::SeqCst);
        let (store, counted) = (world.store.clone(), lives.clone());
        let kept = tokio::spawn(async move {
            let who = Who { name: "tested", worker: Some(worker), message: "It failed" };
            keep(&store, who, std::future::pending(), || {
                let (nth, store) = (counted.fetch_add(1, Ordering::SeqCst), store.clone());
                async move {
                    store.beat(worker);
                    // The first two fail at once; the third goes on.
                    assert!(nth >= 2, "life {nth} panics");
                    std::future::pending::<Result<(), StoreError>>().await
                }
            })
            .await;
        });
        settle().await;
        assert!(world.store.is_fallen(worker), "{worker:?}");
        world.clock.advance(TimeDelta::milliseconds(250));
        settle().await;
        assert_eq!(lives.load(Ordering::SeqCst), 2);
        assert!(world.store.is_fallen(worker), "{worker:?}");
        world.clock.advance(TimeDelta::milliseconds(500));
        settle().await;
        assert_eq!(lives.load(Ordering::SeqCst), 3);
        assert!(!world.store.is_fallen(worker) && world.store.since_beat(worker).is_some());
        assert_eq!(codes(&world).await.len(), before + 1, "{worker:?}");
        kept.abort();
    }
}

/// Panics at its first request, and takes those that follow.
struct Panicking(AtomicUsize);

impl Client for Panicking {
    fn post(&self, _: Post) -> Replying {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "the first request panics");
        Box::pin(async { Reply::Answered { status: 200, retry_after: None, excerpt: String::new() } })
    }
}

#[tokio::test]
async fn an_event_whose_delivery_panicked_is_delivered_by_the_next_life() {
    let world = World::new(MONDAY_NOON).await;
    let endpoint = json!({"url": "https://receiver.example/"});
    world.write(move |tx| tx.insert_endpoint(&EndpointRequest::read(endpoint, None).unwrap())).await;
    world.campaign(json!({})).await;
    let client = Arc::new(Panicking(AtomicUsize::new(0)));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let delivering = tokio::spawn(webhooks::run(world.store.clone(), client.clone(), stopped));
    for _ in 0..100 {
        world.clock.advance(TimeDelta::milliseconds(10));
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    assert!(client.0.load(Ordering::SeqCst) >= 2, "it did not live again");
    assert_eq!(codes(&world).await, [json!("webhooks_restarted")]);
    stop.send_replace(true);
    world.clock.advance(TimeDelta::seconds(10));
    delivering.await.unwrap();
}
