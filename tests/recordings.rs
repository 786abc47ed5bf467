//! Recordings of calls and what was said on them: how they come to be, who may hear them, and how they go.

use crate::sip::{Line, answers};
use crate::sip_peers::{are_over, call, calls, set_trunk, until};
use crate::support::program::{Place, mode};
use crate::support::uas::{Fast, Hum, Peer, Step, beep, hum};
use crate::support::world::{MONDAY_NOON, World, story};
use crate::support::{READER, TestServer, WRITER};
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use voice_campaigns::clock::Clock;
use voice_campaigns::domain::call::{LegCommand, LegEvent};
use voice_campaigns::domain::outcome::{Cause, Outcome};
use voice_campaigns::domain::phone::Phone;
use voice_campaigns::domain::recording::Recording;
use voice_campaigns::housekeeping::{self, Retention};
use voice_campaigns::media::g711::Codec;
use voice_campaigns::media::wav;
use voice_campaigns::store::{Kept, NewIncoming, NewTrial, PutRight, StoreError, backup, data_file};

/// A line that records, to a peer that plays these steps.
async fn line(
    speed: u32,
    detect_machines: bool,
    steps: impl Fn() -> Vec<Step> + Send + Sync + 'static,
) -> (TempDir, Line) {
    let clock: Arc<dyn Clock> = Arc::new(Fast::new(speed));
    let peer = Peer::start(clock.clone(), move |_| steps()).await;
    let line = Line::with(peer, clock, json!({"detect_machines": detect_machines}), Arc::new(Hum)).await;
    let folder = tempfile::tempdir().unwrap();
    line.sip.record_into(folder.path()).unwrap();
    (folder, line)
}

/// Both sides of a file.
fn sides(file: &[u8]) -> (Vec<i16>, Vec<i16>) {
    assert_eq!(&file[..4], b"RIFF");
    assert_eq!(file[22], 2, "two channels");
    let samples = file[44..].chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]]));
    let samples: Vec<i16> = samples.collect();
    (samples.iter().copied().step_by(2).collect(), samples.iter().copied().skip(1).step_by(2).collect())
}

fn onset(side: &[i16]) -> usize {
    side.iter().position(|sample| *sample != 0).expect("nothing is heard")
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_are_on_one_clock_ours_to_the_bit_and_nothing_before_the_announcement() {
    let steps = || answers(vec![Step::Play(hum(800)), Step::Echo, Step::Wait(60_000)]);
    let (folder, line) = line(1, false, steps).await;
    let mut call = line.dial(30);
    assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    line.clock.sleep_until(line.clock.steady() + TimeDelta::milliseconds(1_500)).await;
    call.leg.command(LegCommand::Record);
    call.speak();
    assert_eq!([call.next().await, call.next().await], [LegEvent::RecordingBegan, LegEvent::SpeechEnded]);
    call.leg.command(LegCommand::HangUp);
    let LegEvent::Recorded(recording) = call.next().await else { panic!("it was not recorded") };
    assert_eq!(call.next().await, LegEvent::Ended(Cause::LocalHangup, None));

    let path = folder.path().join("1.wav");
    let file = fs::read(&path).unwrap();
    assert_eq!((mode(&path), recording.bytes), (0o600, file.len() as i64));
    assert_eq!(recording.ms, (file.len() as i64 - 44) / 32);
    assert_eq!(wav::read(&file).unwrap().samples.len(), (file.len() - 44) / 4, "its header is right");
    let (ours, theirs) = sides(&file);
    let begin = onset(&ours);
    assert!((1_400 * 8..2_500 * 8).contains(&begin), "the time is that since the answer: {begin}");
    let said: Vec<i16> =
        hum(10_000).into_iter().map(|sample| Codec::Pcmu.decode(Codec::Pcmu.encode(sample))).collect();
    let first = said.iter().position(|sample| *sample != 0).unwrap();
    assert!(ours[begin - first..].starts_with(&said), "our side is what was sent");
    let heard = onset(&theirs);
    // What we hear of ourselves comes back a frame later; a busy machine may be late with a packet, but not with all.
    let last = |side: &[i16]| side.iter().rposition(|sample| *sample != 0).unwrap() as i64;
    let offsets = [heard as i64 - begin as i64, last(&theirs) - last(&ours)];
    println!("offset between the sides, in samples: {offsets:?}");
    assert!(offsets.iter().any(|offset| (0..=160).contains(offset)), "{offsets:?}");
    assert!(offsets.iter().all(|offset| (-80..=800).contains(offset)), "{offsets:?}");
    assert!(theirs[heard..heard + 40_000].iter().filter(|sample| **sample != 0).count() > 39_000);
    assert!(recording.peaks.chunks(2).any(|pair| pair[0] > 30 && pair[1] > 30), "{:?}", recording.peaks);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_gets_another_message_is_not_recorded() {
    let steps =
        || answers(vec![Step::Play(hum(1_800)), Step::Play(beep(300)), Step::HearOut(2_000), Step::Bye]);
    let (folder, line) = line(2, true, steps).await;
    let mut call = line.dial(30);
    let mut seen = Vec::new();
    loop {
        let event = call.next().await;
        seen.push(event.clone());
        match event {
            LegEvent::Answered => {
                call.leg.command(LegCommand::Record);
                call.leg.command(LegCommand::Speak { text: "You are recorded.".into(), speech_ms: 1_000 });
            }
            LegEvent::MachineDetected => call.speak(),
            LegEvent::Ended(..) => break,
            _ => {}
        }
    }
    assert!(seen.contains(&LegEvent::MachineDetected) && seen.contains(&LegEvent::SpeechEnded), "{seen:?}");
    assert!(!seen.contains(&LegEvent::RecordingBegan), "{seen:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_recorded_goes_on() {
    let (folder, line) = line(2, false, || answers(vec![Step::Wait(60_000)])).await;
    fs::write(folder.path().join("1.wav"), "in the way").unwrap();
    let mut call = line.dial(30);
    assert_eq!([call.next().await, call.next().await], [LegEvent::Ringing, LegEvent::Answered]);
    call.leg.command(LegCommand::Record);
    call.speak();
    assert_eq!(call.next().await, LegEvent::RecordingBegan);
    assert!(
        matches!(call.next().await, LegEvent::NotRecorded(reason) if reason.contains("cannot be written"))
    );
    assert_eq!(call.next().await, LegEvent::SpeechEnded);
    call.leg.command(LegCommand::HangUp);
    assert_eq!(call.next().await, LegEvent::Ended(Cause::LocalHangup, None));
}

/// The real program, killed while it records.
#[test]
fn what_a_killed_server_left_can_be_heard_and_gets_its_row() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listens = |_: &_| {
        vec![
            Step::Reply(180, ""),
            Step::Wait(300),
            Step::ReplyWithSound(200, ""),
            Step::Echo,
            Step::Wait(60_000),
        ]
    };
    let peer = runtime.block_on(Peer::start(Arc::new(Fast::new(1)), listens));
    let place = Place::new();
    set_trunk(&place, peer.address.port(), "udp");
    let settings = fs::read_to_string(place.path("voice-campaigns.toml")).unwrap();
    let settings = settings.replace("flite -voice kal -f /dev/stdin -o {output}", "cat hello.wav");
    fs::write(place.path("voice-campaigns.toml"), settings).unwrap();
    fs::write(place.path("hello.wav"), wav::write(8_000, &hum(20_000))).unwrap();
    let mut server = place.serve();
    let token = place.token("write");
    call(&server, &token, 1, std::iter::empty());
    crate::sip_peers::send(&server, "PUT", "/api/voice-campaigns/1", &token, &json!({"record_calls": true}));
    let lead = json!({"phone": "+12025550101"});
    crate::sip_peers::send(&server, "POST", "/api/voice-campaigns/1/leads", &token, &lead);
    crate::sip_peers::send(
        &server,
        "PATCH",
        "/api/voice-campaigns/1/status",
        &token,
        &json!({"status": "active"}),
    );
    let path = place.path("data/recordings/1.wav");
    until(&server, || fs::metadata(&path).is_ok_and(|about| about.len() > 100_000));
    server.end_by("KILL");
    let heard = wav::read(&fs::read(&path).unwrap()).unwrap();
    assert!(heard.samples.len() >= 8_000 * 2, "{}", heard.samples.len());
    assert_eq!((mode(&path), mode(&place.path("data/recordings"))), (0o600, 0o700));

    let server = place.serve();
    until(&server, || are_over(&calls(&server, &token), 1));
    let ended = &calls(&server, &token)[0];
    assert_eq!(ended["outcome"], "interrupted");
    let length = fs::metadata(&path).unwrap().len();
    assert_eq!(ended["recording"]["bytes"], length);
    let file = fs::read(&path).unwrap();
    assert_eq!(
        u32::from_le_bytes(file[40..44].try_into().unwrap()) as u64,
        length - 44,
        "to its last sample"
    );
    let (status, _) = server.ask("GET", "/api/voice-campaigns/1/calls", &token);
    assert_eq!(status, 200);
}

/// A file as the recorder writes it, of so many samples.
fn wav_file(samples: usize) -> Vec<u8> {
    let mut file = wav::header(8_000, 2, samples as u32 * 4).to_vec();
    file.extend((0..samples * 2).flat_map(|n| ((n % 4_000) as i16).to_le_bytes()));
    file
}

fn put(folder: &Path, call_id: i64, samples: usize) -> Recording {
    fs::create_dir_all(folder.join("recordings")).unwrap();
    let file = wav_file(samples);
    fs::write(folder.join(format!("recordings/{call_id}.wav")), &file).unwrap();
    Recording { ms: samples as i64 / 8, bytes: file.len() as i64, peaks: vec![9, 3, 255, 0] }
}

fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.join("recordings")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A server with a call that was recorded.
fn recorded() -> (TestServer, i64, Vec<u8>) {
    let server = TestServer::start();
    server.campaign(json!({"status": "active"}));
    let call = server.place_call(server.lead(1, "+12025550101"));
    let recording = put(server.folder.path(), call, 16_000);
    server.write(move |tx| tx.keep_recording(call, &recording));
    server.end_call(call, Outcome::Success, Some(2));
    (server, call, wav_file(16_000))
}

#[test]
fn a_recording_is_given_whole_or_in_parts() {
    let (server, id, file) = recorded();
    let path = format!("/api/calls/{id}/recording");
    let token = format!("Authorization: Bearer {READER}\r\n");
    let ask = |method: &str, headers: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}{headers}\r\n"
        );
        let answer = server.raw_bytes(request.as_bytes());
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8_lossy(&answer[..end]).to_lowercase(), answer[end..].to_vec())
    };
    let (head, body) = ask("GET", "");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    for line in [
        "content-type: audio/x-wav",
        "accept-ranges: bytes",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        &format!("content-length: {}", file.len()),
        &format!("content-disposition: attachment; filename=\"call-{id}.wav\""),
        &format!("etag: \"{id}-{}\"", file.len()),
    ] {
        let known = line.replace("audio/x-wav", "audio/");
        assert!(head.contains(&known), "{known}: {head}");
    }
    assert!(body == file);
    let length = file.len();
    for (range, first, last) in [
        ("bytes=0-", 0, length - 1),
        ("bytes=0-0", 0, 0),
        ("bytes=44-1043", 44, 1_043),
        ("bytes=60000-", 60_000, length - 1),
        ("bytes=-100", length - 100, length - 1),
        ("bytes=60000-9999999", 60_000, length - 1),
    ] {
        let (head, body) = ask("GET", &format!("Range: {range}\r\n"));
        assert!(head.starts_with("http/1.1 206"), "{range}: {head}");
        assert!(
            head.contains(&format!("content-range: bytes {first}-{last}/{length}\r\n")),
            "{range}: {head}"
        );
        assert!(head.contains(&format!("content-length: {}\r\n", last - first + 1)), "{range}: {head}");
        assert!(body == file[first..=last], "{range}: {} bytes", body.len());
    }
    let (head, body) = ask("GET", &format!("Range: bytes={length}-\r\n"));
    assert!(head.starts_with("http/1.1 416"), "{head}");
    assert!(head.contains(&format!("content-range: bytes */{length}\r\n")), "{head}");
    let error: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(error["code"], "range_not_satisfiable");
    let tag = format!("\"{id}-{length}\"");
    assert!(ask("GET", &format!("If-None-Match: {tag}\r\n")).0.starts_with("http/1.1 304"));
    assert!(ask("GET", &format!("Range: bytes=0-9\r\nIf-Range: {tag}\r\n")).0.starts_with("http/1.1 206"));
    assert!(ask("GET", "Range: bytes=0-9\r\nIf-Range: \"other\"\r\n").0.starts_with("http/1.1 200"));
    let (head, body) = ask("HEAD", "Range: bytes=0-9\r\n");
    assert!(head.contains("content-length: 10\r\n") && body.is_empty(), "{head}");
}

#[test]
fn a_call_says_what_there_is_of_its_recording_until_somebody_deletes_it() {
    let (server, id, file) = recorded();
    let (show, path) = (format!("/api/calls/{id}"), format!("/api/calls/{id}/recording"));
    let call = server.get(&show).send().expect(200);
    assert_eq!(call["recording"], json!({"seconds": 2.0, "bytes": file.len(), "url": path}));
    assert_eq!(call["peaks"], json!({"agent": [9, 255], "person": [3, 0]}));
    let listed = server.get("/api/calls").send().expect(200);
    assert_eq!(listed[0]["recording"]["seconds"], 2.0);
    let (_, table) = server.get("/api/calls/export").send_for_bytes();
    let table = String::from_utf8(table).unwrap();
    assert!(
        table.lines().next().unwrap().contains(",recording_seconds,conclusion")
            && table.trim_end().ends_with(",2,,,")
    );

    server.request("DELETE", &path).token(READER).send().error(403);
    server.delete(&path).send().expect(204);
    assert!(files(server.folder.path()).is_empty());
    let call = server.get(&show).send().expect(200);
    assert_eq!(
        [&call["recording"], &call["peaks"], &call["recording_gone"]],
        [&Value::Null, &Value::Null, &json!("request")]
    );
    assert_eq!(server.get(&path).send().error(404), "Recording not found");
    assert_eq!(server.delete(&path).send().error(404), "Recording not found");
    assert_eq!(server.get("/api/calls/9/recording").send().error(404), "Call not found");
    let audit = server.request("GET", "/api/audit").token(crate::support::ADMIN).send().expect(200);
    assert_eq!(audit[0]["action"], "DELETE /api/calls/<id>/recording", "{audit}");
    assert_eq!(audit[0]["by"], WRITER);
}

#[test]
fn test_calls_and_those_that_came_in_are_listened_to_and_deleted_in_their_own_places() {
    let server = TestServer::start();
    server.campaign(json!({}));
    server.post("/api/voice-campaigns/1/test-calls", &json!({"phone": "+12025550101"})).send().expect(201);
    let line = json!({"seconds": 0.0, "until": 2.0, "speaker": "agent", "kind": "speech", "text": "Hello", "cut_off": false});
    let hello = json!([line]);
    let said = hello.clone();
    server.write(move |tx| {
        let (caller, carrier) = (Phone::from_e164("+12025550102"), "sip");
        let incoming = NewIncoming { campaign_id: 1, lead_id: None, caller, carrier };
        assert_eq!(tx.insert_incoming(&incoming)?, 2);
        tx.keep_transcript(-2, &said)
    });
    for (show, name, key) in [
        ("/api/voice-campaigns/1/test-calls/1", "test-call-1", -1),
        ("/api/inbound-calls/2", "inbound-call-2", -2),
    ] {
        let path = format!("{show}/recording");
        assert_eq!(server.get(&path).send().error(404), "Recording not found");
        let recording = put(server.folder.path(), key, 16_000);
        server.write(move |tx| tx.keep_recording(key, &recording));
        let call = server.get(show).send().expect(200);
        let length = wav_file(16_000).len();
        assert_eq!(call["recording"], json!({"seconds": 2.0, "bytes": length, "url": path}));
        assert_eq!(call["peaks"], json!({"agent": [9, 255], "person": [3, 0]}));
        let list = show.rsplit_once('/').unwrap().0;
        assert_eq!(server.get(list).send().expect(200)[0]["recording"], call["recording"]);
        let (headers, sound) = server.request("GET", &path).token(READER).send_for_bytes();
        assert!(sound == wav_file(16_000), "{name}");
        let disposition = format!("attachment; filename=\"{name}.wav\"");
        assert!(headers.iter().any(|(_, value)| *value == disposition), "{headers:?}");
        server.request("DELETE", &path).token(READER).send().error(403);
        server.delete(&path).send().expect(204);
        let call = server.get(show).send().expect(200);
        assert_eq!([&call["recording"], &call["recording_gone"]], [&Value::Null, &json!("request")]);
        assert_eq!(server.delete(&path).send().error(404), "Recording not found");
    }
    assert!(files(server.folder.path()).is_empty());
    assert_eq!(server.get("/api/inbound-calls/2").send().expect(200)["transcript"], hello);
    assert_eq!(server.get("/api/inbound-calls/1/recording").send().error(404), "Call not found");
    assert_eq!(server.get("/api/calls/1/recording").send().error(404), "Call not found");
}

#[test]
fn the_recordings_of_a_deleted_campaign_are_nobodys_business() {
    let (server, id, _) = recorded();
    server.delete("/api/voice-campaigns/1").send().expect(204);
    assert_eq!(server.get(&format!("/api/calls/{id}/recording")).send().error(404), "Call not found");
}

const RETENTION: Retention = Retention {
    deleted_campaigns: TimeDelta::days(30),
    events: TimeDelta::days(90),
    deliveries: TimeDelta::days(30),
    import_files: TimeDelta::days(30),
    audit: TimeDelta::days(40),
    call_details: Some(TimeDelta::days(50)),
    recordings: TimeDelta::days(20),
};

async fn clean(world: &World) {
    while housekeeping::turn(&world.store, RETENTION).await.unwrap().has_more {}
}

async fn kept(world: &World, id: i64) -> Option<Kept> {
    world.store.read(move |snapshot| snapshot.recording(id)).await.unwrap()
}

/// A world in which the calls with these numbers were made and recorded.
async fn world_of(calls: i64) -> World {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world.campaign(json!({"record_calls": true, "max_attempts_per_lead": 1})).await;
    world.leads(&campaign, (0..calls as usize).map(|nth| story(101, nth))).await;
    world.run_for(TimeDelta::hours(1)).await;
    for id in 1..=calls {
        let recording = put(world.folder.path(), id, 800);
        world.write(move |tx| tx.keep_recording(id, &recording)).await;
    }
    world
}

fn gone(kept: Option<Kept>) -> String {
    match kept {
        Some(Kept::Gone(why)) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn recordings_go_after_their_time_and_with_their_campaign() {
    let mut world = world_of(3).await;
    world.run_for(TimeDelta::days(19)).await;
    clean(&world).await;
    assert_eq!(files(world.folder.path()).len(), 3);
    world.run_for(TimeDelta::days(2)).await;
    clean(&world).await;
    assert!(files(world.folder.path()).is_empty());
    assert_eq!(gone(kept(&world, 1).await), "retention");
    world.check().await;

    let mut world = world_of(3).await;
    world.write(|tx| tx.delete_campaign(1, "test")).await;
    world.run_for(TimeDelta::days(10)).await;
    clean(&world).await;
    assert_eq!(files(world.folder.path()).len(), 3, "as long as everything else of it");
    let retention = Retention { recordings: TimeDelta::days(1_000), ..RETENTION };
    world.run_for(TimeDelta::days(25)).await;
    while housekeeping::turn(&world.store, retention).await.unwrap().has_more {}
    assert!(files(world.folder.path()).is_empty());
    assert_eq!(kept(&world, 1).await, None, "the rows are gone as well");
    world.check().await;
}

#[tokio::test]
async fn who_is_erased_is_not_heard_any_more_also_where_no_row_tells_of_it() {
    let world = world_of(3).await;
    world
        .write(|tx| {
            tx.keep_transcript(1, &json!([{"text": "Hello Xanthippe"}]))?;
            tx.keep_transcript(2, &json!([{"text": "Hello Otto"}]))
        })
        .await;
    let phones =
        world.store.read(|s| Ok::<_, StoreError>([s.call(1)?.unwrap().phone, s.call(3)?.unwrap().phone]));
    let [first, third]: [Phone; 2] = phones.await.unwrap();
    world.store.erase(first).await.unwrap();
    assert_eq!(files(world.folder.path()), ["2.wav", "3.wav"]);
    assert_eq!(gone(kept(&world, 1).await), "erasure");
    let transcripts =
        world.store.read(|s| Ok::<_, StoreError>([s.transcript(1)?, s.transcript(2)?])).await.unwrap();
    assert_eq!(transcripts, [json!([]), json!([{"text": "Hello Otto"}])]);
    // As it is when the disk was slow: the file is there, and nobody has written it down yet.
    rusqlite::Connection::open(data_file(world.folder.path()))
        .unwrap()
        .execute("DELETE FROM recordings WHERE call_id = 3", [])
        .unwrap();
    world.store.erase(third).await.unwrap();
    assert_eq!(files(world.folder.path()), ["2.wav"]);
    let late = put(world.folder.path(), 3, 800);
    world.write(move |tx| tx.keep_recording(3, &late)).await;
    assert_eq!(gone(kept(&world, 3).await), "erasure");
    clean(&world).await;
    assert_eq!(files(world.folder.path()), ["2.wav"]);
}

/// A world with a call that came in from the first number, a test call to the second that said the values of a lead with
/// the first, and a call that came in from the third; all recorded.
async fn world_of_others() -> (World, [Phone; 3]) {
    let mut world = World::new(MONDAY_NOON).await;
    let ours = "+12025550199";
    let inbound = json!({"campaign_type": "inbound", "inbound_number": ours, "record_calls": true});
    let campaign = world.campaign(inbound).await;
    let phones = [0, 1, 2].map(|nth| Phone::from_e164(&story(101, nth)).unwrap());
    world.add(&campaign, vec![json!({"phone": story(101, 0), "first_name": "Ada"})]).await;
    let trial = NewTrial {
        campaign_id: campaign.id,
        lead_id: Some(1),
        phone: phones[1],
        carrier: "simulator",
        variables: json!({}),
        by: "Grace".into(),
    };
    let ours = Phone::from_e164(ours).unwrap();
    assert!(world.simulator.call_us(ours, Some(phones[0])));
    world.run_for(TimeDelta::minutes(2)).await;
    world.write(move |tx| tx.ask_for_trial(&trial)).await;
    world.run_for(TimeDelta::minutes(2)).await;
    assert!(world.simulator.call_us(ours, Some(phones[2])));
    world.run_for(TimeDelta::minutes(2)).await;
    for id in 1..=3 {
        let recording = put(world.folder.path(), -id, 800);
        world.write(move |tx| tx.keep_recording(-id, &recording)).await;
    }
    world.check().await;
    (world, phones)
}

#[tokio::test]
async fn whoever_calls_and_whoever_is_called_for_a_test_is_told_first_that_it_is_recorded() {
    let (world, _) = world_of_others().await;
    for key in [-1, -2, -3] {
        let transcript = world.store.read(move |s| s.transcript(key)).await.unwrap();
        assert_eq!(transcript[0]["text"], "This call is being recorded.", "{key}: {transcript}");
        assert_eq!((&transcript[0]["speaker"], &transcript[0]["cut_off"]), (&json!("agent"), &json!(false)));
        assert!(transcript.as_array().unwrap().len() > 1, "{transcript}");
    }
}

#[tokio::test]
async fn what_was_recorded_of_calls_that_are_no_attempt_goes_as_that_of_others_does() {
    let (mut world, [first, second, third]) = world_of_others().await;
    assert_eq!(files(world.folder.path()), ["-1.wav", "-2.wav", "-3.wav"]);
    // As it is when the disk was slow: nobody has written it down yet.
    let connection = rusqlite::Connection::open(data_file(world.folder.path())).unwrap();
    connection.execute("DELETE FROM recordings WHERE call_id = -2", []).unwrap();
    // Also what was said of the person to somebody else.
    world.store.erase(first).await.unwrap();
    assert_eq!(files(world.folder.path()), ["-3.wav"]);
    let late = put(world.folder.path(), -2, 800);
    world.write(move |tx| tx.keep_recording(-2, &late)).await;
    for key in [-1, -2] {
        assert_eq!(gone(kept(&world, key).await), "erasure");
        world.write(move |tx| tx.keep_transcript(key, &json!([{"text": "Hello Ada"}]))).await;
        assert_eq!(world.store.read(move |s| s.transcript(key)).await.unwrap(), json!([]));
    }
    clean(&world).await;
    assert_eq!(files(world.folder.path()), ["-3.wav"]);
    let phones = world
        .store
        .read(|s| Ok::<_, StoreError>([1, 2, 3].map(|id| s.other_call(id).unwrap().unwrap().phone)));
    assert_eq!(phones.await.unwrap(), [None, Some(second), Some(third)]);
    world.run_for(TimeDelta::days(21)).await;
    clean(&world).await;
    assert_eq!(gone(kept(&world, -3).await), "retention");
    assert!(files(world.folder.path()).is_empty());
    world.run_for(TimeDelta::days(31)).await;
    clean(&world).await;
    assert_eq!(world.store.read(|s| s.transcript(-3)).await.unwrap(), json!([]), "as long as the timeline");
    world.check().await;
}

#[tokio::test]
async fn recordings_of_calls_that_are_no_attempt_go_with_their_campaign_and_are_made_to_fit_at_the_start() {
    let (mut world, _) = world_of_others().await;
    let folder = world.folder.path().to_owned();
    let connection = rusqlite::Connection::open(data_file(&folder)).unwrap();
    connection.execute("DELETE FROM recordings WHERE call_id = -2", []).unwrap();
    fs::remove_file(folder.join("recordings/-3.wav")).unwrap();
    put(&folder, -9, 800);
    let done = world.store.put_recordings_right().await.unwrap();
    assert_eq!(done, PutRight { kept: 1, missing: 1, removed: 1 });
    assert_eq!(gone(kept(&world, -3).await), "missing");
    assert!(matches!(kept(&world, -2).await, Some(Kept::Here(_))));
    let retention = Retention { recordings: TimeDelta::days(1_000), ..RETENTION };
    world.write(|tx| tx.delete_campaign(1, "test")).await;
    world.run_for(TimeDelta::days(35)).await;
    while housekeeping::turn(&world.store, retention).await.unwrap().has_more {}
    assert!(files(&folder).is_empty());
    assert_eq!(kept(&world, -1).await, None, "the rows are gone as well");
    world.check().await;
}

#[tokio::test]
async fn at_the_start_files_and_rows_are_made_to_fit() {
    let world = world_of(4).await;
    let folder = world.folder.path();
    let path = |id: i64| folder.join(format!("recordings/{id}.wav"));
    fs::remove_file(path(1)).unwrap();
    let connection = rusqlite::Connection::open(data_file(folder)).unwrap();
    connection.execute("DELETE FROM recordings WHERE call_id = 2", []).unwrap();
    // A header that knows of less, and half a sample: as a power cut leaves it.
    let mut torn = wav_file(1_600);
    torn[..44].copy_from_slice(&wav::header(8_000, 2, 100));
    torn.extend([1, 2, 3]);
    fs::write(path(2), &torn).unwrap();
    fs::write(path(3), &torn).unwrap();
    put(folder, 99, 800);
    fs::write(folder.join("recordings/notes.txt"), "ours").unwrap();
    let done = world.store.put_recordings_right().await.unwrap();
    assert_eq!(done, PutRight { kept: 2, missing: 1, removed: 1 });
    assert_eq!(gone(kept(&world, 1).await), "missing");
    for id in [2, 3] {
        let Some(Kept::Here(recording)) = kept(&world, id).await else { panic!("{id}") };
        assert_eq!((recording.ms, recording.bytes), (200, 44 + 6_400));
        assert!(!recording.peaks.is_empty());
        let file = fs::read(path(id)).unwrap();
        assert!(file == wav_file(1_600));
    }
    assert_eq!(files(folder), ["2.wav", "3.wav", "4.wav", "notes.txt"]);
    assert_eq!(world.store.put_recordings_right().await.unwrap(), PutRight::default());
}

#[tokio::test]
async fn a_backup_that_comes_back_takes_no_recording_for_that_of_another_call() {
    let mut world = world_of(2).await;
    let folder = world.folder.path().to_owned();
    let copy = folder.join("copy.sqlite");
    backup::make(&folder, &copy).unwrap();
    let campaign = world.campaign(json!({})).await;
    world.leads(&campaign, [story(101, 5)]).await;
    world.run_for(TimeDelta::hours(1)).await;
    put(&folder, 3, 800);
    put(&folder, -1, 800);
    world.store.close().await;
    drop(world.take_dialer());
    let World { store, clock, folder: held, .. } = world;
    drop(store);
    let restored = loop {
        use voice_campaigns::store::backup::restore;
        match restore(&copy, &folder, clock.now()) {
            Ok(restored) => break restored,
            // The lock goes with the last reference to the store.
            Err(error) if error.to_string().contains("another voice-campaigns server") => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(files(&folder), ["1.wav", "2.wav"]);
    assert_eq!(files(&restored.replaced.unwrap()), ["-1.wav", "3.wav"]);
    drop(held);
}

#[tokio::test]
async fn a_simulated_call_has_a_transcript_with_the_announcement_first_and_no_recording() {
    let mut world = World::new(MONDAY_NOON).await;
    let campaign = world
        .campaign(json!({
            "record_calls": true, "ai_voice_language": "de-DE", "success_criteria": "sale_made",
            "script_template": "Hallo {name|du}, drücken Sie 1.", "fallback_script": "Auf Wiederhören."
        }))
        .await;
    world.add(&campaign, vec![json!({"phone": story(110, 0), "first_name": "<b>Ada</b>"})]).await;
    world.leads(&campaign, [story(103, 0), story(113, 0)]).await;
    world.run_for(TimeDelta::minutes(10)).await;
    let calls = world.calls(&campaign).await;
    let outcomes: Vec<String> = calls.iter().map(|call| call.outcome.unwrap().to_string()).collect();
    assert_eq!(outcomes, ["success", "message_left", "no_input"]);
    let of = async |id: i64| world.store.read(move |s| s.transcript(id)).await.unwrap();
    let spoken = of(calls[0].id).await;
    let texts: Vec<&Value> = spoken.as_array().unwrap().iter().map(|line| &line["text"]).collect();
    let begins = |nth: usize, words: &str| texts[nth].as_str().unwrap().starts_with(words);
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert!(begins(0, "Dieses Gespräch wird aufgezeichnet."), "{texts:?}");
    assert!(begins(1, "Hallo <b>Ada</b>, drücken Sie 1."), "{texts:?}");
    assert!(begins(2, "1") && spoken[3]["speaker"] == "agent", "{texts:?}");
    assert_eq!((&spoken[0]["seconds"], &spoken[0]["cut_off"]), (&json!(0.0), &json!(false)));
    assert_eq!(spoken[0]["until"], spoken[1]["seconds"]);
    assert_eq!((&spoken[2]["speaker"], &spoken[2]["kind"]), (&json!("person"), &json!("key")));
    assert!(
        spoken[2]["seconds"].as_f64() > spoken[1]["until"].as_f64(),
        "pressed after the script: {spoken}"
    );
    let machine = of(calls[1].id).await;
    let message = machine.as_array().unwrap().last().unwrap();
    assert_eq!((&message["text"], &message["cut_off"]), (&json!("Auf Wiederhören."), &json!(false)));
    let muddled = of(calls[2].id).await;
    assert_eq!(muddled[1]["cut_off"], false, "an end that is told twice ends nothing else: {muddled}");
    assert_eq!(kept(&world, calls[0].id).await, None);
    assert!(files(world.folder.path()).is_empty());
    // Kept as long as the timeline.
    world.run_for(TimeDelta::days(51)).await;
    clean(&world).await;
    let first = calls[0].id;
    assert_eq!(world.store.read(move |s| s.transcript(first)).await.unwrap(), json!([]));
    world.check().await;
}
