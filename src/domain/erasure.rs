//! Finding a person's number wherever somebody may have written it, and taking what tells of people out of reports.
//! Where the texts and reports are kept is not known here.

use super::phone::{self, Phone};
use serde_json::Value;

/// A number that is looked for, however it is spelled.
#[derive(Clone, Debug)]
pub struct Needle {
    national: String,
}

impl Needle {
    /// Of this number.
    pub fn of(phone: Phone) -> Needle {
        Needle { national: phone::national_digits(phone) }
    }

    /// Whether a text has the number in it, with whatever between its digits and before them.
    pub fn is_in(&self, text: &str) -> bool {
        phone::digits_in(text).contains(&self.national)
    }

    /// Whether any text in a value has the number in it.
    pub fn is_in_value(&self, value: &Value) -> bool {
        match value {
            Value::Null | Value::Bool(_) => false,
            Value::Number(number) => self.is_in(&number.to_string()),
            Value::String(text) => self.is_in(text),
            Value::Array(items) => items.iter().any(|item| self.is_in_value(item)),
            Value::Object(fields) => {
                fields.iter().any(|(name, value)| self.is_in(name) || self.is_in_value(value))
            }
        }
    }

    /// Whether a text, or each of its values by itself where it is JSON, has the number in it.
    pub fn is_in_json(&self, text: &str) -> bool {
        self.is_in(text) && serde_json::from_str(text).map_or(true, |value| self.is_in_value(&value))
    }
}

/// Fields of an import's report under which stands what was sent.
const SENT: [&str; 2] = ["sample", "first_rows"];
/// Those that say how its columns are called; a file without headings may have been taken for one with.
const HEADINGS: [&str; 3] = ["column", "becomes", "note"];

/// Takes out of an import's report what was sent, whoever sent it: what was counted and understood stays.
pub fn forget_samples(report: &mut Value) {
    each_field(report, &mut |name, value| {
        if SENT.contains(&name) {
            forget(value);
        }
    });
}

/// Takes a person out of an import's report: what was sent, and every text that has the number in it.
pub fn forget_person(report: &mut Value, needle: &Needle) {
    let mut is_heading = false;
    each_field(report, &mut |name, value| {
        is_heading |= HEADINGS.contains(&name) && needle.is_in_value(value)
    });
    forget_samples(report);
    if is_heading {
        each_field(report, &mut |name, value| {
            if HEADINGS.contains(&name) {
                forget(value);
            }
        });
    }
    forget_number(report, needle);
}

fn forget(value: &mut Value) {
    *value = match value {
        Value::Array(_) => Value::Array(Vec::new()),
        Value::String(_) => Value::String(String::new()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Value::Null,
    }
}

fn forget_number(report: &mut Value, needle: &Needle) {
    match report {
        Value::String(text) if needle.is_in(text) => text.clear(),
        Value::Number(number) if needle.is_in(&number.to_string()) => *report = Value::Null,
        Value::Array(items) => items.iter_mut().for_each(|item| forget_number(item, needle)),
        Value::Object(fields) => fields.iter_mut().for_each(|(_, value)| forget_number(value, needle)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn each_field(value: &mut Value, change: &mut dyn FnMut(&str, &mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_field(item, change)),
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                change(name, value);
                each_field(value, change);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn needle() -> Needle {
        Needle::of(Phone::from_e164("+12025550101").unwrap())
    }

    #[test]
    fn a_number_is_found_in_every_spelling_and_another_is_not() {
        for text in [
            "+12025550101",
            "(202) 555-0101",
            "1-202-555-0101",
            "001 202 555 01 01",
            "tel:+1.202.555.0101",
            "call 2025550101 after six",
            "２０２５５５０１０１",
            "202\u{2011}555\u{A0}0101",
        ] {
            assert!(needle().is_in(text), "{text}");
        }
        for text in ["+12025550102", "202-555", "", "2 0 2 5 5 5 0 1 1 1"] {
            assert!(!needle().is_in(text), "{text}");
        }
        let british = Needle::of(Phone::from_e164("+442079460958").unwrap());
        assert!(["020 7946 0958", "+44 (0)20 7946 0958"].iter().all(|text| british.is_in(text)));
        let italian = Needle::of(Phone::from_e164("+390612345678").unwrap());
        assert!(["06 1234 5678", "+39 06 12345678"].iter().all(|text| italian.is_in(text)));
    }

    #[test]
    fn digits_of_neighbours_do_not_make_a_number() {
        assert!(needle().is_in(r#"{"a": 202555, "b": "0101"}"#));
        assert!(!needle().is_in_json(r#"{"a": 202555, "b": "0101"}"#));
        assert!(needle().is_in_json(r#"{"a": {"b": ["x", "(202) 555-0101"]}}"#));
        assert!(needle().is_in_json(r#"{"a": 12025550101}"#));
        assert!(needle().is_in_json("no JSON: 202-555-0101"));
    }

    #[test]
    fn a_report_keeps_its_counts_and_forgets_who_was_in_it() {
        let mut report = json!({
            "columns": [{"column": "Phone", "becomes": "phone", "sample": "+1 202 555 0101"},
                        {"column": "Name", "becomes": "first_name", "sample": "Ada"}],
            "reasons": [{"reason": "duplicate_in_file", "count": 1, "message": "of (202) 555-0101", "last": 12_025_550_101_u64,
                         "first_rows": [{"row": 7, "field": "email", "value": "ada@", "message": "is no e-mail"}]}],
        });
        forget_person(&mut report, &needle());
        assert_eq!(
            report,
            json!({
                "columns": [{"column": "Phone", "becomes": "phone", "sample": ""},
                            {"column": "Name", "becomes": "first_name", "sample": ""}],
                "reasons": [{"reason": "duplicate_in_file", "count": 1, "message": "", "last": null, "first_rows": []}],
            })
        );
        let mut report = json!({"columns": [{"column": "2025550101", "becomes": "phone", "sample": null},
                                            {"column": "Ada", "becomes": "variable:Ada", "sample": "Bob"}]});
        forget_person(&mut report, &needle());
        assert_eq!(
            report,
            json!({"columns": [{"column": "", "becomes": "", "sample": null}, {"column": "", "becomes": "", "sample": ""}]}),
            "a first row that was taken for headings"
        );
    }

    proptest! {
        #[test]
        fn whatever_stands_between_the_digits_the_number_is_found(
            fillers in proptest::collection::vec("[ ().\\-/\u{A0}]{0,3}", 11), before in "[a-zA-Z+ ]{0,9}", after in "[a-z ]{0,9}"
        ) {
            let spelled: String = "12025550101".chars().zip(&fillers).map(|(digit, filler)| format!("{filler}{digit}")).collect();
            let text = format!("{before}{spelled}{after}");
            prop_assert!(needle().is_in(&text), "{text}");
        }
    }
}
