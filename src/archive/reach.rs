//! How far time is in an archive: what absence in its events is decided by.

use std::path::Path;

use super::layout;
use super::log::Frames;
use super::manifest::Manifest;
use super::{ArchiveError, read};

/// Time of the latest event in a data folder, µs; `None` when there is no archive, or an empty one.
pub fn greatest_time(dir: &Path) -> Result<Option<i64>, ArchiveError> {
    match read::snapshot(dir) {
        Ok(held) => {
            let stored = held.files().iter().filter(|f| f.rows > 0).map(|f| f.max_time).max();
            let logged = held.tail()?.iter().filter_map(|batch| batch.times().iter().copied().max()).max();
            Ok(stored.max(logged))
        }
        Err(ArchiveError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How far time is at the end of an archive, µs: the watermark of the last durable commit where a live run wrote it, or
/// else just past its latest event. `None` for what is no data folder.
pub fn end_of_time(dir: &Path) -> Result<Option<i64>, ArchiveError> {
    if !layout::manifest(dir).exists() {
        return Ok(None);
    }
    let Some(manifest) = Manifest::load(dir)? else { return Ok(None) };
    let mut watermark = manifest.watermark;
    for number in layout::segments(dir)?.into_iter().filter(|n| *n > manifest.archived_through) {
        match Frames::open(&layout::segment(dir, number)) {
            Ok(frames) => {
                for frame in frames {
                    watermark = watermark.max(frame?.head.watermark);
                }
            }
            // It became Parquet meanwhile; the manifest said so, or says so now.
            Err(_) if !layout::segment(dir, number).exists() => {
                watermark = watermark.max(Manifest::load(dir)?.and_then(|m| m.watermark));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(watermark.or(greatest_time(dir)?.map(|t| t.saturating_add(1))))
}
