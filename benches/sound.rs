//! The sound of many calls at a time, over the real driver and its one thread for sound: each is asked for, picked up, and
//! spoken on, and the other side sends back what it hears. How regularly the packets come is measured by another process,
//! where they arrive; that of SIPp's own sound, with as many calls as it manages, in the same run and by the same clock.

use crate::support::{Bar, Shelf, Spread, folder, report, role};
use chrono::TimeDelta;
use serde_json::json;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use voice_campaigns::carrier::sip::{Settings, Sip};
use voice_campaigns::carrier::{Carrier, DialRequest, Leg, LegEvents, Report};
use voice_campaigns::clock::{Clock, System};
use voice_campaigns::domain::call::{LegCommand, LegEvent};
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::domain::voice::Voice;
use voice_campaigns::speech::{Saying, Sound, Synthesizer};

const CALLS: usize = 500;
const SECONDS: u64 = 15;
const GAP_MS_MAX: f64 = 25.0;
/// Sockets of the other side; each has its own thread.
const EARS: usize = 4;
/// How long the library remembers a call that is over.
const REMEMBERED: Duration = Duration::from_secs(45);

pub(crate) fn run(_: &mut Shelf) -> bool {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut far = Far::start();
    let (ours, cpu, left) = runtime.block_on(call(&mut far));
    let theirs = sipp(&mut far);
    let far_side = match &theirs {
        Some(told) => format!("SIPp, {} calls: p99 {:.1} ms", told.calls, told.gaps.p99),
        None => "SIPp is not installed".to_owned(),
    };
    let is_regular = report(
        "sound of 500 calls, p99 gap",
        &format!("{:.2} ms", ours.gaps.p99),
        &far_side,
        ours.gaps.p99 / GAP_MS_MAX,
        Bar::AtMost(1.0),
        &format!(
            "of {GAP_MS_MAX} ms; p50 {:.2}, max {:.1} ms, {} packets, {:.0} % of one core",
            ours.gaps.p50,
            ours.gaps.max,
            ours.packets,
            cpu * 100.0
        ),
    );
    let is_clean = report(
        "left of 500 calls that are over",
        &format!("{} sockets, {} tasks", left.0, left.1),
        "none",
        (left.0 + left.1) as f64,
        Bar::AtMost(0.0),
        "more than before the first",
    );
    assert_eq!(ours.calls, CALLS, "not all calls were heard");
    is_regular && is_clean
}

/// Says everything with a minute of a tone.
struct Tone(Sound);

impl Tone {
    fn new() -> Tone {
        let sample = |n: u32| (f64::from(n) * 440.0 * std::f64::consts::TAU / 8_000.0).sin() * 9_000.0;
        Tone((0..60 * 8_000).map(|n| sample(n) as i16).collect())
    }
}

impl Synthesizer for Tone {
    fn say(&self, _: &str, _: &Voice) -> Saying {
        let sound = self.0.clone();
        Box::pin(async move { Ok(sound) })
    }
}

fn sockets() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Processor time of the thread for sound.
fn sound_time() -> Duration {
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        if let Some((name, after)) = stat.rsplit_once(") ")
            && name.ends_with("(sound")
        {
            let ticks = after.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
            return Duration::from_millis(ticks.sum::<u64>() * 10);
        }
    }
    panic!("there is no thread for sound");
}

/// What the far side heard, the share of a core that it took, and what is left afterwards.
async fn call(far: &mut Far) -> (Told, f64, (usize, usize)) {
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let settings = Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        rtp_ports: "20000-29999".parse().unwrap(),
        ..Settings::default()
    };
    let trunk =
        json!({"name": "far", "host": far.address.to_string(), "channels": 2_000, "calls_per_second": 100});
    let trunks = [serde_json::from_value(trunk).unwrap()];
    let sip = Sip::start(settings, &trunks, Arc::new(Tone::new()), clock.clone()).await.unwrap();
    assert_eq!(sip.check().await[0].problem, None);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = (sockets(), tasks());

    let (inbox, mut reports) = mpsc::unbounded_channel();
    let mut legs = HashMap::new();
    let mut answered = 0;
    for id in 1..=CALLS as i64 {
        if let Some(at) = sip.capacity().next_at {
            clock.sleep_until(at).await;
        }
        legs.insert(id, sip.dial(request(id), LegEvents::new(id, inbox.clone())));
        while let Ok(report) = reports.try_recv() {
            answered += speak(&mut legs, report);
        }
    }
    while answered < CALLS {
        answered += speak(&mut legs, reports.recv().await.unwrap());
    }
    far.tell("begin");
    let (began, cpu) = (Instant::now(), sound_time());
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    let cpu = (sound_time() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let told = far.told();
    legs.values_mut().for_each(|leg| leg.command(LegCommand::HangUp));
    while sip.health()[0].live > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ended = Instant::now();
    let left = || (sockets().saturating_sub(before.0), tasks().saturating_sub(before.1));
    while left() != (0, 0) && ended.elapsed() < REMEMBERED {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    (told, cpu, left())
}

fn request(call_id: i64) -> DialRequest {
    DialRequest {
        call_id,
        lead_id: call_id,
        attempt: 1,
        phone: Phone::from_e164("+12025550101").unwrap(),
        caller_id: None,
        ring_timeout: TimeDelta::seconds(30),
        words: vec!["Hello.".into()],
        voice: Voice::default(),
        recorded: Vec::new(),
        machine_detection: None,
    }
}

/// Speaks to whoever picked up; the answer is how many those are.
fn speak(legs: &mut HashMap<i64, Leg>, report: Report) -> usize {
    match report.event {
        LegEvent::Answered => {
            let text = "Hello.".into();
            legs.get_mut(&report.call_id).unwrap().command(LegCommand::Speak { text, speech_ms: 60_000 });
            1
        }
        LegEvent::Ended(cause, detail) => panic!("a call ended: {cause} {detail:?}"),
        LegEvent::Ringing
        | LegEvent::MachineDetected
        | LegEvent::SpeechBegan
        | LegEvent::SpeechEnded
        | LegEvent::RecordingBegan
        | LegEvent::Recorded(_)
        | LegEvent::NotRecorded(_)
        | LegEvent::KeysUnheard(_)
        | LegEvent::Digit(_)
        | LegEvent::OptOutAsked
        | LegEvent::Transferred
        | LegEvent::Said(_)
        | LegEvent::Asked(_)
        | LegEvent::Turn(_)
        | LegEvent::AgentUsed(_)
        | LegEvent::AgentFailed(_)
        | LegEvent::Judged(_)
        | LegEvent::TransferRefused(_) => 0,
    }
}

/// The same from SIPp, which only sends; none where it is not installed.
fn sipp(far: &mut Far) -> Option<Told> {
    let folder = folder();
    let tone = Tone::new().0;
    let sound: Vec<u8> =
        tone.iter().map(|sample| voice_campaigns::media::g711::Codec::Pcmu.encode(*sample)).collect();
    std::fs::write(folder.path().join("tone.ulaw"), sound).unwrap();
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/sound.xml");
    let calls = CALLS.to_string();
    let mut sipp = Command::new("sipp")
        .arg(far.address.to_string())
        .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-r", "100", "-l", &calls, "-m", &calls])
        .args(["-nd", "-nostdin", "-sf"])
        .arg(scenario)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // So long it takes to call everybody.
    std::thread::sleep(Duration::from_secs(CALLS as u64 / 100 + 2));
    far.tell("begin");
    std::thread::sleep(Duration::from_secs(SECONDS));
    let told = far.told();
    let _ = sipp.kill();
    let _ = sipp.wait();
    Some(told)
}

/// What the far side heard.
struct Told {
    /// Of how many.
    calls: usize,
    packets: usize,
    gaps: Spread,
}

/// The other side of all calls, in a process of its own.
struct Far {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Far {
    fn start() -> Far {
        let mut command = role::command(&["hear"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut far = Far { child, stdin, stdout, address: "127.0.0.1:0".parse().unwrap() };
        far.address = far.line().parse().unwrap();
        far
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.stdin, "{word}").unwrap();
    }

    fn told(&mut self) -> Told {
        self.tell("end");
        let numbers: Vec<f64> = self.line().split(' ').map(|number| number.parse().unwrap()).collect();
        let [calls, packets, p50, p99, max] = numbers[..] else { panic!("{numbers:?}") };
        Told { calls: calls as usize, packets: packets as usize, gaps: Spread { p50, p99, max } }
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// When packets came, by where from.
type Arrivals = Arc<Mutex<HashMap<(SocketAddr, [u8; 4]), Vec<Instant>>>>;

/// Picks up every call and sends back what it hears; says how regularly it came between `begin` and `end`.
pub(crate) fn child() {
    let signals = UdpSocket::bind("127.0.0.1:0").unwrap();
    println!("{}", signals.local_addr().unwrap());
    let is_counting = Arc::new(AtomicBool::new(false));
    let mut ports = Vec::new();
    let mut heard: Vec<Arrivals> = Vec::new();
    for _ in 0..EARS {
        let (socket, arrivals) = (UdpSocket::bind("127.0.0.1:0").unwrap(), Arrivals::default());
        ports.push(socket.local_addr().unwrap().port());
        heard.push(arrivals.clone());
        let is_counting = is_counting.clone();
        std::thread::spawn(move || listen(&socket, &arrivals, &is_counting));
    }
    std::thread::spawn(move || pick_up(&signals, &ports));
    for word in std::io::stdin().lines() {
        let is_beginning = word.unwrap() == "begin";
        if is_beginning {
            heard.iter().for_each(|arrivals| arrivals.lock().unwrap().clear());
        }
        is_counting.store(is_beginning, Ordering::Relaxed);
        if is_beginning {
            continue;
        }
        let (mut calls, mut packets, mut gaps) = (0, 0, Vec::new());
        for arrivals in &heard {
            for times in arrivals.lock().unwrap().values() {
                calls += 1;
                packets += times.len();
                gaps.extend(times.windows(2).map(|pair| pair[1] - pair[0]));
            }
        }
        gaps.resize(gaps.len().max(1), Duration::ZERO);
        let Spread { p50, p99, max } = Spread::of(gaps);
        println!("{calls} {packets} {p50} {p99} {max}");
    }
}

fn listen(socket: &UdpSocket, arrivals: &Arrivals, is_counting: &AtomicBool) {
    let mut buffer = [0; 2_048];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        let at = Instant::now();
        let _ = socket.send_to(&buffer[..length], from);
        if length >= 12 && is_counting.load(Ordering::Relaxed) {
            let speaker = [buffer[8], buffer[9], buffer[10], buffer[11]];
            arrivals.lock().unwrap().entry((from, speaker)).or_default().push(at);
        }
    }
}

fn pick_up(socket: &UdpSocket, ports: &[u16]) {
    let (mut buffer, count) = ([0; 8_192], AtomicUsize::new(0));
    let own = socket.local_addr().unwrap();
    loop {
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let method = text.split(' ').next().unwrap_or_default();
        let copied = ["Via:", "From:", "Call-ID:", "CSeq:"];
        let mut head: String = text
            .lines()
            .take_while(|line| !line.is_empty())
            .filter(|line| copied.iter().any(|name| line.starts_with(name)))
            .map(|line| format!("{line}\r\n"))
            .collect();
        let to = text.lines().find(|line| line.starts_with("To:")).unwrap_or_default();
        let tag = if to.contains("tag=") { "" } else { ";tag=far" };
        head.push_str(&format!("{to}{tag}\r\nContact: <sip:far@{own}>\r\n"));
        let body = match method {
            "INVITE" => {
                let port = ports[count.fetch_add(1, Ordering::Relaxed) % ports.len()];
                format!(
                    "v=0\r\no=u 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                     m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
                )
            }
            "OPTIONS" | "BYE" | "CANCEL" => String::new(),
            _ => continue,
        };
        if !body.is_empty() {
            head.push_str("Content-Type: application/sdp\r\n");
        }
        let reply = format!("SIP/2.0 200 OK\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len());
        socket.send_to(reply.as_bytes(), from).unwrap();
    }
}
