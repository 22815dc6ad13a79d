//! One column of a batch while it is being built. In: values by row. Out: an Arrow array.
//!
//! A builder keeps what it learnt of its column's size for the next batch, and its hash table.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray, StringArray, UInt32Array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use hashbrown::HashTable;

use super::batch::Dictionary;
use super::field::Type;
use super::plain::{LongBuilder, NumberBuilder};

/// A column of any type.
pub(super) enum Column {
    Dictionary(DictionaryBuilder),
    Long(LongBuilder),
    Number(NumberBuilder),
    Ids(Vec<u8>),
}

impl Column {
    pub(super) fn new(ty: Type) -> Column {
        match ty {
            Type::Text | Type::Ip | Type::TextList => Column::Dictionary(DictionaryBuilder::default()),
            Type::LongText => Column::Long(LongBuilder::default()),
            Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::Timestamp => Column::Number(NumberBuilder::default()),
            Type::Id => Column::Ids(Vec::new()),
        }
    }

    /// Forgets rows from this one on.
    pub(super) fn truncate(&mut self, rows: usize) {
        match self {
            Column::Dictionary(d) => d.truncate(rows),
            Column::Long(l) => l.truncate(rows),
            Column::Number(n) => n.truncate(rows),
            Column::Ids(bytes) => bytes.truncate(rows * 16),
        }
    }

    /// The column of `len` rows, `None` when no row has a value; the builder is empty again.
    pub(super) fn finish(&mut self, ty: Type, len: usize) -> Option<ArrayRef> {
        match self {
            Column::Dictionary(d) if d.rows() > 0 => Some(Arc::new(d.finish(len))),
            Column::Long(l) if l.rows() > 0 => Some(Arc::new(l.finish(len))),
            Column::Number(n) if n.rows() > 0 => Some(n.finish(ty, len)),
            Column::Ids(bytes) if !bytes.is_empty() => {
                let mut bytes = hand_out(bytes);
                bytes.resize(len * 16, 0);
                Some(Arc::new(FixedSizeBinaryArray::new(16, Buffer::from_vec(bytes), None)))
            }
            Column::Dictionary(_) | Column::Long(_) | Column::Number(_) | Column::Ids(_) => None,
        }
    }
}

/// Hands out a vector and leaves an empty one, with room for as much again and a little more, unless that was unusually much.
pub(super) fn hand_out<T>(vector: &mut Vec<T>) -> Vec<T> {
    let next = Vec::with_capacity((vector.len() + vector.len() / 8).min(4 << 20));
    std::mem::replace(vector, next)
}

const MISSING: u32 = u32::MAX;

/// Words of the program found by their place in memory; more than a column of such words ever has.
const WORDS: usize = 32;

/// Builds one dictionary-coded column.
#[derive(Default)]
pub struct DictionaryBuilder {
    codes: Vec<u32>,
    /// Where values begin and end: 0, then the end of each.
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    /// Part of the hash, and the code.
    index: HashTable<(u32, u32)>,
    /// Address and length of a word, and its code.
    words: Vec<(usize, usize, u32)>,
    gaps: bool,
}

/// Whether two values are equal. Most are short: a call to compare them costs more than comparing them.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        0 | 1 => a.first() == b.first(),
        2..4 => a.first_chunk::<2>() == b.first_chunk() && a.last_chunk::<2>() == b.last_chunk(),
        4..8 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        8..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        17..=32 => a.first_chunk::<16>() == b.first_chunk() && a.last_chunk::<16>() == b.last_chunk(),
        33..=64 => a.first_chunk::<32>() == b.first_chunk() && a.last_chunk::<32>() == b.last_chunk(),
        _ => a == b,
    }
}

/// The whole hash again, from the part that is kept.
fn spread(part: u32) -> u64 {
    u64::from(part).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl DictionaryBuilder {
    /// One more than the last row that was set.
    pub(super) fn rows(&self) -> usize {
        self.codes.len()
    }

    #[inline]
    fn value(&self, code: u32) -> &[u8] {
        let at = code as usize;
        &self.bytes[self.offsets[at] as usize..self.offsets[at + 1] as usize]
    }

    /// Sets the value of `row`; rows between the last one set and this one are missing.
    #[inline]
    pub fn set(&mut self, row: usize, value: &str) {
        // Logs repeat themselves: the last value is the likeliest.
        let code = match self.codes.last() {
            Some(&last) if last != MISSING && same(self.value(last), value.as_bytes()) => last,
            Some(_) | None => self.code(value.as_bytes()),
        };
        self.set_code(row, code);
    }

    /// The same if it is in the dictionary already or `fits`; else false.
    #[inline]
    pub(super) fn set_if(&mut self, row: usize, value: &str, fits: impl Fn(&str) -> bool) -> bool {
        let (part, found) = self.find(value.as_bytes());
        let code = match found {
            Some(code) => code,
            None if fits(value) => self.add(value.as_bytes(), part),
            None => return false,
        };
        self.set_code(row, code);
        true
    }

    /// The code of a row, if it was set.
    pub(super) fn code_of(&self, row: usize) -> Option<u32> {
        self.codes.get(row).copied().filter(|code| *code != MISSING)
    }

    /// The same for a word of the program itself.
    #[inline]
    pub(super) fn set_word(&mut self, row: usize, word: &'static str) {
        let (address, len) = (word.as_ptr() as usize, word.len());
        let code = match self.words.iter().find(|w| w.0 == address && w.1 == len) {
            Some(known) => known.2,
            None => {
                let code = self.code(word.as_bytes());
                if self.words.len() < WORDS {
                    self.words.push((address, len, code));
                }
                code
            }
        };
        self.set_code(row, code);
    }

    #[inline]
    pub(super) fn set_code(&mut self, row: usize, code: u32) {
        if self.codes.len() == row {
            self.codes.push(code);
        } else if self.codes.len() > row {
            self.codes[row] = code;
        } else {
            self.gaps = true;
            self.codes.resize(row, MISSING);
            self.codes.push(code);
        }
    }

    /// The value of a row, if it was set.
    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let code = *self.codes.get(row)?;
        if code == MISSING {
            return None;
        }
        std::str::from_utf8(self.value(code)).ok()
    }

    /// Part of the value's hash, and its code if it has one.
    #[inline]
    fn find(&self, value: &[u8]) -> (u32, Option<u32>) {
        let hash = xxhash_rust::xxh3::xxh3_64(value);
        let part = (hash ^ hash >> 32) as u32;
        let found = self.index.find(spread(part), |&(p, code)| p == part && same(self.value(code), value));
        (part, found.map(|(_, code)| *code))
    }

    #[inline(never)]
    fn code(&mut self, value: &[u8]) -> u32 {
        let (part, found) = self.find(value);
        found.unwrap_or_else(|| self.add(value, part))
    }

    /// A value that is not in it yet.
    fn add(&mut self, value: &[u8], part: u32) -> u32 {
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        let code = self.offsets.len() as u32 - 1;
        self.bytes.extend_from_slice(value);
        self.offsets.push(self.bytes.len() as i32);
        self.index.insert_unique(spread(part), (part, code), |&(p, _)| spread(p));
        code
    }

    /// Forgets rows from this one on. Values that no row uses any more stay in the dictionary.
    pub(super) fn truncate(&mut self, rows: usize) {
        self.codes.truncate(rows);
    }

    /// The column of `len` rows; the builder is empty again.
    pub fn finish(&mut self, len: usize) -> Dictionary {
        let mut codes = hand_out(&mut self.codes);
        let gaps = std::mem::take(&mut self.gaps) || codes.len() < len;
        codes.resize(len, MISSING);
        let nulls = gaps.then(|| NullBuffer::new(BooleanBuffer::collect_bool(len, |i| codes[i] != MISSING)));
        if gaps {
            for code in &mut codes {
                *code = if *code == MISSING { 0 } else { *code };
            }
        }
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        // A table that was large once must not be wiped at every small batch.
        if self.index.capacity() > 64 + 8 * self.index.len() {
            self.index = HashTable::new();
        }
        self.index.clear();
        self.words.clear();
        let offsets = OffsetBuffer::new(hand_out(&mut self.offsets).into());
        let values = StringArray::new(offsets, Buffer::from_vec(hand_out(&mut self.bytes)), None);
        Dictionary::new(UInt32Array::new(ScalarBuffer::from(codes), nulls), Arc::new(values))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    #[test]
    fn builders_start_anew_after_each_batch() {
        let mut texts = DictionaryBuilder::default();
        for round in 0..3 {
            texts.set(1, "a");
            texts.set_word(2, "word");
            texts.set_word(3, "word");
            texts.set(3, "b");
            let column = texts.finish(5);
            assert_eq!((column.len(), column.null_count()), (5, 2), "round {round}");
            assert_eq!(column.keys().value(2), 1);
            assert_eq!(column.values().len(), 3);
        }
        texts.set(0, "x");
        assert!(texts.finish(1).nulls().is_none());
    }

    #[test]
    fn values_of_all_lengths_are_told_apart() {
        let texts: Vec<String> = (0..80).map(|n| "abcdefgh".chars().cycle().take(n).collect()).collect();
        for text in &texts {
            assert!(texts.iter().all(|other| same(text.as_bytes(), other.as_bytes()) == (text == other)));
            for at in 0..text.len() {
                let mut other = text.clone().into_bytes();
                other[at] = b'x';
                assert!(!same(text.as_bytes(), &other), "{text} at {at}");
            }
        }
    }
}
