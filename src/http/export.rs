//! Leads and calls as tables for a spreadsheet. The table is complete before the first byte of it is sent: whatever
//! fails is told as an error, and an answer that breaks off is shorter than its `Content-Length`.

use super::auth::ReadScope;
use super::error::ApiError;
use super::openapi::parameters;
use super::query::{self, Query};
use super::sheet::{Cells, Download, Sheet};
use super::{Settings, calls, campaigns, leads};
use crate::domain::Instant;
use crate::domain::invalid::Invalid;
use crate::domain::lead;
use crate::domain::schedule::format_instant;
use crate::domain::script;
use crate::domain::spreadsheet::Format;
use crate::store::pool::Db;
use crate::store::{CallFilter, CallRow, LeadFilter, LeadRow, Pages};
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome};
use rocket::tokio::fs::File;
use rocket::tokio::select;
use rocket::tokio::sync::Semaphore;
use rocket::{Request, Route, Shutdown, get, routes};
use rocket_db_pools::Database;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Display;
use std::path::PathBuf;
use utoipa::OpenApi;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![leads_of_campaign, calls_of_campaign, all_calls]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(leads_of_campaign, calls_of_campaign, all_calls))]
pub(super) struct Reference;

/// Tables that are made at one time; others wait.
const AT_ONCE: usize = 2;
/// Rows read at a time.
const PAGE: usize = 1_000;
/// Columns of variables at most; a table with more is no table.
const VARIABLES_MAX: usize = 1_000;

/// Lets a few exports in.
pub(super) struct Exports(Semaphore);

impl Exports {
    /// With nobody inside.
    pub(super) fn new() -> Exports {
        Exports(Semaphore::new(AT_ONCE))
    }
}

/// Exports the leads of a campaign as a table.
///
/// Every variable has a column of its own. Texts that a spreadsheet would run as formulas are defused. The
/// table can be imported again as it is.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/leads/export",
    operation_id = "export_leads",
    params(parameters::CampaignId, parameters::LeadFilter, parameters::TableFormat),
    responses((
            status = 200,
            description = "The table, complete.",
            content((String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")),
            headers(("Content-Disposition" = String))
        ))
)]
#[get("/voice-campaigns/<id>/leads/export")]
async fn leads_of_campaign(
    _caller: ReadScope,
    id: &str,
    mut query: Query,
    exporter: Exporter<'_>,
) -> Result<Download, ApiError> {
    let (wanted, filter) = (Wanted::read(&mut query), leads::filter(&mut query));
    query.finish()?;
    let campaign_id = exporter.campaign(id).await?;
    let filter = LeadFilter { campaign_id, limit: PAGE, ..filter };
    exporter
        .make(wanted, format!("leads-{campaign_id}"), |pages, sheet| write_leads(pages, sheet, filter))
        .await
}

/// Exports the calls of a campaign as a table.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/calls/export",
    operation_id = "export_calls_of_campaign",
    params(parameters::CampaignId, parameters::CallFilter, parameters::TableFormat),
    responses((
            status = 200,
            description = "The table, complete.",
            content((String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")),
            headers(("Content-Disposition" = String))
        ))
)]
#[get("/voice-campaigns/<id>/calls/export")]
async fn calls_of_campaign(
    _caller: ReadScope,
    id: &str,
    mut query: Query,
    exporter: Exporter<'_>,
) -> Result<Download, ApiError> {
    let (wanted, filter) = (Wanted::read(&mut query), calls::wanted(&mut query));
    query.finish()?;
    let campaign_id = exporter.campaign(id).await?;
    let filter = CallFilter { campaign_id: Some(campaign_id), limit: PAGE, ..filter };
    exporter
        .make(wanted, format!("calls-{campaign_id}"), |pages, sheet| write_calls(pages, sheet, filter))
        .await
}

/// Exports the calls of all campaigns as a table.
#[utoipa::path(
    get,
    path = "/calls/export",
    operation_id = "export_calls",
    params(parameters::OfCampaign, parameters::CallFilter, parameters::TableFormat),
    responses((
            status = 200,
            description = "The table, complete.",
            content((String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")),
            headers(("Content-Disposition" = String))
        ))
)]
#[get("/calls/export")]
async fn all_calls(
    _caller: ReadScope,
    mut query: Query,
    exporter: Exporter<'_>,
) -> Result<Download, ApiError> {
    let (wanted, filter) = (Wanted::read(&mut query), calls::wanted(&mut query));
    let filter = CallFilter { campaign_id: query.take("campaign_id", query::id), limit: PAGE, ..filter };
    query.finish()?;
    exporter.make(wanted, "calls".to_owned(), |pages, sheet| write_calls(pages, sheet, filter)).await
}

/// Which kind of table.
#[derive(Clone, Copy)]
struct Wanted {
    format: Format,
    has_mark: bool,
}

impl Wanted {
    fn read(query: &mut Query) -> Wanted {
        let format = query.take("format", query::word).unwrap_or(Format::Csv);
        let bom = |text: &str| match (query::flag(text)?, format) {
            (true, Format::Xlsx) => Err("is for `format=csv` only; leave it out".to_owned()),
            (has_mark, _) => Ok(has_mark),
        };
        Wanted { format, has_mark: query.take("bom", bom).unwrap_or(false) }
    }
}

/// What it takes to make a table.
struct Exporter<'r> {
    db: &'r Db,
    places: &'r Semaphore,
    folder: PathBuf,
    shutdown: Shutdown,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Exporter<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Exporter<'r>, ()> {
        let rocket = request.rocket();
        match (Db::fetch(rocket), rocket.state::<Exports>(), rocket.state::<Settings>()) {
            (Some(db), Some(Exports(places)), Some(settings)) => Outcome::Success(Exporter {
                db,
                places,
                folder: settings.spool_dir.clone(),
                shutdown: rocket.shutdown(),
            }),
            _ => Outcome::Error((Status::ServiceUnavailable, ())),
        }
    }
}

impl Exporter<'_> {
    /// The id of the campaign that a path names.
    async fn campaign(&self, id: &str) -> Result<i64, ApiError> {
        let id = id.to_owned();
        self.db.read(move |snapshot| Ok(campaigns::existing(snapshot, &id)?.id)).await
    }

    /// Makes a table, unless the server stops meanwhile.
    async fn make(
        self,
        wanted: Wanted,
        name: String,
        write: impl FnOnce(&Pages, &mut Sheet) -> Result<(), ApiError> + Send + 'static,
    ) -> Result<Download, ApiError> {
        let Exporter { db, places, folder, shutdown } = self;
        let stopped = || ApiError::Unavailable { cause: "the server stops".into() };
        let _place = places.acquire().await.map_err(|_| stopped())?;
        let made = db.look_through(move |pages| {
            let mut sheet = Sheet::create(wanted.format, wanted.has_mark, &folder)?;
            write(pages, &mut sheet)?;
            sheet.finish()
        });
        let (file, length) = select! {
            made = made => made?,
            () = shutdown => return Err(stopped()),
        };
        Ok(Download { file: File::from_std(file), length, format: wanted.format, name })
    }
}

/// Leads: first what can be imported again, then what the server knows.
fn write_leads(pages: &Pages, sheet: &mut Sheet, mut filter: LeadFilter) -> Result<(), ApiError> {
    // Those that come meanwhile may have variables without a column.
    let newest = pages.read(|snapshot| snapshot.newest_lead(filter.campaign_id))?;
    let variables = variable_columns(pages, filter.clone())?;
    sheet.row(|cells| {
        lead::COLUMNS.iter().for_each(|name| cells.plain(name));
        variables.titles.iter().for_each(|title| cells.text(title));
        lead::EXPORTED.iter().for_each(|name| cells.plain(name));
    })?;
    let mut values: Vec<Option<Value>> = Vec::new();
    loop {
        let next = pages.read::<_, ApiError>(|snapshot| {
            snapshot.each_lead_row(&filter, |mut lead| {
                if lead.id > newest {
                    return Ok(());
                }
                values.clear();
                values.resize(variables.titles.len(), None);
                for (name, value) in std::mem::take(&mut lead.variables) {
                    if let Some(column) = variables.column(&name) {
                        values[column] = Some(value);
                    }
                }
                sheet.row(|cells| lead_cells(cells, &lead, &values))
            })
        })?;
        match next {
            Some(last) if last < newest => filter.after = Some(last),
            _ => return Ok(()),
        }
    }
}

fn lead_cells(cells: &mut Cells, lead: &LeadRow, values: &[Option<Value>]) {
    optional(cells, lead.phone);
    for text in [lead.first_name, lead.last_name, lead.email, lead.company_name] {
        cells.text(text.unwrap_or_default());
    }
    optional(cells, lead.time_zone);
    optional(cells, lead.language);
    cells.plain(lead.priority);
    optional(cells, lead.best_time_to_call);
    cells.text(lead.notes.unwrap_or_default());
    cells.text(&lead.tags.join(";"));
    for value in values {
        match value {
            None | Some(Value::Null) => cells.empty(),
            Some(Value::String(text)) => cells.text(text),
            Some(other) => cells.text(&other.to_string()),
        }
    }
    cells.plain(lead.id);
    cells.plain(lead.status);
    optional(cells, lead.outcome);
    cells.plain(lead.attempts);
    instant(cells, lead.next_call_at);
    optional(cells, lead.import_id);
    instant(cells, Some(lead.created_at));
    instant(cells, Some(lead.updated_at));
}

/// The columns of variables, each under the name that came first.
#[derive(Default)]
struct VariableColumns {
    titles: Vec<String>,
    /// By name, and by comparison form.
    positions: HashMap<String, usize>,
}

impl VariableColumns {
    fn column(&self, name: &str) -> Option<usize> {
        self.positions.get(name).copied()
    }

    fn add(&mut self, name: &str) {
        if self.positions.contains_key(name) {
            return;
        }
        let normal = script::normal_name(name);
        let position = match self.positions.get(&normal) {
            Some(position) => *position,
            None => {
                self.titles.push(lead::variable_title(name));
                self.titles.len() - 1
            }
        };
        self.positions.insert(normal, position);
        self.positions.insert(name.to_owned(), position);
    }
}

/// Looks through all leads for the names of their variables.
fn variable_columns(pages: &Pages, mut filter: LeadFilter) -> Result<VariableColumns, ApiError> {
    let mut columns = VariableColumns::default();
    loop {
        let next =
            pages.read(|snapshot| snapshot.each_variable_name(&filter, &mut |name| columns.add(name)))?;
        if columns.titles.len() > VARIABLES_MAX {
            let message = format!(
                "the leads have more than {VARIABLES_MAX} different variables; export fewer at a time"
            );
            return Err(Invalid::one("import_id", message).into());
        }
        match next {
            Some(last) => filter.after = Some(last),
            None => return Ok(columns),
        }
    }
}

fn write_calls(pages: &Pages, sheet: &mut Sheet, mut filter: CallFilter) -> Result<(), ApiError> {
    const TITLES: [&str; 19] = [
        "id",
        "campaign_id",
        "lead_id",
        "attempt",
        "phone",
        "carrier",
        "state",
        "outcome",
        "successful",
        "detail",
        "placed_at",
        "answered_at",
        "ended_at",
        "seconds",
        "cost",
        "recording_seconds",
        "conclusion",
        "answers",
        "call_back_at",
    ];
    sheet.row(|cells| TITLES.iter().for_each(|title| cells.plain(title)))?;
    filter = pages.read::<_, ApiError>(|snapshot| Ok(snapshot.within_ids(filter)?))?;
    loop {
        let next = pages.read::<_, ApiError>(|snapshot| {
            snapshot.each_call_row(&filter, |call| sheet.row(|cells| call_cells(cells, &call)))
        })?;
        match next {
            Some(last) => filter.before = Some(last),
            None => return Ok(()),
        }
    }
}

fn call_cells(cells: &mut Cells, call: &CallRow) {
    for number in [call.id, call.campaign_id, call.lead_id, call.attempt] {
        cells.plain(number);
    }
    optional(cells, call.phone);
    cells.text(call.carrier);
    cells.plain(call.state);
    optional(cells, call.outcome);
    optional(cells, call.successful);
    cells.text(call.detail.unwrap_or_default());
    for at in [Some(call.placed_at), call.answered_at, call.ended_at] {
        instant(cells, at);
    }
    optional(cells, call.ended_at.map(|ended_at| calls::talked_seconds(call.answered_at, ended_at)));
    cells.plain(call.cost);
    optional(cells, call.recording_ms.map(|ms| ms as f64 / 1_000.0));
    optional(cells, call.conclusion);
    cells.text(call.answers.filter(|answers| !["null", "{}"].contains(answers)).unwrap_or_default());
    instant(cells, call.call_back_at);
}

fn optional(cells: &mut Cells, value: Option<impl Display>) {
    match value {
        Some(value) => cells.plain(value),
        None => cells.empty(),
    }
}

fn instant(cells: &mut Cells, at: Option<Instant>) {
    optional(cells, at.map(format_instant));
}
