//! Picking the next leads and claiming them, by turns of the dialer itself, out of a million and out of a thousand.

use crate::import::{LEADS, prepared, write_table};
use crate::support::{Bar, Shelf, example, folder, median, report};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use voice_campaigns::carrier::{Capacity, Carrier, DialRequest, Leg, LegEvents};
use voice_campaigns::clock::{Clock, Manual, System};
use voice_campaigns::dialer::Dialer;
use voice_campaigns::domain::call::LegEvent;
use voice_campaigns::domain::campaign::Request;
use voice_campaigns::domain::guard::Guard;
use voice_campaigns::domain::lead::NewLead;
use voice_campaigns::domain::outcome::Cause;
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::store::Store;
use voice_campaigns::store::import::{ImportOptions, import};

const FEW: u64 = 1_000;
const ROUNDS: usize = 9;
/// Commits of a round, and calls claimed in each.
const BATCHES: [(usize, usize); 2] = [(100, 1), (6, 50)];

pub(crate) fn run(shelf: &mut Shelf) -> bool {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let few = small(&runtime);
    let mut sides = [World::new(&runtime, few.path()), World::new(&runtime, &shelf.million())];
    let mut costs: [[Vec<f64>; 2]; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (world, costs) in sides.iter_mut().zip(&mut costs) {
            for ((commits, size), costs) in BATCHES.iter().zip(costs) {
                costs.push(runtime.block_on(world.claim(*commits, *size)));
            }
        }
    }
    let [few, many] = costs;
    let mut is_fine = true;
    for ((few, many), (_, size)) in few.into_iter().zip(many).zip(BATCHES) {
        let (few, many) = (median(few), median(many));
        is_fine &= report(
            &format!("pick and claim, {size} per commit"),
            &format!("{many:.1} us of {LEADS}"),
            &format!("{few:.1} us of {FEW}"),
            many / few,
            Bar::AtMost(1.5),
            "a turn of the dialer, per call claimed",
        );
    }
    is_fine
}

/// A data folder whose campaign has a thousand leads.
pub(crate) fn small(runtime: &Runtime) -> TempDir {
    let (folder, tables) = (prepared(), folder());
    let table = tables.path().join("leads.csv");
    write_table(&table, FEW);
    runtime.block_on(async {
        let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
        let options = ImportOptions::default();
        import(&store, 1, &table, options, "bench").await.unwrap();
        store.close().await;
    });
    folder
}

/// A carrier that takes calls and says nothing until it is told to end them.
#[derive(Default)]
struct Silent {
    channels: AtomicUsize,
    alive: Mutex<Vec<LegEvents>>,
}

impl Carrier for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }

    fn capacity(&self) -> Capacity {
        Capacity { channels: self.channels.load(Ordering::Relaxed), calls_per_second: None, next_at: None }
    }

    fn dial(&self, _: DialRequest, events: LegEvents) -> Leg {
        self.alive.lock().unwrap().push(events);
        Leg::new(|_| ())
    }
}

/// A store with its dialer, at a time that stands still while it is measured.
pub(crate) struct World {
    pub(crate) clock: Manual,
    pub(crate) store: Store,
    carrier: Arc<Silent>,
    dialer: Dialer,
    draft: i64,
    rings: u64,
}

impl World {
    pub(crate) fn new(runtime: &Runtime, folder: &Path) -> World {
        let clock = Manual::new(System::new().now() + chrono::TimeDelta::minutes(1));
        let store = Store::open(folder, Arc::new(clock.clone())).unwrap();
        // The few are dialed again and again.
        store.set_guard(Guard { calls_per_number_per_day: u32::MAX, ..Guard::default() });
        let carrier = Arc::new(Silent::default());
        let request = Request::read(example(), None).unwrap();
        let made = store.write(move |tx| tx.insert_campaign(&request, "bench"));
        let draft = runtime.block_on(made).unwrap().id;
        let dialer = runtime.block_on(Dialer::start(store.clone(), carrier.clone())).unwrap();
        World { clock, store, carrier, dialer, draft, rings: 0 }
    }

    /// Microseconds per call, of so many commits that claim so many calls each.
    pub(crate) async fn claim(&mut self, commits: usize, size: usize) -> f64 {
        let mut took = Vec::new();
        for _ in 0..commits {
            self.wake().await;
            self.carrier.channels.store(self.dialer.live_calls() + size, Ordering::Relaxed);
            let started = Instant::now();
            let turn = self.dialer.turn().await.unwrap();
            took.push(started.elapsed());
            assert_eq!(turn.did, size);
        }
        self.end_all().await;
        took.sort_unstable();
        let middle: Duration = took[took.len() / 4..took.len() - took.len() / 4].iter().sum();
        let counted = took.len() - took.len() / 4 * 2;
        middle.as_secs_f64() * 1e6 / (counted * size) as f64
    }

    /// A lead that is added anywhere makes the dialer look.
    async fn wake(&mut self) {
        self.rings += 1;
        let (draft, lead) =
            (self.draft, NewLead::bare(Phone::from_digits(12_020_000_000 + self.rings).unwrap()));
        self.store.write(move |tx| tx.insert_leads(draft, &[lead])).await.unwrap();
    }

    /// Everybody is busy and is due again when the clock has moved on.
    async fn end_all(&mut self) {
        self.carrier.channels.store(0, Ordering::Relaxed);
        for leg in self.carrier.alive.lock().unwrap().drain(..) {
            leg.report(self.clock.steady(), LegEvent::Ended(Cause::Busy, None));
        }
        self.dialer.turn().await.unwrap();
        assert_eq!(self.dialer.live_calls(), 0);
        self.clock.advance(chrono::TimeDelta::minutes(61));
        self.dialer.turn().await.unwrap();
    }
}
