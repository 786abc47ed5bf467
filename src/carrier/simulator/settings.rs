//! What the operator may set about the people and machines that the simulator plays. Every field has a
//! default, so that an empty table gives a plausible town.

use crate::domain::agent::AgentKind;
use serde::{Deserialize, Serialize};

/// How the simulator behaves. Shares are weights: they need not add up to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Which town is simulated. With the same seed the same number does the same on the same attempt.
    pub seed: u64,
    /// How many times faster than in life phones ring and people talk; 200 plays three minutes in a second.
    pub speed: f64,
    /// Calls that may be alive at one time; one more is refused.
    pub channels: usize,
    /// Dials per second that the dialer should keep to; none for no limit.
    pub calls_per_second: Option<f64>,
    /// Who talks on the calls of campaigns that do not say so: the script, or a recorded conversation.
    pub agent: Option<AgentKind>,
    /// How conversations are held on calls on which an agent talks.
    pub conversations: Conversations,
    /// What becomes of a call.
    pub outcomes: Outcomes,
    /// What people do who pick up.
    pub persons: Persons,
    /// Seconds from the first ring until somebody picks up or refuses.
    pub ring_seconds: Seconds,
    /// Seconds from picking up until somebody hangs up early, and from the first word until somebody asks not
    /// to be called again (at the latest in the middle of the script).
    pub interrupt_seconds: Seconds,
    /// Seconds from the end of the script until a key is pressed.
    pub key_seconds: Seconds,
    /// Seconds of silence after which a person hangs up. Not divided by the speed: the dialer, for whom they
    /// wait, is no faster.
    pub patience_seconds: Seconds,
}

/// How conversations are held where nobody's phone rings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversations {
    /// Recorded ones are played; they cost nothing.
    #[default]
    Recorded,
    /// The model of the agent's settings plays both sides.
    Model,
}

/// Shares of what becomes of a call. Whoever would pick up only after the ring timeout adds to `no_answer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outcomes {
    /// A person picks up.
    pub answered_by_person: f64,
    /// An answering machine picks up.
    pub answered_by_machine: f64,
    /// It rings until the ring timeout.
    pub no_answer: f64,
    /// The line is busy.
    pub busy: f64,
    /// The call is refused while it rings.
    pub rejected: f64,
    /// There is no such number.
    pub invalid_number: f64,
    /// The carrier fails.
    pub carrier_error: f64,
}

/// Shares of what people do who pick up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Persons {
    /// Hears the script out and says nothing.
    pub hears_out: f64,
    /// Hangs up early.
    pub hangs_up_early: f64,
    /// Hears the script out, then presses 1.
    pub presses_1: f64,
    /// Hears the script out, then presses 2.
    pub presses_2: f64,
    /// Asks, while the script is spoken, not to be called again.
    pub asks_not_to_be_called_again: f64,
}

/// From this to that many seconds, each length equally likely; divided by the speed where not said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seconds {
    /// The shortest.
    pub min: f64,
    /// The longest.
    pub max: f64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 1,
            speed: 1.0,
            channels: 1000,
            calls_per_second: None,
            agent: None,
            conversations: Conversations::Recorded,
            outcomes: Outcomes::default(),
            persons: Persons::default(),
            ring_seconds: Seconds { min: 3.0, max: 20.0 },
            interrupt_seconds: Seconds { min: 2.0, max: 8.0 },
            key_seconds: Seconds { min: 1.0, max: 5.0 },
            patience_seconds: Seconds { min: 9.0, max: 15.0 },
        }
    }
}

impl Default for Outcomes {
    fn default() -> Outcomes {
        Outcomes {
            answered_by_person: 0.45,
            answered_by_machine: 0.2,
            no_answer: 0.22,
            busy: 0.06,
            rejected: 0.04,
            invalid_number: 0.02,
            carrier_error: 0.01,
        }
    }
}

impl Default for Persons {
    fn default() -> Persons {
        Persons {
            hears_out: 0.55,
            hangs_up_early: 0.2,
            presses_1: 0.15,
            presses_2: 0.07,
            asks_not_to_be_called_again: 0.03,
        }
    }
}

/// A day; nothing in a call lasts longer.
const SECONDS_MAX: f64 = 86_400.0;

impl Settings {
    /// Says which field cannot be used and why, for the first one that cannot.
    pub fn check(&self) -> Result<(), String> {
        let positive = |rate: f64| rate.is_finite() && rate > 0.0;
        if !positive(self.speed) {
            return Err(format!("speed must be a number above 0, not {}", self.speed));
        }
        if self.channels == 0 {
            return Err("channels must be at least 1".into());
        }
        if let Some(rate) = self.calls_per_second.filter(|rate| !positive(*rate)) {
            return Err(format!("calls_per_second must be above 0, or left out for no limit, not {rate}"));
        }
        let Outcomes {
            answered_by_person,
            answered_by_machine,
            no_answer,
            busy,
            rejected,
            invalid_number,
            carrier_error,
        } = self.outcomes;
        check_shares(&[
            ("outcomes.answered_by_person", answered_by_person),
            ("outcomes.answered_by_machine", answered_by_machine),
            ("outcomes.no_answer", no_answer),
            ("outcomes.busy", busy),
            ("outcomes.rejected", rejected),
            ("outcomes.invalid_number", invalid_number),
            ("outcomes.carrier_error", carrier_error),
        ])?;
        let Persons { hears_out, hangs_up_early, presses_1, presses_2, asks_not_to_be_called_again } =
            self.persons;
        check_shares(&[
            ("persons.hears_out", hears_out),
            ("persons.hangs_up_early", hangs_up_early),
            ("persons.presses_1", presses_1),
            ("persons.presses_2", presses_2),
            ("persons.asks_not_to_be_called_again", asks_not_to_be_called_again),
        ])?;
        for (field, seconds) in [
            ("ring_seconds", self.ring_seconds),
            ("interrupt_seconds", self.interrupt_seconds),
            ("key_seconds", self.key_seconds),
            ("patience_seconds", self.patience_seconds),
        ] {
            if !(0.0 <= seconds.min && seconds.min <= seconds.max && seconds.max <= SECONDS_MAX) {
                return Err(format!("{field} must be 0 <= min <= max <= {SECONDS_MAX}"));
            }
        }
        Ok(())
    }
}

fn check_shares(shares: &[(&str, f64)]) -> Result<(), String> {
    for (field, share) in shares {
        if !(share.is_finite() && *share >= 0.0) {
            return Err(format!("{field} must be 0 or more, not {share}"));
        }
    }
    let sum: f64 = shares.iter().map(|(_, share)| share).sum();
    if sum.is_finite() && sum > 0.0 {
        return Ok(());
    }
    let table = shares.first().and_then(|(field, _)| field.split('.').next()).unwrap_or_default();
    Err(format!("one of the shares in {table} must be above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_gives_the_defaults_and_an_unknown_field_is_refused() {
        let settings: Settings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.check(), Ok(()));
        let partly: Settings = serde_json::from_str(r#"{"outcomes": {"busy": 1}}"#).unwrap();
        assert_eq!(partly.outcomes, Outcomes { busy: 1.0, ..Outcomes::default() });
        for text in [r#"{"sped": 2}"#, r#"{"outcomes": {"bussy": 1}}"#, r#"{"ring_seconds": {"min": 1}}"#] {
            assert!(serde_json::from_str::<Settings>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn settings_survive_being_written_down() {
        let settings = Settings { calls_per_second: Some(20.0), ..Settings::default() };
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_named() {
        for (field, text) in [
            ("speed", r#"{"speed": 0}"#),
            ("channels", r#"{"channels": 0}"#),
            ("calls_per_second", r#"{"calls_per_second": -1}"#),
            ("outcomes.busy", r#"{"outcomes": {"busy": -0.1}}"#),
            ("ring_seconds", r#"{"ring_seconds": {"min": 5, "max": 4}}"#),
            ("key_seconds", r#"{"key_seconds": {"min": 5, "max": 1e9}}"#),
            (
                "in persons",
                r#"{"persons": {"hears_out": 0, "hangs_up_early": 0, "presses_1": 0, "presses_2": 0,
                    "asks_not_to_be_called_again": 0}}"#,
            ),
        ] {
            let settings: Settings = serde_json::from_str(text).unwrap();
            let problem = settings.check().unwrap_err();
            assert!(problem.contains(field), "{text}: {problem}");
        }
        let nan = Settings { speed: f64::NAN, ..Settings::default() };
        assert!(nan.check().is_err());
    }
}
