//! The exchange: plays the stories of all live legs against one queue of what is due when. It is told the time
//! and never waits, so there is no task per call and a day passes as fast as its events can be counted.
//!
//! ```text
//!   Dialing ─answer─► Talking
//!      └──────┬──────────┘ ▲ │ speak, end of speech, silence
//!     hang up │            └─┘
//!             ▼
//!         HangingUp ─end─► gone      a muddled leg: ─end─► Over ─its last words─► gone
//! ```
//! Every state takes `end`.

use super::conversations::{self, Act};
use super::fates::Fate;
use super::stories::{Manner, Person, Story};
use crate::carrier::LegEvents;
use crate::domain::Instant;
use crate::domain::agent::{Brief, Line, ToolCall, Usage};
use crate::domain::call::{LegCommand, LegEvent};
use crate::domain::outcome::Cause;
use crate::domain::script;
use chrono::TimeDelta;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

/// From the dial to the first ring.
const SETUP_MS: u64 = 1_000;
/// From a hang-up of ours to its confirmation.
const HANGUP_MS: u64 = 20;
/// From picking up until it is plain that a machine did.
const DETECT_MS: u64 = 2_000;
/// How long a person thinks before they answer an agent.
const ANSWER_MS: u64 = 600;
/// From a transfer of ours until somebody has taken over.
const TRANSFER_MS: u64 = 2_000;
/// What a machine records before it hangs up.
const RECORDING_MS: u64 = 60_000;
/// How much a muddled carrier is behind with what it repeats.
const MUDDLE_MS: u64 = 400;
/// How late a muddled carrier confirms a hang-up.
const MUDDLED_HANGUP_MS: u64 = 3_000;

/// All live legs and everything that will happen on them.
pub(super) struct Exchange {
    speed: f64,
    channels: usize,
    queue: BinaryHeap<Due>,
    legs: HashMap<u64, Leg>,
    legs_made: u64,
    pushed: u64,
}

/// One leg, while it lives.
struct Leg {
    story: Story,
    state: State,
    events: LegEvents,
    /// Raised by each speech: what was due only in silence, or in the speech before, is off.
    chapter: u32,
    /// A person presses their key, or asks not to be called again, once.
    reacted: bool,
    /// What is said next, or just now, is not the script yet.
    is_being_told: bool,
}

/// A conversation on a leg, as long as nothing else is said there.
pub(super) struct Scene {
    leg: u64,
    chapter: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Dialing,
    Talking,
    HangingUp,
    Over,
}

/// Something that will happen on a leg.
struct Due {
    at: Instant,
    /// Breaks ties: what was decided first happens first.
    sequence: u64,
    leg: u64,
    /// It is off when another chapter has begun; none: it happens anyway.
    chapter: Option<u32>,
    step: Step,
}

enum Step {
    Ring,
    Answer,
    DetectMachine,
    EndSpeech,
    Press(char),
    AskNotToBeCalledAgain,
    PutThrough,
    /// What was decided comes true.
    Fulfil,
    Tell(Box<LegEvent>),
    End(Cause),
    /// A muddled carrier tells what happened at that time.
    Mumble(Box<(Instant, LegEvent)>),
    /// A muddled carrier has told everything.
    Forget,
}

impl Exchange {
    /// Nobody on the line.
    pub(super) fn new(speed: f64, channels: usize) -> Exchange {
        Exchange { speed, channels, queue: BinaryHeap::new(), legs: HashMap::new(), legs_made: 0, pushed: 0 }
    }

    /// Starts a call and names its leg; none when all channels are busy.
    pub(super) fn connect(
        &mut self,
        story: Story,
        ring_timeout: TimeDelta,
        events: LegEvents,
        now: Instant,
    ) -> Option<u64> {
        // One that is over only has more to tell. They are counted only where that matters.
        let busy = || self.legs.values().filter(|leg| leg.state != State::Over).count();
        if self.legs.len() >= self.channels && busy() >= self.channels {
            return None;
        }
        let id = self.legs_made;
        self.legs_made += 1;
        self.legs.insert(
            id,
            Leg { story, state: State::Dialing, events, chapter: 0, reacted: false, is_being_told: false },
        );
        let timeout_ms = u64::try_from(ring_timeout.num_milliseconds()).unwrap_or(0);
        let (rings, after_ms, step) = match story {
            Story::Fails { rings: true, after_ms, cause } => (true, SETUP_MS + after_ms, Step::End(cause)),
            Story::Fails { rings: false, after_ms, cause } => (false, after_ms, Step::End(cause)),
            Story::RingsOut => (true, timeout_ms, Step::End(Cause::NoAnswer)),
            Story::Person(Person { ring_ms, .. }) | Story::Machine { ring_ms } => {
                (true, SETUP_MS + ring_ms, Step::Answer)
            }
            Story::Muddle(Person { ring_ms, .. }) => (false, SETUP_MS + ring_ms, Step::Answer),
            Story::Silence => return Some(id),
            // As long as it takes, from the dial on.
            Story::Fated(Fate { rings, talks, .. }) => {
                let after_ms = u64::try_from(rings.num_milliseconds()).unwrap_or(0);
                (false, after_ms, talks.map_or(Step::Fulfil, |_| Step::Answer))
            }
        };
        if rings && SETUP_MS < timeout_ms {
            self.push(id, self.after(now, SETUP_MS), Step::Ring);
        }
        let step = if after_ms < timeout_ms { step } else { Step::End(Cause::NoAnswer) };
        self.push(id, self.after(now, after_ms.min(timeout_ms)), step);
        Some(id)
    }

    /// Does what the dialer tells a leg to do. A leg that is gone, or cannot hear it, ignores it.
    pub(super) fn command(&mut self, id: u64, command: &LegCommand, now: Instant) {
        match command {
            LegCommand::Speak { speech_ms, .. } => self.speak(id, *speech_ms, now),
            // Nothing sounds here, so nothing is recorded; but nobody takes what is said about it for the script.
            LegCommand::Record => {
                if let Some(leg) = self.legs.get_mut(&id) {
                    leg.is_being_told = true;
                }
            }
            LegCommand::Transfer { .. } => self.transfer(id, now),
            LegCommand::Converse(brief) => self.converse(id, brief, now),
            // What it says is in the story already, or somebody else plays it.
            LegCommand::Reply { .. } | LegCommand::SendDigits(_) => {}
            LegCommand::Finish | LegCommand::HangUp => self.hang_up(id, now),
        }
    }

    /// The dialer has let go of the leg: hangs up, and frees the channel of one that would never end.
    pub(super) fn let_go(&mut self, id: u64, now: Instant) {
        if self.legs.get(&id).is_some_and(|leg| leg.story == Story::Silence) {
            self.legs.remove(&id);
        }
        self.hang_up(id, now);
    }

    /// Reports everything that is due; returns when the next thing is.
    pub(super) fn turn(&mut self, now: Instant) -> Option<Instant> {
        while let Some(due) = self.queue.peek() {
            let happens = self.happens(due);
            if happens && due.at > now {
                return Some(due.at);
            }
            if let Some(due) = self.queue.pop().filter(|_| happens) {
                self.perform(due);
            }
        }
        None
    }

    /// When to look again, at the earliest.
    pub(super) fn first_due(&self) -> Option<Instant> {
        self.queue.peek().map(|due| due.at)
    }

    /// Whether something in the queue still takes place.
    fn happens(&self, due: &Due) -> bool {
        let Some(leg) = self.legs.get(&due.leg) else { return false };
        if due.chapter.is_some_and(|chapter| chapter != leg.chapter) {
            return false;
        }
        let muddled = matches!(leg.story, Story::Muddle(_));
        match leg.state {
            State::Dialing | State::Talking => true,
            State::HangingUp => muddled || matches!(due.step, Step::End(Cause::LocalHangup)),
            State::Over => matches!(due.step, Step::Mumble(_) | Step::Forget),
        }
    }

    fn perform(&mut self, Due { at, leg: id, step, .. }: Due) {
        match step {
            Step::Ring => self.report(id, at, LegEvent::Ringing),
            Step::Answer => self.answer(id, at),
            Step::DetectMachine => self.report(id, at, LegEvent::MachineDetected),
            Step::EndSpeech => self.end_speech(id, at),
            Step::Press(digit) => self.report(id, at, LegEvent::Digit(digit)),
            Step::AskNotToBeCalledAgain => self.report(id, at, LegEvent::OptOutAsked),
            Step::PutThrough => self.report(id, at, LegEvent::Transferred),
            Step::Fulfil => self.fulfil(id, at),
            Step::Tell(event) => self.report(id, at, *event),
            Step::End(cause) => self.end(id, at, cause),
            Step::Mumble(told) => self.report(id, told.0, told.1),
            Step::Forget => drop(self.legs.remove(&id)),
        }
    }

    fn answer(&mut self, id: u64, at: Instant) {
        self.report(id, at, LegEvent::Answered);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if leg.state == State::Dialing {
            leg.state = State::Talking;
        }
        let chapter = leg.chapter;
        match leg.story {
            Story::Person(Person { patience_ms, manner, .. }) => {
                if let Manner::HangsUp { after_ms } = manner {
                    self.push(id, self.after(at, after_ms), Step::End(Cause::RemoteHangup));
                }
                self.wait(id, chapter, at, patience_ms);
            }
            Story::Machine { .. } => {
                self.push(id, self.after(at, DETECT_MS), Step::DetectMachine);
                self.push(id, self.after(at, RECORDING_MS), Step::End(Cause::RemoteHangup));
            }
            Story::Muddle(Person { patience_ms, ring_ms, .. }) => {
                let rang_at = at.checked_sub_signed(self.scaled(ring_ms)).unwrap_or(at);
                self.mumble(id, at, MUDDLE_MS, (rang_at, LegEvent::Ringing));
                self.mumble(id, at, 2 * MUDDLE_MS, (at, LegEvent::Answered));
                self.wait(id, chapter, at, patience_ms);
            }
            Story::Fated(Fate { talks, .. }) => {
                let ends_at = at.checked_add_signed(talks.unwrap_or_default()).unwrap_or(Instant::MAX_UTC);
                self.push(id, ends_at, Step::Fulfil);
            }
            Story::Fails { .. } | Story::RingsOut | Story::Silence => {}
        }
    }

    /// A call ends as it was decided, with all that leads there.
    fn fulfil(&mut self, id: u64, at: Instant) {
        let Some(Leg { story: Story::Fated(fate), .. }) = self.legs.get(&id) else { return };
        let (events, cause) = fate.end.told();
        for event in events {
            self.report(id, at, event);
        }
        self.end(id, at, cause);
    }

    fn speak(&mut self, id: u64, speech_ms: u64, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.state == State::Talking) else { return };
        leg.chapter += 1;
        let chapter = leg.chapter;
        if matches!(leg.story, Story::Fated(_)) {
            return;
        }
        if let Story::Person(Person { manner: Manner::AsksNotToBeCalledAgain { after_ms }, .. }) = leg.story
            && !std::mem::replace(&mut leg.reacted, true)
        {
            self.push(id, self.after(now, after_ms.min(speech_ms / 2)), Step::AskNotToBeCalledAgain);
        }
        self.push_within(id, chapter, self.after(now, speech_ms), Step::EndSpeech);
    }

    /// Plays a recorded conversation, for both sides, until something else is said or done on the leg.
    fn converse(&mut self, id: u64, brief: &Brief, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| leg.state == State::Talking) else { return };
        leg.chapter += 1;
        leg.reacted = true;
        let (chapter, story) = (leg.chapter, leg.story);
        let (mut at, mut number) = (now, 0);
        let usage = Usage { model: "recorded".to_owned(), ..Usage::default() };
        self.push_within(id, chapter, at, Step::Tell(Box::new(LegEvent::AgentUsed(usage))));
        for act in conversations::of(story, brief) {
            let mut says = |by_agent, text: String| {
                let began_at = self.after(at, if by_agent { 0 } else { ANSWER_MS });
                let ended_at = self.after(began_at, script::speech_ms(&text));
                at = ended_at;
                LegEvent::Said(Line { by_agent, text, began_at, ended_at, is_cut_off: false })
            };
            let event = match act {
                Act::Agent(text) => says(true, text),
                Act::Person(text) => says(false, text.to_owned()),
                Act::Asks(tool) => {
                    number += 1;
                    LegEvent::Asked(ToolCall { number, tool })
                }
                Act::Fails(why) => LegEvent::AgentFailed(why.to_owned()),
            };
            self.push_within(id, chapter, at, Step::Tell(Box::new(event)));
        }
    }

    /// A conversation begins that somebody plays; none where nobody is there to hear it, or where it is decided how the
    /// call ends.
    pub(super) fn stage(&mut self, id: u64) -> Option<(Scene, Story)> {
        let talks = |leg: &&mut Leg| leg.state == State::Talking && !matches!(leg.story, Story::Fated(_));
        let leg = self.legs.get_mut(&id).filter(talks)?;
        leg.chapter += 1;
        leg.reacted = true;
        Some((Scene { leg: id, chapter: leg.chapter }, leg.story))
    }

    /// Something happens in it; false when it is over.
    pub(super) fn play(&mut self, scene: &Scene, at: Instant, event: LegEvent) -> bool {
        let is_on = |leg: &Leg| leg.chapter == scene.chapter && leg.state == State::Talking;
        if !self.legs.get(&scene.leg).is_some_and(is_on) {
            return false;
        }
        match event {
            LegEvent::Ended(cause, _) => self.end(scene.leg, at, cause),
            event => self.report(scene.leg, at, event),
        }
        true
    }

    /// In this town somebody always takes over.
    fn transfer(&mut self, id: u64, now: Instant) {
        let talks = |leg: &&mut Leg| leg.state == State::Talking && !matches!(leg.story, Story::Fated(_));
        let Some(leg) = self.legs.get_mut(&id).filter(talks) else { return };
        leg.chapter += 1;
        let chapter = leg.chapter;
        self.push_within(id, chapter, self.after(now, TRANSFER_MS), Step::PutThrough);
    }

    fn end_speech(&mut self, id: u64, at: Instant) {
        self.report(id, at, LegEvent::SpeechEnded);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let chapter = leg.chapter;
        let was_script = !std::mem::take(&mut leg.is_being_told);
        match leg.story {
            Story::Person(Person { patience_ms, manner, .. }) => {
                let mut quiet_from = at;
                if let Manner::Presses { digit, after_ms } = manner
                    && was_script
                    && !std::mem::replace(&mut leg.reacted, true)
                {
                    quiet_from = self.after(at, after_ms);
                    self.push(id, quiet_from, Step::Press(digit));
                }
                self.wait(id, chapter, quiet_from, patience_ms);
            }
            Story::Muddle(Person { patience_ms, .. }) => {
                self.mumble(id, at, MUDDLE_MS, (at, LegEvent::SpeechEnded));
                self.wait(id, chapter, at, patience_ms);
            }
            Story::Machine { .. }
            | Story::Fails { .. }
            | Story::RingsOut
            | Story::Silence
            | Story::Fated(_) => {}
        }
    }

    fn hang_up(&mut self, id: u64, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let confirmed_ms = match leg.story {
            Story::Silence => return,
            Story::Muddle(_) => MUDDLED_HANGUP_MS,
            Story::Fails { .. }
            | Story::RingsOut
            | Story::Person(_)
            | Story::Machine { .. }
            | Story::Fated(_) => HANGUP_MS,
        };
        match leg.state {
            State::Dialing | State::Talking => {
                leg.state = State::HangingUp;
                self.push(id, self.after(now, confirmed_ms), Step::End(Cause::LocalHangup));
            }
            State::HangingUp | State::Over => {}
        }
    }

    fn end(&mut self, id: u64, at: Instant, cause: Cause) {
        let detail = (cause == Cause::CarrierError).then(|| "the simulated carrier failed".to_owned());
        let ended = LegEvent::Ended(cause, detail);
        self.report(id, at, ended.clone());
        match self.legs.get_mut(&id) {
            Some(leg) if matches!(leg.story, Story::Muddle(_)) => {
                leg.state = State::Over;
                self.mumble(id, at, MUDDLE_MS, (at, ended));
                self.mumble(id, at, 2 * MUDDLE_MS, (at, LegEvent::Ringing));
                self.push(id, self.after(at, 2 * MUDDLE_MS), Step::Forget);
            }
            _ => drop(self.legs.remove(&id)),
        }
    }

    fn report(&self, id: u64, at: Instant, event: LegEvent) {
        if let Some(leg) = self.legs.get(&id) {
            leg.events.report(at, event);
        }
    }

    fn mumble(&mut self, id: u64, from: Instant, after_ms: u64, told: (Instant, LegEvent)) {
        self.push(id, self.after(from, after_ms), Step::Mumble(Box::new(told)));
    }

    /// A person bears the silence for so long. Not shortened by the speed: what they wait for is the dialer,
    /// whose own patience is not shortened either, so who gives up first is the same at every speed.
    fn wait(&mut self, id: u64, chapter: u32, quiet_from: Instant, patience_ms: u64) {
        let patience = TimeDelta::milliseconds(i64::try_from(patience_ms).unwrap_or(0));
        let at = quiet_from.checked_add_signed(patience).unwrap_or(Instant::MAX_UTC);
        self.push_within(id, chapter, at, Step::End(Cause::RemoteHangup));
    }

    /// Puts something in the queue that happens unless the leg ends before.
    fn push(&mut self, leg: u64, at: Instant, step: Step) {
        self.enqueue(leg, None, at, step);
    }

    /// Puts something in the queue that happens unless another chapter begins before.
    fn push_within(&mut self, leg: u64, chapter: u32, at: Instant, step: Step) {
        self.enqueue(leg, Some(chapter), at, step);
    }

    fn enqueue(&mut self, leg: u64, chapter: Option<u32>, at: Instant, step: Step) {
        self.pushed += 1;
        self.queue.push(Due { at, sequence: self.pushed, leg, chapter, step });
    }

    /// The instant that follows after a length in life, at our speed.
    pub(super) fn after(&self, from: Instant, ms: u64) -> Instant {
        from.checked_add_signed(self.scaled(ms)).unwrap_or(Instant::MAX_UTC)
    }

    /// A length in life as a length at our speed, in whole milliseconds like all instants.
    fn scaled(&self, ms: u64) -> TimeDelta {
        TimeDelta::try_milliseconds((ms as f64 / self.speed).round() as i64).unwrap_or(TimeDelta::MAX)
    }
}

impl Ord for Due {
    /// The earliest is the greatest, because the heap gives out the greatest.
    fn cmp(&self, other: &Due) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}
