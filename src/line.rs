//! The telephone line at run time: which trunks there are, of the settings and of the database, and who carries the next
//! call. Without any trunk that is the simulator. What is changed counts from the next call on.

use crate::agent::Agent;
use crate::agent::chat::Chat;
use crate::carrier::simulator::{self, Conversations, Simulator};
use crate::carrier::sip::{self, Health, Sip, Step, TrunkSettings as SipTrunk, Went};
use crate::carrier::{Carrier, Switch};
use crate::clock::Clock;
use crate::domain::invalid::Invalid;
use crate::domain::trunk::{Password, Trunk, TrunkSettings};
use crate::http;
use crate::lives::{self, Who};
use crate::speech::Synthesizer;
use crate::store::{RECORDINGS_FOLDER, Snapshot, Store, StoreError};
use serde_json::Value;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the line is made of.
pub struct Parts {
    /// Where trunks are kept that were added while the server ran.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who speaks, or why nobody can.
    pub voice: Result<Arc<dyn Synthesizer>, String>,
    /// The model that answers in text, or why there is none.
    pub chat: Result<Chat, String>,
    /// Who holds conversations on real calls.
    pub agent: Option<Arc<dyn Agent>>,
    /// What all trunks share.
    pub sip: sip::Settings,
    /// The trunks of the server's settings.
    pub fixed: Vec<SipTrunk>,
    /// Why no trunk may be used, if none may.
    pub objection: Option<String>,
    /// The carrier that rings nobody.
    pub simulator: simulator::Settings,
    /// The simulator's witness.
    pub ledger: PathBuf,
}

/// The line. A carrier that was ever put into service stays so until the end, so that its calls can end.
pub struct Line {
    parts: Parts,
    switch: Arc<Switch>,
    state: Mutex<State>,
}

struct State {
    simulator: Option<Simulator>,
    sip: Option<Sip>,
    trunks: Vec<Known>,
    running: Vec<JoinHandle<()>>,
    end: watch::Sender<bool>,
}

impl State {
    /// The simulator, running.
    fn simulator(&mut self, parts: &Parts) -> Result<Simulator, String> {
        if let Some(simulator) = &self.simulator {
            return Ok(simulator.clone());
        }
        let made = Simulator::new(parts.simulator.clone(), parts.clock.clone(), Some(&parts.ledger));
        let made = made.map_err(|error| format!("cannot write {}: {error}", parts.ledger.display()))?;
        if parts.simulator.conversations == Conversations::Model {
            made.play_with(parts.chat.clone()?);
        }
        let (carrier, end) = (made.clone(), self.end.subscribe());
        self.running.push(kept(&parts.store, end, move |end| carrier.clone().run(end)));
        self.simulator = Some(made.clone());
        Ok(made)
    }

    /// Keeps the real one running.
    fn keep(&mut self, sip: Sip, parts: &Parts) {
        let (carrier, end) = (sip.clone(), self.end.subscribe());
        self.running.push(kept(&parts.store, end, move |end| carrier.clone().run(end)));
        self.sip = Some(sip);
    }
}

/// A trunk as it is known here.
#[derive(Clone)]
struct Known {
    trunk: SipTrunk,
    /// Why it cannot be used at all.
    objection: Option<&'static str>,
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The settings do not allow it.
    #[error("{0}")]
    Refused(String),
    /// Anything else, such as a port that is taken.
    #[error("{0}")]
    Failed(String),
}

/// Why a trunk is not used whose password cannot be opened.
pub(crate) const LOCKED: &str =
    "its password was sealed under a key that this server does not have: enter it again";

impl Line {
    /// Opens the line as settings and database say.
    pub async fn open(parts: Parts) -> Result<Arc<Line>, LineError> {
        let trunks = known(&parts).await.map_err(|error| LineError::Failed(error.to_string()))?;
        let end = watch::Sender::new(false);
        let mut state = State { simulator: None, sip: None, trunks, running: Vec::new(), end };
        let carrier: Arc<dyn Carrier> = match state.trunks.is_empty() {
            true => Arc::new(state.simulator(&parts).map_err(LineError::Failed)?),
            false => {
                let voice = usable(&parts).map_err(LineError::Refused)?;
                let sip =
                    start(&parts, voice, &usable_ones(&state.trunks)).await.map_err(LineError::Failed)?;
                state.keep(sip.clone(), &parts);
                Arc::new(sip)
            }
        };
        Ok(Arc::new(Line { parts, switch: Arc::new(Switch::to(carrier)), state: Mutex::new(state) }))
    }

    /// Whoever carries the next call.
    pub fn carrier(&self) -> Arc<Switch> {
        self.switch.clone()
    }

    /// Looks after the carriers until `shutdown` becomes true.
    pub async fn run(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        // Nobody left to say so is as good as saying so.
        let _ = shutdown.wait_for(|down| *down).await;
        let running = {
            let mut state = self.state();
            state.end.send_replace(true);
            std::mem::take(&mut state.running)
        };
        for carrier in running {
            if let Err(panic) = carrier.await {
                tracing::error!(%panic, "a carrier panicked");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The carrier of real calls, running.
    async fn sip(&self) -> Result<Sip, String> {
        let present = self.state().sip.clone();
        if let Some(sip) = present {
            return Ok(sip);
        }
        let sip = start(&self.parts, usable(&self.parts)?, &[]).await?;
        self.state().keep(sip.clone(), &self.parts);
        Ok(sip)
    }

    /// The trunks that there are now, and how the carrier finds them.
    fn health(&self) -> Vec<(Known, Option<Health>)> {
        let (trunks, sip) = {
            let state = self.state();
            (state.trunks.clone(), state.sip.clone())
        };
        let health = sip.map(|sip| sip.health()).unwrap_or_default();
        let of = |known: &Known| health.iter().find(|health| health.trunk == known.trunk.name).cloned();
        trunks
            .into_iter()
            .map(|known| {
                let health = of(&known);
                (known, health)
            })
            .collect()
    }
}

/// A carrier that runs until `end` says so, and begins again after a panic.
fn kept<F: Future<Output = ()> + Send + 'static>(
    store: &Store,
    end: watch::Receiver<bool>,
    run: impl Fn(watch::Receiver<bool>) -> F + Send + Sync + 'static,
) -> JoinHandle<()> {
    let store = store.clone();
    tokio::spawn(async move {
        let who = Who {
            name: "carrier",
            worker: None,
            message: "Whoever looks after the lines failed and was restarted",
        };
        let live = || {
            let running = run(end.clone());
            async move {
                running.await;
                Ok(())
            }
        };
        lives::keep(&store, who, lives::stopped(&end), live).await;
    })
}

/// The trunks of the settings, then those of the database.
async fn known(parts: &Parts) -> Result<Vec<Known>, StoreError> {
    let stored = parts.store.read(|snapshot: &Snapshot| snapshot.trunks()).await?;
    let fixed = parts.fixed.iter().cloned().map(|trunk| Known { trunk, objection: None });
    let stored = stored.iter().filter_map(|Trunk { id, settings, password, .. }| {
        let objection = (*password == Password::Locked).then_some(LOCKED);
        match sip_trunk(settings, password) {
            Ok(trunk) => Some(Known { trunk, objection }),
            Err(Invalid(problems)) => {
                tracing::error!(trunk = id, ?problems, "a trunk cannot be used any more; change it");
                None
            }
        }
    });
    Ok(fixed.chain(stored).collect())
}

fn usable_ones(trunks: &[Known]) -> Vec<SipTrunk> {
    trunks.iter().filter(|known| known.objection.is_none()).map(|known| known.trunk.clone()).collect()
}

/// The voice, where real calls can be made at all.
fn usable(parts: &Parts) -> Result<Arc<dyn Synthesizer>, String> {
    match &parts.objection {
        Some(objection) => Err(objection.clone()),
        None => parts.voice.clone(),
    }
}

async fn start(parts: &Parts, voice: Arc<dyn Synthesizer>, trunks: &[SipTrunk]) -> Result<Sip, String> {
    let sip = Sip::start(parts.sip.clone(), trunks, voice, parts.clock.clone()).await?;
    if let Err(error) = sip.record_into(&parts.store.folder().join(RECORDINGS_FOLDER)) {
        tracing::error!(%error, "no call can be recorded");
    }
    parts.agent.iter().for_each(|agent| sip.converse_with(agent.clone()));
    Ok(sip)
}

/// Settings in the words of the carrier.
pub(crate) fn sip_trunk(settings: &TrunkSettings, password: &Password) -> Result<SipTrunk, Invalid> {
    let wrong = |message: String| {
        let field = message.split([' ', ':']).next().unwrap_or_default();
        let known = ["name", "host", "proxy", "username", "number_prefix", "calls_per_second", "channels"];
        match known.contains(&field) {
            true => Invalid::one(field, message[field.len()..].trim_start().to_owned()),
            // The only word that is checked by its kind alone.
            false => Invalid::one("transport", message),
        }
    };
    let mut words = serde_json::to_value(settings).unwrap_or_default();
    if let Value::Object(words) = &mut words {
        words.retain(|_, value| !value.is_null());
    }
    let mut trunk: SipTrunk = serde_json::from_value(words).map_err(|error| wrong(error.to_string()))?;
    trunk.password = match password {
        Password::None | Password::Locked => None,
        Password::Known(secret) => Some(secret.clone()),
    };
    trunk.check().map_err(wrong)?;
    Ok(trunk)
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("carrier", &self.switch.name()).finish_non_exhaustive()
    }
}

#[http::async_trait]
impl http::Line for Line {
    fn carrier(&self) -> http::Carrier {
        let state = self.state();
        let driver = self.switch.name();
        match state.trunks.first() {
            None => {
                let simulator::Settings { channels, calls_per_second, .. } = self.parts.simulator;
                http::Carrier { driver, real_calls: false, channels, calls_per_second }
            }
            Some(preferred) => http::Carrier {
                driver,
                real_calls: true,
                channels: state.trunks.iter().map(|known| known.trunk.channels).sum(),
                calls_per_second: Some(preferred.trunk.calls_per_second),
            },
        }
    }

    fn trunks(&self) -> Vec<http::Trunk> {
        let shown = |(known, health): (Known, Option<Health>)| {
            let problem = match (known.objection, &health) {
                (Some(objection), _) => Some(objection.to_owned()),
                (None, Some(health)) => health.problem.clone(),
                (None, None) => Some("it has not answered yet".to_owned()),
            };
            let is_up = problem.is_none();
            http::Trunk {
                name: known.trunk.name,
                host: known.trunk.host,
                status: if is_up { "up" } else { "down" },
                problem,
                warning: health.as_ref().and_then(|health| health.warning.clone()),
                channels: known.trunk.channels,
                channels_in_use: health.map_or(0, |health| health.live),
                calls_per_second: known.trunk.calls_per_second,
                registered: known.trunk.register.then_some(is_up),
            }
        };
        self.health().into_iter().map(shown).collect()
    }

    fn fixed(&self) -> Vec<http::FixedTrunk> {
        let shown = |trunk: &SipTrunk| {
            let settings = serde_json::from_value(serde_json::to_value(trunk).ok()?).ok()?;
            Some(http::FixedTrunk { settings, has_password: trunk.password.is_some() })
        };
        self.parts.fixed.iter().filter_map(shown).collect()
    }

    fn check(&self, settings: &TrunkSettings, password: &Password) -> Result<(), Invalid> {
        sip_trunk(settings, password).map(drop)
    }

    async fn get_ready(&self, transport: &str) -> Result<(), String> {
        let sip = self.sip().await?;
        if transport == "tcp" { sip.listen_over_tcp().await } else { Ok(()) }
    }

    async fn follow(&self) -> Result<(), String> {
        let trunks = known(&self.parts).await.map_err(|error| error.to_string())?;
        let present = self.state().sip.clone();
        let carrier: Arc<dyn Carrier> = match (trunks.is_empty(), present) {
            (true, None) => Arc::new(self.state().simulator(&self.parts)?),
            (true, Some(sip)) => {
                sip.change(&[]).await?;
                Arc::new(self.state().simulator(&self.parts)?)
            }
            (false, _) => {
                let sip = self.sip().await?;
                sip.change(&usable_ones(&trunks)).await?;
                Arc::new(sip)
            }
        };
        if carrier.name() != self.switch.name() {
            tracing::warn!(
                carrier = carrier.name(),
                "another carrier than before takes the calls: all campaigns are paused"
            );
        }
        self.state().trunks = trunks;
        self.switch.turn(carrier);
        Ok(())
    }

    async fn try_out(&self, settings: &TrunkSettings, password: &Password) -> Vec<http::Step> {
        let Ok(trunk) = sip_trunk(settings, password) else { return Vec::new() };
        let live = self.state().sip.clone();
        let steps = sip::try_out(&self.parts.sip, live.as_ref(), &trunk, &*self.parts.clock).await;
        let shown = |Step { name, went, took, message }| http::Step {
            name,
            status: match went {
                Went::Well => "ok",
                Went::Wrong => "failed",
                Went::Untried => "skipped",
            },
            milliseconds: took.num_milliseconds().max(0),
            message,
        };
        steps.into_iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::trunk::TrunkRequest;
    use serde_json::json;

    #[test]
    fn what_no_carrier_could_use_is_told_by_its_field() {
        let wrong = |with: Value| {
            let mut body = json!({"name": "main", "host": "sip.example.com"});
            body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
            let TrunkRequest { settings, password, .. } = TrunkRequest::read(body, None).unwrap();
            let Invalid(problems) = sip_trunk(&settings, &password.unwrap_or(Password::None)).unwrap_err();
            let told = problems.into_iter().map(|problem| format!("{}: {}", problem.field, problem.message));
            told.collect::<Vec<_>>().join("; ")
        };
        for (with, told) in [
            (json!({"name": "two words"}), "name: must be one word"),
            (json!({"host": "a b"}), "host: must be a name or an address"),
            (json!({"username": "me@there"}), "username: must be one word"),
            (json!({"password": "x"}), "username: is missing"),
            (json!({"transport": "carrier-p"}), "transport: unknown variant"),
        ] {
            assert!(wrong(with.clone()).starts_with(told), "{}", wrong(with));
        }
    }
}
