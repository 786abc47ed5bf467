//! Signing in to the admin page: a token for a cookie, and what that cookie may do.

use crate::api_campaigns::example;
use crate::support::{ADMIN, Answer, Heard, Options, READER, Request, TestServer, WRITER};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::sync::mpsc;
use std::time::Duration;
use voice_campaigns::store::Scope;
use voice_campaigns::token;

const SESSION: &str = "/api/session";

/// Signs in; the answer is the cookie as a browser sends it.
fn sign_in(server: &TestServer, token: &str) -> String {
    let answer = server.request("POST", SESSION).json(&json!({"token": token})).send();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.header("Set-Cookie").unwrap().split(';').next().unwrap().to_owned()
}

/// A request of the page.
fn page<'s>(server: &'s TestServer, method: &str, path: &str, cookie: &str) -> Request<'s> {
    server.request(method, path).header("Cookie", cookie).header("Sec-Fetch-Site", "same-origin")
}

/// Sends it while time passes.
fn send_in_time(server: &TestServer, request: Request<'_>) -> Answer {
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || sender.send(request.send()).unwrap());
        loop {
            match receiver.recv_timeout(Duration::from_millis(20)) {
                Ok(answer) => return answer,
                Err(_) => server.clock.advance(TimeDelta::milliseconds(100)),
            }
        }
    })
}

#[test]
fn a_token_is_exchanged_for_a_cookie_that_no_script_can_read() {
    let server = TestServer::start();
    let nobody = server.request("GET", SESSION).send();
    assert_eq!(nobody.expect(200), Value::Null);
    assert_eq!(nobody.header("RateLimit-Policy"), Some("\"ip\";q=100000;w=60"));

    let me = json!({"name": WRITER, "scope": "write", "expires_at": "2026-03-04T22:00:00Z"});
    let answer = server.request("POST", SESSION).json(&json!({"token": format!(" {WRITER}\n")})).send();
    assert_eq!(answer.expect(200), me);
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let cookie = answer.header("Set-Cookie").unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/");
    let value = pair.strip_prefix("vc_session=").unwrap();
    assert!(value.len() == 43 && value.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{value}");

    let again = server.request("GET", SESSION).header("Cookie", pair).send();
    assert_eq!(again.expect(200), me);
    assert_eq!(again.header("RateLimit-Policy"), Some("\"session\";q=100000;w=3600"));
    assert!(server.store.session_by_hash(&token::hash(value)).unwrap().is_some(), "its hash is kept");
    assert_ne!(sign_in(&server, WRITER), pair, "every session has a cookie of its own");
    let bearer = server.request("GET", "/api/calls").token(value).send();
    assert_eq!(bearer.status, 401, "a cookie is no token");
}

#[test]
fn the_cookie_of_a_page_that_came_over_tls_travels_over_nothing_else() {
    let server = TestServer::start();
    let sign_in = |origin: &str| {
        let request = server.request("POST", SESSION).json(&json!({"token": READER}));
        request.header("Origin", origin).send().header("Set-Cookie").unwrap().to_owned()
    };
    assert!(sign_in("https://calls.example.com").ends_with("; HttpOnly; SameSite=Strict; Path=/; Secure"));
    assert!(!sign_in("http://127.0.0.1:8000").contains("Secure"));
}

#[test]
fn who_has_the_wrong_token_is_told_so_slowly_and_not_often() {
    let mut options = Options::default();
    options.settings.unauthenticated_per_minute = 2;
    let server = TestServer::start_with(options);
    let before = server.now();
    let wrong = json!({"token": "vc_wrong"});
    // A valid token beside it changes nothing: guesses are counted where they come from.
    for (left, request) in ["1", "0"].into_iter().zip([
        server.request("POST", SESSION).json(&wrong),
        server.request("POST", SESSION).json(&wrong).token(WRITER),
    ]) {
        let answer = send_in_time(&server, request);
        assert_eq!(
            answer.expect(401),
            json!({
                "error": "This access token is not valid. Check that all of it was pasted, or make a new one with \
                          `voice-campaigns token create`",
                "code": "unauthorized"
            })
        );
        assert_eq!((answer.header("Set-Cookie"), answer.header("X-RateLimit-Remaining")), (None, Some(left)));
    }
    assert!(server.now() - before >= TimeDelta::milliseconds(600));
    for request in
        [server.request("POST", SESSION).json(&json!({"token": WRITER})), server.request("GET", SESSION)]
    {
        let answer = request.send();
        assert_eq!(answer.expect(429), json!({"error": "Rate limit exceeded", "code": "rate_limited"}));
        assert!(answer.header("Retry-After").is_some() && answer.header("Set-Cookie").is_none());
    }
    assert_eq!(server.get("/api/calls").send().status, 200, "who has a token is not kept out");
}

#[test]
fn what_cannot_be_read_signs_nobody_in() {
    let server = TestServer::start();
    let post = |body: Value| server.request("POST", SESSION).json(&body).send();
    for (body, field, message) in [
        (json!({}), "token", "is required"),
        (json!({"token": ""}), "token", "is required and must not be blank"),
        (json!({"token": 7}), "token", "must be a text, not 7"),
        (json!({"token": "x".repeat(513)}), "token", "must be at most 512 bytes"),
        (json!({"token": WRITER, "tokn": 1}), "tokn", "unknown field; did you mean `token`?"),
        (json!([WRITER]), "body", "must be a JSON object, not an array"),
    ] {
        let answer = post(body.clone());
        let details = answer.expect(400)["details"].clone();
        assert_eq!(details, json!([{"field": field, "message": message}]), "{body}");
        assert!(answer.header("Set-Cookie").is_none());
    }
    let query = server.request("POST", "/api/session?token=x").json(&json!({"token": WRITER})).send();
    assert_eq!(query.status, 400);
    for (kind, body) in [
        ("application/x-www-form-urlencoded", "_method=DELETE&token=vc_writer"),
        ("multipart/form-data; boundary=x", "--x--"),
        ("text/plain", "{\"token\": \"vc_writer\"}"),
    ] {
        let answer = server.request("POST", SESSION).body(kind, body.as_bytes()).send();
        assert_eq!((answer.status, answer.header("Set-Cookie")), (415, None), "{kind}");
    }
    assert_eq!(server.request("PATCH", SESSION).send().header("Allow"), Some("DELETE, GET, HEAD, POST"));
}

#[test]
fn a_session_may_do_what_its_token_may_and_nothing_more() {
    let server = TestServer::start();
    for (token, statuses) in [(READER, [200, 403, 403]), (WRITER, [200, 201, 403]), (ADMIN, [200, 201, 200])]
    {
        let cookie = sign_in(&server, token);
        let requests = [
            page(&server, "GET", "/api/calls", &cookie),
            page(&server, "POST", "/api/voice-campaigns", &cookie).json(&example()),
            page(&server, "GET", "/api/tokens", &cookie),
        ];
        assert_eq!(requests.map(|request| request.send().status), statuses, "{token}");
    }
    let other = page(&server, "GET", "/api/calls", "theme=dark; vc_session=nonsense").send();
    assert_eq!(other.status, 401);
    let among_others = format!("theme=dark; {}; x=y", sign_in(&server, READER));
    assert_eq!(page(&server, "GET", "/api/calls", &among_others).send().status, 200);
}

#[test]
fn other_sites_change_nothing_in_the_name_of_who_is_signed_in() {
    let server = TestServer::start();
    let cookie = sign_in(&server, ADMIN);
    let send = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let request = server.request(method, path).header("Cookie", &cookie).json(&example());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send()
    };
    let refused: [&[(&str, &str)]; 7] = [
        &[],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "none")],
        &[("Sec-Fetch-Site", "cross-site"), ("X-Requested-With", "ui")],
        &[("X-Requested-With", "XMLHttpRequest")],
        &[("Origin", "http://127.0.0.1")],
    ];
    let changes = [
        ("POST", "/api/voice-campaigns"),
        ("PUT", "/api/voice-campaigns/1"),
        ("PATCH", "/api/voice-campaigns/1/status"),
        ("DELETE", "/api/voice-campaigns/1"),
        ("POST", "/api/nothing"),
        ("DELETE", "/api/session"),
    ];
    for headers in refused {
        for (method, path) in changes {
            let answer = send(method, path, headers);
            let body = answer.expect(403);
            assert_eq!(body["code"], "cross_site", "{method} {path} {headers:?}");
            assert!(body["error"].as_str().unwrap().contains("server's own page"));
            assert!(answer.header("Set-Cookie").is_none());
        }
        for method in ["GET", "HEAD"] {
            assert_eq!(send(method, "/api/voice-campaigns", headers).status, 200, "looking changes nothing");
        }
    }
    let allowed: [&[(&str, &str)]; 2] = [&[("Sec-Fetch-Site", "same-origin")], &[("X-Requested-With", "ui")]];
    for headers in allowed {
        assert_eq!(send("POST", "/api/voice-campaigns", headers).status, 201, "{headers:?}");
    }
    let token = server.post("/api/voice-campaigns", &example()).header("Sec-Fetch-Site", "cross-site").send();
    assert_eq!(token.status, 201, "a token is in the hands of whoever sends it");

    for (method, body) in [("POST", json!({"token": WRITER})), ("DELETE", Value::Null)] {
        let foreign =
            server.request(method, SESSION).header("Sec-Fetch-Site", "cross-site").json(&body).send();
        assert_eq!(foreign.expect(403)["code"], "cross_site", "nobody is signed in or out by another site");
    }
    let preflight =
        server.request("OPTIONS", "/api/voice-campaigns").header("Origin", "http://evil.example").send();
    assert!(preflight.headers.iter().all(|(name, _)| !name.starts_with("access-control")));
}

#[test]
fn a_token_goes_before_a_cookie_and_the_password_of_a_proxy_is_no_token() {
    let server = TestServer::start();
    let cookie = sign_in(&server, ADMIN);
    let policy = |authorization: &str| {
        let request = server.request("GET", "/api/tokens").header("Cookie", &cookie);
        let answer = request.header("Authorization", authorization).send();
        (answer.status, answer.header("RateLimit-Policy").unwrap().split(';').next().unwrap().to_owned())
    };
    assert_eq!(policy(&format!("Bearer {ADMIN}")), (200, "\"default\"".to_owned()));
    assert_eq!(policy(&format!("Bearer {READER}")), (403, "\"default\"".to_owned()));
    assert_eq!(policy("bearer vc_wrong"), (401, "\"ip\"".to_owned()));
    assert_eq!(policy("Basic dXNlcjpwYXNzd29yZA=="), (200, "\"session\"".to_owned()));
}

#[test]
fn the_page_takes_nothing_from_the_budget_of_scripts_and_signing_in_again_brings_no_new_one() {
    let mut options = Options::default();
    (options.settings.requests_per_hour, options.settings.session_requests_per_hour) = (2, 3);
    let server = TestServer::start_with(options);
    let cookie = sign_in(&server, WRITER);
    for left in ["2", "1", "0"] {
        let answer = page(&server, "GET", "/api/calls", &cookie).send();
        assert_eq!((answer.status, answer.header("X-RateLimit-Remaining")), (200, Some(left)));
    }
    for cookie in [&cookie, &sign_in(&server, WRITER)] {
        let over = page(&server, "GET", "/api/calls", cookie).send();
        assert_eq!(over.expect(429), json!({"error": "Rate limit exceeded", "code": "rate_limited"}));
        assert_eq!(over.header("RateLimit"), Some("\"session\";r=0;t=3600"));
    }
    let script = server.get("/api/calls").send();
    assert_eq!((script.status, script.header("X-RateLimit-Remaining")), (200, Some("1")));
    assert_eq!(page(&server, "GET", "/api/calls", &sign_in(&server, READER)).send().status, 200);
}

#[test]
fn a_session_ends_half_a_day_after_it_was_last_used() {
    let server = TestServer::start();
    let cookie = sign_in(&server, WRITER);
    let ask = || page(&server, "GET", "/api/calls", &cookie).send().status;
    for _ in 0..3 {
        server.clock.advance(TimeDelta::hours(12) - TimeDelta::seconds(1));
        assert_eq!(ask(), 200);
        // What was noted without waiting is there now.
        server.write(|_| Ok(()));
    }
    let shown = page(&server, "GET", SESSION, &cookie).send().expect(200);
    assert_eq!(shown["expires_at"], "2026-03-06T09:59:57Z");
    server.clock.advance(TimeDelta::hours(12));
    assert_eq!(ask(), 401);
    assert_eq!(page(&server, "GET", SESSION, &cookie).send().expect(200), Value::Null);
}

#[test]
fn asking_often_writes_nothing_more_than_once_a_minute() {
    let server = TestServer::start();
    let cookie = sign_in(&server, WRITER);
    let version = || {
        server.write(|_| Ok(()));
        server.store.data_version().unwrap()
    };
    let before = version();
    for _ in 0..20 {
        page(&server, "GET", "/api/calls", &cookie).send().expect(200);
        server.clock.advance(TimeDelta::seconds(2));
    }
    assert_eq!(version(), before);
    server.clock.advance(TimeDelta::seconds(20));
    page(&server, "GET", "/api/calls", &cookie).send().expect(200);
    assert_ne!(version(), before);
    let noted = server.write(|tx| Ok(tx.tokens()?.into_iter().find(|token| token.name == WRITER).unwrap()));
    assert_eq!(noted.last_used_at, Some(server.now()), "the token is in use as well");
}

#[test]
fn who_signs_out_is_out_at_once_and_may_do_it_twice() {
    let server = TestServer::start();
    let (cookie, other) = (sign_in(&server, WRITER), sign_in(&server, WRITER));
    assert_eq!(page(&server, "GET", "/api/calls", &cookie).send().status, 200);
    for cookie in [cookie.as_str(), cookie.as_str(), "vc_session=nonsense", "x=y"] {
        let answer = page(&server, "DELETE", SESSION, cookie).send();
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        let cleared = answer.header("Set-Cookie").unwrap();
        assert_eq!(cleared, "vc_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
        assert_eq!(page(&server, "GET", "/api/calls", cookie).send().status, 401);
    }
    assert_eq!(
        page(&server, "GET", "/api/calls", &other).send().status,
        200,
        "other browsers stay signed in"
    );
}

#[test]
fn who_signs_in_again_leaves_no_session_behind() {
    let server = TestServer::start();
    let before = sign_in(&server, READER);
    let again = page(&server, "POST", SESSION, &before).json(&json!({"token": ADMIN})).send();
    assert_eq!(again.expect(200)["scope"], "admin");
    assert_eq!(page(&server, "GET", "/api/calls", &before).send().status, 401);
}

#[test]
fn a_revoked_token_takes_its_sessions_with_it() {
    let server = TestServer::start();
    let (reader, writer) = (sign_in(&server, READER), sign_in(&server, WRITER));
    assert_eq!(page(&server, "GET", "/api/calls", &writer).send().status, 200);
    server.request("DELETE", "/api/tokens/2").token(ADMIN).send().expect(204);
    assert_eq!(page(&server, "GET", "/api/calls", &writer).send().status, 401);
    assert_eq!(page(&server, "GET", SESSION, &writer).send().expect(200), Value::Null);
    assert_eq!(page(&server, "GET", "/api/calls", &reader).send().status, 200);
    let again = server.request("POST", SESSION).json(&json!({"token": WRITER}));
    assert_eq!(send_in_time(&server, again).status, 401);
}

#[test]
fn a_session_ends_with_a_token_that_expires_and_nobody_signs_in_with_it_any_more() {
    let server = TestServer::start();
    let end = server.now() + TimeDelta::hours(1);
    server.write(move |tx| tx.create_token("vc_hour", Scope::Write, Some(end), &token::hash("vc_hour")));
    let cookie = sign_in(&server, "vc_hour");
    let shown = page(&server, "GET", SESSION, &cookie).send().expect(200);
    assert_eq!(shown["expires_at"], "2026-03-04T11:00:00Z");
    server.clock.advance(TimeDelta::hours(1));
    assert_eq!(page(&server, "GET", "/api/calls", &cookie).send().status, 401);
    let again = server.request("POST", SESSION).json(&json!({"token": "vc_hour"}));
    assert_eq!(send_in_time(&server, again).status, 401);
}

#[test]
fn of_too_many_sessions_the_one_that_was_not_used_for_longest_goes() {
    let server = TestServer::start();
    let mut cookies: Vec<String> = Vec::new();
    for _ in 0..101 {
        cookies.push(sign_in(&server, READER));
        server.clock.advance(TimeDelta::seconds(1));
    }
    let status = |index: usize| page(&server, "GET", "/api/calls", &cookies[index]).send().status;
    assert_eq!([status(0), status(1), status(100)], [401, 200, 200]);
}

#[test]
fn a_browser_that_is_signed_in_hears_the_events_until_it_is_no_longer() {
    let server = TestServer::start();
    let end = |end: &dyn Fn(&str)| {
        let cookie = sign_in(&server, WRITER);
        let mut listener = server.listen_with("", &format!("Cookie: {cookie}\r\n"));
        listener.next("ready");
        end(&cookie);
        assert_eq!(listener.next("end"), json!({"reason": "session_ended"}));
        assert_eq!(listener.hear(), Heard::End);
    };
    end(&|cookie| assert_eq!(page(&server, "DELETE", SESSION, cookie).send().status, 204));
    end(&|_| server.clock.advance(TimeDelta::hours(13)));
    end(&|_| assert!(server.write(|tx| tx.revoke_token(2))));
}
