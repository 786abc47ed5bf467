//! `DELETE /api/people/{number}`: a person is forgotten, and not called again.

use super::Settings;
use super::answer::Answer;
use super::auth::AdminScope;
use super::do_not_call;
use super::error::ApiError;
use super::query::Query;
use crate::store::pool::Db;
use crate::store::{Erasure, Traces};
use rocket::{Route, State, delete, routes};
use serde::Serialize;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![erase]
}

#[delete("/people/<number>")]
async fn erase(
    _caller: AdminScope,
    number: &str,
    mut query: Query,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let phone = do_not_call::number_in_path(number, settings).map_err(|_| ApiError::NoSuchPerson)?;
    let conflict = |code, message: &str| Err(ApiError::Conflict { code, message: message.into() });
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
#[derive(Serialize)]
struct Forgotten {
    erased: Traces,
    suppressed: bool,
}
