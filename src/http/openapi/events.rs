//! What other systems are told, as the reference lists it: one webhook for each event.

use crate::domain::campaign::EventType;
use crate::domain::fields::Words;
use serde_json::{Map, Value, json};

/// The webhooks, whose schemas go among the others.
pub(super) fn webhooks(schemas: &mut Map<String, Value>) -> Value {
    let events = EventType::all().iter().map(|event| (event.word(), told(*event)));
    let events = events.chain([(crate::store::TEST_EVENT, test())]);
    let mut webhooks = Map::new();
    for (name, Told { schema_name, sentence, data, example }) in events {
        let example = json!({"type": name, "timestamp": example.0, "data": example.1});
        let schema = json!({
            "type": "object",
            "description": sentence,
            "required": ["type", "timestamp", "data"],
            "properties": {
                "type": {"type": "string", "const": name},
                "timestamp": instant("When it happened."),
                "data": data,
            },
            "example": example,
        });
        schemas.insert(schema_name.to_owned(), schema);
        webhooks.insert(name.to_owned(), webhook(name, schema_name, sentence));
    }
    Value::Object(webhooks)
}

struct Told {
    schema_name: &'static str,
    sentence: &'static str,
    data: Value,
    /// When, and the data.
    example: (&'static str, Value),
}

fn told(event: EventType) -> Told {
    match event {
        EventType::CallCompleted => call_completed(),
        EventType::StatusChanged => Told {
            schema_name: "StatusChangedEvent",
            sentence: "The status changed, by a person or by itself.",
            data: data(&json!({
                "from": {"$ref": "#/components/schemas/CampaignStatus"},
                "to": {"$ref": "#/components/schemas/CampaignStatus"},
                "by": {"type": "string", "description": "Name of the token, or `server`."},
                "reason": {"type": ["string", "null"], "description": "Why the server did it."},
            })),
            example: (
                "2026-03-04T12:00:00Z",
                json!({
                    "campaign": {"id": 1, "name": "Customer survey"},
                    "from": "active", "to": "completed", "by": "server", "reason": "leads_finished", "sequence": 43,
                }),
            ),
        },
        EventType::BudgetThresholdReached => Told {
            schema_name: "BudgetThresholdReachedEvent",
            sentence: "The money spent reached `budget_alert_threshold`, or all of the budget.",
            data: data(&json!({
                "budget": {"type": ["number", "null"]},
                "spent": {"$ref": "#/components/schemas/Money"},
                "percent": {"type": "integer", "description": "The level that was reached."},
            })),
            example: (
                "2026-03-04T11:00:00Z",
                json!({
                    "campaign": {"id": 1, "name": "Customer survey"},
                    "budget": 1000, "spent": 800, "percent": 80, "sequence": 31,
                }),
            ),
        },
        EventType::Error => Told {
            schema_name: "CampaignErrorEvent",
            sentence: "Something needs a person.",
            data: data(&json!({
                "code": {"type": "string", "description": "A stable word."},
                "message": {"type": "string", "description": "What happened."},
                "action": {"type": "string", "description": "What to do."},
            })),
            example: (
                "2026-03-04T11:30:00Z",
                json!({
                    "campaign": {"id": 1, "name": "Customer survey"},
                    "code": "carrier_down",
                    "message": "The carrier failed at least half of the last 20 calls, so the campaign was paused",
                    "action": "Check the carrier, then set the campaign to active again",
                    "sequence": 36,
                }),
            ),
        },
    }
}

fn call_completed() -> Told {
    let call = json!({
        "type": "object",
        "required": ["id", "carrier", "outcome", "successful", "detail", "placed_at", "answered_at", "ended_at", "seconds", "cost", "verdict", "answers"],
        "properties": {
            "id": {"type": "integer"},
            "carrier": {"type": "string", "description": "Who placed it."},
            "outcome": {"$ref": "#/components/schemas/Outcome"},
            "successful": {"type": ["boolean", "null"], "description": "Whether it met the success criteria."},
            "detail": {"type": ["string", "null"], "description": "What exactly."},
            "placed_at": instant("When it was given to the carrier."),
            "answered_at": {"type": ["string", "null"], "format": "date-time", "description": "When it was picked up."},
            "ended_at": instant("When it ended."),
            "seconds": {"type": "integer", "minimum": 0, "description": "Between answer and end."},
            "cost": {"$ref": "#/components/schemas/Money"},
            "verdict": {
                "oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Verdict"}],
                "description": "How an agent says that it came out; null where none talked, or nobody could say.",
            },
            "answers": {"type": ["object", "null"], "description": "What an agent found out, by names that it chose."},
        },
    });
    let lead = json!({
        "type": "object",
        "required": ["id", "phone", "name", "variables"],
        "properties": {
            "id": {"type": "integer"},
            "phone": {"type": ["string", "null"], "description": "Null after the person was erased."},
            "name": {"type": ["string", "null"], "description": "First and last name."},
            "variables": {"type": "object", "description": "Values by name."},
        },
    });
    Told {
        schema_name: "CallCompletedEvent",
        sentence: "A call ended, however it ended.",
        data: data(&json!({
            "call": call,
            "lead": lead,
            "attempt": {"type": "integer", "minimum": 1, "description": "The how-manieth dial of the lead."},
            "max_attempts": {"type": "integer", "minimum": 1, "description": "Dials of one lead at most."},
            "is_last_attempt": {"type": "boolean", "description": "Whether the lead is not dialed again."},
        })),
        example: (
            "2026-03-04T10:05:10Z",
            json!({
                "campaign": {"id": 1, "name": "Customer survey"},
                "call": {
                    "id": 17, "carrier": "simulator", "outcome": "success", "successful": true, "detail": null,
                    "placed_at": "2026-03-04T10:04:20Z", "answered_at": "2026-03-04T10:04:31Z",
                    "ended_at": "2026-03-04T10:05:10Z", "seconds": 39, "cost": 0.5, "verdict": null, "answers": null,
                },
                "lead": {"id": 4, "phone": "+12025550101", "name": "Ada Lovelace", "variables": {"plan": "Basic"}},
                "attempt": 1, "max_attempts": 3, "is_last_attempt": true, "sequence": 42,
            }),
        ),
    }
}

fn test() -> Told {
    Told {
        schema_name: "TestEvent",
        sentence: "Comes only from the test calls, is in no sequence, and means nothing.",
        data: json!({
            "type": "object",
            "required": ["campaign", "message"],
            "properties": {
                "campaign": {
                    "type": ["object", "null"],
                    "properties": {"id": {"type": "integer"}, "name": {"type": "string"}},
                    "description": "Null for a webhook of all campaigns.",
                },
                "message": {"type": "string"},
            },
        }),
        example: (
            "2026-03-04T09:00:00Z",
            json!({
                "campaign": {"id": 1, "name": "Customer survey"},
                "message": "This is a test; nothing has happened",
            }),
        ),
    }
}

fn instant(description: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": description})
}

/// The data of an event: its own fields between the campaign and the sequence number.
fn data(own: &Value) -> Value {
    let mut properties = Map::new();
    let campaign = json!({
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "integer"}, "name": {"type": "string"}},
    });
    properties.insert("campaign".into(), campaign);
    properties.extend(own.as_object().cloned().unwrap_or_default());
    let sequence = "Counts the events of a campaign without gaps.";
    properties.insert("sequence".into(), json!({"type": "integer", "minimum": 1, "description": sequence}));
    let required: Vec<&String> = properties.keys().collect();
    json!({"type": "object", "required": required, "properties": properties})
}

fn webhook(name: &str, schema_name: &str, sentence: &str) -> Value {
    let header = |name: &str, description: &str| json!({"name": name, "in": "header", "required": true, "description": description, "schema": {"type": "string"}});
    json!({"post": {
        "operationId": name.replace('.', "_"),
        "tags": ["Webhooks"],
        "summary": format!("Tells of `{name}`"),
        "description": sentence,
        "security": [],
        "parameters": [
            header("webhook-id", "The same on every try."),
            header("webhook-timestamp", "When it is sent, in Unix seconds."),
            header(
                "webhook-signature",
                "`v1,` and the base64 of HMAC-SHA256 over id, timestamp and body, joined by dots; two of them after a \
                 change of the secret.",
            ),
        ],
        "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema_name}")}}},
        },
        "responses": {
            "2XX": {"description": "It was taken. Everything else is tried again, for about three days."},
            "410": {"description": "Nothing more shall be sent: the webhook is disabled."},
        },
    }})
}
