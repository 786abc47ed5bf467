//! Leads on their way in: one by one, as an array or as a table.

use super::answer::Answer;
use super::auth::WriteScope;
use super::body::{self, BodyHead, Json, Kind, LEADS_JSON_MAX, LargeBodies};
use super::error::ApiError;
use super::idempotency::{Once, Repeatable};
use super::query::{self, Query};
use super::{Settings, campaigns, leads};
use crate::domain::campaign::Campaign;
use crate::domain::fields;
use crate::domain::invalid::{Invalid, Problem};
use crate::domain::lead::NewLead;
use crate::store::import::{self, ImportOptions, ImportReport};
use crate::store::pool::Db;
use crate::store::{Inserted, Tx};
use rocket::http::Status;
use rocket::{Data, Route, State, post, routes};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![add]
}

/// Leads in one array at most.
const ARRAY_MAX: usize = 10_000;
/// Refused rows told one by one.
const REJECTIONS_MAX: usize = 1_000;

#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[post("/voice-campaigns/<id>/leads", data = "<data>")]
async fn add(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    data: Data<'_>,
    settings: &State<Settings>,
    large: &State<LargeBodies>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let target = match target(db, id.to_owned(), &mut query, head.is_csv(), settings).await {
        Err(error) if !repeatable.has_key() => {
            body::discard(data).await;
            return Err(error);
        }
        target => target,
    };
    if head.is_csv() {
        let spool = head.spool(data, settings.csv_limit_bytes, &settings.spool_dir).await?;
        let once = repeatable.once(caller.0, spool.hash)?;
        if let Some(answer) = once.first_answer(db).await? {
            return Ok(answer);
        }
        let (options, campaign) = target?;
        return add_table(db, campaign.id, &spool.path, options, once).await;
    }
    let mut body = head.large_json(data, LEADS_JSON_MAX, large).await?;
    let _place = body.place();
    let once = repeatable.once(caller.0, body.hash)?;
    if let Some(answer) = once.first_answer(db).await? {
        return Ok(answer);
    }
    let (options, campaign) = target?;
    let batch = body::aside(move || Batch::read(&body, options)).await?;
    db.write(move |tx| {
        once.run(tx, |tx| {
            let campaign = tx.campaign(campaign.id)?.ok_or(ApiError::NoSuchCampaign)?;
            match batch {
                Batch::One(lead) => add_one(tx, &campaign, &lead),
                Batch::Many { leads, rejected_count, rejected } => {
                    let Inserted { imported, duplicates, .. } = tx.insert_leads(campaign.id, &leads)?;
                    report(&Report { imported, duplicates, rejected_count, rejected })
                }
            }
        })
    })
    .await
}

/// Everything that can be refused before the body is read.
async fn target(
    db: &Db,
    id: String,
    query: &mut Query,
    is_table: bool,
    settings: &Settings,
) -> Result<(ImportOptions, Campaign), ApiError> {
    let options = import_options(query, is_table)?;
    let options = ImportOptions { country: options.country.or(settings.default_country), ..options };
    let campaign = db.read(move |snapshot| campaigns::existing(snapshot, &id)).await?;
    Ok((options, campaign))
}

/// Of a table the good rows are taken and the bad ones reported, of an array all or nothing, unless `partial` says
/// otherwise.
fn import_options(query: &mut Query, is_table: bool) -> Result<ImportOptions, Invalid> {
    let country = query.take("default_country", query::country);
    let partial = query.take("partial", query::flag).unwrap_or(is_table);
    query.finish()?;
    Ok(ImportOptions { country, partial })
}

/// The leads of a JSON body.
enum Batch {
    One(Box<NewLead>),
    Many { leads: Vec<NewLead>, rejected_count: i64, rejected: Vec<Rejected> },
}

impl Batch {
    /// Reads lead by lead, so that what is left out is never in memory together.
    fn read(body: &Json, options: ImportOptions) -> Result<Batch, ApiError> {
        let mut count = 0;
        let mut leads = Vec::new();
        let (mut problems, mut rejected, mut rejected_count) = (Vec::new(), Vec::new(), 0);
        // What a body that is no array holds; its problems are told without a position.
        let mut alone = None;
        let kind = body.each(&mut |item| {
            let position = count;
            count += 1;
            if count > ARRAY_MAX {
                return false;
            }
            let is_told = options.partial && rejected.len() < REJECTIONS_MAX;
            let sent = is_told.then(|| item.clone());
            match NewLead::read(item, options.country) {
                Ok(lead) => leads.push(lead),
                Err(invalid) => {
                    rejected_count += 1;
                    rejected.extend(sent.and_then(|item| first_rejection(position, &invalid, &item)));
                    if !options.partial {
                        problems.extend(invalid.0.iter().cloned().map(|problem| within(position, problem)));
                    }
                    alone.get_or_insert(invalid);
                }
            }
            // Nothing of the array will be taken, and nobody reads more.
            problems.len() < REJECTIONS_MAX
        })?;
        match (kind, alone) {
            (Kind::One, Some(invalid)) => Err(invalid.into()),
            (Kind::One, None) => match leads.pop() {
                Some(lead) => Ok(Batch::One(Box::new(lead))),
                None => Err(Invalid::one("body", "is empty").into()),
            },
            (Kind::Array, _) if count > ARRAY_MAX => {
                let message = format!("must have at most {ARRAY_MAX} items; send more as text/csv");
                Err(Invalid::one("body", message).into())
            }
            (Kind::Array, _) if !problems.is_empty() => Err(Invalid(problems).into()),
            (Kind::Array, _) => Ok(Batch::Many { leads, rejected_count, rejected }),
        }
    }
}

fn add_one(tx: &Tx, campaign: &Campaign, lead: &NewLead) -> Result<Answer, ApiError> {
    match tx.insert_leads(campaign.id, std::slice::from_ref(lead))?.ids.as_slice() {
        [id] => {
            let lead = tx.lead(*id)?.ok_or(ApiError::NoSuchLead)?;
            let (body, tag) = leads::shown(tx, &lead)?;
            let answer = Answer::text(Status::Created, body).with("Location", format!("/api/leads/{id}"));
            Ok(answer.with("ETag", tag))
        }
        _ => {
            let known = tx.lead_with_phone(campaign.id, lead.phone)?.map_or(0, |lead| lead.id);
            Err(leads::duplicate(lead.phone, known))
        }
    }
}

fn within(position: usize, problem: Problem) -> Problem {
    let field = if problem.field == "body" { String::new() } else { format!(".{}", problem.field) };
    Problem { field: format!("leads[{position}]{field}"), message: problem.message }
}

fn first_rejection(position: usize, invalid: &Invalid, item: &Value) -> Option<Rejected> {
    let problem = invalid.0.first()?;
    let value = item.get(&problem.field).map(|value| match value {
        Value::String(text) => fields::excerpt(text),
        other => fields::excerpt(&other.to_string()),
    });
    Some(Rejected {
        row: position as u64 + 1,
        field: problem.field.clone(),
        value: value.unwrap_or_default(),
        reason: problem.message.clone(),
    })
}

/// A table may be larger than memory and goes into the store in many transactions, so its answer is
/// remembered after it. Rows that are in the campaign already are skipped, so even a repetition that comes
/// between the two adds nobody twice.
async fn add_table(
    db: &Db,
    campaign_id: i64,
    table: &Path,
    options: ImportOptions,
    once: Once,
) -> Result<Answer, ApiError> {
    let ImportReport { imported, duplicates, rejected, rejections } =
        import::import(db, campaign_id, table, options).await?;
    let told = rejections.into_iter().map(|rejection| Rejected {
        row: rejection.row,
        field: rejection.field,
        value: rejection.value,
        reason: rejection.message,
    });
    let report = Report { imported, duplicates, rejected_count: rejected, rejected: told.collect() };
    db.write(move |tx| once.run(tx, |_| self::report(&report))).await
}

fn report(report: &Report) -> Result<Answer, ApiError> {
    let status = if report.imported > 0 { Status::Created } else { Status::Ok };
    Ok(Answer::text(status, serde_json::to_string(report)?))
}

/// What became of many leads.
#[derive(Serialize)]
struct Report {
    imported: i64,
    duplicates: i64,
    rejected_count: i64,
    rejected: Vec<Rejected>,
}

/// A row that was not taken: its number as a spreadsheet counts (in an array from 1), and its first problem.
#[derive(Serialize)]
struct Rejected {
    row: u64,
    field: String,
    value: String,
    reason: String,
}
