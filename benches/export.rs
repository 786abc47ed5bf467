//! A million leads on their way out, beside the `sqlite3` program that writes the same columns; and what that takes of
//! memory, beside ten thousand.

use crate::support::role::{Server, TOKEN};
use crate::support::{Bar, Shelf, median, megabytes, report, thousands};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use voice_campaigns::store::data_file;

const ROUNDS: usize = 3;
const LEADS: f64 = 1_000_000.0;
const FEW: &str = "search=Last77"; // a hundredth of the leads, or about
const PEAK_MB_MAX: f64 = 20.0;

/// The same columns, as far as SQL knows them.
const SQL: &str = "SELECT phone, coalesce(first_name, ''), coalesce(last_name, ''), coalesce(email, ''),
  coalesce(company_name, ''), time_zone, coalesce(language, ''), priority, coalesce(best_time_to_call, ''),
  coalesce(notes, ''), (SELECT coalesce(group_concat(value, ';'), '') FROM json_each(tags)),
  coalesce(variables ->> 'plan', ''), id, status, coalesce(outcome, ''), attempts,
  coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', next_call_at / 1000, 'unixepoch'), ''), coalesce(import_id, ''),
  strftime('%Y-%m-%dT%H:%M:%SZ', created_at / 1000, 'unixepoch'),
  strftime('%Y-%m-%dT%H:%M:%SZ', updated_at / 1000, 'unixepoch')
  FROM leads WHERE campaign_id = 1 AND deleted_at IS NULL ORDER BY id";

/// Downloads an export and throws it away; the answer is how many seconds that took and how many lines it had.
fn download(server: &Server, query: &str) -> (f64, usize) {
    let started = Instant::now();
    let mut stream = TcpStream::connect(server.api).unwrap();
    let path = format!("/api/voice-campaigns/1/leads/export?{query}");
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let (mut buffer, mut lines, mut first) = (vec![0; 1 << 20], 0, None);
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            length => {
                first.get_or_insert_with(|| buffer[..12].to_vec());
                lines += buffer[..length].iter().filter(|byte| **byte == b'\n').count();
            }
        }
    }
    assert_eq!(first.as_deref(), Some(&b"HTTP/1.1 200"[..]));
    (started.elapsed().as_secs_f64(), lines)
}

/// The same with the `sqlite3` program, without the two passes; the answer is how many seconds it took.
fn dump_with_sqlite3(folder: &Path) -> Option<f64> {
    let started = Instant::now();
    let mut command = Command::new("sqlite3");
    command.arg("-csv").arg("-readonly").arg(data_file(folder)).arg(SQL).stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let mut dumped = child.stdout.take().unwrap();
    let (mut buffer, mut lines) = (vec![0; 1 << 20], 0);
    loop {
        match dumped.read(&mut buffer).unwrap() {
            0 => break,
            length => lines += buffer[..length].iter().filter(|byte| **byte == b'\n').count(),
        }
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(lines, LEADS as usize);
    Some(started.elapsed().as_secs_f64())
}

/// The most memory of its own that a server had while it exported, in MB, and how many seconds that took. Pages of the
/// database that are mapped into memory are the system's to take back, and not counted.
fn peak(folder: &Path, query: &str) -> (f64, f64) {
    const EVERY: Duration = Duration::from_millis(5);
    let server = Server::start(folder);
    std::thread::scope(|scope| {
        let exporting = scope.spawn(|| download(&server, query).0);
        let mut peak: f64 = 0.0;
        while !exporting.is_finished() {
            peak = peak.max(megabytes(server.pid(), "RssAnon"));
            std::thread::sleep(EVERY);
        }
        (peak, exporting.join().unwrap())
    })
}

pub(crate) fn run(shelf: &mut Shelf) -> bool {
    let folder = shelf.million();
    let (mut ours, mut theirs) = (vec![], vec![]);
    let server = Server::start(&folder);
    for _ in 0..ROUNDS {
        theirs.extend(dump_with_sqlite3(&folder));
        let (seconds, lines) = download(&server, "format=csv");
        assert!(lines > LEADS as usize);
        ours.push(seconds);
    }
    drop(server);
    let ours = median(ours);
    let is_fast = if theirs.len() == ROUNDS {
        let theirs = median(theirs);
        report(
            "export of 1,000,000 leads as CSV",
            &format!("{}/s", thousands(LEADS / ours)),
            &format!("{}/s sqlite3 -csv", thousands(LEADS / theirs)),
            theirs / ours,
            Bar::AtLeast(1.0),
            &format!("{ours:.1} s against {theirs:.1} s; ours over HTTP"),
        )
    } else {
        println!("SKIP  export of 1,000,000 leads: the program sqlite3 is missing; install it with apt");
        true
    };
    let mut is_flat = true;
    for format in ["csv", "xlsx"] {
        let (few, _) = peak(&folder, &format!("format={format}&{FEW}"));
        let (many, seconds) = peak(&folder, &format!("format={format}"));
        is_flat &= report(
            &format!("peak memory of an export, {format}"),
            &format!("{many:.1} MB"),
            &format!("{PEAK_MB_MAX} MB"),
            many / PEAK_MB_MAX,
            Bar::AtMost(1.0),
            &format!(
                "of about 11,000 rows {few:.1} MB; the whole server, without pages of the database; {seconds:.1} s"
            ),
        );
    }
    is_fast && is_flat
}
