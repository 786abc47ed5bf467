//! `…/prompts`: sounds that are played on the calls of a campaign instead of speaking its scripts.

use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::{self, Body, BodyHead, LargeBodies};
use super::campaigns;
use super::error::ApiError;
use super::idempotency::Repeatable;
use super::openapi::parameters;
use super::query::{self, Query};
use super::voices::Sound;
use crate::domain::campaign::Campaign;
use crate::domain::fields;
use crate::domain::invalid::Invalid;
use crate::domain::schedule::format_instant;
use crate::media::{RATE, prompt};
use crate::store::Prompt;
use crate::store::pool::Db;
use rocket::{Route, State, delete, get, post, routes};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![list, upload, listen, remove]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(list, upload, listen, remove))]
pub(super) struct Reference;

/// The largest file.
const BYTES_MAX: u64 = 20 << 20;
/// Prompts of one campaign.
const PROMPTS_MAX: usize = 50;

/// Lists the prompts of a campaign, newest first.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/prompts",
    operation_id = "list_prompts",
    params(parameters::CampaignId),
    responses((status = 200, body = [View], description = "The prompts."))
)]
#[get("/voice-campaigns/<id>/prompts")]
async fn list(_caller: ReadScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = id.to_owned();
    db.read(move |snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        let prompts = snapshot.prompts(campaign.id)?;
        Answer::ok(&prompts.iter().map(|prompt| View::of(prompt, &campaign)).collect::<Vec<_>>())
    })
    .await
}

/// Uploads a prompt.
///
/// A WAV or MP3 file of up to 20 MB and 300 seconds. It is kept as it sounds on the phone; `script_prompt` and
/// `fallback_prompt` of the campaign name what is played.
#[utoipa::path(
    post,
    path = "/voice-campaigns/{id}/prompts",
    operation_id = "upload_prompt",
    params(parameters::CampaignId, parameters::PromptName, parameters::IdempotencyKey),
    request_body(content((Vec<u8> = "audio/wav"), (Vec<u8> = "audio/mpeg"))),
    responses((status = 201, body = View, description = "The prompt.", headers(("Location" = String))),
        (status = 409, description = "- `too_many_prompts`: A campaign has at most 50 prompts; delete one first"))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[post("/voice-campaigns/<id>/prompts", data = "<body>")]
async fn upload(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    large: &State<LargeBodies>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let body = head.sound(body, BYTES_MAX, large).await?;
    let name = query.take("name", |text| fields::text(200)(&text.into()));
    query.finish()?;
    let name = name.ok_or_else(|| Invalid::one("name", "is required, such as `?name=Welcome`"))?;
    let once = repeatable.once(caller.0, body.hash)?;
    if let Some(answer) = once.first_answer(db).await? {
        return Ok(answer);
    }
    let sound = body::aside(move || {
        prompt::read(body.bytes()).map_err(|problem| Invalid::one("body", problem).into())
    })
    .await?;
    let id = id.to_owned();
    db.write(move |tx| {
        once.run(tx, |tx| {
            let campaign = campaigns::existing(tx, &id)?;
            if tx.prompts(campaign.id)?.len() >= PROMPTS_MAX {
                let message = format!("A campaign has at most {PROMPTS_MAX} prompts; delete one first");
                return Err(ApiError::Conflict { code: "too_many_prompts", message });
            }
            let id = tx.insert_prompt(campaign.id, &name, &sound)?;
            let prompt = tx.prompts(campaign.id)?.into_iter().find(|prompt| prompt.id == id);
            let prompt = prompt.ok_or(ApiError::NoSuchPrompt)?;
            let location = format!("/api/voice-campaigns/{}/prompts/{id}", campaign.id);
            Answer::created(location, &View::of(&prompt, &campaign))
        })
    })
    .await
}

/// Plays a prompt.
///
/// A WAV file at 8,000 samples per second, as it sounds on the phone.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/prompts/{prompt_id}",
    operation_id = "listen_to_prompt",
    params(parameters::PromptId),
    responses((status = 200, description = "The sound.", content((Vec<u8> = "audio/wav"))))
)]
#[get("/voice-campaigns/<id>/prompts/<prompt_id>")]
async fn listen(
    _caller: ReadScope,
    id: &str,
    prompt_id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Sound, ApiError> {
    query.finish()?;
    let (id, prompt_id) = (id.to_owned(), query::path_id(prompt_id));
    let sound = db.read(move |snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        let sound = prompt_id.map(|prompt_id| snapshot.prompt_sound(campaign.id, prompt_id)).transpose()?;
        sound.flatten().ok_or(ApiError::NoSuchPrompt)
    });
    Ok(Sound(prompt::as_wav(&sound.await?)))
}

/// Deletes a prompt.
///
/// One that the campaign plays stays until the campaign names another one.
#[utoipa::path(
    delete,
    path = "/voice-campaigns/{id}/prompts/{prompt_id}",
    operation_id = "delete_prompt",
    params(parameters::PromptId),
    responses((status = 204, description = "It is gone."),
        (status = 409, description = "- `in_use`: The campaign plays this prompt as its script; set script_prompt to null first"))
)]
#[delete("/voice-campaigns/<id>/prompts/<prompt_id>")]
async fn remove(
    caller: WriteScope<'_>,
    id: &str,
    prompt_id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let (id, prompt_id) = (id.to_owned(), query::path_id(prompt_id).ok_or(ApiError::NoSuchPrompt)?);
    let deed = caller.1;
    db.write(move |tx| {
        let campaign = campaigns::existing(tx, &id)?;
        let settings = &campaign.settings;
        let uses = [("script", settings.script_prompt), ("fallback", settings.fallback_prompt)];
        if let Some((what, _)) = uses.iter().find(|(_, used)| *used == Some(prompt_id)) {
            let message =
                format!("The campaign plays this prompt as its {what}; set {what}_prompt to null first");
            return Err(ApiError::Conflict { code: "in_use", message });
        }
        match tx.delete_prompt(campaign.id, prompt_id)? {
            true => {
                tx.note(&deed)?;
                Ok(Answer::no_content())
            }
            false => Err(ApiError::NoSuchPrompt),
        }
    })
    .await
}

/// A sound that was uploaded.
#[derive(Serialize, ToSchema)]
#[schema(as = Prompt)]
struct View<'p> {
    /// Never reused.
    #[schema(minimum = 1)]
    id: i64,
    /// What it is called.
    #[schema(min_length = 1, max_length = 200)]
    name: &'p str,
    /// How long it lasts.
    #[schema(minimum = 0)]
    seconds: f64,
    /// Whether the campaign plays it instead of speaking the script.
    is_script: bool,
    /// Whether the campaign plays it instead of speaking the fallback.
    is_fallback: bool,
    /// When it was uploaded.
    #[schema(format = DateTime)]
    created_at: String,
}

impl<'p> View<'p> {
    fn of(prompt: &'p Prompt, campaign: &Campaign) -> View<'p> {
        let settings = &campaign.settings;
        View {
            id: prompt.id,
            name: &prompt.name,
            seconds: (prompt.samples as f64 * 10.0 / f64::from(RATE)).round() / 10.0,
            is_script: settings.script_prompt == Some(prompt.id),
            is_fallback: settings.fallback_prompt == Some(prompt.id),
            created_at: format_instant(prompt.created_at),
        }
    }
}
