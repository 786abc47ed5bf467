//! The health check, and what is answered where there is nothing.

use crate::support::TestServer;
use serde_json::json;

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
