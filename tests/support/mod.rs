//! What the tests share: a whole server in this process, on a real port, with a clock that only the test moves.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

pub(crate) mod disk;
pub(crate) mod evidence;
pub(crate) mod kinds;
pub(crate) mod line;
pub(crate) mod models;
pub(crate) mod peers;
pub(crate) mod phone;
pub(crate) mod program;
pub(crate) mod realtime;
pub(crate) mod receiver;
pub(crate) mod reference;
pub(crate) mod tester;
pub(crate) mod uas;
pub(crate) mod world;

use chrono::{DateTime, TimeDelta, Utc};
use rocket::{Build, Rocket};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use voice_campaigns::carrier::DialRequest;
use voice_campaigns::clock::{Clock, Manual};
use voice_campaigns::domain::call::Ending;
use voice_campaigns::domain::outcome::Outcome;
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::domain::voice::Voice;
use voice_campaigns::http::{self, Door, Settings};
use voice_campaigns::listener::{Connect, Limits, Listener, Times};
use voice_campaigns::store::pool::Db;
use voice_campaigns::store::{Scope, Store, StoreError, Tx};
use voice_campaigns::token;

/// When every test begins: a Wednesday, 10:00 UTC.
pub(crate) const START: &str = "2026-03-04T10:00:00Z";

/// What is asked of a line, unless a story is about it.
pub(crate) fn dial_request() -> DialRequest {
    DialRequest {
        call_id: 1,
        lead_id: 1,
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

/// Tokens that every server knows.
pub(crate) const READER: &str = "vc_reader";
pub(crate) const WRITER: &str = "vc_writer";
pub(crate) const ADMIN: &str = "vc_admin";

/// A running server. Everything is gone when it is dropped.
pub(crate) struct TestServer {
    pub(crate) store: Store,
    pub(crate) clock: Manual,
    pub(crate) folder: tempfile::TempDir,
    address: SocketAddr,
    agent: ureq::Agent,
    runtime: Option<Runtime>,
    server: Arc<http::Server>,
    stop: watch::Sender<bool>,
}

/// What a server may be started with.
pub(crate) struct Options {
    pub(crate) settings: Settings,
    /// Where the model answers with which agents are tried.
    pub(crate) model: Option<String>,
    /// Who everybody is taken for.
    pub(crate) client: Option<SocketAddr>,
    /// Adds routes and the like.
    pub(crate) extend: fn(Rocket<Build>) -> Rocket<Build>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            settings: Settings {
                requests_per_hour: 100_000,
                session_requests_per_hour: 100_000,
                unauthenticated_per_minute: 100_000,
                csv_limit_bytes: 1 << 20,
                spool_dir: std::env::temp_dir(),
                default_country: None,
                allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
                static_dir: None,
                line: Arc::new(line::StillLine::default()),
                speaker: Err("no voice".into()),
                tester: Arc::new(tester::Nobody),
                in_force: Vec::new(),
                started_at: START.parse().unwrap(),
                door: Door { hosts: vec!["*".into()], ..Door::default() },
            },
            model: None,
            client: None,
            extend: |rocket| rocket,
        }
    }
}

impl TestServer {
    /// With limits that no test meets by accident.
    pub(crate) fn start() -> TestServer {
        TestServer::start_with(Options::default())
    }

    pub(crate) fn start_with(options: Options) -> TestServer {
        let folder = tempfile::tempdir().unwrap();
        let clock = Manual::new(START.parse().unwrap());
        let store = Store::open(folder.path(), Arc::new(clock.clone())).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let tokens = [(READER, Scope::Read), (WRITER, Scope::Write), (ADMIN, Scope::Admin)];
        let made: Result<(), StoreError> = runtime.block_on(store.write(move |tx| {
            for (token, scope) in tokens {
                tx.create_token(token, scope, None, &token::hash(token))?;
            }
            Ok(())
        }));
        made.unwrap();

        let config = rocket::Config {
            log_level: rocket::config::LogLevel::Off,
            ip_header: None,
            ident: rocket::config::Ident::none(),
            ..rocket::Config::release_default()
        };
        let rocket = rocket::custom(config).manage(Db::of(store.clone()));
        let mut settings = options.settings;
        if let Some(url) = &options.model {
            settings.tester = Arc::new(runtime.block_on(tester::talking_to(url, store.clone())));
        }
        let rocket = http::mount(rocket, settings, Arc::new(clock.clone()));
        let (server, listener, address) = runtime.block_on(async {
            let server = Arc::new(http::Server::start((options.extend)(rocket)).await.unwrap());
            let socket = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = socket.local_addr().unwrap();
            let limits = Limits { connections: 4_096, connections_per_address: 256, times: Times::default() };
            let (entrance, client) = (server.entrance(), options.client);
            let connect: Connect = Arc::new(move |peer| entrance(client.unwrap_or(peer)));
            (server, Listener::new(socket, limits, None, connect), address)
        });
        let stop = watch::Sender::new(false);
        runtime.spawn(listener.run(stop.subscribe()));
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .max_redirects(0)
            .allow_non_standard_methods(true)
            .build()
            .into();
        TestServer { store, clock, folder, address, agent, runtime: Some(runtime), server, stop }
    }

    /// Runs a transaction, for what the API cannot do itself.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tx) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        self.runtime.as_ref().unwrap().block_on(self.store.write(job)).unwrap()
    }

    /// As at a shutdown, while the last requests are still coming.
    pub(crate) fn close_store(&self) {
        self.runtime.as_ref().unwrap().block_on(self.store.close());
    }

    /// A call of a lead that the carrier has been asked for; the answer is its id.
    pub(crate) fn place_call(&self, lead_id: i64) -> i64 {
        self.write(move |tx| {
            let lead = tx.lead(lead_id)?.unwrap();
            let mut campaign = tx.campaign(lead.campaign_id)?.unwrap();
            let zone = campaign.settings.time_zone;
            Ok(tx.claim(&mut campaign, &lead, &[zone], "simulator")?.call_id)
        })
    }

    /// Ends a call now; one that somebody picked up has lasted `talk_seconds`.
    pub(crate) fn end_call(&self, call_id: i64, outcome: Outcome, talk_seconds: Option<i64>) {
        let ended_at = self.now();
        let answered_at = talk_seconds.map(|seconds| ended_at - TimeDelta::seconds(seconds));
        let ending = Ending { outcome, answered_at, ended_at, detail: None, conversation: None };
        self.write(move |tx| tx.settle(call_id, ending, None));
    }

    /// A request without a token.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request { server: self, method: method.into(), path: path.into(), headers: Vec::new(), body: None }
    }

    pub(crate) fn get(&self, path: &str) -> Request<'_> {
        self.request("GET", path).token(WRITER)
    }

    pub(crate) fn delete(&self, path: &str) -> Request<'_> {
        self.request("DELETE", path).token(WRITER)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Request<'_> {
        self.request("POST", path).token(WRITER).json(body)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Request<'_> {
        self.request("PUT", path).token(WRITER).json(body)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Request<'_> {
        self.request("PATCH", path).token(WRITER).json(body)
    }

    /// A campaign like the example, with other values for some fields; the answer is its id.
    pub(crate) fn campaign(&self, changes: Value) -> i64 {
        let body = crate::api_campaigns::example_with(changes);
        self.post("/api/voice-campaigns", &body).send().expect(201)["id"].as_i64().unwrap()
    }

    /// A lead with this number; the answer is its id.
    pub(crate) fn lead(&self, campaign_id: i64, phone: &str) -> i64 {
        let path = format!("/api/voice-campaigns/{campaign_id}/leads");
        let body = json!({"phone": phone, "first_name": "Ada"});
        self.post(&path, &body).send().expect(201)["id"].as_i64().unwrap()
    }

    /// Sends bytes as they are and reads until the server closes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        String::from_utf8(self.raw_bytes(bytes)).unwrap()
    }

    /// The same for an answer that is no text.
    pub(crate) fn raw_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// Listens to the events, with these parameters and headers.
    pub(crate) fn listen(&self, query: &str, headers: &str) -> Listening<'_> {
        self.listen_with(query, &format!("Authorization: Bearer {READER}\r\n{headers}"))
    }

    /// The same with these headers and no token.
    pub(crate) fn listen_with(&self, query: &str, headers: &str) -> Listening<'_> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let request = format!("GET /api/events{query} HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        Listening { server: self, stream, text: String::new() }
    }

    /// Begins a graceful stop of the HTTP side.
    pub(crate) fn shut_down(&self) {
        self.server.shutdown().notify();
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.server.shutdown().notify();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Somebody who listens to the events.
pub(crate) struct Listening<'s> {
    server: &'s TestServer,
    stream: TcpStream,
    text: String,
}

/// What a listener heard: the name of the event and its data, its id, or a comment.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Event(String, Value),
    Id(String),
    Comment,
    End,
}

impl Listening<'_> {
    /// The head of the answer; asked for before anything else.
    pub(crate) fn head(&mut self) -> String {
        let mut bytes = [0; 64 << 10];
        while !self.text.contains("\r\n\r\n") {
            if let Ok(count) = self.stream.read(&mut bytes) {
                assert_ne!(count, 0, "the stream has ended");
                self.text += std::str::from_utf8(&bytes[..count]).unwrap();
            }
        }
        self.text.split("\r\n\r\n").next().unwrap().to_lowercase()
    }

    /// The next line that says something; time passes as long as there is none.
    pub(crate) fn hear(&mut self) -> Heard {
        let mut name = String::new();
        for _ in 0..2_000 {
            let Some((line, rest)) = self.text.split_once('\n') else {
                let mut bytes = [0; 64 << 10];
                match self.stream.read(&mut bytes) {
                    Ok(0) => return Heard::End,
                    Ok(count) => self.text += std::str::from_utf8(&bytes[..count]).unwrap(),
                    Err(_) => self.server.clock.advance(TimeDelta::milliseconds(200)),
                }
                continue;
            };
            let (line, rest) = (line.trim_end().to_owned(), rest.to_owned());
            self.text = rest;
            match line.split_once(':') {
                Some(("event", text)) => name = text.trim().to_owned(),
                Some(("data", text)) => return Heard::Event(name, serde_json::from_str(text).unwrap()),
                Some(("id", text)) => return Heard::Id(text.trim().to_owned()),
                Some(("", "")) => return Heard::Comment,
                _ if line == "0" => return Heard::End,
                _ => {}
            }
        }
        panic!("nothing is heard any more");
    }

    /// The next event, whatever its id.
    pub(crate) fn event(&mut self) -> (String, Value) {
        for _ in 0..20 {
            match self.hear() {
                Heard::Event(name, data) => return (name, data),
                Heard::Id(_) | Heard::Comment => {}
                Heard::End => panic!("the stream has ended"),
            }
        }
        panic!("there is nothing but silence");
    }

    /// The next event of this name.
    pub(crate) fn next(&mut self, name: &str) -> Value {
        loop {
            let (heard, data) = self.event();
            if heard == name {
                return data;
            }
        }
    }

    /// The next id.
    pub(crate) fn id(&mut self) -> String {
        loop {
            if let Heard::Id(id) = self.hear() {
                return id;
            }
        }
    }
}

/// A request being put together.
#[derive(Clone)]
pub(crate) struct Request<'s> {
    server: &'s TestServer,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request<'_> {
    pub(crate) fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With the administrator's token instead.
    pub(crate) fn admin(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "Authorization");
        self.token(ADMIN)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string().as_bytes())
    }

    pub(crate) fn body(mut self, content_type: &str, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self.header("Content-Type", content_type)
    }

    pub(crate) fn send(&self) -> Answer {
        let (status, headers, body) = self.answer();
        Answer { status, headers, body: String::from_utf8(body).unwrap() }
    }

    /// The headers and the body of a good answer that is no text.
    pub(crate) fn send_for_bytes(&self) -> (Vec<(String, String)>, Vec<u8>) {
        let (status, headers, body) = self.answer();
        assert_eq!(status, 200);
        (headers, body)
    }

    fn answer(&self) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let mut request = ureq::http::Request::builder()
            .method(self.method.as_str())
            .uri(format!("http://{}{}", self.server.address, self.path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let agent = &self.server.agent;
        let response = match &self.body {
            Some(body) => agent.run(request.body(body.clone()).unwrap()),
            None => agent.run(request.body(()).unwrap()),
        };
        let mut response = response.unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.path));
        let header = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let headers: Vec<(String, String)> = response.headers().iter().map(header).collect();
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        let status = response.status().as_u16();
        reference::judge(&self.method, &self.path, status, &headers, &body);
        (status, headers, body)
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is there twice");
        first
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The body, if the status is the expected one.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The sentence of an error with the expected status.
    #[track_caller]
    pub(crate) fn error(&self, status: u16) -> String {
        let body = self.expect(status);
        assert_eq!(self.header("Content-Type"), Some("application/json"));
        body["error"].as_str().unwrap().to_owned()
    }
}
