//! What a person would hear: a campaign's scripts filled in for one lead, for made-up values, or for the worst values
//! there are.
//!
//! The same rendering that a call gets; where the values come from is the caller's business.

use super::campaign::Settings;
use super::fields::Parsed;
use super::invalid::Invalid;
use super::lead::{self, NewLead};
use super::phrases::OptOut;
use super::script::{self, Template, Unsaid};
use super::script_lint::Sample;
use crate::words;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

words! {
    /// Whose values fill a preview.
    pub enum Case {
        /// Those of one lead.
        Lead = "lead",
        /// Those that were sent.
        Values = "values",
        /// Of every variable the longest that a lead has.
        LongestValues = "longest_values",
        /// None at all.
        EmptyValues = "empty_values",
        /// Quotes, braces, digits and letters of several scripts in every variable.
        OddCharacters = "odd_characters",
    }
}

/// What a value may hold and a script must stand: quotes, braces, markup, digits, an emoji of several code points, and
/// letters that run from right to left.
const ODD: &str = "D’Ángelo \"O'Neil\" {name} <b>&amp;</b> 007 👩🏽‍💻 שלום 你好";

/// Values by name, in its comparison form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<String, String>);

impl Values {
    /// What a script sees of a lead.
    pub fn of_lead(lead: &NewLead) -> Values {
        Values(lead.values().into_iter().collect())
    }

    /// Reads an object of texts, numbers and true/false. Without a name of its own, `{customer_name}` is first and
    /// last name, as for a lead.
    pub fn read(value: &Value) -> Parsed<Values> {
        let object = lead::variables(value)?;
        let text = |value: &Value| lead::spoken(value).filter(|text| !text.trim().is_empty());
        let named = object.iter().filter_map(|(name, value)| Some((script::normal_name(name), text(value)?)));
        let mut values: BTreeMap<String, String> = named.collect();
        let parts = ["first_name", "last_name"].map(|name| values.get(name).map(|part| part.trim()));
        let full: Vec<&str> = parts.into_iter().flatten().collect();
        if !full.is_empty() {
            let full = full.join(" ");
            for name in ["customer_name", "name"] {
                values.entry(name.to_owned()).or_insert_with(|| full.clone());
            }
        }
        Ok(Values(values))
    }

    /// The value of a name in its comparison form.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All values by their names.
    pub fn all(&self) -> Vec<(String, String)> {
        self.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The same odd text for each of these names.
    pub fn odd<'n>(names: impl Iterator<Item = &'n str>) -> Values {
        Values(names.map(|name| (name.to_owned(), ODD.to_owned())).collect())
    }

    /// Keeps of each name the value that takes longer to say.
    pub fn keep_longest(&mut self, lead: &NewLead) {
        for (name, value) in lead.values() {
            let longest = self.0.entry(name).or_default();
            if script::speech_ms(&value) > script::speech_ms(longest) {
                *longest = value;
            }
        }
    }
}

/// The scripts of a campaign, read without problems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scripts {
    /// The main script.
    pub script: Template,
    /// What is said when the main path cannot go on, and left on an answering machine.
    pub fallback: Option<Template>,
    /// What is said after the script.
    pub opt_out: OptOut,
}

/// What would be said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Whose values it is filled with.
    pub case: Case,
    /// The script; none where a value is missing.
    pub script: Option<String>,
    /// The fallback; none where there is none, or a value is missing.
    pub fallback: Option<String>,
    /// About how long the script takes.
    pub seconds: Option<u64>,
    /// About how long the fallback takes.
    pub fallback_seconds: Option<u64>,
    /// Names without a value and without a fallback: such a lead is not called.
    pub missing: Vec<String>,
    /// Names that no lead has a value for.
    pub unknown: Vec<Unknown>,
    /// Whether with these values a script is longer than what is said on a call.
    pub too_long: bool,
}

/// Names that are compared with all that leads have, which takes its time.
const COMPARED_MAX: usize = 20;

/// A name that no lead has a value for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// In its comparison form.
    pub name: String,
    /// One that leads have, and that may have been meant.
    pub nearest: Option<String>,
}

impl Scripts {
    /// Those of a campaign.
    pub fn of(settings: &Settings) -> Result<Scripts, Invalid> {
        let read = |field: &str, text: &str| {
            Template::parse(text).map_err(|problems| Invalid::one(field, problems.join("; ")))
        };
        let fallback = settings.fallback_script.as_deref();
        Ok(Scripts {
            script: read("script_template", &settings.script_template)?,
            fallback: fallback.map(|text| read("fallback_script", text)).transpose()?,
            opt_out: settings.opt_out(),
        })
    }

    /// The names asked for, each once.
    pub fn names(&self) -> Vec<&str> {
        let templates = std::iter::once(&self.script).chain(&self.fallback);
        let names = templates.flat_map(Template::variables).map(|variable| variable.name.as_str());
        let mut seen = HashSet::new();
        names.filter(|name| seen.insert(*name)).collect()
    }

    /// Fills the scripts in. What the leads of the campaign have is in `leads`.
    pub fn preview(&self, case: Case, values: &Values, leads: &Sample) -> Preview {
        let lookup = |name: &str| values.0.get(name).map(|value| Cow::Borrowed(value.as_str()));
        let (mut missing, mut is_too_long) = (Vec::new(), false);
        let mut render = |template: &Template| match template.render(&lookup) {
            Ok(text) => Some(text),
            Err(Unsaid::Missing(names)) => {
                missing.extend(names);
                None
            }
            Err(Unsaid::TooLong) => {
                is_too_long = true;
                None
            }
        };
        let script = render(&self.script).map(|script| self.opt_out.after(script).0);
        let fallback = self.fallback.as_ref().and_then(render);
        let mut seen = HashSet::new();
        missing.retain(|name| seen.insert(name.clone()));
        let is_given = |name: &str| case != Case::OddCharacters && values.0.contains_key(name);
        let is_unknown = |name: &&str| !leads.knows(name) && !is_given(name);
        let unknown = match leads.looked_at {
            // Of a campaign without leads only the names are known that every lead can have.
            0 => self.names().into_iter().filter(|name| !NewLead::OWN_NAMES.contains(name)).collect(),
            _ => self.names(),
        };
        let unknown = unknown.into_iter().filter(is_unknown).enumerate().map(|(nth, name)| {
            let nearest = (nth < COMPARED_MAX).then(|| leads.nearest(name)).flatten();
            Unknown { name: name.to_owned(), nearest: nearest.map(str::to_owned) }
        });
        let seconds = |text: &Option<String>| Some(script::speech_ms(text.as_ref()?).div_ceil(1_000));
        Preview {
            case,
            seconds: seconds(&script),
            fallback_seconds: seconds(&fallback),
            missing,
            too_long: is_too_long,
            unknown: unknown.collect(),
            script,
            fallback,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scripts(script: &str, fallback: Option<&str>) -> Scripts {
        let read = |text: &str| Template::parse(text).unwrap();
        let opt_out = OptOut { key: '9', sentence: String::new(), language: "en-US".into() };
        Scripts { script: read(script), fallback: fallback.map(read), opt_out }
    }

    fn leads(variables: &[Value]) -> Sample {
        let mut sample = Sample::default();
        for variables in variables {
            let body = json!({"phone": "+12025550101", "variables": variables});
            sample.add(&NewLead::read(body, None).unwrap(), true);
        }
        sample
    }

    #[test]
    fn a_preview_is_what_a_call_would_say() {
        let body = json!({"phone": "+12025550101", "first_name": "Ada", "last_name": "Lovelace",
                          "variables": {"Order No": 7, "blank": " "}});
        let lead = NewLead::read(body, None).unwrap();
        let shown = scripts("Hi {customer_name}, order {order_no}{blank|!}", Some("{phone} {plan}")).preview(
            Case::Lead,
            &Values::of_lead(&lead),
            &leads(&[json!({"plan": "x"})]),
        );
        assert_eq!(shown.script.as_deref(), Some("Hi Ada Lovelace, order 7!"));
        assert_eq!((shown.seconds, shown.fallback, shown.fallback_seconds), (Some(3), None, None));
        assert_eq!(shown.missing, ["plan"]);
        let unknown: Vec<&str> = shown.unknown.iter().map(|unknown| unknown.name.as_str()).collect();
        assert_eq!(unknown, ["blank"], "no lead has a value for it");
    }

    #[test]
    fn what_is_said_about_opting_out_is_shown_where_the_script_does_not_tell_it() {
        let opt_out = OptOut { key: '8', sentence: "Press 8 to stop.".into(), language: "en-US".into() };
        for (script, shown) in [
            ("Hello", "Hello. Press 8 to stop."),
            ("Hello! ", "Hello! Press 8 to stop."),
            ("Hello. Press eight and we stop.", "Hello. Press eight and we stop."),
        ] {
            let scripts = Scripts { opt_out: opt_out.clone(), ..scripts(script, Some("Bye")) };
            let preview = scripts.preview(Case::Values, &Values::default(), &leads(&[]));
            assert_eq!((preview.script.as_deref(), preview.fallback.as_deref()), (Some(shown), Some("Bye")));
        }
    }

    #[test]
    fn values_that_are_sent_make_a_full_name_unless_they_have_one() {
        let values = |value: Value| Values::read(&value).unwrap().0;
        let made = values(json!({"First Name": "Ada", "last-name": "Lovelace"}));
        assert_eq!((made["customer_name"].as_str(), made["name"].as_str()), ("Ada Lovelace", "Ada Lovelace"));
        let kept = values(json!({"first_name": "Ada", "name": "the Countess", "age": 36, "x": null}));
        assert_eq!(
            (kept["name"].as_str(), kept["age"].as_str(), kept.get("x")),
            ("the Countess", "36", None)
        );
        assert!(Values::read(&json!({"a": []})).is_err());
        assert!(Values::read(&json!([])).is_err());
    }

    #[test]
    fn odd_values_are_said_as_they_stand() {
        let scripts = scripts("<{a}|{b|x}>", None);
        let shown =
            scripts.preview(Case::OddCharacters, &Values::odd(scripts.names().into_iter()), &leads(&[]));
        assert_eq!(shown.script, Some(format!("<{ODD}|{ODD}>")));
        let unknown: Vec<&str> = shown.unknown.iter().map(|unknown| unknown.name.as_str()).collect();
        assert_eq!(unknown, ["a", "b"]);
    }

    #[test]
    fn of_each_name_the_value_that_takes_longest_is_kept() {
        let mut longest = Values::default();
        for variables in [json!({"a": "one", "b": "1"}), json!({"a": "one two three four", "b": ""})] {
            let body = json!({"phone": "+12025550101", "variables": variables});
            longest.keep_longest(&NewLead::read(body, None).unwrap());
        }
        assert_eq!((longest.0["a"].as_str(), longest.0["b"].as_str()), ("one two three four", "1"));
        assert_eq!(longest.0["phone"], "+12025550101");
    }
}
