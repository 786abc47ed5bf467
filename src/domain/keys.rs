//! The keys of a telephone, and what pressing one means on the calls of a campaign.

use super::fields::{self, Parsed, Words};
use super::outcome::Criteria;
use crate::words;
use serde::Serialize;
use serde_json::Value;

words! {
    /// What pressing a key does.
    pub enum Action {
        /// Yes to what is asked: the call is a success.
        Yes = "yes",
        /// No to what is asked.
        No = "no",
        /// Another time: the person is called again.
        CallBack = "call_back",
        /// Never again: the number goes onto the do-not-call list.
        OptOut = "opt_out",
        /// To a person: the call is passed on to the campaign's `transfer_number`.
        Transfer = "transfer",
        /// What was said, once more.
        Repeat = "repeat",
    }
}

/// The keys there are, in the order of a telephone.
pub const KEYS: [char; 12] = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0', '*', '#'];

/// The key that opts out unless a campaign says otherwise.
const OPT_OUT: char = '9';

/// What each key of a campaign does. There is always one that opts out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMap(Vec<(char, Action)>);

impl KeyMap {
    /// Reads an object from key to action.
    pub fn read(value: &Value) -> Parsed<KeyMap> {
        let example = r#"such as {"1": "yes", "9": "opt_out"}"#;
        let Value::Object(object) = value else {
            return Err(format!(
                "must be an object from key to action, {example}, not {}",
                fields::kind(value)
            ));
        };
        if let Some(key) = object.keys().find(|key| key_of(key).is_none()) {
            return Err(format!("`{}` is no key; use 0 to 9, * or #", fields::excerpt(key)));
        }
        let mut keys = Vec::new();
        for key in KEYS {
            if let Some(action) = object.get(key.encode_utf8(&mut [0; 4])) {
                let action = fields::word(action).map_err(|message| format!("key {key}: {message}"))?;
                keys.push((key, action));
            }
        }
        let map = KeyMap(keys);
        match map.key_for(Action::OptOut) {
            Some(_) => Ok(map),
            None => Err(format!("must have a key for `opt_out`, {example}")),
        }
    }

    /// What the keys do where a campaign does not say it: 9 opts out, and 1 and 2 are yes and no where a verdict is
    /// asked.
    pub fn usual(criteria: Criteria) -> KeyMap {
        let opt_out = (OPT_OUT, Action::OptOut);
        KeyMap(match criteria {
            Criteria::Verdict => vec![('1', Action::Yes), ('2', Action::No), opt_out],
            Criteria::CallCompleted | Criteria::MessageLeft => vec![opt_out],
        })
    }

    /// The key that opts out; the first of several.
    pub fn opt_out_key(&self) -> char {
        self.key_for(Action::OptOut).unwrap_or(OPT_OUT)
    }

    /// What the keys do, each action as often as there are keys for it.
    pub fn actions(&self) -> impl Iterator<Item = Action> {
        self.0.iter().map(|(_, action)| *action)
    }

    /// What this key does.
    pub fn action(&self, key: char) -> Option<Action> {
        self.0.iter().find(|(known, _)| *known == key).map(|(_, action)| *action)
    }

    /// The first key that does this.
    pub fn key_for(&self, action: Action) -> Option<char> {
        self.0.iter().find(|(_, known)| *known == action).map(|(key, _)| *key)
    }
}

fn key_of(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|key| chars.as_str().is_empty() && KEYS.contains(key))
}

impl Serialize for KeyMap {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, action)| (key, action.word())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_map_is_shown_in_the_order_of_a_telephone() {
        let map = KeyMap::read(&json!({"#": "repeat", "9": "opt_out", "0": "transfer", "1": "yes"})).unwrap();
        let shown = serde_json::to_string(&map).unwrap();
        assert_eq!(shown, r##"{"1":"yes","9":"opt_out","0":"transfer","#":"repeat"}"##);
        assert_eq!((map.action('0'), map.action('2')), (Some(Action::Transfer), None));
        assert_eq!(map.key_for(Action::Repeat), Some('#'));
    }

    #[test]
    fn whoever_is_called_can_always_opt_out() {
        for (keys, problem) in [
            (json!({"1": "yes"}), r#"must have a key for `opt_out`, such as {"1": "yes", "9": "opt_out"}"#),
            (json!({}), r#"must have a key for `opt_out`, such as {"1": "yes", "9": "opt_out"}"#),
            (json!({"10": "opt_out"}), "`10` is no key; use 0 to 9, * or #"),
            (json!({"": "opt_out"}), "`` is no key; use 0 to 9, * or #"),
            (
                json!({"9": "opt_out", "1": "maybe"}),
                "key 1: must be one of `yes`, `no`, `call_back`, `opt_out`, `transfer`, `repeat`; it is `maybe`",
            ),
            (
                json!(["9"]),
                r#"must be an object from key to action, such as {"1": "yes", "9": "opt_out"}, not an array"#,
            ),
        ] {
            assert_eq!(KeyMap::read(&keys).unwrap_err(), problem);
        }
    }
}
