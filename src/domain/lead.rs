//! A lead: a person to reach, within one campaign. What a new one must look like, from JSON or from named
//! columns.

use super::Instant;
use super::campaign;
use super::fields::{self, Fields, Parsed};
use super::gate::HoldReason;
use super::invalid::Invalid;
use super::outcome::Outcome;
use super::phone::{self, Phone, Unprefixed};
use super::schedule::TimeOfDay;
use super::script;
use crate::words;
use chrono::TimeDelta;
use chrono_tz::Tz;
use serde_json::{Map, Value};
use std::collections::HashMap;

words! {
    /// Where a lead is on its way.
    ///
    /// ```text
    ///   pending ──► in_progress ──► completed | failed | do_not_call
    ///                    │ nobody reached, attempts left
    ///                    ▼
    ///                scheduled ──► in_progress
    ///   pending | scheduled ──► canceled | do_not_call
    ///   completed | failed | canceled ──► scheduled      a call-back, or a retry that somebody asked for
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
        /// All attempts used up, no such number, or the call was refused.
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
    /// Why it is due when it is; none for a new lead and for a retry.
    pub wait_reason: Option<HoldReason>,
    /// Why it was put aside when its turn came, for a cause that only an edit removes.
    pub held: Option<String>,
    /// When the person asked to be forgotten; the number is none then.
    pub erased_at: Option<Instant>,
    /// The import that brought it.
    pub import_id: Option<i64>,
    /// When it was made.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

impl Lead {
    /// Whether a call-back may be arranged, in whatever way the lead has finished; else the reason why not.
    pub fn may_be_called_back(&self, attempts_max: i64, is_suppressed: bool) -> Result<(), HoldReason> {
        // A number that was taken off the list may be called again, but for whoever said no on a call of ours.
        let said_no = self.status == LeadStatus::DoNotCall && self.outcome == Some(Outcome::OptedOut);
        match self.status {
            LeadStatus::InProgress => Err(HoldReason::InProgress),
            LeadStatus::DoNotCall
            | LeadStatus::Pending
            | LeadStatus::Scheduled
            | LeadStatus::Completed
            | LeadStatus::Failed
            | LeadStatus::Canceled => match () {
                () if is_suppressed || said_no || self.erased_at.is_some() => Err(HoldReason::DoNotCall),
                () if self.attempts >= attempts_max => Err(HoldReason::AttemptsUsedUp),
                () => Ok(()),
            },
        }
    }
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

/// What the server knows of a lead, as an export tells it after the columns and the variables.
pub const EXPORTED: [&str; 8] =
    ["id", "status", "outcome", "attempts", "next_call_at", "import_id", "created_at", "updated_at"];
/// Before a variable in an export whose name is that of another column.
const VARIABLE_PREFIX: &str = "variables.";

/// The title of a variable's column in an export.
pub fn variable_title(name: &str) -> String {
    let normal = script::normal_name(name);
    let is_taken = COLUMNS.iter().chain(&EXPORTED).any(|column| *column == normal)
        || normal.starts_with(VARIABLE_PREFIX);
    if is_taken { format!("{VARIABLE_PREFIX}{name}") } else { name.to_owned() }
}

/// The variable that a column's title in an export stands for.
pub fn titled_variable(title: &str) -> &str {
    title.strip_prefix(VARIABLE_PREFIX).unwrap_or(title)
}

/// Whether titles, in their comparison form, are those of an export: only there do `status` and the like mean what
/// they mean on a lead, and not a variable.
pub fn is_export(titles: &[String]) -> bool {
    EXPORTED.iter().all(|name| titles.iter().any(|title| title == name))
}

/// How far from its preferred time a lead is dialed before others.
pub const PREFERRED_WITHIN: TimeDelta = TimeDelta::hours(1);
/// How many different preferred times are looked at in one search.
pub const PREFERRED_TIMES_MAX: usize = 200;
/// Priority of a lead that names none.
pub const DEFAULT_PRIORITY: i64 = 3;
const NAME_MAX: usize = 200;
const NOTES_MAX: usize = 5_000;
const TAGS_MAX: usize = 50;
pub(super) const VARIABLES_MAX: usize = 100;
const VARIABLE_MAX: usize = 5_000;

impl NewLead {
    /// Reads a lead from a JSON object. All problems come at once.
    pub fn read(body: Value, unprefixed: impl Into<Unprefixed>) -> Result<NewLead, Invalid> {
        NewLead::read_over(body, None, unprefixed.into())
    }

    /// This lead with the fields changed that are sent; null empties one.
    pub fn edited(&self, body: Value, unprefixed: impl Into<Unprefixed>) -> Result<NewLead, Invalid> {
        NewLead::read_over(body, Some(self), unprefixed.into())
    }

    fn read_over(body: Value, before: Option<&NewLead>, unprefixed: Unprefixed) -> Result<NewLead, Invalid> {
        let mut f = Fields::of(body)?;
        f.read_only(&READ_ONLY);
        let name = |f: &mut Fields, field, of: fn(&NewLead) -> &Option<String>| {
            let kept = before.and_then(|before| of(before).clone());
            f.optional(field, kept, None, fields::optional_text(NAME_MAX))
        };
        let number = before.map(|before| before.phone);
        let number = f.required("phone", number, |value| parse_phone(value, unprefixed));
        let first_name = name(&mut f, "first_name", |before| &before.first_name);
        let last_name = name(&mut f, "last_name", |before| &before.last_name);
        let email = name(&mut f, "email", |before| &before.email);
        let company_name = name(&mut f, "company_name", |before| &before.company_name);
        let kept = before.and_then(|before| before.time_zone);
        let time_zone = f.optional("time_zone", kept, None, unless_blank(campaign::zone));
        let kept = before.and_then(|before| before.language.clone());
        let language = f.optional("language", kept, None, unless_blank(campaign::language));
        let kept = before.map_or(DEFAULT_PRIORITY, |before| before.priority);
        let priority = f.optional("priority", kept, DEFAULT_PRIORITY, priority);
        let kept = before.and_then(|before| before.best_time_to_call);
        let best_time_to_call = f.optional("best_time_to_call", kept, None, unless_blank(time_of_day));
        let kept = before.map(|before| before.variables.clone()).unwrap_or_default();
        let variables = f.optional("variables", kept, Map::new(), variables);
        let kept = before.and_then(|before| before.notes.clone());
        let notes = f.optional("notes", kept, None, fields::optional_text(NOTES_MAX));
        let kept = before.map(|before| before.tags.clone()).unwrap_or_default();
        let tags = f.optional("tags", kept, Vec::new(), tags);
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
        self.own_value(name)
    }

    /// The value of a name that every lead can have one for.
    fn own_value(&self, name: &str) -> Option<String> {
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

    /// Names that every lead can have a value for, without a variable of its own.
    pub const OWN_NAMES: [&str; 7] =
        ["customer_name", "name", "first_name", "last_name", "email", "company_name", "phone"];

    /// Every name that the lead has a value for that is not blank, in its comparison form, with that value.
    pub fn values(&self) -> Vec<(String, String)> {
        let own = self.variables.iter().map(|(name, value)| (script::normal_name(name), spoken(value)));
        let mut all: Vec<(String, Option<String>)> = own.collect();
        for name in NewLead::OWN_NAMES {
            if all.iter().all(|(known, _)| known != name) {
                all.push((name.to_owned(), self.own_value(name)));
            }
        }
        let filled = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
        filled.filter(|(_, value)| !value.trim().is_empty()).collect()
    }

    /// Whether this is about the time at which the lead is best reached. `local` is what its clocks show.
    pub fn prefers(&self, local: TimeOfDay) -> bool {
        self.best_time_to_call.is_some_and(|best| best.is_near(local, PREFERRED_WITHIN))
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

/// The text that a script says for a value.
pub(super) fn spoken(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn priority(value: &Value) -> Parsed<i64> {
    fields::integer(1, 5)(value)
}

fn parse_phone(value: &Value, unprefixed: Unprefixed) -> Parsed<Phone> {
    phone::parse(&fields::text_or_number(value)?, unprefixed).map_err(|problem| problem.to_string())
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

/// Values by name, as a lead may have them.
pub(super) fn variables(value: &Value) -> Parsed<Map<String, Value>> {
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
    fields::array(TAGS_MAX, fields::text(100))(value)
}

/// What is changed about many leads at once; what is none stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeadChange {
    /// 1–5; 5 is dialed first.
    pub priority: Option<i64>,
    /// The lead's own clock; the inner none for unknown.
    pub time_zone: Option<Option<Tz>>,
    /// BCP 47; the inner none for unknown.
    pub language: Option<Option<String>>,
    /// Local time at which they are best reached; the inner none for any.
    pub best_time_to_call: Option<Option<TimeOfDay>>,
    /// Labels that they get.
    pub add_tags: Vec<String>,
    /// Labels that they lose.
    pub remove_tags: Vec<String>,
    /// Takes those out of the queue that are in it.
    pub cancel: bool,
}

impl LeadChange {
    /// Reads a change from a JSON object; one that changes nothing is a mistake.
    pub fn read(body: Value) -> Result<LeadChange, Invalid> {
        let mut f = Fields::of(body)?;
        let change = LeadChange {
            priority: f.optional("priority", None, Some(DEFAULT_PRIORITY), |value| priority(value).map(Some)),
            time_zone: f.optional("time_zone", None, Some(None), |value| {
                unless_blank(campaign::zone)(value).map(Some)
            }),
            language: f.optional("language", None, Some(None), |value| {
                unless_blank(campaign::language)(value).map(Some)
            }),
            best_time_to_call: f.optional("best_time_to_call", None, Some(None), |value| {
                unless_blank(time_of_day)(value).map(Some)
            }),
            add_tags: f.optional("add_tags", Vec::new(), Vec::new(), tags),
            remove_tags: f.optional("remove_tags", Vec::new(), Vec::new(), tags),
            cancel: f.optional("status", false, false, |value| match fields::word::<LeadStatus>(value)? {
                LeadStatus::Canceled => Ok(true),
                other => Err(format!("can only be set to `canceled` for many leads, not to `{other}`")),
            }),
        };
        let change = f.finish(Some(change))?;
        if change == LeadChange::default() {
            return Err(Invalid::one("body", "changes nothing; name at least one field to change"));
        }
        Ok(change)
    }

    /// Whether a lead has all the tags that it was to get, of which there may be only so many.
    pub fn has_all_tags(&self, lead: &NewLead) -> bool {
        self.add_tags.iter().all(|tag| lead.tags.contains(tag))
    }

    /// A lead with the change made.
    pub fn applied(&self, lead: &NewLead) -> NewLead {
        let mut tags: Vec<String> =
            lead.tags.iter().filter(|tag| !self.remove_tags.contains(tag)).cloned().collect();
        for tag in &self.add_tags {
            if !tags.contains(tag) && tags.len() < TAGS_MAX {
                tags.push(tag.clone());
            }
        }
        NewLead {
            priority: self.priority.unwrap_or(lead.priority),
            time_zone: self.time_zone.unwrap_or(lead.time_zone),
            language: self.language.clone().unwrap_or_else(|| lead.language.clone()),
            best_time_to_call: self.best_time_to_call.unwrap_or(lead.best_time_to_call),
            tags,
            ..lead.clone()
        }
    }
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
