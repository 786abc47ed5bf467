//! Packets of sound, RFC 3550: the header of one that is sent, and what is in one that came.

/// The length of the header of a packet that we send.
pub const HEADER: usize = 12;

/// What a packet says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What its payload is, as agreed in the session descriptions.
    pub payload_type: u8,
    /// The first of a run of speech, or of a key.
    pub marker: bool,
    /// Counts packets.
    pub sequence: u16,
    /// Counts samples.
    pub timestamp: u32,
    /// Who sends.
    pub source: u32,
}

impl Header {
    /// The bytes before the payload.
    pub fn bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[0] = 2 << 6;
        bytes[1] = self.payload_type & 0x7f | u8::from(self.marker) << 7;
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.source.to_be_bytes());
        bytes
    }
}

/// Reads a packet; none for what is no packet of sound, such as the reports (RTCP) that some send to the same port.
pub fn read(packet: &[u8]) -> Option<(Header, &[u8])> {
    let fixed: &[u8; HEADER] = packet.first_chunk()?;
    let [flags, kind, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3] = *fixed;
    let is_report = (200..=204).contains(&kind);
    if flags >> 6 != 2 || is_report {
        return None;
    }
    let mut start = HEADER + 4 * usize::from(flags & 0x0f);
    if flags & 0x10 != 0 {
        let words = packet.get(start + 2..start + 4)?;
        start += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    let padding = if flags & 0x20 != 0 { usize::from(*packet.last()?) } else { 0 };
    let payload = packet.get(start..packet.len().checked_sub(padding)?)?;
    let header = Header {
        payload_type: kind & 0x7f,
        marker: kind & 0x80 != 0,
        sequence: u16::from_be_bytes([s0, s1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        source: u32::from_be_bytes([r0, r1, r2, r3]),
    };
    Some((header, payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER_SENT: Header =
        Header { payload_type: 101, marker: true, sequence: 65_535, timestamp: 0x8000_0001, source: 7 };

    fn packet(header: Header, payload: &[u8]) -> Vec<u8> {
        [&header.bytes()[..], payload].concat()
    }

    #[test]
    fn what_was_sent_is_read() {
        let sent = packet(HEADER_SENT, b"sound");
        assert_eq!(sent[..12], [0x80, 0xe5, 0xff, 0xff, 0x80, 0, 0, 1, 0, 0, 0, 7]);
        assert_eq!(read(&sent), Some((HEADER_SENT, &b"sound"[..])));
        assert_eq!(read(&sent[..12]), Some((HEADER_SENT, &[][..])));
    }

    #[test]
    fn other_sources_extensions_and_padding_are_not_sound() {
        let mut sent = packet(HEADER_SENT, &[0; 4]); // one contributing source
        sent.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]); // an extension of one word
        sent.extend(b"sound\0\0\x03");
        sent[0] |= 0x20 | 0x10 | 1;
        assert_eq!(read(&sent), Some((HEADER_SENT, &b"sound"[..])));
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let mut reports = packet(HEADER_SENT, &[0; 16]);
        reports[1] = 200;
        assert_eq!(read(&reports), None);
        let mut other_version = packet(HEADER_SENT, &[]);
        other_version[0] = 0x40;
        assert_eq!(read(&other_version), None);
        let mut more_padding_than_packet = packet(HEADER_SENT, &[200]);
        more_padding_than_packet[0] |= 0x20;
        assert_eq!(read(&more_padding_than_packet), None);
        let mut extension_past_the_end = packet(HEADER_SENT, &[0, 0, 0xff, 0xff]);
        extension_past_the_end[0] |= 0x10;
        assert_eq!(read(&extension_past_the_end), None);
        assert_eq!(read(&[0x80; 11]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some((_, payload)) = read(&bytes) {
                prop_assert!(payload.len() + HEADER <= bytes.len());
            }
        }
    }
}
