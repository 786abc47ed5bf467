//! Who speaks on the calls, and how a text sounds on the phone before anybody is called.

use super::Settings;
use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::{Body, BodyHead, JSON_MAX};
use super::error::ApiError;
use super::openapi::schemas;
use super::query::Query;
use crate::domain::agent::AgentKind;
use crate::domain::campaign;
use crate::domain::fields::{self, Fields};
use crate::domain::invalid::Invalid;
use crate::domain::voice::Voice;
use crate::store::pool::Db;
use rocket::http::ContentType;
use rocket::response::{self, Responder, Response};
use rocket::tokio::sync::Semaphore;
use rocket::tokio::time::timeout;
use rocket::{Request, Route, State, get, post, routes};
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::io::Cursor;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![show, preview]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(show, preview))]
pub(super) struct Reference;

/// A WAV file that is being made, or a sentence about why there is none.
pub type Saying = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send>>;
/// Makes a WAV file of a text, as it sounds on the phone.
pub type Say = Arc<dyn Fn(&str, &Voice) -> Saying + Send + Sync>;

/// Whoever speaks, as the composition root built it.
#[derive(Clone)]
pub struct Speaker {
    /// `service` or `program`.
    pub kind: &'static str,
    /// What it is called: the host of the service, or the program.
    pub name: String,
    /// The voice of campaigns that name none, where the settings say one.
    pub voice: Option<String>,
    /// Speaks.
    pub say: Say,
}

impl fmt::Debug for Speaker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Speaker").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Texts that are spoken at one time; the calls need the voice too.
const AT_ONCE: usize = 2;
/// The longest text.
const TEXT_MAX: usize = 1_000;
/// No voice may take longer, with the time until it has time for us.
const WAIT_MAX: Duration = Duration::from_secs(150);

/// What a voice is tried with.
const TRIAL: &str = "Hello.";

/// Whether there is the voice that a campaign names. With real calls that is found out before anybody is called.
pub(super) async fn try_voice(settings: &Settings, campaign: &campaign::Settings) -> Result<(), ApiError> {
    let (Ok(speaker), Some(id)) = (&settings.speaker, &campaign.ai_voice_id) else { return Ok(()) };
    if !settings.line.carrier().real_calls {
        return Ok(());
    }
    let (language, gender) = (campaign.ai_voice_language.clone(), campaign.ai_voice_gender);
    let said = (speaker.say)(TRIAL, &Voice { id: Some(id.clone()), language, gender });
    let said = timeout(WAIT_MAX, said).await.unwrap_or_else(|_| Err("it had no time".into()));
    said.map(drop).map_err(|problem| {
        let message = format!("must be a voice that {} has; it says: {problem}", speaker.name);
        Invalid::one("ai_voice_id", message).into()
    })
}

/// Lets a few texts in.
pub(super) struct Previews(Semaphore);

impl Previews {
    /// With nobody inside.
    pub(super) fn new() -> Previews {
        Previews(Semaphore::new(AT_ONCE))
    }
}

/// Says who speaks on the calls.
///
/// Where nobody can, `problem` says how to get a voice. Also who holds conversations.
#[utoipa::path(
    get,
    path = "/voices",
    operation_id = "show_voices",
    responses((status = 200, body = View, description = "Who speaks."))
)]
#[get("/voices")]
async fn show(
    _caller: ReadScope,
    mut query: Query,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let agents = db.read(|snapshot| Ok::<_, ApiError>(snapshot.agents())).await?;
    let (model, problem) =
        settings.tester.model().map_or_else(|why| (None, Some(why)), |name| (Some(name), None));
    let usual = if agents.is_usual { AgentKind::Ai } else { AgentKind::Scripted };
    let agent = AgentView { usual, conversations: agents.seats, model, problem };
    Answer::ok(&match &settings.speaker {
        Ok(speaker) => View {
            available: true,
            kind: Some(speaker.kind),
            name: Some(&speaker.name),
            voice: speaker.voice.as_deref(),
            problem: None,
            agent,
        },
        Err(problem) => {
            View { available: false, kind: None, name: None, voice: None, problem: Some(problem), agent }
        }
    })
}

/// Speaks a text as it sounds on the phone.
///
/// A WAV file at 8,000 samples per second. Nobody is called; a service may charge for it. Answers 503 with the code
/// `no_voice` where nobody can speak, `voice_failed` with what went wrong, or `voice_busy` while other texts are being
/// spoken.
#[utoipa::path(
    post,
    path = "/voice-preview",
    operation_id = "preview_voice",
    request_body = schemas::VoicePreviewRequest,
    responses((status = 200, description = "The sound.", content((Vec<u8> = "audio/wav"))))
)]
#[post("/voice-preview", data = "<body>")]
async fn preview(
    _caller: WriteScope<'_>,
    mut query: Query,
    head: BodyHead,
    body: Body,
    settings: &State<Settings>,
    previews: &State<Previews>,
) -> Result<Sound, ApiError> {
    let body = head.json(body, JSON_MAX).await?.value().await?;
    query.finish()?;
    let (text, voice) = read(body)?;
    let failed = |code: &'static str, message: String| ApiError::NoVoice { code, message };
    let speaker = settings.speaker.as_ref();
    let speaker = speaker.map_err(|problem| failed("no_voice", format!("Nobody can speak: {problem}")))?;
    let busy =
        |_| failed("voice_busy", "Other texts are being spoken at the moment; try again soon".to_owned());
    let _place = previews.0.try_acquire().map_err(busy)?;
    let said = timeout(WAIT_MAX, (speaker.say)(&text, &voice)).await;
    let said = said.unwrap_or_else(|_| Err("it had no time for this text".into()));
    said.map(Sound).map_err(|problem| failed("voice_failed", format!("The voice failed: {problem}")))
}

fn read(body: Value) -> Result<(String, Voice), Invalid> {
    let mut f = Fields::of(body)?;
    let text = f.required("text", None, fields::text(TEXT_MAX));
    let usual = "en-US".to_owned();
    let voice = Voice {
        id: f.optional("voice", None, None, fields::optional_text(200)),
        language: f.optional("language", usual.clone(), usual, campaign::language),
        gender: f.optional("gender", None, None, |value| fields::word(value).map(Some)),
    };
    f.finish(text.map(|text| (text, voice)))
}

/// A WAV file.
pub(super) struct Sound(pub(super) Vec<u8>);

impl<'r> Responder<'r, 'static> for Sound {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let Sound(file) = self;
        let mut response = Response::build();
        response.header(ContentType::WAV).sized_body(file.len(), Cursor::new(file)).ok()
    }
}

/// Who speaks.
#[derive(Serialize, ToSchema)]
#[schema(as = Voices)]
struct View<'s> {
    /// Whether anybody can.
    available: bool,
    /// `service` or `program`.
    kind: Option<&'static str>,
    /// The host of the service, or the program.
    name: Option<&'s str>,
    /// The voice of campaigns that name none, where the settings say one.
    voice: Option<&'s str>,
    /// Why nobody can speak, and how to get a voice.
    problem: Option<&'s str>,
    /// Who holds conversations.
    agent: AgentView,
}

/// Who holds conversations, on calls and in tries.
#[derive(Serialize, ToSchema)]
#[schema(as = VoicesAgent)]
struct AgentView {
    /// Who talks in campaigns whose `agent` is null and whose script is no uploaded prompt.
    usual: AgentKind,
    /// Calls on which conversations are held at one time; 0 where nobody can hold any, so that campaigns with an agent wait.
    conversations: usize,
    /// The model with which an agent is tried over text.
    model: Option<String>,
    /// Why none can be tried.
    problem: Option<String>,
}
