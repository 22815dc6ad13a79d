//! Distinct texts, each with a code: the dictionaries of many batches as one.

use arrow::array::StringArray;
use arrow::buffer::{Buffer, OffsetBuffer};
use hashbrown::HashTable;

/// Distinct texts by code, in the order in which they came.
#[derive(Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<i32>,
    index: HashTable<(u64, u32)>,
}

impl Texts {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes they have together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The text of a code.
    #[inline]
    pub(super) fn value(&self, code: u32) -> &[u8] {
        let start = if code == 0 { 0 } else { self.ends[code as usize - 1] as usize };
        &self.bytes[start..self.ends[code as usize] as usize]
    }

    /// The code of a text, which is a new one when it was not seen before.
    pub(super) fn code(&mut self, value: &str) -> u32 {
        self.code_of(value.as_bytes())
    }

    /// The same of bytes that are text.
    pub(super) fn code_of(&mut self, value: &[u8]) -> u32 {
        let hash = xxhash_rust::xxh3::xxh3_64(value);
        let same = |&(h, code): &(u64, u32)| h == hash && self.value(code) == value;
        if let Some(&(_, code)) = self.index.find(hash, same) {
            return code;
        }
        let code = self.ends.len() as u32;
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len() as i32);
        self.index.insert_unique(hash, (hash, code), |&(h, _)| h);
        code
    }

    /// All texts, by code.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len() as u32).map(|code| self.value(code))
    }

    /// The same as an Arrow array.
    pub(super) fn finish(self) -> StringArray {
        let mut offsets = Vec::with_capacity(self.ends.len() + 1);
        offsets.push(0);
        offsets.extend_from_slice(&self.ends);
        StringArray::new(OffsetBuffer::new(offsets.into()), Buffer::from_vec(self.bytes), None)
    }
}
