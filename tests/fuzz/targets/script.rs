//! Any text as a script: it is read, or there are reasons why not; what was read can be said, and nothing that a value
//! holds is read again. Any text as a cell comes back from a spreadsheet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::borrow::Cow;
use voice_campaigns::domain::script::{self, Template};
use voice_campaigns::domain::spreadsheet;

fuzz_target!(|text: &str| {
    match Template::parse(text) {
        Ok(template) => {
            let said = template.render(&|_| Some(Cow::Borrowed("{x}"))).expect("every name has a value");
            assert!(template.variables().is_empty() || said.contains("{x}"));
            if let Err(missing) = template.render(&|_| None) {
                assert!(!missing.names.is_empty());
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
});
