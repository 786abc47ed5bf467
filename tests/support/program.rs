//! The real program in a folder of its own: started, watched, stopped.

use crate::support::world::folder_in_memory;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tempfile::TempDir;

/// Nothing that these tests wait for takes longer, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An empty folder to work in. Everything in it is gone when it is dropped.
pub(crate) struct Place {
    folder: TempDir,
}

/// A server process. Killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    complaints: Arc<Mutex<String>>,
    /// Where it listens.
    pub(crate) url: String,
}

impl Place {
    /// A new one.
    pub(crate) fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    /// A new one in memory. What was written there survives the end of a process, as on a disk.
    pub(crate) fn in_memory() -> Place {
        Place { folder: folder_in_memory() }
    }

    /// A new one in this folder.
    pub(crate) fn on(folder: &Path) -> Place {
        Place { folder: tempfile::tempdir_in(folder).unwrap() }
    }

    /// A file or folder in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with some arguments, not yet started, with this place as working directory and without any
    /// setting from the environment of the tests.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voice-campaigns"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VC_")) {
            command.env_remove(name);
        }
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.program(arguments).output().unwrap()
    }

    /// What the program answers; it must succeed.
    pub(crate) fn answer(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts a server on a free port and waits until it listens.
    pub(crate) fn serve(&self) -> Running {
        Running::start(self.program(&["--port", "0"]))
    }

    /// Makes a token.
    pub(crate) fn token(&self, scope: &str) -> String {
        self.answer(&["token", "create", "--name", scope, "--scope", scope]).trim().to_owned()
    }
}

impl Running {
    /// Starts a server and waits until it listens.
    pub(crate) fn start(command: Command) -> Running {
        let mut running = Running::spawn(command);
        running.wait_until_it_listens();
        running
    }

    /// Waits until a server that was started listens.
    pub(crate) fn wait_until_it_listens(&mut self) {
        let first = self.line();
        self.url = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("`{first}`")).to_owned();
    }

    /// Waits until it listens or has ended; whether it listens.
    pub(crate) fn listens_or_ends(&mut self) -> bool {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.url =
                    line.strip_prefix("listening on ").unwrap_or_else(|| panic!("`{line}`")).to_owned();
                true
            }
            Err(_) => {
                self.end();
                false
            }
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Starts a process.
    pub(crate) fn spawn(mut command: Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let complaints = Arc::new(Mutex::new(String::new()));
        let (heard, stderr) = (complaints.clone(), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| *heard.lock().unwrap() += &(line + "\n"));
        });
        Running { child, lines, complaints, url: String::new() }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its standard output.
    pub(crate) fn line(&self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("no line; it said: {}", self.complaints()))
    }

    /// The lines of its standard output that have come and were not asked for yet.
    pub(crate) fn more_lines(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// What it has said on standard error.
    pub(crate) fn complaints(&self) -> String {
        self.complaints.lock().unwrap().clone()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.child.id())]).status();
        assert!(sent.unwrap().success());
    }

    /// Sends a signal, waits for the end and answers with the exit code; none if the signal itself ended it.
    pub(crate) fn end_by(&mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.end()
    }

    /// Waits for the end and answers with the exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        const LOOK_EVERY: Duration = Duration::from_millis(10);
        for _ in 0..PATIENCE.as_millis() / LOOK_EVERY.as_millis() {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(LOOK_EVERY);
        }
        panic!("it did not end; it said: {}", self.complaints());
    }

    /// The status code of a GET with a token.
    pub(crate) fn get(&self, path: &str, token: &str) -> u16 {
        self.ask("GET", path, token).0
    }

    /// The status code and the body of a request with a token.
    pub(crate) fn ask(&self, method: &str, path: &str, token: &str) -> (u16, String) {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        let request = request.header("Authorization", format!("Bearer {token}"));
        let mut answer = agent().run(request.body(()).unwrap()).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    /// The status code of a request with a token and a body of JSON, and when it says to come again.
    pub(crate) fn send(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, Option<String>) {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        let request = request.header("Authorization", format!("Bearer {token}"));
        let request = request.header("Content-Type", "application/json").body(body.to_owned()).unwrap();
        let answer = agent().run(request).unwrap();
        let again = answer.headers().get("Retry-After").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), again)
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
    config.build().into()
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // A panic in one of its tasks is a fault, also where the others go on.
        let complaints = self.complaints();
        assert!(std::thread::panicking() || !complaints.contains("a panic"), "{complaints}");
    }
}

/// A number that the system knows of a process, such as `Threads`, or `VmRSS` in kilobytes.
pub(crate) fn status(process: u32, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// The permission bits of a file or folder.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().unwrap().permissions().mode() & 0o777
}
