//! Holds conversations that try a campaign's agent over text: the same model, instruction and tools as on a call, with a
//! person who types or a caller that the model plays under another instruction. Calls nobody.

use crate::agent::chat::{Call, Chat};
use crate::agent::text;
use crate::clock::Clock;
use crate::domain::agent::{Brief, ToolName};
use crate::domain::gate::Gate;
use crate::domain::guard::Overall;
use crate::domain::try_out::{Entry, Persona, State, TURNS_MAX, Talk};
use crate::http::{Job, Tester, async_trait};
use crate::store::{Store, StoreError};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// How often a model may use tools before it has to say something.
const ROUNDS_MAX: usize = 4;
/// Simulated callers that talk at one time.
const CALLERS_AT_ONCE: usize = 2;

/// Whoever tries agents. Clones are the same.
#[derive(Clone)]
pub struct Tries {
    chat: Result<Chat, String>,
    store: Store,
    clock: Arc<dyn Clock>,
    callers: Arc<Semaphore>,
}

impl Tries {
    /// With this model, or why there is none. Ends what was going on when the server stopped.
    pub async fn start(
        chat: Result<Chat, String>,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> Result<Tries, StoreError> {
        let ended = store.write(|tx| tx.end_interrupted_tries()).await?;
        if ended > 0 {
            tracing::warn!(conversations = ended, "conversations that tried an agent ended with the server");
        }
        Ok(Tries { chat, store, clock, callers: Arc::new(Semaphore::new(CALLERS_AT_ONCE)) })
    }

    /// Lets the agent answer, using its tools on the way, until it has said something or the call would be over.
    async fn answered(&self, chat: &Chat, job: &Job, talk: &mut Talk) -> Result<(), String> {
        for _ in 0..ROUNDS_MAX {
            let spoken = text::agent(chat, &job.brief, &talk.entries).await?;
            talk.used(spoken.used);
            if !spoken.text.is_empty() {
                talk.entries.push(Entry::agent(spoken.text));
            }
            let is_waiting = spoken.calls.is_empty();
            for Call { name, arguments, .. } in spoken.calls {
                let gate = Gate::new(&job.campaign, 0, Overall::default(), self.clock.now());
                talk.use_tool((&name, &arguments), &job.brief, &gate, job.about.as_ref());
            }
            if is_waiting || talk.is_over {
                break;
            }
        }
        if !talk.has_room() {
            talk.is_over = true;
        }
        if talk.is_over {
            self.judged(chat, &job.brief, talk).await;
        }
        Ok(())
    }

    /// Has a conversation judged that is over, as on a call. Where nobody can, nobody says.
    async fn judged(&self, chat: &Chat, brief: &Arc<Brief>, talk: &mut Talk) {
        if talk.verdict.is_some() && talk.has_used(ToolName::OptOut) {
            return;
        }
        match text::judge(chat, brief.clone(), &talk.entries, self.clock.now()).await {
            Ok(judgement) => talk.judge(judgement),
            Err(problem) => tracing::warn!(%problem, "a conversation that tried an agent cannot be judged"),
        }
    }

    /// A whole conversation with a simulated caller; what was said so far is written down as it goes.
    async fn played(&self, id: i64, persona: Persona, job: &Job) -> Result<(), String> {
        let chat = self.chat.as_ref().map_err(String::clone)?;
        let mut talk = Talk::open(&job.brief);
        let language = &job.campaign.settings.ai_voice_language;
        let outcome = async {
            for _ in 0..TURNS_MAX {
                let caller = text::caller(chat, persona, language, &talk.entries).await?;
                talk.used(caller.used);
                if !caller.text.is_empty() {
                    talk.entries.push(Entry::person(caller.text));
                    self.answered(chat, job, &mut talk).await?;
                    self.keep(id, &talk, State::Running, None).await?;
                }
                if talk.is_over || caller.hangs_up {
                    break;
                }
            }
            if !std::mem::replace(&mut talk.is_over, true) {
                self.judged(chat, &job.brief, &mut talk).await;
            }
            Ok::<_, String>(())
        };
        let outcome = outcome.await;
        match &outcome {
            Ok(()) => {
                let report = talk.report(persona, &job.brief);
                let ended = talk.clone();
                let written = self.store.write(move |tx| {
                    tx.keep_try(id, &ended, State::Ended, None)?;
                    tx.report_on_try(id, &report)
                });
                written.await.map_err(|error: StoreError| error.to_string())
            }
            Err(problem) => self.keep(id, &talk, State::Failed, Some(problem.clone())).await,
        }
    }

    async fn keep(&self, id: i64, talk: &Talk, state: State, detail: Option<String>) -> Result<(), String> {
        let talk = talk.clone();
        let written = self.store.write(move |tx| tx.keep_try(id, &talk, state, detail.as_deref()));
        written.await.map_err(|error: StoreError| error.to_string())
    }
}

#[async_trait]
impl Tester for Tries {
    fn model(&self) -> Result<String, String> {
        self.chat.as_ref().map(|chat| chat.model().to_owned()).map_err(String::clone)
    }

    async fn answer(&self, job: &Job, talk: &mut Talk) -> Result<(), String> {
        let chat = self.chat.as_ref().map_err(String::clone)?;
        self.answered(chat, job, talk).await
    }

    fn play(&self, id: i64, persona: Persona, job: Job) {
        let tries = self.clone();
        tokio::spawn(async move {
            // Closed by nobody.
            let Ok(_place) = tries.callers.acquire().await else { return };
            if let Err(problem) = tries.played(id, persona, &job).await {
                tracing::error!(conversation = id, %problem, "a conversation that tried an agent was not kept");
            }
        });
    }
}

impl fmt::Debug for Tries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tries").field("model", &self.model()).finish_non_exhaustive()
    }
}
