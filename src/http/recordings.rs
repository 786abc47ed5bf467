//! The recording of a call: its sound, whole or in parts as players ask for it, and its end.

use super::answer::Answer;
use super::auth::{ReadScope, WriteScope};
use super::error::ApiError;
use super::etag;
use super::openapi::{parameters, schemas};
use super::other_calls;
use super::query::{self, Query};
use crate::domain::other_call::OtherCall;
use crate::domain::recording::Gone;
use crate::store::pool::Db;
use crate::store::{Deed, Kept, Snapshot};
use rocket::http::{ContentType, Status};
use rocket::request::{FromRequest, Outcome};
use rocket::response::{self, Responder, Response};
use rocket::tokio::fs::File;
use rocket::tokio::io::{AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, ReadBuf, Take};
use rocket::{Request, Route, delete, get, routes};
use std::convert::Infallible;
use std::io::{self, ErrorKind, SeekFrom};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::task::{Context, Poll};
use utoipa::OpenApi;

/// The routes of this resource, below `/api`.
pub(super) fn routes() -> Vec<Route> {
    routes![listen, remove, listen_to_trial, remove_of_trial, listen_to_incoming, remove_of_incoming]
}

/// The same, as the reference tells of them.
#[derive(OpenApi)]
#[openapi(paths(listen, remove, listen_to_trial, remove_of_trial, listen_to_incoming, remove_of_incoming))]
pub(super) struct Reference;

/// Gives the recording of a call.
///
/// A WAV file at 8,000 samples per second with 16 bits: the agent on the left, the person on the right. It begins with the
/// answer, and is silent until the announcement. `Range` asks for a part of it.
#[utoipa::path(
    get,
    path = "/calls/{id}/recording",
    operation_id = "show_recording",
    params(parameters::CallId, parameters::IfNoneMatch, parameters::Range),
    responses(schemas::Sound)
)]
#[get("/calls/<id>/recording")]
async fn listen(
    _caller: ReadScope,
    id: &str,
    mut query: Query,
    asked: Asked,
    db: &Db,
) -> Result<Sound, ApiError> {
    query.finish()?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchCall)?;
    db.read(move |snapshot| dialed(snapshot, id)).await?;
    sound(db, id, format!("call-{id}"), asked).await
}

/// Gives the recording of a test call.
///
/// As that of any other call.
#[utoipa::path(
    get,
    path = "/voice-campaigns/{id}/test-calls/{call_id}/recording",
    operation_id = "show_recording_of_test_call",
    params(parameters::CampaignId, parameters::OtherCallId, parameters::IfNoneMatch, parameters::Range),
    responses(schemas::Sound)
)]
#[get("/voice-campaigns/<id>/test-calls/<call_id>/recording")]
async fn listen_to_trial(
    _caller: ReadScope,
    id: &str,
    call_id: &str,
    mut query: Query,
    asked: Asked,
    db: &Db,
) -> Result<Sound, ApiError> {
    query.finish()?;
    let (id, call_id) = (id.to_owned(), call_id.to_owned());
    let call =
        db.read(move |snapshot| recorded(snapshot, other_calls::trial(snapshot, &id, &call_id)?)).await?;
    sound(db, call.key(), format!("test-call-{}", call.id), asked).await
}

/// Gives the recording of a call that came in.
///
/// As that of any other call.
#[utoipa::path(
    get,
    path = "/inbound-calls/{id}/recording",
    operation_id = "show_recording_of_inbound_call",
    params(parameters::CallId, parameters::IfNoneMatch, parameters::Range),
    responses(schemas::Sound)
)]
#[get("/inbound-calls/<id>/recording")]
async fn listen_to_incoming(
    _caller: ReadScope,
    id: &str,
    mut query: Query,
    asked: Asked,
    db: &Db,
) -> Result<Sound, ApiError> {
    query.finish()?;
    let id = id.to_owned();
    let call = db.read(move |snapshot| recorded(snapshot, other_calls::incoming(snapshot, &id)?)).await?;
    sound(db, call.key(), format!("inbound-call-{}", call.id), asked).await
}

/// The sound of the call that the store knows by this key.
async fn sound(db: &Db, key: i64, name: String, asked: Asked) -> Result<Sound, ApiError> {
    let mut file = match File::open(db.recording_file(key)).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(ApiError::NoSuchRecording),
        file => file?,
    };
    let length = file.metadata().await?.len();
    // A recording is written once.
    let tag = format!("\"{key}-{length}\"");
    if etag::names(asked.if_none_match.iter().map(String::as_str), &tag) {
        return Ok(Sound { name, length, tag, part: None, file: None });
    }
    let part = match asked.part(length, &tag) {
        Part::Whole => None,
        Part::Of(part) => Some(part),
        Part::None => return Err(ApiError::NoSuchPart { length }),
    };
    if let Some(part) = &part {
        file.seek(SeekFrom::Start(*part.start())).await?;
    }
    Ok(Sound { name, length, tag, part, file: Some(file) })
}

/// Deletes the recording of a call.
///
/// The call itself and its transcript stay.
#[utoipa::path(
    delete,
    path = "/calls/{id}/recording",
    operation_id = "delete_recording",
    params(parameters::CallId),
    responses((status = 204, description = "It is gone."))
)]
#[delete("/calls/<id>/recording")]
async fn remove(caller: WriteScope<'_>, id: &str, mut query: Query, db: &Db) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = query::path_id(id).ok_or(ApiError::NoSuchCall)?;
    forget(db, caller.1, move |snapshot| dialed(snapshot, id).map(|()| id)).await
}

/// Deletes the recording of a test call.
///
/// The call itself and its transcript stay.
#[utoipa::path(
    delete,
    path = "/voice-campaigns/{id}/test-calls/{call_id}/recording",
    operation_id = "delete_recording_of_test_call",
    params(parameters::CampaignId, parameters::OtherCallId),
    responses((status = 204, description = "It is gone."))
)]
#[delete("/voice-campaigns/<id>/test-calls/<call_id>/recording")]
async fn remove_of_trial(
    caller: WriteScope<'_>,
    id: &str,
    call_id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let (id, call_id) = (id.to_owned(), call_id.to_owned());
    forget(db, caller.1, move |snapshot| {
        recorded(snapshot, other_calls::trial(snapshot, &id, &call_id)?).map(|call| call.key())
    })
    .await
}

/// Deletes the recording of a call that came in.
///
/// The call itself and its transcript stay.
#[utoipa::path(
    delete,
    path = "/inbound-calls/{id}/recording",
    operation_id = "delete_recording_of_inbound_call",
    params(parameters::CallId),
    responses((status = 204, description = "It is gone."))
)]
#[delete("/inbound-calls/<id>/recording")]
async fn remove_of_incoming(
    caller: WriteScope<'_>,
    id: &str,
    mut query: Query,
    db: &Db,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let id = id.to_owned();
    forget(db, caller.1, move |snapshot| {
        recorded(snapshot, other_calls::incoming(snapshot, &id)?).map(|call| call.key())
    })
    .await
}

/// Removes the recording of a call, by the key under which the store knows that.
async fn forget(
    db: &Db,
    deed: Deed,
    find: impl FnOnce(&Snapshot) -> Result<i64, ApiError> + Send + 'static,
) -> Result<Answer, ApiError> {
    db.write(move |tx| {
        tx.delete_recording(find(tx)?, Gone::Request)?;
        Ok::<_, ApiError>(tx.note(&deed)?)
    })
    .await?;
    db.remove_deleted_recordings().await?;
    Ok(Answer::no_content())
}

/// There is a call of the dialer, and it can be listened to.
fn dialed(snapshot: &Snapshot, id: i64) -> Result<(), ApiError> {
    snapshot.call(id)?.ok_or(ApiError::NoSuchCall)?;
    can_be_heard(snapshot, id)
}

/// Any other call, if it can be listened to.
fn recorded(snapshot: &Snapshot, call: OtherCall) -> Result<OtherCall, ApiError> {
    can_be_heard(snapshot, call.key()).map(|()| call)
}

fn can_be_heard(snapshot: &Snapshot, key: i64) -> Result<(), ApiError> {
    match snapshot.recording(key)? {
        Some(Kept::Here(_)) => Ok(()),
        Some(Kept::Gone(_)) | None => Err(ApiError::NoSuchRecording),
    }
}

/// Headers that say how much of it is wanted.
struct Asked {
    range: Option<String>,
    if_range: Option<String>,
    if_none_match: Vec<String>,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Asked {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Asked, Infallible> {
        let headers = request.headers();
        let one = |name| headers.get_one(name).map(str::to_owned);
        Outcome::Success(Asked {
            range: one("Range"),
            if_range: one("If-Range"),
            if_none_match: headers.get("If-None-Match").map(str::to_owned).collect(),
        })
    }
}

/// How much of a file is sent.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Of(RangeInclusive<u64>),
    None,
}

impl Asked {
    /// RFC 9110, section 14: what is no range of bytes, or several ranges, asks for the whole.
    fn part(&self, length: u64, tag: &str) -> Part {
        let same = self.if_range.as_deref().is_none_or(|known| known.trim() == tag);
        let Some(range) = self.range.as_deref().filter(|_| same) else { return Part::Whole };
        let bytes =
            range.trim().split_once('=').filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"));
        let Some((first, last)) = bytes.and_then(|(_, range)| range.trim().split_once('-')) else {
            return Part::Whole;
        };
        let number = |text: &str| match text.trim() {
            "" => Some(None),
            // One that is too large for us is further than any file goes.
            text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(Some(text.parse().unwrap_or(u64::MAX)))
            }
            _ => None,
        };
        let end = length.saturating_sub(1);
        let (first, last) = match (number(first), number(last)) {
            (Some(Some(first)), Some(None)) => (first, end),
            (Some(Some(first)), Some(Some(last))) if first <= last => (first, last.min(end)),
            (Some(None), Some(Some(0))) => return Part::None,
            (Some(None), Some(Some(count))) => (length.saturating_sub(count), end),
            _ => return Part::Whole,
        };
        if first < length { Part::Of(first..=last) } else { Part::None }
    }
}

/// A recording on its way out.
struct Sound {
    name: String,
    length: u64,
    tag: String,
    part: Option<RangeInclusive<u64>>,
    /// None where the client has it already.
    file: Option<File>,
}

impl<'r> Responder<'r, 'static> for Sound {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let Sound { name, length, tag, part, file } = self;
        let mut response = Response::build();
        response.raw_header("ETag", tag);
        let Some(file) = file else { return response.status(Status::NotModified).ok() };
        response
            .header(ContentType::WAV)
            .raw_header("Accept-Ranges", "bytes")
            .raw_header("Content-Disposition", format!("attachment; filename=\"{name}.wav\""));
        let mut size = length;
        if let Some(part) = part {
            let (first, last) = (part.start(), part.end());
            size = last - first + 1;
            response.status(Status::PartialContent);
            response.raw_header("Content-Range", format!("bytes {first}-{last}/{length}"));
        }
        let size_of_body = usize::try_from(size).map_err(|_| Status::InternalServerError)?;
        response.sized_body(size_of_body, Bytes(file.take(size))).ok()
    }
}

/// So many bytes of a file. Its size is known, so nobody looks for its end.
struct Bytes(Take<File>);

impl AsyncRead for Bytes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncSeek for Bytes {
    fn start_seek(self: Pin<&mut Self>, _: SeekFrom) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Err(ErrorKind::Unsupported.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_or_the_whole_or_nothing() {
        let part = |range: &str| {
            let asked = Asked { range: Some(range.into()), if_range: None, if_none_match: Vec::new() };
            asked.part(1_000, "\"1-1000\"")
        };
        for (range, expected) in [
            ("bytes=0-", Part::Of(0..=999)),
            ("bytes=0-0", Part::Of(0..=0)),
            ("bytes=10-19", Part::Of(10..=19)),
            ("BYTES = 10 - 19 ", Part::Of(10..=19)),
            ("bytes=990-5000", Part::Of(990..=999)),
            ("bytes=999-99999999999999999999999", Part::Of(999..=999)),
            ("bytes=-1", Part::Of(999..=999)),
            ("bytes=-5000", Part::Of(0..=999)),
            ("bytes=1000-", Part::None),
            ("bytes=99999999999999999999999-", Part::None),
            ("bytes=-0", Part::None),
            ("bytes=19-10", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("seconds=0-1", Part::Whole),
            ("bytes", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(part(range), expected, "{range}");
        }
        let asked = |if_range: &str| {
            let (range, if_range) = (Some("bytes=0-1".into()), Some(if_range.into()));
            Asked { range, if_range, if_none_match: Vec::new() }.part(1_000, "\"1-1000\"")
        };
        assert_eq!(asked("\"1-1000\""), Part::Of(0..=1));
        assert_eq!(asked("\"1-999\""), Part::Whole);
        assert_eq!(asked("Wed, 04 Mar 2026 10:00:00 GMT"), Part::Whole);
        assert_eq!(Asked { range: None, if_range: None, if_none_match: Vec::new() }.part(0, ""), Part::Whole);
    }
}
