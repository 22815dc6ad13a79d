//! One field of one batch: its column in, the atoms that hit and their rows out.
//!
//! A column is made of codes, each code has a set of atoms: of a dictionary the distinct values,
//! of numbers the intervals, of long text the sets themselves. First [`FieldState::resolve`] says
//! which atoms hit anywhere, without a look at the rows; only when a rule asks for one of them,
//! [`FieldState::rows`] turns codes into bitmaps, for all atoms of the field in one pass.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType, UInt16Type, UInt32Type, UInt64Type};

use super::atoms::{FieldPlan, Index};
use super::bits::{Pool, Rows};
use super::index::{Lookup, TextIndex};
use super::interval::{NumberIndex, signed_key};
use super::memo::{EMPTY, Memo, Sets};
use crate::event::batch::{Dictionary, EventBatch};
use crate::event::field::Type;
use crate::rule::plan::FieldRef;

/// The set of a code that was not looked up yet.
const UNKNOWN: u32 = u32::MAX;
/// Up to so many atoms a byte a row tells which of them hold.
const MASKED: usize = 8;

/// What a thread keeps of a field.
#[derive(Debug, Default)]
pub(super) struct FieldState {
    sets: Sets,
    memo: Memo,
    /// The dictionary that `table` belongs to: batches cut from one keep it.
    dictionary: Option<ArrayRef>,
    /// Set of each code.
    table: Vec<u32>,
    /// Codes of the rows, where the column itself has none.
    codes: Vec<u32>,
    /// Sets that occur in this batch.
    used: Vec<u32>,
    set_batch: Vec<u64>,
    /// Atoms that hit in this batch.
    pub(super) hits: Vec<u32>,
    found: Vec<u32>,
}

/// The column of a field whose values are dictionary-coded text.
pub(super) fn dictionary<'b>(batch: &'b EventBatch, field: &FieldRef) -> Option<&'b Dictionary> {
    match field {
        FieldRef::Column(id) if id.ty().is_dictionary() => batch.dictionary(*id),
        FieldRef::Column(_) => None,
        FieldRef::Extra(name) => batch.extra(name),
    }
}

/// The column of a field; `message` has none of its own.
pub(super) fn array<'b>(batch: &'b EventBatch, field: &FieldRef) -> Option<&'b dyn Array> {
    match field {
        FieldRef::Column(id) => batch.column(*id).map(|a| a.as_ref()),
        FieldRef::Extra(name) => batch.extra(name).map(|d| d as &dyn Array),
    }
}

impl FieldState {
    /// Finds out which atoms hit in this batch; `now` is the batch's number. Existence is not among them.
    pub(super) fn resolve(&mut self, plan: &FieldPlan, batch: &EventBatch, now: u64, lookup: &mut Lookup) {
        self.used.clear();
        self.hits.clear();
        if self.sets.is_full() || self.memo.is_full() {
            self.forget();
        }
        match &plan.index {
            Index::Bare => {}
            Index::Text(index) => self.resolve_text(plan, index, batch, lookup),
            Index::Long(index) => self.resolve_long(plan, index, batch, lookup),
            Index::Number(index) => self.resolve_numbers(plan, index, batch),
        }
        self.gather_hits(now);
    }

    fn forget(&mut self) {
        self.sets.clear();
        self.memo.clear();
        self.dictionary = None;
        self.table.clear();
    }

    fn resolve_text(&mut self, plan: &FieldPlan, index: &TextIndex, batch: &EventBatch, lookup: &mut Lookup) {
        let Some(column) = dictionary(batch, &plan.field).filter(|c| c.null_count() < c.len()) else { return };
        let values = column.values();
        if !self.dictionary.as_ref().is_some_and(|d| std::sync::Arc::ptr_eq(d, values)) {
            self.dictionary = Some(values.clone());
            self.table.clear();
            self.table.resize(values.len(), UNKNOWN);
        }
        let texts = values.as_string::<i32>();
        let FieldState { sets, memo, table, used, found, .. } = self;
        let mut set_of = |code: usize| {
            if table[code] == UNKNOWN {
                let value = texts.value(code);
                table[code] = memo.set(value, || {
                    index.hits(value, lookup, found);
                    sets.number(found)
                });
            }
            table[code]
        };
        if values.len() <= batch.len() {
            used.extend((0..values.len()).map(set_of).filter(|s| *s != EMPTY));
            return;
        }
        // A few rows of a large dictionary: only the values they have.
        let codes = column.keys().values();
        match column.nulls() {
            None => used.extend(codes.iter().map(|c| set_of(*c as usize)).filter(|s| *s != EMPTY)),
            Some(nulls) => {
                used.extend(nulls.valid_indices().map(|r| set_of(codes[r] as usize)).filter(|s| *s != EMPTY))
            }
        }
    }

    fn resolve_long(&mut self, plan: &FieldPlan, index: &TextIndex, batch: &EventBatch, lookup: &mut Lookup) {
        let FieldRef::Column(field) = plan.field else { return };
        self.codes.clear();
        // Nothing is remembered of long text, so no set outlives its batch.
        self.sets.clear();
        for row in 0..batch.len() {
            let set = match batch.text(field, row) {
                Some(text) => {
                    index.hits(text, lookup, &mut self.found);
                    self.sets.number(&self.found)
                }
                None => EMPTY,
            };
            self.codes.push(set);
            if set != EMPTY {
                self.used.push(set);
            }
        }
        self.table.clear();
        self.table.extend(0..self.sets.len() as u32);
    }

    fn resolve_numbers(&mut self, plan: &FieldPlan, index: &NumberIndex, batch: &EventBatch) {
        self.codes.clear();
        let FieldRef::Column(field) = plan.field else { return };
        let Some(column) = batch.column(field).filter(|c| c.null_count() < c.len()) else { return };
        let codes = &mut self.codes;
        let (low, high) = match field.ty() {
            Type::U16 => intervals(index, column.as_primitive::<UInt16Type>().values(), |v| u64::from(*v), codes),
            Type::U32 => intervals(index, column.as_primitive::<UInt32Type>().values(), |v| u64::from(*v), codes),
            Type::U64 => intervals(index, column.as_primitive::<UInt64Type>().values(), |v| *v, codes),
            Type::I64 => intervals(index, column.as_primitive::<Int64Type>().values(), |v| signed_key(*v), codes),
            Type::Timestamp => {
                let times = column.as_primitive::<TimestampMicrosecondType>().values();
                intervals(index, times, |v| signed_key(*v), codes)
            }
            Type::Text | Type::LongText | Type::TextList | Type::Ip | Type::Id => return,
        };
        if self.table.is_empty() {
            self.table.resize(index.len(), UNKNOWN);
        }
        let FieldState { sets, table, used, found, codes, .. } = self;
        let mut set_of = |interval: u32| {
            if table[interval as usize] == UNKNOWN {
                found.clear();
                index.hits(interval, found);
                found.sort_unstable();
                found.dedup();
                table[interval as usize] = sets.number(found);
            }
            table[interval as usize]
        };
        if (high - low) as usize <= batch.len() {
            used.extend((low..=high).map(set_of));
        } else {
            used.extend(codes.iter().map(|c| set_of(*c)));
        }
    }

    /// Reduces `used` to distinct sets and gathers their atoms.
    fn gather_hits(&mut self, now: u64) {
        self.set_batch.resize(self.sets.len().max(self.set_batch.len()), 0);
        let FieldState { sets, used, set_batch, hits, .. } = self;
        used.retain(|set| std::mem::replace(&mut set_batch[*set as usize], now) != now);
        for set in used.iter() {
            hits.extend_from_slice(sets.get(*set));
        }
        if used.len() > 1 {
            hits.sort_unstable();
            hits.dedup();
        }
    }

    /// Calls `put` with every atom in `hits` and its rows.
    pub(super) fn rows(&self, plan: &FieldPlan, batch: &EventBatch, pool: &mut Pool, mut put: impl FnMut(u32, Rows)) {
        let (codes, nulls): (&[u32], _) = match &plan.index {
            Index::Bare => return,
            Index::Text(_) => match dictionary(batch, &plan.field) {
                Some(column) => (column.keys().values(), column.nulls()),
                None => return,
            },
            Index::Long(_) => (&self.codes, None),
            Index::Number(_) => (&self.codes, array(batch, &plan.field).and_then(|a| a.nulls())),
        };
        if let [set] = self.used[..]
            && (codes.is_empty() || self.table.iter().all(|s| *s == set))
        {
            let rows = valid(nulls, pool);
            return self.sets.get(set).iter().for_each(|atom| put(*atom, rows));
        }
        if self.hits.len() <= MASKED {
            self.rows_by_mask(codes, nulls, pool, put);
        } else {
            self.rows_by_hit(codes, nulls, pool, &mut put);
        }
    }

    /// Few atoms: a byte a row, its bits then gathered into a word for each atom.
    fn rows_by_mask(&self, codes: &[u32], nulls: Option<&NullBuffer>, pool: &mut Pool, mut put: impl FnMut(u32, Rows)) {
        let bit = |atom| 1u8 << self.hits.binary_search(atom).expect("a used set has only atoms that hit");
        let mut of_set = vec![0u8; self.sets.len()];
        for set in &self.used {
            of_set[*set as usize] = self.sets.get(*set).iter().map(bit).sum();
        }
        let masks: Vec<u8> =
            self.table.iter().map(|set| if *set == UNKNOWN { 0 } else { of_set[*set as usize] }).collect();
        let slots: Vec<u32> = self.hits.iter().map(|_| pool.zeroed()).collect();
        let validity = valid(nulls, pool);
        for (at, chunk) in codes.chunks(64).enumerate() {
            let mut bytes = [0u8; 64];
            for (byte, code) in bytes.iter_mut().zip(chunk) {
                // The code of a missing value may be anything.
                *byte = masks.get(*code as usize).copied().unwrap_or(0);
            }
            let present = pool.word(validity, at);
            for (bit, slot) in slots.iter().enumerate() {
                pool.get_mut(*slot)[at] = column_of_bits(&bytes, bit) & present;
            }
        }
        for (atom, slot) in self.hits.iter().zip(slots) {
            put(*atom, pool.finish(slot));
        }
    }

    /// Many atoms, each on few rows: a bit set for each hit.
    fn rows_by_hit(&self, codes: &[u32], nulls: Option<&NullBuffer>, pool: &mut Pool, put: &mut dyn FnMut(u32, Rows)) {
        let first = pool.zeroed_run(self.hits.len());
        // Position of each atom of each used set among the hits, so that the rows need no search.
        let mut starts = vec![(0u32, 0u32); self.sets.len()];
        let mut slots = Vec::new();
        for set in &self.used {
            let start = slots.len() as u32;
            let slot = |a| first + self.hits.binary_search(a).expect("a used set has only atoms that hit") as u32;
            slots.extend(self.sets.get(*set).iter().map(slot));
            starts[*set as usize] = (start, slots.len() as u32);
        }
        let mut hit = |row: usize, code: u32| {
            let set = self.table.get(code as usize).copied().unwrap_or(EMPTY);
            if set != EMPTY && set != UNKNOWN {
                let (start, end) = starts[set as usize];
                for slot in &slots[start as usize..end as usize] {
                    pool.set(*slot, row);
                }
            }
        };
        match nulls {
            None => codes.iter().enumerate().for_each(|(row, code)| hit(row, *code)),
            Some(nulls) => nulls.valid_indices().for_each(|row| hit(row, codes[row])),
        }
        for (atom, slot) in self.hits.iter().zip(first..) {
            put(*atom, pool.finish(slot));
        }
    }
}

/// The interval of each value into `codes`, and the least and greatest of them; when these are the same, `codes` stays empty.
fn intervals<T>(index: &NumberIndex, values: &[T], key: impl Fn(&T) -> u64, codes: &mut Vec<u32>) -> (u32, u32) {
    let (low, high) = values.iter().map(&key).fold((u64::MAX, 0), |(l, h), v| (l.min(v), h.max(v)));
    let (low, high) = (index.interval(low), index.interval(high));
    if low != high {
        codes.extend(values.iter().map(|v| index.interval(key(v))));
    }
    (low, high)
}

/// The rows that have a value.
pub(super) fn valid(nulls: Option<&NullBuffer>, pool: &mut Pool) -> Rows {
    let Some(nulls) = nulls.filter(|n| n.null_count() > 0) else { return Rows::All };
    let slot = pool.zeroed();
    for (out, word) in pool.get_mut(slot).iter_mut().zip(nulls.inner().bit_chunks().iter_padded()) {
        *out = word;
    }
    pool.finish(slot)
}

/// Bit `bit` of each of 64 bytes, as a word: eight at a time, a multiplication brings them side by side.
fn column_of_bits(bytes: &[u8; 64], bit: usize) -> u64 {
    let mut word = 0;
    for (i, eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
        let low_bits = (u64::from_le_bytes(*eight) >> bit) & 0x0101_0101_0101_0101;
        word |= (low_bits.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_of_bytes_come_side_by_side() {
        let mut bytes = [0u8; 64];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = (i as u8).wrapping_mul(37) ^ 0x5a;
        }
        for bit in 0..8 {
            let expected = bytes.iter().enumerate().fold(0u64, |w, (i, b)| w | u64::from(b >> bit & 1) << i);
            assert_eq!(column_of_bits(&bytes, bit), expected);
        }
    }
}
