//! Real calls of the real program, with the voice of flite, to programs that others wrote: SIPp as the carrier, Kamailio
//! as a proxy before it, baresip as a telephone.

use crate::support::models::{Models, tool, words};
use crate::support::peers::peer;
use crate::support::phone::vowels;
use crate::support::program::{PATIENCE, Place, Running};
use crate::support::uas::{Fast, Peer, Step, hum};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use voice_campaigns::clock::{Clock, System};
use voice_campaigns::media::g711::Codec;
use voice_campaigns::media::wav;

/// Where SIPp counts, once a second.
const STATISTICS: &str = "sipp.csv";
/// What SIPp was sent, and when.
const MESSAGES: &str = "sipp-messages.log";
/// How soon a call is taken back.
const AT_ONCE: Duration = Duration::from_secs(1);
/// What SIPp did not expect.
const COMPLAINTS: &str = "sipp.log";

/// A port that nobody has at the moment.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// SIPp that plays `town.xml`; ended when dropped.
struct Sipp(Child);

impl Sipp {
    fn start(place: &Place, transport: &str, port: u16) -> Sipp {
        Sipp::play(place, "town.xml", transport, port)
    }

    fn play(place: &Place, scenario: &str, transport: &str, port: u16) -> Sipp {
        Sipp::play_at(Ipv4Addr::LOCALHOST.into(), place, scenario, transport, port)
    }

    fn play_at(ip: IpAddr, place: &Place, scenario: &str, transport: &str, port: u16) -> Sipp {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sip").join(scenario);
        let (mut command, ip) = (Command::new(peer("sipp")), ip.to_string());
        command.args(["-i", &ip, "-mi", &ip, "-aa", "-rtp_echo", "-nd", "-nostdin", "-sf"]);
        command.arg(file).args(["-p", &port.to_string(), "-mp", &free_port().to_string()]);
        command.args(["-t", if transport == "tcp" { "t1" } else { "u1" }]);
        command.args([
            "-trace_stat",
            "-fd",
            "1",
            "-stf",
            STATISTICS,
            "-trace_msg",
            "-message_file",
            MESSAGES,
            "-trace_err",
            "-error_file",
            COMPLAINTS,
        ]);
        command.env("TZ", "UTC");
        command.current_dir(place.path("")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Sipp(command.spawn().unwrap())
    }

    /// How many calls went as its scenario says, and how many did not.
    fn counted(&self, place: &Place) -> (usize, usize) {
        let table = std::fs::read_to_string(place.path(STATISTICS)).unwrap_or_default();
        let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(';').collect()).collect();
        let cell = |name: &str| {
            let column = rows.first()?.iter().position(|title| *title == name)?;
            rows.iter().rev().find_map(|row| row.get(column)?.parse().ok())
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
pub(crate) fn set_trunk(place: &Place, port: u16, transport: &str) {
    set_trunk_at(Ipv4Addr::LOCALHOST.into(), place, port, transport);
}

/// Writes settings with a trunk to this address; the answer is where the server listens for it.
fn set_trunk_at(ip: IpAddr, place: &Place, port: u16, transport: &str) -> SocketAddr {
    let rtp = 30_000 + port % 100 * 100;
    let (listen, host) = (SocketAddr::new(ip, free_port()), SocketAddr::new(ip, port));
    let settings = format!(
        "default_country = \"US\"\nquota.requests_per_hour = 1000000\n[voice]\ncommand = \"flite -voice kal -f /dev/stdin -o {{output}}\"\n\
         [sip]\nlisten = \"{listen}\"\nrtp_ports = \"{rtp}-{}\"\n\
         [[trunks]]\nname = \"town\"\nhost = \"{host}\"\ntransport = \"{transport}\"\nusername = \"alice\"\n\
         password = \"s3cret\"\ncalls_per_second = 20.0\nchannels = 60\noptions_seconds = 5\n",
        rtp + 999
    );
    std::fs::write(place.path("voice-campaigns.toml"), settings).unwrap();
    listen
}

/// A request that succeeds.
pub(crate) fn send(server: &Running, method: &str, path: &str, token: &str, body: &Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", server.url));
    let request =
        request.header("Authorization", format!("Bearer {token}")).header("Content-Type", "application/json");
    agent.run(request.body(body.to_string()).unwrap()).unwrap();
}

/// Calls these numbers, so many at a time.
pub(crate) fn call(server: &Running, token: &str, at_a_time: usize, numbers: impl Iterator<Item = String>) {
    call_with(server, token, json!({"max_concurrent_calls": at_a_time}), numbers);
}

/// Calls these numbers with more or other settings.
fn call_with(server: &Running, token: &str, with: Value, numbers: impl Iterator<Item = String>) {
    let mut campaign = json!({
        "name": "Survey", "status": "draft", "calls_per_day": 1000, "max_attempts_per_lead": 1, "cost_per_call": 0.1,
        "ring_timeout_seconds": 15, "success_criteria": "call_completed",
        "calling_hours_start": "00:00:00", "calling_hours_end": "23:59:59",
        "working_days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        "system_prompt": "You are friendly", "script_template": "Hello, this is a test.", "opt_out_sentence": ""
    });
    campaign.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    send(server, "POST", "/api/voice-campaigns", token, &campaign);
    for number in numbers {
        send(server, "POST", "/api/voice-campaigns/1/leads", token, &json!({"phone": number}));
    }
    send(server, "PATCH", "/api/voice-campaigns/1/status", token, &json!({"status": "active"}));
}

pub(crate) fn calls(server: &Running, token: &str) -> Vec<Value> {
    let (_, body) = server.ask("GET", "/api/voice-campaigns/1/calls?limit=100", token);
    serde_json::from_str(&body).unwrap()
}

/// So many calls, and all of them over.
pub(crate) fn are_over(calls: &[Value], count: usize) -> bool {
    calls.len() == count && calls.iter().all(|call| call["state"] == "ended")
}

/// Waits until something is so.
pub(crate) fn until(server: &Running, is_so: impl Fn() -> bool) {
    for _ in 0..2 * PATIENCE.as_millis() / 50 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it did not come to this: {}", server.complaints());
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
    let (place, port) = (Place::new(), free_port());
    let sipp = Sipp::start(&place, transport, port);
    set_trunk(&place, port, transport);
    // On a busy machine SIPp may not answer the first time in time.
    let mut checks = (0..3).map(|_| place.run(&["check", "--carrier"]));
    let check = checks.find(|check| check.status.success()).expect("the trunk is found to be there");
    let found = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(found.contains("ok      trunk town: 127.0.0.1:"), "{found}");
    let server = place.serve();
    let token = place.token("write");
    call(&server, &token, 60, (0..leads).map(|lead| format!("+120255501{lead:02}")));
    until(&server, || are_over(&calls(&server, &token), leads));
    let calls = calls(&server, &token);
    // The question whether it is there is a call to SIPp, which fails when its stream ends with the check.
    let failed = usize::from(transport == "tcp");
    until(&server, || sipp.counted(&place).0 == leads);
    let complaints = std::fs::read_to_string(place.path(COMPLAINTS));
    assert_eq!(sipp.counted(&place), (leads, failed), "not as in the scenario: {complaints:?}");
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
    let log = server.complaints();
    assert!(!log.contains("s3cret") && !log.contains("INVITE"), "{log}");
}

/// What one side of a recording has on it.
fn side(file: &[u8], nth: usize) -> Vec<i16> {
    let samples = file[wav::HEADER..].chunks_exact(4);
    samples.map(|pair| i16::from_le_bytes([pair[2 * nth], pair[2 * nth + 1]])).collect()
}

/// Where this sound begins, sample by sample as it is on a telephone line, and as long as it lasts.
fn find(said: &[i16], heard: &[i16]) -> usize {
    let begin = heard.windows(400).position(|window| window == &said[..400]).expect("it is not heard");
    let same = said.iter().zip(&heard[begin..]).filter(|(said, heard)| said == heard).count();
    println!("{same} of {} samples are the same", said.len());
    assert_eq!(same, said.len(), "of {} samples", said.len());
    begin
}

#[cfg_attr(not(has_sipp), ignore = "sipp is not installed")]
#[test]
fn what_a_carrier_sends_back_is_on_the_recording_bit_by_bit() {
    hear_the_echo(Ipv4Addr::LOCALHOST.into());
}

#[cfg_attr(not(has_sipp), ignore = "sipp is not installed")]
#[test]
fn what_a_carrier_sends_back_over_version_six_is_on_the_recording_bit_by_bit() {
    hear_the_echo(Ipv6Addr::LOCALHOST.into());
}

/// The mu-law of the telephone line loses what it loses; on the way there and back nothing is lost beside it.
fn hear_the_echo(ip: IpAddr) {
    let (place, port) = (Place::new(), free_port());
    let _sipp = Sipp::play_at(ip, &place, "town.xml", "udp", port);
    set_trunk_at(ip, &place, port, "udp");
    speak_hum(&place);
    let server = place.serve();
    let token = place.token("write");
    call_with(&server, &token, json!({"record_calls": true}), ["+12025550107".to_owned()].into_iter());
    until(&server, || {
        are_over(&calls(&server, &token), 1) && calls(&server, &token)[0]["recording"].is_object()
    });
    let said: Vec<i16> =
        hum(5_000).into_iter().map(|sample| Codec::Pcmu.decode(Codec::Pcmu.encode(sample))).collect();
    let file = std::fs::read(place.path("data/recordings/1.wav")).unwrap();
    let [ours, theirs] = [0, 1].map(|nth| {
        let side = side(&file, nth);
        // The announcement, and then the script: the voice of this test says both with the same sound.
        let announced = find(&said, &side);
        announced + said.len() + find(&said, &side[announced + said.len()..])
    });
    let later = theirs.checked_sub(ours).expect("it came back before it was sent");
    assert!(later < 8_000, "it came back {later} samples later");
}

#[cfg_attr(not(all(has_sipp, has_flite)), ignore = "sipp or flite is not installed")]
#[test]
fn while_a_trunk_is_dead_its_leads_wait_and_nobody_is_called_twice() {
    let (place, port) = (Place::new(), free_port());
    let sipp = Sipp::start(&place, "udp", port);
    set_trunk(&place, port, "udp");
    let server = place.serve();
    let token = place.token("write");
    // All of them listen to the end.
    let numbers = (0..5).flat_map(|tens| [7, 8, 9].map(|last| format!("+120255501{tens}{last}")));
    call(&server, &token, 2, numbers);
    until(&server, || calls(&server, &token).iter().any(|call| call["state"] == "ended"));
    drop(sipp);
    until(&server, || server.complaints().contains("a trunk takes no calls"));
    let dialed = calls(&server, &token).len();
    assert!(dialed < 15, "{dialed}");
    let _sipp = Sipp::start(&place, "udp", port);
    until(&server, || are_over(&calls(&server, &token), 15));
    let calls = calls(&server, &token);
    let numbers: BTreeSet<&str> = calls.iter().map(|call| call["phone"].as_str().unwrap()).collect();
    assert_eq!(numbers.len(), 15, "somebody was called twice");
    let succeeded = calls.iter().filter(|call| call["outcome"] == "success").count();
    assert!(succeeded >= 9, "those that were alive when it died are lost, and no others: {calls:#?}");
}

#[cfg_attr(not(all(has_sipp, has_flite)), ignore = "sipp or flite is not installed")]
#[test]
fn the_do_not_call_list_takes_a_ringing_call_back() {
    let (place, port) = (Place::new(), free_port());
    let sipp = Sipp::start(&place, "udp", port);
    set_trunk(&place, port, "udp");
    let server = place.serve();
    let token = place.token("write");
    call(&server, &token, 1, ["+12025550103".to_owned()].into_iter());
    until(&server, || calls(&server, &token).first().is_some_and(|call| call["state"] == "ringing"));
    let asked_at = System::new().now();
    send(&server, "POST", "/api/do-not-call", &token, &json!({"phone": "+12025550103"}));
    until(&server, || are_over(&calls(&server, &token), 1));
    let call = &calls(&server, &token)[0];
    // It would have rung for fifteen seconds.
    assert!(call["outcome"] == "canceled" && call["timeline"].as_array().unwrap().len() == 3, "{call:#}");
    until(&server, || sipp.counted(&place).0 == 1);
    let messages = std::fs::read_to_string(place.path(MESSAGES)).unwrap();
    let blocks: Vec<&str> = messages.split("----------------------------------------------- ").collect();
    let taken_back = blocks.iter().find(|block| block.contains("\nCANCEL sip:")).unwrap();
    let at = taken_back.lines().next().unwrap();
    let at = chrono::NaiveDateTime::parse_from_str(at, "%Y-%m-%d %H:%M:%S%.f").unwrap().and_utc();
    let took = (at - asked_at).to_std().unwrap();
    assert!(took < AT_ONCE, "{took:?}");
}

/// The same on a clock of our own, for each way to take a call back.
#[test]
fn a_ringing_call_is_taken_back_within_a_second() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (path, body) in [
        ("/api/do-not-call", json!({"phone": "+12025550101"})),
        ("/api/dialing/stop", json!({"hang_up": true})),
        ("/api/calls/1/hangup", json!({})),
    ] {
        let rings = |_: &_| vec![Step::Reply(180, "")];
        let peer = runtime.block_on(Peer::start(Arc::new(Fast::new(1)), rings));
        let place = Place::new();
        set_trunk(&place, peer.address.port(), "udp");
        speak_hum(&place);
        let server = place.serve();
        let token = place.token("admin");
        call(&server, &token, 1, ["+12025550101".to_owned()].into_iter());
        until(&server, || calls(&server, &token).first().is_some_and(|call| call["state"] == "ringing"));
        let clock = System::new();
        let asked_at = clock.monotonic();
        send(&server, "POST", path, &token, &body);
        runtime.block_on(peer.received("CANCEL"));
        let took = clock.monotonic() - asked_at;
        assert!(took < AT_ONCE, "{path}: {took:?}");
        until(&server, || are_over(&calls(&server, &token), 1));
        assert_eq!(calls(&server, &token)[0]["outcome"], "canceled", "{path}");
    }
}

#[cfg_attr(not(has_sipp), ignore = "sipp is not installed")]
#[test]
fn somebody_who_calls_a_campaign_holds_the_call_and_presses_one() {
    for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        call_in(ip);
    }
}

fn call_in(ip: IpAddr) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Calls are taken from a carrier that is there, and this one only says that it is.
    let carrier = runtime.block_on(Peer::start_at(ip, Arc::new(Fast::new(1)), |_: &_| Vec::new()));
    let place = Place::new();
    let listens = set_trunk_at(ip, &place, carrier.address.port(), "udp");
    speak_hum(&place);
    let server = place.serve();
    let token = place.token("admin");
    let campaign = json!({
        "campaign_type": "inbound", "inbound_number": "+12025550199", "keys": {"1": "yes", "9": "opt_out"},
        "success_criteria": "says yes", "record_calls": true
    });
    call_with(&server, &token, campaign, std::iter::empty());
    let list = |path: &str| -> Value { serde_json::from_str(&server.ask("GET", path, &token).1).unwrap() };
    until(&server, || list("/api/carrier")["status"] == "up");
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sip/caller.xml");
    let mut sipp = Command::new(peer("sipp"));
    sipp.arg("-sf").arg(scenario).args([
        "-i",
        &ip.to_string(),
        "-mi",
        &ip.to_string(),
        "-m",
        "1",
        "-nd",
        "-nostdin",
    ]);
    sipp.args(["-p", &free_port().to_string(), "-mp", &free_port().to_string(), "-rtp_echo"]);
    sipp.args(["-s", "+12025550199", "-timeout", "30", "-trace_err", "-error_file", COMPLAINTS]);
    sipp.arg(listens.to_string()).current_dir(place.path("")).stdin(Stdio::null());
    let went = sipp.output().unwrap();
    let complaints = std::fs::read_to_string(place.path(COMPLAINTS));
    assert!(went.status.success(), "{complaints:?} {}", server.complaints());
    until(&server, || list("/api/inbound-calls")[0]["state"] == "ended");
    let call = &list("/api/inbound-calls")[0];
    assert_eq!((&call["outcome"], &call["phone"]), (&json!("success"), &json!("+12025550101")), "{call:#}");
    let events: Vec<&Value> =
        call["timeline"].as_array().unwrap().iter().map(|entry| &entry["event"]).collect();
    let expected =
        ["came in", "answered", "recording", "pressed 1", "heard to the end", "ended: local_hangup"];
    assert_eq!(events, expected);
    until(&server, || list("/api/inbound-calls/1")["recording"].is_object());
    let file = std::fs::read(place.path("data/recordings/-1.wav")).unwrap();
    // The announcement until the call was held, and what SIPp sent back of it.
    let said: Vec<i16> =
        hum(500).into_iter().map(|sample| Codec::Pcmu.decode(Codec::Pcmu.encode(sample))).collect();
    let [ours, theirs] = [0, 1].map(|nth| find(&said, &side(&file, nth)));
    assert!((ours..ours + 8_000).contains(&theirs), "{ours} {theirs}");
}

/// Gives the program a voice that hums for five seconds.
fn speak_hum(place: &Place) {
    let settings = std::fs::read_to_string(place.path("voice-campaigns.toml")).unwrap();
    let settings = settings.replace("flite -voice kal -f /dev/stdin -o {output}", "cat hello.wav");
    std::fs::write(place.path("voice-campaigns.toml"), settings).unwrap();
    std::fs::write(place.path("hello.wav"), wav::write(8_000, &hum(5_000))).unwrap();
}

/// Another program that serves; ended when dropped, with all that it started.
struct Daemon(Child);

impl Daemon {
    /// What it says is in `log` then.
    fn start(place: &Place, program: &str, arguments: &[&str], log: &str) -> Daemon {
        let mut command = Command::new(peer(program));
        let log = std::fs::File::create(place.path(log)).unwrap();
        command.args(arguments).current_dir(place.path("")).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
        Daemon(command.spawn().unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.0);
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}

/// A file of `tests/sip` with these words put in their places.
fn filled(place: &Place, file: &str, words: &[(&str, String)]) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sip").join(file);
    let mut text = std::fs::read_to_string(source).unwrap();
    for (word, value) in words {
        text = text.replace(word, value);
    }
    std::fs::write(place.path(file), text).unwrap();
    place.path(file).to_str().unwrap().to_owned()
}

#[cfg_attr(not(all(has_sipp, has_kamailio)), ignore = "sipp or kamailio is not installed")]
#[test]
fn a_proxy_that_stays_on_the_way_is_kept_on_it_and_one_that_refuses_us_is_asked_three_times() {
    let (place, port, behind) = (Place::new(), free_port(), free_port());
    let _sipp = Sipp::play(&place, "behind-proxy.xml", "udp", behind);
    let words = [("LISTEN", port.to_string()), ("NEXT", behind.to_string())];
    let config = filled(&place, "kamailio.cfg", &words);
    let folder = place.path("").to_str().unwrap().to_owned();
    let arguments = ["-DD", "-E", "-m", "32", "-M", "4", "-Y", &folder, "-f", &config];
    let _kamailio = Daemon::start(&place, "kamailio", &arguments, "kamailio.log");
    set_trunk(&place, port, "udp");
    speak_hum(&place);
    let server = place.serve();
    let token = place.token("write");
    call(&server, &token, 1, ["+12025550101".to_owned()].into_iter());
    until(&server, || are_over(&calls(&server, &token), 1));
    assert_eq!(calls(&server, &token)[0]["outcome"], "success", "{:#}", calls(&server, &token)[0]);
    let log = || std::fs::read_to_string(place.path("kamailio.log")).unwrap();
    until(&server, || ["loose-routed ACK", "loose-routed BYE"].iter().all(|line| log().contains(line)));
    drop(server);

    let settings = std::fs::read_to_string(place.path("voice-campaigns.toml")).unwrap();
    std::fs::write(place.path("voice-campaigns.toml"), settings.replace("s3cret", "wrong")).unwrap();
    let server = place.serve();
    for number in ["+12025550102", "+12025550103", "+12025550104", "+12025550105"] {
        send(&server, "POST", "/api/voice-campaigns/1/leads", &token, &json!({"phone": number}));
    }
    send(&server, "PATCH", "/api/voice-campaigns/1/status", &token, &json!({"status": "active"}));
    let campaign = || -> Value {
        serde_json::from_str(&server.ask("GET", "/api/voice-campaigns/1/stats", &token).1).unwrap()
    };
    until(&server, || campaign()["standing"]["code"] == "carrier_refused");
    let calls = calls(&server, &token);
    let refused: Vec<&Value> = calls.iter().filter(|call| call["outcome"] == "carrier_refused").collect();
    assert_eq!((refused.len(), calls.len()), (3, 4), "the next one was dialed: {calls:#?}");
    let says_why = |call: &&Value| call["detail"].as_str().unwrap().contains("check the user name");
    assert!(refused.iter().all(says_why), "{refused:#?}");
}

#[cfg_attr(not(has_baresip), ignore = "baresip is not installed")]
#[test]
fn a_telephone_hears_us_holds_the_call_and_presses_nine() {
    let place = Place::new();
    std::fs::write(place.path("answer.wav"), wav::write(8_000, &hum(20_000))).unwrap();
    // It listens at the port after that of SIP as well, which somebody may have.
    let started = (0..5).find_map(|_| start_baresip(&place));
    let (_baresip, port, control) = started.expect("baresip does not start");
    set_trunk(&place, port, "udp");
    speak_hum(&place);
    let server = place.serve();
    let token = place.token("write");
    call(&server, &token, 1, ["+12025550101".to_owned()].into_iter());
    until(&server, || calls(&server, &token).first().is_some_and(|call| call["state"] == "answered"));
    let tell = |command: &str, parameters: &str| {
        let text = json!({"command": command, "params": parameters}).to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", control)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{}:{text},", text.len()).unwrap();
        let mut answer = [0; 1_024];
        let length = stream.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.contains("\"ok\":true"), "{command}: {answer}");
    };
    // As long as the greeting is not over it hears all of it.
    std::thread::sleep(Duration::from_secs(2));
    tell("hold", "");
    std::thread::sleep(Duration::from_millis(500));
    tell("resume", "");
    std::thread::sleep(Duration::from_millis(500));
    tell("sndcode", "9");
    until(&server, || are_over(&calls(&server, &token), 1));
    assert_eq!(calls(&server, &token)[0]["outcome"], "opted_out", "{:#}", calls(&server, &token)[0]);
    let files: Vec<_> = std::fs::read_dir(place.path("")).unwrap().map(|file| file.unwrap().path()).collect();
    let recorded = files.iter().find(|file| file.to_str().unwrap().ends_with("-dec.wav"));
    let recorded = wav::read(&std::fs::read(recorded.unwrap()).unwrap()).unwrap().samples;
    let source = hum(5_000);
    let said: Vec<i16> =
        source.iter().map(|sample| Codec::Pcmu.decode(Codec::Pcmu.encode(*sample))).collect();
    // Where the line is silent it writes a 2.
    let is_same = |(heard, said): (&i16, &i16)| (heard - said).abs() <= 2;
    let begin = recorded.windows(80).position(|window| window.iter().zip(&said).all(is_same));
    let begin = begin.expect("we were not heard");
    let heard = &recorded[begin..(begin + 8_000).min(recorded.len())];
    let same = heard.iter().zip(&said).filter(|pair| is_same(*pair)).count();
    println!("{same} of {} samples are the same", heard.len());
    assert!(same * 100 >= heard.len() * 95, "{same} of {}", heard.len());
}

#[cfg_attr(not(has_baresip), ignore = "baresip is not installed")]
#[test]
fn a_telephone_talks_with_an_agent_of_either_kind() {
    for kind in ["cascade", "realtime"] {
        talk_with_an_agent(kind);
    }
}

/// Whoever has the telephone hears the opening out, says yes, and is taken leave of.
fn talk_with_an_agent(kind: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let models = runtime.block_on(Models::start(|told| match told {
        "Yes, please." => tool(
            "",
            "report_outcome",
            json!({"outcome": "success", "reason": "They said yes.", "answers": {}}),
        ),
        told if told.starts_with("Written down.") => tool("Thank you, goodbye.", "end_call", json!({})),
        _ => words("Pardon?"),
    }));
    models.will_hear("Yes, please.");
    let place = Place::new();
    let quiet = |ms: usize| vec![0; ms * 8];
    let answer = [quiet(6_000), vowels(900).to_vec(), quiet(20_000)].concat();
    std::fs::write(place.path("answer.wav"), wav::write(8_000, &answer)).unwrap();
    let started = (0..5).find_map(|_| start_baresip(&place));
    let (_baresip, port, _) = started.expect("baresip does not start");
    set_trunk(&place, port, "udp");
    let settings = std::fs::read_to_string(place.path("voice-campaigns.toml")).unwrap();
    let url = models.url();
    let voice = format!("url = \"{url}\"\napi_key = \"sk-test\"\nmodel = \"tts-1\"");
    let settings =
        settings.replace("command = \"flite -voice kal -f /dev/stdin -o {output}\"", &voice).replace(
            "[sip]\n",
            &format!("[agent]\nkind = \"{kind}\"\nurl = \"{url}\"\napi_key = \"sk-test\"\n[sip]\n"),
        );
    std::fs::write(place.path("voice-campaigns.toml"), settings).unwrap();
    let server = place.serve();
    let token = place.token("write");
    let with = json!({"success_criteria": "they say yes"});
    call_with(&server, &token, with, ["+12025550101".to_owned()].into_iter());
    until(&server, || are_over(&calls(&server, &token), 1));
    let call = calls(&server, &token).remove(0);
    assert_eq!(call["outcome"], "success", "{kind}: {call:#}");
    let (_, body) = server.ask("GET", &format!("/api/calls/{}", call["id"]), &token);
    let whole: Value = serde_json::from_str(&body).unwrap();
    let text =
        |line: &Value| format!("{}: {}", line["speaker"].as_str().unwrap(), line["text"].as_str().unwrap());
    let said: Vec<String> = whole["transcript"].as_array().unwrap().iter().map(text).collect();
    let opening = "agent: This is an automated assistant. Hello, this is a test.";
    assert_eq!(said, [opening, "person: Yes, please.", "agent: Thank you, goodbye."], "{kind}");
    println!("{kind}: {}", whole["conversation"]["turns"]);
}

/// A telephone with the number of the only lead, its port, and the port on which it is told what to do.
fn start_baresip(place: &Place) -> Option<(Daemon, u16, u16)> {
    let (port, control) = (free_port(), free_port());
    let folder = place.path("").to_str().unwrap().trim_end_matches('/').to_owned();
    let words = [("LISTEN", port.to_string()), ("CONTROL", control.to_string()), ("FOLDER", folder.clone())];
    filled(place, "baresip.config", &words);
    std::fs::rename(place.path("baresip.config"), place.path("config")).unwrap();
    let account =
        format!("<sip:+12025550101@127.0.0.1:{port}>;regint=0;answermode=auto;audio_codecs=pcmu,pcma\n");
    std::fs::write(place.path("accounts"), account).unwrap();
    let baresip = Daemon::start(place, "baresip", &["-4", "-f", &folder], "baresip.log");
    for _ in 0..100 {
        let log = std::fs::read(place.path("baresip.log")).unwrap();
        if String::from_utf8_lossy(&log).contains("baresip is ready") {
            return Some((baresip, port, control));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

/// The only test of the whole way with sound of our own, so that it needs no other program.
#[test]
fn who_presses_nine_is_hung_up_and_never_called_again() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let presses_nine = |_: &_| {
        vec![
            Step::Reply(180, ""),
            Step::Wait(300),
            Step::ReplyWithSound(200, ""),
            Step::Wait(500),
            Step::Keys("9"),
        ]
    };
    let peer = runtime.block_on(Peer::start(Arc::new(Fast::new(1)), presses_nine));
    let place = Place::new();
    set_trunk(&place, peer.address.port(), "udp");
    speak_hum(&place);
    let server = place.serve();
    let token = place.token("write");
    call(&server, &token, 1, ["+12025550101".to_owned()].into_iter());
    until(&server, || are_over(&calls(&server, &token), 1));
    let ended = &calls(&server, &token)[0];
    assert_eq!((&ended["outcome"], &ended["detail"]), (&json!("opted_out"), &Value::Null), "{ended:#}");
    let (_, list) = server.ask("GET", "/api/do-not-call", &token);
    assert!(list.contains("+12025550101"), "{list}");
    runtime.block_on(peer.received("BYE"));
    assert!(peer.heard().iter().filter(|byte| **byte != 0xff).count() > 2_000, "the script was not heard");
    let sound = std::fs::read_dir(place.path("data/speech")).unwrap().count();
    assert_eq!(sound, 2, "what was said is kept: the script, and the goodbye");
}

#[test]
fn check_says_what_is_wrong_with_a_trunk_and_a_voice() {
    let place = Place::new();
    let write = |settings: &str| std::fs::write(place.path("voice-campaigns.toml"), settings).unwrap();
    assert!(place.answer(&["check", "--carrier"]).contains("no trunk is configured"));
    let trunk = format!("[[trunks]]\nname = \"town\"\nhost = \"127.0.0.1:{}\"\n", free_port());
    write(&format!(
        "default_country = \"US\"\nvoice.command = \"false\"\nsip.listen = \"127.0.0.1:5060\"\n{trunk}"
    ));
    let output = place.run(&["check", "--carrier"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "BROKEN  voice: the voice failed: `false` failed (exit status: 1)\nBROKEN  trunk town: it does not answer\n"
    );
    write(&trunk);
    let refused = place.run(&["serve", "--port", "0"]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("guard.allowed_countries"), "{refused:?}");
}

#[test]
fn the_page_is_told_of_a_trunk_that_does_not_answer_and_not_of_its_password() {
    let place = Place::new();
    let port = free_port();
    let settings = format!(
        "guard.allowed_countries = [\"US\"]\nvoice.command = \"true\"\nsip.listen = \"127.0.0.1:{}\"\n[[trunks]]\n\
         name = \"town\"\nhost = \"127.0.0.1:{port}\"\nusername = \"alice\"\npassword = \"s3cret\"\n\
         register = true\nchannels = 3\n",
        free_port()
    );
    std::fs::write(place.path("voice-campaigns.toml"), settings).unwrap();
    let server = place.serve();
    let token = place.token("read");
    let (status, answer) = server.ask("GET", "/api/carrier", &token);
    assert!(status == 200 && !answer.contains("s3cret"), "{status}: {answer}");
    let carrier: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&carrier["driver"], &carrier["status"]), (&json!("sip"), &json!("down")));
    let trunk = &carrier["trunks"][0];
    assert!(trunk["problem"].is_string(), "{trunk}");
    let told = |name: &str| trunk[name].clone();
    assert_eq!(
        ["name", "host", "status", "channels", "channels_in_use", "registered"].map(told),
        [json!("town"), json!(format!("127.0.0.1:{port}")), json!("down"), json!(3), json!(0), json!(false)]
    );
}
