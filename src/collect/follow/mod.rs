//! Follows growing files, as `tail -F` does, through rotation and restarts. In: paths and checkpoints.
//! Out: [`RawLog`] blocks.
//!
//! One thread looks at every file several times a second (polling works on every file system). A file is known by
//! its device, inode and first bytes, so that a rename is seen for what it is. Rotation by rename or re-creation: the old
//! file is read to its end, and on until it has been quiet for a while, beside the new one. By copy and
//! truncation: what was written after the last look is taken from the copy. An unfinished last line waits for its newline; it
//! is given out as it is once its file was rotated away.

mod change;
mod resume;
mod rotated;
mod tail;

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::discover::{self, Found, Purpose};
use super::open::{self, Compression};
use super::{Checkpoint, CollectError, Context, Counters};
use crate::event::raw::{FINGERPRINT_BYTES, RawLog};
use resume::Start;
use tail::{Failure, Id, Look, Tail};

/// A file, folder or pattern to follow.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Files in a folder count at any depth. `*`, `?` and `**` make a pattern.
    pub path: PathBuf,
    /// The format, if the user named one.
    pub format: Option<Arc<str>>,
}

/// How to follow.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Pause between looks.
    pub poll: Duration,
    /// Pause between listings of folders.
    pub list: Duration,
    /// How long a file that was rotated away must be quiet before it is let go.
    pub quiet: Duration,
    /// Bytes a block at most (longer where a single line is).
    pub block: usize,
    /// Whether to give out unfinished last lines at the end. Right where no checkpoint is kept; otherwise the
    /// next start reads them whole.
    pub finish_lines: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            poll: Duration::from_millis(100),
            list: Duration::from_secs(1),
            quiet: Duration::from_secs(30),
            block: 1 << 20,
            finish_lines: false,
        }
    }
}

/// Starts following on a thread of its own, which ends when `stop` is cancelled or the channel is closed.
/// Reading goes on at `checkpoints` where their files are still found, under whatever name, and else at the start.
/// When what is to be followed changes, the others are not disturbed, and a file that comes back goes on where it was left.
pub fn follow(
    wanted: watch::Receiver<Vec<Watch>>,
    checkpoints: Vec<Checkpoint>,
    settings: Settings,
    sender: Sender<RawLog>,
    stop: CancellationToken,
    context: Context,
) -> Result<JoinHandle<()>, CollectError> {
    let follower = Follower {
        watches: Vec::new(),
        wanted,
        settings,
        sender,
        stop,
        context,
        tails: Vec::new(),
        known: checkpoints.into_iter().map(|c| (c.id(), c)).collect(),
        packed: HashSet::new(),
        copies: HashMap::new(),
        threads: Vec::new(),
        complaints: HashMap::new(),
    };
    let thread = thread::Builder::new().name("weir-files".to_owned());
    thread.spawn(move || follower.run()).map_err(|source| CollectError::Thread { source })
}

struct Follower {
    watches: Vec<Watch>,
    /// The watches as they are to be.
    wanted: watch::Receiver<Vec<Watch>>,
    settings: Settings,
    sender: Sender<RawLog>,
    stop: CancellationToken,
    context: Context,
    tails: Vec<Tail>,
    /// Where files stood that are not followed now: from the last run, or quiet since they were rotated away.
    known: HashMap<Id, Checkpoint>,
    /// Compressed files that were read, or are being read, by [`Follower::threads`].
    packed: HashSet<Id>,
    /// Files that are copies of a followed one as far as they go: its id, and their own path.
    copies: HashMap<Id, (Id, PathBuf)>,
    threads: Vec<JoinHandle<()>>,
    /// The last failure reported of each path, so that each is reported once.
    complaints: HashMap<PathBuf, String>,
}

/// The channel is closed: nobody wants more.
struct Closed;

impl Follower {
    fn run(mut self) {
        let _ = self.follow();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }

    fn follow(&mut self) -> Result<(), Closed> {
        self.watches = self.wanted.borrow_and_update().clone();
        self.find_moved();
        self.list(true)?;
        let mut listed = Instant::now();
        while !self.stop.is_cancelled() {
            self.change()?;
            let busy = self.look()?;
            self.check_paths()?;
            let due = listed.elapsed() >= self.settings.list;
            if due {
                self.list(false)?;
                listed = Instant::now();
            }
            self.release()?;
            if !busy {
                thread::sleep(self.settings.poll);
            }
        }
        let finish = self.settings.finish_lines;
        for tail in self.tails.iter_mut().filter(|tail| finish || tail.leaving.is_some()) {
            if let Some(rest) = tail.rest() {
                self.sender.blocking_send(rest).map_err(|_| Closed)?;
            }
        }
        Ok(())
    }

    /// Sends what is new in all files; whether some have more.
    fn look(&mut self) -> Result<bool, Closed> {
        let mut busy = false;
        let mut at = 0;
        while at < self.tails.len() {
            match look_at(&mut self.tails[at], &self.sender, &self.context) {
                Ok(Look::Quiet) => {}
                Ok(Look::Sent { more }) => {
                    busy |= more;
                    let tail = &mut self.tails[at];
                    tail.leaving = tail.leaving.map(|_| Instant::now());
                }
                Ok(Look::Truncated { rest }) => {
                    busy = true;
                    self.truncated(at, rest.map(|rest| *rest))?;
                }
                Err(Failure::Stopped) => return Err(Closed),
                Err(Failure::Read(source)) => {
                    let tail = self.tails.remove(at);
                    self.known.insert(tail.id, tail.checkpoint());
                    self.complain(CollectError::Read { path: tail.path.clone(), source }, &tail.path);
                    continue;
                }
            }
            at += 1;
        }
        Ok(busy)
    }

    /// A file was emptied: what it still had is in the copy that rotation made, if there is one.
    fn truncated(&mut self, at: usize, rest: Option<RawLog>) -> Result<(), Closed> {
        let checkpoint = self.tails[at].checkpoint();
        let format = self.tails[at].format.clone();
        let taken = self.find_copy(&checkpoint, format);
        if let Some(rest) = rest.filter(|_| !taken) {
            self.sender.blocking_send(rest).map_err(|_| Closed)?;
        }
        if let Err(source) = self.tails[at].restart(self.settings.block) {
            let path = self.tails[at].path.clone();
            self.complain(CollectError::Read { path: path.clone(), source }, &path);
        }
        Ok(())
    }

    /// Reads on in the file that took a checkpoint's place, under the old name; whether it could be opened.
    fn take_over(&mut self, checkpoint: &Checkpoint, place: rotated::Place, format: Option<Arc<str>>) -> bool {
        if place.packed {
            self.read_packed(&place.path, id_of(&place), checkpoint.offset, format);
            return true;
        }
        let names = (place.path.clone(), checkpoint.path.clone());
        let opened = File::open(&place.path).and_then(|file| {
            Tail::new(names, file, checkpoint.offset, checkpoint.print(), format, self.settings.block)
        });
        match opened {
            Ok(mut tail) => {
                tail.leaving = Some(Instant::now());
                self.tails.push(tail);
                true
            }
            Err(source) => {
                self.complain(CollectError::Read { path: place.path.clone(), source }, &place.path);
                false
            }
        }
    }

    /// Notices files that their paths no longer lead to, and takes up what stands there instead.
    fn check_paths(&mut self) -> Result<(), Closed> {
        let mut replaced = Vec::new();
        for tail in self.tails.iter_mut().filter(|tail| tail.leaving.is_none()) {
            match fs::metadata(&tail.path) {
                Ok(meta) if (meta.dev(), meta.ino()) == tail.id => {}
                Ok(_) => {
                    tail.leaving = Some(Instant::now());
                    replaced.push((tail.path.clone(), tail.format.clone()));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => tail.leaving = Some(Instant::now()),
                // A folder on the way that became unreadable says nothing about the file.
                Err(_) => {}
            }
        }
        for (path, format) in replaced {
            self.admit(&Found { path, named: true }, format, false)?;
        }
        let named = self.watches.iter().filter(|watch| is_single(&watch.path));
        let named: Vec<Watch> = named.cloned().collect();
        for watch in named {
            self.admit(&Found { path: watch.path, named: true }, watch.format, false)?;
        }
        Ok(())
    }

    /// Takes up new files. At the `start`, those with a checkpoint of their own come first, so that none is mistaken for another's copy.
    fn list(&mut self, start: bool) -> Result<(), Closed> {
        let mut files = Vec::new();
        for watch in self.watches.clone() {
            if !start && is_single(&watch.path) {
                continue;
            }
            let (found, errors) = discover::expand(&watch.path, Purpose::Follow);
            files.extend(found.into_iter().map(|found| (found, watch.format.clone())));
            for error in errors {
                self.complain(error, &watch.path);
            }
        }
        let known = |found: &Found| {
            fs::metadata(&found.path).is_ok_and(|meta| self.known.contains_key(&(meta.dev(), meta.ino())))
        };
        files.sort_by_cached_key(|(found, _)| !known(found));
        for (found, format) in files {
            self.admit(&found, format, start)?;
        }
        Ok(())
    }

    /// Takes up a file, unless it is followed already, was read to its end, or is a copy in the making.
    fn admit(&mut self, found: &Found, format: Option<Arc<str>>, start: bool) -> Result<(), Closed> {
        let path = &found.path;
        if self.tails.iter().any(|tail| tail.leaving.is_none() && tail.path == *path) {
            return Ok(());
        }
        match self.open(found, format, start) {
            Ok(Some(tail)) => {
                self.complaints.remove(path);
                self.known.remove(&tail.id);
                self.tails.push(tail);
            }
            Ok(None) => {}
            Err(error) => self.complain(error, path),
        }
        Ok(())
    }

    fn open(&mut self, found: &Found, format: Option<Arc<str>>, start: bool) -> Result<Option<Tail>, CollectError> {
        let path = &found.path;
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => CollectError::Awaited { path: path.clone() },
            _ => CollectError::Read { path: path.clone(), source },
        };
        let meta = fs::metadata(path).map_err(failed)?;
        let id = (meta.dev(), meta.ino());
        if meta.is_dir() || self.packed.contains(&id) {
            return Ok(None);
        }
        // Checked before opening: opening a pipe waits for its writer.
        if !meta.is_file() {
            return Err(CollectError::NotRegular { path: path.clone() });
        }
        if let Some(tail) = self.tails.iter_mut().find(|tail| tail.id == id) {
            if tail.path == *path {
                tail.leaving = None;
            }
            return Ok(None);
        }
        let file = File::open(path).map_err(failed)?;
        let mut head = [0; FINGERPRINT_BYTES];
        let length = open::read_head(&file, &mut head).map_err(failed)?;
        let head = &head[..length];
        if open::compression(path, head)? != Compression::Plain {
            if found.named {
                let text = open::text_head(path)?;
                let from = self.known.get(&id).filter(|c| c.print().fits(&text)).map_or(0, |c| c.offset);
                self.read_packed(path, id, from, format);
            }
            return Ok(None);
        }
        let (offset, print) = match self.start_of(path, id, &file, head, start) {
            Start::At(offset, print) => (offset, print),
            Start::Copy => return Ok(None),
        };
        // A rotated file that was read to its end and let go stays so; a live one is held open, to see its rotation.
        if !start && !found.named && offset > 0 && offset == meta.len() {
            return Ok(None);
        }
        let names = (path.clone(), path.clone());
        Tail::new(names, file, offset, print, format, self.settings.block).map(Some).map_err(failed)
    }

    /// Lets go of files that were rotated away and have been quiet since.
    fn release(&mut self) -> Result<(), Closed> {
        let quiet = self.settings.quiet;
        let mut at = 0;
        while at < self.tails.len() {
            if self.tails[at].leaving.is_none_or(|since| since.elapsed() < quiet) {
                at += 1;
                continue;
            }
            let mut tail = self.tails.remove(at);
            if let Some(rest) = tail.rest() {
                self.sender.blocking_send(rest).map_err(|_| Closed)?;
            }
            self.known.insert(tail.id, tail.checkpoint());
        }
        Ok(())
    }

    fn complain(&mut self, error: CollectError, path: &Path) {
        let text = error.to_string();
        if self.complaints.get(path) != Some(&text) {
            self.context.failed(&error);
            self.complaints.insert(path.to_owned(), text);
        }
    }
}

fn look_at(tail: &mut Tail, sender: &Sender<RawLog>, context: &Context) -> Result<Look, Failure> {
    let mut cuts = 0;
    let mut send = |raw| sender.blocking_send(raw).map_err(|_| Failure::Stopped);
    let look = tail.look(&mut send, &mut cuts);
    Counters::add(&context.counters.split_lines, cuts);
    if cuts > 0 {
        tracing::warn!("{}: a line longer than 16 MiB was cut", tail.path.display());
    }
    look
}

fn id_of(place: &rotated::Place) -> Id {
    (place.meta.dev(), place.meta.ino())
}

/// Whether a path means one file, there or not, rather than a folder or a pattern.
fn is_single(path: &Path) -> bool {
    !path.is_dir() && (path.exists() || !discover::is_pattern(path))
}

#[cfg(test)]
mod tests;
