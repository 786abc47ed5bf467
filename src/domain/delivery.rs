//! Telling other systems: when to try again after a try that failed, when to give up, and when an endpoint has shown
//! that nobody is there.
//!
//! ```text
//!   pending ──2xx──► delivered
//!    │ ▲  │            │
//!    │ └──┼─redeliver──┤
//!    │    └──10th try, endpoint disabled──► dead ──redeliver──► pending
//!    └─endpoint removed──► canceled
//! ```

use super::Instant;
use crate::words;
use chrono::{DateTime, TimeDelta};

words! {
    /// Where the delivery of one event to one endpoint is.
    pub enum DeliveryState {
        /// Waits for its next try.
        Pending = "pending",
        /// The endpoint answered with 2xx.
        Delivered = "delivered",
        /// Given up; can be delivered again by hand.
        Dead = "dead",
        /// The endpoint was removed before it was delivered.
        Canceled = "canceled",
    }
}

words! {
    /// Why a try brought no answer.
    pub enum TryError {
        /// The URL is one that nothing may be sent to.
        RefusedUrl = "refused_url",
        /// The name has an address that nothing may be sent to.
        RefusedAddress = "refused_address",
        /// The name has no address.
        UnknownHost = "unknown_host",
        /// Nobody listens there, or the connection was not made.
        NotConnected = "not_connected",
        /// There was no secure connection, such as under a certificate nobody vouches for.
        NotSecure = "not_secure",
        /// No answer in time.
        Timeout = "timeout",
        /// The connection ended before an answer.
        Broken = "broken",
    }
}

words! {
    /// Why nothing is sent to an endpoint any more.
    pub enum DisabledReason {
        /// A person said so.
        Operator = "operator",
        /// It answered 410 Gone.
        Gone = "gone",
        /// It has taken nothing for five days.
        Failing = "failing",
    }
}

impl TryError {
    /// What happened, in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            TryError::RefusedUrl => {
                "The URL is not one that may be sent to: it must be http or https, without a user name, on port 80, \
                 443 or one from 1024 on, and at a public address"
            }
            TryError::RefusedAddress => {
                "The name of the host has an address that is not public; the operator can allow it under \
                 webhooks.allowed_networks"
            }
            TryError::UnknownHost => "The name of the host has no address",
            TryError::NotConnected => "No connection was made, or not within 5 seconds",
            TryError::NotSecure => "No secure connection could be made; look at the certificate of the host",
            TryError::Timeout => "No answer came within 15 seconds",
            TryError::Broken => "The connection ended before an answer",
        }
    }
}

/// What came back from one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An answer, whatever it says.
    Answered {
        /// HTTP status.
        status: u16,
        /// The `Retry-After` header.
        retry_after: Option<String>,
        /// The beginning of the body, made harmless.
        excerpt: String,
    },
    /// None.
    Failed(TryError),
}

impl Reply {
    /// Whether the endpoint took the event.
    pub fn is_success(&self) -> bool {
        matches!(self, Reply::Answered { status: 200..=299, .. })
    }
}

/// What follows from a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is delivered.
    Delivered,
    /// It is tried again then.
    TryAgain(Instant),
    /// It is given up.
    GiveUp,
    /// It is given up, and nothing else is sent to the endpoint.
    Disable(DisabledReason),
}

/// Seconds from each try to the next: ten tries in a little more than three days, as Standard Webhooks recommends.
const DELAYS: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// The longest wait that an endpoint can ask for.
const RETRY_AFTER_MAX: TimeDelta = TimeDelta::hours(24);
/// An endpoint that has taken nothing for so long is disabled.
pub const FAILING_MAX: TimeDelta = TimeDelta::days(5);

/// Decides what follows from a try that began at `at` and ended `now`. `nth` is its number since the delivery began or
/// was asked for again, `failing_since` when the first try failed after the endpoint's last success, and `jitter`
/// (0 to 1) spreads the tries of many deliveries.
pub fn judge(reply: &Reply, nth: i64, failing_since: Option<Instant>, now: Instant, jitter: f64) -> Verdict {
    if reply.is_success() {
        return Verdict::Delivered;
    }
    if let Reply::Answered { status: 410, .. } = reply {
        return Verdict::Disable(DisabledReason::Gone);
    }
    if failing_since.is_some_and(|since| now - since >= FAILING_MAX) {
        return Verdict::Disable(DisabledReason::Failing);
    }
    let Some(seconds) = usize::try_from(nth - 1).ok().and_then(|index| DELAYS.get(index)) else {
        return Verdict::GiveUp;
    };
    // Rounded up, so that it is never early.
    let spread = (*seconds as f64 * 100.0 * jitter.clamp(0.0, 1.0)).ceil() as i64;
    let delay = TimeDelta::seconds(*seconds) + TimeDelta::milliseconds(spread);
    Verdict::TryAgain(now + delay.max(asked_for(reply, now)))
}

/// How long the endpoint asked to be left alone.
fn asked_for(reply: &Reply, now: Instant) -> TimeDelta {
    let Reply::Answered { retry_after: Some(text), .. } = reply else { return TimeDelta::zero() };
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let asked = match is_number {
        true => text.parse().ok().and_then(TimeDelta::try_seconds).unwrap_or(RETRY_AFTER_MAX),
        false => DateTime::parse_from_rfc2822(text).map_or(TimeDelta::zero(), |at| at.to_utc() - now),
    };
    asked.clamp(TimeDelta::zero(), RETRY_AFTER_MAX)
}

/// Bytes of an answer that are kept.
pub const EXCERPT_BYTES: usize = 200;

/// The beginning of an answer with everything escaped that a terminal, a log or a page could take for more than text.
pub fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(EXCERPT_BYTES)]);
    text.chars().fold(String::new(), |mut shown, c| {
        match c {
            '\\' => shown.push_str("\\\\"),
            c if c.is_control() || is_invisible(c) => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
        shown
    })
}

/// What changes how the text around it is shown.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The same on every try of an event, so that a receiver knows what it has already.
pub fn message_id(instance_id: &str, subject: &str) -> String {
    format!("msg_{instance_id}_{subject}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> Reply {
        Reply::Answered { status, retry_after: retry_after.map(str::to_owned), excerpt: String::new() }
    }

    fn now() -> Instant {
        "2026-03-04T10:00:00Z".parse().unwrap()
    }

    fn wait(reply: &Reply, nth: i64, jitter: f64) -> Option<TimeDelta> {
        match judge(reply, nth, Some(now()), now(), jitter) {
            Verdict::TryAgain(at) => Some(at - now()),
            Verdict::GiveUp => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ten_tries_are_made_each_at_its_time_or_up_to_a_tenth_later() {
        let hours = |hours| TimeDelta::hours(hours);
        let expected = [
            TimeDelta::seconds(5),
            TimeDelta::minutes(5),
            TimeDelta::minutes(30),
            hours(2),
            hours(5),
            hours(10),
            hours(14),
            hours(20),
            hours(24),
        ];
        for failed in [
            answer(500, None),
            answer(301, None),
            answer(199, None),
            answer(404, None),
            Reply::Failed(TryError::Timeout),
        ] {
            for (index, delay) in expected.into_iter().enumerate() {
                let nth = index as i64 + 1;
                assert_eq!(wait(&failed, nth, 0.0), Some(delay));
                assert_eq!(wait(&failed, nth, 1.0), Some(delay + delay / 10));
                let some = wait(&failed, nth, 0.37).unwrap();
                assert!(delay < some && some < delay + delay / 10);
            }
            assert_eq!(wait(&failed, 10, 0.0), None);
        }
    }

    #[test]
    fn an_endpoint_may_ask_for_a_longer_wait_up_to_a_day_and_never_for_a_shorter_one() {
        let cases = [
            ("120", 120),
            ("1", 5),
            ("86400", 86_400),
            ("86401", 86_400),
            ("99999999999999999999999", 86_400),
            ("Wed, 04 Mar 2026 10:10:00 GMT", 600),
            ("Wed, 04 Mar 2026 09:00:00 GMT", 5),
            ("Thu, 04 Mar 2027 10:00:00 GMT", 86_400),
            ("soon", 5),
            ("-7", 5),
            ("1.5", 5),
            ("", 5),
        ];
        for (text, seconds) in cases {
            for status in [429, 503, 500, 302] {
                let expected = Some(TimeDelta::seconds(seconds));
                assert_eq!(wait(&answer(status, Some(text)), 1, 0.0), expected, "{text}");
            }
        }
        assert_eq!(wait(&answer(503, Some("9")), 10, 0.0), None, "the last try is the last");
    }

    #[test]
    fn gone_disables_at_once_and_five_days_without_a_success_do() {
        let judge = |reply: &Reply, since: TimeDelta| judge(reply, 3, Some(now() - since), now(), 0.0);
        let nearly = FAILING_MAX - TimeDelta::milliseconds(1);
        assert_eq!(judge(&answer(410, None), TimeDelta::zero()), Verdict::Disable(DisabledReason::Gone));
        assert_eq!(judge(&answer(500, None), FAILING_MAX), Verdict::Disable(DisabledReason::Failing));
        assert!(matches!(judge(&answer(500, None), nearly), Verdict::TryAgain(_)));
        assert_eq!(judge(&answer(204, None), FAILING_MAX), Verdict::Delivered);
    }

    #[test]
    fn of_an_answer_little_is_kept_and_nothing_that_is_more_than_text() {
        assert_eq!(excerpt(b"ok"), "ok");
        assert_eq!(excerpt("grün\n\x1b[31m\u{202e}\\".as_bytes()), "grün\\n\\u{1b}[31m\\u{202e}\\\\");
        assert_eq!(excerpt(&[b'x'; 1_000]).len(), EXCERPT_BYTES);
        assert_eq!(excerpt(b"a\xff\x00b"), "a\u{fffd}\\u{0}b");
    }
}
