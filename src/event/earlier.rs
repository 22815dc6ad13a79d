//! Events that were taken before a restart: equal lines are numbered on where they were.
//!
//! In: ids of the latest archived events, and where each came from. Out: whether a line that comes now has an equal
//! one among them.

use rustc_hash::FxHashSet;

use super::EventId;

/// The latest archived events.
#[derive(Debug, Default)]
pub struct Earlier {
    events: FxHashSet<u128>,
    /// No event is later, µs.
    last: Option<i64>,
}

impl Earlier {
    /// So many are enough: equal lines have equal times, so they come close together.
    pub const ENOUGH: usize = 128 * 1024;

    /// Adds an event with its time (µs) and `log.file.path`.
    pub fn add(&mut self, time: i64, id: EventId, path: &str) {
        self.last = self.last.max(Some(time));
        self.events.insert(mark(id, path));
    }

    /// Whether more would be of use.
    pub fn is_enough(&self) -> bool {
        self.events.len() >= Earlier::ENOUGH
    }

    /// How many events equal to this line, at this time (µs), came from `path`.
    pub fn count(&self, time: i64, line: &[u8], path: &str) -> u64 {
        if self.last.is_none_or(|last| time > last) {
            return 0;
        }
        let is_there = |n: &u64| self.events.contains(&mark(EventId::new(time, line, *n), path));
        (0..).take_while(is_there).count() as u64
    }
}

fn mark(id: EventId, path: &str) -> u128 {
    id.bits() ^ xxhash_rust::xxh3::xxh3_128(path.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lines_of_a_source_are_counted() {
        let mut earlier = Earlier::default();
        for (n, path) in [(0, "a"), (1, "a"), (0, "b")] {
            earlier.add(5_000_000, EventId::new(5_000_000, b"x", n), path);
        }
        let count = |time, line: &str, path| earlier.count(time, line.as_bytes(), path);
        assert_eq!((count(5_000_000, "x", "a"), count(5_000_000, "x", "b"), count(5_000_000, "x", "c")), (2, 1, 0));
        assert_eq!((count(5_000_000, "y", "a"), count(4_000_000, "x", "a"), count(5_000_001, "x", "a")), (0, 0, 0));
        assert_eq!(Earlier::default().count(i64::MIN, b"x", "a"), 0);
    }
}
