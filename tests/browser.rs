//! The admin page in a real Chromium against the real program. The stories are in `browser/*.mjs`; here each gets a server
//! of its own and the modules that drive the browser.

use crate::support::models::{Answer, Models, words};
use crate::support::program::{Place, Running};
use serde_json::json;
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
    // What a story needs to end the server and start it again.
    let again =
        [("SERVER", running.id().to_string()), ("PROGRAM", env!("CARGO_BIN_EXE_voice-campaigns").to_owned())];
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(story);
    let output = Command::new("node")
        .arg(script)
        .current_dir(place.path(""))
        // What the script and its browser leave behind goes with the server's folder, also when they fail.
        .env("TMPDIR", place.path(""))
        .envs(again)
        .env("BASE", &running.url)
        .env("TOKEN", token)
        .env("MODULES", modules())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{story}, {}:\n{told}\n{complaints}\nthe server said: {}",
        output.status,
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

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn the_page_costs_little_while_a_calm_campaign_goes_on() {
    tell("calm.mjs", &[("VC_SIMULATOR_SPEED", "5")]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn a_page_whose_server_goes_says_so_and_shows_what_happened_meanwhile_when_it_is_back() {
    tell("link.mjs", &[]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn who_edits_what_somebody_else_has_changed_is_told_and_loses_nothing() {
    tell("stale.mjs", &[]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn all_calling_is_stopped_with_the_calls_in_progress_and_whoever_is_signed_out_is_told_why() {
    tell("stop.mjs", &[("VC_SIMULATOR_SPEED", "1")]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn who_may_only_read_sees_every_place_and_no_button_that_changes_anything() {
    tell("reader.mjs", &[]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn below_a_path_of_a_proxy_the_page_works_as_it_does_at_the_root() {
    tell("proxy.mjs", &[]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn an_edit_of_the_page_is_seen_by_a_reload() {
    tell("edits.mjs", &[]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn a_carrier_is_added_tried_out_and_removed_and_nobody_is_called() {
    tell("trunks.mjs", &[("VC_DEFAULT_COUNTRY", "US"), ("VC_SIP_LISTEN", "127.0.0.1:0")]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn what_was_recorded_is_listened_to_and_calls_that_count_in_no_sum_are_found() {
    tell("recordings.mjs", &[]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn a_copy_calls_nobody_before_somebody_has_looked_on_the_page() {
    tell("wake_up.mjs", &[]);
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn a_campaign_is_rehearsed_with_other_settings_compared_and_changed_on_the_page() {
    tell("rehearsal.mjs", &[]);
}

/// What the model says as the agent of a clinic, as the people it plays, and as whoever judges a conversation.
fn clinic(told: &str) -> Answer {
    let uses = |name, arguments: serde_json::Value| Answer {
        text: String::new(),
        tools: vec![(name, arguments.to_string())],
    };
    match told {
        _ if told.starts_with("[{") => {
            words(&json!({"outcome": "declined", "reason": "They want no calls.", "answers": []}).to_string())
        }
        _ if told.contains("Who is this?") => words("The automated assistant of Lakeside Clinic."),
        _ if told.contains("Yes, please.") => {
            let answers = json!({"preferred_day": "<img src=x onerror=alert(1)>"});
            let mut both = uses(
                "report_outcome",
                json!({"outcome": "success", "reason": "They confirmed", "answers": answers}),
            );
            both.tools.push(("end_call", "{}".into()));
            both
        }
        _ if told.contains("No more calls.") => uses("opt_out", json!({})),
        // Those whom it plays have heard the opening.
        _ => words("No more calls."),
    }
}

#[test]
#[cfg_attr(not(has_browser), ignore = "needs node and chromium")]
fn an_agent_is_chosen_tried_and_looked_at_when_it_has_talked() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let models = runtime.block_on(Models::start(clinic));
    tell("agent.mjs", &[("VC_AGENT_URL", &models.url()), ("VC_AGENT_API_KEY", "sk-test")]);
}
