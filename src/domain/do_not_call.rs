//! The do-not-call list: numbers that no campaign may dial, and how they came there. What is stored and who may change
//! it is not known here.

use super::fields::{self, Fields};
use super::invalid::Invalid;
use super::phone::{self, Country, Phone};
use super::script;
use crate::words;
use serde_json::Value;

words! {
    /// How a number came onto the list, or off it.
    pub enum Source {
        /// The person asked for it during a call.
        Call = "call",
        /// Somebody with a hand on the server: the command line, or the page.
        Operator = "operator",
        /// A single request to the API.
        Api = "api",
        /// A file of numbers.
        Import = "import",
    }
}

/// Characters of a reason at most.
pub const REASON_MAX: usize = 500;
/// The reason when nobody gives one.
const NO_REASON: &str = "no reason given";

/// A number that is to go onto the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number.
    pub phone: Phone,
    /// Why.
    pub reason: String,
}

impl Entry {
    /// Reads `{"phone", "reason"}`.
    pub fn read(value: Value, country: Option<Country>) -> Result<Entry, Invalid> {
        let mut fields = Fields::of(value)?;
        let phone = fields.required("phone", None, |value| {
            phone::parse(fields::string(value)?, country).map_err(|problem| problem.to_string())
        });
        let reason = fields.optional("reason", None, None, fields::optional_text(REASON_MAX));
        fields.finish(phone.map(|phone| Entry { phone, reason: reason_or_none(reason) }))
    }
}

/// What is said about why a number is listed, or that nothing is.
fn reason_or_none(reason: Option<String>) -> String {
    reason.unwrap_or_else(|| NO_REASON.to_owned())
}

/// What the columns of a table of numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    phone: usize,
    reason: Option<usize>,
}

/// What a column of numbers may be called, as [`script::normal_name`] writes it.
const PHONE_NAMES: [&str; 9] =
    ["phone", "phone_number", "number", "telephone", "telephone_number", "tel", "mobile", "msisdn", "dnc"];

impl Columns {
    /// Reads a header row. Without a column of numbers there is nothing to list.
    pub fn of<'h>(header: impl Iterator<Item = &'h str>) -> Result<Columns, Invalid> {
        let names: Vec<String> = header.map(script::normal_name).collect();
        let find = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        match find(&PHONE_NAMES) {
            Some(phone) => Ok(Columns { phone, reason: find(&["reason"]) }),
            None => {
                let message = "the first row must name the columns, and one of them must be `phone`";
                Err(Invalid::one("header", message))
            }
        }
    }

    /// Reads a row; a problem comes with the cell and a sentence.
    pub fn entry<'r>(
        &self,
        cell: impl Fn(usize) -> Option<&'r str>,
        country: Option<Country>,
    ) -> Result<Entry, (&'static str, &'r str, String)> {
        let text = cell(self.phone).unwrap_or_default();
        let phone = phone::parse(text, country).map_err(|problem| ("phone", text, problem.to_string()))?;
        let text = self.reason.and_then(cell).unwrap_or_default();
        let reason = fields::optional_text(REASON_MAX)(&Value::String(text.trim().to_owned()));
        let reason = reason.map_err(|message| ("reason", text, message))?;
        Ok(Entry { phone, reason: reason_or_none(reason) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_is_a_number_with_a_reason_or_without() {
        let us = Country::parse("US");
        let read = |value| Entry::read(value, us).map(|entry| (entry.phone.to_string(), entry.reason));
        let listed = |reason: &str| Ok(("+12025550101".to_owned(), reason.to_owned()));
        assert_eq!(read(json!({"phone": "(202) 555-0101", "reason": "asked"})), listed("asked"));
        assert_eq!(read(json!({"phone": "+1 202 555 0101", "reason": null})), listed(NO_REASON));
        for wrong in
            [json!({}), json!({"phone": 12_025_550_101_u64}), json!({"phone": "110"}), json!("+12025550101")]
        {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
        let Invalid(problems) = Entry::read(json!({"phone": "+12025550101", "raeson": "x"}), us).unwrap_err();
        assert_eq!(problems[0].message, "unknown field; did you mean `reason`?");
    }

    #[test]
    fn a_table_names_its_column_of_numbers_in_any_usual_way() {
        for (header, columns) in [
            ("phone", Some((0, None))),
            ("Name,Phone Number,Reason", Some((1, Some(2)))),
            ("reason,Tel", Some((1, Some(0)))),
            ("name,e-mail", None),
            ("+12025550101", None),
        ] {
            let found = Columns::of(header.split(',')).ok();
            assert_eq!(found, columns.map(|(phone, reason)| Columns { phone, reason }), "{header}");
        }
    }
}
