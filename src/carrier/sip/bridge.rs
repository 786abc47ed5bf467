//! The conversation of an agent on a call: sound and words go between the line and whoever talks. Knows no SIP.

use crate::agent::{Agent, Conversation, Heard, Judging, Said};
use crate::domain::Instant;
use crate::domain::agent::{Brief, Line, Tool, ToolCall};
use crate::domain::call::LegEvent;
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
    /// The agent has passed on that the person wants no more calls: nobody need be asked.
    has_opted_out: bool,
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
            has_opted_out: false,
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
            Said::Asks(_, Tool::OptOut) => self.has_opted_out = true,
            Said::Failed(_) => self.is_over = true,
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

    /// The agent talks no more: it only tells what the person has said so far.
    pub(super) fn hang_up(&mut self) {
        if !self.unsaid.is_empty() || self.conversation.heard.try_send(Heard::HungUp).is_err() {
            self.unsaid.push_back(Heard::HungUp);
        }
    }

    /// What the person has said and the agent has asked for that nobody has acted on yet; none when that is all.
    pub(super) async fn last(&mut self) -> Option<LegEvent> {
        while !self.is_over {
            let said = tokio::select! {
                () = pass_on(&self.conversation.heard, &mut self.unsaid), if !self.unsaid.is_empty() => continue,
                said = self.conversation.said.recv() => said?,
            };
            self.note(&said);
            match said {
                Said::Line(line) => return Some(LegEvent::Said(line)),
                Said::Used(usage) => return Some(LegEvent::AgentUsed(usage)),
                Said::Asks(number, tool) => match tool {
                    Tool::OptOut | Tool::ReportOutcome(_) | Tool::ScheduleCallback(_) => {
                        return Some(LegEvent::Asked(ToolCall { number, tool }));
                    }
                    // There is nobody left to do that with.
                    Tool::Transfer | Tool::SendDigits(_) | Tool::EndCall | Tool::Misused(_) => {}
                },
                Said::Play(_) | Said::Hush | Said::Turn(_) | Said::Failed(_) => {}
            }
        }
        None
    }

    /// The conversation is over with the call. Where somebody has talked with the agent it is read once more, also where
    /// the agent has said how it came out: that says nothing about whether they want more calls.
    pub(super) fn end(self) -> Option<Judging> {
        let has_talked = self.lines.iter().any(|line| !line.by_agent);
        (has_talked && !self.has_opted_out).then(|| self.agent.judge(self.brief, self.lines))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::agent::{Conclusion, Judgement, Verdict};
    use crate::domain::voice::Voice;
    use std::sync::Mutex;

    /// Says what it was given, and whose ends of the conversation are kept.
    struct Parrot(Mutex<Option<Conversation>>);

    impl Agent for Parrot {
        fn name(&self) -> &str {
            "parrot"
        }

        fn converse(&self, _: Arc<Brief>, _: Codec) -> Conversation {
            self.0.lock().unwrap().take().unwrap()
        }

        fn judge(&self, _: Arc<Brief>, _: Vec<Line>) -> Judging {
            let verdict = Verdict {
                conclusion: Conclusion::Declined,
                reason: String::new(),
                answers: Default::default(),
            };
            Box::pin(async { Ok(Judgement { verdict, no_more_calls: None }) })
        }

        fn seats(&self) -> usize {
            1
        }
    }

    fn brief() -> Arc<Brief> {
        Arc::new(Brief {
            instructions: String::new(),
            prompt: String::new(),
            opening: String::new(),
            goodbye: String::new(),
            criteria: String::new(),
            voice: Voice { id: None, language: "en-US".into(), gender: None },
            tools: Vec::new(),
            duration_max: TimeDelta::seconds(60),
        })
    }

    #[tokio::test]
    async fn what_waits_between_a_conversation_and_a_call_that_is_over_is_not_lost() {
        let at = Instant::UNIX_EPOCH;
        let line = Line {
            by_agent: false,
            text: "Never again.".into(),
            began_at: at,
            ended_at: at,
            is_cut_off: false,
        };
        for (wants, is_read_again) in [(Tool::OptOut, false), (Tool::EndCall, true)] {
            let (to_heard, mut heard) = mpsc::channel(1);
            let (to_said, said) = mpsc::channel(8);
            let agent = Parrot(Mutex::new(Some(Conversation { heard: to_heard, said })));
            let mut bridge = Bridge::begin(Arc::new(agent), brief(), Codec::Pcmu, at);
            bridge.hear(&[0; FRAME]);
            for waiting in
                [Said::Play(vec![0; 160]), Said::Line(line.clone()), Said::Asks(1, wants.clone()), Said::Hush]
            {
                to_said.send(waiting).await.unwrap();
            }
            // There is no room for it yet: it is told when there is.
            bridge.hang_up();
            assert_eq!(bridge.last().await, Some(LegEvent::Said(line.clone())));
            if wants == Tool::OptOut {
                let asked = ToolCall { number: 1, tool: Tool::OptOut };
                assert_eq!(bridge.last().await, Some(LegEvent::Asked(asked)));
            }
            let (last, told) = tokio::join!(bridge.last(), async {
                let told = [heard.recv().await, heard.recv().await];
                drop(to_said);
                told
            });
            assert_eq!((last, &told[1]), (None, &Some(Heard::HungUp)));
            assert_eq!(bridge.end().is_some(), is_read_again, "who is listed need not be asked about");
        }
    }
}
