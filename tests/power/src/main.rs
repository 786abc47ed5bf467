//! A file system in memory that forgets at a power cut what nobody asked it to keep: `power FOLDER` mounts it there and
//! does what standard input says, one line each, answered by one line.
//!
//! | line | what it does |
//! | --- | --- |
//! | `cut` | power fails: every file and folder is as it was when it was last synchronized |
//! | `cut SEED` | the same, but of what was written since, some parts of 512 bytes are there, in no order |
//! | `save`, `back` | remembers everything, and puts it back |
//! | `stop N` | from the Nth change on nothing changes any more, as if the machine stood still; `stop 0` for never |
//! | `fault N` | the Nth change fails, and those after it work again |
//! | `full N` | from the Nth change on there is no space, until `stop 0` |
//! | `room BYTES` | from now on files take this much together and no more; `room 0` for as much as they like |
//! | `used` | answers with how much they take |
//! | `count` | answers with the changes since the last line of these four |
//! | `deaf` | from now on synchronizing a write-ahead log does nothing, which is what `synchronous=NORMAL` saves itself |
//! | `end` | unmounts and ends |
//!
//! A name in a folder is kept when the folder is synchronized. A file whose name begins with `simulator-ledger` stands
//! for the outside world, and is never forgotten. The index of a write-ahead log is memory that processes share; its
//! changes do not count.

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The kernel asks again each time.
const NOT_REMEMBERED: Duration = Duration::ZERO;
const ROOT: u64 = INodeNo::ROOT.0;
const SECTOR: usize = 512;

/// What a file or folder holds.
#[derive(Clone, Debug)]
enum Body {
    File(Vec<u8>),
    Folder(BTreeMap<OsString, u64>),
}

/// A change of a file since it was last synchronized.
#[derive(Clone, Debug)]
enum Change {
    Written(usize, Vec<u8>),
    Resized(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Written(at, data) => {
                bytes.resize(bytes.len().max(at + data.len()), 0);
                bytes[*at..at + data.len()].copy_from_slice(data);
            }
            Change::Resized(length) => bytes.resize(*length, 0),
        }
    }
}

#[derive(Clone, Debug)]
struct Node {
    name: OsString,
    mode: u16,
    changed: SystemTime,
    now: Body,
    kept: Body,
    since: Vec<Change>,
}

/// What goes wrong, and at which change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    Stop(u64),
    Fault(u64),
    Full(u64),
}

#[derive(Clone, Debug)]
struct Disk {
    nodes: HashMap<u64, Node>,
    last: u64,
    changes: u64,
    trouble: Trouble,
    is_deaf: bool,
    /// How much the files may take together; none for no limit.
    room: Option<u64>,
}

type Done<T> = Result<T, Errno>;

impl Disk {
    fn new() -> Disk {
        let folder = Body::Folder(BTreeMap::new());
        let root = Node {
            name: OsString::new(),
            mode: 0o700,
            changed: UNIX_EPOCH,
            now: folder.clone(),
            kept: folder,
            since: Vec::new(),
        };
        Disk {
            nodes: HashMap::from([(ROOT, root)]),
            last: ROOT,
            changes: 0,
            trouble: Trouble::None,
            is_deaf: false,
            room: None,
        }
    }

    fn node(&mut self, id: u64) -> Done<&mut Node> {
        self.nodes.get_mut(&id).ok_or(Errno::ENOENT)
    }

    fn folder(&mut self, id: u64) -> Done<&mut BTreeMap<OsString, u64>> {
        match &mut self.node(id)?.now {
            Body::Folder(names) => Ok(names),
            Body::File(_) => Err(Errno::ENOTDIR),
        }
    }

    fn find(&mut self, folder: u64, name: &OsStr) -> Done<u64> {
        self.folder(folder)?.get(name).copied().ok_or(Errno::ENOENT)
    }

    /// Counts a change of a file or folder; it fails when its time has come.
    fn change(&mut self, name: &OsStr) -> Done<()> {
        if ends_with(name, "-shm") {
            return Ok(());
        }
        self.changes += 1;
        match self.trouble {
            Trouble::Stop(at) if self.changes >= at => Err(Errno::EIO),
            Trouble::Fault(at) if self.changes == at => Err(Errno::EIO),
            Trouble::Full(at) if self.changes >= at => Err(Errno::ENOSPC),
            _ => Ok(()),
        }
    }

    /// What the files take that somebody can find.
    fn used(&self) -> u64 {
        let found = self.nodes.values().filter_map(|node| match &node.now {
            Body::Folder(names) => Some(names.values()),
            Body::File(_) => None,
        });
        let lengths = found.flatten().filter_map(|id| match &self.nodes.get(id)?.now {
            Body::File(bytes) => Some(bytes.len() as u64),
            Body::Folder(_) => None,
        });
        lengths.sum()
    }

    fn alter(&mut self, id: u64, change: Change) -> Done<()> {
        let name = self.node(id)?.name.clone();
        self.change(&name)?;
        if let (Some(room), Body::File(bytes)) = (self.room, &self.node(id)?.now) {
            let end = match &change {
                Change::Written(at, data) => at + data.len(),
                Change::Resized(length) => *length,
            };
            let more = end.saturating_sub(bytes.len()) as u64;
            if more > 0 && self.used() + more > room {
                return Err(Errno::ENOSPC);
            }
        }
        let node = self.node(id)?;
        let Body::File(bytes) = &mut node.now else { return Err(Errno::EISDIR) };
        change.apply(bytes);
        node.changed = now();
        if is_outside(&name) {
            node.kept = node.now.clone();
        } else {
            node.since.push(change);
        }
        Ok(())
    }

    fn make(&mut self, folder: u64, name: &OsStr, mode: u32, body: Body) -> Done<(u64, FileAttr)> {
        self.change(name)?;
        if self.folder(folder)?.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        self.last += 1;
        let id = self.last;
        let kept = match body {
            Body::File(_) => Body::File(Vec::new()),
            Body::Folder(_) => Body::Folder(BTreeMap::new()),
        };
        let mode = (mode & 0o777) as u16;
        let node = Node { name: name.to_owned(), mode, changed: now(), now: body, kept, since: Vec::new() };
        self.nodes.insert(id, node);
        self.folder(folder)?.insert(name.to_owned(), id);
        if is_outside(name)
            && let Body::Folder(kept) = &mut self.node(folder)?.kept
        {
            kept.insert(name.to_owned(), id);
        }
        Ok((id, self.attributes(id)?))
    }

    fn remove(&mut self, folder: u64, name: &OsStr) -> Done<()> {
        self.change(name)?;
        // Whoever has it open goes on with it, and until the folder is synchronized it may come back.
        self.folder(folder)?.remove(name).map(drop).ok_or(Errno::ENOENT)
    }

    fn rename(&mut self, folder: u64, name: &OsStr, to: u64, new: &OsStr, flags: RenameFlags) -> Done<()> {
        self.change(new)?;
        let id = self.find(folder, name)?;
        if flags.contains(RenameFlags::RENAME_NOREPLACE) && self.find(to, new).is_ok() {
            return Err(Errno::EEXIST);
        }
        self.folder(folder)?.remove(name);
        self.folder(to)?.insert(new.to_owned(), id);
        self.node(id)?.name = new.to_owned();
        Ok(())
    }

    fn synchronize(&mut self, id: u64) -> Done<()> {
        let (name, is_deaf) = (self.node(id)?.name.clone(), self.is_deaf);
        self.change(&name)?;
        if is_deaf && ends_with(&name, "-wal") {
            return Ok(());
        }
        let node = self.node(id)?;
        node.kept = node.now.clone();
        node.since.clear();
        Ok(())
    }

    /// Power fails. With a seed, parts of what was not synchronized are there.
    fn cut(&mut self, seed: Option<u64>) {
        let mut chance = seed.map(Chance);
        for node in self.nodes.values_mut() {
            if let (Some(chance), Body::File(kept)) = (&mut chance, &mut node.kept) {
                node.since
                    .iter()
                    .flat_map(parts)
                    .filter(|_| chance.is_heads())
                    .for_each(|part| part.apply(kept));
            }
            node.now = node.kept.clone();
            node.since.clear();
        }
        self.changes = 0;
        self.trouble = Trouble::None;
    }

    fn attributes(&mut self, id: u64) -> Done<FileAttr> {
        let node = self.node(id)?;
        let (kind, size) = match &node.now {
            Body::File(bytes) => (FileType::RegularFile, bytes.len() as u64),
            Body::Folder(_) => (FileType::Directory, 0),
        };
        Ok(FileAttr {
            ino: INodeNo(id),
            size,
            blocks: size.div_ceil(512),
            atime: node.changed,
            mtime: node.changed,
            ctime: node.changed,
            crtime: node.changed,
            kind,
            perm: node.mode,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4_096,
            flags: 0,
        })
    }
}

#[allow(clippy::disallowed_methods, reason = "the time of a disk")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn ends_with(name: &OsStr, end: &str) -> bool {
    name.as_encoded_bytes().ends_with(end.as_bytes())
}

fn is_outside(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"simulator-ledger")
}

/// A disk writes whole sectors, and those of one write in any order.
fn parts(change: &Change) -> Vec<Change> {
    match change {
        Change::Written(at, data) => {
            let parts = data.chunks(SECTOR).enumerate();
            parts.map(|(nth, part)| Change::Written(at + nth * SECTOR, part.to_vec())).collect()
        }
        Change::Resized(_) => vec![change.clone()],
    }
}

/// Numbers that follow from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn is_heads(&mut self) -> bool {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) & 1 == 1
    }
}

/// The disk as the kernel sees it.
struct Mounted(Arc<Mutex<Disk>>);

impl Mounted {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().expect("nobody panics with the disk in hand")
    }
}

/// Sends what was done, or why it was not.
macro_rules! answer {
    ($reply:ident, $done:expr, $how:expr) => {
        match $done {
            Ok(done) => $how($reply, done),
            Err(error) => $reply.error(error),
        }
    };
}

fn entry(reply: ReplyEntry, attributes: FileAttr) {
    reply.entry(&NOT_REMEMBERED, &attributes, Generation(0));
}

fn attributes(reply: ReplyAttr, attributes: FileAttr) {
    reply.attr(&NOT_REMEMBERED, &attributes);
}

fn nothing(reply: ReplyEmpty, (): ()) {
    reply.ok();
}

impl Filesystem for Mounted {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut disk = self.disk();
        answer!(reply, disk.find(parent.0, name).and_then(|id| disk.attributes(id)), entry);
    }

    fn getattr(&self, _: &Request, id: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        answer!(reply, self.disk().attributes(id.0), attributes);
    }

    fn setattr(
        &self,
        _: &Request,
        id: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut disk = self.disk();
        let resized = size.map_or(Ok(()), |size| disk.alter(id.0, Change::Resized(size as usize)));
        let done = resized.and_then(|()| {
            if let Some(mode) = mode {
                disk.node(id.0)?.mode = (mode & 0o777) as u16;
            }
            disk.attributes(id.0)
        });
        answer!(reply, done, attributes);
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let made = self.disk().make(parent.0, name, mode & !umask, Body::Folder(BTreeMap::new()));
        answer!(reply, made.map(|(_, attributes)| attributes), entry);
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let made = self.disk().make(parent.0, name, mode & !umask, Body::File(Vec::new()));
        answer!(reply, made, |reply: ReplyCreate, (_, attributes): (u64, FileAttr)| {
            reply.created(&NOT_REMEMBERED, &attributes, Generation(0), FileHandle(0), FopenFlags::empty());
        });
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer!(reply, self.disk().remove(parent.0, name), nothing);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer!(reply, self.disk().remove(parent.0, name), nothing);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        to: INodeNo,
        new: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        answer!(reply, self.disk().rename(parent.0, name, to.0, new, flags), nothing);
    }

    fn read(
        &self,
        _: &Request,
        id: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut disk = self.disk();
        match disk.node(id.0).map(|node| &node.now) {
            Ok(Body::File(bytes)) => {
                let start = bytes.len().min(offset as usize);
                reply.data(&bytes[start..bytes.len().min(start + size as usize)]);
            }
            Ok(Body::Folder(_)) => reply.error(Errno::EISDIR),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        id: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = self.disk().alter(id.0, Change::Written(offset as usize, data.to_vec()));
        answer!(reply, written, |reply: ReplyWrite, ()| reply.written(data.len() as u32));
    }

    fn fallocate(
        &self,
        _: &Request,
        id: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        _: i32,
        reply: ReplyEmpty,
    ) {
        answer!(reply, self.disk().alter(id.0, Change::Resized((offset + length) as usize)), nothing);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, id: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer!(reply, self.disk().synchronize(id.0), nothing);
    }

    fn fsyncdir(&self, _: &Request, id: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer!(reply, self.disk().synchronize(id.0), nothing);
    }

    fn readdir(&self, _: &Request, id: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let mut disk = self.disk();
        let names: Vec<(OsString, u64)> = match disk.folder(id.0) {
            Ok(names) => names.iter().map(|(name, id)| (name.clone(), *id)).collect(),
            Err(error) => return reply.error(error),
        };
        let of_itself = [(".".into(), id.0), ("..".into(), ROOT)];
        for (nth, (name, id)) in of_itself.into_iter().chain(names).enumerate().skip(offset as usize) {
            let kind = disk.attributes(id).map_or(FileType::RegularFile, |attributes| attributes.kind);
            if reply.add(INodeNo(id), nth as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        const BLOCKS: u64 = 1 << 20;
        let disk = self.disk();
        let free = disk.room.map_or(BLOCKS, |room| room.saturating_sub(disk.used()) / 4_096);
        reply.statfs(BLOCKS, free, free, BLOCKS, BLOCKS, 4_096, 255, 4_096);
    }
}

/// Does what a line says; the answer is the line to say.
fn obey(line: &str, disk: &mut Disk, saved: &mut Disk) -> Option<String> {
    let (word, number) = line.split_once(' ').unwrap_or((line, "0"));
    let number: u64 = number.parse().ok()?;
    let changes = disk.changes;
    match word {
        "cut" => disk.cut((number > 0).then_some(number)),
        "save" => *saved = disk.clone(),
        "back" => *disk = Disk { changes: 0, trouble: Trouble::None, ..saved.clone() },
        "deaf" => disk.is_deaf = true,
        "room" => disk.room = (number > 0).then_some(number),
        "used" => return Some(disk.used().to_string()),
        "count" => return Some(changes.to_string()),
        "stop" | "fault" | "full" => {
            disk.changes = 0;
            disk.trouble = match (word, number) {
                (_, 0) => Trouble::None,
                ("stop", _) => Trouble::Stop(number),
                ("fault", _) => Trouble::Fault(number),
                _ => Trouble::Full(number),
            };
        }
        _ => return None,
    }
    Some("done".to_owned())
}

/// Takes the disk away. A child that was just forked may hold a file of it for a moment longer.
fn unmount(mounted: BackgroundSession, folder: &Path) -> io::Result<()> {
    const TRIES: usize = 250;
    for _ in 0..TRIES {
        if Command::new("fusermount3").arg("-u").arg(folder).stderr(Stdio::null()).status()?.success() {
            return mounted.join();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    mounted.umount_and_join()
}

fn main() -> io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or(io::ErrorKind::InvalidInput)?);
    let disk = Arc::new(Mutex::new(Disk::new()));
    let mut saved = Disk::new();
    let mount = |folder: &Path| fuser::spawn_mount(Mounted(disk.clone()), folder, &Config::default());
    let mut mounted = mount(&folder)?;
    println!("mounted");
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line == "end" {
            break;
        }
        let mut obey =
            || obey(&line, &mut disk.lock().expect("nobody panics with the disk in hand"), &mut saved);
        let said = if line.starts_with("cut") || line == "back" {
            // The kernel remembers pages of what is no longer so.
            unmount(mounted, &folder)?;
            let said = obey();
            mounted = mount(&folder)?;
            said
        } else {
            obey()
        };
        println!("{}", said.unwrap_or_else(|| "what?".to_owned()));
        io::stdout().flush()?;
    }
    unmount(mounted, &folder)
}
