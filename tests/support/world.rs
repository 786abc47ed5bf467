//! A world of its own for each test of the dialer: a store, a clock that is moved by hand, the simulator and its
//! ledger. Days of calling pass in milliseconds, in the same order every time.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use voice_campaigns::carrier::simulator::{Fates, Settings, Simulator};
use voice_campaigns::carrier::{Capacity, Carrier};
use voice_campaigns::clock::{Clock, Manual};
use voice_campaigns::dialer::{Dialer, Turn};
use voice_campaigns::domain::call::Call;
use voice_campaigns::domain::campaign::{Campaign, Request, Status};
use voice_campaigns::domain::do_not_call::Source;
use voice_campaigns::domain::guard::Guard;
use voice_campaigns::domain::lead::{Lead, NewLead};
use voice_campaigns::store::{CallFilter, LeadFilter, Store, StoreError, Suppression, check};

/// Everything one test needs.
pub(crate) struct World {
    pub(crate) clock: Manual,
    pub(crate) store: Store,
    pub(crate) simulator: Simulator,
    pub(crate) folder: tempfile::TempDir,
    carrier: Arc<dyn Carrier>,
    dialer: Option<Dialer>,
    settings: Settings,
    guard: Guard,
}

/// Limits that no test meets by accident.
pub(crate) fn lenient() -> Guard {
    Guard { calls_per_number_per_day: 1_000_000, ..Guard::default() }
}

/// A Monday, noon in London.
pub(crate) const MONDAY_NOON: &str = "2026-03-02T12:00:00Z";

/// Why a test puts a number onto the do-not-call list.
pub(crate) fn suppression(reason: &str) -> Suppression {
    Suppression { reason: reason.into(), source: Source::Operator, call_id: None, by: "test".into() }
}

/// An instant.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A folder in memory, where there is some that looks like a disk: for tests about order, not about disks.
pub(crate) fn folder_in_memory() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

impl World {
    /// A world at this instant, with the simulator as it comes.
    pub(crate) async fn new(start: &str) -> World {
        World::with(start, Settings::default()).await
    }

    /// A world where somebody else decides what becomes of every call. Its simulator keeps no ledger.
    pub(crate) async fn fated(start: DateTime<Utc>, fates: Arc<dyn Fates>, capacity: Capacity) -> World {
        let mut world = World::new(&start.to_rfc3339()).await;
        world.simulator = Simulator::fated(fates, capacity, Arc::new(world.clock.clone()));
        world.use_carrier(Arc::new(world.simulator.clone())).await;
        world
    }

    /// A world whose simulator is set so.
    pub(crate) async fn with(start: &str, settings: Settings) -> World {
        let folder = folder_in_memory();
        let clock = Manual::new(at(start));
        let store = Store::open(folder.path(), Arc::new(clock.clone())).unwrap();
        let guard = lenient();
        store.set_guard(guard.clone());
        let simulator = World::simulator(&folder, &clock, &settings);
        let carrier: Arc<dyn Carrier> = Arc::new(simulator.clone());
        let dialer = Dialer::start(store.clone(), carrier.clone()).await.unwrap();
        World { clock, store, simulator, folder, carrier, dialer: Some(dialer), settings, guard }
    }

    fn simulator(folder: &tempfile::TempDir, clock: &Manual, settings: &Settings) -> Simulator {
        let ledger = folder.path().join("ledger.jsonl");
        Simulator::new(settings.clone(), Arc::new(clock.clone()), Some(&ledger)).unwrap()
    }

    /// The simulator's witness.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger.jsonl")
    }

    /// Puts another carrier in the simulator's place and restarts the dialer on it.
    pub(crate) async fn use_carrier(&mut self, carrier: Arc<dyn Carrier>) {
        self.dialer = None;
        self.carrier = carrier;
        self.dialer = Some(Dialer::start(self.store.clone(), self.carrier.clone()).await.unwrap());
    }

    /// Stops everything as if the power had gone, and starts it again on the same data.
    pub(crate) async fn restart(&mut self) {
        // What dies with the process: the dialer, the legs, everybody the simulator was talking to. Their hang-ups
        // reach only this simulator, which nobody drives any more.
        self.dialer = None;
        self.store.close().await;
        // Beside, because the lock goes only with the last reference to the old store.
        self.store = Store::open_beside(self.folder.path(), Arc::new(self.clock.clone())).unwrap();
        self.store.set_guard(self.guard.clone());
        self.simulator = World::simulator(&self.folder, &self.clock, &self.settings);
        self.carrier = Arc::new(self.simulator.clone());
        self.dialer = Some(Dialer::start(self.store.clone(), self.carrier.clone()).await.unwrap());
    }

    /// Puts limits into force, also after a restart.
    pub(crate) fn set_guard(&mut self, guard: Guard) {
        self.store.set_guard(guard.clone());
        self.guard = guard;
    }

    /// Makes a campaign that could call all day, with some fields set otherwise.
    pub(crate) async fn campaign(&self, changes: Value) -> Campaign {
        let mut body = json!({
            "name": "Survey", "status": "active", "calls_per_day": 1_000_000,
            "calling_hours_start": "00:00:00", "calling_hours_end": "23:59:59",
            "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
            "system_prompt": "Be kind", "script_template": "Hello, this is a survey call.",
            "max_concurrent_calls": 50,
        });
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        let request = Request::read(body, None).unwrap();
        self.write(move |tx| tx.insert_campaign(&request, "test")).await
    }

    /// Adds leads with these numbers.
    pub(crate) async fn leads(&self, campaign: &Campaign, phones: impl IntoIterator<Item = String>) {
        let leads = phones.into_iter().map(|phone| json!({"phone": phone})).collect();
        self.add(campaign, leads).await;
    }

    /// Adds leads written as the API takes them.
    pub(crate) async fn add(&self, campaign: &Campaign, leads: Vec<Value>) {
        let leads: Vec<NewLead> = leads.into_iter().map(|lead| NewLead::read(lead, None).unwrap()).collect();
        let id = campaign.id;
        self.write(move |tx| tx.insert_leads(id, &leads)).await;
    }

    /// Changes a campaign as a PUT would; answers when no dial is on its way.
    pub(crate) async fn edit(&self, campaign: &Campaign, changes: Value) -> Campaign {
        let id = campaign.id;
        self.store
            .write_and_wait_for_dials(move |tx| {
                let before = tx.campaign(id)?.unwrap();
                let request = Request::read(changes, Some(&before.settings)).unwrap();
                Ok::<_, StoreError>(tx.update_campaign(&before, &request, "test")?.unwrap())
            })
            .await
            .unwrap()
    }

    /// Changes the status.
    pub(crate) async fn set_status(&self, campaign: &Campaign, status: Status) -> Campaign {
        self.edit(campaign, json!({"status": status.to_string()})).await
    }

    /// One transaction.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&voice_campaigns::store::Tx) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.store.write(job).await.unwrap()
    }

    /// Lets everything happen that is due now; the answer is the steady time at which something is due next.
    pub(crate) async fn settle_down(&mut self) -> Option<DateTime<Utc>> {
        loop {
            let from_carrier = self.simulator.turn();
            let turn = self.dialer.as_mut().unwrap().turn().await.unwrap();
            let from_carrier = self.simulator.turn().or(from_carrier);
            let next = [from_carrier, turn.next_due].into_iter().flatten().min();
            if turn.did == 0 && next.is_none_or(|next| next > self.clock.steady()) {
                return next;
            }
        }
    }

    /// Lets time pass until this steady time, event by event.
    pub(crate) async fn run_until(&mut self, end: DateTime<Utc>) {
        loop {
            let next = self.settle_down().await;
            match next {
                Some(next) if next <= end => self.clock.advance_to(next),
                _ => break,
            }
        }
        self.clock.advance_to(end);
        self.settle_down().await;
    }

    /// Lets so much time pass.
    pub(crate) async fn run_for(&mut self, time: TimeDelta) {
        self.run_until(self.clock.steady() + time).await;
    }

    /// Lets the carrier go on for so long without the dialer, which then tries to take it all in at once.
    pub(crate) async fn run_carrier_alone(&mut self, time: TimeDelta) -> Result<(), StoreError> {
        let end = self.clock.steady() + time;
        while let Some(due) = self.simulator.turn().filter(|due| *due <= end) {
            self.clock.advance_to(due);
        }
        self.clock.advance_to(end);
        self.dialer.as_mut().unwrap().turn().await.map(drop)
    }

    /// Stops the dialer gracefully, as a signal would, while time passes.
    pub(crate) async fn stop(&mut self, grace: TimeDelta) {
        let (_signal, stopped) = tokio::sync::watch::channel(true);
        let mut stopping = tokio::spawn(self.dialer.take().unwrap().run(grace, stopped));
        loop {
            let due = self.simulator.turn();
            let soon = self.clock.steady() + TimeDelta::milliseconds(100);
            tokio::select! {
                ended = &mut stopping => return ended.unwrap(),
                () = tokio::time::sleep(std::time::Duration::from_micros(200)) => {}
            }
            self.clock.advance_to(due.map_or(soon, |due| due.min(soon)));
        }
    }

    /// A campaign as it is now.
    pub(crate) async fn now(&self, campaign: &Campaign) -> Campaign {
        let id = campaign.id;
        self.store.read(move |s| s.campaign_even_deleted(id)).await.unwrap().unwrap()
    }

    /// All calls of a campaign, oldest first.
    pub(crate) async fn calls(&self, campaign: &Campaign) -> Vec<Call> {
        let filter = CallFilter { campaign_id: Some(campaign.id), limit: 1_000_000, ..CallFilter::default() };
        let mut calls = self.store.read(move |s| s.calls(&filter)).await.unwrap();
        calls.reverse();
        calls
    }

    /// All leads of a campaign.
    pub(crate) async fn all_leads(&self, campaign: &Campaign) -> Vec<Lead> {
        let filter = LeadFilter { campaign_id: campaign.id, limit: 1_000_000, ..LeadFilter::default() };
        self.store.read(move |s| s.leads(&filter)).await.unwrap()
    }

    /// How many calls ended with each outcome.
    pub(crate) async fn outcomes(&self, campaign: &Campaign) -> BTreeMap<String, i64> {
        let id = campaign.id;
        let counts = self.store.read(move |s| s.outcome_counts(id)).await.unwrap();
        counts.into_iter().map(|(outcome, count)| (outcome.to_string(), count)).collect()
    }

    /// One turn of the dialer.
    pub(crate) async fn turn(&mut self) -> Result<Turn, StoreError> {
        self.dialer.as_mut().unwrap().turn().await
    }

    /// The dialer itself, for a test that lets it run elsewhere.
    pub(crate) fn take_dialer(&mut self) -> Dialer {
        self.dialer.take().unwrap()
    }

    /// Fails the test if an invariant is broken that does not need the simulator's ledger.
    pub(crate) async fn check_but_ledger(&self) {
        let findings = check::run(&self.store, None).await.unwrap();
        let broken: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }

    /// Fails the test if an invariant is broken.
    pub(crate) async fn check(&self) {
        let findings = check::run(&self.store, Some(&self.ledger())).await.unwrap();
        let broken: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }

    /// The present instant.
    pub(crate) fn time(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

/// Ordinary numbers without a fixed story: `+1 202 600 …`.
pub(crate) fn numbers(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("+1202600{n:04}"))
}

/// The reserved number that tells this story, such as `0104`, in the `nth` area code.
pub(crate) fn story(code: u16, nth: usize) -> String {
    const AREAS: [u16; 12] = [202, 212, 213, 305, 312, 404, 415, 503, 512, 602, 617, 702];
    format!("+1{}5550{code}", AREAS[nth])
}
