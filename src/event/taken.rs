//! What a sender may send again, because the answer to it was lost, and what is then not taken twice.
//!
//! In: a hash of each request and each event that its sender gave an id to. Out: whether it was taken before.
//! A hash covers the id and the content, so that an id which is not unique costs no event: only what is the same in
//! all is the same.

use rustc_hash::FxHashSet;

/// Ids of a generation: what fills a table of a million places (17 MiB). The youngest generation and the one before are
/// known.
const GENERATION: usize = 917_504;

/// Ids of requests and events that were taken lately, at least the last [`Taken::LEAST`].
#[derive(Default)]
pub struct Taken {
    young: FxHashSet<u128>,
    old: FxHashSet<u128>,
    /// Taken since the last commit.
    pending: Vec<u128>,
}

impl Taken {
    /// So many of the latest ids are known.
    pub const LEAST: usize = GENERATION;

    /// Takes an id; false when it was taken before.
    pub fn take(&mut self, id: u128) -> bool {
        let new = !self.old.contains(&id) && self.young.insert(id);
        if new {
            self.pending.push(id);
        }
        new
    }

    /// What was taken since the last commit, in order.
    pub fn pending(&self) -> &[u128] {
        &self.pending
    }

    /// What was taken is durable.
    pub fn settle(&mut self) {
        self.pending.clear();
        self.age();
    }

    /// What was taken since the last commit was refused: it may come again.
    pub fn give_back(&mut self) {
        for id in self.pending.drain(..) {
            self.young.remove(&id);
        }
    }

    /// Ids that were taken before a restart, in the order in which they were.
    pub fn restore(&mut self, ids: impl IntoIterator<Item = u128>) {
        for id in ids {
            if !self.old.contains(&id) {
                self.young.insert(id);
            }
            self.age();
        }
    }

    fn age(&mut self) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_once_unless_it_was_refused() {
        let mut taken = Taken::default();
        assert!(taken.take(1) && taken.take(2) && !taken.take(1));
        assert_eq!(taken.pending(), [1, 2]);
        taken.give_back();
        assert!(taken.take(1));
        taken.settle();
        assert!(!taken.take(1) && taken.take(2));
        taken.give_back();
        assert!(!taken.take(1) && taken.take(2));
    }

    #[test]
    fn memory_is_bounded_and_the_latest_are_known() {
        let mut taken = Taken::default();
        let most = 3 * GENERATION as u128;
        for id in 0..most {
            assert!(taken.take(id));
            taken.settle();
        }
        assert!(taken.young.len() + taken.old.len() < 2 * GENERATION + 1);
        assert!((most - Taken::LEAST as u128..most).all(|id| !taken.take(id)));
        let mut restored = Taken::default();
        restored.restore(0..most);
        assert!((most - Taken::LEAST as u128..most).all(|id| !restored.take(id)));
        assert!(restored.take(0) && restored.pending() == [0]);
    }
}
