//! One Parquet file: how each column is encoded, and how the file comes into the world.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::SchemaRef;
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::basic::{LogicalType, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{SchemaDescriptor, Type as Node, TypePtr};

use super::chunk::Compressor;
use super::columns::{self, Leaf};
use super::manifest::StoredFile;
use super::rows::Rows;
use super::{ArchiveError, layout};
use crate::event::schema::{Columns, schema_of};
use crate::event::{EventBatch, field};

/// How events are encoded.
#[derive(Clone, Debug)]
pub struct Encoding {
    /// zstd level, 1 to 22. Level 3 takes some more time and a tenth less space than 1.
    pub level: i32,
    /// Bloom filters on addresses, users, hosts, hashes and names asked for: a look-up of a single value skips the row
    /// groups that lack it, files grow by one percent.
    pub bloom: bool,
    /// Raw lines are stored in pieces in files whose first row group has at least so many rows; in smaller ones the
    /// columns of the pieces would take more than they save.
    pub pieces_from: usize,
}

impl Default for Encoding {
    fn default() -> Encoding {
        Encoding { level: 1, bloom: true, pieces_from: 2048 }
    }
}

/// Parquet's own schema: Arrow's, with ids marked as UUIDs so that any reader shows them as such.
fn parquet_schema(schema: &SchemaRef) -> Result<SchemaDescriptor, ParquetError> {
    let plain = ArrowSchemaConverter::new().convert(schema)?;
    Ok(SchemaDescriptor::new(with_uuids(plain.root_schema())?))
}

fn with_uuids(node: &Node) -> Result<TypePtr, ParquetError> {
    let node = match node {
        Node::PrimitiveType { basic_info, physical_type: Physical::FIXED_LEN_BYTE_ARRAY, type_length: 16, .. } => {
            Node::primitive_type_builder(basic_info.name(), Physical::FIXED_LEN_BYTE_ARRAY)
                .with_repetition(basic_info.repetition())
                .with_length(16)
                .with_logical_type(Some(LogicalType::Uuid))
                .build()?
        }
        Node::PrimitiveType { .. } => node.clone(),
        Node::GroupType { basic_info, fields } => {
            let fields = fields.iter().map(|f| with_uuids(f)).collect::<Result<_, _>>()?;
            let mut group = Node::group_type_builder(basic_info.name())
                .with_fields(fields)
                .with_logical_type(basic_info.logical_type_ref().cloned())
                .with_converted_type(basic_info.converted_type());
            if basic_info.has_repetition() {
                group = group.with_repetition(basic_info.repetition());
            }
            group.build()?
        }
    };
    Ok(Arc::new(node))
}

/// Rows of a group of [`write_file`].
const GROUP_ROWS: usize = 128 * 1024;

/// Writes events as one Parquet file at `path`, in the archive's own form. Without batches it is an empty file that
/// tells the columns.
pub fn write_file(
    path: &Path,
    batches: &[EventBatch],
    columns: &Columns,
    encoding: &Encoding,
) -> Result<(), ArchiveError> {
    let mut writer = Writer::create(path, columns, encoding)?;
    let mut rest = batches;
    while !rest.is_empty() {
        let mut rows = 0;
        let fit = |batch: &&EventBatch| {
            rows += batch.len();
            rows <= GROUP_ROWS
        };
        let count = rest.iter().take_while(fit).count().max(1);
        let (group, others) = rest.split_at(count);
        writer.write(&Rows::unsorted(group)).map_err(ArchiveError::parquet(path))?;
        rest = others;
    }
    writer.file.finish().map(|_| ()).map_err(ArchiveError::parquet(path))
}

/// A Parquet file that is being written.
struct Writer {
    file: SerializedFileWriter<File>,
    leaves: Vec<Leaf>,
    compressor: Compressor,
    bloom: bool,
}

impl Writer {
    fn create(path: &Path, columns: &Columns, encoding: &Encoding) -> Result<Writer, ArchiveError> {
        let file = File::create(path).map_err(ArchiveError::io("create", path))?;
        let compressor = Compressor::new(encoding.level).map_err(ArchiveError::io("compress", path))?;
        let schema = schema_of(&columns.clone().with_inner_structs());
        let open = || {
            let columns = parquet_schema(&schema)?;
            // Rows are in the order of time, within a row group.
            let time = columns.columns().iter().position(|column| column.name() == field::TIMESTAMP.name());
            let sorted = |at| SortingColumn { column_idx: at as i32, descending: false, nulls_first: false };
            let mut properties = WriterProperties::builder()
                .set_created_by(concat!("weir ", env!("CARGO_PKG_VERSION")).to_owned())
                .set_sorting_columns(time.map(|at| vec![sorted(at)]))
                .build();
            // Readers of ours find the Arrow types there, dictionaries above all.
            add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
            let leaves = columns::leaves(&columns);
            let file = SerializedFileWriter::new(file, columns.root_schema_ptr(), Arc::new(properties))?;
            Ok(Writer { file, leaves, compressor, bloom: encoding.bloom })
        };
        open().map_err(ArchiveError::parquet(path))
    }

    /// Writes rows as a row group.
    fn write(&mut self, rows: &Rows<'_>) -> Result<(), ParquetError> {
        if rows.len() == 0 {
            return Ok(());
        }
        columns::write(&mut self.file, &self.leaves, rows, &mut self.compressor, self.bloom)
    }
}

/// A Parquet file of one day that is being written under a temporary name.
pub(super) struct Part {
    writer: Writer,
    path: PathBuf,
    name: String,
    columns: Columns,
    rows: u64,
    min_time: i64,
    max_time: i64,
    datasets: BTreeMap<String, u64>,
}

impl Part {
    pub(super) fn create(
        dir: &Path,
        day: &str,
        number: u64,
        columns: Columns,
        encoding: &Encoding,
        first: usize,
    ) -> Result<Part, ArchiveError> {
        let name = layout::part(day, number);
        let path = dir.join(&name);
        let folder = path.parent().unwrap_or(dir);
        layout::make_folder(folder)?;
        let mut stored = columns.clone();
        if columns.contains(field::EVENT_ORIGINAL) && first >= encoding.pieces_from {
            stored.insert_pieces();
        }
        let writer = Writer::create(&layout::temporary(&path), &stored, encoding)?;
        let (min_time, max_time) = (i64::MAX, i64::MIN);
        Ok(Part { writer, path, name, columns, rows: 0, min_time, max_time, datasets: BTreeMap::new() })
    }

    /// Whether the file has a place for all of a batch.
    pub(super) fn takes(&self, columns: &Columns) -> bool {
        self.columns.covers(columns)
    }

    pub(super) fn row_groups(&self) -> usize {
        self.writer.file.flushed_row_groups().len()
    }

    /// Writes rows, sorted by time, as a row group.
    pub(super) fn write(&mut self, rows: &Rows<'_>) -> Result<(), ArchiveError> {
        if self.rows > 0 {
            // In pieces: a log that is written beside waits for what the file system still has to write, a row group at most.
            self.writer.file.inner().sync_data().map_err(ArchiveError::io("sync", &self.path))?;
        }
        self.writer.write(rows).map_err(ArchiveError::parquet(&self.path))?;
        if let Some(last) = rows.len().checked_sub(1) {
            self.rows += rows.len() as u64;
            rows.batches().iter().for_each(|batch| count_datasets(batch, &mut self.datasets));
            self.min_time = self.min_time.min(rows.time(0));
            self.max_time = self.max_time.max(rows.time(last));
        }
        Ok(())
    }

    /// Ends the file and gives it its name; it counts only once the manifest lists it.
    pub(super) fn finish(mut self, sequence: std::ops::Range<u64>) -> Result<StoredFile, ArchiveError> {
        self.writer.file.finish().map_err(ArchiveError::parquet(&self.path))?;
        let file = self.writer.file.inner();
        file.sync_all().map_err(ArchiveError::io("sync", &self.path))?;
        let bytes = file.metadata().map_err(ArchiveError::io("read", &self.path))?.len();
        fs::rename(layout::temporary(&self.path), &self.path).map_err(ArchiveError::io("rename", &self.path))?;
        layout::sync_folder(self.path.parent().unwrap_or(Path::new(".")))?;
        Ok(StoredFile {
            path: self.name,
            rows: self.rows,
            bytes,
            min_time: self.min_time,
            max_time: self.max_time,
            min_sequence: sequence.start,
            max_sequence: sequence.end.saturating_sub(1).max(sequence.start),
            datasets: Some(self.datasets),
        })
    }
}

/// Adds how many events of a batch are of which dataset; those of none under an empty name.
pub(super) fn count_datasets(batch: &EventBatch, datasets: &mut BTreeMap<String, u64>) {
    let mut add = |name: &str, rows: u64| match datasets.get_mut(name) {
        Some(count) => *count += rows,
        None if rows > 0 => drop(datasets.insert(name.to_owned(), rows)),
        None => {}
    };
    let Some(column) = batch.dictionary(field::EVENT_DATASET) else { return add("", batch.len() as u64) };
    let texts = column.values().as_string::<i32>();
    let mut counts = vec![0; texts.len() + 1];
    let keys = column.keys();
    match keys.nulls() {
        None => keys.values().iter().for_each(|key| counts[*key as usize] += 1),
        Some(_) => keys.iter().for_each(|key| counts[key.map_or(texts.len(), |key| key as usize)] += 1),
    }
    counts.iter().enumerate().for_each(|(at, rows)| add(if at < texts.len() { texts.value(at) } else { "" }, *rows));
}
