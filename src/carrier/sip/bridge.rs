//! The conversation of an agent on a call: sound and words go between the line and whoever talks. Knows no SIP.

use crate::agent::{Agent, Conversation, Heard, Judging, Said};
use crate::domain::Instant;
use crate::domain::agent::{Brief, Line, Tool};
use crate::media::g711::Codec;
use crate::media::{FRAME, RATE};
use chrono::TimeDelta;
use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How long before the call must end the agent is told so.
const NEARLY: TimeDelta = TimeDelta::seconds(15);
/// How long the words that are being said when the agent ends the call may still take.
const FINISH_WAIT: TimeDelta = TimeDelta::seconds(5);
/// What was sent is still on its way.
const TAIL: TimeDelta = TimeDelta::milliseconds(200);
/// Samples that may wait to be heard: three minutes of them.
const WAITING_MAX: u64 = 180 * RATE as u64;
/// Bytes of what was said that are kept to be judged.
const LINES_MAX: usize = 64 * 1024;

/// A conversation on a line.
pub(super) struct Bridge {
    agent: Arc<dyn Agent>,
    brief: Arc<Brief>,
    conversation: Conversation,
    /// What must not be lost and has had no room yet.
    unsaid: VecDeque<Heard>,
    /// Samples that were given to the line, and those of them that have left it.
    given: u64,
    gone: u64,
    lines: Vec<Line>,
    bytes: usize,
    /// The agent has said how it came out, or cannot go on: nobody need be asked.
    is_settled: bool,
    is_over: bool,
    warn_at: Option<Instant>,
    finish_at: Option<Instant>,
}

impl Bridge {
    /// Lets the agent talk with somebody who picked up at that time, on a line with this codec.
    pub(super) fn begin(
        agent: Arc<dyn Agent>,
        brief: Arc<Brief>,
        codec: Codec,
        answered_at: Instant,
    ) -> Bridge {
        let conversation = agent.converse(brief.clone(), codec);
        let is_long = brief.duration_max > NEARLY * 2;
        Bridge {
            warn_at: is_long.then(|| answered_at + brief.duration_max - NEARLY),
            agent,
            brief,
            conversation,
            unsaid: VecDeque::new(),
            given: 0,
            gone: 0,
            lines: Vec::new(),
            bytes: 0,
            is_settled: false,
            is_over: false,
            finish_at: None,
        }
    }

    /// What the agent says next. If this is not waited for, nothing is lost.
    pub(super) async fn next(&mut self) -> Said {
        loop {
            let said = tokio::select! {
                () = pass_on(&self.conversation.heard, &mut self.unsaid), if !self.unsaid.is_empty() => continue,
                said = self.conversation.said.recv(), if !self.is_over => said,
                else => pending().await,
            };
            let said = said.unwrap_or_else(|| Said::Failed("the agent broke off without a word".into()));
            self.note(&said);
            return said;
        }
    }

    fn note(&mut self, said: &Said) {
        match said {
            Said::Play(sound) => self.given += sound.len() as u64,
            Said::Line(line) => {
                self.bytes += line.text.len();
                if self.bytes <= LINES_MAX {
                    self.lines.push(line.clone());
                }
            }
            Said::Asks(_, Tool::ReportOutcome(_)) => self.is_settled = true,
            Said::Failed(_) => (self.is_settled, self.is_over) = (true, true),
            Said::Hush | Said::Asks(..) | Said::Turn(_) | Said::Used(_) => {}
        }
    }

    /// It says more than anybody can listen to.
    pub(super) fn is_flooding(&self) -> bool {
        self.given - self.gone > WAITING_MAX
    }

    /// The agent hears a frame of the person; without room for it it is left out, as on a bad line.
    pub(super) fn hear(&self, frame: &[i16; FRAME]) {
        if self.unsaid.is_empty() {
            let _ = self.conversation.heard.try_send(Heard::Sound(frame.to_vec()));
        }
    }

    /// The agent is told something that it must know.
    pub(super) fn tell(&mut self, heard: Heard) {
        // Of how much was heard only the newest counts.
        if matches!(heard, Heard::Played(_)) {
            self.unsaid.retain(|waiting| !matches!(waiting, Heard::Played(_)));
        }
        self.unsaid.push_back(heard);
    }

    /// So many samples were heard, and so many have left the line in all, heard or taken back.
    pub(super) fn played(&mut self, heard: u64, gone: u64, now: Instant) {
        self.gone = gone;
        self.tell(Heard::Played(heard));
        if self.is_silent() {
            self.finish_at = self.finish_at.map(|at| at.min(now + TAIL));
        }
    }

    fn is_silent(&self) -> bool {
        self.gone >= self.given
    }

    /// The call ends when what is being said has been heard, but soon.
    pub(super) fn finish(&mut self, now: Instant) {
        self.finish_at = Some(now + if self.is_silent() { TAIL } else { FINISH_WAIT });
    }

    /// When time alone brings something.
    pub(super) fn due(&self) -> Option<Instant> {
        self.warn_at.into_iter().chain(self.finish_at).min()
    }

    /// Lets time pass; true when the call is to end.
    pub(super) fn on_time(&mut self, now: Instant) -> bool {
        if self.warn_at.is_some_and(|at| at <= now) {
            self.warn_at = None;
            self.tell(Heard::TimeIsNearlyUp);
        }
        self.finish_at.is_some_and(|at| at <= now)
    }

    /// The conversation is over with the call. Where nobody has said how it came out, but somebody has talked with the
    /// agent, it is read once more.
    pub(super) fn end(self) -> Option<Judging> {
        let has_talked = self.lines.iter().any(|line| !line.by_agent);
        (has_talked && !self.is_settled).then(|| self.agent.judge(self.brief, self.lines))
    }
}

/// Tells the agent what waits to be told. If this is not waited for, nothing is lost.
async fn pass_on(to_agent: &mpsc::Sender<Heard>, waiting: &mut VecDeque<Heard>) {
    while !waiting.is_empty() {
        match (to_agent.reserve().await, waiting.pop_front()) {
            (Ok(room), Some(heard)) => room.send(heard),
            (Ok(_), None) => {}
            // It is over, and hears nothing any more.
            (Err(_), _) => waiting.clear(),
        }
    }
}

/// What the agent says next; never anything where none talks.
pub(super) async fn next(bridge: &mut Option<Bridge>) -> Said {
    match bridge {
        Some(bridge) => bridge.next().await,
        None => pending().await,
    }
}
