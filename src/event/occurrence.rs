//! Numbers equal lines, so that each has an id of its own. In: a line's hash and time. Out: how many equal
//! lines came before.
//!
//! Exact for the last two million distinct lines. Those are held in generations of some ten thousand,
//! each with the span of times in it: an ordered log asks only the youngest, which fits a core's cache.

use std::collections::VecDeque;

use hashbrown::HashTable;
use rustc_hash::FxHashMap;

/// Distinct lines a generation holds: what fills a table of 65,536 places (0.6 MB).
const LINES: usize = 57_344;

/// Generations kept, the youngest included; together two million lines.
const GENERATIONS: usize = 36;

/// Counts of equal lines of one source.
#[derive(Default)]
pub(crate) struct Occurrences {
    youngest: Generation,
    older: VecDeque<Generation>,
    /// No older generation has a later time.
    older_last: i64,
}

struct Generation {
    /// Hashes of its lines. Hardly any comes again, and the table is the smaller for it.
    lines: HashTable<u64>,
    /// How often a line came, where that is not once.
    counts: FxHashMap<u64, u64>,
    first: i64,
    last: i64,
}

impl Default for Generation {
    fn default() -> Generation {
        Generation { lines: HashTable::new(), counts: FxHashMap::default(), first: i64::MAX, last: i64::MIN }
    }
}

impl Generation {
    /// How often a line came, if it is here.
    fn find(&mut self, hash: u64) -> Option<&mut u64> {
        let known = self.lines.find(hash, |h| *h == hash).is_some();
        known.then(|| self.counts.entry(hash).or_insert(1))
    }

    fn insert(&mut self, hash: u64, count: u64) {
        self.lines.insert_unique(hash, hash, |h| *h);
        if count != 1 {
            self.counts.insert(hash, count);
        }
    }
}

impl Occurrences {
    /// How many lines with this hash came before, `earlier` of them before the first that was counted here; counts `n` more.
    /// Equal lines must come with equal times.
    pub(crate) fn count(&mut self, time: i64, hash: u64, n: u64, earlier: impl FnOnce() -> u64) -> u64 {
        if let Some(count) = self.youngest.find(hash) {
            return std::mem::replace(count, *count + n);
        }
        if !self.older.is_empty() && time <= self.older_last {
            for generation in self.older.iter_mut().rev() {
                if (generation.first..=generation.last).contains(&time)
                    && let Some(count) = generation.find(hash)
                {
                    return std::mem::replace(count, *count + n);
                }
            }
        }
        if self.youngest.lines.len() >= LINES {
            self.retire();
        }
        self.youngest.first = self.youngest.first.min(time);
        self.youngest.last = self.youngest.last.max(time);
        let before = earlier();
        self.youngest.insert(hash, before + n);
        before
    }

    /// Counts `n` fewer lines with this hash: they did not come after all.
    pub(crate) fn give_back(&mut self, hash: u64, n: u64) {
        let generations = std::iter::once(&mut self.youngest).chain(self.older.iter_mut().rev());
        if let Some(count) = generations.into_iter().find_map(|generation| generation.find(hash)) {
            *count = count.saturating_sub(n);
        }
    }

    fn retire(&mut self) {
        let fresh = Generation { lines: HashTable::with_capacity(LINES), ..Generation::default() };
        self.older.push_back(std::mem::replace(&mut self.youngest, fresh));
        if self.older.len() >= GENERATIONS {
            self.older.pop_front();
        }
        self.older_last = self.older.iter().map(|g| g.last).max().unwrap_or(i64::MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes())
    }

    #[test]
    fn equal_lines_are_numbered_across_generations() {
        let mut seen = Occurrences::default();
        let many = 3 * LINES as u64;
        for n in 0..many {
            assert_eq!(seen.count(n as i64, hash(n), 1, || 0), 0);
        }
        for n in (0..many).rev() {
            assert_eq!(seen.count(n as i64, hash(n), 2, || 0), 1);
        }
        assert_eq!(seen.count(0, hash(0), 1, || 9), 3);
        assert_eq!((seen.count(0, hash(many), 1, || 9), seen.count(0, hash(many), 1, || 0)), (9, 10));
        seen.give_back(hash(many), 1);
        seen.give_back(hash(0), 3);
        assert_eq!((seen.count(0, hash(many), 1, || 0), seen.count(0, hash(0), 1, || 0)), (10, 1));
    }

    #[test]
    fn memory_is_bounded() {
        let mut seen = Occurrences::default();
        for n in 0..(2 * GENERATIONS * LINES) as u64 {
            seen.count(n as i64, hash(n), 1, || 0);
        }
        assert_eq!(seen.older.len(), GENERATIONS - 1);
    }
}
