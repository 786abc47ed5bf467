//! Writes recordings, on a thread of its own: however slow or full the disk is, no call hears of it. A file says how long
//! it is at least once a second, so that it can be listened to whatever ends the program.

use super::sound::Heard;
use crate::domain::recording::Recording;
use crate::domain::room::ROOM_MIN;
use crate::media::tape::Peaks;
use crate::media::{RATE, wav};
use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use tokio::sync::mpsc::UnboundedSender;

/// Whoever writes recordings. Clones are the same.
#[derive(Clone)]
pub(super) struct Recorder {
    orders: mpsc::Sender<Order>,
    /// Pieces of sound that wait to be written.
    waiting: Arc<AtomicUsize>,
    made: Arc<AtomicU64>,
}

/// Writes one recording, which is complete when this is dropped.
pub(super) struct Pen {
    id: u64,
    recorder: Recorder,
}

enum Order {
    Begin(u64, Box<Reel>),
    Sound(u64, Vec<i16>),
    End(u64),
}

/// Pieces that may wait: with a piece of a fifth of a second about 26 MB, and eight seconds of a hundred calls.
const WAITING_MAX: usize = 4_000;
/// Bytes of a second.
const SECOND: u32 = RATE * 4;
/// How often it is looked whether the disk has room.
const LOOK_EVERY: u32 = 5 * SECOND;
/// The longest silence before the first sound, in samples.
const LEAD_MAX: usize = 60 * RATE as usize;

impl Recorder {
    /// Starts the thread. It ends when nobody holds the recorder or a pen any more.
    pub(super) fn start(folder: &Path) -> io::Result<Recorder> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let (orders, inbox) = mpsc::channel();
        let (waiting, folder) = (Arc::<AtomicUsize>::default(), folder.to_owned());
        let recorder = Recorder { orders, waiting: waiting.clone(), made: Arc::default() };
        std::thread::Builder::new().name("recorder".into()).spawn(move || run(&folder, &inbox, &waiting))?;
        Ok(recorder)
    }

    /// Begins the recording of a call, after so many samples of silence: then its time is that since the answer.
    pub(super) fn begin(&self, call_id: i64, lead: usize, heard: UnboundedSender<Heard>) -> Pen {
        let id = self.made.fetch_add(1, Ordering::Relaxed);
        let reel = Reel { call_id, lead: lead.min(LEAD_MAX), heard, tape: None };
        self.order(Order::Begin(id, Box::new(reel)));
        Pen { id, recorder: self.clone() }
    }

    fn order(&self, order: Order) {
        if self.orders.send(order).is_err() {
            tracing::error!("the thread for recordings has ended");
        }
    }
}

impl Pen {
    /// Goes on with these samples, left and right in turn. False when the disk does not keep up.
    pub(super) fn write(&self, samples: Vec<i16>) -> bool {
        if self.recorder.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.recorder.waiting.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.recorder.order(Order::Sound(self.id, samples));
        true
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        self.recorder.order(Order::End(self.id));
    }
}

fn run(folder: &Path, inbox: &mpsc::Receiver<Order>, waiting: &AtomicUsize) {
    let mut reels: HashMap<u64, Box<Reel>> = HashMap::new();
    while let Ok(order) = inbox.recv() {
        match order {
            Order::Begin(id, mut reel) => {
                let began = Tape::begin(folder, reel.call_id, reel.lead);
                match began {
                    Ok(tape) => {
                        reel.tape = Some(tape);
                        reels.insert(id, reel);
                    }
                    Err(error) => reel.fail(&error),
                }
            }
            Order::Sound(id, samples) => {
                waiting.fetch_sub(1, Ordering::Relaxed);
                let tape = reels.get_mut(&id).and_then(|reel| reel.tape.as_mut());
                if let Some(Err(error)) = tape.map(|tape| tape.add(&samples))
                    && let Some(mut reel) = reels.remove(&id)
                {
                    reel.fail(&error);
                }
            }
            Order::End(id) => {
                if let Some(mut reel) = reels.remove(&id) {
                    reel.end();
                }
            }
        }
    }
}

/// A recording being written.
struct Reel {
    call_id: i64,
    lead: usize,
    heard: UnboundedSender<Heard>,
    tape: Option<Tape>,
}

impl Reel {
    fn fail(&mut self, error: &io::Error) {
        tracing::warn!(call = self.call_id, %error, "a call is not recorded any more");
        let reason = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full".to_owned(),
            _ => format!("the file cannot be written ({error})"),
        };
        self.tell(Heard::Unrecorded(reason));
        self.end();
    }

    fn end(&mut self) {
        let recording = self.tape.take().and_then(|tape| match tape.end() {
            Ok(recording) => recording,
            Err(error) => {
                tracing::warn!(call = self.call_id, %error, "a recording could not be completed");
                None
            }
        });
        self.tell(Heard::Recorded(recording));
    }

    fn tell(&self, heard: Heard) {
        // Nobody listens any more when the call was given up.
        let _ = self.heard.send(heard);
    }
}

/// The file of a recording.
struct Tape {
    path: PathBuf,
    file: File,
    /// Bytes of sound.
    bytes: u32,
    /// Bytes that its header tells of.
    told: u32,
    /// There is more than the silence before.
    has_sound: bool,
    peaks: Peaks,
}

impl Tape {
    fn begin(folder: &Path, call_id: i64, lead: usize) -> io::Result<Tape> {
        has_room(folder)?;
        let path = folder.join(format!("{call_id}.wav"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut tape = Tape { path, file, bytes: 0, told: 0, has_sound: false, peaks: Peaks::default() };
        let begun = tape.file.write_all(&wav::header(RATE, 2, 0)).and_then(|()| tape.add(&vec![0; lead * 2]));
        tape.has_sound = false;
        match begun {
            Ok(()) => Ok(tape),
            Err(error) => {
                let _ = tape.end();
                Err(error)
            }
        }
    }

    fn add(&mut self, samples: &[i16]) -> io::Result<()> {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let before = self.bytes;
        self.file.write_all(&bytes)?;
        self.bytes = before.saturating_add(bytes.len() as u32);
        self.has_sound = true;
        self.peaks.add(samples);
        if self.bytes - self.told >= SECOND {
            self.tell()?;
        }
        match before / LOOK_EVERY == self.bytes / LOOK_EVERY {
            true => Ok(()),
            false => has_room(&self.path),
        }
    }

    /// Writes down how much there is.
    fn tell(&mut self) -> io::Result<()> {
        self.told = self.bytes;
        self.file.write_all_at(&wav::header(RATE, 2, self.bytes), 0)
    }

    /// What was recorded; none, and no file, where there was nothing.
    fn end(mut self) -> io::Result<Option<Recording>> {
        if !self.has_sound {
            std::fs::remove_file(&self.path)?;
            return Ok(None);
        }
        // A part that was written before the disk was full tells of nothing whole.
        self.file.set_len(wav::HEADER as u64 + u64::from(self.bytes))?;
        self.tell()?;
        Ok(Some(Recording {
            ms: i64::from(self.bytes) * 1_000 / i64::from(SECOND),
            bytes: wav::HEADER as i64 + i64::from(self.bytes),
            peaks: self.peaks.summary(),
        }))
    }
}

fn has_room(path: &Path) -> io::Result<()> {
    let disk = rustix::fs::statvfs(path)?;
    match disk.f_bavail.saturating_mul(disk.f_frsize) >= ROOM_MIN {
        true => Ok(()),
        false => Err(ErrorKind::StorageFull.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    fn recorder() -> (tempfile::TempDir, PathBuf, Recorder) {
        let folder = tempfile::tempdir().unwrap();
        let within = folder.path().join("recordings");
        let recorder = Recorder::start(&within).unwrap();
        (folder, within, recorder)
    }

    fn begin(recorder: &Recorder, call_id: i64) -> (Pen, UnboundedReceiver<Heard>) {
        let (to_heard, heard) = unbounded_channel();
        (recorder.begin(call_id, 0, to_heard), heard)
    }

    #[test]
    fn a_file_is_whole_at_any_moment_and_for_nobody_else() {
        use std::os::unix::fs::MetadataExt;
        let (_folder, within, recorder) = recorder();
        let (to_heard, mut heard) = unbounded_channel();
        let pen = recorder.begin(7, 800, to_heard);
        for _ in 0..6 {
            assert!(pen.write(vec![1_000; 3_200]));
        }
        let path = within.join("7.wav");
        // Nothing ends it: it is as a program that is killed would leave it.
        let size = || std::fs::metadata(&path).map_or(0, |about| about.len());
        while size() < 44 + 3_200 + 6 * 6_400 {
            assert!(heard.is_empty(), "{:?}", heard.blocking_recv());
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let whole = wav::read(&std::fs::read(&path).unwrap()).unwrap();
        assert!(whole.samples.len() >= RATE as usize, "{}", whole.samples.len());
        let modes = [&within, &path].map(|path| std::fs::metadata(path).unwrap().mode() & 0o777);
        assert_eq!(modes, [0o700, 0o600]);
        drop(pen);
        let Some(Heard::Recorded(Some(recording))) = heard.blocking_recv() else { panic!("not recorded") };
        assert_eq!((recording.ms, recording.bytes), (1_300, 44 + 3_200 + 6 * 6_400));
        assert_eq!(recording.peaks, [7; 14]);
        let samples = wav::read(&std::fs::read(&path).unwrap()).unwrap().samples;
        assert_eq!(samples.len(), 800 + 6 * 1_600);
        assert!(
            samples[..800].iter().all(|sample| *sample == 0) && samples[800..].iter().all(|s| *s == 1_000)
        );
    }

    #[test]
    fn where_nothing_can_be_written_it_is_told_and_no_file_is_left() {
        let (_folder, within, recorder) = recorder();
        std::fs::write(within.join("7.wav"), "of another call").unwrap();
        let (pen, mut heard) = begin(&recorder, 7);
        assert!(pen.write(vec![0; 3_200]), "nobody waits for it");
        drop(pen);
        assert!(
            matches!(heard.blocking_recv(), Some(Heard::Unrecorded(reason)) if reason.contains("exists"))
        );
        assert_eq!(heard.blocking_recv(), Some(Heard::Recorded(None)));
        assert_eq!(heard.blocking_recv(), None);
        assert_eq!(std::fs::read(within.join("7.wav")).unwrap(), b"of another call");
        let (pen, mut heard) = begin(&recorder, 8);
        drop(pen);
        assert_eq!(heard.blocking_recv(), Some(Heard::Recorded(None)));
        assert!(!within.join("8.wav").exists(), "there was nothing to record");
    }

    #[test]
    fn a_disk_that_does_not_keep_up_is_not_waited_for() {
        let (orders, inbox) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let recorder = Recorder { orders, waiting: waiting.clone(), made: Arc::default() };
        let (pen, mut heard) = begin(&recorder, 7);
        let taken = (0..2 * WAITING_MAX).take_while(|_| pen.write(vec![1; 2])).count();
        assert_eq!(taken, WAITING_MAX);
        drop((pen, recorder));
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &inbox, &waiting);
        assert_eq!(waiting.load(Ordering::Relaxed), 0);
        let Some(Heard::Recorded(Some(recording))) = heard.blocking_recv() else { panic!("not recorded") };
        assert_eq!(recording.bytes, 44 + 4 * WAITING_MAX as i64, "what was taken is kept");
    }
}
