//! The HTTP client: the only place from which requests leave. It follows nobody's redirects, uses nobody's proxy, and
//! connects to addresses that it has looked at itself.

use super::{Client, Post, Replying};
use crate::domain::address::{self, Network};
use crate::domain::delivery::{self, Reply, TryError};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Request, Response, redirect};
use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

const CONNECT_MAX: Duration = Duration::from_secs(5);
const TOTAL_MAX: Duration = Duration::from_secs(15);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Connections kept for the next request to the same host.
const IDLE_MAX: usize = 4;
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

/// The addresses of a name, once they are known.
pub type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Whoever knows the addresses of names.
pub trait Lookup: Send + Sync {
    /// All addresses of a name.
    fn addresses(&self, name: &str) -> Addresses;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, name: &str) -> Addresses {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A name that has an address nothing may be sent to.
#[derive(Debug, thiserror::Error)]
#[error("an address of the name is not public")]
struct Refused;

/// A name without an address.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address")]
struct Unknown;

/// Looks up names, and answers only where every address may be sent to. The connection is made to these addresses:
/// nobody looks a second time.
struct Guarded {
    lookup: Arc<dyn Lookup>,
    allowed: Arc<[Network]>,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (found, allowed) = (self.lookup.addresses(name.as_str()), self.allowed.clone());
        Box::pin(async move {
            let found = found.await.map_err(|_| Unknown)?;
            if found.is_empty() {
                return Err(Unknown.into());
            }
            if !found.iter().all(|found| address::is_allowed(*found, &allowed)) {
                return Err(Refused.into());
            }
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// Makes requests over the network.
#[derive(Clone)]
pub struct WebClient {
    http: reqwest::Client,
    allowed: Arc<[Network]>,
}

impl WebClient {
    /// Trusts the certificates that this machine trusts, and sends to public addresses and the networks allowed.
    pub fn new(allowed: &[Network], lookup: Arc<dyn Lookup>) -> Result<WebClient, String> {
        // The one choice for the process; another that was made before is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let allowed: Arc<[Network]> = allowed.into();
        let builder = || {
            reqwest::Client::builder()
                .no_proxy()
                .redirect(redirect::Policy::none())
                .dns_resolver(Guarded { lookup: lookup.clone(), allowed: allowed.clone() })
                .connect_timeout(CONNECT_MAX)
                .timeout(TOTAL_MAX)
                .pool_max_idle_per_host(IDLE_MAX)
                .pool_idle_timeout(IDLE_TIME_MAX)
                .referer(false)
                .user_agent(concat!("voice-campaigns/", env!("CARGO_PKG_VERSION")))
        };
        let http = builder().build().or_else(|error| {
            tracing::warn!(
                error = chain(&error),
                "this machine has no certificates to trust; webhooks over https will fail"
            );
            builder().tls_certs_only([]).build()
        });
        Ok(WebClient { http: http.map_err(|error| chain(&error))?, allowed })
    }

    fn request(&self, post: Post) -> Result<Request, TryError> {
        let url = address::target(&post.url, &self.allowed).map_err(|_| TryError::RefusedUrl)?;
        self.http
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", post.message_id)
            .header("webhook-timestamp", post.timestamp)
            .header("webhook-signature", post.signature)
            .body(post.body)
            .build()
            .map_err(|_| TryError::RefusedUrl)
    }
}

impl Client for WebClient {
    fn post(&self, post: Post) -> Replying {
        let (http, request) = (self.http.clone(), self.request(post));
        Box::pin(async move {
            let request = match request {
                Ok(request) => request,
                Err(error) => return Reply::Failed(error),
            };
            match tokio::time::timeout(TOTAL_MAX, answer(&http, request)).await {
                Ok(reply) => reply,
                Err(_) => Reply::Failed(TryError::Timeout),
            }
        })
    }
}

async fn answer(http: &reqwest::Client, request: Request) -> Reply {
    let response = match http.execute(request).await {
        Ok(response) => response,
        Err(error) => return Reply::Failed(cause(&error)),
    };
    let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(str::to_owned);
    let status = response.status().as_u16();
    // The status says it all; a body that does not end takes nothing back.
    let excerpt = delivery::excerpt(&beginning(response).await);
    Reply::Answered { status, retry_after, excerpt }
}

/// The beginning of the body. As much is read as a decent answer has, so that the connection can be used again.
async fn beginning(mut response: Response) -> Vec<u8> {
    let (mut kept, mut read) = (Vec::new(), 0);
    // An answer that came before its body has said what it had to; the rest gets no longer than a connection does.
    let _ = tokio::time::timeout(CONNECT_MAX, async {
        while let Ok(Some(piece)) = response.chunk().await {
            read += piece.len();
            let missing = delivery::EXCERPT_BYTES - kept.len();
            kept.extend_from_slice(&piece[..piece.len().min(missing)]);
            if read >= ANSWER_BYTES_MAX {
                break;
            }
        }
    })
    .await;
    kept
}

/// Which of the known ways it failed.
fn cause(error: &reqwest::Error) -> TryError {
    let has = |is: fn(&(dyn Error + 'static)) -> bool| sources(error).any(is);
    if has(|source| source.is::<Refused>()) {
        TryError::RefusedAddress
    } else if has(|source| source.is::<Unknown>()) {
        TryError::UnknownHost
    } else if has(is_tls) {
        TryError::NotSecure
    } else if error.is_connect() {
        TryError::NotConnected
    } else if error.is_timeout() {
        TryError::Timeout
    } else {
        TryError::Broken
    }
}

/// Whether an error is rustls', which hides in an [`io::Error`], or in one within another.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>() || inner.is_some_and(|inner| is_tls(inner))
}

fn sources<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}

fn chain(error: &(dyn Error + 'static)) -> String {
    sources(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
