//! The program itself on an empty data folder: how soon it answers, and how much memory it takes to wait.

use crate::support::{Bar, Shelf, folder, median, megabytes, report};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const STARTS: usize = 9;
const START_MS_MAX: f64 = 50.0;
const IDLE_MB_MAX: f64 = 20.0;

pub(crate) fn run(_: &mut Shelf) -> bool {
    let mut times = Vec::new();
    let mut sizes = Vec::new();
    for _ in 0..STARTS {
        let folder = folder();
        let started = Instant::now();
        let mut running = Running::start(folder.path());
        running.ask();
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
        std::thread::sleep(Duration::from_millis(700));
        sizes.push(megabytes(running.0.id(), "VmRSS"));
    }
    let slowest = times.iter().copied().fold(0.0, f64::max);
    let (time, size) = (median(times), median(sizes));
    let is_soon = report(
        "start to first answer",
        &format!("{time:.1} ms"),
        &format!("{START_MS_MAX} ms"),
        time / START_MS_MAX,
        Bar::AtMost(1.0),
        &format!("slowest of {STARTS}: {slowest:.1} ms"),
    );
    let is_small = report(
        "idle memory",
        &format!("{size:.1} MB"),
        &format!("{IDLE_MB_MAX} MB"),
        size / IDLE_MB_MAX,
        Bar::AtMost(1.0),
        "resident, after one request",
    );
    is_soon && is_small
}

struct Running(Child, String);

impl Running {
    fn start(folder: &std::path::Path) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voice-campaigns"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VC_")) {
            command.env_remove(name);
        }
        command.args(["serve", "--port", "0", "--data"]).arg(folder.join("data")).current_dir(folder);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Running(child, address)
    }

    fn ask(&mut self) {
        let mut stream = TcpStream::connect(&self.1).unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
