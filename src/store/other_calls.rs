//! Calls that are no attempt of the dialer: those tried by hand, and those that somebody makes to us. They change no sum.

use super::do_not_call::Suppression;
use super::row::{Cells, json_text, ms};
use super::{Snapshot, StoreError, Tx};
use crate::domain::Instant;
use crate::domain::agent::When;
use crate::domain::call::{CallState, Ending, Written};
use crate::domain::campaign::Campaign;
use crate::domain::do_not_call::Source;
use crate::domain::fields::Words;
use crate::domain::gate::{Gate, HoldReason};
use crate::domain::keys::Action;
use crate::domain::lead::{Lead, LeadStatus, NewLead};
use crate::domain::other_call::{self, Filling, Kind, Objection, OtherCall};
use crate::domain::outcome::Outcome;
use crate::domain::phone::Phone;
use crate::domain::script_preview::Values;
use rusqlite::{OptionalExtension, Row, named_params, params};
use serde_json::Value;

/// Which such calls a list shows, newest first.
#[derive(Clone, Debug, Default)]
pub struct OtherCallFilter {
    /// Only those of this campaign.
    pub campaign_id: Option<i64>,
    /// Only those of this lead.
    pub lead_id: Option<i64>,
    /// Only those that came about so.
    pub kind: Option<Kind>,
    /// Only those with a lower id.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// One that is to be written down.
#[derive(Clone, Debug)]
pub struct NewTrial {
    /// The campaign that is tried.
    pub campaign_id: i64,
    /// The lead whose values are said.
    pub lead_id: Option<i64>,
    /// Who is called.
    pub phone: Phone,
    /// Who will carry it.
    pub carrier: &'static str,
    /// Values that were sent along.
    pub variables: Value,
    /// Who asks for it.
    pub by: String,
}

/// Somebody who calls us and is taken.
#[derive(Clone, Debug)]
pub struct NewIncoming {
    /// The campaign that they called.
    pub campaign_id: i64,
    /// Who they are, if their number is known.
    pub lead_id: Option<i64>,
    /// Their number; none where it is withheld.
    pub caller: Option<Phone>,
    /// Who carries it.
    pub carrier: &'static str,
}

/// A call that somebody who called us may be promised.
pub struct CallBack {
    lead: Lead,
    campaign: Campaign,
    at: Instant,
}

macro_rules! columns {
    () => {
        "o.id, o.kind, o.campaign_id, o.lead_id, o.phone, o.carrier, o.state, o.outcome, o.detail, o.asked_at,
         o.placed_at, o.answered_at, o.ended_at, o.timeline, o.placed_by, o.variables, o.hung_up_by FROM other_calls o"
    };
}

macro_rules! filtered {
    () => {
        " JOIN campaigns c ON c.id = o.campaign_id
          WHERE o.id < :before AND c.deleted_at IS NULL AND (:campaign IS NULL OR o.campaign_id = :campaign)
          AND (:lead IS NULL OR o.lead_id = :lead) AND (:kind IS NULL OR o.kind = :kind)"
    };
}

fn read(row: &Row) -> rusqlite::Result<OtherCall> {
    let mut cells = Cells::of(row);
    let c = &mut cells;
    Ok(OtherCall {
        id: c.get()?,
        kind: c.word()?,
        campaign_id: c.get()?,
        lead_id: c.get()?,
        phone: c.parse_optional(|text: String| Phone::from_e164(&text))?,
        carrier: c.get()?,
        state: c.word()?,
        outcome: c.parse_optional(|word: String| Outcome::from_word(&word))?,
        detail: c.get()?,
        asked_at: c.instant()?,
        placed_at: c.instant_optional()?,
        answered_at: c.instant_optional()?,
        ended_at: c.instant_optional()?,
        timeline: c.json()?,
        placed_by: c.get()?,
        variables: c.json()?,
        hung_up_by: c.get()?,
    })
}

impl Snapshot<'_> {
    /// Such a call of a campaign that was not deleted.
    pub fn other_call(&self, id: i64) -> Result<Option<OtherCall>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " JOIN campaigns c ON c.id = o.campaign_id WHERE o.id = ?1 AND c.deleted_at IS NULL"
        );
        Ok(self.connection.prepare_cached(sql)?.query_row([id], read).optional()?)
    }

    /// A page of such calls of campaigns that were not deleted, newest first.
    pub fn other_calls(&self, filter: &OtherCallFilter) -> Result<Vec<OtherCall>, StoreError> {
        let of_lead = concat!(
            "SELECT ",
            columns!(),
            filtered!(),
            " AND o.lead_id = :lead ORDER BY o.id DESC LIMIT :limit"
        );
        let of_campaign = concat!(
            "SELECT ",
            columns!(),
            filtered!(),
            " AND o.campaign_id = :campaign ORDER BY o.id DESC LIMIT :limit"
        );
        let of_all = concat!("SELECT ", columns!(), filtered!(), " ORDER BY o.id DESC LIMIT :limit");
        let sql = match (filter.lead_id, filter.campaign_id) {
            (Some(_), _) => of_lead,
            (None, Some(_)) => of_campaign,
            (None, None) => of_all,
        };
        let params = named_params! {
            ":before": filter.before.unwrap_or(i64::MAX),
            ":campaign": filter.campaign_id,
            ":lead": filter.lead_id,
            ":kind": filter.kind.map(Words::word),
            ":limit": filter.limit as i64,
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The test call of a campaign that has not ended, if there is one.
    pub fn trial_alive(&self, campaign_id: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT id FROM other_calls WHERE campaign_id = ?1 AND kind = 'test' AND state <> 'ended'";
        Ok(self.connection.prepare_cached(sql)?.query_row([campaign_id], |row| row.get(0)).optional()?)
    }

    /// The test calls that wait for a line, the oldest first.
    pub fn trials_waiting(&self) -> Result<Vec<OtherCall>, StoreError> {
        let mut waiting = self.open_other_calls()?;
        waiting.retain(|call| call.placed_at.is_none());
        waiting.sort_by_key(|call| call.id);
        Ok(waiting)
    }

    /// Those that have not ended, whatever became of their campaigns.
    fn open_other_calls(&self) -> Result<Vec<OtherCall>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " WHERE o.state <> 'ended'");
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Those that are alive and must end: their campaign was deleted, or somebody said to hang up; a test call also when
    /// its number may no longer be called or all dialing was stopped.
    pub fn other_calls_to_cancel(&self) -> Result<Vec<i64>, StoreError> {
        let mut to_cancel = Vec::new();
        for call in self.open_other_calls()? {
            if call.placed_at.is_some() && self.must_end(&call)? {
                to_cancel.push(call.id);
            }
        }
        Ok(to_cancel)
    }

    fn must_end(&self, call: &OtherCall) -> Result<bool, StoreError> {
        let is_forbidden = match (call.kind, call.phone) {
            (Kind::Test, Some(phone)) => self.stop()?.is_some() || self.is_suppressed(phone)?,
            (Kind::Test, None) => true,
            (Kind::Inbound, _) => false,
        };
        Ok(is_forbidden || call.hung_up_by.is_some() || self.campaign(call.campaign_id)?.is_none())
    }

    /// The campaign that has this number, whatever its status.
    pub fn campaign_called(&self, number: Phone) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT id FROM campaigns WHERE inbound_number = ?1 AND deleted_at IS NULL";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([number.to_string()], |row| row.get(0)).optional()?)
    }

    /// Calls to a campaign that are alive.
    pub fn incoming_alive(&self, campaign_id: i64) -> Result<i64, StoreError> {
        let sql = "SELECT count(*) FROM other_calls INDEXED BY other_calls_alive
                   WHERE campaign_id = ?1 AND kind = 'inbound' AND state <> 'ended'";
        Ok(self.connection.prepare_cached(sql)?.query_row([campaign_id], |row| row.get(0))?)
    }

    /// Who calls from this number: the lead of the campaign that has it, else the one who was called last under it.
    pub fn lead_who_calls(&self, campaign_id: i64, caller: Phone) -> Result<Option<i64>, StoreError> {
        let number = caller.to_string();
        let own = "SELECT id FROM leads WHERE phone = ?1 AND campaign_id = ?2 AND deleted_at IS NULL";
        let mut statement = self.connection.prepare_cached(own)?;
        if let Some(id) = statement.query_row(params![number, campaign_id], |row| row.get(0)).optional()? {
            return Ok(Some(id));
        }
        let sql = "SELECT k.lead_id FROM calls k JOIN leads l ON l.id = k.lead_id JOIN campaigns c ON c.id = k.campaign_id
                   WHERE k.phone = ?1 AND l.deleted_at IS NULL AND c.deleted_at IS NULL
                   ORDER BY k.placed_at DESC LIMIT 1";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([number], |row| row.get(0)).optional()?)
    }

    /// The lead, if it still has the number that somebody calls us from.
    fn still_the_caller(&self, id: Option<i64>, caller: Option<Phone>) -> Result<Option<Lead>, StoreError> {
        let lead = id.map(|id| self.lead(id)).transpose()?.flatten();
        Ok(lead.filter(|lead| Some(lead.about.phone) == caller))
    }

    /// Whether somebody who calls us from this number, and is this lead, can be promised a call; or why not, in words that
    /// continue a sentence.
    pub fn call_back_for(
        &self,
        lead_id: Option<i64>,
        caller: Option<Phone>,
    ) -> Result<Result<CallBack, String>, StoreError> {
        let Some(lead) = self.still_the_caller(lead_id, caller)? else {
            return Ok(Err("the number of the caller is that of no lead".into()));
        };
        let Some(campaign) = self.campaign(lead.campaign_id)? else {
            return Ok(Err("the campaign of the lead was deleted".into()));
        };
        let gate = Gate::new(&campaign, 0, self.overall()?, self.now);
        match gate.call_back(&lead, self.number(lead.about.phone)?) {
            Ok(at) => Ok(Ok(CallBack { lead, campaign, at })),
            Err(hold) => Ok(Err(other_call::refusal(&hold))),
        }
    }

    pub(super) fn other_call_even_deleted(&self, id: i64) -> Result<OtherCall, StoreError> {
        let sql = concat!("SELECT ", columns!(), " WHERE o.id = ?1");
        Ok(self.connection.prepare_cached(sql)?.query_row([id], read)?)
    }
}

impl Tx<'_> {
    /// Writes down a call that a person asks for, if nothing stands in its way. `values` are what was sent along.
    pub fn try_campaign(
        &self,
        campaign: &Campaign,
        trial: &NewTrial,
        values: &Values,
    ) -> Result<Result<i64, Objection>, StoreError> {
        let lead = trial.lead_id.map(|id| self.lead(id)).transpose()?.flatten();
        let lead = lead.filter(|lead| lead.campaign_id == campaign.id);
        if let (Some(id), None) = (trial.lead_id, &lead) {
            return Ok(Err(Objection::NoSuchLead(id)));
        }
        if let Some(alive) = self.trial_alive(campaign.id)? {
            return Ok(Err(Objection::Alive(alive)));
        }
        let gate = Gate::new(campaign, 0, self.overall()?, self.now);
        let filling = Filling::of_test(values, lead.as_ref().map(|lead| &lead.about));
        match gate.trial(filling, self.number(trial.phone)?) {
            Ok(_) => self.ask_for_trial(trial).map(Ok),
            Err(hold) => Ok(Err(Objection::Held(hold))),
        }
    }

    /// Writes down a call that a person asks for. The dialer places it, once, when a line is free.
    pub fn ask_for_trial(&self, trial: &NewTrial) -> Result<i64, StoreError> {
        let sql = "INSERT INTO other_calls (kind, campaign_id, lead_id, phone, carrier, state, asked_at, placed_by, variables)
                   VALUES ('test', ?1, ?2, ?3, ?4, 'placed', ?5, ?6, ?7)";
        self.execute(
            sql,
            params![
                trial.campaign_id,
                trial.lead_id,
                trial.phone.to_string(),
                trial.carrier,
                ms(self.now),
                trial.by,
                json_text(&trial.variables),
            ],
        )?;
        self.wake_dialer();
        Ok(self.connection.last_insert_rowid())
    }

    /// Writes down that a test call goes to the carrier. Only after the commit may the carrier be asked.
    pub fn place_trial(&self, id: i64, carrier: &str) -> Result<(), StoreError> {
        let sql = "UPDATE other_calls SET placed_at = ?2, carrier = ?3 WHERE id = ?1 AND placed_at IS NULL";
        self.execute(sql, params![id, ms(self.now), carrier])?;
        Ok(())
    }

    /// Writes down a call that somebody makes to us, before it is answered.
    pub fn insert_incoming(&self, incoming: &NewIncoming) -> Result<i64, StoreError> {
        let sql =
            "INSERT INTO other_calls (kind, campaign_id, lead_id, phone, carrier, state, asked_at, placed_at)
                   VALUES ('inbound', ?1, ?2, ?3, ?4, 'placed', ?5, ?5)";
        let caller = incoming.caller.map(|phone| phone.to_string());
        let params = params![incoming.campaign_id, incoming.lead_id, caller, incoming.carrier, ms(self.now)];
        self.execute(sql, params)?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Writes down how far such a call has come; never goes back.
    pub fn other_progress(
        &self,
        id: i64,
        state: CallState,
        at: Instant,
        timeline: &Value,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE other_calls SET state = ?2, timeline = ?3,
                     answered_at = CASE WHEN ?2 = 'answered' THEN coalesce(answered_at, ?4) ELSE answered_at END
                   WHERE id = ?1 AND state <> 'ended' AND NOT (state = 'answered' AND ?2 = 'ringing')";
        self.execute(sql, params![id, state.word(), json_text(timeline), ms(at)])?;
        Ok(())
    }

    /// Ends such a call; one that has ended already is left as it is. `timeline` none keeps what is stored.
    pub fn settle_other(&self, id: i64, ending: Ending, timeline: Option<&Value>) -> Result<(), StoreError> {
        let call = self.other_call_even_deleted(id)?;
        if call.state == CallState::Ended {
            return Ok(());
        }
        let detail = match (ending.outcome, &call.hung_up_by) {
            (Outcome::Canceled, Some(by)) => Some(format!("Hung up by {by}")),
            _ => ending.detail,
        };
        let broken = match call.kind {
            Kind::Inbound => self.call_back(&call, ending.outcome)?,
            Kind::Test => None,
        };
        let detail = broken.or(detail);
        let sql = "UPDATE other_calls SET state = 'ended', outcome = ?2, detail = ?3, answered_at = ?4, ended_at = ?5,
                     timeline = coalesce(?6, timeline), conversation = ?7 WHERE id = ?1";
        let (answered_at, ended_at) = (ending.answered_at.map(ms), ms(ending.ended_at));
        let (timeline, kept) = (timeline.map(json_text), ending.conversation.as_ref().map(json_text));
        self.execute(sql, params![id, ending.outcome.word(), detail, answered_at, ended_at, timeline, kept])?;
        match (call.kind, ending.outcome) {
            (_, Outcome::OptedOut) => drop(self.opt_out_on_other_call(id)?),
            (Kind::Inbound, Outcome::Declined) => self.said_no(&call)?,
            (Kind::Inbound | Kind::Test, _) => {}
        }
        Ok(())
    }

    /// Whoever called us and said no is not asked once more, unless another call was promised.
    fn said_no(&self, call: &OtherCall) -> Result<(), StoreError> {
        let is_waiting = |lead: &Lead| matches!(lead.status, LeadStatus::Pending | LeadStatus::Scheduled);
        match self.still_the_caller(call.lead_id, call.phone)?.filter(is_waiting) {
            Some(lead) if lead.wait_reason != Some(HoldReason::CallBack) => {
                self.finish_lead(&lead, LeadStatus::Completed)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Arranges the call that somebody asked for who called us, or was promised, as on a call of the dialer; or says why
    /// there will be none.
    fn call_back(&self, call: &OtherCall, outcome: Outcome) -> Result<Option<String>, StoreError> {
        let promised = self.call_back_promised(other_call::key(call.id))?;
        // What a person was promised is kept, however the call came out.
        let is_due = outcome == Outcome::Callback || promised.is_some();
        if !is_due || outcome == Outcome::OptedOut {
            return Ok(None);
        }
        let why = match self.call_back_for(call.lead_id, call.phone)? {
            Ok(CallBack { lead, campaign, at }) => {
                match self.arrange_call_back(&campaign, &lead, promised.unwrap_or(at))? {
                    Ok(()) => return Ok(None),
                    Err(reason) => reason.sentence().to_owned(),
                }
            }
            Err(why) => why,
        };
        Ok(Some(format!("No call-back is arranged: {why}")))
    }

    /// Somebody wants such a call to end; whoever said so first is remembered. False for one that has ended.
    pub fn hang_up_other_call(&self, id: i64, by: &str) -> Result<bool, StoreError> {
        let sql =
            "UPDATE other_calls SET hung_up_by = coalesce(hung_up_by, ?2) WHERE id = ?1 AND state <> 'ended'";
        let is_alive = self.execute(sql, params![id, by])? > 0;
        if is_alive {
            self.wake_dialer();
        }
        Ok(is_alive)
    }

    /// Somebody asked, on this call, never to be called again. Whoever withholds their number cannot be listed, which the
    /// call tells.
    pub fn opt_out_on_other_call(&self, id: i64) -> Result<Written, StoreError> {
        let call = self.other_call_even_deleted(id)?;
        let Some(phone) = call.phone else {
            let sql = "UPDATE other_calls SET detail = ?2 WHERE id = ?1";
            self.execute(sql, params![id, other_call::NOT_LISTED])?;
            return Ok(Written::Nothing);
        };
        let reason = match call.kind {
            Kind::Test => "asked on a test call",
            Kind::Inbound => "asked when they called us",
        };
        let suppression =
            Suppression { reason: reason.into(), source: Source::Call, call_id: None, by: "server".into() };
        self.add_to_do_not_call_list(phone, &suppression)?;
        Ok(Written::Listed)
    }

    /// Looks whether another call may be arranged at a time that the person on such a call has named. For one who called
    /// us it is arranged when the call ends; on a test call there is nothing to arrange. The answer is what the model is
    /// told.
    pub fn promise_other_call_back(&self, id: i64, when: When) -> Result<Result<String, String>, StoreError> {
        let call = self.other_call_even_deleted(id)?;
        let (about, campaign) = match call.kind {
            Kind::Inbound => match self.call_back_for(call.lead_id, call.phone)? {
                Ok(CallBack { lead, campaign, .. }) => (Some(lead.about), Some(campaign)),
                Err(why) => return Ok(Err(format!("It cannot be arranged, because {why}."))),
            },
            Kind::Test => {
                let lead = call.lead_id.map(|id| self.lead(id)).transpose()?.flatten().map(|lead| lead.about);
                (lead.or(call.phone.map(NewLead::bare)), self.campaign_even_deleted(call.campaign_id)?)
            }
        };
        let (Some(about), Some(campaign)) = (about, campaign) else {
            return Ok(Err("Nobody knows whom to call. Say that it cannot be arranged.".to_owned()));
        };
        let promised = Gate::new(&campaign, 0, self.overall()?, self.now).promise(&about, when);
        if let Ok((at, _)) = &promised {
            let sql = "UPDATE other_calls SET call_back_at = ?2 WHERE id = ?1 AND state <> 'ended'";
            self.execute(sql, params![id, ms(*at)])?;
        }
        Ok(promised.map(|(_, told)| told))
    }

    /// A key was pressed on such a call that has ended: whether that is a wish not to be called again, its campaign says.
    pub fn pressed_after_other_call(&self, id: i64, key: char) -> Result<(), StoreError> {
        let call = self.other_call_even_deleted(id)?;
        let campaign = self.campaign_even_deleted(call.campaign_id)?;
        match campaign.and_then(|campaign| campaign.settings.key_map().action(key)) {
            Some(Action::OptOut) => self.opt_out_on_other_call(id).map(drop),
            Some(Action::Yes | Action::No | Action::CallBack | Action::Transfer | Action::Repeat) | None => {
                Ok(())
            }
        }
    }

    /// Ends those whose end nobody will see, after a restart or a failed write; none of them is dialed again. `is_lost`
    /// is asked for those that were handed to the carrier, and `is_restart` says that nobody waits for a line any more.
    pub fn settle_interrupted_others(
        &self,
        is_lost: impl Fn(i64) -> bool,
        is_restart: bool,
    ) -> Result<usize, StoreError> {
        let mut open = self.open_other_calls()?;
        open.retain(|call| if call.placed_at.is_some() { is_lost(call.id) } else { is_restart });
        for call in &open {
            self.settle_other(call.id, other_call::interrupted(call, self.now), None)?;
        }
        Ok(open.len())
    }
}
