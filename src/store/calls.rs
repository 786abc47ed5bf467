//! Calls: claimed before the carrier hears of them, settled with everything that follows from their end.

use super::changes::Change;
use super::do_not_call::Suppression;
use super::row::{Cells, json_text, ms};
use super::vitals::Happened;
use super::{Snapshot, StoreError, Tx};
use crate::domain::Instant;
use crate::domain::agent::When;
use crate::domain::analytics;
use crate::domain::call::{self, Call, CallState, Ending, Settlement, Stage, Tried};
use crate::domain::campaign::{Campaign, LeadTimeZonePolicy};
use crate::domain::do_not_call::Source;
use crate::domain::event::Event;
use crate::domain::fields::Words;
use crate::domain::gate::{Gate, HoldReason};
use crate::domain::guard::day;
use crate::domain::keys::Action;
use crate::domain::lead::{Lead, LeadStatus};
use crate::domain::outcome::Outcome;
use crate::domain::phone;
use crate::domain::schedule;
use crate::domain::zones;
use chrono::TimeDelta;
use chrono_tz::Tz;
use rusqlite::{OptionalExtension, Row, named_params, params};
use serde_json::{Value, json};

/// Which calls a list shows, newest first.
#[derive(Clone, Debug, Default)]
pub struct CallFilter {
    /// Only those of this campaign.
    pub campaign_id: Option<i64>,
    /// Only those of this lead.
    pub lead_id: Option<i64>,
    /// Only those that ended so.
    pub outcome: Option<Outcome>,
    /// Only those that have come so far.
    pub stage: Option<Stage>,
    /// Only those with this text in the number or the lead's name, in any case.
    pub search: Option<String>,
    /// Only those placed then or later.
    pub from: Option<Instant>,
    /// Only those placed before.
    pub to: Option<Instant>,
    /// Where those times lie, once somebody has looked.
    pub ids: Option<(i64, i64)>,
    /// Only those with a lower id.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// What people call the two sides of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallNames {
    /// First and last name of the lead, as far as they are known.
    pub lead: Option<String>,
    /// Name of the campaign.
    pub campaign: String,
}

/// A call that is written down and may now be placed, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The new call.
    pub call_id: i64,
    /// The how-manieth dial of the lead.
    pub attempt: i64,
}

macro_rules! columns {
    () => {
        "k.id, k.campaign_id, k.lead_id, k.attempt, k.phone, k.carrier, k.state, k.outcome, k.successful, k.detail,
         k.placed_at, k.answered_at, k.ended_at, k.price, k.cost, k.max_attempts, k.retry_delay, k.evidence,
         k.timeline, k.hung_up_by, k.call_back_at FROM calls k"
    };
}

/// What a filter lets through; every statement has all of its names.
macro_rules! filtered {
    () => {
        " JOIN campaigns c ON c.id = k.campaign_id
          WHERE k.id < :before AND k.id BETWEEN :first AND :last AND c.deleted_at IS NULL
          AND (:lead IS NULL OR k.lead_id = :lead) AND (:campaign IS NULL OR k.campaign_id = :campaign)
          AND (:outcome IS NULL OR k.outcome = :outcome)
          AND (:stage IS NULL OR k.state = :stage OR (:stage = 'alive' AND k.state <> 'ended'))
          AND (:from IS NULL OR k.placed_at >= :from) AND (:to IS NULL OR k.placed_at < :to)
          AND (:search IS NULL OR instr(lower(k.phone || char(10) ||
                 (SELECT coalesce(l.first_name || ' ', '') || coalesce(l.last_name, '') FROM leads l
                  WHERE l.id = k.lead_id)), lower(:search)) > 0)"
    };
}

/// A page of the calls that pass a filter, newest first, with some columns of `FROM calls k`: the statements for one
/// lead, for one campaign, for those alive and for all.
macro_rules! pages {
    ($columns:expr) => {
        [
            concat!(
                "SELECT ",
                $columns,
                filtered!(),
                " AND k.lead_id = :lead ORDER BY k.id DESC LIMIT :limit"
            ),
            concat!(
                "SELECT ",
                $columns,
                filtered!(),
                " AND k.campaign_id = :campaign ORDER BY k.id DESC LIMIT :limit"
            ),
            // However many calls there were, those alive are few.
            concat!(
                "SELECT ",
                $columns,
                " INDEXED BY calls_one_alive",
                filtered!(),
                " AND k.state <> 'ended' ORDER BY k.id DESC LIMIT :limit"
            ),
            concat!("SELECT ", $columns, filtered!(), " ORDER BY k.id DESC LIMIT :limit"),
        ]
    };
}

pub(super) use {filtered, pages};

fn read(row: &Row) -> rusqlite::Result<Call> {
    let mut cells = Cells::of(row);
    let c = &mut cells;
    Ok(Call {
        id: c.get()?,
        campaign_id: c.get()?,
        lead_id: c.get()?,
        attempt: c.get()?,
        phone: c.phone()?,
        carrier: c.get()?,
        state: c.word()?,
        outcome: c.parse_optional(|word: String| Words::from_word(&word))?,
        successful: c.get()?,
        detail: c.get()?,
        placed_at: c.instant()?,
        answered_at: c.instant_optional()?,
        ended_at: c.instant_optional()?,
        price: c.money()?,
        cost: c.money()?,
        max_attempts: c.get()?,
        retry_delay: c.parse(TimeDelta::try_milliseconds)?,
        evidence: c.json()?,
        timeline: c.json()?,
        hung_up_by: c.get()?,
        call_back_at: c.instant_optional()?,
    })
}

impl Snapshot<'_> {
    /// A call of a campaign that was not deleted.
    pub fn call(&self, id: i64) -> Result<Option<Call>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " JOIN campaigns c ON c.id = k.campaign_id WHERE k.id = ?1 AND c.deleted_at IS NULL"
        );
        Ok(self.connection.prepare_cached(sql)?.query_row([id], read).optional()?)
    }

    /// A page of calls of campaigns that were not deleted, newest first.
    pub fn calls(&self, filter: &CallFilter) -> Result<Vec<Call>, StoreError> {
        let mut calls = Vec::new();
        self.each_call(pages!(columns!()), filter, |row| {
            calls.push(read(row)?);
            Ok::<_, StoreError>(())
        })?;
        Ok(calls)
    }

    /// Hands the rows of a page to `each`; the statements are those of [`pages`].
    pub(super) fn each_call<E: From<StoreError>>(
        &self,
        [of_lead, of_campaign, alive, of_all]: [&str; 4],
        filter: &CallFilter,
        mut each: impl FnMut(&Row) -> Result<(), E>,
    ) -> Result<(), E> {
        let (first, last) = filter.ids.unwrap_or((0, i64::MAX));
        let params = named_params! {
            ":before": filter.before.unwrap_or(i64::MAX),
            ":first": first,
            ":last": last,
            ":lead": filter.lead_id,
            ":campaign": filter.campaign_id,
            ":outcome": filter.outcome.map(Words::word),
            ":stage": filter.stage.map(Words::word),
            ":from": filter.from.map(ms),
            ":to": filter.to.map(ms),
            ":search": filter.search,
            ":limit": filter.limit as i64,
        };
        let sql = match (filter.lead_id, filter.campaign_id, filter.stage) {
            (Some(_), _, _) => of_lead,
            (None, _, Some(Stage::Alive | Stage::Placed | Stage::Ringing | Stage::Answered)) => alive,
            (None, Some(_), Some(Stage::Ended) | None) => of_campaign,
            (None, None, Some(Stage::Ended) | None) => of_all,
        };
        let mut statement = self.connection.prepare_cached(sql).map_err(StoreError::from)?;
        let mut rows = statement.query(params).map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            each(row)?;
        }
        Ok(())
    }

    /// The same filter, so that nobody looks at calls of other times than it names. Worth its while before a list that
    /// has many pages, too.
    pub fn within_ids(&self, filter: CallFilter) -> Result<CallFilter, StoreError> {
        if filter.from.is_none() && filter.to.is_none() {
            return Ok(filter);
        }
        let sql = "SELECT coalesce(min(id), 0), coalesce(max(id), -1) FROM calls INDEXED BY calls_by_time
                   WHERE placed_at >= ?1 AND placed_at < ?2";
        let range = params![filter.from.map_or(i64::MIN, ms), filter.to.map_or(i64::MAX, ms)];
        let mut statement = self.connection.prepare_cached(sql)?;
        let ids = statement.query_row(range, |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(CallFilter { ids: Some(ids), ..filter })
    }

    /// What people call the lead and the campaign of a call.
    pub fn names_of(&self, call: &Call) -> Result<CallNames, StoreError> {
        let sql =
            "SELECT nullif(trim(coalesce(l.first_name || ' ', '') || coalesce(l.last_name, '')), ''), c.name
                   FROM leads l JOIN campaigns c ON c.id = l.campaign_id WHERE l.id = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let names = statement
            .query_row([call.lead_id], |row| Ok(CallNames { lead: row.get(0)?, campaign: row.get(1)? }))?;
        Ok(names)
    }

    /// How the last calls ended, the newest first.
    pub fn last_ends(&self, limit: usize) -> Result<Vec<(Outcome, Option<String>)>, StoreError> {
        let sql = "SELECT outcome, detail FROM calls WHERE state = 'ended' ORDER BY id DESC LIMIT ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([limit as i64], |row| {
            let mut cells = Cells::of(row);
            Ok((cells.word()?, cells.get()?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Calls that have not ended, whatever became of their campaigns.
    pub fn open_calls(&self) -> Result<Vec<Call>, StoreError> {
        // No ORDER BY: it would make SQLite read every call there ever was instead of the index of those alive.
        let sql = concat!("SELECT ", columns!(), " WHERE k.state <> 'ended'");
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Calls that are alive although their campaign was deleted, their number may no longer be called, or somebody
    /// said to hang up.
    pub fn calls_to_cancel(&self) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT k.id FROM calls k JOIN campaigns c ON c.id = k.campaign_id
                   WHERE k.state <> 'ended' AND (c.deleted_at IS NOT NULL OR k.id <= ?1 OR k.hung_up_by IS NOT NULL
                     OR EXISTS (SELECT 1 FROM do_not_call d WHERE d.phone = k.phone))";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([self.hung_up_to()?], |row| row.get(0))?;
        let mut to_cancel: Vec<i64> = rows.collect::<Result<_, _>>()?;
        // Only a call that was there when somebody was erased can be to them.
        let sql = "SELECT k.id, k.phone FROM calls k
                   WHERE k.state <> 'ended' AND k.id <= (SELECT max(last_call_id) FROM erased_numbers)";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            let mut cells = Cells::of(row);
            Ok((cells.get()?, cells.phone()?))
        })?;
        for row in rows {
            let (id, phone) = row?;
            if self.is_erased(phone)? {
                to_cancel.push(id);
            }
        }
        Ok(to_cancel)
    }

    /// Who carried the newest call of all.
    pub fn last_carrier(&self) -> Result<Option<String>, StoreError> {
        let sql = "SELECT carrier FROM calls ORDER BY id DESC LIMIT 1";
        Ok(self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?)
    }

    pub(super) fn call_even_deleted(&self, id: i64) -> Result<Call, StoreError> {
        let sql = concat!("SELECT ", columns!(), " WHERE k.id = ?1");
        Ok(self.connection.prepare_cached(sql)?.query_row([id], read)?)
    }
}

impl Tx<'_> {
    /// Writes down a dial that the gate allows: the call, the lead, the day's count and the reserved money. Only
    /// after the commit may the carrier be asked. `campaign` takes over the new sums, `zones` are the clocks its
    /// hours were read on.
    pub fn claim(
        &self,
        campaign: &mut Campaign,
        lead: &Lead,
        zones: &[Tz],
        carrier: &str,
    ) -> Result<Claim, StoreError> {
        self.count(Happened::Placed);
        let settings = &campaign.settings;
        let attempt = lead.attempts + 1;
        let date = schedule::local_date(self.now, settings.time_zone).to_string();
        let evidence = self.evidence(campaign, lead, zones)?;
        let sql = "INSERT INTO calls (campaign_id, lead_id, attempt, phone, carrier, state, placed_at, price,
                     max_attempts, retry_delay, local_date, daily_limit, evidence)
                   VALUES (?1, ?2, ?3, ?4, ?5, 'placed', ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        self.execute(
            sql,
            params![
                campaign.id,
                lead.id,
                attempt,
                lead.about.phone.to_string(),
                carrier,
                ms(self.now),
                settings.cost_per_call.ten_thousandths(),
                settings.max_attempts_per_lead,
                TimeDelta::minutes(settings.retry_delay_minutes).num_milliseconds(),
                date,
                settings.calls_per_day,
                json_text(&evidence),
            ],
        )?;
        let call_id = self.connection.last_insert_rowid();
        self.touch(Change::Call(call_id));
        self.touch(Change::Lead(lead.id));
        let sql =
            "UPDATE leads SET status = 'in_progress', attempts = ?2, next_call_at = NULL, wait_reason = NULL,
                     held = NULL, updated_at = ?3 WHERE id = ?1";
        self.execute(sql, params![lead.id, attempt, ms(self.now)])?;
        self.count_leads(campaign.id, Some(lead.status), Some(LeadStatus::InProgress), 1)?;
        let sql = "INSERT INTO dialed_days (campaign_id, local_date, dials) VALUES (?1, ?2, 1)
                   ON CONFLICT (campaign_id, local_date) DO UPDATE SET dials = dials + 1";
        self.execute(sql, params![campaign.id, date])?;
        self.reserve_for_day(settings.cost_per_call)?;
        let totals = &mut campaign.totals;
        totals.attempts += 1;
        totals.in_progress_calls += 1;
        totals.reserved = totals.reserved + settings.cost_per_call;
        totals.revision += 2;
        self.save_totals(campaign.id, totals)?;
        Ok(Claim { call_id, attempt })
    }

    /// Writes down how far a call has come; never goes back.
    pub fn progress(
        &self,
        call_id: i64,
        state: CallState,
        at: Instant,
        timeline: &Value,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE calls SET state = ?2, timeline = ?3,
                     answered_at = CASE WHEN ?2 = 'answered' THEN coalesce(answered_at, ?4) ELSE answered_at END
                   WHERE id = ?1 AND state <> 'ended' AND NOT (state = 'answered' AND ?2 = 'ringing')";
        self.execute(sql, params![call_id, state.word(), json_text(timeline), ms(at)])?;
        self.touch(Change::Call(call_id));
        Ok(())
    }

    /// Ends a call with everything that follows: call, lead, sums, money, events. A call that has ended already
    /// is left as it is. `timeline` none keeps what is stored.
    pub fn settle(&self, call_id: i64, ending: Ending, timeline: Option<&Value>) -> Result<(), StoreError> {
        let call = self.call_even_deleted(call_id)?;
        if call.state == CallState::Ended {
            return Ok(());
        }
        let lead = self.lead_even_deleted(call.lead_id)?;
        let campaign = self.existing(call.campaign_id)?;
        let tried = Tried { attempts: lead.attempts, is_suppressed: self.is_suppressed(call.phone)? };
        let settled = call::settle(&campaign, &call, tried, ending);
        self.touch(Change::Call(call_id));
        self.count(Happened::Ended(settled.ending.outcome));
        self.write_ended(&call, &settled, timeline.unwrap_or(&call.timeline))?;
        self.write_lead(&lead, &settled)?;
        self.save_totals(campaign.id, &settled.totals)?;
        self.settle_for_day(call.placed_at, call.price, settled.cost)?;
        let sql = "INSERT INTO outcome_totals (campaign_id, outcome, calls) VALUES (?1, ?2, 1)
                   ON CONFLICT (campaign_id, outcome) DO UPDATE SET calls = calls + 1";
        self.execute(sql, params![campaign.id, settled.ending.outcome.word()])?;
        self.count_in_quarter(&call, &settled)?;
        self.emit(campaign.id, &Event::call_completed(&campaign, &lead, &call, &settled))?;
        for percent in &settled.budget_levels {
            let cause = format!("call-{}", call.id);
            self.emit(
                campaign.id,
                &Event::budget_reached(&campaign, *percent, settled.totals.spent, &cause),
            )?;
        }
        if settled.ending.outcome == Outcome::OptedOut {
            self.opt_out(&call)?;
        }
        if settled.is_last_attempt {
            self.complete_if_finished(campaign.id)?;
        }
        Ok(())
    }

    /// Somebody wants a call that is alive to end; whoever said so first is remembered. False for one that has ended.
    pub fn hang_up_call(&self, call_id: i64, by: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE calls SET hung_up_by = coalesce(hung_up_by, ?2) WHERE id = ?1 AND state <> 'ended'";
        let is_alive = self.execute(sql, params![call_id, by])? > 0;
        if is_alive {
            self.wake_dialer();
        }
        Ok(is_alive)
    }

    /// Somebody asked, on this call, never to be called again. Also right after the call has ended.
    pub fn opt_out_on_call(&self, call_id: i64) -> Result<(), StoreError> {
        let call = self.call_even_deleted(call_id)?;
        self.opt_out(&call)
    }

    /// A key was pressed on a call that has ended: whether that is a wish not to be called again, its campaign says.
    pub fn pressed_after_call(&self, call_id: i64, key: char) -> Result<(), StoreError> {
        let call = self.call_even_deleted(call_id)?;
        let campaign = self.existing(call.campaign_id)?;
        match campaign.settings.key_map().action(key) {
            Some(Action::OptOut) => self.opt_out(&call),
            Some(Action::Yes | Action::No | Action::CallBack | Action::Transfer | Action::Repeat) | None => {
                Ok(())
            }
        }
    }

    fn opt_out(&self, call: &Call) -> Result<(), StoreError> {
        let suppression = Suppression {
            reason: "asked on a call".into(),
            source: Source::Call,
            call_id: Some(call.id),
            by: "server".into(),
        };
        self.add_to_do_not_call_list(call.phone, &suppression)?;
        Ok(())
    }

    fn write_ended(&self, call: &Call, settled: &Settlement, timeline: &Value) -> Result<(), StoreError> {
        let Settlement { ending, successful, cost, .. } = settled;
        let sql =
            "UPDATE calls SET state = 'ended', outcome = ?2, successful = ?3, detail = ?4, answered_at = ?5,
                     ended_at = ?6, cost = ?7, timeline = ?8, conversation = ?9 WHERE id = ?1";
        self.execute(
            sql,
            params![
                call.id,
                ending.outcome.word(),
                successful,
                ending.detail,
                ending.answered_at.map(ms),
                ms(ending.ended_at),
                cost.ten_thousandths(),
                json_text(timeline),
                ending.conversation.as_ref().map(json_text),
            ],
        )?;
        Ok(())
    }

    /// Arranges another call at a time that the person on this call has named, if there may be one. The answer is what
    /// the model is told.
    pub fn promise_call_back(&self, call_id: i64, when: When) -> Result<Result<String, String>, StoreError> {
        let call = self.call_even_deleted(call_id)?;
        let (lead, campaign) = (self.lead_even_deleted(call.lead_id)?, self.existing(call.campaign_id)?);
        let gate = Gate::new(&campaign, 0, self.overall()?, self.now);
        let (at, told) = match gate.promise(&lead.about, when) {
            Ok(arranged) => arranged,
            Err(why) => return Ok(Err(why)),
        };
        let sql = "UPDATE calls SET call_back_at = ?2 WHERE id = ?1 AND state <> 'ended'";
        self.execute(sql, params![call_id, ms(at)])?;
        Ok(Ok(told))
    }

    /// Counts an ended call where the analytics look for it.
    fn count_in_quarter(&self, call: &Call, settled: &Settlement) -> Result<(), StoreError> {
        // As the instants are stored.
        let talked = settled.ending.answered_at.map(|at| ms(settled.ending.ended_at) - ms(at));
        let sql = "INSERT INTO call_quarters (campaign_id, quarter, outcome, calls, completed, successful, spent, talk_ms)
                   VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7)
                   ON CONFLICT (campaign_id, quarter, outcome) DO UPDATE SET calls = calls + 1,
                     completed = completed + excluded.completed, successful = successful + excluded.successful,
                     spent = spent + excluded.spent, talk_ms = talk_ms + excluded.talk_ms";
        self.execute(
            sql,
            params![
                call.campaign_id,
                analytics::quarter(call.placed_at),
                settled.ending.outcome.word(),
                talked.is_some(),
                settled.successful,
                settled.cost.ten_thousandths(),
                talked.unwrap_or(0).max(0),
            ],
        )?;
        Ok(())
    }

    fn write_lead(&self, lead: &Lead, settled: &Settlement) -> Result<(), StoreError> {
        self.move_lead(lead, settled.lead.status, settled.lead.next_call_at)?;
        let wait_reason = settled.lead.is_call_back.then_some(HoldReason::CallBack.word());
        let sql = "UPDATE leads SET outcome = ?2, wait_reason = ?3 WHERE id = ?1";
        self.execute(sql, params![lead.id, settled.ending.outcome.word(), wait_reason])?;
        Ok(())
    }

    /// Ends the open calls whose end nobody will see, after a restart or a failed write. None of them is dialed
    /// again under the same attempt. The answer is how many there were.
    pub fn settle_interrupted(&self, is_lost: impl Fn(i64) -> bool) -> Result<usize, StoreError> {
        let mut open = self.open_calls()?;
        open.retain(|call| is_lost(call.id));
        for call in &open {
            let ending = Ending::interrupted(call.answered_at, self.now.max(call.placed_at));
            self.settle(call.id, ending, None)?;
        }
        Ok(open.len())
    }
}

impl Snapshot<'_> {
    /// What allows a dial, for whoever asks later.
    fn evidence(&self, campaign: &Campaign, lead: &Lead, zones: &[Tz]) -> Result<Value, StoreError> {
        let (settings, guard) = (&campaign.settings, self.guard());
        let (spent, reserved) = self.spent_on(day(self.now))?;
        let zone_from = match (settings.lead_time_zone_policy, lead.about.time_zone) {
            (LeadTimeZonePolicy::Campaign, _) => "campaign",
            (LeadTimeZonePolicy::Lead, Some(_)) => "lead",
            (LeadTimeZonePolicy::Lead, None) => zones::SOURCE,
        };
        let local = |zone: &Tz| self.now.with_timezone(zone).format("%Y-%m-%dT%H:%M:%S%:z").to_string();
        Ok(json!({
            "time_zones": zones.iter().map(|zone| zone.name()).collect::<Vec<_>>(),
            "time_zone_from": zone_from,
            "local_times": zones.iter().map(local).collect::<Vec<_>>(),
            "calling_hours": [settings.hours.start.to_string(), settings.hours.end.to_string()],
            "working_days": settings.working_days.names(),
            "calls_per_day": settings.calls_per_day,
            "max_attempts": settings.max_attempts_per_lead,
            "budget": settings.budget,
            "spent": campaign.totals.spent,
            "reserved": campaign.totals.reserved,
            "start_date": settings.start_date.map(ms),
            "end_date": settings.end_date.map(ms),
            "call_back": lead.wait_reason == Some(HoldReason::CallBack),
            "country": phone::numbering(lead.about.phone).country,
            "allowed_countries": guard.countries.words(),
            "calls_per_number_per_day": guard.calls_per_number_per_day,
            "spend_per_day": guard.spend_per_day,
            "spent_by_all": spent + reserved,
            "campaign_version": campaign.version,
        }))
    }
}
