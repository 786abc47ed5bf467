//! The admin page in a real Chromium against the real program. The stories are in `browser/*.mjs`; here each gets a server
//! of its own and the modules that drive the browser.

use crate::support::program::{Place, Running};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use voice_campaigns::media::wav;

/// One browser at a time: two of them on a small machine measure each other.
static BROWSER: Mutex<()> = Mutex::new(());

/// Where `npm ci` has put what `browser/package.json` asks for; `tests/run` does that.
fn modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/browser")
}

/// Tells one of the stories, on a server with these settings.
fn tell(story: &str, settings: &[(&str, &str)]) {
    let _alone = BROWSER.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(
        modules().join("node_modules").is_dir(),
        "run `npm ci --prefix target/browser` first, as tests/run does"
    );
    let place = Place::new();
    let token = place.token("admin");
    let mut command = place.program(&["--port", "0"]);
    // Half a second of quiet, whatever it is asked to say.
    std::fs::write(place.path("quiet.wav"), wav::write(8_000, &[0; 4_000])).unwrap();
    command.env("VC_VOICE_COMMAND", "cat quiet.wav");
    command.env("VC_SIMULATOR_SPEED", "40").envs(settings.iter().copied());
    let running = Running::start(command);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(story);
    let output = Command::new("node")
        .arg(script)
        .env("BASE", &running.url)
        .env("TOKEN", token)
        .env("MODULES", modules())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{story}:\n{told}\n{complaints}\nthe server said: {}",
        running.complaints()
    );
    println!("{told}");
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn every_place_of_the_page_keeps_its_policy_and_is_accessible_in_both_themes_at_every_width() {
    tell("routes.mjs", &[]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn hostile_names_files_and_answers_stay_text() {
    tell("hostile.mjs", &[("VC_WEBHOOKS_ALLOWED_NETWORKS", "127.0.0.0/8")]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn the_whole_story_by_clicks() {
    tell("story.mjs", &[("VC_WEBHOOKS_ALLOWED_NETWORKS", "127.0.0.0/8")]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn a_campaign_by_the_keyboard_alone() {
    tell("keyboard.mjs", &[]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn a_campaign_on_a_phone_by_touch() {
    tell("phone.mjs", &[]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn the_page_costs_little_also_with_a_hundred_thousand_leads() {
    tell("gates.mjs", &[("VC_SIMULATOR_SPEED", "2000"), ("VC_QUOTA_REQUESTS_PER_HOUR", "1000000")]);
}
