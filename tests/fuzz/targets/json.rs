//! Any bytes as JSON that a client, or the model of an agent, sends: what was read says the same when it is read again, and
//! what is refused says why, briefly.

use serde_json::{Value, json};
use std::sync::LazyLock;
use voice_campaigns::domain::agent::{Judgement, Verdict};
use voice_campaigns::domain::campaign::{Request, Settings};
use voice_campaigns::domain::do_not_call;
use voice_campaigns::domain::endpoint::EndpointRequest;
use voice_campaigns::domain::invalid::Invalid;
use voice_campaigns::domain::lead::{LeadChange, NewLead};
use voice_campaigns::domain::phone::Country;
use voice_campaigns::domain::rehearsal::Wish;
use voice_campaigns::domain::trunk::TrunkRequest;

/// A sentence about what is wrong is no longer than this, whatever it is about.
const SENTENCE_MAX: usize = 4_000;

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let campaign = json!({"name": "n", "status": "draft", "calls_per_day": 1, "calling_hours_start": "09:00",
        "calling_hours_end": "17:00", "system_prompt": "p", "script_template": "s"});
    Request::read(campaign, None).expect("a campaign").settings
});

/// Holds all of it against whatever came.
pub(crate) fn hold(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for refused in [Verdict::read(text).err(), Judgement::read(text, &[]).err()].into_iter().flatten() {
        assert!(!refused.is_empty());
    }
    let Ok(value) = serde_json::from_str::<Value>(text) else { return };
    let country = Country::parse("US");
    if let Some(campaign) = told(Request::read(value.clone(), None)) {
        let again = Request::read(json!({}), Some(&campaign.settings)).expect("no change is none");
        assert_eq!(again.settings, campaign.settings);
    }
    told(Request::read(value.clone(), Some(&SETTINGS)));
    told(Wish::read(value.clone(), &SETTINGS));
    told(NewLead::read(value.clone(), country));
    told(LeadChange::read(value.clone()));
    told(EndpointRequest::read(value.clone(), None));
    told(TrunkRequest::read(value.clone(), None));
    told(do_not_call::Entry::read(value, country));
}

fn told<T>(read: Result<T, Invalid>) -> Option<T> {
    match read {
        Ok(read) => Some(read),
        Err(Invalid(problems)) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!((1..SENTENCE_MAX).contains(&problem.message.len()), "{problem:?}");
            }
            None
        }
    }
}
