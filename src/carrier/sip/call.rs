//! One call: asks for it, lets it ring, talks, hangs up. Everything that happens to it happens in one task.
//!
//! ```text
//!   ringing ──answered──► talking ──BYE, ours or theirs──► over
//!      │ refused                                             ▲
//!      ├─────────────────────────────────────────────────────┤
//!      └─ hang-up, ring timeout, no voice ─► giving up ──────┘  CANCEL; an answer that crosses it is hung up
//! ```

use super::sound::{Heard, Line};
use super::stack::{Answer, Change, Invite, Outgoing, Signal, Status, Visitor};
use super::words::Words;
use super::{Inner, Place};
use crate::carrier::{DialRequest, LegEvents};
use crate::domain::Instant;
use crate::domain::call::{LegCommand, LegEvent};
use crate::domain::outcome::Cause;
use crate::domain::phone::Phone;
use crate::domain::recording::Recording;
use crate::media::RATE;
use crate::media::amd::Verdict;
use crate::media::g711::Codec;
use crate::media::sdp::{self, Local, Remote, SdpError};
use chrono::TimeDelta;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How long it may take until the INVITE has left; whoever forbids dialing waits for it.
const ASK_WAIT: TimeDelta = TimeDelta::seconds(2);
/// How long the carrier has to confirm that a call was taken back or hung up.
const END_WAIT: TimeDelta = TimeDelta::seconds(4);
/// How long somebody who picked up hears nothing, at most.
const SILENCE_MAX: TimeDelta = TimeDelta::milliseconds(1_500);
/// How long the end of a call waits for its recording to be complete.
const RECORDING_WAIT: TimeDelta = TimeDelta::seconds(2);
/// How long a carrier that has agreed to put somebody through may take to tell anything of it, as RFC 3515 has it.
const PROGRESS_WAIT: TimeDelta = TimeDelta::seconds(5);
/// How long somebody who calls hears it ring, at most, until there is something to say.
const WORDS_WAIT: TimeDelta = TimeDelta::seconds(10);
/// Nobody renews a session more often.
const SESSION_MIN: i64 = 60;

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
    place: Place,
    request: DialRequest,
    events: LegEvents,
    commands: UnboundedReceiver<LegCommand>,
    /// Dropped once the carrier was asked.
    asked: Option<oneshot::Sender<()>>,
    words: Words,
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
        Call { carrier, place, request, events, commands, asked: Some(asked), words }
    }

    /// Makes the call and reports what happens, to its end.
    pub(super) async fn run(mut self) {
        let end = self.lead().await.unwrap_or_else(End::failed);
        self.asked = None;
        self.report(LegEvent::Ended(end.cause, end.detail));
    }

    async fn lead(&mut self) -> Result<End, String> {
        let socket = self.carrier.ports.bind(self.carrier.settings.listen.ip())?;
        let port = socket.local_addr().map_err(|error| error.to_string())?.port();
        let address = self.place.address;
        let ours = SocketAddr::new(self.carrier.stack.address_towards(address), port);
        let (to_heard, heard) = unbounded_channel();
        let line = self.carrier.studio.open(socket, to_heard.clone()).map_err(|error| error.to_string())?;
        let session = u64::from(rand::random::<u32>());
        let local = Local { address: ours, session, version: 1 };
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
            offer: local.offer(&[Codec::Pcmu, Codec::Pcma]),
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
        let mut session =
            Session { line, heard, to_heard, local, agreed: None, outgoing, is_recorded: false };
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
        self.report(LegEvent::Ended(end.cause, end.detail));
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
        let (socket, port) = match self.carrier.ports.bind(self.carrier.settings.listen.ip()) {
            Ok(socket) => {
                let port = socket.local_addr().map_err(|error| error.to_string())?.port();
                (socket, port)
            }
            Err(problem) => {
                visitor.refuse(Status::Unavailable);
                return Err(problem);
            }
        };
        let ours = SocketAddr::new(self.carrier.stack.address_towards(self.place.address), port);
        let (to_heard, heard) = unbounded_channel();
        let line = self.carrier.studio.open(socket, to_heard.clone()).map_err(|error| error.to_string())?;
        let outgoing = self.carrier.stack.take(&self.place.trunk.settings, visitor)?;
        let local = Local { address: ours, session: u64::from(rand::random::<u32>()), version: 1 };
        let answer = local.answer(&remote);
        let mut session =
            Session { line, heard, to_heard, local, agreed: None, outgoing, is_recorded: false };
        session.outgoing.ring()?;
        let end = match self.prepare(&mut session).await {
            Ok(()) => {
                let timer = expires.as_deref().map(Timer::of);
                session.outgoing.pick_up(answer, timer.as_ref().map(|timer| timer.said.as_str()))?;
                let session_expires = timer.map(|timer| timer.meant);
                self.talk(&mut session, Answer { sdp: offer, session_expires }).await
            }
            Err((end, status)) => {
                if let Some(status) = status {
                    session.outgoing.decline(status);
                }
                end
            }
        };
        session.outgoing.release();
        Ok(end)
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
    async fn hang_up(&self, session: &Session) {
        let said = session.outgoing.bye();
        tokio::select! {
            () = said => {}
            () = self.carrier.clock.sleep_until(self.now() + END_WAIT) => {}
        }
    }

    fn report(&self, event: LegEvent) {
        self.events.report(self.now(), event);
    }

    fn now(&self) -> Instant {
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
                    (Signal::Refused(refusal), None) => {
                        let detail = Some(refusal.detail(&self.place.trunk.settings.name));
                        return Err(End { cause: refusal.cause(), detail });
                    }
                    (Signal::Failed(problem), None) => {
                        self.place.trunk.doubt();
                        return Err(End::failed(format!("trunk {}: {problem}", self.place.trunk.settings.name)));
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
                    (Signal::Change(_) | Signal::Key(_) | Signal::Transfer(_), end) => {
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
                    None => {
                        // The library goes on asking for half a minute; should it be heard, it takes the call back.
                        session.outgoing.cancel();
                        self.place.trunk.doubt();
                        return Err(End::failed(format!(
                            "trunk {}: nothing was heard of the carrier while it should have rung",
                            self.place.trunk.settings.name
                        )));
                    }
                },
            };
            if let Some(end) = gives_up {
                session.outgoing.cancel();
                giving_up = Some(end);
                until = self.now() + END_WAIT;
            }
        }
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
        let clock = self.carrier.clock.clone();
        let mut talk = Talk::new(answer.session_expires, self.now());
        if self.request.machine_detection.unwrap_or(self.carrier.settings.detect_machines) {
            // What we say would come back as an echo and be taken for a long greeting.
            talk.waits = true;
            session.line.detect();
        }
        let (mut refreshing, mut referring) = (JoinSet::new(), JoinSet::new());
        loop {
            let until = [talk.silent_until, talk.refresh_at, talk.expires_at, talk.transfer.quiet_until()];
            let until = until.into_iter().flatten().min();
            let end = tokio::select! {
                signal = session.outgoing.next() => match signal {
                    Signal::HungUp => {
                        self.transferred_if(talk.transfer.is_accepted());
                        return End::of(Cause::RemoteHangup);
                    }
                    Signal::Transfer(code) => {
                        self.transfer_goes_on(&mut talk, code);
                        None
                    }
                    Signal::Failed(problem) => Some(End::failed(problem)),
                    Signal::Key(key) => {
                        self.report(LegEvent::Digit(key));
                        None
                    }
                    Signal::Change(change) => {
                        talk.was_refreshed(self.now());
                        session.change(change).await;
                        None
                    }
                    Signal::Trying | Signal::Ringing(_) | Signal::Answered(_) | Signal::Refused(_) => None,
                },
                Some(heard) = session.heard.recv() => {
                    self.heard(session, &mut talk, heard);
                    None
                }
                command = self.commands.recv() => match command {
                    Some(LegCommand::Speak { text, .. }) => {
                        talk.transfer = Transfer::None;
                        self.speak(session, &mut talk, text);
                        None
                    }
                    Some(LegCommand::Record) => {
                        talk.records_next = true;
                        None
                    }
                    Some(LegCommand::Transfer { to }) => {
                        session.line.hush();
                        talk.transfer = Transfer::Asked;
                        let trunk = &self.place.trunk.settings;
                        referring.spawn(session.outgoing.refer(trunk, &dialed(to, &trunk.number_prefix)));
                        None
                    }
                    Some(LegCommand::Converse(_)) => {
                        self.report(LegEvent::AgentFailed("no agent is configured".into()));
                        None
                    }
                    Some(LegCommand::Reply { .. } | LegCommand::SendDigits(_)) => None,
                    Some(LegCommand::Finish | LegCommand::HangUp) | None => {
                        Some(End::of(Cause::LocalHangup))
                    }
                },
                made = self.words.next() => match made {
                    Ok(()) => {
                        self.say_wanted(session, &mut talk);
                        None
                    }
                    // What nobody wants to hear yet is tried again when it is wanted.
                    Err(problem) => {
                        let is_missed = talk.wanted.as_ref().is_some_and(|text| !self.words.has(text));
                        is_missed.then(|| End::failed(problem))
                    }
                },
                Some(asked) = referring.join_next() => {
                    self.transfer_answered(&mut talk, asked.unwrap_or_else(|panic| Err(panic.to_string())));
                    None
                }
                Some(agreed) = refreshing.join_next() => match agreed {
                    Ok(true) => None,
                    Ok(false) | Err(_) => Some(End::failed("the carrier does not renew the session")),
                },
                () = clock.sleep_until(until.unwrap_or(Instant::MAX_UTC)), if until.is_some() => {
                    let now = self.now();
                    let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
                    if is_due(talk.silent_until) {
                        Some(End::failed("no voice was ready when the call was answered"))
                    } else if is_due(talk.expires_at) {
                        Some(End::failed("the carrier did not renew the session in time"))
                    } else {
                        if is_due(talk.transfer.quiet_until()) {
                            talk.transfer = Transfer::None;
                            self.transferred_if(true);
                        }
                        if is_due(talk.refresh_at) {
                            talk.was_refreshed(now);
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
            Heard::Key(key) => self.report(LegEvent::Digit(key)),
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
            }
        }
    }

    /// What the carrier answers when it is asked to put somebody through.
    fn transfer_answered(&mut self, talk: &mut Talk, asked: Result<(), String>) {
        match (&talk.transfer, asked) {
            (Transfer::Asked, Ok(())) => {
                talk.transfer = Transfer::Accepted { quiet_until: Some(self.now() + PROGRESS_WAIT) };
            }
            (Transfer::Asked | Transfer::Accepted { .. }, Err(why)) => {
                talk.transfer = Transfer::None;
                self.report(LegEvent::TransferRefused(why));
            }
            // It was told already how it goes, or nobody wants it any more.
            (Transfer::Accepted { .. }, Ok(())) | (Transfer::None, _) => {}
        }
    }

    /// What the carrier tells of the call that it makes for a transfer.
    fn transfer_goes_on(&mut self, talk: &mut Talk, code: u16) {
        match (&talk.transfer, code) {
            (Transfer::None, _) => {}
            (Transfer::Asked | Transfer::Accepted { .. }, ..200) => {
                talk.transfer = Transfer::Accepted { quiet_until: None };
            }
            (Transfer::Asked | Transfer::Accepted { .. }, 200..300) => {
                talk.transfer = Transfer::None;
                self.transferred_if(true);
            }
            (Transfer::Asked | Transfer::Accepted { .. }, 300..) => {
                talk.transfer = Transfer::None;
                let name = &self.place.trunk.settings.name;
                self.report(LegEvent::TransferRefused(format!(
                    "trunk {name}: nobody took the call ({code})"
                )));
            }
        }
    }

    fn transferred_if(&self, is_accepted: bool) {
        if is_accepted {
            self.report(LegEvent::Transferred);
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
                Some(heard) = session.heard.recv() => match heard {
                    Heard::Unrecorded(reason) => self.report(LegEvent::NotRecorded(reason)),
                    Heard::Recorded(recording) => self.recorded(session, recording),
                    Heard::Key(_) | Heard::Said(_) | Heard::Verdict(_) | Heard::Cue => {}
                },
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

/// The time of a session that a caller proposes, RFC 4028: as it is said back, and as it would have been said to us had
/// we made the call.
struct Timer {
    said: String,
    meant: String,
}

impl Timer {
    fn of(proposed: &str) -> Timer {
        let lower = proposed.to_ascii_lowercase();
        let seconds = lower.split(';').next().unwrap_or_default().trim().to_owned();
        // Who calls renews it, unless they ask us to.
        match lower.contains("refresher=uas") {
            true => {
                Timer { said: format!("{seconds};refresher=uas"), meant: format!("{seconds};refresher=uac") }
            }
            false => {
                Timer { said: format!("{seconds};refresher=uac"), meant: format!("{seconds};refresher=uas") }
            }
        }
    }
}

/// What two sides of a call share.
struct Session {
    line: Line,
    heard: UnboundedReceiver<Heard>,
    to_heard: UnboundedSender<Heard>,
    local: Local,
    agreed: Option<Remote>,
    outgoing: Outgoing,
    /// A recording has begun and its end was not heard of.
    is_recorded: bool,
}

impl Session {
    fn agree(&mut self, remote: Remote) {
        self.line.aim(&remote);
        self.agreed = Some(remote);
    }

    /// Answers a change that the other side wants.
    async fn change(&mut self, change: Change) {
        if !change.sdp.is_empty() {
            match sdp::read(&change.sdp) {
                Ok(remote) => {
                    self.local.version += 1;
                    let answer = self.local.answer(&remote);
                    self.agree(remote);
                    change.accept(Some(answer)).await;
                }
                Err(_) => change.decline().await,
            }
            return;
        }
        let offer = match (&self.agreed, change.wants_offer) {
            (Some(agreed), true) => {
                self.local.version += 1;
                Some(self.local.repeat(agreed))
            }
            (None, _) | (_, false) => None,
        };
        change.accept(offer).await;
    }
}

/// How far a conversation is.
struct Talk {
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
    transfer: Transfer,
}

/// How far it is with putting somebody through.
enum Transfer {
    None,
    /// The carrier was asked.
    Asked,
    /// The carrier tries. One that tells nothing more until then has taken over.
    Accepted {
        quiet_until: Option<Instant>,
    },
}

impl Transfer {
    fn is_accepted(&self) -> bool {
        matches!(self, Transfer::Accepted { .. })
    }

    fn quiet_until(&self) -> Option<Instant> {
        match self {
            Transfer::Accepted { quiet_until } => *quiet_until,
            Transfer::None | Transfer::Asked => None,
        }
    }
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
            session_expires,
            refresh_at: None,
            expires_at: None,
            transfer: Transfer::None,
        };
        talk.was_refreshed(now);
        talk
    }

    /// Counts the time of the session anew, RFC 4028: we renew it after half of it, or the other side does and we wait
    /// for that almost to its end.
    fn was_refreshed(&mut self, now: Instant) {
        let Some(value) = &self.session_expires else { return };
        let value = value.to_ascii_lowercase();
        let seconds = value.split(';').next().and_then(|seconds| seconds.trim().parse().ok());
        let seconds: i64 = seconds.unwrap_or(1_800).clamp(SESSION_MIN, 86_400);
        match value.contains("refresher=uas") {
            true => self.expires_at = Some(now + TimeDelta::seconds(seconds - (seconds / 3).min(32))),
            false => self.refresh_at = Some(now + TimeDelta::seconds(seconds / 2)),
        }
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
        assert_eq!(timers(Some("1800")), (Some(900), None));
        assert_eq!(timers(Some("90;refresher=uac")), (Some(45), None));
        assert_eq!(timers(Some("90;refresher=UAS")), (None, Some(60)));
        assert_eq!(timers(Some("1800 ; refresher=uas")), (None, Some(1_768)));
        assert_eq!(timers(Some("1")), (Some(30), None));
        assert_eq!(timers(Some("soon")), (Some(900), None));
    }

    #[test]
    fn a_number_is_dialed_with_the_prefix_of_the_trunk() {
        let number = Phone::from_e164("+12025550101").unwrap();
        assert_eq!(dialed(number, "+"), "+12025550101");
        assert_eq!(dialed(number, "00"), "0012025550101");
    }
}
