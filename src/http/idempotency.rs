//! `Idempotency-Key`: a request that is sent again, because its answer was lost, is answered again and not
//! done again. The answer is remembered in the transaction that makes it true.

use super::answer::Answer;
use super::auth;
use super::body::Body;
use super::error::ApiError;
use crate::store::pool::Db;
use crate::store::{Deed, RememberedReply, Snapshot, StoreError, Token, Tx};
use rocket::Request;
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome};
use rocket::tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

/// What the request says about being repeated, before its body is read.
#[derive(Clone, Debug)]
pub(super) struct Repeatable {
    key: Result<Option<String>, &'static str>,
    target: String,
    deed: Option<Deed>,
    turns: Turns,
    held: Held,
}

/// The turn of a request, which is over when the request is: an answer that is remembered can be given again once its
/// transaction is committed, and no sooner.
#[derive(Clone, Debug, Default)]
struct Held(Arc<OnceLock<OwnedMutexGuard<()>>>);

/// Requests that are being done, by token and key: the same one waits until there is an answer to give again. What takes many
/// transactions would else be done twice when it is sent twice at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<ByKey>>);

type ByKey = HashMap<(i64, String), Weak<Turn<()>>>;

impl Turns {
    async fn take(&self, token_id: i64, key: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let turn = turns.entry((token_id, key.to_owned())).or_default();
            turn.upgrade().unwrap_or_else(|| {
                let new = Arc::default();
                *turn = Arc::downgrade(&new);
                new
            })
        };
        turn.lock_owned().await
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Repeatable {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Repeatable, Infallible> {
        Outcome::Success(Repeatable {
            key: read_key(request.headers().get("Idempotency-Key")),
            target: format!("{} {}", request.method(), request.uri()),
            deed: auth::deed_of_caller(request),
            turns: request.rocket().state::<Turns>().cloned().unwrap_or_default(),
            held: request.local_cache(Held::default).clone(),
        })
    }
}

const LENGTH_MAX: usize = 255;

/// The key, bare or as a quoted string (RFC 8941).
fn read_key<'h>(mut lines: impl Iterator<Item = &'h str>) -> Result<Option<String>, &'static str> {
    let (first, second) = (lines.next(), lines.next());
    let Some(line) = first.map(str::trim) else { return Ok(None) };
    let key = match line.strip_prefix('"') {
        Some(rest) => unquoted(rest).ok_or("Idempotency-Key is not a proper quoted string")?,
        None => line.to_owned(),
    };
    match key.len() {
        _ if second.is_some() => Err("Idempotency-Key must be given once"),
        1..=LENGTH_MAX if key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => Ok(Some(key)),
        _ => Err("Idempotency-Key must be 1 to 255 printable ASCII characters"),
    }
}

fn unquoted(rest: &str) -> Option<String> {
    let mut key = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(key),
            '\\' => key.push(chars.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            other => key.push(other),
        }
    }
}

/// A request that is done at most once.
#[derive(Clone, Debug)]
pub(super) struct Once {
    key: Option<String>,
    token_id: i64,
    request_hash: [u8; 32],
    deed: Option<Deed>,
    turns: Turns,
    held: Held,
}

impl Repeatable {
    /// Whether the first answer may have to be given again, whatever has become of what it was about.
    pub(super) fn has_key(&self) -> bool {
        !matches!(self.key, Ok(None))
    }

    /// The same for a request whose body says nothing, whatever is in it.
    pub(super) async fn once_without_body(self, token: &Token, body: Body) -> Result<Once, ApiError> {
        body.discard().await;
        self.once(token, [0; 32])
    }

    /// With everything that makes two requests the same: who asks, for what, with which body.
    pub(super) fn once(self, token: &Token, body_hash: [u8; 32]) -> Result<Once, ApiError> {
        let key = self.key.map_err(|message| ApiError::Malformed(message.to_owned()))?;
        let mut hash = Sha256::new();
        hash.update(self.target.as_bytes());
        hash.update([0]);
        hash.update(body_hash);
        let request_hash = hash.finalize().into();
        let Repeatable { deed, turns, held, .. } = self;
        Ok(Once { key, token_id: token.id, request_hash, deed, turns, held })
    }
}

impl Once {
    /// The first answer, where this request was done before; asked before anything else can refuse it. While it is being
    /// done that is waited for.
    pub(super) async fn first_answer(&self, db: &Db) -> Result<Option<Answer>, ApiError> {
        let Some(key) = &self.key else { return Ok(None) };
        let _ = self.held.0.set(self.turns.take(self.token_id, key).await);
        let asked = self.clone();
        db.read(move |snapshot| asked.remembered(snapshot)).await
    }

    /// The first answer, where this request was done before.
    pub(super) fn remembered(&self, snapshot: &Snapshot) -> Result<Option<Answer>, ApiError> {
        let Some(key) = &self.key else { return Ok(None) };
        match snapshot.remembered_reply(self.token_id, key)? {
            None => Ok(None),
            Some(reply) if reply.request_hash == self.request_hash => Ok(Some(replayed(reply))),
            Some(_) => Err(ApiError::KeyReused),
        }
    }

    /// Does it, unless it was done before. What fails is not remembered, so it may be tried again.
    pub(super) fn run(
        self,
        tx: &Tx,
        make: impl FnOnce(&Tx) -> Result<Answer, ApiError>,
    ) -> Result<Answer, ApiError> {
        if let Some(answer) = self.remembered(tx)? {
            return Ok(answer);
        }
        let answer = make(tx)?;
        self.note(tx, answer.header("Location"))?;
        self.remember(tx, &answer)?;
        Ok(answer)
    }

    /// Gives an answer to what changed nothing, or was noted when it began, unless one was given before.
    pub(super) fn tell(self, tx: &Tx, answer: Answer) -> Result<Answer, ApiError> {
        if let Some(answer) = self.remembered(tx)? {
            return Ok(answer);
        }
        self.remember(tx, &answer)?;
        Ok(answer)
    }

    /// Writes down who does this, and what came of it, where that has an address.
    pub(super) fn note(&self, tx: &Tx, made: Option<&str>) -> Result<(), StoreError> {
        let Some(deed) = &self.deed else { return Ok(()) };
        // Only there is a number a part of the address.
        let made = made.filter(|made| !made.starts_with("/api/do-not-call/"));
        let target = made.unwrap_or(&deed.target).to_owned();
        tx.note(&Deed { target, ..deed.clone() })
    }

    /// Remembers the answer.
    pub(super) fn remember(&self, tx: &Tx, answer: &Answer) -> Result<(), StoreError> {
        let Some(key) = &self.key else { return Ok(()) };
        let reply = RememberedReply {
            request_hash: self.request_hash,
            status: answer.status().code,
            location: answer.header("Location").map(str::to_owned),
            tag: answer.header("ETag").map(str::to_owned),
            body: answer.body().to_owned(),
        };
        tx.remember_reply(self.token_id, key, &reply)
    }
}

fn replayed(reply: RememberedReply) -> Answer {
    let RememberedReply { request_hash: _, status, location, tag, body } = reply;
    let answer = Answer::text(Status::new(status), body).with("Idempotent-Replayed", "true");
    let headers = [("Location", location), ("ETag", tag)];
    headers.into_iter().fold(answer, |answer, (name, value)| match value {
        Some(value) => answer.with(name, value),
        None => answer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(line: &str) -> Option<String> {
        read_key(Some(line).into_iter()).ok().flatten()
    }

    #[test]
    fn a_key_comes_bare_or_quoted() {
        assert_eq!(key("8e03978e-40d5-43dd"), Some("8e03978e-40d5-43dd".into()));
        assert_eq!(key("\"8e03978e-40d5-43dd\""), Some("8e03978e-40d5-43dd".into()));
        assert_eq!(key("\"a \\\"b\\\" \\\\\""), Some("a \"b\" \\".into()));
        assert_eq!(key(&"x".repeat(255)), Some("x".repeat(255)));
        assert_eq!(read_key(std::iter::empty()), Ok(None));
    }

    #[test]
    fn a_key_that_is_none_is_refused_and_not_ignored() {
        for line in ["", "  ", "\"\"", "\"open", "\"a\"b", "\"a\\n\"", "schlüssel", &"x".repeat(256)] {
            assert!(read_key(Some(line).into_iter()).is_err(), "{line}");
        }
        assert!(read_key(["a", "b"].into_iter()).is_err());
    }
}
