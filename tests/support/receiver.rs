//! A receiver of webhooks on a port of its own, with a ledger of what came, and with whatever manners a test wants.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

impl Received {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }
}

/// What a receiver does with a request it has read. The connection ends when it returns.
pub(crate) type Manners = Arc<dyn Fn(&Received, &mut TcpStream) + Send + Sync>;

/// Answers with a status and nothing else.
pub(crate) fn status(code: u16) -> Manners {
    answer(&format!("HTTP/1.1 {code} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
}

/// Answers with these bytes.
pub(crate) fn answer(text: &str) -> Manners {
    let bytes = text.as_bytes().to_vec();
    Arc::new(move |_, stream| drop(stream.write_all(&bytes)))
}

/// Listens until it is dropped; then the port is closed.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    ledger: Arc<Mutex<Vec<Received>>>,
    arrivals: Mutex<mpsc::Receiver<()>>,
    /// Its end wakes the listener.
    _stop: Arc<()>,
}

impl Receiver {
    pub(crate) fn start(manners: Manners) -> Receiver {
        Receiver::start_at(Ipv4Addr::LOCALHOST, manners)
    }

    pub(crate) fn start_at(ip: Ipv4Addr, manners: Manners) -> Receiver {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let ledger = Arc::new(Mutex::new(Vec::new()));
        let (arrived, arrivals) = mpsc::channel();
        let stop = Arc::new(());
        let (alive, book) = (Arc::downgrade(&stop), ledger.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if alive.upgrade().is_none() {
                    return;
                }
                let (Ok(stream), manners, book, arrived) =
                    (stream, manners.clone(), book.clone(), arrived.clone())
                else {
                    return;
                };
                std::thread::spawn(move || serve(stream, &manners, &book, &arrived));
            }
        });
        Receiver { address, ledger, arrivals: Mutex::new(arrivals), _stop: stop }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that came so far.
    pub(crate) fn ledger(&self) -> Vec<Received> {
        self.ledger.lock().unwrap().clone()
    }

    /// Waits until so many more have come.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) {
        let arrivals = self.arrivals.lock().unwrap();
        for nth in 0..count {
            let came = arrivals.recv_timeout(Duration::from_secs(30));
            assert!(came.is_ok(), "only {nth} of {count} came");
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self._stop = Arc::new(());
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, manners: &Manners, book: &Mutex<Vec<Received>>, arrived: &mpsc::Sender<()>) {
    let Some(received) = read(&stream) else { return };
    book.lock().unwrap().push(received.clone());
    let _ = arrived.send(());
    manners(&received, &mut stream);
}

fn read(stream: &TcpStream) -> Option<Received> {
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    lines.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    #[allow(clippy::disallowed_methods, reason = "the time on a real wire")]
    let at = Instant::now();
    Some(Received { path, headers, body: String::from_utf8(body).ok()?, at })
}
