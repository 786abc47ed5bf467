//! The dialer when something goes wrong: failed writes, crashes at bad moments, clocks that jump, carriers that
//! fall silent, edits that take away what a lead already had. In virtual time, like the others.

use crate::support::world::{MONDAY_NOON, World, at, numbers, story, suppression};
use chrono::TimeDelta;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, mpsc};
use voice_campaigns::carrier::{Capacity, Carrier, DialRequest, Leg, LegEvents};
use voice_campaigns::clock::Clock;
use voice_campaigns::domain::call::LegEvent;
use voice_campaigns::domain::campaign::Status;
use voice_campaigns::domain::lead::LeadStatus;
use voice_campaigns::domain::outcome::{Cause, Outcome};
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::store::StoreError;

/// A carrier that does nothing by itself: the test reports for it.
#[derive(Default)]
struct Hand(Mutex<Vec<LegEvents>>);

impl Hand {
    fn leg(&self, nth: usize) -> LegEvents {
        self.0.lock().unwrap()[nth].clone()
    }

    fn dials(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl Carrier for Hand {
    fn name(&self) -> &'static str {
        "hand"
    }

    fn capacity(&self) -> Capacity {
        Capacity { channels: 10, calls_per_second: None, next_at: None }
    }

    fn dial(&self, _: DialRequest, events: LegEvents) -> Leg {
        self.0.lock().unwrap().push(events);
        Leg::new(|_| {})
    }
}

async fn world_by_hand() -> (World, Arc<Hand>) {
    let mut world = World::new(MONDAY_NOON).await;
    let hand = Arc::new(Hand::default());
    world.use_carrier(hand.clone()).await;
    (world, hand)
}

async fn is_suppressed(world: &World, phone: &str) -> bool {
    let phone = Phone::from_e164(phone).unwrap();
    let number = world.store.read(move |s| s.number(phone)).await;
    number.map_err(|error: StoreError| error).unwrap().is_suppressed
}

#[tokio::test]
async fn endings_that_could_not_be_written_at_once_are_written_later_as_they_were() {
    let (mut world, hand) = world_by_hand().await;
    let campaign = world.campaign(json!({"retry_delay_minutes": 10})).await;
    world.leads(&campaign, [story(109, 0), story(101, 0)]).await;
    world.turn().await.unwrap();
    // Another process holds the database for longer than anybody waits.
    let holder = rusqlite::Connection::open(voice_campaigns::store::data_file(world.folder.path())).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let now = world.clock.steady();
    for (nth, event) in [(0, LegEvent::OptOutAsked), (1, LegEvent::SpeechEnded)] {
        for event in [LegEvent::Answered, event, LegEvent::Ended(Cause::LocalHangup, None)] {
            hand.leg(nth).report(now, event);
        }
    }
    assert!(matches!(world.turn().await, Err(StoreError::Unavailable(_))));
    holder.execute_batch("COMMIT").unwrap();
    world.clock.advance(TimeDelta::seconds(1));
    world.turn().await.unwrap();
    assert_eq!(
        world.outcomes(&campaign).await,
        BTreeMap::from([("opted_out".into(), 1), ("success".into(), 1)])
    );
    assert!(is_suppressed(&world, &story(109, 0)).await);
    world.clock.advance(TimeDelta::hours(1));
    world.turn().await.unwrap();
    assert_eq!(hand.dials(), 2);
    world.check_but_ledger().await;
}

#[tokio::test]
async fn a_wish_not_to_be_called_again_survives_a_crash_before_the_call_has_ended() {
    let (mut world, hand) = world_by_hand().await;
    let campaign = world.campaign(json!({})).await;
    world.leads(&campaign, [story(109, 0)]).await;
    world.turn().await.unwrap();
    let now = world.clock.steady();
    hand.leg(0).report(now, LegEvent::Answered);
    hand.leg(0).report(now, LegEvent::Digit('9'));
    world.turn().await.unwrap();
    assert!(is_suppressed(&world, &story(109, 0)).await);
    world.restart().await;
    world.run_for(TimeDelta::days(1)).await;
    assert_eq!(world.now(&campaign).await.totals.attempts, 1);
    world.check_but_ledger().await;
}

#[tokio::test]
async fn fewer_attempts_than_a_lead_has_had_end_the_lead_and_stop_nobody_else() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"max_attempts_per_lead": 3, "retry_delay_minutes": 10})).await;
    world.leads(&campaign, [story(105, 0)]).await;
    world.run_for(TimeDelta::minutes(1)).await;
    world.edit(&campaign, json!({"max_attempts_per_lead": 1})).await;
    let other = world.campaign(json!({"name": "Other"})).await;
    world.run_for(TimeDelta::minutes(15)).await;
    world.leads(&other, [story(101, 1)]).await;
    world.run_for(TimeDelta::minutes(5)).await;
    assert_eq!(world.all_leads(&campaign).await[0].status, LeadStatus::Failed);
    assert_eq!(world.now(&campaign).await.status, Status::Completed);
    assert_eq!(world.now(&other).await.status, Status::Completed);
    world.check().await;
}

#[tokio::test]
async fn thousands_of_leads_put_aside_do_not_keep_another_campaign_waiting_after_an_edit() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"script_template": "Hello {plan}."})).await;
    world.leads(&campaign, numbers(2_500)).await;
    world.run_for(TimeDelta::minutes(1)).await;
    world.edit(&campaign, json!({"notes": "nothing to do with the script"})).await;
    let other = world.campaign(json!({"name": "Other", "priority": "high"})).await;
    world.leads(&other, [story(101, 1)]).await;
    world.run_for(TimeDelta::seconds(2)).await;
    assert_eq!(world.now(&other).await.totals.attempts, 1);
    let held = world.all_leads(&campaign).await;
    assert!(held.iter().all(|lead| lead.held.as_deref() == Some("missing_variable:plan")));
    world.check().await;
}

#[tokio::test]
async fn a_queue_full_of_suppressed_numbers_takes_turns_with_the_others() {
    let mut world = World::new(MONDAY_NOON).await;
    let blocked = world.campaign(json!({"name": "Blocked", "priority": "low"})).await;
    let other = world.campaign(json!({"name": "Other", "priority": "high"})).await;
    world
        .write(|tx| {
            for nth in 0..5_000 {
                let phone = Phone::from_digits(12_026_000_000 + nth).unwrap();
                tx.add_to_do_not_call_list(phone, &suppression("asked"))?;
            }
            Ok(())
        })
        .await;
    world.leads(&blocked, numbers(5_000)).await;
    world.leads(&other, [story(101, 0), story(101, 1), story(101, 2)]).await;
    world.turn().await.unwrap();
    assert_eq!(world.now(&other).await.totals.attempts, 3);
    world.settle_down().await;
    let blocked = world.now(&blocked).await;
    assert_eq!((blocked.totals.attempts, blocked.status), (0, Status::Completed));
    world.check().await;
}

#[tokio::test]
async fn a_retry_in_an_open_zone_is_not_forgotten_beside_a_closed_one() {
    let mut world = World::new("2026-03-02T09:00:00Z").await;
    let hours = json!({
        "lead_time_zone_policy": "lead", "calling_hours_start": "09:00", "calling_hours_end": "17:00",
        "retry_delay_minutes": 60,
    });
    let campaign = world.campaign(hours).await;
    let lead = |nth, zone| json!({"phone": story(105, nth), "time_zone": zone});
    world.add(&campaign, vec![lead(0, "Europe/Berlin"), lead(1, "America/Los_Angeles")]).await;
    world.run_until(at("2026-03-02T16:00:00Z")).await;
    let placed: Vec<String> =
        world.calls(&campaign).await.iter().map(|call| call.placed_at.format("%H:%M").to_string()).collect();
    assert_eq!(placed, ["09:00", "10:00", "11:00"]);
    world.check().await;
}

#[tokio::test]
async fn a_paused_campaign_completes_when_its_last_call_ends() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    world.leads(&campaign, [story(101, 0)]).await;
    world.run_for(TimeDelta::seconds(3)).await;
    world.set_status(&campaign, Status::Paused).await;
    world.run_for(TimeDelta::minutes(5)).await;
    assert_eq!(world.now(&campaign).await.status, Status::Completed);
    world.check().await;
}

#[tokio::test]
async fn a_clock_that_was_ten_years_ahead_for_a_moment_leaves_nothing_behind() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"max_concurrent_calls": 2})).await;
    world.leads(&campaign, numbers(50)).await;
    world.run_for(TimeDelta::seconds(30)).await;
    world.clock.jump(TimeDelta::days(3_650));
    world.run_for(TimeDelta::seconds(30)).await;
    world.clock.jump(TimeDelta::days(-3_650));
    world.run_for(TimeDelta::seconds(90)).await;
    let leads = world.all_leads(&campaign).await;
    assert!(leads.iter().all(|lead| lead.next_call_at.is_none_or(|due| due < at("2030-01-01T00:00:00Z"))));
    let before = world.now(&campaign).await.totals.attempts;
    world.restart().await;
    world.run_for(TimeDelta::days(1)).await;
    assert!(world.now(&campaign).await.totals.attempts > before);
    world.check().await;
}

#[tokio::test]
async fn a_person_can_say_that_a_clock_set_back_is_right() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"max_concurrent_calls": 2})).await;
    world.leads(&campaign, numbers(50)).await;
    // It was a month ahead for so long that it was believed.
    world.clock.jump(TimeDelta::days(30));
    world.run_for(TimeDelta::minutes(4)).await;
    let before = world.now(&campaign).await.totals.attempts;
    assert!(before > 0);
    world.clock.jump(TimeDelta::days(-30));
    world.run_for(TimeDelta::minutes(10)).await;
    assert_eq!(world.now(&campaign).await.totals.attempts, before);
    world.write(|tx| tx.trust_clock()).await;
    world.run_for(TimeDelta::minutes(10)).await;
    assert!(world.now(&campaign).await.totals.attempts > before);
}

#[tokio::test]
async fn a_deleted_campaign_is_hung_up_even_while_the_clock_is_wrong() {
    let (mut world, hand) = world_by_hand().await;
    let campaign = world.campaign(json!({})).await;
    world.leads(&campaign, [story(101, 0)]).await;
    world.turn().await.unwrap();
    hand.leg(0).report(world.clock.steady(), LegEvent::Answered);
    world.turn().await.unwrap();
    world.clock.jump(TimeDelta::hours(-2));
    world.turn().await.unwrap();
    let id = campaign.id;
    world.write(move |tx| tx.delete_campaign(id, "test")).await;
    for _ in 0..15 {
        world.clock.advance(TimeDelta::seconds(1));
        world.turn().await.unwrap();
    }
    assert_eq!(world.outcomes(&campaign).await, BTreeMap::from([("canceled".into(), 1)]));
}

#[tokio::test]
async fn a_carrier_that_falls_silent_pauses_the_campaign_before_it_has_burnt_the_leads() {
    let (mut world, _) = world_by_hand().await;
    let campaign = world.campaign(json!({"max_concurrent_calls": 5, "retry_delay_minutes": 1})).await;
    world.leads(&campaign, numbers(100)).await;
    world.run_for(TimeDelta::hours(3)).await;
    let campaign = world.now(&campaign).await;
    assert_eq!(campaign.status_reason.as_deref(), Some("carrier_down"));
    assert!(campaign.totals.attempts <= 15, "{}", campaign.totals.attempts);
    world.check_but_ledger().await;
}

#[tokio::test]
async fn a_carrier_that_takes_three_calls_in_a_row_not_from_us_stops_the_campaign_and_nobody_is_called_again()
{
    let (mut world, hand) = world_by_hand().await;
    let campaign = world.campaign(json!({"max_attempts_per_lead": 5, "retry_delay_minutes": 1})).await;
    world.edit(&campaign, json!({"max_concurrent_calls": 1})).await;
    world.leads(&campaign, numbers(5)).await;
    let refused = "trunk main: 403 Forbidden".to_owned();
    for nth in 0..3 {
        world.turn().await.unwrap();
        let ended = LegEvent::Ended(Cause::CarrierRefused, Some(refused.clone()));
        hand.leg(nth).report(world.clock.steady(), ended);
        world.turn().await.unwrap();
    }
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(hand.dials(), 3, "another one was dialed");
    let paused = world.now(&campaign).await;
    assert_eq!((paused.status, paused.status_reason.as_deref()), (Status::Paused, Some("carrier_refused")));
    assert_eq!((paused.totals.attempts, paused.totals.error_calls), (3, 3));
    let sql = "SELECT data FROM events WHERE type = 'campaign.error'";
    let told: String = world.store.pool().get().unwrap().query_row(sql, [], |row| row.get(0)).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(told["code"] == "carrier_refused" && told["action"].is_string(), "{told}");
    assert!(told["message"].as_str().unwrap().contains(&refused), "{told}");
    world.set_status(&campaign, Status::Active).await;
    for nth in 3..5 {
        world.turn().await.unwrap();
        hand.leg(nth).report(world.clock.steady(), LegEvent::Ended(Cause::InvalidNumber, None));
        world.turn().await.unwrap();
    }
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(hand.dials(), 5, "who was refused was called again");
    let leads = world.all_leads(&campaign).await;
    assert!(leads.iter().all(|lead| (lead.status, lead.attempts) == (LeadStatus::Failed, 1)), "{leads:?}");
    assert_eq!(world.now(&campaign).await.status, Status::Completed);
    world.check_but_ledger().await;
}

#[tokio::test]
async fn who_refuses_a_call_is_not_called_again_and_ten_in_a_row_stop_the_campaign() {
    let (mut world, hand) = world_by_hand().await;
    let campaign = world.campaign(json!({"max_attempts_per_lead": 5, "retry_delay_minutes": 1})).await;
    world.edit(&campaign, json!({"max_concurrent_calls": 1})).await;
    world.leads(&campaign, numbers(50)).await;
    for nth in 0..10 {
        world.turn().await.unwrap();
        hand.leg(nth).report(world.clock.steady(), LegEvent::Ended(Cause::Rejected, None));
        world.turn().await.unwrap();
    }
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(hand.dials(), 10);
    let campaign = world.now(&campaign).await;
    assert_eq!(campaign.status_reason.as_deref(), Some("carrier_refused"));
    let refused = world.all_leads(&campaign).await;
    let refused: Vec<_> = refused.iter().filter(|lead| lead.outcome == Some(Outcome::Rejected)).collect();
    assert!(refused.len() == 10 && refused.iter().all(|lead| lead.status == LeadStatus::Failed));
    world.check_but_ledger().await;
}

#[tokio::test]
async fn a_new_time_zone_does_not_give_the_day_its_calls_again() {
    let mut world = World::new("2026-03-02T00:30:00Z").await;
    let campaign = world.campaign(json!({"calls_per_day": 25, "time_zone": "Asia/Tokyo"})).await;
    world.leads(&campaign, numbers(300)).await;
    world.run_for(TimeDelta::minutes(30)).await;
    world.edit(&campaign, json!({"time_zone": "America/Los_Angeles"})).await;
    world.run_for(TimeDelta::minutes(30)).await;
    assert_eq!(world.calls(&campaign).await.len(), 25);
    world.edit(&campaign, json!({"time_zone": "Asia/Tokyo"})).await;
    world.run_for(TimeDelta::minutes(30)).await;
    assert_eq!(world.calls(&campaign).await.len(), 25);
    world.check().await;
}

/// The clocks of Berlin go back, so that its day has 25 hours.
#[tokio::test]
async fn neither_does_one_in_the_last_hour_of_a_long_day() {
    let mut world = World::new("2026-10-25T22:05:00Z").await;
    let all_day = json!({
        "calls_per_day": 25, "time_zone": "Asia/Tokyo",
        "calling_hours_start": "00:00:00", "calling_hours_end": "23:59:00",
        "working_days": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
    });
    let campaign = world.campaign(all_day).await;
    world.leads(&campaign, numbers(300)).await;
    world.run_for(TimeDelta::minutes(10)).await;
    assert_eq!(world.calls(&campaign).await.len(), 25);
    world.edit(&campaign, json!({"time_zone": "Europe/Berlin"})).await;
    world.run_for(TimeDelta::minutes(30)).await;
    assert_eq!(world.calls(&campaign).await.len(), 25);
    world.check().await;
}

#[tokio::test]
async fn a_campaign_that_is_removed_for_good_leaves_the_data_in_order_at_every_step() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({})).await;
    let kept = world.campaign(json!({"name": "Kept"})).await;
    world.leads(&campaign, numbers(5)).await;
    world.leads(&kept, [story(101, 0)]).await;
    world.run_for(TimeDelta::days(1)).await;
    let id = campaign.id;
    world.write(move |tx| tx.delete_campaign(id, "test")).await;
    world.clock.advance(TimeDelta::days(31));
    while world.write(|tx| tx.purge_deleted(TimeDelta::days(30))).await {
        world.check().await;
    }
    let gone = world.store.read(move |s| s.campaign_even_deleted(id)).await;
    assert_eq!(gone.map_err(|error: StoreError| error).unwrap(), None);
    world.check().await;
}

#[tokio::test]
async fn a_number_that_one_campaign_is_calling_is_not_called_by_another_at_the_same_time() {
    let (mut world, hand) = world_by_hand().await;
    for name in ["First", "Second"] {
        let campaign = world.campaign(json!({"name": name})).await;
        world.leads(&campaign, [story(101, 0)]).await;
    }
    world.turn().await.unwrap();
    assert_eq!(hand.dials(), 1);
    let now = world.clock.steady();
    for event in [LegEvent::Answered, LegEvent::SpeechEnded, LegEvent::Ended(Cause::LocalHangup, None)] {
        hand.leg(0).report(now, event);
    }
    world.turn().await.unwrap();
    world.clock.advance(TimeDelta::minutes(1));
    world.turn().await.unwrap();
    assert_eq!(hand.dials(), 2);
    world.check_but_ledger().await;
}

/// Stays in its first dial until the test lets it go on.
struct Slow {
    entered: mpsc::Sender<()>,
    leave: Mutex<mpsc::Receiver<()>>,
}

impl Carrier for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn capacity(&self) -> Capacity {
        Capacity { channels: 1, calls_per_second: None, next_at: None }
    }

    fn dial(&self, _: DialRequest, _: LegEvents) -> Leg {
        self.entered.send(()).unwrap();
        self.leave.lock().unwrap().recv().unwrap();
        Leg::new(|_| {})
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_is_answered_only_when_no_dial_is_on_its_way() {
    let mut world = World::new(MONDAY_NOON).await;
    let (entered, is_entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel();
    world.use_carrier(Arc::new(Slow { entered, leave: Mutex::new(may_leave) })).await;
    let campaign = world.campaign(json!({})).await;
    world.leads(&campaign, [story(101, 0)]).await;
    let mut dialer = world.take_dialer();
    let turn = tokio::spawn(async move { dialer.turn().await.map(|_| dialer) });
    tokio::task::spawn_blocking(move || is_entered.recv().unwrap()).await.unwrap();
    // The claim is committed and the carrier is being asked: the pause commits, but its answer waits.
    let id = campaign.id;
    let store = world.store.clone();
    let pause = tokio::spawn(async move {
        store
            .write_and_wait_for_dials(move |tx| {
                let campaign = tx.campaign(id)?.unwrap();
                tx.change_status(&campaign, Status::Paused, "test")
            })
            .await
            .map_err(|error: StoreError| error)
    });
    while world.now(&campaign).await.status != Status::Paused {
        tokio::task::yield_now().await;
    }
    assert!(!pause.is_finished());
    leave.send(()).unwrap();
    turn.await.unwrap().unwrap();
    pause.await.unwrap().unwrap().unwrap();
}
