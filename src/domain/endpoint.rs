//! Endpoints: the places that are told of events, of one campaign or of all, and what a client may say about them.

use super::Instant;
use super::address;
use super::campaign::EventType;
use super::delivery::DisabledReason;
use super::fields::{self, Fields, Parsed, Words};
use super::invalid::Invalid;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde_json::Value;

/// One place that is told of events, and how it fares.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// Never reused.
    pub id: i64,
    /// Whose events; none for those of all campaigns.
    pub campaign_id: Option<i64>,
    /// What that campaign is called.
    pub campaign_name: Option<String>,
    /// What the client set.
    pub settings: EndpointSettings,
    /// Why nothing is sent to it; none while it is enabled.
    pub disabled_reason: Option<DisabledReason>,
    /// When a try first failed after the last success; none while it works.
    pub failing_since: Option<Instant>,
    /// When it last took an event.
    pub last_success_at: Option<Instant>,
    /// Until when the secret before this one signs as well.
    pub previous_secret_until: Option<Instant>,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last edited.
    pub updated_at: Instant,
    /// Its secret was sealed under a key that is not here, so nothing can be signed for it.
    pub is_locked: bool,
}

/// What a client may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSettings {
    /// `https` or `http`, no user name in it.
    pub url: String,
    /// Which events; never empty.
    pub events: Vec<EventType>,
    /// The caller's own words.
    pub description: Option<String>,
}

/// What a client sent for a new endpoint or a change to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRequest {
    /// Settings after the change.
    pub settings: EndpointSettings,
    /// A secret of the client's own.
    pub secret: Option<String>,
    /// Whether events are sent to it; none leaves it.
    pub enabled: Option<bool>,
}

/// How long the secret before a new one signs as well.
pub const PREVIOUS_SECRET_KEPT: TimeDelta = TimeDelta::hours(24);

/// Fields that only the server sets; accepted and ignored.
pub const READ_ONLY: [&str; 11] = [
    "id",
    "campaign_id",
    "campaign_name",
    "last_7_days",
    "disabled_reason",
    "notice",
    "failing_since",
    "last_success_at",
    "previous_secret_until",
    "created_at",
    "updated_at",
];

impl Endpoint {
    /// Whether events are sent to it.
    pub fn is_enabled(&self) -> bool {
        self.disabled_reason.is_none()
    }

    /// What a person should know and do, where there is something.
    pub fn notice(&self) -> Option<&'static str> {
        match (self.disabled_reason, self.failing_since) {
            (Some(reason), _) => Some(notice_of(reason)),
            (None, _) if self.is_locked => Some(
                "Its secret was sealed under a key that this server does not have, so what it is to be told waits. Start \
                 the server with that key, or give the endpoint a new secret",
            ),
            (None, Some(_)) => Some(
                "The last tries failed; after five days without a success the endpoint is disabled. Look at its \
                 deliveries",
            ),
            (None, None) => None,
        }
    }
}

/// Why nothing is sent any more, and what to do.
pub fn notice_of(reason: DisabledReason) -> &'static str {
    match reason {
        DisabledReason::Operator => {
            "Disabled by hand; nothing is sent to it. Set `enabled` to true to use it again"
        }
        DisabledReason::Gone => {
            "Disabled because it answered 410 Gone; nothing is sent to it. Set `enabled` to true to use it again, then \
             redeliver what failed"
        }
        DisabledReason::Failing => {
            "Disabled after five days without a success; nothing is sent to it. Set `enabled` to true to use it again, \
             then redeliver what failed"
        }
    }
}

impl EndpointRequest {
    /// Reads the JSON body of a new endpoint (`base` none) or of a change to one. All problems come at once.
    pub fn read(body: Value, base: Option<&EndpointSettings>) -> Result<EndpointRequest, Invalid> {
        let mut f = Fields::of(body)?;
        f.read_only(&READ_ONLY);
        let url = f.required("url", base.map(|base| base.url.clone()), url);
        let all = EventType::all().to_vec();
        let kept = base.map_or(all.clone(), |base| base.events.clone());
        let events = f.optional("events", kept, all, events);
        let kept = base.and_then(|base| base.description.clone());
        let description = f.optional("description", kept, None, description);
        let secret = f.optional("secret", None, None, |value| secret(value).map(Some));
        let enabled = f.optional("enabled", None, None, |value| match value {
            Value::Bool(enabled) => Ok(Some(*enabled)),
            other => Err(format!("must be true or false, not {}", fields::kind(other))),
        });
        f.finish(url.map(|url| EndpointRequest {
            settings: EndpointSettings { url, events, description },
            secret,
            enabled,
        }))
    }
}

/// A URL by its form; where it leads is looked at with the operator's settings at hand.
pub(super) fn url(value: &Value) -> Parsed<String> {
    let text = fields::text(2_000)(value)?;
    address::url(&text).map(|_| text)
}

/// Event types, each once, in the order of the documentation.
pub(super) fn events(value: &Value) -> Parsed<Vec<EventType>> {
    let mut events = fields::array(EventType::all().len() * 4, fields::word)(value)?;
    events.sort();
    events.dedup();
    if events.is_empty() { Err("must name at least one event".into()) } else { Ok(events) }
}

/// The caller's own words.
pub(super) fn description(value: &Value) -> Parsed<Option<String>> {
    fields::optional_text(500)(value)
}

/// A secret of the client's own.
pub(super) fn secret(value: &Value) -> Parsed<String> {
    let text = fields::string(value)?.trim();
    match key(text).map(|key| key.len()) {
        Some(24..=64) => Ok(text.to_owned()),
        _ => Err("must be `whsec_` followed by base64 of 24 to 64 bytes".into()),
    }
}

/// The bytes to sign with that a secret stands for.
pub fn key(secret: &str) -> Option<Vec<u8>> {
    STANDARD.decode(secret.strip_prefix("whsec_")?).ok()
}

/// A secret out of random bytes.
pub fn new_secret(random: [u8; 32]) -> String {
    format!("whsec_{}", STANDARD.encode(random))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn base() -> EndpointSettings {
        let settings =
            json!({"url": "https://example.com/a", "events": ["campaign.error"], "description": "mine"});
        EndpointRequest::read(settings, None).unwrap().settings
    }

    #[test]
    fn an_endpoint_gets_every_event_unless_it_says_which() {
        let read = |body| EndpointRequest::read(body, None).unwrap();
        assert_eq!(read(json!({"url": "https://example.com"})).settings.events, EventType::all());
        let events = json!(["campaign.error", "call.completed", "campaign.error"]);
        let chosen = read(json!({"url": "https://example.com", "events": events})).settings.events;
        assert_eq!(chosen, [EventType::CallCompleted, EventType::Error]);
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let changed =
            EndpointRequest::read(json!({"description": null, "enabled": false, "id": 7}), Some(&base()));
        let expected = EndpointSettings { description: None, ..base() };
        assert_eq!(changed, Ok(EndpointRequest { settings: expected, secret: None, enabled: Some(false) }));
    }

    #[test]
    fn every_problem_is_told_by_its_field() {
        let body =
            json!({"url": "ftp://example.com", "events": [], "secret": "short", "enabled": "no", "evnts": 1});
        let Err(Invalid(problems)) = EndpointRequest::read(body, None) else { panic!("accepted") };
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["url", "events", "secret", "enabled", "evnts"]);
    }

    #[test]
    fn a_new_secret_is_one_that_a_client_could_have_sent() {
        let made = new_secret([7; 32]);
        assert_eq!(secret(&json!(made)).as_deref(), Ok(made.as_str()));
        assert_eq!(key(&made), Some(vec![7; 32]));
    }
}
