//! What a thread remembers of a field from batch to batch: sets of atoms, and which values gave which set.
//!
//! The same values come again batch after batch; a value seen before costs one hash look-up
//! instead of a run of the automaton. What is remembered is bounded, and forgotten all at once.

use std::hash::Hasher;

use hashbrown::HashTable;
use rustc_hash::FxHasher;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of values kept for a field.
const VALUE_BYTES: usize = 8 << 20;
/// Longer values are rarely seen twice.
const LONGEST_VALUE: usize = 1 << 10;
/// Atoms kept in the sets of a field.
const SET_ATOMS: usize = 1 << 17;

/// The number of the empty set.
pub(super) const EMPTY: u32 = 0;

/// Sets of atoms, each once, numbered; number 0 is the empty one.
#[derive(Debug, Default)]
pub(super) struct Sets {
    atoms: Vec<u32>,
    /// Where each set but the empty one ends.
    ends: Vec<usize>,
    index: HashTable<(u64, u32)>,
}

impl Sets {
    /// How many sets there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len() + 1
    }

    /// The atoms of a set.
    pub(super) fn get(&self, set: u32) -> &[u32] {
        match set as usize {
            0 => &[],
            1 => &self.atoms[..self.ends[0]],
            n => &self.atoms[self.ends[n - 2]..self.ends[n - 1]],
        }
    }

    /// The number of the set of these atoms, which are sorted.
    pub(super) fn number(&mut self, atoms: &[u32]) -> u32 {
        if atoms.is_empty() {
            return EMPTY;
        }
        let mut hasher = FxHasher::default();
        atoms.iter().for_each(|a| hasher.write_u32(*a));
        let hash = hasher.finish();
        if let Some(&(_, set)) = self.index.find(hash, |&(h, set)| h == hash && self.get(set) == atoms) {
            return set;
        }
        self.atoms.extend_from_slice(atoms);
        self.ends.push(self.atoms.len());
        let set = self.ends.len() as u32;
        self.index.insert_unique(hash, (hash, set), |&(h, _)| h);
        set
    }

    /// Whether so many were gathered that they should be forgotten.
    pub(super) fn is_full(&self) -> bool {
        self.atoms.len() > SET_ATOMS
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.atoms.clear();
        self.ends.clear();
        self.index.clear();
    }
}

/// Value → set, for the values seen lately.
#[derive(Debug, Default)]
pub(super) struct Memo {
    bytes: Vec<u8>,
    index: HashTable<Seen>,
}

#[derive(Debug)]
struct Seen {
    hash: u64,
    start: u32,
    length: u32,
    set: u32,
}

impl Memo {
    /// The set of a value: the remembered one, or what `find` says.
    pub(super) fn set(&mut self, value: &str, find: impl FnOnce() -> u32) -> u32 {
        if value.len() > LONGEST_VALUE {
            return find();
        }
        let hash = xxh3_64(value.as_bytes());
        let bytes = &self.bytes;
        let same = |s: &Seen| s.hash == hash && &bytes[s.start as usize..][..s.length as usize] == value.as_bytes();
        if let Some(seen) = self.index.find(hash, same) {
            return seen.set;
        }
        let set = find();
        let seen = Seen { hash, start: self.bytes.len() as u32, length: value.len() as u32, set };
        self.bytes.extend_from_slice(value.as_bytes());
        self.index.insert_unique(hash, seen, |s| s.hash);
        set
    }

    /// Whether it holds so much that it should be forgotten.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() > VALUE_BYTES || self.index.len() * std::mem::size_of::<Seen>() > VALUE_BYTES
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.index.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_have_one_number() {
        let mut sets = Sets::default();
        assert_eq!(sets.number(&[]), EMPTY);
        let (a, b) = (sets.number(&[1, 2]), sets.number(&[3]));
        assert_eq!((sets.number(&[1, 2]), sets.number(&[3]), sets.len()), (a, b, 3));
        assert_eq!((sets.get(EMPTY), sets.get(a), sets.get(b)), (&[][..], &[1, 2][..], &[3][..]));
        sets.clear();
        assert_eq!(sets.number(&[3]), 1);
    }

    #[test]
    fn a_value_is_looked_up_once() {
        let mut memo = Memo::default();
        assert_eq!(memo.set("a", || 7), 7);
        assert_eq!(memo.set("a", || unreachable!()), 7);
        assert_eq!(memo.set("", || 8), 8);
        assert_eq!(memo.set("", || unreachable!()), 8);
        memo.clear();
        assert_eq!(memo.set("a", || 9), 9);
    }
}
