//! Many hands on the same campaigns at the same moment, while the dialer runs on real threads and the real
//! clock: what an answer forbids is not done after it, and no sum is ever wrong.
//!
//! `VC_TEST_RACES` sets how many pauses and opt-outs, `VC_TEST_CROSSINGS` how many budgets are spent,
//! `VC_TEST_SEED` what the hands do.

use crate::api_campaigns::example;
use crate::support::TestServer;
use crate::support::evidence::{self, Evidence};
use crate::support::uas::Hum;
use crate::support::world::{folder_in_memory, suppression};
use chrono::TimeDelta;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::UdpSocket;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use voice_campaigns::carrier::sip::{self, Sip};
use voice_campaigns::carrier::{Capacity, Carrier, DialRequest, Leg, LegEvents};
use voice_campaigns::clock::{Clock, System};
use voice_campaigns::dialer;
use voice_campaigns::domain::call::{Ending, LegEvent};
use voice_campaigns::domain::campaign::{Campaign, Request, Status};
use voice_campaigns::domain::gate::Gate;
use voice_campaigns::domain::guard::Guard;
use voice_campaigns::domain::lead::NewLead;
use voice_campaigns::domain::money::Money;
use voice_campaigns::domain::outcome::{Cause, Outcome};
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::store::import::{ImportOptions, import};
use voice_campaigns::store::{Store, StoreError, Undo, check, data_file};

/// One dial, in the order of everything that happens in a test.
struct Dialed {
    order: u64,
    call_id: i64,
    phone: Phone,
}

/// Ends its calls at once, or a moment later and in another order, from threads of its own.
struct Switchboard {
    order: Arc<AtomicU64>,
    dialed: Arc<Mutex<Vec<Dialed>>>,
    operators: Vec<mpsc::Sender<LegEvents>>,
    bell: watch::Sender<u64>,
}

impl Switchboard {
    fn new(order: Arc<AtomicU64>, clock: &Arc<dyn Clock>) -> Switchboard {
        let operators = (0..3).map(|number| {
            let (calls, incoming) = mpsc::channel();
            let clock = clock.clone();
            std::thread::spawn(move || operate(&incoming, &*clock, evidence::seed() + number));
            calls
        });
        Switchboard {
            order,
            dialed: Arc::default(),
            operators: operators.collect(),
            bell: watch::Sender::new(0),
        }
    }
}

impl Carrier for Switchboard {
    fn name(&self) -> &'static str {
        "switchboard"
    }

    fn capacity(&self) -> Capacity {
        Capacity { channels: 500, calls_per_second: None, next_at: None }
    }

    fn dial(&self, request: DialRequest, events: LegEvents) -> Leg {
        let order = self.order.fetch_add(1, Ordering::SeqCst);
        self.dialed.lock().unwrap().push(Dialed { order, call_id: request.call_id, phone: request.phone });
        self.bell.send_replace(order);
        let operator = request.call_id as usize % self.operators.len();
        let _ = self.operators[operator].send(events);
        Leg::new(|_| {})
    }
}

/// Keeps a few calls waiting and ends one of them by chance whenever another comes, or nothing does.
fn operate(incoming: &mpsc::Receiver<LegEvents>, clock: &dyn Clock, seed: u64) {
    let mut chance = SmallRng::seed_from_u64(seed);
    let mut waiting: Vec<LegEvents> = Vec::new();
    loop {
        match incoming.recv_timeout(Duration::from_micros(500)) {
            Ok(call) => waiting.push(call),
            Err(RecvTimeoutError::Timeout) if waiting.is_empty() => continue,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while !waiting.is_empty() && chance.random_range(0..4) > 0 {
            let call = waiting.swap_remove(chance.random_range(0..waiting.len()));
            let story: &[LegEvent] = match chance.random_range(0..100) {
                0..45 => &[LegEvent::Ended(Cause::Busy, None)],
                45..48 => &[LegEvent::OptOutAsked, LegEvent::Ended(Cause::RemoteHangup, None)],
                48..50 => &[LegEvent::Ended(Cause::CarrierError, None)],
                _ => &[LegEvent::Ringing, LegEvent::Answered, LegEvent::Ended(Cause::RemoteHangup, None)],
            };
            for event in story {
                call.report(clock.steady(), event.clone());
            }
        }
    }
}

/// A store with a dialer on it, at work.
struct Office {
    store: Store,
    order: Arc<AtomicU64>,
    dialed: Arc<Mutex<Vec<Dialed>>>,
    next_number: AtomicI64,
    stop: watch::Sender<bool>,
    dialer: JoinHandle<()>,
    /// Told of every dial.
    bell: watch::Receiver<u64>,
}

impl Office {
    fn open(folder: &Path) -> Office {
        let clock: Arc<dyn Clock> = Arc::new(System::new());
        let order = Arc::new(AtomicU64::new(0));
        let switchboard = Switchboard::new(order.clone(), &clock);
        let (dialed, bell) = (switchboard.dialed.clone(), switchboard.bell.subscribe());
        let office = Office::with(folder, clock, Arc::new(switchboard));
        Office { order, dialed, bell, ..office }
    }

    /// One that calls over another carrier, of which it sees no dial.
    fn with(folder: &Path, clock: Arc<dyn Clock>, carrier: Arc<dyn Carrier>) -> Office {
        let store = Store::open(folder, clock).unwrap();
        let (stop, stopped) = watch::channel(false);
        let grace = TimeDelta::seconds(20);
        let dialer = tokio::spawn(dialer::run(store.clone(), carrier, grace, stopped));
        let (order, dialed, next_number) = (Arc::default(), Arc::default(), AtomicI64::new(0));
        Office { store, order, dialed, next_number, stop, dialer, bell: watch::channel(0).1 }
    }

    /// The place of this moment in the order of all dials.
    fn moment(&self) -> u64 {
        self.order.fetch_add(1, Ordering::SeqCst)
    }

    /// Waits until somebody is dialed, but not for long: all may be paused.
    async fn next_dial(&self) {
        let mut bell = self.bell.clone();
        bell.mark_unchanged();
        let _ = tokio::time::timeout(Duration::from_millis(50), bell.changed()).await;
    }

    async fn campaign(&self) -> i64 {
        let body = json!({
            "name": "Survey", "status": "active", "calls_per_day": 1_000_000,
            "calling_hours_start": "00:00:00", "calling_hours_end": "23:59:59",
            "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
            "system_prompt": "Be kind", "script_template": "Hello, this is a survey call.",
            "cost_per_call": 0.25, "retry_delay_minutes": 1, "max_concurrent_calls": 10,
        });
        let request = Request::read(body, None).unwrap();
        self.store.write(move |tx| tx.insert_campaign(&request, "test")).await.unwrap().id
    }

    /// Adds leads with numbers that nobody has yet.
    async fn leads(&self, campaign_id: i64, count: i64) {
        let first = self.next_number.fetch_add(count, Ordering::Relaxed);
        let leads = (first..first + count)
            .map(|n| json!({"phone": format!("+1212{}{:04}", 600 + n / 10_000, n % 10_000)}))
            .map(|lead| NewLead::read(lead, None).unwrap());
        let leads: Vec<NewLead> = leads.collect();
        let added = self.store.write(move |tx| match tx.campaign(campaign_id)? {
            Some(_) => tx.insert_leads(campaign_id, &leads).map(drop),
            None => Ok(()),
        });
        added.await.unwrap();
    }

    /// Changes a campaign as a PUT would; the answer is its version afterwards, and when the answer came.
    async fn edit(
        &self,
        id: i64,
        changes: impl FnOnce(&Campaign, i64) -> Value + Send + 'static,
    ) -> (i64, u64) {
        let edited = self.store.write_and_wait_for_dials(move |tx| {
            let before = tx.campaign(id)?.unwrap();
            let changes = changes(&before, tx.dials_today(&before)?);
            let request = Request::read(changes, Some(&before.settings)).unwrap();
            // A campaign that completed by itself meanwhile refuses a pause, and dials no more either.
            let edited = tx.update_campaign(&before, &request, "test")?;
            Ok::<_, StoreError>(edited.map_or(before.version, |campaign| campaign.version))
        });
        (edited.await.unwrap(), self.moment())
    }

    /// Stops dialing and recounts everything; the answer is the calls by id: campaign and its version then.
    async fn close(self) -> (Vec<Dialed>, HashMap<i64, (i64, i64)>) {
        self.stop.send_replace(true);
        self.dialer.await.unwrap();
        let findings = check::run(&self.store, None).await.unwrap();
        let broken: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
        assert!(broken.is_empty(), "{broken:#?}");
        let connection = self.store.pool().get().unwrap();
        let sql = "SELECT id, campaign_id, evidence ->> '$.campaign_version' FROM calls";
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))).unwrap();
        let calls: HashMap<i64, (i64, i64)> = rows.map(Result::unwrap).collect();
        let mut dialed = std::mem::take(&mut *self.dialed.lock().unwrap());
        dialed.sort_by_key(|dial| dial.order);
        let ids: HashSet<i64> = dialed.iter().map(|dial| dial.call_id).collect();
        assert_eq!(ids.len(), dialed.len(), "a call was dialed twice");
        assert!(ids.iter().all(|id| calls.contains_key(id)), "a dial was not written down");
        (dialed, calls)
    }
}

/// Waits for everybody; passes on a panic.
async fn all<T: 'static>(mut tasks: JoinSet<T>) -> Vec<T> {
    let mut done = Vec::new();
    while let Some(result) = tasks.join_next().await {
        done.push(result.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())));
    }
    done
}

/// A pause, in the order of all dials.
#[derive(Clone, Copy)]
struct Pause {
    campaign_id: i64,
    asked: u64,
    answered: u64,
    /// When it was asked to go on.
    over: u64,
}

/// What the hands did, and when they were answered.
#[derive(Default)]
struct Log {
    pauses: Vec<Pause>,
    /// Campaign, version, answer to the edit.
    edits: Vec<(i64, i64, u64)>,
    /// Campaign, answer to the deletion.
    deletions: Vec<(i64, u64)>,
}

/// Looks again and again: unless somebody edits, nothing is spent over a budget and nobody dialed over a limit.
async fn watch_sums(office: &Office, campaigns: &[i64], is_over: &AtomicBool) -> u64 {
    let mut before: HashMap<i64, (i64, i64, i64)> = HashMap::new();
    let mut compared = 0;
    while !is_over.load(Ordering::Relaxed) {
        office.next_dial().await;
        let ids = campaigns.to_vec();
        let read = office.store.read(move |s| {
            let mut seen = Vec::new();
            for id in ids {
                let campaign = s.campaign(id)?.unwrap();
                let dials = s.dials_today(&campaign)?;
                seen.push((campaign, dials));
            }
            Ok::<_, StoreError>(seen)
        });
        for (campaign, dials) in read.await.unwrap() {
            let totals = &campaign.totals;
            let money = (totals.spent + totals.reserved).ten_thousandths();
            let last = before.insert(campaign.id, (campaign.version, money, dials));
            let Some((version, money_before, dials_before)) = last else { continue };
            if version == campaign.version {
                let budget = campaign.settings.budget.map_or(i64::MAX, |budget| budget.ten_thousandths());
                assert!(money <= budget.max(money_before), "{money} of {budget}");
                let limit = campaign.settings.calls_per_day;
                assert!(dials <= limit.max(dials_before), "{dials} of {limit}");
                compared += u64::from(money != money_before || dials != dials_before);
            }
        }
    }
    compared
}

/// Pauses a campaign in the midst of dialing and resumes it, again and again.
async fn switch(office: &Office, id: i64, pauses: u64) -> Vec<Pause> {
    let mut switched = Vec::new();
    for nth in 0..pauses {
        office.leads(id, 3).await;
        // Sometimes the pause comes right behind the leads, sometimes when somebody is dialed.
        if nth % 2 == 0 {
            office.next_dial().await;
        }
        let asked = office.moment();
        // It may have completed by itself.
        let pause = |campaign: &Campaign, _| match campaign.status {
            Status::Active => json!({"status": "paused"}),
            Status::Draft | Status::Paused | Status::Completed => json!({}),
        };
        let (_, answered) = office.edit(id, pause).await;
        tokio::task::yield_now().await;
        let over = office.moment();
        office.edit(id, |_, _| json!({"status": "active"})).await;
        switched.push(Pause { campaign_id: id, asked, answered, over });
    }
    switched
}

/// Makes campaigns and deletes them while they are dialed for.
async fn make_and_delete(office: &Office, log: &mut Log) {
    let mine = office.campaign().await;
    office.leads(mine, 12).await;
    office.next_dial().await;
    let delete = office.store.write_and_wait_for_dials(move |tx| tx.delete_campaign(mine, "test"));
    assert!(delete.await.unwrap());
    log.deletions.push((mine, office.moment()));
}

/// Moves a budget to just above or below what is spent.
async fn move_budget(office: &Office, id: i64, by: i64, log: &mut Log) {
    let edit = office.edit(id, move |campaign, _| {
        let totals = &campaign.totals;
        let money = (totals.spent + totals.reserved).ten_thousandths() + by * 2_500;
        json!({"budget": money.max(0) as f64 / 10_000.0})
    });
    let (version, answered) = edit.await;
    log.edits.push((id, version, answered));
}

/// Moves a daily limit to just above or below what was dialed.
async fn move_limit(office: &Office, id: i64, by: i64, log: &mut Log) {
    let edit = office.edit(id, move |_, dials| json!({"calls_per_day": (dials + by).max(1)}));
    let (version, answered) = edit.await;
    log.edits.push((id, version, answered));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_hands_around_budgets_limits_and_pauses_never_get_a_dial_too_many() {
    const SWITCHED: usize = 32;
    const OF_A_KIND: usize = 8;
    let races = evidence::number("VC_TEST_RACES", 1_000);
    let folder = folder_in_memory();
    let office = Arc::new(Office::open(folder.path()));
    let _evidence = Evidence::of(folder.path(), "hands");
    let mut campaigns = Vec::new();
    for _ in 0..SWITCHED {
        campaigns.push(office.campaign().await);
    }
    let is_over = Arc::new(AtomicBool::new(false));

    let watching = {
        let (office, is_over) = (office.clone(), is_over.clone());
        let campaigns = campaigns[..2 * OF_A_KIND].to_vec();
        tokio::spawn(async move { watch_sums(&office, &campaigns, &is_over).await })
    };
    let mut switching = JoinSet::new();
    for id in campaigns.clone() {
        let office = office.clone();
        switching.spawn(async move { switch(&office, id, races.div_ceil(SWITCHED as u64)).await });
    }
    let mut hands: JoinSet<Log> = JoinSet::new();
    for hand in 0..4 * OF_A_KIND {
        let (office, is_over, campaigns) = (office.clone(), is_over.clone(), campaigns.clone());
        hands.spawn(async move {
            let mut chance = SmallRng::seed_from_u64(evidence::seed() + hand as u64);
            let mut log = Log::default();
            while !is_over.load(Ordering::Relaxed) {
                let by = chance.random_range(-5..20);
                match hand / OF_A_KIND {
                    0 | 1 if by % 2 == 0 => office.next_dial().await,
                    0 => move_budget(&office, campaigns[hand], by, &mut log).await,
                    1 => move_limit(&office, campaigns[hand], by, &mut log).await,
                    2 => office.leads(campaigns[chance.random_range(0..SWITCHED)], 2).await,
                    _ => make_and_delete(&office, &mut log).await,
                }
            }
            log
        });
    }
    let mut log = Log { pauses: all(switching).await.concat(), ..Log::default() };
    is_over.store(true, Ordering::Relaxed);
    for one in all(hands).await {
        log.edits.extend(one.edits);
        log.deletions.extend(one.deletions);
    }
    let compared = watching.await.unwrap();
    let (dialed, calls) = Arc::into_inner(office).unwrap().close().await;

    let mut orders: HashMap<i64, BTreeSet<u64>> = HashMap::new();
    for dial in &dialed {
        orders.entry(calls[&dial.call_id].0).or_default().insert(dial.order);
    }
    let dials = |id: &i64, from: u64, to: u64| orders.get(id).map_or(0, |of| of.range(from..to).count());
    for Pause { campaign_id, answered, over, .. } in &log.pauses {
        assert_eq!(
            dials(campaign_id, *answered, *over),
            0,
            "campaign {campaign_id} was dialed for while paused"
        );
    }
    for (id, deleted) in &log.deletions {
        assert_eq!(dials(id, *deleted, u64::MAX), 0, "campaign {id} was dialed for after its deletion");
    }
    no_dial_follows_older_settings(&mut log.edits, &dialed, &calls);
    let in_time = |pause: &&Pause| dials(&pause.campaign_id, pause.asked, pause.answered) > 0;
    let contested = log.pauses.iter().filter(in_time).count();
    println!(
        "{} pauses ({contested} with a dial between request and answer), {} edits, {} deletions, {} dials, {compared} sums \
         compared; 0 too many",
        log.pauses.len(),
        log.edits.len(),
        log.deletions.len(),
        dialed.len()
    );
    assert!(contested * 5 > log.pauses.len() && compared > 0, "too little happened");
}

/// After the answer to an edit nobody is dialed under what was in force before it.
fn no_dial_follows_older_settings(
    edits: &mut [(i64, i64, u64)],
    dialed: &[Dialed],
    calls: &HashMap<i64, (i64, i64)>,
) {
    edits.sort_by_key(|(_, _, answered)| *answered);
    let mut newest: HashMap<i64, i64> = HashMap::new();
    let mut next = edits.iter().peekable();
    for dial in dialed {
        while let Some((id, version, _)) = next.next_if(|(_, _, answered)| *answered < dial.order) {
            let known = newest.entry(*id).or_default();
            *known = (*known).max(*version);
        }
        let (campaign_id, version) = calls[&dial.call_id];
        let known = newest.get(&campaign_id).copied().unwrap_or_default();
        assert!(version >= known, "call {}: dialed under version {version} after {known}", dial.call_id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_dialed_after_the_answer_to_their_opt_out() {
    const HANDS: u64 = 16;
    let races = evidence::number("VC_TEST_RACES", 1_000);
    let folder = folder_in_memory();
    let office = Arc::new(Office::open(folder.path()));
    let _evidence = Evidence::of(folder.path(), "opt-outs");
    let campaign = office.campaign().await;
    let mut hands = JoinSet::new();
    for hand in 0..HANDS {
        let office = office.clone();
        hands.spawn(async move {
            let mut chance = SmallRng::seed_from_u64(evidence::seed() + hand);
            let mut opted_out = Vec::new();
            while (opted_out.len() as u64) < races.div_ceil(HANDS) {
                office.leads(campaign, 4).await;
                // Those who are next, so that it is a matter of moments.
                let due = office.store.read(move |s| s.due_leads(campaign, "", 8)).await.unwrap();
                let Some(lead) = due.get(chance.random_range(0..8)) else { continue };
                let phone = lead.about.phone;
                let list = office.store.write_and_wait_for_dials(move |tx| {
                    tx.add_to_do_not_call_list(phone, &suppression("asked by letter"))
                });
                list.await.unwrap();
                opted_out.push((phone, office.moment()));
            }
            opted_out
        });
    }
    let opted_out = all(hands).await.concat();
    let (dialed, _) = Arc::into_inner(office).unwrap().close().await;
    let mut last_dial: HashMap<Phone, u64> = HashMap::new();
    for dial in &dialed {
        last_dial.insert(dial.phone, dial.order);
    }
    let mut just_before = 0;
    for (phone, answered) in &opted_out {
        let Some(order) = last_dial.get(phone) else { continue };
        assert!(order < answered, "{phone} was dialed after the answer to its opt-out");
        just_before += 1;
    }
    println!(
        "{} opt-outs, {just_before} just after a dial, {} dials; 0 too late",
        opted_out.len(),
        dialed.len()
    );
    assert!(just_before > 0 && just_before < opted_out.len(), "no race took place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_dialed_between_a_stop_of_all_dialing_and_its_end() {
    let stops = evidence::number("VC_TEST_RACES", 1_000) / 4;
    let folder = folder_in_memory();
    let office = Arc::new(Office::open(folder.path()));
    let _evidence = Evidence::of(folder.path(), "stops");
    let mut campaigns = Vec::new();
    for _ in 0..8 {
        campaigns.push(office.campaign().await);
    }
    let (is_over, mut hands) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    for id in campaigns {
        let (office, is_over) = (office.clone(), is_over.clone());
        hands.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                office.leads(id, 6).await;
                office.next_dial().await;
            }
        });
    }
    let mut stopped = Vec::new();
    for nth in 0..stops {
        if nth % 2 == 0 {
            office.next_dial().await;
        }
        let asked = office.moment();
        let stop = office.store.write_and_wait_for_dials(move |tx| {
            tx.stop_dialing("test", None)?;
            if nth % 3 == 0 { tx.hang_up() } else { Ok::<_, StoreError>(()) }
        });
        stop.await.unwrap();
        let answered = office.moment();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let over = office.moment();
        office.store.write(|tx| tx.start_dialing()).await.unwrap();
        stopped.push((asked, answered, over));
    }
    is_over.store(true, Ordering::Relaxed);
    all(hands).await;
    let (dialed, _) = Arc::into_inner(office).unwrap().close().await;
    let orders: BTreeSet<u64> = dialed.iter().map(|dial| dial.order).collect();
    let mut contested = 0;
    for (asked, answered, over) in &stopped {
        assert_eq!(
            orders.range(answered..over).count(),
            0,
            "somebody was dialed while all dialing was stopped"
        );
        contested += usize::from(orders.range(asked..answered).count() > 0);
    }
    println!(
        "{} stops, {contested} with a dial between request and answer, {} dials; 0 too late",
        stopped.len(),
        dialed.len()
    );
    assert!(contested > 0 && dialed.len() > stopped.len(), "no race took place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixty_four_who_claim_at_once_as_many_get_a_call_as_the_day_and_the_number_allow() {
    let folder = folder_in_memory();
    let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
    let spend = Money::from_ten_thousandths(2_500 * 40);
    store.set_guard(Guard { spend_per_day: Some(spend), ..Guard::default() });
    // Everybody has a campaign of their own, and the same twenty numbers.
    let mut hands = JoinSet::new();
    for _ in 0..64 {
        let body = json!({
            "name": "Survey", "status": "active", "calls_per_day": 1_000, "calling_hours_start": "00:00:00",
            "calling_hours_end": "23:59:59", "cost_per_call": 0.25, "max_concurrent_calls": 50,
            "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
            "system_prompt": "Be kind", "script_template": "Hello, this is a survey call.",
        });
        let request = Request::read(body, None).unwrap();
        let leads: Vec<NewLead> = (0..20)
            .map(|n| NewLead::read(json!({"phone": format!("+1202600{n:04}")}), None).unwrap())
            .collect();
        let made = store.write(move |tx| {
            let campaign = tx.insert_campaign(&request, "test")?;
            Ok::<_, StoreError>((campaign.id, tx.insert_leads(campaign.id, &leads)?.ids))
        });
        let (campaign_id, leads) = made.await.unwrap();
        let store = store.clone();
        hands.spawn(async move {
            let mut calls = Vec::new();
            for lead in leads {
                let claimed = store.write(move |tx| {
                    let (lead, mut campaign) = (tx.lead(lead)?.unwrap(), tx.campaign(campaign_id)?.unwrap());
                    let gate = Gate::new(&campaign, tx.dials_today(&campaign)?, tx.overall()?, tx.now);
                    if gate.lead(&lead, tx.number(lead.about.phone)?).is_err() {
                        return Ok(None);
                    }
                    let zone = campaign.settings.time_zone;
                    tx.claim(&mut campaign, &lead, &[zone], "none").map(Some)
                });
                let Some(claim) = claimed.await.unwrap() else { continue };
                // Picked up or not, so that money comes back now and then.
                let now = store.clock().now();
                let answered_at = (claim.call_id % 3 > 0).then_some(now);
                let outcome = if answered_at.is_some() { Outcome::HungUp } else { Outcome::NoAnswer };
                let ending = Ending { outcome, answered_at, ended_at: now, detail: None, conversation: None };
                store.write(move |tx| tx.settle(claim.call_id, ending, None)).await.unwrap();
                calls.push(claim.call_id);
            }
            calls
        });
    }
    let calls = all(hands).await.concat();
    let (spent, reserved) = store.read(|s| s.spent_on(s.now.date_naive())).await.unwrap();
    assert_eq!((spent <= spend, reserved), (true, Money::ZERO), "{spent} of {spend}");
    assert!(calls.len() >= 40 && calls.len() <= 60, "{} calls", calls.len());
    let findings = check::run(&store, None).await.unwrap();
    assert!(findings.iter().all(|finding| finding.ok), "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_of_an_undone_import_is_dialed_and_an_import_that_was_dialed_is_not_undone() {
    const HANDS: u64 = 8;
    let races = evidence::number("VC_TEST_RACES", 1_000);
    let folder = folder_in_memory();
    let office = Arc::new(Office::open(folder.path()));
    let _evidence = Evidence::of(folder.path(), "undone");
    let mut hands = JoinSet::new();
    for hand in 0..HANDS {
        let (office, table) = (office.clone(), folder.path().join(format!("hand-{hand}.csv")));
        hands.spawn(async move {
            let mut chance = SmallRng::seed_from_u64(evidence::seed() + hand);
            let campaign = office.campaign().await;
            let mut undone = Vec::new();
            for _ in 0..races.div_ceil(HANDS) {
                let first = office.next_number.fetch_add(6, Ordering::Relaxed);
                let numbers: Vec<String> = (first..first + 6)
                    .map(|n| format!("+1212{}{:04}", 600 + n / 10_000, n % 10_000))
                    .collect();
                std::fs::write(&table, format!("phone\n{}\n", numbers.join("\n"))).unwrap();
                // It may have completed by itself.
                office
                    .edit(campaign, |campaign, _| match campaign.status {
                        Status::Completed => json!({"status": "active"}),
                        Status::Active | Status::Paused | Status::Draft => json!({}),
                    })
                    .await;
                let import =
                    import(&office.store, campaign, &table, ImportOptions::default(), "test").await.unwrap();
                if chance.random_bool(0.2) {
                    tokio::task::yield_now().await;
                }
                let undo =
                    office.store.write_and_wait_for_dials(move |tx| tx.undo_import(campaign, import.id));
                let is_undone = undo.await.unwrap() == Undo::Undone;
                if is_undone {
                    tokio::task::yield_now().await;
                    while office.store.write(|tx| tx.remove_undone()).await.unwrap() {}
                }
                undone.push((numbers, is_undone));
            }
            undone
        });
    }
    let undos = all(hands).await.concat();
    let (dialed, _) = Arc::into_inner(office).unwrap().close().await;
    let dialed: HashSet<String> = dialed.iter().map(|dial| dial.phone.to_string()).collect();
    for (numbers, is_undone) in &undos {
        let count = numbers.iter().filter(|number| dialed.contains(*number)).count();
        assert_eq!(count == 0, *is_undone, "{count} of {numbers:?} were dialed, undone: {is_undone}");
    }
    let undone = undos.iter().filter(|(_, is_undone)| *is_undone).count();
    println!("{} imports, {undone} undone, {} dials; 0 of an undone import", undos.len(), dialed.len());
    assert!(undone * 100 > undos.len() && undone < undos.len(), "no race took place: {undone} undone");
}

#[test]
fn of_sixty_four_equal_requests_at_once_one_makes_a_campaign_and_all_are_told_of_it() {
    let server = TestServer::start();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let ask = || {
            let request = server.post("/api/voice-campaigns", &example()).header("Idempotency-Key", "once");
            let answer = request.send();
            let is_repeated = answer.header("Idempotent-Replayed") == Some("true");
            (answer.expect(201), is_repeated)
        };
        let clients: Vec<_> = (0..64).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|(campaign, _)| campaign == &answers[0].0));
    assert_eq!(answers.iter().filter(|(_, is_repeated)| !is_repeated).count(), 1);
    assert_eq!(server.get("/api/voice-campaigns").send().expect(200).as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixty_four_who_add_the_same_leads_each_number_is_added_by_one() {
    const NUMBERS: usize = 200;
    let folder = folder_in_memory();
    let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
    let request = Request::read(example(), None).unwrap();
    let campaign = store.write(move |tx| tx.insert_campaign(&request, "test")).await.unwrap();
    let mut leads: Vec<NewLead> = (0..NUMBERS)
        .map(|n| NewLead::read(json!({"phone": format!("+1202600{n:04}")}), None).unwrap())
        .collect();
    let mut hands = JoinSet::new();
    for _ in 0..64 {
        leads.rotate_left(3);
        let (store, leads) = (store.clone(), leads.clone());
        hands.spawn(async move {
            let mut ids = Vec::new();
            for some in leads.chunks(7) {
                let some = some.to_vec();
                ids.extend(store.write(move |tx| tx.insert_leads(campaign.id, &some)).await.unwrap().ids);
            }
            ids
        });
    }
    let ids = all(hands).await.concat();
    assert_eq!((ids.len(), ids.iter().collect::<HashSet<_>>().len()), (NUMBERS, NUMBERS));
    let findings = check::run(&store, None).await.unwrap();
    assert!(findings.iter().all(|finding| finding.ok), "{findings:#?}");
    let campaign = store.read(move |s| s.campaign(campaign.id)).await.unwrap().unwrap();
    assert_eq!(campaign.totals.total_leads as usize, NUMBERS);
}

/// Calls of a new campaign that together cost exactly its budget, all answered; the answer is the campaign and them.
async fn spend_all(store: &Store, nth: i64, hands: i64) -> (i64, Vec<i64>) {
    let mut body = example();
    body["calls_per_day"] = json!(hands);
    body["cost_per_call"] = json!(1);
    body["budget"] = json!(hands);
    let request = Request::read(body, None).unwrap();
    let made = store.write(move |tx| {
        let mut campaign = tx.insert_campaign(&request, "test")?;
        // Nobody is called twice on one day.
        let numbers = (nth * hands..(nth + 1) * hands).map(|n| format!("+12126{n:06}"));
        let phones = numbers.map(|number| json!({"phone": number}));
        let leads: Vec<NewLead> = phones.map(|lead| NewLead::read(lead, None).unwrap()).collect();
        let ids = tx.insert_leads(campaign.id, &leads)?.ids;
        let mut calls = Vec::new();
        for id in ids {
            let lead = tx.lead(id)?.unwrap();
            calls.push(tx.claim(&mut campaign, &lead, &[chrono_tz::Tz::UTC], "switchboard")?.call_id);
        }
        Ok::<_, StoreError>((campaign.id, calls))
    });
    made.await.unwrap()
}

#[test]
fn sixty_four_hands_that_cross_the_levels_of_a_budget_together_tell_each_of_them_once() {
    const HANDS: usize = 64;
    let crossings = evidence::number("VC_TEST_CROSSINGS", 50);
    let folder = folder_in_memory();
    let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (start, end) = (Barrier::new(HANDS + 1), Barrier::new(HANDS + 1));
    let waiting = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..HANDS {
            scope.spawn(|| {
                for _ in 0..crossings {
                    start.wait();
                    let call_id = waiting.lock().unwrap().pop().unwrap();
                    let now = store.clock().now();
                    let ending = Ending {
                        outcome: Outcome::Success,
                        answered_at: Some(now),
                        ended_at: now,
                        detail: None,
                        conversation: None,
                    };
                    runtime.block_on(store.write(move |tx| tx.settle(call_id, ending, None))).unwrap();
                    end.wait();
                }
            });
        }
        for nth in 0..crossings {
            let (id, calls) = runtime.block_on(spend_all(&store, nth as i64, HANDS as i64));
            *waiting.lock().unwrap() = calls;
            start.wait();
            end.wait();
            let connection = rusqlite::Connection::open(data_file(folder.path())).unwrap();
            let sql = "SELECT json_extract(data, '$.percent') FROM events
                       WHERE campaign_id = ?1 AND type = 'campaign.budget_threshold_reached' ORDER BY sequence";
            let mut statement = connection.prepare(sql).unwrap();
            let told: Vec<i64> =
                statement.query_map([id], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
            assert_eq!(told, [80, 100]);
        }
    });
    let findings = runtime.block_on(check::run(&store, None)).unwrap();
    // The example has calling hours, which these calls did not ask for.
    let hours = "every call was placed inside its calling hours";
    let broken: Vec<_> = findings.iter().filter(|one| !one.ok && one.invariant != hours).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// A carrier at the other end of a socket: everybody is busy. It takes nothing in but when it is asked to.
struct Wire {
    socket: UdpSocket,
    /// The calls that it was asked for.
    calls: HashSet<String>,
}

impl Wire {
    fn open() -> Wire {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        Wire { socket, calls: HashSet::new() }
    }

    /// Takes in all that has arrived by now.
    fn take(&mut self) {
        let mut buffer = [0; 4_096];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let mut lines = text.lines();
            let first = lines.next().unwrap_or_default();
            let head: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
            let copied = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
            let copied = head.iter().filter(|line| copied.iter().any(|name| line.starts_with(name)));
            let copied: String = copied.map(|line| format!("{line}\r\n")).collect();
            let status = match first.split(' ').next() {
                Some("INVITE") => {
                    self.calls.extend(
                        head.iter().find(|line| line.starts_with("Call-ID:")).map(|id| id.to_string()),
                    );
                    "486 Busy Here"
                }
                Some("OPTIONS") => "200 OK",
                _ => continue,
            };
            let reply = format!("SIP/2.0 {status}\r\n{copied}Content-Length: 0\r\n\r\n");
            self.socket.send_to(reply.as_bytes(), from).unwrap();
        }
    }
}

/// What is sent over loopback has arrived when the sending is over, so whatever comes later was sent later.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_the_answer_to_a_pause_no_call_leaves_for_the_carrier() {
    let folder = folder_in_memory();
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let mut wire = Wire::open();
    let trunk = json!({"name": "main", "host": wire.socket.local_addr().unwrap().to_string(),
        "calls_per_second": 100, "channels": 1_000});
    let settings = sip::Settings { listen: "127.0.0.1:0".parse().unwrap(), ..sip::Settings::default() };
    let settings = sip::Settings { rtp_ports: "20000-29999".parse().unwrap(), ..settings };
    let trunks = [serde_json::from_value(trunk).unwrap()];
    let line = Sip::start(settings, &trunks, Arc::new(Hum), clock.clone()).await.unwrap();
    let looking = tokio::spawn({
        let line = line.clone();
        async move { line.check().await }
    });
    while !looking.is_finished() {
        wire.take();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let office = Office::with(folder.path(), clock, Arc::new(line));
    let campaign = office.campaign().await;
    let rounds = evidence::number("VC_TEST_RACES", 300);
    let mut chance = SmallRng::seed_from_u64(evidence::seed());
    for round in 0..rounds {
        office.leads(campaign, 3).await;
        office.edit(campaign, |_, _| json!({"status": "active"})).await;
        tokio::time::sleep(Duration::from_micros(chance.random_range(0..12_000))).await;
        office.edit(campaign, |_, _| json!({"status": "paused"})).await;
        wire.take();
        let before = wire.calls.len();
        tokio::time::sleep(Duration::from_millis(3)).await;
        wire.take();
        assert_eq!(wire.calls.len(), before, "a call left after the answer to pause {round}");
    }
    assert!(wire.calls.len() as u64 > rounds / 4, "hardly anybody was called: {}", wire.calls.len());
    office.stop.send_replace(true);
    while !office.dialer.is_finished() {
        wire.take();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
