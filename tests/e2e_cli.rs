//! The command line and the process: what scripts and service managers rely on, tried on the real program.

use crate::support::models::{Manner, Models, Stage, words};
use crate::support::peers::peer;
use crate::support::program::{PATIENCE, Place, Running, mode};
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

const CAMPAIGNS: &str = "/api/voice-campaigns";
/// `EX_CONFIG`: starting again will not help.
const CANNOT_BE_USED: Option<i32> = Some(78);

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every file of a folder with its content, hashed; the lock says nothing about the data.
fn contents(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
    files
        .filter(|(name, _)| name != "lock")
        .map(|(name, path)| (name, format!("{:x?}", Sha256::digest(fs::read(path).unwrap()))))
        .collect()
}

#[test]
fn a_server_says_where_it_listens_and_answers_there() {
    let place = Place::new();
    let server = place.serve();
    assert!(server.url.starts_with("http://127.0.0.1:"), "{}", server.url);
    assert_eq!(server.get("/health", ""), 200);
    assert_eq!(server.get(CAMPAIGNS, "vc_nobody"), 401);
}

#[test]
fn the_data_are_for_nobody_else_to_read() {
    let place = Place::new();
    let _server = place.serve();
    assert_eq!(mode(&place.path("data")), 0o700);
    for entry in fs::read_dir(place.path("data")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_second_server_on_the_same_folder_refuses_to_start_and_the_first_goes_on() {
    let place = Place::new();
    let server = place.serve();
    let second = place.run(&["serve", "--port", "0"]);
    assert_eq!(second.status.code(), CANNOT_BE_USED);
    assert!(second.stdout.is_empty());
    let complaint = complaint(&second);
    assert!(complaint.lines().count() == 1 && complaint.contains("data"), "{complaint}");
    assert_eq!(server.get("/health", ""), 200);
}

#[test]
fn a_server_waits_for_what_a_killed_one_was_about_to_start_and_still_has_the_lock() {
    let place = Place::new();
    drop(place.serve());
    let lock = fs::File::options().write(true).open(place.path("data/lock")).unwrap();
    lock.try_lock().expect("nobody has it");
    let mut heir = Command::new("sleep").arg("0.3").stdin(lock).spawn().unwrap();
    let server = place.serve();
    assert_eq!(server.get("/health", ""), 200);
    assert_eq!(heir.wait().unwrap().code(), Some(0));
}

#[test]
fn without_a_terminal_the_first_token_goes_to_a_file_and_nowhere_else() {
    let place = Place::new();
    let mut server = place.serve();
    let file = place.path("data/first-token");
    let token = fs::read_to_string(&file).unwrap().trim().to_owned();
    assert_eq!(mode(&file), 0o600);
    assert_eq!(server.get(CAMPAIGNS, &token), 200);
    assert!(place.answer(&["token", "list"]).contains("admin"));

    assert_eq!(server.end_by("TERM"), Some(0));
    assert!(server.complaints().contains("first-token"), "{}", server.complaints());
    assert!(
        !server.complaints().contains("vc_") && server.more_lines().iter().all(|line| !line.contains("vc_"))
    );

    assert!(!file.exists(), "it was used");
    let _again = place.serve();
    assert!(!file.exists(), "only the first start makes a token");
}

#[test]
fn the_first_token_stays_in_its_file_until_it_is_used_and_signing_in_uses_it() {
    let place = Place::new();
    let file = place.path("data/first-token");
    let mut server = place.serve();
    assert_eq!(server.get(CAMPAIGNS, "vc_nobody"), 401);
    assert_eq!(server.end_by("TERM"), Some(0));
    let mut server = place.serve();
    let token = fs::read_to_string(&file).unwrap().trim().to_owned();
    let body = json!({"token": token}).to_string();
    assert_eq!(server.send("POST", "/api/session", "", &body).0, 200);
    assert!(!file.exists());
    assert_eq!(server.get(CAMPAIGNS, &token), 200, "it is still in force");
    assert_eq!(server.end_by("TERM"), Some(0));
    // As an older version left it.
    fs::write(&file, format!("{token}\n")).unwrap();
    let _server = place.serve();
    assert!(!file.exists());
}

#[test]
fn a_data_folder_that_was_open_to_others_is_closed_and_one_for_other_things_is_left_alone() {
    let place = Place::new();
    let open = |name: &str| {
        let folder = place.path(name);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        folder
    };
    let (data, shared) = (open("data"), open("shared"));
    fs::write(shared.join("diary.txt"), "Dear diary").unwrap();
    let mut server = place.serve();
    assert_eq!(mode(&data), 0o700);
    assert_eq!(server.end_by("TERM"), Some(0));
    assert!(server.complaints().contains("now it is closed (700)"), "{}", server.complaints());
    let mut server = Running::start(place.program(&["--port", "0", "--data", "shared"]));
    assert_eq!(mode(&shared), 0o755);
    assert_eq!(server.end_by("TERM"), Some(0));
    assert!(server.complaints().contains("use a folder with mode 700"), "{}", server.complaints());
}

#[test]
fn a_certificate_that_cannot_be_read_is_found_before_anything_is_written() {
    let place = Place::new();
    let mut command = place.program(&["--port", "0"]);
    let output = command.env("VC_TLS_CERTIFICATE", "/nope").env("VC_TLS_KEY", "/nope").output().unwrap();
    assert_eq!(output.status.code(), CANNOT_BE_USED);
    let complaint = complaint(&output);
    assert!(complaint.starts_with("voice-campaigns: `tls.certificate`: cannot read /nope"), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(!place.path("data").exists());
}

#[test]
fn commands_read_the_file_that_is_named_wherever_they_run() {
    let place = Place::new();
    fs::create_dir(place.path("etc")).unwrap();
    let file = place.path("etc/voice-campaigns.toml");
    fs::write(&file, format!("data = {:?}\ndefault_country = \"DE\"\n", place.path("data"))).unwrap();
    let (file, elsewhere) = (file.to_str().unwrap(), place.path("etc"));
    place.token("read");
    let told = |command: &mut Command| {
        let output = command.current_dir(&elsewhere).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let named = told(&mut place.program(&["dialing", "status", "--config", file]));
    assert!(named.contains("countries DE"), "{named}");
    assert!(told(place.program(&["dialing", "status"]).env("VC_CONFIG", file)).contains("countries DE"));
    let report = told(&mut place.program(&["check", "--json", "--config", file]));
    let report: Value = serde_json::from_str(&report).unwrap();
    let settings = report["config"].as_array().unwrap();
    let country = settings.iter().find(|one| one["key"] == "default_country").unwrap();
    assert_eq!((&country["value"], &country["source"]), (&json!("DE"), &json!(file)));
    let missing = place.run(&["token", "list", "--config", "nope.toml"]);
    assert_eq!(missing.status.code(), CANNOT_BE_USED);
    assert!(complaint(&missing).starts_with("voice-campaigns: nope.toml: No such file"), "{missing:?}");
}

#[test]
#[cfg_attr(not(has_script), ignore = "script is not installed")]
fn on_a_terminal_the_first_start_shows_a_link_with_the_token_and_writes_no_file() {
    let place = Place::new();
    let program = place.program(&[]);
    let mut command = Command::new(peer("script"));
    let line = format!("{} --port 0", program.get_program().to_str().unwrap());
    command.args(["-qefc", &line, "/dev/null"]).current_dir(place.path(""));
    let mut server = Running::start(command);
    server.url = server.url.trim().to_owned();
    let link = (0..5).map(|_| server.line()).find(|line| line.contains("#token=")).unwrap();
    let (url, token) = link.trim().split_once("/#token=").unwrap();
    assert_eq!(url, server.url);
    assert_eq!(server.get(CAMPAIGNS, token), 200);
    assert!(!place.path("data/first-token").exists());
    server.end_by("TERM");
}

#[test]
fn a_token_made_while_the_server_runs_works_at_once_and_is_gone_at_once_when_revoked() {
    let place = Place::new();
    let server = place.serve();
    let printed = place.answer(&["token", "create", "--name", "nightly sync", "--scope", "read"]);
    assert_eq!(printed.lines().count(), 1);
    let token = printed.trim_end();
    assert!(token.starts_with("vc_") && token.len() == 52, "{token}");
    assert_eq!(server.get(CAMPAIGNS, token), 200);

    let list = place.answer(&["token", "list"]);
    assert!(list.contains("nightly sync") && !list.contains(token), "{list}");
    let until = ["token", "create", "--name", "agency", "--expires-at"];
    let past = place.run(&[&until[..], &["2026-01-31"]].concat());
    assert_eq!((past.status.code(), past.stdout.len()), (Some(2), 0));
    let agency = place.answer(&[&until[..], &["2099-12-31"]].concat());
    assert_eq!(server.get(CAMPAIGNS, agency.trim_end()), 200);
    assert!(place.answer(&["token", "list"]).contains("2100-01-01T00:00:00Z"));
    place.answer(&["token", "revoke", "nightly sync"]);
    assert_eq!(server.get(CAMPAIGNS, token), 401);
    assert_eq!(place.run(&["token", "revoke", "nightly sync"]).status.code(), Some(1));
}

#[test]
fn a_token_can_be_made_before_the_first_start_which_then_makes_none() {
    let place = Place::new();
    let make = || place.run(&["token", "create", "--name", "admin", "--scope", "admin"]);
    let made = make();
    let data = place.path("data").canonicalize().unwrap();
    let said = format!("voice-campaigns: made a new data folder in {}\n", data.display());
    assert_eq!((made.status.code(), complaint(&made)), (Some(0), said), "it may be the wrong one");
    let token = String::from_utf8(made.stdout).unwrap();
    let token = token.strip_suffix('\n').unwrap();
    assert!(token.starts_with("vc_") && !token.contains(char::is_whitespace), "{token}");
    assert_eq!(complaint(&make()), "", "it is there now");
    assert_eq!(mode(&place.path("data")), 0o700);
    let server = place.serve();
    assert!(!place.path("data/first-token").exists());
    assert_eq!(server.get(CAMPAIGNS, token), 200);
}

#[test]
fn check_tells_the_settings_in_force_and_where_they_come_from() {
    let place = Place::new();
    fs::write(place.path("voice-campaigns.toml"), "port = 8111\n[quota]\nrequests_per_hour = 7\n").unwrap();
    place.token("read");
    let output = place.program(&["check", "--json"]).env("VC_PORT", "8222").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let setting = |key: &str| {
        let found = report["config"].as_array().unwrap().iter().find(|one| one["key"] == key).unwrap();
        (found["value"].clone(), found["source"].as_str().unwrap().to_owned())
    };
    assert_eq!(setting("port"), (8222.into(), "VC_PORT".into()));
    assert_eq!(setting("quota.requests_per_hour"), (7.into(), "voice-campaigns.toml".into()));
    assert_eq!(setting("address"), ("127.0.0.1".into(), "default".into()));
    assert_eq!(report["ok"], true);
    assert!(report["sqlite"].as_str().unwrap().starts_with("3."));
    assert!(report["invariants"].as_array().unwrap().iter().all(|finding| finding["ok"] == true));
    assert!(place.answer(&["check"]).contains("Everything is in order"));
}

#[test]
fn check_finds_data_that_contradict_each_other() {
    let place = Place::new();
    let (mut server, token) = (place.serve(), place.token("write"));
    create_campaign(&server, &token);
    assert_eq!(server.end_by("TERM"), Some(0));
    let database = Connection::open(place.path("data/voice-campaigns.db")).unwrap();
    database.execute("UPDATE campaign_totals SET total_leads = 5, leads_pending = 5", []).unwrap();
    drop(database);
    let output = place.run(&["check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(place.run(&["check"]).status.code(), Some(1));
}

#[test]
fn a_folder_with_a_typing_mistake_does_not_become_an_installation() {
    let place = Place::new();
    for command in
        [&["check"][..], &["token", "list"], &["token", "revoke", "1"], &["import", "1", "leads.csv"]]
    {
        let output = place.run(&[command, &["--data", "dta"]].concat());
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert!(complaint(&output).contains("dta"), "{}", complaint(&output));
        assert!(!place.path("dta").exists());
    }
}

#[test]
fn data_of_another_program_or_of_a_newer_version_are_refused_untouched() {
    let garbage = |path: &Path| fs::write(path, "Dear diary, this is no database.\n".repeat(200)).unwrap();
    let foreign = |path: &Path| {
        let database = Connection::open(path).unwrap();
        database.execute_batch("CREATE TABLE diary (day TEXT); INSERT INTO diary VALUES ('today')").unwrap();
    };
    let newer = |path: &Path| {
        let data = path.parent().unwrap().to_str().unwrap();
        Place::new().answer(&["token", "create", "--name", "x", "--data", data]);
        let database = Connection::open(path).unwrap();
        database.pragma_update(None, "user_version", 9_999).unwrap();
        database.pragma_update(None, "journal_mode", "DELETE").unwrap();
    };
    let makers: [&dyn Fn(&Path); 3] = [&garbage, &foreign, &newer];
    for (name, make) in ["garbage", "foreign", "newer"].into_iter().zip(makers) {
        let place = Place::new();
        let data = place.path("data");
        fs::create_dir(&data).unwrap();
        make(&data.join("voice-campaigns.db"));
        let before = contents(&data);
        for command in [&["serve", "--port", "0"][..], &["check"], &["token", "create", "--name", "y"]] {
            let output = place.run(command);
            assert_eq!(output.status.code(), CANNOT_BE_USED, "{name}, {command:?}: {output:?}");
            let complaint = complaint(&output);
            assert!(complaint.lines().count() == 1 && complaint.contains("untouched"), "{complaint}");
            assert_eq!(contents(&data), before, "{name}, {command:?}");
        }
    }
}

#[test]
fn leads_are_imported_from_a_file_beside_the_running_server() {
    let place = Place::new();
    let (server, token) = (place.serve(), place.token("write"));
    let id = create_campaign(&server, &token).to_string();
    let rows = "phone,first_name,plan\n+12025550101,Ada,Basic\n(202) 555-0110,Alan,Plus\n+12025550101,Ada,Basic\n12,X,Y\n";
    fs::write(place.path("leads.csv"), rows).unwrap();

    let output = place.run(&["import", &id, "leads.csv", "--country", "US"]);
    assert_eq!(output.status.code(), Some(0));
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in [
        "4 rows: 2 imported, 0 updated, 1 skipped, 1 rejected\n",
        "  plan -> variable:plan\n",
        "1 rows: An earlier row has the same number\n  row 4, phone `+12025550101`: ",
        "  row 5, phone `12`: the phone number has too few digits",
        "All rows that did not come in: ",
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
    let rows = fs::read_to_string(report.trim_end().rsplit(": ").next().unwrap()).unwrap();
    assert!(rows.ends_with("12,X,Y\n"), "{rows}");
    let dry =
        place.run(&["import", &id, "leads.csv", "--country", "US", "--dry-run", "--on-duplicate", "update"]);
    let report = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert!(report.starts_with("4 rows: 0 imported, 2 updated, 1 skipped, 1 rejected\n"), "{report}");

    let mut by_setting = place.program(&["import", &id, "leads.csv", "--dry-run"]);
    let report = by_setting.env("VC_DEFAULT_COUNTRY", "US").output().unwrap();
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(report.starts_with("4 rows: 0 imported, 0 updated, 3 skipped, 1 rejected\n"), "{report}");

    let strict = place.run(&["import", &id, "leads.csv", "--country", "US", "--all-or-nothing"]);
    assert_eq!((strict.status.code(), strict.stdout.len()), (Some(1), 0));
    assert_eq!(place.run(&["import", "999", "leads.csv"]).status.code(), Some(1));
    assert_eq!(place.run(&["import", &id, "missing.csv"]).status.code(), Some(1));
    assert_eq!(place.run(&["import", &id, "leads.csv", "--country", "Atlantis"]).status.code(), Some(2));
    assert_eq!(place.run(&["check"]).status.code(), Some(0));
}

#[test]
fn dialing_is_stopped_and_started_from_a_terminal_while_the_server_runs() {
    let place = Place::new();
    let (mut server, token) = (place.serve(), place.token("write"));
    assert!(place.answer(&["dialing", "status"]).starts_with("dialing is on\n0 calls alive; 0 spent today"));
    let said = place.answer(&["dialing", "stop", "--reason", "complaints", "--hang-up"]);
    assert!(
        said.starts_with("dialing is stopped since ") && said.contains(" by command line: complaints\n"),
        "{said}"
    );
    let shown = |server: &Running| -> Value {
        serde_json::from_str(&server.ask("GET", "/api/dialing", &token).1).unwrap()
    };
    assert_eq!((&shown(&server)["stopped"], &shown(&server)["reason"]), (&json!(true), &json!("complaints")));
    assert_eq!(server.end_by("TERM"), Some(0));
    let server = place.serve();
    assert_eq!(shown(&server)["by"], "command line", "it survives a restart");
    assert!(place.answer(&["dialing", "start"]).starts_with("dialing is on\n"));
    assert_eq!(shown(&server)["stopped"], false);
    assert_eq!(place.run(&["dialing", "stop", "--data", "dta"]).status.code(), Some(1));
}

#[test]
fn without_the_key_of_erased_numbers_the_server_does_not_start() {
    let place = Place::new();
    let (mut server, token) = (place.serve(), place.token("admin"));
    assert_eq!(server.ask("DELETE", "/api/people/+12025550101", &token).0, 200);
    assert_eq!(server.end_by("TERM"), Some(0));
    let key = place.path("data/suppression.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    for command in [&["serve", "--port", "0"][..], &["check"]] {
        let output = place.run(command);
        assert_eq!(output.status.code(), CANNOT_BE_USED);
        let complaint = complaint(&output);
        assert!(complaint.lines().count() == 1 && complaint.contains("suppression.key"), "{complaint}");
    }
    fs::write(&key, kept).unwrap();
    place.serve();
}

#[test]
fn a_signal_to_stop_ends_the_server_in_order_and_its_data_are_there_again() {
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let (mut server, token) = (place.serve(), place.token("write"));
        let id = create_campaign(&server, &token);
        assert_eq!(server.end_by(signal), Some(0), "SIG{signal}");
        let log = place.path("data/voice-campaigns.db-wal");
        assert_eq!(log.metadata().map_or(0, |log| log.len()), 0, "everything is in the file");
        assert_eq!(place.serve().get(&format!("{CAMPAIGNS}/{id}"), &token), 200);
    }
}

#[test]
fn settings_that_cannot_be_used_are_refused_with_every_reason() {
    let place = Place::new();
    fs::write(place.path("voice-campaigns.toml"), "prot = 80\nretention_days = 5\n").unwrap();
    let output = place.program(&[]).env("VC_SIMULATOR_SPED", "200").output().unwrap();
    assert_eq!(output.status.code(), CANNOT_BE_USED);
    let complaint = complaint(&output);
    for expected in ["`prot`; did you mean `port`?", "`retention_days`", "`VC_SIMULATOR_SPED`"] {
        assert!(complaint.contains(expected), "{complaint}");
    }
    assert!(!place.path("data").exists());
}

#[test]
fn a_port_that_is_taken_is_said_in_one_line() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = place.run(&["--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    let complaint = complaint(&output);
    let last = complaint.lines().last().unwrap_or_default();
    assert!(last.contains(&port), "{complaint}");
}

#[test]
fn the_demo_moves_within_seconds_and_leaves_nothing_behind() {
    let place = Place::new();
    fs::create_dir(place.path("tmp")).unwrap();
    let mut command = place.program(&["demo", "--port", "0"]);
    command.env("TMPDIR", place.path("tmp"));
    let mut demo = Running::spawn(command);
    let link = demo.line();
    let (url, token) = link.split_once("/#token=").unwrap();
    demo.url = url.to_owned();
    assert_eq!(demo.get(CAMPAIGNS, token), 200);

    let names = ["Customer survey", "Plan renewal", "Visit reminder"];
    let mut moved = [false; 3];
    while moved.contains(&false) {
        let line = demo.line();
        for (name, moved) in names.iter().zip(&mut moved) {
            *moved |= line.starts_with(name) && !line.contains("  0/160 leads");
        }
    }
    assert_eq!(demo.end_by("INT"), Some(0));
    assert_eq!(fs::read_dir(place.path("tmp")).unwrap().count(), 0);
    assert!(!place.path("data").exists());
}

#[test]
fn the_demo_takes_no_trunk_from_its_settings_and_none_later() {
    let place = Place::new();
    let trunk = "default_country = \"US\"\n[[trunks]]\nname = \"main\"\nhost = \"sip.example.com\"\n";
    fs::write(place.path("voice-campaigns.toml"), trunk).unwrap();
    let output = place.run(&["demo", "--port", "0"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(complaint(&output).contains("the demonstration rings nobody"), "{output:?}");

    fs::write(place.path("voice-campaigns.toml"), "default_country = \"US\"\n").unwrap();
    fs::create_dir(place.path("tmp")).unwrap();
    let mut command = place.program(&["demo", "--port", "0"]);
    command.env("TMPDIR", place.path("tmp"));
    let mut demo = Running::spawn(command);
    let link = demo.line();
    let (url, token) = link.split_once("/#token=").unwrap();
    demo.url = url.to_owned();
    let body = r#"{"name": "main", "host": "127.0.0.1:5099", "confirm": true}"#;
    assert_eq!(demo.send("POST", "/api/trunks", token, body).0, 409);
    assert_eq!(demo.ask("GET", "/api/trunks", token), (200, "[]".to_owned()));
}

/// The example of the README works as it is written.
#[test]
#[cfg_attr(not(all(has_bash, has_curl)), ignore = "bash or curl is not installed")]
fn the_walk_in_the_readme_ends_with_a_call() {
    peer("curl");
    let readme = include_str!("../README.md");
    let (_, walk) = readme.split_once("<!-- walk -->\n```sh\n").unwrap();
    let (walk, _) = walk.split_once("```").unwrap();
    let port = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    let place = Place::new();
    let program = place.program(&[]);
    let folder = Path::new(program.get_program()).parent().unwrap().to_str().unwrap();
    let mut command = Command::new(peer("bash"));
    command
        .args([
            "-euo",
            "pipefail",
            "-c",
            &format!("trap 'kill $(jobs -p)' EXIT\n{}", walk.replace("8000", &port)),
        ])
        .current_dir(place.path(""))
        .env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap()))
        .env("VC_PORT", &port);
    let mut walk = Running::spawn(command);
    let code = walk.end();
    std::thread::sleep(Duration::from_millis(200));
    let said = walk.more_lines().join("\n");
    assert_eq!(code, Some(0), "{said}\n{}", walk.complaints());
    assert!(said.contains("\"outcome\":\"success\""), "{said}\n{}", walk.complaints());
}

/// A draft campaign; its id.
fn create_campaign(server: &Running, token: &str) -> i64 {
    let body = serde_json::json!({
        "name": "Survey", "status": "draft", "calls_per_day": 100,
        "calling_hours_start": "09:00:00", "calling_hours_end": "17:00:00",
        "system_prompt": "Be kind.", "script_template": "Hello {first_name|there}."
    });
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    let request =
        agent.post(format!("{}{CAMPAIGNS}", server.url)).header("Authorization", format!("Bearer {token}"));
    let mut answer = request.header("Content-Type", "application/json").send(body.to_string()).unwrap();
    let campaign: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    campaign["id"].as_i64().unwrap()
}

#[test]
fn a_test_call_is_made_by_the_server_that_runs_and_told_to_its_end() {
    let place = Place::new();
    let token = place.token("write");
    let mut command = place.program(&["--port", "0"]);
    command.env("VC_SIMULATOR_SPEED", "100");
    let server = Running::start(command);
    let campaign = create_campaign(&server, &token).to_string();
    let said = place.answer(&["test-call", &campaign, "+1 202 555 0101"]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "test call 1 to +12025550101 waits for the server");
    let events: Vec<&str> =
        lines.iter().filter_map(|line| line.split_once("Z ")).map(|(_, event)| event).collect();
    assert!(events.starts_with(&["placed", "ringing", "answered"]), "{said}");
    assert!(said.contains("\nsuccess") && said.ends_with("nobody's phone rang\n"), "{said}");
    let (_, stats) = server.ask("GET", &format!("{CAMPAIGNS}/{campaign}/stats"), &token);
    assert!(stats.contains("\"attempts\":0"), "{stats}");
    for (arguments, problem) in [
        (["test-call", "7", "+12025550101"], "there is no campaign 7"),
        (["test-call", &campaign, "202"], "202: "),
        (["test-call", &campaign, "+19005550199"], "are never dialed"),
    ] {
        let refused = place.run(&arguments);
        let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && complaint.contains(problem), "{complaint}");
    }
}

#[test]
fn check_reports_a_damaged_file_as_a_finding() {
    use std::os::unix::fs::FileExt;
    let place = Place::new();
    place.token("read");
    let path = place.path("data/voice-campaigns.db");
    let database = Connection::open(&path).unwrap();
    let number = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as u64;
    let root = number("SELECT rootpage FROM sqlite_schema WHERE name = 'leads'");
    let page_size = number("PRAGMA page_size");
    drop(database);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&vec![0xAA; page_size as usize], (root - 1) * page_size).unwrap();
    let output = place.run(&["check", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], false);
    assert!(report["invariants"].as_array().unwrap().iter().any(|finding| finding["ok"] == false));
}

/// A line without how many milliseconds something took.
fn without_times(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let is_time = |at: usize| words.get(at + 1).is_some_and(|next| next.trim_end_matches([',', ':']) == "ms");
    words
        .iter()
        .enumerate()
        .map(|(at, word)| if is_time(at) { "_" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_server_of_the_agent_is_tried_without_a_call_and_the_one_that_fails_is_named() {
    let verdict = json!({"outcome": "declined", "reason": "No.", "answers": []}).to_string();
    let models = Models::start(move |told| match told.starts_with("[{") {
        true => words(&verdict),
        false => words("I am an automated assistant."),
    })
    .await;
    let place = Place::new();
    let none = place.answer(&["check", "--agent"]);
    assert_eq!(none, "no agent is configured: set agent.kind to cascade or realtime\n");
    let set = |kind: &str| {
        let url = models.url();
        let settings = format!(
            "agent = {{ kind = \"{kind}\", url = \"{url}\", api_key = \"sk-test\" }}\n\
             voice = {{ url = \"{url}\", api_key = \"sk-test\", model = \"tts-1\" }}\n"
        );
        fs::write(place.path("voice-campaigns.toml"), settings).unwrap();
    };
    // What it took is another time each time.
    let told = |is_fine: bool| {
        let output = place.run(&["check", "--agent"]);
        assert_eq!(output.status.code(), Some(i32::from(!is_fine)), "{output:?}");
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(!told.contains("sk-te"), "{told}");
        told.lines().map(without_times).collect::<Vec<_>>()
    };
    set("cascade");
    models.will_hear("Good morning?");
    assert_eq!(
        told(true),
        [
            "ok      voice at 127.0.0.1: _ ms for 1.3 s of sound",
            "ok      transcription whisper-1 at 127.0.0.1: _ ms, heard \"Good morning?\"",
            "ok      model gpt-4.1-mini at 127.0.0.1: _ ms to its first words, _ ms to its last: \"I am an automated assistant.\"",
            "ok      judgement gpt-4.1-mini at 127.0.0.1: _ ms, judged a refusal as declined",
        ]
    );
    models.behave_once(Stage::Speech, Manner::Refuses(500));
    models.behave_once(Stage::Transcription, Manner::Refuses(401));
    models.behave_once(Stage::Chat, Manner::Nonsense);
    assert_eq!(
        told(false),
        [
            "BROKEN  voice at 127.0.0.1: the voice failed: the speech service answered 500 Internal Server Error",
            "BROKEN  transcription whisper-1 at 127.0.0.1: the transcription answered 401 Unauthorized: check its key",
            "BROKEN  model gpt-4.1-mini at 127.0.0.1: the model answered what nobody understands",
            "ok      judgement gpt-4.1-mini at 127.0.0.1: _ ms, judged a refusal as declined",
        ]
    );
    set("realtime");
    assert_eq!(
        told(true),
        [
            "ok      realtime gpt-realtime at 127.0.0.1: _ ms until its session is set, _ ms to its first sound: \"I am an automated assistant.\"",
            "ok      judgement gpt-4.1-mini at 127.0.0.1: _ ms, judged a refusal as declined",
        ]
    );
    models.behave(Stage::Realtime, Manner::Refuses(403));
    assert_eq!(
        told(false)[0],
        "BROKEN  realtime gpt-realtime at 127.0.0.1: the realtime model answered 403 Forbidden: check its key"
    );
    assert!(!place.path("data").exists(), "nothing is kept");
}
