//! Reads a JSON object field by field and collects every problem instead of stopping at the first.
//! Knows JSON, not what the fields mean: ranges and words are said by the caller.

use super::invalid::{Invalid, Problem};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A JSON object being read. Each `take` removes a field; what is left at the end is unknown.
pub struct Fields {
    object: Map<String, Value>,
    problems: Vec<Problem>,
    known: Vec<&'static str>,
}

/// What a field's text or number must be turned into; the error is a sentence.
pub type Parsed<T> = Result<T, String>;

impl Fields {
    /// Starts reading an object.
    pub fn new(object: Map<String, Value>) -> Fields {
        Fields { object, problems: Vec::new(), known: Vec::new() }
    }

    /// The object in `value`, or one problem that says what came instead.
    pub fn of(value: Value) -> Result<Fields, Invalid> {
        match value {
            Value::Object(object) => Ok(Fields::new(object)),
            other => Err(Invalid::one("body", format!("must be a JSON object, not {}", kind(&other)))),
        }
    }

    /// A field that a new object must have. Absent: `base`, or a problem without one. Null or blank: a problem.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        base: Option<T>,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> Option<T> {
        match self.take(name) {
            None if base.is_some() => base,
            None => self.problem(name, "is required"),
            Some(Value::Null) => self.problem(name, "is required and must not be null"),
            Some(Value::String(text)) if text.trim().is_empty() => {
                self.problem(name, "is required and must not be blank")
            }
            Some(value) => self.parse(name, &value, parse),
        }
    }

    /// A field that may be left out. Absent: `base`; null: `default`.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        base: T,
        default: T,
        parse: impl FnOnce(&Value) -> Parsed<T>,
    ) -> T {
        match self.take(name) {
            None => base,
            Some(Value::Null) => default,
            Some(value) => self.parse(name, &value, parse).unwrap_or(base),
        }
    }

    /// Accepts a field that only the server sets, and ignores its value.
    pub fn read_only(&mut self, names: &[&'static str]) {
        for name in names {
            self.take(name);
        }
    }

    /// Adds a problem found by the caller, for example a rule over two fields.
    pub fn problem<T>(&mut self, field: &str, message: impl Into<String>) -> Option<T> {
        self.problems.push(Problem { field: field.into(), message: message.into() });
        None
    }

    /// Whether something was wrong so far.
    pub fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Ends the reading: unknown fields become problems; `value` comes back when there are none at all.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Invalid> {
        let unknown = std::mem::take(&mut self.object);
        for (position, name) in unknown.keys().take(UNKNOWN_TOLD_MAX).enumerate() {
            let known: &[&str] = if position < GUESSES_MAX { &self.known } else { &[] };
            let message = unknown_message("field", name, known);
            self.problem::<()>(&excerpt(name), message);
        }
        if let Some(more @ 1..) = unknown.len().checked_sub(UNKNOWN_TOLD_MAX) {
            self.problem::<()>("body", format!("has {more} more unknown fields"));
        }
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ if self.problems.is_empty() => Err(Invalid::one("body", "is incomplete")),
            _ => Err(Invalid(self.problems)),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.object.shift_remove(name)
    }

    fn parse<T>(&mut self, name: &str, value: &Value, parse: impl FnOnce(&Value) -> Parsed<T>) -> Option<T> {
        match parse(value) {
            Ok(parsed) => Some(parsed),
            Err(message) => self.problem(name, message),
        }
    }
}

/// The sentence for a name nobody knows, with the nearest known one.
pub fn unknown_message(what: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("unknown {what}; did you mean `{near}`?"),
        None => format!("unknown {what}"),
    }
}

/// Unknown fields told one by one, and those of them that get a guess: making one takes a look at every known
/// name.
const UNKNOWN_TOLD_MAX: usize = 100;
const GUESSES_MAX: usize = 20;
/// What is longer, in bytes, is no typing mistake.
const GUESSED_LENGTH_MAX: usize = 40;

/// The known name that a typing mistake is most likely to have meant, if any is near.
pub fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    if name.len() > GUESSED_LENGTH_MAX {
        return None;
    }
    let name = name.to_lowercase().replace(['-', ' '], "_");
    let characters: Vec<char> = name.chars().collect();
    let rated = known.iter().filter_map(|known| {
        let shared_start = name.len() >= 4 && (known.starts_with(&name) || name.starts_with(known));
        let allowed = 1 + known.len() / 4;
        // Each character more or less is one step of the distance.
        if !shared_start && characters.len().abs_diff(known.len()) > allowed {
            return None;
        }
        let distance = distance(&characters, known);
        (distance <= allowed || shared_start).then_some((distance, *known))
    });
    rated.min().map(|(_, near)| near)
}

/// Levenshtein distance in characters.
fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// What a JSON value is, for messages.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A text of `1..=max` characters after trimming.
pub fn text(max: usize) -> impl Fn(&Value) -> Parsed<String> {
    move |value| {
        let text = string(value)?.trim();
        let length = text.chars().count();
        match text {
            "" => Err(format!("must be a text of 1 to {max} characters, not blank")),
            _ if length > max => Err(format!("must be at most {max} characters; it has {length}")),
            _ => no_nul(text).map(str::to_owned),
        }
    }
}

/// A text of up to `max` characters kept as it is; a blank one is none.
pub fn optional_text(max: usize) -> impl Fn(&Value) -> Parsed<Option<String>> {
    move |value| {
        let text = string(value)?;
        let length = text.chars().count();
        match text.trim() {
            "" => Ok(None),
            _ if length > max => Err(format!("must be at most {max} characters; it has {length}")),
            _ => no_nul(text).map(|text| Some(text.to_owned())),
        }
    }
}

/// An integer within `min..=max`.
pub fn integer(min: i64, max: i64) -> impl Fn(&Value) -> Parsed<i64> {
    move |value| {
        let whole = value.as_i64().or_else(|| value.as_f64().filter(|n| n.fract() == 0.0).map(|n| n as i64));
        match whole {
            Some(number) if (min..=max).contains(&number) => Ok(number),
            Some(_) => Err(format!("must be between {min} and {max}; it is {}", shown(value))),
            None => Err(format!("must be an integer between {min} and {max}, not {}", shown(value))),
        }
    }
}

/// True or false.
pub fn flag(value: &Value) -> Parsed<bool> {
    value.as_bool().ok_or_else(|| format!("must be true or false, not {}", shown(value)))
}

/// One word out of a closed list, as [`Words`] spells it.
pub fn word<T: Words>(value: &Value) -> Parsed<T> {
    let text = string(value)?;
    T::from_word(text.trim()).ok_or_else(|| {
        let words = T::all().iter().map(|word| format!("`{}`", word.word())).collect::<Vec<_>>().join(", ");
        format!("must be one of {words}; it is `{}`", excerpt(text))
    })
}

/// A text, whatever it says.
pub fn string(value: &Value) -> Parsed<&str> {
    value.as_str().ok_or_else(|| format!("must be a text, not {}", shown(value)))
}

/// A text, or the digits of what a program wrote without quotes.
pub fn text_or_number(value: &Value) -> Parsed<Cow<'_, str>> {
    match value {
        Value::Number(number) => Ok(number.to_string().into()),
        other => string(other).map(Cow::Borrowed),
    }
}

/// An array of up to `max` items, each read by `parse`; the first problem names its position.
pub fn array<T>(max: usize, parse: impl Fn(&Value) -> Parsed<T>) -> impl Fn(&Value) -> Parsed<Vec<T>> {
    move |value| {
        let items = value.as_array().ok_or_else(|| format!("must be an array, not {}", shown(value)))?;
        if items.len() > max {
            return Err(format!("must have at most {max} items; it has {}", items.len()));
        }
        let read = |(index, item)| parse(item).map_err(|message| format!("item {}: {message}", index + 1));
        items.iter().enumerate().map(read).collect()
    }
}

/// The start of a text that somebody sent, short enough for a message.
pub fn excerpt(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let printable = |c: char| if c.is_control() { '\u{FFFD}' } else { c };
    let shown: String = text.chars().take(SHOWN_MAX).map(printable).collect();
    if text.chars().count() > SHOWN_MAX { shown + "…" } else { shown }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("the text `{}`", excerpt(text)),
        other => kind(other).to_owned(),
    }
}

fn no_nul(text: &str) -> Parsed<&str> {
    if text.contains('\0') { Err("must not contain the character U+0000".into()) } else { Ok(text) }
}

/// A closed list of words: one spelling each, in the API, the database and the logs.
pub trait Words: Copy + PartialEq + 'static {
    /// Every value, in the order the documentation lists them.
    fn all() -> &'static [Self];
    /// The word for this value.
    fn word(self) -> &'static str;
    /// The value for a word; exact spelling.
    fn from_word(word: &str) -> Option<Self> {
        Self::all().iter().copied().find(|value| value.word() == word)
    }
}

/// Declares an enum together with its [`Words`], its `Display` and its JSON form.
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $crate::domain::fields::Words for $name {
            fn all() -> &'static [Self] { &[$(Self::$variant,)+] }
            fn word(self) -> &'static str { match self { $(Self::$variant => $word,)+ } }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::domain::fields::Words::word(*self))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($crate::domain::fields::Words::word(*self))
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_problem_is_told_at_once_and_unknown_names_come_with_the_nearest_known_one() {
        let mut fields = Fields::of(json!({"nmae": "x", "limit": "ten"})).unwrap();
        let name = fields.required("name", None, text(200));
        let limit = fields.optional("limit", 1, 1, integer(1, 10));
        let Err(Invalid(problems)) = fields.finish(name.map(|name| (name, limit))) else {
            panic!("accepted")
        };
        let told: Vec<(&str, &str)> =
            problems.iter().map(|problem| (problem.field.as_str(), problem.message.as_str())).collect();
        assert_eq!(
            told,
            [
                ("name", "is required"),
                ("limit", "must be an integer between 1 and 10, not the text `ten`"),
                ("nmae", "unknown field; did you mean `name`?"),
            ]
        );
    }

    #[test]
    fn a_field_left_out_keeps_its_value_and_null_resets_it() {
        let mut fields = Fields::of(json!({"b": null, "c": 7})).unwrap();
        let read = |fields: &mut Fields, name| fields.optional(name, 5, 1, integer(1, 10));
        assert_eq!((read(&mut fields, "a"), read(&mut fields, "b"), read(&mut fields, "c")), (5, 1, 7));
    }

    #[test]
    fn a_name_far_from_all_known_ones_gets_no_guess() {
        assert_eq!(nearest("zebra", &["name", "status"]), None);
        assert_eq!(nearest("callsPerDay", &["calls_per_day", "status"]), Some("calls_per_day"));
        assert_eq!(nearest("call", &["name", "calls_per_day"]), Some("calls_per_day"));
        assert_eq!(nearest(&"name".repeat(11), &["name"]), None);
    }
}
