//! The files of the admin page: whole, of this server alone, and served so that a browser keeps no stale one.

use crate::support::{Options, TestServer};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/static"))
}

/// Every file below `folder`, by its path there.
fn files_below(folder: &Path) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => _ = files.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    files
}

fn files() -> BTreeSet<String> {
    files_below(folder())
}

fn text(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap()
}

fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// What stands in quotes after each occurrence of `before`.
fn quoted_after<'t>(text: &'t str, before: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(before).skip(1).filter_map(|rest| {
        let quote = rest.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
        rest[1..].split_once(quote).map(|(quoted, _)| quoted)
    })
}

/// The file that an address leads to from another file; the addresses of parts, of data and of the API lead to none.
fn target(from: &str, address: &str) -> Option<String> {
    let address = address.split(['#', '?']).next().unwrap_or_default();
    if address.is_empty() || address.starts_with("data:") {
        return None;
    }
    let mut path = PathBuf::from(from).parent().unwrap().to_owned();
    for component in Path::new(address).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => assert!(path.pop(), "{from}: {address} leads out of the folder"),
            Component::RootDir | Component::Prefix(_) => panic!("{from}: {address} is not relative"),
        }
    }
    Some(path.to_str().unwrap().to_owned())
}

/// What the page calls its modules, and the files they are.
fn import_map() -> BTreeMap<String, String> {
    let page = text("index.html");
    let Some((_, rest)) = page.split_once("<script type=\"importmap\">") else { return BTreeMap::new() };
    let map: serde_json::Value = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    let imports = map["imports"].as_object().unwrap().iter();
    imports.map(|(name, address)| (name.clone(), address.as_str().unwrap().to_owned())).collect()
}

/// The modules that a module imports: in statements, which begin a line or are without spaces, and in calls.
fn imported(text: &str) -> impl Iterator<Item = &str> {
    let is_statement =
        |line: &&str| ["import ", "export ", "} from "].iter().any(|start| line.starts_with(start));
    let statements = text.lines().filter(is_statement);
    let in_statements =
        statements.flat_map(|line| ["import ", " from "].map(|word| quoted_after(line, word)));
    let elsewhere = ["import(", ";import", "}from", "*from"].map(|word| quoted_after(text, word));
    in_statements.flatten().chain(elsewhere.into_iter().flatten())
}

#[test]
fn every_address_in_the_page_its_styles_and_its_modules_leads_to_a_file() {
    let (files, imports) = (files(), import_map());
    let mut addresses: Vec<(String, String)> = Vec::new();
    let mut add = |from: &str, address: &str| addresses.push((from.to_owned(), address.to_owned()));
    imports.values().for_each(|address| add("index.html", address));
    let mut problems = Vec::new();
    for file in &files {
        let is = |extension: &str| file.ends_with(extension);
        if is(".html") {
            let text = text(file);
            ["src=", "href="].iter().for_each(|name| quoted_after(&text, name).for_each(|a| add(file, a)));
        } else if is(".css") {
            let text = text(file);
            for name in ["url(", "@import "] {
                quoted_after(&text, name).for_each(|address| add(file, address));
            }
            if text.replace("url('", "").replace("url(\"", "").contains("url(") {
                problems.push(format!("{file} has an address without quotes"));
            }
        } else if is(".js") || is(".mjs") {
            let text = text(file);
            for address in imported(&text) {
                match imports.get(address) {
                    Some(known) => add("index.html", known),
                    None if address.starts_with('.') => add(file, address),
                    None => problems.push(format!("{file} imports `{address}`, which the page does not map")),
                }
            }
        }
    }
    // What follows the mark of a merge that was not finished, a browser leaves out without a word.
    for file in files.iter().filter(|file| [".html", ".css", ".js"].iter().any(|end| file.ends_with(end))) {
        if text(file)
            .lines()
            .any(|line| ["<<<<<<<", "=======", ">>>>>>>"].iter().any(|mark| line.starts_with(mark)))
        {
            problems.push(format!("{file} has the marks of a merge"));
        }
    }
    let missing = addresses.into_iter().filter_map(|(from, address)| {
        let target = target(&from, &address)?;
        (!files.contains(&target)).then(|| format!("{from} leads to {address}, and there is no {target}"))
    });
    problems.extend(missing);
    none(problems);
}

#[test]
fn the_page_is_of_this_server_alone_and_makes_no_text_to_markup_or_code() {
    let forbidden = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "dangerouslySetInnerHTML",
        "document.write",
        "eval(",
        "new Function",
        "http://",
        "https://",
    ];
    let mut problems = Vec::new();
    for file in files().iter().filter(|file| !file.starts_with("vendor/")) {
        let is_read = [".js", ".css", ".html"].iter().any(|extension| file.ends_with(extension));
        let Ok(text) = fs::read_to_string(folder().join(file)) else { continue };
        let found = forbidden.iter().filter(|way| is_read && text.contains(**way));
        problems.extend(found.map(|way| format!("{file} has `{way}`")));
        if file.ends_with(".html") {
            let handlers = [" onclick=", " onload=", " onsubmit=", " onerror=", " style="];
            let found = handlers.iter().filter(|way| text.contains(**way));
            problems.extend(found.map(|way| format!("{file} has `{way}`, which its policy forbids")));
        }
    }
    none(problems);
}

#[test]
fn what_others_have_made_is_as_they_have_published_it_and_their_licences_are_there() {
    let files = files();
    let Ok(manifest) = fs::read_to_string(folder().join("vendor/MANIFEST")) else {
        assert!(!files.iter().any(|file| file.starts_with("vendor/")), "vendor/ lacks its MANIFEST");
        return;
    };
    let (mut listed, mut problems) = (BTreeSet::new(), Vec::new());
    for line in manifest.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [package, version, _, file, hash] = fields[..] else { panic!("{line}") };
        assert!(version.split('.').count() == 3, "{package} has no exact version: {version}");
        let bytes = fs::read(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if found != hash {
            problems.push(format!("{file} is not the one of {package} {version}: its SHA-256 is {found}"));
        }
        listed.insert(file.to_owned());
    }
    let is_code = |file: &&String| file.starts_with("vendor/") && file.ends_with("js");
    let foreign = files.iter().filter(is_code).filter(|file| !listed.contains(*file));
    problems.extend(foreign.map(|file| format!("{file} is not in vendor/MANIFEST")));
    let licences: Vec<String> = files
        .iter()
        .filter(|file| file.starts_with("vendor/") && !listed.contains(*file) && !file.ends_with("MANIFEST"))
        .map(|file| text(file))
        .collect();
    for licence in ["MIT License", "Apache License", "SIL OPEN FONT LICENSE"] {
        if !licences.iter().any(|text| text.to_lowercase().contains(&licence.to_lowercase())) {
            problems.push(format!("the text of the {licence} is nowhere in vendor/"));
        }
    }
    none(problems);
}

#[test]
fn every_file_is_served_as_it_is_with_its_kind_and_a_policy_that_lets_nothing_foreign_in() {
    let server = TestServer::start();
    let page = server.request("GET", "/").send();
    let policy = page.header("Content-Security-Policy").unwrap().to_owned();
    for file in files() {
        let path = if file == "index.html" { "/".to_owned() } else { format!("/{file}") };
        let request = server.request("GET", &path).header("Accept-Encoding", "identity");
        let (headers, bytes) = request.send_for_bytes();
        assert!(bytes == fs::read(folder().join(&file)).unwrap(), "{file}");
        let header = |name: &str| {
            headers
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
        };
        let kind = match file.rsplit_once('.').map(|(_, extension)| extension) {
            Some("html") => "text/html; charset=utf-8",
            Some("js" | "mjs") => "text/javascript",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("woff2") => "font/woff2",
            Some("json") => "application/json",
            Some("txt") | None => "text/plain; charset=utf-8",
            Some(other) => panic!("{file}: what is a {other}?"),
        };
        assert_eq!(header("Content-Type"), Some(kind), "{file}");
        for (name, value) in [
            ("Content-Security-Policy", policy.as_str()),
            ("Cache-Control", "no-cache"),
            ("Vary", "Accept-Encoding"),
            ("X-Content-Type-Options", "nosniff"),
            (
                "Permissions-Policy",
                "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
            ),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("X-Frame-Options", "DENY"),
        ] {
            assert_eq!(header(name), Some(value), "{file}");
        }
        assert!(header("ETag").is_some() && header("X-RateLimit-Limit").is_none(), "{file}");
    }
}

#[test]
fn the_policy_allows_the_inline_parts_of_the_page_by_hash_and_else_only_the_servers_own_files() {
    let server = TestServer::start();
    let page = server.request("GET", "/").send();
    let policy = page.header("Content-Security-Policy").unwrap();
    let hashes_of = |directive: &str| {
        let directive = policy.split("; ").find_map(|part| part.strip_prefix(directive)).unwrap();
        directive.split(' ').filter(|source| source.starts_with("'sha256-")).count()
    };
    let is_inline = |element: &&str| !element.split('>').next().unwrap().contains(" src=");
    let scripts = page.body.split("<script").skip(1).filter(is_inline).count();
    assert_eq!(hashes_of("script-src 'self'"), scripts);
    assert_eq!(hashes_of("style-src 'self'"), page.body.matches("<style").count());
    let others: Vec<&str> = policy
        .split("; ")
        .filter(|part| !part.starts_with("script-src 'self'") && !part.starts_with("style-src 'self'"))
        .collect();
    assert_eq!(
        others,
        [
            "default-src 'none'",
            "img-src 'self'",
            "font-src 'self'",
            "connect-src 'self'",
            "media-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    );
    assert!(!policy.contains("unsafe"));
}

#[test]
fn a_file_that_has_not_changed_is_not_sent_again() {
    let server = TestServer::start();
    let ask = |encoding: &str, tag: &str| {
        let request = server.request("HEAD", "/").header("Accept-Encoding", encoding);
        request.header("If-None-Match", tag).send()
    };
    for encoding in ["identity", "gzip"] {
        let page = server.request("HEAD", "/").header("Accept-Encoding", encoding).send();
        let tag = page.header("ETag").unwrap();
        let unchanged = server.request("GET", "/").header("Accept-Encoding", encoding);
        let unchanged = unchanged.header("If-None-Match", tag).send();
        assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
        assert_eq!(unchanged.header("ETag"), Some(tag));
        assert_eq!(ask(encoding, &format!("\"other\", W/{tag}")).status, 304);
        assert_eq!(ask(encoding, "\"other\"").status, 200);
    }
    let tag = |encoding| {
        let answer = server.request("HEAD", "/").header("Accept-Encoding", encoding).send();
        answer.header("ETag").unwrap().to_owned()
    };
    assert_ne!(tag("gzip"), tag("identity"), "different bytes have different tags");
}

#[test]
fn text_is_compressed_for_those_who_read_that() {
    let server = TestServer::start();
    let ask = |path: &str, encoding: &str| {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {encoding}\r\nConnection: close\r\n\r\n"
        );
        let answer = server.raw_bytes(head.as_bytes());
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase(), answer[end + 4..].to_vec())
    };
    for encoding in ["gzip", "br, GZIP;q=0.5", "deflate,gzip ; q=1.0"] {
        let (head, body) = ask("/", encoding);
        assert!(head.contains("content-encoding: gzip"), "{encoding}: {head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        let mut page = String::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut page).unwrap();
        assert_eq!(page, text("index.html"));
    }
    for encoding in ["identity", "gzip;q=0", "gzip;q=nonsense", "br", ""] {
        let (head, body) = ask("/", encoding);
        assert!(!head.contains("content-encoding"), "{encoding}: {head}");
        assert_eq!(body, text("index.html").as_bytes());
    }
    for font in files().iter().filter(|file| file.ends_with(".woff2")) {
        assert!(!ask(&format!("/{font}"), "gzip").0.contains("content-encoding"), "{font}");
    }
}

#[test]
fn nothing_outside_the_folder_is_served_from_the_program_or_from_a_disk() {
    let mut options = Options::default();
    options.settings.static_dir = Some(folder().to_owned());
    for server in [TestServer::start(), TestServer::start_with(options)] {
        for path in [
            "/nothing",
            "/index.html/x",
            "/../Cargo.toml",
            "/%2e%2e/Cargo.toml",
            "/..%2fCargo.toml",
            "/css/%2e%2e/%2e%2e/Cargo.toml",
            "//etc/passwd",
            "/.git/config",
            "/%00",
        ] {
            let status = server.request("GET", path).send().status;
            assert!([400, 404].contains(&status), "{path}: {status}");
        }
        assert_eq!(server.request("GET", "/api/nothing").send().status, 401);
        assert_eq!(server.request("GET", "/health").send().status, 200);
    }
}

#[test]
fn a_page_that_is_worked_on_is_read_from_its_folder_anew_each_time() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("js")).unwrap();
    fs::write(place.path().join("index.html"), "<script>one()</script>").unwrap();
    let mut options = Options::default();
    options.settings.static_dir = Some(place.path().to_owned());
    let server = TestServer::start_with(options);
    let first = server.request("GET", "/").send();
    assert_eq!((first.status, first.body.as_str()), (200, "<script>one()</script>"));
    assert_eq!(server.request("GET", "/js/new.mjs").send().status, 404);

    fs::write(place.path().join("index.html"), "<script>two()</script>").unwrap();
    fs::write(place.path().join("js/new.mjs"), "export {};").unwrap();
    let second = server.request("GET", "/").send();
    assert_eq!(second.body, "<script>two()</script>");
    for header in ["ETag", "Content-Security-Policy"] {
        assert_ne!(second.header(header), first.header(header), "{header}");
    }
    let module = server.request("GET", "/js/new.mjs").send();
    assert_eq!(
        (module.body.as_str(), module.header("Content-Type")),
        ("export {};", Some("text/javascript"))
    );
    assert_eq!(module.header("Content-Security-Policy"), second.header("Content-Security-Policy"));
}

#[test]
fn the_reference_is_a_part_of_the_page_wherever_a_proxy_puts_it() {
    let server = TestServer::start();
    let answer = server.request("GET", "/docs").send();
    assert_eq!((answer.status, answer.header("Location")), (303, Some("./#/reference")));
}
