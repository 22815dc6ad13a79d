//! The columns whose values are parts of raw lines, as [`crate::event::line::SLOTS`] names them. In: a batch. Out: the
//! text that a line has for the value of a row.

use arrow::array::{Array, AsArray, StringArray, UInt16Array, UInt32Array, UInt64Array};

use crate::event::batch::Dictionary;
use crate::event::field::Type;
use crate::event::line::SLOTS;
use crate::event::{EventBatch, FieldId};

/// A column of a batch whose values are parts of lines.
pub(super) enum Source<'a> {
    Texts(&'a UInt32Array, &'a StringArray),
    U16(&'a UInt16Array),
    U32(&'a UInt32Array),
    U64(&'a UInt64Array),
}

/// Those that a batch has, by slot.
pub(super) fn sources(batch: &EventBatch) -> Vec<(usize, Source<'_>)> {
    let source = |id: FieldId| {
        let array = batch.column(id)?;
        match id.ty() {
            Type::Text | Type::Ip => Some(Source::of(array.as_dictionary())),
            Type::U16 => Some(Source::U16(array.as_primitive())),
            Type::U32 => Some(Source::U32(array.as_primitive())),
            Type::U64 => Some(Source::U64(array.as_primitive())),
            Type::I64 | Type::Timestamp | Type::LongText | Type::TextList | Type::Id => None,
        }
    };
    SLOTS.iter().enumerate().filter_map(|(at, slot)| Some((at, source(slot.field?)?))).collect()
}

impl<'a> Source<'a> {
    /// Texts.
    pub(super) fn of(texts: &'a Dictionary) -> Source<'a> {
        Source::Texts(texts.keys(), texts.values().as_string())
    }

    /// The value of a row as a line would have it.
    #[inline]
    pub(super) fn get<'v>(&self, row: usize, digits: &'v mut itoa::Buffer) -> Option<&'v [u8]>
    where
        'a: 'v,
    {
        match self {
            Source::Texts(codes, texts) => {
                codes.is_valid(row).then(|| texts.value(codes.value(row) as usize).as_bytes())
            }
            Source::U16(numbers) => numbers.is_valid(row).then(|| digits.format(numbers.value(row)).as_bytes()),
            Source::U32(numbers) => numbers.is_valid(row).then(|| digits.format(numbers.value(row)).as_bytes()),
            Source::U64(numbers) => numbers.is_valid(row).then(|| digits.format(numbers.value(row)).as_bytes()),
        }
    }
}
