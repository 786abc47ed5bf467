//! The HTTP server: reads requests from a connection, has Rocket answer them, and writes the answers. Rocket 0.5 itself
//! takes connections from sockets of its own alone; ours come from the listener, within this process. Knows nothing of
//! what is asked.
//!
//! ```text
//! listener ──pipe──► hyper (RFC 9112) ──► Rocket: fairings, routes, catchers
//!                                   ◄── answer: whole, or piece by piece
//! ```

use super::body::Arriving;
use futures_util::stream::{self, Stream};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rocket::http::uri::{Host, Origin};
use rocket::http::{Cookie, Header, Method};
use rocket::local::asynchronous::{Client, LocalRequest, LocalResponse};
use rocket::tokio::io::{AsyncReadExt, DuplexStream, duplex};
use rocket::tokio::sync::{mpsc, oneshot, watch};
use rocket::tokio::time::timeout;
use rocket::{Build, Rocket, Shutdown};
use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// What of a request or an answer may wait between the listener and here.
const PIPE: usize = 64 << 10;
/// An answer up to here is written as a whole.
const WHOLE_MAX: usize = 256 << 10;
/// A piece of a longer one, and of one that nobody knows the length of, such as a stream of events.
const PIECE: usize = 64 << 10;
const PIECE_OF_STREAM: usize = 4 << 10;

/// A server that answers.
pub struct Server {
    rocket: Arc<Client>,
    /// Has a receiver for each connection and each request.
    alive: watch::Sender<()>,
}

impl Server {
    /// Gets everything ready that was mounted and attached; a sentence about what is wrong with it.
    pub async fn start(rocket: Rocket<Build>) -> Result<Server, String> {
        // The error's Debug form would print the whole configuration.
        let rocket = Client::untracked(rocket).await.map_err(|error| error.kind().to_string())?;
        Ok(Server { rocket: Arc::new(rocket), alive: watch::Sender::new(()) })
    }

    /// A connection of this client: what is written into the pipe is read as requests, and answered there.
    pub fn connect(&self, client: SocketAddr) -> DuplexStream {
        let (here, there) = duplex(PIPE);
        let (rocket, alive) = (self.rocket.clone(), self.alive.subscribe());
        rocket::tokio::spawn(async move {
            let service = service_fn(|request| answer(rocket.clone(), alive.clone(), client, request));
            let mut connection = http1::Builder::new().serve_connection(TokioIo::new(here), service);
            let mut connection = Pin::new(&mut connection);
            rocket::tokio::select! {
                biased;
                // One that breaks off is no fault of ours.
                _ = connection.as_mut() => {}
                () = rocket.rocket().shutdown() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
        there
    }

    /// What tells everybody that no more requests will come.
    pub fn shutdown(&self) -> Shutdown {
        self.rocket.rocket().shutdown()
    }

    /// Answers what was asked, waiting so long for it at most, and nothing after it.
    pub async fn stop(&self, grace: Duration) {
        self.shutdown().notify();
        let _ = timeout(grace, self.alive.closed()).await;
    }
}

type Answer = hyper::Response<AnswerBody>;
type AnswerBody = Either<Full<Bytes>, StreamBody<Pieces>>;
type Pieces = Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>;

/// In a task of its own, so that what was begun is done although its client leaves.
async fn answer(
    rocket: Arc<Client>,
    alive: watch::Receiver<()>,
    client: SocketAddr,
    request: hyper::Request<Incoming>,
) -> Result<Answer, oneshot::error::RecvError> {
    let (tell, told) = oneshot::channel();
    rocket::tokio::spawn(async move {
        let (parts, body) = request.into_parts();
        let mut request = local(&rocket, &parts, client);
        let body = Arriving::new(body);
        request.inner_mut().local_cache(|| body.clone());
        // Nobody is left to be told of an answer that broke off.
        let _ = write(request.dispatch().await, tell).await;
        body.finish().await;
        drop(alive);
    });
    told.await
}

/// The request as Rocket knows one.
fn local<'r>(
    rocket: &'r Client,
    parts: &'r hyper::http::request::Parts,
    client: SocketAddr,
) -> LocalRequest<'r> {
    // No route takes TRACE, so that a method that Rocket does not know is answered like one that a path does not.
    let method = parts.method.as_str().parse().unwrap_or(Method::Trace);
    let path = parts.uri.path_and_query();
    let origin = path.map_or(Origin::ROOT, |path| Origin::new(path.path(), path.query().map(Cow::Borrowed)));
    let mut request = rocket.req(method, origin);
    request.set_remote(client);
    let text = |value: &'r hyper::header::HeaderValue| std::str::from_utf8(value.as_bytes()).ok();
    if let Some(host) = parts.headers.get(HOST).and_then(text).and_then(|host| Host::parse(host).ok()) {
        request.set_host(host);
    }
    for cookies in parts.headers.get_all(COOKIE).iter().filter_map(text) {
        for cookie in cookies.split(';').filter_map(|cookie| Cookie::parse_encoded(cookie.trim()).ok()) {
            request = request.cookie(cookie.into_owned());
        }
    }
    // Rocket keeps headers as UTF-8; another one is none that anybody here reads.
    for (name, value) in &parts.headers {
        if let Some(value) = text(value) {
            request.inner_mut().add_header(Header::new(name.as_str(), value));
        }
    }
    request
}

/// Writes an answer, as a whole or piece by piece as its client takes it.
async fn write(mut response: LocalResponse<'_>, tell: oneshot::Sender<Answer>) -> io::Result<()> {
    let size = response.body().preset_size();
    let mut head = hyper::Response::builder().status(response.status().code);
    for header in response.headers().iter() {
        let is_length = header.name.as_str().eq_ignore_ascii_case(CONTENT_LENGTH.as_str());
        let is_coding = header.name.as_str().eq_ignore_ascii_case(TRANSFER_ENCODING.as_str());
        if !is_length && !is_coding {
            head = head.header(header.name.as_str(), header.value.as_bytes());
        }
    }
    if let Some(size) = size {
        head = head.header(CONTENT_LENGTH, size);
    }
    let tell_with = |body| {
        let answer = head.body(body).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        tell.send(answer).map_err(|_| io::ErrorKind::BrokenPipe.into())
    };
    // Where there is nothing, there may still be a size: of what GET would answer.
    if let Some(size) = size.or(response.body().is_none().then_some(0)).filter(|size| *size <= WHOLE_MAX) {
        let mut whole = Vec::with_capacity(size);
        response.read_to_end(&mut whole).await?;
        return tell_with(Either::Left(Full::new(whole.into())));
    }
    let (sender, mut receiver) = mpsc::channel::<io::Result<Frame<Bytes>>>(1);
    let pieces: Pieces = Box::pin(stream::poll_fn(move |context| receiver.poll_recv(context)));
    tell_with(Either::Right(StreamBody::new(pieces)))?;
    let capacity = if size.is_some() { PIECE } else { PIECE_OF_STREAM };
    loop {
        let mut piece = Vec::with_capacity(capacity);
        let read = response.read_buf(&mut piece).await;
        let is_last = !matches!(read, Ok(1..));
        if let Ok(0) = read {
            return Ok(());
        }
        let sent = sender.send(read.map(|_| Frame::data(piece.into()))).await;
        if is_last || sent.is_err() {
            return Ok(());
        }
    }
}
