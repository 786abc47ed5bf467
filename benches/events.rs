//! The dialer with nobody listening to what it does, and with a thousand listeners.

use crate::claims::{World, small};
use crate::support::{Bar, Shelf, median, report, role};
use rocket::tokio::io::{AsyncReadExt, AsyncWriteExt};
use rocket::tokio::net::TcpStream;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use voice_campaigns::clock::System;

const LISTENERS: usize = 1_000;
const ROUNDS: usize = 7;
const COMMITS: usize = 20;
const CALLS_PER_COMMIT: usize = 10;
const TICK: Duration = Duration::from_millis(50);

/// A process of listeners; it ends with its input.
struct Audience {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Audience {
    fn of(api: SocketAddr) -> Audience {
        let arguments = ["listen", &api.to_string(), &LISTENERS.to_string()];
        let mut child =
            role::command(&arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut audience = Audience { child, input, output };
        assert_eq!(audience.line(), "all there");
        audience
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Lets everybody go; the answer is how many bytes they heard together.
    fn dismiss(mut self) -> u64 {
        writeln!(self.input, "go").unwrap();
        let heard = self.line().parse().unwrap();
        self.child.wait().unwrap();
        heard
    }
}

/// The listeners' side.
pub(crate) fn child(mut arguments: impl Iterator<Item = String>) {
    let api: SocketAddr = arguments.next().unwrap().parse().unwrap();
    let count: usize = arguments.next().unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let heard = Arc::new(AtomicU64::new(0));
    let request = role::request("GET", "/api/events", "");
    runtime.block_on(async {
        for _ in 0..count {
            let mut stream = TcpStream::connect(api).await.unwrap();
            stream.write_all(&request).await.unwrap();
            let mut text = vec![0; 16 << 10];
            let mut first = Vec::new();
            while !String::from_utf8_lossy(&first).contains("event: ready") {
                let read = stream.read(&mut text).await.unwrap();
                assert_ne!(read, 0, "{}", String::from_utf8_lossy(&first));
                first.extend_from_slice(&text[..read]);
            }
            let heard = heard.clone();
            tokio::spawn(async move {
                while let Ok(read @ 1..) = stream.read(&mut text).await {
                    heard.fetch_add(read as u64, Ordering::Relaxed);
                }
            });
        }
        println!("all there");
        tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()))
            .await
            .unwrap()
            .unwrap();
    });
    println!("{}", heard.load(Ordering::Relaxed));
}

pub(crate) fn run(_: &mut Shelf) -> bool {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = small(&runtime);
    let mut world = World::new(&runtime, folder.path());
    let api = role::api(&runtime, &world.store, Arc::new(System::new()));
    // The dialer's clock is moved by hand; listeners are told things as time passes.
    let clock = world.clock.clone();
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(TICK).await;
            clock.advance(chrono::TimeDelta::from_std(TICK).unwrap());
        }
    });
    let (mut alone, mut watched, mut heard) = (vec![], vec![], 0);
    for _ in 0..ROUNDS {
        alone.push(runtime.block_on(world.claim(COMMITS, CALLS_PER_COMMIT)));
        let audience = Audience::of(api);
        watched.push(runtime.block_on(world.claim(COMMITS, CALLS_PER_COMMIT)));
        heard += audience.dismiss();
    }
    let (alone, watched) = (median(alone), median(watched));
    report(
        "dialing before 1,000 listeners",
        &format!("{watched:.1} us"),
        &format!("{alone:.1} us with nobody listening"),
        watched / alone,
        Bar::AtMost(1.5),
        &format!("a turn of the dialer, per call claimed; they heard {:.1} MB together", heard as f64 / 1e6),
    )
}
