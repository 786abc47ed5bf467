//! Any text as a script: it is read, or there are reasons why not; what was read can be said, and nothing that a value
//! holds is read again. Any text as a cell comes back from a spreadsheet.

use std::borrow::Cow;
use voice_campaigns::domain::script::{self, SAID_MAX, Template, Unsaid};
use voice_campaigns::domain::spreadsheet;

/// Holds all of it against whatever came; what is no text is left out.
pub(crate) fn hold(bytes: &[u8]) {
    // A longer one is refused where it is saved.
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= SAID_MAX) else { return };
    match Template::parse(text) {
        Ok(template) => {
            let said = template.render(&|_| Some(Cow::Borrowed("{x}"))).expect("every name has a value");
            assert!(template.variables().is_empty() || said.contains("{x}"));
            match template.render(&|_| None) {
                Ok(_) => {}
                Err(Unsaid::Missing(names)) => assert!(!names.is_empty()),
                Err(Unsaid::TooLong) => panic!("it is no longer than what it was read from"),
            }
        }
        Err(problems) => assert!(!problems.is_empty()),
    }
    let escaped = text.replace('{', "{{").replace('}', "}}");
    let said = Template::parse(&escaped).map(|template| template.render(&|_| None));
    assert_eq!(said, Ok(Ok(text.to_owned())));
    assert_eq!(script::speech_ms(text) == 0, text.trim().is_empty());
    let name = script::normal_name(text);
    assert_eq!(script::normal_name(&name), name);
    let shown = spreadsheet::defused(text);
    assert_eq!(spreadsheet::plain(&shown), text);
    assert!(!shown.starts_with(['=', '+', '-', '@', '\t', '\r']));
}
