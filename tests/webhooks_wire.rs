//! Webhooks on a real wire: the official library as the receiver, receivers without manners, URLs that lead where
//! nothing may be sent, and how soon an event arrives.

use crate::support::evidence;
use crate::support::receiver::{Manners, Received, Receiver, answer, status};
use crate::support::world::folder_in_memory;
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use ureq::http::HeaderMap;
use voice_campaigns::clock::System;
use voice_campaigns::domain::address::Network;
use voice_campaigns::domain::campaign::{Request, Status};
use voice_campaigns::domain::delivery::{Reply, TryError};
use voice_campaigns::domain::endpoint::EndpointRequest;
use voice_campaigns::store::{DeliveryFilter, Store, StoreError, Tx};
use voice_campaigns::webhooks::{self, Addresses, Client, Lookup, Post, SystemLookup, WebClient};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz";

fn loopback() -> Vec<Network> {
    vec!["127.0.0.0/8".parse().unwrap()]
}

fn client() -> WebClient {
    WebClient::new(&loopback(), Arc::new(SystemLookup)).unwrap()
}

fn post_to(url: &str) -> Post {
    Post {
        url: url.into(),
        message_id: "msg_1".into(),
        timestamp: 1,
        signature: "v1,x".into(),
        body: "{}".into(),
    }
}

/// A store and the worker that delivers from it, in the time of this machine.
struct Running {
    store: Store,
    stop: watch::Sender<bool>,
    worker: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start() -> Running {
        let folder = folder_in_memory();
        let store = Store::open(folder.path(), Arc::new(System::new())).unwrap();
        let stop = watch::Sender::new(false);
        let worker = tokio::spawn(webhooks::run(store.clone(), Arc::new(client()), stop.subscribe()));
        Running { store, stop, worker, _folder: folder }
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tx) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.store.write(job).await.unwrap()
    }

    async fn campaign(&self) -> i64 {
        let body = json!({
            "name": "Survey", "status": "draft", "calls_per_day": 10, "calling_hours_start": "09:00:00",
            "calling_hours_end": "17:00:00", "system_prompt": "Be kind", "script_template": "Hello.",
        });
        let request = Request::read(body, None).unwrap();
        self.write(move |tx| tx.insert_campaign(&request, "test")).await.id
    }

    async fn endpoint(&self, url: String) -> i64 {
        let request = EndpointRequest::read(json!({"url": url, "secret": SECRET}), None).unwrap();
        self.write(move |tx| tx.insert_endpoint(&request)).await.0.id
    }

    /// One event.
    async fn toggle(&self, id: i64) {
        self.write(move |tx| {
            let campaign = tx.campaign(id)?.unwrap();
            let to = if campaign.status == Status::Active { Status::Paused } else { Status::Active };
            tx.change_status(&campaign, to, "test").map(drop)
        })
        .await;
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        self.worker.await.unwrap();
    }
}

/// A delivery as its receiver gets it, or as somebody touched it.
#[derive(Clone, Serialize)]
struct Delivery {
    secret: String,
    body: String,
    headers: BTreeMap<&'static str, String>,
    /// Whether it has to be believed.
    is_ours: bool,
}

/// One delivery to an endpoint that has two secrets, under each of them as it came and touched in all ways, and under a
/// secret that is somebody else's.
async fn deliveries() -> Vec<Delivery> {
    let (receiver, running) = (Receiver::start(status(204)), Running::start());
    let campaign = running.campaign().await;
    let endpoint = running.endpoint(receiver.url("/hook?a=1")).await;
    let new_secret = running.write(move |tx| tx.rotate_secret(endpoint)).await;
    running.toggle(campaign).await;
    tokio::task::block_in_place(|| receiver.wait_for(1));
    running.stop().await;
    let [received] = &receiver.ledger()[..] else { panic!() };
    assert_eq!(
        (received.path.as_str(), received.headers["content-type"].as_str()),
        ("/hook?a=1", "application/json")
    );
    assert!(received.headers["user-agent"].starts_with("voice-campaigns/"));
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers = BTreeMap::from(names.map(|name| (name, received.headers[name].clone())));
    let came = Delivery { secret: SECRET.into(), body: received.body.clone(), headers, is_ours: true };
    let timestamp: i64 = came.headers["webhook-timestamp"].parse().unwrap();
    let other_version = came.headers["webhook-signature"].replace("v1,", "v2,");
    let touched = [
        ("webhook-id", format!("{}x", received.id())),
        ("webhook-timestamp", (timestamp + 1).to_string()),
        ("webhook-timestamp", (timestamp - 301).to_string()),
        ("webhook-signature", "v1,".into()),
        ("webhook-signature", "v1".into()),
        ("webhook-signature", String::new()),
        ("webhook-signature", "v2,x".into()),
        ("webhook-signature", other_version),
    ];
    let mut all = Vec::new();
    for secret in [SECRET.to_owned(), new_secret] {
        let came = Delivery { secret, ..came.clone() };
        for (name, value) in &touched {
            let mut delivery = Delivery { is_ours: false, ..came.clone() };
            delivery.headers.insert(name, value.clone());
            all.push(delivery);
        }
        let body = received.body.replacen("draft", "Draft", 1);
        all.extend([Delivery { body, is_ours: false, ..came.clone() }, came]);
    }
    let stranger = "whsec_c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2Vy".to_owned();
    all.push(Delivery { secret: stranger, is_ours: false, ..came });
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_library_verifies_what_comes_and_refuses_whatever_was_touched() {
    for delivery in deliveries().await {
        let official = standardwebhooks::Webhook::new(&delivery.secret).unwrap();
        let headers =
            delivery.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let verdict = official.verify(delivery.body.as_bytes(), &headers.collect::<HeaderMap>());
        assert_eq!(verdict.is_ok(), delivery.is_ours, "{:?}", delivery.headers);
    }
}

/// Hands the deliveries to a receiver in another language.
async fn are_told_apart_by(program: &str, script: &str) {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut receiver = Command::new(program)
        .arg(home.join("tests/webhooks").join(script))
        .env("MODULES", home.join("target/browser"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let deliveries = serde_json::to_vec(&deliveries().await).unwrap();
    receiver.stdin.take().unwrap().write_all(&deliveries).unwrap();
    assert!(receiver.wait().unwrap().success(), "{script} says why");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_browser), ignore = "needs node and what tests/run installs for it")]
async fn the_official_library_for_javascript_does_so_too() {
    are_told_apart_by("node", "verify.mjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_python), ignore = "needs python3 and what tests/run installs for it")]
async fn the_official_library_for_python_does_so_too() {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/openapi/venv/bin/python");
    are_told_apart_by(python, "verify.py").await;
}

/// Writes pieces with pauses, until nobody listens.
fn drip(head: &'static str, piece: &'static str) -> Manners {
    Arc::new(move |_, stream| {
        let mut alive = stream.write_all(head.as_bytes()).is_ok();
        while alive {
            std::thread::sleep(Duration::from_millis(200));
            alive = stream.write_all(piece.as_bytes()).is_ok();
        }
    })
}

fn hang() -> Manners {
    Arc::new(|_, stream| {
        let mut rest = [0];
        // Until the other side hangs up.
        let _ = std::io::Read::read(stream, &mut rest);
    })
}

/// The status or the error of each receiver without manners.
fn short(reply: &Reply) -> String {
    match reply {
        Reply::Answered { status, .. } => status.to_string(),
        Reply::Failed(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_manners_a_receiver_has_a_try_ends_in_time_and_says_how() {
    let elsewhere = Receiver::start(status(200));
    let moved =
        format!("HTTP/1.1 302 X\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url("/moved"));
    let endless = Arc::new(|_: &Received, stream: &mut std::net::TcpStream| {
        let mut alive = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").is_ok();
        while alive {
            alive = stream.write_all(&[b'x'; 16_384]).is_ok();
        }
    });
    let cases: Vec<(&str, Manners, &str)> = vec![
        ("fine", status(200), "200"),
        ("nothing to say", status(204), "204"),
        ("broken", status(500), "500"),
        ("busy", answer("HTTP/1.1 429 X\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nwait"), "429"),
        ("gone", status(410), "410"),
        ("elsewhere", answer(&moved), "302"),
        ("says nothing", Arc::new(|_, _| ()), "broken"),
        ("hangs", hang(), "timeout"),
        ("drips its head", drip("HTTP/1.1 200 OK\r\n", "X-More: 1\r\n"), "timeout"),
        ("drips its body", drip("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", "x"), "200"),
        ("never ends", endless, "200"),
        ("ends before its body", answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"), "200"),
        ("ends within its body", answer("HTTP/1.1 500 X\r\nContent-Length: 10\r\n\r\noh"), "500"),
        ("speaks something else", answer("SSH-2.0-OpenSSH_9.6\r\n"), "broken"),
        (
            "has a long head",
            answer(&format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20))),
            "broken",
        ),
        ("only informs", answer("HTTP/1.1 103 X\r\n\r\n"), "broken"),
    ];
    let client = client();
    let tries = cases.into_iter().map(|(name, manners, expected)| {
        let receiver = Receiver::start(manners);
        let replying = client.post(post_to(&receiver.url("/")));
        tokio::spawn(async move {
            let started = now();
            let reply = replying.await;
            (name, expected, reply, now() - started, receiver)
        })
    });
    for one in tries.collect::<Vec<_>>() {
        let (name, expected, reply, took, _receiver) = one.await.unwrap();
        assert_eq!(short(&reply), expected, "{name}: {reply:?}");
        assert!(took < Duration::from_secs(17), "{name} took {took:?}");
        let quick = !["hangs", "drips its head", "drips its body"].contains(&name);
        assert!(!quick || took < Duration::from_secs(5), "{name} took {took:?}");
        if let Reply::Answered { excerpt, retry_after, .. } = reply {
            assert!(excerpt.len() <= 200);
            assert_eq!(retry_after.as_deref(), (name == "busy").then_some("7"));
        }
    }
    assert!(elsewhere.ledger().is_empty(), "a redirect was followed");

    let nobody = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}/");
    let plain = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let secure = format!("https://{}/", plain.local_addr().unwrap());
    std::thread::spawn(move || {
        plain.incoming().flatten().for_each(|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            // What came must be read, or the answer is lost with the connection.
            let _ = std::io::Read::read(&mut stream, &mut [0; 4_096]);
        });
    });
    assert_eq!(client.post(post_to(&url)).await, Reply::Failed(TryError::NotConnected));
    assert_eq!(client.post(post_to(&secure)).await, Reply::Failed(TryError::NotSecure));
}

#[allow(clippy::disallowed_methods, reason = "the time on a real wire")]
fn now() -> Instant {
    Instant::now()
}

/// Addresses by name; each look is counted, and takes the next answer.
#[derive(Default)]
struct Names {
    answers: HashMap<String, Vec<Vec<IpAddr>>>,
    looks: Mutex<HashMap<String, usize>>,
}

impl Lookup for Names {
    fn addresses(&self, name: &str) -> Addresses {
        let mut looks = self.looks.lock().unwrap();
        let look = looks.entry(name.to_owned()).or_default();
        let answers = self.answers.get(name).cloned().unwrap_or_default();
        let answer = answers.get((*look).min(answers.len().saturating_sub(1))).cloned();
        *look += 1;
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }
}

fn names(answers: &[(&str, &[&[&str]])]) -> Names {
    let addresses = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let answers =
        answers.iter().map(|(name, looks)| ((*name).to_owned(), looks.iter().map(addresses).collect()));
    Names { answers: answers.collect(), looks: Mutex::default() }
}

/// Where a URL must not lead, by itself or by what its name resolves to.
const FORBIDDEN: &[&str] = &[
    // Loopback, in all spellings.
    "http://127.0.0.1/",
    "http://127.0.0.1:8000/",
    "http://127.1/",
    "http://127.255.255.254/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://①②⑦.0.0.1/",
    "http://127。0。0。1/",
    "http://0/",
    "http://0.0.0.0:8000/",
    "http://0.1.2.3/",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]:8000/",
    "http://[::127.0.0.1]/",
    "http://%31%32%37.0.0.1/",
    // IPv4 inside IPv6.
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[2a00:1450::5efe:127.0.0.1]/",
    // The clouds' own.
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://168.63.129.16/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://169.254.170.2/",
    // Private networks, and what is no host at all.
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://100.127.255.254/",
    "http://169.254.1.1/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://198.51.100.7/",
    "http://203.0.113.9/",
    "http://192.88.99.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[100::1]/",
    // Other schemes, users, ports.
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "unix:/run/x.sock",
    "javascript:alert(1)",
    "http://me@example.com/",
    "http://me:pw@example.com/",
    "https://example.com@127.0.0.1/",
    "http://127.0.0.1#@example.com/",
    "http://example.com:22/",
    "http://example.com:25/",
    "http://example.com:6/",
    "http://example.com:1023/",
    "http://example.com:0/",
    "http://",
    "//example.com/",
    "example.com",
    // Names.
    "http://localhost/",
    "http://LOCALHOST:8000/",
    "http://localhost./",
    "http://localtest.example/",
    "http://metadata.example/",
    "http://mixed.example/",
    "http://mapped.example/",
    "http://six.example/",
    "http://nowhere.example/",
    "http://127.0.0.1.example/",
    "http://xn--localhost-9za.example/",
];

#[tokio::test]
async fn no_url_leads_to_what_only_this_machine_can_reach() {
    assert!(FORBIDDEN.len() >= 60);
    let receiver = Receiver::start(status(200));
    let private: &[&[&str]] = &[&["127.0.0.1"]];
    let lookup = names(&[
        ("localhost", private),
        ("localhost.", private),
        ("localtest.example", private),
        ("metadata.example", &[&["169.254.169.254"]]),
        ("mixed.example", &[&["93.184.215.14", "10.0.0.1"]]),
        ("mapped.example", &[&["::ffff:127.0.0.1"]]),
        ("six.example", &[&["::1"]]),
        ("127.0.0.1.example", private),
        ("xn--localhost-9za.example", private),
        ("example.com", &[&["93.184.215.14"]]),
    ]);
    let client = WebClient::new(&[], Arc::new(lookup)).unwrap();
    for url in FORBIDDEN {
        // To the port of a receiver, where the URL leaves it open.
        let port = receiver.address.port();
        let url = url.replace(":8000/", &format!(":{port}/"));
        let reply = client.post(post_to(&url)).await;
        let expected = match url.as_str() {
            "http://nowhere.example/" => [TryError::UnknownHost; 2],
            _ => [TryError::RefusedUrl, TryError::RefusedAddress],
        };
        assert!(expected.map(Reply::Failed).contains(&reply), "{url}: {reply:?}");
    }
    assert!(receiver.ledger().is_empty());
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_on_the_second_look_leads_nowhere() {
    let good = Receiver::start_at(Ipv4Addr::new(127, 0, 0, 2), status(200));
    let port = good.address.port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let secret = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    std::thread::spawn(move || {
        secret.incoming().for_each(|_| _ = counter.fetch_add(1, Ordering::SeqCst));
    });
    let lookup = Arc::new(names(&[("rebind.example", &[&["127.0.0.2"], &["127.0.0.1"]])]));
    let client = WebClient::new(&["127.0.0.2/32".parse().unwrap()], lookup.clone()).unwrap();
    let url = format!("http://rebind.example:{port}/");
    let first = client.post(post_to(&url)).await;
    assert_eq!(short(&first), "200");
    assert_eq!(lookup.looks.lock().unwrap()["rebind.example"], 1, "one look for each connection");
    let second = client.post(post_to(&url)).await;
    assert_eq!(second, Reply::Failed(TryError::RefusedAddress));
    assert_eq!((good.ledger().len(), asked.load(Ordering::SeqCst)), (1, 0));
    assert_eq!(good.ledger()[0].headers["host"], format!("rebind.example:{port}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_hangs_delays_no_other() {
    let (slow, quick) = (Receiver::start(hang()), Receiver::start(status(200)));
    let running = Running::start();
    let campaign = running.campaign().await;
    running.endpoint(slow.url("/")).await;
    running.endpoint(quick.url("/")).await;
    for _ in 0..30 {
        let started = now();
        running.toggle(campaign).await;
        tokio::task::block_in_place(|| quick.wait_for(1));
        let took = quick.ledger().last().unwrap().at - started;
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    assert_eq!((slow.ledger().len(), quick.ledger().len()), (8, 30));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_fifty_events_a_second_each_arrives_within_two_seconds() {
    let seconds = evidence::number("VC_TEST_LOAD_SECONDS", 4);
    let (receiver, running) = (Receiver::start(status(200)), Running::start());
    let campaign = running.campaign().await;
    running.endpoint(receiver.url("/")).await;
    let count = seconds * 50;
    let mut committed = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..count {
        pace.tick().await;
        running.toggle(campaign).await;
        committed.push(now());
    }
    tokio::task::block_in_place(|| receiver.wait_for(count as usize));
    let mut waits: Vec<Duration> = receiver
        .ledger()
        .iter()
        .map(|received| {
            let sequence = received.json()["data"]["sequence"].as_u64().unwrap() as usize;
            received.at.saturating_duration_since(committed[sequence - 1])
        })
        .collect();
    waits.sort();
    let at = |share: usize| waits[(waits.len() * share / 1_000).min(waits.len() - 1)];
    println!("{count} events at 50/s: first try p50 {:?}, p99 {:?}, max {:?}", at(500), at(990), at(1_000));
    assert_eq!(waits.len() as u64, count);
    assert!(at(990) < Duration::from_secs(2));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_lets_the_tries_under_way_end_and_writes_them_down() {
    let slow: Manners = Arc::new(|_, stream| {
        std::thread::sleep(Duration::from_millis(500));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let (receiver, running) = (Receiver::start(slow), Running::start());
    let campaign = running.campaign().await;
    running.endpoint(receiver.url("/")).await;
    running.toggle(campaign).await;
    tokio::task::block_in_place(|| receiver.wait_for(1));
    let store = running.store.clone();
    running.stop().await;
    let filter = DeliveryFilter { limit: 10, ..DeliveryFilter::default() };
    let deliveries = store.read(move |s| s.deliveries(&filter)).await.unwrap();
    assert_eq!(deliveries[0].state.to_string(), "delivered");
}
