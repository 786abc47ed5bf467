//! What random bytes begin from, whole, cut off anywhere and with bytes changed, held against the targets of `fuzz/` on every
//! change; an input that was found stands among them.

use std::fs;
use std::path::Path;

#[path = "fuzz/targets/json.rs"]
mod json;
#[path = "fuzz/targets/phone.rs"]
mod phone;
#[path = "fuzz/targets/script.rs"]
mod script;
#[path = "fuzz/targets/sip.rs"]
mod sip;
#[path = "fuzz/targets/sound.rs"]
mod sound;
#[path = "fuzz/targets/table.rs"]
mod table;

/// Tries each input as it is, cut off at so many places, and with another byte at each of them.
fn hold_seeds(target: &str, hold: fn(&[u8]), places: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
    let mut inputs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty());
    for input in inputs {
        let bytes = fs::read(&input).unwrap();
        // Says with which one it was when a target panics.
        println!("{}", input.display());
        hold(&bytes);
        for place in (0..bytes.len()).step_by(bytes.len().div_ceil(places).max(1)) {
            hold(&bytes[..place]);
            let mut changed = bytes.clone();
            changed[place] ^= 1 << (place % 8);
            hold(&changed);
        }
    }
}

#[test]
fn bodies_and_verdicts_hold() {
    hold_seeds("json", json::hold, 40);
}

#[test]
fn numbers_hold() {
    hold_seeds("phone", phone::hold, 40);
}

#[test]
fn scripts_hold() {
    hold_seeds("script", script::hold, 40);
}

#[test]
fn messages_and_descriptions_hold() {
    hold_seeds("sip", sip::hold, 40);
}

#[test]
fn packets_and_files_of_sound_hold() {
    hold_seeds("sound", sound::hold, 3);
}

#[test]
fn tables_hold() {
    hold_seeds("table", table::hold, 20);
}
