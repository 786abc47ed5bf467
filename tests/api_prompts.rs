//! Prompts: uploaded, listened to, played by a campaign, deleted.

use crate::support::{READER, TestServer, WRITER};
use serde_json::json;
use voice_campaigns::media::wav;

const PROMPTS: &str = "/api/voice-campaigns/1/prompts";

/// Two seconds of sound at another rate than that of the line.
fn file() -> Vec<u8> {
    let samples: Vec<i16> = (0..32_000_i32).map(|n| ((n % 80 - 40) * 200) as i16).collect();
    wav::write(16_000, &samples)
}

fn upload(server: &TestServer, path: &str, kind: &str, body: &[u8]) -> crate::support::Answer {
    server.request("POST", path).token(WRITER).body(kind, body).send()
}

#[test]
fn a_prompt_is_kept_as_it_sounds_on_the_phone_and_played_by_its_campaign() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let answer = upload(&server, &format!("{PROMPTS}?name=Welcome"), "audio/wav", &file());
    assert_eq!(answer.header("Location"), Some("/api/voice-campaigns/1/prompts/1"));
    assert_eq!(
        answer.expect(201),
        json!({"id": 1, "name": "Welcome", "seconds": 2.0, "is_script": false, "is_fallback": false,
               "created_at": "2026-03-04T10:00:00Z"})
    );
    let (headers, sound) = server.request("GET", &format!("{PROMPTS}/1")).token(READER).send_for_bytes();
    assert!(
        headers.iter().any(|(name, value)| name == "content-type" && value == "audio/wav"),
        "{headers:?}"
    );
    let sound = wav::read(&sound).unwrap();
    assert_eq!((sound.rate, sound.samples.len()), (8_000, 16_000), "two seconds");

    server.put("/api/voice-campaigns/1", &json!({"script_prompt": 1})).send().expect(200);
    let listed = server.get(PROMPTS).send().expect(200);
    assert_eq!((&listed[0]["is_script"], &listed[0]["is_fallback"]), (&json!(true), &json!(false)));
    assert_eq!(
        server.delete(&format!("{PROMPTS}/1")).send().error(409),
        "The campaign plays this prompt as its script; set script_prompt to null first"
    );
    let copy = server.post("/api/voice-campaigns/1/duplicate", &json!({})).send().expect(201);
    assert_eq!(copy["script_prompt"], 2, "a copy has a prompt of its own");
    assert_eq!(server.get("/api/voice-campaigns/2/prompts").send().expect(200)[0]["name"], "Welcome");
    server.put("/api/voice-campaigns/1", &json!({"script_prompt": null})).send().expect(200);
    assert_eq!(server.delete(&format!("{PROMPTS}/1")).send().status, 204);
    assert_eq!(server.get(PROMPTS).send().expect(200), json!([]));
    assert_eq!(server.get(&format!("{PROMPTS}/1")).send().error(404), "Prompt not found");
    assert_eq!(server.get(&format!("{PROMPTS}/2")).send().error(404), "Prompt not found");
}

#[test]
fn what_is_no_prompt_is_refused_with_the_reason() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let named = format!("{PROMPTS}?name=x");
    let long = wav::write(8_000, &vec![0; 8_000 * 301]);
    for (path, kind, body, status, told) in [
        (PROMPTS, "audio/wav", &file()[..], 400, "name: is required, such as `?name=Welcome`"),
        (&named, "audio/mpeg", b"nonsense", 400, "body: is neither a WAV nor an MP3 file with sound in it"),
        (&named, "audio/wav", &long, 400, "body: must last at most 300 seconds"),
        (&named, "text/plain", &file(), 415, "Send the body with Content-Type: audio/wav or audio/mpeg"),
        (&named, "audio/wav", &[0; (20 << 20) + 1], 413, "The body is larger than 20971520 bytes"),
    ] {
        assert_eq!(upload(&server, path, kind, body).error(status), told);
    }
    let other = upload(&server, "/api/voice-campaigns/9/prompts?name=x", "audio/wav", &file());
    assert_eq!(other.error(404), "Voice campaign not found");
    let change = json!({"fallback_prompt": 1, "fallback_script": null});
    assert_eq!(
        server.put("/api/voice-campaigns/1", &change).send().error(400),
        "fallback_prompt: needs fallback_script to say in words what the prompt says"
    );
}

#[test]
fn the_same_upload_sent_twice_with_a_key_is_one_prompt() {
    let server = TestServer::start();
    server.campaign(json!({}));
    let send = || {
        let path = format!("{PROMPTS}?name=Welcome");
        let request = server.request("POST", &path).token(WRITER).body("audio/x-wav", &file());
        request.header("Idempotency-Key", "k").send()
    };
    assert_eq!((send().status, send().status), (201, 201));
    assert_eq!(server.get(PROMPTS).send().expect(200).as_array().unwrap().len(), 1);
}
