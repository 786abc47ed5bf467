//! What the guard is asked about: who was called when, what was spent today, who is never to be called, and whether
//! somebody stopped everything.

use super::row::ms;
use super::seal::Vault;
use super::suppression::SuppressionKey;
use super::{Snapshot, StoreError, Tx};
use crate::domain::Instant;
use crate::domain::fields::Words;
use crate::domain::gate::{HoldReason, Number};
use crate::domain::guard::{self, Agents, Guard, Overall};
use crate::domain::money::Money;
use crate::domain::phone::Phone;
use chrono::{DateTime, NaiveDate};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError, RwLock};

/// What every transaction knows besides the data.
pub(super) struct Watch {
    pub(super) key: SuppressionKey,
    pub(super) vault: Vault,
    guard: RwLock<Arc<Guard>>,
    agents: RwLock<Agents>,
}

impl Watch {
    /// With the limits that are in force when nobody says otherwise.
    pub(super) fn new(key: SuppressionKey, vault: Vault) -> Watch {
        Watch { key, vault, guard: RwLock::default(), agents: RwLock::default() }
    }

    pub(super) fn guard(&self) -> Arc<Guard> {
        self.guard.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_guard(&self, guard: Guard) {
        *self.guard.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(guard);
    }

    fn agents(&self) -> Agents {
        *self.agents.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_agents(&self, agents: Agents) {
        *self.agents.write().unwrap_or_else(PoisonError::into_inner) = agents;
    }
}

/// That all dialing was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    since: i64,
    /// Who did it: a token's name, or the command line.
    pub by: String,
    /// Why, in somebody's words.
    pub reason: Option<String>,
}

impl Stop {
    /// When.
    pub fn since(&self) -> Instant {
        DateTime::from_timestamp_millis(self.since).unwrap_or(Instant::UNIX_EPOCH)
    }
}

/// The fact that dialing is stopped; absent while it is not.
pub(super) const STOPPED: &str = "dialing_stopped";
/// The fact up to which call, by its id, those alive were to be hung up.
const HUNG_UP_TO: &str = "hung_up_to";

impl Snapshot<'_> {
    /// The limits in force.
    pub fn guard(&self) -> Arc<Guard> {
        self.watch.guard()
    }

    /// Who can hold conversations.
    pub fn agents(&self) -> Agents {
        self.watch.agents()
    }

    /// What there is to know about a number before it is dialed.
    pub fn number(&self, phone: Phone) -> Result<Number, StoreError> {
        let guard = self.guard();
        let sql = "SELECT EXISTS (SELECT 1 FROM calls WHERE phone = ?1 AND state <> 'ended')
                            OR EXISTS (SELECT 1 FROM other_calls
                                       WHERE phone = ?1 AND state <> 'ended' AND placed_at IS NOT NULL),
                          (SELECT placed_at FROM calls WHERE phone = ?1 AND placed_at > ?2
                           ORDER BY placed_at DESC LIMIT 1 OFFSET ?3)";
        let since = ms(self.now - guard::WINDOW);
        let last_allowed = i64::from(guard.calls_per_number_per_day) - 1;
        let mut statement = self.connection.prepare_cached(sql)?;
        let (is_in_call, nth_newest): (bool, Option<i64>) = statement
            .query_row(params![phone.to_string(), since, last_allowed], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        Ok(Number {
            is_suppressed: self.is_suppressed(phone)?,
            is_in_call,
            refusal: guard.refusal(phone),
            free_at: nth_newest.and_then(DateTime::from_timestamp_millis).map(guard::free_at),
        })
    }

    /// Whether no campaign may dial this number: it is on the do-not-call list, or its person was erased.
    pub fn is_suppressed(&self, phone: Phone) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM do_not_call WHERE phone = ?1)";
        let is_listed: bool =
            self.connection.prepare_cached(sql)?.query_row([phone.to_string()], |row| row.get(0))?;
        Ok(is_listed || self.is_erased(phone)?)
    }

    /// Whether the person with this number was erased.
    pub fn is_erased(&self, phone: Phone) -> Result<bool, StoreError> {
        let any = "SELECT EXISTS (SELECT 1 FROM erased_numbers)";
        if !self.connection.prepare_cached(any)?.query_row([], |row| row.get::<_, bool>(0))? {
            return Ok(false);
        }
        let sql = "SELECT 1 FROM erased_numbers WHERE hash = ?1";
        Ok(self.connection.prepare_cached(sql)?.exists([self.watch.key.hash_of(phone)])?)
    }

    /// What all campaigns share at this moment.
    pub fn overall(&self) -> Result<Overall, StoreError> {
        let (spent, reserved) = self.spent_on(guard::day(self.now))?;
        Ok(Overall {
            is_stopped: self.stop()?.is_some(),
            is_waking_up: self.wake_up()?.is_some(),
            money: spent + reserved,
            money_max: self.guard().spend_per_day,
            agents: self.agents(),
        })
    }

    /// Spent and set aside for the calls of a day (UTC).
    pub fn spent_on(&self, day: NaiveDate) -> Result<(Money, Money), StoreError> {
        let sql = "SELECT spent, reserved FROM spent_days WHERE date = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        let amounts =
            statement.query_row([day.to_string()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let (spent, reserved) = amounts.unwrap_or_default();
        Ok((Money::from_ten_thousandths(spent), Money::from_ten_thousandths(reserved)))
    }

    /// Who stopped all dialing, if somebody did.
    pub fn stop(&self) -> Result<Option<Stop>, StoreError> {
        let Some(text) = self.fact_if_any(STOPPED)? else { return Ok(None) };
        // Whatever is written there, that it is there means stop.
        let unreadable = || Stop { since: 0, by: "unknown".into(), reason: None };
        Ok(Some(serde_json::from_str(&text).unwrap_or_else(|_| unreadable())))
    }

    /// How many calls are alive.
    pub fn live_calls(&self) -> Result<i64, StoreError> {
        let sql = "SELECT count(*) FROM calls WHERE state <> 'ended'";
        Ok(self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    /// Up to which call those alive were to be hung up.
    pub(super) fn hung_up_to(&self) -> Result<i64, StoreError> {
        Ok(self.fact_if_any(HUNG_UP_TO)?.and_then(|id| id.parse().ok()).unwrap_or(0))
    }
}

impl Tx<'_> {
    /// Stops all dialing until somebody starts it again; one that is stopped already keeps who stopped it first.
    pub fn stop_dialing(&self, by: &str, reason: Option<&str>) -> Result<(), StoreError> {
        if self.stop()?.is_none() {
            let stop = Stop { since: ms(self.now), by: by.to_owned(), reason: reason.map(str::to_owned) };
            self.set_fact(STOPPED, &super::row::json_text(&stop))?;
        }
        self.wake_dialer();
        Ok(())
    }

    /// Lets dialing go on.
    pub fn start_dialing(&self) -> Result<(), StoreError> {
        self.execute("DELETE FROM facts WHERE name = ?1", [STOPPED])?;
        self.wake_dialer();
        Ok(())
    }

    /// Ends all calls that are alive now.
    pub fn hang_up(&self) -> Result<(), StoreError> {
        let sql = "SELECT coalesce(max(id), 0) FROM calls";
        let newest: i64 = self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        self.set_fact(HUNG_UP_TO, &newest.to_string())?;
        let sql = "UPDATE other_calls SET hung_up_by = coalesce(hung_up_by, ?1) WHERE state <> 'ended'";
        self.execute(sql, ["whoever ended all calls"])?;
        self.wake_dialer();
        Ok(())
    }

    /// Sets money aside for a call of this day.
    pub(super) fn reserve_for_day(&self, price: Money) -> Result<(), StoreError> {
        let sql = "INSERT INTO spent_days (date, reserved) VALUES (?1, ?2)
                   ON CONFLICT (date) DO UPDATE SET reserved = reserved + excluded.reserved";
        self.execute(sql, params![guard::day(self.now).to_string(), price.ten_thousandths()])?;
        Ok(())
    }

    /// Puts what a call cost in the place of what was set aside for it, on the day it was placed.
    pub(super) fn settle_for_day(
        &self,
        placed_at: Instant,
        price: Money,
        cost: Money,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE spent_days SET reserved = reserved - ?2, spent = spent + ?3 WHERE date = ?1";
        let day = guard::day(placed_at).to_string();
        self.execute(sql, params![day, price.ten_thousandths(), cost.ten_thousandths()])?;
        Ok(())
    }

    /// Has the leads looked at again that were put aside because of their numbers: the settings may have changed.
    pub fn look_again_at_refused_numbers(&self) -> Result<(), StoreError> {
        let sql = "UPDATE campaigns SET holds_stale = 1 WHERE EXISTS
                     (SELECT 1 FROM leads WHERE campaign_id = campaigns.id AND held = ?1)";
        for reason in [HoldReason::CountryNotAllowed, HoldReason::NumberRefused] {
            self.execute(sql, [reason.word()])?;
        }
        Ok(())
    }
}
