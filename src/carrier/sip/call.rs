//! One call: asks for it, lets it ring, talks, hangs up. Everything that happens to it happens in one task.
//!
//! ```text
//!   ringing ──answered──► talking ──BYE, ours or theirs──► over
//!      │ refused                                             ▲
//!      ├─────────────────────────────────────────────────────┤
//!      └─ hang-up, ring timeout, no voice ─► giving up ──────┘  CANCEL; an answer that crosses it is hung up
//! ```

use super::bridge::{self, Bridge};
use super::session::{Ours, Session, Timer};
use super::sound::Heard;
use super::stack::{Answer, Invite, Renewal, Signal, Status, Visitor};
use super::transfer::Transfer;
use super::words::Words;
use super::{Inner, Place};
use crate::agent::{self, Said};
use crate::carrier::{DialRequest, LegEvents};
use crate::domain::Instant;
use crate::domain::agent::{Brief, ToolCall};
use crate::domain::call::{LegCommand, LegEvent};
use crate::domain::outcome::Cause;
use crate::domain::phone::Phone;
use crate::domain::recording::Recording;
use crate::media::RATE;
use crate::media::amd::Verdict;
use crate::media::g711::Codec;
use crate::media::sdp::{self, SdpError};
use chrono::TimeDelta;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How long it may take until the INVITE has left; whoever forbids dialing waits for it.
const ASK_WAIT: TimeDelta = TimeDelta::seconds(2);
/// How long the carrier has to confirm that a call was taken back or hung up.
const END_WAIT: TimeDelta = TimeDelta::seconds(4);
/// How long somebody who picked up hears nothing, at most.
const SILENCE_MAX: TimeDelta = TimeDelta::milliseconds(1_500);
/// How long the end of a call waits for what was being said to become text.
const LAST_WORDS_WAIT: TimeDelta = TimeDelta::seconds(4);
/// How long the end of a call waits for keys that were pressed before it: what was on its way, and a turn of the sound.
const LAST_KEYS: TimeDelta = TimeDelta::milliseconds(60);
/// How long the end of a call waits until its conversation is judged.
const JUDGE_WAIT: TimeDelta = TimeDelta::seconds(9);
/// How long the end of a call waits for its recording to be complete.
const RECORDING_WAIT: TimeDelta = TimeDelta::seconds(2);
/// How long somebody who calls hears it ring, at most, until there is something to say.
const WORDS_WAIT: TimeDelta = TimeDelta::seconds(10);
/// Nobody renews a session more often.
const SESSION_MIN: i64 = 60;
/// How soon a session is asked to be renewed again, at the soonest.
const RENEWAL_WAIT: TimeDelta = TimeDelta::seconds(2);
/// The status for nothing that came in time, RFC 3261.
const TIMEOUT: u16 = 408;

/// How a call ended.
struct End {
    cause: Cause,
    detail: Option<String>,
}

impl End {
    fn failed(detail: impl ToString) -> End {
        End { cause: Cause::CarrierError, detail: Some(detail.to_string()) }
    }

    fn of(cause: Cause) -> End {
        End { cause, detail: None }
    }
}

/// A call, with what it needs while it lives.
pub(super) struct Call {
    carrier: Arc<Inner>,
    pub(super) place: Place,
    request: DialRequest,
    events: LegEvents,
    commands: UnboundedReceiver<LegCommand>,
    /// Dropped once the carrier was asked.
    asked: Option<oneshot::Sender<()>>,
    words: Words,
    /// When it was over: what is put in order after that takes a while.
    ended_at: Option<Instant>,
    /// The conversation of an agent that nobody has judged yet.
    unjudged: Option<Bridge>,
}

impl Call {
    /// A call that has a place on a trunk.
    pub(super) fn new(
        carrier: Arc<Inner>,
        place: Place,
        request: DialRequest,
        events: LegEvents,
        commands: UnboundedReceiver<LegCommand>,
        asked: oneshot::Sender<()>,
    ) -> Call {
        let texts = request.words.iter().filter(|text| !text.trim().is_empty()).cloned().collect();
        let words = Words::new(carrier.voice.clone(), request.voice.clone(), request.recorded.clone(), texts);
        let (asked, ended_at, unjudged) = (Some(asked), None, None);
        Call { carrier, place, request, events, commands, asked, words, ended_at, unjudged }
    }

    /// Makes the call and reports what happens, to its end.
    pub(super) async fn run(mut self) {
        let end = self.lead().await.unwrap_or_else(End::failed);
        self.asked = None;
        self.report_end(end).await;
    }

    /// Where an agent has talked, what it was told last and what all of it comes to is found out first. What the end is
    /// stamped with is when it came.
    async fn report_end(mut self, end: End) {
        let at = self.ended_at.unwrap_or_else(|| self.now());
        let judging = match self.unjudged.take() {
            Some(bridge) => self.last_words(bridge).await.end(),
            None => None,
        };
        if let Some(judging) = judging {
            let judged = tokio::select! {
                judged = judging => judged,
                () = self.carrier.clock.sleep_until(self.now() + JUDGE_WAIT) => Err("it took too long".into()),
            };
            match judged {
                Ok(judgement) => self.report(LegEvent::Judged(judgement)),
                Err(problem) => {
                    tracing::warn!(
                        call = self.request.call_id,
                        problem,
                        "nobody knows how a conversation came out"
                    );
                }
            }
        }
        self.events.report(at, LegEvent::Ended(end.cause, end.detail));
    }

    /// Acts on what waits between a conversation and the call, and on what the person was saying when it ended.
    async fn last_words(&self, mut bridge: Bridge) -> Bridge {
        let until = self.now() + LAST_WORDS_WAIT;
        loop {
            let last = tokio::select! {
                // What waits already is acted on however late it is.
                biased;
                last = bridge.last() => last,
                () = self.carrier.clock.sleep_until(until) => None,
            };
            match last {
                Some(event) => self.report(event),
                None => return bridge,
            }
        }
    }

    async fn lead(&mut self) -> Result<End, String> {
        let address = self.place.address;
        let ours = Ours::open(&self.carrier, address)?;
        let trunk = &self.place.trunk.settings;
        let caller = match self.request.caller_id.or(trunk.caller_id) {
            Some(number) => dialed(number, &trunk.number_prefix),
            None => trunk.username.clone().unwrap_or_else(|| "anonymous".into()),
        };
        let invite = Invite {
            trunk,
            address,
            callee: dialed(self.request.phone, &trunk.number_prefix),
            caller,
            offer: ours.local.offer(&[Codec::Pcmu, Codec::Pcma]),
        };
        let until = self.now() + ASK_WAIT;
        let outgoing = tokio::select! {
            // Who was told to hang up asks no more.
            biased;
            Some(LegCommand::HangUp) | None = self.commands.recv() => {
                return Ok(End::of(Cause::LocalHangup));
            }
            () = self.carrier.clock.sleep_until(until) => {
                self.place.trunk.doubt();
                return Ok(End::failed(format!("trunk {}: the call could not be sent in time", trunk.name)));
            }
            outgoing = self.carrier.stack.invite(invite) => outgoing?,
        };
        self.asked = None;
        let mut session = ours.session(outgoing);
        let end = match self.ring(&mut session).await {
            Ok(answer) => self.talk(&mut session, answer).await,
            Err(end) => end,
        };
        self.end_recording(&mut session).await;
        session.outgoing.release();
        Ok(end)
    }

    /// Takes somebody who calls us and reports what happens, to its end.
    pub(super) async fn take(mut self, visitor: Visitor) {
        let end = self.answer(visitor).await.unwrap_or_else(End::failed);
        self.report_end(end).await;
    }

    /// Rings until there is something to say, picks up, and talks.
    async fn answer(&mut self, visitor: Visitor) -> Result<End, String> {
        let name = self.place.trunk.settings.name.clone();
        let (offer, expires) = (visitor.offer.clone(), visitor.session_expires.clone());
        let remote = match sdp::read(&offer) {
            Ok(remote) => remote,
            Err(problem) => {
                visitor.refuse(Status::NotAcceptable);
                return Err(format!("trunk {name}: {problem}"));
            }
        };
        let ours = match Ours::open(&self.carrier, self.place.address) {
            Ok(ours) => ours,
            Err(problem) => {
                visitor.refuse(Status::Unavailable);
                return Err(problem);
            }
        };
        let outgoing = self.carrier.stack.take(&self.place.trunk.settings, visitor)?;
        let answer = ours.local.answer(&remote);
        let mut session = ours.session(outgoing);
        let timer = expires.as_deref().map(Timer::of);
        let end = match self.pick_up(&mut session, answer, timer.as_ref()).await {
            Ok(()) => {
                let session_expires = timer.map(|timer| timer.meant);
                self.talk(&mut session, Answer { sdp: offer, session_expires }).await
            }
            Err(end) => end,
        };
        self.end_recording(&mut session).await;
        session.outgoing.release();
        Ok(end)
    }

    /// Lets it ring until the first words are ready, and picks up; or why nobody is answered.
    async fn pick_up(
        &mut self,
        session: &mut Session,
        answer: String,
        timer: Option<&Timer>,
    ) -> Result<(), End> {
        let gone = |problem: String| {
            tracing::debug!(problem, "somebody who called is not there any more");
            End::of(Cause::NoAnswer)
        };
        session.outgoing.ring().map_err(gone)?;
        if let Err((end, status)) = self.prepare(session).await {
            if let Some(status) = status {
                session.outgoing.decline(status);
            }
            return Err(end);
        }
        session.outgoing.pick_up(answer, timer.map(|timer| timer.said.as_str())).map_err(gone)
    }

    /// Lets it ring until the first words are ready; or why nobody is to be answered, and with what.
    async fn prepare(&mut self, session: &mut Session) -> Result<(), (End, Option<Status>)> {
        let clock = self.carrier.clock.clone();
        let until = self.now() + WORDS_WAIT;
        let first = self.request.words.first().cloned().unwrap_or_default();
        while !first.trim().is_empty() && self.words.want(&first).is_none() {
            tokio::select! {
                signal = session.outgoing.next() => match signal {
                    Signal::HungUp => return Err((End::of(Cause::NoAnswer), None)),
                    Signal::Failed(problem) => return Err((End::failed(problem), None)),
                    Signal::Trying
                    | Signal::Ringing(_)
                    | Signal::Answered(_)
                    | Signal::Refused(_)
                    | Signal::Change(_)
                    | Signal::Settled(_)
                    | Signal::Key(_)
                    | Signal::Transfer(_) => {}
                },
                command = self.commands.recv() => match command {
                    Some(
                        LegCommand::Speak { .. }
                        | LegCommand::Record
                        | LegCommand::Transfer { .. }
                        | LegCommand::Converse(_)
                        | LegCommand::Reply { .. }
                        | LegCommand::SendDigits(_),
                    ) => {}
                    Some(LegCommand::Finish | LegCommand::HangUp) | None => {
                        return Err((End::of(Cause::LocalHangup), Some(Status::Unavailable)));
                    }
                },
                made = self.words.next() => if let Err(problem) = made {
                    return Err((End::failed(problem), Some(Status::Unavailable)));
                },
                () = clock.sleep_until(until) => {
                    let problem = "no voice was ready for somebody who called";
                    return Err((End::failed(problem), Some(Status::Unavailable)));
                }
            }
        }
        Ok(())
    }

    /// Hangs up, and waits for the other side to take note of it, but not for long.
    async fn hang_up(&self, session: &mut Session) {
        let (said, late) = (session.outgoing.bye(), self.carrier.clock.sleep_until(self.now() + END_WAIT));
        let over = async {
            tokio::select! {
                () = said => {}
                () = late => {}
            }
        };
        self.listen_until(over, session).await;
    }

    /// A key may be the wish not to be called again, and counts also while a call ends, and when it has ended.
    async fn listen_until(&self, over: impl Future<Output = ()>, session: &mut Session) {
        let mut over = pin!(over);
        loop {
            tokio::select! {
                // What waits is heard before it is over.
                biased;
                Some(heard) = session.heard.recv() => self.heard_late(session, heard),
                signal = session.outgoing.next() => match signal {
                    Signal::Key(key) => self.report(LegEvent::Digit(key)),
                    Signal::Settled(answer) => session.settle(&answer),
                    Signal::Trying
                    | Signal::Ringing(_)
                    | Signal::Answered(_)
                    | Signal::Refused(_)
                    | Signal::Failed(_)
                    | Signal::Change(_)
                    | Signal::Transfer(_)
                    | Signal::HungUp => {}
                },
                () = &mut over => return,
            }
        }
    }

    /// What still counts when a call is ending.
    fn heard_late(&self, session: &mut Session, heard: Heard) {
        match heard {
            Heard::Key(key) => self.report(LegEvent::Digit(key)),
            Heard::Unrecorded(reason) => self.report(LegEvent::NotRecorded(reason)),
            Heard::Recorded(recording) => self.recorded(session, recording),
            Heard::Said(_)
            | Heard::Verdict(_)
            | Heard::Cue
            | Heard::Frame(_)
            | Heard::Played { .. }
            | Heard::Cut(_) => {}
        }
    }

    /// Whoever presses a key on a call whose sides have agreed on none is not heard, which is told.
    fn look_for_keys(&self, session: &mut Session) {
        let has_keys = session.agreed.as_ref().is_some_and(|agreed| agreed.keys_type.is_some());
        self.place.trunk.agreed_on_keys(has_keys);
        if !std::mem::replace(&mut session.is_deaf, !has_keys) && !has_keys {
            self.report(LegEvent::KeysUnheard("the carrier agrees on no telephone-event".into()));
        }
    }

    pub(super) fn report(&self, event: LegEvent) {
        self.events.report(self.now(), event);
    }

    pub(super) fn now(&self) -> Instant {
        self.carrier.clock.steady()
    }

    /// Until it is answered, or will not be.
    async fn ring(&mut self, session: &mut Session) -> Result<Answer, End> {
        let clock = self.carrier.clock.clone();
        let mut until = self.now().checked_add_signed(self.request.ring_timeout).unwrap_or(Instant::MAX_UTC);
        let (mut was_heard_of, mut rings) = (false, false);
        let mut giving_up: Option<End> = None;
        loop {
            let gives_up = tokio::select! {
                signal = session.outgoing.next() => match (signal, giving_up.take()) {
                    (Signal::Answered(answer), None) => return Ok(answer),
                    // It crossed our hang-up.
                    (Signal::Answered(_), Some(end)) => {
                        self.hang_up(session).await;
                        return Err(end);
                    }
                    (Signal::Refused(_) | Signal::Failed(_) | Signal::HungUp, Some(end)) => return Err(end),
                    // So the library says that it has asked for half a minute and nothing came.
                    (Signal::Refused(refusal), None) if refusal.code == TIMEOUT && !was_heard_of => {
                        return Err(self.unheard(session));
                    }
                    (Signal::Refused(refusal), None) => {
                        let detail = Some(refusal.detail(&self.place.trunk.settings.name));
                        return Err(End { cause: refusal.cause(), detail });
                    }
                    (Signal::Failed(problem), None) => {
                        self.place.trunk.doubt();
                        let problem = format!("trunk {}: {problem}", self.place.trunk.settings.name);
                        if !was_heard_of {
                            return Err(End::failed(problem));
                        }
                        // It may have been the answer that failed: whoever may be on the line is not called again.
                        self.report(LegEvent::Answered);
                        return Err(End::failed(format!("{problem}; somebody may have picked up")));
                    }
                    (Signal::HungUp, None) => return Err(End::of(Cause::NoAnswer)),
                    (Signal::Trying, end) => {
                        was_heard_of = true;
                        giving_up = end;
                        None
                    }
                    (Signal::Ringing(sdp), end) => {
                        was_heard_of = true;
                        if let Some(remote) = sdp.and_then(|sdp| sdp::read(&sdp).ok()) {
                            session.agree(remote);
                        }
                        if !std::mem::replace(&mut rings, true) && end.is_none() {
                            self.report(LegEvent::Ringing);
                        }
                        giving_up = end;
                        None
                    }
                    (Signal::Change(_) | Signal::Settled(_) | Signal::Key(_) | Signal::Transfer(_), end) => {
                        giving_up = end;
                        None
                    }
                },
                command = self.commands.recv(), if giving_up.is_none() => match command {
                    Some(
                        LegCommand::Speak { .. }
                        | LegCommand::Record
                        | LegCommand::Transfer { .. }
                        | LegCommand::Converse(_)
                        | LegCommand::Reply { .. }
                        | LegCommand::SendDigits(_),
                    ) => None,
                    Some(LegCommand::Finish | LegCommand::HangUp) | None => Some(End::of(Cause::LocalHangup)),
                },
                Err(problem) = self.words.next(), if giving_up.is_none() => Some(End::failed(problem)),
                () = clock.sleep_until(until) => match giving_up.take() {
                    Some(end) => return Err(end),
                    None if was_heard_of => Some(End::of(Cause::NoAnswer)),
                    None => return Err(self.unheard(session)),
                },
            };
            if let Some(end) = gives_up {
                session.outgoing.cancel();
                giving_up = Some(end);
                until = self.now() + END_WAIT;
            }
        }
    }

    /// The end of a call on which nothing was heard of the carrier: that nobody picked up is not known.
    fn unheard(&self, session: &Session) -> End {
        // The library goes on asking for half a minute; should it be heard, it takes the call back.
        session.outgoing.cancel();
        self.place.trunk.doubt();
        End::failed(format!(
            "trunk {}: nothing was heard of the carrier while it should have rung",
            self.place.trunk.settings.name
        ))
    }

    /// From the answer to the end.
    async fn talk(&mut self, session: &mut Session, answer: Answer) -> End {
        self.report(LegEvent::Answered);
        let remote = match (sdp::read(&answer.sdp), session.agreed.clone()) {
            (Ok(remote), _) => remote,
            // What was agreed while it rang need not be said again.
            (Err(SdpError::Unreadable), Some(agreed)) if answer.sdp.is_empty() => agreed,
            (Err(problem), _) => {
                self.hang_up(session).await;
                return End::failed(format!("trunk {}: {problem}", self.place.trunk.settings.name));
            }
        };
        session.agree(remote);
        self.look_for_keys(session);
        let mut talk = Talk::new(answer.session_expires, self.now());
        if self.request.machine_detection.unwrap_or(self.carrier.settings.detect_machines) {
            // What we say would come back as an echo and be taken for a long greeting.
            talk.waits = true;
            session.line.detect();
        }
        let end = self.go_on(session, &mut talk).await;
        let now = self.now();
        self.ended_at = Some(now);
        talk.bridge.iter_mut().for_each(Bridge::hang_up);
        self.listen_until(self.carrier.clock.sleep_until(now + LAST_KEYS), session).await;
        self.unjudged = talk.bridge.or(talk.parted);
        end
    }

    /// Until one side hangs up.
    async fn go_on(&mut self, session: &mut Session, talk: &mut Talk) -> End {
        let clock = self.carrier.clock.clone();
        let (mut refreshing, mut referring) = (JoinSet::new(), JoinSet::new());
        loop {
            let agent_at = talk.bridge.as_ref().and_then(Bridge::due);
            let until =
                [talk.silent_until, talk.refresh_at, talk.expires_at, talk.transfer.quiet_until(), agent_at];
            let until = until.into_iter().flatten().min();
            let end = tokio::select! {
                signal = session.outgoing.next() => match signal {
                    Signal::HungUp => {
                        self.transferred_if(talk.transfer.is_accepted());
                        return End::of(Cause::RemoteHangup);
                    }
                    Signal::Transfer(code) => {
                        self.transfer_goes_on(talk, code);
                        None
                    }
                    Signal::Failed(problem) => Some(End::failed(problem)),
                    Signal::Key(key) => {
                        self.pressed(talk, key);
                        None
                    }
                    Signal::Change(change) => {
                        let timer = change.session_expires.as_deref().map(Timer::of);
                        if session.change(change, timer.as_ref()).await {
                            talk.lasts_for(timer.map(|timer| timer.meant), self.now());
                        }
                        self.look_for_keys(session);
                        None
                    }
                    Signal::Settled(answer) => {
                        session.settle(&answer);
                        self.look_for_keys(session);
                        None
                    }
                    Signal::Trying | Signal::Ringing(_) | Signal::Answered(_) | Signal::Refused(_) => None,
                },
                Some(heard) = session.heard.recv() => {
                    self.heard(session, talk, heard);
                    None
                }
                said = bridge::next(&mut talk.bridge) => {
                    self.agent_says(session, talk, said);
                    None
                }
                command = self.commands.recv() => match command {
                    Some(LegCommand::Speak { text, .. }) => {
                        talk.transfer = Transfer::None;
                        talk.part(session);
                        self.speak(session, talk, text);
                        None
                    }
                    Some(LegCommand::Record) => {
                        talk.records_next = true;
                        None
                    }
                    Some(LegCommand::Transfer { to }) => {
                        session.line.hush();
                        talk.part(session);
                        talk.transfer = Transfer::Asked;
                        let trunk = &self.place.trunk.settings;
                        referring.spawn(session.outgoing.refer(trunk, &dialed(to, &trunk.number_prefix)));
                        None
                    }
                    Some(LegCommand::Converse(brief)) => {
                        talk.brief = Some(brief);
                        self.converse_if_wanted(session, talk);
                        None
                    }
                    Some(LegCommand::Reply { number, answer }) => {
                        talk.tell_agent(agent::Heard::Reply(number, answer));
                        None
                    }
                    Some(LegCommand::SendDigits(keys)) => {
                        session.line.press(keys);
                        None
                    }
                    Some(LegCommand::Finish) => match &mut talk.bridge {
                        Some(bridge) => {
                            bridge.finish(self.carrier.clock.steady());
                            None
                        }
                        None => Some(End::of(Cause::LocalHangup)),
                    },
                    Some(LegCommand::HangUp) | None => Some(End::of(Cause::LocalHangup)),
                },
                made = self.words.next() => match made {
                    Ok(()) => {
                        self.say_wanted(session, talk);
                        None
                    }
                    // What nobody wants to hear yet is tried again when it is wanted.
                    Err(problem) => {
                        let is_missed = talk.wanted.as_ref().is_some_and(|text| !self.words.has(text));
                        is_missed.then(|| End::failed(problem))
                    }
                },
                Some(asked) = referring.join_next() => {
                    self.transfer_answered(talk, asked.unwrap_or_else(|panic| Err(panic.to_string())));
                    None
                }
                Some(asked) = refreshing.join_next() => {
                    match asked.unwrap_or_else(|panic| Renewal::Refused(panic.to_string())) {
                        Renewal::Agreed(time) => {
                            let time = time.or(talk.session_expires.take());
                            talk.lasts_for(time, self.now());
                            None
                        }
                        Renewal::Refused(problem) => {
                            tracing::debug!(call = self.request.call_id, problem, "a session is not renewed");
                            talk.was_not_refreshed(self.now());
                            None
                        }
                        Renewal::Over => Some(End::failed("the carrier does not renew the session")),
                    }
                }
                () = clock.sleep_until(until.unwrap_or(Instant::MAX_UTC)), if until.is_some() => {
                    let now = self.now();
                    let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
                    if is_due(talk.silent_until) {
                        Some(End::failed("no voice was ready when the call was answered"))
                    } else if is_due(talk.expires_at) {
                        Some(End::failed("the carrier did not renew the session in time"))
                    } else if talk.bridge.as_mut().is_some_and(|bridge| bridge.on_time(now)) {
                        Some(End::of(Cause::LocalHangup))
                    } else {
                        if is_due(talk.transfer.quiet_until()) {
                            talk.transfer = Transfer::None;
                            self.transferred_if(true);
                        }
                        if is_due(talk.refresh_at) {
                            talk.refresh_at = None;
                            session.local.version += 1;
                            if let (Some(agreed), Some(expires)) = (&session.agreed, &talk.session_expires) {
                                let sdp = session.local.repeat(agreed);
                                refreshing.spawn(session.outgoing.refresh(sdp, expires));
                            }
                        }
                        None
                    }
                }
            };
            if let Some(end) = end {
                self.hang_up(session).await;
                return end;
            }
        }
    }

    fn heard(&mut self, session: &mut Session, talk: &mut Talk, heard: Heard) {
        match heard {
            Heard::Key(key) => self.pressed(talk, key),
            Heard::Frame(frame) => talk.bridge.iter().for_each(|bridge| bridge.hear(&frame)),
            Heard::Played { sent, gone } => {
                let now = self.now();
                talk.bridge.iter_mut().for_each(|bridge| bridge.played(sent, gone, now));
            }
            Heard::Cut(sent) => talk.tell_agent(agent::Heard::Hushed(sent)),
            Heard::Said(number) if number == talk.number && talk.wanted.is_none() => {
                self.report(LegEvent::SpeechEnded);
            }
            Heard::Said(_) => {}
            Heard::Unrecorded(reason) => self.report(LegEvent::NotRecorded(reason)),
            Heard::Recorded(recording) => self.recorded(session, recording),
            Heard::Verdict(Verdict::Machine) => {
                session.line.await_cue();
                self.report(LegEvent::MachineDetected);
            }
            Heard::Verdict(Verdict::Human | Verdict::Unsure) | Heard::Cue => {
                talk.waits = false;
                self.say_wanted(session, talk);
                self.converse_if_wanted(session, talk);
            }
        }
    }

    /// A key was pressed; an agent that talks is told of it.
    fn pressed(&self, talk: &mut Talk, key: char) {
        self.report(LegEvent::Digit(key));
        talk.tell_agent(agent::Heard::Key(key));
    }

    /// Lets the agent talk, if it is to and if it may.
    fn converse_if_wanted(&self, session: &Session, talk: &mut Talk) {
        if talk.waits {
            return;
        }
        let Some(brief) = talk.brief.take() else { return };
        let Some(agent) = self.carrier.agent.get() else {
            self.report(LegEvent::AgentFailed("no agent is configured".into()));
            return;
        };
        let codec = session.agreed.as_ref().map_or(Codec::Pcmu, |agreed| agreed.codec);
        talk.bridge = Some(Bridge::begin(agent.clone(), brief, codec, talk.answered_at));
        session.line.converse();
    }

    /// Does what the agent says.
    fn agent_says(&self, session: &Session, talk: &mut Talk, said: Said) {
        match said {
            Said::Play(sound) => {
                session.line.queue(sound);
                if talk.bridge.as_ref().is_some_and(Bridge::is_flooding) {
                    talk.part(session);
                    let problem = "the agent says more than can be listened to";
                    self.report(LegEvent::AgentFailed(problem.into()));
                }
            }
            Said::Hush => session.line.cut(),
            Said::Line(line) => self.report(LegEvent::Said(line)),
            Said::Asks(number, tool) => self.report(LegEvent::Asked(ToolCall { number, tool })),
            Said::Turn(latency) => self.report(LegEvent::Turn(latency)),
            Said::Used(usage) => self.report(LegEvent::AgentUsed(usage)),
            Said::Failed(problem) => self.report(LegEvent::AgentFailed(problem)),
        }
    }

    fn speak(&mut self, session: &mut Session, talk: &mut Talk, text: String) {
        session.line.hush();
        talk.number += 1;
        talk.records = std::mem::take(&mut talk.records_next);
        if text.trim().is_empty() {
            talk.wanted = None;
            talk.silent_until = None;
            self.report(LegEvent::SpeechEnded);
            return;
        }
        talk.wanted = Some(text);
        self.say_wanted(session, talk);
    }

    /// Says what is wanted, if it is ready and may be said.
    fn say_wanted(&mut self, session: &mut Session, talk: &mut Talk) {
        let Some(text) = &talk.wanted else { return };
        let sound = self.words.want(text);
        talk.silent_until = match (&sound, talk.silent_until) {
            _ if talk.waits => None,
            (Some(_), _) => None,
            (None, Some(until)) => Some(until),
            (None, None) => Some(self.now() + SILENCE_MAX),
        };
        if let Some(sound) = sound
            && !talk.waits
        {
            if std::mem::take(&mut talk.records) {
                self.record(session, talk);
            }
            session.line.play(sound, talk.number);
            talk.wanted = None;
            self.report(LegEvent::SpeechBegan);
        }
    }

    /// Records the call from now on.
    fn record(&self, session: &mut Session, talk: &Talk) {
        let Some(recorder) = self.carrier.recorder.get() else {
            self.report(LegEvent::NotRecorded("there is no folder for recordings".into()));
            return;
        };
        let since = (self.now() - talk.answered_at).num_milliseconds().clamp(0, 3_600_000);
        let lead = since as usize * RATE as usize / 1_000;
        session.line.record(recorder.begin(self.request.call_id, lead, session.to_heard.clone()));
        session.is_recorded = true;
        self.report(LegEvent::RecordingBegan);
    }

    fn recorded(&self, session: &mut Session, recording: Option<Recording>) {
        session.is_recorded = false;
        if let Some(recording) = recording {
            self.report(LegEvent::Recorded(recording));
        }
    }

    /// Waits for the file to be complete, but not long for a slow disk: then it is told after the end.
    async fn end_recording(&self, session: &mut Session) {
        session.line.end_recording();
        let clock = self.carrier.clock.clone();
        let until = self.now() + RECORDING_WAIT;
        while session.is_recorded {
            tokio::select! {
                Some(heard) = session.heard.recv() => self.heard_late(session, heard),
                () = clock.sleep_until(until) => {
                    let (_, nothing) = unbounded_channel();
                    let mut heard = std::mem::replace(&mut session.heard, nothing);
                    let (events, clock) = (self.events.clone(), self.carrier.clock.clone());
                    self.carrier.runtime.spawn(async move {
                        while let Some(heard) = heard.recv().await {
                            if let Heard::Recorded(recording) = heard {
                                let event = recording.map(LegEvent::Recorded);
                                event.into_iter().for_each(|event| events.report(clock.steady(), event));
                                return;
                            }
                        }
                    });
                    return;
                }
            }
        }
    }
}

/// A number as this carrier wants it dialed.
fn dialed(number: Phone, prefix: &str) -> String {
    format!("{prefix}{}", number.digits())
}

/// How far a conversation is.
pub(super) struct Talk {
    /// Counts what is to be said.
    number: u64,
    answered_at: Instant,
    /// To be said, as soon as it can be.
    wanted: Option<String>,
    /// The call is recorded from the beginning of what is wanted, or of what will be wanted next.
    records: bool,
    records_next: bool,
    /// It is not known yet who picked up, or a machine is still greeting.
    waits: bool,
    /// When somebody has heard nothing for too long.
    silent_until: Option<Instant>,
    session_expires: Option<String>,
    refresh_at: Option<Instant>,
    expires_at: Option<Instant>,
    pub(super) transfer: Transfer,
    /// What an agent is to be told, once it may talk.
    brief: Option<Arc<Brief>>,
    /// The agent that talks, and one that did before.
    bridge: Option<Bridge>,
    parted: Option<Bridge>,
}

impl Talk {
    fn new(session_expires: Option<String>, now: Instant) -> Talk {
        let mut talk = Talk {
            number: 0,
            answered_at: now,
            wanted: None,
            records: false,
            records_next: false,
            waits: false,
            silent_until: None,
            session_expires: None,
            refresh_at: None,
            expires_at: None,
            transfer: Transfer::None,
            brief: None,
            bridge: None,
            parted: None,
        };
        talk.lasts_for(session_expires, now);
        talk
    }

    /// The agent talks no more.
    fn part(&mut self, session: &Session) {
        self.brief = None;
        if let Some(mut bridge) = self.bridge.take() {
            bridge.hang_up();
            self.parted = Some(bridge);
            session.line.part();
        }
    }

    fn tell_agent(&mut self, heard: agent::Heard) {
        if let Some(bridge) = &mut self.bridge {
            bridge.tell(heard);
        }
    }

    /// From now on the session lasts for this time, RFC 4028: we renew it after half of it and try to until its end, or the
    /// other side does and we wait for that almost to its end. One without a time needs neither.
    fn lasts_for(&mut self, session_expires: Option<String>, now: Instant) {
        self.session_expires = session_expires;
        (self.refresh_at, self.expires_at) = (None, None);
        let Some(value) = &self.session_expires else { return };
        let value = value.to_ascii_lowercase();
        let seconds = value.split(';').next().and_then(|seconds| seconds.trim().parse().ok());
        let seconds: i64 = seconds.unwrap_or(1_800).clamp(SESSION_MIN, 86_400);
        match value.contains("refresher=uas") {
            true => self.expires_at = Some(now + TimeDelta::seconds(seconds - (seconds / 3).min(32))),
            false => {
                self.refresh_at = Some(now + TimeDelta::seconds(seconds / 2));
                self.expires_at = Some(now + TimeDelta::seconds(seconds));
            }
        }
    }

    /// Asks again for the session to be renewed, the more often the less time is left.
    fn was_not_refreshed(&mut self, now: Instant) {
        self.refresh_at = self.expires_at.map(|end| now + ((end - now) / 4).max(RENEWAL_WAIT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timers(session_expires: Option<&str>) -> (Option<i64>, Option<i64>) {
        let now = Instant::UNIX_EPOCH;
        let talk = Talk::new(session_expires.map(str::to_owned), now);
        let seconds = |at: Option<Instant>| at.map(|at| (at - now).num_seconds());
        (seconds(talk.refresh_at), seconds(talk.expires_at))
    }

    #[test]
    fn a_session_is_renewed_by_whom_the_answer_names() {
        assert_eq!(timers(None), (None, None));
        assert_eq!(timers(Some("1800")), (Some(900), Some(1_800)));
        assert_eq!(timers(Some("90;refresher=uac")), (Some(45), Some(90)));
        assert_eq!(timers(Some("90;refresher=UAS")), (None, Some(60)));
        assert_eq!(timers(Some("1800 ; refresher=uas")), (None, Some(1_768)));
        assert_eq!(timers(Some("1")), (Some(30), Some(60)));
        assert_eq!(timers(Some("soon")), (Some(900), Some(1_800)));
    }

    #[test]
    fn a_session_that_is_not_renewed_is_asked_for_again_until_its_end() {
        let began = Instant::UNIX_EPOCH;
        let mut talk = Talk::new(Some("90;refresher=uac".into()), began);
        let end = talk.expires_at.unwrap();
        let mut asked = Vec::new();
        while let Some(at) = talk.refresh_at.filter(|at| *at < end) {
            asked.push((at - began).num_seconds());
            talk.was_not_refreshed(at);
        }
        assert_eq!(asked, [45, 56, 64, 71, 75, 79, 81, 83, 85, 87, 89]);
        talk.lasts_for(None, end);
        talk.was_not_refreshed(end);
        assert_eq!((talk.refresh_at, talk.expires_at), (None, None), "it has no end any more");
    }

    #[test]
    fn a_number_is_dialed_with_the_prefix_of_the_trunk() {
        let number = Phone::from_e164("+12025550101").unwrap();
        assert_eq!(dialed(number, "+"), "+12025550101");
        assert_eq!(dialed(number, "00"), "0012025550101");
    }
}
