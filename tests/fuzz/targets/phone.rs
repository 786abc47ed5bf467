//! Any text as a phone number: it is one, or there is a sentence why not; one that is read again stays the same, and no
//! log shows it.

use voice_campaigns::domain::phone::{self, Country, Phone};

/// Holds all of it against whatever came; what is no text is left out.
pub(crate) fn hold(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for country in [None, Country::parse("US"), Country::parse("DE"), Country::parse("IT")] {
        match phone::parse(text, country) {
            Ok(number) => {
                let written = number.to_string();
                assert_eq!(Phone::from_e164(&written), Some(number));
                assert_eq!(phone::parse(&written, country), Ok(number));
                assert!(!format!("{number:?}").contains(&written[1..]));
            }
            Err(problem) => assert!(!problem.to_string().is_empty()),
        }
    }
    let masked = phone::masked_in(text);
    assert_eq!(masked.is_empty(), text.is_empty());
    let with_number = format!("{text} +12025550101");
    assert!(!phone::masked_in(&with_number).ends_with("2025550101"), "{with_number:?}");
}
