//! `/api/people/{number}`: what is kept of a person is shown to whoever answers for it (GDPR, article 15), or is forgotten
//! (article 17), and the person not called again.

use super::Settings;
use super::answer::Answer;
use super::auth::AdminScope;
use super::error::ApiError;
use super::openapi::{parameters, schemas};
use super::query::Query;
use super::{calls, do_not_call, leads, other_calls};
use crate::domain::phone::Phone;
use crate::store::pool::Db;
use crate::store::{Erasure, Traces};
use rocket::{Route, State, delete, get, routes};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show, erase]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(show, erase))]
pub(super) struct Reference;

/// Calls of one kind that are shown, at most.
const CALLS_MAX: usize = 1_000;

/// Shows what is kept of a person.
///
/// Every lead with the number and every call to it or from it, also those of campaigns that were deleted and are not removed
/// yet, with what was said; and how the number came onto the do-not-call list. Of each kind of calls the newest 1,000.
#[utoipa::path(
    get,
    path = "/people/{number}",
    operation_id = "show_person",
    params(parameters::Number),
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 200, body = Known, description = "What is kept; nothing of somebody unknown."))
)]
#[get("/people/<number>")]
async fn show(
    _caller: AdminScope,
    number: &str,
    mut query: Query,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let phone = number_in_path(number, settings)?;
    db.read_long(move |snapshot| {
        let person = snapshot.person(phone, CALLS_MAX)?;
        let leads = person.leads.iter().map(|lead| leads::view_of(snapshot, lead));
        let calls = person.calls.iter().map(|(call, names)| calls::WholeView::of(snapshot, call, names));
        let other_calls = person.other_calls.iter().map(|call| other_calls::WholeView::of(snapshot, call));
        Answer::ok(&Known {
            phone: phone.to_string(),
            leads: leads.collect::<Result<_, _>>()?,
            calls: calls.collect::<Result<_, _>>()?,
            other_calls: other_calls.collect::<Result<_, _>>()?,
            do_not_call: do_not_call::details(snapshot, phone)?,
        })
    })
    .await
}

fn number_in_path(number: &str, settings: &Settings) -> Result<Phone, ApiError> {
    do_not_call::number_in_path(number, settings).map_err(|error| match error {
        ApiError::NotListed => ApiError::NoSuchPerson,
        other => other,
    })
}

/// Erases a person.
///
/// Leads, calls, events, list entries, reports, files of skipped rows, remembered answers and the
/// simulator's ledger forget the number and the names beside it. Counters stay, and a hash of the number, so
/// that nobody calls it when it is imported again.
#[utoipa::path(
    delete,
    path = "/people/{number}",
    operation_id = "erase_person",
    params(parameters::Number),
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 200, body = Forgotten, description = "What was erased."),
        (
            status = 409,
            description = "- `in_progress`: A call to this number is being ended, and nobody calls it again; ask again in a few seconds to erase it
- `import_running`: Nobody calls this number again, but a file is being imported that may have it in it; ask again when that is done"
        ))
)]
#[delete("/people/<number>")]
async fn erase(
    caller: AdminScope,
    number: &str,
    mut query: Query,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let phone = number_in_path(number, settings)?;
    let conflict = |code, message: &str| Err(ApiError::Conflict { code, message: message.into() });
    // In a transaction of its own: whatever becomes of it, the number is suppressed from here on.
    let deed = caller.0;
    db.write_on_a_full_disk(move |tx| tx.note(&deed)).await?;
    match db.erase(phone).await? {
        Erasure::Erased(erased) => Answer::ok(&Forgotten { erased, suppressed: true }),
        Erasure::InCall => conflict(
            "in_progress",
            "A call to this number is being ended, and nobody calls it again; ask again in a few seconds to erase it",
        ),
        Erasure::Importing => conflict(
            "import_running",
            "Nobody calls this number again, but a file is being imported that may have it in it; ask again when that is done",
        ),
    }
}

/// What is kept of a person.
#[derive(Serialize, ToSchema)]
#[schema(as = Person)]
struct Known<'a> {
    /// The number.
    phone: String,
    /// The leads, of all campaigns.
    leads: Vec<leads::View<'a>>,
    /// The calls of campaigns, newest first.
    calls: Vec<calls::WholeView<'a>>,
    /// Test calls, and calls that came in, newest first.
    other_calls: Vec<other_calls::WholeView<'a>>,
    /// How the number came onto the do-not-call list; null if it is not on it.
    do_not_call: Option<do_not_call::Details>,
}

/// What is gone, and that a hash keeps the number from being called.
#[derive(Serialize, ToSchema)]
#[schema(as = Erased)]
struct Forgotten {
    /// What was erased.
    #[schema(value_type = schemas::Traces)]
    erased: Traces,
    /// Whether a hash keeps the number from being called; always true.
    suppressed: bool,
}
