//! A table of leads: what its columns mean, from the header row, and how a row becomes a lead.

use super::campaign;
use super::invalid::{Invalid, Problem};
use super::lead::{self, COLUMNS, EXPORTED, NewLead, VARIABLES_MAX, variable_name};
use super::phone::{self, Country, Phone};
use super::script;
use super::spreadsheet;

/// What the columns of a table of leads mean, from its header row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns(Vec<Column>);

/// The meaning of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    /// One of [`COLUMNS`], by position there.
    Known(usize),
    /// A script variable under this name.
    Variable(String),
    /// A column without a heading, or one that tells what only the server knows.
    Ignored,
}

impl Columns {
    /// Reads a header row. Without a `phone` column there is nothing to import.
    pub fn of<'h>(header: impl Iterator<Item = &'h str>) -> Result<Columns, Invalid> {
        let titles: Vec<&str> = header.map(|title| spreadsheet::plain(title.trim())).collect();
        let names: Vec<String> = titles.iter().map(|title| script::normal_name(title)).collect();
        let is_export = lead::is_export(&names);
        let columns: Vec<Column> = (titles.iter().zip(&names))
            .map(|(title, name)| match COLUMNS.iter().position(|known| known == name) {
                Some(position) => Column::Known(position),
                None if name.is_empty() => Column::Ignored,
                None if is_export && EXPORTED.contains(&name.as_str()) => Column::Ignored,
                None if is_export => Column::Variable(lead::titled_variable(title).to_owned()),
                None => Column::Variable((*title).to_owned()),
            })
            .collect();
        let repeated =
            (0..names.len()).find(|at| !names[*at].is_empty() && names[..*at].contains(&names[*at]));
        if let Some(at) = repeated {
            return Err(Invalid::one(
                "header",
                format!("column {} has the same name as one before it", at + 1),
            ));
        }
        if columns.len() > VARIABLES_MAX {
            return Err(Invalid::one("header", format!("must have at most {VARIABLES_MAX} columns")));
        }
        for (position, column) in columns.iter().enumerate() {
            if let Column::Variable(name) = column
                && let Err(message) = variable_name(name)
            {
                return Err(Invalid::one("header", format!("column {} {message}", position + 1)));
            }
        }
        if !columns.contains(&Column::Known(0)) {
            return Err(Invalid::one(
                "header",
                "the first row must name the columns, and one of them must be `phone`",
            ));
        }
        Ok(Columns(columns))
    }

    /// Where the column of this name is.
    pub fn position(&self, field: &str) -> Option<usize> {
        self.0.iter().position(|column| match column {
            Column::Known(known) => COLUMNS[*known] == field,
            Column::Variable(name) => name == field,
            Column::Ignored => false,
        })
    }

    /// The number in a row's phone column.
    pub fn phone<'r>(
        &self,
        mut row: impl Iterator<Item = &'r str>,
        country: Option<Country>,
    ) -> Result<Phone, Problem> {
        let position = self.0.iter().position(|column| *column == Column::Known(0));
        let text = position.and_then(|position| row.nth(position)).unwrap_or_default();
        phone::parse(text, country)
            .map_err(|problem| Problem { field: "phone".into(), message: problem.to_string() })
    }

    /// Reads one row; the problem names the column, or `row`.
    pub fn read<'r>(
        &self,
        row: impl Iterator<Item = &'r str> + Clone,
        country: Option<Country>,
    ) -> Result<NewLead, Problem> {
        let (named, cells) = (self.0.len(), row.clone().count());
        // A separator inside a value that is not quoted would shift all values after it by one column.
        if cells > named && row.clone().skip(named).any(|cell| !cell.trim().is_empty()) {
            let message = format!(
                "has {cells} cells, the header names {named}; quote values that contain the separator"
            );
            return Err(Problem { field: "row".into(), message });
        }
        let mut lead = NewLead::bare(self.phone(row.clone(), country)?);
        for (column, cell) in self.0.iter().zip(row) {
            let cell = spreadsheet::plain(cell.trim());
            let named = match column {
                _ if cell.is_empty() => continue,
                Column::Ignored | Column::Known(0) => continue,
                Column::Known(position) => (COLUMNS[*position], lead.set_column(COLUMNS[*position], cell)),
                Column::Variable(name) => (name.as_str(), lead.set_variable(name, cell)),
            };
            if let (field, Err(message)) = named {
                return Err(Problem { field: field.to_owned(), message });
            }
        }
        Ok(lead)
    }

    /// A problem of [`Self::read`] in the words for a single lead. They may hold a guess, which takes too long to
    /// make it for every row of a large table.
    pub fn explained(&self, problem: Problem, cell: &str) -> Problem {
        match problem.field.as_str() {
            "time_zone" => Problem { message: campaign::unknown_zone(cell.trim()), ..problem },
            _ => problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn columns_with_other_names_become_variables() {
        let columns = Columns::of(["First Name", "Phone", "Plan", ""].into_iter()).unwrap();
        let lead = columns.read([" Ada ", "+1 202-555-0101", "gold", "x"].into_iter(), None).unwrap();
        assert_eq!(lead.first_name.as_deref(), Some("Ada"));
        assert_eq!(lead.phone.to_string(), "+12025550101");
        assert_eq!(Value::Object(lead.variables), json!({"Plan": "gold"}));
    }

    #[test]
    fn a_table_without_a_phone_column_is_refused() {
        assert_eq!(Columns::of(["name"].into_iter()).unwrap_err().0[0].field, "header");
        assert_eq!(Columns::of(["phone", "a", "A"].into_iter()).unwrap_err().0[0].field, "header");
    }

    #[test]
    fn a_wrong_time_zone_gets_its_guess_only_where_it_is_told() {
        let columns = Columns::of(["phone", "time_zone"].into_iter()).unwrap();
        let cell = " Europe/Berln ";
        let problem = columns.read(["+12025550101", cell].into_iter(), None).unwrap_err();
        assert_eq!((problem.field.as_str(), problem.message.as_str()), ("time_zone", "unknown time zone"));
        let told = columns.explained(problem, cell).message;
        assert_eq!(told, "unknown time zone `Europe/Berln`; did you mean `Europe/Berlin`?");
    }

    #[test]
    fn a_bad_cell_names_its_column() {
        let columns = Columns::of(["phone", "priority"].into_iter()).unwrap();
        let problem = columns.read(["+12025550101", "high"].into_iter(), None).unwrap_err();
        assert_eq!(problem.field, "priority");
        assert_eq!(columns.read(["", "3"].into_iter(), None).unwrap_err().field, "phone");
    }
}
