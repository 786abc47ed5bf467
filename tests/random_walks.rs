//! Random walks through everything that can happen to campaigns, in virtual time: settings, edits, imports,
//! pauses, deletions, clocks that jump, crashes and stops, in any order. A model that knows nothing but the
//! order of things watches every step; the invariants are recounted on the way.
//!
//! `VC_TEST_WALKS` sets how many walks, `VC_TEST_SEED` which ones. What a walk that failed left behind can be rehearsed, to be
//! looked at call by call: `VC_TEST_REPLAY` names the folder.

use crate::support::evidence::{self, Evidence};
use crate::support::world::{MONDAY_NOON, World, at, folder_in_memory, story, suppression};
use chrono::{DateTime, Days, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use voice_campaigns::carrier::simulator::Settings;
use voice_campaigns::clock::Manual;
use voice_campaigns::domain::call::Call;
use voice_campaigns::domain::campaign::{Campaign, LeadTimeZonePolicy, Request, Status};
use voice_campaigns::domain::fields::Words;
use voice_campaigns::domain::gate::{DialingState, Gate};
use voice_campaigns::domain::guard::Guard;
use voice_campaigns::domain::holds;
use voice_campaigns::domain::lead::{Lead, LeadStatus, NewLead};
use voice_campaigns::domain::money::Money;
use voice_campaigns::domain::outcome::Outcome;
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::rehearsal::{Copy, Placed, Trunk, play_listed};
use voice_campaigns::store::{CallFilter, CampaignFilter, Erasure, Store, StoreError, Tx, data_file};

/// What the data of a walk that failed are called.
const WALK: &str = "random-walk";

/// One step of a walk. Campaigns and leads are named by any number; the walk takes it modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    Create { settings: Value, leads: Vec<Value> },
    Import { campaign: usize, leads: Vec<Value> },
    Edit { campaign: usize, settings: Value },
    Move { campaign: usize, to: Status },
    DeleteLead { campaign: usize, lead: usize },
    EditLead { campaign: usize, lead: usize, change: Value },
    CallBack { campaign: usize, lead: usize, seconds: i64 },
    CancelLead { campaign: usize, lead: usize },
    Retry { campaign: usize, outcomes: Vec<Outcome> },
    DeleteCampaign { campaign: usize },
    Purge { retention_days: i64 },
    DoNotCall { number: String },
    Allow { number: String },
    Erase { number: String },
    HangUp { nth: usize },
    StopDialing { hang_up: bool },
    StartDialing,
    Guard { calls: u32, spend: Option<i64> },
    Pass { seconds: i64 },
    Jump { seconds: i64 },
    Crash,
    Stop { grace_seconds: i64 },
}

fn numbers() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => (101u16..=113, 0usize..12).prop_map(|(code, area)| story(code, area)),
        3 => (0u16..60).prop_map(|n| format!("+1202600{n:04}")),
    ]
}

const ZONES: [&str; 6] =
    ["UTC", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "Europe/London", "Pacific/Kiritimati"];

fn leads() -> impl Strategy<Value = Vec<Value>> {
    let lead = (
        numbers(),
        proptest::option::weighted(0.3, select(&ZONES[..])),
        proptest::option::weighted(0.7, Just("Ada")),
        proptest::option::weighted(0.5, Just("gold")),
        1..=5,
        proptest::option::weighted(0.3, (0..24).prop_map(|hour| format!("{hour:02}:00"))),
    );
    vec(
        lead.prop_map(|(phone, zone, first_name, plan, priority, best_time)| {
            let variables = plan.map_or(json!({}), |plan| json!({"plan": plan}));
            json!({"phone": phone, "time_zone": zone, "first_name": first_name, "priority": priority,
                   "best_time_to_call": best_time, "variables": variables})
        }),
        1..15,
    )
}

/// What may be changed about a lead.
fn lead_changes() -> impl Strategy<Value = Value> {
    prop_oneof![
        numbers().prop_map(|phone| json!({"phone": phone})),
        select(&ZONES[..]).prop_map(|zone| json!({"time_zone": zone})),
        Just(json!({"time_zone": null, "first_name": null})),
        Just(json!({"first_name": "Ada", "variables": {"plan": "gold"}})),
        (1..=5).prop_map(|priority| json!({"priority": priority})),
        (0..24).prop_map(|hour| json!({"best_time_to_call": format!("{hour:02}:00")})),
    ]
}

/// A date in the weeks of the walk.
fn dates() -> impl Strategy<Value = String> {
    (0u64..30).prop_map(|days| (at(MONDAY_NOON).date_naive() + Days::new(days)).to_string())
}

/// Some settings; the others stay as they are.
fn settings() -> impl Strategy<Value = Value> {
    fn one_of<const N: usize>(name: &'static str, values: [Value; N]) -> BoxedStrategy<Vec<(String, Value)>> {
        select(values.to_vec()).prop_map(move |value| vec![(name.to_owned(), value)]).boxed()
    }
    let hours = [
        ("00:00:00", "23:59:59"),
        ("00:00:00", "23:59:59"),
        ("09:00:00", "17:00:00"),
        ("22:00:00", "02:00:00"),
        ("12:00:00", "12:30:00"),
    ];
    let hours = select(hours.to_vec()).prop_map(|(start, end)| {
        vec![("calling_hours_start".to_owned(), json!(start)), ("calling_hours_end".to_owned(), json!(end))]
    });
    let date = |name: &'static str| {
        proptest::option::of(dates()).prop_map(move |date| vec![(name.to_owned(), json!(date))])
    };
    let weekend = json!(["Saturday", "Sunday"]);
    let week = json!(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]);
    let setting = prop_oneof![
        hours,
        date("start_date"),
        date("end_date"),
        one_of("working_days", [week, weekend, json!(["Monday"])]),
        one_of("time_zone", ZONES.map(|zone| json!(zone))),
        one_of("calls_per_day", [1, 2, 5, 20, 1_000_000].map(|calls| json!(calls))),
        one_of("max_attempts_per_lead", [1, 2, 3, 7, 20].map(|attempts| json!(attempts))),
        one_of("retry_delay_minutes", [1, 10, 60, 3_000].map(|minutes| json!(minutes))),
        one_of("call_duration_limit", [10, 30, 300].map(|seconds| json!(seconds))),
        one_of("success_criteria", ["call_completed", "message_left", "sale_made"].map(|text| json!(text))),
        one_of("cost_per_call", [0.0, 0.3, 1.25, 0.0001].map(|cost| json!(cost))),
        one_of("budget", [json!(null), json!(0), json!(1), json!(3.7), json!(20)]),
        one_of("budget_alert_threshold", [1, 50, 100].map(|percent| json!(percent))),
        one_of("max_concurrent_calls", [1, 3, 10, 50].map(|calls| json!(calls))),
        one_of("ring_timeout_seconds", [15, 30, 120].map(|seconds| json!(seconds))),
        one_of("lead_time_zone_policy", ["campaign", "lead"].map(|policy| json!(policy))),
        one_of("priority", ["low", "medium", "high"].map(|priority| json!(priority))),
        one_of("campaign_type", ["outbound", "outbound", "inbound"].map(|word| json!(word))),
        one_of(
            "keys",
            [
                json!(null),
                json!({"1": "call_back", "2": "no", "9": "opt_out"}),
                json!({"1": "yes", "2": "opt_out"}),
            ]
        ),
        one_of("fallback_script", [json!(null), json!("Please call us back about {plan}.")]),
        one_of(
            "recurrence_rule",
            [json!(null), json!("FREQ=DAILY;INTERVAL=2"), json!("FREQ=WEEKLY;BYDAY=MO,WE,SA")]
        ),
        one_of(
            "script_template",
            ["Hello.", "Hello {name}.", "Hello {name|there}, your {plan} plan ends."].map(|text| json!(text))
        ),
    ];
    vec(setting, 0..6).prop_map(|set| Value::Object(set.into_iter().flatten().collect::<Map<_, _>>()))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let campaign = 0usize..8;
    let created = (settings(), leads()).prop_map(|(settings, leads)| Step::Create { settings, leads });
    let statuses = [Status::Active, Status::Active, Status::Paused, Status::Completed, Status::Draft];
    let pass = prop_oneof![1..120i64, 60..10_800i64, 3_600..86_400i64, 86_400..345_600i64];
    let jump = prop_oneof![1..6i64, 5..120i64, 60..86_400i64, 86_400..34_560_000i64];
    let jump = (jump, any::<bool>()).prop_map(|(by, back)| if back { -by } else { by });
    let step = prop_oneof![
        4 => created,
        5 => (campaign.clone(), leads()).prop_map(|(campaign, leads)| Step::Import { campaign, leads }),
        7 => (campaign.clone(), settings())
            .prop_map(|(campaign, settings)| Step::Edit { campaign, settings }),
        5 => (campaign.clone(), select(statuses.to_vec()))
            .prop_map(|(campaign, to)| Step::Move { campaign, to }),
        2 => (campaign.clone(), 0usize..30).prop_map(|(campaign, lead)| Step::DeleteLead { campaign, lead }),
        2 => (campaign.clone(), 0usize..30, lead_changes())
            .prop_map(|(campaign, lead, change)| Step::EditLead { campaign, lead, change }),
        3 => (campaign.clone(), 0usize..30, 0i64..200_000)
            .prop_map(|(campaign, lead, seconds)| Step::CallBack { campaign, lead, seconds }),
        1 => (campaign.clone(), 0usize..30).prop_map(|(campaign, lead)| Step::CancelLead { campaign, lead }),
        2 => (campaign.clone(), vec(select(Outcome::all()), 1..5))
            .prop_map(|(campaign, outcomes)| Step::Retry { campaign, outcomes }),
        1 => campaign.prop_map(|campaign| Step::DeleteCampaign { campaign }),
        1 => (0i64..10).prop_map(|retention_days| Step::Purge { retention_days }),
        1 => numbers().prop_map(|number| Step::DoNotCall { number }),
        1 => numbers().prop_map(|number| Step::Allow { number }),
        1 => numbers().prop_map(|number| Step::Erase { number }),
        2 => (0usize..4).prop_map(|nth| Step::HangUp { nth }),
        1 => any::<bool>().prop_map(|hang_up| Step::StopDialing { hang_up }),
        3 => Just(Step::StartDialing),
        1 => (1u32..5, proptest::option::of(0i64..8)).prop_map(|(calls, spend)| Step::Guard { calls, spend }),
        16 => pass.prop_map(|seconds| Step::Pass { seconds }),
        2 => jump.prop_map(|seconds| Step::Jump { seconds }),
        2 => Just(Step::Crash),
        1 => (0i64..20).prop_map(|grace_seconds| Step::Stop { grace_seconds }),
    ];
    let first = (settings(), leads()).prop_map(|(settings, leads)| Step::Create { settings, leads });
    (first, vec(step, 39)).prop_map(|(first, rest)| [vec![first], rest].concat())
}

/// A call as the model looks at it.
struct Seen {
    id: i64,
    campaign_id: i64,
    attempt: i64,
    phone: String,
    placed_at: DateTime<Utc>,
}

/// The world, and what is known of it without asking the dialer.
struct Walk {
    world: World,
    /// In the order they were made, the purged ones as well.
    campaigns: Vec<i64>,
    /// The last call that was looked at.
    last_call: i64,
    /// Numbers that were on the list when the last step was over.
    opted_out: HashSet<String>,
    /// Numbers of people who were erased.
    erased: HashSet<String>,
    /// How often a number may be called in 24 hours.
    calls_per_number: i64,
    /// The last call there was when somebody stopped all dialing.
    stopped_at: Option<i64>,
}

impl Walk {
    async fn new() -> Walk {
        let world = World::new(MONDAY_NOON).await;
        Walk {
            world,
            campaigns: Vec::new(),
            last_call: 0,
            opted_out: HashSet::new(),
            erased: HashSet::new(),
            calls_per_number: i64::MAX,
            stopped_at: None,
        }
    }

    fn sql<T>(&self, sql: &str, read: impl Fn(&rusqlite::Row) -> rusqlite::Result<T>) -> Vec<T> {
        let connection = self.world.store.pool().get().unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| read(row)).unwrap().map(Result::unwrap).collect()
    }

    fn new_calls(&self) -> Vec<Seen> {
        let sql = format!(
            "SELECT id, campaign_id, attempt, phone, placed_at FROM calls WHERE id > {} ORDER BY id",
            self.last_call
        );
        self.sql(&sql, |row| {
            Ok(Seen {
                id: row.get(0)?,
                campaign_id: row.get(1)?,
                attempt: row.get(2)?,
                phone: row.get(3)?,
                placed_at: DateTime::from_timestamp_millis(row.get(4)?).unwrap(),
            })
        })
    }

    fn open_calls(&self, of: &str) -> Vec<i64> {
        self.sql(&format!("SELECT id FROM calls WHERE state <> 'ended' AND {of}"), |row| row.get(0))
    }

    fn named(&self, number: usize) -> i64 {
        self.campaigns[number % self.campaigns.len()]
    }

    async fn campaign(&self, id: i64) -> Option<Campaign> {
        self.world.store.read(move |s| s.campaign_even_deleted(id)).await.unwrap()
    }

    /// All that are not deleted, as they are.
    async fn living(&self) -> Vec<Campaign> {
        let mut living = Vec::new();
        for id in self.campaigns.clone() {
            living.extend(self.world.store.read(move |s| s.campaign(id)).await.unwrap());
        }
        living
    }

    /// Takes a step. Everything that is asked may be refused; then nothing happens.
    async fn take(&mut self, step: Step) {
        match step {
            Step::Create { settings, leads } => self.create(settings, leads).await,
            Step::Import { campaign, leads } => self.import(self.named(campaign), leads).await,
            Step::Edit { campaign, settings } => self.edit(self.named(campaign), settings).await,
            Step::Move { campaign, to } => {
                self.edit(self.named(campaign), json!({"status": to.to_string()})).await;
            }
            Step::DeleteLead { campaign, lead } => self.delete_lead(self.named(campaign), lead).await,
            Step::EditLead { campaign, lead, change } => {
                self.touch_lead(self.named(campaign), lead, move |tx, lead, _| {
                    let about = lead.about.edited(change, None).unwrap();
                    tx.edit_lead(lead, &about).map(drop)
                })
                .await;
            }
            Step::CallBack { campaign, lead, seconds } => {
                self.touch_lead(self.named(campaign), lead, move |tx, lead, campaign| {
                    let at = tx.now + TimeDelta::seconds(seconds);
                    tx.arrange_call_back(campaign, lead, at).map(drop)
                })
                .await;
            }
            Step::CancelLead { campaign, lead } => {
                self.touch_lead(self.named(campaign), lead, |tx, lead, _| match lead.status {
                    LeadStatus::Pending | LeadStatus::Scheduled => tx.finish_lead(lead, LeadStatus::Canceled),
                    _ => Ok(()),
                })
                .await;
            }
            Step::Retry { campaign, outcomes } => self.retry(self.named(campaign), outcomes).await,
            Step::DeleteCampaign { campaign } => self.delete_campaign(self.named(campaign)).await,
            Step::Purge { retention_days } => {
                let retention = TimeDelta::days(retention_days);
                while self.world.write(move |tx| tx.purge_deleted(retention)).await {}
            }
            Step::DoNotCall { number } => {
                let phone = Phone::from_e164(&number).unwrap();
                let list = self.world.store.write_and_wait_for_dials(move |tx| {
                    tx.add_to_do_not_call_list(phone, &suppression("asked by letter"))
                });
                list.await.unwrap();
            }
            Step::Allow { number } => {
                let phone = Phone::from_e164(&number).unwrap();
                self.world
                    .write(move |tx| tx.remove_from_do_not_call_list(phone, &suppression("called us")))
                    .await;
                self.opted_out.retain(|known| *known != number || self.erased.contains(known));
            }
            Step::Erase { number } => self.erase(Phone::from_e164(&number).unwrap()).await,
            Step::HangUp { nth } => {
                if let Some(call) = self.open_calls("true").get(nth).copied() {
                    assert!(self.world.write(move |tx| tx.hang_up_call(call, "test")).await);
                    // As long as a carrier may take to confirm that it has hung up.
                    self.world.run_for(TimeDelta::seconds(11)).await;
                    assert!(!self.open_calls("true").contains(&call), "it is hung up at once");
                }
            }
            Step::StopDialing { hang_up } => {
                let stop = self.world.store.write_and_wait_for_dials(move |tx| {
                    tx.stop_dialing("test", None)?;
                    if hang_up { tx.hang_up() } else { Ok::<_, StoreError>(()) }
                });
                stop.await.unwrap();
                self.stopped_at = Some(self.dials());
                if hang_up {
                    // As long as a carrier may take to confirm that it has hung up.
                    self.world.run_for(TimeDelta::seconds(11)).await;
                    assert_eq!(self.open_calls("true"), [] as [i64; 0], "all calls are hung up at once");
                }
            }
            Step::StartDialing => {
                self.world.write(|tx| tx.start_dialing()).await;
                self.stopped_at = None;
            }
            Step::Guard { calls, spend } => {
                let spend_per_day = spend.map(|units| Money::from_ten_thousandths(units * 10_000));
                let calls_per_number_per_day = if calls == 4 { 1_000_000 } else { calls };
                self.calls_per_number = i64::from(calls_per_number_per_day);
                self.world.set_guard(Guard { calls_per_number_per_day, spend_per_day, ..Guard::default() });
            }
            Step::Pass { seconds } => self.pass(TimeDelta::seconds(seconds)).await,
            Step::Jump { seconds } => {
                self.world.clock.jump(TimeDelta::seconds(seconds));
                self.world.settle_down().await;
            }
            Step::Crash => {
                self.world.restart().await;
                assert_eq!(self.open_calls("true"), [] as [i64; 0], "a start leaves no call open");
            }
            Step::Stop { grace_seconds } => {
                let dials = self.dials();
                self.world.stop(TimeDelta::seconds(grace_seconds)).await;
                assert_eq!(self.dials(), dials, "a stop dials nobody");
                assert_eq!(self.open_calls("true"), [] as [i64; 0], "a stop leaves no call open");
                self.world.restart().await;
            }
        }
        self.look().await;
    }

    /// Whoever is in a call is hung up first.
    async fn erase(&mut self, phone: Phone) {
        let erased = self.world.store.erase(phone).await.unwrap();
        self.erased.insert(phone.to_string());
        self.opted_out.insert(phone.to_string());
        if erased == Erasure::InCall {
            return;
        }
        let left = "SELECT (SELECT count(*) FROM leads WHERE phone = '@') + (SELECT count(*) FROM calls WHERE phone = '@')
                      + (SELECT count(*) FROM do_not_call WHERE phone = '@')
                      + (SELECT count(*) FROM events WHERE data LIKE '%@%')";
        let left = self.sql(&left.replace('@', &phone.to_string()), |row| row.get::<_, i64>(0));
        assert_eq!(left, [0], "{phone} is left");
    }

    async fn create(&mut self, settings: Value, leads: Vec<Value>) {
        let mut body = json!({
            "name": "Survey", "status": "active", "calls_per_day": 1_000_000,
            "calling_hours_start": "00:00:00", "calling_hours_end": "23:59:59",
            "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
            "system_prompt": "Be kind", "script_template": "Hello, this is a survey call.",
            "max_concurrent_calls": 10,
        });
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let Ok(request) = Request::read(body.clone(), None).or_else(|_| {
            body["end_date"] = Value::Null;
            Request::read(body, None)
        }) else {
            panic!("the settings of a walk are valid one by one: {settings}");
        };
        let id = self.world.write(move |tx| tx.insert_campaign(&request, "test")).await.id;
        self.campaigns.push(id);
        self.import(id, leads).await;
    }

    async fn import(&self, id: i64, leads: Vec<Value>) {
        let leads: Vec<NewLead> = leads.into_iter().map(|lead| NewLead::read(lead, None).unwrap()).collect();
        self.world
            .write(move |tx| match tx.campaign(id)? {
                Some(_) => tx.insert_leads(id, &leads).map(drop),
                None => Ok(()),
            })
            .await;
    }

    async fn edit(&self, id: i64, changes: Value) {
        let edited = self.world.store.write_and_wait_for_dials(move |tx| {
            let Some(before) = tx.campaign(id)? else { return Ok(()) };
            match Request::read(changes, Some(&before.settings)) {
                Ok(request) => tx.update_campaign(&before, &request, "test").map(drop),
                Err(_) => Ok::<_, StoreError>(()),
            }
        });
        edited.await.unwrap();
    }

    /// Does something with a lead of a campaign, if both are there.
    async fn touch_lead(
        &self,
        campaign_id: i64,
        number: usize,
        touch: impl FnOnce(&Tx, &Lead, &Campaign) -> Result<(), StoreError> + Send + 'static,
    ) {
        let Some(id) = self.lead_named(campaign_id, number) else { return };
        let touched = self.world.store.write_and_wait_for_dials(move |tx| match tx.lead(id)? {
            Some(lead) => touch(tx, &lead, &tx.campaign(campaign_id)?.unwrap()),
            None => Ok(()),
        });
        touched.await.unwrap();
    }

    async fn retry(&self, campaign_id: i64, outcomes: Vec<Outcome>) {
        self.world
            .write(move |tx| {
                let Some(campaign) = tx.campaign(campaign_id)? else { return Ok(()) };
                for status in [LeadStatus::Completed, LeadStatus::Failed] {
                    tx.retry_leads(&campaign, status, &outcomes, 0, 1_000)?;
                }
                Ok(())
            })
            .await;
    }

    async fn delete_lead(&self, campaign_id: i64, number: usize) {
        if let Some(id) = self.lead_named(campaign_id, number) {
            self.world.store.write_and_wait_for_dials(move |tx| tx.delete_lead(id)).await.unwrap();
        }
    }

    fn lead_named(&self, campaign_id: i64, number: usize) -> Option<i64> {
        let leads: Vec<i64> = self.sql(
            &format!(
                "SELECT id FROM leads WHERE campaign_id = {campaign_id} AND deleted_at IS NULL ORDER BY id"
            ),
            |row| row.get(0),
        );
        leads.get(number % leads.len().max(1)).copied()
    }

    async fn delete_campaign(&mut self, id: i64) {
        self.world.store.write_and_wait_for_dials(move |tx| tx.delete_campaign(id, "test")).await.unwrap();
        // As long as a carrier may take to confirm that it has hung up.
        self.world.run_for(TimeDelta::seconds(11)).await;
        let open = self.open_calls(&format!("campaign_id = {id}"));
        assert_eq!(open, [] as [i64; 0], "the calls of a deleted campaign are hung up at once");
    }

    /// Lets time pass in pieces, so that the model sees every day. Meanwhile nobody changes anything.
    async fn pass(&mut self, mut left: TimeDelta) {
        const PIECE: TimeDelta = TimeDelta::hours(8);
        while left > TimeDelta::zero() {
            self.world.run_for(left.min(PIECE)).await;
            self.look().await;
            left -= PIECE;
        }
    }

    fn dials(&self) -> i64 {
        self.sql("SELECT coalesce(max(id), 0) FROM calls", |row| row.get(0))[0]
    }

    /// Lets what is due happen, then looks at every call that is new since the last look: it was allowed by
    /// the settings, which nobody has changed since the last step.
    async fn look(&mut self) {
        self.world.settle_down().await;
        if let Some(last) = self.stopped_at {
            assert!(self.dials() <= last, "somebody was dialed while all dialing was stopped");
        }
        let calls = self.new_calls();
        for call in &calls {
            let about = format!("call {} of campaign {}", call.id, call.campaign_id);
            let campaign = self.campaign(call.campaign_id).await.unwrap();
            let settings = &campaign.settings;
            assert!(call.attempt <= settings.max_attempts_per_lead, "{about}: attempt {}", call.attempt);
            assert!(!self.opted_out.contains(&call.phone), "{about}: {} opted out", call.phone);
            let of_number = self.sql(
                &format!(
                    "SELECT count(*) FROM calls WHERE phone = '{}' AND id <= {} AND placed_at > {}",
                    call.phone,
                    call.id,
                    (call.placed_at - TimeDelta::hours(24)).timestamp_millis()
                ),
                |row| row.get::<_, i64>(0),
            );
            assert!(of_number[0] <= self.calls_per_number, "{about}: {} is called too often", call.phone);
            assert!(settings.start_date.is_none_or(|start| start <= call.placed_at), "{about}: early");
            assert!(settings.end_date.is_none_or(|end| call.placed_at < end), "{about}: late");
            self.last_call = call.id;
        }
        let campaigns: HashSet<i64> = calls.iter().map(|call| call.campaign_id).collect();
        for id in campaigns {
            let Campaign { settings, totals, .. } = self.campaign(id).await.unwrap();
            let within = |budget| totals.spent + totals.reserved <= budget;
            assert!(settings.budget.is_none_or(within), "campaign {id}: over its budget");
            let days: Vec<i64> = self.sql(
                &format!(
                    "SELECT count(*) FROM calls WHERE campaign_id = {id} AND local_date IN
                       (SELECT local_date FROM calls WHERE campaign_id = {id} AND id >= {}) GROUP BY local_date",
                    calls[0].id
                ),
                |row| row.get(0),
            );
            assert!(days.iter().all(|dials| *dials <= settings.calls_per_day), "campaign {id}: {days:?}");
        }
        self.opted_out = self.sql("SELECT phone FROM do_not_call", |row| row.get(0)).into_iter().collect();
        self.opted_out.extend(self.erased.iter().cloned());
        self.nobody_is_forgotten().await;
    }

    /// Nothing is due any more, so a campaign with nobody on the line must have a reason to wait.
    async fn nobody_is_forgotten(&self) {
        for campaign in self.living().await {
            self.every_wait_has_a_reason(campaign.clone()).await;
            // Where the hours are those of each lead, the campaign as a whole cannot tell.
            if campaign.settings.lead_time_zone_policy == LeadTimeZonePolicy::Lead {
                continue;
            }
            let id = campaign.id;
            let dialing = self
                .world
                .store
                .read(move |s| {
                    let (dials, queue) = (s.dials_today(&campaign)?, s.queue(&campaign)?);
                    let gate = Gate::new(&campaign, dials, s.overall()?, s.now);
                    let is_idle = campaign.totals.in_progress_calls == 0;
                    Ok::<_, StoreError>(is_idle.then(|| gate.dialing(&queue, s.clock_hold())))
                })
                .await
                .unwrap();
            if let Some(dialing) = dialing {
                assert_ne!(dialing.state, DialingState::Calling, "campaign {id} is due, and nobody dials");
            }
        }
    }

    /// The leads counted by the reason why they wait are those that wait.
    async fn every_wait_has_a_reason(&self, campaign: Campaign) {
        let (counted, holds) = self
            .world
            .store
            .read(move |s| {
                let gate = Gate::new(&campaign, s.dials_today(&campaign)?, s.overall()?, s.now);
                let holds = holds::breakdown(&gate, s.clock_hold(), &s.waiting(campaign.id)?);
                let waiting = [LeadStatus::Pending, LeadStatus::Scheduled];
                let counts = s.lead_counts(campaign.id)?.into_iter();
                let counted = counts.filter(|(status, _)| waiting.contains(status)).map(|(_, count)| count);
                Ok::<_, StoreError>((counted.sum::<i64>(), holds))
            })
            .await
            .unwrap();
        let told: i64 = holds.holds.iter().map(|hold| hold.leads).sum();
        assert_eq!((holds.waiting_leads, told + holds.ready_leads), (counted, counted), "{holds:?}");
    }

    /// Leaves everything alone for so long that every call is over.
    async fn come_to_an_end(&mut self) {
        self.pass(TimeDelta::days(3)).await;
        self.world.stop(TimeDelta::minutes(10)).await;
        assert_eq!(self.open_calls("true"), [] as [i64; 0]);
        for campaign in self.living().await {
            let totals = &campaign.totals;
            assert_eq!(totals.completed_calls, totals.successful_calls + totals.failed_calls);
            assert_eq!((totals.in_progress_calls, totals.reserved.ten_thousandths()), (0, 0));
        }
        self.world.check().await;
    }
}

/// How much a walk saw, so that walks which see nothing do not pass for proof.
#[derive(Debug, Default)]
struct Sum {
    calls: i64,
    outcomes: BTreeMap<String, i64>,
}

fn walk(steps: Vec<Step>) -> Sum {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut walk = Walk::new().await;
        let _evidence = Evidence::of(walk.world.folder.path(), WALK);
        for (index, step) in steps.into_iter().enumerate() {
            walk.take(step).await;
            if index % 5 == 4 {
                walk.world.check().await;
            }
        }
        walk.come_to_an_end().await;
        let outcomes = walk.sql("SELECT outcome, count(*) FROM calls GROUP BY outcome", |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        Sum { calls: outcomes.iter().map(|(_, calls)| calls).sum(), outcomes: outcomes.into_iter().collect() }
    })
}

#[test]
fn whatever_happens_in_whatever_order_every_rule_holds() {
    let walks = evidence::number("VC_TEST_WALKS", 40);
    let config = ProptestConfig {
        cases: u32::try_from(walks).unwrap(),
        rng_seed: RngSeed::Fixed(evidence::seed()),
        max_shrink_iters: 2_000,
        max_shrink_time: 30_000,
        // The seed is printed, and finds the walk again.
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let total = std::cell::RefCell::new(Sum::default());
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let result = runner.run(&steps(), |steps| {
        let sum = walk(steps);
        let mut total = total.borrow_mut();
        total.calls += sum.calls;
        for (outcome, calls) in sum.outcomes {
            *total.outcomes.entry(outcome).or_default() += calls;
        }
        Ok(())
    });
    if let Err(failure) = result {
        let (seed, kept) = (evidence::seed(), evidence::kept(WALK));
        panic!(
            "VC_TEST_SEED={seed}: {failure}\nWhat it led to, call by call: VC_TEST_SEED={seed} VC_TEST_REPLAY={} cargo test \
             --test all random_walks::what_a_walk_left_behind -- --nocapture",
            kept.display()
        );
    }
    let total = total.into_inner();
    println!("{walks} walks, {} calls: {:?}", total.calls, total.outcomes);
    assert!(total.calls as u64 > 20 * walks, "the walks called nobody");
}

/// What is known of a campaign in a data folder, and where it leads.
struct Replayed {
    campaign: Campaign,
    before: Vec<Call>,
    ahead: Vec<Placed>,
}

/// Rehearses every campaign of a data folder, on a copy, from the last moment that its dialer has seen; the same seed gives the
/// same calls.
async fn replay(folder: &Path, seed: u64) -> Vec<Replayed> {
    let copied = folder_in_memory();
    evidence::copy(folder, copied.path()).unwrap();
    let clock = Manual::new(DateTime::UNIX_EPOCH);
    let store = Store::open_beside(copied.path(), Arc::new(clock.clone())).unwrap();
    clock.advance_to(store.read(|snapshot| snapshot.last_seen_at()).await.unwrap());
    let trunk = Trunk { lines: Settings::default().channels, calls_per_second: None };
    let replayed = store.read(move |snapshot| {
        let mut replayed = Vec::new();
        for campaign in snapshot.campaigns(&CampaignFilter::default())? {
            let filter =
                CallFilter { campaign_id: Some(campaign.id), limit: 1_000_000, ..CallFilter::default() };
            let before = snapshot.calls(&filter)?.into_iter().rev().collect();
            let rates = snapshot.learned(&campaign)?.likely();
            let copy = Copy::of(snapshot, campaign.clone(), trunk).unwrap();
            let (_, ahead) = play_listed(&copy, &rates, snapshot.now, seed).unwrap();
            replayed.push(Replayed { campaign, before, ahead });
        }
        Ok::<_, StoreError>(replayed)
    });
    replayed.await.unwrap()
}

#[tokio::test]
async fn what_a_walk_left_behind_is_rehearsed_call_by_call() {
    if let Some(folder) = std::env::var_os("VC_TEST_REPLAY") {
        for Replayed { campaign, before, ahead } in replay(Path::new(&folder), evidence::seed()).await {
            println!("campaign {} ({}): {:?}", campaign.id, campaign.status, campaign.settings);
            for Call { lead_id, attempt, placed_at, ended_at, outcome, .. } in before {
                println!("  was   {placed_at} lead {lead_id} attempt {attempt}: {outcome:?} at {ended_at:?}");
            }
            for Placed { lead_id, attempt, placed_at, ended_at, outcome } in ahead {
                println!("  comes {placed_at} lead {lead_id} attempt {attempt}: {outcome} at {ended_at}");
            }
        }
        return;
    }
    let settings = json!({"retry_delay_minutes": 10, "calls_per_day": 5});
    let mut walk = walk_with(settings, (0..12).map(|nth| format!("+1202600{nth:04}"))).await;
    walk.pass(TimeDelta::hours(3)).await;
    let folder = walk.world.folder.path();
    let (first, again) = (replay(folder, 7).await, replay(folder, 7).await);
    let [Replayed { campaign, before, ahead }] = &first[..] else { panic!("there is one campaign") };
    assert_eq!(before.len() as i64, walk.dials());
    assert_eq!((before.len(), campaign.totals.attempts), (5, 5));
    let called: HashSet<i64> = before.iter().map(|call| call.lead_id).collect();
    let will_be: HashSet<i64> = ahead.iter().map(|call| call.lead_id).collect();
    assert_eq!(called.union(&will_be).count(), 12, "everybody was called or will be");
    assert!(ahead.iter().all(|call| call.placed_at > before[4].placed_at));
    assert_eq!(*ahead, again[0].ahead, "the same seed, the same calls");
    assert_eq!(walk.dials(), 5, "nobody was");
}

// What walks have found, told shortly.

async fn walk_with(settings: Value, phones: impl IntoIterator<Item = String>) -> Walk {
    let mut walk = Walk::new().await;
    walk.create(settings, phones.into_iter().map(|phone| json!({"phone": phone})).collect()).await;
    walk
}

#[tokio::test]
async fn a_lead_that_has_had_more_attempts_than_are_allowed_now_has_failed_and_holds_nobody_up() {
    let mut walk = walk_with(json!({"retry_delay_minutes": 10}), [story(105, 0), story(111, 0)]).await;
    walk.create(json!({}), vec![json!({"phone": story(105, 1)})]).await;
    walk.pass(TimeDelta::minutes(5)).await;
    walk.take(Step::Edit { campaign: 0, settings: json!({"max_attempts_per_lead": 1}) }).await;
    walk.come_to_an_end().await;
    let [edited, other] = [0, 1].map(|number| walk.named(number));
    let attempts = |id| {
        walk.sql(&format!("SELECT status || attempts FROM leads WHERE campaign_id = {id}"), |row| {
            row.get::<_, String>(0)
        })
    };
    assert_eq!(attempts(edited), ["failed1", "failed1"]);
    assert_eq!(attempts(other), ["failed3"]);
    assert_eq!(walk.campaign(edited).await.unwrap().status, Status::Completed);
}

#[tokio::test]
async fn calls_of_a_deleted_campaign_are_hung_up_even_while_the_clock_is_not_trusted() {
    let mut walk = walk_with(json!({}), [story(101, 0), story(104, 0)]).await;
    walk.pass(TimeDelta::seconds(2)).await;
    walk.take(Step::Jump { seconds: -3_600 }).await;
    assert_eq!(walk.open_calls("true").len(), 2);
    walk.take(Step::DeleteCampaign { campaign: 0 }).await;
    assert_eq!(walk.open_calls("true"), [] as [i64; 0]);
}

#[tokio::test]
async fn a_clock_that_was_ahead_for_a_moment_holds_nobody_up_after_a_restart() {
    let mut walk = walk_with(json!({}), [story(106, 0)]).await;
    walk.pass(TimeDelta::seconds(1)).await;
    walk.take(Step::Jump { seconds: 86_400 }).await;
    walk.pass(TimeDelta::seconds(30)).await;
    assert_eq!(walk.open_calls("true"), [] as [i64; 0], "the call ended on the wrong day");
    walk.take(Step::Jump { seconds: -86_400 }).await;
    walk.take(Step::Crash).await;
    walk.create(json!({}), vec![json!({"phone": story(101, 0)})]).await;
    walk.pass(TimeDelta::minutes(2)).await;
    assert_eq!(walk.dials(), 2);
}

#[tokio::test]
async fn a_server_started_again_under_a_clock_that_was_set_back_tells_each_campaign_once() {
    let mut walk = walk_with(json!({}), [story(104, 0)]).await;
    walk.pass(TimeDelta::seconds(1)).await;
    walk.take(Step::Jump { seconds: -86_400 }).await;
    walk.create(json!({}), vec![json!({"phone": story(101, 0)})]).await;
    walk.take(Step::Crash).await;
    walk.take(Step::Crash).await;
    let told: Vec<i64> =
        walk.sql("SELECT campaign_id FROM events WHERE key LIKE 'error:%:clock_jumped:%'", |row| row.get(0));
    assert_eq!(told, walk.campaigns);
    walk.world.check().await;
}

#[tokio::test]
async fn calls_that_ended_while_the_database_was_not_available_keep_their_outcome() {
    let mut walk = walk_with(json!({}), [story(102, 0), story(106, 0)]).await;
    walk.pass(TimeDelta::seconds(2)).await;
    let beside = rusqlite::Connection::open(data_file(walk.world.folder.path())).unwrap();
    beside.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(walk.world.run_carrier_alone(TimeDelta::minutes(1)).await.is_err());
    beside.execute_batch("ROLLBACK").unwrap();
    walk.world.settle_down().await;
    let outcomes = walk.sql("SELECT outcome FROM calls ORDER BY id", |row| row.get::<_, String>(0));
    assert_eq!(outcomes, ["hung_up", "rejected"]);
    walk.world.check().await;
}

#[tokio::test]
async fn a_check_misses_no_calls_that_went_with_their_deleted_campaign() {
    let mut walk = walk_with(json!({}), [story(101, 0)]).await;
    walk.pass(TimeDelta::minutes(5)).await;
    walk.take(Step::DeleteCampaign { campaign: 0 }).await;
    walk.take(Step::Purge { retention_days: 0 }).await;
    assert_eq!(walk.dials(), 0);
    walk.world.check().await;
}

#[tokio::test]
async fn whoever_opts_out_under_a_clock_that_was_set_back_does_so_after_the_calls_before() {
    let mut walk = walk_with(json!({}), [story(109, 0)]).await;
    walk.pass(TimeDelta::seconds(2)).await;
    walk.take(Step::Jump { seconds: -86_400 }).await;
    walk.pass(TimeDelta::minutes(2)).await;
    assert_eq!(walk.opted_out.len(), 1);
    walk.world.check().await;
}
