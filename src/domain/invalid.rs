//! What is wrong with what a caller sent, in words for the caller. Knows nothing of HTTP status codes.

use std::fmt;

/// One thing that is wrong: the field (as the caller spelt it) and a sentence with the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the field, or of the parameter; `body` where no field can be named.
    pub field: String,
    /// A sentence that says what is wrong and what would be right.
    pub message: String,
}

/// Everything that is wrong with one request, all at once and never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub Vec<Problem>);

impl Invalid {
    /// A single problem.
    pub fn one(field: impl Into<String>, message: impl Into<String>) -> Invalid {
        Invalid(vec![Problem { field: field.into(), message: message.into() }])
    }
}

impl fmt::Display for Invalid {
    /// The one sentence of the error body: the first problems, `field: message`, joined by semicolons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_MAX: usize = 8;
        for (index, problem) in self.0.iter().take(SHOWN_MAX).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", problem.field, problem.message)?;
        }
        match self.0.len().checked_sub(SHOWN_MAX) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for Invalid {}

/// A change that the present state does not allow; the sentence says what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}
