//! `DELETE /api/people/{number}`: a person is forgotten, and not called again.

use super::Settings;
use super::answer::Answer;
use super::auth::AdminScope;
use super::do_not_call;
use super::error::ApiError;
use super::openapi::{parameters, schemas};
use super::query::Query;
use crate::store::pool::Db;
use crate::store::{Erasure, Traces};
use rocket::{Route, State, delete, routes};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![erase]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(erase))]
pub(super) struct Reference;

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
    let phone = do_not_call::number_in_path(number, settings).map_err(|error| match error {
        ApiError::NotListed => ApiError::NoSuchPerson,
        other => other,
    })?;
    let conflict = |code, message: &str| Err(ApiError::Conflict { code, message: message.into() });
    // In a transaction of its own: whatever becomes of it, the number is suppressed from here on.
    let deed = caller.0;
    db.write(move |tx| tx.note(&deed)).await?;
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
