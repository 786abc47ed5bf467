//! Asks a server the same thing again and again over connections that stay open, from one thread.

use rocket::tokio::io::{AsyncReadExt, AsyncWriteExt};
use rocket::tokio::net::TcpStream;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What came of it.
pub(crate) struct Load {
    pub(crate) per_second: f64,
    pub(crate) durations: Vec<Duration>,
}

/// Every connection sends the request, waits for the answer and sends it again, for so long. Any answer but a
/// success ends the bench.
pub(crate) fn run(server: SocketAddr, request: &[u8], connections: usize, time: Duration) -> Load {
    let request: Arc<[u8]> = request.into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let (durations, elapsed) = local.block_on(&runtime, async {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(server).await.unwrap();
            stream.set_nodelay(true).unwrap();
            streams.push(stream);
        }
        let started = Instant::now();
        let asking: Vec<_> = streams
            .into_iter()
            .map(|stream| tokio::task::spawn_local(ask(stream, request.clone(), started + time)))
            .collect();
        let mut durations = Vec::new();
        for task in asking {
            durations.append(&mut task.await.unwrap());
        }
        (durations, started.elapsed())
    });
    Load { per_second: durations.len() as f64 / elapsed.as_secs_f64(), durations }
}

async fn ask(mut stream: TcpStream, request: Arc<[u8]>, until: Instant) -> Vec<Duration> {
    let (mut durations, mut answer) = (Vec::new(), Vec::with_capacity(64 << 10));
    let mut sent_at = Instant::now();
    while sent_at < until {
        stream.write_all(&request).await.unwrap();
        answer.clear();
        while !is_complete(&answer) {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "the server hung up");
        }
        let is_success = answer.starts_with(b"HTTP/1.1 2");
        assert!(is_success, "{}", String::from_utf8_lossy(&answer));
        let now = Instant::now();
        durations.push(now - sent_at);
        sent_at = now;
    }
    durations
}

fn is_complete(answer: &[u8]) -> bool {
    const LENGTH: &[u8] = b"\r\ncontent-length: ";
    let Some(head) = find(answer, b"\r\n\r\n") else { return false };
    let length = find(&answer[..head], LENGTH).map_or(0, |at| {
        let digits = answer[at + LENGTH.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
    });
    answer.len() >= head + 4 + length
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
