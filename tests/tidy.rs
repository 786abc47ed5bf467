//! Rules about the code itself: which layer may know which, what every file begins with, and that the README
//! tells of what there is.

use crate::support::reference::DOCUMENT;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use voice_campaigns::config::Config;

/// Which module may use which others of ours. A module that is missing here fails the test.
const MAY_USE: [(&str, &[&str]); 24] = [
    ("agent", &["domain", "media", "speech", "clock"]),
    ("domain", &[]),
    ("media", &[]),
    ("speech", &["domain", "media", "clock"]),
    ("clock", &["domain"]),
    ("token", &[]),
    ("log", &["domain"]),
    ("meter", &[]),
    ("store", &["domain", "clock", "meter", "media"]),
    ("carrier", &["agent", "domain", "clock", "media", "speech"]),
    // The settings of drivers are part of the settings.
    ("config", &["agent", "domain", "carrier", "speech"]),
    ("lives", &["store", "domain", "clock"]),
    ("dialer", &["store", "carrier", "lives", "domain", "clock"]),
    ("rehearsal", &["dialer", "store", "carrier", "lives", "domain", "clock"]),
    ("webhooks", &["store", "lives", "domain", "clock"]),
    ("http", &["store", "lives", "domain", "clock", "token", "meter", "media"]),
    ("listener", &[]),
    ("line", &["agent", "carrier", "clock", "domain", "http", "lives", "speech", "store"]),
    ("tries", &["agent", "clock", "domain", "http", "store"]),
    ("housekeeping", &["store", "lives", "domain", "clock"]),
    (
        "server",
        &[
            "agent",
            "http",
            "line",
            "listener",
            "dialer",
            "webhooks",
            "housekeeping",
            "rehearsal",
            "lives",
            "store",
            "carrier",
            "speech",
            "media",
            "config",
            "domain",
            "clock",
            "token",
            "tries",
        ],
    ),
    ("demo", &["server", "config", "store", "carrier", "domain", "clock", "token"]),
    (
        "cli",
        &["agent", "demo", "server", "config", "line", "speech", "store", "domain", "clock", "log", "token"],
    ),
    ("main", &["cli"]),
];

/// Crates that only some modules may name.
const ONLY_IN: [(&str, &[&str]); 16] = [
    ("tokio_tungstenite", &["agent/socket.rs"]),
    ("earshot", &["agent/ears.rs"]),
    ("nanomp3", &["media/mp3.rs"]),
    ("rsipstack", &["carrier/sip/stack.rs", "carrier/sip/stack/"]),
    ("prometheus_client", &["http/metrics.rs"]),
    ("rusqlite", &["store/"]),
    ("r2d2_sqlite", &["store/"]),
    ("rocket", &["http/", "server.rs", "store/pool.rs"]),
    ("hyper", &["http/body.rs", "http/server.rs"]),
    ("hyper_util", &["http/server.rs"]),
    ("http_body_util", &["http/body.rs", "http/server.rs"]),
    ("reqwest", &["webhooks/client.rs", "speech/http.rs", "agent/wire.rs"]),
    (
        "rustls",
        &[
            "webhooks/client.rs",
            "speech/http.rs",
            "agent/wire.rs",
            "server.rs",
            "listener/",
            "carrier/sip/stack/",
        ],
    ),
    ("tokio_rustls", &["listener/"]),
    ("anyhow", &["cli.rs", "demo.rs", "server.rs"]),
    ("clap", &["cli.rs"]),
];

/// A source file: its place below `src`, and its text.
struct Source {
    name: String,
    text: String,
}

impl Source {
    /// The top-level module it belongs to.
    fn module(&self) -> &str {
        self.name.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Its lines without comments, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        lines.filter(|(_, line)| !line.starts_with("//"))
    }

    /// The modules of ours that it uses: what follows `crate::`, or the names in braces after it. Where a module
    /// says `super` it stays in its own layer.
    fn uses(&self) -> BTreeSet<String> {
        let code: String = self.code().map(|(_, line)| format!("{line}\n")).collect();
        let mut used = BTreeSet::new();
        for rest in ["crate::", "voice_campaigns::"].into_iter().flat_map(|root| code.split(root).skip(1)) {
            let names = match rest.strip_prefix('{') {
                Some(group) => top_level_names(group),
                None => vec![name(rest)],
            };
            used.extend(names.into_iter().filter(|name| MAY_USE.iter().any(|(module, _)| module == name)));
        }
        used.remove(self.module());
        used
    }
}

fn name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// `a` and `d` of `a::{b, c}, d::e};…`.
fn top_level_names(group: &str) -> Vec<String> {
    let (mut depth, mut at_start, mut names) = (0, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            c if at_start && c.is_alphanumeric() => {
                names.push(name(&group[at..]));
                at_start = false;
            }
            _ => {}
        }
    }
    names
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let read = |path: PathBuf| Source {
        name: path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned(),
        text: fs::read_to_string(path).unwrap(),
    };
    files_below(&src).into_iter().filter(is_rust).map(read).collect()
}

fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn arrows_between_the_layers_point_one_way() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| source.name != "lib.rs") {
        let Some((_, allowed)) = MAY_USE.iter().find(|(module, _)| *module == source.module()) else {
            problems.push(format!("src/{} belongs to no layer of this table", source.name));
            continue;
        };
        let forbidden = source.uses().into_iter().filter(|used| !allowed.contains(&used.as_str()));
        problems.extend(forbidden.map(|used| format!("src/{} must not use `{used}`", source.name)));
    }
    none(problems);
}

#[test]
fn a_crate_with_a_job_is_named_only_where_that_job_is_done() {
    let mut problems = Vec::new();
    for source in sources() {
        for (library, places) in ONLY_IN {
            let names = |line: &str| {
                line.contains(&format!("{library}::")) || line.contains(&format!("use {library};"))
            };
            let is_allowed = places.iter().any(|place| source.name.starts_with(place));
            let found = source.code().find(|(_, line)| names(line)).filter(|_| !is_allowed);
            problems.extend(
                found.map(|(line, _)| format!("src/{}:{line} must not use `{library}`", source.name)),
            );
        }
    }
    none(problems);
}

#[test]
fn the_systems_clock_is_read_in_one_place() {
    let readers = ["Utc::now(", "Local::now(", "SystemTime::now(", "std::time::Instant::now("];
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| source.name != "clock.rs") {
        let found = source.code().find(|(_, line)| readers.iter().any(|reader| line.contains(reader)));
        problems.extend(found.map(|(line, _)| format!("src/{}:{line} reads the clock", source.name)));
    }
    none(problems);
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    let mut problems = Vec::new();
    for folder in
        ["src", "tests", "benches"].map(|folder| root().join(folder)).iter().filter(|folder| folder.exists())
    {
        for path in files_below(folder) {
            let opening = match path.extension().and_then(|extension| extension.to_str()) {
                Some("rs") => "//! ",
                Some("sql") => "-- ",
                None => "#!",
                _ => continue,
            };
            if !fs::read_to_string(&path).is_ok_and(|text| text.starts_with(opening)) {
                problems.push(format!("{} does not begin with `{opening}`", path.display()));
            }
        }
    }
    none(problems);
}

/// The cells of the README's table rows, without the backticks around them.
fn readme_rows() -> Vec<Vec<String>> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    readme.lines().filter(|line| line.starts_with("| ")).map(cells).collect()
}

#[test]
fn the_readme_lists_every_setting_as_it_is() {
    let rows = readme_rows();
    let mut problems = Vec::new();
    for key in Config::keys() {
        let default = if key.default.is_null() { "none".into() } else { format!("`{}`", key.default) };
        let expected = [format!("`{}`", key.name), format!("`{}`", key.variable), default];
        if !rows.iter().any(|row| row.len() == 4 && row[..3] == expected) {
            problems.push(format!("README.md lacks | {} | … |", expected.join(" | ")));
        }
    }
    let listed = rows.iter().filter(|row| row.get(1).is_some_and(|cell| cell.starts_with("`VC_"))).count();
    assert_eq!(listed, Config::keys().len() - problems.len(), "README.md lists a setting that there is none");
    none(problems);
}

#[test]
fn the_readme_and_the_reference_list_every_route_there_is() {
    let mut mounted = BTreeSet::new();
    for source in sources().iter().filter(|source| source.module() == "http") {
        for method in ["get", "post", "put", "patch", "delete"] {
            let attribute = format!("#[{method}(\"");
            let paths =
                source.text.split(&attribute).skip(1).filter_map(|rest| rest.split(['"', '?']).next());
            let is_outside =
                ["http/mod.rs", "http/metrics.rs", "http/ready.rs"].contains(&source.name.as_str());
            let prefix = if is_outside { "" } else { "/api" };
            mounted.extend(paths.map(|path| format!("`{} {prefix}{path}`", method.to_uppercase())));
        }
    }
    let is_route = |cell: &String| {
        ["GET", "POST", "PUT", "PATCH", "DELETE"].iter().any(|m| cell.starts_with(&format!("`{m} /")))
    };
    let listed: BTreeSet<String> =
        readme_rows().into_iter().filter_map(|row| row.into_iter().next()).filter(is_route).collect();
    assert_eq!(listed, mounted);
    let mut described = BTreeSet::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        let path = path.replace('{', "<").replace('}', ">");
        described.extend(item.as_object().unwrap().keys().map(|m| format!("`{} {path}`", m.to_uppercase())));
    }
    assert_eq!(described, mounted);
}

/// The lines of one part of the licences, up to their first ` | `: names with versions.
fn named_in_licences(heading: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("static/licences.txt")).unwrap();
    let (_, part) = text.split_once(&format!("\n{heading}\n\n")).unwrap();
    let (part, _) = part.split_once("\n\n").unwrap();
    part.lines().map(|line| line.split(" | ").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_licences_are_those_of_what_is_in_the_program() {
    // As `.packaging/sbom` asks: macros run while it is built and leave nothing of their own behind.
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal,no-proc-macro", "--target", "x86_64-unknown-linux-gnu"])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: BTreeSet<String> = tree
        .lines()
        .skip(1)
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ").replacen(" v", " ", 1))
        .collect();
    let manifest = fs::read_to_string(root().join("static/vendor/MANIFEST")).unwrap();
    let mut page: BTreeSet<String> = manifest
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    page.insert("lucide icons".to_owned());
    let hint = "run .packaging/sbom";
    assert_eq!(named_in_licences("Crates in the program"), crates, "{hint}");
    assert_eq!(named_in_licences("Of the page"), page, "{hint}");
}
