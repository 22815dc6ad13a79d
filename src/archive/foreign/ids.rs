//! Identity of rows that others wrote: a function of their content alone.
//!
//! In: the columns of a batch. Out: ids. An id that the file has is taken. Otherwise all columns of a row are hashed with their names
//! (in whatever order they stand, of whatever width their numbers are), so that a row has one id whichever rules
//! are loaded and wherever it lies; equal rows are numbered.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

use super::convert::texts;
use super::times::times;
use crate::event::EventId;
use crate::event::batch::dictionary_value;
use crate::event::occurrence::Occurrences;

/// What is known of each row's content.
pub(super) struct Contents {
    sums: Vec<u128>,
}

impl Contents {
    pub(super) fn new(rows: usize) -> Contents {
        Contents { sums: vec![0; rows] }
    }

    /// Adds a column. A missing value adds nothing.
    pub(super) fn add(&mut self, name: &str, array: &ArrayRef) -> Result<(), ArrowError> {
        let seed = xxh3_64(name.as_bytes());
        let mut add = |row: usize, bytes: &[u8]| {
            self.sums[row] = self.sums[row].wrapping_add(xxh3_128_with_seed(bytes, seed));
        };
        match array.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let plain = cast(array, &DataType::Utf8)?;
                plain.as_string::<i32>().iter().enumerate().for_each(|(row, text)| {
                    text.iter().for_each(|text| add(row, text.as_bytes()));
                });
            }
            DataType::UInt64 => array.as_primitive::<UInt64Type>().iter().enumerate().for_each(|(row, n)| {
                n.iter().for_each(|n| add(row, &i128::from(*n).to_le_bytes()));
            }),
            ty if ty.is_integer() => {
                let wide = cast(array, &DataType::Int64)?;
                wide.as_primitive::<Int64Type>().iter().enumerate().for_each(|(row, n)| {
                    n.iter().for_each(|n| add(row, &i128::from(*n).to_le_bytes()));
                });
            }
            ty if ty.is_floating() => {
                let wide = cast(array, &DataType::Float64)?;
                wide.as_primitive::<Float64Type>().iter().enumerate().for_each(|(row, n)| {
                    n.iter().for_each(|n| add(row, &n.to_bits().to_le_bytes()));
                });
            }
            DataType::Timestamp(..) => {
                for (row, micros) in times(array, None, &jiff::tz::TimeZone::UTC)?.iter().enumerate() {
                    micros.iter().for_each(|micros| add(row, &micros.to_le_bytes()));
                }
            }
            _ => {
                let texts = texts(array, "\u{1f}")?;
                let hashes: Vec<u128> = texts
                    .values()
                    .as_string::<i32>()
                    .iter()
                    .map(|text| xxh3_128_with_seed(text.unwrap_or_default().as_bytes(), seed))
                    .collect();
                for (row, code) in texts.keys().iter().enumerate() {
                    code.iter().for_each(|code| self.sums[row] = self.sums[row].wrapping_add(hashes[*code as usize]));
                }
            }
        }
        Ok(())
    }

    /// The id of a row at this time, µs.
    pub(super) fn id(&self, row: usize, time: i64, seen: &mut Occurrences) -> EventId {
        numbered(&self.sums[row].to_le_bytes(), time, seen)
    }
}

/// The ids of rows of which the file tells: event ids and UUIDs as they are, from others one is made. Where a row has none, `None`.
pub(super) fn given(array: &ArrayRef) -> Result<Vec<Option<Given>>, ArrowError> {
    if let DataType::FixedSizeBinary(16) = array.data_type() {
        let id = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).ok().map(|bytes| Given::Is(EventId::from_bytes(bytes)));
        return Ok(array.as_fixed_size_binary().iter().map(|bytes| id(bytes?)).collect());
    }
    let texts = texts(array, ", ")?;
    let read = |text: &str| match text.parse() {
        Ok(id) => Given::Is(id),
        Err(_) => Given::Text(xxh3_128(text.as_bytes())),
    };
    Ok((0..texts.len()).map(|row| dictionary_value(&texts, row).map(read)).collect())
}

/// What a file tells of an id.
#[derive(Clone, Copy)]
pub(super) enum Given {
    Is(EventId),
    /// The hash of its text.
    Text(u128),
}

impl Given {
    pub(super) fn id(self, time: i64, seen: &mut Occurrences) -> EventId {
        match self {
            Given::Is(id) => id,
            Given::Text(hash) => numbered(&hash.to_le_bytes(), time, seen),
        }
    }
}

fn numbered(content: &[u8], time: i64, seen: &mut Occurrences) -> EventId {
    let before = seen.count(time, xxh3_64(content), 1, || 0);
    EventId::new(time, content, before)
}
