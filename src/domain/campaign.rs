//! A campaign: the order to reach leads. What a new one or a change to one must look like, and which status
//! may follow which. Knows the API's field names, not HTTP and not the store.

use super::Instant;
use super::agent::AgentKind;
use super::endpoint;
use super::fields::{self, Fields, Parsed, Words};
use super::guard::Guard;
use super::invalid::{Invalid, Refused};
use super::keys::{Action, KeyMap};
use super::money::Money;
use super::outcome::Criteria;
use super::phone::Phone;
use super::phrases::{OptOut, Phrases};
use super::recurrence::Recurrence;
use super::schedule::{self, CallingHours, DateOnly, Schedule, TimeOfDay, WorkingDays};
use super::script::Template;
use crate::words;
use chrono_tz::Tz;
use serde::Serialize;
use serde_json::Value;

words! {
    /// Where a campaign is in its life.
    ///
    /// ```text
    ///   draft ──► active ◄──► paused
    ///     │        │  ▲         │
    ///     │        ▼  │ reopen  │
    ///     └────► completed ◄────┘
    /// ```
    pub enum Status {
        /// Being prepared; nothing is dialed.
        Draft = "draft",
        /// Dialing whenever the hours and limits allow.
        Active = "active",
        /// Stopped for now, by a person or by the circuit breaker.
        Paused = "paused",
        /// Finished: every lead is done, the end date has passed, or a person said so.
        Completed = "completed",
    }
}

words! {
    /// How much of a scarce line a campaign gets beside others: high to medium to low is 4 : 2 : 1.
    pub enum Priority {
        /// Weight 1.
        Low = "low",
        /// Weight 2.
        Medium = "medium",
        /// Weight 4.
        High = "high",
    }
}

words! {
    /// Who calls whom. Only outbound campaigns dial.
    pub enum CampaignType {
        /// We call the leads.
        Outbound = "outbound",
        /// The leads call us; kept for the caller's books, never dialed.
        Inbound = "inbound",
    }
}

words! {
    /// The voice's gender, where the voice offers a choice.
    pub enum VoiceGender {
        /// A male voice.
        Male = "male",
        /// A female voice.
        Female = "female",
        /// Neither.
        Neutral = "neutral",
    }
}

words! {
    /// Whose clock the calling hours are read on.
    pub enum LeadTimeZonePolicy {
        /// The campaign's `time_zone`.
        Campaign = "campaign",
        /// Each lead's own: the zone it names, else all that its number can be in.
        Lead = "lead",
    }
}

words! {
    /// The facts that other systems can be told of.
    pub enum EventType {
        /// A call ended, however it ended.
        CallCompleted = "call.completed",
        /// The status changed, by a person or by itself.
        StatusChanged = "campaign.status_changed",
        /// The money spent crossed the alert threshold, or the whole budget.
        BudgetThresholdReached = "campaign.budget_threshold_reached",
        /// Something needs a person.
        Error = "campaign.error",
    }
}

impl Priority {
    /// Share of scarce capacity, relative to the other campaigns.
    pub fn weight(self) -> u64 {
        match self {
            Priority::Low => 1,
            Priority::Medium => 2,
            Priority::High => 4,
        }
    }
}

/// What a client may set; everything else about a campaign is a consequence.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// 1–200 characters.
    pub name: String,
    /// Up to 5,000 characters.
    pub description: Option<String>,
    /// Share of scarce capacity.
    pub priority: Priority,
    /// Outbound or inbound.
    pub campaign_type: CampaignType,
    /// Dials per local calendar day of `time_zone`.
    pub calls_per_day: i64,
    /// Local times between which dialing may start.
    pub hours: CallingHours,
    /// The campaign's own clock.
    pub time_zone: Tz,
    /// Days on which a window of calling hours may begin.
    pub working_days: WorkingDays,
    /// Voice, as the synthesizer names it.
    pub ai_voice_id: Option<String>,
    /// BCP 47 language of the voice.
    pub ai_voice_language: String,
    /// Gender of the voice.
    pub ai_voice_gender: Option<VoiceGender>,
    /// What the agent is told about its job.
    pub system_prompt: String,
    /// What is said, with `{variables}`.
    pub script_template: String,
    /// What is said when the main path cannot go on; also the message left on an answering machine.
    pub fallback_script: Option<String>,
    /// Dials of one lead at most, 1–20.
    pub max_attempts_per_lead: i64,
    /// Minutes between the end of one attempt and the next.
    pub retry_delay_minutes: i64,
    /// Seconds after which an answered call is ended.
    pub call_duration_limit: i64,
    /// What counts as a success; see [`super::outcome::Criteria`].
    pub success_criteria: String,
    /// What a completed call costs.
    pub cost_per_call: Money,
    /// What may be spent in all; none means no limit.
    pub budget: Option<Money>,
    /// Percent of the budget at which an alert is sent.
    pub budget_alert_threshold: i64,
    /// Calls of this campaign alive at one time.
    pub max_concurrent_calls: i64,
    /// Seconds a phone may ring.
    pub ring_timeout_seconds: i64,
    /// Number shown to the lead; none leaves it to the trunk.
    pub caller_id: Option<Phone>,
    /// Whose clock the hours are read on.
    pub lead_time_zone_policy: LeadTimeZonePolicy,
    /// No dial before.
    pub start_date: Option<Instant>,
    /// No dial after, and the campaign completes.
    pub end_date: Option<Instant>,
    /// Limits the days further.
    pub recurrence_rule: Option<Recurrence>,
    /// The team's own plan, `YYYY-MM-DD`.
    pub expected_completion_date: Option<chrono::NaiveDate>,
    /// The caller's own reference.
    pub owner_id: Option<i64>,
    /// The caller's own references.
    pub team_members: Vec<i64>,
    /// The caller's own reference.
    pub company_id: Option<i64>,
    /// The caller's own labels.
    pub tags: Vec<String>,
    /// The caller's own notes.
    pub notes: Option<String>,
    /// Where events are sent.
    pub webhooks: Vec<Webhook>,
    /// What pressing a key does; none for 9 as the wish not to be called again, and 1 and 2 as yes and no where the
    /// success criteria ask for a verdict.
    pub keys: Option<KeyMap>,
    /// What is said about opting out after a script that does not tell it; none for the usual sentence in the language
    /// of the voice, blank for nothing.
    pub opt_out_sentence: Option<String>,
    /// Whether answering machines are told from people; none leaves it to the server's settings.
    pub machine_detection: Option<bool>,
    /// Where calls are passed on to.
    pub transfer_number: Option<Phone>,
    /// Whether calls are recorded.
    pub record_calls: bool,
    /// What is said first on a call that is recorded; none for the usual sentence in the language of the voice.
    pub recording_announcement: Option<String>,
    /// The number on which an inbound campaign is called.
    pub inbound_number: Option<Phone>,
    /// The uploaded prompt that is played instead of speaking the script.
    pub script_prompt: Option<i64>,
    /// The uploaded prompt that is played instead of speaking the fallback.
    pub fallback_prompt: Option<i64>,
    /// Who talks; none leaves it to the server's settings, and to a prompt where the script is one.
    pub agent: Option<AgentKind>,
    /// What an agent says first of itself; none for the usual sentence in the language of the voice, blank for nothing.
    pub agent_disclosure: Option<String>,
}

/// One place that is told of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// `https` or `http`, no user name in it.
    pub url: String,
    /// Which events; never empty.
    pub events: Vec<EventType>,
    /// `whsec_` and base64 of 24–64 bytes, on its way in or, when the server has just made it, out. It is kept with
    /// the endpoint alone.
    pub secret: Option<String>,
    /// The caller's own words.
    pub description: Option<String>,
}

/// Sums over a campaign's leads and calls, kept with every change and always equal to a recount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Leads that were not deleted.
    pub total_leads: i64,
    /// Ended calls that somebody or something picked up.
    pub completed_calls: i64,
    /// Completed calls that met the success criteria.
    pub successful_calls: i64,
    /// Completed calls that did not.
    pub failed_calls: i64,
    /// Dials, alive or ended.
    pub attempts: i64,
    /// Ended calls nobody picked up.
    pub unanswered_calls: i64,
    /// Calls the carrier could not place, or whose end nobody saw.
    pub error_calls: i64,
    /// Calls alive now.
    pub in_progress_calls: i64,
    /// Milliseconds between answer and end, over completed calls.
    pub talk_ms: i64,
    /// Cost of the completed calls.
    pub spent: Money,
    /// Money set aside for the calls alive now.
    pub reserved: Money,
    /// Highest budget alert level (percent) already told; 0 for none.
    pub alerted_percent: i64,
    /// Events written so far.
    pub sequence: i64,
    /// Grows with every change of a number above.
    pub revision: i64,
}

/// A campaign as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    /// Never reused.
    pub id: i64,
    /// Present status.
    pub status: Status,
    /// Why the status is what it is, when it changed by itself: `carrier_down`, `carrier_changed`, `leads_finished`,
    /// `end_date`.
    pub status_reason: Option<String>,
    /// Since when it has this status; none when nobody knows any more.
    pub status_changed_at: Option<Instant>,
    /// Who gave it this status: a token's name, or `server`.
    pub status_changed_by: Option<String>,
    /// What the client set.
    pub settings: Settings,
    /// What has happened.
    pub totals: Totals,
    /// Grows with every edit and status change, not with calls.
    pub version: i64,
    /// Leads were put aside before the last edit and want another look.
    pub has_stale_holds: bool,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last edited or changed status.
    pub updated_at: Instant,
    /// When it was deleted; its records are kept hidden for the retention time.
    pub deleted_at: Option<Instant>,
}

impl Campaign {
    /// The calling hours with everything that limits their days.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            hours: self.settings.hours,
            working_days: self.settings.working_days,
            start_at: self.settings.start_date,
            end_at: self.settings.end_date,
            recurrence: self.settings.recurrence_rule.clone(),
            anchor: schedule::local_date(
                self.settings.start_date.unwrap_or(self.created_at),
                self.settings.time_zone,
            ),
        }
    }
}

/// What a client sent for a new campaign or a change: the settings that would result, and the status asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Settings after the change.
    pub settings: Settings,
    /// Status asked for; none leaves it.
    pub status: Option<Status>,
}

/// Fields that only the server sets; accepted in a change and ignored, so that GET, edit, PUT works.
pub const READ_ONLY: [&str; 9] = [
    "id",
    "total_leads",
    "completed_calls",
    "successful_calls",
    "failed_calls",
    "created_at",
    "updated_at",
    "dialing",
    "warnings",
];

/// Webhooks of one campaign, and endpoints of all campaigns.
pub const WEBHOOKS_MAX: usize = 20;
const LONG_TEXT_MAX: usize = 20_000;
/// Characters of a sentence that is said beside the script.
const SENTENCE_MAX: usize = 500;
const REFERENCE_MAX: i64 = 9_007_199_254_740_991; // what a JSON reader in a browser keeps exactly

impl Request {
    /// Reads the JSON body of a new campaign (`base` none) or of a change to one. All problems come at once.
    pub fn read(body: Value, base: Option<&Settings>) -> Result<Request, Invalid> {
        let mut f = Fields::of(body)?;
        f.read_only(&READ_ONLY);
        let is_change = base.is_some();
        let d = Settings::defaults();
        let b = base.cloned().unwrap_or_else(Settings::defaults);
        let name = f.required("name", is_change.then_some(b.name), fields::text(200));
        let status = match is_change {
            false => f.required("status", None, some(fields::word)),
            true => Some(f.optional("status", None, None, some(fields::word))),
        };
        let calls_per_day =
            f.required("calls_per_day", is_change.then_some(b.calls_per_day), fields::integer(1, 1_000_000));
        let start = f.required("calling_hours_start", is_change.then_some(b.hours.start), time_of_day);
        let end = f.required("calling_hours_end", is_change.then_some(b.hours.end), time_of_day);
        let hours = start.zip(end).and_then(|(start, end)| {
            CallingHours::new(start, end).map_or_else(|message| f.problem("calling_hours_end", message), Some)
        });
        let system_prompt =
            f.required("system_prompt", is_change.then_some(b.system_prompt), fields::text(LONG_TEXT_MAX));
        let script_template = f.required("script_template", is_change.then_some(b.script_template), template);

        let time_zone = f.optional("time_zone", b.time_zone, d.time_zone, zone);
        let instant = |date_only| some(move |value: &Value| instant(value, time_zone, date_only));
        let start_date = f.optional("start_date", b.start_date, d.start_date, instant(DateOnly::StartOfDay));
        let end_date = f.optional("end_date", b.end_date, d.end_date, instant(DateOnly::EndOfDay));
        if let (Some(start), Some(end)) = (start_date, end_date)
            && start >= end
        {
            f.problem::<()>("end_date", "must be after start_date");
        }
        let settings = Settings {
            name: name.unwrap_or(d.name),
            description: f.optional(
                "description",
                b.description,
                d.description,
                fields::optional_text(5_000),
            ),
            priority: f.optional("priority", b.priority, d.priority, fields::word),
            campaign_type: f.optional("campaign_type", b.campaign_type, d.campaign_type, fields::word),
            calls_per_day: calls_per_day.unwrap_or(d.calls_per_day),
            hours: hours.unwrap_or(d.hours),
            time_zone,
            working_days: f.optional("working_days", b.working_days, d.working_days, working_days),
            ai_voice_id: f.optional("ai_voice_id", b.ai_voice_id, d.ai_voice_id, fields::optional_text(200)),
            ai_voice_language: f.optional(
                "ai_voice_language",
                b.ai_voice_language,
                d.ai_voice_language,
                language,
            ),
            ai_voice_gender: f.optional(
                "ai_voice_gender",
                b.ai_voice_gender,
                d.ai_voice_gender,
                some(fields::word),
            ),
            system_prompt: system_prompt.unwrap_or(d.system_prompt),
            script_template: script_template.unwrap_or(d.script_template),
            fallback_script: f.optional(
                "fallback_script",
                b.fallback_script,
                d.fallback_script,
                optional_template,
            ),
            max_attempts_per_lead: f.optional(
                "max_attempts_per_lead",
                b.max_attempts_per_lead,
                d.max_attempts_per_lead,
                fields::integer(1, 20),
            ),
            retry_delay_minutes: f.optional(
                "retry_delay_minutes",
                b.retry_delay_minutes,
                d.retry_delay_minutes,
                fields::integer(1, 43_200),
            ),
            call_duration_limit: f.optional(
                "call_duration_limit",
                b.call_duration_limit,
                d.call_duration_limit,
                fields::integer(10, 14_400),
            ),
            success_criteria: f.optional(
                "success_criteria",
                b.success_criteria,
                d.success_criteria,
                fields::text(5_000),
            ),
            cost_per_call: f.optional("cost_per_call", b.cost_per_call, d.cost_per_call, Money::parse),
            budget: f.optional("budget", b.budget, d.budget, some(Money::parse)),
            budget_alert_threshold: f.optional(
                "budget_alert_threshold",
                b.budget_alert_threshold,
                d.budget_alert_threshold,
                fields::integer(1, 100),
            ),
            max_concurrent_calls: f.optional(
                "max_concurrent_calls",
                b.max_concurrent_calls,
                d.max_concurrent_calls,
                fields::integer(1, 1_000),
            ),
            ring_timeout_seconds: f.optional(
                "ring_timeout_seconds",
                b.ring_timeout_seconds,
                d.ring_timeout_seconds,
                fields::integer(15, 120),
            ),
            caller_id: f.optional("caller_id", b.caller_id, d.caller_id, some(number)),
            lead_time_zone_policy: f.optional(
                "lead_time_zone_policy",
                b.lead_time_zone_policy,
                d.lead_time_zone_policy,
                fields::word,
            ),
            start_date,
            end_date,
            recurrence_rule: f.optional("recurrence_rule", b.recurrence_rule, d.recurrence_rule, recurrence),
            expected_completion_date: f.optional(
                "expected_completion_date",
                b.expected_completion_date,
                d.expected_completion_date,
                some(date),
            ),
            owner_id: f.optional("owner_id", b.owner_id, d.owner_id, some(reference)),
            team_members: f.optional(
                "team_members",
                b.team_members,
                d.team_members,
                fields::array(1_000, reference),
            ),
            company_id: f.optional("company_id", b.company_id, d.company_id, some(reference)),
            tags: f.optional("tags", b.tags, d.tags, fields::array(100, fields::text(100))),
            notes: f.optional("notes", b.notes, d.notes, fields::optional_text(LONG_TEXT_MAX)),
            webhooks: f.optional("webhooks", b.webhooks, d.webhooks, fields::array(WEBHOOKS_MAX, webhook)),
            keys: f.optional("keys", b.keys, d.keys, some(KeyMap::read)),
            opt_out_sentence: f.optional(
                "opt_out_sentence",
                b.opt_out_sentence,
                d.opt_out_sentence,
                some(sentence),
            ),
            machine_detection: f.optional(
                "machine_detection",
                b.machine_detection,
                d.machine_detection,
                some(fields::flag),
            ),
            transfer_number: f.optional(
                "transfer_number",
                b.transfer_number,
                d.transfer_number,
                some(transfer_number),
            ),
            record_calls: f.optional("record_calls", b.record_calls, d.record_calls, fields::flag),
            recording_announcement: f.optional(
                "recording_announcement",
                b.recording_announcement,
                d.recording_announcement,
                fields::optional_text(SENTENCE_MAX),
            ),
            inbound_number: f.optional("inbound_number", b.inbound_number, d.inbound_number, some(number)),
            script_prompt: f.optional("script_prompt", b.script_prompt, d.script_prompt, some(prompt)),
            fallback_prompt: f.optional(
                "fallback_prompt",
                b.fallback_prompt,
                d.fallback_prompt,
                some(prompt),
            ),
            agent: f.optional("agent", b.agent, d.agent, some(fields::word)),
            agent_disclosure: f.optional(
                "agent_disclosure",
                b.agent_disclosure,
                d.agent_disclosure,
                some(sentence),
            ),
        };
        if settings.fallback_prompt.is_some() && settings.fallback_script.is_none() {
            f.problem::<()>("fallback_prompt", "needs fallback_script to say in words what the prompt says");
        }
        let transfers = settings.keys.as_ref().and_then(|keys| keys.key_for(Action::Transfer));
        if let (Some(key), None) = (transfers, settings.transfer_number) {
            f.problem::<()>("transfer_number", format!("is required while key {key} is `transfer`"));
        }
        if settings.inbound_number.is_some() && settings.campaign_type == CampaignType::Outbound {
            let message = "is only for a campaign whose campaign_type is `inbound`; leave it null";
            f.problem::<()>("inbound_number", message);
        }
        f.finish(status.map(|status| Request { settings, status }))
    }
}

/// `call_completed`, the success criterion where none is given.
pub const DEFAULT_CRITERIA: &str = "call_completed";

impl Settings {
    /// What the keys do, its own or the usual.
    pub fn key_map(&self) -> KeyMap {
        let usual = || KeyMap::usual(Criteria::of(&self.success_criteria));
        self.keys.clone().unwrap_or_else(usual)
    }

    /// How a person is told to opt out. Who calls us is not.
    pub fn opt_out(&self) -> OptOut {
        let key = self.key_map().opt_out_key();
        let sentence = match (self.campaign_type, &self.opt_out_sentence) {
            (CampaignType::Inbound, _) => String::new(),
            (CampaignType::Outbound, Some(own)) => own.clone(),
            (CampaignType::Outbound, None) => Phrases::of(&self.ai_voice_language).opt_out(key),
        };
        OptOut { key, sentence, language: self.ai_voice_language.clone() }
    }

    /// The documented defaults; the required fields are blank.
    fn defaults() -> Settings {
        Settings {
            name: String::new(),
            description: None,
            priority: Priority::Medium,
            campaign_type: CampaignType::Outbound,
            calls_per_day: 1,
            hours: CallingHours::OFFICE,
            time_zone: Tz::UTC,
            working_days: WorkingDays::MONDAY_TO_FRIDAY,
            ai_voice_id: None,
            ai_voice_language: "en-US".into(),
            ai_voice_gender: None,
            system_prompt: String::new(),
            script_template: String::new(),
            fallback_script: None,
            max_attempts_per_lead: 3,
            retry_delay_minutes: 60,
            call_duration_limit: 300,
            success_criteria: DEFAULT_CRITERIA.into(),
            cost_per_call: Money::ZERO,
            budget: None,
            budget_alert_threshold: 80,
            max_concurrent_calls: 5,
            ring_timeout_seconds: 30,
            caller_id: None,
            lead_time_zone_policy: LeadTimeZonePolicy::Campaign,
            start_date: None,
            end_date: None,
            recurrence_rule: None,
            expected_completion_date: None,
            owner_id: None,
            team_members: Vec::new(),
            company_id: None,
            tags: Vec::new(),
            notes: None,
            webhooks: Vec::new(),
            keys: None,
            opt_out_sentence: None,
            machine_detection: None,
            transfer_number: None,
            record_calls: false,
            recording_announcement: None,
            inbound_number: None,
            script_prompt: None,
            fallback_prompt: None,
            agent: None,
            agent_disclosure: None,
        }
    }
}

fn some<T>(parse: impl Fn(&Value) -> Parsed<T>) -> impl Fn(&Value) -> Parsed<Option<T>> {
    move |value| parse(value).map(Some)
}

fn time_of_day(value: &Value) -> Parsed<TimeOfDay> {
    TimeOfDay::parse(fields::string(value)?)
}

/// A script, as long as it may be and without problems.
pub fn template(value: &Value) -> Parsed<String> {
    let text = fields::text(LONG_TEXT_MAX)(value)?;
    Template::parse(&text).map_err(|problems| problems.join("; "))?;
    Ok(text)
}

/// A script that may be left out; a blank one is none.
pub fn optional_template(value: &Value) -> Parsed<Option<String>> {
    match fields::optional_text(LONG_TEXT_MAX)(value)? {
        None => Ok(None),
        Some(_) => template(value).map(Some),
    }
}

/// An IANA time zone name, exact spelling.
pub fn zone(value: &Value) -> Parsed<Tz> {
    let name = fields::string(value)?.trim();
    name.parse().map_err(|_| unknown_zone(name))
}

/// The sentence for a time zone that is none, with the nearest one that is.
pub fn unknown_zone(name: &str) -> String {
    let shown = fields::excerpt(name);
    match fields::nearest(name, &chrono_tz::TZ_VARIANTS.map(Tz::name)) {
        Some(near) => format!("unknown time zone `{shown}`; did you mean `{near}`?"),
        None => format!("unknown time zone `{shown}`; use an IANA name such as `Europe/Berlin`"),
    }
}

fn instant(value: &Value, zone: Tz, date_only: DateOnly) -> Parsed<Instant> {
    schedule::parse_instant(fields::string(value)?, zone, date_only)
}

fn working_days(value: &Value) -> Parsed<WorkingDays> {
    let names = fields::array(50, |day| fields::string(day).map(str::to_owned))(value)?;
    WorkingDays::parse(names.iter().map(String::as_str))
}

/// A BCP 47 language tag by its shape (RFC 5646 section 2.1), such as `en-US`.
pub fn language(value: &Value) -> Parsed<String> {
    let tag = fields::string(value)?.trim();
    let subtag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let primary = tag.split('-').next().unwrap_or_default();
    let sound = (2..=8).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_alphabetic());
    if sound && tag.len() <= 35 && tag.split('-').all(subtag) {
        Ok(tag.to_owned())
    } else {
        Err(format!("must be a BCP 47 language tag such as `en-US`; it is `{}`", fields::excerpt(tag)))
    }
}

fn number(value: &Value) -> Parsed<Phone> {
    let text = fields::string(value)?.trim();
    Phone::from_e164(text).ok_or_else(|| {
        format!("must be an E.164 number such as `+12025550123`; it is `{}`", fields::excerpt(text))
    })
}

/// A number that calls may be passed on to. Whether its country is allowed is asked when it is called.
fn transfer_number(value: &Value) -> Parsed<Phone> {
    let phone = number(value)?;
    match Guard::default().refusal(phone) {
        None => Ok(phone),
        Some(_) => {
            Err("must be an ordinary number; premium, service and unknown ones are never called".to_owned())
        }
    }
}

/// A sentence, or a blank for none.
fn sentence(value: &Value) -> Parsed<String> {
    fields::optional_text(SENTENCE_MAX)(value).map(|text| text.unwrap_or_default().trim().to_owned())
}

/// The id of an uploaded prompt; whether the campaign has it, the store knows.
fn prompt(value: &Value) -> Parsed<i64> {
    fields::integer(1, REFERENCE_MAX)(value)
}

fn recurrence(value: &Value) -> Parsed<Option<Recurrence>> {
    let text = fields::string(value)?.trim();
    if text.is_empty() { Ok(None) } else { Recurrence::parse(text).map(Some) }
}

/// A date; an instant is accepted and its date, as it is written, taken.
fn date(value: &Value) -> Parsed<chrono::NaiveDate> {
    let text = fields::string(value)?.trim();
    let is_sound = schedule::parse_instant(text, Tz::UTC, DateOnly::StartOfDay).is_ok();
    let day = text.get(..10).filter(|_| is_sound).and_then(|day| day.parse().ok());
    day.ok_or_else(|| format!("must be a date as YYYY-MM-DD; it is `{}`", fields::excerpt(text)))
}

fn reference(value: &Value) -> Parsed<i64> {
    fields::integer(-REFERENCE_MAX, REFERENCE_MAX)(value)
}

/// Reads one webhook. Without a secret in the request, the one its endpoint has stays.
fn webhook(value: &Value) -> Parsed<Webhook> {
    let mut f = Fields::of(value.clone()).map_err(|invalid| invalid.to_string())?;
    let url = f.required("url", None, endpoint::url);
    let all = EventType::all().to_vec();
    let events = f.optional("events", all.clone(), all, endpoint::events);
    let secret = f.optional("secret", None, None, some(endpoint::secret));
    let description = f.optional("description", None, None, endpoint::description);
    f.finish(url.map(|url| Webhook { url, events, secret, description }))
        .map_err(|invalid| invalid.to_string())
}

impl Status {
    /// The statuses this one may change to.
    pub fn next(self) -> &'static [Status] {
        match self {
            Status::Draft => &[Status::Active, Status::Completed],
            Status::Active => &[Status::Paused, Status::Completed],
            Status::Paused => &[Status::Active, Status::Completed],
            Status::Completed => &[Status::Active],
        }
    }

    /// Whether the status really changes; a change that is not allowed is refused with what is.
    pub fn change_to(self, to: Status) -> Result<bool, Refused> {
        if self == to {
            return Ok(false);
        }
        if self.next().contains(&to) {
            return Ok(true);
        }
        let allowed: Vec<String> = self.next().iter().map(|status| format!("`{status}`")).collect();
        Err(Refused(format!(
            "A campaign that is `{self}` cannot become `{to}`; it can become {}",
            allowed.join(" or ")
        )))
    }
}

impl Serialize for Webhook {
    /// As it is stored: without the secret.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("url", &self.url)?;
        map.serialize_entry("events", &self.events)?;
        map.serialize_entry("description", &self.description)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn example() -> Value {
        json!({
            "name": "Customer Survey Campaign", "description": "Automated survey for customer satisfaction",
            "status": "draft", "priority": "high", "calls_per_day": 50,
            "calling_hours_start": "09:00:00", "calling_hours_end": "17:00:00",
            "system_prompt": "You are a friendly customer service representative",
            "script_template": "Hello {customer_name}, this is a survey call..."
        })
    }

    fn problems(body: Value) -> Vec<(String, String)> {
        let Err(Invalid(problems)) = Request::read(body, None) else { panic!("accepted") };
        problems.into_iter().map(|problem| (problem.field, problem.message)).collect()
    }

    #[test]
    fn the_published_example_is_a_campaign_with_the_documented_defaults() {
        let request = Request::read(example(), None).unwrap();
        assert_eq!(request.status, Some(Status::Draft));
        let settings = request.settings;
        assert_eq!((settings.priority, settings.calls_per_day), (Priority::High, 50));
        assert_eq!((settings.max_attempts_per_lead, settings.retry_delay_minutes), (3, 60));
        assert_eq!((settings.time_zone, settings.budget), (Tz::UTC, None));
        assert_eq!(settings.working_days, WorkingDays::MONDAY_TO_FRIDAY);
    }

    #[test]
    fn every_missing_null_or_blank_required_field_is_named() {
        let fields: Vec<String> =
            problems(json!({"name": "  ", "status": null})).into_iter().map(|(field, _)| field).collect();
        assert_eq!(
            fields,
            [
                "name",
                "status",
                "calls_per_day",
                "calling_hours_start",
                "calling_hours_end",
                "system_prompt",
                "script_template"
            ]
        );
    }

    #[test]
    fn each_field_outside_its_rule_is_refused_by_name() {
        for (field, value) in [
            ("name", json!("x".repeat(201))),
            ("description", json!("x".repeat(5_001))),
            ("status", json!("running")),
            ("priority", json!("urgent")),
            ("campaign_type", json!("both")),
            ("calls_per_day", json!(0)),
            ("calls_per_day", json!(1_000_001)),
            ("calls_per_day", json!("50")),
            ("calls_per_day", json!(1.5)),
            ("calling_hours_start", json!("9am")),
            ("calling_hours_end", json!("09:00:00")),
            ("time_zone", json!("Mars/Base")),
            ("working_days", json!([])),
            ("working_days", json!(["Funday"])),
            ("working_days", json!("Monday")),
            ("ai_voice_language", json!("english!")),
            ("ai_voice_gender", json!("robot")),
            ("script_template", json!("Hello {")),
            ("fallback_script", json!("Hello {")),
            ("max_attempts_per_lead", json!(21)),
            ("retry_delay_minutes", json!(0)),
            ("call_duration_limit", json!(9)),
            ("cost_per_call", json!(-0.1)),
            ("budget", json!(0.00001)),
            ("budget_alert_threshold", json!(101)),
            ("max_concurrent_calls", json!(1_001)),
            ("ring_timeout_seconds", json!(14)),
            ("caller_id", json!("5550123")),
            ("lead_time_zone_policy", json!("server")),
            ("start_date", json!("tomorrow")),
            ("recurrence_rule", json!("FREQ=SOMETIMES")),
            ("expected_completion_date", json!("soon")),
            ("owner_id", json!("me")),
            ("team_members", json!([1, "two"])),
            ("tags", json!([1])),
            ("webhooks", json!([{"url": "ftp://example.com"}])),
            ("webhooks", json!([{"url": "https://example.com", "events": []}])),
            ("webhooks", json!([{"url": "https://example.com", "secret": "short"}])),
            ("webhooks", json!([{"url": "https://me:pw@example.com"}])),
            ("keys", json!({"1": "yes"})),
            ("keys", json!({"A": "opt_out"})),
            ("opt_out_sentence", json!("x".repeat(501))),
            ("machine_detection", json!("yes")),
            ("transfer_number", json!("5550123")),
            ("transfer_number", json!("+19005550199")),
            ("transfer_number", json!("+112")),
            ("record_calls", json!(1)),
            ("recording_announcement", json!("x".repeat(501))),
            ("inbound_number", json!("5550123")),
            ("inbound_number", json!("+12025550123")),
            ("script_prompt", json!(0)),
            ("fallback_prompt", json!("hello.wav")),
        ] {
            let mut body = example();
            body[field] = value.clone();
            let found: Vec<String> = problems(body).into_iter().map(|(field, _)| field).collect();
            assert_eq!(found, [field], "{value}");
        }
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name_and_null_resets_what_may_be_left_out() {
        let base = Request::read(example(), None).unwrap().settings;
        let changed =
            Request::read(json!({"calls_per_day": 9, "priority": null}), Some(&base)).unwrap().settings;
        assert_eq!(changed, Settings { calls_per_day: 9, priority: Priority::Medium, ..base });
    }

    #[test]
    fn rules_over_two_fields_are_checked_on_the_merged_result() {
        let base = Request::read(example(), None).unwrap().settings;
        let refused = Request::read(json!({"calling_hours_end": "09:00"}), Some(&base)).unwrap_err();
        assert_eq!(refused.0[0].field, "calling_hours_end");
        let mut body = example();
        body["start_date"] = json!("2026-03-02");
        body["end_date"] = json!("2026-03-01");
        assert_eq!(problems(body)[0].0, "end_date");
    }

    #[test]
    fn a_key_for_transfers_needs_a_number_to_transfer_to() {
        let mut body = example();
        body["keys"] = json!({"0": "transfer", "9": "opt_out"});
        let missing = ("transfer_number".to_owned(), "is required while key 0 is `transfer`".to_owned());
        assert_eq!(problems(body.clone()), std::slice::from_ref(&missing));
        body["transfer_number"] = json!("+12025550123");
        let settings = Request::read(body, None).unwrap().settings;
        let refused = Request::read(json!({"transfer_number": null}), Some(&settings)).unwrap_err();
        assert_eq!((refused.0[0].field.clone(), refused.0[0].message.clone()), missing);
    }

    #[test]
    fn only_an_inbound_campaign_has_a_number_of_its_own() {
        let mut body = example();
        body["campaign_type"] = json!("inbound");
        body["inbound_number"] = json!("+12025550123");
        let settings = Request::read(body, None).unwrap().settings;
        let refused = Request::read(json!({"campaign_type": "outbound"}), Some(&settings)).unwrap_err();
        assert_eq!(refused.0[0].field, "inbound_number");
        let both = json!({"campaign_type": "outbound", "inbound_number": null});
        assert!(Request::read(both, Some(&settings)).is_ok());
    }

    #[test]
    fn a_blank_opt_out_sentence_is_the_wish_for_none() {
        let said = |sentence: Value| {
            let mut body = example();
            body["opt_out_sentence"] = sentence;
            Request::read(body, None).unwrap().settings.opt_out_sentence
        };
        assert_eq!((said(json!(null)), said(json!(" "))), (None, Some(String::new())));
        assert_eq!(said(json!(" Press 9 to stop. ")), Some("Press 9 to stop.".to_owned()));
    }

    #[test]
    fn a_start_without_a_zone_is_read_in_the_campaigns_zone() {
        let mut body = example();
        body["time_zone"] = json!("America/New_York");
        body["start_date"] = json!("2026-03-01 09:00:00");
        let settings = Request::read(body, None).unwrap().settings;
        assert_eq!(schedule::format_instant(settings.start_date.unwrap()), "2026-03-01T14:00:00Z");
    }

    #[test]
    fn only_the_drawn_changes_of_status_are_allowed() {
        use Status::*;
        let allowed = [
            (Draft, Active),
            (Draft, Completed),
            (Active, Paused),
            (Active, Completed),
            (Paused, Active),
            (Paused, Completed),
            (Completed, Active),
        ];
        for from in Status::all() {
            for to in Status::all() {
                let expected =
                    if from == to { Some(false) } else { allowed.contains(&(*from, *to)).then_some(true) };
                assert_eq!(from.change_to(*to).ok(), expected, "{from} to {to}");
            }
        }
        assert_eq!(
            Draft.change_to(Paused).unwrap_err().0,
            "A campaign that is `draft` cannot become `paused`; it can become `active` or `completed`"
        );
    }
}
