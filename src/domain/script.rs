//! Scripts: text with `{name}` and `{name|fallback}` in it, filled in for one lead, and how long it takes to say.
//!
//! Must not know which variables exist or where their values come from: the caller hands in a function.
//! A value is put in once and never read again for braces, so a lead called `{system_prompt}` is called just that.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// More problems than these help nobody.
const PROBLEMS_MAX: usize = 20;
/// Different names in one script; a lead has no more variables than half of it.
const VARIABLES_MAX: usize = 200;

/// A script that was read without problems.
///
/// `{name}` and `{name|what to say instead}` are filled in, `{{` and `}}` are a single brace.
/// An empty fallback, `{name|}`, says that nothing may be said instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    variables: Vec<Variable>,
}

/// A name the script asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// In its comparison form, see [`normal_name`].
    pub name: String,
    /// Whether the script can be said without a value, because each use brings its own fallback.
    pub has_fallback: bool,
}

/// The longest text that is said on a call, in bytes: more than the longest script, and an hour of speech. Without it a
/// short script could ask for one long value a thousand times.
pub const SAID_MAX: usize = 96 << 10;

/// Why a script cannot be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// Names without a value and without a fallback, in their comparison form, each once, in the order of the script.
    Missing(Vec<String>),
    /// With its values it is longer than [`SAID_MAX`].
    TooLong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The place of a variable.
    Slot {
        variable: usize,
        fallback: Option<String>,
    },
}

impl Template {
    /// Reads a script; the errors are all its problems, each with its place and what to do.
    pub fn parse(text: &str) -> Result<Template, Vec<String>> {
        let mut reader = Reader { text, ..Reader::default() };
        reader.read();
        match (reader.problems.is_empty(), reader.variables.len()) {
            (true, ..=VARIABLES_MAX) => Ok(Template { variables: reader.variables, parts: reader.parts }),
            (true, count) => Err(vec![format!(
                "it asks for {count} different names; at most {VARIABLES_MAX} may be in a script"
            )]),
            (false, _) => Err(sentences(text, reader.problems)),
        }
    }

    /// The names asked for, each once, in the order of the script.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Fills the script in. `values` is asked once for each name, in its comparison form; a blank value counts as none.
    pub fn render<'v>(&self, values: &dyn Fn(&str) -> Option<Cow<'v, str>>) -> Result<String, Unsaid> {
        let found = self.find(values);
        let known = self.variables.iter().zip(&found);
        let missing = known.filter(|(variable, value)| value.is_none() && !variable.has_fallback);
        let missing: Vec<String> = missing.map(|(variable, _)| variable.name.clone()).collect();
        match missing.is_empty() {
            true => self.fill(&found),
            false => Err(Unsaid::Missing(missing)),
        }
    }

    /// The same where something stands in for each value that nobody has.
    pub fn render_with<'v>(
        &self,
        values: &dyn Fn(&str) -> Option<Cow<'v, str>>,
        stand_in: &dyn Fn(&str) -> String,
    ) -> Result<String, Unsaid> {
        let mut found = self.find(values);
        for (variable, value) in self.variables.iter().zip(&mut found) {
            if value.is_none() && !variable.has_fallback {
                *value = Some(Cow::Owned(stand_in(&variable.name)));
            }
        }
        self.fill(&found)
    }

    fn find<'v>(&self, values: &dyn Fn(&str) -> Option<Cow<'v, str>>) -> Vec<Option<Cow<'v, str>>> {
        let value = |name: &str| values(name).filter(|value| !value.trim().is_empty());
        self.variables.iter().map(|variable| value(&variable.name)).collect()
    }

    fn fill(&self, values: &[Option<Cow<str>>]) -> Result<String, Unsaid> {
        let mut said = String::new();
        for part in &self.parts {
            let more = match part {
                Part::Text(text) => text,
                Part::Slot { variable, fallback } => {
                    let value = values.get(*variable).and_then(Option::as_deref);
                    value.or(fallback.as_deref()).unwrap_or_default()
                }
            };
            if said.len() + more.len() > SAID_MAX {
                return Err(Unsaid::TooLong);
            }
            said.push_str(more);
        }
        Ok(said)
    }
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unsaid::Missing(names) => write!(
                f,
                "no value for {}: give the lead one, or write a fallback such as {{name|there}}",
                names.join(", ")
            ),
            Unsaid::TooLong => write!(
                f,
                "with its values the script is longer than {} KB: shorten them, or use them less often",
                SAID_MAX >> 10
            ),
        }
    }
}

impl std::error::Error for Unsaid {}

/// The form in which names of variables and headers of columns are compared: trimmed, lower case, and
/// `First Name`, `first-name` and `first_name` alike.
pub fn normal_name(text: &str) -> String {
    // A byte order mark sticks to the first header of a file.
    text.trim_matches(|char: char| char.is_whitespace() || char == '\u{FEFF}')
        .chars()
        .map(|char| if char == '-' || char.is_whitespace() { '_' } else { char })
        .flat_map(char::to_lowercase)
        .collect()
}

/// Walks over a script once, from left to right; `at` is a byte offset.
#[derive(Default)]
struct Reader<'t> {
    text: &'t str,
    at: usize,
    parts: Vec<Part>,
    variables: Vec<Variable>,
    /// Where each name is among the variables.
    places: HashMap<String, usize>,
    problems: Vec<(usize, Problem<'t>)>,
}

/// What can be wrong at one place.
enum Problem<'t> {
    Unclosed,
    Stray,
    NoName,
    BadName(&'t str),
}

impl<'t> Reader<'t> {
    fn read(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let literal = rest.find(['{', '}']).unwrap_or(rest.len());
            self.push_text(&rest[..literal]);
            self.at += literal;
            match &rest.as_bytes()[literal..] {
                [] => return,
                [b'{', b'{', ..] => self.escaped("{"),
                [b'}', b'}', ..] => self.escaped("}"),
                [b'{', ..] => self.slot(),
                _ => {
                    self.problems.push((self.at, Problem::Stray));
                    self.at += 1;
                }
            }
        }
    }

    fn escaped(&mut self, brace: &str) {
        self.push_text(brace);
        self.at += 2;
    }

    fn slot(&mut self) {
        let start = self.at;
        let inside = &self.text[start + 1..];
        let end = inside.find(['{', '}']);
        let Some(end) = end.filter(|end| inside.as_bytes()[*end] == b'}') else {
            self.problems.push((start, Problem::Unclosed));
            // Go on at the brace that is in the way, so that its own problems are told too.
            self.at = end.map_or(self.text.len(), |end| start + 1 + end);
            return;
        };
        self.at = start + 1 + end + 1;
        let (name, fallback) = match inside[..end].split_once('|') {
            Some((name, fallback)) => (name.trim(), Some(fallback.to_owned())),
            None => (inside[..end].trim(), None),
        };
        match name {
            "" => self.problems.push((start, Problem::NoName)),
            name if !is_name(name) => self.problems.push((start, Problem::BadName(name))),
            name => {
                let variable = self.variable(normal_name(name), fallback.is_some());
                self.parts.push(Part::Slot { variable, fallback });
            }
        }
    }

    fn variable(&mut self, name: String, has_fallback: bool) -> usize {
        let place = *self.places.entry(name.clone()).or_insert(self.variables.len());
        match self.variables.get_mut(place) {
            Some(known) => known.has_fallback &= has_fallback,
            None => self.variables.push(Variable { name, has_fallback }),
        }
        place
    }

    fn push_text(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Text(before)) => before.push_str(text),
            Some(Part::Slot { .. }) | None => self.parts.push(Part::Text(text.to_owned())),
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.chars().all(|char| char.is_ascii_alphanumeric() || "_ .-".contains(char))
}

fn sentences(text: &str, problems: Vec<(usize, Problem)>) -> Vec<String> {
    let left_out = problems.len().saturating_sub(PROBLEMS_MAX);
    let mut sentences: Vec<String> = problems
        .into_iter()
        .take(PROBLEMS_MAX)
        .map(|(at, problem)| format!("{}: {problem}", place(&text[..at])))
        .collect();
    if left_out > 0 {
        sentences.push(format!("and {left_out} more problems of this kind"));
    }
    sentences
}

/// Line and column of what follows `before`, counted in characters from 1, as an editor shows them.
fn place(before: &str) -> String {
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    format!("line {line}, column {column}")
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Unclosed => f.write_str("this { is not closed: add }, or write {{ if you mean a brace"),
            Problem::Stray => {
                f.write_str("this } closes nothing: remove it, or write }} if you mean a brace")
            }
            Problem::NoName => {
                f.write_str("there is no name between the braces: write one, such as {first_name}")
            }
            Problem::BadName(name) => write!(
                f,
                "\"{name}\" cannot be a name: begin with a letter, then letters, digits, spaces or _ . - \
                 (for a fallback write {{name|fallback}})"
            ),
        }
    }
}

/// What a voice needs for one of these, in milliseconds. Chosen from common speaking rates: 150 words a
/// minute, 270 Chinese characters, seven morae a second in Japanese.
mod pace {
    pub(super) const WORD: u64 = 400;
    /// A longer run of letters is spoken like several words.
    pub(super) const LETTERS_PER_WORD: u64 = 12;
    pub(super) const DIGIT: u64 = 350;
    pub(super) const HAN_OR_HANGUL: u64 = 220;
    pub(super) const KANA: u64 = 140;
    /// Thai, Lao, Burmese and Khmer, whose vowels and tones are characters of their own.
    pub(super) const THAI_LIKE: u64 = 80;
    pub(super) const SHORT_PAUSE: u64 = 200;
    pub(super) const LONG_PAUSE: u64 = 450;
    pub(super) const LEAST: u64 = 1000;
}

/// About how long it takes to say a text; 0 for a blank one, else at least a second.
pub fn speech_ms(text: &str) -> u64 {
    let mut total = 0;
    let mut letters = 0;
    let mut chars = text.trim().chars().peekable();
    if chars.peek().is_none() {
        return 0;
    }
    while let Some(char) = chars.next() {
        let ends_here = chars.peek().is_none_or(|next| next.is_whitespace());
        match sound_of(char, ends_here) {
            Sound::Letter => letters += 1,
            Sound::Silent => {}
            Sound::Break => total += words_ms(std::mem::take(&mut letters)),
            Sound::Lasts(ms) => total += words_ms(std::mem::take(&mut letters)) + ms,
        }
    }
    (total + words_ms(letters)).max(pace::LEAST)
}

fn words_ms(letters: u64) -> u64 {
    letters.div_ceil(pace::LETTERS_PER_WORD) * pace::WORD
}

/// What a character adds to a spoken text.
enum Sound {
    /// Part of a word, which is counted as a whole.
    Letter,
    /// Ends a word and lasts this long itself.
    Lasts(u64),
    /// Ends a word.
    Break,
    /// Neither heard nor ending a word: an apostrophe, a combining mark, a dot inside `a.m.`
    Silent,
}

/// `ends_here`: a blank or the end follows, so a dot is a full stop and not part of `3.5`.
fn sound_of(char: char, ends_here: bool) -> Sound {
    match char {
        '\n' | '。' | '！' | '？' | '।' => Sound::Lasts(pace::LONG_PAUSE),
        '、' | '，' | '；' | '：' | '–' | '—' => Sound::Lasts(pace::SHORT_PAUSE),
        '.' | '!' | '?' | '…' | '؟' if ends_here => Sound::Lasts(pace::LONG_PAUSE),
        ',' | ';' | ':' | '،' if ends_here => Sound::Lasts(pace::SHORT_PAUSE),
        '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' => {
            Sound::Lasts(pace::THAI_LIKE)
        }
        '\u{3041}'..='\u{30FF}' => Sound::Lasts(pace::KANA),
        '\u{3400}'..='\u{9FFF}'
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}' => Sound::Lasts(pace::HAN_OR_HANGUL),
        char if char.is_numeric() => Sound::Lasts(pace::DIGIT),
        char if char.is_alphabetic() => Sound::Letter,
        '%' | '$' | '€' | '£' | '&' | '+' | '=' | '@' => Sound::Lasts(pace::WORD),
        '-' | '/' | '_' => Sound::Break,
        char if char.is_whitespace() => Sound::Break,
        _ => Sound::Silent,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn say(text: &str, values: &[(&str, &str)]) -> Result<String, Vec<String>> {
        let lookup = |name: &str| {
            values.iter().find(|(known, _)| *known == name).map(|(_, value)| Cow::Owned((*value).to_owned()))
        };
        match Template::parse(text).unwrap().render(&lookup) {
            Err(Unsaid::Missing(names)) => Err(names),
            said => Ok(said.unwrap()),
        }
    }

    fn problems(text: &str) -> Vec<String> {
        Template::parse(text).expect_err(text)
    }

    #[test]
    fn variables_are_filled_in_and_everything_else_is_said_as_it_stands() {
        let values = [("first_name", "Ana"), ("order.id", "7"), ("blank", " \t"), ("brace", "{first_name}")];
        for (text, expected) in [
            ("", ""),
            ("Hello.", "Hello."),
            ("Hello {first_name}!", "Hello Ana!"),
            ("{first_name}{first_name}", "AnaAna"),
            ("{ First Name }", "Ana"),
            ("{FIRST-NAME}", "Ana"),
            ("order {order.id}", "order 7"),
            ("{first_name|there}", "Ana"),
            ("Hello {nickname|there}", "Hello there"),
            ("Hello{nickname|}.", "Hello."),
            ("{nickname| dear }", " dear "),
            ("{nickname|a|b}", "a|b"),
            ("{blank|there}", "there"),
            ("{{first_name}}", "{first_name}"),
            ("{{{first_name}}}", "{Ana}"),
            ("100 {{%}}", "100 {%}"),
            ("{nickname|x}}}", "x}"),
            ("{brace}", "{first_name}"),
            ("a | b", "a | b"),
            ("Grüße, {first_name} 你好", "Grüße, Ana 你好"),
        ] {
            assert_eq!(say(text, &values).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn names_without_a_value_are_told_all_at_once_and_once_each() {
        let told = say("{b} {a} {B} {c|x} {d}", &[("d", "  ")]);
        assert_eq!(told, Err(vec!["b".to_owned(), "a".to_owned(), "d".to_owned()]));
        let missing = Unsaid::Missing(vec!["b".to_owned(), "a".to_owned()]);
        assert_eq!(
            missing.to_string(),
            "no value for b, a: give the lead one, or write a fallback such as {name|there}"
        );
    }

    #[test]
    fn a_variable_has_a_fallback_only_if_each_use_has() {
        let template = Template::parse("{b|x} {a|y} {b} {A|z} {c|}").unwrap();
        let told: Vec<_> = template
            .variables()
            .iter()
            .map(|variable| (variable.name.as_str(), variable.has_fallback))
            .collect();
        assert_eq!(told, [("b", false), ("a", true), ("c", true)]);
    }

    #[test]
    fn every_problem_is_told_with_its_place_and_its_fix() {
        for (text, starts) in [
            ("Hi {name", vec!["line 1, column 4: this { is not closed"]),
            ("{", vec!["line 1, column 1: this { is not closed"]),
            ("Hi }", vec!["line 1, column 4: this } closes nothing"]),
            ("{}", vec!["line 1, column 1: there is no name"]),
            ("{ | x}", vec!["line 1, column 1: there is no name"]),
            ("{1st}", vec!["line 1, column 1: \"1st\" cannot be a name"]),
            ("{näme}", vec!["line 1, column 1: \"näme\" cannot be a name"]),
            ("{a{b}", vec!["line 1, column 1: this { is not closed"]),
            (
                "{a|{b}}",
                vec!["line 1, column 1: this { is not closed", "line 1, column 7: this } closes nothing"],
            ),
            (
                "é {}\n{ok} 你}\r\n  {x",
                vec![
                    "line 1, column 3: there is no name",
                    "line 2, column 7: this } closes nothing",
                    "line 3, column 3: this { is not closed",
                ],
            ),
        ] {
            let told = problems(text);
            assert_eq!(told.len(), starts.len(), "{text:?}: {told:?}");
            for (sentence, start) in told.iter().zip(starts) {
                assert!(sentence.starts_with(start), "{text:?}: {sentence}");
            }
        }
    }

    #[test]
    fn a_hopeless_script_gets_a_bounded_answer() {
        let told = problems(&"{}".repeat(10_000));
        assert_eq!(told.len(), PROBLEMS_MAX + 1);
        assert_eq!(told[PROBLEMS_MAX], "and 9980 more problems of this kind");
    }

    #[test]
    fn names_are_compared_without_case_and_with_blanks_hyphens_and_underscores_alike() {
        for text in ["first_name", "First Name", " FIRST-NAME ", "\u{FEFF}first\u{A0}name"] {
            assert_eq!(normal_name(text), "first_name", "{text:?}");
        }
        assert_eq!(normal_name("Größe"), "größe");
        assert_eq!(normal_name("  "), "");
    }

    #[test]
    fn speech_takes_about_150_words_a_minute_and_pauses_for_punctuation() {
        let minute = "word ".repeat(150);
        assert_eq!(speech_ms(&minute), 60_000);
        assert_eq!(speech_ms(""), 0);
        assert_eq!(speech_ms(" \n "), 0);
        assert_eq!(speech_ms("Hi"), 1000);
        assert_eq!(speech_ms("..."), 1000);
        assert!(speech_ms("one two three, four.") > speech_ms("one two three four"));
        assert_eq!(speech_ms("It's what it's worth today"), 5 * pace::WORD);
        assert_eq!(speech_ms("call 2025550101"), pace::WORD + 10 * pace::DIGIT);
        assert!(speech_ms(&"x".repeat(1200)) >= 100 * pace::WORD);
    }

    #[test]
    fn scripts_without_blanks_are_measured_by_their_characters() {
        for (text, least, most) in [
            ("您好，我们是市立图书馆，想通知您预约的书已经到了。", 4_000, 8_000),
            ("こんにちは、ご予約の本が届きましたのでお知らせします。", 3_000, 6_500),
            ("안녕하세요 예약하신 책이 도착했습니다", 2_500, 5_500),
            ("สวัสดีค่ะ หนังสือที่คุณจองไว้มาถึงแล้ว", 2_000, 5_000),
        ] {
            let ms = speech_ms(text);
            assert!((least..=most).contains(&ms), "{text}: {ms}");
        }
    }

    #[test]
    fn a_script_with_its_values_is_no_longer_than_what_is_said_on_a_call() {
        let value = "\u{1F600}".repeat(5_000);
        let often = |times: usize| Template::parse(&"{a}".repeat(times)).unwrap();
        let give = |_: &str| Some(Cow::Borrowed(value.as_str()));
        assert_eq!(often(4).render(&give).map(|said| said.len()), Ok(80_000));
        assert_eq!(often(6_666).render(&give), Err(Unsaid::TooLong));
        assert_eq!(often(6_666).render_with(&|_| None, &|_| value.clone()), Err(Unsaid::TooLong));
        let long = "\u{1F600}".repeat(20_000);
        assert_eq!(Template::parse(&long).unwrap().render(&give), Ok(long), "the longest script is said");
    }

    #[test]
    fn a_script_asks_for_two_hundred_names_at_most_and_for_each_once() {
        let names = |count: usize| (0..count).map(|nth| format!("{{n{nth}|}}{{n{nth}}}")).collect::<String>();
        let asked = std::cell::Cell::new(0);
        let value = |_: &str| {
            asked.set(asked.get() + 1);
            None
        };
        let missing = Template::parse(&names(200)).unwrap().render(&value);
        assert!(matches!(missing, Err(Unsaid::Missing(missing)) if missing.len() == 200));
        assert_eq!(asked.get(), 200);
        assert_eq!(
            problems(&names(201)),
            ["it asks for 201 different names; at most 200 may be in a script"]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_with_reasons(text in "\\PC*|[{}|a-z \n]{0,40}") {
            match Template::parse(&text) {
                Ok(template) => {
                    let said = template.render(&|_| Some(Cow::Borrowed("v")));
                    prop_assert!(said.is_ok());
                }
                Err(problems) => prop_assert!(!problems.is_empty()),
            }
            speech_ms(&text);
            prop_assert_eq!(normal_name(&normal_name(&text)), normal_name(&text));
        }

        #[test]
        fn text_without_braces_is_said_as_it_stands(text in "[^{}]*") {
            prop_assert_eq!(say(&text, &[]), Ok(text));
        }

        #[test]
        fn doubled_braces_bring_any_text_through(text in "\\PC*|[{}|a-z]{0,40}") {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(say(&escaped, &[]), Ok(text));
        }

        #[test]
        fn a_value_is_never_read_again(value in "[{}|a-z_]{1,40}") {
            let said = say("<{a}|{a}>", &[("a", &value), ("system_prompt", "secret")]);
            prop_assert_eq!(said, Ok(format!("<{value}|{value}>")));
        }

        #[test]
        fn a_longer_text_never_takes_less_time(text in "[a-z0-9,. 你好]{0,60}", more in "[a-z0-9 你]{1,20}") {
            let longer = format!("{text} {more}");
            prop_assert!(speech_ms(&longer) >= speech_ms(&text));
        }
    }
}
