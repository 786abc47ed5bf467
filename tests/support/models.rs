//! Servers of models on a port of their own: transcription, chat and speech over HTTP as OpenAI and its kin answer
//! them, with whatever manners a test wants, and a ledger of what they were asked. They refuse what those would refuse.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use voice_campaigns::media::wav;

/// How a stage behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As it should.
    #[default]
    Well,
    /// Answers with this status.
    Refuses(u16),
    /// Takes the request and never answers.
    Hangs,
    /// Answers a byte now and then.
    Drips,
    /// Answers what nobody understands.
    Nonsense,
    /// Breaks off in the middle.
    BreaksOff,
    /// Answers well, after so many milliseconds.
    Late(u64),
}

/// The stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Transcription,
    Chat,
    Speech,
    Realtime,
}

/// What a model says to what it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// Words.
    pub(crate) text: String,
    /// Tools with their arguments.
    pub(crate) tools: Vec<(&'static str, String)>,
}

/// An answer of words alone.
pub(crate) fn words(text: &str) -> Answer {
    Answer { text: text.into(), tools: Vec::new() }
}

/// An answer with a tool.
pub(crate) fn tool(text: &str, name: &'static str, arguments: Value) -> Answer {
    Answer { text: text.into(), tools: vec![(name, arguments.to_string())] }
}

fn word_by_word(told: &str) -> Option<Answer> {
    let (_, rest) = told.split_once(" Say exactly this as your ")?;
    Some(words(rest.split_once(": ").unwrap().1))
}

/// What it says, going by the last thing it was told.
pub(crate) type Mind = Arc<dyn Fn(&str) -> Answer + Send + Sync>;

/// All servers. Their ports close when this is dropped.
pub(crate) struct Models {
    pub(crate) address: SocketAddr,
    pub(crate) inner: Arc<Inner>,
    listening: JoinHandle<()>,
}

pub(crate) struct Inner {
    pub(crate) mind: Mind,
    manners: Mutex<Vec<(Stage, Manner)>>,
    /// Those of the next request alone.
    next: Mutex<Vec<(Stage, Manner)>>,
    /// What is heard next.
    pub(crate) hears: Mutex<VecDeque<String>>,
    pub(crate) asked: Mutex<Vec<(Stage, Value)>>,
    /// Connections alive.
    pub(crate) alive: AtomicUsize,
    /// The realtime model leaves it to us to say when it is to answer.
    pub(crate) answers_when_asked: AtomicBool,
    /// Requests that are not answered to their end.
    busy: AtomicUsize,
    /// The most there ever were.
    pub(crate) most: AtomicUsize,
}

impl Models {
    /// Servers that say this, but for what they are to say word by word.
    pub(crate) async fn start(mind: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Models {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            mind: Arc::new(move |told| word_by_word(told).unwrap_or_else(|| mind(told))),
            manners: Mutex::default(),
            next: Mutex::default(),
            hears: Mutex::default(),
            asked: Mutex::default(),
            alive: AtomicUsize::new(0),
            answers_when_asked: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let serving = inner.clone();
        let listening = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let inner = serving.clone();
                tokio::spawn(async move {
                    let alive = inner.alive.fetch_add(1, Ordering::SeqCst) + 1;
                    inner.most.fetch_max(alive, Ordering::SeqCst);
                    // Whoever breaks off is no concern of the server.
                    let _ = inner.serve(stream).await;
                    inner.alive.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Models { address, inner, listening }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// From now on a stage behaves like this.
    pub(crate) fn behave(&self, stage: Stage, manner: Manner) {
        self.inner.manners.lock().unwrap().push((stage, manner));
    }

    /// At the next request a stage behaves like this.
    pub(crate) fn behave_once(&self, stage: Stage, manner: Manner) {
        self.inner.next.lock().unwrap().push((stage, manner));
    }

    /// What is said to it next.
    pub(crate) fn will_hear(&self, text: &str) {
        self.inner.hears.lock().unwrap().push_back(text.into());
    }

    /// What a stage was asked.
    pub(crate) fn asked(&self, stage: Stage) -> Vec<Value> {
        let asked = self.inner.asked.lock().unwrap();
        asked.iter().filter(|(of, _)| *of == stage).map(|(_, asked)| asked.clone()).collect()
    }

    /// What the model that answers in text was told last.
    pub(crate) fn memory(&self) -> Vec<Value> {
        let asked = self.asked(Stage::Chat);
        asked.last().unwrap()["messages"].as_array().unwrap().clone()
    }

    /// The events of this type that the realtime model was told, in their order.
    pub(crate) fn told(&self, kind: &str) -> Vec<Value> {
        self.asked(Stage::Realtime).into_iter().filter(|event| event["type"] == kind).collect()
    }

    /// The realtime model refused nothing that it was told.
    pub(crate) fn are_content(&self) {
        let mut refused = self.asked(Stage::Realtime);
        refused.retain(|event| event["refused"].is_string());
        // That it was interrupted when it had stopped by itself is nothing that can be known in time.
        refused.retain(|event| event["refused"] != "response_cancel_not_active");
        assert!(refused.is_empty(), "{refused:?}");
    }

    /// Waits until a stage was asked so many times.
    pub(crate) async fn when_asked(&self, stage: Stage, times: usize) {
        while self.asked(stage).len() < times {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Connections alive.
    pub(crate) fn alive(&self) -> usize {
        self.inner.alive.load(Ordering::SeqCst)
    }

    /// Requests that somebody still waits for.
    pub(crate) fn busy(&self) -> usize {
        self.inner.busy.load(Ordering::SeqCst)
    }
}

impl Drop for Models {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// A request on its way.
struct Busy<'i>(&'i AtomicUsize);

impl<'i> Busy<'i> {
    fn of(busy: &'i AtomicUsize) -> Busy<'i> {
        busy.fetch_add(1, Ordering::SeqCst);
        Busy(busy)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A request, as far as it is needed.
struct Request {
    path: String,
    head: String,
    body: Vec<u8>,
}

impl Inner {
    pub(crate) fn manner(&self, stage: Stage) -> Manner {
        let mut next = self.next.lock().unwrap();
        if let Some(at) = next.iter().position(|(of, _)| *of == stage) {
            return next.remove(at).1;
        }
        let manners = self.manners.lock().unwrap();
        manners.iter().rev().find(|(of, _)| *of == stage).map(|(_, manner)| *manner).unwrap_or_default()
    }

    pub(crate) fn note(&self, stage: Stage, asked: Value) {
        self.asked.lock().unwrap().push((stage, asked));
    }

    pub(crate) fn next_heard(&self) -> String {
        self.hears.lock().unwrap().pop_front().unwrap_or_default()
    }

    async fn serve(self: &Arc<Inner>, mut stream: TcpStream) -> std::io::Result<()> {
        let mut read = Vec::new();
        while let Some(request) = request(&mut stream, &mut read).await? {
            let _busy = Busy::of(&self.busy);
            let has_key = request.head.to_lowercase().contains("\r\nauthorization: bearer sk-test");
            let stage = match request.path.split('?').next().unwrap_or_default() {
                "/v1/audio/transcriptions" => Stage::Transcription,
                "/v1/chat/completions" => Stage::Chat,
                "/v1/audio/speech" => Stage::Speech,
                "/v1/realtime" => return super::realtime::serve(self.clone(), stream, request.head).await,
                _ => {
                    refuse(&mut stream, 404, "no such path").await?;
                    continue;
                }
            };
            let asked = match stage {
                Stage::Transcription => form(&request),
                Stage::Chat | Stage::Speech | Stage::Realtime => {
                    serde_json::from_slice(&request.body).unwrap_or_default()
                }
            };
            self.note(stage, asked.clone());
            if !has_key {
                refuse(&mut stream, 401, "Incorrect API key provided: sk-te*****").await?;
                continue;
            }
            match self.manner(stage) {
                Manner::Well => self.answer(&mut stream, stage, &asked).await?,
                Manner::Late(ms) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    self.answer(&mut stream, stage, &asked).await?;
                }
                Manner::Refuses(status) => refuse(&mut stream, status, "The server had an error").await?,
                Manner::Hangs => return until_let_go(&mut stream).await,
                Manner::Drips => return drip(&mut stream, stage).await,
                Manner::Nonsense => answer(&mut stream, kind(stage), b"<html>nonsense</html>").await?,
                Manner::BreaksOff => {
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-length: 9999\r\n\r\n{{",
                        kind(stage)
                    );
                    stream.write_all(head.as_bytes()).await?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn answer(&self, stream: &mut TcpStream, stage: Stage, asked: &Value) -> std::io::Result<()> {
        match stage {
            Stage::Transcription => {
                if let Err(problem) = is_turn(asked) {
                    return refuse(stream, 400, &problem).await;
                }
                let body = json!({"text": self.next_heard()}).to_string();
                answer(stream, "application/json", body.as_bytes()).await
            }
            Stage::Chat => match check_chat(asked) {
                Err(problem) => refuse(stream, 400, &problem).await,
                Ok(()) => {
                    let said = (self.mind)(last_told(asked));
                    chat(stream, &said, asked["stream"] == true).await
                }
            },
            Stage::Speech => {
                let text = asked["input"].as_str().unwrap_or_default();
                if text.is_empty() || asked["response_format"] != "wav" {
                    return refuse(stream, 400, "input and response_format are wrong").await;
                }
                answer(stream, "audio/wav", &spoken(text, 8_000)).await
            }
            Stage::Realtime => Ok(()),
        }
    }
}

/// How long it takes to say a letter.
pub(crate) const LETTER_MS: usize = 30;

/// What a text sounds like.
pub(crate) fn spoken(text: &str, rate: u32) -> Vec<u8> {
    let samples = text.chars().count() * LETTER_MS * rate as usize / 1_000;
    let step = 440.0 * std::f64::consts::TAU / f64::from(rate);
    let sound: Vec<i16> = (0..samples).map(|n| (6_000.0 * (n as f64 * step).sin()) as i16).collect();
    wav::write(rate, &sound)
}

fn kind(stage: Stage) -> &'static str {
    match stage {
        Stage::Transcription => "application/json",
        Stage::Chat => "text/event-stream",
        Stage::Speech | Stage::Realtime => "audio/wav",
    }
}

async fn request(stream: &mut TcpStream, read: &mut Vec<u8>) -> std::io::Result<Option<Request>> {
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end + 4]).into_owned();
            let length = head.to_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length:").and_then(|length| length.trim().parse::<usize>().ok())
            });
            let length = length.unwrap_or_default();
            while read.len() < end + 4 + length {
                if stream.read_buf(read).await? == 0 {
                    return Ok(None);
                }
            }
            let body = read[end + 4..end + 4 + length].to_vec();
            read.drain(..end + 4 + length);
            let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
            return Ok(Some(Request { path, head, body }));
        }
        if stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
}

async fn answer(stream: &mut TcpStream, kind: &str, body: &[u8]) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await
}

async fn refuse(stream: &mut TcpStream, status: u16, message: &str) -> std::io::Result<()> {
    let error =
        json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}});
    let body = error.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

/// Nothing, until the other side breaks off.
pub(crate) async fn until_let_go(stream: &mut TcpStream) -> std::io::Result<()> {
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

/// A byte of what would be right, every 100 milliseconds.
async fn drip(stream: &mut TcpStream, stage: Stage) -> std::io::Result<()> {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n", kind(stage));
    stream.write_all(head.as_bytes()).await?;
    let bytes = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"";
    for byte in bytes.iter().chain(std::iter::repeat(&b'a')) {
        stream.write_all(&[b"1\r\n", &[*byte][..], b"\r\n"].concat()).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The fields of a form, and its file in base64.
fn form(request: &Request) -> Value {
    let boundary = request.head.split("boundary=").nth(1).and_then(|rest| rest.split("\r\n").next());
    let boundary = format!("--{}", boundary.unwrap_or_default());
    let mut fields = json!({});
    let mut rest = &request.body[..];
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|part| part == what);
    while let Some(at) = find(rest, boundary.as_bytes()) {
        rest = &rest[at + boundary.len()..];
        let (Some(head), Some(end)) =
            (find(rest, b"\r\n\r\n"), find(rest, format!("\r\n{boundary}").as_bytes()))
        else {
            break;
        };
        let name = String::from_utf8_lossy(&rest[..head]).split("name=\"").nth(1).map(str::to_owned);
        let name = name.unwrap_or_default().split('"').next().unwrap_or_default().to_owned();
        let value = &rest[head + 4..end];
        fields[&name] = match name.as_str() {
            "file" => STANDARD.encode(value).into(),
            _ => String::from_utf8_lossy(value).into_owned().into(),
        };
        rest = &rest[end..];
    }
    fields
}

/// What somebody said is a file of 16,000 samples a second, and there is a model.
fn is_turn(asked: &Value) -> Result<(), String> {
    let file = STANDARD.decode(asked["file"].as_str().unwrap_or_default()).unwrap_or_default();
    let sound = wav::read(&file).map_err(|problem| problem.to_string())?;
    if sound.rate != 16_000 || asked["model"].as_str().unwrap_or_default().is_empty() {
        return Err("wrong rate, or no model".into());
    }
    Ok(())
}

/// The order of messages that OpenAI insists on: tools are answered, each of them, before anything else is said.
fn check_chat(asked: &Value) -> Result<(), String> {
    let messages = asked["messages"].as_array().ok_or("messages must be a list")?;
    if messages.is_empty() || messages[0]["role"] != "system" || asked["model"].as_str().is_none() {
        return Err("no model, or no messages".into());
    }
    let mut open: Vec<&str> = Vec::new();
    // The templates of many local models insist that both sides take turns.
    let said = |message: &Value| {
        let is_said = message["role"] != "tool" && message["tool_calls"].as_array().is_none_or(Vec::is_empty);
        if is_said { message["role"].clone() } else { Value::Null }
    };
    if messages.windows(2).any(|two| said(&two[0]) != Value::Null && said(&two[0]) == said(&two[1])) {
        return Err("Conversation roles must alternate user/assistant/user/assistant/...".into());
    }
    for message in messages {
        match message["role"].as_str() {
            Some("tool") => {
                let id = message["tool_call_id"].as_str().unwrap_or_default();
                let at = open.iter().position(|open| *open == id);
                open.remove(at.ok_or(format!("tool_call_id {id} was not asked for"))?);
            }
            Some("system" | "user") if open.is_empty() => {}
            Some("assistant") if open.is_empty() => {
                for call in message["tool_calls"].as_array().into_iter().flatten() {
                    open.push(call["id"].as_str().ok_or("a tool without an id")?);
                }
            }
            role => return Err(format!("{role:?} where tools {open:?} are to be answered")),
        }
        if message["role"] != "assistant" && message["content"].as_str().is_none_or(str::is_empty) {
            return Err("a message without content".into());
        }
    }
    if !open.is_empty() {
        return Err(format!("tools {open:?} are not answered"));
    }
    for tool in asked["tools"].as_array().into_iter().flatten() {
        if tool["type"] != "function" || tool["function"]["name"].as_str().is_none() {
            return Err("a tool that is no function".into());
        }
    }
    Ok(())
}

fn last_told(asked: &Value) -> &str {
    let messages = asked["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    messages.last().and_then(|message| message["content"].as_str()).unwrap_or_default()
}

/// An answer of the model, streamed in small pieces as OpenAI does.
async fn chat(stream: &mut TcpStream, said: &Answer, is_streamed: bool) -> std::io::Result<()> {
    let call = |(index, (name, arguments)): (usize, &(&str, String))| {
        json!({"index": index, "id": format!("call_{}", rand::random::<u32>()), "type": "function",
               "function": {"name": name, "arguments": arguments}})
    };
    let calls: Vec<Value> = said.tools.iter().enumerate().map(call).collect();
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110});
    if !is_streamed {
        let message = json!({"role": "assistant", "content": said.text, "tool_calls": calls});
        let body =
            json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage});
        return answer(stream, "application/json", body.to_string().as_bytes()).await;
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n")
        .await?;
    let delta = |delta: Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let mut events = vec![delta(json!({"role": "assistant", "content": ""}))];
    events.extend(said.text.split_inclusive(' ').map(|word| delta(json!({"content": word}))));
    for call in calls {
        let mut begun = call.clone();
        begun["function"]["arguments"] = "".into();
        events.push(delta(json!({"tool_calls": [begun]})));
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        let halves = arguments.split_at(arguments.len() / 2);
        for part in [halves.0, halves.1] {
            let part = json!({"index": call["index"], "function": {"arguments": part}});
            events.push(delta(json!({"tool_calls": [part]})));
        }
    }
    events.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}));
    events.push(json!({"choices": [], "usage": usage}));
    for event in events.iter().map(|event| format!("data: {event}\n\n")).chain(["data: [DONE]\n\n".into()]) {
        stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
    }
    stream.write_all(b"0\r\n\r\n").await
}
