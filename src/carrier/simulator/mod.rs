//! The carrier that rings nobody: a town of virtual people, for trying the product, for demonstrations and for
//! rehearsing a campaign before it is let loose.
//!
//! Who picks up and what they do depends on the seed, the number and the attempt, so a rehearsal can be
//! repeated. The numbers that are kept for fiction (`+1` any area `555 01xx`) tell fixed stories:
//!
//! | number | story |
//! |---|---|
//! | … 555 0101 | picks up and hears the script out |
//! | … 555 0102 | picks up and hangs up after 3 s |
//! | … 555 0103 | an answering machine |
//! | … 555 0104 | nobody picks up |
//! | … 555 0105 | busy |
//! | … 555 0106 | the call is refused while it rings |
//! | … 555 0107 | no such number |
//! | … 555 0108 | the carrier fails |
//! | … 555 0109 | picks up and asks not to be called again |
//! | … 555 0110 | hears the script out and presses 1 |
//! | … 555 0111 | busy on the first attempt, hears the script out on later ones |
//! | … 555 0112 | the carrier takes the call and never says another word about it, not even after a hang-up |
//! | … 555 0113 | a person who hears the script out, told by events that come late, twice and out of order |
//! | … 555 0114 | hears the script out and presses 0; a transfer is accepted |
//! | … 555 0115 | hears the script out and presses 3 |
//! | … 555 0116 | hears the script out; an agent fails in the middle of the conversation |
//!
//! Where an agent talks, a recorded conversation is played instead: who would press 1 says yes, who would press 2 says no,
//! who would press 3 wants to be called again and who would press 0 wants a person. No model is asked, unless the settings say
//! that conversations are played: then a model is the agent, and another instruction makes it the person.
//!
//! All other numbers are drawn from the shares in [`Settings`]. Whoever lets go of a [`Leg`] hangs up.

mod conversations;
mod exchange;
mod fates;
mod ledger;
mod players;
mod settings;
mod stories;

pub use fates::{End, Fate, Fates};
pub use settings::{Conversations, Outcomes, Persons, Seconds, Settings};

use super::{Capacity, Carrier, DialRequest, Incoming, Leg, LegEvents, Reception};
use crate::agent::chat::Chat;
use crate::clock::Clock;
use crate::domain::Instant;
use crate::domain::agent::{AgentKind, Brief, Usage};
use crate::domain::call::{LegCommand, LegEvent};
use crate::domain::guard::Agents;
use crate::domain::outcome::Cause;
use crate::domain::phone::Phone;
use exchange::Exchange;
use ledger::Ledger;
use players::Play;
use rand::rngs::Xoshiro256PlusPlus;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use stories::Story;
use tokio::sync::{Notify, mpsc, watch};

/// The simulated carrier. Clones are the same carrier.
///
/// It has to be driven: by [`Simulator::run`] as time passes, or by calling [`Simulator::turn`] on a clock that
/// is moved by hand.
#[derive(Clone)]
pub struct Simulator {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    fates: Option<Arc<dyn Fates>>,
    clock: Arc<dyn Clock>,
    ledger: Option<Ledger>,
    exchange: Mutex<Exchange>,
    receiver: Mutex<Option<mpsc::Sender<Incoming>>>,
    /// Plays conversations.
    chat: OnceLock<Chat>,
    /// Something is due sooner than was thought.
    sooner: Notify,
}

impl Simulator {
    /// A town where nobody has been called yet. With a `ledger`, every dial is first written to that file.
    /// Fails when the settings make no sense or the file cannot be opened.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, ledger: Option<&Path>) -> io::Result<Simulator> {
        settings.check().map_err(|problem| io::Error::new(io::ErrorKind::InvalidInput, problem))?;
        let ledger = ledger.map(Ledger::open).transpose()?;
        Ok(Simulator::with(settings, None, clock, ledger))
    }

    /// A town where somebody else decides what becomes of every call, at the speed of life.
    pub fn fated(fates: Arc<dyn Fates>, capacity: Capacity, clock: Arc<dyn Clock>) -> Simulator {
        let Capacity { channels, calls_per_second, next_at: _ } = capacity;
        let settings = Settings { channels, calls_per_second, speed: 1.0, ..Settings::default() };
        Simulator::with(settings, Some(fates), clock, None)
    }

    fn with(
        settings: Settings,
        fates: Option<Arc<dyn Fates>>,
        clock: Arc<dyn Clock>,
        ledger: Option<Ledger>,
    ) -> Simulator {
        let exchange = Mutex::new(Exchange::new(settings.speed, settings.channels));
        let (receiver, chat, sooner) = (Mutex::default(), OnceLock::new(), Notify::new());
        Simulator {
            inner: Arc::new(Inner { settings, fates, clock, ledger, exchange, receiver, chat, sooner }),
        }
    }

    /// Conversations are played by this model, for both sides.
    pub fn play_with(&self, chat: Chat) {
        self.inner.chat.get_or_init(|| chat);
    }

    /// Reports everything that is due by now, each as having happened when it was due; returns when the next
    /// thing is.
    pub fn turn(&self) -> Option<Instant> {
        let now = self.inner.clock.steady();
        self.inner.exchange.lock().unwrap_or_else(PoisonError::into_inner).turn(now)
    }

    /// Somebody of the town calls us, and listens as long as their story says. False if nobody takes calls.
    pub fn call_us(&self, called: Phone, caller: Option<Phone>) -> bool {
        let inner = self.inner.clone();
        let incoming = Incoming::new(vec![called], caller, move |reception| match reception {
            Reception::Taken(request, events) => inner.hear(&request, events, caller),
            Reception::Refused(_) => None,
        });
        let receiver = self.inner.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        receiver.as_ref().is_some_and(|receiver| receiver.try_send(incoming).is_ok())
    }

    /// Takes turns as time passes, until `shutdown` becomes true or nobody is left to say so.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        loop {
            let due = self.turn();
            let passed = async {
                match due {
                    Some(due) => self.inner.clock.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = passed => {}
                () = self.inner.sooner.notified() => {}
                _ = shutdown.wait_for(|down| *down) => return,
            }
        }
    }
}

impl Carrier for Simulator {
    fn name(&self) -> &'static str {
        "simulator"
    }

    fn capacity(&self) -> Capacity {
        let Settings { channels, calls_per_second, .. } = self.inner.settings;
        Capacity { channels, calls_per_second, next_at: None }
    }

    fn agents(&self) -> Agents {
        let Settings { channels, agent, .. } = self.inner.settings;
        Agents { seats: channels, free: channels, is_usual: agent == Some(AgentKind::Ai) }
    }

    fn dial(&self, request: DialRequest, events: LegEvents) -> Leg {
        let now = self.inner.clock.steady();
        match self.inner.place(&request, &events, now) {
            Ok(id) => {
                let mut line = Line { inner: self.inner.clone(), id, replies: None };
                Leg::new(move |command| line.command(&command))
            }
            Err(refusal) => {
                events.report(now, LegEvent::Ended(Cause::CarrierError, Some(refusal)));
                Leg::new(|_| {})
            }
        }
    }

    fn receive(&self, to: mpsc::Sender<Incoming>) {
        *self.inner.receiver.lock().unwrap_or_else(PoisonError::into_inner) = Some(to);
    }
}

impl Inner {
    /// A person who has called us hears what is said. They are there at once, whatever their story says of picking up.
    fn hear(
        self: &Arc<Self>,
        request: &DialRequest,
        events: LegEvents,
        caller: Option<Phone>,
    ) -> Option<Leg> {
        let story = Story::of_caller(&self.settings, caller.unwrap_or(request.phone));
        let now = self.clock.steady();
        let id = self.change(|exchange| exchange.connect(story, request.ring_timeout, events, now))?;
        let mut line = Line { inner: self.clone(), id, replies: None };
        Some(Leg::new(move |command| line.command(&command)))
    }

    /// Writes the dial down, then starts the call; the error is a sentence.
    fn place(&self, request: &DialRequest, events: &LegEvents, now: Instant) -> Result<u64, String> {
        if let Some(ledger) = &self.ledger {
            ledger
                .write(request, self.clock.now())
                .map_err(|error| format!("the simulator's ledger cannot be written: {error}"))?;
        }
        let story = match &self.fates {
            Some(fates) => Story::Fated(fates.fate(request, self.clock.now())),
            None => Story::of(&self.settings, request.phone, request.attempt),
        };
        self.change(|exchange| exchange.connect(story, request.ring_timeout, events.clone(), now))
            .ok_or_else(|| "all channels busy".to_owned())
    }

    /// When something is over that takes so long in life.
    fn after(&self, at: Instant, ms: u64) -> Instant {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner).after(at, ms)
    }

    /// Changes what will happen, and wakes whoever waits if something is due sooner than before.
    fn change<T>(&self, change: impl FnOnce(&mut Exchange) -> T) -> T {
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        let before = exchange.first_due();
        let changed = change(&mut exchange);
        let after = exchange.first_due();
        drop(exchange);
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.sooner.notify_one();
        }
        changed
    }
}

/// Dice that fall alike for the same attempt at the same number in the same town, whatever else is dialed.
pub fn dice(seed: u64, phone: Phone, attempt: i64) -> Xoshiro256PlusPlus {
    stories::rng_of(seed, phone, attempt)
}

/// Our end of a leg.
struct Line {
    inner: Arc<Inner>,
    id: u64,
    /// Where a conversation that is played learns what became of its tools.
    replies: Option<mpsc::UnboundedSender<(u64, String)>>,
}

impl Line {
    fn command(&mut self, command: &LegCommand) {
        if let (LegCommand::Converse(brief), Some(chat)) = (command, self.inner.chat.get().cloned())
            && self.play(chat, brief)
        {
            return;
        }
        match command {
            LegCommand::Reply { number, answer } => self.replies.iter().for_each(|replies| {
                // Nobody plays any more.
                let _ = replies.send((*number, answer.clone()));
            }),
            LegCommand::Record | LegCommand::SendDigits(_) => {}
            LegCommand::Speak { .. }
            | LegCommand::Transfer { .. }
            | LegCommand::Converse(_)
            | LegCommand::Finish
            | LegCommand::HangUp => self.replies = None,
        }
        let now = self.inner.clock.steady();
        self.inner.change(|exchange| exchange.command(self.id, command, now));
    }

    /// Has a conversation played; false where none can be.
    fn play(&mut self, chat: Chat, brief: &Arc<Brief>) -> bool {
        let Some((scene, story)) = self.inner.change(|exchange| exchange.stage(self.id)) else {
            return false;
        };
        let (replies, replied) = mpsc::unbounded_channel();
        let play = Play {
            at: self.inner.clock.steady(),
            used: Usage { model: chat.model().to_owned(), ..Usage::default() },
            inner: self.inner.clone(),
            chat,
            brief: brief.clone(),
            persona: conversations::persona(story),
            scene,
            replies: replied,
            entries: Vec::new(),
            tools: 0,
        };
        self.replies = Some(replies);
        tokio::spawn(play.run());
        true
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let now = self.inner.clock.steady();
        self.inner.change(|exchange| exchange.let_go(self.id, now));
    }
}
