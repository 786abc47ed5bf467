//! Who speaks, and how a text sounds before anybody is called.

use crate::api_campaigns::example;
use crate::support::line::StillLine;
use crate::support::program::Place;
use crate::support::{Options, TestServer};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use voice_campaigns::domain::campaign::{Request, VoiceGender};
use voice_campaigns::domain::guard::Agents;
use voice_campaigns::domain::voice::Voice;
use voice_campaigns::http::{self, Saying, Speaker};

fn server_with(say: impl Fn(&str, &Voice) -> Saying + Send + Sync + 'static) -> TestServer {
    let mut options = Options::default();
    let (kind, name, voice) = ("program", "parrot".to_owned(), Some("polly".to_owned()));
    options.settings.speaker = Ok(Speaker { kind, name, voice, say: Arc::new(say) });
    TestServer::start_with(options)
}

/// No model, and nobody who holds conversations on calls.
fn nobody() -> Value {
    json!({"usual": "scripted", "conversations": 0, "model": null, "problem": "No model is set up"})
}

fn refusal(server: &TestServer, body: &Value, status: u16) -> (String, String) {
    let error = server.post("/api/voice-preview", body).send().expect(status);
    let word = |name: &str| error[name].as_str().unwrap().to_owned();
    (word("code"), word("error"))
}

#[test]
fn a_text_comes_back_as_the_sound_that_the_voice_makes_of_it() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    let server = server_with(move |text, voice| {
        heard.lock().unwrap().push((text.to_owned(), voice.clone()));
        Box::pin(async { Ok(b"RIFF\xFF".to_vec()) })
    });
    let expected = json!({"available": true, "kind": "program", "name": "parrot", "voice": "polly", "problem": null,
        "agent": nobody()});
    assert_eq!(server.get("/api/voices").send().expect(200), expected);

    let preview = |body: Value| server.post("/api/voice-preview", &body).send_for_bytes();
    let (headers, sound) = preview(json!({"text": "Hello."}));
    assert_eq!(sound, b"RIFF\xFF");
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.unwrap().1.clone()
    };
    assert_eq!([header("content-type"), header("content-length")], ["audio/wav", "5"]);
    assert!(headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-ratelimit-remaining")));
    preview(json!({"text": "Hallo.", "voice": "anna", "language": "de-DE", "gender": "female"}));
    let usual = Voice { language: "en-US".into(), ..Voice::default() };
    let anna = Voice { id: Some("anna".into()), language: "de-DE".into(), gender: Some(VoiceGender::Female) };
    assert_eq!(*asked.lock().unwrap(), [("Hello.".to_owned(), usual), ("Hallo.".to_owned(), anna)]);
}

#[test]
fn what_is_wrong_with_a_text_is_told_at_once_and_nothing_is_spoken() {
    let server = server_with(|_, _| panic!("it was asked"));
    let say = |body: &Value| refusal(&server, body, 400).1;
    assert_eq!(
        say(&json!({"txt": "x", "language": "english!", "gender": "robot"})),
        "text: is required; \
         language: must be a BCP 47 language tag such as `en-US`; it is `english!`; \
         gender: must be one of `male`, `female`, `neutral`; it is `robot`; \
         txt: unknown field; did you mean `text`?"
    );
    assert_eq!(say(&json!({"text": " "})), "text: is required and must not be blank");
    assert!(say(&json!({"text": "a".repeat(1_001)})).contains("1000"));
}

/// With the simulator nobody hears anything, so any name will do.
#[test]
fn a_campaign_for_real_calls_names_a_voice_that_there_is() {
    for real_calls in [true, false] {
        let mut options = Options::default();
        options.settings.line = Arc::new(StillLine { real_calls, ..StillLine::default() });
        let say: http::Say = Arc::new(|_, voice| {
            let is_known = voice.id.as_deref() == Some("polly");
            Box::pin(async move { if is_known { Ok(Vec::new()) } else { Err("no such voice".into()) } })
        });
        let (kind, name) = ("program", "parrot".to_owned());
        options.settings.speaker = Ok(Speaker { kind, name, voice: None, say });
        let server = TestServer::start_with(options);
        let with = |voice: &str| {
            let mut body = example();
            body["ai_voice_id"] = json!(voice);
            body
        };
        let expected = "ai_voice_id: must be a voice that parrot has; it says: no such voice";
        let create = server.post("/api/voice-campaigns", &with("polli"));
        if !real_calls {
            create.send().expect(201);
            continue;
        }
        assert_eq!(create.send().error(400), expected);
        server.post("/api/voice-campaigns", &with("polly")).send().expect(201);
        let change = |body: Value| server.put("/api/voice-campaigns/1", &body).send();
        assert_eq!(change(json!({"ai_voice_id": "polli"})).error(400), expected);
        change(json!({"ai_voice_id": null})).expect(200);
        let start = || server.patch("/api/voice-campaigns/1/status", &json!({"status": "active"})).send();
        start().expect(200);
        server.write(|tx| {
            let before = tx.campaign(1)?.unwrap();
            let request = Request::read(json!({"ai_voice_id": "gone"}), Some(&before.settings)).unwrap();
            tx.update_campaign(&before, &request, "test").map(drop)
        });
        assert_eq!(start().error(400), expected);
    }
}

#[test]
fn without_a_voice_it_is_said_how_to_get_one() {
    let mut options = Options::default();
    options.settings.speaker = Err("no voice: install flite".into());
    let server = TestServer::start_with(options);
    let none = json!({"available": false, "kind": null, "name": null, "voice": null,
        "problem": "no voice: install flite", "agent": nobody()});
    assert_eq!(server.get("/api/voices").send().expect(200), none);
    let expected = ("no_voice".to_owned(), "Nobody can speak: no voice: install flite".to_owned());
    assert_eq!(refusal(&server, &json!({"text": "Hello."}), 503), expected);
}

#[test]
fn it_is_said_who_holds_conversations_on_calls_and_in_tries() {
    let model = Some("http://127.0.0.1:9/v1".to_owned());
    let server = TestServer::start_with(Options { model, ..Options::default() });
    server.store.set_agents(Agents { seats: 10, free: 3, is_usual: true });
    let expected = json!({"usual": "ai", "conversations": 10, "model": "test-model", "problem": null});
    assert_eq!(server.get("/api/voices").send().expect(200)["agent"], expected);
}

#[test]
fn a_voice_that_fails_says_why() {
    let server = server_with(|_, _| Box::pin(async { Err("`parrot` is asleep".to_owned()) }));
    let expected = ("voice_failed".to_owned(), "The voice failed: `parrot` is asleep".to_owned());
    assert_eq!(refusal(&server, &json!({"text": "Hello."}), 503), expected);
}

#[test]
fn two_texts_are_spoken_at_a_time_and_a_third_is_told_to_come_again() {
    let (begun, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (begins, may_go_on) = (begun.clone(), go_on.clone());
    let server = server_with(move |_, _| {
        begins.add_permits(1);
        let may_go_on = may_go_on.clone();
        Box::pin(async move {
            may_go_on.acquire().await.unwrap().forget();
            Ok(Vec::new())
        })
    });
    let body = json!({"text": "Hello."});
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| server.post("/api/voice-preview", &body).send_for_bytes());
        }
        let waiting = tokio::runtime::Builder::new_current_thread().build().unwrap();
        waiting.block_on(begun.acquire_many(2)).unwrap().forget();
        assert_eq!(refusal(&server, &body, 503).0, "voice_busy");
        go_on.add_permits(3);
    });
    server.post("/api/voice-preview", &body).send_for_bytes();
}

/// Sends a text to the program itself.
fn say(url: &str, token: &str) -> (u16, Vec<u8>) {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = config.build().into();
    let post = agent.post(format!("{url}/api/voice-preview")).content_type("application/json");
    let mut answer =
        post.header("Authorization", format!("Bearer {token}")).send("{\"text\": \"Hi\"}").unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_vec().unwrap())
}

#[test]
fn the_program_speaks_without_a_trunk_and_starts_without_a_voice() {
    let place = Place::new();
    // Two samples at 16,000 per second; on the phone that is one.
    let wav = voice_campaigns::media::wav::write(16_000, &[0, 0]);
    std::fs::write(place.path("one.wav"), wav).unwrap();
    let settings = format!("voice.command = [\"/bin/cat\", \"{}\"]\n", place.path("one.wav").display());
    std::fs::write(place.path("voice-campaigns.toml"), settings).unwrap();
    let server = place.serve();
    let token = place.token("write");
    let voices: Value = serde_json::from_str(&server.ask("GET", "/api/voices", &token).1).unwrap();
    assert_eq!((&voices["kind"], &voices["name"]), (&json!("program"), &json!("cat")));
    let (status, sound) = say(&server.url, &token);
    assert_eq!((status, sound), (200, voice_campaigns::media::wav::write(8_000, &[0])));
    drop(server);

    std::fs::write(place.path("voice-campaigns.toml"), "voice.command = \"no-such-voice\"\n").unwrap();
    let server = place.serve();
    let voices: Value = serde_json::from_str(&server.ask("GET", "/api/voices", &token).1).unwrap();
    let problem = "voice.command: there is no program `no-such-voice` on this machine";
    assert_eq!((&voices["available"], &voices["problem"]), (&json!(false), &json!(problem)));
    assert_eq!(say(&server.url, &token).0, 503);
}
