//! Trunks that are added, changed, tried out and removed while the server runs and calls are alive.

use crate::api_campaigns::example_with;
use crate::secrets::files_with;
use crate::support::uas::{Message, Peer, Step};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::block_in_place;
use voice_campaigns::clock::{Clock, System};
use voice_campaigns::config::{Config, Flags, Loaded, Sources};
use voice_campaigns::media::{RATE, wav};
use voice_campaigns::server::Server;
use voice_campaigns::store::{Scope, StoreError};
use voice_campaigns::token;

const TOKEN: &str = "vc_boss";
const CANARY: &str = "hunter2-is-a-canary";

/// A whole server in this process, and somebody who asks it.
struct Host {
    server: Server,
    agent: ureq::Agent,
}

impl Host {
    async fn start(folder: &Path, with: Value) -> Host {
        let sound = folder.join("sound.wav");
        std::fs::write(&sound, wav::write(RATE, &[0; 4_000])).unwrap();
        let mut words = json!({
            "data": folder.join("data"), "port": 0, "default_country": "US",
            "sip": {"listen": "127.0.0.1:0", "rtp_ports": "30000-39998"},
            "voice": {"command": ["cat", sound]}, "simulator": {"speed": 20.0},
        });
        words.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let file = folder.join("voice-campaigns.toml");
        std::fs::write(file, toml(&words)).unwrap();
        let sources = Sources {
            defaults: Config::default(),
            folder,
            installed: folder,
            environment: Vec::new(),
            flags: Flags::default(),
        };
        let loaded = Loaded::new(sources).unwrap();
        let server = Server::start(&loaded, Arc::new(System::new())).await.unwrap();
        let made: Result<_, StoreError> = server
            .store()
            .write(|tx| match tx.tokens()?.is_empty() {
                true => tx.create_token("boss", Scope::Admin, None, &token::hash(TOKEN)).map(drop),
                false => Ok(()),
            })
            .await;
        made.unwrap();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)));
        Host { server, agent: config.build().into() }
    }

    fn ask(&self, method: &str, path: &str, tag: &str, body: Option<&Value>) -> (u16, Value, String) {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server.url()))
            .header("Authorization", format!("Bearer {TOKEN}"))
            .header("Content-Type", "application/json")
            .header("If-Match", tag);
        let mut answer = block_in_place(|| match body {
            Some(body) => self.agent.run(request.body(body.to_string()).unwrap()).unwrap(),
            None => self.agent.run(request.body(()).unwrap()).unwrap(),
        });
        let header = answer.headers().get("ETag").map(|tag| tag.to_str().unwrap().to_owned());
        let text = answer.body_mut().read_to_string().unwrap();
        assert!(!text.contains(CANARY), "{text}");
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        (answer.status().as_u16(), body, header.unwrap_or_default())
    }

    /// An answer to something that may be sent again.
    fn send_with_key(&self, key: &str, path: &str, body: &Value) -> Value {
        let request = ureq::http::Request::post(format!("{}{path}", self.server.url()))
            .header("Authorization", format!("Bearer {TOKEN}"))
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", key)
            .body(body.to_string())
            .unwrap();
        let mut answer = block_in_place(|| self.agent.run(request).unwrap());
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (location, tag, replayed) = (header("Location"), header("ETag"), header("Idempotent-Replayed"));
        let text = answer.body_mut().read_to_string().unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        json!({
            "status": answer.status().as_u16(), "location": location, "tag": tag, "replayed": replayed, "body": body,
        })
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let (status, body, _) = self.ask("GET", path, "*", None);
        assert_eq!(status, 200, "{body}");
        body
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, body: &Value, status: u16) -> Value {
        let (answered, body, _) = self.ask(method, path, "*", Some(body));
        assert_eq!(answered, status, "{body}");
        body
    }

    #[track_caller]
    fn remove(&self, path: &str, status: u16) -> Value {
        let (answered, body, _) = self.ask("DELETE", path, "*", None);
        assert_eq!(answered, status, "{body}");
        body
    }

    /// Asks again until the answer is as it should be.
    async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1_500 {
            let body = self.get(path);
            if is_so(&body) {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{path}: {}", self.get(path));
    }

    /// An active campaign that calls around the clock, with leads.
    fn campaign(&self, leads: u32) -> i64 {
        let body = example_with(json!({
            "status": "draft", "calling_hours_start": "00:00:00", "calling_hours_end": "23:59:59",
            "max_concurrent_calls": 20, "calls_per_day": 1_000, "max_attempts_per_lead": 1, "webhooks": [],
            "working_days": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
            "time_zone": "UTC", "script_template": "Hello.", "fallback_script": null, "start_date": null, "end_date": null,
        }));
        let id = self.send("POST", "/api/voice-campaigns", &body, 201)["id"].as_i64().unwrap();
        let leads: Vec<Value> =
            (0..leads).map(|index| json!({"phone": format!("+12025550{:03}", 100 + index)})).collect();
        if !leads.is_empty() {
            self.send("POST", &format!("/api/voice-campaigns/{id}/leads"), &json!(leads), 201);
        }
        id
    }

    fn activate(&self, id: i64) {
        let path = format!("/api/voice-campaigns/{id}/status");
        self.send("PATCH", &path, &json!({"status": "active"}), 200);
    }
}

/// What is said in JSON, as a file of settings.
fn toml(words: &Value) -> String {
    let value = |value: &Value| match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(Value::to_string).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    };
    let pairs = |section: &Value| -> String {
        let pairs = section.as_object().unwrap().iter().filter(|(_, value)| !value.is_object());
        pairs.map(|(name, one)| format!("{name} = {}\n", value(one))).collect()
    };
    let sections = words.as_object().unwrap().iter().filter(|(_, value)| value.is_object());
    pairs(words)
        + &sections.map(|(name, section)| format!("[{name}]\n{}", pairs(section))).collect::<String>()
}

async fn peer(script: impl Fn(&Message) -> Vec<Step> + Send + Sync + 'static) -> Peer {
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    Peer::start(clock, script).await
}

const FIRST: &str = "This is the first trunk: from now on phones ring and people answer, and every active campaign is paused \
                     until somebody sets it to active again. Say `confirm`: true if that is wanted";
const LAST: &str = "This is the last trunk: afterwards the simulator carries all calls and no phone rings, and every active \
                    campaign is paused until somebody sets it to active again. Say `confirm`: true if that is wanted";

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_is_added_shown_changed_put_in_order_and_removed_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let peer = peer(|_| vec![Step::Reply(486, "")]).await;
    let host = Host::start(folder.path(), json!({})).await;
    assert_eq!(host.get("/api/trunks"), json!([]));
    assert_eq!(host.get("/api/carrier")["driver"], "simulator");
    let campaign = host.campaign(0);
    host.activate(campaign);
    let body = json!({"name": "main", "host": peer.address, "username": "alice", "password": CANARY});
    let refused = host.send("POST", "/api/trunks", &body, 409);
    assert_eq!(refused, json!({"error": FIRST, "code": "confirm_real_calls"}));
    assert_eq!(host.get("/api/trunks"), json!([]));
    assert_eq!(host.get("/api/carrier")["driver"], "simulator");

    let mut confirmed = body.clone();
    confirmed["confirm"] = json!(true);
    let made = host.send("POST", "/api/trunks", &confirmed, 201);
    let mut expected = json!({
        "id": 1, "source": "database", "position": 1, "name": "main", "host": peer.address, "transport": "udp",
        "proxy": null, "username": "alice", "register": false, "caller_id": null, "number_prefix": "+",
        "calls_per_second": 1.0, "channels": 10, "options_seconds": 30, "has_password": true, "status": made["status"],
        "problem": made["problem"], "warning": null, "channels_in_use": 0, "created_at": made["created_at"],
        "updated_at": made["created_at"],
    });
    assert_eq!(made, expected);
    expected["status"] = json!("up");
    expected["problem"] = json!(null);
    let shown = host.until("/api/trunks/1", |trunk| trunk["status"] == "up").await;
    assert_eq!(shown, expected);
    let carrier = host.get("/api/carrier");
    assert_eq!(
        (&carrier["driver"], &carrier["real_calls"], &carrier["channels"]),
        (&json!("sip"), &json!(true), &json!(10))
    );
    let paused = host.get(&format!("/api/voice-campaigns/{campaign}"));
    assert_eq!(paused["status"], "paused");
    let standing = host.get(&format!("/api/voice-campaigns/{campaign}/stats")).to_string();
    assert!(standing.contains("carrier"), "{standing}");

    let (_, _, tag) = host.ask("GET", "/api/trunks/1", "*", None);
    let again = host.send("POST", "/api/trunks", &confirmed, 400);
    assert_eq!(again["details"], json!([{"field": "name", "message": "another trunk is called so"}]));
    let (status, changed, _) = host.ask("PATCH", "/api/trunks/1", &tag, Some(&json!({"channels": 3})));
    assert_eq!((status, &changed["channels"], &changed["has_password"]), (200, &json!(3), &json!(true)));
    let (status, stale, _) = host.ask("PUT", "/api/trunks/1", &tag, Some(&json!({"channels": 4})));
    assert_eq!(
        (status, &stale["error"]),
        (412, &json!("The trunk has changed since; fetch it again and repeat the change"))
    );
    let spare = json!({"name": "spare", "host": "127.0.0.1:9", "position": 1, "transport": "tcp"});
    let first = host.send_with_key("spare", "/api/trunks", &spare);
    assert_eq!((first["status"].clone(), first["body"]["position"].clone()), (json!(201), json!(1)));
    assert_eq!((&first["location"], &first["replayed"]), (&json!("/api/trunks/2"), &Value::Null));
    let again = host.send_with_key("spare", "/api/trunks", &spare);
    assert_eq!(again["replayed"], "true");
    for part in ["status", "location", "tag", "body"] {
        assert_eq!(again[part], first[part], "{part}");
    }
    let other = host.send_with_key("spare", "/api/trunks", &json!({"name": "third", "host": "127.0.0.1:9"}));
    assert_eq!((&other["status"], &other["body"]["code"]), (&json!(422), &json!("idempotency_mismatch")));
    let names = |host: &Host| -> Vec<Value> {
        host.get("/api/trunks").as_array().unwrap().iter().map(|trunk| trunk["name"].clone()).collect()
    };
    assert_eq!(names(&host), ["spare", "main"]);
    host.send("PATCH", "/api/trunks/2", &json!({"position": 2}), 200);
    assert_eq!(names(&host), ["main", "spare"]);
    let wrong = json!({"host": "a b", "hots": "x", "channels": 0});
    let told = host.send("PATCH", "/api/trunks/2", &wrong, 400);
    assert_eq!(told["details"][1]["message"], "unknown field; did you mean `host`?");

    host.server.store().close().await;
    assert_eq!(files_with(folder.path(), CANARY), [""; 0]);
    host.server.stop().await.unwrap();
    let host = Host::start(folder.path(), json!({})).await;
    assert_eq!(names(&host), ["main", "spare"]);
    host.until("/api/trunks/1", |trunk| trunk["status"] == "up").await;

    host.remove("/api/trunks/2", 204);
    assert_eq!(host.remove("/api/trunks/1", 409), json!({"error": LAST, "code": "confirm_simulator"}));
    host.activate(campaign);
    host.remove("/api/trunks/1?confirm=true", 204);
    assert_eq!(host.remove("/api/trunks/1", 404)["error"], "Trunk not found");
    assert_eq!(host.get("/api/carrier")["driver"], "simulator");
    assert_eq!(host.get(&format!("/api/voice-campaigns/{campaign}"))["status"], "paused");
    let actions: Vec<Value> =
        host.get("/api/audit").as_array().unwrap().iter().map(|row| row["action"].clone()).collect();
    assert!(
        actions.contains(&json!("DELETE /api/trunks/<id>")) && actions.contains(&json!("POST /api/trunks"))
    );
    host.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_whose_port_somebody_else_has_is_refused_and_nothing_is_kept_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = somebody.local_addr().unwrap();
    let host = Host::start(
        folder.path(),
        json!({"sip": {"listen": listen.to_string(), "rtp_ports": "30000-39998"}}),
    )
    .await;
    let body = json!({"name": "main", "host": "127.0.0.1:9", "confirm": true});
    let mut over_tcp = body.clone();
    over_tcp["transport"] = json!("tcp");
    let refused = host.send("POST", "/api/trunks", &over_tcp, 409);
    assert_eq!(refused["code"], "no_real_calls");
    let told = refused["error"].as_str().unwrap();
    assert!(told.starts_with(&format!("sip.listen: cannot listen over TCP on {listen}: ")), "{told}");
    assert_eq!(
        (host.get("/api/trunks"), &host.get("/api/carrier")["driver"]),
        (json!([]), &json!("simulator"))
    );

    host.send("POST", "/api/trunks", &body, 201);
    let refused = host.send("PATCH", "/api/trunks/1", &json!({"transport": "tcp"}), 409);
    assert_eq!(refused["code"], "no_real_calls");
    assert_eq!(host.get("/api/trunks/1")["transport"], "udp");
    drop(somebody);
    host.send("PATCH", "/api/trunks/1", &json!({"transport": "tcp"}), 200);
    host.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_alive_end_where_they_were_dialed_and_the_next_ones_ring() {
    let folder = tempfile::tempdir().unwrap();
    let peer = peer(|_| vec![Step::Reply(486, "")]).await;
    let host = Host::start(folder.path(), json!({"simulator": {"speed": 4.0}})).await;
    let rehearsed = host.campaign(8);
    host.activate(rehearsed);
    let path = format!("/api/calls?campaign_id={rehearsed}");
    let alive =
        |calls: &Value| calls.as_array().unwrap().iter().filter(|call| call["ended_at"].is_null()).count();
    host.until(&path, |calls| calls.as_array().unwrap().len() == 8 && alive(calls) > 0).await;
    let trunk = json!({"name": "main", "host": peer.address, "calls_per_second": 50, "confirm": true});
    host.send("POST", "/api/trunks", &trunk, 201);
    let ended = host.until(&path, |calls| alive(calls) == 0).await;
    for call in ended.as_array().unwrap() {
        assert_eq!(call["carrier"], "simulator", "{call}");
        assert_ne!(call["outcome"], "interrupted", "{call}");
    }
    assert!(peer.messages().iter().all(|message| message.method() != "INVITE"));
    let real = host.campaign(2);
    host.activate(real);
    let path = format!("/api/calls?campaign_id={real}");
    let calls = host.until(&path, |calls| calls.as_array().unwrap().len() == 2 && alive(calls) == 0).await;
    for call in calls.as_array().unwrap() {
        assert_eq!((&call["carrier"], &call["outcome"]), (&json!("sip"), &json!("busy")), "{call}");
    }
    peer.received("INVITE").await;
    host.server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_trunk_is_taken_where_nothing_says_which_countries_may_be_called() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::start(folder.path(), json!({})).await;
    host.send("POST", "/api/trunks", &json!({"name": "a", "host": "127.0.0.1:9", "confirm": true}), 201);
    host.server.stop().await.unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = "data = \"data\"\nport = 0\n[sip]\nlisten = \"127.0.0.1:0\"\n[voice]\ncommand = [\"cat\"]\n";
    std::fs::write(elsewhere.path().join("voice-campaigns.toml"), file).unwrap();
    let mut loaded = Loaded::new(Sources {
        defaults: Config::default(),
        folder: elsewhere.path(),
        installed: elsewhere.path(),
        environment: Vec::new(),
        flags: Flags::default(),
    })
    .unwrap();
    loaded.config.data = elsewhere.path().join("data");
    let server = Server::start(&loaded, Arc::new(System::new())).await.unwrap();
    let made: Result<_, StoreError> =
        server.store().write(|tx| tx.create_token("boss", Scope::Admin, None, &token::hash(TOKEN))).await;
    made.unwrap();
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let host = Host { server, agent: config.build().into() };
    let refused =
        host.send("POST", "/api/trunks", &json!({"name": "a", "host": "127.0.0.1:9", "confirm": true}), 409);
    let expected = "`guard.allowed_countries` must say where a trunk may call, such as [\"US\", \"CA\"]; or set \
                    `default_country`";
    assert_eq!(refused, json!({"error": expected, "code": "no_real_calls"}));
    assert_eq!(host.get("/api/carrier")["driver"], "simulator");
    host.server.stop().await.unwrap();
    // The same folder with a trunk in it does not start without them.
    loaded.config.data = folder.path().join("data");
    let refused = Server::start(&loaded, Arc::new(System::new())).await.err().unwrap();
    assert_eq!(refused.to_string(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_is_tried_out_step_by_step_and_nobody_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let peer = peer(|_| vec![Step::Reply(486, "")]).await;
    let host = Host::start(folder.path(), json!({})).await;
    let steps = |body: Value| -> Vec<(String, String, String)> {
        let mut body = body;
        body["name"] = json!("main");
        let trial = host.send("POST", "/api/trunks/test", &body, 200);
        let text = |step: &Value, field: &str| step[field].as_str().unwrap().to_owned();
        let steps: Vec<_> = trial["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| (text(step, "name"), text(step, "status"), text(step, "message")))
            .collect();
        let all: i64 = trial["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["milliseconds"].as_i64().unwrap())
            .sum();
        assert!(all <= 10_000, "{trial}");
        assert_eq!(trial["ok"], json!(steps.iter().all(|(_, status, _)| status != "failed")));
        steps
    };
    let went = |steps: &[(String, String, String)]| -> String {
        steps.iter().map(|(name, status, _)| format!("{name} {status}")).collect::<Vec<_>>().join(", ")
    };
    let good =
        steps(json!({"host": peer.address, "username": "alice", "password": CANARY, "register": true}));
    assert_eq!(went(&good), "name ok, transport ok, options ok, register ok");
    assert_eq!(good[2].2, "it answers (200)");
    let without = steps(json!({"host": peer.address}));
    assert_eq!(went(&without), "name ok, transport ok, options ok, register skipped");
    // Nobody listens there.
    let nobody = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    for transport in ["udp", "tcp"] {
        let refused = steps(json!({"host": address, "transport": transport}));
        assert_eq!(
            went(&refused),
            "name ok, transport failed, options skipped, register skipped",
            "{refused:?}"
        );
        assert!(refused[1].2.contains("check the port and the transport"), "{refused:?}");
    }
    let unknown = steps(json!({"host": "nowhere.invalid"}));
    assert_eq!(went(&unknown), "name failed, transport skipped, options skipped, register skipped");
    assert!(unknown[0].2.contains("check the host"), "{unknown:?}");
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let silence = steps(json!({"host": silent.local_addr().unwrap()}));
    assert_eq!(went(&silence), "name ok, transport ok, options failed, register skipped");
    assert!(silence[2].2.contains("it does not answer"), "{silence:?}");

    let trunk =
        json!({"name": "kept", "host": peer.address, "username": "a", "password": CANARY, "confirm": true});
    let id = host.send("POST", "/api/trunks", &trunk, 201)["id"].clone();
    let kept = host.send("POST", &format!("/api/trunks/{id}/test"), &json!({}), 200);
    assert_eq!(
        kept["steps"][3]["message"],
        "this trunk does not register; the password is asked for with the first call"
    );
    // A password that is kept is shown to no other host.
    let elsewhere = json!({"id": id, "host": silent.local_addr().unwrap()});
    assert_eq!(host.send("POST", "/api/trunks/test", &json!({"id": 9}), 404)["error"], "Trunk not found");
    let unclear = host.send("POST", "/api/trunks/test", &json!({"id": "first"}), 400);
    assert_eq!(unclear["details"][0]["field"], "id");
    let moved = host.send("POST", "/api/trunks/test", &elsewhere, 200);
    assert_eq!(moved["steps"][3]["message"], "this trunk needs none: the carrier knows us by our address");
    let (path, there) = (format!("/api/trunks/{id}"), silent.local_addr().unwrap());
    let refused = host.send("PATCH", &path, &json!({"host": there}), 400);
    assert_eq!(refused["details"][0]["field"], "password", "nor is it sent there from now on");
    let anew = json!({"host": there, "password": "another"});
    assert_eq!(host.send("PATCH", &path, &anew, 200)["host"], json!(there));
    assert_eq!(
        host.send("PATCH", &path, &json!({"host": peer.address, "password": null}), 200)["has_password"],
        false
    );
    assert_eq!(
        host.send("PATCH", &path, &json!({"host": there}), 200)["has_password"],
        false,
        "there is none to lose"
    );
    assert!(peer.messages().iter().all(|message| message.method() != "INVITE"));
    host.server.stop().await.unwrap();
}
