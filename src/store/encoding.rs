//! Finds out how a text file is encoded, and turns it into UTF-8.

use encoding_rs::{Decoder, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

/// How a file is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16LittleEndian,
    Utf16BigEndian,
    Windows1252,
}

impl Encoding {
    /// For a person.
    pub(super) fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Utf16LittleEndian => "UTF-16LE",
            Encoding::Utf16BigEndian => "UTF-16BE",
            Encoding::Windows1252 => "Windows-1252",
        }
    }

    fn decoder(self) -> Option<Decoder> {
        match self {
            Encoding::Utf8 => None,
            Encoding::Utf16LittleEndian => Some(UTF_16LE.new_decoder_with_bom_removal()),
            Encoding::Utf16BigEndian => Some(UTF_16BE.new_decoder_with_bom_removal()),
            Encoding::Windows1252 => Some(WINDOWS_1252.new_decoder_without_bom_handling()),
        }
    }
}

const CHUNK: usize = 256 << 10;

/// Finds out how a file is encoded: by its byte order mark, by the zeros between its letters, or by whether it is
/// UTF-8. What is neither is taken for Windows-1252, unless UTF-8 explains more of it than it breaks: then some rows
/// are damaged, and told as such.
pub(super) fn detect(path: &Path) -> io::Result<Encoding> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; CHUNK];
    let (mut held, mut is_first, mut evidence) = (0, true, Evidence::default());
    loop {
        let read = file.read(&mut chunk[held..])?;
        let end = held + read;
        if std::mem::take(&mut is_first)
            && let Some(encoding) = by_start(&chunk[..end])
        {
            return Ok(encoding);
        }
        if read == 0 {
            evidence.broken += usize::from(held > 0);
            break;
        }
        let rest = evidence.look(&chunk[..end]);
        chunk.copy_within(end - rest..end, 0);
        held = rest;
    }
    Ok(if evidence.broken > evidence.sound { Encoding::Windows1252 } else { Encoding::Utf8 })
}

fn by_start(start: &[u8]) -> Option<Encoding> {
    if start.starts_with(b"\xEF\xBB\xBF") {
        return Some(Encoding::Utf8);
    }
    if start.starts_with(b"\xFF\xFE") {
        return Some(Encoding::Utf16LittleEndian);
    }
    if start.starts_with(b"\xFE\xFF") {
        return Some(Encoding::Utf16BigEndian);
    }
    // Numbers and separators are ASCII: every other byte of their UTF-16 is zero.
    let start = &start[..start.len().min(4 << 10)];
    let zeros = |first: usize| start.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    match start.len() / 2 {
        0 | 1 => None,
        pairs if odd * 3 > pairs && even * 10 < pairs => Some(Encoding::Utf16LittleEndian),
        pairs if even * 3 > pairs && odd * 10 < pairs => Some(Encoding::Utf16BigEndian),
        _ => None,
    }
}

/// What speaks for UTF-8, and what against it.
#[derive(Default)]
struct Evidence {
    /// Characters of several bytes.
    sound: usize,
    /// Bytes that belong to no character.
    broken: usize,
}

impl Evidence {
    /// Looks at some bytes; the answer is how many at their end may be the start of a character.
    fn look(&mut self, mut bytes: &[u8]) -> usize {
        loop {
            match std::str::from_utf8(bytes) {
                Ok(text) => {
                    self.count(text);
                    return 0;
                }
                Err(error) => {
                    let (text, rest) = bytes.split_at(error.valid_up_to());
                    self.count(std::str::from_utf8(text).unwrap_or_default());
                    let Some(length) = error.error_len() else { return rest.len() };
                    self.broken += 1;
                    bytes = &rest[length..];
                }
            }
        }
    }

    fn count(&mut self, text: &str) {
        if !text.is_ascii() {
            self.sound += text.chars().filter(|char| !char.is_ascii()).count();
        }
    }
}

/// Writes a file again, as UTF-8.
pub(super) fn convert(from: &Path, encoding: Encoding, to: &File) -> io::Result<()> {
    let (mut file, mut out) = (File::open(from)?, BufWriter::new(to));
    let Some(mut decoder) = encoding.decoder() else {
        io::copy(&mut file, &mut out)?;
        return out.flush();
    };
    let mut chunk = vec![0; CHUNK];
    let mut text = String::with_capacity(4 * CHUNK);
    loop {
        let read = file.read(&mut chunk)?;
        let (_, _, _) = decoder.decode_to_string(&chunk[..read], &mut text, read == 0);
        out.write_all(text.as_bytes())?;
        text.clear();
        if read == 0 {
            return out.flush();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Encoding, String) {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        std::fs::write(&from, bytes).unwrap();
        let encoding = detect(&from).unwrap();
        convert(&from, encoding, &File::create(&to).unwrap()).unwrap();
        (encoding, String::from_utf8_lossy(&std::fs::read(&to).unwrap()).into_owned())
    }

    #[test]
    fn the_usual_encodings_are_told_apart() {
        let text = "phone;name\n+4930901820;Jürgen Müller\n";
        let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let latin: Vec<u8> = text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
        let marked = |mark: &[u8], bytes: Vec<u8>| [mark, &bytes].concat();
        assert_eq!(read(text.as_bytes()), (Encoding::Utf8, text.to_owned()));
        assert_eq!(read(&utf16(u16::to_le_bytes)), (Encoding::Utf16LittleEndian, text.to_owned()));
        assert_eq!(read(&utf16(u16::to_be_bytes)), (Encoding::Utf16BigEndian, text.to_owned()));
        let little = marked(b"\xFF\xFE", utf16(u16::to_le_bytes));
        assert_eq!(read(&little), (Encoding::Utf16LittleEndian, text.to_owned()));
        let big = marked(b"\xFE\xFF", utf16(u16::to_be_bytes));
        assert_eq!(read(&big), (Encoding::Utf16BigEndian, text.to_owned()));
        assert_eq!(read(&latin), (Encoding::Windows1252, text.to_owned()));
        assert_eq!(read(b"a,\x80 5"), (Encoding::Windows1252, "a,€ 5".to_owned()));
        assert_eq!(read(b""), (Encoding::Utf8, String::new()));
    }

    #[test]
    fn one_damaged_row_does_not_change_how_the_others_are_read() {
        let (encoding, _) = read("é,ü,ñ\n".bytes().chain(*b"\xFC\n").collect::<Vec<u8>>().as_slice());
        assert_eq!(encoding, Encoding::Utf8);
    }

    #[test]
    fn a_character_across_two_reads_is_one() {
        let text = format!("{}é{}", "x".repeat(CHUNK - 1), "é".repeat(CHUNK));
        assert_eq!(read(text.as_bytes()), (Encoding::Utf8, text.clone()));
        let latin =
            format!("{}\n", "x".repeat(CHUNK)).into_bytes().into_iter().chain([0xE9]).collect::<Vec<u8>>();
        assert_eq!(read(&latin).0, Encoding::Windows1252);
    }
}
