//! The raw line in pieces: the form in which an archive stores `event.original`.
//!
//! Most of a line is said again by the columns that were made of it. Stored is only what lies between their values: the
//! struct column [`LINE`] holds for each of [`SLOTS`] the text before its value, and under [`END`] the text after the
//! last one. A line is all of it in the order of the slots: piece, value, piece, value … end. Where a piece is missing
//! its value is not part of the line; where the end is missing the line is not in pieces but in `event.original`.

use std::sync::Arc;

use arrow::array::{ArrayRef, StructArray, new_null_array};
use arrow::datatypes::{DataType, Field, Fields};

use super::field::{self, FieldId, Type};
use super::schema;

/// Name of the struct column.
pub const LINE: &str = "line";

/// Name of the last piece.
pub const END: &str = "end";

/// A place of a line that a column fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Name of the piece before it.
    pub name: &'static str,
    /// The column with its value, a text or a number; `None` for the beginning of `message`, which is no text of its own.
    pub field: Option<FieldId>,
}

const fn slot(name: &'static str, field: FieldId) -> Slot {
    Slot { name, field: Some(field) }
}

/// All of them, in the order in which lines have them.
pub const SLOTS: [Slot; 10] = [
    slot("host", field::HOST_NAME),
    slot("pid", field::PROCESS_PID),
    Slot { name: "message", field: None },
    slot("user", field::USER_NAME),
    slot("ip", field::SOURCE_IP),
    slot("port", field::SOURCE_PORT),
    slot("url", field::URL_ORIGINAL),
    slot("bytes", field::HTTP_RESPONSE_BYTES),
    slot("referrer", field::HTTP_REQUEST_REFERRER),
    slot("agent", field::USER_AGENT),
];

/// The slot of the message's beginning.
pub const MESSAGE: usize = 2;

/// Names of all pieces, in their order.
pub fn pieces() -> impl Iterator<Item = &'static str> {
    SLOTS.iter().map(|slot| slot.name).chain([END])
}

fn fields() -> Fields {
    pieces().map(|name| Field::new(name, schema::stored_type(Type::Text), true)).collect()
}

/// The struct column.
pub(super) fn stored() -> Field {
    Field::new(LINE, DataType::Struct(fields()), false)
}

/// The struct column of lines none of which is in pieces.
pub(super) fn absent(rows: usize) -> ArrayRef {
    let none = fields().iter().map(|piece| new_null_array(piece.data_type(), rows)).collect();
    Arc::new(StructArray::new(fields(), none, None))
}
