//! Raw lines are put together again from their pieces, as [`super::cut`] made them.
//!
//! In come the columns of a stored batch, out go its raw lines and where their messages begin. Files of others have no
//! pieces, whatever their columns are called: these are taken only in the form that [`crate::event::line`] gives them.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, UInt32Type};

use crate::event::batch::{Dictionary, dictionary_value};
use crate::event::line::{self, END, LINE, SLOTS};
use crate::event::{EventBatch, field};

/// Bytes of a line, about.
const EXPECTED: usize = 128;

/// The batch with the raw lines that its record has in pieces.
pub(super) fn joined(record: &RecordBatch, batch: EventBatch) -> EventBatch {
    let Some(ends) = piece(record, END).filter(|ends| ends.null_count() < ends.len()) else { return batch };
    let pieces: Vec<(usize, &Dictionary)> = SLOTS
        .iter()
        .enumerate()
        .filter_map(|(at, slot)| Some((at, piece(record, slot.name)?)))
        .filter(|(_, piece)| piece.null_count() < piece.len())
        .collect();
    let (mut bytes, mut offsets) = (Vec::with_capacity(EXPECTED * batch.len()), Vec::with_capacity(batch.len() + 1));
    let (mut lines, mut starts) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
    let mut digits = itoa::Buffer::new();
    let whole = batch.long_text(field::EVENT_ORIGINAL);
    offsets.push(0);
    for row in 0..batch.len() {
        let mut start = None;
        match dictionary_value(ends, row) {
            Some(end) => {
                let first = bytes.len();
                for (at, piece) in &pieces {
                    let Some(piece) = dictionary_value(piece, row) else { continue };
                    bytes.extend_from_slice(piece.as_bytes());
                    match SLOTS[*at].field {
                        None => start = Some((bytes.len() - first) as u32),
                        Some(id) if id.ty().is_dictionary() => {
                            bytes.extend_from_slice(batch.text(id, row).unwrap_or_default().as_bytes());
                        }
                        Some(id) => {
                            let number = batch.number(id, row).unwrap_or_default();
                            bytes.extend_from_slice(digits.format(number as i64).as_bytes());
                        }
                    }
                }
                bytes.extend_from_slice(end.as_bytes());
                lines.push(true);
            }
            None => {
                let line = whole.filter(|w| w.is_valid(row)).map(|w| w.value(row));
                bytes.extend_from_slice(line.unwrap_or_default().as_bytes());
                lines.push(line.is_some());
                start = batch.number(field::LOG_MESSAGE_OFFSET, row).map(|n| n as u32);
            }
        }
        offsets.push(bytes.len() as i32);
        starts.push(start);
    }
    let nulls = lines.contains(&false).then(|| NullBuffer::from(lines));
    let lines = StringArray::new(OffsetBuffer::new(offsets.into()), Buffer::from_vec(bytes), nulls);
    let batch = batch.with_column(field::EVENT_ORIGINAL, Arc::new(lines));
    if starts.iter().all(Option::is_none) {
        return batch;
    }
    batch.with_column(field::LOG_MESSAGE_OFFSET, Arc::new(UInt32Array::from(starts)))
}

/// The column of a piece.
fn piece<'r>(record: &'r RecordBatch, name: &str) -> Option<&'r Dictionary> {
    let pieces = record.column_by_name(LINE)?.as_struct_opt()?;
    // Ours have all pieces or none.
    if pieces.num_columns() != line::pieces().count() {
        return None;
    }
    let column = pieces.column_by_name(name)?;
    let DataType::Dictionary(_, values) = column.data_type() else { return None };
    (**values == DataType::Utf8).then(|| column.as_dictionary_opt::<UInt32Type>()).flatten()
}
