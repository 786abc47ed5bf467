//! Tells the tests which peer programs this machine has, as `has_curl` and so on: a test without its peer counts
//! as ignored, except under `CI=true`, where it runs and fails. And has the program built again when a file comes into
//! `static`, which Cargo would not notice.

use std::path::{Path, PathBuf};

/// Programs that tests compare with or drive.
const PEERS: [&str; 8] = ["baresip", "bash", "curl", "faketime", "flite", "kamailio", "script", "sipp"];

/// Peers that `tests/run` installs for a program: with what is there when they are. It touches this file when they come.
const INSTALLED: [(&str, &[&str], &str); 2] = [
    ("browser", &["node", "chromium"], "target/browser/package-lock.json"),
    ("python", &["python3"], "target/openapi/requirements.txt"),
];

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
    for (name, programs, list) in INSTALLED {
        println!("cargo::rustc-check-cfg=cfg(has_{name})");
        if is_ci || (programs.iter().all(|program| find(program).is_some()) && Path::new(list).is_file()) {
            println!("cargo::rustc-cfg=has_{name}");
        }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| Path::is_file(file))
}
