//! The files of `static/`: the admin page. They are part of the program, or are read from a folder while somebody
//! works on them. Browsers keep them and ask each time whether they have changed, so that no page is made of the files
//! of two versions.

use super::etag;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use include_dir::{Dir, File, include_dir};
use rocket::http::{ContentType, Method, Status};
use rocket::response::Response;
use rocket::route::{Handler, Outcome, Route};
use rocket::tokio::fs;
use rocket::{Data, Request};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock};

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/static");

/// What the page does not need, and nothing that it might be made to load gets.
const PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// The page that `/` shows.
const INDEX: &str = "index.html";

/// The files as they are served; made once for the whole process.
static ASSETS: LazyLock<Vec<(String, Arc<Asset>)>> = LazyLock::new(|| {
    let policy = policy(FILES.get_file(INDEX).and_then(File::contents_utf8).unwrap_or_default());
    let mut assets = Vec::new();
    collect(&FILES, &policy, &mut assets);
    assets
});

fn collect(folder: &'static Dir<'static>, policy: &str, assets: &mut Vec<(String, Arc<Asset>)>) {
    for file in folder.files() {
        if let Some(path) = file.path().to_str() {
            let asset = Asset::new(path, Cow::Borrowed(file.contents()), policy.to_owned());
            assets.push((path.to_owned(), Arc::new(asset)));
        }
    }
    for folder in folder.dirs() {
        collect(folder, policy, assets);
    }
}

/// One route per file, and `/` for the index page; or one for all files of a folder.
pub(super) fn routes(folder: Option<&Path>) -> Vec<Route> {
    // After every route with a path of its own, before the one for whatever nobody wants.
    const LATE: isize = 100;
    if let Some(folder) = folder {
        return vec![Route::ranked(LATE, Method::Get, "/<path..>", FromDisk(folder.to_owned()))];
    }
    let route = |(path, asset): &(String, Arc<Asset>)| {
        let address = if path == INDEX { "/".to_owned() } else { format!("/{path}") };
        Route::new(Method::Get, &address, Embedded(asset.clone()))
    };
    ASSETS.iter().map(route).collect()
}

/// A file, ready to be sent.
struct Asset {
    bytes: Cow<'static, [u8]>,
    kind: ContentType,
    policy: String,
    /// Made when it is first asked for, so that no start reads all files.
    tag: OnceLock<String>,
    /// Made when it is first asked for; none where it would not be smaller.
    compressed: OnceLock<Option<Vec<u8>>>,
}

impl Asset {
    fn new(path: &str, bytes: Cow<'static, [u8]>, policy: String) -> Asset {
        let kind = match Path::new(path).extension().and_then(OsStr::to_str) {
            Some(extension) => ContentType::from_extension(extension).unwrap_or(ContentType::Binary),
            None => ContentType::Plain,
        };
        Asset { bytes, kind, policy, tag: OnceLock::new(), compressed: OnceLock::new() }
    }

    fn tag(&self) -> &str {
        self.tag.get_or_init(|| STANDARD.encode(Sha256::digest(&self.bytes))[..22].to_owned())
    }

    fn compressed(&self) -> Option<&[u8]> {
        let compress = || {
            // What is text; pictures and fonts are compressed as they are.
            std::str::from_utf8(&self.bytes).ok()?;
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&self.bytes).ok()?;
            encoder.finish().ok().filter(|compressed| compressed.len() < self.bytes.len())
        };
        self.compressed.get_or_init(compress).as_deref()
    }

    fn respond<'r>(self: &Arc<Asset>, request: &'r Request<'_>) -> Response<'r> {
        let is_compressed = accepts_gzip(request) && self.compressed().is_some();
        // The two forms of a file are different bytes, so they have different tags.
        let tag = format!("\"{}{}\"", self.tag(), if is_compressed { "-gzip" } else { "" });
        let mut response = Response::build();
        response
            .header(self.kind.clone())
            .raw_header("ETag", tag.clone())
            .raw_header("Cache-Control", "no-cache")
            .raw_header("Vary", "Accept-Encoding")
            .raw_header("Content-Security-Policy", self.policy.clone())
            .raw_header("Permissions-Policy", PERMISSIONS)
            .raw_header("Referrer-Policy", "no-referrer")
            .raw_header("Cross-Origin-Opener-Policy", "same-origin")
            .raw_header("Cross-Origin-Resource-Policy", "same-origin")
            .raw_header("X-Frame-Options", "DENY");
        if etag::names(request.headers().get("If-None-Match"), &tag) {
            return response.status(Status::NotModified).finalize();
        }
        if is_compressed {
            response.raw_header("Content-Encoding", "gzip");
        }
        let body = Body { asset: self.clone(), is_compressed };
        response.sized_body(body.as_ref().len(), Cursor::new(body)).finalize()
    }
}

/// The bytes to send, where they lie.
struct Body {
    asset: Arc<Asset>,
    is_compressed: bool,
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.asset.compressed().filter(|_| self.is_compressed).unwrap_or(&self.asset.bytes)
    }
}

/// Whether the client says that it reads gzip.
fn accepts_gzip(request: &Request<'_>) -> bool {
    let accepts = |item: &str| {
        let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.trim().parse().ok());
        coding.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight: f32| weight > 0.0)
    };
    request.headers().get("Accept-Encoding").any(|line| line.split(',').any(accepts))
}

#[derive(Clone)]
struct Embedded(Arc<Asset>);

#[rocket::async_trait]
impl Handler for Embedded {
    async fn handle<'r>(&self, request: &'r Request<'_>, _: Data<'r>) -> Outcome<'r> {
        Outcome::Success(self.0.respond(request))
    }
}

/// Reads each file anew, so that a change shows when the page is loaded again.
#[derive(Clone)]
struct FromDisk(PathBuf);

impl FromDisk {
    async fn asset(&self, request: &Request<'_>) -> Option<Asset> {
        // Refuses whatever leads out of the folder, and hidden files.
        let path = request.uri().path().segments().to_path_buf(false).ok()?;
        let path = if path.as_os_str().is_empty() { PathBuf::from(INDEX) } else { path };
        let bytes = fs::read(self.0.join(&path)).await.ok()?;
        let index = fs::read_to_string(self.0.join(INDEX)).await.ok()?;
        Some(Asset::new(path.to_str()?, Cow::Owned(bytes), policy(&index)))
    }
}

#[rocket::async_trait]
impl Handler for FromDisk {
    async fn handle<'r>(&self, request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r> {
        match self.asset(request).await {
            Some(asset) => Outcome::Success(Arc::new(asset).respond(request)),
            None => Outcome::Forward((data, Status::NotFound)),
        }
    }
}

/// Allows a page the server's own files and its own inline script and style, named by their hashes, and nothing else
/// from anywhere; and no text ever becomes markup or code.
fn policy(page: &str) -> String {
    let (script, style) = (hashes(page, "script"), hashes(page, "style"));
    format!(
        "default-src 'none'; script-src 'self'{script}; style-src 'self'{style}; img-src 'self'; font-src 'self'; \
         connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

/// The hashes of the inline elements of one name, each after a space.
fn hashes(page: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}"), format!("</{element}>"));
    let inline = page.split(&open).skip(1).filter_map(|rest| {
        let (attributes, rest) = rest.split_once('>')?;
        let (text, _) = rest.split_once(&close)?;
        (!attributes.contains("src=")).then_some(text)
    });
    inline.map(|text| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(text)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_inline_scripts_and_styles_by_hash_and_no_others() {
        let page =
            "<style>a{}</style><script src=\"a.js\"></script><script type=\"importmap\">alert(1)</script>";
        let policy = policy(page);
        assert!(
            policy.contains("script-src 'self' 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=';"),
            "{policy}"
        );
        assert!(policy.contains("style-src 'self' 'sha256-"), "{policy}");
        assert!(super::policy("<p>").contains("script-src 'self'; style-src 'self';"));
    }

    #[test]
    fn what_is_small_or_no_text_is_not_compressed() {
        let asset = |bytes: Vec<u8>| Asset::new("a.js", Cow::Owned(bytes), String::new());
        assert!(asset(b"a".to_vec()).compressed().is_none());
        assert!(asset(vec![0xFF; 1_000]).compressed().is_none());
        assert!(asset(b"text ".repeat(100)).compressed().is_some_and(|bytes| bytes.len() < 100));
    }
}
