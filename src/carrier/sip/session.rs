//! What two sides of a call share: where each hears the other, and for how long that is agreed.

use super::Inner;
use super::sound::{Heard, Line};
use super::stack::{Change, Outgoing};
use crate::media::sdp::{self, Local, Remote};
use std::net::SocketAddr;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Our side of a session whose other side is still to come.
pub(super) struct Ours {
    line: Line,
    heard: UnboundedReceiver<Heard>,
    to_heard: UnboundedSender<Heard>,
    pub(super) local: Local,
}

impl Ours {
    /// Opens a socket for sound towards a carrier. The error is a sentence.
    pub(super) fn open(carrier: &Inner, towards: SocketAddr) -> Result<Ours, String> {
        let socket = carrier.ports.bind(carrier.settings.listen.ip())?;
        let port = socket.local_addr().map_err(|error| error.to_string())?.port();
        let (to_heard, heard) = unbounded_channel();
        let line = carrier.studio.open(socket, to_heard.clone()).map_err(|error| error.to_string())?;
        let address = SocketAddr::new(carrier.stack.address_towards(towards), port);
        let local = Local { address, session: u64::from(rand::random::<u32>()), version: 1 };
        Ok(Ours { line, heard, to_heard, local })
    }

    /// The session of a call that was asked for, or taken.
    pub(super) fn session(self, outgoing: Outgoing) -> Session {
        let Ours { line, heard, to_heard, local } = self;
        Session { line, heard, to_heard, local, agreed: None, outgoing, is_recorded: false, is_deaf: false }
    }
}

/// The time of a session that the other side proposes, RFC 4028: as it is said back, and as it would have been said to us
/// had we asked.
pub(super) struct Timer {
    pub(super) said: String,
    pub(super) meant: String,
}

impl Timer {
    pub(super) fn of(proposed: &str) -> Timer {
        let lower = proposed.to_ascii_lowercase();
        let seconds = lower.split(';').next().unwrap_or_default().trim().to_owned();
        // Who asks renews it, unless they ask us to.
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
pub(super) struct Session {
    pub(super) line: Line,
    pub(super) heard: UnboundedReceiver<Heard>,
    pub(super) to_heard: UnboundedSender<Heard>,
    pub(super) local: Local,
    pub(super) agreed: Option<Remote>,
    pub(super) outgoing: Outgoing,
    /// A recording has begun and its end was not heard of.
    pub(super) is_recorded: bool,
    /// No keys are agreed on.
    pub(super) is_deaf: bool,
}

impl Session {
    pub(super) fn agree(&mut self, remote: Remote) {
        self.line.aim(&remote);
        self.agreed = Some(remote);
    }

    /// Answers a change that the other side wants, and for how long; whether it is agreed on.
    pub(super) async fn change(&mut self, change: Change, timer: Option<&Timer>) -> bool {
        let said = timer.map(|timer| timer.said.as_str());
        if !change.sdp.is_empty() {
            let Ok(remote) = sdp::read(&change.sdp) else {
                change.decline().await;
                return false;
            };
            self.local.version += 1;
            let answer = self.local.answer(&remote);
            self.agree(remote);
            change.accept(Some(answer), said).await;
            return true;
        }
        let offer = match (&self.agreed, change.wants_offer) {
            (Some(agreed), true) => {
                self.local.version += 1;
                Some(self.local.offer_again(agreed))
            }
            (None, _) | (_, false) => None,
        };
        change.accept(offer, said).await;
        true
    }

    /// Takes their answer to what we offered when they asked for it. One that cannot be read changes nothing.
    pub(super) fn settle(&mut self, answer: &[u8]) {
        match sdp::read(answer) {
            Ok(remote) => self.agree(remote),
            Err(error) => tracing::debug!(%error, "an answer to our offer is not taken"),
        }
    }
}
