//! May this number be dialed now, and if not, why and until when? The same questions, in the same order,
//! decide a dial, explain a lead and explain a campaign.
//!
//! Order: campaign state, the switch for all dialing, whether the server has just woken up, lead state, attempts,
//! do-not-call, kind and country of the number, script, zone, hours, daily limit, retry time, budget, spending of all
//! campaigns, campaign's lines, calls of others to the number, calls to it in a day. The carrier's channels and calls per
//! second come after these, in the dialer.

use super::Instant;
use super::agent::{self, AgentKind, Brief, When};
use super::brief::Job;
use super::budget;
use super::call::Plan;
use super::campaign::{Campaign, CampaignType, LeadTimeZonePolicy, Status};
use super::guard::{self, Agents, Overall};
use super::keys::KeyMap;
use super::lead::{Lead, LeadStatus, NewLead};
use super::other_call::{Absent, Filling};
use super::outcome::Criteria;
use super::phone::Phone;
use super::phrases::{OptOut, Phrases};
use super::retry;
use super::schedule::{self, ClosedReason, Opening, Schedule};
use super::script::{Template, Unsaid};
use super::script_preview::Values;
use super::voice::Voice;
use super::zones;
use crate::words;
use chrono::TimeDelta;
use chrono_tz::Tz;
use serde::Serialize;
use std::borrow::Cow;
use std::sync::Arc;

words! {
    /// Why nothing is dialed now.
    pub enum HoldReason {
        /// The campaign is still a draft.
        Draft = "draft",
        /// Somebody paused the campaign.
        Paused = "paused",
        /// The carrier failed too often and the campaign was paused.
        CarrierDown = "carrier_down",
        /// The carrier refuses our calls and the campaign was paused.
        CarrierRefused = "carrier_refused",
        /// The campaign is completed.
        Completed = "completed",
        /// An inbound campaign never dials.
        Inbound = "inbound",
        /// The clock of this machine jumped; waits until it can be trusted.
        ClockJumped = "clock_jumped",
        /// There is nobody left to call.
        NoLeads = "no_leads",
        /// The lead is finished.
        Finished = "finished",
        /// A call to the lead is alive.
        InProgress = "in_progress",
        /// All attempts that the campaign now allows are used up.
        AttemptsUsedUp = "attempts_used_up",
        /// Another campaign is calling the same number.
        NumberInCall = "number_in_call",
        /// The number is on the do-not-call list.
        DoNotCall = "do_not_call",
        /// The script needs a value that the lead does not have.
        MissingVariable = "missing_variable",
        /// With the values of the lead the script is longer than what is said on a call.
        ScriptTooLong = "script_too_long",
        /// The hours are the lead's own, and neither it nor its number says in which time zone.
        TimeZoneUnknown = "time_zone_unknown",
        /// Before the start date.
        NotStarted = "not_started",
        /// After the end date, or the recurrence has no more days.
        ScheduleEnded = "schedule_ended",
        /// Outside the hours, the working days or the recurrence.
        OutsideCallingHours = "outside_calling_hours",
        /// The day's calls are used up.
        DailyLimit = "daily_limit",
        /// Waits for the next attempt.
        RetryLater = "retry_later",
        /// A call is arranged for a later time.
        CallBack = "call_back",
        /// Somebody stopped all dialing of this server.
        DialingStopped = "dialing_stopped",
        /// The server was away for long, or works on a copy of its data, and nobody has looked yet.
        WokeUp = "woke_up",
        /// Numbers of this country may not be dialed.
        CountryNotAllowed = "country_not_allowed",
        /// A premium, satellite, emergency or other number that is never dialed.
        NumberRefused = "number_refused",
        /// The number was called as often as it may be in a day, by whatever campaign.
        CalledTooOften = "called_too_often",
        /// All campaigns together have spent what they may in a day.
        SpendingLimit = "spending_limit",
        /// The rest of the budget does not pay for another call.
        Budget = "budget",
        /// As many calls are alive as the campaign or the carrier allows.
        AllLinesBusy = "all_lines_busy",
        /// As many conversations are on their way as the agent can hold.
        AgentBusy = "agent_busy",
        /// An agent is to talk, and none is configured.
        AgentMissing = "agent_missing",
        /// The agent failed on two calls in a row and the campaign was paused.
        AgentFailed = "agent_failed",
    }
}

impl HoldReason {
    /// The reason for a person, and what to do about it where something can be done.
    pub fn sentence(self) -> &'static str {
        match self {
            HoldReason::Draft => "The campaign is a draft; set its status to active to start calling",
            HoldReason::Paused => "The campaign is paused; set its status to active to go on",
            HoldReason::CarrierDown => {
                "The carrier failed too often, so the campaign was paused; check the carrier, then set it to active"
            }
            HoldReason::CarrierRefused => {
                "The carrier refuses our calls, so the campaign was paused; put right what it refuses, then set it to active"
            }
            HoldReason::Completed => "The campaign is completed; set its status to active to call again",
            HoldReason::Inbound => {
                "An inbound campaign never dials; make an outbound one to call these leads"
            }
            HoldReason::ClockJumped => {
                "The clock of the server jumped; dialing goes on once it can be trusted"
            }
            HoldReason::NoLeads => "There is nobody left to call; add leads",
            HoldReason::Finished => "The lead is finished",
            HoldReason::InProgress => "The lead is being called at this moment",
            HoldReason::AttemptsUsedUp => {
                "The lead has had all attempts the campaign allows; raise max_attempts_per_lead to try again"
            }
            HoldReason::NumberInCall => "Another campaign is calling the same number at this moment",
            HoldReason::DoNotCall => "The number is on the do-not-call list",
            HoldReason::MissingVariable => {
                "The script needs a value that the lead does not have; give it one, or write a fallback into the script"
            }
            HoldReason::ScriptTooLong => {
                "With the lead's values the script is too long to be said; shorten them, or use them less often"
            }
            HoldReason::TimeZoneUnknown => {
                "Nobody knows in which time zone the lead is; give it a time_zone, or use the campaign's hours"
            }
            HoldReason::NotStarted => "The campaign's start date is still to come",
            HoldReason::ScheduleEnded => {
                "The campaign's dates are over; change its end_date or recurrence_rule to go on"
            }
            HoldReason::OutsideCallingHours => "It is outside the calling hours or not a working day",
            HoldReason::DailyLimit => "The calls of this day are used up; raise calls_per_day for more",
            HoldReason::RetryLater => "The next attempt waits for retry_delay_minutes to pass",
            HoldReason::CallBack => "A call is arranged for a later time",
            HoldReason::DialingStopped => {
                "All dialing of this server was stopped by hand; start it again to go on"
            }
            HoldReason::WokeUp => {
                "The server was away for long, or works on a copy of its data; see what would be dialed, then release it"
            }
            HoldReason::CountryNotAllowed => {
                "Numbers of this country may not be dialed; add it to guard.allowed_countries if they should be"
            }
            HoldReason::NumberRefused => "Premium, satellite, emergency and service numbers are never dialed",
            HoldReason::CalledTooOften => {
                "The number was called as often as guard.calls_per_number_per_day allows in 24 hours"
            }
            HoldReason::SpendingLimit => {
                "All campaigns together have spent what guard.spend_per_day allows; it goes on tomorrow (UTC)"
            }
            HoldReason::Budget => "The rest of the budget does not pay for another call; raise the budget",
            HoldReason::AllLinesBusy => "As many calls are alive as the campaign or the carrier allows",
            HoldReason::AgentBusy => {
                "As many conversations are on their way as the agent can hold; raise agent.max_concurrent for more"
            }
            HoldReason::AgentMissing => {
                "An agent is to talk on these calls, and none is configured; set up [agent], or set the campaign's agent to scripted"
            }
            HoldReason::AgentFailed => {
                "The agent failed on two calls in a row, so the campaign was paused; check it, then set the campaign to active"
            }
        }
    }
}

/// A reason not to dial now, and until when it holds; `until` none when only a change removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Which rule said no.
    pub reason: HoldReason,
    /// When it will be asked again.
    pub until: Option<Instant>,
    /// What exactly is missing, where the reason does not say it.
    pub detail: Option<String>,
}

impl Hold {
    /// A hold that nothing but a change removes.
    pub fn standing(reason: HoldReason) -> Hold {
        Hold { reason, until: None, detail: None }
    }

    fn until(reason: HoldReason, until: Instant) -> Hold {
        Hold { reason, until: Some(until), detail: None }
    }
}

impl Serialize for Hold {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("reason", &self.reason)?;
        map.serialize_entry("until", &self.until.map(schedule::format_instant))?;
        if let Some(detail) = &self.detail {
            map.serialize_entry("detail", detail)?;
        }
        map.serialize_entry("message", self.reason.sentence())?;
        map.end()
    }
}

/// A campaign as the gate sees it at one moment.
pub struct Gate<'a> {
    /// The campaign with its sums.
    pub campaign: &'a Campaign,
    /// Dials on the present local date.
    pub dials_today: i64,
    /// What it shares with all others.
    pub overall: Overall,
    /// The moment.
    pub now: Instant,
    rules: Arc<Rules>,
}

/// What follows from a campaign's settings alone, worked out once.
pub struct Rules {
    schedule: Schedule,
    script: Option<Template>,
    fallback: Option<Template>,
    keys: KeyMap,
    opt_out: OptOut,
    /// The sentence after a script tells the key.
    is_told_after: bool,
    phrases: &'static Phrases,
}

impl Rules {
    /// Works them out.
    pub fn of(campaign: &Campaign) -> Arc<Rules> {
        let settings = &campaign.settings;
        let opt_out = settings.opt_out();
        Arc::new(Rules {
            schedule: campaign.schedule(),
            script: Template::parse(&settings.script_template).ok(),
            fallback: settings.fallback_script.as_deref().and_then(|text| Template::parse(text).ok()),
            keys: settings.key_map(),
            is_told_after: opt_out.is_told_in(&opt_out.sentence),
            opt_out,
            phrases: Phrases::of(&settings.ai_voice_language),
        })
    }
}

/// What the store knows about a lead's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Number {
    /// No campaign may dial it.
    pub is_suppressed: bool,
    /// A call to it is alive, from whatever campaign.
    pub is_in_call: bool,
    /// Why it is never dialed, where the kind of number or its country forbid it.
    pub refusal: Option<HoldReason>,
    /// When it may be called again, where it was called as often as it may be in a day.
    pub free_at: Option<Instant>,
}

/// How many openings are looked at before zones count as never open together.
const OPENINGS_MAX: usize = 20;
/// How long a lead waits whose number another campaign is calling.
const NUMBER_PAUSE: TimeDelta = TimeDelta::minutes(1);

impl<'a> Gate<'a> {
    /// Prepares to answer for one campaign at one moment.
    pub fn new(campaign: &'a Campaign, dials_today: i64, overall: Overall, now: Instant) -> Gate<'a> {
        Gate::with(Rules::of(campaign), campaign, dials_today, overall, now)
    }

    /// The same with rules that are worked out already.
    pub fn with(
        rules: Arc<Rules>,
        campaign: &'a Campaign,
        dials_today: i64,
        overall: Overall,
        now: Instant,
    ) -> Gate<'a> {
        Gate { campaign, dials_today, overall, now, rules }
    }

    /// Whether the campaign's own state, and that of the whole server, let it dial at all.
    pub fn state(&self) -> Result<(), Hold> {
        let standing = |reason| Err(Hold::standing(reason));
        match self.campaign.status {
            Status::Draft => standing(HoldReason::Draft),
            Status::Paused => standing(match self.campaign.status_reason.as_deref() {
                Some("carrier_down") => HoldReason::CarrierDown,
                Some("carrier_refused") => HoldReason::CarrierRefused,
                Some("agent_failed") => HoldReason::AgentFailed,
                Some(_) | None => HoldReason::Paused,
            }),
            Status::Completed => standing(HoldReason::Completed),
            Status::Active if self.campaign.settings.campaign_type == CampaignType::Inbound => {
                standing(HoldReason::Inbound)
            }
            Status::Active if self.overall.is_stopped => standing(HoldReason::DialingStopped),
            Status::Active if self.overall.is_waking_up => standing(HoldReason::WokeUp),
            Status::Active => Ok(()),
        }
    }

    /// Whether the hours are open on the clocks of all these zones. Where they are not, until all of them are.
    pub fn hours(&self, zones: &[Tz]) -> Result<(), Hold> {
        let mut first = None;
        let mut at = self.now;
        for _ in 0..OPENINGS_MAX {
            let closed = zones.iter().filter_map(|zone| match self.rules.schedule.opening(at, *zone) {
                Opening::Open { .. } => None,
                Opening::Closed { opens_at, reason } => Some((opens_at.unwrap_or(Instant::MAX_UTC), reason)),
            });
            let Some((opens_at, reason)) = closed.max_by_key(|(opens_at, _)| *opens_at) else {
                return first.map_or(Ok(()), |reason| Err(Hold::until(reason, at)));
            };
            if opens_at == Instant::MAX_UTC {
                return Err(Hold::standing(HoldReason::ScheduleEnded));
            }
            first = first.or(Some(match reason {
                ClosedReason::BeforeStart => HoldReason::NotStarted,
                ClosedReason::AfterEnd => HoldReason::ScheduleEnded,
                ClosedReason::OutsideHours | ClosedReason::NotWorkingDay | ClosedReason::NotRecurrenceDay => {
                    HoldReason::OutsideCallingHours
                }
            }));
            at = opens_at;
        }
        let detail =
            "The number can be in zones that are never inside the hours together; give the lead a time_zone";
        Err(Hold { detail: Some(detail.into()), ..Hold::standing(HoldReason::TimeZoneUnknown) })
    }

    /// Whether the day still has calls left.
    pub fn daily_limit(&self) -> Result<(), Hold> {
        let settings = &self.campaign.settings;
        if self.dials_today < settings.calls_per_day {
            return Ok(());
        }
        let midnight = schedule::next_local_midnight(self.now, settings.time_zone);
        Err(Hold::until(HoldReason::DailyLimit, midnight))
    }

    /// Whether the budget pays for one more call.
    pub fn budget(&self) -> Result<(), Hold> {
        let (settings, totals) = (&self.campaign.settings, &self.campaign.totals);
        match budget::affords(settings.budget, totals.spent, totals.reserved, settings.cost_per_call) {
            true => Ok(()),
            false => Err(Hold::standing(HoldReason::Budget)),
        }
    }

    /// Whether all campaigns together may spend what one more call costs.
    pub fn spending(&self) -> Result<(), Hold> {
        match self.overall.affords(self.campaign.settings.cost_per_call) {
            true => Ok(()),
            false => Err(Hold::until(HoldReason::SpendingLimit, guard::next_day(self.now))),
        }
    }

    /// Whether one more call of this campaign may be alive.
    pub fn lines(&self) -> Result<(), Hold> {
        match self.campaign.totals.in_progress_calls < self.campaign.settings.max_concurrent_calls {
            true => Ok(()),
            false => Err(Hold::standing(HoldReason::AllLinesBusy)),
        }
    }

    /// Everything that does not depend on the lead; hours only where the campaign's clock counts.
    pub fn campaign(&self) -> Result<(), Hold> {
        self.state()?;
        match self.campaign.settings.lead_time_zone_policy {
            LeadTimeZonePolicy::Campaign => self.hours(&[self.campaign.settings.time_zone])?,
            LeadTimeZonePolicy::Lead => self.dates()?,
        }
        self.daily_limit()?;
        self.resources()
    }

    /// Whether there is money and a line for one more call.
    pub fn resources(&self) -> Result<(), Hold> {
        self.budget()?;
        self.spending()?;
        self.lines()?;
        self.seats()
    }

    /// Who talks: whom the campaign names, else an agent where that is usual and nothing was recorded to be played.
    pub fn agent(&self) -> AgentKind {
        let settings = &self.campaign.settings;
        let usual = match self.overall.agents.is_usual && settings.script_prompt.is_none() {
            true => AgentKind::Ai,
            false => AgentKind::Scripted,
        };
        settings.agent.unwrap_or(usual)
    }

    /// Whether there is an agent for one more call, where one is to talk.
    pub fn seats(&self) -> Result<(), Hold> {
        match (self.agent(), self.overall.agents) {
            (AgentKind::Scripted, _) => Ok(()),
            (AgentKind::Ai, Agents { seats: 0, .. }) => Err(Hold::standing(HoldReason::AgentMissing)),
            (AgentKind::Ai, Agents { free: 0, .. }) => Err(Hold::standing(HoldReason::AgentBusy)),
            (AgentKind::Ai, Agents { .. }) => Ok(()),
        }
    }

    /// The clock of a person: the one they name, else the only one that their number can be on, else the campaign's.
    fn clock_of(&self, about: Option<&NewLead>) -> Tz {
        let settings = &self.campaign.settings;
        let by_number = |phone| match zones::of(phone) {
            [zone] => Some(*zone),
            _ => None,
        };
        about
            .and_then(|about| about.time_zone.or_else(|| by_number(about.phone)))
            .unwrap_or(settings.time_zone)
    }

    /// When another call is made that this person asks for, and how an agent may say so; or why it is not, both in a
    /// sentence for a model.
    pub fn promise(&self, about: &NewLead, when: When) -> Result<(Instant, String), String> {
        let zone = self.clock_of(Some(about));
        let at = when.soon(self.now, zone)?;
        let then = Gate { now: at, rules: self.rules.clone(), ..*self };
        let mut zones = self.zones_of(about.time_zone, about.phone);
        if zones.is_empty() {
            zones = vec![zone].into();
        }
        match then.hours(&zones) {
            Ok(()) => Ok((
                at,
                format!("Arranged for {}, on their clock. Tell them this time.", agent::spoken(at, zone)),
            )),
            Err(Hold { until: Some(until), .. }) => Err(format!(
                "Nobody is called at that time. The next time is {}. Offer it, or ask for another one.",
                agent::spoken(until, zone)
            )),
            Err(Hold { until: None, .. }) => {
                Err("Nobody is called any more at that time, because the campaign is over then.".to_owned())
            }
        }
    }

    /// The zones on whose clocks this lead's hours are read, all of which count: the campaign's own, or, where the
    /// policy asks for the lead's, the one it names, else those its number can be in. None where nobody knows.
    pub fn zones_of(&self, lead_zone: Option<Tz>, phone: Phone) -> Cow<'static, [Tz]> {
        match (self.campaign.settings.lead_time_zone_policy, lead_zone) {
            (LeadTimeZonePolicy::Campaign, _) => vec![self.campaign.settings.time_zone].into(),
            (LeadTimeZonePolicy::Lead, Some(zone)) => vec![zone].into(),
            (LeadTimeZonePolicy::Lead, None) => zones::of(phone).into(),
        }
    }

    /// Asks everything about one lead, in the fixed order; the plan of the call where nothing objects.
    pub fn lead(&self, lead: &Lead, number: Number) -> Result<Plan, Hold> {
        self.state()?;
        match lead.status {
            LeadStatus::InProgress => return Err(Hold::standing(HoldReason::InProgress)),
            LeadStatus::DoNotCall => return Err(Hold::standing(HoldReason::DoNotCall)),
            LeadStatus::Completed | LeadStatus::Failed | LeadStatus::Canceled => {
                return Err(Hold::standing(HoldReason::Finished));
            }
            LeadStatus::Pending | LeadStatus::Scheduled => {}
        }
        if lead.attempts >= self.campaign.settings.max_attempts_per_lead {
            return Err(Hold::standing(HoldReason::AttemptsUsedUp));
        }
        if number.is_suppressed {
            return Err(Hold::standing(HoldReason::DoNotCall));
        }
        if let Some(reason) = number.refusal {
            return Err(Hold::standing(reason));
        }
        let filling =
            Filling { values: &Values::default(), lead: Some(&lead.about), absent: Absent::Refused };
        let plan = self.plan(filling, lead.attempts + 1 < self.campaign.settings.max_attempts_per_lead)?;
        let zones = self.zones_of(lead.about.time_zone, lead.about.phone);
        if zones.is_empty() {
            return Err(Hold::standing(HoldReason::TimeZoneUnknown));
        }
        self.hours(&zones).map_err(|hold| self.on_clocks(hold, lead, &zones))?;
        self.daily_limit()?;
        match lead.next_call_at {
            Some(at) if at > self.now => {
                return Err(Hold::until(lead.wait_reason.unwrap_or(HoldReason::RetryLater), at));
            }
            Some(_) | None => {}
        }
        self.resources()?;
        match number {
            Number { is_in_call: true, .. } => {
                Err(Hold::until(HoldReason::NumberInCall, self.now + NUMBER_PAUSE))
            }
            Number { free_at: Some(at), .. } => Err(Hold::until(HoldReason::CalledTooOften, at)),
            Number { is_in_call: false, free_at: None, .. } => Ok(plan),
        }
    }

    /// Whether a call may be placed that a person asks for by hand, to try the campaign. What forbids the number and
    /// the switch for all dialing count; status, hours, limits and money of the campaign do not.
    pub fn trial(&self, filling: Filling, number: Number) -> Result<Plan, Hold> {
        let standing = |reason| Err(Hold::standing(reason));
        match number {
            _ if self.overall.is_stopped => standing(HoldReason::DialingStopped),
            _ if let Err(hold) = self.seats() => Err(hold),
            Number { is_suppressed: true, .. } => standing(HoldReason::DoNotCall),
            Number { refusal: Some(reason), .. } => standing(reason),
            Number { is_in_call: true, .. } => standing(HoldReason::NumberInCall),
            Number { is_suppressed: false, refusal: None, is_in_call: false, free_at: _ } => {
                self.plan(filling, true)
            }
        }
    }

    /// What is said to somebody who calls us, and who may or may not be promised a call.
    pub fn reception(&self, filling: Filling, may_call_back: bool) -> Result<Plan, Hold> {
        self.seats()?;
        Ok(Plan { machine_detection: Some(false), ..self.plan(filling, may_call_back)? })
    }

    /// When a lead is called back who calls us and asks for it; or what would break that promise.
    pub fn call_back(&self, lead: &Lead, number: Number) -> Result<Instant, Hold> {
        self.state()?;
        let settings = &self.campaign.settings;
        let allowed = lead.may_be_called_back(settings.max_attempts_per_lead, number.is_suppressed);
        allowed.and(number.refusal.map_or(Ok(()), Err)).map_err(Hold::standing)?;
        self.budget()?;
        let zones = self.zones_of(lead.about.time_zone, lead.about.phone);
        if zones.is_empty() {
            return Err(Hold::standing(HoldReason::TimeZoneUnknown));
        }
        let at = retry::call_back_at(self.now, TimeDelta::minutes(settings.retry_delay_minutes));
        let then = Gate::with(self.rules.clone(), self.campaign, self.dials_today, self.overall, at);
        match then.hours(&zones) {
            Err(hold) if hold.until.is_none() => Err(hold),
            Ok(()) | Err(_) => Ok(at),
        }
    }

    /// Says on whose clocks the hours are closed, where those are not the campaign's.
    fn on_clocks(&self, hold: Hold, lead: &Lead, zones: &[Tz]) -> Hold {
        let is_own = lead.about.time_zone.is_some();
        match self.campaign.settings.lead_time_zone_policy {
            LeadTimeZonePolicy::Lead
                if matches!(hold.reason, HoldReason::OutsideCallingHours | HoldReason::ScheduleEnded) =>
            {
                let names: Vec<&str> = zones.iter().map(|zone| zone.name()).collect();
                let whose =
                    if is_own { "the lead's own clock" } else { "the clocks where its number can be" };
                Hold { detail: Some(format!("on {whose}: {}", names.join(", "))), ..hold }
            }
            LeadTimeZonePolicy::Lead | LeadTimeZonePolicy::Campaign => hold,
        }
    }

    fn dates(&self) -> Result<(), Hold> {
        let settings = &self.campaign.settings;
        match (settings.start_date, settings.end_date) {
            (Some(start), _) if self.now < start => Err(Hold::until(HoldReason::NotStarted, start)),
            (_, Some(end)) if self.now >= end => Err(Hold::standing(HoldReason::ScheduleEnded)),
            _ => Ok(()),
        }
    }

    /// What an agent would be told on a call with these values, whoever talks on the calls of the campaign.
    pub fn brief(&self, filling: Filling) -> Result<Brief, Hold> {
        let script = self.plan(filling, true)?.script;
        Ok(self.briefed(&filling, &script, true))
    }

    fn briefed(&self, filling: &Filling, script: &str, may_call_back: bool) -> Brief {
        let settings = &self.campaign.settings;
        Brief::of(&Job {
            settings,
            script,
            values: &filling.values(),
            now: self.now,
            zone: self.clock_of(filling.lead),
            may_call_back,
            may_transfer: settings.transfer_number.is_some(),
        })
    }

    fn plan(&self, filling: Filling, may_call_back: bool) -> Result<Plan, Hold> {
        let settings = &self.campaign.settings;
        let render = |template: &Template| filling.said(template);
        let unsaid = |why: Unsaid| match why {
            Unsaid::Missing(names) => {
                Hold { detail: Some(names.join(", ")), ..Hold::standing(HoldReason::MissingVariable) }
            }
            Unsaid::TooLong => Hold::standing(HoldReason::ScriptTooLong),
        };
        let script = match &self.rules.script {
            Some(template) => render(template).map_err(unsaid)?,
            None => return Err(unsaid(Unsaid::Missing(Vec::new()))),
        };
        let fallback = self.rules.fallback.as_ref().map(render).transpose().map_err(unsaid)?;
        let Rules { keys, opt_out, phrases, .. } = &*self.rules;
        let prompts =
            [(settings.script_prompt, Some(&script)), (settings.fallback_prompt, fallback.as_ref())];
        let prompts = prompts.into_iter().filter_map(|(id, words)| Some((id?, words?.clone()))).collect();
        let (script, is_told) = opt_out.after(script);
        let agent = match self.agent() {
            AgentKind::Scripted => None,
            AgentKind::Ai => Some(Arc::new(self.briefed(&filling, &script, may_call_back))),
        };
        let own = settings.recording_announcement.clone().filter(|words| !words.trim().is_empty());
        let usual = || phrases.recorded.to_owned();
        Ok(Plan {
            key_wait: Plan::key_wait(keys, is_told || self.rules.is_told_after),
            prompts,
            keys: keys.clone(),
            phrases,
            may_call_back,
            is_anonymous: false,
            transfer_to: settings.transfer_number,
            machine_detection: settings.machine_detection,
            script,
            fallback,
            announcement: settings.record_calls.then(|| own.unwrap_or_else(usual)),
            voice: Voice {
                id: settings.ai_voice_id.clone(),
                language: settings.ai_voice_language.clone(),
                gender: settings.ai_voice_gender,
            },
            criteria: Criteria::of(&settings.success_criteria),
            ring_timeout: TimeDelta::seconds(settings.ring_timeout_seconds),
            duration_max: TimeDelta::seconds(settings.call_duration_limit),
            agent,
        })
    }
}

/// What the campaign is doing, as its statistics show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dialing {
    /// Calling, waiting or stopped.
    pub state: DialingState,
    /// Why it is not calling.
    pub reason: Option<HoldReason>,
    /// Until when.
    #[serde(serialize_with = "shown_instant")]
    pub until: Option<Instant>,
    /// The reason for a person.
    pub message: Option<&'static str>,
}

impl Dialing {
    fn calling() -> Dialing {
        Dialing { state: DialingState::Calling, reason: None, until: None, message: None }
    }

    fn held(state: DialingState, hold: Hold) -> Dialing {
        let Hold { reason, until, .. } = hold;
        Dialing { state, reason: Some(reason), until, message: Some(reason.sentence()) }
    }
}

pub(super) fn shown_instant<S: serde::Serializer>(
    at: &Option<Instant>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    at.map(schedule::format_instant).serialize(serializer)
}

words! {
    /// What a campaign is doing.
    pub enum DialingState {
        /// Calls are alive, or the next one is being placed.
        Calling = "calling",
        /// Will go on by itself.
        Waiting = "waiting",
        /// Will not go on before somebody changes something.
        Stopped = "stopped",
    }
}

/// What the queue of a campaign looks like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Leads that are not finished.
    pub open_leads: i64,
    /// For each zone of waiting leads (none for unknown), when the first of them is due.
    pub zones: Vec<(Option<Tz>, Instant)>,
    /// Why a lead was put aside, where one was.
    pub held: Option<HoldReason>,
}

impl Gate<'_> {
    /// What the campaign is doing and why, from its own state and that of its queue.
    pub fn dialing(&self, queue: &Queue, clock_hold: Option<Hold>) -> Dialing {
        let alive = self.campaign.totals.in_progress_calls > 0;
        if let Err(hold) = self.state() {
            return Dialing::held(DialingState::Stopped, hold);
        }
        if alive {
            return Dialing::calling();
        }
        let waiting = |hold| Dialing::held(DialingState::Waiting, hold);
        if let Some(hold) = clock_hold {
            return waiting(hold);
        }
        if queue.open_leads == 0 {
            return waiting(Hold::standing(HoldReason::NoLeads));
        }
        if let Err(hold) = self.campaign() {
            return waiting(hold);
        }
        let standing = queue.held.unwrap_or(HoldReason::NoLeads);
        let holds = queue.zones.iter().filter_map(|(zone, due_at)| self.zone(*zone, *due_at).err());
        let soonest = holds.min_by_key(|hold| hold.until.unwrap_or(Instant::MAX_UTC));
        match queue.zones.iter().any(|(zone, due_at)| self.zone(*zone, *due_at).is_ok()) {
            true => Dialing::calling(),
            false => waiting(soonest.unwrap_or(Hold::standing(standing))),
        }
    }

    /// Whether leads of this zone, the first of them due at `due_at`, may be dialed.
    fn zone(&self, zone: Option<Tz>, due_at: Instant) -> Result<(), Hold> {
        if due_at > self.now {
            return Err(Hold::until(HoldReason::RetryLater, due_at));
        }
        self.zone_hours(zone)
    }

    /// Whether the hours are open for leads that name this zone.
    pub(super) fn zone_hours(&self, zone: Option<Tz>) -> Result<(), Hold> {
        match (self.campaign.settings.lead_time_zone_policy, zone) {
            (LeadTimeZonePolicy::Campaign, _) => self.hours(&[self.campaign.settings.time_zone]),
            (LeadTimeZonePolicy::Lead, Some(zone)) => self.hours(&[zone]),
            // Each of them by its own number; those whose hours are closed are due later.
            (LeadTimeZonePolicy::Lead, None) => Ok(()),
        }
    }
}
