//! The do-not-call list: numbers that no campaign dials, whoever put them there.

use super::Settings;
use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::{self, Body, BodyHead, Json, Kind, LEADS_JSON_MAX, LargeBodies};
use super::error::ApiError;
use super::etag::{IfNoneMatch, TextTag};
use super::idempotency::{Once, Repeatable};
use super::openapi::{parameters, schemas};
use super::query::{self, PAGE_SIZE, Query};
use super::sheet::Download;
use crate::domain::Instant;
use crate::domain::do_not_call::{Becomes, Column, Entry, REASON_MAX, ReadItem, Source};
use crate::domain::fields::{self, Parsed};
use crate::domain::invalid::{Invalid, Problem};
use crate::domain::phone::{self, Country, Phone};
use crate::domain::schedule::format_instant;
use crate::domain::spreadsheet::{Format, defused};
use crate::store::pool::Db;
use crate::store::{
    ListChange, ListFilter, ListOptions, ListReport, Listed, NotListed, Removal, Snapshot, Suppression,
    list_table,
};
use chrono::DateTime;
use rocket::http::Status;
use rocket::tokio::fs::File;
use rocket::{Route, State, delete, get, post, routes};
use serde::Serialize;
use serde_json::Value;
use std::io::{Seek, SeekFrom};
use std::path::Path;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![list, export, show, add, remove]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(list, export, show, add, remove))]
pub(super) struct Reference;

/// Numbers in one array at most.
const ARRAY_MAX: usize = 10_000;

/// Lists the numbers that no campaign calls.
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/do-not-call",
    operation_id = "list_do_not_call",
    params(parameters::ListFilter, parameters::Paging),
    responses((status = 200, body = [View], description = "A page of numbers.", headers(("X-Total-Count" = i64))))
)]
#[get("/do-not-call")]
async fn list(_caller: ReadScope, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    let search = query.take("search", query::text);
    let source: Option<Source> = query.take("source", query::word);
    let limit = query::page_size(&mut query).unwrap_or(PAGE_SIZE);
    let after = query.take("cursor", place);
    query.finish()?;
    db.read(move |snapshot| {
        let filter = ListFilter { search: search.as_deref().map(searched), source, after, limit: limit + 1 };
        let (listed, has_more) = query::page(snapshot.do_not_call_list(&filter)?, limit);
        let views: Vec<View> = listed.iter().map(View::of).collect();
        let answer = Answer::ok(&views)?.with("X-Total-Count", snapshot.count_listed(&filter)?);
        Ok(query.linked(answer, &listed, has_more, cursor))
    })
    .await
}

/// Shows a number of the list, with every change.
#[utoipa::path(
    get,
    path = "/do-not-call/{number}",
    operation_id = "show_do_not_call",
    params(parameters::Number, parameters::IfNoneMatch),
    responses((status = 200, body = Details, description = "The number is on the list."))
)]
#[get("/do-not-call/<number>")]
async fn show(
    _caller: ReadScope,
    number: &str,
    mut query: Query,
    if_none_match: IfNoneMatch,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let phone = number_in_path(number, settings)?;
    db.read(move |snapshot| {
        let details = details(snapshot, phone)?.ok_or(ApiError::NotListed)?;
        let body = serde_json::to_string(&details)?;
        let tag = TextTag::of(&body, &body);
        Ok(if_none_match.answer(body, tag))
    })
    .await
}

/// Puts numbers on the list.
///
/// One, an array of up to 10,000, or CSV with a column `phone` and, if you like, `reason`. Every column whose heading
/// means a phone number is read. Their leads leave all queues and calls to them are hung up; after the answer nobody
/// dials them.
///
/// Without `+`, digits that begin with the code of the default country can be two numbers. Of an array or a table both
/// are listed, and so are up to 10 whole numbers in one text; of a reason that is too long the start is kept. One alone is
/// refused, so that whoever sends it can say what is meant.
#[utoipa::path(
    post,
    path = "/do-not-call",
    operation_id = "add_do_not_call",
    params(parameters::DefaultCountry, parameters::IdempotencyKey),
    request_body(content((schemas::DoNotCallEntries = "application/json"), (String = "text/csv"))),
    responses((status = 200, body = schemas::ListAnswer, description = "It was on the list already, or none of many came onto it."),
        (status = 201, body = schemas::ListAnswer, description = "It is on the list now, or some of many are."))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[post("/do-not-call", data = "<body>")]
async fn add(
    caller: WriteScope<'_>,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    settings: &State<Settings>,
    large: &State<LargeBodies>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let country = query.take("default_country", query::country).or(settings.default_country);
    if let Err(invalid) = query.finish() {
        body.discard().await;
        return Err(invalid.into());
    }
    let by = caller.0.name.clone();
    if head.is_text_table() {
        let spool = head.spool(body, settings.csv_limit_bytes, &settings.spool_dir).await?;
        let once = repeatable.once(caller.0, spool.hash)?;
        return match once.first_answer(db).await? {
            Some(answer) => Ok(answer),
            None => add_table(db, &spool.path, ListOptions { country, by }, once).await,
        };
    }
    let mut body = head.large_json(body, LEADS_JSON_MAX, large).await?;
    let _place = body.place();
    let once = repeatable.once(caller.0, body.hash)?;
    if let Some(answer) = once.first_answer(db).await? {
        return Ok(answer);
    }
    let wish = body::aside(move || Wish::read(&body, country)).await?;
    db.write_and_wait_for_dials(move |tx| {
        once.run(tx, |tx| match wish {
            Wish::One(Entry { phone, reason }) => {
                let why = Suppression { reason, source: Source::Api, call_id: None, by };
                let is_new = tx.add_to_do_not_call_list(phone, &why)?;
                let details = details(tx, phone)?.ok_or(ApiError::NotListed)?;
                match is_new {
                    true => Answer::created(format!("/api/do-not-call/{phone}"), &details),
                    false => Answer::ok(&details),
                }
            }
            Wish::Many(entries, mut done) => {
                let count = entries.len() as i64;
                done.added = tx.list_all(&entries, Source::Api, &by)?;
                done.already_listed = count - done.added;
                report(done)
            }
        })
    })
    .await
}

/// Takes a number off the list.
///
/// Nobody is called by that: leads that were taken out of their queues stay `do_not_call`.
#[utoipa::path(
    delete,
    path = "/do-not-call/{number}",
    operation_id = "remove_do_not_call",
    params(parameters::Number, parameters::RemovalReason),
    responses((status = 200, body = Removed, description = "It is off the list."),
        (
            status = 409,
            description = "- `erased`: The person with this number was erased and stays suppressed for good"
        ))
)]
#[delete("/do-not-call/<number>")]
async fn remove(
    caller: WriteScope<'_>,
    number: &str,
    mut query: Query,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let reason = query.take("reason", reason);
    let is_missing = reason.is_none();
    query.finish()?;
    if is_missing {
        let message = "is required: say why the number may be called again; it is kept";
        return Err(Invalid::one("reason", message).into());
    }
    let phone = number_in_path(number, settings)?;
    let why = Suppression {
        reason: reason.unwrap_or_default(),
        source: Source::Api,
        call_id: None,
        by: caller.0.name.clone(),
    };
    let deed = caller.1;
    db.write(move |tx| match tx.remove_from_do_not_call_list(phone, &why)? {
        Removal::Removed => {
            tx.note(&deed)?;
            Answer::ok(&Removed {
                phone: phone.to_string(),
                removed: true,
                note: "Leads that were taken out of their queues stay do_not_call until a call to them is scheduled",
            })
        }
        Removal::NotListed => Err(ApiError::NotListed),
        Removal::Erased => Err(ApiError::Conflict {
            code: "erased",
            message: "The person with this number was erased and stays suppressed for good".into(),
        }),
    })
    .await
}

/// Exports the list as CSV.
#[utoipa::path(
    get,
    path = "/do-not-call/export",
    operation_id = "export_do_not_call",
    responses((
            status = 200,
            body = String,
            content_type = "text/csv",
            description = "The list.",
            headers(("Content-Disposition" = String))
        ))
)]
#[get("/do-not-call/export")]
async fn export(
    _caller: ReadScope,
    mut query: Query,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Download, ApiError> {
    query.finish()?;
    let mut table = csv::Writer::from_writer(tempfile::tempfile_in(&settings.spool_dir)?);
    table.write_record(["phone", "reason", "source", "added_by", "created_at"])?;
    let mut filter = ListFilter { limit: EXPORT_PAGE, ..ListFilter::default() };
    loop {
        let wanted = filter.clone();
        let page = db.read(move |snapshot| Ok::<_, ApiError>(snapshot.do_not_call_list(&wanted)?)).await?;
        for Listed { phone, suppression, created_at } in &page {
            let (reason, by) = (defused(&suppression.reason), defused(&suppression.by));
            let number = phone.to_string();
            let (source, at) = (suppression.source.to_string(), format_instant(*created_at));
            table.write_record([number.as_str(), &reason, &source, &by, &at])?;
        }
        match page.last() {
            Some(last) if page.len() == EXPORT_PAGE => filter.after = Some((last.created_at, last.phone)),
            _ => break,
        }
    }
    let mut file = table.into_inner().map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    let length = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    Ok(Download { file: File::from_std(file), length, format: Format::Csv, name: "do-not-call".into() })
}

/// Rows read at a time.
const EXPORT_PAGE: usize = 1_000;

/// The number in a path, in whatever spelling. One that can be two is neither.
pub(super) fn number_in_path(text: &str, settings: &Settings) -> Result<Phone, ApiError> {
    let read = || phone::parse(text, settings.default_country);
    Phone::from_e164(text)
        .map_or_else(read, Ok)
        .map_err(|problem| Invalid::one("number", problem.to_string()).into())
}

/// What is looked for: of something that is written like a number its digits, else the text as it is.
fn searched(text: &str) -> String {
    let is_number = text.chars().all(|char| char.is_ascii_digit() || "+-.()/ ".contains(char));
    if is_number { phone::digits_in(text) } else { text.to_owned() }
}

fn reason(text: &str) -> Parsed<String> {
    fields::text(REASON_MAX)(&Value::String(text.to_owned()))
}

/// The place after a number of the list, as a cursor.
fn cursor(listed: &Listed) -> String {
    format!("{}-{}", listed.created_at.timestamp_millis(), listed.phone.digits())
}

fn place(text: &str) -> Parsed<(Instant, Phone)> {
    let read = || {
        let (at, digits) = text.split_once('-')?;
        Some((DateTime::from_timestamp_millis(at.parse().ok()?)?, Phone::from_digits(digits.parse().ok()?)?))
    };
    read().ok_or_else(|| "must be one that the `Link` of a page before gave".to_owned())
}

/// The numbers of a JSON body.
enum Wish {
    One(Entry),
    Many(Vec<Entry>, ListReport),
}

impl Wish {
    fn read(body: &Json, country: Option<Country>) -> Result<Wish, ApiError> {
        let (mut entries, mut report, mut count) = (Vec::new(), ListReport::default(), 0);
        let mut first = Value::Null;
        let kind = body.each(&mut |item| {
            count += 1;
            if count == 1 {
                first = item.clone();
            }
            let sent = item.as_object().cloned().unwrap_or_default();
            let read = ReadItem::read(item, country);
            report.two_readings += i64::from(read.has_two_readings);
            entries.extend(read.entries);
            if let Some(Problem { field, message }) = read.problems.into_iter().next() {
                let value = sent.get(&field).map(ToString::to_string).unwrap_or_default();
                report.reject(count as u64, &field, value.trim_matches('"'), message);
            }
            count <= ARRAY_MAX
        })?;
        match kind {
            Kind::One => Ok(Wish::One(Entry::read(first, country)?)),
            Kind::Array if count > ARRAY_MAX => {
                let message = format!("must have at most {ARRAY_MAX} items; send more as text/csv");
                Err(Invalid::one("body", message).into())
            }
            Kind::Array => Ok(Wish::Many(entries, report)),
        }
    }
}

/// A table goes onto the list in many transactions, so its answer is remembered after it, when no dial is on its way
/// any more. Numbers that are listed already stay as they are, so a repetition does no harm.
async fn add_table(db: &Db, table: &Path, options: ListOptions, once: Once) -> Result<Answer, ApiError> {
    let beginning = once.clone();
    let done = list_table(db, table, options, move |tx| beginning.note(tx, None)).await?;
    db.write_and_wait_for_dials(move |tx| once.tell(tx, report(done)?)).await
}

fn report(done: ListReport) -> Result<Answer, ApiError> {
    let status = if done.added > 0 { Status::Created } else { Status::Ok };
    let report = Report {
        added: done.added,
        already_listed: done.already_listed,
        two_readings: done.two_readings,
        rejected_count: done.rejected,
        rejected: done.rejections.into_iter().map(Rejected::of).collect(),
        columns: done.columns.into_iter().map(ColumnView::of).collect(),
    };
    Ok(Answer::text(status, serde_json::to_string(&report)?))
}

/// What became of many numbers.
#[derive(Serialize, ToSchema)]
#[schema(as = DoNotCallReport)]
pub(super) struct Report {
    /// Numbers that came onto the list.
    #[schema(minimum = 0)]
    added: i64,
    /// Numbers that were on it.
    #[schema(minimum = 0)]
    already_listed: i64,
    /// How many could be two numbers, with and without the country's code; both are listed.
    #[schema(minimum = 0)]
    two_readings: i64,
    /// Rows without a number, cells that should hold one beside another, and what else of an item of an array cannot be
    /// read, whose number is listed nonetheless.
    #[schema(minimum = 0)]
    rejected_count: i64,
    /// The first of those.
    rejected: Vec<Rejected>,
    /// What the columns of a table were taken for; not there for an array.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    columns: Vec<ColumnView>,
}

/// A column of a table of numbers, as it was understood.
#[derive(Serialize, ToSchema)]
#[schema(as = DoNotCallColumn)]
struct ColumnView {
    /// Its heading, or `column_1` and so on.
    column: String,
    /// `phone` where its numbers are listed.
    becomes: Becomes,
    /// What a reader may be surprised by.
    note: Option<&'static str>,
}

impl ColumnView {
    fn of(Column { title, becomes, note }: Column) -> ColumnView {
        ColumnView { column: title, becomes, note }
    }
}

/// What was not taken: its line, in an array from 1, and what is wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = DoNotCallRejected)]
struct Rejected {
    /// Its line, in an array from 1.
    #[schema(minimum = 1)]
    row: u64,
    /// The column.
    field: String,
    /// What stands there.
    value: String,
    /// What is wrong.
    reason: String,
}

impl Rejected {
    fn of(row: NotListed) -> Rejected {
        let NotListed { row, field, value, message } = row;
        Rejected { row, field, value, reason: message }
    }
}

/// A number on the list, with its history; of an erased person nothing but that.
pub(super) fn details(snapshot: &Snapshot, phone: Phone) -> Result<Option<Details>, ApiError> {
    let listed = snapshot.listed(phone)?;
    if listed.is_none() && !snapshot.is_erased(phone)? {
        return Ok(None);
    }
    let change = |change: ListChange| Change {
        change: change.change,
        reason: change.reason,
        source: change.source,
        by: change.by,
        at: format_instant(change.at),
    };
    Ok(Some(Details {
        view: match listed {
            Some(listed) => View::of(&listed),
            None => View {
                phone: phone.to_string(),
                reason: "the person was erased".into(),
                source: None,
                call_id: None,
                added_by: None,
                created_at: None,
            },
        },
        history: snapshot.list_changes(phone)?.into_iter().map(change).collect(),
    }))
}

/// A number that no campaign calls.
#[derive(Serialize, ToSchema)]
#[schema(as = DoNotCall)]
struct View {
    /// The number.
    phone: String,
    /// Why it is listed.
    reason: String,
    /// How it came onto the list; null for an erased person.
    source: Option<Source>,
    /// The call on which the person asked for it.
    call_id: Option<i64>,
    /// Name of the token or command.
    added_by: Option<String>,
    /// Since when it is listed.
    #[schema(format = DateTime)]
    created_at: Option<String>,
}

impl View {
    fn of(listed: &Listed) -> View {
        let Suppression { reason, source, call_id, by } = listed.suppression.clone();
        View {
            phone: listed.phone.to_string(),
            reason,
            source: Some(source),
            call_id,
            added_by: Some(by),
            created_at: Some(format_instant(listed.created_at)),
        }
    }
}

/// A number of the list with every change.
#[derive(Serialize, ToSchema)]
#[schema(as = DoNotCallDetails)]
pub(super) struct Details {
    #[serde(flatten)]
    view: View,
    /// Every change.
    history: Vec<Change>,
}

/// A change of the list.
#[derive(Serialize, ToSchema)]
#[schema(as = DoNotCallChange)]
struct Change {
    /// `added` or `removed`.
    change: String,
    /// Why.
    reason: String,
    /// How.
    source: Source,
    /// Who.
    by: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
}

/// A number that came off the list.
#[derive(Serialize, ToSchema)]
#[schema(as = DoNotCallRemoved)]
struct Removed {
    /// The number.
    phone: String,
    /// Always true.
    removed: bool,
    /// What becomes of its leads.
    note: &'static str,
}
