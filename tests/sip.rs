//! Real calls, over real sockets on loopback: the driver keeps the port, and does what carriers expect.

use crate::carrier::{self, CarrierUnderTest, Story};
use crate::support::uas::{Fast, Hum, Message, Peer, Step, beep, hum};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use voice_campaigns::carrier::sip::{Ports, Settings, Sip};
use voice_campaigns::carrier::{Carrier, DialRequest, Leg, LegEvents, Report};
use voice_campaigns::clock::Clock;
use voice_campaigns::domain::Instant;
use voice_campaigns::domain::call::{LegCommand, LegEvent};
use voice_campaigns::domain::outcome::Cause;
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::domain::voice::Voice;
use voice_campaigns::speech::Synthesizer;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// How much faster than life; not so much that a busy machine becomes a slow carrier.
const SPEED: u32 = 10;

/// The driver with a trunk to a peer.
struct Line {
    peer: Peer,
    sip: Sip,
    clock: Arc<dyn Clock>,
}

impl Line {
    async fn with(peer: Peer, clock: Arc<dyn Clock>, trunk: Value, voice: Arc<dyn Synthesizer>) -> Line {
        let settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            rtp_ports: Ports { first: 20_000, last: 29_999 },
            detect_machines: true,
            ..Settings::default()
        };
        let mut about =
            json!({"name": "main", "host": peer.address, "channels": 100, "calls_per_second": 100});
        about.as_object_mut().unwrap().extend(trunk.as_object().unwrap().clone());
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

    fn dial(&self, ring_seconds: i64) -> Call {
        let (inbox, reports) = mpsc::unbounded_channel();
        let request = DialRequest {
            call_id: 1,
            lead_id: 1,
            attempt: 1,
            phone: Phone::from_e164("+12025550101").unwrap(),
            caller_id: None,
            ring_timeout: TimeDelta::seconds(ring_seconds),
            words: vec!["Hello.".into()],
            voice: Voice::default(),
        };
        Call { leg: self.sip.dial(request, LegEvents::new(1, inbox)), reports }
    }
}

/// A call as the dialer sees it.
struct Call {
    leg: Leg,
    reports: mpsc::UnboundedReceiver<Report>,
}

impl Call {
    async fn next(&mut self) -> LegEvent {
        let next = tokio::time::timeout(Duration::from_secs(20), self.reports.recv()).await;
        next.expect("nothing more is reported").expect("nobody reports any more").event
    }

    async fn end(&mut self) -> (Cause, String) {
        loop {
            if let LegEvent::Ended(cause, detail) = self.next().await {
                return (cause, detail.unwrap_or_default());
            }
        }
    }

    fn speak(&mut self) {
        self.leg.command(LegCommand::Speak { text: "Hello.".into(), speech_ms: 10_000 });
    }
}

/// What the peer does for each story, going by the last two digits of the number.
fn story(invite: &Message) -> Vec<Step> {
    use Step::{Bye, HearOut, Keys, Play, Reply, ReplyWithSound, Wait};
    let hello = |rest: Vec<Step>| {
        [vec![Reply(180, ""), Wait(3_000), ReplyWithSound(200, ""), Wait(300), Play(hum(500))], rest].concat()
    };
    match invite.user().as_bytes().last() {
        Some(b'0') => hello(vec![HearOut(4_000), Bye]),
        Some(b'1') => hello(vec![Wait(2_200), Bye]),
        Some(b'2') => {
            let machine = vec![Play(hum(1_800)), Play(beep(300)), HearOut(4_000), Bye];
            [vec![Reply(180, ""), Wait(3_000), ReplyWithSound(200, "")], machine].concat()
        }
        Some(b'3') => vec![Reply(180, "")],
        Some(b'4') => vec![Reply(486, "")],
        Some(b'5') => vec![Reply(180, ""), Wait(4_000), Reply(603, "")],
        Some(b'6') => vec![Reply(404, "")],
        Some(b'7') => vec![Reply(503, "")],
        Some(b'9') => hello(vec![HearOut(1_500), Keys("1")]),
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
