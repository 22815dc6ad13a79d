//! Raw lines are put together again from their pieces, as [`super::cut`] made them.
//!
//! In come the columns of a stored batch, out go its raw lines and where their messages begin. Files of others have no
//! pieces, whatever their columns are called: these are taken only in the form that [`crate::event::line`] gives them.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::slots::{Source, sources};
use crate::event::batch::Dictionary;
use crate::event::field::{self, Type};
use crate::event::line::{self, LINE, MESSAGE, SLOTS};
use crate::event::{EventBatch, schema};

/// Bytes of a line, about.
const EXPECTED: usize = 128;

/// The batch with the raw lines that its record has in pieces.
pub(super) fn with_lines(record: &RecordBatch, batch: EventBatch) -> EventBatch {
    let pieces: Vec<Option<Dictionary>> = line::pieces().map(|name| piece(record, name)).collect();
    let Some(Some(ends)) = pieces.last() else { return batch };
    let ends = Source::of(ends);
    let mut values: Vec<Option<Source<'_>>> = SLOTS.iter().map(|_| None).collect();
    sources(&batch).into_iter().for_each(|(slot, source)| values[slot] = Some(source));
    let parts: Vec<(usize, Source<'_>, Option<Source<'_>>)> = pieces
        .iter()
        .zip(values)
        .enumerate()
        .filter_map(|(slot, (piece, value))| Some((slot, Source::of(piece.as_ref()?), value)))
        .collect();
    let (mut bytes, mut offsets) = (Vec::with_capacity(EXPECTED * batch.len()), Vec::with_capacity(batch.len() + 1));
    let (mut lines, mut starts) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
    let mut digits = itoa::Buffer::new();
    let whole = batch.long_text(field::EVENT_ORIGINAL);
    offsets.push(0);
    for row in 0..batch.len() {
        let mut start = None;
        if let Some(end) = ends.get(row, &mut itoa::Buffer::new()) {
            let first = bytes.len();
            for (slot, piece, value) in &parts {
                let Some(piece) = piece.get(row, &mut digits) else { continue };
                bytes.extend_from_slice(piece);
                if *slot == MESSAGE {
                    start = Some((bytes.len() - first) as u32);
                } else if let Some(value) = value {
                    bytes.extend_from_slice(value.get(row, &mut digits).unwrap_or_default());
                }
            }
            bytes.extend_from_slice(end);
            lines.push(true);
        } else {
            let line = whole.filter(|w| w.is_valid(row)).map(|w| w.value(row));
            bytes.extend_from_slice(line.unwrap_or_default().as_bytes());
            lines.push(line.is_some());
            start = batch.number(field::LOG_MESSAGE_OFFSET, row).map(|n| n as u32);
        }
        offsets.push(bytes.len() as i32);
        starts.push(start);
    }
    let nulls = lines.contains(&false).then(|| NullBuffer::from(lines));
    let lines = StringArray::new(OffsetBuffer::new(offsets.into()), Buffer::from_vec(bytes), nulls);
    let none = starts.iter().all(Option::is_none);
    let starts = UInt32Array::from(starts);
    let batch = batch.with_column(field::EVENT_ORIGINAL, Arc::new(lines));
    if none { batch } else { batch.with_column(field::LOG_MESSAGE_OFFSET, Arc::new(starts)) }
}

/// The column of a piece, if any line has it. Files that another tool wrote anew may have plain texts there.
fn piece(record: &RecordBatch, name: &str) -> Option<Dictionary> {
    let pieces = record.column_by_name(LINE)?.as_struct_opt()?;
    if pieces.null_count() > 0 || !pieces.column_names().iter().all(|name| line::pieces().any(|ours| ours == *name)) {
        return None;
    }
    let column = pieces.column_by_name(name)?;
    let text = match column.data_type() {
        DataType::Dictionary(_, values) => **values == DataType::Utf8,
        other => [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View].contains(other),
    };
    if !text || column.null_count() == column.len() {
        return None;
    }
    cast(column, &schema::stored_type(Type::Text)).ok().map(|column| column.as_dictionary().clone())
}
