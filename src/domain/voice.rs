//! Who speaks on a call: which voice, in which language. What it sounds like is up to whoever speaks.

use super::campaign::VoiceGender;

/// The voice of a campaign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Voice {
    /// The name that the speech program or service has for it; none for its usual one.
    pub id: Option<String>,
    /// BCP 47 language.
    pub language: String,
    /// Where there is a choice.
    pub gender: Option<VoiceGender>,
}
