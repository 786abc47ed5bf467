//! Who may ask, and how often.

use crate::api_campaigns::example;
use crate::support::{ADMIN, Answer, Options, READER, TestServer, WRITER, reference};
use chrono::TimeDelta;
use serde_json::json;
use std::sync::Mutex;

/// Every route under `/api` that needs a token, and whether one that may only look is not enough.
const ROUTES: [(&str, &str, bool); 106] = [
    ("GET", "/api/audit", true),
    ("GET", "/api/voice-campaigns", false),
    ("POST", "/api/voice-campaigns", true),
    ("GET", "/api/voice-campaigns/1", false),
    ("PUT", "/api/voice-campaigns/1", true),
    ("DELETE", "/api/voice-campaigns/1", true),
    ("PATCH", "/api/voice-campaigns/1/status", true),
    ("GET", "/api/voice-campaigns/1/stats", false),
    ("GET", "/api/voice-campaigns/1/holds", false),
    ("GET", "/api/voice-campaigns/1/analytics", false),
    ("POST", "/api/voice-campaigns/1/duplicate", true),
    ("POST", "/api/demo-campaign", true),
    ("GET", "/api/overview", false),
    ("GET", "/api/carrier", false),
    ("GET", "/api/trunks", true),
    ("POST", "/api/trunks", true),
    ("POST", "/api/trunks/test", true),
    ("GET", "/api/trunks/1", true),
    ("PUT", "/api/trunks/1", true),
    ("PATCH", "/api/trunks/1", true),
    ("DELETE", "/api/trunks/1", true),
    ("POST", "/api/trunks/1/test", true),
    ("GET", "/api/voices", false),
    ("POST", "/api/voice-preview", true),
    ("GET", "/api/settings", true),
    ("GET", "/api/voice-campaigns/1/leads", false),
    ("POST", "/api/voice-campaigns/1/leads", true),
    ("GET", "/api/voice-campaigns/1/imports", false),
    ("GET", "/api/voice-campaigns/1/imports/1", false),
    ("GET", "/api/voice-campaigns/1/imports/1/skipped", false),
    ("DELETE", "/api/voice-campaigns/1/imports/1", true),
    ("PATCH", "/api/voice-campaigns/1/leads", true),
    ("POST", "/api/voice-campaigns/1/leads/retry", true),
    ("GET", "/api/leads/1", false),
    ("PUT", "/api/leads/1", true),
    ("POST", "/api/leads/1/schedule", true),
    ("POST", "/api/leads/1/cancel", true),
    ("DELETE", "/api/leads/1", true),
    ("GET", "/api/voice-campaigns/1/calls", false),
    ("GET", "/api/calls", false),
    ("GET", "/api/calls/1", false),
    ("POST", "/api/calls/1/hangup", true),
    ("POST", "/api/voice-campaigns/1/test-calls", true),
    ("GET", "/api/voice-campaigns/1/test-calls", false),
    ("GET", "/api/voice-campaigns/1/test-calls/1", false),
    ("POST", "/api/voice-campaigns/1/test-calls/1/hangup", true),
    ("GET", "/api/voice-campaigns/1/test-calls/1/recording", false),
    ("DELETE", "/api/voice-campaigns/1/test-calls/1/recording", true),
    ("GET", "/api/voice-campaigns/1/inbound-calls", false),
    ("GET", "/api/inbound-calls", false),
    ("GET", "/api/inbound-calls/1", false),
    ("POST", "/api/inbound-calls/1/hangup", true),
    ("GET", "/api/inbound-calls/1/recording", false),
    ("DELETE", "/api/inbound-calls/1/recording", true),
    ("GET", "/api/voice-campaigns/1/conversations", false),
    ("POST", "/api/voice-campaigns/1/conversations", true),
    ("POST", "/api/voice-campaigns/1/conversations/batch", true),
    ("GET", "/api/voice-campaigns/1/conversations/1", false),
    ("POST", "/api/voice-campaigns/1/conversations/1/turns", true),
    ("GET", "/api/calls/1/recording", false),
    ("DELETE", "/api/calls/1/recording", true),
    ("POST", "/api/voice-campaigns/1/preview", false),
    ("GET", "/api/voice-campaigns/1/prompts", false),
    ("POST", "/api/voice-campaigns/1/prompts", true),
    ("GET", "/api/voice-campaigns/1/prompts/1", false),
    ("DELETE", "/api/voice-campaigns/1/prompts/1", true),
    ("GET", "/api/voice-campaigns/1/rehearsals", false),
    ("POST", "/api/voice-campaigns/1/rehearsals", true),
    ("GET", "/api/voice-campaigns/1/rehearsals/1", false),
    ("DELETE", "/api/voice-campaigns/1/rehearsals/1", true),
    ("GET", "/api/voice-campaigns/1/leads/export", false),
    ("GET", "/api/voice-campaigns/1/calls/export", false),
    ("GET", "/api/calls/export", false),
    ("GET", "/api/events", false),
    ("GET", "/api/do-not-call", false),
    ("GET", "/api/do-not-call/+12025550101", false),
    ("POST", "/api/do-not-call", true),
    ("DELETE", "/api/do-not-call/+12025550101", true),
    ("GET", "/api/do-not-call/export", false),
    ("GET", "/api/people/+12025550101", true),
    ("DELETE", "/api/people/+12025550101", true),
    ("GET", "/api/dialing", false),
    ("POST", "/api/dialing/stop", true),
    ("POST", "/api/dialing/start", true),
    ("GET", "/api/wake-up", false),
    ("GET", "/api/voice-campaigns/1/suggestions", false),
    ("GET", "/api/voice-campaigns/1/forecast", false),
    ("POST", "/api/wake-up/release", true),
    ("GET", "/api/webhooks", false),
    ("POST", "/api/webhooks", true),
    ("GET", "/api/webhooks/1", false),
    ("PUT", "/api/webhooks/1", true),
    ("DELETE", "/api/webhooks/1", true),
    ("POST", "/api/webhooks/1/rotate-secret", true),
    ("POST", "/api/webhooks/1/test", true),
    ("POST", "/api/webhooks/1/redeliver-failed", true),
    ("GET", "/api/voice-campaigns/1/webhooks", false),
    ("POST", "/api/voice-campaigns/1/webhooks/test", true),
    ("GET", "/api/voice-campaigns/1/webhook-deliveries", false),
    ("GET", "/api/webhook-deliveries", false),
    ("GET", "/api/webhook-deliveries/1", false),
    ("POST", "/api/webhook-deliveries/1/redeliver", true),
    ("GET", "/api/openapi.json", false),
    ("GET", "/api/tokens", true),
    ("POST", "/api/tokens", true),
    ("DELETE", "/api/tokens/1", true),
];

/// Those that anybody may ask.
const OPEN_ROUTES: [(&str, &str); 3] =
    [("GET", "/api/session"), ("POST", "/api/session"), ("DELETE", "/api/session")];

fn limited(requests_per_hour: u32, unauthenticated_per_minute: u32) -> TestServer {
    let mut options = Options::default();
    options.settings.requests_per_hour = requests_per_hour;
    options.settings.unauthenticated_per_minute = unauthenticated_per_minute;
    TestServer::start_with(options)
}

fn quota(answer: &Answer) -> [&str; 5] {
    ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit-Policy", "RateLimit"]
        .map(|name| answer.header(name).unwrap())
}

#[test]
fn every_route_is_in_the_table_below() {
    let server = TestServer::start_with(Options {
        extend: |rocket| {
            let mut mounted: Vec<String> = rocket
                .routes()
                .filter(|route| route.rank < 1000 && route.uri.path().starts_with("/api"))
                .map(|route| {
                    let path = route
                        .uri
                        .path()
                        .replace("<id>", "1")
                        .replace("<import_id>", "1")
                        .replace("<prompt_id>", "1")
                        .replace("<call_id>", "1")
                        .replace("<conversation_id>", "1")
                        .replace("<rehearsal_id>", "1");
                    format!("{} {}", route.method, path.replace("<number>", "+12025550101"))
                })
                .collect();
            let known = ROUTES.iter().map(|(method, path, _)| (*method, *path)).chain(OPEN_ROUTES);
            let mut known: Vec<String> = known.map(|(method, path)| format!("{method} {path}")).collect();
            mounted.sort();
            known.sort();
            assert_eq!(mounted, known);
            rocket
        },
        ..Options::default()
    });
    drop(server);
}

#[test]
fn the_reference_says_which_scope_a_route_asks_for() {
    for (method, path, wants_more) in ROUTES {
        let scope = reference::operation(method, path).unwrap()["security"][0]["token"][0].as_str();
        assert_eq!(scope != Some("read"), wants_more, "{method} {path}: {scope:?}");
    }
    for (method, path) in OPEN_ROUTES {
        assert_eq!(reference::operation(method, path).unwrap()["security"], json!([]), "{method} {path}");
    }
}

/// What is wrong with how a route asks who comes; nothing when it does as the table says. The bodies of its refusals are
/// added.
fn flaws(server: &TestServer, route: (&str, &str, bool), bodies: &mut Vec<String>) -> Vec<String> {
    let (method, path, changes) = route;
    let mut flaws = Vec::new();
    let mut flaw_if = |is_wrong: bool, what: &str, status: u16| {
        if is_wrong {
            flaws.push(format!("{method} {path}: {what}: {status}"));
        }
    };
    let request = || server.request(method, path);
    for (who, refused) in [
        ("nobody", request()),
        ("a wrong token", request().token("vc_wrong")),
        ("no scheme", request().header("Authorization", WRITER)),
        ("an empty token", request().header("Authorization", "Bearer ")),
        ("another scheme", request().header("Authorization", &format!("Basic {WRITER}"))),
        ("two tokens", request().token(WRITER).token(READER)),
        ("a long token", request().token(&"x".repeat(5_000))),
    ] {
        let answer = refused.send();
        let is_told = answer.header("WWW-Authenticate") == Some("Bearer");
        flaw_if(answer.status != 401 || !is_told, who, answer.status);
        bodies.push(answer.body);
    }
    let reader = request().token(READER).send().status;
    flaw_if((reader == 403) != changes, "who may only look", reader);
    for token in [WRITER, ADMIN] {
        let status = request().token(token).send().status;
        let is_too_little = token == WRITER
            && (["/api/people", "/api/tokens", "/api/settings", "/api/audit", "/api/trunks"]
                .iter()
                .any(|start| path.starts_with(start))
                || (method, path) == ("POST", "/api/webhooks"));
        flaw_if([401, 403].contains(&status) != is_too_little, token, status);
    }
    let answer = request().header("authorization", &format!("bearer  {WRITER}")).send();
    flaw_if(answer.status == 401, "the scheme in another case", answer.status);
    flaws
}

#[test]
fn every_route_asks_for_a_token_of_the_right_scope() {
    let server = TestServer::start();
    let (mut bodies, mut found) = (Vec::new(), Vec::new());
    for (method, path, changes) in ROUTES {
        let path = match path {
            // A stream would not end; with a parameter that nobody knows it does not begin.
            "/api/events" => "/api/events?nothing=1",
            // One of those that are used here.
            "/api/tokens/1" => "/api/tokens/9",
            path => path,
        };
        found.extend(flaws(&server, (method, path, changes), &mut bodies));
    }
    assert!(found.is_empty(), "{found:#?}");
    bodies.dedup();
    assert_eq!(
        bodies,
        [json!({"error": "A valid API token is required, as `Authorization: Bearer <token>`", "code": "unauthorized"})
            .to_string()]
    );
    let answer = server.request("POST", "/api/voice-campaigns").token(READER).send();
    assert_eq!(
        answer.expect(403),
        json!({"error": "This token lacks the scope `write`", "code": "forbidden"})
    );
}

/// Routes that somebody forgot to guard.
mod forgotten {
    #[rocket::get("/forgotten")]
    pub(super) fn looks() -> &'static str {
        "anybody may see this"
    }

    #[rocket::post("/forgotten")]
    pub(super) fn changes() -> &'static str {
        "anybody may do this"
    }
}

#[test]
fn a_route_that_nobody_guards_would_be_noticed() {
    let server = TestServer::start_with(Options {
        extend: |rocket| rocket.mount("/api", rocket::routes![forgotten::looks, forgotten::changes]),
        ..Options::default()
    });
    let found = flaws(&server, ("POST", "/api/forgotten", true), &mut Vec::new());
    assert!(found.iter().any(|flaw| flaw.contains("who may only look: 200")), "{found:#?}");
    let found = flaws(&server, ("GET", "/api/forgotten", false), &mut Vec::new());
    assert!(found.iter().any(|flaw| flaw.contains("nobody: 200")), "{found:#?}");
}

#[test]
fn without_a_token_nothing_is_told_about_what_exists() {
    let server = TestServer::start();
    for (method, path) in [
        ("GET", "/api"),
        ("GET", "/api/"),
        ("GET", "/api/nothing"),
        ("PATCH", "/api/voice-campaigns"),
        ("OPTIONS", "/api/voice-campaigns"),
        ("GET", "//api//voice-campaigns"),
        ("GET", "/%61pi/voice-campaigns"),
        ("GET", "/api/voice-campaigns?nonsense=1"),
        ("HEAD", "/api/voice-campaigns"),
    ] {
        assert_eq!(server.request(method, path).send().status, 401, "{method} {path}");
    }
    let head =
        "POST /api/voice-campaigns HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n0123456789abcdef";
    assert!(server.raw(head.as_bytes()).starts_with("HTTP/1.1 401 "), "and nobody waits for the body");
}

#[test]
fn a_revoked_token_ends_with_the_next_request() {
    let server = TestServer::start();
    assert_eq!(server.get("/api/calls").send().status, 200);
    server.write(|tx| {
        let writer = tx.tokens()?.into_iter().find(|token| token.name == WRITER).unwrap();
        tx.revoke_token(writer.id)
    });
    assert_eq!(server.get("/api/calls").send().status, 401);
}

#[test]
fn the_use_of_a_token_is_noted() {
    let server = TestServer::start();
    server.get("/api/calls").send().expect(200);
    let noted = server.write(|tx| Ok(tx.tokens()?.into_iter().find(|token| token.name == WRITER).unwrap()));
    assert_eq!(noted.last_used_at, Some(server.now()));
}

#[test]
fn of_sixty_four_clients_with_one_token_exactly_a_thousand_requests_pass() {
    let server = limited(1000, 60);
    let (told, refused) = (Mutex::new(Vec::new()), Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..17 {
                    let answer = server.get("/api/voice-campaigns").send();
                    let remaining: i64 = answer.header("X-RateLimit-Remaining").unwrap().parse().unwrap();
                    match answer.status {
                        200 => told.lock().unwrap().push(remaining),
                        429 => *refused.lock().unwrap() += i64::from(remaining == 0),
                        other => panic!("{other}"),
                    }
                }
            });
        }
    });
    let mut told = told.into_inner().unwrap();
    told.sort_unstable();
    assert_eq!(told, (0..1000).collect::<Vec<i64>>());
    assert_eq!(refused.into_inner().unwrap(), 64 * 17 - 1000);
}

#[test]
fn every_answer_with_a_token_tells_what_is_left_and_over_the_limit_when_to_come_back() {
    let server = limited(4, 60);
    let reset = (server.now() + TimeDelta::hours(1)).timestamp().to_string();
    let first = server.get("/api/voice-campaigns").send();
    assert_eq!(quota(&first), ["4", "3", &reset, "\"default\";q=4;w=3600", "\"default\";r=3;t=3600"]);
    server.clock.advance(TimeDelta::milliseconds(1_500));
    let missing = server.get("/api/voice-campaigns/9").send();
    assert_eq!(missing.status, 404);
    assert_eq!(quota(&missing), ["4", "2", &reset, "\"default\";q=4;w=3600", "\"default\";r=2;t=3599"]);
    let wrong = server.request("PATCH", "/api/voice-campaigns").token(WRITER).send();
    assert_eq!((wrong.status, quota(&wrong)[1]), (405, "1"));
    let head = server.request("HEAD", "/api/voice-campaigns").token(WRITER).send();
    assert_eq!((head.status, quota(&head)[1]), (200, "0"));

    for _ in 0..3 {
        let over = server.post("/api/voice-campaigns", &example()).send();
        assert_eq!(over.expect(429), json!({"error": "Rate limit exceeded", "code": "rate_limited"}));
        assert_eq!(quota(&over), ["4", "0", &reset, "\"default\";q=4;w=3600", "\"default\";r=0;t=3599"]);
        assert_eq!(over.header("Retry-After"), Some("3599"));
    }
    let other = server.request("GET", "/api/voice-campaigns").token(READER).send();
    assert_eq!((other.status, quota(&other)[1]), (200, "3"), "another token has a window of its own");

    server.clock.advance(TimeDelta::milliseconds(3_600_000 - 1_501));
    assert_eq!(server.get("/api/voice-campaigns").send().header("Retry-After"), Some("1"));
    server.clock.advance(TimeDelta::milliseconds(1));
    let anew = server.get("/api/voice-campaigns").send();
    assert_eq!((anew.status, quota(&anew)[1]), (200, "3"));
    assert_eq!(server.request("GET", "/health").send().header("X-RateLimit-Limit"), None);
}

#[test]
fn guessing_tokens_is_slowed_down_and_keeps_nobody_out() {
    let server = limited(1000, 3);
    let guess = || server.request("GET", "/api/calls").token("vc_guess").header("X-Real-IP", "6.6.6.6");
    for left in ["2", "1", "0"] {
        let answer = guess().send();
        assert_eq!((answer.status, quota(&answer)[1], quota(&answer)[3]), (401, left, "\"ip\";q=3;w=60"));
    }
    for forwarded in ["6.6.6.6", "7.7.7.7"] {
        let over = server.request("GET", "/api/calls").header("X-Real-IP", forwarded).send();
        assert_eq!(over.expect(429), json!({"error": "Rate limit exceeded", "code": "rate_limited"}));
        assert_eq!(over.header("Retry-After"), Some("60"));
        assert_eq!(quota(&over)[4], "\"ip\";r=0;t=60");
    }
    let valid = server.get("/api/calls").send();
    assert_eq!((valid.status, quota(&valid)[1]), (200, "999"));
    server.clock.advance(TimeDelta::seconds(60));
    assert_eq!(guess().send().status, 401);
}
