//! Calls that somebody makes to us: taken for the campaign whose number they called, told its script, in none of its sums.

use crate::support::dial_request;
use crate::support::uas::{Fast, Hum, Message, Peer};
use crate::support::world::{MONDAY_NOON, World, story, suppression};
use chrono::TimeDelta;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use voice_campaigns::carrier::sip::{Ports, Settings, Sip};
use voice_campaigns::carrier::{Carrier, DialRequest, Incoming, Leg, LegEvents, Report};
use voice_campaigns::clock::{Clock, Sleep};
use voice_campaigns::domain::Instant;
use voice_campaigns::domain::agent::When;
use voice_campaigns::domain::call::{CallState, Ending, LegCommand, LegEvent};
use voice_campaigns::domain::campaign::{Campaign, Status};
use voice_campaigns::domain::gate::HoldReason;
use voice_campaigns::domain::guard::{Countries, Guard};
use voice_campaigns::domain::lead::Lead;
use voice_campaigns::domain::other_call::{Kind, OtherCall, Turned};
use voice_campaigns::domain::outcome::{Cause, Outcome};
use voice_campaigns::domain::phone::{Country, Phone};
use voice_campaigns::domain::voice::Voice;
use voice_campaigns::speech::{Saying, Synthesizer};
use voice_campaigns::store::{ListFilter, NewIncoming, OtherCallFilter, Tx};

const OURS: &str = "+12025550199";

fn phone(text: &str) -> Phone {
    Phone::from_e164(text).unwrap()
}

async fn inbound(world: &World) -> Campaign {
    world.campaign(json!({"campaign_type": "inbound", "inbound_number": OURS, "script_template": "Hello {first_name}"})).await
}

async fn all(world: &World) -> Vec<OtherCall> {
    let filter = OtherCallFilter { limit: 100, ..OtherCallFilter::default() };
    world.store.read(move |s| s.other_calls(&filter)).await.unwrap()
}

#[tokio::test]
async fn a_caller_hears_the_script_is_known_by_their_number_and_is_in_no_sum() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = inbound(&world).await;
    let outbound = world.campaign(json!({})).await;
    world.leads(&outbound, [story(101, 0)]).await;
    world.run_for(TimeDelta::minutes(2)).await;
    let lead = world.all_leads(&outbound).await[0].clone();

    let before = world.now(&campaign).await.totals;
    assert!(world.simulator.call_us(phone(OURS), Some(phone(&story(101, 0)))));
    world.run_for(TimeDelta::minutes(2)).await;
    let calls = all(&world).await;
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    assert_eq!((call.kind, call.campaign_id, call.lead_id), (Kind::Inbound, campaign.id, Some(lead.id)));
    assert_eq!((call.state, call.outcome), (CallState::Ended, Some(Outcome::Success)), "{call:?}");
    assert_eq!((call.phone, &call.placed_by), (Some(phone(&story(101, 0))), &None));
    assert_eq!(call.timeline[0]["event"], "came in");
    assert!(world.calls(&campaign).await.is_empty());
    assert_eq!(world.now(&campaign).await.totals, before);
    assert_eq!(world.all_leads(&outbound).await[0].attempts, 1);
    world.check().await;
}

#[tokio::test]
async fn a_caller_who_opts_out_is_called_by_nobody() {
    let mut world = World::new(MONDAY_NOON).await;
    inbound(&world).await;
    let outbound = world.campaign(json!({"status": "paused"})).await;
    world.leads(&outbound, [story(109, 0)]).await;
    world.simulator.call_us(phone(OURS), Some(phone(&story(109, 0))));
    world.run_for(TimeDelta::minutes(2)).await;
    assert_eq!(all(&world).await[0].outcome, Some(Outcome::OptedOut));
    let listed = world.store.read(|s| s.listed(phone(&story(109, 0)))).await.unwrap().unwrap();
    assert_eq!(listed.suppression.reason, "asked when they called us");
    assert_eq!(world.all_leads(&outbound).await[0].status.to_string(), "do_not_call");
    // Whoever is on the list may still call us.
    world.simulator.call_us(phone(OURS), Some(phone(&story(109, 0))));
    world.run_for(TimeDelta::minutes(2)).await;
    assert_eq!(all(&world).await.len(), 2);
}

#[tokio::test]
async fn a_caller_who_says_no_is_not_asked_once_more_unless_a_call_was_arranged() {
    let mut world = World::new(MONDAY_NOON).await;
    let inbound = inbound(&world).await;
    let outbound = world.campaign(json!({"max_attempts_per_lead": 3})).await;
    world.leads(&outbound, [story(104, 0), story(104, 1)]).await;
    world.run_for(TimeDelta::minutes(5)).await;
    let leads = world.all_leads(&outbound).await;
    let (arranged, campaign_id, soon) = (leads[1].clone(), outbound.id, world.time() + TimeDelta::hours(2));
    let arranging =
        world.write(move |tx| tx.arrange_call_back(&tx.campaign(campaign_id)?.unwrap(), &arranged, soon));
    assert_eq!(arranging.await, Ok(()));
    for lead in &leads {
        let (lead_id, caller, campaign_id) = (Some(lead.id), Some(lead.about.phone), inbound.id);
        let ended = world.write(move |tx| {
            let id =
                tx.insert_incoming(&NewIncoming { campaign_id, lead_id, caller, carrier: "simulator" })?;
            let (outcome, answered_at, ended_at) = (Outcome::Declined, Some(tx.now), tx.now);
            let ending = Ending { outcome, answered_at, ended_at, detail: None, conversation: None };
            tx.settle_other(id, ending, None)
        });
        ended.await;
    }
    let status: Vec<String> =
        world.all_leads(&outbound).await.iter().map(|lead| lead.status.to_string()).collect();
    assert_eq!(status, ["completed", "scheduled"]);
    world.run_for(TimeDelta::hours(6)).await;
    let called: Vec<i64> = world.calls(&outbound).await.iter().map(|call| call.lead_id).collect();
    assert_eq!(called.iter().filter(|id| **id == leads[0].id).count(), 1, "not once more");
    assert!(called.iter().filter(|id| **id == leads[1].id).count() > 1, "as arranged");
    world.check().await;
}

#[tokio::test]
async fn a_caller_without_a_number_is_taken_and_belongs_to_nobody() {
    let mut world = World::new(MONDAY_NOON).await;
    inbound(&world).await;
    world.simulator.call_us(phone(OURS), None);
    world.run_for(TimeDelta::minutes(2)).await;
    let call = all(&world).await.remove(0);
    assert_eq!((call.phone, call.lead_id), (None, None));
    assert!(call.answered_at.is_some());
}

#[tokio::test]
async fn nobody_is_taken_for_a_number_of_no_campaign_or_of_one_that_is_not_active() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = inbound(&world).await;
    world.simulator.call_us(phone("+12025550188"), None);
    world.run_for(TimeDelta::minutes(1)).await;
    world.set_status(&campaign, Status::Paused).await;
    world.simulator.call_us(phone(OURS), None);
    world.run_for(TimeDelta::minutes(1)).await;
    assert!(all(&world).await.is_empty());
}

#[tokio::test]
async fn a_number_that_is_calling_us_is_not_dialed_meanwhile_and_a_crash_ends_the_call() {
    let mut world = World::new(MONDAY_NOON).await;
    inbound(&world).await;
    let caller = story(101, 0);
    world.simulator.call_us(phone(OURS), Some(phone(&caller)));
    world.settle_down().await;
    let outbound = world.campaign(json!({})).await;
    world.leads(&outbound, [caller]).await;
    world.settle_down().await;
    assert!(world.calls(&outbound).await.is_empty());
    world.restart().await;
    assert_eq!(all(&world).await[0].outcome, Some(Outcome::Interrupted));
    world.run_for(TimeDelta::minutes(5)).await;
    assert_eq!(world.calls(&outbound).await.len(), 1);
    world.check().await;
}

#[tokio::test]
async fn who_opts_out_and_shows_no_number_is_told_that_nothing_was_written() {
    // A person of the story of the called number: one who says it, and one who presses the key.
    for called in ["+12025550109", "+12025550115"] {
        let mut world = World::new(MONDAY_NOON).await;
        let keys = json!({"3": "opt_out"});
        let about = json!({"campaign_type": "inbound", "inbound_number": called, "keys": keys,
            "script_template": "Hello. To be called no more, press 3."});
        world.campaign(about).await;
        world.simulator.call_us(phone(called), None);
        world.run_for(TimeDelta::minutes(2)).await;
        let call = all(&world).await.remove(0);
        assert_eq!((call.phone, call.outcome), (None, Some(Outcome::OptedOut)), "{called}");
        let why = "They asked not to be called again, but nothing was written on the do-not-call list: their number is \
                   not known";
        assert_eq!(call.detail.as_deref(), Some(why), "{called}");
        let told = last_words(&world, &call).await;
        assert!(told.starts_with("We do not see your number, so we cannot stop calls to it."), "{told}");
        let listed = world.store.read(|s| s.count_listed(&ListFilter::default())).await.unwrap();
        assert_eq!(listed, 0);
        world.check().await;
    }
}

#[tokio::test]
async fn a_caller_is_put_through_only_where_somebody_may_be_called() {
    for (country, is_put_through) in [("US", true), ("DE", false)] {
        let mut world = World::new(MONDAY_NOON).await;
        let keys = json!({"0": "transfer", "9": "opt_out"});
        let about = json!({"campaign_type": "inbound", "inbound_number": OURS, "keys": keys,
            "transfer_number": "+12025550198"});
        world.campaign(about).await;
        let countries = Countries::Only(vec![Country::parse(country).unwrap()]);
        world.set_guard(Guard { countries, ..Guard::default() });
        world.simulator.call_us(phone(OURS), Some(phone(&story(114, 0))));
        world.run_for(TimeDelta::minutes(2)).await;
        let call = all(&world).await.remove(0);
        assert_eq!(call.outcome == Some(Outcome::Transferred), is_put_through, "{country}: {call:?}");
    }
}

#[tokio::test]
async fn a_call_that_a_caller_was_promised_comes_however_their_call_came_out() {
    for (outcome, is_kept) in [
        (Outcome::Success, true),
        (Outcome::Declined, true),
        (Outcome::HungUp, true),
        (Outcome::Interrupted, true),
        (Outcome::OptedOut, false),
    ] {
        let world = World::new(MONDAY_NOON).await;
        let inbound = inbound(&world).await;
        let outbound = world.campaign(json!({"status": "paused"})).await;
        world.leads(&outbound, [story(101, 0)]).await;
        world.set_status(&outbound, Status::Active).await;
        let lead_id = world.all_leads(&outbound).await[0].id;
        let (caller, campaign_id) = (Some(phone(&story(101, 0))), inbound.id);
        let ended = world.write(move |tx| {
            let call = NewIncoming { campaign_id, lead_id: Some(lead_id), caller, carrier: "simulator" };
            let id = tx.insert_incoming(&call)?;
            let promised = tx.promise_other_call_back(id, When::parse("tomorrow 10:00").unwrap())?;
            assert!(promised.is_ok(), "{promised:?}");
            let (answered_at, ended_at) = (Some(tx.now), tx.now);
            let detail = Some("They said so.".to_owned());
            tx.settle_other(id, Ending { outcome, answered_at, ended_at, detail, conversation: None }, None)?;
            tx.other_call(id)
        });
        let call = ended.await.unwrap();
        assert_eq!((call.outcome, call.detail.as_deref()), (Some(outcome), Some("They said so.")));
        let lead = &world.all_leads(&outbound).await[0];
        let arranged =
            (lead.wait_reason == Some(HoldReason::CallBack)).then_some(lead.next_call_at).flatten();
        let expected = is_kept.then(|| "2026-03-03T15:00:00Z".parse().unwrap());
        assert_eq!(arranged, expected, "{outcome}: {lead:?}");
        world.check().await;
    }
}

const KEYS: &str = r#"{"3": "call_back", "9": "opt_out"}"#;

async fn that_calls_back(world: &World) -> Campaign {
    let keys: serde_json::Value = serde_json::from_str(KEYS).unwrap();
    world.campaign(json!({"campaign_type": "inbound", "inbound_number": OURS, "keys": keys})).await
}

/// What the caller was told at last.
async fn last_words(world: &World, call: &OtherCall) -> String {
    let key = call.key();
    let transcript = world.store.read(move |s| s.transcript(key)).await.unwrap();
    let lines = transcript.as_array().unwrap().clone();
    let said = lines.iter().rfind(|line| line["speaker"] == "agent").unwrap();
    said["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_lead_who_calls_and_wishes_it_is_called_back_by_their_campaign_within_its_hours() {
    let mut world = World::new(MONDAY_NOON).await;
    that_calls_back(&world).await;
    let hours = json!({"calling_hours_start": "09:00", "calling_hours_end": "13:00", "retry_delay_minutes": 30,
        "max_attempts_per_lead": 2});
    let outbound = world.campaign(hours).await;
    let caller = story(115, 0);
    // The other one keeps the campaign from being completed.
    world.leads(&outbound, [caller.clone(), story(104, 0)]).await;
    world.run_for(TimeDelta::minutes(5)).await;
    world.simulator.call_us(phone(OURS), Some(phone(&caller)));
    world.run_for(TimeDelta::minutes(5)).await;
    let call = all(&world).await.remove(0);
    assert_eq!((call.outcome, &call.detail), (Some(Outcome::Callback), &None), "{call:?}");
    assert_eq!(last_words(&world, &call).await, "We will call you again later. Goodbye.");
    let of_caller = async |world: &World| {
        let leads = world.all_leads(&outbound).await;
        leads.into_iter().find(|lead| lead.about.phone == phone(&caller)).unwrap()
    };
    let lead = of_caller(&world).await;
    assert_eq!((lead.status.to_string().as_str(), lead.attempts), ("scheduled", 1));
    assert_eq!(lead.wait_reason, Some(HoldReason::CallBack));
    let asked_at = call.ended_at.unwrap();
    assert!(lead.next_call_at.unwrap() - asked_at >= TimeDelta::minutes(119), "{lead:?}");
    world.check().await;
    // Two hours later it is outside the hours.
    world.run_for(TimeDelta::hours(20)).await;
    assert_eq!(of_caller(&world).await.attempts, 1);
    world.run_for(TimeDelta::hours(2)).await;
    assert_eq!(of_caller(&world).await.attempts, 2);
    world.check().await;
    // All attempts are used up, so nothing is promised any more.
    world.simulator.call_us(phone(OURS), Some(phone(&caller)));
    world.run_for(TimeDelta::minutes(5)).await;
    let call = all(&world).await.remove(0);
    assert_eq!(last_words(&world, &call).await, "We cannot promise you a call. Goodbye.");
    assert!(call.detail.as_deref().unwrap().starts_with("No call-back is arranged: "), "{call:?}");
    world.run_for(TimeDelta::days(2)).await;
    assert_eq!(of_caller(&world).await.attempts, 2);
}

#[tokio::test]
async fn nobody_is_promised_a_call_that_would_not_come() {
    for (case, why) in [
        ("unknown", "the number of the caller is that of no lead"),
        ("paused", "The campaign is paused; set its status to active to go on"),
        ("listed", "The number is on the do-not-call list"),
        ("stopped", "All dialing of this server was stopped by hand; start it again to go on"),
        ("only inbound", "An inbound campaign never dials; make an outbound one to call these leads"),
    ] {
        let mut world = World::new(MONDAY_NOON).await;
        let inbound = that_calls_back(&world).await;
        let caller = story(115, 0);
        let outbound = world.campaign(json!({})).await;
        match case {
            "unknown" => {}
            "only inbound" => world.leads(&inbound, [caller.clone()]).await,
            _ => world.leads(&outbound, [caller.clone(), story(104, 0)]).await,
        }
        world.run_for(TimeDelta::minutes(5)).await;
        let number = phone(&caller);
        match case {
            "paused" => drop(world.set_status(&outbound, Status::Paused).await),
            "stopped" => world.write(|tx| tx.stop_dialing("Grace", None)).await,
            "listed" => {
                let listed = move |tx: &Tx| tx.add_to_do_not_call_list(number, &suppression("they wrote"));
                world.write(listed).await;
            }
            _ => {}
        }
        let before = world.all_leads(&outbound).await;
        world.simulator.call_us(phone(OURS), Some(number));
        world.run_for(TimeDelta::minutes(5)).await;
        let call = all(&world).await.remove(0);
        assert_eq!(call.outcome, Some(Outcome::Callback), "{case}: {call:?}");
        assert_eq!(last_words(&world, &call).await, "We cannot promise you a call. Goodbye.", "{case}");
        assert_eq!(call.detail, Some(format!("No call-back is arranged: {why}")), "{case}");
        let after = world.all_leads(&outbound).await;
        let waits = |leads: &[Lead]| leads.iter().map(|lead| lead.wait_reason).collect::<Vec<_>>();
        assert_eq!(waits(&after), waits(&before), "{case}");
        world.check().await;
    }
}

/// The driver with a trunk to a peer, and somebody who calls from there.
struct Line {
    sip: Sip,
    _peer: Peer,
    server: SocketAddr,
    incoming: mpsc::Receiver<Incoming>,
}

impl Line {
    async fn new(channels: usize, voice: Arc<dyn Synthesizer>) -> Line {
        Line::on(Arc::new(Fast::new(6)), channels, voice).await
    }

    async fn on(clock: Arc<dyn Clock>, channels: usize, voice: Arc<dyn Synthesizer>) -> Line {
        let peer = Peer::start(clock.clone(), |_| Vec::new()).await;
        let settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            rtp_ports: Ports { first: 30_000, last: 39_999 },
            default_country: Country::parse("US"),
            ..Settings::default()
        };
        let trunk =
            json!({"name": "main", "host": peer.address, "channels": channels, "calls_per_second": 100});
        let trunks = [serde_json::from_value(trunk).unwrap()];
        let sip = Sip::start(settings, &trunks, voice, clock).await.unwrap();
        assert_eq!(sip.check().await[0].problem, None);
        let options = peer.received("OPTIONS").await;
        let via = options.header("Via").unwrap().split_whitespace().nth(1).unwrap();
        let server = via.split(';').next().unwrap().parse().unwrap();
        let (to_us, incoming) = mpsc::channel(8);
        sip.receive(to_us);
        Line { sip, _peer: peer, server, incoming }
    }

    async fn arrival(&mut self) -> Incoming {
        tokio::time::timeout(Duration::from_secs(10), self.incoming.recv()).await.unwrap().unwrap()
    }
}

/// Somebody who calls, without the library that the driver uses.
struct Guest {
    socket: UdpSocket,
    sound: UdpSocket,
    server: SocketAddr,
    tag: String,
    /// Whether they say where they are to be found.
    tells: bool,
}

impl Guest {
    async fn from(ip: &str, line: &Line) -> Guest {
        let socket = UdpSocket::bind((ip, 0)).await.unwrap();
        let sound = UdpSocket::bind((ip, 0)).await.unwrap();
        Guest { socket, sound, server: line.server, tag: String::new(), tells: true }
    }

    async fn send(&self, method: &str, branch: &str, sequence: u32, headers: &str, body: &str) {
        let (us, server, tag) = (self.socket.local_addr().unwrap(), self.server, &self.tag);
        let contact = if self.tells { format!("Contact: <sip:them@{us}>\r\n") } else { String::new() };
        let text = format!(
            "{method} sip:12025550199@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:anonymous@example.com>;tag=them\r\nTo: <sip:+12025550199@example.com>{tag}\r\n\
             Call-ID: call-{}\r\nCSeq: {sequence} {}\r\n{contact}{headers}Content-Length: {}\r\n\r\n{body}",
            us.port(),
            method,
            body.len()
        );
        self.socket.send_to(text.as_bytes(), server).await.unwrap();
    }

    async fn invite(&self, headers: &str) {
        self.invite_again("invite", 1, headers, "sendrecv").await;
    }

    /// Wants the session so: who sends.
    async fn invite_again(&self, branch: &str, sequence: u32, headers: &str, direction: &str) {
        let body = self.description(sequence, direction);
        let headers = format!("{headers}Content-Type: application/sdp\r\n");
        self.send("INVITE", branch, sequence, &headers, &body).await;
    }

    fn description(&self, version: u32, direction: &str) -> String {
        let sound = self.sound.local_addr().unwrap();
        format!(
            "v=0\r\no=- 1 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 9 8 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n",
            ip = sound.ip(),
            port = sound.port()
        )
    }

    /// The next packet of sound; none where it stays silent for a while.
    async fn hears(&self) -> Option<usize> {
        let mut packet = [0; 400];
        let heard = tokio::time::timeout(Duration::from_millis(300), self.sound.recv_from(&mut packet));
        heard.await.ok().map(|heard| heard.unwrap().0)
    }

    async fn next(&self) -> Message {
        let mut bytes = vec![0; 4_000];
        let (length, _) = tokio::time::timeout(Duration::from_secs(10), self.socket.recv_from(&mut bytes))
            .await
            .unwrap()
            .unwrap();
        Message { text: String::from_utf8(bytes[..length].to_vec()).unwrap() }
    }

    /// The next message that begins so; what comes before is passed over.
    async fn until(&self, start: &str) -> Message {
        loop {
            let message = self.next().await;
            if message.text.starts_with(start) {
                return message;
            }
        }
    }

    /// Takes note of the answer.
    async fn acknowledge(&mut self, answer: &Message) {
        let to = answer.header("To").unwrap();
        self.tag = format!(";tag={}", to.split("tag=").nth(1).unwrap());
        self.send("ACK", "ack", 1, "", "").await;
    }
}

fn request() -> DialRequest {
    DialRequest {
        call_id: -1,
        lead_id: 0,
        phone: phone(OURS),
        machine_detection: Some(false),
        ..dial_request()
    }
}

async fn next(reports: &mut mpsc::UnboundedReceiver<Report>) -> LegEvent {
    tokio::time::timeout(Duration::from_secs(20), reports.recv()).await.unwrap().unwrap().event
}

/// Somebody calls, and is answered.
async fn answered(line: &mut Line, guest: &mut Guest) -> (Leg, mpsc::UnboundedReceiver<Report>) {
    guest.invite("").await;
    let (inbox, mut reports) = mpsc::unbounded_channel();
    let leg = line.arrival().await.take(request(), LegEvents::new(-1, inbox)).unwrap();
    let answer = guest.until("SIP/2.0 200").await;
    guest.acknowledge(&answer).await;
    assert_eq!(next(&mut reports).await, LegEvent::Answered);
    (leg, reports)
}

#[tokio::test]
async fn a_call_over_sip_is_answered_once_spoken_to_and_hung_up() {
    let mut line = Line::new(2, Arc::new(Hum)).await;
    let mut guest = Guest::from("127.0.0.1", &line).await;
    let headers = "P-Asserted-Identity: \"Ada\" <sip:+12025550101@example.com>\r\nSession-Expires: 90\r\nSupported: timer\r\n";
    guest.invite(headers).await;
    guest.invite(headers).await;
    let arrival = line.arrival().await;
    assert_eq!((arrival.called[0], arrival.caller), (phone(OURS), Some(phone("+12025550101"))));
    let (inbox, mut reports) = mpsc::unbounded_channel();
    let mut leg = arrival.take(request(), LegEvents::new(-1, inbox)).unwrap();
    guest.until("SIP/2.0 180").await;
    let answer = guest.until("SIP/2.0 200").await;
    assert_eq!(answer.header("Session-Expires"), Some("90;refresher=uac"));
    assert!(answer.body().contains(" RTP/AVP 8 101\r\n"), "{}", answer.body());
    guest.invite(headers).await;
    assert_eq!(
        guest.until("SIP/2.0 200").await.header("To"),
        answer.header("To"),
        "a repeated INVITE is one call"
    );
    guest.acknowledge(&answer).await;
    assert_eq!(next(&mut reports).await, LegEvent::Answered);
    assert!(line.incoming.try_recv().is_err());

    leg.command(LegCommand::Speak { text: "Hello.".into(), speech_ms: 1_000 });
    let mut packet = [0; 400];
    let heard = tokio::time::timeout(Duration::from_secs(10), guest.sound.recv_from(&mut packet));
    assert_eq!(heard.await.unwrap().unwrap().0, 172);
    assert_eq!(packet[1] & 0x7f, 8);

    guest.send("INFO", "info", 2, "Content-Type: application/dtmf-relay\r\n", "Signal=9\r\n").await;
    guest.until("SIP/2.0 200").await;
    assert_eq!(next(&mut reports).await, LegEvent::SpeechBegan);
    assert_eq!(next(&mut reports).await, LegEvent::Digit('9'));

    leg.command(LegCommand::HangUp);
    let bye = guest.until("BYE").await;
    let reply = ["Via", "From", "To", "Call-ID", "CSeq"]
        .map(|name| format!("{name}: {}\r\n", bye.header(name).unwrap()));
    let reply = format!("SIP/2.0 200 OK\r\n{}Content-Length: 0\r\n\r\n", reply.concat());
    guest.socket.send_to(reply.as_bytes(), line.server).await.unwrap();
    assert!(matches!(next(&mut reports).await, LegEvent::Ended(Cause::LocalHangup, _)));
    drop(leg);
    while line.sip.health()[0].live > 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_caller_who_is_told_without_a_country_code_is_of_the_default_country() {
    let mut line = Line::new(5, Arc::new(Hum)).await;
    for (user, caller) in [
        ("2025550199", Some("+12025550199")),
        ("2025550", None),
        ("02079460000", None),
        ("442079460000", Some("+442079460000")),
    ] {
        let guest = Guest::from("127.0.0.1", &line).await;
        guest.invite(&format!("P-Asserted-Identity: <sip:{user}@example.com>\r\n")).await;
        let arrival = line.arrival().await;
        assert_eq!(arrival.caller, caller.map(phone), "{user}");
        arrival.refuse(Turned::Busy);
    }
}

#[tokio::test]
async fn a_caller_may_hold_the_call_and_come_back_to_it() {
    let mut line = Line::new(2, Arc::new(Hum)).await;
    let mut guest = Guest::from("127.0.0.1", &line).await;
    let (mut leg, mut reports) = answered(&mut line, &mut guest).await;
    leg.command(LegCommand::Speak { text: "Hello.".into(), speech_ms: 10_000 });
    assert_eq!(next(&mut reports).await, LegEvent::SpeechBegan);
    let changes = [("sendonly", "recvonly"), ("inactive", "inactive"), ("sendrecv", "sendrecv")];
    for (sequence, (wanted, agreed)) in (2..).zip(changes) {
        assert_eq!(guest.hears().await.is_some(), sequence == 2, "before {wanted}");
        guest.invite_again(&format!("again{sequence}"), sequence, "", wanted).await;
        let answer = guest.until("SIP/2.0 200").await;
        assert_eq!(answer.header("CSeq"), Some(format!("{sequence} INVITE").as_str()), "{}", answer.text);
        assert!(answer.body().contains(&format!("\r\na={agreed}\r\n")), "{}", answer.text);
        guest.send("ACK", &format!("ack{sequence}"), sequence, "", "").await;
        if wanted != "sendrecv" {
            // What was on its way has come, and nothing more does.
            for _ in 0..2_000 {
                if guest.hears().await.is_none() {
                    break;
                }
            }
            assert_eq!(guest.hears().await, None, "{wanted}");
        }
    }
    assert!(guest.hears().await.is_some(), "it goes on");
    assert_eq!(next(&mut reports).await, LegEvent::SpeechEnded, "to the end");
    guest.send("BYE", "bye", 5, "", "").await;
    guest.until("SIP/2.0 200").await;
    assert!(matches!(next(&mut reports).await, LegEvent::Ended(Cause::RemoteHangup, _)));
}

#[tokio::test]
async fn a_caller_who_held_the_call_comes_back_to_it_with_an_answer_to_our_offer() {
    let mut line = Line::new(2, Arc::new(Hum)).await;
    let mut guest = Guest::from("127.0.0.1", &line).await;
    let (mut leg, _reports) = answered(&mut line, &mut guest).await;
    leg.command(LegCommand::Speak { text: "Hello.".into(), speech_ms: 10_000 });
    guest.invite_again("held", 2, "", "sendonly").await;
    guest.until("SIP/2.0 200").await;
    guest.send("ACK", "held-ack", 2, "", "").await;
    guest.send("INVITE", "back", 3, "", "").await;
    let offer = guest.until("SIP/2.0 200").await;
    assert_eq!(offer.header("CSeq"), Some("3 INVITE"), "{}", offer.text);
    assert!(offer.body().contains(" RTP/AVP 8 0 101\r\n"), "{}", offer.text);
    assert!(offer.body().contains("\r\na=sendrecv\r\n"), "{}", offer.text);
    guest.sound = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    assert_eq!(guest.hears().await, None, "nobody knows yet where they are");
    let body = guest.description(3, "sendrecv");
    guest.send("ACK", "back-ack", 3, "Content-Type: application/sdp\r\n", &body).await;
    assert!(guest.hears().await.is_some(), "it goes on");
}

#[tokio::test]
async fn a_caller_who_hangs_up_ends_the_call() {
    let mut line = Line::new(2, Arc::new(Hum)).await;
    let mut guest = Guest::from("127.0.0.1", &line).await;
    guest.invite("").await;
    let arrival = line.arrival().await;
    assert_eq!(arrival.caller, None, "anonymous");
    let (inbox, mut reports) = mpsc::unbounded_channel();
    let _leg = arrival.take(request(), LegEvents::new(-1, inbox)).unwrap();
    let answer = guest.until("SIP/2.0 200").await;
    guest.acknowledge(&answer).await;
    assert_eq!(next(&mut reports).await, LegEvent::Answered);
    guest.send("BYE", "bye", 2, "", "").await;
    guest.until("SIP/2.0 200").await;
    assert!(matches!(next(&mut reports).await, LegEvent::Ended(Cause::RemoteHangup, _)));
}

#[tokio::test]
async fn a_caller_who_does_not_say_where_they_are_is_hung_up_on_where_they_called_from() {
    let mut line = Line::new(2, Arc::new(Hum)).await;
    let mut guest = Guest { tells: false, ..Guest::from("127.0.0.1", &line).await };
    let (mut leg, _reports) = answered(&mut line, &mut guest).await;
    leg.command(LegCommand::HangUp);
    guest.until("BYE").await;
}

/// Never has anything to say.
struct Mute;

impl Synthesizer for Mute {
    fn say(&self, _: &str, _: &Voice) -> Saying {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_caller_who_gives_up_while_it_rings_is_not_answered() {
    let mut line = Line::new(2, Arc::new(Mute)).await;
    let guest = Guest::from("127.0.0.1", &line).await;
    guest.invite("").await;
    let (inbox, mut reports) = mpsc::unbounded_channel();
    let _leg = line.arrival().await.take(request(), LegEvents::new(-1, inbox)).unwrap();
    guest.until("SIP/2.0 180").await;
    guest.send("CANCEL", "invite", 1, "", "").await;
    guest.until("SIP/2.0 487").await;
    assert!(matches!(next(&mut reports).await, LegEvent::Ended(Cause::NoAnswer, _)));
}

/// How long a clock is held at most, on itself.
const HELD_MAX: Duration = Duration::from_secs(60);

/// A clock that holds whoever is the one of that number to look at it, until they are let go.
struct Held {
    clock: Fast,
    looks_left: AtomicI64,
    is_held: AtomicBool,
}

impl Clock for Held {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn steady(&self) -> Instant {
        if self.looks_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            tokio::task::block_in_place(|| {
                let began = self.clock.monotonic();
                while self.is_held.load(Ordering::Relaxed) && self.clock.monotonic() - began < HELD_MAX {
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        self.clock.steady()
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        self.clock.sleep_until(at)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_gives_up_just_before_the_answer_was_not_answered() {
    let (looks_left, is_held) = (AtomicI64::new(0), AtomicBool::new(true));
    let clock = Arc::new(Held { clock: Fast::new(6), looks_left, is_held });
    let mut line = Line::on(clock.clone(), 2, Arc::new(Hum)).await;
    let guest = Guest::from("127.0.0.1", &line).await;
    // It is looked at when they come, when they wait to be taken, and when their telephone rings.
    clock.looks_left.store(3, Ordering::Relaxed);
    guest.invite("").await;
    let (inbox, mut reports) = mpsc::unbounded_channel();
    // There is nothing to make ready before it is answered.
    let request = DialRequest { words: Vec::new(), ..request() };
    let _leg = line.arrival().await.take(request, LegEvents::new(-1, inbox)).unwrap();
    guest.until("SIP/2.0 180").await;
    guest.send("CANCEL", "invite", 1, "", "").await;
    guest.until("SIP/2.0 487").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    clock.is_held.store(false, Ordering::Relaxed);
    assert_eq!(next(&mut reports).await, LegEvent::Ended(Cause::NoAnswer, None));
}

#[tokio::test]
async fn strangers_wrong_numbers_and_too_many_callers_are_sent_away() {
    let mut line = Line::new(1, Arc::new(Hum)).await;
    let stranger = Guest::from("127.0.0.2", &line).await;
    stranger.invite("X-Received-From: 127.0.0.1:5060\r\n").await;
    stranger.until("SIP/2.0 403").await;
    for (why, status) in [(Turned::NoSuchNumber, "404"), (Turned::NotNow, "480"), (Turned::Busy, "486")] {
        let guest = Guest::from("127.0.0.1", &line).await;
        guest.invite("").await;
        line.arrival().await.refuse(why);
        guest.until(&format!("SIP/2.0 {status}")).await;
        while line.sip.health()[0].live > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    let first = Guest::from("127.0.0.1", &line).await;
    first.invite("").await;
    let waiting = line.arrival().await;
    let second = Guest::from("127.0.0.1", &line).await;
    second.invite("").await;
    second.until("SIP/2.0 486").await;
    drop(waiting);
    first.until("SIP/2.0 480").await;
}
