//! One Parquet file, row group after row group, as event batches.
//!
//! Only the columns that somebody asks for are read, and of these only what the statistics do not tell already: a
//! column that has one value in the whole row group, or none, is not touched. Each row group is
//! read by a reader of its own, so that a batch never lies across two dictionaries: its columns then keep the
//! dictionary of the file, and all batches of the row group share it.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::{Range, RangeInclusive};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryArray, StringArray, UInt32Array};
use arrow::buffer::ScalarBuffer;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::RowGroupMetaData;
use rustc_hash::FxHashMap;

use super::ArchiveError;
use super::known::Known;
use super::leaves::{self, Leaf, Leaves};
use super::lines;
use super::loaded::Loaded;
use crate::event::batch::Dictionary;
use crate::event::field::{self, FieldRef};
use crate::event::summary::{Facts, Summary, Values};
use crate::event::{EventBatch, EventId, FieldId, line, schema};

/// How a Parquet file begins.
const MAGIC: &[u8; 4] = b"PAR1";
/// Rows of a batch. (Measured: twice as many are read a tenth faster, and cost more than that behind matching.)
const BATCH_ROWS: usize = 16 * 1024;

/// What is read of files.
pub(super) struct Wanted {
    /// Names of the columns; all without them.
    names: Option<BTreeSet<String>>,
    /// Times of the events, µs.
    range: RangeInclusive<i64>,
    /// Whether a row group may hold what is looked for.
    keep: Option<Keep>,
    skipped: Skipped,
    constants: Constants,
}

/// Events that were not read, because nothing that is looked for can be among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// How many.
    pub events: u64,
    /// Time of the latest one, µs; the least there is when there are none.
    pub latest: i64,
}

/// Says whether events of which so much is known must be read.
pub type Keep = Box<dyn FnMut(&dyn Summary) -> bool + Send>;

/// Values of columns that have only one, so that all batches share them.
#[derive(Default)]
struct Constants {
    values: FxHashMap<FieldId, ArrayRef>,
}

/// A Parquet file that is being read.
pub(super) struct Groups {
    path: PathBuf,
    file: File,
    metadata: ArrowReaderMetadata,
    leaves: Leaves,
    waiting: Range<usize>,
    /// For each row group the least time of it and those behind it, µs.
    ahead: Vec<i64>,
    /// The row in the file at which the next batch starts.
    row: u64,
    open: Option<Group>,
}

/// A row group that is being read.
struct Group {
    reader: ParquetRecordBatchReader,
    constants: Vec<(FieldId, ArrayRef)>,
    /// Whether all of its events lie in the wanted range.
    inside: bool,
    /// The row in the file after its last.
    end: u64,
}

impl Wanted {
    /// These columns (times, ids and tags always are read; `None` is all) of the events in this range.
    pub(super) fn new(columns: Option<&BTreeSet<FieldRef>>, range: RangeInclusive<i64>) -> Wanted {
        let always = [field::TIMESTAMP, field::EVENT_ID, field::TAGS].map(|id| id.name().to_owned());
        let names = columns.map(|columns| columns.iter().flat_map(stored_names).chain(always).collect());
        Wanted {
            names,
            range,
            keep: None,
            skipped: Skipped { events: 0, latest: i64::MIN },
            constants: Constants::default(),
        }
    }

    /// Leaves out row groups of which this says that they need not be read.
    pub(super) fn only(&mut self, keep: Keep) {
        self.keep = Some(keep);
    }

    /// What was left out so.
    pub(super) fn skipped(&self) -> Skipped {
        self.skipped
    }

    fn wants(&self, path: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.iter().any(|name| leaves::is_of(path, name)))
    }

    /// The events of a batch that lie in the range.
    pub(super) fn within(&self, batch: EventBatch) -> EventBatch {
        let times = batch.times();
        if times.iter().all(|t| self.range.contains(t)) {
            return batch;
        }
        let rows: Vec<u32> = (0..batch.len() as u32).filter(|r| self.range.contains(&times[*r as usize])).collect();
        batch.take(&rows)
    }
}

/// The columns of a file that a field is made of.
fn stored_names(field: &FieldRef) -> Vec<String> {
    match field {
        FieldRef::Extra(_) => vec![schema::EXTRA.to_owned()],
        FieldRef::Column(field::MESSAGE | field::EVENT_ORIGINAL | field::LOG_MESSAGE_OFFSET) => {
            let whole = [field::MESSAGE, field::EVENT_ORIGINAL, field::LOG_MESSAGE_OFFSET];
            let values = line::SLOTS.iter().filter_map(|slot| slot.field);
            let names = whole.into_iter().chain(values).map(FieldId::name).chain([line::LINE]);
            names.map(str::to_owned).collect()
        }
        FieldRef::Column(id) => vec![id.name().to_owned()],
    }
}

impl Constants {
    fn column(&mut self, id: FieldId, text: &str) -> ArrayRef {
        let same = |values: &ArrayRef| values.as_string::<i32>().value(0) == text;
        let values = self.values.get(&id).filter(|values| same(values)).cloned();
        let values = values.unwrap_or_else(|| Arc::new(StringArray::from(vec![text])));
        self.values.insert(id, values.clone());
        values
    }
}

/// `len` rows of the only value.
fn repeated(value: ArrayRef, len: usize) -> ArrayRef {
    static ZEROS: LazyLock<ScalarBuffer<u32>> = LazyLock::new(|| vec![0; BATCH_ROWS].into());
    let codes = if len <= BATCH_ROWS { ZEROS.slice(0, len) } else { vec![0; len].into() };
    Arc::new(Dictionary::new(UInt32Array::new(codes, None), value))
}

/// Opens a file that begins as Parquet files do.
pub(super) fn open(path: &Path) -> Result<File, ArchiveError> {
    let file = File::open(path).map_err(ArchiveError::io("open", path))?;
    let mut begins = [0; MAGIC.len()];
    if file.read_at(&mut begins, 0).map_err(ArchiveError::io("read", path))? < MAGIC.len() || begins != *MAGIC {
        return Err(ArchiveError::NotParquet(path.to_owned()));
    }
    Ok(file)
}

impl Groups {
    pub(super) fn open(path: &Path) -> Result<Groups, ArchiveError> {
        let file = open(path)?;
        let metadata = ArrowReaderMetadata::load(&file, Default::default()).map_err(ArchiveError::parquet(path))?;
        let names = metadata.schema().fields().iter().map(|f| f.name().as_str());
        if !names.clone().any(|n| n == field::TIMESTAMP.name()) {
            let columns = names.collect::<Vec<_>>().join(", ");
            return Err(ArchiveError::Foreign { path: path.to_owned(), columns });
        }
        let ours = metadata.metadata().file_metadata().created_by().is_some_and(|by| by.starts_with("weir "));
        let leaves = Leaves::of(metadata.parquet_schema(), ours);
        let groups = metadata.metadata().row_groups();
        let least = |group| match leaves::facts(&leaves, group, field::TIMESTAMP).values {
            Values::Numbers(least, _) => least as i64,
            Values::Any | Values::Texts(..) => i64::MIN,
        };
        let mut ahead: Vec<i64> = groups.iter().map(least).collect();
        (1..ahead.len()).rev().for_each(|at| ahead[at - 1] = ahead[at - 1].min(ahead[at]));
        let waiting = 0..groups.len();
        Ok(Groups { path: path.to_owned(), file, metadata, leaves, waiting, ahead, row: 0, open: None })
    }

    /// No event before this time (µs) is still to come.
    pub(super) fn earliest(&self) -> i64 {
        let at = self.waiting.start - usize::from(self.open.is_some());
        self.ahead.get(at).copied().unwrap_or(i64::MAX)
    }

    /// The next batch; batches without any event in the range are left out.
    pub(super) fn next(&mut self, wanted: &mut Wanted) -> Option<Result<EventBatch, ArchiveError>> {
        loop {
            let Some(group) = &mut self.open else {
                let at = self.waiting.next()?;
                match self.begin(at, wanted) {
                    Ok(group) => self.open = group,
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            let batch = match group.reader.next() {
                None => {
                    self.row = group.end;
                    self.open = None;
                    continue;
                }
                Some(Err(error)) => return Some(Err(ArchiveError::arrow(&self.path)(error))),
                Some(Ok(record)) => match schema::from_record_batch(&record) {
                    Ok(batch) => {
                        let len = batch.len();
                        let constants = group.constants.iter();
                        let whole = |b: EventBatch, (id, value): &(FieldId, ArrayRef)| {
                            b.with_column(*id, repeated(value.clone(), len))
                        };
                        lines::with_lines(&record, constants.fold(batch, whole))
                    }
                    Err(error) => return Some(Err(ArchiveError::arrow(&self.path)(error))),
                },
            };
            let len = batch.len();
            let batch = with_ids(batch, self.row);
            self.row += len as u64;
            let batch = if group.inside { batch } else { wanted.within(batch) };
            if !batch.is_empty() {
                return Some(Ok(batch));
            }
        }
    }

    /// Prepares a row group, unless it has nothing that is wanted.
    fn begin(&mut self, at: usize, wanted: &mut Wanted) -> Result<Option<Group>, ArchiveError> {
        let group = self.metadata.metadata().row_group(at);
        let end = self.row + group.num_rows() as u64;
        let times = leaves::facts(&self.leaves, group, field::TIMESTAMP);
        let (overlaps, inside) = against(&times, &wanted.range);
        if !overlaps {
            self.row = end;
            return Ok(None);
        }
        // How far time is must be known of what is not read.
        if let (true, Values::Numbers(_, latest), Some(keep)) = (inside, times.values, &mut wanted.keep)
            && !keep(&Known::new(&self.file, &self.leaves, group))
        {
            wanted.skipped.events += end - self.row;
            wanted.skipped.latest = wanted.skipped.latest.max(latest as i64);
            self.row = end;
            return Ok(None);
        }
        let (read, constants) = self.columns(group, wanted);
        let ranges = read.iter().map(|leaf| {
            let (start, length) = group.column(*leaf).byte_range();
            start..start.saturating_add(length)
        });
        let loaded = Loaded::read(&self.file, ranges.collect()).map_err(ArchiveError::io("read", &self.path))?;
        let mask = ProjectionMask::leaves(self.metadata.parquet_schema(), read);
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(loaded, self.metadata.clone())
            .with_batch_size(BATCH_ROWS)
            .with_row_groups(vec![at])
            .with_projection(mask)
            .build()
            .map_err(ArchiveError::parquet(&self.path))?;
        Ok(Some(Group { reader, constants, inside, end }))
    }

    /// The leaves that must be read, and the columns that are known without.
    fn columns(&self, group: &RowGroupMetaData, wanted: &mut Wanted) -> (Vec<usize>, Vec<(FieldId, ArrayRef)>) {
        let schema = self.metadata.parquet_schema();
        let mut read: BTreeSet<usize> =
            (0..schema.num_columns()).filter(|at| wanted.wants(&schema.column(*at).path().parts().join("."))).collect();
        // To read that a column has no values takes as long as to read values. A list without one has an empty text.
        read.retain(|leaf| schema.column(*leaf).max_rep_level() > 0 || !leaves::is_empty(group.column(*leaf)));
        let mut constants = Vec::new();
        for id in field::all().filter(|id| id.ty().is_dictionary()) {
            let Leaf::At(leaf) = self.leaves.leaf(id) else { continue };
            if let Some(text) = leaves::constant(group.column(leaf), group.num_rows())
                && read.remove(&leaf)
            {
                constants.push((id, wanted.constants.column(id, text)));
            }
        }
        (read.into_iter().collect(), constants)
    }
}

/// Whether times may lie in a range, and whether all of them do.
fn against(times: &Facts, range: &RangeInclusive<i64>) -> (bool, bool) {
    let (start, end) = (i128::from(*range.start()), i128::from(*range.end()));
    match times.values {
        Values::Numbers(least, greatest) => {
            (least <= end && greatest >= start, start <= least && greatest <= end && !times.none)
        }
        Values::Any | Values::Texts(..) => (true, *range == (i64::MIN..=i64::MAX)),
    }
}

/// Files that are not ours may lack ids: then the row's number in the file and its line make one.
fn with_ids(batch: EventBatch, first: u64) -> EventBatch {
    if batch.column(field::EVENT_ID).is_some() || batch.is_empty() {
        return batch;
    }
    let times = batch.times();
    let id = |row: usize| {
        let line = batch.text(field::EVENT_ORIGINAL, row).or_else(|| batch.message(row)).unwrap_or_default();
        EventId::new(times.get(row).copied().unwrap_or_default(), line.as_bytes(), first + row as u64).to_bytes()
    };
    let bytes: Vec<u8> = (0..batch.len()).flat_map(id).collect();
    let ids = FixedSizeBinaryArray::new(16, bytes.into(), None);
    batch.with_column(field::EVENT_ID, Arc::new(ids))
}
