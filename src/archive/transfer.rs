//! Export and import: events from one archive, or from Parquet files of one, into another, each of them once.
//!
//! Ids tell whether an event is there already, so that a copy that was broken off, or is made twice, does no harm. Days are
//! copied one after the other: the ids of a day are held in memory, 16 bytes each.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use hashbrown::HashSet;
use rustc_hash::FxBuildHasher;

use super::{ArchiveError, BulkWriter, Reader, layout, read};
use crate::event::field;
use crate::event::time::DAY;
use crate::event::{EventBatch, EventId};

/// Which events are copied; all by default.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Times, µs.
    pub range: RangeInclusive<i64>,
    /// Values of `event.dataset`; all when there are none.
    pub datasets: BTreeSet<String>,
}

impl Default for Selection {
    fn default() -> Selection {
        Selection { range: i64::MIN..=i64::MAX, datasets: BTreeSet::new() }
    }
}

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Events that are new there.
    pub events: u64,
    /// Events that were there already.
    pub known: u64,
}

/// Copies events from data folders or Parquet files into a data folder, which is made when there is none. Nothing of it is
/// visible before all is there. `progress` is told how many events were looked at.
pub fn copy(
    sources: &[PathBuf],
    target: &Path,
    selection: &Selection,
    progress: &dyn Fn(u64),
) -> Result<Copied, ArchiveError> {
    let open = |range: RangeInclusive<i64>| -> Result<Vec<Reader>, ArchiveError> {
        sources.iter().map(|source| read(source, None, range.clone())).collect()
    };
    let days = days(sources, &selection.range)?;
    let mut writer = BulkWriter::open(target)?;
    let (mut copied, mut looked) = (Copied::default(), 0);
    for day in days {
        let first = (*selection.range.start()).max(day.saturating_mul(DAY));
        let last = (*selection.range.end()).min((day + 1).saturating_mul(DAY) - 1);
        let mut known = ids(target, first..=last)?;
        for batch in open(first..=last)?.into_iter().flatten() {
            let batch = batch?;
            looked += batch.len() as u64;
            progress(looked);
            let wanted = chosen(batch, &selection.datasets);
            let new: Vec<u32> = (0..wanted.len() as u32).filter(|row| known.insert(wanted.id(*row as usize))).collect();
            copied.events += new.len() as u64;
            copied.known += (wanted.len() - new.len()) as u64;
            writer.append(&if new.len() == wanted.len() { wanted } else { wanted.take(&new) })?;
        }
    }
    writer.finish()?;
    Ok(copied)
}

/// The days on which there are events of these times, ascending.
fn days(sources: &[PathBuf], range: &RangeInclusive<i64>) -> Result<BTreeSet<i64>, ArchiveError> {
    let mut days = BTreeSet::new();
    for source in sources {
        for batch in read(source, Some(&BTreeSet::new()), range.clone())? {
            days.extend(batch?.times().iter().map(|time| time.div_euclid(DAY)));
        }
    }
    Ok(days)
}

/// The ids of a data folder's events of these times.
fn ids(target: &Path, range: RangeInclusive<i64>) -> Result<HashSet<EventId, FxBuildHasher>, ArchiveError> {
    let mut ids = HashSet::default();
    if layout::manifest(target).exists() {
        for batch in read(target, Some(&BTreeSet::new()), range)? {
            let batch = batch?;
            ids.extend((0..batch.len()).map(|row| batch.id(row)));
        }
    }
    Ok(ids)
}

fn chosen(batch: EventBatch, datasets: &BTreeSet<String>) -> EventBatch {
    if datasets.is_empty() {
        return batch;
    }
    let of = |row: u32| batch.text(field::EVENT_DATASET, row as usize).is_some_and(|d| datasets.contains(d));
    let rows: Vec<u32> = (0..batch.len() as u32).filter(|row| of(*row)).collect();
    batch.take(&rows)
}
