//! Imports: their rows, the leads they bring, and taking those away again.

use super::changes::Change;
use super::row::{Cells, json_text, ms};
use super::source::Place;
use super::{Snapshot, StoreError, Tx};
use crate::domain::Instant;
use crate::domain::fields::Words;
use crate::domain::imports::{Counts, Details, Fate, Format, ImportState, Lacks, OnDuplicate, Reason};
use crate::domain::lead::{Lead, LeadStatus, NewLead};
use crate::domain::phone::Unprefixed;
use crate::domain::schedule::TimeOfDay;
use crate::domain::script;
use chrono_tz::Tz;
use rusqlite::{OptionalExtension, Row, Statement, params};
use serde_json::Value;
use std::fmt::Write;
use std::sync::LazyLock;

/// An import, as far as it has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// Never reused; 0 of a dry run.
    pub id: i64,
    /// Where the leads went.
    pub campaign_id: i64,
    /// Where it is on its way.
    pub state: ImportState,
    /// What was sent.
    pub format: Format,
    /// What the file was called.
    pub file_name: Option<String>,
    /// What became of numbers that were there already.
    pub on_duplicate: OnDuplicate,
    /// How numbers without `+` were read: as of a country, or `international`.
    pub default_country: Option<String>,
    /// A token's name, or `command line`.
    pub made_by: String,
    /// Rows of the file, once they are counted.
    pub rows_total: Option<i64>,
    /// What became of them so far.
    pub counts: Counts,
    /// [`Details`] in JSON; empty until it has ended.
    pub details: Value,
    /// Why it failed.
    pub error: Option<String>,
    /// When it began.
    pub created_at: Instant,
    /// When it ended.
    pub finished_at: Option<Instant>,
}

/// What is known of an import when it begins.
#[derive(Clone, Debug)]
pub struct NewImport {
    /// Where the leads go.
    pub campaign_id: i64,
    /// What was sent.
    pub format: Format,
    /// What the file is called.
    pub file_name: Option<String>,
    /// What is to become of numbers that are there already.
    pub on_duplicate: OnDuplicate,
    /// How numbers without `+` are read.
    pub unprefixed: Unprefixed,
    /// A token's name, or `command line`.
    pub made_by: String,
}

/// What became of an import that was to be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Its leads are never dialed from now on; they go with [`Tx::remove_undone`].
    Undone,
    /// There is none with this id.
    NotFound,
    /// It has not ended.
    Running,
    /// Some of its leads were dialed.
    Dialed,
}

/// A lead that is ready to be written.
pub(super) struct Ready {
    pub(super) place: Place,
    pub(super) lead: NewLead,
    pub(super) has_priority: bool,
    /// Its variables and tags in JSON; none where there are none.
    pub(super) variables: Option<String>,
    pub(super) tags: Option<String>,
    pub(super) lacks: Lacks,
}

impl Ready {
    pub(super) fn new(place: Place, lead: NewLead, has_priority: bool, lacks: Lacks) -> Ready {
        let variables = (!lead.variables.is_empty()).then(|| json_text(&lead.variables));
        let tags = (!lead.tags.is_empty()).then(|| json_text(&lead.tags));
        Ready { place, lead, has_priority, variables, tags, lacks }
    }
}

macro_rules! columns {
    () => {
        "id, campaign_id, state, format, file_name, on_duplicate, default_country, made_by, rows_total, imported,
         updated, skipped, rejected, report, error, created_at, finished_at"
    };
}

fn read(row: &Row) -> rusqlite::Result<Import> {
    let mut cells = Cells::of(row);
    let c = &mut cells;
    Ok(Import {
        id: c.get()?,
        campaign_id: c.get()?,
        state: c.word()?,
        format: c.word()?,
        file_name: c.get()?,
        on_duplicate: c.word()?,
        default_country: c.get()?,
        made_by: c.get()?,
        rows_total: c.get()?,
        counts: Counts { imported: c.get()?, updated: c.get()?, skipped: c.get()?, rejected: c.get()? },
        details: c.json()?,
        error: c.get()?,
        created_at: c.instant()?,
        finished_at: c.instant_optional()?,
    })
}

impl Snapshot<'_> {
    /// An import of a campaign.
    pub fn import(&self, campaign_id: i64, id: i64) -> Result<Option<Import>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM imports WHERE campaign_id = ?1 AND id = ?2");
        Ok(self.connection.prepare_cached(sql)?.query_row([campaign_id, id], read).optional()?)
    }

    /// A page of a campaign's imports, newest first.
    pub fn imports(
        &self,
        campaign_id: i64,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Import>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM imports WHERE campaign_id = ?1 AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3"
        );
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![campaign_id, before, limit as i64], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether there is an import with this id, in whatever campaign.
    pub(super) fn has_import(&self, id: i64) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM imports WHERE id = ?1)";
        Ok(self.connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))?)
    }

    /// The imports that have not ended.
    pub(super) fn running_imports(&self) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT id FROM imports WHERE state = 'running'";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many leads of an import were dialed, also of those deleted since.
    pub fn dialed_of_import(&self, id: i64) -> Result<i64, StoreError> {
        let sql =
            "SELECT count(*) FROM leads WHERE import_id = ?1 AND (attempts > 0 OR status = 'in_progress')";
        Ok(self.connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))?)
    }

    /// Whether the import that brought a lead was undone, so that the lead is only not gone yet.
    pub fn is_undone(&self, lead: &Lead) -> Result<bool, StoreError> {
        let Some(import_id) = lead.import_id else { return Ok(false) };
        let sql = "SELECT EXISTS (SELECT 1 FROM imports WHERE id = ?1 AND state = 'undone')";
        Ok(self.connection.prepare_cached(sql)?.query_row([import_id], |row| row.get(0))?)
    }

    /// An import by its id alone.
    pub fn import_by_id(&self, id: i64) -> Result<Option<Import>, StoreError> {
        let sql = "SELECT campaign_id FROM imports WHERE id = ?1";
        let of: Option<i64> =
            self.connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
        of.map_or(Ok(None), |campaign_id| self.import(campaign_id, id))
    }

    /// Whether any number is suppressed; most of the time none is.
    pub(super) fn suppresses_any(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM do_not_call) OR EXISTS (SELECT 1 FROM erased_numbers)";
        Ok(self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    /// Whether another campaign dials, so that its numbers may be the same.
    pub(super) fn has_active_beside(&self, campaign_id: i64) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM campaigns WHERE status = 'active' AND deleted_at IS NULL AND id <> ?1)";
        Ok(self.connection.prepare_cached(sql)?.query_row([campaign_id], |row| row.get(0))?)
    }

    /// Whether another active campaign has this number.
    pub(super) fn is_elsewhere(&self, campaign_id: i64, ready: &Ready) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM leads l JOIN campaigns c ON c.id = l.campaign_id
                     WHERE l.phone = ?1 AND l.campaign_id <> ?2 AND l.deleted_at IS NULL
                       AND l.status IN ('pending', 'in_progress', 'scheduled')
                       AND c.status = 'active' AND c.deleted_at IS NULL)";
        let params = params![ready.lead.phone.to_string(), campaign_id];
        Ok(self.connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))?)
    }

    /// What would become of a row.
    pub(super) fn fate(
        &self,
        campaign_id: i64,
        on_duplicate: OnDuplicate,
        ready: &Ready,
    ) -> Result<Fate, StoreError> {
        if self.is_suppressed(ready.lead.phone)? {
            return Ok(Fate::Left(Reason::OnDoNotCallList.into()));
        }
        let sql = "SELECT status FROM leads WHERE phone = ?1 AND campaign_id = ?2 AND deleted_at IS NULL";
        let params = params![ready.lead.phone.to_string(), campaign_id];
        let status = self
            .connection
            .prepare_cached(sql)?
            .query_row(params, |row| Cells::of(row).word::<LeadStatus>())
            .optional()?;
        Ok(match (status, on_duplicate) {
            (None, _) => Fate::Imported,
            (Some(LeadStatus::InProgress), OnDuplicate::Update) => Fate::Left(Reason::InProgress.into()),
            (Some(_), OnDuplicate::Update) => Fate::Updated,
            (Some(_), OnDuplicate::Skip | OnDuplicate::Reject) => {
                Fate::Left(Reason::AlreadyInCampaign.into())
            }
        })
    }
}

/// Pages of the write-ahead log while an import runs: 8 MB.
const PAGES_MEANWHILE: i64 = 2_000;
/// As SQLite has it.
const PAGES_OTHERWISE: i64 = 1_000;

/// Leads written by one statement, largest first. A statement alone costs about as much as a row.
const AT_ONCE: [usize; 4] = [256, 64, 8, 1];
/// Values that each row has of its own.
const ROW_VALUES: usize = ROW_DEFAULTS.len();
/// What stands for those that are not there, because handing a text over costs more than saying that there is none.
const ROW_DEFAULTS: [Option<&str>; 12] =
    [None, None, None, None, None, Some(""), None, None, None, Some("{}"), None, Some("[]")];

/// One statement for each of [`AT_ONCE`].
static INSERTS: LazyLock<[String; 4]> = LazyLock::new(|| AT_ONCE.map(insert_sql));

fn insert_sql(rows: usize) -> String {
    let mut sql = "INSERT INTO leads (campaign_id, import_id, next_call_at, created_at, updated_at, phone, first_name,
                     last_name, email, company_name, time_zone, language, priority, best_time_to_call, variables, notes,
                     tags) VALUES "
        .to_owned();
    for row in 0..rows {
        let separator = if row == 0 { "" } else { "," };
        let _ = write!(sql, "{separator}(?1,?2,?3,?3,?3");
        for (value, default) in ROW_DEFAULTS.into_iter().enumerate() {
            let number = 4 + row * ROW_VALUES + value;
            let _ = match default {
                None => write!(sql, ",?{number}"),
                Some(text) => write!(sql, ",coalesce(?{number},'{text}')"),
            };
        }
        sql.push(')');
    }
    sql + " ON CONFLICT (phone, campaign_id) WHERE deleted_at IS NULL DO NOTHING"
}

/// Hands over the values of a row, but for those that are not there.
fn bind(statement: &mut Statement, first: usize, ready: &Ready) -> rusqlite::Result<()> {
    let lead = &ready.lead;
    let mut phone = [0_u8; 21];
    let phone = e164(lead.phone.digits(), &mut phone);
    let texts = [
        (0, Some(phone)),
        (1, lead.first_name.as_deref()),
        (2, lead.last_name.as_deref()),
        (3, lead.email.as_deref()),
        (4, lead.company_name.as_deref()),
        (5, lead.time_zone.map(Tz::name)),
        (6, lead.language.as_deref()),
        (9, ready.variables.as_deref()),
        (10, lead.notes.as_deref()),
        (11, ready.tags.as_deref()),
    ];
    for (at, text) in texts {
        if let Some(text) = text {
            statement.raw_bind_parameter(first + at, text)?;
        }
    }
    statement.raw_bind_parameter(first + 7, lead.priority)?;
    match lead.best_time_to_call {
        Some(time) => statement.raw_bind_parameter(first + 8, time.seconds()),
        None => Ok(()),
    }
}

/// Writes a number without asking for memory.
fn e164(mut digits: u64, text: &mut [u8; 21]) -> &str {
    let mut at = text.len();
    while digits > 0 {
        at -= 1;
        text[at] = b'0' + (digits % 10) as u8;
        digits /= 10;
    }
    at -= 1;
    text[at] = b'+';
    std::str::from_utf8(&text[at..]).unwrap_or_default()
}

impl Tx<'_> {
    /// Begins an import.
    pub fn insert_import(&self, new: &NewImport) -> Result<i64, StoreError> {
        let sql = "INSERT INTO imports (campaign_id, state, format, file_name, on_duplicate, default_country, made_by,
                     created_at) VALUES (?1, 'running', ?2, ?3, ?4, ?5, ?6, ?7)";
        let NewImport { campaign_id, format, file_name, on_duplicate, unprefixed, made_by } = new;
        let unprefixed = unprefixed.word();
        let (format, on_duplicate) = (format.word(), on_duplicate.word());
        let now = ms(self.now);
        self.execute(sql, params![campaign_id, format, file_name, on_duplicate, unprefixed, made_by, now])?;
        let id = self.connection.last_insert_rowid();
        self.touch(Change::Import(id));
        Ok(id)
    }

    /// Says what the file turned out to be, and how many rows it has.
    pub(super) fn start_import(&self, id: i64, format: Format, rows: i64) -> Result<(), StoreError> {
        self.checkpoint_after(PAGES_MEANWHILE)?;
        let sql = "UPDATE imports SET format = ?2, rows_total = ?3 WHERE id = ?1";
        self.execute(sql, params![id, format.word(), rows])?;
        self.touch(Change::Import(id));
        Ok(())
    }

    /// How many pages the write-ahead log may have before it is moved into the file. An import writes the same pages
    /// again and again, so it pays to move them less often.
    fn checkpoint_after(&self, pages: i64) -> Result<(), StoreError> {
        self.connection.pragma_update(None, "wal_autocheckpoint", pages)?;
        Ok(())
    }

    /// Counts rows that have found their fate.
    pub(super) fn count_rows(&self, id: i64, counts: Counts) -> Result<(), StoreError> {
        let sql = "UPDATE imports SET rows_done = rows_done + ?2 + ?3 + ?4 + ?5, imported = imported + ?2,
                     updated = updated + ?3, skipped = skipped + ?4, rejected = rejected + ?5 WHERE id = ?1";
        let Counts { imported, updated, skipped, rejected } = counts;
        self.execute(sql, params![id, imported, updated, skipped, rejected])?;
        self.touch(Change::Import(id));
        Ok(())
    }

    /// Ends an import, well or with an error.
    pub(super) fn finish_import(
        &self,
        id: i64,
        details: &Details,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        self.checkpoint_after(PAGES_OTHERWISE)?;
        let sql = "UPDATE imports SET state = ?2, report = ?3, error = ?4, finished_at = ?5 WHERE id = ?1";
        let state = if error.is_some() { ImportState::Failed } else { ImportState::Completed };
        self.execute(sql, params![id, state.word(), json_text(details), error, ms(self.now)])?;
        self.touch(Change::Import(id));
        Ok(())
    }

    /// Writes leads into a campaign; the answer is what became of each, in their order.
    pub(super) fn write_leads(
        &self,
        id: i64,
        campaign_id: i64,
        on_duplicate: OnDuplicate,
        leads: &[Ready],
    ) -> Result<Vec<Fate>, StoreError> {
        let suppresses_any = self.suppresses_any()?;
        let mut fates = vec![Fate::Left(Reason::OnDoNotCallList.into()); leads.len()];
        let mut allowed = Vec::with_capacity(leads.len());
        for (at, ready) in leads.iter().enumerate() {
            if !(suppresses_any && self.is_suppressed(ready.lead.phone)?) {
                allowed.push(at);
            }
        }
        let (mut left, mut imported) = (&*allowed, 0);
        while let Some((count, sql)) =
            AT_ONCE.into_iter().zip(&*INSERTS).find(|(count, _)| *count <= left.len())
        {
            let (some, rest) = left.split_at(count);
            left = rest;
            let newest = self.newest_of_import(id)?;
            let written = self.insert_at_once(id, campaign_id, sql, some.iter().map(|at| &leads[*at]))?;
            imported += written as i64;
            let mut new = match written {
                all if all == count => Vec::new(),
                _ => self.numbers_since(id, newest)?,
            }
            .into_iter()
            .peekable();
            for at in some {
                let ready = &leads[*at];
                let is_new = written == count || new.next_if_eq(&ready.lead.phone.to_string()).is_some();
                fates[*at] = match (is_new, on_duplicate) {
                    (true, _) => Fate::Imported,
                    (false, OnDuplicate::Update) => self.update_lead_from(campaign_id, ready)?,
                    (false, OnDuplicate::Skip | OnDuplicate::Reject) => {
                        Fate::Left(Reason::AlreadyInCampaign.into())
                    }
                };
            }
        }
        self.touch(Change::Leads(campaign_id));
        if imported > 0 {
            self.count_leads(campaign_id, None, Some(LeadStatus::Pending), imported)?;
            self.wake_dialer();
        }
        Ok(fates)
    }

    /// Runs one statement; the answer is how many of the leads were new.
    fn insert_at_once<'r>(
        &self,
        id: i64,
        campaign_id: i64,
        sql: &str,
        leads: impl Iterator<Item = &'r Ready>,
    ) -> Result<usize, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.clear_bindings();
        statement.raw_bind_parameter(1, campaign_id)?;
        statement.raw_bind_parameter(2, id)?;
        statement.raw_bind_parameter(3, ms(self.now))?;
        for (at, ready) in leads.enumerate() {
            bind(&mut statement, 4 + at * ROW_VALUES, ready)?;
        }
        Ok(statement.raw_execute()?)
    }

    fn newest_of_import(&self, id: i64) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce(max(id), 0) FROM leads WHERE import_id = ?1";
        Ok(self.connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))?)
    }

    fn numbers_since(&self, id: i64, newest: i64) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT phone FROM leads WHERE import_id = ?1 AND id > ?2 ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([id, newest], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Writes what a row says over what the lead says. What the row leaves blank stays, and so do status and attempts.
    fn update_lead_from(&self, campaign_id: i64, ready: &Ready) -> Result<Fate, StoreError> {
        let Some(lead) = self.lead_with_phone(campaign_id, ready.lead.phone)? else {
            return Err(StoreError::Failed("a lead vanished in the transaction that found it".into()));
        };
        if lead.status == LeadStatus::InProgress {
            return Ok(Fate::Left(Reason::InProgress.into()));
        }
        let new = &ready.lead;
        let mut variables = lead.about.variables.clone();
        for (name, value) in &new.variables {
            let normal = script::normal_name(name);
            let known = variables.keys().find(|known| script::normal_name(known) == normal).cloned();
            variables.insert(known.unwrap_or_else(|| name.clone()), value.clone());
        }
        // What held the lead may be cured, such as a variable that was missing.
        let sql = "UPDATE leads SET first_name = coalesce(?2, first_name), last_name = coalesce(?3, last_name),
                     email = coalesce(?4, email), company_name = coalesce(?5, company_name),
                     time_zone = coalesce(?6, time_zone), language = coalesce(?7, language),
                     priority = coalesce(?8, priority), best_time_to_call = coalesce(?9, best_time_to_call),
                     variables = ?10, notes = coalesce(?11, notes), tags = coalesce(?12, tags), updated_at = ?13,
                     next_call_at = CASE WHEN held IS NULL THEN next_call_at ELSE max(?14, created_at) END, held = NULL
                   WHERE id = ?1";
        self.execute(
            sql,
            params![
                lead.id,
                new.first_name,
                new.last_name,
                new.email,
                new.company_name,
                new.time_zone.map(Tz::name),
                new.language,
                ready.has_priority.then_some(new.priority),
                new.best_time_to_call.map(TimeOfDay::seconds),
                json_text(&variables),
                new.notes,
                ready.tags,
                ms(self.now),
                ms(self.again_at(lead.id)?),
            ],
        )?;
        self.wake_dialer();
        Ok(Fate::Updated)
    }

    /// Takes an import back, unless one of its leads was dialed. From the commit on none of them is: the dialer removes
    /// those it meets, and [`Self::remove_undone`] the others.
    pub fn undo_import(&self, campaign_id: i64, id: i64) -> Result<Undo, StoreError> {
        let Some(import) = self.import(campaign_id, id)? else { return Ok(Undo::NotFound) };
        match import.state {
            ImportState::Running => return Ok(Undo::Running),
            ImportState::Undone => return Ok(Undo::Undone),
            ImportState::Completed | ImportState::Failed => {}
        }
        // Leads of an import have ids in a row, so its calls are found by theirs.
        let sql = "SELECT EXISTS (SELECT 1 FROM calls k JOIN leads l ON l.id = k.lead_id
                     WHERE k.lead_id BETWEEN (SELECT min(id) FROM leads WHERE import_id = ?1)
                                         AND (SELECT max(id) FROM leads WHERE import_id = ?1)
                       AND l.import_id = ?1)";
        if self.connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))? {
            return Ok(Undo::Dialed);
        }
        self.execute("UPDATE imports SET state = 'undone' WHERE id = ?1", [id])?;
        self.touch(Change::Import(id));
        Ok(Undo::Undone)
    }

    /// Removes some leads of imports that were undone; true while there is more.
    pub fn remove_undone(&self) -> Result<bool, StoreError> {
        const LEADS_MAX: i64 = 2_000;
        let sql = "SELECT i.id, i.campaign_id FROM imports i WHERE i.state = 'undone'
                     AND EXISTS (SELECT 1 FROM leads l WHERE l.import_id = i.id) LIMIT 1";
        let found: Option<(i64, i64)> = self
            .connection
            .prepare_cached(sql)?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((id, campaign_id)) = found else { return Ok(false) };
        let sql = "SELECT status, count(*) FROM
                     (SELECT status, deleted_at FROM leads WHERE import_id = ?1 ORDER BY id LIMIT ?2)
                   WHERE deleted_at IS NULL GROUP BY status";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([id, LEADS_MAX], |row| {
            let mut cells = Cells::of(row);
            Ok((cells.word::<LeadStatus>()?, cells.get::<i64>()?))
        })?;
        for (status, count) in rows.collect::<Result<Vec<_>, _>>()? {
            self.count_leads(campaign_id, Some(status), None, count)?;
        }
        let sql =
            "DELETE FROM leads WHERE id IN (SELECT id FROM leads WHERE import_id = ?1 ORDER BY id LIMIT ?2)";
        self.execute(sql, [id, LEADS_MAX])?;
        self.touch(Change::Leads(campaign_id));
        self.complete_if_finished(campaign_id)?;
        Ok(true)
    }
}
