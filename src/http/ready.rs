//! `GET /ready`: can the server do its work? For a supervisor or a load balancer, which sends nobody here while it cannot.

use super::answer::Answer;
use super::auth::Gatekeeper;
use super::error::ApiError;
use crate::domain::fields::Words;
use crate::store::pool::Db;
use crate::store::{Store, StoreError, Worker};
use chrono::TimeDelta;
use rocket::http::Status;
use rocket::tokio::sync::Mutex;
use rocket::{Route, State, get, routes};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// The route.
pub(super) fn routes() -> Vec<Route> {
    routes![ready]
}

/// How long the database may take.
const PATIENCE: TimeDelta = TimeDelta::seconds(2);
/// Whoever asks again within this time gets the same answer about the database, so that asking costs nothing.
const KEPT: Duration = Duration::from_secs(1);

/// What was found when the database was last tried, and when.
pub(super) struct Probe(Mutex<Option<(Duration, Result<(), StoreError>)>>);

impl Probe {
    /// Nothing was tried yet.
    pub(super) fn new() -> Probe {
        Probe(Mutex::new(None))
    }

    async fn database(&self, store: &Store, now: Duration) -> Result<(), StoreError> {
        let mut last = self.0.lock().await;
        match &*last {
            Some((at, found)) if now.saturating_sub(*at) < KEPT => found.clone(),
            _ => {
                let found = store.try_to_write(PATIENCE).await;
                *last = Some((now, found.clone()));
                found
            }
        }
    }
}

/// Says whether the server can do its work.
///
/// The database takes what is written, dialer, webhooks and housekeeping go round, the clock is trusted, and the server is
/// not about to stop. Needs no token.
#[utoipa::path(
    get,
    path = "/ready",
    operation_id = "ready",
    security(()),
    responses((status = 200, body = Readiness, description = "It can."),
        (status = 503, body = Readiness, description = "It cannot; `checks` says why.", headers(("Retry-After" = u32))))
)]
#[get("/ready")]
pub(super) async fn ready(
    gatekeeper: &State<Gatekeeper>,
    probe: &State<Probe>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let now = gatekeeper.clock().monotonic();
    let database = match probe.database(db, now).await {
        Ok(()) => Check::good("database"),
        Err(error) => {
            tracing::warn!(%error, "not ready: the database does not take what is written");
            let why = match error {
                StoreError::Full => "the disk is full",
                StoreError::ReadOnly => "it cannot be written to",
                StoreError::Unavailable(_) => "it takes too long, or its file cannot be used",
                StoreError::Closed => "it is closed",
                StoreError::Failed(_) => "it failed; the log says more",
            };
            Check::bad("database", why)
        }
    };
    let mut checks = vec![database];
    checks.extend(Worker::all().iter().map(|worker| alive(db, *worker)));
    checks.push(match db.is_clock_trusted() {
        true => Check::good("clock"),
        false => Check::bad("clock", "it was set back or jumped, so nothing is dialed"),
    });
    checks.push(match db.is_stopping() {
        true => Check::bad("server", "it is about to stop"),
        false => Check::good("server"),
    });
    let first = checks
        .iter()
        .find(|check| !check.ok)
        .map(|check| format!("Not ready: {}: {}", check.name, check.message.as_deref().unwrap_or_default()));
    let is_ready = first.is_none();
    let body = Readiness {
        status: if is_ready { "ready" } else { "not_ready" },
        error: first,
        code: (!is_ready).then_some("not_ready"),
        checks,
    };
    let status = if is_ready { Status::Ok } else { Status::ServiceUnavailable };
    let answer = Answer::text(status, serde_json::to_string(&body)?).with("Cache-Control", "no-store");
    Ok(if is_ready { answer } else { answer.with("Retry-After", 5) })
}

fn alive(store: &Store, worker: Worker) -> Check {
    match store.since_beat(worker) {
        None if store.is_fallen(worker) => Check::bad(worker.word(), "it failed, and starts again"),
        None => Check::bad(worker.word(), "it has not begun"),
        Some(since) if since > worker.patience() => {
            Check::bad(worker.word(), &format!("it has not gone round for {} seconds", since.as_secs()))
        }
        Some(_) => Check::good(worker.word()),
    }
}

/// Whether the server can do its work.
#[derive(Serialize, ToSchema)]
pub(super) struct Readiness {
    /// `ready` or `not_ready`.
    status: &'static str,
    /// What is wrong, in a sentence.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// `not_ready`, where something is wrong.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// What was looked at.
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Serialize, ToSchema)]
#[schema(as = ReadinessCheck)]
struct Check {
    /// `database`, `dialer`, `webhooks`, `housekeeping`, `clock` or `server`.
    name: &'static str,
    /// Whether it is well.
    ok: bool,
    /// What is wrong with it.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl Check {
    fn good(name: &'static str) -> Check {
        Check { name, ok: true, message: None }
    }

    fn bad(name: &'static str, message: &str) -> Check {
        Check { name, ok: false, message: Some(message.to_owned()) }
    }
}
