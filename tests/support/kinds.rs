//! The kinds of agent, for stories that are the same for each of them, and what is different about them.

use super::models::Models;
use super::phone::{self, Phone};
use super::uas::Fast;
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::task::JoinSet;
use voice_campaigns::agent::Agent;
use voice_campaigns::clock::Clock;
use voice_campaigns::domain::agent::Brief;
use voice_campaigns::media::g711::Codec;

/// A kind of agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A chain of servers.
    Cascade,
    /// One model that hears and speaks, with its dialect, how sound travels to it, and the codec of the line.
    Realtime(&'static str, &'static str, Codec),
}

/// The usual model that hears and speaks.
pub(crate) const REALTIME: Kind = Kind::Realtime("ga", "g711", Codec::Pcmu);
/// Each kind.
pub(crate) const KINDS: [Kind; 2] = [Kind::Cascade, REALTIME];
/// Each kind, in each dialect.
pub(crate) const DIALECTS: [Kind; 3] = [Kind::Cascade, REALTIME, Kind::Realtime("beta", "g711", Codec::Pcmu)];
/// Each kind, in each dialect, with every way that sound can travel.
pub(crate) const WAYS: [Kind; 7] = [
    Kind::Cascade,
    REALTIME,
    Kind::Realtime("ga", "g711", Codec::Pcma),
    Kind::Realtime("ga", "pcm", Codec::Pcmu),
    Kind::Realtime("beta", "g711", Codec::Pcmu),
    Kind::Realtime("beta", "g711", Codec::Pcma),
    Kind::Realtime("beta", "pcm", Codec::Pcma),
];

/// Tells a story of each of these, all at one time.
pub(crate) async fn each<T, F>(of: impl IntoIterator<Item = T>, story: impl Fn(T) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    of.into_iter().map(story).collect::<JoinSet<()>>().join_all().await;
}

/// A clock that runs so many times faster than in life.
pub(crate) fn clock(speed: u32) -> Arc<dyn Clock> {
    Arc::new(Fast::new(speed))
}

impl Kind {
    /// Its word in the settings.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Cascade => "cascade",
            Kind::Realtime(..) => "realtime",
        }
    }

    fn codec(self) -> Codec {
        match self {
            Kind::Cascade => Codec::Pcmu,
            Kind::Realtime(_, _, codec) => codec,
        }
    }

    /// How much silence ends a turn.
    pub(crate) fn pause_ms(self) -> i64 {
        match self {
            Kind::Cascade => 600,
            Kind::Realtime(..) => 500,
        }
    }

    /// An agent of this kind whose servers these are, and where its voice keeps what it said.
    pub(crate) fn agent(
        self,
        models: &Models,
        with: Value,
        clock: &Arc<dyn Clock>,
    ) -> (TempDir, Arc<dyn Agent>) {
        let mut all = match self {
            Kind::Cascade => json!({}),
            Kind::Realtime(dialect, sound, _) => json!({"realtime": {"dialect": dialect, "sound": sound}}),
        };
        phone::merge(&mut all, with);
        phone::agent(models, self.word(), all, clock)
    }

    /// Somebody who has just picked up a call of such an agent, which was told this about them.
    pub(crate) fn answer(self, agent: &Arc<dyn Agent>, clock: &Arc<dyn Clock>, brief: Arc<Brief>) -> Phone {
        Phone::answer_on(agent, clock, brief, self.codec())
    }

    /// The same with an agent of its own, so many times faster than in life.
    pub(crate) fn calls(
        self,
        models: &Models,
        with: Value,
        brief: Arc<Brief>,
        speed: u32,
    ) -> (TempDir, Phone) {
        let clock = clock(speed);
        let (folder, agent) = self.agent(models, with, &clock);
        (folder, self.answer(&agent, &clock, brief))
    }
}
