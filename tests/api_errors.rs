//! Every error is JSON with a sentence, whatever went wrong and wherever.

use crate::api_campaigns::{example, example_with};
use crate::support::{Answer, Options, TestServer, WRITER};
use rocket::{get, routes};
use serde_json::{Value, json};

const CAMPAIGNS: &str = "/api/voice-campaigns";

fn send(server: &TestServer, content_type: &str, body: &[u8]) -> Answer {
    server.request("POST", CAMPAIGNS).token(WRITER).body(content_type, body).send()
}

/// Headers that no answer of the API is without.
#[track_caller]
fn check_headers(answer: &Answer) {
    for name in
        ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit-Policy", "RateLimit"]
    {
        assert!(answer.header(name).is_some(), "{name}");
    }
    assert_eq!(answer.header("X-Request-Id").map(str::len), Some(16));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
}

#[test]
fn every_missing_field_is_named_at_once() {
    let server = TestServer::start();
    let answer = server.post(CAMPAIGNS, &json!({"name": " ", "status": null, "calls_per_day": 0})).send();
    check_headers(&answer);
    assert_eq!(
        answer.expect(400),
        json!({
            "error": "name: is required and must not be blank; status: is required and must not be null; \
                      calls_per_day: must be between 1 and 1000000; it is 0; calling_hours_start: is required; \
                      calling_hours_end: is required; system_prompt: is required; script_template: is required",
            "code": "invalid",
            "details": [
                {"field": "name", "message": "is required and must not be blank"},
                {"field": "status", "message": "is required and must not be null"},
                {"field": "calls_per_day", "message": "must be between 1 and 1000000; it is 0"},
                {"field": "calling_hours_start", "message": "is required"},
                {"field": "calling_hours_end", "message": "is required"},
                {"field": "system_prompt", "message": "is required"},
                {"field": "script_template", "message": "is required"}
            ]
        })
    );
}

#[test]
fn an_unknown_field_is_refused_and_read_only_ones_are_ignored() {
    let server = TestServer::start();
    let unknown = server.post(CAMPAIGNS, &example_with(json!({"call_per_day": 5}))).send();
    assert_eq!(unknown.error(400), "call_per_day: unknown field; did you mean `calls_per_day`?");
    let known = example_with(json!({"id": 99, "total_leads": 5, "created_at": "2020-01-01T00:00:00Z"}));
    let created = server.post(CAMPAIGNS, &known).send().expect(201);
    assert_eq!((&created["id"], &created["total_leads"]), (&json!(1), &json!(0)));
}

#[test]
fn a_body_that_is_no_json_is_refused_with_its_place() {
    let server = TestServer::start();
    for (body, sentence) in [
        (&b""[..], "The body is empty"),
        (b"  \n", "The body is empty"),
        (b"{\"name\": \xff}", "The body is not UTF-8: byte 10 is wrong"),
        (b"{\"name\":\n\"x\",}", "The body is not valid JSON: trailing comma at line 2 column 5"),
        (
            b"{\"name\": \"x\", \"name\": \"y\"}",
            "The body is not valid JSON: the field `name` is there twice at line 1 column 20",
        ),
        (b"\"x\"", "body: must be a JSON object, not a text"),
        (b"null", "body: must be a JSON object, not null"),
    ] {
        let answer = send(&server, "application/json", body);
        assert_eq!(answer.error(400), sentence);
        check_headers(&answer);
    }
    let deep = send(&server, "application/json", "[".repeat(10_000).as_bytes());
    assert!(deep.error(400).starts_with("The body is not valid JSON: recursion limit exceeded"));
    assert_eq!(send(&server, "application/json; charset=UTF-8", b"{}").status, 400);
}

/// Texts that are no JSON, of the kinds that the JSON Parsing Test Suite collects (`n_…`).
#[rustfmt::skip]
const BROKEN: [&[u8]; 58] = [
    b"[1 true]", b"[\"\": 1]", b"[\"\"],", b"[,1]", b"[1,,2]", b"[\"x\"]]", b"[\"\",]", b"[\"x\"", b"[x",
    b"[3[4]]", b"[1:2]", b"[,]", b"[-]", b"[   , \"\"]", b"[\"a\",\n4\n,1,", b"[1,]", b"[1,,]", b"[*]",
    b"[1,\n1\n,1", b"[{}", b"[fals]", b"[nul]", b"[tru]", b"[++1234]", b"[+1]", b"[-01]", b"[-1.0.]",
    b"[-2.]", b"[-NaN]", b"[.-1]", b"[.2e-3]", b"[0.1.2]", b"[0.3e+]", b"[0e]", b"[1.0e+]", b"[1eE2]",
    b"[0x42]", b"[Infinity]", b"[-Infinity]", b"[NaN]", b"[- 1]", b"[012]", b"[1+2]", b"{\"a\":\"b\"}/**/",
    b"{\"a\" b}", b"{:\"b\"}", b"{\"a\":\"a\" 123}", b"{a: 1}", b"{'a':0}", b"[\"\\x00\"]",
    b"[\"\\uD800\\\"]", b"[\"\\u00A\"]", b"[\"\ta\"]", b"[\"new\nline\"]", b"[\"\0\"]", b"<.>",
    b"\xef\xbb\xbf", b"{\"\\u0000\": ",
];

/// Texts that are JSON, or may be taken for it: what a reader must bear (`y_…`, `i_…`).
#[rustfmt::skip]
const ODD: [&[u8]; 16] = [
    b"[123.456e78]", b"[-0]", b"[1E+2]", b"{\"\":0}", b"{\"a\":null,\"b\":\"\\ud83d\\ude39\"}", b"[1e400]",
    b"[-1e9999]", b"[0.4e0066999999999999999999999999999999]", b"[123123123123123123123123123123]",
    b"[\"\\uDADA\"]", b"[\"\\uD888\\u1234\"]", b"[\"\\uDd1e\\uD834\"]", b"\xff\xfe{\0}\0",
    b"\xfe\xff\0{\0}", b"\xef\xbb\xbf{}", b"{\"a\":\"\\uFFFF\\u2028\\u007f\"}",
];

#[test]
fn whatever_is_sent_in_the_place_of_json_is_refused_in_a_sentence() {
    let server = TestServer::start();
    let deep: Vec<Vec<u8>> =
        ["[", "{\"a\":", "[{\"a\":["].iter().map(|open| open.repeat(10_000).into()).collect();
    let all = BROKEN.iter().chain(&ODD).map(|text| text.to_vec()).chain(deep);
    for text in all {
        // As a whole, and in the place of a field.
        let inside = [b"{\"name\": ", &text[..], b"}"].concat();
        for body in [&text, &inside] {
            let answer = send(&server, "application/json", body);
            assert!(!answer.error(400).is_empty(), "{}", String::from_utf8_lossy(body));
        }
    }
}

#[test]
fn only_json_is_read_where_json_is_expected() {
    let server = TestServer::start();
    let body = example().to_string();
    for kind in
        ["text/plain", "application/xml", "text/csv", "application/json; charset=utf-16", "nonsense", ""]
    {
        let answer = send(&server, kind, body.as_bytes());
        assert_eq!(answer.expect(415)["code"], "unsupported_media_type", "{kind}");
        check_headers(&answer);
    }
    let none = server.request("POST", CAMPAIGNS).token(WRITER).send();
    assert_eq!(none.status, 415);
    let packed = server.post(CAMPAIGNS, &example()).header("Content-Encoding", "gzip").send();
    assert_eq!(packed.error(415), "Send the body without Content-Encoding");
    let lead = server.request("POST", &format!("{CAMPAIGNS}/{}/leads", server.campaign(json!({}))));
    let form = lead.token(WRITER).body("multipart/form-data; boundary=x", b"--x--\r\n").send();
    assert_eq!(form.error(400), "The form has no file in it; send one as the part `file`");
    assert_eq!(send(&server, "multipart/form-data; boundary=x", b"--x--\r\n").status, 415);
}

#[test]
fn a_form_cannot_pretend_to_be_another_method() {
    let server = TestServer::start();
    let id = server.campaign(json!({}));
    let path = format!("{CAMPAIGNS}/{id}");
    for method in ["delete", "get", "put", "patch"] {
        let form = server.request("POST", &path).token(WRITER);
        let answer =
            form.body("application/x-www-form-urlencoded", format!("_method={method}").as_bytes()).send();
        let sentence = "Forms are not accepted; send JSON with Content-Type: application/json";
        assert_eq!(answer.error(415), sentence, "{method}");
        check_headers(&answer);
    }
    // Where files are taken, a form of the other kind does not change the method either.
    for path in [path.clone(), format!("{path}/leads")] {
        let part = "--x\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\ndelete\r\n--x--\r\n";
        for body in [part, "_method=delete&x=--x--"] {
            let form = server.request("POST", &path).token(WRITER);
            let answer = form.body("multipart/form-data; boundary=x", body.as_bytes()).send();
            assert!([400, 415].contains(&answer.status), "{}", answer.body);
            let disguised = server.request("POST", &path).token(WRITER);
            let answer =
                disguised.body("application/x-www-form-urlencoded; boundary=x", body.as_bytes()).send();
            assert_eq!(answer.status, 415, "{}", answer.body);
        }
    }
    let anonymous =
        server.request("POST", &path).body("application/x-www-form-urlencoded", b"_method=delete");
    assert_eq!(anonymous.send().status, 401);
    assert_eq!(server.get(&path).send().status, 200);
}

#[test]
fn a_body_over_its_limit_is_refused_however_it_is_announced() {
    let server = TestServer::start();
    let body = example_with(json!({"notes": "x".repeat(2 << 20)})).to_string();
    let answer = send(&server, "application/json", body.as_bytes());
    assert_eq!(answer.error(413), "The body is larger than 2097152 bytes");
    check_headers(&answer);

    let mut chunked = format!(
        "POST {CAMPAIGNS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {WRITER}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    for _ in 0..2_100 {
        chunked.push_str(&format!("400\r\n{}\r\n", " ".repeat(1024)));
    }
    chunked.push_str("0\r\n\r\n");
    let answer = server.raw(chunked.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn a_path_that_does_not_exist_and_a_method_that_does_not_fit_are_told_apart() {
    let server = TestServer::start();
    for (path, sentence) in [
        ("/api", "Not found"),
        ("/api/nothing", "Not found"),
        ("/api/voice-campaigns/1/nothing", "Not found"),
        ("/api/voice-campaigns/1", "Voice campaign not found"),
        ("/api/voice-campaigns/abc", "Voice campaign not found"),
        ("/api/voice-campaigns/1.0", "Voice campaign not found"),
        ("/api/voice-campaigns/-1", "Voice campaign not found"),
        ("/api/voice-campaigns/99999999999999999999", "Voice campaign not found"),
        ("/api/voice-campaigns/%00", "Voice campaign not found"),
        ("/api/voice-campaigns/1'%20OR%201=1", "Voice campaign not found"),
        ("/api/leads/x", "Lead not found"),
        ("/api/calls/x", "Call not found"),
    ] {
        let answer = server.get(path).send();
        assert_eq!(answer.expect(404), json!({"error": sentence, "code": "not_found"}), "{path}");
        check_headers(&answer);
    }
    for (method, path, allow) in [
        ("DELETE", "/api/voice-campaigns", "GET, HEAD, POST"),
        ("OPTIONS", "/api/voice-campaigns", "GET, HEAD, POST"),
        ("POST", "/api/voice-campaigns/1", "DELETE, GET, HEAD, PUT"),
        ("GET", "/api/voice-campaigns/1/status", "PATCH"),
        ("HEAD", "/api/voice-campaigns/1/status", "PATCH"),
        ("PUT", "/api/voice-campaigns/1/stats", "GET, HEAD"),
        ("PUT", "/api/voice-campaigns/1/leads/", "GET, HEAD, PATCH, POST"),
        ("TRACE", "/api/calls", "GET, HEAD"),
    ] {
        let answer = server.request(method, path).token(WRITER).send();
        assert_eq!((answer.status, answer.header("Allow")), (405, Some(allow)), "{method} {path}");
        check_headers(&answer);
    }
}

#[test]
fn a_method_nobody_knows_is_answered_as_json_too() {
    let server = TestServer::start();
    let ask = |token: &str| {
        server.raw(
            format!("BREW /api/voice-campaigns HTTP/1.1\r\nHost: x\r\n{token}Connection: close\r\n\r\n")
                .as_bytes(),
        )
    };
    let answer = ask(&format!("Authorization: Bearer {WRITER}\r\n"));
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(answer.ends_with(",\"code\":\"method_not_allowed\"}"), "{answer}");
    for header in [
        "allow: get, head, post",
        "x-ratelimit-remaining:",
        "x-request-id:",
        "cache-control: no-store",
        "content-type: application/json",
    ] {
        assert!(answer.to_lowercase().contains(header), "{answer}");
    }
    assert!(ask("").starts_with("HTTP/1.1 401 "));
}

#[get("/voice-campaigns/boom")]
async fn boom() -> &'static str {
    panic!("on purpose")
}

#[test]
fn a_handler_that_panics_answers_500_and_the_server_lives_on() {
    let server = TestServer::start_with(Options {
        extend: |rocket| rocket.mount("/api", routes![boom]),
        ..Options::default()
    });
    let answer = server.get("/api/voice-campaigns/boom").send();
    assert_eq!(answer.expect(500), json!({"error": "Failed to fetch voice campaign", "code": "internal"}));
    check_headers(&answer);
    assert_eq!(server.get(CAMPAIGNS).send().status, 200);
}

#[test]
fn a_broken_database_is_told_in_the_published_words_and_its_cause_is_not() {
    let server = TestServer::start();
    let file = voice_campaigns::store::data_file(server.folder.path());
    let other = rusqlite::Connection::open(file).unwrap();
    other.execute_batch("PRAGMA foreign_keys = OFF; ALTER TABLE campaign_totals RENAME TO gone;").unwrap();
    let requests: [(&str, &str, Option<Value>, &str); 7] = [
        ("GET", "/api/voice-campaigns", None, "Failed to fetch voice campaigns"),
        ("GET", "/api/voice-campaigns/1", None, "Failed to fetch voice campaign"),
        ("GET", "/api/voice-campaigns/1/stats", None, "Failed to fetch voice campaign statistics"),
        ("POST", "/api/voice-campaigns", Some(example()), "Failed to create voice campaign"),
        ("PUT", "/api/voice-campaigns/1", Some(json!({})), "Failed to update voice campaign"),
        (
            "PATCH",
            "/api/voice-campaigns/1/status",
            Some(json!({"status": "active"})),
            "Failed to update voice campaign",
        ),
        ("DELETE", "/api/voice-campaigns/1", None, "Failed to delete voice campaign"),
    ];
    for (method, path, body, sentence) in requests {
        let request = server.request(method, path).token(WRITER);
        let answer = if let Some(body) = body { request.json(&body).send() } else { request.send() };
        assert_eq!(answer.expect(500), json!({"error": sentence, "code": "internal"}), "{method} {path}");
        check_headers(&answer);
    }
}

#[test]
fn a_store_that_is_closed_says_to_come_back() {
    let server = TestServer::start();
    server.close_store();
    let answer = server.post(CAMPAIGNS, &example()).send();
    let expected = json!({"error": "Temporarily unavailable; try again later", "code": "unavailable"});
    assert_eq!(answer.expect(503), expected);
    assert!(answer.header("Retry-After").is_some());
    check_headers(&answer);
}
