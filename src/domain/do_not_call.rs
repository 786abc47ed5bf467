//! The do-not-call list: numbers that no campaign may dial, and how they came there. What is stored and who may change
//! it is not known here.

use super::columns;
use super::fields::{self, Fields};
use super::invalid::{Invalid, Problem};
use super::phone::{self, Country, Phone, PhoneProblem};
use super::script;
use crate::words;
use serde_json::Value;

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

/// Characters of a reason at most.
pub const REASON_MAX: usize = 500;
/// The reason when nobody gives one.
const NO_REASON: &str = "no reason given";

/// A number that is to go onto the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number.
    pub phone: Phone,
    /// Why.
    pub reason: String,
}

impl Entry {
    /// Reads `{"phone", "reason"}`, where whoever sends it is asked about all that is not clear.
    pub fn read(value: Value, country: Option<Country>) -> Result<Entry, Invalid> {
        let mut fields = Fields::of(value)?;
        let phone = fields.required("phone", None, |value| {
            phone::parse(&fields::text_or_number(value)?, country).map_err(|problem| problem.to_string())
        });
        let reason = fields.optional("reason", None, None, fields::optional_text(REASON_MAX));
        fields.finish(phone.map(|phone| Entry { phone, reason: reason_or_none(reason) }))
    }
}

/// What one of many items says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadItem {
    /// Its number, or all that are in its text.
    pub entries: Vec<Entry>,
    /// Whether it can be two numbers, of which both are listed.
    pub has_two_readings: bool,
    /// What is wrong with it. Without a number it is that; else the number is listed nonetheless.
    pub problems: Vec<Problem>,
}

impl ReadItem {
    /// Reads one of many, about which nobody is asked: what stands beside a number keeps it off the list in no way.
    pub fn read(value: Value, country: Option<Country>) -> ReadItem {
        let mut fields = match Fields::of(value) {
            Ok(fields) => fields,
            Err(Invalid(problems)) => return ReadItem { problems, ..ReadItem::default() },
        };
        let readings = fields.required("phone", None, |value| {
            readings(&fields::text_or_number(value)?, country).map_err(|problem| problem.to_string())
        });
        let reason = fields.optional("reason", None, None, |value| Ok(shortened(fields::string(value)?)));
        let problems = match fields.finish(Some(())) {
            Ok(()) => Vec::new(),
            Err(Invalid(problems)) => problems,
        };
        let Readings { phones, are_of_one } = readings.unwrap_or_default();
        let entries = entries(phones, &reason_or_none(reason));
        ReadItem { entries, has_two_readings: are_of_one, problems }
    }
}

fn entries(phones: Vec<Phone>, reason: &str) -> Vec<Entry> {
    phones.into_iter().map(|phone| Entry { phone, reason: reason.to_owned() }).collect()
}

/// The numbers of a text.
#[derive(Default)]
struct Readings {
    phones: Vec<Phone>,
    /// Some of them are what one number can be.
    are_of_one: bool,
}

/// Numbers of one text at most.
const IN_A_TEXT_MAX: usize = 10;

/// The number of a text, both that it can be, or all that are in it: who said no must not be called because somebody left
/// out a `+`, or wrote two into one cell.
fn readings(text: &str, country: Option<Country>) -> Result<Readings, PhoneProblem> {
    match one(text, country) {
        Err(problem) => several(text, country).ok_or(problem),
        read => read,
    }
}

fn one(text: &str, country: Option<Country>) -> Result<Readings, PhoneProblem> {
    match phone::parse(text, country) {
        Ok(phone) => Ok(Readings { phones: vec![phone], are_of_one: false }),
        Err(PhoneProblem::TwoReadings(national, with_code)) => {
            Ok(Readings { phones: vec![national, with_code], are_of_one: true })
        }
        Err(problem) => Err(problem),
    }
}

/// The numbers of a text with nothing but whole ones in it, whatever stands between them.
fn several(text: &str, country: Option<Country>) -> Option<Readings> {
    let mut all = Readings::default();
    let mut add = |part: &str| {
        let Readings { phones, are_of_one } = one(part, country).ok()?;
        all.phones.extend(phones);
        all.are_of_one |= are_of_one;
        (all.phones.len() <= IN_A_TEXT_MAX).then_some(())
    };
    for part in phone::parts(text) {
        if add(part).is_none() {
            phone::parts_between_slashes(part).into_iter().try_for_each(&mut add)?;
        }
    }
    (!all.phones.is_empty()).then_some(all)
}

/// A reason as it is kept; of a long one the start.
fn shortened(text: &str) -> Option<String> {
    const MARK: char = '…';
    let text = text.replace('\0', "");
    match text.char_indices().nth(REASON_MAX - 1) {
        _ if text.trim().is_empty() => None,
        Some((at, last)) if text.len() > at + last.len_utf8() => Some(format!("{}{MARK}", &text[..at])),
        _ => Some(text),
    }
}

/// What is said about why a number is listed, or that nothing is.
fn reason_or_none(reason: Option<String>) -> String {
    reason.unwrap_or_else(|| NO_REASON.to_owned())
}

words! {
    /// What a column of a table of numbers becomes.
    pub enum Becomes {
        /// Its numbers are listed.
        Phone = "phone",
        /// It says why.
        Reason = "reason",
        /// Nothing.
        Ignore = "ignore",
    }
}

/// A column of a table of numbers, as it was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its heading, or `column_1` and so on.
    pub title: String,
    /// What it becomes.
    pub becomes: Becomes,
    /// What a reader may be surprised by.
    pub note: Option<&'static str>,
}

/// What the columns of a table of numbers mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns(Vec<Column>);

/// What a row of a table says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadRow<'r> {
    /// The numbers of all its columns.
    pub entries: Vec<Entry>,
    /// How many cells can be two numbers.
    pub two_readings: i64,
    /// Column, content and a sentence for each cell that should be a number and is none.
    pub problems: Vec<(String, &'r str, String)>,
}

/// Headings, folded, under which the numbers of customers and of orders stand as well: read where no better one is.
const DOUBTFUL: [&str; 5] = ["number", "numero", "nummer", "номер", "dnc"];
/// Why one of those was not read.
const NOT_READ: &str =
    "not read, because a better one is there: call it `phone` if it holds phone numbers, too";

impl Columns {
    /// Reads a header row. Without a column of numbers there is nothing to list; of several all are read, because
    /// whoever said no is not to be called on the other number.
    pub fn of<'h>(header: impl Iterator<Item = &'h str>) -> Result<Columns, Invalid> {
        let titles: Vec<&str> = header.map(columns::bare).collect();
        let has_better = titles.iter().any(|title| is_of_phones(title));
        let mut has_reason = false;
        let column = |(at, title): (usize, &&str)| {
            let is_doubtful = DOUBTFUL.contains(&columns::folded(title).as_str());
            let is_reason =
                script::normal_name(title) == "reason" && !std::mem::replace(&mut has_reason, true);
            let (becomes, note) = match (is_doubtful, is_of_phones(title)) {
                (true, _) if has_better => (Becomes::Ignore, Some(NOT_READ)),
                (true, _) | (_, true) => (Becomes::Phone, None),
                (false, false) if is_reason => (Becomes::Reason, None),
                (false, false) => (Becomes::Ignore, None),
            };
            let title = if title.is_empty() { format!("column_{}", at + 1) } else { fields::excerpt(title) };
            Column { title, becomes, note }
        };
        let columns = Columns(titles.iter().enumerate().map(column).collect());
        if columns.that_become(Becomes::Phone).next().is_none() {
            let message = "the first row must name the columns, and one of them must be `phone`";
            return Err(Invalid::one("header", message));
        }
        Ok(columns)
    }

    /// Each of them.
    pub fn all(&self) -> &[Column] {
        &self.0
    }

    fn that_become(&self, becomes: Becomes) -> impl Iterator<Item = (usize, &Column)> {
        self.0.iter().enumerate().filter(move |(_, column)| column.becomes == becomes)
    }

    /// Reads a row. A cell without a digit, such as `none`, is a problem only where no other holds a number.
    pub fn read<'r>(&self, cell: impl Fn(usize) -> Option<&'r str>, country: Option<Country>) -> ReadRow<'r> {
        let mut row = ReadRow::default();
        let reason = self.that_become(Becomes::Reason).next();
        let text = reason.and_then(|(at, _)| cell(at)).unwrap_or_default();
        let reason = reason_or_none(shortened(text.trim()));
        let mut without = Vec::new();
        for (at, column) in self.that_become(Becomes::Phone) {
            let text = cell(at).unwrap_or_default();
            match readings(text, country) {
                Ok(Readings { phones, are_of_one }) => {
                    row.two_readings += i64::from(are_of_one);
                    let is_new = |entry: &Entry| !row.entries.contains(entry);
                    let new: Vec<Entry> = entries(phones, &reason).into_iter().filter(is_new).collect();
                    row.entries.extend(new);
                }
                Err(problem) => {
                    let told = (column.title.clone(), text, problem.to_string());
                    let has_digits = !phone::digits_in(text).is_empty();
                    if has_digits { row.problems.push(told) } else { without.push(told) }
                }
            }
        }
        if row.entries.is_empty() && row.problems.is_empty() {
            row.problems.extend(without.into_iter().next());
        }
        row
    }
}

/// Whether a heading, or one word of it such as in `Mobile (private)` or `Phone 3`, means a phone number.
fn is_of_phones(title: &str) -> bool {
    let is_it =
        |name: &str| columns::is_of_phones(name) && !DOUBTFUL.contains(&columns::folded(name).as_str());
    is_it(title) || title.split(|char: char| !char.is_alphabetic()).any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_is_a_number_with_a_reason_or_without() {
        let us = Country::parse("US");
        let read = |value| Entry::read(value, us);
        let phone = phone::parse("+12025550101", None).unwrap();
        let listed = |reason: &str| Ok(Entry { phone, reason: reason.to_owned() });
        assert_eq!(read(json!({"phone": "(202) 555-0101", "reason": "asked"})), listed("asked"));
        assert_eq!(read(json!({"phone": "+1 202 555 0101", "reason": null})), listed(NO_REASON));
        assert_eq!(read(json!({"phone": 12_025_550_101_u64})), listed(NO_REASON));
        for wrong in [json!({}), json!({"phone": true}), json!({"phone": "110"}), json!("+12025550101")] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
        let Invalid(problems) = Entry::read(json!({"phone": "+12025550101", "raeson": "x"}), us).unwrap_err();
        assert_eq!(problems[0].message, "unknown field; did you mean `reason`?");
    }

    fn becomes(header: &str) -> Option<Vec<Becomes>> {
        let columns = Columns::of(header.split(',')).ok()?;
        Some(columns.all().iter().map(|column| column.becomes).collect())
    }

    #[test]
    fn a_table_names_its_columns_of_numbers_in_any_usual_way() {
        use Becomes::*;
        for (header, expected) in [
            ("phone", Some(vec![Phone])),
            ("Name,Phone Number,Reason", Some(vec![Ignore, Phone, Reason])),
            ("reason,Tel,reason", Some(vec![Reason, Phone, Ignore])),
            ("Name,phone,mobile", Some(vec![Ignore, Phone, Phone])),
            ("Telefon,Handy privat,Kundennummer", Some(vec![Phone, Phone, Ignore])),
            ("Phone 3,Mobile (work),tel_2", Some(vec![Phone, Phone, Phone])),
            ("number,phone", Some(vec![Ignore, Phone])),
            ("Nummer,msisdn", Some(vec![Ignore, Phone])),
            ("number", Some(vec![Phone])),
            ("name,dnc", Some(vec![Ignore, Phone])),
            ("\u{FEFF}phone,", Some(vec![Phone, Ignore])),
            ("Customer number,order number", None),
            ("automobile,cancelled,immobilien", None),
            ("name,e-mail", None),
            ("+12025550101", None),
        ] {
            assert_eq!(becomes(header), expected, "{header}");
        }
    }

    /// The numbers of a row, and the columns that should hold one and do not.
    fn read(header: &str, row: &str) -> (Vec<String>, i64, Vec<String>) {
        let columns = Columns::of(header.split(',')).unwrap();
        let cells: Vec<&str> = row.split(',').collect();
        let read = columns.read(|at| cells.get(at).copied(), Country::parse("DE"));
        let phones = read.entries.iter().map(|entry| entry.phone.to_string()).collect();
        (phones, read.two_readings, read.problems.into_iter().map(|(column, ..)| column).collect())
    }

    #[test]
    fn every_number_of_a_row_is_listed_and_what_should_be_one_is_told() {
        let header = "phone,Mobile,reason";
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
        for (row, phones, two_readings, problems) in [
            ("030 901820,0151 23456789,", &["+4930901820", "+4915123456789"][..], 0, &[][..]),
            ("030 901820,030/901820,", &["+4930901820"], 0, &[]),
            (",4930901820.0,asked", &["+4930901820"], 0, &[]),
            ("030 901820,none,", &["+4930901820"], 0, &[]),
            ("030 901820,4.93E+11,", &["+4930901820"], 0, &["Mobile"]),
            ("49441123456,,", &["+4949441123456", "+49441123456"], 1, &[]),
            ("030 1234567 / 89,none,", &[], 0, &["phone"]),
            ("none,110,", &[], 0, &["Mobile"]),
            (",,", &[], 0, &["phone"]),
            ("", &[], 0, &["phone"]),
        ] {
            assert_eq!(read(header, row), (texts(phones), two_readings, texts(problems)), "{row}");
        }
        let long = format!("030 901820,,{}", "x".repeat(REASON_MAX + 1));
        assert_eq!(read(header, &long), (texts(&["+4930901820"]), 0, vec![]));
    }

    #[test]
    fn whole_numbers_in_one_text_are_all_listed_and_a_piece_of_one_keeps_them_off() {
        for (text, expected) in [
            ("+12025550126 / +12025550127", &["+12025550126", "+12025550127"][..]),
            ("+12025550126 +12025550127", &["+12025550126", "+12025550127"]),
            ("+12025550126＋12025550127", &["+12025550126", "+12025550127"]),
            ("030/901820; 030/901821", &["+4930901820", "+4930901821"]),
            ("030 901820/030 901821", &["+4930901820", "+4930901821"]),
            ("030 901820, 0151 23456789 or 030 901821", &["+4930901820", "+4915123456789", "+4930901821"]),
            ("Tel. 030 901820 Fax 030 901821", &["+4930901820", "+4930901821"]),
            ("49441123456 / 030 901820", &["+4949441123456", "+49441123456", "+4930901820"]),
            ("030 901820 / 89", &[]),
            ("030 901820 x12", &[]),
            ("4.93E+11", &[]),
            ("none", &[]),
            ("", &[]),
        ] {
            let item = ReadItem::read(json!({"phone": text}), Country::parse("DE"));
            let phones: Vec<String> = item.entries.iter().map(|entry| entry.phone.to_string()).collect();
            assert_eq!(phones, expected, "{text}");
            assert_eq!(item.problems.is_empty(), !phones.is_empty(), "{text}");
        }
        let many = "+4930901820 ".repeat(IN_A_TEXT_MAX + 1);
        assert_eq!(ReadItem::read(json!({"phone": many}), None).entries, []);
    }

    #[test]
    fn what_stands_beside_the_number_of_one_of_many_is_told_and_keeps_it_off_in_no_way() {
        let read = |value| {
            let ReadItem { entries, problems, .. } = ReadItem::read(value, None);
            let told: Vec<String> = problems.into_iter().map(|problem| problem.field).collect();
            (entries.into_iter().map(|entry| entry.reason).collect::<Vec<_>>(), told)
        };
        let none = || vec![NO_REASON.to_owned()];
        let longest = "ä".repeat(REASON_MAX);
        for (reason, kept) in [
            (longest.clone(), longest.clone()),
            (longest.clone() + "x", "ä".repeat(REASON_MAX - 1) + "…"),
            ("as\0ked".to_owned(), "asked".to_owned()),
        ] {
            assert_eq!(read(json!({"phone": "+12025550101", "reason": reason})), (vec![kept], vec![]));
        }
        assert_eq!(read(json!({"phone": "+12025550101", "reason": 7})), (none(), vec!["reason".to_owned()]));
        assert_eq!(read(json!({"phone": "+12025550101", "name": "Ada"})), (none(), vec!["name".to_owned()]));
        assert_eq!(read(json!({"reason": "x"})), (vec![], vec!["phone".to_owned()]));
    }
}
