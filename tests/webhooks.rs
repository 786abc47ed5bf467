//! Webhooks in virtual time: three days of tries pass in milliseconds, and receivers do as they are told.

use crate::support::world::{at, folder_in_memory};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use voice_campaigns::clock::{Clock, Manual};
use voice_campaigns::domain::call::Ending;
use voice_campaigns::domain::campaign::{Campaign, EventType, Request, Status};
use voice_campaigns::domain::delivery::{DeliveryState, DisabledReason, Reply, TryError};
use voice_campaigns::domain::endpoint::{Endpoint, EndpointRequest};
use voice_campaigns::domain::event::Event;
use voice_campaigns::domain::fields::Words;
use voice_campaigns::domain::lead::NewLead;
use voice_campaigns::domain::outcome::Outcome;
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::store::{Delivery, DeliveryFilter, Store, StoreError, Tx, check, data_file};
use voice_campaigns::webhooks::{Client, Deliverer, Post, Replying};

/// When every test here begins.
const START: &str = "2026-03-04T10:00:00Z";

type Sent = (DateTime<Utc>, Post);
type Manners = Box<dyn Fn(&Post) -> Reply + Send>;

/// Receivers that answer by URL, and remember what they were sent and when.
#[derive(Clone)]
struct Receivers {
    clock: Manual,
    ledger: Arc<Mutex<Vec<Sent>>>,
    manners: Arc<Mutex<Manners>>,
}

impl Client for Receivers {
    fn post(&self, post: Post) -> Replying {
        self.ledger.lock().unwrap().push((self.clock.now(), post.clone()));
        let reply = (self.manners.lock().unwrap())(&post);
        Box::pin(async move { reply })
    }
}

fn answer(status: u16) -> Reply {
    Reply::Answered { status, retry_after: None, excerpt: String::new() }
}

/// A store with events, receivers, and a clock that is moved by hand.
struct Office {
    clock: Manual,
    store: Store,
    receivers: Receivers,
    deliverer: Deliverer,
    folder: tempfile::TempDir,
}

impl Office {
    fn open(manners: impl Fn(&Post) -> Reply + Send + 'static) -> Office {
        let folder = folder_in_memory();
        let clock = Manual::new(at(START));
        let store = Store::open(folder.path(), Arc::new(clock.clone())).unwrap();
        let receivers = Receivers {
            clock: clock.clone(),
            ledger: Arc::default(),
            manners: Arc::new(Mutex::new(Box::new(manners))),
        };
        let deliverer = Deliverer::new(store.clone(), Arc::new(receivers.clone()));
        Office { clock, store, receivers, deliverer, folder }
    }

    fn answer_otherwise(&self, manners: impl Fn(&Post) -> Reply + Send + 'static) {
        *self.receivers.manners.lock().unwrap() = Box::new(manners);
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tx) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.store.write(job).await.unwrap()
    }

    async fn campaign(&self, webhooks: Value) -> Campaign {
        let body = json!({
            "name": "Survey", "status": "draft", "calls_per_day": 10, "calling_hours_start": "09:00:00",
            "calling_hours_end": "17:00:00", "system_prompt": "Be kind", "script_template": "Hello.",
            "webhooks": webhooks,
        });
        let request = Request::read(body, None).unwrap();
        self.write(move |tx| tx.insert_campaign(&request, "test")).await
    }

    async fn everywhere(&self, body: Value) -> Endpoint {
        let request = EndpointRequest::read(body, None).unwrap();
        self.write(move |tx| tx.insert_endpoint(&request)).await.0
    }

    /// Pauses and activates in turn: each is an event.
    async fn toggle(&self, campaign: &Campaign) {
        let id = campaign.id;
        self.write(move |tx| {
            let campaign = tx.campaign(id)?.unwrap();
            let to = if campaign.status == Status::Active { Status::Paused } else { Status::Active };
            tx.change_status(&campaign, to, "test").map(drop)
        })
        .await;
    }

    /// A call that costs most of the budget, and is over; the answer is whose number it was.
    async fn call_somebody(&self, id: i64) -> Phone {
        self.write(move |tx| {
            let before = tx.campaign(id)?.unwrap();
            let money = json!({"cost_per_call": 0.5, "budget": 0.6});
            let request = Request::read(money, Some(&before.settings)).unwrap();
            let mut campaign = tx.update_campaign(&before, &request, "test")?.unwrap();
            let lead = NewLead::read(json!({"phone": "+12025550101", "first_name": "Ada"}), None).unwrap();
            let lead = tx.insert_leads(id, &[lead])?.ids[0];
            let lead = tx.lead(lead)?.unwrap();
            let claim = tx.claim(&mut campaign, &lead, &[chrono_tz::Tz::UTC], "simulator")?;
            let (answered_at, ended_at) = (Some(tx.now), tx.now);
            let ending =
                Ending { outcome: Outcome::Success, answered_at, ended_at, detail: None, conversation: None };
            tx.settle(claim.call_id, ending, None)?;
            Ok(lead.about.phone)
        })
        .await
    }

    /// Lets time pass, and everything that falls due in it be done.
    async fn run_for(&mut self, time: TimeDelta) {
        let end = self.clock.now() + time;
        loop {
            let turn = self.deliverer.turn().await.unwrap();
            if turn.under_way > 0 {
                self.deliverer.wait_for_an_answer().await;
            } else if turn.did == 0 {
                match turn.next_due.filter(|due| *due <= end) {
                    Some(due) => self.clock.advance_to(due),
                    None => break,
                }
            }
        }
        self.clock.advance_to(end);
    }

    async fn deliveries(&self, filter: DeliveryFilter) -> Vec<Delivery> {
        let filter = DeliveryFilter { limit: 10_000, ..filter };
        let mut found = self.store.read(move |s| s.deliveries(&filter)).await.unwrap();
        found.reverse();
        found
    }

    async fn endpoint(&self, id: i64) -> Endpoint {
        self.store.read(move |s| s.endpoint(id)).await.unwrap().unwrap()
    }

    async fn change(&self, id: i64, body: Value) {
        self.write(move |tx| {
            let before = tx.endpoint(id)?.unwrap();
            tx.update_endpoint(&before, &EndpointRequest::read(body, Some(&before.settings)).unwrap())
        })
        .await;
    }

    fn sent(&self) -> Vec<Sent> {
        self.receivers.ledger.lock().unwrap().clone()
    }

    fn sent_to(&self, url: &str) -> Vec<Post> {
        self.sent().into_iter().map(|(_, post)| post).filter(|post| post.url == url).collect()
    }

    async fn check(&self) {
        let findings = check::run(&self.store, None).await.unwrap();
        let broken: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

const HOOK: &str = "https://example.com/hook";
const OTHER: &str = "https://example.com/other";
const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";

#[tokio::test]
async fn what_is_taken_at_once_is_sent_once_and_says_what_happened() {
    let mut office = Office::open(|_| answer(204));
    let campaign = office.campaign(json!([{"url": HOOK, "secret": SECRET}])).await;
    office.toggle(&campaign).await;
    office.run_for(TimeDelta::days(7)).await;
    let sent = office.sent();
    let [(when, post)] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(*when, at(START));
    let body = format!(
        "{{\"type\":\"campaign.status_changed\",\"timestamp\":\"{START}\",\"data\":{{\"campaign\":{{\"id\":1,\
         \"name\":\"Survey\"}},\"from\":\"draft\",\"to\":\"active\",\"by\":\"test\",\"reason\":null,\"sequence\":1}}}}"
    );
    assert_eq!(post.body, body);
    assert_eq!(post.timestamp, at(START).timestamp());
    assert!(post.message_id.starts_with("msg_") && post.message_id.ends_with("_1"), "{}", post.message_id);
    let official = standardwebhooks::Webhook::new(SECRET).unwrap();
    let expected = official.sign(&post.message_id, post.timestamp, post.body.as_bytes()).unwrap();
    assert_eq!(post.signature, expected);
    let [delivery] = &office.deliveries(DeliveryFilter::default()).await[..] else { panic!() };
    assert_eq!((delivery.state, delivery.tries), (DeliveryState::Delivered, 1));
    assert_eq!(office.endpoint(1).await.last_success_at, Some(at(START)));
    office.check().await;
}

#[tokio::test]
async fn what_nobody_takes_is_tried_ten_times_in_three_days_under_one_id_and_then_kept() {
    let mut office = Office::open(|_| Reply::Failed(TryError::Timeout));
    let campaign = office.campaign(json!([{"url": HOOK}])).await;
    office.toggle(&campaign).await;
    office.run_for(TimeDelta::days(5)).await;
    let sent = office.sent();
    let delays = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map(TimeDelta::seconds);
    assert_eq!((sent[0].0, sent.len()), (at(START), 10));
    for (tries, delay) in sent.windows(2).zip(delays) {
        let waited = tries[1].0 - tries[0].0;
        assert!(delay <= waited && waited <= delay + delay / 10, "{waited} instead of {delay}");
    }
    let same = |(_, post): &Sent| (post.message_id.clone(), post.body.clone());
    assert!(sent.iter().all(|post| same(post) == same(&sent[0])));
    let signatures: std::collections::HashSet<_> = sent.iter().map(|(_, post)| &post.signature).collect();
    assert_eq!(signatures.len(), 10, "each is signed with its own time");
    let [delivery] = &office.deliveries(DeliveryFilter::default()).await[..] else { panic!() };
    assert_eq!((delivery.state, delivery.tries, delivery.next_try_at), (DeliveryState::Dead, 10, None));
    assert!(office.endpoint(1).await.notice().is_some(), "and it is seen");
    office.check().await;

    office.answer_otherwise(|_| answer(200));
    office.write(|tx| tx.redeliver(1)).await;
    office.run_for(TimeDelta::zero()).await;
    assert_eq!(same(office.sent().last().unwrap()), same(&sent[0]));
    let [delivery] = &office.deliveries(DeliveryFilter::default()).await[..] else { panic!() };
    assert_eq!((delivery.state, delivery.tries), (DeliveryState::Delivered, 11));
    let endpoint = office.endpoint(1).await;
    assert_eq!((endpoint.failing_since, endpoint.notice()), (None, None));
    office.check().await;
}

#[tokio::test]
async fn what_was_redelivered_in_vain_gets_the_whole_schedule_again() {
    let mut office = Office::open(|_| answer(500));
    let campaign = office.campaign(json!([{"url": HOOK}])).await;
    office.toggle(&campaign).await;
    office.run_for(TimeDelta::minutes(10)).await;
    assert_eq!(office.sent().len(), 3);
    office.write(|tx| tx.redeliver(1)).await;
    office.run_for(TimeDelta::minutes(10)).await;
    assert_eq!(office.sent().len(), 6, "at once, after 5 s, after 5 min");
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let mut office = Office::open(|_| Reply::Answered {
        status: 503,
        retry_after: Some("3600".into()),
        excerpt: "later".into(),
    });
    let campaign = office.campaign(json!([{"url": HOOK}])).await;
    office.toggle(&campaign).await;
    office.run_for(TimeDelta::minutes(59)).await;
    assert_eq!(office.sent().len(), 1);
    office.run_for(TimeDelta::minutes(1)).await;
    assert_eq!(office.sent().len(), 2);
}

#[tokio::test]
async fn gone_disables_an_endpoint_at_once_and_the_others_are_told() {
    let mut office = Office::open(|post| answer(if post.url == HOOK { 410 } else { 200 }));
    let campaign = office.campaign(json!([{"url": HOOK}, {"url": OTHER}])).await;
    office.toggle(&campaign).await;
    office.run_for(TimeDelta::zero()).await;
    let endpoint = office.endpoint(1).await;
    assert_eq!(endpoint.disabled_reason, Some(DisabledReason::Gone));
    let told: Vec<Value> = office.sent_to(OTHER).iter().map(|post| post.body.parse().unwrap()).collect();
    assert_eq!(told.len(), 2);
    assert_eq!(
        (&told[1]["type"], &told[1]["data"]["code"]),
        (&json!("campaign.error"), &json!("webhook_disabled"))
    );
    assert!(told[1]["data"]["action"].as_str().unwrap().contains("`enabled`"));

    office.toggle(&campaign).await;
    office.run_for(TimeDelta::days(9)).await;
    assert_eq!(
        (office.sent_to(HOOK).len(), office.sent_to(OTHER).len()),
        (1, 3),
        "nothing more is sent to it"
    );

    office.answer_otherwise(|_| answer(200));
    office.change(1, json!({"enabled": true})).await;
    let since = at(START);
    let (count, _) = office.write(move |tx| tx.redeliver_failed(1, since, 0)).await;
    office.run_for(TimeDelta::zero()).await;
    assert_eq!((count, office.sent_to(HOOK).len()), (1, 2));
    office.check().await;
}

#[tokio::test]
async fn after_five_days_without_a_success_an_endpoint_is_disabled_with_one_event() {
    let mut office = Office::open(|post| answer(if post.url == HOOK { 500 } else { 200 }));
    office.everywhere(json!({"url": HOOK})).await;
    let campaign = office.campaign(json!([{"url": HOOK}, {"url": OTHER}])).await;
    for _ in 0..7 {
        office.toggle(&campaign).await;
        office.run_for(TimeDelta::days(1)).await;
    }
    for id in [1, 2] {
        let endpoint = office.endpoint(id).await;
        assert_eq!(endpoint.disabled_reason, Some(DisabledReason::Failing));
        let failing_since = endpoint.failing_since.unwrap();
        assert_eq!(failing_since, at(START));
        let of_it = DeliveryFilter { endpoint_id: Some(id), ..DeliveryFilter::default() };
        assert!(office.deliveries(of_it).await.iter().all(|delivery| delivery.state == DeliveryState::Dead));
    }
    let last = office.sent().into_iter().filter(|(_, post)| post.url == HOOK).map(|(when, _)| when).max();
    assert!(
        last.unwrap() >= at(START) + TimeDelta::days(5) && last.unwrap() < at(START) + TimeDelta::days(6)
    );
    let told = office.sent_to(OTHER);
    let errors: Vec<_> = told.iter().filter(|post| post.body.contains("webhook_disabled")).collect();
    assert_eq!(
        (told.len(), errors.len()),
        (8, 1),
        "of the campaign's own; that of all campaigns shows a notice"
    );
    office.check().await;
}

#[tokio::test]
async fn each_endpoint_is_told_of_what_it_wants_and_of_nothing_before_it_was_there() {
    let mut office = Office::open(|_| answer(200));
    let url = |name: &str| format!("https://example.com/{name}");
    let first = office
        .campaign(json!([{"url": url("status"), "events": ["campaign.status_changed"]},
                         {"url": url("errors"), "events": ["campaign.error"]}]))
        .await;
    let second = office.campaign(json!([{"url": url("second")}])).await;
    office.toggle(&first).await;
    office.everywhere(json!({"url": url("all")})).await;
    let off = office.everywhere(json!({"url": url("off"), "enabled": false})).await;
    office.toggle(&first).await;
    office.toggle(&second).await;
    let id = first.id;
    office
        .write(move |tx| {
            let campaign = tx.campaign(id)?.unwrap();
            tx.emit(id, &Event::error(&campaign, "test", "A test.", "Nothing.", "1"))
        })
        .await;
    office.run_for(TimeDelta::days(5)).await;
    let counts = ["status", "errors", "second", "all", "off"].map(|name| office.sent_to(&url(name)).len());
    assert_eq!(counts, [2, 1, 1, 3, 0]);
    assert!(!off.is_enabled());
    let ids: Vec<String> = office.sent_to(&url("all")).into_iter().map(|post| post.message_id).collect();
    assert!(office.sent_to(&url("status")).iter().any(|post| ids.contains(&post.message_id)));
    office.check().await;
}

#[tokio::test]
async fn two_secrets_sign_for_a_day_after_a_rotation() {
    let mut office = Office::open(|_| answer(200));
    let campaign = office.campaign(json!([{"url": HOOK, "secret": SECRET}])).await;
    let secret = office.write(|tx| tx.rotate_secret(1)).await;
    let signed_by = |post: &Post, secret: &str| {
        let official = standardwebhooks::Webhook::new(secret).unwrap();
        let expected = official.sign(&post.message_id, post.timestamp, post.body.as_bytes()).unwrap();
        post.signature.split(' ').position(|signature| signature == expected)
    };
    office.run_for(TimeDelta::hours(24) - TimeDelta::seconds(1)).await;
    office.toggle(&campaign).await;
    office.run_for(TimeDelta::seconds(1)).await;
    office.toggle(&campaign).await;
    office.run_for(TimeDelta::seconds(1)).await;
    let [before, after] = &office.sent_to(HOOK)[..] else { panic!() };
    assert_eq!((signed_by(before, &secret), signed_by(before, SECRET)), (Some(0), Some(1)));
    assert_eq!((signed_by(after, &secret), signed_by(after, SECRET)), (Some(0), None));
    assert!(!after.signature.contains(' '));
}

#[tokio::test]
async fn what_waits_for_a_webhook_that_is_removed_is_canceled() {
    let mut office = Office::open(|_| answer(500));
    let campaign = office.campaign(json!([{"url": HOOK}, {"url": OTHER}])).await;
    office.toggle(&campaign).await;
    office.run_for(TimeDelta::zero()).await;
    let id = campaign.id;
    office
        .write(move |tx| {
            let before = tx.campaign(id)?.unwrap();
            let request =
                Request::read(json!({"webhooks": [{"url": OTHER}]}), Some(&before.settings)).unwrap();
            tx.update_campaign(&before, &request, "test").map(drop)
        })
        .await;
    office.run_for(TimeDelta::days(4)).await;
    assert_eq!((office.sent_to(HOOK).len(), office.sent_to(OTHER).len()), (1, 10));
    let states: Vec<_> = office
        .deliveries(DeliveryFilter::default())
        .await
        .into_iter()
        .map(|delivery| delivery.state)
        .collect();
    assert_eq!(states, [DeliveryState::Canceled, DeliveryState::Dead]);
    office.check().await;
}

#[tokio::test]
async fn however_many_wait_they_go_out_a_few_at_a_time_and_one_at_a_time_where_none_is_taken() {
    let mut office = Office::open(|post| answer(if post.url == HOOK { 500 } else { 200 }));
    let campaign = office.campaign(json!([{"url": HOOK}, {"url": OTHER}])).await;
    for _ in 0..100 {
        office.toggle(&campaign).await;
    }
    let first = office.deliverer.turn().await.unwrap();
    assert_eq!(first.under_way, 16);
    for _ in 0..16 {
        office.deliverer.wait_for_an_answer().await;
    }
    let second = office.deliverer.turn().await.unwrap();
    assert_eq!(second.under_way, 9);
    office.run_for(TimeDelta::minutes(4)).await;
    assert_eq!(office.sent_to(OTHER).len(), 100);
    assert_eq!(office.sent_to(HOOK).len(), 200);
}

#[tokio::test]
async fn deliveries_that_ended_are_forgotten_in_time_and_those_that_wait_are_not() {
    let mut office = Office::open(|post| answer(if post.url == HOOK { 503 } else { 200 }));
    let campaign = office.campaign(json!([{"url": HOOK}, {"url": OTHER}])).await;
    office.toggle(&campaign).await;
    office.run_for(TimeDelta::days(2)).await;
    let forget = |kept| office.write(move |tx| tx.forget_old_deliveries(kept));
    assert!(!forget(TimeDelta::days(3)).await);
    assert!(forget(TimeDelta::days(2)).await);
    let [left] = &office.deliveries(DeliveryFilter::default()).await[..] else { panic!() };
    assert_eq!((left.endpoint_id, left.state), (1, DeliveryState::Pending));
    office.check().await;
}

#[tokio::test]
async fn a_deleted_campaign_tells_its_end_and_is_then_purged_with_its_deliveries() {
    let mut office = Office::open(|_| answer(200));
    office.everywhere(json!({"url": OTHER})).await;
    let campaign = office.campaign(json!([{"url": HOOK}])).await;
    office.toggle(&campaign).await;
    let id = campaign.id;
    office.write(move |tx| tx.delete_campaign(id, "test")).await;
    office.run_for(TimeDelta::days(40)).await;
    let reasons: Vec<Value> = office
        .sent_to(HOOK)
        .iter()
        .map(|post| post.body.parse::<Value>().unwrap()["data"]["reason"].clone())
        .collect();
    assert_eq!(reasons, [json!(null), json!("deleted")]);
    while office.write(|tx| tx.purge_deleted(TimeDelta::days(30))).await {}
    let left = office.store.read(|s| Ok::<_, StoreError>((s.endpoint(2)?, s.delivery(1)?))).await.unwrap();
    assert_eq!(left, (None, None));
    assert!(office.endpoint(1).await.is_enabled());
    office.check().await;
}

#[tokio::test]
async fn an_event_is_kept_as_long_as_somebody_waits_for_it() {
    let mut office = Office::open(|_| answer(500));
    let campaign = office.campaign(json!([{"url": HOOK}])).await;
    office.toggle(&campaign).await;
    office.run_for(TimeDelta::days(2)).await;
    let prune = || office.write(|tx| tx.prune_events(TimeDelta::days(1)));
    prune().await;
    assert!(office.store.read(|s| s.payload(1)).await.is_ok());
    office.run_for(TimeDelta::days(2)).await;
    office.write(|tx| tx.prune_events(TimeDelta::days(1))).await;
    assert!(office.deliveries(DeliveryFilter::default()).await.is_empty(), "it went with its event");
    office.check().await;
}

#[tokio::test]
async fn whoever_was_erased_is_in_no_payload_and_in_no_answer_any_more() {
    let mut office = Office::open(|post| Reply::Answered {
        status: 500,
        retry_after: None,
        excerpt: post.body[..200].to_owned(),
    });
    let campaign = office.campaign(json!([{"url": HOOK, "events": ["call.completed"]}])).await;
    let phone = office.call_somebody(campaign.id).await;
    office.run_for(TimeDelta::zero()).await;
    office.store.erase(phone).await.unwrap();
    office.run_for(TimeDelta::seconds(10)).await;
    let sent = office.sent_to(HOOK);
    assert!(sent[0].body.contains(&phone.to_string()));
    let data = &sent[1].body.parse::<Value>().unwrap()["data"];
    assert_eq!((&data["lead"]["phone"], &data["lead"]["name"]), (&json!(null), &json!(null)));
    let tries = office.store.read(|s| s.tries(1)).await.unwrap();
    assert_eq!((tries.len(), tries[0].excerpt.as_str()), (2, ""));
}

#[tokio::test]
async fn while_the_database_takes_nothing_no_try_is_made_again() {
    let mut office = Office::open(|_| answer(200));
    let campaign = office.campaign(json!([{"url": HOOK}])).await;
    office.toggle(&campaign).await;
    office.deliverer.turn().await.unwrap();
    office.deliverer.wait_for_an_answer().await;
    let connection = rusqlite::Connection::open(data_file(office.folder.path())).unwrap();
    let full = "CREATE TRIGGER full BEFORE INSERT ON delivery_tries BEGIN SELECT RAISE(ABORT, 'no'); END";
    connection.execute_batch(full).unwrap();
    for _ in 0..5 {
        assert!(office.deliverer.turn().await.is_err());
    }
    connection.execute_batch("DROP TRIGGER full").unwrap();
    office.run_for(TimeDelta::days(1)).await;
    assert_eq!(office.sent().len(), 1);
    let [delivery] = &office.deliveries(DeliveryFilter::default()).await[..] else { panic!() };
    assert_eq!(delivery.state, DeliveryState::Delivered);
}

/// The names of the fields, in their order, and what kind of value each has.
fn shape(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        // Everybody's own.
        Value::Object(_) if path.ends_with(".variables") => found.push(path.into()),
        Value::Object(object) => {
            object.iter().for_each(|(name, value)| shape(value, &format!("{path}.{name}"), found))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            found.push(path.into())
        }
    }
}

#[tokio::test]
async fn the_readme_shows_every_event_as_it_is_sent() {
    let mut office = Office::open(|_| answer(200));
    office.everywhere(json!({"url": HOOK})).await;
    let campaign = office.campaign(json!([])).await;
    office.toggle(&campaign).await;
    let id = campaign.id;
    office.call_somebody(id).await;
    office
        .write(move |tx| {
            let campaign = tx.campaign(id)?.unwrap();
            tx.emit(id, &Event::error(&campaign, "test", "A test.", "Nothing.", "1"))
        })
        .await;
    office.run_for(TimeDelta::zero()).await;
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let examples: Vec<Value> = readme
        .split("```json\n{\"type\":")
        .skip(1)
        .map(|rest| format!("{{\"type\":{}", rest.split("\n```").next().unwrap()).parse().unwrap())
        .collect();
    assert_eq!(examples.len(), EventType::all().len());
    for event in EventType::all() {
        let sent: Vec<Value> = office.sent_to(HOOK).iter().map(|post| post.body.parse().unwrap()).collect();
        let is_it = |value: &&Value| value["type"] == event.to_string();
        let (mut shown, mut found) = (Vec::new(), Vec::new());
        shape(examples.iter().find(is_it).unwrap(), "", &mut shown);
        shape(sent.iter().find(is_it).unwrap(), "", &mut found);
        assert_eq!(shown, found, "{event}");
    }
}
