//! Few large files in the place of many small ones.
//!
//! Live events become a file every few minutes. Files of a day are merged eight at a time once there are eight of
//! about the same size, so that an event is written again as often as its day has powers of eight; what is left of a day that
//! is long over, and to which nothing was added for a while, is merged too. No file gets events of before
//! and of after a change of lists: they are judged by the lists of their time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::manifest::StoredFile;
use super::remote::Cache;
use super::sink::Sink;
use super::{ArchiveError, read};
use crate::event::time::{DAY, SECOND};
use crate::event::{EventBatch, field};

/// Files of a size that are merged.
const FAN_IN: usize = 8;
/// Files below this many rows are of one size; from there on each size is eight times the one before.
const LEAST_ROWS: u64 = 4 << 10;
/// A file of so many rows or bytes is left as it is …
const FULL_ROWS: u64 = 1 << 20;
const FULL_BYTES: u64 = 256 << 20;
/// … and no merge takes more than this.
const MOST_ROWS: u64 = 2 << 20;
const MOST_BYTES: u64 = 512 << 20;
/// For so long nothing must have been added to a day that is over before what is left of it is merged, µs.
const QUIET: i64 = 6 * 3600 * SECOND;

/// The files to merge next, if there are any. `cuts` are the numbers of the first events after changes of lists, ascending;
/// `age` says how long ago a file was written, µs.
pub(super) fn plan(
    files: &[StoredFile],
    cuts: &[u64],
    now: i64,
    age: &dyn Fn(&StoredFile) -> i64,
) -> Option<Vec<StoredFile>> {
    let mut groups: BTreeMap<(i64, usize), Vec<&StoredFile>> = BTreeMap::new();
    for file in files.iter().filter(|f| f.rows < FULL_ROWS && f.bytes < FULL_BYTES) {
        let span = cuts.partition_point(|cut| *cut <= file.min_sequence);
        groups.entry((file.min_time.div_euclid(DAY), span)).or_default().push(file);
    }
    for ((day, _), mut group) in groups {
        group.sort_by_key(|f| f.min_sequence);
        for tier in group.iter().map(|f| tier(f)).collect::<BTreeSet<_>>() {
            let alike = group.iter().copied().filter(|f| self::tier(f) == tier);
            let merged = fitting(alike.take(FAN_IN));
            if merged.len() == FAN_IN || (merged.len() > 1 && is_full(&merged)) {
                return Some(merged);
            }
        }
        let over = (day + 2).saturating_mul(DAY) <= now;
        if over && group.len() > 1 && group.iter().all(|f| age(f) >= QUIET) {
            let merged = fitting(group.into_iter());
            if merged.len() > 1 {
                return Some(merged);
            }
        }
    }
    None
}

fn tier(file: &StoredFile) -> u32 {
    (file.rows / LEAST_ROWS).max(1).ilog2() / FAN_IN.ilog2()
}

fn is_full(files: &[StoredFile]) -> bool {
    let rows: u64 = files.iter().map(|f| f.rows).sum();
    let bytes: u64 = files.iter().map(|f| f.bytes).sum();
    rows >= FULL_ROWS || bytes >= FULL_BYTES
}

/// The first files that make no more than a merge takes.
fn fitting<'f>(files: impl Iterator<Item = &'f StoredFile>) -> Vec<StoredFile> {
    let (mut rows, mut bytes) = (0, 0);
    let fits = |file: &&StoredFile| {
        rows += file.rows;
        bytes += file.bytes;
        rows <= MOST_ROWS && bytes <= MOST_BYTES
    };
    files.take_while(fits).cloned().collect()
}

/// Writes the events of some files anew, without those of the given datasets. Returns nothing when it was told to stop; what was
/// written then is swept away when the folder is opened the next time.
pub(super) fn rewrite(
    dir: &Path,
    old: &[StoredFile],
    without: &BTreeSet<String>,
    mut sink: Sink,
    stop: &AtomicBool,
) -> Result<Option<Vec<StoredFile>>, ArchiveError> {
    let mut old: Vec<&StoredFile> = old.iter().collect();
    old.sort_by_key(|f| f.min_time);
    let mut kept = 0;
    Cache::of(dir)?.present(old.iter().map(|f| f.path.as_str()))?;
    for file in &old {
        let path = dir.join(&file.path);
        if !path.exists() {
            return Err(ArchiveError::Lost(path));
        }
        let mut rows = 0;
        for batch in read::read(&path, None, i64::MIN..=i64::MAX)? {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let batch = batch?;
            rows += batch.len() as u64;
            let batch = leave_out(batch, without);
            kept += batch.len() as u64;
            sink.push(&batch)?;
        }
        if rows != file.rows {
            let what = format!("it holds {rows} events and should hold {}", file.rows);
            return Err(ArchiveError::Listed { path, what });
        }
    }
    let mut new = sink.finish()?;
    let written: u64 = new.iter().map(|f| f.rows).sum();
    if written != kept {
        let what = format!("{written} of {kept} events came back from it");
        return Err(ArchiveError::Damaged { path: dir.join(&new[0].path), what });
    }
    for file in &mut new {
        file.min_sequence = old.iter().map(|f| f.min_sequence).min().unwrap_or(file.min_sequence);
        file.max_sequence = old.iter().map(|f| f.max_sequence).max().unwrap_or(file.max_sequence);
    }
    Ok(Some(new))
}

/// The events of a batch that are not of these datasets.
fn leave_out(batch: EventBatch, datasets: &BTreeSet<String>) -> EventBatch {
    if datasets.is_empty() {
        return batch;
    }
    let goes = |row: u32| datasets.contains(batch.text(field::EVENT_DATASET, row as usize).unwrap_or_default());
    let rows: Vec<u32> = (0..batch.len() as u32).filter(|row| !goes(*row)).collect();
    if rows.len() == batch.len() { batch } else { batch.take(&rows) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(number: u64, day: i64, rows: u64) -> StoredFile {
        StoredFile {
            path: format!("events/date={day}/part-{number}.parquet"),
            rows,
            bytes: rows * 20,
            min_time: day * DAY + number as i64,
            max_time: day * DAY + number as i64 + 1,
            min_sequence: number * 10,
            max_sequence: number * 10 + 9,
            datasets: None,
        }
    }

    const NONE: [u64; 0] = [];

    fn numbers(plan: Option<Vec<StoredFile>>) -> Vec<u64> {
        plan.unwrap_or_default().iter().map(|f| f.min_sequence / 10).collect()
    }

    const NOW: i64 = 100 * DAY;

    #[test]
    fn eight_files_of_a_day_and_size_are_merged() {
        let mut files: Vec<StoredFile> = (0..7).map(|n| file(n, 99, 100)).collect();
        let young = |_: &StoredFile| 0;
        assert_eq!(numbers(plan(&files, &[], NOW, &young)), NONE);
        files.push(file(7, 98, 100));
        files.push(file(8, 99, 200_000));
        files.push(file(9, 99, FULL_ROWS));
        assert_eq!(numbers(plan(&files, &[], NOW, &young)), NONE, "another day, another size, a full file");
        files.push(file(10, 99, 4_000));
        assert_eq!(numbers(plan(&files, &[], NOW, &young)), [0, 1, 2, 3, 4, 5, 6, 10]);
    }

    #[test]
    fn no_merge_goes_over_a_change_of_lists() {
        let files: Vec<StoredFile> = (0..16).map(|n| file(n, 99, 100)).collect();
        let young = |_: &StoredFile| 0;
        assert_eq!(numbers(plan(&files, &[30], NOW, &young)), (3..11).collect::<Vec<_>>());
        assert_eq!(numbers(plan(&files, &[30, 90], NOW, &young)), NONE);
    }

    #[test]
    fn a_day_that_is_over_is_merged_when_it_is_quiet() {
        let files = [file(1, 98, 100), file(2, 98, 50_000), file(3, 98, FULL_ROWS), file(4, 99, 5), file(5, 99, 5)];
        assert_eq!(numbers(plan(&files, &[], NOW, &|_| QUIET)), [1, 2]);
        assert_eq!(numbers(plan(&files, &[], NOW, &|f| if f.rows == 100 { 5 } else { QUIET })), NONE);
    }

    #[test]
    fn a_merge_is_no_larger_than_a_file_should_be() {
        let files: Vec<StoredFile> = (0..8).map(|n| file(n, 99, 900_000)).collect();
        assert_eq!(numbers(plan(&files, &[], NOW, &|_| 0)), [0, 1]);
    }
}
