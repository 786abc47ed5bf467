//! The other side of a trunk, on real sockets and written without the library that the driver uses: it plays what a
//! test wants it to do, and remembers all that it was sent.

use chrono::TimeDelta;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use voice_campaigns::clock::{Clock, Sleep, System};
use voice_campaigns::domain::Instant;
use voice_campaigns::domain::voice::Voice;
use voice_campaigns::media::g711::Codec;
use voice_campaigns::media::{FRAME, FRAME_MS, RATE, dtmf, rtp, sdp};
use voice_campaigns::speech::{Saying, Sound, Synthesizer};

/// A clock that passes faster than life.
pub(crate) struct Fast {
    system: System,
    origin: Instant,
    speed: u32,
}

impl Fast {
    /// So many times faster.
    pub(crate) fn new(speed: u32) -> Fast {
        let system = System::new();
        Fast { origin: system.now(), system, speed }
    }
}

impl Clock for Fast {
    fn now(&self) -> Instant {
        self.steady()
    }

    fn monotonic(&self) -> std::time::Duration {
        self.system.monotonic() * self.speed
    }

    fn steady(&self) -> Instant {
        self.origin + TimeDelta::from_std(self.monotonic()).unwrap()
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        let left = (at - self.steady()).to_std().unwrap_or_default() / self.speed;
        Box::pin(tokio::time::sleep(left))
    }
}

/// Says everything with the same ten seconds of sound.
pub(crate) struct Hum;

impl Synthesizer for Hum {
    fn say(&self, _: &str, _: &Voice) -> Saying {
        let sound: Sound = hum(10_000).into();
        Box::pin(async move { Ok(sound) })
    }
}

/// Sound that is no beep.
pub(crate) fn hum(ms: u32) -> Vec<i16> {
    let wave = |n: u32, hertz: f64| (f64::from(n) * hertz * std::f64::consts::TAU / f64::from(RATE)).sin();
    (0..ms * RATE / 1_000)
        .map(|n| (3_000.0 * (wave(n, 310.0) + wave(n, 570.0) + wave(n, 1_130.0))) as i16)
        .collect()
}

/// A beep.
pub(crate) fn beep(ms: u32) -> Vec<i16> {
    let step = 1_000.0 * std::f64::consts::TAU / f64::from(RATE);
    (0..ms * RATE / 1_000).map(|n| (6_000.0 * (f64::from(n) * step).sin()) as i16).collect()
}

/// One thing that the other side does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A reply to the INVITE, with more headers (each ends in CRLF).
    Reply(u16, &'static str),
    /// A reply before which nothing else is said. Comes first.
    AtOnce(u16),
    /// A reply with a session description.
    ReplyWithSound(u16, &'static str),
    /// An answer that does not say where it is to be found.
    Nowhere,
    /// An answer that does not say whose it is.
    Garbled,
    /// A reply with these lines of sound.
    ReplyWith(u16, &'static str),
    /// Waits.
    Wait(i64),
    /// Makes a sound.
    Play(Vec<i16>),
    /// Waits until something was heard and then nothing for so long.
    HearOut(i64),
    /// The same of something that is heard from now on.
    HearAnswer(i64),
    /// Speaks only this way of sound; mu-law without this step. Comes before the answer.
    Speaks(Codec),
    /// Names both ways of sound, whichever it speaks. Comes before the answer.
    NamesBoth,
    /// Sends back at once whatever it hears from now on.
    Echo,
    /// Presses keys.
    Keys(&'static str),
    /// Tells of a key in a message.
    Info(char),
    /// Waits until it is hung up on, and takes note of that only with [`Step::NoteBye`].
    AwaitBye,
    /// Takes note of it that it was hung up on.
    NoteBye,
    /// Asks for another session with these lines of sound; waits for the reply.
    Reinvite(&'static str),
    /// Asks for an offer, says in its answer that it is elsewhere now, and goes on there.
    Move,
    /// Has somebody else send sound to where it sends its own.
    Intrude(Vec<i16>),
    /// Asks for the same session with these headers; waits for the reply.
    Update(&'static str),
    /// Waits until it is asked to pass the call on, answers with this status, and tells how that goes.
    Refer(u16, &'static [&'static str]),
    /// Hangs up.
    Bye,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) text: String,
}

impl Message {
    /// The first word: a method, or the protocol of a reply.
    pub(crate) fn method(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }

    /// The user part of the address it is for.
    pub(crate) fn user(&self) -> &str {
        let address = self.text.split(' ').nth(1).unwrap_or_default();
        address.strip_prefix("sip:").and_then(|rest| rest.split('@').next()).unwrap_or_default()
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// What comes after the headers.
    pub(crate) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    fn call_id(&self) -> String {
        self.header("Call-ID").unwrap_or_default().to_owned()
    }
}

/// How often it hangs up as long as nobody has taken note of it.
const BYES_MAX: usize = 60;

/// What it does when it is called.
pub(crate) type Script = dyn Fn(&Message) -> Vec<Step> + Send + Sync;

/// The other side.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    socket: UdpSocket,
    address: SocketAddr,
    clock: Arc<dyn Clock>,
    script: Box<Script>,
    /// What a CANCEL is answered with: 487 to the INVITE, or 200 as if it had crossed the answer.
    cancel_is_late: bool,
    messages: Mutex<Vec<Message>>,
    came: Notify,
    calls: Mutex<HashMap<String, Live>>,
    /// How sound is written.
    codec: Mutex<Codec>,
    names_both: AtomicBool,
    /// Keys that were pressed for it.
    pressed: Mutex<String>,
    /// What comes is sent back.
    echoes: AtomicBool,
    /// Every byte of sound that came, per call.
    heard: Mutex<HashMap<String, Vec<u8>>>,
}

/// A call that is alive, as far as this side knows.
struct Live {
    invite: Message,
    task: AbortHandle,
    /// Its script says when it takes note of a hang-up.
    notes_bye: bool,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.calls.lock().unwrap().values().for_each(|live| live.task.abort());
    }
}

impl Peer {
    /// Listens on loopback.
    pub(crate) async fn start(
        clock: Arc<dyn Clock>,
        script: impl Fn(&Message) -> Vec<Step> + Send + Sync + 'static,
    ) -> Peer {
        Peer::start_with(Ipv4Addr::LOCALHOST.into(), clock, Box::new(script), false).await
    }

    /// Listens at this address.
    pub(crate) async fn start_at(
        ip: IpAddr,
        clock: Arc<dyn Clock>,
        script: impl Fn(&Message) -> Vec<Step> + Send + Sync + 'static,
    ) -> Peer {
        Peer::start_with(ip, clock, Box::new(script), false).await
    }

    /// One whose answer crosses every CANCEL.
    pub(crate) async fn start_late(
        clock: Arc<dyn Clock>,
        script: impl Fn(&Message) -> Vec<Step> + Send + Sync + 'static,
    ) -> Peer {
        Peer::start_with(Ipv4Addr::LOCALHOST.into(), clock, Box::new(script), true).await
    }

    async fn start_with(
        ip: IpAddr,
        clock: Arc<dyn Clock>,
        script: Box<Script>,
        cancel_is_late: bool,
    ) -> Peer {
        let socket = UdpSocket::bind((ip, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let shared = Arc::new(Shared {
            socket,
            address,
            clock,
            script,
            cancel_is_late,
            messages: Mutex::default(),
            came: Notify::new(),
            calls: Mutex::default(),
            codec: Mutex::new(Codec::Pcmu),
            names_both: AtomicBool::new(false),
            pressed: Mutex::default(),
            echoes: AtomicBool::new(false),
            heard: Mutex::default(),
        });
        let task = tokio::spawn(shared.clone().serve()).abort_handle();
        Peer { address, shared, task }
    }

    /// Answers nothing any more, like a machine that lost its power.
    pub(crate) fn fall_silent(&self) {
        self.task.abort();
    }

    /// All that came so far, and the methods of all requests and replies in order.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.shared.messages.lock().unwrap().clone()
    }

    /// The first message of this method; waits for it for a while.
    pub(crate) async fn received(&self, method: &str) -> Message {
        let waiting = async {
            loop {
                let came = self.shared.came.notified();
                if let Some(found) = self.messages().into_iter().find(|message| message.method() == method) {
                    return found;
                }
                came.await;
            }
        };
        let found = tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await;
        found.unwrap_or_else(|_| panic!("no {method}: {:#?}", self.messages()))
    }

    /// The sound that came on the first call.
    /// All keys that were pressed for it.
    pub(crate) fn pressed(&self) -> String {
        self.shared.pressed.lock().unwrap().clone()
    }

    pub(crate) fn heard(&self) -> Vec<u8> {
        self.shared.heard.lock().unwrap().values().next().cloned().unwrap_or_default()
    }
}

/// A way to a peer that nobody else reads: takes TLS off what comes for it, and puts it on what it sends.
pub(crate) struct Secured {
    pub(crate) address: SocketAddr,
    /// Who signed the certificate, which is for `localhost`.
    pub(crate) authority: PathBuf,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
    task: AbortHandle,
    _folder: tempfile::TempDir,
}

impl Secured {
    /// A way to the peer at this address.
    pub(crate) async fn before(peer: SocketAddr) -> Secured {
        let mut about = rcgen::CertificateParams::new(Vec::new()).unwrap();
        about.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let authority = folder.path().join("authority.pem");
        std::fs::write(&authority, about.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = rcgen::Issuer::new(about, key);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let connections: Arc<Mutex<Vec<AbortHandle>>> = Arc::default();
        let kept = connections.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let accepting = acceptor.accept(stream);
                // Who does not trust the certificate goes away.
                let task = tokio::spawn(async move {
                    if let Ok(stream) = accepting.await {
                        pass_on(stream, peer).await;
                    }
                });
                kept.lock().unwrap().push(task.abort_handle());
            }
        });
        Secured { address, authority, connections, task: task.abort_handle(), _folder: folder }
    }

    /// Breaks all connections.
    pub(crate) fn cut(&self) {
        self.connections.lock().unwrap().drain(..).for_each(|task| task.abort());
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

/// Every message of a stream becomes a datagram, and the other way round.
async fn pass_on(stream: tokio_rustls::server::TlsStream<TcpStream>, peer: SocketAddr) {
    let (mut incoming, mut outgoing) = tokio::io::split(stream);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(peer).await.unwrap();
    let inwards = async {
        let mut taken = Vec::new();
        while incoming.read_buf(&mut taken).await.is_ok_and(|count| count > 0) {
            while let Some(length) = first_message(&taken) {
                socket.send(&taken[..length]).await.unwrap();
                taken.drain(..length);
            }
        }
    };
    let outwards = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(length) = socket.recv(&mut buffer).await {
            if outgoing.write_all(&buffer[..length]).await.is_err() || outgoing.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = inwards => {}
        () = outwards => {}
    }
}

/// How long the first message is, if all of it has come.
fn first_message(taken: &[u8]) -> Option<usize> {
    let head = taken.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = Message { text: String::from_utf8_lossy(&taken[..head]).into_owned() };
    let body: usize = text.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0);
    (taken.len() >= head + body).then_some(head + body)
}

/// A call that is answered: its socket for sound, and where the other side hears.
struct Wire {
    socket: Arc<UdpSocket>,
    remote: SocketAddr,
    sequence: u16,
    timestamp: u32,
    last_voice: Arc<Mutex<Option<Instant>>>,
}

impl Shared {
    async fn serve(self: Arc<Self>) {
        let mut buffer = vec![0; 65_536];
        loop {
            let Ok((length, from)) = self.socket.recv_from(&mut buffer).await else { return };
            let Ok(text) = String::from_utf8(buffer[..length].to_vec()) else { continue };
            let message = Message { text };
            self.messages.lock().unwrap().push(message.clone());
            self.came.notify_waiters();
            self.take(message, from).await;
        }
    }

    async fn take(self: &Arc<Self>, message: Message, from: SocketAddr) {
        let id = message.call_id();
        match message.method() {
            "INVITE" => {
                let known = self.calls.lock().unwrap().get(&id).map(|live| live.invite.clone());
                if known.is_some_and(|known| known.header("CSeq") == message.header("CSeq")) {
                    return;
                }
                let steps = (self.script)(&message);
                if !matches!(steps.first(), Some(Step::AtOnce(_))) {
                    self.reply(&message, from, 100, "", "").await;
                }
                let notes_bye = steps.iter().any(|step| matches!(step, Step::AwaitBye));
                let task = tokio::spawn(self.clone().play(message.clone(), from, steps)).abort_handle();
                self.calls.lock().unwrap().insert(id, Live { invite: message, task, notes_bye });
            }
            "CANCEL" => {
                self.reply(&message, from, 200, "", "").await;
                let live = self.calls.lock().unwrap().remove(&id);
                if let Some(live) = live {
                    live.task.abort();
                    match self.cancel_is_late {
                        true => self.reply(&live.invite, from, 200, "", &self.description(9)).await,
                        false => self.reply(&live.invite, from, 487, "", "").await,
                    }
                }
            }
            "BYE" if self.calls.lock().unwrap().get(&id).is_some_and(|live| live.notes_bye) => {}
            "BYE" => {
                self.reply(&message, from, 200, "", "").await;
                if let Some(live) = self.calls.lock().unwrap().remove(&id) {
                    live.task.abort();
                }
            }
            "OPTIONS" | "REGISTER" => self.reply(&message, from, 200, "", "").await,
            _ => {}
        }
    }

    fn description(&self, port: u16) -> String {
        let (head, (number, name)) = (self.description_head(1), described(*self.codec.lock().unwrap()));
        let keys = "a=rtpmap:101 telephone-event/8000\r\n";
        match self.names_both.load(Ordering::Relaxed) {
            true => format!("{head}m=audio {port} RTP/AVP 0 8 101\r\n{keys}"),
            false => format!(
                "{head}m=audio {port} RTP/AVP {number} 101\r\na=rtpmap:{number} {name}/8000\r\n{keys}"
            ),
        }
    }

    fn description_head(&self, version: u32) -> String {
        let ip = self.address.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        format!("v=0\r\no=u 1 {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n")
    }

    async fn reply(&self, to: &Message, address: SocketAddr, code: u16, headers: &str, body: &str) {
        let text = self.reply_of(to, code, headers, body);
        self.socket.send_to(text.as_bytes(), address).await.unwrap();
    }

    fn reply_of(&self, to: &Message, code: u16, headers: &str, body: &str) -> String {
        let own = self.address;
        let header = |name: &str| to.header(name).unwrap_or_default().to_owned();
        let to_header = header("To");
        let tag = if code == 100 || to_header.contains(";tag=") { "" } else { ";tag=peer" };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let via: String = to
            .text
            .lines()
            .filter(|line| line.to_ascii_lowercase().starts_with("via:"))
            .map(|line| format!("{line}\r\n"))
            .collect();
        format!(
            "SIP/2.0 {code} Words\r\n{via}From: {}\r\nTo: {to_header}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: <sip:peer@{own}>\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            header("From"),
            header("Call-ID"),
            header("CSeq"),
            body.len()
        )
    }

    /// Sends a request of our own on a call, with more headers (each ends in CRLF).
    async fn request(
        &self,
        invite: &Message,
        address: SocketAddr,
        method: &str,
        number: u32,
        headers: &str,
        body: &str,
    ) {
        let own = self.address;
        let header = |name: &str| invite.header(name).unwrap_or_default().to_owned();
        let contact = header("Contact");
        let target = contact.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
        let kind = match (body.is_empty(), method) {
            (true, _) => "",
            (false, "INFO") => "Content-Type: application/dtmf-relay\r\n",
            (false, "NOTIFY") => "Event: refer\r\nContent-Type: message/sipfrag\r\n",
            (false, _) => "Content-Type: application/sdp\r\n",
        };
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method}{number}\r\nFrom: {};tag=peer\r\n\
             To: {}\r\nCall-ID: {}\r\nCSeq: {number} {}\r\nContact: <sip:peer@{own}>\r\nMax-Forwards: 70\r\n{headers}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            header("To"),
            header("From"),
            header("Call-ID"),
            if method == "ACK" { "INVITE" } else { method },
            body.len()
        );
        self.socket.send_to(text.as_bytes(), address).await.unwrap();
    }

    async fn play(self: Arc<Self>, invite: Message, from: SocketAddr, steps: Vec<Step>) {
        let mut sound: Option<Wire> = None;
        let mut listening = None;
        let mut number = 1;
        let sleep = |ms: i64| self.clock.sleep_until(self.clock.steady() + TimeDelta::milliseconds(ms));
        for step in steps {
            match step {
                Step::Reply(code, headers) => self.reply(&invite, from, code, headers, "").await,
                Step::AtOnce(code) => self.reply(&invite, from, code, "", "").await,
                Step::ReplyWithSound(code, headers) => {
                    if sound.is_none() {
                        let opened = Wire::open(self.address.ip(), &invite).await;
                        listening = Some(Listening(
                            tokio::spawn(self.clone().listen(
                                invite.call_id(),
                                opened.socket.clone(),
                                opened.last_voice.clone(),
                            ))
                            .abort_handle(),
                        ));
                        sound = Some(opened);
                    }
                    let port = sound.as_ref().unwrap().socket.local_addr().unwrap().port();
                    self.reply(&invite, from, code, headers, &self.description(port)).await;
                }
                Step::Nowhere => {
                    let body = self.description(9);
                    let reply = self.reply_of(&invite, 200, "", &body);
                    let contact = format!("Contact: <sip:peer@{}>\r\n", self.address);
                    self.socket.send_to(reply.replace(&contact, "").as_bytes(), from).await.unwrap();
                }
                Step::Garbled => {
                    let reply = self.reply_of(&invite, 200, "", &self.description(9));
                    let to = format!("To: {};tag=peer\r\n", invite.header("To").unwrap());
                    let reply = reply.replace(&to, "To: <nobody;tag=peer\r\n");
                    self.socket.send_to(reply.as_bytes(), from).await.unwrap();
                }
                Step::ReplyWith(code, lines) => {
                    let body = self.description_head(1) + lines;
                    self.reply(&invite, from, code, "", &body).await;
                }
                Step::Wait(ms) => sleep(ms).await,
                Step::Speaks(codec) => *self.codec.lock().unwrap() = codec,
                Step::NamesBoth => self.names_both.store(true, Ordering::Relaxed),
                Step::Play(samples) => {
                    let codec = *self.codec.lock().unwrap();
                    sound.as_mut().unwrap().play(&*self.clock, codec, &samples).await;
                }
                Step::Echo => self.echoes.store(true, Ordering::Relaxed),
                Step::Keys(keys) => sound.as_mut().unwrap().press(&*self.clock, keys).await,
                Step::Info(key) => {
                    self.request(&invite, from, "INFO", number, "", &format!("Signal={key}\r\n")).await;
                    number += 1;
                }
                Step::AwaitBye => drop(self.asked(&invite, "BYE").await),
                Step::NoteBye => {
                    let bye = self.asked(&invite, "BYE").await;
                    self.reply(&bye, from, 200, "", "").await;
                }
                Step::HearOut(ms) => self.hear_out(sound.as_ref().unwrap(), None, ms).await,
                Step::HearAnswer(ms) => {
                    let now = self.clock.steady();
                    self.hear_out(sound.as_ref().unwrap(), Some(now), ms).await;
                }
                Step::Reinvite(lines) => {
                    let body = self.description_head(2) + lines;
                    self.ask(&invite, from, "INVITE", number, "", &body).await;
                    self.request(&invite, from, "ACK", number, "", "").await;
                    number += 1;
                }
                Step::Update(headers) => {
                    self.ask(&invite, from, "UPDATE", number, headers, "").await;
                    number += 1;
                }
                Step::Move => {
                    let moved = Wire::open(self.address.ip(), &invite).await;
                    let port = moved.socket.local_addr().unwrap().port();
                    self.ask(&invite, from, "INVITE", number, "", "").await;
                    self.request(&invite, from, "ACK", number, "", &self.description(port)).await;
                    number += 1;
                    sound = Some(moved);
                }
                Step::Intrude(samples) => {
                    let mut other = Wire::open(self.address.ip(), &invite).await;
                    other.play(&*self.clock, Codec::Pcmu, &samples).await;
                }
                Step::Refer(status, told) => {
                    let refer = self.asked(&invite, "REFER").await;
                    self.reply(&refer, from, status, "", "").await;
                    for line in told {
                        self.request(&invite, from, "NOTIFY", number, "", &format!("SIP/2.0 {line}")).await;
                        number += 1;
                        sleep(200).await;
                    }
                }
                Step::Bye => {
                    let cseq = format!("{number} BYE");
                    let is_heard = || {
                        let messages = self.messages.lock().unwrap();
                        let is_reply =
                            |m: &Message| m.method() == "SIP/2.0" && m.header("CSeq") == Some(&cseq);
                        messages
                            .iter()
                            .any(|message| message.call_id() == invite.call_id() && is_reply(message))
                    };
                    // A datagram may be lost where many others come.
                    for _ in 0..BYES_MAX {
                        self.request(&invite, from, "BYE", number, "", "").await;
                        sleep(500).await;
                        if is_heard() {
                            break;
                        }
                    }
                    number += 1;
                }
            }
        }
        // It stays on the line until the other side hangs up.
        let _listening = listening;
        std::future::pending::<()>().await;
    }

    /// Sends a request, and waits for the reply.
    async fn ask(
        &self,
        invite: &Message,
        from: SocketAddr,
        method: &str,
        number: u32,
        headers: &str,
        body: &str,
    ) {
        let before = self.messages.lock().unwrap().len();
        self.request(invite, from, method, number, headers, body).await;
        let is_final = |m: &Message| m.text.starts_with("SIP/2.0 ") && !m.text.starts_with("SIP/2.0 1");
        while !self.messages.lock().unwrap()[before..].iter().any(is_final) {
            self.clock.sleep_until(self.clock.steady() + TimeDelta::milliseconds(20)).await;
        }
    }

    /// The first request of this method on a call; waits for it.
    async fn asked(&self, invite: &Message, method: &str) -> Message {
        let is_it = |message: &&Message| message.method() == method && message.call_id() == invite.call_id();
        loop {
            let found = self.messages.lock().unwrap().iter().find(is_it).cloned();
            match found {
                Some(request) => return request,
                None => self.clock.sleep_until(self.clock.steady() + TimeDelta::milliseconds(20)).await,
            }
        }
    }

    /// Until something was heard, after that time, and then nothing for so long.
    async fn hear_out(&self, sound: &Wire, since: Option<Instant>, ms: i64) {
        loop {
            let last = *sound.last_voice.lock().unwrap();
            let last = last.filter(|last| since.is_none_or(|since| *last > since));
            if last.is_some_and(|last| self.clock.steady() - last >= TimeDelta::milliseconds(ms)) {
                return;
            }
            self.clock.sleep_until(self.clock.steady() + TimeDelta::milliseconds(100)).await;
        }
    }

    async fn listen(
        self: Arc<Self>,
        id: String,
        socket: Arc<UdpSocket>,
        last_voice: Arc<Mutex<Option<Instant>>>,
    ) {
        let mut buffer = [0; 2_048];
        let codec = *self.codec.lock().unwrap();
        let mut keys = dtmf::Receiver::default();
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            if self.echoes.load(Ordering::Relaxed) {
                socket.send_to(&buffer[..length], from).await.unwrap();
            }
            let Some((header, payload)) = rtp::read(&buffer[..length]) else { continue };
            if header.payload_type == 101 {
                self.pressed.lock().unwrap().extend(keys.take(header, payload));
            }
            if header.payload_type == described(codec).0 {
                if payload.iter().any(|byte| *byte != codec.silence()) {
                    *last_voice.lock().unwrap() = Some(self.clock.steady());
                }
                self.heard.lock().unwrap().entry(id.clone()).or_default().extend_from_slice(payload);
            }
        }
    }
}

/// The number and the name of a way of sound.
fn described(codec: Codec) -> (u8, &'static str) {
    match codec {
        Codec::Pcmu => (0, "PCMU"),
        Codec::Pcma => (8, "PCMA"),
    }
}

/// Stops listening when the call ends.
struct Listening(AbortHandle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Wire {
    async fn open(ip: IpAddr, invite: &Message) -> Wire {
        let remote = sdp::read(invite.body().as_bytes()).unwrap().address;
        let socket = Arc::new(UdpSocket::bind((ip, 0)).await.unwrap());
        Wire { socket, remote, sequence: 0, timestamp: 0, last_voice: Arc::default() }
    }

    async fn send(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8]) {
        let header = rtp::Header { payload_type, marker, sequence: self.sequence, timestamp, source: 77 };
        self.sequence = self.sequence.wrapping_add(1);
        let packet = [&header.bytes()[..], payload].concat();
        self.socket.send_to(&packet, self.remote).await.unwrap();
    }

    async fn play(&mut self, clock: &dyn Clock, codec: Codec, samples: &[i16]) {
        let mut at = clock.steady();
        for frame in samples.chunks(FRAME) {
            let payload: Vec<u8> = frame.iter().map(|sample| codec.encode(*sample)).collect();
            let timestamp = self.timestamp;
            self.send(described(codec).0, false, timestamp, &payload).await;
            self.timestamp += FRAME as u32;
            at += TimeDelta::milliseconds(FRAME_MS.into());
            clock.sleep_until(at).await;
        }
    }

    async fn press(&mut self, clock: &dyn Clock, keys: &str) {
        let mut sender = dtmf::Sender::default();
        sender.press(keys);
        let mut at = clock.steady();
        for _ in 0..keys.len() * 12 {
            if let Some(dtmf::Part { marker, timestamp, payload }) = sender.next(self.timestamp) {
                self.send(101, marker, timestamp, &payload).await;
            }
            self.timestamp += FRAME as u32;
            at += TimeDelta::milliseconds(FRAME_MS.into());
            clock.sleep_until(at).await;
        }
    }
}
