//! A server without a model that could be talked with.

use voice_campaigns::domain::try_out::{Persona, Talk};
use voice_campaigns::http::{Job, Tester, async_trait};

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
