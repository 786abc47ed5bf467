//! What things look like: one example for each schema that stands alone in a request or an answer.

use crate::domain::fields::Words;
use crate::domain::lead::LeadStatus;
use crate::domain::outcome::Outcome;
use crate::domain::standing::State;
use serde_json::{Map, Value, json};

/// The example of a schema, by its name.
pub(super) fn of(schema: &str) -> Option<Value> {
    Some(match schema {
        "Campaign" => campaign(),
        "NewCampaign" => json!({
            "name": "Customer survey",
            "status": "draft",
            "calls_per_day": 50,
            "calling_hours_start": "09:00:00",
            "calling_hours_end": "17:00:00",
            "time_zone": "America/New_York",
            "system_prompt": "You are a friendly customer service representative",
            "script_template": "Hello {customer_name|there}, how do you like your {plan} plan?",
            "cost_per_call": 0.5,
            "budget": 1000,
            "webhooks": [{"url": "https://crm.example.com/calls", "events": ["call.completed"]}],
        }),
        "CampaignChange" => json!({"calls_per_day": 80, "budget": 1500}),
        "StatusChange" => json!({"status": "active"}),
        "Stats" => stats(),
        "Holds" => json!({
            "waiting_leads": 48,
            "ready_leads": 0,
            "holds": [
                {
                    "reason": "outside_calling_hours",
                    "message": "It is outside the calling hours or not a working day",
                    "leads": 47,
                    "until": "2026-03-05T14:00:00Z",
                },
                {
                    "reason": "missing_variable",
                    "detail": "plan",
                    "message": "The script needs a value that the lead does not have; give it one, or write a fallback into the script",
                    "leads": 1,
                    "until": null,
                },
            ],
        }),
        "PreviewRequest" => json!({"values": {"first_name": "Ada", "plan": "gold"}}),
        "Previews" => json!({
            "previews": [{
                "case": "values",
                "script": "Hello Ada, how do you like your gold plan?",
                "fallback": null,
                "seconds": 3,
                "fallback_seconds": null,
                "missing": [],
                "unknown": [],
                "too_long": false,
            }],
            "warnings": [opt_out_warning()],
            "leads_looked_at": 100,
            "total_leads": 100,
        }),
        "Lead" => lead(),
        "NewLead" => json!({"phone": "+1 202 555 0101", "first_name": "Ada", "variables": {"plan": "Basic"}}),
        "LeadEdit" => json!({"priority": 5, "notes": "asked for a call in the morning"}),
        "LeadsChange" => json!({"priority": 5, "add_tags": ["spring"]}),
        "LeadsChanged" => json!({"matched": 100, "changed": 98, "in_progress": 2, "skipped": 0}),
        "CallBack" => json!({"at": "2026-03-05T15:30:00Z"}),
        "RetryRequest" => json!({"outcomes": ["busy", "no_answer"]}),
        "Retried" => json!({"matched": 40, "queued": 35, "attempts_used_up": 4, "do_not_call": 1}),
        "Import" => import(),
        "Call" => call(),
        "OtherCall" => other_call(),
        "ConversationRequest" => json!({"lead_id": 4, "say": "Who is this?"}),
        "ConversationTurn" => json!({"say": "Yes, that sounds good."}),
        "ConversationBatchRequest" => json!({"personas": ["eager", "stop_calling"]}),
        "Conversation" => try_out(),
        "TestCallRequest" => json!({"phone": "+1 202 555 0101", "variables": {"plan": "Basic"}}),
        "CallDetails" => with_content(call()),
        "OtherCallDetails" => with_content(other_call()),
        "DialingSwitch" => json!({
            "stopped": true,
            "since": "2026-03-04T10:00:00Z",
            "by": "Grace",
            "reason": "the offer is wrong",
            "woke_up": false,
            "live_calls": 0,
            "spent_today": 25,
            "reserved_today": 0,
            "limits": {"calls_per_number_per_day": 3, "allowed_countries": ["US", "CA"], "spend_per_day": 500},
        }),
        "WakeUp" => json!({
            "held": true,
            "since": "2026-03-04T14:00:03Z",
            "cause": "downtime",
            "message": "The server was away for longer than guard.wake_up_hours allows",
            "last_seen_at": "2026-03-02T21:50:00Z",
            "instance_id": "5f0c1e5b7d0a4c0f9d5a0c9b6b1f2e3d",
            "wake_up_hours": 12,
            "next_hour_until": "2026-03-04T15:10:00Z",
            "leads_next_hour": 47,
            "campaigns": [{
                "id": 1,
                "name": "Customer survey",
                "next_hour": {"leads": 47, "first_at": "2026-03-04T14:10:00Z", "hold": null},
            }],
        }),
        "Suggestions" => {
            let hour = |hour: u32| {
                json!({
                    "hour": hour,
                    "is_open": (9..17).contains(&hour),
                    "answer_rate": {"low": 0.31, "middle": 0.35, "high": 0.39},
                    "own_calls": 212,
                    "sibling_calls": 1_840,
                })
            };
            json!({
                "time_zone": "America/New_York",
                "observations": {"own": 1_694, "siblings": 14_720, "sibling_campaigns": 3},
                "hours": (0..24).map(hour).collect::<Vec<_>>(),
                "retry_delays": [{
                    "from_minutes": 30,
                    "to_minutes": 120,
                    "is_current": true,
                    "calls": 340,
                    "reached": 71,
                    "factor": {"low": 0.78, "middle": 0.86, "high": 0.95},
                }],
                "suggestions": [{
                    "code": "add_hours",
                    "message": "People pick up more often after 17:00:00: call until 19:00:00",
                    "changes": {"calling_hours_end": "19:00:00"},
                    "evidence": {
                        "suggested": {"low": 0.43, "middle": 0.47, "high": 0.51},
                        "current": {"low": 0.34, "middle": 0.35, "high": 0.37},
                        "better_percent": 34,
                        "certain_percent": 99,
                        "calls": 410,
                        "own_calls": 0,
                    },
                }],
            })
        }
        "Forecast" => json!({
            "status": "ready",
            "error": null,
            "computed_at": "2026-03-04T14:05:00Z",
            "runs": 39,
            "observations": {"own": 1_694, "siblings": 14_720, "sibling_campaigns": 3},
            "finishes_at": {
                "low": "2026-03-12T19:40:00Z",
                "middle": "2026-03-13T15:10:00Z",
                "high": "2026-03-13T20:55:00Z",
            },
            "finishes_percent": 100,
            "unfinished": null,
            "spent": 312.5,
            "cost": {"low": 264, "middle": 281.5, "high": 300},
            "calls": {"low": 1_520, "middle": 1_588, "high": 1_661},
            "people_reached": {"low": 401, "middle": 433, "high": 462},
            "budget_runs_out_on": null,
            "expected_completion_date": "2026-03-11",
            "days_late": 2,
        }),
        "StopRequest" => json!({"reason": "the offer is wrong", "hang_up": true}),
        "Nothing" => json!({}),
        "DoNotCall" => listed(),
        "DoNotCallDetails" => {
            let mut details = listed();
            details["history"] = json!([{
                "change": "added",
                "reason": "asked by letter",
                "source": "api",
                "by": "Grace",
                "at": "2026-03-04T10:00:00Z",
            }]);
            details
        }
        "DoNotCallEntry" => json!({"phone": "+12025550101", "reason": "asked by letter"}),
        "DoNotCallReport" => json!({
            "added": 2,
            "already_listed": 1,
            "two_readings": 0,
            "rejected_count": 1,
            "rejected": [{"row": 4, "field": "phone", "value": "12", "reason": "digits are missing"}],
            "columns": [
                {"column": "phone", "becomes": "phone", "note": null},
                {"column": "name", "becomes": "ignore", "note": null},
            ],
        }),
        "DoNotCallRemoved" => json!({
            "phone": "+12025550101",
            "removed": true,
            "note": "Leads that were taken out of their queues stay do_not_call until a call to them is scheduled",
        }),
        "Person" => json!({
            "phone": "+12025550101",
            "leads": [lead()],
            "calls": [with_content(call())],
            "other_calls": [],
            "do_not_call": null,
        }),
        "Erased" => json!({
            "erased": {
                "leads": 2, "calls": 3, "events": 3, "do_not_call": 0, "imports": 1, "replies": 0, "file_rows": 3, "recordings": 0,
            },
            "suppressed": true,
        }),
        "Webhook" => webhook(),
        "Prompt" => json!({
            "id": 2,
            "name": "Welcome",
            "seconds": 12.4,
            "is_script": true,
            "is_fallback": false,
            "created_at": "2026-03-01T09:40:00Z",
        }),
        "NewRehearsal" => json!({
            "seed": 7,
            "answer_rates": {"9": 0.4, "18": 0.6},
            "trunk": {"lines": 10},
            "changes": {"calls_per_day": 500},
        }),
        "Rehearsal" => rehearsal(),
        "NewWebhook" => json!({
            "url": "https://crm.example.com/calls",
            "events": ["call.completed"],
            "description": "our CRM",
        }),
        "WebhookChange" => json!({"events": ["call.completed", "campaign.error"], "enabled": true}),
        "TestsSent" => json!({"delivery_ids": [52]}),
        "RedeliverRequest" => json!({"since": "2026-03-04T00:00:00Z"}),
        "Redelivered" => json!({"redelivered": 12}),
        "Delivery" => delivery(),
        "WholeDelivery" => whole_delivery(),
        "Session" => json!({"name": "Grace", "scope": "write", "expires_at": "2026-03-04T22:00:00Z"}),
        "SignIn" => json!({"token": "vc_4f7c1d…"}),
        "AuditEntry" => json!({
            "id": 12,
            "at": "2026-03-04T10:00:00Z",
            "token_id": 2,
            "by": "CRM",
            "action": "PATCH /api/voice-campaigns/<id>/status",
            "target": "/api/voice-campaigns/1/status",
            "request_id": "8f14e45fceea167a",
        }),
        "Token" => json!({
            "id": 2,
            "name": "CRM",
            "scope": "write",
            "created_at": "2026-03-01T09:00:00Z",
            "last_used_at": "2026-03-04T10:00:00Z",
            "expires_at": "2027-03-01T00:00:00Z",
        }),
        "NewToken" => json!({"name": "CRM", "scope": "write", "expires_at": "2027-02-28"}),
        "DuplicateRequest" => json!({"name": "Customer survey, second round", "leads": "not_reached"}),
        "Analytics" => analytics(),
        "Carrier" => json!({
            "driver": "sip",
            "real_calls": true,
            "channels": 10,
            "channels_in_use": 1,
            "calls_per_second": 1,
            "status": "up",
            "last_error": null,
            "trunks": [{
                "name": "main",
                "host": "sip.example.com",
                "status": "up",
                "problem": null,
                "warning": null,
                "channels": 10,
                "channels_in_use": 1,
                "calls_per_second": 1,
                "registered": true,
            }],
        }),
        "WholeTrunk" => trunk(),
        "NewTrunk" => json!({
            "name": "main",
            "host": "sip.example.com",
            "username": "alice",
            "password": "…",
            "register": true,
            "caller_id": "+12025550101",
            "confirm": true,
        }),
        "TrunkChange" => json!({"channels": 20, "position": 1}),
        "TrunkTrial" => json!({"name": "main", "host": "sip.example.com", "transport": "tcp"}),
        "TrunkTrialResult" => json!({
            "ok": false,
            "steps": [
                {"name": "name", "status": "ok", "milliseconds": 12, "message": "it is 192.0.2.1:5060"},
                {"name": "transport", "status": "ok", "milliseconds": 200,
                    "message": "datagrams go out; whether they arrive shows in the next step"},
                {"name": "options", "status": "ok", "milliseconds": 31, "message": "it answers (200)"},
                {"name": "register", "status": "failed", "milliseconds": 64,
                    "message": "trunk main: 403 Forbidden: check the user name and the password"},
            ],
        }),
        "Voices" => json!({
            "available": true,
            "kind": "program",
            "name": "flite",
            "voice": null,
            "problem": null,
            "agent": {"usual": "ai", "conversations": 10, "model": "gpt-4.1-mini", "problem": null},
        }),
        "VoicePreviewRequest" => {
            json!({"text": "Hello Ada, how do you like your plan?", "language": "en-US"})
        }
        "Overview" => overview(),
        "ServerSettings" => json!({
            "version": env!("CARGO_PKG_VERSION"),
            "data_dir": "data",
            "schema_version": 4,
            "started_at": "2026-03-04T08:00:00Z",
            "database_bytes": 1_048_576,
            "settings": [{
                "key": "port",
                "environment": "VC_PORT",
                "value": 8080,
                "default": 8000,
                "source": "environment",
                "description": "port to listen on; 0 picks a free one",
            }],
        }),
        "Readiness" => {
            json!({"status": "ready", "checks": [{"name": "database", "ok": true}, {"name": "dialer", "ok": true}]})
        }
        "Health" => json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}),
        "Error" => json!({"error": "Voice campaign not found", "code": "not_found"}),
        _ => return None,
    })
}

/// The example of a body that is no JSON.
pub(super) fn of_kind(content_type: &str) -> Option<Value> {
    match content_type {
        "text/csv" => Some("phone,first_name,plan\r\n+12025550101,Ada,Basic\r\n".into()),
        "text/event-stream" => Some(
            "retry: 2000\nid: 5e1f00c2-17\nevent: ready\ndata: {}\n\n\
             id: 5e1f00c2-18\nevent: campaign\ndata: {\"id\":1,\"status\":\"active\"}\n\n"
                .into(),
        ),
        _ => None,
    }
}

/// A request with two mistakes.
pub(super) fn invalid() -> Value {
    json!({
        "error": "calls_per_day: must be between 1 and 1000000; it is 0",
        "code": "invalid",
        "details": [{"field": "calls_per_day", "message": "must be between 1 and 1000000; it is 0"}],
    })
}

fn opt_out_warning() -> Value {
    json!({
        "code": "no_opt_out",
        "field": "script_template",
        "message": "does not seem to say how to be called no more, and opt_out_sentence is blank; add something like `to be taken off our list, press 9`, or set opt_out_sentence to null",
    })
}

fn campaign() -> Value {
    let mut campaign = json!({
        "id": 1,
        "name": "Customer survey",
        "description": null,
        "status": "active",
        "priority": "medium",
        "campaign_type": "outbound",
        "calls_per_day": 50,
        "total_leads": 100,
        "completed_calls": 50,
        "successful_calls": 45,
        "failed_calls": 5,
        "calling_hours_start": "09:00:00",
        "calling_hours_end": "17:00:00",
        "time_zone": "America/New_York",
        "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
        "ai_voice_id": null,
        "ai_voice_language": "en-US",
        "ai_voice_gender": null,
        "system_prompt": "You are a friendly customer service representative",
        "script_template": "Hello {customer_name|there}, how do you like your {plan} plan?",
        "fallback_script": null,
    });
    let limits = json!({
        "max_attempts_per_lead": 3,
        "retry_delay_minutes": 60,
        "call_duration_limit": 300,
        "success_criteria": "call_completed",
        "cost_per_call": 0.5,
        "budget": 1000,
        "budget_alert_threshold": 80,
        "max_concurrent_calls": 5,
        "ring_timeout_seconds": 30,
        "caller_id": "+12025550123",
        "lead_time_zone_policy": "campaign",
        "start_date": "2026-03-02T14:00:00Z",
        "end_date": null,
        "recurrence_rule": null,
        "expected_completion_date": "2026-03-20",
        "owner_id": 12,
        "team_members": [12, 15],
        "company_id": null,
        "tags": ["survey"],
        "notes": null,
        "webhooks": [{
            "url": "https://crm.example.com/calls",
            "events": ["call.completed"],
            "description": "our CRM",
        }],
        "keys": {"1": "yes", "2": "no", "3": "call_back", "9": "opt_out", "0": "transfer"},
        "opt_out_sentence": null,
        "machine_detection": null,
        "transfer_number": "+12025550199",
        "record_calls": false,
        "recording_announcement": null,
        "inbound_number": null,
        "script_prompt": null,
        "fallback_prompt": null,
        "agent": null,
        "agent_disclosure": null,
        "created_at": "2026-03-01T09:30:00Z",
        "updated_at": "2026-03-02T08:00:00Z",
    });
    if let (Value::Object(all), Value::Object(rest)) = (&mut campaign, limits) {
        all.extend(rest);
    }
    campaign
}

fn conversation() -> Value {
    json!({
        "model": "gpt-realtime",
        "prompt": "5f1d7a84db00d2fc",
        "verdict": {"conclusion": "success", "reason": "Ada wants the gold plan.", "judged_afterwards": false},
        "answers": {"plan": "gold"},
        "tools": [{
            "seconds": 21.4,
            "name": "report_outcome",
            "arguments": {"outcome": "success", "reason": "Ada wants the gold plan.", "answers": {"plan": "gold"}},
            "answer": "Written down. Say goodbye in one sentence, then use end_call.",
        }],
        "turns": [{"first_sound_ms": 620, "transcription_ms": 180, "model_ms": 290, "voice_ms": 150, "barge_in_ms": null}],
        "input_tokens": 1840,
        "output_tokens": 96,
        "failure": null,
    })
}

fn try_out() -> Value {
    let line = |speaker: &str, text: &str| json!({"speaker": speaker, "text": text, "tool": null, "arguments": null, "answer": null});
    json!({
        "id": 5,
        "campaign_id": 1,
        "lead_id": 4,
        "batch_id": 5,
        "persona": "stop_calling",
        "is_try": true,
        "state": "ended",
        "detail": null,
        "lines": [
            line("agent", "This is an automated assistant. Hello Ada, how do you like your Basic plan?"),
            line("person", "Please never call me again."),
            {
                "speaker": "tool",
                "text": "Would put the number onto the do-not-call list, then say: You will not be called again. Goodbye.",
                "tool": "opt_out",
                "arguments": "{}",
                "answer": null,
            },
        ],
        "verdict": {"conclusion": "declined", "reason": "The person wants no calls.", "judged_afterwards": true},
        "answers": {},
        "report": {"passed": true, "expected": "opt_out is used", "findings": []},
        "model": "gpt-4.1-mini",
        "prompt": "5f1d7a84db00d2fc",
        "input_tokens": 1210,
        "output_tokens": 41,
        "made_by": "Grace",
        "created_at": "2026-03-04T10:00:00Z",
        "updated_at": "2026-03-04T10:00:04Z",
    })
}

/// So many of each word, 0 of those that are not named.
fn counts<W: Words>(some: &[(W, i64)]) -> Value {
    let count = |word: &W| some.iter().find(|(known, _)| known == word).map_or(0, |(_, count)| *count);
    let all: Map<String, Value> =
        W::all().iter().map(|word| (word.word().to_owned(), count(word).into())).collect();
    Value::Object(all)
}

fn stats() -> Value {
    json!({
        "total_leads": 100,
        "completed_calls": 50,
        "successful_calls": 45,
        "failed_calls": 5,
        "cost_per_call": 0.5,
        "budget": 1000,
        "success_rate": "90.00",
        "total_cost": 25,
        "remaining_budget": 975,
        "attempts": 63,
        "unanswered_calls": 12,
        "error_calls": 0,
        "calls_today": 21,
        "in_progress_calls": 1,
        "average_duration_seconds": 38,
        "leads": counts(&[
            (LeadStatus::Pending, 40),
            (LeadStatus::InProgress, 1),
            (LeadStatus::Scheduled, 9),
            (LeadStatus::Completed, 48),
            (LeadStatus::Failed, 2),
        ]),
        "outcomes": counts(&[
            (Outcome::Success, 45),
            (Outcome::HungUp, 3),
            (Outcome::Voicemail, 2),
            (Outcome::NoAnswer, 8),
            (Outcome::Busy, 4),
        ]),
        "dialing": {"state": "calling", "reason": null, "until": null, "message": null},
        "standing": {
            "state": "calling",
            "code": null,
            "message": "Calling now.",
            "until": null,
            "by": null,
            "since": null,
        },
    })
}

fn analytics() -> Value {
    json!({
        "time_zone": "America/New_York",
        "from": "2026-03-03",
        "to": "2026-03-04",
        "interval": "day",
        "periods": [
            {
                "start": "2026-03-03",
                "calls": 42,
                "completed": 34,
                "successful": 31,
                "spent": 17,
                "talk_seconds": 1292,
                "outcomes": {"success": 31, "hung_up": 3, "no_answer": 8},
            },
            {
                "start": "2026-03-04",
                "calls": 0,
                "completed": 0,
                "successful": 0,
                "spent": 0,
                "talk_seconds": 0,
                "outcomes": {},
            },
        ],
        "by_hour": [{"weekday": "Tuesday", "hour": 10, "calls": 42, "answered": 34}],
        "outcomes": counts(&[(Outcome::Success, 31), (Outcome::HungUp, 3), (Outcome::NoAnswer, 8)]),
        "spend": {
            "budget": 1000,
            "spent": 17,
            "points": [{"at": "2026-03-04T05:00:00Z", "spent": 17}],
            "projection": {
                "finishes_at": "2026-03-06T16:20:00Z",
                "spent_at_finish": 49.5,
                "budget_runs_out_at": null,
            },
        },
    })
}

fn overview() -> Value {
    json!({
        "carrier": {"driver": "simulator", "real_calls": false},
        "in_progress_calls": 1,
        "lines": 1000,
        "calls_today": 21,
        "answered_today": 16,
        "spent_today": 8,
        "dialing": {
            "stopped": false,
            "since": null,
            "by": null,
            "reason": null,
            "woke_up": false,
            "live_calls": 1,
            "spent_today": 8,
            "reserved_today": 0.5,
            "limits": {"calls_per_number_per_day": 3, "allowed_countries": ["US"], "spend_per_day": null},
        },
        "counts": counts(&[(State::Calling, 1)]),
        "campaigns": [{
            "id": 1,
            "name": "Customer survey",
            "status": "active",
            "campaign_type": "outbound",
            "priority": "medium",
            "time_zone": "America/New_York",
            "calls_per_day": 50,
            "max_concurrent_calls": 5,
            "budget": 1000,
            "created_at": "2026-03-01T09:30:00Z",
            "updated_at": "2026-03-02T08:00:00Z",
            "stats": stats(),
            "today_by_hour": [0, 0, 0, 0, 0, 0, 0, 0, 0, 15, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        }],
    })
}

fn lead() -> Value {
    json!({
        "id": 4,
        "campaign_id": 1,
        "phone": "+12025550101",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email": null,
        "company_name": null,
        "time_zone": null,
        "language": null,
        "priority": 3,
        "best_time_to_call": null,
        "variables": {"plan": "Basic"},
        "notes": null,
        "tags": [],
        "status": "scheduled",
        "outcome": "no_answer",
        "attempts": 1,
        "next_call_at": "2026-03-04T16:04:50Z",
        "hold": {
            "reason": "retry_later",
            "until": "2026-03-04T16:04:50Z",
            "message": "The next attempt waits for retry_delay_minutes to pass",
        },
        "import_id": 3,
        "created_at": "2026-03-01T09:31:00Z",
        "updated_at": "2026-03-04T15:04:50Z",
    })
}

fn import() -> Value {
    json!({
        "id": 3,
        "campaign_id": 1,
        "state": "completed",
        "dry_run": false,
        "format": "csv",
        "file_name": "leads.csv",
        "on_duplicate": "skip",
        "default_country": "US",
        "made_by": "Grace",
        "rows_total": 3,
        "rows_done": 3,
        "imported": 2,
        "updated": 0,
        "skipped": 0,
        "rejected": 1,
        "reasons": [{
            "reason": "not_a_number",
            "message": "The phone column holds no number that can be dialed",
            "is_error": true,
            "count": 1,
            "why": {"too_short": 1},
            "first_rows": [{"row": 4, "field": "phone", "value": "12", "message": "digits are missing"}],
        }],
        "warnings": [],
        "file": {"encoding": "utf-8", "delimiter": ",", "sheet": null, "has_header": true},
        "columns": [
            {"column": "phone", "becomes": "phone", "by": "name", "sample": "+12025550101"},
            {"column": "plan", "becomes": "variable:plan", "by": "other", "sample": "Basic"},
        ],
        "error": null,
        "created_at": "2026-03-01T09:31:00Z",
        "finished_at": "2026-03-01T09:31:01Z",
    })
}

fn other_call() -> Value {
    json!({
        "id": 3,
        "kind": "test",
        "campaign_id": 1,
        "lead_id": null,
        "phone": "+12025550101",
        "carrier": "simulator",
        "is_simulated": true,
        "state": "ended",
        "outcome": "success",
        "detail": null,
        "asked_at": "2026-03-04T10:04:20Z",
        "placed_at": "2026-03-04T10:04:20Z",
        "answered_at": "2026-03-04T10:04:31Z",
        "ended_at": "2026-03-04T10:05:10Z",
        "seconds": 39,
        "timeline": [{"at": "2026-03-04T10:04:20Z", "event": "placed"}],
        "placed_by": "Grace",
        "recording": null,
    })
}

/// What was said on a call, for whoever wants to know more of it.
fn with_content(mut call: Value) -> Value {
    let is_recorded = call["recording"].is_object();
    call["peaks"] = match is_recorded {
        true => json!({"agent": [0, 180, 96], "person": [0, 0, 12]}),
        false => Value::Null,
    };
    call["recording_gone"] = Value::Null;
    call["transcript"] = json!([
        {"seconds": 0.2, "until": 2.3, "speaker": "agent", "kind": "speech", "text": "This call is being recorded.", "cut_off": false},
        {"seconds": 2.3, "until": 31.8, "speaker": "agent", "kind": "speech", "text": "Hello Ada, how do you like your Basic plan? Press 1 …", "cut_off": false},
        {"seconds": 36.1, "until": null, "speaker": "person", "kind": "key", "text": "1", "cut_off": false},
    ]);
    call["call_back_at"] = Value::Null;
    call["conversation"] = conversation();
    call
}

fn call() -> Value {
    json!({
        "id": 17,
        "campaign_id": 1,
        "campaign_name": "Customer survey",
        "lead_id": 4,
        "lead_name": "Ada Lovelace",
        "attempt": 1,
        "max_attempts": 3,
        "phone": "+12025550101",
        "carrier": "simulator",
        "state": "ended",
        "outcome": "success",
        "successful": true,
        "detail": null,
        "placed_at": "2026-03-04T10:04:20Z",
        "answered_at": "2026-03-04T10:04:31Z",
        "ended_at": "2026-03-04T10:05:10Z",
        "seconds": 39,
        "cost": 0.5,
        "timeline": [
            {"at": "2026-03-04T10:04:20Z", "event": "placed"},
            {"at": "2026-03-04T10:04:22Z", "event": "ringing"},
        ],
        "evidence": {
            "time_zones": ["America/New_York"],
            "time_zone_from": "campaign",
            "local_times": ["2026-03-04T05:04:20-05:00"],
            "calls_per_day": 50,
            "max_attempts": 3,
        },
        "recording": {"seconds": 38.9, "bytes": 1_244_844, "url": "/api/calls/17/recording"},
    })
}

fn listed() -> Value {
    json!({
        "phone": "+12025550101",
        "reason": "asked by letter",
        "source": "api",
        "call_id": null,
        "added_by": "Grace",
        "created_at": "2026-03-04T10:00:00Z",
    })
}

fn trunk() -> Value {
    json!({
        "id": 1,
        "source": "database",
        "position": 1,
        "name": "main",
        "host": "sip.example.com",
        "transport": "udp",
        "proxy": null,
        "username": "alice",
        "register": true,
        "caller_id": "+12025550101",
        "number_prefix": "+",
        "calls_per_second": 1,
        "channels": 10,
        "options_seconds": 30,
        "has_password": true,
        "status": "up",
        "problem": null,
        "warning": null,
        "channels_in_use": 1,
        "created_at": "2026-03-04T10:00:00Z",
        "updated_at": "2026-03-04T10:00:00Z",
    })
}

fn webhook() -> Value {
    json!({
        "id": 2,
        "campaign_id": null,
        "campaign_name": null,
        "url": "https://crm.example.com/calls",
        "events": ["call.completed"],
        "description": "our CRM",
        "enabled": true,
        "disabled_reason": null,
        "notice": null,
        "failing_since": null,
        "last_success_at": "2026-03-04T10:05:11Z",
        "previous_secret_until": null,
        "last_7_days": {"delivered": 412, "dead": 0, "pending": 1},
        "created_at": "2026-03-01T09:00:00Z",
        "updated_at": "2026-03-01T09:00:00Z",
    })
}

fn delivery() -> Value {
    json!({
        "id": 52,
        "endpoint_id": 2,
        "campaign_id": 1,
        "webhook_id": "msg_1_42",
        "type": "call.completed",
        "state": "delivered",
        "tries": 1,
        "next_try_at": null,
        "delivered_at": "2026-03-04T10:05:11Z",
        "created_at": "2026-03-04T10:05:10Z",
        "last_try": a_try(),
    })
}

fn a_try() -> Value {
    json!({
        "at": "2026-03-04T10:05:11Z",
        "milliseconds": 84,
        "status_code": 204,
        "error": null,
        "message": null,
        "answer": "",
    })
}

fn whole_delivery() -> Value {
    let mut whole = delivery();
    whole["payload"] = json!({
        "type": "call.completed",
        "timestamp": "2026-03-04T10:05:10Z",
        "data": {"campaign": {"id": 1, "name": "Customer survey"}},
    });
    let mut one = a_try();
    one["headers"] = json!({
        "content-type": "application/json",
        "webhook-id": "msg_1_42",
        "webhook-timestamp": "1772618711",
        "webhook-signature": "v1,********",
    });
    whole["log"] = json!([one]);
    whole
}

fn rehearsal() -> Value {
    let hour = |hour: u32| json!({"hour": hour, "calls": 0, "answered": 0});
    json!({
        "id": 3,
        "campaign_id": 1,
        "status": "done",
        "progress": 1.0,
        "made_at": "2026-03-02T12:00:00Z",
        "made_by": "Ada",
        "settings": {"seed": 7, "changes": {"calls_per_day": 500}},
        "result": {
            "starts_at": "2026-03-02T12:00:00Z",
            "finishes_at": "2026-03-04T16:20:11Z",
            "unfinished": null,
            "last_call_at": "2026-03-04T16:20:11Z",
            "calls": 1300,
            "people_reached": 610,
            "outcomes": {"no_answer": 520, "success": 430, "hung_up": 180, "busy": 170},
            "cost": 30.5,
            "budget_runs_out_on": null,
            "per_day": [{"date": "2026-03-02", "calls": 500, "answered": 240, "cost": 12.0}],
            "per_hour": (0..24).map(hour).collect::<Vec<_>>(),
            "bound_by": {"hours": 0.61, "calls_per_day": 0.24, "retries": 0.15},
            "never_called": {"count": 2, "reasons": {"missing_variable": 2}, "examples": [17, 44]},
            "warnings": [],
            "assumed": {
                "seed": 7,
                "answer_rates": vec![0.47; 24],
                "talk_seconds": 24.5,
                "observations": {"own": 120, "siblings": 900, "sibling_campaigns": 3},
                "trunk": {"lines": 50, "calls_per_second": null},
                "leads": 700,
            },
            "took_ms": 41,
        },
        "error": null,
    })
}
