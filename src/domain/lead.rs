//! A lead: a person to reach, within one campaign. What a new one must look like, from JSON or from named
//! columns.

use super::Instant;
use super::campaign;
use super::fields::{self, Fields, Parsed};
use super::invalid::Invalid;
use super::outcome::Outcome;
use super::phone::{self, Country, Phone};
use super::schedule::TimeOfDay;
use super::script;
use crate::words;
use chrono_tz::Tz;
use serde_json::{Map, Value};
use std::collections::HashMap;

words! {
    /// Where a lead is on its way.
    ///
    /// ```text
    ///   pending ──► in_progress ──► completed | failed | do_not_call
    ///      ▲             │ nobody reached, attempts left
    ///      │             ▼
    ///      └──────── scheduled ──► in_progress
    ///   pending | scheduled ──► canceled
    /// ```
    pub enum LeadStatus {
        /// Never dialed, or back in the queue.
        Pending = "pending",
        /// A call to it is alive.
        InProgress = "in_progress",
        /// Waits for its next attempt.
        Scheduled = "scheduled",
        /// A person was reached, or the message was left.
        Completed = "completed",
        /// All attempts used up, or no such number.
        Failed = "failed",
        /// Taken out by a person.
        Canceled = "canceled",
        /// Said no; never dialed again.
        DoNotCall = "do_not_call",
    }
}

impl LeadStatus {
    /// Whether there is something left to do for the lead.
    pub fn is_open(self) -> bool {
        match self {
            LeadStatus::Pending | LeadStatus::InProgress | LeadStatus::Scheduled => true,
            LeadStatus::Completed | LeadStatus::Failed | LeadStatus::Canceled | LeadStatus::DoNotCall => {
                false
            }
        }
    }
}

/// What a client says about a lead.
#[derive(Clone, Debug, PartialEq)]
pub struct NewLead {
    /// The number to dial.
    pub phone: Phone,
    /// Part of `{customer_name}`.
    pub first_name: Option<String>,
    /// Part of `{customer_name}`.
    pub last_name: Option<String>,
    /// For the caller's own use.
    pub email: Option<String>,
    /// For the caller's own use.
    pub company_name: Option<String>,
    /// The lead's own clock, where it is known.
    pub time_zone: Option<Tz>,
    /// BCP 47.
    pub language: Option<String>,
    /// 1–5; 5 is dialed first.
    pub priority: i64,
    /// Local time at which the lead is best reached.
    pub best_time_to_call: Option<TimeOfDay>,
    /// Values for the script, by name.
    pub variables: Map<String, Value>,
    /// For the caller's own use.
    pub notes: Option<String>,
    /// For the caller's own use.
    pub tags: Vec<String>,
}

/// A lead as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Lead {
    /// Never reused.
    pub id: i64,
    /// The campaign it belongs to.
    pub campaign_id: i64,
    /// What the client said.
    pub about: NewLead,
    /// Where it is on its way.
    pub status: LeadStatus,
    /// How its last ended call ended.
    pub outcome: Option<Outcome>,
    /// Dials so far.
    pub attempts: i64,
    /// When it is due; none when there is nothing more to do, or while it is held.
    pub next_call_at: Option<Instant>,
    /// Why it was put aside when its turn came, for a cause that only an edit removes.
    pub held: Option<String>,
    /// The import that brought it.
    pub import_id: Option<i64>,
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

/// The columns of a lead that have a meaning of their own; every other CSV column is a script variable.
pub const COLUMNS: [&str; 11] = [
    "phone",
    "first_name",
    "last_name",
    "email",
    "company_name",
    "time_zone",
    "language",
    "priority",
    "best_time_to_call",
    "notes",
    "tags",
];

/// Fields that only the server sets; accepted and ignored.
pub const READ_ONLY: [&str; 10] = [
    "id",
    "campaign_id",
    "status",
    "outcome",
    "attempts",
    "next_call_at",
    "hold",
    "import_id",
    "created_at",
    "updated_at",
];

/// Priority of a lead that names none.
pub const DEFAULT_PRIORITY: i64 = 3;
const NAME_MAX: usize = 200;
const NOTES_MAX: usize = 5_000;
pub(super) const VARIABLES_MAX: usize = 100;
const VARIABLE_MAX: usize = 5_000;

impl NewLead {
    /// Reads a lead from a JSON object. All problems come at once.
    pub fn read(body: Value, country: Option<Country>) -> Result<NewLead, Invalid> {
        let mut f = Fields::of(body)?;
        f.read_only(&READ_ONLY);
        let name = |f: &mut Fields, field| f.optional(field, None, None, fields::optional_text(NAME_MAX));
        let number = f.required("phone", None, |value| parse_phone(value, country));
        let first_name = name(&mut f, "first_name");
        let last_name = name(&mut f, "last_name");
        let email = name(&mut f, "email");
        let company_name = name(&mut f, "company_name");
        let time_zone = f.optional("time_zone", None, None, unless_blank(campaign::zone));
        let language = f.optional("language", None, None, unless_blank(campaign::language));
        let priority = f.optional("priority", DEFAULT_PRIORITY, DEFAULT_PRIORITY, fields::integer(1, 5));
        let best_time_to_call = f.optional("best_time_to_call", None, None, unless_blank(time_of_day));
        let variables = f.optional("variables", Map::new(), Map::new(), variables);
        let notes = f.optional("notes", None, None, fields::optional_text(NOTES_MAX));
        let tags = f.optional("tags", Vec::new(), Vec::new(), tags);
        f.finish(number.map(|phone| NewLead {
            phone,
            first_name,
            last_name,
            email,
            company_name,
            time_zone,
            language,
            priority,
            best_time_to_call,
            variables,
            notes,
            tags,
        }))
    }

    /// A lead of whom only the number is known.
    pub fn bare(phone: Phone) -> NewLead {
        NewLead {
            phone,
            first_name: None,
            last_name: None,
            email: None,
            company_name: None,
            time_zone: None,
            language: None,
            priority: DEFAULT_PRIORITY,
            best_time_to_call: None,
            variables: Map::new(),
            notes: None,
            tags: Vec::new(),
        }
    }

    /// The value a script sees for a variable name in its comparison form ([`script::normal_name`]).
    pub fn value(&self, name: &str) -> Option<String> {
        let own = self.variables.iter().find(|(key, _)| script::normal_name(key) == name);
        if let Some((_, value)) = own {
            return spoken(value);
        }
        match name {
            "customer_name" | "name" => self.full_name(),
            "first_name" => self.first_name.clone(),
            "last_name" => self.last_name.clone(),
            "email" => self.email.clone(),
            "company_name" => self.company_name.clone(),
            "phone" => Some(self.phone.to_string()),
            _ => None,
        }
    }

    /// Whether a script has something to say for this name, in its comparison form.
    pub fn has_value(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| !value.trim().is_empty())
    }

    /// First and last name, as far as they are known.
    pub fn full_name(&self) -> Option<String> {
        let known: Vec<&str> =
            [&self.first_name, &self.last_name].into_iter().flatten().map(|n| n.trim()).collect();
        if known.is_empty() { None } else { Some(known.join(" ")) }
    }
}

fn spoken(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn parse_phone(value: &Value, country: Option<Country>) -> Parsed<Phone> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        other => fields::string(other)?.to_owned(),
    };
    phone::parse(&text, country).map_err(|problem| problem.to_string())
}

fn unless_blank<T>(parse: impl Fn(&Value) -> Parsed<T>) -> impl Fn(&Value) -> Parsed<Option<T>> {
    move |value| match value {
        Value::String(text) if text.trim().is_empty() => Ok(None),
        other => parse(other).map(Some),
    }
}

fn time_of_day(value: &Value) -> Parsed<TimeOfDay> {
    TimeOfDay::parse(fields::string(value)?.trim())
}

fn variables(value: &Value) -> Parsed<Map<String, Value>> {
    let object =
        value.as_object().ok_or_else(|| format!("must be an object, not {}", fields::kind(value)))?;
    if object.len() > VARIABLES_MAX {
        return Err(format!("must have at most {VARIABLES_MAX} names; it has {}", object.len()));
    }
    let mut known: HashMap<String, &str> = HashMap::new();
    for (name, value) in object {
        let problem = |message: String| format!("`{}` {message}", fields::excerpt(name));
        let normal = variable_name(name).map_err(problem)?;
        if let Some(before) = known.insert(normal, name) {
            return Err(problem(format!("is the same name as `{}` for a script", fields::excerpt(before))));
        }
        match value {
            Value::Array(_) | Value::Object(_) => {
                return Err(problem("must be a text, a number or true/false".to_owned()));
            }
            Value::String(text) => _ = limited(text, VARIABLE_MAX).map_err(problem)?,
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    Ok(object.clone())
}

/// The comparison form of a variable's name, if it can be one.
pub(super) fn variable_name(name: &str) -> Parsed<String> {
    match script::normal_name(name) {
        normal if normal.is_empty() => Err("is no name: it must not be blank".to_owned()),
        normal => limited(&normal, NAME_MAX).map_err(|message| format!("is no name: it {message}")),
    }
}

/// The labels of a lead, from JSON and from a column alike.
fn tags(value: &Value) -> Parsed<Vec<String>> {
    fields::array(50, fields::text(100))(value)
}

impl NewLead {
    pub(super) fn set_variable(&mut self, name: &str, text: &str) -> Parsed<()> {
        let text = limited(text, VARIABLE_MAX)?;
        self.variables.insert(name.to_owned(), Value::String(text));
        Ok(())
    }

    /// Splits `Ada Lovelace`, or `Lovelace, Ada`, into first and last name.
    pub(super) fn set_full_name(&mut self, text: &str) -> Parsed<()> {
        const PARTICLES: [&str; 18] = [
            "van", "von", "vom", "zu", "zur", "de", "den", "der", "del", "della", "di", "da", "dos", "du",
            "la", "le", "ter", "bin",
        ];
        let (first, last) = match text.split_once(',') {
            Some((last, first)) => (first.to_owned(), last.to_owned()),
            None => {
                let words: Vec<&str> = text.split_whitespace().collect();
                let mut at = words.len().saturating_sub(1).max(1);
                while at > 1 && PARTICLES.contains(&words[at - 1]) {
                    at -= 1;
                }
                let (first, last) = words.split_at(at.min(words.len()));
                (first.join(" "), last.join(" "))
            }
        };
        let part = |text: &str| match text.trim() {
            "" => Ok(None),
            name => limited(name, NAME_MAX).map(Some),
        };
        (self.first_name, self.last_name) = (part(&first)?, part(&last)?);
        Ok(())
    }

    pub(super) fn set_column(&mut self, field: &str, text: &str) -> Parsed<()> {
        let json = || Value::String(text.to_owned());
        match field {
            "first_name" => self.first_name = Some(limited(text, NAME_MAX)?),
            "last_name" => self.last_name = Some(limited(text, NAME_MAX)?),
            "email" => self.email = Some(limited(text, NAME_MAX)?),
            "company_name" => self.company_name = Some(limited(text, NAME_MAX)?),
            "time_zone" => {
                let zone = text.parse().map_err(|_| "unknown time zone".to_owned());
                self.time_zone = Some(zone?);
            }
            "language" => self.language = Some(campaign::language(&json())?),
            "priority" => {
                let number = text.parse().ok().filter(|number| (1..=5).contains(number));
                self.priority = number.ok_or_else(|| "must be an integer between 1 and 5".to_owned())?;
            }
            "best_time_to_call" => self.best_time_to_call = Some(TimeOfDay::parse(text)?),
            "notes" => self.notes = Some(limited(text, NOTES_MAX)?),
            "tags" => {
                let names = text.split([';', ',']).map(str::trim).filter(|tag| !tag.is_empty());
                self.tags = tags(&names.map(Value::from).collect())?;
            }
            other => return Err(format!("`{other}` is no column of a lead")),
        }
        Ok(())
    }
}

fn limited(text: &str, max: usize) -> Parsed<String> {
    if text.len() > max && text.chars().count() > max {
        Err(format!("must be at most {max} characters"))
    } else if text.contains('\0') {
        Err("must not contain the character U+0000".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_variable_of_the_leads_own_wins_over_its_name() {
        let lead = NewLead::read(
            json!({"phone": "+12025550101", "first_name": "Ada", "last_name": "Lovelace",
                   "variables": {"Order No": 7, "name": "the Countess"}}),
            None,
        )
        .unwrap();
        let value = |name| lead.value(name);
        assert_eq!(value("customer_name").as_deref(), Some("Ada Lovelace"));
        assert_eq!(value("name").as_deref(), Some("the Countess"));
        assert_eq!(value("order_no").as_deref(), Some("7"));
        assert_eq!(value("colour"), None);
    }

    #[test]
    fn an_unknown_field_is_refused_and_every_problem_is_told() {
        let Err(Invalid(problems)) =
            NewLead::read(json!({"phone": "12", "priority": 9, "firstname": "Ada"}), None)
        else {
            panic!("accepted")
        };
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["phone", "priority", "firstname"]);
        assert_eq!(problems[2].message, "unknown field; did you mean `first_name`?");
    }
}
