//! Real calls of the real program, with the voice of flite, to SIPp, which others wrote.

use crate::support::peers::peer;
use crate::support::program::{PATIENCE, Place, Running};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A port that nobody has at the moment.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where SIPp counts, once a second.
const STATISTICS: &str = "sipp.csv";
/// What SIPp did not expect.
const COMPLAINTS: &str = "sipp.log";

/// SIPp with a scenario; ended when dropped.
struct Sipp(Child, u16);

impl Sipp {
    fn start(place: &Place, scenario: &str, transport: &str) -> Sipp {
        let (port, file) =
            (free_port(), Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sip").join(scenario));
        let mut command = Command::new(peer("sipp"));
        command
            .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-aa", "-rtp_echo", "-nd", "-nostdin", "-sf"])
            .arg(file);
        command.args(["-p", &port.to_string(), "-mp", &free_port().to_string()]);
        command.args(["-t", if transport == "tcp" { "t1" } else { "u1" }]);
        command.args([
            "-trace_stat",
            "-fd",
            "1",
            "-stf",
            STATISTICS,
            "-trace_err",
            "-error_file",
            COMPLAINTS,
        ]);
        command.current_dir(place.path("")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Sipp(command.spawn().unwrap(), port)
    }

    /// How many calls went as its scenario says, and how many did not.
    fn counted(&self, place: &Place) -> (usize, usize) {
        let table = std::fs::read_to_string(place.path(STATISTICS)).unwrap_or_default();
        let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(';').collect()).collect();
        let cell = |name: &str| {
            let column = rows.first()?.iter().position(|title| *title == name)?;
            rows.iter().rev().skip(usize::from(rows.len() == 1)).find_map(|row| row.get(column)?.parse().ok())
        };
        (cell("SuccessfulCall(C)").unwrap_or(0), cell("FailedCall(C)").unwrap_or(0))
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes settings with a trunk to this port.
fn set_trunk(place: &Place, port: u16, transport: &str) {
    let (listen, rtp) = (free_port(), 30_000 + port % 100 * 100);
    let settings = format!(
        "default_country = \"US\"\n[voice]\ncommand = \"flite -voice kal -f /dev/stdin -o {{output}}\"\n\
         [sip]\nlisten = \"127.0.0.1:{listen}\"\nrtp_ports = \"{rtp}-{}\"\n\
         [[trunks]]\nname = \"town\"\ntransport = \"{transport}\"\nhost = \"127.0.0.1:{port}\"\nusername = \"alice\"\npassword = \"s3cret\"\n\
         calls_per_second = 20.0\nchannels = 60\noptions_seconds = 3600\n",
        rtp + 999
    );
    std::fs::write(place.path("voice-campaigns.toml"), settings).unwrap();
}

fn post(server: &Running, method: &str, path: &str, token: &str, body: &Value) -> Value {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", server.url));
    let request =
        request.header("Authorization", format!("Bearer {token}")).header("Content-Type", "application/json");
    let mut answer = agent.run(request.body(body.to_string()).unwrap()).unwrap();
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
}

#[cfg_attr(not(all(has_sipp, has_flite)), ignore = "sipp or flite is not installed")]
#[test]
fn a_campaign_over_a_trunk_ends_as_the_carrier_says() {
    call_the_town(50, "udp");
}

#[cfg_attr(not(all(has_sipp, has_flite)), ignore = "sipp or flite is not installed")]
#[test]
fn a_campaign_over_a_stream_ends_as_the_carrier_says() {
    call_the_town(10, "tcp");
}

/// A campaign with so many leads, a multiple of ten, to the people of `town.xml`.
fn call_the_town(leads: usize, transport: &str) {
    let place = Place::new();
    let sipp = Sipp::start(&place, "town.xml", transport);
    set_trunk(&place, sipp.1, transport);
    let check = place.run(&["check", "--carrier"]);
    let found = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success() && found.contains("ok      trunk town: 127.0.0.1:"), "{found}");
    let server = place.serve();
    let token = place.token("write");
    let campaign = json!({
        "name": "Survey", "status": "draft", "calls_per_day": 1000, "max_attempts_per_lead": 1,
        "ring_timeout_seconds": 15, "cost_per_call": 0.1, "max_concurrent_calls": 60, "success_criteria": "call_completed",
        "calling_hours_start": "00:00:00", "calling_hours_end": "23:59:59",
        "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        "system_prompt": "You are friendly", "script_template": "Hello, this is a test."
    });
    post(&server, "POST", "/api/voice-campaigns", &token, &campaign);
    for lead in 0..leads {
        let lead = json!({"phone": format!("+120255501{lead:02}")});
        post(&server, "POST", "/api/voice-campaigns/1/leads", &token, &lead);
    }
    post(&server, "PATCH", "/api/voice-campaigns/1/status", &token, &json!({"status": "active"}));
    let calls = loop {
        let (_, body) = server.ask("GET", "/api/voice-campaigns/1/calls?limit=100", &token);
        let body: Value = serde_json::from_str(&body).unwrap();
        let calls = body.as_array().cloned().unwrap();
        if calls.len() == leads && calls.iter().all(|call| call["state"] == "ended") {
            break calls;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    // The question whether it is there is a call to SIPp, which fails when its stream ends with the check.
    let failed = usize::from(transport == "tcp");
    while sipp.counted(&place).0 < leads {
        let complaints = || std::fs::read_to_string(place.path(COMPLAINTS));
        assert!(sipp.counted(&place).1 <= failed, "not as in the scenario: {:?}", complaints());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(sipp.counted(&place), (leads, failed));
    let mut outcomes = BTreeMap::new();
    for call in &calls {
        assert_eq!(call["carrier"], "sip");
        *outcomes.entry(call["outcome"].as_str().unwrap()).or_insert(0) += 1;
    }
    let expected = [
        ("busy", leads / 10),
        ("carrier_error", leads / 10),
        ("hung_up", leads / 10),
        ("invalid_number", leads / 10),
        ("no_answer", leads / 10),
        ("rejected", leads / 10),
        ("success", leads / 10 * 4),
    ];
    assert_eq!(outcomes, BTreeMap::from(expected), "{calls:#?}");
    let busy = calls.iter().find(|call| call["outcome"] == "busy").unwrap();
    assert_eq!(busy["detail"], "trunk town: 486 Busy Here, Q.850 cause 17");
    assert!(
        !server.complaints().contains("s3cret") && !server.complaints().contains("INVITE"),
        "{}",
        server.complaints()
    );
}
