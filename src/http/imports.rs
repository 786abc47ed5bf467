//! Leads on their way in: one by one, as an array or as a file; and the imports that this makes.

use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::{self, Body, BodyHead, Form, Json, Kind, LEADS_JSON_MAX, LargeBodies, Spool};
use super::error::ApiError;
use super::idempotency::{Once, Repeatable};
use super::openapi::{parameters, schemas};
use super::query::{self, PAGE_SIZE, Query};
use super::{Settings, campaigns, leads};
use crate::domain::campaign::Campaign;
use crate::domain::columns::Mapping;
use crate::domain::fields::{self, Parsed};
use crate::domain::imports::{Counts, Format, ImportState, OnDuplicate, Target};
use crate::domain::invalid::{Invalid, Problem};
use crate::domain::lead::NewLead;
use crate::domain::phone::{Country, Unprefixed};
use crate::domain::schedule::format_instant;
use crate::store::import::{self, DryRun, ImportOptions, skipped_file};
use crate::store::pool::Db;
use crate::store::{Import, NewImport, Payload, Tx, UPLOAD_PREFIX, Undo};
use rocket::http::{ContentType, Status};
use rocket::response::{self, Responder, Response};
use rocket::tokio::fs::File;
use rocket::tokio::sync::Semaphore;
use rocket::{Request, Route, State, delete, get, post, routes, tokio};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempPath;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![add, list, show, skipped, undo]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(add, list, show, skipped, undo))]
pub(super) struct Reference;

/// Leads in one array at most.
const ARRAY_MAX: usize = 10_000;
/// Problems told one by one.
const PROBLEMS_MAX: usize = 1_000;

/// Lets imports begin; each keeps the places of its rows in memory.
pub(super) struct Importing(Arc<Semaphore>);

/// Imports at work at one time; others wait.
const IMPORTS_AT_ONCE: usize = 2;

impl Importing {
    /// With none at work.
    pub(super) fn new() -> Importing {
        Importing(Arc::new(Semaphore::new(IMPORTS_AT_ONCE)))
    }
}

/// Adds leads.
///
/// One lead, an array of up to 10,000, a CSV or Excel file as the body, or a form with the file as its part
/// `file`. A lead that is sent alone is answered with the lead; everything else is an import and answered
/// with its report. Of a file the server finds out the encoding, the separator and what each column is;
/// columns that nobody knows become script variables.
#[utoipa::path(
    post,
    path = "/voice-campaigns/{id}/leads",
    operation_id = "add_leads",
    params(parameters::CampaignId, parameters::ImportOptions, parameters::IdempotencyKey),
    request_body(
        content(
            (schemas::NewLeads = "application/json"),
            (String = "text/csv"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            (schemas::LeadsForm = "multipart/form-data")
        )
    ),
    responses((status = 200, body = View, description = "What would become of the rows of a dry run."),
        (status = 201, body = schemas::Added, description = "The lead, or the report of the import.", headers(("ETag" = String))),
        (status = 202, body = View, description = "The import that has begun, where `async=true` asked for it.", headers(("Location" = String))),
        (
            status = 409,
            description = "- `duplicate`: The campaign already has a lead with the number +12025550101: lead 4"
        ))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[post("/voice-campaigns/<id>/leads", data = "<body>")]
async fn add(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    settings: &State<Settings>,
    large: &State<LargeBodies>,
    importing: &State<Importing>,
    db: &Db,
) -> Result<Answer, ApiError> {
    // The parts of a form are parameters, too, so of a form nothing is known before it is read.
    let early = match head.is_multipart() {
        true => existing(db, id).await.map(|campaign| (campaign, None)),
        false => match asked(&mut query, head.is_table(), settings.default_country) {
            Ok(asked) => existing(db, id).await.map(|campaign| (campaign, Some(asked))),
            Err(invalid) => Err(invalid.into()),
        },
    };
    let early = match early {
        Err(error) if !repeatable.has_key() => {
            body.discard().await;
            return Err(error);
        }
        early => early,
    };
    let place = (&*settings.spool_dir, settings.csv_limit_bytes);
    let (spool, fields, file_name) = if head.is_multipart() {
        let Form { fields, file, file_name } = head.form(body, place.1, place.0).await?;
        (file, fields, file_name)
    } else if head.is_table() {
        (head.spool(body, place.1, place.0).await?, Vec::new(), None)
    } else {
        let mut body = head.large_json(body, LEADS_JSON_MAX, large).await?;
        let _place = body.place();
        let once = repeatable.once(caller.0, body.hash)?;
        if let Some(answer) = once.first_answer(db).await? {
            return Ok(answer);
        }
        let (campaign, asked) = early?;
        let Some(asked) = asked else { return Err(ApiError::NoSuchRoute) };
        let folder = place.0.to_owned();
        let (unprefixed, is_whole) = (asked.options.unprefixed, !asked.options.partial && !asked.is_dry);
        let is_alone = asked.is_alone;
        let batch = body::aside(move || Batch::read(&body, unprefixed, is_whole, is_alone, &folder)).await?;
        return match batch {
            Batch::One(lead) => add_one(db, campaign.id, *lead, once).await,
            Batch::Many(path) => {
                let sent = Sent {
                    payload: Payload::Leads(path),
                    format: Format::Json,
                    file_name: None,
                    _spool: None,
                };
                take_in(db, importing, caller.0.name.clone(), campaign.id, asked, sent, once).await
            }
        };
    };
    let once = repeatable.once(caller.0, spool.hash)?;
    if let Some(answer) = once.first_answer(db).await? {
        return Ok(answer);
    }
    let (campaign, early) = early?;
    let asked = match early {
        Some(asked) => asked,
        None => {
            query.add(fields);
            asked(&mut query, true, settings.default_country)?
        }
    };
    let Spool { path, .. } = spool;
    let payload = Payload::Table(path.to_path_buf());
    let sent = Sent { payload, format: Format::Csv, file_name, _spool: Some(path) };
    take_in(db, importing, caller.0.name.clone(), campaign.id, asked, sent, once).await
}

async fn existing(db: &Db, id: &str) -> Result<Campaign, ApiError> {
    let id = id.to_owned();
    db.read(move |snapshot| campaigns::existing(snapshot, &id)).await
}

/// What the parameters ask for.
struct Asked {
    options: ImportOptions,
    is_dry: bool,
    is_async: bool,
    /// A single lead is answered with the lead, unless what is asked for only makes sense for an import.
    is_alone: bool,
}

/// Of a table the good rows are taken and the bad ones reported, of an array all or nothing, unless `partial` says
/// otherwise.
fn asked(query: &mut Query, is_table: bool, default_country: Option<Country>) -> Result<Asked, Invalid> {
    let unprefixed = query.take("default_country", query::unprefixed).unwrap_or(default_country.into());
    let is_alone = !["dry_run", "on_duplicate", "async"].iter().any(|name| query.has(name));
    let partial = query.take("partial", query::flag).unwrap_or(is_table);
    let is_dry = query.take("dry_run", query::flag).unwrap_or(false);
    let on_duplicate = query.take("on_duplicate", query::word).unwrap_or(OnDuplicate::Skip);
    let is_async = query.take("async", |text| match query::flag(text)? {
        true if is_dry => Err("must be left out of a dry run, which is answered when it is done".to_owned()),
        is_async => Ok(is_async),
    });
    let only_of_tables = |text: &str| match is_table {
        true => Ok(text.to_owned()),
        false => Err("is only for tables; leads in JSON name their fields".to_owned()),
    };
    let mapping = query.take("mapping", |text| mapping(&only_of_tables(text)?)).unwrap_or_default();
    let delimiter = query.take("delimiter", |text| delimiter(&only_of_tables(text)?));
    let sheet = query.take("sheet", only_of_tables);
    query.finish()?;
    let options = ImportOptions { unprefixed, partial, on_duplicate, mapping, delimiter, sheet };
    Ok(Asked { options, is_dry, is_async: is_async.unwrap_or(false), is_alone })
}

/// `{"Telefon": "phone", "Tarif": "variable:plan", "Id": "ignore"}`
fn mapping(text: &str) -> Parsed<Mapping> {
    let read: Result<Value, _> = serde_json::from_str(text);
    let Ok(Value::Object(columns)) = read else {
        return Err("must be a JSON object such as {\"Telefon\": \"phone\", \"Id\": \"ignore\"}".to_owned());
    };
    let mut mapping = Mapping::new();
    for (title, target) in columns {
        let problem = |message: String| format!("`{}`: {message}", fields::excerpt(&title));
        let target = fields::string(&target).and_then(Target::parse).map_err(problem)?;
        mapping.insert(title.trim().to_owned(), target);
    }
    Ok(mapping)
}

fn delimiter(text: &str) -> Parsed<u8> {
    match text {
        "," | "comma" => Ok(b','),
        ";" | "semicolon" => Ok(b';'),
        "|" | "pipe" => Ok(b'|'),
        "tab" | "\\t" => Ok(b'\t'),
        _ => Err(format!("must be `,`, `;`, `|` or `tab`; it is `{}`", fields::excerpt(text))),
    }
}

/// The leads of a JSON body.
enum Batch {
    One(Box<NewLead>),
    /// One in each line of a file.
    Many(TempPath),
}

impl Batch {
    /// Reads lead by lead, so that they are never in memory together. Where all must be good, the problems of all
    /// come at once.
    fn read(
        body: &Json,
        unprefixed: Unprefixed,
        is_whole: bool,
        is_alone: bool,
        folder: &Path,
    ) -> Result<Batch, ApiError> {
        if is_alone && !body.is_array() {
            let mut lead = Err(Invalid::one("body", "is empty"));
            body.each(&mut |item| {
                lead = NewLead::read(item, unprefixed);
                true
            })?;
            return Ok(Batch::One(Box::new(lead?)));
        }
        let spool = tempfile::Builder::new().prefix(UPLOAD_PREFIX).tempfile_in(folder)?;
        let mut lines = BufWriter::new(spool.as_file());
        let (mut count, mut problems, mut written) = (0, Vec::new(), Ok(()));
        let kind = body.each(&mut |item| {
            let position = count;
            count += 1;
            if count > ARRAY_MAX {
                return false;
            }
            if written.is_ok() {
                // The blank keeps a text from being taken for a quoted cell.
                written = writeln!(lines, " {item}");
            }
            if is_whole && let Err(Invalid(some)) = NewLead::read(item, unprefixed) {
                problems.extend(some.into_iter().map(|problem| within(position, problem)));
            }
            // Nothing of the array will be taken, and nobody reads more.
            problems.len() < PROBLEMS_MAX
        })?;
        written.and_then(|()| lines.flush())?;
        drop(lines);
        match kind {
            Kind::Array if count > ARRAY_MAX => {
                let message = format!("must have at most {ARRAY_MAX} items; send more as text/csv");
                Err(Invalid::one("body", message).into())
            }
            Kind::Array | Kind::One if !problems.is_empty() => Err(Invalid(problems).into()),
            Kind::Array | Kind::One => Ok(Batch::Many(spool.into_temp_path())),
        }
    }
}

fn within(position: usize, problem: Problem) -> Problem {
    let field = if problem.field == "body" { String::new() } else { format!(".{}", problem.field) };
    Problem { field: format!("leads[{position}]{field}"), message: problem.message }
}

async fn add_one(db: &Db, campaign_id: i64, lead: NewLead, once: Once) -> Result<Answer, ApiError> {
    db.write(move |tx| {
        once.run(tx, |tx| {
            let campaign = tx.campaign(campaign_id)?.ok_or(ApiError::NoSuchCampaign)?;
            match tx.insert_leads(campaign.id, std::slice::from_ref(&lead))?.ids.as_slice() {
                [id] => {
                    let lead = tx.lead(*id)?.ok_or(ApiError::NoSuchLead)?;
                    let (body, tag) = leads::shown(tx, &lead)?;
                    let answer = Answer::text(Status::Created, body);
                    Ok(answer.with("Location", format!("/api/leads/{id}")).with("ETag", tag))
                }
                _ => {
                    let known = tx.lead_with_phone(campaign.id, lead.phone)?.map_or(0, |lead| lead.id);
                    let number = lead.phone;
                    let message =
                        format!("The campaign already has a lead with the number {number}: lead {known}");
                    Err(ApiError::Conflict { code: "duplicate", message })
                }
            }
        })
    })
    .await
}

/// A file that was sent.
struct Sent {
    payload: Payload,
    format: Format,
    file_name: Option<String>,
    /// Goes when it was read.
    _spool: Option<TempPath>,
}

/// Imports what was sent, or looks what would become of it. Whoever sent it may hang up: the work goes on.
async fn take_in(
    db: &Db,
    importing: &Importing,
    made_by: String,
    campaign_id: i64,
    asked: Asked,
    sent: Sent,
    once: Once,
) -> Result<Answer, ApiError> {
    let Asked { options, is_dry, is_async, .. } = asked;
    let new = NewImport {
        campaign_id,
        format: sent.format,
        file_name: sent.file_name.clone(),
        on_duplicate: options.on_duplicate,
        unprefixed: options.unprefixed,
        made_by,
    };
    let (store, turns) = ((**db).clone(), importing.0.clone());
    if is_dry {
        let _turn = turns.acquire_owned().await;
        let Sent { payload, _spool, .. } = sent;
        let DryRun { import, skipped_csv } = import::dry_run(&store, new, payload, options).await?;
        let view = View { id: None, is_dry: true, skipped_csv, ..View::of(&import) };
        let answer = Answer::ok(&view)?;
        return db.write(move |tx| once.tell(tx, answer)).await;
    }
    let beginning = once.clone();
    let begun = db.write(move |tx| begin(tx, &new, is_async, &beginning)).await?;
    let (id, accepted) = match begun {
        Begun::Before(answer) => return Ok(answer),
        Begun::Now { id, accepted } => (id, accepted),
    };
    let work = tokio::spawn(async move {
        let _turn = turns.acquire_owned().await;
        let Sent { payload, _spool, .. } = sent;
        // Where nobody waits for the end it was answered already.
        let telling = (!is_async).then_some(once);
        let is_answered = is_async;
        let done = import::run(&store, campaign_id, id, payload, options, move |tx, import| match telling {
            None => Ok(None),
            Some(once) => once.tell(tx, made(&import)?).map(Some),
        });
        let done = done.await;
        if let (true, Err(ApiError::Internal { cause } | ApiError::Unavailable { cause })) =
            (is_answered, &done)
        {
            tracing::error!(import = id, cause, "Failed to import leads");
        }
        done
    });
    match accepted {
        Some(answer) => Ok(answer),
        None => {
            let done = work.await.map_err(|panic| ApiError::Internal { cause: panic.to_string() })??;
            done.ok_or_else(|| ApiError::Internal { cause: "an import ended without an answer".into() })
        }
    }
}

enum Begun {
    /// The same request was done before.
    Before(Answer),
    Now {
        id: i64,
        /// The answer, where nobody waits for the end.
        accepted: Option<Answer>,
    },
}

fn begin(tx: &Tx, new: &NewImport, is_async: bool, once: &Once) -> Result<Begun, ApiError> {
    if let Some(answer) = once.remembered(tx)? {
        return Ok(Begun::Before(answer));
    }
    let id = import::begin(tx, new)?;
    once.note(tx, Some(&format!("/api/voice-campaigns/{}/imports/{id}", new.campaign_id)))?;
    if !is_async {
        return Ok(Begun::Now { id, accepted: None });
    }
    let import = tx.import(new.campaign_id, id)?.ok_or(ApiError::NoSuchImport)?;
    let body = serde_json::to_string(&View::of(&import))?;
    let answer = Answer::text(Status::Accepted, body).with("Location", location(&import));
    once.remember(tx, &answer)?;
    Ok(Begun::Now { id, accepted: Some(answer) })
}

fn made(import: &Import) -> Result<Answer, ApiError> {
    Answer::created(location(import), &View::of(import))
}

fn location(import: &Import) -> String {
    format!("/api/voice-campaigns/{}/imports/{}", import.campaign_id, import.id)
}

/// Lists the imports of a campaign.
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/imports",
    operation_id = "list_imports",
    params(parameters::CampaignId, parameters::PagingById),
    responses((status = 200, body = [View], description = "A page of imports."))
)]
#[get("/voice-campaigns/<id>/imports")]
async fn list(_caller: ReadScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    let limit = query::page_size(&mut query).unwrap_or(PAGE_SIZE);
    let before = query.take("cursor", query::id);
    query.finish()?;
    let id = id.to_owned();
    db.read(move |snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        let (imports, has_more) = query::page(snapshot.imports(campaign.id, before, limit + 1)?, limit);
        let answer = Answer::ok(&imports.iter().map(View::of).collect::<Vec<_>>())?;
        Ok(query.linked(answer, &imports, has_more, |last| last.id.to_string()))
    })
    .await
}

/// Shows how far an import is, and what became of its rows.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/imports/{import_id}",
    operation_id = "show_import",
    params(parameters::ImportId),
    responses((status = 200, body = View, description = "The import."))
)]
#[get("/voice-campaigns/<id>/imports/<import_id>")]
async fn show(
    _caller: ReadScope,
    id: &str,
    import_id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    Answer::ok(&View::of(&found(db, id, import_id).await?))
}

async fn found(db: &Db, id: &str, import_id: &str) -> Result<Import, ApiError> {
    let (id, import_id) = (id.to_owned(), query::path_id(import_id));
    db.read(move |snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        let import = import_id.map(|import_id| snapshot.import(campaign.id, import_id)).transpose()?;
        import.flatten().ok_or(ApiError::NoSuchImport)
    })
    .await
}

/// Gives the rows that did not come in.
///
/// As CSV, with the reasons in the first columns, so that they can be corrected and sent again.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/imports/{import_id}/skipped",
    operation_id = "show_skipped_rows",
    params(parameters::ImportId),
    responses((status = 200, body = String, content_type = "text/csv", description = "The rows.", headers(("Content-Disposition" = String))),
        (
            status = 409,
            description = "- `in_progress`: This import has not ended; the rows that do not come in are known when it has
- `not_kept`: The rows that did not come in are no longer kept"
        ))
)]
#[get("/voice-campaigns/<id>/imports/<import_id>/skipped")]
async fn skipped(
    _caller: ReadScope,
    id: &str,
    import_id: &str,
    mut query: Query,
    db: &Db,
) -> Result<SkippedRows, ApiError> {
    query.finish()?;
    let import = found(db, id, import_id).await?;
    if import.state == ImportState::Running {
        let message = "This import has not ended; the rows that do not come in are known when it has";
        return Err(ApiError::Conflict { code: "in_progress", message: message.into() });
    }
    match File::open(skipped_file(db.folder(), import.id)).await {
        Ok(file) => Ok(SkippedRows { id: import.id, length: file.metadata().await?.len(), file: Some(file) }),
        Err(error)
            if error.kind() == ErrorKind::NotFound && import.counts.skipped + import.counts.rejected == 0 =>
        {
            Ok(SkippedRows { id: import.id, length: 0, file: None })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let message = "The rows that did not come in are no longer kept";
            Err(ApiError::Conflict { code: "not_kept", message: message.into() })
        }
        Err(error) => Err(error.into()),
    }
}

/// The rows that did not come in, as CSV.
struct SkippedRows {
    id: i64,
    length: u64,
    /// None where all came in.
    file: Option<File>,
}

const NO_ROWS: &str = "row,reason,field,message\n";

impl<'r> Responder<'r, 'static> for SkippedRows {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let mut response = Response::build();
        response.header(ContentType::CSV);
        let name = format!("attachment; filename=\"import-{}-skipped.csv\"", self.id);
        response.raw_header("Content-Disposition", name);
        match (self.file, usize::try_from(self.length)) {
            (Some(file), Ok(length)) => _ = response.sized_body(length, file),
            _ => _ = response.sized_body(NO_ROWS.len(), std::io::Cursor::new(NO_ROWS)),
        }
        response.ok()
    }
}

/// Takes an import back.
///
/// Its leads go, while none of them was dialed; what it wrote over leads that were there stays.
#[utoipa::path(
    delete,
    path = "/voice-campaigns/{id}/imports/{import_id}",
    operation_id = "undo_import",
    params(parameters::ImportId),
    responses((status = 200, body = View, description = "The import, undone."),
        (
            status = 409,
            description = "- `in_progress`: This import has not ended; undo it once it has
- `dialed`: 3 of the 500 leads of this import were dialed, so it stays. Take the others out of the queue with PATCH /api/voice-campaigns/1/leads?import_id=3 {\"status\": \"canceled\"}"
        ))
)]
#[delete("/voice-campaigns/<id>/imports/<import_id>")]
async fn undo(
    caller: WriteScope<'_>,
    id: &str,
    import_id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let import = found(db, id, import_id).await?;
    let (campaign_id, import_id) = (import.campaign_id, import.id);
    let deed = caller.1;
    let undone = db.write_and_wait_for_dials(move |tx| {
        let undone = tx.undo_import(campaign_id, import_id)?;
        if matches!(undone, Undo::Undone) {
            tx.note(&deed)?;
        }
        Ok::<_, ApiError>(undone)
    });
    match undone.await? {
        Undo::Undone => {
            while db.write(|tx| Ok::<_, ApiError>(tx.remove_undone()?)).await? {}
            Answer::ok(&View::of(&found(db, id, &import_id.to_string()).await?))
        }
        Undo::NotFound => Err(ApiError::NoSuchImport),
        Undo::Running => Err(ApiError::Conflict {
            code: "in_progress",
            message: "This import has not ended; undo it once it has".into(),
        }),
        Undo::Dialed => {
            let dialed =
                db.read(move |snapshot| Ok::<_, ApiError>(snapshot.dialed_of_import(import_id)?)).await?;
            let message = format!(
                "{dialed} of the {} leads of this import were dialed, so it stays. Take the others out of the queue with \
                 PATCH /api/voice-campaigns/{campaign_id}/leads?import_id={import_id} {{\"status\": \"canceled\"}}",
                import.counts.imported
            );
            Err(ApiError::Conflict { code: "dialed", message })
        }
    }
}

/// How far an import is.
pub(super) fn progress(import: &Import) -> Value {
    let Counts { imported, updated, skipped, rejected } = import.counts;
    json!({
        "id": import.id,
        "campaign_id": import.campaign_id,
        "state": import.state,
        "rows_total": import.rows_total,
        "rows_done": imported + updated + skipped + rejected,
        "imported": imported,
        "updated": updated,
        "skipped": skipped,
        "rejected": rejected,
        "error": import.error,
        "finished_at": import.finished_at.map(format_instant),
    })
}

/// An import, with its fields in the documented order.
#[derive(Serialize, ToSchema)]
#[schema(as = Import)]
pub(super) struct View<'a> {
    /// Never reused; null of a dry run.
    id: Option<i64>,
    /// The campaign it belongs to.
    #[schema(minimum = 1)]
    campaign_id: i64,
    /// Where it is on its way.
    state: ImportState,
    /// Whether it only reports what would become of the rows.
    #[serde(rename = "dry_run")]
    is_dry: bool,
    /// What was sent.
    format: Format,
    /// What the file was called.
    file_name: Option<&'a str>,
    /// What became of rows whose number the campaign had already.
    on_duplicate: OnDuplicate,
    /// Country of numbers written without one; `international` where all began with their country code.
    default_country: Option<&'a str>,
    /// Name of the token that sent it.
    made_by: &'a str,
    /// Rows there are; null until they are counted.
    #[schema(minimum = 0)]
    rows_total: Option<i64>,
    /// Rows that have found their fate.
    #[schema(minimum = 0)]
    rows_done: i64,
    /// Rows that are new leads.
    #[schema(minimum = 0)]
    imported: i64,
    /// Rows that changed a lead.
    #[schema(minimum = 0)]
    updated: i64,
    /// Rows left out although nothing is wrong with them.
    #[schema(minimum = 0)]
    skipped: i64,
    /// Rows with something wrong.
    #[schema(minimum = 0)]
    rejected: i64,
    /// Why rows did not come in.
    #[schema(value_type = Vec<schemas::RowsLeftOut>)]
    reasons: Value,
    /// What a reader should know of rows that came in.
    #[schema(value_type = Vec<schemas::ImportWarning>)]
    warnings: Value,
    /// How the file was read; null until it was.
    #[schema(value_type = Option<schemas::FileRead>)]
    file: Value,
    /// What its columns are.
    #[schema(value_type = Vec<schemas::ColumnRead>)]
    columns: Value,
    /// Why it failed.
    error: Option<&'a str>,
    /// When it began.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ended.
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    /// Of a dry run: the rows that would not come in, as CSV with the reasons.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped_csv: Option<String>,
}

impl View<'_> {
    fn of(import: &Import) -> View<'_> {
        let counts = import.counts;
        let detail = |name: &str, default: Value| import.details.get(name).cloned().unwrap_or(default);
        View {
            id: Some(import.id),
            campaign_id: import.campaign_id,
            state: import.state,
            is_dry: false,
            format: import.format,
            file_name: import.file_name.as_deref(),
            on_duplicate: import.on_duplicate,
            default_country: import.default_country.as_deref(),
            made_by: &import.made_by,
            rows_total: import.rows_total,
            rows_done: counts.total(),
            imported: counts.imported,
            updated: counts.updated,
            skipped: counts.skipped,
            rejected: counts.rejected,
            reasons: detail("reasons", json!([])),
            warnings: detail("warnings", json!([])),
            file: detail("file", Value::Null),
            columns: detail("columns", json!([])),
            error: import.error.as_deref(),
            created_at: format_instant(import.created_at),
            finished_at: import.finished_at.map(format_instant),
            skipped_csv: None,
        }
    }
}
