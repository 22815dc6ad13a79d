//! Finite inputs straight to Parquet, without the log. Nothing is visible before [`BulkWriter::finish`].

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::manifest::{Checkpoint, Manifest};
use super::part::Encoding;
use super::sink::Sink;
use super::{ArchiveError, layout, recover};
use crate::event::EventBatch;

/// Writes many events in bounded memory and publishes them in one step.
pub struct BulkWriter {
    dir: PathBuf,
    manifest: Manifest,
    next_file: Arc<AtomicU64>,
    sink: Sink,
    _lock: File,
}

impl BulkWriter {
    /// Opens a data folder for writing; makes it when there is none.
    pub fn open(dir: &Path) -> Result<BulkWriter, ArchiveError> {
        BulkWriter::with_encoding(dir, Encoding::default())
    }

    /// The same, encoding as told.
    pub fn with_encoding(dir: &Path, encoding: Encoding) -> Result<BulkWriter, ArchiveError> {
        let lock = layout::lock(dir)?;
        let recovered = recover::recover(dir)?;
        let manifest = recovered.manifest;
        let next_file = Arc::new(AtomicU64::new(manifest.next_file));
        let sink = Sink::new(dir, encoding, next_file.clone(), recovered.sequence);
        Ok(BulkWriter { dir: dir.to_owned(), manifest, next_file, sink, _lock: lock })
    }

    /// Takes a batch.
    pub fn append(&mut self, batch: &EventBatch) -> Result<(), ArchiveError> {
        self.sink.push(batch)
    }

    /// Notes how far files were read, for whoever follows them later.
    pub fn reached(&mut self, checkpoints: Vec<Checkpoint>) {
        let reached: HashSet<_> = checkpoints.iter().map(Checkpoint::key).collect();
        self.manifest.checkpoints.retain(|known| !reached.contains(&known.key()));
        self.manifest.checkpoints.extend(checkpoints);
    }

    /// Writes what is left and publishes all of it. A writer that is dropped instead leaves nothing visible.
    pub fn finish(mut self) -> Result<(), ArchiveError> {
        let sequence = self.sink.sequence();
        let files = self.sink.finish()?;
        self.manifest.next_file = self.next_file.load(Ordering::Relaxed);
        self.manifest.files.extend(files);
        self.manifest.sequence = sequence;
        self.manifest.publish(&self.dir)
    }
}
