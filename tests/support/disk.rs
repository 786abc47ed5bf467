//! A disk whose power can be cut: the file system of `tests/power`, in a process of its own.

use crate::support::program::{PATIENCE, Place};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use tempfile::TempDir;

/// The program, where `tests/run` builds it.
fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/power/debug/power")
}

/// A disk in memory. What is on it goes with it.
pub(crate) struct Disk {
    child: Child,
    orders: ChildStdin,
    answers: mpsc::Receiver<String>,
    folder: TempDir,
}

impl Disk {
    /// A new one; none, and a line that says so, where the machine mounts no file systems of programs. Under `CI=true`
    /// only a machine without `/dev/fuse` is excused.
    pub(crate) fn mount() -> Option<Disk> {
        let has_fuse = File::options().read(true).write(true).open("/dev/fuse").is_ok();
        let is_built = program().is_file();
        if !has_fuse || !is_built {
            assert!(
                !has_fuse || std::env::var_os("CI").is_none(),
                "tests/power is not built; tests/run does"
            );
            let why = if has_fuse {
                "tests/power is not built; tests/run does"
            } else {
                "/dev/fuse cannot be used"
            };
            eprintln!("SKIPPED: no power can be cut here: {why}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program());
        command.arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, answers) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let orders = child.stdin.take().unwrap();
        let disk = Disk { child, orders, answers, folder };
        assert_eq!(disk.answer(), "mounted");
        Some(disk)
    }

    /// A folder on it to work in, which outlives every cut.
    pub(crate) fn place(&self) -> Place {
        let place = Place::on(self.folder.path());
        File::open(self.folder.path()).unwrap().sync_all().unwrap();
        place
    }

    fn answer(&self) -> String {
        self.answers.recv_timeout(PATIENCE).unwrap()
    }

    /// Says a line and hears the answer; `tests/power/src/main.rs` tells which there are.
    pub(crate) fn say(&mut self, line: &str) -> String {
        writeln!(self.orders, "{line}").unwrap();
        let answer = self.answer();
        assert_ne!(answer, "what?", "{line}");
        answer
    }

    /// How many changes there were since something was last ordered about changes.
    pub(crate) fn changes(&mut self) -> u64 {
        self.say("count").parse().unwrap()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = writeln!(self.orders, "end");
        let _ = self.child.wait();
    }
}
