//! What requests and answers look like, where no struct beside a handler says it: the words and values of the domain,
//! which knows nothing of this reference, and bodies that are read field by field.
#![allow(dead_code, reason = "nobody makes one: the reference is written from their fields")]

use crate::domain::agent::{AgentKind, Conclusion};
use crate::domain::analytics::Interval;
use crate::domain::call::{CallState, Stage};
use crate::domain::campaign::{CampaignType, EventType, LeadTimeZonePolicy, Priority, Status, VoiceGender};
use crate::domain::delivery::{DeliveryState, DisabledReason, TryError};
use crate::domain::do_not_call::{Becomes, Source};
use crate::domain::duplicate::Along;
use crate::domain::fields::Words;
use crate::domain::forecast::State as ForecastState;
use crate::domain::gate::{DialingState, HoldReason};
use crate::domain::imports::{self, How, ImportState, OnDuplicate, Reason, WarningKind};
use crate::domain::keys::{Action, KEYS};
use crate::domain::lead::LeadStatus;
use crate::domain::money::Money;
use crate::domain::other_call;
use crate::domain::outcome::Outcome;
use crate::domain::recording::Gone;
use crate::domain::schedule::WorkingDays;
use crate::domain::script_lint::WarningCode;
use crate::domain::script_preview::Case;
use crate::domain::spreadsheet;
use crate::domain::standing::State;
use crate::domain::suggestions::Code as SuggestionCode;
use crate::domain::transcript::{Kind, Speaker};
use crate::domain::try_out::{Persona, Speaker as TrySpeaker, State as TryState};
use crate::domain::wake_up::Cause;
use crate::store::{Scope, TEST_EVENT};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

/// One of these texts.
fn one_of(words: &[&str]) -> Object {
    let builder = ObjectBuilder::new().schema_type(Type::String);
    builder.enum_values(Some(words.iter().map(|word| word.to_string()))).build()
}

fn word_schema<W: Words>(description: &str) -> RefOr<Schema> {
    let words: Vec<&str> = W::all().iter().map(|word| word.word()).collect();
    let mut object = one_of(&words);
    object.description = Some(description.to_owned());
    Schema::Object(object).into()
}

/// Gives closed lists of words a name and a sentence.
macro_rules! word_schemas {
    ($($words:ty = $name:literal, $description:literal;)+) => { $(
        impl PartialSchema for $words {
            fn schema() -> RefOr<Schema> { word_schema::<$words>($description) }
        }
        impl ToSchema for $words {
            fn name() -> Cow<'static, str> { $name.into() }
        }
    )+ };
}

word_schemas! {
    Status = "CampaignStatus", "Where a campaign is in its life: `draft` → `active` ⇄ `paused`, all of them → `completed`, and `completed` → `active`.";
    Priority = "Priority", "How much of a scarce line a campaign gets beside others: high to medium to low is 4 : 2 : 1.";
    CampaignType = "CampaignType", "Who calls whom. Only `outbound` campaigns dial.";
    VoiceGender = "VoiceGender", "The voice's gender, where the voice offers a choice.";
    LeadTimeZonePolicy = "LeadTimeZonePolicy", "Whose clock the calling hours are read on: the campaign's, or each lead's own.";
    EventType = "EventType", "The facts that other systems can be told of.";
    LeadStatus = "LeadStatus", "Where a lead is on its way.";
    Outcome = "Outcome", "How a call ended, or what it concluded. Up to `transferred` somebody, or a machine, picked up.";
    other_call::Kind = "OtherCallKind", "How a call that is no dial of a lead comes about: asked for by hand, or made to us.";
    CallState = "CallState", "How far a call has come.";
    AgentKind = "AgentKind", "Who talks on calls: `scripted`, the script is said and keys are listened for; `ai`, a model holds a conversation.";
    Conclusion = "Conclusion", "How a conversation came out, in the agent's words.";
    Persona = "Persona", "A simulated caller: agrees gladly, has no time, is unkind, asks for a person, wants no more calls, or tries to give the agent other orders.";
    TryState = "ConversationState", "Where a conversation that tries the agent is: waiting for what is said next, being held, over, or failed.";
    TrySpeaker = "ConversationSpeaker", "Who it was: the agent, the person, or a tool that the agent used.";
    Stage = "Stage", "How far calls have come, for whoever looks for some of them.";
    Interval = "Interval", "How long periods are.";
    State = "StandingState", "How a campaign stands. Those that need somebody come first.";
    Along = "Along", "Which leads come along: nobody, everybody who may be called, or those whom the last call did not reach and those who were not called yet.";
    Cause = "WakeUpCause", "Why nobody is called before somebody has looked: the server was off or its machine asleep, the clock jumped forward, or the data are those of a backup, a copy, or were taken to another place.";
    SuggestionCode = "SuggestionCode", "What is suggested: calling longer, on another day too, or another delay before calling again.";
    ForecastState = "ForecastState", "Whether there is a forecast: of now, being played, not because nobody is left to call, or not because there are more leads than can be played.";
    HoldReason = "HoldReason", "Why nothing is dialed now.";
    DialingState = "DialingState", "What a campaign is doing.";
    Becomes = "DoNotCallColumnUse", "What a column of a table of numbers becomes.";
    Source = "DoNotCallSource", "How a number came onto the list, or off it.";
    DeliveryState = "DeliveryState", "Where the delivery of one event to one endpoint is.";
    TryError = "TryError", "Why a try brought no answer.";
    DisabledReason = "DisabledReason", "Why nothing is sent to an endpoint any more.";
    ImportState = "ImportState", "Where an import is on its way.";
    imports::Format = "ImportFormat", "What was sent.";
    OnDuplicate = "OnDuplicate", "What becomes of a row whose number the campaign has already.";
    Reason = "RowReason", "Why a row did not come in.";
    How = "ColumnBy", "How it was found out what a column is.";
    WarningKind = "ImportWarningKind", "What a reader should know though the rows came in.";
    WarningCode = "ScriptWarningCode", "What may be wrong with a script.";
    Scope = "Scope", "What a token may do: look, change things, or also what cannot be undone.";
    Case = "PreviewCase", "Whose values fill a preview.";
    spreadsheet::Format = "TableFormat", "Kinds of tables.";
    Gone = "RecordingGone", "Why a recording is gone: its time was over, somebody deleted it, the person was erased, its campaign was, or the file is missing.";
    Speaker = "Speaker", "Who said or pressed something: us, or whoever picked up.";
    Kind = "TranscriptKind", "What it was: words, a key, or a wish that was understood.";
}

impl PartialSchema for Money {
    fn schema() -> RefOr<Schema> {
        let amount = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(0));
        let amount = amount
            .description(Some("An amount in the campaign's currency unit, exact, with up to 4 decimals."));
        Schema::Object(amount.build()).into()
    }
}

/// What pressing a key does.
pub(in crate::http) struct Keys;

impl PartialSchema for Keys {
    fn schema() -> RefOr<Schema> {
        let action = word_schema::<Action>("What pressing this key does.");
        let keys = KEYS.iter().fold(ObjectBuilder::new().schema_type(Type::Object), |object, key| {
            object.property(*key, action.clone())
        });
        Schema::Object(
            keys.description(Some("What pressing a key does; keys that are not there do nothing.")).build(),
        )
        .into()
    }
}

impl ToSchema for Keys {
    fn name() -> Cow<'static, str> {
        "Keys".into()
    }
}

impl ToSchema for Money {
    fn name() -> Cow<'static, str> {
        "Money".into()
    }
}

/// One number for each word of a closed list.
pub(in crate::http) fn counts<W: Words>() -> Object {
    W::all()
        .iter()
        .fold(ObjectBuilder::new().schema_type(Type::Object), |object, word| {
            let count = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
            object.property(word.word(), count).required(word.word())
        })
        .build()
}

/// Why a request was refused.
#[derive(ToSchema)]
pub(in crate::http) struct Error {
    /// A sentence for a person.
    error: String,
    /// A stable word for a program.
    code: String,
    /// All problems one by one, where there are several.
    #[schema(nullable = false)]
    details: Option<Vec<ErrorDetail>>,
}

/// One problem of a request.
#[derive(ToSchema)]
pub(in crate::http) struct ErrorDetail {
    /// The field or parameter it is about.
    field: String,
    /// What is wrong, and what would be right.
    message: String,
}

/// Why nothing is dialed now, and until when.
#[derive(ToSchema)]
pub(in crate::http) struct Hold {
    /// Which rule says no.
    reason: HoldReason,
    /// When it is asked again; null when only a change removes it.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// What exactly, where the reason does not say it.
    #[schema(nullable = false)]
    detail: Option<String>,
    /// The reason for a person, and what to do about it.
    message: String,
}

/// Why leads wait.
#[derive(ToSchema)]
pub(in crate::http) struct Holds {
    /// Leads that are neither finished nor being called.
    #[schema(minimum = 0)]
    waiting_leads: i64,
    /// Those of them that nothing holds; they are dialed as soon as the carrier has a line.
    #[schema(minimum = 0)]
    ready_leads: i64,
    /// The others by reason, most leads first.
    holds: Vec<HoldCount>,
}

/// How many leads wait for one reason.
#[derive(ToSchema)]
pub(in crate::http) struct HoldCount {
    /// Which rule says no.
    reason: HoldReason,
    /// What exactly.
    #[schema(nullable = false)]
    detail: Option<String>,
    /// The reason for a person.
    message: String,
    /// How many.
    #[schema(minimum = 1)]
    leads: i64,
    /// When the first of them is asked about again; null when only a change helps.
    #[schema(format = DateTime)]
    until: Option<String>,
}

/// What a campaign is doing at this moment.
#[derive(ToSchema)]
pub(in crate::http) struct Dialing {
    /// Calling, waiting or stopped.
    state: DialingState,
    /// Why it is not calling.
    reason: Option<HoldReason>,
    /// Until when.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// The reason for a person.
    message: Option<String>,
}

/// What a campaign would dial within the next hour.
#[derive(ToSchema)]
pub(in crate::http) struct NextHour {
    /// How many leads, at most: lines and pace may let it be fewer.
    #[schema(minimum = 0)]
    leads: i64,
    /// When it would begin.
    #[schema(format = DateTime)]
    first_at: Option<String>,
    /// Why it would dial nobody.
    hold: Option<Hold>,
}

/// How many calls an estimate rests on.
#[derive(ToSchema)]
pub(in crate::http) struct Observations {
    /// Ended calls of the campaign itself.
    #[schema(minimum = 0)]
    own: i64,
    /// Those of its siblings, the other campaigns of this server.
    #[schema(minimum = 0)]
    siblings: i64,
    /// How many siblings there are with calls.
    #[schema(minimum = 0)]
    sibling_campaigns: i64,
}

/// From where to where something is believed to be: one time in ten it is below `low`, one in ten above `high`.
#[derive(ToSchema)]
pub(in crate::http) struct Estimate {
    /// One in ten is below.
    low: f64,
    /// As many below as above.
    middle: f64,
    /// One in ten is above.
    high: f64,
}

/// One future in ten is before `low`, as many are before `middle` as after, and one in ten is after `high`; null for one that never
/// comes.
#[derive(ToSchema)]
pub(in crate::http) struct InstantsBetween {
    /// The early end.
    #[schema(format = DateTime)]
    low: Option<String>,
    /// The middle.
    #[schema(format = DateTime)]
    middle: Option<String>,
    /// The late end.
    #[schema(format = DateTime)]
    high: Option<String>,
}

/// One future in ten is below `low`, as many are below `middle` as above, and one in ten is above `high`.
#[derive(ToSchema)]
pub(in crate::http) struct MoneyBetween {
    /// The lower end.
    low: Money,
    /// The middle.
    middle: Money,
    /// The upper end.
    high: Money,
}

/// One future in ten is below `low`, as many are below `middle` as above, and one in ten is above `high`.
#[derive(ToSchema)]
pub(in crate::http) struct NumberBetween {
    /// The lower end.
    #[schema(minimum = 0)]
    low: i64,
    /// The middle.
    #[schema(minimum = 0)]
    middle: i64,
    /// The upper end.
    #[schema(minimum = 0)]
    high: i64,
}

/// Why a campaign does not finish.
#[derive(ToSchema)]
pub(in crate::http) struct ForecastUnfinished {
    /// A stable word, such as `budget`.
    reason: String,
    /// A sentence for a person.
    message: String,
}

/// What would reach more people, as far as the calls so far say.
#[derive(ToSchema)]
pub(in crate::http) struct Suggestions {
    /// On whose clocks the hours are read.
    time_zone: String,
    /// How many calls this rests on.
    observations: Observations,
    /// Every hour of the day, on the campaign's working days.
    #[schema(min_items = 24, max_items = 24)]
    hours: Vec<SuggestionHour>,
    /// What came of calling again, by how long after.
    retry_delays: Vec<RetryDelay>,
    /// What would reach more people, the best first.
    suggestions: Vec<Suggestion>,
}

/// How often calls of an hour of the day are picked up.
#[derive(ToSchema)]
pub(in crate::http) struct SuggestionHour {
    /// Which.
    #[schema(minimum = 0, maximum = 23)]
    hour: i64,
    /// Whether it is within the calling hours, at least partly.
    is_open: bool,
    /// The share that is picked up, by a person or a machine.
    answer_rate: Estimate,
    /// Calls of the campaign that were seen.
    #[schema(minimum = 0)]
    own_calls: i64,
    /// Calls of its siblings.
    #[schema(minimum = 0)]
    sibling_calls: i64,
}

/// What came of calling again after so long.
#[derive(ToSchema)]
pub(in crate::http) struct RetryDelay {
    /// From so many minutes after the end of the call before.
    #[schema(minimum = 0)]
    from_minutes: i64,
    /// Less than this; null for however many.
    to_minutes: Option<i64>,
    /// Whether `retry_delay_minutes` is of these.
    is_current: bool,
    /// Calls that were seen.
    #[schema(minimum = 0)]
    calls: i64,
    /// Those that reached a person.
    #[schema(minimum = 0)]
    reached: i64,
    /// How much more often, or less, than is usual at the hours at which they were placed.
    factor: Estimate,
}

/// Something that would reach more people.
#[derive(ToSchema)]
pub(in crate::http) struct Suggestion {
    /// What it is.
    code: SuggestionCode,
    /// A sentence for a person.
    message: String,
    /// The fields to change, as a PUT or a rehearsal takes them.
    changes: Object,
    /// What it rests on.
    evidence: SuggestionEvidence,
}

/// What a suggestion rests on.
#[derive(ToSchema)]
pub(in crate::http) struct SuggestionEvidence {
    /// How often a call is picked up that is placed so; of a delay, how much more often than is usual.
    suggested: Estimate,
    /// The same as it is now.
    current: Estimate,
    /// By how many percent it is better, in the middle.
    better_percent: i64,
    /// How certain it is that it is better at all, in percent.
    #[schema(minimum = 0, maximum = 100)]
    certain_percent: i64,
    /// Calls that were seen of what is suggested.
    #[schema(minimum = 0)]
    calls: i64,
    /// Those of them that are the campaign's own.
    #[schema(minimum = 0)]
    own_calls: i64,
}

/// How a campaign stands, and why.
#[derive(ToSchema)]
pub(in crate::http) struct Standing {
    /// The state.
    state: State,
    /// Why, as a stable word, where the state does not say it.
    code: Option<String>,
    /// A sentence for a person.
    message: String,
    /// When it goes on by itself.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// Who brought it there: a token's name, or `server`.
    by: Option<String>,
    /// Since when it stands so, where somebody brought it there.
    #[schema(format = DateTime)]
    since: Option<String>,
}

/// What became of the events of the last seven days for one webhook.
#[derive(ToSchema)]
pub(in crate::http) struct Week {
    /// Taken.
    #[schema(minimum = 0)]
    delivered: i64,
    /// Given up.
    #[schema(minimum = 0)]
    dead: i64,
    /// To be tried, or tried again.
    #[schema(minimum = 0)]
    pending: i64,
}

/// One setting as it is in force.
#[derive(ToSchema)]
pub(in crate::http) struct Setting {
    /// Name, with dots.
    key: String,
    /// Name in the environment.
    environment: String,
    /// Value; of a secret only that it is set.
    value: Value,
    /// Value when nothing else is said.
    default: Value,
    /// Where it comes from.
    source: SettingSource,
    /// What it means.
    description: String,
}

/// What the calls of a campaign amount to.
#[derive(ToSchema)]
pub(in crate::http) struct Analytics {
    /// On whose clocks.
    time_zone: String,
    /// First day.
    #[schema(format = Date)]
    from: String,
    /// Last day.
    #[schema(format = Date)]
    to: String,
    /// How long the periods are.
    interval: Interval,
    /// All periods, empty ones too.
    periods: Vec<Period>,
    /// Hours of the week with calls.
    by_hour: Vec<HourOfWeek>,
    /// Ended calls by outcome.
    #[schema(schema_with = counts::<Outcome>)]
    outcomes: Object,
    /// The money.
    spend: Spend,
}

/// What happened in one period.
#[derive(ToSchema)]
pub(in crate::http) struct Period {
    /// Its first day; of an hour the instant at which it begins.
    start: String,
    /// Ended calls.
    #[schema(minimum = 0)]
    calls: i64,
    /// Those that were picked up.
    #[schema(minimum = 0)]
    completed: i64,
    /// Those that met the success criteria.
    #[schema(minimum = 0)]
    successful: i64,
    /// What they cost.
    spent: Money,
    /// How long they lasted together.
    #[schema(minimum = 0)]
    talk_seconds: i64,
    /// Calls by outcome; only those outcomes that there were.
    outcomes: BTreeMap<String, i64>,
}

/// What happened in one hour of the week.
#[derive(ToSchema)]
pub(in crate::http) struct HourOfWeek {
    /// The day.
    weekday: WorkingDay,
    /// The hour.
    #[schema(minimum = 0, maximum = 23)]
    hour: i64,
    /// Ended calls.
    #[schema(minimum = 0)]
    calls: i64,
    /// Those that were picked up.
    #[schema(minimum = 0)]
    answered: i64,
}

/// The money of a campaign.
#[derive(ToSchema)]
pub(in crate::http) struct Spend {
    /// What may be spent in all; null for no limit.
    budget: Option<Money>,
    /// What was spent up to now.
    spent: Money,
    /// What was spent up to the ends of equal parts of the days.
    #[schema(max_items = 60)]
    points: Vec<SpendPoint>,
    /// Where the pace of the last seven days with calls leads; null where it cannot be said.
    projection: Option<Projection>,
}

/// What was spent up to an instant.
#[derive(ToSchema)]
pub(in crate::http) struct SpendPoint {
    /// The instant.
    #[schema(format = DateTime)]
    at: String,
    /// All that was spent before it.
    spent: Money,
}

/// Where a campaign's pace leads.
#[derive(ToSchema)]
pub(in crate::http) struct Projection {
    /// When nobody will be left to call.
    #[schema(format = DateTime)]
    finishes_at: String,
    /// What will have been spent then, if the budget allows it.
    spent_at_finish: Money,
    /// When the budget will be used up, where that comes first.
    #[schema(format = DateTime)]
    budget_runs_out_at: Option<String>,
}

/// What a copy is to be.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DuplicateRequest {
    /// What it is called; the name with ` (copy)` unless said.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Which leads come along; nobody unless said.
    leads: Option<Along>,
}

/// What comes of a campaign that is played to its end.
#[derive(ToSchema)]
pub(in crate::http) struct RehearsalResult {
    /// When it begins.
    #[schema(format = DateTime)]
    starts_at: String,
    /// When everybody has been called; null when that never comes.
    #[schema(format = DateTime)]
    finishes_at: Option<String>,
    /// Why it never comes.
    unfinished: Option<RehearsalUnfinished>,
    /// When the last call ends.
    #[schema(format = DateTime)]
    last_call_at: Option<String>,
    /// Calls that are placed.
    #[schema(minimum = 0)]
    calls: i64,
    /// Leads of whom a person is reached.
    #[schema(minimum = 0)]
    people_reached: i64,
    /// How many calls end in which way.
    outcomes: BTreeMap<String, i64>,
    /// What the calls cost, without what was spent before.
    cost: Money,
    /// The day, on the campaign's clocks, on which the budget pays for no more calls; null where it lasts.
    #[schema(format = Date)]
    budget_runs_out_on: Option<String>,
    /// The days with calls, on the campaign's clocks.
    per_day: Vec<RehearsalDay>,
    /// The hours of the day, on the campaign's clocks.
    #[schema(min_items = 24, max_items = 24)]
    per_hour: Vec<RehearsalHour>,
    /// In what share of the time each limit stood in the way, most first; together 1. The limits: `hours`, `dates`,
    /// `calls_per_day`, `budget`, `spend_per_day`, `lines`, `agents`, `pace`, `retries`, `calls_per_number`, `last_calls` and
    /// `others`.
    bound_by: BTreeMap<String, f64>,
    /// Those who are never called.
    never_called: RehearsalNeverCalled,
    /// What to look at before anybody is called.
    warnings: Vec<RehearsalWarning>,
    /// What it was played with.
    assumed: RehearsalAssumed,
    /// How long it took.
    #[schema(minimum = 0)]
    took_ms: i64,
}

/// Why a campaign is never finished.
#[derive(ToSchema)]
pub(in crate::http) struct RehearsalUnfinished {
    /// A stable word, such as `budget`.
    reason: String,
    /// The same for a person.
    message: String,
    /// Leads that are still to be called.
    #[schema(minimum = 0)]
    leads: i64,
}

/// A day with calls.
#[derive(ToSchema)]
pub(in crate::http) struct RehearsalDay {
    /// Its date.
    #[schema(format = Date)]
    date: String,
    /// Calls that are placed on it.
    #[schema(minimum = 0)]
    calls: i64,
    /// Those that are picked up.
    #[schema(minimum = 0)]
    answered: i64,
    /// What they cost.
    cost: Money,
}

/// An hour of the day.
#[derive(ToSchema)]
pub(in crate::http) struct RehearsalHour {
    /// Which.
    #[schema(minimum = 0, maximum = 23)]
    hour: i64,
    /// Calls that are placed in it.
    #[schema(minimum = 0)]
    calls: i64,
    /// Those that are picked up.
    #[schema(minimum = 0)]
    answered: i64,
}

/// Leads that are never called.
#[derive(ToSchema)]
pub(in crate::http) struct RehearsalNeverCalled {
    /// How many.
    #[schema(minimum = 0)]
    count: i64,
    /// How many for which reason, such as `do_not_call`.
    reasons: BTreeMap<String, i64>,
    /// Some of them, by their ids.
    #[schema(max_items = 20)]
    examples: Vec<i64>,
}

/// What to look at before anybody is called.
#[derive(ToSchema)]
pub(in crate::http) struct RehearsalWarning {
    /// A stable word: one of those of a campaign's own warnings, `others_left_out`, `agent_missing` or `dialing_stopped`.
    code: String,
    /// Which field it is about, if it is about one.
    field: Option<String>,
    /// The same for a person.
    message: String,
}

/// What a rehearsal was played with.
#[derive(ToSchema)]
pub(in crate::http) struct RehearsalAssumed {
    /// What chance follows from.
    #[schema(minimum = 0)]
    seed: i64,
    /// How likely it is that a call is picked up, by hour of the day.
    #[schema(min_items = 24, max_items = 24)]
    answer_rates: Vec<f64>,
    /// How long calls last that are picked up, in the mean.
    #[schema(minimum = 0)]
    talk_seconds: f64,
    /// How many calls these rest on.
    observations: Observations,
    /// The lines that it was played on.
    trunk: RehearsalTrunk,
    /// Leads to be called, with those that were assumed.
    #[schema(minimum = 0)]
    leads: i64,
}

/// The lines that a rehearsal was played on.
#[derive(ToSchema)]
pub(in crate::http) struct RehearsalTrunk {
    /// Calls alive at one time.
    #[schema(minimum = 0)]
    lines: i64,
    /// Dials per second; null for no limit.
    calls_per_second: Option<f64>,
}

/// What a rehearsal is to assume; what is left out is as it is.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewRehearsal {
    /// When it begins; now unless said.
    #[schema(format = DateTime)]
    start_at: Option<String>,
    /// What chance follows from; 1 unless said.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    seed: Option<i64>,
    /// How likely it is that somebody picks up: a number from 0 to 1, or an object from hour of the day to such a number;
    /// as the calls so far say unless said.
    answer_rates: Option<AssumedAnswerRates>,
    /// How long calls last that are picked up; as the calls so far say unless said.
    #[schema(minimum = 1, maximum = 14_400)]
    talk_seconds: Option<f64>,
    /// The lines; what the carrier has unless said.
    trunk: Option<AssumedTrunk>,
    /// Fields of the campaign that are changed, as in a PUT, but for the status.
    #[schema(value_type = Option<Object>)]
    changes: Option<()>,
    /// How many leads are added that are not there yet.
    #[schema(minimum = 1, maximum = 500_000)]
    leads_assumed: Option<i64>,
}

/// How likely it is that somebody picks up; see [`super::requests`].
#[derive(ToSchema)]
pub(in crate::http) struct AssumedAnswerRates {}

/// The lines that a rehearsal is to be played on.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AssumedTrunk {
    /// Calls alive at one time.
    #[schema(minimum = 1, maximum = 10_000)]
    lines: Option<i64>,
    /// Dials per second.
    #[schema(minimum = 0.01, maximum = 1000)]
    calls_per_second: Option<f64>,
}

/// One thing that may be wrong with a script, with what to do about it.
#[derive(ToSchema)]
pub(in crate::http) struct ScriptWarning {
    /// A stable word.
    code: WarningCode,
    /// The field of the campaign.
    field: String,
    /// A sentence.
    message: String,
}

/// What would be said.
#[derive(ToSchema)]
pub(in crate::http) struct Preview {
    /// Whose values it is filled with.
    case: Case,
    /// The script; null where a value is missing, or with its values it is too long.
    script: Option<String>,
    /// The fallback; null where there is none, a value is missing, or it is too long.
    fallback: Option<String>,
    /// About how long it takes to say the script.
    #[schema(minimum = 0)]
    seconds: Option<i64>,
    /// About how long it takes to say the fallback.
    #[schema(minimum = 0)]
    fallback_seconds: Option<i64>,
    /// Names without a value and without a fallback: such a lead is not called.
    missing: Vec<String>,
    /// Names that no lead has a value for.
    unknown: Vec<UnknownName>,
    /// Whether with these values a script is longer than 96 KB, so that it is not said.
    too_long: bool,
}

/// A name that no lead has a value for.
#[derive(ToSchema)]
pub(in crate::http) struct UnknownName {
    /// In its comparison form.
    name: String,
    /// One that leads have, and that may have been meant.
    nearest: Option<String>,
}

/// One step of a call.
#[derive(ToSchema)]
pub(in crate::http) struct TimelineEntry {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// What was seen.
    event: String,
}

/// One thing that was said or pressed on a call.
#[derive(ToSchema)]
pub(in crate::http) struct TranscriptLine {
    /// When it began, in seconds since the answer; also the place in the recording.
    #[schema(minimum = 0)]
    seconds: f64,
    /// When it ended, likewise; null for what has no length.
    #[schema(minimum = 0)]
    until: Option<f64>,
    /// Who it was.
    speaker: Speaker,
    /// What it was.
    kind: Kind,
    /// The words, or the key.
    text: String,
    /// Whether it was not heard to its end.
    cut_off: bool,
}

/// What an agent made of a call.
#[derive(ToSchema)]
pub(in crate::http) struct CallConversation {
    /// The model that talked, as its server names it; `recorded` for a conversation of the simulator.
    model: String,
    /// Tells versions of the instruction apart: the beginning of its SHA-256, without what is said about the person.
    prompt: String,
    /// How it came out; null where nobody could say.
    verdict: Option<Verdict>,
    /// What was found out, by names that the agent chose; null without a verdict.
    #[schema(value_type = Option<Object>)]
    answers: Option<Value>,
    /// The tools that were used.
    tools: Vec<UsedTool>,
    /// How long each turn took.
    turns: Vec<TurnLatency>,
    /// Tokens that the model read.
    #[schema(minimum = 0)]
    input_tokens: i64,
    /// Tokens that the model wrote.
    #[schema(minimum = 0)]
    output_tokens: i64,
    /// Why the agent could not go on; null where it could.
    failure: Option<String>,
}

/// How a conversation came out.
#[derive(ToSchema)]
pub(in crate::http) struct Verdict {
    /// In a word.
    conclusion: Conclusion,
    /// Why, in a sentence.
    reason: String,
    /// Whether the agent did not say so itself, and the words were judged when the conversation was over.
    judged_afterwards: bool,
}

/// A tool that an agent used on a call.
#[derive(ToSchema)]
pub(in crate::http) struct UsedTool {
    /// When, in seconds since the answer.
    #[schema(minimum = 0)]
    seconds: f64,
    /// Which; `misused` for one that is not there, or whose arguments were wrong.
    name: String,
    /// Its arguments, as they were understood.
    #[schema(value_type = Object)]
    arguments: Value,
    /// What the agent was told; null where the call ended of it.
    answer: Option<String>,
}

/// How long a turn of a conversation took.
#[derive(ToSchema)]
pub(in crate::http) struct TurnLatency {
    /// From the end of what the person said, or from the answer, until our first sound.
    #[schema(minimum = 0)]
    first_sound_ms: i64,
    /// Of that, turning sound into text; null where one model does it all.
    #[schema(minimum = 0)]
    transcription_ms: Option<i64>,
    /// Of that, until the model's first words.
    #[schema(minimum = 0)]
    model_ms: Option<i64>,
    /// Of that, until the first sound of the voice.
    #[schema(minimum = 0)]
    voice_ms: Option<i64>,
    /// Before this turn: from where it was heard that the person speaks over us until we were silent; null where they did
    /// not.
    #[schema(minimum = 0)]
    barge_in_ms: Option<i64>,
}

/// The rows left out for one reason.
#[derive(ToSchema)]
pub(in crate::http) struct RowsLeftOut {
    /// The reason.
    reason: Reason,
    /// For a person.
    message: String,
    /// Whether these rows count as rejected; else they count as skipped.
    is_error: bool,
    /// How many.
    #[schema(minimum = 1)]
    count: i64,
    /// How many for which cause, where there are several.
    #[schema(nullable = false)]
    why: Option<BTreeMap<String, i64>>,
    /// The first of them.
    first_rows: Vec<ToldRow>,
}

/// A row told as an example.
#[derive(ToSchema)]
pub(in crate::http) struct ToldRow {
    /// Its number; in a table the header is row 1.
    #[schema(minimum = 1)]
    row: i64,
    /// The column.
    field: String,
    /// The start of what stands in it.
    value: String,
    /// What is wrong.
    message: String,
}

/// What a reader should know of rows that came in.
#[derive(ToSchema)]
pub(in crate::http) struct ImportWarning {
    /// What about.
    warning: WarningKind,
    /// Which variable.
    #[schema(nullable = false)]
    variable: Option<String>,
    /// Rows.
    #[schema(minimum = 0)]
    count: i64,
    /// For a person.
    message: String,
}

/// How a file was read.
#[derive(ToSchema)]
pub(in crate::http) struct FileRead {
    /// Its encoding; null for what is no text.
    encoding: Option<String>,
    /// What separates its cells.
    delimiter: Option<String>,
    /// The sheet that was read.
    sheet: Option<String>,
    /// Whether the first row names the columns.
    has_header: bool,
}

/// A column as it was understood.
#[derive(ToSchema)]
pub(in crate::http) struct ColumnRead {
    /// Its heading, or `column_1` and so on.
    column: String,
    /// What it becomes, as a mapping would say it.
    becomes: String,
    /// How that was found out.
    by: How,
    /// The first value in it.
    sample: Option<String>,
    /// What a reader may be surprised by.
    #[schema(nullable = false)]
    note: Option<String>,
}

/// What became of leads that were to be called again.
#[derive(ToSchema)]
pub(in crate::http) struct Retried {
    /// Finished leads whose last call ended so.
    #[schema(minimum = 0)]
    matched: i64,
    /// Those that are in the queue again.
    #[schema(minimum = 0)]
    queued: i64,
    /// Those that have had all their attempts.
    #[schema(minimum = 0)]
    attempts_used_up: i64,
    /// Those whose number may not be called.
    #[schema(minimum = 0)]
    do_not_call: i64,
}

/// What became of leads that were to be changed.
#[derive(ToSchema)]
pub(in crate::http) struct LeadsChanged {
    /// Leads that the filter names.
    #[schema(minimum = 0)]
    matched: i64,
    /// Those that are as it was asked for.
    #[schema(minimum = 0)]
    changed: i64,
    /// Those that are being called, which stay as they are.
    #[schema(minimum = 0)]
    in_progress: i64,
    /// Those that were to be canceled and are finished already, those that have no room for another tag, and people who
    /// were erased.
    #[schema(minimum = 0)]
    skipped: i64,
}

/// What was erased.
#[derive(ToSchema)]
pub(in crate::http) struct Traces {
    /// Leads that tell nothing about anybody any more.
    #[schema(minimum = 0)]
    leads: i64,
    /// Calls that no longer say to whom.
    #[schema(minimum = 0)]
    calls: i64,
    /// Events likewise.
    #[schema(minimum = 0)]
    events: i64,
    /// Entries and changes of the do-not-call list.
    #[schema(minimum = 0)]
    do_not_call: i64,
    /// Reports of imports that forgot the rows they showed.
    #[schema(minimum = 0)]
    imports: i64,
    /// Answers that are not given again.
    #[schema(minimum = 0)]
    replies: i64,
    /// Rows and lines of files.
    #[schema(minimum = 0)]
    file_rows: i64,
    /// Recordings of calls.
    #[schema(minimum = 0)]
    recordings: i64,
}

/// Whether the server is up.
#[derive(ToSchema)]
pub(in crate::http) struct Health {
    /// `ok`.
    status: String,
    /// The version of the program.
    version: String,
}

/// Where to see what became of tests.
#[derive(ToSchema)]
pub(in crate::http) struct TestsSent {
    /// Ids of the deliveries.
    delivery_ids: Vec<i64>,
}

/// How many deliveries are sent again.
#[derive(ToSchema)]
pub(in crate::http) struct Redelivered {
    /// How many.
    #[schema(minimum = 0)]
    redelivered: i64,
}

/// A new status.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct StatusChange {
    /// The status to change to.
    status: Status,
}

/// What is to be shown: exactly one of `lead_id`, `values` and `worst_cases`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PreviewRequest {
    /// A lead of the campaign, whose values fill the scripts.
    #[schema(minimum = 1)]
    lead_id: Option<i64>,
    /// Values by name: texts, numbers, true and false.
    values: Option<Map<String, Value>>,
    /// With the longest value of every variable, with none at all, and with odd characters.
    worst_cases: Option<bool>,
    /// A script to try instead of the campaign's.
    #[schema(max_length = 20000)]
    script_template: Option<String>,
    /// A fallback to try instead of the campaign's.
    #[schema(max_length = 20000)]
    fallback_script: Option<String>,
}

/// Whom to call, and what to fill the script with.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TestCallRequest {
    /// The number to call, best with its country code.
    #[schema(min_length = 1)]
    phone: String,
    /// A lead of the campaign, whose values fill the script. Without one, the name of a value is said where it would stand.
    #[schema(minimum = 1)]
    lead_id: Option<i64>,
    /// Values by name that are used before those of the lead: texts, numbers, true and false.
    variables: Option<Map<String, Value>>,
}

/// Whose values the agent is told, and what is said to it first.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ConversationRequest {
    /// A lead of the campaign, whose values the agent is told. Without one, the name of a value stands where it would be said.
    #[schema(minimum = 1)]
    lead_id: Option<i64>,
    /// Values by name that are used before those of the lead: texts, numbers, true and false.
    variables: Option<Map<String, Value>>,
    /// What is said to the agent after its opening; without it only the opening comes.
    #[schema(max_length = 2000)]
    say: Option<String>,
}

/// What is said to the agent.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ConversationTurn {
    /// The words; a key as `[caller pressed 1]`.
    #[schema(min_length = 1, max_length = 2000)]
    say: String,
}

/// Who talks with the agent, and whose values it is told.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ConversationBatchRequest {
    /// The simulated callers; all of them where this is left out.
    #[schema(min_items = 1, max_items = 20)]
    personas: Option<Vec<Persona>>,
    /// A lead of the campaign, whose values the agent is told.
    #[schema(minimum = 1)]
    lead_id: Option<i64>,
    /// Values by name that are used before those of the lead.
    variables: Option<Map<String, Value>>,
}

/// How the agent did with a simulated caller, by rules.
#[derive(ToSchema)]
pub(in crate::http) struct ConversationReport {
    /// Whether all was as it should be.
    passed: bool,
    /// What should be.
    expected: String,
    /// What was not, each in a sentence.
    findings: Vec<String>,
}

/// A text, and who speaks it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct VoicePreviewRequest {
    /// What to say.
    #[schema(min_length = 1, max_length = 1000)]
    text: String,
    /// The name that the program or service has for the voice, as `ai_voice_id` of a campaign.
    #[schema(max_length = 200)]
    voice: Option<String>,
    /// BCP 47 language; `en-US` unless said.
    language: Option<String>,
    /// Where there is a choice.
    gender: Option<VoiceGender>,
}

/// When to call back.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CallBack {
    /// An instant, not in the past. Without a zone it is read in the campaign's; a date alone means its start.
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}")]
    at: String,
}

/// Who is to be called again.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RetryRequest {
    /// Leads whose last call ended so; not `opted_out`.
    #[schema(min_items = 1)]
    outcomes: Vec<RetriedOutcome>,
}

/// What is changed about many leads; what is left out stays as it is, null empties it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct LeadsChange {
    /// 1–5; 5 is dialed first.
    #[schema(minimum = 1, maximum = 5)]
    priority: Option<i64>,
    /// IANA time zone of the leads.
    time_zone: Option<String>,
    /// BCP 47 language.
    language: Option<String>,
    /// Local time of day at which they are best reached.
    best_time_to_call: Option<String>,
    /// Labels that they get.
    #[schema(max_items = 50)]
    add_tags: Option<Vec<String>>,
    /// Labels that they lose.
    #[schema(max_items = 50)]
    remove_tags: Option<Vec<String>>,
    /// `canceled` takes those out of the queue that are in it.
    status: Option<OnlyCanceled>,
}

/// How to stop.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct StopRequest {
    /// Why, for whoever wonders.
    #[schema(max_length = 500)]
    reason: Option<String>,
    /// Whether the calls that are alive end as well.
    hang_up: Option<bool>,
}

/// Nothing.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Nothing {}

/// A number that no campaign may call.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DoNotCallEntry {
    /// The number.
    #[schema(min_length = 1)]
    phone: String,
    /// Why.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// One number, or up to 10,000.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum DoNotCallEntries {
    /// One.
    One(DoNotCallEntry),
    /// Many.
    Many(Vec<DoNotCallEntry>),
}

/// A webhook of all campaigns.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewWebhook {
    /// Where events are sent: `https` or `http`, at a public address, without a user name.
    #[schema(max_length = 2000, pattern = "^\\s*[Hh][Tt][Tt][Pp][Ss]?://")]
    url: String,
    /// Which events; all unless said.
    #[schema(min_items = 1)]
    events: Option<Vec<EventType>>,
    /// A secret of your own, `whsec_` and base64 of 24 to 64 bytes; one is made unless said.
    secret: Option<String>,
    /// Your own words.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// Whether events are sent to it.
    enabled: Option<bool>,
}

/// Since when failed deliveries are sent again.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RedeliverRequest {
    /// An instant; without a zone it is read in UTC.
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}")]
    since: String,
}

/// One lead, or up to 10,000.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum NewLeads {
    /// One.
    One(NewLead),
    /// Many.
    Many(Vec<NewLead>),
}

/// A form with one file of leads in it; the parameters may be parts of it, too.
#[derive(ToSchema)]
pub(in crate::http) struct LeadsForm {
    /// The file, CSV or Excel.
    #[schema(format = Binary)]
    file: String,
}

/// A row to add to a campaign; only `phone` is required.
#[derive(ToSchema)]
pub(in crate::http) struct NewLead {
    /// The number to dial, best with its country code.
    #[schema(min_length = 1)]
    phone: String,
}

/// Settings of a new campaign; see [`super::requests`].
#[derive(ToSchema)]
pub(in crate::http) struct NewCampaign {}

/// A change to a campaign; likewise.
#[derive(ToSchema)]
pub(in crate::http) struct CampaignChange {}

/// A change to a lead; likewise.
#[derive(ToSchema)]
pub(in crate::http) struct LeadEdit {}

/// A change to a webhook; likewise.
#[derive(ToSchema)]
pub(in crate::http) struct WebhookChange {}

/// A trunk to add; see [`super::requests`].
#[derive(ToSchema)]
pub(in crate::http) struct NewTrunk {}

/// A change to a trunk; likewise.
#[derive(ToSchema)]
pub(in crate::http) struct TrunkChange {}

/// A trunk to try out; likewise.
#[derive(ToSchema)]
pub(in crate::http) struct TrunkTrial {}

/// A lead with an answer of its own, or the report of an import.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum Added<'a> {
    /// One lead that was sent alone.
    Lead(crate::http::leads::View<'a>),
    /// What became of the rows.
    Import(crate::http::imports::View<'a>),
}

/// One number with its history, or what became of many.
#[derive(ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum ListAnswer {
    /// A number that was sent alone.
    Number(crate::http::do_not_call::Details),
    /// What became of many.
    Report(crate::http::do_not_call::Report),
}

/// Who signs in.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct SignIn {
    /// A token.
    #[schema(min_length = 1, max_length = 512)]
    token: String,
}

/// A token to make.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewToken {
    /// What it is called: one line, without control characters.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// What it may do.
    scope: Scope,
    /// From when on it counts no more: a time, or the last day on which it counts (UTC). It stays unless said.
    expires_at: Option<String>,
}

/// Gives closed lists of words that have no type of their own a name.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident = $words:expr;)+) => { $(
        $(#[$doc])*
        pub(in crate::http) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> { Schema::Object(one_of($words)).into() }
        }
        impl ToSchema for $name {
            fn name() -> Cow<'static, str> { stringify!($name).into() }
        }
    )+ };
}

choices! {
    /// A day of the week.
    WorkingDay = &WorkingDays::ALL.names();
    /// What campaigns are sorted by.
    Sort = &["created_at", "updated_at", "name", "priority"];
    /// How a call may have ended that is tried again.
    RetriedOutcome = &Outcome::all().iter().filter(|o| **o != Outcome::OptedOut).map(|o| o.word()).collect::<Vec<_>>();
    /// The one status that many leads can be given.
    OnlyCanceled = &[LeadStatus::Canceled.word()];
    /// Whose webhooks.
    WebhookScope = &["shared", "all"];
    /// Where a setting comes from.
    SettingSource = &["default", "file", "environment", "flag"];
    /// Upwards or downwards.
    Order = &["asc", "desc"];
    /// What separates cells.
    Delimiter = &[",", ";", "|", "tab", "comma", "semicolon", "pipe", "\\t"];
    /// Events, that of a test too.
    AnyEvent = &EventType::all().iter().map(|event| event.word()).chain([TEST_EVENT]).collect::<Vec<_>>();
}

/// The recording of a call, or a part of it.
#[derive(IntoResponses)]
pub(in crate::http) enum Sound {
    /// All of it.
    #[response(status = 200, content_type = "audio/wav", headers(("Content-Disposition" = String), ("Accept-Ranges" = String)))]
    Whole(Vec<u8>),
    /// The part that was asked for.
    #[response(status = 206, content_type = "audio/wav", headers(("Content-Range" = String), ("Accept-Ranges" = String), ("Content-Disposition" = String), ("ETag" = String)))]
    Part(Vec<u8>),
    /// It has no such part.
    #[response(status = 416, headers(("Content-Range" = String)))]
    Beyond(Error),
}
