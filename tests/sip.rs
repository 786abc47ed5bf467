//! Real calls, over real sockets on loopback: the driver keeps the port, and does what carriers expect.

use crate::carrier::{self, CarrierUnderTest, Story};
use crate::support::dial_request;
use crate::support::uas::{Fast, Hum, Message, Peer, Secured, Step, beep, hum};
use chrono::TimeDelta;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use voice_campaigns::carrier::sip::{Ports, Settings, Sip};
use voice_campaigns::carrier::{Capacity, Carrier, DialRequest, Leg, LegEvents, Recorded, Report};
use voice_campaigns::clock::Clock;
use voice_campaigns::domain::Instant;
use voice_campaigns::domain::call::{LegCommand, LegEvent};
use voice_campaigns::domain::outcome::Cause;
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::domain::voice::Voice;
use voice_campaigns::media::g711::Codec;
use voice_campaigns::media::sdp;
use voice_campaigns::speech::{Saying, SpeechError, Synthesizer};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// How much faster than life; not so much that a busy machine becomes a slow carrier.
const SPEED: u32 = 6;

/// The driver with a trunk to a peer.
pub(crate) struct Line {
    pub(crate) peer: Peer,
    pub(crate) sip: Sip,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Line {
    pub(crate) async fn with(
        peer: Peer,
        clock: Arc<dyn Clock>,
        trunk: Value,
        voice: Arc<dyn Synthesizer>,
    ) -> Line {
        let settings = Settings {
            listen: SocketAddr::new(peer.address.ip(), 0),
            rtp_ports: Ports { first: 20_000, last: 29_999 },
            detect_machines: trunk["detect_machines"] != false,
            ..Settings::default()
        };
        let mut about =
            json!({"name": "main", "host": peer.address, "channels": 100, "calls_per_second": 100});
        about.as_object_mut().unwrap().extend(trunk.as_object().unwrap().clone());
        about.as_object_mut().unwrap().remove("detect_machines");
        let trunks = [serde_json::from_value(about).unwrap()];
        let sip = Sip::start(settings, &trunks, voice, clock.clone()).await.unwrap();
        let health = sip.check().await;
        assert_eq!(health[0].problem, None);
        Line { peer, sip, clock }
    }

    async fn to(script: impl Fn(&Message) -> Vec<Step> + Send + Sync + 'static) -> Line {
        let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
        let peer = Peer::start(clock.clone(), script).await;
        Line::with(peer, clock, json!({}), Arc::new(Hum)).await
    }

    /// Ends when no call has a place any more.
    async fn is_idle(&self) {
        while self.sip.health()[0].live > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) fn dial(&self, ring_seconds: i64) -> Call {
        self.dial_as(ring_seconds, None)
    }

    fn dial_as(&self, ring_seconds: i64, machine_detection: Option<bool>) -> Call {
        self.place(DialRequest {
            ring_timeout: TimeDelta::seconds(ring_seconds),
            machine_detection,
            ..dial_request()
        })
    }

    fn place(&self, request: DialRequest) -> Call {
        let (inbox, reports) = mpsc::unbounded_channel();
        Call { leg: self.sip.dial(request, LegEvents::new(1, inbox)), reports }
    }
}

/// A call as the dialer sees it.
pub(crate) struct Call {
    pub(crate) leg: Leg,
    reports: mpsc::UnboundedReceiver<Report>,
}

impl Call {
    /// What is reported next, but for the beginning of what was to be said.
    pub(crate) async fn next(&mut self) -> LegEvent {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), self.reports.recv()).await;
            let next = next.expect("nothing more is reported").expect("nobody reports any more").event;
            if next != LegEvent::SpeechBegan {
                return next;
            }
        }
    }

    async fn end(&mut self) -> (Cause, String) {
        loop {
            if let LegEvent::Ended(cause, detail) = self.next().await {
                return (cause, detail.unwrap_or_default());
            }
        }
    }

    pub(crate) fn speak(&mut self) {
        self.leg.command(LegCommand::Speak { text: "Hello.".into(), speech_ms: 10_000 });
    }
}

/// What the peer does for each story, going by the last two digits of the number.
fn story(invite: &Message) -> Vec<Step> {
    use Step::{Bye, HearOut, Keys, Play, Refer, Reply, ReplyWithSound, Wait};
    let hello = |rest: Vec<Step>| {
        [vec![Reply(180, ""), Wait(3_000), ReplyWithSound(200, ""), Wait(300), Play(hum(500))], rest].concat()
    };
    match &invite.user()[invite.user().len() - 2..] {
        "00" => hello(vec![HearOut(4_000), Bye]),
        "01" => hello(vec![Wait(2_200), Bye]),
        "02" => {
            let machine = vec![Play(hum(1_800)), Play(beep(300)), HearOut(4_000), Bye];
            [vec![Reply(180, ""), Wait(3_000), ReplyWithSound(200, "")], machine].concat()
        }
        "03" => vec![Reply(180, "")],
        "04" => vec![Reply(486, "")],
        "05" => vec![Reply(180, ""), Wait(4_000), Reply(603, "")],
        "06" => vec![Reply(404, "")],
        "07" => vec![Reply(503, "")],
        "09" => hello(vec![HearOut(1_500), Keys("1")]),
        "10" => hello(vec![HearOut(1_500), Keys("0"), Refer(202, &["100 Trying", "180 Ringing", "200 OK"])]),
        "11" => hello(vec![HearOut(1_500), Keys("0"), Refer(202, &["100 Trying", "486 Busy Here"])]),
        _ => panic!("no story for {}", invite.user()),
    }
}

impl CarrierUnderTest for Line {
    fn carrier(&self) -> &dyn Carrier {
        &self.sip
    }

    /// Nobody understands what is said, so nobody hears that somebody asks not to be called again.
    fn stories(&self) -> Vec<Story> {
        carrier::STORIES.into_iter().filter(|story| *story != Story::AsksNotToBeCalledAgain).collect()
    }

    fn number_that(&self, story: Story) -> Phone {
        let last = carrier::STORIES.iter().position(|known| *known == story).unwrap();
        Phone::from_digits(12_025_550_100 + last as u64).unwrap()
    }

    fn now(&self) -> Instant {
        self.clock.steady()
    }

    fn advance(&self) -> bool {
        std::thread::sleep(Duration::from_millis(2));
        self.sip.health()[0].live > 0
    }
}

#[test]
fn it_keeps_the_port() {
    carrier::keeps_the_port(|| RUNTIME.block_on(Line::to(story)));
}

/// A voice that is not there, or too slow.
struct Broken(Option<TimeDelta>, Arc<dyn Clock>);

impl Synthesizer for Broken {
    fn say(&self, _: &str, _: &Voice) -> Saying {
        let (wait, clock) = (self.0, self.1.clone());
        Box::pin(async move {
            match wait {
                Some(wait) => clock.sleep_until(clock.steady() + wait).await,
                None => std::future::pending().await,
            }
            Err(SpeechError("no such voice".into()))
        })
    }
}

pub(crate) fn answers(rest: Vec<Step>) -> Vec<Step> {
    [vec![Step::Reply(180, ""), Step::Wait(500), Step::ReplyWithSound(200, "")], rest].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_arrives_sample_by_sample_and_its_end_is_told_once() {
    let line = Line::to(|_| answers(vec![Step::Play(hum(500)), Step::HearOut(6_000), Step::Bye])).await;
    let mut call = line.dial(30);
    assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    call.speak();
    assert_eq!(call.next().await, LegEvent::SpeechEnded);
    assert_eq!(call.end().await, (Cause::RemoteHangup, String::new()));
    let expected: Vec<u8> = hum(10_000).into_iter().map(|sample| Codec::Pcmu.encode(sample)).collect();
    let heard = line.peer.heard();
    let begin =
        heard.windows(50).position(|window| *window == expected[..50]).expect("the voice is not heard");
    assert!(heard[begin..].starts_with(&expected), "the sound is not the same");
    assert!(heard[..begin].iter().all(|byte| *byte == 0xff), "something was heard before");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_is_heard_in_place_of_its_words_and_the_rest_is_spoken() {
    let line = Line::to(|_| answers(vec![Step::HearOut(6_000), Step::Bye])).await;
    let mu_law = |sound: Vec<i16>| sound.into_iter().map(|sample| Codec::Pcmu.encode(sample));
    let sound: Vec<u8> = mu_law(beep(400)).collect();
    let text = "Good day. Press 9.".to_owned();
    let mut call = line.place(DialRequest {
        words: vec![text.clone()],
        recorded: vec![Recorded { text: "Good day".into(), sound: sound.clone().into() }],
        machine_detection: Some(false),
        ..dial_request()
    });
    assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    call.leg.command(LegCommand::Speak { text, speech_ms: 10_000 });
    assert_eq!(call.next().await, LegEvent::SpeechEnded);
    call.end().await;
    let expected: Vec<u8> = sound.into_iter().chain(mu_law(hum(10_000))).collect();
    let heard = line.peer.heard();
    let begin = heard.windows(50).position(|window| *window == expected[..50]).expect("nothing is heard");
    assert!(heard[begin..].starts_with(&expected), "the sound is not the same");
}

/// The keys that are reported before the end, of a call that is hung up as soon as it is answered, and how it ends.
async fn pressed_at_the_end(steps: Vec<Step>) -> (Vec<LegEvent>, (Cause, String)) {
    let line = Line::to(move |_| answers(steps.clone())).await;
    let mut call = line.dial_as(30, Some(false));
    assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    call.leg.command(LegCommand::HangUp);
    let mut keys = Vec::new();
    let end = loop {
        match call.next().await {
            LegEvent::Ended(cause, detail) => break (cause, detail.unwrap_or_default()),
            event => keys.push(event),
        }
    };
    line.is_idle().await;
    (keys, end)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_pressed_while_we_hang_up_is_reported_before_the_end() {
    let local = (Cause::LocalHangup, String::new());
    let nine = vec![LegEvent::Digit('9')];
    let by_sound = vec![Step::AwaitBye, Step::Keys("9"), Step::NoteBye];
    assert_eq!(pressed_at_the_end(by_sound).await, (nine.clone(), local.clone()), "RFC 4733");
    let by_message = vec![Step::AwaitBye, Step::Info('9'), Step::Wait(200), Step::NoteBye];
    assert_eq!(pressed_at_the_end(by_message).await, (nine.clone(), local.clone()), "INFO");
    // Before it takes note of the end there is silence for as long as we wait.
    let unheard = vec![Step::AwaitBye, Step::Wait(500), Step::Keys("9")];
    assert_eq!(pressed_at_the_end(unheard).await, (nine, local), "nobody takes note of the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_heard_of_whoever_hangs_up_on_it() {
    let line = Line::to(|_| answers(vec![Step::Keys("9"), Step::Bye])).await;
    let mut call = line.dial_as(30, Some(false));
    assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    assert_eq!(call.next().await, LegEvent::Digit('9'));
    assert_eq!(call.next().await, LegEvent::Ended(Cause::RemoteHangup, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_which_no_keys_can_be_heard_says_so_and_so_does_its_trunk() {
    let line = Line::to(|invite| match invite.user() {
        "+12025550101" => {
            vec![Step::ReplyWith(200, "m=audio 9 RTP/AVP 0\r\n"), Step::Wait(1_000), Step::Info('9')]
        }
        _ => vec![Step::ReplyWithSound(200, "")],
    })
    .await;
    assert_eq!(line.sip.health()[0].warning, None);
    let mut call = line.dial_as(30, Some(false));
    assert_eq!(call.next().await, LegEvent::Answered);
    let told = call.next().await;
    assert!(matches!(&told, LegEvent::KeysUnheard(why) if why.contains("telephone-event")), "{told:?}");
    assert_eq!(call.next().await, LegEvent::Digit('9'), "one in a message is heard all the same");
    call.leg.command(LegCommand::HangUp);
    call.end().await;
    let health = &line.sip.health()[0];
    assert!(health.warning.as_deref().unwrap().contains("keys may not be heard"), "{health:?}");
    assert_eq!(health.problem, None);
    let mut call = line.place(DialRequest {
        call_id: 2,
        lead_id: 2,
        phone: Phone::from_e164("+12025550102").unwrap(),
        words: Vec::new(),
        machine_detection: Some(false),
        ..dial_request()
    });
    assert_eq!(call.next().await, LegEvent::Answered);
    call.leg.command(LegCommand::HangUp);
    assert_eq!(call.next().await, LegEvent::Ended(Cause::LocalHangup, None));
    assert_eq!(line.sip.health()[0].warning, None);
}

/// What becomes of a transfer that the carrier answers so, and what it was asked for.
async fn referred(steps: Vec<Step>) -> (Vec<LegEvent>, Message) {
    let line = Line::to(move |_| answers(steps.clone())).await;
    let mut call = line.dial_as(30, Some(false));
    assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    call.leg.command(LegCommand::Transfer { to: Phone::from_e164("+12025550199").unwrap() });
    let mut events = Vec::new();
    loop {
        events.push(call.next().await);
        match events.last() {
            Some(LegEvent::Ended(..)) => break,
            Some(_) => call.leg.command(LegCommand::HangUp),
            None => {}
        }
    }
    line.is_idle().await;
    (events, line.peer.received("REFER").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_is_asked_to_pass_a_call_on_and_its_answer_is_told() {
    let local = LegEvent::Ended(Cause::LocalHangup, None);
    let (events, refer) = referred(vec![Step::Refer(202, &["100 Trying", "200 OK"])]).await;
    assert_eq!(events, [LegEvent::Transferred, local.clone()]);
    let host = refer.text.split(' ').nth(1).unwrap().split('@').nth(1).unwrap().to_owned();
    assert_eq!(refer.header("Refer-To"), Some(format!("<sip:+12025550199@{host}>").as_str()));
    for (status, told, why) in [
        (
            403,
            &[][..],
            "trunk main: 403 Forbidden: check that the trunk may call this country and show this caller id",
        ),
        (202, &["100 Trying", "503 Service Unavailable"], "trunk main: nobody took the call (503)"),
    ] {
        let (events, _) = referred(vec![Step::Refer(status, told)]).await;
        assert_eq!(events, [LegEvent::TransferRefused(why.to_owned()), local.clone()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_takes_a_call_over_without_a_word_has_taken_it_over() {
    let (events, _) = referred(vec![Step::Refer(202, &[])]).await;
    assert_eq!(events, [LegEvent::Transferred, LegEvent::Ended(Cause::LocalHangup, None)]);
    let (events, _) = referred(vec![Step::Refer(202, &["100 Trying"]), Step::Bye]).await;
    assert_eq!(events, [LegEvent::Transferred, LegEvent::Ended(Cause::RemoteHangup, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_decides_whether_machines_are_told_from_people() {
    for (own, is_told) in [(Some(true), true), (Some(false), false), (None, false)] {
        let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
        let script = |_: &Message| answers(vec![Step::Play(hum(12_000)), Step::Wait(1_000), Step::Bye]);
        let peer = Peer::start(clock.clone(), script).await;
        let line = Line::with(peer, clock, json!({"detect_machines": false}), Arc::new(Hum)).await;
        let mut call = line.dial_as(30, own);
        let mut events = Vec::new();
        while !matches!(events.last(), Some(LegEvent::Ended(..))) {
            events.push(call.next().await);
        }
        assert_eq!(events.contains(&LegEvent::MachineDetected), is_told, "{own:?}: {events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_says_who_calls_whom_and_nothing_of_the_library() {
    let trunk = json!({"username": "alice", "caller_id": "+12025550199", "number_prefix": "00"});
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
    let peer = Peer::start(clock.clone(), |_| vec![Step::Reply(486, "Reason: Q.850;cause=17\r\n")]).await;
    let line = Line::with(peer, clock, trunk, Arc::new(Hum)).await;
    let end = line.dial(30).end().await;
    assert_eq!(end, (Cause::Busy, "trunk main: 486 Busy Here, Q.850 cause 17".into()));
    let invite = line.peer.received("INVITE").await;
    assert_eq!(invite.user(), "0012025550101");
    assert!(invite.header("From").unwrap().starts_with("<sip:0012025550199@127.0.0.1:"), "{}", invite.text);
    assert!(invite.header("Contact").unwrap().starts_with("<sip:alice@127.0.0.1:"), "{}", invite.text);
    assert!(!invite.text.contains("restsend"), "{}", invite.text);
    assert!(!invite.header("Allow").unwrap().contains("UPDATE"), "none is taken while it rings");
    let offer = sdp::read(invite.body().as_bytes()).unwrap();
    assert!((20_000..30_000).contains(&offer.address.port()) && offer.address.port().is_multiple_of(2));
}

/// RFC 7616 with SHA-256, computed here anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_answered_with_a_digest_that_is_right() {
    let challenge =
        "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n0nce\", algorithm=SHA-256, qop=\"auth\"\r\n";
    let trunk = json!({"username": "alice", "password": "s3cret"});
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
    let script = move |invite: &Message| match invite.header("Authorization") {
        None => vec![Step::Reply(401, challenge)],
        Some(_) => vec![Step::Reply(404, "")],
    };
    let line = Line::with(Peer::start(clock.clone(), script).await, clock, trunk, Arc::new(Hum)).await;
    let (cause, detail) = line.dial(30).end().await;
    assert_eq!(cause, Cause::InvalidNumber, "{detail} {:#?}", line.peer.messages());
    let proofs: Vec<Message> = line
        .peer
        .messages()
        .into_iter()
        .filter(|message| message.header("Authorization").is_some())
        .collect();
    let [proof] = proofs.as_slice() else { panic!("{proofs:#?}") };
    let value = |name: &str| {
        let text = proof.header("Authorization").unwrap();
        let (_, rest) = text.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("no {name}: {text}"));
        rest.trim_start_matches('"').split(['"', ',']).next().unwrap().to_owned()
    };
    let hash =
        |text: String| -> String { Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect() };
    let who = hash("alice:carrier:s3cret".into());
    let what = hash(format!("INVITE:{}", value("uri")));
    let expected = hash(format!("{who}:n0nce:{}:{}:auth:{what}", value("nc"), value("cnonce")));
    assert_eq!(value("response"), expected);
    let text = proof.header("Authorization").unwrap();
    assert!(text.contains("qop=auth,") && text.contains("algorithm=SHA-256"), "{text}");
}

fn secured(way: &Secured, host: &str, ca_file: Option<&Path>) -> Value {
    let host = format!("{host}:{}", way.address.port());
    json!({"name": "main", "host": host, "transport": "tls", "ca_file": ca_file})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_over_tls_is_like_any_other_and_goes_on_after_the_connection_broke() {
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
    let script = |_: &Message| answers(vec![Step::Play(hum(500)), Step::HearOut(6_000), Step::Bye]);
    let peer = Peer::start(clock.clone(), script).await;
    let way = Secured::before(peer.address).await;
    let trunk = secured(&way, "localhost", Some(&way.authority));
    let line = Line::with(peer, clock, trunk, Arc::new(Hum)).await;
    for calls in 1..=2 {
        // A connection that broke is noticed and made again.
        while line.sip.check().await[0].problem.is_some() {}
        let mut call = line.dial(30);
        assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
        call.speak();
        assert_eq!(call.next().await, LegEvent::SpeechEnded);
        assert_eq!(call.end().await, (Cause::RemoteHangup, String::new()));
        line.is_idle().await;
        let messages = line.peer.messages();
        let count = |method: &str| messages.iter().filter(|message| message.method() == method).count();
        assert_eq!((count("INVITE"), count("ACK")), (calls, calls), "{messages:#?}");
        way.cut();
    }
    let invite = line.peer.received("INVITE").await;
    assert!(invite.header("Via").unwrap().starts_with("SIP/2.0/TLS "), "{}", invite.text);
    let contact = invite.header("Contact").unwrap().to_ascii_lowercase();
    assert!(contact.contains(";transport=tls"), "{}", invite.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_trusts_is_named_and_nobody_is_dialed() {
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(1));
    let peer = Peer::start(clock.clone(), |_| Vec::new()).await;
    let (way, other) = (Secured::before(peer.address).await, Secured::before(peer.address).await);
    let settings = || Settings { listen: "127.0.0.1:0".parse().unwrap(), ..Settings::default() };
    for (trunk, problem) in [
        (secured(&way, "localhost", None), "UnknownIssuer"),
        (secured(&way, "localhost", Some(&other.authority)), "the certificate of localhost is not accepted"),
        (secured(&way, "127.0.0.1", Some(&way.authority)), "the certificate of 127.0.0.1 is not accepted"),
        (secured(&way, "localhost", Some(Path::new("/nowhere.pem"))), "ca_file /nowhere.pem"),
        (secured(&way, "localhost", Some(Path::new("Cargo.toml"))), "holds no certificate"),
    ] {
        let trunks = [serde_json::from_value(trunk.clone()).unwrap()];
        let sip = Sip::start(settings(), &trunks, Arc::new(Hum), clock.clone()).await.unwrap();
        let told = sip.check().await[0].problem.clone().unwrap();
        assert!(told.contains(problem), "{trunk}: {told}");
        assert_eq!(sip.capacity().channels, 0);
    }
    assert!(peer.messages().is_empty(), "{:#?}", peer.messages());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_does_not_want_us_is_its_fault_and_not_the_numbers() {
    for (code, hint) in
        [(401, "check the user name"), (407, "check the user name"), (403, "may call this country")]
    {
        let line = Line::to(move |_| vec![Step::Reply(code, "")]).await;
        let (cause, detail) = line.dial(30).end().await;
        assert_eq!(cause, Cause::CarrierRefused);
        assert!(detail.contains(hint), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_crosses_our_cancel_is_acknowledged_and_hung_up() {
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
    let peer = Peer::start_late(clock.clone(), |_| vec![Step::Reply(180, "")]).await;
    let line = Line::with(peer, clock, json!({}), Arc::new(Hum)).await;
    let mut call = line.dial(30);
    assert_eq!(call.next().await, LegEvent::Ringing);
    call.leg.command(LegCommand::HangUp);
    assert_eq!(call.end().await.0, Cause::LocalHangup);
    line.peer.received("BYE").await;
    let methods: Vec<String> =
        line.peer.messages().iter().map(|message| message.method().to_owned()).collect();
    assert_eq!(methods, ["OPTIONS", "INVITE", "CANCEL", "ACK", "BYE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_vanished_is_told_of_at_the_ring_timeout_and_not_dialed_again() {
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
    let line =
        Line::with(Peer::start(clock.clone(), |_| vec![]).await, clock, json!({}), Arc::new(Hum)).await;
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(line.sip.clone().run(stopped));
    line.peer.fall_silent();
    let began = line.now();
    let (cause, detail) = line.dial(10).end().await;
    let took = line.now() - began;
    assert_eq!(cause, Cause::CarrierError);
    assert!(detail.contains("nothing was heard of the carrier"), "{detail}");
    assert!(took >= TimeDelta::seconds(10) && took < TimeDelta::seconds(13), "{took}");
    while line.sip.health()[0].problem.is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    line.is_idle().await;
    assert_eq!(line.sip.capacity().channels, 0);
    let (cause, detail) = line.dial(10).end().await;
    assert_eq!((cause, detail.as_str()), (Cause::CarrierError, "no trunk takes a call at the moment"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_of_which_nothing_is_heard_is_no_person_who_does_not_pick_up() {
    // As the library says it of a carrier that was silent for half a minute.
    let line = Line::to(|_| vec![Step::AtOnce(408)]).await;
    let (cause, detail) = line.dial(60).end().await;
    assert_eq!(cause, Cause::CarrierError);
    assert!(detail.contains("nothing was heard of the carrier"), "{detail}");
    let line = Line::to(|_| vec![Step::Reply(408, "")]).await;
    assert_eq!(line.dial(60).end().await.0, Cause::NoAnswer, "the carrier has asked for the person");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute: tests/run --long"]
async fn a_carrier_that_vanished_is_told_of_when_the_library_has_given_up_asking() {
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(1));
    let line =
        Line::with(Peer::start(clock.clone(), |_| vec![]).await, clock, json!({}), Arc::new(Hum)).await;
    line.peer.fall_silent();
    let mut call = line.dial(60);
    let report = tokio::time::timeout(Duration::from_secs(50), call.reports.recv()).await.unwrap().unwrap();
    let LegEvent::Ended(Cause::CarrierError, Some(detail)) = report.event else { panic!("{report:?}") };
    assert!(detail.contains("nothing was heard of the carrier"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_answer_cannot_be_read_may_have_been_picked_up() {
    let line = Line::to(|_| vec![Step::Reply(180, ""), Step::Garbled]).await;
    let mut call = line.dial(30);
    assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    let (cause, detail) = call.end().await;
    assert_eq!(cause, Cause::CarrierError);
    assert!(detail.ends_with("; somebody may have picked up"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_voice_nobody_is_left_in_silence() {
    for (wait, rings_ms, ended_before_answer) in
        [(Some(TimeDelta::seconds(1)), 60_000, true), (None, 500, false)]
    {
        let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
        let script = move |_: &Message| {
            vec![
                Step::Reply(180, ""),
                Step::Wait(rings_ms),
                Step::ReplyWithSound(200, ""),
                Step::Wait(60_000),
            ]
        };
        let peer = Peer::start(clock.clone(), script).await;
        let line =
            Line::with(peer, clock.clone(), json!({"detect_machines": false}), Arc::new(Broken(wait, clock)))
                .await;
        let mut call = line.dial(30);
        assert_eq!(call.next().await, LegEvent::Ringing);
        let mut answered_at = None;
        let (cause, detail) = loop {
            match call.next().await {
                LegEvent::Answered => {
                    answered_at = Some(line.now());
                    call.speak();
                }
                LegEvent::Ended(cause, detail) => break (cause, detail.unwrap_or_default()),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(cause, Cause::CarrierError, "{detail}");
        assert!(detail.contains("voice"), "{detail}");
        assert_eq!(answered_at.is_none(), ended_before_answer, "{detail}");
        assert!(answered_at.is_none_or(|at| line.now() - at < TimeDelta::seconds(3)));
        line.peer.received(if ended_before_answer { "CANCEL" } else { "BYE" }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_held_falls_silent_and_goes_on_where_it_was() {
    let line = Line::to(|invite| {
        let port = sdp::read(invite.body().as_bytes()).unwrap().address.port();
        assert_ne!(port, 0);
        answers(vec![
            Step::Play(hum(500)),
            Step::Wait(1_000),
            Step::Reinvite("m=audio 9 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"),
            Step::Wait(1_000),
            Step::Bye,
        ])
    })
    .await;
    let mut call = line.dial(30);
    assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    call.speak();
    assert_eq!(call.end().await.0, Cause::RemoteHangup);
    let replies: Vec<Message> =
        line.peer.messages().into_iter().filter(|m| m.method() == "SIP/2.0").collect();
    let answer = replies
        .iter()
        .find(|reply| reply.header("CSeq") == Some("1 INVITE") && reply.text.starts_with("SIP/2.0 200"));
    let answer = answer.unwrap_or_else(|| panic!("{replies:#?}"));
    assert!(answer.body().contains("a=recvonly\r\n"), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_heard_as_packets_once_each() {
    let line = Line::to(|_| answers(vec![Step::Keys("129#"), Step::Wait(500), Step::Bye])).await;
    let mut call = line.dial(30);
    let mut keys = String::new();
    loop {
        match call.next().await {
            LegEvent::Digit(key) => keys.push(key),
            LegEvent::Ended(..) => break,
            _ => {}
        }
    }
    assert_eq!(keys, "129#");
}

/// All that is reported of a call without machine detection, and what the other side was sent.
async fn told(steps: Vec<Step>) -> (Vec<LegEvent>, Vec<Message>) {
    let line = Line::to(move |_| steps.clone()).await;
    let mut call = line.dial_as(30, Some(false));
    let mut events = Vec::new();
    while !matches!(events.last(), Some(LegEvent::Ended(..))) {
        events.push(call.next().await);
    }
    (events, line.peer.messages())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_heard_although_somebody_else_sent_sound_first() {
    let steps = [Step::Intrude(hum(20)), Step::Wait(200), Step::Keys("9"), Step::Wait(1_000), Step::Bye];
    let (events, _) = told(answers(steps.to_vec())).await;
    assert!(events.contains(&LegEvent::Digit('9')), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_heard_in_either_codec_that_the_answer_names() {
    let line = Line::to(|_| {
        let rest = [Step::Wait(300), Step::Play(hum(500)), Step::Wait(6_000), Step::Bye];
        [vec![Step::Speaks(Codec::Pcma), Step::NamesBoth], answers(rest.to_vec())].concat()
    })
    .await;
    let mut call = line.dial(30);
    assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    let end = call.next().await;
    assert!(matches!(end, LegEvent::Ended(Cause::RemoteHangup, _)), "no machine: {end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_our_offer_is_heard_where_the_answer_to_it_says() {
    const HELD: &str = "m=audio 9 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n";
    for before in [vec![], vec![Step::Reinvite(HELD), Step::Wait(300)]] {
        let rest = [Step::Move, Step::Wait(300), Step::Keys("9"), Step::Wait(1_000), Step::Bye];
        let began = [Step::Play(hum(500)), Step::Wait(300)];
        let (events, messages) = told(answers([&began[..], &before, &rest].concat())).await;
        assert!(events.contains(&LegEvent::Digit('9')), "{before:?}: {events:?}");
        let cseq = format!("{} INVITE", before.len().min(1) + 1);
        let is_offer =
            |reply: &&Message| reply.text.starts_with("SIP/2.0 200") && reply.header("CSeq") == Some(&cseq);
        let offer = messages.iter().find(is_offer).unwrap().body();
        assert!(offer.contains(" RTP/AVP 0 8 101\r\n") && offer.contains("a=sendrecv\r\n"), "{offer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_that_cannot_be_had_ends_the_call_with_the_reason() {
    for (body, reason) in [
        ("m=audio 9 RTP/SAVP 0\r\n", "SRTP"),
        ("m=audio 9 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n", "no codec in common"),
        ("m=audio 0 RTP/AVP 0\r\n", "refuses sound"),
    ] {
        let line = Line::to(move |_| vec![Step::ReplyWith(200, body)]).await;
        let (cause, detail) = line.dial(30).end().await;
        assert_eq!(cause, Cause::CarrierError);
        assert!(detail.contains(reason), "{detail}");
        line.peer.received("BYE").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_renewed_with_a_description_before_its_time_is_over() {
    let line = Line::to(|invite| match invite.header("To").unwrap().contains(";tag=") {
        true => vec![Step::ReplyWithSound(200, "Session-Expires: 90;refresher=uac\r\n")],
        false => vec![
            Step::ReplyWithSound(200, "Session-Expires: 90;refresher=uac\r\n"),
            Step::Wait(60_000),
            Step::Bye,
        ],
    })
    .await;
    let began = line.now();
    let mut call = line.dial(30);
    assert_eq!(call.next().await, LegEvent::Answered);
    let renewed = loop {
        let invites: Vec<Message> =
            line.peer.messages().into_iter().filter(|m| m.method() == "INVITE").collect();
        if let [_, renewed] = invites.as_slice() {
            break renewed.clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let after = line.now() - began;
    assert!(after > TimeDelta::seconds(44) && after < TimeDelta::seconds(50), "{after}");
    assert!(renewed.body().starts_with("v=0\r\n"), "{}", renewed.text);
    assert_eq!(renewed.header("Session-Expires"), Some("90;refresher=uac"));
    assert!(renewed.header("Allow").unwrap().contains("UPDATE"), "{}", renewed.text);
    call.leg.command(LegCommand::HangUp);
    assert_eq!(call.end().await.0, Cause::LocalHangup);
}

/// How a call ends whose session we renew every 45 seconds, and after how many, when the carrier says this to a refresh.
async fn refused_to_renew(status: u16) -> (Cause, String, i64) {
    let line = Line::to(move |message| match message.header("To").unwrap().contains(";tag=") {
        true => vec![Step::Reply(status, "Retry-After: 2\r\n")],
        false => vec![Step::ReplyWithSound(200, "Session-Expires: 90;refresher=uac\r\n")],
    })
    .await;
    let mut call = line.dial_as(30, Some(false));
    assert_eq!(call.next().await, LegEvent::Answered);
    let began = line.now();
    let (cause, detail) = call.end().await;
    let took = (line.now() - began).num_seconds();
    line.peer.received("BYE").await;
    (cause, detail, took)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_renewed_ends_with_its_time_and_with_the_call_that_there_is_not_at_once() {
    let ends = tokio::join!(refused_to_renew(500), refused_to_renew(481), refused_to_renew(408));
    let (cause, detail, took) = ends.0;
    assert_eq!(
        (cause, detail.as_str()),
        (Cause::CarrierError, "the carrier did not renew the session in time")
    );
    assert!((89..95).contains(&took), "{took}");
    for (cause, detail, took) in [ends.1, ends.2] {
        assert_eq!((cause, detail.as_str()), (Cause::CarrierError, "the carrier does not renew the session"));
        assert!((44..50).contains(&took), "{took}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_renew_a_session_when_asked_is_asked_again() {
    let refused = AtomicBool::new(false);
    let line = Line::to(move |message| match message.header("To").unwrap().contains(";tag=") {
        true if refused.swap(true, Ordering::Relaxed) => vec![Step::ReplyWithSound(200, "")],
        true => vec![Step::Reply(500, "Retry-After: 2\r\n")],
        false => vec![
            Step::ReplyWithSound(200, "Session-Expires: 90;refresher=uac\r\n"),
            Step::Wait(95_000),
            Step::Bye,
        ],
    })
    .await;
    let mut call = line.dial_as(30, Some(false));
    assert_eq!(call.end().await, (Cause::RemoteHangup, String::new()));
    let invites = line.peer.messages().iter().filter(|message| message.method() == "INVITE").count();
    assert_eq!(invites, 3);
}

/// How a call ends whose session is agreed on for this time by the answer, and changed to this one; what is said back, and
/// how often we have renewed it.
async fn changed(answer: &'static str, change: &'static str) -> (Cause, Option<String>, usize) {
    let line = Line::to(move |message| match message.header("To").unwrap().contains(";tag=") {
        true => vec![Step::ReplyWithSound(200, "Session-Expires: 90;refresher=uac\r\n")],
        false => {
            let rest = [Step::Wait(500), Step::Update(change), Step::Wait(70_000), Step::Bye];
            [&[Step::ReplyWithSound(200, answer)], &rest[..]].concat()
        }
    })
    .await;
    let (cause, _) = line.dial_as(30, Some(false)).end().await;
    let messages = line.peer.messages();
    let said = messages.iter().find(|message| message.header("CSeq") == Some("1 UPDATE")).unwrap();
    assert!(said.text.starts_with("SIP/2.0 200") && said.header("Allow").unwrap().contains("UPDATE"));
    let renewed = messages.iter().filter(|message| message.method() == "INVITE").count() - 1;
    (cause, said.header("Session-Expires").map(str::to_owned), renewed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_renewed_by_whom_its_last_change_names() {
    let (ours, theirs, open) =
        ("Session-Expires: 90;refresher=uas\r\n", "Session-Expires: 90;refresher=uac\r\n", "");
    let untold = "Session-Expires: 90\r\n";
    // In a change it is the other side that asks.
    let (to_us, to_them, to_nobody, to_them_untold) =
        tokio::join!(changed(open, ours), changed(open, theirs), changed(ours, open), changed(open, untold),);
    let told = |value: &str| Some(value.to_owned());
    assert_eq!(to_us, (Cause::RemoteHangup, told("90;refresher=uas"), 1));
    assert_eq!(to_them, (Cause::CarrierError, told("90;refresher=uac"), 0), "nobody renews it");
    assert_eq!(to_them_untold, (Cause::CarrierError, told("90;refresher=uac"), 0), "nobody renews it");
    assert_eq!(to_nobody, (Cause::RemoteHangup, None, 0), "nobody needs to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_other_side_does_not_renew_is_ended() {
    let line = Line::to(|_| vec![Step::ReplyWithSound(200, "Session-Expires: 90;refresher=uas\r\n")]).await;
    let began = line.now();
    let (cause, detail) = line.dial(30).end().await;
    assert_eq!(
        (cause, detail.as_str()),
        (Cause::CarrierError, "the carrier did not renew the session in time")
    );
    assert!(line.now() - began >= TimeDelta::seconds(60));
    line.peer.received("BYE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_trunk_that_is_there_takes_the_calls_at_its_own_pace() {
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
    let busy = |_: &Message| vec![Step::Reply(486, "")];
    let (first, second) = (Peer::start(clock.clone(), busy).await, Peer::start(clock.clone(), busy).await);
    let trunk = |name: &str, peer: &Peer, pace: f64| {
        serde_json::from_value(json!({"name": name, "host": peer.address, "calls_per_second": pace})).unwrap()
    };
    let trunks = [trunk("first", &first, 1.0), trunk("second", &second, 50.0)];
    let settings = Settings { listen: "127.0.0.1:0".parse().unwrap(), ..Settings::default() };
    let sip = Sip::start(settings, &trunks, Arc::new(Hum), clock.clone()).await.unwrap();
    assert_eq!(sip.capacity().channels, 0, "nobody has looked for them");
    sip.check().await;
    assert_eq!(sip.capacity(), Capacity { channels: 20, calls_per_second: Some(1.0), next_at: None });
    let line = Line { peer: first, sip: sip.clone(), clock: clock.clone() };
    let mut call = line.dial(30);
    assert!(sip.capacity().next_at.is_some(), "the pace of the first is kept, though the second is free");
    assert!(call.end().await.1.starts_with("trunk first: 486"));
    assert_eq!(line.dial(30).end().await.1, "no trunk takes a call at the moment");
    clock.sleep_until(clock.steady() + TimeDelta::seconds(1)).await;
    assert!(line.dial(30).end().await.1.starts_with("trunk first: 486"));
    line.peer.fall_silent();
    sip.check().await;
    assert_eq!(sip.capacity().calls_per_second, Some(50.0));
    assert!(line.dial(30).end().await.1.starts_with("trunk second: 486"));
}

/// How many datagrams come that nobody asked for.
const JUNK: usize = 180_000;

/// Messages that are broken, huge, no messages at all, of others, or about the call that is alive but not from its carrier.
fn junk(invite: &Message, number: usize) -> Vec<u8> {
    let text = &invite.text;
    let via = invite.header("Via").unwrap();
    let other_branch = via.replace("branch=z9hG4bK", "branch=z9hG4bKx");
    let from = invite.header("From").unwrap();
    let id = invite.header("Call-ID").unwrap();
    let about = |first: &str, via: &str, cseq: &str| {
        format!(
            "{first}\r\nVia: {via}\r\nFrom: {from}\r\nTo: <sip:x@127.0.0.1>;tag=other{number}\r\nCall-ID: {id}\r\n\
             CSeq: {cseq}\r\nContact: <sip:x@127.0.0.1:9>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes()
    };
    match number % 10 {
        0..4 => {
            let mut bytes = text.clone().into_bytes();
            let at = number * 7 % bytes.len();
            bytes[at] = (number % 256) as u8;
            bytes.truncate(bytes.len() - number % 300);
            bytes
        }
        4 if number.is_multiple_of(1_000) => vec![b'x'; 60_000],
        4 | 5 => (0..number % 600).map(|at| (at * number % 251) as u8).collect(),
        6 => about("SIP/2.0 486 Busy Here", &other_branch, "1 INVITE"),
        7 => about("SIP/2.0 200 OK", via, "1 INVITE"),
        8 => about(
            "BYE sip:campaigns@127.0.0.1 SIP/2.0",
            &format!("SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{number}"),
            "7 BYE",
        ),
        _ => about(
            "OPTIONS sip:x@127.0.0.1 SIP/2.0",
            &format!("SIP/2.0/UDP 127.0.0.1:{};branch=z9hG4bKo{number}", number % 60_000 + 1),
            "1 OPTIONS",
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_at_its_port_harms_no_call() {
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
    let script = |_: &Message| answers(vec![Step::Play(hum(500)), Step::HearOut(6_000), Step::Bye]);
    let peer = Peer::start(clock.clone(), script).await;
    let line = Line::with(peer, clock, json!({"detect_machines": false}), Arc::new(Hum)).await;
    let mut call = line.dial(30);
    assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    call.speak();
    let invite = line.peer.received("INVITE").await;
    let contact =
        invite.header("Contact").unwrap().split_once('@').unwrap().1.trim_end_matches('>').to_owned();
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let began = line.clock.monotonic();
    for number in 0..JUNK {
        let _ = socket.send_to(&junk(&invite, number), &contact).await;
    }
    println!("{JUNK} in {:?}", (line.clock.monotonic() - began) / SPEED);
    assert_eq!(call.next().await, LegEvent::SpeechEnded);
    assert_eq!(call.end().await.0, Cause::RemoteHangup);
    line.is_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_wants_us_to_register_is_there_once_it_agreed() {
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
    let peer = Peer::start(clock.clone(), |_| vec![Step::Reply(486, "")]).await;
    let trunk = json!({"username": "alice", "password": "s3cret", "register": true});
    let line = Line::with(peer, clock, trunk, Arc::new(Hum)).await;
    let asked = line.peer.received("REGISTER").await;
    assert!(asked.header("To").unwrap().starts_with("<sip:alice@127.0.0.1:"), "{}", asked.text);
    assert!(asked.header("Contact").unwrap().starts_with("<sip:alice@127.0.0.1:"), "{}", asked.text);
    assert!(!line.peer.messages().iter().any(|message| message.method() == "OPTIONS"));
    assert_eq!(line.dial(30).end().await.0, Cause::Busy);
    line.peer.fall_silent();
    assert_eq!(line.sip.check().await[0].problem.as_deref(), Some("it does not answer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_trunks_take_the_next_call_while_one_that_is_alive_stays_on_its_own() {
    let line = Line::to(|_| answers(vec![Step::Play(hum(500)), Step::Wait(60_000)])).await;
    let other = Peer::start(line.clock.clone(), |_| vec![Step::Reply(486, "")]).await;
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(line.sip.clone().run(stopped));
    let mut alive = line.dial(30);
    assert_eq!([alive.next().await, alive.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    let trunk = |name: &str, peer: &Peer| {
        let about = json!({"name": name, "host": peer.address, "channels": 1, "calls_per_second": 100});
        serde_json::from_value(about).unwrap()
    };
    // With one channel the same carrier is full with the call that is alive, whatever it is called now.
    line.sip.change(&[trunk("renamed", &line.peer)]).await.unwrap();
    assert_eq!(line.sip.health()[0].live, 1);
    line.sip.change(&[trunk("other", &other)]).await.unwrap();
    let is_up = async {
        while line.sip.health()[0].problem.is_some() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), is_up).await.unwrap();
    assert_eq!(line.sip.capacity().channels, 2, "the one that is alive, and the free one");
    assert_eq!(line.dial(30).end().await.0, Cause::Busy);
    alive.leg.command(LegCommand::HangUp);
    assert_eq!(alive.end().await.0, Cause::LocalHangup);
    line.peer.received("BYE").await;
    while line.sip.capacity().channels > 1 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(other.messages().iter().all(|message| message.method() != "BYE"));
}

/// Whether something is an address of version six in the place of a host.
fn is_host_of_six(text: &str) -> bool {
    text.contains("[::1]:") && !text.contains("127.0.0.1") && !text.contains("[[")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_over_version_six_of_the_protocol_is_like_any_other() {
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
    let hold = "m=audio 9 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=inactive\r\n";
    let script = move |_: &Message| {
        let talk = [Step::Play(hum(500)), Step::Keys("1"), Step::HearOut(6_000)];
        answers([&talk[..], &[Step::Reinvite(hold), Step::Bye]].concat())
    };
    let peer = Peer::start_at(Ipv6Addr::LOCALHOST.into(), clock.clone(), script).await;
    let line =
        Line::with(peer, clock, json!({"username": "alice", "password": "s3cret"}), Arc::new(Hum)).await;
    let options = line.peer.received("OPTIONS").await;
    let mut call = line.dial(30);
    assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    call.speak();
    assert_eq!([call.next().await, call.next().await], [LegEvent::Digit('1'), LegEvent::SpeechEnded]);
    assert_eq!(call.end().await, (Cause::RemoteHangup, String::new()));
    line.is_idle().await;
    let expected: Vec<u8> = hum(10_000).into_iter().map(|sample| Codec::Pcmu.encode(sample)).collect();
    assert!(line.peer.heard().windows(expected.len()).any(|window| window == expected), "not heard as it is");
    let invite = line.peer.received("INVITE").await;
    for message in [&options, &invite] {
        for name in ["Via", "From", "To", "Contact"] {
            let header = message.header(name).unwrap_or("[::1]:");
            assert!(is_host_of_six(header), "{name}: {}", message.text);
        }
    }
    assert!(invite.text.starts_with("INVITE sip:+12025550101@[::1]:"), "{}", invite.text);
    assert!(invite.body().contains("c=IN IP6 ::1\r\n") && invite.body().contains(" IN IP6 ::1\r\ns="));
    assert_eq!(sdp::read(invite.body().as_bytes()).unwrap().address.ip(), Ipv6Addr::LOCALHOST);
    let replies = line.peer.messages().into_iter().filter(|message| message.method() == "SIP/2.0");
    for reply in replies {
        assert!(is_host_of_six(reply.header("Via").unwrap()), "{}", reply.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_at_an_address_of_version_six_has_us_registered() {
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
    let peer =
        Peer::start_at(Ipv6Addr::LOCALHOST.into(), clock.clone(), |_| vec![Step::Reply(486, "")]).await;
    let trunk = json!({"username": "alice", "password": "s3cret", "register": true});
    let line = Line::with(peer, clock, trunk, Arc::new(Hum)).await;
    let asked = line.peer.received("REGISTER").await;
    assert!(asked.text.starts_with("REGISTER sip:[::1]:"), "{}", asked.text);
    assert!(asked.header("To").unwrap().starts_with("<sip:alice@[::1]:"), "{}", asked.text);
    assert!(asked.header("Contact").unwrap().starts_with("<sip:alice@[::1]:"), "{}", asked.text);
    assert_eq!(line.dial(30).end().await.0, Cause::Busy);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_picks_up_and_does_not_say_where_is_hung_up_on_where_the_answer_came_from() {
    let line = Line::to(|_| vec![Step::Reply(180, ""), Step::Nowhere]).await;
    let mut call = line.dial(30);
    assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    call.leg.command(LegCommand::HangUp);
    assert_eq!(call.end().await.0, Cause::LocalHangup);
    let bye = line.peer.received("BYE").await;
    assert!(bye.text.starts_with(&format!("BYE sip:+12025550101@{} ", line.peer.address)), "{}", bye.text);
    line.is_idle().await;
    let methods: Vec<String> =
        line.peer.messages().iter().map(|message| message.method().to_owned()).collect();
    assert_eq!(methods, ["OPTIONS", "INVITE", "ACK", "BYE"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_picks_up_and_says_where_more_than_once_is_hung_up_on_there_whatever_cannot_be_read() {
    for contact in ["Contact: <nonsense\r\n", "Contact: *\r\n", "Contact: <tel:+12025550101>\r\n"] {
        let line = Line::to(move |_| vec![Step::Reply(180, ""), Step::ReplyWithSound(200, contact)]).await;
        let mut call = line.dial_as(30, Some(false));
        let began = [call.next().await, call.next().await];
        assert_eq!(began, [LegEvent::Ringing, LegEvent::Answered], "{contact}");
        call.leg.command(LegCommand::HangUp);
        assert_eq!(call.end().await.0, Cause::LocalHangup, "{contact}");
        let bye = line.peer.received("BYE").await;
        assert!(bye.text.starts_with(&format!("BYE sip:peer@{} ", line.peer.address)), "{}", bye.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_that_is_removed_is_registered_no_more_and_one_that_is_renamed_stays() {
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(SPEED));
    let peer = Peer::start(clock.clone(), |_| vec![Step::Reply(486, "")]).await;
    let trunk = json!({"username": "alice", "password": "s3cret", "register": true});
    let line = Line::with(peer, clock, trunk.clone(), Arc::new(Hum)).await;
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(line.sip.clone().run(stopped));
    let mut renamed = json!({"name": "renamed", "host": line.peer.address});
    renamed.as_object_mut().unwrap().extend(trunk.as_object().unwrap().clone());
    line.sip.change(&[serde_json::from_value(renamed).unwrap()]).await.unwrap();
    let is_up = async {
        while line.sip.health()[0].problem.is_some() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), is_up).await.unwrap();
    let ends = |line: &Line| {
        let messages = line.peer.messages().into_iter().filter(|message| message.method() == "REGISTER");
        messages.map(|message| message.header("Expires").unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(ends(&line).iter().all(|seconds| seconds == "300"), "{:?}", ends(&line));
    line.sip.change(&[]).await.unwrap();
    let is_gone = async {
        while ends(&line).last().is_none_or(|seconds| seconds != "0") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), is_gone).await.expect("it stays registered");
    let messages = line.peer.messages();
    let [before, last] =
        [0, 1].map(|nth| messages.iter().filter(|m| m.method() == "REGISTER").nth_back(1 - nth));
    assert_eq!(
        before.unwrap().header("Contact"),
        last.unwrap().header("Contact"),
        "the same place is forgotten"
    );
}
