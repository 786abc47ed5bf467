//! Campaigns: their settings, their status and their sums.

use super::changes::Change;
use super::queue::read_held;
use super::row::{Cells, json_text, ms};
use super::{Snapshot, StoreError, Tx, lower};
use crate::domain::Instant;
use crate::domain::budget;
use crate::domain::campaign::{
    Campaign, CampaignType, EventType, Priority, Request, Settings, Status, Totals, Webhook,
};
use crate::domain::event::Event;
use crate::domain::fields::Words;
use crate::domain::gate::{HoldReason, Queue};
use crate::domain::invalid::{Invalid, Problem, Refused};
use crate::domain::keys::KeyMap;
use crate::domain::lead::LeadStatus;
use crate::domain::money::Money;
use crate::domain::outcome::Outcome;
use crate::domain::phone::Phone;
use crate::domain::recurrence::Recurrence;
use crate::domain::schedule::{self, CallingHours, TimeOfDay, WorkingDays};
use chrono::NaiveDate;
use chrono_tz::Tz;
use rusqlite::{OptionalExtension, Row, ToSql, params};

/// Which campaigns a list shows, and in which order.
#[derive(Clone, Debug, Default)]
pub struct CampaignFilter {
    /// Only those with this status.
    pub status: Option<Status>,
    /// Only those with this priority.
    pub priority: Option<Priority>,
    /// Only those of this type.
    pub campaign_type: Option<CampaignType>,
    /// Only those with this tag.
    pub tag: Option<String>,
    /// Only those with this text in name or description, in any case.
    pub search: Option<String>,
    /// What to sort by; equals are sorted by id.
    pub sort: CampaignSort,
    /// Which end comes first.
    pub order: Order,
    /// At most so many.
    pub limit: Option<usize>,
    /// Only those after this one in the same order.
    pub after: Option<Cursor>,
}

/// What campaigns are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CampaignSort {
    /// When they were made.
    #[default]
    CreatedAt,
    /// When they were last edited.
    UpdatedAt,
    /// Their names, in any case.
    Name,
    /// Low, medium, high.
    Priority,
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Smallest, oldest, `A` first.
    Ascending,
    /// Largest, newest, `Z` first.
    #[default]
    Descending,
}

/// A place in a sorted list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What is sorted by, as text.
    pub key: String,
    /// The campaign at this place.
    pub id: i64,
}

impl CampaignSort {
    /// The place of a campaign in a list sorted so.
    pub fn cursor(self, campaign: &Campaign) -> Cursor {
        let key = match self {
            CampaignSort::CreatedAt => ms(campaign.created_at).to_string(),
            CampaignSort::UpdatedAt => ms(campaign.updated_at).to_string(),
            CampaignSort::Name => campaign.settings.name.clone(),
            CampaignSort::Priority => campaign.settings.priority.weight().to_string(),
        };
        Cursor { key, id: campaign.id }
    }
}

macro_rules! columns {
    () => {
        "c.id, c.status, c.status_reason, c.status_changed_at, c.status_changed_by, c.name, c.description, c.priority, c.campaign_type, c.calls_per_day,
         c.calling_hours_start, c.calling_hours_end, c.time_zone, c.working_days, c.ai_voice_id,
         c.ai_voice_language, c.ai_voice_gender, c.system_prompt, c.script_template, c.fallback_script,
         c.max_attempts_per_lead, c.retry_delay_minutes, c.call_duration_limit, c.success_criteria,
         c.cost_per_call, c.budget, c.budget_alert_threshold, c.max_concurrent_calls, c.ring_timeout_seconds,
         c.caller_id, c.lead_time_zone_policy, c.start_date, c.end_date, c.recurrence_rule,
         c.expected_completion_date, c.owner_id, c.team_members, c.company_id, c.tags, c.notes, c.webhooks,
         c.keys, c.opt_out_sentence, c.machine_detection, c.transfer_number, c.record_calls, c.recording_announcement,
         c.inbound_number, c.script_prompt, c.fallback_prompt, c.agent, c.agent_disclosure,
         t.total_leads, t.completed_calls, t.successful_calls, t.failed_calls, t.attempts, t.unanswered_calls,
         t.error_calls, t.in_progress_calls, t.talk_ms, t.spent, t.reserved, t.alerted_percent, t.sequence,
         t.revision, c.version, c.holds_stale, c.created_at, c.updated_at, c.deleted_at
         FROM campaigns c JOIN campaign_totals t ON t.campaign_id = c.id"
    };
}

macro_rules! filtered {
    () => {
        " WHERE c.deleted_at IS NULL
          AND (?1 IS NULL OR c.status = ?1) AND (?2 IS NULL OR c.priority = ?2)
          AND (?3 IS NULL OR c.campaign_type = ?3)
          AND (?4 IS NULL OR EXISTS (SELECT 1 FROM json_each(c.tags) WHERE value = ?4))
          AND (?5 IS NULL OR instr(lower(c.name || char(10) || coalesce(c.description, '')), lower(?5)) > 0)"
    };
}

/// One list statement per order; `?6` is how many, `?7` and `?8` the place to go on from.
macro_rules! list {
    ($key:literal, $cast:literal, $after:literal, $direction:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            filtered!(),
            " AND (?8 IS NULL OR (",
            $key,
            ", c.id) ",
            $after,
            " (CAST(?7 AS ",
            $cast,
            "), ?8))",
            " ORDER BY ",
            $key,
            " ",
            $direction,
            ", c.id ",
            $direction,
            " LIMIT ?6"
        )
    };
}

impl CampaignFilter {
    fn statement(&self) -> &'static str {
        use CampaignSort::{CreatedAt, Name, Priority, UpdatedAt};
        use Order::{Ascending, Descending};
        match (self.sort, self.order) {
            (CreatedAt, Descending) => list!("c.created_at", "INTEGER", "<", "DESC"),
            (CreatedAt, Ascending) => list!("c.created_at", "INTEGER", ">", "ASC"),
            (UpdatedAt, Descending) => list!("c.updated_at", "INTEGER", "<", "DESC"),
            (UpdatedAt, Ascending) => list!("c.updated_at", "INTEGER", ">", "ASC"),
            (Name, Descending) => list!("lower(c.name)", "TEXT", "<", "DESC"),
            (Name, Ascending) => list!("lower(c.name)", "TEXT", ">", "ASC"),
            (Priority, Descending) => {
                list!(
                    "CASE c.priority WHEN 'high' THEN 4 WHEN 'medium' THEN 2 ELSE 1 END",
                    "INTEGER",
                    "<",
                    "DESC"
                )
            }
            (Priority, Ascending) => {
                list!(
                    "CASE c.priority WHEN 'high' THEN 4 WHEN 'medium' THEN 2 ELSE 1 END",
                    "INTEGER",
                    ">",
                    "ASC"
                )
            }
        }
    }
}

fn read(row: &Row) -> rusqlite::Result<Campaign> {
    let mut cells = Cells::of(row);
    let c = &mut cells;
    Ok(Campaign {
        id: c.get()?,
        status: c.word()?,
        status_reason: c.get()?,
        status_changed_at: c.instant_optional()?,
        status_changed_by: c.get()?,
        settings: read_settings(c)?,
        totals: Totals {
            total_leads: c.get()?,
            completed_calls: c.get()?,
            successful_calls: c.get()?,
            failed_calls: c.get()?,
            attempts: c.get()?,
            unanswered_calls: c.get()?,
            error_calls: c.get()?,
            in_progress_calls: c.get()?,
            talk_ms: c.get()?,
            spent: c.money()?,
            reserved: c.money()?,
            alerted_percent: c.get()?,
            sequence: c.get()?,
            revision: c.get()?,
        },
        version: c.get()?,
        has_stale_holds: c.get()?,
        created_at: c.instant()?,
        updated_at: c.instant()?,
        deleted_at: c.instant_optional()?,
    })
}

fn read_settings(c: &mut Cells) -> rusqlite::Result<Settings> {
    Ok(Settings {
        name: c.get()?,
        description: c.get()?,
        priority: c.word()?,
        campaign_type: c.word()?,
        calls_per_day: c.get()?,
        hours: {
            let (start, end) = (c.parse(TimeOfDay::from_seconds)?, c.parse(TimeOfDay::from_seconds)?);
            CallingHours { start, end }
        },
        time_zone: c.text(|name| name.parse().ok())?,
        working_days: c.parse(WorkingDays::from_bits)?,
        ai_voice_id: c.get()?,
        ai_voice_language: c.get()?,
        ai_voice_gender: c.parse_optional(|word: String| Words::from_word(&word))?,
        system_prompt: c.get()?,
        script_template: c.get()?,
        fallback_script: c.get()?,
        max_attempts_per_lead: c.get()?,
        retry_delay_minutes: c.get()?,
        call_duration_limit: c.get()?,
        success_criteria: c.get()?,
        cost_per_call: c.money()?,
        budget: c.parse_optional(|amount| Some(Money::from_ten_thousandths(amount)))?,
        budget_alert_threshold: c.get()?,
        max_concurrent_calls: c.get()?,
        ring_timeout_seconds: c.get()?,
        caller_id: c.parse_optional(|text: String| Phone::from_e164(&text))?,
        lead_time_zone_policy: c.word()?,
        start_date: c.instant_optional()?,
        end_date: c.instant_optional()?,
        recurrence_rule: c.parse_optional(|text: String| Recurrence::parse(&text).ok())?,
        expected_completion_date: c.parse_optional(|text: String| text.parse::<NaiveDate>().ok())?,
        owner_id: c.get()?,
        team_members: c.json()?,
        company_id: c.get()?,
        tags: c.json()?,
        notes: c.get()?,
        webhooks: c.text(read_webhooks)?,
        keys: c.parse_optional(|text: String| KeyMap::read(&serde_json::from_str(&text).ok()?).ok())?,
        opt_out_sentence: c.get()?,
        machine_detection: c.get()?,
        transfer_number: c.parse_optional(|text: String| Phone::from_e164(&text))?,
        record_calls: c.get()?,
        recording_announcement: c.get()?,
        inbound_number: c.parse_optional(|text: String| Phone::from_e164(&text))?,
        script_prompt: c.get()?,
        fallback_prompt: c.get()?,
        agent: c.parse_optional(|word: String| Words::from_word(&word))?,
        agent_disclosure: c.get()?,
    })
}

fn read_webhooks(text: &str) -> Option<Vec<Webhook>> {
    if text == "[]" {
        return Some(Vec::new());
    }
    let stored: Vec<serde_json::Value> = serde_json::from_str(text).ok()?;
    let read = |webhook: &serde_json::Value| {
        let text = |name: &str| webhook.get(name)?.as_str().map(str::to_owned);
        let events = webhook.get("events")?.as_array()?;
        let events =
            events.iter().map(|event| EventType::from_word(event.as_str()?)).collect::<Option<_>>()?;
        Some(Webhook { url: text("url")?, events, secret: None, description: text("description") })
    };
    stored.iter().map(read).collect()
}

/// Hands the settings to a statement under the names of their columns.
fn with_settings<T>(settings: &Settings, run: impl FnOnce(&[(&str, &dyn ToSql)]) -> T) -> T {
    let s = settings;
    let zone = s.time_zone.name();
    run(&[
        (":name", &s.name),
        (":description", &s.description),
        (":priority", &s.priority.word()),
        (":campaign_type", &s.campaign_type.word()),
        (":calls_per_day", &s.calls_per_day),
        (":calling_hours_start", &s.hours.start.seconds()),
        (":calling_hours_end", &s.hours.end.seconds()),
        (":time_zone", &zone),
        (":working_days", &s.working_days.bits()),
        (":ai_voice_id", &s.ai_voice_id),
        (":ai_voice_language", &s.ai_voice_language),
        (":ai_voice_gender", &s.ai_voice_gender.map(Words::word)),
        (":system_prompt", &s.system_prompt),
        (":script_template", &s.script_template),
        (":fallback_script", &s.fallback_script),
        (":max_attempts_per_lead", &s.max_attempts_per_lead),
        (":retry_delay_minutes", &s.retry_delay_minutes),
        (":call_duration_limit", &s.call_duration_limit),
        (":success_criteria", &s.success_criteria),
        (":cost_per_call", &s.cost_per_call.ten_thousandths()),
        (":budget", &s.budget.map(Money::ten_thousandths)),
        (":budget_alert_threshold", &s.budget_alert_threshold),
        (":max_concurrent_calls", &s.max_concurrent_calls),
        (":ring_timeout_seconds", &s.ring_timeout_seconds),
        (":caller_id", &s.caller_id.map(|phone| phone.to_string())),
        (":lead_time_zone_policy", &s.lead_time_zone_policy.word()),
        (":start_date", &s.start_date.map(ms)),
        (":end_date", &s.end_date.map(ms)),
        (":recurrence_rule", &s.recurrence_rule.as_ref().map(|rule| rule.text().to_owned())),
        (":expected_completion_date", &s.expected_completion_date.map(|day| day.to_string())),
        (":owner_id", &s.owner_id),
        (":team_members", &json_text(&s.team_members)),
        (":company_id", &s.company_id),
        (":tags", &json_text(&s.tags)),
        (":notes", &s.notes),
        (":webhooks", &json_text(&s.webhooks)),
        (":keys", &s.keys.as_ref().map(json_text)),
        (":opt_out_sentence", &s.opt_out_sentence),
        (":machine_detection", &s.machine_detection),
        (":transfer_number", &s.transfer_number.map(|phone| phone.to_string())),
        (":record_calls", &s.record_calls),
        (":recording_announcement", &s.recording_announcement),
        (":inbound_number", &s.inbound_number.map(|phone| phone.to_string())),
        (":script_prompt", &s.script_prompt),
        (":fallback_prompt", &s.fallback_prompt),
        (":agent", &s.agent.map(Words::word)),
        (":agent_disclosure", &s.agent_disclosure),
    ])
}

impl Snapshot<'_> {
    /// A campaign that was not deleted.
    pub fn campaign(&self, id: i64) -> Result<Option<Campaign>, StoreError> {
        Ok(self.campaign_even_deleted(id)?.filter(|campaign| campaign.deleted_at.is_none()))
    }

    /// A campaign, deleted or not; the dialer settles the calls of both.
    pub fn campaign_even_deleted(&self, id: i64) -> Result<Option<Campaign>, StoreError> {
        let mut statement =
            self.connection.prepare_cached(concat!("SELECT ", columns!(), " WHERE c.id = ?1"))?;
        Ok(statement.query_row([id], read).optional()?)
    }

    /// The campaigns that pass a filter, in its order.
    pub fn campaigns(&self, filter: &CampaignFilter) -> Result<Vec<Campaign>, StoreError> {
        let mut statement = self.connection.prepare_cached(filter.statement())?;
        let limit = filter.limit.map_or(-1, |limit| limit as i64);
        let (key, id) = filter.after.as_ref().map(|cursor| (lower::lower(&cursor.key), cursor.id)).unzip();
        let rows = statement.query_map(
            params![
                filter.status.map(Words::word),
                filter.priority.map(Words::word),
                filter.campaign_type.map(Words::word),
                filter.tag,
                filter.search,
                limit,
                key,
                id
            ],
            read,
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many campaigns pass a filter, whatever its place and limit.
    pub fn count_campaigns(&self, filter: &CampaignFilter) -> Result<i64, StoreError> {
        let mut statement =
            self.connection.prepare_cached(concat!("SELECT count(*) FROM campaigns c", filtered!()))?;
        let words = (filter.status.map(Words::word), filter.priority.map(Words::word));
        let params =
            params![words.0, words.1, filter.campaign_type.map(Words::word), filter.tag, filter.search];
        Ok(statement.query_row(params, |row| row.get(0))?)
    }

    /// The campaigns that may want to dial.
    pub fn active_campaigns(&self) -> Result<Vec<Campaign>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " WHERE c.status = 'active' AND c.deleted_at IS NULL ORDER BY c.id"
        );
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The campaign that is called on this number, active or not.
    pub fn campaign_called_on(&self, number: Phone) -> Result<Option<Campaign>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " WHERE c.inbound_number = ?1 AND c.deleted_at IS NULL");
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([number.to_string()], read).optional()?)
    }

    /// Whether settings fit to what else there is: to the numbers of other campaigns, and to the prompts of the one
    /// with this `id`; a new one has none.
    pub fn fits(&self, settings: &Settings, id: Option<i64>) -> Result<Result<(), Invalid>, StoreError> {
        let mut problems = Vec::new();
        let called = settings.inbound_number.map(|number| self.campaign_called_on(number)).transpose()?;
        if let Some(other) = called.flatten().filter(|other| Some(other.id) != id) {
            let message = format!("is the number of campaign {} already; use another one", other.id);
            problems.push(Problem { field: "inbound_number".into(), message });
        }
        // Whether it is a number of a kind that may be called was asked when it was read.
        let refusal = settings.transfer_number.and_then(|number| self.guard().refusal(number));
        if refusal == Some(HoldReason::CountryNotAllowed) {
            let message = "belongs to a country that may not be called; add it to guard.allowed_countries or use \
                           another number";
            problems.push(Problem { field: "transfer_number".into(), message: message.into() });
        }
        let prompts =
            [("script_prompt", settings.script_prompt), ("fallback_prompt", settings.fallback_prompt)];
        for (field, prompt) in prompts {
            let sql = "SELECT 1 FROM prompts WHERE id = ?1 AND campaign_id = ?2";
            let mut statement = self.connection.prepare_cached(sql)?;
            if let Some(prompt) = prompt
                && !statement.exists(params![prompt, id])?
            {
                let message = format!("this campaign has no prompt {prompt}; upload it first");
                problems.push(Problem { field: field.into(), message });
            }
        }
        Ok(if problems.is_empty() { Ok(()) } else { Err(Invalid(problems)) })
    }

    /// Dials on the campaign's present local date.
    pub fn dials_today(&self, campaign: &Campaign) -> Result<i64, StoreError> {
        let date = schedule::local_date(self.now, campaign.settings.time_zone);
        let sql = "SELECT dials + carried FROM dialed_days WHERE campaign_id = ?1 AND local_date = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let dials =
            statement.query_row(params![campaign.id, date.to_string()], |row| row.get(0)).optional()?;
        Ok(dials.unwrap_or(0))
    }

    /// How many leads have each status.
    pub fn lead_counts(&self, campaign_id: i64) -> Result<Vec<(LeadStatus, i64)>, StoreError> {
        let sql = "SELECT leads_pending, leads_in_progress, leads_scheduled, leads_completed, leads_failed,
                          leads_canceled, leads_do_not_call FROM campaign_totals WHERE campaign_id = ?1";
        let counts = self.connection.prepare_cached(sql)?.query_row([campaign_id], |row| {
            LeadStatus::all()
                .iter()
                .enumerate()
                .map(|(index, status)| Ok((*status, row.get(index)?)))
                .collect()
        });
        Ok(counts?)
    }

    /// How many calls ended with each outcome.
    pub fn outcome_counts(&self, campaign_id: i64) -> Result<Vec<(Outcome, i64)>, StoreError> {
        let sql = "SELECT outcome, calls FROM outcome_totals WHERE campaign_id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([campaign_id], |row| {
            let mut cells = Cells::of(row);
            Ok((cells.word()?, cells.get()?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What the queue of a campaign looks like.
    pub fn queue(&self, campaign: &Campaign) -> Result<Queue, StoreError> {
        let open_leads = self.open_leads(campaign.id)?;
        let held: Option<String> = self
            .connection
            .prepare_cached("SELECT held FROM leads WHERE campaign_id = ?1 AND held IS NOT NULL LIMIT 1")?
            .query_row([campaign.id], |row| row.get(0))
            .optional()?;
        let held = held.and_then(|cell| read_held(&cell)).map(|(reason, _)| reason);
        let zones = self.zones_waiting(campaign.id)?.into_iter().map(|zone| {
            let due_at = self.first_due_at(campaign.id, &zone, Instant::UNIX_EPOCH)?;
            Ok(due_at.map(|due_at| (zone.parse().ok(), due_at)))
        });
        let zones = zones.collect::<Result<Vec<_>, StoreError>>()?.into_iter().flatten().collect();
        Ok(Queue { open_leads, zones, held })
    }
}

impl Tx<'_> {
    /// Writes a new campaign. `by` is who made it. The answer has the secrets of webhooks that were made here.
    pub fn insert_campaign(&self, request: &Request, by: &str) -> Result<Campaign, StoreError> {
        let sql = "INSERT INTO campaigns (name, description, status, priority, campaign_type, calls_per_day,
             calling_hours_start, calling_hours_end, time_zone, working_days, ai_voice_id, ai_voice_language,
             ai_voice_gender, system_prompt, script_template, fallback_script, max_attempts_per_lead,
             retry_delay_minutes, call_duration_limit, success_criteria, cost_per_call, budget,
             budget_alert_threshold, max_concurrent_calls, ring_timeout_seconds, caller_id, lead_time_zone_policy,
             start_date, end_date, recurrence_rule, expected_completion_date, owner_id, team_members, company_id,
             tags, notes, webhooks, keys, opt_out_sentence, machine_detection, transfer_number, record_calls,
             recording_announcement, inbound_number, script_prompt, fallback_prompt, agent, agent_disclosure,
             created_at, updated_at, status_changed_at, status_changed_by)
             VALUES (:name, :description, :status, :priority, :campaign_type, :calls_per_day,
             :calling_hours_start, :calling_hours_end, :time_zone, :working_days, :ai_voice_id, :ai_voice_language,
             :ai_voice_gender, :system_prompt, :script_template, :fallback_script, :max_attempts_per_lead,
             :retry_delay_minutes, :call_duration_limit, :success_criteria, :cost_per_call, :budget,
             :budget_alert_threshold, :max_concurrent_calls, :ring_timeout_seconds, :caller_id,
             :lead_time_zone_policy, :start_date, :end_date, :recurrence_rule, :expected_completion_date, :owner_id,
             :team_members, :company_id, :tags, :notes, :webhooks, :keys, :opt_out_sentence, :machine_detection,
             :transfer_number, :record_calls, :recording_announcement, :inbound_number, :script_prompt,
             :fallback_prompt, :agent, :agent_disclosure, :now, :now, :now, :by)";
        let status = request.status.unwrap_or(Status::Draft);
        let now = ms(self.now);
        with_settings(&request.settings, |settings| {
            let mut params = settings.to_vec();
            let word = status.word();
            params.extend([(":status", &word as &dyn ToSql), (":now", &now), (":by", &by)]);
            self.execute(sql, params.as_slice())
        })?;
        let id = self.connection.last_insert_rowid();
        self.execute("INSERT INTO campaign_totals (campaign_id) VALUES (?1)", [id])?;
        let mut webhooks = request.settings.webhooks.clone();
        if !webhooks.is_empty() {
            self.put_webhooks(id, &mut webhooks)?;
        }
        self.touch(Change::Campaign(id));
        let mut campaign = self.existing(id)?;
        if status != Status::Draft {
            self.emit(id, &Event::status_changed(&campaign, Status::Draft, status, by, None))?;
            self.wake_dialer();
        }
        campaign.settings.webhooks = webhooks;
        Ok(campaign)
    }

    /// Writes changed settings and, where asked, the status under its rules. No change at all leaves the
    /// version as it is. The answer has the secrets of webhooks that were made here.
    pub fn update_campaign(
        &self,
        before: &Campaign,
        request: &Request,
        by: &str,
    ) -> Result<Result<Campaign, Refused>, StoreError> {
        let to = request.status.unwrap_or(before.status);
        if let Err(refused) = before.status.change_to(to) {
            return Ok(Err(refused));
        }
        if request.settings != before.settings {
            self.write_settings(before, &request.settings)?;
        }
        let mut webhooks = request.settings.webhooks.clone();
        if webhooks != before.settings.webhooks {
            self.put_webhooks(before.id, &mut webhooks)?;
        }
        let campaign = self.existing(before.id)?;
        let mut changed = self.change_status(&campaign, to, by)?;
        if let Ok(campaign) = &mut changed {
            campaign.settings.webhooks = webhooks;
        }
        Ok(changed)
    }

    fn write_settings(&self, before: &Campaign, settings: &Settings) -> Result<(), StoreError> {
        let sql = "UPDATE campaigns SET name = :name, description = :description, priority = :priority,
             campaign_type = :campaign_type, calls_per_day = :calls_per_day,
             calling_hours_start = :calling_hours_start, calling_hours_end = :calling_hours_end,
             time_zone = :time_zone, working_days = :working_days, ai_voice_id = :ai_voice_id,
             ai_voice_language = :ai_voice_language, ai_voice_gender = :ai_voice_gender,
             system_prompt = :system_prompt, script_template = :script_template,
             fallback_script = :fallback_script, max_attempts_per_lead = :max_attempts_per_lead,
             retry_delay_minutes = :retry_delay_minutes, call_duration_limit = :call_duration_limit,
             success_criteria = :success_criteria, cost_per_call = :cost_per_call, budget = :budget,
             budget_alert_threshold = :budget_alert_threshold, max_concurrent_calls = :max_concurrent_calls,
             ring_timeout_seconds = :ring_timeout_seconds, caller_id = :caller_id,
             lead_time_zone_policy = :lead_time_zone_policy, start_date = :start_date, end_date = :end_date,
             recurrence_rule = :recurrence_rule, expected_completion_date = :expected_completion_date,
             owner_id = :owner_id, team_members = :team_members, company_id = :company_id, tags = :tags,
             notes = :notes, webhooks = :webhooks, keys = :keys, opt_out_sentence = :opt_out_sentence,
             machine_detection = :machine_detection, transfer_number = :transfer_number,
             record_calls = :record_calls, recording_announcement = :recording_announcement,
             inbound_number = :inbound_number, script_prompt = :script_prompt,
             fallback_prompt = :fallback_prompt, agent = :agent, agent_disclosure = :agent_disclosure, version = version + 1, holds_stale = 1,
             updated_at = :now WHERE id = :id";
        let now = ms(self.now);
        let id = before.id;
        with_settings(settings, |named| {
            let mut params = named.to_vec();
            params.extend([(":id", &id as &dyn ToSql), (":now", &now)]);
            self.execute(sql, params.as_slice())
        })?;
        if settings.time_zone != before.settings.time_zone {
            self.carry_dials(before.id, settings.time_zone)?;
        }
        self.tell_budget(before, settings)?;
        self.touch(Change::Campaign(id));
        self.touch(Change::Stats(id));
        self.wake_dialer();
        Ok(())
    }

    /// In a new time zone today is another day; what was dialed in it under the old zone's dates still counts.
    fn carry_dials(&self, id: i64, zone: Tz) -> Result<(), StoreError> {
        let today = schedule::local_date(self.now, zone);
        let midnight = schedule::day_start(today, zone).min(self.now);
        let sql = "INSERT INTO dialed_days (campaign_id, local_date, carried)
                   SELECT ?1, ?2, count(*) FROM calls WHERE campaign_id = ?1 AND placed_at >= ?3 AND local_date <> ?2
                   ON CONFLICT (campaign_id, local_date) DO UPDATE SET carried = excluded.carried";
        self.execute(sql, params![id, today.to_string(), ms(midnight)])?;
        Ok(())
    }

    /// An edit of the budget may cross an alert level by itself, or take a crossing back.
    fn tell_budget(&self, before: &Campaign, after: &Settings) -> Result<(), StoreError> {
        let (threshold, spent) = (after.budget_alert_threshold, before.totals.spent);
        let unchanged =
            (before.settings.budget, before.settings.budget_alert_threshold) == (after.budget, threshold);
        if unchanged {
            return Ok(());
        }
        let reached = budget::level_reached(spent, after.budget, threshold);
        let told = before.totals.alerted_percent.min(reached);
        let campaign = self.existing(before.id)?;
        for percent in budget::levels_crossed(told, reached, threshold) {
            self.emit(
                before.id,
                &Event::budget_reached(&campaign, percent, spent, &format!("edit-{}", campaign.version)),
            )?;
        }
        let sql =
            "UPDATE campaign_totals SET alerted_percent = ?2, revision = revision + 1 WHERE campaign_id = ?1";
        self.execute(sql, params![before.id, reached])?;
        Ok(())
    }

    /// Changes the status under its rules; to the present one nothing happens. `by` is who asked.
    pub fn change_status(
        &self,
        campaign: &Campaign,
        to: Status,
        by: &str,
    ) -> Result<Result<Campaign, Refused>, StoreError> {
        match campaign.status.change_to(to) {
            Err(refused) => Ok(Err(refused)),
            Ok(false) => Ok(Ok(campaign.clone())),
            Ok(true) => self.put_status(campaign, to, by, None).map(Ok),
        }
    }

    /// The server itself changes the status; the reason is kept and shown.
    pub fn change_status_because(
        &self,
        campaign: &Campaign,
        to: Status,
        reason: &str,
    ) -> Result<(), StoreError> {
        if campaign.status.change_to(to) == Ok(true) {
            self.put_status(campaign, to, "server", Some(reason))?;
        }
        Ok(())
    }

    fn put_status(
        &self,
        campaign: &Campaign,
        to: Status,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Campaign, StoreError> {
        let sql =
            "UPDATE campaigns SET status = ?2, status_reason = ?3, version = version + 1, updated_at = ?4,
                     status_changed_at = ?4, status_changed_by = ?5 WHERE id = ?1";
        self.execute(sql, params![campaign.id, to.word(), reason, ms(self.now), by])?;
        let changed = self.existing(campaign.id)?;
        self.touch(Change::Campaign(campaign.id));
        self.touch(Change::Stats(campaign.id));
        self.emit(campaign.id, &Event::status_changed(&changed, campaign.status, to, by, reason))?;
        self.wake_dialer();
        Ok(changed)
    }

    /// Hides a campaign; its dialing stops and its calls are hung up. False if there is none. The records go
    /// after the retention time.
    pub fn delete_campaign(&self, id: i64, by: &str) -> Result<bool, StoreError> {
        let Some(campaign) = self.campaign(id)? else { return Ok(false) };
        if campaign.status != Status::Completed {
            self.put_status(&campaign, Status::Completed, by, Some("deleted"))?;
        }
        self.execute("UPDATE campaigns SET deleted_at = ?2 WHERE id = ?1", params![id, ms(self.now)])?;
        self.touch(Change::Campaign(id));
        self.wake_dialer();
        Ok(true)
    }

    /// Writes a campaign's sums, all but the event sequence, which only [`Self::emit`] moves.
    pub(super) fn save_totals(&self, id: i64, totals: &Totals) -> Result<(), StoreError> {
        let sql = "UPDATE campaign_totals SET completed_calls = ?2, successful_calls = ?3, failed_calls = ?4,
             attempts = ?5, unanswered_calls = ?6, error_calls = ?7, in_progress_calls = ?8, talk_ms = ?9,
             spent = ?10, reserved = ?11, alerted_percent = ?12, revision = ?13 WHERE campaign_id = ?1";
        self.touch(Change::Stats(id));
        let t = totals;
        self.execute(
            sql,
            params![
                id,
                t.completed_calls,
                t.successful_calls,
                t.failed_calls,
                t.attempts,
                t.unanswered_calls,
                t.error_calls,
                t.in_progress_calls,
                t.talk_ms,
                t.spent.ten_thousandths(),
                t.reserved.ten_thousandths(),
                t.alerted_percent,
                t.revision,
            ],
        )?;
        Ok(())
    }

    /// Moves leads from one status to another in the sums; none stands for new or deleted.
    pub(super) fn count_leads(
        &self,
        campaign_id: i64,
        from: Option<LeadStatus>,
        to: Option<LeadStatus>,
        count: i64,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE campaign_totals SET total_leads = total_leads + ?2, revision = revision + 1,
             leads_pending = leads_pending + ?3, leads_in_progress = leads_in_progress + ?4,
             leads_scheduled = leads_scheduled + ?5, leads_completed = leads_completed + ?6,
             leads_failed = leads_failed + ?7, leads_canceled = leads_canceled + ?8,
             leads_do_not_call = leads_do_not_call + ?9 WHERE campaign_id = ?1";
        self.touch(Change::Stats(campaign_id));
        let change = |status| count * (i64::from(to == Some(status)) - i64::from(from == Some(status)));
        let total = count * (i64::from(to.is_some()) - i64::from(from.is_some()));
        let [pending, in_progress, scheduled, completed, failed, canceled, do_not_call] = [
            LeadStatus::Pending,
            LeadStatus::InProgress,
            LeadStatus::Scheduled,
            LeadStatus::Completed,
            LeadStatus::Failed,
            LeadStatus::Canceled,
            LeadStatus::DoNotCall,
        ]
        .map(change);
        self.execute(
            sql,
            params![
                campaign_id,
                total,
                pending,
                in_progress,
                scheduled,
                completed,
                failed,
                canceled,
                do_not_call
            ],
        )?;
        Ok(())
    }

    /// Completes a campaign that was started and whose leads are all finished. One without any leads goes on
    /// waiting.
    pub(super) fn complete_if_finished(&self, campaign_id: i64) -> Result<(), StoreError> {
        let counts = self.lead_counts(campaign_id)?;
        let is_finished = counts.iter().all(|(status, count)| *count == 0 || !status.is_open());
        let has_leads = counts.iter().any(|(_, count)| *count > 0);
        if is_finished
            && has_leads
            && let Some(campaign) = self.campaign(campaign_id)?
            && matches!(campaign.status, Status::Active | Status::Paused)
        {
            self.change_status_because(&campaign, Status::Completed, "leads_finished")?;
        }
        Ok(())
    }

    pub(super) fn existing(&self, id: i64) -> Result<Campaign, StoreError> {
        self.campaign_even_deleted(id)?.ok_or_else(|| StoreError::Failed(format!("campaign {id} vanished")))
    }
}
