//! Trunks that are added while the server runs: what a client may say about one. What the words mean to a carrier is the
//! carrier's to say.

use super::Instant;
use super::fields::{self, Fields, Parsed};
use super::invalid::Invalid;
use super::phone::Phone;
use super::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a client may set, except the password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrunkSettings {
    /// What it is called.
    pub name: String,
    /// The carrier: a name or an address, and a port where it is not the usual one.
    pub host: String,
    /// How messages travel.
    pub transport: String,
    /// Where messages are sent, if not to the host.
    pub proxy: Option<String>,
    /// Who we are; none where the carrier knows our address.
    pub username: Option<String>,
    /// Whether the carrier wants us to register.
    pub register: bool,
    /// The number to show when the campaign names none.
    pub caller_id: Option<String>,
    /// What stands before the digits of a number.
    pub number_prefix: String,
    /// Dials per second.
    pub calls_per_second: f64,
    /// Calls at a time.
    pub channels: i64,
    /// How often it is asked whether it is there.
    pub options_seconds: i64,
}

/// What proves who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// There is none.
    None,
    /// It was sealed under a key that is not here.
    Locked,
    /// This one.
    Known(Secret),
}

/// A trunk as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Trunk {
    /// Never reused.
    pub id: i64,
    /// What the client set.
    pub settings: TrunkSettings,
    /// What proves who we are.
    pub password: Password,
    /// When it was added.
    pub created_at: Instant,
    /// When it was last edited.
    pub updated_at: Instant,
}

/// What a client sent for a new trunk or a change to one.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkRequest {
    /// Settings after the change.
    pub settings: TrunkSettings,
    /// The password after the change; none leaves it as it is.
    pub password: Option<Password>,
    /// Which one of those in the database it is to be, beginning with 1; none leaves it where it is.
    pub position: Option<usize>,
    /// The client knows that phones ring from now on, or no longer.
    pub confirm: bool,
}

/// Fields that only the server sets; accepted and ignored.
pub const READ_ONLY: [&str; 9] = [
    "id",
    "source",
    "has_password",
    "status",
    "problem",
    "warning",
    "channels_in_use",
    "created_at",
    "updated_at",
];

/// As many as anybody can look after.
pub const TRUNKS_MAX: usize = 20;

impl TrunkRequest {
    /// Reads the JSON body of a new trunk, or of a change to one. All problems come at once.
    pub fn read(body: Value, base: Option<&TrunkSettings>) -> Result<TrunkRequest, Invalid> {
        let mut f = Fields::of(body)?;
        f.read_only(&READ_ONLY);
        let kept = |field: fn(&TrunkSettings) -> Option<String>| base.and_then(field);
        let name = f.required("name", base.map(|base| base.name.clone()), fields::text(100));
        let host = f.required("host", base.map(|base| base.host.clone()), fields::text(200));
        let usual = "udp".to_owned();
        let transport = base.map_or(usual.clone(), |base| base.transport.clone());
        let transport = f.optional("transport", transport, usual, fields::text(10));
        let proxy = f.optional("proxy", kept(|base| base.proxy.clone()), None, fields::optional_text(200));
        let username =
            f.optional("username", kept(|base| base.username.clone()), None, fields::optional_text(200));
        let password = f.optional("password", None, Some(Password::None), password);
        let register = f.optional("register", base.is_some_and(|base| base.register), false, flag);
        let caller_id = f.optional("caller_id", kept(|base| base.caller_id.clone()), None, caller_id);
        let plus = "+".to_owned();
        let number_prefix = base.map_or(plus.clone(), |base| base.number_prefix.clone());
        let number_prefix = f.optional("number_prefix", number_prefix, plus, prefix);
        let pace = base.map_or(1.0, |base| base.calls_per_second);
        let calls_per_second = f.optional("calls_per_second", pace, 1.0, pace_of);
        let channels = base.map_or(10, |base| base.channels);
        let channels = f.optional("channels", channels, 10, fields::integer(1, 2_000));
        let options_seconds = base.map_or(30, |base| base.options_seconds);
        let options_seconds = f.optional("options_seconds", options_seconds, 30, fields::integer(5, 3_600));
        let position =
            |value: &Value| fields::integer(1, TRUNKS_MAX as i64)(value).map(|at| Some(at as usize));
        let position = f.optional("position", None, None, position);
        let confirm = f.optional("confirm", false, false, flag);
        f.finish(name.zip(host).map(|(name, host)| TrunkRequest {
            settings: TrunkSettings {
                name,
                host,
                transport,
                proxy,
                username,
                register,
                caller_id,
                number_prefix,
                calls_per_second,
                channels,
                options_seconds,
            },
            password,
            position,
            confirm,
        }))
    }
}

fn flag(value: &Value) -> Parsed<bool> {
    value.as_bool().ok_or_else(|| format!("must be true or false, not {}", fields::kind(value)))
}

/// One that is blank is none; what it is stays as it is.
fn password(value: &Value) -> Parsed<Option<Password>> {
    // What is said of a wrong one must not repeat it.
    let text = value.as_str().ok_or_else(|| format!("must be a text, not {}", fields::kind(value)))?;
    match text {
        "" => Ok(Some(Password::None)),
        _ if text.len() > 500 || text.contains(char::is_control) => {
            Err("must be one line of at most 500 characters".into())
        }
        _ => Ok(Some(Password::Known(Secret::new(text.to_owned())))),
    }
}

fn caller_id(value: &Value) -> Parsed<Option<String>> {
    match fields::optional_text(30)(value)? {
        None => Ok(None),
        Some(text) => match Phone::from_e164(text.trim()) {
            Some(phone) => Ok(Some(phone.to_string())),
            None => Err("must be a number such as +12025550101".into()),
        },
    }
}

fn prefix(value: &Value) -> Parsed<String> {
    let text = fields::string(value)?;
    match text.len() <= 10 && text.chars().all(|c| c.is_ascii_digit() || "+*#".contains(c)) {
        true => Ok(text.to_owned()),
        false => Err("may hold digits, +, * and #, at most ten".into()),
    }
}

fn pace_of(value: &Value) -> Parsed<f64> {
    match value.as_f64() {
        Some(pace) if (0.01..=100.0).contains(&pace) => Ok(pace),
        Some(pace) => Err(format!("must be between 0.01 and 100; it is {pace}")),
        None => Err(format!("must be a number between 0.01 and 100, not {}", fields::kind(value))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_and_a_host_are_enough_and_a_change_keeps_what_it_does_not_name() {
        let made = TrunkRequest::read(json!({"name": "main", "host": "sip.example.com"}), None).unwrap();
        assert_eq!((made.settings.channels, made.settings.number_prefix.as_str()), (10, "+"));
        assert_eq!((&made.password, made.confirm), (&None, false));
        let change =
            json!({"channels": 3, "password": "", "caller_id": "+12025550101", "id": 9, "position": 2});
        let changed = TrunkRequest::read(change, Some(&made.settings)).unwrap();
        let expected =
            TrunkSettings { channels: 3, caller_id: Some("+12025550101".into()), ..made.settings.clone() };
        assert_eq!((changed.settings, changed.password), (expected, Some(Password::None)));
        assert_eq!(changed.position, Some(2));
    }

    #[test]
    fn every_problem_is_told_by_its_field_and_none_repeats_the_password() {
        let body = json!({
            "host": 5, "hots": "x", "password": ["hunter2"], "caller_id": "0800", "number_prefix": "a",
            "calls_per_second": 0, "channels": 0, "register": "yes",
        });
        let Err(Invalid(problems)) = TrunkRequest::read(body, None) else { panic!("accepted") };
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        let expected = [
            "name",
            "host",
            "password",
            "register",
            "caller_id",
            "number_prefix",
            "calls_per_second",
            "channels",
            "hots",
        ];
        assert_eq!(fields, expected);
        assert!(!format!("{problems:?}").contains("hunter2"));
    }
}
