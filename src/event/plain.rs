//! Columns of long text and of numbers while they are being built. In: values by row. Out: Arrow arrays.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};

use super::column::hand_out;
use super::field::Type;

/// Which rows have a value; costs nothing while all have.
#[derive(Default)]
struct Valid {
    /// Empty while there is no gap.
    rows: Vec<bool>,
}

impl Valid {
    /// Notes that a row has a value, when `len` rows before it were noted.
    #[inline]
    fn set(&mut self, len: usize, row: usize) {
        if len == row && self.rows.is_empty() {
            return;
        }
        self.gap(len, row);
        self.rows.push(true);
    }

    #[cold]
    fn gap(&mut self, len: usize, row: usize) {
        if self.rows.is_empty() {
            self.rows.resize(len, true);
        }
        self.rows.resize(row, false);
    }

    pub(super) fn finish(&mut self, noted: usize, len: usize) -> Option<NullBuffer> {
        if noted < len {
            self.gap(noted, len);
        }
        (!self.rows.is_empty()).then(|| NullBuffer::from(std::mem::take(&mut self.rows)))
    }
}

/// Builds one column of plain text.
#[derive(Default)]
pub(super) struct LongBuilder {
    /// 0, then the end of each row's text.
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    valid: Valid,
}

impl LongBuilder {
    pub(super) fn rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        if self.rows() > rows {
            self.offsets.truncate(rows + 1);
            self.bytes.truncate(self.offsets[rows] as usize);
            self.valid.rows.truncate(rows);
        }
    }

    pub(super) fn set(&mut self, row: usize, value: &str) {
        if self.offsets.len() != row + 1 {
            self.fit(row);
        }
        self.valid.set(row, row);
        self.bytes.extend_from_slice(value.as_bytes());
        self.offsets.push(self.bytes.len() as i32);
    }

    /// Forgets this row, or fills up to it with missing values.
    #[cold]
    fn fit(&mut self, row: usize) {
        self.truncate(row);
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        if self.rows() < row {
            self.valid.gap(self.rows(), row);
        }
        self.offsets.resize(row + 1, self.bytes.len() as i32);
    }

    pub(super) fn finish(&mut self, len: usize) -> StringArray {
        let nulls = self.valid.finish(self.rows(), len);
        self.offsets.resize(len + 1, self.bytes.len() as i32);
        let offsets = OffsetBuffer::new(hand_out(&mut self.offsets).into());
        StringArray::new(offsets, Buffer::from_vec(hand_out(&mut self.bytes)), nulls)
    }
}

/// Builds one column of numbers of any width, as two's complement in 64 bits.
#[derive(Default)]
pub(super) struct NumberBuilder {
    values: Vec<u64>,
    valid: Valid,
}

impl NumberBuilder {
    pub(super) fn rows(&self) -> usize {
        self.values.len()
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.valid.rows.truncate(rows);
    }

    #[inline]
    pub(super) fn set(&mut self, row: usize, value: u64) {
        if self.values.len() == row && self.valid.rows.is_empty() {
            self.values.push(value);
        } else {
            self.place(row, value);
        }
    }

    /// The same where the row is set already, or rows are missing.
    #[inline(never)]
    fn place(&mut self, row: usize, value: u64) {
        if self.values.len() > row {
            self.values[row] = value;
            return;
        }
        self.valid.set(self.values.len(), row);
        self.values.resize(row, 0);
        self.values.push(value);
    }

    pub(super) fn finish(&mut self, ty: Type, len: usize) -> ArrayRef {
        let nulls = self.valid.finish(self.values.len(), len);
        self.values.resize(len, 0);
        let values = &self.values;
        let array: ArrayRef = match ty {
            Type::U16 => Arc::new(UInt16Array::new(values.iter().map(|v| *v as u16).collect(), nulls)),
            Type::U32 => Arc::new(UInt32Array::new(values.iter().map(|v| *v as u32).collect(), nulls)),
            Type::I64 => Arc::new(Int64Array::new(values.iter().map(|v| *v as i64).collect(), nulls)),
            Type::Timestamp => {
                Arc::new(TimestampMicrosecondArray::new(values.iter().map(|v| *v as i64).collect(), nulls))
            }
            Type::U64 | Type::Text | Type::LongText | Type::TextList | Type::Ip | Type::Id => {
                Arc::new(UInt64Array::new(values.iter().copied().collect(), nulls))
            }
        };
        self.values.clear();
        array
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    #[test]
    fn gaps_are_missing_values() {
        let (mut numbers, mut long) = (NumberBuilder::default(), LongBuilder::default());
        for _ in 0..2 {
            numbers.set(0, 1);
            numbers.set(2, 3);
            numbers.set(2, 4);
            long.set(1, "one");
            long.set(1, "two");
            long.set(3, "three");
            assert_eq!(numbers.finish(Type::U16, 4).null_count(), 2);
            let column = long.finish(4);
            assert_eq!((column.null_count(), column.value(1), column.value(3)), (2, "two", "three"));
        }
        numbers.set(0, 1);
        assert_eq!(numbers.finish(Type::I64, 1).null_count(), 0);
    }
}
