//! A model that answers in text: `POST …/chat/completions`, streamed, with tools, as OpenAI, Ollama, llama.cpp, vLLM,
//! LocalAI and others understand it.

use super::settings::Settings;
use super::wire::{self, Answer, Place, Server};
use crate::clock::Clock;
use crate::domain::Instant;
use crate::domain::agent::ToolName;
use crate::domain::fields::Words;
use chrono::TimeDelta;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// An answer is heard to its end, but not for ever: so many times as long as the first words may take.
const WHOLE_TIMES: i32 = 3;
/// The largest answer that is read.
const BYTES_MAX: usize = 1024 * 1024;
/// Nobody listens to more text in one turn.
const TEXT_MAX: usize = 8 * 1024;
/// Tools in one turn.
const CALLS_MAX: usize = 8;
/// The arguments of one tool.
const ARGUMENTS_MAX: usize = 4 * 1024;

/// One entry of what a model is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The instruction.
    System(String),
    /// What the other side said.
    User(String),
    /// What the model said, and which tools it wanted.
    Assistant {
        /// The words.
        text: String,
        /// The tools.
        calls: Vec<Call>,
    },
    /// What became of a tool.
    Tool {
        /// The [`Call::id`].
        id: String,
        /// In a sentence.
        answer: String,
    },
}

/// A tool that the model wants, as it wrote it: nobody has looked at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// What it is answered under.
    pub id: String,
    /// The tool.
    pub name: String,
    /// JSON, if all is well.
    pub arguments: String,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Words, as they come.
    Text(String),
    /// The person wants no more calls: as soon as this tool is named, whatever becomes of the rest of the answer.
    OptsOut,
    /// A tool; comes whole, after the words.
    Call(Call),
    /// Tokens in and out.
    Used(u64, u64),
}

/// The model. Clones are the same.
#[derive(Clone)]
pub struct Chat {
    server: Server,
    model: String,
    limit: TimeDelta,
    clock: Arc<dyn Clock>,
}

impl Chat {
    /// The model of the settings; the error is a sentence.
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Chat, String> {
        let part = &settings.chat;
        let place = Place {
            section: "chat",
            name: "the model",
            url: &part.url,
            api_key: &part.api_key,
            api_key_file: &part.api_key_file,
        };
        let server = Server::new(place, settings, clock.clone())?;
        let limit = TimeDelta::seconds(part.timeout_seconds.into());
        Ok(Chat { server, model: part.model.clone(), limit, clock })
    }

    /// As its server names it.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Its host.
    pub(super) fn host(&self) -> String {
        self.server.host()
    }

    /// Asks for an answer. A tool is an object with `name`, `description` and `parameters`. Letting go of the answer
    /// ends it.
    pub async fn reply(&self, messages: &[Message], tools: &[Value]) -> Result<Reply, String> {
        let mut body = json!({
            "model": self.model,
            "messages": told(messages),
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        if !tools.is_empty() {
            let tool = |tool: &Value| json!({"type": "function", "function": tool});
            body["tools"] = tools.iter().map(tool).collect();
        }
        let now = self.clock.steady();
        let first_until = now + self.limit;
        let mut answer =
            self.server.post(PATH, JSON, body.to_string().into_bytes(), first_until, BYTES_MAX).await?;
        answer.must_end_by(now + self.limit * WHOLE_TIMES);
        Ok(Reply {
            server: self.server.clone(),
            answer: Some(answer),
            first_until: Some(first_until),
            clock: self.clock.clone(),
            reading: Reading::default(),
            problem: None,
        })
    }

    /// Asks for a JSON document of this schema, within a limit. Whoever gets it looks at it: not every server keeps to
    /// the schema.
    pub async fn decide(
        &self,
        messages: &[Message],
        name: &str,
        schema: Value,
        limit: TimeDelta,
    ) -> Result<Value, String> {
        let body = json!({
            "model": self.model,
            "messages": told(messages),
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": name, "strict": true, "schema": schema},
            },
        });
        let until = self.clock.steady() + limit;
        let answer = self.server.post(PATH, JSON, body.to_string().into_bytes(), until, BYTES_MAX).await?;
        let whole = answer.whole().await?;
        let whole: Value =
            serde_json::from_slice(&whole).map_err(|_| "the model answered no JSON".to_owned())?;
        let text = whole["choices"][0]["message"]["content"].as_str().unwrap_or_default();
        // Some wrap it in words, or in a fence.
        let document = text.find('{').zip(text.rfind('}')).and_then(|(from, to)| text.get(from..=to));
        document
            .and_then(|document| serde_json::from_str(document).ok())
            .ok_or_else(|| "the model answered without the JSON document that it was asked for".to_owned())
    }
}

const PATH: &str = "/chat/completions";
const JSON: &str = "application/json";

impl Message {
    fn json(&self) -> Value {
        match self {
            Message::System(text) => json!({"role": "system", "content": text}),
            Message::User(text) => json!({"role": "user", "content": text}),
            Message::Assistant { text, calls } if calls.is_empty() => {
                json!({"role": "assistant", "content": text})
            }
            Message::Assistant { text, calls } => {
                let call = |Call { id, name, arguments }: &Call| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
                let calls: Vec<Value> = calls.iter().map(call).collect();
                json!({"role": "assistant", "content": text, "tool_calls": calls})
            }
            Message::Tool { id, answer } => json!({"role": "tool", "tool_call_id": id, "content": answer}),
        }
    }

    /// How much it weighs.
    pub fn bytes(&self) -> usize {
        match self {
            Message::System(text) | Message::User(text) => text.len(),
            Message::Assistant { text, calls } => {
                text.len() + calls.iter().map(|call| call.name.len() + call.arguments.len()).sum::<usize>()
            }
            Message::Tool { id, answer } => id.len() + answer.len(),
        }
    }
}

/// Messages as a server is told them: both sides take turns, as the templates of many models insist on.
fn told(messages: &[Message]) -> Vec<Value> {
    let mut turns: Vec<Message> = Vec::new();
    for message in messages {
        match (turns.last_mut(), message) {
            (_, Message::Assistant { text, calls }) if text.is_empty() && calls.is_empty() => {}
            (Some(Message::User(before)), Message::User(text)) => {
                before.push('\n');
                before.push_str(text);
            }
            (Some(Message::Assistant { text: before, calls: none }), Message::Assistant { text, calls })
                if none.is_empty() =>
            {
                before.push(' ');
                before.push_str(text);
                none.clone_from(calls);
            }
            (_, message) => turns.push(message.clone()),
        }
    }
    turns.iter().map(Message::json).collect()
}

/// An answer on its way.
pub struct Reply {
    server: Server,
    /// None at its end.
    answer: Option<Answer>,
    /// None once something has come.
    first_until: Option<Instant>,
    clock: Arc<dyn Clock>,
    reading: Reading,
    /// What went wrong, once what came before it was told.
    problem: Option<String>,
}

impl Reply {
    /// The next part; none at the end. An error, a sentence, is the end as well. If this is not waited for, nothing is
    /// lost.
    pub async fn next(&mut self) -> Option<Result<Piece, String>> {
        loop {
            if let Some(piece) = self.reading.ready.pop_front() {
                self.first_until = None;
                return Some(Ok(piece));
            }
            // What was understood before it counts.
            if let Some(problem) = self.problem.take() {
                return Some(Err(problem));
            }
            let answer = self.answer.as_mut()?;
            let is_json = answer.is_json();
            let late = self.first_until.unwrap_or(Instant::MAX_UTC);
            let piece = tokio::select! {
                piece = answer.piece() => piece,
                () = self.clock.sleep_until(late), if self.first_until.is_some() => {
                    Err("the model took too long".to_owned())
                }
            };
            let is_last = matches!(piece, Ok(None) | Err(_));
            let read = match piece {
                Ok(Some(bytes)) => self.reading.take(&bytes, is_json),
                Ok(None) => self.reading.end(is_json),
                Err(problem) => Err(problem),
            };
            if is_last || read.is_err() || self.reading.is_over {
                self.answer = None;
            }
            if let Err(problem) = read {
                self.problem = Some(self.server.masked(&problem));
            }
        }
    }
}

const NONSENSE: &str = "the model answered what nobody understands";

/// What has been understood of an answer so far. Pure.
#[derive(Default)]
struct Reading {
    /// What has come of a line that is not complete.
    line: Vec<u8>,
    ready: VecDeque<Piece>,
    calls: Vec<Call>,
    /// Bytes of the text so far.
    text: usize,
    thought: Thought,
    /// Tokens that it took, and that it made. Some say so again and again, each time of the whole answer so far.
    used: Option<(u64, u64)>,
    /// Something was understood.
    is_sane: bool,
    /// Nothing more is wanted.
    is_over: bool,
}

/// Some models think aloud, between `<think>` and `</think>` at the beginning.
enum Thought {
    /// It is not known yet: this has come.
    Unknown(String),
    /// This is thought, to be left out; it holds what may be the beginning of the end of it.
    Thinking(String),
    /// This is said.
    Over,
}

impl Default for Thought {
    fn default() -> Thought {
        Thought::Unknown(String::new())
    }
}

const THINK: &str = "<think>";
const THOUGHT: &str = "</think>";

impl Reading {
    fn take(&mut self, bytes: &[u8], is_json: bool) -> Result<(), String> {
        self.line.extend_from_slice(bytes);
        while !is_json && !self.is_over {
            let Some(end) = self.line.iter().position(|byte| *byte == b'\n') else { break };
            let line: Vec<u8> = self.line.drain(..=end).collect();
            self.read_line(&line)?;
        }
        Ok(())
    }

    fn end(&mut self, is_json: bool) -> Result<(), String> {
        let rest = std::mem::take(&mut self.line);
        match is_json {
            // A server that does not stream answers all at once.
            true => self.read_document(&rest)?,
            false => self.read_line(&rest)?,
        }
        self.finish();
        if self.is_sane { Ok(()) } else { Err(NONSENSE.into()) }
    }

    /// A line of an event stream: data, or a name, a comment, a blank.
    fn read_line(&mut self, line: &[u8]) -> Result<(), String> {
        let Some(data) = line.trim_ascii().strip_prefix(b"data:") else { return Ok(()) };
        match data.trim_ascii() {
            b"[DONE]" => {
                self.finish();
                self.is_over = true;
                if self.is_sane { Ok(()) } else { Err(NONSENSE.into()) }
            }
            data => self.read_document(data),
        }
    }

    fn read_document(&mut self, document: &[u8]) -> Result<(), String> {
        let document: Value = serde_json::from_slice(document).map_err(|_| NONSENSE.to_owned())?;
        if let Some(complaint) = wire::complaint(&document) {
            return Err(format!("the model failed: {complaint}"));
        }
        if let Some(usage) = document["usage"].as_object() {
            let tokens = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or_default();
            self.used = Some((tokens("prompt_tokens"), tokens("completion_tokens")));
        }
        let Some(choice) = document["choices"].as_array().map(|choices| choices.first()) else {
            return Err(NONSENSE.into());
        };
        self.is_sane = true;
        let Some(choice) = choice else { return Ok(()) };
        let said = choice.get("delta").or(choice.get("message")).unwrap_or(&Value::Null);
        if let Some(text) = said["content"].as_str() {
            self.say(text);
        }
        for call in said["tool_calls"].as_array().into_iter().flatten() {
            self.add_call(call)?;
        }
        Ok(())
    }

    /// A part of a tool: of one that has begun, or of a new one.
    fn add_call(&mut self, part: &Value) -> Result<(), String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (id, name) = (text(&part["id"]), text(&part["function"]["name"]));
        // Some send whole tools, all of them without a number.
        let is_new = match part["index"].as_u64() {
            Some(index) => index >= self.calls.len() as u64,
            None => !name.is_empty(),
        };
        let at = part["index"].as_u64().map_or(self.calls.len().saturating_sub(1), |index| index as usize);
        if is_new {
            if self.calls.len() == CALLS_MAX {
                if name == ToolName::OptOut.word() {
                    self.ready.push_back(Piece::OptsOut);
                }
                return Err("the model wants more tools at once than there can be a reason for".into());
            }
            self.calls.push(Call::default());
        }
        let at = if is_new { self.calls.len() - 1 } else { at };
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        if !id.is_empty() {
            call.id = id;
        }
        if call.name.len() + name.len() <= ARGUMENTS_MAX {
            call.name.push_str(&name);
        }
        if !name.is_empty() && call.name == ToolName::OptOut.word() {
            self.ready.push_back(Piece::OptsOut);
        }
        let arguments = match &part["function"]["arguments"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            document => document.to_string(),
        };
        if call.arguments.len() + arguments.len() > ARGUMENTS_MAX {
            return Err("the model sends larger arguments to a tool than there can be a reason for".into());
        }
        call.arguments.push_str(&arguments);
        Ok(())
    }

    /// Words, without what is only thought.
    fn say(&mut self, text: &str) {
        let said = match &mut self.thought {
            Thought::Over => text.to_owned(),
            Thought::Unknown(begun) => {
                begun.push_str(text);
                let begun = begun.trim_start().to_owned();
                if THINK.starts_with(&begun) && begun != THINK {
                    return;
                }
                match begun.strip_prefix(THINK) {
                    Some(thought) => {
                        self.thought = Thought::Thinking(String::new());
                        return self.say(thought);
                    }
                    None => {
                        self.thought = Thought::Over;
                        begun
                    }
                }
            }
            Thought::Thinking(thought) => {
                thought.push_str(text);
                match thought.split_once(THOUGHT) {
                    Some((_, said)) => {
                        let said = said.to_owned();
                        self.thought = Thought::default();
                        return self.say(&said);
                    }
                    None => {
                        // The end may be cut in two.
                        let keep = thought.len().saturating_sub(THOUGHT.len());
                        let keep = (keep..=thought.len()).find(|at| thought.is_char_boundary(*at));
                        thought.drain(..keep.unwrap_or_default());
                        return;
                    }
                }
            }
        };
        if said.is_empty() || self.text >= TEXT_MAX {
            return;
        }
        self.text += said.len();
        self.ready.push_back(Piece::Text(said));
    }

    /// There is no more.
    fn finish(&mut self) {
        if let Thought::Unknown(begun) = std::mem::replace(&mut self.thought, Thought::Over) {
            self.say(begun.trim());
        }
        for (index, mut call) in std::mem::take(&mut self.calls).into_iter().enumerate() {
            if call.id.is_empty() {
                call.id = format!("call_{index}");
            }
            self.ready.push_back(Piece::Call(call));
        }
        if let Some((input, output)) = self.used.take() {
            self.ready.push_back(Piece::Used(input, output));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is understood of an answer, however it is cut.
    fn read(answer: &str, is_json: bool) -> Result<Vec<Piece>, String> {
        let whole = |size: usize| {
            let mut reading = Reading::default();
            for piece in answer.as_bytes().chunks(size) {
                reading.take(piece, is_json)?;
            }
            if !reading.is_over {
                reading.end(is_json)?;
            }
            Ok(joined(reading.ready))
        };
        let pieces = whole(answer.len().max(1));
        for size in [1, 3, 7] {
            assert_eq!(whole(size), pieces, "in pieces of {size}");
        }
        pieces
    }

    /// Text that follows on text is one.
    fn joined(pieces: VecDeque<Piece>) -> Vec<Piece> {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (_, piece) => joined.push(piece),
            }
        }
        joined
    }

    fn deltas(deltas: &[Value]) -> String {
        let line = |delta: &Value| format!("data: {}\n\n", json!({"choices": [{"delta": delta}]}));
        deltas.iter().map(line).collect::<String>() + "data: [DONE]\n\n"
    }

    fn call(id: &str, name: &str, arguments: &str) -> Piece {
        Piece::Call(Call { id: id.into(), name: name.into(), arguments: arguments.into() })
    }

    #[test]
    fn words_come_as_they_are_said_and_tools_whole_at_the_end() {
        let answer = deltas(&[
            json!({"role": "assistant", "content": ""}),
            json!({"content": "Grüße"}),
            json!({"content": " an alle."}),
            json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "opt_out", "arguments": ""}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"x\":"}}]}),
            json!({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "end_call", "arguments": "{}"}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}),
        ]);
        let expected = [
            Piece::Text("Grüße an alle.".into()),
            Piece::OptsOut,
            call("a", "opt_out", "{\"x\":1}"),
            call("b", "end_call", "{}"),
        ];
        assert_eq!(read(&answer, false).unwrap(), expected);
    }

    #[test]
    fn both_sides_take_turns_whatever_was_cut_off() {
        let says = |text: &str| Message::Assistant { text: text.into(), calls: Vec::new() };
        let wants = Message::Assistant { text: "C".into(), calls: vec![Call::default()] };
        let messages =
            [Message::User("a".into()), Message::User("b".into()), says("A"), says(""), says("B"), wants];
        let turns = told(&messages);
        assert_eq!(
            (turns.len(), &turns[0]["content"], &turns[1]["content"]),
            (2, &json!("a\nb"), &json!("A B C"))
        );
        assert_eq!(turns[1]["tool_calls"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn tokens_are_counted_and_lines_that_say_nothing_are_passed_over() {
        let answer = "\u{feff}: hello\r\nevent: message\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\r\n\r\n\
             data: {\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3}}\n\ndata: [DONE]\n";
        assert_eq!(read(answer, false).unwrap(), [Piece::Text("Hi".into()), Piece::Used(12, 3)]);
    }

    #[test]
    fn tokens_that_are_told_with_every_piece_are_counted_once() {
        let piece = |completion: u32| {
            let usage = json!({"prompt_tokens": 12, "completion_tokens": completion});
            let document = json!({"choices": [{"delta": {"content": "a"}}], "usage": usage});
            format!("data: {document}\n\n")
        };
        let answer = (1..=40).map(piece).collect::<String>() + "data: [DONE]\n";
        let pieces = read(&answer, false).unwrap();
        assert_eq!(pieces.last(), Some(&Piece::Used(12, 40)));
        assert_eq!(pieces.iter().filter(|piece| matches!(piece, Piece::Used(..))).count(), 1);
    }

    #[test]
    fn an_answer_that_is_not_streamed_and_tools_without_numbers_are_understood() {
        let tools = json!([
            {"function": {"name": "opt_out", "arguments": {}}},
            {"function": {"name": "end_call", "arguments": "{}"}},
        ]);
        let message = json!({"content": null, "tool_calls": tools});
        let whole = json!({"choices": [{"message": message}]}).to_string();
        let expected = [Piece::OptsOut, call("call_0", "opt_out", "{}"), call("call_1", "end_call", "{}")];
        assert_eq!(read(&whole, true).unwrap(), expected);
        let streamed = deltas(&[message]);
        assert_eq!(read(&streamed, false).unwrap(), expected);
    }

    #[test]
    fn what_a_model_only_thinks_is_not_said() {
        let said = |parts: &[&str]| {
            let parts: Vec<Value> = parts.iter().map(|part| json!({"content": part})).collect();
            read(&deltas(&parts), false).unwrap()
        };
        let hello = [Piece::Text("Hello.".into())];
        assert_eq!(said(&["<th", "ink>They said ", "hi.</th", "ink>\n\n", "Hello."]), hello);
        assert_eq!(said(&["\n", " Hello."]), hello);
        assert_eq!(said(&["<think>äöü for ever"]), []);
        assert_eq!(said(&["<"]), [Piece::Text("<".into())]);
        assert_eq!(said(&["a <think> b"]), [Piece::Text("a <think> b".into())]);
    }

    #[test]
    fn nonsense_and_failures_are_told() {
        for nonsense in ["", "hello", "data: hello\n", "data: {}\n", "data: [DONE]\n", "data: 7\n"] {
            assert_eq!(read(nonsense, false).unwrap_err(), NONSENSE, "{nonsense}");
        }
        assert_eq!(read("<html>", true).unwrap_err(), NONSENSE);
        let failed = "data: {\"error\":{\"message\":\"out of memory\"}}\n";
        assert_eq!(read(failed, false).unwrap_err(), "the model failed: out of memory");
    }

    #[test]
    fn a_model_that_does_not_stop_is_stopped() {
        let long = deltas(&vec![json!({"content": "a".repeat(100)}); 1_000]);
        let [Piece::Text(text)] = &read(&long, false).unwrap()[..] else { panic!() };
        assert!(text.len() <= TEXT_MAX + 100, "{}", text.len());
        let tool = |index: usize, arguments: &str| json!({"tool_calls": [{"index": index, "id": "x", "function": {"name": "y", "arguments": arguments}}]});
        let many: Vec<Value> = (0..20).map(|index| tool(index, "{}")).collect();
        assert!(read(&deltas(&many), false).unwrap_err().contains("more tools"));
        let large = vec![tool(0, &"a".repeat(1_000)); 10];
        assert!(read(&deltas(&large), false).unwrap_err().contains("larger arguments"));
    }
}
