//! Reads request bodies: only of the kinds that are expected, only up to their limit, only in time, and JSON
//! only where it means one thing.

use super::error::ApiError;
use super::query::Query;
use crate::domain::fields::Fields;
use crate::store::UPLOAD_PREFIX;
use futures_util::stream;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Incoming};
use rocket::Request;
use rocket::data::{self, Data, FromData};
use rocket::http::ContentType;
use rocket::request::{FromRequest, Outcome};
use rocket::tokio::fs::File;
use rocket::tokio::io::AsyncWriteExt;
use rocket::tokio::sync::{OwnedSemaphorePermit, Semaphore};
use rocket::tokio::time::timeout;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempPath;

/// The largest JSON object.
/// A campaign's longest texts, with every character escaped as `\u1234`, take less than one megabyte.
pub(super) const JSON_MAX: u64 = 2 << 20;
/// The largest JSON array of leads.
pub(super) const LEADS_JSON_MAX: u64 = 16 << 20;

/// Without a byte for so long, the client is gone.
const STALL_MAX: Duration = Duration::from_secs(30);
/// So much of a body that nobody wants is read all the same.
const DRAINED_MAX: u64 = 16 << 20;
/// The same of one that nobody asked for, such as that of somebody unknown.
const UNASKED_MAX: u64 = 64 << 10;
const UNASKED_TIME: Duration = Duration::from_secs(1);
const CHUNK: usize = 64 << 10;

/// A body that is still arriving, kept with its request until a handler asks for it.
#[derive(Clone, Default)]
pub(super) struct Arriving(Arc<Mutex<Option<Incoming>>>);

impl Arriving {
    pub(super) fn new(body: Incoming) -> Arriving {
        Arriving(Arc::new(Mutex::new(Some(body))))
    }

    fn of<'r>(request: &'r Request<'_>) -> &'r Arriving {
        request.local_cache(Arriving::default)
    }

    fn take(&self) -> Body {
        let mut arriving = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Body { rest: arriving.take(), ..Body::default() }
    }

    /// After the answer to a request whose body nobody asked for: when a small one is read all the same, the next request
    /// may follow on its connection.
    pub(super) async fn finish(&self) {
        self.take().throw_away(UNASKED_MAX, UNASKED_TIME).await;
    }
}

/// Whether a request has a body.
pub(super) fn is_there(request: &Request<'_>) -> bool {
    let body = Arriving::of(request).0.lock().unwrap_or_else(PoisonError::into_inner);
    body.as_ref().is_some_and(|body| !body.is_end_stream())
}

/// The body of a request, as it comes. A handler that takes it reads it, or says why it does not and throws it away.
#[derive(Debug, Default)]
pub(super) struct Body {
    rest: Option<Incoming>,
    /// What has come, and was only looked at.
    first: Option<Bytes>,
    /// How much has come.
    read: u64,
}

#[rocket::async_trait]
impl<'r> FromData<'r> for Body {
    type Error = Infallible;

    async fn from_data(request: &'r Request<'_>, _: Data<'r>) -> data::Outcome<'r, Body> {
        data::Outcome::Success(Arriving::of(request).take())
    }
}

impl Body {
    /// What comes next; nothing at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let bytes = timeout(STALL_MAX, self.bytes()).await?;
        bytes.map_err(|error| ApiError::Malformed(format!("The body ended early: {error}")))
    }

    async fn bytes(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let Some(rest) = &mut self.rest else { return Ok(None) };
        while let Some(frame) = rest.frame().await {
            // Trailers say nothing here.
            if let Ok(bytes) = frame?.into_data() {
                self.read += bytes.len() as u64;
                return Ok(Some(bytes));
            }
        }
        self.rest = None;
        Ok(None)
    }

    /// Whether there is nothing in it.
    async fn is_empty(&mut self) -> Result<bool, ApiError> {
        self.first = self.next().await?;
        Ok(self.first.is_none())
    }

    /// Throws it away, because a client that writes before it reads would not see why it was refused.
    pub(super) async fn discard(self) {
        self.throw_away(DRAINED_MAX, STALL_MAX).await;
    }

    async fn throw_away(mut self, bytes_max: u64, time: Duration) {
        let until = self.read + bytes_max;
        let read =
            async { while self.read <= until && self.next().await.is_ok_and(|bytes| bytes.is_some()) {} };
        let _ = timeout(time, read).await;
    }
}

/// What a request says about its body.
#[derive(Clone, Debug)]
pub(super) struct BodyHead {
    content_type: Option<ContentType>,
    length: Option<u64>,
    is_encoded: bool,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for BodyHead {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<BodyHead, Infallible> {
        let header = |name| request.headers().get_one(name);
        Outcome::Success(BodyHead {
            content_type: request.content_type().cloned(),
            length: header("Content-Length").and_then(|length| length.parse().ok()),
            is_encoded: header("Content-Encoding")
                .is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")),
        })
    }
}

/// Large bodies that may be in memory at one time: what is read from one takes many times its bytes.
const LARGE_AT_ONCE: usize = 2;
/// A body up to here is not large.
const SMALL_MAX: usize = 1 << 20;

/// Lets large bodies in.
pub(super) struct LargeBodies(Arc<Semaphore>);

impl LargeBodies {
    /// With nobody inside.
    pub(super) fn new() -> LargeBodies {
        LargeBodies(Arc::new(Semaphore::new(LARGE_AT_ONCE)))
    }
}

/// A body that claims to be JSON.
#[derive(Debug)]
pub(super) struct Json {
    bytes: Vec<u8>,
    /// SHA-256 of its bytes.
    pub(super) hash: [u8; 32],
    place: Option<OwnedSemaphorePermit>,
}

impl Json {
    fn new(bytes: Vec<u8>, place: Option<OwnedSemaphorePermit>) -> Json {
        Json { hash: Sha256::digest(&bytes).into(), bytes, place }
    }

    /// What it says.
    pub(super) async fn value(self) -> Result<Value, ApiError> {
        match self.bytes.len() {
            ..=CHUNK => parse(&self.bytes),
            _ => aside(move || parse(&self.bytes)).await,
        }
    }

    /// Refuses one that says anything.
    pub(super) async fn says_nothing(self) -> Result<(), ApiError> {
        Ok(Fields::of(self.value().await?)?.finish(Some(()))?)
    }

    /// What it says, where amounts of money may be among it: every number is exactly the one that was sent, or it
    /// is refused.
    pub(super) async fn exact_value(self) -> Result<Value, ApiError> {
        if let Some(number) = text(&self.bytes).ok().and_then(inexact_number) {
            let shown = crate::domain::fields::excerpt(number);
            return Err(ApiError::Malformed(format!(
                "The number {shown} has more digits than are kept exactly"
            )));
        }
        self.value().await
    }

    /// Whether it is an array, if it is JSON at all.
    pub(super) fn is_array(&self) -> bool {
        self.bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
    }

    /// Its items one by one, if it is an array; `take` says whether it wants another. Else all of it, as the
    /// only item.
    pub(super) fn each(&self, take: &mut dyn FnMut(Value) -> bool) -> Result<Kind, ApiError> {
        let text = text(&self.bytes)?;
        if !text.trim_start().starts_with('[') {
            take(parse(&self.bytes)?);
            return Ok(Kind::One);
        }
        let mut has_stopped = false;
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = Items { take, has_stopped: &mut has_stopped }.deserialize(&mut reader);
        match read.and_then(|()| reader.end()) {
            // What follows is not read, so it may be anything.
            _ if has_stopped => Ok(Kind::Array),
            Ok(()) => Ok(Kind::Array),
            Err(error) => Err(invalid_json(&error)),
        }
    }

    /// The right to be in memory, which must live as long as what was read.
    pub(super) fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        self.place.take()
    }
}

/// A body that is a file.
pub(super) struct Upload {
    bytes: Vec<u8>,
    /// SHA-256 of its bytes.
    pub(super) hash: [u8; 32],
    /// The right to be in memory.
    _place: Option<OwnedSemaphorePermit>,
}

impl Upload {
    /// What is in it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What a body of several kinds was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An array, of any length.
    Array,
    /// Something else.
    One,
}

struct Items<'t> {
    take: &'t mut dyn FnMut(Value) -> bool,
    has_stopped: &'t mut bool,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(Unambiguous(item)) = items.next_element()? {
            if !(self.take)(item) {
                *self.has_stopped = true;
                break;
            }
        }
        Ok(())
    }
}

/// A body on its way into the store, in a file that goes with this value.
#[derive(Debug)]
pub(super) struct Spool {
    /// Where it is.
    pub(super) path: TempPath,
    /// SHA-256 of its bytes.
    pub(super) hash: [u8; 32],
}

impl BodyHead {
    /// Whether the body claims to be a table: text with separators, or a workbook.
    pub(super) fn is_table(&self) -> bool {
        self.is_text_table()
            || self.is_kind("application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    }

    /// Whether the body claims to be CSV.
    pub(super) fn is_text_table(&self) -> bool {
        self.is_kind("text", "csv") || self.is_kind("application", "csv")
    }

    /// Whether the body claims to be a form with files in it.
    pub(super) fn is_multipart(&self) -> bool {
        self.is_kind("multipart", "form-data")
    }

    fn is_kind(&self, top: &str, sub: &str) -> bool {
        self.content_type.as_ref().is_some_and(|kind| kind.top() == top && kind.sub() == sub)
    }

    fn is_json(&self) -> bool {
        self.content_type.as_ref().is_some_and(|kind| kind.top() == "application" && kind.sub() == "json")
    }

    /// Reads the body as JSON of an ordinary size.
    pub(super) async fn json(&self, body: Body, bytes_max: u64) -> Result<Json, ApiError> {
        self.read(body, bytes_max, None).await
    }

    /// Reads the body as JSON of an ordinary size, of a request that takes no parameters. No body is an empty object.
    pub(super) async fn json_if_any(&self, query: &mut Query, mut body: Body) -> Result<Json, ApiError> {
        if let Err(invalid) = query.finish() {
            body.discard().await;
            return Err(invalid.into());
        }
        if self.content_type.is_none() && body.is_empty().await? {
            return Ok(Json::new(b"{}".to_vec(), None));
        }
        self.json(body, JSON_MAX).await
    }

    /// Reads the body as JSON that may be large; then it waits until there is room for it.
    pub(super) async fn large_json(
        &self,
        body: Body,
        bytes_max: u64,
        large: &LargeBodies,
    ) -> Result<Json, ApiError> {
        self.read(body, bytes_max, Some(large)).await
    }

    /// Reads the body as a sound; a large one waits until there is room for it.
    pub(super) async fn sound(
        &self,
        body: Body,
        bytes_max: u64,
        large: &LargeBodies,
    ) -> Result<Upload, ApiError> {
        let is_sound = self.content_type.as_ref().is_some_and(|kind| kind.top() == "audio");
        let body = self.open(body, bytes_max, "audio/wav or audio/mpeg", is_sound).await?;
        let (bytes, place) = gather(body, bytes_max, Some(large)).await?;
        if bytes.is_empty() {
            return Err(empty());
        }
        Ok(Upload { hash: Sha256::digest(&bytes).into(), bytes, _place: place })
    }

    async fn read(&self, body: Body, bytes_max: u64, large: Option<&LargeBodies>) -> Result<Json, ApiError> {
        let body = self.open(body, bytes_max, "application/json", self.is_json()).await?;
        let (bytes, place) = gather(body, bytes_max, large).await?;
        Ok(Json::new(bytes, place))
    }

    /// Puts the body into a temporary file of `folder`.
    pub(super) async fn spool(&self, body: Body, bytes_max: u64, folder: &Path) -> Result<Spool, ApiError> {
        let mut body = self.open(body, bytes_max, "text/csv", self.is_table()).await?;
        let (mut file, path) = spool_file(folder)?;
        let mut hash = Sha256::new();
        while let Some(bytes) = body.next().await? {
            if body.read > bytes_max {
                return Err(too_large(body, bytes_max).await);
            }
            hash.update(&bytes);
            file.write_all(&bytes).await?;
        }
        if body.read == 0 {
            return Err(empty());
        }
        file.flush().await?;
        Ok(Spool { path, hash: hash.finalize().into() })
    }

    /// Puts the file of a form into a temporary file of `folder`. Each part goes to the disk as it comes.
    pub(super) async fn form(&self, body: Body, bytes_max: u64, folder: &Path) -> Result<Form, ApiError> {
        let mut body = self.open(body, bytes_max, "multipart/form-data", self.is_multipart()).await?;
        let boundary = self.content_type.as_ref().and_then(|kind| kind.param("boundary"));
        let Some(boundary) = boundary.filter(|boundary| (1..=70).contains(&boundary.len())) else {
            body.discard().await;
            return Err(ApiError::Malformed("The Content-Type names no boundary between the parts".into()));
        };
        let read = read_form(&mut body, boundary, bytes_max, folder).await;
        if read.is_err() {
            body.discard().await;
        }
        read
    }

    fn check_type(&self, expected: &str, is_expected: bool) -> Result<(), ApiError> {
        let charset = self.content_type.as_ref().and_then(|kind| kind.param("charset"));
        // How a table is encoded is found out.
        let is_utf8 = self.is_table()
            || charset.is_none_or(|charset| {
                ["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known))
            });
        match () {
            () if !is_expected => Err(unsupported(format!("Send the body with Content-Type: {expected}"))),
            () if !is_utf8 => Err(unsupported("Send the body in UTF-8".into())),
            () if self.is_encoded => Err(unsupported("Send the body without Content-Encoding".into())),
            () => Ok(()),
        }
    }

    async fn open(
        &self,
        body: Body,
        bytes_max: u64,
        expected: &str,
        is_expected: bool,
    ) -> Result<Body, ApiError> {
        if let Err(error) = self.check_type(expected, is_expected) {
            body.discard().await;
            return Err(error);
        }
        match self.length {
            Some(length) if length > bytes_max => Err(too_large(body, bytes_max).await),
            _ => Ok(body),
        }
    }
}

/// A form with one file in it.
pub(super) struct Form {
    /// Its other parts, by name.
    pub(super) fields: Vec<(String, String)>,
    /// The file; its hash is of all parts, because the boundary between them is another one each time.
    pub(super) file: Spool,
    /// What the file is called.
    pub(super) file_name: Option<String>,
}

/// Parts of a form, and bytes of one that is no file.
const PARTS_MAX: usize = 20;
const FIELD_MAX: usize = 256 << 10;

async fn read_form(body: &mut Body, boundary: &str, bytes_max: u64, folder: &Path) -> Result<Form, ApiError> {
    let bytes = stream::unfold(body, |body| async move { Some((body.bytes().await.transpose()?, body)) });
    let mut form = multer::Multipart::new(Box::pin(bytes), boundary);
    let (mut fields, mut file, mut hash, mut read) = (Vec::new(), None, Sha256::new(), 0);
    for _ in 0..=PARTS_MAX {
        let Some(mut part) = timeout(STALL_MAX, form.next_field()).await?.map_err(malformed_form)? else {
            let Some((path, file_name)) = file else {
                return Err(ApiError::Malformed(
                    "The form has no file in it; send one as the part `file`".into(),
                ));
            };
            let file = Spool { path, hash: hash.finalize().into() };
            return Ok(Form { fields, file, file_name });
        };
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        let is_file = file_name.is_some() || name == "file";
        if is_file && file.is_some() {
            return Err(ApiError::Malformed("The form has several files in it; send them one by one".into()));
        }
        for text in [name.as_str(), file_name.as_deref().unwrap_or_default()] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        let mut content = Sha256::new();
        let mut text = Vec::new();
        let mut spool = if is_file { Some(spool_file(folder)?) } else { None };
        while let Some(chunk) = timeout(STALL_MAX, part.chunk()).await?.map_err(malformed_form)? {
            read += chunk.len() as u64;
            if read > bytes_max {
                return Err(ApiError::TooLarge { bytes: bytes_max });
            }
            content.update(&chunk);
            match &mut spool {
                Some((file, _)) => file.write_all(&chunk).await?,
                None if text.len() + chunk.len() > FIELD_MAX => {
                    let shown = crate::domain::fields::excerpt(&name);
                    return Err(ApiError::Malformed(format!(
                        "The part `{shown}` is longer than {FIELD_MAX} bytes"
                    )));
                }
                None => text.extend_from_slice(&chunk),
            }
        }
        hash.update(content.finalize());
        match spool {
            Some((mut written, path)) => {
                written.flush().await?;
                if written.metadata().await?.len() == 0 {
                    return Err(ApiError::Malformed("The file is empty".into()));
                }
                file = Some((path, file_name));
            }
            None => {
                let text = String::from_utf8(text);
                let shown = crate::domain::fields::excerpt(&name);
                let text =
                    text.map_err(|_| ApiError::Malformed(format!("The part `{shown}` is not UTF-8")))?;
                fields.push((name, text));
            }
        }
    }
    Err(ApiError::Malformed(format!("The form has more than {PARTS_MAX} parts")))
}

fn malformed_form(error: multer::Error) -> ApiError {
    ApiError::Malformed(format!("The form cannot be read: {error}"))
}

fn spool_file(folder: &Path) -> Result<(File, TempPath), ApiError> {
    let (file, path) = tempfile::Builder::new().prefix(UPLOAD_PREFIX).tempfile_in(folder)?.into_parts();
    Ok((File::from_std(file), path))
}

/// Does what takes milliseconds where no other request waits for it.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = rocket::tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(ApiError::Internal { cause: panic.to_string() }))
}

/// Reads all of a body; a large one waits until there is room for it.
async fn gather(
    mut body: Body,
    bytes_max: u64,
    large: Option<&LargeBodies>,
) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), ApiError> {
    let mut all = Vec::new();
    let mut place = None;
    while let Some(bytes) = body.next().await? {
        if body.read > bytes_max {
            return Err(too_large(body, bytes_max).await);
        }
        all.extend_from_slice(&bytes);
        if let Some(LargeBodies(places)) = large
            && all.len() > SMALL_MAX
            && place.is_none()
        {
            place = places.clone().acquire_owned().await.ok();
        }
    }
    Ok((all, place))
}

async fn too_large(body: Body, bytes_max: u64) -> ApiError {
    // So much at least as would have been read of one that is not.
    body.throw_away(bytes_max + DRAINED_MAX, STALL_MAX).await;
    ApiError::TooLarge { bytes: bytes_max }
}

fn unsupported(message: String) -> ApiError {
    ApiError::UnsupportedMediaType(message)
}

fn empty() -> ApiError {
    ApiError::Malformed("The body is empty".into())
}

/// Reads JSON that means one thing: no field twice, nothing after the end, nested no deeper than 128.
fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    match serde_json::from_str::<Unambiguous>(text(bytes)?) {
        Ok(Unambiguous(value)) => Ok(value),
        Err(error) => Err(invalid_json(&error)),
    }
}

fn text(bytes: &[u8]) -> Result<&str, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(empty());
    }
    std::str::from_utf8(bytes).map_err(|error| {
        ApiError::Malformed(format!("The body is not UTF-8: byte {} is wrong", error.valid_up_to() + 1))
    })
}

fn invalid_json(error: &serde_json::Error) -> ApiError {
    ApiError::Malformed(format!("The body is not valid JSON: {error}"))
}

/// The first number with a fraction that has more digits than a double keeps.
fn inexact_number(json: &str) -> Option<&str> {
    const DIGITS_KEPT: usize = 15;
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = &rest[at..];
        if let Some(inside) = rest.strip_prefix('"') {
            rest = after_string(inside);
            continue;
        }
        let end = rest.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(rest.len());
        let number = &rest[..end];
        rest = &rest[end..];
        let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let is_whole = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        if !is_whole && digits.trim_matches('0').len() > DIGITS_KEPT {
            return Some(number);
        }
    }
    None
}

/// What follows the closing quote.
fn after_string(inside: &str) -> &str {
    let mut rest = inside;
    while let Some(at) = rest.find(['"', '\\']) {
        match rest.as_bytes()[at] {
            b'"' => return &rest[at + 1..],
            // Whatever is escaped, a quote too, is part of the text.
            _ => rest = rest[at + 1..].char_indices().nth(1).map_or("", |(next, _)| &rest[at + 1 + next..]),
        }
    }
    ""
}

/// A JSON value whose objects name no field twice.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unambiguous, D::Error> {
        deserializer.deserialize_any(UnambiguousVisitor).map(Unambiguous)
    }
}

struct UnambiguousVisitor;

impl<'de> Visitor<'de> for UnambiguousVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Unambiguous(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.contains_key(&name) {
                let name = crate::domain::fields::excerpt(&name);
                return Err(de::Error::custom(format_args!("the field `{name}` is there twice")));
            }
            let Unambiguous(value) = fields.next_value()?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problem(body: &[u8]) -> String {
        match parse(body) {
            Err(ApiError::Malformed(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sound_json_is_read_as_it_is() {
        let text = r#" {"b": [1, -2, 0.5, "x\u00e9", true, null], "a": {"b": 18446744073709551615}} "#;
        let expected = json!({"b": [1, -2, 0.5, "xé", true, null], "a": {"b": u64::MAX}});
        assert_eq!(parse(text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn unsound_json_is_refused_with_its_place() {
        assert_eq!(problem(b""), "The body is empty");
        assert_eq!(problem(b" \r\n"), "The body is empty");
        assert_eq!(problem(b"{\"a\": \xff}"), "The body is not UTF-8: byte 7 is wrong");
        assert_eq!(
            problem(b"{\"a\": 1,\n \"a\": 2}"),
            "The body is not valid JSON: the field `a` is there twice at line 2 column 4"
        );
        for (body, place) in [
            (&b"{"[..], "line 1 column 1"),
            (b"{}x", "line 1 column 3"),
            (b"{\"a\": 1,}", "line 1 column 9"),
            (b"{\"a\": 1e400}", "line 1 column 11"),
            (b"{\"a\": \"\\ud800\"}", "line 1 column 14"),
            (b"{\"a\": NaN}", "line 1 column 7"),
            (b"\xef\xbb\xbf{}", "line 1 column 1"),
            (b"{\"x\": {\"a\": 1, \"a\": 1}}", "line 1 column 18"),
        ] {
            let message = problem(body);
            assert!(message.contains(place), "{message}");
        }
        assert!(problem("[".repeat(100_000).as_bytes()).contains("recursion limit"));
    }

    /// What was read of an array, and how that ended.
    fn read_items(body: &str, wanted: usize) -> (Vec<Value>, Result<Kind, String>) {
        let mut items = Vec::new();
        let read = Json::new(body.into(), None).each(&mut |item| {
            items.push(item);
            items.len() < wanted
        });
        (items, read.map_err(|error| format!("{error:?}")))
    }

    #[test]
    fn the_items_of_an_array_are_read_one_by_one_until_enough_are_there() {
        assert_eq!(read_items(" [1, {\"a\": 2}] ", 9), (vec![json!(1), json!({"a": 2})], Ok(Kind::Array)));
        assert_eq!(read_items("[]", 9), (vec![], Ok(Kind::Array)));
        assert_eq!(read_items("{\"a\": 1}", 9), (vec![json!({"a": 1})], Ok(Kind::One)));
        assert_eq!(read_items("[1, 2, 3, never read", 2), (vec![json!(1), json!(2)], Ok(Kind::Array)));
        for body in ["[1", "[1] x", "[1,]", "[{\"a\": 1, \"a\": 1}]", "", "[[", "x"] {
            assert!(read_items(body, 9).1.is_err(), "{body}");
        }
        let deep = "[".repeat(100_000);
        assert!(read_items(&deep, 9).1.is_err());
    }

    #[test]
    fn a_number_with_more_digits_than_are_kept_is_found() {
        for (json, found) in [
            (r#"{"a": 999999999.99990001}"#, Some("999999999.99990001")),
            (r#"{"a": 0.10000000000000000555}"#, Some("0.10000000000000000555")),
            (
                r#"{"\\\"": "0.10000000000000000555\"", "b": -12345678901234567e-3}"#,
                Some("-12345678901234567e-3"),
            ),
            (
                r#"{"a": "\"é\\", "b": [999999999.9999, 0.5000000000000000000000, 1e300, 12345678901234567890]}"#,
                None,
            ),
            (r#"["0.10000000000000000555"#, None),
            ("", None),
        ] {
            assert_eq!(inexact_number(json), found, "{json}");
        }
    }
}
