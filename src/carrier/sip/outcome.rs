//! What a carrier's refusal means. The only place that knows the numbers.

use crate::domain::outcome::Cause;

/// Why a call was not put through, as the carrier says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status, RFC 3261.
    pub code: u16,
    /// Its words.
    pub words: String,
    /// The telephone network's own cause, Q.850, if it is told.
    pub q850: Option<u16>,
}

impl Refusal {
    /// What it means. That the carrier does not want us (401, 403, 407) says nothing about the number. What begins with
    /// 6 is said for every phone that the person has, and not to be tried again.
    pub fn cause(&self) -> Cause {
        match self.code {
            486 => Cause::Busy,
            408 | 480 | 487 => Cause::NoAnswer,
            404 | 410 | 484 | 604 => Cause::InvalidNumber,
            401 | 403 | 407 => Cause::CarrierRefused,
            600..=699 => Cause::Rejected,
            _ => Cause::CarrierError,
        }
    }

    /// It in a sentence.
    pub fn detail(&self, trunk: &str) -> String {
        let Refusal { code, words, q850 } = self;
        let words: String = words.chars().filter(|char| !char.is_control()).take(100).collect();
        let q850 = q850.map(|cause| format!(", Q.850 cause {cause}")).unwrap_or_default();
        let hint = match code {
            401 | 407 => ": check the user name and the password",
            403 => ": check that the trunk may call this country and show this caller id",
            488 | 606 => {
                ": it may want encrypted sound (SRTP), which is not supported, or another codec than PCMU and PCMA"
            }
            301 | 302 | 305 => ": the carrier sends calls elsewhere, which is not followed",
            _ => "",
        };
        format!("trunk {trunk}: {code} {words}{q850}{hint}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::sip::reading::q850;

    fn refusal(code: u16) -> Refusal {
        Refusal { code, words: "Some Words".into(), q850: None }
    }

    #[test]
    fn every_status_has_one_meaning() {
        for (cause, codes) in [
            (Cause::Busy, &[486][..]),
            (Cause::NoAnswer, &[408, 480, 487]),
            (Cause::InvalidNumber, &[404, 410, 484, 604]),
            (Cause::Rejected, &[600, 603, 606, 607, 608, 699]),
            (Cause::CarrierRefused, &[401, 403, 407]),
            (Cause::CarrierError, &[302, 400, 488, 500, 503, 504, 700]),
        ] {
            for code in codes {
                assert_eq!(refusal(*code).cause(), cause, "{code}");
            }
        }
    }

    #[test]
    fn the_sentence_tells_what_was_said_and_what_to_do() {
        let refused =
            Refusal { code: 404, words: "Not\r\n Found".into(), q850: q850("Q.850;cause=1;text=\"x\"") };
        assert_eq!(refused.detail("main"), "trunk main: 404 Not Found, Q.850 cause 1");
        assert!(refusal(407).detail("main").ends_with("check the user name and the password"));
    }
}
