//! A successful answer: a status, a JSON body and a few headers.

use super::Settings;
use super::error::ApiError;
use rocket::Request;
use rocket::http::{ContentType, Status};
use rocket::response::{self, Responder, Response};
use rocket::tokio::fs::File;
use serde::Serialize;
use std::io::{Cursor, Seek, Write};

/// What a handler gives back. The body is ready-made text, so that it can be written where the rows are read
/// and remembered as it was sent.
#[derive(Debug)]
pub(super) struct Answer {
    status: Status,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
}

impl Answer {
    /// 200 with a body.
    pub(super) fn ok(body: &impl Serialize) -> Result<Answer, ApiError> {
        Ok(Answer::text(Status::Ok, serde_json::to_string(body)?))
    }

    /// 201 with a body and where to find what was made.
    pub(super) fn created(location: String, body: &impl Serialize) -> Result<Answer, ApiError> {
        Ok(Answer::text(Status::Created, serde_json::to_string(body)?).with("Location", location))
    }

    /// A body that is JSON already.
    pub(super) fn text(status: Status, body: String) -> Answer {
        Answer { status, headers: Vec::new(), body: Some(body) }
    }

    /// 204.
    pub(super) fn no_content() -> Answer {
        Answer { status: Status::NoContent, headers: Vec::new(), body: None }
    }

    /// 303: what was asked for is shown at another address.
    pub(super) fn see_other(location: &str) -> Answer {
        Answer { status: Status::SeeOther, headers: vec![("Location", location.to_owned())], body: None }
    }

    /// 304: the client has it already.
    pub(super) fn not_modified() -> Answer {
        Answer { status: Status::NotModified, headers: Vec::new(), body: None }
    }

    /// Adds a header.
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Answer {
        self.headers.push((name, value.to_string()));
        self
    }

    /// The status.
    pub(super) fn status(&self) -> Status {
        self.status
    }

    /// The body, as it is sent.
    pub(super) fn body(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }

    /// The value of a header set here.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// A longer body waits on the disk for its client, who may be slow, and not alone.
const IN_MEMORY_MAX: usize = 1 << 20;

/// Puts a body into a file that has no name.
fn put_down(body: &str, settings: &Settings) -> std::io::Result<File> {
    let mut file = tempfile::tempfile_in(&settings.spool_dir)?;
    file.write_all(body.as_bytes())?;
    file.rewind()?;
    Ok(File::from_std(file))
}

impl<'r> Responder<'r, 'static> for Answer {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let mut response = Response::build();
        response.status(self.status);
        for (name, value) in self.headers {
            response.raw_header(name, value);
        }
        if let Some(body) = self.body {
            let settings = request.rocket().state().filter(|_| body.len() > IN_MEMORY_MAX);
            // On a full disk it waits in memory all the same.
            let file = settings.and_then(|settings| put_down(&body, settings).ok());
            response.header(ContentType::JSON);
            match file {
                Some(file) => response.sized_body(body.len(), file),
                None => response.sized_body(body.len(), Cursor::new(body.into_bytes())),
            };
        }
        response.ok()
    }
}
