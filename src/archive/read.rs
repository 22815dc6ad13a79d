//! Reading: events of a data folder (Parquet files and the log's tail) or of single Parquet files.
//!
//! Readers take no lock. A snapshot is consistent beside a writer that commits and converts: log
//! segments are opened before they are used, and the manifest is read again afterwards.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::log::Frames;
use super::manifest::{Manifest, StoredFile};
use super::{ArchiveError, layout};
use crate::event::field::{self, FieldRef};
use crate::event::{EventBatch, EventId, schema};

const BATCH_ROWS: usize = 16 * 1024;

/// What an archive holds at one moment.
pub struct Snapshot {
    dir: PathBuf,
    files: Vec<StoredFile>,
    segments: Vec<(PathBuf, File)>,
}

/// What counts in a data folder now.
pub fn snapshot(dir: &Path) -> Result<Snapshot, ArchiveError> {
    loop {
        let Some(manifest) = Manifest::load(dir)? else { return Err(ArchiveError::Missing(dir.to_owned())) };
        let mut segments = Vec::new();
        for number in layout::segments(dir)?.into_iter().filter(|n| *n > manifest.archived_through) {
            let path = layout::segment(dir, number);
            match File::open(&path) {
                Ok(file) => segments.push((path, file)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(ArchiveError::io("open", &path)(error)),
            }
        }
        // A segment that became Parquet meanwhile may have been missed, or would count twice.
        let now = Manifest::load(dir)?.map(|m| m.archived_through);
        if now == Some(manifest.archived_through) {
            return Ok(Snapshot { dir: dir.to_owned(), files: manifest.files, segments });
        }
    }
}

/// Time of the latest event in a data folder, µs; `None` when there is no archive, or an empty one.
pub fn greatest_time(dir: &Path) -> Result<Option<i64>, ArchiveError> {
    match snapshot(dir) {
        Ok(held) => {
            let stored = held.files.iter().filter(|f| f.rows > 0).map(|f| f.max_time).max();
            let logged = held.tail()?.iter().filter_map(|batch| batch.times().iter().copied().max()).max();
            Ok(stored.max(logged))
        }
        Err(ArchiveError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Paths of an archive's Parquet files.
pub fn files(dir: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    Ok(snapshot(dir)?.paths())
}

impl Snapshot {
    /// Paths of the Parquet files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().map(|f| self.dir.join(&f.path)).collect()
    }

    /// The Parquet files.
    pub fn files(&self) -> &[StoredFile] {
        &self.files
    }

    /// Events whose time lies in the range and whose number, as they were accepted, in the other: as [`read`] gives them. Of
    /// Parquet files that hold events of several ranges of numbers all belong to that of the first; see [`Archive::cut`](super::Archive::cut).
    pub fn read(
        &self,
        columns: Option<&BTreeSet<FieldRef>>,
        range: RangeInclusive<i64>,
        numbers: Range<u64>,
    ) -> Result<Reader, ArchiveError> {
        let overlaps = |f: &&StoredFile| f.min_time <= *range.end() && f.max_time >= *range.start();
        let mut files: Vec<&StoredFile> =
            self.files.iter().filter(overlaps).filter(|f| numbers.contains(&f.min_sequence)).collect();
        files.sort_by(|a, b| (a.min_time, &a.path).cmp(&(b.min_time, &b.path)));
        let mut sources: VecDeque<Source> = files.iter().map(|f| Source::Parquet(self.dir.join(&f.path))).collect();
        for (path, file) in &self.segments {
            let file = file.try_clone().map_err(ArchiveError::io("open", path))?;
            sources.push_back(Source::Log(path.clone(), file));
        }
        Ok(Reader { sources, open: None, columns: columns.cloned(), range, numbers })
    }

    /// The events that are only in the log yet.
    pub fn tail(&self) -> Result<Vec<EventBatch>, ArchiveError> {
        let mut batches = Vec::new();
        for (path, file) in &self.segments {
            let file = file.try_clone().map_err(ArchiveError::io("open", path))?;
            std::io::Seek::rewind(&mut &file).map_err(ArchiveError::io("read", path))?;
            for frame in Frames::new(file, path)? {
                batches.extend(frame?.batches);
            }
        }
        Ok(batches)
    }
}

/// Events of a data folder, of a folder of Parquet files, or of one Parquet file, whose time lies in the range. Files
/// come in the order of their times, events in the order in which they are stored. `columns` limits what is
/// read (times, ids and tags always are); `None` reads all.
pub fn read(
    path: &Path,
    columns: Option<&BTreeSet<FieldRef>>,
    range: RangeInclusive<i64>,
) -> Result<Reader, ArchiveError> {
    let mut sources = VecDeque::new();
    if !path.is_dir() {
        sources.push_back(Source::Parquet(path.to_owned()));
    } else if layout::manifest(path).exists() {
        return snapshot(path)?.read(columns, range, 0..u64::MAX);
    } else {
        let mut found = Vec::new();
        parquet_files(path, &mut found)?;
        if found.is_empty() {
            return Err(ArchiveError::Missing(path.to_owned()));
        }
        found.sort();
        sources.extend(found.into_iter().map(Source::Parquet));
    }
    Ok(Reader { sources, open: None, columns: columns.cloned(), range, numbers: 0..u64::MAX })
}

fn parquet_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), ArchiveError> {
    for entry in std::fs::read_dir(folder).map_err(ArchiveError::io("read", folder))? {
        let path = entry.map_err(ArchiveError::io("read", folder))?.path();
        if path.is_dir() {
            parquet_files(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "parquet") {
            found.push(path);
        }
    }
    Ok(())
}

enum Source {
    Parquet(PathBuf),
    Log(PathBuf, File),
}

enum Open {
    Parquet { path: PathBuf, reader: ParquetRecordBatchReader, rows: u64 },
    Log { frames: Box<Frames>, ready: VecDeque<EventBatch> },
}

/// Yields batches; after an error the rest of that file is left out.
pub struct Reader {
    sources: VecDeque<Source>,
    open: Option<Open>,
    columns: Option<BTreeSet<FieldRef>>,
    range: RangeInclusive<i64>,
    /// Which frames of the log count.
    numbers: Range<u64>,
}

impl Iterator for Reader {
    type Item = Result<EventBatch, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.open.is_none() {
                let source = self.sources.pop_front()?;
                match self.open_source(source) {
                    Ok(open) => self.open = Some(open),
                    Err(error) => return Some(Err(error)),
                }
            }
            match self.open.as_mut().and_then(|open| open.next(&self.numbers)) {
                None => self.open = None,
                Some(Err(error)) => {
                    self.open = None;
                    return Some(Err(error));
                }
                Some(Ok(batch)) => {
                    let batch = within(batch, &self.range);
                    if !batch.is_empty() {
                        return Some(Ok(batch));
                    }
                }
            }
        }
    }
}

fn within(batch: EventBatch, range: &RangeInclusive<i64>) -> EventBatch {
    let times = batch.times();
    if times.iter().all(|t| range.contains(t)) {
        return batch;
    }
    let rows: Vec<u32> = (0..batch.len() as u32).filter(|r| range.contains(&times[*r as usize])).collect();
    batch.take(&rows)
}

impl Reader {
    fn open_source(&self, source: Source) -> Result<Open, ArchiveError> {
        match source {
            Source::Log(path, file) => {
                // Clones of a handle share their place in the file.
                std::io::Seek::rewind(&mut &file).map_err(ArchiveError::io("read", &path))?;
                Ok(Open::Log { frames: Box::new(Frames::new(file, &path)?), ready: VecDeque::new() })
            }
            Source::Parquet(path) => {
                let reader = self.open_parquet(&path)?;
                Ok(Open::Parquet { path, reader, rows: 0 })
            }
        }
    }

    fn open_parquet(&self, path: &Path) -> Result<ParquetRecordBatchReader, ArchiveError> {
        let file = File::open(path).map_err(ArchiveError::io("open", path))?;
        let metadata = ArrowReaderMetadata::load(&file, Default::default()).map_err(ArchiveError::parquet(path))?;
        let names = metadata.schema().fields().iter().map(|f| f.name().as_str());
        if !names.clone().any(|n| n == field::TIMESTAMP.name()) {
            let columns = names.collect::<Vec<_>>().join(", ");
            return Err(ArchiveError::Foreign { path: path.to_owned(), columns });
        }
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        let groups = builder.metadata().row_groups().iter().enumerate();
        let groups = groups.filter(|(_, group)| may_overlap(group, &self.range)).map(|(at, _)| at).collect();
        let mask = self.columns.as_ref().map(|columns| {
            let always = [field::TIMESTAMP, field::EVENT_ID, field::TAGS].map(|id| id.name().to_owned());
            let wanted = columns.iter().flat_map(stored_names).chain(always).collect::<BTreeSet<_>>();
            let leaf = |path: &str| wanted.iter().any(|w| path.strip_prefix(w.as_str()).is_some_and(ends_name));
            let schema = builder.parquet_schema();
            let leaves = (0..schema.num_columns()).filter(|at| leaf(&schema.column(*at).path().parts().join(".")));
            ProjectionMask::leaves(schema, leaves)
        });
        let builder = builder.with_batch_size(BATCH_ROWS).with_row_groups(groups);
        let builder = match mask {
            Some(mask) => builder.with_projection(mask),
            None => builder,
        };
        builder.build().map_err(ArchiveError::parquet(path))
    }
}

fn ends_name(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('.')
}

/// The columns of a file that a field is made of.
fn stored_names(field: &FieldRef) -> Vec<String> {
    match field {
        FieldRef::Extra(_) => vec![schema::EXTRA.to_owned()],
        FieldRef::Column(field::MESSAGE) => {
            [field::MESSAGE, field::EVENT_ORIGINAL, field::LOG_MESSAGE_OFFSET].map(|id| id.name().to_owned()).into()
        }
        FieldRef::Column(id) => vec![id.name().to_owned()],
    }
}

fn may_overlap(group: &RowGroupMetaData, range: &RangeInclusive<i64>) -> bool {
    let column = group.columns().iter().find(|c| c.column_path().parts() == [field::TIMESTAMP.name()]);
    let micros = |c: &&parquet::file::metadata::ColumnChunkMetaData| {
        use parquet::basic::{LogicalType, TimeUnit};
        matches!(c.column_descr().logical_type_ref(), Some(LogicalType::Timestamp(t)) if t.unit == TimeUnit::MICROS)
    };
    match column.filter(micros).and_then(|c| c.statistics()) {
        Some(Statistics::Int64(s)) => match (s.min_opt(), s.max_opt()) {
            (Some(min), Some(max)) => min <= range.end() && max >= range.start(),
            _ => true,
        },
        _ => true,
    }
}

impl Open {
    fn next(&mut self, numbers: &Range<u64>) -> Option<Result<EventBatch, ArchiveError>> {
        match self {
            Open::Log { frames, ready } => loop {
                if let Some(batch) = ready.pop_front() {
                    return Some(Ok(batch));
                }
                match frames.next()? {
                    Ok(frame) if numbers.contains(&frame.head.sequence) => ready.extend(frame.batches),
                    Ok(_) => {}
                    Err(error) => return Some(Err(error)),
                }
            },
            Open::Parquet { path, reader, rows } => {
                let record = match reader.next()? {
                    Ok(record) => record,
                    Err(error) => return Some(Err(ArchiveError::arrow(path)(error))),
                };
                let first = *rows;
                *rows += record.num_rows() as u64;
                Some(schema::from_record_batch(&record).map(|b| with_ids(b, first)).map_err(ArchiveError::arrow(path)))
            }
        }
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
    let ids = arrow::array::FixedSizeBinaryArray::new(16, bytes.into(), None);
    batch.with_column(field::EVENT_ID, Arc::new(ids))
}
