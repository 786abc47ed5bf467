//! How far a request is on its way in: its head, its body, or all of it (RFC 9112). Pure; knows bytes, not sockets.
//!
//! ```text
//!           first byte            head whole               last byte
//! Between ───────────────► Head ─────────────► Body ─────────────────► Between
//!                           │ no HTTP            │ chunk sizes that are none
//!                           └──────► Strange ◄───┘
//! ```

/// The longest head that is passed on.
pub(super) const HEAD_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 100;
/// The longest line that says how long a chunk is, and the longest trailers.
const CHUNK_LINE_MAX: usize = 8 * 1024;

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Requests {
    state: State,
    head: Vec<u8>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// No request has begun, or the last one is whole.
    #[default]
    Between,
    Head,
    Body(Body),
    /// What comes is no HTTP that we know; the server will say so.
    Strange,
}

#[derive(Debug, PartialEq, Eq)]
enum Body {
    Sized(u64),
    Chunk(Chunk),
}

/// Where in a chunked body (RFC 9112, section 7.1).
#[derive(Debug, PartialEq, Eq)]
enum Chunk {
    /// In the line with its length: the length so far, and how long the line is.
    Line { size: u64, length: usize, is_size_over: bool },
    /// So many bytes of it are still to come, and the line end after it.
    Data(u64),
    /// In the lines after the last chunk: how long this one is, and all of them.
    Trailer { line: usize, length: usize },
}

/// How far the newest request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing of it has come.
    None,
    /// Its head is not whole.
    Head,
    /// Its body is not whole.
    Body,
    /// All of it has come.
    Whole,
    /// The head is longer than it may be.
    TooLong,
}

impl Requests {
    /// Takes what came, and appends to `out` what may be passed on: a head is held back until it is whole.
    pub(super) fn take(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Progress {
        let mut has_ended = false;
        while !bytes.is_empty() {
            match &mut self.state {
                State::Strange => {
                    out.extend_from_slice(bytes);
                    return Progress::Whole;
                }
                // Empty lines before a request are skipped (RFC 9112, section 2.2).
                State::Between if matches!(bytes[0], b'\r' | b'\n') => bytes = &bytes[1..],
                State::Between => self.state = State::Head,
                State::Head => {
                    let before = self.head.len();
                    self.head.extend_from_slice(&bytes[..bytes.len().min(HEAD_MAX + 1 - before)]);
                    // A head ends with a line end; without one there is nothing new to find.
                    let may_be_whole = self.head[before..].contains(&b'\n');
                    match if may_be_whole { read_head(&self.head) } else { Head::Partial } {
                        Head::Partial if self.head.len() > HEAD_MAX => return Progress::TooLong,
                        Head::Partial => bytes = &[],
                        Head::Strange => {
                            self.state = State::Strange;
                            out.append(&mut self.head);
                            bytes = &bytes[bytes.len().min(HEAD_MAX + 1 - before)..];
                            has_ended = true;
                        }
                        Head::Whole { length, body } => {
                            out.extend_from_slice(&self.head[..length]);
                            bytes = &bytes[length - before..];
                            self.head = Vec::new();
                            has_ended = body.is_none();
                            self.state = body.map_or(State::Between, State::Body);
                        }
                    }
                }
                State::Body(body) => {
                    let (taken, after) = body.take(bytes);
                    out.extend_from_slice(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    match after {
                        After::More => {}
                        After::Whole => (self.state, has_ended) = (State::Between, true),
                        After::Strange => (self.state, has_ended) = (State::Strange, true),
                    }
                }
            }
        }
        match (&self.state, has_ended) {
            (State::Head, _) => Progress::Head,
            (State::Body(_), _) => Progress::Body,
            (State::Strange, _) | (State::Between, true) => Progress::Whole,
            (State::Between, false) => Progress::None,
        }
    }
}

enum Head {
    Partial,
    Strange,
    Whole { length: usize, body: Option<Body> },
}

fn read_head(bytes: &[u8]) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Head::Partial,
        Err(_) => return Head::Strange,
    };
    let values = |name: &'static str| {
        let of_name = request.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        of_name.map(|header| String::from_utf8_lossy(header.value))
    };
    let is_chunked = values("transfer-encoding").any(|value| value.to_ascii_lowercase().contains("chunked"));
    let mut lengths = values("content-length").map(|value| value.trim().parse::<u64>());
    let body = match (is_chunked, lengths.next()) {
        (true, _) => Some(Body::Chunk(Chunk::first())),
        (false, None | Some(Ok(0))) => None,
        (false, Some(Ok(size))) => Some(Body::Sized(size)),
        (false, Some(Err(_))) => return Head::Strange,
    };
    Head::Whole { length, body }
}

enum After {
    More,
    Whole,
    Strange,
}

impl Body {
    /// How many of the bytes belong to it, and what is after them.
    fn take(&mut self, bytes: &[u8]) -> (usize, After) {
        match self {
            Body::Sized(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                (taken, if *left == 0 { After::Whole } else { After::More })
            }
            Body::Chunk(chunk) => {
                let mut taken = 0;
                while taken < bytes.len() {
                    let (more, after) = chunk.take(&bytes[taken..]);
                    taken += more;
                    match after {
                        After::More => {}
                        After::Whole | After::Strange => return (taken, after),
                    }
                }
                (taken, After::More)
            }
        }
    }
}

impl Chunk {
    fn first() -> Chunk {
        Chunk::Line { size: 0, length: 0, is_size_over: false }
    }

    fn take(&mut self, bytes: &[u8]) -> (usize, After) {
        match self {
            Chunk::Line { size, length, is_size_over } => {
                let byte = bytes[0];
                *length += 1;
                match (byte, char::from(byte).to_digit(16)) {
                    (b'\n', _) if *size == 0 => *self = Chunk::Trailer { line: 0, length: 0 },
                    // The line end after the data belongs to the chunk.
                    (b'\n', _) => *self = Chunk::Data(size.saturating_add(2)),
                    (_, Some(digit)) if !*is_size_over => match size.checked_mul(16) {
                        Some(larger) => *size = larger | u64::from(digit),
                        None => return (1, After::Strange),
                    },
                    (b'\r' | b' ' | b'\t' | b';', _) => *is_size_over = true,
                    _ if *is_size_over => {}
                    _ => return (1, After::Strange),
                }
                let is_too_long = matches!(self, Chunk::Line { length, .. } if *length > CHUNK_LINE_MAX);
                (1, if is_too_long { After::Strange } else { After::More })
            }
            Chunk::Data(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                if *left == 0 {
                    *self = Chunk::first();
                }
                (taken, After::More)
            }
            Chunk::Trailer { line, length } => {
                *length += 1;
                match bytes[0] {
                    b'\n' if *line == 0 => return (1, After::Whole),
                    b'\n' => *line = 0,
                    b'\r' => {}
                    _ => *line += 1,
                }
                (1, if *length > CHUNK_LINE_MAX { After::Strange } else { After::More })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn progress(bytes: &[u8]) -> (Progress, Vec<u8>) {
        let (mut requests, mut out) = (Requests::default(), Vec::new());
        let progress = requests.take(bytes, &mut out);
        (progress, out)
    }

    #[test]
    fn a_request_is_whole_with_the_last_byte_of_its_body() {
        for (bytes, expected) in [
            ("", Progress::None),
            ("\r\n", Progress::None),
            ("G", Progress::Head),
            ("GET / HTTP/1.1\r\nHost: a\r\n", Progress::Head),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Progress::Whole),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b", Progress::Head),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", Progress::Body),
            ("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc", Progress::Whole),
            ("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", Progress::Whole),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", Progress::Body),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", Progress::Body),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
                Progress::Whole,
            ),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n0\r\n0\r\nA: b\r\n", Progress::Body),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n0\r\n0\r\nA: b\r\n\r\n",
                Progress::Whole,
            ),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", Progress::Whole), // the server says what it is
            ("POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", Progress::Whole),
            ("\u{1}\u{2}\u{3} no HTTP\r\n\r\n", Progress::Whole),
        ] {
            assert_eq!(progress(bytes.as_bytes()).0, expected, "{bytes:?}");
        }
    }

    #[test]
    fn nothing_of_a_head_is_passed_on_before_it_is_whole() {
        assert_eq!(progress(b"GET / HTTP/1.1\r\nHost: a\r\n").1, b"");
        assert_eq!(progress(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET").1, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }

    #[test]
    fn a_head_may_be_long_but_not_endless() {
        let head = |size: usize| format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(size));
        assert_eq!(progress(head(60_000).as_bytes()).0, Progress::Head);
        assert_eq!(progress(head(70_000).as_bytes()).0, Progress::TooLong);
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_same_is_passed_on(
            cuts in prop::collection::vec(1usize..40, 1..40), size in 0usize..200, is_chunked: bool,
        ) {
            let body = "z".repeat(size);
            let whole = match is_chunked {
                true => format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}{}", if size == 0 { "\r\n" } else { "\r\n0\r\n\r\n" }),
                false => format!("POST / HTTP/1.1\r\nContent-Length: {size}\r\n\r\n{body}"),
            };
            let (mut requests, mut out, mut last) = (Requests::default(), Vec::new(), Progress::None);
            let (mut rest, mut cuts) = (whole.as_bytes(), cuts.into_iter().cycle());
            while !rest.is_empty() {
                prop_assert!(last != Progress::Whole, "whole before its end");
                let (piece, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                last = requests.take(piece, &mut out);
                rest = after;
            }
            prop_assert_eq!(last, Progress::Whole);
            prop_assert_eq!(out, whole.into_bytes());
        }

        #[test]
        fn no_bytes_make_it_panic_or_lose_any(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let (mut requests, mut out) = (Requests::default(), Vec::new());
            requests.take(&bytes, &mut out);
            prop_assert!(out.len() + requests.head.len() <= bytes.len());
        }
    }
}
