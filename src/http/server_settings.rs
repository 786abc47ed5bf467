//! The settings in force, for whoever runs the server. They are changed where it is started, not here.

use super::Settings;
use super::answer::Answer;
use super::auth::AdminScope;
use super::error::ApiError;
use super::query::Query;
use crate::domain::schedule::format_instant;
use crate::store::pool::Db;
use rocket::{Route, State, get, routes};
use serde::Serialize;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show]
}

/// One setting as it is in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// Name, with dots.
    pub key: String,
    /// Name in the environment.
    pub environment: String,
    /// Value; of a secret only that it is set.
    pub value: serde_json::Value,
    /// Value when nothing else is said.
    pub default: serde_json::Value,
    /// `default`, `file`, `environment` or `flag`.
    pub source: &'static str,
    /// What it means.
    pub description: String,
}

#[get("/settings")]
async fn show(
    _caller: AdminScope,
    mut query: Query,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let settings = settings.inner().clone();
    let data_dir = db.folder().display().to_string();
    db.read(move |snapshot| {
        let file = snapshot.file()?;
        Answer::ok(&View {
            version: env!("CARGO_PKG_VERSION"),
            data_dir,
            schema_version: file.schema_version,
            started_at: format_instant(settings.started_at),
            database_bytes: file.bytes,
            settings: settings.in_force,
        })
    })
    .await
}

#[derive(Serialize)]
struct View {
    version: &'static str,
    data_dir: String,
    schema_version: i64,
    started_at: String,
    database_bytes: i64,
    settings: Vec<Setting>,
}
