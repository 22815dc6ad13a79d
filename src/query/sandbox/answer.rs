//! Rows as an Arrow IPC stream: written by the worker within its limits, read back by whoever asked.

use std::io::{self, BufWriter, Write};
use std::panic;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use super::job::Pieces;

/// Frames are about so long, bytes.
const PIECE: usize = 64 << 10;

/// Counts bytes on their way.
struct Counted<W> {
    inner: W,
    bytes: usize,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Takes batches until a limit is reached.
pub(super) struct Rows<W: Write> {
    stream: StreamWriter<Counted<BufWriter<Pieces<W>>>>,
    room: usize,
    left: usize,
    /// Whether rows were left out.
    pub(super) truncated: bool,
}

/// What goes wrong with rows.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowsError {
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error("a row has more than {0} MiB: select fewer or shorter columns")]
    Large(usize),
}

impl<W: Write> Rows<W> {
    /// At most `rows` rows and `bytes` bytes.
    pub(super) fn new(out: W, schema: &SchemaRef, rows: usize, bytes: usize) -> Result<Rows<W>, RowsError> {
        let out = Counted { inner: BufWriter::with_capacity(PIECE, Pieces(out)), bytes: 0 };
        let stream = StreamWriter::try_new(out, schema)?;
        Ok(Rows { stream, room: bytes, left: rows, truncated: false })
    }

    /// Takes as much of a batch as there is room for; whether it wants more.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<bool, RowsError> {
        if batch.num_rows() == 0 {
            return Ok(true);
        }
        let room = self.room.saturating_sub(self.stream.get_ref().bytes);
        let rows = batch.num_rows().min(self.left);
        let taken = batch.slice(0, rows);
        // What it takes in memory is no less than what it takes in the stream, but for a few bytes a column.
        let fits = if batch.get_array_memory_size() < room / 2 { rows } else { fitting(&taken, room)? };
        if fits == 0 && rows > 0 && self.stream.get_ref().bytes < self.room / 2 {
            return Err(RowsError::Large(self.room >> 20));
        }
        if fits > 0 {
            self.stream.write(&taken.slice(0, fits))?;
        }
        self.left -= fits;
        self.truncated = fits < batch.num_rows();
        Ok(!self.truncated)
    }

    /// Writes the end.
    pub(super) fn finish(mut self) -> Result<(), RowsError> {
        self.stream.finish()?;
        self.stream.get_mut().flush().map_err(|e| ArrowError::IoError(e.to_string(), e))?;
        Ok(())
    }
}

/// How many of the first rows take no more than `room` bytes.
fn fitting(batch: &RecordBatch, room: usize) -> Result<usize, ArrowError> {
    let takes = |rows: usize| {
        let mut stream = StreamWriter::try_new(Counted { inner: io::sink(), bytes: 0 }, &batch.schema())?;
        stream.write(&batch.slice(0, rows))?;
        Ok::<usize, ArrowError>(stream.get_ref().bytes)
    };
    let (mut fits, mut over) = (0, batch.num_rows() + 1);
    while over - fits > 1 {
        // All of them first: that is the usual case.
        let middle = if over > batch.num_rows() { batch.num_rows() } else { fits + (over - fits) / 2 };
        if takes(middle)? <= room {
            fits = middle;
        } else {
            over = middle;
        }
    }
    Ok(fits)
}

/// Reads a stream; it comes from a process that a stranger's statement ran in, so it may be anything.
pub(super) fn read(stream: &[u8]) -> Result<(SchemaRef, Vec<RecordBatch>), String> {
    let read = || -> Result<(SchemaRef, Vec<RecordBatch>), ArrowError> {
        let reader = StreamReader::try_new(stream, None)?;
        let schema = reader.schema();
        Ok((schema, reader.collect::<Result<Vec<RecordBatch>, ArrowError>>()?))
    };
    match panic::catch_unwind(read) {
        Ok(Ok(rows)) => Ok(rows),
        Ok(Err(error)) => Err(format!("its answer cannot be read: {error}")),
        Err(_) => Err("its answer cannot be read".to_owned()),
    }
}
