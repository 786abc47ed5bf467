//! `GET /api/events`: tells listeners what changes while they look, as Server-Sent Events (HTML Living Standard,
//! section 9.2). What was committed is read again and compared with what was told last, and only what differs is told.
//!
//! ```text
//! store ── which rows changed ──► teller ── patches ──► ring ──► every listener, from where it is
//! ```
//!
//! One task reads for all listeners, at most a few times a second, however much happens. Nobody waits for a listener:
//! one that is slower than the ring is long is told to read everything again (`resync`).

use super::auth::{self, ReadScope};
use super::error::ApiError;
use super::openapi::parameters;
use super::query::{self, Query};
use super::{calls, campaigns, deliveries, imports, leads, stats};
use crate::domain::call::CallState;
use crate::domain::campaign::Status;
use crate::store::pool::Db;
use crate::store::{CampaignFilter, Change, Changed, Snapshot, Store, StoreError};
use chrono::TimeDelta;
use rocket::http::{ContentType, Header};
use rocket::request::{FromRequest, Outcome};
use rocket::response::stream::TextStream;
use rocket::response::{self, Responder, Response};
use rocket::{Request, Route, Shutdown, State, get, routes};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use utoipa::OpenApi;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![listen]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(listen))]
pub(super) struct Reference;

/// Patches are told no more often than this.
const GAP: TimeDelta = TimeDelta::milliseconds(200);
/// How often a listener's token is looked at, and what time alone changes.
const TICK: TimeDelta = TimeDelta::seconds(1);
/// A listener hears something at least once in so many ticks.
const TICKS_OF_SILENCE_MAX: u32 = 15;
/// What campaigns are doing changes with the time of day; it is looked at once in so many ticks.
const TICKS_PER_LOOK: u32 = 5;
/// So long after the last listener has gone, one that comes back can go on where it was.
const TICKS_KEPT: u32 = 60;
/// Patches kept for listeners that come back.
const RING_MAX: usize = 10_000;
const RING_BYTES_MAX: usize = 4 << 20;
/// Listeners at one time.
const LISTENERS_MAX: usize = 2_000;

/// What was told lately, and to whom it is told.
pub(super) struct Feed {
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
    listeners: AtomicUsize,
}

struct Ring {
    /// Numbers of another life mean nothing here.
    life: u32,
    newest: u64,
    patches: VecDeque<Arc<Patch>>,
    bytes: usize,
}

struct Patch {
    number: u64,
    campaign_id: Option<i64>,
    text: String,
}

impl Feed {
    /// One that nobody listens to.
    pub(super) fn new() -> Feed {
        let ring = Ring { life: rand::random(), newest: 0, patches: VecDeque::new(), bytes: 0 };
        Feed { ring: Mutex::new(ring), newest: watch::Sender::new(0), listeners: AtomicUsize::new(0) }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, told: Vec<Told>) {
        if told.is_empty() {
            return;
        }
        let mut ring = self.ring();
        for Told { name, campaign_id, data } in told {
            ring.newest += 1;
            let (life, number) = (ring.life, ring.newest);
            let text = format!("id: {life:08x}-{number}\nevent: {name}\ndata: {data}\n\n");
            ring.bytes += text.len();
            ring.patches.push_back(Arc::new(Patch { number, campaign_id, text }));
            while ring.patches.len() > RING_MAX || ring.bytes > RING_BYTES_MAX {
                let oldest = ring.patches.pop_front();
                ring.bytes -= oldest.map_or(0, |patch| patch.text.len());
            }
        }
        let newest = ring.newest;
        drop(ring);
        self.newest.send_replace(newest);
    }

    /// Forgets everything: whoever comes back reads everything again.
    fn forget(&self) {
        let mut ring = self.ring();
        (ring.life, ring.bytes) = (rand::random(), 0);
        ring.patches.clear();
    }

    /// The patches after `seen`; none when some of them are gone.
    fn after(&self, seen: u64) -> (Option<Vec<Arc<Patch>>>, u64) {
        let ring = self.ring();
        let is_whole = ring.patches.front().map_or(seen == ring.newest, |oldest| oldest.number <= seen + 1);
        let patches = || {
            let first = ring.patches.partition_point(|patch| patch.number <= seen);
            ring.patches.range(first..).cloned().collect()
        };
        (is_whole.then(patches), ring.newest)
    }

    /// Where a listener begins: after the patch it saw last, or with the next one.
    fn start(&self, last_seen: Option<&str>) -> (u64, &'static str, String) {
        let ring = self.ring();
        let here = |number: u64| format!("{:08x}-{number}", ring.life);
        let Some(last_seen) = last_seen else { return (ring.newest, "ready", here(ring.newest)) };
        let seen = last_seen.split_once('-').and_then(|(life, number)| {
            (u32::from_str_radix(life, 16).ok()? == ring.life).then(|| number.parse::<u64>().ok())?
        });
        let oldest = ring.patches.front().map_or(ring.newest + 1, |oldest| oldest.number);
        match seen {
            Some(seen) if seen <= ring.newest && seen + 1 >= oldest => (seen, "ready", here(seen)),
            _ => (ring.newest, "resync", here(ring.newest)),
        }
    }
}

/// Something to tell.
struct Told {
    name: &'static str,
    campaign_id: Option<i64>,
    data: Value,
}

impl Told {
    /// Listeners must read everything again.
    fn resync() -> Told {
        Told { name: "resync", campaign_id: None, data: json!({}) }
    }
}

/// What listeners know, so that they are told only what differs.
#[derive(Default)]
struct Memory {
    campaigns: HashMap<i64, Map<String, Value>>,
    stats: HashMap<i64, Map<String, Value>>,
    /// Of calls that are alive.
    calls: HashMap<i64, Map<String, Value>>,
}

/// Tells listeners what changes, until the shutdown.
pub(super) async fn run(store: Store, feed: Arc<Feed>, shutdown: Shutdown) -> Result<(), StoreError> {
    let clock = store.clock().clone();
    let mut memory = Memory::default();
    // Those who listen when a life begins have missed what the one before would have told.
    let (mut is_watching, mut ticks, mut ticks_alone) = (feed.has_listeners(), 0u32, 0);
    if is_watching {
        feed.tell(vec![Told::resync()]);
    }
    let mut next_tick = clock.steady() + TICK;
    loop {
        let mut with_time = false;
        tokio::select! {
            () = shutdown.clone() => break,
            () = store.changed(), if is_watching => {}
            () = clock.sleep_until(next_tick), if is_watching => {
                next_tick = clock.steady() + TICK;
                ticks = ticks.wrapping_add(1);
                with_time = ticks.is_multiple_of(TICKS_PER_LOOK);
                ticks_alone = if feed.has_listeners() { 0 } else { ticks_alone + 1 };
                if ticks_alone > TICKS_KEPT {
                    feed.forget();
                    store.watch_changes(false);
                    memory = Memory::default();
                    // Somebody may have come at this very moment, and missed what was forgotten just now.
                    is_watching = feed.has_listeners();
                    store.watch_changes(is_watching);
                    if is_watching {
                        feed.tell(vec![Told::resync()]);
                    }
                    continue;
                }
            }
            () = feed.somebody_comes(), if !is_watching => {
                (is_watching, ticks_alone, next_tick) = (true, 0, clock.steady() + TICK);
            }
        }
        let changed = store.take_changes();
        if changed == Changed::These(BTreeSet::new()) && !with_time {
            continue;
        }
        let told = store.read_long(move |snapshot| look(snapshot, changed, with_time, memory)).await;
        match told {
            Ok((told, known)) => {
                memory = known;
                feed.tell(told);
            }
            Err(error) => {
                tracing::warn!(%error, "what changed cannot be read; listeners are told to read everything again");
                memory = Memory::default();
                feed.tell(vec![Told::resync()]);
            }
        }
        tokio::select! {
            () = shutdown.clone() => break,
            () = clock.sleep_until(clock.steady() + GAP) => {}
        }
    }
    Ok(())
}

/// Reads what has changed, and says how it differs from what is known.
fn look(
    snapshot: &Snapshot,
    changed: Changed,
    with_time: bool,
    mut memory: Memory,
) -> Result<(Vec<Told>, Memory), StoreError> {
    let mut told = Vec::new();
    let mut changes = match changed {
        Changed::These(changes) => changes,
        Changed::TooMuch => {
            told.push(Told::resync());
            BTreeSet::new()
        }
    };
    if with_time {
        let active = CampaignFilter { status: Some(Status::Active), ..CampaignFilter::default() };
        changes.extend(snapshot.campaigns(&active)?.iter().map(|campaign| Change::Stats(campaign.id)));
    }
    for change in changes {
        told.extend(match change {
            Change::Campaign(id) => campaign_patch(snapshot, id, &mut memory)?,
            Change::Stats(id) => stats_patch(snapshot, id, &mut memory)?,
            Change::Leads(id) => {
                Some(Told { name: "leads", campaign_id: Some(id), data: json!({"campaign_id": id}) })
            }
            Change::Lead(id) => Some(lead_patch(snapshot, id)?),
            Change::Call(id) => call_patch(snapshot, id, &mut memory)?,
            Change::Import(id) => import_patch(snapshot, id)?,
            Change::Delivery(id) => delivery_patch(snapshot, id)?,
        });
    }
    Ok((told, memory))
}

fn campaign_patch(snapshot: &Snapshot, id: i64, memory: &mut Memory) -> Result<Option<Told>, StoreError> {
    let campaign_id = Some(id);
    let Some(campaign) = snapshot.campaign(id)? else {
        memory.campaigns.remove(&id);
        memory.stats.remove(&id);
        let data = json!({"id": id, "deleted": true});
        return Ok(Some(Told { name: "campaign", campaign_id, data }));
    };
    let patch = differing(object(&campaigns::View::of(&campaign)), memory.campaigns.entry(id).or_default());
    Ok(patch.map(|patch| Told { name: "campaign", campaign_id, data: named(json!({"id": id}), patch) }))
}

fn stats_patch(snapshot: &Snapshot, id: i64, memory: &mut Memory) -> Result<Option<Told>, StoreError> {
    let Some(campaign) = snapshot.campaign(id)? else { return Ok(None) };
    let view = object(&stats::view(snapshot, &campaign)?);
    let patch = differing(view, memory.stats.entry(id).or_default());
    let data = |patch| named(json!({"campaign_id": id}), patch);
    Ok(patch.map(|patch| Told { name: "stats", campaign_id: Some(id), data: data(patch) }))
}

fn lead_patch(snapshot: &Snapshot, id: i64) -> Result<Told, StoreError> {
    let Some(lead) = snapshot.lead(id)? else {
        return Ok(Told { name: "lead", campaign_id: None, data: json!({"id": id, "deleted": true}) });
    };
    let data = leads::progress(&lead);
    Ok(Told { name: "lead", campaign_id: Some(lead.campaign_id), data })
}

fn call_patch(snapshot: &Snapshot, id: i64, memory: &mut Memory) -> Result<Option<Told>, StoreError> {
    let Some(call) = snapshot.call(id)? else { return Ok(None) };
    let known = memory.calls.entry(id).or_default();
    let patch = differing(object(&calls::View::of(&call, &snapshot.names_of(&call)?)), known);
    if call.state == CallState::Ended {
        memory.calls.remove(&id);
    }
    let ids = json!({"id": id, "campaign_id": call.campaign_id, "lead_id": call.lead_id});
    let campaign_id = Some(call.campaign_id);
    Ok(patch.map(|patch| Told { name: "call", campaign_id, data: named(ids, patch) }))
}

fn import_patch(snapshot: &Snapshot, id: i64) -> Result<Option<Told>, StoreError> {
    let Some(import) = snapshot.import_by_id(id)? else { return Ok(None) };
    let data = imports::progress(&import);
    Ok(Some(Told { name: "import", campaign_id: Some(import.campaign_id), data }))
}

fn delivery_patch(snapshot: &Snapshot, id: i64) -> Result<Option<Told>, StoreError> {
    let Some(delivery) = snapshot.delivery(id)? else { return Ok(None) };
    let data = Value::Object(object(&deliveries::View::of(&delivery)));
    Ok(Some(Told { name: "delivery", campaign_id: delivery.campaign_id, data }))
}

fn object(view: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(view) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// What of `now` is not in `known`, which then becomes `now`; none when nothing is.
fn differing(now: Map<String, Value>, known: &mut Map<String, Value>) -> Option<Map<String, Value>> {
    let differs = |(name, value): &(&String, &Value)| known.get(*name) != Some(*value);
    let patch: Map<_, _> =
        now.iter().filter(differs).map(|(name, value)| (name.clone(), value.clone())).collect();
    *known = now;
    (!patch.is_empty()).then_some(patch)
}

/// A patch that says what it is about.
fn named(mut ids: Value, patch: Map<String, Value>) -> Value {
    if let Some(ids) = ids.as_object_mut() {
        ids.extend(patch);
    }
    ids
}

/// A place among the listeners, given back when it is dropped.
struct Place(Arc<Feed>);

impl Feed {
    fn enter(self: &Arc<Feed>) -> Option<Place> {
        let place = Place(self.clone());
        let before = self.listeners.fetch_add(1, Ordering::SeqCst);
        // Wakes whoever waits for somebody to come.
        self.newest.send_modify(|_| ());
        (before < LISTENERS_MAX).then_some(place)
    }

    fn has_listeners(&self) -> bool {
        self.listeners.load(Ordering::SeqCst) > 0
    }

    async fn somebody_comes(&self) {
        let mut changes = self.newest.subscribe();
        while !self.has_listeners() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.listeners.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The patch that a listener saw last, as its browser says when it comes back.
struct LastSeen(Option<String>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for LastSeen {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<LastSeen, Infallible> {
        Outcome::Success(LastSeen(request.headers().get_one("Last-Event-ID").map(str::to_owned)))
    }
}

/// A stream of events, with the headers that keep proxies from collecting it.
struct Events<S>(TextStream<S>);

impl<'r, S> Responder<'r, 'r> for Events<S>
where
    TextStream<S>: Responder<'r, 'r>,
{
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        let mut response = Response::build_from(self.0.respond_to(request)?);
        response.header(ContentType::EventStream).header(Header::new("X-Accel-Buffering", "no")).ok()
    }
}

/// Tells what changes, as it changes.
///
/// A stream of Server-Sent Events. `campaign`, `stats`, `call` and `lead` carry ids and only the fields that
/// differ from what was told before; `leads` says that many leads of a campaign changed, `import` how far an
/// import is, `delivery` what became of an event, `ready` that from here on everything is told, and `resync`
/// that everything must be read again.
#[utoipa::path(
    get,
    path = "/events",
    operation_id = "listen",
    params(parameters::OfCampaign, parameters::LastEventId),
    responses((status = 200, body = String, content_type = "text/event-stream", description = "The stream; it goes on until one side ends it."))
)]
#[get("/events")]
async fn listen(
    _caller: ReadScope,
    presented: auth::Presented,
    mut query: Query,
    last_seen: LastSeen,
    feed: &State<Arc<Feed>>,
    db: &Db,
    mut shutdown: Shutdown,
) -> Result<Events<impl rocket::futures::Stream<Item = String> + use<>>, ApiError> {
    let campaign_id = query.take("campaign_id", query::id);
    query.finish()?;
    let place = feed.enter().ok_or_else(|| ApiError::Unavailable { cause: "too many listeners".into() })?;
    let (store, feed) = ((**db).clone(), feed.inner().clone());
    // Before the listener hears that it will be told of everything.
    store.watch_changes(true);
    Ok(Events(TextStream! {
        let _place = place;
        let clock = store.clock().clone();
        let mut newest = feed.newest.subscribe();
        let (mut seen, name, id) = feed.start(last_seen.0.as_deref());
        yield format!("retry: 2000\nid: {id}\nevent: {name}\ndata: {{}}\n\n");
        let mut silent_ticks = 0;
        let mut next_tick = clock.steady() + TICK;
        loop {
            let (patches, last) = feed.after(seen);
            seen = last;
            let text = match patches {
                None => format!("id: {}\nevent: resync\ndata: {{}}\n\n", feed.start(None).2),
                Some(patches) => {
                    let is_wanted = |patch: &&Arc<Patch>| {
                        campaign_id.is_none() || patch.campaign_id.is_none() || patch.campaign_id == campaign_id
                    };
                    patches.iter().filter(is_wanted).map(|patch| patch.text.as_str()).collect()
                }
            };
            // A token that was revoked, or a session that has ended, hears nothing more.
            if !presented.is_in_force(&store) {
                yield format!("event: end\ndata: {}\n\n", json!({"reason": presented.end()}));
                break;
            }
            if !text.is_empty() {
                silent_ticks = 0;
                yield text;
            }
            tokio::select! {
                () = &mut shutdown => break,
                changed = newest.changed() => if changed.is_err() { break },
                () = clock.sleep_until(next_tick) => {
                    next_tick = clock.steady() + TICK;
                    silent_ticks += 1;
                    if silent_ticks >= TICKS_OF_SILENCE_MAX {
                        silent_ticks = 0;
                        yield ":\n\n".to_owned();
                    }
                }
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(number: usize) -> Vec<Told> {
        vec![Told { name: "lead", campaign_id: None, data: json!({"id": number}) }]
    }

    #[test]
    fn a_listener_goes_on_where_it_was_unless_that_is_gone_or_of_another_life() {
        let feed = Feed::new();
        let (_, name, first) = feed.start(None);
        assert_eq!(name, "ready");
        (0..5).for_each(|number| feed.tell(told(number)));
        let (seen, name, _) = feed.start(Some(&first));
        assert_eq!((seen, name, feed.after(seen).0.map(|patches| patches.len())), (0, "ready", Some(5)));
        (0..RING_MAX).for_each(|number| feed.tell(told(number)));
        assert_eq!(feed.start(Some(&first)).1, "resync");
        assert!(feed.after(seen).0.is_none());
        for foreign in ["", "7", "zz-1", "00000000-1x", &Feed::new().start(None).2] {
            assert_eq!(feed.start(Some(foreign)).1, "resync", "{foreign}");
        }
        feed.forget();
        assert_eq!(feed.start(Some(&first)).1, "resync");
        let (seen, name, _) = feed.start(None);
        assert_eq!((name, feed.after(seen).0.map(|patches| patches.len())), ("ready", Some(0)));
    }

    #[test]
    fn what_is_kept_is_bounded_in_number_and_bytes() {
        let feed = Feed::new();
        for _ in 0..50 {
            let data = json!({"text": "x".repeat(1 << 20)});
            feed.tell(vec![Told { name: "campaign", campaign_id: Some(1), data }]);
        }
        let ring = feed.ring();
        let bytes: usize = ring.patches.iter().map(|patch| patch.text.len()).sum();
        assert!(bytes <= RING_BYTES_MAX && bytes == ring.bytes);
    }

    #[test]
    fn only_what_differs_is_told() {
        let mut known = Map::new();
        let now = |status: &str| object(&json!({"id": 1, "status": status, "tags": []}));
        assert_eq!(differing(now("draft"), &mut known), Some(now("draft")));
        assert_eq!(differing(now("draft"), &mut known), None);
        assert_eq!(differing(now("active"), &mut known), Some(object(&json!({"status": "active"}))));
    }
}
