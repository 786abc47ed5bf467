//! Rehearsals that were asked for, one after the other, each in a thread of its own that gives way to everything else.

use super::Aside;
use super::copy::{Copy, CopyError};
use super::play::{Stopped, play};
use crate::carrier::Carrier;
use crate::domain::Instant;
use crate::domain::campaign::Campaign;
use crate::domain::rates::{Observations, Rates};
use crate::domain::rehearsal::{Played, Rehearsal, Trunk, Wish};
use crate::domain::script_lint::{self, Occasion, Sample};
use crate::lives::{self, Who};
use crate::store::{Snapshot, Store, StoreError};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::sync::watch;

/// How often to write down how far the one that is played has come.
const EVERY: TimeDelta = TimeDelta::milliseconds(500);

/// Plays what is asked for until `stop` says so. A panic costs the rehearsal it happened in.
pub async fn run(store: Store, carrier: Arc<dyn Carrier>, stop: watch::Receiver<bool>) {
    let who = Who {
        name: "rehearsal",
        worker: None,
        message: "A rehearsal failed because of a fault of the server; ask for it again. Calls go on",
    };
    let live = || live(store.clone(), carrier.clone(), stop.clone());
    lives::keep(&store, who, lives::stopped(&stop), live).await;
}

async fn live(
    store: Store,
    carrier: Arc<dyn Carrier>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    store.write(|tx| tx.fail_lost_rehearsals()).await?;
    while !*stop.borrow_and_update() {
        if !turn(&store, &*carrier, &stop).await? {
            tokio::select! {
                () = store.rehearsal_change() => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
    }
    Ok(())
}

/// Plays the rehearsal whose turn it is; false when none waits.
pub async fn turn(
    store: &Store,
    carrier: &dyn Carrier,
    stop: &watch::Receiver<bool>,
) -> Result<bool, StoreError> {
    let wanted = store.read(|snapshot| snapshot.next_rehearsal()).await?;
    match wanted {
        Some(wanted) => take(store, carrier, wanted, stop).await.map(|()| true),
        None => Ok(false),
    }
}

/// What a rehearsal is played on.
struct Stage {
    copy: Copy,
    rates: Rates,
    start: Instant,
    seed: u64,
    observations: Observations,
    is_stopped: bool,
}

/// Plays one, and writes down what comes of it.
async fn take(
    store: &Store,
    carrier: &dyn Carrier,
    wanted: Rehearsal,
    stop: &watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let id = wanted.id;
    if !store.write(move |tx| tx.begin_rehearsal(id)).await? {
        return Ok(());
    }
    let clock = store.clock().clone();
    let began = clock.monotonic();
    let capacity = carrier.capacity();
    let present = Trunk { lines: capacity.channels.max(1), calls_per_second: capacity.calls_per_second };
    let staged = store.read_long(move |snapshot| Ok::<_, StoreError>(stage(snapshot, &wanted, present)));
    let stage = match staged.await? {
        Ok(stage) => stage,
        Err(problem) => return store.write(move |tx| tx.end_rehearsal(id, Err(&problem))).await,
    };
    let (is_unwanted, share) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (thread_unwanted, thread_share) = (is_unwanted.clone(), share.clone());
    let mut is_done = Aside::new("rehearsal", true).run(move || {
        let told = |part: f64| thread_share.store((part * 1_000.0) as u32, Ordering::Relaxed);
        let Stage { copy, rates, start, seed, .. } = &stage;
        let played = play(copy, rates, *start, *seed, &thread_unwanted, &told);
        played.map(|played| (played, stage))
    })?;
    let played = loop {
        tokio::select! {
            played = &mut is_done => break played,
            () = clock.sleep_until(clock.steady() + EVERY) => {}
            // Perhaps it is not wanted any more.
            () = store.rehearsal_change() => {}
        }
        let progress = f64::from(share.load(Ordering::Relaxed)) / 1_000.0;
        let is_wanted = store.write(move |tx| tx.rehearsal_progress(id, progress)).await?;
        if !is_wanted || *stop.borrow() {
            is_unwanted.store(true, Ordering::Relaxed);
        }
    };
    let took = clock.monotonic().saturating_sub(began);
    let result = match played {
        Ok(Ok((played, stage))) => Ok(result(&played, &stage, took.as_millis())),
        Ok(Err(Stopped::Canceled)) => {
            Err("The server stopped while it was played; ask for it again".to_owned())
        }
        Ok(Err(Stopped::Failed(problem))) => {
            Err(format!("It failed because of a fault of the server: {problem}"))
        }
        Err(_) => Err("It failed because of a fault of the server; see its log".to_owned()),
    };
    store.write(move |tx| tx.end_rehearsal(id, result.as_ref().map_err(String::as_str))).await
}

/// Makes the copy; the error is a sentence.
fn stage(snapshot: &Snapshot, wanted: &Rehearsal, present: Trunk) -> Result<Stage, String> {
    let failed = |error: StoreError| error.to_string();
    let campaign = snapshot.campaign(wanted.campaign_id).map_err(failed)?;
    let campaign = campaign.ok_or("The campaign was deleted before it was played")?;
    let invalid =
        |_| "The campaign was changed, and what was asked for no longer fits it; ask for it again".to_owned();
    let wish = Wish::read(wanted.settings.clone(), &campaign.settings).map_err(invalid)?;
    let settings = wish.settings(&campaign.settings).map_err(invalid)?;
    let has_changes = settings != campaign.settings;
    let has_stale_holds = campaign.has_stale_holds || has_changes;
    let campaign = Campaign { settings, has_stale_holds, ..campaign };
    let learned = snapshot.learned(&campaign).map_err(failed)?;
    let mut rates = learned.likely();
    wish.assume(&mut rates);
    let copy =
        Copy::of(snapshot, campaign, wish.trunk(present)).map_err(|error: CopyError| error.to_string())?;
    let copy = match wish.leads_assumed {
        Some(count) => copy.with_assumed_leads(count),
        None => copy,
    };
    Ok(Stage {
        copy,
        rates,
        start: wish.start_at.map_or(snapshot.now, |at| at.max(snapshot.now)),
        seed: wish.seed.unwrap_or(1),
        observations: learned.observations(),
        is_stopped: snapshot.stop().map_err(failed)?.is_some(),
    })
}

/// What is told of one that was played to its end.
fn result(played: &Played, stage: &Stage, took_ms: u128) -> Value {
    let Stage { copy, rates, start: _, seed, observations, is_stopped } = stage;
    let mut result = json!(played);
    let settings = &copy.campaign().settings;
    let lint = script_lint::lint(settings, &Sample::default(), Occasion::Saved);
    let mut warnings: Vec<Value> = lint
        .into_iter()
        .map(|warning| json!({"code": warning.code, "field": warning.field, "message": warning.message}))
        .collect();
    let mut warn = |code: &str, message: &str| {
        warnings.push(json!({"code": code, "field": null, "message": message}));
    };
    if copy.is_alone() {
        warn(
            "others_left_out",
            "Other campaigns dial as well and are too large to be played along; expect it to take longer",
        );
    }
    if copy.lacks_agent() {
        warn(
            "agent_missing",
            "An agent is to talk on the calls and none is set up; this is played as if one were there for every call",
        );
    }
    if *is_stopped {
        warn("dialing_stopped", "All dialing of the server is stopped now; this is played as if it were not");
    }
    let by_hour: Vec<f64> = rates.by_hour().iter().map(|rate| (rate * 1e3).round() / 1e3).collect();
    result["warnings"] = warnings.into();
    result["assumed"] = json!({
        "seed": seed,
        "answer_rates": by_hour,
        "talk_seconds": (rates.talk_seconds() * 10.0).round() / 10.0,
        "observations": observations,
        "trunk": copy.trunk(),
        "leads": copy.leads(),
    });
    result["took_ms"] = json!(u64::try_from(took_ms).unwrap_or(u64::MAX));
    result
}
