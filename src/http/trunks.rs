//! Trunks: the ways to carriers. Those of the server's settings are shown; those in the database are added, changed, put
//! in order and removed here, and a change counts from the next call on.

use super::answer::Answer;
use super::auth::AdminScope;
use super::body::{Body, BodyHead, JSON_MAX};
use super::error::ApiError;
use super::etag::{IfMatch, IfNoneMatch, TextTag};
use super::idempotency::{Once, Repeatable};
use super::line::{Line, Step};
use super::openapi::{parameters, schemas};
use super::query::{self, Query};
use super::{Settings, Trunk as Health};
use crate::domain::fields;
use crate::domain::invalid::Invalid;
use crate::domain::schedule::format_instant;
use crate::domain::trunk::{Password, TRUNKS_MAX, Trunk, TrunkRequest, TrunkSettings};
use crate::store::pool::Db;
use crate::store::{Deed, Snapshot, Store, Tx};
use rocket::http::Status;
use rocket::tokio::sync::Semaphore;
use rocket::{Route, State, delete, get, patch, post, put, routes, tokio};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![list, show, create, update, replace, remove, test, test_new]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(list, show, create, update, replace, remove, test, test_new))]
pub(super) struct Reference;

/// Room for those who try trunks out: one at a time, so that nobody uses this server to knock at doors.
pub(super) struct Trials(Semaphore);

impl Trials {
    /// With nobody inside.
    pub(super) fn new() -> Trials {
        Trials(Semaphore::new(1))
    }
}

/// Lists the trunks in the order in which they are asked.
///
/// Those of the server's settings come first. Without any the simulator carries all calls, and no phone rings.
#[utoipa::path(
    get,
    path = "/trunks",
    operation_id = "list_trunks",
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 200, body = [View], description = "The trunks."))
)]
#[get("/trunks")]
async fn list(
    _caller: AdminScope,
    mut query: Query,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let (fixed, health) = (settings.line.fixed(), settings.line.trunks());
    db.read(move |snapshot| {
        let stored = snapshot.trunks()?;
        let fixed = fixed.iter().map(|trunk| View::new(&trunk.settings, trunk.has_password, &health));
        let stored = stored.iter().enumerate().map(|(index, trunk)| View::of(trunk, index + 1, &health));
        Answer::ok(&fixed.chain(stored).collect::<Vec<_>>())
    })
    .await
}

/// Shows a trunk that is in the database.
#[utoipa::path(
    get,
    path = "/trunks/{id}",
    operation_id = "show_trunk",
    params(parameters::TrunkId, parameters::IfNoneMatch),
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 200, body = View, description = "The trunk."))
)]
#[get("/trunks/<id>")]
async fn show(
    _caller: AdminScope,
    id: &str,
    mut query: Query,
    if_none_match: IfNoneMatch,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchTrunk)?;
    let health = settings.line.trunks();
    db.read(move |snapshot| {
        let (body, tag) = shown(snapshot, id, &health)?;
        Ok(if_none_match.answer(body, tag))
    })
    .await
}

fn existing(snapshot: &Snapshot, id: i64) -> Result<Trunk, ApiError> {
    snapshot.trunk(id)?.ok_or(ApiError::NoSuchTrunk)
}

/// The JSON of a trunk, and its tag.
fn shown(snapshot: &Snapshot, id: i64, health: &[Health]) -> Result<(String, TextTag), ApiError> {
    let all = snapshot.trunks()?;
    let found = all.iter().enumerate().find(|(_, trunk)| trunk.id == id);
    let (index, trunk) = found.ok_or(ApiError::NoSuchTrunk)?;
    let body = serde_json::to_string(&View::of(trunk, index + 1, health))?;
    let facts = serde_json::to_string(&View::of(trunk, index + 1, &[]))?;
    // A new password shows nowhere else.
    let tag = TextTag::of(&format!("{} {facts}", trunk.updated_at.timestamp_millis()), &body);
    Ok((body, tag))
}

/// Adds a trunk, which is asked after those there are.
///
/// It counts from the next call on. The first one makes phones ring: that wants `confirm`, and pauses all active campaigns
/// until a person sets them to active again. Its password is never shown.
#[utoipa::path(
    post,
    path = "/trunks",
    operation_id = "create_trunk",
    params(parameters::IdempotencyKey),
    request_body = schemas::NewTrunk,
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 201, body = View, description = "The trunk.", headers(("ETag" = String))),
        (status = 409, description = "- `confirm_real_calls`: This is the first trunk: from now on phones ring and people \
            answer, and every active campaign is paused until somebody sets it to active again. Say `confirm`: true if that is \
            wanted\n- `no_real_calls`: `guard.allowed_countries` must say where a trunk may call, such as [\"US\", \"CA\"]; or \
            set `default_country`\n- `conflict`: There are 20 trunks; delete one first"))
)]
#[post("/trunks", data = "<body>")]
async fn create(
    caller: AdminScope,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let body = head.json(body, JSON_MAX).await?;
    let once = repeatable.once(&caller.1, body.hash)?;
    if let Some(answer) = once.first_answer(db).await? {
        return Ok(answer);
    }
    let request = TrunkRequest::read(body.value().await?, None)?;
    let line = settings.line.clone();
    line.check(&request.settings, request.password.as_ref().unwrap_or(&Password::None))?;
    let fixed = fixed_names(&*line);
    let transport = Some(request.settings.transport.clone());
    let change = Change { deed: caller.0, once: Some(once), confirm: request.confirm, transport, line };
    change
        .make(db, move |tx| {
            let all = tx.trunks()?;
            if fixed.len() + all.len() >= TRUNKS_MAX {
                let message = format!("There are {TRUNKS_MAX} trunks; delete one first");
                return Err(ApiError::Conflict { code: "conflict", message });
            }
            is_free(&request.settings.name, None, &all, &fixed)?;
            let trunk = tx.insert_trunk(&request.settings, request.password.as_ref())?;
            if let Some(position) = request.position {
                tx.move_trunk(trunk.id, position)?;
            }
            Ok(Made::New(trunk.id))
        })
        .await
}

fn fixed_names(line: &dyn Line) -> Vec<String> {
    line.fixed().into_iter().map(|trunk| trunk.settings.name).collect()
}

/// Two of one name could not be told apart in the log and in the outcomes of calls.
fn is_free(name: &str, own: Option<i64>, all: &[Trunk], fixed: &[String]) -> Result<(), Invalid> {
    let mut others = all.iter().filter(|trunk| Some(trunk.id) != own).map(|trunk| &trunk.settings.name);
    match others.any(|other| other == name) || fixed.iter().any(|other| other == name) {
        true => Err(Invalid::one("name", "another trunk is called so")),
        false => Ok(()),
    }
}

/// Changes a trunk.
///
/// Only the fields sent change, from the next call on; calls that are alive stay as they are. Without `password` it keeps
/// the one it has, null or an empty one removes it.
#[utoipa::path(
    patch,
    path = "/trunks/{id}",
    operation_id = "update_trunk",
    params(parameters::TrunkId, parameters::IfMatch),
    request_body = schemas::TrunkChange,
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 200, body = View, description = "The trunk as it is now."))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[patch("/trunks/<id>", data = "<body>")]
async fn update(
    caller: AdminScope,
    id: &str,
    query: Query,
    head: BodyHead,
    if_match: IfMatch,
    body: Body,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    edit(caller, id, query, head, if_match, body, settings, db).await
}

/// Changes a trunk.
///
/// The same as PATCH: fields that are not sent stay as they are.
#[utoipa::path(
    put,
    path = "/trunks/{id}",
    operation_id = "replace_trunk",
    params(parameters::TrunkId, parameters::IfMatch),
    request_body = schemas::TrunkChange,
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 200, body = View, description = "The trunk as it is now."))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[put("/trunks/<id>", data = "<body>")]
async fn replace(
    caller: AdminScope,
    id: &str,
    query: Query,
    head: BodyHead,
    if_match: IfMatch,
    body: Body,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    edit(caller, id, query, head, if_match, body, settings, db).await
}

#[allow(clippy::too_many_arguments, reason = "each is a guard")]
async fn edit(
    caller: AdminScope,
    id: &str,
    mut query: Query,
    head: BodyHead,
    if_match: IfMatch,
    body: Body,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let body = head.json(body, JSON_MAX).await?.value().await?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchTrunk)?;
    let line = settings.line.clone();
    let fixed = fixed_names(&*line);
    let transport = body.get("transport").and_then(Value::as_str).map(str::to_owned);
    let change = Change { deed: caller.0, once: None, confirm: false, transport, line: line.clone() };
    change
        .make(db, move |tx| {
            let before = unchanged(tx, id, &if_match)?;
            let request = TrunkRequest::read(body, Some(&before.settings))?;
            let has_lost_password = before.password != Password::None
                && request.password.is_none()
                && !is_same_place(&before.settings, &request.settings);
            if has_lost_password {
                return Err(Invalid::one("password", OTHER_PLACE).into());
            }
            line.check(&request.settings, request.password.as_ref().unwrap_or(&before.password))?;
            is_free(&request.settings.name, Some(id), &tx.trunks()?, &fixed)?;
            tx.update_trunk(id, &request.settings, request.password.as_ref())?;
            if let Some(position) = request.position {
                tx.move_trunk(id, position)?;
            }
            Ok(Made::Changed(id))
        })
        .await
}

/// Why a trunk's password does not go with it to another host.
const OTHER_PLACE: &str = "must be given anew for another host or proxy; send null if it wants none";

/// A password that is kept goes to the host it was given for, and to no other.
fn is_same_place(one: &TrunkSettings, other: &TrunkSettings) -> bool {
    one.host == other.host && one.proxy == other.proxy
}

/// The trunk to change, if it is still the one the caller saw.
fn unchanged(snapshot: &Snapshot, id: i64, if_match: &IfMatch) -> Result<Trunk, ApiError> {
    let trunk = existing(snapshot, id)?;
    match if_match.allows_text(&shown(snapshot, id, &[])?.1) {
        true => Ok(trunk),
        false => Err(ApiError::Stale),
    }
}

/// Removes a trunk.
///
/// Calls that are alive on it go on. After the last one the simulator carries all calls and no phone rings: that wants
/// `confirm=true`, and pauses all active campaigns until a person sets them to active again.
#[utoipa::path(
    delete,
    path = "/trunks/{id}",
    operation_id = "delete_trunk",
    params(parameters::TrunkId, parameters::IfMatch, parameters::Confirm),
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 204, description = "It is gone."),
        (status = 409, description = "- `confirm_simulator`: This is the last trunk: afterwards the simulator carries all calls \
            and no phone rings, and every active campaign is paused until somebody sets it to active again. Say \
            `confirm`: true if that is wanted"))
)]
#[delete("/trunks/<id>")]
async fn remove(
    caller: AdminScope,
    id: &str,
    mut query: Query,
    if_match: IfMatch,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let confirm = query.take("confirm", query::flag).unwrap_or(false);
    query.finish()?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchTrunk)?;
    let line = settings.line.clone();
    let change = Change { deed: caller.0, once: None, confirm, transport: None, line };
    change
        .make(db, move |tx| {
            tx.delete_trunk(unchanged(tx, id, &if_match)?.id)?;
            Ok(Made::Removed)
        })
        .await
}

/// A change of the trunks on its way.
struct Change {
    deed: Deed,
    /// Of one that may be sent again.
    once: Option<Once>,
    /// The caller knows that phones ring from now on, or no longer.
    confirm: bool,
    /// What must be spoken afterwards; none where that is what is spoken already.
    transport: Option<String>,
    line: Arc<dyn Line>,
}

/// What a change came to.
enum Made {
    New(i64),
    Changed(i64),
    Removed,
}

impl Change {
    /// Makes the change, and the line what it says. It goes on to its end whether the caller waits for it or not.
    async fn make(
        self,
        db: &Db,
        job: impl FnOnce(&Tx) -> Result<Made, ApiError> + Send + 'static,
    ) -> Result<Answer, ApiError> {
        let making = tokio::spawn(self.making((**db).clone(), job));
        making.await.map_err(|panic| ApiError::Internal { cause: panic.to_string() })?
    }

    async fn making(
        self,
        store: Store,
        job: impl FnOnce(&Tx) -> Result<Made, ApiError> + Send + 'static,
    ) -> Result<Answer, ApiError> {
        let Change { deed, once, confirm, transport, line } = self;
        // One change at a time, and no dial on its way, from the first look until the line has followed.
        let held = store.hold_dials().await;
        let (before, has_fixed) = (line.carrier(), !line.fixed().is_empty());
        if let Some(transport) = transport
            && (confirm || before.real_calls)
        {
            let refused = |message| ApiError::Conflict { code: "no_real_calls", message };
            line.get_ready(&transport).await.map_err(refused)?;
        }
        let (remembering, known) = (once.clone(), line.trunks());
        let made = store
            .write(move |tx| {
                let made = job(tx)?;
                let is_real = has_fixed || !tx.trunks()?.is_empty();
                match (before.real_calls, is_real) {
                    (false, true) if !confirm => {
                        Err(ApiError::Conflict { code: "confirm_real_calls", message: FIRST.into() })
                    }
                    (true, false) if !confirm => {
                        Err(ApiError::Conflict { code: "confirm_simulator", message: LAST.into() })
                    }
                    (was_real, is_real) => {
                        if was_real != is_real {
                            let name = if is_real { "sip" } else { "simulator" };
                            tx.pause_for_another_carrier(before.driver, name)?;
                        }
                        let target = match made {
                            Made::New(id) => format!("/api/trunks/{id}"),
                            Made::Changed(_) | Made::Removed => deed.target.clone(),
                        };
                        tx.note(&Deed { target, ..deed })?;
                        if let (Made::New(id), Some(once)) = (&made, &remembering) {
                            // Whatever comes between, it is not made again.
                            once.remember(tx, &created(tx, *id, &known)?)?;
                        }
                        Ok(made)
                    }
                }
            })
            .await?;
        let followed = line.follow().await;
        drop(held);
        followed.map_err(|cause| ApiError::Internal { cause })?;
        let health = line.trunks();
        match made {
            Made::Removed => Ok(Answer::no_content()),
            Made::Changed(id) => {
                let (body, tag) = store.read(move |snapshot| shown(snapshot, id, &health)).await?;
                Ok(Answer::text(Status::Ok, body).with("ETag", tag))
            }
            Made::New(id) => {
                let tell = move |tx: &Tx| {
                    let answer = created(tx, id, &health)?;
                    once.map_or(Ok(()), |once| once.remember(tx, &answer))?;
                    Ok(answer)
                };
                store.write(tell).await
            }
        }
    }
}

fn created(snapshot: &Snapshot, id: i64, health: &[Health]) -> Result<Answer, ApiError> {
    let (body, tag) = shown(snapshot, id, health)?;
    let answer = Answer::text(Status::Created, body).with("ETag", tag);
    Ok(answer.with("Location", format!("/api/trunks/{id}")))
}

const FIRST: &str = "This is the first trunk: from now on phones ring and people answer, and every active campaign is paused \
                     until somebody sets it to active again. Say `confirm`: true if that is wanted";
const LAST: &str = "This is the last trunk: afterwards the simulator carries all calls and no phone rings, and every active \
                    campaign is paused until somebody sets it to active again. Say `confirm`: true if that is wanted";

/// Tries a trunk out.
///
/// Is its name known, is it reached, does it answer, does it let us in? Places no call; takes ten seconds at most. One is
/// tried out at a time.
#[utoipa::path(
    post,
    path = "/trunks/{id}/test",
    operation_id = "test_trunk",
    params(parameters::TrunkId),
    request_body = Option<schemas::Nothing>,
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 200, body = Trial, description = "How each step went."),
        (status = 409, description = "- `trial_running`: A trunk is being tried out at the moment; try again in a few seconds"))
)]
#[post("/trunks/<id>/test", data = "<body>")]
async fn test(
    caller: AdminScope,
    id: &str,
    mut query: Query,
    body: Body,
    settings: &State<Settings>,
    trials: &State<Trials>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    body.discard().await;
    let id = query::path_id(id).ok_or(ApiError::NoSuchTrunk)?;
    let trunk = db.read(move |snapshot| existing(snapshot, id)).await?;
    try_out(caller.0, &trunk.settings, &trunk.password, settings, trials, db).await
}

/// Tries out a trunk that is not saved.
///
/// As the one above. With `id` it is a change to that one, whose password is used where none is sent.
#[utoipa::path(
    post,
    path = "/trunks/test",
    operation_id = "test_new_trunk",
    request_body = schemas::TrunkTrial,
    security(("token" = ["admin"]), ("session" = ["admin"])),
    responses((status = 200, body = Trial, description = "How each step went."),
        (status = 404, description = "There is none with this `id`."),
        (status = 409, description = "- `trial_running`: A trunk is being tried out at the moment; try again in a few seconds"))
)]
#[post("/trunks/test", data = "<body>")]
async fn test_new(
    caller: AdminScope,
    mut query: Query,
    head: BodyHead,
    body: Body,
    settings: &State<Settings>,
    trials: &State<Trials>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let body = head.json(body, JSON_MAX).await?.value().await?;
    let base = match body.get("id") {
        None | Some(Value::Null) => None,
        Some(id) => {
            let id = fields::integer(1, i64::MAX)(id).map_err(|message| Invalid::one("id", message))?;
            Some(db.read(move |snapshot| existing(snapshot, id)).await?)
        }
    };
    let TrunkRequest { settings: wanted, password, .. } =
        TrunkRequest::read(body, base.as_ref().map(|trunk| &trunk.settings))?;
    let same = base.filter(|base| is_same_place(&base.settings, &wanted));
    let password = password.or(same.map(|base| base.password)).unwrap_or(Password::None);
    settings.line.check(&wanted, &password)?;
    try_out(caller.0, &wanted, &password, settings, trials, db).await
}

async fn try_out(
    deed: Deed,
    wanted: &TrunkSettings,
    password: &Password,
    settings: &State<Settings>,
    trials: &State<Trials>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let busy = |_| ApiError::Conflict {
        code: "trial_running",
        message: "A trunk is being tried out at the moment; try again in a few seconds".into(),
    };
    let _place = trials.0.try_acquire().map_err(busy)?;
    db.write(move |tx| tx.note(&deed)).await.map_err(ApiError::from)?;
    let steps = settings.line.try_out(wanted, password).await;
    Answer::ok(&json!({
        "ok": steps.iter().all(|step| step.status != "failed"),
        "steps": steps.into_iter().map(StepView::from).collect::<Vec<_>>(),
    }))
}

/// How a trunk did when it was tried out.
#[derive(Serialize, ToSchema)]
#[schema(as = TrunkTrialResult)]
struct Trial {
    /// Whether nothing failed.
    ok: bool,
    /// The steps in their order.
    steps: Vec<StepView>,
}

/// One step of it.
#[derive(Serialize, ToSchema)]
#[schema(as = TrunkTrialStep)]
struct StepView {
    /// `name`, `transport`, `options` or `register`.
    name: &'static str,
    /// `ok`, `failed` or `skipped`.
    status: &'static str,
    /// How long it took.
    #[schema(minimum = 0)]
    milliseconds: i64,
    /// What was found, or what is wrong and what to do.
    message: String,
}

impl From<Step> for StepView {
    fn from(step: Step) -> StepView {
        let Step { name, status, milliseconds, message } = step;
        StepView { name, status, milliseconds, message }
    }
}

/// A way to a carrier: what is set, and how it is.
#[derive(Serialize, ToSchema)]
#[schema(as = WholeTrunk)]
struct View {
    /// Never reused; null for those of the server's settings.
    #[schema(minimum = 1)]
    id: Option<i64>,
    /// `database`, or `settings` for those that are changed where the server is started.
    source: &'static str,
    /// Which one of those in the database it is, in the order in which they are asked; null for the others, which come
    /// first.
    #[schema(minimum = 1, maximum = 20)]
    position: Option<usize>,
    /// What it is called.
    #[schema(min_length = 1, max_length = 100, pattern = "\\S")]
    name: String,
    /// The carrier: a name or an address, and a port where it is not the usual one.
    #[schema(min_length = 1, max_length = 200, pattern = "\\S")]
    host: String,
    /// How messages travel: `udp`, `tcp` or `tls`.
    transport: String,
    /// Where messages are sent, if not to the host.
    proxy: Option<String>,
    /// Who we are; null where the carrier knows our address.
    username: Option<String>,
    /// Whether the carrier wants us to register.
    register: bool,
    /// The number to show when the campaign names none.
    caller_id: Option<String>,
    /// What stands before the digits of a number.
    number_prefix: String,
    /// Dials per second.
    #[schema(minimum = 0.01, maximum = 100)]
    calls_per_second: f64,
    /// Calls that it carries at one time.
    #[schema(minimum = 1, maximum = 2000)]
    channels: i64,
    /// How often it is asked whether it is there, in seconds.
    #[schema(minimum = 5, maximum = 3600)]
    options_seconds: i64,
    /// Whether there is a password.
    has_password: bool,
    /// `up`, or `down` while nothing is dialed over it.
    status: &'static str,
    /// Why it is down.
    problem: Option<String>,
    /// What is to be known of its calls although it takes some: that keys may not be heard on them.
    warning: Option<String>,
    /// Calls that it carries now.
    #[schema(minimum = 0)]
    channels_in_use: usize,
    /// When it was added.
    #[schema(format = DateTime)]
    created_at: Option<String>,
    /// When it was last edited.
    #[schema(format = DateTime)]
    updated_at: Option<String>,
}

impl View {
    fn new(settings: &TrunkSettings, has_password: bool, health: &[Health]) -> View {
        let health = health.iter().find(|health| health.name == settings.name);
        View {
            id: None,
            source: "settings",
            position: None,
            name: settings.name.clone(),
            host: settings.host.clone(),
            transport: settings.transport.clone(),
            proxy: settings.proxy.clone(),
            username: settings.username.clone(),
            register: settings.register,
            caller_id: settings.caller_id.clone(),
            number_prefix: settings.number_prefix.clone(),
            calls_per_second: settings.calls_per_second,
            channels: settings.channels,
            options_seconds: settings.options_seconds,
            has_password,
            status: health.map_or("down", |health| health.status),
            problem: health.map_or(Some("it has not answered yet".into()), |health| health.problem.clone()),
            warning: health.and_then(|health| health.warning.clone()),
            channels_in_use: health.map_or(0, |health| health.channels_in_use),
            created_at: None,
            updated_at: None,
        }
    }

    fn of(trunk: &Trunk, position: usize, health: &[Health]) -> View {
        View {
            id: Some(trunk.id),
            source: "database",
            position: Some(position),
            created_at: Some(format_instant(trunk.created_at)),
            updated_at: Some(format_instant(trunk.updated_at)),
            ..View::new(&trunk.settings, trunk.password != Password::None, health)
        }
    }
}
