//! The sound of all calls: one thread with a clock of its own, so that nothing else that the program does makes a voice
//! stutter. A call has one of twenty slots, a millisecond each; in its slot its socket is emptied and one packet goes
//! out. The receiving side is clocked here as well: where the other side sends nothing there is silence.

use super::recorder::Pen;
use crate::clock::Clock;
use crate::domain::recording::Recording;
use crate::media::amd::{Detector, Limits, Verdict};
use crate::media::beep::Waiter;
use crate::media::sdp::{KEYS, Remote};
use crate::media::tape::Tape;
use crate::media::{FRAME, FRAME_MS, dtmf, rtp};
use crate::speech::Sound;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// What is heard on a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A key.
    Key(char),
    /// The sound of this number was sent to its end.
    Said(u64),
    /// Who picked up.
    Verdict(Verdict),
    /// A message may begin.
    Cue,
    /// It is not recorded, or no longer; why.
    Unrecorded(String),
    /// A frame of the other side, while it is listened to for an agent.
    Frame(Box<[i16; FRAME]>),
    /// Of what an agent had queued so many samples were sent, and so many are gone in all, sent or taken back.
    Played { sent: u64, gone: u64 },
    /// What an agent had queued was taken back after so many samples. Comes once for each time.
    Cut(u64),
    /// Its recording is over, with what there is of it. Comes once for each that began.
    Recorded(Option<Recording>),
}

/// All calls' sound. Clones are the same.
#[derive(Clone)]
pub(super) struct Studio {
    orders: mpsc::Sender<Order>,
    made: Arc<AtomicU64>,
}

/// The sound of one call; it ends when this is dropped.
pub(super) struct Line {
    id: u64,
    studio: Studio,
}

enum Order {
    Open(u64, Box<Wire>),
    Aim(u64, Box<Remote>),
    Play(u64, Sound, u64),
    Hush(u64),
    Converse(u64),
    Queue(u64, Vec<i16>),
    Cut(u64),
    Part(u64),
    Press(u64, String),
    Detect(u64),
    AwaitCue(u64),
    Record(u64, Pen),
    EndRecording(u64),
    Close(u64),
}

/// Slots of a millisecond; each call has one.
const SLOTS: u64 = FRAME_MS as u64;
/// When we are later than this, what was missed is left out instead of being sent in a burst.
const LATE_MS: u64 = 100;
/// Packets taken in per slot, so that a flood at one port does not keep the others waiting.
const PACKETS_MAX: usize = 8;
/// Silence after a speech before it counts as heard: what was sent is still on its way.
const TAIL: usize = 10;
/// Without a packet for so many slots there is silence.
const MISSING: u32 = 3;
/// Samples that may wait to be listened to.
const WAITING_MAX: usize = 20 * FRAME;
/// The longest packet of sound.
const PACKET: usize = 2_048;

impl Studio {
    /// Starts the thread. It ends when nobody holds the studio or a line any more.
    pub(super) fn start(clock: Arc<dyn Clock>) -> io::Result<Studio> {
        let (orders, inbox) = mpsc::channel();
        std::thread::Builder::new().name("sound".into()).spawn(move || run(&*clock, &inbox))?;
        Ok(Studio { orders, made: Arc::default() })
    }

    /// A line on this socket. It is silent until it knows where to send.
    pub(super) fn open(&self, socket: UdpSocket, heard: UnboundedSender<Heard>) -> io::Result<Line> {
        socket.set_nonblocking(true)?;
        let id = self.made.fetch_add(1, Ordering::Relaxed);
        let order = Order::Open(id, Box::new(Wire::new(socket, heard)));
        self.orders.send(order).map_err(|_| io::Error::other("the thread for sound has ended"))?;
        Ok(Line { id, studio: self.clone() })
    }

    fn order(&self, order: Order) {
        if self.orders.send(order).is_err() {
            tracing::error!("the thread for sound has ended");
        }
    }
}

impl Line {
    /// Sends there from now on, as the other side wants it.
    pub(super) fn aim(&self, remote: &Remote) {
        self.studio.order(Order::Aim(self.id, Box::new(remote.clone())));
    }

    /// Says this instead of what is being said.
    pub(super) fn play(&self, sound: Sound, number: u64) {
        self.studio.order(Order::Play(self.id, sound, number));
    }

    /// Falls silent.
    pub(super) fn hush(&self) {
        self.studio.order(Order::Hush(self.id));
    }

    /// Listens for an agent from now on, who says what is queued.
    pub(super) fn converse(&self) {
        self.studio.order(Order::Converse(self.id));
    }

    /// Says this after what is queued.
    pub(super) fn queue(&self, sound: Vec<i16>) {
        self.studio.order(Order::Queue(self.id, sound));
    }

    /// Takes back what is queued.
    pub(super) fn cut(&self) {
        self.studio.order(Order::Cut(self.id));
    }

    /// The agent neither hears nor says anything any more.
    pub(super) fn part(&self) {
        self.studio.order(Order::Part(self.id));
    }

    /// Presses keys for the other side. What is said waits meanwhile.
    pub(super) fn press(&self, keys: String) {
        self.studio.order(Order::Press(self.id, keys));
    }

    /// Finds out who picked up.
    pub(super) fn detect(&self) {
        self.studio.order(Order::Detect(self.id));
    }

    /// Listens until a message may begin.
    pub(super) fn await_cue(&self) {
        self.studio.order(Order::AwaitCue(self.id));
    }

    /// Records both sides from now on.
    pub(super) fn record(&self, pen: Pen) {
        self.studio.order(Order::Record(self.id, pen));
    }

    /// Records no more.
    pub(super) fn end_recording(&self) {
        self.studio.order(Order::EndRecording(self.id));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.studio.order(Order::Close(self.id));
    }
}

/// All lines, and which of them is due in which slot.
#[derive(Default)]
struct Lines {
    wires: HashMap<u64, Box<Wire>>,
    slots: [Vec<u64>; SLOTS as usize],
}

impl Lines {
    fn carry_out(&mut self, order: Order) {
        let wires = &mut self.wires;
        match order {
            Order::Open(id, wire) => {
                wires.insert(id, wire);
                let emptiest = self.slots.iter_mut().min_by_key(|slot| slot.len());
                emptiest.into_iter().for_each(|slot| slot.push(id));
            }
            Order::Close(id) => {
                wires.remove(&id);
                self.slots.iter_mut().for_each(|slot| slot.retain(|other| *other != id));
            }
            Order::Aim(id, remote) => wires.get_mut(&id).into_iter().for_each(|wire| wire.aim(&remote)),
            Order::Play(id, sound, number) => {
                let speech = Speech { sound, number, at: 0 };
                wires.get_mut(&id).into_iter().for_each(|wire| wire.speech = Some(speech.clone()));
            }
            Order::Hush(id) => wires.get_mut(&id).into_iter().for_each(|wire| wire.speech = None),
            Order::Converse(id) => wires.get_mut(&id).into_iter().for_each(|wire| {
                wire.queue = Some(Queue::default());
                wire.listen(Ear::Agent);
            }),
            Order::Queue(id, sound) => {
                let queue = wires.get_mut(&id).and_then(|wire| wire.queue.as_mut());
                queue.into_iter().for_each(|queue| queue.waiting.extend(&sound));
            }
            Order::Cut(id) => wires.get_mut(&id).into_iter().for_each(|wire| wire.cut()),
            Order::Part(id) => wires.get_mut(&id).into_iter().for_each(|wire| {
                wire.queue = None;
                wire.listen(Ear::Nothing);
            }),
            Order::Press(id, keys) => {
                wires.get_mut(&id).into_iter().for_each(|wire| wire.presses.press(&keys));
            }
            Order::Detect(id) => {
                wires
                    .get_mut(&id)
                    .into_iter()
                    .for_each(|wire| wire.listen(Ear::Who(Detector::new(Limits::default()))));
            }
            Order::AwaitCue(id) => {
                wires.get_mut(&id).into_iter().for_each(|wire| wire.listen(Ear::When(Waiter::default())));
            }
            Order::Record(id, pen) => {
                if let Some(wire) = wires.get_mut(&id) {
                    wire.reel = Some(Reel::new(pen));
                }
            }
            Order::EndRecording(id) => wires.get_mut(&id).into_iter().for_each(|wire| wire.reel = None),
        }
    }
}

fn run(clock: &dyn Clock, inbox: &mpsc::Receiver<Order>) {
    let mut lines = Lines::default();
    let mut buffer = [0; PACKET];
    let milliseconds = || clock.monotonic().as_millis() as u64;
    let mut tick = milliseconds();
    loop {
        if lines.wires.is_empty() {
            // Nobody is on the line: no reason to wake up a thousand times a second.
            let Ok(order) = inbox.recv() else { return };
            lines.carry_out(order);
            tick = milliseconds();
        }
        loop {
            match inbox.try_recv() {
                Ok(order) => lines.carry_out(order),
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
        }
        tick += 1;
        let due = Duration::from_millis(tick);
        std::thread::sleep(due.saturating_sub(clock.monotonic()));
        let now = milliseconds();
        if now > tick + LATE_MS {
            tick = now;
        }
        for id in &lines.slots[(tick % SLOTS) as usize] {
            if let Some(wire) = lines.wires.get_mut(id) {
                wire.turn(&mut buffer);
            }
        }
    }
}

/// One call's sound.
struct Wire {
    socket: UdpSocket,
    heard: UnboundedSender<Heard>,
    target: Option<Target>,
    sequence: u16,
    timestamp: u32,
    source: u32,
    speech: Option<Speech>,
    queue: Option<Queue>,
    keys: dtmf::Receiver,
    presses: dtmf::Sender,
    ear: Ear,
    waiting: VecDeque<i16>,
    /// Slots since the last packet.
    missing: u32,
    reel: Option<Reel>,
}

/// The recording of a call. What is still on it goes to the disk when it is dropped.
struct Reel {
    tape: Tape,
    /// What is not written yet.
    piece: Vec<i16>,
    pen: Pen,
}

/// Samples of both sides that are written at a time: a fifth of a second.
const PIECE: usize = 20 * FRAME;

impl Reel {
    fn new(pen: Pen) -> Reel {
        Reel { tape: Tape::default(), piece: Vec::new(), pen }
    }

    /// Goes on by a frame of ours; false when the disk does not keep up.
    fn turn(&mut self, ours: &[i16; FRAME]) -> bool {
        self.piece.extend(self.tape.turn(ours).unwrap_or_default());
        self.piece.len() < PIECE || self.pen.write(std::mem::take(&mut self.piece))
    }
}

impl Drop for Reel {
    fn drop(&mut self) {
        self.piece.append(&mut self.tape.rest());
        // Should the disk not keep up, the end is missing.
        let _ = self.piece.is_empty() || self.pen.write(std::mem::take(&mut self.piece));
    }
}

/// Where and how to send, and whom to hear.
struct Target {
    /// What the other side said.
    remote: Remote,
    /// Where packets came from, which behind NAT is not what was said.
    seen: Option<SocketAddr>,
    /// Who may be the other side behind NAT, the newest last.
    candidates: Vec<Candidate>,
}

/// Somebody else than who was named, whose packets come one after the other.
struct Candidate {
    from: SocketAddr,
    source: u32,
    /// The number of the last packet, and how many came in a row.
    sequence: u16,
    count: usize,
}

/// So many packets in a row make somebody behind NAT the other side. Who only tries ports, one packet for each, is never
/// heard and never spoken to (RFC 7362, section 5, on what latching invites).
const PROOF: usize = 4;
const CANDIDATES_MAX: usize = 8;

impl Target {
    fn address(&self) -> SocketAddr {
        self.seen.unwrap_or(self.remote.address)
    }

    /// The other side wants to hear us.
    fn is_open(&self) -> bool {
        self.remote.direction.reversed().sends()
    }

    /// Whether a packet from there is one of the other side. What comes from where they said always is, and nothing else
    /// from then on; until it does, whoever is the first to send some in a row is taken for them.
    fn is_from(&mut self, from: SocketAddr, header: rtp::Header) -> bool {
        if from == self.remote.address || (self.seen.is_none() && self.is_proven(from, header)) {
            self.seen = Some(from);
        }
        self.seen == Some(from)
    }

    fn is_proven(&mut self, from: SocketAddr, header: rtp::Header) -> bool {
        let rtp::Header { source, sequence, .. } = header;
        let known = self.candidates.iter().position(|one| (one.from, one.source) == (from, source));
        let before = known.map(|at| self.candidates.remove(at));
        let follows = before.filter(|before| sequence == before.sequence.wrapping_add(1));
        let count = follows.map_or(0, |before| before.count) + 1;
        self.candidates.push(Candidate { from, source, sequence, count });
        if self.candidates.len() > CANDIDATES_MAX {
            self.candidates.remove(0);
        }
        count >= PROOF
    }
}

#[derive(Clone)]
struct Speech {
    sound: Sound,
    number: u64,
    /// Frames sent.
    at: usize,
}

/// What an agent has to say.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<i16>,
    sent: u64,
    gone: u64,
    /// Frames sent since that was told.
    untold: usize,
    /// There is silence before what comes next.
    is_paused: bool,
}

/// Frames after which it is told how much was sent.
const TOLD_EVERY: usize = 5;

impl Queue {
    /// Takes the next frame, and says whether one came and whether it is time to tell how much was sent.
    fn turn(&mut self, frame: &mut [i16; FRAME]) -> (usize, bool) {
        let count = self.waiting.len().min(FRAME);
        frame.iter_mut().zip(self.waiting.drain(..count)).for_each(|(to, sample)| *to = sample);
        self.sent += count as u64;
        self.gone += count as u64;
        self.untold += usize::from(count > 0);
        let is_due = self.untold >= TOLD_EVERY || (self.untold > 0 && self.waiting.is_empty());
        if is_due {
            self.untold = 0;
        }
        (count, is_due)
    }
}

/// What is listened for.
enum Ear {
    Nothing,
    /// Whatever is said, for an agent.
    Agent,
    Who(Detector),
    When(Waiter),
}

impl Wire {
    fn new(socket: UdpSocket, heard: UnboundedSender<Heard>) -> Wire {
        Wire {
            socket,
            heard,
            target: None,
            sequence: rand::random(),
            timestamp: rand::random(),
            source: rand::random(),
            speech: None,
            queue: None,
            presses: dtmf::Sender::default(),
            keys: dtmf::Receiver::default(),
            ear: Ear::Nothing,
            waiting: VecDeque::new(),
            missing: 0,
            reel: None,
        }
    }

    fn aim(&mut self, remote: &Remote) {
        let remote = remote.clone();
        match &mut self.target {
            // An address that was seen stays good as long as the other side does not name another one.
            Some(target) if target.remote.address == remote.address => target.remote = remote,
            target => *target = Some(Target { remote, seen: None, candidates: Vec::new() }),
        }
    }

    fn listen(&mut self, ear: Ear) {
        self.ear = ear;
        self.waiting.clear();
        self.missing = 0;
    }

    /// What happens in the slot of this line.
    fn turn(&mut self, buffer: &mut [u8; PACKET]) {
        for _ in 0..PACKETS_MAX {
            let Ok((length, from)) = self.socket.recv_from(buffer) else { break };
            if let Some((header, payload)) = rtp::read(&buffer[..length]) {
                self.take(from, header, payload);
            }
        }
        self.hear();
        self.send();
    }

    fn take(&mut self, from: SocketAddr, header: rtp::Header, payload: &[u8]) {
        let Some(target) = &mut self.target else { return };
        if !target.is_from(from, header) {
            return;
        }
        let remote = &target.remote;
        // Whoever answers us is to send keys under our number, RFC 3264 section 6.1, and many do under the one of theirs.
        let is_ours = header.payload_type == KEYS && remote.payload_type != KEYS;
        if is_ours || Some(header.payload_type) == remote.keys_type {
            if let Some(key) = self.keys.take(header, payload) {
                self.tell(Heard::Key(key));
            }
        } else if let Some(codec) = remote.codec_of(header.payload_type) {
            if let Some(reel) = &mut self.reel {
                let samples = payload.iter().map(|byte| codec.decode(*byte));
                reel.tape.take(header.source, header.timestamp, samples);
            }
            if matches!(self.ear, Ear::Nothing) {
                return;
            }
            self.waiting.extend(payload.iter().map(|byte| codec.decode(*byte)));
            let excess = self.waiting.len().saturating_sub(WAITING_MAX);
            self.waiting.drain(..excess);
            self.missing = 0;
        }
    }

    /// Listens to one frame, of silence if none has come for a while.
    fn hear(&mut self) {
        let frame = match self.waiting.len() >= FRAME {
            true => {
                let mut frame = [0; FRAME];
                frame.iter_mut().zip(self.waiting.drain(..FRAME)).for_each(|(to, sample)| *to = sample);
                frame
            }
            false => {
                self.missing += 1;
                if self.missing <= MISSING {
                    return;
                }
                [0; FRAME]
            }
        };
        let told = match &mut self.ear {
            Ear::Nothing => None,
            Ear::Agent => {
                self.tell(Heard::Frame(Box::new(frame)));
                None
            }
            Ear::Who(detector) => detector.take(&frame).map(Heard::Verdict),
            Ear::When(waiter) => waiter.take(&frame).map(|_| Heard::Cue),
        };
        if let Some(told) = told {
            self.ear = Ear::Nothing;
            self.tell(told);
        }
    }

    fn send(&mut self) {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(FRAME as u32);
        let Some(target) = self.target.as_ref().filter(|target| target.is_open()) else {
            self.record(&[0; FRAME]);
            return;
        };
        let address = target.address();
        let Remote { codec, payload_type, keys_type, .. } = target.remote;
        let pressed = keys_type.and_then(|keys_type| Some((keys_type, self.presses.next(timestamp)?)));
        if let Some((payload_type, dtmf::Part { marker, timestamp, payload })) = pressed {
            let header =
                rtp::Header { payload_type, marker, sequence: self.sequence, timestamp, source: self.source };
            self.sequence = self.sequence.wrapping_add(1);
            // A packet that cannot be sent is lost, as it may be on its way.
            let _ = self.socket.send_to(&[&header.bytes()[..], &payload].concat(), address);
            self.record(&[0; FRAME]);
            return;
        }
        let mut packet = [codec.silence(); rtp::HEADER + FRAME];
        let mut marker = false;
        let mut said = None;
        let mut played = None;
        if let Some(speech) = &mut self.speech {
            let from = (speech.at * FRAME).min(speech.sound.len());
            let frame = &speech.sound[from..speech.sound.len().min(from + FRAME)];
            packet[rtp::HEADER..].iter_mut().zip(frame).for_each(|(to, sample)| *to = codec.encode(*sample));
            marker = speech.at == 0;
            speech.at += 1;
            said = (speech.at >= speech.sound.len().div_ceil(FRAME) + TAIL).then_some(speech.number);
        } else if let Some(queue) = &mut self.queue {
            let mut frame = [0; FRAME];
            let (count, is_due) = queue.turn(&mut frame);
            let frame = &frame[..count];
            packet[rtp::HEADER..].iter_mut().zip(frame).for_each(|(to, sample)| *to = codec.encode(*sample));
            marker = std::mem::replace(&mut queue.is_paused, count == 0) && count > 0;
            played = is_due.then_some(Heard::Played { sent: queue.sent, gone: queue.gone });
        }
        if let Some(played) = played {
            self.tell(played);
        }
        if let Some(number) = said {
            self.speech = None;
            self.tell(Heard::Said(number));
        }
        let (sequence, source) = (self.sequence, self.source);
        self.sequence = sequence.wrapping_add(1);
        let header = rtp::Header { payload_type, marker, sequence, timestamp, source };
        packet[..rtp::HEADER].copy_from_slice(&header.bytes());
        // A packet that cannot be sent is lost, as it may be on its way.
        let _ = self.socket.send_to(&packet, address);
        let mut sent = [0; FRAME];
        sent.iter_mut().zip(&packet[rtp::HEADER..]).for_each(|(to, byte)| *to = codec.decode(*byte));
        self.record(&sent);
    }

    /// Puts what was sent on the tape, with what came meanwhile.
    fn record(&mut self, sent: &[i16; FRAME]) {
        if self.reel.as_mut().is_some_and(|reel| !reel.turn(sent)) {
            self.reel = None;
            self.tell(Heard::Unrecorded("the disk is too slow".into()));
        }
    }

    /// Takes back what an agent has queued.
    fn cut(&mut self) {
        let Some(queue) = &mut self.queue else { return };
        queue.gone += queue.waiting.len() as u64;
        queue.waiting.clear();
        let (sent, gone) = (queue.sent, queue.gone);
        self.tell(Heard::Cut(sent));
        self.tell(Heard::Played { sent, gone });
    }

    fn tell(&self, heard: Heard) {
        // Nobody listens any more when the call is ending.
        let _ = self.heard.send(heard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::System;
    use crate::media::g711::Codec;
    use crate::media::sdp;
    use proptest::prelude::*;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket
    }

    /// What the other side says of this socket.
    fn told(socket: &UdpSocket, direction: &str) -> Remote {
        let port = socket.local_addr().unwrap().port();
        let lines = format!("a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n");
        let head = "v=0\r\no=u 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
        sdp::read(format!("{head}m=audio {port} RTP/AVP 0 101\r\n{lines}").as_bytes()).unwrap()
    }

    /// A wire that is told when its slot has come.
    struct Tried {
        wire: Wire,
        address: SocketAddr,
        heard: UnboundedReceiver<Heard>,
        /// Packets of sound that were sent to it.
        spoken: u16,
    }

    impl Tried {
        fn new() -> Tried {
            let (ours, (to_heard, heard)) = (socket(), unbounded_channel());
            ours.set_nonblocking(true).unwrap();
            let address = ours.local_addr().unwrap();
            Tried { wire: Wire::new(ours, to_heard), address, heard, spoken: 0 }
        }

        fn turn(&mut self) {
            self.wire.turn(&mut [0; PACKET]);
        }

        /// Presses a key on this socket, and lets a slot pass.
        fn press(&mut self, from: &UdpSocket, timestamp: u32, key: u8) {
            self.press_as(101, from, timestamp, key);
        }

        fn press_as(&mut self, payload_type: u8, from: &UdpSocket, timestamp: u32, key: u8) {
            let header = rtp::Header { payload_type, marker: true, sequence: 1, timestamp, source: 9 };
            from.send_to(&[&header.bytes()[..], &[key, 10, 0, 160]].concat(), self.address).unwrap();
            self.turn();
        }

        /// A packet of sound from this socket, the next one, and a slot passes.
        fn speak(&mut self, from: &UdpSocket) {
            self.spoken += 1;
            let (payload_type, timestamp) = (0, 160 * u32::from(self.spoken));
            let header =
                rtp::Header { payload_type, marker: false, sequence: self.spoken, timestamp, source: 9 };
            from.send_to(&[&header.bytes()[..], &[0xff; FRAME]].concat(), self.address).unwrap();
            self.turn();
        }

        fn keys(&mut self) -> String {
            let heard = std::iter::from_fn(|| self.heard.try_recv().ok());
            heard.filter_map(|heard| if let Heard::Key(key) = heard { Some(key) } else { None }).collect()
        }
    }

    fn received(socket: &UdpSocket) -> Option<(rtp::Header, Vec<u8>)> {
        socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; PACKET];
        let length = socket.recv(&mut buffer).ok()?;
        rtp::read(&buffer[..length]).map(|(header, payload)| (header, payload.to_vec()))
    }

    #[test]
    fn sound_goes_to_who_is_behind_nat_when_packets_come_in_a_row_and_no_other_source_is_heard() {
        let (mut tried, named, behind_nat, stranger) = (Tried::new(), socket(), socket(), socket());
        tried.turn();
        tried.wire.aim(&told(&named, "sendrecv"));
        tried.turn();
        assert!(received(&named).is_some(), "until something comes it goes where the other side said");
        tried.press(&stranger, 9_000, 9);
        assert_eq!(tried.keys(), "", "a single packet is nobody's");
        assert!(received(&named).is_some() && received(&stranger).is_none());
        for _ in 1..PROOF {
            tried.speak(&behind_nat);
            tried.press(&stranger, 9_000, 9);
        }
        assert!(received(&behind_nat).is_none());
        tried.speak(&behind_nat);
        while received(&named).is_some() {}
        tried.press(&behind_nat, 1_000, 5);
        tried.press(&stranger, 9_000, 9);
        assert_eq!(tried.keys(), "5");
        assert!(received(&behind_nat).is_some() && received(&named).is_none());
        assert!(received(&stranger).is_none());
        tried.wire.aim(&told(&named, "sendrecv"));
        tried.turn();
        assert!(received(&named).is_none(), "the same description changes nothing");
        let moved = socket();
        tried.wire.aim(&told(&moved, "sendrecv"));
        tried.turn();
        assert!(received(&moved).is_some(), "another one does");
    }

    #[test]
    fn whoever_speaks_from_where_they_said_is_heard_and_spoken_to_whoever_was_faster() {
        let (mut tried, named, stranger) = (Tried::new(), socket(), socket());
        tried.wire.aim(&told(&named, "sendrecv"));
        for _ in 0..PROOF {
            tried.speak(&stranger);
        }
        tried.press(&stranger, 1_000, 5);
        tried.press(&named, 9_000, 9);
        assert_eq!(tried.keys(), "59");
        assert!(received(&named).is_some());
        while received(&stranger).is_some() {}
        tried.press(&stranger, 20_000, 1);
        assert_eq!(tried.keys(), "", "from then on nobody else is");
        tried.wire.aim(&told(&named, "sendrecv"));
        tried.press(&stranger, 30_000, 1);
        assert_eq!(tried.keys(), "", "nor after the same description");
        assert!(received(&stranger).is_none());
    }

    #[test]
    fn every_codec_that_the_other_side_may_send_is_heard_by_the_number_of_each_packet() {
        let louder = |codec: Codec| vec![codec.encode(5_000); FRAME];
        for (lines, payload_type, codec) in [
            ("RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n", 8, Codec::Pcma),
            ("RTP/AVP 0 8\r\n", 0, Codec::Pcmu),
            ("RTP/AVP 8 96\r\na=rtpmap:96 PCMU/8000\r\n", 96, Codec::Pcmu),
            ("RTP/AVP 96\r\na=rtpmap:96 PCMA/8000\r\n", 8, Codec::Pcma),
        ] {
            let (mut tried, other) = (Tried::new(), socket());
            let port = other.local_addr().unwrap().port();
            let head = "v=0\r\no=u 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
            tried.wire.aim(&sdp::read(format!("{head}m=audio {port} {lines}").as_bytes()).unwrap());
            tried.wire.listen(Ear::Agent);
            let header = rtp::Header { payload_type, marker: false, sequence: 1, timestamp: 1, source: 9 };
            tried.wire.take(other.local_addr().unwrap(), header, &louder(codec));
            tried.turn();
            let heard = Heard::Frame(Box::new([codec.decode(codec.encode(5_000)); FRAME]));
            assert_eq!(tried.heard.try_recv(), Ok(heard), "{lines} {payload_type}");
        }
    }

    #[test]
    fn keys_are_heard_under_our_number_and_under_that_of_the_other_side() {
        for (lines, key_type, heard) in [
            ("RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n", 96, "5"),
            ("RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n", 101, "5"),
            ("RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n", 97, ""),
            ("RTP/AVP 0\r\n", 101, "5"),
            ("RTP/AVP 101\r\na=rtpmap:101 PCMU/8000\r\n", 101, ""),
        ] {
            let (mut tried, other) = (Tried::new(), socket());
            let port = other.local_addr().unwrap().port();
            let head = "v=0\r\no=u 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
            tried.wire.aim(&sdp::read(format!("{head}m=audio {port} {lines}").as_bytes()).unwrap());
            tried.press_as(key_type, &other, 1_000, 5);
            assert_eq!(tried.keys(), heard, "{lines} {key_type}");
        }
    }

    #[test]
    fn what_is_said_waits_while_the_other_side_does_not_want_to_hear() {
        let (mut tried, other) = (Tried::new(), socket());
        let sound: Sound = vec![5_000; 2 * FRAME].into();
        tried.wire.aim(&told(&other, "sendrecv"));
        tried.wire.speech = Some(Speech { sound, number: 7, at: 0 });
        tried.turn();
        let (first, payload) = received(&other).unwrap();
        assert!(first.marker && payload.iter().all(|byte| *byte == Codec::Pcmu.encode(5_000)));
        tried.wire.aim(&told(&other, "sendonly"));
        for _ in 0..5 {
            tried.turn();
        }
        assert!(received(&other).is_none());
        tried.wire.aim(&told(&other, "sendrecv"));
        tried.turn();
        let (second, payload) = received(&other).unwrap();
        assert!(payload.iter().all(|byte| *byte == Codec::Pcmu.encode(5_000)));
        assert_eq!(second.sequence, first.sequence.wrapping_add(1));
        assert_eq!(second.timestamp, first.timestamp.wrapping_add(6 * FRAME as u32), "time has passed");
        for _ in 0..TAIL {
            assert!(tried.heard.try_recv().is_err(), "not before the last of it has arrived");
            tried.turn();
        }
        assert_eq!(tried.heard.try_recv(), Ok(Heard::Said(7)));
    }

    #[test]
    fn where_nothing_comes_there_is_silence() {
        let (mut tried, other) = (Tried::new(), socket());
        tried.wire.aim(&told(&other, "sendrecv"));
        tried.wire.listen(Ear::Who(Detector::new(Limits::default())));
        let slots = (0..1_000).find(|_| {
            tried.turn();
            tried.heard.try_recv() == Ok(Heard::Verdict(Verdict::Machine))
        });
        assert_eq!(slots, Some(MISSING as usize + 124), "2.5 seconds of silence");
    }

    proptest! {
        /// Whatever comes and however fast, as much is listened to as there is time, and no more waits than may.
        #[test]
        fn a_flood_of_packets_is_listened_to_a_frame_at_a_time_and_no_more_waits_than_may(
            packets in prop::collection::vec(
                (0_u32..3, any::<u32>(), prop::sample::select(vec![0, 8, 13, 101]), any::<u8>(), 0..PACKET, 0_usize..4),
                0..80,
            ),
        ) {
            let (mut tried, other) = (Tried::new(), socket());
            tried.wire.aim(&told(&other, "sendrecv"));
            tried.wire.listen(Ear::Agent);
            let (mut turns_passed, mut told_of) = (0, std::collections::HashSet::new());
            for (source, timestamp, payload_type, byte, length, turns) in packets {
                let header = rtp::Header { payload_type, marker: false, sequence: 0, timestamp, source };
                let payload = vec![byte; length];
                for _ in 0..2 {
                    tried.wire.take(other.local_addr().unwrap(), header, &payload);
                    prop_assert!(tried.wire.waiting.len() <= WAITING_MAX);
                }
                if payload_type == 101 {
                    told_of.insert((source, timestamp));
                }
                turns_passed += turns;
                (0..turns).for_each(|_| tried.wire.hear());
            }
            let heard: Vec<Heard> = std::iter::from_fn(|| tried.heard.try_recv().ok()).collect();
            let frames = heard.iter().filter(|heard| matches!(heard, Heard::Frame(_))).count();
            prop_assert!(frames <= turns_passed);
            prop_assert!(heard.len() - frames <= told_of.len(), "a press is told once");
        }
    }

    /// On a machine that does other things as well the pace of one packet says nothing; that of all of them does.
    #[test]
    fn a_hundred_lines_are_each_served_every_twenty_milliseconds() {
        const LINES: usize = 100;
        const SECONDS: usize = 2;
        let clock: Arc<dyn Clock> = Arc::new(System::new());
        let studio = Studio::start(clock.clone()).unwrap();
        let listener = socket();
        let (to_heard, _heard) = unbounded_channel();
        let open = |_| {
            let line = studio.open(socket(), to_heard.clone()).unwrap();
            line.aim(&told(&listener, "sendrecv"));
            line
        };
        let lines: Vec<Line> = (0..LINES).map(open).collect();
        let mut arrivals: HashMap<u32, Vec<Duration>> = HashMap::new();
        let began = clock.monotonic();
        let mut buffer = [0; PACKET];
        while clock.monotonic() - began < Duration::from_secs(SECONDS as u64) {
            let Ok(length) = listener.recv(&mut buffer) else { panic!("nothing comes") };
            let (header, _) = rtp::read(&buffer[..length]).unwrap();
            arrivals.entry(header.source).or_default().push(clock.monotonic());
        }
        drop(lines);
        assert_eq!(arrivals.len(), LINES);
        let gaps = |times: &Vec<Duration>| times.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
        let mut gaps: Vec<Duration> = arrivals.values().flat_map(gaps).collect();
        gaps.sort();
        let at = |share: usize| gaps[gaps.len() * share / 1_000];
        let mean = gaps.iter().sum::<Duration>() / gaps.len() as u32;
        println!("median {:?}, 99 % {:?}, 99.9 % {:?}, mean {mean:?}", at(500), at(990), at(999));
        assert!(mean > Duration::from_millis(19) && mean < Duration::from_millis(24), "{mean:?}");
        assert!(at(500) > Duration::from_millis(18) && at(500) < Duration::from_millis(22), "{:?}", at(500));
    }
}
