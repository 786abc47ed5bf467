//! `lower` in SQL for the letters of every alphabet; the one of SQLite knows those of ASCII alone.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// Teaches it to a connection.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("lower", 1, flags, |context| {
        let text: Option<String> = context.get(0)?;
        Ok(text.map(|text| lower(&text)))
    })
}

/// Each letter by itself, so that a part of a text becomes what it becomes within the whole.
pub(super) fn lower(text: &str) -> String {
    match text.is_ascii() {
        true => text.to_ascii_lowercase(),
        false => text.chars().flat_map(char::to_lowercase).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_every_alphabet_are_folded_and_nothing_stays_nothing() {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        let lower = |text: Option<&str>| -> Option<String> {
            connection.query_row("SELECT lower(?1)", [text], |row| row.get(0)).unwrap()
        };
        for (text, expected) in [("BIKE 7%", "bike 7%"), ("MÜLLER", "müller"), ("ИВАН", "иван"), ("", "")]
        {
            assert_eq!(lower(Some(text)).as_deref(), Some(expected));
        }
        assert_eq!(lower(Some("ΟΔΟΣ")), lower(Some("οδοσ")), "also at the end of a word");
        assert_eq!(lower(None), None);
    }
}
