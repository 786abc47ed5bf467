//! The page and the health check: what is served without a token.

use crate::support::TestServer;
use serde_json::json;

#[test]
fn the_page_is_served_with_a_policy_that_lets_nothing_foreign_in() {
    let server = TestServer::start();
    let page = server.request("GET", "/").send();
    assert_eq!((page.status, page.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("<title>Voice Campaigns</title>"));
    let policy = page.header("Content-Security-Policy").unwrap();
    let sources: Vec<&str> = policy.split("; ").collect();
    assert_eq!(sources[0], "default-src 'none'");
    assert!(sources[1].starts_with("script-src 'sha256-") && sources[2].starts_with("style-src 'sha256-"));
    assert_eq!(
        sources[3..],
        [
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'"
        ]
    );
    assert_eq!(page.header("Cache-Control"), Some("no-cache"));
    assert_eq!(page.header("X-Content-Type-Options"), Some("nosniff"));
    assert!(page.header("X-Request-Id").is_some());
    assert!(page.header("X-RateLimit-Limit").is_none());

    let tag = page.header("ETag").unwrap();
    let unchanged = server.request("GET", "/").header("If-None-Match", tag).send();
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
    assert_eq!(server.request("GET", "/").header("If-None-Match", "\"other\"").send().status, 200);
}

#[test]
fn the_page_puts_data_into_the_document_only_as_text() {
    let page = include_str!("../static/index.html");
    for way in
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", " on"]
    {
        let found = if way == " on" {
            page.contains(" onclick=") || page.contains(" onload=") || page.contains(" onsubmit=")
        } else {
            page.contains(way)
        };
        assert!(!found, "{way}");
    }
    assert!(!page.contains(" style=") && !page.contains("src="));
}

#[test]
fn the_health_check_needs_no_token() {
    let server = TestServer::start();
    let answer = server.request("GET", "/health").send();
    assert_eq!(answer.expect(200), json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
}

#[test]
fn other_paths_are_not_found_and_wrong_methods_are_told_the_right_ones() {
    let server = TestServer::start();
    for path in ["/nothing", "/index.html/x", "/../Cargo.toml", "/%2e%2e/Cargo.toml"] {
        let answer = server.request("GET", path).send();
        assert_eq!(answer.expect(404), json!({"error": "Not found", "code": "not_found"}), "{path}");
    }
    let answer = server.request("POST", "/").body("text/plain", b"x").send();
    assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET, HEAD")));
    assert_eq!(server.request("DELETE", "/health").send().header("Allow"), Some("GET, HEAD"));
}
