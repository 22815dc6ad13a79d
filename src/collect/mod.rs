//! Collectors: bytes from the world in, [`RawLog`](crate::event::raw::RawLog) blocks of whole lines out.
//!
//! One file a source: [`mod@file`] reads files once, [`follow`] keeps up with growing and rotating ones,
//! [`stdin`] and [`syslog`] take live streams, [`generate`] makes synthetic logs. Nothing is parsed
//! here. Blocks go out over a bounded channel, so that a slow engine slows the readers (and, over
//! TCP, the senders) instead of filling memory. `open`, `lines`, `discover` and `live` are the
//! parts they share.

mod discover;
mod error;
pub mod file;
pub mod follow;
pub mod generate;
mod lines;
mod live;
mod open;
pub mod stdin;
pub mod syslog;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::raw::{FileIdentity, Fingerprint};

pub use discover::{Found, Purpose, expand};
pub use error::CollectError;

/// A longer line is handed on in pieces of this size, in bytes, so that memory stays bounded whatever a file holds.
pub const MAX_LINE: usize = 16 << 20;

/// Where reading a file goes on after a restart. Several may carry one path: a file that was rotated away keeps its own
/// by (device, inode), so remember them by that pair and not by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Path it was read under.
    pub path: PathBuf,
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// How much of it is durable, in bytes (of the decompressed text for a compressed file).
    pub offset: u64,
    /// XXH3 (64 bit) of its first `fingerprint_len` bytes.
    pub fingerprint: u64,
    /// How many bytes the fingerprint covers, at most 1 KiB.
    pub fingerprint_len: u32,
}

impl Checkpoint {
    /// The checkpoint that says everything before `offset` is durable.
    pub fn new(file: &FileIdentity, offset: u64) -> Checkpoint {
        Checkpoint {
            path: file.path.clone(),
            device: file.device,
            inode: file.inode,
            offset,
            fingerprint: file.fingerprint.hash,
            fingerprint_len: file.fingerprint.length,
        }
    }

    fn print(&self) -> Fingerprint {
        Fingerprint { hash: self.fingerprint, length: self.fingerprint_len }
    }

    fn id(&self) -> (u64, u64) {
        (self.device, self.inode)
    }
}

/// What went wrong or was bent while collecting; shared by the collectors of a process and shown by metrics.
#[derive(Debug, Default)]
pub struct Counters {
    /// Cuts made in lines longer than [`MAX_LINE`] (files) or the longest message (syslog).
    pub split_lines: AtomicU64,
    /// Files, folders and streams that could not be read.
    pub failures: AtomicU64,
    /// TCP connections refused because too many were open.
    pub refused_connections: AtomicU64,
    /// Connections whose octet counts did not add up, read as lines from there on.
    pub framing_errors: AtomicU64,
}

impl Counters {
    fn add(counter: &AtomicU64, n: u64) {
        if n > 0 {
            counter.fetch_add(n, Ordering::Relaxed);
        }
    }
}

/// What all collectors of a process are given: who hears of failures, and the counters.
#[derive(Clone)]
pub struct Context {
    /// Called for each failure, once as long as it lasts.
    pub report: Arc<dyn Fn(&CollectError) + Send + Sync>,
    /// Counted here.
    pub counters: Arc<Counters>,
}

impl Default for Context {
    /// Failures go to the log as warnings.
    fn default() -> Context {
        Context { report: Arc::new(|error| tracing::warn!("{error}")), counters: Arc::default() }
    }
}

impl Context {
    fn failed(&self, error: &CollectError) {
        Counters::add(&self.counters.failures, 1);
        (self.report)(error);
    }
}
