//! The settings: where they come from, what they are called, and which values make sense. Read once, at the
//! start; afterwards a [`Config`] is a plain value that can be trusted.
//!
//! In the usual order, the later wins: defaults → `voice-campaigns.toml` in the working directory, or the file that
//! `--config` or `VC_CONFIG` names instead →
//! environment (`VC_` and the key in capitals, dots as underscores) → flags of the command line.
//! A key that nobody knows is an error, not a silence: a setting with a typing mistake is a setting that is
//! not in force.

use crate::agent;
use crate::carrier::{simulator, sip};
use crate::domain::address::Network;
use crate::domain::fields;
use crate::domain::guard::{self, Countries};
use crate::domain::money::Money;
use crate::domain::phone::Country;
use crate::domain::secret::{Key as SecretKey, Secret};
use crate::speech;
use chrono::TimeDelta;
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The file that is read from the working directory.
pub const FILE: &str = "voice-campaigns.toml";
/// Where the unit for systemd has the server work.
const INSTALLED: &str = "/etc/voice-campaigns";
/// Names the file that is read instead; no setting, since no file can say it.
const FILE_VARIABLE: &str = "VC_CONFIG";
const ENVIRONMENT_PREFIX: &str = "VC_";
const DEFAULT: &str = "default";
/// Why no trunk is used.
pub const NO_COUNTRIES: &str = "`guard.allowed_countries` must say where a trunk may call, such as [\"US\", \"CA\"]; or set `default_country`";
/// Stands for a secret.
const MASKED: &str = "********";

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Address to listen on.
    pub address: IpAddr,
    /// Port to listen on; 0 lets the system pick one.
    pub port: u16,
    /// Names that clients may call the server by, beside addresses and `localhost`; `*` for all.
    #[serde(deserialize_with = "words")]
    pub hosts: Vec<String>,
    /// Pages elsewhere that may call the API from a browser, by their origins.
    #[serde(deserialize_with = "words")]
    pub allowed_origins: Vec<String>,
    /// Whether a reverse proxy on this machine speaks TLS with the clients and says who they are.
    pub behind_proxy: bool,
    /// The server's own TLS.
    pub tls: Tls,
    /// What secrets in the database are sealed under, where that is not kept in the data folder.
    pub secret_key: Option<Secret>,
    /// How long live calls may go on after the signal to stop.
    pub shutdown_grace_seconds: u64,
    /// Folder to read the page from, for those who work on it.
    #[serde(rename = "static")]
    pub static_dir: Option<PathBuf>,
    /// Where numbers belong that name no country.
    pub default_country: Option<Country>,
    /// What no campaign may do.
    pub guard: Guard,
    /// How long what is no longer needed is kept.
    pub retention: Retention,
    /// How often one may ask.
    pub quota: Quota,
    /// How much one may send.
    pub limits: Limits,
    /// Where events are sent.
    pub webhooks: Webhooks,
    /// What is logged.
    pub log: Log,
    /// The ways to the carriers, the preferred one first; without any the simulator carries the calls.
    pub trunks: Vec<sip::TrunkSettings>,
    /// What all trunks share.
    pub sip: sip::Settings,
    /// Where the voice of real calls comes from.
    pub voice: speech::Settings,
    /// Who holds conversations on calls.
    pub agent: agent::Settings,
    /// The carrier that rings nobody.
    pub simulator: simulator::Settings,
}

/// What no campaign may do, whatever its own settings say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Calls to one number in any 24 hours, of all campaigns together.
    pub calls_per_number_per_day: u32,
    /// Countries whose numbers may be dialed; none for the default country's, `*` for all.
    #[serde(deserialize_with = "words")]
    pub allowed_countries: Vec<String>,
    /// What all campaigns together may spend in a day (UTC).
    pub spend_per_day: Option<Money>,
    /// Hours that the server may be away and still go on by itself; 0 for however long.
    pub wake_up_hours: u32,
}

/// How long what is no longer needed is kept, in days.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Deleted campaigns and their records.
    pub deleted_campaigns_days: u32,
    /// Events.
    pub events_days: u32,
    /// Deliveries of webhooks that were made or given up; no longer than their events.
    pub deliveries_days: u32,
    /// Files of skipped rows, and the rows that reports of imports show.
    pub import_files_days: u32,
    /// What happened during calls, and what was in force when they were placed.
    pub call_details_days: Option<u32>,
    /// Who changed what.
    pub audit_days: u32,
    /// Recordings of calls.
    pub recordings_days: u32,
}

/// A list, or its items in one text with commas between them.
fn words<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list such as [\"US\", \"CA\"], or a text such as US,CA")]
    enum Words {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Words::deserialize(deserializer)? {
        Words::List(list) => list,
        Words::Text(text) => {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        }
    })
}

/// How often one may ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Requests of one token in an hour.
    pub requests_per_hour: u32,
    /// Requests of the admin page, of everybody who is signed in with one token, in an hour.
    pub session_requests_per_hour: u32,
    /// Requests without a valid token, of one address in a minute.
    pub unauthenticated_per_minute: u32,
}

/// The server's own TLS: both or neither.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate, followed by those that lead to a known authority.
    pub certificate: Option<PathBuf>,
    /// PEM file with its private key.
    pub key: Option<PathBuf>,
}

/// How much one may send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Size of one CSV upload.
    pub csv_megabytes: u32,
    /// Connections at one time.
    pub connections: u32,
    /// Connections of one address at one time; those of this machine may have sixteen times as many.
    pub connections_per_address: u32,
}

/// Where events are sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// Networks that may be sent to although they are not public.
    #[serde(deserialize_with = "networks")]
    pub allowed_networks: Vec<Network>,
}

fn networks<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Network>, D::Error> {
    let words = words(deserializer)?;
    words.iter().map(|word| word.parse().map_err(serde::de::Error::custom)).collect()
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`), or directives such as
    /// `info,voice_campaigns::dialer=debug`.
    pub filter: String,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            data: PathBuf::from("data"),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8000,
            hosts: Vec::new(),
            allowed_origins: Vec::new(),
            behind_proxy: false,
            tls: Tls { certificate: None, key: None },
            secret_key: None,
            shutdown_grace_seconds: 30,
            static_dir: None,
            default_country: None,
            guard: Guard {
                calls_per_number_per_day: guard::Guard::default().calls_per_number_per_day,
                allowed_countries: Vec::new(),
                spend_per_day: None,
                wake_up_hours: 12,
            },
            retention: Retention {
                deleted_campaigns_days: 30,
                events_days: 90,
                deliveries_days: 30,
                import_files_days: 30,
                call_details_days: None,
                audit_days: 365,
                recordings_days: 90,
            },
            quota: Quota {
                requests_per_hour: 1_000,
                session_requests_per_hour: 20_000,
                unauthenticated_per_minute: 60,
            },
            limits: Limits { csv_megabytes: 256, connections: 2_048, connections_per_address: 64 },
            webhooks: Webhooks { allowed_networks: Vec::new() },
            log: Log { filter: "info".into() },
            trunks: Vec::new(),
            sip: sip::Settings::default(),
            voice: speech::Settings::default(),
            agent: agent::Settings::default(),
            simulator: simulator::Settings::default(),
        }
    }
}

/// What the command line says; each wins over every other source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--address`
    pub address: Option<IpAddr>,
    /// `--port`
    pub port: Option<u16>,
    /// `--behind-proxy`
    pub behind_proxy: bool,
}

/// Why the settings cannot be used: every reason found, one sentence each.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// One setting as it is in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InForce {
    /// Name, with dots.
    pub key: String,
    /// Value; that of a secret is masked.
    pub value: serde_json::Value,
    /// `default`, the file, the variable or the flag that it comes from.
    pub source: String,
}

/// One setting as it is in force, with all there is to say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Name, with dots.
    pub key: String,
    /// Name in the environment.
    pub environment: String,
    /// Value; of a secret only that it is set.
    pub value: serde_json::Value,
    /// Value when nothing else is said.
    pub default: serde_json::Value,
    /// `default`, `file`, `environment` or `flag`.
    pub source: &'static str,
    /// What it means.
    pub description: String,
}

/// One setting that exists.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Name, with dots.
    pub name: String,
    /// Name in the environment.
    pub variable: String,
    /// Value when nothing else is said.
    pub default: serde_json::Value,
}

/// The places that settings come from.
pub struct Sources<'a> {
    /// Values for what nobody else sets.
    pub defaults: Config,
    /// The folder in which [`FILE`] may lie.
    pub folder: &'a Path,
    /// The folder in which it lies where the server was installed, and is not read by whoever is elsewhere.
    pub installed: &'a Path,
    /// All variables of the environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The command line.
    pub flags: Flags,
}

impl Config {
    /// Whether nothing is said about where one may call.
    pub fn says_no_countries(&self) -> bool {
        self.guard.allowed_countries.is_empty() && self.default_country.is_none()
    }

    /// The limits that no campaign may pass.
    pub fn guard(&self) -> Result<guard::Guard, String> {
        let Guard { calls_per_number_per_day, allowed_countries, spend_per_day, wake_up_hours } = &self.guard;
        Ok(guard::Guard {
            calls_per_number_per_day: *calls_per_number_per_day,
            countries: Countries::read(allowed_countries, self.default_country)?,
            spend_per_day: *spend_per_day,
            away_max: (*wake_up_hours > 0).then(|| TimeDelta::hours((*wake_up_hours).into())),
        })
    }

    /// What secrets in the database are sealed under: the setting, else a credential of systemd, else none, which leaves it
    /// to a file in the data folder.
    pub fn secret_key(&self) -> Result<Option<SecretKey>, String> {
        match &self.secret_key {
            Some(text) => SecretKey::of_text(text.reveal())
                .map(Some)
                .ok_or_else(|| "`secret_key` must be 32 bytes in base64 or hex".to_owned()),
            None => match std::env::var_os("CREDENTIALS_DIRECTORY") {
                Some(folder) => credential(Path::new(&folder)),
                None => Ok(None),
            },
        }
    }

    /// Every setting that exists, in the order of the documentation.
    pub fn keys() -> Vec<Key> {
        let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
        let mut keys = Vec::new();
        collect_keys("", defaults, &mut keys);
        keys
    }
}

/// The key among the credentials that systemd hands over.
fn credential(folder: &Path) -> Result<Option<SecretKey>, String> {
    let path = folder.join("voice-campaigns.key");
    match std::fs::read(&path) {
        Ok(bytes) => SecretKey::of_bytes(&bytes)
            .map(Some)
            .ok_or_else(|| format!("{} must be 32 bytes, or these in base64 or hex", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

impl Sources<'_> {
    /// The working directory and the environment of this process.
    pub fn of_this_process(defaults: Config, flags: Flags) -> Sources<'static> {
        let (folder, installed) = (Path::new(""), Path::new(INSTALLED));
        Sources { defaults, folder, installed, environment: std::env::vars_os().collect(), flags }
    }
}

/// The settings, and where each of them comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// Every one of them with its source.
    pub in_force: Vec<InForce>,
    /// A file that the server reads where it was installed, and that was not read here.
    pub unread: Option<PathBuf>,
}

impl Loaded {
    /// Reads and checks the settings. Wrong names and senseless values come all at once.
    pub fn new(sources: Sources<'_>) -> Result<Loaded, ConfigError> {
        let keys = Config::keys();
        let mut problems = Vec::new();
        let mut figment = Figment::from(Serialized::defaults(sources.defaults));
        let (named, environment): (Vec<_>, Vec<_>) =
            sources.environment.into_iter().partition(|(name, _)| name == FILE_VARIABLE);
        let named = sources.flags.config.clone().or(named.into_iter().next().map(|(_, path)| path.into()));
        let beside = Some(sources.folder.join(FILE)).filter(|file| file.symlink_metadata().is_ok());
        let file = match (named, beside) {
            (Some(path), _) => Some(File { name: path.display().to_string(), path }),
            (None, beside) => beside.map(|path| File { name: FILE.to_owned(), path }),
        };
        let name = file.as_ref().map_or(FILE, |file| &file.name).to_owned();
        let unread = match &file {
            None => Some(sources.installed.join(FILE)).filter(|path| path.exists()),
            Some(_) => None,
        };
        if let Some(file) = file {
            figment = figment.merge(file);
        }
        for setting in from_environment(environment, &keys, &mut problems) {
            figment = figment.merge(setting);
        }
        for setting in from_flags(sources.flags, &mut problems) {
            figment = figment.merge(setting);
        }
        let merged = figment
            .data()
            .map_err(|error| ConfigError(vec![format!("{name}: {}", error.kind.to_string().trim_end())]))?;
        let merged = merged.get(&Profile::Default).cloned().unwrap_or_default();
        find_unknown("", &merged, &figment, &keys, &mut problems);
        if !problems.is_empty() {
            return Err(ConfigError(problems));
        }
        let config: Config = figment
            .extract()
            .map_err(|error| ConfigError(error.into_iter().map(|e| sentence(&e)).collect()))?;
        check(&config)?;
        let in_force = in_force(&config, &keys, &figment);
        Ok(Loaded { config, in_force, unread })
    }
}

impl Loaded {
    /// Every setting for whoever looks at them from afar.
    pub fn shown(&self) -> Vec<Shown> {
        let shown = |(key, one): (Key, &InForce)| Shown {
            description: description(&key.name),
            source: match one.source.as_str() {
                DEFAULT => "default",
                variable if variable == key.variable => "environment",
                flag if flag.starts_with("--") => "flag",
                _ => "file",
            },
            value: if one.value == MASKED { "set".into() } else { one.value.clone() },
            key: key.name,
            environment: key.variable,
            default: key.default,
        };
        Config::keys().into_iter().zip(&self.in_force).map(shown).collect()
    }
}

/// What a setting means, in the words of the documentation.
fn description(key: &str) -> String {
    const README: &str = include_str!("../README.md");
    let row = README.lines().find(|line| line.starts_with(&format!("| `{key}` | `{ENVIRONMENT_PREFIX}")));
    let cell = row.and_then(|row| row.trim_end_matches([' ', '|']).split(" | ").nth(3));
    cell.unwrap_or_default().replace("\\|", "|")
}

/// The file with settings.
struct File {
    /// As whoever has to change something there calls it.
    name: String,
    path: PathBuf,
}

impl Provider for File {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let text = std::fs::read_to_string(&self.path).map_err(|error| error.to_string())?;
        Toml::string(&text).data()
    }
}

/// One setting from a named place.
struct Setting {
    source: String,
    key: String,
    value: Value,
}

impl Provider for Setting {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let (last, sections) = match self.key.rsplit_once('.') {
            Some((sections, last)) => (last, sections.split('.').rev().collect()),
            None => (self.key.as_str(), Vec::new()),
        };
        let leaf = Dict::from([(last.to_owned(), self.value.clone())]);
        let dict = sections
            .into_iter()
            .fold(leaf, |inner, section| Dict::from([(section.to_owned(), inner.into())]));
        Ok(Profile::Default.collect(dict))
    }
}

/// The settings among the variables. Only complete names count, so `VC_LOG_FILTER` cannot be read two ways.
fn from_environment(
    variables: Vec<(OsString, OsString)>,
    keys: &[Key],
    problems: &mut Vec<String>,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (variable, value) in variables {
        let variable = variable.to_string_lossy().into_owned();
        if !variable.starts_with(ENVIRONMENT_PREFIX) {
            continue;
        }
        let Some(key) = keys.iter().find(|key| key.variable == variable) else {
            let known: Vec<&str> = keys.iter().map(|key| key.variable.as_str()).collect();
            problems.push(unknown(&variable, "environment", nearest_variable(&variable, &known)));
            continue;
        };
        let Some(text) = value.to_str() else {
            problems.push(format!("environment: `{variable}` is not UTF-8"));
            continue;
        };
        let value = match key.default {
            serde_json::Value::String(_) => Value::from(text),
            _ => text.parse().unwrap_or_else(|never: std::convert::Infallible| match never {}),
        };
        settings.push(Setting { source: variable, key: key.name.clone(), value });
    }
    settings
}

fn from_flags(flags: Flags, problems: &mut Vec<String>) -> Vec<Setting> {
    let setting = |name: &str, value: Value| Setting { source: format!("--{name}"), key: name.into(), value };
    if flags.data.as_ref().is_some_and(|data| data.to_str().is_none()) {
        problems.push("--data: the name of the folder is not UTF-8".into());
    }
    [
        flags.data.and_then(|data| Some(setting("data", Value::from(data.to_str()?)))),
        flags.address.map(|address| setting("address", Value::from(address.to_string()))),
        flags.port.map(|port| setting("port", Value::from(port))),
        flags.behind_proxy.then(|| Setting {
            source: "--behind-proxy".into(),
            key: "behind_proxy".into(),
            value: true.into(),
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn collect_keys(prefix: &str, value: serde_json::Value, keys: &mut Vec<Key>) {
    match value {
        serde_json::Value::Object(section) => {
            for (name, value) in section {
                collect_keys(&path(prefix, &name), value, keys);
            }
        }
        default => {
            let variable = format!("{ENVIRONMENT_PREFIX}{}", prefix.replace('.', "_").to_uppercase());
            keys.push(Key { name: prefix.to_owned(), variable, default });
        }
    }
}

fn path(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

fn find_unknown(section: &str, values: &Dict, figment: &Figment, keys: &[Key], problems: &mut Vec<String>) {
    for (name, value) in values {
        let name = path(section, name);
        let is_section = keys.iter().any(|key| key.name.starts_with(&format!("{name}.")));
        match value {
            Value::Dict(_, inner) if is_section => find_unknown(&name, inner, figment, keys, problems),
            _ if is_section || keys.iter().any(|key| key.name == name) => {}
            unknown_value => {
                let source = source(
                    figment.get_metadata(unknown_value.tag()).or_else(|| figment.find_metadata(&name)),
                );
                let known: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
                problems.push(unknown(&name, &source, nearest_key(&name, &known)));
            }
        }
    }
}

/// The nearest known key: by its whole name, else by its last part alone, as for a key in the wrong section.
fn nearest_key<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let elsewhere = || {
        let lasts: Vec<String> = known.iter().map(|key| last(key)).collect();
        let lasts: Vec<&str> = lasts.iter().map(String::as_str).collect();
        let near = fields::nearest(&last(name), &lasts)?;
        known.iter().copied().find(|key| last(key) == near)
    };
    fields::nearest(name, known).or_else(elsewhere)
}

fn nearest_variable<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let bare: Vec<String> =
        known.iter().map(|name| name[ENVIRONMENT_PREFIX.len()..].to_lowercase()).collect();
    let bare: Vec<&str> = bare.iter().map(String::as_str).collect();
    let near = fields::nearest(&name[ENVIRONMENT_PREFIX.len()..], &bare)?;
    known.iter().zip(bare).find(|(_, bare)| *bare == near).map(|(name, _)| *name)
}

fn unknown(name: &str, source: &str, near: Option<&str>) -> String {
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    format!("{source}: unknown setting `{name}`{hint}")
}

/// A place as the person who has to change something there calls it.
fn source(metadata: Option<&Metadata>) -> String {
    match metadata {
        None => DEFAULT.into(),
        Some(metadata) if metadata.source.is_some() => DEFAULT.into(),
        Some(metadata) => metadata.name.clone().into_owned(),
    }
}

fn sentence(error: &figment::Error) -> String {
    let source = source(error.metadata.as_ref());
    match error.path.as_slice() {
        [] => format!("{source}: {}", error.kind),
        path => format!("{source}: `{}` is wrong: {}", path.join("."), error.kind),
    }
}

/// The rules that a type alone does not keep.
fn check(config: &Config) -> Result<(), ConfigError> {
    let mut problems = Vec::new();
    let mut between = |key: &str, value: u64, min: u64, max: u64| {
        if !(min..=max).contains(&value) {
            problems.push(format!("`{key}` must be between {min} and {max}; it is {value}"));
        }
    };
    between("shutdown_grace_seconds", config.shutdown_grace_seconds, 0, 3_600);
    between("guard.calls_per_number_per_day", config.guard.calls_per_number_per_day.into(), 1, 100);
    between("guard.wake_up_hours", config.guard.wake_up_hours.into(), 0, 8_760);
    let kept = &config.retention;
    between("retention.deleted_campaigns_days", kept.deleted_campaigns_days.into(), 1, 3_650);
    between("retention.events_days", kept.events_days.into(), 1, 3_650);
    between("retention.deliveries_days", kept.deliveries_days.into(), 1, 3_650);
    between("retention.import_files_days", kept.import_files_days.into(), 1, 3_650);
    between("retention.audit_days", kept.audit_days.into(), 1, 3_650);
    between("retention.recordings_days", kept.recordings_days.into(), 1, 3_650);
    between("retention.call_details_days", kept.call_details_days.unwrap_or(1).into(), 1, 3_650);
    between("quota.requests_per_hour", config.quota.requests_per_hour.into(), 1, 1_000_000_000);
    let per_session = config.quota.session_requests_per_hour;
    between("quota.session_requests_per_hour", per_session.into(), 1, 1_000_000_000);
    between("quota.unauthenticated_per_minute", config.quota.unauthenticated_per_minute.into(), 1, 1_000_000);
    between("limits.csv_megabytes", config.limits.csv_megabytes.into(), 1, 16_384);
    between("limits.connections", config.limits.connections.into(), 1, 100_000);
    between("limits.connections_per_address", config.limits.connections_per_address.into(), 1, 100_000);
    for host in config.hosts.iter().filter(|host| !is_host(host)) {
        problems.push(format!(
            "`hosts` is wrong: `{host}` is never what a client asks for; give the bare name as in calls.example.com (a name with \
             other letters as xn--…), without scheme, port, path or final dot, or `*` for all"
        ));
    }
    for origin in config.allowed_origins.iter().filter(|origin| !is_origin(origin)) {
        problems.push(format!(
            "`allowed_origins` is wrong: `{origin}` is no origin as a browser sends it; give scheme, name and port if it is not the \
             usual one, in small letters, as in https://app.example.com (a name with other letters as xn--…), without a path"
        ));
    }
    if config.tls.certificate.is_some() != config.tls.key.is_some() {
        problems.push("`tls.certificate` and `tls.key` go together; set both or neither".into());
    }
    if !config.address.is_loopback() && config.tls.certificate.is_none() && !config.behind_proxy {
        problems.push(format!(
            "`address` {} can be reached from other machines, and tokens must not travel unencrypted: set `tls.certificate` and \
             `tls.key`, or `behind_proxy` when a reverse proxy in front speaks TLS",
            config.address
        ));
    }
    if let Err(problem) = config.secret_key() {
        problems.push(problem);
    }
    if let Err(problem) = config.guard() {
        problems.push(format!("`guard.allowed_countries` is wrong: {problem}"));
    }
    if config.data.as_os_str().is_empty() {
        problems.push("`data` must name a folder; it is empty".into());
    }
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(&config.log.filter) {
        problems.push(format!("`log.filter` is wrong: {error}"));
    }
    check_trunks(config, &mut problems);
    if let Err(problem) = config.voice.check() {
        problems.push(format!("`voice` is wrong: {problem}"));
    }
    if let Err(problem) = config.agent.check() {
        problems.push(format!("`agent` is wrong: {problem}"));
    }
    if let Err(problem) = config.simulator.check() {
        problems.push(format!("`simulator` is wrong: {problem}"));
    }
    if problems.is_empty() { Ok(()) } else { Err(ConfigError(problems)) }
}

/// Whether a client can ask for a name like this one.
fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name == "*" || name.split('.').all(is_label)
}

fn is_origin(text: &str) -> bool {
    let is_one = |url: url::Url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
    };
    !text.contains('*') && url::Url::parse(text).is_ok_and(is_one)
}

/// A trunk rings real phones, so nobody may be surprised by where.
fn check_trunks(config: &Config, problems: &mut Vec<String>) {
    for (index, trunk) in config.trunks.iter().enumerate() {
        if let Err(problem) = trunk.check() {
            problems.push(format!("`trunks[{index}]` is wrong: {problem}"));
        }
        if config.trunks[..index].iter().any(|other| other.name == trunk.name) {
            problems.push(format!("`trunks[{index}]` is wrong: another one is called `{}`", trunk.name));
        }
    }
    if !config.trunks.is_empty() && config.says_no_countries() {
        problems.push(NO_COUNTRIES.into());
    }
}

fn in_force(config: &Config, keys: &[Key], figment: &Figment) -> Vec<InForce> {
    let values = serde_json::to_value(config).unwrap_or_default();
    let one = |key: &Key| {
        let value = key.name.split('.').try_fold(&values, |value, name| value.get(name)).cloned();
        let is_set = value.as_ref().is_some_and(|value| !value.is_null());
        InForce {
            key: key.name.clone(),
            value: if is_set && is_secret(&key.name) { MASKED.into() } else { value.unwrap_or_default() },
            source: source(figment.find_metadata(&key.name)),
        }
    };
    keys.iter().map(one).collect()
}

/// Whether a setting's value is nobody's business, going by its name.
fn is_secret(key: &str) -> bool {
    ["secret", "password", "token", "api_key", "secret_key"].iter().any(|word| key.ends_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The settings that result from a file, variables and flags.
    fn load(file: &str, environment: &[(&str, &str)], flags: Flags) -> Result<Loaded, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        if !file.is_empty() {
            std::fs::write(folder.path().join(FILE), file).unwrap();
        }
        let environment = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let (folder, installed) = (folder.path(), &folder.path().join("etc"));
        Loaded::new(Sources { defaults: Config::default(), folder, installed, environment, flags })
    }

    fn problems(file: &str, environment: &[(&str, &str)]) -> Vec<String> {
        load(file, environment, Flags::default()).unwrap_err().0
    }

    fn in_force(loaded: &Loaded, key: &str) -> (serde_json::Value, String) {
        let found = loaded.in_force.iter().find(|one| one.key == key).unwrap();
        (found.value.clone(), found.source.clone())
    }

    #[test]
    fn without_any_source_the_documented_defaults_are_in_force() {
        let loaded = load("", &[("HOME", "/root"), ("VCX", "1")], Flags::default()).unwrap();
        assert_eq!(loaded.config, Config::default());
        assert!(loaded.in_force.iter().all(|one| one.source == "default"), "{:?}", loaded.in_force);
        assert_eq!(in_force(&loaded, "quota.requests_per_hour").0, json!(1000));
    }

    #[test]
    fn every_setting_is_explained_and_says_where_it_comes_from() {
        let flags = Flags { port: Some(1), ..Flags::default() };
        let loaded = load("[quota]\nrequests_per_hour = 5\n", &[("VC_LOG_FILTER", "warn")], flags).unwrap();
        let shown = loaded.shown();
        assert_eq!(shown.len(), Config::keys().len());
        for one in &shown {
            assert!(one.description.len() > 5 && !one.description.contains("| "), "{one:?}");
        }
        let source = |key: &str| shown.iter().find(|one| one.key == key).unwrap().source;
        assert_eq!(
            ["port", "quota.requests_per_hour", "log.filter", "data"].map(source),
            ["flag", "file", "environment", "default"]
        );
        let port = shown.iter().find(|one| one.key == "port").unwrap();
        assert_eq!((&port.value, &port.default), (&json!(1), &json!(8000)));
        assert_eq!(port.description, "port to listen on; 0 picks a free one");
    }

    #[test]
    fn flags_win_over_the_environment_which_wins_over_the_file() {
        let file = "port = 1\naddress = \"::1\"\ndata = \"file\"\ndefault_country = \"de\"\n[quota]\nrequests_per_hour = 5\n";
        let environment =
            [("VC_PORT", "2"), ("VC_DATA", "2024"), ("VC_QUOTA_UNAUTHENTICATED_PER_MINUTE", "9")];
        let flags = Flags { port: Some(3), ..Flags::default() };
        let loaded = load(file, &environment, flags).unwrap();
        let config = &loaded.config;
        assert_eq!((config.port, config.data.as_path()), (3, Path::new("2024")));
        assert_eq!(in_force(&loaded, "default_country"), (json!("DE"), FILE.into()));
        let expected =
            Quota { requests_per_hour: 5, session_requests_per_hour: 20_000, unauthenticated_per_minute: 9 };
        assert_eq!(config.quota, expected);
        assert_eq!(in_force(&loaded, "port"), (json!(3), "--port".into()));
        assert_eq!(in_force(&loaded, "data"), (json!("2024"), "VC_DATA".into()));
        assert_eq!(in_force(&loaded, "address"), (json!("::1"), FILE.into()));
        assert_eq!(in_force(&loaded, "quota.requests_per_hour"), (json!(5), FILE.into()));
        assert_eq!(in_force(&loaded, "limits.csv_megabytes"), (json!(256), "default".into()));
    }

    #[test]
    fn a_trunk_must_be_usable_and_may_not_call_just_anywhere() {
        const TRUNK: &str = "[[trunks]]\nname = \"main\"\nhost = \"sip.example.com\"\n";
        let open = problems(TRUNK, &[]);
        assert!(open[0].starts_with("`guard.allowed_countries` must say where a trunk may call"), "{open:?}");
        for (name, value) in [
            ("VC_GUARD_ALLOWED_COUNTRIES", "US,CA"),
            ("VC_GUARD_ALLOWED_COUNTRIES", "*"),
            ("VC_DEFAULT_COUNTRY", "DE"),
        ] {
            assert!(load(TRUNK, &[(name, value)], Flags::default()).is_ok(), "{value}");
        }
        let two = problems(&format!("default_country = \"US\"\n{TRUNK}channels = 0\n{TRUNK}"), &[]);
        assert!(two[0].starts_with("`trunks[0]` is wrong: channels"), "{two:?}");
        assert_eq!(two[1], "`trunks[1]` is wrong: another one is called `main`");
        let unknown = problems(&format!("default_country = \"US\"\n{TRUNK}hots = \"x\"\n"), &[]);
        assert!(unknown[0].contains("hots"), "{unknown:?}");
    }

    #[test]
    fn a_trunk_may_come_from_the_environment_and_shows_no_password() {
        let trunk = r#"[{name="main",host="sip.example.com:5080",username="me",password="hunter2"}]"#;
        let environment = [("VC_TRUNKS", trunk), ("VC_DEFAULT_COUNTRY", "US"), ("VC_VOICE_API_KEY", "sk-1")];
        let loaded = load("", &environment, Flags::default()).unwrap();
        assert_eq!(loaded.config.trunks[0].password.as_ref().unwrap().reveal(), "hunter2");
        assert_eq!(loaded.config.voice.api_key.as_ref().unwrap().reveal(), "sk-1");
        let shown = serde_json::to_string(&loaded.in_force).unwrap() + &format!("{loaded:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("sk-1"), "{shown}");
    }

    #[test]
    fn every_setting_has_a_variable_of_its_own() {
        let mut variables: Vec<String> = Config::keys().into_iter().map(|key| key.variable).collect();
        let expected =
            ["VC_DATA", "VC_ADDRESS", "VC_PORT", "VC_SIMULATOR_SPEED", "VC_SIMULATOR_SEED", "VC_LOG_FILTER"];
        for variable in expected {
            assert!(variables.iter().any(|known| known == variable), "{variable}");
        }
        let all = variables.len();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), all);
    }

    #[test]
    fn unknown_names_are_refused_all_at_once_with_the_place_and_the_nearest_known_one() {
        assert_eq!(
            problems("prot = 1\nxyz = 2\n[quota]\nrequest_per_hour = 5\n[nothing]\nspeed = 2\n", &[]),
            [
                "voice-campaigns.toml: unknown setting `nothing`",
                "voice-campaigns.toml: unknown setting `prot`; did you mean `port`?",
                "voice-campaigns.toml: unknown setting `quota.request_per_hour`; did you mean `quota.requests_per_hour`?",
                "voice-campaigns.toml: unknown setting `xyz`",
            ]
        );
        assert_eq!(
            problems("speed = 2", &[("VC_SIMULATR_SPEED", "2"), ("VC_QQQ", "1")]),
            [
                "environment: unknown setting `VC_SIMULATR_SPEED`; did you mean `VC_SIMULATOR_SPEED`?",
                "environment: unknown setting `VC_QQQ`",
                "voice-campaigns.toml: unknown setting `speed`; did you mean `simulator.speed`?",
            ]
        );
    }

    #[test]
    fn values_of_the_wrong_kind_are_refused_with_the_place_they_come_from() {
        for (file, environment, start) in [
            ("", vec![("VC_PORT", "http")], "VC_PORT: `port` is wrong: "),
            ("", vec![("VC_PORT", "65536")], "VC_PORT: `port` is wrong: "),
            ("", vec![("VC_ADDRESS", "everywhere")], "VC_ADDRESS: `address` is wrong: "),
            ("port = \"x\"", vec![], "voice-campaigns.toml: `port` is wrong: "),
            ("quota = 5", vec![], "voice-campaigns.toml: `quota` is wrong: "),
            (
                "[quota]\nrequests_per_hour = -1",
                vec![],
                "voice-campaigns.toml: `quota.requests_per_hour` is wrong: ",
            ),
            ("port = = 1", vec![], "voice-campaigns.toml: "),
        ] {
            let found = problems(file, &environment);
            assert!(found.len() == 1 && found[0].starts_with(start), "{found:?}");
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused_all_at_once() {
        let file = "shutdown_grace_seconds = 86400\ndata = \"\"\n[log]\nfilter = \"a=b=c\"\n[retention]\nevents_days = 0\n[guard]\nallowed_countries = [\"USA\"]\n";
        let found = problems(file, &[("VC_QUOTA_REQUESTS_PER_HOUR", "0")]);
        assert_eq!(found.len(), 6, "{found:?}");
        assert_eq!(found[0], "`shutdown_grace_seconds` must be between 0 and 3600; it is 86400");
    }

    #[test]
    fn a_list_of_countries_comes_as_a_list_or_with_commas_and_money_as_a_number() {
        let guard = |file: &str, environment: &[(&str, &str)]| {
            load(file, environment, Flags::default()).unwrap().config.guard().unwrap()
        };
        let countries = |guard: guard::Guard| guard.countries.words();
        let away_max = Some(TimeDelta::hours(12));
        assert_eq!(guard("", &[]), guard::Guard { away_max, ..guard::Guard::default() });
        assert_eq!(guard("", &[("VC_GUARD_WAKE_UP_HOURS", "0")]), guard::Guard::default());
        assert_eq!(countries(guard("", &[("VC_GUARD_ALLOWED_COUNTRIES", "US, ca,")])), ["US", "CA"]);
        assert_eq!(countries(guard("", &[("VC_GUARD_ALLOWED_COUNTRIES", "[US, CA]")])), ["US", "CA"]);
        assert_eq!(countries(guard("", &[("VC_GUARD_ALLOWED_COUNTRIES", "no")])), ["NO"]);
        assert_eq!(countries(guard("", &[("VC_GUARD_ALLOWED_COUNTRIES", "*")])), ["*"]);
        assert_eq!(countries(guard("[guard]\nallowed_countries = [\"gb\"]", &[])), ["GB"]);
        assert_eq!(countries(guard("", &[("VC_DEFAULT_COUNTRY", "us")])), ["US"]);
        let spend = |amount: &str| guard("", &[("VC_GUARD_SPEND_PER_DAY", amount)]).spend_per_day;
        assert_eq!(spend("100"), Some(Money::from_ten_thousandths(1_000_000)));
        assert_eq!(spend("0.25"), Some(Money::from_ten_thousandths(2_500)));
        for (variable, value) in [
            ("VC_GUARD_ALLOWED_COUNTRIES", "USA"),
            ("VC_GUARD_ALLOWED_COUNTRIES", "7"),
            ("VC_GUARD_SPEND_PER_DAY", "-1"),
            ("VC_GUARD_SPEND_PER_DAY", "0.00001"),
            ("VC_GUARD_CALLS_PER_NUMBER_PER_DAY", "0"),
            ("VC_DEFAULT_COUNTRY", "Germany"),
        ] {
            let found = problems("", &[(variable, value)]);
            let key = variable[3..].to_lowercase();
            let last = key.split_once('_').map_or(key.as_str(), |(_, last)| last);
            assert!(found.len() == 1 && found[0].contains(last), "{found:?}");
        }
    }

    #[test]
    fn a_file_that_is_named_is_read_instead_and_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one.toml"), folder.path().join("other.toml"));
        std::fs::write(&one, "port = 7\n").unwrap();
        std::fs::write(&other, "prot = 8\n").unwrap();
        let named = |path: &Path| Flags { config: Some(path.to_owned()), ..Flags::default() };
        let (name, none) = (one.to_str().unwrap().to_owned(), folder.path().join("none.toml"));
        let loaded = load("port = 1\naddress = \"::1\"\n", &[], named(&one)).unwrap();
        assert_eq!(in_force(&loaded, "port"), (json!(7), name.clone()));
        assert_eq!(in_force(&loaded, "address").1, "default");
        assert_eq!(loaded.shown().iter().find(|shown| shown.key == "port").unwrap().source, "file");
        let variable = [("VC_CONFIG", name.as_str())];
        assert_eq!(in_force(&load("port = 1", &variable, Flags::default()).unwrap(), "port").0, json!(7));
        let found = load("", &variable, named(&other)).unwrap_err().0;
        let expected = format!("{}: unknown setting `prot`; did you mean `port`?", other.display());
        assert_eq!(found, [expected], "the flag wins");
        let found = load("", &[], named(&none)).unwrap_err().0;
        assert_eq!(found, [format!("{}: No such file or directory (os error 2)", none.display())]);
    }

    #[test]
    fn whoever_reads_no_file_learns_of_the_one_that_the_installed_server_reads() {
        let (here, etc) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let load = |flags: Flags| {
            let (folder, installed) = (here.path(), etc.path());
            let environment = Vec::new();
            Loaded::new(Sources { defaults: Config::default(), folder, installed, environment, flags })
                .unwrap()
        };
        assert_eq!(load(Flags::default()).unread, None);
        let file = etc.path().join(FILE);
        std::fs::write(&file, "port = 7\n").unwrap();
        let loaded = load(Flags::default());
        assert_eq!((loaded.unread.as_ref(), loaded.config.port), (Some(&file), 8000));
        assert_eq!(load(Flags { config: Some(file), ..Flags::default() }).unread, None);
        std::fs::write(here.path().join(FILE), "port = 8\n").unwrap();
        assert_eq!(load(Flags::default()).unread, None);
    }

    #[test]
    fn a_host_is_a_bare_name_that_a_client_can_ask_for() {
        let hosts = |text: &str| load("", &[("VC_HOSTS", text)], Flags::default());
        for text in ["*", "calls.example.com", "calls.example.com, intranet", "xn--bcher-kva.example", ""] {
            assert!(hosts(text).is_ok(), "{text}");
        }
        for text in [
            "https://calls.example.com",
            "calls.example.com:8443",
            "calls.example.com.",
            "calls.example.com/",
            "bücher.example",
            "*.example.com",
            "a b",
        ] {
            let found = hosts(text).unwrap_err().0;
            let start = format!("`hosts` is wrong: `{text}` is never what a client asks for; ");
            assert!(found.len() == 1 && found[0].starts_with(&start), "{found:?}");
        }
    }

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        let origins = |text: &str| load("", &[("VC_ALLOWED_ORIGINS", text)], Flags::default());
        for text in [
            "https://app.example.com",
            "http://localhost:3000, https://[::1]:8443",
            "https://xn--bcher-kva.example",
            "",
        ] {
            assert!(origins(text).is_ok(), "{text}");
        }
        for text in [
            "*",
            "null",
            "app.example.com",
            "https://app.example.com/",
            "https://app.example.com:443",
            "https://App.example.com",
            "https://bücher.example",
            "https://*.example.com",
            "https://me@app.example.com",
            "ftp://app.example.com",
            "file:///index.html",
        ] {
            let found = origins(text).unwrap_err().0;
            let start = format!("`allowed_origins` is wrong: `{text}` is no origin as a browser sends it; ");
            assert!(found.len() == 1 && found[0].starts_with(&start), "{found:?}");
        }
    }

    #[test]
    fn a_secret_is_known_by_its_name() {
        assert!(is_secret("sip.password") && is_secret("agent.api_key") && is_secret("webhook_secret"));
        let secret: Vec<String> =
            Config::keys().into_iter().map(|key| key.name).filter(|name| is_secret(name)).collect();
        let parts =
            ["agent.api_key", "agent.chat.api_key", "agent.transcription.api_key", "agent.realtime.api_key"];
        assert_eq!(secret, [&["secret_key", "voice.api_key"][..], &parts[..]].concat());
    }

    #[test]
    fn the_key_of_secrets_is_the_setting_or_a_credential() {
        let hex = "0f".repeat(32);
        let loaded = load("", &[("VC_SECRET_KEY", &hex)], Flags::default()).unwrap();
        assert_eq!(loaded.config.secret_key(), Ok(SecretKey::of_text(&hex)));
        assert!(!format!("{loaded:?}").contains(&hex));
        assert_eq!(in_force(&loaded, "secret_key").0, json!(MASKED));
        assert_eq!(
            problems("secret_key = \"short\"", &[]),
            ["`secret_key` must be 32 bytes in base64 or hex"]
        );
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(credential(folder.path()), Ok(None));
        std::fs::write(folder.path().join("voice-campaigns.key"), format!("{hex}\n")).unwrap();
        assert_eq!(credential(folder.path()), Ok(SecretKey::of_text(&hex)));
        std::fs::write(folder.path().join("voice-campaigns.key"), "short").unwrap();
        assert!(
            credential(folder.path()).unwrap_err().ends_with("must be 32 bytes, or these in base64 or hex")
        );
    }
}
