//! What came of work beside the log counts once the manifest says so.
//!
//! In: the manifest as it was when the work began, and what was done. Out: the manifest that is in the folder now. All of it
//! happens on the thread that did the work: a disk that takes its time over a name or a removal keeps no event waiting.
//!
//! INVARIANT: one thing is done at a time, so nobody else changes the manifest meanwhile.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::background::{Done, Failed, Reached, Task};
use super::holds::Holds;
use super::manifest::{Manifest, StoredFile};
use super::taken::TakenLog;
use super::{ArchiveError, layout};

/// What is known when the work begins.
pub(super) struct Publisher {
    pub(super) dir: PathBuf,
    pub(super) manifest: Manifest,
    /// Events from this time on are needed by what runs, µs.
    pub(super) needed: Option<i64>,
    pub(super) next_file: Arc<AtomicU64>,
    pub(super) taken: Arc<Mutex<TakenLog>>,
}

/// What the folder says afterwards.
#[derive(Default)]
pub(super) struct Published {
    /// The manifest; `None` where it stayed as it was.
    pub(super) manifest: Option<Manifest>,
    /// Whether something changed, and there may be more to do.
    pub(super) changes: bool,
    /// A file that cannot be put in order, and why.
    pub(super) failed: Option<Failed>,
    /// Why a segment that became Parquet is still there. It counts no more.
    pub(super) left: Option<ArchiveError>,
}

impl Publisher {
    /// Makes what was done count, or else nothing of it: after an error the manifest is the one before.
    pub(super) fn publish(self, task: Task, done: Done) -> Result<Published, ArchiveError> {
        let changes = done.changes();
        // Nobody makes a hold between the look at them and the removal.
        let removes = task == Task::Tidy && !done.replaced.is_empty();
        let _holds = if removes { Some(Holds::alone(&self.dir)?) } else { None };
        if removes && Holds::load(&self.dir)? != done.holds {
            self.abandon(&done.files)?;
            return Ok(Published { changes: true, ..Published::default() });
        }
        if let Task::Convert(number) = task {
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).keep(number, &done.ids)?;
        } else if !changes {
            return Ok(Published { changes: done.failed.is_some(), failed: done.failed, ..Published::default() });
        }
        let failed = done.failed;
        let mut manifest = self.manifest;
        manifest.next_file = self.next_file.load(Ordering::Relaxed);
        manifest.needed = self.needed;
        manifest.expired = manifest.expired.max(done.expired);
        if done.cleared {
            manifest.retired.clear();
        }
        manifest.files.retain(|f| !done.replaced.contains(&f.path));
        manifest.retired.extend(done.replaced);
        for file in &mut manifest.files {
            file.datasets = done.counted.get(&file.path).or(file.datasets.as_ref()).cloned();
        }
        manifest.files.extend(done.files);
        if let Task::Convert(number) = task {
            let Reached { sequence, checkpoints, watermark, promise } = done.reached;
            manifest.archived_through = number;
            manifest.sequence = manifest.sequence.max(sequence);
            let mut all: BTreeMap<_, _> = manifest.checkpoints.drain(..).map(|c| (c.key(), c)).collect();
            all.extend(checkpoints.into_iter().map(|c| (c.key(), c)));
            manifest.checkpoints = all.into_values().collect();
            manifest.watermark = manifest.watermark.max(watermark);
            manifest.promise = manifest.promise.max(promise);
        }
        manifest.publish(&self.dir)?;
        let left = match task {
            Task::Convert(number) => layout::remove(&layout::segment(&self.dir, number)).err(),
            Task::Tidy | Task::Clear => None,
        };
        Ok(Published { manifest: Some(manifest), changes, failed, left })
    }

    /// Removes new files that are not to be listed.
    fn abandon(&self, files: &[StoredFile]) -> Result<(), ArchiveError> {
        files.iter().try_for_each(|file| layout::remove(&self.dir.join(&file.path)))
    }
}
