//! Conversations that a model plays, for both sides: what the agent would say, and somebody of the town. Nothing sounds;
//! words take as long as they would if they were said.

use super::Inner;
use super::exchange::Scene;
use crate::agent::chat::{Call, Chat};
use crate::agent::text;
use crate::domain::Instant;
use crate::domain::agent::{Brief, Line, Tool, ToolCall, Usage};
use crate::domain::call::LegEvent;
use crate::domain::outcome::Cause;
use crate::domain::script;
use crate::domain::try_out::{Entry, Persona, Speaker, TURNS_MAX};
use chrono::TimeDelta;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How often a model may use tools before it has to say something.
const ROUNDS_MAX: usize = 4;
/// How long a tool may take.
const REPLY_MAX: TimeDelta = TimeDelta::seconds(15);

/// A conversation that is being played. It ends when nobody listens to it any more.
pub(super) struct Play {
    pub(super) inner: Arc<Inner>,
    pub(super) chat: Chat,
    pub(super) brief: Arc<Brief>,
    pub(super) persona: Persona,
    /// Where it is heard.
    pub(super) scene: Scene,
    /// What became of tools, by their numbers.
    pub(super) replies: mpsc::UnboundedReceiver<(u64, String)>,
    pub(super) entries: Vec<Entry>,
    pub(super) at: Instant,
    pub(super) used: Usage,
    pub(super) tools: u64,
}

/// Why it goes no further.
enum Over {
    /// Nobody listens.
    Unheard,
    /// The person has hung up.
    HungUp,
    /// The model cannot go on; a sentence.
    Failed(String),
}

impl Play {
    /// Plays it to its end.
    pub(super) async fn run(mut self) {
        let over = match self.go_on().await {
            Ok(never) => match never {},
            Err(over) => over,
        };
        let event = match over {
            Over::Unheard => return,
            Over::Failed(problem) => LegEvent::AgentFailed(problem),
            Over::HungUp => {
                let judging = text::judge(&self.chat, self.brief.clone(), &self.entries, self.at);
                if let Ok(judgement) = judging.await {
                    self.tell(LegEvent::Judged(judgement));
                }
                LegEvent::Ended(Cause::RemoteHangup, None)
            }
        };
        self.tell(event);
    }

    async fn go_on(&mut self) -> Result<std::convert::Infallible, Over> {
        self.say(Speaker::Agent, self.brief.opening.clone()).await?;
        for _ in 0..TURNS_MAX {
            let language = &self.brief.voice.language;
            let caller = text::caller(&self.chat, self.persona, language, &self.entries).await;
            let caller = caller.map_err(Over::Failed)?;
            self.count(caller.used)?;
            if !caller.text.is_empty() {
                self.say(Speaker::Person, caller.text).await?;
            }
            if caller.hangs_up {
                return Err(Over::HungUp);
            }
            self.answer().await?;
        }
        Err(Over::HungUp)
    }

    /// Lets the agent answer, with its tools on the way.
    async fn answer(&mut self) -> Result<(), Over> {
        for _ in 0..ROUNDS_MAX {
            let spoken = text::agent(&self.chat, &self.brief, &self.entries).await.map_err(Over::Failed)?;
            self.count(spoken.used)?;
            if !spoken.text.is_empty() {
                self.say(Speaker::Agent, spoken.text).await?;
            }
            if spoken.calls.is_empty() {
                return Ok(());
            }
            for call in spoken.calls {
                self.use_tool(call).await?;
            }
        }
        Ok(())
    }

    async fn use_tool(&mut self, Call { name, arguments, .. }: Call) -> Result<(), Over> {
        self.tools += 1;
        let number = self.tools;
        let tool = Tool::read(&name, &arguments, &self.brief);
        self.heard(LegEvent::Asked(ToolCall { number, tool }))?;
        let until = self.inner.clock.steady() + REPLY_MAX;
        let answer = loop {
            tokio::select! {
                reply = self.replies.recv() => match reply {
                    Some((to, answer)) if to == number => break answer,
                    Some(_) => {}
                    // What ends the conversation is answered by ending it.
                    None => return Err(Over::Unheard),
                },
                () = self.inner.clock.sleep_until(until) => return Err(Over::Unheard),
            }
        };
        self.entries.push(Entry {
            speaker: Speaker::Tool,
            tool: Some(name),
            arguments: Some(arguments),
            answer: Some(answer),
            ..Entry::agent(String::new())
        });
        Ok(())
    }

    /// Something is said, and takes its time.
    async fn say(&mut self, speaker: Speaker, text: String) -> Result<(), Over> {
        let began_at = self.at.max(self.inner.clock.steady());
        let ended_at = self.inner.after(began_at, script::speech_ms(&text));
        self.inner.clock.sleep_until(ended_at).await;
        self.at = ended_at;
        let by_agent = speaker == Speaker::Agent;
        self.heard(LegEvent::Said(Line {
            by_agent,
            text: text.clone(),
            began_at,
            ended_at,
            is_cut_off: false,
        }))?;
        self.entries.push(Entry { speaker, ..Entry::agent(text) });
        Ok(())
    }

    fn count(&mut self, (input, output): (u64, u64)) -> Result<(), Over> {
        self.used.input_tokens += input;
        self.used.output_tokens += output;
        self.heard(LegEvent::AgentUsed(self.used.clone()))
    }

    fn heard(&mut self, event: LegEvent) -> Result<(), Over> {
        if self.tell(event) { Ok(()) } else { Err(Over::Unheard) }
    }

    /// False when nobody listens any more.
    fn tell(&self, event: LegEvent) -> bool {
        let at = self.inner.clock.steady();
        self.inner.change(|exchange| exchange.play(&self.scene, at, event))
    }
}
