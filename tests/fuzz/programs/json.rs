//! Feeds random bytes to the target of the same name.
#![no_main]

#[path = "../targets/json.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| target::hold(bytes));
