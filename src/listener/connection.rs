//! One connection: what its client sends is passed on to the HTTP server, and what that answers back, as long as both
//! keep to their times. Before the first head is whole the server hears nothing of it.

use super::request::{Progress, Requests};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep_until, timeout};

/// Opens a connection of a client to the HTTP server of this process; none once that has stopped.
pub type Connect = Arc<dyn Fn(SocketAddr) -> Option<DuplexStream> + Send + Sync>;

/// How long a client may take. The defaults are those of the operator's manual.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From the connection to the first byte, and from the first byte of a request to its whole head.
    pub head: Duration,
    /// For each 16 KiB of a body, beyond what the head was given.
    pub body_piece: Duration,
    /// From the whole request to the first byte of the answer.
    pub answer: Duration,
    /// Without a byte in either direction.
    pub idle: Duration,
    /// For the client to take 16 KiB of an answer.
    pub stall: Duration,
}

impl Default for Times {
    fn default() -> Times {
        let seconds = Duration::from_secs;
        Times {
            head: seconds(10),
            body_piece: seconds(1),
            answer: seconds(600),
            idle: seconds(60),
            stall: seconds(10),
        }
    }
}

/// A JSON error as it stands on the wire.
macro_rules! answer {
    ($status:literal, $sentence:literal) => {
        answer!($status, $sentence, "")
    };
    ($status:literal, $sentence:literal, $headers:literal) => {
        concat!(
            "HTTP/1.1 ",
            $status,
            "\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nConnection: close\r\n",
            $headers,
            "\r\n{\"error\":\"",
            $sentence,
            "\"}"
        )
    };
}

/// Answers that the server itself never hears of.
pub(super) const TOO_LONG: &str =
    answer!("431 Request Header Fields Too Large", "The head of the request is longer than 64 KiB");
pub(super) const TOO_SLOW: &str = answer!("408 Request Timeout", "The request did not come in time");
pub(super) const TOO_MANY: &str = answer!(
    "503 Service Unavailable",
    "Too many connections; close some, or try again later",
    "Retry-After: 10\r\n"
);

const UP_BUFFER: usize = 8 * 1024;
const DOWN_BUFFER: usize = 16 * 1024;
const BODY_PIECE: u64 = 16 * 1024;
/// What a client that is told to go may still send, so that it hears why before the connection is reset.
const LINGER: Duration = Duration::from_secs(1);

/// When the connection ends unless something happens; every direction moves it.
struct Deadline {
    start: Instant,
    after_ms: AtomicU64,
}

impl Deadline {
    fn move_to(&self, from: Instant, ahead: Duration) {
        let after = (from - self.start + ahead).as_millis();
        self.after_ms.store(u64::try_from(after).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    async fn passed(&self) {
        loop {
            let due = self.start + Duration::from_millis(self.after_ms.load(Ordering::Relaxed));
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }
}

/// Serves a client until one side ends or the time is over. The server is asked for when the first head is whole.
pub(super) async fn serve<C>(mut client: C, peer: SocketAddr, times: Times, connect: &Connect)
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let deadline = Deadline { start: Instant::now(), after_ms: AtomicU64::new(0) };
    deadline.move_to(deadline.start, times.head);
    let mut requests = Requests::default();
    let first = tokio::select! {
        first = first_head(&mut client, &mut requests, &deadline, times) => first,
        () = deadline.passed() => First::TooSlow,
    };
    let bytes = match first {
        First::Head(bytes) => bytes,
        First::Nothing => return,
        First::TooLong => return refuse(&mut client, TOO_LONG).await,
        First::TooSlow => return refuse(&mut client, TOO_SLOW).await,
    };
    let Some(server) = connect(peer) else { return };
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    if to_server.write_all(&bytes).await.is_err() {
        return;
    }
    drop(bytes);
    let mut up = Box::pin(pass_up(&mut from_client, &mut to_server, requests, &deadline, times));
    let mut down = Box::pin(pass_down(&mut from_server, &mut to_client, &deadline, times));
    let ended = tokio::select! {
        ended = &mut up => ended,
        ended = &mut down => ended,
        () = deadline.passed() => Ended::Connection,
    };
    match ended {
        // The client sends no more: the server hears of it, and what it still answers is passed on.
        Ended::Client => {
            drop(up);
            let _ = to_server.shutdown().await;
            tokio::select! {
                _ = down => {}
                () = deadline.passed() => {}
            }
        }
        Ended::Server => {
            drop(up);
            drop(down);
            let _ = timeout(LINGER, to_client.shutdown()).await;
            let _ = timeout(LINGER, drain(&mut from_client)).await;
        }
        Ended::Connection => {}
    }
}

enum First {
    Head(Vec<u8>),
    Nothing,
    TooLong,
    TooSlow,
}

/// Reads until there is a whole head, with what came after it.
async fn first_head(
    client: &mut (impl AsyncRead + Unpin),
    requests: &mut Requests,
    deadline: &Deadline,
    times: Times,
) -> First {
    let (mut buffer, mut out, mut has_begun) = ([0; 2048], Vec::new(), false);
    loop {
        let read = match client.read(&mut buffer).await {
            Ok(read) if read > 0 => read,
            _ => return First::Nothing,
        };
        match requests.take(&buffer[..read], &mut out) {
            Progress::None => {}
            Progress::Head => {
                if !std::mem::replace(&mut has_begun, true) {
                    deadline.move_to(Instant::now(), times.head);
                }
            }
            Progress::TooLong => return First::TooLong,
            Progress::Body => {
                deadline.move_to(Instant::now(), times.head);
                return First::Head(out);
            }
            Progress::Whole => {
                deadline.move_to(Instant::now(), times.answer);
                return First::Head(out);
            }
        }
        if !out.is_empty() {
            return First::Head(out); // a whole request, and the beginning of another one
        }
    }
}

enum Ended {
    /// The client sends no more, but may still listen.
    Client,
    /// The server has said all.
    Server,
    /// Its time is over, or nobody listens any more: all of it is let go.
    Connection,
}

async fn pass_up(
    client: &mut (impl AsyncRead + Unpin),
    server: &mut (impl AsyncWrite + Unpin),
    mut requests: Requests,
    deadline: &Deadline,
    times: Times,
) -> Ended {
    let (mut buffer, mut out) = (vec![0; UP_BUFFER], Vec::new());
    let (mut last, mut began, mut received) = (Progress::Whole, Instant::now(), 0u64);
    loop {
        let read = match client.read(&mut buffer).await {
            Ok(0) | Err(_) => return Ended::Client,
            Ok(read) => read,
        };
        out.clear();
        let progress = requests.take(&buffer[..read], &mut out);
        let now = Instant::now();
        match progress {
            Progress::None => {}
            Progress::Head | Progress::Body => {
                if matches!(last, Progress::Whole | Progress::None) {
                    (began, received) = (now, 0);
                }
                received += read as u64;
                let pieces = u32::try_from(received / BODY_PIECE).unwrap_or(u32::MAX);
                // Only a body earns time.
                let pieces = if progress == Progress::Body { pieces } else { 0 };
                deadline.move_to(began, times.head.saturating_add(times.body_piece.saturating_mul(pieces)));
            }
            Progress::Whole => deadline.move_to(now, times.answer),
            Progress::TooLong => return Ended::Connection,
        }
        last = progress;
        if server.write_all(&out).await.is_err() {
            return Ended::Server;
        }
    }
}

async fn pass_down(
    server: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    deadline: &Deadline,
    times: Times,
) -> Ended {
    let mut buffer = vec![0; DOWN_BUFFER];
    loop {
        let read = match server.read(&mut buffer).await {
            Ok(0) | Err(_) => return Ended::Server,
            Ok(read) => read,
        };
        deadline.move_to(Instant::now(), times.idle.max(times.stall));
        match timeout(times.stall, client.write_all(&buffer[..read])).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Ended::Connection,
        }
    }
}

/// Says why, and lets go.
pub(super) async fn refuse(client: &mut (impl AsyncRead + AsyncWrite + Unpin), answer: &str) {
    let told = async {
        client.write_all(answer.as_bytes()).await?;
        client.shutdown().await?;
        drain(client).await
    };
    let _ = timeout(LINGER, told).await;
}

/// Reads what a client still sends to its end, so that what it was told is not lost with a reset.
async fn drain(client: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut rest = [0; 1024];
    while client.read(&mut rest).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::ReadBuf;

    /// Asks once, waits, and is gone when it is answered.
    struct Gone(&'static [u8]);

    impl AsyncRead for Gone {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context,
            buffer: &mut ReadBuf,
        ) -> Poll<io::Result<()>> {
            if self.0.is_empty() {
                return Poll::Pending;
            }
            buffer.put_slice(std::mem::take(&mut self.0));
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Gone {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_client_that_is_gone_when_it_is_answered_is_let_go() {
        let connect: Connect = Arc::new(|_| {
            let (there, mut here) = tokio::io::duplex(1024);
            tokio::spawn(async move {
                let _ = here.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                std::future::pending::<()>().await;
            });
            Some(there)
        });
        let client = Gone(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        serve(client, ([127, 0, 0, 1], 1).into(), Times::default(), &connect).await;
    }
}
