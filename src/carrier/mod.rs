//! The port to whoever places calls. Knows what a dial and a leg are, not why somebody is called or what is
//! kept about it. Every driver passes the same conformance suite.

pub mod simulator;
pub mod sip;
mod switch;

pub use switch::Switch;

use crate::domain::Instant;
use crate::domain::agent::{Tool, ToolCall};
use crate::domain::call::{LegCommand, LegEvent};
use crate::domain::guard::Agents;
use crate::domain::other_call::Turned;
use crate::domain::phone::Phone;
use crate::domain::voice::Voice;
use chrono::TimeDelta;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::{mpsc, oneshot};

/// What a carrier needs to know to place one call.
#[derive(Clone, Debug)]
pub struct DialRequest {
    /// Our call; also the carrier's idempotency token.
    pub call_id: i64,
    /// Our lead, for the carrier's own books.
    pub lead_id: i64,
    /// The how-manieth dial of this lead.
    pub attempt: i64,
    /// The number.
    pub phone: Phone,
    /// Number to show; none leaves it to the trunk.
    pub caller_id: Option<Phone>,
    /// How long it may ring.
    pub ring_timeout: TimeDelta,
    /// What may be said, to be made ready while it rings.
    pub words: Vec<String>,
    /// Who says it.
    pub voice: Voice,
    /// What was recorded of it.
    pub recorded: Vec<Recorded>,
    /// Whether it is to be found out who picked up, a person or a machine; none leaves it to the carrier's settings.
    pub machine_detection: Option<bool>,
}

/// How much a carrier takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    /// Calls alive at one time.
    pub channels: usize,
    /// Dials per second; none for no limit.
    pub calls_per_second: Option<f64>,
    /// The steady time before which it takes no dial, where its pace depends on more than the dials of one dialer.
    pub next_at: Option<Instant>,
}

/// A text that was recorded: wherever it is part of what is said, this is heard.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The text.
    pub text: String,
    /// G.711 mu-law, 8,000 samples a second.
    pub sound: Arc<[u8]>,
}

/// Places calls.
pub trait Carrier: Send + Sync + 'static {
    /// The word stored with every call; `simulator` tells that nobody's phone rang.
    fn name(&self) -> &'static str;
    /// How much it takes at the moment.
    fn capacity(&self) -> Capacity;
    /// Asks for one call. Never fails: a refusal arrives as `Ended` like every other end. Must not block: a leg whose
    /// carrier is not asked yet says so, [`Leg::asking`].
    fn dial(&self, request: DialRequest, events: LegEvents) -> Leg;
    /// Who holds conversations on its calls; nobody, unless it says so. All seats are free ones here: which of them are
    /// taken, the dialer knows.
    fn agents(&self) -> Agents {
        Agents::default()
    }
    /// From now on hands over whoever calls us; before, and by a carrier that takes no calls, everybody is refused.
    fn receive(&self, _to: mpsc::Sender<Incoming>) {}
}

/// Somebody who calls us and waits to be taken. Dropping it refuses them.
pub struct Incoming {
    /// The numbers they may have called, the likeliest first: networks say it in several places.
    pub called: Vec<Phone>,
    /// Their own number; none where it is withheld.
    pub caller: Option<Phone>,
    reply: Box<dyn FnOnce(Reception) -> Option<Leg> + Send>,
}

/// What becomes of somebody who calls us.
pub enum Reception {
    /// They are taken: what may be said to them, and where their leg reports to.
    Taken(Box<DialRequest>, LegEvents),
    /// They are not.
    Refused(Turned),
}

impl Incoming {
    /// Somebody who is answered in this way. The function must not block.
    pub fn new(
        called: Vec<Phone>,
        caller: Option<Phone>,
        reply: impl FnOnce(Reception) -> Option<Leg> + Send + 'static,
    ) -> Incoming {
        Incoming { called, caller, reply: Box::new(reply) }
    }

    /// Takes them; none when they have gone away.
    pub fn take(self, request: DialRequest, events: LegEvents) -> Option<Leg> {
        (self.reply)(Reception::Taken(Box::new(request), events))
    }

    /// Sends them away.
    pub fn refuse(self, why: Turned) {
        (self.reply)(Reception::Refused(why));
    }
}

/// The live thing that a carrier gives us. Dropping it hangs up.
pub struct Leg {
    command: Box<dyn FnMut(LegCommand) + Send>,
    asking: Option<oneshot::Receiver<()>>,
}

impl Leg {
    /// A leg that takes commands this way. The function must not block; after the end it ignores everything.
    pub fn new(command: impl FnMut(LegCommand) + Send + 'static) -> Leg {
        Leg { command: Box::new(command), asking: None }
    }

    /// One whose carrier is still to be asked: once it was, or will never be, the other end of `asking` is dropped.
    pub fn asking(self, asking: oneshot::Receiver<()>) -> Leg {
        Leg { asking: Some(asking), ..self }
    }

    /// Whether the carrier was asked is told by this; none when it was already.
    pub fn take_asking(&mut self) -> Option<Asking> {
        self.asking.take().map(Asking)
    }

    /// Tells the leg what to do.
    pub fn command(&mut self, command: LegCommand) {
        (self.command)(command);
    }
}

/// A dial that is still on its way to the carrier.
pub struct Asking(oneshot::Receiver<()>);

impl Asking {
    /// Ends when the carrier was asked, or will never be.
    pub async fn is_over(self) {
        // The other end only ever goes away.
        let _ = self.0.await;
    }
}

/// One report of one leg.
#[derive(Clone, Debug)]
pub struct Report {
    /// The call it belongs to.
    pub call_id: i64,
    /// When it happened, in steady time.
    pub at: Instant,
    /// What happened.
    pub event: LegEvent,
}

/// What is counted by itself, so that none of it is lost behind much of another kind.
#[derive(Clone, Copy)]
enum Kind {
    /// Somebody asked not to be called again, or may have.
    Wish,
    /// What is written down and leads to nothing.
    Account,
    /// Everything else.
    Deed,
}

impl Kind {
    fn of(event: &LegEvent) -> Kind {
        match event {
            LegEvent::Digit(_)
            | LegEvent::OptOutAsked
            | LegEvent::Asked(ToolCall { tool: Tool::OptOut, .. })
            | LegEvent::Judged(_) => Kind::Wish,
            LegEvent::AgentUsed(_) | LegEvent::Turn(_) => Kind::Account,
            LegEvent::Ringing
            | LegEvent::Answered
            | LegEvent::MachineDetected
            | LegEvent::SpeechBegan
            | LegEvent::SpeechEnded
            | LegEvent::RecordingBegan
            | LegEvent::Recorded(_)
            | LegEvent::NotRecorded(_)
            | LegEvent::KeysUnheard(_)
            | LegEvent::Said(_)
            | LegEvent::Asked(_)
            | LegEvent::AgentFailed(_)
            | LegEvent::Transferred
            | LegEvent::TransferRefused(_)
            | LegEvent::Ended(..) => Kind::Deed,
        }
    }
}

/// Where a leg reports to. All legs share one inbox, so that one loop sees everything in order.
#[derive(Clone)]
pub struct LegEvents {
    call_id: i64,
    inbox: mpsc::UnboundedSender<Report>,
    /// By [`Kind`].
    sent: Arc<[AtomicU32; 3]>,
}

/// A leg that reports more than this of one kind is broken or hostile; only its end is still taken. Together with the
/// channels this bounds the inbox.
const REPORTS_MAX: u32 = 1_000;

impl LegEvents {
    /// Reports of this call go to this inbox.
    pub fn new(call_id: i64, inbox: mpsc::UnboundedSender<Report>) -> LegEvents {
        LegEvents { call_id, inbox, sent: Arc::default() }
    }

    /// Reports what happened at this steady time. Nobody listening any more is no error.
    pub fn report(&self, at: Instant, event: LegEvent) {
        let sent = self.sent[Kind::of(&event) as usize].fetch_add(1, Ordering::Relaxed);
        if sent < REPORTS_MAX || matches!(event, LegEvent::Ended(..)) {
            let _ = self.inbox.send(Report { call_id: self.call_id, at, event });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::agent::Usage;
    use chrono::DateTime;

    #[test]
    fn however_much_a_leg_reports_keys_wishes_and_failures_are_heard() {
        const MANY: usize = 5_000;
        let (inbox, mut reports) = mpsc::unbounded_channel();
        let leg = LegEvents::new(1, inbox);
        let report = |event| leg.report(DateTime::UNIX_EPOCH, event);
        (0..MANY).for_each(|_| report(LegEvent::AgentUsed(Usage::default())));
        report(LegEvent::AgentFailed("the model fell silent".into()));
        (0..MANY).for_each(|_| report(LegEvent::SpeechEnded));
        report(LegEvent::Digit('9'));
        report(LegEvent::OptOutAsked);
        report(LegEvent::Asked(ToolCall { number: 1, tool: Tool::OptOut }));
        report(LegEvent::Ended(crate::domain::outcome::Cause::RemoteHangup, None));
        let mut heard = Vec::new();
        let mut all = 0;
        while let Ok(report) = reports.try_recv() {
            all += 1;
            if !matches!(report.event, LegEvent::AgentUsed(_) | LegEvent::SpeechEnded) {
                heard.push(report.event);
            }
        }
        assert_eq!(heard.len(), 5, "{heard:?}");
        assert!(all <= 3 * REPORTS_MAX as usize + 1, "{all}");
    }
}
