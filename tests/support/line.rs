//! A telephone line that only looks like one, for a server without a dialer.

use voice_campaigns::domain::invalid::Invalid;
use voice_campaigns::domain::trunk::{Password, TrunkSettings};
use voice_campaigns::http::{self, Carrier, FixedTrunk, Line, Step, Trunk};

/// What it looks like.
pub(crate) struct StillLine {
    pub(crate) real_calls: bool,
    pub(crate) trunks: Box<dyn Fn() -> Vec<Trunk> + Send + Sync>,
}

impl Default for StillLine {
    fn default() -> StillLine {
        StillLine { real_calls: false, trunks: Box::new(Vec::new) }
    }
}

impl std::fmt::Debug for StillLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StillLine")
    }
}

#[http::async_trait]
impl Line for StillLine {
    fn carrier(&self) -> Carrier {
        Carrier { driver: "simulator", real_calls: self.real_calls, channels: 1_000, calls_per_second: None }
    }

    fn trunks(&self) -> Vec<Trunk> {
        (self.trunks)()
    }

    fn fixed(&self) -> Vec<FixedTrunk> {
        Vec::new()
    }

    fn check(&self, _: &TrunkSettings, _: &Password) -> Result<(), Invalid> {
        Ok(())
    }

    async fn get_ready(&self, _transport: &str) -> Result<(), String> {
        Ok(())
    }

    async fn follow(&self) -> Result<(), String> {
        Ok(())
    }

    async fn try_out(&self, _: &TrunkSettings, _: &Password) -> Vec<Step> {
        Vec::new()
    }
}
