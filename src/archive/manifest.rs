//! The manifest: which Parquet files count, which log segments became files, how far each source was read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{ArchiveError, layout};
use crate::event::raw::RawLog;

const FORMAT: u32 = 1;

/// What an archive consists of. Log segments after [`Manifest::archived_through`] count too.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    format: u32,
    /// The live Parquet files, in the order in which they were published.
    pub files: Vec<StoredFile>,
    /// Number of the next Parquet file; never used twice.
    pub next_file: u64,
    /// Log segments up to this number are in Parquet.
    pub archived_through: u64,
    /// How many events were accepted before the segments that still count.
    pub sequence: u64,
    /// Where sources were when the last segment became Parquet.
    pub checkpoints: Vec<Checkpoint>,
    /// The watermark at that time, µs, if a live run wrote the archive.
    #[serde(default)]
    pub watermark: Option<i64>,
    /// Events from this time on were what the running rules still needed, µs, if any ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) needed: Option<i64>,
    /// Events up to this time may have been removed, µs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expired: Option<i64>,
    /// Files that no longer count, and are removed once nobody reads them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) retired: Vec<String>,
    /// From when on this process still took events at that time, µs, if it was one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise: Option<i64>,
}

/// One live Parquet file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Path, relative to the data folder.
    pub path: String,
    /// Events in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Time of its earliest event, µs UTC.
    pub min_time: i64,
    /// Time of its latest event, µs UTC.
    pub max_time: i64,
    /// Its events were accepted not before the one of this number (from 0) …
    pub min_sequence: u64,
    /// … and not after this one.
    pub max_sequence: u64,
    /// How many of them are of which `event.dataset` (empty: of none); `None` where it was not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datasets: Option<BTreeMap<String, u64>>,
}

/// How far a file was read, made durable together with the events that were read from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Name of the source.
    pub source: String,
    /// Path of the file when it was opened.
    pub path: PathBuf,
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// All lines before this byte are archived.
    pub offset: u64,
    /// xxh3 of the file's first [`Checkpoint::fingerprint_len`] bytes: another file may get the same inode.
    pub fingerprint: u64,
    /// How many bytes were fingerprinted.
    pub fingerprint_len: u32,
}

impl Checkpoint {
    /// Behind a block; `None` when it is of no file.
    pub(crate) fn behind(block: &RawLog) -> Option<Checkpoint> {
        let file = block.source.file.as_ref()?;
        Some(Checkpoint {
            source: block.source.name.to_string(),
            path: file.path.clone(),
            device: file.device,
            inode: file.inode,
            offset: block.offset + block.lines.len() as u64,
            fingerprint: file.fingerprint.hash,
            fingerprint_len: file.fingerprint.length,
        })
    }

    /// What tells one file from another.
    pub(crate) fn key(&self) -> (u64, u64, PathBuf) {
        (self.device, self.inode, self.path.clone())
    }
}

impl Default for Manifest {
    fn default() -> Manifest {
        Manifest {
            format: FORMAT,
            files: Vec::new(),
            next_file: 1,
            archived_through: 0,
            sequence: 0,
            checkpoints: Vec::new(),
            watermark: None,
            needed: None,
            expired: None,
            retired: Vec::new(),
            promise: None,
        }
    }
}

impl Manifest {
    /// The manifest of a data folder; `None` when there is none yet.
    pub fn load(dir: &Path) -> Result<Option<Manifest>, ArchiveError> {
        let path = layout::manifest(dir);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ArchiveError::io("read", &path)(error)),
        };
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let why = "without it nobody knows which events count; nothing was changed";
        let damaged = |e: serde_json::Error| ArchiveError::Needed { path: path.clone(), what: e.to_string(), why };
        let Head { format } = serde_json::from_slice(&text).map_err(damaged)?;
        if format > FORMAT {
            return Err(ArchiveError::Version { path, found: format, known: FORMAT });
        }
        serde_json::from_slice(&text).map(Some).map_err(damaged)
    }

    /// Makes this the manifest of the folder, in one step.
    pub(super) fn publish(&self, dir: &Path) -> Result<(), ArchiveError> {
        let text = serde_json::to_vec(self).expect("a manifest has text keys only");
        layout::replace(&layout::manifest(dir), &text)
    }
}
