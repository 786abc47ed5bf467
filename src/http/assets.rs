//! The files of `static/`, which are part of the program. Each is a route of its own.

use super::etag;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use include_dir::{Dir, File, include_dir};
use rocket::http::{ContentType, Method, Status};
use rocket::response::Response;
use rocket::route::{Handler, Outcome, Route};
use rocket::{Data, Request};
use sha2::{Digest, Sha256};
use std::io::Cursor;
use std::sync::Arc;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/static");

/// The page that `/` shows.
const INDEX: &str = "index.html";

/// One route per file, and `/` for the index page.
pub(super) fn routes() -> Vec<Route> {
    let mut files = Vec::new();
    collect(&FILES, &mut files);
    files.into_iter().filter_map(route).collect()
}

fn collect(folder: &'static Dir<'static>, files: &mut Vec<&'static File<'static>>) {
    files.extend(folder.files());
    for folder in folder.dirs() {
        collect(folder, files);
    }
}

fn route(file: &'static File<'static>) -> Option<Route> {
    let path = file.path().to_str()?;
    let address = if path == INDEX { "/".to_owned() } else { format!("/{path}") };
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let asset = Asset(Arc::new(Served {
        bytes: file.contents(),
        kind: ContentType::from_extension(extension).unwrap_or(ContentType::Binary),
        tag: format!("\"{}\"", &STANDARD.encode(Sha256::digest(file.contents()))[..22]),
        policy: file.contents_utf8().map(policy),
    }));
    Some(Route::new(Method::Get, &address, asset))
}

struct Served {
    bytes: &'static [u8],
    kind: ContentType,
    tag: String,
    policy: Option<String>,
}

#[derive(Clone)]
struct Asset(Arc<Served>);

#[rocket::async_trait]
impl Handler for Asset {
    async fn handle<'r>(&self, request: &'r Request<'_>, _: Data<'r>) -> Outcome<'r> {
        let served = &self.0;
        let mut response = Response::build();
        response
            .header(served.kind.clone())
            .raw_header("ETag", served.tag.clone())
            .raw_header("Cache-Control", "no-cache")
            .raw_header("Referrer-Policy", "no-referrer");
        if let Some(policy) = &served.policy {
            response.raw_header("Content-Security-Policy", policy.clone());
        }
        match etag::names(request.headers().get("If-None-Match"), &served.tag) {
            true => response.status(Status::NotModified),
            false => response.sized_body(served.bytes.len(), Cursor::new(served.bytes)),
        };
        Outcome::Success(response.finalize())
    }
}

/// Allows a page its own inline script and style, named by their hashes, and nothing else from anywhere.
fn policy(page: &str) -> String {
    let (script, style) = (sources(page, "script"), sources(page, "style"));
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

fn sources(page: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let inline = page.split(&open).skip(1).filter_map(|rest| rest.split_once(&close));
    let hashes: Vec<String> =
        inline.map(|(text, _)| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))).collect();
    if hashes.is_empty() { "'none'".into() } else { hashes.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_inline_script_and_style_by_hash() {
        let policy = policy("<style>a{}</style><p>x</p><script>alert(1)</script>");
        assert!(
            policy.contains("script-src 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=';"),
            "{policy}"
        );
        assert!(policy.contains("style-src 'sha256-"), "{policy}");
        assert!(super::policy("<p>").contains("script-src 'none'; style-src 'none';"));
    }
}
