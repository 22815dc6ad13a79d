//! Candidates of one rule over one stretch of time, found by the values that lists may have.
//!
//! Everything is in a few vectors: a candidate is 40 bytes and 8 for each of its values; keys,
//! payloads and values are held once. A stretch goes as a whole when all of it is too old.

use std::hash::{BuildHasher, Hash};

use compact_str::CompactString;
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::listed::{Contents, address};
use crate::event::EventId;
use crate::matching::{MatchRow, fold};
use crate::rule::plan::{Retro, Tuple};

/// The end of a chain.
const NONE: u32 = u32::MAX;

/// Candidates in the order in which they came.
#[derive(Default)]
pub(super) struct Stretch {
    candidates: Vec<Candidate>,
    /// Those of one candidate after the other.
    links: Vec<Link>,
    values: Interned<(u32, CompactString)>,
    /// For each value its latest link.
    heads: Vec<u32>,
    tuples: Interned<Tuple>,
    tests: Interned<u64>,
}

struct Candidate {
    time: i64,
    id: EventId,
    tests: u32,
    key: u32,
    payload: u32,
    /// Its first link.
    links: u32,
}

/// A value of a candidate.
struct Link {
    value: u32,
    /// The link before it with the same value.
    before: u32,
}

impl Stretch {
    /// Keeps a candidate, whose values are the payload's, so many, and then those of the listed fields. Returns its number.
    pub(super) fn push(&mut self, row: &MatchRow, payload: usize, listed: usize) -> u32 {
        let number = self.candidates.len() as u32;
        let candidate = Candidate {
            time: row.time,
            id: row.id,
            tests: self.tests.number(row.hits),
            key: self.tuples.number(row.key.clone()),
            payload: self.tuples.number(row.values.head(payload)),
            links: self.links.len() as u32,
        };
        self.candidates.push(candidate);
        for slot in 0..listed {
            let Some(text) = row.values.get(payload + slot) else { continue };
            for element in text.split(crate::event::batch::LIST_SEPARATOR) {
                let value = self.values.number((slot as u32, fold(element).into()));
                self.heads.resize(self.values.len(), NONE);
                let link = Link { value, before: self.heads[value as usize] };
                self.heads[value as usize] = self.links.len() as u32;
                self.links.push(link);
            }
        }
        number
    }

    /// The candidate's steps that hold (bit i for the i-th) with these lists.
    pub(super) fn steps(&self, candidate: u32, retro: &Retro, lists: &[Contents]) -> u32 {
        let at = candidate as usize;
        let end = self.candidates.get(at + 1).map_or(self.links.len(), |next| next.links as usize);
        let links = &self.links[self.candidates[at].links as usize..end];
        let listed = |slot: usize, list: u32| {
            let Some(contents) = lists.get(list as usize) else { return false };
            let values = links.iter().map(|link| self.values.get(link.value));
            values.filter(|(of, _)| *of as usize == slot).any(|(_, text)| contents.holds(text))
        };
        let tests = *self.tests.get(self.candidates[at].tests);
        let holds = retro.steps.iter().enumerate().map(|(i, shape)| u32::from(shape.holds(tests, &listed)) << i);
        holds.fold(0, |bits, bit| bits | bit)
    }

    /// Its match row, with these hits.
    pub(super) fn row(&self, candidate: u32, (group, hits): (u32, u64)) -> MatchRow {
        let Candidate { time, id, key, payload, .. } = self.candidates[candidate as usize];
        let tuple = |number| self.tuples.get(number).clone();
        MatchRow { group, hits, time, id, key: tuple(key), values: tuple(payload) }
    }

    /// Appends the candidates from a time on (µs) whose field has this value (without case).
    pub(super) fn with_value(&self, slot: usize, value: &str, from: i64, out: &mut Vec<u32>) {
        if let Some(number) = self.values.find(&(slot as u32, value.into())) {
            self.follow(number, from, out);
        }
    }

    /// Appends the candidates from a time on (µs) whose field has an address in one of these networks.
    pub(super) fn with_address(&self, slot: usize, networks: &Contents, from: i64, out: &mut Vec<u32>) {
        for (number, (of, text)) in self.values.iter().enumerate().filter(|(_, value)| value.0 as usize == slot) {
            debug_assert_eq!(*of as usize, slot, "only those were asked for");
            if address(text).is_some_and(|bits| networks.covers(bits)) {
                self.follow(number as u32, from, out);
            }
        }
    }

    fn follow(&self, value: u32, from: i64, out: &mut Vec<u32>) {
        let mut link = self.heads[value as usize];
        while link != NONE {
            let owner = self.candidates.partition_point(|c| c.links <= link) - 1;
            if self.candidates[owner].time >= from {
                out.push(owner as u32);
            }
            link = self.links[link as usize].before;
        }
    }

    /// Gives back what was allocated ahead, when not much more will come.
    pub(super) fn shrink(&mut self) {
        self.candidates.shrink_to_fit();
        self.links.shrink_to_fit();
        self.heads.shrink_to_fit();
        self.values.shrink();
        self.tuples.shrink();
        self.tests.shrink();
    }
}

/// Values held once, by number.
struct Interned<T> {
    all: Vec<T>,
    numbers: HashTable<u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Interned { all: Vec::new(), numbers: HashTable::new() }
    }
}

impl<T: Hash + Eq> Interned<T> {
    fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.find(&value) {
            return number;
        }
        let (number, hash) = (self.all.len() as u32, FxBuildHasher.hash_one(&value));
        self.all.push(value);
        let all = &self.all;
        self.numbers.insert_unique(hash, number, |n| FxBuildHasher.hash_one(&all[*n as usize]));
        number
    }

    fn find(&self, value: &T) -> Option<u32> {
        self.numbers.find(FxBuildHasher.hash_one(value), |n| self.all[*n as usize] == *value).copied()
    }

    fn get(&self, number: u32) -> &T {
        &self.all[number as usize]
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.all.iter()
    }

    fn len(&self) -> usize {
        self.all.len()
    }

    fn shrink(&mut self) {
        self.all.shrink_to_fit();
        let all = &self.all;
        self.numbers.shrink_to_fit(|n| FxBuildHasher.hash_one(&all[*n as usize]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<T> Interned<T> {
        fn bytes(&self) -> usize {
            self.all.capacity() * size_of::<T>() + self.numbers.allocation_size()
        }
    }

    impl Stretch {
        /// What it has allocated; no text in these tests is longer than what a string holds in itself.
        fn bytes(&self) -> usize {
            self.candidates.capacity() * size_of::<Candidate>()
                + self.links.capacity() * size_of::<Link>()
                + self.heads.capacity() * size_of::<u32>()
                + self.values.bytes()
                + self.tuples.bytes()
                + self.tests.bytes()
        }
    }

    /// Candidates of a rule `network where destination.ip in …` that shows the source's address.
    fn stretch(candidates: u32, addresses: u32) -> Stretch {
        let mut stretch = Stretch::default();
        for n in 0..candidates {
            let (source, destination) = (n.wrapping_mul(2_654_435_761) % 1_000, n.wrapping_mul(40_503) % addresses);
            let source = format!("10.1.{}.{}", source / 256, source % 256);
            let destination = format!("203.{}.{}.{}", destination >> 16, destination >> 8 & 255, destination & 255);
            let values = Tuple::new([Some(source.as_str()), Some(destination.as_str())]);
            let (id, key) = (EventId::from_bits(n.into()), Tuple::default());
            stretch.push(&MatchRow { group: 0, hits: 1, time: n.into(), id, key, values }, 1, 1);
        }
        stretch.shrink();
        stretch
    }

    #[test]
    fn a_candidate_takes_about_fifty_bytes_and_its_values_once() {
        let each =
            |candidates: u32, addresses: u32| stretch(candidates, addresses).bytes() as f64 / f64::from(candidates);
        let (few, many) = (each(200_000, 1_000), each(200_000, 200_000));
        println!("{few:.1} bytes a candidate with few values, {many:.1} when each has its own");
        assert!(few < 52.0 && many < 110.0, "{few} {many}");
    }

    #[test]
    fn candidates_are_found_by_their_values() {
        let stretch = stretch(50_000, 1_000);
        let (mut found, mut in_network) = (Vec::new(), Vec::new());
        stretch.with_value(0, "203.0.0.7", 25_000, &mut found);
        assert_eq!(found.len(), 25);
        let mut networks = Contents::default();
        networks.set("203.0.0.0/29", true);
        stretch.with_address(0, &networks, 25_000, &mut in_network);
        assert_eq!(in_network.len(), 200);
        assert!(found.iter().all(|c| in_network.contains(c) && *c >= 25_000));
        let row = stretch.row(found[0], (3, 4));
        assert_eq!((row.group, row.hits, row.time), (3, 4, i64::from(found[0])));
        assert_eq!(row.values.get(1), None, "what was looked up is no part of the row");
    }
}
