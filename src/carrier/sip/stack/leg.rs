//! A call on the wire: what happens on it, in our words, and what we have to say to it.

use super::{ALLOW, Answer, SDP, Signal, Status, refusal, session_expires, uri};
use crate::carrier::sip::reading::{key_of, status_of};
use crate::carrier::sip::settings::Trunk;
use rsipstack::dialog::DialogId;
use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver, TerminatedReason, TransactionHandle};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Header, Method, Request, Response, StatusCode, StatusCodeKind};
use rsipstack::transaction::key::TransactionRole;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often a hang-up is tried while the library is busy with a change of the session.
const BYE_TRIES: usize = 20;
const BYE_PAUSE: Duration = Duration::from_millis(100);
/// How often a refresh is tried again that crossed one of the other side.
const GLARE_TRIES: usize = 3;

/// What became of an INVITE.
pub(super) type Asked = rsipstack::Result<(InviteDialog, Option<Response>)>;

/// What came of asking for a session to be renewed.
pub(in crate::carrier::sip) enum Renewal {
    /// It is, for this time where one is told.
    Agreed(Option<String>),
    /// It is not, which ends no call, RFC 5057; a sentence.
    Refused(String),
    /// There is no such call any more.
    Over,
}

/// A change that waits for our reply.
pub(in crate::carrier::sip) struct Change {
    pub(in crate::carrier::sip) sdp: Vec<u8>,
    pub(in crate::carrier::sip) session_expires: Option<String>,
    /// Without a description it asks for ours.
    pub(in crate::carrier::sip) wants_offer: bool,
    reply: TransactionHandle,
}

/// A call that was asked for, or that was taken.
pub(in crate::carrier::sip) struct Outgoing {
    pub(super) layer: Arc<DialogLayer>,
    pub(super) dialog: InviteDialog,
    pub(super) states: DialogStateReceiver,
    /// Until the final answer.
    pub(super) answer: Option<JoinHandle<Asked>>,
    pub(super) id: Option<DialogId>,
    /// The number of a change that asked for our offer. The answer to it comes with the ACK, RFC 3261 section 14.2.
    pub(super) offered: Option<u32>,
}

impl Outgoing {
    /// Tells them that it rings.
    pub(in crate::carrier::sip) fn ring(&self) -> Result<(), String> {
        self.dialog.ringing(None, None).map_err(|error| error.to_string())
    }

    /// Picks up, if they are still there.
    pub(in crate::carrier::sip) fn pick_up(
        &self,
        sdp: String,
        session_expires: Option<&str>,
    ) -> Result<(), String> {
        if self.dialog.state().is_terminated() {
            return Err("they have gone away".into());
        }
        let mut headers = vec![
            Header::ContentType(SDP.into()),
            Header::Supported("timer".into()),
            Header::Allow(ALLOW.into()),
        ];
        if let Some(value) = session_expires {
            headers.push(Header::SessionExpires(value.into()));
            headers.push(Header::Require("timer".into()));
        }
        self.dialog.accept(Some(headers), Some(sdp.into_bytes())).map_err(|error| error.to_string())
    }

    /// Sends them away whose call was taken.
    pub(in crate::carrier::sip) fn decline(&self, status: Status) {
        if let Err(error) = self.dialog.reject(Some(status.code()), None) {
            tracing::debug!(%error, "a call could not be refused");
        }
    }

    /// What happens next. May be given up and asked again.
    pub(in crate::carrier::sip) async fn next(&mut self) -> Signal {
        loop {
            let Outgoing { answer, states, dialog, offered, .. } = self;
            let answered = async {
                match answer {
                    Some(answer) => answer.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // What led to the answer is told before it.
                biased;
                Some(state) = states.recv() => if let Some(signal) = told(state, dialog, offered) { return signal },
                result = answered => {
                    self.answer = None;
                    return match result {
                        Ok(result) => self.answered(result),
                        Err(panic) => Signal::Failed(panic.to_string()),
                    };
                }
            }
        }
    }

    fn answered(&mut self, asked: Asked) -> Signal {
        match asked {
            Ok((dialog, Some(response))) => {
                self.id = Some(dialog.id());
                match response.status_code {
                    StatusCode::OK => Signal::Answered(Answer {
                        session_expires: session_expires(response.session_expires_header()),
                        sdp: response.body,
                    }),
                    _ => Signal::Refused(refusal(&response)),
                }
            }
            Ok((_, None)) => Signal::Failed("the carrier does not answer".into()),
            Err(error) => Signal::Failed(error.to_string()),
        }
    }

    /// Takes the call back before it is answered. Should the answer cross this, it is hung up by the library, or by
    /// [`Outgoing::bye`].
    pub(in crate::carrier::sip) fn cancel(&self) {
        let dialog = self.dialog.clone();
        tokio::spawn(async move {
            if let Err(error) = dialog.cancel().await {
                tracing::debug!(%error, "a CANCEL failed");
            }
        });
    }

    /// Hangs up. It goes on being said to a carrier that does not answer, whether somebody waits for the end or not.
    pub(in crate::carrier::sip) fn bye(&self) -> impl Future<Output = ()> + Send + 'static {
        let dialog = self.dialog.clone();
        let saying = tokio::spawn(async move {
            for _ in 0..BYE_TRIES {
                match dialog.bye().await {
                    Ok(()) => return,
                    Err(_) if dialog.state().is_terminated() => return,
                    // A change of the session that is not finished is in the way.
                    Err(_) => tokio::time::sleep(BYE_PAUSE).await,
                }
            }
            tracing::warn!("a call could not be hung up in order");
        });
        async move {
            if let Err(panic) = saying.await {
                tracing::error!(%panic, "a call could not be hung up");
            }
        }
    }

    /// Asks the carrier to put the other side through to somebody, RFC 3515; whether it will try. How that goes is told by
    /// [`Signal::Transfer`], which may overtake this answer.
    pub(in crate::carrier::sip) fn refer(
        &self,
        trunk: &Trunk,
        to: &str,
    ) -> impl Future<Output = Result<(), String>> + Send + 'static {
        let dialog = self.dialog.clone();
        let (name, place) = (trunk.name.clone(), uri(&format!("sip:{to}@{}", trunk.host)));
        async move {
            let asked = dialog.refer(place?, None, None).await;
            match asked.map_err(|error| error.to_string())? {
                Some(response) if response.status_code.kind() == StatusCodeKind::Successful => Ok(()),
                Some(response) => Err(refusal(&response).detail(&name)),
                None => Err(format!("trunk {name}: the call cannot be passed on at the moment")),
            }
        }
    }

    /// Asks the other side to renew the session, with our description.
    pub(in crate::carrier::sip) fn refresh(
        &self,
        sdp: String,
        expires: &str,
    ) -> impl Future<Output = Renewal> + Send + 'static {
        let dialog = self.dialog.clone();
        let headers = vec![
            Header::SessionExpires(expires.into()),
            Header::Supported("timer".into()),
            Header::Allow(ALLOW.into()),
            Header::ContentType(SDP.into()),
        ];
        async move {
            let asked = dialog.reinvite_with_glare_retry(Some(headers), Some(sdp.into_bytes()), GLARE_TRIES);
            match asked.await {
                Ok(Some(response)) if response.status_code.kind() == StatusCodeKind::Successful => {
                    Renewal::Agreed(session_expires(response.session_expires_header()))
                }
                Ok(Some(response)) => match response.status_code {
                    StatusCode::RequestTimeout | StatusCode::CallTransactionDoesNotExist => Renewal::Over,
                    status => Renewal::Refused(status.to_string()),
                },
                Ok(None) | Err(_) if dialog.state().is_terminated() => Renewal::Over,
                Ok(None) => Renewal::Refused("the call is busy with something else".into()),
                Err(error) => Renewal::Refused(error.to_string()),
            }
        }
    }

    /// Lets go of the call. One whose end is still to come is waited for in the background, and hung up should it be
    /// answered after all.
    pub(in crate::carrier::sip) fn release(mut self) {
        if let Some(id) = &self.id {
            self.layer.remove_dialog(id);
        }
        if self.answer.is_none() {
            return;
        }
        tokio::spawn(async move {
            loop {
                match self.next().await {
                    Signal::Answered(_) => {
                        self.bye().await;
                        break;
                    }
                    Signal::Refused(_) | Signal::Failed(_) | Signal::HungUp => break,
                    Signal::Trying
                    | Signal::Ringing(_)
                    | Signal::Change(_)
                    | Signal::Settled(_)
                    | Signal::Key(_)
                    | Signal::Transfer(_) => {}
                }
            }
            self.id.iter().for_each(|id| self.layer.remove_dialog(id));
        });
    }
}

impl Change {
    /// Agrees, with our description where there is one to give, and for this time.
    pub(in crate::carrier::sip) async fn accept(self, sdp: Option<String>, session_expires: Option<&str>) {
        let mut headers = vec![Header::Allow(ALLOW.into())];
        if let Some(value) = session_expires {
            headers.push(Header::SessionExpires(value.into()));
            headers.push(Header::Require("timer".into()));
        }
        if sdp.is_some() {
            headers.push(Header::ContentType(SDP.into()));
        }
        let body = sdp.map(String::into_bytes);
        if self.reply.respond(StatusCode::OK, Some(headers), body).await.is_err() {
            tracing::debug!("nobody waits for the reply to a change any more");
        }
    }

    /// Declines; the session stays as it is.
    pub(in crate::carrier::sip) async fn decline(self) {
        if self.reply.reply(StatusCode::NotAcceptableHere).await.is_err() {
            tracing::debug!("nobody waits for the reply to a change any more");
        }
    }
}

/// What a state of the library means to us; what it means nothing is answered here.
fn told(state: DialogState, dialog: &InviteDialog, offered: &mut Option<u32>) -> Option<Signal> {
    match state {
        // What the caller says ends a call that was taken; of one that we made it is our own word.
        DialogState::Terminated(_, TerminatedReason::UacBye | TerminatedReason::UacCancel)
            if dialog.role() == TransactionRole::Server =>
        {
            Some(Signal::HungUp)
        }
        DialogState::Trying(_) => Some(Signal::Trying),
        DialogState::Early(_, response) => {
            Some(Signal::Ringing(Some(response.body).filter(|body| !body.is_empty())))
        }
        DialogState::Terminated(_, TerminatedReason::UasBye | TerminatedReason::Timeout) => {
            Some(Signal::HungUp)
        }
        DialogState::Updated(_, request, reply) => {
            let wants_offer = request.method == Method::Invite && request.body.is_empty();
            if wants_offer {
                *offered = number_of(&request);
            }
            Some(Signal::Change(Change {
                session_expires: session_expires(request.session_expires_header()),
                wants_offer,
                sdp: request.body,
                reply,
            }))
        }
        DialogState::Confirmed(..) => {
            // It is told after other requests as well.
            let ack =
                dialog.last_remote_ack().filter(|ack| offered.is_some() && number_of(ack) == *offered)?;
            *offered = None;
            Some(ack.body).filter(|answer| !answer.is_empty()).map(Signal::Settled)
        }
        DialogState::Info(_, request, reply) => {
            answer(reply, StatusCode::OK);
            key_of(&String::from_utf8_lossy(&request.body)).map(Signal::Key)
        }
        DialogState::Notify(_, request, reply) => {
            answer(reply, StatusCode::OK);
            status_of(&String::from_utf8_lossy(&request.body)).map(Signal::Transfer)
        }
        DialogState::Options(_, _, reply) | DialogState::Message(_, _, reply) => {
            answer(reply, StatusCode::OK);
            None
        }
        DialogState::Refer(_, _, reply) | DialogState::Publish(_, _, reply) => {
            answer(reply, StatusCode::Decline);
            None
        }
        DialogState::Calling(_) | DialogState::WaitAck(..) | DialogState::Terminated(..) => None,
    }
}

/// Where it stands among the requests of its side.
fn number_of(request: &Request) -> Option<u32> {
    request.cseq_header().ok()?.seq().ok()
}

fn answer(reply: TransactionHandle, status: StatusCode) {
    tokio::spawn(async move {
        if reply.reply(status).await.is_err() {
            tracing::debug!("nobody waits for a reply any more");
        }
    });
}
