//! Conversations with a campaign's agent over text, to try it before anybody is called: by hand, or with simulated callers.

use super::Settings;
use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::body::{Body, BodyHead, JSON_MAX};
use super::campaigns;
use super::error::ApiError;
use super::idempotency::Repeatable;
use super::openapi::{parameters, schemas};
use super::query::{self, PAGE_SIZE, Query};
use crate::domain::agent::Brief;
use crate::domain::campaign::Campaign;
use crate::domain::fields::{self, Fields, Words};
use crate::domain::gate::Gate;
use crate::domain::guard::Overall;
use crate::domain::invalid::Invalid;
use crate::domain::lead::NewLead;
use crate::domain::other_call::{self, Filling};
use crate::domain::schedule::format_instant;
use crate::domain::script_preview::Values;
use crate::domain::try_out::{Entry, Persona, Speaker, State as TryState, Talk, TryOut};
use crate::store::pool::Db;
use crate::store::{NewTry, Snapshot, TryFilter, Tx};
use rocket::http::Status;
use rocket::tokio::sync::Semaphore;
use rocket::{Route, State, async_trait, get, post, routes};
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use utoipa::{OpenApi, ToSchema};

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![start, start_batch, list, show, go_on]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(start, start_batch, list, show, go_on))]
pub(super) struct Reference;

/// What is tried.
#[derive(Clone, Debug)]
pub struct Job {
    /// The campaign.
    pub campaign: Campaign,
    /// What its agent is told.
    pub brief: Arc<Brief>,
    /// The lead whose values it is told.
    pub about: Option<NewLead>,
}

/// Whoever holds the agent's side of a try.
#[async_trait]
pub trait Tester: Send + Sync + fmt::Debug + 'static {
    /// The model, or why there is none.
    fn model(&self) -> Result<String, String>;
    /// Lets the agent answer what was said last. The error is a sentence; what came before it is kept.
    async fn answer(&self, job: &Job, talk: &mut Talk) -> Result<(), String>;
    /// Has a simulated caller talk with the agent, and writes down how it goes, while others do other things.
    fn play(&self, id: i64, persona: Persona, job: Job);
}

/// Answers that are waited for at one time.
const AT_ONCE: usize = 4;
/// The longest text that is said at a time.
const SAID_MAX: usize = 2_000;

/// Lets a few in who wait for an answer.
pub(super) struct Waiting(Semaphore);

impl Waiting {
    /// With nobody inside.
    pub(super) fn new() -> Waiting {
        Waiting(Semaphore::new(AT_ONCE))
    }
}

/// Starts a conversation with the agent.
///
/// Over text, with the instruction, the tools and the values of a real call. Nobody is called, nothing counts, and of the
/// tools it is only said what they would have done. It starts with what the agent says first; with `say`, its answer to that
/// comes along.
#[utoipa::path(
    post,
    path = "/voice-campaigns/{id}/conversations",
    operation_id = "start_conversation",
    params(parameters::CampaignId, parameters::IdempotencyKey),
    request_body = Option<schemas::ConversationRequest>,
    responses((status = 201, body = View, description = "The conversation.", headers(("Location" = String))),
        (
            status = 409,
            description = "- `missing_variable`: The script needs a value that the lead does not have; give it one, or write a fallback into the script: plan
- `script_too_long`: With the lead's values the script is too long to be said; shorten them, or use them less often"
        ))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[post("/voice-campaigns/<id>/conversations", data = "<body>")]
async fn start(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    settings: &State<Settings>,
    waiting: &State<Waiting>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let body = head.json_if_any(&mut query, body).await?;
    let once = repeatable.once(caller.0, body.hash)?;
    if let Some(answer) = once.first_answer(db).await? {
        return Ok(answer);
    }
    let wanted = Wanted::read(body.value().await?)?;
    let (tester, model) = tester(settings)?;
    let job = job(db, id, &wanted).await?;
    let mut talk = Talk::open(&job.brief);
    let (said, by) = (wanted.say.clone(), caller.0.name.clone());
    let state = if said.is_some() { TryState::Running } else { TryState::Open };
    let new = wanted.of(&job, talk.clone(), state, &model, by);
    let campaign_id = job.campaign.id;
    let Some(said) = said else {
        return db
            .write(move |tx| {
                once.run(tx, |tx| {
                    let try_id = tx.insert_try(&new)?;
                    begun(tx, campaign_id, try_id)
                })
            })
            .await;
    };
    let beginning = once.clone();
    let inserted = db.write(move |tx| {
        let try_id = tx.insert_try(&new)?;
        beginning.note(tx, Some(&location(campaign_id, try_id)))?;
        Ok::<_, ApiError>(try_id)
    });
    let try_id = inserted.await?;
    answered(tester, waiting, db, (try_id, &job), &mut talk, said).await?;
    db.write(move |tx| once.tell(tx, begun(tx, campaign_id, try_id)?)).await
}

fn begun(tx: &Tx, campaign_id: i64, try_id: i64) -> Result<Answer, ApiError> {
    Answer::created(location(campaign_id, try_id), &View::of(&existing(tx, campaign_id, try_id)?))
}

fn location(campaign_id: i64, try_id: i64) -> String {
    format!("/api/voice-campaigns/{campaign_id}/conversations/{try_id}")
}

/// Has simulated callers talk with the agent.
///
/// One conversation for each of the `personas`, or for all of them, played by the same model under another instruction, one
/// after the other. Ask for the conversations of the `batch_id` to see how they go; each that has ended has a `report`.
#[utoipa::path(
    post,
    path = "/voice-campaigns/{id}/conversations/batch",
    operation_id = "start_conversations",
    params(parameters::CampaignId, parameters::IdempotencyKey),
    request_body = Option<schemas::ConversationBatchRequest>,
    responses((status = 202, body = [View], description = "The conversations, as they begin."),
        (
            status = 409,
            description = "- `batch_running`: Conversations with simulated callers of this campaign are going on; wait for their end
- `missing_variable`: The script needs a value that the lead does not have; give it one, or write a fallback into the script: plan
- `script_too_long`: With the lead's values the script is too long to be said; shorten them, or use them less often"
        ))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[post("/voice-campaigns/<id>/conversations/batch", data = "<body>")]
async fn start_batch(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    settings: &State<Settings>,
    db: &Db,
) -> Result<Answer, ApiError> {
    let body = head.json_if_any(&mut query, body).await?;
    let once = repeatable.once(caller.0, body.hash)?;
    if let Some(answer) = once.first_answer(db).await? {
        return Ok(answer);
    }
    let (wanted, personas) = Wanted::read_batch(body.value().await?)?;
    let (tester, model) = tester(settings)?;
    let job = job(db, id, &wanted).await?;
    let (by, campaign_id) = (caller.0.name.clone(), job.campaign.id);
    let news: Vec<NewTry> = personas
        .iter()
        .map(|persona| NewTry {
            persona: Some(*persona),
            ..wanted.of(&job, Talk::open(&job.brief), TryState::Running, &model, by.clone())
        })
        .collect();
    let begun = db.write(move |tx| {
        let mut made = Vec::new();
        let answer = once.run(tx, |tx| {
            if tx.is_trying(campaign_id)? {
                let message =
                    "Conversations with simulated callers of this campaign are going on; wait for their end";
                return Err(ApiError::Conflict { code: "batch_running", message: message.into() });
            }
            for new in &news {
                let batch_id = made.first().copied();
                made.push(tx.insert_try(&NewTry { batch_id, ..new.clone() })?);
            }
            let tries = made.iter().map(|try_id| existing(tx, campaign_id, *try_id));
            let tries = tries.collect::<Result<Vec<_>, _>>()?;
            let views: Vec<View> = tries.iter().map(View::of).collect();
            Ok(Answer::text(Status::Accepted, serde_json::to_string(&views)?))
        })?;
        Ok::<_, ApiError>((made, answer))
    });
    let (made, answer) = begun.await?;
    for (try_id, persona) in made.into_iter().zip(personas) {
        tester.play(try_id, persona, job.clone());
    }
    Ok(answer)
}

/// Lists the conversations with the agent of a campaign.
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/conversations",
    operation_id = "list_conversations",
    params(parameters::CampaignId, parameters::OfBatch, parameters::PagingById),
    responses((status = 200, body = [View], description = "A page of conversations."))
)]
#[get("/voice-campaigns/<id>/conversations")]
async fn list(_caller: ReadScope, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    let limit = query::page_size(&mut query).unwrap_or(PAGE_SIZE);
    let (batch_id, before) = (query.take("batch_id", query::id), query.take("cursor", query::id));
    query.finish()?;
    let id = id.to_owned();
    db.read(move |snapshot| {
        let campaign_id = campaigns::existing(snapshot, &id)?.id;
        let filter = TryFilter { campaign_id, batch_id, before, limit: limit + 1 };
        let (tries, has_more) = query::page(snapshot.try_outs(&filter)?, limit);
        let views: Vec<View> = tries.iter().map(View::of).collect();
        Ok(query.linked(Answer::ok(&views)?, &tries, has_more, |last| last.id.to_string()))
    })
    .await
}

/// Shows a conversation with the agent.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/conversations/{conversation_id}",
    operation_id = "show_conversation",
    params(parameters::CampaignId, parameters::ConversationId),
    responses((status = 200, body = View, description = "The conversation."))
)]
#[get("/voice-campaigns/<id>/conversations/<conversation_id>")]
async fn show(
    _caller: ReadScope,
    id: &str,
    conversation_id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let (id, try_id) = (id.to_owned(), conversation_id.to_owned());
    db.read(move |snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        let try_id = query::path_id(&try_id).ok_or(ApiError::NoSuchConversation)?;
        Answer::ok(&View::of(&existing(snapshot, campaign.id, try_id)?))
    })
    .await
}

/// Says something to the agent.
///
/// Its answer, and what its tools would have done, come with the conversation. A key is written as `[caller pressed 1]`.
/// Answers 503 with the code `no_agent` where no model is set up, `agent_failed` with what went wrong, or `agent_busy` while
/// others wait for answers; what was said before is kept.
#[utoipa::path(
    post,
    path = "/voice-campaigns/{id}/conversations/{conversation_id}/turns",
    operation_id = "go_on_with_conversation",
    params(parameters::CampaignId, parameters::ConversationId, parameters::IdempotencyKey),
    request_body = schemas::ConversationTurn,
    responses((status = 200, body = View, description = "The conversation with the answer."),
        (
            status = 409,
            description = "- `conversation_over`: This conversation is over; start another one
- `conversation_busy`: An answer in this conversation is being waited for"
        ))
)]
#[allow(clippy::too_many_arguments, reason = "each is a guard")]
#[post("/voice-campaigns/<id>/conversations/<conversation_id>/turns", data = "<body>")]
async fn go_on(
    caller: WriteScope<'_>,
    id: &str,
    conversation_id: &str,
    mut query: Query,
    head: BodyHead,
    repeatable: Repeatable,
    body: Body,
    settings: &State<Settings>,
    waiting: &State<Waiting>,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let body = head.json(body, JSON_MAX).await?;
    let once = repeatable.once(caller.0, body.hash)?;
    if let Some(answer) = once.first_answer(db).await? {
        return Ok(answer);
    }
    let mut f = Fields::of(body.value().await?)?;
    let said = f.required("say", None, fields::text(SAID_MAX));
    let said = f.finish(said)?;
    let (tester, _) = tester(settings)?;
    let try_id = query::path_id(conversation_id).ok_or(ApiError::NoSuchConversation)?;
    let (name, beginning) = (id.to_owned(), once.clone());
    let taken = db.write(move |tx| {
        let found = existing(tx, campaigns::existing(tx, &name)?.id, try_id)?;
        let refused = |code, message: &str| Err(ApiError::Conflict { code, message: message.to_owned() });
        match found.state {
            TryState::Ended | TryState::Failed => {
                refused("conversation_over", "This conversation is over; start another one")
            }
            TryState::Running => {
                refused("conversation_busy", "An answer in this conversation is being waited for")
            }
            TryState::Open => {
                tx.take_try(try_id)?;
                beginning.note(tx, None)?;
                Ok(found)
            }
        }
    });
    let found = taken.await?;
    let wanted = Wanted { lead_id: found.lead_id, variables: found.variables.clone(), say: None };
    let mut talk = found.talk.clone();
    match job(db, id, &wanted).await {
        Ok(job) => answered(tester, waiting, db, (try_id, &job), &mut talk, said).await?,
        Err(problem) => {
            keep(db, try_id, &talk, TryState::Open).await?;
            return Err(problem);
        }
    }
    let campaign_id = found.campaign_id;
    db.write(move |tx| once.tell(tx, Answer::ok(&View::of(&existing(tx, campaign_id, try_id)?))?)).await
}

/// Lets the agent answer, and writes down what came of it. Whatever goes wrong, the conversation can go on.
async fn answered(
    tester: &dyn Tester,
    waiting: &Waiting,
    db: &Db,
    (try_id, job): (i64, &Job),
    talk: &mut Talk,
    said: String,
) -> Result<(), ApiError> {
    let Ok(_place) = waiting.0.try_acquire() else {
        keep(db, try_id, talk, TryState::Open).await?;
        let message = "Others are waiting for answers at the moment; try again soon".to_owned();
        return Err(ApiError::NoAgent { code: "agent_busy", message });
    };
    let before = talk.clone();
    talk.entries.push(Entry::person(said));
    if let Err(problem) = tester.answer(job, talk).await {
        keep(db, try_id, &before, TryState::Open).await?;
        return Err(ApiError::NoAgent {
            code: "agent_failed",
            message: format!("The agent failed: {problem}"),
        });
    }
    keep(db, try_id, talk, if talk.is_over { TryState::Ended } else { TryState::Open }).await
}

async fn keep(db: &Db, try_id: i64, talk: &Talk, state: TryState) -> Result<(), ApiError> {
    let talk = talk.clone();
    db.write(move |tx| Ok::<_, ApiError>(tx.keep_try(try_id, &talk, state, None)?)).await
}

fn tester(settings: &Settings) -> Result<(&dyn Tester, String), ApiError> {
    let model = settings.tester.model();
    let model = model.map_err(|problem| ApiError::NoAgent { code: "no_agent", message: problem })?;
    Ok((&*settings.tester, model))
}

/// A try that is asked for.
#[derive(Clone)]
struct Wanted {
    lead_id: Option<i64>,
    variables: Value,
    say: Option<String>,
}

impl Wanted {
    fn read(body: Value) -> Result<Wanted, Invalid> {
        let mut f = Fields::of(body)?;
        let say = f.optional("say", None, None, fields::optional_text(SAID_MAX));
        let wanted = Wanted { say, ..Wanted::of_fields(&mut f) };
        f.finish(Some(wanted))
    }

    fn read_batch(body: Value) -> Result<(Wanted, Vec<Persona>), Invalid> {
        let mut f = Fields::of(body)?;
        let all = Persona::all().to_vec();
        let personas = f.optional("personas", all.clone(), all, fields::array(20, fields::word));
        let wanted = Wanted::of_fields(&mut f);
        if personas.is_empty() {
            f.problem::<()>("personas", "must name at least one; leave it out for all");
        }
        f.finish(Some((wanted, personas)))
    }

    fn of_fields(f: &mut Fields) -> Wanted {
        let lead_id =
            f.optional("lead_id", None, None, |value| fields::integer(1, i64::MAX)(value).map(Some));
        let none = Value::Object(Default::default());
        let variables =
            f.optional("variables", none.clone(), none, |value| Values::read(value).map(|_| value.clone()));
        Wanted { lead_id, variables, say: None }
    }

    fn of(&self, job: &Job, talk: Talk, state: TryState, model: &str, by: String) -> NewTry {
        NewTry {
            campaign_id: job.campaign.id,
            lead_id: self.lead_id,
            batch_id: None,
            persona: None,
            state,
            variables: self.variables.clone(),
            talk,
            model: model.to_owned(),
            prompt: job.brief.prompt.clone(),
            by,
        }
    }
}

/// What the agent is told in a try.
async fn job(db: &Db, id: &str, wanted: &Wanted) -> Result<Job, ApiError> {
    let (id, wanted) = (id.to_owned(), wanted.clone());
    db.read(move |snapshot| {
        let campaign = campaigns::existing(snapshot, &id)?;
        let lead = match wanted.lead_id {
            Some(lead_id) => {
                let lead = snapshot.lead(lead_id)?.filter(|lead| lead.campaign_id == campaign.id);
                let none = || Invalid::one("lead_id", format!("the campaign has no lead {lead_id}"));
                Some(lead.ok_or_else(none)?.about)
            }
            None => None,
        };
        let values = Values::read(&wanted.variables).unwrap_or_default();
        let gate = Gate::new(&campaign, 0, Overall::default(), snapshot.now);
        let brief = gate.brief(Filling::of_test(&values, lead.as_ref()));
        let brief = brief.map_err(|hold| ApiError::Conflict {
            code: hold.reason.word(),
            message: other_call::refusal(&hold),
        })?;
        Ok(Job { brief: Arc::new(brief), about: lead, campaign })
    })
    .await
}

fn existing(snapshot: &Snapshot, campaign_id: i64, try_id: i64) -> Result<TryOut, ApiError> {
    snapshot.try_out(campaign_id, try_id)?.ok_or(ApiError::NoSuchConversation)
}

/// A conversation with the agent over text. It is a try: nobody was called, and nothing counts.
#[derive(Serialize, ToSchema)]
#[schema(as = Conversation)]
struct View<'a> {
    /// Never reused.
    #[schema(minimum = 1)]
    id: i64,
    /// Whose agent is tried.
    #[schema(minimum = 1)]
    campaign_id: i64,
    /// The lead whose values the agent is told.
    #[schema(minimum = 1)]
    lead_id: Option<i64>,
    /// Of those that were started together, the id of the first.
    #[schema(minimum = 1)]
    batch_id: Option<i64>,
    /// The simulated caller; null where somebody types.
    persona: Option<Persona>,
    /// Always true: it is in no statistic.
    is_try: bool,
    /// Where it is.
    state: TryState,
    /// Why it failed.
    detail: Option<&'a str>,
    /// What was said and done, in its order.
    lines: Vec<LineView<'a>>,
    /// How it came out; null while nobody has said so.
    #[schema(value_type = Option<schemas::Verdict>)]
    verdict: Option<Value>,
    /// What was found out, by names that the agent chose.
    #[schema(value_type = Option<Object>)]
    answers: Option<&'a std::collections::BTreeMap<String, String>>,
    /// How the agent did with a simulated caller, by rules; null before its end, and where somebody types.
    #[schema(value_type = Option<schemas::ConversationReport>)]
    report: Option<&'a Value>,
    /// The model.
    model: &'a str,
    /// Tells versions of the instruction apart.
    prompt: &'a str,
    /// Tokens that the model read.
    #[schema(minimum = 0)]
    input_tokens: u64,
    /// Tokens that the model wrote.
    #[schema(minimum = 0)]
    output_tokens: u64,
    /// Whose token started it.
    made_by: &'a str,
    /// When it was started.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it last went on.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// One thing that was said, or one tool that was used.
#[derive(Serialize, ToSchema)]
#[schema(as = ConversationLine)]
struct LineView<'a> {
    /// Who it was.
    speaker: Speaker,
    /// The words; of a tool what it would have done on a call.
    text: &'a str,
    /// Of a tool its name, as the model wrote it.
    tool: Option<&'a str>,
    /// Of a tool its arguments, as the model wrote them.
    arguments: Option<&'a str>,
    /// Of a tool what the model was told; null where the call would have ended of it.
    answer: Option<&'a str>,
}

impl<'a> View<'a> {
    fn of(tried: &'a TryOut) -> View<'a> {
        let Talk { entries, verdict, is_judged, is_over: _, input_tokens, output_tokens } = &tried.talk;
        let line = |entry: &'a Entry| LineView {
            speaker: entry.speaker,
            text: &entry.text,
            tool: entry.tool.as_deref(),
            arguments: entry.arguments.as_deref(),
            answer: entry.answer.as_deref(),
        };
        let shown = verdict.as_ref().map(|verdict| {
            serde_json::json!({
                "conclusion": verdict.conclusion,
                "reason": verdict.reason,
                "judged_afterwards": is_judged,
            })
        });
        View {
            id: tried.id,
            campaign_id: tried.campaign_id,
            lead_id: tried.lead_id,
            batch_id: tried.batch_id,
            persona: tried.persona,
            is_try: true,
            state: tried.state,
            detail: tried.detail.as_deref(),
            lines: entries.iter().map(line).collect(),
            verdict: shown,
            answers: verdict.as_ref().map(|verdict| &verdict.answers),
            report: tried.report.as_ref(),
            model: &tried.model,
            prompt: &tried.prompt,
            input_tokens: *input_tokens,
            output_tokens: *output_tokens,
            made_by: &tried.made_by,
            created_at: format_instant(tried.created_at),
            updated_at: format_instant(tried.updated_at),
        }
    }
}
