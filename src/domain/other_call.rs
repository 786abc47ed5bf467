//! Calls that are no attempt of the dialer: one that a person asks for by hand to try a campaign, and one that somebody
//! makes to us. They are in no sum, budget or limit of their campaign.

use super::Instant;
use super::call::{CallState, Ending};
use super::gate::Hold;
use super::lead::NewLead;
use super::outcome::Outcome;
use super::phone::Phone;
use super::script::{Template, Unsaid};
use super::script_preview::Values;
use crate::words;
use chrono::TimeDelta;
use serde_json::Value;
use std::borrow::Cow;

words! {
    /// How a call that is no attempt comes about.
    pub enum Kind {
        /// A person asked for it, to hear what a lead would hear.
        Test = "test",
        /// Somebody called us.
        Inbound = "inbound",
    }
}

/// Such a call as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherCall {
    /// Never reused; of a row of its own, beside those of the dialer's calls.
    pub id: i64,
    /// How it came about.
    pub kind: Kind,
    /// Its campaign.
    pub campaign_id: i64,
    /// The lead whose values were said, or who called.
    pub lead_id: Option<i64>,
    /// Who is called, or who called; none where that is withheld, or the person was erased.
    pub phone: Option<Phone>,
    /// Who carries it; `simulator` says that nobody's phone rang.
    pub carrier: String,
    /// How far it has come.
    pub state: CallState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// A sentence about the end, where the outcome does not say it all.
    pub detail: Option<String>,
    /// When it was asked for, or came in.
    pub asked_at: Instant,
    /// When it was handed to the carrier, or came in; none while it waits for a line, and ever after if it got none.
    pub placed_at: Option<Instant>,
    /// When it was picked up.
    pub answered_at: Option<Instant>,
    /// When it was over.
    pub ended_at: Option<Instant>,
    /// What happened when: `[{"at","event"}]`.
    pub timeline: Value,
    /// Who asked for it; nobody did for a call to us.
    pub placed_by: Option<String>,
    /// Values that were sent along.
    pub variables: Value,
    /// Who wanted it to end while it was alive.
    pub hung_up_by: Option<String>,
}

impl OtherCall {
    /// What it is known by where it meets the calls of the dialer.
    pub fn key(&self) -> i64 {
        key(self.id)
    }
}

/// Why somebody who calls us is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// No campaign has the number that they called.
    NoSuchNumber,
    /// Its campaign takes no calls at the moment.
    NotNow,
    /// As many calls are alive as there may be.
    Busy,
}

/// What is told of a call whose caller asked never to be called again, and whose number is not known.
pub const NOT_LISTED: &str = "They asked not to be called again, but nothing was written on the do-not-call list: their number is not known";

/// How long one that was asked for waits for a line.
pub const LINE_WAIT: TimeDelta = TimeDelta::seconds(30);

/// What such a call is known by where it meets those of the dialer: below zero, where no attempt is.
pub fn key(id: i64) -> i64 {
    -id
}

/// Which such call is known by this; none for an attempt of the dialer.
pub fn id_of(key: i64) -> Option<i64> {
    (key < 0).then_some(-key)
}

/// What a script is filled with.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'a> {
    /// Values that were sent, which come first.
    pub values: &'a Values,
    /// The lead whose values come next.
    pub lead: Option<&'a NewLead>,
    /// What becomes of a value that nobody has.
    pub absent: Absent,
}

/// What becomes of a value that nobody has and that has no fallback in the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Nothing is said at all.
    Refused,
    /// Its name is said, so that whoever tries a script hears where a value goes.
    Named,
    /// It is left out.
    LeftOut,
}

impl<'a> Filling<'a> {
    /// What a test call says: what was sent, then what the lead has; without a lead, names in the place of values.
    pub fn of_test(values: &'a Values, lead: Option<&'a NewLead>) -> Filling<'a> {
        let absent = if lead.is_some() { Absent::Refused } else { Absent::Named };
        Filling { values, lead, absent }
    }

    /// The text of a template.
    pub(super) fn said(&self, template: &Template) -> Result<String, Unsaid> {
        let said = template.render(&|name| self.value(name));
        match (said, self.absent) {
            (Err(Unsaid::Missing(_)), Absent::Named) => {
                template.render_with(&|name| self.value(name), &|name| name.replace('_', " "))
            }
            (Err(Unsaid::Missing(_)), Absent::LeftOut) => {
                template.render_with(&|name| self.value(name), &|_| String::new())
            }
            (said, Absent::Refused | Absent::Named | Absent::LeftOut) => said,
        }
    }

    /// All values that there are, by their names; what was sent counts before what the lead has.
    pub(super) fn values(&self) -> Vec<(String, String)> {
        let mut values = self.values.all();
        for (name, value) in self.lead.map(NewLead::values).unwrap_or_default() {
            if values.iter().all(|(known, _)| *known != name) {
                values.push((name, value));
            }
        }
        values
    }

    fn value(&self, name: &str) -> Option<Cow<'a, str>> {
        let sent = self.values.get(name).map(Cow::Borrowed);
        sent.or_else(|| self.lead.and_then(|lead| lead.value(name)).map(Cow::Owned))
    }
}

/// The end of a call that was asked for and not placed.
pub fn not_placed(why: String, at: Instant) -> Ending {
    let (outcome, detail) = (Outcome::Canceled, Some(why));
    Ending { outcome, answered_at: None, ended_at: at, detail, conversation: None }
}

/// Why a test call that is asked for is not even written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// The campaign has no such lead.
    NoSuchLead(i64),
    /// Another one of the campaign has not ended.
    Alive(i64),
    /// What forbids the dial.
    Held(Hold),
}

impl Objection {
    /// The same as a sentence.
    pub fn sentence(&self) -> String {
        match self {
            Objection::NoSuchLead(id) => format!("The campaign has no lead {id}"),
            Objection::Alive(id) => {
                format!("The test call {id} of this campaign has not ended; one is made at a time")
            }
            Objection::Held(hold) => refusal(hold),
        }
    }
}

/// Why it was not placed, in a sentence.
pub fn refusal(hold: &Hold) -> String {
    let sentence = hold.reason.sentence();
    match &hold.detail {
        Some(detail) => format!("{sentence}: {detail}"),
        None => sentence.to_owned(),
    }
}

/// The end of a call that was alive when the server stopped.
pub fn interrupted(call: &OtherCall, at: Instant) -> Ending {
    match call.placed_at {
        Some(placed_at) => Ending::interrupted(call.answered_at, at.max(placed_at)),
        None => not_placed("The server stopped before this call was placed; nobody was called".into(), at),
    }
}
