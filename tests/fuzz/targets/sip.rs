//! Any bytes as what comes over SIP: a message that the library reads, and what we read of it, or a description alone. What
//! is understood is bounded, and what we answer says no more than was asked, and can be read again.

use bytes::BytesMut;
use rsipstack::dialog::DialogId;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{HasHeaders, Header, SipMessage, ToTypedHeader, Transport};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transport::SipConnection;
use rsipstack::transport::stream::SipCodec;
use tokio_util::codec::Decoder;
use voice_campaigns::carrier::sip::outcome::Refusal;
use voice_campaigns::carrier::sip::reading::{self, Parties};
use voice_campaigns::domain::phone::{Country, Phone};
use voice_campaigns::media::dtmf;
use voice_campaigns::media::sdp::{self, Local, Remote};

/// Holds all of it against whatever came.
pub(crate) fn hold(bytes: &[u8]) {
    match bytes {
        [b'v', b'=', ..] => description(bytes),
        _ => {
            connection(bytes);
            datagram(bytes);
        }
    }
}

/// What comes over a connection is cut into messages; each of them takes something off.
fn connection(bytes: &[u8]) {
    // The library adds up a length that it was told without a look: where sums are checked it would be a panic, where they
    // are not it is the error that any other nonsense is.
    if bytes.windows(19).any(|window| window.iter().all(u8::is_ascii_digit)) {
        return;
    }
    let mut left = BytesMut::from(bytes);
    let mut before = left.len() + 1;
    while left.len() < before {
        before = left.len();
        if !matches!(SipCodec::new().decode(&mut left), Ok(Some(_))) {
            return;
        }
    }
    assert!(left.is_empty() || left.len() == before);
}

/// What the library does with a datagram before we see it, and what we read of it then.
fn datagram(bytes: &[u8]) {
    let Ok(message) = SipMessage::try_from(bytes) else { return };
    let source = ([198, 51, 100, 7], 5_060).into();
    let Ok(message) = SipConnection::update_msg_received(message, source, Transport::Udp) else { return };
    // Whatever comes of these, they must come back.
    let _ = SipMessage::try_from(message.to_string().as_bytes());
    let _ = match &message {
        SipMessage::Request(request) => (
            TransactionKey::from_request(request, TransactionRole::Server).is_ok(),
            DialogId::try_from((request, TransactionRole::Server)).is_ok(),
        ),
        SipMessage::Response(response) => (
            TransactionKey::from_response(response, TransactionRole::Client).is_ok(),
            DialogId::try_from((response, TransactionRole::Client)).is_ok(),
        ),
    };
    let _ = message.to_header().and_then(|to| to.tag());
    let _ = message.cseq_header().and_then(|cseq| cseq.method());
    for header in message.headers().iter() {
        if let Header::Contact(contact) = header {
            let _ = contact.typed();
        }
        text(header.value());
    }
    let (headers, body) = match &message {
        SipMessage::Request(request) => {
            let headers: Vec<_> = request.headers.iter().map(|one| (one.name(), one.value())).collect();
            called(&request.uri.to_string(), &headers);
            (&request.headers, &request.body)
        }
        SipMessage::Response(response) => (&response.headers, &response.body),
    };
    text(&String::from_utf8_lossy(body));
    description(body);
    if let SipMessage::Response(response) = &message {
        let causes = headers.iter().filter_map(|header| match header {
            Header::Reason(reason) => reading::q850(reason.value()),
            _ => None,
        });
        let (code, words) = (response.status_code.code(), response.status_code.text().to_owned());
        let refusal = Refusal { code, words, q850: causes.into_iter().next() };
        let (_, detail) = (refusal.cause(), refusal.detail("main"));
        assert!(detail.chars().count() < 400 && !detail.contains(char::is_control), "{detail:?}");
    }
}

fn called(uri: &str, headers: &[(&str, &str)]) {
    let Parties { called, caller } = reading::parties(uri, headers);
    assert!(called.len() <= 8);
    for user in called.iter().chain(&caller) {
        assert!((1..=100).contains(&user.len()));
        for prefix in ["+", "00", ""] {
            if let Some(phone) = reading::number(user, prefix, Country::parse("DE")) {
                assert_eq!(Phone::from_e164(&phone.to_string()), Some(phone));
            }
        }
    }
}

/// A value of a header, or a body.
fn text(text: &str) {
    let time = reading::session_time(text);
    assert!(
        time.len() <= 19 && time.bytes().all(|byte| byte.is_ascii_alphanumeric() || b";=".contains(&byte))
    );
    assert_eq!(reading::session_time(&time), time);
    assert!(reading::key_of(text).is_none_or(dtmf::is_key));
    assert!(reading::status_of(text).is_none_or(|code| (100..700).contains(&code)));
    assert!(reading::q850(text).is_none_or(|cause| text.contains(&cause.to_string())));
    assert!(reading::user_of(text).is_none_or(|user| text.contains(&user)));
}

/// A description, as an answer to us and as an offer that we answer.
fn description(bytes: &[u8]) {
    let Ok(offer) = sdp::read(bytes) else { return };
    let Remote { address, codec, payload_type, keys_type, direction, .. } = offer;
    assert_ne!(address.port(), 0);
    assert!(payload_type < 128 && keys_type.is_none_or(|keys| keys < 128 && keys != payload_type));
    let ours = Local { address: ([192, 0, 2, 1], 4_000).into(), session: 7, version: 1 };
    let answer = ours.answer(&offer);
    assert!(answer.len() <= bytes.len() + 400, "{answer}");
    let asked = lines(std::str::from_utf8(bytes).expect("what was read is text"));
    let answered = lines(&answer);
    assert_eq!(asked.len(), answered.len(), "{answer}");
    for (asked, answered) in asked.iter().zip(&answered) {
        assert_eq!(asked[0], answered[0]);
        assert!(answered[1] == "0" || answered[1] == "4000");
        for format in &answered[3..] {
            let is_it = |asked: &&str| asked == format || asked.parse() == format.parse::<u8>();
            assert!(asked[3..].iter().any(is_it), "{answer}");
        }
    }
    assert_eq!(answered.iter().filter(|line| line[1] == "4000").count(), 1, "{answer}");
    let said = (ours.address, codec, payload_type, keys_type, direction.reversed());
    for description in [answer, ours.repeat(&offer)] {
        match sdp::read(description.as_bytes()) {
            Ok(Remote { address, codec, payload_type, keys_type, direction, .. }) => {
                assert_eq!((address, codec, payload_type, keys_type, direction), said, "{description}");
            }
            // The lines that an answer refuses may be longer by what ends them.
            Err(problem) => assert!(description.len() > 16 * 1024, "{problem}: {description}"),
        }
    }
}

/// The words of every line of media.
fn lines(description: &str) -> Vec<Vec<&str>> {
    let lines = description.lines().filter_map(|line| line.trim_end().strip_prefix("m="));
    lines.map(|line| line.split_ascii_whitespace().collect()).collect()
}
