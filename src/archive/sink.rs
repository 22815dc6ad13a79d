//! Batches of any order in, Parquet files by day out, in bounded memory.
//!
//! Batches are gathered up to a row group and sorted. A day that has many of these rows gets a row group;
//! a day that has few waits, in memory and then in a temporary file, until there are more or all is in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::log::{self, Frames};
use super::manifest::StoredFile;
use super::part::{Encoding, Part};
use super::rows::Rows;
use super::{ArchiveError, gather, layout};
use crate::event::schema::Columns;
use crate::event::{EventBatch, time};

/// Rows of a row group: large enough for dictionaries and compression, small enough to hold in memory a few times.
const GROUP_ROWS: usize = 128 * 1024;
/// A row group ends early at so many bytes (long lines).
const GROUP_BYTES: usize = 192 << 20;
/// A day with fewer rows than this waits for more.
const FEW_ROWS: usize = 16 * 1024;
/// What waiting days may hold in memory before they are spilled.
const WAITING_BYTES: usize = 64 << 20;
/// A file ends at so many row groups.
const FILE_GROUPS: usize = 16;
/// Files open at a time.
const OPEN_FILES: usize = 32;

/// Writes Parquet files; none of them counts before the manifest lists it.
pub(super) struct Sink {
    dir: PathBuf,
    encoding: Encoding,
    /// Shared with whoever makes the next sink: no number is used twice, whatever becomes of the files.
    next_file: Arc<AtomicU64>,
    first_sequence: u64,
    sequence: u64,
    gathered: Vec<EventBatch>,
    gathered_rows: usize,
    gathered_bytes: usize,
    days: BTreeMap<i64, Day>,
    waiting_bytes: usize,
    /// Counts uses of days, to find the one that was left alone longest.
    clock: u64,
    finished: Vec<StoredFile>,
}

#[derive(Default)]
struct Day {
    part: Option<Part>,
    waiting: Vec<EventBatch>,
    waiting_rows: usize,
    spilled_rows: usize,
    spill: Option<PathBuf>,
    used: u64,
}

impl Sink {
    /// A sink whose files are numbered by `next_file`, and whose first event has the number `sequence`.
    pub(super) fn new(dir: &Path, encoding: Encoding, next_file: Arc<AtomicU64>, sequence: u64) -> Sink {
        Sink {
            dir: dir.to_owned(),
            encoding,
            next_file,
            first_sequence: sequence,
            sequence,
            gathered: Vec::new(),
            gathered_rows: 0,
            gathered_bytes: 0,
            days: BTreeMap::new(),
            waiting_bytes: 0,
            clock: 0,
            finished: Vec::new(),
        }
    }

    /// Number of the event after the last one.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) fn push(&mut self, batch: &EventBatch) -> Result<(), ArchiveError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.sequence += batch.len() as u64;
        let bytes = batch.memory();
        if self.gathered_bytes + bytes > GROUP_BYTES || self.gathered_rows + batch.len() > GROUP_ROWS {
            self.sort()?;
        }
        self.gathered.push(batch.clone());
        self.gathered_rows += batch.len();
        self.gathered_bytes += bytes;
        Ok(())
    }

    /// Writes all that is left and ends all files.
    pub(super) fn finish(mut self) -> Result<Vec<StoredFile>, ArchiveError> {
        self.sort()?;
        while let Some((&day, _)) = self.days.first_key_value() {
            let mut state = self.days.remove(&day).unwrap_or_default();
            let done = self.write_waiting(day, &mut state).and_then(|()| self.end_part(&mut state));
            if done.is_err() {
                self.days.insert(day, state);
                done?;
            }
        }
        Ok(std::mem::take(&mut self.finished))
    }

    fn sort(&mut self) -> Result<(), ArchiveError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let gathered = std::mem::take(&mut self.gathered);
        (self.gathered_rows, self.gathered_bytes) = (0, 0);
        let rows = Rows::sorted(&gathered);
        let day = |at: usize| rows.time(at).div_euclid(time::DAY);
        let mut start = 0;
        while start < rows.len() {
            let first = day(start);
            let whole = start == 0 && day(rows.len() - 1) == first;
            let end =
                if whole { rows.len() } else { (start..rows.len()).find(|at| day(*at) != first).unwrap_or(rows.len()) };
            let mut state = self.days.remove(&first).unwrap_or_default();
            self.clock += 1;
            state.used = self.clock;
            let done = if end - start < FEW_ROWS {
                self.wait(&mut state, gather::gather(&gathered, &rows.places()[start..end]));
                Ok(())
            } else if whole {
                self.group(first, &mut state, &rows)
            } else {
                let part = gather::gather(&gathered, &rows.places()[start..end]);
                self.group(first, &mut state, &Rows::unsorted(&[part]))
            };
            self.days.insert(first, state);
            done?;
            start = end;
        }
        self.limit_memory()?;
        self.limit_files()
    }

    fn wait(&mut self, state: &mut Day, rows: EventBatch) {
        self.waiting_bytes += rows.memory();
        state.waiting_rows += rows.len();
        state.waiting.push(rows);
    }

    /// Spills the waiting days, all of them: then each spill is as large as can be.
    fn limit_memory(&mut self) -> Result<(), ArchiveError> {
        if self.waiting_bytes <= WAITING_BYTES {
            return Ok(());
        }
        for (day, state) in self.days.iter_mut().filter(|(_, s)| !s.waiting.is_empty()) {
            let path = state.spill.get_or_insert_with(|| {
                layout::temporary(&layout::log_folder(&self.dir).join(format!("spill-{}-{day}", self.first_sequence)))
            });
            log::spill(path, &[gather::sorted(&std::mem::take(&mut state.waiting))])?;
            state.spilled_rows += std::mem::take(&mut state.waiting_rows);
        }
        self.waiting_bytes = 0;
        Ok(())
    }

    fn limit_files(&mut self) -> Result<(), ArchiveError> {
        while self.days.values().filter(|d| d.part.is_some()).count() > OPEN_FILES {
            let oldest = self.days.iter().filter(|(_, d)| d.part.is_some()).min_by_key(|(_, d)| d.used);
            let Some((&day, _)) = oldest else { break };
            let mut state = self.days.remove(&day).unwrap_or_default();
            let done = self.end_part(&mut state);
            self.days.insert(day, state);
            done?;
        }
        Ok(())
    }

    fn write_waiting(&mut self, day: i64, state: &mut Day) -> Result<(), ArchiveError> {
        let mut rows = std::mem::take(&mut state.waiting);
        let mut count = std::mem::take(&mut state.waiting_rows);
        let mut bytes: usize = rows.iter().map(EventBatch::memory).sum();
        if let Some(path) = state.spill.clone() {
            let mut frames = Frames::open(&path)?;
            for frame in &mut frames {
                for batch in frame?.batches {
                    let size = batch.memory();
                    if count + batch.len() > GROUP_ROWS || bytes + size > GROUP_BYTES {
                        self.group(day, state, &Rows::sorted(&std::mem::take(&mut rows)))?;
                        (count, bytes) = (0, 0);
                    }
                    count += batch.len();
                    bytes += size;
                    state.spilled_rows -= batch.len();
                    rows.push(batch);
                }
            }
            if frames.torn() > 0 || state.spilled_rows > 0 {
                return Err(ArchiveError::Damaged { path, what: "temporary events cannot be read back".to_owned() });
            }
            layout::remove(&path)?;
            state.spill = None;
        }
        if rows.is_empty() { Ok(()) } else { self.group(day, state, &Rows::sorted(&rows)) }
    }

    /// Writes sorted rows of one day as a row group.
    fn group(&mut self, day: i64, state: &mut Day, rows: &Rows<'_>) -> Result<(), ArchiveError> {
        let mut columns = Columns::none();
        rows.batches().iter().for_each(|batch| columns.extend(&Columns::of(batch)));
        if state.part.as_ref().is_some_and(|p| p.row_groups() >= FILE_GROUPS || !p.takes(&columns)) {
            self.end_part(state)?;
        }
        if state.part.is_none() {
            let name = time::day(day.saturating_mul(time::DAY));
            let number = self.next_file.fetch_add(1, Ordering::Relaxed);
            state.part = Some(Part::create(&self.dir, &name, number, columns, &self.encoding, rows.len())?);
        }
        state.part.as_mut().map_or(Ok(()), |part| part.write(rows))
    }

    fn end_part(&mut self, state: &mut Day) -> Result<(), ArchiveError> {
        if let Some(part) = state.part.take() {
            self.finished.push(part.finish(self.first_sequence..self.sequence)?);
        }
        Ok(())
    }
}

/// Temporary files of a sink that was given up must not be taken for those of the next one.
impl Drop for Sink {
    fn drop(&mut self) {
        for path in self.days.values().filter_map(|d| d.spill.as_ref()) {
            if let Err(error) = layout::remove(path) {
                tracing::warn!("{error}");
            }
        }
    }
}
