//! The settings in force, for whoever runs the server. They are changed where it is started, not here.

use super::Settings;
use super::answer::Answer;
use super::auth::AdminScope;
use super::error::ApiError;
use super::openapi::schemas;
use super::query::Query;
use crate::domain::schedule::format_instant;
use crate::store::pool::Db;
use rocket::{Route, State, get, routes};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(show))]
pub(super) struct Reference;

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

/// Shows the settings in force.
///
/// What they mean and where they come from. They are changed where the server is started, not here.
#[utoipa::path(
    get,
    path = "/settings",
    operation_id = "show_settings",
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 200, body = View, description = "The settings."))
)]
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

/// The server and its settings.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerSettings)]
struct View {
    /// The version of the program.
    version: &'static str,
    /// Where the data is.
    data_dir: String,
    /// The version of the database.
    schema_version: i64,
    /// When the server started.
    #[schema(format = DateTime)]
    started_at: String,
    /// Size of the database.
    #[schema(minimum = 0)]
    database_bytes: i64,
    /// The settings.
    #[schema(value_type = Vec<schemas::Setting>)]
    settings: Vec<Setting>,
}
