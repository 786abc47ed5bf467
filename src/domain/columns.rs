//! A table of leads: what its columns mean, from heading and content, and how a row becomes a lead.
//!
//! A heading that is a field's own name wins; then names that usually mean a field, in several languages; then what
//! stands in the column. Whatever nobody knows becomes a script variable, so nothing of a file is lost.

use super::campaign;
use super::fields;
use super::headings::{HEADINGS, NAMES, REMARKS};
use super::imports::{Cause, ColumnView, How, Reason, RowProblem, Target};
use super::invalid::{Invalid, Problem};
use super::lead::{self, COLUMNS, EXPORTED, NewLead, VARIABLES_MAX, variable_name};
use super::phone::{self, Phone, PhoneProblem, Unprefixed};
use super::schedule::TimeOfDay;
use super::script;
use super::spreadsheet;
use chrono_tz::Tz;
use serde_json::Value;
use std::collections::BTreeMap;
use std::str::FromStr;

/// What the caller says about columns, by heading.
pub type Mapping = BTreeMap<String, Target>;

/// What the columns of a table of leads mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    all: Vec<Column>,
    phone: usize,
    /// Whether the first row names the columns.
    pub has_header: bool,
}

/// One column, as it was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    title: String,
    target: Target,
    how: How,
    sample: Option<String>,
    note: Option<String>,
}

/// A row that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadRow {
    /// The lead it tells of.
    pub lead: NewLead,
    /// Whether it says anything about the priority.
    pub has_priority: bool,
}

impl Columns {
    /// Understands the first rows of a table. Without a column of phone numbers there is nothing to import.
    pub fn understand(
        rows: &[Vec<String>],
        mapping: &Mapping,
        unprefixed: Unprefixed,
    ) -> Result<Columns, Invalid> {
        let Some(first) = rows.first() else {
            return Err(Invalid::one("body", "is empty; the first row must name the columns"));
        };
        let has_header = !is_data(first, mapping, unprefixed);
        let body = if has_header { &rows[1..] } else { rows };
        let mut titles: Vec<String> = match has_header {
            true => first.iter().map(|title| bare(title).to_owned()).collect(),
            false => Vec::new(),
        };
        let width = match has_header {
            true => titles.len(),
            false => rows.iter().map(Vec::len).max().unwrap_or_default(),
        };
        if width > VARIABLES_MAX {
            return Err(Invalid::one("header", format!("must have at most {VARIABLES_MAX} columns")));
        }
        titles.resize(width, String::new());
        let samples: Vec<Vec<&str>> = (0..width).map(|at| sample(body, at)).collect();
        let mut understanding = Understanding {
            titles: &titles,
            samples: &samples,
            unprefixed,
            found: vec![None; width],
            notes: vec![None; width],
        };
        understanding.obey(mapping)?;
        understanding.own_export();
        understanding.own_export();
        understanding.own_names();
        understanding.headings();
        understanding.contents(has_header);
        understanding.finish(has_header)
    }

    /// What is told of them.
    pub fn views(&self) -> Vec<ColumnView> {
        let view = |column: &Column| ColumnView {
            column: column.title.clone(),
            becomes: column.target.clone(),
            by: column.how,
            sample: column.sample.clone(),
            note: column.note.clone(),
        };
        self.all.iter().map(view).collect()
    }

    /// The headings, as they are told.
    pub fn titles(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|column| column.title.as_str())
    }

    /// Where the phone column is.
    pub fn phone_position(&self) -> usize {
        self.phone
    }

    /// The number that a phone cell holds if it holds one; [`Self::read`] makes sure where that would take longer.
    pub fn likely_number(&self, cell: &str, unprefixed: Unprefixed) -> Result<Phone, RowProblem> {
        phone::at_a_glance(cell).map_or_else(|| self.number(cell, unprefixed), Ok)
    }

    fn number(&self, cell: &str, unprefixed: Unprefixed) -> Result<Phone, RowProblem> {
        phone::parse(cell, unprefixed).map_err(|problem| RowProblem {
            cause: Cause { reason: Reason::NotANumber, why: Some(problem.into()) },
            at: Some(self.phone),
            field: self.all[self.phone].title.clone(),
            message: problem.to_string(),
        })
    }

    /// Reads a row.
    pub fn read<'r>(
        &self,
        row: impl Iterator<Item = &'r str> + Clone,
        unprefixed: Unprefixed,
    ) -> Result<ReadRow, RowProblem> {
        let phone = self.number(row.clone().nth(self.phone).unwrap_or_default(), unprefixed)?;
        let (named, cells) = (self.all.len(), row.clone().count());
        // A separator inside a value that is not quoted would shift all values after it by one column.
        if cells > named && row.clone().skip(named).any(|cell| !cell.trim().is_empty()) {
            let message = format!(
                "has {cells} cells, the header names {named}; quote values that contain the separator"
            );
            return Err(RowProblem::of_row(message));
        }
        let mut read = ReadRow { lead: NewLead::bare(phone), has_priority: false };
        for (at, (column, cell)) in self.all.iter().zip(row).enumerate() {
            let cell = spreadsheet::plain(cell.trim());
            if cell.is_empty() || at == self.phone {
                continue;
            }
            let lead = &mut read.lead;
            let done = match &column.target {
                Target::Ignore => Ok(()),
                Target::Field(field) => {
                    read.has_priority |= *field == "priority";
                    lead.set_column(field, cell)
                }
                Target::FullName => lead.set_full_name(cell),
                Target::Variable(name) => lead.set_variable(name, cell),
            };
            if let Err(message) = done {
                let (cause, field) = (Reason::BadValue.into(), column.title.clone());
                return Err(RowProblem { cause, at: Some(at), field, message });
            }
        }
        Ok(read)
    }

    /// A problem of [`Self::read`] in the words for a single lead. They may hold a guess, which takes too long to
    /// make it for every row of a large table.
    pub fn explained(&self, problem: RowProblem, cell: &str) -> RowProblem {
        let is_zone = problem.at.is_some_and(|at| self.all[at].target == Target::Field("time_zone"));
        match is_zone {
            true => RowProblem { message: campaign::unknown_zone(cell.trim()), ..problem },
            false => problem,
        }
    }
}

/// A heading without what programs put around it.
pub(super) fn bare(title: &str) -> &str {
    spreadsheet::plain(title.trim_matches(|char: char| char.is_whitespace() || char == '\u{FEFF}'))
}

/// The values of a column that are not blank.
fn sample(body: &[Vec<String>], at: usize) -> Vec<&str> {
    body.iter()
        .filter_map(|row| row.get(at))
        .map(|cell| cell.trim())
        .filter(|cell| !cell.is_empty())
        .collect()
}

/// Whether the first row is data already: it holds a number and nothing that names a column.
fn is_data(first: &[String], mapping: &Mapping, unprefixed: Unprefixed) -> bool {
    let names_column = |cell: &String| {
        let title = bare(cell);
        mapping.contains_key(title) || own_field(title).is_some() || field_of(title).is_some()
    };
    first.iter().any(|cell| is_phone_like(cell, unprefixed)) && !first.iter().any(names_column)
}

/// Whether this is a number, if only its country were known.
fn is_phone_like(cell: &str, unprefixed: Unprefixed) -> bool {
    match phone::parse(cell, unprefixed) {
        Ok(_) => true,
        Err(PhoneProblem::NoCountry | PhoneProblem::TwoReadings(..) | PhoneProblem::Rounded) => true,
        Err(
            PhoneProblem::Empty
            | PhoneProblem::TooLong
            | PhoneProblem::TooShort
            | PhoneProblem::UnknownCountry(_)
            | PhoneProblem::NotANumber
            | PhoneProblem::NotDialable
            | PhoneProblem::TwoNumbers,
        ) => false,
    }
}

/// The field with this very name.
fn own_field(title: &str) -> Option<&'static str> {
    let name = script::normal_name(title);
    COLUMNS.into_iter().find(|known| *known == name)
}

/// Whether a heading means phone numbers.
pub(super) fn is_of_phones(title: &str) -> bool {
    const PHONE: Target = Target::Field("phone");
    own_field(title) == Some("phone") || field_of(title).is_some_and(|(target, _)| target == PHONE)
}

/// The field that a heading usually means, and how far down in its list it stands.
fn field_of(title: &str) -> Option<(Target, usize)> {
    let name = folded(title);
    let all = HEADINGS.iter().chain(&REMARKS);
    all.filter_map(|(target, names)| {
        let rank = names.iter().position(|known| *known == name)?;
        Some((target.clone(), rank))
    })
    .next()
    .or_else(|| {
        // `E-Mail` and the like are the own names in another spelling.
        let own = COLUMNS.into_iter().find(|known| known.replace('_', "") == name)?;
        Some((Target::Field(own), 0))
    })
}

/// Letters and digits alone, in lower case and without accents: `N° de téléphone` is `ndetelephone`.
pub(super) fn folded(title: &str) -> String {
    let mut name = String::new();
    for char in title.chars().flat_map(char::to_lowercase) {
        match char {
            'à' | 'á' | 'â' | 'ã' | 'å' | 'ą' | 'ä' => name.push('a'),
            'ç' | 'ć' | 'č' => name.push('c'),
            'è' | 'é' | 'ê' | 'ë' | 'ę' => name.push('e'),
            'ì' | 'í' | 'î' | 'ï' => name.push('i'),
            'ł' => name.push('l'),
            'ñ' | 'ń' => name.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ø' | 'ö' | 'ő' => name.push('o'),
            'ś' | 'š' => name.push('s'),
            'ß' => name.push_str("ss"),
            'ù' | 'ú' | 'û' | 'ü' | 'ű' => name.push('u'),
            'ź' | 'ż' | 'ž' => name.push('z'),
            char if char.is_alphanumeric() => name.push(char),
            _ => {}
        }
    }
    name
}

/// What [`Understanding::phones_in`] says at least of a column that holds phone numbers: two in five of its values.
const PHONES_MIN: usize = 80;

/// Columns on their way to being understood.
struct Understanding<'t> {
    titles: &'t [String],
    samples: &'t [Vec<&'t str>],
    unprefixed: Unprefixed,
    found: Vec<Option<(Target, How)>>,
    notes: Vec<Option<String>>,
}

impl Understanding<'_> {
    /// What a column is called when it is told.
    fn shown(&self, at: usize) -> String {
        match self.titles[at].as_str() {
            "" => format!("column_{}", at + 1),
            title => title.to_owned(),
        }
    }

    fn holder(&self, target: &Target) -> Option<usize> {
        self.found.iter().position(|found| found.as_ref().is_some_and(|(known, _)| known == target))
    }

    fn has_field(&self, name: &'static str) -> bool {
        self.holder(&Target::Field(name)).is_some()
    }

    /// What the caller says.
    fn obey(&mut self, mapping: &Mapping) -> Result<(), Invalid> {
        let mut problems = Vec::new();
        for (title, target) in mapping {
            let problem =
                |message: String| Problem { field: format!("mapping.{}", fields::excerpt(title)), message };
            let names: Vec<String> = (0..self.titles.len()).map(|at| self.shown(at)).collect();
            let normal = script::normal_name(title);
            let at = names.iter().position(|name| name == title.trim());
            let at = at.or_else(|| names.iter().position(|name| script::normal_name(name) == normal));
            let Some(at) = at else {
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
                problems.push(problem(match fields::nearest(title, &known) {
                    Some(near) => format!("the file has no such column; did you mean `{near}`?"),
                    None => format!("the file has no such column; it has {}", listed(&names)),
                }));
                continue;
            };
            let is_repeated = *target != Target::Ignore && self.holder(target).is_some();
            if is_repeated || self.found[at].is_some() {
                problems.push(problem(format!("is mapped to `{target}` like another one; one can be")));
                continue;
            }
            self.found[at] = Some((target.clone(), How::Mapping));
        }
        if problems.is_empty() { Ok(()) } else { Err(Invalid(problems)) }
    }

    /// The columns of a table that was exported here: what only the server knows is left out, and whatever is no field
    /// is the variable that it was.
    fn own_export(&mut self) {
        let names: Vec<String> = self.titles.iter().map(|title| script::normal_name(title)).collect();
        if !lead::is_export(&names) {
            return;
        }
        for (at, name) in names.iter().enumerate() {
            if self.found[at].is_some() || COLUMNS.contains(&name.as_str()) || name.is_empty() {
                continue;
            }
            self.found[at] = Some(match EXPORTED.contains(&name.as_str()) {
                true => (Target::Ignore, How::Name),
                false => (Target::Variable(lead::titled_variable(&self.titles[at]).to_owned()), How::Name),
            });
        }
    }

    /// Columns with a field's own name.
    fn own_names(&mut self) {
        for field in COLUMNS {
            let named = (0..self.titles.len())
                .filter(|at| self.found[*at].is_none() && own_field(&self.titles[*at]) == Some(field));
            let named: Vec<usize> = named.collect();
            self.choose(&Target::Field(field), &named, How::Name);
        }
    }

    /// Columns with a name that usually means a field.
    fn headings(&mut self) {
        let mut meant: Vec<(Target, usize, usize)> = Vec::new();
        for at in 0..self.titles.len() {
            if self.found[at].is_none()
                && let Some((target, rank)) = field_of(&self.titles[at])
            {
                meant.push((target, rank, at));
            }
        }
        for target in HEADINGS.iter().chain(&REMARKS).map(|(target, _)| target) {
            let mut of_this: Vec<(usize, usize)> = meant
                .iter()
                .filter(|(meaning, ..)| meaning == target)
                .map(|(_, rank, at)| (*rank, *at))
                .collect();
            of_this.sort_unstable();
            let candidates: Vec<usize> = of_this.into_iter().map(|(_, at)| at).collect();
            match target {
                Target::FullName => self.names(&candidates),
                Target::Field(field) => {
                    let fitting: Vec<usize> =
                        candidates.into_iter().filter(|at| self.fits_or_note(field, *at)).collect();
                    self.choose(target, &fitting, How::Heading);
                }
                Target::Variable(_) | Target::Ignore => {}
            }
        }
    }

    /// A heading such as `Name` is the part of the name that no other column holds, or all of it.
    fn names(&mut self, candidates: &[usize]) {
        let [first, last] = ["first_name", "last_name"].map(|field| self.has_field(field));
        let is_plain = |at: &usize| NAMES.contains(&folded(&self.titles[*at]).as_str());
        let plain: Vec<usize> = candidates.iter().copied().filter(is_plain).collect();
        match (first, last) {
            (false, false) => self.choose(&Target::FullName, candidates, How::Heading),
            (true, false) => self.choose(&Target::Field("last_name"), &plain, How::Heading),
            (false, true) => self.choose(&Target::Field("first_name"), &plain, How::Heading),
            (true, true) => {}
        }
    }

    /// Gives a meaning to the best of some columns, and tells of the others that they are not it.
    fn choose(&mut self, target: &Target, candidates: &[usize], how: How) {
        let holder = self.holder(target);
        let best = match target {
            _ if holder.is_some() => holder,
            Target::Field("phone") => {
                let rated = candidates
                    .iter()
                    .enumerate()
                    .map(|(rank, at)| (self.phones_in(*at), usize::MAX - rank, *at));
                rated.max().map(|(.., at)| at)
            }
            _ => candidates
                .iter()
                .copied()
                .find(|at| !self.samples[*at].is_empty())
                .or(candidates.first().copied()),
        };
        let Some(best) = best else { return };
        if holder.is_none() {
            self.found[best] = Some((target.clone(), how));
        }
        for other in candidates.iter().filter(|at| **at != best) {
            self.notes[*other] = Some(format!("`{target}` is taken from `{}`", self.shown(best)));
        }
    }

    /// Of 200 values in a column, how many are numbers; one of which more must be known counts half.
    fn phones_in(&self, at: usize) -> usize {
        let values = &self.samples[at];
        let worth = |cell: &&str| match phone::parse(cell, self.unprefixed) {
            Ok(_) => 2,
            Err(PhoneProblem::NoCountry | PhoneProblem::TwoReadings(..)) => 1,
            Err(_) => 0,
        };
        values.iter().map(worth).sum::<usize>() * 100 / values.len().max(1)
    }

    /// Whether at least half of a column's values can be values of the field its heading means.
    fn fits_or_note(&mut self, field: &'static str, at: usize) -> bool {
        let can_be = |cell: &&&str| match field {
            "time_zone" => Tz::from_str(cell).is_ok(),
            "language" => campaign::language(&Value::from(**cell)).is_ok(),
            "priority" => matches!(**cell, "1" | "2" | "3" | "4" | "5"),
            "best_time_to_call" => TimeOfDay::parse(cell).is_ok(),
            _ => true,
        };
        let values = &self.samples[at];
        let fits = values.iter().filter(can_be).count() * 2 >= values.len();
        if !fits {
            self.notes[at] = Some(format!("looks like `{field}` but its values are not"));
        }
        fits
    }

    /// What stands in the columns says what they are, where no heading does.
    fn contents(&mut self, has_header: bool) {
        let free = |this: &Self| -> Vec<usize> {
            (0..this.found.len()).filter(|at| this.found[*at].is_none()).collect()
        };
        if !self.has_field("phone") {
            let likely: Vec<usize> =
                free(self).into_iter().filter(|at| self.phones_in(*at) >= PHONES_MIN).collect();
            self.choose(&Target::Field("phone"), &likely, How::Content);
        }
        if has_header {
            return;
        }
        let most = |this: &Self, is_it: fn(&str) -> bool| -> Vec<usize> {
            let mostly = |at: &usize| {
                let values = &this.samples[*at];
                !values.is_empty() && values.iter().filter(|cell| is_it(cell)).count() * 2 > values.len()
            };
            free(this).into_iter().filter(mostly).collect()
        };
        let mails = most(self, |cell| cell.split_once('@').is_some_and(|(_, host)| host.contains('.')));
        self.choose(&Target::Field("email"), &mails, How::Content);
        let zones = most(self, |cell| cell.contains('/') && cell.parse::<Tz>().is_ok());
        self.choose(&Target::Field("time_zone"), &zones, How::Content);
    }

    /// The rest become variables.
    fn finish(mut self, has_header: bool) -> Result<Columns, Invalid> {
        let titles: Vec<String> = (0..self.titles.len()).map(|at| self.shown(at)).collect();
        let Some(phone) = self.holder(&Target::Field("phone")) else {
            let example = titles.first().map_or("Number", String::as_str);
            let message = format!(
                "no column holds phone numbers; the columns are {}. Name one of them `phone`, or say which it is \
                 with the parameter mapping={{\"{example}\": \"phone\"}}",
                listed(&titles)
            );
            return Err(Invalid::one("header", message));
        };
        let mut names: Vec<String> = Vec::new();
        for (target, _) in self.found.iter().flatten() {
            if let Target::Variable(name) = target {
                let normal = variable_name(name).map_err(|message| {
                    Invalid::one("mapping", format!("`{}` {message}", fields::excerpt(name)))
                })?;
                names.push(normal);
            }
        }
        let mut all = Vec::with_capacity(titles.len());
        for (at, title) in titles.into_iter().enumerate() {
            let (target, how) = match self.found[at].take() {
                Some(found) => found,
                None if self.titles[at].is_empty() && has_header => {
                    self.notes[at] = Some("has no heading".to_owned());
                    (Target::Ignore, How::Other)
                }
                None => {
                    let (name, normal) = unused_name(&title, &names)
                        .map_err(|message| Invalid::one("header", format!("column {} {message}", at + 1)))?;
                    if name != title {
                        self.notes[at] = Some(format!("another column is called `{title}`, too"));
                    }
                    names.push(normal);
                    (Target::Variable(name), How::Other)
                }
            };
            let sample = self.samples[at].first().map(|cell| fields::excerpt(cell));
            all.push(Column { title, target, how, sample, note: self.notes[at].take() });
        }
        Ok(Columns { all, phone, has_header })
    }
}

/// The title, or where a variable of that name is there already the title with a number.
fn unused_name(title: &str, names: &[String]) -> Result<(String, String), String> {
    let normal = variable_name(title)?;
    // A field of a lead that another column fills must not be hidden behind a variable of the same name.
    let is_used = |normal: &String| names.contains(normal) || COLUMNS.contains(&normal.as_str());
    if !is_used(&normal) {
        return Ok((title.to_owned(), normal));
    }
    let numbered = (2..).map(|number| format!("{title}_{number}"));
    for name in numbered.take(VARIABLES_MAX + 1) {
        let normal = variable_name(&name)?;
        if !is_used(&normal) {
            return Ok((name, normal));
        }
    }
    Err("has the same name as many others".to_owned())
}

/// `` `a`, `b` ``, and how many more.
fn listed(names: &[String]) -> String {
    const SHOWN_MAX: usize = 12;
    let shown: Vec<String> =
        names.iter().take(SHOWN_MAX).map(|name| format!("`{}`", fields::excerpt(name))).collect();
    match names.len().checked_sub(SHOWN_MAX) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::super::imports::Why;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn table(rows: &[&str]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.split('|').map(str::to_owned).collect()).collect()
    }

    /// What the columns of a table become, and by what.
    fn understood(rows: &[&str]) -> Vec<String> {
        let columns =
            Columns::understand(&table(rows), &Mapping::new(), Unprefixed::parse("DE").unwrap()).unwrap();
        columns.views().into_iter().map(|view| format!("{} by {}", view.becomes, view.by)).collect()
    }

    fn becomes(rows: &[&str]) -> Vec<String> {
        let by = |text: String| text.split(" by ").next().unwrap().to_owned();
        understood(rows).into_iter().map(by).collect()
    }

    fn read(columns: &Columns, row: &str) -> Result<NewLead, RowProblem> {
        columns.read(row.split('|'), Unprefixed::Refused).map(|read| read.lead)
    }

    #[test]
    fn headings_in_several_languages_and_spellings_are_understood() {
        for (header, expected) in [
            ("Phone|First Name|Last-Name|E-Mail", "phone first_name last_name email"),
            ("Mobile Number|Given name|Surname|Email Address", "phone first_name last_name email"),
            (
                "Telefon|Vorname|Nachname|E-Mail-Adresse|Firma",
                "phone first_name last_name email company_name",
            ),
            ("Téléphone|Prénom|Nom|Courriel|Société", "phone first_name last_name email company_name"),
            ("N° de téléphone|Nom complet", "phone full_name"),
            ("Teléfono móvil|Nombre|Apellidos|Correo electrónico", "phone first_name last_name email"),
            ("Cellulare|Nome|Cognome|Azienda", "phone first_name last_name company_name"),
            ("Handynummer|Vorname|Name", "phone first_name last_name"),
            ("MSISDN|Name|Zeitzone|Sprache|Bemerkungen", "phone full_name time_zone language notes"),
            ("Телефон|Имя|Фамилия", "phone first_name last_name"),
            ("電話番号|氏名|会社", "phone full_name company_name"),
            ("phone|customer_name|order no", "phone full_name variable:order no"),
        ] {
            assert_eq!(becomes(&[header]).join(" "), expected, "{header}");
        }
    }

    #[test]
    fn a_fields_own_name_wins_over_a_guess_and_the_better_of_two_phones_over_the_other() {
        assert_eq!(
            understood(&["mobile|phone", "+4930901820|+4930901821"]),
            ["variable:mobile by other", "phone by name"]
        );
        let rows = ["Phone home|Phone work|Mobile", "|+4930901820|", "|+4930901821|n/a"];
        assert_eq!(becomes(&rows), ["variable:Phone home", "phone", "variable:Mobile"]);
        let columns = Columns::understand(&table(&rows), &Mapping::new(), Unprefixed::Refused).unwrap();
        assert_eq!(columns.views()[2].note.as_deref(), Some("`phone` is taken from `Phone work`"));
    }

    #[test]
    fn without_a_telling_heading_the_content_tells() {
        assert_eq!(
            understood(&["A|B", "x|+49 30 901820", "y|030 901821"]),
            ["variable:A by other", "phone by content"]
        );
        assert_eq!(
            understood(&[
                "10000001|030 901820|ada@example.com|Europe/Berlin|Ada",
                "10000002|030 901821|b@example.com||"
            ]),
            [
                "variable:column_1 by other",
                "phone by content",
                "email by content",
                "time_zone by content",
                "variable:column_5 by other"
            ]
        );
        let refused =
            Columns::understand(&table(&["A|B", "x|y"]), &Mapping::new(), Unprefixed::Refused).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "header: no column holds phone numbers; the columns are `A`, `B`. Name one of them `phone`, or say which \
             it is with the parameter mapping={\"A\": \"phone\"}"
        );
    }

    #[test]
    fn a_heading_whose_values_cannot_be_the_field_is_a_variable() {
        let rows = ["phone|Zone|Prio", "+4930901820|North|1", "+4930901821|South|urgent"];
        assert_eq!(becomes(&rows), ["phone", "variable:Zone", "priority"]);
    }

    #[test]
    fn what_the_caller_says_wins_and_a_wrong_name_gets_a_guess() {
        let mapping = |pairs: &[(&str, &str)]| -> Mapping {
            pairs.iter().map(|(title, to)| ((*title).to_owned(), Target::parse(to).unwrap())).collect()
        };
        let rows = table(&["Phone|Handy|Plan", "+4930901820|+4930901821|gold"]);
        let told = mapping(&[("handy", "phone"), ("Plan", "variable:tariff"), ("Phone", "ignore")]);
        let columns = Columns::understand(&rows, &told, Unprefixed::Refused).unwrap();
        let becomes: Vec<String> = columns.views().iter().map(|view| view.becomes.to_string()).collect();
        assert_eq!(becomes, ["ignore", "phone", "variable:tariff"]);
        let wrong =
            Columns::understand(&rows, &mapping(&[("Plam", "notes")]), Unprefixed::Refused).unwrap_err();
        assert_eq!(wrong.to_string(), "mapping.Plam: the file has no such column; did you mean `Plan`?");
        assert!(
            Columns::understand(
                &rows,
                &mapping(&[("Phone", "notes"), ("Plan", "notes")]),
                Unprefixed::Refused
            )
            .is_err()
        );
    }

    #[test]
    fn equal_headings_keep_both_columns() {
        let columns =
            Columns::understand(&table(&["phone|Plan|plan|phone"]), &Mapping::new(), Unprefixed::Refused)
                .unwrap();
        let becomes: Vec<String> = columns.views().iter().map(|view| view.becomes.to_string()).collect();
        assert_eq!(becomes, ["phone", "variable:Plan", "variable:plan_2", "variable:phone_2"]);
    }

    #[test]
    fn a_full_name_is_split_and_cells_lose_what_defused_them() {
        let columns = Columns::understand(
            &table(&["Name|Phone|Plan", "Ada|+12025550101|x"]),
            &Mapping::new(),
            Unprefixed::Refused,
        )
        .unwrap();
        for (name, first, last) in [
            ("Ada Lovelace", Some("Ada"), Some("Lovelace")),
            ("Lovelace, Ada", Some("Ada"), Some("Lovelace")),
            ("Ludwig van Beethoven", Some("Ludwig"), Some("van Beethoven")),
            ("Ada", Some("Ada"), None),
            ("  ", None, None),
        ] {
            let lead = read(&columns, &format!("{name}|'+12025550101|'=1+1")).unwrap();
            assert_eq!((lead.first_name.as_deref(), lead.last_name.as_deref()), (first, last), "{name}");
            assert_eq!(Value::Object(lead.variables), json!({"Plan": "=1+1"}));
        }
    }

    #[test]
    fn numbers_that_a_spreadsheet_took_for_fractions_are_read_only_with_all_their_digits() {
        let us = Unprefixed::parse("US").unwrap();
        for (cell, expected) in [
            ("12025550101.0", Ok("+12025550101")),
            ("1.2025550101E+10", Ok("+12025550101")),
            ("1,2025550101E+10", Ok("+12025550101")),
            ("1.20256E+10", Err(Why::Rounded)),
            ("1E+10", Err(Why::Rounded)),
            ("202-555-0101", Ok("+12025550101")),
            ("", Err(Why::Empty)),
            ("12", Err(Why::TooShort)),
            ("+12025550101e", Err(Why::NotDigits)),
        ] {
            let read = phone::parse(cell, us).map(|phone| phone.to_string()).map_err(Why::from);
            assert_eq!(read, expected.map(str::to_owned), "{cell}");
        }
    }

    #[test]
    fn a_wrong_time_zone_gets_its_guess_only_where_it_is_told() {
        let columns =
            Columns::understand(&table(&["phone|time_zone"]), &Mapping::new(), Unprefixed::Refused).unwrap();
        let cell = " Europe/Berln ";
        let problem = read(&columns, &format!("+12025550101|{cell}")).unwrap_err();
        assert_eq!((problem.field.as_str(), problem.message.as_str()), ("time_zone", "unknown time zone"));
        let told = columns.explained(problem, cell).message;
        assert_eq!(told, "unknown time zone `Europe/Berln`; did you mean `Europe/Berlin`?");
    }

    #[test]
    fn a_bad_cell_names_its_column() {
        let columns =
            Columns::understand(&table(&["phone|Prio"]), &Mapping::new(), Unprefixed::Refused).unwrap();
        let problem = read(&columns, "+12025550101|high").unwrap_err();
        assert_eq!((problem.field.as_str(), problem.cause.reason), ("Prio", Reason::BadValue));
        let problem = read(&columns, "|3").unwrap_err();
        assert_eq!((problem.field.as_str(), problem.cause.why), ("phone", Some(Why::Empty)));
    }

    proptest! {
        #[test]
        fn no_table_stops_the_reader(rows in proptest::collection::vec(proptest::collection::vec("\\PC{0,12}", 0..6), 0..5)) {
            if let Ok(columns) = Columns::understand(&rows, &Mapping::new(), Unprefixed::Refused) {
                for row in &rows {
                    let _ = columns.read(row.iter().map(String::as_str), Unprefixed::Refused);
                }
            }
        }
    }
}
