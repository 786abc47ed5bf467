//! The simulator: the stories it tells, what it writes down, and that whatever it reports, in whatever order,
//! gives each call one ending.

use crate::carrier::{self, CarrierUnderTest, Story};
use crate::support::dial_request;
use chrono::{DateTime, TimeDelta};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use voice_campaigns::carrier::simulator::{Outcomes, Persons, Seconds, Settings, Simulator};
use voice_campaigns::carrier::{Carrier, DialRequest, Leg, LegEvents, Report};
use voice_campaigns::clock::{Clock, Manual};
use voice_campaigns::domain::Instant;
use voice_campaigns::domain::call::{Effect, Ending, LegCommand, LegEvent, LiveCall, Plan};
use voice_campaigns::domain::fields::Words;
use voice_campaigns::domain::keys::KeyMap;
use voice_campaigns::domain::outcome::{Category, Cause, Criteria, Outcome};
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::domain::phrases::Phrases;
use voice_campaigns::domain::voice::Voice;

/// A town on a clock that stands still until somebody waits.
struct Town {
    clock: Manual,
    simulator: Simulator,
    inbox: mpsc::UnboundedSender<Report>,
    reports: mpsc::UnboundedReceiver<Report>,
    legs: HashMap<i64, Leg>,
}

impl Town {
    fn new(settings: Settings) -> Town {
        Town::with_ledger(settings, None)
    }

    fn with_ledger(settings: Settings, ledger: Option<&Path>) -> Town {
        let clock = Manual::new(DateTime::from_timestamp_millis(1_800_000_000_000).unwrap());
        let simulator = Simulator::new(settings, Arc::new(clock.clone()), ledger).unwrap();
        let (inbox, reports) = mpsc::unbounded_channel();
        Town { clock, simulator, inbox, reports, legs: HashMap::new() }
    }

    fn dial(&mut self, call_id: i64, phone: Phone) {
        self.dial_again(call_id, phone, 1);
    }

    fn dial_again(&mut self, call_id: i64, phone: Phone, attempt: i64) {
        let ring_timeout = TimeDelta::seconds(60);
        let request = DialRequest {
            call_id,
            lead_id: call_id,
            attempt,
            phone,
            ring_timeout,
            words: Vec::new(),
            ..dial_request()
        };
        let leg = self.simulator.dial(request, LegEvents::new(call_id, self.inbox.clone()));
        self.legs.insert(call_id, leg);
    }

    /// Lets time pass until all is quiet; everybody who picks up hears one speech of this length.
    fn play(&mut self, speech_ms: u64) -> BTreeMap<i64, Vec<(Instant, LegEvent)>> {
        let mut heard: BTreeMap<i64, Vec<(Instant, LegEvent)>> = BTreeMap::new();
        loop {
            let due = self.simulator.turn();
            let mut quiet = true;
            while let Ok(Report { call_id, at, event }) = self.reports.try_recv() {
                quiet = false;
                let so_far = heard.entry(call_id).or_default();
                if event == LegEvent::Answered && so_far.iter().all(|(_, event)| *event != LegEvent::Answered)
                {
                    let leg = self.legs.get_mut(&call_id).unwrap();
                    leg.command(LegCommand::Speak { text: "Hello.".into(), speech_ms });
                }
                so_far.push((at, event));
            }
            match due {
                Some(due) if quiet => self.clock.advance_to(due),
                None if quiet => return heard,
                Some(_) | None => {}
            }
        }
    }

    /// What is told of one call to a number kept for fiction, with its seconds since the dial.
    fn story(&mut self, line: u64, attempt: i64, speech_ms: u64) -> Vec<(f64, LegEvent)> {
        let dialed_at = self.clock.now();
        self.dial_again(1, fictional(line), attempt);
        let heard = self.play(speech_ms).remove(&1).unwrap_or_default();
        let seconds = |at: Instant| (at - dialed_at).num_milliseconds() as f64 / 1000.0;
        heard.into_iter().map(|(at, event)| (seconds(at), event)).collect()
    }
}

impl CarrierUnderTest for Town {
    fn carrier(&self) -> &dyn Carrier {
        &self.simulator
    }

    fn number_that(&self, story: Story) -> Phone {
        fictional(match story {
            Story::HearsOut => 101,
            Story::HangsUp => 102,
            Story::Machine => 103,
            Story::NoAnswer => 104,
            Story::Busy => 105,
            Story::Rejects => 106,
            Story::InvalidNumber => 107,
            Story::CarrierError => 108,
            Story::AsksNotToBeCalledAgain => 109,
            Story::PressesOne => 110,
            Story::IsPutThrough => 114,
            Story::FindsNobody => unreachable!("in this town somebody always takes over"),
        })
    }

    fn stories(&self) -> Vec<Story> {
        carrier::STORIES.into_iter().filter(|story| *story != Story::FindsNobody).collect()
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn advance(&self) -> bool {
        let due = self.simulator.turn();
        if let Some(due) = due {
            self.clock.advance_to(due);
            self.simulator.turn();
        }
        due.is_some()
    }
}

fn fictional(line: u64) -> Phone {
    Phone::from_digits(12_025_550_000 + line).unwrap()
}

/// A number that nobody keeps for fiction.
fn ordinary(index: i64) -> Phone {
    Phone::from_digits(13_122_000_000 + index.cast_unsigned()).unwrap()
}

fn fast() -> Settings {
    Settings { speed: 200.0, channels: 1_000_000, ..Settings::default() }
}

fn ended(cause: Cause) -> LegEvent {
    LegEvent::Ended(cause, None)
}

#[test]
fn the_simulator_keeps_the_port() {
    carrier::keeps_the_port(|| Town::new(Settings::default()));
}

#[test]
fn a_story_has_its_times() {
    let mut town = Town::new(Settings::default());
    assert_eq!(
        town.story(101, 1, 10_000),
        [
            (1.0, LegEvent::Ringing),
            (4.0, LegEvent::Answered),
            (14.0, LegEvent::SpeechEnded),
            (26.0, ended(Cause::RemoteHangup))
        ]
    );
    assert_eq!(
        town.story(109, 1, 10_000)[..3],
        [(1.0, LegEvent::Ringing), (4.0, LegEvent::Answered), (8.0, LegEvent::OptOutAsked)]
    );
    assert_eq!(town.story(109, 1, 2_000)[2], (5.0, LegEvent::OptOutAsked));
}

#[test]
fn a_busy_line_may_be_free_the_next_time() {
    let mut town = Town::new(Settings::default());
    assert_eq!(town.story(111, 1, 5_000), [(2.0, ended(Cause::Busy))]);
    for attempt in [2, 3] {
        assert_eq!(town.story(111, attempt, 5_000)[1].1, LegEvent::Answered);
    }
}

#[test]
fn a_silent_carrier_says_nothing_until_it_is_let_go_of() {
    let mut town = Town::new(Settings { channels: 1, ..Settings::default() });
    assert_eq!(town.story(112, 1, 5_000), []);
    town.legs.get_mut(&1).unwrap().command(LegCommand::HangUp);
    assert!(town.play(0).is_empty());
    town.dial(2, fictional(105));
    assert_eq!(
        town.play(0).remove(&2).unwrap()[0].1,
        LegEvent::Ended(Cause::CarrierError, Some("all channels busy".into()))
    );
    town.legs.clear();
    assert!(town.play(0).is_empty());
    assert_eq!(town.story(105, 1, 0), [(2.0, ended(Cause::Busy))]);
}

#[test]
fn a_muddled_carrier_tells_too_much_in_the_wrong_order() {
    let mut town = Town::new(Settings::default());
    let end = ended(Cause::RemoteHangup);
    assert_eq!(
        town.story(113, 1, 10_000),
        [
            (4.0, LegEvent::Answered),
            (1.0, LegEvent::Ringing),
            (4.0, LegEvent::Answered),
            (14.0, LegEvent::SpeechEnded),
            (14.0, LegEvent::SpeechEnded),
            (26.0, end.clone()),
            (26.0, end),
            (26.0, LegEvent::Ringing),
        ]
    );
}

#[test]
fn nothing_but_the_end_follows_a_hang_up() {
    let mut town = Town::new(Settings::default());
    town.dial(1, fictional(101));
    town.clock.advance(TimeDelta::seconds(4));
    town.simulator.turn();
    let leg = town.legs.get_mut(&1).unwrap();
    leg.command(LegCommand::Speak { text: "Hello.".into(), speech_ms: 10 });
    leg.command(LegCommand::HangUp);
    town.clock.advance(TimeDelta::seconds(60));
    let told: Vec<LegEvent> = town.play(0).remove(&1).unwrap().into_iter().map(|(_, event)| event).collect();
    assert_eq!(told, [LegEvent::Ringing, LegEvent::Answered, ended(Cause::LocalHangup)]);
}

#[test]
fn letting_go_of_a_leg_hangs_up() {
    let mut town = Town::new(Settings::default());
    town.dial(1, fictional(101));
    town.legs.clear();
    assert_eq!(town.play(0)[&1].last().unwrap().1, ended(Cause::LocalHangup));
}

#[test]
fn the_order_of_dials_changes_nobody() {
    let heard = |order: &mut dyn Iterator<Item = i64>, pause: TimeDelta| {
        let mut town = Town::new(Settings::default());
        let mut stories = BTreeMap::new();
        for index in order {
            let dialed_at = town.clock.now();
            town.dial(index, ordinary(index));
            for (call_id, events) in town.play(15_000) {
                let told: Vec<_> = events.into_iter().map(|(at, event)| (at - dialed_at, event)).collect();
                stories.insert(call_id, told);
            }
            town.clock.advance(pause);
        }
        stories
    };
    let forward = heard(&mut (0..300), TimeDelta::zero());
    assert_eq!(forward, heard(&mut (0..300).rev(), TimeDelta::seconds(7)));
    assert_eq!(forward.len(), 300);
}

#[test]
fn many_calls_at_once_are_told_in_the_same_order_each_time() {
    let told = || {
        let mut town = Town::new(fast());
        (0..500).for_each(|index| town.dial(index, ordinary(index)));
        let mut order = Vec::new();
        while let Some(due) = town.simulator.turn() {
            town.clock.advance_to(due);
            while let Ok(report) = town.reports.try_recv() {
                order.push((report.call_id, report.at, report.event));
            }
        }
        order
    };
    assert_eq!(told(), told());
}

#[test]
fn ten_thousand_calls_show_the_shares_that_were_set() {
    const CALLS: i64 = 10_000;
    let mut town = Town::new(fast());
    (0..CALLS).for_each(|index| town.dial(index, ordinary(index)));
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    let mut count = |what| *counts.entry(what).or_default() += 1.0;
    let heard = town.play(20_000);
    assert_eq!(heard.len() as i64, CALLS);
    for events in heard.values() {
        let has = |wanted: LegEvent| events.iter().any(|(_, event)| *event == wanted);
        let LegEvent::Ended(cause, _) = events.last().unwrap().1 else { panic!("{events:?}") };
        match (has(LegEvent::Answered), has(LegEvent::MachineDetected)) {
            (true, true) => count("machine"),
            (true, false) => count("person"),
            (false, _) => count(cause.word()),
        }
        if has(LegEvent::Answered) && !has(LegEvent::MachineDetected) {
            count(match () {
                () if has(LegEvent::Digit('1')) => "presses 1",
                () if has(LegEvent::Digit('2')) => "presses 2",
                () if has(LegEvent::OptOutAsked) => "asks",
                () if has(LegEvent::SpeechEnded) => "hears out",
                () => "hangs up",
            });
        }
    }
    let Settings { outcomes, persons, .. } = Settings::default();
    let picked_up = counts["person"];
    for (what, of, share) in [
        ("person", CALLS as f64, outcomes.answered_by_person),
        ("machine", CALLS as f64, outcomes.answered_by_machine),
        ("no_answer", CALLS as f64, outcomes.no_answer),
        ("busy", CALLS as f64, outcomes.busy),
        ("rejected", CALLS as f64, outcomes.rejected),
        ("invalid_number", CALLS as f64, outcomes.invalid_number),
        ("carrier_error", CALLS as f64, outcomes.carrier_error),
        ("hears out", picked_up, persons.hears_out),
        ("hangs up", picked_up, persons.hangs_up_early),
        ("presses 1", picked_up, persons.presses_1),
        ("presses 2", picked_up, persons.presses_2),
        ("asks", picked_up, persons.asks_not_to_be_called_again),
    ] {
        // Four standard deviations: the seed is fixed, this says how unlucky it may be.
        let tolerance = 4.0 * (share * (1.0 - share) / of).sqrt();
        let seen = counts[what] / of;
        assert!((seen - share).abs() < tolerance, "{what}: {seen} instead of {share} ± {tolerance}");
    }
}

#[test]
fn speed_shortens_ringing_and_talking_and_no_other_thing() {
    let told = |speed: f64| {
        let patience_seconds = Seconds { min: 10.0, max: 10.0 };
        let mut town = Town::new(Settings { speed, patience_seconds, ..Settings::default() });
        let dialed_at = town.clock.now();
        (0..500).for_each(|index| town.dial(index, ordinary(index)));
        let mut told = Vec::new();
        for events in town.play(10_000).into_values() {
            let has = |wanted: LegEvent| events.iter().any(|(_, event)| *event == wanted);
            let patient = has(LegEvent::SpeechEnded) && !has(LegEvent::MachineDetected);
            for (at, event) in events {
                let waited = if patient && event == ended(Cause::RemoteHangup) { 10_000 } else { 0 };
                told.push(((at - dialed_at).num_milliseconds() - waited, event));
            }
        }
        told
    };
    for ((slow, event), (fast, same_event)) in told(1.0).into_iter().zip(told(200.0)) {
        assert_eq!(event, same_event);
        // Every step is rounded to the millisecond; no call has more than four.
        assert!((slow as f64 / 200.0 - fast as f64).abs() <= 4.0, "{event:?}: {slow} ms, {fast} ms");
    }
}

#[test]
fn a_call_that_has_ended_takes_no_channel_even_while_more_is_told_of_it() {
    let mut town = Town::new(Settings { channels: 1, ..Settings::default() });
    town.dial(1, fictional(113));
    let has_ended = |town: &mut Town| {
        std::iter::from_fn(|| town.reports.try_recv().ok())
            .any(|told| matches!(told.event, LegEvent::Ended(..)))
    };
    while !has_ended(&mut town) {
        let due = town.simulator.turn().expect("it ends when the person is tired of the silence");
        town.clock.advance_to(due);
    }
    town.dial(2, fictional(105));
    assert!(town.play(0)[&2].iter().any(|(_, event)| *event == ended(Cause::Busy)));
}

#[test]
fn a_call_more_than_there_are_channels_is_refused() {
    let mut town = Town::new(Settings { channels: 2, calls_per_second: Some(5.0), ..Settings::default() });
    assert_eq!(town.simulator.capacity().channels, 2);
    assert_eq!(town.simulator.capacity().calls_per_second, Some(5.0));
    assert_eq!(town.simulator.name(), "simulator");
    (1..=3).for_each(|call_id| town.dial(call_id, fictional(101)));
    let refused = LegEvent::Ended(Cause::CarrierError, Some("all channels busy".into()));
    assert_eq!(town.play(0)[&3], [(DateTime::from_timestamp_millis(1_800_000_000_000).unwrap(), refused)]);
    town.dial(4, fictional(101));
    assert_eq!(town.play(0)[&4].len(), 4);
}

#[test]
fn settings_that_make_no_sense_are_refused_at_the_start() {
    let clock: Arc<dyn Clock> = Arc::new(Manual::new(DateTime::UNIX_EPOCH));
    let problem = |settings| Simulator::new(settings, clock.clone(), None).err().unwrap().to_string();
    assert!(problem(Settings { speed: 0.0, ..Settings::default() }).starts_with("speed "));
    let nobody = Persons {
        hears_out: 0.0,
        hangs_up_early: 0.0,
        presses_1: 0.0,
        presses_2: 0.0,
        asks_not_to_be_called_again: 0.0,
    };
    assert!(problem(Settings { persons: nobody, ..Settings::default() }).contains("persons"));
}

#[test]
fn absurd_lengths_never_panic() {
    for speed in [f64::MIN_POSITIVE, 1e-9, 1e300] {
        let mut town = Town::new(Settings { speed, ring_seconds: Seconds { min: 0.0, max: 0.0 }, ..fast() });
        for (call_id, line) in (101..=114).enumerate() {
            let request = DialRequest {
                call_id: call_id as i64,
                lead_id: i64::MIN,
                attempt: i64::MIN,
                phone: fictional(line),
                ring_timeout: [TimeDelta::MIN, TimeDelta::MAX, TimeDelta::zero()][call_id % 3],
                words: Vec::new(),
                ..dial_request()
            };
            let mut leg = town.simulator.dial(request, LegEvents::new(call_id as i64, town.inbox.clone()));
            leg.command(LegCommand::Speak { text: String::new(), speech_ms: u64::MAX });
            town.legs.insert(call_id as i64, leg);
        }
        town.clock.advance(TimeDelta::days(1));
        town.simulator.turn();
        for leg in town.legs.values_mut() {
            leg.command(LegCommand::Speak { text: String::new(), speech_ms: u64::MAX });
        }
        town.simulator.turn();
    }
}

#[test]
fn the_ledger_has_one_line_for_every_dial_even_a_refused_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("simulator-ledger.jsonl");
    let settings = Settings { channels: 5, ..Settings::default() };
    let mut town = Town::with_ledger(settings.clone(), Some(&path));
    (1..=7).for_each(|call_id| town.dial(call_id, fictional(104)));
    let expected = |call_id: i64, at_ms: i64| {
        serde_json::json!({
            "call_id": call_id, "lead_id": call_id, "attempt": 1, "phone": "+12025550104", "at_ms": at_ms
        })
    };
    let lines = || -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let dialed: Vec<_> = (1..=7).map(|call_id| expected(call_id, 1_800_000_000_000)).collect();
    assert_eq!(lines(), dialed);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    // The power goes in the middle of a line.
    let torn = std::fs::read_to_string(&path).unwrap() + "{\"call_id\":8,\"lea";
    std::fs::write(&path, torn).unwrap();
    let mut town = Town::with_ledger(settings, Some(&path));
    town.clock.advance(TimeDelta::milliseconds(5));
    town.dial(9, fictional(104));
    assert_eq!(lines(), [dialed, vec![expected(9, 1_800_000_000_005)]].concat());
}

#[test]
#[cfg(target_os = "linux")]
fn a_dial_that_cannot_be_written_down_is_refused() {
    let mut town = Town::with_ledger(Settings::default(), Some(Path::new("/dev/full")));
    town.dial(1, fictional(101));
    let heard = town.play(0).remove(&1).unwrap();
    let [(_, LegEvent::Ended(Cause::CarrierError, Some(detail)))] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    assert!(detail.starts_with("the simulator's ledger cannot be written: "), "{detail}");
    let clock: Arc<dyn Clock> = Arc::new(Manual::new(DateTime::UNIX_EPOCH));
    let nowhere = Path::new("/nowhere/ledger.jsonl");
    let problem = Simulator::new(Settings::default(), clock, Some(nowhere)).err().unwrap();
    assert!(problem.to_string().starts_with("/nowhere/ledger.jsonl: "), "{problem}");
}

#[tokio::test]
async fn it_runs_as_time_passes_and_stops_when_told() {
    let mut town = Town::new(Settings::default());
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(town.simulator.clone().run(stopped));
    tokio::task::yield_now().await;
    town.dial(1, fictional(104));
    tokio::task::yield_now().await;
    town.clock.advance(TimeDelta::seconds(1));
    assert_eq!(town.reports.recv().await.unwrap().event, LegEvent::Ringing);
    // Due before what is waited for: the runner has to be woken.
    town.dial(2, fictional(107));
    tokio::task::yield_now().await;
    town.clock.advance(TimeDelta::milliseconds(500));
    assert_eq!(town.reports.recv().await.unwrap().event, ended(Cause::InvalidNumber));
    stop.send_replace(true);
    running.await.unwrap();
}

/// A network between the carrier and us that loses, doubles and delays what it carries.
struct Network {
    rng: Xoshiro256PlusPlus,
    under_way: BinaryHeap<Reverse<(Instant, u64)>>,
    reports: HashMap<u64, Report>,
    sent: u64,
}

impl Network {
    fn carry(&mut self, report: &Report, now: Instant) {
        let copies = match self.rng.random_range(0..100) {
            0..5 => 0,
            5..80 => 1,
            80..95 => 2,
            _ => 3,
        };
        for _ in 0..copies {
            let late = [0, 0, 1, 500, 5_000, 60_000][self.rng.random_range(0..6)];
            let delay = TimeDelta::milliseconds(self.rng.random_range(0..=late));
            self.sent += 1;
            self.under_way.push(Reverse((now + delay, self.sent)));
            self.reports.insert(self.sent, report.clone());
        }
    }

    fn next_due(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse((at, _))| *at)
    }

    fn deliver(&mut self, now: Instant) -> Option<Report> {
        self.next_due().filter(|at| *at <= now)?;
        self.under_way.pop().and_then(|Reverse((_, sent))| self.reports.remove(&sent))
    }
}

struct Tracked {
    live: LiveCall,
    leg: Option<Leg>,
    placed_at: Instant,
    endings: Vec<Ending>,
}

impl Tracked {
    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Command(command) => {
                    if let Some(leg) = &mut self.leg {
                        leg.command(command);
                    }
                }
                Effect::Progress(_) | Effect::CallBack { .. } => {}
                Effect::Ended(ending) => {
                    self.endings.push(ending);
                    self.leg = None;
                }
            }
        }
    }
}

fn plan(call_id: i64) -> Plan {
    let criteria = ["call_completed", "message_left", "a sale"][(call_id % 3) as usize];
    let keys =
        [json!({"1": "yes", "3": "call_back", "0": "transfer", "9": "opt_out"}), json!({"9": "opt_out"})];
    let keys = match call_id % 4 {
        0 => KeyMap::read(&keys[0]).unwrap(),
        1 => KeyMap::read(&keys[1]).unwrap(),
        _ => KeyMap::usual(Criteria::of(criteria)),
    };
    Plan {
        prompts: Vec::new(),
        key_wait: Plan::key_wait(&keys, call_id % 8 > 3),
        keys,
        phrases: Phrases::of("en-US"),
        may_call_back: call_id % 5 > 0,
        is_anonymous: false,
        transfer_to: (call_id % 16 > 0).then(|| fictional(199)),
        machine_detection: None,
        script: "Hello, this is a call about your order. Press one for yes and two for no.".into(),
        fallback: (call_id % 2 == 0).then(|| "We will call again. Goodbye.".into()),
        announcement: (call_id % 5 == 0).then(|| "This call is being recorded.".into()),
        voice: Voice::default(),
        criteria: Criteria::of(criteria),
        ring_timeout: TimeDelta::seconds(25),
        duration_max: TimeDelta::seconds(120),
        agent: None,
    }
}

/// Promise: a carrier that hangs, answers twice, late, out of order or never gives each call one ending, no
/// later than a minute after the longest it may last.
#[test]
fn a_hundred_thousand_muddled_calls_have_one_ending_each() {
    const CALLS: i64 = 100_000;
    const AT_ONCE: i64 = 5_000;
    for batch in 0..CALLS / AT_ONCE {
        let calls = batch * AT_ONCE..(batch + 1) * AT_ONCE;
        let mut town = Town::new(Settings { seed: batch.cast_unsigned(), speed: 1.0, ..fast() });
        let rng = Xoshiro256PlusPlus::seed_from_u64(batch.cast_unsigned());
        let mut network = Network { rng, under_way: BinaryHeap::new(), reports: HashMap::new(), sent: 0 };
        let mut deadlines = BinaryHeap::new();
        let mut tracked: HashMap<i64, Tracked> = HashMap::new();
        for call_id in calls {
            let phone = if call_id % 3 == 0 {
                fictional(101 + call_id.cast_unsigned() / 3 % 15)
            } else {
                ordinary(call_id)
            };
            let plan = plan(call_id);
            let request = DialRequest {
                call_id,
                lead_id: call_id,
                phone,
                ring_timeout: plan.ring_timeout,
                words: Vec::new(),
                ..dial_request()
            };
            let placed_at = town.clock.now();
            let live = LiveCall::new(plan, placed_at);
            deadlines.push(Reverse((live.deadline(), call_id)));
            let leg = Some(town.simulator.dial(request, LegEvents::new(call_id, town.inbox.clone())));
            tracked.insert(call_id, Tracked { live, leg, placed_at, endings: Vec::new() });
        }
        loop {
            let simulated = town.simulator.turn();
            let now = town.clock.now();
            while let Ok(report) = town.reports.try_recv() {
                network.carry(&report, now);
            }
            while let Some(Report { call_id, at, event }) = network.deliver(now) {
                let call = tracked.get_mut(&call_id).unwrap();
                // Carriers differ in whether they tell when it happened or when they told it.
                let at = if call_id % 5 == 0 { at } else { now };
                let mut effects = call.live.on(event, at);
                if network.rng.random_range(0..200) == 0 {
                    effects.extend(call.live.cancel(now));
                }
                call.take(effects);
                deadlines.push(Reverse((call.live.deadline(), call_id)));
            }
            while let Some(Reverse((due, call_id))) =
                deadlines.peek().copied().filter(|Reverse((due, _))| *due <= now)
            {
                deadlines.pop();
                let call = tracked.get_mut(&call_id).unwrap();
                // The deadline may have moved since; then nothing must happen.
                let effects = call.live.on_time(due.max(now));
                call.take(effects);
                if call.endings.is_empty() {
                    deadlines.push(Reverse((call.live.deadline(), call_id)));
                }
            }
            let first_deadline =
                deadlines.peek().map(|Reverse((due, _))| *due).filter(|due| *due < Instant::MAX_UTC);
            match [simulated, network.next_due(), first_deadline].into_iter().flatten().min() {
                Some(due) => town.clock.advance_to(due),
                None => break,
            }
        }
        for (call_id, call) in &tracked {
            let [ending] = call.endings.as_slice() else { panic!("{call_id}: {:?}", call.live) };
            let longest = plan(*call_id).ring_timeout + plan(*call_id).duration_max + TimeDelta::seconds(60);
            assert!(ending.ended_at - call.placed_at <= longest, "{call_id}: {:?}", call.live);
            let completed = ending.outcome.category(ending.answered_at.is_some()) == Category::Completed;
            assert!(!completed || ending.answered_at.is_some(), "{call_id}: {:?}", call.live);
        }
    }
}

/// Played without a network in between, the muddled story itself ends as if it had been told straight.
#[test]
fn the_muddled_story_is_understood() {
    for (call_id, expected) in [(0, Outcome::Success), (1, Outcome::Success), (2, Outcome::NoInput)] {
        let mut town = Town::new(Settings::default());
        town.dial(call_id, fictional(113));
        let mut live = LiveCall::new(plan(call_id), town.clock.now());
        let mut endings = Vec::new();
        loop {
            let due = town.simulator.turn();
            let now = town.clock.now();
            let mut effects = live.on_time(now);
            while let Ok(report) = town.reports.try_recv() {
                effects.extend(live.on(report.event, report.at));
            }
            for effect in effects {
                match effect {
                    Effect::Command(command) => town.legs.get_mut(&call_id).unwrap().command(command),
                    Effect::Progress(_) | Effect::CallBack { .. } => {}
                    Effect::Ended(ending) => endings.push(ending),
                }
            }
            let deadline = Some(live.deadline()).filter(|deadline| *deadline < Instant::MAX_UTC);
            match [town.simulator.turn(), deadline].into_iter().flatten().min() {
                Some(next) => town.clock.advance_to(next),
                None if due.is_none() => break,
                None => {}
            }
        }
        let outcomes: Vec<Outcome> = endings.iter().map(|ending| ending.outcome).collect();
        assert_eq!(outcomes, [expected], "{:?}", live.timeline(TimeDelta::zero()));
    }
}

#[test]
fn a_share_of_one_is_everybody() {
    let outcomes = Outcomes {
        answered_by_machine: 0.0,
        no_answer: 0.0,
        busy: 0.0,
        rejected: 0.0,
        invalid_number: 0.0,
        carrier_error: 0.0,
        answered_by_person: 3.0,
    };
    let mut town = Town::new(Settings { outcomes, ..fast() });
    (0..1000).for_each(|index| town.dial(index, ordinary(index)));
    let heard = town.play(1_000);
    assert!(heard.values().all(|events| events.iter().any(|(_, event)| *event == LegEvent::Answered)));
}
