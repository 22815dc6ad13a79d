//! What a writer finds in a folder, and how it makes that sound.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::log::{Frame, Frames};
use super::manifest::{Checkpoint, Manifest};
use super::{ArchiveError, layout, repair};

/// What a writer finds when it opens a folder.
pub(super) struct Recovered {
    pub(super) manifest: Manifest,
    /// Segments that are not in Parquet yet; whole and sound.
    pub(super) segments: Vec<u64>,
    /// Number of the next event.
    pub(super) sequence: u64,
    pub(super) checkpoints: BTreeMap<(u64, u64, PathBuf), Checkpoint>,
    pub(super) greatest_time: Option<i64>,
    pub(super) watermark: Option<i64>,
    pub(super) promise: Option<i64>,
    /// Ids that came with the segments, in order.
    pub(super) ids: Vec<u128>,
}

/// Makes a locked folder sound: removes what an interrupted writer left, cuts torn tails off.
pub(super) fn recover(dir: &Path) -> Result<Recovered, ArchiveError> {
    let manifest = match Manifest::load(dir)? {
        Some(manifest) => manifest,
        None => begin(dir)?,
    };
    let known: HashSet<&str> =
        manifest.files.iter().map(|f| f.path.as_str()).chain(manifest.retired.iter().map(String::as_str)).collect();
    layout::sweep(dir, |name| known.contains(name))?;
    let mut recovered = Recovered {
        segments: Vec::new(),
        sequence: manifest.sequence,
        checkpoints: manifest.checkpoints.iter().map(|c| (c.key(), c.clone())).collect(),
        greatest_time: manifest.files.iter().map(|f| f.max_time).max(),
        watermark: manifest.watermark,
        promise: manifest.promise,
        ids: Vec::new(),
        manifest,
    };
    for number in layout::segments(dir)? {
        let path = layout::segment(dir, number);
        if number <= recovered.manifest.archived_through {
            layout::remove(&path)?;
            continue;
        }
        repair::repair(&path)?;
        let mut events = 0;
        for frame in Frames::open(&path)? {
            let Frame { head, ids, .. } = frame?;
            events += head.events;
            recovered.ids.extend(ids);
            recovered.sequence = recovered.sequence.max(head.sequence + head.events);
            recovered.greatest_time = recovered.greatest_time.max(head.max_time);
            recovered.watermark = recovered.watermark.max(head.watermark);
            recovered.promise = recovered.promise.max(head.promise);
            recovered.checkpoints.extend(head.checkpoints.into_iter().map(|c| (c.key(), c)));
        }
        if events > 0 {
            tracing::info!("{events} events of {} go into the archive now", path.display());
        }
        recovered.segments.push(number);
    }
    Ok(recovered)
}

/// The manifest of a new folder, which is written before anything else is: whatever lies there without one is of an archive
/// that lost it.
fn begin(dir: &Path) -> Result<Manifest, ArchiveError> {
    let parts = layout::parts(dir)?;
    if parts > 0 {
        return Err(ArchiveError::Unlisted { dir: dir.to_owned(), parts });
    }
    let manifest = Manifest::default();
    manifest.publish(dir)?;
    Ok(manifest)
}
