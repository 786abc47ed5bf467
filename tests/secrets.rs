//! Secrets at rest: nothing that is written to the disk has one in it as it is, and without the key nobody can use one.

use crate::support::TestServer;
use crate::support::program::Place;
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use voice_campaigns::clock::Manual;
use voice_campaigns::domain::endpoint::EndpointRequest;
use voice_campaigns::domain::secret::Key;
use voice_campaigns::store::backup::{self, Backup, Restored};
use voice_campaigns::store::{Store, StoreError, data_file, key_id};

/// Base64 of 24 bytes after `whsec_`, as a client may send it.
const CANARY: &str = "whsec_Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5";
const HOOK: &str = "https://example.com/hook";

/// The files below a folder in which a text stands.
pub(crate) fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn store(folder: &Path, key: Option<&Key>) -> Store {
    let clock = Arc::new(Manual::new(crate::support::START.parse().unwrap()));
    Store::open_with(folder, clock, key).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What signs the deliveries that wait for the first endpoint.
fn signs(store: &Store) -> Vec<Vec<String>> {
    let due = runtime().block_on(store.read(|snapshot| snapshot.due_deliveries(1, 9)));
    let due: Result<_, StoreError> = due;
    due.unwrap().into_iter().map(|outgoing| outgoing.secrets).collect()
}

#[test]
fn a_secret_is_nowhere_on_the_disk_and_signs_all_the_same() {
    let server = TestServer::start();
    let body = json!({"url": HOOK, "secret": CANARY});
    let made = server.post("/api/webhooks", &body).admin().header("Idempotency-Key", "one").send();
    let id = made.expect(201)["id"].clone();
    // This answer shows one, and is kept for 24 hours to be given again.
    let rotate = |key: &str| {
        let path = format!("/api/webhooks/{id}/rotate-secret");
        server.post(&path, &json!({})).admin().header("Idempotency-Key", key).send().expect(200)
    };
    let rotated = rotate("two");
    assert_eq!(rotate("two"), rotated);
    let campaign = json!({"webhooks": [{"url": HOOK, "secret": CANARY}]});
    server.campaign(campaign);
    server.post(&format!("/api/webhooks/{id}/test"), &json!({})).admin().send().expect(202);
    let made_here = rotated["secret"].as_str().unwrap();
    assert_eq!(signs(&server.store), [[made_here.to_owned(), CANARY.to_owned()]]);
    let copy = server.folder.path().join("copy.sqlite");
    backup::make(server.folder.path(), &copy).unwrap();
    for secret in [CANARY, made_here] {
        assert_eq!(files_with(server.folder.path(), secret), [""; 0]);
    }
    let everything: String =
        ["/api/webhooks?scope=all", "/api/voice-campaigns", "/api/audit", "/api/settings"]
            .map(|path| server.get(path).admin().send().body)
            .concat();
    assert!(!everything.contains(CANARY) && !everything.contains(made_here), "{everything}");
    server.close_store();
    assert_eq!(files_with(server.folder.path(), CANARY), [""; 0]);
}

#[test]
fn what_an_older_version_wrote_down_as_it_is_gets_sealed_at_the_first_start() {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(store(folder.path(), None).close());
    let plain = Connection::open(data_file(folder.path())).unwrap();
    plain
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             INSERT INTO tokens (name, scope, hash, created_at) VALUES ('a', 'admin', zeroblob(32), 0);
             INSERT INTO endpoints (url, events, secret, previous_secret, previous_until, created_at, updated_at)
             VALUES ('https://example.com', '[]', 'whsec_x', 'whsec_y', 4000000000000, 0, 0);
             INSERT INTO deliveries (endpoint_id, type, test, next_try_at, created_at) VALUES (1, 'webhook.test', '{}', 0, 0);",
        )
        .unwrap();
    plain.execute("UPDATE endpoints SET secret = ?1, previous_secret = ?1", [CANARY]).unwrap();
    plain
        .execute(
            "INSERT INTO replies VALUES (1, 'k', zeroblob(32), 200, NULL, ?1, 4000000000000)",
            params![format!("{{\"secret\":\"{CANARY}\"}}")],
        )
        .unwrap();
    drop(plain);
    assert_eq!(files_with(folder.path(), CANARY).len(), 1);
    let lifted = store(folder.path(), None);
    assert_eq!(files_with(folder.path(), CANARY), [""; 0]);
    assert_eq!(signs(&lifted), [[CANARY, CANARY]]);
    let reply: Result<_, StoreError> = runtime().block_on(lifted.read(|s| s.remembered_reply(1, "k")));
    assert_eq!(reply.unwrap().unwrap().body, format!("{{\"secret\":\"{CANARY}\"}}"));
    runtime().block_on(lifted.close());
    drop(lifted);
    let again = store(folder.path(), None);
    assert_eq!(signs(&again), [[CANARY, CANARY]]);
}

#[test]
fn without_the_key_an_endpoint_is_held_until_the_key_is_back_or_it_has_a_new_secret() {
    let folder = tempfile::tempdir().unwrap();
    let keys = [1, 2].map(|byte| Key::of_bytes(&[byte; 32]).unwrap());
    let opened = store(folder.path(), Some(&keys[0]));
    let body = json!({"url": HOOK, "secret": CANARY});
    let request = EndpointRequest::read(body, None).unwrap();
    let made: Result<_, StoreError> = runtime().block_on(opened.write(move |tx| {
        let (endpoint, _) = tx.insert_endpoint(&request)?;
        tx.test_endpoint(&endpoint, None)
    }));
    made.unwrap();
    runtime().block_on(opened.close());
    drop(opened);
    let waiting = |key: Option<&Key>| {
        let opened = store(folder.path(), key);
        let read = opened.read(|snapshot| {
            let endpoint = snapshot.endpoint(1)?.unwrap();
            Ok::<_, StoreError>((endpoint.is_locked, snapshot.endpoints_waiting()?.len()))
        });
        runtime().block_on(read).unwrap()
    };
    assert_eq!(waiting(Some(&keys[0])), (false, 1));
    assert_eq!(waiting(Some(&keys[1])), (true, 0));
    assert_eq!(waiting(None), (true, 0));
    assert_eq!(waiting(Some(&keys[0])), (false, 1));
    let opened = store(folder.path(), None);
    let rotated: Result<_, StoreError> = runtime().block_on(opened.write(|tx| tx.rotate_secret(1)));
    assert_eq!(signs(&opened), [[rotated.unwrap()]]);
    drop(opened);
    assert_eq!(waiting(None), (false, 1));
}

#[test]
fn a_held_endpoint_says_why_and_takes_no_test() {
    let server = TestServer::start();
    server.post("/api/webhooks", &json!({"url": HOOK, "secret": CANARY})).admin().send().expect(201);
    let beside = Connection::open(data_file(server.folder.path())).unwrap();
    beside.execute("UPDATE endpoints SET secret = 'whsec_sealed:00000000:AAAA'", []).unwrap();
    let notice = "Its secret was sealed under a key that this server does not have, so what it is to be told waits. Start \
                  the server with that key, or give the endpoint a new secret";
    let shown = server.get("/api/webhooks/1").send().expect(200);
    assert_eq!((&shown["enabled"], &shown["notice"]), (&json!(true), &json!(notice)));
    assert_eq!(server.post("/api/webhooks/1/test", &json!({})).admin().send().error(409), notice);
    let rotated = server.post("/api/webhooks/1/rotate-secret", &json!({})).admin().send().expect(200);
    assert_eq!((&rotated["notice"], &rotated["previous_secret_until"]), (&Value::Null, &Value::Null));
    server.post("/api/webhooks/1/test", &json!({})).admin().send().expect(202);
    assert_eq!(signs(&server.store), [[rotated["secret"].as_str().unwrap()]]);
}

#[test]
fn a_backup_names_the_key_that_it_lacks() {
    let place = Place::new();
    drop(place.serve());
    let key = place.path("data/secret.key");
    assert!(!key.exists(), "there is no secret yet");
    let opened = store(&place.path("data"), None);
    let request = EndpointRequest::read(json!({"url": HOOK}), None).unwrap();
    let made: Result<_, StoreError> =
        runtime().block_on(opened.write(move |tx| tx.insert_endpoint(&request)));
    made.unwrap();
    runtime().block_on(opened.close());
    drop(opened);
    let name = key_id(&place.path("data"), None).unwrap().unwrap();
    let made = place.run(&["backup", "copy.sqlite"]);
    let note = String::from_utf8(made.stderr).unwrap();
    assert!(note.contains("suppression.key and secret.key are not in it"), "{note}");
    let Backup { sealed_under, .. } = backup::verify(&place.path("copy.sqlite")).unwrap();
    assert_eq!(sealed_under, std::slice::from_ref(&name));
    let said = place.answer(&["backup", "verify", "copy.sqlite"]);
    assert!(said.contains(&format!("sealed under the key {name}, which is not in it")), "{said}");
    let missing = format!("sealed under the key {name}, which is not here");
    let said = place.answer(&["restore", "copy.sqlite", "--data", "elsewhere"]);
    assert!(said.contains(&missing), "{said}");
    let said = place.answer(&["restore", "copy.sqlite"]);
    assert!(!said.contains("sealed"), "{said}");
    let Restored { backup, .. } = backup::restore(
        &place.path("copy.sqlite"),
        &place.path("third"),
        crate::support::START.parse().unwrap(),
    )
    .unwrap();
    assert_eq!(backup.sealed_under, [name]);
    // It starts all the same.
    let server =
        crate::support::program::Running::start(place.program(&["--port", "0", "--data", "elsewhere"]));
    drop(server);
    let wrong = place.program(&["--port", "0"]).env("VC_SECRET_KEY", "short").output().unwrap();
    assert_eq!(wrong.status.code(), Some(78));
    let complaint = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(complaint, "voice-campaigns: `secret_key` must be 32 bytes in base64 or hex\n");
}
