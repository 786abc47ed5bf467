//! Who is asking? Every request under `/api` is judged once, before it is routed: its token or the session of its
//! cookie, its scope and its quota. The guards of the handlers read that judgement, and the matrix of all routes in the tests shows that none is without.

use super::error::ApiError;
use super::quota::{FixedWindow, Quota, Standing};
use super::{Door, Settings, cors, edge};
use crate::clock::Clock;
use crate::domain::Instant;
use crate::store::pool::Db;
use crate::store::{Deed, Scope, Store, Token};
use crate::token;
use rocket::Request;
use rocket::http::{Method, Status};
use rocket::request::{FromRequest, Outcome};
use rocket_db_pools::Database;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Judges requests, and remembers how many there were.
pub(super) struct Gatekeeper {
    clock: Arc<dyn Clock>,
    door: Door,
    tokens: Quota<i64>,
    /// Of the page, by token, so that it takes nothing from the scripts.
    sessions: Quota<i64>,
    peers: Quota<Peer>,
}

/// Where a request without a token comes from: an IPv4 address, or the /64 that an IPv6 host owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Peer {
    V4(Ipv4Addr),
    V6(u64),
}

impl Peer {
    fn of(client: Option<IpAddr>) -> Peer {
        match client.map(|client| client.to_canonical()) {
            Some(IpAddr::V4(address)) => Peer::V4(address),
            Some(IpAddr::V6(address)) => Peer::V6((address.to_bits() >> 64) as u64),
            None => Peer::V4(Ipv4Addr::UNSPECIFIED),
        }
    }
}

const TOKEN_WINDOW: Duration = Duration::from_secs(3600);
const PEER_WINDOW: Duration = Duration::from_secs(60);
const KEYS_MAX: usize = 65_536;

/// Longer than any token that was ever made; what is longer is not worth hashing.
pub(super) const TOKEN_LENGTH_MAX: usize = 512;

/// The cookie of those who are signed in.
pub(super) const SESSION_COOKIE: &str = "vc_session";

impl Gatekeeper {
    /// With the limits of the settings.
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Gatekeeper {
        let window =
            |limit, length| FixedWindow::new(NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN), length);
        Gatekeeper {
            tokens: Quota::new(window(settings.requests_per_hour, TOKEN_WINDOW), KEYS_MAX),
            sessions: Quota::new(window(settings.session_requests_per_hour, TOKEN_WINDOW), KEYS_MAX),
            peers: Quota::new(window(settings.unauthenticated_per_minute, PEER_WINDOW), KEYS_MAX),
            door: settings.door.clone(),
            clock,
        }
    }

    /// The clock of all requests.
    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Origins of pages elsewhere that may call the API.
    fn origins(&self) -> &[String] {
        &self.door.origins
    }

    /// Whether it is this server itself that speaks TLS with the clients.
    pub(super) fn speaks_tls(&self) -> bool {
        self.door.is_tls
    }

    /// The instant, in Unix seconds, that lies so far ahead.
    pub(super) fn unix_seconds_in(&self, ahead: Duration) -> i64 {
        let ms = self.clock.now().timestamp_millis().saturating_add(ahead.as_millis() as i64);
        ms.div_euclid(1000) + i64::from(ms.rem_euclid(1000) > 0)
    }

    /// A valid token is looked for before the address is counted, so a neighbour's bad guesses lock nobody out.
    fn judge(&self, request: &Request<'_>) -> Admission {
        let misdirected = self.door.objection(request);
        if misdirected.is_none() && cors::is_preflight(request) {
            return Admission { standing: None, verdict: Verdict::Preflight };
        }
        let caller = match known_caller(request) {
            Err(cause) if misdirected.is_none() => {
                return Admission { standing: None, verdict: Verdict::StoreFailed(cause) };
            }
            Err(_) => None,
            Ok(caller) => caller,
        };
        // Under another name only those are counted who are told how they stand.
        if let (Some(why), None) = (&misdirected, &caller) {
            return Admission { standing: None, verdict: Verdict::Misdirected(why.clone()) };
        }
        let now = self.clock.monotonic();
        let (policy, quota) = match &caller {
            Some(Caller { token, session_ends_at: None }) => (Policy::Token, self.tokens.take(token.id, now)),
            Some(Caller { token, session_ends_at: Some(_) }) => {
                (Policy::Session, self.sessions.take(token.id, now))
            }
            None => (Policy::Peer, self.peers.take(Peer::of(self.door.client(request)), now)),
        };
        let verdict = match (misdirected, caller) {
            (Some(why), _) => Verdict::Misdirected(why),
            (None, _) if !quota.is_admitted => Verdict::OverQuota,
            (None, Some(caller)) if policy == Policy::Token || !is_from_elsewhere(request, policy) => {
                Verdict::Granted(caller)
            }
            (None, None) if !is_about_session(request) => Verdict::Unauthorized,
            (None, None) if !is_from_elsewhere(request, policy) => Verdict::Visitor,
            (None, _) => Verdict::CrossSite,
        };
        Admission { standing: Some((policy, quota)), verdict }
    }
}

/// Who sends a request: a token, or the session of somebody who has signed in with it.
#[derive(Clone)]
pub(super) struct Caller {
    token: Arc<Token>,
    session_ends_at: Option<Instant>,
}

/// Whether the request is about the session itself, for which nobody need be signed in.
fn is_about_session(request: &Request<'_>) -> bool {
    request.uri().path().segments().eq(["api", "session"])
}

/// The caller, if the token or the session that the request carries is one of ours. Nobody is one already who is about
/// to sign in, so that guesses are counted where they come from.
fn known_caller(request: &Request<'_>) -> Result<Option<Caller>, String> {
    if request.method() == Method::Post && is_about_session(request) {
        return Ok(None);
    }
    let Some(presented) = Presented::by(request) else { return Ok(None) };
    let Some(db) = Db::fetch(request.rocket()) else { return Err("no database is attached".into()) };
    let known = match &presented {
        Presented::Token(hash) => db.token_by_hash(hash).map(|token| {
            token.map(|token| {
                if token.last_used_at.is_none() {
                    db.forget_first_token(|text| token::hash(text) == *hash);
                }
                db.touch_token(&token);
                Caller { token, session_ends_at: None }
            })
        }),
        Presented::Session(hash) => db.session_by_hash(hash).map(|session| {
            session.map(|session| Caller {
                token: session.token.clone(),
                session_ends_at: Some(db.touch_session(hash, &session)),
            })
        }),
    };
    known.map_err(|error| error.to_string())
}

/// A browser sends the cookie whoever's page made it send a request; so a change counts only if the browser says that
/// it was the server's own page, or where it does not say, if there is a header that other pages cannot set. Those who
/// are not signed in, as they may be no browser, only must not be another page.
fn is_from_elsewhere(request: &Request<'_>, policy: Policy) -> bool {
    if matches!(request.method(), Method::Get | Method::Head | Method::Options) {
        return false;
    }
    match request.headers().get_one("Sec-Fetch-Site") {
        Some(site) => site != "same-origin",
        None => policy == Policy::Session && request.headers().get_one("X-Requested-With") != Some("ui"),
    }
}

fn bearer<'r>(request: &'r Request<'_>) -> Option<&'r str> {
    let mut values = request.headers().get("Authorization");
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    let is_sound = scheme.eq_ignore_ascii_case("bearer") && (1..=TOKEN_LENGTH_MAX).contains(&token.len());
    is_sound.then_some(token)
}

/// The cookie of a session. Whoever tries a token means that and nothing else; the password of a proxy in the same
/// header does not get in the way.
fn cookie<'r>(request: &'r Request<'_>) -> Option<&'r str> {
    let is_token =
        |value: &str| value.trim_start().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"));
    if request.headers().get("Authorization").any(is_token) {
        return None;
    }
    let cookie = request.cookies().get(SESSION_COOKIE)?.value();
    (1..=TOKEN_LENGTH_MAX).contains(&cookie.len()).then_some(cookie)
}

/// Whose budget a request was counted against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// The token's.
    Token,
    /// The one of all who are signed in with a token.
    Session,
    /// The address's, for requests without a valid token.
    Peer,
}

impl Policy {
    /// Its name in the `RateLimit` headers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Policy::Token => "default",
            Policy::Session => "session",
            Policy::Peer => "ip",
        }
    }
}

/// The judgement about one request.
pub(super) struct Admission {
    /// What the rate-limit headers tell.
    pub(super) standing: Option<(Policy, Standing)>,
    verdict: Verdict,
}

enum Verdict {
    Granted(Caller),
    /// Nobody, where nobody need be known.
    Visitor,
    /// A browser, for a page elsewhere that may call.
    Preflight,
    Unauthorized,
    CrossSite,
    OverQuota,
    StoreFailed(String),
    Misdirected(String),
}

/// Whether the path is `/api` or under it, in whatever spelling the router would accept.
pub(super) fn is_api(request: &Request<'_>) -> bool {
    request.uri().path().segments().get(0) == Some("api")
}

/// The judgement about this request; made when first asked for. None outside `/api`.
pub(super) fn admission<'r>(request: &'r Request<'_>) -> Option<&'r Admission> {
    request
        .local_cache(|| {
            let gatekeeper = request.rocket().state::<Gatekeeper>().filter(|_| is_api(request));
            gatekeeper.map(|gatekeeper| gatekeeper.judge(request))
        })
        .as_ref()
}

/// Whether a browser asks for a page elsewhere if it may call, and is answered without a token.
pub(super) fn is_preflight(request: &Request<'_>) -> bool {
    admission(request).is_some_and(|admission| matches!(admission.verdict, Verdict::Preflight))
}

/// Origins of pages elsewhere that may call the API.
pub(super) fn allowed_origins<'r>(request: &'r Request<'_>) -> &'r [String] {
    request.rocket().state::<Gatekeeper>().map_or(&[], Gatekeeper::origins)
}

/// What stands against letting this request in, whatever it asks for.
pub(super) fn objection(request: &Request<'_>) -> Option<ApiError> {
    match &admission(request)?.verdict {
        Verdict::Granted(_) | Verdict::Visitor if edge::is_form(request) => Some(ApiError::form_body()),
        Verdict::Granted(_) | Verdict::Visitor | Verdict::Preflight => None,
        Verdict::Unauthorized => Some(ApiError::Unauthorized),
        Verdict::CrossSite => Some(ApiError::CrossSite),
        Verdict::OverQuota => Some(ApiError::RateLimited),
        Verdict::Misdirected(why) => Some(ApiError::Misdirected(why.clone())),
        Verdict::StoreFailed(cause) => Some(ApiError::Unavailable { cause: cause.clone() }),
    }
}

/// The scope that a request needs.
pub(super) fn scope_for(request: &Request<'_>) -> Scope {
    match request.method() {
        _ if matches!(
            request.uri().path().segments().get(1),
            Some("audit" | "people" | "settings" | "tokens" | "trunks")
        ) =>
        {
            Scope::Admin
        }
        Method::Get | Method::Head | Method::Options => Scope::Read,
        Method::Put | Method::Post | Method::Delete | Method::Trace | Method::Connect | Method::Patch => {
            Scope::Write
        }
    }
}

/// The token, if nothing stands against the request and the token may do that much.
fn admit<'r>(request: &'r Request<'_>, needed: Scope) -> Outcome<&'r Token, ()> {
    if let Some(error) = objection(request) {
        return Outcome::Error((error.status(), ()));
    }
    match admission(request).map(|admission| &admission.verdict) {
        Some(Verdict::Granted(Caller { token, .. })) if token.scope >= needed => Outcome::Success(token),
        Some(Verdict::Granted(_)) => Outcome::Error((Status::Forbidden, ())),
        _ => Outcome::Error((Status::Unauthorized, ())),
    }
}

/// What this request is about to do. A number in its path is left out.
fn deed(request: &Request<'_>, token: &Token) -> Deed {
    let pattern = request.route().map_or("", |route| route.uri.path());
    let parts = pattern.split('/').filter(|part| !part.is_empty()).zip(request.uri().path().segments());
    let shown = parts.map(|(part, segment)| if part == "<number>" { part } else { segment });
    Deed {
        token_id: Some(token.id),
        by: token.name.clone(),
        action: format!("{} {pattern}", request.method()),
        target: shown.fold(String::new(), |target, part| target + "/" + part),
        request_id: Some(edge::request_id(request).to_owned()),
    }
}

/// The same, for whoever does not know yet whether it may be done.
pub(super) fn deed_of_caller(request: &Request<'_>) -> Option<Deed> {
    match &admission(request)?.verdict {
        Verdict::Granted(caller) => Some(deed(request, &caller.token)),
        Verdict::Visitor
        | Verdict::Preflight
        | Verdict::Unauthorized
        | Verdict::CrossSite
        | Verdict::OverQuota
        | Verdict::StoreFailed(_)
        | Verdict::Misdirected(_) => None,
    }
}

/// A program on this machine, or a token that may look, for what lies outside `/api`. Behind a proxy everybody seems to
/// be on this machine, so that only tokens count.
pub(super) struct LocalOrReadScope;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for LocalOrReadScope {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<LocalOrReadScope, ()> {
        let Some(gatekeeper) = request.rocket().state::<Gatekeeper>() else {
            return Outcome::Error((Status::ServiceUnavailable, ()));
        };
        let door = &gatekeeper.door;
        let client = door.client(request).map(|client| client.to_canonical());
        if !door.is_behind_proxy
            && client.is_some_and(|client| client.is_loopback())
            && door.objection(request).is_none()
        {
            return Outcome::Success(LocalOrReadScope);
        }
        // Every scope includes the one to look.
        let store = Db::fetch(request.rocket());
        if Presented::by(request).zip(store).is_some_and(|(presented, db)| presented.is_in_force(db)) {
            return Outcome::Success(LocalOrReadScope);
        }
        let quota = gatekeeper.peers.take(Peer::of(client), gatekeeper.clock.monotonic());
        let status = if quota.is_admitted { Status::Unauthorized } else { Status::TooManyRequests };
        Outcome::Error((status, ()))
    }
}

/// A caller who may look.
pub(super) struct ReadScope;

/// What a request carries to say who sends it, by its hash; for an answer that goes on for so long that it may be revoked
/// meanwhile.
pub(super) enum Presented {
    /// A token.
    Token([u8; 32]),
    /// The cookie of a session.
    Session([u8; 32]),
}

impl Presented {
    fn by(request: &Request<'_>) -> Option<Presented> {
        let token = bearer(request).map(|text| Presented::Token(token::hash(text)));
        token.or_else(|| cookie(request).map(|text| Presented::Session(token::hash(text))))
    }

    /// Whether it still counts. While the database cannot be asked, it does not.
    pub(super) fn is_in_force(&self, store: &Store) -> bool {
        match self {
            Presented::Token(hash) => store.token_by_hash(hash).is_ok_and(|token| token.is_some()),
            Presented::Session(hash) => store.session_by_hash(hash).is_ok_and(|session| session.is_some()),
        }
    }

    /// Why it no longer counts, as a stable word.
    pub(super) fn end(&self) -> &'static str {
        match self {
            Presented::Token(_) => "token_ended",
            Presented::Session(_) => "session_ended",
        }
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Presented {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Presented, ()> {
        match Presented::by(request) {
            Some(presented) => Outcome::Success(presented),
            None => Outcome::Error((Status::Unauthorized, ())),
        }
    }
}

/// Anybody who asks about the session itself, signed in or not.
pub(super) struct Visitor<'r> {
    /// Who is signed in, and until when.
    pub(super) signed_in: Option<(&'r Token, Instant)>,
    /// The hash of the cookie, whether it counts or not.
    pub(super) cookie: Option<[u8; 32]>,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Visitor<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Visitor<'r>, ()> {
        if let Some(error) = objection(request) {
            return Outcome::Error((error.status(), ()));
        }
        let signed_in = match admission(request).map(|admission| &admission.verdict) {
            Some(Verdict::Granted(Caller { token, session_ends_at })) => {
                session_ends_at.map(|at| (&**token, at))
            }
            _ => None,
        };
        let cookie = request.cookies().get(SESSION_COOKIE).map(|cookie| token::hash(cookie.value()));
        Outcome::Success(Visitor { signed_in, cookie })
    }
}

/// A caller who may change things.
pub(super) struct WriteScope<'r>(pub(super) &'r Token, pub(super) Deed);

/// A caller who may do what cannot be undone.
pub(super) struct AdminScope(pub(super) Deed, pub(super) Token);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for AdminScope {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<AdminScope, ()> {
        admit(request, Scope::Admin).map(|token| AdminScope(deed(request, token), token.clone()))
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for ReadScope {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<ReadScope, ()> {
        admit(request, Scope::Read).map(|_| ReadScope)
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for WriteScope<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<WriteScope<'r>, ()> {
        admit(request, Scope::Write).map(|token| WriteScope(token, deed(request, token)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_of_one_ipv6_network_share_a_budget_and_mapped_addresses_are_ipv4() {
        let peer = |text: &str| Peer::of(Some(text.parse().unwrap()));
        assert_eq!(peer("2001:db8:1:2::1"), peer("2001:db8:1:2:ffff::9"));
        assert_ne!(peer("2001:db8:1:2::1"), peer("2001:db8:1:3::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
    }
}
