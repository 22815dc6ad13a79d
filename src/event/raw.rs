//! What a collector hands over: lines of one source, before anything is parsed.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

/// Where lines come from. Cheap to clone; one for each file, listener or upload.
#[derive(Clone, Debug)]
pub struct Source {
    /// What the user sees: the file's path, `stdin`, `syslog+udp://127.0.0.1:514`, `http` …
    pub name: Arc<str>,
    /// The format, if the source names it (`None`: detected by content).
    pub format: Option<Arc<str>>,
    /// Reference for times without a year: the file's modification time, or `None` for arrival. µs UTC.
    pub reference_time: Option<i64>,
    /// The file behind it, when there is one whose offset can be checkpointed.
    pub file: Option<FileIdentity>,
}

/// Identity of a followed file that survives a rename.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// Path at the time it was opened.
    pub path: PathBuf,
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Its first bytes, hashed.
    pub fingerprint: Fingerprint,
}

/// How far into a file the fingerprint reaches, in bytes.
pub const FINGERPRINT_BYTES: usize = 1024;

/// A hash of a file's first bytes: tells a renamed or copied file from another one at its path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// XXH3 (64 bit) of them.
    pub hash: u64,
    /// How many there were, at most [`FINGERPRINT_BYTES`]; 0 for a file that was empty.
    pub length: u32,
}

impl Fingerprint {
    /// The fingerprint of a file that starts with these bytes.
    pub fn of(head: &[u8]) -> Fingerprint {
        let head = &head[..head.len().min(FINGERPRINT_BYTES)];
        Fingerprint { hash: xxhash_rust::xxh3::xxh3_64(head), length: head.len() as u32 }
    }

    /// Whether a file that starts with `head` may be the same one, grown since. An empty fingerprint fits nothing.
    pub fn fits(&self, head: &[u8]) -> bool {
        self.length > 0 && head.get(..self.length as usize).is_some_and(|h| xxhash_rust::xxh3::xxh3_64(h) == self.hash)
    }
}

/// What was made of a block of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events that were archived.
    pub events: u64,
    /// How many of them could not be parsed and were kept as they came.
    pub parse_failures: u64,
    /// Lines that were taken before, under the same id, and are not taken again.
    pub duplicates: u64,
}

/// Who waits for a block to be durable.
#[derive(Debug)]
pub struct Acknowledge {
    waiting: oneshot::Sender<Result<Receipt, String>>,
    /// The block is held until it can be taken, instead of being refused.
    pub is_patient: bool,
    /// A hash of the id that its sender gave the block, and of all of it: see [`Taken`](super::taken::Taken).
    pub id: Option<u128>,
}

impl Acknowledge {
    /// A client that is told when a block is refused, and sends it again, as it does when the answer gets lost.
    pub fn client(waiting: oneshot::Sender<Result<Receipt, String>>, id: Option<u128>) -> Acknowledge {
        Acknowledge { waiting, is_patient: false, id }
    }

    /// A sender that cannot be told anything: its block is held until it can be taken.
    pub fn patient(waiting: oneshot::Sender<Result<Receipt, String>>) -> Acknowledge {
        Acknowledge { waiting, is_patient: true, id: None }
    }

    /// Says that the block would survive power loss, or why it was refused. Gives it back when nobody listens.
    pub fn send(self, answer: Result<Receipt, String>) -> Result<(), Result<Receipt, String>> {
        self.waiting.send(answer)
    }

    /// Whoever waited was told already that the block was not taken: it must not be.
    pub fn is_over(&self) -> bool {
        !self.is_patient && self.waiting.is_closed()
    }
}

/// A block of whole lines from one source.
#[derive(Debug)]
pub struct RawLog {
    /// Where it comes from.
    pub source: Source,
    /// Lines separated by `\n` (a last one may lack it). Never split inside a line.
    pub lines: Bytes,
    /// Byte offset of `lines[0]` in the file; 0 where there is none.
    pub offset: u64,
    /// Arrival, µs UTC.
    pub received: i64,
    /// Who waits for the block to be durable (an HTTP client); `None` where nobody does.
    pub acknowledge: Option<Acknowledge>,
}

impl Source {
    /// A source without a file behind it.
    pub fn stream(name: impl Into<Arc<str>>) -> Source {
        Source { name: name.into(), format: None, reference_time: None, file: None }
    }
}
