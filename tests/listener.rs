//! The listener in front of the HTTP server, on real sockets: what half a request, a slow one or too many of them may
//! take, and that nobody else waits for them. Its times are short here.

use crate::support::evidence;
use crate::support::program::{Place, status};
use crate::support::{Options, TestServer, WRITER};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use voice_campaigns::http::Door;
use voice_campaigns::listener::{Connect, Limits, Listener, Times};

const MS: fn(u64) -> Duration = Duration::from_millis;
const PATIENCE: Duration = Duration::from_secs(20);

fn short() -> Times {
    Times { head: MS(300), body_piece: MS(50), answer: MS(600), idle: MS(500), stall: MS(300) }
}

/// A listener before a server of a few lines, which answers `/` at once, `/slow` never, `/drip` for two seconds and
/// `/large` with 64 MB; any other request when its body of `Content-Length` bytes is whole.
struct Scene {
    address: SocketAddr,
    /// Who asked, in their order.
    heard: Arc<Mutex<Vec<SocketAddr>>>,
    /// Has a receiver for each connection that the server has.
    served: Arc<watch::Sender<()>>,
    stop: watch::Sender<bool>,
}

impl Scene {
    async fn new(limits: Limits) -> Scene {
        let (heard, served) = (Arc::<Mutex<Vec<SocketAddr>>>::default(), Arc::new(watch::Sender::new(())));
        let (hears, serves) = (heard.clone(), served.clone());
        let connect: Connect = Arc::new(move |client| {
            hears.lock().unwrap().push(client);
            let (here, there) = tokio::io::duplex(64 * 1024);
            let is_served = serves.subscribe();
            tokio::spawn(async move {
                let _ = serve(here).await;
                drop(is_served);
            });
            Some(there)
        });
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let stop = watch::Sender::new(false);
        let listener = Listener::new(socket, limits, None, connect);
        tokio::spawn(listener.run(stop.subscribe()));
        Scene { address, heard, served, stop }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What comes until the connection ends.
    async fn told(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        rest(&mut stream).await
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut told = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut told)).await.expect("the connection ends");
    String::from_utf8_lossy(&told).into_owned()
}

async fn serve(mut stream: DuplexStream) -> std::io::Result<()> {
    let mut seen = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let end = loop {
            if let Some(at) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            seen.extend_from_slice(&buffer[..read]);
        };
        let head = String::from_utf8_lossy(&seen[..end]).into_owned();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |n| n.parse().unwrap());
        while seen.len() < end + length {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            seen.extend_from_slice(&buffer[..read]);
        }
        seen.drain(..end + length);
        match head.split(' ').nth(1).unwrap_or_default() {
            "/slow" => _ = stream.read(&mut buffer).await?,
            "/drip" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                for _ in 0..10 {
                    tokio::time::sleep(MS(200)).await;
                    stream.write_all(b": still here\n").await?;
                }
                return Ok(());
            }
            "/large" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
                for _ in 0..1024 {
                    stream.write_all(&[b'x'; 65_536]).await?;
                }
                return Ok(());
            }
            _ => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await?,
        }
    }
}

fn on(times: Times) -> Limits {
    Limits { connections: 2_048, connections_per_address: 64, times }
}

#[tokio::test]
async fn half_a_request_is_let_go_in_time_and_the_server_never_hears_of_it() {
    let scene = Scene::new(on(short())).await;
    let began = Instant::now();
    for (bytes, status) in [("", "408"), ("G", "408"), ("GET / HTTP/1.1\r\nHost: a\r\n", "408")] {
        assert!(scene.told(bytes.as_bytes()).await.contains(status), "{bytes:?}");
    }
    assert!(began.elapsed() < PATIENCE / 2);
    let long = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(70_000));
    assert!(scene.told(long.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    assert_eq!(scene.heard.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_head_in_pieces_without_an_end_does_not_win_time() {
    let scene = Scene::new(on(short())).await;
    let mut stream = scene.connect().await;
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        while writer.write_all(b"a").await.is_ok() {
            tokio::time::sleep(MS(20)).await;
        }
    };
    let mut told = Vec::new();
    tokio::select! {
        _ = timeout(PATIENCE, reader.read_to_end(&mut told)) => {}
        () = drip => {}
    }
    assert!(String::from_utf8_lossy(&told).starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn a_body_that_comes_steadily_may_take_long_and_one_that_stops_may_not() {
    let scene = Scene::new(on(short())).await;
    let size = 16 * 1024 * 30;
    let mut stream = scene.connect().await;
    stream.write_all(format!("POST /b HTTP/1.1\r\nContent-Length: {size}\r\n\r\n").as_bytes()).await.unwrap();
    let began = Instant::now();
    for _ in 0..30 {
        stream.write_all(&[b'z'; 16 * 1024]).await.unwrap();
        tokio::time::sleep(MS(20)).await;
    }
    let mut told = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut told)).await.unwrap().unwrap();
    assert_eq!(&told, b"HTTP/1.1 200");
    assert!(began.elapsed() > short().head);

    let mut stream = scene.connect().await;
    stream
        .write_all(format!("POST /b HTTP/1.1\r\nContent-Length: {size}\r\n\r\nz").as_bytes())
        .await
        .unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn an_answer_may_drip_for_ever_but_one_that_never_begins_or_is_never_read_ends() {
    let scene = Scene::new(on(short())).await;
    let dripped = scene.told(b"GET /drip HTTP/1.1\r\n\r\n").await;
    assert_eq!(dripped.matches("still here").count(), 10);
    assert_eq!(scene.told(b"GET /slow HTTP/1.1\r\n\r\n").await, "");

    let mut stream = scene.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\n\r\n").await.unwrap();
    timeout(PATIENCE, async {
        while scene.heard.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await;
        }
        scene.served.closed().await;
    })
    .await
    .expect("it is let go");
    let all: usize = rest(&mut stream).await.len();
    assert!(all < 64 << 20, "a reader that stalls is let go, not waited for");
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection_and_an_idle_one_ends() {
    let scene = Scene::new(on(short())).await;
    let mut stream = scene.connect().await;
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        "GET / HTTP/1.1\r\n\r\n",
    ] {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut told = [0; 40];
        timeout(PATIENCE, stream.read_exact(&mut told)).await.unwrap().unwrap();
        assert!(told.ends_with(b"ok"));
    }
    assert_eq!(rest(&mut stream).await, "");
}

/// A thousand hosts with half a request each, and one with a whole one: what the others do is not felt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_those_who_send_half_requests() {
    let limits = Limits {
        connections: 1_000,
        connections_per_address: 2,
        times: Times { head: MS(1_500), ..short() },
    };
    let scene = Scene::new(limits).await;
    let mut attackers = JoinSet::new();
    for host in 0..1_200u32 {
        let (address, from) = (scene.address, format!("127.1.{}.{}:0", host / 200, host % 200 + 1));
        attackers.spawn(async move {
            let socket = TcpSocket::new_v4()?;
            socket.bind(from.parse().unwrap())?;
            let mut stream = socket.connect(address).await?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await?;
            let mut told = Vec::new();
            stream.read_to_end(&mut told).await?;
            std::io::Result::Ok(told)
        });
        if host % 100 == 0 {
            // While there is a place left, whole requests are answered as if nobody else were there.
            let answer = scene.told(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
            if host < 900 {
                assert!(
                    timeout(MS(1_000), answer).await.unwrap_or_default().starts_with("HTTP/1.1 200"),
                    "after {host}"
                );
            }
        }
    }
    let ended = timeout(PATIENCE, attackers.join_all()).await.expect("all of them are let go");
    let told = |status: &str| {
        ended.iter().flatten().filter(|told| String::from_utf8_lossy(told).contains(status)).count()
    };
    assert!(told("408") >= 900, "{} were told that they are slow", told("408"));
    assert!(
        scene.told(b"GET / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 200"),
        "and then all places are free again"
    );
}

/// The real program and its own times: half a request from ten thousand hosts, while somebody who is connected goes on
/// asking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a quarter of a minute and many files: tests/run --long"]
async fn ten_thousand_half_requests_cost_little_memory_and_delay_nobody() {
    let hosts = u32::try_from(evidence::number("VC_TEST_CONNECTIONS", 10_000)).unwrap();
    let place = Place::new();
    let token = place.token("read");
    let server = place.serve();
    let address: SocketAddr = server.url.trim_start_matches("http://").parse().unwrap();
    let before = status(server.id(), "VmRSS");
    let mut known = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET /api/overview HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");

    let mut attackers = JoinSet::new();
    for host in 0..hosts {
        attackers.spawn(async move {
            let socket = TcpSocket::new_v4()?;
            socket.bind(format!("127.1.{}.{}:0", host / 200, host % 200 + 1).parse().unwrap())?;
            let mut stream = socket.connect(address).await?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await?;
            let began = Instant::now();
            let _ = stream.read_to_end(&mut Vec::new()).await;
            std::io::Result::Ok(began.elapsed())
        });
    }
    let (mut took, mut most) = (Vec::new(), before);
    while !attackers.is_empty() {
        let began = Instant::now();
        known.write_all(request.as_bytes()).await.unwrap();
        let mut buffer = [0; 16_384];
        let read = known.read(&mut buffer).await.unwrap();
        assert!(buffer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..read]));
        took.push(began.elapsed());
        most = most.max(status(server.id(), "VmRSS"));
        tokio::time::sleep(MS(20)).await;
        while let Some(ended) = attackers.try_join_next() {
            let lasted = ended.unwrap().unwrap_or_default();
            assert!(lasted < MS(15_000), "one was let go after {lasted:?}");
        }
    }
    took.sort();
    let grown = most - before;
    println!(
        "{hosts} half requests: {} whole ones beside them, half of them within {:?}, 99 % within {:?}; {grown} kB more memory",
        took.len(),
        took[took.len() / 2],
        took[took.len() * 99 / 100],
    );
    assert!(grown < 64 * 1_024, "{grown} kB");
}

#[test]
fn only_names_of_its_own_lead_in() {
    let server = TestServer::start_with(Options {
        settings: voice_campaigns::http::Settings {
            door: Door { hosts: vec!["calls.example.com".into()], ..Door::default() },
            ..Options::default().settings
        },
        ..Options::default()
    });
    for (host, status) in [
        ("127.0.0.1", 200),
        ("localhost:8000", 200),
        ("[::1]:8000", 200),
        ("Calls.Example.com", 200),
        ("calls.example.com.", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("x{y.evil.example", 421),
        ("evil.example:99999", 421),
        ("evil.example/", 421),
        ("evil.example, localhost", 421),
        ("localhost\r\nHost: evil.example", 421),
        ("", 421),
    ] {
        let told = server.raw(format!(
            "GET /api/voice-campaigns HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {WRITER}\r\nConnection: close\r\n\r\n"
        ).as_bytes());
        assert!(told.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {told}");
        assert_eq!(
            told.contains("the setting `hosts` lists") || told.contains("The header `Host`"),
            status == 421
        );
        assert!(told.to_lowercase().contains("x-ratelimit-limit: "), "{told}");
    }
}

#[test]
fn pages_of_origins_that_were_named_may_call_the_api_and_no_others() {
    const PATH: &str = "/api/voice-campaigns";
    let named = ["https://app.example.com".to_owned(), "http://localhost:3000".to_owned()];
    let (own, foreign) = (named[0].as_str(), "https://evil.example");
    let settings = voice_campaigns::http::Settings {
        door: Door { origins: named.to_vec(), ..Door::default() },
        unauthenticated_per_minute: 10,
        ..Options::default().settings
    };
    let server = TestServer::start_with(Options { settings, ..Options::default() });
    let ask = |origin: &str, path: &str| {
        let request = server.request("OPTIONS", path);
        request.header("Origin", origin).header("Access-Control-Request-Method", "PATCH")
    };
    for origin in named.iter().cycle().take(50) {
        let may = ask(origin, &format!("{PATH}/1/status")).send();
        assert_eq!((may.status, may.body.as_str()), (204, ""));
        assert_eq!(may.header("Access-Control-Allow-Origin"), Some(origin.as_str()));
        assert_eq!(may.header("Access-Control-Allow-Methods"), Some("DELETE, GET, HEAD, PATCH, POST, PUT"));
        assert!(
            may.header("Access-Control-Allow-Headers").unwrap().starts_with("Authorization, Content-Type, ")
        );
        assert_eq!(may.header("Access-Control-Allow-Credentials"), None, "never with cookies");
        assert_eq!(
            (may.header("Vary"), may.header("X-RateLimit-Limit")),
            (Some("Origin"), None),
            "it is not counted"
        );
    }
    for (origin, path) in
        [(foreign, PATH), ("null", PATH), ("HTTPS://APP.EXAMPLE.COM", PATH), (own, "/health")]
    {
        let may_not = ask(origin, path).send();
        assert!(matches!(may_not.status, 401 | 405), "{origin} {path}: {}", may_not.status);
        assert_eq!(may_not.header("Access-Control-Allow-Origin"), None, "{origin} {path}");
    }
    assert_eq!(
        server.request("OPTIONS", PATH).header("Origin", own).send().status,
        401,
        "no browser asks so"
    );
    let rebound = ask(own, PATH).header("Host", "evil.example").send();
    assert_eq!(rebound.expect(421)["code"], "misdirected");

    for (token, status) in [(WRITER, 200), ("vc_nobody", 401)] {
        let told = server.request("GET", PATH).token(token).header("Origin", own).send();
        assert_eq!((told.status, told.header("Access-Control-Allow-Origin")), (status, Some(own)));
        let readable = told.header("Access-Control-Expose-Headers").unwrap();
        assert!(readable.split(", ").any(|name| name == "ETag") && readable.contains("X-Total-Count"));
        assert_eq!(told.header("Vary"), Some("Origin"));
        let hidden = server.request("GET", PATH).token(token).header("Origin", foreign).send();
        assert_eq!((hidden.status, hidden.header("Access-Control-Allow-Origin")), (status, None));
    }

    let closed = TestServer::start();
    let may_not = closed
        .request("OPTIONS", PATH)
        .header("Origin", own)
        .header("Access-Control-Request-Method", "GET")
        .send();
    assert_eq!((may_not.status, may_not.header("Access-Control-Allow-Origin")), (401, None));
    let told = closed.get(PATH).header("Origin", own).send();
    assert_eq!(
        (told.status, told.header("Access-Control-Allow-Origin"), told.header("Vary")),
        (200, None, None)
    );
}

#[test]
fn the_listener_is_the_only_way_in() {
    let place = Place::new();
    let server = place.serve();
    let (process, port) =
        (format!("/proc/{}", server.id()), server.url.rsplit(':').next().unwrap().to_owned());
    let sockets: Vec<String> = std::fs::read_dir(format!("{process}/fd"))
        .unwrap()
        .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok()?.into_os_string().into_string().ok())
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut listening = Vec::new();
    for table in ["tcp", "tcp6"] {
        for line in std::fs::read_to_string(format!("{process}/net/{table}")).unwrap().lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            if columns[3] == "0A" && sockets.iter().any(|inode| inode == columns[9]) {
                let port = columns[1].rsplit(':').next().unwrap();
                listening.push(u16::from_str_radix(port, 16).unwrap().to_string());
            }
        }
    }
    assert_eq!(listening, [port]);
}

#[test]
fn a_proxy_on_this_machine_says_who_asks_and_nobody_else_is_believed() {
    for (is_behind_proxy, peer, statuses) in [
        (true, "127.0.0.1:9", [401, 429, 401]),
        (true, "192.0.2.1:9", [401, 429, 429]),
        (false, "127.0.0.1:9", [401, 429, 429]),
    ] {
        let server = TestServer::start_with(Options {
            settings: voice_campaigns::http::Settings {
                unauthenticated_per_minute: 1,
                door: Door { is_behind_proxy, ..Door::default() },
                ..Options::default().settings
            },
            client: Some(peer.parse().unwrap()),
            ..Options::default()
        });
        let answers = ["1.1.1.1, 198.51.100.7", "2.2.2.2, 198.51.100.7", "198.51.100.8"].map(|forwarded| {
            let told = server.raw(format!(
                "GET /api/calls HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: {forwarded}\r\nConnection: close\r\n\r\n"
            ).as_bytes());
            told[9..12].parse::<i32>().unwrap()
        });
        assert_eq!(answers, statuses, "{is_behind_proxy} {peer}");
    }
}

#[test]
fn an_address_that_others_can_reach_needs_tls_or_a_proxy() {
    let place = Place::new();
    let output = place.run(&["--address", "0.0.0.0", "--port", "0"]);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("`tls.certificate`") && said.contains("`behind_proxy`"), "{said}");

    let output = place.program(&["--port", "0"]).env("VC_TLS_CERTIFICATE", "only-one.pem").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("go together"));
}

#[test]
#[cfg_attr(not(has_curl), ignore = "needs curl")]
fn it_speaks_tls_with_a_certificate_of_its_own() {
    let place = Place::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (place.path("cert.pem"), place.path("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut command = place.program(&["--port", "0"]);
    command.env("VC_TLS_CERTIFICATE", &certificate).env("VC_TLS_KEY", &key);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).to_owned();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let url = url.replace("127.0.0.1", "localhost");
    let curl = |more: &[&str]| {
        Command::new("curl")
            .args(["-sSi", "--max-time", "20"])
            .args(more)
            .arg(format!("{url}/health"))
            .output()
            .unwrap()
    };
    let trusted = curl(&["--cacert", certificate.to_str().unwrap()]);
    let distrusted = curl(&[]);
    let plain = Command::new("curl")
        .args(["-sS", "--max-time", "20", &format!("{}/health", url.replace("https", "http"))])
        .output()
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let told = String::from_utf8_lossy(&trusted.stdout);
    assert!(told.contains("\"ok\""), "{trusted:?}");
    assert!(told.to_lowercase().contains("strict-transport-security: max-age=31536000\r\n"), "{told}");
    assert!(!distrusted.status.success() && !plain.status.success());
}
