//! The command line: what can be asked of the program in a terminal or a script, and what it answers. Answers
//! go to standard output, everything else to standard error.
//!
//! Exit codes: 0 done · 1 failed, or `check` found something · 2 the command line is wrong · 78 the settings or
//! the data cannot be used, and starting again will not help.

use crate::agent;
use crate::clock::{Clock, System};
use crate::config::{Config, ConfigError, FILE, Flags, InForce, Loaded, Sources};
use crate::demo;
use crate::domain::Instant;
use crate::domain::call::CallState;
use crate::domain::fields::Words;
use crate::domain::guard;
use crate::domain::imports::{Format, OnDuplicate};
use crate::domain::other_call;
use crate::domain::phone::{self, Phone, Unprefixed};
use crate::domain::schedule::{self, format_instant};
use crate::domain::script_preview::Values;
use crate::domain::trunk::Password;
use crate::line;
use crate::log;
use crate::server::{self, Server, StartError};
use crate::speech;
use crate::store::backup::{self, Backup, BackupError, Restored};
use crate::store::check::{self, Finding, sqlite_version};
use crate::store::import::{self, DryRun, ImportOptions};
use crate::store::{
    self, Deed, Import, NewImport, NewTrial, OpenError, Payload, Scope, Store, StoreError, Tx,
};
use crate::token;
use anyhow::{Context, Result, anyhow, bail};
use chrono::TimeDelta;
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A self-hosted server that creates, schedules, runs and watches automated calling campaigns.
#[derive(Parser)]
#[command(name = "voice-campaigns", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    serve: Listen,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (this is the default)
    Serve(Listen),
    /// Run a server with a throw-away data folder and three campaigns that call simulated people
    Demo {
        /// Port to listen on; 0 picks a free one [default: 8000]
        #[arg(long)]
        port: Option<u16>,
    },
    /// Show the settings in force and check the data; exit 1 if something is wrong with it
    Check {
        #[command(flatten)]
        data: Data,
        /// Answer in JSON
        #[arg(long)]
        json: bool,
        /// Also look for the trunks and try the voice; places no call
        #[arg(long, conflicts_with = "json")]
        carrier: bool,
        /// Try every server of the agent instead; places no call
        #[arg(long, conflicts_with_all = ["json", "carrier"])]
        agent: bool,
    },
    /// Copy the database to a new file, also while the server runs; `backup verify FILE` looks at such a copy
    #[command(args_conflicts_with_subcommands = true)]
    Backup {
        /// The new file; its SHA-256 goes beside it, to FILE.sha256
        #[arg(required = true)]
        file: Option<PathBuf>,
        #[command(flatten)]
        data: Data,
        #[command(subcommand)]
        command: Option<BackupCommand>,
    },
    /// Put a backup in the place of the database, while no server runs; what was there is kept
    Restore {
        /// The backup, with its FILE.sha256 beside it
        file: PathBuf,
        #[command(flatten)]
        data: Data,
    },
    /// Make, list and revoke API tokens, also while the server runs
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Say that the clock of this machine is right, when the server holds dialing because it was set back
    TrustClock {
        #[command(flatten)]
        data: Data,
    },
    /// Stop or start all dialing of the server, also while it runs
    Dialing {
        #[command(subcommand)]
        command: DialingCommand,
    },
    /// Have the server that runs call one number, once, to hear what the leads of a campaign would hear
    TestCall {
        /// The campaign; whatever its status, hours, limits and budget
        campaign_id: i64,
        /// The number, such as +12025550101
        phone: String,
        /// The lead whose values are said
        #[arg(long)]
        lead: Option<i64>,
        #[command(flatten)]
        data: Data,
    },
    /// Import leads from a CSV or Excel file, and report what became of its rows
    Import {
        /// The campaign they belong to
        campaign_id: i64,
        /// The file; what its columns are is found out, and those nobody knows become script variables
        file: PathBuf,
        /// Country of numbers without a country code, such as US or DE, or `international` if they all have theirs and
        /// only their + is missing [default: the setting `default_country`]
        #[arg(long, value_parser = unprefixed)]
        country: Option<Unprefixed>,
        /// Only report what would become of the rows
        #[arg(long)]
        dry_run: bool,
        /// What to do with numbers that the campaign has: skip, update or reject
        #[arg(long, default_value = "skip", value_parser = on_duplicate)]
        on_duplicate: OnDuplicate,
        /// Import nothing if any row is bad
        #[arg(long)]
        all_or_nothing: bool,
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Subcommand)]
enum BackupCommand {
    /// Say whether a backup is whole, ours, and adds up
    Verify {
        /// The backup, with its FILE.sha256 beside it
        file: PathBuf,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a token and print it; it is not shown again
    Create {
        /// What it is for
        #[arg(long, value_parser = token_name)]
        name: String,
        /// What it may do: read (look), write (also change), admin (also manage tokens)
        #[arg(long, default_value = "write", value_parser = scope)]
        scope: Scope,
        /// From when on it counts no more: a time, or the last day on which it counts (UTC); it stays unless said
        #[arg(long, value_name = "TIME", value_parser = future)]
        expires_at: Option<Instant>,
        #[command(flatten)]
        data: Data,
    },
    /// List all tokens, without the tokens themselves
    List {
        #[command(flatten)]
        data: Data,
    },
    /// End a token, at once
    Revoke {
        /// Its id, or its name
        token: String,
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Subcommand)]
enum DialingCommand {
    /// Stop every dial of all campaigns at once; it stays so over a restart
    Stop {
        /// Why, for whoever wonders
        #[arg(long)]
        reason: Option<String>,
        /// End the calls that are alive as well
        #[arg(long)]
        hang_up: bool,
        #[command(flatten)]
        data: Data,
    },
    /// Let a server go on that was away for long, or works on a copy of its data
    Release {
        #[command(flatten)]
        data: Data,
    },
    /// Let dialing go on
    Start {
        #[command(flatten)]
        data: Data,
    },
    /// Say whether the server dials, and within which limits
    Status {
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Args)]
struct Data {
    /// Data folder [default: data]
    #[arg(long = "data", value_name = "DIR")]
    folder: Option<PathBuf>,
    /// File with the settings [default: voice-campaigns.toml in the working directory]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args)]
struct Listen {
    #[command(flatten)]
    data: Data,
    /// Address to listen on [default: 127.0.0.1]
    #[arg(long)]
    address: Option<IpAddr>,
    /// Port to listen on; 0 picks a free one [default: 8000]
    #[arg(long)]
    port: Option<u16>,
    /// A reverse proxy on this machine speaks TLS with the clients and says who they are
    #[arg(long)]
    behind_proxy: bool,
}

impl From<Data> for Flags {
    fn from(data: Data) -> Flags {
        Flags { data: data.folder, config: data.config, ..Flags::default() }
    }
}

impl From<Listen> for Flags {
    fn from(listen: Listen) -> Flags {
        Flags {
            address: listen.address,
            port: listen.port,
            behind_proxy: listen.behind_proxy,
            ..listen.data.into()
        }
    }
}

fn unprefixed(text: &str) -> Result<Unprefixed, String> {
    let wrong = || "must be a country of two letters, such as US or DE, or `international`".to_owned();
    Unprefixed::parse(text).ok_or_else(wrong)
}

fn on_duplicate(text: &str) -> Result<OnDuplicate, String> {
    OnDuplicate::from_word(text).ok_or_else(|| "must be skip, update or reject".to_owned())
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::from_word(text).ok_or_else(|| "must be read, write or admin".to_owned())
}

fn future(text: &str) -> Result<Instant, String> {
    schedule::parse_end(text, System::new().now())
}

fn token_name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must not be blank".into()),
        name if name.chars().count() > 200 || name.chars().any(char::is_control) => {
            Err("must be one line of at most 200 characters".into())
        }
        name => Ok(name.to_owned()),
    }
}

/// Does what the arguments of this process ask for.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve(cli.serve.into()),
        Some(Command::Serve(listen)) => serve(listen.into()),
        Some(Command::Demo { port }) => demo(port),
        Some(Command::Check { data, carrier: true, .. }) => check_carrier(data.into()),
        Some(Command::Check { data, agent: true, .. }) => check_agent(data.into()),
        Some(Command::Check { data, json, carrier: false, agent: false }) => check(data.into(), json),
        Some(Command::Backup { command: Some(BackupCommand::Verify { file }), .. }) => verify(&file),
        Some(Command::Backup { file, data, command: None }) => back_up(data.into(), file.unwrap_or_default()),
        Some(Command::Restore { file, data }) => restore(data.into(), &file),
        Some(Command::Token { command }) => tokens(command),
        Some(Command::TrustClock { data }) => trust_clock(data.into()),
        Some(Command::Dialing { command }) => dialing(command),
        Some(Command::TestCall { campaign_id, phone, lead, data }) => {
            test_call(data.into(), campaign_id, &phone, lead)
        }
        Some(Command::Import { campaign_id, file, country, dry_run, on_duplicate, all_or_nothing, data }) => {
            let options =
                ImportOptions { partial: !all_or_nothing, on_duplicate, ..ImportOptions::default() };
            import_file(data.into(), campaign_id, &file, country, options, dry_run)
        }
    };
    done.unwrap_or_else(|error| {
        for line in format!("{error:#}").lines() {
            let _ = writeln!(io::stderr(), "voice-campaigns: {line}");
        }
        ExitCode::from(if is_final(&error) { CANNOT_BE_USED } else { 1 })
    })
}

/// `EX_CONFIG` of sysexits.h: a supervisor need not try again.
const CANNOT_BE_USED: u8 = 78;

fn is_final(error: &anyhow::Error) -> bool {
    error.is::<ConfigError>()
        || error.downcast_ref().is_some_and(|error: &OpenError| !error.passes_by_itself())
        || matches!(error.downcast_ref(), Some(BackupError::Open(error)) if !error.passes_by_itself())
        || matches!(error.downcast_ref(), Some(StartError::Refused(_)))
}

/// Reads the settings. Whoever works beside a server that was installed learns that these are not its settings.
fn load(flags: Flags) -> Result<Loaded, ConfigError> {
    let loaded = Loaded::new(Sources::of_this_process(Config::default(), flags))?;
    if let Some(file) = &loaded.unread {
        let file = file.display();
        let _ = writeln!(
            io::stderr(),
            "voice-campaigns: there is no {FILE} here, and {file} is not read; if that is what the server reads, add --config {file}"
        );
    }
    Ok(loaded)
}

fn serve(flags: Flags) -> Result<ExitCode> {
    let loaded = load(flags)?;
    let config = &loaded.config;
    log::start(&config.log.filter);
    warn_root();
    runtime()?.block_on(async {
        let server = Server::start(&loaded, Arc::new(System::new())).await?;
        let link = first_token(&server).await?;
        say(&format!("listening on {}", server.url()));
        if let Some(link) = link {
            say(&format!("first start; sign in with this link, it is not shown again:\n{link}"));
        }
        server.run_until_signal().await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// In a container the superuser is often nobody else; anywhere else it is everybody.
fn warn_root() {
    let is_contained = ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists())
        || std::env::var_os("container").is_some();
    if rustix::process::geteuid().is_root() && !is_contained {
        tracing::warn!(
            "running as root, which is not needed; run it as a user of its own, as the unit for systemd does"
        );
    }
}

fn back_up(flags: Flags, file: PathBuf) -> Result<ExitCode> {
    let config = load(flags)?.config;
    must_exist(&config)?;
    let Backup { bytes, sha256, .. } = backup::make(&config.data, &file)?;
    say(&format!("{} has {bytes} bytes; SHA-256 {sha256}", file.display()));
    let note =
        "suppression.key and secret.key are not in it: keep copies of these files too, in another place";
    let _ = writeln!(io::stderr(), "{note}");
    Ok(ExitCode::SUCCESS)
}

fn verify(file: &Path) -> Result<ExitCode> {
    let Backup { bytes, sha256, schema_version, sealed_under } = backup::verify(file)?;
    say(&format!(
        "{} is sound: {bytes} bytes, schema version {schema_version}, SHA-256 {sha256}",
        file.display()
    ));
    for key in sealed_under {
        say(&format!(
            "secrets in it are sealed under the key {key}, which is not in it: `secret_key`, or secret.key of its folder"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn restore(flags: Flags, file: &Path) -> Result<ExitCode> {
    let config = load(flags)?.config;
    let key = config.secret_key().map_err(|problem| anyhow!(problem))?;
    let Restored { backup, replaced, lacks_key, carried_over } =
        backup::restore(file, &config.data, System::new().now())?;
    say(&format!(
        "{} is the database of {} now; {} bytes",
        file.display(),
        config.data.display(),
        backup.bytes
    ));
    if let Some(replaced) = replaced {
        say(&format!("what was there is in {}", replaced.display()));
    }
    match carried_over {
        Some(0) => {}
        Some(numbers) => say(&format!(
            "{numbers} numbers that nobody may call were taken over from what was there; leads with them are not called"
        )),
        None => say(
            "what was there cannot be read: whoever said no since that backup was made may be called again",
        ),
    }
    say(
        "nobody is called yet: whoever was called or lost a token since that backup was made is as before it; look, then \
         run `voice-campaigns dialing release`",
    );
    let present = store::key_id(&config.data, key.as_ref())?;
    for missing in backup.sealed_under.iter().filter(|key| Some(*key) != present.as_ref()) {
        say(&format!(
            "secrets in it were sealed under the key {missing}, which is not here: put secret.key of that time into the \
             folder, or set `secret_key`, else give webhooks new secrets and trunks their passwords"
        ));
    }
    if lacks_key {
        say(
            "suppression.key is missing: people were erased, and without the key that belongs to this backup the server \
             does not start",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn demo(port: Option<u16>) -> Result<ExitCode> {
    let data = demo::folder()?;
    let flags = Flags { data: Some(data.path().to_owned()), port, ..Flags::default() };
    let loaded = Loaded::new(Sources::of_this_process(demo::defaults(), flags))?;
    log::start(&loaded.config.log.filter);
    runtime()?.block_on(demo::run(&loaded, Arc::new(System::new())))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a line for whoever watches; nobody watching any more is no reason to stop a server.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// There is no default credential: the first start makes a token. The answer is a link for the terminal; without
/// one the token goes to a file that only this user can read.
async fn first_token(server: &Server) -> Result<Option<String>> {
    let store = server.store();
    let known = store.read(|snapshot| snapshot.tokens()).await?;
    if !known.is_empty() {
        let in_force = |text: &str| store.token_by_hash(&token::hash(text));
        store.forget_first_token(|text| {
            in_force(text).is_ok_and(|token| token.is_none_or(|token| token.last_used_at.is_some()))
        });
        return Ok(None);
    }
    let (token, hash) = token::generate().context("the system gives no random numbers")?;
    let link = io::stdout().is_terminal().then(|| format!("{}/#token={token}", server.url()));
    if link.is_none() {
        // Written before the token is in force: a crash in between leaves a useless file, not a lost token.
        let path = store.first_token_file();
        write_secret(&path, &token).with_context(|| format!("cannot write {}", path.display()))?;
        let _ =
            writeln!(io::stderr(), "first start; the admin token is in {} until it is used", path.display());
    }
    store.write(move |tx| tx.create_token("first token", Scope::Admin, None, &hash)).await?;
    Ok(link)
}

fn write_secret(path: &Path, secret: &str) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}

fn tokens(command: TokenCommand) -> Result<ExitCode> {
    match command {
        TokenCommand::Create { name, scope, expires_at, data } => {
            let config = load(data.into())?.config;
            let is_there = store::data_file(&config.data).exists();
            let (token, hash) = token::generate().context("the system gives no random numbers")?;
            with_store(&config, async |store| {
                store
                    .write(move |tx| {
                        let id = tx.create_token(&name, scope, expires_at, &hash)?;
                        tx.note(&Deed::of_command(OPERATOR, "token create", id))
                    })
                    .await
            })?;
            if !is_there {
                let folder = absolute(&config.data);
                let _ =
                    writeln!(io::stderr(), "voice-campaigns: made a new data folder in {}", folder.display());
            }
            writeln!(io::stdout(), "{token}")
                .context("the token was made, but nobody could read it; make another")?;
        }
        TokenCommand::List { data } => {
            let config = load(data.into())?.config;
            must_exist(&config)?;
            let rows = with_store(&config, async |store| store.read(|snapshot| snapshot.tokens()).await)?;
            let mut out = io::stdout().lock();
            writeln!(
                out,
                "{:>4}  {:<5}  {:<20}  {:<20}  {:<20}  {:<20}  NAME",
                "ID", "SCOPE", "CREATED", "LAST USED", "EXPIRES", "REVOKED"
            )?;
            for row in rows {
                writeln!(
                    out,
                    "{:>4}  {:<5}  {:<20}  {:<20}  {:<20}  {:<20}  {}",
                    row.id,
                    row.scope.word(),
                    format_instant(row.created_at),
                    shown(row.last_used_at),
                    shown(row.expires_at),
                    shown(row.revoked_at),
                    row.name
                )?;
            }
        }
        TokenCommand::Revoke { token, data } => {
            let config = load(data.into())?.config;
            must_exist(&config)?;
            let revoked =
                with_store(&config, async |store| store.write(move |tx| revoke(tx, &token)).await)??;
            let _ = writeln!(io::stderr(), "revoked token {revoked}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(at: Option<Instant>) -> String {
    at.map_or_else(|| "-".into(), format_instant)
}

/// Revokes the token with this id, or the only one with this name.
fn revoke(tx: &store::Tx, wanted: &str) -> Result<Result<i64>, StoreError> {
    let live: Vec<_> = tx.tokens()?.into_iter().filter(|row| row.revoked_at.is_none()).collect();
    let by_id = live.iter().find(|row| row.id.to_string() == wanted).map(|row| row.id);
    let by_name: Vec<i64> = live.iter().filter(|row| row.name == wanted).map(|row| row.id).collect();
    let id = match (by_id, by_name.as_slice()) {
        (Some(id), _) => id,
        (None, [id]) => *id,
        (None, []) => return Ok(Err(anyhow!("there is no token in force with the id or name `{wanted}`"))),
        (None, several) => {
            let ids: Vec<String> = several.iter().map(i64::to_string).collect();
            return Ok(Err(anyhow!(
                "several tokens are called `{wanted}`; say which id: {}",
                ids.join(", ")
            )));
        }
    };
    tx.revoke_token(id)?;
    tx.note(&Deed::of_command(OPERATOR, "token revoke", id))?;
    Ok(Ok(id))
}

fn check(flags: Flags, as_json: bool) -> Result<ExitCode> {
    let Loaded { config, in_force, .. } = load(flags)?;
    must_exist(&config)?;
    let ledger = Some(config.data.join(LEDGER)).filter(|ledger| ledger.exists());
    let findings = with_store(&config, async |store| {
        // A file too damaged to be recounted is what was asked for, not a failure to answer.
        let found = check::run(&store, ledger.as_deref()).await;
        anyhow::Ok(found.unwrap_or_else(|error| vec![unreadable(&error)]))
    })?;
    let is_fine = findings.iter().all(|finding| finding.ok);
    let mut out = io::stdout().lock();
    match as_json {
        true => writeln!(out, "{:#}", report(is_fine, &config, &in_force, &findings))?,
        false => write_report(&mut out, is_fine, &config, &in_force, &findings)?,
    }
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says of the voice and of every trunk whether it can be used.
fn check_carrier(flags: Flags) -> Result<ExitCode> {
    let config = load(flags)?.config;
    log::start(&config.log.filter);
    let mut out = io::stdout().lock();
    let mut trunks = config.trunks.clone();
    let mut locked = Vec::new();
    if store::data_file(&config.data).exists() {
        let stored = with_store(&config, async |store| store.read(|snapshot| snapshot.trunks()).await)?;
        for trunk in stored {
            let name = trunk.settings.name.clone();
            match line::sip_trunk(&trunk.settings, &trunk.password) {
                Ok(_) if trunk.password == Password::Locked => {
                    locked.push((format!("trunk {name}"), Err(line::LOCKED.to_owned())));
                }
                Ok(trunk) => trunks.push(trunk),
                Err(invalid) => locked.push((format!("trunk {name}"), Err(invalid.to_string()))),
            }
        }
    }
    if trunks.is_empty() && locked.is_empty() {
        writeln!(out, "no trunk is configured: the simulator carries all calls")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut found = runtime()?.block_on(server::check_carrier(&config, &trunks, Arc::new(System::new())));
    found.extend(locked);
    write_found(&mut out, &found)
}

/// Tries each server of the agent, with the voice of the settings.
fn check_agent(flags: Flags) -> Result<ExitCode> {
    let config = load(flags)?.config;
    log::start(&config.log.filter);
    let mut out = io::stdout().lock();
    if config.agent.kind.is_none() {
        writeln!(out, "no agent is configured: set agent.kind to cascade or realtime")?;
        return Ok(ExitCode::SUCCESS);
    }
    let found = runtime()?.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(System::new());
        // Nothing of what is said is kept.
        let voice = speech::open(&config.voice, &config.data, clock.clone());
        agent::check(&config.agent, voice, clock).await
    });
    write_found(&mut out, &found)
}

/// What was looked for, and what was found or is wrong.
fn write_found(out: &mut impl Write, found: &[(String, Result<String, String>)]) -> Result<ExitCode> {
    for (what, state) in found {
        match state {
            Ok(state) => writeln!(out, "ok      {what}: {state}")?,
            Err(problem) => writeln!(out, "BROKEN  {what}: {problem}")?,
        }
    }
    Ok(if found.iter().all(|(_, state)| state.is_ok()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How often it is looked how far a test call has come.
const LOOK_EVERY: TimeDelta = TimeDelta::milliseconds(200);
/// How much longer than a call may wait for a line nobody waits for a server that takes it.
const SERVER_WAIT: TimeDelta = TimeDelta::seconds(2);

/// Writes a test call down for the server, which places it, and tells how it goes, to its end.
fn test_call(flags: Flags, campaign_id: i64, phone: &str, lead_id: Option<i64>) -> Result<ExitCode> {
    let config = load(flags)?.config;
    must_exist(&config)?;
    let phone =
        phone::parse(phone, config.default_country).map_err(|problem| anyhow!("{phone}: {problem}"))?;
    let has_trunks = !config.trunks.is_empty();
    let guard = config.guard().map_err(|problem| anyhow!(problem))?;
    let call = with_store(&config, async |store| {
        store.set_guard(guard);
        let id = store.write(move |tx| ask_for_trial(tx, campaign_id, phone, lead_id, has_trunks)).await?;
        say(&format!("test call {id} to {phone} waits for the server"));
        let (clock, mut told) = (store.clock().clone(), 0);
        loop {
            clock.sleep_until(clock.steady() + LOOK_EVERY).await;
            let call = store.read(move |snapshot| snapshot.other_call(id)).await?;
            let call = call.context("the campaign was deleted")?;
            let timeline = call.timeline.as_array().map(Vec::as_slice).unwrap_or_default();
            for entry in timeline.iter().skip(told) {
                say(&format!(
                    "{} {}",
                    entry["at"].as_str().unwrap_or_default(),
                    entry["event"].as_str().unwrap_or_default()
                ));
            }
            told = told.max(timeline.len());
            if call.state == CallState::Ended {
                return Ok::<_, anyhow::Error>(call);
            }
            let is_missed = clock.now() > call.asked_at + other_call::LINE_WAIT + SERVER_WAIT;
            if call.placed_at.is_none() && is_missed {
                // Whoever starts a server later must not find it.
                store.write(move |tx| give_up_trial(tx, id)).await?;
            }
        }
    })?;
    let detail = call.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
    say(&format!("{}{detail}", call.outcome.map(Words::word).unwrap_or_default()));
    if call.answered_at.is_some() && call.carrier == SIMULATOR {
        say("the simulator carried it: nobody's phone rang");
    }
    Ok(if call.answered_at.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The carriers of servers without trunks and with some.
const SIMULATOR: &str = "simulator";
const SIP: &str = "sip";

fn ask_for_trial(
    tx: &Tx,
    campaign_id: i64,
    phone: Phone,
    lead_id: Option<i64>,
    has_trunks: bool,
) -> Result<i64> {
    let campaign = tx.campaign(campaign_id)?;
    let campaign = campaign.with_context(|| format!("there is no campaign {campaign_id}"))?;
    let carrier = if has_trunks || !tx.trunks()?.is_empty() { SIP } else { SIMULATOR };
    tx.note(&Deed::of_command(OPERATOR, "test-call", campaign_id))?;
    let (variables, by) = (json!({}), OPERATOR.to_owned());
    let trial = NewTrial { campaign_id, lead_id, phone, carrier, variables, by };
    let asked = tx.try_campaign(&campaign, &trial, &Values::default())?;
    asked.map_err(|objection| anyhow!("{}", objection.sentence()))
}

fn give_up_trial(tx: &Tx, id: i64) -> Result<()> {
    let is_waiting = tx.other_call(id)?.is_some_and(|call| call.placed_at.is_none());
    if is_waiting {
        let why = "No server took it; it is placed by the one that runs on this data folder".to_owned();
        tx.settle_other(id, other_call::not_placed(why, tx.now), None)?;
    }
    Ok(())
}

fn unreadable(error: &StoreError) -> Finding {
    let message = format!("{error}; restore a backup");
    Finding { invariant: "the data can be read", ok: false, message }
}

/// Where the simulator writes down what it was asked to dial.
const LEDGER: &str = "simulator-ledger.jsonl";

fn report(is_fine: bool, config: &Config, in_force: &[InForce], findings: &[Finding]) -> serde_json::Value {
    let finding = |finding: &Finding| json!({"invariant": finding.invariant, "ok": finding.ok, "message": finding.message});
    json!({
        "ok": is_fine,
        "version": env!("CARGO_PKG_VERSION"),
        "sqlite": sqlite_version(),
        "data": absolute(&config.data),
        "config": in_force,
        "invariants": findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn write_report(
    out: &mut impl Write,
    is_fine: bool,
    config: &Config,
    in_force: &[InForce],
    findings: &[Finding],
) -> io::Result<()> {
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
    writeln!(out, "voice-campaigns {}, SQLite {}", env!("CARGO_PKG_VERSION"), sqlite_version())?;
    writeln!(out, "data folder {}\n\nSettings in force", absolute(&config.data).display())?;
    let key_width = width(&mut in_force.iter().map(|one| one.key.len()));
    let values: Vec<String> = in_force.iter().map(|one| one.value.to_string()).collect();
    let value_width = width(&mut values.iter().map(|value| value.chars().count()));
    for (one, value) in in_force.iter().zip(values) {
        writeln!(out, "  {:<key_width$}  {value:<value_width$}  {}", one.key, one.source)?;
    }
    writeln!(out, "\nInvariants")?;
    let name_width = width(&mut findings.iter().map(|finding| finding.invariant.len()));
    for Finding { invariant, ok, message } in findings {
        writeln!(out, "  {}  {invariant:<name_width$}  {message}", if *ok { "ok    " } else { "BROKEN" })?;
    }
    let broken = findings.iter().filter(|finding| !finding.ok).count();
    match is_fine {
        true => writeln!(out, "\nEverything is in order."),
        false => writeln!(out, "\n{broken} of {} invariants are broken.", findings.len()),
    }
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn trust_clock(flags: Flags) -> Result<ExitCode> {
    let trust = |tx: &store::Tx| {
        tx.note(&Deed::of_command(OPERATOR, "trust-clock", ""))?;
        tx.trust_clock()
    };
    let config = load(flags)?.config;
    must_exist(&config)?;
    with_store(&config, async |store| store.write(trust).await)?;
    Ok(ExitCode::SUCCESS)
}

/// Who a change was made by that came from a terminal.
const OPERATOR: &str = "command line";
/// A server gives up a dial that it could not write down within one second, or send within two more, so later none is on
/// its way.
const DIALS_ON_THEIR_WAY: TimeDelta = TimeDelta::milliseconds(3_200);

fn dialing(command: DialingCommand) -> Result<ExitCode> {
    let (data, job): (_, Option<DialingJob>) = match command {
        DialingCommand::Stop { reason, hang_up, data } => (
            data,
            Some(Box::new(move |tx| {
                tx.note(&Deed::of_command(OPERATOR, "dialing stop", ""))?;
                tx.stop_dialing(OPERATOR, reason.as_deref())?;
                if hang_up { tx.hang_up() } else { Ok(()) }
            })),
        ),
        DialingCommand::Start { data } => (
            data,
            Some(Box::new(|tx| {
                tx.note(&Deed::of_command(OPERATOR, "dialing start", ""))?;
                tx.start_dialing()
            })),
        ),
        DialingCommand::Release { data } => (
            data,
            Some(Box::new(|tx| {
                tx.note(&Deed::of_command(OPERATOR, "dialing release", ""))?;
                tx.release_wake_up()
            })),
        ),
        DialingCommand::Status { data } => (data, None),
    };
    let config = load(data.into())?.config;
    must_exist(&config)?;
    let limits = config.guard().map_err(|problem| anyhow!(problem))?;
    let (stop, woke, (spent, reserved), live) = with_store(&config, async |store| {
        if let Some(job) = job {
            store.write(job).await?;
            let clock = store.clock();
            clock.sleep_until(clock.steady() + DIALS_ON_THEIR_WAY).await;
        }
        store
            .read(|s| {
                Ok::<_, StoreError>((
                    s.stop()?,
                    s.wake_up()?,
                    s.spent_on(guard::day(s.now))?,
                    s.live_calls()?,
                ))
            })
            .await
    })?;
    let mut out = io::stdout().lock();
    match stop {
        None if woke.is_some() => {}
        None => writeln!(out, "dialing is on")?,
        Some(stop) => {
            let reason = stop.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            writeln!(
                out,
                "dialing is stopped since {} by {}{reason}",
                format_instant(stop.since()),
                stop.by
            )?;
        }
    }
    if let Some(woke) = woke {
        writeln!(
            out,
            "nobody is called before somebody has looked, since {}: {}",
            format_instant(woke.since()),
            woke.cause().sentence()
        )?;
    }
    writeln!(out, "{live} calls alive; {spent} spent today, {reserved} set aside")?;
    let spend = limits.spend_per_day.map_or("no limit".into(), |money| money.to_string());
    writeln!(
        out,
        "limits: {} calls to a number in 24 hours; countries {}; spending per day {spend}",
        limits.calls_per_number_per_day,
        limits.countries.words().join(" ")
    )?;
    Ok(ExitCode::SUCCESS)
}

type DialingJob = Box<dyn FnOnce(&store::Tx) -> Result<(), StoreError> + Send>;

fn import_file(
    flags: Flags,
    campaign_id: i64,
    file: &Path,
    country: Option<Unprefixed>,
    options: ImportOptions,
    dry_run: bool,
) -> Result<ExitCode> {
    let config = load(flags)?.config;
    must_exist(&config)?;
    let unprefixed = country.unwrap_or(config.default_country.into());
    let options = ImportOptions { unprefixed, ..options };
    let import = with_store(&config, async |store| {
        let campaign = store.read(move |snapshot| snapshot.campaign(campaign_id)).await?;
        campaign.with_context(|| format!("there is no campaign {campaign_id}"))?;
        if !dry_run {
            return anyhow::Ok(import::import(&store, campaign_id, file, options, OPERATOR).await?);
        }
        let new = NewImport {
            campaign_id,
            format: Format::Csv,
            file_name: None,
            on_duplicate: options.on_duplicate,
            unprefixed: options.unprefixed,
            made_by: OPERATOR.to_owned(),
        };
        let payload = Payload::Table(file.to_owned());
        let DryRun { import, .. } = import::dry_run(&store, new, payload, options).await?;
        Ok(import)
    })?;
    let mut out = io::stdout().lock();
    write_import(&mut out, &import)?;
    match (dry_run, import.counts.skipped + import.counts.rejected) {
        (true, _) => writeln!(out, "Nothing was written; this was a dry run.")?,
        (false, 0) => {}
        (false, _) => {
            let rows = import::skipped_file(&absolute(&config.data), import.id);
            writeln!(out, "All rows that did not come in: {}", rows.display())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The report of an import, for a person.
fn write_import(out: &mut impl Write, import: &Import) -> io::Result<()> {
    let counts = import.counts;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| import.details[name].as_array().cloned().unwrap_or_default();
    writeln!(
        out,
        "{} rows: {} imported, {} updated, {} skipped, {} rejected",
        counts.total(),
        counts.imported,
        counts.updated,
        counts.skipped,
        counts.rejected
    )?;
    writeln!(out, "\nColumns")?;
    for column in list("columns") {
        let (title, becomes) = (text(&column["column"]), text(&column["becomes"]));
        let note = column["note"].as_str().map(|note| format!(" ({note})")).unwrap_or_default();
        writeln!(out, "  {title} -> {becomes}{note}")?;
    }
    for reason in list("reasons") {
        writeln!(out, "\n{} rows: {}", reason["count"], text(&reason["message"]))?;
        for row in reason["first_rows"].as_array().into_iter().flatten() {
            let (field, value, message) = (text(&row["field"]), text(&row["value"]), text(&row["message"]));
            writeln!(out, "  row {}, {field} `{value}`: {message}", row["row"])?;
        }
    }
    for warning in list("warnings") {
        writeln!(out, "\nWarning for {} rows: {}", warning["count"], text(&warning["message"]))?;
    }
    writeln!(out)
}

/// A folder with a typing mistake must not become a new, empty installation.
fn must_exist(config: &Config) -> Result<()> {
    if !store::data_file(&config.data).exists() {
        bail!(
            "there is no database in {}; start the server first or choose another --data",
            config.data.display()
        );
    }
    Ok(())
}

/// Opens the data beside a server that may be running, does one thing, and closes it.
fn with_store<T, E: Into<anyhow::Error>>(
    config: &Config,
    job: impl AsyncFnOnce(Store) -> Result<T, E>,
) -> Result<T> {
    log::start(&config.log.filter);
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let key = config.secret_key().map_err(|problem| anyhow!(problem))?;
    runtime()?.block_on(async {
        let store = Store::open_beside_with(&config.data, clock, key.as_ref())?;
        let done = job(store.clone()).await;
        store.close().await;
        done.map_err(E::into)
    })
}

/// Threads for short blocking work such as writing an upload to disk. Few, because idle ones cost memory; the
/// database has threads of its own.
const BLOCKING_THREADS_MAX: usize = 8;
const WORKERS_MAX: usize = 8;

fn runtime() -> Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.clamp(2, WORKERS_MAX))
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_keep_alive(Duration::from_secs(10))
        .enable_all()
        .build()
        .context("cannot start the worker threads")
}
