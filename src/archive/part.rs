//! One Parquet file: how each column is encoded, and how the file comes into the world.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::{Compression, Encoding as Coding, LogicalType, Type as Physical, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::{ColumnPath, SchemaDescriptor, Type as Node, TypePtr};

use super::manifest::StoredFile;
use super::{ArchiveError, layout};
use crate::event::EventBatch;
use crate::event::field::{self, Type};
use crate::event::schema::{Columns, schema_of, to_record_batch_of};

/// How events are encoded.
#[derive(Clone, Debug)]
pub struct Encoding {
    /// zstd level, 1 to 22. Level 3 takes some more time and a tenth less space than 1.
    pub level: i32,
    /// Bloom filters on addresses, users, hosts and event ids: point look-ups skip row groups, files grow by some percent.
    pub bloom: bool,
}

impl Default for Encoding {
    fn default() -> Encoding {
        Encoding { level: 1, bloom: false }
    }
}

/// Fields people look single values up in.
const LOOKED_UP: [field::FieldId; 4] = [field::SOURCE_IP, field::USER_NAME, field::HOST_NAME, field::EVENT_ID];

impl Encoding {
    fn properties(&self, columns: &Columns) -> WriterProperties {
        let level = ZstdLevel::try_new(self.level.clamp(1, 22)).unwrap_or_default();
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("weir ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(level))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_column_index_truncate_length(Some(32))
            .set_statistics_truncate_length(Some(32))
            .set_max_row_group_row_count(None)
            .set_dictionary_enabled(true);
        for id in field::all().filter(|id| columns.contains(*id)) {
            let path = || ColumnPath::new(id.name().split('.').map(str::to_owned).collect());
            properties = match id.ty() {
                Type::Text | Type::Ip | Type::TextList => properties,
                // Distinct values: a dictionary would be built, found too large and thrown away.
                Type::LongText => properties
                    .set_column_dictionary_enabled(path(), false)
                    .set_column_encoding(path(), Coding::PLAIN)
                    .set_column_statistics_enabled(path(), EnabledStatistics::None),
                Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::Timestamp => properties
                    .set_column_dictionary_enabled(path(), false)
                    .set_column_encoding(path(), Coding::DELTA_BINARY_PACKED),
                // Neighbours begin alike and end at random. (DuckDB 2.0 cannot read ids that are split by byte.)
                Type::Id => properties
                    .set_column_dictionary_enabled(path(), false)
                    .set_column_encoding(path(), Coding::DELTA_BYTE_ARRAY),
            };
            if self.bloom && LOOKED_UP.contains(&id) {
                properties = properties.set_column_bloom_filter_enabled(path(), true);
            }
        }
        properties.build()
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

fn writer(path: &Path, columns: &Columns, encoding: &Encoding) -> Result<ArrowWriter<File>, ArchiveError> {
    let file = File::create(path).map_err(ArchiveError::io("create", path))?;
    let schema = schema_of(columns);
    let open = || {
        let options = ArrowWriterOptions::new()
            .with_properties(encoding.properties(columns))
            .with_parquet_schema(parquet_schema(&schema)?);
        ArrowWriter::try_new_with_options(file, schema, options)
    };
    open().map_err(ArchiveError::parquet(path))
}

/// Writes events as one Parquet file at `path`, in the archive's own form. Without batches it is an empty file that
/// tells the columns.
pub fn write_file(
    path: &Path,
    batches: &[EventBatch],
    columns: &Columns,
    encoding: &Encoding,
) -> Result<(), ArchiveError> {
    let mut writer = writer(path, columns, encoding)?;
    let mut write = || {
        for batch in batches {
            writer.write(&to_record_batch_of(batch, columns))?;
        }
        writer.finish()
    };
    write().map(|_| ()).map_err(ArchiveError::parquet(path))
}

/// A Parquet file of one day that is being written under a temporary name.
pub(super) struct Part {
    writer: ArrowWriter<File>,
    path: PathBuf,
    name: String,
    columns: Columns,
    rows: u64,
    min_time: i64,
    max_time: i64,
}

impl Part {
    pub(super) fn create(
        dir: &Path,
        day: &str,
        number: u64,
        columns: Columns,
        encoding: &Encoding,
    ) -> Result<Part, ArchiveError> {
        let name = layout::part(day, number);
        let path = dir.join(&name);
        let folder = path.parent().unwrap_or(dir);
        fs::create_dir_all(folder).map_err(ArchiveError::io("create the folder", folder))?;
        let writer = writer(&layout::temporary(&path), &columns, encoding)?;
        Ok(Part { writer, path, name, columns, rows: 0, min_time: i64::MAX, max_time: i64::MIN })
    }

    /// Whether the file has a place for all of a batch.
    pub(super) fn takes(&self, columns: &Columns) -> bool {
        self.columns.covers(columns)
    }

    pub(super) fn row_groups(&self) -> usize {
        self.writer.flushed_row_groups().len()
    }

    /// Writes a sorted batch as a row group.
    pub(super) fn write(&mut self, batch: &EventBatch) -> Result<(), ArchiveError> {
        let record = to_record_batch_of(batch, &self.columns);
        self.writer.write(&record).and_then(|()| self.writer.flush()).map_err(ArchiveError::parquet(&self.path))?;
        self.rows += batch.len() as u64;
        self.min_time = batch.times().iter().copied().fold(self.min_time, i64::min);
        self.max_time = batch.times().iter().copied().fold(self.max_time, i64::max);
        Ok(())
    }

    /// Ends the file and gives it its name; it counts only once the manifest lists it.
    pub(super) fn finish(mut self, sequence: std::ops::Range<u64>) -> Result<StoredFile, ArchiveError> {
        self.writer.finish().map_err(ArchiveError::parquet(&self.path))?;
        let file = self.writer.inner();
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
        })
    }
}
