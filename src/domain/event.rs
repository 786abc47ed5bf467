//! The events other systems are told of: what is in them. When and to whom they are sent is not known here.

use super::call::{Call, Settlement};
use super::campaign::{Campaign, EventType, Status};
use super::lead::Lead;
use super::money::Money;
use super::schedule::format_instant;
use serde_json::{Value, json};

/// A fact on its way to the outbox, written in the transaction that makes it true.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Which of the documented types.
    pub event_type: EventType,
    /// Unique per fact, so that it can be told only once.
    pub key: String,
    /// The payload's `data`, without the sequence number that the store adds.
    pub data: Value,
}

impl Event {
    /// A call ended, however it ended.
    pub fn call_completed(campaign: &Campaign, lead: &Lead, call: &Call, settled: &Settlement) -> Event {
        let ending = &settled.ending;
        let seconds = ending.answered_at.map_or(0, |at| (ending.ended_at - at).num_seconds().max(0));
        Event {
            event_type: EventType::CallCompleted,
            key: format!("call:{}", call.id),
            data: json!({
                "campaign": reference(campaign),
                "call": {
                    "id": call.id,
                    "carrier": call.carrier,
                    "outcome": ending.outcome,
                    "successful": settled.successful,
                    "detail": ending.detail,
                    "placed_at": format_instant(call.placed_at),
                    "answered_at": ending.answered_at.map(format_instant),
                    "ended_at": format_instant(ending.ended_at),
                    "seconds": seconds,
                    "cost": settled.cost,
                    "verdict": ending.conversation.as_ref().map(|kept| &kept["verdict"]),
                    "answers": ending.conversation.as_ref().map(|kept| &kept["answers"]),
                },
                "lead": {
                    "id": lead.id,
                    "phone": lead.about.phone.to_string(),
                    "name": lead.about.full_name(),
                    "variables": lead.about.variables,
                },
                "attempt": call.attempt,
                "max_attempts": campaign.settings.max_attempts_per_lead,
                "is_last_attempt": settled.is_last_attempt,
            }),
        }
    }

    /// The status changed; `by` is a token's name or `server`.
    pub fn status_changed(
        campaign: &Campaign,
        from: Status,
        to: Status,
        by: &str,
        reason: Option<&str>,
    ) -> Event {
        Event {
            event_type: EventType::StatusChanged,
            key: format!("status:{}:{}", campaign.id, campaign.version),
            data: json!({
                "campaign": reference(campaign),
                "from": from,
                "to": to,
                "by": by,
                "reason": reason,
            }),
        }
    }

    /// The money spent reached `percent` of the budget. `cause` tells crossings of one level apart.
    pub fn budget_reached(campaign: &Campaign, percent: i64, spent: Money, cause: &str) -> Event {
        Event {
            event_type: EventType::BudgetThresholdReached,
            key: format!("budget:{}:{percent}:{cause}", campaign.id),
            data: json!({
                "campaign": reference(campaign),
                "budget": campaign.settings.budget,
                "spent": spent,
                "percent": percent,
            }),
        }
    }

    /// Something needs a person: a stable word, a sentence, and what to do. `key` makes it one fact.
    pub fn error(campaign: &Campaign, code: &str, message: &str, action: &str, key: &str) -> Event {
        Event {
            event_type: EventType::Error,
            key: format!("error:{}:{code}:{key}", campaign.id),
            data: json!({
                "campaign": reference(campaign),
                "code": code,
                "message": message,
                "action": action,
            }),
        }
    }
}

fn reference(campaign: &Campaign) -> Value {
    json!({"id": campaign.id, "name": campaign.settings.name})
}
