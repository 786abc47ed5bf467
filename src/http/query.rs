//! Reads the parameters after the `?`, all problems at once. Unknown ones are refused, because a filter with
//! a typing mistake would answer with everything.

use super::answer::Answer;
use crate::domain::Instant;
use crate::domain::fields::{self, Parsed, Words};
use crate::domain::invalid::{Invalid, Problem};
use crate::domain::phone::{Country, Unprefixed};
use crate::domain::schedule::{self, DateOnly};
use chrono::NaiveDate;
use chrono_tz::Tz;
use rocket::Request;
use rocket::request::{FromRequest, Outcome};
use std::convert::Infallible;
use url::form_urlencoded;

/// The parameters of one request. Each `take` removes one; what is left at the end is unknown.
#[derive(Clone, Debug)]
pub(super) struct Query {
    path: String,
    all: Vec<(String, String)>,
    left: Vec<(String, String)>,
    known: Vec<&'static str>,
    problems: Vec<Problem>,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Query {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Query, Infallible> {
        let query = request.uri().query().map(|query| query.as_str()).unwrap_or_default();
        Outcome::Success(Query::read(request.uri().path().as_str(), query))
    }
}

impl Query {
    fn read(path: &str, query: &str) -> Query {
        let all: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        // Rocket takes `//api` for `/api`, but in a link it would name another host.
        let path = path.split('/').filter(|segment| !segment.is_empty()).map(|segment| format!("/{segment}"));
        Query { path: path.collect(), left: all.clone(), all, known: Vec::new(), problems: Vec::new() }
    }

    /// Takes parameters that came in another way, as if they stood in the address.
    pub(super) fn add(&mut self, parameters: Vec<(String, String)>) {
        self.left.extend(parameters);
    }

    /// Whether a parameter is there that was not taken yet.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.iter().any(|(known, _)| known == name)
    }

    /// A parameter, if it is there.
    pub(super) fn take<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Parsed<T>) -> Option<T> {
        self.known.push(name);
        let mut values = Vec::new();
        self.left.retain(|(known, value)| {
            let is_it = known == name;
            if is_it {
                values.push(value.clone());
            }
            !is_it
        });
        let value = match values.as_slice() {
            [] => return None,
            [value] if value.trim().is_empty() => {
                return self.problem(name, "must not be blank; leave it out");
            }
            [value] => value,
            _ => return self.problem(name, "must be given once"),
        };
        match parse(value.trim()) {
            Ok(parsed) => Some(parsed),
            Err(message) => self.problem(name, message),
        }
    }

    /// Ends the reading.
    pub(super) fn finish(&mut self) -> Result<(), Invalid> {
        for (name, _) in std::mem::take(&mut self.left) {
            let message = fields::unknown_message("parameter", &name, &self.known);
            self.problem::<()>(&fields::excerpt(&name), message);
        }
        match std::mem::take(&mut self.problems) {
            problems if problems.is_empty() => Ok(()),
            problems => Err(Invalid(problems)),
        }
    }

    /// The `Link` to the next page: this request's address with another cursor.
    pub(super) fn next_link(&self, cursor: &str) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(self.all.iter().filter(|(name, _)| name != "cursor"));
        pairs.append_pair("cursor", cursor);
        format!("<{}?{}>; rel=\"next\"", self.path, pairs.finish())
    }

    /// The answer with a page of rows and, where there are more, the `Link` to the next; `cursor` names the last row.
    pub(super) fn linked<T>(
        &self,
        answer: Answer,
        rows: &[T],
        has_more: bool,
        cursor: impl FnOnce(&T) -> String,
    ) -> Answer {
        match rows.last() {
            Some(last) if has_more => answer.with("Link", self.next_link(&cursor(last))),
            _ => answer,
        }
    }

    fn problem<T>(&mut self, name: &str, message: impl Into<String>) -> Option<T> {
        self.problems.push(Problem { field: name.into(), message: message.into() });
        None
    }
}

/// One word out of a closed list.
pub(super) fn word<T: Words>(text: &str) -> Parsed<T> {
    fields::word(&serde_json::Value::String(text.to_owned()))
}

/// A whole number within `min..=max`.
pub(super) fn integer(min: i64, max: i64) -> impl Fn(&str) -> Parsed<i64> {
    move |text| match text.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(format!("must be an integer between {min} and {max}; it is `{}`", fields::excerpt(text))),
    }
}

/// The id of something.
pub(super) fn id(text: &str) -> Parsed<i64> {
    integer(1, i64::MAX)(text)
}

/// Yes or no.
pub(super) fn flag(text: &str) -> Parsed<bool> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("must be `true` or `false`; it is `{}`", fields::excerpt(text))),
    }
}

/// Any text.
pub(super) fn text(text: &str) -> Parsed<String> {
    const LENGTH_MAX: usize = 500;
    match text.len() {
        ..=LENGTH_MAX => Ok(text.to_owned()),
        _ => Err(format!("must be at most {LENGTH_MAX} bytes")),
    }
}

/// A date, such as `2024-02-19`.
pub(super) fn date(text: &str) -> Parsed<NaiveDate> {
    schedule::parse_date(&fields::excerpt(text))
}

/// An instant; times without a zone, and dates, are read in UTC.
pub(super) fn instant(date_only: DateOnly) -> impl Fn(&str) -> Parsed<Instant> {
    move |text| schedule::parse_instant(&fields::excerpt(text), Tz::UTC, date_only)
}

/// A country by its two letters.
pub(super) fn country(text: &str) -> Parsed<Country> {
    Country::parse(text).ok_or_else(|| {
        format!("must be a two-letter country code such as `US`; it is `{}`", fields::excerpt(text))
    })
}

/// How numbers without `+` are read.
pub(super) fn unprefixed(text: &str) -> Parsed<Unprefixed> {
    Unprefixed::parse(text).ok_or_else(|| {
        let wrong = fields::excerpt(text);
        format!("must be a two-letter country code such as `US`, or `international`; it is `{wrong}`")
    })
}

/// How many rows a page has, where the caller may say so.
pub(super) fn page_size(query: &mut Query) -> Option<usize> {
    query.take("limit", integer(1, 1_000)).and_then(|limit| usize::try_from(limit).ok())
}

/// Rows of a page when the caller does not say.
pub(super) const PAGE_SIZE: usize = 100;

/// Cuts a page out of rows that were asked for with one more than fits: what is shown, and whether there is
/// more.
pub(super) fn page<T>(mut rows: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    (rows, has_more)
}

/// The id in a path, in its one spelling.
pub(super) fn path_id(text: &str) -> Option<i64> {
    text.parse().ok().filter(|id: &i64| *id > 0 && text.as_bytes()[0] != b'0' && text.as_bytes()[0] != b'+')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::campaign::Status;

    fn read(query: &str) -> Query {
        Query::read("/api/voice-campaigns", query)
    }

    #[test]
    fn parameters_are_read_once_and_blank_ones_are_refused() {
        let mut query = read("status=active&limit=10&search=a%20b%26c&tag=&priority=%20");
        assert_eq!(query.take("status", word::<Status>), Some(Status::Active));
        assert_eq!(query.take("limit", integer(1, 1_000)), Some(10));
        assert_eq!(query.take("search", text).as_deref(), Some("a b&c"));
        assert_eq!(query.take("tag", text), None);
        assert_eq!(query.take("priority", text), None);
        assert_eq!(query.take("sort", text), None);
        let Invalid(problems) = query.finish().unwrap_err();
        let blank: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(blank, ["tag", "priority"]);
    }

    #[test]
    fn every_problem_is_told_and_unknown_names_come_with_the_nearest_known_one() {
        let mut query = read("stauts=active&limit=0&sort=name&sort=id");
        query.take("status", word::<Status>);
        query.take("limit", integer(1, 1_000));
        query.take("sort", text);
        let told: Vec<(String, String)> = query
            .finish()
            .unwrap_err()
            .0
            .into_iter()
            .map(|problem| (problem.field, problem.message))
            .collect();
        let told: Vec<(&str, &str)> = told.iter().map(|(field, message)| (&**field, &**message)).collect();
        assert_eq!(
            told,
            [
                ("limit", "must be an integer between 1 and 1000; it is `0`"),
                ("sort", "must be given once"),
                ("stauts", "unknown parameter; did you mean `status`?"),
            ]
        );
    }

    #[test]
    fn the_next_page_keeps_the_filters() {
        let query = read("search=a%26b&cursor=old&limit=2");
        assert_eq!(
            query.next_link("n=1"),
            "</api/voice-campaigns?search=a%26b&limit=2&cursor=n%3D1>; rel=\"next\""
        );
        let query = Query::read("//api///calls/", "");
        assert_eq!(query.next_link("1"), "</api/calls?cursor=1>; rel=\"next\"");
    }

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!(path_id("7"), Some(7));
        for text in ["", "0", "-1", "+1", "01", "1.0", "1e3", "abc", " 1", "9223372036854775808", "１"] {
            assert_eq!(path_id(text), None, "{text}");
        }
    }
}
