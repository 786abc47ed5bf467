//! This binary in another role, as a process of its own: its memory and its processor time are then nobody else's.

use super::{line, tester};
use rocket::{Build, Rocket};
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use tokio::sync::watch;
use voice_campaigns::clock::{Clock, System};
use voice_campaigns::http::{self, Door, Settings};
use voice_campaigns::listener::{Limits, Listener, Times};
use voice_campaigns::store::pool::Db;
use voice_campaigns::store::{Scope, Store};
use voice_campaigns::token;

const ROLE: &str = "--role";

/// What a child was told; none in the parent.
pub(crate) fn arguments() -> Option<impl Iterator<Item = String>> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next().as_deref() == Some(ROLE)).then_some(arguments)
}

/// This binary with a role to play.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(ROLE).args(arguments);
    command
}

/// The token that every server here knows.
pub(crate) const TOKEN: &str = "vc_bench";

/// A server on a data folder, ended when it is dropped.
pub(crate) struct Server {
    child: Child,
    _stop: ChildStdin,
    /// The whole API, and `GET /empty`.
    pub(crate) api: SocketAddr,
    /// A Rocket with nothing but `GET /empty`.
    pub(crate) bare: SocketAddr,
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Server {
        let mut command = command(&["serve", folder.to_str().unwrap()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = || lines.next().unwrap().unwrap().parse().unwrap();
        let (api, bare) = (address(), address());
        Server { _stop: child.stdin.take().unwrap(), child, api, bare }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request as it goes over the wire.
pub(crate) fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n");
    if !body.is_empty() {
        text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    (text + "\r\n" + body).into_bytes()
}

/// The child's side of [`Server`].
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) {
    let folder = arguments.next().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8))
        .max_blocking_threads(8)
        .enable_all()
        .build()
        .unwrap();
    let clock = Arc::new(System::new());
    let store = Store::open(Path::new(&folder), clock.clone()).unwrap();
    let hash = token::hash(TOKEN);
    if store.token_by_hash(&hash).unwrap().is_none() {
        runtime.block_on(store.write(move |tx| tx.create_token("bench", Scope::Write, None, &hash))).unwrap();
    }
    let api = mounted(store, clock, Path::new(&folder)).mount("/", rocket::routes![empty]);
    println!("{}", launch(&runtime, api));
    println!("{}", launch(&runtime, rocket::custom(config()).mount("/", rocket::routes![empty])));
    // The parent holds the other end.
    let _ = std::io::stdin().read(&mut [0]);
}

/// The whole API on a store, with quotas that nobody meets.
fn mounted(store: Store, clock: Arc<dyn Clock>, folder: &Path) -> Rocket<Build> {
    let settings = Settings {
        static_dir: None,
        requests_per_hour: 1_000_000_000,
        session_requests_per_hour: 1_000_000_000,
        unauthenticated_per_minute: 60,
        csv_limit_bytes: 1 << 30,
        spool_dir: folder.into(),
        default_country: None,
        allowed_networks: Vec::new(),
        line: Arc::new(line::StillLine::default()),
        speaker: Err("no voice".into()),
        tester: Arc::new(tester::Nobody),
        in_force: Vec::new(),
        started_at: clock.now(),
        door: Door { hosts: vec!["*".into()], ..Door::default() },
    };
    http::mount(rocket::custom(config()).manage(Db::of(store)), settings, clock)
}

/// The API of a store in this process, and where it listens.
pub(crate) fn api(runtime: &tokio::runtime::Runtime, store: &Store, clock: Arc<dyn Clock>) -> SocketAddr {
    let hash = token::hash(TOKEN);
    runtime.block_on(store.write(move |tx| tx.create_token("bench", Scope::Write, None, &hash))).unwrap();
    launch(runtime, mounted(store.clone(), clock, store.folder()))
}

#[rocket::get("/empty")]
fn empty() -> &'static str {
    ""
}

/// As the program has it.
fn config() -> rocket::Config {
    rocket::Config {
        ip_header: None,
        ident: rocket::config::Ident::none(),
        log_level: rocket::log::LogLevel::Off,
        cli_colors: false,
        ..rocket::Config::release_default()
    }
}

/// Behind a listener like that of the program, which nobody stops.
fn launch(runtime: &tokio::runtime::Runtime, rocket: rocket::Rocket<rocket::Build>) -> SocketAddr {
    runtime.block_on(async {
        let server = Arc::new(http::Server::start(rocket).await.unwrap());
        let socket = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let limits = Limits { connections: 4_096, connections_per_address: 256, times: Times::default() };
        let listener = Listener::new(socket, limits, None, Arc::new(server.entrance()));
        tokio::spawn(async move {
            let stop = watch::Sender::new(false);
            listener.run(stop.subscribe()).await;
            drop(server);
        });
        address
    })
}
