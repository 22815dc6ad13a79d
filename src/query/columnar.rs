//! Rows in columns: Parquet and Arrow IPC, with the types that the statement gave them.
//!
//! Batches are written as they come; what is held is one row group of Parquet. Times are microseconds without a zone, UTC;
//! lists, structs and maps stay what they are.

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::QueryError;

/// Rows of a row group at most: what DuckDB, too, gives a thread at a time …
const GROUP_ROWS: usize = 122_880;
/// … and its bytes, which bounds what is held of wide rows.
const GROUP_BYTES: usize = 64 << 20;
const ZSTD_LEVEL: i32 = 3;

type Out<'out> = &'out mut (dyn Write + Send);

/// A file of columns that is being written.
pub(super) enum Columnar<'out> {
    Parquet(Box<ArrowWriter<Out<'out>>>),
    File(Box<FileWriter<Out<'out>>>),
    Stream(Box<StreamWriter<Out<'out>>>),
}

impl<'out> Columnar<'out> {
    /// A Parquet file.
    pub(super) fn parquet(schema: &SchemaRef, out: Out<'out>) -> Result<Columnar<'out>, QueryError> {
        for field in schema.fields() {
            if let Some(what) = without_parquet(field.data_type()) {
                let name = field.name();
                return Err(QueryError::Sql(format!(
                    "Parquet has no form for the {what} in column {name}: cast it, as in {name}::VARCHAR (of an INTERVAL \
                     epoch({name}) gives seconds), or use --output arrow"
                )));
            }
        }
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).expect("the level is one of zstd's")))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            .build();
        let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties)).map_err(of_parquet)?;
        Ok(Columnar::Parquet(Box::new(writer)))
    }

    /// An Arrow IPC file.
    pub(super) fn file(schema: &SchemaRef, out: Out<'out>) -> Result<Columnar<'out>, QueryError> {
        FileWriter::try_new(out, schema).map(|writer| Columnar::File(Box::new(writer))).map_err(of_arrow)
    }

    /// An Arrow IPC stream.
    pub(super) fn stream(schema: &SchemaRef, out: Out<'out>) -> Result<Columnar<'out>, QueryError> {
        StreamWriter::try_new(out, schema).map(|writer| Columnar::Stream(Box::new(writer))).map_err(of_arrow)
    }

    /// Takes some rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        match self {
            Columnar::Parquet(writer) => writer.write(batch).map_err(of_parquet),
            Columnar::File(writer) => writer.write(batch).map_err(of_arrow),
            Columnar::Stream(writer) => writer.write(batch).map_err(of_arrow),
        }
    }

    /// Writes what is left; only then it can be read.
    pub(super) fn finish(self) -> Result<(), QueryError> {
        let out = match self {
            Columnar::Parquet(writer) => writer.into_inner().map_err(of_parquet)?,
            Columnar::File(writer) => writer.into_inner().map_err(of_arrow)?,
            Columnar::Stream(writer) => writer.into_inner().map_err(of_arrow)?,
        };
        out.flush().map_err(failed)
    }
}

/// What there is of this type that Parquet cannot hold.
fn without_parquet(ty: &DataType) -> Option<&'static str> {
    match ty {
        DataType::Interval(_) => Some("INTERVAL"),
        DataType::Union(..) => Some("UNION"),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => without_parquet(item.data_type()),
        DataType::Struct(fields) if fields.is_empty() => Some("empty STRUCT"),
        DataType::Struct(fields) => fields.iter().find_map(|field| without_parquet(field.data_type())),
        _ => None,
    }
}

fn failed(source: io::Error) -> QueryError {
    QueryError::Io { action: "cannot write the answer", source }
}

fn of_parquet(error: ParquetError) -> QueryError {
    match error {
        ParquetError::External(cause) => failed(into_io(cause)),
        other => failed(io::Error::other(other)),
    }
}

fn of_arrow(error: ArrowError) -> QueryError {
    match error {
        ArrowError::IoError(_, cause) => failed(cause),
        other => failed(io::Error::other(other)),
    }
}

/// A pipe whose reader has gone is to be known as one.
fn into_io(cause: Box<dyn std::error::Error + Send + Sync>) -> io::Error {
    cause.downcast::<io::Error>().map_or_else(io::Error::other, |error| *error)
}
