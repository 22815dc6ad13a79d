//! Number tests of all rules on one field: a value in, the interval it lies in out, and for an
//! interval the atoms that hold there.
//!
//! The ends of all ranges cut the number line into intervals on which every atom is constant, so
//! a number column becomes a column of interval numbers, as cheap as a dictionary. Ranges lie in a
//! segment tree over the intervals: n of them take O(n log n) memory however they overlap.

use crate::event::field::Type;

/// The intervals of one field.
#[derive(Debug)]
pub(super) struct NumberIndex {
    /// Where intervals after the first one begin, in the unsigned order that [`signed_key`] gives signed numbers; sorted.
    breaks: Vec<u64>,
    /// A complete binary tree: node 1 is the root, leaf `size + i` is interval i.
    tree: Vec<Vec<u32>>,
}

/// Signed numbers as unsigned ones in the same order.
pub(super) fn signed_key(value: i64) -> u64 {
    value as u64 ^ (1 << 63)
}

impl NumberIndex {
    /// From inclusive ranges and their atoms. A range outside of what the type holds never hits.
    pub(super) fn new(ty: Type, ranges: &[(i128, i128, u32)]) -> NumberIndex {
        let signed = matches!(ty, Type::I64 | Type::Timestamp);
        let (least, greatest) =
            if signed { (i128::from(i64::MIN), i128::from(i64::MAX)) } else { (0, i128::from(u64::MAX)) };
        let key = |v: i128| if signed { signed_key(v as i64) } else { v as u64 };
        let spans: Vec<(u64, Option<u64>, u32)> = ranges
            .iter()
            .map(|(low, high, atom)| ((*low).max(least), (*high).min(greatest), *atom))
            .filter(|(low, high, _)| low <= high)
            .map(|(low, high, atom)| (key(low), key(high).checked_add(1), atom))
            .collect();
        let mut breaks: Vec<u64> =
            spans.iter().flat_map(|(low, end, _)| [Some(*low), *end]).flatten().filter(|b| *b != 0).collect();
        breaks.sort_unstable();
        breaks.dedup();
        let size = (breaks.len() + 1).next_power_of_two();
        let mut index = NumberIndex { breaks, tree: vec![Vec::new(); 2 * size] };
        for (low, end, atom) in spans {
            let from = index.interval(low) as usize;
            let to = end.map_or(index.breaks.len() + 1, |e| index.interval(e) as usize);
            index.cover(from + size, to + size, atom);
        }
        index
    }

    /// Puts the atom on the nodes that together cover the leaves `low..high`.
    fn cover(&mut self, mut low: usize, mut high: usize, atom: u32) {
        let mut put = |node: usize| {
            if self.tree[node].last() != Some(&atom) {
                self.tree[node].push(atom);
            }
        };
        while low < high {
            if low & 1 == 1 {
                put(low);
                low += 1;
            }
            if high & 1 == 1 {
                high -= 1;
                put(high);
            }
            low >>= 1;
            high >>= 1;
        }
    }

    /// How many intervals there are.
    pub(super) fn len(&self) -> usize {
        self.breaks.len() + 1
    }

    /// The interval of a value.
    pub(super) fn interval(&self, key: u64) -> u32 {
        if self.breaks.len() <= 8 {
            return self.breaks.iter().map(|b| u32::from(*b <= key)).sum();
        }
        self.breaks.partition_point(|b| *b <= key) as u32
    }

    /// Appends the atoms that hold on an interval.
    pub(super) fn hits(&self, interval: u32, out: &mut Vec<u32>) {
        let mut node = self.tree.len() / 2 + interval as usize;
        while node > 0 {
            out.extend_from_slice(&self.tree[node]);
            node >>= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(index: &NumberIndex, signed: bool, value: i128) -> Vec<u32> {
        let key = if signed { signed_key(value as i64) } else { value as u64 };
        let mut out = Vec::new();
        index.hits(index.interval(key), &mut out);
        out.sort_unstable();
        out.dedup();
        out
    }

    #[test]
    fn every_value_finds_its_ranges() {
        let ranges: Vec<(i128, i128, u32)> = (0..40).map(|i| (i * 3, i * 5 + 7, i as u32)).collect();
        let index = NumberIndex::new(Type::U64, &ranges);
        for value in 0..300 {
            let expected: Vec<u32> =
                ranges.iter().filter(|(l, h, _)| (*l..=*h).contains(&value)).map(|r| r.2).collect();
            assert_eq!(hits(&index, false, value), expected, "{value}");
        }
    }

    #[test]
    fn the_ends_of_the_type_are_inside() {
        let signed = NumberIndex::new(
            Type::I64,
            &[(i128::MIN, -1, 0), (0, i128::MAX, 1), (i64::MAX.into(), i64::MAX.into(), 2), (5, 4, 3)],
        );
        assert_eq!(hits(&signed, true, i64::MIN.into()), [0]);
        assert_eq!(hits(&signed, true, -1), [0]);
        assert_eq!(hits(&signed, true, 0), [1]);
        assert_eq!(hits(&signed, true, i64::MAX.into()), [1, 2]);
        let unsigned = NumberIndex::new(Type::U16, &[(-5, -1, 0), (i128::MIN, 0, 1), (u64::MAX.into(), i128::MAX, 2)]);
        assert_eq!(hits(&unsigned, false, 0), [1]);
        assert_eq!(hits(&unsigned, false, 1), [0; 0]);
        assert_eq!(hits(&unsigned, false, u64::MAX.into()), [2]);
    }
}
