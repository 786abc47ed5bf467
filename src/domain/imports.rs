//! Imports of leads: what may be asked of one, what can become of a row, and what is told afterwards. How rows are
//! read and written is not known here.

use super::campaign::{Campaign, LeadTimeZonePolicy};
use super::fields::{self, Parsed, Words};
use super::gate::HoldReason;
use super::guard::Guard;
use super::lead::{COLUMNS, NewLead};
use super::phone::PhoneProblem;
use super::script::Template;
use super::zones;
use crate::words;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

words! {
    /// Where an import is on its way.
    ///
    /// ```text
    ///   running ──► completed ──► undone
    ///      └──────► failed ─────────▲
    /// ```
    pub enum ImportState {
        /// Rows are being read or written.
        Running = "running",
        /// Every row has found its fate.
        Completed = "completed",
        /// It ended early; what came in stays until it is undone.
        Failed = "failed",
        /// Its leads are gone again.
        Undone = "undone",
    }
}

words! {
    /// What was sent.
    pub enum Format {
        /// Text with separators.
        Csv = "csv",
        /// An Excel workbook.
        Xlsx = "xlsx",
        /// An array of leads.
        Json = "json",
    }
}

words! {
    /// What becomes of a row whose number the campaign has already.
    pub enum OnDuplicate {
        /// It is left out.
        Skip = "skip",
        /// What it says is written over what the lead says; status and attempts stay.
        Update = "update",
        /// It counts as an error.
        Reject = "reject",
    }
}

words! {
    /// Why a row did not come in.
    pub enum Reason {
        /// An earlier row has the same number.
        DuplicateInFile = "duplicate_in_file",
        /// The campaign has a lead with this number.
        AlreadyInCampaign = "already_in_campaign",
        /// The number may not be called.
        OnDoNotCallList = "on_do_not_call_list",
        /// The lead was to be updated while it is being called.
        InProgress = "in_progress",
        /// What stands in the phone column cannot be dialed.
        NotANumber = "not_a_number",
        /// Another column holds something impossible.
        BadValue = "bad_value",
        /// The row as a whole cannot be read.
        BadRow = "bad_row",
    }
}

impl Reason {
    /// For a person, with what to do where something can be done.
    pub fn sentence(self) -> &'static str {
        match self {
            Reason::DuplicateInFile => "An earlier row has the same number",
            Reason::AlreadyInCampaign => "The campaign has a lead with this number already",
            Reason::OnDoNotCallList => "The number is on the do-not-call list",
            Reason::InProgress => "The lead is being called; update it once the call has ended",
            Reason::NotANumber => "The phone column holds no number that can be dialed",
            Reason::BadValue => {
                "A value is not possible for its column; correct it, or map the column to a variable"
            }
            Reason::BadRow => "The row cannot be read",
        }
    }
}

words! {
    /// Why a text is no number.
    pub enum Why {
        /// The cell is blank.
        Empty = "empty",
        /// Digits are missing.
        TooShort = "too_short",
        /// There are too many digits.
        TooLong = "too_long",
        /// A national form without a default country.
        NeedsCountry = "needs_country",
        /// No country has this code.
        UnknownCountry = "unknown_country",
        /// Letters or other signs.
        NotDigits = "not_digits",
        /// The numbering plan has none like it, or it has an extension.
        NoSuchNumber = "no_such_number",
        /// A spreadsheet rounded it, such as 1.20256E+10.
        Rounded = "rounded",
        /// There are two of them, with a `/` between.
        TwoNumbers = "two_numbers",
        /// It can be a national number or one with the country code, and those are two.
        TwoReadings = "two_readings",
    }
}

impl From<PhoneProblem> for Why {
    fn from(problem: PhoneProblem) -> Why {
        match problem {
            PhoneProblem::Empty => Why::Empty,
            PhoneProblem::TooLong => Why::TooLong,
            PhoneProblem::TooShort => Why::TooShort,
            PhoneProblem::NoCountry => Why::NeedsCountry,
            PhoneProblem::UnknownCountry(_) => Why::UnknownCountry,
            PhoneProblem::NotANumber => Why::NotDigits,
            PhoneProblem::NotDialable => Why::NoSuchNumber,
            PhoneProblem::Rounded => Why::Rounded,
            PhoneProblem::TwoNumbers => Why::TwoNumbers,
            PhoneProblem::TwoReadings(..) => Why::TwoReadings,
        }
    }
}

/// A reason, and for what is no number why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// The reason.
    pub reason: Reason,
    /// More about it.
    pub why: Option<Why>,
}

impl From<Reason> for Cause {
    fn from(reason: Reason) -> Cause {
        Cause { reason, why: None }
    }
}

/// What is wrong with a row, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowProblem {
    /// Why it does not come in.
    pub cause: Cause,
    /// Where the column is, if one can be named.
    pub at: Option<usize>,
    /// What it is called; `row` where none can be named.
    pub field: String,
    /// A sentence.
    pub message: String,
}

impl RowProblem {
    /// One of the row as a whole.
    pub fn of_row(message: impl Into<String>) -> RowProblem {
        RowProblem { cause: Reason::BadRow.into(), at: None, field: "row".into(), message: message.into() }
    }
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is a new lead.
    Imported,
    /// It changed a lead.
    Updated,
    /// It did not come in.
    Left(Cause),
}

/// Rows by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// New leads.
    pub imported: i64,
    /// Leads that a row changed.
    pub updated: i64,
    /// Rows left out, because nothing is wrong with them.
    pub skipped: i64,
    /// Rows with something wrong.
    pub rejected: i64,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> i64 {
        self.imported + self.updated + self.skipped + self.rejected
    }

    /// Counts one more row.
    pub fn add(&mut self, fate: Fate, on_duplicate: OnDuplicate) {
        *match fate {
            Fate::Imported => &mut self.imported,
            Fate::Updated => &mut self.updated,
            Fate::Left(cause) if is_error(cause.reason, on_duplicate) => &mut self.rejected,
            Fate::Left(_) => &mut self.skipped,
        } += 1;
    }
}

/// Whether a row left out for this reason has something wrong, so that an import of all or nothing fails with it.
pub fn is_error(reason: Reason, on_duplicate: OnDuplicate) -> bool {
    match reason {
        Reason::NotANumber | Reason::BadValue | Reason::BadRow => true,
        Reason::DuplicateInFile | Reason::AlreadyInCampaign => on_duplicate == OnDuplicate::Reject,
        Reason::OnDoNotCallList | Reason::InProgress => false,
    }
}

/// What one column is to become, where the caller says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A field of a lead, by its name in [`COLUMNS`].
    Field(&'static str),
    /// First and last name in one.
    FullName,
    /// A script variable of this name.
    Variable(String),
    /// Nothing.
    Ignore,
}

/// How [`Target::FullName`] is written.
const FULL_NAME: &str = "full_name";
/// How [`Target::Ignore`] is written.
const IGNORE: &str = "ignore";
/// What is written before the name of a [`Target::Variable`].
const VARIABLE: &str = "variable:";

impl Target {
    /// Reads `first_name`, `full_name`, `variable:plan` or `ignore`.
    pub fn parse(text: &str) -> Parsed<Target> {
        let text = text.trim();
        let field = || COLUMNS.into_iter().find(|known| *known == text);
        match text {
            IGNORE => Ok(Target::Ignore),
            FULL_NAME => Ok(Target::FullName),
            _ => match (text.strip_prefix(VARIABLE).map(str::trim), field()) {
                (Some(""), _) => Err("`variable:` must be followed by a name".to_owned()),
                (Some(name), _) => Ok(Target::Variable(name.to_owned())),
                (None, Some(field)) => Ok(Target::Field(field)),
                (None, None) => {
                    let known: Vec<&str> = COLUMNS.into_iter().chain([FULL_NAME, IGNORE]).collect();
                    let guess = fields::nearest(text, &known).map(|near| format!("; did you mean `{near}`?"));
                    let shown = fields::excerpt(text);
                    let guess = guess.unwrap_or_else(|| {
                        format!("; give a field of a lead, `full_name`, `variable:{shown}` or `ignore`")
                    });
                    Err(format!("`{shown}` is no field of a lead{guess}"))
                }
            },
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Field(name) => f.write_str(name),
            Target::FullName => f.write_str(FULL_NAME),
            Target::Variable(name) => write!(f, "{VARIABLE}{name}"),
            Target::Ignore => f.write_str(IGNORE),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

words! {
    /// How it was found out what a column is.
    pub enum How {
        /// The caller said so.
        Mapping = "mapping",
        /// It has the field's own name.
        Name = "name",
        /// It has a name that usually means this.
        Heading = "heading",
        /// By what stands in it.
        Content = "content",
        /// It has a name of its own, so it is a script variable.
        Other = "other",
    }
}

/// A column as it was understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnView {
    /// Its heading, or `column_1` and so on.
    pub column: String,
    /// What it becomes, as a mapping would say it.
    pub becomes: Target,
    /// How that was found out.
    pub by: How,
    /// The first value in it.
    pub sample: Option<String>,
    /// What a reader may be surprised by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How the file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileView {
    /// Its encoding; none for what is no text.
    pub encoding: Option<&'static str>,
    /// What separates its cells.
    pub delimiter: Option<String>,
    /// The sheet that was read.
    pub sheet: Option<String>,
    /// Whether the first row names the columns.
    pub has_header: bool,
}

/// A row told as an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToldRow {
    /// Its number; in a table the header is row 1.
    pub row: u64,
    /// The column.
    pub field: String,
    /// The start of what stands in it.
    pub value: String,
    /// What is wrong.
    pub message: String,
}

/// Rows told of each reason.
pub const TOLD_MAX: usize = 10;

/// The rows left out for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonView {
    /// The reason.
    pub reason: Reason,
    /// For a person.
    pub message: &'static str,
    /// Whether these rows count as rejected; else they count as skipped.
    pub is_error: bool,
    /// How many.
    pub count: i64,
    /// How many for which cause, where there are several.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub why: BTreeMap<&'static str, i64>,
    /// The first of them.
    pub first_rows: Vec<ToldRow>,
}

words! {
    /// What a reader should know though the rows came in.
    pub enum WarningKind {
        /// The hours are the lead's own, and nobody knows which those are.
        TimeZoneUnknown = "time_zone_unknown",
        /// The guard lets nobody dial these numbers, whatever their campaign.
        NumberRefused = "number_refused",
        /// The guard lets nobody dial into these countries.
        CountryNotAllowed = "country_not_allowed",
        /// Two campaigns will call the same number.
        InAnotherActiveCampaign = "in_another_active_campaign",
        /// The script needs a value that these leads do not have.
        MissingVariable = "missing_variable",
        /// Told of a dry run: nothing would come in.
        WouldBeRefused = "would_be_refused",
    }
}

/// A warning, with how many rows it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What about.
    pub warning: WarningKind,
    /// Which variable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// Rows.
    pub count: i64,
    /// For a person.
    pub message: String,
}

/// All that is told of an import beside its counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Details {
    /// How the file was read.
    pub file: FileView,
    /// What its columns are.
    pub columns: Vec<ColumnView>,
    /// Why rows did not come in.
    pub reasons: Vec<ReasonView>,
    /// What a reader should know.
    pub warnings: Vec<Warning>,
}

impl Details {
    /// Counts a row that did not come in.
    pub fn count(&mut self, cause: Cause, on_duplicate: OnDuplicate) {
        let view = self.reason(cause.reason, on_duplicate);
        view.count += 1;
        if let Some(why) = cause.why {
            *view.why.entry(why.word()).or_default() += 1;
        }
    }

    /// Tells a row, unless enough are told.
    pub fn tell(&mut self, reason: Reason, on_duplicate: OnDuplicate, row: impl FnOnce() -> ToldRow) {
        let view = self.reason(reason, on_duplicate);
        if view.first_rows.len() < TOLD_MAX {
            view.first_rows.push(row());
        }
    }

    fn reason(&mut self, reason: Reason, on_duplicate: OnDuplicate) -> &mut ReasonView {
        let at = match self.reasons.binary_search_by_key(&reason, |view| view.reason) {
            Ok(at) => at,
            Err(at) => {
                let (message, is_error) = (reason.sentence(), is_error(reason, on_duplicate));
                let view = ReasonView {
                    reason,
                    message,
                    is_error,
                    count: 0,
                    why: BTreeMap::new(),
                    first_rows: Vec::new(),
                };
                self.reasons.insert(at, view);
                at
            }
        };
        &mut self.reasons[at]
    }
}

/// What a campaign expects of its leads, to warn of those that will have to wait.
#[derive(Clone, Debug)]
pub struct Expectations {
    guard: Arc<Guard>,
    needs_zone: bool,
    variables: Vec<String>,
    /// Rows without a zone, with a number that is refused or of a country that is, in another active campaign, without
    /// each variable.
    zone_unknown: i64,
    refused: i64,
    abroad: i64,
    elsewhere: i64,
    missing: Vec<i64>,
}

/// What a lead lacks, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lacks(u64);

impl Lacks {
    const ZONE: u64 = 1;
    const ELSEWHERE: u64 = 1 << 1;
    const NUMBER: u64 = 1 << 2;
    const COUNTRY: u64 = 1 << 3;
    const FIRST_VARIABLE: u32 = 4;

    /// The number is in another active campaign, too.
    pub fn elsewhere(self) -> Lacks {
        Lacks(self.0 | Lacks::ELSEWHERE)
    }
}

impl Expectations {
    /// Those of a campaign, and of the guard of all.
    pub fn of(campaign: &Campaign, guard: Arc<Guard>) -> Expectations {
        let settings = &campaign.settings;
        let needed = Template::parse(&settings.script_template).ok();
        let needed = needed.iter().flat_map(Template::variables).filter(|variable| !variable.has_fallback);
        let room = (u64::BITS - Lacks::FIRST_VARIABLE) as usize;
        let variables: Vec<String> = needed.map(|variable| variable.name.clone()).take(room).collect();
        Expectations {
            guard,
            needs_zone: settings.lead_time_zone_policy == LeadTimeZonePolicy::Lead,
            missing: vec![0; variables.len()],
            variables,
            zone_unknown: 0,
            refused: 0,
            abroad: 0,
            elsewhere: 0,
        }
    }

    /// What a lead lacks of them.
    pub fn lacking(&self, lead: &NewLead) -> Lacks {
        let mut lacks = 0;
        if self.needs_zone && lead.time_zone.is_none() && zones::of(lead.phone).is_empty() {
            lacks |= Lacks::ZONE;
        }
        lacks |= match self.guard.refusal(lead.phone) {
            Some(HoldReason::CountryNotAllowed) => Lacks::COUNTRY,
            Some(_) => Lacks::NUMBER,
            None => 0,
        };
        for (variable, bit) in self.variables.iter().zip(Lacks::FIRST_VARIABLE..) {
            lacks |= u64::from(!lead.has_value(variable)) << bit;
        }
        Lacks(lacks)
    }

    /// Counts a lead that came in.
    pub fn count(&mut self, Lacks(lacks): Lacks) {
        if lacks == 0 {
            return;
        }
        self.zone_unknown += i64::from(lacks & Lacks::ZONE != 0);
        self.refused += i64::from(lacks & Lacks::NUMBER != 0);
        self.abroad += i64::from(lacks & Lacks::COUNTRY != 0);
        self.elsewhere += i64::from(lacks & Lacks::ELSEWHERE != 0);
        for (count, bit) in self.missing.iter_mut().zip(Lacks::FIRST_VARIABLE..) {
            *count += i64::from(lacks >> bit & 1 != 0);
        }
    }

    /// What to warn of.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut warn = |warning, variable: Option<&str>, count, message: String| {
            if count > 0 {
                warnings.push(Warning { warning, variable: variable.map(str::to_owned), count, message });
            }
        };
        warn(
            WarningKind::TimeZoneUnknown,
            None,
            self.zone_unknown,
            "These leads name no time zone and their numbers tell none, so they are not called; give them a \
             `time_zone`"
                .to_owned(),
        );
        let never = |reason: HoldReason| reason.sentence().to_owned();
        warn(WarningKind::NumberRefused, None, self.refused, never(HoldReason::NumberRefused));
        warn(WarningKind::CountryNotAllowed, None, self.abroad, never(HoldReason::CountryNotAllowed));
        warn(
            WarningKind::InAnotherActiveCampaign,
            None,
            self.elsewhere,
            "Another active campaign calls these numbers, too".to_owned(),
        );
        for (name, count) in self.variables.iter().zip(&self.missing) {
            let message = format!(
                "The script needs {{{name}}} and these leads have no value for it, so they are not called; map a \
                 column to it, or write a fallback such as {{{name}|there}}"
            );
            warn(WarningKind::MissingVariable, Some(name), *count, message);
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_as_it_is_read_and_a_wrong_one_gets_a_guess() {
        for text in ["phone", "first_name", "full_name", "variable:Order No", "ignore"] {
            assert_eq!(Target::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Target::parse("fist_name").unwrap_err(),
            "`fist_name` is no field of a lead; did you mean `first_name`?"
        );
        assert!(Target::parse("zebra").unwrap_err().ends_with("`variable:zebra` or `ignore`"));
        assert!(Target::parse("variable: ").is_err());
    }

    #[test]
    fn rows_are_counted_once_each_and_only_the_first_are_told() {
        let (mut details, mut counts) = (Details::default(), Counts::default());
        for row in 0..12 {
            let cause = Cause { reason: Reason::NotANumber, why: Some(Why::TooShort) };
            counts.add(Fate::Left(cause), OnDuplicate::Skip);
            details.count(cause, OnDuplicate::Skip);
            let told = || ToldRow { row, field: "phone".into(), value: "12".into(), message: String::new() };
            details.tell(cause.reason, OnDuplicate::Skip, told);
        }
        details.count(Reason::DuplicateInFile.into(), OnDuplicate::Skip);
        counts.add(Fate::Left(Reason::DuplicateInFile.into()), OnDuplicate::Skip);
        let told: Vec<_> = details
            .reasons
            .iter()
            .map(|view| (view.reason.word(), view.count, view.first_rows.len()))
            .collect();
        assert_eq!(told, [("duplicate_in_file", 1, 0), ("not_a_number", 12, 10)]);
        assert_eq!(details.reasons[1].why["too_short"], 12);
        assert_eq!((counts.skipped, counts.rejected, counts.total()), (1, 12, 13));
    }
}
