//! What an AI agent is told before it talks, what it may do while it does, and what it must answer for. Pure: whatever a
//! model says is looked at here before anything follows from it. Knows no protocol.

use super::Instant;
use super::fields::Words;
use super::schedule::first_instant;
use super::script::normal_name;
use super::voice::Voice;
use crate::words;
use chrono::{Datelike, Days, NaiveDateTime, NaiveTime, TimeDelta, Weekday};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;

words! {
    /// Who talks on the calls of a campaign.
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum AgentKind {
        /// The script is said and keys are listened for.
        Scripted = "scripted",
        /// A model holds a conversation.
        Ai = "ai",
    }
}

/// What the agent of one call is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// The whole instruction: the job, the rules, the criteria, and the lead's values as data.
    pub instructions: String,
    /// Tells instructions apart, whoever they are about: the beginning of a SHA-256 of them without the lead's values.
    pub prompt: String,
    /// What is said first, rendered, with the disclosure.
    pub opening: String,
    /// What the agent says when it has to part by itself, in the language of the voice.
    pub goodbye: String,
    /// When a conversation is a success, in the words of the campaign.
    pub criteria: String,
    /// Who says it, in which language.
    pub voice: Voice,
    /// What it may do on this call.
    pub tools: Vec<ToolName>,
    /// How long the call may last from the answer on.
    pub duration_max: TimeDelta,
}

words! {
    /// What an agent may do beside talking.
    pub enum ToolName {
        /// Say how the conversation came out.
        ReportOutcome = "report_outcome",
        /// Write down that the person wants no more calls.
        OptOut = "opt_out",
        /// Arrange another call.
        ScheduleCallback = "schedule_callback",
        /// Put the person through to the campaign's own number.
        Transfer = "transfer",
        /// Press keys, for whoever is greeted by a menu.
        SendDigits = "send_digits",
        /// Say goodbye and hang up.
        EndCall = "end_call",
    }
}

/// A tool that the agent asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// Counts the tools asked for on a call.
    pub number: u64,
    /// What it wants.
    pub tool: Tool,
}

/// A tool that the agent wants to use, with arguments that were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tool {
    /// See [`ToolName::ReportOutcome`].
    ReportOutcome(Verdict),
    /// See [`ToolName::OptOut`].
    OptOut,
    /// See [`ToolName::ScheduleCallback`]; the time as it was understood, on the person's own clock.
    ScheduleCallback(When),
    /// See [`ToolName::Transfer`].
    Transfer,
    /// See [`ToolName::SendDigits`].
    SendDigits(String),
    /// See [`ToolName::EndCall`].
    EndCall,
    /// None that it may use, or not in this way; why, in a sentence for the model.
    Misused(String),
}

/// A time that somebody names, on their own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A date and a time.
    At(NaiveDateTime),
    /// A time on the day that comes so many days from today.
    InDays(i64, NaiveTime),
    /// A time on the next day of this name; today's name is a week away.
    On(Weekday, NaiveTime),
    /// So long from now.
    In(TimeDelta),
}

words! {
    /// How a conversation came out, in the agent's words.
    pub enum Conclusion {
        /// What the campaign wants was reached.
        Success = "success",
        /// The person said no.
        Declined = "declined",
        /// The person wants to be called at another time.
        Callback = "callback",
        /// It came to no decision.
        NoDecision = "no_decision",
        /// Somebody else picked up.
        WrongPerson = "wrong_person",
    }
}

/// The agent's verdict on a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it came out.
    pub conclusion: Conclusion,
    /// Why, in a sentence.
    pub reason: String,
    /// What was found out, by names that the agent chose.
    pub answers: BTreeMap<String, String>,
}

/// What whoever reads a conversation afterwards concludes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// How it came out.
    pub verdict: Verdict,
    /// The words with which the person asked not to be called again; none where they did not.
    pub no_more_calls: Option<String>,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether the agent said it; else the person did.
    pub by_agent: bool,
    /// The words; of the agent those that were heard.
    pub text: String,
    /// When it began, in steady time.
    pub began_at: Instant,
    /// When it ended.
    pub ended_at: Instant,
    /// It was interrupted.
    pub is_cut_off: bool,
}

/// How long one turn took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// From the end of what the person said, or from the answer, until our first sound, in milliseconds.
    pub first_sound_ms: u32,
    /// Of that, turning sound into text; none where one model does it all.
    pub transcription_ms: Option<u32>,
    /// Of that, until the model's first words.
    pub model_ms: Option<u32>,
    /// Of that, until the first sound of the voice.
    pub voice_ms: Option<u32>,
    /// Before this turn: from where we heard that the person speaks over us until we were silent; none where they did not.
    pub barge_in_ms: Option<u32>,
}

/// What a conversation used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The model, as its server names it.
    pub model: String,
    /// Tokens in.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
}

/// What is answered where no further call may follow.
pub(super) const NO_CALL_BACK: &str =
    "No further call can be arranged on this campaign. Say so, and do not promise one.";
/// What is answered where there is nobody to put somebody through to.
pub(super) const NO_TRANSFER: &str = "Nobody can be reached by a transfer. Say so, and go on.";
/// What is answered to the wish not to be called again: the last words are said for the agent.
pub(super) const OPTED_OUT: &str = "Written down. They are told that they will not be called again.";
/// The same where nobody knows under which number.
pub(super) const NOT_LISTED: &str =
    "It was not written down, because the number of the caller is not known. They are told so.";
/// What is answered when keys were pressed.
pub(super) const DIGITS_SENT: &str = "Pressed. Wait for what is heard.";

/// What is answered to a verdict.
pub(super) fn reported(verdict: &Verdict) -> &'static str {
    match verdict.conclusion {
        Conclusion::Callback => {
            "Written down. A time is only arranged by schedule_callback. When all is said, use end_call."
        }
        Conclusion::Success | Conclusion::Declined | Conclusion::NoDecision | Conclusion::WrongPerson => {
            "Written down. Say goodbye in one sentence, then use end_call."
        }
    }
}

/// Bytes of arguments that are read.
const ARGUMENTS_MAX: usize = 16_384;
/// Characters of a reason, or of an answer.
const TEXT_MAX: usize = 500;
/// Answers of one call, and characters of the name of one.
const ANSWERS_MAX: usize = 40;
const ANSWER_NAME_MAX: usize = 60;
/// Keys that are pressed at a time.
const DIGITS_MAX: usize = 20;

impl ToolName {
    /// What it is for, told to the model.
    pub fn description(self) -> &'static str {
        match self {
            ToolName::ReportOutcome => {
                "Write down how the conversation came out. Use it once, before you say goodbye. `success` only if the \
                 success criteria are met by what the person has said."
            }
            ToolName::OptOut => {
                "The person does not want to be called again. Use it at once when they say so, in whatever words; they \
                 are told that it was written down, and the call ends."
            }
            ToolName::ScheduleCallback => {
                "Arrange another call at a time that the person has named. Use it only if they ask for it, and tell \
                 them the time that is answered."
            }
            ToolName::Transfer => {
                "Put the person through to a colleague. Use it only if they ask for a person or agree to be put through."
            }
            ToolName::SendDigits => "Press keys of the telephone, only where a recorded menu asks for it.",
            ToolName::EndCall => "Hang up, after you have said goodbye. What you are saying is heard first.",
        }
    }

    /// The JSON schema of its arguments, fit for strict modes: every field is required and no other is allowed.
    pub fn parameters(self) -> Value {
        let object = |properties: Value| {
            let required: Vec<String> =
                properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
            json!({
                "type": "object", "properties": properties, "required": required, "additionalProperties": false
            })
        };
        match self {
            ToolName::ReportOutcome => {
                let mut properties = Verdict::schema()["properties"].clone();
                // An object with names of the model's own choice fits no strict schema.
                properties["answers"] = json!({
                    "type": "object",
                    "description": "What the person has answered, by short English names such as preferred_day; \
                                    empty if nothing was asked",
                    "additionalProperties": {"type": "string"},
                });
                object(properties)
            }
            ToolName::ScheduleCallback => object(json!({"at": {
                "type": "string",
                "description": "Local time where the person is, such as 2026-03-01T15:30, or `tomorrow 10:00`, \
                                `friday 14:30`, `in 2 hours`",
            }})),
            ToolName::SendDigits => object(json!({"digits": {
                "type": "string", "description": "The keys: 0 to 9, * and #, at most 20",
            }})),
            ToolName::OptOut | ToolName::Transfer | ToolName::EndCall => object(json!({})),
        }
    }
}

impl Tool {
    /// What a model asks for, under this brief. Whatever it is, the answer is a tool: [`Tool::Misused`] where it may not
    /// be used at all, or not with these arguments. Fields that are not known are left out.
    pub fn read(name: &str, arguments: &str, brief: &Brief) -> Tool {
        let Some(tool) = ToolName::from_word(name).filter(|tool| brief.tools.contains(tool)) else {
            let known: Vec<&str> = brief.tools.iter().map(|tool| tool.word()).collect();
            let name = excerpt(name);
            return Tool::Misused(format!("There is no tool {name}; there are {}", known.join(", ")));
        };
        let read = || match tool {
            ToolName::OptOut => Ok(Tool::OptOut),
            ToolName::Transfer => Ok(Tool::Transfer),
            ToolName::EndCall => Ok(Tool::EndCall),
            ToolName::ReportOutcome => Verdict::from(object(arguments)?).map(Tool::ReportOutcome),
            ToolName::ScheduleCallback => {
                let arguments = object(arguments)?;
                let at = arguments.get("at").and_then(Value::as_str).ok_or("at must be a text")?;
                When::parse(at).map(Tool::ScheduleCallback)
            }
            ToolName::SendDigits => digits(&object(arguments)?).map(Tool::SendDigits),
        };
        read().unwrap_or_else(|problem: String| Tool::Misused(format!("{name}: {problem}")))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Tool::ReportOutcome(_) => ToolName::ReportOutcome.word(),
            Tool::OptOut => ToolName::OptOut.word(),
            Tool::ScheduleCallback(_) => ToolName::ScheduleCallback.word(),
            Tool::Transfer => ToolName::Transfer.word(),
            Tool::SendDigits(_) => ToolName::SendDigits.word(),
            Tool::EndCall => ToolName::EndCall.word(),
            Tool::Misused(_) => "misused",
        }
    }

    /// Its arguments, as they are kept.
    pub fn arguments(&self) -> Value {
        match self {
            Tool::ReportOutcome(verdict) => json!({
                "outcome": verdict.conclusion, "reason": verdict.reason, "answers": verdict.answers,
            }),
            Tool::ScheduleCallback(when) => json!({"at": when.to_string()}),
            Tool::SendDigits(digits) => json!({"digits": digits}),
            Tool::OptOut | Tool::Transfer | Tool::EndCall | Tool::Misused(_) => json!({}),
        }
    }
}

fn object(arguments: &str) -> Result<Map<String, Value>, String> {
    if arguments.len() > ARGUMENTS_MAX {
        return Err(format!("the arguments are longer than {ARGUMENTS_MAX} bytes"));
    }
    match serde_json::from_str(arguments) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) => Err("the arguments must be one JSON object".to_owned()),
    }
}

/// The object in an answer, without the text around it.
fn inside(text: &str) -> Result<Map<String, Value>, String> {
    let (start, end) = (text.find('{').unwrap_or_default(), text.rfind('}').map_or(0, |end| end + 1));
    object(text.get(start..end).ok_or("there is no JSON object in the answer")?)
}

fn digits(arguments: &Map<String, Value>) -> Result<String, String> {
    let text = arguments.get("digits").and_then(Value::as_str).ok_or("digits must be a text")?;
    let digits: String = text.chars().filter(|char| !" -".contains(*char)).collect();
    let is_fit = (1..=DIGITS_MAX).contains(&digits.len())
        && digits.chars().all(|char| char.is_ascii_digit() || "*#".contains(char));
    is_fit.then_some(digits).ok_or(format!("digits must be 1 to {DIGITS_MAX} keys: 0 to 9, * or #"))
}

/// A text of somebody else, short and without control characters.
fn plain(text: &str, max: usize) -> String {
    let plain = text.trim().chars().map(|char| if char.is_control() { ' ' } else { char });
    plain.take(max).collect::<String>().trim_end().to_owned()
}

fn excerpt(text: &str) -> String {
    plain(text, 40)
}

impl Verdict {
    /// The JSON schema of a verdict for strict modes, which let nobody choose names: answers are pairs.
    pub fn schema() -> Value {
        let conclusions: Vec<&str> = Conclusion::all().iter().map(|conclusion| conclusion.word()).collect();
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["outcome", "reason", "answers"],
            "properties": {
                "outcome": {
                    "type": "string",
                    "enum": conclusions,
                    "description": "success only if the success criteria are met; declined if the person said no; \
                                    callback if they want to be called at another time; wrong_person if somebody \
                                    else picked up; else no_decision",
                },
                "reason": {"type": "string", "description": "Why, in one sentence"},
                "answers": {
                    "type": "array",
                    "description": "What the person has answered; empty if nothing was asked",
                    "items": {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["name", "value"],
                        "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
                    },
                },
            },
        })
    }

    /// Reads what a model was asked for under [`Self::schema`]. Text around the object is left out.
    pub fn read(text: &str) -> Result<Verdict, String> {
        Verdict::from(inside(text)?)
    }

    fn from(object: Map<String, Value>) -> Result<Verdict, String> {
        let word = object.get("outcome").and_then(Value::as_str).unwrap_or_default();
        let conclusion = Conclusion::from_word(word).ok_or_else(|| {
            let known: Vec<&str> = Conclusion::all().iter().map(|conclusion| conclusion.word()).collect();
            format!("outcome must be one of {}; it is {}", known.join(", "), excerpt(word))
        })?;
        let reason = object.get("reason").and_then(Value::as_str).unwrap_or_default();
        Ok(Verdict { conclusion, reason: plain(reason, TEXT_MAX), answers: answers(object.get("answers")) })
    }
}

/// Characters that are kept of the words with which somebody asks not to be called again.
const WISH_MAX: usize = 200;

impl Judgement {
    /// The JSON schema of a judgement for strict modes: a verdict, and what the person wants of us.
    pub fn schema() -> Value {
        let mut schema = Verdict::schema();
        let more = [
            (
                "no_more_calls",
                json!({
                    "type": "boolean",
                    "description": "true only if the person clearly asked, in whatever words and language, not to be \
                                    called again, or to be taken off the list. Only words of speaker `person` count, \
                                    never those of `agent` and never this instruction. A no to what is offered, no \
                                    time now, a wrong number, rudeness, hanging up, or a wish to be called at another \
                                    time are none: false. What the agent reported or promised says nothing about it.",
                }),
            ),
            (
                "no_more_calls_words",
                json!({
                    "type": "string",
                    "description": "Where no_more_calls is true, the words of the person that say so, exactly as they \
                                    stand in the transcript; else empty",
                }),
            ),
        ];
        for (name, about) in more {
            schema["properties"][name] = about;
            schema["required"].as_array_mut().into_iter().for_each(|required| required.push(name.into()));
        }
        schema
    }

    /// Reads what a model was asked for under [`Self::schema`] about these lines. A wish counts also where the rest of the
    /// answer is no verdict; but not where the person said nothing, or where its words are ours alone.
    pub fn read(text: &str, lines: &[Line]) -> Result<Judgement, String> {
        let object = inside(text)?;
        let is_true = |value: &Value| value.as_bool() == Some(true) || value.as_str() == Some("true");
        let is_wish = object.get("no_more_calls").is_some_and(is_true);
        let quoted = object.get("no_more_calls_words").and_then(Value::as_str).unwrap_or_default();
        let no_more_calls = if is_wish { words_of_wish(quoted, lines) } else { None };
        let verdict = match (Verdict::from(object), &no_more_calls) {
            (Err(_), Some(_)) => {
                Verdict { conclusion: Conclusion::Declined, reason: String::new(), answers: BTreeMap::new() }
            }
            (verdict, _) => verdict?,
        };
        Ok(Judgement { verdict, no_more_calls })
    }
}

/// The person's words for their wish: those that are quoted, if they said them, else the last that they said.
fn words_of_wish(quoted: &str, lines: &[Line]) -> Option<String> {
    let letters = |text: &str| -> String {
        text.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wish = letters(quoted);
    let says = |line: &&Line| letters(&line.text).contains(&wish);
    let (agent, person): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(|line| line.by_agent);
    let last = person.last()?;
    match person.iter().any(&says) {
        true if !wish.is_empty() => Some(plain(quoted, WISH_MAX)),
        false if agent.iter().any(says) => None,
        _ => Some(plain(&last.text, WISH_MAX)),
    }
}

/// Answers as an object from name to value, or as pairs; those without a name or a value are left out.
fn answers(value: Option<&Value>) -> BTreeMap<String, String> {
    let pair = |pair: &Value| Some((pair.get("name")?.as_str()?.to_owned(), pair.get("value")?.clone()));
    let pairs: Vec<(String, Value)> = match value {
        Some(Value::Object(object)) => {
            object.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
        }
        Some(Value::Array(pairs)) => pairs.iter().filter_map(pair).collect(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => Vec::new(),
    };
    let fit = pairs.into_iter().filter_map(|(name, value)| {
        let name = plain(&normal_name(&name), ANSWER_NAME_MAX);
        let value = match value {
            Value::Null => return None,
            Value::String(text) => plain(&text, TEXT_MAX),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                plain(&other.to_string(), TEXT_MAX)
            }
        };
        (!name.is_empty() && !value.is_empty()).then_some((name, value))
    });
    fit.take(ANSWERS_MAX).collect()
}

/// Days ahead that a call may be arranged for.
const CALL_BACK_DAYS_MAX: i64 = 60;

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Mon),
    ("tuesday", Weekday::Tue),
    ("wednesday", Weekday::Wed),
    ("thursday", Weekday::Thu),
    ("friday", Weekday::Fri),
    ("saturday", Weekday::Sat),
    ("sunday", Weekday::Sun),
];

impl When {
    /// Reads a time that a model names: `2026-03-01T15:30`, `tomorrow 10:00`, `next friday at 2 pm`, `in 2 hours`,
    /// `in 3 days at 9:30`.
    pub fn parse(text: &str) -> Result<When, String> {
        let lower = plain(text, 60).to_lowercase();
        for format in ["%Y-%m-%dt%H:%M:%S", "%Y-%m-%dt%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"] {
            if let Ok(at) = NaiveDateTime::parse_from_str(&lower, format) {
                return Ok(When::At(at));
            }
        }
        let words: Vec<&str> =
            lower.split([' ', ',']).filter(|word| !["", "at", "on", "next"].contains(word)).collect();
        let found = match words.as_slice() {
            ["in", count, unit, time @ ..] => within(count, unit, time),
            ["today", time @ ..] => clock(time).map(|time| When::InDays(0, time)),
            ["tomorrow", time @ ..] => clock(time).map(|time| When::InDays(1, time)),
            [day, time @ ..] => named_day(day, time),
            [] => None,
        };
        let example = "such as 2026-03-01T15:30, tomorrow 10:00, friday 14:30 or in 2 hours";
        found.ok_or_else(|| format!("at must be a day and a time without a zone, {example}; it is {lower}"))
    }

    /// When that is, for somebody in this zone at this moment. Of two such times the first, and of none the next one; none
    /// beyond what the calendar knows.
    pub fn resolve(self, now: Instant, zone: Tz) -> Option<Instant> {
        let local = now.with_timezone(&zone).naive_local();
        let ahead = |days: i64| local.date().checked_add_days(Days::new(u64::try_from(days).ok()?));
        let at = match self {
            When::In(length) => return now.checked_add_signed(length),
            When::At(at) => at,
            When::InDays(days, time) => ahead(days)?.and_time(time),
            When::On(day, time) => {
                let days = i64::from(day.days_since(local.date().weekday()));
                ahead(if days == 0 { 7 } else { days })?.and_time(time)
            }
        };
        // The calendar ends where adding a day would.
        at.checked_add_days(Days::new(2)).map(|_| first_instant(at, zone))
    }

    /// The same, no sooner than a minute from now and no later than in some weeks; the error is a sentence for the model.
    pub fn soon(self, now: Instant, zone: Tz) -> Result<Instant, String> {
        let at = self.resolve(now, zone).ok_or("There is no such time. Ask for another one.")?;
        if at < now + TimeDelta::minutes(1) {
            return Err(format!("That time is over. It is {}. Ask for another one.", spoken(now, zone)));
        }
        if at > now + TimeDelta::days(CALL_BACK_DAYS_MAX) {
            return Err(format!(
                "That is more than {CALL_BACK_DAYS_MAX} days away. Ask for an earlier time."
            ));
        }
        Ok(at)
    }
}

/// `3 hours`, and for days a time of day may follow.
fn within(count: &str, unit: &str, time: &[&str]) -> Option<When> {
    let count = match count {
        "a" | "an" | "one" => 1,
        digits => digits.parse().ok().filter(|count: &i64| (1..=10_000).contains(count))?,
    };
    let days = match unit.trim_end_matches('s') {
        "minute" | "min" if time.is_empty() => return Some(When::In(TimeDelta::minutes(count))),
        "hour" if time.is_empty() => return Some(When::In(TimeDelta::hours(count))),
        "day" => count,
        "week" => count * 7,
        _ => return None,
    };
    match time {
        [] => Some(When::In(TimeDelta::days(days))),
        time => clock(time).map(|time| When::InDays(days, time)),
    }
}

fn named_day(name: &str, time: &[&str]) -> Option<When> {
    let (_, day) = WEEKDAYS.iter().find(|(known, _)| name == *known || name == &known[..3])?;
    clock(time).map(|time| When::On(*day, time))
}

/// `15:30`, `15`, `3 pm`, `3:30pm`, `noon`.
fn clock(words: &[&str]) -> Option<NaiveTime> {
    let text = words.concat().replace('.', "");
    if text == "noon" {
        return NaiveTime::from_hms_opt(12, 0, 0);
    }
    let half = |suffix: &str| text.strip_suffix(suffix);
    let (digits, shift): (&str, Option<u32>) = match (half("am"), half("pm")) {
        (Some(digits), _) => (digits, Some(0)),
        (None, Some(digits)) => (digits, Some(12)),
        (None, None) => (&text, None),
    };
    let (hour, minute) = digits.split_once(':').unwrap_or((digits, "0"));
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    match shift {
        Some(shift) if (1..=12).contains(&hour) => NaiveTime::from_hms_opt(hour % 12 + shift, minute, 0),
        Some(_) => None,
        None => NaiveTime::from_hms_opt(hour, minute, 0),
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::At(at) => write!(f, "{}", at.format("%Y-%m-%dT%H:%M")),
            When::InDays(0, time) => write!(f, "today {}", time.format("%H:%M")),
            When::InDays(days, time) => write!(f, "in {days} days at {}", time.format("%H:%M")),
            When::On(day, time) => write!(f, "{day} {}", time.format("%H:%M")),
            When::In(length) => write!(f, "in {} minutes", length.num_minutes()),
        }
    }
}

/// A time as a model may say it.
pub fn spoken(at: Instant, zone: Tz) -> String {
    at.with_timezone(&zone).format("%A %Y-%m-%d %H:%M").to_string()
}
