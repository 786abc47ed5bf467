//! Rows on their way out, as they lie in the database: nothing of them is kept, however many there are.

use super::{CallFilter, LeadFilter, Snapshot, StoreError, calls, leads};
use crate::domain::Instant;
use crate::domain::money::Money;
use crate::domain::phone::Phone;
use crate::domain::schedule::TimeOfDay;
use chrono::DateTime;
use rusqlite::Row;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// A lead as it lies in the database.
#[derive(Debug)]
pub struct LeadRow<'r> {
    /// Its id.
    pub id: i64,
    /// Its number; none after the person was erased.
    pub phone: Option<Phone>,
    /// What the client said.
    pub first_name: Option<&'r str>,
    /// What the client said.
    pub last_name: Option<&'r str>,
    /// What the client said.
    pub email: Option<&'r str>,
    /// What the client said.
    pub company_name: Option<&'r str>,
    /// Its own clock.
    pub time_zone: Option<&'r str>,
    /// What the client said.
    pub language: Option<&'r str>,
    /// 1–5.
    pub priority: i64,
    /// Local time of the day.
    pub best_time_to_call: Option<TimeOfDay>,
    /// What the client said.
    pub notes: Option<&'r str>,
    /// Labels.
    pub tags: Vec<String>,
    /// Values for the script.
    pub variables: Map<String, Value>,
    /// Its status.
    pub status: &'r str,
    /// How its last call ended.
    pub outcome: Option<&'r str>,
    /// Dials so far.
    pub attempts: i64,
    /// When it is due.
    pub next_call_at: Option<Instant>,
    /// What brought it.
    pub import_id: Option<i64>,
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

/// A call as it lies in the database, without its timeline and its words.
#[derive(Debug)]
pub struct CallRow<'r> {
    /// Its id.
    pub id: i64,
    /// Its campaign.
    pub campaign_id: i64,
    /// Its lead.
    pub lead_id: i64,
    /// The how-manieth dial of the lead.
    pub attempt: i64,
    /// The number; none after the person was erased.
    pub phone: Option<Phone>,
    /// Who carried it.
    pub carrier: &'r str,
    /// How far it came.
    pub state: &'r str,
    /// How it ended.
    pub outcome: Option<&'r str>,
    /// Whether the success criteria were met.
    pub successful: Option<bool>,
    /// More about its end.
    pub detail: Option<&'r str>,
    /// When it was placed.
    pub placed_at: Instant,
    /// When somebody or something picked up.
    pub answered_at: Option<Instant>,
    /// When it ended.
    pub ended_at: Option<Instant>,
    /// What it costs.
    pub cost: Money,
    /// How long its recording is, if it can be listened to.
    pub recording_ms: Option<i64>,
    /// How an agent says that it came out.
    pub conclusion: Option<&'r str>,
    /// What an agent found out, as a JSON object.
    pub answers: Option<&'r str>,
    /// When the person was promised another call.
    pub call_back_at: Option<Instant>,
}

/// Reads the cells of a row in their order, without copying texts.
struct Borrowed<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl<'r> Borrowed<'r> {
    fn text(&mut self) -> rusqlite::Result<Option<&'r str>> {
        self.next += 1;
        Ok(self.row.get_ref(self.next - 1)?.as_str_or_null()?)
    }

    fn word(&mut self) -> rusqlite::Result<&'r str> {
        Ok(self.text()?.unwrap_or_default())
    }

    fn number<T: rusqlite::types::FromSql>(&mut self) -> rusqlite::Result<T> {
        self.next += 1;
        self.row.get(self.next - 1)
    }

    fn instant(&mut self) -> rusqlite::Result<Option<Instant>> {
        Ok(self.number::<Option<i64>>()?.and_then(DateTime::from_timestamp_millis))
    }

    fn json<T: serde::de::DeserializeOwned + Default>(&mut self, empty: &str) -> rusqlite::Result<T> {
        match self.word()? {
            text if text == empty => Ok(T::default()),
            text => serde_json::from_str(text).map_err(|_| {
                rusqlite::Error::InvalidColumnType(self.next - 1, "JSON".into(), rusqlite::types::Type::Text)
            }),
        }
    }
}

/// A number to dial, unless its person was erased.
fn number(text: &str) -> Option<Phone> {
    Phone::from_e164(text).filter(|phone| !phone.is_erased())
}

fn lead<'r>(row: &'r Row<'r>) -> rusqlite::Result<LeadRow<'r>> {
    let mut cells = Borrowed { row, next: 0 };
    let c = &mut cells;
    Ok(LeadRow {
        id: c.number()?,
        phone: number(c.word()?),
        first_name: c.text()?,
        last_name: c.text()?,
        email: c.text()?,
        company_name: c.text()?,
        time_zone: c.text()?.filter(|zone| !zone.is_empty()),
        language: c.text()?,
        priority: c.number()?,
        best_time_to_call: c.number::<Option<_>>()?.and_then(TimeOfDay::from_seconds),
        notes: c.text()?,
        tags: c.json("[]")?,
        variables: c.json("{}")?,
        status: c.word()?,
        outcome: c.text()?,
        attempts: c.number()?,
        next_call_at: c.instant()?,
        import_id: c.number()?,
        created_at: c.instant()?.unwrap_or_default(),
        updated_at: c.instant()?.unwrap_or_default(),
    })
}

fn call<'r>(row: &'r Row<'r>) -> rusqlite::Result<CallRow<'r>> {
    let mut cells = Borrowed { row, next: 0 };
    let c = &mut cells;
    Ok(CallRow {
        id: c.number()?,
        campaign_id: c.number()?,
        lead_id: c.number()?,
        attempt: c.number()?,
        phone: number(c.word()?),
        carrier: c.word()?,
        state: c.word()?,
        outcome: c.text()?,
        successful: c.number()?,
        detail: c.text()?,
        placed_at: c.instant()?.unwrap_or_default(),
        answered_at: c.instant()?,
        ended_at: c.instant()?,
        cost: Money::from_ten_thousandths(c.number()?),
        recording_ms: c.number()?,
        conclusion: c.text()?,
        answers: c.text()?,
        call_back_at: c.instant()?,
    })
}

impl Snapshot<'_> {
    /// Hands a page of leads to `each`; the answer is the last id, none after the last page.
    pub fn each_lead_row<E: From<StoreError>>(
        &self,
        filter: &LeadFilter,
        mut each: impl FnMut(LeadRow) -> Result<(), E>,
    ) -> Result<Option<i64>, E> {
        use leads::{page, page_of_ids};
        let sql = page!(
            "l.id, l.phone, l.first_name, l.last_name, l.email, l.company_name, l.time_zone, l.language, l.priority,
             l.best_time_to_call, l.notes, l.tags, l.variables, l.status, l.outcome, l.attempts, l.next_call_at,
             l.import_id, l.created_at, l.updated_at"
        );
        let mut place = Place::new(filter.limit);
        self.each_lead(sql, filter, |row| {
            let lead = lead(row).map_err(StoreError::from)?;
            place.pass(lead.id);
            each(lead).map(|()| true)
        })?;
        Ok(place.next())
    }

    /// Hands the names of variables of a page of leads to `each`, often the same ones; the answer is the last id, none
    /// after the last page.
    pub fn each_variable_name(
        &self,
        filter: &LeadFilter,
        each: &mut dyn FnMut(&str),
    ) -> Result<Option<i64>, StoreError> {
        use leads::{page, page_of_ids};
        let mut place = Place::new(filter.limit);
        self.each_lead(page!("l.id, l.variables"), filter, |row| {
            let mut cells = Borrowed { row, next: 0 };
            place.pass(cells.number()?);
            // What is no object has no names.
            let _ = Names(each).deserialize(&mut serde_json::Deserializer::from_str(cells.word()?));
            Ok::<_, StoreError>(true)
        })?;
        Ok(place.next())
    }

    /// Hands a page of calls to `each`; the answer is the last id, none after the last page.
    pub fn each_call_row<E: From<StoreError>>(
        &self,
        filter: &CallFilter,
        mut each: impl FnMut(CallRow) -> Result<(), E>,
    ) -> Result<Option<i64>, E> {
        use calls::{filtered, pages};
        let sql = pages!(
            "k.id, k.campaign_id, k.lead_id, k.attempt, k.phone, k.carrier, k.state, k.outcome, k.successful,
             k.detail, k.placed_at, k.answered_at, k.ended_at, k.cost,
             (SELECT r.ms FROM recordings r WHERE r.call_id = k.id AND r.deleted_at IS NULL),
             k.conversation ->> '$.verdict.conclusion', k.conversation -> '$.answers', k.call_back_at FROM calls k"
        );
        let mut place = Place::new(filter.limit);
        self.each_call(sql, filter, |row| {
            let call = call(row).map_err(StoreError::from)?;
            place.pass(call.id);
            each(call)
        })?;
        Ok(place.next())
    }

    /// The newest lead of a campaign, or 0.
    pub fn newest_lead(&self, campaign_id: i64) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce(max(id), 0) FROM leads WHERE campaign_id = ?1";
        Ok(self.connection.prepare_cached(sql)?.query_row([campaign_id], |row| row.get(0))?)
    }
}

/// How far a page has come.
struct Place {
    left: usize,
    last: Option<i64>,
}

impl Place {
    fn new(limit: usize) -> Place {
        Place { left: limit, last: None }
    }

    fn pass(&mut self, id: i64) {
        self.left = self.left.saturating_sub(1);
        self.last = Some(id);
    }

    /// Where the next page goes on, if this one was full.
    fn next(self) -> Option<i64> {
        self.last.filter(|_| self.left == 0)
    }
}

/// Reads an object for its names alone.
struct Names<'e>(&'e mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_key_seed(Name(&mut *self.0))?.is_some() {
            fields.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Reads one name where it lies.
struct Name<'e>(&'e mut dyn FnMut(&str));

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        (self.0)(name);
        Ok(())
    }
}
