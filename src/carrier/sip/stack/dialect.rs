//! What is put right in every message, as it leaves and as it comes.

use super::incoming::user_of;
use rsipstack::sip::prelude::{HasHeaders, HeadersExt};
use rsipstack::sip::{self, Header, Method, SipMessage, StatusCodeKind, ToTypedHeader};
use rsipstack::transaction::endpoint::MessageInspector;
use rsipstack::transport::SipAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a request came from, written by us alone: what a sender says about itself proves nothing.
pub(super) const SOURCE: &str = "X-Received-From";

tokio::task_local! {
    /// Set when the message that this task sends leaves.
    pub(super) static ASKING: Arc<AtomicBool>;
}

/// Puts right what the library writes and reads in another way than RFC 7616 and 3261: the names of the hashes, and the
/// quotes around the one word that must have none.
pub(super) struct Dialect;

impl MessageInspector for Dialect {
    fn before_send(&self, mut message: SipMessage, _: Option<&SipAddr>) -> SipMessage {
        // What is sent outside of such a task is no INVITE.
        let _ = ASKING.try_with(|has_left| has_left.store(true, Ordering::Relaxed));
        let headers = match &mut message {
            SipMessage::Request(request) => &mut request.headers,
            SipMessage::Response(response) => &mut response.headers,
        };
        for header in headers.iter_mut() {
            let spoken =
                |value: &str| value.replace("=SHA256", "=SHA-256").replace("qop=\"auth\"", "qop=auth");
            match header {
                Header::Authorization(proof) => proof.replace(spoken(proof.value())),
                Header::ProxyAuthorization(proof) => proof.replace(spoken(proof.value())),
                _ => {}
            }
        }
        message
    }

    fn after_received(&self, mut message: SipMessage, from: Option<&SipAddr>) -> SipMessage {
        if let SipMessage::Request(request) = &mut message {
            request.headers.retain(|header| !header.name().eq_ignore_ascii_case(SOURCE));
            if let Some(from) = from.and_then(|from| from.get_socketaddr().ok()) {
                request.headers.push(Header::Other(SOURCE.into(), from.to_string()));
            }
        }
        if let Some(target) = from.and_then(|from| untold_target(&message, from)) {
            let headers = message.headers_mut();
            headers.retain(|header| !matches!(header, Header::Contact(_)));
            headers.push(Header::Contact(target.into()));
        }
        for header in message.headers_mut().iter_mut() {
            match header {
                Header::WwwAuthenticate(asked) => asked.replace(asked.value().replace("SHA-256", "SHA256")),
                Header::ProxyAuthenticate(asked) => asked.replace(asked.value().replace("SHA-256", "SHA256")),
                _ => {}
            }
        }
        message
    }
}

/// Where somebody is found who begins a call, or picks one up, and does not say so: where it came from. Without it nobody
/// could hang up.
fn untold_target(message: &SipMessage, from: &SipAddr) -> Option<String> {
    let who = match message {
        SipMessage::Request(request) if request.method == Method::Invite => {
            request.from_header().ok()?.value()
        }
        SipMessage::Response(response) if response.status_code.kind() == StatusCodeKind::Successful => {
            let method = response.cseq_header().and_then(|cseq| cseq.method()).ok()?;
            (method == Method::Invite).then_some(response.to_header().ok()?.value())?
        }
        SipMessage::Request(_) | SipMessage::Response(_) => return None,
    };
    let is_told = message
        .headers()
        .iter()
        .any(|header| matches!(header, Header::Contact(told) if told.typed().is_ok()));
    if is_told {
        return None;
    }
    let transport = match from.r#type {
        Some(sip::Transport::Tcp) => ";transport=tcp",
        Some(sip::Transport::Tls) => ";transport=tls",
        _ => "",
    };
    let user = user_of(who).map(|user| user + "@").unwrap_or_default();
    Some(format!("<sip:{user}{}{transport}>", from.addr))
}
