//! The composition root: opens the store, builds the carrier, starts HTTP, the dialer, the webhooks and the
//! housekeeping, and stops them in an order that loses nothing. Everything else is told what it works with.

use crate::agent::chat::Chat;
use crate::agent::{self, Agent};
use crate::carrier::sip::{self, Sip, TrunkSettings};
use crate::carrier::{Carrier, simulator};
use crate::clock::Clock;
use crate::config::{self, Config, Loaded, Tls};
use crate::domain::agent::AgentKind;
use crate::domain::voice::Voice;
use crate::housekeeping::Retention;
use crate::line::{self, Line, LineError};
use crate::listener::{Limits, Listener, Times};

use crate::rehearsal::forecaster;
use crate::speech::{Kind, Speaker, SpeechError};
use crate::store::pool::Db;
use crate::store::{PutRight, SPEECH_FOLDER, Store};
use crate::tries::Tries;
use crate::webhooks::{SystemLookup, WebClient};
use crate::{dialer, housekeeping, http, media, rehearsal, speech, webhooks};
use anyhow::Context;
use chrono::TimeDelta;
use rustix::process::{Resource, Rlimit};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used; one line for the operator. Exit code 78.
    #[error("{0}")]
    Refused(String),
    /// Anything else, such as a port that is taken.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// A server that listens and dials.
pub struct Server {
    url: String,
    store: Store,
    stop: watch::Sender<bool>,
    signals: Signals,
    http: Arc<http::Server>,
    workers: Vec<JoinHandle<()>>,
}

/// The simulator's witness in a data folder.
pub fn ledger_file(folder: &Path) -> PathBuf {
    folder.join("simulator-ledger.jsonl")
}

/// Real calls at one time that there are file handles for, however many the trunks take at the start.
const CALLS_USUAL: usize = 200;

/// How long requests that are being answered may take after a stop.
const HTTP_GRACE: Duration = Duration::from_secs(3);

impl Server {
    /// Opens the data folder and starts everything; it listens when the answer comes.
    pub async fn start(loaded: &Loaded, clock: Arc<dyn Clock>) -> Result<Server, StartError> {
        let objection = loaded.config.says_no_countries().then_some(config::NO_COUNTRIES);
        Server::open(loaded, clock, objection).await
    }

    /// The same, for as long as it lives without any trunk; why, in a sentence.
    pub async fn start_without_trunks(
        loaded: &Loaded,
        clock: Arc<dyn Clock>,
        objection: &'static str,
    ) -> Result<Server, StartError> {
        Server::open(loaded, clock, Some(objection)).await
    }

    async fn open(
        loaded: &Loaded,
        clock: Arc<dyn Clock>,
        objection: Option<&'static str>,
    ) -> Result<Server, StartError> {
        let config = &loaded.config;
        if let Some(folder) = config.static_dir.as_ref().filter(|folder| !folder.is_dir()) {
            let message = format!("`static` must name a folder with the page; {} is none", folder.display());
            return Err(StartError::Refused(message));
        }
        // Before anything is written.
        let tls = tls(&config.tls).map_err(|error| StartError::Refused(format!("{error:#}")))?;
        let (folder, opening_clock) = (config.data.clone(), clock.clone());
        let key = config.secret_key().map_err(StartError::Refused)?;
        let opening = move || Store::open_with(&folder, opening_clock, key.as_ref());
        let opened = tokio::task::spawn_blocking(opening).await;
        let store = opened.context("opening the store")?.map_err(|error| match error.passes_by_itself() {
            true => StartError::Other(error.into()),
            false => StartError::Refused(error.to_string()),
        })?;
        store.keep_ballast();
        store.set_guard(config.guard().map_err(StartError::Refused)?);
        let looked = store.write(|tx| tx.look_again_at_refused_numbers()).await;
        looked.context("cannot write to the database")?;
        let put_right = store.put_recordings_right().await.context("cannot look after the recordings")?;
        if put_right != PutRight::default() {
            tracing::warn!(?put_right, "recordings and the database did not fit each other");
        }
        let voice = speech::open(&config.voice, &speech_folder(&config.data), clock.clone());
        let chat = Chat::new(&config.agent, clock.clone());
        let parts = line::Parts {
            chat: chat.clone(),
            store: store.clone(),
            clock: clock.clone(),
            voice: voice.as_ref().map(|speaker| speaker.synthesizer.clone()).map_err(String::clone),
            agent: usable_agent(config, &voice, clock.clone()).map_err(StartError::Refused)?,
            sip: sip::Settings { default_country: config.default_country, ..config.sip.clone() },
            fixed: config.trunks.clone(),
            objection: objection.map(str::to_owned),
            // Where an agent is configured, it is what a rehearsal rehearses.
            simulator: simulator::Settings {
                agent: config.simulator.agent.or(config.agent.kind.map(|_| AgentKind::Ai)),
                ..config.simulator.clone()
            },
            ledger: ledger_file(&config.data),
        };
        let line = Line::open(parts).await.map_err(|error| match error {
            LineError::Refused(problem) => StartError::Refused(problem),
            LineError::Failed(problem) => StartError::Other(anyhow::anyhow!(problem)),
        })?;
        let carrier = line.carrier();
        let paused = dialer::pause_for_another_carrier(&store, carrier.name()).await;
        let paused = paused.context("cannot write to the database")?;
        if paused > 0 {
            tracing::warn!(
                campaigns = paused,
                carrier = carrier.name(),
                "another carrier than before: all are paused"
            );
        }

        let web = WebClient::new(&config.webhooks.allowed_networks, Arc::new(SystemLookup))
            .map_err(|cause| anyhow::anyhow!("cannot make an HTTP client: {cause}"))?;

        // Before anybody is told that it listens, so that no signal finds it unprepared.
        let signals = Signals::listen().context("cannot listen for signals")?;
        let speaker = speaker(voice, config);
        let listening = start_http(loaded, tls, line.clone(), speaker, chat, store.clone(), clock).await;
        let (http, listener, address) = match listening {
            Ok(listening) => listening,
            Err(error) => {
                store.close().await;
                return Err(error.into());
            }
        };
        let stop = watch::Sender::new(false);
        let (dialing_ended, has_dialing_ended) = watch::channel(false);
        let grace =
            TimeDelta::seconds(i64::try_from(config.shutdown_grace_seconds).unwrap_or(i64::MAX / 1_000));
        let days = |days: u32| TimeDelta::days(days.into());
        let retention = Retention {
            deleted_campaigns: days(config.retention.deleted_campaigns_days),
            events: days(config.retention.events_days),
            deliveries: days(config.retention.deliveries_days),
            import_files: days(config.retention.import_files_days),
            audit: days(config.retention.audit_days),
            call_details: config.retention.call_details_days.map(days),
            recordings: days(config.retention.recordings_days),
        };
        let rehearsing = rehearsal::jobs::run(store.clone(), carrier.clone(), stop.subscribe());
        let looking_ahead = forecaster::run(store.clone(), carrier.clone(), stop.subscribe());
        let dialing = dialer::run(store.clone(), carrier, grace, stop.subscribe());
        let workers = vec![
            tokio::spawn(async move {
                dialing.await;
                // The carrier outlives the dialer, whose last calls it still has to end; so do the webhooks, which tell
                // of them.
                dialing_ended.send_replace(true);
            }),
            tokio::spawn(line.run(has_dialing_ended.clone())),
            tokio::spawn(webhooks::run(store.clone(), Arc::new(web), has_dialing_ended)),
            tokio::spawn(looking_ahead),
            tokio::spawn(housekeeping::run(store.clone(), retention, stop.subscribe())),
            tokio::spawn(rehearsing),
            tokio::spawn(listener.run(stop.subscribe())),
        ];
        let scheme = if config.tls.certificate.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{address}");
        Ok(Server { url, store, stop, signals, http, workers })
    }

    /// Where it listens, with the real port.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The store it works on.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Serves until SIGINT or SIGTERM, then stops gracefully; a second signal stops without waiting for calls.
    pub async fn run_until_signal(mut self) -> anyhow::Result<()> {
        self.signals.next().await;
        tracing::info!("stopping: no new calls; those alive may end");
        let mut signals = Signals::listen()?;
        tokio::select! {
            stopped = self.stop() => stopped,
            () = signals.next() => anyhow::bail!("stopped without waiting for the calls alive"),
        }
    }

    /// Stops dialing at once, waits for live calls up to the grace time, ends HTTP and closes the store.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.store.set_stopping();
        self.stop.send_replace(true);
        self.http.shutdown().notify();
        for worker in self.workers {
            worker.await.context("a worker panicked while stopping")?;
        }
        self.http.stop(HTTP_GRACE).await;
        self.store.close().await;
        Ok(())
    }
}

/// The agent of the settings. Without a voice it talks on no call, which matters to nobody as long as no real ones are made.
fn usable_agent(
    config: &Config,
    voice: &Result<Speaker, String>,
    clock: Arc<dyn Clock>,
) -> Result<Option<Arc<dyn Agent>>, String> {
    match agent::open(&config.agent, voice.clone(), clock) {
        Ok(agent) => Ok(agent),
        Err(problem) if voice.is_err() => {
            tracing::warn!(problem, "the agent cannot talk on calls");
            Ok(None)
        }
        Err(problem) => Err(problem),
    }
}

/// Who speaks, for whoever wants to listen without a phone.
fn speaker(voice: Result<Speaker, String>, config: &Config) -> Result<http::Speaker, String> {
    let Speaker { kind, name, synthesizer, .. } = voice?;
    let kind = match kind {
        Kind::Service => "service",
        Kind::Program => "program",
    };
    let say: http::Say = Arc::new(move |text, voice| {
        let saying = synthesizer.say(text, voice);
        Box::pin(async move {
            let sound = saying.await.map_err(|SpeechError(problem)| problem)?;
            Ok(media::wav::write(media::RATE, &sound))
        })
    });
    Ok(http::Speaker { kind, name, voice: config.voice.name.clone(), say })
}

/// What was said, in a data folder.
fn speech_folder(folder: &Path) -> PathBuf {
    folder.join(SPEECH_FOLDER)
}

/// Looks for every trunk and tries the voice, without placing a call and beside a server that may run: what was looked
/// for, and what was found or is wrong.
pub async fn check_carrier(
    config: &Config,
    trunks: &[TrunkSettings],
    clock: Arc<dyn Clock>,
) -> Vec<(String, Result<String, String>)> {
    let began = clock.steady();
    let voice = match speech::open(&config.voice, &speech_folder(&config.data), clock.clone()) {
        Ok(speaker) => speaker.synthesizer,
        Err(problem) => return vec![("voice".into(), Err(problem))],
    };
    // What is kept already would prove nothing.
    let text = format!("It is {}.", clock.now().format("%H:%M:%S"));
    let said = voice.say(&text, &Voice { language: "en-US".into(), ..Voice::default() }).await;
    let took = (clock.steady() - began).num_milliseconds();
    let seconds = |samples: usize| samples as f64 / f64::from(media::RATE);
    let said = said.map(|sound| format!("{:.1} s of sound in {took} ms", seconds(sound.len())));
    let mut found = vec![("voice".to_owned(), said.map_err(|problem| problem.to_string()))];
    let mut settings = config.sip.clone();
    // The server that may run has the port.
    settings.listen.set_port(0);
    match Sip::start(settings, trunks, voice, clock).await {
        Ok(sip) => found.extend(sip.check().await.into_iter().map(|health| {
            let place = health.address.map(|address| format!("{address} answers")).unwrap_or_default();
            (format!("trunk {}", health.trunk), health.problem.map_or(Ok(place), Err))
        })),
        Err(problem) => found.push(("sip".into(), Err(problem))),
    }
    found
}

/// The two signals that ask for a stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

type Http = (Arc<http::Server>, Listener, SocketAddr);

/// Starts HTTP and answers when it listens, or with one line about why it does not.
async fn start_http(
    loaded: &Loaded,
    tls: Option<Arc<ServerConfig>>,
    line: Arc<Line>,
    speaker: Result<http::Speaker, String>,
    chat: Result<Chat, String>,
    store: Store,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Http> {
    let config = &loaded.config;
    let address = SocketAddr::new(config.address, config.port);
    let carrier = http::Line::carrier(&*line);
    // Trunks may come later.
    make_room(
        &config.limits,
        if carrier.real_calls { carrier.channels.max(CALLS_USUAL) } else { CALLS_USUAL },
    );
    let socket = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let address = socket.local_addr()?;
    let door = http::Door {
        is_tls: tls.is_some(),
        hosts: config.hosts.clone(),
        origins: config.allowed_origins.clone(),
        is_behind_proxy: config.behind_proxy,
    };
    let tester =
        Tries::start(chat, store.clone(), clock.clone()).await.context("cannot write to the database")?;
    let settings = http::Settings {
        requests_per_hour: config.quota.requests_per_hour,
        session_requests_per_hour: config.quota.session_requests_per_hour,
        unauthenticated_per_minute: config.quota.unauthenticated_per_minute,
        csv_limit_bytes: u64::from(config.limits.csv_megabytes) * 1024 * 1024,
        spool_dir: config.data.clone(),
        default_country: config.default_country,
        allowed_networks: config.webhooks.allowed_networks.clone(),
        static_dir: config.static_dir.clone(),
        line,
        speaker,
        tester: Arc::new(tester),
        in_force: loaded.shown().into_iter().map(setting).collect(),
        started_at: clock.now(),
        door,
    };
    let rocket = rocket::custom(rocket_config()).manage(Db::of(store));
    let started = http::Server::start(http::mount(rocket, settings, clock)).await;
    let http = Arc::new(started.map_err(|cause| anyhow::anyhow!("cannot serve HTTP: {cause}"))?);
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let limits = Limits {
        connections: count(config.limits.connections),
        connections_per_address: count(config.limits.connections_per_address),
        times: Times::default(),
    };
    let listener = Listener::new(socket, limits, tls, Arc::new(http.entrance()));
    Ok((http, listener, address))
}

fn setting(shown: config::Shown) -> http::Setting {
    let config::Shown { key, environment, value, default, source, description } = shown;
    http::Setting { key, environment, value, default, source, description }
}

/// Reads the files of a certificate and its key.
fn tls(files: &Tls) -> anyhow::Result<Option<Arc<ServerConfig>>> {
    let (Some(certificate), Some(key)) = (&files.certificate, &files.key) else { return Ok(None) };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("`tls.certificate`: cannot read {}", certificate.display()))?;
    let read = PrivateKeyDer::from_pem_file(key);
    let key = read.with_context(|| format!("`tls.key`: cannot read {}", key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .context("`tls.certificate` and `tls.key` do not go together")?;
    Ok(Some(Arc::new(config)))
}

/// File handles: one for each connection, one for each real call, and some for the database, webhooks and files.
fn make_room(limits: &config::Limits, real_calls: usize) {
    let wanted = u64::from(limits.connections) + real_calls as u64 + 512;
    let present = rustix::process::getrlimit(Resource::Nofile);
    let may_have = present.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if present.current.is_some_and(|current| current < may_have) {
        let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(may_have), ..present });
    }
    if present.maximum.is_some_and(|maximum| maximum < wanted) {
        tracing::warn!(
            "only {may_have} files may be open, and `limits.connections` and the trunks may need {wanted}; raise the limit (ulimit -n, LimitNOFILE=)"
        );
    }
}

fn rocket_config() -> rocket::Config {
    rocket::Config {
        // Any client could forge the header; the socket tells the truth.
        ip_header: None,
        ident: rocket::config::Ident::none(),
        log_level: rocket::log::LogLevel::Off,
        cli_colors: false,
        ..rocket::Config::release_default()
    }
}
