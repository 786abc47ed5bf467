//! What clients send of the large resources, made from what they get of them: so that the same is said of a field in both.

use super::finish::is_nullable;
use crate::domain::fields::Words;
use crate::domain::outcome::Outcome;
use crate::domain::{campaign, endpoint, lead, trunk};
use serde_json::{Map, Value, json};

/// What clients send of a resource, made from what they get of it.
pub(super) fn add(schemas: &mut Map<String, Value>) {
    const CAMPAIGN_REQUIRED: [&str; 7] = [
        "name",
        "status",
        "calls_per_day",
        "calling_hours_start",
        "calling_hours_end",
        "system_prompt",
        "script_template",
    ];
    let time = json!({"type": "string", "pattern": "^\\s*([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?\\s*$"});
    let instant = json!({"type": ["string", "null"]});
    let amount = json!({"type": ["number", "null"], "minimum": 0, "maximum": 1_000_000_000});
    let of_campaign = |required: &[&str], description: &str, schemas: &Map<String, Value>| {
        let mut request = request(&schemas["Campaign"], &campaign::READ_ONLY, &CAMPAIGN_REQUIRED, required);
        let properties = &mut request["properties"];
        for (name, looser) in [
            ("calling_hours_start", &time),
            ("calling_hours_end", &time),
            ("start_date", &instant),
            ("end_date", &instant),
            ("expected_completion_date", &instant),
        ] {
            loosen(&mut properties[name], looser);
        }
        properties["working_days"]["items"] =
            json!({"type": "string", "description": "An English day name, in any case."});
        properties["working_days"]["maxItems"] = 50.into();
        for name in ["cost_per_call", "budget"] {
            loosen(&mut properties[name], &amount);
        }
        properties["webhooks"]["items"] = json!({"$ref": "#/components/schemas/NewCampaignWebhook"});
        request["description"] = description.into();
        request
    };
    let new =
        of_campaign(&CAMPAIGN_REQUIRED, "What a new campaign is to be; null means the default.", schemas);
    let change = of_campaign(&[], "The fields to change; null resets one to its default.", schemas);
    schemas.insert("NewCampaign".into(), new);
    schemas.insert("CampaignChange".into(), change);
    let webhook = &schemas["CampaignWebhook"];
    let mut webhook = request(webhook, &[], &["url"], &["url"]);
    webhook["description"] = "Where events are sent; all events unless said.".into();
    schemas.insert("NewCampaignWebhook".into(), webhook);

    let of_lead = |required: &[&str], description: &str, schemas: &Map<String, Value>| {
        let mut request = request(&schemas["Lead"], &lead::READ_ONLY, &["phone"], required);
        request["properties"]["phone"]["type"] = json!(["string", "integer"]);
        request["description"] = description.into();
        request
    };
    let new = of_lead(&["phone"], "A person to reach; only `phone` is required.", schemas);
    let edit = of_lead(&[], "The fields to change; null empties one.", schemas);
    schemas.insert("NewLead".into(), new);
    schemas.insert("LeadEdit".into(), edit);

    schemas["DoNotCallEntry"]["properties"]["phone"]["type"] = json!(["string", "integer"]);
    for many in ["NewLeads", "DoNotCallEntries"] {
        schemas[many]["oneOf"][1]["maxItems"] = 10_000.into();
    }
    schemas["RetryRequest"]["properties"]["outcomes"]["maxItems"] = Outcome::all().len().into();

    let chance = json!({"type": "number", "minimum": 0, "maximum": 1});
    let by_hour = json!({
        "type": "object",
        "propertyNames": {"pattern": "^(1?[0-9]|2[0-3])$"},
        "additionalProperties": chance,
    });
    schemas["AssumedAnswerRates"] = json!({
        "oneOf": [chance, by_hour],
        "description": "One chance for every hour, or chances by hour of the day; the other hours as the calls so far say.",
    });

    let mut change = request(&schemas["Webhook"], &endpoint::READ_ONLY, &["url"], &[]);
    change["description"] = "The fields to change.".into();
    schemas.insert("WebhookChange".into(), change);

    let of_trunk = |required: &[&str], description: &str, schemas: &Map<String, Value>| {
        let mut request = request(&schemas["WholeTrunk"], &trunk::READ_ONLY, &["name", "host"], required);
        let properties = &mut request["properties"];
        properties["password"] = json!({
            "type": ["string", "null"],
            "maxLength": 500,
            "description": "What proves who we are; kept sealed and never shown.",
            "writeOnly": true,
        });
        properties["confirm"] = json!({
            "type": ["boolean", "null"],
            "description": "That phones ring from now on, and all active campaigns are paused, is wanted.",
            "writeOnly": true,
        });
        request["description"] = description.into();
        request
    };
    let new = of_trunk(&["name", "host"], "What a new trunk is to be; null means the default.", schemas);
    let change = of_trunk(&[], "The fields to change; null resets one to its default.", schemas);
    let mut trial =
        of_trunk(&[], "A trunk that is not saved, or, with `id`, a change to one that is.", schemas);
    trial["properties"]["id"] =
        json!({"type": ["integer", "null"], "minimum": 1, "description": "Which one is changed."});
    trial["anyOf"] = json!([{"required": ["name", "host"]}, {"required": ["id"]}]);
    schemas.insert("NewTrunk".into(), new);
    schemas.insert("TrunkChange".into(), change);
    schemas.insert("TrunkTrial".into(), trial);
}

/// A body out of a view: fields of the server are ignored in it, null stands for the default except where there is none,
/// and nothing else may be in it.
fn request(view: &Value, read_only: &[&str], never_null: &[&str], required: &[&str]) -> Value {
    let mut properties = view["properties"].as_object().cloned().unwrap_or_default();
    for (name, property) in &mut properties {
        match name.as_str() {
            name if read_only.contains(&name) => {
                *property = json!({"description": "Set by the server; ignored here.", "readOnly": true});
            }
            name if never_null.contains(&name) => {
                if property["type"].is_array() {
                    property["type"] = property["type"][0].clone();
                }
            }
            _ if is_nullable(property) => {}
            _ if property.get("$ref").is_some() => {
                let (reference, description) = (property["$ref"].clone(), property["description"].clone());
                *property =
                    json!({"oneOf": [{"type": "null"}, {"$ref": reference}], "description": description});
            }
            _ => property["type"] = json!([property["type"], "null"]),
        }
    }
    let mut request = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        request["required"] = json!(required);
    }
    request
}

fn loosen(property: &mut Value, looser: &Value) {
    let description = property["description"].clone();
    *property = looser.clone();
    property["description"] = description;
}
