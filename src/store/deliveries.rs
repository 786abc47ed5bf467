//! Deliveries: each event for each endpoint that wants it, written with the event, and every try of it.

use super::changes::Change;
use super::endpoints::unsealed;
use super::row::{Cells, json_text, ms};
use super::wake_up::Instances;
use super::{Snapshot, StoreError, Tx};
use crate::domain::Instant;
use crate::domain::campaign::Campaign;
use crate::domain::delivery::{self, DeliveryState, DisabledReason, Reply, TryError, Verdict};
use crate::domain::endpoint::{self, Endpoint};
use crate::domain::event::Event;
use crate::domain::fields::Words;
use crate::domain::schedule::format_instant;
use chrono::TimeDelta;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::{Value, json};

/// Which deliveries a list shows, newest first.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// Only those of this campaign.
    pub campaign_id: Option<i64>,
    /// Only those to this endpoint.
    pub endpoint_id: Option<i64>,
    /// Only those in this state.
    pub state: Option<DeliveryState>,
    /// Only those of this type of event.
    pub event: Option<String>,
    /// Only those with a lower id.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: usize,
}

/// A delivery as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Never reused.
    pub id: i64,
    /// Where to.
    pub endpoint_id: i64,
    /// Whose event; none for a test of an endpoint of all campaigns.
    pub campaign_id: Option<i64>,
    /// The same on every try, and for every endpoint that the event goes to.
    pub message_id: String,
    /// The type of the event.
    pub event: String,
    /// How far it is.
    pub state: DeliveryState,
    /// Tries so far.
    pub tries: i64,
    /// When it is tried next; only while it is pending.
    pub next_try_at: Option<Instant>,
    /// When the endpoint took it.
    pub delivered_at: Option<Instant>,
    /// When the event happened.
    pub created_at: Instant,
    /// The last try.
    pub last_try: Option<Try>,
}

/// One try.
#[derive(Clone, Debug, PartialEq)]
pub struct Try {
    /// When it began.
    pub at: Instant,
    /// How long it took, in milliseconds.
    pub ms: i64,
    /// How many secrets signed it.
    pub signatures: i64,
    /// What the endpoint answered.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<TryError>,
    /// The beginning of the answer, escaped.
    pub excerpt: String,
}

/// An endpoint with deliveries that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Which one.
    pub endpoint_id: i64,
    /// When the first of them is due.
    pub due_at: Instant,
    /// The last tries of it failed.
    pub is_failing: bool,
    /// What becomes of those that wait, where nothing is sent to the endpoint any more.
    pub retired: Option<DeliveryState>,
}

/// Everything that one try needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Which delivery.
    pub delivery_id: i64,
    /// Where to.
    pub url: String,
    /// What signs it, the present secret first.
    pub secrets: Vec<String>,
    /// The same on every try.
    pub message_id: String,
    /// The same bytes on every try.
    pub body: String,
}

/// A try that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Of which delivery.
    pub delivery_id: i64,
    /// When it began.
    pub at: Instant,
    /// How long it took.
    pub ms: i64,
    /// How many secrets signed it.
    pub signatures: usize,
    /// What came back.
    pub reply: Reply,
}

/// The type of the events that test an endpoint.
pub const TEST_EVENT: &str = "webhook.test";

/// Rows changed in one transaction, so that nobody else waits long.
const ROWS_MAX: i64 = 2_000;

macro_rules! columns {
    () => {
        "SELECT d.id, d.endpoint_id, d.campaign_id, d.event_id, d.type, d.state, d.tries, d.next_try_at, d.delivered_at,
                d.created_at, t.at, t.ms, t.signatures, t.status, t.error, t.excerpt
         FROM deliveries d LEFT JOIN delivery_tries t ON t.delivery_id = d.id AND t.nth = d.tries
         LEFT JOIN campaigns c ON c.id = d.campaign_id WHERE c.deleted_at IS NULL AND "
    };
}

macro_rules! page {
    ($of:literal) => {
        concat!(
            columns!(),
            $of,
            " AND d.id < ?2 AND (?3 IS NULL OR d.state = ?3) AND (?4 IS NULL OR d.type = ?4)
              ORDER BY d.id DESC LIMIT ?5"
        )
    };
}

fn read(instances: &Instances) -> impl Fn(&Row) -> rusqlite::Result<Delivery> {
    move |row| {
        let mut cells = Cells::of(row);
        let c = &mut cells;
        let id = c.get()?;
        Ok(Delivery {
            id,
            endpoint_id: c.get()?,
            campaign_id: c.get()?,
            message_id: message_id(instances, c.get()?, id),
            event: c.get()?,
            state: c.word()?,
            tries: c.get()?,
            next_try_at: c.instant_optional()?,
            delivered_at: c.instant_optional()?,
            created_at: c.instant()?,
            last_try: match c.instant_optional()? {
                Some(at) => Some(read_try(at, c)?),
                None => None,
            },
        })
    }
}

fn read_try(at: Instant, c: &mut Cells) -> rusqlite::Result<Try> {
    Ok(Try {
        at,
        ms: c.get()?,
        signatures: c.get()?,
        status: c.get()?,
        error: c.parse_optional(|word: String| Words::from_word(&word))?,
        excerpt: c.get()?,
    })
}

/// A test event is one for each endpoint. What a copy has from before it was one is the same message.
fn message_id(instances: &Instances, event_id: Option<i64>, delivery_id: i64) -> String {
    match event_id {
        Some(event_id) => delivery::message_id(instances.of_event(event_id), &event_id.to_string()),
        None => delivery::message_id(instances.of_delivery(delivery_id), &format!("test_{delivery_id}")),
    }
}

/// What is sent. `data` is sent as it is stored, so that it is the same on every try.
fn body(event: &str, created_at: Instant, data: &str) -> String {
    format!(r#"{{"type":"{event}","timestamp":"{}","data":{data}}}"#, format_instant(created_at))
}

impl Snapshot<'_> {
    /// A page of deliveries, newest first; none of campaigns that were deleted.
    pub fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        let (sql, of) = match (filter.endpoint_id, filter.campaign_id) {
            (Some(endpoint_id), None) => (page!("d.endpoint_id = ?1"), endpoint_id),
            (Some(endpoint_id), Some(_)) => (page!("d.endpoint_id = ?1 AND d.campaign_id = ?6"), endpoint_id),
            (None, Some(campaign_id)) => (page!("d.campaign_id = ?1"), campaign_id),
            (None, None) => (page!("?1 = 0"), 0),
        };
        let instances = self.instances()?;
        let mut statement = self.connection.prepare_cached(sql)?;
        let (before, limit) = (filter.before.unwrap_or(i64::MAX), filter.limit as i64);
        let state = filter.state.map(Words::word);
        let rows = match (filter.endpoint_id, filter.campaign_id) {
            (Some(_), Some(campaign_id)) => statement
                .query_map(params![of, before, state, filter.event, limit, campaign_id], read(&instances))?,
            _ => statement.query_map(params![of, before, state, filter.event, limit], read(&instances))?,
        };
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A delivery, unless its campaign was deleted.
    pub fn delivery(&self, id: i64) -> Result<Option<Delivery>, StoreError> {
        let instances = self.instances()?;
        let mut statement = self.connection.prepare_cached(concat!(columns!(), "d.id = ?1"))?;
        Ok(statement.query_row([id], read(&instances)).optional()?)
    }

    /// The tries of a delivery, oldest first.
    pub fn tries(&self, delivery_id: i64) -> Result<Vec<Try>, StoreError> {
        let sql =
            "SELECT at, ms, signatures, status, error, excerpt FROM delivery_tries WHERE delivery_id = ?1
                   ORDER BY nth";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([delivery_id], |row| {
            let mut cells = Cells::of(row);
            let at = cells.instant()?;
            read_try(at, &mut cells)
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What is sent for a delivery.
    pub fn payload(&self, delivery_id: i64) -> Result<String, StoreError> {
        let sql = "SELECT d.type, d.created_at, coalesce(d.test, v.data)
                   FROM deliveries d LEFT JOIN events v ON v.id = d.event_id WHERE d.id = ?1";
        let payload = self.connection.prepare_cached(sql)?.query_row([delivery_id], |row| {
            let mut cells = Cells::of(row);
            let (event, created_at): (String, Instant) = (cells.get()?, cells.instant()?);
            cells.text(|data| Some(body(&event, created_at, data)))
        });
        Ok(payload?)
    }

    /// The endpoints that deliveries wait for, without those whose secret nobody can open. Takes one step in an index for
    /// each, however many wait.
    pub fn endpoints_waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let sql = "WITH RECURSIVE waiting (id) AS (
                     SELECT min(endpoint_id) FROM deliveries WHERE state = 'pending'
                     UNION ALL
                     SELECT (SELECT min(endpoint_id) FROM deliveries WHERE state = 'pending' AND endpoint_id > w.id)
                     FROM waiting w WHERE w.id IS NOT NULL)
                   SELECT e.id, (SELECT min(next_try_at) FROM deliveries WHERE state = 'pending' AND endpoint_id = e.id),
                          e.failing_since IS NOT NULL,
                          CASE WHEN e.deleted_at IS NOT NULL THEN 'canceled'
                               WHEN e.disabled_reason IS NOT NULL THEN 'dead' END,
                          e.secret
                   FROM waiting w JOIN endpoints e ON e.id = w.id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            let mut cells = Cells::of(row);
            let waiting = Waiting {
                endpoint_id: cells.get()?,
                due_at: cells.instant()?,
                is_failing: cells.get()?,
                retired: cells.parse_optional(|word: String| Words::from_word(&word))?,
            };
            let secret: String = cells.get()?;
            let is_locked = unsealed(&self.watch.vault, waiting.endpoint_id, &secret).is_none();
            Ok((!is_locked || waiting.retired.is_some()).then_some(waiting))
        })?;
        Ok(rows.filter_map(Result::transpose).collect::<Result<_, _>>()?)
    }

    /// What is due at an endpoint, the longest due first.
    pub fn due_deliveries(&self, endpoint_id: i64, limit: usize) -> Result<Vec<Outgoing>, StoreError> {
        let sql = "SELECT d.id, e.url, e.secret, CASE WHEN e.previous_until > ?2 THEN e.previous_secret END, d.event_id,
                          d.type, d.created_at, coalesce(d.test, v.data)
                   FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id LEFT JOIN events v ON v.id = d.event_id
                   WHERE d.state = 'pending' AND d.endpoint_id = ?1 AND d.next_try_at <= ?2
                   ORDER BY d.next_try_at, d.id LIMIT ?3";
        let instances = self.instances()?;
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![endpoint_id, ms(self.now), limit as i64], |row| {
            let mut cells = Cells::of(row);
            let c = &mut cells;
            let (delivery_id, url) = (c.get()?, c.get()?);
            let (secret, previous): (String, Option<String>) = (c.get()?, c.get()?);
            let message_id = message_id(&instances, c.get()?, delivery_id);
            let (event, created_at): (String, Instant) = (c.get()?, c.instant()?);
            Ok(Outgoing {
                delivery_id,
                url,
                secrets: std::iter::once(secret)
                    .chain(previous)
                    .filter_map(|secret| unsealed(&self.watch.vault, endpoint_id, &secret))
                    .collect(),
                message_id,
                body: c.text(|data| Some(body(&event, created_at, data)))?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// The state of a delivery that a try ended on.
struct Underway {
    endpoint_id: i64,
    state: DeliveryState,
    tries: i64,
    tries_before: i64,
    failing_since: Option<Instant>,
    is_retired: bool,
}

impl Tx<'_> {
    /// Writes down an event for every endpoint that wants it: the campaign's and those of all campaigns.
    pub(super) fn deliver(&self, campaign_id: i64, event_id: i64, event: &str) -> Result<(), StoreError> {
        // Two parts, so that each finds its few rows in the index.
        let sql = "INSERT INTO deliveries (endpoint_id, campaign_id, event_id, type, next_try_at, created_at)
                   SELECT e.id, ?1, ?2, ?3, ?4, ?4 FROM
                     (SELECT id, events, disabled_reason FROM endpoints WHERE campaign_id = ?1 AND deleted_at IS NULL
                      UNION ALL
                      SELECT id, events, disabled_reason FROM endpoints WHERE campaign_id IS NULL AND deleted_at IS NULL)
                     e WHERE e.disabled_reason IS NULL AND instr(e.events, '\"' || ?3 || '\"') > 0";
        let count = self.execute(sql, params![campaign_id, event_id, event, ms(self.now)])? as i64;
        if count > 0 {
            // One statement gives its rows ids in a row.
            let last = self.connection.last_insert_rowid();
            (last - count + 1..=last).for_each(|id| self.touch(Change::Delivery(id)));
            self.wake_webhooks();
        }
        Ok(())
    }

    /// Sends an endpoint an event that tells nothing. The answer is its delivery.
    pub fn test_endpoint(&self, endpoint: &Endpoint, campaign: Option<&Campaign>) -> Result<i64, StoreError> {
        let data = json!({
            "campaign": campaign.map(|campaign| json!({"id": campaign.id, "name": campaign.settings.name})),
            "message": "This is a test; nothing has happened",
        });
        let sql = "INSERT INTO deliveries (endpoint_id, campaign_id, type, test, next_try_at, created_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
        let campaign_id = endpoint.campaign_id;
        self.execute(
            sql,
            params![endpoint.id, campaign_id, TEST_EVENT, json_text::<Value>(&data), ms(self.now)],
        )?;
        let id = self.connection.last_insert_rowid();
        self.touch(Change::Delivery(id));
        self.wake_webhooks();
        Ok(id)
    }

    /// Tries a delivery once more, whatever became of it, and again on the whole schedule if that fails.
    pub fn redeliver(&self, id: i64) -> Result<(), StoreError> {
        let sql = "UPDATE deliveries SET state = 'pending', next_try_at = ?2, delivered_at = NULL, tries_before = tries
                   WHERE id = ?1";
        self.execute(sql, params![id, ms(self.now)])?;
        self.touch(Change::Delivery(id));
        self.wake_webhooks();
        Ok(())
    }

    /// Tries those again that were given up at an endpoint and whose event happened since an instant. Takes some after
    /// `after`; the answer is how many, and after which to go on.
    pub fn redeliver_failed(
        &self,
        endpoint_id: i64,
        since: Instant,
        after: i64,
    ) -> Result<(usize, Option<i64>), StoreError> {
        let sql = "SELECT id, state = 'dead' AND created_at >= ?3 FROM deliveries WHERE endpoint_id = ?1 AND id > ?2
                   ORDER BY id LIMIT ?4";
        let seen: Vec<(i64, bool)> = self
            .connection
            .prepare_cached(sql)?
            .query_map(params![endpoint_id, after, ms(since), ROWS_MAX], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        let mut count = 0;
        for (id, _) in seen.iter().filter(|(_, is_wanted)| *is_wanted) {
            self.redeliver(*id)?;
            count += 1;
        }
        let is_full = seen.len() as i64 == ROWS_MAX;
        Ok((count, seen.last().filter(|_| is_full).map(|(id, _)| *id)))
    }

    /// Ends some of what waits for an endpoint. The worker, which this wakes, does it again for the rest.
    pub fn retire_deliveries(&self, endpoint_id: i64, state: DeliveryState) -> Result<(), StoreError> {
        let sql = "UPDATE deliveries SET state = ?2, next_try_at = NULL WHERE id IN
                     (SELECT id FROM deliveries WHERE state = 'pending' AND endpoint_id = ?1 ORDER BY next_try_at LIMIT ?3)";
        if self.execute(sql, params![endpoint_id, state.word(), ROWS_MAX])? > 0 {
            self.wake_webhooks();
        }
        Ok(())
    }

    /// Writes down a try and what follows from it. `jitter` (0 to 1) spreads the next ones.
    pub fn record_try(&self, tried: &Tried, jitter: f64) -> Result<(), StoreError> {
        let Some(underway) = self.underway(tried.delivery_id)? else { return Ok(()) };
        self.write_try(tried, underway.tries + 1)?;
        let now = self.now;
        let success = tried.reply.is_success();
        let failing_since = if success { None } else { Some(underway.failing_since.unwrap_or(now)) };
        let sql = "UPDATE endpoints SET failing_since = ?2,
                     last_success_at = CASE WHEN ?2 IS NULL THEN ?3 ELSE last_success_at END WHERE id = ?1";
        self.execute(sql, params![underway.endpoint_id, failing_since.map(ms), ms(now)])?;
        let nth = underway.tries + 1 - underway.tries_before;
        let verdict = delivery::judge(&tried.reply, nth, failing_since, now, jitter);
        let (state, next_try_at, delivered_at) = match verdict {
            Verdict::Delivered => (DeliveryState::Delivered, None, Some(now)),
            // Given up or canceled while the try was on its way.
            _ if underway.state != DeliveryState::Pending => (underway.state, None, None),
            Verdict::TryAgain(at) if !underway.is_retired => (DeliveryState::Pending, Some(at), None),
            Verdict::TryAgain(_) | Verdict::GiveUp | Verdict::Disable(_) => (DeliveryState::Dead, None, None),
        };
        let sql = "UPDATE deliveries SET state = ?2, next_try_at = ?3, delivered_at = ?4, tries = tries + 1
                   WHERE id = ?1";
        let (next_try_at, delivered_at) = (next_try_at.map(ms), delivered_at.map(ms));
        self.execute(sql, params![tried.delivery_id, state.word(), next_try_at, delivered_at])?;
        self.touch(Change::Delivery(tried.delivery_id));
        match verdict {
            Verdict::Disable(reason) if !underway.is_retired => {
                self.give_up_endpoint(underway.endpoint_id, reason)
            }
            Verdict::Disable(_) | Verdict::Delivered | Verdict::TryAgain(_) | Verdict::GiveUp => Ok(()),
        }
    }

    fn underway(&self, delivery_id: i64) -> Result<Option<Underway>, StoreError> {
        let sql = "SELECT d.endpoint_id, d.state, d.tries, d.tries_before, e.failing_since,
                          e.deleted_at IS NOT NULL OR e.disabled_reason IS NOT NULL
                   FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id WHERE d.id = ?1";
        let found = self.connection.prepare_cached(sql)?.query_row([delivery_id], |row| {
            let mut cells = Cells::of(row);
            Ok(Underway {
                endpoint_id: cells.get()?,
                state: cells.word()?,
                tries: cells.get()?,
                tries_before: cells.get()?,
                failing_since: cells.instant_optional()?,
                is_retired: cells.get()?,
            })
        });
        Ok(found.optional()?)
    }

    fn write_try(&self, tried: &Tried, nth: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO delivery_tries (delivery_id, nth, at, ms, signatures, status, error, excerpt)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (status, error, excerpt) = match &tried.reply {
            Reply::Answered { status, excerpt, .. } => (Some(*status), None, excerpt.as_str()),
            Reply::Failed(error) => (None, Some(error.word()), ""),
        };
        let Tried { delivery_id, at, ms: took, signatures, .. } = tried;
        self.execute(
            sql,
            params![delivery_id, nth, ms(*at), took, *signatures as i64, status, error, excerpt],
        )?;
        Ok(())
    }

    /// Disables an endpoint that has shown that nobody is there, and tells the campaign so.
    fn give_up_endpoint(&self, id: i64, reason: DisabledReason) -> Result<(), StoreError> {
        self.disable_endpoint(id, reason)?;
        let Some(endpoint) = self.endpoint(id)? else { return Ok(()) };
        tracing::warn!(endpoint_id = id, %reason, "a webhook endpoint is disabled; nothing is sent to it any more");
        let Some(campaign_id) = endpoint.campaign_id else { return Ok(()) };
        let Some(campaign) = self.campaign(campaign_id)? else { return Ok(()) };
        let what = match reason {
            DisabledReason::Operator => "was disabled by hand",
            DisabledReason::Gone => "answered 410 Gone and is disabled",
            DisabledReason::Failing => "has taken nothing for five days and is disabled",
        };
        let message = format!("The webhook endpoint {id} {what}; it is told of nothing any more");
        let action = endpoint::notice_of(reason);
        let key = format!("{id}:{}", ms(self.now));
        self.emit_once(campaign_id, &Event::error(&campaign, "webhook_disabled", &message, action, &key))
    }

    /// Removes some deliveries that ended longer ago than `kept`; true while there is more.
    pub fn forget_old_deliveries(&self, kept: TimeDelta) -> Result<bool, StoreError> {
        let sql = "DELETE FROM deliveries WHERE state <> 'pending' AND created_at <= ?1 AND id IN
                     (SELECT id FROM deliveries ORDER BY id LIMIT ?2)";
        Ok(self.execute(sql, params![ms(self.now - kept), ROWS_MAX])? > 0)
    }
}
