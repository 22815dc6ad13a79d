//! What a collector hands over: lines of one source, before anything is parsed.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

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
}

/// What was made of a block of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events that were archived.
    pub events: u64,
    /// How many of them could not be parsed and were kept as they came.
    pub parse_failures: u64,
}

/// Told once the block would survive power loss, or why it was refused.
pub type Acknowledge = tokio::sync::oneshot::Sender<Result<Receipt, String>>;

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
