//! The do-not-call list: numbers that no campaign may dial, and how they came there. What is stored and who may change
//! it is not known here.

use crate::words;

words! {
    /// How a number came onto the list, or off it.
    pub enum Source {
        /// The person asked for it during a call.
        Call = "call",
        /// Somebody with a hand on the server: the command line, or the page.
        Operator = "operator",
        /// A single request to the API.
        Api = "api",
        /// A file of numbers.
        Import = "import",
    }
}
