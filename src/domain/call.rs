//! One dial: what the carrier reports, in whatever order, becomes commands to the leg and in the end one
//! ending; then everything that must change because of it. Pure: the dialer feeds it events and time.
//!
//! ```text
//!   Dialing ─ringing─► Ringing
//!      └──────┬───────────┘
//!   answered  │            ended / ring timeout
//!             ▼                     │
//!   (Announcing, on a call that is recorded)
//!             ▼
//!         Speaking ─machine─► LeavingMessage
//!   heard out │ │ │ "never again"            │
//!             │ │ └► OptingOut ─written─┐    │
//!             │ │ key                   ▼    │
//!             │ ├────────► Parting(outcome) ─┤
//!             │ │             ▲ refused      │
//!             │ └─► Connecting ─► Transferring ─accepted─┐
//!             ▼                              ▼           ▼
//!        Listening ──silence────────►  Ending(outcome) ──ended / nothing more──► Ended
//!             │ where a verdict is asked: once more from Speaking; then
//!             └────────► LastWords ──────────┘
//! ```
//! Where an agent talks, it does so in the place of the script:
//! ```text
//!   (Announcing) ──► Conversing ─end_call, time is up─► Ending(by the verdict)
//!        tool opt_out │ │ │ └─ transfer ─► Connecting
//!                     │ │ └─ the agent fails ─► Parting(carrier_error)
//!                     ▼ └─ machine ─► LeavingMessage
//!                OptingOut ─written down─► Parting(opted_out)
//! ```
//! Keys do in Listening and LastWords what they do in Speaking, and "never again" leads to OptingOut from wherever somebody
//! hears us. Every state takes `ended`; after `Ended` everything is ignored, so a call has exactly one ending.

use super::Instant;
use super::agent::{self, Brief, Judgement, Latency, Line, Tool, ToolCall, Usage, When};
use super::campaign::{Campaign, Totals};
use super::conversation::Conversation;
use super::keys::{Action, KeyMap};
use super::money::Money;
use super::outcome::{Category, Cause, Criteria, Outcome};
use super::phone::Phone;
use super::phrases::Phrases;
use super::recording::Recording;
use super::retry::{self, After, Again};
use super::transcript::Transcript;
use super::voice::Voice;
use super::{budget, lead::LeadStatus};
use crate::words;
use chrono::TimeDelta;
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

/// What a carrier reports about a leg. May come late, twice or out of order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegEvent {
    /// The phone rings.
    Ringing,
    /// Somebody or something picked up.
    Answered,
    /// A machine picked up, not a person.
    MachineDetected,
    /// The last [`LegCommand::Speak`] is being heard from now on; not told where that is at once.
    SpeechBegan,
    /// The last [`LegCommand::Speak`] was heard to its end.
    SpeechEnded,
    /// A key was pressed: `0`–`9`, `*` or `#`.
    Digit(char),
    /// The person said that they do not want to be called again.
    OptOutAsked,
    /// The carrier has put the person through as it was told; the leg may be hung up.
    Transferred,
    /// The carrier cannot put the person through; they are still on the line. Why, in a sentence.
    TransferRefused(String),
    /// The call is being recorded from now on.
    RecordingBegan,
    /// The call was recorded. Comes before the end, unless the disk is slow.
    Recorded(Recording),
    /// The call is not recorded although it should be, or no longer; why.
    NotRecorded(String),
    /// Keys that are pressed on the call may not be heard; why.
    KeysUnheard(String),
    /// Something was said in a conversation, by either side.
    Said(Line),
    /// The agent wants to use a tool; answered by [`LegCommand::Reply`], unless the conversation ends of it.
    Asked(ToolCall),
    /// How long a turn of a conversation took.
    Turn(Latency),
    /// What a conversation has used so far, all in all.
    AgentUsed(Usage),
    /// The agent cannot go on and has fallen silent; the person is still on the line. Why, in a sentence.
    AgentFailed(String),
    /// What the words of a conversation came to that is over. Comes before the end.
    Judged(Judgement),
    /// The leg is over. The last event of a leg, however badly it behaves.
    Ended(Cause, Option<String>),
}

/// What the dialer tells a leg to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegCommand {
    /// Say this; `speech_ms` is the estimated length.
    Speak {
        /// What to say.
        text: String,
        /// Estimated length in milliseconds.
        speech_ms: u64,
    },
    /// Put the person through to another number. Until the carrier has reported how that went, nothing is said.
    Transfer {
        /// The number.
        to: Phone,
    },
    /// Record the call, from the beginning of what is said next. Nobody may be recorded who has not been told.
    Record,
    /// Let the agent talk with whoever picked up, from its opening on. Ends with the next command to say something, to
    /// put the person through or to end the call.
    Converse(Arc<Brief>),
    /// What became of a tool that the agent asked for.
    Reply {
        /// The number under which it was asked for.
        number: u64,
        /// A sentence for the model.
        answer: String,
    },
    /// Press these keys for the other side; the conversation goes on.
    SendDigits(String),
    /// Let what the agent is saying be heard, for 5 s at most, and then end the call.
    Finish,
    /// End the call.
    HangUp,
}

words! {
    /// How far a call has come, as stored.
    pub enum CallState {
        /// Given to the carrier, or about to be.
        Placed = "placed",
        /// Ringing.
        Ringing = "ringing",
        /// Picked up.
        Answered = "answered",
        /// Over.
        Ended = "ended",
    }
}

words! {
    /// How far calls have come, for whoever looks for some of them.
    pub enum Stage {
        /// Given to the carrier, or about to be.
        Placed = "placed",
        /// Ringing.
        Ringing = "ringing",
        /// Picked up.
        Answered = "answered",
        /// Over.
        Ended = "ended",
        /// Not over.
        Alive = "alive",
    }
}

/// A call as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Never reused.
    pub id: i64,
    /// Its campaign.
    pub campaign_id: i64,
    /// Its lead.
    pub lead_id: i64,
    /// The how-manieth dial of the lead, from 1.
    pub attempt: i64,
    /// The number dialed.
    pub phone: Phone,
    /// Which carrier placed it; `simulator` says that nobody's phone rang.
    pub carrier: String,
    /// How far it has come.
    pub state: CallState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Whether it met the success criteria; none until it has ended.
    pub successful: Option<bool>,
    /// A sentence about the end, where the outcome does not say it all.
    pub detail: Option<String>,
    /// When it was claimed, just before the carrier was asked.
    pub placed_at: Instant,
    /// When it was picked up.
    pub answered_at: Option<Instant>,
    /// When it was over.
    pub ended_at: Option<Instant>,
    /// What it costs when it is picked up, at the price it was placed at.
    pub price: Money,
    /// What it cost.
    pub cost: Money,
    /// Attempts that were allowed when it was placed.
    pub max_attempts: i64,
    /// Delay before another attempt, as it was when it was placed.
    pub retry_delay: TimeDelta,
    /// What was in force when it was placed, for whoever asks why it was allowed.
    pub evidence: serde_json::Value,
    /// What happened when: `[{"at","event"}]`.
    pub timeline: serde_json::Value,
    /// Who wanted it to end while it was alive.
    pub hung_up_by: Option<String>,
    /// When the person was promised another call.
    pub call_back_at: Option<Instant>,
}

/// What a call needs to know to run by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The script, rendered, with what is said of opting out.
    pub script: String,
    /// What to say when the main path cannot go on, rendered.
    pub fallback: Option<String>,
    /// What is said first because the call is recorded; none when it is not.
    pub announcement: Option<String>,
    /// Who says it.
    pub voice: Voice,
    /// What counts as a success.
    pub criteria: Criteria,
    /// Uploaded prompts that are played, each with the words of a script that it stands for.
    pub prompts: Vec<(i64, String)>,
    /// What the keys do.
    pub keys: KeyMap,
    /// How long a key is waited for when the script was heard out.
    pub key_wait: TimeDelta,
    /// What is said beside the script.
    pub phrases: &'static Phrases,
    /// Whether another call may follow, for whoever wants to be called at another time.
    pub may_call_back: bool,
    /// Whoever is on the line called us and did not show a number, so that none can be put onto the do-not-call list.
    pub is_anonymous: bool,
    /// Where the person may be put through to.
    pub transfer_to: Option<Phone>,
    /// Whether machines are told from people; none leaves it to the carrier.
    pub machine_detection: Option<bool>,
    /// How long the phone may ring.
    pub ring_timeout: TimeDelta,
    /// How long an answered call may last.
    pub duration_max: TimeDelta,
    /// What the agent is told that talks with a person; none where the script is said.
    pub agent: Option<Arc<Brief>>,
}

impl Plan {
    /// How long a key is waited for after this script, which is said to its end: not at all where no key was told of.
    pub fn key_wait(keys: &KeyMap, is_told_opt_out: bool) -> TimeDelta {
        let asks = |action| match action {
            Action::Yes | Action::No | Action::CallBack | Action::Transfer => true,
            Action::OptOut | Action::Repeat => false,
        };
        match (keys.actions().any(asks), is_told_opt_out) {
            (true, _) => KEY_WAIT,
            (false, true) => OPT_OUT_WAIT,
            (false, false) => TimeDelta::zero(),
        }
    }

    /// All that may be said, each once, what is said first before the rest; of an agent only what is said in its place.
    pub fn words(&self) -> Vec<String> {
        let first = self.agent.as_ref().map_or(&self.script, |brief| &brief.opening);
        let mut words: Vec<String> = self.announcement.iter().chain([first]).cloned().collect();
        words.extend(self.fallback.clone());
        if self.agent.is_some() {
            // Whether or not there is a key for it.
            words.extend([self.phrases.trouble, self.opted_out()].map(str::to_owned));
            let phrases = self.phrases;
            words.extend(
                self.transfer_to.iter().flat_map(|_| [phrases.connecting, phrases.nobody]).map(str::to_owned),
            );
            return words;
        }
        for action in self.keys.actions() {
            words.extend(self.said_after(action).map(str::to_owned));
            words.extend((action == Action::Transfer).then(|| self.phrases.nobody.to_owned()));
        }
        let mut seen = HashSet::new();
        words.retain(|text| seen.insert(text.clone()));
        words
    }

    fn opted_out(&self) -> &'static str {
        if self.is_anonymous { self.phrases.not_listed } else { self.phrases.opted_out }
    }

    fn said_after(&self, action: Action) -> Option<&'static str> {
        match action {
            Action::OptOut => Some(self.opted_out()),
            // Nobody is promised a call that will not come.
            Action::CallBack if !self.may_call_back => Some(self.phrases.no_call_back),
            Action::Transfer if self.transfer_to.is_none() => None,
            action => self.phrases.after(action),
        }
    }
}

/// Where a call is; see the drawing above.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Dialing,
    Ringing,
    Announcing,
    Speaking,
    Conversing,
    OptingOut { until: Instant },
    Listening { until: Instant },
    LastWords,
    LeavingMessage,
    Connecting { to: Phone },
    Transferring { until: Instant },
    Parting { outcome: Outcome, until: Instant },
    Ending { outcome: Outcome, until: Instant },
    Ended,
}

/// What a wish not to be called again has put onto the do-not-call list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The number of the call.
    Listed,
    /// None: whoever calls us did not show their number, or showed none that there is.
    Nothing,
}

/// What the dialer must do after an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell the leg.
    Command(LegCommand),
    /// The call has come so far; write it down.
    Progress(CallState),
    /// The agent was asked for another call at this time: write it down if it may be, then say so with
    /// [`LiveCall::call_back_written`].
    CallBack {
        /// The tool call that asks for it.
        number: u64,
        /// When.
        when: When,
    },
    /// The call is over; settle it.
    Ended(Ending),
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The outcome.
    pub outcome: Outcome,
    /// When it was picked up.
    pub answered_at: Option<Instant>,
    /// When it was over.
    pub ended_at: Instant,
    /// A sentence, where the outcome does not say it all.
    pub detail: Option<String>,
    /// What is kept of the conversation; none where no agent talked.
    pub conversation: Option<serde_json::Value>,
}

impl Ending {
    /// The end of a call that nobody saw, because the server stopped.
    pub fn interrupted(answered_at: Option<Instant>, ended_at: Instant) -> Ending {
        let detail = Some("The server stopped during this call; nobody saw its end".to_owned());
        Ending { outcome: Outcome::Interrupted, answered_at, ended_at, detail, conversation: None }
    }

    /// The same end with its instants moved, from steady to wall time.
    pub fn shifted(self, shift: TimeDelta) -> Ending {
        let answered_at = self.answered_at.map(|at| at + shift);
        Ending { answered_at, ended_at: self.ended_at + shift, ..self }
    }
}

/// A call while it is alive. All its instants are steady time, so that a wall clock that is set lengthens no
/// call and shortens none.
#[derive(Clone, Debug)]
pub struct LiveCall {
    plan: Plan,
    phase: Phase,
    placed_at: Instant,
    answered_at: Option<Instant>,
    machine: bool,
    /// The script is being said for the second time without having been asked for, or was.
    is_repeated: bool,
    /// When the announcement was heard out; a carrier that repeats itself tells of no other end.
    announced_at: Option<Instant>,
    /// The script was heard to its end.
    is_heard_out: bool,
    /// What there is to say about the end, should it have no words of its own.
    detail: Option<String>,
    /// What was seen, for the timeline.
    timeline: Vec<(Instant, Cow<'static, str>)>,
    transcript: Transcript,
    /// None where no agent talks.
    conversation: Option<Conversation>,
}

/// How long a person may think before pressing a key.
const KEY_WAIT: TimeDelta = TimeDelta::seconds(8);
/// How long where the only choice is to opt out.
const OPT_OUT_WAIT: TimeDelta = TimeDelta::seconds(3);
/// How long a carrier has to put somebody through.
const TRANSFER_WAIT: TimeDelta = TimeDelta::seconds(45);
/// How much longer than thought the last words may take.
const PARTING_GRACE: TimeDelta = TimeDelta::seconds(5);
/// How much later than the ring timeout we give up ourselves; the carrier normally does it before.
const RING_GRACE: TimeDelta = TimeDelta::seconds(5);
/// How long a carrier has to confirm a hang-up.
const HANGUP_WAIT: TimeDelta = TimeDelta::seconds(10);
/// How long words of the agent that are being said may still take when it ends the call.
const FINISH_WAIT: TimeDelta = TimeDelta::seconds(5);
/// How long the last words of a conversation may be listened to and all of them judged before its end is reported.
const JUDGE_WAIT: TimeDelta = TimeDelta::seconds(14);
/// How long somebody who wants no more calls waits for it to be written down before they are told so.
const OPT_OUT_WRITE_WAIT: TimeDelta = TimeDelta::seconds(10);
/// A peer that presses keys for ever must not fill the memory.
const TIMELINE_MAX: usize = 100;

impl LiveCall {
    /// A call that the carrier is about to be asked for.
    pub fn new(plan: Plan, placed_at: Instant) -> LiveCall {
        LiveCall {
            conversation: plan.agent.as_deref().map(Conversation::of),
            plan,
            phase: Phase::Dialing,
            placed_at,
            answered_at: None,
            machine: false,
            is_repeated: false,
            announced_at: None,
            is_heard_out: false,
            detail: None,
            timeline: vec![(placed_at, "placed".into())],
            transcript: Transcript::default(),
        }
    }

    /// A call that somebody makes to us, and that is about to be answered.
    pub fn incoming(plan: Plan, came_at: Instant) -> LiveCall {
        LiveCall { timeline: vec![(came_at, "came in".into())], ..LiveCall::new(plan, came_at) }
    }

    /// When it must be looked at again even if the carrier says nothing.
    pub fn deadline(&self) -> Instant {
        match self.phase {
            Phase::Dialing | Phase::Ringing => self.placed_at + self.plan.ring_timeout + RING_GRACE,
            Phase::Listening { until } | Phase::OptingOut { until } => until.min(self.duration_end()),
            Phase::Announcing
            | Phase::Speaking
            | Phase::Conversing
            | Phase::LastWords
            | Phase::LeavingMessage
            | Phase::Connecting { .. } => self.duration_end(),
            Phase::Transferring { until } | Phase::Parting { until, .. } => until.min(self.duration_end()),
            Phase::Ending { until, .. } => until,
            Phase::Ended => Instant::MAX_UTC,
        }
    }

    /// Takes in what the carrier reported.
    pub fn on(&mut self, event: LegEvent, at: Instant) -> Vec<Effect> {
        if self.phase == Phase::Ended {
            return Vec::new();
        }
        self.note(&event, at);
        self.transcript.hear(&event, at);
        let effects = match event {
            LegEvent::Ringing => self.ringing(),
            LegEvent::Answered => self.answered(at),
            LegEvent::MachineDetected => self.machine_detected(at),
            LegEvent::SpeechEnded => self.heard(at, |call| call.speech_ended(at)),
            LegEvent::SpeechBegan
            | LegEvent::RecordingBegan
            | LegEvent::Recorded(_)
            | LegEvent::NotRecorded(_)
            | LegEvent::KeysUnheard(_) => Vec::new(),
            LegEvent::Digit(digit) => self.heard(at, |call| call.digit(digit, at)),
            LegEvent::OptOutAsked => self.heard(at, |call| call.part(Action::OptOut, at)),
            LegEvent::Said(line) => self.heard(at, |call| call.said(&line)),
            LegEvent::Asked(asked) => self.heard(at, |call| call.asked(asked, at)),
            LegEvent::AgentFailed(why) => self.heard(at, |call| call.agent_failed(why, at)),
            LegEvent::Turn(latency) => self.keep(|kept| kept.turn(latency)),
            LegEvent::AgentUsed(usage) => self.keep(|kept| kept.used(usage)),
            LegEvent::Judged(judgement) => self.judged(judgement, at),
            LegEvent::Transferred => self.transferred(at),
            LegEvent::TransferRefused(why) => self.transfer_refused(why, at),
            LegEvent::Ended(cause, detail) => self.ended(cause, detail, at),
        };
        self.transcript.follow(&effects, at);
        effects
    }

    /// Takes in that time has passed; does nothing before [`Self::deadline`].
    pub fn on_time(&mut self, now: Instant) -> Vec<Effect> {
        if now < self.deadline() {
            return Vec::new();
        }
        let effects = match self.phase.clone() {
            Phase::Dialing | Phase::Ringing => self.end(Outcome::NoAnswer, now),
            Phase::Listening { .. } if now < self.duration_end() => self.nothing_pressed(now),
            Phase::Announcing
            | Phase::Speaking
            | Phase::Listening { .. }
            | Phase::LastWords
            | Phase::Connecting { .. } => self.end(self.without_a_key(), now),
            Phase::Conversing => self.end(self.concluded(), now),
            Phase::OptingOut { .. } => self.end(Outcome::OptedOut, now),
            Phase::LeavingMessage => self.end(Outcome::Voicemail, now),
            Phase::Transferring { .. } => {
                self.transfer_refused("The carrier never reported how the transfer went".to_owned(), now)
            }
            Phase::Parting { outcome, .. } => self.end(outcome, now),
            Phase::Ending { outcome, .. } => self.give_up(outcome, now),
            Phase::Ended => Vec::new(),
        };
        self.transcript.follow(&effects, now);
        effects
    }

    /// Takes the call back: hangs up, whatever it is doing. Whoever has just said that they want no calls is told that
    /// they will get none; that this was written down is what takes their call back.
    pub fn cancel(&mut self, now: Instant) -> Vec<Effect> {
        let effects = match self.phase {
            Phase::OptingOut { .. }
            | Phase::Parting { outcome: Outcome::OptedOut, .. }
            | Phase::Ending { .. }
            | Phase::Ended => Vec::new(),
            Phase::Parting { outcome, .. } => self.end(outcome, now),
            Phase::Conversing => self.end(self.reported().unwrap_or(Outcome::Canceled), now),
            Phase::Dialing
            | Phase::Ringing
            | Phase::Announcing
            | Phase::Speaking
            | Phase::Listening { .. }
            | Phase::LastWords
            | Phase::LeavingMessage
            | Phase::Connecting { .. }
            | Phase::Transferring { .. } => self.end(Outcome::Canceled, now),
        };
        self.transcript.follow(&effects, now);
        effects
    }

    /// Whether this key is the wish not to be called again.
    pub fn opts_out(&self, key: char) -> bool {
        self.plan.keys.action(key) == Some(Action::OptOut)
    }

    /// When it was picked up.
    pub fn answered_at(&self) -> Option<Instant> {
        self.answered_at
    }

    /// How it ends when the server stops before it does: what was concluded holds, what was not is unknown.
    pub fn interrupted(&self, now: Instant) -> Ending {
        let conversation = self.conversation();
        let ending = Ending { conversation, ..Ending::interrupted(self.answered_at, now) };
        let concluded =
            |outcome| Ending { outcome, answered_at: self.answered_at.or(Some(now)), ..ending.clone() };
        match self.phase {
            Phase::Ending { outcome, .. } | Phase::Parting { outcome, .. }
                if outcome.category(self.answered_at.is_some()) == Category::Completed =>
            {
                concluded(outcome)
            }
            Phase::OptingOut { .. } => concluded(Outcome::OptedOut),
            Phase::Conversing => self.reported().map_or_else(|| ending.clone(), concluded),
            Phase::Dialing
            | Phase::Ringing
            | Phase::Announcing
            | Phase::Speaking
            | Phase::Listening { .. }
            | Phase::LastWords
            | Phase::LeavingMessage
            | Phase::Connecting { .. }
            | Phase::Transferring { .. }
            | Phase::Parting { .. }
            | Phase::Ending { .. }
            | Phase::Ended => ending,
        }
    }

    /// What was seen so far, as stored in [`Call::timeline`]; `shift` leads from steady to wall time.
    pub fn timeline(&self, shift: TimeDelta) -> serde_json::Value {
        let entry = |(at, event): &(Instant, Cow<str>)| serde_json::json!({"at": super::schedule::format_instant(*at + shift), "event": event});
        self.timeline.iter().map(entry).collect()
    }

    /// What is kept of the conversation; none where no agent talked.
    fn conversation(&self) -> Option<serde_json::Value> {
        let kept = self.conversation.as_ref().filter(|kept| kept.has_begun())?;
        Some(kept.shown(self.answered_at))
    }

    /// Whether an agent talks on it, or will if a person picks up.
    pub fn needs_agent(&self) -> bool {
        self.plan.agent.is_some()
    }

    /// Whether the agent failed; none where it was not asked to talk.
    pub fn has_agent_failed(&self) -> Option<bool> {
        self.conversation.as_ref().filter(|kept| kept.has_begun()).map(Conversation::has_failed)
    }

    /// What was said and pressed so far, in seconds since the answer.
    pub fn transcript(&self) -> serde_json::Value {
        self.transcript.shown(self.answered_at)
    }

    fn duration_end(&self) -> Instant {
        self.answered_at.unwrap_or(self.placed_at) + self.plan.duration_max
    }

    fn note(&mut self, event: &LegEvent, at: Instant) {
        let text: Cow<str> = match event {
            LegEvent::Ringing => "ringing".into(),
            LegEvent::Answered => "answered".into(),
            LegEvent::MachineDetected => "machine detected".into(),
            LegEvent::SpeechEnded => "heard to the end".into(),
            LegEvent::Digit(digit) => format!("pressed {digit}").into(),
            LegEvent::OptOutAsked => "asked not to be called again".into(),
            LegEvent::RecordingBegan => "recording".into(),
            LegEvent::NotRecorded(reason) => format!("not recorded: {reason}").into(),
            LegEvent::KeysUnheard(reason) => format!("keys may not be heard: {reason}").into(),
            LegEvent::Asked(asked) => format!("the agent asked for {}", asked.tool.name()).into(),
            LegEvent::AgentFailed(_) => "the agent failed".into(),
            LegEvent::Judged(Judgement { no_more_calls: Some(_), .. }) => {
                "asked not to be called again, judged by their words".into()
            }
            LegEvent::Judged(_) => "judged by its words".into(),
            LegEvent::SpeechBegan
            | LegEvent::Recorded(_)
            | LegEvent::Said(_)
            | LegEvent::Turn(_)
            | LegEvent::AgentUsed(_) => return,
            LegEvent::Transferred => "transferred".into(),
            LegEvent::TransferRefused(_) => "transfer refused".into(),
            LegEvent::Ended(cause, _) => format!("ended: {cause}").into(),
        };
        if self.timeline.len() < TIMELINE_MAX || matches!(event, LegEvent::Ended(..)) {
            self.timeline.push((at, text));
        }
    }

    /// What can only come from an answered call tells of the answer, should its own report be late or lost.
    fn heard(&mut self, at: Instant, then: impl FnOnce(&mut LiveCall) -> Vec<Effect>) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.answered_at.is_none() {
            self.answered_at = Some(at);
            effects.push(Effect::Progress(CallState::Answered));
        }
        effects.extend(then(self));
        effects
    }

    fn ringing(&mut self) -> Vec<Effect> {
        if self.phase != Phase::Dialing {
            return Vec::new();
        }
        self.phase = Phase::Ringing;
        vec![Effect::Progress(CallState::Ringing)]
    }

    fn answered(&mut self, at: Instant) -> Vec<Effect> {
        if self.answered_at.is_some() {
            return Vec::new();
        }
        self.answered_at = Some(at);
        let mut effects = vec![Effect::Progress(CallState::Answered)];
        if matches!(self.phase, Phase::Dialing | Phase::Ringing) {
            effects.extend(if self.machine { self.talk_to_machine(at) } else { self.talk_to_person() });
        }
        effects
    }

    /// Whoever is recorded is told so before anything else.
    fn talk_to_person(&mut self) -> Vec<Effect> {
        match &self.plan.announcement {
            Some(announcement) => {
                self.phase = Phase::Announcing;
                vec![Effect::Command(LegCommand::Record), speak(announcement)]
            }
            None => self.begin(),
        }
    }

    /// Says the script, or has the agent talk in its place.
    fn begin(&mut self) -> Vec<Effect> {
        match &self.plan.agent {
            Some(brief) => {
                let effects = vec![Effect::Command(LegCommand::Converse(brief.clone()))];
                self.phase = Phase::Conversing;
                self.keep(Conversation::begin);
                effects
            }
            None => {
                self.phase = Phase::Speaking;
                vec![speak(&self.plan.script)]
            }
        }
    }

    fn machine_detected(&mut self, at: Instant) -> Vec<Effect> {
        let is_new = !std::mem::replace(&mut self.machine, true);
        match self.phase {
            Phase::Dialing | Phase::Ringing => self.answered(at),
            Phase::Announcing
            | Phase::Speaking
            | Phase::Conversing
            | Phase::Listening { .. }
            | Phase::LastWords
                if is_new =>
            {
                self.talk_to_machine(at)
            }
            // The script was shorter than the detection: it was heard out, but by nobody.
            Phase::Ending { outcome: Outcome::Success, until } => {
                self.phase = Phase::Ending { outcome: Outcome::MessageLeft, until };
                Vec::new()
            }
            Phase::Announcing
            | Phase::Speaking
            | Phase::Conversing
            | Phase::OptingOut { .. }
            | Phase::Listening { .. }
            | Phase::LastWords
            | Phase::LeavingMessage
            | Phase::Connecting { .. }
            | Phase::Transferring { .. }
            | Phase::Parting { .. }
            | Phase::Ending { .. }
            | Phase::Ended => Vec::new(),
        }
    }

    fn talk_to_machine(&mut self, at: Instant) -> Vec<Effect> {
        match &self.plan.fallback {
            Some(message) => {
                let effects = vec![speak(message)];
                self.phase = Phase::LeavingMessage;
                effects
            }
            None => self.end(Outcome::Voicemail, at),
        }
    }

    fn speech_ended(&mut self, at: Instant) -> Vec<Effect> {
        if self.announced_at.is_some_and(|announced_at| at <= announced_at) {
            return Vec::new();
        }
        match self.phase {
            Phase::Announcing => {
                self.announced_at = Some(at);
                self.begin()
            }
            Phase::Speaking => {
                self.is_heard_out = true;
                let wait = self.plan.key_wait;
                if wait.is_zero() {
                    return self.end(self.without_a_key(), at);
                }
                self.phase = Phase::Listening { until: at + wait };
                Vec::new()
            }
            Phase::LastWords => self.end(Outcome::NoInput, at),
            Phase::LeavingMessage => self.end(Outcome::MessageLeft, at),
            Phase::Connecting { to } => {
                self.phase = Phase::Transferring { until: at + TRANSFER_WAIT };
                vec![Effect::Command(LegCommand::Transfer { to })]
            }
            Phase::Parting { outcome, .. } => self.end(outcome, at),
            Phase::Dialing
            | Phase::Ringing
            | Phase::Conversing
            | Phase::OptingOut { .. }
            | Phase::Listening { .. }
            | Phase::Transferring { .. }
            | Phase::Ending { .. }
            | Phase::Ended => Vec::new(),
        }
    }

    /// What a call concludes on which no key was pressed: where no verdict is asked, whether the script was heard.
    fn without_a_key(&self) -> Outcome {
        match self.plan.criteria {
            Criteria::CallCompleted | Criteria::MessageLeft if self.is_heard_out => Outcome::Success,
            Criteria::CallCompleted | Criteria::MessageLeft | Criteria::Verdict => Outcome::NoInput,
        }
    }

    /// A key to opt out counts whatever is going on, any other one while a script is said; an agent is told of them by the
    /// leg.
    fn digit(&mut self, digit: char, at: Instant) -> Vec<Effect> {
        let talking = self.plan.agent.is_none()
            && matches!(
                self.phase,
                Phase::Announcing | Phase::Speaking | Phase::Listening { .. } | Phase::LastWords
            );
        match self.plan.keys.action(digit) {
            Some(Action::OptOut) => self.part(Action::OptOut, at),
            Some(Action::Repeat) if talking => {
                self.phase = Phase::Speaking;
                vec![speak(&self.plan.script)]
            }
            Some(Action::Transfer) if talking => match self.plan.transfer_to {
                Some(to) => self.connect(to),
                None => self.nobody("The number to transfer to may not be called".to_owned(), at),
            },
            Some(action @ (Action::Yes | Action::No | Action::CallBack)) if talking => self.part(action, at),
            Some(Action::Yes | Action::No | Action::CallBack | Action::Transfer | Action::Repeat) | None => {
                Vec::new()
            }
        }
    }

    fn connect(&mut self, to: Phone) -> Vec<Effect> {
        self.phase = Phase::Connecting { to };
        vec![speak(self.plan.phrases.connecting)]
    }

    /// Something was said. Whoever heard the opening of the agent to its end has heard what there was to say.
    fn said(&mut self, line: &Line) -> Vec<Effect> {
        let is_opening = line.by_agent && self.keep_opening();
        self.is_heard_out |= is_opening && !line.is_cut_off;
        Vec::new()
    }

    /// Whether this is the first line of the agent.
    fn keep_opening(&mut self) -> bool {
        self.conversation.as_mut().is_some_and(Conversation::open)
    }

    fn keep(&mut self, keep: impl FnOnce(&mut Conversation)) -> Vec<Effect> {
        if let Some(conversation) = &mut self.conversation {
            keep(conversation);
        }
        Vec::new()
    }

    /// The agent asks for a tool. What must be written down first is answered later; a wish not to be called again counts
    /// whatever is going on.
    fn asked(&mut self, asked: ToolCall, at: Instant) -> Vec<Effect> {
        let ToolCall { number, tool } = asked;
        let is_one_more = self.conversation.as_mut().is_some_and(|kept| kept.asked(number, &tool, at));
        if tool == Tool::OptOut {
            return self.part(Action::OptOut, at);
        }
        if self.phase != Phase::Conversing {
            return Vec::new();
        }
        if !is_one_more {
            return self.finish(at);
        }
        match tool {
            Tool::ReportOutcome(verdict) => {
                let answer = agent::reported(&verdict);
                self.keep(|kept| kept.reported(verdict));
                self.reply(number, answer.to_owned())
            }
            Tool::ScheduleCallback(when) if self.plan.may_call_back => {
                vec![Effect::CallBack { number, when }]
            }
            Tool::ScheduleCallback(_) => self.reply(number, agent::NO_CALL_BACK.to_owned()),
            Tool::Transfer => match self.plan.transfer_to {
                Some(to) => self.connect(to),
                None => self.reply(number, agent::NO_TRANSFER.to_owned()),
            },
            Tool::SendDigits(digits) => {
                let mut effects = vec![Effect::Command(LegCommand::SendDigits(digits))];
                effects.extend(self.reply(number, agent::DIGITS_SENT.to_owned()));
                effects
            }
            Tool::EndCall => self.finish(at),
            Tool::Misused(why) => self.reply(number, why),
            Tool::OptOut => Vec::new(),
        }
    }

    fn reply(&mut self, number: u64, answer: String) -> Vec<Effect> {
        self.keep(|kept| kept.answered(number, &answer));
        vec![Effect::Command(LegCommand::Reply { number, answer })]
    }

    /// Another call was written down, or why it was not, each in a sentence for the model.
    pub fn call_back_written(&mut self, number: u64, written: Result<String, String>) -> Vec<Effect> {
        self.keep(|kept| kept.arranged(written.is_ok()));
        match self.phase {
            Phase::Conversing => self.reply(number, written.unwrap_or_else(|why| why)),
            _ => Vec::new(),
        }
    }

    /// What became of the wish not to be called again; only now is the person told of it.
    pub fn opt_out_written(&mut self, written: Written, now: Instant) -> Vec<Effect> {
        let (words, answer) = match written {
            Written::Listed => (self.plan.phrases.opted_out, agent::OPTED_OUT),
            Written::Nothing => (self.plan.phrases.not_listed, agent::NOT_LISTED),
        };
        self.keep(|kept| kept.opted_out(answer));
        let effects = match self.phase {
            Phase::OptingOut { .. } => self.say_goodbye(words, Outcome::OptedOut, now),
            _ => Vec::new(),
        };
        self.transcript.follow(&effects, now);
        effects
    }

    /// Has the agent's last words heard, then hangs up.
    fn finish(&mut self, at: Instant) -> Vec<Effect> {
        self.phase =
            Phase::Ending { outcome: self.concluded(), until: at + FINISH_WAIT + self.hang_up_wait() };
        vec![Effect::Command(LegCommand::Finish)]
    }

    /// The words were read once more. A wish not to be called again that nobody acted on overrides what was concluded; how
    /// it came out counts where the agent has not said so, and has not failed.
    fn judged(&mut self, judgement: Judgement, at: Instant) -> Vec<Effect> {
        let Judgement { verdict, no_more_calls } = judgement;
        if self.has_agent_failed() == Some(false) {
            self.keep(|kept| kept.judged(verdict));
        }
        match no_more_calls {
            Some(_) => self.end(Outcome::OptedOut, at),
            None => Vec::new(),
        }
    }

    /// Nobody is left in silence with an agent that cannot go on.
    fn agent_failed(&mut self, why: String, at: Instant) -> Vec<Effect> {
        self.keep(|kept| kept.failed(why.clone()));
        if self.phase != Phase::Conversing {
            return Vec::new();
        }
        self.detail = Some(why);
        let words = self.plan.fallback.clone().unwrap_or_else(|| self.plan.phrases.trouble.to_owned());
        self.say_goodbye(&words, self.reported().unwrap_or(Outcome::CarrierError), at)
    }

    /// What the agent itself has said that the call came to.
    fn reported(&self) -> Option<Outcome> {
        self.conversation.as_ref().and_then(Conversation::reported_outcome)
    }

    /// The same, or what the words of the conversation came to afterwards.
    fn by_verdict(&self) -> Option<Outcome> {
        self.conversation.as_ref().and_then(Conversation::outcome)
    }

    /// What a call comes to that ends now.
    fn concluded(&self) -> Outcome {
        self.by_verdict().unwrap_or_else(|| self.without_a_key())
    }

    /// How long a leg has to report its end once it was told to end.
    fn hang_up_wait(&self) -> TimeDelta {
        match self.has_agent_failed() {
            Some(_) => HANGUP_WAIT + JUDGE_WAIT,
            None => HANGUP_WAIT,
        }
    }

    /// Only then does a report about a transfer mean anything.
    fn is_transferring(&self) -> bool {
        matches!(self.phase, Phase::Transferring { .. })
    }

    fn transferred(&mut self, at: Instant) -> Vec<Effect> {
        match self.is_transferring() {
            // Being put through may be just what the campaign wants.
            true if self.reported() == Some(Outcome::Success) => self.end(Outcome::Success, at),
            true => self.end(Outcome::Transferred, at),
            false => Vec::new(),
        }
    }

    fn transfer_refused(&mut self, why: String, at: Instant) -> Vec<Effect> {
        match self.is_transferring() {
            true => self.nobody(why, at),
            false => Vec::new(),
        }
    }

    /// Tells somebody that there is nobody to put them through to.
    fn nobody(&mut self, why: String, at: Instant) -> Vec<Effect> {
        self.detail = Some(why);
        self.say_goodbye(self.plan.phrases.nobody, self.concluded(), at)
    }

    /// Takes leave of a person who has made up their mind. Whoever wants no more calls is told so when that is written down.
    fn part(&mut self, action: Action, at: Instant) -> Vec<Effect> {
        let outcome = match action {
            Action::Yes => Outcome::Success,
            Action::No => Outcome::Declined,
            Action::CallBack => Outcome::Callback,
            Action::OptOut => Outcome::OptedOut,
            Action::Transfer | Action::Repeat => return Vec::new(),
        };
        match self.phase {
            Phase::OptingOut { .. } | Phase::Parting { outcome: Outcome::OptedOut, .. } => Vec::new(),
            // The line hears nothing yet, or nothing any more.
            Phase::Dialing | Phase::Ringing | Phase::Ending { .. } | Phase::Ended => self.end(outcome, at),
            Phase::Announcing
            | Phase::Speaking
            | Phase::Conversing
            | Phase::Listening { .. }
            | Phase::LastWords
            | Phase::LeavingMessage
            | Phase::Connecting { .. }
            | Phase::Transferring { .. }
            | Phase::Parting { .. } => match (action, self.plan.said_after(action)) {
                (Action::OptOut, _) => {
                    self.phase = Phase::OptingOut { until: at + OPT_OUT_WRITE_WAIT };
                    Vec::new()
                }
                (_, Some(words)) => self.say_goodbye(words, outcome, at),
                (_, None) => self.end(outcome, at),
            },
        }
    }

    /// Says the last words, if there is time for them, and then hangs up with this outcome.
    fn say_goodbye(&mut self, words: &str, outcome: Outcome, at: Instant) -> Vec<Effect> {
        let length = TimeDelta::milliseconds(super::script::speech_ms(words).cast_signed());
        if at + length > self.duration_end() {
            return self.end(outcome, at);
        }
        self.phase = Phase::Parting { outcome, until: at + length + PARTING_GRACE };
        vec![speak(words)]
    }

    /// Somebody who did not answer what was asked may not have understood: the script is said once more, if there is
    /// time for it.
    fn nothing_pressed(&mut self, at: Instant) -> Vec<Effect> {
        if self.plan.criteria != Criteria::Verdict {
            return self.end(self.without_a_key(), at);
        }
        let speech = TimeDelta::milliseconds(super::script::speech_ms(&self.plan.script).cast_signed());
        if !self.is_repeated && at + speech + KEY_WAIT <= self.duration_end() {
            self.is_repeated = true;
            self.phase = Phase::Speaking;
            return vec![speak(&self.plan.script)];
        }
        match &self.plan.fallback {
            Some(words) => {
                let effects = vec![speak(words)];
                self.phase = Phase::LastWords;
                effects
            }
            None => self.end(Outcome::NoInput, at),
        }
    }

    /// Hangs up with this outcome. A wish not to be called again overrides what was concluded before.
    fn end(&mut self, outcome: Outcome, at: Instant) -> Vec<Effect> {
        let until = at + self.hang_up_wait();
        match self.phase {
            Phase::Ending { until, .. } => {
                if outcome == Outcome::OptedOut {
                    self.phase = Phase::Ending { outcome, until };
                }
                Vec::new()
            }
            Phase::Dialing
            | Phase::Ringing
            | Phase::Announcing
            | Phase::Speaking
            | Phase::Conversing
            | Phase::OptingOut { .. }
            | Phase::Listening { .. }
            | Phase::LastWords
            | Phase::LeavingMessage
            | Phase::Connecting { .. }
            | Phase::Transferring { .. }
            | Phase::Parting { .. } => {
                self.phase = Phase::Ending { outcome, until };
                vec![Effect::Command(LegCommand::HangUp)]
            }
            Phase::Ended => Vec::new(),
        }
    }

    fn ended(&mut self, cause: Cause, detail: Option<String>, at: Instant) -> Vec<Effect> {
        let outcome = match self.phase {
            Phase::Ending { outcome: outcome @ (Outcome::Success | Outcome::NoInput), .. }
            | Phase::Parting { outcome: outcome @ (Outcome::Success | Outcome::NoInput), .. } => {
                self.by_verdict().unwrap_or(outcome)
            }
            Phase::Ending { outcome, .. } | Phase::Parting { outcome, .. } => outcome,
            Phase::OptingOut { .. } => Outcome::OptedOut,
            _ if !self.machine
                && let Some(outcome) = self.by_verdict() =>
            {
                outcome
            }
            _ if self.answered_at.is_some() => match cause {
                _ if !self.machine && self.without_a_key() == Outcome::Success => Outcome::Success,
                Cause::CarrierError | Cause::CarrierRefused => Outcome::CarrierError,
                _ if self.machine => Outcome::Voicemail,
                _ if self.is_repeated => Outcome::NoInput,
                _ if matches!(self.phase, Phase::Listening { .. } | Phase::LastWords) => Outcome::NoInput,
                Cause::NoAnswer
                | Cause::Busy
                | Cause::Rejected
                | Cause::InvalidNumber
                | Cause::RemoteHangup
                | Cause::LocalHangup => Outcome::HungUp,
            },
            _ => match cause {
                Cause::NoAnswer | Cause::LocalHangup => Outcome::NoAnswer,
                Cause::Busy => Outcome::Busy,
                Cause::Rejected => Outcome::Rejected,
                Cause::InvalidNumber => Outcome::InvalidNumber,
                Cause::CarrierError => Outcome::CarrierError,
                Cause::CarrierRefused => Outcome::CarrierRefused,
                Cause::RemoteHangup => {
                    // Only an answered call can be hung up; the report of the answer is late or lost.
                    self.answered_at = Some(at);
                    Outcome::HungUp
                }
            },
        };
        self.over(outcome, detail, at)
    }

    fn give_up(&mut self, outcome: Outcome, at: Instant) -> Vec<Effect> {
        let detail = Some("The carrier never reported the end of this call".to_owned());
        let seen = self.answered_at.is_some() || outcome != Outcome::NoAnswer;
        self.over(if seen { outcome } else { Outcome::CarrierError }, detail, at)
    }

    fn over(&mut self, outcome: Outcome, detail: Option<String>, at: Instant) -> Vec<Effect> {
        self.phase = Phase::Ended;
        let ended_at = at.max(self.answered_at.unwrap_or(self.placed_at));
        let answered_at = match outcome.category(self.answered_at.is_some()) {
            // Somebody or something is on the line in every outcome that counts as picked up.
            Category::Completed => self.answered_at.or(Some(ended_at)),
            // An answer that crossed our hang-up reached nobody.
            Category::Unanswered => None,
            Category::Error => self.answered_at,
        };
        let detail =
            detail.or(self.detail.take()).or(self.conversation.as_ref().and_then(Conversation::sentence));
        let conversation = self.conversation();
        vec![Effect::Ended(Ending { outcome, answered_at, ended_at, detail, conversation })]
    }
}

fn speak(text: &str) -> Effect {
    Effect::Command(LegCommand::Speak { text: text.to_owned(), speech_ms: super::script::speech_ms(text) })
}

/// Everything that must change because a call ended, in one value; the store writes it in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// How it ended.
    pub ending: Ending,
    /// Whether it met the success criteria.
    pub successful: bool,
    /// What it cost.
    pub cost: Money,
    /// The lead's future.
    pub lead: After,
    /// The campaign's sums afterwards.
    pub totals: Totals,
    /// Budget levels (percent) crossed by this call.
    pub budget_levels: Vec<i64>,
    /// No attempt of this lead will follow.
    pub is_last_attempt: bool,
}

/// What is known of the person when a call to them has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The lead's dials, this call included.
    pub attempts: i64,
    /// Nobody may call them again.
    pub is_suppressed: bool,
}

/// Decides what an ended call changes.
pub fn settle(campaign: &Campaign, call: &Call, tried: Tried, mut ending: Ending) -> Settlement {
    if let (Outcome::Canceled, Some(by)) = (ending.outcome, &call.hung_up_by) {
        ending.detail = Some(format!("Hung up by {by}"));
    }
    let settings = &campaign.settings;
    let category = ending.outcome.category(ending.answered_at.is_some());
    let successful = Criteria::of(&settings.success_criteria).met_by(ending.outcome);
    let cost = if category == Category::Completed { call.price } else { Money::ZERO };
    let max_attempts = settings.max_attempts_per_lead;
    let delay = TimeDelta::minutes(settings.retry_delay_minutes).max(call.retry_delay);
    let was_answered = ending.answered_at.is_some();
    let again = Again { attempts_max: max_attempts, ended_at: ending.ended_at, delay };
    let lead = match retry::after(ending.outcome, was_answered, tried.attempts, again) {
        After { status: LeadStatus::Scheduled, .. } if tried.is_suppressed => {
            After::finished(LeadStatus::DoNotCall)
        }
        after => after,
    };
    let is_left =
        tried.attempts < max_attempts && !tried.is_suppressed && lead.status != LeadStatus::DoNotCall;
    let lead = match call.call_back_at.filter(|_| is_left) {
        // What a person was promised is kept, however the call came out.
        Some(at) => {
            let next_call_at = Some(at.max(ending.ended_at));
            After { status: LeadStatus::Scheduled, next_call_at, is_call_back: true }
        }
        None => lead,
    };

    let mut totals = campaign.totals.clone();
    totals.in_progress_calls -= 1;
    totals.reserved = totals.reserved - call.price;
    totals.spent = totals.spent + cost;
    match category {
        Category::Completed => {
            totals.completed_calls += 1;
            totals.successful_calls += i64::from(successful);
            totals.failed_calls += i64::from(!successful);
            let talk = ending.answered_at.map_or(0, |at| (ending.ended_at - at).num_milliseconds());
            totals.talk_ms += talk.max(0);
        }
        Category::Unanswered => totals.unanswered_calls += 1,
        Category::Error => totals.error_calls += 1,
    }
    let threshold = settings.budget_alert_threshold;
    let reached = budget::level_reached(totals.spent, settings.budget, threshold);
    let budget_levels = budget::levels_crossed(totals.alerted_percent, reached, threshold);
    totals.alerted_percent = totals.alerted_percent.max(reached);
    totals.revision += 1;
    let is_last_attempt = lead.status != LeadStatus::Scheduled;
    Settlement { ending, successful, cost, lead, totals, budget_levels, is_last_attempt }
}
