//! Servers with and without a model that could be talked with.

use std::sync::Arc;
use voice_campaigns::agent::Settings;
use voice_campaigns::agent::chat::Chat;
use voice_campaigns::clock::{Clock, System};
use voice_campaigns::domain::try_out::{Persona, Talk};
use voice_campaigns::http::{Job, Tester, async_trait};
use voice_campaigns::store::Store;
use voice_campaigns::tries::Tries;

/// Nobody answers.
#[derive(Debug)]
pub(crate) struct Nobody;

const NOBODY: &str = "No model is set up";

#[async_trait]
impl Tester for Nobody {
    fn model(&self) -> Result<String, String> {
        Err(NOBODY.into())
    }

    async fn answer(&self, _: &Job, _: &mut Talk) -> Result<(), String> {
        Err(NOBODY.into())
    }

    fn play(&self, _: i64, _: Persona, _: Job) {}
}

/// What a server has that talks to a model at this address.
#[allow(dead_code, reason = "the benches talk to nobody")]
pub(crate) async fn talking_to(url: &str, store: Store) -> Tries {
    let mut settings = Settings::default();
    settings.chat.url = Some(url.to_owned());
    settings.chat.model = "test-model".into();
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    Tries::start(Chat::new(&settings, clock.clone()), store, clock).await.unwrap()
}
