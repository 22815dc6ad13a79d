//! What came of work beside the log counts once the manifest says so.
//!
//! In: the manifest as it was when the work began, and what was done. Out: the manifest of the folder from now on. All of it
//! happens on the thread that did the work: a disk that takes its time over a name or a removal keeps no event waiting.
//!
//! INVARIANT: one thing is done at a time, so nobody else changes the manifest meanwhile.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::background::{Done, Failed, Reached, Task};
use super::holds::Holds;
use super::manifest::Manifest;
use super::taken::TakenLog;
use super::{ArchiveError, layout};

/// What publishing goes by.
pub(super) struct Known {
    pub(super) dir: PathBuf,
    /// As it is until now.
    pub(super) manifest: Arc<Manifest>,
    /// Events from this time on are needed by what runs, µs; the greatest number where nobody says so.
    pub(super) needed: Arc<AtomicI64>,
    pub(super) next_file: Arc<AtomicU64>,
    pub(super) taken: Arc<Mutex<TakenLog>>,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Published {
    /// The manifest; `None` where it stayed as it was.
    pub(super) manifest: Option<Manifest>,
    /// Whether something changed, and there may be more to do.
    pub(super) changes: bool,
    /// A file that cannot be put in order, and why.
    pub(super) failed: Option<Failed>,
    /// Why it could not be published.
    pub(super) error: Option<ArchiveError>,
}

/// Makes what was done count. After an error nothing of it counts for those who go on; what the folder says is for the next start.
pub(super) fn publish(known: &Known, task: Task, mut done: Done) -> Result<Published, ArchiveError> {
    let (changes, failed) = (done.changes(), done.failed.take());
    // Nobody makes a hold between the look at them and the removal.
    let removes = task == Task::Tidy && !done.replaced.is_empty();
    let _holds = if removes { Some(Holds::alone(&known.dir)?) } else { None };
    if removes && Holds::load(&known.dir)? != done.holds {
        done.files.iter().try_for_each(|file| layout::remove(&known.dir.join(&file.path)))?;
        return Ok(Published { changes: true, ..Published::default() });
    }
    match task {
        Task::Tidy | Task::Clear if !changes => {
            return Ok(Published { changes: failed.is_some(), failed, ..Published::default() });
        }
        Task::Tidy | Task::Clear => {}
        Task::Convert(number) => {
            known.taken.lock().unwrap_or_else(PoisonError::into_inner).keep(number, &done.ids)?;
        }
    }
    let mut manifest = after(&known.manifest, task, done);
    manifest.next_file = known.next_file.load(Ordering::Relaxed);
    manifest.needed = Some(known.needed.load(Ordering::Relaxed)).filter(|needed| *needed < i64::MAX);
    if let Err(error) = manifest.publish(&known.dir) {
        return Ok(Published { failed, error: Some(error), ..Published::default() });
    }
    if let Task::Convert(number) = task
        && let Err(error) = layout::remove(&layout::segment(&known.dir, number))
    {
        tracing::warn!("{error}; its events are in Parquet and count once, and it is removed at the next start");
    }
    Ok(Published { manifest: Some(manifest), changes, failed, error: None })
}

/// What the manifest says after some work.
fn after(before: &Manifest, task: Task, done: Done) -> Manifest {
    let mut manifest = before.clone();
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
    manifest
}
