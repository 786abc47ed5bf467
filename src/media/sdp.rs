//! Session descriptions, RFC 4566 and 3264: where each side wants to hear what. Reads the first line of sound that we
//! can speak, offers and answers; any other line is answered with port 0.

use super::g711::Codec;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// The payload type under which we offer keys.
pub const KEYS: u8 = 101;
/// A description longer than this is no description.
const LENGTH_MAX: usize = 16 * 1024;
/// Nor is one with more lines of media, all of which an answer would have to refuse.
const LINES_MAX: usize = 32;
/// The highest number that a packet can name.
const PAYLOAD_TYPE_MAX: u8 = 0x7f;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    Both,
    /// Only who describes.
    SendOnly,
    /// Only the other side.
    ReceiveOnly,
    /// Nobody.
    Nobody,
}

impl Direction {
    /// The same seen from the other side.
    pub fn reversed(self) -> Direction {
        match self {
            Direction::SendOnly => Direction::ReceiveOnly,
            Direction::ReceiveOnly => Direction::SendOnly,
            Direction::Both | Direction::Nobody => self,
        }
    }

    /// Whether the one who describes sends.
    pub fn sends(self) -> bool {
        matches!(self, Direction::Both | Direction::SendOnly)
    }

    fn word(self) -> &'static str {
        match self {
            Direction::Both => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::ReceiveOnly => "recvonly",
            Direction::Nobody => "inactive",
        }
    }
}

/// What the other side said, and what of it we take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Where it wants to hear us.
    pub address: SocketAddr,
    /// How we speak.
    pub codec: Codec,
    /// The number it gave to the codec.
    pub payload_type: u8,
    /// The number it gave to keys, if it takes them.
    pub keys_type: Option<u8>,
    /// Who sends, in its words.
    pub direction: Direction,
    /// The codecs of ours that its packets may be of, and their numbers; how we speak is the first.
    codecs: Vec<(u8, Codec)>,
    /// Its other lines, which an answer has to refuse one by one; ours is at `place` among them.
    refused: Vec<String>,
    place: usize,
}

impl Remote {
    /// How the sound in a packet of this payload type is read. Whoever named several codecs may send any of them.
    pub fn codec_of(&self, payload_type: u8) -> Option<Codec> {
        self.codecs.iter().find(|(number, _)| *number == payload_type).map(|(_, codec)| *codec)
    }
}

/// Why nobody can be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SdpError {
    /// It is no description at all.
    #[error("there is no session description that can be read")]
    Unreadable,
    /// Port 0, or no line of sound.
    #[error("the other side refuses sound")]
    NoSound,
    /// Encrypted sound only.
    #[error(
        "the other side wants encrypted sound (SRTP), which is not supported: switch it off for this trunk"
    )]
    Encrypted,
    /// Other codecs.
    #[error("no codec in common: the trunk has to allow PCMU (G.711 µ-law) or PCMA (A-law)")]
    NoCodec,
}

/// One `m=` line with what belongs to it.
#[derive(Clone, Debug)]
struct Line<'t> {
    kind: &'t str,
    port: u16,
    protocol: &'t str,
    formats: Vec<&'t str>,
    connection: Option<IpAddr>,
    names: Vec<(u8, &'t str)>,
    direction: Option<Direction>,
}

impl<'t> Line<'t> {
    /// Reads what follows `m=`.
    fn read(text: &'t str) -> Option<Line<'t>> {
        let mut words = text.split_ascii_whitespace();
        let (kind, port, protocol) = (words.next()?, words.next()?, words.next()?);
        let port = port.split('/').next()?.parse().ok()?;
        let (connection, names, direction) = (None, Vec::new(), None);
        Some(Line { kind, port, protocol, formats: words.collect(), connection, names, direction })
    }

    fn refused(&self) -> String {
        let words = [&[self.kind, "0", self.protocol], &self.formats[..]].concat();
        format!("m={}\r\n", words.join(" "))
    }

    /// The numbers and codecs that we can take, the best first, and the number of keys.
    fn chosen(&self) -> (Vec<(u8, Codec)>, Option<u8>) {
        let (mut codecs, mut keys) = (Vec::new(), None);
        let numbers = self.formats.iter().filter_map(|format| format.parse().ok());
        for payload_type in numbers.filter(|number| *number <= PAYLOAD_TYPE_MAX) {
            match self.meaning(payload_type) {
                Some(Meaning::Keys) => keys = keys.or(Some(payload_type)),
                Some(Meaning::Sound(codec)) if !codecs.contains(&(payload_type, codec)) => {
                    codecs.push((payload_type, codec));
                }
                Some(Meaning::Sound(_)) | None => {}
            }
        }
        (codecs, keys)
    }

    /// What this number stands for, if it is something of ours.
    fn meaning(&self, payload_type: u8) -> Option<Meaning> {
        let named = self.names.iter().find(|(number, _)| *number == payload_type);
        match (named.map(|(_, name)| name.to_ascii_lowercase()).as_deref(), payload_type) {
            (Some("telephone-event/8000"), _) => Some(Meaning::Keys),
            (Some("pcmu/8000" | "pcmu/8000/1"), _) | (None, 0) => Some(Meaning::Sound(Codec::Pcmu)),
            (Some("pcma/8000" | "pcma/8000/1"), _) | (None, 8) => Some(Meaning::Sound(Codec::Pcma)),
            _ => None,
        }
    }
}

/// What the packets of a number carry.
enum Meaning {
    Sound(Codec),
    Keys,
}

/// Reads an answer or an offer.
pub fn read(description: &[u8]) -> Result<Remote, SdpError> {
    let text = std::str::from_utf8(description).map_err(|_| SdpError::Unreadable)?;
    if text.len() > LENGTH_MAX || !text.starts_with("v=0") {
        return Err(SdpError::Unreadable);
    }
    let mut lines: Vec<Line> = Vec::new();
    let (mut connection, mut direction) = (None, None);
    for line in text.lines().map(str::trim_end) {
        let Some((kind, value)) = line.split_once('=') else { continue };
        let media = lines.last_mut();
        match (kind, value.split_once(':')) {
            ("m", _) => lines.push(Line::read(value).ok_or(SdpError::Unreadable)?),
            ("c", _) => *media.map_or(&mut connection, |line| &mut line.connection) = address(value),
            ("a", Some(("rtpmap", map))) => {
                if let (Some(line), Some((number, name))) = (media, map.trim().split_once(' '))
                    && let Ok(number) = number.parse()
                {
                    line.names.push((number, name.trim()));
                }
            }
            ("a", None) => {
                if let Some(found) = read_direction(value) {
                    *media.map_or(&mut direction, |line| &mut line.direction) = Some(found);
                }
            }
            _ => {}
        }
    }
    if lines.len() > LINES_MAX {
        return Err(SdpError::Unreadable);
    }
    let place = ours(&lines)?;
    let line = &lines[place];
    let (mut codecs, keys_type) = line.chosen();
    let &(payload_type, codec) = codecs.first().ok_or(SdpError::NoCodec)?;
    // Who answers under other numbers is to send under those that we offered, RFC 3264 section 6.1.
    for number in [Codec::Pcmu, Codec::Pcma].map(Codec::payload_type) {
        if let Some(Meaning::Sound(codec)) = line.meaning(number)
            && !codecs.contains(&(number, codec))
        {
            codecs.push((number, codec));
        }
    }
    let ip = line.connection.or(connection).ok_or(SdpError::Unreadable)?;
    let said = line.direction.or(direction).unwrap_or(Direction::Both);
    // The old way to hold a call: an address where nobody listens.
    let direction = match (ip.is_unspecified(), said) {
        (true, Direction::Both | Direction::SendOnly) => Direction::SendOnly,
        (true, Direction::ReceiveOnly | Direction::Nobody) => Direction::Nobody,
        (false, said) => said,
    };
    let others = lines.iter().enumerate().filter(|(index, _)| *index != place);
    let refused = others.map(|(_, line)| line.refused()).collect();
    let address = SocketAddr::new(ip, line.port);
    Ok(Remote { address, codec, payload_type, keys_type, direction, codecs, refused, place })
}

/// Which line is the sound that we take: the first that has a codec of ours. If there is none, why.
fn ours(lines: &[Line]) -> Result<usize, SdpError> {
    let mut problem = SdpError::NoSound;
    for (place, line) in lines.iter().enumerate().filter(|(_, line)| line.kind == "audio" && line.port != 0) {
        match line.protocol {
            "RTP/AVP" | "RTP/AVPF" if !line.chosen().0.is_empty() => return Ok(place),
            "RTP/AVP" | "RTP/AVPF" => problem = SdpError::NoCodec,
            protocol if protocol.contains("SAVP") && problem == SdpError::NoSound => {
                problem = SdpError::Encrypted;
            }
            _ => {}
        }
    }
    Err(problem)
}

/// The address in `IN IP4 192.0.2.1` or `IN IP6 2001:db8::1`.
fn address(connection: &str) -> Option<IpAddr> {
    let mut words = connection.split_ascii_whitespace();
    match (words.next()?, words.next()?) {
        ("IN", "IP4" | "IP6") => words.next()?.split('/').next()?.parse().ok(),
        _ => None,
    }
}

fn read_direction(attribute: &str) -> Option<Direction> {
    let all = [Direction::Both, Direction::SendOnly, Direction::ReceiveOnly, Direction::Nobody];
    all.into_iter().find(|direction| direction.word() == attribute)
}

/// Our side of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Where we want to hear the other side.
    pub address: SocketAddr,
    /// Any number, the same as long as the session lasts.
    pub session: u64,
    /// Raised whenever the description changes.
    pub version: u64,
}

impl Local {
    /// Offers these codecs, the best first, and keys.
    pub fn offer(&self, codecs: &[Codec]) -> String {
        let formats: Vec<(u8, Codec)> = codecs.iter().map(|codec| (codec.payload_type(), *codec)).collect();
        self.head() + &self.sound(&formats, Some(KEYS), Direction::Both)
    }

    /// Says again what was agreed, as a refresh of the session has to.
    pub fn repeat(&self, agreed: &Remote) -> String {
        let format = [(agreed.payload_type, agreed.codec)];
        self.among(agreed, self.sound(&format, agreed.keys_type, agreed.direction.reversed()))
    }

    /// Offers all that we can, under the numbers that were agreed on: whoever asks for it may want to end a hold.
    pub fn offer_again(&self, agreed: &Remote) -> String {
        let mut formats: Vec<(u8, Codec)> = Vec::new();
        for (number, codec) in &agreed.codecs {
            if !formats.iter().any(|(_, known)| known == codec) {
                formats.push((*number, *codec));
            }
        }
        let keys_type = agreed.keys_type.or(agreed.codec_of(KEYS).is_none().then_some(KEYS));
        self.among(agreed, self.sound(&formats, keys_type, Direction::Both))
    }

    /// Answers an offer: takes its sound and refuses its other lines.
    pub fn answer(&self, offer: &Remote) -> String {
        let format = [(offer.payload_type, offer.codec)];
        self.among(offer, self.sound(&format, offer.keys_type, offer.direction.reversed()))
    }

    /// This sound in its place among their other lines, which are refused.
    fn among(&self, remote: &Remote, sound: String) -> String {
        let mut lines = remote.refused.clone();
        lines.insert(remote.place.min(lines.len()), sound);
        self.head() + &lines.concat()
    }

    fn head(&self) -> String {
        let Local { address, session, version } = self;
        let ip = address.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        format!("v=0\r\no=- {session} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n")
    }

    fn sound(&self, formats: &[(u8, Codec)], keys_type: Option<u8>, direction: Direction) -> String {
        let numbers = formats.iter().map(|(number, _)| *number).chain(keys_type);
        let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
        let mut text = format!("m=audio {} RTP/AVP {}\r\n", self.address.port(), numbers.join(" "));
        // Writing to a text cannot fail.
        for (number, codec) in formats {
            let _ = write!(text, "a=rtpmap:{number} {}/8000\r\n", codec.name());
        }
        if let Some(number) = keys_type {
            let _ = write!(text, "a=rtpmap:{number} telephone-event/8000\r\na=fmtp:{number} 0-15\r\n");
        }
        let _ = write!(text, "a=ptime:20\r\na={}\r\n", direction.word());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OURS: &str = "v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

    fn local() -> Local {
        Local { address: "192.0.2.1:4000".parse().unwrap(), session: 7, version: 1 }
    }

    fn remote(lines: &[&str]) -> Result<Remote, SdpError> {
        let head = ["v=0", "o=u 1 1 IN IP4 198.51.100.1", "s=-", "c=IN IP4 198.51.100.1", "t=0 0"];
        read([&head[..], lines].concat().join("\r\n").as_bytes())
    }

    #[test]
    fn an_offer_names_both_codecs_and_keys() {
        let offer = local().offer(&[Codec::Pcmu, Codec::Pcma]);
        let sound = "m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
                     a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
        assert_eq!(offer, format!("{OURS}{sound}"));
        let read = read(offer.as_bytes()).unwrap();
        assert_eq!((read.codec, read.payload_type, read.keys_type), (Codec::Pcmu, 0, Some(101)));
    }

    #[test]
    fn the_first_codec_of_ours_is_taken_under_its_number_and_with_its_address() {
        let answer = remote(&[
            "m=audio 5000/2 RTP/AVP 18 96 0 97",
            "c=IN IP4 203.0.113.9/127",
            "a=rtpmap:18 G729/8000",
            "a=rtpmap:96 PCMA/8000",
            "a=rtpmap:97 telephone-event/8000",
        ])
        .unwrap();
        assert_eq!(answer.address, "203.0.113.9:5000".parse().unwrap());
        assert_eq!((answer.codec, answer.payload_type, answer.keys_type), (Codec::Pcma, 96, Some(97)));
        assert_eq!(answer.direction, Direction::Both);
        let bare = remote(&["m=audio 5000 RTP/AVP 8"]).unwrap();
        assert_eq!((bare.codec, bare.payload_type, bare.keys_type), (Codec::Pcma, 8, None));
        assert_eq!(bare.address, "198.51.100.1:5000".parse().unwrap());
    }

    #[test]
    fn all_codecs_of_ours_that_are_named_may_come_and_those_under_the_numbers_that_we_offered() {
        let codecs = |lines: &[&str], numbers: [u8; 4]| {
            let answer = remote(lines).unwrap();
            numbers.map(|number| answer.codec_of(number))
        };
        let (mu, a) = (Some(Codec::Pcmu), Some(Codec::Pcma));
        assert_eq!(codecs(&["m=audio 5000 RTP/AVP 8 0"], [0, 8, 18, 101]), [mu, a, None, None]);
        assert_eq!(
            codecs(&["m=audio 5000 RTP/AVP 96", "a=rtpmap:96 PCMA/8000"], [0, 8, 96, 97]),
            [mu, a, a, None]
        );
        let others =
            ["m=audio 5000 RTP/AVP 0 8 9", "a=rtpmap:8 G729/8000", "a=rtpmap:9 telephone-event/8000"];
        assert_eq!(codecs(&others, [0, 8, 9, 101]), [mu, None, None, None]);
    }

    #[test]
    fn whoever_asks_for_an_offer_is_offered_all_that_we_can_whatever_was_agreed() {
        for (lines, sound) in [
            (
                &["m=audio 5000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000", "a=sendonly"][..],
                "8 0 101",
            ),
            (&["m=audio 5000 RTP/AVP 0 8", "a=inactive"], "0 8 101"),
            (
                &["m=audio 5000 RTP/AVP 96 97", "a=rtpmap:96 PCMA/8000", "a=rtpmap:97 telephone-event/8000"],
                "96 0 97",
            ),
            (&["m=audio 5000 RTP/AVP 101", "a=rtpmap:101 PCMU/8000"], "101 8"),
        ] {
            let offer = local().offer_again(&remote(lines).unwrap());
            assert!(offer.contains(&format!("m=audio 4000 RTP/AVP {sound}\r\n")), "{lines:?}: {offer}");
            assert!(offer.ends_with("a=sendrecv\r\n"), "{offer}");
        }
    }

    #[test]
    fn a_description_that_carries_nothing_we_can_hear_says_why() {
        let problem = |lines: &[&str]| remote(lines).unwrap_err();
        assert_eq!(problem(&["m=audio 0 RTP/AVP 0"]), SdpError::NoSound);
        assert_eq!(problem(&["m=video 5000 RTP/AVP 0"]), SdpError::NoSound);
        assert_eq!(problem(&[]), SdpError::NoSound);
        assert_eq!(problem(&["m=audio 5000 RTP/SAVP 0"]), SdpError::Encrypted);
        assert_eq!(problem(&["m=audio 5000 UDP/TLS/RTP/SAVPF 0"]), SdpError::Encrypted);
        assert_eq!(problem(&["m=audio 5000 RTP/AVP 18", "a=rtpmap:18 G729/8000"]), SdpError::NoCodec);
        assert_eq!(problem(&["m=audio 5000 RTP/AVP 0", "a=rtpmap:0 PCMU/16000"]), SdpError::NoCodec);
        assert_eq!(problem(&["m=audio"]), SdpError::Unreadable);
        assert_eq!(read(b""), Err(SdpError::Unreadable));
        assert_eq!(read(b"\xff\xfe"), Err(SdpError::Unreadable));
        assert_eq!(read(b"v=0\r\nm=audio 5000 RTP/AVP 0\r\n"), Err(SdpError::Unreadable));
    }

    #[test]
    fn a_call_that_is_held_is_answered_the_other_way_round() {
        for (lines, direction, word) in [
            (&["m=audio 5000 RTP/AVP 0", "a=sendonly"][..], Direction::SendOnly, "recvonly"),
            (&["m=audio 5000 RTP/AVP 0", "a=recvonly"], Direction::ReceiveOnly, "sendonly"),
            (&["a=inactive", "m=audio 5000 RTP/AVP 0"], Direction::Nobody, "inactive"),
            (&["a=inactive", "m=audio 5000 RTP/AVP 0", "a=sendrecv"], Direction::Both, "sendrecv"),
            (&["m=audio 5000 RTP/AVP 0", "c=IN IP4 0.0.0.0"], Direction::SendOnly, "recvonly"),
            (&["m=audio 5000 RTP/AVP 0", "c=IN IP4 0.0.0.0", "a=inactive"], Direction::Nobody, "inactive"),
        ] {
            let offer = remote(lines).unwrap();
            assert_eq!(offer.direction, direction, "{lines:?}");
            assert!(local().answer(&offer).ends_with(&format!("a={word}\r\n")), "{lines:?}");
            assert!(local().repeat(&offer).ends_with(&format!("a={word}\r\n")), "{lines:?}");
        }
    }

    #[test]
    fn lines_we_do_not_take_are_refused_in_their_place() {
        let offer = remote(&[
            "m=audio 5002 RTP/SAVP 0",
            "m=audio 5004 RTP/AVP 8",
            "m=video 5006 RTP/AVP 99 100",
            "a=rtpmap:99 VP8/90000",
        ])
        .unwrap();
        let sound = "m=audio 0 RTP/SAVP 0\r\nm=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=ptime:20\r\n\
                     a=sendrecv\r\nm=video 0 RTP/AVP 99 100\r\n";
        assert_eq!(local().answer(&offer), format!("{OURS}{sound}"));
        assert_eq!(local().repeat(&offer), format!("{OURS}{sound}"), "and stay so");
        assert_eq!(local().offer_again(&offer).matches("m=").count(), 3);
    }

    #[test]
    fn numbers_that_no_packet_can_name_and_lines_without_end_are_not_taken() {
        let lines = [
            "m=audio 5000 RTP/AVP 200 128 8 101",
            "a=rtpmap:200 PCMU/8000",
            "a=rtpmap:128 telephone-event/8000",
        ];
        let answer = remote(&lines).unwrap();
        assert_eq!((answer.codec, answer.payload_type, answer.keys_type), (Codec::Pcma, 8, None));
        let sound = "m=audio 5000 RTP/AVP 0";
        let many = [vec![sound], vec!["m=video 1 x"; LINES_MAX]].concat();
        let offer = remote(&many[..LINES_MAX]).unwrap();
        assert!(local().answer(&offer).ends_with("\r\nm=video 0 x\r\n"));
        assert_eq!(remote(&many), Err(SdpError::Unreadable));
    }

    #[test]
    fn addresses_of_version_six_are_read_and_written() {
        let local = Local { address: "[2001:db8::1]:4000".parse().unwrap(), session: 1, version: 2 };
        let offer = local.offer(&[Codec::Pcma]);
        assert!(
            offer.contains("o=- 1 2 IN IP6 2001:db8::1\r\n") && offer.contains("c=IN IP6 2001:db8::1\r\n")
        );
        assert_eq!(read(offer.as_bytes()).unwrap().address, local.address);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "v=0\n(([mca]=|a=rtpmap:|IN IP4|audio|RTP/AVP|[ 0-9./:\n])|\\PC){0,60}") {
            if let Ok(remote) = read(text.as_bytes()) {
                prop_assert!(read(local().answer(&remote).as_bytes()).is_ok());
            }
        }

        /// Made-up offers whose lines make sense each by itself.
        #[test]
        fn an_answer_takes_what_was_offered_and_refuses_the_rest_line_by_line(
            lines in prop::collection::vec(
                "m=(audio|video|image) (0|5004|65535/2) (RTP/S?AVPF?|udptl|UDP/TLS/RTP/SAVPF)( (0|8|18|96|101|127|128|255|t38)){0,5}\
                 |a=rtpmap:(0|8|96|101|128|255) (PCM[UA]/8000(/1)?|pcmu/16000|telephone-event/8000|G729/8000)\
                 |a=(sendrecv|sendonly|recvonly|inactive|ptime:20|fmtp:101 0-15)\
                 |c=IN (IP4 (0\\.0\\.0\\.0|192\\.0\\.2\\.9/127|example\\.com)|IP6 (::|2001:db8::9))",
                0..12,
            ),
        ) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<String>>();
            let media = |text: &str| text.lines().filter(|line| line.starts_with("m=")).map(words).collect::<Vec<_>>();
            if let Ok(offer) = remote(&lines) {
                prop_assert!(offer.address.port() != 0 && offer.payload_type <= PAYLOAD_TYPE_MAX);
                let answer = local().answer(&offer);
                let (asked, answered) = (media(&lines.join("\n")), media(&answer));
                prop_assert_eq!(asked.len(), answered.len());
                for (asked, answered) in asked.iter().zip(&answered) {
                    prop_assert_eq!(&asked[0], &answered[0]);
                    prop_assert!(answered[1] == "0" || answered[1] == "4000");
                    prop_assert!(answered[3..].iter().all(|format| asked[3..].contains(format)), "{}", answer);
                }
                prop_assert_eq!(answered.iter().filter(|words| words[1] != "0").count(), 1);
                let direction = offer.direction.reversed();
                let Remote { codec, payload_type, keys_type, .. } = offer;
                for ours in [answer, local().repeat(&offer)] {
                    let read = read(ours.as_bytes()).unwrap();
                    prop_assert_eq!(read.address, local().address);
                    prop_assert_eq!((read.codec, read.payload_type, read.keys_type), (codec, payload_type, keys_type));
                    prop_assert_eq!(read.direction, direction);
                }
                let again = read(local().offer_again(&offer).as_bytes()).unwrap();
                prop_assert_eq!((again.codec, again.payload_type, again.direction), (codec, payload_type, Direction::Both));
                prop_assert!(keys_type.is_none() || again.keys_type == keys_type);
            }
        }
    }
}
