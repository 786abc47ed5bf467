//! Tells the tests which peer programs this machine has, as `has_curl` and so on: a test without its peer counts
//! as ignored, except under `CI=true`, where it runs and fails. And has the program built again when a file comes into
//! `static`, which Cargo would not notice.

use std::path::{Path, PathBuf};

/// Programs that tests compare with or drive.
const PEERS: [&str; 8] = ["baresip", "bash", "curl", "faketime", "flite", "kamailio", "script", "sipp"];

/// What the tests of the page need, with the modules that `tests/run` installs.
const BROWSER: [&str; 2] = ["node", "chromium"];
const MODULES: &str = "target/browser/node_modules";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=static");
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-env-changed=CI");
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    for peer in PEERS {
        println!("cargo::rustc-check-cfg=cfg(has_{peer})");
        match find(peer) {
            Some(found) => println!("cargo::rerun-if-changed={}", found.display()),
            // Where a package manager would put it.
            None => println!("cargo::rerun-if-changed=/usr/bin"),
        }
        if is_ci || find(peer).is_some() {
            println!("cargo::rustc-cfg=has_{peer}");
        }
    }
    println!("cargo::rustc-check-cfg=cfg(has_browser)");
    println!("cargo::rerun-if-changed={MODULES}");
    let is_there = |peer| find(peer).is_some();
    if is_ci || (BROWSER.into_iter().all(is_there) && Path::new(MODULES).is_dir()) {
        println!("cargo::rustc-cfg=has_browser");
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| Path::is_file(file))
}
