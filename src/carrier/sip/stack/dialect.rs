//! What is put right in every message, as it leaves and as it comes.

use crate::carrier::sip::reading::user_of;
use rsipstack::sip::prelude::{HasHeaders, HeadersExt};
use rsipstack::sip::typed::Contact;
use rsipstack::sip::uri::Scheme;
use rsipstack::sip::{self, Header, Method, SipMessage, StatusCodeKind};
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
            headers.retain(|header| !matches!(header, Header::Contact(_)) || tells_a_place(header));
            if !headers.iter().any(tells_a_place) {
                headers.push(Header::Contact(target.into()));
            }
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

/// Whether it says where somebody is found, in a way that the library understands: one that it does not would fail a call
/// that was picked up.
fn tells_a_place(header: &Header) -> bool {
    let Header::Contact(told) = header else { return false };
    let is_place = |place: &Contact| matches!(place.uri.scheme, Some(Scheme::Sip | Scheme::Sips));
    Contact::parse_header_list(told.value())
        .is_ok_and(|places| !places.is_empty() && places.iter().all(is_place))
}

/// Where somebody is found who begins a call, or picks one up, should they not say so: where it came from. Without it
/// nobody could hang up.
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
    let transport = match from.r#type {
        Some(sip::Transport::Tcp) => ";transport=tcp",
        Some(sip::Transport::Tls) => ";transport=tls",
        _ => "",
    };
    let user = user_of(who).map(|user| user + "@").unwrap_or_default();
    Some(format!("<sip:{user}{}{transport}>", from.addr))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rsipstack::transport::SipAddr;
    use std::net::SocketAddr;

    const FROM: ([u8; 4], u16) = ([198, 51, 100, 7], 5_060);

    /// A message as it is after it came; none if it is no message.
    fn received(text: &str) -> Option<SipMessage> {
        let message = SipMessage::try_from(text.as_bytes()).ok()?;
        let from = SipAddr { r#type: Some(sip::Transport::Udp), addr: SocketAddr::from(FROM).into() };
        Some(Dialect.after_received(message, Some(&from)))
    }

    fn values(message: &SipMessage, name: &str) -> Vec<String> {
        let found = message.headers().iter().filter(|header| header.name().eq_ignore_ascii_case(name));
        found.map(|header| header.value().to_owned()).collect()
    }

    #[test]
    fn who_picks_up_and_does_not_say_where_they_are_is_where_the_answer_came_from() {
        let about = "To: <sip:+12025550101@example.com>;tag=1\r\nCSeq: 1 INVITE\r\n";
        let contacts = |more: &str| {
            let answer = received(&format!("SIP/2.0 200 OK\r\n{about}{more}\r\n")).unwrap();
            values(&answer, "Contact")
        };
        assert_eq!(contacts(""), ["<sip:+12025550101@198.51.100.7:5060>"]);
        assert_eq!(contacts("Contact: <sip:gw@192.0.2.9>\r\n"), ["<sip:gw@192.0.2.9>"]);
        for nowhere in ["<nonsense", "*", "<tel:+12025550101>", "<sip:gw@192.0.2.9>, <nonsense", ""] {
            let contact = format!("Contact: {nowhere}\r\n");
            assert_eq!(contacts(&contact), ["<sip:+12025550101@198.51.100.7:5060>"], "{nowhere}");
            for both in [
                format!("Contact: <sip:gw@192.0.2.9>\r\n{contact}"),
                format!("{contact}m: <sip:gw@192.0.2.9>\r\n"),
            ] {
                assert_eq!(contacts(&both), ["<sip:gw@192.0.2.9>"], "{nowhere}");
            }
        }
    }

    proptest! {
        #[test]
        fn where_a_request_came_from_is_said_once_and_by_us_alone(
            first in "(INVITE|BYE|OPTIONS) (sip:[a-z0-9@.:;]{0,20}|\\PC{1,5}) SIP/2\\.0|SIP/2\\.0 (200|401|603) \\PC{0,9}",
            lines in prop::collection::vec(
                "(X-Received-From|x-received-FROM|Contact|m|From|f|To|CSeq|WWW-Authenticate|Via): (1 INVITE|(<?sip:|[a-z0-9@:;=<>\\[\\]\" ]|\\PC){0,12})",
                0..12,
            ),
        ) {
            let text = format!("{first}\r\n{}\r\n\r\n", lines.join("\r\n"));
            if let Some(message) = received(&text) {
                if matches!(message, SipMessage::Request(_)) {
                    prop_assert_eq!(values(&message, SOURCE), [SocketAddr::from(FROM).to_string()]);
                }
                let sent = Dialect.before_send(message, None).to_string();
                prop_assert!(sent.len() <= 2 * text.len() + 300, "{}", sent);
            }
        }
    }
}
