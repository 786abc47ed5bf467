//! Between rows and values: cells in the order of the columns, instants as milliseconds, words and JSON as text.

use crate::domain::Instant;
use crate::domain::fields::Words;
use crate::domain::money::Money;
use crate::domain::phone::Phone;
use chrono::DateTime;
use rusqlite::Row;
use rusqlite::types::{FromSql, Type};

/// Reads the cells of a row one after the other.
pub(super) struct Cells<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl<'r> Cells<'r> {
    /// Starts at the first column.
    pub(super) fn of(row: &'r Row<'r>) -> Cells<'r> {
        Cells { row, next: 0 }
    }

    /// The next cell as it is.
    pub(super) fn get<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.next += 1;
        self.row.get(self.next - 1)
    }

    /// The next cell, turned into something else; a value that cannot be turned is a damaged row.
    pub(super) fn parse<T: FromSql, U>(&mut self, parse: impl FnOnce(T) -> Option<U>) -> rusqlite::Result<U> {
        let value = self.get()?;
        parse(value).ok_or_else(|| self.damaged())
    }

    /// Like [`Self::parse`] where NULL means none.
    pub(super) fn parse_optional<T: FromSql, U>(
        &mut self,
        parse: impl FnOnce(T) -> Option<U>,
    ) -> rusqlite::Result<Option<U>> {
        self.parse(|value: Option<T>| match value {
            None => Some(None),
            Some(value) => parse(value).map(Some),
        })
    }

    /// The next cell, read where it lies from text into something else.
    pub(super) fn text<U>(&mut self, parse: impl FnOnce(&str) -> Option<U>) -> rusqlite::Result<U> {
        self.next += 1;
        let text = self.row.get_ref(self.next - 1)?.as_str();
        text.ok().and_then(parse).ok_or_else(|| self.damaged())
    }

    fn damaged(&self) -> rusqlite::Error {
        rusqlite::Error::InvalidColumnType(self.next - 1, "value".into(), Type::Text)
    }

    /// A word of a closed list.
    pub(super) fn word<T: Words>(&mut self) -> rusqlite::Result<T> {
        self.text(T::from_word)
    }

    /// An instant.
    pub(super) fn instant(&mut self) -> rusqlite::Result<Instant> {
        self.parse(DateTime::from_timestamp_millis)
    }

    /// An instant or NULL.
    pub(super) fn instant_optional(&mut self) -> rusqlite::Result<Option<Instant>> {
        self.parse_optional(DateTime::from_timestamp_millis)
    }

    /// An amount.
    pub(super) fn money(&mut self) -> rusqlite::Result<Money> {
        self.get().map(Money::from_ten_thousandths)
    }

    /// A number to dial.
    pub(super) fn phone(&mut self) -> rusqlite::Result<Phone> {
        self.text(Phone::from_e164)
    }

    /// JSON text.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&mut self) -> rusqlite::Result<T> {
        self.text(|text| serde_json::from_str(text).ok())
    }
}

/// An instant as it is stored.
pub(super) fn ms(at: Instant) -> i64 {
    at.timestamp_millis()
}

/// A value as stored JSON text. Everything we store turns into JSON.
pub(super) fn json_text<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".into())
}
