//! The log: a line per event on standard error. Whatever an event carries, be it the message of a database or of a
//! panic, the numbers in it are masked on the way out. Names have no business in an event in the first place.

use crate::domain::phone;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;

/// Starts the log with directives such as `info`; panics go to it as well. A second start changes nothing.
pub(crate) fn start(filter: &str) {
    let started = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(without_messages(filter)))
        .with_writer(|| Masked(io::stderr()))
        .with_ansi(io::stderr().is_terminal())
        .try_init();
    if started.is_ok() {
        std::panic::set_hook(Box::new(tell_panic));
    }
}

/// The SIP library writes whole messages, with numbers and what proves who we are, as ordinary news.
fn without_messages(filter: &str) -> String {
    let others = filter.split(',').filter(|directive| !directive.contains(SIP_LIBRARY));
    others.map(str::to_owned).chain([format!("{SIP_LIBRARY}=warn")]).collect::<Vec<_>>().join(",")
}

const SIP_LIBRARY: &str = "rsipstack";

fn tell_panic(panic: &PanicHookInfo) {
    let message = panic.payload().downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.payload().downcast_ref::<String>().map(String::as_str));
    let message = message.unwrap_or("no message");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => tracing::error!(place, message, "a panic\n{backtrace}"),
        _ => tracing::error!(place, message, "a panic"),
    }
}

/// Masks the numbers in what is written. A line comes in one piece.
struct Masked<W>(W);

impl<W: Write> Write for Masked<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let line_text = String::from_utf8_lossy(line);
        // Colours end in `m`, which would make a number after them part of a word.
        let pieces: String = line_text.split_inclusive('m').map(phone::masked_in).collect();
        self.0.write_all(pieces.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn nobody_can_ask_for_the_messages_of_calls() {
        assert_eq!(without_messages("info"), "info,rsipstack=warn");
        let asked = format!("debug,{SIP_LIBRARY}::transport=trace,[{{raw}}]=info,{SIP_LIBRARY}=trace");
        assert_eq!(without_messages(&asked), "debug,[{raw}]=info,rsipstack=warn");
    }

    /// What has been written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_event_shows_a_number_in_colours_or_without() {
        for has_colours in [true, false] {
            let kept = Kept::default();
            let writer = kept.clone();
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(has_colours)
                .with_writer(move || Masked(writer.clone()))
                .finish();
            tracing::subscriber::with_default(subscriber, || {
                let (phone, bare) = ("+12025550101", 12_025_550_101_u64);
                tracing::error!(phone, bare, text = ?"+1 202-555-0101", "said +12025550101");
                let span = tracing::info_span!("call", number = phone);
                span.in_scope(|| tracing::trace!("12025550101"));
            });
            let log = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
            assert!(log.contains("+1202***0101"), "{log}");
            assert_eq!(log.matches("***").count(), 6, "{log}");
            assert!(!log.contains("5550"), "{log}");
        }
    }
}
